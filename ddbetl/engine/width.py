"""How many requests to have in flight: as many as make a difference.

In: what was done while so many were in flight, and how long each took. Out: how many there should be. Invariants: the
number stays within its bounds; only times in which more was waiting to be sent count, and nothing else held it up.

While n are in flight and each takes t seconds, n / t are done a second. Where a server answers each as fast as before,
however many there are, more in flight do more; where they only wait for each other, t grows with n. So two neighbouring
numbers are compared again and again: the larger one stays if it does so much more that it is worth it.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from dataclasses import dataclass

# How many there are to begin with: a small job opens no more connections. And the bounds.
FIRST = 8
LEAST = 8
MOST = 256
# How far apart two numbers are that are compared: to begin with, and once one was too many.
FIRST_STEP = 2.0
STEP = 1.5
# The part of what more in flight could do at best that they must do to be worth it.
WORTH = 0.25
# A comparison is over so many for each in flight, and so many seconds, at least: to begin with, where the number
# doubles, and later, where neighbours differ less.
ROUNDS = 4
FIRST_SECONDS = 0.04
SECONDS = 0.1
# The part of them that must have been in times that count.
BUSY = 0.9
# Seconds from a number that was best to the next look at its neighbours, which doubles as long as it is best again.
SHORTEST_REST = 0.5
LONGEST_REST = 8.0


def most() -> int:
    """The most that there may be: each has a connection, and a process cannot open as many files as it likes."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if files == resource.RLIM_INFINITY else max(LEAST, min(MOST, files // 2))


@dataclass(slots=True)
class Width:
    """``now`` is how many should be in flight, at most ``most``; ``clock`` counts seconds."""

    clock: Callable[[], float]
    now: int = FIRST
    most: int = MOST
    # The number that ``now`` is compared with, and what was done a second with it; 0 for none.
    _other: int = 0
    _other_rate: float = 0.0
    _grows: bool = True
    _step: float = FIRST_STEP
    _rest: float = SHORTEST_REST
    # When the present look began, or will: those that began before do not count.
    _since: float = 0.0
    _count: int = 0
    _busy: int = 0
    _work: float = 0.0
    _seconds: float = 0.0

    def done(self, began: float, work: float, busy: bool) -> bool:
        """Count what is done, so much work, that ``began`` to be sent then; tell whether ``now`` has changed.

        ``busy``: more was waiting to be sent, and for nothing but its turn.
        """
        if began < self._since:
            return False
        ended = self.clock()
        self._count += 1
        self._busy += busy
        self._work += work
        self._seconds += ended - began
        seconds = FIRST_SECONDS if self._step == FIRST_STEP else SECONDS
        if self._count < ROUNDS * self.now or ended - self._since < seconds:
            return False
        rate = self.now * self._work / self._seconds if self._seconds > 0 else 0.0
        counts = self._busy >= BUSY * self._count
        before = self.now
        self._begin(ended)
        if counts and rate > 0:
            self._decide(rate, ended)
        elif self._other:
            # Nothing is known of what was tried.
            self.now, self._other = self._other, 0
        return self.now != before

    def _begin(self, at: float) -> None:
        self._since, self._count, self._busy, self._work, self._seconds = at, 0, 0, 0.0, 0.0

    def _decide(self, rate: float, ended: float) -> None:
        """Choose between this number and the other one, then try the next in that direction, or rest."""
        if not self._other:
            self._try(rate)
            return
        (small, its), (large, more) = sorted([(self.now, rate), (self._other, self._other_rate)])
        worth = more / its - 1 >= WORTH * (large / small - 1)
        best, best_rate = (large, more) if worth else (small, its)
        if best == self.now:
            # What was tried is better: on in that direction.
            self._rest = SHORTEST_REST
            self._try(best_rate)
            return
        # As it was before; next time the other direction.
        self.now, self._other, self._grows, self._step = best, 0, not self._grows, STEP
        self._begin(ended + self._rest)
        self._rest = min(2 * self._rest, LONGEST_REST)

    def _try(self, rate: float) -> None:
        """Go on with the next number."""
        if self._grows:
            following = min(self.most, max(self.now + 1, round(self.now * self._step)))
        else:
            following = min(self.now, max(LEAST, round(self.now / self._step)))
        if following == self.now:
            self._other, self._grows = 0, not self._grows
            return
        self._other, self._other_rate, self.now = self.now, rate, following
