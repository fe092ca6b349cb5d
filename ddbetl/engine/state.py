"""The file ``job.sqlite``: its tables, and what to say when it cannot be read or written.

In: a job's folder. Out: a connection, values packed and unpacked; JobFailed instead of any error of SQLite's.
Invariant: the file is opened through SQLite only, because closing any other descriptor of it would end SQLite's locks.
"""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import msgspec

from ddbetl.engine.counts import COUNTED
from ddbetl.engine.folder import STATE_DIR, open_private
from ddbetl.errors import JobFailed

T = TypeVar("T")
Database: TypeAlias = sqlite3.Connection

STATE = "job.sqlite"

# The version of the tables below. A newer ddbetl that changes them raises it.
VERSION = 2
# How long one process waits for another that reads or writes the same state, in seconds: somebody who looks at a job,
# and is stopped in the middle of it, holds up a commit, and that is no reason to end the run.
PATIENCE = 300.0

_COUNTS = "".join(f"{name} INTEGER NOT NULL CHECK (typeof({name}) = 'integer'),\n" for name in COUNTED)

# Texts are JSON in ASCII: SQLite takes no text with half a surrogate pair, and the argument of a command may have one.
# The record stands apart from what changes with every commit, which rewrites a row as a whole. A split that never moved
# has no row.
SCHEMA = (
    """CREATE TABLE job (record TEXT NOT NULL)""",
    """CREATE TABLE state (
        outcome TEXT NOT NULL,
        totals TEXT NOT NULL,
        progress BLOB NOT NULL CHECK (typeof(progress) = 'blob'),
        rejects_length INTEGER NOT NULL CHECK (typeof(rejects_length) = 'integer' AND rejects_length >= 0),
        keys_length INTEGER NOT NULL CHECK (typeof(keys_length) = 'integer' AND keys_length >= 0)
    )""",
    f"""CREATE TABLE split (
        source INTEGER NOT NULL CHECK (typeof(source) = 'integer'),
        segment INTEGER NOT NULL CHECK (typeof(segment) = 'integer'),
        position BLOB NOT NULL CHECK (typeof(position) = 'blob'),
        done INTEGER NOT NULL CHECK (done IN (0, 1)),
        {_COUNTS}
        PRIMARY KEY (source, segment)
    ) WITHOUT ROWID""",
    """CREATE TABLE collision (pair BLOB NOT NULL CHECK (typeof(pair) = 'blob'))""",
    """CREATE TABLE rate (name TEXT PRIMARY KEY, asked TEXT NOT NULL) WITHOUT ROWID""",
    f"PRAGMA user_version = {VERSION}",
)

# What is wrong with the disk or its rights, and can be mended; everything else says that the file is no state.
MENDABLE = frozenset({
    sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_AUTH,
})  # fmt: skip


@contextmanager
def usable(folder: Path, advice: str | None = None) -> Iterator[None]:
    """Turn whatever is wrong with the files of a job into JobFailed with what to do: ``advice``, else to resume it."""
    then = go_on(folder) if advice is None else advice
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        raise JobFailed(
            f"the job's files cannot be used: {error.strerror or error} ({where}){then}", advised=True
        ) from error
    except UnicodeDecodeError as error:
        raise broken(folder, str(error)) from error
    except sqlite3.ProgrammingError:
        # A mistake of the program, not of its files.
        raise
    except sqlite3.Error as error:
        # An extended code has its kind in the low byte. What Python itself objects to has none.
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in MENDABLE:
            raise broken(folder, str(error)) from error
        raise JobFailed(f"the job's files cannot be used: {error} ({folder / STATE}){then}", advised=True) from error


def broken(folder: Path, what: str, name: str = STATE) -> JobFailed:
    """A job that cannot go on, because of one of its files."""
    return JobFailed(
        f"the state of job {folder.name} is broken: {folder / name}: {what}\n"
        "Start anew with ddbetl run SPEC --fresh; what is written already ends up the same.\n"
        f"{_command('jobs rm', folder)} removes the broken job.",
        advised=True,
    )


def must_exist(folder: Path) -> None:
    """Refuse a folder without a job."""
    if not (folder / STATE).is_file():
        raise JobFailed(f"there is no job {folder.name} in {folder.parent}\nddbetl jobs lists those that there are.")


def make(folder: Path) -> Database:
    """Make the file, empty; FileExistsError where there is one."""
    # Before SQLite opens it, which would leave its rights to the umask. Its journal gets the same rights.
    os.close(open_private(folder / STATE, os.O_EXCL))
    return _connect(folder / STATE)


@contextmanager
def connected(folder: Path) -> Iterator[Database]:
    """The state of a job that exists, as any process may read it, and write to it in a transaction."""
    with usable(folder):
        must_exist(folder)
        db = _connect(folder / STATE)
        try:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version < 1:
                raise broken(folder, "it holds no job")
            if version != VERSION:
                age = "a newer" if version > VERSION else "an older"
                raise JobFailed(
                    f"job {folder.name} was made by {age} ddbetl: its state has version {version}, and this ddbetl "
                    f"reads version {VERSION} ({folder / STATE})\n"
                    "Go on with that ddbetl, or start anew with ddbetl run SPEC --fresh."
                )
            yield db
        finally:
            db.close()


@contextmanager
def transaction(db: Database, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All of it or nothing. ``kind``: DEFERRED for reading alone, which lets others read too."""
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # After some failures SQLite has done so already; then, and where it fails, the journal has what was before.
        with suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _connect(path: Path) -> Database:
    """Open a state file that exists. A commit lasts when it is done."""
    uri = f"{path.absolute().as_uri()}?mode=rw"
    db = sqlite3.connect(uri, PATIENCE, isolation_level=None, check_same_thread=False, uri=True)
    try:
        # Unlike a write-ahead log, this needs no memory that processes share, which a network's disk does not have.
        db.execute("PRAGMA journal_mode = TRUNCATE")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def only(db: Database, query: str) -> tuple[Any, ...]:
    """The one row of a table that has one."""
    found: tuple[Any, ...] | None = db.execute(query).fetchone()
    if found is None:
        raise sqlite3.DatabaseError("a row is missing")
    return found


def packed(value: object) -> str:
    """A value as JSON in ASCII: what there is of texts in the file."""
    return json.dumps(value, separators=(",", ":"), default=_plain)


def _plain(value: object) -> dict[str, Any]:
    """What JSON has no notation for."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} cannot be kept")


def unpacked(text: str | bytes, kind: type[T]) -> T:
    """A value as it was packed."""
    try:
        return msgspec.convert(json.loads(text), kind)
    except (ValueError, TypeError, RecursionError) as error:
        raise sqlite3.DatabaseError(str(error)) from error


def go_on(folder: Path) -> str:
    """What to do about a job that stopped although its state is good."""
    return f"\nNothing is lost: when that is mended, {resume_command(folder)} goes on."


def resume_command(folder: Path) -> str:
    """The command that goes on with a job."""
    return _command("resume", folder)


def _command(name: str, folder: Path) -> str:
    state_dir = folder.parent.parent
    where = "" if state_dir == Path(STATE_DIR) else f" --state-dir {shlex.quote(str(state_dir))}"
    return f"ddbetl {name} {folder.name}{where}"
