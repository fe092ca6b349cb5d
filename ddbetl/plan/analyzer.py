"""The analyzer: from the syntax tree to the logical plan.

In: a spec, what the command line adds, parameters, and the catalog (None: offline). Out: a logical plan, or a SpecError
with every independent error. Invariant: what is wrong is reported once, where it is; nothing follows from an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation

from ddbetl.diagnostics import Diagnostic, Label, did_you_mean
from ddbetl.errors import SpecError
from ddbetl.expressions.ir import Constant, Expression
from ddbetl.expressions.projection import KeyAttribute, OutputColumn, Projection, Star
from ddbetl.expressions.resolve import Settings, resolve
from ddbetl.functions.registry import operator
from ddbetl.plan import names
from ddbetl.plan.catalog import Catalog, Connection
from ddbetl.plan.logical import Filter, Limit, LogicalPlan, Node, Project, Table, TableScan, Write
from ddbetl.plan.options import (
    CONNECTION_OPTIONS,
    JOB_OPTIONS,
    OptionError,
    OptionKind,
    OptionValue,
    PercentRate,
    Rate,
    UnitRate,
    Unlimited,
)
from ddbetl.plan.typer import Typer
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression
from ddbetl.time import Zone, ZoneError, pivot_of, zone
from ddbetl.types import Timestamp, Type

DEFAULT_RATE = PercentRate(Decimal(50))


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line adds to a spec: LETs and options with the texts they were written in, and a target."""

    lets: tuple[tuple[ast.Let, SourceText], ...] = ()
    options: tuple[tuple[ast.Option, SourceText], ...] = ()
    into: str | None = None
    on_conflict: str | None = None
    connection: Connection = field(default_factory=Connection)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A table that a plan needs to know: a source's pattern, or the target."""

    connection: Connection
    pattern: names.TablePattern
    is_target: bool


@dataclass(frozen=True, slots=True)
class _Reference:
    """A source or target with its pattern and connection. ``name``: where it is written."""

    pattern: names.TablePattern
    connection: Connection
    span: Span | None
    source: SourceText | None = None


@dataclass(slots=True)
class _Analysis:
    spec: ast.Spec
    overrides: Overrides
    given: Mapping[str, str]
    catalog: Catalog | None
    now: Timestamp
    errors: list[Diagnostic] = field(default_factory=list)
    warnings: list[Diagnostic] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    declared: dict[str, Span] = field(default_factory=dict)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None,
        hint: str = "",
        labels: tuple[Label, ...] = (),
        source: SourceText | None = None,
    ) -> None:
        self.errors.append(Diagnostic(code, message, span, hint, labels, source))

    def warn(self, code: str, message: str, span: Span | None, hint: str = "") -> None:
        self.warnings.append(Diagnostic(code, message, span, hint))

    def typer(self, settings: Settings, source: SourceText | None = None) -> Typer:
        def report(diagnostic: Diagnostic) -> None:
            self.errors.append(replace(diagnostic, source=source))

        return Typer(source or self.spec.source, settings, self.constants, report)


def wanted(spec: ast.Spec, parameters: Mapping[str, str], overrides: Overrides, now: Timestamp) -> tuple[Wanted, ...]:
    """The tables that a catalog for this spec must know; raises SpecError where their names cannot be made out."""
    analysis = _Analysis(spec, overrides, parameters, None, now)
    _declarations(analysis, Settings(zone("UTC"), pivot_of(_year(now))))
    sources = _sources(analysis)
    target = _target(analysis)
    found = [Wanted(s.connection, s.pattern, False) for s in sources]
    if target is not None:
        found.append(Wanted(target.connection, target.pattern, True))
    return tuple(found)


def analyze(
    spec: ast.Spec,
    catalog: Catalog | None,
    parameters: Mapping[str, str],
    overrides: Overrides,
    now: Timestamp,
) -> LogicalPlan:
    """The logical plan of a spec; raises SpecError with all independent errors."""
    analysis = _Analysis(spec, overrides, parameters, catalog, now)
    options = _job_options(analysis)
    settings = Settings(_zone(analysis, options), pivot_of(_year(now)))
    _declarations(analysis, settings)
    statement = spec.statement
    sources = _sources(analysis)
    target = _target(analysis)
    on_conflict = _on_conflict(analysis, target)
    tables = _tables(analysis, sources, target)
    typer = analysis.typer(settings)
    projection = _projection(analysis, typer)
    predicate = _where(analysis, typer)
    target_table = _target_table(analysis, target, projection)
    _shadows(analysis, tables)
    if analysis.errors or projection is None:
        raise SpecError(spec.source, tuple(sorted(analysis.errors, key=_place)))
    exclusions = tuple(_filled(analysis, e).text for e in statement.exclude)
    root: Node = TableScan(tables, tuple(s.pattern.text for s in sources) + tuple(f"EXCLUDE {e}" for e in exclusions))
    if predicate is not None and statement.where is not None:
        root = Filter(root, predicate, format_expression(statement.where))
    root = Project(root, projection)
    if statement.limit is not None:
        root = Limit(root, statement.limit.rows)
    if target_table is not None:
        root = Write(root, target_table, on_conflict)
    segments = options.get("segments")
    return LogicalPlan(
        root,
        read=_rate(options.get("read")),
        write=_rate(options.get("write")),
        on_error=statement.on_error.action if statement.on_error is not None else "REJECT",
        segments=segments if isinstance(segments, int) else None,
        consistent_read=options.get("consistent_read") is True,
        settings=settings,
        now=now,
        parameters=tuple(sorted(analysis.parameters.items())),
        source=spec.source,
        warnings=tuple(analysis.warnings),
    )


def _place(diagnostic: Diagnostic) -> tuple[bool, int]:
    return diagnostic.span is not None, diagnostic.span.start if diagnostic.span is not None else 0


def _year(now: Timestamp) -> int:
    return 1970 + int(now.millis // 31_556_952_000)


def _rate(value: OptionValue | None) -> Rate:
    match value:
        case PercentRate() | UnitRate() | Unlimited():
            return value
        case _:
            return DEFAULT_RATE


# Declarations


def _declarations(analysis: _Analysis, settings: Settings) -> None:
    lets: list[tuple[ast.Let, SourceText | None]] = []
    params: list[ast.Param] = []
    replaced = {let.name.name for let, _ in analysis.overrides.lets}
    for declaration in analysis.spec.declarations:
        match declaration:
            case ast.Using(span=span):
                analysis.error("E0601", "Python functions of your own (USING) are not there yet", span)
            case ast.Param(name=name):
                _declare(analysis, name)
                params.append(declaration)
            case ast.Let(name=name):
                _declare(analysis, name)
                if name.name not in replaced:
                    lets.append((declaration, None))
    for let, source in analysis.overrides.lets:
        if any(p.name.name == let.name.name for p in params):
            analysis.error("E0203", f"{let.name.name} is a PARAM: give its value by -p", let.name.span, source=source)
        lets.append((let, source))
    for param in params:
        _parameter(analysis, param, settings)
    known = [p.name.name for p in params]
    for given in analysis.given:
        if given not in known:
            hint = did_you_mean(given, known) or f"PARAM {given}; at the top of the spec would declare it"
            if any(let.name.name == given for let, _ in lets):
                hint = f"{given} is a LET: --let '{given} = …' replaces it"
            analysis.error("E0202", f"-p {given}: the spec has no PARAM {given}", None, hint)
    for let, origin in lets:
        value = _constant(analysis, let.value, f"LET {let.name.name}", settings, origin)
        if value is not None:
            analysis.constants[let.name.name] = value


def _declare(analysis: _Analysis, name: ast.Identifier) -> None:
    first = analysis.declared.get(name.name)
    if first is not None:
        labels = (Label(first, "declared here first"),)
        analysis.error("E0203", f"{name.name} is declared twice", name.span, labels=labels)
    else:
        analysis.declared[name.name] = name.span


def _parameter(analysis: _Analysis, param: ast.Param, settings: Settings) -> None:
    name = param.name.name
    default = None
    if param.default is not None:
        default = _constant(analysis, param.default, f"the default of {name}", settings, None)
        if default is None:
            return
    given = analysis.given.get(name)
    if given is None:
        if default is None:
            analysis.error("E0201", f"the parameter {name} has no value", param.span, f"give one by -p {name}=…")
            # Whatever uses it is not at fault.
            analysis.constants[name] = Constant("", Type.STRING)
            analysis.parameters[name] = f"${{{name}}}"
            return
        analysis.constants[name] = default
        analysis.parameters[name] = _plain(default)
        return
    analysis.parameters[name] = given
    if default is not None and default.type is Type.NUMBER:
        try:
            analysis.constants[name] = Constant(Decimal(given), Type.NUMBER)
        except InvalidOperation:
            message = f"-p {name}={given}: {name} is a number, as its default is"
            analysis.error("E0201", message, param.span)
    elif default is not None and default.type is Type.BOOLEAN:
        if given.lower() not in ("true", "false"):
            analysis.error("E0201", f"-p {name}={given}: {name} is true or false, as its default is", param.span)
        analysis.constants[name] = Constant(given.lower() == "true", Type.BOOLEAN)
    else:
        analysis.constants[name] = Constant(given, Type.STRING)


def _plain(constant: Constant) -> str:
    match constant.value:
        case Decimal() as number:
            return f"{number:f}"
        case bool() as flag:
            return "true" if flag else "false"
        case value:
            return str(value)


def _constant(
    analysis: _Analysis, node: ast.Expression, what: str, settings: Settings, source: SourceText | None
) -> Constant | None:
    typed = analysis.typer(settings, source).type(node)
    if typed is None:
        return None
    if not isinstance(typed, Constant):
        hint = "a number, a text in single quotes, true, false, or a duration such as 365 days"
        analysis.error("E0206", f"{what} must be a constant", node.span, hint, source=source)
        return None
    return typed


# Sources and target


def _filled(analysis: _Analysis, table: ast.TableName) -> names.TablePattern:
    """A table's pattern; an unknown parameter is reported and stands for its own name."""
    parameters = dict(analysis.parameters)
    while True:
        try:
            return names.pattern(table, parameters)
        except names.MissingParameter as missing:
            name = missing.part.name
            if name not in analysis.declared:
                hint = did_you_mean(name, analysis.parameters) or f"PARAM {name}; at the top of the spec declares it"
                if name in analysis.constants:
                    hint = f"{name} is a LET; only a PARAM can be part of a table's name"
                analysis.error("E0207", f"${{{name}}}: the spec has no PARAM {name}", missing.part.span, hint)
            parameters[name] = f"${{{name}}}"


def _connection(analysis: _Analysis, options: tuple[ast.Option, ...]) -> Connection:
    values = _options(analysis, [(o, None) for o in options], CONNECTION_OPTIONS)
    known = {name: value for name, value in values.items() if isinstance(value, str)}
    return replace(analysis.overrides.connection, **known)


def _sources(analysis: _Analysis) -> list[_Reference]:
    found = []
    for source in analysis.spec.statement.sources:
        connection = _connection(analysis, source.options)
        if isinstance(source.name, ast.FileName):
            hint = "a table's name is written without quotes, or in double quotes"
            analysis.error("E0601", "reading files is not there yet", source.name.span, hint)
            continue
        found.append(_Reference(_filled(analysis, source.name), connection, source.name.span))
    return found


def _target(analysis: _Analysis) -> _Reference | None:
    write = analysis.spec.statement.write
    into = analysis.overrides.into
    if write is not None and into is not None:
        analysis.error("E0410", f"--into {into}: the spec names its target itself", write.span)
    match write:
        case None:
            if into is None:
                return None
            table = ast.TableName((ast.Literal(into),))
            return _Reference(_filled(analysis, table), analysis.overrides.connection, None)
        case ast.MergeInto(span=span):
            analysis.error("E0601", "MERGE INTO is not there yet", span, "INSERT INTO writes whole items")
        case ast.DeleteFrom(span=span):
            analysis.error("E0601", "DELETE FROM is not there yet", span)
        case ast.InsertInto(key=key) if key:
            message = "creating a missing table (KEY) is not there yet"
            analysis.error("E0601", message, key[0].span.to(key[-1].span), "create the table first, then leave KEY out")
    connection = _connection(analysis, write.options)
    if isinstance(write.target, ast.FileName):
        analysis.error("E0601", "writing files is not there yet", write.target.span)
        return None
    target = _filled(analysis, write.target)
    if target.name is None:
        analysis.error("E0408", f"{target.text} is a pattern; a target is one table", write.target.span)
        return None
    return _Reference(target, connection, write.target.span)


def _on_conflict(analysis: _Analysis, target: _Reference | None) -> str:
    statement = analysis.spec.statement
    clause = statement.on_conflict
    said = analysis.overrides.on_conflict
    overwrite = isinstance(statement.write, ast.InsertInto) and statement.write.overwrite
    action = said.upper() if said is not None else clause.action if clause is not None else None
    if overwrite:
        if action not in (None, "REPLACE"):
            span = clause.span if clause is not None and said is None else None
            message = f"INSERT OVERWRITE replaces existing items; ON CONFLICT {action} contradicts it"
            analysis.error("E0409", message, span, "INSERT INTO takes any ON CONFLICT")
        return "REPLACE"
    if target is None or action == "REPLACE":
        return action or "REJECT"
    hint = "ON CONFLICT REPLACE overwrites existing items; it is the only way to write so far"
    if action is None:
        span = statement.write.span if statement.write is not None else None
        message = "ON CONFLICT REJECT, which is the default, is not there yet"
        analysis.error("E0601", message, span, hint)
        return "REJECT"
    span = clause.span if clause is not None and said is None else None
    analysis.error("E0601", f"ON CONFLICT {action} is not there yet", span, hint)
    return action


def _tables(analysis: _Analysis, sources: list[_Reference], target: _Reference | None) -> tuple[Table, ...]:
    """The source tables, each once, in the order of the spec and then of their names."""
    exclusions = [_filled(analysis, e) for e in analysis.spec.statement.exclude]
    found: dict[tuple[Connection, str], Table] = {}
    for source in sources:
        same_place = target is not None and source.connection == target.connection
        target_name = target.pattern.name if target is not None and same_place else None
        for name in _select(analysis, source):
            if any(e.matches(name) for e in exclusions):
                continue
            if name == target_name:
                hint = f"leave it out by EXCLUDE {name}" if source.pattern.name is None else "choose another target"
                analysis.error("E0403", f"the target {name} is among its own sources", source.span, hint)
                continue
            description = None
            if analysis.catalog is not None:
                description = analysis.catalog.tables.get((source.connection, name))
                if description is not None and description.status not in ("ACTIVE", "UPDATING"):
                    message = f"the table {name} is {description.status}: it cannot be read now"
                    analysis.error("E0407", message, source.span)
            found.setdefault((source.connection, name), Table(name, source.connection, description))
    if sources and not found and not any(d.code in ("E0401", "E0402", "E0403", "E0411") for d in analysis.errors):
        analysis.error("E0401", "EXCLUDE leaves no table to read", sources[0].span)
    return tuple(found.values())


def _select(analysis: _Analysis, source: _Reference) -> tuple[str, ...]:
    """The names of the tables that a source stands for; offline a pattern stands for itself."""
    pattern = source.pattern
    for part in pattern.parts:
        if isinstance(part, ast.Range) and (len(part.low) != len(part.high) or part.low > part.high):
            message = f"{{{part.low}..{part.high}}} holds nothing"
            hint = "both bounds have one length, and the first is not after the second, as in {201605..201705}"
            analysis.error("E0411", message, part.span, hint)
            return ()
    if "${" in pattern.text:
        return ()
    if pattern.name is not None and not names.TABLE_NAME.fullmatch(pattern.name):
        hint = "3 to 255 of letters, digits, _ . and -"
        analysis.error("E0412", f"{pattern.name!r} cannot be a table's name", source.span, hint)
        return ()
    if analysis.catalog is None:
        return (pattern.text,)
    known = analysis.catalog.names.get(source.connection, ())
    if pattern.name is not None:
        if (source.connection, pattern.name) in analysis.catalog.tables:
            return (pattern.name,)
        where = _where_is(analysis, source.connection)
        hint = did_you_mean(pattern.name, known) or _some(known)
        analysis.error("E0402", f"there is no table {pattern.name} in {where}", source.span, hint)
        return ()
    selected = pattern.select(known)
    if not selected:
        where = _where_is(analysis, source.connection)
        analysis.error(
            "E0401", f"no table in {where} matches {pattern.text}", source.span, _nearest(pattern.text, known)
        )
    return selected


def _nearest(text: str, known: tuple[str, ...]) -> str:
    plain = "".join(c for c in text if c.isalnum() or c in "_.-")
    ranked = sorted(known, key=lambda name: -_common(plain, name))[:5]
    return f"the nearest names: {', '.join(ranked)}" if ranked else "there are no tables at all"


def _common(a: str, b: str) -> int:
    length = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        length += 1
    return length


def _some(known: tuple[str, ...]) -> str:
    if not known:
        return "there are no tables at all"
    return f"there are {', '.join(known[:5])}{' …' if len(known) > 5 else ''}"


def _where_is(analysis: _Analysis, connection: Connection) -> str:
    site = analysis.catalog.sites.get(connection) if analysis.catalog is not None else None
    if site is None:
        return "that place"
    return f"{site.region} ({f'account {site.account}' if site.account else site.endpoint})"


def _target_table(analysis: _Analysis, target: _Reference | None, projection: Projection | None) -> Table | None:
    if target is None or target.pattern.name is None:
        return None
    name = target.pattern.name
    if "${" in name:
        return None
    if not names.TABLE_NAME.fullmatch(name):
        analysis.error(
            "E0412", f"{name!r} cannot be a table's name", target.span, "3 to 255 of letters, digits, _ . and -"
        )
        return None
    if analysis.catalog is None:
        return Table(name, target.connection)
    description = analysis.catalog.tables.get((target.connection, name))
    if description is None:
        known = analysis.catalog.names.get(target.connection, ())
        hint = did_you_mean(name, known) or "create it first"
        message = f"there is no table {name} in {_where_is(analysis, target.connection)} to write to"
        analysis.error("E0404", message, target.span, hint)
        return None
    if description.status not in ("ACTIVE", "UPDATING"):
        analysis.error("E0407", f"the table {name} is {description.status}: it cannot be written now", target.span)
    if projection is not None:
        for key in description.key:
            _check_key(analysis, name, key, projection)
    return Table(name, target.connection, description)


def _check_key(analysis: _Analysis, table: str, key: KeyAttribute, projection: Projection) -> None:
    origin = projection.origin(key.name)
    if origin is None:
        columns = [c.name for c in projection.columns]
        hint = did_you_mean(key.name, columns)
        hint = f"{hint} AS {key.name} would name it so" if hint else f"SELECT … AS {key.name}"
        select = analysis.spec.statement.select
        message = f"{key.name} is a key of {table}, and SELECT does not make it"
        analysis.error("E0405", message, select[0].span.to(select[-1].span), hint)
        return
    if isinstance(origin, OutputColumn) and origin.expression.type not in (Type.ANY, key.type):
        found = origin.expression.type
        hint = {
            (Type.STRING, Type.NUMBER): f"to_string({origin.text})",
            (Type.NUMBER, Type.STRING): f"to_number({origin.text})",
        }.get((key.type, found), "")
        message = f"{key.name} is a key of {table} and must be {key.type}, not {found}"
        analysis.error("E0406", message, origin.span, hint)


# Columns and rows


def _projection(analysis: _Analysis, typer: Typer) -> Projection | None:
    columns: list[OutputColumn] = []
    star: Star | None = None
    seen: dict[str, Span] = {}
    failed = False
    for item in analysis.spec.statement.select:
        if isinstance(item, ast.Star):
            if star is not None:
                analysis.error("E0208", "* stands in SELECT twice", item.span)
                continue
            star = _star(analysis, item)
            pieces = [(c, True) for c in item.replace]
            for rename in item.rename:
                _name_once(analysis, seen, rename.new.name, rename.new.span)
        else:
            pieces = [(item, False)]
        for column, replaces in pieces:
            typed = _column(analysis, typer, column, replaces)
            if typed is None:
                failed = True
                name = _column_name(column)
                if name is not None:
                    _name_once(analysis, seen, name, column.span)
                continue
            _name_once(analysis, seen, typed.name, column.span)
            columns.append(typed)
    return None if failed else Projection(tuple(columns), star)


def _name_once(analysis: _Analysis, seen: dict[str, Span], name: str, span: Span) -> None:
    if name in seen:
        labels = (Label(seen[name], "here first"),)
        analysis.error("E0204", f"two columns are called {name}", span, "give one of them another name by AS", labels)
    seen.setdefault(name, span)


def _star(analysis: _Analysis, star: ast.Star) -> Star:
    touched: dict[str, Span] = {}
    named = [*star.exclude, *(r.old for r in star.rename), *(c.alias for c in star.replace if c.alias is not None)]
    for identifier in named:
        if identifier.name in touched:
            message = f"{identifier.name} stands twice in what * leaves out, replaces or renames"
            labels = (Label(touched[identifier.name], "here first"),)
            analysis.error("E0208", message, identifier.span, labels=labels)
        touched.setdefault(identifier.name, identifier.span)
    return Star(tuple(e.name for e in star.exclude), tuple((r.old.name, r.new.name) for r in star.rename))


def _column_name(column: ast.Column) -> str | None:
    if column.alias is not None:
        return column.alias.name
    match column.expression:
        case ast.Name(identifier=identifier):
            return identifier.name
        case ast.Path(steps=(*_, ast.Field(identifier=identifier))):
            return identifier.name
        case _:
            return None


def _column(analysis: _Analysis, typer: Typer, column: ast.Column, replaces: bool) -> OutputColumn | None:
    expression = typer.type(column.expression)
    name = _column_name(column)
    text = format_expression(column.expression)
    if name is None:
        analysis.error("E0205", "this column needs a name", column.span, f"{_short(text)} AS name")
        return None
    if expression is None:
        return None
    if expression.type in (Type.TIMESTAMP, Type.DURATION):
        hint = {
            Type.TIMESTAMP: f"epoch({_short(text)}) or format_time({_short(text)}, …)",
            Type.DURATION: f"to_number({_short(text)}) is its seconds",
        }[expression.type]
        analysis.error("E0308", f"a {expression.type} cannot be stored in {name}", column.span, hint)
        return None
    if name == "":
        analysis.error("E0205", "an attribute's name cannot be empty", column.span)
        return None
    return OutputColumn(name, expression, replaces, text, column.span)


def _short(text: str) -> str:
    return text if len(text) <= 40 else "…"


def _where(analysis: _Analysis, typer: Typer) -> Expression | None:
    where = analysis.spec.statement.where
    if where is None:
        return None
    predicate = typer.type(where)
    if predicate is None:
        return None
    if predicate.type is Type.ANY:
        # An attribute alone: that it is a BOOLEAN is checked for each row.
        true = Constant(True, Type.BOOLEAN)
        return resolve(operator("AND"), [true, predicate], typer.settings, format_expression(where), where.span)
    if predicate.type not in (Type.BOOLEAN, Type.NULL):
        hint = "a comparison, such as … > 0"
        analysis.error("E0307", f"WHERE needs TRUE or FALSE, not a {predicate.type}", where.span, hint)
        return None
    return predicate


# Options


def _options(
    analysis: _Analysis, options: list[tuple[ast.Option, SourceText | None]], kinds: tuple[OptionKind, ...]
) -> dict[str, OptionValue]:
    by_name = {kind.name: kind for kind in kinds}
    found: dict[str, OptionValue] = {}
    seen: dict[str, Span] = {}
    for option, source in options:
        name = option.name.name.lower()
        kind = by_name.get(name)
        if kind is None:
            hint = did_you_mean(name, by_name) or f"there are {', '.join(by_name)}"
            analysis.error("E0501", f"there is no option {option.name.name}", option.name.span, hint, source=source)
            continue
        if name in seen and source is None:
            labels = (Label(seen[name], "here first"),)
            analysis.error("E0505", f"the option {name} stands twice", option.name.span, labels=labels)
        seen.setdefault(name, option.name.span)
        if kind.read is None:
            message = f"the option {name} is not there yet"
            analysis.error("E0601", message, option.name.span, f"it will be: {kind.doc}", source=source)
            continue
        try:
            found[name] = kind.read(option)
        except OptionError as error:
            analysis.error(error.code, error.message, error.span, error.hint, source=source)
    return found


def _job_options(analysis: _Analysis) -> dict[str, OptionValue]:
    written: list[tuple[ast.Option, SourceText | None]] = [(o, None) for o in analysis.spec.statement.options]
    return _options(analysis, [*written, *analysis.overrides.options], JOB_OPTIONS)


def _zone(analysis: _Analysis, options: Mapping[str, OptionValue]) -> Zone:
    name = options.get("timezone")
    if not isinstance(name, str):
        return zone("UTC")
    try:
        return zone(name)
    except ZoneError as error:
        places: list[tuple[ast.Option, SourceText | None]] = [(o, None) for o in analysis.spec.statement.options]
        places += list(analysis.overrides.options)
        option, source = next((o, s) for o, s in reversed(places) if o.name.name.lower() == "timezone")
        hint = f"did you mean {', '.join(error.nearest)}?" if error.nearest else "an IANA name, such as 'Europe/Berlin'"
        analysis.error("E0504", error.message, option.span, hint, source=source)
        return zone("UTC")


def _shadows(analysis: _Analysis, tables: tuple[Table, ...]) -> None:
    keys = {k.name for t in tables if t.description is not None for k in t.description.key}
    for name, span in analysis.declared.items():
        if name in keys:
            hint = f'"{name}" in double quotes is the attribute'
            analysis.warn("W0101", f"{name} hides the attribute of that name", span, hint)
