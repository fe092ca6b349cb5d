"""A token bucket in capacity units, shared by everything that reads, or writes, one table.

In: how many units a request will probably use, then how many it did use. Out: the moment at which it may be sent.
Invariant: over any time the units used are at most rate × time + burst, but for what the last estimates were short of;
a request dearer than expected leaves a debt that is paid before the next one goes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable


class Budget:
    """``rate``: units per second, None for no limit. ``burst``: units that may be used at once, by default
    BURST_SECONDS' worth. The clock counts seconds."""

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        burst: float | None = None,
    ) -> None:
        self.rate = rate
        self.used = 0.0
        self._clock = clock
        self._sleep = sleep
        self._burst = burst
        self._at = self._started = clock()
        # Start with an empty bucket: the first second of a run gets a second's units, not two.
        self._balance = 0.0
        self._turn = asyncio.Lock()
        self._recent: deque[tuple[float, float]] = deque()

    async def acquire(self, units: float) -> None:
        """Wait until the balance is positive, then take ``units``, which may leave a debt. First come, first served."""
        if self.rate is None:
            return
        async with self._turn:
            while (wait := self._wait()) > 0:
                # Not all of it at once: an estimate that was too high is given back in the meantime.
                await self._sleep(min(wait, LOOK))
            self._balance -= units

    def settle(self, estimated: float, used: float) -> None:
        """Correct an acquired estimate by what the server said it was."""
        self.used += used
        now = self._clock()
        self._recent.append((now, used))
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        if self.rate is not None:
            self._balance += estimated - used

    def recent_rate(self) -> float:
        """Units per second over the last seconds."""
        now = self._clock()
        while self._recent and self._recent[0][0] < now - WINDOW:
            self._recent.popleft()
        # The first seconds of a run are their own window.
        return sum(units for _, units in self._recent) / min(WINDOW, max(now - self._started, 1.0))

    def _wait(self) -> float:
        """Seconds until the balance is positive, after adding what has come in since the last look."""
        assert self.rate is not None
        now = self._clock()
        burst = self._burst if self._burst is not None else self.rate * BURST_SECONDS
        self._balance = min(burst, self._balance + (now - self._at) * self.rate)
        self._at = now
        # A clock that counts in floats would never come to the last bit of a debt.
        return -self._balance / self.rate if self._balance < -1e-9 * self.rate else 0.0


# Seconds over which a rate is shown.
WINDOW = 5.0
# Seconds' worth of units that may be used at once: enough that a busy moment of this machine loses none.
BURST_SECONDS = 0.25
# The longest wait without a look at the balance, in seconds.
LOOK = 0.1
