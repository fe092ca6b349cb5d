"""The executor: a physical plan to rows in the target.

In: a physical plan, a way to reach its tables, the job's store. Out: a RunReport, progress on the way. Invariants:
every item read is filtered, rejected, skipped, unchanged or acknowledged by the target before the store says that it is
done; what waits between two stages is bounded in bytes; no table is read or written above its budget.

::

    readers, some per table ── pages ──> stages, here or in worker processes ── pages that are done ──> store
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.engine.collisions import KeysSeen
from ddbetl.engine.log import EventLog
from ddbetl.engine.meter import Meter
from ddbetl.engine.metrics import metrics_text, write_metrics
from ddbetl.engine.pages import PageWork
from ddbetl.engine.rates import Rated, Rates
from ddbetl.engine.reading import Reading, Source
from ddbetl.engine.rejects import Rejects
from ddbetl.engine.report import Progress
from ddbetl.engine.sending import POLICY, STOP_SECONDS, Course, Sender
from ddbetl.engine.splits import Ledger
from ddbetl.engine.stages import Stages
from ddbetl.engine.store import JobStore, Totals
from ddbetl.engine.workers import Crew, Workers
from ddbetl.errors import JobFailed
from ddbetl.plan.catalog import Connection
from ddbetl.plan.physical import PhysicalPlan, QueryExec, ReadExec, WriteExec

# Seconds between looks at whether the credentials need renewing.
CREDENTIALS_SECONDS = 30.0
# Seconds from a page that is done to its commit, and between commits of the progress alone.
COMMIT_SECONDS = 0.1
PROGRESS_SECONDS = 1.0
# Seconds between two versions of the file of metrics.
METRICS_SECONDS = 5.0
# Seconds between two lines of progress in the log.
TOLD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Outlook:
    """Who watches a run: ``progress`` is called every ``interval`` seconds and at the end; ``metrics`` is a file in
    Prometheus' text format; the log also goes to ``log_file``."""

    progress: Callable[[Progress], None] | None = None
    interval: float = 0.25
    metrics: Path | None = None
    log_file: Path | None = None


@dataclass(slots=True)
class Job:
    """One run of a job."""

    plan: PhysicalPlan
    write: WriteExec
    access: Mapping[Connection, Access]
    store: JobStore
    log: EventLog
    meter: Meter
    ledger: Ledger
    shuffle: random.Random
    sleep: Callable[[float], Awaitable[None]]
    before: Totals
    source: Callable[[Mapping[Connection, Sender]], Source]
    # The rows are chosen ones, of which the server may well refuse all.
    chosen: bool
    # The target keys of the rows so far; None where no two can have one.
    seen: KeysSeen | None
    # The processes that do the work; None: this one.
    workers: Workers | None = None
    course: Course = field(default_factory=Course)
    rejects: Rejects = field(init=False)
    _committing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.rejects = Rejects(self.plan.logical, self.meter, self.store.folder)

    async def run(self, stop: Event, outlook: Outlook) -> None:
        """Run to the end, to the LIMIT, or until ``stop`` is set."""
        if self.plan.limit is not None:
            handed_over = sum(split.counts.handed_over for split in self.ledger.splits)
            self.course.left = max(0, self.plan.limit - handed_over)
        senders = {connection: self._sender(access) for connection, access in self.access.items()}
        stages, reading = self._here(senders) if self.workers is None else self._elsewhere(senders, self.workers)
        try:
            async with asyncio.TaskGroup() as background:
                beside = self._background(tuple(senders.values()), outlook)
                watch: list[asyncio.Task[None]] = [background.create_task(task) for task in beside]
                async with asyncio.TaskGroup() as group:
                    stages.start(group)
                    reading.start(group, self.ledger.splits, self.shuffle)
                    watch.append(background.create_task(self._end_early(stop, reading, stages)))
                    await reading.finished()
                    await stages.settled()
                    while reading.tasks:
                        # Pages were lost, and are read again.
                        await reading.finished()
                        await stages.settled()
                    stages.close()
                for task in watch:
                    task.cancel()
        except BaseException:
            # Whatever has ended the run: what is done is done.
            with suppress(JobFailed):
                await self._commit()
            raise
        finally:
            for sender in senders.values():
                await sender.client.aclose()
        await self._commit()

    def _here(self, senders: Mapping[Connection, Sender]) -> tuple[Stages, Reading]:
        """The stages in this process."""
        source = self.source(senders)
        names = [table.name for table in self.store.record.tables]
        work = PageWork(self.plan.transform, self.write, self.seen, names, source.met(self.write.table.name))
        known = [split.counts for split in self.ledger.splits]
        stages = Stages(
            senders[self.write.table.connection], self.write, self.meter.write, self.meter.reads, self.course,
            self.rejects, work, self.plan.now.millis,
            written=self.chosen or any(one.written or one.unchanged for one in known),
        )  # fmt: skip
        return stages, Reading(source, stages.pages, self.ledger, self.course)

    def _elsewhere(self, senders: Mapping[Connection, Sender], workers: Workers) -> tuple[Crew, Reading]:
        """The stages in worker processes."""
        crew = Crew(
            workers, self.plan, senders, self.ledger, self.meter, self.course, self.rejects, self.log, self.store,
            self.seen,
        )  # fmt: skip
        return crew, crew.reading

    def _sender(self, access: Access) -> Sender:
        return Sender(access, access.client(), self.meter, self.course, self.log, POLICY, self.sleep, self.meter.clock)

    @property
    def interrupted(self) -> bool:
        """Whether a stop has left something for another run; once LIMIT is reached, rows that it counts."""
        return self.ledger.half_done if self.course.limit_reached else not self.ledger.done

    # Beside the stages

    def _background(self, senders: Sequence[Sender], outlook: Outlook) -> list[Coroutine[Any, Any, None]]:
        rated = [Rated(t.scan.table, "read", t.budget, _index(t.scan)) for t in self.meter.tables]
        rated.append(Rated(self.write.table, "write", self.meter.write))
        rated.append(Rated(self.write.table, "read", self.meter.reads))
        rates = {"read": self.plan.logical.read, "write": self.plan.logical.write}
        # What was asked for before the run is in its plan.
        follow = Rates(rated, rates, self.access, self.store.rates, self.log, known=dict(self.store.rates()))
        tasks = [
            self._keep_credentials(senders),
            self._keep_state(),
            self._tell(),
            follow.follow_asked(),
            follow.follow_capacity(),
        ]
        if outlook.progress is not None:
            tasks.append(self._show(outlook.progress, outlook.interval))
        if outlook.metrics is not None:
            tasks.append(self._measure(outlook.metrics))
        return tasks

    async def _show(self, progress: Callable[[Progress], None], interval: float) -> None:
        while True:
            progress(self.meter.progress())
            await asyncio.sleep(interval)

    async def _tell(self) -> None:
        """Log the progress, for those who follow a run that has no terminal."""
        while True:
            await asyncio.sleep(TOLD_SECONDS)
            now = self.meter.progress()
            self.log.write(
                "info", "progress", seconds=round(now.seconds, 1), fraction=now.fraction, left=now.eta, read=now.read,
                filtered=now.filtered, written=now.written, rejected=now.rejected, waiting=now.waiting,
            )  # fmt: skip

    async def _measure(self, path: Path) -> None:
        while True:
            await asyncio.to_thread(self.metrics_to(path))
            await asyncio.sleep(METRICS_SECONDS)

    def metrics_to(self, path: Path) -> Callable[[], None]:
        """What writes the metrics as they are now; a job does not end because they cannot be written."""
        text = metrics_text(self.meter.progress(), self.store.record.id, self.write.table.name)

        def write() -> None:
            try:
                write_metrics(path, text)
            except OSError as error:
                self.log.write("error", "metrics_not_written", file=str(path), message=error.strerror or str(error))

        return write

    async def _keep_credentials(self, senders: Sequence[Sender]) -> None:
        while True:
            await asyncio.sleep(CREDENTIALS_SECONDS)
            for sender in senders:
                await sender.refresh()

    async def _keep_state(self) -> None:
        """Commit what is done, soon after it is."""
        since = self.meter.clock()
        while True:
            await asyncio.sleep(COMMIT_SECONDS)
            if self.ledger.changed or self.meter.clock() - since >= PROGRESS_SECONDS:
                since = self.meter.clock()
                # A commit that has begun is finished, also when the run is being ended. If it fails, so does the next.
                commit = asyncio.create_task(self._commit())
                commit.add_done_callback(_look_at)
                await asyncio.shield(commit)

    async def _commit(self) -> None:
        async with self._committing:
            commit = self._taken()
            await asyncio.to_thread(commit)

    def keep(self) -> None:
        """Commit the counts as they are at the end, when nothing runs any more."""
        self._taken()()

    def _taken(self) -> Callable[[], None]:
        """A commit of what has changed until now."""
        moved = self.ledger.take()
        now = self.meter.progress()
        units = tuple(table.units for table in now.tables)
        totals = Totals(now.seconds, units, now.write_units, now.target_read_units, now.retries, self.before.runs + 1)

        def commit() -> None:
            # The keys of every page that is done must outlast whatever its position does.
            length = self.seen.sync() if self.seen is not None else 0
            self.store.commit(moved.splits, moved.rejects, totals, msgspec.json.encode(now), moved.pairs, length)

        return commit

    async def _end_early(self, stop: Event, reading: Reading, stages: Stages | Crew) -> None:
        """Watch for LIMIT, which ends the reading, and for a stop, after which only what is being sent is finished."""
        while not stop.is_set():
            await asyncio.sleep(STOP_SECONDS)
            if self.course.limit_reached:
                reading.stop()
        self.course.stopping = True
        self.log.write("info", "stopping")
        reading.stop()
        # What waits is left for another run: its pages do not count as done.
        stages.stop()


def _index(read: ReadExec) -> str | None:
    """The index that is read."""
    return read.index.name if isinstance(read, QueryExec) and read.index is not None else None


def _look_at(task: asyncio.Task[None]) -> None:
    """Take note of how a task has ended, which asyncio asks of somebody."""
    if not task.cancelled():
        task.exception()
