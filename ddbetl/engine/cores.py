"""How many worker processes a run has, where nobody says.

In: a plan, the cores that there are. Out: a number, and why. Invariant: a small job, or one that its rates hold back,
runs in one process: starting others would take longer, or gain nothing.
"""

from __future__ import annotations

import math
import os

from ddbetl.plan.budget import EVENTUAL_BYTES, STRONG_BYTES
from ddbetl.plan.physical import PhysicalPlan

# Bytes to read from which on more than one process is worth its start.
LARGE = 256 * 2**20
# What one process does in a second at the least, in write units and in bytes of pages; see docs/performance.md.
UNITS_ALONE = 50_000
BYTES_ALONE = 40 * 2**20
# Cores that a process keeps busy where nothing else holds it up: one for making rows, and most of another one for
# checking them and for requests. On two cores a second process only costs what it takes to start.
CORES_EACH = 2
# More than that would not find enough pages.
MOST = 16


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def workers_for(plan: PhysicalPlan, cores: int) -> int:
    """The worker processes of a plan on a machine with so many cores."""
    if plan.write is None or plan.limit is not None:
        return 1
    known = [scan.table.description for scan in plan.scans]
    if sum(one.size for one in known if one is not None) < LARGE:
        return 1
    needed = float(MOST)
    if (units := plan.write.budget.units) is not None:
        needed = min(needed, units / UNITS_ALONE)
    reads = [scan.budget.units for scan in plan.scans]
    if None not in reads:
        unit = STRONG_BYTES if plan.logical.consistent_read else EVENTUAL_BYTES
        needed = min(needed, sum(units or 0.0 for units in reads) * unit / BYTES_ALONE)
    return max(1, min(cores // CORES_EACH, math.ceil(needed)))
