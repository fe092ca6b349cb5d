"""The bodies of the data plane's requests and answers.

In and out: JSON bytes. Invariant: items stay raw; only what steers the job is decoded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.expressions.writing import Entry, Form, names_in

TOO_DEEP = "it is nested more deeply than anything of DynamoDB's"
RAW_NONE = msgspec.Raw(b"")
# Where the items of a page begin and end. Within them nothing but a brace stands behind a list, and a quotation mark in
# a text has a backslash before it.
ITEMS = b'"Items":['
BEHIND = re.compile(rb'\],"[A-Za-z]+":')
# Bytes at both ends of an answer in which that is looked for.
FRAME = 8 * 1024
# More units than any one request can use: 16 MB into a table with all its indexes is less.
MOST_UNITS = 1e6


class Capacity(msgspec.Struct):
    """ConsumedCapacity, as far as it is charged; index writes are in ``units`` already.

    ``units`` is from 0 to ``MOST_UNITS``, whatever the server says.
    """

    units: float = msgspec.field(name="CapacityUnits", default=0.0)

    def __post_init__(self) -> None:
        if not 0.0 <= self.units <= MOST_UNITS:
            self.units = 0.0 if math.isnan(self.units) else min(max(self.units, 0.0), MOST_UNITS)


class ScanAnswer(msgspec.Struct, rename="pascal"):
    """A page of Scan or Query: ``items`` is a list, of ``count`` items if the server counts well;
    ``last_evaluated_key`` is empty on the last one."""

    items: msgspec.Raw
    count: int
    scanned_count: int
    last_evaluated_key: msgspec.Raw = RAW_NONE
    consumed_capacity: Capacity | None = None


class BatchWriteAnswer(msgspec.Struct, rename="pascal"):
    """Unprocessed entries by table, raw."""

    unprocessed_items: dict[str, list[msgspec.Raw]]
    consumed_capacity: list[Capacity] | None = None


class _Put(msgspec.Struct, rename="pascal"):
    item: dict[str, msgspec.Raw]


class _Delete(msgspec.Struct, rename="pascal"):
    key: dict[str, msgspec.Raw]


class _Entry(msgspec.Struct, rename="pascal"):
    put_request: _Put | None = None
    delete_request: _Delete | None = None
    statement: str = ""
    parameters: list[msgspec.Raw] = []


class _Request(msgspec.Struct, rename="pascal"):
    request_items: dict[str, list[msgspec.Raw]] = {}
    statements: list[msgspec.Raw] = []


class _Frame(ScanAnswer, forbid_unknown_fields=True):
    """What stands around the items of DynamoDB's own answers; nothing else could be told from them."""


_scan = msgspec.json.Decoder(ScanAnswer)
_frame = msgspec.json.Decoder(_Frame)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_batch = msgspec.json.Decoder(BatchWriteAnswer)
_request = msgspec.json.Decoder(_Request)
_entry = msgspec.json.Decoder(_Entry)
_attributes = msgspec.json.Decoder(dict[str, msgspec.Raw])


def scan_body(fixed: str, segment: int, segments: int, start: bytes, limit: int | None = None) -> bytes:
    """A Scan request of a segment, or a Query request, which has one, from a position (a raw key; empty for the
    beginning)."""
    parts = [fixed[:-1]]
    if segments > 1:
        parts.append(f',"Segment":{segment},"TotalSegments":{segments}')
    if limit is not None:
        parts.append(f',"Limit":{limit}')
    if start:
        parts.append(',"ExclusiveStartKey":')
    return "".join(parts).encode() + start + b"}"


def read_scan(body: bytes, checked: bool = False) -> ScanAnswer:
    """Read an answer to Scan or Query; raises ValueError for what is none.

    The items are counted where they are read: by the statement, or by ``read_page``. ``checked``: a checksum says that
    the body is as it was sent, so whoever reads the items is the first to look at them.
    """
    try:
        answer = (_framed(body) if checked else None) or _scan_answer(body)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if not 0 <= answer.count <= answer.scanned_count:
        raise ValueError(f"Count is {answer.count:,}, ScannedCount {answer.scanned_count:,}")
    if bytes(memoryview(answer.items)[:1]) != b"[":
        raise ValueError("Items is no list")
    if not answer.count and items_of(answer.items):
        raise ValueError("Count is 0, and Items holds some")
    # From here on Count is believed: an item has two bytes at least.
    if 2 * answer.count > len(answer.items):
        raise ValueError(f"Count is {answer.count:,}, and Items has {len(answer.items):,} bytes")
    after = answer.last_evaluated_key
    if after != RAW_NONE:
        key = json.loads(bytes(after))
        if not isinstance(key, dict | None):
            raise ValueError("LastEvaluatedKey is no object")
        if not key:
            answer.last_evaluated_key = RAW_NONE
    return answer


def read_page(body: bytes) -> tuple[ScanAnswer, list[msgspec.Raw]]:
    """Read an answer to Scan with its items, which are counted; raises ValueError for what is none."""
    answer = read_scan(body)
    return answer, counted_items(answer.items, answer.count)


def counted_items(items: bytes | memoryview | msgspec.Raw, count: int) -> list[msgspec.Raw]:
    """The raw items of a page; raises ValueError for what is no list of so many."""
    found = items_of(items)
    if len(found) != count:
        raise ValueError(f"Count is {count:,}, and Items holds {len(found):,}")
    return found


def page_items(items: bytes | memoryview | msgspec.Raw, count: int) -> list[msgspec.Raw]:
    """The same of an answer that was taken for a good one; raises MalformedResponse."""
    try:
        return counted_items(items, count)
    except ValueError as error:
        raise MalformedResponse(f"the answer is not DynamoDB's: {error}") from error


def _scan_answer(body: bytes) -> ScanAnswer:
    try:
        return _scan.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # Half of a surrogate pair: the standard library takes it, and writes it as it was.
        found = json.loads(body)
        if not isinstance(found, dict):
            raise ValueError("it is no object") from None
        raw = ("Items", "LastEvaluatedKey")
        return msgspec.convert({n: _again(v) if n in raw else v for n, v in found.items()}, ScanAnswer)


def _framed(body: bytes) -> ScanAnswer | None:
    """An answer of which only what stands around its items was read; None where these cannot be told from it."""
    before = body.find(ITEMS, 0, FRAME)
    if before < 0:
        return None
    start = before + len(ITEMS) - 1
    behind = BEHIND.search(body, max(start, len(body) - FRAME))
    if behind is None:
        return None
    try:
        answer = _frame.decode(body[: start + 1] + body[behind.start() :])
    except msgspec.DecodeError:
        return None
    # Where Count is 0, all is looked at.
    if bytes(memoryview(answer.items)) != b"[]" or not answer.count:
        return None
    answer.items = msgspec.Raw(memoryview(body)[start : behind.start() + 1])
    return answer


def items_of(items: bytes | memoryview | msgspec.Raw) -> list[msgspec.Raw]:
    """The raw items of a page; raises ValueError for what is no list."""
    try:
        try:
            return _items.decode(items)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return [_again(item) for item in json.loads(bytes(items))]
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def _again(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value, separators=(",", ":")).encode())


def read_batch_write(body: bytes) -> BatchWriteAnswer:
    """Read an answer to BatchWriteItem; raises ValueError for what is none."""
    try:
        return _batch.decode(body)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None


def batch_body(form: Form, entries: Iterable[bytes | msgspec.Raw]) -> bytes:
    """A request of raw entries."""
    return form.head.encode() + b",".join(map(bytes, entries)) + form.tail.encode()


def put_entry(item: bytes) -> bytes:
    """An entry of BatchWriteItem that puts a raw item."""
    return b'{"PutRequest":{"Item":' + item + b"}}"


def entry(form: Form, item: bytes) -> bytes | None:
    """The entry that writes a raw item, or deletes a raw key; None where no entry of this form can say it."""
    if form.entry in (Entry.PUT, Entry.DELETE):
        return form.opening.encode() + item + form.closing.encode()
    attributes = _attributes.decode(item)
    behind = form.keys if form.entry is Entry.UPDATE else ()
    names = [name for name in attributes if name not in behind]
    labels = ",".join(map(form.label, names)).encode()
    if not names or not form.takes(attributes) or len(labels) > form.room:
        return None
    parameters = b",".join(bytes(attributes[name]) for name in (*names, *behind))
    return form.opening.encode() + labels + form.middle.encode() + parameters + form.closing.encode()


def entries_of(body: bytes | memoryview) -> list[msgspec.Raw]:
    """The raw entries of a request that writes to one table."""
    request = _request.decode(body)
    for entries in request.request_items.values():
        return entries
    return request.statements


def attributes_of(entry: bytes | msgspec.Raw, kind: Entry | None = None) -> dict[str, msgspec.Raw]:
    """The raw attributes of an entry by name: the item, the attributes of a statement, or the key to delete.

    Raises ValueError for what is no entry, or no put or delete where that ``kind`` is asked for.
    """
    found = _entry.decode(entry)
    if found.put_request is not None and kind is not Entry.DELETE:
        return found.put_request.item
    if found.delete_request is not None and kind is not Entry.PUT:
        return found.delete_request.key
    if not found.statement:
        raise ValueError("it is no entry of that kind")
    return dict(zip(_names_in(found.statement), found.parameters, strict=True))


# Most rows of a job have the same attributes.
_names_in = lru_cache(256)(names_in)


class UnprocessedKeys(msgspec.Struct, rename="pascal"):
    keys: list[dict[str, Any]]


class BatchGetAnswer(msgspec.Struct, rename="pascal"):
    """Items by table, raw, and keys that were not looked at."""

    responses: dict[str, list[msgspec.Raw]]
    unprocessed_keys: dict[str, UnprocessedKeys] = {}
    consumed_capacity: list[Capacity] | None = None

    @property
    def units(self) -> float | None:
        """What was consumed, None where the server does not say."""
        return sum(one.units for one in self.consumed_capacity) if self.consumed_capacity else None


_batch_get = msgspec.json.Decoder(BatchGetAnswer)


def batch_get_body(fixed: str, keys: Sequence[Mapping[str, Any]]) -> bytes:
    """A BatchGetItem request of keys, with the projection of a Scan or Query request; without its filter."""
    scan = json.loads(fixed)
    wanted: dict[str, Any] = {"Keys": list(keys)}
    if (projection := scan.get("ProjectionExpression")) is not None:
        used = set(projection.split(", "))
        names = {mark: name for mark, name in scan["ExpressionAttributeNames"].items() if mark in used}
        wanted |= {"ProjectionExpression": projection, "ExpressionAttributeNames": names}
    if scan.get("ConsistentRead"):
        wanted["ConsistentRead"] = True
    request = {"RequestItems": {scan["TableName"]: wanted}, "ReturnConsumedCapacity": "TOTAL"}
    return json.dumps(request, separators=(",", ":")).encode()


def read_batch_get(body: bytes) -> BatchGetAnswer:
    """Read an answer to BatchGetItem; raises ValueError for what is none."""
    try:
        try:
            return _batch_get.decode(body)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # Half of a surrogate pair, as in read_scan.
            found = json.loads(body)
            if not isinstance(found, dict) or not isinstance(found.get("Responses"), dict):
                raise ValueError("it has no Responses") from None
            items = {name: list(map(_again, some)) for name, some in found["Responses"].items()}
            return msgspec.convert(found | {"Responses": items}, BatchGetAnswer)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    except TypeError as error:
        raise ValueError(str(error)) from None
