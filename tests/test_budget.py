"""Whole jobs by a clock of the test: a job reads and writes as fast as its budgets let it, and no faster."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
import servers
import tables
from fake_dynamodb import Fake, Item
from planned import HERE, planned

import ddbetl
from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import LOOK
from ddbetl.connectors.dynamodb.control import Control
from ddbetl.engine.executor import Job, Outlook
from ddbetl.engine.log import EventLog
from ddbetl.engine.loop import run_async
from ddbetl.engine.runs import open_job, record_of
from ddbetl.engine.store import JobStore
from ddbetl.plan.catalog import Connection
from ddbetl.plan.physical import PhysicalPlan


@dataclass
class Time:
    """A clock that goes on when somebody sleeps."""

    now: float = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def run(plan: PhysicalPlan, access: dict[Connection, Access], time: Time, folder: Path) -> Job:
    """Run a job by this clock."""
    shutil.rmtree(folder, ignore_errors=True)
    with closing(JobStore.create(folder, record_of(plan, "job", "2017-04-26T10:15:30Z", {}))) as store:
        log = EventLog([folder / "log"], "job")
        job = open_job(plan, access, store, log, clock=time.clock, sleep=time.sleep)
        try:
            await job.run(Event(), Outlook())
        finally:
            log.close()
        return job


def finished(plan: PhysicalPlan, access: dict[Connection, Access], time: Time, folder: Path) -> Job:
    return run_async(lambda: run(plan, access, time, folder / "job"))


def run_fake(fake: Fake, plan: PhysicalPlan, time: Time, folder: Path) -> Job:
    async def main() -> Job:
        async with fake.running():
            return await run(plan, {HERE: fake.access()}, time, folder / "job")

    return run_async(main)


def some(count: int) -> list[Item]:
    return [{"id": {"S": f"i{i:05}"}, "x": {"S": "x" * 100}} for i in range(count)]


@pytest.mark.parametrize("rate", [5, 50, 400])
@pytest.mark.parametrize("segments", [1, 7])
def test_a_job_reads_as_fast_as_it_may_and_no_faster(rate: int, segments: int, tmp_path: Path) -> None:
    fake = Fake({"One": some(2000)})
    plan = planned(
        f"SELECT * FROM One WITH (read = {rate} rcu, write = unlimited, segments = {segments})", into="Target"
    )
    time = Time()
    job = run_fake(fake, plan, time, tmp_path)
    (table,) = job.meter.progress().tables
    assert (table.read, table.units, table.written) == (2000, 1000, 2000)
    # A page is 20 units; the first pages are estimated at 128.
    assert time.now >= (1000 - rate - 20) / rate - segments * LOOK
    assert time.now <= 1000 / rate + 2 + segments * LOOK


@pytest.mark.parametrize("rate", [20, 300])
def test_a_job_writes_as_fast_as_it_may_and_no_faster(rate: int, tmp_path: Path) -> None:
    fake = Fake({"One": some(2000)})
    plan = planned(f"SELECT * FROM One WITH (read = unlimited, write = {rate} wcu)", into="Target")
    time = Time()
    job = run_fake(fake, plan, time, tmp_path)
    progress = job.meter.progress()
    assert (progress.written, progress.write_units) == (2000, 2000)
    assert time.now >= (2000 - rate - 25) / rate - 1
    assert time.now <= 2000 / rate + 2


def test_units_that_a_server_reports_are_charged(
    running_server: Callable[[str], servers.Server], prefix: str, tmp_path: Path
) -> None:
    """Dynoxide reports what DynamoDB would charge; read and written at so many units a second, by the test's clock."""
    server = running_server("dynoxide")
    tables.create(server, f"{prefix}source", ("id", "S"))
    tables.create(server, f"{prefix}target", ("id", "S"))
    items = [{"id": {"S": f"i{i:04}"}, "x": {"S": "x" * (i % 7 * 1000)}} for i in range(400)]
    tables.fill(server, f"{prefix}source", items)
    for option, other in (("read = 20 rcu", "write = unlimited"), ("write = 200 wcu", "read = unlimited")):
        spec = f"SELECT * FROM {prefix}source WITH ({option}, {other}, segments = 1)"
        plan = ddbetl.compile(spec, into=f"{prefix}target", on_conflict="replace", endpoint_url=server.endpoint_url)
        connection = Connection(endpoint=server.endpoint_url)
        control = Control.open(connection)
        time = Time()
        job = finished(plan.physical, {connection: control.access(64)}, time, tmp_path)
        control.close()
        progress = job.meter.progress()
        size = sum(len("id") + 5 + len("x") + len(item["x"]["S"]) for item in items)
        # Each of the segments' pages is rounded up to half a unit.
        assert size / 8192 <= progress.read_units <= size / 8192 + 4
        assert progress.write_units == sum(-(-(8 + len(item["x"]["S"])) // 1024) for item in items)
        used, rate = (progress.read_units, 20) if option.startswith("read") else (progress.write_units, 200)
        largest = 128 if option.startswith("read") else 25 * 7
        # The clock runs on while a request is under way, so a first page's estimate may be waited for in full.
        assert (used - rate - largest) / rate <= time.now <= (used + largest) / rate + 1
    assert len(tables.read(server, f"{prefix}target")) == 400
