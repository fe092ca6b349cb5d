"""Calendar arithmetic on instants: truncating, taking parts, adding, in a zone.

In: epoch milliseconds, a unit, a zone. Out: epoch milliseconds, or a part's number.

What is computed is local time; how it becomes an instant again where the clocks change:

- The start of a day, or of anything longer, is the first instant of it: where midnight does not exist, the first that
  does; where it exists twice, the earlier. So says java.time's ``LocalDate.atStartOfDay``.
- The start of an hour, or of anything shorter, keeps the offset from UTC if it exists with it; if it exists with
  another only, it is that one; in a gap, the first instant after it.
- A sum of days, or of anything longer, keeps the local time; the day of the month is cut to the month's last. Where
  that local time exists twice it keeps the offset, where it does not exist it moves forward by the length of the gap.
  So does java.time's ``ZonedDateTime``; of a time that exists twice Joda-Time's ``DateTime`` takes the earlier one.
- A sum of hours, or of anything shorter, is elapsed time, whatever the clocks do.

Invariant: integers only, for any integer.
"""

from collections.abc import Callable
from typing import Literal, get_args

from ddbetl.time.chronology import (
    MILLIS_PER_DAY,
    MILLIS_PER_HOUR,
    MILLIS_PER_MINUTE,
    MILLIS_PER_SECOND,
    civil_from_days,
    day_of_week_of_days,
    days_from_civil,
    days_in_month,
    first_week_day,
    week_of_days,
    year_of_days,
)
from ddbetl.time.tzif import Rules
from ddbetl.time.zone import Zone

TruncUnit = Literal["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "isoyear"]
Part = Literal[
    "year", "isoyear", "quarter", "month", "week", "day", "dow", "isodow", "doy",
    "hour", "minute", "second", "millisecond",
]  # fmt: skip
AddUnit = Literal["millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"]

TRUNC_UNITS: tuple[TruncUnit, ...] = get_args(TruncUnit)
PARTS: tuple[Part, ...] = get_args(Part)
ADD_UNITS: tuple[AddUnit, ...] = get_args(AddUnit)

# Units of one length, shorter than a day, in milliseconds.
CLOCK_UNITS: dict[str, int] = {
    "millisecond": 1,
    "second": MILLIS_PER_SECOND,
    "minute": MILLIS_PER_MINUTE,
    "hour": MILLIS_PER_HOUR,
}
# Longer units, in days or in months.
UNIT_DAYS: dict[str, int] = {"day": 1, "week": 7}
UNIT_MONTHS: dict[str, int] = {"month": 1, "quarter": 3, "year": 12}

_TWO_DAYS = 2 * MILLIS_PER_DAY
# Further out there is no TIMESTAMP, whatever the offset.
_BEYOND = 2**63 + _TWO_DAYS


def truncated(unit: TruncUnit, millis: int, zone: Zone) -> int:
    """Give the first instant of the unit of local time that an instant lies in; never later than the instant."""
    offset = zone.offset_at(millis)
    local = millis + offset
    size = CLOCK_UNITS.get(unit)
    if size is None:
        return _first_instant(zone, _DAY_FLOORS[unit](local // MILLIS_PER_DAY) * MILLIS_PER_DAY)
    start = local - local % size
    instants, after_gap, _ = _instants(zone, start)
    if not instants:
        return after_gap
    return start - offset if start - offset in instants else instants[0]


def part_of(part: Part, millis: int, zone: Zone) -> int:
    """Give a part of the local time of an instant.

    ``week`` and ``isoyear`` are ISO-8601's, ``isodow`` counts from Monday, 1, to Sunday, 7, and ``dow`` from Sunday, 0.
    ``millisecond`` counts from the start of the minute, as in PostgreSQL and DuckDB.
    """
    days, of_day = divmod(millis + zone.offset_at(millis), MILLIS_PER_DAY)
    match part:
        case "year":
            return year_of_days(days)[0]
        case "isoyear":
            return week_of_days(days)[0]
        case "quarter":
            return (civil_from_days(days)[1] + 2) // 3
        case "month":
            return civil_from_days(days)[1]
        case "week":
            return week_of_days(days)[1]
        case "day":
            return civil_from_days(days)[2]
        case "dow":
            return day_of_week_of_days(days) % 7
        case "isodow":
            return day_of_week_of_days(days)
        case "doy":
            return year_of_days(days)[1] + 1
        case "hour":
            return of_day // MILLIS_PER_HOUR
        case "minute":
            return of_day // MILLIS_PER_MINUTE % 60
        case "second":
            return of_day // MILLIS_PER_SECOND % 60
        case "millisecond":
            return of_day % MILLIS_PER_MINUTE


def added(unit: AddUnit, count: int, millis: int, zone: Zone) -> int:
    """Give the instant ``count`` units later, earlier for a negative count."""
    if unit in CLOCK_UNITS:
        return millis + count * CLOCK_UNITS[unit]
    offset = zone.offset_at(millis)
    local = millis + offset
    if unit in UNIT_DAYS:
        local += count * UNIT_DAYS[unit] * MILLIS_PER_DAY
    else:
        days, of_day = divmod(local, MILLIS_PER_DAY)
        local = _months_later(days, count * UNIT_MONTHS[unit]) * MILLIS_PER_DAY + of_day
    if not -_BEYOND < local < _BEYOND:
        return local
    instants, _, moved = _instants(zone, local)
    if not instants:
        return moved
    return local - offset if local - offset in instants else instants[0]


def _months_later(days: int, months: int) -> int:
    year, month, day = civil_from_days(days)
    year, month = divmod(year * 12 + month - 1 + months, 12)
    return days_from_civil(year, month + 1, min(day, days_in_month(year, month + 1)))


def _first_of_month(days: int) -> int:
    return days - civil_from_days(days)[2] + 1


def _first_of_quarter(days: int) -> int:
    year, month, _ = civil_from_days(days)
    return days_from_civil(year, (month - 1) // 3 * 3 + 1, 1)


# The first day, since 1970-01-01, of the unit that a day lies in.
_DAY_FLOORS: dict[str, Callable[[int], int]] = {
    "day": lambda days: days,
    "week": lambda days: days - (days + 3) % 7,
    "month": _first_of_month,
    "quarter": _first_of_quarter,
    "year": lambda days: days_from_civil(year_of_days(days)[0], 1, 1),
    "isoyear": lambda days: first_week_day(week_of_days(days)[0]),
}


def _first_instant(zone: Zone, local: int) -> int:
    instants, after_gap, _ = _instants(zone, local)
    return instants[0] if instants else after_gap


def _instants(zone: Zone, local: int) -> tuple[tuple[int, ...], int, int]:
    """Find the instants of a local time, in order; if there is none, the end of the gap, and the time as long after
    the gap's end as it is after its start."""
    if zone.rules is None:
        return (local - (zone.fixed_offset or 0),), 0, 0
    settled = zone.rules.settled_offset(local // 1000)
    if settled is not None:
        return (local - settled * 1000,), 0, 0
    return _instants_by_rules(zone.rules, local)


def _instants_by_rules(rules: Rules, local: int) -> tuple[tuple[int, ...], int, int]:
    # No offset reaches a day and a half, so all changes that matter lie within two days.
    first, last = (local - _TWO_DAYS) // 1000, (local + _TWO_DAYS) // 1000
    changes = rules.changes_between(first, last)
    starts = [local - _TWO_DAYS, *(at * 1000 for at, _, _ in changes)]
    ends = [*starts[1:], local + _TWO_DAYS]
    offsets = [changes[0][1] if changes else rules.offset_at(first), *(after for _, _, after in changes)]
    instants = tuple(
        local - offset * 1000
        for start, end, offset in zip(starts, ends, offsets, strict=True)
        if start <= local - offset * 1000 < end
    )
    for at, before, after in changes:
        if not instants and (at + before) * 1000 <= local < (at + after) * 1000:
            return (), at * 1000, local - before * 1000
    return instants, 0, 0
