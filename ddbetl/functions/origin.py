"""Functions that say where a row came from: its table, its place among the pattern's tables, its key.

In: the row's table and, of all source tables, what the plan knows. Out: text, or a MAP. Invariant: two rows of one item
have one origin, whatever the spec makes of them.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.functions.json_sql import stored
from ddbetl.functions.model import (
    NUMBER,
    ArgumentError,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Nulls,
    Parameter,
    RowContext,
    Signature,
    key_of,
    sql_text,
)
from ddbetl.types import Type, Value


def _source_table(context: RowContext) -> str:
    return context.source_table


def _lower_source_table(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(lowering.source_table, Form.TEXT)


SOURCE_TABLE = Function(
    "source_table",
    "origin",
    "The name of the table that the row was read from, which tells the sources of one spec apart.",
    (
        Signature(
            (),
            Type.STRING,
            Implementation(_source_table, _lower_source_table, context=True),
            nullable=False,
        ),
    ),
    (
        Example("source_table()", "'Orders_201605'"),
        Example("substr(source_table(), length(source_table()) - 5)", "'201605'"),
    ),
)


# What a wildcard stands for


def _bind_capture(binding: Binding) -> Implementation:
    n = binding.constants["n"]
    assert isinstance(n, Decimal)
    if n != n.to_integral_value() or n < 1:
        raise ArgumentError("n", "capture: n must be a whole number from 1")
    captured: dict[str, str] = {}
    # The pattern with the fewest wildcards first: it is the one to be told.
    for origin in sorted(binding.origins, key=lambda origin: len(origin.captures)):
        count = len(origin.captures)
        if n > count:
            has = f"{count or 'no'} wildcard{'' if count == 1 else 's'}"
            hint = "source_table() is the whole name"
            raise ArgumentError("n", f"capture: {origin.pattern} has {has}, so there is no capture({n:f})", hint)
        text = origin.captures[int(n) - 1]
        if captured.setdefault(origin.table, text) != text:
            message = f"capture: {origin.table} is read from two places, by patterns that capture different texts"
            raise ArgumentError("n", message, "source_table() is the whole name")

    def reference(context: RowContext) -> str:
        return captured[context.source_table]

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        entries = []
        for table, text in captured.items():
            name, value = sql_text(table), sql_text(text)
            if name is None or value is None:
                return None
            entries.append(f"{name}: {value}")
        return Fast(lowering.bind(f"(MAP {{{', '.join(entries)}}})[{lowering.source_table}]"), Form.TEXT)

    return Implementation(reference, lower if captured else None, context=True)


CAPTURE = Function(
    "capture",
    "origin",
    "The text that the n-th wildcard of the source's pattern stands for in the name of the row's table: of "
    "`FROM Orders_*` the table Orders_201605 has `capture(1) = '201605'`. `*`, `?`, `[…]` and `{a..b}` all count, from "
    "1 on. Where a `*` could stand for more or for less, the first takes as little as it can, then the next. Every "
    "source must have so many wildcards.",
    (
        Signature(
            (Parameter("n", NUMBER, constant=True),),
            Type.STRING,
            _bind_capture,
            nullable=False,
        ),
    ),
    (
        Example("capture(1)", "'201605'"),
        Example("substr(capture(1), 1, 4) || '-' || substr(capture(1), 5)", "'2016-05'"),
    ),
)


# The key


def _bind_source_key(binding: Binding) -> Implementation:
    names = key_of(binding.origins)
    keys: dict[str, tuple[str, ...]] = {}
    for origin in binding.origins:
        if set(keys.setdefault(origin.table, origin.key)) != set(origin.key):
            raise ArgumentError("", f"source_key: {origin.table} is read from two places, and has another key in each")

    def reference(context: RowContext, *values: Value) -> dict[str, Value]:
        own = keys[context.source_table]
        found = zip(names, values, strict=True)
        return {name: value for name, value in found if name in own and value is not None}

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        entries = []
        for name, value in zip(names, arguments, strict=True):
            label, part = sql_text(name), stored(value)
            tables = [sql_text(table) for table, own in keys.items() if name in own]
            if label is None or part is None or None in tables:
                return None
            entry = f"to_json({label})::VARCHAR || ':' || {part}"
            if len(tables) < len(keys):
                entry = f"CASE WHEN {lowering.source_table} IN ({', '.join(map(str, tables))}) THEN {entry} END"
            entries.append(entry)
        # What is NULL is left out.
        return Fast(f"""'{{"M":{{' || concat_ws(',', {", ".join(entries)}) || '}}}}'""", Form.JSON)

    return Implementation(reference, lower if names else None, context=True)


SOURCE_KEY = Function(
    "source_key",
    "origin",
    "The key of the source item, as a MAP of the one or two attributes that are the key of the row's table.",
    (
        Signature(
            (),
            Type.MAP,
            _bind_source_key,
            nullable=False,
            reads_key=True,
        ),
    ),
    (
        Example(
            "source_key()",
            "{'CustomerID': 'c17', 'OrderID': '2016-000042'}",
            '{"CustomerID": {"S": "c17"}, "OrderID": {"S": "2016-000042"}, "Total": {"N": "19.99"}}',
        ),
        Example(
            "to_json(source_key())",
            """'{"CustomerID":"c17","OrderID":"7"}'""",
            '{"CustomerID": {"S": "c17"}, "OrderID": {"S": "7"}}',
        ),
    ),
    nulls=Nulls.SEEN,
)

ORIGIN: tuple[Function, ...] = (CAPTURE, SOURCE_KEY, SOURCE_TABLE)
