"""Samples of a plan's sources: what their first items are, and what the plan makes of them.

In: a plan, a number of items. Out: a Sample of each source, with attributes and types, and the units that its rows will
cost. Invariant: every sampled item goes through the reference evaluator, so that what is counted is what a run does.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.requests import scan_body
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.batches import write_units
from ddbetl.engine.peek import peek
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure, decode_item, item_size
from ddbetl.functions.model import RowContext
from ddbetl.plan.budget import STRONG_BYTES
from ddbetl.plan.catalog import Connection, IndexDescription
from ddbetl.plan.physical import PhysicalPlan, ReadExec, ScanExec, requests
from ddbetl.plan.samples import Failure, Sample, Units
from ddbetl.source import Span
from ddbetl.types import TAG_OF, TAGS, Type

# A large table is sampled in so many places, as neighbouring items may be alike.
PLACES = 10

Item = Mapping[str, dict[str, Any]]


async def sample(plan: PhysicalPlan, access: Mapping[Connection, Access], items: int) -> tuple[Sample, ...]:
    """Read up to ``items`` items of each source, all of their attributes, and measure them."""
    clients = {connection: one.client() for connection, one in access.items()}
    try:
        return tuple([await _sample(plan, read, clients[read.table.connection], items) for read in plan.scans])
    finally:
        for client in clients.values():
            await client.aclose()


async def _sample(plan: PhysicalPlan, read: ReadExec, client: WireClient, items: int) -> Sample:
    budget = Budget(read.budget.units, clock=time.monotonic)
    description = read.table.description
    many = isinstance(read, ScanExec) and description is not None and description.items > PLACES * items
    places = PLACES if many and items >= PLACES else 1
    parts = [(request, place) for request in requests(read) for place in range(places)]
    found: list[msgspec.Raw] = []
    cost, whole = 0.0, True
    for number, (request, place) in enumerate(parts):
        start, wanted = b"", -(-(items - len(found)) // (len(parts) - number))
        while wanted > 0:
            await budget.acquire(0.0)
            body = scan_body(unfiltered(request), place, places, start, wanted)
            answer, some = await peek(client, body, read.operation)
            used = answer.consumed_capacity.units if answer.consumed_capacity is not None else 0.0
            budget.settle(0.0, used)
            cost, wanted = cost + used, wanted - len(some)
            found += some
            start = bytes(answer.last_evaluated_key)
            if not start:
                break
        else:
            whole = False
    return measured(plan, read, found, whole, cost)


def unfiltered(request: str) -> str:
    """A Scan or Query request for whole items, of those that its key condition names."""
    given: dict[str, Any] = json.loads(request)
    for part in ("ProjectionExpression", "FilterExpression"):
        given.pop(part, None)
    marks = set(re.findall(r"[#:]\w+", given.get("KeyConditionExpression", "")))
    for part in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        kept = {mark: value for mark, value in given.pop(part, {}).items() if mark in marks}
        if kept:
            given[part] = kept
    return json.dumps(given, ensure_ascii=False, separators=(",", ":"))


def measured(
    plan: PhysicalPlan, read: ReadExec, raws: Iterable[bytes | msgspec.Raw], whole: bool, cost: float
) -> Sample:
    """What the items of a source are, and what the plan makes of them."""
    write = plan.write
    rows = RowEvaluator(
        plan.transform,
        write.key if write is not None else (),
        write.newest if write is not None else None,
        write.ttl_attribute if write is not None else None,
    )
    context, meter = RowContext(read.table.name, plan.now), _Meter(plan)
    items = size = made = 0
    types: dict[str, Counter[Type]] = {}
    failures: dict[tuple[str, Span | None], tuple[str, int]] = {}
    for raw in raws:
        item = decode_item(raw)
        items += 1
        for name, value in item.items():
            types.setdefault(name, Counter())[TAGS.get(next(iter(value), ""), Type.ANY)] += 1
        size += item_size(item)
        match rows.row(raw, context):
            case Filtered():
                pass
            case RowFailure(code=code, message=message, span=span):
                first, count = failures.get((code, span), (message, 0))
                failures[code, span] = first, count + 1
            case Row() as row:
                made += 1
                meter.add(row)
    told = tuple(Failure(code, first, span, count) for (code, span), (first, count) in failures.items())
    return Sample(read.table, items, whole, cost, size, made, meter.units(), told, types)


class _Meter:
    """Adds up the units of rows."""

    def __init__(self, plan: PhysicalPlan) -> None:
        write = plan.write
        description = write.table.description if write is not None else None
        self._indexes = description.indexes if description is not None else ()
        self._key = frozenset(key.name for key in write.key) if write is not None else frozenset()
        self._counts: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        item = decode_item(row.item)
        self._counts["put"] += int(write_units(row.size))
        self._counts["indexes"] += self._index_units(item)
        self._counts["compare"] += max(1, -(-row.size // STRONG_BYTES))

    def units(self) -> Units:
        return Units(**{field.name: self._counts[field.name] for field in fields(Units)})

    def _index_units(self, item: Item) -> int:
        return sum(int(write_units(item_size(entry))) for index in self._indexes if (entry := self._entry(index, item)))

    def _entry(self, index: IndexDescription, item: Item) -> Item | None:
        """What an index has of an item; None where it has nothing of it."""
        if any(TAG_OF[key.type] not in item.get(key.name, ()) for key in index.key):
            return None
        if index.projection == "ALL":
            return item
        kept = {*self._key, *(key.name for key in index.key), *index.included}
        return {name: value for name, value in item.items() if name in kept}
