"""Which keys a table is asked for, instead of all of its items.

In: the predicate, a table's description, what is read of an item. Out: a TableQuery, or None for a Scan. Invariant: a
Query gives every item that a Scan would, and for which the predicate is TRUE or an error. See
docs/decisions/0013-a-query-instead-of-a-scan.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from ddbetl.expressions.ir import Expression
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.lowering.dynamo_condition import Condition
from ddbetl.lowering.dynamo_expr import holding, keeping, within_limits
from ddbetl.lowering.dynamo_keys import ALL, Key, KeyRange, beside, key_expression, key_ranges, possible_types
from ddbetl.plan.catalog import IndexDescription, TableDescription
from ddbetl.plan.logical import TableQuery


def table_query(
    predicate: Expression, table: TableDescription | None, attributes: tuple[str, ...] | None, consistent: bool
) -> TableQuery | None:
    """The keys that a predicate allows; ``attributes``: what is read of an item, None: all. None for all of the table.

    The table itself comes first, but for a local index in which a range is known; a global one comes last.
    """
    return _query(keeping(predicate), table, attributes, consistent)


def query_without_errors(
    predicate: Expression, table: TableDescription | None, attributes: tuple[str, ...] | None, consistent: bool
) -> TableQuery | None:
    """The keys for which a predicate can be TRUE: what ``table_query`` gives for ``try`` of it."""
    return _query(holding(predicate), table, attributes, consistent)


def _query(
    condition: Condition, table: TableDescription | None, attributes: tuple[str, ...] | None, consistent: bool
) -> TableQuery | None:
    if table is None:
        return None
    own = _way(condition, table, None)
    if own is not None and own.narrow:
        return own.query(condition)
    usable = [index for index in table.indexes if _serves(index, table, attributes, consistent)]
    local = [way for index in usable if index.kind == "LSI" and (way := _way(condition, table, index)) is not None]
    if narrow := [way for way in local if way.narrow]:
        return narrow[0].query(condition)
    if own is not None:
        return own.query(condition)
    others = [way for index in usable if index.kind == "GSI" and (way := _way(condition, table, index)) is not None]
    best = next((way for way in others if way.narrow), others[0] if others else None)
    return best.query(condition) if best is not None else None


@dataclass(frozen=True, slots=True)
class _Way:
    """A key by which the items can be had. ``narrow``: a range of the sort key is known too."""

    index: IndexDescription | None
    key: Key
    ranges: tuple[KeyRange, ...]

    @property
    def narrow(self) -> bool:
        return any(found.sort != ALL for found in self.ranges)

    def query(self, condition: Condition) -> TableQuery:
        rest = beside(condition, self.key)
        filter_ = within_limits(rest) if not isinstance(rest, bool) else None
        return TableQuery(self.index, tuple(key_expression(found, self.key) for found in self.ranges), filter_)


def _way(condition: Condition, table: TableDescription, index: IndexDescription | None) -> _Way | None:
    key = _key(table, index)
    ranges = key_ranges(condition, key)
    return _Way(index, key, ranges) if ranges is not None else None


def _key(table: TableDescription, index: IndexDescription | None) -> Key:
    """The key of an index or the table. A local index is as old as its table, so every item that has its attribute has
    it with its type; a global one may be younger than items that have it with another."""
    found: tuple[KeyAttribute, ...] = index.key if index is not None else table.key
    always = {attribute.name: attribute.type for attribute in table.key}
    sometimes = {a.name: a.type for other in table.indexes if other.kind == "LSI" for a in other.key}
    attributes = tuple((attribute.name, attribute.type) for attribute in found)
    return Key(attributes, tuple(possible_types(always, sometimes, name) for name, _ in attributes))


def _serves(
    index: IndexDescription, table: TableDescription, attributes: tuple[str, ...] | None, consistent: bool
) -> bool:
    """Whether an index has all that is read of an item, and may be read so; a global one is never consistent."""
    if index.status != "ACTIVE" or (index.kind == "GSI" and consistent):
        return False
    if index.projection == "ALL":
        return True
    held = {attribute.name for attribute in (*table.key, *index.key)}
    if index.projection == "INCLUDE":
        held |= set(index.included)
    return attributes is not None and held.issuperset(attributes)
