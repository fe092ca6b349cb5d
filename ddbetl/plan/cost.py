"""What a job will cost, in units, dollars and time, before it begins.

In: a physical plan, where its tables are, prices, and samples if there are any. Out: an Estimate. Invariants: what is
not known is None, or a range that has it; whatever a number rests on beside the server's counts is among the
assumptions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ddbetl.plan.budget import EVENTUAL_BYTES, STRONG_BYTES
from ddbetl.plan.catalog import Connection, NewTable, Site, TableDescription
from ddbetl.plan.logical import Table
from ddbetl.plan.pace import Faster, Load, Pace, Work, pace
from ddbetl.plan.physical import PhysicalPlan, QueryExec, ReadExec, ScanExec, WriteExec
from ddbetl.plan.prices import MILLION, Prices
from ddbetl.plan.samples import NOTHING, Range, Sample, Samples, exactly, rows_of
from ddbetl.plan.write_cost import Source, writing

# Bytes of a full page of Scan or Query, and how many are asked for at a time; see ddbetl.engine.reading.
PAGE_BYTES = 2**20
READ_AT_ONCE = 32

# The domains of AWS's endpoints, in all its partitions, with those that answer by IPv6 as well.
# Source: botocore's partitions.json, against which a test compares them.
DOMAINS = (
    ".amazonaws.com",
    ".api.aws",
    ".amazonaws.com.cn",
    ".api.amazonwebservices.com.cn",
    ".amazonaws.eu",
    ".api.amazonwebservices.eu",
    ".c2s.ic.gov",
    ".api.aws.ic.gov",
    ".sc2s.sgov.gov",
    ".api.aws.scloud",
    ".cloud.adc-e.uk",
    ".api.cloud-aws.adc-e.uk",
    ".csp.hci.ic.gov",
    ".api.aws.hci.ic.gov",
)


@dataclass(frozen=True, slots=True)
class Charge:
    """What one table is charged for. ``what``: read, write, or compare, which reads the target. ``dollars``: None where
    they are not known, for ``why``; 0 of a provisioned table, whose units are paid for anyway."""

    table: str
    what: str
    region: str | None
    billing: str
    units: Range
    dollars: Range | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A job before it begins; None where something is not known.

    ``items``: that are read; ``rows``: that are written. ``read_seconds``: of reading at its budgets alone. ``pace``:
    the whole time, and what limits it. ``sampled``: items that were read to know more, for ``sample_units``. ``work``:
    what the time comes from.
    """

    items: Range | None
    read_units: Range | None
    read_seconds: float | None
    rows: Range | None = None
    write_units: Range | None = None
    compare_units: Range | None = None
    charges: tuple[Charge, ...] = ()
    pace: Pace | None = None
    assumptions: tuple[str, ...] = ()
    sampled: int = 0
    sample_units: float = 0.0
    work: Work | None = None

    @property
    def dollars(self) -> Range | None:
        """Of all tables; None where one of them is not known."""
        total = NOTHING
        for charge in self.charges:
            if charge.dollars is None:
                return None
            total += charge.dollars
        return total if self.charges else None

    @property
    def faster(self) -> Faster | None:
        return self.pace.faster if self.pace is not None else None


def expected_items(read: ReadExec) -> int:
    """How many items of a table are read, by DynamoDB's count; 0: nobody knows."""
    description = read.table.description
    # How many items have a key, nobody counts.
    return description.items if description is not None and isinstance(read, ScanExec) else 0


def estimate(
    plan: PhysicalPlan,
    sites: Mapping[Connection, Site] | None = None,
    prices: Prices | None = None,
    samples: Samples | None = None,
) -> Estimate:
    """Estimate a job, by samples if there are any."""
    if any(read.table.description is None for read in plan.scans):
        return Estimate(None, None, None)
    measured = samples.sources if samples is not None else (None,) * len(plan.scans)
    strong = plan.logical.consistent_read
    sources = [_source(read, sample, strong) for read, sample in zip(plan.scans, measured, strict=True)]
    unknown = [read.table for read, source in zip(plan.scans, sources, strict=True) if source.uncounted]
    assumptions = [*_uncounted(unknown), *(said for source in sources for said in source.assumptions)]
    known = [source for source in sources if source.units is not None and source.items is not None]
    if len(known) < len(sources):
        return Estimate(None, None, None, assumptions=tuple(dict.fromkeys(assumptions)))
    items = sum((source.items for source in known if source.items is not None), NOTHING)
    rows = _rows(plan, sources, samples, assumptions)
    part = _part(plan, rows)
    reading = [
        _until_enough(source.units, part, read) for read, source in zip(plan.scans, known, strict=True) if source.units
    ]
    read_units = sum(reading, NOTHING)
    items *= _ratio(read_units, sum((source.units for source in known if source.units is not None), NOTHING))
    rows = rows.at_most(plan.limit) if plan.limit is not None else rows
    written = writing(plan, rows, sources, samples, assumptions) if plan.write is not None else None
    loads = [Load("read", read, units, read.budget.units) for read, units in zip(plan.scans, reading, strict=True)]
    charges = [_charge(load, sites, prices) for load in loads]
    if written is not None and plan.write is not None:
        more = [Load("write", plan.write, written.writes, plan.write.budget.units)]
        if written.reads != NOTHING:
            more.append(Load("compare", plan.write, written.reads, plan.write.reads.units))
        charges += [_charge(load, sites, prices) for load in more]
        loads += more
    work = Work(plan, tuple(loads), items)
    seconds = [load.units.expected / load.budget for load in loads[: len(reading)] if load.budget is not None]
    return Estimate(
        items,
        read_units,
        max(seconds) if len(seconds) == len(reading) and seconds else None,
        rows,
        written.writes if written is not None else None,
        written.reads if written is not None else None,
        tuple(charges),
        pace(work) if read_units.expected else None,
        tuple(dict.fromkeys(assumptions)),
        samples.items if samples is not None else 0,
        samples.cost if samples is not None else 0.0,
        work,
    )


def expected_work(plan: PhysicalPlan) -> Work:
    """What a job is expected to use; nothing where nobody knows."""
    if (found := estimate(plan).work) is not None:
        return found
    loads = [Load("read", read, NOTHING, read.budget.units) for read in plan.scans]
    loads += [Load("write", plan.write, NOTHING, plan.write.budget.units)] if plan.write is not None else []
    return Work(plan, tuple(loads), NOTHING)


def sampling_cost(plan: PhysicalPlan, items: int) -> float | None:
    """About what it costs to read so many items of each table, and what the target has in their places; None where the
    tables' sizes are not known."""
    total, rows = 0.0, 0
    for read in plan.scans:
        description = read.table.description
        if description is None or not description.items or not description.size:
            return None
        size = description.size / description.items * min(items, description.items)
        total += _round_up(size, read.segments if isinstance(read, QueryExec) else 1, plan.logical.consistent_read)
        rows += min(items, description.items)
    if asks_target(plan):
        # Half a unit for each key, at the least.
        total += min(rows, items) / 2
    return total


def why_unknown(plan: PhysicalPlan) -> str:
    """Why the cost of a sample is not known."""
    known = [(read.table, read.table.description) for read in plan.scans]
    return "; ".join(_uncounted([table for table, one in known if one is None or not one.items or not one.size]))


def asks_target(plan: PhysicalPlan) -> bool:
    """Whether a sample looks at what is in the target already."""
    return plan.write is not None and plan.write.create is None and bool(plan.write.key)


def scan_dollars(
    scans: Sequence[ScanExec], units: Sequence[float], sites: Mapping[Connection, Site], prices: Prices
) -> float | None:
    """Dollars of reading so many units of each table; None where they are not known, or are paid for anyway."""
    total = 0.0
    for scan, count in zip(scans, units, strict=True):
        dollars = _charge(Load("read", scan, exactly(count), scan.budget.units), sites, prices).dollars
        if dollars is None:
            return None
        total += dollars.expected
    return total or None


# Reading


def _round_up(size: float, requests: int, strong: bool) -> float:
    """Units of so many bytes in so many parts, each of which is rounded up."""
    return (
        requests
        * max(1, -(-size / requests // STRONG_BYTES))
        * STRONG_BYTES
        / (STRONG_BYTES if strong else EVENTUAL_BYTES)
    )


def _source(read: ReadExec, sample: Sample | None, strong: bool) -> Source:
    """What is read of a table: DynamoDB's counts come first, then what the sample shows."""
    description = read.table.description
    assert description is not None
    size = sample.size / sample.items if sample is not None and sample.items else 0.0
    if description.items and description.size:
        size = description.size / description.items
    if sample is not None and sample.whole:
        units = _round_up(sample.size, read.segments, strong) if isinstance(read, ScanExec) else sample.cost
        return Source(exactly(sample.items), exactly(units), size)
    if sample is None and not description.items and not description.size:
        return Source(NOTHING, NOTHING, 0.0, uncounted=True)
    total = description.size or round(size * description.items)
    if not total:
        return Source(None, None, size, uncounted=True)
    whole = _round_up(total, read.segments, strong)
    if isinstance(read, ScanExec):
        return Source(exactly(description.items), exactly(whole), size)
    most = float(description.items)
    if one := _one_item(read):
        most, whole = min(most, read.segments), min(whole, _round_up(size, 1, strong) * read.segments)
    least = sample.cost if sample is not None else _round_up(0, read.segments, strong)
    items = Range(min(most, sample.items) if sample is not None else 0, most, most)
    said = () if one else (f"how many items of {read.table.name} have the key is not known: all, at most",)
    return Source(items, Range(min(least, whole), whole, whole), size, said)


def _one_item(read: QueryExec) -> bool:
    """Whether a request names a whole key of the table."""
    description = read.table.description
    if read.index is not None or description is None:
        return False
    condition = json.loads(read.request)["KeyConditionExpression"]
    return bool(condition.count(" = ") == len(description.key))


def _uncounted(tables: Sequence[Table]) -> list[str]:
    """What is not known of tables without a count."""
    # A server may count the items and not their bytes.
    without = [table.name for table in tables if table.description is not None and table.description.items]
    empty = [table.name for table in tables if table.name not in without]
    said = []
    if empty:
        which = f"{empty[0]} is" if len(empty) == 1 else f"{len(empty)} tables are"
        said.append(f"{which} empty or too new to be counted")
    if without:
        which = without[0] if len(without) == 1 else f"{len(without)} tables"
        said.append(f"the size of {which} is not known")
    return [", and ".join(said)] if said else []


def _rows(plan: PhysicalPlan, sources: Sequence[Source], samples: Samples | None, assumptions: list[str]) -> Range:
    """How many items become rows, but for LIMIT."""
    items = sum((source.items for source in sources if source.items is not None), NOTHING)
    if samples is not None:
        low, expected, high = (
            rows_of([getattr(source.items, end) for source in sources], samples.sources)
            for end in ("low", "expected", "high")
        )
        return Range(low.low, expected.expected, high.high)
    if plan.transform.predicate is None:
        return items
    assumptions.append("how many items WHERE keeps is not known: all, at most")
    return Range(0, items.expected, items.high)


def _part(plan: PhysicalPlan, rows: Range) -> Range:
    """The part of the tables that is read before there are enough rows."""
    if plan.limit is None:
        return exactly(1.0)

    def enough(there: float) -> float:
        return min(1.0, plan.limit / there) if there and plan.limit is not None else 1.0

    return Range(enough(rows.high), enough(rows.expected), 1.0)


def _until_enough(units: Range, part: Range, read: ReadExec) -> Range:
    """The units of the part of a table that is read: in whole pages, of which several are asked for at a time."""
    if part.exact:
        return units
    page = PAGE_BYTES / EVENTUAL_BYTES
    ahead = page * min(READ_AT_ONCE, read.segments)
    expected = min(units.expected, units.expected * part.expected + ahead)
    return Range(min(units.low, expected, units.low * part.low + page), expected, units.high)


def _ratio(some: Range, whole: Range) -> Range:
    ends = ((getattr(some, end), getattr(whole, end)) for end in ("low", "expected", "high"))
    return Range(*(part / of if of else 1.0 for part, of in ends))


# Dollars


def _charge(load: Load, sites: Mapping[Connection, Site] | None, prices: Prices | None) -> Charge:
    table = load.on.table
    created = load.on.create if isinstance(load.on, WriteExec) else None
    description = table.description
    site = (sites or {}).get(table.connection)
    billing = "PROVISIONED" if _provisioned(description, created) else "PAY_PER_REQUEST"
    region = site.region if site is not None else None
    charge = Charge(table.name, load.what, region, billing, load.units, None)
    if site is None or prices is None:
        return charge
    if not is_aws(site.endpoint):
        return Charge(table.name, load.what, region, billing, load.units, None, "the endpoint is not one of AWS")
    if billing == "PROVISIONED":
        return Charge(table.name, load.what, region, billing, load.units, NOTHING)
    class_ = description.table_class if description is not None else "STANDARD"
    price = prices.of(site.region, class_, "on_demand")
    if price is None:
        what = site.region if class_ == "STANDARD" else f"{class_} in {site.region}"
        why = f"there are no prices of {what}; --prices FILE brings some"
        return Charge(table.name, load.what, region, billing, load.units, None, why)
    dollars = (price.write if load.what == "write" else price.read) / MILLION
    return Charge(table.name, load.what, region, billing, load.units, load.units * exactly(dollars))


def _provisioned(description: TableDescription | None, created: NewTable | None) -> bool:
    if description is not None:
        return not description.on_demand
    return created is not None and created.provisioned is not None


def is_aws(endpoint: str) -> bool:
    """Whether an endpoint is AWS's own."""
    host = re.split("[/:]", endpoint.partition("://")[2])[0]
    return host.lower().endswith(DOMAINS)
