"""How the rate grows with worker processes, when client and server share a machine's cores.

In: the runs of side_by_side.py on servers of its own. Out: a section of the main job for each number of workers, twice:
with nothing pinned, and with the server on one core and the client on the others; the accounted scaling.

Accounted: items read by the CPU seconds of the client's busiest thread, from the first Scan on. So much would be read a second if every thread
of the client had a core of its own, the server were elsewhere and answered in time. It leaves out what processes on
neighbouring cores take from each other (caches, memory, clock), and within one process Python's lock. On two cores,
which the server is on as well, nothing closer can be measured; with more of them, the pinned rows measure it.

Invariant: all rows read and write the same pages, and did the whole job, or there is no figure.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

from tests.benchmarks.canned_tables import Mode
from tests.benchmarks.measure import Cores, canned_server, usable_cores
from tests.benchmarks.report import Run, Section, medians, ratio_range, section_json, table
from tests.benchmarks.side_by_side import DDBETL, SPEC, Bench, run_command

COUNTS = {"1 worker": ("--workers", "1"), "2 workers": ("--workers", "2"), "default": ()}
PINNED = ", pinned"
ONE, TWO = "1 worker", "2 workers"
SMALL = Mode(3, 200, verify=True)


def layouts(cores: Cores) -> dict[str, tuple[Cores | None, Cores | None]]:
    """Return the cores of server and client, None for all, by what a row's name ends in."""
    first, *others = sorted(cores)
    shared: dict[str, tuple[Cores | None, Cores | None]] = {"": (None, None)}
    return shared | ({PINNED: (frozenset({first}), frozenset(others))} if others else {})


def measure(bench: Bench, rounds: int) -> Section:
    """Time each number of workers, interleaved within a layout. Raises Failed."""
    runs: dict[str, list[Run]] = {}
    mode = bench.shape(DDBETL)
    for ending, (server_cores, client_cores) in layouts(usable_cores()).items():
        with canned_server(cores=server_cores) as server:
            # How many it takes by default depends on the cores that it may use.
            counts = {name: options for name, options in COUNTS.items() if options or client_cores is None}
            for options in counts.values():
                bench.check(server, run_command(str(SPEC), server.url, options), SMALL)
            for _ in range(rounds):
                for name, options in counts.items():
                    command = run_command(str(SPEC), server.url, options)
                    found = bench.run(f"{name}{ending}", command, server, mode, client_cores)
                    runs.setdefault(f"{name}{ending}", []).append(found)
    return Section("Worker processes, HTTP, whole pages", 0, runs)


def accounted(runs: Mapping[str, list[Run]]) -> list[float]:
    """Return how many times as much two workers read as one, accounted, round by round; of what is not pinned. Nothing
    where the system does not tell of threads."""
    both = zip(runs.get(TWO, []), runs.get(ONE, []), strict=False)
    pairs = [(two, one) for two, one in both if two.busiest_cpu is not None and one.busiest_cpu is not None]
    figure = "accounted_read_per_second"
    return [two.figures()[figure] / one.figures()[figure] for two, one in pairs]


def scaling_text(section: Section) -> str:
    """Return the table."""
    rows = []
    for name, runs in section.runs.items():
        mid = medians(runs)
        base = section.runs.get(f"{ONE}{PINNED}" if name.endswith(PINNED) else ONE, [])
        figure = "read_per_second"
        times = [run.figures()[figure] / one.figures()[figure] for run, one in zip(runs, base, strict=False)]
        rows.append(
            [
                name,
                f"{mid['processes']:.0f}",
                f"{mid[figure]:,.0f}",
                ratio_range(times, ".2f"),
                f"{mid['client_us_per_item_read']:.2f}",
                f"{mid['client_cores']:.2f}",
                f"{mid['server_cores']:.2f}",
                f"{mid['busiest_us_per_item_read']:.2f}",
                f"{mid['accounted_read_per_second']:,.0f}",
                f"{mid['peak_mb']:,.0f}",
                f"{mid['all_peaks_mb']:,.0f}",
            ]
        )
    columns = ["", "processes", "read/s", f"x {ONE}", "CPU µs/item", "client cores", "server cores", "busiest µs/item"]
    columns += ["accounted/s", "peak MB", "peaks added"]
    rounds = max(map(len, section.runs.values()), default=0)
    lines = [f"\n{section.title}: {rounds} rounds, medians", "", table(columns, rows), ""]
    lines += [
        "  pinned: the server has one core for itself, the client the others.",
        "  accounted: items read by the CPU seconds of the client's busiest thread, which is what it would read if each",
        "  of its threads had a core and the server were elsewhere.",
    ]
    if found := accounted(section.runs):
        lines.append(f"  2 workers read {ratio_range(found, '.2f')} times as much as 1, accounted.")
    return "\n".join(lines)


def scaling_json(section: Section) -> dict[str, Any]:
    """Return the section with every run."""
    found = accounted(section.runs)
    return {
        **section_json(section, ONE),
        "accounted_ratios": found,
        "accounted_ratio": statistics.median(found) if found else None,
    }
