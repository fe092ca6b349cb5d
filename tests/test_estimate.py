"""Estimates against the truth: what a plan says that it will use, by a sample, and what its run then uses.

The server is the one that counts units as DynamoDB does. Of each job the units are compared that it has used of its
sources and its target, read and written, with those that were expected before.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
import servers
import tables
from servers import Server

import ddbetl
from ddbetl.engine.report import RunReport

COUNT = 2400
SAMPLE = 400
# Of the units that are used.
NEAR = 0.10
# Where nothing is written but until the run knows better: how many batches are in flight then, is chance.
LEARNS = {"inserts where all is there"}


@dataclass(frozen=True, slots=True)
class Data:
    server: Server
    prefix: str

    def plan(self, spec: str) -> ddbetl.Plan:
        text = f"{spec.format(p=self.prefix)} WITH (read = unlimited, write = unlimited)"
        return ddbetl.compile(text, endpoint_url=self.server.endpoint_url)


def order(number: int, text: int, customer: str = "C") -> tables.Item:
    """An item of some hundred bytes, every third of them large; every fourth is of 2016."""
    item: tables.Item = {
        "CustomerID": {"S": f"{customer}{number:06}"},
        "DateTime": {"S": f"{2016 if number % 4 == 0 else 2017}-03-01T08:{number % 60:02}:00Z"},
        "Note": {"S": "x" * (text + (2000 if number % 3 == 0 else number % 50))},
    }
    if number % 5:
        item["Day"] = {"N": str(number % 30)}
    return item


@pytest.fixture(scope="module")
def data(running_server: object) -> Data:
    server: Server = running_server("dynoxide")  # type: ignore[operator]
    assert server.reports_scan_capacity
    prefix = servers.new_prefix()
    shuffled = random.Random(7)
    for name, text in (("A", 200), ("B", 900)):
        tables.create(server, f"{prefix}{name}", ("CustomerID", "S"), ("DateTime", "S"))
        numbers = range(COUNT if name == "A" else COUNT // 2)
        items = [order(number, text, "C" if name == "A" else "D") for number in numbers]
        shuffled.shuffle(items)
        tables.fill(server, f"{prefix}{name}", items)
    by_day = {
        "IndexName": "ByDay",
        "KeySchema": [{"AttributeName": "Day", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    for name, indexes in (
        ("Plain", []),
        ("Indexed", [by_day]),
        ("Again", []),
        ("Full", []),
        ("Gone", []),
        ("Merged", []),
        ("Kept", []),
    ):
        key = ("CustomerID", "S"), ("DateTime", "S")
        if indexes:
            _with_index(server, f"{prefix}{name}", by_day)
        else:
            tables.create(server, f"{prefix}{name}", *key)
    for name in ("Full", "Gone", "Kept"):
        tables.fill(server, f"{prefix}{name}", [order(number, 100) for number in range(COUNT)])
    return Data(server, prefix)


def _with_index(server: Server, name: str, index: dict[str, object]) -> None:
    client = server.client()
    names = {"CustomerID": "S", "DateTime": "S", "Day": "N"}
    client.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "CustomerID", "KeyType": "HASH"},
            {"AttributeName": "DateTime", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in names.items()],
        GlobalSecondaryIndexes=[index],
    )
    client.get_waiter("table_exists").wait(TableName=name)
    client.close()


SPECS = {
    "some columns of some rows, of two tables": """
        INSERT INTO {p}Plain SELECT CustomerID, DateTime, Note, source_table() AS Origin FROM {p}A, {p}B
        WHERE DateTime >= '2017' ON CONFLICT REPLACE""",
    "every attribute, into an index as well": "INSERT INTO {p}Indexed SELECT * FROM {p}A ON CONFLICT REPLACE",
    "inserts where nothing is": "INSERT INTO {p}Again SELECT * FROM {p}B ON CONFLICT SKIP",
    "inserts where all is there": "INSERT INTO {p}Kept SELECT * FROM {p}A ON CONFLICT SKIP",
    "a merge of two columns into what is there": """
        MERGE INTO {p}Full SELECT CustomerID, DateTime, 'seen' AS Mark, 1 AS Times FROM {p}A WHERE Day IS NOT NULL""",
    "a merge of rows that are all new": "MERGE INTO {p}Merged SELECT CustomerID, DateTime, 1 AS Times FROM {p}A",
    "deletes": "DELETE FROM {p}Gone USING SELECT CustomerID, DateTime FROM {p}A WHERE length(Note) < 1000",
    "one customer, by a query": """
        INSERT INTO {p}Plain SELECT * FROM {p}A WHERE CustomerID = 'C000003' ON CONFLICT REPLACE""",
}


def used(report: RunReport) -> tuple[float, float]:
    """Read and write units of a run, of all its tables."""
    progress = report.progress
    return progress.read_units + progress.target_read_units, progress.write_units


@pytest.mark.parametrize("shape", SPECS)
def test_what_is_expected_is_what_is_used(shape: str, data: Data, tmp_path: Path) -> None:
    plan = data.plan(SPECS[shape])
    expected = plan.sample(SAMPLE).estimate()
    assert expected.sampled and expected.sample_units > 0
    report = plan.run(state_dir=tmp_path)
    assert report.progress.rejected == 0
    read, write = used(report)
    assert expected.read_units is not None and expected.write_units is not None and expected.compare_units is not None
    assert expected.read_units.expected + expected.compare_units.expected == pytest.approx(read, rel=NEAR)
    if shape not in LEARNS:
        assert expected.write_units.expected == pytest.approx(write, rel=NEAR)
    assert expected.compare_units.low <= report.progress.target_read_units <= expected.compare_units.high
    assert expected.write_units.low <= write <= expected.write_units.high
    assert expected.rows is not None
    done = report.progress.written + report.progress.skipped + report.progress.unchanged
    assert expected.rows.low <= done <= expected.rows.high
