"""The statement that turns pages of raw items into entries of requests, in one pass of DuckDB.

In: the predicate, the projection, the form of the requests. Out: SQL over the relation ``pages`` (columns of
``PAGE_COLUMNS``), one result row per item that is not filtered out (columns of ``RESULT_COLUMNS``), in the order of the
pages and of their items. Invariant: every item of every page ends in exactly one of three ways: filtered out, an entry,
or flagged "by reference". A page with another number of items than was said is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ddbetl.expressions.ir import Attribute, Call, Expression
from ddbetl.expressions.projection import (
    LARGEST_ITEM,
    LONGEST_PARTITION_KEY,
    LONGEST_SORT_KEY,
    KeyAttribute,
    OutputColumn,
    Projection,
    SourceKey,
)
from ddbetl.expressions.writing import EARLIEST_EXPIRY, LATEST_EXPIRY, ORDERED, Form
from ddbetl.functions import model
from ddbetl.functions.forms import conjunction, is_null, text_of_number
from ddbetl.functions.model import Fast, Nulls, PageFunction, sql_text
from ddbetl.lowering.duckdb_sql import TYPED_FIELDS, Lowerer, lowered_types, readable
from ddbetl.lowering.entry import Part, entry_of
from ddbetl.types import TAG_OF, Type

# page: number; items: the raw JSON list; item_count: how long that is said to be; source_table; now_millis: the job's
# frozen time.
PAGE_COLUMNS = ("page", "items", "item_count", "source_table", "now_millis")
# position: the item's place in the page; entry: what the row is in a request, and a comma, or NULL for a flagged row;
# key: a hash of the target key.
RESULT_COLUMNS = ("page", "position", "entry", "key")
# Only where collisions are looked for. target, source: the target key and the source key as texts in which equal keys
# are equal: of each attribute its length in bytes, a colon, its content; "-" for one that is missing.
KEY_COLUMNS = ("target", "source")

# An attribute that is an expiry time, in DynamoDB JSON; there may be others.
EXPIRY = r'\{"N":"[1-9][0-9]{8,10}"\}'
# Texts of numbers that are as ``number_text`` writes them; there may be others.
CANONICAL_NUMBER = r"0|-?[1-9][0-9]{0,37}|-?(0|[1-9][0-9]{0,18})\.[0-9]{0,18}[1-9]"


@dataclass(frozen=True, slots=True)
class Guard:
    """What must be true of a row that the statement makes by itself; ``sql`` None: nothing. ``part``: what it is a
    guard of: WHERE, column (of the ``name``), entry (what one row is in a request), key, source key, newest, expiry."""

    part: str
    sql: str | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """``sql`` over ``pages``; whether the predicate and the projection have fast forms, or go by reference whole.

    ``sources``: the key attributes of all source tables, where collisions are looked for: the result then has
    ``KEY_COLUMNS`` as well. ``python``: the Python functions that it calls, by their names in SQL. ``guards``: what
    sends a row by reference where it is not true. ``attributes``: the attributes that are read, by their names in SQL.
    """

    sql: str
    filters: bool
    projects: bool
    sources: tuple[SourceKey, ...] | None = None
    python: tuple[tuple[str, PageFunction], ...] = ()
    guards: tuple[Guard, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()


def build(
    where: Expression | None,
    projection: Projection,
    form: Form,
    sources: tuple[SourceKey, ...] | None = None,
    newest: str | None = None,
    ttl_attribute: str | None = None,
) -> Statement:
    """The statement for a predicate and a projection into requests of a form.

    ``newest``: the attribute that KEEP NEWEST decides by. ``ttl_attribute``: the attribute that holds expiry times.
    """
    roots = [c.expression for c in projection.columns] + ([where] if where is not None else [])
    lowerer = Lowerer(typed=_typed(roots, projection, (*form.key, *_copied(projection, sources or ()))))

    predicate = lowerer.lower(where) if where is not None else None
    filtered = lowerer.depth
    entry = entry_of(lowerer, projection, form)
    keyed = _key(lowerer, projection, form.key, exact=sources is not None)
    source = _source_key(lowerer, sources or ())
    guards: list[Guard] = []
    if where is not None:
        guards.append(Guard("WHERE", predicate.guard if predicate is not None else "FALSE"))
    guards += _entry_guards(projection, entry)
    for name, part in (("key", keyed), ("source key", source)):
        guards += (Guard(name, guard) for guard in (part.guards if part is not None else ["FALSE"]))
    if newest is not None:
        guards.append(Guard("newest", _ordered(lowerer, projection, newest)))
    if ttl_attribute is not None:
        guards.append(Guard("expiry", _expiry(lowerer, projection, ttl_attribute)))
    ok = conjunction(guard.sql for guard in guards) or "TRUE"

    sql = read_pages(lowerer, whole=projection.star is not None)
    sql = with_layers(sql, lowerer.layers(0, filtered))
    if predicate is not None:
        # A row whose predicate may fail is kept: the reference evaluator decides, or says what is wrong.
        sql = f"SELECT * FROM ({sql}) WHERE NOT ({predicate.guard or 'TRUE'} AND ({predicate.value}) IS NOT TRUE)"
    sql = with_layers(sql, lowerer.layers(filtered, lowerer.depth))
    finished = entry.sql if entry is not None else "NULL::VARCHAR"
    key = keyed.sql if keyed is not None else "NULL"
    columns = {"key": f"hash({key})"}
    if sources is not None:
        columns |= {"target": f"({key})::VARCHAR", "source": source.sql if source is not None else "NULL::VARCHAR"}
    named = ", ".join(f"{definition} AS {name}" for name, definition in columns.items())
    sql = f"SELECT page, position, {ok} AS ok, {finished} AS item, {named} FROM ({sql})"
    sql = f"SELECT page, position::INTEGER AS position, {_entry(form)} AS entry, {', '.join(columns)} FROM ({sql})"
    return Statement(
        sql,
        filters=where is None or predicate is not None,
        projects=entry is not None and keyed is not None and source is not None,
        sources=sources,
        python=lowerer.python,
        guards=tuple(replace(guard, sql=lowerer.definition(guard.sql)) if guard.sql else guard for guard in guards),
        attributes=lowerer.attributes,
    )


def _copied(projection: Projection, sources: tuple[SourceKey, ...]) -> Iterator[KeyAttribute]:
    """The output attributes that are bare copies of the sources' keys."""
    types = {attribute.name: attribute.type for attribute in sources}
    for column in projection.columns:
        if isinstance(column.expression, Attribute) and not column.expression.steps:
            type_ = types.get(column.expression.name)
            if type_ is not None:
                yield KeyAttribute(column.name, type_)


def _typed(
    roots: list[Expression], projection: Projection, keys: tuple[KeyAttribute, ...]
) -> dict[str, frozenset[Type]]:
    """The attributes that are read by type, by a call or as a key, with the types: a bare copy need not read them as
    JSON once more, and a row with another type goes by reference."""
    found = [pair for root in roots for pair in typed_attributes(root)]
    for attribute in keys:
        origin = projection.origin(attribute.name)
        if (
            isinstance(origin, OutputColumn)
            and isinstance(origin.expression, Attribute)
            and not origin.expression.steps
        ):
            found.append((origin.expression.name, frozenset({attribute.type})))
    typed: dict[str, frozenset[Type]] = {}
    for name, types in found:
        typed[name] = typed.get(name, frozenset()) | types
    return typed


def typed_attributes(expression: Expression) -> Iterator[tuple[str, frozenset[Type]]]:
    """The attributes that some call reads by their type, with the types."""
    if not isinstance(expression, Call):
        return
    for position, argument in enumerate(expression.arguments):
        if isinstance(argument, Attribute):
            strict = expression.function.nulls is Nulls.PROPAGATE
            if strict:
                types = lowered_types(expression, position)
            else:
                types = frozenset[Type]().union(*(c.accepts[position] for c in expression.candidates))
            if not argument.steps and types and types <= TYPED_FIELDS.keys() and (strict or len(types) == 1):
                yield argument.name, types
        else:
            yield from typed_attributes(argument)


def read_pages(lowerer: Lowerer, whole: bool) -> str:
    """SQL for one row an item, with the attribute columns that the lowered expressions read."""
    structures, attributes = lowerer.structures()
    lists = {f"s{n}": text for n, text in enumerate(structures)}
    if whole or not lists:
        lists["w"] = '["JSON"]'
    parsed = ", ".join(f"from_json(items, {sql_text(text)}) AS {name}" for name, text in lists.items())
    # Computed once a page. What is no list has no length, so it is an error too.
    length = f"len({next(iter(lists))})"
    counted = f"CASE WHEN {length} = item_count THEN item_count ELSE error('not as many items as were said') END"
    unnested = [f"unnest({name}) AS {name}" for name in lists] + [f"unnest(range({counted})) AS position"]
    pages = f"SELECT page, item_count, source_table, now_millis, {parsed} FROM pages"
    rows = f"SELECT page, source_table, now_millis, {', '.join(unnested)} FROM ({pages})"
    columns = ["page", "position", "source_table", "now_millis"]
    columns += [f"{definition} AS {name}" for name, definition in attributes.items()]
    if whole:
        columns.append("w::VARCHAR AS whole")
    return f"SELECT {', '.join(columns)} FROM ({rows})"


def with_layers(sql: str, layers: list[list[tuple[str, str]]]) -> str:
    """SQL with the bound columns of each layer beside those below it."""
    for layer in layers:
        sql = f"SELECT *, {', '.join(f'{definition} AS {name}' for name, definition in layer)} FROM ({sql})"
    return sql


def _entry(form: Form) -> str:
    """SQL for a whole entry and a comma, NULL for a row that goes by reference."""
    # An item's JSON is never shorter than what DynamoDB counts, so a short text is surely a small item. In a statement
    # the labels hold the names.
    constant = len(form.middle.encode())
    length = f"(strlen(item) - {constant})" if constant else "strlen(item)"
    sure = f"ok AND item IS NOT NULL AND {length} <= {LARGEST_ITEM}"
    return f"CASE WHEN {sure} THEN concat({sql_text(form.opening)}, item, {sql_text(form.closing + ',')}) END"


def _entry_guards(projection: Projection, entry: Part | None) -> Iterator[Guard]:
    """The guards of an entry: first those of the columns, in their order, then what it needs beside them."""
    if entry is None:
        yield Guard("entry", "FALSE")
        return
    count = len(projection.columns)
    for column, guard in zip(projection.columns, entry.guards[:count], strict=True):
        yield Guard("column", guard, column.name)
    yield from (Guard("entry", guard) for guard in entry.guards[count:])


def _key(lowerer: Lowerer, projection: Projection, key: tuple[KeyAttribute, ...], exact: bool) -> Part | None:
    """SQL for columns that are equal for equal target keys, and guards that the key is one that DynamoDB takes.
    ``exact``: for one text in which different keys differ, as in ``KEY_COLUMNS``."""
    if not key:
        return Part("''", [])
    parts: list[str] = []
    guards: list[str | None] = []
    for position, attribute in enumerate(key):
        origin = projection.origin(attribute.name)
        if origin is None or attribute.type not in TYPED_FIELDS:
            return None
        expression = origin.expression if isinstance(origin, OutputColumn) else Attribute(origin)
        found = _key_text(lowerer, expression, attribute.type)
        if found is None:
            return None
        text, guard, computed = found
        longest = LONGEST_SORT_KEY if position else LONGEST_PARTITION_KEY
        guards.append(guard)
        if attribute.type is not Type.NUMBER:
            guards.append(f"coalesce(strlen({text}) BETWEEN 1 AND {longest}, FALSE)")
        else:
            guards.append(f"{text} IS NOT NULL")
            if exact and not computed:
                guards.append(_canonical(lowerer, text))
            elif not computed:
                # Some servers keep 1.0 beside 1. That different numbers can be one DOUBLE only costs a closer look.
                text = f"TRY_CAST({text} AS DOUBLE)"
        parts.append(_delimited(lowerer, text) if exact else text)
    return Part(lowerer.bind(" || ".join(parts)) if exact else ", ".join(parts), guards)


def _source_key(lowerer: Lowerer, sources: tuple[SourceKey, ...]) -> Part | None:
    """SQL for the key of the source row, as in ``KEY_COLUMNS``."""
    parts: list[str] = []
    guards: list[str | None] = []
    tables = frozenset[str]().union(*(attribute.tables for attribute in sources))
    for attribute in sources:
        if attribute.type not in TYPED_FIELDS or not readable(attribute.name):
            return None
        text = lowerer.typed_field(attribute.name, attribute.type)
        if attribute.type is Type.NUMBER:
            guards.append(f"({text} IS NULL OR {_canonical(lowerer, text)})")
        part = f"coalesce({_delimited(lowerer, text)}, '-')"
        if attribute.tables != tables:
            # In another table an attribute of that name is like any other, and may change between two runs.
            names = ", ".join(filter(None, map(sql_text, sorted(attribute.tables))))
            part = f"CASE WHEN {lowerer.source_table} IN ({names}) THEN {part} ELSE '-' END"
        parts.append(part)
    return Part(" || ".join(parts) if parts else "''", guards)


def _canonical(lowerer: Lowerer, text: str) -> str:
    """A guard that the text of a number is the one that equal numbers have."""
    return lowerer.bind(f"coalesce(regexp_full_match({text}, {sql_text(CANONICAL_NUMBER)}), FALSE)")


def _delimited(lowerer: Lowerer, text: str) -> str:
    """SQL for a text with its length before it; NULL stays NULL."""
    text = lowerer.bind(text)
    # Faster than two ||.
    return lowerer.bind(f"CASE WHEN {text} IS NOT NULL THEN concat(strlen({text}), ':', {text}) END")


def _key_text(lowerer: Lowerer, expression: Expression, type_: Type) -> tuple[str, str | None, bool] | None:
    """SQL for a key attribute's content as text, NULL where it is missing or of another type; its guard; and whether it
    is computed, so that equal numbers have equal texts."""
    if isinstance(expression, Attribute) and not expression.steps and readable(expression.name):
        return lowerer.typed_field(expression.name, type_), None, False
    fast = lowerer.lower(expression)
    if fast is None:
        return None
    if fast.form is model.Form.JSON:
        return lowerer.bind(f"json_extract_string({fast.value}, '/{TAG_OF[type_]}')"), fast.guard, False
    if is_null(fast):
        return "NULL::VARCHAR", fast.guard, True
    return text_of_number(fast) or f"({fast.value})::VARCHAR", fast.guard, True


def _output(lowerer: Lowerer, projection: Projection, name: str) -> tuple[Fast | None, Type]:
    """The lowered value of an output attribute, and its type as far as the spec tells."""
    origin = projection.origin(name)
    expression = origin.expression if isinstance(origin, OutputColumn) else Attribute(origin or name)
    return lowerer.lower(expression), expression.type


def _ordered(lowerer: Lowerer, projection: Projection, name: str) -> str:
    """A guard that an output attribute is there, and of a type that has an order."""
    fast, type_ = _output(lowerer, projection, name)
    if fast is None or is_null(fast) or projection.origin(name) is None:
        return "FALSE"
    if fast.form is model.Form.JSON:
        prefixes = [sql_text(f'{{"{TAG_OF[one]}":') for one in ORDERED]
        test = f"coalesce({' OR '.join(f'starts_with({fast.value}, {prefix})' for prefix in prefixes)}, FALSE)"
    else:
        test = f"({fast.value} IS NOT NULL)" if type_ in ORDERED else "FALSE"
    return conjunction([fast.guard, test]) or "TRUE"


def _expiry(lowerer: Lowerer, projection: Projection, name: str) -> str | None:
    """A guard that an output attribute is an expiry time, or missing."""
    if projection.origin(name) is None:
        return None
    fast, type_ = _output(lowerer, projection, name)
    if fast is None:
        return "FALSE"
    value, test = fast.value, "FALSE"
    if fast.form is model.Form.JSON:
        test = f"regexp_full_match({value}, {sql_text(EXPIRY)})"
    elif type_ is Type.NUMBER and not is_null(fast):
        test = f"({value} BETWEEN {EARLIEST_EXPIRY} AND {LATEST_EXPIRY} AND {value} = trunc({value}))"
    return conjunction([fast.guard, f"({value} IS NULL OR {test})"])
