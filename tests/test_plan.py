"""The planner: requests, segments, budgets, and the fingerprint."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from compiling import NOW, catalog, descriptions

from ddbetl.errors import SpecError
from ddbetl.expressions.evaluate import evaluator
from ddbetl.expressions.ir import Constant, Expression
from ddbetl.expressions.projection import KeyAttribute, OutputColumn, Projection
from ddbetl.expressions.resolve import Settings, resolve
from ddbetl.functions import registry
from ddbetl.functions.model import Origin, RowContext
from ddbetl.plan.analyzer import Overrides, analyze
from ddbetl.plan.budget import Budget
from ddbetl.plan.budget import resolve as resolve_rate
from ddbetl.plan.catalog import Catalog, Connection, TableDescription
from ddbetl.plan.collisions import collisions
from ddbetl.plan.cost import estimate
from ddbetl.plan.logical import parts
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.options import Rate
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.plan.planner import MOST_SEGMENTS, SEGMENT_BYTES, UNKNOWN_SIZE_SEGMENTS
from ddbetl.plan.planner import plan as make_plan
from ddbetl.plan.samples import exactly
from ddbetl.plan.settings import rate
from ddbetl.source import SourceText, Span
from ddbetl.syntax import parser
from ddbetl.time import zone
from ddbetl.types import Timestamp, Type, Value

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
    assert resolve_rate(rate_of(option), table, option.split()[0]) == expected


def test_a_rate_of_a_table_that_is_not_known() -> None:
    assert resolve_rate(rate_of("read = 30%"), None, "read") == Budget(None, "30% of what the table can take")
    assert resolve_rate(rate_of("read = 30 rcu"), None, "read") == Budget(30, "as written")


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
        ("REPLACE", "SKIP"),
        ("REPLACE", "KEEP NEWEST BY Total"),
        ("REPLACE", "REPLACE WITH (collisions = fail)"),
        ("REPLACE", "REPLACE WITH (ttl_attribute = Total)"),
        ("ON CONFLICT REPLACE", "WITH (ttl_attribute = Total, skip_expired = TRUE)"),
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
    assert (found.read_units, found.read_seconds) == (exactly(2000), 100)
    strong = planned("SELECT * FROM A_* WITH (read = 100%, consistent_read = TRUE)", replace(known, tables=tables))
    assert estimate(strong).read_units == exactly(4000)
    unlimited = planned("SELECT * FROM A_* WITH (read = unlimited)", replace(known, tables=tables))
    assert (estimate(unlimited).read_units, estimate(unlimited).read_seconds) == (exactly(2000), None)
    assert estimate(planned("SELECT * FROM A_*", None)).read_units is None


# Collisions

# Parts of a key, the better of which keep an attribute whole.
PARTS = (
    "Customer",
    "'C#' || Customer",
    "concat('a', Customer, '-', 'b')",
    "to_string(Day)",
    "'D' || to_string(Day)",
    "CAST(Day AS STRING)",
    "source_table()",
    "source_table() || '#'",
    "source_table() || Customer",
    "Customer || source_table() || Customer",
    "upper(source_table())",
    "lower(Customer)",
    "substr(Customer, 1, 1)",
    "Customer || to_string(Day)",
    "to_string(Day) || Customer",
    "left(Customer, 1)",
    "to_hex(to_binary(Customer))",
    "'x' || lower(Customer) || 'y'",
    "to_string(floor(Day))",
    "to_string(Day % 10)",
    "to_string(abs(Day))",
    "if(Day > 0, Customer, 'x')",
    "trim(Customer)",
    "'constant'",
)
CUSTOMERS = ("a", "A", "b", "ab", "a1", "a12", "1", " a", "bb", "-b")
DAYS = ("1", "-1", "11", "1.5", "21", "2", "12")


def keys(spec: str, tables: tuple[str, ...]) -> tuple[PhysicalPlan, Counter[tuple[Value, ...]]]:
    """Plan a spec, and count how many of some rows of the tables have each target key."""
    text = "".join(f"{table} (Customer S, Day N)\n" for table in tables)
    found = planned(spec, catalog(f"{text}Shop (PK S, SK S)"))
    columns = [evaluator(column.expression) for column in found.transform.projection.columns]
    counted: Counter[tuple[Value, ...]] = Counter()
    for table, customer, day in product(tables, CUSTOMERS, DAYS):
        item = {"Customer": {"S": customer}, "Day": {"N": day}}
        counted[tuple(column(item, RowContext(table, NOW)) for column in columns)] += 1
    return found, counted


@pytest.mark.parametrize("tables", [("T_1",), ("T_1", "T_2")], ids=str)
def test_a_proof_holds_and_a_loss_is_one(tables: tuple[str, ...]) -> None:
    proofs = losses = 0
    for partition, sort in product(PARTS, PARTS):
        spec = f"INSERT INTO Shop SELECT {partition} AS PK, {sort} AS SK FROM {', '.join(tables)}"
        found, counted = keys(spec, tables)
        assert found.write is not None
        said = [warning.message for warning in found.warnings if warning.code == "W0102"]
        assert (found.write.collisions is None) == bool(found.write.no_collisions) == (not said), spec
        if found.write.no_collisions:
            proofs += 1
            assert max(counted.values()) == 1, spec
        elif said[0].startswith("two rows can become one"):
            losses += 1
            # Tables that are told apart by more than their name are not told to be.
            assert max(counted.values()) > 1 or "several of the tables" in said[0], spec
    # Of the parts three keep the customer and three the day; with two tables, nothing is left for the table's name.
    assert proofs == (18 if len(tables) == 1 else 0)
    assert losses > 100


# Parts of a key, of tables whose k has another type each. What says k says '1' of a text and of a number.
TYPE = "CASE WHEN attribute_type(k) = 'S' THEN '1' ELSE '' END"
TYPED_PARTS = (
    "k",
    "x",
    "to_string(k)",
    "to_string(x)",
    "'k' || to_string(k)",
    "source_table()",
    "source_table() || '#'",
    "source_table() || to_string(k)",
    "source_table() || to_string(x)",
    f"source_table() || {TYPE}",
    f"source_table() || {TYPE.replace('(k)', '(x)')}",
    "concat(source_table(), if(attribute_type(k) = 'S', '1', ''), to_string(k))",
)
PROOFS = {"SN": 6, "NS": 6, "SS": 18, "NN": 12}


@pytest.mark.parametrize("types", ["SN", "NS", "SS", "NN"])
def test_a_proof_holds_where_an_attribute_has_several_types(types: str) -> None:
    """The names of the tables are such that one is the beginning of the other."""
    names = dict(zip(("Orders", "Orders1"), types, strict=True))
    described = "".join(f"{name} (k {type_})\n" for name, type_ in names.items())
    proofs = 0
    for partition, sort in product(TYPED_PARTS, TYPED_PARTS):
        spec = f"INSERT INTO Shop SELECT {partition} AS PK, {sort} AS SK FROM Orders, Orders1"
        try:
            found = planned(spec, catalog(f"{described}Shop (PK S, SK S)"))
        except SpecError:
            # A NUMBER is no key of the target.
            continue
        assert found.write is not None
        if not found.write.no_collisions:
            continue
        proofs += 1
        columns = [evaluator(column.expression) for column in found.transform.projection.columns]
        rows: dict[tuple[Value, ...], set[tuple[str, str]]] = {}
        values = ("1", "11", "12")
        for (name, type_), k, x_type, x in product(names.items(), values, "SN", values):
            item = {"k": {type_: k}, "x": {x_type: x}}
            made = tuple(column(item, RowContext(name, NOW)) for column in columns)
            # Another type than the target's is a reject.
            if all(isinstance(one, str) for one in made):
                rows.setdefault(made, set()).add((name, k))
        assert all(len(of) == 1 for of in rows.values()), spec
    assert proofs == PROOFS[types]


def test_a_key_that_says_the_sources_key_is_one() -> None:
    spec = "INSERT INTO Shop SELECT Customer AS PK, 'x' AS SK FROM T_1"
    known = catalog("T_1 (Customer S, Day N)\nShop (PK S, SK S)")
    found = parts(analyze(parser.parse(SourceText(spec)), known, {}, Overrides(), NOW))
    source = Settings(zone("UTC"), 1987, (Origin("T_1", "T_1", (), ("Customer", "Day")),))
    named = {one.name: one for one in registry.FUNCTIONS}
    said: Expression = resolve(named["source_key"], [], source, "source_key()", Span(0, 0))
    said = resolve(named["to_json"], [said], source, "to_json(source_key())", Span(0, 0))
    columns = (OutputColumn("PK", said), OutputColumn("SK", Constant("x", Type.STRING)))
    key = (KeyAttribute("PK", Type.STRING), KeyAttribute("SK", Type.STRING))
    assert collisions(found, key).proof == ""
    made = replace(found, project=replace(found.project, projection=Projection(columns)))
    assert (
        collisions(made, key).proof == "Customer and Day, the source's key, are in the target's key with nothing lost"
    )


@pytest.mark.parametrize("origin", ["source_table()", "source_table() || Customer", "'a' || source_table() || 'b'"])
def test_the_tables_name_tells_tables_apart(origin: str) -> None:
    known = catalog("T_1 (Customer S)\nT_2 (Customer S)\nShop (PK S, SK S)")
    found = planned(f"INSERT INTO Shop SELECT Customer AS PK, {origin} AS SK FROM T_*", known)
    assert found.write is not None
    assert found.write.collisions is None and found.write.no_collisions
    assert found.transform.statement.sources is None


@pytest.mark.parametrize(
    ("said", "collisions", "sources"),
    [
        ("SELECT ID, Day FROM T_1", None, None),
        ("SELECT ID, epoch(Day, 'yyyy') AS Day FROM T_1", "reject", ["ID", "Day"]),
        ("SELECT ID, epoch(Day, 'yyyy') AS Day FROM T_1 WITH (collisions = fail)", "fail", ["ID", "Day"]),
        ("SELECT ID, Day FROM T_* WITH (collisions = allow)", "allow", ["ID", "Day"]),
        ("SELECT ID, Day FROM T_1, Other", "reject", ["ID", "Day", "No"]),
        ("SELECT ID, Day, x FROM T_* ON CONFLICT KEEP NEWEST BY x", "allow", ["ID", "Day"]),
    ],
)
def test_the_statement_says_source_keys_where_collisions_are_looked_for(
    said: str, collisions: str | None, sources: list[str] | None
) -> None:
    found = planned(f"INSERT INTO Target {said}", catalog(f"{TABLES}\nOther (No N)"))
    assert found.write is not None and found.write.collisions == collisions
    keys = found.transform.statement.sources
    assert (None if keys is None else [key.name for key in keys]) == sources


# Writing


@pytest.mark.parametrize(
    ("statement", "columns", "indexes"),
    [
        ("INSERT INTO Target", "ID, Day", 0),
        ("INSERT INTO Target", "ID, Day, City", 1),
        ("INSERT INTO Target", "ID, Day, NULL AS City, Total", 0),
        ("INSERT INTO Target", "ID, Day, City, Total", 2),
        ("INSERT OVERWRITE Target", "*", 2),
        ("INSERT INTO Target", "* EXCLUDE (Total)", 1),
        ("MERGE INTO Target", "ID, Day, Note", 2),
        ("DELETE FROM Target USING", "ID, Day", 2),
    ],
)
def test_the_indexes_that_a_row_can_get_into(statement: str, columns: str, indexes: int) -> None:
    known = catalog(
        "T_1 (ID S, Day N)\nTarget (ID S, Day N), index ByCity (City S, Day N), index ByTotal (City S, Total N)"
    )
    found = planned(f"{statement} SELECT {columns} FROM T_1", known)
    assert found.write is not None and found.write.indexes == indexes


@pytest.mark.parametrize(
    ("option", "write", "read"),
    [
        ("billing = on_demand", Budget(400, "10% of 4,000 wcu (a new on-demand table)"), 6000),
        ("billing = provisioned 20 wcu 10 rcu", Budget(2, "10% of 20 wcu (provisioned)"), 5),
        ("segments = 1", Budget(400, "10% of 4,000 wcu (a new on-demand table)"), 6000),
    ],
)
def test_a_table_that_is_to_be_made_has_a_budget(option: str, write: Budget, read: float) -> None:
    found = planned(f"INSERT INTO New KEY (ID) SELECT * FROM T_1 WITH (write = 10%, {option})", catalog(TABLES))
    assert found.write is not None and found.write.create is not None
    assert found.write.key == found.write.create.key == (KeyAttribute("ID", Type.STRING),)
    assert (found.write.budget, found.write.reads.units) == (write, read)


def test_an_error_makes_no_plan() -> None:
    with pytest.raises(SpecError):
        planned("SELECT foo(a) AS b FROM Orders", None)


def test_the_key_of_the_target_is_in_the_plan() -> None:
    found = planned(SPEC, catalog(TABLES))
    assert found.write is not None
    assert [(key.name, key.type) for key in found.write.key] == [("ID", Type.STRING), ("Day", Type.NUMBER)]
