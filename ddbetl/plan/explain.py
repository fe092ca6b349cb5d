"""Explain: what a plan will do, as text and as JSON.

In: a physical plan and, where it was made online, the sites. Out: a page of text, or a JSON value of the versioned
schema that docs/explain.md describes. Invariant: everything shown is read off the plan that would run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ddbetl.diagnostics import render
from ddbetl.expressions.ir import Attribute, Constant, Expression
from ddbetl.expressions.projection import OutputColumn
from ddbetl.lowering.duckdb_sql import Lowerer, attribute_json
from ddbetl.plan import explain_cost, explain_target
from ddbetl.plan.catalog import Connection, Site
from ddbetl.plan.cost import estimate
from ddbetl.plan.explain_target import budget_text, place_text, site_json
from ddbetl.plan.layout import WIDTH, columns, duration, rate, size, volume, wrapped
from ddbetl.plan.logical import parts
from ddbetl.plan.physical import PhysicalPlan, QueryExec, ReadExec, ScanExec, requests
from ddbetl.plan.prices import Prices
from ddbetl.plan.queries import query_without_errors
from ddbetl.plan.samples import Samples
from ddbetl.plan.time_calls import CATEGORY, TimeCall, calls, one_line, time_calls
from ddbetl.plan.traffic import Traffic, budget_json, of_index
from ddbetl.plan.traffic import as_json as traffic_json
from ddbetl.plan.traffic import section as in_use
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression, format_identifier

__all__ = ["as_json", "as_text", "duration", "size"]

SCHEMA_VERSION = 1
# A longer filter is shown once, as it is sent.
LONGEST_FILTER = 320
# Columns that a line about a call's fast path may have.
LONGEST_REASON = 48


def how(column: OutputColumn) -> str:
    """How a column is computed: copied, constant, vectorised, or by reference."""
    match column.expression:
        case Attribute(steps=()):
            return "copied unchanged"
        case Constant():
            return "constant"
    fast = Lowerer().lower(column.expression)
    if fast is None or attribute_json(fast, column.expression.type) is None:
        return "by reference"
    return "vectorised"


def _time_calls(plan: PhysicalPlan) -> tuple[TimeCall, ...]:
    transform = plan.transform
    roots = [("WHERE", transform.predicate)] if transform.predicate is not None else []
    return time_calls([*roots, *((column.name, column.expression) for column in transform.projection.columns)])


def as_json(
    plan: PhysicalPlan,
    sites: Mapping[Connection, Site],
    prices: Prices | None = None,
    samples: Samples | None = None,
    traffic: Traffic | None = None,
) -> dict[str, Any]:
    """The plan as a JSON value."""
    return {
        "ddbetl_explain": SCHEMA_VERSION,
        "fingerprint": plan.fingerprint,
        "spec": plan.logical.source.text,
        "parameters": dict(plan.logical.parameters),
        "lets": dict(plan.logical.lets),
        "sources": [_scan_json(scan, sites, traffic) for scan in plan.scans],
        "where": None
        if plan.transform.predicate is None
        else {
            "text": plan.transform.predicate_text,
            "how": "vectorised" if plan.transform.statement.filters else "by reference",
            "server_filter": json.loads(plan.scans[0].request).get("FilterExpression"),
        },
        "star": None
        if plan.transform.projection.star is None
        else {
            "exclude": list(plan.transform.projection.star.exclude),
            "rename": dict(plan.transform.projection.star.rename),
        },
        "columns": [
            {
                "name": c.name,
                "type": str(c.expression.type),
                "nullable": c.expression.nullable,
                "expression": c.text,
                "how": how(c),
            }
            for c in plan.transform.projection.columns
        ],
        "time_calls": [
            {
                "call": call.text,
                "in": list(call.places),
                "fast_path": call.fast,
                "slow_because": call.slow_because or None,
            }
            for call in _time_calls(plan)
        ],
        "limit": plan.limit,
        "on_error": plan.on_error,
        "max_rejects": str(plan.logical.max_rejects),
        "time_zone": plan.logical.settings.zone.name,
        "target": None if plan.write is None else explain_target.as_json(plan.write, sites, traffic),
        "traffic": traffic_json(traffic),
        "estimate": explain_cost.as_json(estimate(plan, sites, prices, samples), prices),
        "warnings": [
            {"code": w.code, "message": w.message, "hint": w.hint} | _line(w.source or plan.logical.source, w.span)
            for w in plan.warnings
        ],
    }


def _line(source: SourceText, span: Span | None) -> dict[str, Any]:
    """The line of a place."""
    if span is None:
        return {}
    number, _ = source.position(span.start)
    return {"line": number, "text": source.line(number)}


def _scan_json(scan: ReadExec, sites: Mapping[Connection, Site], traffic: Traffic | None) -> dict[str, Any]:
    description = scan.table.description
    return {
        "table": scan.table.name,
        **site_json(sites.get(scan.table.connection)),
        "arn": description.arn if description is not None else None,
        "items": description.items if description is not None else None,
        "bytes": description.size if description is not None else None,
        "billing": description.billing if description is not None else None,
        "segments": scan.segments,
        "operation": scan.operation,
        "index": scan.index.name if isinstance(scan, QueryExec) and scan.index is not None else None,
        "request": json.loads(scan.request),
        "queries": [json.loads(one) for one in scan.requests] if isinstance(scan, QueryExec) else None,
        "budget": budget_json(scan.budget, scan.table, "read", None if of_index(scan) else traffic),
    }


# Text


def as_text(
    plan: PhysicalPlan,
    sites: Mapping[Connection, Site],
    prices: Prices | None = None,
    samples: Samples | None = None,
    width: int = WIDTH,
    traffic: Traffic | None = None,
) -> str:
    """The plan as a page of text, laid out for so many columns."""
    sections = [
        _headline(plan, width),
        _sources(plan, sites, width),
        _read(plan, width),
        _compute(plan, width),
        _write(plan, sites, width),
        in_use(plan, traffic, width),
        explain_cost.section(estimate(plan, sites, prices, samples), prices, width),
    ]
    if plan.warnings:
        sections.append("WARNINGS\n\n" + render(plan.logical.source, plan.warnings))
    return "\n\n".join(section for section in sections if section)


def _headline(plan: PhysicalPlan, width: int) -> str:
    count = len(plan.scans)
    sources = plan.scans[0].table.name if count == 1 else f"{count} tables"
    target = plan.write.table.name if plan.write is not None else "no target: ddbetl preview shows the rows"
    said = [f"{name} = {value}" for name, value in (*plan.logical.parameters, *plan.logical.lets)]
    return "\n".join([f"{sources} → {target}", *(wrapped(", ".join(said), width) if said else ())])


def _sources(plan: PhysicalPlan, sites: Mapping[Connection, Site], width: int) -> str:
    if any(scan.table.description is None for scan in plan.scans):
        rows = [(s.table.name, str(s.table.connection), budget_text(s.budget)) for s in plan.scans]
        return f"SOURCES  offline: the tables were not looked up\n{columns(_without_empty(rows))}"
    places = [place_text(sites.get(scan.table.connection)) for scan in plan.scans]
    regions = [place.partition(",")[0] for place in places]
    marks = [""] * len(places) if len(set(places)) == 1 else places
    if len(set(regions)) == len(set(places)) > 1:
        marks = regions
    kinds = {scan.operation for scan in plan.scans}
    read_in = "segments" if kinds == {"Scan"} else "queries" if kinds == {"Query"} else "segments, queries"
    rows_ = [("table", "items", "size", read_in, "units/s", "", "")]
    for scan, mark in zip(plan.scans, marks, strict=True):
        assert scan.table.description is not None
        rows_.append(
            (
                scan.table.name,
                f"{scan.table.description.items:,}",
                volume((scan.table.description.items, scan.table.description.size)),
                str(scan.segments),
                "unlimited" if scan.budget.units is None else rate(scan.budget.units),
                "" if scan.budget.units is None else scan.budget.basis,
                mark,
            )
        )
    if len(plan.scans) > 1:
        counts = [(one.items, one.size) for s in plan.scans if (one := s.table.description) is not None]
        items, whole = sum(one[0] for one in counts), volume(*counts)
        segments = sum(s.segments for s in plan.scans)
        rows_.append((f"{len(plan.scans)} tables", f"{items:,}", whole, str(segments), "", "", ""))
    title = f"SOURCES  {'; '.join(dict.fromkeys(places))}".rstrip()
    page = columns(rows_, right=(1, 2, 3, 4))
    if max(map(len, page.split("\n"))) > width:
        # What the budgets come from, once below the table.
        known = dict.fromkeys(row[4:6] for row in rows_[1:] if row[5])
        below = [("units/s" if not number else "", *one) for number, one in enumerate(known)]
        page = columns([(*row[:5], row[6]) for row in rows_], right=(1, 2, 3, 4))
        page += f"\n{columns(below, right=(1,), wrap=2, width=width)}" if below else ""
    return f"{title}\n{page}"


def _without_empty(rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows without the columns that are empty in all of them."""
    kept = [i for i in range(len(rows[0])) if any(row[i] for row in rows)]
    return [tuple(row[i] for i in kept) for row in rows]


# Requests that are shown of a table that is asked for several keys.
MOST_KEYS = 5


def _read(plan: PhysicalPlan, width: int) -> str:
    """How the tables are read, once for those that are read in the same way."""
    ways: dict[tuple[str, ...], list[ReadExec]] = {}
    for scan in plan.scans:
        ways.setdefault(tuple(json.dumps(_fixed(one)) for one in requests(scan)), []).append(scan)
    return "\n\n".join(_way(plan, scans, width, alone=len(ways) == 1) for scans in ways.values())


def _fixed(request: str) -> dict[str, Any]:
    """A request but for its table."""
    return {name: value for name, value in json.loads(request).items() if name != "TableName"}


def _way(plan: PhysicalPlan, scans: Sequence[ReadExec], width: int, *, alone: bool) -> str:
    scan = scans[0]
    request = _fixed(scan.request)
    rows = [("the server sends", _attributes(request)), *_server_filter(plan, request), *_nearly(plan, scan)]
    title, beside = scan.operation, "the table and the segment"
    if isinstance(scan, QueryExec):
        rows = [*_keys(scan), *rows]
        title += f", one for each of {scan.segments} partition keys" if scan.segments > 1 else " of one partition key"
        beside = "the table"
    tables = "" if alone else f" of {', '.join(one.table.name for one in scans)}"
    consistency = "strongly consistent" if plan.logical.consistent_read else "eventually consistent"
    (first, *more) = wrapped(f"{title}{tables}, full pages, {consistency}", width - len("READ  "))
    page = "\n      ".join([f"READ  {first}", *more]) + f"\n{columns(rows, wrap=1, width=width)}"
    expressions = list(_request(request).items())
    if expressions:
        which = "each" if scan.segments == 1 or isinstance(scan, ScanExec) else "the first"
        page += f"\n  with {which} request, beside {beside}:\n{columns(expressions, wrap=1, width=width)}"
    return page


def _keys(scan: QueryExec) -> list[tuple[str, str]]:
    """What is read, and by which index."""
    found = [spelled("KeyConditionExpression", json.loads(request)) for request in scan.requests]
    more = len(found) - MOST_KEYS
    said = found if more <= 1 else [*found[:MOST_KEYS], f"and {more:,} more, each a partition key"]
    rows = [("reads only" if not number else "", key) for number, key in enumerate(said)]
    if scan.index is not None:
        names = " or ".join(_name(attribute.name) for attribute in scan.index.key)
        follows = ", and follows its table a moment later" if scan.index.kind == "GSI" else ""
        rows += [
            (
                "by the index",
                f"{scan.index.name} ({scan.index.kind}), which has every item that WHERE can keep{follows}",
            ),
            ("", f"(an item whose {names} is changed during the run may be missed, or be read twice)"),
        ]
    return rows


def _nearly(plan: PhysicalPlan, scan: ReadExec) -> list[tuple[str, str]]:
    """What keeps a Scan from being a Query, where errors alone do."""
    predicate, logical = plan.transform.predicate, plan.logical
    if predicate is None or isinstance(scan, QueryExec):
        return []
    attributes = parts(logical).scan.attributes
    found = query_without_errors(predicate, scan.table.description, attributes, logical.consistent_read)
    if found is None:
        return []
    where = f"the index {found.index.name}" if found.index is not None else "the table's key"
    said = f"a Scan, though {where} has all that WHERE keeps: it could not find the items for which WHERE is an error"
    return [("why all is read", said), ("", "(WHERE try(…) says that they do not matter)")]


def _attributes(request: Mapping[str, Any]) -> str:
    if "ProjectionExpression" not in request:
        return "all attributes"
    names = request["ExpressionAttributeNames"]
    return ", ".join(_name(names[mark]) for mark in request["ProjectionExpression"].split(", "))


def _server_filter(plan: PhysicalPlan, request: Mapping[str, Any]) -> list[tuple[str, str]]:
    if "FilterExpression" in request:
        text = spelled("FilterExpression", request)
        return [
            ("the server filters", text if len(text) <= LONGEST_FILTER else "by the FilterExpression below"),
            ("", "(keeps more than WHERE does; the exact WHERE runs here)"),
        ]
    if plan.transform.predicate is not None:
        what = (
            "nothing more: WHERE runs here"
            if "KeyConditionExpression" in request
            else "nothing: every item comes, and WHERE runs here"
        )
        return [("the server filters", what)]
    return []


_MARK = re.compile(r"[#:][a-z][0-9]+")


def spelled(part: str, request: Mapping[str, Any]) -> str:
    """An expression of a request with names and values in the place of its placeholders."""
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})

    def said(mark: re.Match[str]) -> str:
        return _name(names[mark[0]]) if mark[0] in names else _value(values[mark[0]])

    return _MARK.sub(said, request[part])


def _name(name: str) -> str:
    return format_identifier(ast.Identifier(name))


def _value(value: dict[str, Any]) -> str:
    ((tag, content),) = value.items()
    if tag == "N":
        return str(content)
    if tag == "B":
        return f"from_base64({format_expression(ast.Text(content))})"
    return format_expression(ast.Text(content)) if tag == "S" else str(content).upper()


def _request(request: Mapping[str, Any]) -> dict[str, str]:
    """The expressions of a request, as they are sent."""
    said: dict[str, str] = {}
    for part in ("IndexName", "KeyConditionExpression", "ProjectionExpression", "FilterExpression"):
        if part in request:
            said[part] = request[part]
    for part in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
        if part in request:
            said[part] = json.dumps(request[part], ensure_ascii=False)
    return said


def _compute(plan: PhysicalPlan, width: int) -> str:
    rows: list[tuple[str, ...]] = []
    transform = plan.transform
    roots = [column.expression for column in transform.projection.columns]
    slow = [column.expression for column in transform.projection.columns if how(column) == "by reference"]
    if transform.predicate is not None:
        roots.append(transform.predicate)
        slow += [transform.predicate] if not transform.statement.filters else []
        how_ = "vectorised" if transform.statement.filters else "by reference"
        rows.append(("WHERE", one_line(transform.predicate_text), "", how_))
    if transform.projection.star is not None:
        star = transform.projection.star
        gone = bool(star.exclude or star.rename or transform.projection.columns)
        rows.append(("*", f"every {'other ' if gone else ''}attribute", "", "copied unchanged"))
        rows += [(_name(name), "EXCLUDE", "", "left out") for name in star.exclude]
        rows += [(_name(new), f"{_name(old)}, by RENAME", "any type", "copied unchanged") for old, new in star.rename]
    for column in transform.projection.columns:
        type_ = "any type" if str(column.expression.type) == "ANY" else str(column.expression.type)
        rows.append((_name(column.name), one_line(column.text), type_, how(column)))
    title = "COMPUTE"
    if any(call.function.category == CATEGORY for root in roots for call in calls(root)):
        title += f"  texts without an offset are read in {plan.logical.settings.zone.name}"
    page = f"{title}\n{columns(rows, wrap=1, width=width)}"
    if told := _time_calls(plan):
        page += f"\n  of the calls that read, write or calculate times:\n{columns(_call_rows(told, width))}"
    if not transform.statement.filters or not transform.statement.projects:
        page += "\n  so every row goes by reference: in Python, exact, but more than ten times slower"
        reasons = "; ".join(dict.fromkeys(reason for root in slow for reason in _why_slow(root)))
        page += f"\n  no fast path: {reasons}" if reasons else ""
    return page


def _call_rows(told: Sequence[TimeCall], width: int) -> list[tuple[str, str]]:
    said = [wrapped(call.said, min(LONGEST_REASON, width // 2)) for call in told]
    room = width - 4 - max(len(line) for lines in said for line in lines)
    return [
        row
        for call, lines in zip(told, said, strict=True)
        for row in zip_longest(wrapped(call.text, room), lines, fillvalue="")
    ]


def _why_slow(root: Expression) -> Iterator[str]:
    """Why an expression has no fast path, as far as its functions say; times have lines of their own."""
    for call in calls(root):
        if call.function.category != CATEGORY and all(c.implementation.lower is None for c in call.candidates):
            yield from (c.implementation.slow_because for c in call.candidates if c.implementation.slow_because)


def _write(plan: PhysicalPlan, sites: Mapping[Connection, Site], width: int) -> str:
    rows: list[tuple[str, str]] = []
    if plan.write is not None:
        rows += explain_target.lines(plan.write, sites)
        effect = {"REJECT": "goes to the rejects", "FAIL": "stops the run", "SKIP": "is left out"}
        stops = explain_target.stops_text(plan.on_error, str(plan.logical.max_rejects))
        rows.append(("a failing row", f"{effect[plan.on_error]}{stops}"))
    if plan.limit is not None:
        rows.append(("limit", f"{plan.limit:,} row{'' if plan.limit == 1 else 's'}"))
    if not rows:
        return ""
    title = explain_target.title(plan.write) if plan.write is not None else "ROWS"
    return f"{title}\n{columns(rows, wrap=1, width=width)}"
