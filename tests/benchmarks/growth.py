"""How the cost grows: with more items, more tables, larger and wider items, more or fewer of them written, and where one
table or one segment has most of them.

In: a canned server, the runs of side_by_side.py, how long it may take. Out: a row for each case: rates, the client's CPU
by item, its peak memory; as text and as values for JSON. A case is one run of ddbetl's own command line, in one worker;
the cases of skew in two.

Pages are made anew for every answer, so that the server's work is the same for few pages as for many.

Invariant: before the first time of a case is taken, a small job of the same kind has written, item by item, what the
definition of the data says.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from tests.benchmarks.canned_data import SOURCES, source_name, table_bytes
from tests.benchmarks.canned_tables import Mode
from tests.benchmarks.measure import Server
from tests.benchmarks.report import MEGA, Run, table
from tests.benchmarks.side_by_side import COPY_SPEC, Bench, run_command

SMALL_PAGES = 2
SMALL_ITEMS = 2600
"""Items of a small job, all tables together, at most."""
SEGMENTS = 8
"""Parallel segments of the table of which one has most of the items."""
SKEW_PAGES = 130
PAGE = 4000
NUMBER, FEWER = "items", "items that pass the filter"
SKEWS = ("tables, 2 workers", "segments of one table, 2 workers")
_MONTHS = "{201605..201705}"


@dataclass(frozen=True, slots=True)
class Case:
    """What is read and written, how it is called, and among what it stands: the first of a group is what the others
    are compared with. ``quick``: it is measured in the short form, too."""

    group: str
    name: str
    mode: Mode
    quick: bool = False
    segments: int | None = None

    def spec(self, main_job: str) -> str:
        """Return the spec: the main job's on so many tables, or a copy of every item."""
        text = COPY_SPEC.replace(SOURCES[0], SOURCES[0][:-6] + _MONTHS) if self.mode.copies else main_job
        last = source_name(self.mode.tables - 1)[-6:]
        text = text.replace(_MONTHS, f"{{201605..{last}}}" if self.mode.tables > 1 else last)
        options = f", segments = {self.segments})" if self.segments is not None else ")"
        return text.replace("write = unlimited)", f"write = unlimited{options}")

    def small(self) -> Mode:
        """Return a mode with few items of the same kind, in the same places."""
        pages = min(SMALL_PAGES if not self.mode.skew else 10, self.mode.pages_per_table)
        items = max(1, SMALL_ITEMS // (pages * self.mode.tables))
        return replace(
            self.mode, pages_per_table=pages, items_per_page=min(items, self.mode.items_per_page), verify=True
        )


CASES = (
    Case(NUMBER, "1x", Mode(1, PAGE), quick=True),
    Case(NUMBER, "10x", Mode(10, PAGE), quick=True),
    Case(NUMBER, "100x", Mode(100, PAGE)),
    Case("tables", "1", Mode(260, 2000, tables=1)),
    Case("tables", "13", Mode(20, 2000)),
    Case("tables", "500", Mode(1, 1040, tables=500)),
    Case("bytes of an item, SELECT *", "100 B", Mode(4, 10_000, attributes=3, item_bytes=100, copies=True)),
    Case("bytes of an item, SELECT *", "1 KB", Mode(10, 1000, item_bytes=1024, copies=True)),
    Case("bytes of an item, SELECT *", "50 KB", Mode(10, 20, item_bytes=50 * 1024, copies=True), quick=True),
    Case("bytes of an item, SELECT *", "350 KB", Mode(14, 2, item_bytes=350 * 1024, copies=True)),
    Case("attributes, the main job", "5 or 6", Mode(10, PAGE)),
    Case("attributes, the main job", "200", Mode(10, 250, attributes=200)),
    Case("attributes, SELECT *", "5 or 6", Mode(10, PAGE, copies=True), quick=True),
    Case("attributes, SELECT *", "200", Mode(10, 250, attributes=200, copies=True)),
    Case(FEWER, "0 %", Mode(40, PAGE, with_order=0.0), quick=True),
    Case(FEWER, "40 %", Mode(10, PAGE)),
    Case(FEWER, "100 %", Mode(10, PAGE, with_order=1.0)),
    Case(SKEWS[0], "13, even", Mode(SKEW_PAGES // 13, PAGE)),
    Case(SKEWS[0], "80 % in one of 13", Mode(SKEW_PAGES // 13, PAGE, skew="tables")),
    Case(SKEWS[1], "8, even", Mode(SKEW_PAGES, PAGE, tables=1), segments=SEGMENTS),
    Case(SKEWS[1], "80 % in one of 8", Mode(SKEW_PAGES, PAGE, tables=1, skew="segments"), segments=SEGMENTS),
)


@dataclass(frozen=True, slots=True)
class Grown:
    """A case, its run, how many bytes it read (DynamoDB's count), and the CPU seconds that a client needs anyway, before
    its first request."""

    case: Case
    run: Run
    read_bytes: int
    start_cpu: float

    def figures(self) -> dict[str, float]:
        """Return what is reported."""
        return {
            **self.run.figures(),
            "read_mb_per_second": self.read_bytes / MEGA / self.run.window,
            "bytes_per_item": self.read_bytes / self.run.items_read,
            "running_us_per_item_read": 1e6 * (self.run.cpu - self.start_cpu) / self.run.items_read,
        }


def measure(bench: Bench, server: Server, start_cpu: float, cases: Sequence[Case] = CASES) -> list[Grown]:
    """Compare and time each case, as long as there is time. Raises Failed."""
    compared: set[tuple[str, Mode]] = set()
    found = []
    for case in cases:
        if bench.late(1):
            continue
        spec = case.spec(bench.main_job)
        small = case.small()
        if (spec, small) not in compared:
            bench.check(server, run_command(spec, server.url, bench.so_many_workers(1)), small)
            compared.add((spec, small))
        workers = bench.so_many_workers(2 if case.group in SKEWS else 1)
        run = bench.run(f"{case.group}: {case.name}", run_command(spec, server.url, workers), server, case.mode)
        found.append(Grown(case, run, sum(table_bytes(n, case.mode.shape) for n in range(case.mode.tables)), start_cpu))
    return found


def further_item_us(found: Sequence[Grown]) -> float | None:
    """Return the client's CPU for each item that the largest case has more than the smallest, in microseconds."""
    sizes = [one for one in found if one.case.group == NUMBER]
    if len(sizes) < 2:
        return None
    first, last = sizes[0].run, sizes[-1].run
    return 1e6 * (last.cpu - first.cpu) / (last.items_read - first.items_read)


def growth_text(found: Sequence[Grown]) -> str:
    """Return the table: one run each."""
    rows = []
    for group, members in itertools.groupby(found, lambda one: one.case.group):
        cases = list(members)
        rows.append([group, *[""] * 9])
        first = cases[0].figures()["read_per_second"]
        for one in cases:
            figures = one.figures()
            rows.append(
                [
                    f"  {one.case.name}",
                    f"{one.run.items_read:,}",
                    f"{one.run.items_written:,}",
                    f"{figures['read_per_second']:,.0f}",
                    f"{figures['read_mb_per_second']:,.0f}",
                    f"{figures['read_per_second'] / first:.2f}",
                    f"{figures['client_us_per_item_read']:,.2f}",
                    f"{figures['running_us_per_item_read']:,.2f}",
                    f"{figures['peak_mb']:,.0f}",
                    f"{figures['outside_window_seconds']:.2f}",
                ]
            )
    columns = ["case", "items", "written", "read/s", "MB/s", "x first", "CPU µs/item", "running", "peak MB"]
    lines = ["\nHow the cost grows, HTTP, whole pages: one run each", "", table([*columns, "start+end s"], rows), ""]
    lines.append("  running: CPU µs/item without what a client needs before its first request. MB: DynamoDB's sizes.")
    further = further_item_us(found)
    if further is not None:
        lines.append(f"  Each further item of the main job costs {further:.2f} µs of the client's CPU.")
    lines += [
        f"  An item that is read and filtered out costs {one.figures()['client_us_per_item_read']:.2f} µs, start-up included."
        for one in found
        if one.case.group == FEWER and not one.case.mode.with_order
    ]
    return "\n".join(lines)


def growth_json(found: Sequence[Grown]) -> dict[str, Any]:
    """Return all cases with their runs."""
    return {
        "further_item_us": further_item_us(found),
        "cases": [
            {
                "group": one.case.group,
                "name": one.case.name,
                "mode": asdict(one.case.mode),
                "segments": one.case.segments,
                "figures": one.figures(),
                "run": asdict(one.run),
            }
            for one in found
        ],
    }
