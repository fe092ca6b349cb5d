"""The planner: from the logical to the physical plan.

In: an optimized logical plan. Out: requests, segments, statement, budgets, fingerprint. Invariant: no I/O.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.projection import KeyAttribute, SourceKey
from ddbetl.expressions.writing import ENTRIES, Entry, Form
from ddbetl.lowering import statement
from ddbetl.lowering.dynamo_condition import ServerExpression
from ddbetl.plan.budget import resolve
from ddbetl.plan.collisions import Collisions, collisions
from ddbetl.plan.logical import LogicalPlan, Parts, Table, TableQuery, TableScan, Write, parts
from ddbetl.plan.physical import PhysicalPlan, QueryExec, ReadExec, ScanExec, TransformExec, WriteExec
from ddbetl.plan.target import written_indexes
from ddbetl.plan.warnings import of_plan

# Bytes of a table that one segment reads: some hundred pages, so that a segment is worth its requests.
SEGMENT_BYTES = 64 * 2**20
MOST_SEGMENTS = 256
# DynamoDB counts items and bytes every six hours only: a table that says 0 may be full.
UNKNOWN_SIZE_SEGMENTS = 4


def plan(logical: LogicalPlan) -> PhysicalPlan:
    """The physical plan of a logical one."""
    found = parts(logical)
    queries = found.scan.queries or (None,) * len(found.scan.tables)
    scans = tuple(_read(logical, found.scan, *one) for one in zip(found.scan.tables, queries, strict=True))
    write = None
    warnings = logical.warnings
    if found.write is not None:
        write, met = _write(logical, found, found.write)
        warnings += (met.warning,) if met.warning is not None else ()
    predicate = found.filter.predicate if found.filter is not None else None
    built = _statement(found, predicate, write)
    transform = TransformExec(
        predicate, found.filter.text if found.filter is not None else "", found.project.projection, built
    )
    identity = _identity(logical, found, write)
    made = PhysicalPlan(
        scans,
        transform,
        write,
        found.limit.rows if found.limit is not None else None,
        logical.on_error,
        logical.now,
        identity,
        _fingerprint(identity),
        logical,
        warnings,
    )
    return replace(made, warnings=(*warnings, *of_plan(made)))


def _write(logical: LogicalPlan, found: Parts, write: Write) -> tuple[WriteExec, Collisions]:
    """How the rows are written, and whether two of them can have one key."""
    table = write.target
    created = table.description or write.create
    key = created.key if created is not None else ()
    met = collisions(found, key)
    return WriteExec(
        table,
        key,
        write.action,
        resolve(logical.write, created, "write"),
        resolve(logical.read, created, "read"),
        write.newest,
        written_indexes(write.action, table, found.project.projection),
        write.collisions if not (met.proof or met.harmless) else None,
        met.proof or met.harmless,
        write.ttl_attribute,
        write.create,
    ), met


def _statement(found: Parts, predicate: Expression | None, write: WriteExec | None) -> statement.Statement:
    """The statement of a page: into the requests of the target, or into none."""
    if write is None:
        return statement.build(predicate, found.project.projection, Form(Entry.PUT, "", ()))
    return statement.build(
        predicate,
        found.project.projection,
        Form(ENTRIES[write.action], write.table.name, write.key),
        sources=_source_keys(found.scan.tables) if write.collisions is not None else None,
        newest=write.newest,
        ttl_attribute=write.ttl_attribute,
    )


def _source_keys(tables: tuple[Table, ...]) -> tuple[SourceKey, ...]:
    """The attributes of all tables' keys, each with the tables whose key has it."""
    found: dict[KeyAttribute, set[str]] = {}
    for table in tables:
        for key in table.description.key if table.description is not None else ():
            found.setdefault(key, set()).add(table.name)
    return tuple(SourceKey(key.name, key.type, frozenset(names)) for key, names in found.items())


def _segments(table: Table) -> int:
    description = table.description
    if description is None or description.size == 0:
        return UNKNOWN_SIZE_SEGMENTS
    return max(1, min(MOST_SEGMENTS, -(-description.size // SEGMENT_BYTES)))


def _read(logical: LogicalPlan, scan: TableScan, table: Table, query: TableQuery | None) -> ReadExec:
    """How a table is read."""
    consistent = logical.consistent_read
    if query is None:
        budget = resolve(logical.read, table.description, "read")
        request = _request(table, scan.attributes, scan.filter, consistent)
        return ScanExec(table, logical.segments or _segments(table), request, budget)
    index = query.index.name if query.index is not None else None
    requests = (_request(table, scan.attributes, query.filter, consistent, key, index) for key in query.keys)
    return QueryExec(table, query.index, tuple(requests), resolve(logical.read, table.description, "read", index))


def _request(
    table: Table,
    attributes: tuple[str, ...] | None,
    condition: ServerExpression | None,
    consistent: bool,
    key: ServerExpression | None = None,
    index: str | None = None,
) -> str:
    """The fixed part of a Scan request, or with a ``key`` of a Query. Source: Scan and Query API reference."""
    request: dict[str, Any] = {"TableName": table.name, "ReturnConsumedCapacity": "TOTAL"}
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    if index is not None:
        request["IndexName"] = index
    if key is not None:
        request["KeyConditionExpression"] = key.expression
    if attributes is not None:
        names = {f"#p{number}": name for number, name in enumerate(attributes)}
        request["ProjectionExpression"] = ", ".join(names)
    if condition is not None:
        request["FilterExpression"] = condition.expression
    for one in (key, condition):
        if one is not None:
            names |= dict(one.names)
            values |= {mark: json.loads(value) for mark, value in one.values}
    if values:
        request["ExpressionAttributeValues"] = values
    if names:
        request["ExpressionAttributeNames"] = names
    if consistent:
        request["ConsistentRead"] = True
    return json.dumps(request, ensure_ascii=False, separators=(",", ":"))


def _identity(logical: LogicalPlan, found: Parts, write: WriteExec | None) -> dict[str, Any]:
    """What the job does to what, as a JSON value; rates may change while it runs, and are no part of it.

    Neither is the pivot of two-digit years: it follows from now(), which a resumed job takes over.
    """
    queries = [_keyed(query) for query in found.scan.queries]
    return {
        "where": _said(found.filter.predicate) if found.filter is not None else "",
        "columns": [[c.name, c.replaces, _said(c.expression)] for c in found.project.projection.columns],
        "star": repr(found.project.projection.star),
        "limit": found.limit.rows if found.limit is not None else None,
        "tables": [_named(table) for table in found.scan.tables],
        "target": _named(found.write.target) if found.write is not None else None,
        "on_conflict": write.action if write is not None else "",
        "newest": write.newest if write is not None else None,
        "collisions": write.collisions if write is not None else None,
        "ttl_attribute": write.ttl_attribute if write is not None else None,
        "parameters": [list(pair) for pair in logical.parameters],
        "lets": [list(pair) for pair in logical.lets],
        # Only where there are any: a job that was begun without them goes on with a version that has them.
        **({"files": [list(pair) for pair in logical.files]} if logical.files else {}),
        # The position of a split is one in what is asked for.
        **({"queries": queries} if any(queries) else {}),
        "zone": logical.settings.zone.name,
        "on_error": logical.on_error,
    }


def _keyed(query: TableQuery | None) -> list[Any] | None:
    if query is None:
        return None
    index = query.index.name if query.index is not None else None
    return [index, [[key.expression, *map(list, (*key.names, *key.values))] for key in query.keys]]


def _fingerprint(identity: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def _named(table: Table) -> list[str]:
    """A table as one of its name that is made later is told from it."""
    description = table.description
    arn, created = (description.arn, description.created) if description is not None else ("", "")
    return [table.name, table.connection.endpoint or "", arn, created]


def _said(expression: Expression) -> str:
    """An expression as a text that is the same in every process. A call's text has the constants that are no arguments
    of it any more, such as patterns; where they are LETs, those are in the fingerprint themselves."""
    match expression:
        case Constant(value=value, type=type_):
            return f"{type_} {value!r}"
        case Attribute(name=name, steps=steps):
            return f"{name!r}{list(steps)!r}"
        case Call(function=function, text=text, arguments=arguments):
            return f"{function.name}<{text}>({', '.join(_said(a) for a in arguments)})"
