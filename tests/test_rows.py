"""One item to one row, exactly: outcomes, their places in the spec, keys and sizes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planned import NOW, planned

from ddbetl.engine.rows import FILTERED, Outcome, Row, RowEvaluator, RowFailure, canonical, item_size
from ddbetl.expressions.projection import LARGEST_ITEM, KeyAttribute
from ddbetl.functions.model import RowContext
from ddbetl.types import Type

Item = dict[str, dict[str, Any]]
TWO_KEYS = (KeyAttribute("id", Type.STRING), KeyAttribute("at", Type.NUMBER))
BINARY_KEYS = (KeyAttribute("id", Type.BINARY), KeyAttribute("at", Type.BINARY))


def row(spec: str, item: Item, key: tuple[KeyAttribute, ...] = TWO_KEYS) -> Outcome:
    plan = planned(spec, key, into="Target")
    return RowEvaluator(plan.transform, key).row(json.dumps(item).encode(), RowContext("Source", NOW))


def written(outcome: Outcome) -> Item:
    assert isinstance(outcome, Row), outcome
    found: Item = json.loads(outcome.item)
    return found


GOOD: Item = {"id": {"S": "i"}, "at": {"N": "1.50"}, "s": {"S": "a"}, "n": {"N": "007"}, "ns": {"NS": ["1.0", "2"]}}


def test_a_bare_copy_is_in_wire_form_to_the_letter() -> None:
    outcome = row("SELECT * FROM Source", GOOD)
    assert written(outcome) == GOOD
    assert isinstance(outcome, Row)
    assert outcome.key == ("i", "1.5")
    assert written(row("SELECT id, at, n AS m, ns FROM Source", GOOD)) == {
        "id": {"S": "i"}, "at": {"N": "1.50"}, "m": {"N": "007"}, "ns": {"NS": ["1.0", "2"]},
    }  # fmt: skip


def test_only_true_keeps_a_row() -> None:
    for where, kept in (
        ("s = 'a'", True),
        ("s = 'b'", False),
        ("missing = 'a'", False),
        ("NULL", False),
        ("n = 7", True),
    ):
        outcome = row(f"SELECT * FROM Source WHERE {where}", GOOD)
        assert (outcome != FILTERED) == kept


def failure(spec: str, item: Item, key: tuple[KeyAttribute, ...] = TWO_KEYS) -> tuple[str, str, str | None]:
    """Code, message, and the text of the spec that is to blame."""
    outcome = row(spec, item, key)
    assert isinstance(outcome, RowFailure), outcome
    span = outcome.span
    return outcome.code, outcome.message, None if span is None else spec[span.start : span.end]


def test_a_failure_says_what_where_and_why() -> None:
    assert failure("SELECT *, n + s AS x FROM Source", GOOD) == (
        "R0101", "s: expected NUMBER or DURATION, found STRING", "n + s AS x",
    ) or failure("SELECT *, n + s AS x FROM Source", GOOD)[0] in ("R0101", "R0102")  # fmt: skip
    code, message, where = failure("SELECT * FROM Source WHERE s > 1", GOOD)
    assert (code, message, where) == ("R0101", "s: expected NUMBER, found STRING", "s > 1")
    code, message, where = failure("SELECT *, upper(s) AS n FROM Source", GOOD)
    assert (code, where) == ("R0201", "upper(s) AS n")
    assert failure("SELECT * RENAME (s AS n) FROM Source", GOOD)[0] == "R0201"


LONG = 2048


@pytest.mark.parametrize(
    ("spec", "change", "code", "where"),
    [
        ("SELECT * FROM Source", {"id": None}, "R0202", None),
        ("SELECT * FROM Source", {"at": {"S": "1"}}, "R0202", None),
        ("SELECT * FROM Source", {"at": {"NULL": True}}, "R0202", None),
        ("SELECT * FROM Source", {"id": {"S": ""}}, "R0203", None),
        ("SELECT * FROM Source", {"id": {"S": "é" * (LONG // 2) + "x"}}, "R0203", None),
        ("SELECT id, s AS at FROM Source", {}, "R0202", "s AS at"),
        ("SELECT id, nullif(n, 7) AS at FROM Source", {}, "R0202", "nullif(n, 7) AS at"),
        ("SELECT trim(s) AS id, at FROM Source", {"s": {"S": "  "}}, "R0203", "trim(s) AS id"),
        ("SELECT * FROM Source", {"x": {"S": "x" * LARGEST_ITEM}}, "R0204", None),
    ],
)
def test_what_dynamodb_would_refuse_is_found_before(
    spec: str, change: dict[str, Any], code: str, where: str | None
) -> None:
    item = {name: value for name, value in {**GOOD, **change}.items() if value is not None}
    found = failure(spec, item)
    assert (found[0], found[2]) == (code, where)


def test_keys_of_every_type_are_measured_in_bytes() -> None:
    def key(partition: bytes, sort: bytes) -> Outcome:
        item = {name: {"B": base64.b64encode(value).decode()} for name, value in (("id", partition), ("at", sort))}
        # Not a bare copy: the compiler knows that the key of Source is no BINARY.
        return row("SELECT coalesce(id, id) AS id, coalesce(at, at) AS at FROM Source", item, BINARY_KEYS)

    assert isinstance(key(b"x" * 2048, b"y" * 1024), Row)
    assert isinstance(key(b"x", b"y"), Row)
    for partition, sort in ((b"x" * 2049, b"y"), (b"x", b"y" * 1025), (b"", b"y"), (b"x", b"")):
        outcome = key(partition, sort)
        assert isinstance(outcome, RowFailure) and outcome.code == "R0203"
    assert isinstance(row("SELECT * FROM Source", {**GOOD, "id": {"S": "é" * 1024}}), Row)


@pytest.mark.parametrize(
    ("one", "other"), [("1", "1.0"), ("0", "-0"), ("100", "1E2"), ("0.5", ".50"), ("1e-3", "0.001")]
)
def test_equal_numbers_are_one_key(one: str, other: str) -> None:
    assert canonical(Type.NUMBER, one) == canonical(Type.NUMBER, other)
    assert canonical(Type.STRING, one) != canonical(Type.STRING, other)


# Sizes, counted by hand after the Developer Guide's rules.
@pytest.mark.parametrize(
    ("item", "size"),
    [
        ({"a": {"S": ""}}, 1),
        ({"é": {"S": "日本"}}, 2 + 6),
        ({"a": {"BOOL": True}}, 2),
        ({"a": {"NULL": True}}, 2),
        ({"a": {"B": "AAH/"}}, 1 + 3),
        ({"a": {"B": "AA=="}}, 1 + 1),
        ({"a": {"N": "1"}}, 1 + 2),
        ({"a": {"N": "-1"}}, 1 + 3),
        ({"a": {"N": "1234"}}, 1 + 3),
        ({"a": {"N": "12345"}}, 1 + 4),
        ({"a": {"N": "1000000"}}, 1 + 2),
        ({"a": {"N": "0.0012"}}, 1 + 2),
        ({"a": {"N": "1" * 38}}, 1 + 20),
        ({"a": {"SS": ["ab", "c"]}}, 1 + 3),
        ({"a": {"NS": ["1", "22"]}}, 1 + 4),
        ({"a": {"BS": ["AA==", "AAH/"]}}, 1 + 4),
        ({"a": {"L": []}}, 1 + 3),
        ({"a": {"L": [{"S": "x"}, {"BOOL": False}]}}, 1 + 3 + 2 + 2),
        ({"a": {"M": {"key": {"S": "x"}}}}, 1 + 3 + 1 + 3 + 1),
    ],
)
def test_sizes_are_counted_as_dynamodb_counts(item: Item, size: int) -> None:
    assert item_size(item) == size


@given(st.dictionaries(st.text(min_size=1), st.one_of(
    st.text().map(lambda s: {"S": s}),
    st.decimals(allow_nan=False, allow_infinity=False, places=4).map(lambda n: {"N": str(n)}),
    st.binary().map(lambda b: {"B": base64.b64encode(b).decode()}),
    st.lists(st.text(), min_size=1, unique=True).map(lambda s: {"SS": s}),
)))  # fmt: skip
def test_an_item_is_never_larger_than_its_json(item: Item) -> None:
    """The statement relies on it: a short text is surely a small item."""
    assert item_size(item) <= len(json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode())


CHECKED: list[tuple[str, dict[str, Any] | None, str]] = [
    ("newest", None, "v: KEEP NEWEST compares a NUMBER, a STRING or a BINARY; the row has none"),
    ("newest", {"NULL": True}, "v: KEEP NEWEST compares a NUMBER, a STRING or a BINARY; found NULL"),
    ("newest", {"SS": ["a"]}, "v: KEEP NEWEST compares a NUMBER, a STRING or a BINARY; found STRING SET"),
    ("ttl_attribute", {"S": "1493201730"}, "v: an expiry time is a NUMBER of seconds; found STRING"),
    ("ttl_attribute", {"NULL": True}, "v: an expiry time is a NUMBER of seconds; found NULL"),
    ("ttl_attribute", {"N": "1493201730876"}, "v: 1493201730876 looks like milliseconds; an expiry time is in seconds"),
    ("ttl_attribute", {"N": "100000000000"}, "v: 100000000000 looks like milliseconds; an expiry time is in seconds"),
    ("ttl_attribute", {"N": "2592000"}, "v: 2592000 seconds is a duration, or no time at all; an expiry time counts from 1970"),
    ("ttl_attribute", {"N": "99999999999.5"}, "v: 99999999999.5 has a fraction; an expiry time is in whole seconds"),
    ("ttl_attribute", {"N": "1493201730.5"}, "v: 1493201730.5 has a fraction; an expiry time is in whole seconds"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "value", "message"), CHECKED)
def test_what_cannot_be_compared_or_expire_is_a_reject(check: str, value: dict[str, Any] | None, message: str) -> None:
    for spec, where in (("SELECT * FROM Source", None), ("SELECT id, at, v FROM Source", "v")):
        plan = planned(spec, TWO_KEYS, into="Target")
        item = {**GOOD, **({"v": value} if value is not None else {})}
        evaluator = RowEvaluator(plan.transform, TWO_KEYS, **{check: "v"})
        found = evaluator.row(json.dumps(item).encode(), RowContext("Source", NOW))
        assert isinstance(found, RowFailure)
        assert (found.code, found.message) == ("R0303" if check == "newest" else "R0305", message)
        assert (spec[found.span.start : found.span.end] if found.span is not None else None) == where
