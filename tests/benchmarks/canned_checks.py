"""What the canned server looks at in verify mode: signatures recomputed, written items brought to one form.

In: requests as they came. Out: a reason for refusing them, or the items in canonical form.

Invariant: two items are equal for DynamoDB if and only if their canonical forms are equal text; the digest of a set
of items does not depend on the order in which they were written, and changes when one is written twice.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections import Counter
from decimal import Context, Decimal
from typing import Any

AUTHORIZATION = re.compile(
    rb"AWS4-HMAC-SHA256 Credential=([!-+\--~]{1,128})/(\d{8})/([a-z0-9-]{1,32})/dynamodb/aws4_request, ?"
    rb"SignedHeaders=([a-z0-9;-]{1,512}), ?Signature=([0-9a-f]{64})"
)
ACCESS_KEY = "CANNED"
SECRET_KEY = "canned"
"""What every peer signs with. The server is no more than a measuring device: there is nothing behind it."""

_EXACT = Context(prec=60)


def signature_fault(headers: dict[bytes, bytes], method: str, path: str, body: bytes) -> str | None:
    """Recompute a request's SigV4 signature and say what is wrong with it, or None.

    Source: "Create a signed AWS API request", AWS Identity and Access Management User Guide.
    """
    found = AUTHORIZATION.fullmatch(headers.get(b"authorization", b""))
    if found is None:
        return "the Authorization header is not of the form of Signature Version 4"
    access_key, day, region, signed, signature = (part.decode() for part in found.groups())
    names = signed.split(";")
    stamp = headers.get(b"x-amz-date", b"").decode()
    if access_key != ACCESS_KEY:
        return f"unknown access key {access_key}"
    if names != sorted(names) or not {"host", "x-amz-date", "x-amz-target"} <= set(names):
        return f"signed headers are out of order or too few: {signed}"
    if stamp[:8] != day:
        return f"X-Amz-Date {stamp} is not of the day {day}"
    if any(name.encode() not in headers for name in names):
        return f"a signed header is missing: {signed}"
    canonical = "\n".join(
        [
            method,
            path,
            "",
            *(f"{name}:{' '.join(headers[name.encode()].decode().split())}" for name in names),
            "",
            signed,
            hashlib.sha256(body).hexdigest(),
        ]
    )
    scope = f"{day}/{region}/dynamodb/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = b"AWS4" + SECRET_KEY.encode()
    for part in (day, region, "dynamodb", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return None if hmac.compare_digest(expected, signature) else "the signature does not match"


def canonical_item(item: dict[str, Any]) -> str:
    """Return the one text for an item: names sorted, numbers normalised, sets sorted."""
    return json.dumps({name: canonical_value(value) for name, value in item.items()}, sort_keys=True)


def canonical_value(typed: dict[str, Any]) -> list[Any]:
    """Return a typed value as [type, value]. Raises ValueError for what is no DynamoDB value."""
    if len(typed) != 1:
        raise ValueError(f"a value has exactly one type: {typed!r}")
    ((kind, value),) = typed.items()
    match kind:
        case "S" | "BOOL" | "NULL":
            return [kind, value]
        case "N":
            return [kind, _number(value)]
        case "B":
            return [kind, base64.b64encode(base64.b64decode(value, validate=True)).decode()]
        case "SS":
            return [kind, sorted(value)]
        case "NS":
            return [kind, sorted(map(_number, value))]
        case "BS":
            return [kind, sorted(value)]
        case "L":
            return [kind, [canonical_value(one) for one in value]]
        case "M":
            return [kind, {name: canonical_value(one) for name, one in value.items()}]
    raise ValueError(f"{kind} is no type of DynamoDB")


def _number(text: str) -> str:
    number = Decimal(text)
    if not number.is_finite():
        raise ValueError(f"{text} is no number")
    normal = number.normalize(_EXACT)
    return "0" if normal.is_zero() else format(normal, "e")


def digest(items: Counter[str]) -> str:
    """Return the order-independent digest of written items: the sum of their SHA-256 values modulo 2**256, as hex."""
    total = sum(times * int.from_bytes(hashlib.sha256(item.encode()).digest(), "big") for item, times in items.items())
    return f"{total % 2**256:064x}"
