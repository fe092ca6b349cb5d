"""Readers compiled from patterns: one regular expression and a little arithmetic for what is common.

In: a pattern (or None for the ISO forms), a pivot year. Out: a function from a text to local milliseconds and the
text's own offset, or None where the text or the pattern is not of the common kind: then the reader that goes field by
field decides.

Common are patterns whose fields neither repeat nor contradict each other. The quantifiers are possessive, because the
reference never takes back a character it has read.

Invariant: what a compiled reader reads has exactly the reference's value; what it does not read may still be readable.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TypeAlias

from ddbetl.time.chronology import (
    MAX_YEAR,
    MILLIS_PER_DAY,
    MILLIS_PER_HALF_DAY,
    MILLIS_PER_HOUR,
    MILLIS_PER_MINUTE,
    MILLIS_PER_SECOND,
    MIN_YEAR,
    FieldName,
    day_of_week_of_days,
    days_from_civil,
    days_in_month,
    first_week_day,
    is_leap,
    weeks_in,
)
from ddbetl.time.names import SHORT_ZONES, SPELLINGS
from ddbetl.time.pattern import Field, Fraction, Literal, Name, Number, Offset, Pattern, TwoDigitYear, ZoneId, ZoneName
from ddbetl.time.reading import DEFAULT_YEAR, Reading
from ddbetl.time.scan import LONGEST_REGION, read_offset
from ddbetl.time.zone import Zone, zone, zone_names

# A text's local milliseconds and the offset or zone it names, if any.
Read: TypeAlias = tuple[int, int | Zone | None]
Reader: TypeAlias = Callable[[str], Read | None]

# An offset without seconds; what could continue it is left to the reference.
_OFFSET = r"([Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?+(?![\d:.,]))"
_ISO = re.compile(
    r"([+-]?\d{1,9}+)-(\d{1,2}+)-(\d{1,2}+)(?:[Tt](?:(\d{1,2}+)(?::(\d{1,2}+)(?::(\d{1,2}+)(?:[.,](\d{1,9}+))?)?)?)?"
    + _OFFSET
    + "?)?",
    re.ASCII,
)

_DATES = frozenset(
    frozenset(names)
    for names in (
        (),
        ("year",),
        ("year", "month"),
        ("year", "month", "day"),
        ("year", "month", "day", "day of week"),
        ("year", "day of year"),
        ("week-year", "week"),
        ("week-year", "week", "day of week"),
        ("month",),
        ("month", "day"),
        ("day",),
    )
)
_CLOCKS = frozenset({"hour", "clock hour", "hour of half", "clock hour of half", "half of day", "minute", "second"})
_HALF_HOURS = frozenset({"hour of half", "clock hour of half"})
# A column has many times and few dates.
_CACHED_DATES = 8192
_FRACTION: FieldName = "fraction of second"
_OFFSET_OR_ZONE = "offset or zone"


def iso_reader() -> Reader:
    """Make the reader of year-month-day forms, with or without time and offset."""
    match_text = _ISO.fullmatch

    def read(text: str) -> Read | None:
        match = match_text(text)
        if match is None:
            return None
        year, month, day, hour, minute, second, fraction, offset = match.groups()
        days = _civil_days(year, month, day)
        if days is None:
            return None
        millis = days * MILLIS_PER_DAY
        if hour:
            hours, minutes, seconds = int(hour), int(minute or 0), int(second or 0)
            if hours > 23 or minutes > 59 or seconds > 59:
                return None
            millis += hours * MILLIS_PER_HOUR + minutes * MILLIS_PER_MINUTE + seconds * MILLIS_PER_SECOND
            if fraction:
                millis += int((fraction + "00")[:3])
        return millis, _offset(offset) if offset else None

    return read


@lru_cache(maxsize=256)
def pattern_reader(pattern: Pattern, pivot_year: int) -> Reader | None:
    """Make the reader of a pattern; None if its fields are not of the common kind."""
    fields = [field for field in pattern.fields if not isinstance(field, Literal)]
    names = [_name(field) for field in fields]
    parts = [_regex(field) for field in pattern.fields]
    if None in parts or not _is_plain(names):
        return None
    match_text = re.compile("".join(filter(None, parts)), re.ASCII).fullmatch
    date_days = _date_reader(fields, names, pivot_year)
    clock_parts = [(index, *_CLOCK_PARTS[name]) for index, name in enumerate(names) if name in _CLOCK_PARTS]
    half, fraction, offset = (_index(names, name) for name in ("half of day", _FRACTION, _OFFSET_OR_ZONE))
    zone_of = _zone_reader(fields)
    halves = SPELLINGS["half of day"]

    def read(text: str) -> Read | None:
        match = match_text(text)
        if match is None:
            return None
        values = match.groups()
        days = date_days(values)
        if days is None:
            return None
        millis = days * MILLIS_PER_DAY
        for index, unit, first, size in clock_parts:
            value = int(values[index])
            if not first <= value < first + size:
                return None
            millis += value % size * unit
        if half is not None:
            millis += halves[values[half]] * MILLIS_PER_HALF_DAY
        if fraction is not None:
            millis += int((values[fraction] + "00")[:3])
        if offset is None:
            return millis, None
        named = zone_of(values[offset], text, match.start(offset + 1))
        return None if named is None else (millis, named)

    return read


# A clock's fields: the unit in milliseconds, the first value, how many there are; the value `size` stands for 0.
_CLOCK_PARTS: dict[str, tuple[int, int, int]] = {
    "hour": (MILLIS_PER_HOUR, 0, 24),
    "clock hour": (MILLIS_PER_HOUR, 1, 24),
    "hour of half": (MILLIS_PER_HOUR, 0, 12),
    "clock hour of half": (MILLIS_PER_HOUR, 1, 12),
    "minute": (MILLIS_PER_MINUTE, 0, 60),
    "second": (MILLIS_PER_SECOND, 0, 60),
}


def _index(names: list[str], name: str) -> int | None:
    return names.index(name) if name in names else None


def _name(field: Field) -> str:
    match field:
        case Number() | TwoDigitYear() | Name():
            return "year" if field.name == "year of era" else field.name
        case Fraction():
            return _FRACTION
        case _:
            return _OFFSET_OR_ZONE


def _is_plain(names: list[str]) -> bool:
    """Tell whether each field comes once and none contradicts another."""
    if len(set(names)) < len(names):
        return False
    hours = [name for name in names if "hour" in name]
    if len(hours) > 1 or ("half of day" in names and not _HALF_HOURS.intersection(hours)):
        return False
    date = frozenset(names) - _CLOCKS - {_FRACTION, _OFFSET_OR_ZONE}
    return date in _DATES or ("era" in date and "year" in date and date - {"era"} in _DATES)


def _regex(field: Field) -> str | None:
    """Give a field's regular expression, with one group unless it is a literal; None if it needs the reference."""
    match field:
        case Literal(text):
            return (
                "".join(f"[{char.lower()}{char.upper()}]" if char.isalpha() else re.escape(char) for char in text)
                if text.isascii()
                else re.escape(text)
            )
        case Number(signed=signed, most_digits=most):
            return f"({'[+-]?' if signed and most > 1 else ''}[0-9]{{1,{most}}}+)"
        case TwoDigitYear(lenient=lenient):
            return r"([+-]?[0-9]++)" if lenient else "([0-9]{2})"
        case Fraction(most_digits=most):
            return f"([0-9]{{1,{most}}}+)"
        case Name(name=name):
            return f"((?>{'|'.join(sorted(SPELLINGS[name], key=len, reverse=True))}))"
        case Offset():
            return _OFFSET
        case ZoneName(short=True):
            return f"((?>{'|'.join(sorted(SHORT_ZONES, key=len, reverse=True))}))"
        case ZoneId():
            return "([A-Za-z][A-Za-z0-9_+/-]*+)"
        case _:
            return None


def _zone_reader(fields: Sequence[Field]) -> Callable[[str, str, int], int | Zone | None]:
    """Make the function from what names an offset or zone, its text and its position there; None if that is unclear."""
    if any(isinstance(field, ZoneId) for field in fields):
        return _zone_of_id
    if any(isinstance(field, ZoneName) for field in fields):
        return lambda name, text, start: zone(SHORT_ZONES[name])
    return lambda name, text, start: _offset(name)


def _zone_of_id(name: str, text: str, start: int) -> Zone | None:
    # The text goes on with no character of an id, so no longer id is meant; but a slash further on confuses Joda-Time.
    clear = text.find("/", start, start + LONGEST_REGION) < start + len(name)
    return zone(name) if clear and name in _ids() else None


@lru_cache(maxsize=1)
def _ids() -> frozenset[str]:
    return frozenset(zone_names())


def _date_reader(fields: Sequence[Field], names: list[str], pivot_year: int) -> Callable[[tuple[str, ...]], int | None]:
    """Make the function from all groups to days since 1970, or None where the reference has to decide."""
    indices = [index for index, name in enumerate(names) if name not in _CLOCKS | {_FRACTION, _OFFSET_OR_ZONE}]
    if not indices:
        return lambda values: 0
    chosen = [(names[index], fields[index]) for index in indices]
    take = itemgetter(*indices)

    @lru_cache(maxsize=_CACHED_DATES)
    def days_of(texts: str | tuple[str, ...]) -> int | None:
        parts = (texts,) if isinstance(texts, str) else texts
        found: dict[str, int] = {}
        for (name, field), text in zip(chosen, parts, strict=True):
            value = _value(field, text, pivot_year)
            if value is None:
                return None
            found[name] = value
        return _days(found)

    return lambda values: days_of(take(values))


def _value(field: Field, text: str, pivot_year: int) -> int | None:
    match field:
        case Name(name=name):
            return SPELLINGS[name][text]
        case TwoDigitYear() if len(text) == 2 and text.isdigit():
            low = pivot_year - 50
            return low + (int(text) - low) % 100
        case Number(name="year of era") if int(text) < 1:
            return None
        case _:
            return int(text)


def _days(found: dict[str, int]) -> int | None:
    """Give the days since 1970 of date fields without a contradiction; None if a value is out of its range."""
    year = found.get("year", found.get("week-year", DEFAULT_YEAR))
    if not MIN_YEAR < year < MAX_YEAR or ("era" in found and (found["era"] == 0 or year < 1)):
        return None
    if "week-year" in found:
        week, weekday = found.get("week", 1), found.get("day of week", 1)
        if not (1 <= week <= weeks_in(year) and 1 <= weekday <= 7):
            return None
        return first_week_day(year) + (week - 1) * 7 + weekday - 1
    if "day of year" in found:
        day = found["day of year"]
        return days_from_civil(year, 1, 1) + day - 1 if 1 <= day <= 365 + is_leap(year) else None
    month, day = found.get("month", 1), found.get("day", 1)
    if not (1 <= month <= 12 and 1 <= day <= days_in_month(year, month)):
        return None
    days = days_from_civil(year, month, day)
    # The day of the week is set last: it moves the date within its week.
    weekday = found.get("day of week", day_of_week_of_days(days))
    return days - day_of_week_of_days(days) + weekday if 1 <= weekday <= 7 else None


@lru_cache(maxsize=_CACHED_DATES)
def _civil_days(year: str, month: str, day: str | None) -> int | None:
    return _days({"year": int(year), "month": int(month), "day": int(day or 1)})


@lru_cache(maxsize=1024)
def _offset(text: str) -> int | None:
    reading = Reading()
    read_offset(text, 0, reading)
    return reading.offset
