"""The wire client against servers that misbehave, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import calendar
import time
from contextlib import suppress
from dataclasses import replace
from email.utils import formatdate

import pytest
from misbehaving import (
    CREDENTIALS,
    EACH_LOOP,
    SETTINGS,
    Act,
    Run,
    Served,
    answer,
    chunked,
    client,
    close,
    error,
    hang,
    listening,
    reset,
    say,
    serving,
    then,
    until,
)

from ddbetl.connectors.dynamodb import failures
from ddbetl.connectors.dynamodb.connection import MAX_HEAD_BYTES
from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.failures import Kind, ServiceError, WireError
from ddbetl.connectors.dynamodb.retry import Retry, RetryPolicy, retrying
from ddbetl.connectors.dynamodb.signer import Credentials, Signer
from ddbetl.connectors.dynamodb.wire import WireClient

pytestmark = EACH_LOOP

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
BROKEN_ANSWERS: dict[str, tuple[Act | bytes, type[WireError]]] = {
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
    slow = expected is failures.ResponseTimeout

    async def main() -> None:
        settings = replace(
            SETTINGS, max_connections=1, max_response_bytes=300_000, response_timeout=0.05 if slow else 20
        )
        async with serving(act, tls=tls) as served, client(served, settings) as wire:
            with pytest.raises(expected) as caught:
                await wire.request("Scan", b"{}")
            assert type(caught.value) is expected
            assert caught.value.maybe_processed and not caught.value.stale
            assert caught.value.transient == (expected is not failures.ResponseTooLarge)
            assert "secret-key" not in str(caught.value) and "session-token" not in str(caught.value)
            if not slow:  # Such a time-out could hit a good answer as well.
                assert (await wire.request("Scan", b"{}")).body == b"{}"
                assert served.connections == (1 if case in SOUND_CONNECTION else 2)

    run(main())


# The body is wrong, its frame is not.
SOUND_CONNECTION = {"wrong checksum", "not a checksum", "wrong checksum of an error", "compressed"}


@pytest.mark.parametrize("end", [close, reset])
def test_connection_that_ends_while_a_large_request_goes_out(run: Run, end: Act) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(10_000)
            await end(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with client(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as wire:
            with pytest.raises(failures.ConnectionLost) as caught:
                await wire.request("BatchWriteItem", b"x" * 16_000_000)
            assert caught.value.transient and caught.value.maybe_processed and not caught.value.stale
        server.close()

    run(main())


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("case", [name for name, (_, expected) in BROKEN_ANSWERS.items() if expected.transient])
def test_what_breaks_for_a_while_is_repeated_until_it_is_whole(run: Run, case: str, tls: bool) -> None:
    act, expected = BROKEN_ANSWERS[case]

    async def main() -> None:
        heard: list[WireError] = []
        slow = expected is failures.ResponseTimeout
        settings = replace(SETTINGS, response_timeout=0.05 if slow else 20)
        async with serving(act, act, act, answer(b'{"n":1}'), tls=tls) as served, client(served, settings) as wire:
            response = await retrying(
                lambda: wire.request("Scan", b"{}"),
                RetryPolicy(base=0),
                on_retry=lambda retry: heard.append(retry.error),
            )
            assert response.body in (b'{"n":1}', b"{}" if slow else b'{"n":1}')
            assert [type(error) for error in heard[:3]] == [expected] * 3
            assert len(heard) == 3 or slow

    run(main())


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


def test_cancelled_while_connecting(run: Run) -> None:
    async def main() -> None:
        async with listening() as served, client(served) as wire:
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
        async with listening() as served:
            wire = client(served, replace(SETTINGS, tls_timeout=0.05))
            task = asyncio.create_task(wire.request("Scan", b"{}"))
            await until(lambda: served.connections == 1)
            await wire.aclose()
            with pytest.raises(failures.ClientClosed):
                await task
        async with serving() as good:
            wire = client(good)
            task = asyncio.create_task(wire.request("Scan", b"{}"))
            await asyncio.sleep(0)
            await wire.aclose()
            with pytest.raises(failures.ClientClosed):
                await task
            assert good.requests == []

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


class StrictServer:
    """Refuses what was signed with another key, or more than five minutes off its own clock, as DynamoDB does."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.refused = 0

    def act(self, served: list[Served]) -> Act:
        async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # The one that this act is for: no other is read before it is answered.
            request = served[0].requests[-1]
            signed_at = calendar.timegm(time.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ"))
            head = Signer(Endpoint.parse(served[0].url, "us-east-1")).head("Scan", request.body, CREDENTIALS, signed_at)
            assert request.headers["authorization"].encode() in head
            date = b"Date: " + formatdate(self.now, usegmt=True).encode()
            if abs(signed_at - self.now) > 300:
                self.refused += 1
                late = "Signature expired" if signed_at < self.now else "Signature not yet current"
                writer.write(error("InvalidSignatureException", 400, date, message=late))
            else:
                writer.write(answer(b'{"Items":[]}', 200, date))

        return act


@pytest.mark.parametrize("off", [-86_400 * 400, -3_600.7, -301, 301, 3_600.2, 86_400 * 400])
@pytest.mark.parametrize("at_once", [1, 8])
def test_a_wrong_clock_costs_each_request_one_refusal_at_most(run: Run, off: float, at_once: int) -> None:
    server = StrictServer(1_700_000_000.0)

    async def main() -> None:
        place: list[Served] = []
        acts = [server.act(place)] * 100
        async with serving(*acts) as served, client(served, clock=lambda: server.now + off) as wire:
            place.append(served)
            heard: list[ServiceError] = []

            def on_retry(retry: Retry) -> None:
                assert isinstance(retry.error, ServiceError)
                heard.append(retry.error)

            async def scan() -> None:
                response = await retrying(lambda: wire.request("Scan", b"{}"), RetryPolicy(base=0), on_retry=on_retry)
                assert response.body == b'{"Items":[]}'

            await asyncio.gather(*(scan() for _ in range(at_once)))
            assert 1 <= server.refused == len(heard) <= at_once
            assert {each.kind for each in heard} == {Kind.SKEW}
            assert heard[0].skew == pytest.approx(-off, abs=2)
            assert wire.clock_offset == pytest.approx(-off, abs=2)
            # An hour later the clocks are as far apart as they were, and nothing is refused.
            server.now += 3_600
            await asyncio.gather(*(scan() for _ in range(at_once)))
            assert len(heard) == server.refused <= at_once

    run(main())


def test_a_clock_that_is_set_while_the_run_goes_on(run: Run) -> None:
    """First an hour slow, then set to the right time, then set wrongly the other way: one refusal each."""
    server = StrictServer(1_700_000_000.0)
    off = -3_600.0

    async def main() -> None:
        nonlocal off
        place: list[Served] = []
        acts = [server.act(place)] * 100
        async with serving(*acts) as served, client(served, clock=lambda: server.now + off) as wire:
            place.append(served)
            for refusals, setting in enumerate([-3_600.0, 0.0, 7_200.0], start=1):
                off = setting
                for _ in range(3):
                    await retrying(lambda: wire.request("Scan", b"{}"), RetryPolicy(base=0))
                    server.now += 100
                assert server.refused == refusals
                assert wire.clock_offset == -setting

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
