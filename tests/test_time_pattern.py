"""Patterns: what they are made of, and what is said about bad ones."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.time import PatternError, TimeError, compile_pattern, format_millis, parse_millis, zone
from ddbetl.time.pattern import Fraction, Literal, Name, Number, Offset, TwoDigitYear, ZoneId, ZoneName

JODA_LETTERS = "GCYxweEyDMdaKhHkmsSzZ"


def test_a_pattern_is_a_tuple_of_fields_with_positions() -> None:
    assert compile_pattern("yyyy-MM'T'yy Sz").fields == (
        Number("y", "year", 4, 9, True, 0),
        Literal("-", 4, 1),
        Number("M", "month", 2, 2, False, 5),
        Literal("T", 7, 3),
        TwoDigitYear("y", "year", True, 10),
        Literal(" ", 12, 1),
        Fraction(1, 13),
        ZoneName(True, 14, 1),
    )
    assert compile_pattern("MMMEEEEaGZZZZZ").fields == (
        Name("M", "month", True, 0, 3),
        Name("E", "day of week", False, 3, 4),
        Name("a", "half of day", False, 7, 1),
        Name("G", "era", False, 8, 1),
        ZoneId(9, 5),
    )
    assert compile_pattern("ZZ").fields == (Offset(True, 0, 2),)


@pytest.mark.parametrize(
    ("pattern", "digits"),
    [("yyyy", 9), ("yyyy-MM", 9), ("yyyyMM", 4), ("yyyy'0'MM", 9), ("yyyyMMM", 9), ("yyyyyyyyyyyy", 12)],
)
def test_a_year_takes_as_many_digits_as_letters_before_a_number(pattern: str, digits: int) -> None:
    year = compile_pattern(pattern).fields[0]
    assert isinstance(year, Number)
    assert year.most_digits == digits


@pytest.mark.parametrize(
    ("pattern", "literals"),
    [
        ("'at' HH", ["at "]),
        ("HH 'o''clock'", [" o'clock"]),
        ("yyyy''MM", ["'"]),
        ("yyyy'T", ["T"]),
        ("[y]{#}'x'", ["[", "]{#}x"]),
        ("yyyy'' ''", ["' '"]),
    ],
)
def test_quotes(pattern: str, literals: list[str]) -> None:
    assert [field.text for field in compile_pattern(pattern).fields if isinstance(field, Literal)] == literals


@pytest.mark.parametrize(
    ("pattern", "position", "length", "meant"),
    [
        ("uuuu-MM-dd", 0, 4, "yyyy"),
        ("yyyy-MM-dd'T'HH:mm:ssXXX", 21, 3, "ZZ"),
        ("HH:mm VV", 6, 2, "ZZZ"),
        ("LLLL yyyy", 0, 4, "MMMM"),
        ("ss.nnn", 3, 3, "use S"),
        ("A", 0, 1, "'a' is AM or PM"),
        ("QQQ yyyy", 0, 3, "quarter"),
        ("yyyy-MM-ddTHH:mm", 10, 1, "quoted"),
        ("ss.ffff", 3, 4, "use S"),
        ("yyyy 'x' b", 9, 1, "MMM"),
        ("", 0, 0, "empty"),
        ("'", 0, 1, "neither letters nor text"),
    ],
)
def test_errors_mark_the_letters_and_say_what_was_meant(pattern: str, position: int, length: int, meant: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert (caught.value.position, caught.value.length) == (position, length)
    assert meant in caught.value.message


@pytest.mark.parametrize("letter", string.ascii_letters)
def test_exactly_joda_times_letters_are_accepted(letter: str) -> None:
    if letter in JODA_LETTERS:
        assert compile_pattern(letter).fields
    else:
        with pytest.raises(PatternError, match=r"Joda-Time|java\.time|text"):
            compile_pattern(letter)


def test_the_year_of_era_is_warned_about() -> None:
    (warning,) = compile_pattern("YYYY-MM-dd").warnings
    assert (warning.position, warning.length) == (0, 4)
    assert "week-year" in warning.message
    assert not compile_pattern("yyyy-MM-dd").warnings


def test_what_cannot_be_read_is_refused_for_reading_only() -> None:
    assert compile_pattern("yyyy zzzz").fields
    assert compile_pattern("yyyy zzzz", "print").fields
    with pytest.raises(PatternError) as caught:
        compile_pattern("yyyy zzzz", "parse")
    assert (caught.value.position, caught.value.length) == (5, 4)


@given(st.text(alphabet=st.sampled_from(JODA_LETTERS + "'-:. T1é\n"), max_size=12), st.text(max_size=12))
def test_any_pattern_fails_only_with_its_errors(pattern: str, text: str) -> None:
    try:
        compiled = compile_pattern(pattern, "parse")
    except PatternError as error:
        assert 0 <= error.position <= error.position + error.length <= len(pattern)
        return
    try:
        parse_millis(compiled, text, zone("Europe/Paris"), 1987)
    except TimeError as error:
        assert 0 <= error.position <= len(text)
    assert format_millis(compiled, 1_493_201_730_876, zone("Europe/Paris"))
