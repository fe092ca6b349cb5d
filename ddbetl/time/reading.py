"""What was read from one text, and the instant it means.

In: fields with their values and positions, an offset or a zone. Out: epoch milliseconds.

The rules are ``org.joda.time.format.DateTimeParserBucket``'s: fields are set from 1970-01-01T00:00 local time, the
largest range first, then all once more; the last one wins. Without a year the default year is 2000 if a month, week
or day was read.

Invariant: a ``Reading`` holds the fields in the order of the text; resolving changes nothing in it.
"""

from dataclasses import dataclass, field

from ddbetl.time.chronology import (
    FIELD_RULES,
    MILLIS_PER_DAY,
    MIN_YEAR,
    FieldName,
    FieldRangeError,
    days_from_civil,
)
from ddbetl.time.zone import GapError, Zone

DEFAULT_YEAR = 2000
# A week-year's first week may begin in the year before.
_FIRST_LOCAL = (days_from_civil(MIN_YEAR, 1, 1) - 7) * MILLIS_PER_DAY


class MismatchError(ValueError):
    """Say at which character a text stops being readable, and what was expected there."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(expected)
        self.position = position
        self.expected = expected


class ResolveError(ValueError):
    """Say why what was read is no instant; ``position`` is where the field at fault was read."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(message)
        self.position = position


@dataclass(slots=True)
class Reading:
    """The fields of one text in the order they were read, as (name, value, position), and its offset or zone if any."""

    saved: list[tuple[FieldName, int, int]] = field(default_factory=list)
    offset: int | None = None
    zone: Zone | None = None

    def save(self, name: FieldName, value: int, position: int) -> None:
        self.saved.append((name, value, position))


def resolve(reading: Reading, zone: Zone) -> int:
    """Give the epoch milliseconds of a reading; ``zone`` counts where the text named none.

    Raises ``ResolveError``.
    """
    saved = sorted(reading.saved, key=lambda item: FIELD_RULES[item[0]].rank)
    if saved and FIELD_RULES[saved[0][0]].dates_a_year:
        saved.insert(0, ("year", DEFAULT_YEAR, 0))
    local = 0
    for item in saved:
        local = FIELD_RULES[item[0]].floor(_set(local, item))
    for item in saved:
        local = _set(local, item)
    if saved:
        local = FIELD_RULES[saved[-1][0]].floor(local)
    if local < _FIRST_LOCAL:
        raise ResolveError(saved[0][2], "a time before Christ needs a year")
    if reading.offset is not None:
        return local - reading.offset
    try:
        return (reading.zone or zone).instant_of(local)
    except GapError as error:
        raise ResolveError(0, str(error)) from None


def _set(local: int, item: tuple[FieldName, int, int]) -> int:
    name, value, position = item
    try:
        return FIELD_RULES[name].set_value(local, value)
    except FieldRangeError as error:
        raise ResolveError(position, str(error)) from None
