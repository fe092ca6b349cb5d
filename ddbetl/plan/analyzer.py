"""The analyzer: from the syntax tree to the logical plan.

In: a spec, what the command line adds, parameters, and the catalog (None: offline). Out: a logical plan, or a SpecError
with every independent error. Invariant: what is wrong is reported once, where it is; nothing follows from an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ddbetl.errors import SpecError
from ddbetl.expressions.projection import Projection
from ddbetl.expressions.resolve import Settings
from ddbetl.expressions.writing import Action
from ddbetl.functions.own import OwnFile
from ddbetl.plan import columns, expiry, names, tables, warnings
from ddbetl.plan import target as targets
from ddbetl.plan.catalog import Catalog, Connection, Provisioned
from ddbetl.plan.declarations import declare
from ddbetl.plan.logical import Filter, Limit, LogicalPlan, Node, Project, Table, TableScan, Write
from ddbetl.plan.options import DEFAULT_REJECTS, OptionValue, RejectLimit
from ddbetl.plan.scope import Analysis, Overrides, in_order, written
from ddbetl.plan.settings import Writing, check_together, job_options, rate, time_zone, writing
from ddbetl.syntax import ast
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
    files: Mapping[str, OwnFile] | None = None,
) -> LogicalPlan:
    """The logical plan of a spec; raises SpecError with all independent errors. ``files``: what USING names."""
    analysis = Analysis(spec, overrides, parameters, catalog, files=files or {})
    statement = spec.statement
    options = job_options(analysis)
    settings = Settings(time_zone(analysis, options), _pivot(now))
    declare(analysis, settings)
    references = tables.sources(analysis)
    into = tables.target(analysis)
    said = writing(analysis)
    check_together(analysis, options, said.action)
    found = tables.source_tables(analysis, references, into)
    settings = replace(settings, origins=tables.origins(found))
    typer = analysis.typer(settings)
    projection = columns.projection(analysis, typer)
    to = _target(analysis, into, said, projection, found, options) if into is not None else None
    ttl = options.get("ttl_attribute")
    if not isinstance(ttl, str):
        ttl = None
    elif said.action is not Action.DELETE:
        expiry.check(analysis, ttl, projection, found)
    skips = ttl is not None and options.get("skip_expired") is True
    # Behind an error of its column, the condition would only say the same again.
    live = expiry.not_expired(analysis, ttl, projection) if ttl is not None and skips and not analysis.errors else None
    condition = columns.condition(analysis, typer, live)
    _hidden_keys(analysis, found)
    if analysis.errors:
        raise SpecError(spec.source, in_order(analysis.errors)[:MAX_PROBLEMS])
    roots = [column.expression for column in projection.columns]
    if condition is not None:
        warnings.check_where(analysis, condition, found)
        roots.append(condition.predicate)
    warnings.check_types(analysis, roots, found)
    if to is not None:
        warnings.check_target(analysis, to, said.action, projection, found, rate(options.get("write")), now)
    if ttl is not None and said.action is not Action.DELETE:
        warnings.check_expiry(analysis, ttl, skips, projection, found, now)
    left_out = (tables.filled(analysis, name) for name in statement.exclude)
    patterns = [r.pattern.text for r in references] + [f"EXCLUDE {e.text}" for e in left_out if e is not None]
    root: Node = TableScan(found, tuple(patterns))
    if condition is not None:
        root = Filter(root, condition.predicate, condition.text)
    root = Project(root, projection)
    if statement.limit is not None:
        root = Limit(root, statement.limit.rows)
    if to is not None:
        # KEEP NEWEST decides between the rows of a job as it does between a row and an item.
        collisions = str(options.get("collisions", "allow" if said.action is Action.KEEP_NEWEST else "reject"))
        root = Write(root, to.table, said.action, said.newest, collisions, ttl, to.create)
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
        files=tuple(sorted((file.name, file.digest) for file in analysis.files.values())),
        source=spec.source,
        warnings=in_order(analysis.warnings),
    )


def _target(
    analysis: Analysis,
    into: tables.Reference,
    said: Writing,
    projection: Projection,
    sources: tuple[Table, ...],
    options: Mapping[str, OptionValue],
) -> targets.Target | None:
    """The target, and whether the rows are what it takes."""
    billing = options.get("billing")
    provisioned = billing if isinstance(billing, Provisioned) else None
    to = targets.target(analysis, into, projection, sources, provisioned)
    if to is None:
        return None
    if said.action is Action.DELETE:
        targets.check_delete(analysis, to, projection)
    if said.action is not Action.DELETE or projection.star is None:
        targets.check_key(analysis, to, projection, sources)
    if said.action is not Action.DELETE:
        targets.check_indexes(analysis, to, projection, sources)
    targets.check_merge(analysis, to, projection)
    targets.check_newest(analysis, said, to, projection)
    return to


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
