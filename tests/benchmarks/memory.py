"""The peak memory of a run, and of one over ten times more items.

In: nothing but this machine. Out: a line for each run on stdout, and the ratio; with --json, a file of the same. The main
job by ddbetl's own command line, in one worker, against the canned server, which takes some milliseconds to answer: so
the writers are what a run waits for, and every queue before them is full in the small run already.

Invariant: every run read and wrote exactly the expected items, or there is no figure.

    python -m tests.benchmarks.memory
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.measure import Server, canned_server, client_environment, run_client
from tests.benchmarks.side_by_side import ITEMS_PER_PAGE, SPEC, run_command, takes_workers

# Pages of each of the thirteen tables in the small run. A page is some 0.8 MB, and what waits for the writers 17 MB.
PAGES = 20
TIMES = 10
# The peaks of small runs differ by some per cent, by how far they come before they end: their median counts.
SMALL_RUNS = 2
LATENCY_MS = 5.0
MEGA = 1_000_000


@dataclass(frozen=True, slots=True)
class Peak:
    """The most memory that one run had, as the kernel counted it: its largest resident set."""

    items: int
    peak_bytes: int
    seconds: float

    def text(self) -> str:
        return f"memory: {self.items:,} items, {self.seconds:.0f} s: peak {self.peak_bytes / MEGA:.0f} MB"


def measured(server: Server, pages: int) -> Peak:
    """Run the main job once. Raises ValueError unless it did all of it."""
    server.configure(pages_per_table=pages, items_per_page=ITEMS_PER_PAGE)
    workers = ("--workers", "1") if takes_workers() else ()
    done = run_client(run_command(str(SPEC), server.url, workers), client_environment(server), timeout=600.0)
    stats = server.stats()
    counts = [(stats[f"items_{what}"], stats[f"expected_{what}"]) for what in ("read", "written")]
    if done.exit_code != 0 or any(found != expected for found, expected in counts):
        raise ValueError(f"ddbetl run ended with {done.exit_code}, {counts}: {done.stderr[-3000:]}")
    return Peak(stats["items_read"], done.peak_bytes, done.wall)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.memory", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    found: list[Peak] = []
    # Pages are made when they are asked for: the server's memory is not what is measured.
    with canned_server(latency_ms=LATENCY_MS, cache_mb=64) as server:
        for pages in (*[PAGES] * SMALL_RUNS, TIMES * PAGES):
            found.append(measured(server, pages))
            print(found[-1].text(), flush=True)
    *small, large = (peak.peak_bytes for peak in found)
    ratio = large / statistics.median(small)
    print(f"memory: the peak of {TIMES} times more items is {ratio:.2f} times the median of the others")
    if given.json is not None:
        given.json.write_text(json.dumps({"runs": [asdict(peak) for peak in found], "ratio": ratio}))


if __name__ == "__main__":
    main()
