"""``ddbetl jobs``: the list of jobs, all about one, removing them, changing their rates.

In: jobs as ``ddbetl.jobs`` finds them. Out: text, or a JSON value; the exit code. Invariant: what is said of a job ends
with the commands that go on from there, as they can be typed.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from ddbetl import jobs as api
from ddbetl.cli import progress as progress_module
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.highlight import highlighted
from ddbetl.cli.next_steps import command, commands
from ddbetl.cli.terminal import (
    Column,
    complain,
    err,
    harmless,
    is_terminal,
    out,
    page_width,
    table,
    visible,
    wrapped,
)
from ddbetl.cli.wording import clock, counted, percent, spent, units, units_of
from ddbetl.jobs import Job, Rejects
from ddbetl.plan.explain import duration

COLOURS = {
    "running": "cyan",
    "done": "green",
    "limit": "green",
    "interrupted": "yellow",
    "killed": "red",
    "failed": "red",
    "broken": "red",
}


# The list


def show_list(state_dir: str, as_json: bool) -> int:
    """Print all jobs, the newest first."""
    found = api.jobs(state_dir)
    if as_json:
        _print_json({"ddbetl_jobs": 1, "state_dir": state_dir, "jobs": [as_value(one) for one in found]})
    elif found:
        out(listed(found, datetime.now(UTC)))
        out(_after_list(found, state_dir))
    else:
        out(f"There are no jobs in {visible(state_dir)}. `ddbetl run SPEC` makes one; --state-dir looks elsewhere.")
    return ExitCode.DONE


def listed(found: Sequence[Job], now: datetime) -> str:
    """Jobs as a table."""
    columns = [
        Column("job"),
        Column("state"),
        Column("spec", least=16, middle=True),
        Column("target", least=10, middle=True, spare=True),
        Column("done", right=True),
        Column("written", right=True),
        Column("rejected", right=True),
        Column("started", right=True, spare=True),
        Column("took", right=True, spare=True),
    ]
    lines = table(columns, [_row(one, now) for one in found]).split("\n")
    states = (re.escape(one.state) for one in found)
    # A state is coloured when the table is laid out: its cells hold plain texts.
    coloured = [
        re.sub(rf"(?<=  ){state}\b", click.style(one.state, fg=COLOURS[one.state]), line, count=1)
        for one, state, line in zip(found, states, lines[1:], strict=True)
    ]
    return "\n".join([lines[0], *coloured])


def _row(one: Job, now: datetime) -> list[str]:
    name = visible(one.id)
    if one.view is None:
        return [name, one.state, *[""] * 7]
    record, counts = one.view.record, one.counts
    return [
        name,
        one.state,
        visible(Path(record.spec).name),
        visible(record.target),
        percent(one.fraction) if one.fraction is not None else "",
        f"{counts.written:,}",
        f"{counts.rejected:,}",
        _ago(record.created, now),
        clock(one.view.totals.seconds),
    ]


def _after_list(found: Sequence[Job], state_dir: str) -> str:
    """The commands that the list leads to: for the newest job that is not over, else for any."""
    rows = []
    unfinished = [one for one in found if one.view is not None and one.view.unfinished]
    running = [one for one in found if one.running]
    if running:
        rows.append((command("jobs watch", running[0], state_dir), "shows its progress"))
    if unfinished:
        rows.append((command("resume", unfinished[0], state_dir), "goes on where it stopped"))
    rows.append((command("jobs show", "ID", state_dir), "all about one"))
    return "\n".join(["", *commands(rows)])


def _ago(moment: str, now: datetime) -> str:
    """How long ago a moment was, in its largest unit."""
    with suppress(ValueError):
        seconds = max(0.0, (now - datetime.fromisoformat(moment)).total_seconds())
        return " ".join(duration(seconds).split()[:2]) + " ago" if seconds >= 60 else "just now"
    return ""


# All about one


def show_one(job_id: str, state_dir: str, as_json: bool) -> int:
    """Print all about one job."""
    found = api.job(job_id, state_dir)
    rejected = api.rejects(found.id, state_dir) if found.counts.rejected else None
    if as_json:
        _print_json({"ddbetl_job": 1, **as_value(found, rejected)})
    else:
        out(page(found, rejected, state_dir, datetime.now(UTC)))
    return ExitCode.DONE


def page(one: Job, rejected: Rejects | None, state_dir: str, now: datetime) -> str:
    """A job on a page: what it is, how far it is, and what can be done with it."""
    state = click.style(one.state, fg=COLOURS[one.state], bold=True)
    lines = [f"{click.style(visible(one.id), bold=True)}  {state}{_said(one)}"]
    lines += [wrapped("  ", visible(line), page_width(), indent="  ") for line in one.reason.split("\n") if line]
    lines += [wrapped(f"  {label:<10} ", visible(text), page_width()) for label, text in _facts(one, now) if text]
    lines += [*_tables(one), *_spec(one), *_causes(rejected)]
    return "\n".join([*lines, "", click.style("NEXT", bold=True), *commands(next_steps(one, state_dir))])


def _said(one: Job) -> str:
    match one.state:
        case "running":
            pid = one.view.pid if one.view is not None else None
            return f", by process {pid}" if pid is not None else ""
        case "limit":
            return ": done, at the spec's LIMIT"
        case "killed":
            return ": its process ended without a word"
        case "interrupted" | "failed":
            return "; no process runs the job"
        case _:
            return ""


def _facts(one: Job, now: datetime) -> Iterator[tuple[str, str]]:
    if one.view is None:
        yield "folder", str(one.folder)
        return
    view, record, counts = one.view, one.view.record, one.counts
    inputs = record.inputs
    yield "spec", record.spec
    yield "target", record.target
    yield "started", f"{record.created[:19].replace('T', ' ')} UTC, {_ago(record.created, now)}"
    share = f"{percent(one.fraction)} done; " if one.fraction is not None else ""
    others = {"skipped": counts.skipped, "there already": counts.unchanged, "of a key met before": counts.collisions}
    more = "".join(f", {number:,} {what}" for what, number in others.items() if number)
    yield (
        "progress",
        f"{share}{counts.read:,} read, {counts.filtered:,} filtered out, {counts.written:,} written, "
        f"{counts.rejected:,} rejected{more}",
    )
    if one.running and one.progress is not None:
        yield "", _joined([progress_module.rates(one.progress), _left(one), _waiting(one)])
    totals = view.totals
    retries = f"; {counted(totals.retries, 'repeated request')}" if totals.retries else ""
    yield (
        "took",
        f"{spent(totals.seconds)} in {counted(totals.runs, 'run')}; {units_of(sum(totals.read_units), 'read')}, "
        f"{units_of(totals.write_units, 'write')}{retries}",
    )
    if counts.by_reference:
        yield "", f"{counted(counts.by_reference, 'row')} took the exact, slower path"
    rates = ", ".join(f"{name} = {asked}" for name, asked in sorted(view.rates.items()))
    yield "rates", f"{rates}, by ddbetl jobs set" if rates else ""
    yield "parameters", ", ".join(f"{name} = {value}" for name, value in dict(inputs.get("params") or {}).items())
    yield "lets", "; ".join(inputs.get("lets") or ())
    yield "options", "; ".join(inputs.get("options") or ())
    yield "into", _given(inputs.get("into"))
    yield "conflicts", _given(inputs.get("on_conflict"))
    yield "region", _given(inputs.get("region"))
    yield "profile", _given(inputs.get("profile"))
    yield "endpoint", _given(inputs.get("endpoint_url"))
    yield "rejects of", _given(inputs.get("from_rejects"))
    yield "now()", _moment(record.now)
    yield "folder", str(one.folder)


def _moment(millis: int) -> str:
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _given(value: object) -> str:
    return "" if value is None else str(value)


def _joined(texts: Sequence[str]) -> str:
    return "; ".join(text for text in texts if text)


def _left(one: Job) -> str:
    return f"{duration(one.progress.eta)} left" if one.progress is not None and one.progress.eta else ""


def _waiting(one: Job) -> str:
    return f"waiting: {one.progress.waiting}" if one.progress is not None and one.progress.waiting else ""


def _tables(one: Job) -> list[str]:
    if one.view is None:
        return []
    view = one.view
    columns = [
        Column("table", least=12, middle=True),
        Column("segments", right=True, spare=True),
        Column("read", right=True),
        Column("filtered", right=True, spare=True),
        Column("written", right=True),
        Column("rejected", right=True),
        Column("units", right=True, spare=True),
    ]
    used = [*view.totals.read_units, *[0.0] * len(view.tables)]
    rows = [
        [
            visible(pinned.name),
            f"{done:,} of {pinned.segments:,}",
            *(f"{count:,}" for count in (counts.read, counts.filtered, counts.written, counts.rejected)),
            units(cost),
        ]
        for pinned, done, counts, cost in zip(view.record.tables, view.tables_done, view.tables, used, strict=False)
    ]
    counts = one.counts
    total = [
        f"{len(rows):,} tables",
        f"{view.splits_done:,} of {view.splits:,}",
        *(f"{count:,}" for count in (counts.read, counts.filtered, counts.written, counts.rejected)),
        units(sum(view.totals.read_units)),
    ]
    text = table(columns, rows, last=total if len(rows) > 1 else (), indent="  ")
    return ["", click.style("TABLES", bold=True), text]


def _spec(one: Job) -> list[str]:
    text = one.view.record.inputs.get("text") if one.view is not None else None
    if not isinstance(text, str):
        return []
    lines = highlighted(harmless(text.replace("\r", "").strip("\n"))).split("\n")
    return ["", click.style("SPEC", bold=True), *(f"  {line}".rstrip() for line in lines)]


def _causes(rejected: Rejects | None) -> list[str]:
    if rejected is None or not rejected.causes:
        return []
    size = max(len(f"{cause.count:,}") for cause in rejected.causes)
    lines = ["", click.style("REJECTS", bold=True)]
    for cause in rejected.causes:
        place = f" (line {cause.line})" if cause.line is not None else ""
        label = f"  {cause.count:>{size},} × {cause.code}  "
        lines.append(wrapped(label, visible(cause.message) + place, page_width()))
    return lines


def next_steps(one: Job, state_dir: str) -> list[tuple[str, str]]:
    """The commands that go on from here, with what they do."""
    rows: list[tuple[str, str]] = []
    if one.running:
        rows.append((command("jobs watch", one, state_dir), "shows its progress"))
        rows.append((command("jobs set", one, state_dir, "write=30%"), "changes its rates"))
        if one.view is not None and one.view.pid is not None:
            rows.append((f"kill {one.view.pid}", "stops it; it can be resumed"))
    elif one.view is not None and one.view.unfinished:
        rows.append((command("resume", one, state_dir), "goes on where it stopped"))
    if one.counts.rejected:
        rows.append((command("rejects", one, state_dir), "what was rejected and why"))
    if not one.running:
        what = "gives it up" if one.view is not None and one.view.unfinished else "forgets it"
        rows.append((command("jobs rm", one, state_dir), what))
    return rows


def as_value(one: Job, rejected: Rejects | None = None) -> dict[str, Any]:
    """A job as a JSON value; with its rejects by cause where they are given."""
    value: dict[str, Any] = {
        "id": one.id,
        "state": one.state,
        "folder": str(one.folder),
        "reason": one.reason or None,
    }
    if one.view is None:
        return value
    view, counts = one.view, one.counts
    record, totals = view.record, view.totals
    value |= {
        "spec": record.spec,
        "target": record.target,
        "started": record.created,
        "fraction": one.fraction,
        "pid": view.pid,
        **asdict(counts),
        "seconds": round(totals.seconds, 3),
        "runs": totals.runs,
        "retries": totals.retries,
        "read_units": sum(totals.read_units),
        "write_units": totals.write_units,
        "target_read_units": totals.target_read_units,
        "rates": dict(view.rates),
        "fingerprint": record.fingerprint,
        "now": _moment(record.now),
        "inputs": dict(record.inputs),
        "tables": [
            {
                "table": pinned.name,
                "arn": pinned.arn,
                "created": pinned.created,
                "segments": pinned.segments,
                "segments_done": done,
                **{name: getattr(one, name) for name in ("read", "filtered", "skipped", "written", "rejected")},
            }
            for pinned, done, one in zip(record.tables, view.tables_done, view.tables, strict=True)
        ],
    }
    if rejected is not None:
        value["causes"] = [{"code": c.code, "message": c.message, "count": c.count} for c in rejected.causes]
    return value


def _print_json(value: object) -> None:
    # All but ASCII is escaped: a name of somebody's table may hold what a terminal obeys.
    out(json.dumps(value, indent=2))


# Removing


def remove(job_ids: Sequence[str], finished: bool, yes: bool, state_dir: str) -> int:
    """Remove jobs, and ask before something is lost: a job that is not finished, or rejects."""
    if finished:
        found = [one for one in api.jobs(state_dir) if one.finished]
        if not found and not job_ids:
            out(f"There are no finished jobs in {visible(state_dir)}.")
            return ExitCode.DONE
        job_ids = [*job_ids, *(one.id for one in found)]
    if not job_ids:
        raise click.UsageError("which job? An ID, several, or --finished for all that are")
    chosen = {one.id: one for one in (api.job(job_id, state_dir) for job_id in job_ids)}
    for one in chosen.values():
        api.removable(one)
    lost = [_loss(one) for one in chosen.values()]
    if any(lost) and not yes:
        err("\n".join(f"{visible(one.id)} {text}." for one, text in zip(chosen.values(), lost, strict=True) if text))
        what = "it" if len(chosen) == 1 else f"all {len(chosen)} jobs"
        if not is_terminal(sys.stdin):
            complain("error: rm asks before anything is lost, and there is no terminal to ask on\n = --yes says yes")
            return ExitCode.USAGE
        if not click.confirm(f"Remove {what} for good?", err=True):
            err("Nothing was removed.")
            return ExitCode.INTERRUPTED
    for gone in api.remove(*chosen, state_dir=state_dir):
        out(f"removed {visible(gone.id)}{_described(gone)}")
    return ExitCode.DONE


def _loss(one: Job) -> str:
    """What removing a job loses, as a sentence without its subject; nothing where it loses nothing."""
    facts = []
    if one.view is None:
        facts.append("is broken")
    elif not one.finished:
        done = f" at {percent(one.fraction)}" if one.fraction is not None else ""
        facts.append(f"is not finished{done}, and could be resumed")
    if rejected := one.counts.rejected:
        facts.append(f"keeps {counted(rejected, 'rejected row')}, the only copy with what was wrong")
    return "; it ".join(facts)


def _described(one: Job) -> str:
    return f"  {visible(one.view.record.spec)} into {visible(one.view.record.target)}" if one.view is not None else ""


# Rates


def change_rates(job_id: str, changes: Sequence[str], state_dir: str) -> int:
    """Ask for other rates."""
    found = api.set_rate(job_id, *changes, state_dir=state_dir)
    assert found.view is not None
    rates = ", ".join(f"{name} = {asked}" for name, asked in sorted(found.view.rates.items()))
    when = "takes effect within a second" if found.running else "takes effect at the next resume"
    out(f"{visible(found.id)}: {rates}; {when}")
    if not found.running:
        out("\n".join(commands([(command("resume", found, state_dir), "goes on with it")])))
    return ExitCode.DONE
