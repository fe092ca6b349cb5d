"""How long a job takes, and what limits it: before it begins, and while it goes.

In: a plan, the units that it uses of each table, or those that are left. Out: a Pace, or seconds. Invariant: reading,
writing and computing go on at the same time, so the slowest of them is the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from ddbetl.plan.budget import NEW_WRITES
from ddbetl.plan.catalog import NewTable, TableDescription
from ddbetl.plan.layout import rate as rate_text
from ddbetl.plan.options import PercentRate, Rate, UnitRate
from ddbetl.plan.physical import PhysicalPlan, QueryExec, ReadExec, WriteExec
from ddbetl.plan.samples import Range

# What a partition takes a second, and the bytes that it holds. Source: DynamoDB Developer Guide, "Partitions and data
# distribution" and "Burst and adaptive capacity".
PARTITION_READS = 3000
PARTITION_WRITES = 1000
PARTITION_BYTES = 10 * 10**9
# Items a second that one process reads, filters and writes: measured by tests/benchmarks on two cores of an AMD EPYC,
# 570,000 with its start; and by reference, of which the evaluator alone takes 20 microseconds each there.
ITEMS_A_SECOND = 500_000
BY_REFERENCE = 30_000
# What a rate could be instead, in percent.
HIGHER = (Decimal(50), Decimal(100))
# A job that takes fewer seconds is fast enough.
WORTH_IT = 10


@dataclass(frozen=True, slots=True)
class Load:
    """The units of one table in one direction. ``what``: read, write, or compare, which reads the target. ``budget``:
    units per second, None: unlimited."""

    what: str
    on: ReadExec | WriteExec
    units: Range
    budget: float | None


@dataclass(frozen=True, slots=True)
class Work:
    """What a job uses, as it is expected before it begins: the units of its tables, and the items that are read."""

    plan: PhysicalPlan
    loads: tuple[Load, ...]
    items: Range


@dataclass(frozen=True, slots=True)
class Faster:
    """An option that would make the job faster, and its time then."""

    option: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Pace:
    """``seconds``: of the whole job. ``limit``: what takes so long: read, write, compare, partitions, or machine;
    ``reason``: the same in words."""

    seconds: Range
    limit: str
    reason: str
    faster: Faster | None = None


@dataclass(frozen=True, slots=True)
class _Limit:
    """What a part of a job takes, by what."""

    kind: str
    seconds: Range
    reason: str
    of: str = ""


def pace(work: Work) -> Pace:
    """The pace of a job."""
    limits = _limits(work)
    first = _slowest(limits)
    ends = (max(getattr(limit.seconds, end) for limit in limits) for end in ("low", "expected", "high"))
    return Pace(Range(*ends), first.kind, first.reason, _faster(work, first))


def writes_a_second(work: Work) -> float | None:
    """The write units that a job has at least, a second, if the target takes whatever comes: then reading and this
    machine limit it. None: nothing is known."""
    writes = sum(load.units.low for load in work.loads if load.what == "write")
    others = replace(work, loads=tuple(load for load in work.loads if load.what != "write"))
    seconds = _slowest(_limits(others)).seconds.expected
    return writes / seconds if writes and seconds else None


def seconds_left(left: Work, done: Sequence[tuple[float, float]]) -> float | None:
    """Seconds to the end of a job of which so much is left, at the budgets of its loads.

    ``done``: of what has been measured, how much is left and how much of it is done in a second; it takes the place of
    what is only assumed of this machine and of the tables. None where nothing gets on.
    """
    if not done:
        return _slowest(_limits(left)).seconds.expected
    moving = [amount / per_second for amount, per_second in done if per_second > 0]
    if not moving and any(amount > 0 for amount, _ in done):
        return None
    return max([*moving, *(limit.seconds.expected for limit in _budgets(left))], default=0.0)


def _slowest(limits: Sequence[_Limit]) -> _Limit:
    return max(limits, key=lambda limit: limit.seconds.expected)


def _limits(work: Work) -> list[_Limit]:
    statement = work.plan.transform.statement
    fast = statement.projects and (statement.filters or work.plan.transform.predicate is None)
    per_second = ITEMS_A_SECOND if fast else BY_REFERENCE
    how = "" if fast else " by reference"
    found = [_Limit("machine", _over(work.items, per_second), f"this machine, about {per_second:,} items/s{how}")]
    found += _budgets(work)
    for load in work.loads:
        count, per_partition = _partitions(load), PARTITION_WRITES if load.what == "write" else PARTITION_READS
        unit = "wcu" if load.what == "write" else "rcu"
        partitions = "1 partition" if count == 1 else f"{count:,} partitions"
        reason = f"what {load.on.table.name} takes at once: about {partitions} of {per_partition:,} {unit}"
        found.append(_Limit("partitions", _over(load.units, count * per_partition), reason))
    return found


def _budgets(work: Work) -> list[_Limit]:
    found = []
    for load in work.loads:
        if load.budget is not None:
            reason = f"the {'write' if load.what == 'write' else 'read'} budget of {load.on.table.name}"
            seconds = _over(load.units, load.budget)
            found.append(_Limit(load.what, seconds, f"{reason}, {rate_text(load.budget)}/s", load.what))
    return found


def _over(amount: Range, per_second: float) -> Range:
    return Range(amount.low / per_second, amount.expected / per_second, amount.high / per_second)


def _partitions(load: Load) -> int:
    """How many partitions take the requests, as far as the table's size and capacity tell."""
    if isinstance(load.on, QueryExec):
        return load.on.segments
    described: TableDescription | NewTable | None = load.on.table.description
    if described is None and isinstance(load.on, WriteExec):
        described = load.on.create
    match described:
        case TableDescription(on_demand=False, read_units=reads, write_units=writes):
            by_units = (reads or 0) / PARTITION_READS + (writes or 0) / PARTITION_WRITES
        case TableDescription(warm_read=reads, warm_write=writes):
            by_units = max((reads or 0) / PARTITION_READS, (writes or NEW_WRITES) / PARTITION_WRITES)
        case NewTable(provisioned=provisioned) if provisioned is not None:
            by_units = provisioned.read_units / PARTITION_READS + provisioned.write_units / PARTITION_WRITES
        case _:
            by_units = NEW_WRITES / PARTITION_WRITES
    size = described.size if isinstance(described, TableDescription) else 0
    return max(1, -int(-by_units // 1), -(-size // PARTITION_BYTES))


def _faster(work: Work, first: _Limit) -> Faster | None:
    """The next higher rate, where that is what limits."""
    if first.of not in ("read", "write", "compare") or first.seconds.expected < WORTH_IT:
        return None
    if any(warning.code == "W0119" for warning in work.plan.warnings):
        # Others use the tables, and the rate is rather too high.
        return None
    option = "write" if first.of == "write" else "read"
    now = work.plan.logical.write if option == "write" else work.plan.logical.read
    more = _higher(now)
    if more is None:
        return None
    said, factor = more
    kinds = ("write",) if option == "write" else ("read", "compare")
    scaled = tuple(
        replace(load, budget=load.budget * factor) if load.what in kinds and load.budget is not None else load
        for load in work.loads
    )
    seconds = _slowest(_limits(replace(work, loads=scaled))).seconds.expected
    return Faster(f"{option} = {said}", seconds) if seconds < 0.9 * first.seconds.expected else None


def _higher(now: Rate) -> tuple[Rate, float] | None:
    """A higher rate, and how much higher it is."""
    match now:
        case PercentRate(value=value):
            percent = next((higher for higher in HIGHER if higher > value), None)
            return (PercentRate(percent), float(percent / value)) if percent is not None else None
        case UnitRate(value=value, unit=unit):
            return UnitRate(value * 2, unit), 2.0
        case _:
            return None
