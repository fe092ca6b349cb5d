"""The canned server's own ceiling, measured by the leanest client that there can be.

In: the address of a canned server, the kind of request, how many in flight, seconds. Out: one line of JSON: requests,
items, wall seconds and CPU seconds of this client. The server's share is read from its own counters by whoever
started this.

Requests are finished bytes, made once, with one fixed Authorization header of the right form; of an answer only its
length is looked at. So whatever a client under test needs beyond this is that client's, not the server's.

Invariant: one request in flight on each connection.

    python -m tests.benchmarks.ceiling http://127.0.0.1:8000 write --in-flight 16 --seconds 3
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import itertools
import json
import resource
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from tests.benchmarks import canned_data
from tests.benchmarks.canned_checks import ACCESS_KEY
from tests.benchmarks.canned_data import SOURCES, TARGET, Shape
from tests.benchmarks.fast_loop import run_fast

BATCH = 25
OPERATIONS = {"write": "BatchWriteItem", "insert": "BatchExecuteStatement", "scan": "Scan"}


@dataclass(slots=True)
class Tally:
    """What all connections did together, and until when they go on."""

    ends: float
    requests: int = 0
    received: int = 0


class LeanConnection(asyncio.Protocol):
    """Sends the next request as soon as the last answer is complete."""

    def __init__(self, requests: Iterator[bytes], tally: Tally, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._tally = tally
        self._done = done
        self._missing = 0
        self._start = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._tally.received += len(data)
        if self._missing == 0:
            data = self._start + data if self._start else data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._start = data
                return
            self._start = b""
            if not data.startswith(b"HTTP/1.1 200"):
                self._fail(ConnectionError(data[:2000].decode("latin-1")))
                return
            at = data.index(b"Content-Length: ") + 16
            self._missing = end + 4 + int(data[at : data.index(b"\r", at)])
        self._missing -= len(data)
        if self._missing == 0:
            self._tally.requests += 1
            if time.monotonic() < self._tally.ends:
                self._transport.write(next(self._requests))
            else:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            if exc is None and self._missing == 0:
                self._done.set_result(None)
            else:
                self._fail(exc or ConnectionError("the server hung up inside an answer"))

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)
        self._transport.close()


def request_bytes(operation: str, body: bytes) -> bytes:
    """Return one finished HTTP request, its signature of the right form and of no meaning."""
    return (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: DynamoDB_20120810.%s\r\n"
        b"Content-Type: application/x-amz-json-1.0\r\nX-Amz-Date: 20170505T000000Z\r\n"
        b"Authorization: AWS4-HMAC-SHA256 Credential=%s/20170505/us-east-1/dynamodb/aws4_request, "
        b"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=%s\r\nContent-Length: %d\r\n\r\n%s"
    ) % (operation.encode(), ACCESS_KEY.encode(), b"0" * 64, len(body), body)


def write_bodies(count: int) -> list[bytes]:
    """Return bodies of BatchWriteItem as the main job sends them: 25 items of four attributes."""
    return [
        canned_data.compact(
            {
                "RequestItems": {TARGET: [{"PutRequest": {"Item": item}} for item in items]},
                "ReturnConsumedCapacity": "INDEXES",
            }
        ).encode()
        for items in batches(count)
    ]


def insert_bodies(count: int) -> list[bytes]:
    """Return bodies of BatchExecuteStatement with the same items: 25 INSERTs that fail where the key is there already."""
    return [
        canned_data.compact(
            {"Statements": [inserting(item) for item in items], "ReturnConsumedCapacity": "INDEXES"}
        ).encode()
        for items in batches(count)
    ]


def inserting(item: dict[str, Any]) -> dict[str, Any]:
    """Return the statement of one item."""
    places = ",".join(f"'{name}':?" for name in item)
    return {"Statement": f'INSERT INTO "{TARGET}" VALUE {{{places}}}', "Parameters": list(item.values())}


def batches(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield so many lists of 25 items of the target."""
    for number in range(count):
        items = []
        for item in canned_data.page_items(number % len(SOURCES), number, Shape(count, BATCH)):
            order = item.get("OrderID", {}).get("S") or "112-0000000-0000000"
            items.append(canned_data.promoted({**item, "OrderID": {"S": order}}))
        yield items


def scan_bodies(pages_per_table: int) -> list[bytes]:
    """Return bodies of Scan, one for each page of all source tables: a segment a page, so that none waits for a key."""
    return [
        canned_data.compact(
            {
                "TableName": table,
                "Segment": page,
                "TotalSegments": pages_per_table,
                "ReturnConsumedCapacity": "INDEXES",
            }
        ).encode()
        for page in range(pages_per_table)
        for table in SOURCES
    ]


def bodies(kind: str, pages_per_table: int) -> list[bytes]:
    """Return bodies of one kind of request, for a server of so many pages."""
    match kind:
        case "write":
            return write_bodies(64)
        case "insert":
            return insert_bodies(64)
        case _:
            return scan_bodies(pages_per_table)


async def drive(url: str, requests: list[bytes], in_flight: int, seconds: float, tls: ssl.SSLContext | None) -> Tally:
    """Send requests round and round, one on each of so many connections, for so many seconds."""
    loop = asyncio.get_running_loop()
    where = urlsplit(url)
    tally = Tally(time.monotonic() + seconds)
    endless = itertools.cycle(requests)
    ends = [loop.create_future() for _ in range(in_flight)]
    for end in ends:
        connection = functools.partial(LeanConnection, endless, tally, end)
        await loop.create_connection(connection, where.hostname or "127.0.0.1", where.port or 443, ssl=tls)
    await asyncio.gather(*ends)
    return tally


def main() -> None:
    """Measure as the command line says and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ceiling")
    parser.add_argument("url")
    parser.add_argument("kind", choices=OPERATIONS)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--pages", type=int, default=1, help="pages of each table, as the server has them")
    parser.add_argument("--certificate", help="what to trust, for https")
    given = parser.parse_args()
    tls = ssl.create_default_context(cafile=given.certificate) if given.certificate else None
    requests = [request_bytes(OPERATIONS[given.kind], body) for body in bodies(given.kind, given.pages)]
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    tally = run_fast(drive(given.url, requests, given.in_flight, given.seconds, tls))
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"requests": tally.requests, "bytes": tally.received, "wall": wall, "cpu": cpu}))


if __name__ == "__main__":
    main()
