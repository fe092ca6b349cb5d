"""The operators + - * / % and the unary minus, over numbers, times and durations.

In: NUMBER (exact decimals), TIMESTAMP and DURATION (whole milliseconds). Out: the same. A duration beside a number
counts seconds. Invariant: sums, products and remainders are exact or a RowError; only a quotient is rounded, half to
even, to 38 digits.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeAlias

from ddbetl.errors import RowError
from ddbetl.functions.forms import attempt, number_literal, to_decimal, to_integer
from ddbetl.functions.model import (
    DURATION,
    NUMBER,
    TIMESTAMP,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.numbers import EXACT, ROUNDED, check_number, number_text
from ddbetl.types import Duration, Timestamp, Type, Value

_HINT = "|| puts texts together, to_number(…) makes a number of a text, parse_time(…) a time"

Number: TypeAlias = Callable[[Decimal, Decimal], Decimal]
# Lowers an operator over two numbers; the last is the right one's value, where that is known.
LowerNumbers: TypeAlias = Callable[[Lowering, Fast, Fast, Decimal | None], Fast | None]


# Numbers


def _add(left: Decimal, right: Decimal) -> Decimal:
    return check_number(EXACT.add(left, right))


def _subtract(left: Decimal, right: Decimal) -> Decimal:
    return check_number(EXACT.subtract(left, right))


def _multiply(left: Decimal, right: Decimal) -> Decimal:
    return check_number(EXACT.multiply(left, right))


def _divide(left: Decimal, right: Decimal) -> Decimal:
    if not right:
        raise RowError("R0106", "division by zero")
    return check_number(ROUNDED.divide(left, right))


def _remainder(left: Decimal, right: Decimal) -> Decimal:
    if not right:
        raise RowError("R0106", "division by zero")
    return check_number(EXACT.remainder(left, right))


def _lower_sum(symbol: str) -> LowerNumbers:
    def lower(lowering: Lowering, left: Fast, right: Fast, constant: Decimal | None) -> Fast | None:
        if left.form is right.form is Form.INTEGER:
            return attempt(lowering, f"{left.value} {symbol} {right.value}", Form.INTEGER)
        first, second = to_decimal(left), to_decimal(right)
        if first is None or second is None:
            return None
        return attempt(lowering, f"{first.value} {symbol} {second.value}", Form.DECIMAL)

    return lower


def lower_product(lowering: Lowering, left: Fast, right: Fast, constant: Decimal | None) -> Fast | None:
    forms = {left.form, right.form}
    if forms == {Form.INTEGER}:
        return attempt(lowering, f"{left.value} * {right.value}", Form.INTEGER)
    if forms == {Form.INTEGER, Form.DECIMAL}:
        # DuckDB's product of a DECIMAL(38,9) and a BIGINT is a DECIMAL(38,9) again.
        return attempt(lowering, f"{left.value} * {right.value}", Form.DECIMAL)
    if forms != {Form.DECIMAL}:
        return None
    # This one has 18 decimal places; it is exact, but only the first 9 can be kept.
    product = lowering.bind(f"TRY({left.value} * {right.value})")
    value = lowering.bind(f"CAST({product} AS DECIMAL(38,9))")
    return Fast(value, Form.DECIMAL, _equals_product(product, value))


def _equals_product(product: str, value: str) -> str:
    """SQL for whether a product with 18 decimal places is a value with 9; a value that has no place there is not."""
    return f"coalesce({product} = TRY_CAST({value} AS DECIMAL(38,18)), FALSE)"


def _lower_quotient(lowering: Lowering, left: Fast, right: Fast, constant: Decimal | None) -> Fast | None:
    first, second = to_decimal(left), to_decimal(right)
    if first is None or second is None:
        return None
    inverse = _inverse(constant)
    if inverse is not None:
        return lower_product(lowering, first, inverse, None)
    # However the quotient is found: if quotient * divisor is exactly the dividend, then it is the quotient.
    estimate = f"CAST({first.value} AS DOUBLE) / nullif(CAST({second.value} AS DOUBLE), 0)"
    quotient = lowering.bind(f"TRY_CAST({estimate} AS DECIMAL(38,9))")
    product = lowering.bind(f"TRY({quotient} * {second.value})")
    return Fast(quotient, Form.DECIMAL, _equals_product(product, first.value))


def _inverse(divisor: Decimal | None) -> Fast | None:
    """The constant to multiply by instead of dividing, where that is exact: 0.001 for 1000."""
    if not divisor:
        return None
    inverse = ROUNDED.divide(Decimal(1), divisor)
    if EXACT.multiply(inverse, divisor) != 1:
        return None
    literal = number_literal(inverse)
    return None if literal is None else to_decimal(literal)


def _lower_remainder(lowering: Lowering, left: Fast, right: Fast, constant: Decimal | None) -> Fast | None:
    if left.form is right.form is Form.INTEGER:
        return attempt(lowering, f"{left.value} % nullif({right.value}, 0)", Form.INTEGER)
    first, second = to_decimal(left), to_decimal(right)
    if first is None or second is None:
        return None
    return attempt(lowering, f"{first.value} % nullif({second.value}, 0)", Form.DECIMAL)


# Times and durations


def seconds(value: Decimal | Duration) -> Decimal:
    """A number as it is, a duration in seconds."""
    return value if isinstance(value, Decimal) else Decimal(value.millis).scaleb(-3)


def lower_seconds(value: Fast, constant: Value | tuple[Value, ...]) -> Fast | None:
    """A lowered number as it is, a lowered duration in seconds; ``constant``: its value, where that is known."""
    if value.form is not Form.MILLIS:
        return value
    if isinstance(constant, Duration):
        return number_literal(seconds(constant))
    # 19 digits and 3 places more: no overflow.
    return Fast(
        f"CAST(CAST({value.value} AS DECIMAL(19,0)) * CAST(0.001 AS DECIMAL(4,3)) AS DECIMAL(38,9))", Form.DECIMAL
    )


def check_millis(millis: int) -> int:
    """Milliseconds, if a time or a duration can have so many."""
    if not -(2**63) <= millis < 2**63:
        raise RowError("R0108", f"{millis} milliseconds are beyond the range of times (292 million years from 1970)")
    return millis


def whole_millis(number: Decimal) -> int:
    """A number of milliseconds that must be whole."""
    if number != number.to_integral_value():
        raise RowError("R0110", f"a duration is a whole number of milliseconds, not {number_text(number)}")
    return check_millis(int(number))


def _later(time: Timestamp, duration: Duration) -> Timestamp:
    return Timestamp(check_millis(time.millis + duration.millis))


def _later_swapped(duration: Duration, time: Timestamp) -> Timestamp:
    return _later(time, duration)


def _earlier(time: Timestamp, duration: Duration) -> Timestamp:
    return Timestamp(check_millis(time.millis - duration.millis))


def _between(end: Timestamp, start: Timestamp) -> Duration:
    return Duration(check_millis(end.millis - start.millis))


def _longer(left: Duration, right: Duration) -> Duration:
    return Duration(check_millis(left.millis + right.millis))


def _shorter(left: Duration, right: Duration) -> Duration:
    return Duration(check_millis(left.millis - right.millis))


def _times(duration: Duration, number: Decimal) -> Duration:
    return Duration(whole_millis(EXACT.multiply(Decimal(duration.millis), number)))


def _times_swapped(number: Decimal, duration: Duration) -> Duration:
    return _times(duration, number)


def _part(duration: Duration, number: Decimal) -> Duration:
    return Duration(whole_millis(_divide(Decimal(duration.millis), number)))


def _lower_millis(symbol: str) -> Lower:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        left, right = arguments
        return attempt(lowering, f"{left.value} {symbol} {right.value}", Form.MILLIS)

    return lower


def _lower_scaled(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    """A duration times a number, in either order; where the number has a fraction, by reference."""
    left, right = arguments
    if left.form is not Form.MILLIS:
        left, right = right, left
    factor = to_integer(lowering, right)
    if factor is None:
        return None
    return attempt(lowering, f"{left.value} * {factor.value}", Form.MILLIS, factor.guard)


# The operators


def _over(operation: Number, lower: LowerNumbers, left: frozenset[Type], right: frozenset[Type]) -> Signature:
    """An operator over two numbers, or a number and a duration in seconds."""

    def bind(binding: Binding) -> Implementation:
        known = binding.constants.get("right")
        constant = seconds(known) if isinstance(known, Decimal | Duration) else None

        def lower_call(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
            first = lower_seconds(arguments[0], binding.constants.get("left"))
            second = lower_seconds(arguments[1], known)
            return None if first is None or second is None else lower(lowering, first, second, constant)

        def reference(left: Decimal | Duration, right: Decimal | Duration) -> Decimal:
            return operation(seconds(left), seconds(right))

        return Implementation(operation if left == right == NUMBER else reference, lower_call)

    return Signature(_two(left, right), Type.NUMBER, bind, nullable=False)


def _two(left: frozenset[Type], right: frozenset[Type]) -> tuple[Parameter, ...]:
    return (Parameter("left", left, hint=_HINT), Parameter("right", right, hint=_HINT))


def _signature(
    left: frozenset[Type],
    right: frozenset[Type],
    result: Type,
    reference: Callable[..., Value],
    lower: Lower | None,
    slow_because: str = "",
) -> Signature:
    implementation = Implementation(reference, lower, slow_because=slow_because)
    return Signature(_two(left, right), result, implementation, nullable=False)


_EXACT_DOC = (
    "Exact: a result of more than 38 significant digits, or outside DynamoDB's range, is an error of the row, never a "
    "rounded number."
)

ADD = Function(
    "+",
    "operator",
    f"The sum of numbers, of durations, or of a time and a duration. {_EXACT_DOC} A duration beside a number counts "
    "seconds, so `epoch(DateTime) + 365 days` is a number.",
    (
        _over(_add, _lower_sum("+"), NUMBER, NUMBER),
        _over(_add, _lower_sum("+"), NUMBER, DURATION),
        _over(_add, _lower_sum("+"), DURATION, NUMBER),
        _signature(TIMESTAMP, DURATION, Type.TIMESTAMP, _later, _lower_millis("+")),
        _signature(DURATION, TIMESTAMP, Type.TIMESTAMP, _later_swapped, _lower_millis("+")),
        _signature(DURATION, DURATION, Type.DURATION, _longer, _lower_millis("+")),
    ),
    (
        Example("0.1 + 0.2", "0.3"),
        Example("1500000000 + 365 days", "1531536000"),
        Example("TIMESTAMP '2016-02-29T00:00:00Z' + 365 days", "TIMESTAMP '2017-02-28T00:00:00.000Z'"),
        Example("n + 1", "NULL"),
    ),
)

SUBTRACT = Function(
    "-",
    "operator",
    "The difference of numbers, of durations, of a time and a duration, or the duration between two times. "
    f"{_EXACT_DOC} A duration beside a number counts seconds.",
    (
        _over(_subtract, _lower_sum("-"), NUMBER, NUMBER),
        _over(_subtract, _lower_sum("-"), NUMBER, DURATION),
        _over(_subtract, _lower_sum("-"), DURATION, NUMBER),
        _signature(TIMESTAMP, DURATION, Type.TIMESTAMP, _earlier, _lower_millis("-")),
        _signature(DURATION, DURATION, Type.DURATION, _shorter, _lower_millis("-")),
        _signature(TIMESTAMP, TIMESTAMP, Type.DURATION, _between, _lower_millis("-")),
    ),
    (
        Example("1 - 0.9", "0.1"),
        Example("TIMESTAMP '2017-01-02T00:00:00Z' - TIMESTAMP '2017-01-01T00:00:00Z' = 24 hours", "TRUE"),
        Example("n - 1", "error: n: expected NUMBER, found STRING", '{"n": {"S": "7"}}'),
    ),
)

MULTIPLY = Function(
    "*",
    "operator",
    f"The product of numbers, or a duration so many times. {_EXACT_DOC} A duration stays a whole number of "
    "milliseconds, or it is an error.",
    (
        _over(_multiply, lower_product, NUMBER, NUMBER),
        _signature(DURATION, NUMBER, Type.DURATION, _times, _lower_scaled),
        _signature(NUMBER, DURATION, Type.DURATION, _times_swapped, _lower_scaled),
    ),
    (
        Example("19.99 * 3", "59.97"),
        Example("12 hours * 2 = 1 day", "TRUE"),
        Example(
            "n * n",
            "error: n * n: 1E+126 is outside of DynamoDB's range (1E-130 to 9.9E+125)",
            '{"n": {"N": "1E+63"}}',
        ),
    ),
)

DIVIDE = Function(
    "/",
    "operator",
    "The quotient of numbers, as a decimal: `7 / 2` is 3.5. It is exact where 38 significant digits suffice, else "
    "rounded there, a half to the even digit. Division by zero is an error of the row. Durations over durations "
    "give a number, and a duration that divides a number counts seconds.",
    (
        _over(_divide, _lower_quotient, NUMBER, NUMBER),
        _over(_divide, _lower_quotient, DURATION, DURATION),
        _over(_divide, _lower_quotient, NUMBER, DURATION),
        _signature(DURATION, NUMBER, Type.DURATION, _part, None, "a duration is divided"),
    ),
    (
        Example("7 / 2", "3.5"),
        Example("2 / 3", "0.66666666666666666666666666666666666667"),
        Example("90 minutes / 1 hour", "1.5"),
        Example("1 / n", "error: 1 / n: division by zero", '{"n": {"N": "0"}}'),
    ),
)

REMAINDER = Function(
    "%",
    "operator",
    "What is left of a division with a whole quotient. It has the sign of the dividend, as in SQL: `-7 % 2` is -1. "
    "Exact; division by zero is an error of the row. A duration beside a number counts seconds, so `epoch(t) % 1 "
    "day` is the second of the day.",
    (
        _over(_remainder, _lower_remainder, NUMBER, NUMBER),
        _over(_remainder, _lower_remainder, NUMBER, DURATION),
    ),
    (Example("7.5 % 2", "1.5"), Example("-7 % 2", "-1"), Example("100000 % 1 day", "13600")),
)


def _negate_number(number: Decimal) -> Decimal:
    return number.copy_negate() if number else number


def _negate_duration(duration: Duration) -> Duration:
    return Duration(check_millis(-duration.millis))


def _lower_negate(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    (operand,) = arguments
    if operand.form is Form.DECIMAL:
        return Fast(f"(-({operand.value}))", Form.DECIMAL)
    return attempt(lowering, f"-({operand.value})", operand.form)


NEGATE = Function(
    "negate",
    "operator",
    "`-x`: the number or the duration with the other sign.",
    (
        Signature(
            (Parameter("operand", NUMBER, hint=_HINT),),
            Type.NUMBER,
            Implementation(_negate_number, _lower_negate),
            nullable=False,
        ),
        Signature(
            (Parameter("operand", DURATION, hint=_HINT),),
            Type.DURATION,
            Implementation(_negate_duration, _lower_negate),
            nullable=False,
        ),
    ),
    (Example("-n", "-1.5", '{"n": {"N": "1.50"}}'), Example("-0", "0")),
)

ARITHMETIC: tuple[Function, ...] = (ADD, SUBTRACT, MULTIPLY, DIVIDE, REMAINDER, NEGATE)
