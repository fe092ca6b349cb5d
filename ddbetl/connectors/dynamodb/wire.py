"""The wire client: signed DynamoDB requests over a pool of keep-alive connections.

In: an operation and its JSON body as bytes. Out: the answer's body as bytes, its CRC32 checked, or a ``WireError``.

Invariant: at most ``max_connections`` connections are open, each with at most one request; a request that is cancelled
or fails takes its connection with it. Nothing is repeated here: see ``retry``.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ddbetl.connectors.dynamodb.connect import Route, connect, tls_context
from ddbetl.connectors.dynamodb.connection import CHECKSUM, Connection, Response
from ddbetl.connectors.dynamodb.endpoint import Endpoint, Proxies
from ddbetl.connectors.dynamodb.failures import (
    ChecksumMismatch,
    ClientClosed,
    Kind,
    MalformedResponse,
    ServiceError,
    WireError,
    service_error,
)
from ddbetl.connectors.dynamodb.signer import Credentials, Signer


@dataclass(frozen=True, slots=True)
class WireSettings:
    """How to connect; times in seconds.

    ``response_timeout`` is the longest time in which no byte moves, up or down; ``idle_timeout`` the longest time after
    which a connection is used again. ``ca_bundle`` is a PEM file or a directory, as AWS_CA_BUNDLE names it; None means
    the system's authorities.
    """

    max_connections: int = 64
    connect_timeout: float = 5.0
    tls_timeout: float = 10.0
    response_timeout: float = 60.0
    idle_timeout: float = 30.0
    max_response_bytes: int = 64 * 1024 * 1024
    verify: bool = True
    ca_bundle: Path | None = None
    proxies: Proxies = Proxies()  # noqa: RUF009 (frozen)
    user_agent: str = "ddbetl"


class WireClient:
    """Sends requests to one endpoint; belongs to the event loop of its first request.

    ``credentials`` is asked before every request and must answer at once: whoever refreshes them does so elsewhere.
    ``clock`` gives seconds since 1970 UTC; ``clock_offset`` is how far the server's clock is ahead of it, learnt when
    the server refuses a signature for its time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Callable[[], Credentials],
        settings: WireSettings = WireSettings(),
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock_offset = 0.0
        self._credentials = credentials
        self._settings = settings
        self._clock = clock
        self._route = _route(endpoint, settings)
        self._signer = _signer(self._route, settings.user_agent)
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._idle: list[Connection] = []  # the last one used is the first one used again
        self._open: set[Connection] = set()  # idle, busy and opening
        self._lost = asyncio.Event()  # a connection left _open
        self._closed = False

    async def request(self, operation: str, body: bytes | memoryview) -> Response:
        """Send one request (``Scan``, ``BatchWriteItem``, …) and give its answer, whose status is 200.

        ``body`` is JSON in UTF-8, not empty; a memoryview is of single bytes and must not change until the answer is
        there. Waits while all connections are busy. Raises ``WireError``: the tree is in ``failures``.
        """
        async with self._slots:
            if self._closed:
                raise ClientClosed("the client is closed")
            connection = self._take() or await self._connect()
            try:
                now = self._clock() + self.clock_offset
                response = await connection.send(self._signer.head(operation, body, self._credentials(), now), body)
            except BaseException as error:
                connection.abort()
                if self._closed and isinstance(error, WireError):
                    raise ClientClosed("the client was closed before the answer came") from error
                raise
            self._idle.append(connection)
        crc = response.headers.get(CHECKSUM)
        if crc is not None and crc != b"%d" % zlib.crc32(response.body):
            raise ChecksumMismatch(
                f"{self._route.endpoint.address} sent {len(response.body):,} bytes with a wrong CRC32"
            )
        if response.headers.get(b"content-encoding", b"identity") != b"identity":
            raise MalformedResponse(f"{self._route.endpoint.address} compressed an answer, unasked")
        if response.status != 200:
            raise self._error(response, now)
        return response

    async def aclose(self) -> None:
        """Close all connections and wait until they are closed; requests that still run raise ``ClientClosed``."""
        self._closed = True
        for connection in tuple(self._open):
            connection.abort()
        while self._open:
            self._lost.clear()
            await self._lost.wait()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def _take(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and connection.idle_seconds() < self._settings.idle_timeout:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        connection = Connection(
            asyncio.get_running_loop(),
            self._route.endpoint.address,
            self._settings.response_timeout,
            self._settings.max_response_bytes,
            self._forget,
        )
        self._open.add(connection)
        try:
            await connect(self._route, connection)
        except BaseException as error:
            self._forget(connection)
            if self._closed and isinstance(error, WireError):
                raise ClientClosed("the client was closed while it connected") from error
            raise
        return connection

    def _forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._lost.set()

    def _error(self, response: Response, signed_at: float) -> ServiceError:
        error = service_error(response.status, response.headers, response.body, signed_at)
        if error.kind is Kind.SKEW and error.server_time is not None:
            self.clock_offset = error.server_time - self._clock()
        return error


def _route(endpoint: Endpoint, settings: WireSettings) -> Route:
    proxy = settings.proxies.towards(endpoint)
    speaks_tls = endpoint.scheme == "https" or (proxy is not None and proxy.scheme == "https")
    return Route(
        endpoint,
        proxy,
        tls_context(settings.ca_bundle, verify=settings.verify) if speaks_tls else None,
        settings.connect_timeout,
        settings.tls_timeout,
    )


def _signer(route: Route, user_agent: str) -> Signer:
    unsigned = [("user-agent", user_agent), ("accept-encoding", "identity")]
    target = "/"
    if route.proxy is not None and route.endpoint.scheme == "http":  # Such a proxy reads the request itself.
        target = f"http://{route.endpoint.authority}/"
        if route.proxy.authorization:
            unsigned.append(("proxy-authorization", route.proxy.authorization))
    return Signer(route.endpoint, request_target=target, unsigned=tuple(unsigned))
