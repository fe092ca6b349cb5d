"""What explain --verbose shows is what runs: the plans of the rules, the statement, a request that the engine makes.

The pages themselves are golden cases of tests/cases/explain.
"""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from cases import Case, cases
from compiling import plan

from ddbetl.connectors.dynamodb import requests
from ddbetl.engine.batches import Batching
from ddbetl.engine.transform import PageInput, Transformer, told_apart
from ddbetl.expressions.ir import Attribute
from ddbetl.expressions.projection import OutputColumn, Projection
from ddbetl.expressions.writing import ENTRIES, Form
from ddbetl.lowering import statement
from ddbetl.plan.explain_verbose import laid_out, sample
from ddbetl.plan.optimizer import RULES, optimize, stages

CASES = cases("explain")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_rules_lead_from_the_spec_to_the_plan(case: Case) -> None:
    logical = plan(case).physical.logical
    (first, analyzed), *after = stages(logical)
    assert first == "analyzed" and [name for name, _ in after] == [rule.__name__ for rule in RULES]
    assert after[-1][1] == logical == optimize(analyzed)


def without_blanks(sql: str) -> str:
    """SQL without the blanks outside of quotes."""
    parts = re.split("(['\"])", sql)
    kept, quote = [], ""
    for part in parts:
        if part in ("'", '"') and quote in ("", part):
            quote = "" if quote else part
            kept.append(part)
        else:
            kept.append(part if quote else "".join(part.split()))
    return "".join(kept)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_statement_is_the_one_that_runs(case: Case) -> None:
    found = plan(case).physical.transform.statement
    lines = laid_out(found.sql)
    assert len(lines) > 10
    assert without_blanks("\n".join(lines)) == without_blanks(found.sql)
    items = b'[{"OrderID":{"S":"a"},"CustomerID":{"S":"b"},"DateTime":{"S":"2016-05-03T10:28:27Z"},"Line":{"S":"c"}}]'
    outputs = []
    for sql in (found.sql, "\n".join(lines)):
        transformer = Transformer(replace(found, sql=sql))
        assert transformer._prepared
        (output,) = told_apart(transformer.make([PageInput(items, 1, "Orders", 0)]))
        made = output.entries
        outputs.append((made.texts.to_pylist() if made is not None else [], output.by_reference))
        transformer.close()
    assert outputs[0] == outputs[1]


def test_blanks_in_quotes_stay() -> None:
    sql = "SELECT 'a  b ( c' AS x, f(\"a  , b\", 'it''s  so') AS y FROM (SELECT *, 1 AS z FROM pages) WHERE z > 0"
    assert laid_out(sql) == [
        "SELECT 'a  b ( c' AS x,",
        "       f(\"a  , b\", 'it''s  so') AS y",
        "FROM",
        "  (SELECT *,",
        "          1 AS z",
        "   FROM pages)",
        "WHERE z > 0",
    ]


@pytest.mark.parametrize("case", [case for case in CASES if plan(case).physical.write is not None], ids=str)
def test_the_request_is_one_that_the_engine_makes(case: Case) -> None:
    found = plan(case).physical
    body = sample(found)
    write = found.write
    assert write is not None
    if body is None:
        assert not write.key
        return
    form = Form(ENTRIES[write.action], write.table.name, write.key)
    (entry,) = requests.entries_of(body.encode())
    row = requests.attributes_of(entry, form.entry)
    assert set(form.keys) <= set(row)
    raw = b"{" + b",".join(b'"%s":%s' % (name.encode(), bytes(value)) for name, value in row.items()) + b"}"
    said = requests.entry(form, raw)
    assert said is not None and requests.batch_body(form, [said]).decode() == body

    columns = tuple(OutputColumn(name, Attribute(name)) for name in row)
    transformer = Transformer(statement.build(None, Projection(columns), form))
    (output,) = told_apart(transformer.make([PageInput(b"[" + raw + b"]", 1, "made up", 0)]))
    batches = Batching(form).batches(output.entries, [], repeats=False)
    assert [bytes(one.content).decode() for one in batches] == [body] and not output.by_reference
    transformer.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_column_has_a_guard(case: Case) -> None:
    transform = plan(case).physical.transform
    guards = transform.statement.guards
    assert any(guard.part == "WHERE" for guard in guards) == (transform.predicate is not None)
    if transform.statement.projects:
        named = [guard.name for guard in guards if guard.part == "column"]
        assert named == [column.name for column in transform.projection.columns]
        page = plan(case).explain(verbose=True).partition("\nGUARDS")[2].partition("\nSTATEMENT")[0]
        for guard in guards:
            if guard.sql is not None:
                assert without_blanks(guard.sql) in without_blanks(page)
