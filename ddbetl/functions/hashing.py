"""Hashes of texts and bytes: checksums, name-based UUIDs, shards of keys.

In: a text, of which the UTF-8 bytes count, or a binary. Out: text or a NUMBER. Invariant: the result depends on the
bytes alone, and is the same for ever and everywhere: it may be part of a key.
"""

from __future__ import annotations

import hashlib
import re
import uuid
import zlib
from collections.abc import Callable
from decimal import Decimal

import xxhash

from ddbetl.diagnostics import did_you_mean
from ddbetl.functions.forms import attempt, conjunction, text_of_number
from ddbetl.functions.model import (
    BINARY,
    NUMBER,
    STRING,
    ArgumentError,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.functions.text import utf8
from ddbetl.numbers import number_text, shown
from ddbetl.types import Type

_HINT = "to_string(…) makes a text of it"


def content(value: str | bytes) -> bytes:
    """The bytes of a binary, or of a text in UTF-8; a RowError for a text that has none."""
    return utf8(value) if isinstance(value, str) else value


def lower_content(lowering: Lowering, value: Fast) -> Fast:
    """A text as it is, a binary as BLOB; the guard is about that step alone."""
    if value.form is Form.BASE64:
        return attempt(lowering, f"from_base64({value.value})", Form.BASE64)
    return Fast(value.value, value.form)


# Digests


def _digest(name: str, title: str, examples: tuple[Example, ...]) -> Function:
    def reference(value: str | bytes) -> str:
        return hashlib.new(name, content(value), usedforsecurity=False).hexdigest()

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        found = lower_content(lowering, arguments[0])
        return Fast(f"{name}({found.value})", Form.TEXT, found.guard)

    return Function(
        name,
        "hashing",
        f"The {title} digest of a binary, or of a text's UTF-8 bytes, in lower-case hexadecimal digits.",
        (
            Signature(
                (Parameter("value", STRING | BINARY, hint=_HINT),),
                Type.STRING,
                Implementation(reference, lower),
                nullable=False,
            ),
        ),
        examples,
    )


MD5 = _digest(
    "md5",
    "MD5",
    (
        Example("md5('abc')", "'900150983cd24fb0d6963f7d28e17f72'"),
        Example("md5('')", "'d41d8cd98f00b204e9800998ecf8427e'"),
        Example("md5(Data)", "'49f68a5c8493ec2c0bf489821c21fc3b'", '{"Data": {"B": "aGk="}}'),
        Example("md5(n)", "error: n: expected STRING or BINARY, found NUMBER", '{"n": {"N": "1"}}'),
    ),
)
SHA1 = _digest(
    "sha1",
    "SHA-1",
    (
        Example("sha1('abc')", "'a9993e364706816aba3e25717850c26c9cd0d89d'"),
        Example("sha1('')", "'da39a3ee5e6b4b0d3255bfef95601890afd80709'"),
    ),
)
SHA256 = _digest(
    "sha256",
    "SHA-256",
    (
        Example("sha256('abc')", "'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'"),
        Example("sha256('')", "'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"),
        Example("sha256(x)", "NULL"),
    ),
)


# CRC-32

# The remainder of each byte. Source: RFC 1952, section 8, "make_crc_table".
_POLYNOMIAL = 0xEDB88320


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_REMAINDERS = f"[{', '.join(str(_remainder(byte)) for byte in range(256))}]::BIGINT[]"
_ONES = 2**32 - 1
# Bytes up to which the fast path goes: it takes a list of as many numbers.
_LONGEST_CHECKED = 256


def _crc32(value: str | bytes) -> Decimal:
    return Decimal(zlib.crc32(content(value)))


def _lower_crc32(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    found = lower_content(lowering, arguments[0])
    octets = found.value if arguments[0].form is Form.BASE64 else f"encode({found.value})"
    short = lowering.bind(f"CASE WHEN octet_length({octets}) <= {_LONGEST_CHECKED} THEN hex({octets}) END")
    numbers = f"list_transform(range(strlen({short}) // 2), lambda i: ('0x' || substr({short}, 2 * i + 1, 2))::BIGINT)"
    step = f"lambda a, x: xor(a >> 8, ({_REMAINDERS})[(xor(a, x) & 255) + 1])"
    checked = f"xor(list_reduce(list_prepend({_ONES}::BIGINT, {numbers}), {step}), {_ONES}::BIGINT)"
    value = lowering.bind(f"CASE WHEN {short} IS NOT NULL THEN {checked} END")
    return Fast(value, Form.INTEGER, conjunction([f"({short} IS NOT NULL)", found.guard]))


CRC32 = Function(
    "crc32",
    "hashing",
    "The CRC-32 checksum of a binary, or of a text's UTF-8 bytes, as gzip and zip have it: a number from 0 to "
    "4294967295.",
    (
        Signature(
            (Parameter("value", STRING | BINARY, hint=_HINT),),
            Type.NUMBER,
            Implementation(_crc32, _lower_crc32),
            nullable=False,
        ),
    ),
    (
        Example("crc32('123456789')", "3421780262"),
        Example("crc32('')", "0"),
    ),
)


# XXH64


def _xxhash64(value: str | bytes) -> str:
    return xxhash.xxh64_hexdigest(content(value))


XXHASH64 = Function(
    "xxhash64",
    "hashing",
    "The XXH64 hash, with the seed 0, of a binary, or of a text's UTF-8 bytes, in 16 lower-case hexadecimal digits. It "
    "is there for keys that other systems made: it has no fast form here, where `md5` is faster.",
    (
        Signature(
            (Parameter("value", STRING | BINARY, hint=_HINT),),
            Type.STRING,
            Implementation(_xxhash64, slow_because="XXH64 is computed"),
            nullable=False,
        ),
    ),
    (
        Example("xxhash64('abc')", "'44bc2cf5ad770999'"),
        Example("xxhash64('')", "'ef46db3751d8e999'"),
    ),
)


# UUIDs

# Source: RFC 9562, section 6.6, "Namespace ID Usage and Allocation".
_NAMESPACES = {
    "dns": uuid.NAMESPACE_DNS,
    "url": uuid.NAMESPACE_URL,
    "oid": uuid.NAMESPACE_OID,
    "x500": uuid.NAMESPACE_X500,
}
_UUID = re.compile("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


def _namespace(text: str) -> uuid.UUID:
    if text in _NAMESPACES:
        return _NAMESPACES[text]
    if _UUID.fullmatch(text) is None:
        message = f"uuid5: {shown(text)} is neither a UUID nor one of {', '.join(_NAMESPACES)}"
        hint = did_you_mean(text.lower(), list(_NAMESPACES))
        raise ArgumentError("namespace", message, hint or "uuid5('dns', 'example.com') makes a namespace of your own")
    return uuid.UUID(text)


def _bind_uuid5(binding: Binding) -> Implementation:
    text = binding.constants["namespace"]
    assert isinstance(text, str)
    namespace = _namespace(text)

    def reference(name: str) -> str:
        digest = hashlib.sha1(namespace.bytes + utf8(name), usedforsecurity=False).digest()
        return str(uuid.UUID(bytes=digest[:16], version=5))

    return Implementation(reference, _lower_uuid5(namespace))


def _lower_uuid5(namespace: uuid.UUID) -> Lower:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        digits = lowering.bind(f"sha1(from_hex('{namespace.hex}') || encode({arguments[0].value}))")
        # The version takes the place of one digit, the variant that of the upper two bits of another.
        variant = f"translate(substr({digits}, 17, 1), '0123456789abcdef', '89ab89ab89ab89ab')"
        parts = (
            f"substr({digits}, 1, 8)",
            f"substr({digits}, 9, 4)",
            f"'5' || substr({digits}, 14, 3)",
            f"{variant} || substr({digits}, 18, 3)",
            f"substr({digits}, 21, 12)",
        )
        return Fast("(" + " || '-' || ".join(parts) + ")", Form.TEXT)

    return lower


UUID5 = Function(
    "uuid5",
    "hashing",
    "The UUID of a name in a namespace (RFC 9562, version 5): the same name always has the same UUID. The namespace is "
    "`'dns'`, `'url'`, `'oid'`, `'x500'` or a UUID.",
    (
        Signature(
            (Parameter("namespace", STRING, constant=True), Parameter("name", STRING, hint=_HINT)),
            Type.STRING,
            _bind_uuid5,
            nullable=False,
        ),
    ),
    (
        Example("uuid5('dns', 'www.example.com')", "'2ed6657d-e927-568b-95e1-2665a8aea6a2'"),
        Example("uuid5('dns', 'python.org')", "'886313e1-3b8a-5372-9b90-0c9aee199e5d'"),
        Example("uuid5('2ed6657d-e927-568b-95e1-2665a8aea6a2', '')", "'c4b7dd59-976e-561f-9c3b-03d9ac25d290'"),
        Example("uuid5('url', x)", "NULL"),
    ),
)


# Shards

MOST_SHARDS = 1_000_000


def _shard_text(key: str | Decimal | bytes) -> str | bytes:
    return number_text(key) if isinstance(key, Decimal) else key


def _bind_shard(binding: Binding) -> Implementation:
    count = binding.constants["n"]
    assert isinstance(count, Decimal)
    if count != count.to_integral_value() or not 1 <= count <= MOST_SHARDS:
        raise ArgumentError("n", f"shard: n must be a whole number from 1 to {MOST_SHARDS:,}")
    shards = int(count)

    def reference(key: str | Decimal | bytes) -> Decimal:
        digest = hashlib.md5(content(_shard_text(key)), usedforsecurity=False).digest()
        return Decimal(int.from_bytes(digest[:8], "big") % shards)

    return Implementation(reference, _lower_shard(shards))


def _lower_shard(shards: int) -> Callable[[Lowering, tuple[Fast, ...]], Fast | None]:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        (key,) = arguments
        found = lower_content(lowering, key)
        text: str | None = found.value
        if key.form in (Form.INTEGER, Form.DECIMAL):
            text = text_of_number(key)
        if text is None:
            return None
        digest = f"('0x' || left(md5({text}), 16))::UBIGINT"
        return Fast(f"({digest} % {shards})::BIGINT", Form.INTEGER, found.guard)

    return lower


SHARD = Function(
    "shard",
    "hashing",
    "The shard of a key among `n`, from 0 to n - 1, to spread writes: `Day || '#' || to_string(shard(OrderID, 16))`. "
    "It never changes: the first 8 bytes of the key's MD5 digest, as one unsigned number with the highest byte first, "
    "modulo n. The key is a binary, the UTF-8 bytes of a text, or the text that `to_string` makes of a number; n is a "
    f"whole number from 1 to {MOST_SHARDS:,}.",
    (
        Signature(
            (Parameter("key", STRING | NUMBER | BINARY), Parameter("n", NUMBER, constant=True)),
            Type.NUMBER,
            _bind_shard,
            nullable=False,
        ),
    ),
    (
        Example("shard('abc', 10)", "2"),
        Example("shard('abc', 1000000)", "432"),
        Example("shard('', 16)", "4"),
        Example("shard(n, 16) = shard('1', 16)", "TRUE", '{"n": {"N": "1.00"}}'),
        Example("shard(x, 16)", "NULL"),
    ),
)

HASHING: tuple[Function, ...] = (CRC32, MD5, SHA1, SHA256, SHARD, UUID5, XXHASH64)
