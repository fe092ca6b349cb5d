"""The analyzer: from the syntax tree to the logical plan.

In: a spec, what the command line adds, parameters, and the catalog (None: offline). Out: a logical plan, or a SpecError
with every independent error. Invariant: what is wrong is reported once, where it is; nothing follows from an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ddbetl.errors import SpecError
from ddbetl.expressions.resolve import Settings
from ddbetl.expressions.writing import Action
from ddbetl.plan import columns, names, tables
from ddbetl.plan.catalog import Catalog, Connection
from ddbetl.plan.declarations import declare
from ddbetl.plan.logical import Filter, Limit, LogicalPlan, Node, Project, Table, TableScan, Write
from ddbetl.plan.options import DEFAULT_REJECTS, RejectLimit
from ddbetl.plan.scope import Analysis, Overrides, in_order, written
from ddbetl.plan.settings import job_options, on_conflict, rate, time_zone
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression
from ddbetl.syntax.scanner import MAX_PROBLEMS
from ddbetl.time import pivot_of, zone
from ddbetl.time.chronology import MILLIS_PER_DAY, year_of_days
from ddbetl.types import Timestamp

__all__ = ["Overrides", "Wanted", "analyze", "wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table that a plan needs to know: a source's pattern, or the target."""

    connection: Connection
    pattern: names.TablePattern
    is_target: bool


def wanted(spec: ast.Spec, parameters: Mapping[str, str], overrides: Overrides, now: Timestamp) -> tuple[Wanted, ...]:
    """The tables that a catalog for this spec must know, as far as their names can be made out."""
    analysis = Analysis(spec, overrides, parameters, None)
    declare(analysis, Settings(zone("UTC"), _pivot(now)))
    found = [Wanted(source.connection, source.pattern, False) for source in tables.sources(analysis)]
    into = tables.target(analysis)
    if into is not None:
        found.append(Wanted(into.connection, into.pattern, True))
    return tuple(found)


def analyze(
    spec: ast.Spec,
    catalog: Catalog | None,
    parameters: Mapping[str, str],
    overrides: Overrides,
    now: Timestamp,
) -> LogicalPlan:
    """The logical plan of a spec; raises SpecError with all independent errors."""
    analysis = Analysis(spec, overrides, parameters, catalog)
    statement = spec.statement
    options = job_options(analysis)
    settings = Settings(time_zone(analysis, options), _pivot(now))
    declare(analysis, settings)
    references = tables.sources(analysis)
    into = tables.target(analysis)
    action = on_conflict(analysis)
    found = tables.source_tables(analysis, references, into)
    target = tables.target_table(analysis, into) if into is not None else None
    typer = analysis.typer(settings)
    projection = columns.projection(analysis, typer)
    predicate = columns.predicate(analysis, typer)
    if target is not None:
        columns.check_key(analysis, target, projection, found)
    _hidden_keys(analysis, found)
    if analysis.errors:
        raise SpecError(spec.source, in_order(analysis.errors)[:MAX_PROBLEMS])
    left_out = (tables.filled(analysis, name) for name in statement.exclude)
    patterns = [r.pattern.text for r in references] + [f"EXCLUDE {e.text}" for e in left_out if e is not None]
    root: Node = TableScan(found, tuple(patterns))
    if predicate is not None and statement.where is not None:
        root = Filter(root, predicate, format_expression(statement.where))
    root = Project(root, projection)
    if statement.limit is not None:
        root = Limit(root, statement.limit.rows)
    if target is not None:
        root = Write(root, target, Action(action))
    segments, rejects = options.get("segments"), options.get("max_rejects")
    return LogicalPlan(
        root,
        read=rate(options.get("read")),
        write=rate(options.get("write")),
        on_error=statement.on_error.action if statement.on_error is not None else "REJECT",
        max_rejects=rejects if isinstance(rejects, RejectLimit) else DEFAULT_REJECTS,
        segments=segments if isinstance(segments, int) else None,
        consistent_read=options.get("consistent_read") is True,
        settings=settings,
        now=now,
        parameters=tuple(sorted(analysis.parameters.items())),
        lets=tuple(sorted(analysis.lets.items())),
        source=spec.source,
        warnings=in_order(analysis.warnings),
    )


def _pivot(now: Timestamp) -> int:
    return pivot_of(year_of_days(now.millis // MILLIS_PER_DAY)[0])


def _hidden_keys(analysis: Analysis, found: tuple[Table, ...]) -> None:
    """Warn of constants with the name of a key, which every item has."""
    keys = {k.name for t in found if t.description is not None for k in t.description.key}
    added = {let.name.name: (let.name.span, source) for let, source in analysis.overrides.lets}
    places = {name: (span, None) for name, span in analysis.declared.items()} | added
    for name, (span, source) in places.items():
        if name in keys:
            kind = "LET" if name in analysis.lets else "PARAM"
            message = f"the {kind} {written(name)} hides the attribute of that name"
            analysis.warn("W0101", message, span, f'"{name}" in double quotes is the attribute', source)
