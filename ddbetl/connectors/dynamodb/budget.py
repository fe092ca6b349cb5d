"""A budget in capacity units per second, shared by everything that reads, or writes, one table.

In: how many units a request will probably use, then how many it did use; and that the server throttled. Out: the
moment at which a request may go. Requests go first come, first served, each as soon as those before it are paid for.

Invariant: the requests that go in a window of time, however long or short, use at most rate × window + what the last
of them uses. Beyond that are only

- what requests used that cost more than was expected of them, as long as their answers are not there; from then on
  it is a debt, which is paid before the next one goes;
- what a late wake-up by the event loop has held up and is made good, at most ``CATCH_UP`` seconds' worth: nothing on
  a clock on which every sleep ends when it should.

Time in which nothing waits is lost: nothing is saved up. Where the rate changes, rate × window is its integral.
docs/decisions/0009 says why this is no usual token bucket.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable


class Budget:
    """``limit``: units per second that were asked for, None for no limit. ``used``: units used so far. ``waiting``:
    requests that wait for their turn, as the rate holds them up.

    The clock counts seconds. Every ``acquire`` that returns is followed by one ``settle``.
    """

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.limit = rate
        self.used = 0.0
        self._rate = rate
        # What a rate that was cut grows to; from there on the limit holds again.
        self._goal = 0.0
        self._clock = clock
        self._sleep = sleep
        # When the first in the queue is to wake up: whatever is later than this has been held up.
        self._at = self._started = self._until = clock()
        # No cut in the first second either: what is really used is not known yet.
        self._cut_at = self._started
        # Units that are still to be paid for, negative; positive only by what a late wake-up has held up.
        self._balance = 0.0
        self._turn = asyncio.Lock()
        self.waiting = 0
        self._in_flight = 0
        self._alone = False
        # What was used from when on, over the last seconds, and its sum: thousands of requests a second are looked at
        # often.
        self._recent: deque[tuple[float, float]] = deque()
        self._recent_used = 0.0

    @property
    def rate(self) -> float | None:
        """Units per second now in force: the limit, or less for a while after throttling. None: as fast as it goes."""
        self._look()
        return self._rate

    async def acquire(self, units: float) -> None:
        """Wait until everything before is paid for, then take ``units`` on credit."""
        # First of all, while it does not wait yet: time in which nothing waited is lost.
        self._look()
        if self._rate is not None or self.waiting:
            await self._wait_for_turn(units)
        self._alone = self._in_flight == 0
        self._in_flight += 1

    async def _wait_for_turn(self, units: float) -> None:
        self.waiting += 1
        try:
            async with self._turn:
                while (wait := self._wait()) > 0:
                    await self._rest(min(wait, LOOK))
                if self._rate is not None:
                    self._balance -= units
        finally:
            self.waiting -= 1

    def settle(self, estimated: float, used: float) -> None:
        """Correct an acquired estimate by what the server said it was."""
        self._look()
        self.used += used
        if self._recent and self._at < self._recent[-1][0] + GRAIN:
            since, before = self._recent[-1]
            self._recent[-1] = (since, before + used)
        else:
            self._recent.append((self._at, used))
        self._recent_used += used
        self._in_flight -= 1
        if self._rate is None:
            return
        if used > estimated:
            self._balance -= used - estimated
        elif self._alone:
            # Given back as long as it holds up the next one. Once another has gone, the time is spent, and what the
            # balance lacks is that one's.
            self._balance = min(self._balance + estimated - used, max(self._balance, 0.0))

    def set_limit(self, units: float | None) -> None:
        """Change the limit. A rate that throttling has cut is not raised by it, but grows to the new limit."""
        self._look()
        recovers, self.limit = self._rate != self.limit, units
        if not recovers or (self._rate is not None and units is not None and units <= self._rate):
            self._rate = units
        elif units is not None:
            self._goal = units
        self._balance = min(self._balance, 0.0)

    def throttled(self) -> None:
        """Cut the rate, once a second however many requests were throttled; from then on it grows again."""
        self._look()
        if self._at < self._cut_at + CUT_SECONDS:
            return
        self._cut_at = self._at
        really = self.recent_rate()
        before = really if self._rate is None else min(self._rate, really)
        if self.limit is not None:
            self._goal = self.limit
        else:
            # Well past what was throttled; and never lower than before while it still grows.
            self._goal = max(2 * before, LEAST_GOAL, self._goal if self._rate is not None else 0.0)
        self._rate = max(before * CUT, min(FLOOR, self._goal))
        self._balance = min(self._balance, 0.0)

    def recent_rate(self) -> float:
        """Units per second over the last seconds."""
        self._look()
        # The first seconds of a run are their own window.
        return self._recent_units() / min(WINDOW, max(self._at - self._started, 1.0))

    def _recent_units(self) -> float:
        while self._recent and self._recent[0][0] < self._at - WINDOW:
            self._recent_used -= self._recent.popleft()[1]
        if not self._recent:
            # Nothing of what rounding has left over stays.
            self._recent_used = 0.0
        return self._recent_used

    def _look(self) -> None:
        """Add what has come in since the last look, and let a rate that was cut grow."""
        now = self._clock()
        if self._rate is None:
            self._at = now
            self._balance = 0.0
            return
        seconds, self._at = now - self._at, now
        late = min(now - self._until, CATCH_UP) if self.waiting else 0.0
        self._balance = min(self._balance + seconds * self._rate, max(late * self._rate, self._balance, 0.0))
        if self._rate != self.limit:
            self._rate += self._goal * GROWTH * seconds
            if self._rate >= self._goal:
                self._rate = self.limit

    def _wait(self) -> float:
        """Seconds until everything is paid for."""
        self._look()
        # A clock that counts in floats would never come to the last bit of a debt.
        if self._rate is None or self._balance >= -1e-9 * self._rate:
            return 0.0
        return -self._balance / self._rate

    async def _rest(self, seconds: float) -> None:
        self._until = self._clock() + seconds
        await self._sleep(seconds)
        if self._until - self._clock() > 1e-6:
            # The timers of uvloop count whole milliseconds and come early: asking again and again would be a busy loop.
            await self._sleep(TICK)


# Seconds over which a rate is shown.
WINDOW = 5.0
# What is used within so many seconds is remembered as one.
GRAIN = 0.05
# The longest rest of the first in the queue, in seconds: then it sees what was given back, and a new rate.
LOOK = 0.1
# Seconds' worth of units that late wake-ups may hold up without their being lost.
CATCH_UP = 0.02
# The shortest rest that every event loop can do, in seconds.
TICK = 0.001
# Throttling leaves this part of the rate, not more often than once in so many seconds, and never less than the floor.
CUT = 0.7
CUT_SECONDS = 1.0
FLOOR = 1.0
# The part of its goal by which a rate that was cut grows each second.
GROWTH = 0.01
# Where there is no limit: the lowest rate at which throttling is forgotten.
LEAST_GOAL = 100.0
