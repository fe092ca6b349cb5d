"""Samples of a plan's sources: what their first items are, and what the plan makes of them.

In: a plan, a number of items. Out: a Sample of each source, with attributes and types, and the units that its rows will
cost. Invariant: every sampled item goes through the reference evaluator, so that what is counted is what a run does.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from decimal import Decimal
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.failures import MalformedResponse, ServiceError
from ddbetl.connectors.dynamodb.requests import BatchGetAnswer, batch_get_body, read_batch_get, scan_body
from ddbetl.connectors.dynamodb.retry import retrying
from ddbetl.connectors.dynamodb.tables import CANNOT_TELL
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.batches import Batching, write_units
from ddbetl.engine.peek import PATIENCE, peek
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure, decode_item, item_size
from ddbetl.expressions.writing import ENTRIES, Action, Form
from ddbetl.functions.model import RowContext
from ddbetl.plan.budget import STRONG_BYTES
from ddbetl.plan.catalog import Connection, IndexDescription
from ddbetl.plan.cost import asks_target
from ddbetl.plan.physical import PhysicalPlan, ReadExec, ScanExec, WriteExec, requests
from ddbetl.plan.samples import Failure, Sample, Samples, TargetSample, Units
from ddbetl.source import Span
from ddbetl.types import TAG_OF, TAGS, Timestamp, Type

# A large table is sampled in so many places, as neighbouring items may be alike.
PLACES = 10
# Keys of one BatchGetItem. Source: BatchGetItem API reference.
MOST_KEYS = 100

Item = Mapping[str, dict[str, Any]]


async def sample(plan: PhysicalPlan, access: Mapping[Connection, Access], items: int) -> Samples:
    """Read up to ``items`` items of each source, all of their attributes, and measure them; and what the target has at
    the keys of as many of their rows."""
    clients = {connection: one.client() for connection, one in access.items()}
    try:
        found = [await _sample(plan, read, clients[read.table.connection], items) for read in plan.scans]
        rows = {row.key: row for _, some in found for row in some}
        target = None
        if plan.write is not None and asks_target(plan):
            chosen = list(rows.values())[:: max(1, -(-len(rows) // max(1, items)))]
            with _unless_denied():
                target = await _target(plan.write, chosen, clients[plan.write.table.connection])
        return Samples(tuple(one for one, _ in found), target)
    finally:
        for client in clients.values():
            await client.aclose()


@contextmanager
def _unless_denied() -> Iterator[None]:
    """Go without what the credentials may not read, as those of a run that only puts may not."""
    try:
        yield
    except ServiceError as error:
        if error.code not in CANNOT_TELL:
            raise


async def _sample(plan: PhysicalPlan, read: ReadExec, client: WireClient, items: int) -> tuple[Sample, list[Row]]:
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


async def _target(write: WriteExec, rows: Sequence[Row], client: WireClient) -> TargetSample:
    """What is in the target at the keys of some rows."""
    form = Batching(Form(ENTRIES[write.action], write.table.name, write.key))
    meter = _Meter(write)
    asked = there = 0
    cost = 0.0
    for start in range(0, len(rows), MOST_KEYS):
        some = {row.key: decode_item(row.item) for row in rows[start : start + MOST_KEYS]}
        keys = [{name: item[name] for name in form.form.keys} for item in some.values()]
        answer = await _exchange(client, batch_get_body(json.dumps({"TableName": write.table.name}), keys))
        unread = answer.unprocessed_keys.get(write.table.name)
        # What does not fit into the answer is left out: a sample is a sample.
        asked += len(keys) - (len(unread.keys) if unread is not None else 0)
        cost += answer.units or 0.0
        for raw in answer.responses.get(write.table.name, ()):
            item = decode_item(raw)
            meter.over(item, some[form.key_of(item)])
            there += 1
    counts = meter.units()
    return TargetSample(asked, there, cost, counts.put, counts.indexes, counts.compare)


async def _exchange(client: WireClient, body: bytes) -> BatchGetAnswer:
    async def exchange() -> BatchGetAnswer:
        response = await client.request("BatchGetItem", body)
        try:
            return read_batch_get(response.body)
        except ValueError as error:
            raise MalformedResponse(f"the answer to BatchGetItem is not DynamoDB's: {error}") from error

    return await retrying(exchange, PATIENCE)


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
) -> tuple[Sample, list[Row]]:
    """What the items of a source are, and the rows that the plan makes of them."""
    write = plan.write
    ttl = write.ttl_attribute if write is not None else None
    rows = RowEvaluator(
        plan.transform,
        write.key if write is not None else (),
        write.newest if write is not None else None,
        ttl,
    )
    context, meter = RowContext(read.table.name, plan.now), _Meter(write)
    items = size = 0
    made: list[Row] = []
    types: dict[str, Counter[Type]] = {}
    failures: dict[tuple[str, Span | None], tuple[str, int]] = {}
    known = read.table.description
    source = known.key[0].name if known is not None else ""
    target = write.key[0].name if write is not None and write.key else ""
    keys: tuple[set[str], set[str]] = (set(), set())
    expired = largest = 0
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
                made.append(row)
                written = decode_item(row.item)
                meter.add(written)
                keys[0].add(str(item.get(source)))
                keys[1].add(str(written.get(target)))
                expired += ttl is not None and _is_past(written.get(ttl), plan.now)
                largest = max(largest, item_size(written))
    told = tuple(Failure(code, first, span, count) for (code, span), (first, count) in failures.items())
    found = Sample(
        read.table, items, whole, cost, size, len(made), meter.units(), told, types,
        (frozenset(keys[0]), frozenset(keys[1])), expired, largest,
    )  # fmt: skip
    return found, made


def _is_past(expiry: Mapping[str, Any] | None, now: Timestamp) -> bool:
    """Whether an item with such a time of expiry is deleted; without one it stays."""
    return expiry is not None and "N" in expiry and Decimal(expiry["N"]) * 1000 <= now.millis


class _Meter:
    """Adds up the units of rows of a target."""

    def __init__(self, write: WriteExec | None) -> None:
        description = write.table.description if write is not None else None
        self._action = write.action if write is not None else None
        self._indexes = description.indexes if description is not None else ()
        self._key = frozenset(key.name for key in write.key) if write is not None else frozenset()
        self._counts: Counter[str] = Counter()

    def add(self, item: Item) -> None:
        """Count a new item."""
        self._count(item_size(item), item)

    def over(self, there: Item, row: Item) -> None:
        """Count an item that a row is written over, or that it deletes: the larger one is paid for."""
        match self._action:
            case Action.DELETE:
                self._count(item_size(there), there)
            case Action.MERGE | Action.MERGE_EXISTING:
                merged = {**there, **row}
                self._count(max(item_size(there), item_size(merged)), merged)
            case _:
                self._count(max(item_size(there), item_size(row)), row)

    def _count(self, size: int, item: Item) -> None:
        self._counts["put"] += int(write_units(size))
        self._counts["indexes"] += self._index_units(item)
        self._counts["compare"] += max(1, -(-size // STRONG_BYTES))

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
