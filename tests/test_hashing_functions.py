"""The hashes: known vectors, Python's own libraries, and results that never change."""

from __future__ import annotations

import base64
import hashlib
import uuid
import zlib
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectorised import SETTINGS, Item, Vectorised, compiled, disagreement, reference

from ddbetl.errors import RowError
from ddbetl.numbers import number_text
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.types import Value

TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=30)
CONTENTS = st.lists(st.binary(max_size=80), min_size=1, max_size=30)


def texts(found: list[str]) -> list[Item]:
    return [{"x": {"S": text}} for text in found]


def binaries(found: list[bytes]) -> list[Item]:
    return [{"x": {"B": base64.b64encode(octets).decode()}} for octets in found]


def both(text: str, rows: list[Item]) -> list[Value]:
    """What an expression gives for rows that are all computed by both evaluators, which agree."""
    expression = compiled(text)
    with Vectorised(rows) as table:
        (outcomes,) = table.run([expression])
    assert outcomes is not None
    for item, outcome in zip(rows, outcomes, strict=True):
        assert outcome.fast, item
        assert disagreement(expression, item, outcome) is None
    return [outcome.value for outcome in outcomes]


DIGESTS: dict[str, Callable[[bytes], Value]] = {
    "md5": lambda octets: hashlib.md5(octets).hexdigest(),
    "sha1": lambda octets: hashlib.sha1(octets).hexdigest(),
    "sha256": lambda octets: hashlib.sha256(octets).hexdigest(),
    "crc32": lambda octets: Decimal(zlib.crc32(octets)),
}


@pytest.mark.parametrize("name", DIGESTS)
@settings(max_examples=25, deadline=None)
@given(TEXTS, CONTENTS)
def test_a_digest_is_that_of_the_bytes(name: str, some: list[str], others: list[bytes]) -> None:
    found = both(f"{name}(x)", texts(some) + binaries(others))
    assert found == [DIGESTS[name](octets) for octets in [text.encode() for text in some] + others]


@pytest.mark.parametrize(
    ("call", "result"),
    [
        # RFC 1321, A.5
        ("md5('')", "d41d8cd98f00b204e9800998ecf8427e"),
        ("md5('message digest')", "f96b697d7cb7938d525a2f31aaf161d0"),
        ("md5('abcdefghijklmnopqrstuvwxyz')", "c3fcd3d76192e4007dfb496cca67e13b"),
        # FIPS 180-4, the examples of NIST
        ("sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "sha1('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')",
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        ),
        (
            "sha256('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq')",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
        # The check value of CRC-32/ISO-HDLC
        ("crc32('123456789')", Decimal(0xCBF43926)),
        # RFC 9562, A.4
        ("uuid5('dns', 'www.example.com')", "2ed6657d-e927-568b-95e1-2665a8aea6a2"),
    ],
)
def test_known_vectors(call: str, result: Value) -> None:
    assert reference(compiled(call), {}) == result
    name, _, text = call.partition("'")
    if name.startswith("uuid5"):
        assert both("uuid5('dns', x)", texts(["www.example.com"])) == [result]
    else:
        assert both(f"{name}x)", texts([text.removesuffix("')")])) == [result]


def test_a_text_and_its_bytes_have_one_digest() -> None:
    for name in DIGESTS:
        found = both(f"{name}(x)", [*texts(["Größe", "日本\0"]), *binaries(["Größe".encode(), "日本\0".encode()])])
        assert found[:2] == found[2:]


# The specification's own test program: its data, and the results for the first bytes of it with the seed 0.
@pytest.mark.parametrize(
    ("length", "digest"),
    [(0, "ef46db3751d8e999"), (1, "e934a84adb052768"), (4, "9136a0dca57457ee"), (14, "8282dcc4994e35c8"),
     (222, "b641ae8cb691c174")],
)  # fmt: skip
def test_xxhash64_is_that_of_its_specification(length: int, digest: str) -> None:
    # Source: xxHash, cli/xsum_sanity_check.c, XSUM_fillTestBuffer.
    generator, octets = 2654435761, bytearray()
    for _ in range(length):
        octets.append(generator >> 56)
        generator = generator * 11400714785074694797 % 2**64
    (row,) = binaries([bytes(octets)])
    assert reference(compiled("xxhash64(x)"), row) == digest


def test_xxhash64_of_a_text_is_that_of_its_bytes() -> None:
    (text,), (octets,) = texts(["Größe"]), binaries(["Größe".encode()])
    expression = compiled("xxhash64(x)")
    assert reference(expression, text) == reference(expression, octets)


def test_a_long_checksum_goes_by_reference() -> None:
    rows = texts(["a" * 256, "a" * 257, "é" * 129]) + binaries([bytes(256), bytes(257)])
    with Vectorised(rows) as table:
        (outcomes,) = table.run([compiled("crc32(x)")])
    assert outcomes is not None
    assert [outcome.fast for outcome in outcomes] == [True, False, False, True, False]
    assert outcomes[1].value == zlib.crc32(b"a" * 257)


# UUIDs


@settings(max_examples=25, deadline=None)
@given(TEXTS, st.sampled_from(["dns", "url", "oid", "x500"]), st.uuids())
def test_uuid5_is_python_s(names: list[str], well_known: str, own: uuid.UUID) -> None:
    known = getattr(uuid, f"NAMESPACE_{well_known.upper()}")
    assert both(f"uuid5('{well_known}', x)", texts(names)) == [str(uuid.uuid5(known, name)) for name in names]
    wanted = [str(uuid.uuid5(own, name)) for name in names]
    assert both(f"uuid5('{own}', x)", texts(names)) == wanted
    assert both(f"uuid5('{str(own).upper()}', x)", texts(names)) == wanted


def message(text: str) -> str:
    expression, found = compile_expression(parse_expression(source := SourceText(text)), source, SETTINGS)
    assert expression is None
    (diagnostic,) = found
    return diagnostic.message


@pytest.mark.parametrize("namespace", ["", "DNS", "dns ", "2ed6657de927568b95e12665a8aea6a2", "{2ed6657d}", "mine"])
def test_a_namespace_is_a_uuid_or_well_known(namespace: str) -> None:
    assert message(f"uuid5('{namespace}', x)") == (
        f'uuid5: "{namespace}" is neither a UUID nor one of dns, url, oid, x500'
    )


def test_a_namespace_is_known_before_the_run() -> None:
    assert "must be known before the run" in message("uuid5(space, x)")


# Shards


# For ever: items that were written by these are found by them only.
STABLE = {
    ("", 2): 0, ("", 10): 8, ("", 16): 4, ("", 1000): 788,
    ("abc", 2): 0, ("abc", 10): 2, ("abc", 16): 0, ("abc", 1000): 432,
    ("ORDER#1", 16): 2, ("Größe", 16): 6, ("日本", 16): 4, ("42", 16): 7, ("-1.5", 16): 14,
}  # fmt: skip


def wanted_shard(octets: bytes, n: int) -> Decimal:
    return Decimal(int(hashlib.md5(octets).hexdigest()[:16], 16) % n)


@pytest.mark.parametrize(("key", "n"), STABLE)
def test_a_shard_never_changes(key: str, n: int) -> None:
    assert both(f"shard(x, {n})", [*texts([key]), *binaries([key.encode()])]) == [Decimal(STABLE[key, n])] * 2


@pytest.mark.parametrize("key", ["42", "-1.5", "0", "100"])
def test_a_number_has_the_shard_of_its_text(key: str) -> None:
    written = [key, f"{key}.0" if "." not in key else f"{key}0", f"{Decimal(key):E}"]
    found = {reference(compiled("shard(x, 97)"), {"x": {"N": text}}) for text in written}
    assert found == {wanted_shard(key.encode(), 97)}
    assert both("shard(x, 97)", [{"x": {"N": text}} for text in written[:2]]) == [wanted_shard(key.encode(), 97)] * 2


@settings(max_examples=25, deadline=None)
@given(TEXTS, CONTENTS, st.integers(1, 1_000_000))
def test_a_shard_is_the_first_of_the_digest(some: list[str], others: list[bytes], n: int) -> None:
    found = both(f"shard(x, {n})", texts(some) + binaries(others))
    assert found == [wanted_shard(octets, n) for octets in [text.encode() for text in some] + others]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20),
                min_size=1, max_size=30))  # fmt: skip
def test_numbers_are_sharded_by_their_canonical_text(numbers: list[Decimal]) -> None:
    found = both("shard(x, 1000)", [{"x": {"N": f"{number:f}"}} for number in numbers])
    assert found == [wanted_shard(number_text(number + 0).encode(), 1000) for number in numbers]


def test_shards_are_about_equal() -> None:
    found = Counter(both("shard(x, 10)", texts([f"c{number}" for number in range(2000)])))
    assert set(found) == {Decimal(shard) for shard in range(10)}
    assert all(150 < count < 250 for count in found.values())


@pytest.mark.parametrize("n", ["0", "-1", "1.5", "1000001"])
def test_a_number_of_shards_is_whole_and_sensible(n: str) -> None:
    assert message(f"shard(x, {n})") == "shard: n must be a whole number from 1 to 1,000,000"


def test_a_number_of_shards_is_known_before_the_run() -> None:
    assert "must be known before the run" in message("shard(x, n)")


def test_other_types_have_no_digest() -> None:
    for call, types in (("md5(x)", "STRING or BINARY"), ("shard(x, 2)", "STRING or NUMBER or BINARY")):
        found = reference(compiled(call), {"x": {"BOOL": True}})
        assert isinstance(found, RowError)
        assert (found.code, found.message) == ("R0101", f"x: expected {types}, found BOOLEAN")
