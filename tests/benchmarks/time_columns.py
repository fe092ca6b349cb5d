"""Columns of texts that are times, made up for the benchmark of reading them.

In: how many. Out: texts of instants of four years, drawn with a fixed seed; each column with the call that reads it,
and with Python's own way to read it, where there is one.

Invariant: every text is one that Joda-Time reads.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

ATTRIBUTE = "DateTime"
SEED = 20170426
EASTERN, PACIFIC = "America/New_York", "America/Los_Angeles"
FIRST, LAST = datetime(2014, 1, 1, tzinfo=UTC), datetime(2018, 1, 1, tzinfo=UTC)
MISSES = 0.05
_STEP = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Column:
    """Texts of one kind. ``text_of`` writes an instant in the column's zone; ``value_of`` is Python's own way to read
    it, where there is one; ``slow`` says that there is no fast path."""

    title: str
    pattern: str | None
    zone: str
    local_zone: str
    text_of: Callable[[datetime, random.Random], str]
    value_of: Callable[[str], int] | None
    slow: bool = False

    @property
    def call(self) -> str:
        """The call as a spec has it."""
        if self.pattern is None:
            return f"epoch({ATTRIBUTE})"
        quoted = self.pattern.replace("'", "''")
        return f"epoch({ATTRIBUTE}, '{quoted}', '{self.zone}')"

    def texts(self, rows: int) -> list[str]:
        draw = random.Random(SEED)
        zone_of = ZoneInfo(self.local_zone)
        span = int((LAST - FIRST) / _STEP)
        return [self.text_of((FIRST + draw.randrange(span) * _STEP).astimezone(zone_of), draw) for _ in range(rows)]


def _iso(local: datetime, draw: random.Random) -> str:
    return local.isoformat(timespec="milliseconds")


def _iso_with_commas(local: datetime, draw: random.Random) -> str:
    """Write some with a comma before the fraction: Joda-Time reads that, the fast path does not."""
    text = local.isoformat(timespec="milliseconds")
    return text.replace(".", ",") if draw.random() < MISSES else text


def _plain(local: datetime, draw: random.Random) -> str:
    return local.strftime("%Y-%m-%d %H:%M:%S")


def _mail(local: datetime, draw: random.Random) -> str:
    return f"{local:%a}, {local.day} {local:%b %Y %H:%M:%S %Z}"


def _seconds_of_iso(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() // 1)


def _seconds_of_pacific() -> Callable[[str], int]:
    pacific = ZoneInfo(PACIFIC)
    return lambda text: int(datetime.fromisoformat(text).replace(tzinfo=pacific).timestamp() // 1)


COLUMNS = (
    Column("2015-01-02T10:28:27.876-05:00, no pattern", None, "UTC", EASTERN, _iso, _seconds_of_iso),
    Column(f"yyyy-MM-dd HH:mm:ss, {PACIFIC}", "yyyy-MM-dd HH:mm:ss", PACIFIC, PACIFIC, _plain, _seconds_of_pacific()),
    Column("EEE, d MMM yyyy HH:mm:ss z", "EEE, d MMM yyyy HH:mm:ss z", "UTC", PACIFIC, _mail, None, slow=True),
    Column("no pattern, 5 % with a comma: misses", None, "UTC", EASTERN, _iso_with_commas, _seconds_of_iso),
)
