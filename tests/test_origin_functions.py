"""Where a row came from: captures of a pattern's wildcards and keys of source tables, in functions and in plans."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from generated import any_attribute, items
from hypothesis import given, settings
from hypothesis import strategies as st
from planned import HERE, NOW, planned, table
from vectorised import CONTEXT, ORIGIN, SETTINGS, Item, Outcome, Vectorised, compiled, disagreement, reference

from ddbetl.errors import SpecError
from ddbetl.expressions.ir import Attribute, Call, attributes
from ddbetl.expressions.resolve import Settings
from ddbetl.functions.model import Origin, RowContext
from ddbetl.plan.analyzer import Overrides, analyze
from ddbetl.plan.catalog import Catalog, Site
from ddbetl.plan.logical import parts
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax import parser
from ddbetl.syntax.parser import parse_expression

OTHER = Origin("Users_EU_2017", "Users_*_*", ("EU", "2017"), ("UserID",))


def among(*origins: Origin) -> Settings:
    return replace(SETTINGS, origins=origins)


def message(text: str, settings: Settings) -> tuple[str, str]:
    expression, found = compile_expression(parse_expression(source := SourceText(text)), source, settings)
    assert expression is None
    (diagnostic,) = found
    return diagnostic.code, diagnostic.message


def outcomes(text: str, settings: Settings, rows: list[Item]) -> list[Outcome]:
    """Outcomes of rows of ORIGIN's table, whose evaluators agree."""
    expression = compiled(text, settings)
    with Vectorised(rows) as evaluated:
        (found,) = evaluated.run([expression])
    assert found is not None
    for item, outcome in zip(rows, found, strict=True):
        assert disagreement(expression, item, outcome) is None
    return found


# capture


def test_a_capture_is_that_of_the_row_s_table() -> None:
    expression = compiled("capture(1)", among(ORIGIN, OTHER))
    assert reference(expression, {}) == "201605"
    assert reference(expression, {}, RowContext(OTHER.table, CONTEXT.now)) == "EU"
    assert reference(compiled("capture(2)", among(OTHER)), {}, RowContext(OTHER.table, CONTEXT.now)) == "2017"


@pytest.mark.parametrize("count", [1, 2, 500])
def test_a_capture_is_fast_among_many_tables(count: int) -> None:
    others = [Origin(f"Orders_{number}", "Orders_*", (f"{number}",)) for number in range(count - 1)]
    found = outcomes("capture(1)", among(*others, ORIGIN), [{}, {"x": {"S": "a"}}])
    assert [(outcome.fast, outcome.vectorised) for outcome in found] == [(True, "201605")] * 2


@pytest.mark.parametrize(
    ("n", "told"),
    [
        ("2", "capture: Orders_* has 1 wildcard, so there is no capture(2)"),
        ("3", "capture: Orders_* has 1 wildcard, so there is no capture(3)"),
        ("0", "capture: n must be a whole number from 1"),
        ("-1", "capture: n must be a whole number from 1"),
        ("1.5", "capture: n must be a whole number from 1"),
    ],
)
def test_a_capture_is_one_of_every_pattern_s(n: str, told: str) -> None:
    assert message(f"capture({n})", among(OTHER, ORIGIN)) == ("E0305", told)


def test_a_name_captures_nothing() -> None:
    told = "capture: Orders has no wildcards, so there is no capture(1)"
    assert message("capture(1)", among(Origin("Orders", "Orders"))) == ("E0305", told)


def test_a_capture_is_known_before_the_run() -> None:
    code, told = message("capture(n)", SETTINGS)
    assert code == "E0304" and "must be known before the run" in told


def test_one_table_by_two_patterns_must_capture_one_text() -> None:
    """As of two regions; one name has one row's context."""
    twice = Origin(ORIGIN.table, "*_201605", ("Orders",))
    told = "capture: Orders_201605 is read from two places, by patterns that capture different texts"
    assert message("capture(1)", among(ORIGIN, twice)) == ("E0305", told)
    assert reference(compiled("capture(1)", among(ORIGIN, ORIGIN)), {}) == "201605"


def test_without_tables_any_capture_may_be() -> None:
    """As in a LET, which is no place for it anyway, or behind an error of FROM."""
    assert isinstance(compiled("capture(7)", among()), Call)


# source_key


def test_the_key_is_read_though_the_spec_does_not_name_it() -> None:
    expression = compiled("source_key()", among(ORIGIN, OTHER, ORIGIN))
    assert list(attributes(expression)) == [Attribute("CustomerID"), Attribute("OrderID"), Attribute("UserID")]


def test_the_key_is_that_of_the_row_s_table() -> None:
    item: Item = {"CustomerID": {"S": "c"}, "OrderID": {"N": "7"}, "UserID": {"B": "aGk="}, "Total": {"N": "1"}}
    expression = compiled("source_key()", among(ORIGIN, OTHER))
    assert reference(expression, item) == {"CustomerID": "c", "OrderID": 7}
    assert reference(expression, item, RowContext(OTHER.table, CONTEXT.now)) == {"UserID": b"hi"}
    (found,) = outcomes("source_key()", among(ORIGIN, OTHER), [item])
    assert found.fast


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**64 - 1), st.booleans())
def test_keys_are_alike_by_both_evaluators(seed: int, more: bool) -> None:
    draw = random.Random(seed)
    key = tuple(draw.sample(["s", "n", "y", 'q"', "it's", "日本", "x"], draw.randrange(1, 3)))
    origins = (replace(ORIGIN, key=key), *((replace(OTHER, key=("s", "t")),) if more else ()))
    rows = items(draw, 20)
    for row in rows:
        row.update({name: any_attribute(draw) for name in key if draw.random() < 0.7})
    found = outcomes("source_key()", among(*origins), rows)
    assert all(outcome.fast for outcome in found)


def test_one_table_in_two_places_must_have_one_key() -> None:
    twice = replace(ORIGIN, key=("OrderID",))
    told = "source_key: Orders_201605 is read from two places, and has another key in each"
    assert message("source_key()", among(ORIGIN, twice)) == ("E0305", told)
    assert isinstance(compiled("source_key()", among(ORIGIN, replace(ORIGIN, key=ORIGIN.key[::-1]))), Call)


def test_without_keys_the_call_still_compiles() -> None:
    """As when the plan is made offline."""
    expression = compiled("source_key()", among(Origin("Orders_*", "Orders_*", ("*",))))
    assert list(attributes(expression)) == []


# What the plan says


def test_the_plan_knows_the_tables_and_their_keys() -> None:
    found = planned("SELECT source_key() AS k, Total FROM Orders, Users")
    (scan, _) = found.scans
    request = json.loads(scan.request)
    read = {request["ExpressionAttributeNames"][name] for name in request["ProjectionExpression"].split(", ")}
    assert read == {"id", "Total"}
    assert found.transform.statement.projects


def test_the_plan_of_a_pattern_captures() -> None:
    spec = parser.parse(SourceText("SELECT capture(2) AS c FROM Orders_*_{2016..2017}, *_?"))
    tables = {(HERE, name): table(name) for name in ("Orders_NA_2016", "Orders_EU_2017", "Users_7")}
    catalog = Catalog(
        {HERE: Site("us-east-1", None, "http://127.0.0.1:1")}, tables, {HERE: tuple(n for _, n in tables)}
    )
    scan = parts(analyze(spec, catalog, {}, Overrides(connection=HERE), NOW)).scan
    assert {one.name: (one.pattern, one.captures) for one in scan.tables} == {
        "Orders_NA_2016": ("Orders_*_{2016..2017}", ("NA", "2016")),
        "Orders_EU_2017": ("Orders_*_{2016..2017}", ("EU", "2017")),
        "Users_7": ("*_?", ("Users", "7")),
    }


def test_offline_a_pattern_stands_for_its_tables() -> None:
    spec = parser.parse(SourceText("SELECT capture(1) AS c, source_key() AS k FROM Orders_*"))
    (one,) = parts(analyze(spec, None, {}, Overrides(), NOW)).scan.tables
    assert (one.name, one.captures) == ("Orders_*", ("*",))


def test_no_let_knows_the_tables() -> None:
    for call in ("capture(1)", "source_key()"):
        spec = parser.parse(SourceText(f"LET c = {call}; SELECT c AS c FROM Orders_*"))
        with pytest.raises(SpecError) as caught:
            analyze(spec, None, {}, Overrides(), NOW)
        assert [diagnostic.code for diagnostic in caught.value.diagnostics] == ["E0206"]
