"""The store of a job: what it is and how far it is, for the one process that runs it.

In: what the job is; then, again and again, the splits that moved and the rejects of their pages. Out: the same after
any end of the process, a loss of power included. Invariant: the positions, the counts and the rejects of a job are
those of one and the same commit; a position is never ahead of what was handed over for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import astuple, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from ddbetl.engine.counts import COUNTED, NONE, Counts
from ddbetl.engine.folder import locked_by, make_private, open_private, sync_folder, take_lock, writing
from ddbetl.engine.report import MOST_PAIRS
from ddbetl.engine.state import (
    SCHEMA,
    STATE,
    Database,
    broken,
    connected,
    go_on,
    make,
    must_exist,
    only,
    packed,
    transaction,
    unpacked,
    usable,
)
from ddbetl.errors import JobFailed

LOCK = "job.lock"
REJECTS = "rejects.jsonl"
_KEEP_SPLIT = f"INSERT OR REPLACE INTO split VALUES ({', '.join('?' * (4 + len(COUNTED)))})"
_KEEP_PAIR = f"INSERT INTO collision SELECT ? WHERE (SELECT count(*) FROM collision) < {MOST_PAIRS}"


@dataclass(frozen=True, slots=True)
class PinnedTable:
    """A source table as it was when the job was made. ``endpoint``: "" for AWS."""

    name: str
    endpoint: str
    arn: str
    created: str
    segments: int


@dataclass(frozen=True, slots=True)
class JobRecord:
    """What a job is; fixed when it is made. It comes back as JSON has it: a tuple within a mapping as a list.

    ``created``: ISO, UTC. ``spec``: its name or path. ``identity``: what the fingerprint was made of, so that a
    difference can be named. ``inputs``: what ``compile`` was called with. ``now``: the job's now(), in milliseconds.
    ``action``, ``collisions``: see WriteExec. ``duckdb``: the version whose hashes find the job's
    collisions.
    """

    id: str
    created: str
    spec: str
    target: str
    action: str
    collisions: str | None
    fingerprint: str
    identity: Mapping[str, Any]
    inputs: Mapping[str, Any]
    now: int
    duckdb: str
    tables: tuple[PinnedTable, ...]


@dataclass(frozen=True, slots=True)
class SplitState:
    """How far a split is. ``table``: its number in the record. ``position``: the raw LastEvaluatedKey of the last page
    that is finished, b"" at the beginning.
    """

    table: int
    segment: int
    position: bytes = b""
    done: bool = False
    counts: Counts = NONE


@dataclass(frozen=True, slots=True)
class Totals:
    """What all runs of a job took together. ``read_units``: one number for each source table."""

    seconds: float
    read_units: tuple[float, ...]
    write_units: float
    target_read_units: float
    retries: int
    runs: int


class JobStore:
    """The state of a job, for the one process that runs it; it holds the job's lock until it is closed.

    Threads may share it. ``commit`` takes what ``splits`` and ``totals`` gave, moved on.
    """

    def __init__(self, folder: Path, record: JobRecord, db: Database, length: int, lock: int, kept: ExitStack) -> None:
        self.folder = folder
        self.record = record
        # The descriptor that holds the lock: processes that inherit it hold it too.
        self.lock = lock
        self._db = db
        self._length = length
        self._kept = kept
        self._rejects: int | None = None
        self._ended = False
        # Why nothing more can be kept.
        self._failure: JobFailed | None = None
        self._turn = Lock()

    @classmethod
    def create(cls, folder: Path, record: JobRecord) -> JobStore:
        """Make a job in a folder that has none."""
        with ExitStack() as kept, usable(folder, "\n--state-dir names another folder."), writing():
            make_private(folder)
            lock = _lock(folder, kept)
            if (folder / STATE).exists():
                raise JobFailed(f"there is a job in {folder} already\nddbetl resume {folder.name} goes on.")
            try:
                db = make(folder)
                kept.callback(db.close)
                totals = Totals(0.0, (0.0,) * len(record.tables), 0.0, 0.0, 0, 0)
                with transaction(db):
                    for statement in SCHEMA:
                        db.execute(statement)
                    db.execute("INSERT INTO job VALUES (?)", (packed(record),))
                    db.execute("INSERT INTO state VALUES ('running', ?, x'', 0, 0)", (packed(totals),))
                sync_folder(folder)
                sync_folder(folder.parent)
                return cls(folder, read_record(db), db, 0, lock, kept.pop_all())
            except BaseException:
                # A job that never began is none.
                (folder / STATE).unlink(missing_ok=True)
                raise

    @classmethod
    def open(cls, folder: Path) -> JobStore:
        """Take up a job where its last commit left it; rejects of pages that were not finished are cut off.

        A job that another process runs, a folder without a job and a broken state are JobFailed.
        """
        with ExitStack() as kept, usable(folder):
            must_exist(folder)
            lock = _lock(folder, kept)
            db = kept.enter_context(connected(folder))
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                raise broken(folder, " ".join(found.split()))
            # Whatever cannot be read is found out now.
            record, _, _ = own_record(folder, db), read_totals(db), read_rates(db)
            (length,) = only(db, "SELECT rejects_length FROM state")
            _cut_rejects(folder, length)
            return cls(folder, record, db, length, lock, kept.pop_all())

    def splits(self) -> list[SplitState]:
        """Every split of the job, those too that have not begun."""
        moved: dict[tuple[int, int], SplitState] = {}
        with self._turn, usable(self.folder):
            for source, segment, position, done, *counts in self._db.execute("SELECT * FROM split"):
                moved[source, segment] = SplitState(source, segment, position, bool(done), Counts(*counts))
        pinned = [(n, segment) for n, table in enumerate(self.record.tables) for segment in range(table.segments)]
        if strange := moved.keys() - set(pinned):
            raise broken(self.folder, "it holds a split that the job does not have: {}/{}".format(*min(strange)))
        return [moved.get(split) or SplitState(*split) for split in pinned]

    def totals(self) -> Totals:
        with self._turn, usable(self.folder):
            return read_totals(self._db)

    def outcome(self) -> str:
        """How the last run ended; running, where it was killed or is this one."""
        with self._turn, usable(self.folder):
            return str(only(self._db, "SELECT outcome FROM state")[0])

    def keys_length(self) -> int:
        """How much of the files of target keys was there at the last commit; see KeysSeen."""
        with self._turn, usable(self.folder):
            return int(only(self._db, "SELECT keys_length FROM state")[0])

    def pairs(self) -> list[bytes]:
        """The first collisions of the job, as ``commit`` got them."""
        with self._turn, usable(self.folder):
            return read_pairs(self._db)

    def rates(self) -> dict[str, str]:
        """What ``ddbetl jobs set`` asked for, by read or write."""
        with self._turn, usable(self.folder):
            return read_rates(self._db)

    def commit(
        self,
        moved: Sequence[SplitState],
        rejects: Sequence[bytes],
        totals: Totals,
        progress: bytes,
        pairs: Sequence[bytes] = (),
        keys_length: int = 0,
    ) -> None:
        """Keep how far the job is: all of this, or after a failure nothing of it.

        ``rejects``: JSON lines of the pages that ``moved`` passes, each with its line break. They are on the disk
        before the positions are, so an end in between leaves only rejects to cut off. ``pairs``: the collisions of
        these pages, in JSON; the first hundred of a job are kept. ``keys_length``: what KeysSeen has synced.

        After a failure it is unknown what the disk has: whoever goes on opens the job anew, and every further commit
        fails as the first one did.
        """
        assert all(line.endswith(b"\n") for line in rejects), "a reject is a line"
        rows = [(s.table, s.segment, s.position, s.done, *astuple(s.counts)) for s in moved]
        with self._turn:
            if self._failure is not None:
                raise JobFailed(str(self._failure), advised=self._failure.advised) from self._failure
            if self._ended:
                raise JobFailed(f"job {self.folder.name} is closed{go_on(self.folder)}", advised=True)
            # Until all of it is kept.
            self._ended = True
            try:
                with usable(self.folder):
                    length = self._append(b"".join(rejects))
                    with transaction(self._db):
                        self._db.executemany(_KEEP_SPLIT, rows)
                        self._db.executemany(_KEEP_PAIR, [(pair,) for pair in pairs[:MOST_PAIRS]])
                        self._db.execute(
                            "UPDATE state SET outcome = 'running', totals = ?, progress = ?, rejects_length = ?, "
                            "keys_length = ?",
                            (packed(totals), progress, length, keys_length),
                        )
            except JobFailed as error:
                self._failure = error
                raise
            self._length = length
            self._ended = False

    def finish(self, outcome: str) -> None:
        """Record how this run ended: done, limit, interrupted or failed."""
        with self._turn, usable(self.folder), transaction(self._db):
            self._db.execute("UPDATE state SET outcome = ?", (outcome,))

    def close(self) -> None:
        """Let another process have the job."""
        with self._turn:
            self._ended = True
            self._kept.close()

    def _append(self, content: bytes) -> int:
        """Put rejects behind those of the commits before; the file's new length."""
        if not content:
            return self._length
        if self._rejects is None:
            self._rejects = open_private(self.folder / REJECTS, 0)
            self._kept.callback(os.close, self._rejects)
            sync_folder(self.folder)
        left, end = memoryview(content), self._length
        while left:
            # A disk that is nearly full takes a part.
            count = os.pwrite(self._rejects, left, end)
            left, end = left[count:], end + count
        os.fsync(self._rejects)
        return end


def own_record(folder: Path, db: Database) -> JobRecord:
    """The record of the job in a folder; the state of another job is none of its."""
    record = read_record(db)
    if record.id != folder.name:
        raise broken(folder, f"it is the state of another job, {record.id}")
    return record


def read_record(db: Database) -> JobRecord:
    return unpacked(only(db, "SELECT record FROM job")[0], JobRecord)


def read_totals(db: Database) -> Totals:
    return unpacked(only(db, "SELECT totals FROM state")[0], Totals)


def read_pairs(db: Database) -> list[bytes]:
    return [pair for (pair,) in db.execute("SELECT pair FROM collision ORDER BY rowid")]


def read_rates(db: Database) -> dict[str, str]:
    return {name: unpacked(asked, str) for name, asked in db.execute("SELECT name, asked FROM rate")}


def being_run(folder: Path) -> JobFailed:
    """What to say where the lock is another's."""
    pid = locked_by(folder / LOCK)
    process = f"process {pid}" if pid is not None else "another process"
    return JobFailed(
        f"job {folder.name} is being run by {process}\n"
        f"ddbetl jobs watch {folder.name} shows how far it is; wait until it ends, or end it with Ctrl-C there."
    )


def _lock(folder: Path, kept: ExitStack) -> int:
    lock = take_lock(folder / LOCK)
    if lock is None:
        raise being_run(folder)
    kept.callback(os.close, lock)
    return lock


def _cut_rejects(folder: Path, length: int) -> None:
    """Leave of the rejects those of committed pages; without any there is no file."""
    path = folder / REJECTS
    found = path.stat().st_size if path.exists() else 0
    if found < length:
        raise broken(folder, f"it has {found:,} bytes, and the job has written {length:,}", REJECTS)
    if length == 0:
        path.unlink(missing_ok=True)
    elif found > length:
        descriptor = open_private(path, 0)
        try:
            os.ftruncate(descriptor, length)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
