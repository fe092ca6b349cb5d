"""The analyzer: golden logical plans, and the rules that a golden case cannot show."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from cases import Case, cases, check
from compiling import NOW, catalog, control_plane, plan, plan_text

from ddbetl import api
from ddbetl.errors import SpecError
from ddbetl.expressions.ir import Attribute, Call, Constant
from ddbetl.functions.registry import function
from ddbetl.plan.analyzer import Overrides, analyze, wanted
from ddbetl.plan.catalog import Connection
from ddbetl.plan.logical import Filter, LogicalPlan, parts
from ddbetl.plan.typer import CASTS, FUNCTION_NAMES, TYPE_NAMES
from ddbetl.source import SourceText
from ddbetl.syntax import parser
from ddbetl.types import Timestamp, Type


@pytest.mark.parametrize("case", cases("analyzer"), ids=str)
def test_analysis(case: Case) -> None:
    check(case, plan_text(plan(case).physical.logical))


def analyzed(spec: str, tables: str | None = None, params: dict[str, str] | None = None, **said: Any) -> LogicalPlan:
    """Analyze a spec: against the tables of a catalog's text, or offline."""
    parsed = parser.parse(SourceText(spec))
    known = catalog(tables) if tables is not None else None
    return analyze(parsed, known, params or {}, Overrides(**said), said.get("now", NOW))


def codes(spec: str, tables: str | None = None, params: dict[str, str] | None = None, **said: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        analyzed(spec, tables, params, **said)
    return [diagnostic.code for diagnostic in caught.value.diagnostics]


def column(spec: str, params: dict[str, str] | None = None) -> Any:
    """The expression of the first column."""
    return parts(analyzed(spec, None, params)).project.projection.columns[0].expression


# Constants


@pytest.mark.parametrize(
    ("default", "given", "value"),
    [
        ("", "5", Constant("5", Type.STRING)),
        (" = 'x'", "5", Constant("5", Type.STRING)),
        (" = 1", "5", Constant(Decimal(5), Type.NUMBER)),
        (" = 1", "-0.50", Constant(Decimal("-0.5"), Type.NUMBER)),
        (" = 1", "1e3", Constant(Decimal(1000), Type.NUMBER)),
        (" = TRUE", "False", Constant(False, Type.BOOLEAN)),
        (" = NULL", "x", Constant("x", Type.STRING)),
    ],
)
def test_a_parameter_has_the_type_of_its_default(default: str, given: str, value: Constant) -> None:
    assert column(f"PARAM p{default}; SELECT p AS a FROM Orders", {"p": given}) == value


@pytest.mark.parametrize("given", ["NaN", "Infinity", "0x10", "1_000", " 5", "5 ", "", "1e400", "9" * 39, "٣"])
def test_a_number_given_is_one_that_the_language_has(given: str) -> None:
    assert codes("PARAM p = 1; SELECT p AS a FROM Orders", params={"p": given}) == ["E0201"]


@pytest.mark.parametrize("given", ["30", "days", "30 fortnights", "1E30 days", "Total", "now() - now()", "30 days;"])
def test_a_duration_given_is_one(given: str) -> None:
    assert codes("PARAM p = 1 day; SELECT epoch(a) + p AS a FROM Orders", params={"p": given}) == ["E0201"]


def test_a_constant_is_looked_up_by_its_exact_name() -> None:
    assert isinstance(column("LET ttl = 5; SELECT TTL AS a FROM Orders"), Attribute)
    assert isinstance(column('LET ttl = 5; SELECT "ttl" AS a FROM Orders'), Attribute)
    assert isinstance(column("LET ttl = 5; SELECT ttl AS a FROM Orders"), Constant)


def test_a_let_of_the_command_line_stands_where_the_specs_stood() -> None:
    first = SourceText("a = 7", "--let")
    spec = "LET a = 1; LET b = a * 2; SELECT b AS x FROM Orders"
    found = analyzed(spec, lets=((parser.parse_let(first.text), first),))
    assert dict(found.lets) == {"a": "7", "b": "a * 2"}
    (made,) = parts(found).project.projection.columns
    assert made.expression == Constant(Decimal(14), Type.NUMBER)


@pytest.mark.parametrize(
    "spec",
    [
        "PARAM p; LET a = p + 1; LET b = a * 2; SELECT b AS x, upper(a) AS y FROM T_${p} WHERE a > b AND p",
        "LET a = Total; LET b = a + 1; SELECT epoch(b, a) AS x, CAST(a AS NUMBER) AS y FROM Orders WHERE b",
        "LET a = 1 / 0; SELECT a || 'x' AS x, -a AS y FROM Orders WHERE a LIKE 'x'",
    ],
)
def test_nothing_follows_from_a_wrong_constant(spec: str) -> None:
    assert len(codes(spec)) == 1


def test_a_pivot_year_is_that_of_the_jobs_clock() -> None:
    spec = "SELECT epoch(a) AS b FROM Orders"
    parsed = parser.parse(SourceText(spec))

    def pivot(millis: int) -> int:
        return analyze(parsed, None, {}, Overrides(), Timestamp(millis)).settings.pivot_year

    last_of_2024 = 1_735_689_599_999
    assert (pivot(last_of_2024), pivot(last_of_2024 + 1)) == (1994, 1995)
    assert pivot(-1) == 1939


# Names and columns


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("SELECT foo(a) BETWEEN 1 AND 2 AS x FROM Orders", ["E0301"]),
        ("SELECT CASE foo(a) WHEN 1 THEN 2 WHEN 3 THEN 4 ELSE bar(b) END AS x FROM Orders", ["E0301", "E0301"]),
        ("SELECT foo(a) IN (1, 'x') AS x, upper(foo(a)) AS y FROM Orders", ["E0301", "E0301"]),
        ("SELECT length(foo(a), 2, 3) AS x FROM Orders", ["E0301"]),
        ("SELECT NOT (1 BETWEEN 2 AND 'x') AS x FROM Orders", ["E0303"]),
        ("SELECT parse_time(1) AS x, x FROM Orders", ["E0308", "E0204"]),
    ],
)
def test_a_mistake_is_reported_once(spec: str, expected: list[str]) -> None:
    assert codes(spec) == expected


@pytest.mark.parametrize(
    ("keys", "select", "expected"),
    [
        ("ID S, Day N", "lenght(x) AS ID, Day", ["E0301"]),
        ("ID S, Day N", "lenght(x) AS ID", ["E0301", "E0405"]),
        ("ID S, Day N", "ID, epoch(x)", ["E0205"]),
        ("ID S, Day N", "*, 1 AS Version", []),
        ("ID S, Day N", "* REPLACE (to_string(ID) AS ID, 'x' AS Day)", ["E0406"]),
        ("ID S, Day N", "* RENAME (a AS ID, b AS Day)", []),
        ("ID S, Day N", "* EXCLUDE (ID), upper(x) AS ID", []),
        ("id S", "ID", ["E0405"]),
        ("ID B", "NULL AS ID", ["E0406"]),
        ("ID B", "coalesce(x, y) AS ID", []),
    ],
)
def test_the_targets_key_is_made(keys: str, select: str, expected: list[str]) -> None:
    spec = f"INSERT INTO Target SELECT {select} FROM Orders ON CONFLICT REPLACE"
    tables = f"Target ({keys})\nOrders (OrderID S)"
    if expected:
        assert codes(spec, tables) == expected
    else:
        assert parts(analyzed(spec, tables)).write is not None


def test_more_errors_than_anybody_reads_are_not_shown() -> None:
    columns = ", ".join(f"foo{n}(x) AS c{n}" for n in range(1000))
    assert codes(f"SELECT {columns} FROM Orders") == ["E0301"] * 20


@pytest.mark.parametrize("where", ["Active", "coalesce(Active, Other)", "Address.Active"])
def test_a_condition_of_unknown_type_must_be_boolean_in_each_row(where: str) -> None:
    found = parts(analyzed(f"SELECT * FROM Orders WHERE {where}")).filter
    assert isinstance(found, Filter)
    assert isinstance(found.predicate, Call)
    assert found.predicate.function.name == "AND"
    assert found.predicate.type is Type.BOOLEAN


# What rows that are expired are


@pytest.mark.parametrize(
    ("select", "expires"),
    [
        ("OrderID, epoch(Made) + 5 days AS Expires", "epoch(Made) + 5 days"),
        ("*", '"Expires"'),
        ("* REPLACE (Expires / 1000 AS Expires)", "Expires / 1000"),
        ("* RENAME (Due AS Expires)", '"Due"'),
        ("*, coalesce(a, b) AS Expires", "coalesce(a, b)"),
    ],
)
@pytest.mark.parametrize("where", ["", "WHERE a", "WHERE a > 5 OR b < 7"])
def test_skip_expired_is_what_a_person_would_write(select: str, expires: str, where: str) -> None:
    insert = f"INSERT INTO Archive SELECT {select} FROM Orders"
    # Less than a time of our days is no time, which the row's own check is to say.
    live = f"({expires} IS NULL OR {expires} > epoch(now()) OR {expires} < 100000000)"
    meant = f"{insert} WHERE ({where.removeprefix('WHERE ')}) AND {live}" if where else f"{insert} WHERE {live}"
    found = parts(analyzed(f"{insert} {where} WITH (ttl_attribute = Expires, skip_expired = TRUE)")).filter
    by_hand = parts(analyzed(meant)).filter
    assert found is not None and by_hand is not None
    assert found.text.replace('"', "") == by_hand.text.replace('"', "")
    if where != "WHERE a":
        assert plan_text(analyzed(meant)).split("\n")[1:] == [
            line
            for line in plan_text(
                analyzed(f"{insert} {where} WITH (ttl_attribute = Expires, skip_expired = TRUE)")
            ).split("\n")[1:]
            if line != "  expires by Expires"
        ]


def test_without_a_column_there_is_one_error() -> None:
    spec = "INSERT INTO Archive SELECT OrderID, lenght(x) AS Expires FROM Orders WHERE foo(a)"
    options = "WITH (ttl_attribute = Expires, skip_expired = TRUE)"
    assert codes(f"{spec} {options}") == ["E0301", "E0301"]


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("epoch_ms(Made)", True),
        ("floor(epoch_ms(Made))", True),
        ("5 days + epoch_ms(Made)", True),
        ("CASE WHEN a THEN epoch(b) ELSE epoch_ms(b) END", True),
        ("1496318400000", True),
        ("3600", True),
        ("epoch_ms(Made) / 1000", False),
        ("floor(epoch_ms(Made) / 1000)", False),
        ("epoch(Made) * 1", False),
        ("1496318400", False),
        ("Due", False),
        ("NULL", True),
    ],
)
def test_an_expiry_time_is_in_seconds(expression: str, wrong: bool) -> None:
    spec = f"INSERT INTO Archive SELECT OrderID, {expression} AS Expires FROM Orders WITH (ttl_attribute = Expires)"
    if wrong:
        assert codes(spec) == ["E0508"]
    else:
        assert parts(analyzed(spec)).write is not None


# What is asked of the server


def test_only_what_is_needed_is_asked() -> None:
    tables = "Orders (OrderID S)\nArchive (OrderID S)\nT_1 (ID S)\nT_2 (ID S)"
    with control_plane(tables) as opened:
        api.compile("SELECT * FROM Orders", now=NOW)
        api.compile("SELECT * FROM T_*, Orders", now=NOW)
    assert [control.asked for control in opened] == [
        ["DescribeTable Orders", "close"],
        ["DescribeTable Orders", "ListTables", "DescribeTable T_1", "DescribeTable T_2", "close"],
    ]


@pytest.mark.parametrize(
    "spec",
    [
        "PARAM p; INSERT INTO T_${p} SELECT * FROM S_${p} ON CONFLICT REPLACE",
        'INSERT INTO T_${q} SELECT * FROM "no name" ON CONFLICT REPLACE',
        "INSERT INTO ab SELECT * FROM 'orders.csv' ON CONFLICT REPLACE",
        "SELECT * FROM Orders (region = 5), Orders (flavour = 'x')",
    ],
)
def test_a_table_whose_name_or_place_is_wrong_is_not_asked_for(spec: str) -> None:
    with control_plane("Orders (OrderID S)") as opened, pytest.raises(SpecError) as caught:
        api.compile(spec, now=NOW)
    assert opened == []
    assert not {"E0401", "E0402", "E0404"} & {diagnostic.code for diagnostic in caught.value.diagnostics}


def test_a_table_is_wanted_where_it_is() -> None:
    spec = parser.parse(SourceText("INSERT INTO B_ SELECT * FROM Orders (region = 'x-1'), T_* ON CONFLICT REPLACE"))
    found = wanted(spec, {}, Overrides(into="Other", connection=Connection(profile="p")), NOW)
    assert [(w.pattern.text, w.connection, w.is_target) for w in found] == [
        ("Orders", Connection(region="x-1", profile="p"), False),
        ("T_*", Connection(profile="p"), False),
    ]


# What other dialects call things


@pytest.mark.parametrize(("other", "instead"), FUNCTION_NAMES.items())
def test_what_to_write_instead_of_another_dialects_function_works(other: str, instead: str) -> None:
    assert function(other) is None, "there is such a function now"
    known = {
        "pattern": "'yyyy'",
        "zone": "'UTC'",
        "condition": "TRUE",
        "start": "1",
        "length": "2",
        "n": "1",
        "time": "parse_time(x)",
        "namespace": "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'",
    }
    called, bracket, inside = instead.partition("(")
    for name, constant in known.items():
        inside = re.sub(rf"\b{name}\b", constant, inside)
    analyzed(f"SELECT * FROM Orders WHERE ({called}{bracket}{inside}) IS NOT NULL")


def test_what_to_write_instead_of_another_dialects_type_is_a_type() -> None:
    assert set(TYPE_NAMES.values()) <= set(CASTS)
    assert not set(TYPE_NAMES) & set(CASTS)
