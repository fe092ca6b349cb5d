"""A predicate as a FilterExpression that the server evaluates.

In: a typed predicate. Out: a condition that keeps at least every item for which the predicate is TRUE or an error.
Invariant: an item that the server leaves out is one whose predicate is FALSE or NULL, and no error; the exact predicate
is evaluated here on what comes.

For each part of the predicate the server is asked when it may be TRUE, FALSE, NULL, an error: conditions that hold
whenever the part comes out so, and may hold more often. What the server cannot tell is "always". They are put together
by AND and OR alone, so that a condition which holds too often can only keep too much.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.wire import encode
from ddbetl.functions.model import Nulls
from ddbetl.types import TAG_OF, Type, Value

# Source: DynamoDB Developer Guide, "Service quotas: Expression parameters".
LONGEST_EXPRESSION = 4096
MOST_OPERATORS = 300
# Source: API reference, "Comparison operator and function reference: IN".
MOST_CANDIDATES = 100

_PLACEHOLDER = re.compile(r"[#:]f[0-9]+")


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """A FilterExpression with its placeholders: ``names`` (``#f0``, attribute), ``values`` (``:f0``, DynamoDB JSON)."""

    expression: str
    names: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Atom:
    text: str


@dataclass(frozen=True, slots=True)
class _Not:
    operand: _Condition


@dataclass(frozen=True, slots=True)
class _Junction:
    word: str
    operands: tuple[_Condition, ...]


_Condition: TypeAlias = "bool | _Atom | _Not | _Junction"


def _junction(word: str, neutral: bool, operands: tuple[_Condition, ...]) -> _Condition:
    flat: list[_Condition] = []
    for operand in operands:
        inner = operand.operands if isinstance(operand, _Junction) and operand.word == word else (operand,)
        for one in inner:
            if one is (not neutral):
                return not neutral
            if one is not neutral and one not in flat:
                flat.append(one)
    kept = [one for one in flat if not any(_implied(other, one, word) for other in flat if other is not one)]
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else _Junction(word, tuple(kept))


def _implied(other: _Condition, one: _Condition, word: str) -> bool:
    """Absorption: beside A, ``A OR B`` says nothing more in a conjunction, nor ``A AND B`` in a disjunction."""

    def parts(condition: _Condition) -> frozenset[_Condition]:
        inside = isinstance(condition, _Junction) and condition.word != word
        return frozenset(condition.operands) if inside and isinstance(condition, _Junction) else frozenset({condition})

    return parts(other) < parts(one)


def _and(*operands: _Condition) -> _Condition:
    return _junction("AND", True, operands)


def _or(*operands: _Condition) -> _Condition:
    return _junction("OR", False, operands)


def _not(operand: _Condition) -> _Condition:
    match operand:
        case bool():
            return not operand
        case _Not(operand=inner):
            return inner
        case _Junction(word="AND", operands=operands):
            return _or(*(_not(o) for o in operands))
        case _Junction(operands=operands):
            return _and(*(_not(o) for o in operands))
        case _Atom(text=text):
            if text.startswith("attribute_not_exists("):
                return _Atom("attribute_exists(" + text.removeprefix("attribute_not_exists("))
            if text.startswith("attribute_exists("):
                return _Atom("attribute_not_exists(" + text.removeprefix("attribute_exists("))
            return _Not(operand)


@dataclass(frozen=True, slots=True)
class _Ways:
    """When a part may be TRUE, FALSE, NULL or an error; of a value that is no BOOLEAN, ``true`` and ``false`` both mean
    that it is there. ``keep``: TRUE or an error; ``keep_not``: FALSE or an error."""

    true: _Condition = True
    false: _Condition = True
    null: _Condition = True
    error: _Condition = True
    keep: _Condition = True
    keep_not: _Condition = True

    @property
    def value(self) -> _Condition:
        return _or(self.true, self.false)


UNKNOWN = _Ways()


def _ways(true: _Condition, false: _Condition, null: _Condition, error: _Condition) -> _Ways:
    return _Ways(true, false, null, error, _or(true, error), _or(false, error))


def _not_of(ways: _Ways) -> _Ways:
    return _Ways(ways.false, ways.true, ways.null, ways.error, ways.keep_not, ways.keep)


def _atoms(condition: _Condition) -> Iterator[str]:
    match condition:
        case bool():
            return
        case _Atom(text=text):
            yield text
        case _Not(operand=operand):
            yield from _atoms(operand)
        case _Junction(operands=operands):
            for one in operands:
                yield from _atoms(one)


def _size(*conditions: _Condition) -> int:
    """How many atoms there are; a list of candidates counts each."""
    return sum(1 + atom.count(",") for condition in conditions for atom in _atoms(condition))


@dataclass(slots=True)
class _Placeholders:
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def name(self, attribute: Attribute) -> str:
        return self.names.setdefault(attribute.name, f"#f{len(self.names)}")

    def value(self, value: Value) -> str:
        text = json.dumps(encode(value), ensure_ascii=False)
        return self.values.setdefault(text, f":f{len(self.values)}")


def server_filter(predicate: Expression) -> ServerFilter | None:
    """The condition that the server can evaluate for a predicate; None where it could leave nothing out."""
    for most in _SIZES:
        marks = _Placeholders()
        keep = _know(predicate, marks, most).keep
        if isinstance(keep, bool):
            # Also where the predicate is never TRUE nor an error: there is no expression that keeps nothing.
            return None
        text = _text(keep)
        operators = text.count(" AND ") + text.count(" OR ") + sum(1 + atom.count(",") for atom in _atoms(keep))
        if len(text.encode()) <= LONGEST_EXPRESSION and operators <= MOST_OPERATORS:
            break
    else:
        return None
    # The server refuses placeholders that the expression does not use.
    used = set(_PLACEHOLDER.findall(text))
    return ServerFilter(
        text,
        tuple((mark, name) for name, mark in marks.names.items() if mark in used),
        tuple((mark, value) for value, mark in marks.values.items() if mark in used),
    )


# What a condition may have of atoms, tried in turn until the whole is within the limits above.
_SIZES = (120, 60, 30, 12)


def _text(condition: _Condition) -> str:
    match condition:
        case _Atom(text=text):
            return text
        case _Not(operand=operand):
            return f"NOT ({_text(operand)})"
        case _Junction(word=word, operands=operands):
            return f" {word} ".join(f"({_text(o)})" if isinstance(o, _Junction) else _text(o) for o in operands)
        case bool():
            raise AssertionError("constants are folded")


_MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_COMPARABLE = frozenset({Type.STRING, Type.NUMBER})


def _know(expression: Expression, marks: _Placeholders, most: int) -> _Ways:
    """When an expression may come out how; no condition has more than about ``most`` atoms."""
    match expression:
        case Constant(value=None):
            return _ways(False, False, True, False)
        case Constant(value=bool() as value):
            return _ways(value, not value, False, False)
        case Constant():
            return _ways(True, True, False, False)
        case Attribute(steps=()):
            there = _there(expression, marks)
            return _ways(there, there, _not(there), False)
        case Attribute():
            # A step into something else than a map or a list is an error that the server does not know.
            there = _there(expression, marks)
            return _ways(there, there, True, there)
        case Call():
            return _know_call(expression, marks, most)


def _there(attribute: Attribute, marks: _Placeholders) -> _Condition:
    """The attribute is there, and is not NULL."""
    mark = marks.name(attribute)
    return _and(_Atom(f"attribute_exists({mark})"), _Not(_Atom(f"attribute_type({mark}, {_tag(marks, 'NULL')})")))


def _tag(marks: _Placeholders, tag: str) -> str:
    return marks.value(tag)


def _know_call(call: Call, marks: _Placeholders, most: int) -> _Ways:
    name = call.function.name
    if name in ("AND", "OR"):
        parts = [_boolean(operand, marks, most) for operand in _operands(call)]
        if name == "AND":
            return _all(parts, most)
        # Not one of them is not TRUE; OR stops at TRUE as AND does at FALSE.
        return _not_of(_all([_not_of(part) for part in parts], most))
    if name == "NOT":
        return _not_of(_boolean(call.arguments[0], marks, most))
    if name in ("IS NULL", "IS MISSING") and isinstance(call.arguments[0], Attribute) and not call.arguments[0].steps:
        missing: _Condition = _Atom(f"attribute_not_exists({marks.name(call.arguments[0])})")
        if name == "IS NULL":
            missing = _not(_there(call.arguments[0], marks))
        return _ways(missing, _not(missing), False, False)
    if name in _OPPOSITE:
        return _know_comparison(call, marks, most)
    if name == "IN":
        return _know_in(call, marks)
    return _strict(call, marks, most)


def _operands(call: Call) -> Iterator[Expression]:
    """The operands of a chain of one operator, from left to right, as it evaluates them."""
    for argument in call.arguments:
        if isinstance(argument, Call) and argument.function.name == call.function.name:
            yield from _operands(argument)
        else:
            yield argument


def _boolean(expression: Expression, marks: _Placeholders, most: int) -> _Ways:
    """When an operand of AND, OR, NOT may come out how: an attribute there must be a BOOLEAN."""
    if isinstance(expression, Attribute) and not expression.steps:
        mark, there = marks.name(expression), _there(expression, marks)
        true, false = (_Atom(f"{mark} = {marks.value(value)}") for value in (True, False))
        return _Ways(
            true, false, _not(there), _and(there, _Not(_type_is(expression, Type.BOOLEAN, marks))),
            _and(there, _Not(false)), _and(there, _Not(true)),
        )  # fmt: skip
    return _know(expression, marks, most)


def _all(parts: list[_Ways], most: int) -> _Ways:
    """AND of some operands: an operand is reached where those before it are TRUE or NULL."""
    true = _and(*_first([part.true for part in parts], most))
    error: _Condition = True
    keep: _Condition = True
    for count in range(len(parts), 0, -1):
        # The last operands are left out where there are too many: nothing is known of them then.
        some = parts if count == len(parts) else [*parts[:count], UNKNOWN]
        reached = [_size(*(p.true for p in some[:i]), *(p.null for p in some[:i])) for i in range(len(some))]
        errors, keeps = (_size(*conditions) for conditions in zip(*((p.error, p.keep) for p in some), strict=True))
        if sum(reached) + errors + keeps <= most:
            error = _or(*(_and(*(_or(p.true, p.null) for p in some[:i]), part.error) for i, part in enumerate(some)))
        elif errors + keeps <= most and count == len(parts):
            error = _or(*(part.error for part in some))
        else:
            continue
        keep = _or(_and(*(part.keep for part in some)), error)
        if keep is not True:
            break
    return _Ways(
        true,
        _any([part.false for part in parts], most),
        _any([part.null for part in parts], most),
        error,
        keep,
        _any([part.keep_not for part in parts], most),
    )


def _first(conditions: list[_Condition], most: int) -> list[_Condition]:
    """As many of the conditions as ``most`` allows."""
    while _size(*conditions) > most:
        conditions = conditions[:-1]
    return conditions


def _any(conditions: list[_Condition], most: int) -> _Condition:
    return True if _size(*conditions) > most else _or(*conditions)


def _strict(call: Call, marks: _Placeholders, most: int) -> _Ways:
    """A function that gives NULL for NULL, of which nothing else is known but when it is total."""
    if call.function.nulls is not Nulls.PROPAGATE:
        return UNKNOWN
    if _is_text_function(call):
        (argument,) = call.arguments
        if isinstance(argument, Attribute):
            return _typed(argument, Type.STRING, marks)
        return _know(argument, marks, most)
    known = [_know(argument, marks, most) for argument in call.arguments]
    value = _and(*_first([k.value for k in known], most))
    errors = _any([k.error for k in known], most)
    null = _any([k.null for k in known], most)
    keep = _or(_and(*_first([_or(k.keep, k.keep_not) for k in known], most)), errors)
    return _Ways(value, value, null, errors if _is_total(call) else _or(value, errors), keep, keep)


def _typed(attribute: Attribute, type_: Type, marks: _Placeholders) -> _Ways:
    """An attribute where a value of one type is needed."""
    there, same = _there(attribute, marks), _type_is(attribute, type_, marks)
    return _Ways(same, same, _not(there), _and(there, _Not(same)), there, there)


def _is_text_function(call: Call) -> bool:
    """Whether a call never fails for a STRING, and fails for every other value."""
    if call.function.name not in ("length", "lower", "upper", "trim") or len(call.arguments) != 1:
        return False
    (argument,) = call.arguments
    return argument.type is Type.STRING or (isinstance(argument, Attribute) and not argument.steps)


def _is_total(call: Call) -> bool:
    """Whether a call never fails itself: a comparison of two numbers or two texts."""
    types = {argument.type for argument in call.arguments}
    return call.function.name in _OPPOSITE and types in ({Type.STRING}, {Type.NUMBER})


def _type_is(attribute: Attribute, type_: Type, marks: _Placeholders) -> _Atom:
    return _Atom(f"attribute_type({marks.name(attribute)}, {_tag(marks, TAG_OF[type_])})")


def _know_comparison(call: Call, marks: _Placeholders, most: int) -> _Ways:
    operator = call.function.name
    left, right = call.arguments
    if isinstance(left, Constant) and not isinstance(right, Constant):
        left, right, operator = right, left, _MIRRORED[operator]
    if isinstance(right, Constant) and right.value is not None:
        if isinstance(left, Attribute) and not left.steps and right.type in _COMPARABLE:
            return _know_attribute(left, operator, right, marks)
        if isinstance(left, Call) and left.function.name == "length" and _is_text_function(left):
            (text,) = left.arguments
            if isinstance(text, Attribute) and (operator, right.value) in _NOT_EMPTY:
                return _know_not_empty(text, marks)
            if isinstance(text, Attribute) and (operator, right.value) in _EMPTY:
                return _not_of(_know_not_empty(text, marks))
    return _strict(call, marks, most)


def _know_attribute(left: Attribute, operator: str, right: Constant, marks: _Placeholders) -> _Ways:
    """A comparison of an attribute with a text or a number; the server's is FALSE, not an error, for another type."""
    there, same = _there(left, marks), _type_is(left, right.type, marks)
    mark, value = marks.name(left), marks.value(right.value)
    error = _and(there, _Not(same))
    if operator == "<>":
        return _not_of(_know_attribute(left, "=", right, marks))
    true, false = _Atom(f"{mark} {operator} {value}"), _Atom(f"{mark} {_OPPOSITE[operator]} {value}")
    if operator == "=":
        # To the server everything of another type is unequal.
        return _Ways(true, _and(same, false), _not(there), error, _or(true, error), _and(there, _Not(true)))
    return _Ways(true, false, _not(there), error, _and(there, _Not(false)), _and(there, _Not(true)))


_NOT_EMPTY = ((">", Decimal(0)), ("<>", Decimal(0)), (">=", Decimal(1)))
_EMPTY = (("<=", Decimal(0)), ("=", Decimal(0)), ("<", Decimal(1)))


def _know_not_empty(text: Attribute, marks: _Placeholders) -> _Ways:
    there, same = _there(text, marks), _type_is(text, Type.STRING, marks)
    empty = _Atom(f"{marks.name(text)} = {marks.value('')}")
    error = _and(there, _Not(same))
    return _Ways(_and(same, _Not(empty)), empty, _not(there), error, _and(there, _Not(empty)), _or(empty, error))


def _know_in(call: Call, marks: _Placeholders) -> _Ways:
    operand, *items = call.arguments
    constants = [item for item in items if isinstance(item, Constant) and item.type in _COMPARABLE]
    if not isinstance(operand, Attribute) or operand.steps or len(constants) < len(items):
        return UNKNOWN
    if len({c.type for c in constants}) != 1:
        return UNKNOWN
    if len(constants) > MOST_CANDIDATES:
        return _typed(operand, constants[0].type, marks)
    there, same = _there(operand, marks), _type_is(operand, constants[0].type, marks)
    among = _Atom(f"{marks.name(operand)} IN ({', '.join(marks.value(c.value) for c in constants)})")
    error = _and(there, _Not(same))
    return _Ways(among, _and(same, _Not(among)), _not(there), error, _or(among, error), _and(there, _Not(among)))
