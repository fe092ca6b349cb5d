"""A proxy in front of a local server that remembers what a job asked for: every page that it read, every row it put.

In: a server's address. Out: the proxy's own, to be given to processes; pages and puts as they went by. Pages hold at
most ``PAGE`` items, as pages of large items would.

Invariant: it changes nothing but that, and it only ever listens on 127.0.0.1. An answer is held only where a test asks
for it.
"""

from __future__ import annotations

import json
import socketserver
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from typing import Any
from urllib.parse import urlsplit

Item = dict[str, dict[str, Any]]
# A split: its table and its segment.
Split = tuple[str, int]

# Items of a page.
PAGE = 40


@dataclass(frozen=True, slots=True)
class Page:
    """A page of Scan: its items, and where the next one begins; "" for the last one."""

    items: tuple[Item, ...]
    after: str


@dataclass(slots=True)
class Witness:
    """What went by so far. ``put``: rows as they were asked for, ``acknowledged``: those that the server has taken,
    ``writes``: when each request to write came, by the monotonic clock, and of how many rows."""

    upstream: str
    url: str = ""
    pages: dict[Split, dict[str, Page]] = field(default_factory=dict)
    put: list[Item] = field(default_factory=list)
    acknowledged: list[Item] = field(default_factory=list)
    writes: list[tuple[float, int]] = field(default_factory=list)
    scans: int = 0
    _held: set[str] = field(default_factory=set)
    _waiting: int = 0
    _connections: int = 0
    _changed: Condition = field(default_factory=Condition)

    def wait_for_scans(self, count: int, timeout: float = 60) -> bool:
        """Wait until so many pages were asked for."""
        with self._changed:
            return self._changed.wait_for(lambda: self.scans >= count, timeout)

    def wait_for_puts(self, count: int, timeout: float = 60) -> bool:
        """Wait until so many rows were taken by the server."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self.acknowledged) >= count, timeout)

    def wait_until_alone(self, timeout: float = 60) -> bool:
        """Wait until nobody is connected: then nothing more will come of a process that has ended."""
        with self._changed:
            return self._changed.wait_for(lambda: self._connections == 0, timeout)

    @contextmanager
    def holding(self, operation: str) -> Iterator[None]:
        """Give no answers to an operation within the context; those that wait are given afterwards."""
        with self._changed:
            self._held.add(operation)
        try:
            yield
        finally:
            with self._changed:
                self._held.discard(operation)
                self._changed.notify_all()

    def wait_for_held(self, timeout: float = 60) -> bool:
        """Wait until somebody waits for an answer that is held."""
        with self._changed:
            return self._changed.wait_for(lambda: self._waiting > 0, timeout)

    def hold(self, operation: str) -> None:
        """Wait as long as the answers to an operation are held."""
        with self._changed:
            if operation in self._held:
                self._waiting += 1
                self._changed.notify_all()
                self._changed.wait_for(lambda: operation not in self._held)
                self._waiting -= 1

    def before(self, split: Split, after: bytes, done: bool) -> list[Item]:
        """The items of a split's pages before a position, a LastEvaluatedKey; all of them if it is ``done``."""
        found: list[Item] = []
        start, end = "", position(json.loads(after or b"null"))
        while done or start != end:
            page = self.pages[split][start]
            found += page.items
            start = page.after
            if not start:
                break
        return found

    def connected(self, more: int) -> None:
        with self._changed:
            self._connections += more
            self._changed.notify_all()

    def asks(self, operation: str, request: Any) -> None:
        """Take note of a request before it is made."""
        with self._changed:
            if operation == "Scan":
                self.scans += 1
                request["Limit"] = min(PAGE, request.get("Limit", PAGE))
            elif operation == "BatchWriteItem":
                rows = _rows(request["RequestItems"])
                self.put += rows
                self.writes.append((time.monotonic(), len(rows)))
            self._changed.notify_all()

    def answers(self, operation: str, request: Any, answer: Any) -> None:
        """Take note of an answer before it is given."""
        with self._changed:
            if operation == "Scan":
                split = (request["TableName"], request.get("Segment", 0))
                page = Page(tuple(answer["Items"]), position(answer.get("LastEvaluatedKey")))
                self.pages.setdefault(split, {})[position(request.get("ExclusiveStartKey"))] = page
            elif operation == "BatchWriteItem":
                left = _rows(answer.get("UnprocessedItems", {}))
                self.acknowledged += [row for row in _rows(request["RequestItems"]) if row not in left]
            self._changed.notify_all()


def position(key: Any) -> str:
    """A place in a table, equal for equal places; "" for the beginning or the end."""
    return json.dumps(key, sort_keys=True) if key else ""


def _rows(requests: dict[str, Any]) -> list[Item]:
    return [entry["PutRequest"]["Item"] for entries in requests.values() for entry in entries]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, witness: Witness) -> None:
        self.witness = witness
        super().__init__(("127.0.0.1", 0), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the proxy's."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Head and body leave together.
    wbufsize = -1
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.witness.connected(1)
        address = urlsplit(self.server.witness.upstream)
        self._upstream = HTTPConnection(address.hostname or "", address.port)

    def finish(self) -> None:
        self._upstream.close()
        try:
            super().finish()
        finally:
            self.server.witness.connected(-1)

    def do_POST(self) -> None:
        witness = self.server.witness
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        witness.asks(operation, request)
        body = json.dumps(request).encode()
        headers = {name: value for name, value in self.headers.items() if name.lower() != "content-length"}
        self._upstream.request("POST", self.path, body, headers)
        answer = self._upstream.getresponse()
        content = answer.read()
        if answer.status == 200:
            witness.answers(operation, request, json.loads(content))
        witness.hold(operation)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def witness(upstream: str) -> Iterator[Witness]:
    """Run a proxy in front of a server."""
    found = Witness(upstream)
    server: socketserver.BaseServer
    with _Server(found) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="witness")
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
