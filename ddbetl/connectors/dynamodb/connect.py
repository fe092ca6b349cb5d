"""Opening a connection: TCP, the proxy's tunnel, TLS.

In: an endpoint, the way to it, the time-outs. Out: a ``Connection`` that is ready for its first request, or a
``ConnectFailed``.

Invariant: a connection that could not be opened leaves nothing open, also when the caller is cancelled.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from ddbetl.connectors.dynamodb.connection import MAX_HEAD_BYTES, Connection
from ddbetl.connectors.dynamodb.endpoint import Endpoint, Proxy
from ddbetl.connectors.dynamodb.failures import (
    CertificateRejected,
    ConnectFailed,
    ConnectTimeout,
    DnsFailure,
    ProxyRefused,
    TlsFailed,
)


@dataclass(frozen=True, slots=True)
class Route:
    """The way to an endpoint; times in seconds. ``tls`` is None where neither endpoint nor proxy speak it."""

    endpoint: Endpoint
    proxy: Proxy | None
    tls: ssl.SSLContext | None
    connect_timeout: float
    tls_timeout: float


def tls_context(ca_bundle: Path | None, *, verify: bool) -> ssl.SSLContext:
    """Make a TLS 1.2+ client context; without a bundle (a PEM file or a directory) the system's authorities count.

    Raises ``ValueError`` where the bundle cannot be read.
    """
    try:
        context = ssl.create_default_context(
            cafile=str(ca_bundle) if ca_bundle and not ca_bundle.is_dir() else None,
            capath=str(ca_bundle) if ca_bundle and ca_bundle.is_dir() else None,
        )
    except OSError as error:
        raise ValueError(f"cannot use the CA bundle {ca_bundle}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def connect(route: Route, connection: Connection) -> None:
    """Open the route and put ``connection`` at its end. Raises ``ConnectFailed``."""
    endpoint, proxy = route.endpoint, route.proxy
    first = proxy or endpoint
    opening = _Opening()
    transport = await _open_tcp(first, opening, route.connect_timeout)
    try:
        if proxy is not None and proxy.scheme == "https":
            transport = await _start_tls(transport, opening, route, proxy)
        if proxy is not None and endpoint.scheme == "https":
            await _open_tunnel(transport, opening, route.connect_timeout, endpoint, proxy)
        if endpoint.scheme == "https":
            transport = await _start_tls(transport, opening, route, endpoint)
        if opening.lost or opening.received:
            raise ConnectFailed(f"{first.address} closed the connection or spoke before it was asked")
        if connection.closed:
            raise ConnectFailed(f"the connection to {endpoint.address} is not wanted any more")
    except BaseException:
        transport.abort()
        raise
    transport.set_protocol(connection)
    connection.connection_made(transport)


class _Opening(asyncio.Protocol):
    """Takes what comes before the connection is ready: the proxy's answer to CONNECT, and nothing else."""

    def __init__(self) -> None:
        self.received = b""
        self.lost = False
        self._moved = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.received += data
        self._moved.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._moved.set()

    async def head(self) -> bytes:
        """Wait for a blank line and take what stands before it; nothing, if no such line is coming."""
        while b"\r\n\r\n" not in self.received and not self.lost and len(self.received) <= MAX_HEAD_BYTES:
            self._moved.clear()
            await self._moved.wait()
        head, blank, self.received = self.received.partition(b"\r\n\r\n")
        return head if blank else b""


async def _open_tcp(to: Endpoint | Proxy, opening: _Opening, timeout: float) -> asyncio.Transport:
    try:
        async with asyncio.timeout(timeout):
            transport, _ = await asyncio.get_running_loop().create_connection(lambda: opening, to.host, to.port)
    except TimeoutError as error:
        raise ConnectTimeout(f"no connection to {to.address} within {timeout:g} s") from error
    except socket.gaierror as error:
        raise DnsFailure(f"cannot resolve the name {to.host}: {error}") from error
    except OSError as error:
        raise ConnectFailed(f"cannot connect to {to.address}: {error}") from error
    return transport


async def _start_tls(
    transport: asyncio.Transport, opening: _Opening, route: Route, to: Endpoint | Proxy
) -> asyncio.Transport:
    assert route.tls is not None
    try:
        secure = await asyncio.get_running_loop().start_tls(
            transport, opening, route.tls, server_hostname=to.host, ssl_handshake_timeout=route.tls_timeout
        )
    except ssl.SSLCertVerificationError as error:
        raise CertificateRejected(f"the certificate of {to.address} is refused: {error.verify_message}") from error
    except OSError as error:
        raise TlsFailed(f"no TLS with {to.address}: {error}") from error
    if secure is None:
        raise TlsFailed(f"no TLS with {to.address}: the connection is closed")
    return secure


async def _open_tunnel(
    transport: asyncio.Transport, opening: _Opening, timeout: float, to: Endpoint, proxy: Proxy
) -> None:
    authorization = f"Proxy-Authorization: {proxy.authorization}\r\n" if proxy.authorization else ""
    transport.write(f"CONNECT {to.address} HTTP/1.1\r\nHost: {to.address}\r\n{authorization}\r\n".encode())
    try:
        async with asyncio.timeout(timeout):
            head = await opening.head()
    except TimeoutError as error:
        raise ConnectTimeout(f"the proxy {proxy.address} did not answer within {timeout:g} s") from error
    status = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    if status is None:
        raise ConnectFailed(f"the proxy {proxy.address} did not answer in HTTP/1.1")
    if not status[1].startswith(b"2"):
        raise ProxyRefused(
            f"the proxy {proxy.address} opens no way to {to.address}: HTTP {int(status[1])}", int(status[1])
        )
