"""``ddbetl run``: say what will be written where, ask, run, sum up.

In: a plan. Out: messages and progress on standard error, the summary on standard output, the exit code. Invariant:
without a yes, in whatever form, nothing is written.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ddbetl.cli import progress as progress_module
from ddbetl.cli.describe import place
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.spec import compiled, show_warnings
from ddbetl.cli.summary import page
from ddbetl.cli.terminal import complain, err, is_terminal, json_text, out, page_width, visible, wrapped
from ddbetl.cli.wording import clock, counted
from ddbetl.cli.writes import changes, effect, question
from ddbetl.errors import DdbetlError, JobFailed
from ddbetl.expressions.writing import Action
from ddbetl.inputs import Inputs

if TYPE_CHECKING:
    from ddbetl.api import Plan
    from ddbetl.engine.report import Progress, RunReport
    from ddbetl.plan.physical import PhysicalPlan

# So many tables are listed by name; of more, the first and the last.
LISTED = 3


# How a file of metrics begins.
METRICS = b"# HELP ddbetl_"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a run shows and keeps what it does."""

    progress: str
    as_json: bool
    state_dir: str
    log_file: str | None = None
    metrics_file: str | None = None
    workers: int | None = None


def check_files(outputs: Outputs) -> None:
    """Refuse files that cannot be written, before anything else is done."""
    for option, name in (("--log-file", outputs.log_file), ("--metrics-file", outputs.metrics_file)):
        if name is None:
            continue
        folder = os.path.dirname(name) or os.curdir
        there = os.path.exists(name)
        if not there and not os.path.isdir(folder):
            raise click.BadParameter(f"there is no folder {folder!r}", param_hint=option)
        # Metrics are a new file each time; a log is appended to.
        if not os.access(name if there and option == "--log-file" else folder, os.W_OK):
            raise click.BadParameter(f"{name!r} cannot be written", param_hint=option)
        if there and option == "--metrics-file" and not _is_metrics(name):
            raise click.BadParameter(f"{name!r} holds something else, which would be lost", param_hint=option)


def _is_metrics(name: str) -> bool:
    """Whether a file is one that a run has made, or has nothing in it."""
    if not os.path.isfile(name):
        return False
    with open(name, "rb") as file:
        return file.read(len(METRICS)) in (b"", METRICS)


def run_plan(
    inputs: Inputs,
    outputs: Outputs,
    *,
    yes: bool,
    resume: bool = False,
    fresh: bool = False,
    detach: bool = False,
    from_rejects: str | None = None,
) -> int:
    """Run a spec after showing its plan and asking, or go on with its unfinished job; returns the exit code."""
    from ddbetl.cli.begin import background, goes_on, say_changed, unfinished

    check_files(outputs)
    plan = compiled(inputs)
    write = plan.physical.write
    if write is None:
        complain("error: the spec has no target\n = INSERT INTO or --into TABLE gives it one")
        return ExitCode.SPEC_ERROR
    if from_rejects is not None:
        plan = plan.over(from_rejects)
    job = None if fresh else unfinished(plan, outputs.state_dir)
    resumed = plan.as_of(job.view) if job is not None and job.view is not None else None
    err(header(resumed or plan, outputs.workers))
    if resumed is None:
        if not fresh:
            say_changed(plan, inputs, outputs.state_dir, refuse=resume)
        if resume:
            err("There is no unfinished job of this plan: it begins anew.")
    asking = is_terminal(sys.stdin) and not yes
    if not (yes or asking or (resume and job is not None)):
        goes = f"goes on with job {job.id}" if job is not None else "says yes"
        complain(f"error: run asks before it writes, and there is no terminal to ask on\n = --yes {goes}")
        return ExitCode.USAGE
    if job is not None:
        refuse_changes(resumed or plan, job.id, agreed=yes or (asking and not resume))
    if job is not None and goes_on(job, ask=asking and not resume):
        # Whoever said yes has read in the header what is changed.
        going = (resumed or plan).prepared()
        if detach:
            return background(job.id, outputs, inputs.options)
        return carry_out(going, outputs, job=job.id)
    if not yes:
        rows = None
        if write.action is Action.DELETE:
            rows = _counted(plan, outputs)
            if rows == 0:
                err("There is no such row: nothing is to be deleted.")
                return ExitCode.DONE
        if not click.confirm(question(plan, anew=job is not None, rows=rows), err=True):
            err("Nothing was written.")
            return ExitCode.INTERRUPTED
    if write.create is not None:
        err(f"Creating {write.table.name}, which takes some seconds.")
    if detach:
        return background(plan.begin(state_dir=outputs.state_dir), outputs)
    return carry_out(plan, outputs)


def refuse_changes(plan: Plan, job: str, *, agreed: bool) -> None:
    """Refuse to go on with a job that would change its target's settings without a yes."""
    from ddbetl.api import not_as_begun

    if plan.changes and not agreed:
        raise JobFailed(not_as_begun(job, plan.changes), advised=True)


def _counted(plan: Plan, outputs: Outputs) -> int:
    """The rows of a plan, by a dry pass."""
    from ddbetl.cli.dry import passed

    err("Counting the rows that name what is to be deleted; --yes does without.")
    report = passed(outputs.progress, lambda show, stop: plan.dry(progress=show, stop=stop))
    err(f"{counted(report.progress.read, 'item')} read, {counted(report.rows, 'row')} found.")
    return report.rows


def resume_job(job_id: str, outputs: Outputs, *, options: Sequence[str] = (), detach: bool = False) -> int:
    """Go on with an unfinished job; returns the exit code."""
    from ddbetl import jobs
    from ddbetl.api import reopen
    from ddbetl.cli.begin import background, being_run
    from ddbetl.cli.watch import report_of

    check_files(outputs)
    job = jobs.job(job_id, outputs.state_dir)
    if job.view is None:
        raise JobFailed(job.reason)
    if job.running:
        raise being_run(job, outputs.state_dir)
    if job.finished:
        err(f"Job {job.id} is done: there is nothing to go on with.\n")
        return sum_up(report_of(job, outputs.state_dir), outputs, job.view.record.inputs)
    plan = reopen(job.id, state_dir=outputs.state_dir, options=options)
    show_warnings(plan)
    err(header(plan, outputs.workers))
    refuse_changes(plan, job.id, agreed=False)
    if detach:
        return background(job.id, outputs, options)
    return carry_out(plan, outputs, job=job.id)


def carry_out(plan: Plan, outputs: Outputs, *, job: str | None = None) -> int:
    """Run a plan and sum up; returns the exit code."""
    signals: list[int] = []
    report = execute(plan, outputs, signals, job=job)
    code = sum_up(report, outputs, asdict(plan.inputs))
    return ended_by(signals) if report.outcome == "interrupted" else code


def sum_up(report: RunReport, outputs: Outputs, inputs: Mapping[str, Any]) -> ExitCode:
    """Write the summary of a run; ``inputs``: what its plan was compiled from. Returns the exit code."""
    if outputs.as_json:
        from ddbetl.api import report_json

        out(json_text(report_json(report)))
    else:
        out(page(report, inputs))
    if report.outcome == "interrupted":
        return ExitCode.INTERRUPTED
    return ExitCode.REJECTS if report.progress.rejected else ExitCode.DONE


def header(plan: Plan, asked: int | None = None) -> str:
    """What will be read and written, where, and how fast. ``asked``: see Plan.workers."""
    physical = plan.physical
    assert physical.write is not None
    source_places = dict.fromkeys(_full_place(plan, scan.table.connection) for scan in physical.scans)
    target_place = _full_place(plan, physical.write.table.connection)
    rows = [("from", sources(physical) if plan.rejects is None else rejected(plan))]
    if plan.rejects is not None:
        rows.append(("", visible(str(plan.rejects))))
    if list(source_places) != [target_place]:
        rows.append(("", "; ".join(source_places)))
    rows.append(effect(physical))
    rows.append(("", target_place) if list(source_places) != [target_place] else ("at", target_place))
    rows += [("first" if number == 0 else "", text) for number, text in enumerate(changes(plan))]
    rows += [("read" if number == 0 else "", text) for number, text in enumerate(read_rates(physical))]
    rows.append(("write", rate_text(physical.write.budget.units, physical.write.budget.basis)))
    if physical.limit is not None:
        rows.append(("limit", f"{physical.limit:,} rows"))
    if (number := plan.workers(asked)) > 1:
        rows.append(("by", f"{number} worker processes"))
    elif asked is not None and asked > 1:
        rows.append(("by", "one process: a LIMIT, or rejected rows, cannot be divided"))
    return "\n".join(wrapped(f"  {label:<6} ", text, page_width(sys.stderr)) for label, text in rows if text) + "\n"


def sources(physical: PhysicalPlan) -> str:
    """The source tables: how many, which, how big."""
    from ddbetl.plan.explain import size

    names = [scan.table.name for scan in physical.scans]
    listed = ", ".join(names) if len(names) <= LISTED else f"{names[0]} … {names[-1]}"
    text = listed if len(names) == 1 else f"{len(names)} tables: {listed}"
    known = [scan.table.description for scan in physical.scans if scan.table.description is not None]
    items = sum(description.items for description in known)
    if not items:
        return text
    weight = sum(description.size for description in known)
    return f"{text}; {counted(items, 'item')}{f', {size(weight)}' if weight else ''}"


def rejected(plan: Plan) -> str:
    """The rejected rows that are read again: how many, of which tables."""
    scans = plan.physical.scans
    rows = sum(scan.table.description.items for scan in scans if scan.table.description is not None)
    names = ", ".join(scan.table.name for scan in scans) if len(scans) <= LISTED else f"{len(scans)} tables"
    return f"{counted(rows, 'rejected row')} of {names}"


def read_rates(physical: PhysicalPlan) -> list[str]:
    """The read budgets, each with the number of tables that it is for."""
    found: dict[str, int] = {}
    for scan in physical.scans:
        text = rate_text(scan.budget.units, scan.budget.basis)
        found[text] = found.get(text, 0) + 1
    if len(physical.scans) == 1:
        return list(found)
    if len(found) == 1:
        return [f"{text}, for each table" for text in found]
    return [f"{text}, for {f'each of {count} tables' if count > 1 else '1 table'}" for text, count in found.items()]


def rate_text(units: float | None, basis: str) -> str:
    """A budget: units per second and what they come from."""
    return basis if units is None else f"{units:,.0f} units/s, {basis}"


def _full_place(plan: Plan, connection: object) -> str:
    site = next((site for one, site in plan.sites.items() if one == connection), None)
    if site is None:
        return ""
    return f"{place(site)}, {site.endpoint}" if site.account else place(site)


def ended_by(signals: list[int]) -> ExitCode:
    """The exit code of a run that the first of these signals has stopped."""
    return ExitCode.TERMINATED if signals and signals[0] == signal.SIGTERM else ExitCode.INTERRUPTED


def execute(
    plan: Plan,
    outputs: Outputs,
    signals: list[int] | None = None,
    *,
    job: str | None = None,
) -> RunReport:
    """Run a plan with progress; Ctrl-C or SIGTERM stops it cleanly, a second one at once. ``signals``: which came."""
    came = signals if signals is not None else []
    last: list[Progress] = []
    mode = outputs.progress

    def remember(progress: Progress) -> None:
        last[:] = [progress]
        if show is not None:
            show(progress)

    try:
        with (
            interruptible(bars=progress_module.as_bars(mode), signals=came, last=last) as stop,
            progress_module.shown(mode, stop.is_set) as show,
        ):
            report = plan.run(
                state_dir=outputs.state_dir,
                progress=remember,
                stop=stop,
                job=job,
                log_file=outputs.log_file,
                metrics_file=outputs.metrics_file,
                workers=outputs.workers,
            )
    except DdbetlError:
        if last:
            err(f"Stopped after {clock(last[0].seconds)}: {progress_module.counts(last[0])}")
        raise
    if mode != "none" and not is_terminal(sys.stdout):
        err(progress_module.line(report.progress))
    return report


@contextmanager
def interruptible(
    *,
    bars: bool,
    end: Callable[[int], object] = os._exit,
    signals: list[int] | None = None,
    last: Sequence[Progress] = (),
    advice: str = "ddbetl jobs shows the job; ddbetl resume goes on with it.",
) -> Iterator[threading.Event]:
    """Give an event that the first Ctrl-C or SIGTERM within the context sets; the second one ends the process.

    A terminal that goes away (SIGHUP) ends nothing: the run goes on in silence, and its log tells of it.

    ``bars``: progress is drawn as bars, which show that the run is stopping, and hide the cursor. ``signals``: gets the
    signals that came. ``last``: the progress as last seen, if any. ``advice``: said at the second signal.
    """
    stop = threading.Event()
    came = signals if signals is not None else []
    asked = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        # The second one may come while the first one is still in here. The messages go straight to the descriptor: the
        # interrupted code may be in the middle of writing.
        nonlocal asked
        came.append(number)
        if asked:
            so_far = f" after {last[0].written:,} items written" if last else ""
            _say((b"\x1b[?25h" if bars else b"") + f"\nStopped at once{so_far}. {advice}\n".encode())
            end(ended_by(came))
            return
        asked = True
        stop.set()
        if not bars:
            _say(b"Stopping: requests that are out are finished; Ctrl-C again stops at once.\n")

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    # Asked now: once the terminal is gone, nothing is one any more.
    terminals = [stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr) if is_terminal(stream)]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda number, frame: _without_terminal(terminals))
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _without_terminal(terminals: Sequence[int]) -> None:
    """Let what led to the terminal lead nowhere: writing to one that is gone is an error."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in terminals:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _say(message: bytes) -> None:
    with suppress(OSError):
        os.write(2, message)
