"""A worker process of a job: pages that it is told to read, to rows in the target.

In: what the job's process says, over a pair of sockets: a plan, then page after page. Out: what becomes of them, told
to that process. Invariants: nothing is kept on the disk, and no position is known here; a row counts as in the job's
process itself, by the same stages; the worker ends at once when the job's process does.

``main`` is called in a process of its own; ``workers`` starts it.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event
from typing import Any, cast

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.failures import WireError
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.engine.collisions import Claims, Collision, KeysSeen
from ddbetl.engine.counts import TALLIED
from ddbetl.engine.log import EventLog, Level
from ddbetl.engine.loop import first_failure, run_async
from ddbetl.engine.messages import (
    Agreed,
    Begin,
    Channel,
    Direction,
    Ended,
    Failed,
    Failure,
    Fetch,
    Got,
    NotGot,
    Rate,
    Ready,
    Renew,
    Renewed,
    Report,
    Stop,
    packed,
    packed_claims,
    receive_from,
    send_to,
    unpacked,
)
from ddbetl.engine.meter import Meter, TableMeter
from ddbetl.engine.pages import PageWork
from ddbetl.engine.reading import read_sized_scan
from ddbetl.engine.rejects import Reasons, Rejects
from ddbetl.engine.sending import POLICY, Course, Sender
from ddbetl.engine.splits import Page, Split
from ddbetl.engine.stages import Stages
from ddbetl.errors import ConnectionFailed, JobFailed
from ddbetl.plan.catalog import Connection, TableDescription
from ddbetl.plan.cost import expected_work
from ddbetl.plan.physical import PhysicalPlan

# Seconds between two reports, and from a page that is done to the report of it.
REPORT_SECONDS = 0.2
SOON_SECONDS = 0.005
# Seconds in which the job's process should have renewed the credentials.
RENEW_SECONDS = 60.0
# Units per second of a worker that has not been told its share. It gets no page before.
UNTOLD = 0.001


def main(channel: int, claims: int) -> None:
    """Work until the job's process hangs up, which ends this one; the arguments are the numbers of two sockets."""
    ends = [socket.socket(fileno=number) for number in (channel, claims)]
    run_async(lambda: Worker(*ends).run())


class Worker:
    """``channel``, ``claims``: the sockets of which the job's process has the other ends. It is also the Keeper of its
    pages; each of them is a split of its own here."""

    def __init__(self, channel: socket.socket, claims: socket.socket) -> None:
        self._ends = channel, claims
        self.clock = time.monotonic
        self._early: list[object] = []
        self._work: _Work | None = None
        self._numbers: dict[Page, int] = {}
        # The counts of each page as they were reported last.
        self._told: dict[Page, tuple[int, ...]] = {}
        self._report = Report()
        self._soon: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        begun = asyncio.get_running_loop().create_future()

        def received(message: object) -> None:
            if isinstance(message, Begin):
                begun.set_result(message)
            elif self._work is None:
                self._early.append(message)
            else:
                self._received(self._work, message)

        self._channel = await Channel.open(self._ends[0], received, lambda: os._exit(1))
        try:
            await self._run(await begun)
        except Exception as error:
            self._tell_all()
            failure = first_failure(error) if isinstance(error, ExceptionGroup) else error
            self._channel.send(Failed(packed(failure)))
        else:
            self._tell_all()
            self._channel.send(Ended())
        # The job's process hangs up when it has read that. Not before: what it would write to a socket that is closed
        # would cost it what it has not read.
        await asyncio.get_running_loop().create_future()

    async def _run(self, begin: Begin) -> None:
        work = _work_of(self, begin, _plan(begin), self._ends[1])
        try:
            async with asyncio.TaskGroup() as beside:
                telling = beside.create_task(self._tell())
                async with asyncio.TaskGroup() as group:
                    work.stages.start(group)
                    work.group, self._work = group, work
                    self._channel.send(Ready())
                    for message in self._early:
                        self._received(work, message)
                telling.cancel()
        finally:
            for sender in work.senders.values():
                await sender.client.aclose()

    def _received(self, work: _Work, message: object) -> None:
        match message:
            case Fetch() if not work.course.stopping:
                fetch = self._fetch(work, message)
                try:
                    task = work.group.create_task(fetch)
                except RuntimeError:
                    # Something has failed, and the job's process does not know yet: it will hear of that, and not of
                    # the page.
                    fetch.close()
                    return
                work.fetching.add(task)
                task.add_done_callback(work.fetching.discard)
            case Rate(direction=direction, units=units):
                work.budgets[direction].set_limit(units)
                self._channel.send(Agreed(direction, units))
            case Renewed(connection=connection, credentials=credentials):
                work.credentials[connection].renewed(credentials)
            case Stop():
                work.course.stopping = True
                for task in work.fetching:
                    task.cancel()
                work.stages.stop()
                work.stages.close()

    async def _fetch(self, work: _Work, asked: Fetch) -> None:
        table = work.meter.tables[asked.table]
        scan = table.scan
        try:
            # Once: the job's process knows when it may be asked for again.
            sender = work.senders[scan.table.connection]
            answer, size = await sender.once(scan.operation, asked.body, read_sized_scan)
        except WireError as error:
            self._channel.send(NotGot(asked.number, packed(error)))
            return
        after, used = bytes(answer.last_evaluated_key), answer.consumed_capacity
        self._channel.send(
            Got(
                asked.number, answer.count, answer.scanned_count, after, size,
                used.units if used is not None else None,
            )
        )  # fmt: skip
        if answer.count:
            split = Split(self, table, asked.table, asked.segment)
            page = split.page(answer.items, answer.count, answer.scanned_count, after)
            self._numbers[page] = asked.number
            await work.stages.pages.put(page, len(page.items))

    # What becomes of pages

    def reject(self, page: Page, line: bytes) -> None:
        number = self._numbers[page]
        self._report.rejects.append((number, line))
        # It is counted already.
        self._report.tallies[number] = page.tally

    def moved(self, split: Split, page: Page) -> None:
        number = self._numbers.pop(page)
        self._told.pop(page, None)
        self._report.tallies[number] = page.tally
        self._report.done[number] = page.pairs
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(SOON_SECONDS, self._flush)

    def rejected(self, reasons: Reasons, beside: int) -> None:
        """Tell of rejects at once: the job's process knows when it is enough."""
        self._report.reasons.append((reasons, beside))
        self._flush()

    def log(self, level: Level, event: str, fields: dict[str, object]) -> None:
        self._report.events.append((level, event, fields))

    def send(self, message: object) -> None:
        self._channel.send(message)

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            self._tell_all()

    def _tell_all(self) -> None:
        """Report also how far the pages are that are not done."""
        for page, number in self._numbers.items():
            counts = tuple(getattr(page.tally, name) for name in TALLIED)
            if self._told.get(page) != counts:
                self._told[page] = counts
                self._report.tallies[number] = page.tally
        self._flush()

    def _flush(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        work, report = self._work, self._report
        if work is None:
            return
        for direction, budget in work.budgets.items():
            report.used[direction] = budget.used - work.used[direction]
            work.used[direction] = budget.used
            report.rates[direction] = budget.rate
        report.retries, work.meter.retries = work.meter.retries, 0
        report.waits = work.meter.waits
        self._report = Report()
        self._channel.send(report)


@dataclass(slots=True)
class _Work:
    """What a worker works with."""

    stages: Stages
    meter: Meter
    course: Course
    senders: Mapping[Connection, Sender]
    credentials: Mapping[Connection, Given]
    budgets: Mapping[Direction, Budget]
    used: dict[Direction, float]
    group: asyncio.TaskGroup
    fetching: set[asyncio.Task[None]]


def _plan(begin: Begin) -> PhysicalPlan:
    plan: PhysicalPlan = pickle.loads(begin.recipe)()
    if plan.fingerprint != begin.fingerprint:
        raise JobFailed(
            "a worker process makes another plan of the spec than the job has: something that the spec is made of, a "
            "file of USING say, has changed since the job began\nChange it back and resume, or begin anew with "
            "ddbetl run SPEC --fresh.",
            advised=True,
        )
    return plan


def _work_of(worker: Worker, begin: Begin, plan: PhysicalPlan, claims: socket.socket) -> _Work:
    assert plan.write is not None
    budgets: dict[Direction, Budget] = {name: Budget(UNTOLD, clock=worker.clock) for name in ("write", "reads")}
    started = worker.clock()
    tables = [
        TableMeter(scan, Budget(None, clock=worker.clock), segments, started)
        for scan, segments in zip(plan.scans, begin.segments, strict=True)
    ]
    meter = Meter(tables, budgets["write"], budgets["reads"], worker.clock, started, expected_work(plan))
    course, log = Course(), Relayed(worker)
    loop = asyncio.get_running_loop()
    given = {
        connection: Given(connection, place.credentials, worker, loop) for connection, place in begin.places.items()
    }
    senders = {}
    for connection, place in begin.places.items():
        access = Access(place.endpoint, place.settings, given[connection], _nothing)
        senders[connection] = Sender(
            access, access.client(), meter, course, log, POLICY, asyncio.sleep, worker.clock
        )  # fmt: skip
    rejects = Rejects(plan.logical, meter, begin.folder, worker.rejected)
    # Whoever claims keys only wants the answers.
    seen = cast(KeysSeen, AskedKeys(claims)) if begin.search else None
    stages = Stages(
        senders[plan.write.table.connection], plan.write, budgets["write"], budgets["reads"], course, rejects,
        PageWork(plan.transform, plan.write, seen, [scan.table.name for scan in plan.scans]), plan.now.millis,
        written=begin.written,
    )  # fmt: skip
    return _Work(
        stages, meter, course, senders, given, budgets, dict.fromkeys(budgets, 0.0), asyncio.TaskGroup(), set()
    )


def _nothing(table: str) -> TableDescription | None:
    """Tables are looked at by the job's process."""
    return None


class Relayed(EventLog):
    """A log of which the lines are written by the job's process."""

    def __init__(self, worker: Worker) -> None:
        super().__init__([], "")
        self._worker = worker

    def write(self, level: Level, event: str, **fields: object) -> None:
        self._worker.log(level, event, fields)


class Given:
    """Credentials of which the job's process has the source."""

    def __init__(
        self, connection: Connection, credentials: Credentials, worker: Worker, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._connection = connection
        self._current = credentials
        self._worker = worker
        self._loop = loop
        self._renewed = Event()

    def current(self) -> Credentials:
        return self._current

    def renewed(self, credentials: Credentials) -> None:
        self._current = credentials
        self._renewed.set()

    def refresh(self) -> None:
        """Have them renewed; for another thread than the event loop's."""
        self._renewed.clear()
        self._loop.call_soon_threadsafe(self._worker.send, Renew(self._connection))
        if not self._renewed.wait(RENEW_SECONDS):
            raise ConnectionFailed("the job's process does not renew them")


class AskedKeys:
    """The target keys of the job, which its process knows; see KeysSeen."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def claim(self, claims: Claims) -> list[Collision]:
        try:
            send_to(self._end, packed_claims(claims))
            answer: Any = receive_from(self._end)
        except (OSError, EOFError) as error:
            raise JobFailed("the job's process has ended") from error
        if isinstance(answer, Failure):
            raise unpacked(answer) or JobFailed(
                f"the search for collisions has failed: {answer.arguments[0]}\n{answer.trace}"
            )
        found: list[Collision] = answer
        return found
