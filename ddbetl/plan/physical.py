"""The physical plan: the exact requests, how the work is split, and the budgets.

Out of the planner, into explain and the engine. Invariant: it can be executed without asking the spec again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.expressions.ir import Expression
from ddbetl.expressions.projection import KeyAttribute, Projection
from ddbetl.lowering.statement import Statement
from ddbetl.plan.budget import Budget
from ddbetl.plan.logical import LogicalPlan, Table
from ddbetl.types import Timestamp


@dataclass(frozen=True, slots=True)
class ScanExec:
    """Scan a table in ``segments`` parallel segments. ``request``: the request's fixed part, a JSON object's text;
    the engine adds Segment, TotalSegments and ExclusiveStartKey."""

    table: Table
    segments: int
    request: str
    budget: Budget


@dataclass(frozen=True, slots=True)
class TransformExec:
    """Filter and project pages: by ``statement``, and its flagged rows by the reference evaluator."""

    predicate: Expression | None
    predicate_text: str
    projection: Projection
    statement: Statement


@dataclass(frozen=True, slots=True)
class BatchWriteExec:
    """Put the rows by BatchWriteItem, replacing what is there. ``key`` is empty when the plan was made offline."""

    table: Table
    key: tuple[KeyAttribute, ...]
    budget: Budget


@dataclass(frozen=True, slots=True)
class PhysicalPlan:
    """``identity``: what is done to what, as a JSON value. ``fingerprint``: its digest, equal for two plans that do the
    same to the same tables."""

    scans: tuple[ScanExec, ...]
    transform: TransformExec
    write: BatchWriteExec | None
    limit: int | None
    on_error: str
    now: Timestamp
    identity: Mapping[str, Any]
    fingerprint: str
    logical: LogicalPlan = field(repr=False)
    warnings: tuple[Diagnostic, ...] = ()
