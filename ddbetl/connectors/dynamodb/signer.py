"""Signature Version 4 for the one request that DynamoDB knows: ``POST /`` with a JSON 1.0 body.

In: an operation, its body, credentials, a time. Out: the complete head of the HTTP request, signed.

Everything but the body's hash is the same for all requests of one operation within one second, so it is computed once a
second: a request costs three short hashes and the hash of its body. A keyed hash (HMAC, RFC 2104) is two plain ones;
copies of those two cost less than a copy of Python's own object. Source: AWS Signature Version 4, "Create a signed AWS
API request" (IAM User Guide).

Invariant: equal to botocore's SigV4Auth to the byte, and no secret is ever in a repr.
"""

from __future__ import annotations

import hmac
import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from ddbetl.connectors.dynamodb.endpoint import Endpoint

if TYPE_CHECKING:
    from hashlib import _Hash

TARGET_PREFIX = "DynamoDB_20120810"
CONTENT_TYPE = "application/x-amz-json-1.0"

SERVICE = "dynamodb"
# A body of so many bytes at most is hashed in parts of which none is so large that hashlib would let go of the
# interpreter's lock: of all that a request costs, waiting for it to come back is the most.
LARGE = 64 * 1024
PART = 2047
ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key; ``token`` is the session token of temporary ones. The repr shows none of the three.

    Raises ``ValueError``, without the value, where a text could not stand in a header.
    """

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for name, text in (("access key", self.access_key), ("secret key", self.secret_key), ("token", self.token)):
            if text is not None and not (text and text.isascii() and text.isprintable() and " " not in text):
                raise ValueError(f"the {name} is empty or holds a space, a line break or a character outside ASCII")


def signing_key(secret_key: str, date: str, region: str, service: str) -> bytes:
    """Derive the key of one day (``YYYYMMDD``), region and service."""
    key = f"AWS4{secret_key}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_request(headers: tuple[tuple[str, str], ...], payload_hash: str) -> str:
    """The canonical form of a ``POST /`` without a query; ``headers`` in lower case and in alphabetical order."""
    lines = "".join(f"{name}:{value}\n" for name, value in headers)
    return f"POST\n/\n\n{lines}\n{';'.join(name for name, _ in headers)}\n{payload_hash}"


def string_to_sign(date: str, scope: str, canonical_hash: str) -> str:
    """What the signing key signs; ``date`` is YYYYMMDDThhmmssZ, ``scope`` YYYYMMDD/region/service/aws4_request."""
    return f"{ALGORITHM}\n{date}\n{scope}\n{canonical_hash}"


def _sha256_of(body: bytes | memoryview) -> str:
    """The SHA-256 of a body, in hexadecimal digits."""
    if len(body) > LARGE:
        return sha256(body).hexdigest()
    found, content = sha256(), memoryview(body)
    for start in range(0, len(content), PART):
        found.update(content[start : start + PART])
    return found.hexdigest()


@dataclass(frozen=True, slots=True)
class _Template:
    """What all requests of one operation share within one second."""

    canonical: _Hash  # the hash of the canonical request, fed up to the payload's hash
    inner: _Hash  # the keyed hash of the string to sign, fed up to the canonical request's hash
    outer: _Hash  # what makes a keyed hash of the inner one
    head: bytes  # up to the signature


class Signer:
    """Builds the heads of requests to one endpoint. Not for several threads at once.

    ``request_target`` is what stands after POST (a proxy for plain HTTP wants the whole URL) and ``unsigned`` are
    headers that a proxy may change, so no signature covers them. Both are ready for the wire.
    """

    __slots__ = (
        "_credentials",
        "_date",
        "_endpoint",
        "_key",
        "_request_target",
        "_scope",
        "_second",
        "_templates",
        "_unsigned",
    )

    def __init__(
        self, endpoint: Endpoint, *, request_target: str = "/", unsigned: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self._endpoint = endpoint
        self._request_target = request_target
        self._unsigned = unsigned
        self._second: int | None = None
        self._credentials: Credentials | None = None
        self._templates: dict[str, _Template] = {}

    def head(self, operation: str, body: bytes | memoryview, credentials: Credentials, now: float) -> bytes:
        """Build the head, blank line included; ``now`` in seconds since 1970 UTC, a memoryview of single bytes."""
        second = int(now)
        if second != self._second or credentials != self._credentials:
            self._start(second, credentials)
        template = self._templates.get(operation)
        if template is None:
            template = self._templates[operation] = self._template(operation, credentials)
        canonical = template.canonical.copy()
        canonical.update(_sha256_of(body).encode())
        inner = template.inner.copy()
        inner.update(canonical.hexdigest().encode())
        signature = template.outer.copy()
        signature.update(inner.digest())
        return b"%b%b\r\nContent-Length: %d\r\n\r\n" % (template.head, signature.hexdigest().encode(), len(body))

    def _start(self, second: int, credentials: Credentials) -> None:
        """Forget the last second and set up what all operations share in this one."""
        self._second, self._credentials = second, credentials
        self._templates.clear()
        self._date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
        self._scope = f"{self._date[:8]}/{self._endpoint.region}/{SERVICE}/aws4_request"
        self._key = signing_key(credentials.secret_key, self._date[:8], self._endpoint.region, SERVICE)

    def _template(self, operation: str, credentials: Credentials) -> _Template:
        token = credentials.token
        signed = (
            ("content-type", CONTENT_TYPE),
            ("host", self._endpoint.authority),
            ("x-amz-date", self._date),
            *((("x-amz-security-token", token),) if token else ()),
            ("x-amz-target", f"{TARGET_PREFIX}.{operation}"),
        )
        lines = "".join(f"{name.title()}: {value}\r\n" for name, value in (*signed, *self._unsigned))
        head = (
            f"POST {self._request_target} HTTP/1.1\r\n{lines}"
            f"Authorization: {ALGORITHM} Credential={credentials.access_key}/{self._scope}, "
            f"SignedHeaders={';'.join(name for name, _ in signed)}, Signature="
        )
        key = self._key.ljust(sha256().block_size, b"\0")
        text = string_to_sign(self._date, self._scope, canonical_hash="")
        return _Template(
            canonical=sha256(canonical_request(signed, payload_hash="").encode()),
            inner=sha256(bytes(byte ^ 0x36 for byte in key) + text.encode()),
            outer=sha256(bytes(byte ^ 0x5C for byte in key)),
            head=head.encode(),
        )
