"""Budgets by a clock of the test: no window uses more than its share, and nothing waits longer than it must."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import servers
import tables
from fake_dynamodb import Fake, Item
from hypothesis import given, settings
from hypothesis import strategies as st
from planned import HERE, planned

import ddbetl
from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import LOOK, Budget
from ddbetl.connectors.dynamodb.control import Control
from ddbetl.engine.executor import Job, open_job
from ddbetl.engine.loop import run_async
from ddbetl.engine.rejects import RejectFile
from ddbetl.plan.catalog import Connection
from ddbetl.plan.physical import PhysicalPlan


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time: its clock goes on to the next thing that is due."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        select = self._selector.select  # type: ignore[attr-defined]

        def at_once(timeout: float | None = None) -> Any:
            if timeout:
                self.now += timeout
            return select(0)

        self._selector.select = at_once  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, None]]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        runner.run(main(loop))


@dataclass
class Load:
    """Requests against a budget: when each was let go, and what it used."""

    budget: Budget
    loop: VirtualLoop
    begun: list[tuple[float, float]] = field(default_factory=list)

    async def request(self, estimate: float, used: float, seconds: float) -> None:
        await self.budget.acquire(estimate)
        self.begun.append((self.loop.now, used))
        await asyncio.sleep(seconds)
        self.budget.settle(estimate, used)

    def assert_within(self, slack: float) -> None:
        """No window uses more than rate × window + burst + ``slack``."""
        assert self.budget.rate is not None
        for first in range(len(self.begun)):
            total = 0.0
            for at, used in self.begun[first:]:
                total += used
                allowed = self.budget.rate * (at - self.begun[first][0]) + self.budget.rate + slack
                assert total <= allowed * (1 + 1e-9), f"{total} units, {allowed} allowed"


RATES = st.floats(0.5, 5000)
UNITS = st.floats(0.5, 300)


@settings(max_examples=60, deadline=None)
@given(RATES, st.lists(UNITS, min_size=1, max_size=60), st.integers(1, 16), st.floats(0, 0.2), st.integers(0, 2**32))
def test_no_window_exceeds_the_rate_by_more_than_a_request(
    rate: float, requests: list[float], workers: int, seconds: float, seed: int
) -> None:
    draw = random.Random(seed)

    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(rate, clock=loop.time), loop)
        waiting = list(requests)

        async def work() -> None:
            while waiting:
                units = waiting.pop()
                await asyncio.sleep(draw.random() * draw.choice((0, 0, 5)))
                await load.request(units, units, seconds)

        await asyncio.gather(*(work() for _ in range(workers)))
        load.assert_within(max(requests))
        assert load.budget.used == pytest.approx(sum(requests))

    run(main)


@settings(max_examples=60, deadline=None)
@given(RATES, st.lists(st.tuples(UNITS, UNITS), min_size=1, max_size=60), st.integers(1, 8))
def test_wrong_estimates_are_made_good(rate: float, requests: list[tuple[float, float]], workers: int) -> None:
    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(rate, clock=loop.time), loop)
        started = loop.now
        waiting = list(requests)

        async def work() -> None:
            while waiting:
                estimate, used = waiting.pop()
                await load.request(estimate, used, 0.001)

        await asyncio.gather(*(work() for _ in range(workers)))
        # What may be in flight at once has not been corrected yet; one worker alone knows all but its own request.
        errors = sorted((max(0.0, used - estimate) for estimate, used in requests), reverse=True)
        load.assert_within(max(max(pair) for pair in requests) + sum(errors[: workers - 1]))
        total = sum(used for _, used in requests)
        assert load.budget.used == pytest.approx(total)
        # Nothing waits for what an estimate was too high, but until the next look.
        over = sorted((max(0.0, estimate - used) for estimate, used in requests), reverse=True)
        looks = (LOOK + 0.002) * len(requests)
        assert loop.now - started <= total / rate + sum(over[:workers]) / rate + looks

    run(main)


def test_a_first_page_that_is_dearer_than_expected_leaves_a_debt() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(10, clock=loop.time)
        started = loop.now
        await budget.acquire(1)
        assert loop.now == started
        budget.settle(1, 100)
        await budget.acquire(1)
        assert loop.now - started == pytest.approx(10)
        assert budget.used == 100

    run(main)


def test_an_estimate_that_was_too_high_is_given_back_to_who_waits() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(2, clock=loop.time)
        started = loop.now
        await budget.acquire(128)
        second = asyncio.create_task(budget.acquire(128))
        await asyncio.sleep(0.01)
        budget.settle(128, 1)
        await second
        assert loop.now - started <= 0.5 + LOOK

    run(main)


def test_saved_up_units_are_at_most_a_quarter_of_a_second_s_worth() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(10, clock=loop.time)
        await asyncio.sleep(1000)
        started = loop.now
        for _ in range(31):
            await budget.acquire(1)
            budget.settle(1, 1)
        # 2.5 saved, one more on credit, the rest at 10 a second.
        assert loop.now - started == pytest.approx(2.75)

    run(main)


def test_first_come_first_served_and_a_cancelled_one_takes_nothing() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(1, clock=loop.time)
        order: list[int] = []

        async def take(number: int) -> None:
            await budget.acquire(1)
            order.append(number)

        started = loop.now
        tasks = [asyncio.create_task(take(number)) for number in range(6)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        tasks[4].cancel()
        await asyncio.wait(tasks)
        assert order == [0, 2, 3, 5]
        assert loop.now - started == pytest.approx(3, abs=0.01)

    run(main)


def test_unlimited_waits_for_nothing_and_counts() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(None, clock=loop.time)
        started = loop.now
        for _ in range(1000):
            await budget.acquire(1e9)
            budget.settle(1e9, 2)
        assert (loop.now, budget.used) == (started, 2000)

    run(main)


def test_the_recent_rate_is_that_of_the_last_seconds() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(50, clock=loop.time)
        assert budget.recent_rate() == 0
        for _ in range(600):
            await budget.acquire(1)
            budget.settle(1, 1)
        assert budget.recent_rate() == pytest.approx(50, rel=0.1)
        await asyncio.sleep(60)
        assert budget.recent_rate() == 0

    run(main)


# Whole jobs


@dataclass
class Time:
    """A clock that goes on when somebody sleeps."""

    now: float = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def finished(plan: PhysicalPlan, access: dict[Connection, Access], time: Time, folder: Path) -> Job:
    """Run a job by this clock."""
    rejects = RejectFile(folder / "rejects.jsonl", plan.logical.source)
    job = open_job(plan, access, rejects, clock=time.clock, sleep=time.sleep)
    run_async(lambda: job.run(Event(), None, 1))
    return job


def run_fake(fake: Fake, plan: PhysicalPlan, time: Time, folder: Path) -> Job:
    async def main() -> Job:
        async with fake.running():
            job = open_job(
                plan,
                {HERE: fake.access()},
                RejectFile(folder / "r", plan.logical.source),
                clock=time.clock,
                sleep=time.sleep,
            )
            await job.run(Event(), None, 1)
            return job

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
