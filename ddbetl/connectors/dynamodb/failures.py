"""What can go wrong between a request and its answer.

::

    WireError                    transient, maybe_processed, stale
    ├── ClientClosed             the client was closed: terminal
    ├── ConnectFailed            no connection, so nothing was sent: refused, unreachable, reset
    │   ├── ConnectTimeout
    │   ├── DnsFailure
    │   ├── TlsFailed            the handshake broke or took too long
    │   ├── CertificateRejected  terminal: waiting does not mend a certificate
    │   └── ProxyRefused         the proxy's answer to CONNECT; terminal unless it is a 5xx
    ├── ExchangeFailed           the request was sent, or a part of it: it may have been processed
    │   ├── ConnectionLost       closed or reset before the first byte of the answer
    │   ├── TruncatedResponse    closed or reset within the answer
    │   ├── ResponseTimeout
    │   ├── MalformedResponse    not HTTP/1.1 with a length
    │   ├── ChecksumMismatch     the body is not the one that the server sent
    │   └── ResponseTooLarge     terminal
    └── ServiceError             the service's own answer; its kind decides

In: status, headers and body of an answer. Out: a ``ServiceError`` with a ``Kind`` from the one table of codes.

Invariant: no message holds a credential, a proxy's password or a request's body.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

import msgspec

from ddbetl.errors import DdbetlError


class WireError(DdbetlError):
    """A request without a good answer.

    ``transient``: the same request may succeed later. ``maybe_processed``: the server may have acted on this one
    nevertheless. ``stale``: it was not the first request of its connection and not one byte came back, as when the
    server has closed an idle connection in the same moment; worth one retry at once.

    All requests of ddbetl can be repeated: reads, batch puts, deletes and updates are idempotent, other writes carry
    conditions, and what then stands in their way is looked at.
    """

    transient: bool = True
    maybe_processed: bool = False
    stale: bool = False
    # What was asked of which table, as far as the one who asked has said.
    operation: str = ""
    table: str = ""


class ClientClosed(WireError):
    """The client was closed before or while the request ran."""

    transient = False
    maybe_processed = True


class ConnectFailed(WireError):
    """No connection could be opened."""


class ConnectTimeout(ConnectFailed):
    """No connection within ``connect_timeout``."""


class DnsFailure(ConnectFailed):
    """The host's name could not be resolved."""


class TlsFailed(ConnectFailed):
    """The TLS handshake broke or did not end within ``tls_timeout``."""


class CertificateRejected(ConnectFailed):
    """The server's certificate is not valid for this host, or not trusted."""

    transient = False


class ProxyRefused(ConnectFailed):
    """The proxy did not open a tunnel; ``status`` is its answer's."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
        self.transient = status >= 500


class ExchangeFailed(WireError):
    """The request went out and no whole answer came back."""

    maybe_processed = True


class ConnectionLost(ExchangeFailed):
    """The connection ended before the first byte of the answer."""

    def __init__(self, message: str, *, stale: bool) -> None:
        super().__init__(message)
        self.stale = stale


class TruncatedResponse(ExchangeFailed):
    """The connection ended within the answer."""


class ResponseTimeout(ExchangeFailed):
    """No byte moved, in either direction, for ``response_timeout`` seconds."""


class MalformedResponse(ExchangeFailed):
    """The answer is not HTTP, or its end cannot be known."""


class ChecksumMismatch(ExchangeFailed):
    """The body's CRC32 is not the one in ``x-amz-crc32``."""


class ResponseTooLarge(ExchangeFailed):
    """The answer is larger than ``max_response_bytes``."""

    transient = False


class Kind(Enum):
    """What to do about a service error."""

    THROTTLING = "throttling"  # go slower, then repeat
    TRANSIENT = "transient"  # repeat
    CREDENTIALS = "credentials"  # refresh the credentials, repeat a few times
    SKEW = "skew"  # correct the clock, repeat a few times
    TERMINAL = "terminal"  # repeating does not help


# Every code that is not terminal. What is missing here is decided by the status: 429 is throttling, 5xx transient.
# Sources: Amazon DynamoDB Developer Guide, "Error handling with DynamoDB"; API reference, "Common Errors" and
# BatchStatementError, whose codes (ThrottlingError, TransactionConflict, …) come inside a good answer.
# ItemCollectionSizeLimitExceeded is terminal although the guide allows a retry: only deleting items mends it.
KINDS: Mapping[str, Kind] = {
    "LimitExceededException": Kind.THROTTLING,
    "ProvisionedThroughputExceeded": Kind.THROTTLING,
    "ProvisionedThroughputExceededException": Kind.THROTTLING,
    "RequestLimitExceeded": Kind.THROTTLING,
    "RequestThrottledException": Kind.THROTTLING,
    "SlowDown": Kind.THROTTLING,
    "Throttling": Kind.THROTTLING,
    "ThrottledException": Kind.THROTTLING,
    "ThrottlingError": Kind.THROTTLING,
    "ThrottlingException": Kind.THROTTLING,
    "TooManyRequestsException": Kind.THROTTLING,
    "InternalFailure": Kind.TRANSIENT,
    "InternalServerError": Kind.TRANSIENT,
    "ReplicatedWriteConflictException": Kind.TRANSIENT,
    "RequestTimeout": Kind.TRANSIENT,
    "RequestTimeoutException": Kind.TRANSIENT,
    "ServiceUnavailable": Kind.TRANSIENT,
    "ServiceUnavailableException": Kind.TRANSIENT,
    "TransactionConflict": Kind.TRANSIENT,
    "TransactionConflictException": Kind.TRANSIENT,
    "TransactionInProgressException": Kind.TRANSIENT,
    # Fresh keys and tokens take a moment until every server knows them, hence those of unknown keys.
    "ExpiredToken": Kind.CREDENTIALS,
    "ExpiredTokenException": Kind.CREDENTIALS,
    "InvalidClientTokenId": Kind.CREDENTIALS,
    "UnrecognizedClientException": Kind.CREDENTIALS,
    # A wrong secret key gives the same codes as a wrong clock: service_error compares the clocks.
    "InvalidSignatureException": Kind.SKEW,
    "RequestExpired": Kind.SKEW,
    "RequestInTheFuture": Kind.SKEW,
    "RequestTimeTooSkewed": Kind.SKEW,
    "SignatureDoesNotMatch": Kind.SKEW,
}

# The service refuses a signature that is more than five minutes off; less than this is not the reason.
SKEW_SECONDS = 240.0


def kind_of(code: str, status: int) -> Kind:
    """Classify an error code, or by the status a code that no table knows."""
    if code in KINDS:
        return KINDS[code]
    if status == 429:
        return Kind.THROTTLING
    return Kind.TRANSIENT if status >= 500 else Kind.TERMINAL


@dataclass(frozen=True, slots=True)
class ThrottlingReason:
    """Which limit throttled (``TableWriteProvisionedThroughputExceeded``, …) and the ARN of its table or index."""

    reason: str
    resource: str


class ServiceError(WireError):
    """An answer with an error in it.

    ``code`` is without its namespace; ``HTTP <status>`` where the body is not DynamoDB's. ``server_time`` is the Date
    header in seconds since 1970 UTC, ``skew`` how far that is ahead of the time in the request's signature; both are
    None without a Date. ``body`` is the whole answer, for what a code brings along; it may repeat the request's
    headers, which the message does not.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        kind: Kind,
        request_id: str = "",
        server_time: float | None = None,
        skew: float | None = None,
        throttling_reasons: tuple[ThrottlingReason, ...] = (),
        body: bytes = b"",
    ) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.message = message
        self.status = status
        self.kind = kind
        self.request_id = request_id
        self.server_time = server_time
        self.skew = skew
        self.throttling_reasons = throttling_reasons
        self.body = body
        self.transient = kind is not Kind.TERMINAL
        self.maybe_processed = status >= 500


class _Reason(msgspec.Struct):
    reason: str = ""
    resource: str = ""


class _ErrorBody(msgspec.Struct):
    """The spellings differ between services and between the exceptions of one."""

    type: str = msgspec.field(name="__type", default="")
    lower_message: str | None = msgspec.field(name="message", default=None)
    upper_message: str | None = msgspec.field(name="Message", default=None)
    lower_reasons: list[_Reason] | None = msgspec.field(name="throttlingReasons", default=None)
    upper_reasons: list[_Reason] | None = msgspec.field(name="ThrottlingReasons", default=None)


# A refused signature's message repeats what was signed, and the session token stands there.
_ECHO = re.compile(
    r"\s*(?:The Canonical String for this request|The String-to-Sign should|Authorization=).*", re.DOTALL
)


def without_echo(message: str) -> str:
    """Cut off what a server's message repeats of the request's headers."""
    return _ECHO.sub("", message)


def service_error(status: int, headers: Mapping[bytes, bytes], body: bytes, signed_at: float) -> ServiceError:
    """Read the error in an answer; header names in lower case, ``signed_at`` is the request's time in seconds."""
    parsed = _error_body(body)
    code = parsed.type.rpartition("#")[2] or f"HTTP {status}"
    server_time = _seconds(headers.get(b"date"))
    skew = server_time - signed_at if server_time is not None else None
    kind = kind_of(code, status)
    if kind is Kind.SKEW and (skew is None or abs(skew) < SKEW_SECONDS):
        kind = Kind.TERMINAL
    return ServiceError(
        code,
        without_echo(parsed.lower_message or parsed.upper_message or ""),
        status=status,
        kind=kind,
        request_id=headers.get(b"x-amzn-requestid", b"").decode("latin-1"),
        server_time=server_time,
        skew=skew,
        throttling_reasons=tuple(
            ThrottlingReason(reason.reason, reason.resource)
            for reason in parsed.upper_reasons or parsed.lower_reasons or ()
        ),
        body=body,
    )


def _error_body(body: bytes) -> _ErrorBody:
    """What an answer says of its error; what cannot be read of it is left out."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(body, type=_ErrorBody)
    # Half of a surrogate pair, bytes that are no text, a value of another type: the rest still says something.
    try:
        found = json.loads(body.decode(errors="replace"))
    except (ValueError, RecursionError):
        return _ErrorBody()
    if not isinstance(found, dict):
        return _ErrorBody()
    texts = {name: text.encode(errors="replace").decode() for name, text in found.items() if isinstance(text, str)}
    return _ErrorBody(texts.get("__type", ""), texts.get("message"), texts.get("Message"))


def _seconds(date: bytes | None) -> float | None:
    """Read a Date header; None where there is none or it is no date."""
    if date is None:
        return None
    try:
        # HTTP dates are always in GMT, whatever they say.
        return parsedate_to_datetime(date.decode("latin-1")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
