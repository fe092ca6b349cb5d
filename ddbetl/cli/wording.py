"""Numbers in words.

In: counts, units, seconds, shares. Out: texts for people. Invariant: what is rounded never says "none" or "all" where
it is neither.
"""

from __future__ import annotations

from ddbetl.plan.explain import duration


def counted(count: int, noun: str) -> str:
    """A number of things: ``1 row``, ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def units(count: float) -> str:
    """A number of capacity units: their halves matter where there are few."""
    return f"{count:,.1f}" if count < 100 and count != int(count) else f"{count:,.0f}"


def units_of(count: float, direction: str) -> str:
    """A number of capacity units with their name: ``1 read unit``."""
    return f"{units(count)} {direction} unit{'' if count == 1 else 's'}"


def against(rate: float, budget: float | None) -> str:
    """A rate against its budget: ``412 of 1,000``."""
    return f"{rate:,.0f}" if budget is None else f"{rate:,.0f} of {budget:,.0f}"


def percent(fraction: float) -> str:
    """A share: 100% is all of it, 0% none of it."""
    if fraction >= 1:
        return "100%"
    return "0%" if fraction <= 0 else f"{min(99, max(1, round(100 * fraction)))}%"


def spent(seconds: float) -> str:
    """How long something took."""
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def clock(seconds: float) -> str:
    """Time since the start, as a clock shows it: ``0:04``, ``1:02:30``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
