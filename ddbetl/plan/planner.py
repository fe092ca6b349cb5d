"""The planner: from the logical to the physical plan.

In: an optimized logical plan. Out: requests, segments, statement, budgets, fingerprint. Invariant: no I/O.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.projection import OutputColumn
from ddbetl.lowering import statement
from ddbetl.plan.budget import resolve
from ddbetl.plan.logical import LogicalPlan, Parts, Table, TableScan, parts
from ddbetl.plan.physical import WriteExec, PhysicalPlan, ScanExec, TransformExec

# Bytes of a table that one segment reads: some hundred pages, so that a segment is worth its requests.
SEGMENT_BYTES = 64 * 2**20
MOST_SEGMENTS = 256
# DynamoDB counts items and bytes every six hours only: a table that says 0 may be full.
UNKNOWN_SIZE_SEGMENTS = 4


def plan(logical: LogicalPlan) -> PhysicalPlan:
    """The physical plan of a logical one."""
    found = parts(logical)
    scans = tuple(
        ScanExec(
            table,
            logical.segments or _segments(table),
            _scan_request(table, found.scan, logical.consistent_read),
            resolve(logical.read, table.description, "read"),
        )
        for table in found.scan.tables
    )
    write = None
    if found.write is not None:
        target = found.write.target
        key = target.description.key if target.description is not None else ()
        write = WriteExec(
            target,
            key,
            found.write.action,
            resolve(logical.write, target.description, "write"),
            resolve(logical.read, target.description, "read"),
        )
    predicate = found.filter.predicate if found.filter is not None else None
    built = statement.build(
        predicate,
        found.project.projection,
        write.table.name if write is not None else "",
        write.key if write is not None else (),
    )
    transform = TransformExec(
        predicate, found.filter.text if found.filter is not None else "", found.project.projection, built
    )
    identity = _identity(logical, found)
    return PhysicalPlan(
        scans,
        transform,
        write,
        found.limit.rows if found.limit is not None else None,
        logical.on_error,
        logical.now,
        identity,
        _fingerprint(identity),
        logical,
        (*logical.warnings, *_collisions(logical, found)),
    )


def _segments(table: Table) -> int:
    description = table.description
    if description is None or description.size == 0:
        return UNKNOWN_SIZE_SEGMENTS
    return max(1, min(MOST_SEGMENTS, -(-description.size // SEGMENT_BYTES)))


def _scan_request(table: Table, scan: TableScan, consistent: bool) -> str:
    """The fixed part of a Scan request. Source: Scan API reference."""
    request: dict[str, Any] = {"TableName": table.name, "ReturnConsumedCapacity": "TOTAL"}
    names: dict[str, str] = {}
    if scan.attributes is not None:
        names = {f"#p{number}": name for number, name in enumerate(scan.attributes)}
        request["ProjectionExpression"] = ", ".join(names)
    if scan.filter is not None:
        request["FilterExpression"] = scan.filter.expression
        names |= dict(scan.filter.names)
        if scan.filter.values:
            values = {mark: json.loads(value) for mark, value in scan.filter.values}
            request["ExpressionAttributeValues"] = values
    if names:
        request["ExpressionAttributeNames"] = names
    if consistent:
        request["ConsistentRead"] = True
    return json.dumps(request, ensure_ascii=False, separators=(",", ":"))


def _identity(logical: LogicalPlan, found: Parts) -> dict[str, Any]:
    """What the job does to what, as a JSON value; rates may change while it runs, and are no part of it.

    Neither is the pivot of two-digit years: it follows from now(), which a resumed job takes over.
    """
    return {
        "where": _said(found.filter.predicate) if found.filter is not None else "",
        "columns": [[c.name, c.replaces, _said(c.expression)] for c in found.project.projection.columns],
        "star": repr(found.project.projection.star),
        "limit": found.limit.rows if found.limit is not None else None,
        "tables": [_named(table) for table in found.scan.tables],
        "target": _named(found.write.target) if found.write is not None else None,
        "on_conflict": found.write.action if found.write is not None else "",
        "parameters": [list(pair) for pair in logical.parameters],
        "lets": [list(pair) for pair in logical.lets],
        "zone": logical.settings.zone.name,
        "on_error": logical.on_error,
    }


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


def _collisions(logical: LogicalPlan, found: Parts) -> tuple[Diagnostic, ...]:
    """A warning where two source items can have one target key, because the target's key says less than theirs."""
    if found.write is None or found.write.target.description is None:
        return ()
    projection = found.project.projection
    carried: set[str] = set()
    losing: list[OutputColumn] = []
    for key in found.write.target.description.key:
        origin = projection.origin(key.name)
        if isinstance(origin, OutputColumn):
            if isinstance(origin.expression, Attribute) and not origin.expression.steps:
                carried.add(origin.expression.name)
            else:
                losing.append(origin)
        elif origin is not None:
            carried.add(origin)
    lost: list[str] = []
    for table in found.scan.tables:
        if table.description is not None:
            lost += [k.name for k in table.description.key if k.name not in carried and k.name not in lost]
    if lost:
        which = " and ".join(lost)
        message = f"two items can become one: {which} of the source's key is not in the target's key unchanged"
    elif len(found.scan.tables) > 1 and not any(_tells_tables_apart(column.expression) for column in losing):
        message = "two items can become one: several of the tables may have an item of the same key"
    else:
        return ()
    span = losing[0].span if losing else None
    hint = "the later of two such rows overwrites the earlier; this version does not count them"
    return (Diagnostic("W0102", message, span, hint),)


def _tells_tables_apart(expression: Expression) -> bool:
    """Whether a key has the source table's name in it."""
    return isinstance(expression, Call) and (
        expression.function.name == "source_table" or any(map(_tells_tables_apart, expression.arguments))
    )
