"""How a plan writes, in words: for the header of a run, its question, and check.

In: a plan. Out: texts. Invariant: whoever says yes has read what becomes of items that are there already, and what else
the run changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddbetl.expressions.writing import Action
from ddbetl.preflight import CreateTable, SwitchOnExpiry

if TYPE_CHECKING:
    from ddbetl.api import Plan
    from ddbetl.plan.physical import PhysicalPlan

# So many columns are listed by name.
LISTED = 6


def effect(physical: PhysicalPlan) -> tuple[str, str]:
    """What is done to the target: a label, ``into`` or ``delete``, and the target with what happens to its items."""
    write = physical.write
    assert write is not None
    name = write.table.name
    match write.action:
        case Action.REPLACE:
            return "into", f"{name}, in place of items with the same key"
        case Action.SKIP:
            return "into", f"{name}, only where the key is not there yet; where another item has it, the row is skipped"
        case Action.REJECT:
            return (
                "into",
                f"{name}, only where the key is not there yet; where another item has it, the row is rejected",
            )
        case Action.FAIL:
            return "into", f"{name}, only where the key is not there yet; the first other item that has it ends the run"
        case Action.KEEP_NEWEST:
            return "into", f"{name}, in place of items with the same key whose {write.newest} is less or missing"
        case Action.MERGE:
            return "into", f"{name}: sets {_columns(physical)} of existing items; where there is none, it makes one"
        case Action.MERGE_EXISTING:
            return (
                "into",
                f"{name}: sets {_columns(physical)} of existing items; where there is none, the row is skipped",
            )
        case Action.DELETE:
            return "delete", f"the items of {name} that have the key of a row"


def _columns(physical: PhysicalPlan) -> str:
    """The columns that are set: those that are not the target's key."""
    assert physical.write is not None
    projection = physical.transform.projection
    if projection.star is not None:
        return "all attributes of the row"
    keys = {key.name for key in physical.write.key}
    names = [column.name for column in projection.columns if column.name not in keys]
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more if names else "nothing"


def changes(plan: Plan) -> list[str]:
    """What the run does before it writes, each as a sentence's end: ``creates table Orders, …``."""
    found = []
    for change in plan.changes:
        match change:
            case CreateTable():
                found.append(str(change).replace("create", "creates", 1))
            case SwitchOnExpiry():
                found.append(str(change).replace("switch", "switches", 1))
    return found


def question(plan: Plan, *, anew: bool, rows: int | None = None) -> str:
    """What is asked before a run; ``rows``: as a dry pass has counted them."""
    write = plan.physical.write
    assert write is not None
    name = write.table.name
    words = ["begin anew"] if anew else []
    for change in plan.changes:
        match change:
            case CreateTable(table):
                words.append(f"create {table}")
            case SwitchOnExpiry(table, attribute):
                words.append(f"switch on the time to live of {table} by {attribute}")
    if write.action is Action.DELETE:
        words.append(f"delete from {name}" if rows is None else f"delete up to {rows:,} items of {name}")
    else:
        words.append(f"write to {name}")
    text = ", and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]
    return f"{text[0].upper()}{text[1:]}?"
