"""Writers: batches to the target.

In: batches, each of a page. Out: pages whose rows the target has acknowledged, or does not take. Invariants: what the
server leaves unprocessed goes again until it is written; a row counts as written when the server has said so, and never
before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.connection import Response
from ddbetl.connectors.dynamodb.failures import ServiceError
from ddbetl.connectors.dynamodb.requests import BatchWriteAnswer, read_batch_write
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.conflicts import Inserting
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.merging import Merging
from ddbetl.engine.rejects import Rejects
from ddbetl.engine.sending import Course, Sender
from ddbetl.engine.splits import Page
from ddbetl.engine.target import ITEM_ERRORS, Target
from ddbetl.engine.width import FIRST, Width, most
from ddbetl.expressions.writing import ENTRIES, Action, Entry
from ddbetl.plan.physical import WriteExec

# Write requests in flight, to begin with.
WRITERS = FIRST

Batches: TypeAlias = BoundedQueue[tuple[Page, Batch]]


@dataclass(slots=True)
class Writing:
    """Writes to one table; ``budget``: of the writes, ``reads``: of looking at what is there. ``written``: whether the
    server has taken rows of this job before."""

    sender: Sender
    batching: Batching
    write: WriteExec
    budget: Budget
    reads: Budget
    batches: Batches
    course: Course
    rejects: Rejects
    written: bool = False
    _writer: Putting | Inserting | Merging = field(init=False)
    _width: Width = field(init=False)
    _stages: asyncio.TaskGroup = field(init=False)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)
    # How many writers go on when they have written what they have.
    _writers: int = 0

    def __post_init__(self) -> None:
        self._width = Width(self.sender.clock, WRITERS, most())
        target = Target(
            self.sender, self.batching, self.budget, self.reads, self.course, self.rejects, accepted=self.written
        )
        match ENTRIES[self.write.action]:
            case Entry.INSERT:
                self._writer = Inserting(target, self.write.action, self.write.newest)
            case Entry.UPDATE:
                self._writer = Merging(target, makes=self.write.action is Action.MERGE)
            case _:
                self._writer = Putting(target)

    def start(self, stages: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        """The writers; the list grows with them."""
        self._stages = stages
        self._add_writers()
        return self._tasks

    def _add_writers(self) -> None:
        self._tasks[:] = [task for task in self._tasks if not task.done()]
        while self._writers < self._width.now:
            self._writers += 1
            self._tasks.append(self._stages.create_task(self._write_all()))

    def stop(self, writers: Sequence[asyncio.Task[None]]) -> None:
        """End the writers, all but those that wait for an answer: these end with it."""
        for writer in writers:
            if writer not in self.sender.out:
                writer.cancel()

    async def _write_all(self) -> None:
        while (found := await self.batches.take()) is not None:
            (page, batch), weight = found
            began = self.sender.clock()
            one: Batch | None = batch
            try:
                while one is not None:
                    await self._writer.write(page, one)
                    if self.course.stopping:
                        return
                    one = one.then
            finally:
                self.batches.release(weight)
            if self._width.done(began, batch.units, self._busy):
                self._add_writers()
            if self._writers > self._width.now:
                self._writers -= 1
                return

    @property
    def _busy(self) -> bool:
        """Whether batches wait for a writer, and no writer for its turn."""
        return len(self.batches) > 0 and not self.budget.waiting and not self.reads.waiting


@dataclass(slots=True)
class Putting:
    """Writes and deletes by BatchWriteItem, whatever is there."""

    target: Target

    async def write(self, page: Page, batch: Batch) -> None:
        """Write a batch; what the server leaves unprocessed goes again, until it is written."""
        target, table = self.target, self.target.table
        content, rows, units = batch.content, len(batch.positions), batch.units
        refused = 0
        while True:

            def read(response: Response, sent: bytes | memoryview = content) -> BatchWriteAnswer:
                return target.batching.checked(sent, read_batch_write(response.body))

            try:
                answer = await target.write("BatchWriteItem", content, read, units)
            except ServiceError as error:
                if error.code not in ITEM_ERRORS:
                    raise
                return await self._write_singly(page, batch, content, error)
            left = answer.unprocessed_items.get(table, [])
            target.budget.settle(units, _used(answer, units * (rows - len(left)) / rows))
            if rows > len(left):
                target.took(page, rows - len(left))
            if not left:
                return
            target.sender.meter.retries += 1
            reason = f"{table} takes no more writes just now: {len(left)} of {rows} came back"
            target.sender.throttled(table, target.budget, reason)
            units = units * len(left) / rows
            refused = refused + 1 if len(left) == rows else 0
            content, rows = target.batching.body(left), len(left)
            if target.course.stopping:
                return
            await target.sender.pause(refused)

    async def _write_singly(self, page: Page, batch: Batch, content: bytes | memoryview, error: ServiceError) -> None:
        """Find the rows that the server refuses, by sending each alone; they become rejects."""
        if len(batch.positions) == 1:
            self.target.refuse(page, batch.positions[0], error.message)
            return
        for single in self.target.batching.singles(batch, content):
            await self.write(page, single)
            if self.target.course.stopping:
                return
        self.target.has_refused(error)


def _used(answer: BatchWriteAnswer, estimate: float) -> float:
    """What a write used, as the server says, if it does."""
    match answer.consumed_capacity:
        case None | []:
            return estimate
        case [of_one_table]:
            return of_one_table.units
        case several:
            return sum(one.units for one in several)
