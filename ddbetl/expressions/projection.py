"""What an output item is made of: the columns of SELECT, and the star.

Between the analyzer, which makes it, and the statement, the row evaluator and explain, which read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ddbetl.expressions.ir import Expression
from ddbetl.source import Span
from ddbetl.types import Type


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """An attribute of the output item. ``replaces``: from ``* REPLACE``, so that the item may have it already."""

    name: str
    expression: Expression
    replaces: bool = False
    # The expression as the spec writes it, for messages and explain.
    text: str = ""
    span: Span = field(default=Span(0, 0), compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Star:
    """All attributes of the item but ``exclude``, under their names but for ``rename`` (old, new)."""

    exclude: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Projection:
    columns: tuple[OutputColumn, ...]
    star: Star | None = None

    def origin(self, name: str) -> OutputColumn | str | None:
        """Where an attribute of the output comes from: a column, an attribute of the item by its name, or nowhere."""
        for column in self.columns:
            if column.name == name:
                return column
        if self.star is None:
            return None
        for old, new in self.star.rename:
            if new == name:
                return old
        if name in self.star.exclude or any(old == name for old, _ in self.star.rename):
            return None
        return name


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """An attribute of a table's key: its name and its type (STRING, NUMBER or BINARY)."""

    name: str
    type: Type


@dataclass(frozen=True, slots=True)
class SourceKey(KeyAttribute):
    """An attribute of the key of some source tables, by their names; of the others it is none."""

    tables: frozenset[str] = frozenset()


# Longest key attributes in bytes. Source: DynamoDB Developer Guide, "Constraints: Partition keys and sort keys".
LONGEST_PARTITION_KEY = 2048
LONGEST_SORT_KEY = 1024
# Largest item in bytes, names and values. Source: ibid., "Items".
LARGEST_ITEM = 400 * 1024
# Puts in one BatchWriteItem. Source: BatchWriteItem API reference.
BATCH = 25
