"""How many requests are in flight: against servers that are slow, busy or changing, on a clock of the test's own."""

from __future__ import annotations

import gc
import heapq
import resource
import sys
from collections.abc import Callable
from itertools import count

import pytest

from ddbetl.engine import loop
from ddbetl.engine.width import FIRST, LEAST, MOST, Width, most


class Load:
    """Requests that go as fast as they can, so many at once as there should be. ``seconds``: what each takes, by how
    many are in flight when it begins; ``busy``: whether more wait, by what is done."""

    def __init__(
        self,
        seconds: Callable[[int], float],
        busy: Callable[[int], bool] = lambda done: True,
        work: Callable[[int], float] = lambda number: 25.0,
    ) -> None:
        self.now = 0.0
        self.seconds = seconds
        self.busy = busy
        self.work = work
        self.width = Width(lambda: self.now)
        self.done = 0
        self.seen = [self.width.now]
        self.changed = 0.0
        self._out: list[tuple[float, int, float, float]] = []
        self._numbers = count()

    def run(self, seconds: float) -> int:
        """Go on for so long; what is done in that time."""
        ends, before = self.now + seconds, self.done
        while self.now < ends:
            while len(self._out) < self.width.now:
                number = next(self._numbers)
                work = self.work(number)
                took = self.seconds(len(self._out) + 1) * work / 25.0
                heapq.heappush(self._out, (self.now + took, number, self.now, work))
            self.now, _, began, work = heapq.heappop(self._out)
            self.done += 1
            if self.width.done(began, work, self.busy(self.done)):
                self.seen.append(self.width.now)
                self.changed = self.now
        return self.done - before


def server(latency: float, most_a_second: float) -> Callable[[int], float]:
    """One that answers after its latency, and not more than so many requests a second."""
    return lambda in_flight: max(latency, in_flight / most_a_second)


@pytest.mark.parametrize(("latency", "enough"), [(0.002, 10), (0.005, 25), (0.01, 50), (0.02, 100), (0.05, 250)])
def test_there_are_as_many_as_the_latency_asks_for(latency: float, enough: int) -> None:
    load = Load(server(latency, 5_000))
    load.run(5)
    assert load.run(20) > 0.85 * 20 * 5_000
    assert enough / 1.3 <= load.width.now <= 2 * enough


def test_a_server_that_is_never_busy_gets_the_most() -> None:
    load = Load(server(0.1, 1e9))
    load.run(60)
    assert max(load.seen) == load.width.most == MOST
    assert load.width.now >= MOST / 1.5


def test_without_latency_there_are_few() -> None:
    load = Load(server(0.0, 5_000))
    load.run(60)
    assert load.width.now <= 12
    assert max(load.seen) <= 16
    assert min(load.seen) >= LEAST


def test_more_that_only_wait_for_each_other_are_given_back() -> None:
    load = Load(server(0.05, 5_000))
    load.run(10)
    assert load.width.now > 100
    load.seconds = server(0.002, 5_000)
    load.run(60)
    assert load.width.now <= 24


def test_a_latency_that_grows_is_made_up_for() -> None:
    load = Load(server(0.002, 5_000))
    load.run(30)
    assert load.width.now <= 24
    load.seconds = server(0.02, 5_000)
    load.run(20)
    assert load.run(20) > 0.85 * 20 * 5_000


def test_requests_of_all_sizes_count_by_what_is_in_them() -> None:
    load = Load(server(0.01, 5_000), work=lambda number: (1.0, 25.0, 400.0, 7.0)[number % 4])
    load.run(60)
    assert 25 <= load.width.now <= 200


@pytest.mark.parametrize("share", [0.0, 0.5, 0.85])
def test_what_waits_for_something_else_changes_nothing(share: float) -> None:
    """The transform, or a rate, is what holds the writers up."""
    load = Load(server(0.005, 5_000), busy=lambda done: done % 20 < share * 20)
    load.run(30)
    assert load.seen == [FIRST]


def test_what_was_tried_is_taken_back_when_it_cannot_be_judged() -> None:
    load = Load(server(0.005, 1e9))
    load.busy = lambda done: load.width.now <= 2 * FIRST
    load.run(30)
    assert set(load.seen) == {FIRST, 2 * FIRST, 4 * FIRST}
    assert load.seen[-1] <= 4 * FIRST


def test_a_clock_that_stands_still_decides_nothing() -> None:
    found = Width(lambda: 1.0)
    assert not any(found.done(1.0, 25.0, True) for _ in range(1_000))
    assert found.now == FIRST


def test_what_began_before_a_change_does_not_count() -> None:
    load = Load(server(0.05, 1e9))
    while len(load.seen) == 1:
        load.run(0.01)
    changed, found, seen = load.changed, load.width, len(load.seen)
    for _ in range(1_000):
        assert not found.done(changed - 0.01, 25.0, True)
    load.run(1)
    # Each at once by what it could do at best, undisturbed.
    assert load.seen[seen:] == [32, 64, 128, 256]


@pytest.mark.parametrize(
    ("files", "found"),
    [(256, 128), (1024, MOST), (8, LEAST), (10**6, MOST), (resource.RLIM_INFINITY, MOST)],
)
def test_there_are_no_more_than_the_process_may_open(files: int, found: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (files, files))
    assert most() == found


# The garbage collector


def test_a_run_leaves_the_switching_of_threads_as_it_was() -> None:
    before = sys.getswitchinterval()

    async def main() -> float:
        return sys.getswitchinterval()

    assert loop.run_async(main) == pytest.approx(loop.SWITCH_SECONDS)
    assert before > loop.SWITCH_SECONDS
    assert sys.getswitchinterval() == before


def test_a_run_leaves_the_garbage_collector_as_it_was() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()

    async def main() -> tuple[int, int]:
        return gc.get_threshold()[0], gc.get_freeze_count()

    threshold, frozen = loop.run_async(main)
    assert threshold == loop.YOUNG
    assert frozen > 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == before

    async def failing() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop.run_async(failing)
    assert (gc.get_threshold(), gc.get_freeze_count()) == before


def test_what_the_user_has_frozen_or_switched_off_stays_so() -> None:
    threshold = gc.get_threshold()

    async def main() -> tuple[int, ...]:
        return gc.get_threshold()

    gc.freeze()
    gc.set_threshold(0, 5, 5)
    try:
        assert loop.run_async(main) == (0, 5, 5)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*threshold)
    assert gc.get_threshold() == threshold
