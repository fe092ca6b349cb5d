"""A preview: the first rows that a plan would write, for as few units as possible.

In: a physical plan. Out: rows in DynamoDB JSON, and what could not be computed. Invariant: nothing is written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.requests import scan_body
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.peek import peek
from ddbetl.engine.rejects import Reject
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure, decode_item
from ddbetl.functions.model import RowContext
from ddbetl.plan.catalog import Connection
from ddbetl.plan.physical import PhysicalPlan, ReadExec, requests

# Items asked for at first; the next pages are larger, so that a rare row is found in few requests.
FIRST_PAGE = 100
LARGEST_PAGE = 10_000
# Items after which a preview stops looking for more rows: it must not read a large table for a rare row.
MOST_READ = 100_000


@dataclass(frozen=True, slots=True)
class Preview:
    """``rows``: output items in DynamoDB JSON. ``read``: items read for them; ``units``: what that cost.

    ``stopped``: there may be more rows, but the preview has read its most items.
    """

    rows: tuple[Mapping[str, Any], ...]
    read: int
    filtered: int
    rejects: tuple[Reject, ...]
    units: float
    stopped: bool = False


async def preview(
    plan: PhysicalPlan, access: Mapping[Connection, Access], rows: int, most_read: int | None = None
) -> Preview:
    """The first rows, table after table; after ``most_read`` items, or very many, no more are looked for."""
    wanted = min(rows, plan.limit) if plan.limit is not None else rows
    gathered = _Gathered(plan, wanted, MOST_READ if most_read is None else most_read)
    clients = {connection: one.client() for connection, one in access.items()}
    try:
        for scan in plan.scans:
            for request in requests(scan):
                await gathered.read(scan, request, clients[scan.table.connection])
    finally:
        for client in clients.values():
            await client.aclose()
    return Preview(
        tuple(gathered.rows),
        gathered.seen,
        gathered.filtered,
        tuple(gathered.rejects),
        gathered.units,
        gathered.stopped,
    )


class _Gathered:
    def __init__(self, plan: PhysicalPlan, wanted: int, most_read: int) -> None:
        write = plan.write
        if write is None:
            self._evaluator = RowEvaluator(plan.transform, ())
        else:
            self._evaluator = RowEvaluator(plan.transform, write.key, write.newest, write.ttl_attribute)
        self._plan = plan
        self._wanted = wanted
        self._most_read = most_read
        self.rows: list[Mapping[str, Any]] = []
        self.rejects: list[Reject] = []
        self.seen = self.filtered = 0
        self.units = 0.0
        self.stopped = False

    @property
    def full(self) -> bool:
        return len(self.rows) + len(self.rejects) >= self._wanted

    async def read(self, scan: ReadExec, request: str, client: WireClient) -> None:
        """Read what is asked of a table until there are enough rows, at its read rate."""
        start, limit = b"", FIRST_PAGE
        budget = Budget(scan.budget.units, clock=time.monotonic)
        while not self.full and not self.stopped:
            await budget.acquire(0.0)
            answer, items = await peek(client, scan_body(request, 0, 1, start, limit), scan.operation)
            self.seen += answer.scanned_count
            self.filtered += answer.scanned_count - answer.count
            used = answer.consumed_capacity.units if answer.consumed_capacity is not None else 0.0
            budget.settle(0.0, used)
            self.units += used
            self._take(scan, items)
            start, limit = bytes(answer.last_evaluated_key), min(limit * 4, LARGEST_PAGE)
            if not start:
                return
            self.stopped = self.seen >= self._most_read and not self.full

    def _take(self, scan: ReadExec, items: list[msgspec.Raw]) -> None:
        context = RowContext(scan.table.name, self._plan.now)
        for raw in items:
            if self.full:
                return
            match self._evaluator.row(raw, context):
                case Filtered():
                    self.filtered += 1
                case Row(item=item):
                    self.rows.append(decode_item(item))
                case RowFailure(code=code, message=message, span=span):
                    self.rejects.append(Reject(scan.table.name, decode_item(raw), code, message, span))
