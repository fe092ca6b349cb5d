"""Calendar arithmetic as DuckDB expressions: truncating, taking parts, adding, in a zone.

In: a unit, a zone, the names of columns of type BIGINT (epoch milliseconds, a count), and ``bind``, which names the
value of an expression so that it is computed once. Out: an SQL expression of type BIGINT, or None where there is none.

Invariant: the value is that of ``ddbetl.time.calendar``, or NULL: outside the years 1 to 9999, outside the years that
a zone's tables cover, and where the clocks change so that it takes more than a table.
"""

from collections.abc import Callable

from ddbetl.time.calendar import CLOCK_UNITS, UNIT_DAYS, UNIT_MONTHS, AddUnit, Part, TruncUnit
from ddbetl.time.chronology import MILLIS_PER_DAY, MILLIS_PER_MINUTE, days_from_civil
from ddbetl.time.fast_zone import instant_to_local, local_to_instant
from ddbetl.time.zone import Zone

Bind = Callable[[str], str]

# With a day to spare for the offset.
_FIRST = (days_from_civil(1, 1, 1) + 1) * MILLIS_PER_DAY
_LAST = (days_from_civil(10_000, 1, 1) - 1) * MILLIS_PER_DAY
# A multiple of every unit of the clock, and of a day, that makes any of these times positive.
_SHIFT = 1_000_000 * MILLIS_PER_DAY
# DuckDB's timestamps reach 290,000 years.
_MOST_DAYS = 10_000_000
_MOST_MONTHS = 100_000


def fast_truncated(unit: TruncUnit, zone: Zone, millis: str, bind: Bind) -> str | None:
    """Translate ``truncated``."""
    size = CLOCK_UNITS.get(unit)
    if size == 1 or (size == 1000 and zone.rules is not None):
        # Offsets of zones with rules are whole seconds.
        return _floored(_within(millis, bind), size)
    local = _local(zone, millis, bind)
    if local is None:
        return None
    if size is None:
        start = bind(f"epoch_us(date_trunc('{unit}', {_timestamp(local)})) // 1000")
        return local_to_instant(zone, start)
    start = bind(_floored(local, size))
    instant = bind(f"{millis} - ({local} - {start})")
    if zone.rules is None:
        return instant
    # No change of the clocks lies between.
    return f"CASE WHEN {instant_to_local(zone, instant)} = {start} THEN {instant} END"


def fast_part(part: Part, zone: Zone, millis: str, bind: Bind) -> str | None:
    """Translate ``part_of``."""
    local = _local(zone, millis, bind)
    if local is None:
        return None
    if part == "millisecond":
        return f"(({local} + {_SHIFT}) % {MILLIS_PER_MINUTE})"
    return f"date_part('{part}', {_timestamp(local)})"


def fast_added(unit: AddUnit, zone: Zone, count: str, millis: str, bind: Bind) -> str | None:
    """Translate ``added`` for days and longer units; shorter ones are a sum, which needs no zone."""
    local = _local(zone, millis, bind)
    if local is None:
        return None
    if unit in UNIT_DAYS:
        few = bind(_few(count, _MOST_DAYS))
        moved = bind(f"{local} + {few} * {UNIT_DAYS[unit] * MILLIS_PER_DAY}")
    else:
        few = bind(_few(count, _MOST_MONTHS))
        months = f"to_months(CAST({few} * {UNIT_MONTHS[unit]} AS INTEGER))"
        moved = bind(f"epoch_us({_timestamp(local)} + {months}) // 1000")
    if zone.rules is None:
        return local_to_instant(zone, moved)
    # With the same offset, if the local time exists with it.
    kept = bind(f"{moved} - ({local} - {millis})")
    again = bind(f"{instant_to_local(zone, kept)}")
    return f"CASE WHEN {again} = {moved} THEN {kept} WHEN {again} <> {moved} THEN {local_to_instant(zone, moved)} END"


def _within(millis: str, bind: Bind) -> str:
    return bind(f"CASE WHEN {millis} BETWEEN {_FIRST} AND {_LAST} THEN {millis} END")


def _local(zone: Zone, millis: str, bind: Bind) -> str | None:
    local = instant_to_local(zone, _within(millis, bind))
    return None if local is None else bind(local)


def _timestamp(local: str) -> str:
    return f"make_timestamp({local} * 1000)"


def _floored(millis: str, size: int) -> str:
    return millis if size == 1 else f"(({millis} + {_SHIFT}) // {size} * {size} - {_SHIFT})"


def _few(count: str, most: int) -> str:
    return f"CASE WHEN {count} BETWEEN -{most} AND {most} THEN {count} END"
