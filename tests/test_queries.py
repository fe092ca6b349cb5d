"""Queries instead of scans: the keys that are asked for are those of every item that matters, and of few others.

The tables have a partition key ``pk``, a sort key ``sk``, a local index by ``at`` and a global one by ``status`` and
``n``, whose attributes are not in every item, and may be of other types than the index has.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import reference
import servers
import tables
from fake_dynamodb import Call, Fake, no_fault
from hypothesis import example, given
from hypothesis import strategies as st
from planned import HERE, NOW, planned, table
from servers import Server

from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.changes import changes
from ddbetl.engine.dry import reduced
from ddbetl.engine.loop import run_async
from ddbetl.engine.preview import Preview, preview
from ddbetl.engine.rows import Filtered, Outcome, Row, RowEvaluator
from ddbetl.engine.runs import record_of
from ddbetl.errors import JobFailed, SpecError
from ddbetl.expressions.ir import Attribute
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.functions.model import RowContext
from ddbetl.lowering import dynamo_keys
from ddbetl.lowering.dynamo_condition import Atom, all_of
from ddbetl.lowering.dynamo_keys import Key, Range
from ddbetl.plan.catalog import IndexDescription, TableDescription
from ddbetl.plan.physical import PhysicalPlan, QueryExec, ScanExec
from ddbetl.plan.queries import query_without_errors
from ddbetl.types import Type

Item = dict[str, dict[str, Any]]

KEY = (KeyAttribute("pk", Type.STRING), KeyAttribute("sk", Type.NUMBER))
LOCAL = IndexDescription("ByTime", "LSI", (KEY[0], KeyAttribute("at", Type.STRING)), "ALL")
STATUS = (KeyAttribute("status", Type.STRING), KeyAttribute("n", Type.NUMBER))
GLOBAL = IndexDescription("ByStatus", "GSI", STATUS, "ALL")


def source(*indexes: IndexDescription) -> TableDescription:
    return replace(table("Source", KEY), indexes=indexes)


def compiled(where: str, *indexes: IndexDescription, select: str = "*", more: str = "") -> PhysicalPlan:
    spec = f"SELECT {select} FROM Source WHERE {where} {more}"
    return planned(spec, KEY, into="Target", source=lambda name: source(*indexes))


def asked(plan: PhysicalPlan) -> list[str] | None:
    """The keys that are asked for, with their names and values; None for a Scan."""
    (scan,) = plan.scans
    if isinstance(scan, ScanExec):
        return None
    found = []
    for text in scan.requests:
        request = json.loads(text)
        said = request["KeyConditionExpression"]
        for mark, name in request["ExpressionAttributeNames"].items():
            said = said.replace(mark, name)
        for mark, value in request["ExpressionAttributeValues"].items():
            said = said.replace(mark, next(iter(value.values())))
        found.append((f"{scan.index.name}: " if scan.index is not None else "") + said)
    return found


# Which keys


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("pk = 'a'", ["pk = a"]),
        ("'a' = pk", ["pk = a"]),
        ("pk = lower('A') || 'b'", ["pk = ab"]),
        ("pk IN ('b', 'a', 'b')", ["pk = a", "pk = b"]),
        ("pk = 'a' OR pk = 'b'", ["pk = a", "pk = b"]),
        ("NOT (pk <> 'a')", ["pk = a"]),
        ("pk = 'a' AND sk = 1.0", ["pk = a AND sk = 1"]),
        ("pk = 'a' AND sk > 1", ["pk = a AND sk > 1"]),
        ("pk = 'a' AND NOT (sk > 1)", ["pk = a AND sk <= 1"]),
        ("pk = 'a' AND sk BETWEEN 1 AND 5", ["pk = a AND sk BETWEEN 1 AND 5"]),
        ("pk = 'a' AND sk > 1 AND sk < 5 AND sk >= 0", ["pk = a AND sk BETWEEN 1 AND 5"]),
        ("pk = 'a' AND sk IN (3, 1)", ["pk = a AND sk BETWEEN 1 AND 3"]),
        ("pk = 'a' AND sk < 1 hour", ["pk = a AND sk < 3600"]),
        ("pk = 'a' AND (sk = 1 OR n > 2)", ["pk = a"]),
        ("pk = 'a' AND sk = 1 OR pk = 'b' AND n = 2", ["pk = a AND sk = 1", "pk = b"]),
        ("sk = 1 AND pk = 'a'", ["pk = a AND sk = 1"]),
        ("try(pk = 'a' AND n > 'x')", ["pk = a"]),
        ("pk = 'a' AND to_number(s) > 1", ["pk = a"]),
        ("pk IN ('', 'a')", ["pk = a"]),
        # An error of an item with another key must be found.
        ("to_number(s) > 1 AND pk = 'a'", None),
        ("n > 1 AND pk = 'a'", None),
        ("pk = 'a' OR n > 1", None),
        ("pk > 'a'", None),
        ("pk = s", None),
        ("upper(pk) = 'A'", None),
        ("pk = 1", None),
        ("pk = 'a' AND pk = 'b'", None),
        ("pk = ''", None),
        ("sk = 1", None),
        (f"pk IN ({', '.join(repr(str(n)) for n in range(101))})", None),
    ],
)
def test_a_predicate_allows_keys(where: str, expected: list[str] | None) -> None:
    assert asked(compiled(where)) == expected


def test_bounds_that_no_server_takes_are_left_out() -> None:
    key = (KeyAttribute("pk", Type.BINARY), KeyAttribute("sk", Type.STRING))

    def found(where: str) -> list[str] | None:
        spec = f"SELECT * FROM Source WHERE {where}"
        return asked(planned(spec, into="Target", source=lambda name: table(name, key)))

    assert found("pk = from_base64('YQ==') AND sk >= ''") == ["pk = YQ=="]
    assert found("pk = from_base64('YQ==') AND starts_with(sk, 'x')") == ["pk = YQ== AND begins_with(sk, x)"]
    assert found("pk = from_base64('YQ==') AND sk LIKE 'x%' AND sk > 'xb'") == ["pk = YQ== AND sk BETWEEN xb AND y"]
    assert found("pk = from_base64('YQ==') AND sk LIKE '\ud7ff%' AND sk < 'z'") is None
    assert found("pk = from_base64('YQ==') AND sk LIKE '\U0010ffff%'") == ["pk = YQ== AND begins_with(sk, \U0010ffff)"]
    assert found(f"pk = from_base64('YQ==') AND sk > '{'x' * 1025}'") == ["pk = YQ=="]
    assert found("pk = from_base64('')") is None


@pytest.mark.parametrize(
    ("where", "index", "expected"),
    [
        ("pk = 'a' AND at > 'x'", LOCAL, ["ByTime: pk = a AND at > x"]),
        ("pk = 'a' AND starts_with(at, '2026-')", LOCAL, ["ByTime: pk = a AND begins_with(at, 2026-)"]),
        ("pk = 'a' AND sk = 1 AND at > 'x'", LOCAL, ["pk = a AND sk = 1"]),
        ("pk = 'a' AND (at > 'x' OR at IS MISSING)", LOCAL, ["pk = a"]),
        ("pk = 'a' AND at > 'x'", replace(LOCAL, projection="KEYS_ONLY"), ["pk = a"]),
        ("try(status = 'open') AND try(n > 5)", GLOBAL, ["ByStatus: status = open AND n > 5"]),
        ("try(status = 'open' AND n > 5)", GLOBAL, ["ByStatus: status = open AND n > 5"]),
        ("try(status IN ('open', 'new')) AND attribute_type(n) = 'N'", GLOBAL, ["ByStatus: status = new", "ByStatus: status = open"]),
        # A status that is a number is an error, and in no index; neither is an item without n.
        ("status = 'open' AND attribute_type(n) = 'N'", GLOBAL, None),
        ("try(status = 'open')", GLOBAL, None),
        ("try(status = 'open') AND n IS NOT NULL", GLOBAL, None),
        ("try(status = 'open') AND try(n > 5)", replace(GLOBAL, status="CREATING"), None),
        ("try(status = 'open') AND try(n > 5)", replace(GLOBAL, projection="KEYS_ONLY"), None),
    ],
)  # fmt: skip
def test_an_index_is_read_where_it_has_every_item(
    where: str, index: IndexDescription, expected: list[str] | None
) -> None:
    assert asked(compiled(where, index)) == expected


@pytest.mark.parametrize("where", ["status = 'open' AND n > 5", "to_number(s) > 1 AND pk = 'a'"])
def test_where_errors_alone_are_in_the_way_of_a_query_try_makes_one(where: str) -> None:
    (scan,) = compiled(where, GLOBAL).scans
    assert isinstance(scan, ScanExec)
    found = query_without_errors(compiled(where).transform.predicate, source(GLOBAL), None, False)
    (query,) = compiled(f"try({where})", GLOBAL).scans
    assert isinstance(query, QueryExec) and found is not None
    assert [json.loads(one)["KeyConditionExpression"] for one in query.requests] == [k.expression for k in found.keys]
    assert found.index == query.index


def test_an_index_must_have_all_that_is_read_and_be_as_consistent_as_the_job() -> None:
    where = "try(status = 'open') AND try(n > 5)"
    keys = replace(GLOBAL, projection="KEYS_ONLY")
    assert asked(compiled(where, keys, select="pk, sk, n")) == ["ByStatus: status = open AND n > 5"]
    assert asked(compiled(where, keys, select="pk, sk, s")) is None
    some = replace(keys, projection="INCLUDE", included=("s",))
    assert asked(compiled(where, some, select="pk, sk, s")) is not None
    consistent = "WITH (consistent_read = true)"
    assert asked(compiled(where, keys, select="pk, sk", more=consistent)) is None
    assert asked(compiled("pk = 'a' AND at > 'x'", LOCAL, more=consistent)) == ["ByTime: pk = a AND at > x"]


def test_the_units_of_an_index_are_its_own() -> None:
    where = "try(status = 'open') AND try(n > 5)"
    described = replace(source(replace(GLOBAL, read_units=20)), billing="PROVISIONED", read_units=500, write_units=5)
    spec = f"SELECT * FROM Source WHERE {where} WITH (read = 50%)"
    (scan,) = planned(spec, KEY, into="Target", source=lambda name: described).scans
    assert scan.budget.units == 10
    (scan,) = planned(spec.replace("try(n > 5)", "n > 5"), KEY, into="Target", source=lambda name: described).scans
    assert scan.budget.units == 250


def test_no_filter_of_a_query_names_its_key() -> None:
    plan = compiled("pk = 'a' AND sk > 1 AND n > 5 AND s = 'x'")
    request = json.loads(plan.scans[0].request)
    names = {request["ExpressionAttributeNames"][mark] for mark in ("#f0", "#f1")}
    assert names == {"n", "s"} and set(request["ExpressionAttributeNames"].values()) == {"pk", "sk", "n", "s"}
    assert "FilterExpression" not in json.loads(compiled("pk = 'a' AND sk <> 1").scans[0].request)


def test_a_plan_that_asks_for_other_keys_is_another_plan() -> None:
    where = "try(status = 'open') AND try(n > 5)"
    assert compiled(where).fingerprint != compiled(where, GLOBAL).fingerprint
    assert compiled(where, GLOBAL).fingerprint == compiled(where, GLOBAL, LOCAL).fingerprint


# Every item that matters

ITEMS = 100
PLANS = 150
ON_SERVER = 30
SEED = 20260117
PARTITIONS = ("a", "b", "c", "é")
TIMES = ("2026-01", "2026-02", "2026", "x", "\U0010ffff")
STATES = ("open", "closed", "")


def any_items(draw: random.Random, *, stored: bool) -> list[Item]:
    """Items of different keys; ``stored``: with the types that the indexes have, as a server demands."""
    items: list[Item] = []
    for number in range(ITEMS):
        item: Item = {"pk": {"S": draw.choice(PARTITIONS)}, "sk": {"N": str(number % 10 + number // 10 / 100)}}
        if draw.random() < 0.7:
            item["at"] = {"S": draw.choice(TIMES)}
        if draw.random() < 0.8:
            item["status"] = {"S": draw.choice(STATES[:2])} if stored or draw.random() < 0.9 else other(draw)
        if draw.random() < 0.8:
            item["n"] = {"N": str(draw.randrange(10))} if stored or draw.random() < 0.9 else other(draw)
        if draw.random() < 0.8:
            item["s"] = draw.choice(({"S": "x"}, {"N": "1"}, {"NULL": True}, {"BOOL": True}))
        items.append(item)
    return items


def other(draw: random.Random) -> dict[str, Any]:
    return draw.choice(({"NULL": True}, {"BOOL": True}, {"L": []}, {"SS": ["open"]}, {"B": "YQ=="}))


def quoted(draw: random.Random, texts: tuple[str, ...]) -> str:
    return f"'{draw.choice(texts)}'"


def about(draw: random.Random) -> str:
    """A predicate on one attribute, often a key's."""
    number = str(draw.randrange(12) / draw.choice((1, 2)))
    bounds = sorted((draw.randrange(10), draw.randrange(10)))
    comparison = draw.choice(("=", "<", "<=", ">", ">=", "<>"))
    return draw.choice(
        (
            f"pk = {quoted(draw, PARTITIONS)}",
            f"pk = {quoted(draw, PARTITIONS)}",
            f"pk IN ({quoted(draw, PARTITIONS)}, {quoted(draw, PARTITIONS)})",
            f"sk {comparison} {number}",
            f"sk BETWEEN {bounds[0]} AND {bounds[1]}",
            f"sk IN ({number}, 3)",
            f"at {comparison} {quoted(draw, TIMES)}",
            f"starts_with(at, {quoted(draw, ('2026', '2026-', 'x', ''))})",
            f"at LIKE {quoted(draw, ('2026%', '%6%', '2026-0_'))}",
            f"try(status = {quoted(draw, STATES)})",
            f"status {comparison} {quoted(draw, STATES)}",
            f"attribute_type({draw.choice(('status', 'n', 'at'))}) = {quoted(draw, ('S', 'N'))}",
            f"n {comparison} {number}",
            f"try(n {comparison} {number})",
            f"{draw.choice(('n', 'at', 'status', 's'))} IS {draw.choice(('NULL', 'NOT NULL', 'MISSING', 'NOT MISSING'))}",
            draw.choice(("s = 'x'", "s = 1")),
            "s",
            "to_number(s) > 0",
        )
    )  # fmt: skip


def predicate(draw: random.Random, depth: int = 0) -> str:
    luck = draw.random()
    if depth and (depth > 3 or luck < 0.4):
        return about(draw)
    if luck < 0.5:
        return f"NOT ({predicate(draw, depth + 1)})"
    operator = "AND" if luck < 0.85 else "OR"
    return f"({predicate(draw, depth + 1)}) {operator} ({predicate(draw, depth + 1)})"


def queried(draw: random.Random, count: int) -> Iterator[tuple[str, PhysicalPlan, QueryExec]]:
    """Predicates whose plans have Queries: some of the table, and of either index."""
    left = dict.fromkeys((None, LOCAL, GLOBAL), count // 3)
    while any(left.values()):
        beginnings = {
            None: f"pk = {quoted(draw, PARTITIONS)} AND ",
            LOCAL: f"pk = {quoted(draw, PARTITIONS)} AND at >= {quoted(draw, TIMES)} AND ",
            GLOBAL: "try(status = 'open') AND try(n >= 2) AND ",
        }
        beginning = draw.choice(["", *(text for index, text in beginnings.items() if left[index])])
        text = f"{beginning}({predicate(draw, 1)})"
        try:
            plan = compiled(text, LOCAL, GLOBAL)
        except SpecError:
            continue
        (scan,) = plan.scans
        if isinstance(scan, QueryExec) and left[scan.index]:
            left[scan.index] -= 1
            yield text, plan, scan


def name_of(item: Item) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["N"]


def outcomes(plan: PhysicalPlan, items: list[Item]) -> dict[tuple[str, str], Outcome]:
    """What comes of each item, without any server."""
    assert plan.write is not None
    evaluator = RowEvaluator(plan.transform, plan.write.key)
    context = RowContext("Source", NOW)
    return {name_of(item): evaluator.row(json.dumps(item).encode(), context) for item in items}


def lost(text: str, plan: PhysicalPlan, items: list[Item], found: list[Item]) -> None:
    """Fail where an item that matters was not found, or one was found twice."""
    names = [name_of(item) for item in found]
    assert len(set(names)) == len(names), text
    for name, outcome in outcomes(plan, items).items():
        assert isinstance(outcome, Filtered) or name in names, f"{text}\nasks for {asked(plan)}\nof {name}: {outcome}"


def indexed(index: IndexDescription | None, items: list[Item]) -> list[Item]:
    """The items that an index has."""
    tags = {Type.STRING: "S", Type.NUMBER: "N"}
    key = index.key if index is not None else ()
    return [item for item in items if all(tags[a.type] in item.get(a.name, {}) for a in key)]


def test_the_keys_are_those_of_every_item_that_matters() -> None:
    draw = random.Random(SEED)
    items = any_items(draw, stored=False)
    left_out = 0
    for text, plan, scan in queried(draw, PLANS):
        fake = Fake({"Source": indexed(scan.index, items)})
        found = [item for request in scan.requests for item in fake.found(json.loads(request))]
        lost(text, plan, items, found)
        left_out += ITEMS - len(found)
    # 15,000 pairs of an item and a predicate; few of the items are read.
    assert left_out > PLANS * ITEMS / 2


def test_a_server_finds_by_its_keys_every_item_that_matters(server: Server) -> None:
    draw = random.Random(SEED)
    name = f"{servers.new_prefix()}keys"
    attributes = {"pk": "S", "sk": "N", "at": "S", "status": "S", "n": "N"}
    projection = {"Projection": {"ProjectionType": "ALL"}}

    def schema(*key: KeyAttribute) -> dict[str, Any]:
        pairs = zip(key, ("HASH", "RANGE"), strict=True)
        return {"KeySchema": [{"AttributeName": one.name, "KeyType": kind} for one, kind in pairs]}

    client = server.client()
    client.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in attributes.items()],
        BillingMode="PAY_PER_REQUEST",
        LocalSecondaryIndexes=[{"IndexName": LOCAL.name, **schema(*LOCAL.key), **projection}],
        GlobalSecondaryIndexes=[{"IndexName": GLOBAL.name, **schema(*GLOBAL.key), **projection}],
        **schema(*KEY),
    )
    client.get_waiter("table_exists").wait(TableName=name)
    client.close()
    tables.fill(server, name, any_items(draw, stored=True))
    items = tables.read(server, name)
    assert len(items) == ITEMS

    async def ask(client: WireClient) -> None:
        for text, plan, scan in queried(draw, ON_SERVER):
            found: list[Item] = []
            for one in scan.requests:
                request = {**json.loads(one), "TableName": name}
                # So that a Query has several pages.
                request["Limit"] = 5
                found += await tables.scan(client, request, "Query")
            lost(text, plan, items, found)

    tables.on_the_wire(server, ask)


# Jobs

WHERE = "pk IN ('a', 'b', 'missing') AND sk BETWEEN 1 AND 7 AND (n > 2 OR s = 'x')"


def as_scan(plan: PhysicalPlan) -> PhysicalPlan:
    """The same plan, reading all of the table."""
    (scan,) = plan.scans
    request = json.dumps({"TableName": "Source", "ReturnConsumedCapacity": "TOTAL"})
    return replace(plan, scans=(ScanExec(scan.table, 2, request, scan.budget),))


def job(more: str = "") -> PhysicalPlan:
    options = "WITH (read = unlimited, write = unlimited)"
    return compiled(WHERE, LOCAL, GLOBAL, select="pk, sk, n + 1 AS n, s", more=f"{more} {options}")


def fake_of(items: list[Item], **more: Any) -> Fake:
    return Fake({"Source": items}, key=(("pk", "S"), ("sk", "N")), page=5, **more)


def many() -> list[Item]:
    return any_items(random.Random(SEED), stored=False)


def rejects(folder: Path) -> list[str]:
    path = folder / "rejects.jsonl"
    found = map(json.loads, path.read_text().splitlines() if path.exists() else [])
    return sorted(json.dumps({name: one[name] for name in ("key", "code", "message")}) for one in found)


def test_a_job_by_queries_does_what_one_by_a_scan_does(tmp_path: Path) -> None:
    asking, scanning = fake_of(many()), fake_of(many())
    assert asked(job()) is not None
    report = asking.run(job(), tmp_path / "query")
    other_report = scanning.run(as_scan(job()), tmp_path / "scan")
    assert asking.calls["Query"] >= 3 and not asking.calls["Scan"]
    assert scanning.calls["Scan"] and not scanning.calls["Query"]
    reference.assert_same_items(asking.items.values(), scanning.items.values(), ("pk", "sk"))
    assert rejects(tmp_path / "query") == rejects(tmp_path / "scan")
    assert (report.progress.written, report.progress.rejected) == (
        other_report.progress.written, other_report.progress.rejected,
    )  # fmt: skip
    assert report.progress.written and report.progress.rejected and report.progress.read < other_report.progress.read
    assert report.progress.fraction == 1.0
    assert [one.segments_done for one in report.progress.tables] == [3]


@pytest.mark.parametrize("at", range(1, 7))
def test_a_job_by_queries_goes_on_where_it_was(at: int, tmp_path: Path) -> None:
    whole = fake_of(many())
    report = whole.run(job(), tmp_path / "whole")

    async def fault(call: Call) -> None:
        if call.operation == "Query" and call.number >= at:
            # This page, and those after it, come too late.
            stop.set()
            await asyncio.sleep(5)

    stop = Event()
    fake = fake_of(many(), fault=fault)
    first = fake.run(job(), tmp_path / "job", stop)
    assert first.outcome == "interrupted"
    fake.fault = no_fault
    before = fake.calls["Query"]
    again = fake.run(job(), tmp_path / "job", resume=True)
    assert again.outcome == "done"
    assert fake.calls["Query"] - before <= whole.calls["Query"]
    # Each page counts once, whichever run it was read by.
    assert (again.progress.read, again.progress.written) == (report.progress.read, report.progress.written)
    reference.assert_same_items(fake.items.values(), whole.items.values(), ("pk", "sk"))
    assert rejects(tmp_path / "job") == rejects(tmp_path / "whole")


def test_a_job_by_queries_keeps_to_its_limit(tmp_path: Path) -> None:
    whole, fake = fake_of(many()), fake_of(many())
    whole.run(job(), tmp_path / "whole")
    report = fake.run(job("LIMIT 4"), tmp_path / "some")
    assert (report.outcome, report.progress.written, len(fake.items)) == ("limit", 4, 4)
    assert fake.items.items() <= whole.items.items()


def test_a_query_that_does_not_get_on_says_so(tmp_path: Path) -> None:
    class Stuck(Fake):
        def _page(self, call: Call, mine: Any) -> dict[str, Any]:
            return {"Items": [], "Count": 0, "ScannedCount": 5, "LastEvaluatedKey": {"at": {"N": "5"}}}

    stuck = Stuck({"Source": many()}, key=(("pk", "S"), ("sk", "N")))
    with pytest.raises(JobFailed, match="Query of Source: the server does not get on"):
        stuck.run(job(), tmp_path)


def test_a_preview_asks_for_the_keys_alone() -> None:
    fake = fake_of(many())

    async def main() -> Preview:
        async with fake.running():
            return await preview(job(), {HERE: fake.access()}, 1000)

    found = run_async(main)
    whole = outcomes(job(), many())
    assert {(row["pk"]["S"], row["sk"]["N"]) for row in found.rows} == {
        n for n, o in whole.items() if isinstance(o, Row)
    }
    assert found.rows and found.rejects and found.read < ITEMS and not fake.calls["Scan"]


def test_a_look_at_the_keys_alone_asks_for_the_same() -> None:
    assert asked(reduced(job())) == asked(job())


def test_a_job_whose_index_is_gone_does_not_go_on() -> None:
    where = "try(status = 'open') AND try(n > 5)"
    before, now = compiled(where, GLOBAL), compiled(where)
    record = record_of(before, "job", "2026-11-23T10:15:30Z", {"text": where})
    assert [table.segments for table in record.tables] == [1]
    assert changes(record, before.fingerprint, before.identity, where) == ()
    assert changes(record, now.fingerprint, now.identity, where) == (
        "the keys or the index by which a table is read: other than they were",
    )


# Texts and their order

TEXTS = Key((("pk", Type.STRING), ("sk", Type.STRING)), (frozenset({"S"}), frozenset({"S"})))
CHARACTERS = st.text(st.sampled_from("a\x00b\ud7ff\ue000é\U0010fffe\U0010ffff"), max_size=4)


@given(CHARACTERS.filter(bool), CHARACTERS)
@example("\ud7ff", "\ue000")
@example("a\U0010ffff", "b")
@example("\U0010ffff", "\U0010ffffa")
def test_the_texts_with_a_prefix_are_a_range(prefix: str, text: str) -> None:
    (box,) = dynamo_keys.key_ranges(
        all_of(Atom("=", Attribute("pk"), ("k",)), Atom("begins_with", Attribute("sk"), (prefix,))), TEXTS
    ) or (None,)
    assert box is not None
    within = Range(text, text).within(box.sort)
    assert within.empty != text.encode().startswith(prefix.encode())
    said = dynamo_keys.key_expression(box, TEXTS)
    assert said.expression == "#k0 = :k0 AND begins_with(#k1, :k1)"


RANGES = st.builds(
    Range,
    st.none() | st.integers(0, 6).map(Decimal),
    st.none() | st.integers(0, 6).map(Decimal),
    st.booleans(),
    st.booleans(),
)


def has(range_: Range, value: Decimal) -> bool:
    low, high = range_.low, range_.high
    above = low is None or value > low or (value == low and not range_.low_open)  # type: ignore[operator]
    below = high is None or value < high or (value == high and not range_.high_open)  # type: ignore[operator]
    return above and below


@given(RANGES, RANGES, st.integers(-1, 14).map(lambda n: Decimal(n) / 2))
def test_ranges_meet_and_are_surrounded(one: Range, other: Range, value: Decimal) -> None:
    assert has(one.within(other), value) == (has(one, value) and has(other, value))
    assert has(one.around(other), value) or not (has(one, value) or has(other, value))
    assert not (one.empty and has(one, value))
