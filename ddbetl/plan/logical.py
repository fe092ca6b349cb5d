"""The logical plan: what is to be done, with every name resolved and every expression typed.

Out of the analyzer, through the optimizer, into the planner. Invariant: frozen values only; the tree reads from the
write at its root down to the scan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from ddbetl.diagnostics import Diagnostic
from ddbetl.expressions.ir import Expression
from ddbetl.expressions.projection import Projection
from ddbetl.expressions.resolve import Settings
from ddbetl.expressions.writing import Action
from ddbetl.lowering.dynamo_condition import ServerExpression
from ddbetl.plan.catalog import Connection, IndexDescription, NewTable, TableDescription
from ddbetl.plan.options import Rate, RejectLimit
from ddbetl.source import SourceText
from ddbetl.types import Timestamp


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the plan; ``description`` is None when the plan was made offline. ``pattern``: of a source, what FROM
    names it by; ``captures``: what the pattern's wildcards stand for in its name."""

    name: str
    connection: Connection
    description: TableDescription | None = None
    pattern: str = ""
    captures: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TableQuery:
    """The items of some keys of a table, among which are all that matter. ``keys``: a KeyConditionExpression for each
    value of the partition key; of an ``index``, or of the table itself. ``filter``: what is asked beside the keys."""

    index: IndexDescription | None
    keys: tuple[ServerExpression, ...]
    filter: ServerExpression | None = None


@dataclass(frozen=True, slots=True)
class TableScan:
    """All items of the tables. ``patterns``: as the spec writes them. ``attributes``: the top-level attributes that the
    server sends (None: all). ``filter``: evaluated by the server; it keeps at least every item that matters.
    ``queries``: of each table, what is read instead, None: all of it; empty: all of all tables."""

    tables: tuple[Table, ...]
    patterns: tuple[str, ...]
    attributes: tuple[str, ...] | None = None
    filter: ServerExpression | None = None
    queries: tuple[TableQuery | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """The rows for which the predicate is TRUE."""

    input: Node
    predicate: Expression
    text: str


@dataclass(frozen=True, slots=True)
class Project:
    input: Node
    projection: Projection


@dataclass(frozen=True, slots=True)
class Limit:
    input: Node
    rows: int


@dataclass(frozen=True, slots=True)
class Write:
    """Write the rows into the target.

    ``newest``: the column that KEEP NEWEST decides by. ``collisions``: reject, fail or allow: what happens to a row
    whose target key another source row had before. ``ttl_attribute``: the target's expiry attribute. ``create``: the
    table that is to be made, because there is none.
    """

    input: Node
    target: Table
    action: Action
    newest: str | None = None
    collisions: str = "reject"
    ttl_attribute: str | None = None
    create: NewTable | None = None


Node: TypeAlias = TableScan | Filter | Project | Limit | Write


@dataclass(frozen=True, slots=True)
class LogicalPlan:
    """A whole job. ``now`` is fixed when the plan is made; ``parameters`` and ``lets`` as they were written. ``files``:
    those of USING, by name, with the digests of their contents."""

    root: Node
    read: Rate
    write: Rate
    on_error: str
    max_rejects: RejectLimit
    segments: int | None
    consistent_read: bool
    settings: Settings
    now: Timestamp
    parameters: tuple[tuple[str, str], ...]
    lets: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, str], ...] = ()
    source: SourceText = field(compare=False, repr=False, default=SourceText(""))
    warnings: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """The nodes of a plan by what they do."""

    scan: TableScan
    filter: Filter | None
    project: Project
    limit: Limit | None
    write: Write | None


def parts(plan: LogicalPlan) -> Parts:
    """The nodes of a plan, picked from the tree."""
    found: dict[type, Node] = {}
    node: Node = plan.root
    while True:
        found[type(node)] = node
        if isinstance(node, TableScan):
            break
        node = node.input
    project = found[Project]
    assert isinstance(project, Project)
    filter_, limit, write = found.get(Filter), found.get(Limit), found.get(Write)
    assert filter_ is None or isinstance(filter_, Filter)
    assert limit is None or isinstance(limit, Limit)
    assert write is None or isinstance(write, Write)
    return Parts(node, filter_, project, limit, write)
