"""The log of a job: one JSON object a line.

In: events of the engine. Out: lines in the job's own file and in the one that the user names, each readable by its
owner only::

    {"time":"2026-11-23T09:15:02.250Z","level":"warning","event":"throttled","job":"k3f9","table":"Orders","count":41}

Invariant: a log that cannot be written ends the logging there, never the job; events of one kind are at most one line a
second; a line holds what the caller gave and nothing else.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import stat
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Literal

from ddbetl.engine.folder import open_private

Level = Literal["info", "warning", "error"]

# Seconds between two lines of one kind: one event of one table, of one process.
APART = 1.0


@dataclass(slots=True)
class _Kind:
    """When a kind was written last, and what came since: the last line, not yet written, and how many it stands for."""

    written: float
    line: dict[str, object] | None = None
    count: int = 0


class EventLog:
    """Appends events to files; for any thread.

    ``now`` gives seconds since 1970 UTC, ``clock`` counts seconds. ``failure``: the first file that could not be
    written and why, None while all can; look at it after making the log to refuse a file that was named in vain.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        job: str,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failure: str | None = None
        self._job = job
        self._now = now
        self._clock = clock
        self._kinds: dict[tuple[str, object, object], _Kind] = {}
        self._files: dict[Path, int] = {}
        # A signal may come in the middle of a line, and its handler may write one too.
        self._lock = RLock()
        for path in dict.fromkeys(paths):
            try:
                self._files[path] = _open(path)
            except OSError as error:
                self._fail(path, error)

    def write(self, level: Level, event: str, **fields: object) -> None:
        """Log an event. The first of a kind (event, ``table`` and ``pid``) is written at once.

        Those that follow within a second are one line, with the fields of the last and a ``count``, which is written
        with the next event of any kind after that second, or at the end.
        """
        with self._lock:
            moment = self._clock()
            self._write_due(moment)
            line = self._line(level, event, fields)
            name = (event, fields.get("table"), fields.get("pid"))
            kind = self._kinds.get(name)
            if kind is None or moment - kind.written >= APART:
                self._kinds[name] = _Kind(moment)
                self._append(line)
            else:
                kind.line = line
                kind.count += 1

    def close(self) -> None:
        """Write what is left and close the files; nothing is written afterwards."""
        with self._lock:
            self._write_due(math.inf)
            for descriptor in self._files.values():
                with suppress(OSError):
                    os.close(descriptor)
            self._files.clear()

    def _line(self, level: Level, event: str, fields: dict[str, object]) -> dict[str, object]:
        moment = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"time": moment, "level": level, "event": event, "job": self._job} | fields

    def _write_due(self, moment: float) -> None:
        for kind in self._kinds.values():
            if kind.line is not None and moment - kind.written >= APART:
                line, count = kind.line, kind.count
                kind.line, kind.count, kind.written = None, 0, moment
                self._append(line if count == 1 else line | {"count": count})

    def _append(self, line: dict[str, object]) -> None:
        # All but ASCII is escaped: whatever a field holds, a line is one line and moves no terminal's cursor.
        content = json.dumps({name: _plain(value) for name, value in line.items()}, default=str, separators=(",", ":"))
        data = content.encode() + b"\n"
        for path, descriptor in tuple(self._files.items()):
            try:
                _write_all(descriptor, data)
            except OSError as error:
                del self._files[path]
                with suppress(OSError):
                    os.close(descriptor)
                self._fail(path, error)

    def _fail(self, path: Path, error: OSError) -> None:
        if self.failure is None:
            self.failure = f"{path}: {error.strerror or error}"


def _plain(value: object) -> object:
    """JSON knows no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _open(path: Path) -> int:
    """Open for appending; half a line, left by a disk that was full, is ended first."""
    descriptor = open_private(path, os.O_APPEND)
    if descriptor <= 2:
        # Without a terminal the numbers of the standard streams are free, and libraries write to them unasked.
        low, descriptor = descriptor, fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
        os.close(low)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_size and _last_byte(path) != b"\n":
            _write_all(descriptor, b"\n")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
