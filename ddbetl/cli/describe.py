"""The page of ``ddbetl describe``: a table's keys, capacity and sampled schema.

In: a ``TableReport``. Out: text, or a JSON value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ddbetl.cli.preview import value_text
from ddbetl.cli.terminal import Column, fitted, page_width, start_of, table, visible, width, wrapped
from ddbetl.cli.wording import counted, percent, units_of

if TYPE_CHECKING:
    from ddbetl.api import AttributeReport, TableReport
    from ddbetl.plan.catalog import IndexDescription, Site, TableDescription

# An example longer than this is cut where a terminal shows it.
WIDEST_EXAMPLE = 40


def page(report: TableReport) -> str:
    """The report as text."""
    from ddbetl.plan.layout import volume

    description = report.description
    whole = volume((description.items, description.size))
    rows = [
        ("key", ", ".join(f"{k.name} {k.type} ({role})" for k, role in zip(description.key, ROLES, strict=False))),
        ("billing", billing(description)),
        ("items", f"{description.items:,}, {whole}  (DynamoDB counts them every six hours)"),
        ("status", description.status if description.status != "ACTIVE" else ""),
        ("created", description.created),
        *(("index" if number == 0 else "", index_text(i)) for number, i in enumerate(description.indexes)),
    ]
    name = visible(description.name)
    lines = [click.style(name, bold=True) + fitted(f"{name}  {visible(place(report.site))}").removeprefix(name)]
    lines += [wrapped(f"  {label:<8} ", visible(value), page_width()) for label, value in rows if value]
    return "\n".join([*lines, *_schema(report)])


ROLES = ("partition", "sort")


def place(site: Site) -> str:
    """Where a table is: the region with the account, or the endpoint of a server that knows none."""
    return f"{site.region}, account {site.account}" if site.account else f"{site.region}, {site.endpoint}"


def billing(description: TableDescription) -> str:
    """How a table is paid for, and what it can take."""
    if not description.on_demand:
        read, write = description.read_units or 0, description.write_units or 0
        return f"provisioned, {read:,} rcu and {write:,} wcu"
    facts = ["on demand"]
    if description.warm_read and description.warm_write:
        facts.append(f"warm for {description.warm_read:,} rcu and {description.warm_write:,} wcu")
    if description.max_read and description.max_read > 0:
        facts.append(f"at most {description.max_read:,} rcu")
    if description.max_write and description.max_write > 0:
        facts.append(f"at most {description.max_write:,} wcu")
    return ", ".join(facts)


def index_text(index: IndexDescription) -> str:
    """An index on one line."""
    key = ", ".join(f"{k.name} {k.type}" for k in index.key)
    units = ""
    if index.read_units and index.write_units:
        units = f", {index.read_units:,} rcu and {index.write_units:,} wcu"
    return f"{index.name}: {index.kind} on {key}, projects {index.projection}{units}"


def _schema(report: TableReport) -> list[str]:
    if not report.sampled:
        return []
    title = f"  of {counted(report.sampled, 'sampled item')}, for {units_of(report.units, 'read')}"
    cut = width() is not None
    rows = [
        [
            visible(attribute.name),
            percent(attribute.present / report.sampled),
            types_text(attribute),
            start_of(value_text(attribute.example), WIDEST_EXAMPLE) if cut else value_text(attribute.example),
        ]
        for attribute in report.attributes
    ]
    return [
        "",
        click.style("SCHEMA", bold=True) + title,
        table(
            [
                Column("attribute", least=12, middle=True),
                Column("present", right=True),
                Column("type", least=12),
                Column("example", least=16),
            ],
            rows,
            indent="  ",
        ),
    ]


def types_text(attribute: AttributeReport) -> str:
    """The types of an attribute's values, the most frequent first, with shares where there are several."""
    total = sum(count for _, count in attribute.types)
    if len(attribute.types) == 1:
        return str(attribute.types[0][0])
    ordered = sorted(attribute.types, key=lambda pair: (-pair[1], str(pair[0])))
    return ", ".join(f"{type_} {percent(count / total)}" for type_, count in ordered)


def as_value(report: TableReport) -> dict[str, Any]:
    """The report as a JSON value."""
    description, site = report.description, report.site
    return {
        "ddbetl_describe": 1,
        "table": description.name,
        "arn": description.arn,
        "region": site.region,
        "account": site.account,
        "endpoint": site.endpoint,
        "status": description.status,
        "created": description.created,
        "key": [{"name": k.name, "type": str(k.type)} for k in description.key],
        "billing": description.billing,
        "capacity": {
            name: getattr(description, name)
            for name in ("read_units", "write_units", "warm_read", "warm_write", "max_read", "max_write")
        },
        "items": description.items,
        "bytes": description.size,
        "indexes": [
            {
                "name": index.name,
                "kind": index.kind,
                "key": [{"name": k.name, "type": str(k.type)} for k in index.key],
                "projection": index.projection,
                "read_units": index.read_units,
                "write_units": index.write_units,
            }
            for index in description.indexes
        ],
        "sample": {"items": report.sampled, "read_units": report.units},
        "attributes": [
            {
                "name": attribute.name,
                "present": attribute.present,
                "types": {str(type_): count for type_, count in attribute.types},
                "example": attribute.example,
            }
            for attribute in report.attributes
        ],
    }
