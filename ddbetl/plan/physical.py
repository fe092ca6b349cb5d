"""The physical plan: the exact requests, how the work is split, and the budgets.

Out of the planner, into explain and the engine. Invariant: it can be executed without asking the spec again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from ddbetl.diagnostics import Diagnostic
from ddbetl.expressions.ir import Expression
from ddbetl.expressions.projection import KeyAttribute, Projection
from ddbetl.expressions.writing import Action
from ddbetl.lowering.statement import Statement
from ddbetl.plan.budget import Budget
from ddbetl.plan.catalog import IndexDescription, NewTable
from ddbetl.plan.logical import LogicalPlan, Table
from ddbetl.types import Timestamp


@dataclass(frozen=True, slots=True)
class ScanExec:
    """Scan a table in ``segments`` parallel segments. ``request``: the request's fixed part, a JSON object's text;
    the engine adds Segment, TotalSegments and ExclusiveStartKey."""

    operation: ClassVar[str] = "Scan"

    table: Table
    segments: int
    request: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class QueryExec:
    """Query a table, or an ``index`` of it, for some partition keys. ``requests``: of each of them the request's fixed
    part, a JSON object's text; the engine adds ExclusiveStartKey."""

    operation: ClassVar[str] = "Query"

    table: Table
    index: IndexDescription | None
    requests: tuple[str, ...]
    budget: Budget

    @property
    def segments(self) -> int:
        """How many splits the table is read in."""
        return len(self.requests)

    @property
    def request(self) -> str:
        """The first one; the others differ from it by their keys."""
        return self.requests[0]


ReadExec: TypeAlias = ScanExec | QueryExec


def requests(read: ReadExec) -> tuple[str, ...]:
    """The requests that have all items between them."""
    match read:
        case ScanExec(request=request):
            return (request,)
        case QueryExec(requests=several):
            return several


@dataclass(frozen=True, slots=True)
class TransformExec:
    """Filter and project pages: by ``statement``, and its flagged rows by the reference evaluator."""

    predicate: Expression | None
    predicate_text: str
    projection: Projection
    statement: Statement


@dataclass(frozen=True, slots=True)
class WriteExec:
    """Write the rows. ``key`` is empty when the plan was made offline, and the target is not to be made.

    ``budget``: of the writes, index writes included. ``reads``: of the reads of the target by which a row that is there
    already is compared. ``indexes``: how many secondary indexes a row is written to as well, at most.
    ``collisions``: reject, fail or allow; None where no row can meet another's key, or nothing is lost where one does,
    and ``no_collisions`` says why. ``switches_on``: whether the items of the target do not expire so far, by
    ``ttl_attribute``. ``create``, ``newest``: see logical.Write.
    """

    table: Table
    key: tuple[KeyAttribute, ...]
    action: Action
    budget: Budget
    reads: Budget
    newest: str | None = None
    indexes: int = 0
    collisions: str | None = None
    no_collisions: str = ""
    ttl_attribute: str | None = None
    create: NewTable | None = None
    switches_on: bool = False


@dataclass(frozen=True, slots=True)
class PhysicalPlan:
    """``identity``: what is done to what, as a JSON value. ``fingerprint``: its digest, equal for two plans that do the
    same to the same tables."""

    scans: tuple[ReadExec, ...]
    transform: TransformExec
    write: WriteExec | None
    limit: int | None
    on_error: str
    now: Timestamp
    identity: Mapping[str, Any]
    fingerprint: str
    logical: LogicalPlan = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()
