"""The closing summary of a run.

In: a ``RunReport``. Out: a table by source with totals, what was rejected and why, what to do next; or a JSON value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddbetl.cli.next_steps import command, commands
from ddbetl.cli.terminal import Column, fitted, page_width, table, visible, wrapped
from ddbetl.cli.wording import counted, percent, spent, units, units_of
from ddbetl.engine.state import resume_command

if TYPE_CHECKING:
    from ddbetl.engine.report import Progress, RunReport, TableProgress

# A rate this near to its budget was held by it.
NEAR = 0.85
# So many causes of rejects are shown, the most frequent ones.
CAUSES = 8


def page(report: RunReport, inputs: Mapping[str, Any]) -> str:
    """The summary as text; ``inputs``: what the run's plan was compiled from, see Inputs."""
    lines = [_table(report), "", _headline(report)]
    lines += [wrapped("  ", fact, page_width()) for fact in _facts(report)]
    return "\n".join([*lines, *_rejects(report), *_next(report, inputs)])


def _table(report: RunReport) -> str:
    progress = report.progress
    skipped = progress.skipped > 0
    columns = [
        Column("table", least=12, middle=True),
        Column("read", right=True),
        Column("filtered", right=True, spare=True),
        *([Column("skipped", right=True)] if skipped else []),
        Column("written", right=True),
        Column("rejected", right=True),
        Column("units", right=True, spare=True),
        Column("seconds", right=True, spare=True),
    ]

    def cells(name: str, one: TableProgress | Progress, cost: float, seconds: float) -> list[str]:
        return [
            name,
            f"{one.read:,}",
            f"{one.filtered:,}",
            *([f"{one.skipped:,}"] if skipped else []),
            f"{one.written:,}",
            f"{one.rejected:,}",
            units(cost),
            f"{seconds:,.1f}",
        ]

    rows = [cells(t.name, t, t.units, t.seconds) for t in progress.tables]
    if len(rows) == 1:
        return table(columns, rows)
    total = cells(f"{len(rows):,} tables", progress, progress.read_units, progress.seconds)
    return table(columns, rows, last=total)


def _headline(report: RunReport) -> str:
    progress = report.progress
    items = counted(progress.written, "item")
    time = spent(report.seconds)
    match report.outcome:
        case "interrupted":
            share = f", at {percent(progress.fraction)}" if progress.fraction is not None else ""
            word, colour, rest = (
                "Interrupted",
                "yellow",
                f" after {time}{share}: {items} written to {report.target}.",
            )
        case "limit":
            word, colour, rest = (
                "Done",
                "green",
                f" in {time}, at the spec's LIMIT: {items} written to {report.target}.",
            )
        case _:
            word, colour, rest = "Done", "green", f" in {time}: {items} written to {report.target}."
    return click.style(word, fg=colour, bold=True) + fitted(word + rest).removeprefix(word)


def _facts(report: RunReport) -> list[str]:
    progress = report.progress
    facts = [f"{units_of(progress.read_units, 'read')}, {units_of(progress.write_units, 'write')}"]
    if report.seconds > 0:
        facts[0] += f"; {progress.read / report.seconds:,.0f} items/s read, "
        facts[0] += f"{progress.written / report.seconds:,.0f} written"
    if progress.write_budget and progress.write_units >= NEAR * progress.write_budget * report.seconds > 0:
        facts.append(f"the write budget was the limit: {progress.write_budget:,.0f} units/s")
    if progress.retries:
        facts.append(f"{counted(progress.retries, 'repeated request')}")
    if report.by_reference:
        facts.append(f"{counted(report.by_reference, 'row')} took the exact, slower path (see docs/explain.md)")
    return facts


def _rejects(report: RunReport) -> list[str]:
    count = report.progress.rejected
    if not count:
        return []
    lines = ["", click.style(f"{counted(count, 'row')} rejected", fg="red", bold=True)]
    shown = report.causes[:CAUSES]
    width = max((len(f"{cause.count:,}") for cause in shown), default=0)
    lines += [
        wrapped(f"  {cause.count:>{width},} × {cause.code}  ", visible(cause.message), page_width()) for cause in shown
    ]
    if len(report.causes) > len(shown):
        lines.append(f"  and {counted(len(report.causes) - len(shown), 'more reason')}")
    if report.rejects:
        lines.append(f"  Each with its item and its error: {visible(report.rejects)}")
    return lines


def _next(report: RunReport, inputs: Mapping[str, Any]) -> list[str]:
    if report.outcome == "interrupted":
        resume = visible(resume_command(Path(report.folder)))
        lines = ["", *commands([(resume, "goes on from here")])]
        if report.half_done:
            said = (
                f"{counted(report.half_done, 'more row')} of unfinished pages stand in the target already; they are "
                "written again then, and replace themselves."
            )
            lines.insert(1, fitted(said))
        return lines
    if report.progress.rejected and report.rejects:
        from ddbetl.cli.rejects import run_again

        folder = Path(report.folder)
        show = command("rejects", folder.name, str(folder.parent.parent))
        again = visible(run_again(inputs, report.rejects))
        return [
            "",
            *commands([(show, "shows them by cause, with examples")]),
            "",
            fitted("To get them in, mend the spec or the items, then run it over these rows alone:"),
            f"  {click.style(again, fg='cyan')}",
        ]
    return []
