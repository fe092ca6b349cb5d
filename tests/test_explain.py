"""Explain: golden pages and JSON values, and what they promise."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from cases import Case, cases, check
from compiling import control_plane, plan

from ddbetl import api
from ddbetl.expressions.writing import Action
from ddbetl.plan.layout import WIDTH, columns, duration, rate, size, wrapped
from ddbetl.plan.options import CONNECTION_OPTIONS, JOB_OPTIONS
from ddbetl.types import Timestamp

CASES = cases("explain")
PAGES = [case for case in CASES if "--json" not in case.args]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_explain(case: Case) -> None:
    found = plan(case)
    if "--json" in case.args:
        check(case, json.dumps(found.explain_json(), indent=2, ensure_ascii=False))
    else:
        check(case, found.explain(verbose="--verbose" in case.args))


def test_the_cases_show_every_option_and_every_way_to_read_and_write() -> None:
    said = "\n".join(case.spec for case in CASES)
    assert [option.name for option in (*JOB_OPTIONS, *CONNECTION_OPTIONS) if f"{option.name} = " not in said] == []
    found = [plan(case).explain_json() for case in CASES]
    targets = [value["target"] for value in found if value["target"] is not None]
    assert {target["action"] for target in targets} == set(Action)
    assert {target["switches_on_ttl"] for target in targets} == {True, False}
    assert {value["on_error"] for value in found} >= {"REJECT", "SKIP"}
    ways = {(source["operation"], source["index"] is not None) for value in found for source in value["sources"]}
    assert ways == {("Scan", False), ("Query", False), ("Query", True)}
    hows = {column["how"] for value in found for column in value["columns"]}
    assert hows == {"copied unchanged", "constant", "vectorised", "by reference"}
    limits = {value["estimate"]["limit"]["kind"] for value in found if value["estimate"]["limit"] is not None}
    assert limits >= {"read", "write", "partitions"}
    pages = "\n\n".join(case.text("expect") or "" for case in PAGES)
    heads = set(re.findall(r"^([A-Z]{2}[A-Z ]*)(?:  |$)", pages, re.M))
    assert heads >= {"SOURCES", "READ", "COMPUTE", "WRITE", "ROWS", "IN USE", "ESTIMATE", "WARNINGS", "PLAN", "REQUEST"}


# The JSON value


def shape(value: Any) -> Any:
    """The keys of a JSON value, all the way down; a list is what its first element is."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return None


# Keys that a spec chooses.
OPEN = ("parameters", "lets", "request", "queries", "rename")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_json_value_has_one_schema(case: Case) -> None:
    found = plan(case).explain_json()
    assert json.loads(json.dumps(found)) == found
    assert list(found) == [
        *("ddbetl_explain", "fingerprint", "spec", "parameters", "lets", "sources", "where", "star", "columns"),
        *("time_calls", "limit", "on_error", "max_rejects", "time_zone", "target", "traffic", "estimate", "warnings"),
    ]
    assert found["ddbetl_explain"] == 1
    for source in found["sources"]:
        assert list(source) == [
            *("table", "region", "account", "endpoint", "arn", "items", "bytes", "billing", "segments", "operation"),
            *("index", "request", "queries", "budget"),
        ]
        assert list(source["budget"]) == ["units_per_second", "basis", "in_use"]
    for column in found["columns"]:
        assert list(column) == ["name", "type", "nullable", "expression", "how"]
        assert column["how"] in ("copied unchanged", "constant", "vectorised", "by reference")
    for call in found["time_calls"]:
        assert list(call) == ["call", "in", "fast_path", "slow_because"]
        assert call["in"] and (call["fast_path"] or call["slow_because"])
    assert list(found["estimate"]) == [
        *("read_units", "read_seconds", "items", "rows", "reading", "writing", "comparing", "dollars", "charges"),
        *("prices", "seconds", "limit", "faster", "assumptions", "sample"),
    ]
    for name in ("items", "rows", "reading", "writing", "comparing", "dollars", "seconds"):
        ends = found["estimate"][name]
        assert ends is None or list(ends) == ["low", "expected", "high"]
        assert ends is None or 0 <= ends["low"] <= ends["expected"] <= ends["high"]
    for charge in found["estimate"]["charges"]:
        assert list(charge) == ["table", "what", "region", "billing", "units", "dollars", "why"]
        assert (charge["dollars"] is None) == bool(charge["why"])
    if found["target"] is not None:
        assert list(found["target"]) == [
            *("table", "region", "account", "endpoint", "arn", "request", "action", "on_conflict", "newest", "key"),
            *("indexes", "units_per_row", "budget", "reads", "collisions", "no_collisions", "ttl_attribute"),
            *("switches_on_ttl", "create"),
        ]
        assert (found["target"]["collisions"] is None) == bool(found["target"]["no_collisions"])


def test_the_requests_are_those_of_the_plan() -> None:
    case = next(case for case in CASES if case.path.stem == "two_regions")
    found = plan(case)
    assert [source["request"] for source in found.explain_json()["sources"]] == [
        json.loads(scan.request) for scan in found.physical.scans
    ]


# The page


@pytest.mark.parametrize("case", PAGES, ids=str)
@pytest.mark.parametrize("width", [80, WIDTH, 120])
def test_a_page_fits_a_terminal(case: Case, width: int) -> None:
    page = plan(case).explain(width=width).partition("\nWARNINGS")[0]
    for line in page.split("\n"):
        assert line == line.rstrip()
        # The names of tables have the width that they have.
        assert len(line) <= width + 5, line


def test_a_narrow_page_says_the_same() -> None:
    """Where a table's line would be too long, the budgets' bases stand below the tables, each once."""
    found = plan(next(case for case in CASES if case.path.stem == "main_job"))
    wide, narrow = found.explain(width=120), found.explain(width=80)
    basis = "50% of 2,000 rcu (provisioned)"
    assert wide.count(basis) == 13 and narrow.count(basis) == 1
    assert f"\n  units/s  1,000  {basis}\n" in narrow
    assert set(wide.split()) == set(narrow.split())


@pytest.mark.parametrize("case", PAGES, ids=str)
def test_a_page_says_what_its_json_value_says(case: Case) -> None:
    found = plan(case)
    page, value = found.explain(), found.explain_json()
    assert all(source["table"] in page for source in value["sources"])
    for column in value["columns"]:
        assert re.search(
            rf"^ +.*{re.escape(column['name'].replace(chr(34), chr(34) * 2))}.* {column['how']}$", page, re.M
        )
    for call in value["time_calls"]:
        said = "fast path" if call["fast_path"] else "no fast path: "
        (first, _, _) = call["call"].partition(",")
        assert re.search(rf"^  {re.escape(first)}.*  {said}", page, re.M)
    offline = case.text("catalog") is None
    assert ("offline" in page) == offline == (value["estimate"]["read_units"] is None)
    assert all(f"[{warning['code']}]" in page for warning in value["warnings"])


def test_explaining_costs_no_units() -> None:
    with control_plane("Orders (OrderID S), 5 items, 5 bytes\nArchive (OrderID S)") as opened:
        spec = "INSERT INTO Archive SELECT * FROM Orders ON CONFLICT REPLACE"
        found = api.compile(spec, now=Timestamp(0))
        assert found.explain() and found.explain_json()
    # A control plane has nothing that reads or writes an item; and no other was opened.
    asked = ["DescribeTable Archive", "DescribeTable Orders", "close", "DescribeContinuousBackups Archive", "close"]
    assert [control.asked for control in opened] == [asked]


# Layout


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KB"),
        (93_500_000, "93.5 MB"),
        (280_500_000, "280 MB"),
        (999_499_999, "999 MB"),
        (999_500_000, "1.0 GB"),
        (5_400_000_000_000_000, "5,400 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than 1 s"),
        (0.7, "1 s"),
        (1, "1 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (86_400 * 3 + 3600 * 4, "3 d 4 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("units", "text"), [(0.5, "0.5"), (0.625, "0.62"), (2.5, "2.5"), (3, "3"), (12.5, "12"), (6000, "6,000")]
)
def test_rates(units: float, text: str) -> None:
    assert rate(units) == text


def test_columns_are_aligned() -> None:
    assert columns([("a", "1"), ("bcd", "234")], right=(1,)) == "  a      1\n  bcd  234"
    assert columns([("a", ""), ("bcd", "2")]) == "  a\n  bcd  2"
    assert columns([]) == ""


def test_a_long_cell_is_broken_between_words() -> None:
    text = " ".join(f"word{n}" for n in range(40))
    page = columns([("name", text, "end"), ("other", "short", "end")], wrap=1)
    lines = page.split("\n")
    assert all(len(line) <= WIDTH for line in lines)
    assert lines[0].startswith("  name   word0 ") and lines[0].endswith("  end")
    assert lines[1].startswith("         word") and "end" not in lines[1]
    assert re.findall(r"word\d+", page) == text.split()


def test_brackets_and_comparisons_stay_together() -> None:
    text = "attribute_exists(#f0) AND NOT (attribute_type(#f0, :f0)) AND NOT (#f0 = :f2) OR #f1 IN (:f1, :f2)"
    for width in range(40, 100):
        lines = wrapped(text, width)
        assert " ".join(lines) == text
        assert all(len(line) <= width for line in lines)
        for kept in ("attribute_type(#f0, :f0)", "NOT (#f0 = :f2)", "#f1 IN (:f1, :f2)"):
            assert any(kept in line for line in lines), (width, lines)
