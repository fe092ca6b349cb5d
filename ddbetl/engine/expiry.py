"""When rows expire: the values of the target's expiry attribute, counted.

In: the requests of a dry pass. Out: how many rows are past at a moment, and how many expire in each month. Invariant:
memory grows with the days that occur, not with the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from ddbetl.engine.batches import Batch

DAY = 86_400
# DynamoDB leaves items alone whose time is longer past than that, in seconds. Source: DynamoDB Developer Guide, "Using
# time to live": five years.
TOO_LONG_PAST = 5 * 365 * DAY


@dataclass(frozen=True, slots=True)
class Expiry:
    """Rows by when they expire. ``at``: epoch seconds. ``expired``: rows that are past then; of those, DynamoDB keeps
    ``kept``, which are past for more than five years. ``never``: rows without the attribute. ``months``: rows by year
    and month, UTC, rising."""

    attribute: str
    at: int
    rows: int
    expired: int
    kept: int
    never: int
    months: Mapping[tuple[int, int], int]


class _Number(msgspec.Struct):
    N: str


@dataclass(slots=True)
class ExpiryCount:
    """Counts rows as they come, in requests of puts into one table."""

    attribute: str
    at: int
    _expired: int = 0
    _kept: int = 0
    _never: int = 0
    _days: Counter[int] = field(default_factory=Counter)
    _decoder: msgspec.json.Decoder[Any] = field(init=False)

    def __post_init__(self) -> None:
        item = msgspec.defstruct("Item", [("value", _Number | None, None)], rename={"value": self.attribute})
        put = msgspec.defstruct("Put", [("item", item)], rename="pascal")
        entry = msgspec.defstruct("Entry", [("put_request", put)], rename="pascal")
        body = msgspec.defstruct("Body", [("request_items", dict[str, list[entry]])], rename="pascal")  # type: ignore[valid-type]
        self._decoder = msgspec.json.Decoder(body)

    def add(self, batch: Batch) -> None:
        """Count the rows of a request and of those that follow it."""
        for one in batch.chain():
            for entries in self._decoder.decode(one.content).request_items.values():
                self._add([entry.put_request.item.value for entry in entries])

    def _add(self, values: list[_Number | None]) -> None:
        # Whole numbers, as rows with others are rejects; they may be written with an exponent.
        times = [_whole(value.N) for value in values if value is not None]
        self._never += len(values) - len(times)
        self._days.update(time // DAY for time in times)
        self._expired += sum(time <= self.at for time in times)
        self._kept += sum(time < self.at - TOO_LONG_PAST for time in times)

    def result(self) -> Expiry:
        months: Counter[tuple[int, int]] = Counter()
        for day, rows in self._days.items():
            date = datetime.fromtimestamp(day * DAY, UTC)
            months[date.year, date.month] += rows
        rows = self._never + sum(self._days.values())
        found = dict(sorted(months.items()))
        return Expiry(self.attribute, self.at, rows, self._expired, self._kept, self._never, found)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        return int(Decimal(text))
