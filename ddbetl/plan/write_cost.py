"""The units of writing a plan's rows.

In: how many rows there are and what they are made of, by assumption or by samples. Out: ranges of write units, and of
the read units of comparing. Invariant: each action costs what the engine sends for it; see ddbetl.engine.writing,
conflicts and merging.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, log

from ddbetl.expressions.writing import Action
from ddbetl.plan.budget import STRONG_BYTES
from ddbetl.plan.physical import PhysicalPlan, WriteExec
from ddbetl.plan.samples import NOTHING, Range, Samples, TargetSample, exactly, mean, share_of

# Bytes that a write unit writes.
WRITE_BYTES = 1024
# The share of rows that are there already from which on a run asks before it inserts, and that of missing ones from
# which on a merge inserts first; see ddbetl.engine.conflicts and merging.
ASK_FIRST = 1 / 6
INSERT_FIRST = 1 / 2
# How it learns such a share: from batch to batch of so many rows, each of which makes up so much of what it has seen;
# see ddbetl.engine.target. So many are in flight meanwhile, and as many at most after so many batches; see width.
BATCH_ROWS = 25
MEMORY = 1 / 32
IN_FLIGHT = 8
MOST_IN_FLIGHT = 256
SAME_IN_FLIGHT = 32
# Write units of an attempt that meets no item.
MISS = 1.0


@dataclass(frozen=True, slots=True)
class Source:
    """What is read of a table: its items, the units, the mean size of an item; None where that is not known.
    ``uncounted``: DynamoDB says 0."""

    items: Range | None
    units: Range | None
    size: float
    assumptions: tuple[str, ...] = ()
    uncounted: bool = False


@dataclass(frozen=True, slots=True)
class Writing:
    """Write units of the rows, and read units of comparing them with what is there."""

    writes: Range
    reads: Range


@dataclass(frozen=True, slots=True)
class _Row:
    """Units of a row: to put it as a new item, to change or delete the ``item`` that is there, to read that."""

    put: Range
    item: Range
    compare: Range


def writing(
    plan: PhysicalPlan, rows: Range, sources: Sequence[Source], samples: Samples | None, assumptions: list[str]
) -> Writing:
    """Units of writing the rows, and of comparing them with what is there."""
    write = plan.write
    assert write is not None
    if samples is not None and (not rows.high or any(sample.rows for sample in samples.sources)):
        put, compare = _measured(samples, sources)
    else:
        put, compare = _assumed(plan, write, sources, assumptions)
    target = samples.target if samples is not None else None
    if target is not None and target.asked:
        there = share_of(target.there, target.asked)
        row = _met(target, put, compare)
    else:
        there = _there(write, rows, assumptions)
        if there.high and write.table.description is not None and not write.table.description.size:
            assumptions.append(f"an item of {write.table.name}, whose size is not known, is as large as the row")
        row = _Row(put, _item(write, put), compare)
    low, expected, high = (
        _cost(write.action, getattr(rows, end), getattr(there, end), row, end) for end in ("low", "expected", "high")
    )
    shares = (there.low, there.high, _worst(write.action, there))
    ends = [_cost(write.action, rows.high, share, row, "high") for share in shares]
    least = [_cost(write.action, rows.low, share, row, "low") for share in (there.low, there.high)]
    return Writing(
        Range(min(c[0] for c in (low, *least)), expected[0], max(c[0] for c in (high, expected, *ends))),
        Range(min(c[1] for c in (low, *least)), expected[1], max(c[1] for c in (high, expected, *ends))),
    )


def _worst(action: Action, there: Range) -> float:
    """The share of rows that are there at which a row is most often tried in vain."""
    worst = 1 - INSERT_FIRST if action is Action.MERGE else ASK_FIRST
    return min(max(worst, there.low), there.high)


def _learning(share: float, limit: float) -> Range:
    """The rows that go by before a run knows that a share of them, of missing ones say, is above a limit."""
    # What of the share is left when it is known.
    left = 1 - limit / share if share else 0.0
    if left <= 0:
        return exactly(inf)
    batches = ceil(log(left) / log(1 - MEMORY))
    most = IN_FLIGHT if batches < SAME_IN_FLIGHT else MOST_IN_FLIGHT
    # Of those in flight meanwhile, some are tried without knowing it, the others go their second way: half of them, as
    # was measured. The last batch of a page is smaller.
    return Range(batches / 2, batches + IN_FLIGHT / 2, batches + most) * exactly(BATCH_ROWS)


def _there(write: WriteExec, rows: Range, assumptions: list[str]) -> Range:
    """The share of the rows whose key has an item in the target already."""
    description = write.table.description
    items = description.items if description is not None else 0
    if not items:
        if write.create is None and write.action is not Action.REPLACE:
            assumptions.append(f"{write.table.name} is empty, as DynamoDB counted")
        return NOTHING
    most = min(1.0, items / rows.expected) if rows.expected else 1.0
    if write.action in (Action.MERGE, Action.MERGE_EXISTING, Action.DELETE):
        assumptions.append(f"as many rows as can be have an item in {write.table.name}")
        return Range(0.0, most, most)
    if write.action is not Action.REPLACE:
        assumptions.append(f"no row has an item in {write.table.name} yet")
    return Range(0.0, 0.0, most)


def _cost(action: Action, rows: float, there: float, row: _Row, end: str) -> tuple[float, float]:
    """Write and read units of so many rows, of which the share ``there`` have an item already."""
    put, item, compare = (getattr(one, end) for one in (row.put, row.item, row.compare))
    match action:
        case Action.REPLACE:
            return rows * (there * item + (1 - there) * put), 0.0
        case Action.DELETE | Action.MERGE_EXISTING:
            return rows * (there * item + (1 - there) * MISS), 0.0
        case Action.MERGE:
            # What is tried first is what succeeds more often, once that is known.
            tried = min(rows, getattr(_learning(1 - there, INSERT_FIRST), end))
            first = tried * (there * item + (1 - there) * (MISS + put))
            return first + (rows - tried) * ((1 - there) * put + there * (MISS + item)), 0.0
    learning = _learning(there, ASK_FIRST)
    tried = min(rows, getattr(learning, end))
    writes = tried * put + (rows - tried) * (1 - there) * put
    # The later it asks first, the fewer rows it asks for.
    tried = min(rows, getattr(learning, {"low": "high", "high": "low"}.get(end, end)))
    reads = (tried * there + rows - tried) * compare
    if action is Action.KEEP_NEWEST:
        # All rows may be newer.
        writes += rows * there * item * (end != "low")
    return writes, reads


def _measured(samples: Samples, sources: Sequence[Source]) -> tuple[Range, Range]:
    """Units of putting a row, and of comparing it, by the samples."""
    items = [source.items.expected if source.items is not None else 0.0 for source in sources]
    put, indexes, compare = (mean(samples.sources, items, unit) for unit in ("put", "indexes", "compare"))
    return exactly(put + indexes), exactly(compare)


def _met(target: TargetSample, put: Range, compare: Range) -> _Row:
    """The units of a row, by what is in the target."""
    if not target.there:
        return _Row(put, put, compare)
    units, indexes = target.units / target.there, target.indexes / target.there
    # An index may have nothing to do with what is changed, or an entry to delete as well as one to make.
    item = Range(units, units + indexes, units + 2 * indexes)
    return _Row(put, item, exactly(target.compare / target.there))


def _assumed(
    plan: PhysicalPlan, write: WriteExec, sources: Sequence[Source], assumptions: list[str]
) -> tuple[Range, Range]:
    """Units of putting a row, and of comparing it, by the sizes of the sources' items."""
    items = sum(source.items.expected for source in sources if source.items is not None)
    size = sum(s.size * s.items.expected for s in sources if s.items is not None) / items if items else 0.0
    if write.action is Action.DELETE:
        return exactly(MISS), NOTHING
    star = plan.transform.projection.star is not None
    assumptions.append(f"a row is as large as the item that it is made of{'' if star else ', at most'}")
    put = _sized(size, WRITE_BYTES, star)
    if write.indexes:
        assumptions.append("a row gets into every index that it can get into")
    return _with_indexes(put, write.indexes), _sized(size, STRONG_BYTES, star)


def _item(write: WriteExec, put: Range) -> Range:
    """Units of changing or deleting an item that is as large as the target's are, or as large as the row."""
    description = write.table.description
    size = description.size / description.items if description is not None and description.items else 0.0
    item = _with_indexes(_sized(size, WRITE_BYTES, True), write.indexes)
    if write.action is Action.DELETE:
        return item
    merges = write.action in (Action.MERGE, Action.MERGE_EXISTING)
    most = item.high + put.high if merges else max(item.high, put.high)
    return Range(min(item.low, put.low), max(item.expected, put.expected), most)


def _with_indexes(units: Range, indexes: int) -> Range:
    """Units of an item and of its entries in so many indexes, which are no larger."""
    return Range(units.low, units.expected * (1 + indexes), units.high * (1 + 2 * indexes))


def _sized(size: float, unit: int, known: bool) -> Range:
    """Units of items of a mean size, each of which is rounded up: that is at most one unit more."""
    units = size / unit
    return Range(max(1.0, units) if known else 1.0, 1.0 if units <= 1 else units + 0.5, units + 1)
