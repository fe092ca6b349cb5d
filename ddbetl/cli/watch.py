"""``ddbetl jobs watch``: the progress of a job that another process runs.

In: the id of a job. Out: progress on standard error as ``run`` shows it, the summary on standard output, the exit code
of the run. Invariant: watching asks the job for nothing, and ends without touching it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime

from ddbetl import jobs as api
from ddbetl.cli import progress as progress_module
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.jobs import next_steps, page
from ddbetl.cli.next_steps import command, commands
from ddbetl.cli.summary import page as summary
from ddbetl.cli.terminal import complain, err, out, visible
from ddbetl.cli.wording import clock
from ddbetl.engine.report import REPORT, RejectCause, RunReport
from ddbetl.errors import JobFailed
from ddbetl.jobs import Job

# Seconds between two looks at the job.
LOOK = 0.5


def watch(job_id: str, mode: str, state_dir: str, sleep: Callable[[float], None] = time.sleep) -> int:
    """Show a job's progress until it ends, then its summary; returns the exit code of its run."""
    one = api.job(job_id, state_dir)
    try:
        if one.running:
            with progress_module.shown(mode, lambda: False) as show:
                while one.running:
                    if show is not None and one.progress is not None:
                        show(one.progress)
                    sleep(LOOK)
                    one = api.now(one)
    except KeyboardInterrupt:
        err(f"\nNo longer watched; the job goes on. It is shown again by: {command('jobs watch', one, state_dir)}")
        return ExitCode.INTERRUPTED
    return _closing(one, state_dir)


def _closing(one: Job, state_dir: str) -> int:
    if one.view is None:
        complain(f"error: {one.reason}")
        return ExitCode.FAILED
    rows = next_steps(one, state_dir)
    if one.state in ("killed", "failed"):
        if one.progress is not None:
            err(f"Stopped after {clock(one.progress.seconds)}: {progress_module.counts(one.progress)}")
        reason = f": {one.reason}" if one.reason else ""
        said = f"job {one.id} failed{reason}" if one.state == "failed" else _killed(one)
        complain(f"error: {said}")
        err("\n".join(commands(rows[:1])))
        return ExitCode.FAILED
    if one.progress is None:
        out(page(one, None, state_dir, datetime.now(UTC)))
    else:
        out(summary(report_of(one, state_dir), one.view.record.inputs))
    if one.state == "interrupted":
        return ExitCode.INTERRUPTED
    return ExitCode.REJECTS if one.counts.rejected else ExitCode.DONE


def _killed(one: Job) -> str:
    return f"no process runs job {one.id}: the one that did has ended without a word, killed or with its machine"


def report_of(one: Job, state_dir: str) -> RunReport:
    """The report of a job's last run, from what the job keeps."""
    if one.view is None or one.progress is None:
        raise JobFailed(f"job {one.id} keeps no progress of its last run")
    rejected = api.rejects(one.id, state_dir, examples=0) if one.counts.rejected else None
    return RunReport(
        job=one.id,
        outcome=one.state,
        target=visible(one.view.record.target),
        progress=one.progress,
        by_reference=one.counts.by_reference,
        half_done=_half_done(one),
        causes=tuple(RejectCause(c.code, c.message, c.count) for c in rejected.causes) if rejected is not None else (),
        rejects=str(rejected.path) if rejected is not None and rejected.path is not None else None,
        folder=str(one.folder),
        action=one.view.record.action,
        collisions=one.view.record.collisions,
        pairs=one.view.pairs,
        runs=one.view.totals.runs,
    )


def _half_done(one: Job) -> int:
    """Rows that will be written once more, as the run that left them has said."""
    try:
        return int(json.loads((one.folder / REPORT).read_bytes()).get("half_done", 0))
    except (OSError, ValueError):
        return 0
