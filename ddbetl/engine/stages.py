"""What becomes of pages that were read, in one process: through the transform to the writers.

In: a queue of pages. Out: pages that are done, which their ledger hears of. Invariants: what waits between two stages
is bounded in bytes; after a stop only what is being sent is finished. A job that runs in one process has this once,
one with worker processes once in each of them.

::

    pages ──> transform, one or two threads ── batches ──> writers
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.engine.batches import Batching
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.reading import PAGES_WAITING
from ddbetl.engine.rejects import Rejects
from ddbetl.engine.report import pair_line
from ddbetl.engine.sending import Course, Sender
from ddbetl.engine.splits import Page
from ddbetl.engine.transforming import count_beside, transform
from ddbetl.engine.writing import Batches, Writing
from ddbetl.expressions.writing import ENTRIES, Form
from ddbetl.plan.physical import WriteExec

# Bytes that wait for the writers: request bodies, and the pages that they keep alive.
BODIES_WAITING = 16 * 2**20


@dataclass(slots=True)
class Stages:
    """``sender``: of the target's connection. ``budget``, ``reads``: of the target. ``written``: see Writing."""

    sender: Sender
    write: WriteExec
    budget: Budget
    reads: Budget
    course: Course
    rejects: Rejects
    work: PageWork
    now_millis: int
    written: bool
    pages: BoundedQueue[Page] = field(default_factory=lambda: BoundedQueue(PAGES_WAITING))
    _batches: Batches = field(default_factory=lambda: BoundedQueue(BODIES_WAITING))
    _writing: Writing = field(init=False)
    _writers: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        batching = Batching(Form(ENTRIES[self.write.action], self.write.table.name, self.write.key))
        self._writing = Writing(
            self.sender, batching, self.write, self.budget, self.reads, self._batches, self.course, self.rejects,
            written=self.written,
        )  # fmt: skip

    def start(self, group: asyncio.TaskGroup) -> None:
        self._writers = self._writing.start(group)
        group.create_task(self._transform())

    def close(self) -> None:
        """Say that no more pages will come: the stages end with the last one."""
        self.pages.close()

    def stop(self) -> None:
        """Leave for another run what is not being sent: its pages do not count as done."""
        self.pages.get_more(len(self.pages))
        self._batches.get_more(len(self._batches))
        self._writing.stop(self._writers)

    async def settled(self) -> None:
        """Wait until it is known that no page must be read again: here none must."""

    async def _transform(self) -> None:
        async def hand_over(page: Page, result: PageResult) -> None:
            # What LIMIT or a stop leaves over is not done.
            if not self.course.ended:
                await self._hand_over(page, result)

        await transform(self.pages, self.work, self.now_millis, self.course, hand_over)
        self._batches.close()

    async def _hand_over(self, page: Page, result: PageResult) -> None:
        """Give a page's rows to the writers, and record those that cannot be written."""
        count_beside(page, result)
        page.pairs += map(pair_line, result.collisions)
        if result.failures:
            self.rejects.add(page, result.failures, result.rows)
        # A batch keeps its page until it is written, for the rejects: few rows of a large page weigh much.
        share = len(page.items) // max(1, len(result.batches))
        for batch in result.batches:
            if self.course.stopping:
                return
            rows = batch.rows
            page.hand_over(rows)
            self.course.take(rows)
            await self._batches.put((page, batch), batch.size + share)
        page.close(1)
