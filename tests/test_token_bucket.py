"""The budget alone, by a clock of the test: no window uses more than its share, and nothing waits longer than it must."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddbetl.connectors.dynamodb.budget import CATCH_UP, CUT, FLOOR, LOOK, Budget


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which waiting takes no time: its clock goes on to the next thing that is due.

    ``lag(waited)``: seconds by which a round of the loop comes late, after it has waited so long.
    """

    def __init__(self, lag: Callable[[float], float]) -> None:
        super().__init__()
        self.now = 1000.0
        select = self._selector.select  # type: ignore[attr-defined]

        def at_once(timeout: float | None = None) -> Any:
            self.now += (timeout or 0.0) + lag(timeout or 0.0)
            return select(0)

        self._selector.select = at_once  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


def punctual(waited: float) -> float:
    return 0.0


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, None]], lag: Callable[[float], float] = punctual) -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(lag)) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        runner.run(main(loop))


@dataclass
class Request:
    """A request that went: when, and as the how many-th event of all; its answer came as the ``settled``-th."""

    at: float
    event: int
    estimate: float
    used: float
    settled: int = 0


@dataclass
class Load:
    """Requests against a budget, in the order in which they went."""

    budget: Budget
    loop: VirtualLoop
    gone: list[Request] = field(default_factory=list)
    events: int = 0

    async def request(self, estimate: float, used: float, seconds: float) -> None:
        await self.budget.acquire(estimate)
        request = Request(self.loop.now, self._event(), estimate, used)
        self.gone.append(request)
        await asyncio.sleep(seconds)
        self.budget.settle(estimate, used)
        request.settled = self._event()

    def _event(self) -> int:
        self.events += 1
        return self.events

    def assert_within(self, rate: float, caught_up: float) -> None:
        """No window uses more than rate × window + its last request's units, but for what the module's text says."""
        for end, last in enumerate(self.gone):
            before = unknown = 0.0
            for request in reversed(self.gone[:end]):
                before += request.used
                if request.settled > last.event:
                    unknown += max(0.0, request.used - request.estimate)
                allowed = rate * (last.at - request.at) + unknown + caught_up
                # The clock's floats are good for a millionth of a second.
                assert before <= allowed + 1e-6 * (rate + before), f"{before} units, {allowed} allowed"


RATES = st.floats(0.5, 50_000)
UNITS = st.floats(0.5, 300)
# What a request is expected to use, and what it uses: often the same.
PAIRS = st.one_of(UNITS.map(lambda units: (units, units)), st.tuples(UNITS, UNITS))
LATENCIES = st.sampled_from((0.0, 0.001, 0.02, 0.2, 3.0))
LAGS = st.sampled_from((0.0, 0.0, 0.0003, 0.003, 0.05, 0.5))


@settings(max_examples=200, deadline=None)
@given(
    RATES,
    st.lists(PAIRS, min_size=1, max_size=60),
    st.integers(1, 24),
    LATENCIES,
    LAGS,
    st.sampled_from((0.0, 0.01, 5.0)),
    st.integers(0, 2**32),
)
def test_no_window_exceeds_the_rate_by_more_than_its_last_request(
    rate: float,
    requests: list[tuple[float, float]],
    workers: int,
    latency: float,
    lag: float,
    pause: float,
    seed: int,
) -> None:
    draw = random.Random(seed)

    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(rate, clock=loop.time), loop)
        waiting = list(requests)

        async def work() -> None:
            while waiting:
                estimate, used = waiting.pop()
                await asyncio.sleep(draw.random() * draw.choice((0.0, 0.0, pause)))
                await load.request(estimate, used, latency * draw.random())

        await asyncio.gather(*(work() for _ in range(workers)))
        load.assert_within(rate, rate * CATCH_UP if lag else 0.0)
        assert load.budget.used == pytest.approx(sum(used for _, used in requests))

    # Now and then only: a late round after which the next ones are in time is what lets several go at once.
    run(main, lambda waited: lag * draw.random() * draw.choice((0, 0, 0, 1)))


@settings(max_examples=100, deadline=None)
@given(RATES, st.lists(UNITS, min_size=2, max_size=60), st.sampled_from((0.0, 0.001, CATCH_UP)), st.integers(0, 2**32))
def test_late_wake_ups_cost_nothing(rate: float, requests: list[float], lag: float, seed: int) -> None:
    draw = random.Random(seed)

    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(rate, clock=loop.time), loop)
        started = loop.now
        await asyncio.gather(*(load.request(units, units, 0.0) for units in requests))
        assert [request.used for request in load.gone] == requests
        # Everybody waits from the beginning: each goes when those before it are paid for, late only by its own lag.
        ideal = sum(requests[:-1]) / rate
        assert ideal - CATCH_UP - 1e-6 <= load.gone[-1].at - started <= ideal * (1 + 1e-6) + lag + 1e-6

    run(main, lambda waited: lag * draw.random() if waited else 0.0)


def test_requests_go_one_by_one_from_the_first_moment_and_after_a_pause() -> None:
    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(10, clock=loop.time), loop)
        for _ in range(2):
            started = loop.now
            await asyncio.gather(*(load.request(2, 2, 0.0) for _ in range(5)))
            went = [request.at - started for request in load.gone[-5:]]
            assert went == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
            await asyncio.sleep(1000)

    run(main)


def test_a_page_that_is_dearer_than_expected_leaves_a_debt() -> None:
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


def test_what_is_given_back_late_is_not_another_s() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(10, clock=loop.time)
        await budget.acquire(10)
        await budget.acquire(10)
        second = loop.now
        budget.settle(10, 0)
        await budget.acquire(10)
        assert loop.now - second == pytest.approx(1)

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
        # The first of those that wait, and one behind it.
        tasks[1].cancel()
        tasks[4].cancel()
        await asyncio.wait(tasks)
        assert order == [0, 2, 3, 5]
        assert loop.now - started == pytest.approx(3)

    run(main)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30)), min_size=1, max_size=20))
def test_cancelling_neither_loses_nor_makes_units(waiters: list[tuple[float, float]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(2, clock=loop.time), loop)

        async def wait(comes: float, patience: float) -> None:
            await asyncio.sleep(comes)
            try:
                async with asyncio.timeout(patience):
                    await load.request(1, 1, 0.0)
            except TimeoutError:
                pass

        async def patient() -> None:
            for _ in range(80):
                await load.request(1, 1, 0.0)

        await asyncio.gather(patient(), *(wait(*times) for times in waiters))
        load.assert_within(2, 0.0)
        # Somebody waits all the time, so there is never a gap.
        assert all(after.at - before.at == pytest.approx(0.5) for before, after in pairwise(load.gone))

    run(main)


def test_timers_that_come_early_are_not_asked_without_end() -> None:
    asked: list[float] = []

    async def main(loop: VirtualLoop) -> None:
        async def sleep(seconds: float) -> None:
            asked.append(seconds)
            await asyncio.sleep(int(seconds * 1000) / 1000)

        budget = Budget(10_000, clock=loop.time, sleep=sleep)
        started = loop.now
        for _ in range(1000):
            await budget.acquire(4)
            budget.settle(4, 4)
        assert loop.now - started == pytest.approx(999 * 0.0004, abs=CATCH_UP)

    run(main)
    assert len(asked) <= 1000


def test_unlimited_waits_for_nothing_and_counts() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(None, clock=loop.time)
        started = loop.now
        for _ in range(1000):
            await budget.acquire(1e9)
            budget.settle(1e9, 2)
        assert (loop.now, budget.used, budget.rate) == (started, 2000, None)

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


# A new limit


@pytest.mark.parametrize("limit", [None, 1e6])
def test_a_higher_limit_frees_who_waits(limit: float | None) -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(1, clock=loop.time)
        await budget.acquire(1000)
        waiting = [asyncio.create_task(budget.acquire(1)) for _ in range(10)]
        await asyncio.sleep(5)
        raised = loop.now
        budget.set_limit(limit)
        await asyncio.wait(waiting)
        assert loop.now - raised <= LOOK
        assert (budget.rate, budget.limit) == (limit, limit)

    run(main)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 2), st.floats(1, 600)), min_size=1, max_size=5), st.integers(1, 8))
def test_a_new_limit_holds_from_its_moment_on(changes: Sequence[tuple[float, float]], workers: int) -> None:
    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(100, clock=loop.time), loop)

        async def work() -> None:
            while True:
                await load.request(7, 7, 0.01)

        tasks = [asyncio.create_task(work()) for _ in range(workers)]
        await asyncio.sleep(1)
        for seconds, limit in changes:
            load.budget.set_limit(limit)
            load.gone.clear()
            await asyncio.sleep(seconds)
            load.assert_within(limit, 0.0)
        for task in tasks:
            task.cancel()

    run(main)


def test_a_lower_limit_leaves_nothing_saved_up() -> None:
    async def main(loop: VirtualLoop) -> None:
        load = Load(Budget(40_000, clock=loop.time), loop)
        await asyncio.gather(*(load.request(25, 25, 0.0) for _ in range(100)))
        load.budget.set_limit(10)
        load.gone.clear()
        await asyncio.gather(*(load.request(5, 5, 0.0) for _ in range(5)))
        load.assert_within(10, 0.0)

    run(main, lambda waited: 0.01 if waited else 0.0)


# Throttling


@dataclass
class Throttling:
    """A server that takes ``rate`` units a second, saving up one second's worth, and refuses what is more."""

    rate: float
    loop: VirtualLoop
    used: float = 0.0
    at: float = 0.0
    saved: float = 0.0

    def takes(self, units: float) -> bool:
        self.saved = min(self.rate, self.saved + (self.loop.now - self.at) * self.rate)
        self.at = self.loop.now
        if self.saved < units:
            return False
        self.saved -= units
        self.used += units
        return True


async def put(budget: Budget, server: Throttling, units: float) -> None:
    """Requests without end, each again until the server takes it."""
    while True:
        await budget.acquire(units)
        await asyncio.sleep(0.005)
        if server.takes(units):
            budget.settle(units, units)
        else:
            budget.throttled()
            budget.settle(units, 0.0)


@pytest.mark.parametrize(
    ("limit", "rate"), [(100.0, 50.0), (5000.0, 50.0), (1000.0, 900.0), (40_000.0, 1000.0), (None, 300.0), (None, 50.0)]
)
def test_the_rate_finds_what_the_server_takes_and_comes_back(limit: float | None, rate: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        server = Throttling(rate, loop, at=loop.now)
        budget = Budget(limit, clock=loop.time)
        tasks = [asyncio.create_task(put(budget, server, max(5.0, rate / 50))) for _ in range(8)]
        await asyncio.sleep(30)
        for _ in range(5):
            before = server.used
            await asyncio.sleep(40)
            assert 0.6 * rate <= (server.used - before) / 40 <= rate * 1.05
            assert budget.used == pytest.approx(server.used)
        server.rate = 1e9
        # Wherever it was, a hundredth of its goal a second brings it there.
        await asyncio.sleep(101)
        assert (budget.rate, budget.limit) == (limit, limit)
        for task in tasks:
            task.cancel()

    run(main)


def test_many_throttled_requests_cut_once_a_second_to_a_part_of_what_was_used() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(1000, clock=loop.time)
        for _ in range(500):
            await budget.acquire(1)
            budget.settle(1, 1)
            await asyncio.sleep(0.01)
        used = budget.recent_rate()
        assert used == pytest.approx(100, rel=0.02)
        for _ in range(50):
            budget.throttled()
        assert budget.rate == pytest.approx(used * CUT)
        assert budget.limit == 1000
        await asyncio.sleep(1)
        assert budget.rate == pytest.approx(used * CUT + 10)
        await asyncio.sleep(100)
        assert budget.rate == 1000

    run(main)


def test_a_rate_never_falls_below_the_floor_or_the_limit_below_it() -> None:
    async def main(loop: VirtualLoop) -> None:
        for limit, floor in ((1000.0, FLOOR), (0.25, 0.25), (None, FLOOR)):
            budget = Budget(limit, clock=loop.time)
            # In its first second nothing is known.
            budget.throttled()
            assert budget.rate == limit
            for _ in range(20):
                await asyncio.sleep(1.5)
                budget.throttled()
                rate = budget.rate
                assert rate is not None and rate >= floor

    run(main)


def test_a_new_limit_after_throttling() -> None:
    async def main(loop: VirtualLoop) -> None:
        budget = Budget(100, clock=loop.time)
        await asyncio.sleep(1)
        budget.throttled()
        budget.set_limit(400)
        assert budget.rate == FLOOR
        await asyncio.sleep(10)
        assert budget.rate == pytest.approx(FLOOR + 40)
        budget.set_limit(20)
        assert budget.rate == 20
        budget.set_limit(200)
        assert budget.rate == 200
        budget.throttled()
        budget.set_limit(None)
        cut = budget.rate
        assert cut is not None and cut < 200
        await asyncio.sleep(101)
        assert budget.rate is None

    run(main)
