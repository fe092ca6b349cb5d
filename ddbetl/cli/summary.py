"""The closing summary of a run.

In: a ``RunReport``. Out: a table by source with totals, what was rejected and why, what to do next; or a JSON value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddbetl.cli.next_steps import command, commands
from ddbetl.cli.preview import value_text
from ddbetl.cli.terminal import Column, fitted, page_width, table, visible, wrapped
from ddbetl.cli.wording import counted, percent, spent, units, units_of
from ddbetl.engine.report import REPORT
from ddbetl.engine.state import resume_command
from ddbetl.expressions.writing import Action

if TYPE_CHECKING:
    from ddbetl.engine.report import Progress, RunReport, TableProgress

# A rate this near to its budget was held by it.
NEAR = 0.85
# So many causes of rejects are shown, the most frequent ones; so many rows that met another's key.
CAUSES = 8
PAIRS = 3

# What became of rows that met another's key, where they were sent all the same. Nothing says which one was sent last.
ALLOWED = {
    Action.REPLACE: "They were written all the same: of each key the row that was sent last is what the target has.",
    Action.SKIP: "They were sent all the same: of each key the row that was sent first stays, the others are skipped.",
    Action.REJECT: "They were sent all the same: of each key the row that was sent first stays, and what differs from "
    "it is rejected.",
    Action.KEEP_NEWEST: "The newest of each key is what the target has.",
    Action.MERGE: "They were merged all the same: of each key the row that was sent last had the last word.",
    Action.MERGE_EXISTING: "They were merged all the same: of each key the row that was sent last had the last word.",
}

_MERGED = "{} of unfinished pages are merged already; they are merged again then, which changes nothing."
# What becomes of the rows that are in the target, where their page comes again.
AGAIN = {
    Action.REPLACE: "{} of unfinished pages stand in the target already; they are written again then, and replace "
    "themselves.",
    Action.MERGE: _MERGED,
    Action.MERGE_EXISTING: _MERGED,
    Action.DELETE: "{} of unfinished pages are deleted already; they are deleted again then, which changes nothing.",
}
FOUND = "{} of unfinished pages stand in the target already; they are found there then, unchanged."

# What is done to the target, and where: "17 items written to Orders".
DONE = {
    Action.MERGE: ("merged", "merged into"),
    Action.MERGE_EXISTING: ("merged", "merged into"),
    Action.DELETE: ("deleted", "deleted from"),
}


def page(report: RunReport, inputs: Mapping[str, Any]) -> str:
    """The summary as text; ``inputs``: what the run's plan was compiled from, see Inputs."""
    lines = [_table(report), "", _headline(report)]
    lines += [wrapped("  ", fact, page_width()) for fact in _facts(report)]
    return "\n".join([*lines, *_collisions(report), *_rejects(report), *_next(report, inputs)])


def _done(report: RunReport) -> tuple[str, str]:
    return DONE.get(Action(report.action), ("written", "written to"))


def _table(report: RunReport) -> str:
    progress = report.progress
    skipped, unchanged = progress.skipped > 0, progress.unchanged > 0
    columns = [
        Column("table", least=12, middle=True),
        Column("read", right=True),
        Column("filtered", right=True, spare=True),
        *([Column("skipped", right=True)] if skipped else []),
        *([Column("there already", right=True)] if unchanged else []),
        Column(_done(report)[0], right=True),
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
            *([f"{one.unchanged:,}"] if unchanged else []),
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
    # A key may have had no item, and nobody is told.
    items = counted(progress.written, "key" if report.action == Action.DELETE else "item")
    time = spent(report.seconds)
    done = f"{_done(report)[1]} {report.target}."
    match report.outcome:
        case "interrupted":
            share = f", at {percent(progress.fraction)}" if progress.fraction is not None else ""
            word, colour, rest = (
                "Interrupted",
                "yellow",
                f" after {time}{share}: {items} {done}",
            )
        case "limit":
            word, colour, rest = (
                "Done",
                "green",
                f" in {time}, at the spec's LIMIT: {items} {done}",
            )
        case _:
            word, colour, rest = "Done", "green", f" in {time}: {items} {done}"
    return click.style(word, fg=colour, bold=True) + fitted(word + rest).removeprefix(word)


def _facts(report: RunReport) -> list[str]:
    progress = report.progress
    facts = [f"{units_of(progress.read_units, 'read')}, {units_of(progress.write_units, 'write')}"]
    if report.seconds > 0:
        facts[0] += f"; {progress.read / report.seconds:,.0f} items/s read, "
        facts[0] += f"{progress.written / report.seconds:,.0f} {_done(report)[0]}"
    if progress.target_read_units:
        facts.append(f"{units_of(progress.target_read_units, 'read')} to compare what the target has already")
    if progress.unchanged and report.runs > 1:
        facts.append("of what was there already, some may be from an earlier run of this job")
    if report.collisions is not None and not progress.collisions and report.outcome != "interrupted":
        facts.append(f"no two rows had one key of {report.target}")
    if progress.write_budget and progress.write_units >= NEAR * progress.write_budget * report.seconds > 0:
        facts.append(f"the write budget was the limit: {progress.write_budget:,.0f} units/s")
    if progress.retries:
        facts.append(f"{counted(progress.retries, 'repeated request')}")
    if report.by_reference:
        facts.append(f"{counted(report.by_reference, 'row')} took the exact, slower path (see docs/explain.md)")
    return facts


def _collisions(report: RunReport) -> list[str]:
    """Rows that met a key of the target that another source row had, and what became of them."""
    count = report.progress.collisions
    if not count:
        return []
    action = Action(report.action)
    what = ""
    if report.collisions == "allow" or action is Action.KEEP_NEWEST:
        what = ALLOWED.get(action, "")
    elif report.collisions == "reject":
        what = "The first row of each key went on, the others are rejected."
    title = "1 row has" if count == 1 else f"{count:,} rows have"
    lines = ["", click.style(f"{title} a key of {report.target} that another row had before", fg="yellow", bold=True)]
    lines += [wrapped("  ", what, page_width())] if what else []
    for pair in report.pairs[:PAIRS]:
        rows = " and ".join(f"{row.table} {key_text(row.key)}" for row in (pair.first, pair.later))
        lines.append(wrapped("  ", f"{key_text(pair.key)}: {rows}", page_width(), indent="    "))
    if len(report.pairs) > PAIRS:
        lines.append(f"  The first {len(report.pairs)}: {visible(str(Path(report.folder) / REPORT))}")
    return lines


def key_text(key: Mapping[str, Any]) -> str:
    """A key in DynamoDB JSON as a person writes it."""
    return visible(", ".join(f"{name} = {value_text(value)}" for name, value in key.items()))


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
            action = Action(report.action)
            more = counted(report.half_done, "more key" if action is Action.DELETE else "more row")
            lines.insert(1, fitted(AGAIN.get(action, FOUND).format(more)))
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
