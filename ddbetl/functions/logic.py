"""The operators AND, OR, NOT, IS NULL and IS MISSING: SQL's logic of three values.

In: BOOLEAN values, or anything for IS. Out: BOOLEAN. Invariant: AND and OR go from left to right and look at the
right side only where the left one leaves the answer open, so its errors count only there.
"""

from __future__ import annotations

from collections.abc import Callable

from ddbetl.functions.forms import conjunction
from ddbetl.functions.model import (
    BOOLEAN,
    EVERY,
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
)
from ddbetl.types import Type, Value


def _and(left: Callable[[], Value], right: Callable[[], Value]) -> bool | None:
    first = left()
    if first is False:
        return False
    second = right()
    if second is False:
        return False
    return None if first is None or second is None else True


def _or(left: Callable[[], Value], right: Callable[[], Value]) -> bool | None:
    first = left()
    if first is True:
        return True
    second = right()
    if second is True:
        return True
    return None if first is None or second is None else False


def _lower_junction(word: str, settled: str) -> Lower:
    """AND or OR; ``settled``: the SQL test by which the left side alone decides."""

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        left, right = arguments
        needed = None if right.guard is None else f"(({left.value}) {settled} OR {right.guard})"
        return Fast(f"({left.value} {word} {right.value})", Form.BOOLEAN, conjunction([left.guard, needed]))

    return lower


_TWO = (Parameter("left", BOOLEAN), Parameter("right", BOOLEAN))

AND = Function(
    "AND",
    "operator",
    "TRUE where both sides are, FALSE where one is, else NULL. Where the left side is FALSE the right one is not "
    "looked at, so `attribute_type(x) = 'N' AND x > 5` is never an error.",
    (Signature(_TWO, Type.BOOLEAN, Implementation(_and, _lower_junction("AND", "IS FALSE"))),),
    (
        Example("TRUE AND NULL", "NULL"),
        Example("FALSE AND x > 5", "FALSE", '{"x": {"S": "a"}}'),
        Example("x > 5 AND FALSE", "error: x: expected NUMBER, found STRING", '{"x": {"S": "a"}}'),
    ),
    nulls=Nulls.LAZY,
)

OR = Function(
    "OR",
    "operator",
    "TRUE where one side is, FALSE where both are, else NULL. Where the left side is TRUE the right one is not "
    "looked at.",
    (Signature(_TWO, Type.BOOLEAN, Implementation(_or, _lower_junction("OR", "IS TRUE"))),),
    (
        Example("FALSE OR NULL", "NULL"),
        Example("TRUE OR x > 5", "TRUE", '{"x": {"S": "a"}}'),
        Example("NULL OR TRUE", "TRUE"),
    ),
    nulls=Nulls.LAZY,
)


def _not(operand: bool) -> bool:
    return not operand


def _lower_not(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"(NOT {arguments[0].value})", Form.BOOLEAN)


NOT = Function(
    "NOT",
    "operator",
    "TRUE for FALSE, FALSE for TRUE, NULL for NULL.",
    (Signature((Parameter("operand", BOOLEAN),), Type.BOOLEAN, Implementation(_not, _lower_not), nullable=False),),
    (Example("NOT 1 = 2", "TRUE"), Example("NOT x", "NULL")),
)


def _is_none(value: Value) -> bool:
    return value is None


def _lower_is_null(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"({arguments[0].value} IS NULL)", Form.BOOLEAN)


IS_NULL = Function(
    "IS NULL",
    "operator",
    "Whether there is no value: the attribute is missing, is DynamoDB's NULL, or the expression gives NULL. `IS "
    "NOT NULL` is the opposite.",
    (
        Signature(
            (Parameter("operand", EVERY),), Type.BOOLEAN, Implementation(_is_none, _lower_is_null), nullable=False
        ),
    ),
    (
        Example("x IS NULL", "TRUE"),
        Example("x IS NULL", "TRUE", '{"x": {"NULL": true}}'),
        Example("x IS NOT NULL", "TRUE", '{"x": {"S": ""}}'),
    ),
    nulls=Nulls.SEEN,
)

IS_MISSING = Function(
    "IS MISSING",
    "operator",
    "Whether the item has no such attribute, or no such entry at the end of a path. DynamoDB's NULL is there and "
    "so is not missing: `IS NULL` asks for both.",
    (
        Signature(
            (Parameter("operand", EVERY),), Type.BOOLEAN, Implementation(_is_none, _lower_is_null), nullable=False
        ),
    ),
    (
        Example("x IS MISSING", "TRUE"),
        Example("x IS MISSING", "FALSE", '{"x": {"NULL": true}}'),
        Example("a.b IS MISSING", "TRUE", '{"a": {"M": {}}}'),
    ),
    nulls=Nulls.SEEN,
)

LOGIC: tuple[Function, ...] = (AND, OR, NOT, IS_NULL, IS_MISSING)
