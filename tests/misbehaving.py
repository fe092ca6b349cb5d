"""A DynamoDB server that does to each request what the test says, and a client for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireClient, WireSettings

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
if sys.platform != "win32":
    import uvloop

    LOOPS["uvloop"] = uvloop.new_event_loop

TLS = Path(__file__).parent / "data" / "tls"
CREDENTIALS = Credentials("AKIDEXAMPLE", "secret-key", "session-token")
SETTINGS = WireSettings(ca_bundle=TLS / "cert.pem")

Run = Callable[[Coroutine[Any, Any, None]], None]


def _runner(factory: Callable[[], asyncio.AbstractEventLoop]) -> Run:
    def run(main: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine; nothing that it leaves open and no error that a callback swallows passes unseen."""
        with asyncio.Runner(loop_factory=factory) as runner:
            complaints: list[dict[str, Any]] = []
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            runner.run(asyncio.wait_for(main, 60))
            # In debug mode a server complains of clients that do not trust its certificate.
            assert [each for each in complaints if "incoming connection" not in each["message"]] == []

    return run


# Gives each test of a module ``run``, on each kind of loop.
EACH_LOOP = pytest.mark.parametrize("run", [pytest.param(_runner(factory), id=name) for name, factory in LOOPS.items()])


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def say(*parts: bytes) -> Act:
    """Send parts, each in a segment of its own as far as that can be asked for."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.001)

    return act


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()  # until the client goes away


def then(*acts: Act) -> Act:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for each in acts:
            await each(reader, writer)

    return act


def answer(body: bytes = b"{}", status: int = 200, *extra: bytes, length: int | None = None) -> bytes:
    lines = [
        b"HTTP/1.1 %d Something" % status,
        b"x-amzn-RequestId: REQUEST",
        b"X-Amz-Crc32: %d" % zlib.crc32(body),
        b"Content-Length: %d" % (len(body) if length is None else length),
        *extra,
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunked(*chunks: bytes) -> bytes:
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"


def error(code: str, status: int = 400, *extra: bytes, message: str = "because") -> bytes:
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#%b","message":"%b"}' % (code.encode(), message.encode())
    return answer(body, status, *extra)


@dataclass
class Served:
    url: str
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    ended: int = 0  # connections that the client has closed
    names: list[str | None] = field(default_factory=list)  # that TLS clients asked for


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")
        headers = {name.lower(): value for name, value in (text.split(": ", 1) for text in lines)}
        return Request(line, headers, await reader.readexactly(int(headers.get("content-length", 0))))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


@asynccontextmanager
async def serving(*acts: Act | bytes, tls: bool = False) -> AsyncIterator[Served]:
    """Serve on a free port of 127.0.0.1: each request meets the next act, and a good answer when they are used up."""
    script = iter(acts)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            while not writer.is_closing() and (request := await _read_request(reader)) is not None:
                served.requests.append(request)
                act = next(script, answer())
                await (say(act) if isinstance(act, bytes) else act)(reader, writer)
            served.ended += 1
        except ConnectionError:
            served.ended += 1
        finally:
            writer.transport.abort()

    def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
        context.sni_callback = lambda _, name, __: served.names.append(name)
    server = await asyncio.start_server(start, "127.0.0.1", 0, ssl=context)
    served = Served(f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


def client(served: Served | str, settings: WireSettings = SETTINGS, **arguments: Any) -> WireClient:
    url = served if isinstance(served, str) else served.url
    return WireClient(Endpoint.parse(url, "us-east-1"), lambda: CREDENTIALS, settings, **arguments)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the other side does in its own time."""
    while not condition():
        await asyncio.sleep(0.001)


@asynccontextmanager
async def listening(reply: bytes = b"") -> AsyncIterator[Served]:
    """Accept connections that speak no TLS, whatever the URL says: send ``reply`` to the first bytes, then nothing."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        with suppress(ConnectionError):
            await reader.read(1)
            writer.write(reply)
            await reader.read()
        served.ended += 1
        writer.transport.abort()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    served = Served(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    try:
        yield served
    finally:
        await until(lambda: served.ended == served.connections)
        server.close()
