"""Inserts that look at what is there: every action, with every kind of item in the way, and whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import reference
import tables
from fake_dynamodb import Call, Failing, Fake, Refused, seldom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from planned import planned
from row_writing import Item, Written, batches_of, write_to, write_to_fake
from servers import Server

from ddbetl.connectors.dynamodb import requests
from ddbetl.connectors.dynamodb.failures import ServiceError
from ddbetl.connectors.dynamodb.statements import read_statements
from ddbetl.engine import again, executor, splits, writing
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.conflicts import comes_before, differing, same_item
from ddbetl.engine.report import Met
from ddbetl.engine.sending import Course
from ddbetl.errors import JobFailed
from ddbetl.expressions import wire
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.expressions.writing import Action, Form
from ddbetl.types import Type

INSERTS = (Action.SKIP, Action.REJECT, Action.FAIL, Action.KEEP_NEWEST)


def row(number: int, version: int = 5, **more: dict[str, Any]) -> Item:
    return {
        "id": {"S": f"c{number:03}"},
        "at": {"N": str(number)},
        "v": {"N": str(version)},
        "tags": {"SS": ["x", "y"]},
        **more,
    }


def place(item: Item) -> tuple[Any, ...]:
    return reference.comparable({name: item[name] for name in ("id", "at")})


def there(*items: Item) -> dict[Any, Item]:
    return {place(item): item for item in items}


def newest_of(action: Action) -> str | None:
    return "v" if action is Action.KEEP_NEWEST else None


# What becomes of a row, said once more.


def model(action: Action, known: Item | None, item: Item) -> tuple[Item, str]:
    """What the target has then, and what the row counts as."""
    if known is None:
        return item, "written"
    if reference.comparable(known) == reference.comparable(item):
        return known, "unchanged"
    match action:
        case Action.SKIP:
            return known, "skipped"
        case Action.KEEP_NEWEST if "v" not in known:
            return item, "written"
        case Action.KEEP_NEWEST if "N" in known["v"]:
            newer = Decimal(known["v"]["N"]) < Decimal(item["v"]["N"])
            return (item, "written") if newer else (known, "skipped")
        case Action.FAIL:
            return known, "failed"
        case _:
            return known, "rejected"


def assert_as_modelled(before: Sequence[Item], rows: Sequence[Item], after: Sequence[Item], action: Action, found: Written) -> None:  # fmt: skip
    want = there(*before)
    counted: dict[str, int] = dict.fromkeys(("written", "skipped", "unchanged", "rejected"), 0)
    for item in rows:
        want[place(item)], what = model(action, want.get(place(item)), item)
        counted[what] += 1
    reference.assert_same_items(after, want.values(), ("id", "at"))
    assert found.counts == tuple(counted.values())
    assert found.open == 0


# Each kind of item in the way of each action

KNOWN: tuple[Item, ...] = (
    row(1),
    {**row(2), "at": {"N": "2.0"}, "v": {"N": "5.00"}, "tags": {"SS": ["y", "x"]}},
    row(3, 4),
    row(4, 6),
    row(5, 5, name={"S": "other"}),
    {name: value for name, value in row(6).items() if name != "v"},
    {**row(7), "v": {"S": "5"}},
    row(8, 4, extra={"NULL": True}),
)
ROWS = [row(number) for number in range(40)]
WANT = {
    Action.SKIP: (32, 6, 2, 0),
    Action.REJECT: (32, 0, 2, 6),
    Action.KEEP_NEWEST: (35, 2, 2, 1),
}


@pytest.mark.parametrize("action", WANT)
def test_each_item_in_the_way(action: Action, tmp_path: Path) -> None:
    fake = Fake({}, items=there(*KNOWN))
    found = write_to_fake(fake, tmp_path, action, ROWS, newest_of(action))
    assert_as_modelled(KNOWN, ROWS, list(fake.items.values()), action, found)
    assert found.counts == WANT[action]
    # Two requests of 25 and 15, and one to see what is in the way of the first.
    assert (found.calls["BatchExecuteStatement"], found.calls["BatchGetItem"]) == (2, 1)
    assert found.calls["PutItem"] == (3 if action is Action.KEEP_NEWEST else 0)
    assert found.read_units == 8


@pytest.mark.parametrize("action", WANT)
def test_each_item_in_the_way_on_a_server(action: Action, server: Server, prefix: str, tmp_path: Path) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    before = [item if item["at"] != {"N": "2.0"} else {**item, "at": {"N": "2"}} for item in KNOWN]
    tables.fill(server, table, before)
    found = write_to(server, table, tmp_path, action, ROWS, newest_of(action))
    assert_as_modelled(before, ROWS, tables.read(server, table), action, found)
    again = write_to(server, table, tmp_path, action, ROWS, newest_of(action))
    assert again.written == 0
    assert again.unchanged == found.unchanged + found.written


def test_rejects_say_what_is_in_the_way(tmp_path: Path) -> None:
    fake = Fake({}, items=there(*KNOWN))
    found = write_to_fake(fake, tmp_path, Action.REJECT, ROWS)
    said = {reject["item"]["id"]["S"]: (reject["code"], reject["message"]) for reject in found.rejects}
    assert said["c003"] == ("R0301", 'Target, id = "c003", at = 3, is there already, with another v')
    assert said["c005"] == ("R0301", 'Target, id = "c005", at = 5, is there already, with another name')
    many = row(1, a={"S": ""}, b={"S": ""}, c={"S": ""}, d={"S": ""}, e={"S": ""})
    found = write_to_fake(fake, tmp_path, Action.REJECT, [many])
    assert found.rejects[0]["message"].endswith("is there already, with another a, b, c and 2 more attributes")
    found = write_to_fake(Fake({}, items=there(*KNOWN)), tmp_path, Action.KEEP_NEWEST, ROWS, "v")
    (reject,) = found.rejects
    assert reject["code"] == "R0302"
    assert reject["message"] == ('Target, id = "c007", at = 7, is there already, with v as STRING; the row has NUMBER')


def test_fail_ends_the_run_and_says_how_to_go_on(tmp_path: Path) -> None:
    fake = Fake({}, items=there(*KNOWN[:2]))
    assert write_to_fake(fake, tmp_path, Action.FAIL, ROWS).counts == (38, 0, 2, 0)
    fake = Fake({}, items=there(KNOWN[2]))
    with pytest.raises(JobFailed) as failed:
        write_to_fake(fake, tmp_path, Action.FAIL, ROWS)
    assert 'Target, id = "c003", at = 3, is there already, with another v\n' in str(failed.value)
    assert f"ddbetl resume {tmp_path.name}" in str(failed.value)
    assert fake.items[place(KNOWN[2])] == KNOWN[2]


# Cost


@pytest.mark.parametrize("reports", [True, False])
@pytest.mark.parametrize("action", INSERTS)
def test_where_nothing_is_there_one_request_of_25_is_all(action: Action, reports: bool, tmp_path: Path) -> None:
    fake = Fake({}, reports_capacity=reports)
    rows = [row(number) for number in range(100)]
    found = write_to_fake(fake, tmp_path, action, rows, newest_of(action))
    assert found.counts == (100, 0, 0, 0)
    assert found.calls == {"BatchExecuteStatement": 4}
    assert (found.write_units, found.read_units, found.retries) == (100, 0, 0)


@pytest.mark.parametrize("reports", [True, False])
def test_where_all_is_there_it_is_asked_for_first_soon(reports: bool, tmp_path: Path) -> None:
    rows = [row(number) for number in range(3000)]
    fake = Fake({}, items=there(*rows), reports_capacity=reports)
    found = write_to_fake(fake, tmp_path, Action.REJECT, rows)
    assert found.counts == (0, 0, 3000, 0)
    assert found.calls["BatchGetItem"] == 120
    # Those on their way when it becomes clear, and not many more.
    assert found.calls["BatchExecuteStatement"] <= 40
    assert found.read_units == 3000
    # Each insert that failed is paid for, although the server tells of none.
    assert found.write_units == 25 * found.calls["BatchExecuteStatement"]
    rows = [row(number, 9 if number > 1500 else 5) for number in range(9000)]
    fake.items = there(*rows[:1500])
    found = write_to_fake(fake, tmp_path, Action.REJECT, rows)
    assert found.counts == (7500, 0, 1500, 0)
    assert found.calls["BatchGetItem"] < 200


def test_large_items_cost_what_the_server_says(tmp_path: Path) -> None:
    rows = [row(number, text={"S": "x" * 5000}) for number in range(10)]
    fake = Fake({}, items=there(*rows[:4]))
    found = write_to_fake(fake, tmp_path, Action.SKIP, rows)
    assert found.counts == (6, 0, 4, 0)
    assert found.write_units == 50
    fake = Fake({}, items=there(*rows), reports_capacity=False)
    found = write_to_fake(fake, tmp_path, Action.SKIP, rows)
    assert (found.write_units, found.read_units) == (50, 20)


# Others write at the same time


def test_an_item_that_goes_between_the_insert_and_the_look_is_written(tmp_path: Path) -> None:
    fake = Fake({}, items=there(*KNOWN))

    def gone(call: Call) -> None:
        if call.operation == "BatchGetItem" and call.number == 0:
            fake.items.clear()

    fake.fault = gone
    found = write_to_fake(fake, tmp_path, Action.REJECT, ROWS[:20])
    assert found.written == 20 and found.rejects == []
    assert set(map(place, ROWS[:9])) - {place(ROWS[0])} <= fake.items.keys()


def test_an_item_that_comes_and_goes_is_written_in_the_end(tmp_path: Path) -> None:
    fake = Fake({})

    def flicker(call: Call) -> None:
        if call.number < 5:
            fake.items = there(row(3, 1)) if call.operation == "BatchExecuteStatement" else {}

    fake.fault = flicker
    found = write_to_fake(fake, tmp_path, Action.REJECT, [row(3)])
    assert found.counts == (1, 0, 0, 0)
    assert fake.items == there(row(3))
    assert found.calls["BatchGetItem"] == 5


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        (row(3, 9), (0, 1, 0, 0)),
        (row(3, 4), (1, 0, 0, 0)),
        (row(3, 5), (0, 0, 1, 0)),
        (row(3, 5, name={"S": "other"}), (0, 1, 0, 0)),
        ({**row(3), "v": {"S": "5"}}, (0, 0, 0, 1)),
        (None, (1, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("moment", ["BatchGetItem", "PutItem"])
def test_keep_newest_loses_nothing_to_a_change_in_between(
    change: Item | None, counts: tuple[int, ...], moment: str, tmp_path: Path
) -> None:
    fake = Fake({}, items=there(row(3, 3)))

    def meddle(call: Call) -> None:
        if call.operation == moment and call.number == 0:
            fake.items = there(change) if change is not None else {}

    fake.fault = meddle
    found = write_to_fake(fake, tmp_path, Action.KEEP_NEWEST, [row(3, 5)], "v")
    assert found.counts == counts
    written = counts[0] == 1
    assert fake.items == there(row(3, 5) if written else change or {})


def test_keep_newest_loses_nothing_to_a_change_in_between_on_a_server(
    server: Server, prefix: str, tmp_path: Path
) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    rows = [row(number, 5) for number in range(12)]
    tables.fill(server, table, [row(number, 3) for number in range(12)])
    client = server.client()

    def meddle(operation: str, number: int, answered: bool) -> None:
        # Behind the look at what is there, and before the first put: every other item becomes newer.
        if (operation, number, answered) == ("BatchGetItem", 0, True):
            for newer in range(0, 12, 2):
                client.put_item(TableName=table, Item={**row(newer, 7)})

    found = write_to(server, table, tmp_path, Action.KEEP_NEWEST, rows, "v", meddle=meddle)
    client.close()
    assert found.counts == (6, 6, 0, 0)
    want = [row(number, 5 if number % 2 else 7) for number in range(12)]
    reference.assert_same_items(tables.read(server, table), want, ("id", "at"))


def test_keep_newest_decides_between_the_rows_of_one_run(server: Server, prefix: str, tmp_path: Path) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    draw = random.Random(5)
    versions = [draw.sample(range(6), 6) for _ in range(20)]
    # Six batches, which are sent at the same time, each with every key.
    rows = [row(number, versions[number][batch]) for batch in range(6) for number in range(20)]

    def made(form: Form, rows: Sequence[Item]) -> list[Batch]:
        return batches_of(form, rows, 20)

    found = write_to(server, table, tmp_path, Action.KEEP_NEWEST, rows, "v", made=made)
    reference.assert_same_items(tables.read(server, table), [row(number, 5) for number in range(20)], ("id", "at"))
    assert found.written >= 20 and found.written + found.skipped == 120


def test_keep_newest_gives_up_where_the_server_orders_otherwise(tmp_path: Path) -> None:
    def fault(call: Call) -> None:
        if call.operation == "PutItem":
            raise Refused("ConditionalCheckFailedException", more={"Item": row(1, 4)})

    fake = Fake({}, fault=fault, items=there(row(1, 4)))
    found = write_to_fake(fake, tmp_path, Action.KEEP_NEWEST, [row(1, 5)], "v")
    assert (found.counts, found.calls["PutItem"]) == ((0, 0, 0, 1), 1)
    assert found.rejects[0]["code"] == "R0302"
    assert found.rejects[0]["message"] == (
        'Target, id = "c001", at = 1, is there already, and the server does not take the row\'s v for greater'
    )


def test_a_put_whose_refusal_does_not_show_the_item_asks_for_it(tmp_path: Path) -> None:
    fake = Fake({}, items=there(row(3, 3)))

    def meddle(call: Call) -> None:
        if call.operation == "PutItem" and call.number == 0:
            fake.items = there(row(3, 9))
            raise Refused("ConditionalCheckFailedException")

    fake.fault = meddle
    found = write_to_fake(fake, tmp_path, Action.KEEP_NEWEST, [row(3, 5)], "v")
    assert found.counts == (0, 1, 0, 0)
    assert found.calls["BatchGetItem"] == 2
    # The insert and the put, both in vain.
    assert (found.write_units, found.read_units) == (2, 2)


@pytest.mark.parametrize(
    ("attribute", "lower", "higher"),
    [
        ("N", "9", "10"),
        ("N", "-1E+2", "-9.5"),
        ("N", "12345678901234567890123456789012345677", "12345678901234567890123456789012345678"),
        ("S", "Z", "a"),
        # In UTF-16, the surrogates of the latter would come first.
        ("S", "\ufb01", "\U0001f600"),
        ("B", "fw==", "gA=="),
    ],
)
def test_newer_is_as_dynamodb_orders(attribute: str, lower: str, higher: str, tmp_path: Path) -> None:
    one, other = {attribute: lower}, {attribute: higher}
    assert (comes_before(one, other), comes_before(other, one), comes_before(one, one)) == (True, False, False)
    fake = Fake({}, items=there({**row(1), "v": one}, {**row(2), "v": other}))
    found = write_to_fake(fake, tmp_path, Action.KEEP_NEWEST, [{**row(1), "v": other}, {**row(2), "v": one}], "v")
    assert found.counts == (1, 1, 0, 0)
    assert {item["v"][attribute] for item in fake.items.values()} == {higher}


# What goes wrong


LATER = ("ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "InternalServerError", "TransactionConflict")  # fmt: skip


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("action", WANT)
@pytest.mark.parametrize("code", LATER)
def test_a_statement_that_fails_for_the_moment_goes_again(
    code: str, action: Action, done: bool, tmp_path: Path
) -> None:
    draw = random.Random(7)

    def inside(call: Call, number: int) -> Failing | None:
        return Failing(code, "not just now", done) if draw.random() < 0.4 else None

    fake = Fake({}, items=there(*KNOWN), inside=inside)
    rows = [row(number) for number in range(200)]
    found = write_to_fake(fake, tmp_path, action, rows, newest_of(action))
    want = there(*KNOWN)
    for item in rows:
        want[place(item)] = model(action, want.get(place(item)), item)[0]
    reference.assert_same_items(fake.items.values(), want.values(), ("id", "at"))
    # A row that was written although the server did not say so is found to be there.
    wanted = WANT[action]
    assert found.written + found.unchanged == wanted[0] + wanted[2] + 160
    assert done or found.written == wanted[0] + 160
    assert (found.skipped, len(found.rejects)) == (wanted[1], wanted[3])
    assert found.retries >= 5
    throttles = code not in ("InternalServerError", "TransactionConflict")
    assert (f'"event":"{"throttled" if throttles else "retry"}"') in found.log.read_text().replace(" ", "")


def test_throttled_statements_slow_the_run_down(tmp_path: Path) -> None:
    def inside(call: Call, number: int) -> Failing | None:
        return Failing("ThrottlingError", "Throughput exceeds the current capacity") if call.number < 3 else None

    fake = Fake({}, inside=inside)
    found = write_to_fake(fake, tmp_path, Action.REJECT, [row(number) for number in range(25)], rate=100_000.0)
    assert found.counts == (25, 0, 0, 0)
    assert found.retries == 3
    assert '"rate_before":100000' in found.log.read_text()
    # What was throttled is not paid for.
    assert found.write_units == 25


SEVERAL = (
    Refused("ThrottlingException"), Refused("ProvisionedThroughputExceededException"), Refused("InternalServerError", 500),
    "reset", "lost", "cut", "crc", "empty", "page",
)  # fmt: skip


@pytest.mark.parametrize("action", WANT)
def test_requests_that_fail_go_again_and_what_was_lost_is_no_conflict(action: Action, tmp_path: Path) -> None:
    fake = Fake({}, items=there(*KNOWN), fault=seldom(random.Random(3), 0.4, *SEVERAL))
    rows = [row(number) for number in range(400)]
    found = write_to_fake(fake, tmp_path, action, rows, newest_of(action))
    wanted = WANT[action]
    assert found.written + found.unchanged == wanted[0] + wanted[2] + 360
    assert (found.skipped, len(found.rejects)) == (wanted[1], wanted[3])
    want = there(*KNOWN)
    for item in rows:
        want[place(item)] = model(action, want.get(place(item)), item)[0]
    reference.assert_same_items(fake.items.values(), want.values(), ("id", "at"))


@pytest.mark.parametrize("code", ["ValidationError", "ItemCollectionSizeLimitExceeded"])
def test_a_statement_that_the_server_refuses_is_a_reject(code: str, tmp_path: Path) -> None:
    fake = Fake({}, inside=lambda call, place: Failing(code, "this is why") if place == 7 else None)
    found = write_to_fake(fake, tmp_path, Action.SKIP, ROWS)
    assert found.counts == (38, 0, 0, 2)
    assert {(r["code"], r["message"]) for r in found.rejects} == {("R0206", "the server refuses the item: this is why")}
    assert [r["item"]["id"]["S"] for r in found.rejects] == ["c007", "c032"]


def test_an_item_that_is_too_large_is_a_reject_on_a_server(server: Server, prefix: str, tmp_path: Path) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    rows = [row(1), row(2, text={"S": "x" * 409_600}), row(3)]
    found = write_to(server, table, tmp_path, Action.REJECT, rows)
    assert found.counts == (2, 0, 0, 1)
    assert found.rejects[0]["code"] == "R0206"


def test_a_request_that_is_refused_for_one_item_is_sent_row_by_row(tmp_path: Path) -> None:
    def fault(call: Call) -> None:
        if call.operation == "BatchExecuteStatement" and "c007" in str(call.body):
            raise Refused("ValidationException", message="Number overflow")

    found = write_to_fake(Fake({}, fault=fault, items=there(*KNOWN)), tmp_path, Action.REJECT, ROWS)
    assert found.written == 32
    assert {r["item"]["id"]["S"]: r["code"] for r in found.rejects} == {
        "c003": "R0301", "c004": "R0301", "c005": "R0301", "c006": "R0301", "c007": "R0206", "c008": "R0301",
    }  # fmt: skip


@pytest.mark.parametrize("whole", [False, True])
def test_when_every_row_is_refused_it_is_not_the_rows_fault(whole: bool, tmp_path: Path) -> None:
    def fault(call: Call) -> None:
        if whole:
            raise Refused("ValidationException", message="what is this")

    fake = Fake({}, fault=fault, inside=lambda call, place: Failing("ValidationError", "what is this"))
    with pytest.raises(ServiceError, match="what is this") as failed:
        write_to_fake(fake, tmp_path, Action.REJECT, [row(number) for number in range(1000)])
    assert failed.value.operation == "BatchExecuteStatement INSERT"
    assert fake.items == {}


def test_a_row_that_is_refused_while_the_others_are_throttled_is_a_reject_alone(tmp_path: Path) -> None:
    def inside(call: Call, place: int) -> Failing | None:
        if call.number >= 8:
            return None
        return Failing("ValidationError", "bad item") if place == 0 else Failing("ThrottlingError", "slow")

    found = write_to_fake(Fake({}, inside=inside), tmp_path, Action.SKIP, [row(number) for number in range(200)])
    assert found.counts == (192, 0, 0, 8)


def test_rows_that_are_refused_one_after_the_other_are_a_batch_that_is_refused(tmp_path: Path) -> None:
    def inside(call: Call, place: int) -> Failing | None:
        return Failing("ValidationError", "bad item") if place == 0 else Failing("ThrottlingError", "slow")

    fake = Fake({}, inside=inside)
    with pytest.raises(ServiceError, match="bad item"):
        write_to_fake(fake, tmp_path, Action.SKIP, [row(number) for number in range(100)])
    assert fake.items == {}


def test_a_page_is_taken_apart_once_for_all_its_rejects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def page_items(items: Any, count: int) -> list[Any]:
        asked.append(count)
        return requests.page_items(items, count)

    monkeypatch.setattr(splits, "page_items", page_items)
    rows = [row(number) for number in range(200)]
    fake = Fake({}, items=there(*(row(number, 1) for number in range(200))))
    found = write_to_fake(fake, tmp_path, Action.REJECT, rows)
    assert sorted(r["item"]["id"]["S"] for r in found.rejects) == [item["id"]["S"] for item in rows]
    assert len(asked) == 1


def test_rows_that_are_there_already_show_that_it_is_the_refused_rows_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All at once, before the first answers tell that it is better to ask first.
    monkeypatch.setattr(writing, "WRITERS", 20)
    rows = [row(number) for number in range(500)]

    def inside(call: Call, number: int) -> Failing | None:
        return Failing("ValidationError") if number == 0 else None

    found = write_to_fake(Fake({}, items=there(*rows), inside=inside), tmp_path, Action.REJECT, rows)
    assert found.counts == (0, 0, 480, 20)


@pytest.mark.parametrize("code", ["AccessDenied", "ResourceNotFound", "SomethingNew"])
def test_a_statement_that_cannot_be_executed_at_all_ends_the_run(code: str, tmp_path: Path) -> None:
    fake = Fake({}, inside=lambda call, place: Failing(code, "this is why") if place == 3 else None)
    with pytest.raises(ServiceError, match=f"{code}: this is why") as failed:
        write_to_fake(fake, tmp_path, Action.REJECT, ROWS)
    assert (failed.value.operation, failed.value.table) == ("BatchExecuteStatement INSERT", "Target")


@pytest.mark.parametrize(
    ("operation", "named"),
    [
        ("BatchExecuteStatement", "BatchExecuteStatement INSERT"),
        ("BatchGetItem", "BatchGetItem"),
        ("PutItem", "PutItem"),
    ],
)
def test_a_request_that_is_denied_ends_the_run(operation: str, named: str, tmp_path: Path) -> None:
    def fault(call: Call) -> None:
        if call.operation == operation:
            raise Refused("AccessDeniedException", message="no")

    with pytest.raises(ServiceError, match="AccessDeniedException: no") as failed:
        write_to_fake(Fake({}, items=there(row(1, 1)), fault=fault), tmp_path, Action.KEEP_NEWEST, ROWS, "v")
    assert failed.value.operation == named


def test_keys_that_come_back_unread_are_asked_for_again(tmp_path: Path) -> None:
    def unread(call: Call, keys: list[Any]) -> list[Any]:
        return keys if call.number < 3 else keys[: len(keys) // 2] if call.number < 6 else []

    fake = Fake({}, items=there(*KNOWN), unread=unread)
    found = write_to_fake(fake, tmp_path, Action.SKIP, ROWS)
    assert found.counts == WANT[Action.SKIP]
    assert found.retries == 3
    assert found.read_units == 8


@pytest.mark.parametrize(
    "answer",
    [
        b'{"Responses":[{},{}]}',
        b'{"Responses":[{},{},{},{}]}',
        b"{}",
        b'{"Responses":{}}',
        b'{"Responses":[{},{},{"Error":"no"}]}',
        b"[" * 3000,
    ],
)
def test_what_is_no_answer_is_none(answer: bytes) -> None:
    with pytest.raises(ValueError):
        read_statements(answer, 3)


def test_an_answer_is_read() -> None:
    good = read_statements(b'{"Responses":[{"TableName":"T"},{},{"Error":null}]}', 3)
    assert (list(good.failures), good.units) == ([], None)
    escaped = b'{"Responses":[{},{"\\u0045rror":{"Code":"DuplicateItem"}}],"ConsumedCapacity":[{"CapacityUnits":2},{"CapacityUnits":1}]}'
    found = read_statements(escaped, 2)
    assert [(place, failure.code) for place, failure in found.failures] == [(1, "DuplicateItem")]
    assert found.units == 3
    named = read_statements(b'{"Responses":[{"TableName":"Errors"}],"ConsumedCapacity":[]}', 1)
    assert (list(named.failures), named.units) == ([], None)


# A stop


@pytest.mark.parametrize("operation", ["BatchExecuteStatement", "BatchGetItem", "PutItem"])
@pytest.mark.parametrize("action", [Action.REJECT, Action.KEEP_NEWEST])
def test_a_stop_ends_between_requests(operation: str, action: Action, tmp_path: Path) -> None:
    course = Course()
    seen = 0

    def stop(name: str, number: int, answered: bool) -> None:
        nonlocal seen
        if name == operation and answered:
            course.stopping = True
            seen += 1

    known = [row(number, 3) for number in range(25)]
    fake = Fake({}, items=there(*known))
    rows = [row(number) for number in range(25)]
    found = write_to_fake(fake, tmp_path, action, rows, newest_of(action), meddle=stop, course=course)
    if operation == "PutItem" and action is Action.REJECT:
        assert seen == 0 and len(found.rejects) == 25
        return
    assert seen == 1
    assert found.open == 25 - found.written - len(found.rejects)
    assert found.written == (1 if operation == "PutItem" else 0)
    # Another run finds it as this one left it.
    again = write_to_fake(fake, tmp_path, action, rows, newest_of(action))
    assert sum(again.counts) == 25 and again.unchanged == found.written


# Rows that need a request of their own


def alone(form: Form, rows: Sequence[Item]) -> list[Batch]:
    """Rows as batches, as if no statement could say them."""
    batching = Batching(form)
    return [
        Batch(batching.body([json.dumps({"PutRequest": {"Item": item}}).encode()]), (n,), 1.0, alone=True)
        for n, item in enumerate(rows)
    ]


@pytest.mark.parametrize("action", WANT)
def test_a_row_of_its_own_request_meets_the_same(action: Action, server: Server, prefix: str, tmp_path: Path) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    before = [item if item["at"] != {"N": "2.0"} else {**item, "at": {"N": "2"}} for item in KNOWN]
    tables.fill(server, table, before)
    found = write_to(server, table, tmp_path, action, ROWS, newest_of(action), made=alone)
    assert_as_modelled(before, ROWS, tables.read(server, table), action, found)
    assert set(found.calls) <= {"PutItem", "BatchGetItem"}


def test_a_row_of_its_own_request_can_be_refused(tmp_path: Path) -> None:
    rows = [row(1), row(2, poison={"S": ""}), row(3)]
    found = write_to_fake(Fake({}), tmp_path, Action.REJECT, rows, made=alone)
    assert found.counts == (2, 0, 0, 1)
    assert found.rejects[0]["code"] == "R0206"


# Properties

numbers = st.sampled_from(["0", "5", "5.0", "-1", "1E+2", "100", "0.1"])
values = st.one_of(
    st.builds(lambda n: {"N": n}, numbers),
    st.sampled_from([{"S": "5"}, {"NULL": True}, {"BOOL": False}, {"B": "AA=="}]),
    st.permutations(["1", "2.0", "3"]).map(lambda ns: {"NS": list(ns)}),
    st.permutations(["x", "y"]).map(lambda ss: {"SS": list(ss)}),
    st.builds(lambda n: {"M": {"k": {"L": [{"N": n}]}}}, numbers),
)
versions = st.builds(lambda n: {"N": n}, numbers)
keys = st.integers(0, 30)


def items(version: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Item]]:
    """Items with different keys; only the target's may lack the version, or have it as something else."""
    made = st.dictionaries(keys, st.tuples(version, st.none() | values), max_size=31)

    def item(number: int, version: Any, x: Any) -> Item:
        found: Item = {"id": {"S": f"c{number % 3}"}, "at": {"N": str(number)}}
        return found | ({"v": version} if version else {}) | ({"x": x} if x else {})

    return made.map(lambda found: [item(number, *rest) for number, rest in found.items()])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(list(WANT)), items(st.none() | values), items(versions), st.integers(1, 25), st.integers(0, 2**32)
)
def test_every_action_is_as_modelled(
    tmp_path: Path, action: Action, before: list[Item], rows: list[Item], size: int, seed: int
) -> None:
    draw = random.Random(seed)

    def inside(call: Call, number: int) -> Failing | None:
        return Failing(draw.choice(LATER)) if draw.random() < 0.2 else None

    fake = Fake({}, items=there(*before), inside=inside)

    def made(form: Form, rows: Sequence[Item]) -> list[Batch]:
        return batches_of(form, rows, size)

    found = write_to_fake(fake, tmp_path, action, rows, newest_of(action), made=made)
    assert_as_modelled(before, rows, list(fake.items.values()), action, found)


@given(st.dictionaries(st.sampled_from("abc"), values), st.dictionaries(st.sampled_from("abc"), values))
def test_items_are_the_same_as_their_values_are(one: Item, other: Item) -> None:
    same = {n: wire.decode(v) for n, v in one.items()} == {n: wire.decode(v) for n, v in other.items()}
    # True is 1 to Python, and to nobody else.
    same = same and {n: set(v) for n, v in one.items()} == {n: set(v) for n, v in other.items()}
    assert same_item(one, other) == same_item(other, one) == same
    assert (not differing(one, other)) == same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"NS": ["1", "2"]}, {"NS": ["2.00", "1E0"]}, True),
        ({"NS": ["1", "2"]}, {"NS": ["1"]}, False),
        ({"BS": ["AA==", "AQ=="]}, {"BS": ["AQ==", "AA=="]}, True),
        ({"L": [{"N": "1"}, {"S": "a"}]}, {"L": [{"N": "1.0"}, {"S": "a"}]}, True),
        ({"L": [{"N": "1"}, {"S": "a"}]}, {"L": [{"S": "a"}, {"N": "1"}]}, False),
        ({"M": {"a": {"SS": ["x", "y"]}}}, {"M": {"a": {"SS": ["y", "x"]}}}, True),
        ({"M": {"a": {"N": "1"}}}, {"M": {"b": {"N": "1"}}}, False),
        ({"N": "1"}, {"S": "1"}, False),
        ({"BOOL": True}, {"BOOL": False}, False),
        ({"N": "0"}, {"N": "-0.0"}, True),
        ({"N": "0.1"}, {"N": "0.10000000000000000000000000000000000001"}, False),
    ],
)
def test_attributes_are_the_same(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    assert same_item({"a": one}, {"a": other}) is same


def test_numbers_as_keys_are_one_key_however_they_are_spelt(tmp_path: Path) -> None:
    key = (KeyAttribute("id", Type.NUMBER),)
    known: Item = {"id": {"N": "100"}, "v": {"N": "1"}}
    fake = Fake({}, items={reference.comparable({"id": known["id"]}): known})
    found = write_to_fake(fake, tmp_path, Action.REJECT, [{"id": {"N": "1.00E+2"}, "v": {"N": "1.0"}}], key=key)
    assert found.counts == (0, 0, 1, 0)


# Whole jobs


@pytest.mark.parametrize("requests_before", [1, 2, 4])
@pytest.mark.parametrize("action", ["SKIP", "REJECT", "KEEP NEWEST BY v"])
def test_a_limit_counts_the_rows_of_all_runs(
    action: str, requests_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "STOP_SECONDS", 0.001)
    source = [{"id": {"S": f"c{n:03}"}, "v": {"N": "5"}} for n in range(400)]
    stop = threading.Event()

    runs = 1

    async def fault(call: Call) -> None:
        if call.operation == "BatchExecuteStatement" and runs <= 3:
            if call.number % 6 == requests_before:
                stop.set()
            await asyncio.sleep(0.004 * (call.number % 3))

    # Of three rows one is there already as it is, and one as another.
    known = [{**item, "v": {"N": str(5 + n % 3)}} for n, item in enumerate(source) if n % 3]
    known += [item for n, item in enumerate(source) if not n % 9]
    spec = f"INSERT INTO Target SELECT id, v FROM Source LIMIT 200 ON CONFLICT {action}"
    plan = planned(f"{spec} WITH (read = unlimited, write = unlimited, segments = 2, max_rejects = 100%)")
    fake = Fake({"Source": source}, fault=fault, page=20)
    fake.items = {reference.comparable({"id": item["id"]}): item for item in known}
    report = fake.run(plan, tmp_path / "job", stop)
    while report.outcome == "interrupted":
        stop.clear()
        report = fake.run(plan, tmp_path / "job", stop, resume=True)
        runs += 1
    now = report.progress
    assert report.outcome == "limit" and runs > 1
    assert now.read == now.written + now.skipped + now.unchanged + now.rejected == 200


def test_half_of_a_surrogate_pair_in_the_keys_of_two_rows_that_meet_is_told(tmp_path: Path) -> None:
    source = [{"id": {"S": key}, "g": {"S": "x"}} for key in ("\ud800", "b")]
    spec = "INSERT OVERWRITE Target SELECT g AS id FROM Source WITH (segments = 1, max_rejects = 100%)"
    report = Fake({"Source": source}).run(planned(spec), tmp_path / "job")
    (pair,) = report.pairs
    assert [row.key["id"]["S"] for row in (pair.first, pair.later)] == ["\ud800", "b"]
    (line,) = map(json.loads, (tmp_path / "job" / "rejects.jsonl").read_text().splitlines())
    assert (line["code"], line["met"]["first"]["key"]) == ("R0304", {"id": {"S": "\ud800"}})
    (found,) = again.met(tmp_path / "job" / "rejects.jsonl", "Target")
    assert found == Met("Target", {"id": {"S": "x"}}, pair.first)
