"""Functions that choose between their arguments, and CASE.

In: conditions and values. Out: one of the values, or NULL. Invariant: only what is needed is evaluated, in the order
of the text, so an error in a branch that is not taken is no error.
"""

from __future__ import annotations

from collections.abc import Callable

from ddbetl.errors import RowError
from ddbetl.functions.comparison import lower_comparison, same_value
from ddbetl.functions.forms import NULL, conjunction, unify
from ddbetl.functions.model import (
    BOOLEAN,
    EVERY,
    SAME,
    Example,
    Fast,
    Function,
    Implementation,
    Lowering,
    Nulls,
    Parameter,
    Signature,
)
from ddbetl.types import Value

_HINT = "all results must have one type: to_number(…), to_string(…) and CAST convert"


def _case(*arguments: Callable[[], Value]) -> Value:
    for position in range(0, len(arguments) - 1, 2):
        if arguments[position]() is True:
            return arguments[position + 1]()
    return arguments[-1]() if len(arguments) % 2 else None


def _lower_case(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    count = len(arguments) // 2
    otherwise = arguments[-1] if len(arguments) % 2 else NULL
    conditions = arguments[0 : 2 * count : 2]
    found = unify([*arguments[1 : 2 * count : 2], otherwise])
    if found is None:
        return None
    *results, otherwise = found
    whens = " ".join(
        f"WHEN {condition.value} THEN {result.value}" for condition, result in zip(conditions, results, strict=True)
    )
    guard = otherwise.guard
    for condition, result in reversed(list(zip(conditions, results, strict=True))):
        if result.guard is not None or guard is not None:
            guard = f"CASE WHEN {condition.value} THEN {result.guard or 'TRUE'} ELSE {guard or 'TRUE'} END"
        guard = conjunction([condition.guard, guard])
    return Fast(f"CASE {whens} ELSE {otherwise.value} END", otherwise.form, guard)


CASE = Function(
    "CASE",
    "operator",
    "`CASE WHEN condition THEN result … [ELSE result] END`: the result of the first condition that is TRUE, else "
    "that of ELSE, else NULL. `CASE x WHEN value THEN result … END` compares by `=`. Conditions are evaluated in "
    "order, and only the result that is taken.",
    (
        Signature(
            (
                Parameter("condition", BOOLEAN),
                Parameter("result", EVERY, same=True, hint=_HINT),
                Parameter("otherwise", EVERY, same=True, optional=True, hint=_HINT),
            ),
            SAME,
            Implementation(_case, _lower_case),
            repeats=2,
        ),
    ),
    (
        Example("CASE WHEN 1 > 2 THEN 'a' WHEN NULL THEN 'b' ELSE 'c' END", "'c'"),
        Example("CASE n WHEN 1 THEN 'one' WHEN 2 THEN 'two' END", "'two'", '{"n": {"N": "2"}}'),
        Example("CASE WHEN n = 0 THEN 0 ELSE 1 / n END", "0", '{"n": {"N": "0"}}'),
        Example("CASE WHEN FALSE THEN 1 END", "NULL"),
    ),
    nulls=Nulls.LAZY,
)

IF = Function(
    "if",
    "conditional",
    "`then` where the condition is TRUE, `otherwise` where it is FALSE or NULL. Only the one that is taken is "
    "evaluated.",
    (
        Signature(
            (
                Parameter("condition", BOOLEAN),
                Parameter("then", EVERY, same=True, hint=_HINT),
                Parameter("otherwise", EVERY, same=True, hint=_HINT),
            ),
            SAME,
            Implementation(_case, _lower_case),
        ),
    ),
    (
        Example("if(length(OrderID) > 0, OrderID, 'none')", "'none'"),
        Example("if(n > 0, 100 / n, 0)", "0", '{"n": {"N": "0"}}'),
    ),
    nulls=Nulls.LAZY,
)


def _coalesce(*arguments: Callable[[], Value]) -> Value:
    for argument in arguments:
        value = argument()
        if value is not None:
            return value
    return None


def _lower_coalesce(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    found = unify(arguments)
    if found is None:
        return None
    guard: str | None = None
    for argument in reversed(found):
        rest = None if guard is None else f"({argument.value} IS NOT NULL OR {guard})"
        guard = conjunction([argument.guard, rest])
    return Fast(f"coalesce({', '.join(a.value for a in found)})", found[0].form, guard)


COALESCE = Function(
    "coalesce",
    "conditional",
    "The first argument that is not NULL; NULL if all are. A missing attribute and DynamoDB's NULL both count as "
    "NULL. What comes after it is not evaluated.",
    (
        Signature(
            (Parameter("value", EVERY, same=True, variadic=True, hint=_HINT),),
            SAME,
            Implementation(_coalesce, _lower_coalesce),
        ),
    ),
    (
        Example("coalesce(Nickname, Name, 'anonymous')", "'Ann'", '{"Name": {"S": "Ann"}}'),
        Example("coalesce(x, 0)", "0", '{"x": {"NULL": true}}'),
        Example("coalesce('', 'empty is not NULL')", "''"),
    ),
    nulls=Nulls.LAZY,
)


def _nullif(value: Value, unwanted: Value) -> Value:
    return None if unwanted is not None and value is not None and same_value(value, unwanted) else value


def _lower_nullif(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    found = unify(arguments)
    if found is None:
        return None
    value, unwanted = found
    equal = lower_comparison("=", lowering, value, unwanted)
    if equal is None:
        return None
    guard = equal.guard
    if guard is not None:
        guard = f"({value.value} IS NULL OR {unwanted.value} IS NULL OR {guard})"
    return Fast(f"CASE WHEN {equal.value} THEN NULL ELSE {value.value} END", value.form, guard)


NULLIF = Function(
    "nullif",
    "conditional",
    "NULL where the value equals `unwanted`, else the value. Both must have one type, as for `=`.",
    (
        Signature(
            (
                Parameter("value", EVERY, same=True, hint=_HINT),
                Parameter("unwanted", EVERY, same=True, hint=_HINT),
            ),
            SAME,
            Implementation(_nullif, _lower_nullif),
        ),
    ),
    (
        Example("nullif(x, '')", "NULL", '{"x": {"S": ""}}'),
        Example("nullif(x, 0)", "7", '{"x": {"N": "7"}}'),
        Example("nullif('a', NULL)", "'a'"),
    ),
    nulls=Nulls.SEEN,
)


def _try(expression: Callable[[], Value]) -> Value:
    try:
        return expression()
    except RowError:
        return None


def _lower_try(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    (expression,) = arguments
    return expression


TRY = Function(
    "try",
    "conditional",
    "The value of the expression, or NULL where it is an error of the row: a wrong type, a text that is no time, a "
    "division by zero. Without it such a row goes to the rejects.",
    (Signature((Parameter("expression", EVERY, same=True),), SAME, Implementation(_try, _lower_try)),),
    (
        Example("try(epoch('2017-04-26T10:15:30Z'))", "1493201730"),
        Example("try(epoch('yesterday'))", "NULL"),
        Example("try(1 / 0)", "NULL"),
        Example("coalesce(try(to_number(x)), 0)", "0", '{"x": {"S": "n/a"}}'),
    ),
    nulls=Nulls.LAZY,
)

CONDITIONAL: tuple[Function, ...] = (COALESCE, IF, NULLIF, TRY)
