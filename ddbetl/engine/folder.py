"""The folder of a job: what is written there, and what to say when it cannot be.

Invariant: files are readable by their owner only; a folder that cannot be written stops the run, before it has begun
where that is possible.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ddbetl.errors import JobFailed

HOW_TO_GO_ON = (
    "\nRun the same command again: rows that are written already are replaced by themselves, so nothing is lost."
)


@contextmanager
def writing() -> Iterator[None]:
    """Turn an OSError of a file in the folder into JobFailed with what to do."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        message = f"the job's folder cannot be written: {error.strerror or error}{where}"
        raise JobFailed(f"{message}\n--state-dir names another folder.{HOW_TO_GO_ON}") from error


def open_private(path: Path, flags: int) -> int:
    """A descriptor of a file that only its owner can read; its folder is made when it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
