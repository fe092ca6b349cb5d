"""The statement against the row evaluator: every item ends once, as filtered, as a row or by reference, and no row differs.

The items are generated: right and wrong types, NULL, missing, odd names, texts that tend to be trouble, keys that
DynamoDB would refuse. Both sides read the same bytes.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import generated
import msgspec
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from planned import NOW, planned

from ddbetl.connectors.dynamodb.requests import entries_of, items_of
from ddbetl.engine.rows import FILTERED, Row, RowEvaluator, RowFailure, decode_item
from ddbetl.engine.transform import PageInput, PageOutput, Transformer
from ddbetl.expressions.projection import BATCH, LARGEST_ITEM, KeyAttribute
from ddbetl.functions.model import RowContext, sql_text
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.types import Type

Item = dict[str, dict[str, Any]]

STRING_KEY = (KeyAttribute("id", Type.STRING),)
TWO_KEYS = (KeyAttribute("id", Type.STRING), KeyAttribute("at", Type.NUMBER))
NUMBER_KEY = (KeyAttribute("n", Type.NUMBER),)
BINARY_KEY = (KeyAttribute("y", Type.BINARY), KeyAttribute("s", Type.STRING))

# A spec, and the key of its target. The ordinary items below go the fast way through all of them.
SPECS: dict[str, tuple[str, tuple[KeyAttribute, ...]]] = {
    "copies": ("SELECT id, s, n, b, y, l, m, ss, ns, bs, x FROM Source", STRING_KEY),
    "copies under other names": ('SELECT s AS id, id AS s, n AS "N", x AS x2 FROM Source', STRING_KEY),
    "paths": ('SELECT id, m.k, m."a.b" AS ab, m."~1/" AS t, l[0] AS l0, m.k.k AS kk, l[1].k AS lk FROM Source', STRING_KEY),
    "star": ("SELECT * FROM Source", STRING_KEY),
    "star exclude": ('SELECT * EXCLUDE (x, m, "a.b", "it\'s", nowhere) FROM Source', STRING_KEY),
    "star replace": ("SELECT * REPLACE (upper(s) AS s, n + 1 AS n, m.k AS m) FROM Source", STRING_KEY),
    "star rename": ('SELECT * RENAME (s AS t, t AS s, x AS "new ""name""", x2 AS x3) FROM Source', STRING_KEY),
    "star renames the key": ("SELECT * RENAME (s AS id, id AS was) FROM Source", STRING_KEY),
    "star and more": ("SELECT *, n AS x9, lower(s) AS low, m.k AS x2, 'c' AS y2 FROM Source", STRING_KEY),
    "all kinds of star": (
        "SELECT * EXCLUDE (y, l) REPLACE (length(s) AS s) RENAME (n AS n9), m.k AS l FROM Source "
        "WHERE n > 0 OR b",
        STRING_KEY,
    ),
    "star of nothing else": (
        "SELECT * EXCLUDE (s,s2,t,n,n2,b,b2,y,y2,l,m,ss,ns,bs,x,x2,\"N\",\"ID\") FROM Source", STRING_KEY,
    ),
    "arithmetic": (
        "SELECT id, n + n2 AS a, n - 0.1 AS c, n * 3 AS d, n * n2 AS e, -n AS f, n % 7 AS g, "
        "abs(n) AS h, floor(n) AS i, round(n, 2) AS j FROM Source WHERE n + 1 > n2",
        STRING_KEY,
    ),
    "computed key": ("SELECT upper(s) AS id, length(s) * 2 AS at, n FROM Source", TWO_KEYS),
    "key from a path": ("SELECT m.k AS id, l[0] AS at FROM Source", TWO_KEYS),
    "any key": ("SELECT coalesce(m.k, s) AS id, n AS at FROM Source", TWO_KEYS),
    "constant key": ("SELECT 'k' AS id, n AS at FROM Source", TWO_KEYS),
    "number key": ("SELECT * FROM Source", NUMBER_KEY),
    "binary key": ("SELECT y, s, n FROM Source WHERE n IS NOT NULL", BINARY_KEY),
    "case": (
        "SELECT id, CASE WHEN n > 100 THEN 'big' WHEN n < 0 THEN 'negative' ELSE s END AS c, "
        "CASE s WHEN 'a' THEN 1 WHEN 'A' THEN 2 END AS d, if(b, n, n2) AS e, CASE WHEN b THEN x ELSE x2 END AS f FROM Source",
        STRING_KEY,
    ),
    "coalesce": (
        "SELECT id, coalesce(x, x2) AS a, coalesce(n, 0) AS c, coalesce(s, t, 'none') AS d, "
        "nullif(s, '') AS e FROM Source",
        STRING_KEY,
    ),
    "nulls": (
        "SELECT id, x IS NULL AS a, x IS MISSING AS c, n IS NOT NULL AS d, m.k IS NULL AS e, "
        "m.k IS MISSING AS f, NULL AS g, s IS NOT MISSING AS h FROM Source WHERE x2 IS NOT MISSING OR n IS NULL",
        STRING_KEY,
    ),
    "where missing": ("SELECT id, x FROM Source WHERE x IS MISSING OR x IS NULL", STRING_KEY),
    "where not": ("SELECT id FROM Source WHERE NOT (n > 5 AND s = 'a') OR x = 1", STRING_KEY),
    "where boolean": ("SELECT id, b FROM Source WHERE b", STRING_KEY),
    "where mixed": ("SELECT * FROM Source WHERE n BETWEEN 0 AND 1000 AND (s <> '' OR b2) AND x IS NOT NULL", STRING_KEY),
    "like and in": (
        "SELECT id, s LIKE 'a%' AS a, s LIKE '%!%%' ESCAPE '!' AS c, n IN (1, 2, 3.5) AS d, "
        "s NOT IN ('a', 'abc') AS e FROM Source WHERE t LIKE '%' OR t IS NULL",
        STRING_KEY,
    ),
    "texts": (
        "SELECT id, s || '-' || t AS a, substr(s, 2, 3) AS c, trim(s) AS d, lower(s) AS e, "
        "concat(s, t) AS f, length(s) AS g, size(s) AS h, attribute_type(x) AS i, source_table() AS j FROM Source",
        STRING_KEY,
    ),
    "time": (
        "LET ttl = 365 days; SELECT id, epoch(s) AS a, epoch(t) + ttl AS c, epoch_ms(s) AS d, "
        "format_time(parse_time(t), 'yyyy-MM-dd') AS e, epoch(now()) AS f FROM Source",
        STRING_KEY,
    ),
    "time in a zone": (
        "SELECT id, epoch(s, 'yyyy-MM-dd HH:mm:ss', 'America/Los_Angeles') AS a, "
        "epoch(t, 'dd/MM/yyyy') AS c FROM Source WITH (timezone = 'Europe/Berlin')",
        STRING_KEY,
    ),
    "conversions": (
        "SELECT id, to_number(s) AS a, to_string(n) AS c, CAST(b AS STRING) AS d, CAST(s AS BINARY) AS e, "
        "try(to_number(t)) AS f FROM Source",
        STRING_KEY,
    ),
    "the main job": (
        "LET ttl = 365 days; SELECT id, epoch(t) AS at, epoch(t) + ttl AS e, s FROM Source WHERE length(s) > 0",
        TWO_KEYS,
    ),
    "odd names": (
        'SELECT id, "a.b", "it\'s" AS "q""q", "a[0]", "😀é" AS "é", "#x", "$y" AS "a\\b", " " AS "t0", '
        '"ID" AS "Id", "c0" || "page" AS "position", "whole" AS "items" FROM Source WHERE "key" IS NULL OR "ok" > 0',
        STRING_KEY,
    ),
    "star over odd names": (
        'SELECT * EXCLUDE ("a[0]", "ID") REPLACE ("c0" || \'x\' AS "c0") RENAME ("$y" AS "\'", "😀é" AS "😀") '
        "FROM Source",
        STRING_KEY,
    ),
    "texts that look like SQL": (
        "SELECT id, ''' || (SELECT 1) || ''' AS \"'; DROP TABLE pages; --\", s || '\\' AS c, "
        "'\"}}]}' AS \"\"\"}\", s = ''' OR 1=1 --' AS d, 'é😀''' AS e FROM Source WHERE s <> '''; --'",
        STRING_KEY,
    ),
}  # fmt: skip

ODD_NAMES = ('a.b', "it's", 'q"q', "a[0]", "😀é", "#x", "$y", " ", "ID", "Id", "c0", "t0", "j0", "w", "page", "position",
             "whole", "items", "key", "ok", "body", "source_table", "\\", "a/b", "~", "line\nbreak", "NULL", "id ", "new \"name\"")  # fmt: skip


def key_value(draw: random.Random, number: int) -> dict[str, Any] | None:
    """A value for the key: mostly one of its own, sometimes one that DynamoDB refuses, or one that stands there already."""
    match draw.randrange(14):
        case 0:
            return None
        case 1:
            return {"S": ""}
        case 2:
            return generated.any_attribute(draw)
        case 3:
            return {"S": draw.choice("kK") * draw.choice((1023, 1024, 1025, 2048, 2049))}
        case 4:
            return {"S": "é" * 1024 + draw.choice(("", "x"))}
        case 5 | 6:
            return {"S": draw.choice(("same", "other"))}
        case _:
            return {"S": f"id-{number}"}


# What the ordinary items of a spec have in place of the usual values, so that the spec can compute them.
ORDINARY: dict[str, dict[str, Any]] = {
    "copies under other names": {"s": {"S": "key"}},
    "star renames the key": {"s": {"S": "key"}},
    "computed key": {"s": {"S": "key"}},
    "key from a path": {"l": {"L": [{"N": "1.5"}]}},
    "time": {"s": {"S": "2015-01-02T10:28:27.876-05:00"}, "t": {"S": "2016-07-01T00:00:00.000+02:00"}},
    "time in a zone": {"s": {"S": "2017-04-26 10:15:30"}, "t": {"S": "26/04/2017"}},
    "the main job": {"t": {"S": "2016-05-03T10:28:27.876-07:00"}},
    "conversions": {"s": {"S": "12.50"}, "t": {"S": "7"}},
    "star and more": {"x2": None, "y2": None},
    "where missing": {"x": None},
    "odd names": {"c0": {"S": "c"}, "page": {"S": "p"}, "ok": {"N": "1"}},
    "star over odd names": {"c0": {"S": "c"}},
}


def ordinary_item(name: str, number: int) -> Item:
    """An item that a spec is written for: every attribute of its own type, and nothing rare."""
    found: Item = {
        "id": {"S": f"id-{number}"}, "s": {"S": "abc"}, "s2": {"S": "Größe"}, "t": {"S": "50%"}, "n": {"N": str(number + 8)},
        "n2": {"N": "2.5"}, "b": {"BOOL": True}, "b2": {"BOOL": number % 2 == 0}, "y": {"B": "AAH/"}, "y2": {"B": "YQ=="},
        "l": {"L": [{"S": "first"}, {"M": {"k": {"NULL": True}}}]}, "ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.5"]},
        "bs": {"BS": ["YQ=="]}, "x": {"N": "1"}, "x2": {"N": "12345678901234567890123456789012345678"}, "at": {"N": "1"},
        "m": {"M": {"k": {"S": "inner"}, "a.b": {"BOOL": False}, "~1/": {"N": "1"}}},
    }  # fmt: skip
    if name == "paths":
        found["m"]["M"]["k"] = {"M": {"k": {"SS": ["deep"]}}}
    if name == "key from a path":
        found["m"]["M"]["k"] = {"S": f"id-{number}"}
    for attribute, value in ORDINARY.get(name, {}).items():
        found.pop(attribute, None)
        if value is not None:
            found[attribute] = {"S": f"key-{number}"} if value == {"S": "key"} else value
    return found


def any_item(draw: random.Random, name: str, number: int) -> Item:
    """An ordinary item with some attributes made strange, or an item of which nothing is known."""
    if draw.random() < 0.3:
        found = generated.item(draw)
    else:
        found = ordinary_item(name, number)
        for attribute in draw.sample(sorted(found), min(draw.randrange(6), draw.randrange(6))):
            del found[attribute]
            if draw.random() < 0.8:
                found[attribute] = generated.any_attribute(draw)
    if draw.random() < 0.5:
        for attribute in draw.sample(ODD_NAMES, draw.randrange(6)):
            found[attribute] = generated.any_attribute(draw)
    if draw.random() < 0.3:
        found["at"] = generated.any_attribute(draw)
    found.pop("id", None)
    key = key_value(draw, number)
    if key is not None:
        found["id"] = key
    names = list(found)
    draw.shuffle(names)
    return {attribute: found[attribute] for attribute in names}


def page_json(items: Sequence[Item], separators: tuple[str, str] = (",", ":"), ascii_only: bool = False) -> bytes:
    return json.dumps(items, ensure_ascii=ascii_only, separators=separators).encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Outcome:
    """What came of a page: the written items by position, the positions that go by reference."""

    rows: dict[int, Item]
    by_reference: set[int]
    output: PageOutput


class Transforms:
    """The transformers of all specs, made once."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[PhysicalPlan, Transformer]] = {}

    def plan(self, name: str) -> PhysicalPlan:
        return self._get(name)[0]

    def transformer(self, name: str) -> Transformer:
        return self._get(name)[1]

    def run(self, name: str, pages: Sequence[bytes], counts: Sequence[int]) -> list[Outcome]:
        _, transformer = self._get(name)
        inputs = [PageInput(p, c, "Source", NOW.millis) for p, c in zip(pages, counts, strict=True)]
        return [outcome(output, count) for output, count in zip(transformer.run(inputs), counts, strict=True)]

    def _get(self, name: str) -> tuple[PhysicalPlan, Transformer]:
        if name not in self._made:
            spec, key = SPECS[name]
            plan = planned(spec, key, into="Target")
            self._made[name] = (plan, Transformer(plan.transform.statement))
        return self._made[name]

    def close(self) -> None:
        for _, transformer in self._made.values():
            transformer.close()


@pytest.fixture(scope="module")
def transforms() -> Iterator[Transforms]:
    made = Transforms()
    yield made
    made.close()


def outcome(output: PageOutput, count: int) -> Outcome:
    """Read a page's bodies back; every position stands at most once in them or among the rows by reference."""
    rows: dict[int, Item] = {}
    for body in output.bodies:
        content = json.loads(bytes(body.content))
        assert list(content) == ["RequestItems", "ReturnConsumedCapacity"]
        assert list(content["RequestItems"]) == ["Target"]
        items = [entry["PutRequest"]["Item"] for entry in content["RequestItems"]["Target"]]
        assert 0 < len(items) == len(body.positions) <= BATCH
        assert [json.loads(bytes(entry))["PutRequest"]["Item"] for entry in entries_of(body.content)] == items
        assert list(body.positions) == sorted(body.positions)
        assert body.units >= len(items)
        for position, item in zip(body.positions, items, strict=True):
            assert position not in rows
            rows[position] = item
    by_reference = set(output.by_reference)
    assert len(by_reference) == len(output.by_reference)
    assert not by_reference & rows.keys()
    assert by_reference | rows.keys() <= set(range(count))
    assert output.passed == len(rows)
    return Outcome(rows, by_reference, output)


def differences(plan: PhysicalPlan, raw_items: Sequence[bytes], found: Outcome) -> list[str]:
    """What is wrong with a page's outcome, by the row evaluator."""
    assert plan.write is not None
    evaluator = RowEvaluator(plan.transform, plan.write.key)
    context = RowContext("Source", NOW)
    wrong = []
    keys: dict[tuple[str, ...], int] = {}
    for position, raw in enumerate(raw_items):
        expected = evaluator.row(raw, context)
        if position in found.by_reference:
            continue
        row = found.rows.get(position)
        if row is None:
            if expected != FILTERED:
                wrong.append(f"lost: {raw!r}\n should be {expected}")
            continue
        if not isinstance(expected, Row):
            wrong.append(f"written: {row}\n though it is {expected}\n of {raw!r}")
            continue
        if reference.comparable(row) != reference.comparable(json.loads(expected.item)):
            wrong.append(f"written:  {row}\n expected: {json.loads(expected.item)}\n of {raw!r}")
        keys[expected.key] = keys.get(expected.key, 0) + 1
    if any(count > 1 for count in keys.values()) and not found.output.repeats:
        wrong.append("a key stands twice, and the bodies do not tell")
    return wrong


def check(
    transforms: Transforms, name: str, items: Sequence[Item], pages: int, separators: tuple[str, str], ascii_only: bool
) -> list[Outcome]:
    parts = [items[i::pages] for i in range(pages)]
    contents = [page_json(part, separators, ascii_only) for part in parts]
    outcomes = transforms.run(name, contents, [len(part) for part in parts])
    for part, found in zip(parts, outcomes, strict=True):
        raw = [page_json([item], separators, ascii_only)[1:-1] for item in part]
        wrong = differences(transforms.plan(name), raw, found)
        assert not wrong, f"{name}: {len(wrong)} wrong, the first:\n" + wrong[0]
    return outcomes


SPACING = st.sampled_from(((",", ":"), (", ", ": "), (" ,\n", " : ")))


@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 120),
    pages=st.integers(1, 4),
    spacing=SPACING,
    ascii_only=st.booleans(),
)
def test_every_item_ends_as_the_row_evaluator_says(
    transforms: Transforms, name: str, seed: int, count: int, pages: int, spacing: tuple[str, str], ascii_only: bool
) -> None:
    draw = random.Random(seed)
    check(transforms, name, [any_item(draw, name, n) for n in range(max(count, pages))], pages, spacing, ascii_only)


@pytest.mark.parametrize("name", SPECS)
def test_ordinary_items_take_the_fast_way(transforms: Transforms, name: str) -> None:
    items = [ordinary_item(name, number) for number in range(60)]
    (found,) = check(transforms, name, items, 1, (",", ":"), False)
    statement = transforms.plan(name).transform.statement
    assert (statement.filters, statement.projects) == (True, True)
    assert found.by_reference == set()
    assert len(found.rows) > 20


def bodies(transforms: Transforms, name: str, items: Sequence[Item]) -> PageOutput:
    (found,) = check(transforms, name, items, 1, (",", ":"), False)
    return found.output


def test_a_page_becomes_full_bodies(transforms: Transforms) -> None:
    output = bodies(transforms, "copies", [ordinary_item("copies", number) for number in range(101)])
    assert sorted(len(body.positions) for body in output.bodies) == [1, 25, 25, 25, 25]
    assert sorted(p for body in output.bodies for p in body.positions) == list(range(101))


def test_an_empty_page_has_no_bodies(transforms: Transforms) -> None:
    assert bodies(transforms, "copies", []).bodies == []


def test_items_around_the_largest_size(transforms: Transforms) -> None:
    # The name and the key take 12 bytes.
    sizes = [LARGEST_ITEM - 12, LARGEST_ITEM - 11, LARGEST_ITEM - 100, 3 * LARGEST_ITEM]
    items: list[Item] = [{"id": {"S": f"size-{n}"}, "long": {"S": "x" * size}} for n, size in enumerate(sizes)]
    # In JSON this is far longer than what DynamoDB counts.
    items.append({"id": {"S": "quotes"}, "long": {"S": '"' * (LARGEST_ITEM // 2 + 10)}})
    # Bytes count, not characters.
    items.append({"id": {"S": "bytes"}, "long": {"S": "é" * (LARGEST_ITEM // 2 + 10)}})
    output = bodies(transforms, "star", items)
    plan = transforms.plan("star")
    assert plan.write is not None
    evaluator = RowEvaluator(plan.transform, plan.write.key)
    outcomes = [evaluator.row(page_json([item])[1:-1], RowContext("Source", NOW)) for item in items]
    assert [o.code if isinstance(o, RowFailure) else "" for o in outcomes if o] == [
        "", "R0204", "", "R0204", "", "R0204",
    ]  # fmt: skip
    assert {p for body in output.bodies for p in body.positions} <= {0, 2, 4}


def test_a_page_with_half_of_a_surrogate_pair_goes_by_reference_as_a_whole(transforms: Transforms) -> None:
    name = "all kinds of star"
    plan = transforms.plan(name)
    assert plan.write is not None
    good = [ordinary_item(name, number) for number in range(5)]
    for place in ("s", "x", "id", "y", "nowhere", "m"):
        bad = ordinary_item(name, 9)
        bad[place] = {"M": {"k": {"S": "a\ud800"}}} if place == "m" else {"S": "a\ud800b"}
        page = page_json([*good, bad], ascii_only=True)
        clean = page_json(good)
        broken, whole = transforms.run(name, [page, clean], [6, 5])
        assert (broken.rows, broken.by_reference) == ({}, set(range(6)))
        assert (set(whole.rows), whole.by_reference) == (set(range(5)), set())
        evaluator = RowEvaluator(plan.transform, plan.write.key)
        outcomes = [evaluator.row(raw, RowContext("Source", NOW)) for raw in raw_items(page)]
        assert all(isinstance(found, Row) for found in outcomes[:5])
        # Of s only the length is asked for, and y is left out.
        assert isinstance(outcomes[5], Row if place in ("s", "y") else RowFailure), place


def raw_items(page: bytes) -> list[bytes]:
    return [bytes(raw) for raw in items_of(msgspec.Raw(page))]


@pytest.mark.parametrize("name", SPECS)
def test_the_row_evaluator_survives_what_no_server_sends(transforms: Transforms, name: str) -> None:
    plan = transforms.plan(name)
    assert plan.write is not None
    evaluator = RowEvaluator(plan.transform, plan.write.key)
    for attribute in ordinary_item(name, 1):
        for strange in ({"S": "\udc00"}, {"N": "1E999"}, {"N": "nonsense"}, {"N": "9" * 39}, {"B": "?"}, {"N": "0E5"}):
            item = {**ordinary_item(name, 1), attribute: strange}
            found = evaluator.row(page_json([item], ascii_only=True)[1:-1], RowContext("Source", NOW))
            if isinstance(found, Row):
                decode_item(found.item)


def test_equal_number_keys_are_told_however_they_are_written(transforms: Transforms) -> None:
    def item(number: int, n: str) -> Item:
        return {**ordinary_item("number key", number), "n": {"N": n}}

    for one, other in (("1", "1.0"), ("10", "1E1"), ("0", "-0.00"), ("1" * 38, "1" * 38 + ".0")):
        assert bodies(transforms, "number key", [item(0, one), item(1, "7"), item(2, other)]).repeats
    assert not bodies(transforms, "number key", [item(0, "1"), item(1, "10"), item(2, "1.01")]).repeats


def test_keys_repeat_within_a_page_only(transforms: Transforms) -> None:
    ones, twos = ([ordinary_item("copies", number) for number in some] for some in ((1, 2, 3), (1, 2, 2)))
    contents = [page_json(some) for some in (ones, twos, ones)]
    outputs = [found.output for found in transforms.run("copies", contents, [3, 3, 3])]
    assert [output.repeats for output in outputs] == [False, True, False]


TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0\r"), max_size=30)
NASTY = st.sampled_from(
    (
        "'", "''", "\\", "\\'", '"', "';--", "' || (SELECT 1) || '", "$$", "E'\\n'", "/*", "*/", "{", "}", "{{", "}}", "%s", "?",
        "$1", "\u2019", "\u02bc", "`", "'}}]}", '"}}]}', "\\u0027", "c0", "\n", "\t", "\x7f", "\x01", "\ufeff", "😀", "e\u0301", ":a",
    )
)  # fmt: skip
SPELLINGS = st.one_of(TEXTS, st.lists(NASTY, max_size=4).map("".join))


@settings(max_examples=150, deadline=None)
@given(SPELLINGS, SPELLINGS, SPELLINGS)
def test_no_text_of_a_spec_breaks_out_of_its_quotes(text: str, name: str, attribute: str) -> None:
    quoted, label, source = text.replace("'", "''"), name.replace('"', '""') or "x", attribute.replace('"', '""') or "y"
    spec = (
        f"SELECT id, '{quoted}' AS \"1{label}\", coalesce(missing, '{quoted}') AS \"2{label}\", s || '{quoted}' AS \"3{label}\", "
        f'"{source}" AS "4{label}", "{source}" = \'{quoted}\' AS "5{label}", m."{source}" AS "6{label}" '
        f"FROM Source WHERE s <> 'x{quoted}' AND \"{source}\" LIKE '%'"
    )
    plan = planned(spec, into="Target")
    item: Item = {"id": {"S": "i"}, "s": {"S": "s"}}
    attribute = attribute or "y"
    inner = {"M": {attribute: {"N": "1"}}}
    item["m"] = inner
    item[attribute] = {"S": text} if attribute not in ("id", "s", "m") else item[attribute]
    if attribute == "m":
        return
    transformer = Transformer(plan.transform.statement)
    try:
        (output,) = transformer.run([PageInput(page_json([item]), 1, "Source", NOW.millis)])
    finally:
        transformer.close()
    found = outcome(output, 1)
    expected = {
        "id": item["id"],
        f"1{name or 'x'}": {"S": text},
        f"2{name or 'x'}": {"S": text},
        f"3{name or 'x'}": {"S": item["s"]["S"] + text},
        f"4{name or 'x'}": item[attribute],
        f"5{name or 'x'}": {"BOOL": item[attribute]["S"] == text},
        f"6{name or 'x'}": {"N": "1"},
    }
    assert found.rows == {0: expected} and found.by_reference == set()


def test_duckdb_reaches_nothing_outside(transforms: Transforms, tmp_path: Path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    transforms.run("copies", [b"[]"], [0])
    connection = transforms.transformer("copies")._connection
    assert connection is not None
    where = sql_text(str(secret))
    for sql in (
        f"SELECT * FROM read_csv({where})",
        f"SELECT * FROM read_text({where})",
        f"SELECT * FROM {where}",
        f"SELECT * FROM glob({sql_text(str(tmp_path / '*'))})",
        f"COPY (SELECT 1) TO {sql_text(str(tmp_path / 'written.csv'))}",
        f"ATTACH {sql_text(str(tmp_path / 'new.db'))}",
        f"EXPORT DATABASE {sql_text(str(tmp_path / 'exported'))}",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET TimeZone = 'America/New_York'",
        "SELECT * FROM some_variable_of_python",
    ):
        some_variable_of_python = [1]
        with pytest.raises(duckdb.Error):
            connection.execute(sql).fetchall()
        assert some_variable_of_python
    assert os.listdir(tmp_path) == ["secret.csv"]
