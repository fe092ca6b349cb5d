"""Patterns for texts: what is found, that it reads what it is said to read, and that nothing stops it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.functions.formats import UNITS
from ddbetl.numbers import parse_number
from ddbetl.time import TimeError, compile_pattern, format_millis, parse_millis, pivot_of, zone
from ddbetl.time.arrange import LONGEST, arrangements, shape
from ddbetl.time.guess import Form, Guess, Guesses, deciding, guess
from ddbetl.time.in_turn import parser_in_turn

UTC = zone("UTC")
PIVOT_YEAR = pivot_of(2026)
LOCAL = "2017-04-26T10:15:30.000Z"
DAY = "2017-04-26T00:00:00.000Z"


def guessed(*texts: str, zone_name: str = "UTC") -> Guesses:
    return guess(texts, zone(zone_name), PIVOT_YEAR, UNITS)


def names(guesses: Sequence[Guess]) -> list[str]:
    return [one.form.name for one in guesses]


def best(*texts: str) -> tuple[str, str]:
    """The best form for all texts, and what it gives for the first."""
    one = guessed(*texts).whole[0]
    assert one.millis[0] is not None
    return one.form.name, format_millis(None, one.millis[0], UTC)


@pytest.mark.parametrize(
    ("text", "pattern", "instant"),
    [
        ("2017-04-26T10:15:30Z", "iso", LOCAL),
        ("2017-04-26", "iso", DAY),
        ("2017-W17-3", "iso", DAY),
        ("2017-116", "iso", DAY),
        ("T10:15:30", "iso", "1970-01-01T10:15:30.000Z"),
        ("2017-04-26 10:15:30", "yyyy-MM-dd HH:mm:ss", LOCAL),
        ("2017-04-26 10:15:30.876543", "yyyy-MM-dd HH:mm:ss.SSSSSS", "2017-04-26T10:15:30.876Z"),
        ("2017-04-26 10:15:30,876 +02:00", "yyyy-MM-dd HH:mm:ss,SSS ZZ", "2017-04-26T08:15:30.876Z"),
        ("2017/04/26 10:15", "yyyy/MM/dd HH:mm", "2017-04-26T10:15:00.000Z"),
        ("2017:04:26 10:15:30", "yyyy:MM:dd HH:mm:ss", LOCAL),
        ("2017-04-26-10.15.30.123456", "yyyy-MM-dd-HH.mm.ss.SSSSSS", "2017-04-26T10:15:30.123Z"),
        ("26.4.2017 7:05", "d.M.yyyy H:mm", "2017-04-26T07:05:00.000Z"),
        ("4/26/2017 7:05 PM", "M/d/yyyy h:mm a", "2017-04-26T19:05:00.000Z"),
        ("April 26, 2017 at 7:05pm", "MMMM dd, yyyy 'at' h:mma", "2017-04-26T19:05:00.000Z"),
        ("Wed, 26 Apr 2017 10:15:30 GMT", "EEE, dd MMM yyyy HH:mm:ss z", LOCAL),
        ("Wed Apr 26 10:15:30 PDT 2017", "EEE MMM dd HH:mm:ss z yyyy", "2017-04-26T17:15:30.000Z"),
        (
            "Wed Apr 26 2017 10:15:30 GMT+0200 (CEST)",
            "EEE MMM dd yyyy HH:mm:ss 'GMT'Z ('CEST')",
            "2017-04-26T08:15:30.000Z",
        ),
        ("26/Apr/2017:10:15:30 +0200", "dd/MMM/yyyy:HH:mm:ss Z", "2017-04-26T08:15:30.000Z"),
        ("2017-04-26 10:15 Europe/Berlin", "yyyy-MM-dd HH:mm ZZZ", "2017-04-26T08:15:00.000Z"),
        ("2017-04-26T10:15:30+02:00[Europe/Berlin]", "yyyy-MM-dd'T'HH:mm:ssZZ[ZZZ]", "2017-04-26T08:15:30.000Z"),
        ("26-Apr-17 10.15.30.123456 AM", "dd-MMM-yy hh.mm.ss.SSSSSS a", "2017-04-26T10:15:30.123Z"),
        ("Apr 26 10:15:30", "MMM dd HH:mm:ss", "2000-04-26T10:15:30.000Z"),
        ("20170426", "yyyyMMdd", DAY),
        ("20170426101530", "yyyyMMddHHmmss", LOCAL),
        ("20170426101530876", "yyyyMMddHHmmssSSS", "2017-04-26T10:15:30.876Z"),
        ("20170426T101530Z", "yyyyMMdd'T'HHmmssZZ", LOCAL),
        ("20170426-101530", "yyyyMMdd-HHmmss", LOCAL),
        ("170426", "yyMMdd", DAY),
        ("2017116", "yyyyDDD", DAY),
        ("2017W173", "xxxx'W'wwe", DAY),
        ("2017年04月26日", "yyyy年MM月dd日", DAY),
        ("10h15 26/04/2017", "HH'h'mm dd/MM/yyyy", "2017-04-26T10:15:00.000Z"),
        ("10:15:30", "HH:mm:ss", "1970-01-01T10:15:30.000Z"),
        ("1493201730", "epoch_s", LOCAL),
        ("1493201730.25", "epoch_s", "2017-04-26T10:15:30.250Z"),
        ("1493201730876", "epoch_ms", "2017-04-26T10:15:30.876Z"),
        ("1493201730876543", "epoch_us", "2017-04-26T10:15:30.876Z"),
        ("1493201730876543210", "epoch_ns", "2017-04-26T10:15:30.876Z"),
        ("9999-12-31", "iso", "9999-12-31T00:00:00.000Z"),
    ],
)
def test_a_text_suggests_a_pattern(text: str, pattern: str, instant: str) -> None:
    assert best(text) == (pattern, instant)


def test_digits_that_vary_are_one_pattern() -> None:
    assert best("4/26/2017 7:05 PM", "12/1/2017 11:00 AM") == ("M/d/yyyy h:mm a", "2017-04-26T19:05:00.000Z")
    assert best("26.04.17", "26.04.2017")[0] == "dd.MM.yy"
    assert best("1 May 2017", "26 April 2017")[0] == "d MMM yyyy"


def test_day_and_month_that_can_be_exchanged_are_both_proposed() -> None:
    found = guessed("04/05/2017")
    assert names(found.whole) == ["dd/MM/yyyy", "MM/dd/yyyy"]
    first, second = (one.form for one in found.whole)
    assert deciding(first, second, UTC, PIVOT_YEAR, UNITS) == "26/04/2017"
    assert deciding(second, first, UTC, PIVOT_YEAR, UNITS) == "04/26/2017"


def test_a_text_decides_between_day_and_month() -> None:
    found = guessed("04/05/2017", "26/04/2017")
    assert names(found.whole) == ["dd/MM/yyyy"]
    assert names(found.excluded) == ["MM/dd/yyyy"]
    assert names(guessed("04/05/2017", "04/26/2017").whole) == ["MM/dd/yyyy"]


def test_iso_comes_first_with_the_pattern_that_says_the_same() -> None:
    assert names(guessed("2017-04-26", "2017-04-27").whole) == ["iso", "yyyy-MM-dd"]


def test_digits_without_dashes_are_no_year_of_iso() -> None:
    """ISO alone would read both, one of them as the year 20,170,426."""
    found = guessed("2017-04-26", "20170426")
    assert found.whole == () and found.unread == ()
    assert names(found.in_turn) == ["yyyyMMdd", "iso"]


def test_several_patterns_are_the_fewest() -> None:
    found = guessed("26/04/2017", "04/26/2017", "04/05/2017", "2017-04-26", "1493201730")
    assert names(found.in_turn) == ["epoch_s", "iso", "dd/MM/yyyy", "MM/dd/yyyy"]
    assert found.in_turn[2].reads == {0, 2} and found.in_turn[3].reads == {1, 2}


def test_a_list_keeps_what_could_be_meant_otherwise() -> None:
    found = guessed("04/05/2017", "2017-04-26")
    assert names(found.in_turn) == ["iso", "dd/MM/yyyy"]
    assert [(one.form.name, other.form.name) for one, other in found.rivals] == [("dd/MM/yyyy", "MM/dd/yyyy")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it is empty"),
        ("hello", "it has no digits"),
        ("٢٠١٧-٠٤-٢٦", "its digits are not 0 to 9"),
        ("2" * (LONGEST + 1), "it is longer than 100 characters"),
        ("26 Sept 2017", "no pattern reads Sept as a name"),
        ("2017-02-30", "as yyyy-MM-dd, day 30 is not between 1 and 28"),
        ("2017-04-26 24:00:00", "as yyyy-MM-dd HH:mm:ss, hour 24 is not between 0 and 23"),
        (
            "Mon, 26 Apr 2017",
            "as EEE, dd MMM yyyy, its parts contradict each other: it says day 26, and the time has 24",
        ),
        ("123", "as a number of seconds or finer units it is no time from 1990 to 2100"),
        ("1/1/1/1", "no arrangement of a date and a time fits it"),
    ],
)
def test_what_cannot_be_read_is_said_with_the_reason(text: str, reason: str) -> None:
    assert guessed(text) == Guesses((), (), (), ((0, reason),))


def test_texts_of_too_many_forms_are_said_to_be_too_many() -> None:
    found = guessed(*(f"2017-04-26 10:15{'!' * count}" for count in range(1, 70)))
    reasons = dict(found.unread)
    assert len(found.in_turn) == 60 and len(reasons) == 9
    assert set(reasons.values()) == {"it has one form more than the 60 that were looked at"}


def test_no_texts_have_no_patterns() -> None:
    assert guessed().in_turn == ()


def test_a_local_time_that_does_not_exist_is_not_read() -> None:
    found = guessed("2017-03-26 02:30", zone_name="Europe/Berlin")
    assert "the clocks go forward" in found.unread[0][1]


def test_shapes_are_alike_where_digits_and_names_are() -> None:
    assert shape("26 Apr 2017") == shape("1 MAY 17")
    assert shape("26 Apr 2017") != shape("26 Sept 2017")


# Properties

PATTERNS = (
    "yyyy-MM-dd HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm:ss.SSSZZ",
    "yyyy/MM/dd",
    "dd.MM.yyyy HH:mm",
    "dd/MM/yyyy",
    "MM/dd/yyyy hh:mm a",
    "d/M/yyyy H:mm",
    "EEE, d MMM yyyy HH:mm:ss z",
    "EEEE, d MMMM yyyy",
    "MMM d, yyyy h:mm:ss a",
    "yyyyMMdd",
    "yyyyMMddHHmmss",
    "yyyyMMdd'T'HHmmssZ",
    "yyyyDDD",
    "dd-MMM-yy HH.mm.ss",
    "yyyy-MM-dd HH:mm ZZZ",
)
MILLIS = st.integers(631_152_000_000, 2_240_524_800_000)
PIECES = st.one_of(
    st.sampled_from(("0", "1", "12", "17", "26", "59", "99", "2017", "116", "+02:00")),
    st.sampled_from(tuple(" -/:.,TZ+'Wé٤\n")),
    st.sampled_from(("Apr", "May", "Mon", "AM", "pm", "GMT", "CEST", "UTC", "Europe/Berlin")),
)
TEXTS = st.one_of(
    st.text(max_size=30),
    st.lists(PIECES, max_size=14).map("".join),
    st.text("0123456789", min_size=1, max_size=24),
    st.builds(lambda p, m: format_millis(compile_pattern(p), m, UTC), st.sampled_from(PATTERNS), MILLIS),
)


def read(form: Form, text: str) -> int:
    """What a run reads."""
    if form.power is None:
        return parse_millis(form.pattern, text, UTC, PIVOT_YEAR)
    return int(parse_number(text).scaleb(3 - form.power) // 1)


@given(st.lists(TEXTS, max_size=6))
def test_every_form_reads_what_it_is_said_to_read(texts: list[str]) -> None:
    found = guess(texts, UTC, PIVOT_YEAR, UNITS)
    assert not (found.whole and found.in_turn)
    for one in (*found.whole, *found.in_turn, *(other for pair in found.rivals for other in pair), *found.excluded):
        assert {index: read(one.form, texts[index]) for index in one.reads} == {
            index: millis for index, millis in enumerate(one.millis) if millis is not None
        }
    assert all(one.reads == set(range(len(texts))) for one in found.whole)
    if not found.whole:
        covered = {index for one in found.in_turn for index in one.reads}
        assert sorted([*covered, *(index for index, _ in found.unread)]) == list(range(len(texts)))


@given(st.lists(TEXTS, min_size=2, max_size=6))
def test_tried_in_turn_each_text_is_read_by_a_form_that_fits_it(texts: list[str]) -> None:
    in_turn = [one for one in guess(texts, UTC, PIVOT_YEAR, UNITS).in_turn if one.form.power is None]
    if not in_turn:
        return
    parse = parser_in_turn([one.form.pattern for one in in_turn], UTC, PIVOT_YEAR)
    for index, text in enumerate(texts):
        meant = [one.millis[index] for one in in_turn if one.millis[index] is not None]
        if meant:
            assert parse(text) == meant[0]


@given(st.sampled_from(PATTERNS), st.lists(MILLIS, min_size=1, max_size=8))
def test_what_a_pattern_prints_is_guessed(name: str, millis: list[int]) -> None:
    pattern = compile_pattern(name)
    texts = [format_millis(pattern, one, UTC) for one in millis]
    meant = [parse_millis(pattern, text, UTC, PIVOT_YEAR) for text in texts]
    assert any(list(one.millis) == meant for one in guess(texts, UTC, PIVOT_YEAR, UNITS).whole)


@given(TEXTS, st.booleans())
def test_every_arrangement_is_a_pattern_that_marks_its_letters(text: str, any_values: bool) -> None:
    for name, _ in arrangements(text, any_values=any_values):
        compile_pattern(name, use="parse")


@given(st.sampled_from(PATTERNS), st.sampled_from(PATTERNS))
def test_a_deciding_text_is_read_by_one_form_only(one: str, other: str) -> None:
    first, second = (Form(name, compile_pattern(name)) for name in (one, other))
    text = deciding(first, second, UTC, PIVOT_YEAR, UNITS)
    if text is not None:
        read(first, text)
        try:
            read(second, text)
        except TimeError:
            return
        # It reads it, but not as it is likely meant.
        assert guess((text,), UTC, PIVOT_YEAR, UNITS).whole[0].form.name != other
