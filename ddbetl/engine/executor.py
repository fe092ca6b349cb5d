"""The executor: a physical plan to rows in the target.

In: a physical plan and a way to reach its tables. Out: a RunReport, progress on the way. Invariants: every item read is
filtered, rejected, skipped or acknowledged by the target; what waits between two stages is bounded in bytes; no table
is read or written above its budget.

::

    readers, some per table ── pages ──> transform, one thread ── batches ──> writers
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import msgspec

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.failures import Kind, ServiceError, WireError
from ddbetl.connectors.dynamodb.requests import (
    batch_write_body,
    entries_of,
    item_of,
    put_entry,
    read_batch_write,
    read_scan,
    scan_body,
)
from ddbetl.connectors.dynamodb.retry import Retry, RetryPolicy, retrying
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.loop import first_failure
from ddbetl.engine.meter import Meter, TableMeter
from ddbetl.engine.rejects import Reject, RejectFile
from ddbetl.engine.report import Progress, RunReport, write_report
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure, canonical, decode_item
from ddbetl.engine.transform import Body, PageInput, PageOutput, Transformer
from ddbetl.errors import JobFailed
from ddbetl.expressions.projection import BATCH, KeyAttribute
from ddbetl.functions.model import RowContext
from ddbetl.plan.catalog import Connection
from ddbetl.plan.explain import EVENTUAL_BYTES, STRONG_BYTES
from ddbetl.plan.physical import BatchWriteExec, PhysicalPlan, ScanExec
from ddbetl.types import TAG_OF

# Segments read at once, over all tables, where the tables have that many.
READERS = 32
# Write requests in flight.
WRITERS = 32
# Pages that one DuckDB statement transforms, at most: enough to hide what a statement costs by itself.
GROUP = 4
# Bytes that wait: pages for the transform; request bodies, and the pages that they keep alive, for the writers.
PAGES_WAITING = 16 * 2**20
BODIES_WAITING = 64 * 2**20
# Bytes of one request, short of DynamoDB's 16 MB.
LARGEST_REQUEST = 12 * 2**20
# The most units that one page costs: 1 MB, eventually consistent.
PAGE_UNITS = 128
# How long a request is repeated before the run gives up, in seconds.
PATIENCE = 900.0
# Seconds between looks at whether the credentials need renewing.
CREDENTIALS_SECONDS = 30.0

POLICY = RetryPolicy(max_elapsed=PATIENCE)


@dataclass(slots=True)
class _Page:
    """A page on its way: its raw items and what is still open of it."""

    table: TableMeter
    items: msgspec.Raw
    count: int


@dataclass(slots=True)
class _Batch:
    """A request body on its way. ``positions``: the rows' places in the page, in the order of the body."""

    page: _Page
    content: bytes | memoryview
    positions: tuple[int, ...]
    units: float
    # Rows whose keys stand in this batch already: they go after it, so that the later row stays.
    then: _Batch | None = None


@dataclass(slots=True)
class Job:
    """One run of a plan."""

    plan: PhysicalPlan
    write: BatchWriteExec
    access: Mapping[Connection, Access]
    rejects: RejectFile
    meter: Meter
    shuffle: random.Random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    limit_reached: bool = False
    interrupted: bool = False
    _left: int | None = None

    async def run(self, stop: Event, progress: Callable[[Progress], None] | None, interval: float) -> None:
        """Run to the end, to the LIMIT, or until ``stop`` is set."""
        self._left = self.plan.limit
        clients: dict[Connection, WireClient] = {}
        pages: BoundedQueue[_Page] = BoundedQueue(PAGES_WAITING)
        batches: BoundedQueue[_Batch] = BoundedQueue(BODIES_WAITING)
        try:
            for connection, access in self.access.items():
                clients[connection] = access.client()
            async with asyncio.TaskGroup() as background:
                watch = [background.create_task(self._keep_credentials())]
                if progress is not None:
                    watch.append(background.create_task(self._show(progress, interval)))
                async with asyncio.TaskGroup() as stages:
                    stages.create_task(self._read(stages, clients, pages, stop))
                    stages.create_task(self._transform(pages, batches))
                    writer = clients[self.write.table.connection]
                    for _ in range(WRITERS):
                        stages.create_task(self._write_all(writer, batches))
                for task in watch:
                    task.cancel()
        finally:
            for client in clients.values():
                await client.aclose()
        if progress is not None:
            progress(self.meter.progress())

    async def _show(self, progress: Callable[[Progress], None], interval: float) -> None:
        while True:
            progress(self.meter.progress())
            await asyncio.sleep(interval)

    async def _keep_credentials(self) -> None:
        while True:
            await asyncio.sleep(CREDENTIALS_SECONDS)
            for access in self.access.values():
                await asyncio.to_thread(access.credentials.refresh)

    # Reading

    async def _read(
        self,
        stages: asyncio.TaskGroup,
        clients: Mapping[Connection, WireClient],
        pages: BoundedQueue[_Page],
        stop: Event,
    ) -> None:
        """Read all tables at once, each in some segments at once; neighbours heat one partition, so shuffled."""
        readers: list[asyncio.Task[None]] = []
        at_once = max(1, READERS // len(self.meter.tables))
        for table in self.meter.tables:
            segments = list(range(table.scan.segments))
            self.shuffle.shuffle(segments)
            waiting = deque(segments)
            client = clients[table.scan.table.connection]
            for _ in range(min(at_once, len(segments))):
                readers.append(stages.create_task(self._read_segments(table, waiting, client, pages)))
        open_readers: set[asyncio.Task[None]] = set(readers)
        while open_readers:
            _, open_readers = await asyncio.wait(open_readers, timeout=0.1)
            if stop.is_set() or self.limit_reached:
                self.interrupted = stop.is_set() and not self.limit_reached
                for reader in open_readers:
                    reader.cancel()
                await asyncio.wait(readers)
                break
        pages.close()

    async def _read_segments(
        self, table: TableMeter, waiting: deque[int], client: WireClient, pages: BoundedQueue[_Page]
    ) -> None:
        while waiting:
            await self._read_segment(table, waiting.popleft(), client, pages)
            table.segments_done += 1
        if table.segments_done == table.scan.segments and table.ended is None:
            table.ended = self.meter.clock()

    async def _read_segment(
        self, table: TableMeter, segment: int, client: WireClient, pages: BoundedQueue[_Page]
    ) -> None:
        scan, budget = table.scan, table.budget
        estimate = self._first_page_units(scan)
        start = b""
        while True:
            body = scan_body(scan.request, segment, scan.segments, start)
            await budget.acquire(estimate)
            response = await self._request(client, "Scan", body, scan.table.name)
            answer = read_scan(response)
            # A server that does not say what it consumed is taken at the page's size.
            used = len(response) / self._unit_bytes()
            if answer.consumed_capacity is not None:
                used = answer.consumed_capacity.units
            budget.settle(estimate, used)
            estimate = used
            table.read += answer.scanned_count
            table.filtered += answer.scanned_count - answer.count
            if answer.count:
                await pages.put(_Page(table, answer.items, answer.count), len(answer.items))
            start = bytes(answer.last_evaluated_key)
            if not start or start == b"null":
                return

    def _unit_bytes(self) -> int:
        return STRONG_BYTES if self.plan.logical.consistent_read else EVENTUAL_BYTES

    def _first_page_units(self, scan: ScanExec) -> float:
        most = PAGE_UNITS * (2 if self.plan.logical.consistent_read else 1)
        size = scan.table.description.size if scan.table.description is not None else 0
        return min(most, size / scan.segments / self._unit_bytes() + 1) if size else most

    async def _request(self, client: WireClient, operation: str, body: bytes | memoryview, table: str) -> bytes:
        """Send a request until it succeeds, as long as repeating can mend what is wrong."""

        def retried(retry: Retry) -> None:
            self.meter.retries += 1
            self.meter.waiting = _waiting_for(retry.error, table)

        response = await retrying(lambda: client.request(operation, body), POLICY, on_retry=retried, sleep=self.sleep)
        if self.meter.waiting is not None:
            self.meter.waiting = None
        return response.body

    # Transforming

    async def _transform(self, pages: BoundedQueue[_Page], batches: BoundedQueue[_Batch]) -> None:
        loop = asyncio.get_running_loop()
        transformer: Transformer | None = None
        rows = RowEvaluator(self.plan.transform, self.write.key)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ddbetl-transform") as thread:
            try:
                while (first := await pages.get()) is not None:
                    group = [first, *pages.get_more(GROUP - 1)]
                    if transformer is None:
                        transformer = await loop.run_in_executor(thread, Transformer, self.plan.transform.statement)
                    inputs = [self._input(page) for page in group]
                    outputs = await loop.run_in_executor(thread, transformer.run, inputs)
                    for page, output in zip(group, outputs, strict=True):
                        await self._hand_over(page, output, rows, thread, batches)
            finally:
                if transformer is not None:
                    transformer.close()
        batches.close()

    def _input(self, page: _Page) -> PageInput:
        return PageInput(page.items, page.count, page.table.scan.table.name, self.plan.now.millis)

    async def _hand_over(
        self,
        page: _Page,
        output: PageOutput,
        rows: RowEvaluator,
        thread: ThreadPoolExecutor,
        batches: BoundedQueue[_Batch],
    ) -> None:
        """Give a page's rows to the writers: the finished bodies, then the rows that go by reference."""
        page.table.filtered += page.count - output.passed - len(output.by_reference)
        ready = [batch for body in output.bodies for batch in self._separated(page, body)]
        if output.by_reference:
            self.meter.by_reference += len(output.by_reference)
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(thread, self._by_reference, page, output.by_reference, rows)
            ready += self._batches(page, found)
        # A batch keeps its page until it is written, for the rejects: few rows of a large page weigh much.
        share = len(page.items) // max(1, len(ready))
        for batch in ready:
            limited = self._within_limit(batch)
            if limited is None:
                continue
            page.table.passed += _rows(limited)
            await batches.put(limited, len(limited.content) + share)

    def _by_reference(
        self, page: _Page, positions: list[int], rows: RowEvaluator
    ) -> list[tuple[int, bytes, Row | RowFailure | Filtered]]:
        """Evaluate rows one after another; in the transform's thread."""
        items = msgspec.json.decode(page.items, type=list[msgspec.Raw])
        context = RowContext(page.table.scan.table.name, self.plan.now)
        return [(position, bytes(items[position]), rows.row(items[position], context)) for position in positions]

    def _batches(self, page: _Page, found: list[tuple[int, bytes, Row | RowFailure | Filtered]]) -> list[_Batch]:
        """Batches of the rows that came by reference, no key twice in one; the others are counted or rejected."""
        out: list[_Batch] = []
        entries: list[bytes] = []
        positions: list[int] = []
        keys: set[tuple[str, ...]] = set()
        units, repeated = 0.0, False
        for position, raw, outcome in found:
            match outcome:
                case Filtered():
                    page.table.filtered += 1
                case RowFailure():
                    self._reject(page, decode_item(raw), outcome)
                case Row(item=item, key=key, size=size):
                    full = len(entries) == BATCH or sum(map(len, entries)) + len(item) > LARGEST_REQUEST
                    repeated = repeated or key in keys
                    if full or key in keys:
                        out.append(self._batch(page, entries, positions, units))
                        entries, positions, keys, units = [], [], set(), 0.0
                    entries.append(put_entry(item))
                    positions.append(position)
                    keys.add(key)
                    units += _units(size)
        if entries:
            out.append(self._batch(page, entries, positions, units))
        # Where a key stands twice the batches go one after the other, so that the later row is the one that stays.
        return [_chained(out)] if repeated else out

    def _batch(self, page: _Page, entries: list[bytes], positions: list[int], units: float) -> _Batch:
        return _Batch(page, batch_write_body(self.write.table.name, entries), tuple(positions), units)

    def _separated(self, page: _Page, body: Body) -> list[_Batch]:
        """The batches of a finished body: one, but for keys that stand in it twice."""
        whole = _Batch(page, body.content, body.positions, body.units)
        if not body.repeats or not self.write.key:
            return [whole]
        entries = entries_of(body.content)
        layers: list[list[int]] = []
        seen: dict[tuple[str, ...], int] = {}
        for index, entry in enumerate(entries):
            key = _key_of(item_of(entry), self.write.key)
            layer = seen.get(key, -1) + 1
            seen[key] = layer
            if layer == len(layers):
                layers.append([])
            layers[layer].append(index)
        if len(layers) == 1:
            return [whole]
        parts = []
        for layer_rows in layers:
            content = batch_write_body(self.write.table.name, [entries[index] for index in layer_rows])
            share = body.units * len(layer_rows) / len(entries)
            parts.append(_Batch(page, content, tuple(body.positions[index] for index in layer_rows), share))
        return [_chained(parts)]

    def _within_limit(self, batch: _Batch) -> _Batch | None:
        """The part of a batch that LIMIT still allows; what is over counts as not read."""
        if self._left is None:
            return batch
        rows = _rows(batch)
        if rows <= self._left:
            self._left -= rows
            self.limit_reached = self._left == 0
            return batch
        kept, over = self._left, rows - self._left
        self._left = 0
        self.limit_reached = True
        batch.page.table.read -= over
        return self._cut(batch, kept)

    def _cut(self, batch: _Batch, rows: int) -> _Batch | None:
        if rows == 0:
            return None
        here = min(rows, len(batch.positions))
        entries = entries_of(batch.content)[:here]
        content = batch_write_body(self.write.table.name, entries)
        rest = self._cut(batch.then, rows - here) if batch.then is not None else None
        share = batch.units * here / len(batch.positions)
        return replace(batch, content=content, positions=batch.positions[:here], units=share, then=rest)

    # Writing

    async def _write_all(self, client: WireClient, batches: BoundedQueue[_Batch]) -> None:
        while (batch := await batches.get()) is not None:
            following: _Batch | None = batch
            while following is not None:
                await self._write(client, following)
                following = following.then

    async def _write(self, client: WireClient, batch: _Batch) -> None:
        """Put a batch; what the server leaves unprocessed goes again, until it is written."""
        table = self.write.table.name
        content, rows, units = batch.content, len(batch.positions), batch.units
        refused = 0
        while True:
            await self.meter.write.acquire(units)
            try:
                answer = read_batch_write(await self._request(client, "BatchWriteItem", content, table))
            except ServiceError as error:
                self.meter.write.settle(units, 0.0)
                if error.kind is Kind.TERMINAL and error.code in ITEM_ERRORS:
                    await self._write_singly(client, batch, content, error)
                    return
                raise
            used = sum(c.units for c in answer.consumed_capacity) if answer.consumed_capacity is not None else units
            self.meter.write.settle(units, used)
            entries = answer.unprocessed_items.get(table, [])
            batch.page.table.written += rows - len(entries)
            if not entries:
                return
            self.meter.retries += 1
            self.meter.waiting = f"{table} takes no more writes just now: {len(entries)} of {rows} came back"
            units = units * len(entries) / rows
            refused = refused + 1 if len(entries) == rows else 0
            content, rows = batch_write_body(table, entries), len(entries)
            await self.sleep(self.shuffle.random() * min(POLICY.cap, POLICY.base * 2.0 ** min(refused, 30)))

    async def _write_singly(
        self, client: WireClient, batch: _Batch, content: bytes | memoryview, error: ServiceError
    ) -> None:
        """Find the rows that the server refuses, by sending each alone; they become rejects."""
        entries = entries_of(content)
        positions = batch.positions if len(entries) == len(batch.positions) else ()
        if len(entries) == 1:
            failure = RowFailure("R0206", f"the server refuses the item: {error.message}", None)
            # The row was handed over, and comes back.
            batch.page.table.passed -= 1
            if positions:
                items = msgspec.json.decode(batch.page.items, type=list[msgspec.Raw])
                self._reject(batch.page, decode_item(items[positions[0]]), failure)
            else:
                self._reject(batch.page, item_of(entries[0]), failure)
            return
        for index, entry in enumerate(entries):
            one = batch_write_body(self.write.table.name, [entry])
            position = (positions[index],) if positions else (0,)
            single = _Batch(batch.page, one, position, batch.units / len(entries))
            await self._write(client, single)

    def _reject(self, page: _Page, item: dict[str, dict[str, object]], failure: RowFailure) -> None:
        """Record a row that cannot be written, as ON ERROR says."""
        table = page.table.scan.table
        keys = tuple(k.name for k in table.description.key) if table.description is not None else ()
        if self.plan.on_error == "FAIL":
            key = ", ".join(f"{name} = {next(iter(item[name].values()))!r}" for name in keys if name in item)
            source = self.plan.logical.source
            line = f" (line {source.position(failure.span.start)[0]})" if failure.span is not None else ""
            raise JobFailed(f"ON ERROR FAIL: {table.name}, {key}: {failure.code} {failure.message}{line}")
        if self.plan.on_error == "SKIP":
            page.table.skipped += 1
            return
        page.table.rejected += 1
        self.rejects.add(Reject(table.name, item, failure.code, failure.message, failure.span), keys)


# Codes of requests that an item in them is to blame for.
ITEM_ERRORS = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException", "SerializationException"})


def _rows(batch: _Batch | None) -> int:
    return 0 if batch is None else len(batch.positions) + _rows(batch.then)


def _chained(batches: list[_Batch]) -> _Batch:
    """The first of some batches, each followed by the next."""
    for batch, following in pairwise(batches):
        batch.then = following
    return batches[0]


def _units(size: int) -> float:
    """Write units of an item of a size in bytes. Source: DynamoDB Developer Guide, "Write capacity units"."""
    return float(max(1, -(-size // 1024)))


def _key_of(item: Mapping[str, Mapping[str, str]], key: tuple[KeyAttribute, ...]) -> tuple[str, ...]:
    return tuple(canonical(k.type, item[k.name][TAG_OF[k.type]]) for k in key)


def _waiting_for(error: WireError, table: str) -> str:
    if isinstance(error, ServiceError) and error.kind is Kind.THROTTLING:
        return f"{table} is throttled ({error.code})"
    return f"{table}: {error}"


def open_job(
    plan: PhysicalPlan,
    access: Mapping[Connection, Access],
    rejects: RejectFile,
    *,
    clock: Callable[[], float] = time.monotonic,
    shuffle: random.Random | None = None,
) -> Job:
    """A job for a plan that has a target."""
    assert plan.write is not None
    started = clock()
    tables = [TableMeter(scan, Budget(scan.budget.units, clock=clock), started) for scan in plan.scans]
    meter = Meter(tables, Budget(plan.write.budget.units, clock=clock), clock, started)
    return Job(plan, plan.write, access, rejects, meter, shuffle or random.Random())


async def execute(
    plan: PhysicalPlan,
    access: Mapping[Connection, Access],
    folder: Path,
    stop: Event,
    progress: Callable[[Progress], None] | None,
    interval: float,
) -> RunReport:
    """Run a plan that has a target; its rejects and its report go into ``folder``."""
    rejects = RejectFile(folder / "rejects.jsonl", plan.logical.source)
    job = open_job(plan, access, rejects)
    try:
        await job.run(stop, progress, interval)
    except* WireError as group:
        raise JobFailed(f"{first_failure(group)}{HOW_TO_GO_ON}") from group
    finally:
        rejects.close()
    outcome = "interrupted" if job.interrupted else "limit" if job.limit_reached else "done"
    report = RunReport(
        outcome,
        job.write.table.name,
        job.meter.progress(),
        job.meter.by_reference,
        rejects.causes(),
        str(rejects.path) if rejects.written else None,
        str(folder),
    )
    write_report(report, folder / "report.json")
    return report


HOW_TO_GO_ON = (
    "\nRun the same command again: rows that are written already are replaced by themselves, so nothing is lost."
)
