"""The counters of a run, and the progress that they tell.

In: what readers, transform and writers count. Out: Progress values. Invariant: counting costs a few additions a page;
what is shown is computed when it is looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ddbetl.connectors.dynamodb.budget import WINDOW, Budget
from ddbetl.engine.counts import Tally
from ddbetl.engine.report import Progress, TableProgress
from ddbetl.plan.cost import expected_items
from ddbetl.plan.physical import ReadExec


@dataclass(slots=True)
class TableMeter:
    """The counters of one source table, which is read in ``segments`` parts."""

    scan: ReadExec
    budget: Budget
    segments: int
    started: float
    tally: Tally = field(default_factory=Tally)
    segments_done: int = 0
    segments_read: int = 0
    ended: float | None = None

    @property
    def expected(self) -> int:
        return expected_items(self.scan)

    def progress(self, now: float) -> TableProgress:
        return TableProgress(
            name=self.scan.table.name,
            expected=self.expected,
            read=self.tally.read,
            filtered=self.tally.filtered,
            passed=self.tally.passed,
            written=self.tally.written,
            rejected=self.tally.rejected,
            skipped=self.tally.skipped,
            units=self.budget.used,
            rate=self.budget.recent_rate() if self.ended is None else 0.0,
            budget=self.budget.rate,
            segments=self.segments,
            segments_done=self.segments_done,
            segments_read=self.segments_read,
            seconds=(self.ended if self.ended is not None else now) - self.started,
            unchanged=self.tally.unchanged,
            collisions=self.tally.collisions,
        )

    def fraction(self) -> float:
        """How much of the table is read, by DynamoDB's count of its items, else by its segments."""
        if self.segments_done == self.segments:
            return 1.0
        by_segments = self.segments_done / self.segments
        return max(by_segments, min(0.99, self.tally.read / self.expected)) if self.expected else by_segments


@dataclass(slots=True)
class Meter:
    """The counters of a run; ``clock`` counts seconds. ``write``, ``reads``: the target's budgets; it is read to see
    what is there already. ``waits``: what each table's requests wait for, by its name."""

    tables: list[TableMeter]
    write: Budget
    reads: Budget
    clock: Callable[[], float]
    started: float
    retries: int = 0
    waits: dict[str, str] = field(default_factory=dict)
    _finished: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def by_reference(self) -> int:
        return sum(table.tally.by_reference for table in self.tables)

    @property
    def waiting(self) -> str | None:
        """What the run waits for: of several tables, what began last."""
        return next(reversed(self.waits.values()), None)

    def progress(self) -> Progress:
        """The run as it is now."""
        now = self.clock()
        tallies = [table.tally for table in self.tables]
        finished = sum(tally.read - tally.passed + tally.written for tally in tallies)
        self._finished.append((now, finished))
        while self._finished[0][0] < now - WINDOW:
            self._finished.popleft()
        since, before = self._finished[0]
        fraction = self._fraction()
        seconds = now - self.started
        return Progress(
            seconds=seconds,
            tables=tuple(table.progress(now) for table in self.tables),
            fraction=fraction,
            eta=self._eta(seconds),
            items_per_second=max(0, finished - before) / (now - since)
            if now > since
            else finished / max(seconds, 1e-9),
            write_units=self.write.used,
            write_rate=self.write.recent_rate(),
            write_budget=self.write.rate,
            target_read_units=self.reads.used,
            retries=self.retries,
            waiting=self.waiting,
        )

    def _eta(self, seconds: float) -> float | None:
        """Seconds to the end at the pace so far: of reading, or of writing where that is behind."""
        weights = [max(1, table.expected) for table in self.tables]
        parts = [weight * table.fraction() for table, weight in zip(self.tables, weights, strict=True)]
        read = sum(parts) / sum(weights)
        if read < 0.005 or seconds < 0.5:
            return None
        passed = sum(table.tally.passed for table in self.tables)
        written = sum(table.tally.written for table in self.tables)
        reading = seconds * (1 - read) / read
        if not written:
            return None if passed else reading
        return max(reading, seconds * (passed / read - written) / written)

    def _fraction(self) -> float:
        """Read, and of what was read, written: the part of the whole that is done."""
        weights = [max(1, table.expected) for table in self.tables]
        parts = []
        for table, weight in zip(self.tables, weights, strict=True):
            open_rows = table.tally.passed - table.tally.written
            done = 1 - open_rows / table.tally.read if table.tally.read else 1.0
            parts.append(weight * table.fraction() * done)
        return sum(parts) / sum(weights)
