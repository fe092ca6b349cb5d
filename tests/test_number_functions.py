"""Functions of numbers, against fractions and whole numbers of any size: nothing here is computed as it is there."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

import pytest
from generated import NUMBERS, number_text
from hypothesis import example, given
from hypothesis import strategies as st
from vectorised import Item, Vectorised, compiled, disagreement, reference

from ddbetl.errors import RowError
from ddbetl.types import Value

LARGEST = Decimal("9.9999999999999999999999999999999999999E+125")
SMALLEST = Decimal("1E-130")


@st.composite
def dynamodb_numbers(draw: st.DrawFn) -> Decimal:
    """Any number that DynamoDB holds."""
    if draw(st.booleans()):
        return Decimal(draw(st.sampled_from(NUMBERS)))
    digits = draw(st.integers(-(10**38) + 1, 10**38 - 1) | st.integers(-9999, 9999))
    first = draw(st.integers(-130, 125) | st.integers(-5, 5))
    return Decimal(f"{digits}E{first - len(str(abs(digits))) + 1}")


def value_of(text: str, **numbers: Decimal) -> Value | RowError:
    return reference(compiled(text), {name: {"N": str(number)} for name, number in numbers.items()})


def stored(wanted: Fraction) -> Decimal | str:
    """The number if DynamoDB can hold it exactly, else the code of the error."""
    if not wanted:
        return Decimal(0)
    digits, point = wanted.numerator, 0
    denominator = wanted.denominator
    while denominator % 10 == 0:
        denominator //= 10
        point += 1
    while denominator % 2 == 0:
        denominator, digits, point = denominator // 2, digits * 5, point + 1
    while denominator % 5 == 0:
        denominator, digits, point = denominator // 5, digits * 2, point + 1
    assert denominator == 1
    text = str(abs(digits))
    if len(text.rstrip("0")) > 38:
        return "R0104"
    if not -130 <= len(text) - 1 - point <= 125:
        return "R0103"
    return Decimal(f"{digits}E{-point}")


def check(found: Value | RowError, wanted: Decimal | str) -> None:
    if isinstance(wanted, str):
        assert isinstance(found, RowError) and found.code == wanted
    else:
        assert found == wanted


# Rounding


def half_up(number: Fraction) -> int:
    return math.floor(number + Fraction(1, 2)) if number >= 0 else math.ceil(number - Fraction(1, 2))


ROUNDINGS: dict[str, Callable[[Fraction], int]] = {
    "floor": math.floor,
    "ceil": math.ceil,
    "trunc": math.trunc,
    "round": half_up,
    "round_half_even": round,
}


@pytest.mark.parametrize("name", ROUNDINGS)
@given(number=dynamodb_numbers(), places=st.integers(-140, 180) | st.integers(-3, 3))
def test_a_rounded_number_is_the_right_multiple(name: str, number: Decimal, places: int) -> None:
    step = Fraction(10) ** -places
    check(
        value_of(f"{name}(n, p)", n=number, p=Decimal(places)), stored(ROUNDINGS[name](Fraction(number) / step) * step)
    )
    if not places:
        check(value_of(f"{name}(n)", n=number), stored(Fraction(ROUNDINGS[name](Fraction(number)))))


@pytest.mark.parametrize("name", ROUNDINGS)
@pytest.mark.parametrize("places", [-19, -18, -4, -1, 0, 1, 2, 8, 9, 10, 150])
def test_rounding_takes_the_fast_path_where_ordinary_numbers_are(name: str, places: int) -> None:
    draw = random.Random(f"{name}{places}")
    rows: list[Item] = [
        {"n": {"N": f"{draw.randrange(-(10**6), 10**6)}.{draw.randrange(1000):03}"}} for _ in range(200)
    ]
    halves = [
        f"{sign}{whole}.{half}" for sign in ("", "-") for whole in (0, 1, 2, 12, 25, 150) for half in ("5", "25", "125")
    ]
    rows += [{"n": {"N": text}} for text in halves]
    expression = compiled(f"{name}(n, {places})")
    with Vectorised([*rows, *({"n": {"N": text}} for text in NUMBERS)]) as table:
        (outcomes,) = table.run([expression])
    if places < -18:
        assert outcomes is None
        return
    assert outcomes is not None
    for item, outcome in zip(table.items, outcomes, strict=True):
        assert disagreement(expression, item, outcome) is None
    assert all(outcome.fast for outcome in outcomes[: len(rows)])


def test_numbers_are_decimals_and_not_binary_fractions() -> None:
    assert value_of("round(n, 2)", n=Decimal("1.005")) == Decimal("1.01")
    assert value_of("floor(n * 100)", n=Decimal("0.29")) == 29


# Sign, mod


@given(dynamodb_numbers())
def test_a_number_is_its_sign_and_its_magnitude(number: Decimal) -> None:
    sign, magnitude = value_of("sign(n)", n=number), value_of("abs(n)", n=number)
    assert isinstance(sign, Decimal) and isinstance(magnitude, Decimal)
    assert sign in (-1, 0, 1) and magnitude >= 0
    assert (sign == 0) == (number == 0)
    assert (magnitude.copy_negate() if sign < 0 else magnitude) == number


@given(dynamodb_numbers(), dynamodb_numbers())
def test_mod_and_the_operator_are_one(left: Decimal, right: Decimal) -> None:
    function, operator = value_of("mod(a, b)", a=left, b=right), value_of("a % b", a=left, b=right)
    if isinstance(operator, RowError):
        assert isinstance(function, RowError) and function.code == operator.code
        return
    assert function == operator
    if right:
        remainder = Fraction(left) - math.trunc(Fraction(left) / Fraction(right)) * Fraction(right)
        assert isinstance(function, Decimal) and Fraction(function) == remainder


# Powers and roots


def rounded(wanted: Fraction) -> Decimal | str:
    """The nearest number of 38 digits, a half to the even one; or the code of the error."""
    if not wanted:
        return Decimal(0)
    exponent = len(str(abs(wanted.numerator))) - len(str(wanted.denominator)) - 38
    while abs(wanted) / Fraction(10) ** exponent >= 10**38:
        exponent += 1
    while abs(wanted) / Fraction(10) ** exponent < 10**37:
        exponent -= 1
    return stored(round(wanted / Fraction(10) ** exponent) * Fraction(10) ** exponent)


@example(base=Decimal("9.9999999999999999999999999999999999999"), exponent=-5)
@given(dynamodb_numbers() | st.integers(-50, 50).map(Decimal), st.integers(-12, 12))
def test_a_whole_power_is_the_product_rounded_once(base: Decimal, exponent: int) -> None:
    found = value_of("power(b, e)", b=base, e=Decimal(exponent))
    if not base and exponent < 0:
        assert isinstance(found, RowError) and found.code == "R0106"
    else:
        check(found, rounded(Fraction(base) ** exponent))


@pytest.mark.parametrize(
    "root", ["1234567890125", "5000000000005", "3", "1.5", "0.0000000000125", "9999999999999999999"]
)
@pytest.mark.parametrize("times", [1, 3, 5])
def test_a_power_of_halves_is_exact_where_the_root_is(root: str, times: int) -> None:
    square = stored(Fraction(root) ** 2)
    assert isinstance(square, Decimal)
    check(value_of("power(b, e)", b=square, e=Decimal(times) / 2), rounded(Fraction(root) ** times))


@pytest.mark.parametrize(
    ("base", "exponent", "code"),
    [
        ("10", "126", "R0103"),
        ("10", "-131", "R0103"),
        ("10", "1E+125", "R0103"),
        ("10", "-1E+125", "R0103"),
        ("0.1", "9.9E+125", "R0103"),
        ("1.0000000000000000000000000000000000001", "1E+60", "R0103"),
        ("0", "-0.5", "R0106"),
        ("-2", "0.5", "R0110"),
        ("-2", "-1E-130", "R0110"),
    ],
)
def test_a_power_without_a_value_is_an_error(base: str, exponent: str, code: str) -> None:
    check(value_of("power(b, e)", b=Decimal(base), e=Decimal(exponent)), code)


@pytest.mark.parametrize(
    ("base", "exponent", "wanted"),
    [
        ("10", "125", "1E+125"),
        ("10", "-130", "1E-130"),
        ("-1", "1E+125", "1"),
        ("-1", "12345678901234567890123456789012345677", "-1"),
        ("0", "0", "1"),
        ("0", "1E-130", "0"),
        ("-2", "3", "-8"),
        ("1E+125", "1E-130", "1"),
        ("2", "-1", "0.5"),
    ],
)
def test_powers_at_the_edges(base: str, exponent: str, wanted: str) -> None:
    assert value_of("power(b, e)", b=Decimal(base), e=Decimal(exponent)) == Decimal(wanted)


@pytest.mark.parametrize("exponent", range(9))
def test_a_constant_exponent_takes_the_fast_path(exponent: int) -> None:
    rows: list[Item] = [{"n": {"N": str(n)}} for n in range(-30, 31)]
    rows += [{"n": {"N": text}} for text in ("0.1", "-1.5", "0.12", "9999999", *NUMBERS)]
    fast = check_fast(f"power(n, {exponent})", rows)
    assert fast[:61] == [True] * 61
    assert fast[61:64] == [True, True, exponent < 5]


def test_a_constant_base_takes_the_fast_path_as_far_as_it_goes() -> None:
    rows: list[Item] = [{"n": {"N": str(n)}} for n in range(-2, 70)] + [{"n": {"N": text}} for text in NUMBERS]
    assert check_fast("power(10, n)", rows)[:72] == [0 <= n <= 18 for n in range(-2, 70)]
    assert check_fast("power(2, n)", rows)[:72] == [0 <= n <= 62 for n in range(-2, 70)]


def check_fast(text: str, rows: list[Item]) -> list[bool]:
    """Which rows took the fast path; no row may differ."""
    expression = compiled(text)
    with Vectorised(rows) as table:
        (outcomes,) = table.run([expression])
    assert outcomes is not None
    for item, outcome in zip(rows, outcomes, strict=True):
        assert disagreement(expression, item, outcome) is None
    return [outcome.fast for outcome in outcomes]


@given(dynamodb_numbers())
def test_a_square_root_is_the_nearest_number_of_38_digits(number: Decimal) -> None:
    found = value_of("sqrt(n)", n=number)
    if number < 0:
        assert isinstance(found, RowError) and found.code == "R0110"
        return
    assert isinstance(found, Decimal)
    if not number:
        assert found == 0
        return
    half = Fraction(10) ** (found.adjusted() - 37) / 2
    assert (Fraction(found) - half) ** 2 <= Fraction(number) <= (Fraction(found) + half) ** 2


@given(st.integers(0, 10**19 - 1), st.integers(-60, 43))
def test_the_root_of_a_square_is_exact(root: int, exponent: int) -> None:
    number = Decimal(root).scaleb(exponent)
    assert value_of("sqrt(n * n)", n=number) == number
    assert value_of("power(n * n, 0.5)", n=number) == number


# greatest, least


@given(st.lists(dynamodb_numbers(), min_size=2, max_size=5))
def test_greatest_and_least_are_the_ends_of_the_order(numbers: list[Decimal]) -> None:
    named = {f"n{position}": number for position, number in enumerate(numbers)}
    ordered = sorted(numbers)
    assert value_of(f"greatest({', '.join(named)})", **named) == ordered[-1]
    assert value_of(f"least({', '.join(named)})", **named) == ordered[0]


@given(st.lists(st.text(max_size=4), min_size=2, max_size=4))
def test_texts_are_ordered_by_their_bytes(texts: list[str]) -> None:
    item: Item = {f"s{position}": {"S": text} for position, text in enumerate(texts)}
    ordered = sorted(texts, key=lambda text: text.encode())
    assert reference(compiled(f"greatest({', '.join(item)})"), item) == ordered[-1]
    assert reference(compiled(f"least({', '.join(item)})"), item) == ordered[0]


@pytest.mark.parametrize("name", ["greatest", "least"])
def test_a_null_is_never_the_greatest_nor_the_least(name: str) -> None:
    rows: list[Item] = [{}, {"n": {"NULL": True}}, {"n": {"N": "1"}}, {"n": {"N": "3"}}]
    assert check_fast(f"{name}(n, 2, 2.5)", rows) == [True, False, True, True]
    assert [reference(compiled(f"{name}(n, 2)"), item) for item in rows[:2]] == [None, None]


def test_one_call_compares_one_type() -> None:
    found = reference(compiled("greatest(a, b)"), {"a": {"S": "1"}, "b": {"N": "1"}})
    assert isinstance(found, RowError) and found.code == "R0102"


def test_the_generator_reaches_both_ends_of_the_range() -> None:
    draw = random.Random(1)
    found = [Decimal(number_text(draw)) for _ in range(3000)]
    assert max(found) == LARGEST and min(abs(number) for number in found if number) == SMALLEST
