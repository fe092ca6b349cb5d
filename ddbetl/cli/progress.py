"""Progress of a run: bars on a terminal, a line every few seconds elsewhere.

In: ``Progress`` values, whenever the run reports one. Out: standard error. Invariant: showing costs the run nothing
but a reference: the bars are drawn by a thread of their own, from the newest value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ddbetl.cli.terminal import draws, err, visible
from ddbetl.cli.wording import against, clock, percent
from ddbetl.plan.explain import duration

if TYPE_CHECKING:
    from ddbetl.engine.report import Progress

# Seconds between two lines of plain progress.
INTERVAL = 5.0

Show = Callable[["Progress"], None]


@contextmanager
def shown(mode: str, stopping: Callable[[], bool], done: str = "written") -> Iterator[Show | None]:
    """Show progress within the context; ``mode`` is auto, plain or none.

    ``stopping`` tells whether the run was asked to stop. ``done``: what has happened to rows that count as written.
    """
    if as_bars(mode):
        from ddbetl.cli.bars import Bars

        with Bars(stopping, done) as bars:
            yield bars.update
    elif mode == "none":
        yield None
    else:
        yield Lines(err, done=done)


def as_bars(mode: str) -> bool:
    """Tell whether progress is shown as bars."""
    return mode == "auto" and draws(sys.stderr)


class Lines:
    """Plain progress: a line every ``interval`` seconds of the run."""

    def __init__(self, write: Callable[[str], None], interval: float = INTERVAL, done: str = "written") -> None:
        self._write = write
        self._done = done
        self._interval = interval
        self._next = interval

    def __call__(self, progress: Progress) -> None:
        if progress.seconds >= self._next:
            self._next = progress.seconds + self._interval
            self._write(line(progress, self._done))


def line(progress: Progress, done: str = "written") -> str:
    """The state of a run on one line."""
    share = f"{percent(progress.fraction)}  " if progress.fraction is not None else ""
    parts = [
        f"{clock(progress.seconds)}  {share}{counts(progress, done)}",
        f"{progress.items_per_second:,.0f} items/s",
        rates(progress),
        f"{duration(progress.eta)} left" if progress.eta and progress.fraction != 1 else "",
        f"waiting: {visible(progress.waiting)}" if progress.waiting else "",
    ]
    return "; ".join(part for part in parts if part)


def counts(progress: Progress, done: str = "written") -> str:
    """What has happened to the items so far."""
    texts = [
        f"{progress.read:,} read",
        f"{progress.filtered:,} filtered out",
        f"{progress.written:,} {done}",
        f"{progress.rejected:,} rejected",
    ]
    if progress.skipped:
        texts.append(f"{progress.skipped:,} skipped")
    if progress.unchanged:
        texts.append(f"{progress.unchanged:,} there already")
    if progress.collisions:
        texts.append(f"{progress.collisions:,} of a key that another row had")
    return ", ".join(texts)


def rates(progress: Progress) -> str:
    """The units per second, against the budgets."""
    budgets = [table.budget for table in progress.tables if not table.all_read]
    budget = sum(b for b in budgets if b is not None) if budgets and None not in budgets else None
    reading = sum(table.rate for table in progress.tables)
    texts = [f"reading {against(reading, budget)}"] if budgets else []
    if progress.write_units or progress.write_rate:
        texts.append(f"writing {against(progress.write_rate, progress.write_budget)}")
    return ", ".join(texts) + " units/s" if texts else ""
