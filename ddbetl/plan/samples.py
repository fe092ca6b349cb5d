"""What some items of the sources show of all of them.

In: samples, measured by the engine. Out: ranges of what all rows will be. Invariant: a sample says what was seen;
whatever is said of the other items has a margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from ddbetl.plan.logical import Table
from ddbetl.source import Span
from ddbetl.types import Type

# Standard deviations of the margin: 95 of 100 samples are that near.
MARGIN = 1.96


@dataclass(frozen=True, slots=True)
class Range:
    """What is expected, with the least and the most that it will be."""

    low: float
    expected: float
    high: float

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def __mul__(self, other: Range) -> Range:
        """The product of two ranges of numbers that are not negative."""
        return Range(self.low * other.low, self.expected * other.expected, self.high * other.high)

    def at_most(self, limit: float) -> Range:
        return Range(min(self.low, limit), min(self.expected, limit), min(self.high, limit))

    @property
    def exact(self) -> bool:
        return self.low == self.expected == self.high


def exactly(value: float) -> Range:
    """A range of one value."""
    return Range(value, value, value)


NOTHING = exactly(0.0)


@dataclass(frozen=True, slots=True)
class Units:
    """Units of a sample's rows, added up: ``put``: to write them as new items; ``indexes``: into the indexes as well;
    ``compare``: to read items that are as large."""

    put: int = 0
    indexes: int = 0
    compare: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why ``count`` of a sample's items cannot be written; ``span``: the expression's place in the spec."""

    code: str
    message: str
    span: Span | None
    count: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Some items of a source table.

    ``items``: how many; ``whole``: there are no others. ``cost``: the read units of reading them. ``size``: their bytes
    as DynamoDB counts. ``rows`` of them would be written; ``units``: what these cost. ``types``: of each attribute, the
    items that have it, by type. ``keys``: the partition keys of the items, and of the rows in the target. ``expired``:
    rows past their time of expiry; ``largest``: the bytes of the largest row.
    """

    table: Table
    items: int
    whole: bool
    cost: float
    size: int
    rows: int
    units: Units
    failures: tuple[Failure, ...]
    types: Mapping[str, Mapping[Type, int]]
    keys: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
    expired: int = 0
    largest: int = 0

    @property
    def share(self) -> float:
        """The share of the items that become rows."""
        return self.rows / self.items if self.items else 0.0


@dataclass(frozen=True, slots=True)
class TargetSample:
    """What is in the target already at the keys of ``asked`` sampled rows: ``there`` items, for ``cost`` read units.
    ``units``: to write the rows over them, or to delete them; ``indexes``: in the indexes as well; ``compare``: to read
    them."""

    asked: int
    there: int
    cost: float
    units: int
    indexes: int
    compare: int


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of all of a plan's sources, in their order, and of its target, if rows were asked for there."""

    sources: tuple[Sample, ...]
    target: TargetSample | None = None

    @property
    def items(self) -> int:
        return sum(sample.items for sample in self.sources)

    @property
    def cost(self) -> float:
        return sum(sample.cost for sample in self.sources) + (self.target.cost if self.target is not None else 0.0)


def share_of(some: int, whole: int) -> Range:
    """The share of all that is likely where ``some`` of ``whole`` were seen, after Agresti and Coull."""
    share, likely = some / whole, (some + 2) / (whole + 4)
    margin = MARGIN * sqrt(likely * (1 - likely) / (whole + 4))
    return Range(max(0.0, min(share, likely - margin)), share, min(1.0, max(share, likely + margin)))


def rows_of(items: Sequence[float], samples: Sequence[Sample]) -> Range:
    """How many rows so many items of each table become, by a sample of each."""
    expected = sum(count * sample.share for count, sample in zip(items, samples, strict=True))
    variance = 0.0
    for count, sample in zip(items, samples, strict=True):
        if not sample.whole:
            # As in share_of: as if four more items had been seen, of which two are rows (Agresti and Coull), for few
            # items that are all alike do not make sure that the others are.
            share = (sample.rows + 2) / (sample.items + 4)
            variance += count**2 * share * (1 - share) / (sample.items + 4)
    margin = MARGIN * sqrt(variance)
    # What was seen, is there.
    seen = sum(sample.rows for sample in samples)
    most = sum(max(0.0, count - (sample.items - sample.rows)) for count, sample in zip(items, samples, strict=True))
    low, high = max(seen, expected - margin), min(max(seen, most), expected + margin)
    return Range(min(low, expected), expected, max(high, expected))


def mean(samples: Iterable[Sample], weights: Iterable[float], unit: str) -> float:
    """Units of a row of all tables, by their samples; ``weights``: the items of each table."""
    units = rows = 0.0
    for sample, weight in zip(samples, weights, strict=True):
        if sample.items:
            units += weight * getattr(sample.units, unit) / sample.items
            rows += weight * sample.share
    return units / rows if rows else 0.0
