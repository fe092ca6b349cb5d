"""The optimizer: what is asked of the server is no less than the plan needs."""

from __future__ import annotations

import json

import pytest
from compiling import NOW, catalog

from ddbetl.lowering.dynamo_expr import LONGEST_EXPRESSION
from ddbetl.plan.analyzer import Overrides, analyze
from ddbetl.plan.logical import LogicalPlan, parts
from ddbetl.plan.optimizer import RULES, optimize, push_filter, push_projection
from ddbetl.plan.planner import plan
from ddbetl.source import SourceText
from ddbetl.syntax import parser

TABLES = "Orders (OrderID S, Day N)\nOrders_old (ID S)\nArchive (OrderID S)"


def analyzed(spec: str, tables: str | None = TABLES) -> LogicalPlan:
    known = catalog(tables) if tables is not None else None
    return analyze(parser.parse(SourceText(spec)), known, {}, Overrides(), NOW)


def attributes(spec: str, tables: str | None = TABLES) -> set[str] | None:
    found = parts(optimize(analyzed(spec, tables))).scan.attributes
    assert found is None or len(set(found)) == len(found)
    return set(found) if found is not None else None


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("SELECT Total FROM Orders", {"Total", "OrderID", "Day"}),
        ("SELECT Total FROM Orders, Orders_old", {"Total", "OrderID", "Day", "ID"}),
        ("SELECT OrderID FROM Orders", {"OrderID", "Day"}),
        ("SELECT 1 AS One FROM Orders", {"OrderID", "Day"}),
        ("SELECT a.b AS c, d[0].e AS f FROM Orders", {"a", "d", "OrderID", "Day"}),
        ("SELECT upper(a) AS c FROM Orders WHERE d > 5 OR e.f IS MISSING", {"a", "d", "e", "OrderID", "Day"}),
        ("SELECT if(a > 1, b, try(c)) AS x FROM Orders", {"a", "b", "c", "OrderID", "Day"}),
        (
            "SELECT case_ AS x FROM Orders WHERE CASE k WHEN 1 THEN a ELSE b END = 2",
            {"case_", "k", "a", "b", "OrderID", "Day"},
        ),
        ("SELECT a AS A, A AS b FROM Orders", {"a", "A", "OrderID", "Day"}),
        ("SELECT * FROM Orders", None),
        ("SELECT * EXCLUDE (a) FROM Orders WHERE b > 1", None),
        ("SELECT a, * FROM Orders WHERE b > 1".replace("a, *", "*, 1 AS One"), None),
    ],
)
def test_the_server_sends_what_is_read_and_the_keys(spec: str, expected: set[str] | None) -> None:
    assert attributes(spec) == expected


def test_offline_the_keys_are_not_known() -> None:
    assert attributes("SELECT a FROM Orders", None) == {"a"}
    assert attributes("SELECT 1 AS One FROM Orders", None) is None


def test_a_folded_constant_reads_nothing() -> None:
    assert attributes('LET a = 5; SELECT a * 2 AS b, "c" AS d FROM Orders') == {"c", "OrderID", "Day"}


@pytest.mark.parametrize("count", [10, 100, 500, 600, 2000])
def test_a_projection_is_never_longer_than_dynamodb_takes(count: int) -> None:
    spec = f"SELECT {', '.join(f'a{n}' for n in range(count))} FROM Orders"
    request = json.loads(plan(optimize(analyzed(spec))).scans[0].request)
    projected = request.get("ProjectionExpression")
    assert (projected is None) == (count > 500)
    assert projected is None or len(projected.encode()) <= LONGEST_EXPRESSION


def test_without_a_condition_nothing_is_filtered() -> None:
    assert parts(optimize(analyzed("SELECT * FROM Orders"))).scan.filter is None


@pytest.mark.parametrize("where", ["upper(a) = 'X' OR try(b) = 1", "now() > parse_time(a) OR TRUE", "a = a OR TRUE"])
def test_a_filter_that_could_leave_nothing_out_is_not_sent(where: str) -> None:
    condition = parts(optimize(analyzed(f"SELECT * FROM Orders WHERE {where}"))).scan.filter
    assert condition is None


def test_a_simple_filter_is_sent() -> None:
    condition = parts(optimize(analyzed("SELECT * FROM Orders WHERE Status = 'open'"))).scan.filter
    assert condition is not None
    assert dict(condition.names).keys() == {"#f0"}
    assert "Status" in dict(condition.names).values()
    assert '{"S": "open"}' in dict(condition.values).values()


def test_a_rule_changes_the_scan_alone() -> None:
    before = analyzed("INSERT INTO Archive SELECT a AS OrderID FROM Orders WHERE b > 5 LIMIT 3 ON CONFLICT REPLACE")
    for rule in RULES:
        after = rule(before)
        one, other = parts(before), parts(after)
        assert (one.filter and one.filter.predicate) == (other.filter and other.filter.predicate)
        assert one.project.projection == other.project.projection
        assert (one.limit and one.limit.rows) == (other.limit and other.limit.rows)
        assert (one.write and one.write.target) == (other.write and other.write.target)
        assert one.scan.tables == other.scan.tables
        assert rule(after) == after
    assert push_filter(push_projection(before)) == push_projection(push_filter(before))
