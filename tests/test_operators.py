"""The operators: SQL's three values, comparison, LIKE, times and durations, each against a plain re-statement."""

from __future__ import annotations

import random
from decimal import Decimal
from functools import cache
from itertools import pairwise

import pytest
from generated import TEXTS, call, named
from hypothesis import given, settings
from hypothesis import strategies as st
from vectorised import Item, Vectorised, compiled, disagreement, reference

from ddbetl.errors import RowError
from ddbetl.expressions.ir import Attribute, Constant
from ddbetl.functions.comparison import compile_like
from ddbetl.types import Duration, Timestamp, Type, Value


def value_of(text: str, item: Item | None = None) -> Value:
    found = reference(compiled(text), item or {})
    assert not isinstance(found, RowError), found
    return found


def both_ways(text: str, rows: list[Item]) -> list[Value | str]:
    """The values or error codes of an expression, which the fast path must not contradict."""
    expression = compiled(text)
    with Vectorised(rows) as table:
        (outcomes,) = table.run([expression])
    for item, outcome in zip(rows, outcomes or (), strict=outcomes is not None):
        assert (wrong := disagreement(expression, item, outcome)) is None, wrong
    found = [reference(expression, item) for item in rows]
    return [value.code if isinstance(value, RowError) else value for value in found]


# Logic

ANSWERS: dict[str, dict[str, object]] = {
    "T": {"BOOL": True},
    "F": {"BOOL": False},
    "N": {"NULL": True},
    "E": {"S": "?"},
}


@pytest.mark.parametrize(
    ("text", "table"),
    [
        # Left side down, right side across: TRUE, FALSE, NULL, an error.
        ("a AND b", "TFNE FFFF NFNE EEEE"),
        ("a OR b", "TTTT TFNE TNNE EEEE"),
        ("NOT a", "FFFF TTTT NNNN EEEE"),
        ("NOT (a AND b)", "FTNE TTTT NTNE EEEE"),
        ("a = b", "TFNE FTNE NNNN EENT"),
    ],
)
def test_the_truth_tables_of_sql(text: str, table: str) -> None:
    rows = [{"a": ANSWERS[left], "b": ANSWERS[right]} for left in "TFNE" for right in "TFNE"]
    letters = {True: "T", False: "F", None: "N", "R0101": "E", "R0102": "E"}
    found = "".join(letters[value] for value in both_ways(text, rows))  # type: ignore[index]
    assert " ".join(found[n : n + 4] for n in range(0, 16, 4)) == table


def test_a_false_left_side_hides_an_error_and_a_right_one_does_not() -> None:
    item: Item = {"x": {"S": "text"}}
    assert value_of("x = 'other' AND to_number(x) > 1", item) is False
    assert value_of("x = 'text' OR to_number(x) > 1", item) is True
    for text in ("to_number(x) > 1 AND x = 'other'", "to_number(x) > 1 OR x = 'text'"):
        found = reference(compiled(text), item)
        assert isinstance(found, RowError) and found.code == "R0105"


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        # Of 1, 2, missing, DynamoDB's NULL, a text.
        ("x IN (1, 3)", [True, False, None, None, "R0101"]),
        ("x IN (1, NULL)", [True, None, None, None, "R0101"]),
        ("x NOT IN (1, NULL)", [False, None, None, None, "R0101"]),
        ("x IN (y, 2)", [None, True, None, None, "R0101"]),
        ("x BETWEEN 1 AND 1.5", [True, False, None, None, "R0101"]),
        ("x NOT BETWEEN 1 AND 1.5", [False, True, None, None, "R0101"]),
        ("x BETWEEN 5 AND y", [False, False, None, None, "R0101"]),
        ("x IS NULL", [False, False, True, True, False]),
        ("x IS NOT NULL", [True, True, False, False, True]),
        ("x IS MISSING", [False, False, True, False, False]),
        ("x IS NOT MISSING", [True, True, False, True, True]),
        ("attribute_type(x)", ["N", "N", None, "NULL", "S"]),
        ("x = 1", [True, False, None, None, "R0101"]),
        ("CASE x WHEN 1 THEN 'one' WHEN 2 THEN 'two' ELSE 'other' END", ["one", "two", "other", "other", "R0101"]),
    ],
)
def test_null_and_missing(text: str, answers: list[object]) -> None:
    rows: list[Item] = [{"x": {"N": "1"}}, {"x": {"N": "2.0"}}, {}, {"x": {"NULL": True}}, {"x": {"S": "1"}}]
    assert both_ways(text, rows) == answers


# Comparison


def test_texts_are_ordered_by_their_utf_8_bytes() -> None:
    texts = sorted(set(TEXTS), key=lambda text: text.encode())
    rows: list[Item] = [{"a": {"S": a}, "b": {"S": b}} for a, b in pairwise(texts)]
    assert both_ways("a < b", rows) == [True] * len(rows)
    assert both_ways("b <= a", rows) == [False] * len(rows)
    assert both_ways("a = b", rows) == [False] * len(rows)


@given(st.binary(max_size=6), st.binary(max_size=6))
def test_binary_is_compared_by_its_bytes(left: bytes, right: bytes) -> None:
    constants = Constant(left, Type.BINARY), Constant(right, Type.BINARY)
    for symbol, wanted in (("<", left < right), (">=", left >= right), ("=", left == right), ("<>", left != right)):
        assert reference(call(named(symbol), *constants), {}) is wanted


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("l = l", True),
        ("l = other", False),
        ("m = m", True),
        ("m <> other", "R0102"),
        ("ss = same", True),
        ("ns = nsame", True),
        ("ns = ss", "R0102"),
        ("l IN (other, l)", True),
        ("nullif(ss, same)", None),
        ("n = nothing", None),
        ("3600 = 1 hour", True),
        ("1 hour > 3599.5", True),
        ("n < 1 minute", True),
        ("TIMESTAMP '2017-01-01' = TIMESTAMP '2017-01-01T01:00+01:00'", True),
    ],
)
def test_equality_of_documents_and_times(text: str, answer: object) -> None:
    item: Item = {
        "l": {"L": [{"N": "1"}, {"S": "a"}]},
        "other": {"L": [{"N": "1.0"}, {"S": "b"}]},
        "m": {"M": {"k": {"N": "1"}, "j": {"NULL": True}}},
        "ss": {"SS": ["a", "b"]},
        "same": {"SS": ["b", "a"]},
        "ns": {"NS": ["1", "2.50"]},
        "nsame": {"NS": ["2.5", "1.0"]},
        "n": {"N": "59"},
    }
    assert both_ways(text, [item]) == [answer]


# LIKE


def plain_like(text: str, pattern: str, escape: str | None) -> bool:
    """Match by the definition, one character at a time."""

    @cache
    def rest(at: int, position: int) -> bool:
        if position == len(pattern):
            return at == len(text)
        character = pattern[position]
        if character == escape:
            return at < len(text) and text[at] == pattern[position + 1] and rest(at + 1, position + 2)
        if character == "%":
            return rest(at, position + 1) or (at < len(text) and rest(at + 1, position))
        return at < len(text) and character in (text[at], "_") and rest(at + 1, position + 1)

    return rest(0, 0)


LIKE_TEXT = st.text(st.sampled_from("ab%_!\\é\n\0."), max_size=8)


@given(LIKE_TEXT, LIKE_TEXT, st.sampled_from([None, "!", "\\", "%", "_", "a"]))
def test_like_is_its_definition(text: str, pattern: str, escape: str | None) -> None:
    try:
        matches = compile_like(pattern, escape)
    except RowError as error:
        assert error.code == "R0112" and escape is not None and pattern.endswith(escape)
        return
    assert matches(text) == plain_like(text, pattern, escape)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(LIKE_TEXT, LIKE_TEXT), min_size=20, max_size=20), st.sampled_from([None, "!", "\\", "%", "_"])
)
def test_vectorised_like_is_its_definition(pairs: list[tuple[str, str]], escape: str | None) -> None:
    rows: list[Item] = [{"s": {"S": text}, "p": {"S": pattern}} for text, pattern in pairs]
    arguments = (Constant(escape, Type.STRING),) if escape is not None else ()
    expression = call(named("LIKE"), Attribute("s"), Attribute("p"), *arguments)
    with Vectorised(rows) as table:
        (outcomes,) = table.run([expression])
    assert outcomes is not None
    for item, outcome in zip(rows, outcomes, strict=True):
        assert (wrong := disagreement(expression, item, outcome)) is None, wrong
        assert outcome.fast == (outcome.error is None)


def test_like_does_not_run_away() -> None:
    # A backtracking matcher would need years for this one.
    assert not compile_like("%a" * 30 + "%b", None)("a" * 5000)


# Times and durations


@given(
    st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**13), 10**13),
    st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**10), 10**10),
)
def test_times_are_integers_of_milliseconds(first: int, second: int) -> None:
    time, duration = Constant(Timestamp(first), Type.TIMESTAMP), Constant(Duration(second), Type.DURATION)
    other = Constant(Timestamp(second), Type.TIMESTAMP)
    for symbol, arguments, millis in (
        ("+", (time, duration), first + second),
        ("+", (duration, time), first + second),
        ("-", (time, duration), first - second),
        ("-", (time, other), first - second),
    ):
        found = reference(call(named(symbol), *arguments), {})
        if -(2**63) <= millis < 2**63:
            assert isinstance(found, Timestamp | Duration) and found.millis == millis
        else:
            assert isinstance(found, RowError) and found.code == "R0108"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1500000000 + 1500 ms", Decimal("1500000001.5")),
        ("1 day - 1", Decimal(86399)),
        ("1 hour + 30 minutes = 90 minutes", True),
        ("1 day * 0.5 = 12 hours", True),
        ("2 * 1 day = 48 hours", True),
        ("1 day / 2 = 12 hours", True),
        ("90 minutes / 1 hour", Decimal("1.5")),
        ("7200 / 1 hour", Decimal(2)),
        ("86405 % 1 day", Decimal(5)),
        ("-(1 day) = 0 days - 1 day", True),
        ("1 ms * 0.5", "R0110"),
        ("1 second / 3", "R0110"),
        ("1 day / 0", "R0106"),
    ],
)
def test_durations(text: str, result: object) -> None:
    # A failing constant is an error of the spec, so the numbers come from the item.
    found = reference(compiled(f"try({text})"), {})
    if isinstance(result, str):
        assert found is None
        left, symbol, right = text.rsplit(" ", 2)
        error = reference(compiled(f"{left} {symbol} n"), {"n": {"N": right}})
        assert isinstance(error, RowError) and error.code == result
    else:
        assert found == result


def test_durations_of_rows_by_both_evaluators() -> None:
    draw = random.Random(1)
    rows: list[Item] = [
        {"t": {"S": "2017-04-26T10:15:30.876Z"}, "n": {"N": draw.choice(("0", "1", "-3", "0.5", "1E+20", "86400"))}}
        for _ in range(40)
    ]
    for text in (
        "epoch(parse_time(t) + CAST(n AS DURATION))",
        "epoch_ms(parse_time(t) - 1 day * n)",
        "n + 90 minutes",
        "90 minutes - n",
        "(now() - parse_time(t)) / 1 day",
        "to_number(now() - parse_time(t)) % 7",
        "CAST(n AS DURATION) / n",
        "n % (2 days)",
        "n < 1 day AND 1 day > n",
    ):
        both_ways(text, rows)
