"""Updates of items and deletes: with and without an item there, and whatever goes wrong."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import reference
import tables
from fake_dynamodb import Call, Failing, Fake, Refused, seldom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from row_writing import Item, Written, batches_of, write_to, write_to_fake
from servers import Server
from test_conditional_writing import LATER, SEVERAL, items, place, row, there, values, versions

from ddbetl.connectors.dynamodb.failures import ServiceError
from ddbetl.connectors.dynamodb.statements import insert_entry
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.rows import Row, item_size
from ddbetl.engine.sending import Course
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.expressions.writing import Action, Entry, Form
from ddbetl.types import Type

MERGES = (Action.MERGE, Action.MERGE_EXISTING)

KNOWN: tuple[Item, ...] = tuple(row(n, 1, kept={"S": "as it was"}) for n in range(0, 40, 3))
ROWS = [row(number) for number in range(40)]


def merged(before: Sequence[Item], rows: Sequence[Item], action: Action) -> tuple[list[Item], int]:
    """What the target has then, and how many rows are skipped."""
    want = there(*before)
    skipped = 0
    for item in rows:
        known = want.get(place(item))
        match action:
            case Action.DELETE:
                want.pop(place(item), None)
            case Action.REPLACE:
                want[place(item)] = item
            case Action.MERGE_EXISTING if known is None:
                skipped += 1
            case _:
                want[place(item)] = {**(known or {}), **item}
    return list(want.values()), skipped


def assert_as_modelled(before: Sequence[Item], rows: Sequence[Item], after: Sequence[Item], action: Action, found: Written) -> None:  # fmt: skip
    want, skipped = merged(before, rows, action)
    reference.assert_same_items(after, want, ("id", "at"))
    assert found.counts == (len(rows) - skipped, skipped, 0, 0)
    assert found.open == 0


@pytest.mark.parametrize("action", [*MERGES, Action.REPLACE, Action.DELETE])
def test_with_and_without_an_item_there(action: Action, server: Server, prefix: str, tmp_path: Path) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    tables.fill(server, table, KNOWN)
    found = write_to(server, table, tmp_path, action, ROWS)
    assert_as_modelled(KNOWN, ROWS, tables.read(server, table), action, found)
    # Once more, nothing changes.
    before = tables.read(server, table)
    write_to(server, table, tmp_path, action, ROWS)
    reference.assert_same_items(tables.read(server, table), before, ("id", "at"))


@pytest.mark.parametrize("action", MERGES)
def test_where_all_is_there_one_request_of_25_is_all(action: Action, tmp_path: Path) -> None:
    rows = [row(number) for number in range(100)]
    fake = Fake({}, items=there(*(row(number, 1) for number in range(100))))
    found = write_to_fake(fake, tmp_path, action, rows)
    assert found.counts == (100, 0, 0, 0)
    assert found.calls == {"BatchExecuteStatement": 4}
    assert (found.write_units, found.retries) == (100, 0)


def test_where_nothing_is_there_it_begins_with_inserts_soon(tmp_path: Path) -> None:
    rows = [row(number) for number in range(4000)]
    fake = Fake({})
    found = write_to_fake(fake, tmp_path, Action.MERGE, rows)
    assert found.counts == (4000, 0, 0, 0)
    assert 160 < found.calls["BatchExecuteStatement"] <= 230
    assert found.write_units == 25 * found.calls["BatchExecuteStatement"]
    # And back to updates where it has become the rule that something is there.
    fake.items.update(there(*(row(number) for number in range(2000, 8000))))
    rows = [row(number, 7) for number in range(9000)]
    found = write_to_fake(fake, tmp_path, Action.MERGE, rows)
    assert found.counts == (9000, 0, 0, 0)
    assert found.calls["BatchExecuteStatement"] <= 360 + 80 + 70


def test_an_insert_is_the_update_with_the_same_parameters() -> None:
    update = json.dumps(
        {
            "Statement": 'UPDATE "T" SET "it\'s"=?,"a?=b"=?,"ü \\"=? WHERE "id"=? AND "at"=?',
            "Parameters": [{"S": "1"}, {"NULL": True}, {"L": []}, {"S": "k"}, {"N": "2"}],
        }
    )
    found = insert_entry(update.encode(), "T")
    assert found is not None
    assert json.loads(found) == {
        "Statement": "INSERT INTO \"T\" VALUE {'it''s':?,'a?=b':?,'ü \\':?,'id':?,'at':?}",
        "Parameters": json.loads(update)["Parameters"],
    }
    quotes = "'" * 7000
    update = json.dumps(
        {"Statement": f'UPDATE "T" SET "{quotes}"=? WHERE "id"=?', "Parameters": [{"S": ""}, {"S": ""}]}
    )
    assert insert_entry(update.encode(), "T") is None


# Others write at the same time


def test_an_item_that_somebody_makes_in_between_is_updated(tmp_path: Path) -> None:
    fake = Fake({})

    def made(call: Call) -> None:
        if call.number == 1:
            assert "INSERT" in call.body["Statements"][0]["Statement"]
            fake.items = there(*(row(number, 1, theirs={"S": "kept"}) for number in range(0, 10, 2)))

    fake.fault = made
    found = write_to_fake(fake, tmp_path, Action.MERGE, ROWS[:10])
    assert found.counts == (10, 0, 0, 0)
    # An update, an insert, and an update of those that were made.
    assert found.calls == {"BatchExecuteStatement": 3}
    want = [row(n, theirs={"S": "kept"}) if n % 2 == 0 else row(n) for n in range(10)]
    reference.assert_same_items(fake.items.values(), want, ("id", "at"))


def test_an_item_that_comes_and_goes_is_updated_in_one_step(tmp_path: Path) -> None:
    fake = Fake({})

    def flicker(call: Call) -> None:
        if call.operation == "BatchExecuteStatement":
            inserts = call.body["Statements"][0]["Statement"].startswith("INSERT")
            fake.items = there(row(3, 1, theirs={"S": "kept"})) if inserts else {}

    fake.fault = flicker
    found = write_to_fake(fake, tmp_path, Action.MERGE, [row(3)])
    assert found.counts == (1, 0, 0, 0)
    assert found.calls == {"BatchExecuteStatement": 6, "UpdateItem": 1}
    assert fake.items == there(row(3, theirs={"S": "kept"}))


def test_an_item_that_somebody_makes_in_between_is_updated_on_a_server(
    server: Server, prefix: str, tmp_path: Path
) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    client = server.client()

    def meddle(operation: str, number: int, answered: bool) -> None:
        if (number, answered) == (0, True):
            for made in range(0, 12, 2):
                client.put_item(TableName=table, Item=row(made, 1, theirs={"S": "kept"}))

    found = write_to(server, table, tmp_path, Action.MERGE, ROWS[:12], meddle=meddle)
    client.close()
    assert found.counts == (12, 0, 0, 0)
    want = [row(n, theirs={"S": "kept"}) if n % 2 == 0 else row(n) for n in range(12)]
    reference.assert_same_items(tables.read(server, table), want, ("id", "at"))


# Rows that need a request of their own


def by_reference(form: Form, rows: Sequence[Item]) -> list[Batch]:
    """Rows as batches, as they are where they come by reference."""
    made = []
    for item in rows:
        key = tuple(item[k.name]["N" if k.type is Type.NUMBER else "S"] for k in form.key)
        content = item if form.entry is not Entry.DELETE else {name: item[name] for name in form.keys}
        made.append(Row(json.dumps(content).encode(), key, item_size(content)))
    return Batching(form).batches([], list(enumerate(made)), False)


ODD: tuple[Item, ...] = (
    row(1),
    {name: value for name, value in row(2).items() if name in ("id", "at")},
    {**row(3), "a.b": {"S": "dot"}, "c[0]": {"N": "1"}, 'd"e': {"BOOL": True}, "#f": {"NULL": True}, ":g": {"S": ""}},
    {**row(4), **{f"attribute number {n}": {"N": str(n)} for n in range(400)}},
    {**row(5), "it's": {"S": "quote"}, "ü?=": {"S": "odd"}},
)


@pytest.mark.parametrize("action", MERGES)
@pytest.mark.parametrize("known", [True, False])
def test_rows_that_no_statement_can_say(
    action: Action, known: bool, server: Server, prefix: str, tmp_path: Path
) -> None:
    table = f"{prefix}Target"
    tables.create(server, table, ("id", "S"), ("at", "N"))
    before = [row(number, 1, kept={"S": "as it was"}) for number in range(1, 6)] if known else []
    tables.fill(server, table, before)
    found = write_to(server, table, tmp_path, action, ODD, made=by_reference)
    assert_as_modelled(before, ODD, tables.read(server, table), action, found)
    assert found.calls["UpdateItem"] == 3


@pytest.mark.parametrize("action", MERGES)
def test_a_row_of_more_attributes_than_one_update_sets_is_made_and_changes_nothing(
    action: Action, tmp_path: Path
) -> None:
    def wide(number: int) -> Item:
        return {**row(number), **{f"attribute {n}": {"N": str(n)} for n in range(600)}}

    before = [row(1, 1), {**wide(2), "more": {"S": "theirs"}}]
    fake = Fake({}, items=there(*before))
    rows = [wide(number) for number in range(1, 5)]
    found = write_to_fake(fake, tmp_path, action, rows, made=by_reference)
    made = rows[2:] if action is Action.MERGE else []
    assert found.counts == (len(made), 2 - len(made), 1, 1)
    reference.assert_same_items(fake.items.values(), [*before, *made], ("id", "at"))
    (reject,) = found.rejects
    assert (reject["code"], reject["item"]["id"]["S"]) == ("R0206", "c001")
    assert reject["message"] == (
        "the item is there already, and 602 attributes are too many for one update: the expression that sets them "
        "would have more than 4,096 bytes"
    )


def test_a_wide_row_that_somebody_makes_in_between_is_looked_at_again(tmp_path: Path) -> None:
    wide = {**row(1), **{f"attribute {n}": {"N": str(n)} for n in range(600)}}
    fake = Fake({})

    def meddle(operation: str, number: int, answered: bool) -> None:
        if (operation, number, answered) == ("PutItem", 0, False):
            fake.items |= there(row(1, 1))
        elif (operation, number, answered) == ("PutItem", 0, True):
            fake.items.clear()

    found = write_to_fake(fake, tmp_path, Action.MERGE, [wide], made=by_reference, meddle=meddle)
    assert (found.counts, found.calls["PutItem"]) == ((1, 0, 0, 0), 2)
    assert [*fake.items.values()] == [wide]


@pytest.mark.parametrize("action", MERGES)
def test_a_row_of_its_own_request_can_be_refused(action: Action, tmp_path: Path) -> None:
    before = [row(number, 1) for number in range(1, 4)]
    rows: list[Item] = [{**row(1), "a.b": {"S": ""}}, {**row(2), "a.b": {"S": ""}, "poison": {"S": ""}}]
    found = write_to_fake(Fake({}, items=there(*before)), tmp_path, action, rows, made=by_reference)
    assert found.counts == (1, 0, 0, 1)
    assert found.rejects[0]["code"] == "R0206"


# What goes wrong


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("action", MERGES)
@pytest.mark.parametrize("code", LATER)
def test_a_statement_that_fails_for_the_moment_goes_again(
    code: str, action: Action, done: bool, tmp_path: Path
) -> None:
    draw = random.Random(7)

    def inside(call: Call, number: int) -> Failing | None:
        return Failing(code, "not just now", done) if draw.random() < 0.4 else None

    fake = Fake({}, items=there(*KNOWN), inside=inside)
    found = write_to_fake(fake, tmp_path, action, ROWS)
    assert_as_modelled(KNOWN, ROWS, list(fake.items.values()), action, found)
    assert found.retries >= 3


@pytest.mark.parametrize("action", [*MERGES, Action.DELETE, Action.REPLACE])
def test_requests_that_fail_go_again(action: Action, tmp_path: Path) -> None:
    fake = Fake({}, items=there(*KNOWN), fault=seldom(random.Random(3), 0.4, *SEVERAL))
    rows = [row(number) for number in range(400)]
    found = write_to_fake(fake, tmp_path, action, rows)
    assert_as_modelled(KNOWN, rows, list(fake.items.values()), action, found)
    assert found.retries >= 3


def test_unprocessed_deletes_go_again(tmp_path: Path) -> None:
    def unprocessed(call: Call, puts: list[Any]) -> list[Any]:
        return puts if call.number < 3 else puts[::2] if call.number < 9 else []

    fake = Fake({}, items=there(*KNOWN), unprocessed=unprocessed)
    found = write_to_fake(fake, tmp_path, Action.DELETE, ROWS)
    assert_as_modelled(KNOWN, ROWS, list(fake.items.values()), Action.DELETE, found)
    assert found.retries >= 5
    assert set(fake.written.values()) == {1}


@pytest.mark.parametrize("action", MERGES)
def test_a_statement_that_the_server_refuses_is_a_reject(action: Action, tmp_path: Path) -> None:
    def inside(call: Call, number: int) -> Failing | None:
        refused = {"S": "c007"} in call.body["Statements"][number]["Parameters"]
        return Failing("ValidationError", "this is why") if refused else None

    fake = Fake({}, items=there(*KNOWN), inside=inside)
    found = write_to_fake(fake, tmp_path, action, ROWS)
    assert len(found.rejects) == 1
    assert (found.rejects[0]["code"], found.rejects[0]["item"]["id"]["S"]) == ("R0206", "c007")
    assert found.written + found.skipped == 39


def test_a_permission_that_is_missing_is_named_by_what_was_asked(tmp_path: Path) -> None:
    for verb in ("UPDATE", "INSERT"):

        def inside(call: Call, number: int, verb: str = verb) -> Failing | None:
            asked = call.body["Statements"][number]["Statement"].startswith(verb)
            return Failing("AccessDenied", "no") if asked else None

        with pytest.raises(ServiceError, match="AccessDenied: no") as failed:
            write_to_fake(Fake({}, inside=inside), tmp_path, Action.MERGE, ROWS)
        assert failed.value.operation == f"BatchExecuteStatement {verb}"

    def fault(call: Call) -> None:
        if call.operation == "UpdateItem":
            raise Refused("AccessDeniedException", message="no")

    with pytest.raises(ServiceError, match="no") as failed:
        write_to_fake(Fake({}, fault=fault), tmp_path, Action.MERGE, ODD, made=by_reference)
    assert failed.value.operation == "UpdateItem"


@pytest.mark.parametrize("action", MERGES)
def test_a_stop_ends_between_requests(action: Action, tmp_path: Path) -> None:
    course = Course()

    def stop(name: str, number: int, answered: bool) -> None:
        course.stopping = course.stopping or answered

    fake = Fake({}, items=there(*KNOWN))
    found = write_to_fake(fake, tmp_path, action, ROWS[:25], meddle=stop, course=course)
    assert found.calls == {"BatchExecuteStatement": 1}
    assert (found.written, found.skipped, found.open) == (9, 0, 16)


# Properties


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*MERGES, Action.REPLACE, Action.DELETE]),
    items(st.none() | values),
    items(versions),
    st.integers(1, 25),
    st.integers(0, 2**32),
)
def test_every_action_is_as_modelled(
    tmp_path: Path, action: Action, before: list[Item], rows: list[Item], size: int, seed: int
) -> None:
    draw = random.Random(seed)

    def inside(call: Call, number: int) -> Failing | None:
        return Failing(draw.choice(LATER)) if draw.random() < 0.2 else None

    fake = Fake({}, items=there(*before), inside=inside)

    def made(form: Form, rows: Sequence[Item]) -> list[Batch]:
        return batches_of(form, rows, size) if draw.random() < 0.5 else by_reference(form, rows)

    found = write_to_fake(fake, tmp_path, action, rows, made=made)
    assert_as_modelled(before, rows, list(fake.items.values()), action, found)


def test_a_table_without_a_sort_key(tmp_path: Path) -> None:
    key = (KeyAttribute("id", Type.STRING),)
    known: Item = {"id": {"S": "a"}, "kept": {"S": "as it was"}}
    fake = Fake({}, items={reference.comparable({"id": known["id"]}): known})
    rows: list[Item] = [{"id": {"S": "a"}, "v": {"N": "1"}}, {"id": {"S": "b"}, "v": {"N": "1"}}]
    found = write_to_fake(fake, tmp_path, Action.MERGE, rows, key=key)
    assert found.counts == (2, 0, 0, 0)
    reference.assert_same_items(fake.items.values(), [{**known, **rows[0]}, rows[1]], ("id",))
    assert Form(Entry.UPDATE, "Target", key).keys == ("id",)
