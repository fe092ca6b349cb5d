"""The folder of a job: what is written there, what to say when it cannot be, and the lock of the process that does.

Invariant: files are readable by their owner only; a folder that cannot be written stops the run, before it has begun
where that is possible; a lock lasts no longer than the process that holds it, however that ends.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ddbetl.errors import JobFailed

# The state folder, where --state-dir names no other; in it, the folder of all jobs; in a job's own, its log.
STATE_DIR = ".ddbetl"
JOBS = "jobs"
LOG = "log"


def job_folder(state_dir: str | os.PathLike[str], job_id: str) -> Path:
    """Where a job keeps all that it has."""
    return Path(state_dir) / JOBS / job_id


@contextmanager
def writing() -> Iterator[None]:
    """Turn an OSError of a file in the folder into JobFailed with what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        message = f"the job's folder cannot be written: {error.strerror or error}{where}"
        raise JobFailed(f"{message}\n--state-dir names another folder.") from error


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that only their owner can look into them."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file that only its owner can read; its folder is made when it is missing."""
    make_private(path.parent)
    return os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)


def sync_folder(folder: Path) -> None:
    """Let the names of new files outlast a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems know no such thing for a folder.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def take_lock(path: Path) -> int | None:
    """Lock a file for this process and write its id there; None where another process holds it.

    The lock is held until the descriptor that comes back is closed, or the process ends.
    """
    descriptor = open_private(path, 0)
    try:
        while not _flock(descriptor, fcntl.LOCK_EX):
            # Only another exclusive lock hinders a shared one. Where it succeeds, somebody was just looking.
            if not _flock(descriptor, fcntl.LOCK_SH):
                os.close(descriptor)
                return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether a process holds a lock; looking hinders nobody who wants to take it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def locked_by(path: Path) -> int | None:
    """The id of the process that holds a lock, or held it last."""
    with suppress(OSError, ValueError):
        return int(path.read_bytes())
    return None


def _flock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
