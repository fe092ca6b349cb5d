"""The proleptic ISO calendar as Joda-Time's fields see it: get, set and floor on local milliseconds.

In: local milliseconds since 1970-01-01T00:00 (any int) and a field's value. Out: field values or new local
milliseconds.

Setting a field keeps the others as far as they exist (31 January set to February is the 28th or 29th), as
``org.joda.time.DateTimeField.set`` does; a value outside a field's range raises ``FieldRangeError``.

Invariant: integers only; year 0 exists, years run from -292,275,054 to 292,278,993, and no year is special.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

FieldName = Literal[
    "era",
    "century of era",
    "year of era",
    "year",
    "week-year",
    "month",
    "week",
    "day of year",
    "day",
    "day of week",
    "half of day",
    "hour",
    "clock hour",
    "hour of half",
    "clock hour of half",
    "minute",
    "fraction of hour",
    "second",
    "fraction of minute",
    "fraction of second",
]

MILLIS_PER_SECOND = 1_000
MILLIS_PER_MINUTE = 60_000
MILLIS_PER_HOUR = 3_600_000
MILLIS_PER_HALF_DAY = 43_200_000
MILLIS_PER_DAY = 86_400_000
MILLIS_PER_WEEK = 604_800_000

MIN_YEAR = -292_275_054
MAX_YEAR = 292_278_993
# The floor of the era before Christ is the least 64-bit instant, as in Joda-Time.
LEAST_MILLIS = -(2**63)

_DAYS_BEFORE_MONTH = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
_DAYS_IN_MONTH = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class FieldRangeError(ValueError):
    """Say that a field's value lies outside its range."""

    def __init__(self, name: FieldName, value: int, low: int, high: int) -> None:
        super().__init__(f"{name} {value} is not between {low} and {high}")


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    return 29 if month == 2 and is_leap(year) else _DAYS_IN_MONTH[month - 1]


def days_from_civil(year: int, month: int, day: int) -> int:
    """Count days from 1970-01-01 to a date of the proleptic Gregorian calendar."""
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 + _DAYS_BEFORE_MONTH[month - 1] + day
    if month > 2 and is_leap(year):
        days += 1
    return days - 719_163


def year_of_days(days: int) -> tuple[int, int]:
    """Split days since 1970-01-01 into the year and the day of the year, from 0."""
    cycle, rest = divmod(days + 719_162, 146_097)
    century = min(rest // 36_524, 3)
    rest -= century * 36_524
    quad = rest // 1_461
    rest -= quad * 1_461
    single = min(rest // 365, 3)
    return cycle * 400 + century * 100 + quad * 4 + single + 1, rest - single * 365


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Split days since 1970-01-01 into year, month, day."""
    year, day = year_of_days(days)
    leap = is_leap(year)
    if leap and day >= 59:
        if day == 59:
            return year, 2, 29
        day -= 1
    month = (day + 50) >> 5 if day >= 31 else 1
    while month < 12 and day >= _DAYS_BEFORE_MONTH[month]:
        month += 1
    while day < _DAYS_BEFORE_MONTH[month - 1]:
        month -= 1
    return year, month, day - _DAYS_BEFORE_MONTH[month - 1] + 1


def day_of_week_of_days(days: int) -> int:
    """Give 1 for Monday to 7 for Sunday."""
    return (days + 3) % 7 + 1


def first_week_day(week_year: int) -> int:
    """Give the day (since 1970-01-01) on which week 1 of a week-year begins."""
    january_4th = days_from_civil(week_year, 1, 4)
    return january_4th - (january_4th + 3) % 7


def week_of_days(days: int) -> tuple[int, int]:
    """Split days since 1970-01-01 into ISO week-year and week."""
    week_year = year_of_days(days - (days + 3) % 7 + 3)[0]
    return week_year, (days - first_week_day(week_year)) // 7 + 1


def weeks_in(week_year: int) -> int:
    return (first_week_day(week_year + 1) - first_week_day(week_year)) // 7


def _year(millis: int) -> int:
    return year_of_days(millis // MILLIS_PER_DAY)[0]


def _set_year(millis: int, year: int) -> int:
    days, of_day = divmod(millis, MILLIS_PER_DAY)
    this_year, day = year_of_days(days)
    if day > 58:
        if is_leap(this_year):
            if not is_leap(year):
                day -= 1
        elif is_leap(year):
            day += 1
    return (days_from_civil(year, 1, 1) + day) * MILLIS_PER_DAY + of_day


def _checked(name: FieldName, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise FieldRangeError(name, value, low, high)


def _set_era(millis: int, era: int) -> int:
    year = _year(millis)
    return millis if (year > 0) == (era == 1) else _set_year(millis, -year)


def _set_century(millis: int, century: int) -> int:
    _checked("century of era", century, 0, MAX_YEAR // 100)
    year = _year(millis)
    value = century * 100 + abs(year) % 100
    _checked("century of era", value // 100, 0, MAX_YEAR // 100)
    return _set_year(millis, -value if year < 0 else value)


def _set_year_of_era(millis: int, value: int) -> int:
    _checked("year of era", value, 1, MAX_YEAR)
    return _set_year(millis, value if _year(millis) > 0 else 1 - value)


def _set_proleptic_year(millis: int, value: int) -> int:
    _checked("year", value, MIN_YEAR, MAX_YEAR)
    return _set_year(millis, value)


def _set_week_year(millis: int, value: int) -> int:
    _checked("week-year", abs(value), MIN_YEAR, MAX_YEAR)
    days, of_day = divmod(millis, MILLIS_PER_DAY)
    week_year, week = week_of_days(days)
    if week_year == value:
        return millis
    week = min(week, weeks_in(value))
    return (first_week_day(value) + (week - 1) * 7 + (days + 3) % 7) * MILLIS_PER_DAY + of_day


def _set_month(millis: int, month: int) -> int:
    _checked("month", month, 1, 12)
    days, of_day = divmod(millis, MILLIS_PER_DAY)
    year, _, day = civil_from_days(days)
    return days_from_civil(year, month, min(day, days_in_month(year, month))) * MILLIS_PER_DAY + of_day


def _set_week(millis: int, value: int) -> int:
    week_year, week = week_of_days(millis // MILLIS_PER_DAY)
    _checked("week", value, 1, 52 if value <= 52 else weeks_in(week_year))
    return millis + (value - week) * MILLIS_PER_WEEK


def _set_day_of_year(millis: int, value: int) -> int:
    year, day = year_of_days(millis // MILLIS_PER_DAY)
    _checked("day of year", value, 1, 366 if is_leap(year) else 365)
    return millis + (value - 1 - day) * MILLIS_PER_DAY


def _set_day(millis: int, value: int) -> int:
    year, month, day = civil_from_days(millis // MILLIS_PER_DAY)
    _checked("day", value, 1, days_in_month(year, month))
    return millis + (value - day) * MILLIS_PER_DAY


def _set_day_of_week(millis: int, value: int) -> int:
    _checked("day of week", value, 1, 7)
    return millis + (value - day_of_week_of_days(millis // MILLIS_PER_DAY)) * MILLIS_PER_DAY


def _unit(name: FieldName, unit: int, size: int, first: int = 0) -> Callable[[int, int], int]:
    """Make the setter of a field that counts ``size`` equal units; with ``first`` 1 the value ``size`` stands for 0."""

    def set_value(millis: int, value: int) -> int:
        _checked(name, value, first, size - 1 + first)
        return millis + (value % size - millis // unit % size) * unit

    return set_value


def _floor_to(unit: int) -> Callable[[int], int]:
    return lambda millis: millis - millis % unit


def _floor_era(millis: int) -> int:
    return days_from_civil(1, 1, 1) * MILLIS_PER_DAY if _year(millis) > 0 else LEAST_MILLIS


def _floor_century(millis: int) -> int:
    year = _year(millis)
    start = abs(year) // 100 * 100
    return _floor_year(_set_year(millis, -start if year < 0 else start))


def _floor_year(millis: int) -> int:
    return days_from_civil(_year(millis), 1, 1) * MILLIS_PER_DAY


def _floor_week_year(millis: int) -> int:
    return first_week_day(week_of_days(millis // MILLIS_PER_DAY)[0]) * MILLIS_PER_DAY


def _floor_month(millis: int) -> int:
    days = millis // MILLIS_PER_DAY
    return (days - civil_from_days(days)[2] + 1) * MILLIS_PER_DAY


def _floor_week(millis: int) -> int:
    days = millis // MILLIS_PER_DAY
    return (days - (days + 3) % 7) * MILLIS_PER_DAY


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field: where it comes in the order of resolution, how to set it, how to clear what is smaller.

    ``rank`` orders fields as Joda-Time does, by range and then by unit; equal ranks keep the order of the text.
    ``dates_a_year`` is true for fields that, as the largest of a text, mean "in the default year".
    """

    rank: int
    set_value: Callable[[int, int], int]
    floor: Callable[[int], int]
    dates_a_year: bool = False


_day_floor = _floor_to(MILLIS_PER_DAY)
_hour_floor = _floor_to(MILLIS_PER_HOUR)
_exact = _floor_to(1)

FIELD_RULES: dict[FieldName, FieldRule] = {
    "era": FieldRule(0, _set_era, _floor_era),
    "century of era": FieldRule(1, _set_century, _floor_century),
    "year of era": FieldRule(2, _set_year_of_era, _floor_year),
    "year": FieldRule(2, _set_proleptic_year, _floor_year),
    "week-year": FieldRule(2, _set_week_year, _floor_week_year),
    "month": FieldRule(3, _set_month, _floor_month, True),
    "week": FieldRule(4, _set_week, _floor_week, True),
    "day of year": FieldRule(5, _set_day_of_year, _day_floor, True),
    "day": FieldRule(6, _set_day, _day_floor, True),
    "day of week": FieldRule(7, _set_day_of_week, _day_floor, True),
    "half of day": FieldRule(8, _unit("half of day", MILLIS_PER_HALF_DAY, 2), _floor_to(MILLIS_PER_HALF_DAY)),
    "hour": FieldRule(9, _unit("hour", MILLIS_PER_HOUR, 24), _hour_floor),
    "clock hour": FieldRule(9, _unit("clock hour", MILLIS_PER_HOUR, 24, 1), _hour_floor),
    "hour of half": FieldRule(10, _unit("hour of half", MILLIS_PER_HOUR, 12), _hour_floor),
    "clock hour of half": FieldRule(10, _unit("clock hour of half", MILLIS_PER_HOUR, 12, 1), _hour_floor),
    "minute": FieldRule(11, _unit("minute", MILLIS_PER_MINUTE, 60), _floor_to(MILLIS_PER_MINUTE)),
    "fraction of hour": FieldRule(12, _unit("fraction of hour", 1, MILLIS_PER_HOUR), _exact),
    "second": FieldRule(13, _unit("second", MILLIS_PER_SECOND, 60), _floor_to(MILLIS_PER_SECOND)),
    "fraction of minute": FieldRule(14, _unit("fraction of minute", 1, MILLIS_PER_MINUTE), _exact),
    "fraction of second": FieldRule(15, _unit("fraction of second", 1, MILLIS_PER_SECOND), _exact),
}
