"""The page about operations, where its tables name what the code has: events and their fields, metrics, limits, files."""

from __future__ import annotations

import ast
import json
import re
from dataclasses import fields
from typing import Any

import trouble
from test_docs import DOCS, ROOT, Entry, code, entries

from ddbetl.connectors.dynamodb.advice import status_text
from ddbetl.connectors.dynamodb.failures import service_error
from ddbetl.engine.metrics import metrics_text
from ddbetl.engine.report import Progress, TableProgress

PAGE = DOCS / "operations.md"


def rows(head: str) -> list[Entry]:
    found = [entry for entry in entries(PAGE) if entry.head[0] == head]
    assert found, f"there is no table of {head}"
    return found


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_events_are_all_there_with_their_fields() -> None:
    written: dict[str, set[str]] = {}
    for path in (ROOT / "ddbetl" / "engine").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(attr="write", value=ast.Name("log") | ast.Attribute(attr="log" | "_log")),
                    args=[ast.Constant(), ast.Constant(value=str(event))],
                    keywords=keywords,
                ):
                    written.setdefault(event, set()).update(str(keyword.arg) for keyword in keywords)
    assert {code(row.cells[0]): set(codes(row.cells[1])) for row in rows("event")} == written


def test_the_metrics_are_all_there_with_their_kinds_and_labels() -> None:
    # A value of everything, so that no metric is left out.
    table: Any = {field.name: 1 for field in fields(TableProgress)} | {"name": "Orders"}
    run: Any = {field.name: 1 for field in fields(Progress)} | {"tables": (TableProgress(**table),), "waiting": "long"}
    text = metrics_text(Progress(**run), "job", "Target")
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, flags=re.MULTILINE))
    labels = {name: re.findall(r"(\w+)=", said)[1:] for name, said in re.findall(r"^(\w+)\{(.*)\}", text, re.MULTILINE)}
    said = {code(row.cells[0]): (row.cells[1], codes(row.cells[2])) for row in rows("metric")}
    assert said == {name: (kind, labels[name]) for name, kind in kinds.items()}


REASONS = (
    ("TableWriteProvisionedThroughputExceeded", ""),
    ("IndexWriteProvisionedThroughputExceeded", "/index/ByDay"),
    ("TableWriteKeyRangeThroughputExceeded", ""),
    ("TableWriteAccountLimitExceeded", ""),
    ("TableWriteMaxOnDemandThroughputExceeded", ""),
)


def test_the_limits_are_called_what_the_page_calls_them() -> None:
    told = []
    for reason, index in REASONS:
        reasons = [{"reason": reason, "resource": f"{trouble.ARN}Orders{index}"}]
        body = {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "throttlingReasons": reasons}
        told.append(status_text(service_error(400, {}, json.dumps(body).encode(), 0.0), "Orders"))
    assert [f"throttled by {code(row.cells[0])}" for row in rows("the progress says `throttled by`")] == told


def test_every_failure_of_the_table_has_its_section() -> None:
    text = PAGE.read_text(encoding="utf-8")
    sections = text[text.index("## When something fails") : text.index("## Monitoring")]
    named = {re.findall(r"\(#([\w-]+)\)", row.cells[0])[0] for row in rows("failure")}
    headings = re.findall(r"^### (.*)$", sections, flags=re.MULTILINE)
    assert named == {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_kind_of_trouble_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [kind for kind in trouble.KINDS if f"tests/trouble.py {kind} " not in text] == []
