"""A budget that several processes use together, each within a share of its own.

In: the limit of the whole, which of the processes have work, what they agree to and use. Out: the shares to tell them.
Invariant: what all of them may use at a moment is never more than the limit: a share is raised only by what others have
agreed to do without.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Hashable, Mapping, Set
from dataclasses import dataclass, field

from ddbetl.connectors.dynamodb.budget import Budget

# The part of the limit that a process without work has, so that it can begin when some comes.
IDLE = 0.001
# Shares that differ by less than this part of them are equal: what rounding leaves over moves none.
EXACT = 1e-6


@dataclass(slots=True)
class _Share:
    """Units per second, infinite for no limit. ``told``: what the process was told last. ``held``: what it may still
    use, until it has agreed."""

    told: float = 0.0
    held: float = 0.0
    rate: float | None = 0.0


@dataclass(slots=True)
class Shares:
    _shares: dict[Hashable, _Share] = field(default_factory=dict)

    def add(self, process: Hashable) -> None:
        """Take a process in; it has nothing until it is told."""
        self._shares[process] = _Share()

    def remove(self, process: Hashable) -> None:
        """A process has ended: what it had is free."""
        self._shares.pop(process, None)

    def agreed(self, process: Hashable, units: float | None) -> None:
        """A process uses no more than that any longer."""
        share = self._shares.get(process)
        if share is not None and share.told == _number(units):
            share.held = share.told

    def told(self, process: Hashable) -> float:
        """What a process was told last."""
        return self._shares[process].told

    def divide(self, limit: float | None, busy: Set[Hashable]) -> dict[Hashable, float | None]:
        """What to tell which processes now, so that those that have work come to equal shares."""
        whole = _number(limit)
        wanted = self._wanted(whole, busy)
        news: dict[Hashable, float | None] = {}
        for process, units in wanted.items():
            share = self._shares[process]
            if units < share.told * (1 - EXACT):
                share.told = units
                news[process] = units
        free = whole - sum(share.held for share in self._shares.values()) if whole < math.inf else math.inf
        for process, units in wanted.items():
            share = self._shares[process]
            raised = min(units, share.held + max(free, 0.0))
            # None is raised that has not agreed yet to have less.
            if share.told == share.held and raised > share.told * (1 + EXACT):
                if free < math.inf:
                    free -= raised - share.held
                share.told = share.held = raised
                news[process] = _limit(raised)
        return news

    def _wanted(self, whole: float, busy: Set[Hashable]) -> Mapping[Hashable, float]:
        working = [process for process in self._shares if process in busy] or [*self._shares]
        if whole == math.inf:
            return dict.fromkeys(self._shares, math.inf)
        idle = whole * IDLE
        most = (whole - idle * (len(self._shares) - len(working))) / max(1, len(working))
        return {process: most if process in working else idle for process in self._shares}

    # What they really do

    def runs_at(self, process: Hashable, rate: float | None) -> None:
        """A process says at what rate it goes: its share, or less for a while after throttling."""
        if (share := self._shares.get(process)) is not None:
            share.rate = rate

    def rate(self, limit: float | None) -> float | None:
        """The rate of all together; None: as fast as it goes."""
        rates = [share.rate for share in self._shares.values()]
        if not any(rate != 0.0 for rate in rates) or None in rates:
            return limit
        together = sum(rate for rate in rates if rate is not None)
        # While shares move, two may count the same units.
        return together if limit is None else min(limit, together)


class SharedBudget(Budget):
    """The budget of a table for all processes: here nobody waits, and what they use is counted."""

    def __init__(
        self,
        rate: float | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(rate, clock=clock, sleep=sleep)
        self.shares = Shares()

    @property
    def rate(self) -> float | None:
        return self.shares.rate(self.limit)

    def charge(self, units: float) -> None:
        """Count what a process has used."""
        if units:
            self.settle(units, units)


def _number(units: float | None) -> float:
    return math.inf if units is None else units


def _limit(units: float) -> float | None:
    return None if units == math.inf else units
