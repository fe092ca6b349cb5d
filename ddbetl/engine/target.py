"""The table that rows are written to: requests to it, and what becomes of the rows.

In: batches of statements, single rows. Out: the rows for which a condition did not hold; all others are written, or
rejects. Invariants: a row counts as written when the server has said so, and never before; what the server cannot do
just now goes again until it is done, or the run is stopped, which leaves the row open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.connection import Response
from ddbetl.connectors.dynamodb.failures import Kind, ServiceError, WireError
from ddbetl.connectors.dynamodb.requests import BatchGetAnswer, batch_get_body, read_batch_get
from ddbetl.connectors.dynamodb.statements import (
    CONDITION,
    CONDITION_EXCEPTION,
    DUPLICATE,
    REFUSED,
    StatementError,
    StatementsAnswer,
    item_there,
    read_statements,
    read_write,
)
from ddbetl.engine.batches import Batch, Batching, Key
from ddbetl.engine.rejects import Rejects
from ddbetl.engine.rows import RowFailure, check_attributes, decode_item
from ddbetl.engine.sending import Course, Sender
from ddbetl.engine.splits import Page
from ddbetl.errors import RowError
from ddbetl.expressions.writing import Entry
from ddbetl.plan.budget import STRONG_BYTES

T = TypeVar("T")
Item = Mapping[str, dict[str, Any]]

# Batches of which the server refused every row, before it took anything: then it is not the items' fault.
REFUSED_BATCHES = 4
# Codes of requests that an item in them is to blame for.
ITEM_ERRORS = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException", "SerializationException"})
# How much of what was seen a batch makes up: the last hundred batches or so tell what the next one will meet.
MEMORY = 1 / 32


@dataclass(slots=True)
class Share:
    """The share of rows, of late, that were as was asked: there already, or missing."""

    value: float = 0.0

    def add(self, some: int, rows: int) -> None:
        self.value += (some / rows - self.value) * MEMORY


@dataclass(frozen=True, slots=True)
class Sent:
    """A row on its way: its place in the page, its entry of a request, and the units it will probably use."""

    position: int
    entry: bytes
    units: float


@dataclass(slots=True)
class Target:
    """``budget``: of writes, ``reads``: of reading what is there. ``accepted``: whether the server has ever taken
    anything of this job."""

    sender: Sender
    batching: Batching
    budget: Budget
    reads: Budget
    course: Course
    rejects: Rejects
    accepted: bool = False
    table: str = field(init=False)
    _refused: int = 0

    def __post_init__(self) -> None:
        self.table = self.batching.table

    @property
    def key(self) -> tuple[str, ...]:
        """The names of the key's attributes."""
        return self.batching.form.keys

    # What becomes of rows

    def took(self, page: Page, rows: int) -> None:
        """Count rows that the server has written."""
        self.accepted = True
        page.wrote(rows)

    def reject(self, page: Page, position: int, failure: RowFailure) -> None:
        """Make a row that was handed over a reject, by its place in the page."""
        item = decode_item(page.row(position))
        page.refused()
        self.rejects.add(page, [(item, failure)])
        page.close(1)

    def refuse(self, page: Page, position: int, message: str) -> None:
        """Make a row a reject because the server does not take its item."""
        self.reject(page, position, RowFailure("R0206", f"the server refuses the item: {message}", None))

    def has_refused(self, error: WireError) -> None:
        """Take note of a batch of which the server refuses every row; raises the error where it refuses all there
        are."""
        self._refused = 0 if self.accepted else self._refused + 1
        if self._refused >= REFUSED_BATCHES:
            # Not the items are at fault but the request: rejecting the whole table would help nobody.
            raise error

    # Requests

    async def write(self, operation: str, body: bytes | memoryview, read: Callable[[Response], T], units: float) -> T:
        """Send a request that writes; whoever asks settles ``units`` when there is an answer."""
        await self.budget.acquire(units)
        try:
            return await self.sender.request(operation, body, self.table, read, self.budget, units)
        except WireError as error:
            # A condition that does not hold costs as much as the write.
            failed = isinstance(error, ServiceError) and error.code == CONDITION_EXCEPTION
            self.budget.settle(units, units if failed else 0.0)
            raise

    async def execute(self, page: Page, batch: Batch, entry: Entry) -> list[Sent]:
        """Execute a batch's statements, all of one kind; the rows of which something is there (INSERT) or nothing
        (UPDATE)."""
        stopped: list[Sent] = []
        whole = len(batch.positions)
        refused = fruitless = 0
        while True:
            count = len(batch.positions)

            def read(response: Response, count: int = count) -> StatementsAnswer:
                return read_statements(response.body, count)

            try:
                answer = await self.write("BatchExecuteStatement", batch.content, read, batch.units)
            except ServiceError as error:
                error.operation = f"{error.operation} {entry.value}"
                if error.code not in ITEM_ERRORS:
                    raise
                return stopped + await self._execute_singly(page, batch, entry, error)
            except WireError as error:
                error.operation = f"{error.operation} {entry.value}"
                raise
            if not answer.failures:
                self.budget.settle(batch.units, batch.units if answer.units is None else answer.units)
                self.took(page, count)
                return stopped
            rows = self.rows(batch)
            again = [rows[place] for place, failure in answer.failures if failure.transient]
            estimate = batch.units * (count - len(again)) / count
            self.budget.settle(batch.units, estimate if answer.units is None else answer.units)
            some, others = self._sort_out(page, rows, answer.failures, entry)
            stopped += some
            refused += len(others)
            if others and refused == whole > 1:
                self.has_refused(self._error(others[0], entry))
            if not again or self.course.stopping:
                return stopped
            fruitless = fruitless + 1 if len(again) == count else 0
            await self._later(answer.failures, entry, fruitless)
            if self.course.stopping:
                return stopped
            batch = self.batch(again)

    def _sort_out(
        self, page: Page, rows: Sequence[Sent], failures: Sequence[tuple[int, StatementError]], entry: Entry
    ) -> tuple[list[Sent], list[StatementError]]:
        """Do with the statements of an answer what they are due, but for those that go again; the rows of which
        something is there, or nothing, and why others are refused."""
        final = [(rows[place], failure) for place, failure in failures if not failure.transient]
        stopped = [row for row, failure in final if failure.code in (DUPLICATE, CONDITION)]
        self.accepted = self.accepted or bool(stopped)
        if len(failures) < len(rows):
            self.took(page, len(rows) - len(failures))
        others = [(row, failure) for row, failure in final if failure.code not in (DUPLICATE, CONDITION)]
        for _, failure in others:
            if failure.code not in REFUSED:
                raise self._error(failure, entry)
        for row, failure in others:
            self.refuse(page, row.position, failure.message)
        return stopped, [failure for _, failure in others]

    async def _later(self, failures: Sequence[tuple[int, StatementError]], entry: Entry, fruitless: int) -> None:
        """Wait before what the server could not do just now is asked for again."""
        again = [self._error(failure, entry) for _, failure in failures if failure.transient]
        error = next((error for error in again if error.kind is Kind.THROTTLING), again[0])
        self.sender.repeats(error, error.operation, self.table, self.budget)
        await self.sender.pause(fruitless)

    def _error(self, failure: StatementError, entry: Entry) -> ServiceError:
        error = failure.as_service_error()
        error.operation, error.table = f"BatchExecuteStatement {entry.value}", self.table
        return error

    async def _execute_singly(self, page: Page, batch: Batch, entry: Entry, error: ServiceError) -> list[Sent]:
        """Find the rows for which the server refuses the whole request, by sending each alone."""
        rows = self.rows(batch)
        if len(rows) == 1:
            self.refuse(page, rows[0].position, error.message)
            return []
        stopped: list[Sent] = []
        for row in rows:
            stopped += await self.execute(page, self.batch([row]), entry)
            if self.course.stopping:
                return stopped
        self.has_refused(error)
        return stopped

    async def write_one(self, page: Page, operation: str, body: bytes, row: Sent) -> ServiceError | None:
        """Send a request that writes a single row; the error by which its condition did not hold."""
        try:
            used = await self.write(operation, body, lambda response: read_write(response.body), row.units)
        except ServiceError as error:
            if error.code == CONDITION_EXCEPTION:
                self.accepted = True
                return error
            if error.code not in ITEM_ERRORS:
                raise
            self.refuse(page, row.position, error.message)
            return None
        self.budget.settle(row.units, row.units if used is None else used)
        self.took(page, 1)
        return None

    # What is there

    async def existing(self, items: Sequence[Item]) -> dict[Key, Item]:
        """The items that have the keys of some items, by key. Stops early when the run is stopped."""
        wanted = {self.batching.key_of(item): item for item in items}
        keys = [{name: item[name] for name in self.key} for item in wanted.values()]
        fixed = json.dumps({"TableName": self.table, "ConsistentRead": True})
        found: dict[Key, Item] = {}

        def read(response: Response) -> tuple[BatchGetAnswer, dict[Key, Item]]:
            answer = read_batch_get(response.body)
            some: dict[Key, Item] = {}
            for raw in answer.responses.get(self.table, ()):
                item = decode_item(raw)
                try:
                    check_attributes(item)
                    some[self.batching.key_of(item)] = item
                except (RowError, LookupError) as error:
                    raise ValueError("Responses holds what is no item of the table") from error
            if not some.keys() <= wanted.keys():
                raise ValueError("Responses holds an item that was not asked for")
            return answer, some

        estimate = float(sum(map(_read_units, items)))
        refused = 0
        while True:
            await self.reads.acquire(estimate)
            body = batch_get_body(fixed, keys)
            try:
                answer, some = await self.sender.request("BatchGetItem", body, self.table, read, self.reads, estimate)
            except WireError:
                self.reads.settle(estimate, 0.0)
                raise
            found |= some
            unread = answer.unprocessed_keys.get(self.table)
            left = unread.keys if unread is not None else []
            read_now = estimate * (len(keys) - len(left)) / len(keys)
            self.reads.settle(estimate, answer.units if answer.units is not None else read_now)
            if not left or self.course.stopping:
                return found
            refused = refused + 1 if not some else 0
            if refused:
                # An answer also ends at 16 MB; one without any item says that the table takes no more just now.
                self.sender.meter.retries += 1
                self.sender.throttled(self.table, self.reads, f"{self.table}: {len(left)} keys came back unread")
                await self.sender.pause(refused)
                if self.course.stopping:
                    return found
            estimate = max(1.0, estimate * len(left) / len(keys))
            keys = left

    async def item_in_the_way(self, error: ServiceError, item: Item) -> Item | None:
        """The item by which a condition did not hold; None where it is gone already."""
        there = item_there(error)
        if there is not None:
            with suppress(RowError):
                check_attributes(there)
                return there
        return next(iter((await self.existing([item])).values()), None)

    # Batches and their rows

    def rows(self, batch: Batch) -> list[Sent]:
        """The rows of a batch, one by one."""
        share = batch.units / len(batch.positions)
        entries = self.batching.entries(batch.content)
        return [Sent(place, bytes(entry), share) for place, entry in zip(batch.positions, entries, strict=True)]

    def batch(self, rows: Sequence[Sent]) -> Batch:
        """A batch of rows, of which no two have one key."""
        content = self.batching.body([row.entry for row in rows])
        return Batch(content, tuple(row.position for row in rows), sum(row.units for row in rows))


def _read_units(item: Item) -> int:
    """Units of a consistent read, as if the item there were as large as this one. Its JSON is never shorter."""
    return max(1, -(-len(msgspec.json.encode(item)) // STRONG_BYTES))
