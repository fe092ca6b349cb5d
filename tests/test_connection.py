"""One connection, without a network: its time-outs by a clock of the test, its parsing by properties."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import (
    TLS,
    answer,
    chunked,
    client,
)

from ddbetl.connectors.dynamodb import failures
from ddbetl.connectors.dynamodb.connection import Connection, Response
from ddbetl.connectors.dynamodb.wire import WireSettings


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


def test_a_lost_connection_keeps_no_timer() -> None:
    async def main() -> None:
        loop, _, connection = fake_connection()
        future = connection.send(b"head", b"body")
        connection.connection_lost(ConnectionResetError("reset by peer"))
        with pytest.raises(failures.ConnectionLost, match="reset by peer"):
            await future
        assert connection.closed and loop.timer is None

    asyncio.run(main())


def test_a_connection_that_the_server_has_half_closed_is_closed() -> None:
    async def main() -> None:
        _, _, connection = fake_connection()
        assert not connection.eof_received()  # so asyncio closes the transport
        assert connection.closed

    asyncio.run(main())


def test_an_answer_that_nobody_waits_for_any_more() -> None:
    async def main() -> None:
        _, transport, connection = fake_connection()
        connection.send(b"head", b"body").cancel()
        connection.data_received(answer())
        assert not transport.aborted
        connection.send(b"head", b"body").cancel()
        connection.data_received(b"garbage")
        assert transport.aborted

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


@pytest.mark.parametrize("path", [TLS / "missing.pem", TLS / "README.md"])
def test_unusable_ca_bundle(path: Path) -> None:
    with pytest.raises(ValueError, match=path.name):
        client("https://127.0.0.1", WireSettings(ca_bundle=path))
