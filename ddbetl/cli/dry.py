"""A dry pass at the command line: what it reads, its progress, Ctrl-C; and the collisions that it finds.

In: a plan. Out: progress on standard error, the result on standard output, the exit code. Invariant: nothing is written
to any table; a pass that was interrupted gives no result, as it knows a part of the rows only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ddbetl.cli import progress as progress_module
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.run import ended_by, interruptible, sources
from ddbetl.cli.summary import key_text
from ddbetl.cli.terminal import complain, err, json_text, out, page_width, visible, wrapped
from ddbetl.cli.wording import counted, units_of
from ddbetl.expressions.writing import Action
from ddbetl.plan.cost import estimate
from ddbetl.plan.explain import duration

if TYPE_CHECKING:
    from ddbetl.api import DryReport, Plan
    from ddbetl.engine.report import CollisionPair, Progress

T = TypeVar("T")

# So many collisions are shown; JSON has all that are kept.
PAIRS = 10


def passed(mode: str, go: Callable[[Callable[[Progress], None], threading.Event], T]) -> T:
    """Make a dry pass, with its progress; ``mode``: see ``progress.shown``. Ctrl-C and SIGTERM end the command."""
    signals: list[int] = []
    with (
        interruptible(bars=progress_module.as_bars(mode), signals=signals, advice="Nothing was written.") as stop,
        progress_module.shown(mode, stop.is_set, done="found") as show,
    ):
        result = go(show or _unseen, stop)
    if stop.is_set():
        err("\nInterrupted.")
        raise click.exceptions.Exit(ended_by(signals))
    return result


def _unseen(progress: Progress) -> None:
    """Progress that nobody wants to see."""


def what_is_read(plan: Plan) -> str:
    """What a pass reads, and what that costs."""
    known = estimate(plan.physical)
    units = known.read_units.expected if known.read_units is not None else 0.0
    cost = f", about {units_of(units, 'read')}" if units else ""
    time = f" and {duration(known.read_seconds)}" if units and known.read_seconds else ""
    return f"Reads {sources(plan.physical)}{cost}{time}. Nothing is written."


def show_collisions(plan: Plan, mode: str, as_json: bool) -> int:
    """Print the rows of a plan that have the target key of another one; returns the exit code."""
    write = plan.physical.write
    if write is None:
        complain("error: the spec has no target\n = INSERT INTO or --into TABLE gives it one")
        return ExitCode.SPEC_ERROR
    if write.collisions is None:
        if as_json:
            out(
                json_text({"ddbetl_collisions": 1, "target": write.table.name, "proof": write.no_collisions, "rows": 0})
            )
        else:
            rows = "Rows of a DELETE do not" if write.action is Action.DELETE else "No two rows can"
            out(wrapped("", f"{rows} collide: {write.no_collisions}. Nothing was read.", page_width()))
        return ExitCode.DONE
    err(wrapped("", what_is_read(plan), page_width()))
    report = passed(mode, lambda show, stop: plan.dry(progress=show, stop=stop))
    out(json_text(collisions_value(plan, report)) if as_json else collisions_page(plan, report))
    return ExitCode.REJECTS if report.collisions else ExitCode.DONE


def collisions_page(plan: Plan, report: DryReport) -> str:
    """The collisions as text."""
    assert plan.physical.write is not None
    name, count = plan.physical.write.table.name, report.collisions
    if count:
        title = "1 row has" if count == 1 else f"{count:,} rows have"
        lines = [click.style(f"{title} a key of {name} that another row has before", fg="yellow", bold=True)]
        lines += [_pair(pair) for pair in report.pairs[:PAIRS]]
        if count > PAIRS:
            lines.append(f"  and {count - min(PAIRS, len(report.pairs)):,} more")
    else:
        lines = [
            click.style("OK", fg="green", bold=True)
            + f"  no two of {counted(report.rows, 'row')} have one key of {name}"
        ]
    return "\n".join([*lines, *closing(report)])


def _pair(pair: CollisionPair) -> str:
    rows = " and ".join(f"{row.table} {key_text(row.key)}" for row in (pair.first, pair.later))
    return wrapped("  ", f"{key_text(pair.key)}: {rows}", page_width(), indent="    ")


def closing(report: DryReport) -> list[str]:
    """What a pass has read, and the rows that a run would reject."""
    now = report.progress
    lines = [
        f"  {counted(now.read, 'item')} read, {now.filtered:,} filtered out; {units_of(now.read_units, 'read')}; "
        "nothing was written"
    ]
    if now.rejected:
        lines.append(f"  {counted(now.rejected, 'row')} would be rejected:")
        lines += [
            wrapped(f"    {cause.count:,} × {cause.code}  ", visible(cause.message), page_width())
            for cause in report.causes[:PAIRS]
        ]
    return lines


def collisions_value(plan: Plan, report: DryReport) -> dict[str, Any]:
    """The collisions as a JSON value."""
    assert plan.physical.write is not None
    return {
        "ddbetl_collisions": 1,
        "target": plan.physical.write.table.name,
        "proof": None,
        "rows": report.collisions,
        "first": [
            {
                "key": dict(pair.key),
                "first": {"table": pair.first.table, "key": dict(pair.first.key)},
                "later": {"table": pair.later.table, "key": dict(pair.later.key)},
            }
            for pair in report.pairs
        ],
        **pass_value(report),
    }


def pass_value(report: DryReport) -> dict[str, Any]:
    """What a pass has read, as a JSON value."""
    now = report.progress
    return {
        "read": now.read,
        "filtered": now.filtered,
        "found": report.rows,
        "rejected": now.rejected,
        "causes": [{"code": c.code, "message": c.message, "count": c.count} for c in report.causes],
        "read_units": now.read_units,
    }
