"""What a run is doing, and what it has done.

Out of the executor, into the command line and the user's own programs. Invariant: the counts of every table add
up as those of engine.counts do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from ddbetl.engine.folder import open_private
from ddbetl.engine.state import usable

# The report's file in the folder of a job.
REPORT = "report.json"
# So many collisions of a job are told with both rows.
MOST_PAIRS = 100


@dataclass(frozen=True, slots=True)
class TableProgress:
    """One source table; its numbers of items are those of Counts. ``expected``: items by DynamoDB's own count, 0 where
    it does not know. Units are read units.

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
    unchanged: int = 0
    collisions: int = 0

    @property
    def all_read(self) -> bool:
        return max(self.segments_read, self.segments_done) == self.segments


@dataclass(frozen=True, slots=True)
class Progress:
    """The whole run at a moment. ``fraction`` (0 to 1) and ``eta`` (seconds) are None where they cannot be told.

    ``items_per_second``: items finished (written, or left out), over the last seconds.
    ``write_rate``, ``write_budget``: write units per second. ``target_read_units``: to see what is there already.
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
    target_read_units: float = 0.0

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
    def unchanged(self) -> int:
        return sum(t.unchanged for t in self.tables)

    @property
    def collisions(self) -> int:
        return sum(t.collisions for t in self.tables)

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
class SourceRow:
    """A row by where it came from; ``key``: of its source item, in DynamoDB JSON."""

    table: str
    key: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CollisionPair:
    """Two source rows of a job with one target key; ``first`` came first."""

    key: Mapping[str, Any]
    first: SourceRow
    later: SourceRow


@dataclass(frozen=True, slots=True)
class Met:
    """A key of the table ``target`` that the row ``first`` of another job has, for which a reject came too late."""

    target: str
    key: Mapping[str, Any]
    first: SourceRow


@dataclass(frozen=True, slots=True)
class RunReport:
    """A finished run. ``outcome``: done, limit (LIMIT reached), interrupted or failed; running, in
    the file of a run that has not ended. ``rejects``: the file, if there are any.

    ``job``: its id. ``by_reference``: rows that went through the reference evaluator. ``half_done``: rows that were
    written besides, of pages of which others were not; another run writes them again. ``action``: see Action.
    ``runs``: how many the job has had, this one included.
    ``collisions``: what was done with a row that met another's key (reject, fail, allow), None where no two can meet;
    ``pairs``: the first hundred of them.
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
    action: str = "REPLACE"
    collisions: str | None = None
    pairs: tuple[CollisionPair, ...] = ()
    runs: int = 1

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
        "action": report.action,
        "target": report.target,
        "seconds": round(report.seconds, 3),
        "read": progress.read,
        "filtered": progress.filtered,
        "skipped": progress.skipped,
        "unchanged": progress.unchanged,
        "written": progress.written,
        "rejected": progress.rejected,
        "collisions": {
            "counted": report.collisions is not None,
            "rows": progress.collisions,
            "first": [asdict(pair) for pair in report.pairs],
        },
        "read_units": progress.read_units,
        "write_units": progress.write_units,
        "target_read_units": progress.target_read_units,
        "retries": progress.retries,
        "by_reference": report.by_reference,
        "half_done": report.half_done,
        "tables": [
            {
                "table": one.name,
                "read": one.read,
                "filtered": one.filtered,
                "skipped": one.skipped,
                "unchanged": one.unchanged,
                "written": one.written,
                "rejected": one.rejected,
                "collisions": one.collisions,
                "read_units": one.units,
                "seconds": round(one.seconds, 3),
            }
            for one in progress.tables
        ],
        "causes": [{"code": c.code, "message": c.message, "count": c.count} for c in report.causes],
        "rejects": report.rejects,
        "folder": report.folder,
    }


def pair_line(pair: CollisionPair) -> bytes:
    """A pair as JSON in ASCII: a key may have half a surrogate pair, which msgspec does not take."""
    return json.dumps(asdict(pair), separators=(",", ":")).encode()


def pairs_of(lines: Sequence[bytes]) -> tuple[CollisionPair, ...]:
    """The pairs that a job keeps, from their JSON."""
    return tuple(msgspec.convert(json.loads(line), CollisionPair) for line in lines)


def write_report(report: RunReport, path: Path) -> None:
    """Keep the report beside the rejects."""
    with usable(path.parent), os.fdopen(open_private(path, os.O_TRUNC), "w", encoding="utf-8") as file:
        json.dump(as_json(report), file, indent=2)
        file.write("\n")
