"""The bodies of the data plane's requests and answers.

In and out: JSON bytes. Invariant: items stay raw; only what steers the job is decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

RAW_NONE = msgspec.Raw(b"")


class Capacity(msgspec.Struct):
    """ConsumedCapacity, as far as it is charged; index writes are in ``units`` already."""

    units: float = msgspec.field(name="CapacityUnits", default=0.0)


class ScanAnswer(msgspec.Struct, rename="pascal"):
    """A page of Scan. ``last_evaluated_key`` is empty on the last one."""

    items: msgspec.Raw = msgspec.field(default_factory=lambda: msgspec.Raw(b"[]"))
    count: int = 0
    scanned_count: int = 0
    last_evaluated_key: msgspec.Raw = RAW_NONE
    consumed_capacity: Capacity | None = None


class BatchWriteAnswer(msgspec.Struct, rename="pascal"):
    """Unprocessed puts by table, raw."""

    unprocessed_items: dict[str, list[msgspec.Raw]] = {}
    consumed_capacity: list[Capacity] | None = None


class _Put(msgspec.Struct, rename="pascal"):
    item: msgspec.Raw


class PutEntry(msgspec.Struct, rename="pascal"):
    put_request: _Put


class _BatchWrite(msgspec.Struct, rename="pascal"):
    request_items: dict[str, list[msgspec.Raw]]


_scan = msgspec.json.Decoder(ScanAnswer)
_batch = msgspec.json.Decoder(BatchWriteAnswer)
_request = msgspec.json.Decoder(_BatchWrite)
_entry = msgspec.json.Decoder(PutEntry)


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
    return _scan.decode(body)


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


def item_of(entry: bytes | msgspec.Raw) -> dict[str, dict[str, Any]]:
    """The item of an entry, decoded."""
    item: dict[str, dict[str, Any]] = msgspec.json.decode(_entry.decode(entry).put_request.item)
    return item
