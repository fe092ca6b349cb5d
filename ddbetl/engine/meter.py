"""The counters of a run, and the progress that they tell.

In: what readers, transform and writers count. Out: Progress values. Invariant: counting costs a few additions a page;
what is shown is computed when it is looked at.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from ddbetl.connectors.dynamodb.budget import WINDOW, Budget
from ddbetl.engine.counts import Tally
from ddbetl.engine.report import Progress, TableProgress
from ddbetl.plan.cost import expected_items
from ddbetl.plan.pace import Load, Work, seconds_left
from ddbetl.plan.physical import ReadExec
from ddbetl.plan.samples import exactly

# Seconds over which is measured how fast a run gets on, and so many steps at least: a page of a small budget takes
# long. And the seconds without a step after which it gets slower.
MEASURED = 60.0
STEPS = 8
PATIENCE = 60.0
# Less than that is no measurement, in steps and in seconds.
FEWEST = 3
SHORTEST = 1.0


@dataclass(slots=True)
class Flow:
    """How fast a count grows."""

    _steps: deque[tuple[float, float]] = field(default_factory=deque)

    def look(self, now: float, count: float) -> None:
        """Note a count, if it is another one than before."""
        if not self._steps or self._steps[-1][1] != count:
            self._steps.append((now, count))
        while len(self._steps) > STEPS and self._steps[1][0] < now - MEASURED:
            self._steps.popleft()

    def rate(self, now: float) -> float | None:
        """By how much it grows in a second; None where that is not known yet."""
        if not self._steps:
            return None
        (since, before), (until, count) = self._steps[0], self._steps[-1]
        stuck = now - until > PATIENCE
        seconds = max(until - since, now - since - PATIENCE)
        if (len(self._steps) < FEWEST or seconds < SHORTEST) and not stuck:
            return None
        # What has passed may be given back.
        return max(0.0, count - before) / seconds if seconds > 0 else 0.0


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
    what is there already. ``work``: what explain expects of the run. ``waits``: what each table's requests wait for, by
    its name."""

    tables: list[TableMeter]
    write: Budget
    reads: Budget
    clock: Callable[[], float]
    started: float
    work: Work
    retries: int = 0
    waits: dict[str, str] = field(default_factory=dict)
    _finished: deque[tuple[float, int]] = field(default_factory=deque)
    _reading: Flow = field(default_factory=Flow)
    _writing: Flow = field(default_factory=Flow)

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
            eta=self._eta(now),
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

    def _eta(self, now: float) -> float | None:
        """Seconds to the end, as explain reckons them, of what is left: at the budgets in force, and at the pace that
        was measured."""
        tallies = [table.tally for table in self.tables]
        read = sum(tally.read for tally in tallies)
        handed = sum(tally.handed_over for tally in tallies)
        settled = handed - sum(tally.passed - tally.written for tally in tallies)
        self._reading.look(now, read)
        self._writing.look(now, settled)
        if (not read and not self.work.items.expected) or not any(t.expected or t.fraction() for t in self.tables):
            return None
        unread = self._unread(read, handed)
        # Of how many rows so many are settled: of those that come, as many as of those that have come.
        rows = handed * (1 + sum(unread) / read) if read else 0.0
        left = tuple(self._left(unread, settled / rows if rows else 0.0))
        if rows and not settled and any(load.what == "write" and not load.units.expected for load in left):
            # What a row costs is not known yet.
            return None
        items = exactly(sum(unread))
        done = ((sum(unread), self._reading.rate(now)), (rows - settled, self._writing.rate(now)))
        measured = [(amount, rate) for amount, rate in done if rate is not None and amount > 0]
        return seconds_left(replace(self.work, loads=left, items=items), measured)

    def _unread(self, read: int, handed: int) -> list[float]:
        """How many items of each table are still to be read, as it seems."""
        if not read and self.work.items.expected:
            # Nothing is known that explain does not know.
            whole = sum(table.expected for table in self.tables)
            return [table.expected * self.work.items.expected / whole if whole else 0.0 for table in self.tables]
        unread = []
        for table in self.tables:
            part = table.fraction()
            known = table.tally.read * (1 - part) / part if part and table.tally.read else table.expected * (1 - part)
            unread.append(known)
        coming, limit = sum(unread) * handed / read if read else 0.0, self.work.plan.limit
        if limit is None or not coming:
            return unread
        return [items * min(1.0, max(0, limit - handed) / coming) for items in unread]

    def _left(self, unread: list[float], settled: float) -> Iterator[Load]:
        """The units that are left, by those that were used; before there are any, by what explain expects."""
        for number, load in enumerate(self.work.loads):
            if load.what == "read":
                table = self.tables[number]
                whole = table.tally.read + unread[number]
                part, budget = table.tally.read / whole if whole else 1.0, table.budget
            else:
                part, budget = settled, self.write if load.what == "write" else self.reads
            known = budget.used / part if budget.used and part else load.units.expected
            yield replace(load, units=exactly(known * (1 - part)), budget=budget.rate)

    def _fraction(self) -> float:
        """Read, and of what was read, written: the part of the whole that is done."""
        weights = [max(1, table.expected) for table in self.tables]
        parts = []
        for table, weight in zip(self.tables, weights, strict=True):
            open_rows = table.tally.passed - table.tally.written
            done = 1 - open_rows / table.tally.read if table.tally.read else 1.0
            parts.append(weight * table.fraction() * done)
        return sum(parts) / sum(weights)
