"""The operators = <> < <= > >= IN and LIKE.

In: two values of one type (or a number and a duration, which counts seconds). Out: BOOLEAN. Invariant: a comparison
never converts: values of different types are an error, not unequal.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeAlias

from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import lower_seconds, seconds
from ddbetl.functions.forms import attempt, conjunction, unify
from ddbetl.functions.model import (
    BINARY,
    BOOLEAN,
    DURATION,
    EVERY,
    NUMBER,
    STRING,
    TIMESTAMP,
    ArgumentError,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Nulls,
    Parameter,
    Signature,
    sql_text,
)
from ddbetl.numbers import shown
from ddbetl.types import Type, Value

_HINT = "both sides must have one type: to_number(…), to_string(…) and CAST convert"


def same_value(left: Value, right: Value) -> bool:
    """Whether two values are equal and of one type, all the way down: for Python, TRUE is the number 1."""
    if type(left) is not type(right):
        return False
    if isinstance(left, tuple) and isinstance(right, tuple):
        return len(left) == len(right) and all(map(same_value, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_value(value, right[name]) for name, value in left.items())
    return left == right


def lower_comparison(symbol: str, lowering: Lowering, left: Fast, right: Fast) -> Fast | None:
    """SQL for a comparison of two values of one type; None where their form cannot be compared."""
    found = unify((left, right))
    if found is None or found[0].form is Form.JSON:
        return None
    first, second = (comparable(lowering, value) for value in found)
    return Fast(f"({first.value} {symbol} {second.value})", Form.BOOLEAN, conjunction([first.guard, second.guard]))


def comparable(lowering: Lowering, value: Fast) -> Fast:
    """The value as SQL compares it: bytes instead of base64. The guard is about that step alone."""
    if value.form is Form.BASE64:
        return attempt(lowering, f"from_base64({value.value})", Form.BASE64, None)
    return Fast(value.value, value.form)


# The comparisons

_SAME = (STRING, NUMBER, BOOLEAN, BINARY, TIMESTAMP, DURATION)
_ORDERED = (STRING, NUMBER, BINARY, TIMESTAMP, DURATION)
_UNORDERED = tuple(
    frozenset({type_}) for type_ in (Type.LIST, Type.MAP, Type.STRING_SET, Type.NUMBER_SET, Type.BINARY_SET)
)


def _two(left: frozenset[Type], right: frozenset[Type]) -> tuple[Parameter, ...]:
    return (Parameter("left", left, hint=_HINT), Parameter("right", right, hint=_HINT))


def _signatures(
    symbol: str,
    reference: Callable[[Any, Any], bool],
    types: tuple[frozenset[Type], ...],
    slow: tuple[frozenset[Type], ...] = (),
) -> tuple[Signature, ...]:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        return lower_comparison(symbol, lowering, *arguments)

    def mixed(binding: Binding) -> Implementation:
        def lower_mixed(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
            first = lower_seconds(arguments[0], binding.constants.get("left"))
            second = lower_seconds(arguments[1], binding.constants.get("right"))
            return None if first is None or second is None else lower_comparison(symbol, lowering, first, second)

        return Implementation(lambda left, right: reference(seconds(left), seconds(right)), lower_mixed)

    fast = Implementation(reference, lower)
    unlowered = Implementation(reference, slow_because="lists, maps and sets are compared")
    return (
        *(Signature(_two(t, t), Type.BOOLEAN, fast, nullable=False) for t in types),
        *(Signature(_two(t, t), Type.BOOLEAN, unlowered, nullable=False) for t in slow),
        Signature(_two(NUMBER, DURATION), Type.BOOLEAN, mixed, nullable=False),
        Signature(_two(DURATION, NUMBER), Type.BOOLEAN, mixed, nullable=False),
    )


def _different(left: Value, right: Value) -> bool:
    return not same_value(left, right)


_EQUAL_DOC = (
    "Both sides must have one type; a row where they have not is an error. Numbers are equal by value (`1.0 = 1`), "
    "lists by their elements in order, sets without order, maps by their entries. A duration beside a number counts "
    "seconds. A NULL on either side gives NULL."
)
_ORDER_DOC = (
    "Texts are ordered as DynamoDB sorts them, by their UTF-8 bytes; binary by its bytes, numbers, times and "
    "durations by their value. A duration beside a number counts seconds. A NULL on either side gives NULL."
)

EQUAL = Function(
    "=",
    "operator",
    f"Whether two values are equal. {_EQUAL_DOC}",
    _signatures("=", same_value, _SAME, _UNORDERED),
    (
        Example("n = 1", "TRUE", '{"n": {"N": "1.0"}}'),
        Example("'a' = 'A'", "FALSE"),
        Example("x = 1", "NULL"),
        Example("x = 1", "error: x: expected NUMBER, found STRING", '{"x": {"S": "1"}}'),
        Example(
            "x = y", "error: = cannot take x and y: they are STRING and NUMBER", '{"x": {"S": "1"}, "y": {"N": "1"}}'
        ),
    ),
)

NOT_EQUAL = Function(
    "<>",
    "operator",
    f"Whether two values differ; `!=` is the same. {_EQUAL_DOC}",
    _signatures("<>", _different, _SAME, _UNORDERED),
    (Example("'a' <> 'A'", "TRUE"), Example("x <> 1", "NULL")),
)


def _ordering(symbol: str, name: str, reference: Callable[[Any, Any], bool], examples: tuple[Example, ...]) -> Function:
    return Function(
        symbol,
        "operator",
        f"Whether the left value is {name} the right one. {_ORDER_DOC}",
        _signatures(symbol, reference, _ORDERED),
        examples,
    )


LESS = _ordering("<", "before", operator.lt, (Example("2 < 10", "TRUE"), Example("'2' < '10'", "FALSE")))
LESS_OR_EQUAL = _ordering(
    "<=", "before or equal to", operator.le, (Example("1.0 <= 1", "TRUE"), Example("'Z' <= 'a'", "TRUE"))
)
GREATER = _ordering(">", "after", operator.gt, (Example("3700 > 1 hour", "TRUE"), Example("n > 0", "NULL")))
GREATER_OR_EQUAL = _ordering(
    ">=", "after or equal to", operator.ge, (Example("-1 >= -2", "TRUE"), Example("'é' >= 'z'", "TRUE"))
)


# IN


def _in(operand: Value, *candidates: Value) -> bool | None:
    if operand is None:
        return None
    if any(same_value(operand, candidate) for candidate in candidates):
        return True
    return None if None in candidates else False


def _lower_in(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    found = unify(arguments)
    if found is None or found[0].form is Form.JSON:
        return None
    operand, *candidates = (comparable(lowering, value) for value in found)
    # A NULL that came from a failed step would be taken for a missing value: the guard must look at what went in.
    guards = [
        f"({original.value} IS NULL OR {step.guard})"
        for original, step in zip(found, (operand, *candidates), strict=True)
        if step.guard is not None
    ]
    values = ", ".join(candidate.value for candidate in candidates)
    return Fast(f"({operand.value} IN ({values}))", Form.BOOLEAN, conjunction(guards))


IN = Function(
    "IN",
    "operator",
    "Whether a value equals one of the candidates, which must have its type. As in SQL, a NULL among the "
    "candidates makes NULL of what would be FALSE; `x NOT IN (…)` is `NOT (x IN (…))`.",
    (
        Signature(
            (
                Parameter("operand", EVERY, same=True, hint=_HINT),
                Parameter("candidate", EVERY, same=True, variadic=True, hint=_HINT),
            ),
            Type.BOOLEAN,
            Implementation(_in, _lower_in),
        ),
    ),
    (
        Example("'b' IN ('a', 'b')", "TRUE"),
        Example("1 IN (2, 3.0)", "FALSE"),
        Example("1 IN (2, NULL)", "NULL"),
        Example("x IN (1, 2)", "error: x: expected NUMBER, found STRING", '{"x": {"S": "1"}}'),
    ),
    nulls=Nulls.SEEN,
)


# LIKE

Match: TypeAlias = Callable[[str], bool]


def compile_like(pattern: str, escape: str | None) -> Match:
    """A function that says whether a text matches a LIKE pattern; a RowError for a pattern that ends in the escape.

    Between two ``%`` the leftmost place is always good enough, so the time is never more than the product of lengths.
    """
    parts: list[str] = [""]
    lengths = [0]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            following = next(characters, None)
            if following is None:
                raise RowError("R0112", f"the LIKE pattern {shown(pattern)} ends in its escape character")
            piece = re.escape(following)
        elif character == "%":
            parts.append("")
            lengths.append(0)
            continue
        else:
            piece = "." if character == "_" else re.escape(character)
        parts[-1] += piece
        lengths[-1] += 1
    regexes = [re.compile(part, re.DOTALL) for part in parts]
    if len(regexes) == 1:
        (whole,) = regexes
        return lambda text: whole.fullmatch(text) is not None
    first, *middle, last = regexes

    def matches(text: str) -> bool:
        found = first.match(text)
        for regex in middle:
            if found is None:
                return False
            found = regex.search(text, found.end())
        tail = len(text) - lengths[-1]
        return found is not None and found.end() <= tail and last.fullmatch(text, tail) is not None

    return matches


_compile_like = lru_cache(maxsize=256)(compile_like)


def _bind_like(binding: Binding) -> Implementation:
    escape = binding.constants.get("escape")
    pattern = binding.constants.get("pattern")
    if isinstance(escape, str):
        if len(escape) != 1:
            raise ArgumentError("escape", "LIKE: ESCAPE takes one character")
        if isinstance(pattern, str):
            try:
                compile_like(pattern, escape)
            except RowError as error:
                raise ArgumentError("pattern", f"LIKE: {error.message}", at=len(pattern) - 1) from None
    used = escape if isinstance(escape, str) else None

    def reference(text: str, pattern: str) -> bool:
        return _compile_like(pattern, used)(text)

    return Implementation(reference, _lower_like(used, isinstance(pattern, str)))


def _lower_like(escape: str | None, constant: bool) -> Lower:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        text, pattern = arguments
        if escape is None:
            return Fast(f"({text.value} LIKE {pattern.value})", Form.BOOLEAN)
        literal = sql_text(escape)
        if literal is None:
            return None
        like = f"({text.value} LIKE {pattern.value} ESCAPE {literal})"
        if constant:
            return Fast(like, Form.BOOLEAN)
        code = f"\\x{{{ord(escape):x}}}"
        complete = lowering.bind(f"regexp_full_match({pattern.value}, {sql_text(f'(?s)([^{code}]|{code}.)*')})")
        return Fast(f"CASE WHEN {complete} THEN {like} END", Form.BOOLEAN, f"coalesce({complete}, FALSE)")

    return lower


LIKE = Function(
    "LIKE",
    "operator",
    "Whether the whole text matches a pattern: `%` stands for any characters, line breaks included, or none, and "
    "`_` for exactly one. Case counts. `LIKE … ESCAPE '!'` makes the character after a `!` stand for itself; "
    "without ESCAPE nothing is escaped, a backslash least of all.",
    (
        Signature(
            (
                Parameter("text", STRING, hint="to_string(…) makes a text of it"),
                Parameter("pattern", STRING),
                Parameter("escape", STRING, optional=True, constant=True),
            ),
            Type.BOOLEAN,
            _bind_like,
            nullable=False,
        ),
    ),
    (
        Example("'ORDER#17' LIKE 'ORDER#%'", "TRUE"),
        Example("'50%' LIKE '50!%' ESCAPE '!'", "TRUE"),
        Example("'Größe' LIKE 'Gr__e'", "TRUE"),
        Example("x LIKE 'a%'", "NULL"),
    ),
)

COMPARISON: tuple[Function, ...] = (
    EQUAL,
    NOT_EQUAL,
    LESS,
    LESS_OR_EQUAL,
    GREATER,
    GREATER_OR_EQUAL,
    IN,
    LIKE,
)
