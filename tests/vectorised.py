"""Expressions run by both evaluators over the same items: what the tests of functions, operators and lowering
compare.

In: typed expressions and items in DynamoDB JSON. Out: for each expression and item the reference's value or error,
and the vectorised value with its guard. Invariant: the SQL is made by the same functions as a run's, over the same
kind of page.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb

from ddbetl.engine.transform import CONFIGURATION
from ddbetl.errors import RowError
from ddbetl.expressions.evaluate import evaluator
from ddbetl.expressions.ir import Expression
from ddbetl.expressions.resolve import Settings
from ddbetl.expressions.wire import decode, encode
from ddbetl.functions.comparison import same_value
from ddbetl.functions.forms import is_null
from ddbetl.functions.model import Fast, Form, Origin, RowContext
from ddbetl.lowering.duckdb_sql import Lowerer, attribute_json
from ddbetl.lowering.statement import read_pages, typed_attributes, with_layers
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.time import pivot_of, zone
from ddbetl.types import Duration, Timestamp, Type, Value

Item = dict[str, dict[str, Any]]

# FROM Orders_*
ORIGIN = Origin("Orders_201605", "Orders_*", ("201605",), ("CustomerID", "OrderID"))
SETTINGS = Settings(zone("UTC"), pivot_of(2017), (ORIGIN,))
# 2017-04-26T10:15:30.876Z
CONTEXT = RowContext(ORIGIN.table, Timestamp(1493201730876))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One expression over one item. ``wire``: the vectorised value as it would be written."""

    value: Value
    error: RowError | None
    fast: bool
    vectorised: Value
    wire: Any = None


def compiled(text: str, settings: Settings = SETTINGS) -> Expression:
    """Compile the text of an expression; it must have no errors."""
    source = SourceText(text)
    expression, diagnostics = compile_expression(parse_expression(source), source, settings)
    assert expression is not None, f"{text}: {diagnostics}"
    return expression


def reference(expression: Expression, item: Item, context: RowContext = CONTEXT) -> Value | RowError:
    """The value of an expression for one item, or its error."""
    try:
        return evaluator(expression)(item, context)
    except RowError as error:
        return error


class Vectorised:
    """Items in DuckDB, as a page of a run; ``separators``: how the page's JSON is spaced."""

    def __init__(self, items: Sequence[Item], separators: tuple[str, str] = (",", ":")) -> None:
        self.items = tuple(items)
        self._connection = duckdb.connect(":memory:", config=CONFIGURATION)
        self._connection.execute("SET TimeZone = 'UTC'")
        page = json.dumps(self.items, ensure_ascii=False, separators=separators)
        self._connection.execute(
            "CREATE TABLE pages AS SELECT 0 AS page, ?::VARCHAR AS items, ?::BIGINT AS item_count, "
            "?::VARCHAR AS source_table, ?::BIGINT AS now_millis",
            [page, len(self.items), CONTEXT.source_table, CONTEXT.now.millis],
        )

    def __enter__(self) -> Vectorised:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def run(self, expressions: Sequence[Expression]) -> list[list[Outcome] | None]:
        """The outcomes of every expression for every item; None for an expression without a fast form."""
        typed: dict[str, frozenset[Type]] = {}
        for name, types in (pair for expression in expressions for pair in typed_attributes(expression)):
            typed[name] = typed.get(name, frozenset()) | types
        lowerer = Lowerer(typed=typed)
        lowered = [lowerer.lower(expression) for expression in expressions]
        columns = ["position"]
        for number, (expression, fast) in enumerate(zip(expressions, lowered, strict=True)):
            if fast is not None:
                wire = attribute_json(fast, expression.type) or "NULL"
                columns += [
                    f"{fast.value} AS v{number}",
                    f"{fast.guard or 'TRUE'} AS g{number}",
                    f"{wire} AS w{number}",
                ]
        sql = with_layers(read_pages(lowerer, whole=False), lowerer.layers(0, lowerer.depth))
        cursor = self._connection.execute(f"SELECT {', '.join(columns)} FROM ({sql}) ORDER BY position")
        rows = cursor.fetchall()
        assert len(rows) == len(self.items)
        names = [column[0] for column in cursor.description]
        return [
            None
            if fast is None
            else [
                self._outcome(expression, fast, item, dict(zip(names, row, strict=True)), number)
                for item, row in zip(self.items, rows, strict=True)
            ]
            for number, (expression, fast) in enumerate(zip(expressions, lowered, strict=True))
        ]

    def _outcome(self, expression: Expression, fast: Fast, item: Item, row: dict[str, Any], number: int) -> Outcome:
        guard = row[f"g{number}"]
        assert isinstance(guard, bool), f"{expression}: the guard is {guard} for {item}"
        found = reference(expression, item)
        error = found if isinstance(found, RowError) else None
        return Outcome(
            None if isinstance(found, RowError) else found,
            error,
            guard,
            _value(fast, expression.type, row[f"v{number}"]) if guard else None,
            row[f"w{number}"],
        )


def _value(fast: Fast, type_: Type, found: Any) -> Value:
    """What DuckDB's value stands for."""
    if found is None or is_null(fast):
        return None
    match fast.form:
        case Form.TEXT:
            assert isinstance(found, str)
            return found
        case Form.BASE64:
            return base64.b64decode(found, validate=True)
        case Form.INTEGER | Form.DECIMAL:
            assert isinstance(found, int | Decimal) and not isinstance(found, bool)
            return Decimal(found)
        case Form.BOOLEAN:
            assert isinstance(found, bool)
            return found
        case Form.MILLIS:
            assert isinstance(found, int)
            return Timestamp(found) if type_ is Type.TIMESTAMP else Duration(found)
        case Form.JSON:
            return decode(json.loads(found))


def disagreement(expression: Expression, item: Item, outcome: Outcome) -> str | None:
    """What is wrong with an outcome; None where the evaluators agree, or the guard says that they need not."""
    if not outcome.fast:
        return None
    if outcome.error is not None:
        return f"{expression}\nfor {item}\nfast: {outcome.vectorised!r}, but it is an error: {outcome.error}"
    if not same_value(outcome.value, outcome.vectorised):
        return f"{expression}\nfor {item}\nfast: {outcome.vectorised!r}, reference: {outcome.value!r}"
    if outcome.wire is None:
        return None
    written = json.loads(outcome.wire)
    if outcome.value is None or not same_value(decode(written), outcome.value):
        return f"{expression}\nfor {item}\nwritten: {outcome.wire}, reference: {outcome.value!r}"
    if expression.type is not Type.ANY and "N" in written and written != encode(outcome.value):
        return f"{expression}\nfor {item}\nwritten: {outcome.wire}, not in canonical form"
    return None
