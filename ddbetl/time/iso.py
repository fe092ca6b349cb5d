"""The ISO-8601 forms that are read without a pattern: Joda-Time's ``ISODateTimeFormat.dateTimeParser()``.

In: a text. Out: a ``Reading``.

    datetime = 'T' time [offset] | date ['T' [time] [offset]]
    date     = year ['-' month ['-' day]] | week-year '-W' week ['-' day of week] | year '-' day of year
    time     = hour [':' minute [':' second [fraction] | fraction] | fraction]
    fraction = ('.' | ',') 1 to 9 digits

Of the forms of a date the one that reads most of the text wins.

Invariant: nothing else is read; trailing text is a mismatch.
"""

from typing import Literal

from ddbetl.time.chronology import MILLIS_PER_HOUR, MILLIS_PER_MINUTE, MILLIS_PER_SECOND
from ddbetl.time.reading import MismatchError, Reading
from ddbetl.time.scan import digits_end, read_fraction, read_number, read_offset

_YEAR_DIGITS = 9
_FRACTION_DIGITS = 9


def read_iso(text: str) -> Reading:
    """Read a whole text; raise ``MismatchError``."""
    reading = Reading()
    if text[:1] in ("T", "t"):
        at = _offset(text, _time(text, 1, reading), reading)
    else:
        at = _date(text, reading)
        if text[at : at + 1] in ("T", "t"):
            at += 1
            if digits_end(text, at, at + 1) > at:
                at = _time(text, at, reading)
            at = _offset(text, at, reading)
        elif at < len(text):
            raise MismatchError(at, "'T' or the end of the date")
    if at < len(text):
        raise MismatchError(at, "the end of the text")
    return reading


def _date(text: str, reading: Reading) -> int:
    at = read_number(text, 0, "year", _YEAR_DIGITS, True, reading)
    if text[at : at + 2] in ("-W", "-w") and digits_end(text, at + 2, at + 3) > at + 2:
        _, year, position = reading.saved.pop()
        reading.save("week-year", year, position)
        at = read_number(text, at + 2, "week", 2, False, reading)
        return _after_dash(text, at, "day of week", 1, reading)
    if not _dash_and_digit(text, at):
        return at
    # Month and day, or day of the year: whichever reads further; on a tie it is month and day.
    month_end = digits_end(text, at + 1, at + 3)
    day_end = digits_end(text, month_end + 1, month_end + 3) if _dash_and_digit(text, month_end) else month_end
    if digits_end(text, at + 1, at + 4) > day_end:
        return read_number(text, at + 1, "day of year", 3, False, reading)
    at = read_number(text, at + 1, "month", 2, False, reading)
    return _after_dash(text, at, "day", 2, reading)


def _dash_and_digit(text: str, at: int) -> bool:
    return text.startswith("-", at) and digits_end(text, at + 1, at + 2) > at + 1


def _after_dash(text: str, at: int, name: Literal["day", "day of week"], digits: int, reading: Reading) -> int:
    if _dash_and_digit(text, at):
        return read_number(text, at + 1, name, digits, False, reading)
    return at


def _time(text: str, at: int, reading: Reading) -> int:
    at = read_number(text, at, "hour", 2, False, reading)
    if text.startswith(":", at) and digits_end(text, at + 1, at + 2) > at + 1:
        at = read_number(text, at + 1, "minute", 2, False, reading)
        if text.startswith(":", at) and digits_end(text, at + 1, at + 2) > at + 1:
            at = read_number(text, at + 1, "second", 2, False, reading)
            return _fraction(text, at, "fraction of second", MILLIS_PER_SECOND, reading)
        return _fraction(text, at, "fraction of minute", MILLIS_PER_MINUTE, reading)
    return _fraction(text, at, "fraction of hour", MILLIS_PER_HOUR, reading)


def _fraction(
    text: str,
    at: int,
    name: Literal["fraction of second", "fraction of minute", "fraction of hour"],
    unit_millis: int,
    reading: Reading,
) -> int:
    if text[at : at + 1] in (".", ",") and digits_end(text, at + 1, at + 2) > at + 1:
        return read_fraction(text, at + 1, name, unit_millis, _FRACTION_DIGITS, reading)
    return at


def _offset(text: str, at: int, reading: Reading) -> int:
    return read_offset(text, at, reading) if text[at : at + 1] in ("Z", "z", "+", "-") else at
