"""Numbers: DynamoDB's 38 digits and its range, against Python's decimal; nothing is rounded in silence."""

from __future__ import annotations

import decimal
import math
import random
from decimal import Decimal

import pytest
from boto3.dynamodb.types import DYNAMODB_CONTEXT
from generated import NUMBERS, number_text
from hypothesis import example, given
from hypothesis import strategies as st
from vectorised import Item, Vectorised, compiled, disagreement, reference

from ddbetl import numbers
from ddbetl.errors import RowError
from ddbetl.types import Value

# The range and precision of DynamoDB's numbers, with a trap for everything that would change a number. Subnormal: a
# magnitude below 1E-130.
EXACT = decimal.Context(
    prec=38,
    Emin=-130,
    Emax=125,
    traps=[decimal.Inexact, decimal.Overflow, decimal.Subnormal, decimal.DivisionByZero, decimal.InvalidOperation],
)
ROUNDED = decimal.Context(
    prec=38,
    rounding=decimal.ROUND_HALF_EVEN,
    Emin=-130,
    Emax=125,
    traps=[decimal.Overflow, decimal.Subnormal, decimal.DivisionByZero, decimal.InvalidOperation],
)


@st.composite
def dynamodb_numbers(draw: st.DrawFn) -> Decimal:
    """Any number that DynamoDB holds: often a troublesome one, or one near the ends of the range."""
    if draw(st.booleans()):
        return Decimal(draw(st.sampled_from(NUMBERS)))
    digits = draw(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-999, 999))
    size = len(str(abs(digits)))
    first = draw(st.integers(-130, 125) | st.integers(-10, 10))
    return Decimal(f"{digits}E{first - size + 1}")


def outcome(symbol: str, left: Decimal, right: Decimal) -> Value | RowError:
    return reference(compiled(f"a {symbol} b"), {"a": {"N": str(left)}, "b": {"N": str(right)}})


@pytest.mark.parametrize(("symbol", "operation"), [("+", EXACT.add), ("-", EXACT.subtract), ("*", EXACT.multiply)])
@given(left=dynamodb_numbers(), right=dynamodb_numbers())
def test_a_sum_or_product_is_exact_or_an_error(symbol: str, operation: object, left: Decimal, right: Decimal) -> None:
    assert callable(operation)
    found = outcome(symbol, left, right)
    try:
        wanted = operation(left, right)
    except (decimal.Inexact, decimal.Overflow, decimal.Subnormal):
        assert isinstance(found, RowError) and found.code in ("R0103", "R0104")
    else:
        assert found == wanted


@given(left=dynamodb_numbers(), right=dynamodb_numbers())
def test_a_quotient_is_rounded_half_to_even(left: Decimal, right: Decimal) -> None:
    found = outcome("/", left, right)
    try:
        wanted = ROUNDED.divide(left, right)
    except (decimal.DivisionByZero, decimal.InvalidOperation):
        assert not right
        assert isinstance(found, RowError) and found.code == "R0106"
    except (decimal.Overflow, decimal.Subnormal):
        assert isinstance(found, RowError) and found.code == "R0103"
    else:
        assert found == wanted


@example(left=Decimal(1), right=Decimal("1.30E-130"))
@given(left=dynamodb_numbers(), right=dynamodb_numbers())
def test_a_remainder_is_what_whole_division_leaves(left: Decimal, right: Decimal) -> None:
    found = outcome("%", left, right)
    if not right:
        assert isinstance(found, RowError) and found.code == "R0106"
        return
    # In whole units of the smaller exponent.
    unit = min(left.as_tuple().exponent, right.as_tuple().exponent)
    assert isinstance(unit, int)
    a, b = (int(n.scaleb(-unit, decimal.Context(prec=600))) for n in (left, right))
    wanted = Decimal(int(math.copysign(1, a)) * (abs(a) % abs(b))).scaleb(unit, decimal.Context(prec=600))
    if isinstance(found, RowError):
        if found.code == "R0103":
            # 1 % 1.3E-130 is 4E-131, which DynamoDB cannot hold.
            assert 0 < abs(wanted) < Decimal("1E-130")
            return
        assert len(str(wanted.normalize(decimal.Context(prec=600)).as_tuple().digits)) > 38 * 3
        assert found.code == "R0104"
    else:
        assert found == wanted


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1 / 3", "0." + "3" * 38),
        ("2 / 3", "0." + "6" * 37 + "7"),
        ("1 / 8", "0.125"),
        ("12345678901234567890123456789012345678 + 1", "12345678901234567890123456789012345679"),
        ("9.9999999999999999999999999999999999999E125 - 0", "9.9999999999999999999999999999999999999E+125"),
        ("7 % 3", "1"),
        ("-7 % 3", "-1"),
        ("7 % -3", "1"),
        ("7.5 % 0.2", "0.1"),
        ("1E125 % 7E-130", "6E-130"),
        ("-0", "0"),
        ("0 * -1", "0"),
        ("round(0.5)", "1"),
        ("round(1.5)", "2"),
        ("round(2.5)", "3"),
        ("round(-0.5)", "-1"),
        ("round(1.005, 2)", "1.01"),
        ("round(99999999999999999999999999999999999999, -1)", "1E+38"),
        ("round(1E-130, 5)", "0"),
        ("round(123, 99)", "123"),
        ("floor(-1E-130)", "-1"),
        ("ceil(1E-130)", "1"),
        ("floor(1E125)", "1E+125"),
        ("abs(-1E-130)", "1E-130"),
        ("to_number('1e400' || s)", "error R0103"),
        ("to_number('1e-400' || s)", "error R0103"),
        ("to_number('0e400' || s)", "0"),
        ("to_number('1e9999999999999999999999' || s)", "error R0103"),
        ("to_number('1' || substr('00000000000000000000000000000000000000000', 1) || s)", "1E+41"),
        ("to_number('123456789012345678901234567890123456789' || s)", "error R0104"),
        ("big * 10", "error R0103"),
        ("small / 10", "error R0103"),
        ("big + small", "error R0104"),
        ("big - big", "0"),
        ("big / small", "error R0103"),
        ("small * small", "error R0103"),
        ("round(big, -125)", "error R0103"),
    ],
)
def test_a_number_at_the_edge(text: str, result: str) -> None:
    item: Item = {
        "s": {"S": ""},
        "big": {"N": "9.9999999999999999999999999999999999999E+125"},
        "small": {"N": "1E-130"},
    }
    found = reference(compiled(text), item)
    if isinstance(found, RowError):
        assert f"error {found.code}" == result, found
    else:
        assert isinstance(found, Decimal)
        assert numbers.number_text(found) == result


# Texts of numbers


@given(dynamodb_numbers())
def test_the_text_of_a_number_is_that_number_in_one_spelling(number: Decimal) -> None:
    text = numbers.number_text(number)
    assert Decimal(text) == number
    assert numbers.parse_number(text) == number
    digits, _, exponent = text.partition("E")
    assert not digits.endswith("0") or "." not in digits
    assert text != "-0"
    # Every other spelling of the number has the same text.
    for other in (
        f"{number:E}",
        f"{number:f}",
        str(number),
        f"+{number:f}".replace("+-", "-"),
        f"{number:f}".rstrip("."),
    ):
        assert numbers.number_text(numbers.parse_number(other)) == text
    assert not exponent or exponent[0] in "+-"


@given(dynamodb_numbers())
def test_the_text_of_a_number_is_plain_while_that_is_short(number: Decimal) -> None:
    text = numbers.number_text(number)
    plain = f"{number.normalize(decimal.Context(prec=400)):f}" if number else "0"
    assert text == plain or "E" in text
    if len(plain) <= 38:
        assert "E" not in text


@given(dynamodb_numbers())
def test_boto3_can_write_what_number_text_writes(number: Decimal) -> None:
    # boto3's context ends a little earlier at both ends of the range than DynamoDB does.
    if number and -128 <= number.adjusted() <= 124:
        assert DYNAMODB_CONTEXT.create_decimal(numbers.number_text(number)) == number


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("1.0", "1"),
        ("1.50", "1.5"),
        ("100", "100"),
        ("1E2", "100"),
        ("1E37", "1" + "0" * 37),
        ("1E38", "1E+38"),
        ("0.00000000000000000000000000000000000001", "0." + "0" * 37 + "1"),
        ("1E-39", "1E-39"),
        ("-1.5E-40", "-1.5E-40"),
        ("-0", "0"),
        ("0E+100", "0"),
        ("-12345678901234567890123456789012345678E3", "-1.2345678901234567890123456789012345678E+40"),
    ],
)
def test_the_text_of_a_number(text: str, spelling: str) -> None:
    assert numbers.number_text(Decimal(text)) == spelling


@given(st.text(st.sampled_from("0123456789+-.eE_ \n٣"), max_size=8))
def test_no_text_breaks_the_reading_of_numbers(text: str) -> None:
    try:
        number = numbers.parse_number(text)
    except RowError as error:
        assert error.code in ("R0103", "R0104", "R0105")
    else:
        assert number == Decimal(text)
        assert text.isascii() and "_" not in text and text == text.strip()


# Vectorised arithmetic, on numbers of its own


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a + b",
            "a - b",
            "a * b",
            "a / b",
            "a % b",
            "-a",
            "abs(a)",
            "floor(a)",
            "ceil(a)",
            "round(a)",
            "round(a, 2)",
        ),
        *(
            "round(a, -2)",
            "round(a, 8)",
            "round(a, -18)",
            "a * 0.5",
            "a / 8",
            "a / 1000",
            "a / 3",
            "a / 0.001",
            "a % 7",
        ),
        *("a + 0.000000001", "to_string(a)", "to_number(to_string(a))", "a = b", "a < b", "a IN (b, 1, 2.5)"),
        *("floor(a) + floor(b)", "floor(a) * floor(b)", "floor(a) / floor(b)", "floor(a) % floor(b)", "-floor(a)"),
        *("abs(floor(a))", "floor(a) * 0.5", "epoch(a)", "epoch_ms(a)", "CAST(a AS DURATION) > 1 hour"),
    ],
)
def test_vectorised_arithmetic_is_exact(text: str) -> None:
    draw = random.Random(text)
    pool = [*NUMBERS, *(number_text(draw) for _ in range(60))]
    pairs = [(a, b) for a in pool for b in draw.sample(pool, 5)]
    rows: list[Item] = [{"a": {"N": a}, "b": {"N": b}} for a, b in pairs]
    expression = compiled(text)
    with Vectorised(rows) as table:
        (outcomes,) = table.run([expression])
    assert outcomes is not None
    for item, found in zip(rows, outcomes, strict=True):
        assert (wrong := disagreement(expression, item, found)) is None, wrong
    assert sum(found.fast for found in outcomes) > len(rows) / 20
