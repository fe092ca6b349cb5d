"""The compiler over any text: a plan or a SpecError, nothing else; and whatever it says, it says inside the text.

Real specs with pieces cut out, doubled and replaced; generated syntax trees; and generated expressions that mostly have
the types that they need, so that they come through to folding, lowering and explain.
"""

from __future__ import annotations

import json
import os
from random import Random

import pytest
from cases import cases
from compiling import NOW, catalog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_specs import generated, mutated
from trees import mutated_specs, specs

from ddbetl import api
from ddbetl.diagnostics import Diagnostic, render
from ddbetl.errors import SpecError
from ddbetl.plan import explain
from ddbetl.plan.analyzer import Overrides, analyze
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.planner import plan
from ddbetl.source import SourceText
from ddbetl.syntax import parser
from ddbetl.syntax.formatter import format_spec

GOOD = [case.spec for kind in ("syntax", "analyzer", "explain", "diagnostics") for case in cases(kind)]
PARAMS = {"domain": "Devo", "region": "NA", "month": "201605", "größe": "x"}
KNOWN = catalog(
    """
    CustomerTracker_Devo_NA_{201605,201606} (CustomerID S, DateTime S), 500 items, 93500 bytes
    Devo_NA_AnniversaryPromo_2017 (CustomerID S, CreationDateTime N)
    Orders (OrderID S), on demand, index ByDay (Day N)
    Archive (OrderID S), provisioned 5 rcu 5 wcu
    Tracker_{201605,201606} (CustomerID S, DateTime S)
    Promo (CustomerID S, CreationDateTime N), index ByDay (Day N), index ByTotal (Total N, CustomerID S)
    """
)

# Of a thousand specs each.
SEEDS = int(os.environ.get("DDBETL_FUZZ_SEEDS", "20"))

fuzz = settings(
    deadline=None, max_examples=250, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def check_said(source: SourceText, diagnostics: tuple[Diagnostic, ...]) -> None:
    """What holds of every list of diagnostics."""
    for diagnostic in diagnostics:
        text = (diagnostic.source or source).text
        spans = [label.span for label in diagnostic.labels]
        spans += [diagnostic.span] if diagnostic.span is not None else []
        for span in spans:
            assert 0 <= span.start <= span.end <= len(text), (diagnostic, text)
        assert diagnostic.message
    lines = render(source, diagnostics).split("\n")
    assert all(len(line) < 2000 for line in lines)
    assert len(set(diagnostics)) == len(diagnostics)


def compile_both(text: str, params: dict[str, str]) -> bool:
    """Compile a text offline and against tables; whether there was a plan."""
    offline = compile_offline(text, params)
    return compile_online(text, params) or offline


def compile_offline(text: str, params: dict[str, str]) -> bool:
    try:
        made = api.check(text, params=params, now=NOW)
        check_said(made.source, made.warnings)
        assert made.explain()
        json.dumps(made.explain_json())
    except SpecError as error:
        assert error.diagnostics
        check_said(error.source, error.diagnostics)
        return False
    return True


def compile_online(text: str, params: dict[str, str]) -> bool:
    try:
        spec = parser.parse(SourceText(text))
        physical = plan(optimize(analyze(spec, KNOWN, params, Overrides(), NOW)))
        check_said(spec.source, physical.warnings)
        assert explain.as_text(physical, KNOWN.sites)
        json.dumps(explain.as_json(physical, KNOWN.sites))
    except SpecError as error:
        assert error.diagnostics
        check_said(error.source, error.diagnostics)
        return False
    return True


def declared(text: str) -> dict[str, str]:
    return {name: value for name, value in PARAMS.items() if name in text}


@pytest.mark.parametrize("text", GOOD)
def test_every_spec_of_the_cases(text: str) -> None:
    compile_both(text, declared(text))
    compile_both(text, {})


@fuzz
@given(mutated_specs(GOOD))
def test_damaged_specs(text: str) -> None:
    compile_both(text, declared(text))


@fuzz
@given(specs.map(format_spec))
def test_generated_specs(text: str) -> None:
    compile_both(text, declared(text))


@fuzz
@given(
    st.text(max_size=40) | st.sampled_from(GOOD).flatmap(lambda text: st.integers(0, len(text)).map(lambda n: text[:n]))
)
@example("")
@example("SELECT * FROM \ud800x")
def test_any_text_and_every_beginning_of_a_spec(text: str) -> None:
    compile_both(text, declared(text))


# By the thousand


@pytest.mark.parametrize("seed", range(SEEDS))
def test_thousands_of_specs(seed: int) -> None:
    random = Random(seed)
    plans = 0
    for number in range(1000):
        text = mutated(random, GOOD) if number % 2 else generated(random)
        try:
            # Half of each kind offline, half against tables.
            plans += (compile_offline if number % 4 < 2 else compile_online)(text, declared(text))
        except Exception as error:
            error.add_note(f"seed {seed}, number {number}: {text!r}")
            raise
    # Not everything is refused.
    assert plans > 50


# Expressions with mostly the right types

NUMBERS = [
    "0",
    "1",
    "-1",
    "0.1",
    "1e125",
    "9.99e125",
    "1e-130",
    "99999999999999999999999999999999999999",
    "86400",
    "2.5",
]
TEXTS = ["''", "'a'", "'2016-05-03T10:28:27.876-07:00'", "'5'", "'1e400'", "'it''s'", "'日本'", "'true'", "'%_!'"]
PATTERNS = ["'yyyy-MM-dd'", "'yyyy-QQ'", "'dd/MM/yy'", "''", "'EEE, d MMM yyyy HH:mm:ss Z'", "'x'", "'''T'''", "p"]
ZONES = ["'UTC'", "'Europe/Berlin'", "'Mars'", "'+05:30'", "z"]
DURATIONS = ["1 day", "365 days", "0.5 seconds", "1e20 weeks", "0.0001 ms", "ttl"]

# A quoted name is never a constant: Total, Lines and Address are attributes.
numbers: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from([*NUMBERS, "Total", "n", "Lines[0].Price", "NULL"]),
        st.tuples(numbers, st.sampled_from(["+", "-", "*", "/", "%"]), numbers).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        st.tuples(st.sampled_from(["abs", "floor", "ceil", "round", "-", "to_number"]), numbers).map(called),
        st.tuples(numbers, numbers).map(lambda t: f"round({t[0]}, {t[1]})"),
        st.tuples(st.sampled_from(["length", "to_number", "epoch", "epoch_ms", "size"]), texts).map(called),
        st.tuples(times).map(lambda t: f"epoch({t[0]})"),
        st.tuples(texts, st.sampled_from(PATTERNS), st.sampled_from(ZONES)).map(lambda t: f"epoch({', '.join(t)})"),
        st.tuples(st.sampled_from(["coalesce", "nullif"]), numbers, numbers).map(lambda t: f"{t[0]}({t[1]}, {t[2]})"),
        st.tuples(conditions, numbers, numbers).map(lambda t: f"CASE WHEN {t[0]} THEN {t[1]} ELSE {t[2]} END"),
        anything.map(lambda text: f"try({text})"),
    )
)
texts: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from([*TEXTS, "Name", '"any name"', "Address.City", "p", "source_table()"]),
        st.tuples(texts, texts).map(lambda t: f"({t[0]} || {t[1]})"),
        st.tuples(st.sampled_from(["upper", "lower", "trim"]), texts).map(called),
        st.tuples(texts, numbers, numbers).map(lambda t: f"substr({t[0]}, {t[1]}, {t[2]})"),
        st.tuples(st.just("to_string"), anything).map(called),
        st.tuples(times, st.sampled_from(PATTERNS)).map(lambda t: f"format_time({t[0]}, {t[1]})"),
        anything.map(lambda text: f"CAST({text} AS STRING)"),
    )
)
times: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["now()", "TIMESTAMP '2017-04-26'", "TIMESTAMP '9999-12-31T23:59:59Z'"]),
        st.tuples(st.just("parse_time"), texts | numbers).map(called),
        st.tuples(times, st.sampled_from("+-"), st.sampled_from(DURATIONS)).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    )
)
conditions: st.SearchStrategy[str] = st.deferred(
    lambda: st.one_of(
        st.sampled_from(["TRUE", "FALSE", "NULL", "Active"]),
        st.tuples(numbers, st.sampled_from(["=", "<>", "<", ">="]), numbers).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(texts, st.sampled_from(["=", "<>", "<", ">="]), texts).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(conditions, st.sampled_from(["AND", "OR"]), conditions).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        conditions.map(lambda text: f"(NOT {text})"),
        st.tuples(numbers, numbers, numbers).map(lambda t: f"({t[0]} NOT BETWEEN {t[1]} AND {t[2]})"),
        st.tuples(texts, texts, texts).map(lambda t: f"({t[0]} IN ({t[1]}, {t[2]}))"),
        st.tuples(texts, texts).map(lambda t: f"({t[0]} LIKE {t[1]} ESCAPE '!')"),
        anything.map(lambda text: f"({text} IS NULL)"),
    )
)
anything: st.SearchStrategy[str] = st.deferred(lambda: numbers | texts | times | conditions)


def called(parts: tuple[str, ...]) -> str:
    return f"{parts[0]}({', '.join(parts[1:])})"


@settings(fuzz, max_examples=150)
@given(st.lists(anything, min_size=1, max_size=3), st.none() | conditions, st.sampled_from([*TEXTS, *NUMBERS]))
@example(["round(0.5, 1e125)", "round(Total, 1000000000)", "1e125 * 1e125"], None, "'x'")
@example(["substr('abc', 1e125, -1e125)", "TIMESTAMP '9999-12-31T23:59:59Z' + 1e20 weeks"], None, "'x'")
def test_expressions_that_come_far(columns: list[str], where: str | None, constant: str) -> None:
    named = ", ".join(f"{text} AS c{number}" for number, text in enumerate(columns))
    text = f"LET p = {constant}; LET z = 'UTC'; LET ttl = 5 days;\nSELECT {named} FROM Orders"
    compile_both(text if where is None else f"{text} WHERE {where}", {})


# What is large


def test_a_megabyte_of_anything_is_refused_or_compiled() -> None:
    for text in (
        "x " * 500_000,
        "SELECT " + "a, " * 350_000 + "b FROM t",
        "'" * 1_000_001,
        "(" * 1_000_000,
        "\0" * 1_000_000,
    ):
        with pytest.raises(SpecError) as caught:
            api.check(text, now=NOW)
        check_said(caught.value.source, caught.value.diagnostics)


def test_a_spec_of_many_columns_tables_and_conditions() -> None:
    columns = ", ".join(f"a{n}" for n in range(3000))
    tables = ", ".join(f"Orders_{n}" for n in range(1000))
    words = ", ".join(f"'{n}'" for n in range(3000))
    compile_both(f"SELECT {columns} FROM {tables} WHERE a IN ({words})", {})
    assert compile_both(f"SELECT {columns} FROM Orders WHERE a IN ({words})", {})


def test_errors_over_the_whole_of_a_long_line_are_shown_shortly() -> None:
    with pytest.raises(SpecError) as caught:
        api.check("SELECT " + ", ".join(f"foo{n}(x) AS c{n}" for n in range(4000)) + " FROM Orders", now=NOW)
    assert len(render(caught.value.source, caught.value.diagnostics)) < 20_000
