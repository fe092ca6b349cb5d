"""The demo's server and data: what the demo promises of them, and what the other tests rely on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
import servers
from botocore.config import Config
from reference import assert_same_items, comparable, comparable_value, epoch, main_job, main_row, read_all
from servers import Server

from ddbetl.demo import data
from ddbetl.demo import server as demo_server

DYNAMODB = Context(prec=38, Emin=-130, Emax=125)
ALL_TYPES = {"S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"}


def types_of(value: dict[str, Any]) -> Iterator[str]:
    ((tag, content),) = value.items()
    yield tag
    for inner in content if tag == "L" else content.values() if tag == "M" else ():
        yield from types_of(inner)


def numbers_of(value: dict[str, Any]) -> Iterator[str]:
    match value:
        case {"N": text}:
            yield text
        case {"NS": texts}:
            yield from texts
        case {"L": values}:
            for inner in values:
                yield from numbers_of(inner)
        case {"M": fields}:
            for inner in fields.values():
                yield from numbers_of(inner)


def test_the_same_seed_gives_the_same_items_on_every_machine() -> None:
    digest = hashlib.sha256(json.dumps([*data.items("201605"), *data.items("201612", 50, 1)]).encode()).hexdigest()
    assert digest == "e58316531a18b5cae50227b945fe5c48881efb1cbef4c6ca80accdf836451147"
    assert list(data.items("201605")) != list(data.items("201605", seed=1))
    assert list(data.items("201605")) != list(data.items("201606"))


def test_a_table_is_as_the_demo_tells() -> None:
    for month in data.MONTHS:
        items = list(data.items(month))
        assert len(items) == data.ITEMS_PER_TABLE
        without = sum("OrderID" not in item for item in items)
        empty = sum(item.get("OrderID") == {"S": ""} for item in items)
        assert 0.2 < without / len(items) < 0.4
        assert 0 < empty < 0.05 * len(items)
        assert {tag for item in items for value in item.values() for tag in types_of(value)} == ALL_TYPES
        # Every attribute of the source has its DynamoDB type; a key is never empty.
        for item in items:
            assert item["CustomerID"]["S"]
            assert item["DateTime"]["S"].startswith(f"{month[:4]}-{month[4:]}-")
            assert len(json.dumps(item)) < 10_000


def test_both_the_local_and_the_utc_time_lie_in_the_month() -> None:
    offsets = set()
    for month in data.MONTHS:
        for item in data.items(month):
            text = item["DateTime"]["S"]
            time_ = datetime.fromisoformat(text)
            assert time_.strftime("%Y%m") == month
            assert datetime.fromtimestamp(epoch(text), UTC).strftime("%Y%m") == month
            assert text[19] == "." and text[20:23].isdigit()
            offsets.add(text[23:])
    assert "+00:00" not in offsets
    assert {"Z", "-07:00", "-08:00", "+05:30", "-03:30"} <= offsets


def test_numbers_are_within_what_dynamodb_holds() -> None:
    digits = Counter[int]()
    exponents = set()
    for item in data.items("201605"):
        for value in item.values():
            for text in numbers_of(value):
                number = Decimal(text)
                if number:
                    digits[len(number.normalize(DYNAMODB).as_tuple().digits)] += 1
                    exponents.add(number.adjusted())
                    assert DYNAMODB.create_decimal(number) == number
    assert digits[38] > 10
    assert min(exponents) == -130 and max(exponents) == 125


def test_no_two_items_share_a_customer_and_a_second() -> None:
    items = [item for month in data.MONTHS for item in data.items(month, 1000)]
    keys = Counter((item["CustomerID"]["S"], epoch(item["DateTime"]["S"])) for item in items)
    assert max(keys.values()) == 1
    days = Counter((customer, second // 86_400) for customer, second in keys)
    assert sum(n > 1 for n in days.values()) > 100
    customers = Counter(customer for customer, _ in keys)
    assert sum(n > 1 for n in customers.values()) > 100


def test_items_of_the_same_second_are_as_many_as_asked_for() -> None:
    items = list(data.items("201605", 200, same_second=30))
    assert len(items) == 200
    assert len({(item["CustomerID"]["S"], item["DateTime"]["S"]) for item in items}) == 200
    assert len({(item["CustomerID"]["S"], epoch(item["DateTime"]["S"])) for item in items}) == 170
    with pytest.raises(ValueError, match="half"):
        list(data.items("201605", 10, same_second=6))


def test_load_makes_the_tables_and_every_item_arrives_unchanged(server: Server, prefix: str) -> None:
    client = server.client()
    seen: list[tuple[str, int]] = []
    months = data.MONTHS[:3]
    loaded = data.load(client, 120, months, domain=prefix, on_table=lambda name, n: seen.append((name, n)))
    assert loaded.items == 360
    assert loaded.target == f"{prefix}_NA_AnniversaryPromo_2017"
    assert loaded.sources == tuple(f"CustomerTracker_{prefix}_NA_{month}" for month in months)
    assert seen == [(name, 120) for name in loaded.sources]

    for month, name in zip(months, loaded.sources, strict=True):
        assert_same_items(read_all(client, name), data.items(month, 120), ("CustomerID", "DateTime"))
    assert read_all(client, loaded.target) == []

    table = client.describe_table(TableName=loaded.target)["Table"]
    assert [key["AttributeName"] for key in table["KeySchema"]] == ["CustomerID", "CreationDateTime"]
    assert {d["AttributeName"]: d["AttributeType"] for d in table["AttributeDefinitions"]} == {
        "CustomerID": "S",
        "CreationDateTime": "N",
    }
    assert units(table) == data.TARGET_UNITS
    billing = [units(client.describe_table(TableName=name)["Table"]) for name in loaded.sources]
    assert billing == [(0, 0), data.SOURCE_UNITS, (0, 0)]


def units(table: dict[str, Any]) -> tuple[int, int]:
    throughput = table["ProvisionedThroughput"]
    return throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]


def test_load_writes_what_the_server_left_unprocessed(fresh_dynoxide: Server) -> None:
    class Reluctant:
        """Takes half of every batch, as a throttled table does."""

        def __init__(self, client: Any) -> None:
            self.create_table, self.get_waiter = client.create_table, client.get_waiter
            self.client = client

        def batch_write_item(self, **request: Any) -> dict[str, Any]:
            ((table, requests),) = request["RequestItems"].items()
            half = len(requests) // 2
            self.client.batch_write_item(RequestItems={table: requests[half:]})
            return {"UnprocessedItems": {table: requests[:half]} if half else {}}

    client = fresh_dynoxide.client()
    pauses: list[float] = []
    loaded = data.load(Reluctant(client), 60, ["201605"], sleep=pauses.append)
    assert_same_items(read_all(client, loaded.sources[0]), data.items("201605", 60), ("CustomerID", "DateTime"))
    assert pauses and pauses == [pause for pause in pauses if 0 < pause <= 5]


def test_load_overwrites_nothing(fresh_dynoxide: Server) -> None:
    client = fresh_dynoxide.client()
    data.load(client, 4, ["201605"])
    with pytest.raises(client.exceptions.ResourceInUseException):
        data.load(client, 4, ["201605"])


def test_the_servers_do_what_their_features_say(server: Server, prefix: str) -> None:
    client = server.client()
    name = data.load(client, 400, ["201605"], domain=prefix).sources[0]
    answer = client.scan(TableName=name, ReturnConsumedCapacity="TOTAL")
    # An eventually consistent Scan takes half a unit for each 4 KB. An item in JSON is up to three times its own size.
    charged = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0) * 2 * 4096
    written = sum(len(json.dumps(item, ensure_ascii=False)) for item in data.items("201605", 400))
    plausible = written / 3 < charged < written
    # Of an endpoint that is not AWS's nothing is known, so nothing is claimed.
    assert plausible == server.reports_scan_capacity or (server.name == "endpoint" and plausible)
    if server.partiql:
        answer = client.batch_execute_statement(
            Statements=[{"Statement": f"INSERT INTO \"{name}\" VALUE {{'CustomerID': 'A', 'DateTime': 'B'}}"}]
        )
        assert "Error" not in answer["Responses"][0]


# The reference


def test_the_reference_computes_the_main_job_by_hand() -> None:
    item = {
        "CustomerID": {"S": "A1"},
        "DateTime": {"S": "2016-05-03T10:28:27.876-07:00"},
        "OrderID": {"S": "114-1"},
        "Note": {"S": "left out"},
    }
    assert main_row(item) == {
        "CustomerID": {"S": "A1"},
        "CreationDateTime": {"N": "1462296507"},
        "ExpirationTimestamp": {"N": "1493832507"},
        "OrderID": {"S": "114-1"},
    }
    assert main_row(item | {"OrderID": {"S": ""}}) is None
    assert main_row({name: value for name, value in item.items() if name != "OrderID"}) is None
    # Rounded down, not toward zero.
    assert epoch("1969-12-31T23:59:59.999Z") == -1


def test_the_reference_reads_the_demo(one_server: Server, prefix: str) -> None:
    client = one_server.client()
    months = data.MONTHS[:2]
    loaded = data.load(client, 150, months, domain=prefix)
    expected = [row for month in months for item in data.items(month, 150) if (row := main_row(item)) is not None]
    assert 180 < len(expected) < 240
    assert_same_items(main_job(client, loaded.sources), expected, ("CustomerID", "CreationDateTime"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"N": "1.0"}, {"N": "1"}),
        ({"N": "1E+3"}, {"N": "1000"}),
        ({"N": "-0"}, {"N": "0"}),
        ({"B": b"\x00\x01"}, {"B": "AAE="}),
        ({"BS": [b"\x00", b"\x00\x01"]}, {"BS": ["AAE=", "AA=="]}),
        ({"SS": ["a", "b"]}, {"SS": ["b", "a"]}),
        ({"NS": ["1", "2.50"]}, {"NS": ["2.5", "1.0"]}),
        ({"M": {"a": {"N": "1"}, "b": {"L": []}}}, {"M": {"b": {"L": []}, "a": {"N": "1.0"}}}),
    ],
)
def test_values_written_differently_are_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert comparable_value(one) == comparable_value(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"N": "1"}, {"S": "1"}),
        ({"N": "12345678901234567890123456789012345678"}, {"N": "12345678901234567890123456789012345679"}),
        ({"N": "1E-130"}, {"N": "0"}),
        ({"S": ""}, {"B": ""}),
        ({"S": "é"}, {"S": "e\u0301"}),
        ({"SS": ["a"]}, {"SS": ["a", "b"]}),
        ({"NS": ["1"]}, {"SS": ["1"]}),
        ({"L": [{"N": "1"}, {"N": "2"}]}, {"L": [{"N": "2"}, {"N": "1"}]}),
        ({"L": []}, {"M": {}}),
        ({"NULL": True}, {"BOOL": True}),
        ({"M": {"a": {"N": "1"}}}, {"M": {"A": {"N": "1"}}}),
    ],
)
def test_different_values_are_not_equal(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert comparable_value(one) != comparable_value(other)
    assert comparable({"x": one}) != comparable({"x": other})


def test_different_items_are_named() -> None:
    one = {"k": {"S": "1"}, "v": {"N": "1"}}
    other = {"k": {"S": "1"}, "v": {"N": "2"}}
    third = {"k": {"S": "3"}}
    with pytest.raises(AssertionError, match=r"different: .*v is \{'N': '2'\}, not \{'N': '1'\}\nextra: .*'3'"):
        assert_same_items([other, third], [one], ("k",))
    with pytest.raises(AssertionError, match=r"missing: .*'3'"):
        assert_same_items([one], [one, third], ("k",))
    # A repeated item is one too many.
    with pytest.raises(AssertionError, match="extra"):
        assert_same_items([one, one], [one], ("k",))
    assert_same_items([third, one], [one, third], ("k",))


# The embedded server


def test_the_embedded_server_ends_with_its_context() -> None:
    with demo_server.embedded() as url:
        assert url.startswith("http://127.0.0.1:")
        assert boto3.client("dynamodb", endpoint_url=url).list_tables()["TableNames"] == []
    assert not answers(url)


def test_the_embedded_server_starts_in_a_folder_that_shadows_its_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "ministack.py", "tempfile.py"):
        (tmp_path / name).write_text("raise SystemExit('the wrong module')\n")
    monkeypatch.chdir(tmp_path)
    # Settings of a user's own ministack.
    monkeypatch.setenv("PERSIST_STATE", "1")
    monkeypatch.setenv("USE_SSL", "1")
    monkeypatch.setenv("GATEWAY_PORT", "1")
    with demo_server.embedded() as url:
        assert answers(url)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("kind", ["ministack", "dynoxide"])
def test_a_server_ends_when_its_parent_is_killed(kind: str) -> None:
    if kind == "dynoxide":
        servers.require_dynoxide()
    program = (
        "import servers, sys, time\n"
        "with servers.start(sys.argv[1]) as server:\n"
        "    print(server.endpoint_url, flush=True)\n"
        "    time.sleep(99)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, kind],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
    )
    with parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert answers(url)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not answers(url)


def test_a_missing_dependency_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ministack", None)
    with pytest.raises(demo_server.DemoUnavailable, match=r'pip install "ddbetl\[demo\]"'), demo_server.embedded():
        pass


@pytest.mark.parametrize(
    ("program", "timeout", "said"),
    [
        ("import sys; sys.exit('no such luck')", 60, r"ended with exit code 1.*\n  no such luck"),
        ("print(1, flush=True); import sys; sys.exit('died later')", 60, r"ended with exit code 1.*\n  died later"),
        ("print(1, flush=True); import sys; sys.stdin.read()", 0.3, r"does not answer.*\n  \(nothing\)"),
        ("import sys; sys.stdin.read()", 0.3, r"does not answer"),
    ],
)
def test_a_server_that_fails_is_an_error_with_its_last_words(
    program: str, timeout: float, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "embedded_ministack.py").write_text(program)
    monkeypatch.setattr(demo_server, "__file__", str(tmp_path / "server.py"))
    with pytest.raises(demo_server.DemoUnavailable, match=said), demo_server.embedded(timeout):
        pass


def answers(url: str) -> bool:
    try:
        boto3.client(
            "dynamodb",
            endpoint_url=url,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
        ).list_tables()
    except Exception:
        return False
    return True
