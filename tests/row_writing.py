"""The writers alone: rows into a table of a running server, without a source, a spec's columns or a job's store.

In: an action, rows, a server. Out: what became of the rows, in numbers. The requests are put together here once more, in
another way than ddbetl does it. ``meddle`` is told of every request before it is sent and after its answer, and may do
meanwhile what others do.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from fake_dynamodb import Fake
from planned import planned
from servers import Server

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.connection import Response
from ddbetl.connectors.dynamodb.control import Control
from ddbetl.connectors.dynamodb.retry import RetryPolicy
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.log import EventLog
from ddbetl.engine.meter import Meter, TableMeter
from ddbetl.engine.rejects import Rejects
from ddbetl.engine.rows import item_size
from ddbetl.engine.sending import Course, Sender
from ddbetl.engine.splits import Ledger, Page
from ddbetl.engine.writing import Batches, Writing
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.expressions.writing import ENTRIES, Action, Entry, Form
from ddbetl.plan.catalog import Connection
from ddbetl.plan.cost import expected_work
from ddbetl.plan.physical import PhysicalPlan, WriteExec
from ddbetl.types import Type

Item = dict[str, dict[str, Any]]
KEY = (KeyAttribute("id", Type.STRING), KeyAttribute("at", Type.NUMBER))
POLICY = RetryPolicy(base=0.0005, cap=0.002, max_elapsed=5)

# Told of a request: its operation, its number among those of the operation, and whether it has been answered.
Meddle: TypeAlias = Callable[[str, int, bool], Awaitable[None] | None]


@dataclass
class Written:
    """What became of rows. ``calls``: requests by operation; ``requests``: each with its body."""

    written: int
    skipped: int
    unchanged: int
    rejects: list[dict[str, Any]]
    open: int
    write_units: float
    read_units: float
    retries: int
    calls: Counter[str]
    requests: list[tuple[str, dict[str, Any]]]
    log: Path

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """Written, skipped, unchanged, rejected."""
        return self.written, self.skipped, self.unchanged, len(self.rejects)


@dataclass
class _Client:
    """A wire client whose requests others hear of."""

    client: WireClient
    meddle: Meddle
    calls: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def request(self, operation: str, body: bytes | memoryview) -> Response:
        number = self.calls[operation]
        self.calls[operation] += 1
        self.requests.append((operation, json.loads(bytes(body))))
        await self._tell(operation, number, False)
        try:
            return await self.client.request(operation, body)
        finally:
            await self._tell(operation, number, True)

    async def _tell(self, operation: str, number: int, answered: bool) -> None:
        told = self.meddle(operation, number, answered)
        if isinstance(told, Awaitable):
            await told


@cache
def _plan(on_error: str) -> PhysicalPlan:
    return planned(f"SELECT * FROM Source ON ERROR {on_error} WITH (max_rejects = 100%)", into="Target")


def batches_of(form: Form, rows: Sequence[Item], size: int = 25) -> list[Batch]:
    """Rows as batches of up to ``size``, with the estimate of their units."""
    out = []
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        units = float(sum(max(1, -(-item_size(row) // 1024)) for row in some))
        positions = tuple(range(start, start + len(some)))
        out.append(Batch(body_of(form, some), positions, units))
    return out


def body_of(form: Form, rows: Sequence[Item]) -> bytes:
    key = [attribute.name for attribute in form.key]
    entries: list[dict[str, Any]] = []
    for row in rows:
        match form.entry:
            case Entry.PUT:
                entries.append({"PutRequest": {"Item": row}})
            case Entry.DELETE:
                entries.append({"DeleteRequest": {"Key": {name: row[name] for name in key}}})
            case Entry.INSERT:
                values = ",".join("'" + name.replace("'", "''") + "':?" for name in row)
                text = f'INSERT INTO "{form.table}" VALUE {{{values}}}'
                entries.append({"Statement": text, "Parameters": list(row.values())})
            case Entry.UPDATE:
                others = [name for name in row if name not in key]
                assert others
                text = f'UPDATE "{form.table}" SET ' + ",".join(f'"{name}"=?' for name in others)
                text += " WHERE " + " AND ".join(f'"{name}"=?' for name in key)
                entries.append({"Statement": text, "Parameters": [row[name] for name in (*others, *key)]})
    body: dict[str, Any] = {"Statements": entries}
    if form.entry in (Entry.PUT, Entry.DELETE):
        body = {"RequestItems": {form.table: entries}}
    return json.dumps({**body, "ReturnConsumedCapacity": "INDEXES"}, separators=(",", ":"), ensure_ascii=False).encode()


def no_meddling(operation: str, number: int, answered: bool) -> None:
    return None


@dataclass
class Writer:
    """Rows into one table of a server. ``made``: turns rows into batches."""

    access: Access
    folder: Path
    table: str = "Target"
    key: tuple[KeyAttribute, ...] = KEY
    meddle: Meddle = no_meddling
    on_error: str = "REJECT"
    rate: float | None = None
    made: Callable[[Form, Sequence[Item]], Sequence[Batch]] = batches_of
    course: Course = field(default_factory=Course)

    async def write(self, action: Action, rows: Sequence[Item], newest: str | None = None) -> Written:
        plan = _plan(self.on_error)
        assert plan.write is not None
        loop = asyncio.get_running_loop()
        budget, reads = (Budget(self.rate, clock=loop.time) for _ in range(2))
        table = TableMeter(plan.scans[0], Budget(None, clock=loop.time), 1, loop.time())
        meter = Meter([table], budget, reads, loop.time, loop.time(), expected_work(plan))
        ledger = Ledger([table], [], loop.time)
        rejects = Rejects(plan.logical, meter, self.folder)
        form = Form(ENTRIES[action], self.table, self.key)
        batching = Batching(form)
        write = WriteExec(plan.write.table, self.key, action, plan.write.budget, plan.write.reads, newest)
        queue: Batches = BoundedQueue(2**26)
        log_file = self.folder / "log.jsonl"
        log = EventLog([log_file], "job")
        try:
            async with self.access.client() as client:
                told = _Client(client, self.meddle)
                sender = Sender(
                    self.access, told, meter, self.course, log, POLICY, asyncio.sleep, loop.time, random.Random(1).random  # type: ignore[arg-type]
                )  # fmt: skip
                writing = Writing(sender, batching, write, budget, reads, queue, self.course, rejects)
                raw = msgspec.Raw(json.dumps(rows, ensure_ascii=False).encode())
                page: Page = ledger.splits[0].page(raw, len(rows), len(rows), b"")
                try:
                    async with asyncio.TaskGroup() as stages:
                        writing.start(stages)
                        for batch in self.made(form, rows):
                            page.hand_over(batch.rows)
                            await queue.put((page, batch), batch.size)
                        queue.close()
                except* Exception as group:
                    # As a run ends: by the first of what went wrong.
                    first: BaseException = group
                    while isinstance(first, BaseExceptionGroup):
                        first = first.exceptions[0]
                    raise first from None
                page.close(1)
        finally:
            log.close()
        tally = page.tally
        assert tally.read == tally.rejected + tally.skipped + tally.unchanged + tally.passed
        assert page.open == tally.passed - tally.written
        found = [json.loads(line) for line in page.rejects]
        assert len(found) == tally.rejected
        return Written(
            tally.written, tally.skipped, tally.unchanged, found, page.open, budget.used, reads.used,
            meter.retries, told.calls, told.requests, log_file,
        )  # fmt: skip


def write_to_fake(fake: Fake, folder: Path, action: Action, rows: Sequence[Item], newest: str | None = None, **more: Any) -> Written:  # fmt: skip
    """Write rows to a server of dictionaries, to the end."""
    fake.key = tuple((k.name, "N" if k.type is Type.NUMBER else "S") for k in more.get("key", KEY))

    async def main() -> Written:
        async with fake.running():
            return await Writer(fake.access(), folder, fake.target, **more).write(action, rows, newest)

    return asyncio.run(asyncio.wait_for(main(), 60))


def write_to(server: Server, table: str, folder: Path, action: Action, rows: Sequence[Item], newest: str | None = None, **more: Any) -> Written:  # fmt: skip
    """Write rows to a table of a running server, to the end."""
    control = Control.open(Connection(endpoint=server.endpoint_url))
    access = control.access(connections=8)
    control.close()
    writer = Writer(access, folder, table, **more)
    return asyncio.run(asyncio.wait_for(writer.write(action, rows, newest), 60))
