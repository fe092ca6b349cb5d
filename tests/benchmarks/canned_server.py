"""A DynamoDB server without storage, in a process of its own, for measuring clients at wire speed.

In: DynamoDB's JSON protocol over HTTP/1.1 or HTTPS on 127.0.0.1. Out: the answers of canned_answers.py, with
DynamoDB's headers (x-amzn-RequestId, x-amz-crc32), and counters on a side path: GET /stats, POST /configure (any
field of Mode; clears the counters), GET /written (verify mode: canonical items, one a line, sorted).

Every request's Authorization header is checked for the form of Signature Version 4, its X-Amz-Date for being there,
its Content-Length against the body; in verify mode the signature is recomputed too.

Invariant: it only ever listens on 127.0.0.1, and with --until-stdin-closes it does not outlive its parent.

    python -m tests.benchmarks.canned_server --port 8000 --pages 10
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import email.utils
import gc
import json
import ssl
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import httptools

from tests.benchmarks import canned_checks
from tests.benchmarks.canned_answers import Canned
from tests.benchmarks.canned_tables import Mode, Refused
from tests.benchmarks.fast_loop import run_fast
from tests.benchmarks.tls_pair import tls_pair

HOST = "127.0.0.1"
PREFIX = b"DynamoDB_20120810."
_HEAD = (
    b"HTTP/1.1 %d %s\r\nServer: canned\r\nDate: %s\r\nContent-Type: application/x-amz-json-1.0\r\n"
    b"Content-Length: %d\r\nx-amzn-RequestId: %052X\r\nx-amz-crc32: %d\r\nConnection: %s\r\n\r\n"
)


class Delay:
    """Holds answers back, in their order. One timer for all of them: what a timer for each costs, the client would lack."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, Callable[[], None]]] = deque()

    def hold(self, seconds: float, send: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if not self._held:
            loop.call_at(due, self._send_due, loop)
        self._held.append((due, send))

    def _send_due(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._held and self._held[0][0] <= now:
            self._held.popleft()[1]()
        if self._held:
            loop.call_at(self._held[0][0], self._send_due, loop)


class Connection(asyncio.Protocol):
    """One client's connection: requests in, answers out, in their order."""

    def __init__(self, canned: Canned, date: bytes, delay: Delay) -> None:
        self._canned = canned
        self._delay = delay
        self._date = date
        self._parser = httptools.HttpRequestParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._url = b""
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport without being one.
        self._transport = cast(asyncio.Transport, transport)
        self._canned.counters.connections += 1

    def data_received(self, data: bytes) -> None:
        self._canned.counters.bytes_in += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            # A mistake of the server's own, not of the client: to be seen on stderr, with its traceback.
            self._transport.close()
            raise
        except httptools.HttpParserError as error:
            self._refuse(Refused("SerializationException", str(error)), keep_alive=False)

    def on_message_begin(self) -> None:
        self._headers = {}
        self._url = b""
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        keep_alive = self._parser.should_keep_alive()
        target = self._headers.get(b"x-amz-target")
        try:
            if target is None:
                self._send(
                    200, b"OK", (side_path(self._canned, self._parser.get_method(), self._url, body),), None, keep_alive
                )
                return
            operation = self._checked(target, body)
            parts, crc = self._canned.answer(operation, body)
        except Refused as refused:
            self._refuse(refused, keep_alive)
            return
        self._canned.counters.requests[operation] += 1
        self._send(200, b"OK", parts, crc, keep_alive)

    def _checked(self, target: bytes, body: bytes) -> str:
        """Return the operation of a request that DynamoDB's front door would let in. Raises Refused."""
        headers = self._headers
        if not target.startswith(PREFIX):
            raise Refused("UnknownOperationException", f"no target of DynamoDB: {target.decode('latin-1')}")
        if headers.get(b"content-length") != b"%d" % len(body):
            raise Refused("SerializationException", "Content-Length is missing or is not the body's length")
        if canned_checks.AUTHORIZATION.fullmatch(headers.get(b"authorization", b"")) is None:
            raise Refused("IncompleteSignatureException", "Authorization is not of the form of Signature Version 4")
        if b"x-amz-date" not in headers:
            raise Refused("MissingAuthenticationTokenException", "X-Amz-Date is missing")
        if self._canned.mode.verify:
            fault = canned_checks.signature_fault(headers, "POST", self._url.decode(), body)
            if fault is not None:
                raise Refused("InvalidSignatureException", fault)
        return target[len(PREFIX) :].decode()

    def _refuse(self, refused: Refused, keep_alive: bool) -> None:
        self._canned.counters.refused[f"{refused.name}: {refused}"[:200]] += 1
        body = json.dumps(
            {"__type": f"com.amazonaws.dynamodb.v20120810#{refused.name}", "message": str(refused)}
        ).encode()
        self._send(400, b"Bad Request", (body,), zlib.crc32(body), keep_alive)

    def _send(self, status: int, reason: bytes, body: tuple[bytes, ...], crc: int | None, keep_alive: bool) -> None:
        length = sum(map(len, body))
        counters = self._canned.counters
        counters.answers += 1
        head = _HEAD % (
            status,
            reason,
            self._date,
            length,
            counters.answers,
            zlib.crc32(b"".join(body)) if crc is None else crc,
            b"keep-alive" if keep_alive else b"close",
        )
        counters.bytes_out += length + len(head)
        latency = self._canned.mode.latency_ms / 1000
        if latency:
            self._delay.hold(latency, partial(self._write, head, body, keep_alive))
        else:
            self._write(head, body, keep_alive)

    def _write(self, head: bytes, body: tuple[bytes, ...], keep_alive: bool) -> None:
        if self._transport.is_closing():
            return
        if len(body) == 1:
            self._transport.write(head + body[0])
        else:
            self._transport.writelines((head, *body))
        if not keep_alive:
            self._transport.close()


def side_path(canned: Canned, method: bytes, url: bytes, body: bytes) -> bytes:
    """Answer a request that is not DynamoDB's. Raises Refused for an unknown one."""
    match method, url:
        case b"GET", b"/stats":
            return json.dumps(canned.stats()).encode()
        case b"GET", b"/written":
            return "\n".join(sorted(canned.written.elements())).encode()
        case b"POST", b"/configure":
            canned.configure(dataclasses.replace(canned.mode, **json.loads(body)))
            gc.collect()
            gc.freeze()
            return json.dumps(canned.stats()).encode()
    raise Refused("UnknownOperationException", f"no such path: {method.decode()} {url.decode()}")


async def serve(canned: Canned, port: int, tls: ssl.SSLContext | None, with_stdin: bool) -> None:
    """Serve until standard input ends (or for ever). Prints one line with the port once it listens."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    # One Date for the whole run: nobody reads it, and it must not cost anything.
    date = email.utils.formatdate(usegmt=True).encode()
    delay = Delay()
    server = await loop.create_server(lambda: Connection(canned, date, delay), HOST, port, ssl=tls, backlog=1024)
    if with_stdin:
        # Nothing is ever sent: the only thing to be read is the end.
        loop.add_reader(sys.stdin.fileno(), ended.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await ended.wait()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.canned_server", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=0, help="0: any free one, printed on the first line")
    parser.add_argument("--pages", type=int, default=1, help="pages of each source table")
    parser.add_argument("--items-per-page", type=int, default=4000)
    parser.add_argument("--latency-ms", type=float, default=0.0, help="added to every answer")
    parser.add_argument("--verify", action="store_true", help="decode and check everything")
    parser.add_argument("--pushdown", action="store_true", help="honour projections and filters")
    parser.add_argument("--billing", choices=("PROVISIONED", "PAY_PER_REQUEST"), default="PROVISIONED")
    parser.add_argument("--cache-mb", type=int, default=1024, help="memory for pages; beyond it they are made anew")
    parser.add_argument(
        "--tls", type=Path, metavar="FOLDER", help="serve HTTPS with the pair in this folder, made if absent"
    )
    parser.add_argument("--until-stdin-closes", action="store_true")
    return parser.parse_args()


def main() -> None:
    """Run the server as the command line says."""
    given = arguments()
    tls = None
    if given.tls is not None:
        certificate, key = tls_pair(given.tls)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
    canned = Canned(Mode(), given.cache_mb * 1024 * 1024, time.monotonic)
    canned.configure(
        Mode(given.pages, given.items_per_page, given.verify, given.pushdown, given.billing, given.latency_ms)
    )
    with contextlib.suppress(KeyboardInterrupt):
        run_fast(serve(canned, given.port, tls, given.until_stdin_closes))


if __name__ == "__main__":
    main()
