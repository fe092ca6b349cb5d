"""One keep-alive HTTP/1.1 connection: an asyncio Protocol around httptools.

In: a connected transport, request heads and bodies as bytes. Out: a ``Response`` per request, or an ``ExchangeFailed``.

Invariant: a connection carries one request at a time, and is closed for good as soon as anything comes that is not
exactly one whole, well-formed answer to it: a half-read answer never meets the next request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

import httptools

from ddbetl.connectors.dynamodb.failures import (
    ConnectionLost,
    MalformedResponse,
    ResponseTimeout,
    ResponseTooLarge,
    TruncatedResponse,
    WireError,
)

MAX_HEAD_BYTES = 64 * 1024
# The header that has the CRC32 of a body.
CHECKSUM = b"x-amz-crc32"

# Answers with these statuses have no body, so they need no length.
_BODILESS = (204, 304)


class Response(NamedTuple):
    """A whole answer; header names in lower case."""

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes

    @property
    def checked(self) -> bool:
        """Whether a checksum came with the body, which the client compares before it gives the answer."""
        return CHECKSUM in self.headers


class Connection(asyncio.Protocol):
    """One connection to ``peer``, a name for messages. ``on_lost`` is called when it has ended, for whatever reason."""

    __slots__ = (
        "_body",
        "_head_complete",
        "_headers",
        "_last_moved",
        "_loop",
        "_max_response_bytes",
        "_on_lost",
        "_parser",
        "_peer",
        "_received",
        "_requests",
        "_timeout",
        "_timer",
        "_transport",
        "_unsent",
        "_waiter",
        "closed",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        peer: str,
        timeout: float,
        max_response_bytes: int,
        on_lost: Callable[[Connection], None],
    ) -> None:
        self.closed = False
        self._peer = peer
        self._timeout = timeout
        self._max_response_bytes = max_response_bytes
        self._on_lost = on_lost
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._requests = 0
        self._waiter: asyncio.Future[Response] | None = None
        self._last_moved = self._loop.time()
        self._unsent = 0  # bytes of the request that the kernel had not taken when _check_time last looked
        self._received = 0  # bytes of the answer
        self._head_complete = False
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    def idle_seconds(self) -> float:
        """The time since something last moved on the connection."""
        return self._loop.time() - self._last_moved

    def send(self, head: bytes, body: bytes | memoryview) -> asyncio.Future[Response]:
        """Write a request; the future gives its answer or an ``ExchangeFailed``.

        Whoever stops waiting for the future must call ``abort``.
        """
        assert self._waiter is None and self._transport is not None
        self._waiter = self._loop.create_future()
        self._requests += 1
        self._unsent = 0
        self._received = 0
        self._last_moved = self._loop.time()
        # One timer serves many requests: it looks at its end whether the time is really over.
        if self._timer is None:
            self._timer = self._loop.call_later(self._timeout, self._check_time)
        self._transport.writelines((head, body))
        return self._waiter

    def abort(self) -> None:
        """Close at once; a request that still waits fails."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._last_moved = self._loop.time()
        self._received += len(data)
        if self._received > self._max_response_bytes:
            self._fail(ResponseTooLarge(f"{self._peer} answered with more than {self._max_response_bytes:,} bytes"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(MalformedResponse(f"{self._peer} did not answer in HTTP/1.1: {error}"))
        if not self._head_complete and self._received > MAX_HEAD_BYTES:
            self._fail(MalformedResponse(f"{self._peer} answered with a head of more than {MAX_HEAD_BYTES:,} bytes"))

    def eof_received(self) -> None:
        self.closed = True

    def connection_lost(self, exc: Exception | None) -> None:
        reason = f"was lost ({exc})" if exc else "was closed"
        if self._received:
            self._fail(TruncatedResponse(f"the connection to {self._peer} {reason} within an answer"))
        else:
            message = f"the connection to {self._peer} {reason} before an answer"
            self._fail(ConnectionLost(message, stale=self._requests > 1))
        if self._timer is not None:
            self._timer.cancel()
        self._on_lost(self)

    def on_message_begin(self) -> None:
        if self._waiter is None:
            self.abort()  # Nobody has asked.
        self._head_complete = False
        self._headers = {}
        self._body = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        self._head_complete = True
        headers, status = self._headers, self._parser.get_status_code()
        chunked = headers.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
        if not (b"content-length" in headers or chunked or status < 200 or status in _BODILESS):
            # Such an answer ends with the connection, so a whole one cannot be told from a cut one.
            self._fail(MalformedResponse(f"{self._peer} answered without Content-Length (HTTP {status})"))

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < 200:  # The final answer is still to come.
            return
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []  # An idle connection keeps no page.
        waiter, self._waiter = self._waiter, None
        if not self._parser.should_keep_alive() or (self._transport and self._transport.get_write_buffer_size()):
            self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_result(Response(status, self._headers, body))

    def _fail(self, error: WireError) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        self._body = []
        self.abort()

    def _check_time(self) -> None:
        self._timer = None
        if self._waiter is None or self._transport is None:
            return
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:  # A large request is on its way, however slowly.
            self._unsent = unsent
            self._last_moved = self._loop.time()
        left = self._timeout - self.idle_seconds()
        if left > 0:
            self._timer = self._loop.call_later(left, self._check_time)
        else:
            self._fail(ResponseTimeout(f"nothing moved on the connection to {self._peer} for {self._timeout:g} s"))
