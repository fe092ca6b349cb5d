"""Runs of a job: how one begins, how it ends, what is kept of it.

In: a physical plan that has a target, a way to reach its tables, the job's store. Out: a RunReport. Invariant: whatever
ends a run, the store and the report say what is done, and the message how to go on.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from itertools import islice
from threading import Event

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.advice import advice
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.failures import WireError
from ddbetl.engine.collisions import KeysSeen, memory_for
from ddbetl.engine.executor import Job, Outlook
from ddbetl.engine.folder import LOG
from ddbetl.engine.log import EventLog
from ddbetl.engine.loop import first_failure
from ddbetl.engine.meter import Meter, TableMeter
from ddbetl.engine.reading import Source, Tables
from ddbetl.engine.rejects import causes, lines_of
from ddbetl.engine.report import REPORT, RejectCause, RunReport, pairs_of, write_report
from ddbetl.engine.sending import Sender
from ddbetl.engine.shares import SharedBudget
from ddbetl.engine.splits import Ledger
from ddbetl.engine.state import go_on
from ddbetl.engine.store import REJECTS, JobRecord, JobStore, PinnedTable
from ddbetl.engine.transform import DUCKDB
from ddbetl.engine.workers import Workers
from ddbetl.errors import ConnectionFailed, JobFailed
from ddbetl.plan.catalog import Connection
from ddbetl.plan.cost import expected_items, expected_work
from ddbetl.plan.physical import PhysicalPlan, WriteExec


def record_of(
    plan: PhysicalPlan, job_id: str, created: str, inputs: Mapping[str, object], *, segments: int | None = None
) -> JobRecord:
    """What the store keeps of a plan that has a target. ``segments``: of each table, where it is not the plan's."""
    assert plan.write is not None
    tables = []
    for scan in plan.scans:
        description = scan.table.description
        arn, made = (description.arn, description.created) if description is not None else ("", "")
        endpoint = scan.table.connection.endpoint or ""
        tables.append(PinnedTable(scan.table.name, endpoint, arn, made, segments or scan.segments))
    return JobRecord(
        job_id,
        created,
        plan.logical.source.name,
        plan.write.table.name,
        plan.write.action,
        plan.write.collisions,
        plan.fingerprint,
        plan.identity,
        inputs,
        plan.now.millis,
        DUCKDB,
        tuple(tables),
    )


def open_job(
    plan: PhysicalPlan,
    access: Mapping[Connection, Access],
    store: JobStore,
    log: EventLog,
    *,
    source: Callable[[Mapping[Connection, Sender]], Source] | None = None,
    workers: Workers | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    shuffle: random.Random | None = None,
) -> Job:
    """A run of the job in ``store``, by its plan; ``source``: other rows than those of the plan's tables; ``workers``:
    the processes that do the work, where it is not this one alone."""
    assert plan.write is not None
    before = store.totals()
    started = clock() - before.seconds
    tables = [
        TableMeter(scan, Budget(scan.budget.units, clock=clock, sleep=sleep), pinned.segments, started)
        for scan, pinned in zip(plan.scans, store.record.tables, strict=True)
    ]
    target = Budget if workers is None else SharedBudget
    write = target(plan.write.budget.units, clock=clock, sleep=sleep)
    write.used = before.write_units
    reads = target(plan.write.reads.units, clock=clock, sleep=sleep)
    reads.used = before.target_read_units
    for table, used in zip(tables, before.read_units, strict=True):
        table.budget.used = used
    meter = Meter(tables, write, reads, clock, started, expected_work(plan), retries=before.retries)
    ledger = Ledger(tables, store.splits(), clock)

    def scans(senders: Mapping[Connection, Sender]) -> Source:
        return Tables(senders, plan.logical.consistent_read, write)

    return Job(
        plan, plan.write, access, store, log, meter, ledger, shuffle or random.Random(), sleep, before,
        source or scans, chosen=source is not None, seen=_keys_seen(plan, plan.write, store),
        workers=workers,
    )  # fmt: skip


def _keys_seen(plan: PhysicalPlan, write: WriteExec, store: JobStore) -> KeysSeen | None:
    """The target keys of the job so far, where rows can collide."""
    if write.collisions is None:
        return None
    if store.record.duckdb != DUCKDB:
        raise JobFailed(
            f"job {store.record.id} looks for collisions by the hashes of DuckDB {store.record.duckdb}, and this is "
            f"{DUCKDB}\nInstall that version to go on (pip install duckdb=={store.record.duckdb}), or begin anew with "
            "ddbetl run SPEC --fresh.",
            advised=True,
        )
    memory = memory_for(sum(map(expected_items, plan.scans)))
    return KeysSeen.open(store.folder, store.keys_length(), memory)


async def execute(
    plan: PhysicalPlan,
    access: Mapping[Connection, Access],
    store: JobStore,
    stop: Event,
    outlook: Outlook = Outlook(),  # noqa: B008 - frozen
    source: Callable[[Mapping[Connection, Sender]], Source] | None = None,
    workers: Workers | None = None,
) -> RunReport:
    """Run the job in ``store`` by its plan, from where its last commit left it, and close the store. ``workers``: the
    processes that do the work, where it is not this one alone; they cannot count a LIMIT, nor read another ``source``.

    Raises JobFailed when the run cannot go on, with how to.
    """
    folder = store.folder
    log = EventLog([folder / LOG, *([outlook.log_file] if outlook.log_file is not None else [])], store.record.id)
    try:
        if outlook.log_file is not None and log.failure is not None:
            raise JobFailed(f"the log cannot be written: {log.failure}")
        job = open_job(plan, access, store, log, source=source, workers=workers)
        log.write("info", "run_started", run=job.before.runs + 1, target=job.write.table.name, tables=len(plan.scans))
        began = False
        try:
            # A folder that cannot be written is found out now, not after the rows are.
            write_report(_report(job, "running", 0), folder / REPORT)
            began = True
            await job.run(stop, outlook)
            outcome = "interrupted" if job.interrupted else "limit" if job.course.limit_reached else "done"
            report = _finished(job, outcome)
        except ExceptionGroup as group:
            raise _failed(job, first_failure(group), began) from group
        except JobFailed as error:
            raise _failed(job, error, began) from error
        finally:
            if outlook.progress is not None:
                outlook.progress(job.meter.progress())
            if outlook.metrics is not None:
                job.metrics_to(outlook.metrics)()
            if job.seen is not None:
                job.seen.close()
        return report
    finally:
        log.close()
        store.close()


def _finished(job: Job, outcome: str) -> RunReport:
    half = job.ledger.settle()
    job.keep()
    report = _report(job, outcome, half)
    write_report(report, job.store.folder / REPORT)
    job.store.finish(outcome)
    now = report.progress
    job.log.write(
        "info", "run_ended", outcome=outcome, read=now.read, filtered=now.filtered, written=now.written,
        rejected=now.rejected,
    )  # fmt: skip
    return report


def _failed(job: Job, failure: BaseException, began: bool) -> BaseException:
    """What a run that cannot go on raises, after what is known of it is kept; of one that never began there is nothing,
    and a commit would tell others that it has."""
    error: BaseException = failure
    if isinstance(failure, WireError):
        what = advice(failure, failure.operation, failure.table)
        error = JobFailed(f"{failure.operation} of {failure.table}: {failure}\n{what}{go_on(job.store.folder)}")
    elif isinstance(failure, ConnectionFailed) or (isinstance(failure, JobFailed) and not failure.advised):
        error = JobFailed(f"{failure}{go_on(job.store.folder)}")
    job.log.write("error", "run_failed", message=str(error))
    half = job.ledger.settle()
    # The first failure matters; a state that cannot be written either shows when somebody goes on.
    for keep in (
        *((job.keep,) if began else ()),
        lambda: job.store.finish("failed"),
        lambda: write_report(_report(job, "failed", half), job.store.folder / REPORT),
    ):
        with suppress(JobFailed):
            keep()
    return error


def _report(job: Job, outcome: str, half: int) -> RunReport:
    progress = job.meter.progress()
    found: tuple[RejectCause, ...] = ()
    if progress.rejected and outcome != "running" and (path := job.store.folder / REJECTS).exists():
        with path.open("rb") as lines:
            # A commit that failed may have left more, and half a line.
            found = causes(islice(lines_of(lines), progress.rejected))
    return RunReport(
        job.store.record.id,
        outcome,
        job.write.table.name,
        progress,
        job.meter.by_reference,
        half,
        found,
        str(path) if found else None,
        str(job.store.folder),
        job.write.action,
        job.write.collisions,
        pairs_of(job.store.pairs()) if outcome != "running" else (),
        job.before.runs + 1,
    )
