"""Before the first row: what a plan needs to know of its target, what is in the way, what a run changes first.

In: how a plan writes, the control plane. Out: the target's state, warnings, the changes in words and in deed.
Invariant: only what matters to this plan is asked for; nothing is changed but by ``prepare``.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import SpecError
from ddbetl.expressions.writing import LOSING, Action
from ddbetl.plan.catalog import NewTable, Site
from ddbetl.plan.explain_target import billing
from ddbetl.plan.physical import WriteExec
from ddbetl.plan.scope import Overrides
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast

if TYPE_CHECKING:
    from ddbetl.connectors.dynamodb.control import Control
    from ddbetl.connectors.dynamodb.tables import TargetState


@dataclass(frozen=True, slots=True)
class CreateTable:
    """A target that is not there yet."""

    table: str
    new: NewTable

    def __str__(self) -> str:
        key = ", ".join(f"{k.name} {k.type}" for k in self.new.key)
        return f"create table {self.table}, key ({key}), {billing(self.new)}"


@dataclass(frozen=True, slots=True)
class SwitchOnExpiry:
    """Items of the target that do not expire so far."""

    table: str
    attribute: str

    def __str__(self) -> str:
        return f"switch on time to live of {self.table} by {self.attribute}"


# What a run changes beside writing rows; as text what there is to do.
Change: TypeAlias = CreateTable | SwitchOnExpiry


def ask(write: WriteExec, site: Site | None, control: Control) -> TargetState | None:
    """Ask what the plan needs to know of its target; None where it needs nothing, or there is no target yet."""
    from ddbetl.connectors.dynamodb.tables import target_state

    ttl = write.ttl_attribute is not None
    # A server without accounts, on this machine say, keeps nothing to restore.
    recovery = write.action in LOSING and site is not None and site.account is not None
    if write.create is not None or not (ttl or recovery):
        return None
    with closing(control):
        return target_state(control, write.table.name, ttl=ttl, recovery=recovery)


def findings(
    spec: ast.Spec, overrides: Overrides, write: WriteExec, target: TargetState | None
) -> tuple[Diagnostic, ...]:
    """Warnings about a target as it is; SpecError where it does not go with the spec."""
    from ddbetl.connectors.dynamodb.tables import in_the_way

    if target is None:
        return ()
    if target.ttl is not None and write.ttl_attribute is not None:
        reason = in_the_way(write.table.name, target.ttl, write.ttl_attribute)
        if reason is not None:
            span, source = place(spec, overrides, "ttl_attribute")
            raise SpecError(spec.source, (Diagnostic("E0419", reason[0], span, reason[1], source=source),))
    if target.recovery is not False:
        return ()
    lost = "deletes" if write.action is Action.DELETE else "overwrites"
    message = f"what the run {lost} in {write.table.name} cannot be restored: its point-in-time recovery is off"
    return (Diagnostic("W0110", message, None, "switch it on first, or make a backup, if that matters"),)


def changes(write: WriteExec) -> tuple[Change, ...]:
    """What a run changes beside writing rows, in the order of the changes."""
    found: list[Change] = []
    if write.create is not None:
        found.append(CreateTable(write.table.name, write.create))
    if write.switches_on and write.ttl_attribute is not None:
        found.append(SwitchOnExpiry(write.table.name, write.ttl_attribute))
    return tuple(found)


def switches_on(write: WriteExec, target: TargetState | None) -> bool:
    """Whether a run lets the target's items expire that do not expire so far."""
    if write.ttl_attribute is None:
        return False
    ttl = target.ttl if target is not None else None
    return write.create is not None or (ttl is not None and not ttl.on)


def prepare(write: WriteExec, control: Control) -> None:
    """Make the changes; ConnectionFailed where they cannot be made."""
    from ddbetl.connectors.dynamodb.tables import create_table, enable_time_to_live

    for change in changes(write):
        match change:
            case CreateTable():
                create_table(control, change.table, change.new.key, change.new.provisioned)
            case SwitchOnExpiry():
                enable_time_to_live(control, change.table, change.attribute)


def place(spec: ast.Spec, overrides: Overrides, option: str) -> tuple[Span | None, SourceText | None]:
    """Where an option is given that counts: on the command line, else in the spec."""
    given = [*((one, None) for one in spec.statement.options), *overrides.options]
    return next(((one.span, text) for one, text in reversed(given) if one.name.name.lower() == option), (None, None))
