"""Functions of numbers.

In and out: NUMBER values, exact decimals of at most 38 significant digits.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal

from ddbetl.errors import RowError
from ddbetl.functions.forms import SCALE, attempt, cast, to_decimal
from ddbetl.functions.model import (
    NUMBER,
    ArgumentError,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.numbers import EXACT, check_number, number_text
from ddbetl.types import Type

_NUMBER = Parameter("number", NUMBER, hint="to_number(…) makes a number of a text")


def _abs(number: Decimal) -> Decimal:
    return number.copy_abs()


def _lower_abs(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    (number,) = arguments
    if number.form is Form.INTEGER:
        return attempt(lowering, f"abs({number.value})", Form.INTEGER)
    return Fast(f"abs({number.value})", Form.DECIMAL)


ABS = Function(
    "abs",
    "number",
    "The number without its sign.",
    (Signature((_NUMBER,), Type.NUMBER, Implementation(_abs, _lower_abs), nullable=False),),
    (Example("abs(-1.50)", "1.5"), Example("abs(0)", "0")),
)


def _to_whole(rounding: str) -> Callable[[Decimal], Decimal]:
    context = Context(prec=EXACT.prec, rounding=rounding, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])

    def reference(number: Decimal) -> Decimal:
        return check_number(number.to_integral_value(context=context))

    return reference


def _lower_to_whole(function: str) -> Callable[[Lowering, tuple[Fast, ...]], Fast]:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        (number,) = arguments
        if number.form is Form.INTEGER:
            return number
        return cast(lowering, f"{function}({number.value})", Form.INTEGER)

    return lower


FLOOR = Function(
    "floor",
    "number",
    "The largest whole number that is not above the number: `floor(-1.5)` is -2.",
    (
        Signature(
            (_NUMBER,), Type.NUMBER, Implementation(_to_whole(ROUND_FLOOR), _lower_to_whole("floor")), nullable=False
        ),
    ),
    (Example("floor(1.5)", "1"), Example("floor(-1.5)", "-2")),
)

CEIL = Function(
    "ceil",
    "number",
    "The smallest whole number that is not below the number: `ceil(-1.5)` is -1.",
    (
        Signature(
            (_NUMBER,), Type.NUMBER, Implementation(_to_whole(ROUND_CEILING), _lower_to_whole("ceil")), nullable=False
        ),
    ),
    (Example("ceil(1.2)", "2"), Example("ceil(-1.5)", "-1")),
)

_HALF_UP = Context(prec=EXACT.prec, rounding=ROUND_HALF_UP, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
# Beyond these, every number of DynamoDB's is the result itself, or rounds to 0.
_MOST_PLACES = 200


def _round(number: Decimal, places: Decimal = Decimal(0)) -> Decimal:
    if places != places.to_integral_value():
        raise RowError("R0110", f"places must be a whole number, not {number_text(places)}")
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    kept = max(-_MOST_PLACES, min(int(places), _MOST_PLACES))
    if -exponent <= kept:
        return number
    return check_number(number.quantize(Decimal(1).scaleb(-kept), context=_HALF_UP))


# The lowest place that a BIGINT can be rounded to.
_LOWEST_PLACE = -18


def _bind_round(binding: Binding) -> Implementation:
    known = binding.constants.get("places")
    places = known if isinstance(known, Decimal) else Decimal(0)
    if places != places.to_integral_value():
        raise ArgumentError("places", "round: places must be a whole number")

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        number = to_decimal(arguments[0])
        if number is None or places < _LOWEST_PLACE or (len(arguments) > 1 and known is None):
            return None
        if places >= (0 if arguments[0].form is Form.INTEGER else SCALE):
            return arguments[0]
        rounded = f"round({number.value}, {int(places)})"
        if places <= 0:
            return cast(lowering, rounded, Form.INTEGER)
        return cast(lowering, rounded, Form.DECIMAL)

    return Implementation(_round, lower)


ROUND = Function(
    "round",
    "number",
    "The number rounded to so many decimal `places`, to a whole number by default, to tens or hundreds where "
    "`places` is negative. A half goes away from zero, as in SQL: `round(2.5)` is 3 and `round(-2.5)` is -3.",
    (
        Signature(
            (_NUMBER, Parameter("places", NUMBER, optional=True)),
            Type.NUMBER,
            _bind_round,
            nullable=False,
        ),
    ),
    (
        Example("round(12.345, 2)", "12.35"),
        Example("round(-2.5)", "-3"),
        Example("round(1250, -2)", "1300"),
        Example(
            "round(1.5, places)",
            "error: round(1.5, places): places must be a whole number, not 0.5",
            '{"places": {"N": "0.5"}}',
        ),
    ),
)

NUMBERS: tuple[Function, ...] = (ABS, CEIL, FLOOR, ROUND)
