"""The bodies of the data plane's requests and answers.

In and out: JSON bytes. Invariant: items stay raw; only what steers the job is decoded.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

RAW_NONE = msgspec.Raw(b"")


class Capacity(msgspec.Struct):
    """ConsumedCapacity, as far as it is charged; index writes are in ``units`` already."""

    units: float = msgspec.field(name="CapacityUnits", default=0.0)


class ScanAnswer(msgspec.Struct, rename="pascal"):
    """A page of Scan. ``last_evaluated_key`` is empty on the last one."""

    items: msgspec.Raw
    count: int
    scanned_count: int
    last_evaluated_key: msgspec.Raw = RAW_NONE
    consumed_capacity: Capacity | None = None


class BatchWriteAnswer(msgspec.Struct, rename="pascal"):
    """Unprocessed puts by table, raw."""

    unprocessed_items: dict[str, list[msgspec.Raw]]
    consumed_capacity: list[Capacity] | None = None


class _Put(msgspec.Struct, rename="pascal"):
    item: dict[str, msgspec.Raw]


class _PutEntry(msgspec.Struct, rename="pascal"):
    put_request: _Put


class _BatchWrite(msgspec.Struct, rename="pascal"):
    request_items: dict[str, list[msgspec.Raw]]


class _OpenBatchWrite(msgspec.Struct, rename="pascal"):
    request_items: dict[str, list[_PutEntry]]


_scan = msgspec.json.Decoder(ScanAnswer)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_batch = msgspec.json.Decoder(BatchWriteAnswer)
_request = msgspec.json.Decoder(_BatchWrite)
_open_request = msgspec.json.Decoder(_OpenBatchWrite)
_content = msgspec.json.Decoder(dict[str, str])


def scan_body(fixed: str, segment: int, segments: int, start: bytes, limit: int | None = None) -> bytes:
    """A Scan request of a segment from a position (a raw key; empty for the beginning)."""
    parts = [fixed[:-1]]
    if segments > 1:
        parts.append(f',"Segment":{segment},"TotalSegments":{segments}')
    if limit is not None:
        parts.append(f',"Limit":{limit}')
    if start:
        parts.append(',"ExclusiveStartKey":')
    return "".join(parts).encode() + start + b"}"


def read_scan(body: bytes) -> ScanAnswer:
    """Read an answer to Scan; raises ValueError for what is none."""
    try:
        return _scan.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # Half of a surrogate pair: the standard library takes it, and writes it as it was.
        found = json.loads(body)
        raw = ("Items", "LastEvaluatedKey")
        return msgspec.convert({n: _again(v) if n in raw else v for n, v in found.items()}, ScanAnswer)


def items_of(items: bytes | memoryview | msgspec.Raw) -> list[msgspec.Raw]:
    """The raw items of a page."""
    try:
        return _items.decode(items)
    except msgspec.DecodeError:
        return [_again(item) for item in json.loads(bytes(items))]


def _again(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value, separators=(",", ":")).encode())


def read_batch_write(body: bytes) -> BatchWriteAnswer:
    return _batch.decode(body)


def batch_write_body(table: str, entries: Sequence[bytes | msgspec.Raw]) -> bytes:
    """A BatchWriteItem request of raw entries (``{"PutRequest":…}``)."""
    head = b'{"RequestItems":{' + msgspec.json.encode(table) + b":["
    return head + b",".join(map(bytes, entries)) + b']},"ReturnConsumedCapacity":"INDEXES"}'


def put_entry(item: bytes) -> bytes:
    """An entry of BatchWriteItem that puts a raw item."""
    return b'{"PutRequest":{"Item":' + item + b"}}"


def entries_of(body: bytes | memoryview) -> list[msgspec.Raw]:
    """The raw entries of a BatchWriteItem request to one table."""
    (entries,) = _request.decode(body).request_items.values()
    return entries


def key_contents(body: bytes | memoryview, names: Sequence[str]) -> list[list[dict[str, str]]]:
    """The named attributes of each item of a BatchWriteItem request to one table; S, N or B, as a key's are."""
    (entries,) = _open_request.decode(body).request_items.values()
    return [[_content.decode(entry.put_request.item[name]) for name in names] for entry in entries]
