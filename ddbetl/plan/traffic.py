"""What the users of the tables take at the moment, beside what a run of the plan may take.

In: units that CloudWatch has counted, a physical plan. Out: the section IN USE, warnings, numbers for the JSON value.
Invariant: what could not be asked is said to be unknown; it is no error, and no reason for a warning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.expressions.writing import Action
from ddbetl.plan.budget import Budget, capacity
from ddbetl.plan.catalog import Connection
from ddbetl.plan.layout import WIDTH, columns, wrapped
from ddbetl.plan.layout import rate as rate_text
from ddbetl.plan.logical import Table
from ddbetl.plan.options import Rate, UnitRate
from ddbetl.plan.physical import PhysicalPlan, QueryExec
from ddbetl.source import SourceText, Span

# Minutes that are looked at.
MINUTES = 5
# The actions that read an item of the target which is there already, to compare it with the row.
COMPARES = (Action.SKIP, Action.REJECT, Action.FAIL, Action.KEEP_NEWEST)

WHEN = f"in the last {MINUTES} minutes"


@dataclass(frozen=True, slots=True)
class Usage:
    """Units per second of a table that were used, by whomever; its indexes have their own."""

    read: float
    write: float


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was used of each table. ``unknown``: of which connections that is not known, and why."""

    tables: Mapping[tuple[Connection, str], Usage] = field(default_factory=dict)
    unknown: Mapping[Connection, str] = field(default_factory=dict)

    def of(self, table: Table, direction: str) -> float | None:
        """Units per second of one direction, read or write; None where that is not known."""
        found = self.tables.get((table.connection, table.name))
        if found is None:
            return None
        return found.read if direction == "read" else found.write


@dataclass(frozen=True, slots=True)
class _Use:
    """A table that a run reads or writes, with what is used of it and what the run may take."""

    table: Table
    direction: str
    units: float
    budget: Budget


def _uses(plan: PhysicalPlan, traffic: Traffic) -> Iterator[_Use]:
    asked = [(scan.table, "read", scan.budget) for scan in plan.scans if not of_index(scan)]
    if (write := plan.write) is not None:
        asked.append((write.table, "write", write.budget))
        if write.action in COMPARES:
            asked.append((write.table, "read", write.reads))
    for table, direction, budget in asked:
        if (units := traffic.of(table, direction)) is not None:
            yield _Use(table, direction, units, budget)


def of_index(scan: object) -> bool:
    """Whether an index is read that has units of its own."""
    return isinstance(scan, QueryExec) and scan.index is not None and scan.index.kind == "GSI"


def _capacity(use: _Use) -> tuple[int, str] | None:
    return capacity(use.table.description, use.direction) if use.table.description is not None else None


# The page


def section(plan: PhysicalPlan, traffic: Traffic | None, width: int = WIDTH) -> str:
    """The section of the page; empty where nobody asked."""
    if traffic is None or not (traffic.tables or traffic.unknown):
        return ""
    uses = list(_uses(plan, traffic))
    rows = [(use.table.name, _said(use)) for use in uses if use.units]
    idle = list(dict.fromkeys(use.table.name for use in uses if not use.units and use.table.name not in dict(rows)))
    if idle:
        rows.append((idle[0] if len(idle) == 1 else f"{len(idle):,} tables", "nothing"))
    unknown = list(dict.fromkeys(traffic.unknown.values()))
    if not uses:
        (first, *more) = wrapped(f"not known: {'; '.join(unknown)}", width - len("IN USE  ")) if unknown else [""]
        return "\n        ".join([f"IN USE  {first}", *more]) if first else ""
    rows += [("", f"of other tables not known: {why}") for why in unknown]
    return f"IN USE  {WHEN}, as CloudWatch has counted\n{columns(rows, wrap=1, width=width)}"


def _said(use: _Use) -> str:
    known = _capacity(use)
    of = f" of {known[0]:,}" if known is not None else ""
    return f"{rate_text(use.units)}{of} {use.direction} units/s"


def budget_json(budget: Budget, table: Table, direction: str, traffic: Traffic | None) -> dict[str, Any]:
    """The JSON value of a budget, with what the table's users take."""
    in_use = traffic.of(table, direction) if traffic is not None else None
    return {"units_per_second": budget.units, "basis": budget.basis, "in_use": in_use}


def as_json(traffic: Traffic | None) -> dict[str, Any] | None:
    """The JSON value of ``traffic``."""
    if traffic is None or not (traffic.tables or traffic.unknown):
        return None
    return {"seconds": MINUTES * 60, "unknown": list(dict.fromkeys(traffic.unknown.values()))}


# Warnings


# Where an option is given that counts, if it is.
Places = Callable[[str], tuple[Span | None, SourceText | None]]


def warnings(plan: PhysicalPlan, traffic: Traffic, place: Places) -> Iterator[Diagnostic]:
    """A warning for each direction in which a run may take what the tables' users need."""
    uses = list(_uses(plan, traffic))
    for direction, rate in (("read", plan.logical.read), ("write", plan.logical.write)):
        found = [(use, known) for use in uses if use.direction == direction and (known := _scarce(use)) is not None]
        if found:
            use, (takes, what) = max(found, key=lambda pair: pair[0].units / pair[1][0])
            unit = "rcu" if direction == "read" else "wcu"
            more = "what it gets" if use.budget.units is None else f"{rate_text(use.budget.units)} more"
            message = (
                f"{use.table.name} is in use: {rate_text(use.units)} of {takes:,} {unit} ({what}) {WHEN}, and this run "
                f"may take {more}"
            )
            if others := len({one.table.name for one, _ in found}) - 1:
                message += f"; so {'is another table' if others == 1 else f'are {others:,} more tables'}"
            span, source = place(direction)
            yield Diagnostic("W0119", message, span, _advice(direction, rate, use.units, takes), source=source)


def _scarce(use: _Use) -> tuple[int, str] | None:
    """What a table takes, where that is less than what is used and what a run may take."""
    known = _capacity(use)
    if known is None or use.units < 1:
        return None
    budget = use.budget.units
    if use.direction == "write" and budget is not None and budget > known[0]:
        # That it is too much is told anyway.
        return None
    return known if budget is None or use.units + budget > known[0] else None


def _advice(direction: str, rate: Rate, used: float, takes: int) -> str:
    """A rate that leaves the users what they use."""
    room = int(takes - used)
    when = "run it when the table is in less use"
    if room < 1:
        return when
    percent = int(100 * room / takes)
    if isinstance(rate, UnitRate):
        lower = f"{direction} = {room} {rate.unit}"
    elif percent:
        lower = f"{direction} = {percent}%"
    else:
        return when
    return f"WITH ({lower}) leaves its users what they use; or {when}"
