"""Service errors and their kinds; repeating them by a clock of the test."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st
from misbehaving import client, serving

from ddbetl.connectors.dynamodb import failures
from ddbetl.connectors.dynamodb.failures import KINDS, Kind, ServiceError, ThrottlingReason, WireError, service_error
from ddbetl.connectors.dynamodb.retry import Retry, RetryPolicy, retrying


def read(
    code: str | None, status: int = 400, headers: dict[bytes, bytes] | None = None, **more: object
) -> ServiceError:
    body = json.dumps({"__type": code, **more} if code else more).encode()
    return service_error(status, headers or {}, body, signed_at=1_500_000_000.0)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", 400, Kind.THROTTLING),
        ("com.amazonaws.dynamodb.v20120810#RequestLimitExceeded", 400, Kind.THROTTLING),
        ("com.amazonaws.dynamodb.v20120810#LimitExceededException", 400, Kind.THROTTLING),
        ("com.amazon.coral.availability#ThrottlingException", 400, Kind.THROTTLING),
        ("com.amazonaws.dynamodb.v20120810#InternalServerError", 500, Kind.TRANSIENT),
        ("com.amazonaws.dynamodb.v20120810#ReplicatedWriteConflictException", 400, Kind.TRANSIENT),
        ("com.amazonaws.dynamodb.v20120810#TransactionConflictException", 400, Kind.TRANSIENT),
        ("com.amazonaws.dynamodb.v20120810#TransactionInProgressException", 400, Kind.TRANSIENT),
        ("com.amazon.coral.service#InternalFailure", 500, Kind.TRANSIENT),
        ("ServiceUnavailable", 503, Kind.TRANSIENT),
        ("com.amazon.coral.service#ExpiredTokenException", 400, Kind.CREDENTIALS),
        ("com.amazon.coral.service#UnrecognizedClientException", 400, Kind.CREDENTIALS),
        ("InvalidClientTokenId", 403, Kind.CREDENTIALS),
        ("com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", 400, Kind.TERMINAL),
        ("com.amazonaws.dynamodb.v20120810#DuplicateItemException", 400, Kind.TERMINAL),
        ("com.amazonaws.dynamodb.v20120810#ItemCollectionSizeLimitExceededException", 400, Kind.TERMINAL),
        ("com.amazonaws.dynamodb.v20120810#ResourceInUseException", 400, Kind.TERMINAL),
        ("com.amazonaws.dynamodb.v20120810#ResourceNotFoundException", 400, Kind.TERMINAL),
        ("com.amazonaws.dynamodb.v20120810#TransactionCanceledException", 400, Kind.TERMINAL),
        ("com.amazon.coral.service#AccessDeniedException", 400, Kind.TERMINAL),
        ("com.amazon.coral.service#IncompleteSignatureException", 400, Kind.TERMINAL),
        ("com.amazon.coral.service#MissingAuthenticationTokenException", 400, Kind.TERMINAL),
        ("com.amazon.coral.service#SerializationException", 400, Kind.TERMINAL),
        ("com.amazon.coral.service#UnknownOperationException", 400, Kind.TERMINAL),
        ("com.amazon.coral.validate#ValidationException", 400, Kind.TERMINAL),
        ("SomethingNew", 500, Kind.TRANSIENT),
        ("SomethingNew", 429, Kind.THROTTLING),
        ("SomethingNew", 400, Kind.TERMINAL),
    ],
)
def test_kind_of_a_code(code: str, status: int, kind: Kind) -> None:
    error = read(code, status, message="because")
    assert (error.kind, str(error)) == (kind, f"{code.rpartition('#')[2]}: because")
    assert (error.transient, error.maybe_processed) == (kind is not Kind.TERMINAL, status >= 500)


def test_no_exception_that_throttles_is_missing() -> None:
    """botocore's model of DynamoDB says which exceptions tell why they throttle."""
    model = botocore.session.get_session().get_service_model("dynamodb")
    throttling = [
        name
        for name in model.shape_names
        if (shape := model.shape_for(name)).metadata.get("exception")
        and any(member.lower() == "throttlingreasons" for member in getattr(shape, "members", ()))
    ]
    assert {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"} <= set(throttling)
    assert {name: KINDS.get(name) for name in throttling} == dict.fromkeys(throttling, Kind.THROTTLING)
    codes = [
        code
        for code in model.shape_for("BatchStatementErrorCodeEnum").metadata["enum"]
        if "Thrott" in code or "Through" in code
    ]
    assert len(codes) >= 2 and {KINDS.get(code) for code in codes} == {Kind.THROTTLING}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"__type":"x#AccessDeniedException","Message":"no"}', "AccessDeniedException: no"),
        (b'{"__type":"AccessDeniedException"}', "AccessDeniedException"),
        (b"{}", "HTTP 502"),
        (b"", "HTTP 502"),
        (b"<html>Bad Gateway</html>", "HTTP 502"),
        (b'{"__type":7}', "HTTP 502"),
        (b'{"__type":7,"Message":"no"}', "HTTP 502: no"),
        (b'{"__type":"x#X","message":"\xff"}', "X: \ufffd"),
        (b'{"__type":"x#X","message":"half \\ud800"}', "X: half ?"),
        (b'{"__type":"x#X","message":["no"],"throttlingReasons":5}', "X"),
        (b'{"__type":' + b"[" * 5000, "HTTP 502"),
        (b'"\xff"', "HTTP 502"),
        (b"[]", "HTTP 502"),
    ],
)
def test_error_bodies_in_every_spelling(body: bytes, text: str) -> None:
    error = service_error(502, {}, body, signed_at=0)
    assert (str(error), error.body, error.request_id, error.server_time) == (text, body, "", None)


@pytest.mark.parametrize("name", ["ThrottlingReasons", "throttlingReasons"])
def test_throttling_reasons(name: str) -> None:
    error = read(
        "x#ThrottlingException", **{name: [{"reason": "TableWriteAccountLimitExceeded", "resource": "arn"}, {}]}
    )
    assert error.throttling_reasons == (
        ThrottlingReason("TableWriteAccountLimitExceeded", "arn"),
        ThrottlingReason("", ""),
    )


@pytest.mark.parametrize("code", sorted(code for code, kind in KINDS.items() if kind is Kind.SKEW))
@pytest.mark.parametrize(
    ("date", "kind"),
    [
        (b"Fri, 14 Jul 2017 02:40:00 GMT", Kind.TERMINAL),  # the time of the signature: the key is wrong
        (b"Fri, 14 Jul 2017 02:43:59 GMT", Kind.TERMINAL),
        (b"Fri, 14 Jul 2017 02:44:00 GMT", Kind.SKEW),
        (b"Fri, 14 Jul 2017 01:00:00 GMT", Kind.SKEW),
        (b"Fri, 14 Jul 2017 01:00:00 -0000", Kind.SKEW),
        (b"yesterday", Kind.TERMINAL),
        (None, Kind.TERMINAL),
    ],
)
def test_clock_or_key(code: str, date: bytes | None, kind: Kind) -> None:
    assert read(code, 403, {} if date is None else {b"date": date}).kind is kind


# Repeating, with a clock that only the waits move.


class Trial:
    """A call that fails as told and then succeeds; its clock, its waits and what it was told of them."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0
        self.now = 0.0
        self.waits: list[float] = []
        self.heard: list[Retry] = []

    async def call(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def run(self, policy: RetryPolicy, uniform: Callable[[], float] = lambda: 1.0) -> str:
        return asyncio.run(
            retrying(
                self.call, policy, on_retry=self.heard.append, sleep=self.sleep, uniform=uniform, clock=lambda: self.now
            )
        )


THROTTLED = read("ThrottlingException")
EXPIRED = read("ExpiredTokenException")
DENIED = read("AccessDeniedException")
LOST = failures.ConnectionLost("lost", stale=False)
STALE = failures.ConnectionLost("lost", stale=True)


def test_waits_double_up_to_the_cap_and_are_announced() -> None:
    trial = Trial(THROTTLED, LOST, THROTTLED, LOST, LOST)
    assert trial.run(RetryPolicy(base=1, cap=5)) == "done"
    assert trial.waits == [1, 2, 4, 5, 5]
    assert trial.heard == [
        Retry(error, attempts, delay)
        for attempts, (error, delay) in enumerate(
            [(THROTTLED, 1), (LOST, 2), (THROTTLED, 4), (LOST, 5), (LOST, 5)], start=1
        )
    ]


def test_without_bounds_it_goes_on() -> None:
    trial = Trial(*[THROTTLED] * 3000)
    assert trial.run(RetryPolicy()) == "done" and trial.calls == 3001


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=8, max_size=8))
def test_jitter_is_full(draws: list[float]) -> None:
    trial = Trial(*[LOST] * 8)
    source = iter(draws)
    trial.run(RetryPolicy(base=1, cap=20), uniform=lambda: next(source))
    assert trial.waits == [draw * bound for draw, bound in zip(draws, [1, 2, 4, 8, 16, 20, 20, 20], strict=True)]


@pytest.mark.parametrize(
    ("policy", "errors", "calls"),
    [
        (RetryPolicy(), [DENIED], 1),
        (RetryPolicy(), [LOST, LOST, DENIED], 3),
        (RetryPolicy(), [failures.CertificateRejected("no")], 1),
        (RetryPolicy(max_attempts=1), [LOST], 1),
        (RetryPolicy(max_attempts=3), [LOST] * 3, 3),
        (RetryPolicy(base=1, max_elapsed=6.9), [LOST] * 3, 3),  # waits of 1 and 2; 4 more would pass the bound
        (RetryPolicy(), [EXPIRED] * 3, 3),
        (RetryPolicy(max_refusals=0), [EXPIRED], 1),
        (RetryPolicy(), [EXPIRED, EXPIRED, LOST, EXPIRED, EXPIRED, EXPIRED], 6),
    ],
)
def test_where_it_ends(policy: RetryPolicy, errors: list[WireError], calls: int) -> None:
    trial = Trial(*errors)
    with pytest.raises(WireError) as caught:
        trial.run(policy)
    assert caught.value is errors[-1] and trial.calls == calls and len(trial.heard) == calls - 1


@pytest.mark.parametrize(
    ("policy", "errors"),
    [
        (RetryPolicy(max_attempts=4), [LOST] * 3),
        (RetryPolicy(base=1, max_elapsed=7), [LOST] * 3),
        (RetryPolicy(), [EXPIRED, EXPIRED, LOST, EXPIRED, EXPIRED]),
    ],
)
def test_just_within_the_bounds(policy: RetryPolicy, errors: list[WireError]) -> None:
    assert Trial(*errors).run(policy) == "done"


def test_a_stale_connection_costs_no_wait_but_two_in_a_row_do() -> None:
    trial = Trial(STALE, LOST, STALE, STALE, STALE, THROTTLED)
    assert trial.run(RetryPolicy(base=1)) == "done"
    assert trial.waits == [0, 1, 0, 2, 4, 8]


def test_other_exceptions_pass_through() -> None:
    trial = Trial(LookupError())
    with pytest.raises(LookupError):
        trial.run(RetryPolicy())
    assert trial.heard == []


def test_a_name_that_is_not_known_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """On asyncio's own loop, which asks for names where a test can answer; uvloop does not."""
    real = socket.getaddrinfo
    asked: list[str] = []

    def getaddrinfo(host: str, *arguments: Any, **named: Any) -> Any:
        if host != "dynamodb.test":
            return real(host, *arguments, **named)
        asked.append(host)
        if len(asked) <= 3:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return real("127.0.0.1", *arguments, **named)

    async def main() -> list[WireError]:
        heard: list[WireError] = []
        async with serving() as served, client(served.url.replace("127.0.0.1", "dynamodb.test")) as wire:
            await retrying(
                lambda: wire.request("Scan", b"{}"),
                RetryPolicy(base=0),
                on_retry=lambda retry: heard.append(retry.error),
            )
            assert len(served.requests) == 1
        return heard

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    heard = asyncio.run(main())
    assert [type(error) for error in heard] == [failures.DnsFailure] * 3
    assert "dynamodb.test" in str(heard[0])
