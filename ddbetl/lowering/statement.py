"""The statement that turns pages of raw items into finished request bodies, in one pass of DuckDB.

In: the predicate, the projection, the target's name and key. Out: SQL over the relation ``pages`` (columns of
``PAGE_COLUMNS``), one result row per request body or per page's flagged rows (columns of ``RESULT_COLUMNS``).
Invariant: every item of every page ends in exactly one of three ways: filtered out, in a body, or flagged "by
reference". A page with another number of items than was said is an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.projection import (
    BATCH,
    LARGEST_ITEM,
    LONGEST_PARTITION_KEY,
    LONGEST_SORT_KEY,
    KeyAttribute,
    OutputColumn,
    Projection,
    Star,
)
from ddbetl.functions.forms import conjunction
from ddbetl.functions.model import Form, Nulls, sql_text
from ddbetl.lowering.duckdb_sql import TYPED_FIELDS, Lowerer, attribute_json, lowered_types, readable
from ddbetl.types import TAG_OF, Type

# page: number; items: the raw JSON list; item_count: how long that is said to be; source_table; now_millis: the job's
# frozen time.
PAGE_COLUMNS = ("page", "items", "item_count", "source_table", "now_millis")
# body: a request body, or NULL for the flagged rows; rows: positions in the page; keys: hashes of the target keys;
# units: write units, estimated from the JSON's length (so rather too many than too few).
RESULT_COLUMNS = ("page", "body", "rows", "keys", "units")


@dataclass(frozen=True, slots=True)
class Statement:
    """``sql`` over ``pages``; whether the predicate and the projection have fast forms, or go by reference whole."""

    sql: str
    filters: bool
    projects: bool


def build(
    where: Expression | None, projection: Projection, table: str, key: tuple[KeyAttribute, ...], batch: int = BATCH
) -> Statement:
    """The statement for a predicate and a projection into a table."""
    roots = [c.expression for c in projection.columns] + ([where] if where is not None else [])
    lowerer = Lowerer(typed=_typed(roots, projection, key))

    predicate = lowerer.lower(where) if where is not None else None
    filtered = lowerer.depth
    item = _item(lowerer, projection)
    keyed = _key(lowerer, projection, key)
    guards: list[str | None] = []
    if where is not None:
        guards.append(predicate.guard if predicate is not None else "FALSE")
    for part in (item, keyed):
        guards += part.guards if part is not None else ["FALSE"]
    ok = conjunction(guards) or "TRUE"

    sql = read_pages(lowerer, whole=projection.star is not None)
    sql = with_layers(sql, lowerer.layers(0, filtered))
    if predicate is not None:
        # A row whose predicate may fail is kept: the reference evaluator decides, or says what is wrong.
        sql = f"SELECT * FROM ({sql}) WHERE NOT ({predicate.guard or 'TRUE'} AND ({predicate.value}) IS NOT TRUE)"
    sql = with_layers(sql, lowerer.layers(filtered, lowerer.depth))
    finished = item.sql if item is not None else "NULL::VARCHAR"
    key_hash = keyed.sql if keyed is not None else "NULL::UBIGINT"
    sql = f"SELECT page, position, {ok} AS ok, {finished} AS item, {key_hash} AS key FROM ({sql})"
    return Statement(
        _aggregate(sql, table, batch),
        filters=where is None or predicate is not None,
        projects=item is not None and keyed is not None,
    )


def _typed(
    roots: list[Expression], projection: Projection, key: tuple[KeyAttribute, ...]
) -> dict[str, frozenset[Type]]:
    """The attributes that are read by type, by a call or as a key, with the types: a bare copy need not read them as
    JSON once more, and a row with another type goes by reference."""
    found = [pair for root in roots for pair in typed_attributes(root)]
    for attribute in key:
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


@dataclass(frozen=True, slots=True)
class _Part:
    sql: str
    guards: list[str | None]


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


def _aggregate(sql: str, table: str, batch: int) -> str:
    """SQL that puts items together into request bodies, and flagged rows into lists of positions."""
    # An item's JSON is never shorter than what DynamoDB counts, so a short text is surely a small item.
    sure = f"ok AND item IS NOT NULL AND strlen(item) <= {LARGEST_ITEM}"
    sql = f"SELECT page, position, key, item, coalesce({sure}, FALSE) AS ok FROM ({sql})"
    running = "sum(CASE WHEN ok THEN 1 ELSE 0 END) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    sql = f"SELECT *, CASE WHEN ok THEN ({running} - 1) // {batch} END AS batch FROM ({sql})"
    head = sql_text('{"RequestItems":{' + json.dumps(table) + ":[")
    tail = sql_text(']},"ReturnConsumedCapacity":"INDEXES"}')
    puts = """string_agg('{"PutRequest":{"Item":' || item || '}}', ',')"""
    return (
        f"SELECT page, CASE WHEN ok THEN {head} || {puts} || {tail} END AS body, list(position)::INTEGER[] AS rows, "
        f"list(key) AS keys, coalesce(sum((strlen(item) + 1023) // 1024), 0)::BIGINT AS units "
        f"FROM ({sql}) GROUP BY page, ok, batch"
    )


def _item(lowerer: Lowerer, projection: Projection) -> _Part | None:
    """SQL for the finished item in DynamoDB JSON."""
    guards: list[str | None] = []
    fields: list[str] = []
    for column in projection.columns:
        fast = lowerer.lower(column.expression)
        wire = attribute_json(fast, column.expression.type) if fast is not None else None
        label = sql_text(json.dumps(column.name, ensure_ascii=False) + ":")
        if fast is None or wire is None or label is None:
            return None
        guards.append(fast.guard)
        if isinstance(column.expression, Constant) and column.expression.value is None:
            continue
        fields.append(f"{label} || {wire}")
    if projection.star is None:
        return _Part(f"'{{' || concat_ws(',', {', '.join(fields)}) || '}}'" if fields else "'{}'", guards)
    return _star(lowerer, projection, projection.star, fields, guards)


def _star(
    lowerer: Lowerer, projection: Projection, star: Star, fields: list[str], guards: list[str | None]
) -> _Part | None:
    """The whole item without the attributes that go, and with the columns that come."""
    gone = [*star.exclude, *(old for old, _ in star.rename), *(c.name for c in projection.columns if c.replaces)]
    rest = "whole"
    if gone:
        # A merge patch takes an attribute out by a null; DynamoDB JSON itself has none at that place.
        rest = f"json_merge_patch(whole, {sql_text(json.dumps(dict.fromkeys(gone), ensure_ascii=False))})::VARCHAR"
    for old, new in star.rename:
        moved = lowerer.lower(Attribute(old))
        label = sql_text(json.dumps(new, ensure_ascii=False) + ":")
        if moved is None or label is None:
            return None
        guards.append(moved.guard)
        fields.append(f"{label} || {moved.value}")
    # A column never takes an attribute's place unless the spec says so: such a row is an error, told by reference.
    for name in (*(c.name for c in projection.columns if not c.replaces), *(new for _, new in star.rename)):
        if name not in gone:
            present = lowerer.lower(Attribute(name))
            if present is None:
                return None
            guards.append(f"({conjunction([present.guard, f'{present.value} IS NULL'])})")
    if not fields:
        return _Part(rest, guards)
    rest, added = lowerer.bind(rest), lowerer.bind(f"concat_ws(',', {', '.join(fields)})")
    return _Part(
        f"CASE WHEN {added} = '' THEN {rest} WHEN {rest} = '{{}}' THEN '{{' || {added} || '}}' "
        f"ELSE {rest}[:-2] || ',' || {added} || '}}' END",
        guards,
    )


def _key(lowerer: Lowerer, projection: Projection, key: tuple[KeyAttribute, ...]) -> _Part | None:
    """SQL for a hash of the target's key, and guards that the key is one that DynamoDB takes."""
    if not key:
        return _Part("0::UBIGINT", [])
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
        if attribute.type is Type.NUMBER:
            guards.append(f"{text} IS NOT NULL")
            if not computed:
                # Some servers keep 1.0 beside 1. That different numbers can be one DOUBLE only costs a closer look.
                text = f"TRY_CAST({text} AS DOUBLE)"
        else:
            guards.append(f"coalesce(strlen({text}) BETWEEN 1 AND {longest}, FALSE)")
        parts.append(text)
    return _Part(f"hash({', '.join(parts)})", guards)


def _key_text(lowerer: Lowerer, expression: Expression, type_: Type) -> tuple[str, str | None, bool] | None:
    """SQL for a key attribute's content as text, NULL where it is missing or of another type; its guard; and whether it
    is computed, so that equal numbers have equal texts."""
    if isinstance(expression, Attribute) and not expression.steps and readable(expression.name):
        return lowerer.typed_field(expression.name, type_), None, False
    fast = lowerer.lower(expression)
    if fast is None:
        return None
    if fast.form is Form.JSON:
        return lowerer.bind(f"json_extract_string({fast.value}, '/{TAG_OF[type_]}')"), fast.guard, False
    return f"({fast.value})::VARCHAR", fast.guard, True
