"""What the benchmark's figures rest on: the canned server returns every item once and takes nothing that is wrong."""

from __future__ import annotations

import json
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.benchmarks import canned_data
from tests.benchmarks.canned_answers import Canned
from tests.benchmarks.canned_checks import ACCESS_KEY, SECRET_KEY, canonical_item, digest
from tests.benchmarks.canned_data import SOURCES, TARGET, Shape
from tests.benchmarks.canned_filter import NotUnderstood, predicate
from tests.benchmarks.canned_server import Delay
from tests.benchmarks.canned_tables import Mode, Refused
from tests.benchmarks.ceiling import insert_bodies, request_bytes, scan_bodies, write_bodies
from tests.benchmarks.measure import Server, canned_server, client_environment, run_client
from tests.benchmarks.side_by_side import QUICK, Bench, Failed, difference

PAGES, ITEMS = 5, 40
SHAPE = Shape(PAGES, ITEMS)


def canned(**mode: Any) -> Canned:
    made = Canned(Mode(), 1 << 20, lambda: 0.0)
    made.configure(Mode(PAGES, ITEMS, **mode))
    return made


def scan(server: Canned, **request: Any) -> dict[str, Any]:
    parts, crc = server.answer("Scan", json.dumps(request).encode())
    body = b"".join(parts)
    assert zlib.crc32(body) == crc
    answer: dict[str, Any] = json.loads(body)
    return answer


def scan_all(server: Canned, **request: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    page = scan(server, **request)
    while True:
        assert page["Count"] == len(page["Items"])
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        page = scan(server, ExclusiveStartKey=page["LastEvaluatedKey"], **request)


def all_items(table: int) -> list[dict[str, Any]]:
    return [item for page in range(PAGES) for item in canned_data.page_items(table, page, SHAPE)]


@pytest.mark.parametrize("segments", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("limit", [None, 1, 7, ITEMS, ITEMS + 1])
def test_segments_and_limits_return_every_item_once(segments: int, limit: int | None) -> None:
    server = canned()
    limited = {} if limit is None else {"Limit": limit}
    items = [
        item
        for segment in range(segments)
        for item in scan_all(server, TableName=SOURCES[3], Segment=segment, TotalSegments=segments, **limited)
    ]
    assert sorted(map(canonical_item, items)) == sorted(map(canonical_item, all_items(3)))
    assert server.counters.items_read == len(items)


def test_keys_and_targets_are_unique_and_the_data_is_as_described() -> None:
    items = [item for table in range(len(SOURCES)) for item in all_items(table)]
    keys = Counter((i["CustomerID"]["S"], i["DateTime"]["S"]) for i in items)
    seconds = Counter(
        (i["CustomerID"]["S"], int(datetime.fromisoformat(i["DateTime"]["S"]).timestamp())) for i in items
    )
    assert keys.most_common(1)[0][1] == seconds.most_common(1)[0][1] == 1
    assert {len(item) for item in items} == {5, 6}
    page = canned_data.template(0, 0, Shape(1, 4000))
    assert 180 < len(canned_data.compact(page)) / len(page) < 220
    assert 0.38 < sum("OrderID" in item for item in page) / len(page) < 0.43
    assert any(item.get("OrderID") == {"S": ""} for item in page)


def test_a_scan_reports_capacity_as_asked() -> None:
    server = canned()
    assert "ConsumedCapacity" not in scan(server, TableName=SOURCES[0])
    size = sum(map(canned_data.item_size, canned_data.page_items(0, 0, SHAPE)))
    page = scan(server, TableName=SOURCES[0], ReturnConsumedCapacity="TOTAL")
    assert page["ConsumedCapacity"] == {"TableName": SOURCES[0], "CapacityUnits": -(-size // 4096) / 2}
    page = scan(server, TableName=SOURCES[0], ReturnConsumedCapacity="INDEXES", ConsistentRead=True)
    assert page["ConsumedCapacity"]["Table"] == {"CapacityUnits": -(-size // 4096)}


def test_answers_are_held_back_as_long_as_asked_and_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loop:
        now = 0.0
        timers: ClassVar[list[tuple[float, Callable[..., None], Any]]] = []

        def time(self) -> float:
            return self.now

        def call_at(self, when: float, call: Callable[..., None], *given: Any) -> None:
            self.timers.append((when, call, given))

    loop, delay, sent = Loop(), Delay(), list[tuple[str, float]]()
    monkeypatch.setattr("asyncio.get_running_loop", lambda: loop)
    for name, at, seconds in (("a", 0.0, 5.0), ("b", 1.0, 5.0), ("c", 1.0, 5.0), ("d", 2.0, 1.0)):
        loop.now = at
        delay.hold(seconds, partial(lambda name: sent.append((name, loop.now)), name))
    while loop.timers:
        ((when, call, given),) = loop.timers
        loop.timers.clear()
        loop.now = when
        call(*given)
    # The last one, for which less was asked, waits for those before it.
    assert sent == [("a", 5.0), ("b", 6.0), ("c", 6.0), ("d", 6.0)]


def test_pushdown_is_ignored_or_honoured_for_everyone() -> None:
    asked = {
        "TableName": SOURCES[1],
        "ProjectionExpression": "#c, OrderID",
        "FilterExpression": "attribute_exists(#o) AND NOT (#o = :empty)",
        "ExpressionAttributeNames": {"#c": "CustomerID", "#o": "OrderID"},
        "ExpressionAttributeValues": {":empty": {"S": ""}},
    }
    assert scan_all(canned(), **asked) == all_items(1)
    server = canned(pushdown=True)
    wanted = [
        {name: item[name] for name in item if name in ("CustomerID", "OrderID")}
        for item in all_items(1)
        if item.get("OrderID", {}).get("S")
    ]
    assert scan_all(server, **asked) == wanted
    assert scan_all(server, **asked, Limit=3) == wanted
    assert server.counters.items_read == 2 * len(all_items(1))
    assert server.counters.items_returned == 2 * len(wanted)
    assert scan(server, TableName=SOURCES[1], FilterExpression="contains(OrderID, :x)")["Count"] == ITEMS
    assert server.counters.pushdowns_ignored == 1


@pytest.mark.parametrize(
    ("expression", "kept"),
    [
        ("attribute_exists(#o)", "abc"),
        ("attribute_not_exists(#o)", "d"),
        ("size(#o) > :zero", "ac"),
        ("#o = :a", "a"),
        ("#o <> :a", "bcd"),
        ("NOT #o = :a AND (attribute_exists(#o) OR #o = :a)", "bc"),
        ("#o >= :zero", ""),
        ("#o > :a OR Name = :d", "cd"),
        ("attribute_type(#o, :type) and begins_with(Name, :a)", "a"),
    ],
)
def test_filters_keep_what_dynamodb_keeps(expression: str, kept: str) -> None:
    orders = {"a": {"#": "a"}, "b": {"#": ""}, "c": {"#": "x"}, "d": {}}
    values = {":a": {"S": "a"}, ":d": {"S": "d"}, ":zero": {"N": "0"}, ":type": {"S": "S"}}
    keeps = predicate(expression, {"#o": "OrderID"}, values)
    items = [
        {"Name": {"S": name}, **({"OrderID": {"S": order["#"]}} if order else {})} for name, order in orders.items()
    ]
    assert "".join(item["Name"]["S"] for item in items if keeps(item)) == kept


@pytest.mark.parametrize(
    "expression", ["contains(a, :v)", "a IN (:v)", "a.b = :v", "a = :w", "a =", "(a = :v", "a = :v b"]
)
def test_other_filters_are_not_guessed(expression: str) -> None:
    with pytest.raises(NotUnderstood):
        predicate(expression, {}, {":v": {"S": "x"}})


@pytest.mark.parametrize(
    "request_",
    [
        {"TableName": "Other"},
        {"TableName": SOURCES[0], "Segment": 2, "TotalSegments": 2},
        {"TableName": SOURCES[0], "ExclusiveStartKey": {"CustomerID": {"S": "A"}, "DateTime": {"S": "x"}}},
    ],
)
def test_wrong_scans_are_refused(request_: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        scan(canned(), **request_)


def test_a_start_key_is_taken_in_any_order_and_whole() -> None:
    server = canned()
    key = scan(server, TableName=SOURCES[0], Limit=3)["LastEvaluatedKey"]
    turned = dict(reversed(key.items()))
    assert scan(server, TableName=SOURCES[0], Limit=1, ExclusiveStartKey=turned)["Items"] == [all_items(0)[3]]
    for wrong in ({"CustomerID": key["CustomerID"]}, {**key, "More": {"S": "x"}}, {**key, "DateTime": {"S": "x"}}):
        with pytest.raises(Refused, match="starting key"):
            scan(server, TableName=SOURCES[0], ExclusiveStartKey=wrong)


def test_a_start_key_of_another_segment_is_refused() -> None:
    server = canned()
    key = scan(server, TableName=SOURCES[0], Segment=0, TotalSegments=2)["LastEvaluatedKey"]
    with pytest.raises(Refused, match="outside of this segment"):
        scan(server, TableName=SOURCES[0], Segment=1, TotalSegments=2, ExclusiveStartKey=key)


def put(*items: dict[str, Any], table: str = TARGET, **more: Any) -> bytes:
    return json.dumps({"RequestItems": {table: [{"PutRequest": {"Item": item}} for item in items]}, **more}).encode()


def item(customer: str, second: str, **more: Any) -> dict[str, Any]:
    return {"CustomerID": {"S": customer}, "CreationDateTime": {"N": second}, **more}


def test_writes_are_counted_and_answered() -> None:
    server = canned()
    parts, crc = server.answer("BatchWriteItem", put(*[item(str(n), "1") for n in range(25)]))
    assert json.loads(b"".join(parts)) == {"UnprocessedItems": {}}
    parts, crc = server.answer("BatchWriteItem", put(item("a", "1"), ReturnConsumedCapacity="TOTAL"))
    assert zlib.crc32(b"".join(parts)) == crc
    assert json.loads(b"".join(parts))["ConsumedCapacity"] == [{"TableName": TARGET, "CapacityUnits": 1.0}]
    assert server.counters.items_written == 26


@pytest.mark.parametrize(
    "body",
    [
        put(*[item(str(n), "1") for n in range(26)]),
        put(),
        put(item("a", "1"), item("a", "1.0")),
        put(item("", "1")),
        put({"CustomerID": {"S": "a"}}),
        put(item("a", "1", Extra={"X": "?"})),
        put(item("a", "1", Extra={"N": "one"})),
        put(item("a", "1"), table=SOURCES[0]),
    ],
)
def test_wrong_writes_are_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        canned(verify=True).answer("BatchWriteItem", body)


def test_statements_are_counted_and_kept() -> None:
    server = canned(verify=True)
    text = f"INSERT INTO \"{TARGET}\" VALUE {{'CustomerID': ?, 'CreationDateTime': ?, 'It''s': ?}}"
    one = {"Statement": text, "Parameters": [{"S": "a"}, {"N": "1"}, {"SS": ["y", "x"]}]}
    parts, _ = server.answer(
        "BatchExecuteStatement", json.dumps({"Statements": [one], "ReturnConsumedCapacity": "TOTAL"}).encode()
    )
    assert json.loads(b"".join(parts)) == {
        "Responses": [{"TableName": TARGET}],
        "ConsumedCapacity": [{"TableName": TARGET, "CapacityUnits": 1.0}],
    }
    assert list(server.written) == [canonical_item(item("a", "1", **{"It's": {"SS": ["x", "y"]}}))]


def statement(text: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {"Statement": text, "Parameters": list(parameters)}


INSERT = f"INSERT INTO \"{TARGET}\" VALUE {{'CustomerID': ?, 'CreationDateTime': ?}}"
KEY_IS = 'WHERE "CustomerID"=? AND "CreationDateTime"=?'
A, ONE = {"S": "a"}, {"N": "1"}


def execute(server: Canned, *statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    parts, crc = server.answer("BatchExecuteStatement", json.dumps({"Statements": statements, **more}).encode())
    body = b"".join(parts)
    assert zlib.crc32(body) == crc
    answer: dict[str, Any] = json.loads(body)
    return answer


@pytest.mark.parametrize(
    "written",
    [
        statement(f"insert into \"{TARGET}\" value {{ 'x.y':?, 'CreationDateTime' : ? ,'CustomerID':? }}", A, ONE, A),
        statement(f'UPDATE "{TARGET}" SET "x.y"=? {KEY_IS}', A, A, ONE),
        statement(f'UPDATE "{TARGET}" SET "x.y" = ? WHERE "CreationDateTime"=? and "CustomerID"=?', A, ONE, A),
    ],
)
def test_inserts_and_updates_leave_the_same_item(written: dict[str, Any]) -> None:
    server = canned(verify=True)
    assert execute(server, written) == {"Responses": [{"TableName": TARGET}]}
    assert list(server.written) == [canonical_item(item("a", "1", **{"x.y": A}))]


@pytest.mark.parametrize("verify", [False, True])
def test_a_batch_of_statements_is_counted_and_paid_for(verify: bool) -> None:
    server = canned(verify=verify)
    statements = [statement(INSERT, {"S": str(number)}, ONE) for number in range(24)]
    statements.append(statement(f'UPDATE "{TARGET}" SET "x"=? {KEY_IS}', {"S": "y" * 26_000}, A, ONE))
    answer = execute(server, *statements, ReturnConsumedCapacity="INDEXES")
    assert answer["Responses"] == [{"TableName": TARGET}] * 25
    (consumed,) = answer["ConsumedCapacity"]
    assert (consumed["TableName"], consumed["CapacityUnits"], consumed["Table"]["CapacityUnits"]) == (TARGET, 50, 50)
    assert server.counters.items_written == 25


@pytest.mark.parametrize("verify", [False, True])
@pytest.mark.parametrize("count", [0, 26])
def test_no_other_number_of_statements(verify: bool, count: int) -> None:
    with pytest.raises(Refused, match="1 to 25"):
        execute(canned(verify=verify), *[statement(INSERT, {"S": str(number)}, ONE) for number in range(count)])


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ([statement(INSERT, A)], "2 names, 1 parameters"),
        ([statement(INSERT, A, ONE, ONE)], "2 names, 3 parameters"),
        ([statement(INSERT)], "empty"),
        ([{"Statement": INSERT}], "0 parameters"),
        ([statement(INSERT, ONE, A)], "mistyped key"),
        ([statement(INSERT, A, {"N": "one"})], "."),
        ([statement(INSERT, A, ONE), statement(INSERT, A, {"N": "1.0"})], "duplicates"),
        ([statement(INSERT, A, ONE), statement(f'UPDATE "{TARGET}" SET "x"=? {KEY_IS}', A, A, ONE)], "duplicates"),
        ([statement(f"{INSERT} ON CONFLICT DO NOTHING", A, ONE)], "known here"),
        ([statement(INSERT.replace('"', ""), A, ONE)], "known here"),
        ([statement(INSERT.replace(": ?}", ": 1}"), A)], "known here"),
        ([statement(INSERT.replace("CreationDateTime", "CustomerID"), A, A)], "twice"),
        ([statement(INSERT.replace(TARGET, "Other"), A, ONE)], "not written by"),
        ([statement(f'UPDATE "{TARGET}" SET "x"=? WHERE "CustomerID"=?', A, A)], "equality on all key"),
        ([statement(f'UPDATE "{TARGET}" SET "x"=? {KEY_IS} AND "x"=?', A, A, ONE, A)], "more than that"),
        ([statement(f'UPDATE "{TARGET}" SET "CustomerID"=? {KEY_IS}', A, A, ONE)], "key attribute to be set"),
        ([statement(f'DELETE FROM "{TARGET}" {KEY_IS}', A, ONE)], "known here"),
        ([statement(INSERT.replace("?}", "?, '" + "x" * 8192 + "': ?}"), A, ONE, A)], "characters"),
    ],
)
def test_wrong_statements_are_refused(wrong: list[dict[str, Any]], why: str) -> None:
    server = canned(verify=True)
    with pytest.raises(Refused, match=why):
        execute(server, *wrong)
    assert (server.counters.items_written, list(server.written)) == (0, [])


def answered(server: Canned, operation: str, **request: Any) -> dict[str, Any]:
    parts, crc = server.answer(operation, json.dumps(request).encode())
    assert zlib.crc32(b"".join(parts)) == crc
    answer: dict[str, Any] = json.loads(b"".join(parts))
    return answer


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("PutItem", {"Item": item("a", "1", x=A)}),
        ("PutItem", {"Item": item("a", "1", x=A), "ConditionExpression": "attribute_not_exists(CustomerID)"}),
        (
            "PutItem",
            {
                "Item": item("a", "1", x=A),
                "ConditionExpression": "attribute_not_exists(#k) OR attribute_not_exists(#v) OR #v < :v",
                "ExpressionAttributeNames": {"#k": "CustomerID", "#v": "x"},
                "ExpressionAttributeValues": {":v": A},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        ),
        (
            "UpdateItem",
            {
                "Key": item("a", "1"),
                "UpdateExpression": "SET #x = :x",
                "ConditionExpression": "attribute_exists(#k)",
                "ExpressionAttributeNames": {"#x": "x", "#k": "CustomerID"},
                "ExpressionAttributeValues": {":x": A},
            },
        ),
    ],
)
def test_single_writes_leave_an_item(operation: str, request_: dict[str, Any]) -> None:
    server = canned(verify=True)
    assert answered(server, operation, TableName=TARGET, **request_) == {}
    assert list(server.written) == [canonical_item(item("a", "1", x=A))]
    paid = answered(canned(), operation, TableName=TARGET, ReturnConsumedCapacity="TOTAL", **request_)
    assert paid == {"ConsumedCapacity": {"TableName": TARGET, "CapacityUnits": 1.0}}


def test_an_update_of_a_key_alone_leaves_the_key() -> None:
    server = canned(verify=True)
    answered(server, "UpdateItem", TableName=TARGET, Key=item("a", "1"))
    assert list(server.written) == [canonical_item(item("a", "1"))]


@pytest.mark.parametrize(
    ("operation", "request_", "name"),
    [
        ("PutItem", {"Item": item("a", "1"), "ConditionExpression": "attribute_exists(x)"}, "ConditionalCheckFailed"),
        ("PutItem", {"Item": item("a", "1"), "ConditionExpression": "attribute_not_exists(#x)"}, "Validation"),
        ("PutItem", {"Item": item("a", "1"), "ExpressionAttributeNames": {"#x": "x"}}, "Validation"),
        ("PutItem", {"Item": item("a", "1"), "ConditionExpression": "contains(x, y)"}, "Validation"),
        ("PutItem", {"Item": item("a", "1"), "Expected": {}}, "Validation"),
        ("PutItem", {"Item": {"CustomerID": A}}, "Validation"),
        ("PutItem", {}, "Validation"),
        ("UpdateItem", {"Key": {"CustomerID": A}}, "Validation"),
        ("UpdateItem", {"Key": item("a", "1"), "UpdateExpression": "REMOVE x"}, "Validation"),
        (
            "UpdateItem",
            {"Key": item("a", "1"), "UpdateExpression": "SET CustomerID = :a", "ExpressionAttributeValues": {":a": A}},
            "Validation",
        ),
        (
            "UpdateItem",
            {"Key": item("a", "1"), "ConditionExpression": "attribute_not_exists(CustomerID)"},
            "ConditionalCheckFailed",
        ),
    ],
)
def test_wrong_single_writes_are_refused(operation: str, request_: dict[str, Any], name: str) -> None:
    server = canned(verify=True)
    with pytest.raises(Refused) as refused:
        answered(server, operation, TableName=TARGET, **request_)
    assert refused.value.name == f"{name}Exception"
    assert (server.counters.items_written, list(server.written)) == (0, [])


def test_deletes_leave_their_keys() -> None:
    server = canned(verify=True)
    requests = [{"DeleteRequest": {"Key": item("a", "1")}}, {"PutRequest": {"Item": item("b", "1", x=A)}}]
    answered(server, "BatchWriteItem", RequestItems={TARGET: requests})
    assert sorted(server.written) == sorted([canonical_item(item("a", "1")), canonical_item(item("b", "1", x=A))])
    with pytest.raises(Refused, match="neither a put nor a delete"):
        answered(server, "BatchWriteItem", RequestItems={TARGET: [{"DeleteRequest": {"Key": item("a", "1", x=A)}}]})


def test_a_get_finds_nothing_and_is_paid_for() -> None:
    most = [item(str(number), "1") for number in range(100)]
    asked = {TARGET: {"Keys": most, "ConsistentRead": True}}
    found = answered(canned(), "BatchGetItem", RequestItems=asked, ReturnConsumedCapacity="TOTAL")
    paid = {"TableName": TARGET, "CapacityUnits": 100.0}
    assert found == {"Responses": {TARGET: []}, "UnprocessedKeys": {}, "ConsumedCapacity": [paid]}
    for keys in ([], [*most, item("x", "1")], [item("a", "1"), item("a", "1.0")], [{"CustomerID": A}]):
        with pytest.raises(Refused):
            answered(canned(), "BatchGetItem", RequestItems={TARGET: {"Keys": keys}})


def test_equal_items_have_one_form_and_digests_ignore_order() -> None:
    one = {"a": {"N": "100"}, "b": {"M": {"x": {"NS": ["2", "1.50"]}, "y": {"L": [{"NULL": True}]}}}}
    other = {"b": {"M": {"y": {"L": [{"NULL": True}]}, "x": {"NS": ["1.5", "2.0"]}}}, "a": {"N": "1E2"}}
    assert canonical_item(one) == canonical_item(other)
    assert canonical_item(one) != canonical_item({**one, "a": {"S": "100"}})
    digits = "1." + "0" * 36 + "1"
    assert canonical_item({"a": {"N": digits}}) != canonical_item({"a": {"N": "1"}})
    assert digest(Counter(["x", "y"])) == digest(Counter(["y", "x"])) != digest(Counter(["x", "y", "y"]))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with canned_server() as running:
        yield running


def client(server: Server, secret: str = SECRET_KEY) -> Any:
    session = boto3.session.Session(ACCESS_KEY, secret, region_name="us-east-1")
    return session.client("dynamodb", endpoint_url=server.url)


def test_boto3_reads_and_writes_through_the_wire(server: Server) -> None:
    server.configure(pages_per_table=2, items_per_page=ITEMS, verify=True, pushdown=False)
    dynamodb = client(server)
    assert sorted(dynamodb.list_tables()["TableNames"]) == sorted((*SOURCES, TARGET))
    described = dynamodb.describe_table(TableName=SOURCES[5])["Table"]
    assert described["ItemCount"] == 2 * ITEMS
    pages = list(dynamodb.get_paginator("scan").paginate(TableName=SOURCES[5]))
    assert [page["ScannedCount"] for page in pages] == [ITEMS, ITEMS]
    size = sum(canned_data.item_size(one) for page in pages for one in page["Items"])
    assert described["TableSizeBytes"] == size
    dynamodb.batch_write_item(RequestItems={TARGET: [{"PutRequest": {"Item": item("a", "1")}}]})
    answers = dynamodb.batch_execute_statement(Statements=[statement(INSERT, {"S": "b"}, ONE)])["Responses"]
    assert answers == [{"TableName": TARGET}]
    condition = {"ConditionExpression": "attribute_not_exists(CustomerID)"}
    dynamodb.put_item(TableName=TARGET, Item=item("c", "1"), **condition)
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException):
        dynamodb.update_item(TableName=TARGET, Key=item("d", "1"), **condition)
    keys = dynamodb.batch_get_item(RequestItems={TARGET: {"Keys": [item("a", "1")]}})
    assert keys["Responses"] == {TARGET: []}
    stats = server.stats()
    assert server.written() == [canonical_item(item(name, "1")) for name in "abc"]
    assert (stats["items_read"], stats["items_written"]) == (2 * ITEMS, 3)
    assert stats["refused"] == {"ConditionalCheckFailedException: The conditional request failed": 1}
    assert stats["requests"] == {
        "ListTables": 1,
        "DescribeTable": 1,
        "Scan": 2,
        "BatchWriteItem": 1,
        "BatchExecuteStatement": 1,
        "PutItem": 1,
        "BatchGetItem": 1,
    }
    dynamodb.close()


def test_signatures_are_recomputed_in_verify_mode(server: Server) -> None:
    server.configure(pages_per_table=1, items_per_page=ITEMS, verify=True)
    forger = client(server, secret="other")
    with pytest.raises(ClientError, match="signature does not match"):
        forger.list_tables()
    forger.close()
    assert list(server.stats()["refused"]) == ["InvalidSignatureException: the signature does not match"]


def test_the_peers_agree_and_a_lost_item_is_found(server: Server) -> None:
    bench = Bench(QUICK, 0.0)
    assert bench.verify(server, ("boto3_loop", "boto3_tuned"), pushdown=True) == server.stats()["expected_written"]
    stats = server.stats()
    bench.complete("boto3_tuned", stats)
    with pytest.raises(Failed, match="has written"):
        bench.complete("boto3_tuned", {**stats, "items_written": stats["items_written"] - 1})
    with pytest.raises(Failed, match="has read"):
        bench.complete("boto3_tuned", {**stats, "items_read": stats["items_read"] + 1})
    assert "only first: b" in difference("first", ["a", "b"], "second", ["a", "c"])


def test_the_canned_requests_are_accepted() -> None:
    canned_in_process = canned(verify=True)
    for body in write_bodies(4):
        canned_in_process.answer("BatchWriteItem", body)
    put_whole = set(canned_in_process.written)
    for body in insert_bodies(4):
        canned_in_process.answer("BatchExecuteStatement", body)
    assert set(canned_in_process.written.values()) == {2} and set(canned_in_process.written) == put_whole
    read = sum(len(scan(canned_in_process, **json.loads(body))["Items"]) for body in scan_bodies(PAGES))
    assert read == SHAPE.items
    assert request_bytes("Scan", b"{}").endswith(b"Content-Length: 2\r\n\r\n{}")


def test_a_client_that_hangs_is_ended(server: Server) -> None:
    done = run_client(["sleep", "30"], dict(os.environ), timeout=0.05)
    assert done.exit_code == -9
    done = run_client(["sh", "-c", "echo out; echo err >&2; exit 3"], client_environment(server), timeout=30.0)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")
    assert done.peak_bytes > 0
