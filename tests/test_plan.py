"""The planner: requests, segments, budgets, and the fingerprint."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
from compiling import NOW, catalog, descriptions

from ddbetl.errors import SpecError
from ddbetl.plan.analyzer import Overrides, analyze
from ddbetl.plan.budget import Budget, resolve
from ddbetl.plan.catalog import Catalog, Connection, TableDescription
from ddbetl.plan.explain import estimate
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.options import Rate
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.plan.planner import MOST_SEGMENTS, SEGMENT_BYTES, UNKNOWN_SIZE_SEGMENTS
from ddbetl.plan.planner import plan as make_plan
from ddbetl.plan.settings import rate
from ddbetl.source import SourceText
from ddbetl.syntax import parser
from ddbetl.types import Timestamp, Type

# What a FilterExpression may call. Source: DynamoDB Developer Guide, "Condition and filter expressions".
FUNCTIONS = ("attribute_exists", "attribute_not_exists", "attribute_type", "begins_with", "contains", "size")

TABLES = """
T_{1,2} (ID S, Day N), 500 items, 93500 bytes, provisioned 2000 rcu 1000 wcu
Target (ID S, Day N)
"""
SPEC = """
PARAM suffix = '1';
LET   age = 1 day;
LET   shape = 'yyyy';
INSERT INTO Target
SELECT ID, epoch(Day, shape) + age AS Day, Total FROM T_${suffix}
WHERE Total > 5
ON CONFLICT REPLACE
"""


def planned(
    spec: str,
    known: Catalog | None,
    params: dict[str, str] | None = None,
    overrides: Overrides | None = None,
    now: Timestamp = NOW,
) -> PhysicalPlan:
    parsed = parser.parse(SourceText(spec))
    return make_plan(optimize(analyze(parsed, known, params or {}, overrides or Overrides(), now)))


def rate_of(text: str) -> Rate:
    from ddbetl.plan.options import JOB_OPTIONS

    option = parser.parse_option(text)
    read = {kind.name: kind for kind in JOB_OPTIONS}[option.name.name].read
    assert read is not None
    return rate(read(option))


# Budgets


@pytest.mark.parametrize(
    ("option", "facts", "expected"),
    [
        ("read = 50%", "provisioned 2000 rcu 1000 wcu", Budget(1000, "50% of 2,000 rcu (provisioned)")),
        ("write = 10%", "provisioned 2000 rcu 1000 wcu", Budget(100, "10% of 1,000 wcu (provisioned)")),
        ("read = 12.5%", "provisioned 5 rcu 5 wcu", Budget(0.625, "12.5% of 5 rcu (provisioned)")),
        ("read = 100%", "provisioned 1 rcu 1 wcu", Budget(1, "100% of 1 rcu (provisioned)")),
        # Warm throughput is also told of provisioned tables: what is provisioned counts.
        (
            "read = 50%",
            "provisioned 100 rcu 50 wcu, warm 12000 rcu 4000 wcu",
            Budget(50, "50% of 100 rcu (provisioned)"),
        ),
        ("read = 50%", "on demand, warm 12000 rcu 4000 wcu", Budget(6000, "50% of 12,000 rcu (warm throughput)")),
        ("write = 50%", "on demand, warm 12000 rcu 4000 wcu", Budget(2000, "50% of 4,000 wcu (warm throughput)")),
        (
            "write = 50%",
            "on demand, warm 12000 rcu 4000 wcu, at most 800 rcu 900 wcu",
            Budget(450, "50% of 900 wcu (on-demand maximum)"),
        ),
        (
            "read = 50%",
            "on demand, warm 12000 rcu 4000 wcu, at most 20000 rcu 20000 wcu",
            Budget(6000, "50% of 12,000 rcu (warm throughput)"),
        ),
        ("read = 50%", "on demand, at most 600 rcu 300 wcu", Budget(300, "50% of 600 rcu (on-demand maximum)")),
        ("read = 50%", "on demand", Budget(20000, "50% of 40,000 rcu (default quota)")),
        ("write = 100%", "on demand", Budget(40000, "100% of 40,000 wcu (default quota)")),
        ("read = unlimited", "provisioned 5 rcu 5 wcu", Budget(None, "unlimited")),
        ("read = 750 rcu", "provisioned 5 rcu 5 wcu", Budget(750, "as written")),
        ("write = 1.5 wcu", "on demand", Budget(1.5, "as written")),
    ],
)
def test_what_a_rate_is_of(option: str, facts: str, expected: Budget) -> None:
    table = descriptions(f"Orders (ID S), {facts}")["Orders"]
    assert resolve(rate_of(option), table, option.split()[0]) == expected


def test_a_rate_of_a_table_that_is_not_known() -> None:
    assert resolve(rate_of("read = 30%"), None, "read") == Budget(None, "30% of what the table can take")
    assert resolve(rate_of("read = 30 rcu"), None, "read") == Budget(30, "as written")


def test_each_table_has_its_own_budget() -> None:
    found = planned(
        "INSERT INTO Target SELECT * FROM A_*, Target_2 ON CONFLICT REPLACE WITH (read = 20%, write = 30%)",
        catalog(
            "A_1 (ID S), provisioned 100 rcu 7 wcu\nA_2 (ID S), on demand\n"
            "Target_2 (ID S), on demand, warm 500 rcu 9 wcu\nTarget (ID S), provisioned 3 rcu 200 wcu"
        ),
    )
    assert [scan.budget.units for scan in found.scans] == [20, 8000, 100]
    assert found.write is not None and found.write.budget.units == 60


# Segments and requests


@pytest.mark.parametrize(
    ("size", "segments"),
    [
        (0, UNKNOWN_SIZE_SEGMENTS),
        (1, 1),
        (SEGMENT_BYTES, 1),
        (SEGMENT_BYTES + 1, 2),
        (10 * SEGMENT_BYTES, 10),
        (1000 * SEGMENT_BYTES, MOST_SEGMENTS),
        (10**15, MOST_SEGMENTS),
    ],
)
def test_segments_follow_the_size_of_the_table(size: int, segments: int) -> None:
    known = catalog(f"Orders (ID S), {size} bytes")
    assert planned("SELECT * FROM Orders", known).scans[0].segments == segments
    assert planned("SELECT * FROM Orders WITH (segments = 7)", known).scans[0].segments == 7


def request(spec: str, tables: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(planned(spec, catalog(tables) if tables else None).scans[0].request)
    return found


def test_a_scan_asks_for_its_consumption_and_nothing_that_is_not_needed() -> None:
    assert request("SELECT * FROM Orders") == {"TableName": "Orders", "ReturnConsumedCapacity": "TOTAL"}
    assert request("SELECT * FROM Orders WITH (consistent_read = TRUE)")["ConsistentRead"] is True
    assert request("SELECT a, upper(b.c) AS d FROM Orders") == {
        "TableName": "Orders",
        "ReturnConsumedCapacity": "TOTAL",
        "ProjectionExpression": "#p0, #p1",
        "ExpressionAttributeNames": {"#p0": "a", "#p1": "b"},
    }


def test_every_name_is_sent_as_a_placeholder() -> None:
    names = ["Date", "Status", "Name", "Size", "any name", "a.b", 'q"', "#p0", ":f0", "select", "ä", "a\nb"]
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    found = request(f'SELECT {columns} FROM Orders WHERE "any name" = \'x\' AND Date > 5 AND "#p0" IS NOT NULL')
    marks = found["ExpressionAttributeNames"]
    sent = [marks[mark] for mark in found["ProjectionExpression"].split(", ")]
    assert sent == names
    words = {"AND", "OR", "NOT", "IN", "=", "<>", "<", ">", "<=", ">=", *FUNCTIONS}
    said = set(re.findall(r"[^\s(),]+", f"{found['ProjectionExpression']} {found['FilterExpression']}"))
    assert said <= words | set(marks) | set(found["ExpressionAttributeValues"])
    # A placeholder that is not used is an error of the server.
    assert set(marks) | set(found["ExpressionAttributeValues"]) <= said


# The fingerprint


def fingerprint(
    spec: str = SPEC,
    known: Catalog | None = None,
    params: dict[str, str] | None = None,
    overrides: Overrides | None = None,
    now: Timestamp = NOW,
) -> str:
    return planned(spec, known or catalog(TABLES), params, overrides, now).fingerprint


def let(text: str) -> Overrides:
    return Overrides(lets=((parser.parse_let(text), SourceText(text)),))


def with_table(name: str, **changes: Any) -> Catalog:
    known = catalog(TABLES)
    key = (Connection(), name)
    return replace(known, tables={**known.tables, key: replace(known.tables[key], **changes)})


def test_equal_plans_have_one_fingerprint() -> None:
    assert fingerprint() == fingerprint()
    assert fingerprint(params={"suffix": "1"}) == fingerprint()
    assert fingerprint(f"-- a comment\n{SPEC}") == fingerprint()
    assert fingerprint(SPEC.replace("Total > 5", "Total>5")) == fingerprint()
    assert fingerprint(now=Timestamp(NOW.millis + 1000)) == fingerprint()
    assert fingerprint(overrides=let("age = 1  day")) == fingerprint()


def test_rates_and_sizes_are_no_part_of_it() -> None:
    assert fingerprint(SPEC + "WITH (read = 10%, write = 5 wcu)") == fingerprint()
    assert fingerprint(known=with_table("T_1", items=7, size=7, read_units=1)) == fingerprint()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("age = 1 day", "age = 2 days"),
        ("shape = 'yyyy'", "shape = 'yyyyMM'"),
        ("= '1'", "= '2'"),
        ("Total FROM", "Total AS Sum FROM"),
        ("Total FROM", "Total, Note FROM"),
        (", Total FROM", " FROM"),
        ("SELECT ID, epoch(Day, shape) + age AS Day, Total", "SELECT * REPLACE (epoch(Day, shape) + age AS Day)"),
        ("Total > 5", "Total > 6"),
        ("Total > 5", "Total >= 5"),
        ("Total > 5", "Total.x > 5"),
        ("WHERE Total > 5", ""),
        ("ON CONFLICT", "LIMIT 5 ON CONFLICT"),
        ("REPLACE", "REPLACE ON ERROR SKIP"),
        ("REPLACE", "REPLACE WITH (timezone = 'Europe/Berlin')"),
        ("FROM T_${suffix}", "FROM T_*"),
    ],
)
def test_another_job_has_another_fingerprint(old: str, new: str) -> None:
    changed = SPEC.replace(old, new)
    assert changed != SPEC
    assert fingerprint(changed) != fingerprint(SPEC)


def test_a_table_that_was_made_anew_is_another_one() -> None:
    assert fingerprint(known=with_table("T_1", created="2020-01-01T00:00:00+00:00")) != fingerprint()
    assert fingerprint(known=with_table("T_1", arn="arn:aws:dynamodb:eu-west-1:1:table/T_1")) != fingerprint()
    assert fingerprint(known=with_table("Target", created="2020-01-01T00:00:00+00:00")) != fingerprint()


def test_so_has_one_with_other_values_or_other_tables() -> None:
    assert fingerprint(params={"suffix": "2"}) != fingerprint()
    assert fingerprint(overrides=let("age = 2 days")) != fingerprint()
    assert fingerprint(overrides=let("shape = 'yy'")) != fingerprint()
    assert fingerprint(known=with_table("T_1", arn="arn:aws:dynamodb:us-east-1:1:table/T_1")) != fingerprint()
    assert fingerprint(known=with_table("Target", arn="arn:aws:dynamodb:us-east-1:1:table/Target")) != fingerprint()


def test_it_is_the_same_in_another_process() -> None:
    code = (
        "from ddbetl import api; from ddbetl.types import Timestamp; "
        f"print(api.check({SPEC!r}, now=Timestamp({NOW.millis})).physical.fingerprint)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    offline = make_plan(optimize(analyze(parser.parse(SourceText(SPEC)), None, {}, Overrides(), NOW)))
    assert outcome.stdout.strip() == offline.fingerprint


# The estimate


def described(size: int, read_units: int) -> TableDescription:
    return replace(descriptions("Orders (ID S), provisioned 1 rcu 1 wcu")["Orders"], size=size, read_units=read_units)


def test_the_slowest_table_says_how_long_it_takes() -> None:
    known = catalog("A_1 (ID S), provisioned 100 rcu 1 wcu\nA_2 (ID S), provisioned 10 rcu 1 wcu")
    tables = {key: replace(table, size=8192 * 1000) for key, table in known.tables.items()}
    found = estimate(planned("SELECT * FROM A_* WITH (read = 100%)", replace(known, tables=tables)))
    assert (found.read_units, found.read_seconds) == (2000, 100)
    strong = planned("SELECT * FROM A_* WITH (read = 100%, consistent_read = TRUE)", replace(known, tables=tables))
    assert estimate(strong).read_units == 4000
    unlimited = planned("SELECT * FROM A_* WITH (read = unlimited)", replace(known, tables=tables))
    assert (estimate(unlimited).read_units, estimate(unlimited).read_seconds) == (2000, None)
    assert estimate(planned("SELECT * FROM A_*", None)).read_units is None


def test_an_error_makes_no_plan() -> None:
    with pytest.raises(SpecError):
        planned("SELECT foo(a) AS b FROM Orders", None)


def test_the_key_of_the_target_is_in_the_plan() -> None:
    found = planned(SPEC, catalog(TABLES))
    assert found.write is not None
    assert [(key.name, key.type) for key in found.write.key] == [("ID", Type.STRING), ("Day", Type.NUMBER)]
