"""The tables that a spec reads and the one that it writes.

In: the names and patterns of FROM, EXCLUDE and INTO, the catalog. Out: tables with their descriptions. Invariant: a
table is read once, and never the one that is written; offline a pattern stands for the tables that it will match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

from ddbetl.diagnostics import did_you_mean
from ddbetl.functions.model import Origin
from ddbetl.numbers import shown
from ddbetl.plan import names
from ddbetl.plan.catalog import Connection, TableDescription
from ddbetl.plan.logical import Table
from ddbetl.plan.options import CONNECTION_OPTIONS, JOB_OPTIONS
from ddbetl.plan.scope import Analysis
from ddbetl.plan.settings import read_options
from ddbetl.source import Span
from ddbetl.syntax import ast
from ddbetl.types import Type

# What a table can be read and written in. Source: TableDescription API reference, TableStatus.
USABLE = ("ACTIVE", "UPDATING")


@dataclass(frozen=True, slots=True)
class Reference:
    """A source or the target: its pattern, where it is, and where the spec says so (None: on the command line)."""

    pattern: names.TablePattern
    connection: Connection
    span: Span | None


# What the spec says


def sources(analysis: Analysis) -> list[Reference]:
    """The sources whose names can be made out."""
    found = []
    for source in analysis.spec.statement.sources:
        if isinstance(source.name, ast.FileName):
            hint = "a table's name is written without quotes, or in double quotes"
            analysis.error("E0601", "reading files is not there yet", source.name.span, hint)
            continue
        reference = _reference(analysis, source.name, source.options)
        if reference is not None:
            found.append(reference)
    return found


def target(analysis: Analysis) -> Reference | None:
    """The target, if there is one and its name can be made out."""
    write = analysis.spec.statement.write
    into = analysis.overrides.into
    if write is None:
        if into is None:
            return None
        connection = analysis.overrides.connection
        pattern = names.pattern(ast.TableName((ast.Literal(into),)), {})
        return Reference(pattern, connection, None) if _is_name(analysis, pattern, None) else None
    if into is not None:
        verb = {ast.InsertInto: "INSERT INTO", ast.MergeInto: "MERGE INTO", ast.DeleteFrom: "DELETE FROM"}[type(write)]
        hint = f"leave out --into, or {verb}"
        analysis.error("E0410", f"--into {into}: the spec names its target itself", write.span, hint)
    if isinstance(write.target, ast.FileName):
        analysis.error("E0601", "writing files is not there yet", write.target.span, "a table is named without quotes")
        return None
    return _reference(analysis, write.target, write.options)


def _reference(analysis: Analysis, table: ast.TableName, options: tuple[ast.Option, ...]) -> Reference | None:
    connection = _connection(analysis, options)
    pattern = filled(analysis, table)
    if pattern is None or connection is None or not _is_name(analysis, pattern, table):
        return None
    return Reference(pattern, connection, table.span)


def _connection(analysis: Analysis, options: tuple[ast.Option, ...]) -> Connection | None:
    """The connection of a source or target; None where its options are wrong."""
    errors = len(analysis.errors)
    values = read_options(analysis, [(o, None) for o in options], CONNECTION_OPTIONS, JOB_OPTIONS)
    if len(analysis.errors) > errors:
        return None
    return replace(analysis.overrides.connection, **{n: v for n, v in values.items() if isinstance(v, str)})


def filled(analysis: Analysis, table: ast.TableName) -> names.TablePattern | None:
    """A table's pattern with the parameters filled in; None where one has no value that could be part of a name."""
    values = dict(analysis.parameters)
    broken = False
    for part in table.parts:
        if not isinstance(part, ast.ParameterPart):
            continue
        constant = analysis.constants.get(part.name)
        if part.name not in values:
            broken = True
            values[part.name] = ""
            if part.name not in analysis.declared or part.name in analysis.lets:
                _unknown_parameter(analysis, part)
        elif constant is not None and constant.type not in (Type.STRING, Type.NUMBER, Type.BOOLEAN):
            broken = True
            message = f"${{{part.name}}}: a {constant.type} cannot be part of a table's name"
            analysis.error("E0207", message, part.span, "a text or a number can")
    return None if broken else names.pattern(table, values)


def _unknown_parameter(analysis: Analysis, part: ast.ParameterPart) -> None:
    name = part.name
    hint = did_you_mean(name, analysis.parameters) or f"PARAM {name}; at the top of the spec declares it"
    if name in analysis.lets:
        hint = f"{name} is a LET; only a PARAM can be part of a table's name"
    analysis.error("E0207", f"${{{name}}}: the spec has no PARAM {name}", part.span, hint)


def _is_name(analysis: Analysis, pattern: names.TablePattern, table: ast.TableName | None) -> bool:
    """Whether tables can have the name, or names of the pattern; reports it where not."""
    literals = "".join(part.text for part in pattern.parts if isinstance(part, ast.Literal))
    if names.TABLE_NAME.fullmatch(pattern.text if pattern.name is not None else literals.ljust(3, "_")):
        return True
    parameters = [part.name for part in table.parts if isinstance(part, ast.ParameterPart)] if table is not None else []
    hint = "3 to 255 of letters, digits, _ . and -"
    if any(sign in analysis.parameters[name] for name in parameters for sign in "*?[{"):
        hint = "the value of a PARAM stands for itself; wildcards are written in the spec"
    elif "${" in pattern.text:
        hint = "a parameter is filled in where the name stands without double quotes"
    elif pattern.text.startswith("arn:"):
        hint = "a table is named by its name alone; its region goes behind it: Orders (region = 'us-west-2')"
    elif table is None and any(sign in pattern.text for sign in "*?[{"):
        hint = "a target is one table"
    elif "/" in pattern.text:
        hint = "files are not there yet; a table's name has letters, digits, _ . and -"
    span = table.span if table is not None else None
    analysis.error("E0412", f"{shown(pattern.text)} cannot be a table's name", span, hint)
    return False


# What there is


def source_tables(analysis: Analysis, found: Sequence[Reference], into: Reference | None) -> tuple[Table, ...]:
    """The source tables, each once, in the order of the spec and then of their names."""
    written = [(e, filled(analysis, e)) for e in analysis.spec.statement.exclude]
    exclusions = [(node, pattern) for node, pattern in written if pattern is not None]
    tables: dict[tuple[tuple[str, str] | Connection, str], Table] = {}
    used: set[names.TablePattern] = set()
    errors = len(analysis.errors)
    for source in found:
        here = _place(analysis, source.connection)
        target_here = into is not None and _place(analysis, into.connection) == here
        if into is not None and _reads_target(analysis, source, into, [pattern for _, pattern in exclusions]):
            _report_target(analysis, source, into)
            if source.pattern.name is not None:
                continue
        for name in _select(analysis, source):
            leaving = [pattern for _, pattern in exclusions if _excludes(analysis, pattern, name, source)]
            used.update(leaving)
            if leaving or (target_here and into is not None and name == into.pattern.name):
                continue
            description = None
            if analysis.catalog is not None:
                description = analysis.catalog.tables.get((source.connection, name))
                if description is not None and description.status not in USABLE:
                    message = f"the table {name} is {description.status}: it cannot be read now"
                    hint = f"EXCLUDE {name} leaves it out" if source.pattern.name is None else when(description)
                    analysis.error("E0407", message, source.span, hint)
            captures = source.pattern.captures(name)
            table = Table(name, source.connection, description, source.pattern.text, captures)
            tables.setdefault((here, name), table)
    nodes = analysis.spec.statement.exclude
    if nodes and found and not tables and len(analysis.errors) == errors:
        span = nodes[0].span.to(nodes[-1].span)
        analysis.error("E0401", "EXCLUDE takes out every table that FROM names", span)
    elif analysis.catalog is not None:
        for node, pattern in exclusions:
            if pattern not in used:
                hint = did_you_mean(pattern.text, [table.name for table in tables.values()])
                analysis.warn("W0103", f"EXCLUDE {pattern.text} takes nothing out", node.span, hint)
    return tuple(tables.values())


def origins(tables: Sequence[Table]) -> tuple[Origin, ...]:
    """What expressions may know of the source tables."""
    return tuple(
        Origin(t.name, t.pattern, t.captures, tuple(k.name for k in t.description.key) if t.description else ())
        for t in tables
    )


def when(description: TableDescription) -> str:
    """What to do about a table that is not usable."""
    return "wait until it is ACTIVE" if description.status == "CREATING" else "choose another table"


def _excludes(analysis: Analysis, pattern: names.TablePattern, name: str, source: Reference) -> bool:
    """Whether an exclusion takes a table out; offline a pattern's tables are not known, so it stays."""
    return pattern.matches(name) and (analysis.catalog is not None or source.pattern.name is not None)


def _place(analysis: Analysis, connection: Connection) -> tuple[str, str] | Connection:
    """Where a connection leads: two that are written differently, or have other endpoints, can lead to one account."""
    site = analysis.catalog.sites.get(connection) if analysis.catalog is not None else None
    return (site.region, site.account or site.endpoint) if site is not None else connection


def _reads_target(
    analysis: Analysis, source: Reference, into: Reference, exclusions: Sequence[names.TablePattern]
) -> bool:
    name = into.pattern.name
    if name is None or _place(analysis, source.connection) != _place(analysis, into.connection):
        return False
    return source.pattern.matches(name) and not any(pattern.matches(name) for pattern in exclusions)


def _report_target(analysis: Analysis, source: Reference, into: Reference) -> None:
    name = into.pattern.text
    if source.pattern.name is None:
        message = f"the target {name} would be read as well: {source.pattern.text} matches it"
        analysis.error("E0403", message, source.span, f"EXCLUDE {name} behind the sources leaves it out")
    else:
        message = f"{name} is both read and written"
        analysis.error("E0403", message, source.span, "a run cannot read what it writes: choose another target")


def _select(analysis: Analysis, source: Reference) -> tuple[str, ...]:
    """The names of the tables that a source stands for; offline a pattern stands for itself."""
    pattern = source.pattern
    if analysis.catalog is None:
        return (pattern.text,)
    known = analysis.catalog.names.get(source.connection, ())
    where = where_is(analysis, source.connection)
    if pattern.name is not None:
        if (source.connection, pattern.name) in analysis.catalog.tables:
            return (pattern.name,)
        hint = did_you_mean(pattern.name, known) or some(known)
        analysis.error("E0402", f"there is no table {pattern.name} in {where}", source.span, hint)
        return ()
    selected = pattern.select(known)
    if not selected:
        message = f"no table in {where} matches {pattern.text}"
        analysis.error("E0401", message, source.span, _nearest(pattern.text, known))
    return selected


NO_TABLES = "there are no tables at all: is it the right region and account?"


def _nearest(text: str, known: tuple[str, ...]) -> str:
    plain = "".join(c for c in text if c.isalnum() or c in "_.-")
    likeness = {name: SequenceMatcher(None, plain, name).ratio() for name in known}
    near = sorted((name for name in known if likeness[name] > 0.5), key=lambda name: -likeness[name])[:5]
    return f"the nearest names: {', '.join(sorted(near))}" if near else some(known)


def some(known: tuple[str, ...]) -> str:
    """The first of the tables that there are, for a hint."""
    if not known:
        return NO_TABLES
    return f"there {'is' if len(known) == 1 else 'are'} {', '.join(known[:5])}{' …' if len(known) > 5 else ''}"


def where_is(analysis: Analysis, connection: Connection) -> str:
    """Where a connection leads, for messages."""
    site = analysis.catalog.sites.get(connection) if analysis.catalog is not None else None
    if site is None:
        return "that place"
    return f"{site.region} ({f'account {site.account}' if site.account else site.endpoint})"
