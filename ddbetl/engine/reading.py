"""Readers: the splits of a job to pages.

In: splits, each at its position. Out: pages in a queue. Invariants: a page is known to its split before it is on its
way; no more pages wait than the queue and the readers can hold.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, TypeAlias

import msgspec

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.connection import Response
from ddbetl.connectors.dynamodb.requests import ScanAnswer, read_scan, scan_body
from ddbetl.engine.report import Met
from ddbetl.engine.sending import Course, Sender
from ddbetl.engine.splits import Ledger, Page, Split
from ddbetl.errors import JobFailed
from ddbetl.plan.budget import EVENTUAL_BYTES, STRONG_BYTES
from ddbetl.plan.catalog import Connection
from ddbetl.plan.physical import QueryExec, ScanExec

# Segments read at once, over all tables, where the tables have that many.
READERS = 32
# Bytes of pages that wait for the transform.
PAGES_WAITING = 16 * 2**20
# The most units that one page costs: 1 MB, eventually consistent.
PAGE_UNITS = 128
# A page is no larger than what can be written in so many seconds; in items, at least, and where it matters at most.
PAGE_SECONDS = 5.0
SMALLEST_PAGE = 100
LARGEST_PAGE = 5_000
# Bytes of rejects that may wait for the pages before theirs, and seconds between looks whether they still do.
REJECTS_WAITING = 32 * 2**20
REJECTS_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Fetched:
    """A page: ``scanned`` items, of which ``count`` were sent; ``after`` is empty for a split's last page."""

    items: msgspec.Raw
    count: int
    scanned: int
    after: bytes


class Source(Protocol):
    """Where pages come from. ``wait`` until the next page of a split may be asked for, then ``fetch`` it, or
    ``give_back`` the units that were waited for. ``met``: target keys that belong to rows which do not come again."""

    async def wait(self, split: Split) -> None: ...

    def give_back(self, split: Split) -> None: ...

    async def fetch(self, split: Split) -> Fetched: ...

    def met(self, target: str) -> Iterator[Met]: ...


Ask: TypeAlias = Callable[[Split, bytes, float], Awaitable[tuple[ScanAnswer, int]]]


@dataclass(slots=True)
class Tables:
    """The tables of a plan, by Scan or Query. ``senders``: by connection. ``write``: the target's budget. ``ask``: who
    sends a request for a page, which costs so many units, and gets its answer and its size in bytes."""

    senders: Mapping[Connection, Sender]
    consistent: bool
    write: Budget
    ask: Ask | None = None
    # What a split's next page will probably cost, in units: as much as its last one.
    _estimates: dict[Split, float] = field(default_factory=dict)

    async def wait(self, split: Split) -> None:
        estimate = self._estimates.setdefault(split, self._first_page(split))
        await split.table.budget.acquire(estimate)

    def give_back(self, split: Split) -> None:
        split.table.budget.settle(self._estimates[split], 0.0)

    def met(self, target: str) -> Iterator[Met]:
        return iter(())

    async def fetch(self, split: Split) -> Fetched:
        scan, budget = split.table.scan, split.table.budget
        match scan:
            case ScanExec(request=request):
                body = scan_body(request, split.segment, split.table.segments, split.next, self._limit)
            case QueryExec(requests=requests):
                body = scan_body(requests[split.segment], 0, 1, split.next, self._limit)
        estimate = self._estimates.pop(split)
        answer, size = await (self.ask or self._ask)(split, body, estimate)
        # A server that does not say what it consumed is taken at the page's size.
        used = size / self._unit_bytes
        if answer.consumed_capacity is not None:
            used = answer.consumed_capacity.units
        budget.settle(estimate, used)
        self._estimates[split] = used
        after = bytes(answer.last_evaluated_key)
        if not after:
            del self._estimates[split]
        return Fetched(answer.items, answer.count, answer.scanned_count, after)

    async def _ask(self, split: Split, body: bytes, units: float) -> tuple[ScanAnswer, int]:
        scan, budget = split.table.scan, split.table.budget
        sender = self.senders[scan.table.connection]
        return await sender.request(scan.operation, body, scan.table.name, read_sized_scan, budget, units)

    @property
    def _limit(self) -> int | None:
        """Items of a page where writing is slow: a page is done as a whole, or written again by the next run."""
        rate = self.write.rate
        if rate is None or rate * PAGE_SECONDS >= LARGEST_PAGE:
            return None
        return max(SMALLEST_PAGE, int(rate * PAGE_SECONDS))

    @property
    def _unit_bytes(self) -> int:
        return STRONG_BYTES if self.consistent else EVENTUAL_BYTES

    def _first_page(self, split: Split) -> float:
        if isinstance(split.table.scan, QueryExec):
            # Few items of a table have one key; what they cost more is paid for afterwards.
            return 1.0
        most = PAGE_UNITS * (2 if self.consistent else 1)
        description = split.table.scan.table.description
        size = description.size if description is not None else 0
        return min(most, size / split.table.segments / self._unit_bytes + 1) if size else most


class Pages(Protocol):
    """Who takes the pages that were read; ``put`` waits while there is no room."""

    async def put(self, page: Page, weight: int, /) -> None: ...


class Places(Protocol):
    """How many pages may be read at once. Each place that is acquired is released when its page was taken."""

    def locked(self) -> bool: ...

    async def acquire(self) -> object: ...

    def release(self) -> None: ...


@dataclass(slots=True)
class Reading:
    """Reads all tables at once, each in some segments at once."""

    source: Source
    pages: Pages
    ledger: Ledger
    course: Course
    places: Places = field(default_factory=lambda: asyncio.Semaphore(READERS))
    # The readers that read, and the splits that they read or will.
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _theirs: set[Split] = field(default_factory=set)

    def start(self, stages: asyncio.TaskGroup, splits: Sequence[Split], shuffle: Random) -> list[asyncio.Task[None]]:
        """A task for each reader; neighbouring segments heat one partition, so they are shuffled."""
        waiting: dict[int, deque[Split]] = {}
        for split in shuffle.sample(splits, len(splits)):
            if not split.done:
                waiting.setdefault(split.number, deque()).append(split)
                self._theirs.add(split)
        at_once = max(1, READERS // max(1, len(waiting)))
        return [self._reader(stages, queue) for queue in waiting.values() for _ in range(min(at_once, len(queue)))]

    def again(self, stages: asyncio.TaskGroup, split: Split) -> None:
        """Read on in a split that was rewound, if nobody does."""
        if split not in self._theirs and not self.course.ended:
            self._theirs.add(split)
            self._reader(stages, deque([split]))

    def _reader(self, stages: asyncio.TaskGroup, waiting: deque[Split]) -> asyncio.Task[None]:
        task = stages.create_task(self._read_all(waiting))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def finished(self) -> None:
        """Wait until every split is read, or the readers are stopped. Their failures are for their group."""
        while self.tasks:
            await asyncio.wait(self.tasks)

    def stop(self) -> None:
        """Read no more."""
        for task in self.tasks:
            task.cancel()

    async def _read_all(self, waiting: deque[Split]) -> None:
        while waiting and not self.course.ended:
            split = waiting.popleft()
            await self._read(split)
            self._theirs.discard(split)

    async def _read(self, split: Split) -> None:
        while not self.course.ended:
            await split.places.acquire()
            while self.ledger.reject_bytes > REJECTS_WAITING and not self.course.ended:
                await asyncio.sleep(REJECTS_SECONDS)
            await self.source.wait(split)
            # Only now a place among the readers: a table with a small budget holds up no other while it waits.
            late = self.places.locked()
            await self.places.acquire()
            try:
                if self.course.ended:
                    return
                if late:
                    # What was paid for then is not to go now, just before the next one.
                    self.source.give_back(split)
                    await self.source.wait(split)
                if await self._next(split):
                    return
            finally:
                self.places.release()

    async def _next(self, split: Split) -> bool:
        """Read the next page of a split; whether that was the last one."""
        start, rewound = split.next, split.rewound
        found = await self.source.fetch(split)
        if found.after and found.after == start:
            scan = split.table.scan
            raise JobFailed(
                f"{scan.operation} of {scan.table.name}: the server does not get on: a page ends where it began"
            )
        if split.rewound != rewound:
            # It is read again, behind the pages before it.
            split.places.release()
            return False
        page = split.page(found.items, found.count, found.scanned, found.after)
        if found.count:
            await self.pages.put(page, len(found.items))
        else:
            page.close(1)
        return not found.after


def read_sized_scan(response: Response) -> tuple[ScanAnswer, int]:
    """A page, and its size in bytes."""
    return read_scan(response.body, response.checked), len(response.body)
