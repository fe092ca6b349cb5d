"""Functions that say where a row came from."""

from __future__ import annotations

from ddbetl.functions.model import Example, Fast, Form, Function, Implementation, Lowering, RowContext, Signature
from ddbetl.types import Type


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

ORIGIN: tuple[Function, ...] = (SOURCE_TABLE,)
