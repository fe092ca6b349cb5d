"""Functions of numbers.

In and out: NUMBER values, exact decimals of at most 38 significant digits. Invariant: what is rounded says so by its
name (round, floor, …) or cannot be exact (power, sqrt).
"""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import REMAINDER, lower_product
from ddbetl.functions.forms import SCALE, attempt, cast, conjunction, to_decimal, to_integer
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
from ddbetl.numbers import EXACT, ROUNDED, check_number, number_text, whole
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


def _sign(number: Decimal) -> Decimal:
    return Decimal((number > 0) - (number < 0))


def _lower_sign(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"sign({arguments[0].value})::BIGINT", Form.INTEGER)


SIGN = Function(
    "sign",
    "number",
    "1 for a number above zero, -1 for one below, 0 for zero.",
    (Signature((_NUMBER,), Type.NUMBER, Implementation(_sign, _lower_sign), nullable=False),),
    (Example("sign(-0.01)", "-1"), Example("sign(0)", "0")),
)

# Rounding

# Beyond these, every number of DynamoDB's is the result itself, or rounds to 0 or out of range.
_MOST_PLACES = 200
# The lowest place that a BIGINT can be rounded to.
_LOWEST_PLACE = -18


def _rounding(name: str, doc: str, rounding: str, sql: str, examples: tuple[Example, ...]) -> Function:
    """A function that rounds in one way; ``sql``: DuckDB's function that does it to decimal places, or to whole numbers
    only where that is floor or ceil."""
    context = Context(prec=EXACT.prec, rounding=rounding, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])

    def reference(number: Decimal, places: Decimal = Decimal(0)) -> Decimal:
        asked = whole(places, "places")
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        kept = max(-_MOST_PLACES, min(asked, _MOST_PLACES))
        if -exponent <= kept:
            return number
        return check_number(number.quantize(Decimal(1).scaleb(-kept), context=context))

    def bind(binding: Binding) -> Implementation:
        known = binding.constants.get("places")
        places = known if isinstance(known, Decimal) else Decimal(0)
        if places != places.to_integral_value():
            raise ArgumentError("places", f"{name}: places must be a whole number")

        def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
            number = to_decimal(arguments[0])
            if number is None or places < _LOWEST_PLACE or (len(arguments) > 1 and known is None):
                return None
            if places >= (0 if arguments[0].form is Form.INTEGER else SCALE):
                return arguments[0]
            form = Form.INTEGER if places <= 0 else Form.DECIMAL
            if sql not in _WHOLE_ONLY:
                return cast(lowering, f"{sql}({number.value}, {int(places)})", form)
            if not places:
                return cast(lowering, f"{sql}({number.value})", form)
            return _lower_stepped(lowering, number.value, int(places), form, *_WHOLE_ONLY[sql])

        return Implementation(reference, lower)

    parameters = (_NUMBER, Parameter("places", NUMBER, optional=True))
    return Function(name, "number", doc, (Signature(parameters, Type.NUMBER, bind, nullable=False),), examples)


# DuckDB's functions without decimal places: on which side of its truncation a number needs a step, and which.
_WHOLE_ONLY = {"floor": ("<", "-"), "ceil": (">", "+")}


def _lower_stepped(lowering: Lowering, number: str, places: int, form: Form, side: str, step: str) -> Fast:
    """The truncated number, or the next one where truncation went to the wrong side."""
    truncated = cast(lowering, f"trunc({number}, {places})", form)
    unit = f"'{Decimal(1).scaleb(-places):f}'::{form.value}"
    missing = lowering.bind(f"CASE WHEN {number} {side} {truncated.value} THEN {unit} ELSE '0'::{form.value} END")
    return attempt(lowering, f"{truncated.value} {step} {missing}", form, truncated.guard)


_PLACES_DOC = (
    "to so many decimal `places`, to a whole number by default, to tens or hundreds where `places` is negative"
)

FLOOR = _rounding(
    "floor",
    f"The number rounded down {_PLACES_DOC}. Down is towards the smaller number: `floor(-1.5)` is -2.",
    decimal.ROUND_FLOOR,
    "floor",
    (Example("floor(1.5)", "1"), Example("floor(-1.5)", "-2"), Example("floor(19.999, 2)", "19.99")),
)

CEIL = _rounding(
    "ceil",
    f"The number rounded up {_PLACES_DOC}. Up is towards the larger number: `ceil(-1.5)` is -1.",
    decimal.ROUND_CEILING,
    "ceil",
    (Example("ceil(1.2)", "2"), Example("ceil(-1.5)", "-1"), Example("ceil(1201, -2)", "1300")),
)

TRUNC = _rounding(
    "trunc",
    f"The number cut off {_PLACES_DOC}, which is towards zero: `trunc(-1.5)` is -1.",
    decimal.ROUND_DOWN,
    "trunc",
    (Example("trunc(1.99)", "1"), Example("trunc(-1.99, 1)", "-1.9"), Example("trunc(1299, -2)", "1200")),
)

ROUND = _rounding(
    "round",
    f"The number rounded {_PLACES_DOC}. A half goes away from zero, as in SQL: `round(2.5)` is 3 and `round(-2.5)` is "
    "-3. Numbers are decimals, so `round(1.005, 2)` is 1.01, which a binary fraction would miss.",
    decimal.ROUND_HALF_UP,
    "round",
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

ROUND_HALF_EVEN = _rounding(
    "round_half_even",
    f"The number rounded {_PLACES_DOC}. A half goes to the even digit, as banks round and Python's `round` does: "
    "`round_half_even(2.5)` is 2 and `round_half_even(3.5)` is 4, so sums of many rounded numbers do not drift.",
    decimal.ROUND_HALF_EVEN,
    "round_even",
    (
        Example("round_half_even(2.5)", "2"),
        Example("round_half_even(12.345, 2)", "12.34"),
        Example("round_half_even(-350, -2)", "-400"),
    ),
)

# Roots and powers

# Python rounds a power almost always right, so it is computed to so many digits, rounded to fewer, which gives what is
# exact back, and only then to 38. What decides about a half may stand far behind: 9.99…9 to the power of -5 is
# 1.00…05, and the next digits come 38 places later.
_POWER = Context(
    prec=160,
    rounding=decimal.ROUND_HALF_EVEN,
    Emax=MAX_EMAX,
    Emin=MIN_EMIN,
    traps=[decimal.InvalidOperation, decimal.Overflow, decimal.Underflow],
)
_SETTLED = Context(
    prec=150, rounding=decimal.ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[decimal.InvalidOperation]
)


def _power(base: Decimal, exponent: Decimal) -> Decimal:
    if not exponent:
        return Decimal(1)
    if not base:
        if exponent < 0:
            raise RowError("R0106", "zero has no negative power, that would be a division by zero")
        return Decimal(0)
    if base < 0 and exponent != exponent.to_integral_value():
        raise RowError("R0110", f"a negative number has no power of {number_text(exponent)}")
    try:
        power = _POWER.power(base, exponent)
    except (decimal.Overflow, decimal.Underflow):
        raise RowError("R0103", "the power is outside of DynamoDB's range (1E-130 to 9.9E+125)") from None
    return check_number(ROUNDED.plus(_SETTLED.plus(power)))


# The longest product that a power is written as.
_MOST_FACTORS = 8


def _bind_power(binding: Binding) -> Implementation:
    base, exponent = binding.constants.get("base"), binding.constants.get("exponent")
    if isinstance(exponent, Decimal) and exponent in range(_MOST_FACTORS + 1):
        return Implementation(_power, _lower_product_of(int(exponent)))
    if isinstance(base, Decimal) and base in range(2, 1000):
        return Implementation(_power, _lower_table_of(int(base)))
    return Implementation(_power, slow_because=f"a power whose exponent is none of 0 to {_MOST_FACTORS} in the spec")


def _lower_product_of(count: int) -> Callable[[Lowering, tuple[Fast, ...]], Fast | None]:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        base = arguments[0]
        if not count:
            return Fast(f"CASE WHEN {base.value} IS NOT NULL THEN 1::BIGINT END", Form.INTEGER)
        product = Fast(base.value, base.form)
        for _ in range(count - 1):
            longer = lower_product(lowering, product, base, None)
            if longer is None:
                return None
            product = Fast(longer.value, longer.form, conjunction([product.guard, longer.guard]))
        return product

    return lower


def _lower_table_of(base: int) -> Callable[[Lowering, tuple[Fast, ...]], Fast | None]:
    powers = [base**exponent for exponent in range(63) if base**exponent < 2**63]

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        exponent = to_integer(lowering, arguments[1])
        if exponent is None:
            return None
        known = lowering.bind(f"{exponent.value} BETWEEN 0 AND {len(powers) - 1}")
        value = lowering.bind(
            f"CASE WHEN {known} THEN list_extract({powers}::BIGINT[], least({exponent.value}, {len(powers)}) + 1) END"
        )
        return Fast(value, Form.INTEGER, conjunction([exponent.guard, f"coalesce({known}, FALSE)"]))

    return lower


POWER = Function(
    "power",
    "number",
    "`base` to the power of `exponent`, which may be negative or a fraction. Exact where 38 significant digits "
    "suffice, else rounded there, a half to the even digit. `power(x, 0)` is 1, also for zero. A negative power of "
    "zero, and a power of a negative number that is not whole, are errors of the row. Only whole powers have a fast "
    f"path: exponents of the spec's text up to {_MOST_FACTORS}, as in `power(x, 2)`, or bases, as in `power(10, n)`.",
    (
        Signature(
            (
                Parameter("base", NUMBER, hint="to_number(…) makes a number of a text"),
                Parameter("exponent", NUMBER, hint="to_number(…) makes a number of a text"),
            ),
            Type.NUMBER,
            _bind_power,
            nullable=False,
        ),
    ),
    (
        Example("power(1.1, 2)", "1.21"),
        Example("power(10, -3)", "0.001"),
        Example("power(2, 0.5)", "1.4142135623730950488016887242096980786"),
        Example(
            "power(n, 0.5)",
            "error: power(n, 0.5): a negative number has no power of 0.5",
            '{"n": {"N": "-4"}}',
        ),
    ),
)


def _sqrt(number: Decimal) -> Decimal:
    if number < 0:
        raise RowError("R0110", f"a negative number has no square root: {number_text(number)}")
    return check_number(ROUNDED.sqrt(number))


SQRT = Function(
    "sqrt",
    "number",
    "The square root. Exact where 38 significant digits suffice, else rounded there, a half to the even digit. A "
    "negative number is an error of the row. So many digits have no fast path.",
    (
        Signature(
            (_NUMBER,), Type.NUMBER, Implementation(_sqrt, slow_because="the 38 digits of a root"), nullable=False
        ),
    ),
    (
        Example("sqrt(1.44)", "1.2"),
        Example("sqrt(2)", "1.4142135623730950488016887242096980786"),
        Example("sqrt(n)", "error: sqrt(n): a negative number has no square root: -4", '{"n": {"N": "-4"}}'),
    ),
)

MOD = Function(
    "mod",
    "number",
    "What is left of a division with a whole quotient, as `%` gives it: with the sign of the dividend, so `mod(-7, 2)` "
    "is -1 (in Python, `-7 % 2` is 1). Exact; division by zero is an error of the row.",
    REMAINDER.signatures,
    (Example("mod(7, 2)", "1"), Example("mod(-7, 2)", "-1"), Example("mod(7.5, 0.2)", "0.1")),
)

NUMBERS: tuple[Function, ...] = (ABS, CEIL, FLOOR, MOD, POWER, ROUND, ROUND_HALF_EVEN, SIGN, SQRT, TRUNC)
