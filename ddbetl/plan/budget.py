"""What a rate is in capacity units per second, and of what.

In: a rate and a table's description. Out: a Budget with the sentence that explains it. Invariant: a percentage is
always a share of a number that the server said, or of DynamoDB's documented default, and the sentence says which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ddbetl.plan.catalog import NewTable, TableDescription
from ddbetl.plan.options import PercentRate, Rate, UnitRate, Unlimited

# Units per second that an account allows an on-demand table by default, in most regions.
# Source: DynamoDB Developer Guide, "Quotas: Throughput default quotas".
DEFAULT_QUOTA = 40_000
QUOTA = "default quota"
# Units per second that a new on-demand table takes at once. Source: ibid., "On-demand capacity mode".
NEW_READS = 12_000
NEW_WRITES = 4_000
# Bytes that one read unit reads, eventually or strongly consistent. Source: DynamoDB Developer Guide, "Capacity".
EVENTUAL_BYTES = 8192
STRONG_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Budget:
    """Capacity units per second for one table in one direction; None: no limit here. ``basis``: what it comes from."""

    units: float | None
    basis: str


def resolve(rate: Rate, table: TableDescription | NewTable | None, direction: str, index: str | None = None) -> Budget:
    """The budget of a rate for a table, or for one that is to be made; ``direction`` is read or write. ``index``: the
    one that is read, which may have units of its own."""
    unit = "rcu" if direction == "read" else "wcu"
    match rate:
        case Unlimited():
            return Budget(None, "unlimited")
        case UnitRate(value=value):
            return Budget(float(value), "as written")
        case PercentRate(value=percent):
            if table is None:
                return Budget(None, f"{percent:f}% of what the table can take")
            base, what = _of_index(table, index) or _base(table, direction)
            return Budget(float(percent) * base / 100, f"{percent:f}% of {base:,} {unit} ({what})")


def with_throughput(table: TableDescription, reads: int | None, writes: int | None) -> TableDescription:
    """A description in which an on-demand table takes so much at once, where its server does not say how much."""
    if not table.on_demand or (table.warm_read, table.warm_write) != (None, None):
        return table
    return replace(table, warm_read=reads, warm_write=writes)


def capacity(table: TableDescription, direction: str) -> tuple[int, str] | None:
    """What a table takes a second, and what that is; None of an on-demand table of which nothing but the quota is
    known."""
    found = _base(table, direction)
    return found if found[1] != QUOTA else None


def _of_index(table: TableDescription | NewTable, name: str | None) -> tuple[int, str] | None:
    """The read units of a provisioned index of its own; None where the table's count."""
    if isinstance(table, NewTable) or table.on_demand:
        return None
    units = next((index.read_units for index in table.indexes if index.name == name), None)
    return (units, "provisioned for the index") if units else None


def _base(table: TableDescription | NewTable, direction: str) -> tuple[int, str]:
    read = direction == "read"
    if isinstance(table, NewTable):
        if table.provisioned is None:
            return (NEW_READS if read else NEW_WRITES), "a new on-demand table"
        return (table.provisioned.read_units if read else table.provisioned.write_units), "provisioned"
    provisioned = table.read_units if read else table.write_units
    if not table.on_demand and provisioned:
        return provisioned, "provisioned"
    limit = table.max_read if read else table.max_write
    warm = table.warm_read if read else table.warm_write
    if warm and (not limit or warm <= limit):
        return warm, "warm throughput"
    if limit:
        return limit, "on-demand maximum"
    return DEFAULT_QUOTA, QUOTA
