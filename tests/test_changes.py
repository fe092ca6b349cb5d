"""What is different between a job and the plan that would go on with it: said in words, and never silence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from planned import planned

from ddbetl.engine.changes import MOST, changes
from ddbetl.engine.runs import record_of
from ddbetl.engine.store import JobRecord
from ddbetl.plan.physical import PhysicalPlan

SPEC = """PARAM domain = 'Devo';
LET ttl = 365 days;
INSERT INTO Target
SELECT id,
       n + 1 AS n,
       epoch(at) + ttl AS expires
FROM Source
WHERE tenant = domain AND n > 0
ON CONFLICT REPLACE
WITH (read = 10%, max_rejects = 3);
"""


def compiled(text: str = SPEC, **params: str) -> PhysicalPlan:
    return planned(text, params=params)


def begun(plan: PhysicalPlan, text: str = SPEC) -> JobRecord:
    """The record of a job, as its store gives it back: what JSON has."""
    record = record_of(plan, "j1", "2026-11-23T10:00:00+00:00", {"text": text})
    return replace(record, identity=json.loads(json.dumps(record.identity)))


def different(now: PhysicalPlan, text: str = SPEC, record: JobRecord | None = None) -> tuple[str, ...]:
    return changes(record or begun(compiled()), now.fingerprint, json.loads(json.dumps(now.identity)), text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("read = 10%, max_rejects = 3", "read = unlimited, write = 5 wcu, max_rejects = 90%, segments = 7"),
        ("SELECT id,", "-- a comment\nSELECT   id  ,"),
        ("n > 0", "n > 0 -- positive"),
    ],
)
def test_rates_comments_and_blanks_make_no_other_plan(before: str, after: str) -> None:
    assert SPEC.count(before) == 1
    text = SPEC.replace(before, after)
    assert different(compiled(text), text) == ()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("n > 0", "n > 1", ("WHERE tenant = domain AND n > 0", "WHERE tenant = domain AND n > 1")),
        ("n + 1", "n + 2", ("n + 1 AS n,", "n + 2 AS n,")),
    ],
)
def test_a_line_that_differs_is_shown_as_it_was_and_is(before: str, after: str, said: tuple[str, str]) -> None:
    text = SPEC.replace(before, after)
    first, second = different(compiled(text), text)
    number = SPEC[: SPEC.index(before)].count("\n") + 1
    assert first == f"line {number}: it was `{said[0]}`"
    assert second == f"{' ' * len(f'line {number}: ')}and is `{said[1]}`"


def test_lines_that_came_and_went_are_named() -> None:
    more = SPEC.replace("       n + 1 AS n,\n", "       n + 1 AS n,\n       n AS m,\n       1 AS one,\n")
    assert different(compiled(more), more) == ("line 6 is new: `n AS m,`", "line 7 is new: `1 AS one,`")
    less = SPEC.replace("       n + 1 AS n,\n", "")
    assert different(compiled(less), less) == ("line 5 is gone: `n + 1 AS n,`",)


def test_parameters_and_lets_are_named_with_both_values() -> None:
    found = different(compiled(domain="Prod"))
    assert found == ("parameter domain: it was Devo, and is Prod",)
    text = SPEC.replace("365 days", "1 day")
    assert different(compiled(text), text)[0].startswith("LET ttl: it was 365 days, and is ")


def test_limit_conflicts_and_errors_are_named() -> None:
    text = SPEC.replace("\nON CONFLICT REPLACE", "\nLIMIT 5\nON CONFLICT REPLACE\nON ERROR SKIP")
    found = different(compiled(text), text)
    assert "LIMIT: it was not there, and is 5" in found
    assert "ON ERROR: it was REJECT, and is SKIP" in found


def named(name: str, arn: str = "arn:1", created: str = "2016", endpoint: str = "") -> list[str]:
    return [name, endpoint, arn, created]


def identity(**other: Any) -> Mapping[str, Any]:
    return {**begun(compiled()).identity, **other}


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ([named("A")], [named("A"), named("B")], "table B is read, and was not there"),
        ([named("A"), named("B")], [named("A")], "table B was read, and is not read any more"),
        ([named("A")], [named("A", created="2017")], "table A was made anew at 2017; the job knows the one of 2016"),
        ([named("A")], [named("A", arn="arn:2")], "table A is another one: its ARN was arn:1, and is arn:2"),
        ([named("A")], [named("A", endpoint="http://x")], "table A"),
    ],
)
def test_other_tables_are_named(before: list[list[str]], now: list[list[str]], said: str) -> None:
    record = replace(begun(compiled()), identity=identity(tables=before))
    found = changes(record, "another", identity(tables=now), SPEC)
    assert any(said in one for one in found)


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (named("T2"), "target: it was T, and is T2"),
        (named("T", created="2017"), "table T was made anew at 2017; the job knows the one of 2016"),
        (named("T", arn="arn:2"), "table T is another one: its ARN was arn:1, and is arn:2"),
    ],
)
def test_another_target_is_named(now: list[str], said: str) -> None:
    record = replace(begun(compiled()), identity=identity(target=named("T")))
    assert changes(record, "another", identity(target=now), SPEC) == (said,)


def test_another_account_is_not_said_of_a_thousand_tables() -> None:
    before = [named(f"T{n:03}") for n in range(1_000)]
    now = [named(f"T{n:03}", arn="arn:2") for n in range(1_000)]
    record = replace(begun(compiled()), identity=identity(tables=before))
    found = changes(record, "another", identity(tables=now), SPEC)
    assert len(found) == MOST
    assert found[-1] == f"and {1_000 - MOST + 1} more"


def test_another_fingerprint_is_never_silence() -> None:
    found = changes(begun(compiled()), "another", identity(), SPEC)
    assert found == ("the plan is another one, made by another version of ddbetl",)
