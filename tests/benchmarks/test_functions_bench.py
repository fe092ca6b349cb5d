"""The benchmark of the transform, on few items: its specs are what it says they are, and what is wrong is found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from ddbetl.expressions.ir import Attribute, Call, Expression
from ddbetl.functions.registry import FUNCTIONS
from tests.benchmarks import chart, functions
from tests.benchmarks.canned_filter import Item
from tests.benchmarks.functions import (
    JOBS,
    PLAIN_MAIN,
    PLAIN_STAR,
    SCALAR,
    STAR,
    VECTORISED,
    Amount,
    Transformed,
    functions_json,
    functions_text,
    measure,
)
from tests.benchmarks.time_readers import Disagreement

FEW = Amount(pages=2, slow_pages=1, rounds=2)
ROWS = 1000
BY_NAME = {job.name: job for job in JOBS}
TWENTY = BY_NAME["20 expressions"]


@pytest.fixture(scope="module")
def found() -> list[Transformed]:
    return measure(FEW, rows=ROWS)


def calls(expression: Expression) -> Iterator[Call]:
    if isinstance(expression, Call):
        yield expression
        for argument in expression.arguments:
            yield from calls(argument)


def test_there_are_twenty_expressions_of_every_category() -> None:
    columns = TWENTY.plan().transform.projection.columns
    computed = [c.expression for c in columns if not isinstance(c.expression, Attribute) or c.expression.steps]
    assert len(computed) == 20
    used = [call.function for expression in computed for call in calls(expression)]
    assert {function.category for function in used} >= {function.category for function in FUNCTIONS}
    assert {"regexp_extract", "regexp_matches"} <= {function.name for function in used}


def test_the_shares_by_reference_are_what_the_specs_are_made_for(found: list[Transformed]) -> None:
    shares = {one.job.name: one.figures()["by_reference_share"] for one in found}
    assert list(shares) == list(BY_NAME)
    assert (shares[STAR], shares[VECTORISED], shares[SCALAR]) == (0, 0, 1)
    assert 0 < shares[TWENTY.name] < 0.02
    assert shares[PLAIN_MAIN] == shares[PLAIN_STAR] == 0
    for one in found:
        assert one.bytes_per_item in (range(180, 220) if one.job.plain else range(450, 650))
        assert (one.items, one.compared) == ((1 if one.job.slow else 2) * ROWS, ROWS)
        assert len(one.passes) == FEW.rounds
        if one.job.name in ("main job", PLAIN_MAIN):
            assert 0.3 < one.written / one.items < 0.5
        else:
            assert one.written == one.items


def test_every_figure_is_in_the_table_the_json_and_the_chart(found: list[Transformed]) -> None:
    saved = json.loads(json.dumps(functions_json(found)))
    assert list(saved) == list(BY_NAME)
    text = functions_text(found)
    for one in found:
        (line,) = (line for line in text.splitlines() if line.startswith(f"  {one.job.name}  ") and "k" in line.split())
        rate = saved[one.job.name]["medians"]["items_per_second"]
        assert f" {rate:,.0f} " in line and f" {one.by_reference / one.items:.2%} " in line
        walls = sorted(took["wall"] for took in saved[one.job.name]["passes"])
        assert rate == pytest.approx(one.items / (sum(walls) / 2))
    machine: dict[str, Any] = {"processor": "A", "usable_cores": 2}
    drawn = chart.draw({"machine": machine, "when": "now", "functions": saved})
    assert drawn is not None and "(100.0% by reference)" in drawn
    rects = ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}rect")
    widths = [float(rect.attrib["width"]) for rect in rects]
    rates = [job["medians"]["items_per_second"] for job in saved.values()]
    assert widths == pytest.approx([max(1.0, chart.BAR_WIDTH * rate / max(rates)) for rate in rates], abs=0.1)


def test_what_is_wrong_is_found_before_any_time_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    star, own, scalar = (BY_NAME[name] for name in (STAR, VECTORISED, SCALAR))
    for jobs, message in (
        ([replace(own, spec=star.spec), scalar], "make different texts"),
        ([replace(scalar, slow=False)], "1,000 of 1,000 items go by reference"),
        ([replace(star, slow=True)], "0 of 1,000 items go by reference"),
        (
            [replace(star, spec=star.spec.replace("*", "* REPLACE (to_number(SessionID) AS SessionID)"))],
            "cannot be written",
        ),
    ):
        with pytest.raises(Disagreement, match=message):
            measure(FEW, jobs, ROWS)
    written = functions._written

    def one_changed(*given: Any) -> list[Item]:
        first, *others = written(*given)
        return [{**first, "MarketplaceID": {"S": "another"}}, *others]

    monkeypatch.setattr(functions, "_written", one_changed)
    with pytest.raises(Disagreement, match="not what the reference evaluator makes"):
        measure(FEW, [star], ROWS)
