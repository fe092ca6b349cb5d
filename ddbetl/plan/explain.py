"""Explain: what a plan will do, as text and as JSON.

In: a physical plan and, where it was made online, the sites. Out: a page of text, or a JSON value of the versioned
schema that docs/explain.md describes. Invariant: everything shown is read off the plan that would run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ddbetl.diagnostics import render
from ddbetl.expressions.ir import Attribute, Constant
from ddbetl.expressions.projection import OutputColumn
from ddbetl.lowering.duckdb_sql import Lowerer, attribute_json
from ddbetl.plan.budget import Budget
from ddbetl.plan.catalog import Connection, Site
from ddbetl.plan.logical import parts
from ddbetl.plan.physical import PhysicalPlan, ScanExec

SCHEMA_VERSION = 1
# Bytes that one read unit reads, eventually or strongly consistent. Source: DynamoDB Developer Guide, "Capacity".
EVENTUAL_BYTES = 8192
STRONG_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Estimate:
    """Read units of the whole job, and seconds at the read budgets; None where a table or a budget is not known."""

    read_units: float | None
    read_seconds: float | None


def estimate(plan: PhysicalPlan) -> Estimate:
    """What reading the tables costs and how long it takes: all tables are read at once, each at its own budget."""
    per_unit = STRONG_BYTES if plan.logical.consistent_read else EVENTUAL_BYTES
    units: list[float] = []
    seconds: list[float] = []
    for scan in plan.scans:
        if scan.table.description is None:
            return Estimate(None, None)
        needed = scan.table.description.size / per_unit
        units.append(needed)
        if scan.budget.units is not None:
            seconds.append(needed / scan.budget.units)
    return Estimate(sum(units), max(seconds) if len(seconds) == len(units) and seconds else None)


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


def as_json(plan: PhysicalPlan, sites: Mapping[Connection, Site]) -> dict[str, Any]:
    """The plan as a JSON value."""
    found = parts(plan.logical)
    predicted = estimate(plan)
    return {
        "ddbetl_explain": SCHEMA_VERSION,
        "fingerprint": plan.fingerprint,
        "parameters": dict(plan.logical.parameters),
        "sources": [_scan_json(scan, sites) for scan in plan.scans],
        "where": None
        if plan.transform.predicate is None
        else {
            "text": plan.transform.predicate_text,
            "how": "vectorised" if plan.transform.statement.filters else "by reference",
            "server_filter": found.scan.filter.expression if found.scan.filter is not None else None,
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
        "limit": plan.limit,
        "on_error": plan.on_error,
        "time_zone": plan.logical.settings.zone.name,
        "target": None if plan.write is None else _target_json(plan, sites),
        "estimate": {"read_units": predicted.read_units, "read_seconds": predicted.read_seconds},
        "warnings": [
            {"code": w.code, "message": w.message, "hint": w.hint}
            | ({} if w.span is None else {"line": plan.logical.source.position(w.span.start)[0]})
            for w in plan.warnings
        ],
    }


def _scan_json(scan: ScanExec, sites: Mapping[Connection, Site]) -> dict[str, Any]:
    description = scan.table.description
    return {
        "table": scan.table.name,
        **_site_json(sites.get(scan.table.connection)),
        "arn": description.arn if description is not None else None,
        "items": description.items if description is not None else None,
        "bytes": description.size if description is not None else None,
        "billing": description.billing if description is not None else None,
        "segments": scan.segments,
        "request": json.loads(scan.request),
        "budget": {"units_per_second": scan.budget.units, "basis": scan.budget.basis},
    }


def _target_json(plan: PhysicalPlan, sites: Mapping[Connection, Site]) -> dict[str, Any]:
    assert plan.write is not None
    description = plan.write.table.description
    return {
        "table": plan.write.table.name,
        **_site_json(sites.get(plan.write.table.connection)),
        "arn": description.arn if description is not None else None,
        "request": "BatchWriteItem",
        "on_conflict": "REPLACE",
        "key": [{"name": k.name, "type": str(k.type)} for k in plan.write.key],
        "indexes": [index.name for index in description.indexes] if description is not None else [],
        "budget": {"units_per_second": plan.write.budget.units, "basis": plan.write.budget.basis},
    }


def _site_json(site: Site | None) -> dict[str, Any]:
    if site is None:
        return {"region": None, "account": None, "endpoint": None}
    return {"region": site.region, "account": site.account, "endpoint": site.endpoint}


# Text


def as_text(plan: PhysicalPlan, sites: Mapping[Connection, Site]) -> str:
    """The plan as a page of text."""
    sections = [
        _headline(plan),
        _sources(plan, sites),
        _read(plan),
        _compute(plan),
        _write(plan, sites),
        _estimate(plan),
    ]
    if plan.warnings:
        sections.append("WARNINGS\n\n" + render(plan.logical.source, plan.warnings))
    return "\n\n".join(section for section in sections if section)


def _headline(plan: PhysicalPlan) -> str:
    count = len(plan.scans)
    sources = plan.scans[0].table.name if count == 1 else f"{count} tables"
    target = plan.write.table.name if plan.write is not None else "no target: ddbetl preview shows the rows"
    line = f"{sources} → {target}"
    if plan.logical.parameters:
        line += "\n" + ", ".join(f"{name} = {value}" for name, value in plan.logical.parameters)
    return line


def _sources(plan: PhysicalPlan, sites: Mapping[Connection, Site]) -> str:
    rows = [("table", "items", "size", "segments", "units/s", "")]
    for scan in plan.scans:
        description = scan.table.description
        if description is None:
            rows.append((scan.table.name, "?", "?", "?", "?", scan.budget.basis))
            continue
        rows.append(
            (
                scan.table.name,
                f"{description.items:,}",
                size(description.size),
                str(scan.segments),
                _units(scan.budget),
                scan.budget.basis,
            )
        )
    if len(plan.scans) > 1 and all(s.table.description is not None for s in plan.scans):
        items = sum(s.table.description.items for s in plan.scans if s.table.description is not None)
        volume = sum(s.table.description.size for s in plan.scans if s.table.description is not None)
        segments = sum(s.segments for s in plan.scans)
        rows.append((f"{len(plan.scans)} tables", f"{items:,}", size(volume), str(segments), "", ""))
    where = dict.fromkeys(_place(sites.get(scan.table.connection)) for scan in plan.scans)
    offline = any(scan.table.description is None for scan in plan.scans)
    note = "offline: the tables were not looked up" if offline else "; ".join(where)
    return f"SOURCES  {note}\n{columns(rows, right=(1, 2, 3, 4))}"


def _units(budget: Budget) -> str:
    if budget.units is None:
        return "unlimited" if budget.basis == "unlimited" else "?"
    return f"{budget.units:,.0f}"


def _place(site: Site | None) -> str:
    if site is None:
        return ""
    return f"{site.region}, {f'account {site.account}' if site.account else site.endpoint}"


def _read(plan: PhysicalPlan) -> str:
    scan = parts(plan.logical).scan
    consistency = "strongly consistent" if plan.logical.consistent_read else "eventually consistent"
    lines = [f"READ  Scan, full pages, {consistency}"]
    attributes = "all attributes" if scan.attributes is None else ", ".join(scan.attributes)
    lines.append(f"  the server sends   {attributes}")
    if scan.filter is not None:
        text = scan.filter.expression
        for mark, name in scan.filter.names:
            text = _replace(text, mark, name)
        for mark, value in scan.filter.values:
            ((_, content),) = json.loads(value).items()
            text = _replace(text, mark, repr(content) if isinstance(content, str) else str(content).lower())
        lines.append(f"  the server filters {text}")
        lines.append("                     (keeps more than WHERE does; the exact WHERE runs here)")
    elif plan.transform.predicate is not None:
        lines.append("  the server filters nothing: every item comes, and WHERE runs here")
    return "\n".join(lines)


def _replace(text: str, mark: str, by: str) -> str:
    """A placeholder's name or value in its place; ``#f1`` is not part of ``#f10``."""
    out = text.replace(f"{mark})", f"{by})").replace(f"{mark} ", f"{by} ").replace(f"{mark},", f"{by},")
    return out.removesuffix(mark) + by if out.endswith(mark) else out


def _compute(plan: PhysicalPlan) -> str:
    rows: list[Sequence[str]] = []
    transform = plan.transform
    if transform.predicate is not None:
        rows.append(
            ("WHERE", transform.predicate_text, "", "vectorised" if transform.statement.filters else "by reference")
        )
    if transform.projection.star is not None:
        star = transform.projection.star
        text = "*"
        if star.exclude:
            text += f" EXCLUDE ({', '.join(star.exclude)})"
        if star.rename:
            text += f" RENAME ({', '.join(f'{old} AS {new}' for old, new in star.rename)})"
        rows.append((text, "every other attribute", "", "copied unchanged"))
    for column in transform.projection.columns:
        type_ = "any type" if str(column.expression.type) == "ANY" else str(column.expression.type)
        rows.append((column.name, column.text, type_, how(column)))
    note = f"texts without an offset are read in {plan.logical.settings.zone.name}"
    title = f"COMPUTE  {note}"
    if not transform.statement.filters or not transform.statement.projects:
        title += "\n  by reference: one row after another in Python, exact but some fifty times slower"
    return f"{title}\n{columns(rows)}"


def _write(plan: PhysicalPlan, sites: Mapping[Connection, Site]) -> str:
    if plan.write is None:
        return ""
    write = plan.write
    lines = ["WRITE  BatchWriteItem, 25 puts a request; an item of the same key is replaced"]
    key = ", ".join(f"{k.name} {k.type}" for k in write.key) or "not looked up"
    units = _units(write.budget)
    if units != write.budget.basis:
        units = f"{units}  {write.budget.basis}"
    rows = [
        ("target", f"{write.table.name}  {_place(sites.get(write.table.connection))}".rstrip()),
        ("key", key),
        ("write units/s", units),
    ]
    description = write.table.description
    if description is not None and description.indexes:
        names = ", ".join(f"{index.name} ({index.kind})" for index in description.indexes)
        rows.append(("indexes", f"{names}: their writes count as well"))
    rows.append(
        (
            "a failing row",
            {"REJECT": "goes to the rejects", "FAIL": "stops the run", "SKIP": "is left out"}[plan.on_error],
        )
    )
    if plan.limit is not None:
        rows.append(("limit", f"{plan.limit:,} rows"))
    lines.append(columns(rows))
    return "\n".join(lines)


def _estimate(plan: PhysicalPlan) -> str:
    predicted = estimate(plan)
    if predicted.read_units is None:
        return ""
    units = f"reading costs about {predicted.read_units:,.0f} read units"
    if predicted.read_seconds is not None:
        units += f"; it takes {duration(predicted.read_seconds)} or more at these rates"
    return f"ESTIMATE  {units}\n  (from the sizes that DynamoDB counts every six hours; this page cost no units)"


def columns(rows: Sequence[Sequence[str]], right: tuple[int, ...] = (), indent: str = "  ") -> str:
    """Rows as aligned columns; ``right`` are the columns aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append((indent + "  ".join(cells)).rstrip())
    return "\n".join(lines)


def size(count: int) -> str:
    """A number of bytes for a person: ``5.4 MB`` (of 1,000,000 bytes each)."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:,.1f} {unit}"
        value /= 1000
    raise AssertionError


def duration(seconds: float) -> str:
    """A length of time for a person: ``8 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 1:
        return "1 s" if seconds > 0.5 else "less than 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
