"""Offsets of a zone as DuckDB arithmetic: local to instant and instant to local, from the pinned zone data.

In: a zone and an SQL expression of type BIGINT, milliseconds. Out: an SQL expression of the same type.

Time is cut into buckets so wide that no two changes of the offset share one. One list holds each bucket's change,
another the offsets before and after it; dividing finds the bucket, so the cost is the same for every zone. DuckDB's
own zone data, which may differ from ours, plays no part, nor does its session's time zone.

Invariant: the result is NULL, never wrong, outside the buckets and for a local time that does not exist.
"""

from dataclasses import dataclass
from functools import lru_cache

from ddbetl.time.chronology import days_from_civil
from ddbetl.time.zone import Zone

# Spans of years that the lists may cover, the widest first, and the most buckets they may have.
_SPANS = ((1970, 2050), (1990, 2040), (2005, 2035), (2015, 2045))
_MOST_BUCKETS = 400
_DAY = 86_400
_WIDTHS = tuple(days * _DAY for days in (29_220, 14_610, 3_652, 1_826, 365, 182, 120, 90, 60, 45, 30))


def local_to_instant(zone: Zone, local: str) -> str | None:
    """Turn local milliseconds into epoch milliseconds, the earlier instant in an overlap; None: not possible."""
    if zone.rules is None:
        return _shifted(local, -(zone.fixed_offset or 0))
    table = _table(zone, local_time=True)
    return None if table is None else _with_local(local, f"t - {table.offset_at('(t // 1000)')} * 1000")


def instant_to_local(zone: Zone, millis: str) -> str | None:
    """Turn epoch milliseconds into local milliseconds; None: not possible."""
    if zone.rules is None:
        return _shifted(millis, zone.fixed_offset or 0)
    table = _table(zone, local_time=False)
    return None if table is None else _with_local(millis, f"t + {table.offset_at('(t // 1000)')} * 1000")


def _shifted(millis: str, shift: int) -> str:
    return f"({millis} + {shift})" if shift else millis


def _with_local(value: str, expression: str) -> str:
    """Evaluate ``value`` once under the name ``t``: its text may be long, and CASE branches share nothing."""
    return f"list_transform([{value}], lambda t: {expression})[1]"


@dataclass(frozen=True, slots=True)
class _Table:
    """Offsets by bucket.

    The times from ``start`` on, for ``inside`` seconds, are those of a change itself: for local time the gap. Bucket
    numbers count from 1; number 1 is no bucket, but what division leaves over at the beginning.
    """

    first: int
    width: int
    inside: int
    starts: tuple[int | None, ...]
    offsets: tuple[tuple[int | None, int | None, int | None], ...]

    def offset_at(self, seconds: str) -> str:
        """Give an SQL expression for the offset in seconds; NULL where unknown."""
        # Division cuts toward zero, so what precedes the first bucket lands in number 1, 0 or below.
        bucket = f"greatest(({seconds} - {self.first - self.width}) // {self.width} + 1, 0)"
        # Doubled and centred, the times of the change are less than `inside` from 0 and cut to 0: -1, 0 or 1 says
        # whether a time lies before the change, inside it or after it.
        centres = ",".join("NULL" if start is None else str(2 * start + self.inside - 1) for start in self.starts)
        side = f"sign((2 * {seconds} - {_element(centres, bucket)}) // {self.inside})"
        offsets = ",".join("NULL" if value is None else str(value) for triple in self.offsets for value in triple)
        return _element(offsets, f"3 * {bucket} - 1 + {side}")


@lru_cache(maxsize=256)
def _table(zone: Zone, *, local_time: bool) -> _Table | None:
    for first_year, last_year in _SPANS:
        first = days_from_civil(first_year, 1, 1) * _DAY
        last = days_from_civil(last_year, 1, 1) * _DAY
        for width in _WIDTHS:
            table = _table_of(zone, first, last, width, local_time=local_time)
            if table is not None:
                return table
    return None


def _table_of(zone: Zone, first: int, last: int, width: int, *, local_time: bool) -> _Table | None:
    """Build the table of one span and width; None if it were too long or two changes shared a bucket."""
    assert zone.rules is not None
    count = (last - first) // width
    if not 1 <= count <= _MOST_BUCKETS:
        return None
    last = first + count * width
    # A day on either side covers the offset between local time and UTC.
    changes = [
        (at + before if local_time else at, before, after)
        for at, before, after in zone.rules.changes_between(first - _DAY, last + _DAY)
    ]
    changes = [change for change in changes if first <= change[0] < last]
    inside = max((after - before for _, before, after in changes if local_time), default=1)
    inside = max(inside, 1)
    by_bucket = {(start - first) // width: (start, before, after) for start, before, after in changes}
    if len(by_bucket) < len(changes) or any(
        (start + inside - first) // width > key for key, (start, _, _) in by_bucket.items()
    ):
        return None
    starts: list[int | None] = [None]
    offsets: list[tuple[int | None, int | None, int | None]] = [(None, None, None)]
    offset = changes[0][1] if changes else zone.rules.offset_at(first + width // 2)
    for index in range(count):
        start, before, after = by_bucket.get(index, (first, offset, offset))
        starts.append(start)
        offsets.append((before, None if local_time and after > before else after, after))
        offset = after
    return _Table(first, width, inside, tuple(starts), tuple(offsets))


def _element(values: str, index: str) -> str:
    """Take an element of a constant list (as text: that is parsed faster); NULL outside it. No index is negative."""
    return f"list_extract('[{values}]'::BIGINT[], {index})"
