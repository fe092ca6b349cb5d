"""The main job and whole copies on every local server: the target holds exactly what an independent computation says."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import reference
import servers
import tables
from servers import Server

import ddbetl
from ddbetl.demo.data import MONTHS, Loaded, load
from ddbetl.engine.report import RunReport
from ddbetl.errors import JobFailed

Item = dict[str, dict[str, Any]]

# In each of thirteen tables. To ministack a Scan of a table costs the square of its size.
ITEMS = {"dynoxide": 2_000, "ministack": 500, "endpoint": 50}
SPEC = (servers.ROOT / "specs" / "anniversary_promo.ddbetl").read_text(encoding="utf-8")
ONE_LINER = (
    "SELECT CustomerID, epoch(DateTime) AS CreationDateTime, epoch(DateTime)+ttl AS ExpirationTimestamp, OrderID "
    "FROM CustomerTracker_{}* WHERE length(OrderID)>0"
)
# The rates of the tables' own budgets would make a test wait.
UNLIMITED = ("read = unlimited", "write = unlimited")
TARGET_KEY = ("CustomerID", "CreationDateTime")


@dataclass(frozen=True)
class Months:
    """Thirteen tables on a server, and what the main job must make of them."""

    server: Server
    domain: str
    loaded: Loaded
    expected: list[reference.Item]


@pytest.fixture(scope="module")
def months(server: Server) -> Months:
    domain = servers.new_prefix()
    client = server.client()
    loaded = load(client, ITEMS[server.name], domain=domain)
    expected = reference.main_job(client, loaded.sources)
    client.close()
    return Months(server, domain, loaded, expected)


def assert_target(server: Server, table: str, expected: list[reference.Item], report: RunReport) -> None:
    client = server.client()
    reference.assert_same_items(reference.read_all(client, table), expected, TARGET_KEY)
    client.close()
    progress = report.progress
    assert (report.outcome, progress.written, progress.rejected, progress.skipped) == ("done", len(expected), 0, 0)
    assert progress.read == progress.filtered + progress.written
    assert report.rejects is None


def test_the_main_job(months: Months, tmp_path: Path) -> None:
    plan = ddbetl.compile(
        SPEC, params={"domain": months.domain}, options=UNLIMITED, endpoint_url=months.server.endpoint_url
    )
    assert [scan.table.name for scan in plan.physical.scans] == list(months.loaded.sources)
    assert len(months.expected) > months.loaded.items / 2
    report = plan.run(state_dir=tmp_path)
    assert_target(months.server, months.loaded.target, months.expected, report)
    assert (report.progress.read, report.by_reference) == (months.loaded.items, 0)
    assert [table.read for table in report.progress.tables] == [months.loaded.items // len(MONTHS)] * len(MONTHS)
    # Once more: every row replaces itself.
    again = plan.run(state_dir=tmp_path)
    assert_target(months.server, months.loaded.target, months.expected, again)


def test_the_one_liner(months: Months, tmp_path: Path, prefix: str) -> None:
    target = f"{prefix}target"
    tables.create(months.server, target, ("CustomerID", "S"), ("CreationDateTime", "N"))
    plan = ddbetl.compile(
        ONE_LINER.format(f"{months.domain}_"),
        into=target,
        on_conflict="replace",
        lets=["ttl = 365 days"],
        options=UNLIMITED,
        endpoint_url=months.server.endpoint_url,
    )
    assert_target(months.server, target, months.expected, plan.run(state_dir=tmp_path))


def test_the_one_liner_as_it_stands_and_inside_a_running_loop(fresh_dynoxide: Server, tmp_path: Path) -> None:
    client = fresh_dynoxide.client()
    loaded = load(client, 100)
    expected = reference.main_job(client, loaded.sources)

    async def notebook() -> RunReport:
        plan = ddbetl.compile(
            ONE_LINER.format(""),
            into=loaded.target,
            on_conflict="replace",
            lets=["ttl = 365 days"],
            options=UNLIMITED,
            endpoint_url=fresh_dynoxide.endpoint_url,
        )
        assert len(plan.preview(3).rows) == 3
        return plan.run(state_dir=tmp_path)

    assert_target(fresh_dynoxide, loaded.target, expected, asyncio.run(notebook()))
    client.close()


@pytest.mark.parametrize("collisions", ["reject", "allow"])
def test_rows_that_meet_in_one_second_are_counted_and_none_is_lost(
    collisions: str, one_server: Server, prefix: str, tmp_path: Path
) -> None:
    client = one_server.client()
    loaded = load(client, 200, MONTHS[:2], domain=prefix, same_second=60)
    by_key: dict[Any, list[reference.Item]] = {}
    for row in reference.main_job(client, loaded.sources):
        by_key.setdefault(reference.comparable({n: row[n] for n in TARGET_KEY}), []).append(row)
    spec = SPEC.replace("{201605..201705}", "{201605..201606}")
    options = [*UNLIMITED, f"collisions = {collisions}", "max_rejects = 100%"]
    plan = ddbetl.compile(spec, params={"domain": prefix}, options=options, endpoint_url=one_server.endpoint_url)
    report = plan.run(state_dir=tmp_path)
    rows = sum(map(len, by_key.values()))
    assert report.progress.collisions == rows - len(by_key)
    assert (report.progress.written, report.progress.rejected) == {
        "allow": (rows, 0),
        "reject": (len(by_key), rows - len(by_key)),
    }[collisions]
    target = reference.read_all(client, loaded.target)
    client.close()
    assert len(target) == len(by_key) < rows
    for item in target:
        rows = by_key[reference.comparable({n: item[n] for n in TARGET_KEY})]
        assert reference.comparable(item) in map(reference.comparable, rows)


# Whole copies


def documents() -> list[Item]:
    """Items with everything that DynamoDB holds."""
    texts = (
        "",
        " ",
        "ü",
        "日本語",
        "e\u0301",
        "👩‍👩‍👧",
        "\u0000",
        "a\tb\n\r\u2028",
        '"',
        "\\",
        "'",
        "</script>",
        "%s{}$1",
        "null",
    )
    numbers = ("0", "-1", "0.1", "1E-130", "-1E-130", "12345678901234567890123456789012345678", "9" * 38 + "E87",
               "0.12345678901234567890123456789012345678", "-99999999999999999999999999999999999999")  # fmt: skip
    deep: dict[str, Any] = {"N": "3.14"}
    for level in range(14):
        deep = {"M": {f"level {level}": deep}} if level % 2 else {"L": [{"S": str(level)}, deep, {"NULL": True}]}
    values: list[dict[str, Any]] = [
        *({"S": text} for text in texts),
        *({"N": number} for number in numbers),
        {"BOOL": True},
        {"BOOL": False},
        {"NULL": True},
        {"B": "AAECAwQF//79"},
        {"B": ""},
        {"SS": ["b", "a", "Ü", '"']},
        {"NS": ["1", "-2.5", "12345678901234567890123456789012345678"]},
        {"BS": ["AA==", "AAH/"]},
        {"L": []},
        {"M": {}},
        {"L": [{"S": ""}, {"L": []}, {"M": {"k": {"SS": ["x"]}}}]},
        {"M": {"a.b": {"N": "1"}, "[0]": {"BOOL": True}, "#": {"NULL": True}, "größe": {"BS": ["AA=="]}}},
        deep,
        {"S": "x" * 200_000},
    ]
    items: list[Item] = []
    for i, value in enumerate(values):
        items.append({"id": {"S": f"v{i}"}, "at": {"N": str(i - 3)}, "s": {"S": "Text"}, "value": value})
    everything = {f"a{i}": value for i, value in enumerate(values[:-1])}
    items.append({"id": {"S": "everything"}, "at": {"N": "1"}, **everything, "s": {"S": "ALL"}})
    for i, key in enumerate(("é", "👍", " ", "'", '"', "\\", "a/b", "#{}", "k" * 2048, "é" * 1024)):
        items.append({"id": {"S": key}, "at": {"N": f"{i}.5"}, "s": {"S": "Key"}})
    for name in ("a.b", "it's", 'q"q', "a[0]", "😀é", "#x", "$y", " ", "ID", "Id", "line\nbreak", "Status", "c0", "\\"):
        items.append({"id": {"S": f"name {name}"}, "at": {"N": "0"}, name: {"S": name}, "s": {"S": "Name"}})
    return items


def without(item: Item, *names: str) -> Item:
    return {name: value for name, value in item.items() if name not in names}


def renamed(item: Item, **names: str) -> Item:
    return {names.get(name, name): value for name, value in item.items()}


# The SELECT list, and the same in Python.
COPIES: dict[str, tuple[str, Callable[[Item], Item]]] = {
    "all": ("*", lambda item: item),
    "exclude": ('* EXCLUDE (value, "a.b", nowhere)', lambda item: without(item, "value", "a.b")),
    "rename": (
        '* RENAME (value AS "new value", "ID" AS was)',
        lambda item: renamed(item, value="new value", ID="was"),
    ),
    "replace": ("* REPLACE (lower(s) AS s)", lambda item: {**item, "s": {"S": item["s"]["S"].lower()}}),
    "all at once": (
        "* EXCLUDE (a1, a2) RENAME (value AS v) REPLACE (s || '!' AS s), length(s) AS n, attribute_type(value) AS t",
        lambda item: {
            **renamed(without(item, "a1", "a2"), value="v"),
            "s": {"S": item["s"]["S"] + "!"},
            "n": {"N": str(len(item["s"]["S"]))},
            **({"t": {"S": next(iter(item["value"]))}} if "value" in item else {}),
        },
    ),
    "by name": (
        'id, at, value, "a.b", "ID", a27 AS deep',
        lambda item: renamed(
            {n: v for n, v in item.items() if n in ("id", "at", "value", "a.b", "ID", "a27")}, a27="deep"
        ),
    ),
}


@pytest.fixture(scope="module")
def copied(server: Server) -> tuple[Server, str, list[Item]]:
    """A table of documents, and its items as the server keeps them."""
    name = f"{servers.new_prefix()}documents"
    tables.create(server, name, ("id", "S"), ("at", "N"))
    tables.fill(server, name, documents())
    return server, name, tables.read(server, name)


def test_the_server_keeps_the_documents(copied: tuple[Server, str, list[Item]]) -> None:
    reference.assert_same_items(copied[2], documents(), ("id", "at"))


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_exact(copied: tuple[Server, str, list[Item]], kind: str, prefix: str, tmp_path: Path) -> None:
    server, source, items = copied
    select, in_python = COPIES[kind]
    target = f"{prefix}copy"
    tables.create(server, target, ("id", "S"), ("at", "N"))
    spec = f"INSERT OVERWRITE {target} SELECT {select} FROM {source}"
    plan = ddbetl.compile(spec, options=UNLIMITED, endpoint_url=server.endpoint_url)
    report = plan.run(state_dir=tmp_path)
    expected = [in_python(copy.deepcopy(item)) for item in items]
    reference.assert_same_items(tables.read(server, target), expected, ("id", "at"))
    assert report.progress.written == len(items)
    plan.run(state_dir=tmp_path)
    reference.assert_same_items(tables.read(server, target), expected, ("id", "at"))


def test_a_table_that_is_deleted_before_the_run_is_said_to_be_missing(
    one_server: Server, prefix: str, tmp_path: Path
) -> None:
    tables.create(one_server, f"{prefix}a", ("id", "S"))
    tables.create(one_server, f"{prefix}b", ("id", "S"))
    tables.fill(one_server, f"{prefix}a", [{"id": {"S": "1"}}])
    plan = ddbetl.compile(f"INSERT OVERWRITE {prefix}b SELECT * FROM {prefix}a", endpoint_url=one_server.endpoint_url)
    client = one_server.client()
    client.delete_table(TableName=f"{prefix}b")
    client.get_waiter("table_not_exists").wait(TableName=f"{prefix}b")
    client.close()
    with pytest.raises(JobFailed, match=f"BatchWriteItem of {prefix}b: ResourceNotFoundException"):
        plan.run(state_dir=tmp_path)
