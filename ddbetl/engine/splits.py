"""Splits and their pages: what is done, in the order in which it may be remembered.

In: pages as they are read, and what becomes of their rows. Out: positions, counts and rejects for the job's store.
Invariant: a split's position is behind a page only when every row of that page, and of the pages before it, is
filtered, skipped, a reject, unchanged, or acknowledged by the target. All of it happens in the event loop's thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from itertools import dropwhile
from typing import Protocol

import msgspec

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.connectors.dynamodb.requests import page_items
from ddbetl.engine.counts import NONE, Counts, Tally
from ddbetl.engine.meter import TableMeter
from ddbetl.engine.store import SplitState

# Pages of one split that may be under way at once: what waits behind a slow one is bounded.
OPEN_PAGES = 64


class Keeper(Protocol):
    """Who is told what becomes of pages: the Ledger; in a worker process, what tells the job's."""

    clock: Callable[[], float]

    def reject(self, page: Page, line: bytes) -> None: ...

    def moved(self, split: Split, page: Page) -> None: ...


@dataclass(slots=True, eq=False)
class Page:
    """A page on its way: its raw items, and what became of them so far.

    ``after``: where the next page begins, empty for a split's last one. ``rejects``: lines of the file; ``pairs``: of
    rows that met another's key, in JSON. ``open``: rows of which it is not known yet what becomes of them, and one for
    the page itself until it is transformed.
    """

    split: Split
    items: msgspec.Raw
    count: int
    after: bytes
    tally: Tally = field(default_factory=Tally)
    rejects: list[bytes] = field(default_factory=list)
    pairs: list[bytes] = field(default_factory=list)
    open: int = 1
    _rows: list[msgspec.Raw] | None = None

    @property
    def table(self) -> TableMeter:
        return self.split.table

    def row(self, position: int) -> msgspec.Raw:
        """A raw item of an open page by its place; MalformedResponse where the page is none. Who asks for one will ask
        for more: they are told apart once."""
        if self._rows is None:
            try:
                self._rows = page_items(self.items, self.count)
            except MalformedResponse as error:
                error.operation, error.table = self.table.scan.operation, self.table.scan.table.name
                raise
        return self._rows[position]

    def add(self, **rows: int) -> None:
        """Count rows, for the page and at once for all to see."""
        self.tally.add(**rows)
        self.table.tally.add(**rows)

    def hand_over(self, rows: int) -> None:
        """Count rows that are on their way to the target."""
        # As ``add`` would, but this is done for every request.
        for tally in (self.tally, self.table.tally):
            tally.passed += rows
            tally.handed_over += rows
        self.open += rows

    def wrote(self, rows: int) -> None:
        """Count rows that the target has acknowledged."""
        self.tally.written += rows
        self.table.tally.written += rows
        self.close(rows)

    def unwritten(self, skipped: int = 0, unchanged: int = 0) -> None:
        """Count rows that were handed over, and that the target does not take, or has already."""
        self.add(passed=-skipped - unchanged, skipped=skipped, unchanged=unchanged)
        self.close(skipped + unchanged)

    def refused(self) -> None:
        """Take back a row that was handed over: it becomes a reject."""
        self.add(passed=-1)

    def becomes(self, tally: Tally) -> None:
        """Take over the counts of a page that another process works on."""
        self.table.tally.exchange(self.tally, tally)
        self.tally = tally

    def close(self, rows: int) -> None:
        """Say that nothing more will come of so many rows, or of the page itself."""
        self.open -= rows
        if not self.open:
            # The page itself may have to wait for its predecessors; its items need not.
            self.items, self._rows = NOTHING, None
            self.split.closed()


@dataclass(slots=True, eq=False)
class Split:
    """A part of a table that is read page after page: a segment, by its number.

    ``next``: where the next page begins that will be read. ``position``: where another run of the job would begin.
    ``counts``: of the pages before ``position``. ``rewound``: how often it was taken back.
    """

    ledger: Keeper
    table: TableMeter
    number: int
    segment: int
    position: bytes = b""
    done: bool = False
    counts: Counts = NONE
    next: bytes = b""
    rewound: int = 0
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(OPEN_PAGES))
    _open: deque[Page] = field(default_factory=deque)

    def page(self, items: msgspec.Raw, count: int, scanned: int, after: bytes) -> Page:
        """A page that has just been read; ``scanned`` items, of which the server has sent ``count``."""
        page = Page(self, items, count, after)
        page.add(read=scanned, filtered=scanned - count)
        self._open.append(page)
        self.next = after
        if not after:
            self.table.segments_read += 1
        return page

    def closed(self) -> None:
        """Move behind the pages of which all is done; one that is done before its predecessor waits for it."""
        while self._open and not self._open[0].open:
            page = self._open.popleft()
            self.position, self.done = page.after, not page.after
            self.counts += page.tally.counts()
            self.ledger.moved(self, page)
            self.places.release()
        if self.done:
            self.table.segments_done += 1
            if self.table.segments_done == self.table.segments:
                self.table.ended = self.ledger.clock()

    def rewind(self, lost: Set[Page]) -> list[Page]:
        """Forget the first open page that is ``lost`` and all behind it, which then are read again; those that were
        forgotten.

        All: a page that is read again may end elsewhere, and then the next one begins elsewhere.
        """
        gone = [*dropwhile(lambda page: page not in lost, self._open)]
        for page in gone:
            self._open.pop()
            page.becomes(Tally())
            self.places.release()
        if not self.next:
            self.table.segments_read -= 1
        self.next = self._open[-1].after if self._open else self.position
        self.rewound += 1
        return gone

    @property
    def half_done(self) -> bool:
        """Whether rows were handed over of a page that is not done."""
        return any(page.tally.passed for page in self._open)

    def state(self) -> SplitState:
        return SplitState(self.number, self.segment, self.position, self.done, self.counts)


NOTHING = msgspec.Raw(b"[]")


@dataclass(frozen=True, slots=True)
class Moved:
    """What has changed since the last commit: splits, and lines of the rejects and of the collisions."""

    splits: list[SplitState]
    rejects: list[bytes]
    pairs: list[bytes]


class Ledger:
    """The splits of a job, and what of them the store does not know yet. ``clock`` counts seconds.

    ``reject_bytes``: how much is rejected and not committed yet.
    """

    def __init__(self, tables: Sequence[TableMeter], states: Sequence[SplitState], clock: Callable[[], float]) -> None:
        self.clock = clock
        known = {(state.table, state.segment): state for state in states}
        self.splits: list[Split] = []
        self._moved: dict[Split, None] = {}
        self._rejects: list[bytes] = []
        self._pairs: list[bytes] = []
        self.reject_bytes = 0
        for number, table in enumerate(tables):
            for segment in range(table.segments):
                split = Split(self, table, number, segment)
                if (state := known.get((number, segment))) is not None:
                    split.position = split.next = state.position
                    split.done = state.done
                    split.counts = state.counts
                    table.segments_done += state.done
                    if table.segments_done == table.segments:
                        # When exactly, the run that did it knew.
                        table.ended = clock()
                    table.segments_read += state.done
                self.splits.append(split)
        self.settle()

    @property
    def done(self) -> bool:
        return all(split.done for split in self.splits)

    @property
    def half_done(self) -> bool:
        return any(split.half_done for split in self.splits)

    @property
    def changed(self) -> bool:
        return bool(self._moved)

    def reject(self, page: Page, line: bytes) -> None:
        """Keep a line of a reject until its page is done."""
        page.rejects.append(line)
        self.reject_bytes += len(line)

    def forget(self, page: Page) -> None:
        """Drop the rejects of a page that will be read again."""
        self.reject_bytes -= sum(map(len, page.rejects))

    def moved(self, split: Split, page: Page) -> None:
        """Remember that a split has a new position, with what is to be kept of the page before it."""
        self._moved[split] = None
        self._rejects += page.rejects
        self._pairs += page.pairs

    def take(self) -> Moved:
        """What has changed since the last call."""
        found = Moved([split.state() for split in self._moved], self._rejects, self._pairs)
        self.reject_bytes -= sum(map(len, found.rejects))
        self._moved, self._rejects, self._pairs = {}, [], []
        return found

    def settle(self) -> int:
        """Count for each table what is done for good, and no page that is half done; rows written of such pages."""
        half = sum(table.tally.written for table in {id(split.table): split.table for split in self.splits}.values())
        for split in self.splits:
            split.table.tally = Tally()
        for split in self.splits:
            split.table.tally.include(split.counts)
            half -= split.counts.written
        return half
