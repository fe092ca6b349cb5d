"""What a run is doing, and what it has done.

Out of the executor, into the command line and the user's own programs. Invariant: read = filtered + rejected + skipped
+ passed for every table, at every moment at which no page is half done.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddbetl.engine.folder import open_private
from ddbetl.engine.state import usable

# The report's file in the folder of a job.
REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class TableProgress:
    """One source table. ``expected``: items by DynamoDB's own count, 0 where it does not know. Units are read units.

    ``passed`` rows were handed to the writer; ``written`` of them are acknowledged. ``segments_read`` of the segments
    are read to their end, and of ``segments_done`` all rows are written too. ``budget``: units per second, None for
    unlimited. ``rate``: units per second over the last seconds.
    """

    name: str
    expected: int
    read: int
    filtered: int
    passed: int
    written: int
    rejected: int
    skipped: int
    units: float
    rate: float
    budget: float | None
    segments: int
    segments_done: int
    seconds: float
    segments_read: int = 0

    @property
    def all_read(self) -> bool:
        return max(self.segments_read, self.segments_done) == self.segments


@dataclass(frozen=True, slots=True)
class Progress:
    """The whole run at a moment. ``fraction`` (0 to 1) and ``eta`` (seconds) are None where they cannot be told.

    ``items_per_second``: items finished (written, or left out), over the last seconds.
    ``write_rate``, ``write_budget``: write units per second.
    ``waiting``: what the run is waiting for, when that is not its own budget: a throttled table, a lost connection.
    """

    seconds: float
    tables: tuple[TableProgress, ...]
    fraction: float | None
    eta: float | None
    items_per_second: float
    write_units: float
    write_rate: float
    write_budget: float | None
    retries: int
    waiting: str | None

    @property
    def read(self) -> int:
        return sum(t.read for t in self.tables)

    @property
    def filtered(self) -> int:
        return sum(t.filtered for t in self.tables)

    @property
    def written(self) -> int:
        return sum(t.written for t in self.tables)

    @property
    def rejected(self) -> int:
        return sum(t.rejected for t in self.tables)

    @property
    def skipped(self) -> int:
        return sum(t.skipped for t in self.tables)

    @property
    def read_units(self) -> float:
        return sum(t.units for t in self.tables)


@dataclass(frozen=True, slots=True)
class RejectCause:
    """Rejected rows with one code and message pattern: how many, and the first of them."""

    code: str
    message: str
    count: int


@dataclass(frozen=True, slots=True)
class RunReport:
    """A finished run. ``outcome``: done, limit (LIMIT reached), interrupted or failed; running, in
    the file of a run that has not ended. ``rejects``: the file, if there are any.

    ``job``: its id. ``by_reference``: rows that went through the reference evaluator. ``half_done``: rows that were
    written besides, of pages of which others were not; another run writes them again.
    """

    job: str
    outcome: str
    target: str
    progress: Progress
    by_reference: int
    half_done: int
    causes: tuple[RejectCause, ...]
    rejects: str | None
    folder: str

    @property
    def seconds(self) -> float:
        return self.progress.seconds


def as_json(report: RunReport) -> dict[str, Any]:
    """The report as a JSON value: what ``run --json`` prints and ``report.json`` holds."""
    progress = report.progress
    return {
        "ddbetl_run": 1,
        "job": report.job,
        "outcome": report.outcome,
        "target": report.target,
        "seconds": round(report.seconds, 3),
        "read": progress.read,
        "filtered": progress.filtered,
        "skipped": progress.skipped,
        "written": progress.written,
        "rejected": progress.rejected,
        "read_units": progress.read_units,
        "write_units": progress.write_units,
        "retries": progress.retries,
        "by_reference": report.by_reference,
        "half_done": report.half_done,
        "tables": [
            {
                "table": one.name,
                "read": one.read,
                "filtered": one.filtered,
                "skipped": one.skipped,
                "written": one.written,
                "rejected": one.rejected,
                "read_units": one.units,
                "seconds": round(one.seconds, 3),
            }
            for one in progress.tables
        ],
        "causes": [{"code": c.code, "message": c.message, "count": c.count} for c in report.causes],
        "rejects": report.rejects,
        "folder": report.folder,
    }


def write_report(report: RunReport, path: Path) -> None:
    """Keep the report beside the rejects."""
    with usable(path.parent), os.fdopen(open_private(path, os.O_TRUNC), "w", encoding="utf-8") as file:
        json.dump(as_json(report), file, indent=2)
        file.write("\n")
