"""A dry pass: a plan's rows, read and computed as a run would, and written nowhere.

In: a physical plan with a target, a way to reach its tables. Out: how many rows there are, what would be rejected and
why, which rows have the target key of another one; on the way the values of a column. Invariants: nothing is written to
any table; no table is read above its budget; memory does not grow with the rows; nothing is left on the disk.

Only the target's key is computed, and the column: a row that a run rejects for another reason counts as one here.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.advice import advice
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.failures import WireError
from ddbetl.engine.batches import Batch
from ddbetl.engine.collisions import KeysSeen, memory_for
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.log import EventLog
from ddbetl.engine.loop import first_failure
from ddbetl.engine.meter import Meter, TableMeter
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.reading import PAGES_WAITING, Reading, Source, Tables
from ddbetl.engine.rejects import Causes
from ddbetl.engine.report import MOST_PAIRS, CollisionPair, Progress, RejectCause
from ddbetl.engine.sending import POLICY, STOP_SECONDS, Course, Sender
from ddbetl.engine.splits import Ledger, Page
from ddbetl.engine.transforming import count_beside, transform
from ddbetl.errors import JobFailed
from ddbetl.expressions.ir import Attribute
from ddbetl.expressions.projection import OutputColumn, Projection
from ddbetl.expressions.writing import Action
from ddbetl.plan.catalog import Connection
from ddbetl.plan.cost import expected_items, expected_work
from ddbetl.plan.logical import LogicalPlan, Node, Project, TableScan, Write, parts
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.physical import PhysicalPlan, WriteExec
from ddbetl.plan.planner import plan as make_plan


@dataclass(frozen=True, slots=True)
class DryReport:
    """What a pass has found. ``causes``: why rows would be rejected. ``pairs``: the first hundred collisions.

    In ``progress``, rows that would be written count as written. ``stopped``: somebody has ended the pass; then this
    is about a part of the rows.
    """

    progress: Progress
    causes: tuple[RejectCause, ...]
    pairs: tuple[CollisionPair, ...]
    stopped: bool

    @property
    def rows(self) -> int:
        """Rows that can be written."""
        return self.progress.written

    @property
    def collisions(self) -> int:
        """Rows whose target key another source row had before."""
        return self.progress.collisions


def reduced(plan: PhysicalPlan, *columns: str) -> PhysicalPlan:
    """A plan of the same rows that makes of each no more than its target key and these columns."""
    assert plan.write is not None
    names = dict.fromkeys((*(key.name for key in plan.write.key), *columns))
    projection = parts(plan.logical).project.projection
    kept = []
    for name in names:
        match projection.origin(name):
            case OutputColumn() as column:
                kept.append(replace(column, replaces=False))
            case str() as attribute:
                kept.append(OutputColumn(name, Attribute(attribute)))
    made = make_plan(optimize(_with_projection(plan.logical, Projection(tuple(kept)))))
    found = {(scan.table.connection, scan.table.name): scan for scan in made.scans}
    # The rates are those of now; and a plan over rejected rows has not all of the tables.
    scans = tuple(
        replace(found[scan.table.connection, scan.table.name], table=scan.table, budget=scan.budget)
        for scan in plan.scans
    )
    return replace(made, scans=scans)


def _with_projection(logical: LogicalPlan, projection: Projection) -> LogicalPlan:
    def changed(node: Node) -> Node:
        match node:
            case TableScan():
                return node
            case Project(input=below):
                return Project(changed(below), projection)
            case Write(input=below, action=action):
                # Rows are put, if they are not deleted; one that comes too late is counted, and is no reject.
                action = action if action is Action.DELETE else Action.REPLACE
                return replace(node, input=changed(below), action=action, newest=None, collisions="allow")
            case _:
                return replace(node, input=changed(node.input))

    return replace(logical, root=changed(logical.root))


async def dry(
    plan: PhysicalPlan,
    access: Mapping[Connection, Access],
    stop: Event,
    *,
    each: Callable[[Batch], None] | None = None,
    source: Callable[[Mapping[Connection, Sender]], Source] | None = None,
    progress: Callable[[Progress], None] | None = None,
    interval: float = 0.25,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    shuffle: random.Random | None = None,
) -> DryReport:
    """Pass over the rows of a ``reduced`` plan until ``stop`` is set. ``each`` gets the requests that a run would send.

    ``source``: other rows than those of the plan's tables. ``progress`` is called every ``interval`` seconds and at the
    end. Raises JobFailed where it cannot go on.
    """
    assert plan.write is not None
    started = clock()
    tables = [
        TableMeter(
            scan,
            Budget(scan.budget.units, clock=clock, sleep=sleep),
            1 if source is not None else scan.segments,
            started,
        )
        for scan in plan.scans
    ]
    nothing = Budget(None, clock=clock, sleep=sleep)
    work = expected_work(plan)
    reading = replace(work, loads=tuple(load for load in work.loads if load.what == "read"))
    meter = Meter(tables, nothing, nothing, clock, started, reading)
    course = Course(plan.limit)
    log = EventLog([], "")
    senders = {
        connection: Sender(one, one.client(), meter, course, log, POLICY, sleep, clock)
        for connection, one in access.items()
    }

    def scans(senders: Mapping[Connection, Sender]) -> Source:
        return Tables(senders, plan.logical.consistent_read, nothing)

    one = _Pass(plan, plan.write, meter, Ledger(tables, [], clock), course, each)
    try:
        await one.run((source or scans)(senders), stop, shuffle or random.Random(), progress, interval)
    except ExceptionGroup as group:
        raise _failed(first_failure(group)) from group
    finally:
        for sender in senders.values():
            await sender.client.aclose()
    # What has been read of pages behind the LIMIT, or behind a stop, is no part of what was found.
    one.ledger.settle()
    now = meter.progress()
    if progress is not None:
        progress(now)
    return DryReport(now, one.causes.all(), tuple(one.pairs), course.stopping)


def _failed(failure: BaseException) -> BaseException:
    if isinstance(failure, WireError):
        said = advice(failure, failure.operation, failure.table)
        return JobFailed(f"{failure.operation} of {failure.table}: {failure}\n{said}")
    cause = failure.__cause__
    if isinstance(cause, OSError) and str(failure).startswith("the job's files"):
        return JobFailed(f"the pass cannot go on: {cause.strerror or cause}\nTMPDIR names another temporary folder.")
    return failure


@dataclass(slots=True)
class _Pass:
    plan: PhysicalPlan
    write: WriteExec
    meter: Meter
    ledger: Ledger
    course: Course
    each: Callable[[Batch], None] | None
    causes: Causes = field(default_factory=Causes)
    pairs: list[CollisionPair] = field(default_factory=list)

    async def run(
        self,
        source: Source,
        stop: Event,
        shuffle: random.Random,
        progress: Callable[[Progress], None] | None,
        interval: float,
    ) -> None:
        pages: BoundedQueue[Page] = BoundedQueue(PAGES_WAITING)
        reading = Reading(source, pages, self.ledger, self.course)
        with ExitStack() as kept:
            tables = [table.scan.table.name for table in self.meter.tables]
            work = PageWork(
                self.plan.transform, self.write, self._keys_seen(kept), tables, source.met(self.write.table.name)
            )
            async with asyncio.TaskGroup() as background:
                watch = [background.create_task(self._show(progress, interval))] if progress is not None else []
                async with asyncio.TaskGroup() as stages:
                    stages.create_task(transform(pages, work, self.plan.now.millis, self.course, self._count))
                    readers = reading.start(stages, self.ledger.splits, shuffle)
                    watch.append(background.create_task(self._end_early(stop, readers, pages)))
                    if readers:
                        await asyncio.wait(readers)
                    pages.close()
                for task in watch:
                    task.cancel()

    def _keys_seen(self, kept: ExitStack) -> KeysSeen | None:
        """The target keys of the pass, in files that are gone with it."""
        if self.write.collisions is None:
            return None
        folder = kept.enter_context(TemporaryDirectory(prefix="ddbetl-"))
        seen = KeysSeen.open(Path(folder), memory=memory_for(sum(map(expected_items, self.plan.scans))))
        kept.callback(seen.close)
        return seen

    async def _count(self, page: Page, result: PageResult) -> None:
        if self.course.ended:
            return
        self.pairs += result.collisions[: MOST_PAIRS - len(self.pairs)]
        for _, failure in result.failures:
            self.causes.count(failure.code, failure.message)
        count_beside(page, result)
        page.add(rejected=len(result.failures))
        for batch in result.batches:
            if self.each is not None:
                self.each(batch)
            page.hand_over(batch.rows)
            page.wrote(batch.rows)
        self.course.take(result.rows)
        page.close(1)

    async def _show(self, progress: Callable[[Progress], None], interval: float) -> None:
        while True:
            progress(self.meter.progress())
            await asyncio.sleep(interval)

    async def _end_early(self, stop: Event, readers: Sequence[asyncio.Task[None]], pages: BoundedQueue[Page]) -> None:
        """Watch for LIMIT and for a stop; after either nothing more is read."""
        while not stop.is_set() and not self.course.limit_reached:
            await asyncio.sleep(STOP_SECONDS)
        self.course.stopping = stop.is_set() and not self.course.limit_reached
        for reader in readers:
            reader.cancel()
        pages.get_more(len(pages))
