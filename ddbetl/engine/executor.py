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
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from typing import Any, TypeAlias, TypeVar

import msgspec

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.failures import Kind, MalformedResponse, ServiceError, WireError
from ddbetl.connectors.dynamodb.requests import (
    BatchWriteAnswer,
    ScanAnswer,
    batch_write_body,
    items_of,
    read_batch_write,
    read_scan,
    scan_body,
)
from ddbetl.connectors.dynamodb.retry import Retry, RetryPolicy, retrying
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.folder import HOW_TO_GO_ON
from ddbetl.engine.loop import first_failure
from ddbetl.engine.meter import Meter, TableMeter
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.rejects import Reject, RejectFile
from ddbetl.engine.report import Progress, RunReport, write_report
from ddbetl.engine.rows import RowFailure, decode_item
from ddbetl.engine.transform import PageInput
from ddbetl.errors import ConnectionFailed, JobFailed
from ddbetl.plan.catalog import Connection
from ddbetl.plan.explain import EVENTUAL_BYTES, STRONG_BYTES
from ddbetl.plan.physical import BatchWriteExec, PhysicalPlan, ScanExec

T = TypeVar("T")

# Segments read at once, over all tables, where the tables have that many.
READERS = 32
# Write requests in flight.
WRITERS = 32
# Pages that one DuckDB statement transforms, at most: enough to hide what a statement costs by itself.
GROUP = 4
# Bytes that wait: pages for the transform; request bodies, and the pages that they keep alive, for the writers.
PAGES_WAITING = 16 * 2**20
BODIES_WAITING = 64 * 2**20
# The most units that one page costs: 1 MB, eventually consistent.
PAGE_UNITS = 128
# How long requests are repeated while none succeeds before the run gives up, in seconds.
PATIENCE = 900.0
# Seconds between looks at whether the credentials need renewing.
CREDENTIALS_SECONDS = 30.0
# Seconds between looks at whether the run is to stop.
STOP_SECONDS = 0.1
# Batches of which the server refused every row, before anything was written: then it is not the items' fault.
REFUSED_BATCHES = 4

POLICY = RetryPolicy()


@dataclass(slots=True)
class _Page:
    """A page on its way: its raw items, and where they are counted."""

    table: TableMeter
    items: msgspec.Raw
    count: int


_Batches: TypeAlias = BoundedQueue[tuple[_Page, Batch]]


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
    _left: int | None = None
    _access: dict[WireClient, Access] = field(default_factory=dict)
    _stopping: bool = False
    _left_over: bool = False
    # Writers that wait for their budget, and may be stopped there; those that are sending may not.
    _sending: set[asyncio.Task[Any]] = field(default_factory=set)
    _last_success: float = 0.0
    _refused: int = 0
    _reading: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(READERS))
    # Rows are rejected in the transform's thread and, when the server refuses them, in the loop's.
    _recording: Lock = field(default_factory=Lock)

    async def run(self, stop: Event, progress: Callable[[Progress], None] | None, interval: float) -> None:
        """Run to the end, to the LIMIT, or until ``stop`` is set."""
        self._left = self.plan.limit
        self.limit_reached = self._left == 0
        self._last_success = self.meter.clock()
        clients: dict[Connection, WireClient] = {}
        pages: BoundedQueue[_Page] = BoundedQueue(PAGES_WAITING)
        batches: _Batches = BoundedQueue(BODIES_WAITING)
        try:
            for connection, access in self.access.items():
                clients[connection] = access.client()
                self._access[clients[connection]] = access
            async with asyncio.TaskGroup() as background:
                watch = [background.create_task(self._keep_credentials())]
                readers: list[asyncio.Task[None]] = []
                if progress is not None:
                    watch.append(background.create_task(self._show(progress, interval)))
                async with asyncio.TaskGroup() as stages:
                    client = clients[self.write.table.connection]
                    writers = [stages.create_task(self._write_all(client, batches)) for _ in range(WRITERS)]
                    stages.create_task(self._transform(pages, batches))
                    readers += self._readers(stages, clients, pages)
                    watch.append(background.create_task(self._end_early(stop, readers, pages, batches, writers)))
                    # Their own failures end the group; here it only matters that nothing more will come.
                    await asyncio.wait(readers)
                    pages.close()
                for task in watch:
                    task.cancel()
            self._drop(pages, batches)
        finally:
            for client in clients.values():
                await client.aclose()
        if progress is not None:
            progress(self.meter.progress())

    async def _show(self, progress: Callable[[Progress], None], interval: float) -> None:
        while True:
            progress(self.meter.progress())
            await asyncio.sleep(interval)

    async def _end_early(
        self,
        stop: Event,
        readers: Sequence[asyncio.Task[None]],
        pages: BoundedQueue[_Page],
        batches: _Batches,
        writers: Sequence[asyncio.Task[None]],
    ) -> None:
        """Watch for LIMIT, which ends the reading, and for a stop, after which only what is being sent is finished."""
        while not stop.is_set():
            await asyncio.sleep(STOP_SECONDS)
            if self.limit_reached:
                for reader in readers:
                    reader.cancel()
        self._stopping = True
        for reader in readers:
            self._left_over |= reader.cancel()
        self._drop(pages, batches)
        for writer in writers:
            if writer not in self._sending:
                writer.cancel()

    @property
    def interrupted(self) -> bool:
        """Whether a stop has left something for another run."""
        return self._left_over and not self.limit_reached

    def _drop(self, pages: BoundedQueue[_Page], batches: _Batches) -> None:
        """Leave what waits for another run; after a whole run nothing does."""
        for page in pages.get_more(len(pages)):
            page.table.read -= page.count
            self._left_over = True
        for page, batch in batches.get_more(len(batches)):
            self._forget(page, batch.rows)

    def _forget(self, page: _Page, rows: int) -> None:
        """Rows that were handed over and will not be written count as not read: a later run reads them again."""
        page.table.passed -= rows
        page.table.read -= rows
        self._left_over |= rows > 0

    async def _keep_credentials(self) -> None:
        while True:
            await asyncio.sleep(CREDENTIALS_SECONDS)
            for access in self.access.values():
                await self._refresh(access)

    async def _refresh(self, access: Access) -> None:
        """Renew credentials; where that fails the present ones may be good for a while, so the requests decide."""
        try:
            await asyncio.to_thread(access.credentials.refresh)
        except ConnectionFailed as error:
            self.meter.waiting = f"the credentials cannot be renewed: {error}"

    # Reading

    def _readers(
        self, stages: asyncio.TaskGroup, clients: Mapping[Connection, WireClient], pages: BoundedQueue[_Page]
    ) -> list[asyncio.Task[None]]:
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
        return readers

    async def _read_segments(
        self, table: TableMeter, waiting: deque[int], client: WireClient, pages: BoundedQueue[_Page]
    ) -> None:
        while waiting and not self.limit_reached:
            if await self._read_segment(table, waiting.popleft(), client, pages):
                table.segments_done += 1
        if table.segments_done == table.scan.segments and table.ended is None:
            table.ended = self.meter.clock()

    async def _read_segment(
        self, table: TableMeter, segment: int, client: WireClient, pages: BoundedQueue[_Page]
    ) -> bool:
        """Read a segment; False when LIMIT ended it."""
        scan, budget = table.scan, table.budget
        estimate = self._first_page_units(scan)
        start = b""
        while not self.limit_reached:
            body = scan_body(scan.request, segment, scan.segments, start)
            await budget.acquire(estimate)
            # Only now a place among the readers: a table with a small budget holds up no other while it waits.
            async with self._reading:
                answer, size = await self._request(client, "Scan", body, scan.table.name, _read_scan, budget, estimate)
                # A server that does not say what it consumed is taken at the page's size.
                used = size / self._unit_bytes()
                if answer.consumed_capacity is not None:
                    used = answer.consumed_capacity.units
                budget.settle(estimate, used)
                estimate = used
                if answer.count:
                    await pages.put(_Page(table, answer.items, answer.count), len(answer.items))
            # Counted when the page is on its way: a reader that is stopped before has not read it.
            table.read += answer.scanned_count
            table.filtered += answer.scanned_count - answer.count
            start = bytes(answer.last_evaluated_key)
            if not start or start == b"null":
                return True
        return False

    def _unit_bytes(self) -> int:
        return STRONG_BYTES if self.plan.logical.consistent_read else EVENTUAL_BYTES

    def _first_page_units(self, scan: ScanExec) -> float:
        most = PAGE_UNITS * (2 if self.plan.logical.consistent_read else 1)
        size = scan.table.description.size if scan.table.description is not None else 0
        return min(most, size / scan.segments / self._unit_bytes() + 1) if size else most

    async def _request(
        self,
        client: WireClient,
        operation: str,
        body: bytes | memoryview,
        table: str,
        read: Callable[[bytes], T],
        budget: Budget,
        units: float,
    ) -> T:
        """Send a request until it succeeds, as long as repeating can mend what is wrong.

        The caller has acquired ``units`` for the first attempt and settles the one that succeeds; what the attempts
        between may have used is charged here.
        """
        failed: WireError | None = None

        async def exchange() -> T:
            if failed is not None:
                if isinstance(failed, ServiceError) and failed.kind is Kind.CREDENTIALS:
                    await self._refresh(self._access[client])
                budget.settle(units, units if failed.maybe_processed else 0.0)
                await budget.acquire(units)
            response = await client.request(operation, body)
            try:
                return read(response.body)
            except ValueError as error:
                raise MalformedResponse(f"the answer is not DynamoDB's: {error}") from error

        def retried(retry: Retry) -> None:
            nonlocal failed
            failed = retry.error
            self.meter.retries += 1
            self.meter.waiting = _waiting_for(retry.error, table)
            if self._stopping:
                # A stop waits for requests that are out, not for those that go wrong again and again.
                raise asyncio.CancelledError
            # One request that fails for long is no reason to stop while others succeed.
            if self.meter.clock() - self._last_success > PATIENCE:
                raise retry.error

        try:
            answer = await retrying(exchange, POLICY, on_retry=retried, sleep=self.sleep, clock=self.meter.clock)
        except WireError as error:
            error.add_note(f"{operation} of {table}")
            raise
        self.meter.waiting = None
        self._last_success = self.meter.clock()
        return answer

    # Transforming

    async def _transform(self, pages: BoundedQueue[_Page], batches: _Batches) -> None:
        loop = asyncio.get_running_loop()
        work = PageWork(self.plan.transform, self.write)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ddbetl-transform") as thread:
            try:
                while (first := await pages.get()) is not None:
                    group = [first, *pages.get_more(GROUP - 1)]
                    inputs = [self._input(page) for page in group]
                    results = await loop.run_in_executor(thread, work.run, inputs)
                    for page, result in zip(group, results, strict=True):
                        if self.limit_reached or self._stopping:
                            # What LIMIT or a stop leaves over counts as not read.
                            page.table.read -= page.count
                            self._left_over |= self._stopping
                            continue
                        if result.failures:
                            await loop.run_in_executor(thread, self._reject_all, page, result)
                        await self._hand_over(page, result, batches)
            finally:
                # In its own thread, behind what may still run there when the job is being cancelled.
                thread.submit(work.close).result()
        batches.close()

    def _input(self, page: _Page) -> PageInput:
        return PageInput(page.items, page.count, page.table.scan.table.name, self.plan.now.millis)

    async def _hand_over(self, page: _Page, result: PageResult, batches: _Batches) -> None:
        """Give a page's rows to the writers, and record those that cannot be written."""
        table = page.table
        table.filtered += result.filtered
        self.meter.by_reference += result.by_reference
        # A batch keeps its page until it is written, for the rejects: few rows of a large page weigh much.
        share = len(page.items) // max(1, len(result.batches))
        for batch in result.batches:
            if self._stopping:
                table.read -= batch.rows
                self._left_over = True
                continue
            limited = self._within_limit(page, batch)
            if limited is not None:
                table.passed += limited.rows
                await batches.put((page, limited), limited.size + share)

    def _reject_all(self, page: _Page, result: PageResult) -> None:
        """Record what cannot be written of a page, before its other rows are; in the transform's thread."""
        for item, failure in result.failures:
            self._reject(page, item, failure)
        with self._recording:
            self.rejects.flush()

    def _within_limit(self, page: _Page, batch: Batch) -> Batch | None:
        """The part of a batch that LIMIT still allows; what is over counts as not read."""
        if self._left is None:
            return batch
        rows = batch.rows
        kept = min(rows, self._left)
        self._left -= kept
        self.limit_reached = self._left == 0
        page.table.read -= rows - kept
        return batch if kept == rows else self._batching.cut(batch, kept) if kept else None

    @property
    def _batching(self) -> Batching:
        return Batching(self.write.table.name, self.write.key)

    # Writing

    async def _write_all(self, client: WireClient, batches: _Batches) -> None:
        while (found := await batches.get()) is not None:
            page, batch = found
            for one in batch.chain():
                await self._write(client, page, one)
                if self._stopping:
                    self._forget(page, one.then.rows if one.then is not None else 0)
                    break

    async def _write(self, client: WireClient, page: _Page, batch: Batch) -> None:
        """Put a batch; what the server leaves unprocessed goes again, until it is written."""
        table = self.write.table.name
        content, rows, units = batch.content, len(batch.positions), batch.units
        refused = 0
        try:
            while True:
                await self.meter.write.acquire(units)
                try:
                    answer = await self._send(client, content, table, units)
                except WireError as error:
                    self.meter.write.settle(units, 0.0)
                    if isinstance(error, ServiceError) and error.code in ITEM_ERRORS:
                        rows = 0
                        return await self._write_singly(client, page, batch, content, error)
                    raise
                left = answer.unprocessed_items.get(table, [])
                self.meter.write.settle(units, _used(answer, units * (rows - len(left)) / rows))
                page.table.written += rows - len(left)
                if not left:
                    return
                self.meter.retries += 1
                self.meter.waiting = f"{table} takes no more writes just now: {len(left)} of {rows} came back"
                units = units * len(left) / rows
                refused = refused + 1 if len(left) == rows else 0
                content, rows = batch_write_body(table, left), len(left)
                if self._stopping:
                    return self._forget(page, rows)
                await self.sleep(self.shuffle.random() * min(POLICY.cap, POLICY.base * 2.0 ** min(refused, 30)))
        except asyncio.CancelledError:
            # Stopped while it waited: rows that were not sent are as if they had not been read.
            self._forget(page, rows + (batch.then.rows if batch.then is not None else 0))
            raise

    async def _send(
        self, client: WireClient, content: bytes | memoryview, table: str, units: float
    ) -> BatchWriteAnswer:
        """Send a batch; a stop waits for the answer."""
        task = asyncio.current_task()
        assert task is not None
        self._sending.add(task)
        try:
            return await self._request(
                client, "BatchWriteItem", content, table, read_batch_write, self.meter.write, units
            )
        finally:
            self._sending.discard(task)

    async def _write_singly(
        self, client: WireClient, page: _Page, batch: Batch, content: bytes | memoryview, error: ServiceError
    ) -> None:
        """Find the rows that the server refuses, by sending each alone; they become rejects."""
        if len(batch.positions) > 1:
            await self._write_each(client, page, batch, content, error)
            return
        items = items_of(page.items)
        failure = RowFailure("R0206", f"the server refuses the item: {error.message}", None)
        # The row was handed over, and comes back.
        page.table.passed -= 1
        self._reject(page, decode_item(items[batch.positions[0]]), failure)
        with self._recording:
            self.rejects.flush()

    async def _write_each(
        self, client: WireClient, page: _Page, batch: Batch, content: bytes | memoryview, error: ServiceError
    ) -> None:
        refused_before = page.table.rejected + page.table.skipped
        singles = self._batching.singles(batch, content)
        for number, single in enumerate(singles, start=1):
            try:
                await self._write(client, page, single)
            except asyncio.CancelledError:
                self._forget(page, len(singles) - number)
                raise
        refused = page.table.rejected + page.table.skipped - refused_before
        written = any(table.written for table in self.meter.tables)
        self._refused = self._refused + 1 if refused >= len(batch.positions) and not written else 0
        if self._refused >= REFUSED_BATCHES:
            # Not the items are at fault but the request: rejecting the whole table would help nobody.
            raise error

    def _reject(self, page: _Page, item: dict[str, dict[str, object]], failure: RowFailure) -> None:
        """Record a row that cannot be written, as ON ERROR says."""
        table = page.table.scan.table
        keys = tuple(k.name for k in table.description.key) if table.description is not None else ()
        if self.plan.on_error == "FAIL":
            key = ", ".join(f"{name} = {next(iter(item[name].values()))!r}" for name in keys if name in item)
            source = self.plan.logical.source
            line = f" (line {source.position(failure.span.start)[0]})" if failure.span is not None else ""
            raise JobFailed(f"ON ERROR FAIL: {table.name}, {key}: {failure.code} {failure.message}{line}")
        with self._recording:
            if self.plan.on_error == "SKIP":
                page.table.skipped += 1
                return
            page.table.rejected += 1
            self.rejects.add(Reject(table.name, item, failure.code, failure.message, failure.span), keys)


# Codes of requests that an item in them is to blame for.
ITEM_ERRORS = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException", "SerializationException"})


def _read_scan(content: bytes) -> tuple[ScanAnswer, int]:
    return read_scan(content), len(content)


def _used(answer: BatchWriteAnswer, estimate: float) -> float:
    """What a write used, as the server says, if it does."""
    return sum(c.units for c in answer.consumed_capacity) if answer.consumed_capacity else estimate


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
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    shuffle: random.Random | None = None,
) -> Job:
    """A job for a plan that has a target."""
    assert plan.write is not None
    started = clock()
    tables = [TableMeter(scan, Budget(scan.budget.units, clock=clock, sleep=sleep), started) for scan in plan.scans]
    meter = Meter(tables, Budget(plan.write.budget.units, clock=clock, sleep=sleep), clock, started)
    return Job(plan, plan.write, access, rejects, meter, shuffle or random.Random(), sleep)


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
    # A folder that cannot be written is found out now, not after the rows are.
    write_report(_report(job, folder, "running"), folder / "report.json")
    try:
        await job.run(stop, progress, interval)
        rejects.close()
    except ExceptionGroup as group:
        failure = first_failure(group)
        with suppress(JobFailed):
            write_report(_report(job, folder, "failed"), folder / "report.json")
        if isinstance(failure, WireError | ConnectionFailed):
            where = "".join(f"{note}: " for note in getattr(failure, "__notes__", ()))
            raise JobFailed(f"{where}{failure}{HOW_TO_GO_ON}") from group
        raise
    finally:
        # Closed above after a whole run; here whatever else ended it, and its own error matters more.
        with suppress(JobFailed):
            rejects.close()
    report = _report(job, folder, "interrupted" if job.interrupted else "limit" if job.limit_reached else "done")
    write_report(report, folder / "report.json")
    return report


def _report(job: Job, folder: Path, outcome: str) -> RunReport:
    return RunReport(
        outcome,
        job.write.table.name,
        job.meter.progress(),
        job.meter.by_reference,
        job.rejects.causes(),
        str(job.rejects.path) if job.rejects.written else None,
        str(folder),
    )
