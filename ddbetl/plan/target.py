"""What the target asks of the rows: its key, the keys of its indexes, and a table that is to be made.

In: the target's name, the projection, the sources. Out: the target, its key, and the table that is to be made.
Invariant: each attribute of the key comes from a column or by ``*``, and is not known to have another type.
"""

from __future__ import annotations

from dataclasses import dataclass

from ddbetl.diagnostics import Label, did_you_mean, suggest
from ddbetl.expressions.ir import Attribute, Constant
from ddbetl.expressions.projection import KeyAttribute, OutputColumn, Projection
from ddbetl.expressions.writing import ORDERED, Action
from ddbetl.plan.catalog import NewTable, Provisioned
from ddbetl.plan.logical import Table
from ddbetl.plan.scope import Analysis, short, written
from ddbetl.plan.settings import Writing
from ddbetl.plan.tables import USABLE, Reference, some, when, where_is
from ddbetl.syntax import ast
from ddbetl.types import Type


@dataclass(frozen=True, slots=True)
class Target:
    """``key`` is empty where it is not known: offline. ``create``: the table that is to be made."""

    table: Table
    key: tuple[KeyAttribute, ...]
    create: NewTable | None = None


def target(
    analysis: Analysis,
    into: Reference,
    found: Projection,
    sources: tuple[Table, ...],
    provisioned: Provisioned | None,
) -> Target | None:
    """The target of the rows; None where there is no such table, and none can be made."""
    name = into.pattern.text
    write = analysis.spec.statement.write
    said = write.key if isinstance(write, ast.InsertInto) else ()
    if len({identifier.name for identifier in said}) < len(said):
        labels = (Label(said[0].span, "here first"),)
        message = f"{written(said[1].name)} stands twice in KEY"
        analysis.error("E0414", message, said[1].span, "write KEY (partition) or KEY (partition, sort)", labels)
        return None
    if analysis.catalog is None:
        new_key(analysis, name, said, found, sources)
        return Target(Table(name, into.connection), ())
    description = analysis.catalog.tables.get((into.connection, name))
    if description is None:
        if not said:
            _report_missing(analysis, into, found, sources)
            return None
        key = new_key(analysis, name, said, found, sources)
        return Target(Table(name, into.connection), key, NewTable(key, provisioned)) if key else None
    if description.status not in USABLE:
        message = f"the table {name} is {description.status}: it cannot be written now"
        analysis.error("E0407", message, into.span, when(description))
    there = tuple(attribute.name for attribute in description.key)
    if said and there != tuple(identifier.name for identifier in said):
        message = f"the key of {name} is {key_text(there)}, not {key_text(tuple(i.name for i in said))}"
        hint = f"write KEY {key_text(there)}, or leave KEY out: it is for a table that is missing"
        analysis.error("E0414", message, said[0].span.to(said[-1].span), hint)
        return None
    return Target(Table(name, into.connection, description), description.key)


def key_text(names: tuple[str, ...]) -> str:
    """The attributes of a key as KEY has them."""
    return f"({', '.join(map(written, names))})"


# A table that is missing


def new_key(
    analysis: Analysis,
    table: str,
    said: tuple[ast.Identifier, ...],
    found: Projection,
    sources: tuple[Table, ...],
) -> tuple[KeyAttribute, ...]:
    """The key of a table that is to be made, with the types that the rows have; empty where something was reported, or
    is not known offline."""
    key: list[KeyAttribute] = []
    for identifier in said:
        origin = found.origin(identifier.name)
        if origin is None:
            _report_missing_key(analysis, table, identifier.name, found)
            continue
        type_ = known_type(origin, sources)
        name = written(identifier.name)
        span = origin.span if isinstance(origin, OutputColumn) else identifier.span
        if type_ in ORDERED:
            key.append(KeyAttribute(identifier.name, type_))
        elif type_ is not Type.ANY:
            message = f"{name}, a key of {table}, must be STRING, NUMBER or BINARY, not {type_}"
            analysis.error("E0406", message, span)
        elif analysis.catalog is not None and not _reported(origin):
            text = short(origin.text) if isinstance(origin, OutputColumn) else written(origin)
            cast = f"CAST({text} AS STRING) AS {name}"
            match origin:
                case OutputColumn(replaces=False):
                    hint = f"{cast}, or AS NUMBER"
                case str() if origin != identifier.name:
                    hint = f"instead of RENAME, * EXCLUDE ({text}), {cast}, or AS NUMBER"
                case _:
                    hint = f"* REPLACE ({cast}), or AS NUMBER"
            message = f"{name} is to be a key of {table}, and its type is not known"
            analysis.error("E0415", message, span, hint)
    return tuple(key) if len(key) == len(said) else ()


def _reported(origin: OutputColumn | str) -> bool:
    """Whether a column stands for one that was reported."""
    return isinstance(origin, OutputColumn) and isinstance(origin.expression, Constant)


def _report_missing(analysis: Analysis, into: Reference, found: Projection, sources: tuple[Table, ...]) -> None:
    assert analysis.catalog is not None
    name = into.pattern.text
    known = analysis.catalog.names.get(into.connection, ())
    near = did_you_mean(name, known)
    clause = f"INSERT INTO {name} KEY ({', '.join(_guessed_key(found, sources))})"
    hint = f"{near} {clause} would make a new table" if near else f"{clause} makes it"
    match analysis.spec.statement.write:
        case ast.MergeInto():
            hint = near or f"MERGE INTO needs a table; {clause} makes one"
        case ast.DeleteFrom():
            hint = near or some(known)
        case None:
            hint = f"{near} {clause} in the spec would make a new table" if near else f"{clause} in the spec makes it"
    message = f"there is no table {name} in {where_is(analysis, into.connection)} to write to"
    analysis.error("E0404", message, into.span, hint)


def _guessed_key(found: Projection, sources: tuple[Table, ...]) -> list[str]:
    """The sources' key as the output calls it, as far as it passes unchanged; dots for what somebody must say."""
    keys = {table.description.key for table in sources if table.description is not None}
    if len(keys) != 1:
        return ["…"]
    names = [_copy_of(attribute.name, found) for attribute in keys.pop()]
    known = [name for name in names if name is not None]
    return [*map(written, known), *(["…"] if len(known) < len(names) else [])]


def _copy_of(name: str, found: Projection) -> str | None:
    """What the output calls an attribute that it has unchanged."""
    for column in found.columns:
        if column.expression == Attribute(name):
            return column.name
    if found.star is not None:
        for old, new in found.star.rename:
            if old == name:
                return new
    return name if found.origin(name) == name else None


# The key


def check_key(analysis: Analysis, to: Target, found: Projection, sources: tuple[Table, ...]) -> None:
    """Report attributes of the target's key that SELECT does not make, or makes of another type."""
    for key in to.key:
        origin = found.origin(key.name)
        if origin is None:
            _report_missing_key(analysis, to.table.name, key.name, found)
        elif isinstance(origin, str):
            _check_starred_key(analysis, to.table.name, key, _key_type(origin, sources))
        else:
            type_ = known_type(origin, sources)
            if type_ not in (Type.ANY, key.type):
                message = f"{written(key.name)}, a key of {to.table.name}, must be {key.type}, not {type_}"
                analysis.error("E0406", message, origin.span, _conversion(origin, key.type, type_))


def check_indexes(analysis: Analysis, to: Target, found: Projection, sources: tuple[Table, ...]) -> None:
    """Report columns that are the key of an index and have another type: DynamoDB refuses such an item."""
    indexes = to.table.description.indexes if to.table.description is not None else ()
    keys = {key.name for key in to.key}
    for index in indexes:
        for attribute in index.key:
            origin = found.origin(attribute.name)
            if attribute.name in keys or origin is None:
                continue
            type_ = known_type(origin, sources)
            # Without the attribute an item is not in the index, which is right.
            if type_ in (Type.ANY, Type.NULL, attribute.type):
                continue
            name = written(attribute.name)
            message = (
                f"{name}, a key of the index {index.name} of {to.table.name}, must be {attribute.type}, not {type_}"
            )
            if isinstance(origin, OutputColumn):
                span, hint = origin.span, _conversion(origin, attribute.type, type_)
            else:
                span, hint = _star(analysis).span, _replacement(attribute)
            analysis.error("E0413", message, span, hint)


def written_indexes(action: Action, table: Table, found: Projection) -> int:
    """How many indexes of a table a row can be written to: those whose key attributes it can have; a change of an item
    that stays, or its deletion, can concern all of them."""
    indexes = table.description.indexes if table.description is not None else ()
    if action in (Action.MERGE, Action.MERGE_EXISTING, Action.DELETE):
        return len(indexes)
    return sum(all(_can_have(attribute.name, found) for attribute in index.key) for index in indexes)


def _can_have(name: str, found: Projection) -> bool:
    origin = found.origin(name)
    return origin is not None and not (isinstance(origin, OutputColumn) and origin.expression.type is Type.NULL)


def known_type(origin: OutputColumn | str, sources: tuple[Table, ...]) -> Type:
    """The type of an attribute of the output; ANY where only the rows know. An attribute of the sources' keys has one
    type in all items."""
    if isinstance(origin, str):
        return _key_type(origin, sources) or Type.ANY
    if isinstance(origin.expression, Attribute) and not origin.expression.steps:
        return _key_type(origin.expression.name, sources) or Type.ANY
    return origin.expression.type


def _key_type(name: str, sources: tuple[Table, ...]) -> Type | None:
    """The type of an attribute that is in the key of every source, with one type; None where that is not known."""
    types = set()
    for table in sources:
        keys = table.description.key if table.description is not None else ()
        types.add(next((key.type for key in keys if key.name == name), None))
    return types.pop() if len(types) == 1 else None


CONVERSIONS = {Type.STRING: "to_string", Type.NUMBER: "to_number"}


def _conversion(origin: OutputColumn, wanted: Type, type_: Type) -> str:
    """The conversion of a column that a hint proposes; empty where there is none."""
    if {wanted, type_} != {Type.STRING, Type.NUMBER}:
        return ""
    return f"{CONVERSIONS[wanted]}({short(origin.text)}) AS {written(origin.name)}"


def _replacement(attribute: KeyAttribute) -> str:
    convert = CONVERSIONS.get(attribute.type)
    name = written(attribute.name)
    return f"* REPLACE ({convert}({name}) AS {name})" if convert else ""


def _star(analysis: Analysis) -> ast.Star:
    return next(item for item in analysis.spec.statement.select if isinstance(item, ast.Star))


def _check_starred_key(analysis: Analysis, target: str, key: KeyAttribute, type_: Type | None) -> None:
    """A key that comes by ``*``: surely there with its type only where it is in the sources' keys as well."""
    star = _star(analysis)
    if type_ is None:
        if analysis.catalog is not None:
            message = f"{written(key.name)} is a key of {target}; * brings it only from items that have it"
            hint = f"WHERE {written(key.name)} IS NOT NULL leaves the others out; without it they are rejected"
            analysis.warn("W0107", message, star.span, hint)
    elif type_ is not key.type:
        message = f"{written(key.name)}, a key of {target}, must be {key.type}; in the sources it is a {type_}"
        analysis.error("E0406", message, star.span, _replacement(key))


def _report_missing_key(analysis: Analysis, table: str, key: str, found: Projection) -> None:
    if any(d.code == "E0205" for d in analysis.errors):
        # The column without a name may be the one.
        return
    name = written(key)
    select = analysis.spec.statement.select
    span = select[0].span.to(select[-1].span)
    near = suggest(key, [column.name for column in found.columns])
    hint = f"add it to SELECT, as an attribute or by … AS {name}"
    if near is not None:
        column = next(column for column in found.columns if column.name == near)
        span, hint = column.span, f"{short(column.text)} AS {name} would name it so"
    if found.star is not None:
        for identifier in (i for item in select if isinstance(item, ast.Star) for i in item.exclude):
            if identifier.name == key:
                span, hint = identifier.span, "do not EXCLUDE it, or make it by another column"
        for rename in (r for item in select if isinstance(item, ast.Star) for r in item.rename):
            if rename.old.name == key:
                span, hint = rename.span, "do not RENAME it, or make it by another column"
    analysis.error("E0405", f"{name} is a key of {table}, and SELECT does not make it", span, hint)


# What the statement asks


def check_delete(analysis: Analysis, to: Target, found: Projection) -> None:
    """Report what a DELETE selects beside the target's key."""
    keys = tuple(key.name for key in to.key)
    hint = f"SELECT {', '.join(map(written, keys))}" if keys else "SELECT its key attributes"
    if found.star is not None:
        analysis.error(
            "E0416", f"DELETE selects the key of {to.table.name}, and nothing else", _star(analysis).span, hint
        )
    elif keys:
        for column in found.columns:
            if column.name not in keys:
                message = f"{written(column.name)} is no key of {to.table.name}; DELETE selects the key alone"
                analysis.error("E0416", message, column.span, hint)


def check_merge(analysis: Analysis, to: Target, found: Projection) -> None:
    """Report a MERGE of existing items that sets nothing."""
    write = analysis.spec.statement.write
    keys = {key.name for key in to.key}
    if not (isinstance(write, ast.MergeInto) and write.skip_missing) or found.star is not None:
        return
    if keys and all(column.name in keys for column in found.columns):
        select = analysis.spec.statement.select
        message = f"SELECT makes only the key of {to.table.name}: there is nothing to set"
        hint = "add the attributes to set; without ON MISSING SKIP, missing items are made"
        analysis.error("E0418", message, select[0].span.to(select[-1].span), hint)


def check_newest(analysis: Analysis, said: Writing, to: Target, found: Projection) -> None:
    """Report a column of KEEP NEWEST that two items cannot be compared by."""
    if said.newest is None:
        return
    name = written(said.newest)
    origin = found.origin(said.newest)
    if origin is None:
        hint = no_column(said.newest, found)
        analysis.error("E0417", f"KEEP NEWEST BY {name}: SELECT makes no such column", said.span, hint)
    elif any(key.name == said.newest for key in to.key):
        message = f"{name} is a key of {to.table.name}: it is equal in the row and in the item that is there"
        hint = "name the time of the last change, say; ON CONFLICT SKIP keeps what is there"
        analysis.error("E0417", message, said.span, hint)
    elif isinstance(origin, OutputColumn) and origin.expression.type not in (*ORDERED, Type.ANY):
        message = f"KEEP NEWEST BY {name}: a {origin.expression.type} is neither older nor newer"
        analysis.error("E0417", message, said.span, "a NUMBER, a STRING or a BINARY is")


def no_column(name: str, found: Projection) -> str:
    """What to do about a column that a clause names and SELECT does not make."""
    return did_you_mean(name, [column.name for column in found.columns]) or f"add it to SELECT: … AS {written(name)}"
