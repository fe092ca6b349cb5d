"""Rejects: one JSON line each; the causes, counted; and how many of them a run may have."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from planned import planned

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.engine.meter import Meter, TableMeter
from ddbetl.engine.rejects import MOST_CAUSES, Causes, Reject, Rejects, causes, kind_of
from ddbetl.engine.rows import RowFailure
from ddbetl.engine.splits import Ledger, Page
from ddbetl.errors import JobFailed
from ddbetl.plan.cost import expected_work
from ddbetl.plan.options import ROWS_TO_TELL
from ddbetl.source import Span

SPEC = "SELECT id,\n       n + 1 AS n\nFROM Source"
ITEM = {"id": {"S": "é"}, "at": {"N": "1"}, "raw": {"B": "AAH/"}, "deep": {"M": {"k": {"SS": ["a", "b"]}}}}
FAILURE = RowFailure("R0101", "n: expected NUMBER, found STRING", Span(18, 23))


def rejects(spec: str = SPEC) -> Rejects:
    """The rejects of a job that begins."""
    plan = planned(spec, into="Target")
    budget = Budget(None, clock=float)
    tables = [TableMeter(scan, budget, scan.segments, 0.0) for scan in plan.scans]
    meter = Meter(tables, budget, budget, float, 0.0, expected_work(plan))
    return Rejects(plan.logical, meter, Path("state") / "jobs" / "j1")


def page(of: Rejects, count: int) -> Page:
    """A page with so many items, which has just been read."""
    split = Ledger(of.meter.tables, (), float).splits[0]
    return split.page(msgspec.Raw(b"[]"), count, count, b"")


def line(reject: Reject, *keys: str) -> dict[str, Any]:
    written = rejects().line(reject, keys)
    assert written.endswith(b"\n") and written.count(b"\n") == 1
    found: dict[str, Any] = json.loads(written)
    return found


def test_a_reject_is_one_line_with_the_item_its_key_and_its_place() -> None:
    assert line(Reject("Source", ITEM, "R0101", "n: expected NUMBER, found STRING", Span(18, 23)), "id", "at") == {
        "table": "Source",
        "key": {"id": {"S": "é"}, "at": {"N": "1"}},
        "code": "R0101",
        "message": "n: expected NUMBER, found STRING",
        "line": 2,
        "column": 8,
        "item": ITEM,
    }
    assert line(Reject("Source", {"at": {"N": "1"}}, "R0206", 'the "server"\nrefuses'), "id", "at") == {
        "table": "Source",
        "key": {"at": {"N": "1"}},
        "code": "R0206",
        "message": 'the "server"\nrefuses',
        "line": None,
        "column": None,
        "item": {"at": {"N": "1"}},
    }


def test_half_of_a_surrogate_pair_is_written_as_it_was_read() -> None:
    item = {"id": {"S": "a\ud800"}}
    assert line(Reject("Source", item, "R0205", "no Unicode"), "id")["item"] == item


def test_causes_are_counted_by_code_and_kind_of_message() -> None:
    found = Causes()
    messages = [
        'epoch(d): "yesterday" is no time',
        'epoch(d): "a \\" b" is no time',
        "n: expected NUMBER, found STRING",
    ]
    for message in (*messages, messages[0]):
        found.count("R0107" if "epoch" in message else "R0101", message)
    for size in (409_601, 500_000):
        found.count("R0204", f"the item has {size:,} bytes")
    assert [(cause.code, cause.count) for cause in found.all()] == [("R0107", 3), ("R0204", 2), ("R0101", 1)]
    assert found.all()[0].message == messages[0]


def test_a_kind_of_message_has_nothing_of_the_row() -> None:
    assert kind_of('n: "a \\" -7" is 1,000.5 long') == "n: … is … long"


def test_the_causes_of_a_file_are_those_of_its_lines() -> None:
    one, other = Reject("Source", ITEM, "R0101", "a"), Reject("Source", ITEM, "R0107", "b")
    lines = [rejects().line(reject, ()) for reject in (one, other, one)]
    assert [(cause.code, cause.count) for cause in causes(lines)] == [("R0101", 2), ("R0107", 1)]


def test_the_number_of_causes_is_bounded_and_none_is_left_out() -> None:
    found = Causes()
    for number in range(5 * MOST_CAUSES):
        word = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        found.count("R0206", f"a reason of its own: {word}")
    assert len(found.all()) <= MOST_CAUSES + 1
    assert sum(cause.count for cause in found.all()) == 5 * MOST_CAUSES


# How many there may be


def test_the_rows_that_are_counted_are_those_that_were_to_be_written() -> None:
    """What is filtered, and what waits to be looked at, says nothing of how well the spec fits."""
    found = rejects()
    # A hundred thousand were read; the transform has come to 9,999 of them.
    first = page(found, 100_000)
    first.add(passed=ROWS_TO_TELL - 1 - 200)
    found.add(first, [(ITEM, FAILURE)] * 200)
    with pytest.raises(JobFailed, match=r"201 of 10,000 rows were rejected, more than max_rejects = 1% allows"):
        found.add(first, [(ITEM, FAILURE)])


def test_rows_of_the_page_that_can_be_written_count_too() -> None:
    found = rejects()
    one = page(found, 20_000)
    found.add(one, [(ITEM, FAILURE)] * 150, beside=14_850)
    with pytest.raises(JobFailed, match="151 of 15,001"):
        found.add(one, [(ITEM, FAILURE)], beside=14_850)


@pytest.mark.parametrize(("limit", "allowed"), [("0", 0), ("3", 3), ("100", 100)])
def test_a_number_of_rows_is_a_limit_from_the_first_row_on(limit: str, allowed: int) -> None:
    found = rejects(f"{SPEC} WITH (max_rejects = {limit})")
    one = page(found, 1_000)
    found.add(one, [(ITEM, FAILURE)] * allowed)
    with pytest.raises(JobFailed, match=f"more than max_rejects = {limit} allows"):
        found.add(one, [(ITEM, FAILURE)])


def test_all_may_be_rejected_where_the_spec_says_so() -> None:
    found = rejects(f"{SPEC} WITH (max_rejects = 100%)")
    found.add(page(found, 30_000), [(ITEM, FAILURE)] * 30_000)


def test_the_message_names_the_most_frequent_causes_and_how_to_go_on() -> None:
    found = rejects(f"{SPEC} WITH (max_rejects = 11)")
    kinds = {"one": 1, "two": 2, "three": 3, "four": 6}
    failures = [(ITEM, RowFailure("R0101", f"kind {word}", None)) for word, n in kinds.items() for _ in range(n)]
    with pytest.raises(JobFailed) as stopped:
        found.add(page(found, 100), failures)
    first, *rest = str(stopped.value).split("\n")
    assert first == "12 of 12 rows were rejected, more than max_rejects = 11 allows"
    assert rest[:3] == [" = 6 × R0101  kind four", " = 3 × R0101  kind three", " = 2 × R0101  kind two"]
    assert "  ddbetl resume j1 --state-dir state --max-rejects 100%" in rest
    assert "kind one" not in str(stopped.value)


def test_a_resumed_job_counts_what_it_has_rejected_before() -> None:
    found = rejects(f"{SPEC} WITH (max_rejects = 3)")
    one = page(found, 10)
    one.table.tally = replace(one.table.tally, rejected=3)
    with pytest.raises(JobFailed, match="4 of 4 rows"):
        found.add(one, [(ITEM, FAILURE)])
