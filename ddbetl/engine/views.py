"""Jobs from outside: what a process that does not run them may see and do.

In: a job's folder, or the folder of all jobs. Out: a JobView, also while the job runs. Invariant: looking
never holds up a run for longer than the look itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ddbetl.engine.counts import COUNTED, NONE, Counts
from ddbetl.engine.folder import JOBS, is_locked, locked_by, take_lock
from ddbetl.engine.report import CollisionPair, pairs_of
from ddbetl.engine.state import STATE, Database, connected, only, packed, transaction, usable
from ddbetl.engine.store import LOCK, JobRecord, Totals, being_run, own_record, read_pairs, read_rates, read_totals
from ddbetl.errors import JobFailed

_SUMS = ", ".join(f"sum({name})" for name in COUNTED)


@dataclass(frozen=True, slots=True)
class JobView:
    """A job at a moment. ``outcome``: running, done, limit, interrupted, failed; killed, where its process ended and
    could not say so.

    ``tables``: items by what became of them, and ``tables_done``: splits that are done, one for each table of the
    record. ``progress``: as the last commit had it. ``rates``: what ``ddbetl jobs set`` asked for. ``pid``: the process
    that runs it. ``pairs``: the first rows that met another's target key.
    """

    folder: Path
    record: JobRecord
    outcome: str
    running: bool
    pid: int | None
    totals: Totals
    tables: tuple[Counts, ...]
    tables_done: tuple[int, ...]
    progress: bytes
    rates: Mapping[str, str]
    pairs: tuple[CollisionPair, ...]

    @property
    def splits(self) -> int:
        return sum(table.segments for table in self.record.tables)

    @property
    def splits_done(self) -> int:
        return sum(self.tables_done)

    @property
    def counts(self) -> Counts:
        return sum(self.tables, NONE)

    @property
    def unfinished(self) -> bool:
        """Whether ``ddbetl resume`` has something to go on with."""
        return self.outcome in ("killed", "interrupted", "failed")


@dataclass(frozen=True, slots=True)
class BrokenJob:
    """A job of which nothing can be said but why not."""

    id: str
    folder: Path
    message: str


def view(folder: Path) -> JobView:
    """Look at a job; JobFailed where there is none, or its state is broken."""
    with connected(folder) as db:
        found = _read(folder, db)
        if found.outcome == "killed":
            # It may have ended well between the look at its state and the look at its lock.
            found = _read(folder, db)
        return found


def views(state_dir: Path) -> list[JobView | BrokenJob]:
    """Look at all jobs: the newest first, after them the broken ones."""
    looked = named(state_dir)
    found = [one for one in looked if isinstance(one, JobView)]
    found.sort(key=lambda one: (one.record.created, one.record.id), reverse=True)
    return [*found, *(one for one in looked if isinstance(one, BrokenJob))]


def named(state_dir: Path, beginning: str = "") -> list[JobView | BrokenJob]:
    """Look at the jobs whose id begins so, in the order of their ids; no other is opened."""
    jobs = state_dir / JOBS
    with usable(jobs, "\n--state-dir names another folder."):
        folders = sorted(jobs.iterdir()) if jobs.is_dir() else []
    found: list[JobView | BrokenJob] = []
    for folder in folders:
        if not folder.name.startswith(beginning):
            continue
        try:
            found.append(view(folder))
        except JobFailed as error:
            # A folder without a job is of a run that has not begun, or of a job that is being removed.
            if os.path.lexists(folder / STATE):
                found.append(BrokenJob(folder.name, folder, str(error)))
    return found


def ask_rate(folder: Path, name: str, asked: str) -> None:
    """Ask a job for another rate, ``read`` or ``write``; a run looks for it every second."""
    with connected(folder) as db, transaction(db):
        db.execute("INSERT OR REPLACE INTO rate VALUES (?, ?)", (name, packed(asked)))


def remove(folder: Path) -> None:
    """Remove a job and all its files, a broken one too; JobFailed where it is being run."""
    with usable(folder, ""):
        if not folder.is_dir():
            raise JobFailed(
                f"there is no job {folder.name} in {folder.parent}\nddbetl jobs lists those that there are."
            )
        lock = take_lock(folder / LOCK)
        if lock is None:
            raise being_run(folder)
        try:
            # First what makes it a job: what an end in between leaves over is none.
            (folder / STATE).unlink(missing_ok=True)
            shutil.rmtree(folder)
        finally:
            os.close(lock)


def _read(folder: Path, db: Database) -> JobView:
    with transaction(db, "DEFERRED"):
        record, totals, rates = own_record(folder, db), read_totals(db), read_rates(db)
        pairs = pairs_of(read_pairs(db))
        outcome, progress = only(db, "SELECT outcome, progress FROM state")
        tables = [NONE] * len(record.tables)
        done = [0] * len(record.tables)
        for source, splits_done, *counts in db.execute(f"SELECT source, sum(done), {_SUMS} FROM split GROUP BY source"):
            with suppress(IndexError):
                tables[source], done[source] = Counts(*counts), splits_done
    running = is_locked(folder / LOCK)
    if outcome not in ("done", "limit"):
        outcome = "running" if running else "killed" if outcome == "running" else outcome
    pid = locked_by(folder / LOCK) if running else None
    return JobView(folder, record, outcome, running, pid, totals, tuple(tables), tuple(done), progress, rates, pairs)
