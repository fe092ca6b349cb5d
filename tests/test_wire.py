"""The wire client against servers that misbehave, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.connectors.dynamodb import failures
from ddbetl.connectors.dynamodb.connection import MAX_HEAD_BYTES, Connection, Response
from ddbetl.connectors.dynamodb.endpoint import Endpoint, Proxies
from ddbetl.connectors.dynamodb.failures import Kind, ServiceError, WireError
from ddbetl.connectors.dynamodb.retry import RetryPolicy, retrying
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


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on each kind of loop; nothing that it left open may pass unseen."""

    def run(main: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
            complaints: list[dict[str, Any]] = []
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
            runner.run(asyncio.wait_for(main, 30))
            assert not complaints

    return run


# A server that does to each request what the test says.


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


# What works.


@pytest.mark.parametrize("tls", [False, True])
def test_requests_share_one_connection(run: Run, tls: bool) -> None:
    async def main() -> None:
        async with serving(answer(b'{"n":1}'), tls=tls) as served, client(served) as wire:
            first = await wire.request("Scan", b'{"TableName":"t"}')
            second = await wire.request("BatchWriteItem", memoryview(b'-{"RequestItems":{}}-')[1:-1])
        assert (first.status, first.body, first.headers[b"x-amzn-requestid"]) == (200, b'{"n":1}', b"REQUEST")
        assert second.body == b"{}"
        assert served.connections == 1
        assert [request.body for request in served.requests] == [b'{"TableName":"t"}', b'{"RequestItems":{}}']
        assert [request.line for request in served.requests] == ["POST / HTTP/1.1"] * 2
        headers = served.requests[0].headers
        assert headers["host"] == served.url.partition("//")[2]
        assert headers["x-amz-target"] == "DynamoDB_20120810.Scan"
        assert headers["accept-encoding"] == "identity"
        assert headers["user-agent"] == "ddbetl"

    run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_large_bodies_both_ways(run: Run, tls: bool) -> None:
    page, batch = bytes(range(256)) * 16384, b"x" * 16_000_000

    async def main() -> None:
        async with serving(answer(page), answer(page), tls=tls) as served, client(served) as wire:
            for _ in range(2):
                assert (await wire.request("Scan", batch)).body == page
        assert served.connections == 1 and all(request.body == batch for request in served.requests)

    run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_never_more_connections_than_allowed(run: Run, tls: bool) -> None:
    async def main() -> None:
        settings = replace(SETTINGS, max_connections=3)
        acts = [answer(b"%d" % number) for number in range(20)]
        async with serving(*acts, tls=tls) as served, client(served, settings) as wire:
            answers = await asyncio.gather(*(wire.request("Scan", b"{}") for _ in range(20)))
        assert sorted(int(each.body) for each in answers) == list(range(20))
        assert served.connections == 3

    run(main())


@pytest.mark.parametrize(
    "act",
    [
        then(say(answer(b"{}", 200, b"Connection: close")), close),
        say(answer(b"{}", 200, b"Connection: close")),  # the server says so and does not do it
        then(say(answer().replace(b"HTTP/1.1", b"HTTP/1.0")), close),
        then(say(answer() + answer()), hang),  # an answer that nobody has asked for
        then(say(answer(), answer()), hang),
        then(say(answer() + b"garbage"), hang),
        then(say(answer()), close),
        then(say(answer()), reset),
    ],
)
def test_a_connection_that_must_not_be_used_again(run: Run, act: Act) -> None:
    async def main() -> None:
        async with serving(act, answer(b"2")) as served, client(served) as wire:
            assert (await wire.request("Scan", b"{}")).body == b"{}"
            await until(lambda: served.ended == 1)
            await asyncio.sleep(0.01)
            assert (await wire.request("Scan", b"{}")).body == b"2"
            assert served.connections == 2

    run(main())


def test_a_connection_that_was_idle_for_too_long(run: Run) -> None:
    async def main() -> None:
        async with serving() as served, client(served, replace(SETTINGS, idle_timeout=0)) as wire:
            for _ in range(3):
                await wire.request("Scan", b"{}")
            await until(lambda: served.ended >= 2)
            assert served.connections == 3

    run(main())


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (chunked(b"{", b'"a":', b"1}"), b'{"a":1}'),
        (chunked(), b""),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + answer(b"1"), b"1"),
        (answer(b"1").replace(b"Something", b""), b"1"),
        (answer(b"").replace(b"\r\nX-Amz-Crc32: 0", b""), b""),
    ],
)
def test_answers_in_every_shape(run: Run, sent: bytes, body: bytes) -> None:
    async def main() -> None:
        bytewise = say(*(sent[i : i + 1] for i in range(len(sent))))
        async with serving(sent, bytewise, sent) as served, client(served) as wire:
            assert [(await wire.request("Scan", b"{}")).body for _ in range(3)] == [body] * 3
            assert served.connections == 1

    run(main())


# What fails between a request and its answer.

CUT = answer(b'{"Items":[1,2,3]}')[:-5]
BROKEN_ANSWERS = {
    "closed before": (close, failures.ConnectionLost),
    "reset before": (reset, failures.ConnectionLost),
    "closed in the head": (then(say(b"HTTP/1.1 200 O"), close), failures.TruncatedResponse),
    "closed in the body": (then(say(CUT), close), failures.TruncatedResponse),
    "reset in the body": (then(say(CUT), reset), failures.TruncatedResponse),
    "closed in a chunk": (then(say(chunked(b"0123456789")[:-9]), close), failures.TruncatedResponse),
    "closed before the last chunk": (then(say(chunked(b"0123456789")[:-5]), close), failures.TruncatedResponse),
    "wrong checksum": (answer(b"{}", 200, length=2).replace(b"{}", b"[]"), failures.ChecksumMismatch),
    "not a checksum": (answer(b"{}", 200, b"x-amz-crc32: soup"), failures.ChecksumMismatch),
    "wrong checksum of an error": (error("X").replace(b"because", b"notsure"), failures.ChecksumMismatch),
    "garbage": (b"SSH-2.0-OpenSSH_9.9\r\n", failures.MalformedResponse),
    "a request": (b"GET / HTTP/1.1\r\n\r\n", failures.MalformedResponse),
    "binary": (bytes(range(256)), failures.MalformedResponse),
    "no length": (b"HTTP/1.1 200 OK\r\n\r\n{}", failures.MalformedResponse),
    "two lengths": (answer(b"{}", 200, b"Content-Length: 3"), failures.MalformedResponse),
    "length and chunks": (answer(b"{}", 200, b"Transfer-Encoding: chunked"), failures.MalformedResponse),
    "bad length": (answer().replace(b"Length: 2", b"Length: -2"), failures.MalformedResponse),
    "bad chunk": (chunked(b"abc").replace(b"3\r\n", b"x\r\n"), failures.MalformedResponse),
    "other transfer encoding": (chunked(b"").replace(b"chunked", b"gzip"), failures.MalformedResponse),
    "upgrade": (
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        failures.MalformedResponse,
    ),
    "huge header": (then(say(answer(b"{}", 200, b"X: " + b"x" * 1_000_000)), hang), failures.MalformedResponse),
    "endless head": (
        then(say(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (MAX_HEAD_BYTES // 4)), hang),
        failures.MalformedResponse,
    ),
    "compressed": (answer(b"{}", 200, b"Content-Encoding: gzip"), failures.MalformedResponse),
    "too large": (then(say(answer(b"x" * 300_001)), hang), failures.ResponseTooLarge),
    "too large, chunked": (then(say(chunked(b"x" * 200_000, b"x" * 200_000)), hang), failures.ResponseTooLarge),
    "silence": (hang, failures.ResponseTimeout),
    "silence in the head": (then(say(b"HTTP/1.1 200"), hang), failures.ResponseTimeout),
    "silence in the body": (then(say(CUT), hang), failures.ResponseTimeout),
}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("case", BROKEN_ANSWERS)
def test_broken_answer(run: Run, case: str, tls: bool) -> None:
    """Each gives its own error, ends its connection, and the next request has a good one."""
    act, expected = BROKEN_ANSWERS[case]

    async def main() -> None:
        timeout = 0.05 if expected is failures.ResponseTimeout else 20
        settings = replace(SETTINGS, max_connections=1, response_timeout=timeout, max_response_bytes=300_000)
        async with serving(act, tls=tls) as served, client(served, settings) as wire:
            with pytest.raises(expected) as caught:
                await wire.request("Scan", b"{}")
            assert type(caught.value) is expected
            assert caught.value.maybe_processed and not caught.value.stale
            assert caught.value.transient == (expected is not failures.ResponseTooLarge)
            assert "secret-key" not in str(caught.value) and "session-token" not in str(caught.value)
        settings = replace(settings, response_timeout=20)
        async with serving(act, tls=tls) as served, client(served, settings) as wire:
            if expected is not failures.ResponseTimeout:
                with suppress(WireError):
                    await wire.request("Scan", b"{}")
                assert (await wire.request("Scan", b"{}")).body == b"{}"
                # A wrong body leaves a sound connection; everything else ends it.
                assert served.connections == (1 if case in SOUND_CONNECTION else 2)

    run(main())


SOUND_CONNECTION = {"wrong checksum", "not a checksum", "wrong checksum of an error", "compressed"}


def test_time_out_ends_the_connection(run: Run) -> None:
    async def main() -> None:
        settings = replace(SETTINGS, response_timeout=0.05)
        async with serving(hang) as served, client(served, settings) as wire:
            with pytest.raises(failures.ResponseTimeout):
                await wire.request("Scan", b"{}")
            await until(lambda: served.ended == 1)

    run(main())


def test_kept_connection_that_the_server_closes_meanwhile_is_stale(run: Run) -> None:
    async def main() -> None:
        acts = [answer(), close, answer(), reset, answer(), then(say(b"H"), close)]
        async with serving(*acts) as served, client(served) as wire:
            for expected, stale in [
                (failures.ConnectionLost, True),
                (failures.ConnectionLost, True),
                (failures.TruncatedResponse, False),
            ]:
                await wire.request("Scan", b"{}")
                with pytest.raises(expected) as caught:
                    await wire.request("Scan", b"{}")
                assert caught.value.stale is stale and caught.value.transient

    run(main())


class FakeTransport(asyncio.Transport):
    """Takes everything at once, unless told to hold ``unsent`` bytes back."""

    def __init__(self) -> None:
        super().__init__()
        self.unsent = 0
        self.aborted = False

    def writelines(self, list_of_data: Any) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted = True


class FakeLoop:
    """A loop whose time moves when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timer: tuple[float, Callable[[], None]] | None = None

    def time(self) -> float:
        return self.now

    def create_future(self) -> asyncio.Future[Response]:
        return asyncio.get_running_loop().create_future()

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeLoop:
        assert self.timer is None, "one timer per connection"
        self.timer = (self.now + delay, callback)
        return self

    def cancel(self) -> None:
        self.timer = None

    def advance(self, seconds: float) -> None:
        self.now += seconds
        while self.timer is not None and self.timer[0] <= self.now:
            _, callback = self.timer
            self.timer = None
            callback()


def fake_connection(timeout: float = 10.0) -> tuple[FakeLoop, FakeTransport, Connection]:
    loop, transport = FakeLoop(), FakeTransport()
    connection = Connection(loop, "peer", timeout, 1 << 20, lambda connection: None)  # type: ignore[arg-type]
    connection.connection_made(transport)
    return loop, transport, connection


def test_time_out_counts_from_the_last_byte() -> None:
    async def main() -> None:
        loop, transport, connection = fake_connection()
        future = connection.send(b"head", b"body")
        loop.advance(9)
        connection.data_received(answer()[:10])
        loop.advance(9.5)
        assert not future.done()
        loop.advance(0.5)
        with pytest.raises(failures.ResponseTimeout, match="for 10 s"):
            await future
        assert transport.aborted

    asyncio.run(main())


def test_time_out_waits_while_a_large_request_goes_out() -> None:
    async def main() -> None:
        loop, transport, connection = fake_connection()
        future = connection.send(b"head", b"body")
        for unsent in (3000, 2000, 1000):
            transport.unsent = unsent
            loop.advance(10)
        assert not future.done()
        loop.advance(10)
        with pytest.raises(failures.ResponseTimeout):
            await future

    asyncio.run(main())


def test_time_outs_of_many_requests_share_a_timer() -> None:
    async def main() -> None:
        loop, transport, connection = fake_connection()
        for _ in range(7):  # more time than the time-out in all
            future = connection.send(b"head", b"body")
            loop.advance(4)
            connection.data_received(answer())
            assert (await future).status == 200
        loop.advance(100)  # idle connections have no time-out
        assert not transport.aborted and loop.timer is None
        future = connection.send(b"head", b"body")
        loop.advance(10)
        assert isinstance(future.exception(), failures.ResponseTimeout)

    asyncio.run(main())


def test_an_answer_to_half_a_request_ends_the_connection() -> None:
    async def main() -> None:
        _, transport, connection = fake_connection()
        future = connection.send(b"head", b"body")
        transport.unsent = 1
        connection.data_received(answer(b"{}", 413))
        assert (await future).status == 413
        assert transport.aborted and connection.closed

    asyncio.run(main())


BODIES = st.lists(st.binary(max_size=40).map(lambda body: (body, answer(body))), min_size=1, max_size=4)
CHUNKED_BODIES = st.lists(st.binary(min_size=1, max_size=20), max_size=4).map(lambda c: (b"".join(c), chunked(*c)))


@given(st.lists(BODIES.map(lambda each: each[0]) | CHUNKED_BODIES, min_size=1, max_size=4), st.data())
def test_answers_cut_anywhere_into_segments(answers: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    async def main() -> None:
        _, transport, connection = fake_connection()
        for body, sent in answers:
            cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=6)))
            future = connection.send(b"head", b"body")
            for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
                assert not future.done()
                connection.data_received(sent[start:end])
            assert (await future).body == body
        assert not transport.aborted

    asyncio.run(main())


@given(st.binary(max_size=200), st.integers(0, 80))
def test_no_bytes_of_a_server_break_more_than_their_connection(noise: bytes, keep: int) -> None:
    async def main() -> None:
        _, transport, connection = fake_connection()
        future = connection.send(b"head", b"body")
        connection.data_received(answer(b'{"Items":[]}')[:keep])
        connection.data_received(noise)
        if not future.done():
            connection.connection_lost(None)
        if future.exception() is None:
            assert future.result().status < 1000
        else:
            assert isinstance(future.exception(), failures.ExchangeFailed) and transport.aborted

    asyncio.run(main())


# Cancelling and closing.


@pytest.mark.parametrize("tls", [False, True])
def test_cancelled_request_takes_its_connection_with_it(run: Run, tls: bool) -> None:
    async def main() -> None:
        late = then(say(CUT), hang)
        async with serving(answer(), late, answer(b"mine"), tls=tls) as served, client(served) as wire:
            await wire.request("Scan", b"{}")
            task = asyncio.create_task(wire.request("Scan", b"{}"))
            await until(lambda: len(served.requests) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: served.ended == 1)
            assert (await wire.request("Scan", b"{}")).body == b"mine"
            assert served.connections == 2

    run(main())


def test_cancelled_in_the_moment_of_the_answer(run: Run) -> None:
    async def main() -> None:
        async with serving() as served, client(served, replace(SETTINGS, max_connections=1)) as wire:
            for turns in range(12):
                task = asyncio.create_task(wire.request("Scan", b"{}"))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            assert (await wire.request("Scan", b"{}")).body == b"{}"

    run(main())


def test_cancelled_while_waiting_for_a_connection(run: Run) -> None:
    async def main() -> None:
        async with serving(hang) as served, client(served, replace(SETTINGS, max_connections=1)) as wire:
            busy = asyncio.create_task(wire.request("Scan", b"{}"))
            await until(lambda: len(served.requests) == 1)
            waiting = [asyncio.create_task(wire.request("Scan", b"%d" % number)) for number in range(3)]
            await asyncio.sleep(0.01)
            waiting[0].cancel()
            busy.cancel()
            outcomes = await asyncio.gather(busy, *waiting, return_exceptions=True)
            assert [isinstance(each, asyncio.CancelledError) for each in outcomes] == [True, True, False, False]
            assert [request.body for request in served.requests] == [b"{}", b"1", b"2"]

    run(main())


@asynccontextmanager
async def silent_listener() -> AsyncIterator[Served]:
    """Accept connections and say nothing, not even in TLS."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        with suppress(ConnectionError):
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


def test_cancelled_while_connecting(run: Run) -> None:
    async def main() -> None:
        async with silent_listener() as served, client(served) as wire:
            task = asyncio.create_task(wire.request("Scan", b"{}"))
            await until(lambda: served.connections == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await until(lambda: served.ended == 1)

    run(main())


@pytest.mark.parametrize("tls", [False, True])
def test_closing_ends_everything(run: Run, tls: bool) -> None:
    async def main() -> None:
        async with serving(answer(), hang, tls=tls) as served:
            wire = client(served, replace(SETTINGS, max_connections=1))
            await wire.request("Scan", b"{}")
            busy, waiting = (asyncio.create_task(wire.request("Scan", b"{}")) for _ in range(2))
            await until(lambda: len(served.requests) == 2)
            await wire.aclose()
            await until(lambda: served.ended == 1)
            for outcome in await asyncio.gather(busy, waiting, wire.request("Scan", b"{}"), return_exceptions=True):
                assert type(outcome) is failures.ClientClosed and not outcome.transient
            await wire.aclose()
            assert len(served.requests) == 2

    run(main())


def test_closing_while_connecting(run: Run) -> None:
    async def main() -> None:
        async with silent_listener() as served:
            wire = client(served, replace(SETTINGS, tls_timeout=0.05))
            task = asyncio.create_task(wire.request("Scan", b"{}"))
            await until(lambda: served.connections == 1)
            await wire.aclose()
            with pytest.raises(failures.ClientClosed):
                await task

    run(main())


# Connecting.


def closed_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        (f"http://127.0.0.1:{closed_port()}", SETTINGS, failures.ConnectFailed),
        ("http://ddbetl.invalid", SETTINGS, failures.DnsFailure),
        ("http://127.0.0.1:1", replace(SETTINGS, connect_timeout=0), failures.ConnectTimeout),
    ],
)
def test_no_connection(run: Run, url: str, settings: WireSettings, expected: type[WireError]) -> None:
    async def main() -> None:
        async with client(url, settings) as wire:
            with pytest.raises(expected) as caught:
                await wire.request("Scan", b"{}")
            assert type(caught.value) is expected
            assert caught.value.transient and not caught.value.maybe_processed

    run(main())


def test_tls_that_is_none(run: Run) -> None:
    async def main() -> None:
        async with serving() as served, client(served.url.replace("http:", "https:")) as wire:
            with pytest.raises(failures.TlsFailed) as caught:
                await wire.request("Scan", b"{}")
            assert caught.value.transient and not caught.value.maybe_processed
        async with silent_listener() as served, client(served, replace(SETTINGS, tls_timeout=0.05)) as wire:
            with pytest.raises(failures.TlsFailed):
                await wire.request("Scan", b"{}")

    run(main())


@pytest.mark.parametrize(
    ("settings", "host"),
    [(WireSettings(), "127.0.0.1"), (SETTINGS, "localhost")],
    ids=["unknown authority", "another name"],
)
def test_certificate_refused(run: Run, settings: WireSettings, host: str) -> None:
    async def main() -> None:
        async with serving(tls=True) as served:
            url = served.url.replace("127.0.0.1", host)
            async with client(url, settings) as wire:
                with pytest.raises(failures.CertificateRejected, match=host) as caught:
                    await wire.request("Scan", b"{}")
                assert not caught.value.transient and not caught.value.maybe_processed
            async with client(url, replace(settings, verify=False)) as wire:
                assert (await wire.request("Scan", b"{}")).body == b"{}"
            assert len(served.requests) == 1

    run(main())


@pytest.mark.parametrize("path", [TLS / "missing.pem", TLS / "README.md"])
def test_unusable_ca_bundle(path: Path) -> None:
    with pytest.raises(ValueError, match=path.name):
        client("https://127.0.0.1", WireSettings(ca_bundle=path))


# Proxies.


def tunnel(target: Served) -> Act:
    """Do what a proxy does after CONNECT: bytes both ways; the way leads to ``target``, whatever name was asked for."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
        finally:
            sink.transport.abort()

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", int(target.url.rpartition(":")[2]))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    return act


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_https_through_a_proxy(run: Run, secure_proxy: bool) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            target = await stack.enter_async_context(serving(tls=True))
            proxy = await stack.enter_async_context(serving(tunnel(target), tls=secure_proxy))
            proxies = Proxies.parse(https=proxy.url.replace("//", "//user:proxy-password@"))
            wire = await stack.enter_async_context(client("https://dynamodb.test", replace(SETTINGS, proxies=proxies)))
            for _ in range(2):
                assert (await wire.request("Scan", b"{}")).body == b"{}"
        (connect,) = proxy.requests
        assert connect.line == "CONNECT dynamodb.test:443 HTTP/1.1"
        assert connect.headers == {
            "host": "dynamodb.test:443",
            "proxy-authorization": "Basic dXNlcjpwcm94eS1wYXNzd29yZA==",
        }
        assert target.names == ["dynamodb.test"]
        assert len(target.requests) == 2 and target.connections == 1
        assert not [name for name in target.requests[0].headers if name.startswith("proxy")]

    run(main())


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_http_through_a_proxy(run: Run, secure_proxy: bool) -> None:
    async def main() -> None:
        async with serving(tls=secure_proxy) as proxy:
            proxies = Proxies.parse(http=proxy.url.replace("//", "//user:proxy-password@"))
            async with client("http://dynamodb.test:8000", replace(SETTINGS, proxies=proxies)) as wire:
                assert (await wire.request("Scan", b"{}")).body == b"{}"
        (request,) = proxy.requests
        assert request.line == "POST http://dynamodb.test:8000/ HTTP/1.1"
        assert request.headers["host"] == "dynamodb.test:8000"
        assert request.headers["proxy-authorization"] == "Basic dXNlcjpwcm94eS1wYXNzd29yZA=="

    run(main())


@pytest.mark.parametrize(
    ("act", "expected", "transient"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", failures.ProxyRefused, False),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n", failures.ProxyRefused, False),
        (b"HTTP/1.1 503 Busy\r\n\r\n", failures.ProxyRefused, True),
        (then(say(b"HTTP/1.1 200 OK\r\n"), close), failures.ConnectFailed, True),
        (close, failures.ConnectFailed, True),
        (reset, failures.ConnectFailed, True),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", failures.ConnectFailed, True),
        (then(say(b"x" * 1_000_000), hang), failures.ConnectFailed, True),
        (then(say(b"HTTP/1.1 200 OK\r\n\r\n"), close), failures.TlsFailed, True),
        (hang, failures.ConnectTimeout, True),
    ],
)
def test_proxy_that_opens_no_tunnel(run: Run, act: Act | bytes, expected: type[WireError], transient: bool) -> None:
    async def main() -> None:
        async with serving(act) as proxy:
            proxies = Proxies.parse(https=proxy.url.replace("//", "//user:proxy-password@"))
            settings = replace(SETTINGS, proxies=proxies, connect_timeout=0.1 if act is hang else 20)
            async with client("https://dynamodb.test", settings) as wire:
                with pytest.raises(expected) as caught:
                    await wire.request("Scan", b"{}")
            assert type(caught.value) is expected
            assert caught.value.transient is transient and not caught.value.maybe_processed
            assert "proxy-password" not in str(caught.value)

    run(main())


# The service's own errors.


def test_service_error_as_dynamodb_sends_it(run: Run) -> None:
    body = (
        b'{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"Slow down",'
        b'"ThrottlingReasons":[{"reason":"TableReadProvisionedThroughputExceeded","resource":"arn:aws:dynamodb:t"}]}'
    )

    async def main() -> None:
        date = b"Date: Wed, 26 Apr 2017 10:00:00 GMT"
        async with serving(answer(body, 400, date)) as served, client(served) as wire:
            with pytest.raises(ServiceError) as caught:
                await wire.request("Scan", b"{}")
            assert (await wire.request("Scan", b"{}")).body == b"{}"
            assert served.connections == 1
        found = caught.value
        assert str(found) == "ProvisionedThroughputExceededException: Slow down"
        assert (found.status, found.kind, found.request_id) == (400, Kind.THROTTLING, "REQUEST")
        assert (found.transient, found.maybe_processed, found.server_time) == (True, False, 1493200800.0)
        assert found.throttling_reasons == (
            failures.ThrottlingReason("TableReadProvisionedThroughputExceeded", "arn:aws:dynamodb:t"),
        )
        assert found.body == body

    run(main())


def test_clock_is_corrected_once(run: Run) -> None:
    """The machine's clock is an hour behind; a second refusal then means a wrong key."""
    server_now = 1_500_003_600.0

    async def main() -> None:
        refusal = error("InvalidSignatureException", 400, b"Date: " + formatdate(server_now, usegmt=True).encode())
        async with serving(refusal, answer(), refusal) as served, client(served, clock=lambda: 1.5e9) as wire:
            with pytest.raises(ServiceError) as caught:
                await wire.request("Scan", b"{}")
            assert (caught.value.kind, caught.value.transient) == (Kind.SKEW, True)
            assert wire.clock_offset == 3600
            await wire.request("Scan", b"{}")
            with pytest.raises(ServiceError) as caught:
                await wire.request("Scan", b"{}")
            assert (caught.value.kind, caught.value.transient) == (Kind.TERMINAL, False)
        dates = [request.headers["x-amz-date"] for request in served.requests]
        assert dates == ["20170714T024000Z", "20170714T034000Z", "20170714T034000Z"]

    run(main())


def test_retrying_over_the_wire(run: Run) -> None:
    async def main() -> None:
        acts = [
            error("InternalServerError", 500),
            close,
            error("ThrottlingException"),
            then(say(CUT), close),
            answer(b"1"),
        ]
        async with serving(*acts) as served, client(served) as wire:
            retries: list[WireError] = []
            response = await retrying(
                lambda: wire.request("Scan", b"{}"),
                RetryPolicy(base=0),
                on_retry=lambda retry: retries.append(retry.error),
            )
        assert response.body == b"1"
        assert [type(retry) for retry in retries] == [
            ServiceError,
            failures.ConnectionLost,
            ServiceError,
            failures.TruncatedResponse,
        ]
        assert retries[1].stale

    run(main())


def test_credentials_that_change_are_used_at_once(run: Run) -> None:
    async def main() -> None:
        keys = iter([Credentials("FIRST", "s"), Credentials("SECOND", "s")])
        async with serving() as served:
            wire = WireClient(Endpoint.parse(served.url, "us-east-1"), lambda: next(keys))
            for _ in range(2):
                await wire.request("Scan", b"{}")
            await wire.aclose()
        assert ["FIRST" in each.headers["authorization"] for each in served.requests] == [True, False]

    run(main())


def test_credentials_that_cannot_be_had(run: Run) -> None:
    async def main() -> None:
        def none() -> Credentials:
            raise LookupError("no credentials")

        async with serving() as served, WireClient(Endpoint.parse(served.url, "us-east-1"), none) as wire:
            with pytest.raises(LookupError):
                await wire.request("Scan", b"{}")

    run(main())
