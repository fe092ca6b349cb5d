"""Writers: batches to the target.

In: batches, each of a page. Out: pages whose rows the target has acknowledged. Invariants: what the server leaves
unprocessed goes again until it is written; a row counts as written when the server has said so, and never before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.failures import ServiceError, WireError
from ddbetl.connectors.dynamodb.requests import BatchWriteAnswer, batch_write_body, items_of, read_batch_write
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.rejects import Rejects
from ddbetl.engine.rows import RowFailure, decode_item
from ddbetl.engine.sending import Course, Sender
from ddbetl.engine.splits import Page

# Write requests in flight.
WRITERS = 32
# Batches of which the server refused every row, before anything was written: then it is not the items' fault.
REFUSED_BATCHES = 4
# Codes of requests that an item in them is to blame for.
ITEM_ERRORS = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException", "SerializationException"})

Batches: TypeAlias = BoundedQueue[tuple[Page, Batch]]


@dataclass(slots=True)
class Writing:
    """Writes to one table, within one budget."""

    sender: Sender
    batching: Batching
    budget: Budget
    batches: Batches
    course: Course
    rejects: Rejects
    written: bool = False
    _refused: int = 0

    def start(self, stages: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        return [stages.create_task(self._write_all()) for _ in range(WRITERS)]

    def stop(self, writers: Sequence[asyncio.Task[None]]) -> None:
        """End the writers, all but those that wait for an answer: these end with it."""
        for writer in writers:
            if writer not in self.sender.out:
                writer.cancel()

    async def _write_all(self) -> None:
        while (found := await self.batches.get()) is not None:
            page, batch = found
            for one in batch.chain():
                await self._write(page, one)
                if self.course.stopping:
                    return

    async def _write(self, page: Page, batch: Batch) -> None:
        """Put a batch; what the server leaves unprocessed goes again, until it is written."""
        content, rows, units = batch.content, len(batch.positions), batch.units
        table = self.batching.table
        refused = 0
        while True:
            await self.budget.acquire(units)
            try:
                answer = await self._send(content, units)
            except WireError as error:
                self.budget.settle(units, 0.0)
                if isinstance(error, ServiceError) and error.code in ITEM_ERRORS:
                    return await self._write_singly(page, batch, content, error)
                raise
            left = answer.unprocessed_items.get(table, [])
            self.budget.settle(units, _used(answer, units * (rows - len(left)) / rows))
            if rows > len(left):
                self.written = True
                page.wrote(rows - len(left))
            if not left:
                return
            self.sender.meter.retries += 1
            reason = f"{table} takes no more writes just now: {len(left)} of {rows} came back"
            self.sender.throttled(table, self.budget, reason)
            units = units * len(left) / rows
            refused = refused + 1 if len(left) == rows else 0
            content, rows = batch_write_body(table, left), len(left)
            if self.course.stopping:
                return
            await self.sender.pause(refused)

    async def _send(self, content: bytes | memoryview, units: float) -> BatchWriteAnswer:
        table = self.batching.table

        def read(body: bytes) -> BatchWriteAnswer:
            return self.batching.checked(content, read_batch_write(body))

        return await self.sender.request("BatchWriteItem", content, table, read, self.budget, units)

    async def _write_singly(self, page: Page, batch: Batch, content: bytes | memoryview, error: ServiceError) -> None:
        """Find the rows that the server refuses, by sending each alone; they become rejects."""
        if len(batch.positions) > 1:
            await self._write_each(page, batch, content, error)
            return
        item = decode_item(items_of(page.items)[batch.positions[0]])
        page.refused()
        self.rejects.add(page, [(item, RowFailure("R0206", f"the server refuses the item: {error.message}", None))])
        page.close(1)

    async def _write_each(self, page: Page, batch: Batch, content: bytes | memoryview, error: ServiceError) -> None:
        refused_before = _refused(page)
        for single in self.batching.singles(batch, content):
            await self._write(page, single)
            if self.course.stopping:
                return
        refused = _refused(page) - refused_before
        self._refused = self._refused + 1 if refused >= len(batch.positions) and not self.written else 0
        if self._refused >= REFUSED_BATCHES:
            # Not the items are at fault but the request: rejecting the whole table would help nobody.
            raise error


def _refused(page: Page) -> int:
    return page.tally.rejected + page.tally.skipped


def _used(answer: BatchWriteAnswer, estimate: float) -> float:
    """What a write used, as the server says, if it does."""
    return sum(c.units for c in answer.consumed_capacity) if answer.consumed_capacity else estimate
