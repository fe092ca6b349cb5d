"""Golden cases through the compiler: a case's spec, arguments and catalog to a plan, as ``ddbetl explain`` makes it.

In: a ``Case``. Out: a plan, or the SpecError. A case with a catalog is compiled online, against a control plane that
knows the catalog's tables in every region and of every profile; one without is checked offline.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from cases import Case, tables

from ddbetl import api
from ddbetl.connectors.dynamodb import control
from ddbetl.connectors.dynamodb.control import _description
from ddbetl.engine.measuring import measured
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.plan.catalog import Catalog, Connection, Site, TableDescription
from ddbetl.plan.logical import Filter, Limit, LogicalPlan, Node, Project, TableScan, Write
from ddbetl.plan.samples import Samples
from ddbetl.types import Timestamp

# 2017-06-01T12:00:00Z
NOW = Timestamp(1_496_318_400_000)
ACCOUNT = "123456789012"


def descriptions(text: str) -> dict[str, TableDescription]:
    """Describe the tables of a catalog's text."""
    return {table["TableName"]: _description(table) for table in tables(text)}


def site(connection: Connection) -> Site:
    """Say where a connection leads; an endpoint of one's own has no account."""
    region = connection.region or "us-east-1"
    endpoint = connection.endpoint or f"https://dynamodb.{region}.amazonaws.com"
    return Site(region, None if connection.endpoint else "999999999999" if connection.profile else ACCOUNT, endpoint)


def catalog(text: str, *connections: Connection) -> Catalog:
    """Make a catalog in which each connection has all the tables, and their names."""
    found = descriptions(text)
    used = connections or (Connection(),)
    return Catalog(
        {connection: site(connection) for connection in used},
        {(connection, name): table for connection in used for name, table in found.items()},
        {connection: tuple(sorted(found)) for connection in used},
    )


@dataclass(slots=True)
class MadeUpControl:
    """A control plane with made-up tables; it notes what it is asked."""

    tables: Mapping[str, TableDescription]
    settings: Mapping[str, Mapping[str, Any]]
    connection: Connection
    asked: list[str] = field(default_factory=list)

    def site(self, description: TableDescription | None = None) -> Site:
        return site(self.connection)

    def table_names(self) -> tuple[str, ...]:
        self.asked.append("ListTables")
        return tuple(sorted(self.tables))

    def describe(self, names: tuple[str, ...]) -> dict[str, TableDescription]:
        self.asked += [f"DescribeTable {name}" for name in names]
        return {name: self.tables[name] for name in names if name in self.tables}

    def close(self) -> None:
        self.asked.append("close")

    @property
    def client(self) -> MadeUpControl:
        """What boto3's client would answer about a table's settings."""
        return self

    def cloudwatch(self) -> MadeUpCloudWatch | None:
        """Who has counted what is used; nobody where the catalog says nothing of it."""
        if not any("InUse" in table for table in self.settings.values()):
            return None
        self.asked.append("GetMetricData")
        return MadeUpCloudWatch(self.settings)

    def describe_time_to_live(self, TableName: str) -> dict[str, Any]:
        self.asked.append(f"DescribeTimeToLive {TableName}")
        return {"TimeToLiveDescription": self.settings[TableName].get("TimeToLiveDescription", {})}

    def describe_continuous_backups(self, TableName: str) -> dict[str, Any]:
        self.asked.append(f"DescribeContinuousBackups {TableName}")
        status = self.settings[TableName].get("PointInTimeRecoveryStatus", "ENABLED")
        recovery = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": status}}
        return {"ContinuousBackupsDescription": recovery}


@dataclass(frozen=True, slots=True)
class MadeUpCloudWatch:
    """CloudWatch, as boto3's client shows it: every minute has the same units."""

    tables: Mapping[str, Mapping[str, Any]]

    def get_paginator(self, operation: str) -> MadeUpCloudWatch:
        assert operation == "get_metric_data"
        return self

    def paginate(
        self, MetricDataQueries: Sequence[Mapping[str, Any]], StartTime: datetime, EndTime: datetime
    ) -> Iterator[dict[str, Any]]:
        minutes = round((EndTime - StartTime).total_seconds() / 60)
        for query in MetricDataQueries:
            metric = query["MetricStat"]["Metric"]
            units = self.tables.get(metric["Dimensions"][0]["Value"], {}).get("InUse", (0, 0))
            used = units[metric["MetricName"] == "ConsumedWriteCapacityUnits"]
            # Nothing is counted of what is not used.
            yield {"MetricDataResults": [{"Id": query["Id"], "Values": [60.0 * used] * minutes if used else []}]}

    def close(self) -> None:
        pass


@contextmanager
def control_plane(text: str) -> Iterator[list[MadeUpControl]]:
    """Let the API find the tables of a catalog's text; gives the controls that it opens."""
    found = descriptions(text)
    settings = {table["TableName"]: table for table in tables(text)}
    opened: list[MadeUpControl] = []

    class Opener:
        @staticmethod
        def open(connection: Connection) -> MadeUpControl:
            opened.append(MadeUpControl(found, settings, connection))
            return opened[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(control, "Control", Opener)
        yield opened


def arguments(case: Case) -> dict[str, Any]:
    """Read a case's command line as the arguments of ``api.compile``; ``--json`` and ``--verbose`` are none of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", dest="params", action="append", default=[])
    parser.add_argument("--let", dest="lets", action="append", default=[])
    parser.add_argument("--with", dest="options", action="append", default=[])
    for name in ("--into", "--on-conflict", "--region", "--profile", "--endpoint-url"):
        parser.add_argument(name)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    given = vars(parser.parse_args(case.args))
    del given["json"], given["verbose"]
    given["params"] = dict(value.split("=", 1) for value in given["params"])
    return given


def plan(case: Case) -> api.Plan:
    """Compile a case: online where it has a catalog, else offline."""
    text = case.text("catalog")
    with case.folder():
        if text is None:
            return api.check(case.spec, now=NOW, **arguments(case))
        with control_plane(text):
            return sampled(case, api.compile(case.spec, now=NOW, traffic=True, **arguments(case)))


def sampled(case: Case, found: api.Plan) -> api.Plan:
    """The plan with a sample, where the case has items: these are the sample, each of half a read unit."""
    if not case.items:
        return found
    sources = []
    for read in found.physical.scans:
        items = [json.dumps(item).encode() for item in case.items.get(read.table.name, [])]
        sources.append(measured(found.physical, read, items, False, len(items) / 2)[0])
    return found._sampled(Samples(tuple(sources)))


# The logical plan as text


def plan_text(logical: LogicalPlan) -> str:
    """Write a logical plan: its nodes from the root down, every expression with its type, then its settings.

    What the optimizer adds is left out.
    """
    lines = list(_node(logical.root, ""))
    lines.append(f"read {logical.read}, write {logical.write}, on error {logical.on_error}")
    if logical.segments is not None or logical.consistent_read:
        lines.append(f"segments {logical.segments}, consistent read {logical.consistent_read}")
    for kind, said in (("parameter", logical.parameters), ("let", logical.lets)):
        lines += [f"{kind} {name} = {value}" for name, value in said]
    if logical.settings.zone.name != "UTC":
        lines.append(f"zone {logical.settings.zone.name}")
    return "\n".join(lines)


def _node(node: Node, indent: str) -> Iterator[str]:
    match node:
        case TableScan():
            yield f"{indent}TableScan {', '.join(node.patterns)}"
            for table in node.tables:
                yield f"{indent}  {table.name} {table.connection}".rstrip()
            return
        case Filter():
            yield f"{indent}Filter {expression(node.predicate)}"
        case Project():
            yield f"{indent}Project"
            if node.projection.star is not None:
                star = node.projection.star
                yield f"{indent}  * exclude {list(star.exclude)} rename {list(star.rename)}"
            for column in node.projection.columns:
                replaces = " replaces" if column.replaces else ""
                yield f"{indent}  {column.name}{replaces} := {expression(column.expression)}"
        case Limit():
            yield f"{indent}Limit {node.rows}"
        case Write():
            yield f"{indent}Write {node.target.name} {node.target.connection}".rstrip() + f" by {node.action}"
            yield from (f"{indent}  {line}" for line in _written(node))
    yield from _node(node.input, indent + "  ")


def _written(write: Write) -> Iterator[str]:
    """What is not as it is when nothing is said of it."""
    if write.newest is not None:
        yield f"newest by {write.newest}"
    if write.collisions != "reject":
        yield f"collisions {write.collisions}"
    if write.ttl_attribute is not None:
        yield f"expires by {write.ttl_attribute}"
    if write.create is not None:
        key = ", ".join(f"{attribute.name} {attribute.type}" for attribute in write.create.key)
        yield f"create ({key}) {write.create.provisioned or 'on demand'}"


def expression(found: Expression) -> str:
    """Write a typed expression: operators and functions as calls, each call and constant with its type."""
    match found:
        case Constant(value=value, type=type_):
            shown = repr(value) if isinstance(value, str | bytes) else str(value)
            return f"{shown}:{type_}"
        case Attribute():
            return str(found)
        case Call():
            null = "" if found.nullable else " never null"
            return f"{found.function.name}({', '.join(map(expression, found.arguments))}):{found.type}{null}"
