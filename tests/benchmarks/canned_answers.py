"""The canned server's answers: DynamoDB's operations without storage.

In: an operation's name and a request body. Out: the parts of a response body, and the CRC32 of all of them.

- Scan replays pages made once (canned_data.py). Segment, TotalSegments, ExclusiveStartKey and Limit are honoured:
  over all segments every item is returned exactly once. ConsumedCapacity is computed from the sizes of the items
  read.
- ProjectionExpression and FilterExpression: with `pushdown` off (the default) they are accepted and ignored, so that
  every client gets the same bytes and does the whole job itself. With `pushdown` on, they are honoured as in
  DynamoDB, for whoever sends them: projections of top-level attributes, filters as far as canned_filter.py goes; a
  Scan beyond that gets whole pages and is counted in `pushdowns_ignored`. Either way ScannedCount and the capacity
  are those of the whole page.
- BatchWriteItem, BatchExecuteStatement (INSERT and UPDATE), PutItem and UpdateItem: the number of requests of a batch is
  checked (1 to 25). In the timed mode the body is not decoded: items are counted by their marks, the whole capacity is
  the first named table's, one unit for each item (more, if the mean item passes 1 KB). In verify mode every item is
  decoded, statements, parameters and conditions are checked (canned_writes.py), then its key, and the canonical form of
  what it leaves behind is kept: of a delete, the key.
- BatchGetItem finds nothing, since nothing is stored: an INSERT or a PutItem meets no item. An UPDATE or UpdateItem meets
  one that has its key and nothing else.
- Nothing is ever throttled, and every write is processed. A write that verify mode does not understand is refused whole,
  with its siblings, so that no run goes on without it.

Invariant: in the timed mode the work for a request does not depend on who sent it.
"""

from __future__ import annotations

import functools
import json
import math
import re
import resource
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from tests.benchmarks import canned_checks, canned_data, canned_writes
from tests.benchmarks.canned_data import TARGET, PageStore, View
from tests.benchmarks.canned_filter import NotUnderstood
from tests.benchmarks.canned_tables import Mode, Refused, control, source_number

MAX_BATCH = 25
MAX_GETS = 100
MAX_VIEWS = 16
ENDS = 512
"""Bytes at each end of a write in which the timed mode looks for what steers it."""


@dataclass(slots=True)
class Counters:
    """What happened since the last configuration. Times are seconds of this process's monotonic clock."""

    requests: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    items_read: int = 0
    items_returned: int = 0
    items_written: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    answers: int = 0
    connections: int = 0
    pushdowns_ignored: int = 0
    first_data: float | None = None
    last_data: float | None = None


class Canned:
    """The answers: from an operation's name and a body to the parts of a response body and its CRC32."""

    def __init__(self, mode: Mode, cache_bytes: int, clock: Callable[[], float]) -> None:
        self.mode = mode
        self.counters = Counters()
        self.written: Counter[str] = Counter()
        self._clock = clock
        self._store = PageStore(cache_bytes)
        self._views: set[View] = set()

    def configure(self, mode: Mode) -> None:
        """Take a new mode, make its pages and clear the counters."""
        self.mode = mode
        self._store.warm(mode.shape, canned_data.WHOLE)
        if mode.pushdown:
            # What was asked for before, in the run that compared results, will be asked for again.
            for view in self._views:
                self._store.warm(mode.shape, view)
        self.counters = Counters()
        self.written.clear()

    def stats(self) -> dict[str, Any]:
        """Return the counters, this process's CPU seconds since it started, and what the job is to read and write.

        In verify mode also the digest of what was written.
        """
        shape = self.mode.shape
        expected_written = shape.items if self.mode.copies else canned_data.promoted_items(shape)
        digest = canned_checks.digest(self.written) if self.mode.verify else None
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            **{name: getattr(self.counters, name) for name in Counters.__slots__},
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * 1024,
            "mode": asdict(self.mode),
            "expected_read": shape.items,
            "expected_written": expected_written,
            "digest": digest,
        }

    def answer(self, operation: str, body: bytes) -> tuple[tuple[bytes, ...], int]:
        """Answer one operation. Returns the parts of the body and the CRC32 of all of them. Raises Refused."""
        match operation:
            case "BatchWriteItem":
                return self._data(self._batch_write, body)
            case "Scan":
                return self._data(self._scan, body)
            case "BatchExecuteStatement":
                return self._data(self._batch_execute, body)
            case "PutItem":
                return self._data(self._put, body)
            case "UpdateItem":
                return self._data(self._update, body)
            case "BatchGetItem":
                return self._data(self._batch_get, body)
            case _:
                made = json.dumps(control(operation, json.loads(body), self.mode)).encode()
                return (made,), zlib.crc32(made)

    def _data(
        self, operation: Callable[[bytes], tuple[tuple[bytes, ...], int]], body: bytes
    ) -> tuple[tuple[bytes, ...], int]:
        if self.counters.first_data is None:
            self.counters.first_data = self._clock()
        made = operation(body)
        self.counters.last_data = self._clock()
        return made

    def _scan(self, body: bytes) -> tuple[tuple[bytes, ...], int]:
        request = json.loads(body)
        name = request["TableName"]
        table = source_number(name, self.mode)
        if table is None:
            empty = b'{"Items":[],"Count":0,"ScannedCount":0}'
            return (empty,), zlib.crc32(empty)
        shape = self.mode.shape
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        if not 0 <= segment < segments <= 1_000_000:
            raise Refused("ValidationException", f"Segment {segment} of TotalSegments {segments}")
        numbers = shape.segment(table, segment, segments)
        at, skip = 0, 0
        start = request.get("ExclusiveStartKey")
        if start is not None:
            number, skip = self._position(table, start)
            if number not in numbers:
                raise Refused("ValidationException", "The provided starting key is outside of this segment")
            at = numbers.index(number)
            if skip == shape.items_per_page:
                at, skip = at + 1, 0
        view = self._view(request)
        limit = request.get("Limit", shape.items_per_page)
        more = at + 1 < len(numbers)
        if at >= len(numbers):
            head, crc, count, scanned, size, last_key = b'{"Items":[', zlib.crc32(b'{"Items":['), 0, 0, 0, None
            head, crc = head + b"]", zlib.crc32(b"]", crc)
        elif skip or limit < shape.items_per_page:
            page = canned_data.part_of_page(table, numbers[at], shape, view, skip, limit)
            head, crc, count, scanned, size = page.head, page.crc, page.count, page.scanned, page.size
            last_key = page.last_key if more or skip + limit < shape.items_per_page else None
        else:
            page = self._store.page(table, numbers[at], shape, view)
            head, crc, count, scanned, size = page.head, page.crc, page.count, page.scanned, page.size
            last_key = page.last_key if more else None
        tail = f',"Count":{count},"ScannedCount":{scanned}'
        if last_key is not None:
            tail += f',"LastEvaluatedKey":{last_key}'
        if _wants_capacity(request.get("ReturnConsumedCapacity", "NONE")):
            units = math.ceil(size / 4096) * (1.0 if request.get("ConsistentRead") else 0.5)
            tail += f',"ConsumedCapacity":{_capacity(name, units, request["ReturnConsumedCapacity"])}'
        ending = f"{tail}}}".encode()
        self.counters.items_read += scanned
        self.counters.items_returned += count
        return (head, ending), zlib.crc32(ending, crc)

    def _position(self, table: int, start: dict[str, Any]) -> tuple[int, int]:
        """Return the page of a start key and how many of its items lie before or at the key."""
        shape = self.mode.shape
        try:
            of_table, number = canned_data.page_of_key(start)
        except ValueError:
            of_table, number = -1, -1
        if of_table != table or not 0 <= number < shape.pages_of(table):
            raise Refused("ValidationException", "The provided starting key is invalid")
        if canned_data.compact(start) == self._store.page(table, number, shape, canned_data.WHOLE).last_key:
            # To look for a key among the items of a page takes long.
            return number, shape.items_per_page
        place = canned_data.place_of_key(table, number, shape, start)
        if place is None:
            raise Refused("ValidationException", "The provided starting key is invalid")
        return number, place + 1

    def _view(self, request: dict[str, Any]) -> View:
        if not self.mode.pushdown:
            return canned_data.WHOLE
        try:
            view = View.of(request)
        except NotUnderstood:
            self.counters.pushdowns_ignored += 1
            view = canned_data.WHOLE
        if len(self._views) < MAX_VIEWS:
            self._views.add(view)
        return view

    def _batch_write(self, body: bytes) -> tuple[tuple[bytes, ...], int]:
        count = body.count(b'"PutRequest"') + body.count(b'"DeleteRequest"')
        if not 1 <= count <= MAX_BATCH:
            raise Refused(
                "ValidationException", f"{count} requests in one BatchWriteItem; 1 to {MAX_BATCH} are allowed"
            )
        if self.mode.verify:
            for table, writes in json.loads(body)["RequestItems"].items():
                self._keep(table, [self._written(write) for write in writes])
        self.counters.items_written += count
        return _batch_answer(_named(_FIRST_TABLE, body), _units(count, body), _capacity_kind(body))

    def _batch_execute(self, body: bytes) -> tuple[tuple[bytes, ...], int]:
        count = body.count(b'"Statement"')
        if not 1 <= count <= MAX_BATCH:
            raise Refused("ValidationException", f"{count} statements in one batch; 1 to {MAX_BATCH} are allowed")
        if self.mode.verify:
            by_table = defaultdict(list)
            for statement in json.loads(body)["Statements"]:
                table, item = _understood(canned_writes.statement_item, statement)
                by_table[table].append(item)
            for table, items in by_table.items():
                self._keep(table, items)
        self.counters.items_written += count
        return _statement_answer(_named(_FIRST_STATEMENT, body), count, _units(count, body), _capacity_kind(body))

    def _put(self, body: bytes) -> tuple[tuple[bytes, ...], int]:
        return self._single(canned_writes.put_item, body)

    def _update(self, body: bytes) -> tuple[tuple[bytes, ...], int]:
        return self._single(canned_writes.updated_item, body)

    def _single(self, decode: Decode, body: bytes) -> tuple[tuple[bytes, ...], int]:
        if self.mode.verify:
            table, item = _understood(decode, json.loads(body))
            self._keep(table, [item])
        self.counters.items_written += 1
        return _single_answer(_named(_TABLE_NAME, body), _units(1, body), _capacity_kind(body))

    def _batch_get(self, body: bytes) -> tuple[tuple[bytes, ...], int]:
        request = json.loads(body)
        units = {}
        for table, asked in request["RequestItems"].items():
            forms = self._key_forms(table, asked["Keys"])
            if len(set(forms)) != len(forms):
                raise Refused("ValidationException", "Provided list of item keys contains duplicates")
            # What is not there costs as much as what is small.
            units[table] = len(forms) * (1.0 if asked.get("ConsistentRead") else 0.5)
        count = sum(len(asked["Keys"]) for asked in request["RequestItems"].values())
        if not 1 <= count <= MAX_GETS:
            raise Refused("ValidationException", f"{count} keys in one BatchGetItem; 1 to {MAX_GETS} are allowed")
        answer: dict[str, Any] = {"Responses": {table: [] for table in units}, "UnprocessedKeys": {}}
        kind = request.get("ReturnConsumedCapacity", "NONE")
        if _wants_capacity(kind):
            answer["ConsumedCapacity"] = [json.loads(_capacity(table, used, kind)) for table, used in units.items()]
        made = canned_data.compact(answer).encode()
        return (made,), zlib.crc32(made)

    def _keep(self, table: str, items: list[dict[str, Any]]) -> None:
        """Check written items as DynamoDB would and keep their canonical forms."""
        keys = self._key_forms(table, items)
        if len(set(keys)) != len(keys):
            raise Refused("ValidationException", "Provided list of item keys contains duplicates")
        try:
            self.written.update([canned_checks.canonical_item(item) for item in items])
        except (ArithmeticError, ValueError) as error:
            raise Refused("ValidationException", str(error)) from None

    def _written(self, write: dict[str, Any]) -> dict[str, Any]:
        """Return the item of a put, the key of a delete."""
        match write:
            case {"PutRequest": {"Item": dict(item)}}:
                return item
            case {"DeleteRequest": {"Key": dict(key)}} if len(key) == len(self.mode.target_key):
                return key
        raise Refused("ValidationException", f"neither a put nor a delete: {write!r}"[:200])

    def _key_forms(self, table: str, items: list[dict[str, Any]]) -> list[str]:
        """Return the canonical key of each item. Raises Refused for a key that is not the target's."""
        if table != TARGET:
            raise Refused("ResourceNotFoundException", f"{table} is not written by the job")
        forms = []
        for item in items:
            key = {name: item.get(name, {}) for name, _ in self.mode.target_key}
            types = [[type_] for _, type_ in self.mode.target_key]
            if [list(value) for value in key.values()] != types or not key["CustomerID"]["S"]:
                raise Refused("ValidationException", f"missing or mistyped key: {item!r}")
            try:
                forms.append(canned_checks.canonical_item(key))
            except (ArithmeticError, ValueError) as error:
                raise Refused("ValidationException", str(error)) from None
        return forms


Decode: TypeAlias = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]


def _understood(decode: Decode, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return table and item of a write. Raises Refused."""
    try:
        return decode(request)
    except canned_writes.ConditionFailed:
        raise Refused("ConditionalCheckFailedException", "The conditional request failed") from None
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refused("ValidationException", f"{type(error).__name__}: {error}") from None


_FIRST_TABLE = re.compile(rb'"RequestItems"\s*:\s*\{\s*"([^"]+)"')
_FIRST_STATEMENT = re.compile(rb'"Statement"\s*:\s*"\s*(?:INSERT\s+INTO|UPDATE)\s+\\"([^"\\]+)\\"', re.IGNORECASE)
_CAPACITY = re.compile(rb'"ReturnConsumedCapacity"\s*:\s*"(INDEXES|TOTAL|NONE)"')
_TABLE_NAME = re.compile(rb'"TableName"\s*:\s*"([^"]+)"')


def _named(pattern: re.Pattern[bytes], body: bytes) -> str:
    """Return the first table that a body names, without decoding it."""
    found = pattern.search(body)
    return found[1].decode() if found is not None else "?"


def _units(count: int, body: bytes) -> int:
    """Return the write units of so many items: one each, or what their mean size makes."""
    return count * max(1, math.ceil(len(body) / count / 1024))


def _wants_capacity(kind: str) -> bool:
    return kind in ("TOTAL", "INDEXES")


def _capacity_kind(body: bytes) -> str:
    """Return ReturnConsumedCapacity of a body that is not decoded: it stands before the writes, or behind them."""
    for end in (body[-ENDS:], body[:ENDS]):
        found = _CAPACITY.search(end)
        if found is not None:
            return found[1].decode()
    return "NONE"


def _capacity(table: str, units: float, kind: str) -> str:
    shown = {"TableName": table, "CapacityUnits": float(units)}
    if kind == "INDEXES":
        shown["Table"] = {"CapacityUnits": float(units)}
    return canned_data.compact(shown)


@functools.lru_cache(maxsize=4096)
def _batch_answer(table: str, units: int, kind: str) -> tuple[tuple[bytes, ...], int]:
    consumed = f',"ConsumedCapacity":[{_capacity(table, units, kind)}]' if _wants_capacity(kind) else ""
    made = f'{{"UnprocessedItems":{{}}{consumed}}}'.encode()
    return (made,), zlib.crc32(made)


@functools.lru_cache(maxsize=4096)
def _statement_answer(table: str, count: int, units: int, kind: str) -> tuple[tuple[bytes, ...], int]:
    consumed = f',"ConsumedCapacity":[{_capacity(table, units, kind)}]' if _wants_capacity(kind) else ""
    responses = ",".join([canned_data.compact({"TableName": table})] * count)
    made = f'{{"Responses":[{responses}]{consumed}}}'.encode()
    return (made,), zlib.crc32(made)


@functools.lru_cache(maxsize=4096)
def _single_answer(table: str, units: int, kind: str) -> tuple[tuple[bytes, ...], int]:
    consumed = f'"ConsumedCapacity":{_capacity(table, units, kind)}' if _wants_capacity(kind) else ""
    made = f"{{{consumed}}}".encode()
    return (made,), zlib.crc32(made)
