"""A table as its first items show it: attributes, types, examples.

In: a table's description and the number of items to look at. Out: a TableReport. Invariant: one Scan with a Limit, and
what it cost is in the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.connectors.dynamodb.requests import scan_body
from ddbetl.engine.peek import peek
from ddbetl.engine.rows import check_attributes, decode_item
from ddbetl.errors import ConnectionFailed, RowError
from ddbetl.plan.catalog import Site, TableDescription
from ddbetl.types import TAGS, Type

# Different texts of an attribute that are kept.
MOST_TEXTS = 100


@dataclass(frozen=True, slots=True)
class AttributeReport:
    """An attribute in a sample: the items that have it, by type, most frequent first, one value's DynamoDB JSON, and
    the first of its different texts."""

    name: str
    present: int
    types: tuple[tuple[Type, int], ...]
    example: dict[str, Any]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableReport:
    """A table and its sampled schema, key attributes first. ``units``: what the sample cost."""

    description: TableDescription
    site: Site
    sampled: int
    units: float
    attributes: tuple[AttributeReport, ...]


async def table_report(description: TableDescription, site: Site, access: Access, sample: int) -> TableReport:
    """Read up to ``sample`` items and count what is in them."""
    if sample <= 0:
        return TableReport(description, site, 0, 0.0, ())
    client = access.client()
    try:
        fixed = msgspec.json.encode({"TableName": description.name, "ReturnConsumedCapacity": "TOTAL"}).decode()
        answer, found = await peek(client, scan_body(fixed, 0, 1, b"", sample))
    finally:
        await client.aclose()
    items = [decode_item(raw) for raw in found]
    for item in items:
        try:
            check_attributes(item)
        except RowError as error:
            raise MalformedResponse(f"{description.name}: {error.message}") from error
    units = answer.consumed_capacity.units if answer.consumed_capacity is not None else 0.0
    return TableReport(description, site, len(items), units, _attributes(description, items))


def _attributes(description: TableDescription, items: list[dict[str, dict[str, Any]]]) -> tuple[AttributeReport, ...]:
    types: dict[str, dict[Type, int]] = {}
    examples: dict[str, dict[str, Any]] = {}
    texts: dict[str, dict[str, None]] = {}
    for item in items:
        for name, value in item.items():
            (tag,) = value
            counts = types.setdefault(name, {})
            # A type that DynamoDB has and this version does not know is ANY.
            type_ = TAGS.get(tag, Type.ANY)
            counts[type_] = counts.get(type_, 0) + 1
            examples.setdefault(name, value)
            if tag == "S" and len(known := texts.setdefault(name, {})) < MOST_TEXTS:
                known[value[tag]] = None
    keys = [key.name for key in description.key]
    ordered = sorted(types, key=lambda n: (keys.index(n) if n in keys else len(keys), -sum(types[n].values()), n))
    return tuple(
        AttributeReport(
            name,
            sum(types[name].values()),
            tuple(sorted(types[name].items(), key=lambda pair: -pair[1])),
            examples[name],
            tuple(texts.get(name, ())),
        )
        for name in ordered
    )


def missing_table(table: str, names: tuple[str, ...], site: Site) -> ConnectionFailed:
    """The error of a table that is not there, with the nearest names."""
    near = get_close_matches(table, names, n=3, cutoff=0.5)
    hint = f": did you mean {' or '.join(near)}?" if near else f"; there are {len(names)} others" if names else ""
    return ConnectionFailed(f"there is no table {table} in {site.region}{hint}")
