"""The wire client: signed DynamoDB requests over a pool of keep-alive connections.

In: an operation and its JSON body as bytes. Out: the answer's body as bytes, its CRC32 checked, or a ``WireError``. Rows
never become Python objects here.

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
from ddbetl.connectors.dynamodb.connection import Connection, Response
from ddbetl.connectors.dynamodb.endpoint import Endpoint, Proxies
from ddbetl.connectors.dynamodb.failures import ChecksumMismatch, ClientClosed, Kind, ServiceError, service_error
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
    ``clock`` gives seconds since 1970 UTC; ``clock_offset`` is what the server's clock is ahead of it, set here when the
    server refuses a signature for its time.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        credentials: Callable[[], Credentials],
        settings: WireSettings = WireSettings(),  # noqa: B008 (frozen)
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.clock_offset = 0.0
        self._credentials = credentials
        self._settings = settings
        self._clock = clock
        self._route = Route(...)
        self._signer = ...
        self._slots = asyncio.Semaphore(settings.max_connections)
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._closed = False
