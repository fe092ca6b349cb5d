"""What WITH, the options of tables, ON CONFLICT and the command line say, checked.

In: clauses of the spec and what the command line overrides. Out: typed values. Invariant: every option that cannot be
taken is reported; the command line's word counts over the spec's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from ddbetl.diagnostics import Label, did_you_mean
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

ACTIONS = ("REPLACE", "SKIP", "REJECT", "FAIL", "KEEP NEWEST")


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
        if kind.read is None:
            message = f"the option {name} is not there yet"
            analysis.error("E0601", message, option.name.span, f"it will be: {kind.doc}", source=source)
            continue
        try:
            found[name] = kind.read(option)
        except OptionError as error:
            analysis.error(error.code, error.message, error.span, error.hint, source=source)
    return found


def _there_are(kinds: tuple[OptionKind, ...]) -> str:
    return f"there are {', '.join(kind.name for kind in kinds if kind.read is not None)}"


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
        option, source = next((o, s) for o, s in reversed(_given(analysis)) if o.name.name.lower() == "timezone")
        analysis.error("E0504", error.message, value_span(option), zone_hint(error), source=source)
        return zone("UTC")


def on_conflict(analysis: Analysis) -> str:
    """What happens to an item that is in the target already: REPLACE, or an error that it is not there yet."""
    statement = analysis.spec.statement
    write, clause, said = statement.write, statement.on_conflict, analysis.overrides.on_conflict
    if said is not None and said.upper() not in ACTIONS:
        hint = did_you_mean(said, [action.lower() for action in ACTIONS]) or "replace overwrites existing items"
        analysis.error("E0504", f"--on-conflict {said}: there is no such action", None, hint)
        return "REPLACE"
    action = said.upper() if said is not None else clause.action if clause is not None else None
    place = clause.span if clause is not None and said is None else None
    name = f"--on-conflict {said}" if said is not None else f"ON CONFLICT {action}"
    match write:
        case ast.InsertInto(overwrite=True):
            if action not in (None, "REPLACE"):
                message = f"INSERT OVERWRITE replaces existing items; {name} contradicts it"
                analysis.error("E0409", message, place, "leave one of the two out")
            return "REPLACE"
        case ast.InsertInto(target=ast.TableName(), span=span):
            replace = "ON CONFLICT REPLACE"
            place = span if action is None else place
        case None if analysis.overrides.into is not None:
            replace = "--on-conflict replace"
        case _:
            return "REPLACE"
    if action == "REPLACE":
        return action
    if action is None:
        name = "ON CONFLICT REJECT, the default,"
    hint = f"{replace} overwrites existing items; it is the only way to write so far"
    analysis.error("E0601", f"{name} is not there yet", place, hint)
    return action or "REJECT"
