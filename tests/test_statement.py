"""The statement against the row evaluator: every item ends once, as filtered, as a row or by reference, and no row differs.

That holds for every entry that a row can be in a request, with or without the keys by which collisions are found. The
items are generated: right and wrong types, NULL, missing, odd names, texts that tend to be trouble, keys that
DynamoDB would refuse. Both sides read the same bytes.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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

from ddbetl.connectors.dynamodb.requests import entries_of, entry, items_of
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.claims import key_text, source_contents
from ddbetl.engine.rows import FILTERED, Row, RowEvaluator, RowFailure, decode_item
from ddbetl.engine.transform import PageInput, PageOutput, Transformer, told_apart
from ddbetl.expressions.projection import BATCH, LARGEST_ITEM, KeyAttribute, SourceKey
from ddbetl.expressions.writing import LONGEST_STATEMENT, Entry, Form
from ddbetl.functions.model import RowContext, sql_text
from ddbetl.lowering import statement
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.types import Type

Item = dict[str, dict[str, Any]]

STRING_KEY = (KeyAttribute("id", Type.STRING),)
TWO_KEYS = (KeyAttribute("id", Type.STRING), KeyAttribute("at", Type.NUMBER))
NUMBER_KEY = (KeyAttribute("n", Type.NUMBER),)
BINARY_KEY = (KeyAttribute("y", Type.BINARY), KeyAttribute("s", Type.STRING))

# Keys of source tables, as far as an item has them.
FROM_SOURCE = frozenset({"Source"})
SOURCES = (
    SourceKey("id", Type.STRING, FROM_SOURCE),
    SourceKey("n", Type.NUMBER, FROM_SOURCE),
    SourceKey("y", Type.BINARY, FROM_SOURCE),
)
# What a row is in a request, and whether its keys stand beside it.
FORMS = {
    "put": (Entry.PUT, None),
    "put with keys": (Entry.PUT, SOURCES),
    "insert": (Entry.INSERT, None),
    "insert with keys": (Entry.INSERT, SOURCES),
    "update": (Entry.UPDATE, None),
}
# What no UPDATE can say of ordinary items: their names, or that there is nothing to set.
UNSAYABLE = {"star rename", "texts that look like SQL"}
UNSAYABLE |= {"key from a path", "any key", "constant key", "where missing", "where not"}

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
    """The transformers of all specs and forms, made once."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str], tuple[PhysicalPlan, Form, Transformer]] = {}

    def plan(self, name: str, form: str = "put") -> PhysicalPlan:
        return self.get(name, form)[0]

    def transformer(self, name: str) -> Transformer:
        return self.get(name, "put")[2]

    def run(self, name: str, pages: Sequence[bytes], counts: Sequence[int], form: str = "put") -> list[Outcome]:
        _, its, transformer = self.get(name, form)
        inputs = [PageInput(p, c, "Source", NOW.millis) for p, c in zip(pages, counts, strict=True)]
        return [
            outcome(output, count, its)
            for output, count in zip(told_apart(transformer.make(inputs)), counts, strict=True)
        ]

    def get(self, name: str, form: str) -> tuple[PhysicalPlan, Form, Transformer]:
        if (name, form) not in self._made:
            spec, key = SPECS[name]
            plan = planned(spec, key, into="Target")
            kind, sources = FORMS[form]
            its = Form(kind, "Target", key)
            built = statement.build(plan.transform.predicate, plan.transform.projection, its, sources=sources)
            plan = replace(plan, transform=replace(plan.transform, statement=built))
            self._made[(name, form)] = (plan, its, Transformer(built))
        return self._made[(name, form)]

    def close(self) -> None:
        for _, _, transformer in self._made.values():
            transformer.close()


@pytest.fixture(scope="module")
def transforms() -> Iterator[Transforms]:
    made = Transforms()
    yield made
    made.close()


def bodies_of(output: PageOutput, form: Form) -> list[Batch]:
    """The requests of what the statement has made, as if all keys were different."""
    return Batching(form).batches(output.entries, [], repeats=False)


def outcome(output: PageOutput, count: int, form: Form) -> Outcome:
    """Read a page's bodies back; every position stands at most once in them or among the rows by reference."""
    rows: dict[int, Item] = {}
    for body in bodies_of(output, form):
        items = written(json.loads(bytes(body.content)), form)
        assert 0 < len(items) == len(body.positions) <= BATCH
        assert [Batching(form).item(entry) for entry in entries_of(body.content)] == items
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


def written(content: dict[str, Any], form: Form) -> list[Item]:
    """The items of a request, which says nothing else than them."""
    if form.entry.operation == "BatchWriteItem":
        assert list(content) == ["RequestItems", "ReturnConsumedCapacity"]
        assert list(content["RequestItems"]) == ["Target"]
        return [entry["PutRequest"]["Item"] for entry in content["RequestItems"]["Target"]]
    assert list(content) == ["Statements", "ReturnConsumedCapacity"]
    items = []
    for found in content["Statements"]:
        assert list(found) == ["Statement", "Parameters"]
        assert len(found["Statement"].encode()) <= LONGEST_STATEMENT
        items.append(said(found["Statement"], found["Parameters"], form))
    return items


def said(text: str, parameters: list[Any], form: Form) -> Item:
    """The attributes of a PartiQL statement, read from its text letter by letter."""
    quote, assigned = ("'", ":?") if form.entry is Entry.INSERT else ('"', "=?")
    start = 'INSERT INTO "Target" VALUE {' if form.entry is Entry.INSERT else 'UPDATE "Target" SET '
    assert text.startswith(start)
    names, at = [], len(start)
    while True:
        assert text[at] == quote
        name, at = "", at + 1
        while text[at] != quote or text[at : at + 2] == 2 * quote:
            name += text[at]
            at += 1 + (text[at] == quote)
        at += 1
        assert text[at : at + 2] == assigned
        at += 2
        names.append(name)
        if text[at] != ",":
            break
        at += 1
    keys = [key.name for key in form.key]
    if form.entry is Entry.INSERT:
        assert text[at:] == "}"
    else:
        assert not set(keys) & set(names) and not any(set(name) & set('.[]"') for name in (*names, *keys))
        assert text[at:] == " WHERE " + " AND ".join(f'"{key}"=?' for key in keys)
        names += keys
    assert len(set(names)) == len(names)
    return dict(zip(names, parameters, strict=True))


def differences(
    plan: PhysicalPlan, form: Form, transformer: Transformer, raw_items: Sequence[bytes], found: Outcome
) -> list[str]:
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
        other = entry(form, expected.item)
        if other is None or reference.comparable(Batching(form).item(other)) != reference.comparable(row):
            wrong.append(f"in a body:    {row}\n by reference: {other!r}\n of {raw!r}")
        keys[expected.key] = keys.get(expected.key, 0) + 1
    if any(count > 1 for count in keys.values()) and not found.output.repeats:
        wrong.append("a key stands twice, and the output does not tell")
    if plan.transform.statement.sources is not None:
        wrong += other_keys(evaluator, transformer, raw_items, found)
    return wrong


def other_keys(
    evaluator: RowEvaluator, transformer: Transformer, raw_items: Sequence[bytes], found: Outcome
) -> list[str]:
    """The rows of the statement whose keys are others than they would be by reference."""
    columns = found.output.entries
    if columns is None:
        return []
    assert columns.targets is not None and columns.sources is not None
    assert columns.positions.to_pylist() == sorted(found.rows)
    expected = []
    for position in columns.positions.to_pylist():
        row = evaluator.row(raw_items[position], RowContext("Source", NOW))
        assert isinstance(row, Row)
        source = key_text(source_contents(decode_item(raw_items[position]), SOURCES, "Source"))
        expected.append((key_text(row.key), source))
    hashes = transformer.hashes([target for target, _ in expected]).to_pylist()
    columns_of = zip(columns.targets.to_pylist(), columns.sources.to_pylist(), columns.hashes.to_pylist(), strict=True)
    pairs = zip(columns_of, expected, hashes, strict=True)
    return [
        f"keys in the statement: {fast}\n by reference: {slow} {number}"
        for fast, slow, number in pairs
        if fast != (*slow, number)
    ]


def check(
    transforms: Transforms,
    name: str,
    items: Sequence[Item],
    pages: int,
    separators: tuple[str, str],
    ascii_only: bool,
    form: str = "put",
) -> list[Outcome]:
    parts = [items[i::pages] for i in range(pages)]
    contents = [page_json(part, separators, ascii_only) for part in parts]
    outcomes = transforms.run(name, contents, [len(part) for part in parts], form)
    for part, found in zip(parts, outcomes, strict=True):
        raw = [page_json([item], separators, ascii_only)[1:-1] for item in part]
        wrong = differences(*transforms.get(name, form), raw, found)
        assert not wrong, f"{name}: {len(wrong)} wrong, the first:\n" + wrong[0]
    return outcomes


SPACING = st.sampled_from(((",", ":"), (", ", ": "), (" ,\n", " : ")))


@pytest.mark.parametrize("name", SPECS)
@settings(max_examples=20, deadline=None)
@given(
    form=st.sampled_from(list(FORMS)),
    seed=st.integers(0, 2**32),
    count=st.integers(1, 120),
    pages=st.integers(1, 4),
    spacing=SPACING,
    ascii_only=st.booleans(),
)
def test_every_item_ends_as_the_row_evaluator_says(
    transforms: Transforms,
    name: str,
    form: str,
    seed: int,
    count: int,
    pages: int,
    spacing: tuple[str, str],
    ascii_only: bool,
) -> None:
    draw = random.Random(seed)
    items = [any_item(draw, name, n) for n in range(max(count, pages))]
    check(transforms, name, items, pages, spacing, ascii_only, form)


@pytest.mark.parametrize("name", SPECS)
def test_ordinary_items_take_the_fast_way(transforms: Transforms, name: str) -> None:
    items = [ordinary_item(name, number) for number in range(60)]
    for form in FORMS:
        (found,) = check(transforms, name, items, 1, (",", ":"), False, form)
        built = transforms.plan(name, form).transform.statement
        assert (built.filters, built.projects) == (True, True)
        if form == "update" and name in UNSAYABLE:
            assert found.rows == {} and len(found.by_reference) > 20
        else:
            assert found.by_reference == set(), form
            assert len(found.rows) > 20


def bodies(transforms: Transforms, name: str, items: Sequence[Item]) -> PageOutput:
    (found,) = check(transforms, name, items, 1, (",", ":"), False)
    return found.output


def test_a_page_becomes_full_bodies(transforms: Transforms) -> None:
    output = bodies(transforms, "copies", [ordinary_item("copies", number) for number in range(101)])
    its = bodies_of(output, transforms.get("copies", "put")[1])
    assert [len(body.positions) for body in its] == [25, 25, 25, 25, 1]
    assert [p for body in its for p in body.positions] == list(range(101))


def test_pages_are_told_apart_in_whatever_order_rows_come(transforms: Transforms) -> None:
    plan, form, _ = transforms.get("copies", "put")
    pages = [[ordinary_item("copies", 10 * page + number) for number in range(5)] for page in range(3)]
    inputs = [PageInput(page_json(items), len(items), "Source", NOW.millis) for items in pages]
    found = plan.transform.statement
    outcomes = []
    for sql in (found.sql, f"SELECT * FROM ({found.sql}) ORDER BY position DESC, page DESC"):
        transformer = Transformer(replace(found, sql=sql))
        try:
            outcomes.append([outcome(output, 5, form) for output in told_apart(transformer.make(inputs))])
        finally:
            transformer.close()
    assert [one.rows for one in outcomes[0]] == [one.rows for one in outcomes[1]]
    assert sum(len(one.rows) for one in outcomes[0]) == 15


def test_an_empty_page_has_no_bodies(transforms: Transforms) -> None:
    assert bodies(transforms, "copies", []).entries is None


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
    assert output.entries is not None
    assert set(output.entries.positions.to_pylist()) <= {0, 2, 4}


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


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=30)
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
        (output,) = told_apart(transformer.make([PageInput(page_json([item]), 1, "Source", NOW.millis)]))
    finally:
        transformer.close()
    found = outcome(output, 1, Form(Entry.PUT, "Target", STRING_KEY))
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


def built(spec: str, kind: Entry, newest: str | None = None, ttl: str | None = None) -> tuple[PhysicalPlan, Form]:
    """A plan whose statement makes entries of a kind, with further checks."""
    plan = planned(spec, STRING_KEY, into="Target")
    form = Form(kind, "Target", STRING_KEY)
    predicate, projection = plan.transform.predicate, plan.transform.projection
    found = statement.build(predicate, projection, form, newest=newest, ttl_attribute=ttl)
    return replace(plan, transform=replace(plan.transform, statement=found)), form


def transformed(plan: PhysicalPlan, form: Form, items: Sequence[Item]) -> Outcome:
    transformer = Transformer(plan.transform.statement)
    try:
        (output,) = told_apart(transformer.make([PageInput(page_json(items), len(items), "Source", NOW.millis)]))
    finally:
        transformer.close()
    return outcome(output, len(items), form)


# Values of v: what each of the two checks makes of it.
VALUES: list[tuple[dict[str, Any] | None, bool, bool]] = [
    ({"N": "1493201730"}, True, True), ({"N": "100000000"}, True, True), ({"N": "99999999999"}, True, True),
    ({"N": "99999999"}, True, False), ({"N": "100000000000"}, True, False), ({"N": "1493201730876"}, True, False),
    ({"N": "1493201730.5"}, True, False), ({"N": "-1493201730"}, True, False), ({"N": "0"}, True, False),
    ({"N": "1.49320173E+9"}, True, True), ({"N": "1493201730.0"}, True, True), ({"N": "0123456789"}, True, True),
    ({"S": "1493201730"}, True, False), ({"S": ""}, True, False), ({"B": "AAH/"}, True, False),
    ({"BOOL": True}, False, False), ({"NULL": True}, False, False), ({"L": [{"N": "1493201730"}]}, False, False),
    ({"NS": ["1493201730"]}, False, False), ({"M": {}}, False, False), (None, False, True),
]  # fmt: skip


@pytest.mark.parametrize(
    "spec",
    [
        "SELECT id, v FROM Source", "SELECT * FROM Source", "SELECT * RENAME (v AS w), v FROM Source",
        "SELECT id, coalesce(v, v) AS v FROM Source", "SELECT id, if(TRUE, v, v) AS v, v + 0 AS w FROM Source WHERE v > 0 OR v IS NULL",
    ],
)  # fmt: skip
@pytest.mark.parametrize(("newest", "ttl"), [("v", None), (None, "v")])
def test_a_row_that_a_check_refuses_is_in_no_body(spec: str, newest: str | None, ttl: str | None) -> None:
    plan, form = built(spec, Entry.INSERT, newest, ttl)
    items: list[Item] = [
        {"id": {"S": f"{n}"}, **({"v": value} if value is not None else {})} for n, (value, _, _) in enumerate(VALUES)
    ]
    found = transformed(plan, form, items)
    evaluator = RowEvaluator(plan.transform, form.key, newest, ttl)
    code = "R0303" if newest is not None else "R0305"
    for number, (item, (_, ordered, expiry)) in enumerate(zip(items, VALUES, strict=True)):
        expected = evaluator.row(page_json([item])[1:-1], RowContext("Source", NOW))
        # What a function makes of NULL is missing.
        changed = "(" in spec and item.get("v") == {"NULL": True}
        if not changed and (isinstance(expected, Row) or (isinstance(expected, RowFailure) and expected.code == code)):
            assert isinstance(expected, Row) == (ordered if newest is not None else expiry), (item, expected)
        if not isinstance(expected, Row):
            assert number not in found.rows, item
    assert found.rows or "v + 0" in spec


def test_computed_expiry_times_and_columns_to_compare_take_the_fast_way() -> None:
    items = [{"id": {"S": f"{n}"}, "t": {"S": "2016-05-03T10:28:27Z"}, "n": {"N": str(n)}} for n in range(30)]
    for column in ("epoch(t)", "epoch(t) + 86400", "n * 0.5 + 1500000000 - n * 0.5"):
        plan, form = built(f"SELECT id, {column} AS v FROM Source", Entry.INSERT, newest="v", ttl="v")
        assert len(transformed(plan, form, items).rows) == 30
    # Milliseconds go by reference, and are an error there.
    plan, form = built("SELECT id, epoch(t) * 1000 AS v FROM Source", Entry.INSERT, ttl="v")
    assert transformed(plan, form, items).by_reference == set(range(30))
    # What is never there expires never, and cannot be compared.
    for spec in ("SELECT id FROM Source", "SELECT * EXCLUDE (v) FROM Source", "SELECT id, NULL AS v FROM Source"):
        plan, form = built(spec, Entry.INSERT, ttl="v")
        assert len(transformed(plan, form, items).rows) == 30
        plan, form = built(spec, Entry.INSERT, newest="v")
        assert transformed(plan, form, items).by_reference == set(range(30))


NAMES = st.one_of(
    st.sampled_from((*ODD_NAMES, "':?,'", "''", '"=?', "?", "a':?}", "\x01", "a\0b", "{", "} WHERE", "é'", "\\'")),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from((Entry.INSERT, Entry.UPDATE)),
    names=st.lists(st.tuples(NAMES, st.sampled_from(({"S": "it's \"?\""}, {"N": "1"}, {"NULL": True}, None))), max_size=8),
)  # fmt: skip
def test_statements_say_every_name(kind: Entry, names: list[tuple[str, dict[str, Any] | None]]) -> None:
    item: Item = {"id": {"S": "k'1"}}
    for name, value in names:
        if value is not None and name.lower() not in {known.lower() for known in item}:
            item[name] = value
    form = Form(kind, "Target", STRING_KEY)
    by_reference = entry(form, msgspec.json.encode(item))
    plan, _ = built("SELECT * FROM Source", kind)
    (star,) = (transformed(plan, form, [item]),)
    # What DuckDB cannot say may go by reference; what no entry can say has to.
    if by_reference is None:
        assert star.rows == {} and kind is Entry.UPDATE
        assert len(item) == 1 or any(set(name) & set('.[]"') for name in item)
        (batch,) = Batching(form).batches(None, [(0, Row(msgspec.json.encode(item), ("k'1",), 1))], False)
        assert batch.alone
        (alone,) = entries_of(batch.content)
        assert Batching(form).item(alone) == item and Batching(form).keys(batch.content) == [("k'1",)]
        return
    found = json.loads(by_reference)
    assert said(found["Statement"], found["Parameters"], form) == item == Batching(form).item(by_reference)
    if star.rows:
        assert star.rows == {0: item}
    labels = ", ".join('"' + name.replace('"', '""') + '"' for name in item if "\0" not in name and "\r" not in name)
    plan, _ = built(f"SELECT {labels} FROM Source", kind)
    explicit = transformed(plan, form, [item])
    kept = {name: value for name, value in item.items() if "\0" not in name and "\r" not in name}
    assert explicit.rows in ({0: kept}, {})
    if len(kept) > 1:
        assert explicit.rows == {0: kept}


def test_a_statement_that_is_too_long_is_a_request_of_its_own() -> None:
    # A label is eight letters and a comma, in an UPDATE two backslashes more: it is measured in JSON.
    for kind, most in ((Entry.INSERT, 906), (Entry.UPDATE, 741)):
        form = Form(kind, "Target", STRING_KEY)
        for more in (0, 1, 10):
            names = [f"{n:04}" for n in range(most + more)]
            item: Item = {"id": {"S": "k"}, **{name: {"N": "1"} for name in names}}
            made = entry(form, msgspec.json.encode(item))
            assert (made is None) == (more > 0), (kind, more, form.room)
            for spec in (
                "SELECT * FROM Source",
                "SELECT id, " + ", ".join(f'"{name}"' for name in names) + " FROM Source",
            ):
                if spec.startswith("SELECT *") or more == 0:
                    plan, _ = built(spec, kind)
                    assert len(transformed(plan, form, [item]).rows) == (more == 0)


def test_keys_to_delete() -> None:
    form = Form(Entry.DELETE, "Target", TWO_KEYS)
    plan = planned("SELECT s AS id, n AS at FROM Source WHERE n > 0", TWO_KEYS, into="Target")
    found = statement.build(plan.transform.predicate, plan.transform.projection, form)
    items: list[Item] = [{"id": {"S": "x"}, "s": {"S": f"k{n}"}, "n": {"N": str(n)}} for n in range(3)]
    items.append({"id": {"S": "x"}, "s": {"S": ""}, "n": {"N": "1"}})
    transformer = Transformer(found)
    try:
        (output,) = told_apart(transformer.make([PageInput(page_json(items), len(items), "Source", NOW.millis)]))
    finally:
        transformer.close()
    (body,) = bodies_of(output, form)
    keys: list[Item] = [{"id": {"S": f"k{n}"}, "at": {"N": str(n)}} for n in (1, 2)]
    assert json.loads(bytes(body.content)) == {
        "RequestItems": {"Target": [{"DeleteRequest": {"Key": key}} for key in keys]},
        "ReturnConsumedCapacity": "INDEXES",
    }
    assert Batching(form).keys(body.content) == [("k1", "1"), ("k2", "2")]
    assert [json.loads(entry(form, json.dumps(key).encode()) or b"") for key in keys] == [
        {"DeleteRequest": {"Key": key}} for key in keys
    ]
    assert output.by_reference == [3]
