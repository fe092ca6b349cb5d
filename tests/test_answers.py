"""Answers of a server that counts badly, or sends what is none of DynamoDB's: never a wrong count, a lost row, a crash."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import generated
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from misbehaving import answer, client, serving
from planned import NOW, planned

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.connectors.dynamodb.requests import (
    MOST_UNITS,
    Capacity,
    entries_of,
    items_of,
    put_entry,
    read_batch_write,
    read_page,
    read_scan,
    scan_body,
)
from ddbetl.connectors.dynamodb.retry import RetryPolicy
from ddbetl.engine import peek as peeking
from ddbetl.engine.batches import Batching
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.rows import Row, RowEvaluator, RowFailure, canonical, check_attributes, decode_item
from ddbetl.engine.splits import Keeper, Page, Split
from ddbetl.engine.transform import PageInput
from ddbetl.errors import RowError
from ddbetl.expressions.projection import BATCH, KeyAttribute
from ddbetl.expressions.wire import DEEPEST, is_attribute
from ddbetl.expressions.writing import Entry, Form
from ddbetl.functions.model import RowContext
from ddbetl.types import Type

Item = dict[str, Any]

SPECS = (
    "SELECT id, upper(s) AS s FROM Source",
    "SELECT * FROM Source",
    "SELECT id FROM Source WHERE s = 'none'",
    # Goes by reference as a whole.
    "SELECT id, epoch(x, 'EEEE') AS t FROM Source",
)


def items(count: int) -> list[Item]:
    return [{"id": {"S": f"i{number}"}, "s": {"S": "a"}, "n": {"N": str(number)}} for number in range(count)]


def page(content: Any = None, count: int = 0, scanned: int | None = None, **more: Any) -> bytes:
    """An answer to Scan."""
    body = {"Items": content if content is not None else [], "Count": count, **more}
    return json.dumps({**body, "ScannedCount": count if scanned is None else scanned}).encode()


# The answer as a whole


def test_a_good_answer_is_read() -> None:
    found, its = read_page(
        page(items(3), 3, 7, LastEvaluatedKey={"id": {"S": "i2"}}, ConsumedCapacity={"CapacityUnits": 1.5})
    )
    assert (found.count, found.scanned_count, len(its)) == (3, 7, 3)
    assert json.loads(bytes(found.last_evaluated_key)) == {"id": {"S": "i2"}}
    assert found.consumed_capacity == Capacity(1.5)
    assert [json.loads(bytes(item)) for item in its] == items(3)


BAD_PAGES = {
    "nothing": b"{}",
    "a page of somebody else": b"<html>Please log in</html>",
    "no object": b"[]",
    "half a pair, and no object": b'["\\ud800"]',
    "a negative count": page(items(1), -1),
    "fewer scanned than sent": page(items(3), 3, 2),
    "items and a count of 0": page(items(1), 0, 1),
    "more than there is room for": page(items(3), 300_000_000),
    "a map of items": page({"a": 1}, 1),
    "items that are null": b'{"Items": null, "Count": 1, "ScannedCount": 1}',
    "no items and null": b'{"Items": null, "Count": 0, "ScannedCount": 0}',
    "a text": page("abc", 3),
    "a key that is a text": page(items(1), 1, LastEvaluatedKey="i0"),
    "a key that is a list": page(items(1), 1, LastEvaluatedKey=[1]),
    "thousands of levels": b'{"Items":[' + b"[" * 5000 + b"]" * 5000 + b'],"Count":1,"ScannedCount":1}',
    "thousands of levels and half a pair": b'{"Items":["\\ud800",' + b"[" * 5000 + b"]" * 5000 + b'],"Count":2,"ScannedCount":2}',
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_PAGES)
def test_what_is_no_page_is_no_answer(name: str) -> None:
    # A ValueError is what the request is repeated for.
    with pytest.raises(ValueError):
        read_scan(BAD_PAGES[name])


# Names and texts that look like what stands around the items.
TRICKY = (
    "Items", "Count", "LastEvaluatedKey", "ScannedCount", "ConsumedCapacity", '"Items":[', '],"Count":', "]}", "]",
    '],"LastEvaluatedKey":{', "\\", '\\"',
)  # fmt: skip
TEXTS = st.one_of(st.sampled_from(TRICKY), st.text(max_size=5))
ATTRIBUTES = st.recursive(
    st.one_of(TEXTS.map(lambda text: {"S": text}), st.lists(TEXTS, min_size=1, unique=True).map(lambda t: {"SS": t})),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda some: {"L": some}),
        st.dictionaries(TEXTS, inner, max_size=3).map(lambda some: {"M": some}),
    ),
    max_leaves=5,
)
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "Count": st.just(0),
    "ScannedCount": st.integers(3, 9),
    "LastEvaluatedKey": st.dictionaries(TEXTS, ATTRIBUTES, max_size=2),
    "ConsumedCapacity": st.fixed_dictionaries({"TableName": st.just("Items"), "CapacityUnits": st.floats(0, 9)}),
    "Other": st.one_of(ATTRIBUTES, st.lists(st.just(1))),
}


@given(
    st.lists(st.dictionaries(TEXTS, ATTRIBUTES, max_size=3), max_size=3),
    st.fixed_dictionaries({}, optional=MEMBERS),
    st.randoms(use_true_random=False),
    st.sampled_from([(",", ":"), (", ", ": ")]),
    st.booleans(),
)
def test_a_page_with_a_checksum_is_read_as_one_without(
    its: list[Item], members: dict[str, Any], order: random.Random, separators: tuple[str, str], ascii_only: bool
) -> None:
    whole = {"ScannedCount": len(its), **members, "Items": its, "Count": len(its)}
    names = order.sample(sorted(whole), len(whole))
    body = json.dumps({name: whole[name] for name in names}, separators=separators, ensure_ascii=ascii_only).encode()
    one, other = read_scan(body), read_scan(body, checked=True)
    assert msgspec.structs.astuple(one) == msgspec.structs.astuple(other) and json.loads(bytes(other.items)) == its


@pytest.mark.parametrize("name", BAD_PAGES)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_what_is_no_page_is_refused_or_rejected_with_its_checksum_too(name: str, separators: tuple[str, str]) -> None:
    body = BAD_PAGES[name]
    with suppress(ValueError, RecursionError):
        body = json.dumps(json.loads(body), separators=separators).encode()
    try:
        found = read_scan(body, checked=True)
    except ValueError:
        return
    for spec in SPECS:
        with suppress(MalformedResponse):
            (result,) = work(spec, (bytes(found.items), found.count))
            # So many items there are, but they are none of DynamoDB's.
            assert name == "thousands of levels"
            assert rows(result) + result.filtered + len(result.failures) == found.count


def test_the_items_of_a_page_with_a_checksum_are_looked_at_by_the_statement() -> None:
    body = b'{"Count":2,"Items":[{"id":{"S":"a"}},{]],"ScannedCount":2}'
    with pytest.raises(ValueError):
        read_scan(body)
    found = read_scan(body, checked=True)
    for spec in SPECS:
        with pytest.raises(MalformedResponse, match=r"^the answer is not DynamoDB's: "):
            work(spec, (bytes(found.items), found.count))
    scan: Any = SimpleNamespace(scan=SimpleNamespace(operation="Scan", table=SimpleNamespace(name="Source")))
    open_page = Page(Split(cast(Keeper, None), scan, 0, 0), found.items, found.count, b"")
    with pytest.raises(MalformedResponse, match=r"^the answer is not DynamoDB's: ") as refused:
        open_page.row(0)
    assert (refused.value.operation, refused.value.table) == ("Scan", "Source")


@pytest.mark.parametrize("count", [2, 4, 40])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_items_that_are_looked_at_one_by_one_are_counted(count: int, ascii_only: bool) -> None:
    its = items(3)
    if ascii_only:
        its[1]["s"] = {"S": "\ud800"}
    with pytest.raises(ValueError, match=f"Count is {count}, and Items holds 3"):
        read_page(page(its, count))
    assert len(read_page(page(its, 3))[1]) == 3


@pytest.mark.parametrize("key", ["null", "{}", "{ }"])
def test_a_key_with_nothing_in_it_ends_the_table(key: str) -> None:
    body = page(items(1), 1).removesuffix(b"}") + f', "LastEvaluatedKey": {key}}}'.encode()
    assert bytes(read_scan(body).last_evaluated_key) == b""


@pytest.mark.parametrize(("said", "units"), [(-5, 0.0), (-1e308, 0.0), (1e308, MOST_UNITS), (12.5, 12.5), (0, 0.0)])
def test_units_that_cannot_be_are_not_believed(said: float, units: float) -> None:
    capacity = {"CapacityUnits": said}
    found = read_scan(page(ConsumedCapacity=capacity)).consumed_capacity
    assert found is not None and found.units == units
    body = json.dumps({"UnprocessedItems": {}, "ConsumedCapacity": [capacity, {"CapacityUnits": 1}]}).encode()
    written = read_batch_write(body).consumed_capacity
    assert written is not None and [one.units for one in written] == [units, 1.0]
    assert Capacity(float("nan")).units == 0.0


@pytest.mark.parametrize(("segments", "named"), [(1, {}), (2, {"Segment": 1, "TotalSegments": 2}), (3, {"Segment": 1, "TotalSegments": 3})])  # fmt: skip
def test_a_segment_is_asked_for_where_there_are_several(segments: int, named: dict[str, int]) -> None:
    fixed = '{"TableName":"Source"}'
    assert json.loads(scan_body(fixed, 1, segments, b"")) == {"TableName": "Source", **named}
    started = json.loads(scan_body(fixed, 1, segments, b'{"id":{"S":"k"}}', 7))
    assert started == {"TableName": "Source", **named, "Limit": 7, "ExclusiveStartKey": {"id": {"S": "k"}}}


# Pages on their way


def work(spec: str, *pages: tuple[bytes, int]) -> list[PageResult]:
    plan = planned(spec, into="Target")
    assert plan.write is not None
    doing = PageWork(plan.transform, plan.write)
    try:
        doing.open()
        return doing.run([PageInput(content, count, "Source", NOW.millis) for content, count in pages])
    finally:
        doing.close()


def rows(result: PageResult) -> int:
    return sum(batch.rows for batch in result.batches)


@pytest.mark.parametrize("spec", SPECS)
def test_a_page_of_as_many_items_as_were_said_is_taken(spec: str) -> None:
    contents = [(json.dumps(items(count)).encode(), count) for count in (3, 1, 40)]
    results = work(spec, *contents)
    assert [rows(r) + r.filtered + len(r.failures) for r in results] == [3, 1, 40]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    ("content", "count"),
    [
        (json.dumps(items(3)), 2),
        (json.dumps(items(3)), 4),
        (json.dumps(items(3)), 1000),
        ("[]", 1),
        ('{"a":1}', 1),
        ("null", 1),
        ('"text"', 1),
        ('[{"id":{"S":"\\ud800"}}]', 3),
    ],
)  # fmt: skip
def test_a_page_of_another_number_of_items_is_refused(spec: str, content: str, count: int) -> None:
    good = json.dumps(items(5)).encode()
    with pytest.raises(MalformedResponse, match=r"^the answer is not DynamoDB's: ") as refused:
        work(spec, (good, 5), (content.encode(), count), (good, 5))
    assert (refused.value.operation, refused.value.table) == ("Scan", "Source")


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize(
    "raw",
    [
        b"5",
        b"[]",
        b'{"id":{"S":"\xff\xfe"}}',
        b'{"id":{"S":"k"},"x":{"S":"\xff"}}',
        b'{"id":{"S":"k"},"\xff":{"S":""}}',
    ],
)
def test_a_page_with_something_that_is_no_item_is_refused_or_rejected(spec: str, raw: bytes) -> None:
    for content in (b"[" + raw + b"]", b"[" + json.dumps(items(1)[0]).encode() + b"," + raw + b"]"):
        count = 1 + (len(content) > len(raw) + 2)
        try:
            (result,) = work(spec, (content, count))
        except MalformedResponse:
            continue
        # It was not looked at: the predicate leaves it out, or nothing of it is needed.
        assert rows(result) + result.filtered + len(result.failures) == count
        assert all(bytes(batch.content).decode() for batch in result.batches)


# What no server should send as an attribute.
NO_ATTRIBUTES: tuple[Any, ...] = (
    None, 5, "k", [], {}, {"S": "k", "N": "1"}, {"S": 5}, {"S": None}, {"N": 1}, {"B": True}, {"BOOL": "true"},
    {"NULL": None}, {"L": {}}, {"L": ["k"]}, {"L": [{}]}, {"M": []}, {"M": {"k": "v"}}, {"M": {"k": {}}}, {"SS": "ab"},
    {"SS": [1]}, {"NS": [1]}, {"BS": [None]}, {"L": [{"M": {"k": {"S": 5}}}]},
)  # fmt: skip


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", ["id", "s", "m"])
def test_what_is_no_attribute_is_an_error_of_the_row(spec: str, name: str) -> None:
    plan = planned(spec, into="Target")
    assert plan.write is not None
    evaluator = RowEvaluator(plan.transform, plan.write.key)
    strange = [{**items(1)[0], name: attribute} for attribute in NO_ATTRIBUTES]
    for item in strange:
        found = evaluator.row(json.dumps(item).encode(), RowContext("Source", NOW))
        assert isinstance(found, RowFailure), item
        assert found.code == "R0109" and found.message.startswith(f"{name}: ")
    # The statement may copy it: the target's server decides then. It loses no row, and counts each once.
    results = work(spec, *((json.dumps([item, *items(3)[1:]]).encode(), 3) for item in strange))
    assert [rows(result) + result.filtered + len(result.failures) for result in results] == [3] * len(strange)


def test_a_type_that_is_not_known_is_copied() -> None:
    (result,) = work("SELECT * FROM Source", (b'[{"id":{"S":"k"},"x":{"Q":[1,{"y":2}]}}]', 1))
    (batch,) = result.batches
    assert b'"x":{"Q":[1,{"y":2}]}' in bytes(batch.content)
    item = decode_item(b'{"id":{"S":"k"},"x":{"Q":[1]}}')
    check_attributes(item)


@pytest.mark.parametrize("seed", range(200))
def test_every_attribute_that_there_can_be_is_one(seed: int) -> None:
    assert is_attribute(generated.any_attribute(random.Random(seed)))


def nested(levels: int) -> bytes:
    return b'{"id":{"S":"k"},"s":' + b'{"L":[' * levels + b'{"S":"x"}' + b"]}" * levels + b"}"


def test_a_document_of_32_levels_is_an_attribute() -> None:
    plan = planned("SELECT * FROM Source", into="Target")
    found = RowEvaluator(plan.transform, ()).row(nested(32), RowContext("Source", NOW))
    assert isinstance(found, Row) and json.loads(found.item) == json.loads(nested(32))


NO_ITEMS = (
    b"5", b"null", b'"a"', b"[]", b"", b"nonsense", b'{"id":{"S":"\xff"}}', b'{"id":{"S":"\\ud800\xff"}}',
    nested(DEEPEST + 1), nested(400), nested(5000), nested(5000).replace(b'"x"', b'"\\ud800"'),
)  # fmt: skip


@pytest.mark.parametrize("raw", NO_ITEMS, ids=lambda raw: repr(raw[:40]))
def test_what_is_no_item_at_all_ends_the_job_and_says_so(raw: bytes) -> None:
    for spec in SPECS:
        plan = planned(spec, into="Target")
        with pytest.raises(MalformedResponse, match="the server sent "):
            RowEvaluator(plan.transform, ()).row(raw, RowContext("Source", NOW))


# What comes back of a write

BATCHING = Batching(Form(Entry.PUT, "Target", (KeyAttribute("id", Type.STRING), KeyAttribute("at", Type.NUMBER))))


def put(name: str, at: str = "1", **more: Any) -> dict[str, Any]:
    return {"PutRequest": {"Item": {"id": {"S": name}, "at": {"N": at}, **more}}}


SENT = [put("a"), put("b"), put("b", "2"), put("c", x={"S": "'\"é"})]
CONTENT = BATCHING.body(put_entry(json.dumps(p["PutRequest"]["Item"]).encode()) for p in SENT)


def back(unprocessed: Any) -> list[Any]:
    """What of SENT goes again."""
    found = read_batch_write(json.dumps({"UnprocessedItems": unprocessed}).encode())
    checked = BATCHING.checked(CONTENT, found)
    again = checked.unprocessed_items.get("Target", [])
    assert len(checked.unprocessed_items) <= 1
    return [json.loads(bytes(entry)) for entry in again]


@pytest.mark.parametrize("some", [[], [1], [3, 0], [0, 1, 2, 3]])
def test_what_comes_back_goes_again(some: Sequence[int]) -> None:
    assert back({"Target": [SENT[i] for i in some]}) == [SENT[i] for i in some]
    assert back({}) == []


def test_what_goes_again_is_what_was_sent() -> None:
    assert back({"Target": [put("c", "1.0", x={"S": "of somebody else"})]}) == [SENT[3]]


@pytest.mark.parametrize(
    "unprocessed",
    [
        {"Other": SENT},
        {"Target": SENT[:1], "Other": []},
        {"Target": [put("foreign")]},
        {"Target": [put("a", "2")]},
        {"Target": SENT + SENT[:1]},
        {"Target": [put("a"), put("a", "1.0")]},
        {"Target": [5, "a"]},
        {"Target": [{}]},
        {"Target": [{"DeleteRequest": {"Key": {"id": {"S": "a"}, "at": {"N": "1"}}}}]},
        {"Target": [{"PutRequest": {"Item": {"id": {"S": "a"}}}}]},
        {"Target": [put("a", "one")]},
        {"Target": [{"PutRequest": {"Item": {"id": {"N": "1"}, "at": {"N": "1"}}}}]},
        {"Target": [{"PutRequest": {"Item": {"id": {"S": 1}, "at": {"N": "1"}}}}]},
    ],
    ids=json.dumps,
)
def test_what_was_not_sent_does_not_come_back(unprocessed: Any) -> None:
    with pytest.raises(ValueError):
        back(unprocessed)


@pytest.mark.parametrize("body", [b"{}", b'{"UnprocessedItems":null}', b'{"UnprocessedItems":[]}', b'{"UnprocessedItems":{"Target":[' + b"[" * 5000])  # fmt: skip
def test_what_is_no_answer_to_a_write_is_none(body: bytes) -> None:
    with pytest.raises(ValueError):
        read_batch_write(body)


def test_no_request_is_larger_than_a_server_takes() -> None:
    # An item of 390 KB, as DynamoDB counts, whose JSON is twice as long.
    big = {"s": {"S": '"' * 390_000}}
    count = 40
    done = [(n, Row(json.dumps({"id": {"S": str(n)}, "at": {"N": "1"}, **big}).encode(), (str(n), "1"), 390_010)) for n in range(count)]  # fmt: skip
    batches = BATCHING.batches(None, done, repeats=False)
    assert sorted(p for batch in batches for p in batch.positions) == list(range(count))
    assert all(len(entries_of(batch.content)) == len(batch.positions) for batch in batches)
    # Source: BatchWriteItem API reference: 16 MB.
    assert max(len(batch.content) for batch in batches) < 16 * 1000 * 1000
    assert len(batches) == 3


FORMS = [Form(entry, "Target", BATCHING.form.key) for entry in Entry]


@settings(max_examples=60, deadline=None)
@given(
    form=st.sampled_from(FORMS),
    keys=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("1", "1.0", "2"))), min_size=1, max_size=60),
    odd=st.sets(st.integers(0, 59), max_size=3),
    kept=st.integers(1, 60),
)
def test_rows_of_every_form_are_sent_once_and_in_order(
    form: Form, keys: list[tuple[str, str]], odd: set[int], kept: int
) -> None:
    batching = Batching(form)
    rows = []
    for number, (name, at) in enumerate(keys):
        item = {"id": {"S": name}, "at": {"N": at}}
        if form.entry is not Entry.DELETE:
            item |= {("a.b" if number in odd else "row"): {"N": str(number)}, "it's": {"S": '"'}}
        rows.append((number, Row(json.dumps(item).encode(), (name, canonical(Type.NUMBER, at)), 10)))
    sent: list[int] = []
    last: dict[tuple[str, ...], int] = {}
    batches = batching.batches(None, rows, repeats=True)
    for batch in (one for first in batches for one in first.chain()):
        found = batching.keys(batch.content)
        assert len(set(found)) == len(found) == len(batch.positions) <= BATCH
        assert batch.alone == (form.entry is Entry.UPDATE and not odd.isdisjoint(batch.positions))
        assert not batch.alone or len(batch.positions) == 1
        assert bytes(batch.content) == batching.body(batching.entries(batch.content))
        for position, key, entry in zip(batch.positions, found, batching.entries(batch.content), strict=True):
            assert last.get(key, -1) < position
            last[key] = position
            item = batching.item(entry)
            assert item == json.loads(rows[position][1].item)
            assert batching.key_of(item) == key == rows[position][1].key
        sent += batch.positions
        alone = batching.singles(batch, batch.content)
        assert [one.positions for one in alone] == [(position,) for position in batch.positions]
        assert [batching.keys(one.content) for one in alone] == [[key] for key in found]
    assert sorted(sent) == list(range(len(rows)))


# Looking at some items


def test_what_is_no_answer_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peeking, "PATIENCE", RetryPolicy(base=0.001, max_elapsed=10))

    async def main() -> None:
        bad = [answer(BAD_PAGES[name]) for name in ("nothing", "a page of somebody else", "a map of items")]
        async with serving(*bad, answer(page(items(3), 4)), answer(page(items(3), 3))) as served, client(served) as c:
            found, its = await peeking.peek(c, b"{}")
        assert (found.count, len(its), len(served.requests)) == (3, 3, 5)

    asyncio.run(main())


def test_patience_with_what_is_no_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peeking, "PATIENCE", RetryPolicy(base=0.001, max_attempts=4))

    async def main() -> None:
        async with serving(*[answer(page(items(3), 4))] * 9) as served, client(served) as c:
            with pytest.raises(MalformedResponse, match="Count is 4, and Items holds 3"):
                await peeking.peek(c, b"{}")
        assert len(served.requests) == 4

    asyncio.run(main())


def test_items_are_found_in_whatever_is_a_list() -> None:
    assert [bytes(item) for item in items_of(msgspec.Raw(b' [ {"a" : 1} ,2 ] '))] == [b'{"a" : 1}', b"2"]
    for text in (b"{}", b"null", b'"a"', b"5"):
        with pytest.raises(ValueError):
            items_of(msgspec.Raw(text))
    with pytest.raises(RowError):
        check_attributes({"a": 5})
