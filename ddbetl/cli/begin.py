"""How a run begins: anew, with an unfinished job of the same plan, or in the background.

In: a plan and what is in the state folder. Out: the job to go on with, if any. Invariant: a job that somebody runs is
never run twice, and an unfinished one is neither repeated nor taken up without a word.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import complain, err, harmless, json_text, out, page_width, visible, wrapped
from ddbetl.cli.wording import counted, percent
from ddbetl.errors import JobFailed

if TYPE_CHECKING:
    from ddbetl import jobs
    from ddbetl.api import Plan
    from ddbetl.cli.run import Outputs
    from ddbetl.inputs import Inputs

# Seconds until a job in the background should have begun.
BEGINS_WITHIN = 30.0
# What a job in the background would have shown on a terminal.
OUTPUT = "output"

ENDED = {"interrupted": "was interrupted", "killed": "was killed", "failed": "has failed"}


def unfinished(plan: Plan, state_dir: str) -> jobs.Job | None:
    """The unfinished job of a plan, if there is one; JobFailed where somebody runs it."""
    from ddbetl import jobs

    found = plan.unfinished(state_dir)
    if found is None:
        return None
    job = jobs.job(found.record.id, state_dir)
    if job.running:
        raise being_run(job, state_dir, "; --fresh begins another one beside it")
    return job


def being_run(job: jobs.Job, state_dir: str, more: str = "") -> JobFailed:
    """What to say of a job that another process runs."""
    from ddbetl import jobs
    from ddbetl.cli.next_steps import command

    pid = job.view.pid if job.view is not None else None
    process = f", by process {pid}" if pid is not None else ""
    return JobFailed(
        f"job {job.id} is being run already{process}\n"
        f"{command('jobs watch', job, state_dir)} shows its progress{more}.\n{jobs.how_to_stop(job)}."
    )


def goes_on(job: jobs.Job, *, ask: bool) -> bool:
    """Say how far an unfinished job is; with ``ask``, ask whether it is to go on, otherwise it does."""
    said = f"Job {job.id} of this plan {ENDED.get(job.state, job.state)}{_so_far(job)}."
    err(wrapped("", said, page_width(sys.stderr), indent="  "))
    if job.reason:
        err(wrapped("  ", harmless(job.reason).split("\n")[0], page_width(sys.stderr), indent="  "))
    if ask:
        return bool(click.confirm("Go on with it?", default=True, err=True))
    err("It goes on from there; --fresh begins anew.\n")
    return True


def _so_far(job: jobs.Job) -> str:
    counts = job.counts
    if not counts.read:
        return ", with nothing finished yet"
    share = f" at {percent(job.fraction)}" if job.fraction is not None else ""
    return f"{share}: {counted(counts.read, 'item')} read, {counts.written:,} written"


def say_changed(plan: Plan, inputs: Inputs, state_dir: str, *, refuse: bool) -> None:
    """Tell of an unfinished job of the same file, but of another plan; ``refuse``: --resume meant it."""
    from ddbetl import jobs
    from ddbetl.api import not_the_same
    from ddbetl.engine.changes import changes

    if not Path(inputs.name).is_file():
        return
    for job in jobs.jobs(state_dir):
        if job.view is None or job.view.record.spec != inputs.name:
            continue
        record = job.view.record
        if not job.view.unfinished or record.inputs.get("from_rejects") is not None:
            return
        found = changes(record, plan.physical.fingerprint, plan.physical.identity, inputs.text)
        if found and refuse:
            raise JobFailed(not_the_same(record, found))
        if found:
            said = f"Job {job.id} of this file {ENDED.get(job.state, job.state)}{_so_far(job)}. It was begun with"
            err(wrapped("", f"{said} other parameters or another text, and stays as it is.", page_width(sys.stderr)))
        return


def background(job_id: str, outputs: Outputs, options: Sequence[str] = ()) -> int:
    """Run a job in a process of its own, which outlives this one and its terminal; returns the exit code."""
    from ddbetl import jobs
    from ddbetl.engine.folder import open_private

    job = jobs.job(job_id, outputs.state_dir)
    runs = job.view.totals.runs if job.view is not None else 0
    command = [sys.executable, "-m", "ddbetl", "resume", job.id, "--state-dir", outputs.state_dir]
    command += ["--progress", "plain"]
    for option in options:
        command += ["--with", option]
    for name, value in (("--log-file", outputs.log_file), ("--metrics-file", outputs.metrics_file)):
        if value is not None:
            command += [name, value]
    if outputs.workers is not None:
        command += ["--workers", str(outputs.workers)]
    output = open_private(job.folder / OUTPUT, os.O_APPEND)
    said = os.fstat(output).st_size
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    finally:
        os.close(output)
    started = time.monotonic()
    # Its first commit says that it has begun: whatever is found out at the start is found out by then.
    while process.poll() is None and time.monotonic() - started < BEGINS_WITHIN:
        job = jobs.now(job)
        if job.view is not None and job.view.totals.runs > runs:
            break
        time.sleep(0.1)
    if process.poll() not in (None, ExitCode.DONE, ExitCode.REJECTS):
        written = (job.folder / OUTPUT).read_bytes()[said:].decode(errors="replace").strip()
        complain(f"{written}\n\nerror: job {job.id} has ended in the background with code {process.returncode}")
        return process.returncode if process.returncode > 0 else ExitCode.FAILED
    if outputs.as_json:
        out(json_text({"ddbetl_detached": 1, "job": job.id, "pid": process.pid, "folder": str(job.folder)}))
    else:
        over = process.poll() is not None
        out(_begun(job, process.pid, outputs.state_dir, over=over))
    return ExitCode.DONE


def _begun(job: jobs.Job, pid: int, state_dir: str, *, over: bool) -> str:
    from ddbetl.cli.next_steps import command, commands

    watch = command("jobs watch", job, state_dir)
    if over:
        return "\n".join(
            [f"Job {job.id} has run in the background already.", *commands([(watch, "shows its summary")])]
        )
    rows = [(watch, "shows its progress"), (f"kill {pid}", "stops it, as Ctrl-C would")]
    return "\n".join([
        f"Job {job.id} runs in the background, in process {pid}.",
        *commands(rows),
        f"What it says is in {visible(str(job.folder / OUTPUT))}",
    ])  # fmt: skip
