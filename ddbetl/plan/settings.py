"""What WITH, the options of tables, ON CONFLICT and the command line say, checked.

In: clauses of the spec and what the command line overrides. Out: typed values. Invariant: every option that cannot be
taken is reported; the command line's word counts over the spec's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ddbetl.diagnostics import Label, did_you_mean
from ddbetl.expressions.writing import Action
from ddbetl.functions.formats import zone_hint
from ddbetl.plan.options import (
    CONNECTION_OPTIONS,
    JOB_OPTIONS,
    OptionError,
    OptionKind,
    OptionValue,
    PercentRate,
    Rate,
    UnitRate,
    Unlimited,
    value_span,
)
from ddbetl.plan.scope import Analysis
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.time import Zone, ZoneError, zone

DEFAULT_RATE = PercentRate(Decimal(50))

# An option with the text that it stands in; None: the spec.
Given = tuple[ast.Option, SourceText | None]

# What ON CONFLICT says in one word.
CONFLICTS = ("REPLACE", "SKIP", "REJECT", "FAIL")


def read_options(
    analysis: Analysis, options: Sequence[Given], kinds: tuple[OptionKind, ...], elsewhere: tuple[OptionKind, ...]
) -> dict[str, OptionValue]:
    """The values of options; ``elsewhere``: the options that stand in the other place."""
    by_name = {kind.name: kind for kind in kinds}
    found: dict[str, OptionValue] = {}
    seen: dict[str, Span] = {}
    for option, source in options:
        name = option.name.name.lower()
        kind = by_name.get(name)
        if kind is None:
            hint = _elsewhere(name, elsewhere) or did_you_mean(name, by_name) or _there_are(kinds)
            message = f"there is no option {option.name.name}" + (" here" if _elsewhere(name, elsewhere) else "")
            analysis.error("E0501", message, option.name.span, hint, source=source)
            continue
        if name in seen and source is None:
            labels = (Label(seen[name], "here first"),)
            analysis.error("E0505", f"the option {name} stands twice", option.name.span, "leave one out", labels)
        seen.setdefault(name, option.name.span)
        try:
            found[name] = kind.read(option)
        except OptionError as error:
            analysis.error(error.code, error.message, error.span, error.hint, source=source)
    return found


def _there_are(kinds: tuple[OptionKind, ...]) -> str:
    return f"there are {', '.join(kind.name for kind in kinds)}"


def _elsewhere(name: str, elsewhere: tuple[OptionKind, ...]) -> str:
    if name not in (kind.name for kind in elsewhere):
        return ""
    if elsewhere is JOB_OPTIONS:
        return f"{name} is an option of the whole job: WITH ({name} = …) at the end of the spec"
    return f"{name} belongs to a table: it stands in parentheses behind the table's name"


def job_options(analysis: Analysis) -> dict[str, OptionValue]:
    """The options of WITH, and those of the command line over them."""
    return read_options(analysis, _given(analysis), JOB_OPTIONS, CONNECTION_OPTIONS)


def _given(analysis: Analysis) -> list[Given]:
    return [*((option, None) for option in analysis.spec.statement.options), *analysis.overrides.options]


def rate(value: OptionValue | None) -> Rate:
    """The rate that an option says, or the default."""
    match value:
        case PercentRate() | UnitRate() | Unlimited():
            return value
        case _:
            return DEFAULT_RATE


def time_zone(analysis: Analysis, options: Mapping[str, OptionValue]) -> Zone:
    """The zone of times without an offset."""
    name = options.get("timezone")
    if not isinstance(name, str):
        return zone("UTC")
    try:
        return zone(name)
    except ZoneError as error:
        option, source = place(analysis, "timezone")
        analysis.error("E0504", error.message, value_span(option), zone_hint(error), source=source)
        return zone("UTC")


@dataclass(frozen=True, slots=True)
class Writing:
    """What happens to an item that the target has already. ``newest``: the column of KEEP NEWEST."""

    action: Action
    newest: str | None = None
    span: Span | None = None


def writing(analysis: Analysis) -> Writing:
    """What the statement and ON CONFLICT say together; the command line's ON CONFLICT counts over the spec's."""
    statement = analysis.spec.statement
    found = _conflict(analysis)
    match statement.write:
        case ast.InsertInto(overwrite=True):
            decided, why = Action.REPLACE, "INSERT OVERWRITE replaces existing items"
        case ast.MergeInto(skip_missing=skips):
            decided = Action.MERGE_EXISTING if skips else Action.MERGE
            why = "MERGE INTO changes existing items"
        case ast.DeleteFrom():
            decided, why = Action.DELETE, "DELETE FROM deletes existing items"
        case _:
            return found or Writing(Action.REJECT)
    if found is not None and (found.action is not decided):
        said = analysis.overrides.on_conflict
        clause = f"--on-conflict {said}" if said is not None else f"ON CONFLICT {found.action}"
        hint = "leave one of the two out" if decided is Action.REPLACE else "it is for INSERT INTO; leave it out"
        analysis.error("E0409", f"{why}; {clause} contradicts it", found.span, hint)
    return Writing(decided)


def _conflict(analysis: Analysis) -> Writing | None:
    """What ON CONFLICT says, if it is there."""
    clause, said = analysis.spec.statement.on_conflict, analysis.overrides.on_conflict
    if said is not None:
        return _said(analysis, said)
    if clause is None:
        return None
    newest = clause.column.name if clause.column is not None else None
    return Writing(Action(clause.action), newest, clause.span)


_KEEP_NEWEST = re.compile(
    r"KEEP\s+NEWEST(?:\s+BY\s+(?P<bare>[^\W\d]\w*)|\s+BY\s+\"(?P<quoted>(?:[^\"]|\"\")+)\")?", re.I
)


def _said(analysis: Analysis, said: str) -> Writing | None:
    """What --on-conflict says: the action, as after ON CONFLICT, in any case."""
    keep = _KEEP_NEWEST.fullmatch(said.strip())
    if keep is not None:
        name = keep["bare"] or (keep["quoted"] or "").replace('""', '"')
        if name:
            return Writing(Action.KEEP_NEWEST, name)
        hint = "as in --on-conflict 'keep newest by UpdatedAt'"
        analysis.error("E0504", f"--on-conflict {said}: by which column?", None, hint)
        return None
    if said.strip().upper() in CONFLICTS:
        return Writing(Action(said.strip().upper()))
    hint = did_you_mean(said, [action.lower() for action in CONFLICTS])
    hint = hint or f"there are {', '.join(action.lower() for action in CONFLICTS)} and 'keep newest by COLUMN'"
    analysis.error("E0504", f"--on-conflict {said}: there is no such action", None, hint)
    return None


def check_together(analysis: Analysis, options: Mapping[str, OptionValue], action: Action) -> None:
    """Report options that mean nothing without another one, or with this statement."""
    write = analysis.spec.statement.write
    if options.get("skip_expired") is True and "ttl_attribute" not in options and not _wrong(analysis, "ttl_attribute"):
        message = "skip_expired needs to know which column is the expiry time"
        _report(analysis, "skip_expired", message, "name it: ttl_attribute = Expires")
    if "billing" in options and not (isinstance(write, ast.InsertInto) and write.key):
        hint = "INSERT INTO target KEY (partition, sort) makes a table that is missing"
        _report(analysis, "billing", "billing is that of a table which is to be made", hint)
    if action is Action.KEEP_NEWEST and options.get("collisions", "allow") != "allow":
        message = "of rows with one key, KEEP NEWEST keeps the newest, and the others are counted"
        _report(analysis, "collisions", message, "leave collisions out")
    if action is Action.FAIL and options.get("collisions") == "allow":
        message = "of two rows with one key, the first is there when the other comes, and ON CONFLICT FAIL ends the run"
        _report(analysis, "collisions", message, "reject keeps the later one back, fail ends the run and names both")
    if isinstance(write, ast.DeleteFrom):
        for name in ("ttl_attribute", "skip_expired", "collisions"):
            if name in options:
                _report(analysis, name, f"{name} says nothing of rows that are deleted", "leave it out")


def _wrong(analysis: Analysis, name: str) -> bool:
    """Whether an option is there, though perhaps with a value that was reported."""
    return any(option.name.name.lower() == name for option, _ in _given(analysis))


def _report(analysis: Analysis, name: str, message: str, hint: str) -> None:
    option, source = place(analysis, name)
    analysis.error("E0507", message, option.span, hint, source=source)


def place(analysis: Analysis, name: str) -> Given:
    """The option that counts of those of a name, which is there."""
    return next((o, s) for o, s in reversed(_given(analysis)) if o.name.name.lower() == name)
