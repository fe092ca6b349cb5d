"""What the threads of a client have used, as Linux tells while they run.

In: the id of a process. Out: looks at it and at all processes that it has started: the CPU seconds of each of their
threads until then; and the peak memory of each process. Nothing where the system does not tell.

Invariant: what a thread has had when it was last looked at stays counted after its end. So a figure lacks what came after
the last look, at most.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Look:
    """CPU seconds of each thread, by its id, until a moment of the monotonic clock."""

    at: float
    threads: Mapping[int, float]


@dataclass(slots=True)
class Watch:
    """A process and those that it starts, looked at now and then; the peak memory of each in bytes."""

    pid: int
    looks: list[Look] = field(default_factory=list)
    peaks: dict[int, int] = field(default_factory=dict)

    def look(self) -> None:
        """Take the figures as they are now."""
        threads = dict(self.looks[-1].threads) if self.looks else {}
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            try:
                for thread in (_PROC / str(pid) / "task").iterdir():
                    threads[int(thread.name)] = int((thread / "schedstat").read_text().split()[0]) / 1e9
                    waiting += map(int, (thread / "children").read_text().split())
                if peak := _peak_bytes(pid):
                    self.peaks[pid] = peak
            except (OSError, IndexError, ValueError):
                # It has ended meanwhile, or this system has no such files.
                continue
        if threads:
            self.looks.append(Look(time.monotonic(), threads))


def _peak_bytes(pid: int) -> int:
    """Return the largest resident set that a process has had until now; 0 for one that has ended."""
    lines = (_PROC / str(pid) / "status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def used_since(looks: Sequence[Look], moment: float) -> dict[int, float]:
    """Return the CPU seconds of each thread from the last look before a moment to the last of all."""
    if not looks:
        return {}
    before = [look for look in looks if look.at <= moment]
    begun = before[-1].threads if before else {}
    return {thread: seconds - begun.get(thread, 0.0) for thread, seconds in looks[-1].threads.items()}
