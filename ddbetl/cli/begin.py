"""How a run begins: anew, with an unfinished job of the same plan, or in the background.

In: a plan and what is in the state folder. Out: the job to go on with, if any. Invariant: a job that somebody runs is
never run twice, and an unfinished one is neither repeated nor taken up without a word.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import complain, err, out, visible
from ddbetl.cli.wording import counted
from ddbetl.errors import JobFailed

if TYPE_CHECKING:
    from ddbetl import jobs
    from ddbetl.api import Plan
    from ddbetl.cli.run import Outputs
    from ddbetl.cli.spec import Request

# Seconds until a job in the background should have begun.
BEGINS_WITHIN = 20.0
# What a job in the background would have shown on a terminal.
OUTPUT = "output"


def begun(
    plan: Plan, request: Request, state_dir: str, from_rejects: str | None, *, ask: bool, must: bool
) -> str | None:
    """The unfinished job that is to go on, None to begin anew.

    ``ask``: there is somebody to ask; otherwise the answer is yes. ``must``: --resume was said, so a job of this spec
    that cannot go on is an error.
    """
    from ddbetl import jobs

    found = plan.unfinished(state_dir, from_rejects)
    if found is None:
        if must:
            _refuse_changed(plan, request, state_dir)
            err("There is no unfinished job of this plan: it begins anew.")
        return None
    job = jobs.job(found.record.id, state_dir)
    where = state_option(state_dir)
    if job.running:
        process = f", in process {found.pid}" if found.pid is not None else ""
        raise JobFailed(
            f"job {job.id} is doing just this{process}\n"
            f"ddbetl jobs watch {job.id}{where} shows its progress; --fresh begins another one beside it."
        )
    said = f"Job {job.id} of this plan is {job.state}{_so_far(job)}."
    if ask and not must:
        if click.confirm(f"{said}\nGo on with it?", default=True, err=True):
            return job.id
        return None
    err(f"{said} It goes on from there; --fresh begins anew.")
    return job.id


def _so_far(job: jobs.Job) -> str:
    counts = job.counts
    if not counts.read:
        return ", with nothing written"
    share = f" at {job.fraction:.0%}" if job.fraction is not None else ""
    return f"{share}: {counted(counts.read, 'item')} read, {counts.written:,} written"


def _refuse_changed(plan: Plan, request: Request, state_dir: str) -> None:
    """Say what has changed, where there is an unfinished job of the same file, but of another plan."""
    from ddbetl import jobs
    from ddbetl.api import not_the_same
    from ddbetl.engine.changes import changes

    if not Path(request.name).is_file():
        return
    for job in jobs.jobs(state_dir):
        if job.view is not None and job.view.unfinished and job.view.record.spec == request.name:
            record = job.view.record
            found = changes(record, plan.physical.fingerprint, plan.physical.identity, request.text)
            if found:
                raise JobFailed(not_the_same(record, found))


def state_option(state_dir: str) -> str:
    """The option that a command needs to find this state folder."""
    from ddbetl.api import STATE_DIR

    return "" if state_dir == STATE_DIR else f" --state-dir {shlex.quote(state_dir)}"


def background(job_id: str, outputs: Outputs) -> int:
    """Run a job in a process of its own, which outlives this one and its terminal; returns the exit code."""
    from ddbetl import jobs
    from ddbetl.engine.folder import open_private

    folder = jobs.job(job_id, outputs.state_dir).folder
    command = [
        sys.executable,
        "-m",
        "ddbetl",
        "resume",
        job_id,
        "--state-dir",
        outputs.state_dir,
        "--progress",
        "plain",
    ]
    for option, value in (("--log-file", outputs.log_file), ("--metrics-file", outputs.metrics_file)):
        if value is not None:
            command += [option, value]
    output = open_private(folder / OUTPUT, os.O_APPEND)
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    finally:
        os.close(output)
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < BEGINS_WITHIN:
        if jobs.job(job_id, outputs.state_dir).running:
            break
        time.sleep(0.1)
    if process.poll() not in (None, ExitCode.DONE, ExitCode.REJECTS):
        complain("error: the job could not be started in the background")
        err(visible((folder / OUTPUT).read_text(errors="replace").strip()))
        return ExitCode.FAILED
    where = state_option(outputs.state_dir)
    out(
        f"Job {job_id} runs in the background, in process {process.pid}.\n"
        f"  ddbetl jobs watch {job_id}{where}   shows its progress\n"
        f"  kill {process.pid}   stops it, as Ctrl-C would"
    )
    return ExitCode.DONE
