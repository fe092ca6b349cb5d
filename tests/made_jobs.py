"""Jobs as runs leave them, made without a run.

In: what is special about a job. Out: its folder in a state folder, written by the store that runs use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from ddbetl.engine.counts import Counts
from ddbetl.engine.report import Progress, TableProgress
from ddbetl.engine.store import JobRecord, JobStore, PinnedTable, SplitState, Totals
from ddbetl.engine.views import JOBS

SPEC = """PARAM domain;
INSERT OVERWRITE Orders
SELECT id, epoch(at) AS t, n + 1 AS n
FROM Old_${domain}_*;
"""
TABLES = ("Old_Devo_201605", "Old_Devo_201606")
SEGMENTS = 4
EXPECTED = 10_000

RECORD = JobRecord(
    id="20261122-230512-1f2e",
    created="2026-11-22T23:05:12+00:00",
    spec="orders.ddbetl",
    target="Orders",
    action="REPLACE",
    collisions=None,
    fingerprint="00112233445566778899",
    identity={},
    inputs={
        "text": SPEC,
        "name": "orders.ddbetl",
        "params": {"domain": "Devo"},
        "lets": ["ttl = 365 days"],
        "options": ["read = 30%"],
        "into": None,
        "on_conflict": None,
        "region": "eu-central-1",
        "profile": None,
        "endpoint_url": None,
        "from_rejects": None,
    },
    now=1_795_388_712_000,
    duckdb="2.0.0",
    tables=tuple(PinnedTable(name, "", f"arn:{name}", "2016-05-01T00:00:00+00:00", SEGMENTS) for name in TABLES),
)

# What a page of each table comes to.
PAGE = Counts(read=1_000, filtered=100, written=890, rejected=0)


def make(state_dir: Path, record: JobRecord = RECORD, **what: Any) -> Path:
    """Make a job whose run has ended; the arguments are those of ``begin``, and ``outcome``, None as of a killed one."""
    outcome = what.pop("outcome", "done")
    store = begin(state_dir, record, **what)
    if outcome is not None:
        store.finish(outcome)
    store.close()
    return store.folder


def begin(
    state_dir: Path,
    record: JobRecord = RECORD,
    *,
    done: int = 2 * SEGMENTS,
    rejects: Sequence[Mapping[str, Any]] = (),
    progress: bool = True,
) -> JobStore:
    """Make a job that this process runs: so many splits are done; the rejects are of the first one."""
    store = JobStore.create(state_dir / JOBS / record.id, record)
    step(store, done, rejects, progress=progress)
    return store


def step(store: JobStore, done: int, rejects: Sequence[Mapping[str, Any]] = (), *, progress: bool = True) -> None:
    """Let so many splits of a job be done."""
    splits = [replace(split, done=True, counts=PAGE) for split in store.splits()[:done]]
    if splits and rejects:
        splits[0] = replace(splits[0], counts=PAGE + Counts(rejected=len(rejects)))
    totals = Totals(3_723.4, tuple(120.5 for _ in store.record.tables), 890.0 * done, 0.0, 3, 2)
    lines = [json.dumps(reject).encode() + b"\n" for reject in rejects]
    store.commit(splits, lines, totals, msgspec.json.encode(seen(store, splits)) if progress else b"")


def seen(store: JobStore, splits: Sequence[SplitState]) -> Progress:
    """The progress that a run would show."""
    tables = []
    for number, table in enumerate(store.record.tables):
        mine = [split for split in splits if split.table == number]
        counts = sum((split.counts for split in mine), Counts())
        tables.append(
            TableProgress(
                name=table.name,
                expected=EXPECTED,
                read=counts.read,
                filtered=counts.filtered,
                passed=counts.written,
                written=counts.written,
                rejected=counts.rejected,
                skipped=0,
                units=120.5,
                rate=412.0,
                budget=500.0,
                segments=SEGMENTS,
                segments_done=len(mine),
                seconds=3_723.4,
            )
        )
    fraction = len(splits) / sum(table.segments for table in store.record.tables)
    return Progress(
        seconds=3_723.4,
        tables=tuple(tables),
        fraction=fraction,
        eta=None if fraction == 1 else 640.0,
        items_per_second=12_345.0,
        write_units=890.0 * len(splits),
        write_rate=95.0,
        write_budget=100.0,
        retries=3,
        waiting=None,
    )


def reject(number: int, **other: Any) -> dict[str, Any]:
    """A line of the file of rejects."""
    item = {"id": {"S": f"o-{number}"}, "at": {"S": f"{number}th of May"}, "n": {"N": "1"}}
    return {
        "table": TABLES[0],
        "key": {"id": item["id"]},
        "code": "R0107",
        "message": f'epoch(at): "{number}th of May" is no time',
        "line": 3,
        "column": 12,
        "item": item,
    } | other
