"""Reading and printing times: the rules one by one, the messages, and printing and reading as inverses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.time import TimeError, compile_pattern, format_millis, parse_millis, pivot_of, zone
from ddbetl.time.chronology import (
    FIELD_RULES,
    MILLIS_PER_DAY,
    civil_from_days,
    day_of_week_of_days,
    days_from_civil,
    first_week_day,
    week_of_days,
    weeks_in,
    year_of_days,
)

PIVOT = pivot_of(2026)


def read(pattern: str | None, text: str, in_zone: str = "UTC", pivot: int = PIVOT) -> str:
    """Read a text and print the instant in UTC, without a time at midnight."""
    compiled = compile_pattern(pattern) if pattern else None
    shown = format_millis(None, parse_millis(compiled, text, zone(in_zone), pivot), zone("UTC"))
    return shown.removesuffix("T00:00:00.000Z")


def fault(pattern: str | None, text: str, in_zone: str = "UTC") -> TimeError:
    with pytest.raises(TimeError) as caught:
        read(pattern, text, in_zone)
    return caught.value


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        # The count of letters sets padding, not the least number of digits.
        ("yyyy-MM-dd", "2017-4-6", "2017-04-06"),
        ("yyyyMMdd", "20170406", "2017-04-06"),
        ("yyyy-MM-dd", "-5-04-06", "-0005-04-06"),
        ("yyyy-MM-dd", "+12345-04-06", "12345-04-06"),
        ("yyyy", "0000", "0000-01-01"),
        # Two digits: the pivot's century; anything else is the year itself.
        ("yy-MM", "46-01", "1946-01-01"),
        ("yy-MM", "45-01", "2045-01-01"),
        ("yy-MM", "7-01", "0007-01-01"),
        ("yy-MM", "2017-01", "2017-01-01"),
        ("yyMM", "1701", "2017-01-01"),
        # Plus signs are passed over; after a lone minus sign a character is taken for a digit, and read once more.
        ("yy-MM", "++17-01", "0017-01-01"),
        ("yy-MM", "+++2017-01", "2017-01-01"),
        ("yy-MM", "+-7-01", "-0007-01-01"),
        ("yy-MM", "--04", "0003-04-01"),
        ("yy/MM", "-/04", "0001-04-01"),
        # Fractions: missing digits are zeros, digits beyond the third are cut.
        ("s.SSS", "1.5", "1970-01-01T00:00:01.500Z"),
        ("s.SSSSSS", "1.123999", "1970-01-01T00:00:01.123Z"),
        # Names: as given, all lower or all upper, long or short whatever the count.
        ("d MMM yyyy", "6 april 2017", "2017-04-06"),
        ("d MMMM yyyy", "6 APR 2017", "2017-04-06"),
        ("yyyy 'At' MM", "2017 aT 04", "2017-04-01"),
        # Offsets, whatever the count of Z.
        ("HH:mmZ", "10:00+05:30", "1970-01-01T04:30:00.000Z"),
        ("HH:mmZZ", "10:00+0530", "1970-01-01T04:30:00.000Z"),
        ("HH:mmZ", "10:00z", "1970-01-01T10:00:00.000Z"),
        ("HH:mm ZZZ", "10:00 Asia/Tokyo", "1970-01-01T01:00:00.000Z"),
        ("HH:mm z", "10:00 PST", "1970-01-01T18:00:00.000Z"),
        # A slash twelve characters on is no longer the zone's.
        ("ZZZ 'aaaaaaa/'", "UTC aaaaaaa/", "1970-01-01"),
        # What is missing.
        ("MM-dd", "02-29", "2000-02-29"),
        ("HH:mm", "10:28", "1970-01-01T10:28:00.000Z"),
        ("h", "12", "1970-01-01"),
        ("k", "24", "1970-01-01"),
        # The last one wins.
        ("EEE yyyy-MM-dd", "Mon 2017-04-26", "2017-04-24"),
        ("YYYY G", "45 BC", "-0044-01-01"),
        ("xxxx-'W'ww-e", "2017-W17-3", "2017-04-26"),
        # Without a pattern.
        (None, "2017", "2017-01-01"),
        (None, "2017-116", "2017-04-26"),
        (None, "2017-W17-3", "2017-04-26"),
        (None, "2017-04-26T", "2017-04-26"),
        (None, "T12.5", "1970-01-01T12:30:00.000Z"),
        (None, "t12:34,25z", "1970-01-01T12:34:15.000Z"),
        (None, "2015-01-02T10:28:27.876-05:00", "2015-01-02T15:28:27.876Z"),
        (None, "20170426", "20170426-01-01"),
    ],
)
def test_texts_are_read_as_joda_time_reads_them(pattern: str | None, text: str, expected: str) -> None:
    assert read(pattern, text) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "position", "expected"),
    [
        ("yyyy-MM-dd'T'HH:mm", "2017-04-26 10:00", 10, "expected 'T'"),
        ("yyyy-MM-dd", "2017-04-26Z", 10, "expected the end of the text"),
        ("yyyy-MM-dd", "2017-04", 7, "expected '-'"),
        ("yyyy-MM-dd", "2017-04-", 8, "expected a digit of the day"),
        ("yyyy-MM-dd", " 2017-04-26", 0, "expected a digit of the year"),
        ("yyyy-MM-dd", "2017-13-26", 5, "month 13 is not between 1 and 12"),
        ("yyyy-MM-dd", "2017-02-29", 8, "day 29 is not between 1 and 28"),
        ("HH:mm", "24:00", 0, "hour 24 is not between 0 and 23"),
        ("HH:mm", "23:60", 3, "minute 60 is not between 0 and 59"),
        ("h a", "0 AM", 0, "clock hour of half 0 is not between 1 and 12"),
        ("h a", "1 Am", 2, "expected AM or PM"),
        ("ss.SSS", "01.1234", 6, "expected the end of the text"),
        ("d MMM", "6 Apri", 5, "expected the end of the text"),
        ("d MMM", "6 aPr", 2, "expected the English name of a month"),
        ("HHZ", "10+24:00", 3, "hours of an offset from 00 to 23"),
        ("HHZ", "10 ", 2, "expected an offset such as +05:30, or Z"),
        ("HH ZZZ", "10 asia/tokyo", 3, "expected the id of a time zone"),
        ("ZZZ 'aaaaaa/'", "UTC aaaaaa/", 0, "expected the id of a time zone"),
        ("HH ZZZ", "10 +05:30", 3, "expected the id of a time zone"),
        ("HH z", "10 CET", 3, "expected one of UT UTC GMT"),
        ("yyyy", "\u0662\u0660\u0661\u0667", 0, "expected a digit of the year"),
        ("G", "BC", 0, "a time before Christ needs a year"),
        ("yy", "-", 0, "expected a digit of the year"),
        ("yy", "++", 2, "expected a digit of the year"),
        ("yy MM", "-+5", 1, "expected ' '"),
        ("yyMM", "+1", 0, "expected two digits of the year"),
        (None, "2017-04-26 10:00", 10, "expected 'T' or the end of the date"),
        (None, "2017-04-26Z", 10, "expected 'T' or the end of the date"),
        (None, "20170426T102827", 11, "expected the end of the text"),
        (None, "2017-04-26T10:00:00.1234567890", 29, "expected the end of the text"),
        (None, "", 0, "expected a digit of the year"),
    ],
)
def test_faults_say_where_and_why(pattern: str | None, text: str, position: int, expected: str) -> None:
    error = fault(pattern, text)
    assert error.position == position
    assert expected in error.message
    assert f" at position {position} " in error.message


def test_the_message_names_text_and_pattern() -> None:
    message = "\"2017-04-26 10:00\" does not match yyyy-MM-dd'T'HH:mm at position 10 (expected 'T')"
    assert fault("yyyy-MM-dd'T'HH:mm", "2017-04-26 10:00").message == message
    message = "\"2017-04-26 10:00\" is not an ISO-8601 time at position 10 (expected 'T' or the end of the date)"
    assert fault(None, "2017-04-26 10:00").message == message
    message = fault("yyyy-MM-dd'T'HH:mm", "2017-03-12T02:30", "America/New_York").message
    assert "2017-03-12T02:30 does not exist in America/New_York" in message
    assert len(fault("yyyy", "x" * 400_000).message) < 200


@pytest.mark.parametrize(
    ("pivot", "digits", "year"),
    [(1987, "36", "2036"), (1987, "37", "1937"), (50, "99", "0099"), (0, "50", "-0050"), (49, "0", "0000")],
)
def test_two_digit_years_lie_around_the_pivot(pivot: int, digits: str, year: str) -> None:
    assert (
        read("yyMM" if len(digits) == 2 else "yy-MM", digits + ("01" if len(digits) == 2 else "-01"), pivot=pivot)
        == f"{year}-01-01"
    )


@pytest.mark.parametrize(
    ("before", "year", "after"),
    [
        ((2016, 2, 29), 2017, (2017, 2, 28)),
        ((2016, 3, 1), 2017, (2017, 3, 1)),
        ((2017, 3, 1), 2016, (2016, 3, 1)),
        ((2017, 2, 28), 2016, (2016, 2, 28)),
    ],
)
def test_setting_the_year_keeps_month_and_day(
    before: tuple[int, int, int], year: int, after: tuple[int, int, int]
) -> None:
    moved = FIELD_RULES["year"].set_value(days_from_civil(*before) * MILLIS_PER_DAY, year)
    assert moved == days_from_civil(*after) * MILLIS_PER_DAY


INSTANTS = st.integers(-(10**14), 3 * 10**14) | st.integers(-9 * 10**15, 9 * 10**15)
ZONES = st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "-03:30"])


@given(INSTANTS, ZONES)
def test_to_string_is_read_back(millis: int, name: str) -> None:
    text = format_millis(None, millis, zone(name))
    assert parse_millis(None, text, zone("UTC"), PIVOT) == millis


@given(
    INSTANTS,
    st.sampled_from(
        [
            "yyyy-MM-dd HH:mm:ss.SSS",
            "y/M/d k:m:s.SSSSSS",
            "DDD yyyy KK:mm:ss.SSS a",
            "e ww xxxx, h 'hours' mm ss SSS a",
            "G YYYY MMM dd HHmmss SSS",
            "EEEE, d MMMM yyyy HH:mm:ss.SSS G",
        ]
    ),
)
def test_what_a_complete_pattern_prints_it_reads_back(millis: int, pattern: str) -> None:
    compiled = compile_pattern(pattern)
    # `yyyy G` reads BC as AD, because the year is set last; only the year of the era goes back.
    if "G" in pattern and "Y" not in pattern:
        millis = abs(millis)
    text = format_millis(compiled, millis, zone("UTC"))
    assert parse_millis(compiled, text, zone("UTC"), PIVOT) == millis


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("yyyy-MM-dd'T'HH:mm:ss.SSSZZ", "2015-01-02T05:28:07.050-05:00"),
        ("y M d H m s S", "2015 1 2 5 28 7 0"),
        ("yy YY xx CC C", "15 15 15 20 20"),
        ("G E EEEE e MMM MMMM", "AD Fri Friday 5 Jan January"),
        ("h hh K KK k kk a", "5 05 5 05 5 05 AM"),
        ("DDD D ww w xxxx", "002 2 01 1 2015"),
        ("SS SSSS SSSSSSSSSSSSSSSSSS", "05 0500 050000000000000"),
        ("Z ZZ ZZZ z zzzz", "-0500 -05:00 America/New_York EST Eastern Standard Time"),
        ("'it''s' yyyy", "it's 2015"),
    ],
)
def test_printing(pattern: str, expected: str) -> None:
    assert format_millis(compile_pattern(pattern), 1_420_194_487_050, zone("US/Eastern")) == expected


@given(st.integers(-150_000_000_000, 150_000_000_000))
def test_days_and_dates_are_inverse(days: int) -> None:
    assert days_from_civil(*civil_from_days(days)) == days
    year, day = year_of_days(days)
    assert days_from_civil(year, 1, 1) + day == days
    week_year, week = week_of_days(days)
    assert first_week_day(week_year) + (week - 1) * 7 + day_of_week_of_days(days) - 1 == days
    assert 1 <= week <= weeks_in(week_year) <= 53


def test_the_first_day_is_a_thursday() -> None:
    assert civil_from_days(0) == (1970, 1, 1)
    assert day_of_week_of_days(0) == 4
    assert week_of_days(days_from_civil(2016, 1, 3)) == (2015, 53)
