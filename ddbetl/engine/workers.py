"""Worker processes: who of them reads and writes which page, and what the job hears of it.

In: splits whose next pages are to be read. Out: pages that are done, told to their ledger as in a job of one process.
Invariants: a page counts as done only when the worker that has it says so; what a worker had that has ended is read
again, and all of its splits behind it; all workers together stay within the budgets; none outlives the job's process.

Pages are given to workers, and not splits, so one segment that has most of the items keeps all of them at work. The
job's process keeps everything that is known of the job: positions, counts, rejects, the keys of the search for
collisions, the read budgets, the credentials::

    job ── Fetch ──> worker: request, transform, writers      Got comes as soon as the page is there: then the next
        <── Got ──                                            page of its split may be given to any worker
        <── Report ── counts on the way, rejects, pages that are done
        <── Claim, on a second pair of sockets ──>            the target keys of a page's rows
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from typing import cast

import msgspec

from ddbetl.connectors.dynamodb.connection import Response
from ddbetl.connectors.dynamodb.failures import ConnectionLost
from ddbetl.connectors.dynamodb.requests import Capacity, ScanAnswer
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.collisions import KeysSeen
from ddbetl.engine.counts import Tally
from ddbetl.engine.log import EventLog
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
    Place,
    Rate,
    Ready,
    Renew,
    Renewed,
    Report,
    Stop,
    packed,
    receive_from,
    send_to,
    unpacked,
    unpacked_claims,
)
from ddbetl.engine.meter import Meter
from ddbetl.engine.reading import Reading, Tables
from ddbetl.engine.rejects import Reasons, Rejects
from ddbetl.engine.sending import EVERY, Course, Sender
from ddbetl.engine.shares import SharedBudget
from ddbetl.engine.splits import NOTHING, Ledger, Page, Split
from ddbetl.engine.store import JobStore
from ddbetl.errors import JobFailed
from ddbetl.plan.catalog import Connection
from ddbetl.plan.physical import PhysicalPlan

# Pages that a worker may have at once, those included that it reads: what it holds is bounded, and so is what is done
# again when it is killed.
PAGES = 24
# Seconds between looks at the shares and the credentials.
LOOK_SECONDS = 0.1
# Seconds in which a worker ends that has nobody to work for any more; then it is killed.
ENDS_WITHIN = 5.0
# Seconds for what a worker that has ended has printed last: a process that it has started may still print.
SILENT_WITHIN = 0.5
# Workers that have ended unasked while no split got on: it is no accident then, or some page's items are at fault.
MOST_DEATHS = 5
# Characters that are kept of what a worker prints.
SAID = 4_000
# Seconds between looks at whether other workers are done with the pages of a split that was rewound.
OTHERS_SECONDS = 0.02

# Only the job's process heeds signals, and tells the workers: whoever stops a service signals all of its processes.
_START = """\
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
from ddbetl.engine.worker import main
main(*map(int, sys.argv[1:]))
"""
COMMAND = (sys.executable, "-P", "-c", _START)


@dataclass(frozen=True, slots=True)
class Workers:
    """How many worker processes a job has; each makes its plan by the ``recipe``, which can be pickled. ``command``:
    starts one."""

    number: int
    recipe: Callable[[], PhysicalPlan]
    command: Sequence[str] = COMMAND


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker, as the job's process sees it.

    ``reading``: requests for pages, by number. ``coming``: pages that are there, of which the reader has not heard yet,
    with the news of them. ``orphans``: pages that are read again by others; what it says of them counts no more.
    ``given``: how many pages it was given so far.
    """

    process: subprocess.Popen[bytes]
    claims: socket.socket
    channel: Channel | None = None
    thread: threading.Thread | None = None
    ready: bool = False
    ended: bool = False
    given: int = 0
    reading: dict[int, tuple[asyncio.Future[Got], Split]] = field(default_factory=dict)
    coming: dict[int, list[_News]] = field(default_factory=dict)
    pages: dict[int, Page] = field(default_factory=dict)
    orphans: dict[int, Split] = field(default_factory=dict)
    credentials: dict[Connection, Credentials] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    output: asyncio.ReadTransport | None = None
    said: str = ""
    silent: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def load(self) -> int:
        """Pages under way."""
        return len(self.reading) + len(self.coming) + len(self.pages) + len(self.orphans)

    def send(self, message: object) -> None:
        if self.channel is not None:
            self.channel.send(message)

    def hang_up(self) -> None:
        if self.channel is not None:
            self.channel.close()


@dataclass(frozen=True, slots=True)
class _News:
    """What a report says of one page."""

    tally: Tally | None
    rejects: Sequence[bytes]
    pairs: Sequence[bytes] | None


class Crew:
    """The workers of a run. It stands where a job of one process has its stages, the queue of pages before them and the
    places of its readers."""

    def __init__(
        self,
        workers: Workers,
        plan: PhysicalPlan,
        senders: Mapping[Connection, Sender],
        ledger: Ledger,
        meter: Meter,
        course: Course,
        rejects: Rejects,
        log: EventLog,
        store: JobStore,
        seen: KeysSeen | None,
    ) -> None:
        assert isinstance(meter.write, SharedBudget) and isinstance(meter.reads, SharedBudget)
        self._workers = workers
        self._plan = plan
        self._senders = senders
        self._ledger = ledger
        self._meter = meter
        self._budgets: dict[Direction, SharedBudget] = {"write": meter.write, "reads": meter.reads}
        self._course = course
        self._rejects = rejects
        self._log = log
        self._store = store
        self._seen = seen
        self.reading = Reading(
            Tables(senders, plan.logical.consistent_read, meter.write, self._ask), self, ledger, course, self
        )
        self._all: list[_Worker] = []
        self._numbers = count(1)
        # The last page of each split that has come and was not taken yet.
        self._got: dict[Split, tuple[_Worker, int]] = {}
        # Places that readers hold, and those who wait for one.
        self._held = 0
        self._waiting: list[asyncio.Future[None]] = []
        # Workers that have ended and are not buried yet.
        self._dead: list[_Worker] = []
        self._wake = asyncio.Event()
        self._closed = False
        self._deaths = 0
        self._failure: Exception | None = None

    # As the stages of a job of one process

    def start(self, group: asyncio.TaskGroup) -> None:
        self._group = group
        group.create_task(self._run())

    def close(self) -> None:
        """Say that no more pages will come: the workers end with what they have."""
        self._closed = True
        for worker in self._all:
            if worker.ready:
                worker.send(Stop())
            else:
                # It has no page, and nobody has to wait until it has started.
                worker.process.kill()
        self._wake.set()

    def stop(self) -> None:
        """Let the workers finish what they are sending, and leave the rest for another run."""
        self.close()

    async def settled(self) -> None:
        """Wait until it is known that no page must be read again."""
        while any(worker.load for worker in self._all):
            await self._change()

    # As the queue of pages

    async def put(self, page: Page, weight: int) -> None:
        """Take note of the page that a worker has, and of what it has said of it already."""
        worker, number = self._got.pop(page.split)
        worker.pages[number] = page
        for news in worker.coming.pop(number):
            self._hear(worker, number, news)
        if page.rejects:
            self._count_rejects((), 0)

    # As the places of the readers

    def locked(self) -> bool:
        """Whether the workers have all the pages that they may have."""
        under_way = sum(worker.load - len(worker.reading) for worker in self._all)
        return self._held + under_way >= PAGES * sum(map(self._usable, self._all))

    async def acquire(self) -> None:
        while self.locked():
            await self._change()
        self._held += 1

    def release(self) -> None:
        self._held -= 1
        self._changed()

    async def _change(self) -> None:
        """Wait until something has changed: a page is done, a worker is there."""
        change = asyncio.get_running_loop().create_future()
        self._waiting.append(change)
        await change

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for change in waiting:
            if not change.done():
                change.set_result(None)

    # Reading

    async def _ask(self, split: Split, body: bytes, units: float) -> tuple[ScanAnswer, int]:
        """Have a worker send the request for a split's next page; it is repeated as any other."""
        rewound = split.rewound
        while any(split in worker.orphans.values() for worker in self._all):
            # What was read later must not be written before.
            await asyncio.sleep(OTHERS_SECONDS)
        scan, budget = split.table.scan, split.table.budget
        wire = _Wire(self, split)
        # In the place of a client: it has all that a sender asks of one.
        sender = replace(self._senders[scan.table.connection], client=cast(WireClient, wire))
        got = await sender.request(scan.operation, body, scan.table.name, wire.answer, budget, units)
        if split.rewound != rewound and (latest := self._got.pop(split, None)) is not None:
            # The reader drops it, and reads it again.
            worker, number = latest
            del worker.coming[number]
            worker.orphans[number] = split
        capacity = Capacity(got.units) if got.units is not None else None
        return ScanAnswer(NOTHING, got.count, got.scanned, msgspec.Raw(got.after), capacity), got.size

    async def fetch(self, split: Split, body: bytes) -> Got:
        """Give a page to the worker that has the fewest, which reads it; one attempt."""
        while not (usable := [worker for worker in self._all if self._usable(worker)]):
            await self._change()
        # Of those with as few, one that has had fewer: where the server is the limit, all of them often have none.
        worker = min(usable, key=lambda one: (one.load, one.given))
        worker.given += 1
        number = next(self._numbers)
        future: asyncio.Future[Got] = asyncio.get_running_loop().create_future()
        worker.reading[number] = (future, split)
        self._renew(worker)
        worker.send(Fetch(number, split.number, split.segment, body))
        return await future

    def _usable(self, worker: _Worker) -> bool:
        """Whether a worker can be given pages: it has said so, and has been told its shares."""
        return worker.ready and all(budget.shares.told(worker) > 0 for budget in self._budgets.values())

    # What workers say

    def _received(self, worker: _Worker, message: object) -> None:
        try:
            self._take(worker, message)
        except Exception as error:
            self._fail(error)

    def _take(self, worker: _Worker, message: object) -> None:
        match message:
            case Report():
                self._reported(worker, message)
            case Got(number=number):
                future, split = worker.reading.pop(number)
                if future.done():
                    # Nobody waits for it any more: the run is being ended.
                    worker.orphans[number] = split
                    return
                if message.count:
                    worker.coming[number] = []
                    self._got[split] = (worker, number)
                future.set_result(message)
            case NotGot(number=number, failure=failure):
                future, _ = worker.reading.pop(number)
                if not future.done():
                    future.set_exception(self._exception(worker, failure))
            case Ready():
                worker.ready = True
                for budget in self._budgets.values():
                    budget.shares.add(worker)
                self._divide()
            case Agreed(direction=direction, units=units):
                self._budgets[direction].shares.agreed(worker, units)
                self._divide()
            case Renew(connection=connection):
                self._group.create_task(self._renew_for(worker, connection))
            case Failed(failure=failure):
                worker.ended = True
                worker.hang_up()
                self._fail(self._exception(worker, failure))
            case Ended():
                worker.ended = True
                worker.hang_up()
        self._changed()

    def _reported(self, worker: _Worker, report: Report) -> None:
        for direction, units in report.used.items():
            self._budgets[direction].charge(units)
        for direction, rate in report.rates.items():
            self._budgets[direction].shares.runs_at(worker, rate)
        self._meter.retries += report.retries
        for table in worker.waits.keys() - report.waits.keys():
            self._meter.waits.pop(table, None)
        for table, reason in report.waits.items():
            if worker.waits.get(table) != reason:
                self._meter.waits[table] = reason
        worker.waits = report.waits
        for level, event, fields in report.events:
            self._log.write(level, event, **fields)
        rejects: dict[int, list[bytes]] = {}
        for number, line in report.rejects:
            rejects.setdefault(number, []).append(line)
        for number in dict.fromkeys((*report.tallies, *rejects, *report.done)):
            news = _News(report.tallies.get(number), rejects.get(number, ()), report.done.get(number))
            self._hear(worker, number, news)
        for reasons, beside in report.reasons:
            self._count_rejects(reasons, beside)

    def _hear(self, worker: _Worker, number: int, news: _News) -> None:
        """Take over what is said of a page."""
        if number in worker.coming:
            worker.coming[number].append(news)
            return
        page = worker.pages.get(number)
        if page is None:
            if news.pairs is not None:
                worker.orphans.pop(number, None)
            return
        if news.tally is not None:
            page.becomes(news.tally)
        for line in news.rejects:
            self._ledger.reject(page, line)
        if news.pairs is not None:
            page.pairs += news.pairs
            del worker.pages[number]
            before = page.split.position, page.split.done
            page.close(1)
            if (page.split.position, page.split.done) != before:
                # A page that is done behind one that kills its workers is read again with it, and again.
                self._deaths = 0

    def _count_rejects(self, reasons: Reasons, beside: int) -> None:
        try:
            self._rejects.count(reasons, beside)
        except JobFailed as error:
            self._fail(error)

    def _exception(self, worker: _Worker, failure: Failure) -> Exception:
        """A worker's failure as the job's."""
        error = unpacked(failure)
        if error is not None:
            return error
        self._log.write("error", "worker_failed", pid=worker.pid, message=failure.arguments[0], trace=failure.trace)
        return JobFailed(f"a worker process has failed: {failure.arguments[0]}\nThe log of the job says where.")

    def _fail(self, error: Exception) -> None:
        """End the run by a failure: the first one counts."""
        self._failure = self._failure or error
        self._wake.set()

    # Their lives

    async def _run(self) -> None:
        try:
            for _ in range(self._workers.number):
                if not self._closed:
                    await self._hire()
            while self._all or not self._closed:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
                self._wake.clear()
                if self._failure is not None:
                    raise self._failure
                while self._dead:
                    await self._bury(self._dead.pop())
                self._divide()
                for worker in self._all:
                    self._renew(worker)
        finally:
            await self._dismiss()

    async def _hire(self) -> None:
        """Start a worker."""
        channel, theirs = socket.socketpair()
        claims, their_claims = socket.socketpair()
        try:
            process = subprocess.Popen(
                [*self._workers.command, str(theirs.fileno()), str(their_claims.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                # What this process can import, they can.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
                pass_fds=(theirs.fileno(), their_claims.fileno(), self._store.lock),
                start_new_session=True,
            )
        except OSError as error:
            channel.close()
            claims.close()
            raise JobFailed(f"a worker process cannot be started: {error}\n--workers 1 does without.") from error
        finally:
            theirs.close()
            their_claims.close()
        worker = _Worker(process, claims)
        self._all.append(worker)
        assert process.stdout is not None
        worker.output, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: _Output(worker, self._log), process.stdout
        )
        worker.channel = await Channel.open(
            channel, lambda message: self._received(worker, message), lambda: self._lost(worker)
        )
        worker.send(self._begin(worker))
        if self._closed:
            worker.process.kill()
        if self._seen is not None:
            worker.thread = threading.Thread(
                target=_answer_claims, args=(claims, self._seen), name="ddbetl-claims", daemon=True
            )
            worker.thread.start()
        self._log.write("info", "worker_started", pid=worker.pid)

    def _begin(self, worker: _Worker) -> Begin:
        places = {}
        for connection, sender in self._senders.items():
            worker.credentials[connection] = sender.access.credentials.current()
            places[connection] = Place(sender.access.endpoint, sender.access.settings, worker.credentials[connection])
        before = [table.tally for table in self._meter.tables]
        return Begin(
            pickle.dumps(self._workers.recipe),
            self._plan.fingerprint,
            places,
            tuple(table.segments for table in self._meter.tables),
            self._store.folder,
            self._seen is not None,
            any(tally.written or tally.unchanged for tally in before),
        )

    def _lost(self, worker: _Worker) -> None:
        """The channel to a worker is closed: it has ended, or soon will."""
        self._dead.append(worker)
        self._wake.set()

    async def _bury(self, worker: _Worker) -> None:
        """See to what a worker leaves: its pages are read again, by another one in its place."""
        await self._end_of(worker)
        self._all.remove(worker)
        for budget in self._budgets.values():
            budget.shares.remove(worker)
        for future, _ in worker.reading.values():
            if not future.done():
                future.set_exception(ConnectionLost(f"worker process {worker.pid} has ended", stale=False))
        worker.reading.clear()
        if not (worker.ended or self._closed):
            code = worker.process.returncode
            how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
            self._log.write(
                "warning", "worker_ended", pid=worker.pid, code=code, pages=worker.load, said=worker.said.strip()
            )
            self._deaths += 1
            if self._deaths > MOST_DEATHS:
                raise JobFailed(_too_many(how, worker.said, killed=code == -signal.SIGKILL))
            self._meter.waits[EVERY] = f"a worker process {how}: its pages are read again"
            self._read_again(worker)
            await self._hire()
        self._changed()

    def _read_again(self, dead: _Worker) -> None:
        """Take the splits back to the first of the pages that a worker had."""
        lost = set(dead.pages.values())
        coming = {split for split, (worker, _) in self._got.items() if worker is dead}
        for split in coming:
            # Its reader has the answer in hand, and will drop it.
            del self._got[split]
            split.rewound += 1
        while lost:
            split = next(iter(lost)).split
            gone = split.rewind(lost)
            lost -= {*gone}
            for page in gone:
                self._ledger.forget(page)
            for worker in self._all:
                for number in [number for number, page in worker.pages.items() if page in gone]:
                    del worker.pages[number]
                    worker.orphans[number] = split
            self.reading.again(self._group, split)

    def _divide(self) -> None:
        """Divide the budgets of the target among those who have work."""
        busy = {worker for worker in self._all if worker.load}
        for direction, budget in self._budgets.items():
            for worker, units in budget.shares.divide(budget.limit, busy).items():
                assert isinstance(worker, _Worker)
                worker.send(Rate(direction, units))
                self._changed()

    def _renew(self, worker: _Worker) -> None:
        """Give a worker credentials that have changed."""
        for connection, sender in self._senders.items():
            now = sender.access.credentials.current()
            if worker.credentials[connection] != now:
                worker.credentials[connection] = now
                worker.send(Renewed(connection, now))

    async def _renew_for(self, worker: _Worker, connection: Connection) -> None:
        sender = self._senders[connection]
        await sender.refresh()
        # Whether they are others now or not: the worker waits.
        worker.credentials[connection] = now = sender.access.credentials.current()
        worker.send(Renewed(connection, now))

    async def _dismiss(self) -> None:
        """End the workers that are still there, at once, as the tasks of this process end."""
        for worker in self._all:
            worker.process.kill()
            worker.hang_up()
        for worker in self._all:
            await self._end_of(worker)

    async def _end_of(self, worker: _Worker) -> None:
        """Wait until a worker and the thread for its claims have ended."""
        with suppress(OSError):
            worker.claims.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(_wait, worker)
        worker.claims.close()
        if worker.output is not None:
            with suppress(TimeoutError):
                # The last thing that it has said may be why.
                await asyncio.wait_for(worker.silent.wait(), SILENT_WITHIN)
            worker.output.close()


def _wait(worker: _Worker) -> None:
    try:
        worker.process.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        worker.process.kill()
        worker.process.wait()
    if worker.thread is not None:
        worker.thread.join()


def _answer_claims(end: socket.socket, seen: KeysSeen) -> None:
    """Answer what a worker asks of the target keys, until it has ended."""
    with suppress(OSError, EOFError):
        while True:
            asked = receive_from(end)
            answer: object
            try:
                answer = seen.claim(unpacked_claims(asked))
            except Exception as error:
                answer = packed(error)
            send_to(end, answer)


def _too_many(how: str, said: str, *, killed: bool) -> str:
    last = said.strip().rpartition("\n")[2]
    return (
        f"{MOST_DEATHS + 1} worker processes in a row have ended, and the job got no further; the last one {how}"
        + (f": {last}" if last else "")
        + "\n"
        + ("Without memory the system kills processes: fewer workers need less. " if killed else "")
        + "With --workers 1 there is one process alone, and what ends it is seen where it runs."
    )


class _Wire:
    """Stands for the client of a connection: sends a split's request by a worker."""

    def __init__(self, crew: Crew, split: Split) -> None:
        self._crew = crew
        self._split = split
        self._got: Got | None = None

    async def request(self, operation: str, body: bytes) -> Response:
        self._got = await self._crew.fetch(self._split, body)
        return Response(200, {}, b"")

    def answer(self, response: Response) -> Got:
        """The page that has come; its items are with the worker."""
        assert self._got is not None
        return self._got


class _Output(asyncio.Protocol):
    """What a worker, or a Python function in it, prints: for the log."""

    def __init__(self, worker: _Worker, log: EventLog) -> None:
        self._worker = worker
        self._log = log

    def data_received(self, data: bytes) -> None:
        text = data.decode(errors="replace")
        self._worker.said = (self._worker.said + text)[-SAID:]
        self._log.write("info", "worker_said", pid=self._worker.pid, text=text[-SAID:])

    def connection_lost(self, exc: Exception | None) -> None:
        self._worker.silent.set()
