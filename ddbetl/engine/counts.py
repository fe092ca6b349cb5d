"""What became of items, in numbers.

Invariant: read = filtered + rejected + skipped + unchanged + passed, at every moment at which no page is half done; of
the rows that have passed, all are written in the end.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Counts:
    """Items, by what became of them.

    ``skipped``: left out because the spec says so, as they cannot be written, the target has another item there, or
    MERGE finds none there and ON MISSING SKIP.
    ``unchanged``: the target had them already, as they are. ``collisions`` of the rows had a target key that another
    source row had before; what became of them is counted as well. ``by_reference``: through the reference evaluator.
    ``handed_over``: to the writers, whatever became of them then; LIMIT counts these.
    """

    read: int = 0
    filtered: int = 0
    written: int = 0
    rejected: int = 0
    skipped: int = 0
    unchanged: int = 0
    collisions: int = 0
    by_reference: int = 0
    handed_over: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in COUNTED))


COUNTED = tuple(field.name for field in fields(Counts))
NONE = Counts()


@dataclass(slots=True)
class Tally:
    """Counts on the way. ``passed``: handed over to the writers, and not given back; ``written`` of them are
    acknowledged."""

    read: int = 0
    filtered: int = 0
    passed: int = 0
    written: int = 0
    rejected: int = 0
    skipped: int = 0
    unchanged: int = 0
    collisions: int = 0
    by_reference: int = 0
    handed_over: int = 0

    def add(self, **rows: int) -> None:
        for name, number in rows.items():
            setattr(self, name, getattr(self, name) + number)

    def include(self, counts: Counts) -> None:
        """Add what is done for good: what has passed then is written."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(counts, name))
        self.passed += counts.written

    def exchange(self, before: Tally, now: Tally) -> None:
        """Count what was ``before`` as it is ``now``."""
        for name in TALLIED:
            setattr(self, name, getattr(self, name) - getattr(before, name) + getattr(now, name))

    def counts(self) -> Counts:
        return Counts(*(getattr(self, name) for name in COUNTED))


TALLIED = tuple(field.name for field in fields(Tally))
