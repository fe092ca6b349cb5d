"""What it costs to ask for a row's target key: per row, at more and more keys of a job.

In: nothing but this machine. Out: a table on stdout; with --json, a file of the same. Pages of 3,500 rows with keys
and source keys of 40 bytes ask for keys that nobody has had; at each size, the pages before it are measured one by one
and pages of an earlier moment ask again as another table, which nobody may have.

CPU time stands beside the wall clock: other programs disturb it less, and the wall clock has the disk's pace in it.

Invariant: exactly the keys that were asked for before collide, each with the row that was first; another answer is an
error, never a figure.

    python -m tests.benchmarks.collisions [--millions 1,10] [--memory MB] [--json FILE] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random

import pyarrow as pa

from ddbetl.engine.collisions import MEMORY, ROWS, TEXTS, Claims, Collision, KeysSeen

ROWS_OF_PAGE = 3500
WIDTH = 40
# Pages that are measured for "now", and pages that ask again.
LAST = 300
AGAIN = 5
OFFSETS = pa.py_buffer(pa.array(range(0, WIDTH * (ROWS_OF_PAGE + 1), WIDTH), pa.int32()).buffers()[1])


class Wrong(Exception):
    """An answer that is not the right one: nothing that it took can be reported."""


@dataclass(slots=True)
class Costs:
    """Seconds of pages, and their rows."""

    rows: int = 0
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)

    def claim(self, seen: KeysSeen, claims: Claims) -> list[Collision]:
        cpu, wall = time.thread_time(), time.perf_counter()
        late = seen.claim(claims)
        self.cpu.append(time.thread_time() - cpu)
        self.wall.append(time.perf_counter() - wall)
        self.rows += len(claims.hashes)
        return late


@dataclass(frozen=True, slots=True)
class Figures:
    """Nanoseconds per row: the mean over all pages so far; the median of the last pages, and what nine of ten of them
    exceed; rows that come too late. ``memory``: the most that the process has had, in MB."""

    keys: int
    mean_cpu: float
    mean_wall: float
    now_cpu: float
    now_undisturbed: float
    late_cpu: float
    memory: float
    disk_bytes: float


def page(number: int, table: int = 0) -> Claims:
    """The page of that number; its keys and source keys are as random as its hashes."""
    chance = Random(number)
    hashes = pa.Array.from_buffers(pa.uint64(), ROWS_OF_PAGE, [None, pa.py_buffer(chance.randbytes(8 * ROWS_OF_PAGE))])
    keys, sources = (_texts(chance.randbytes(WIDTH * ROWS_OF_PAGE)) for _ in range(2))
    return Claims(hashes, keys, table, sources)


def _texts(content: bytes) -> pa.Array:
    return pa.Array.from_buffers(pa.binary(), ROWS_OF_PAGE, [None, OFFSETS, pa.py_buffer(content)])


def measure(folder: Path, sizes: Sequence[int], memory: int) -> Iterator[Figures]:
    """Ask for keys until there are as many as each size says, rounded up to whole pages."""
    seen = KeysSeen.open(folder, memory=memory)
    costs, number = Costs(), 0
    for size in sizes:
        while costs.rows < size:
            if costs.claim(seen, page(number)):
                raise Wrong(f"a new key of page {number} collides")
            number += 1
        yield Figures(
            costs.rows,
            1e9 * sum(costs.cpu) / costs.rows,
            1e9 * sum(costs.wall) / costs.rows,
            1e9 * statistics.median(costs.cpu[-LAST:]) / ROWS_OF_PAGE,
            1e9 * statistics.quantiles(costs.cpu[-LAST:], n=10)[0] / ROWS_OF_PAGE,
            _ask_again(seen, number),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
            sum((folder / name).stat().st_size for name in (ROWS, TEXTS)) / costs.rows,
        )
    seen.sync()
    seen.close()


def _ask_again(seen: KeysSeen, pages: int) -> float:
    late = Costs()
    for number in range(0, pages, max(1, pages // AGAIN)):
        sources = page(number).sources.to_pylist()
        found = late.claim(seen, page(number, table=1))
        if found != [Collision(row, 0, source) for row, source in enumerate(sources)]:
            raise Wrong(f"page {number} does not collide with itself")
    return 1e9 * sum(late.cpu) / late.rows


def take_up(folder: Path) -> float:
    """Seconds of CPU time to take up the files of a job, as a resume does."""
    begun = time.thread_time()
    KeysSeen.open(folder).close()
    return time.thread_time() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--millions", default="1,10", help="sizes, rising")
    parser.add_argument("--memory", type=int, default=MEMORY // 2**20, help="MB of the table")
    parser.add_argument("--folder", type=Path, help="where the files are made, and removed")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sizes = [int(float(millions) * 1e6) for millions in given.millions.split(",")]
    print("nanoseconds per row")
    print("      keys   mean: CPU  wall   now: CPU  undisturbed   too late: CPU   memory   bytes on disk per row")
    done = []
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        for f in measure(Path(name), sizes, given.memory * 2**20):
            print(
                f"{f.keys:10,}  {f.mean_cpu:10.0f} {f.mean_wall:5.0f} {f.now_cpu:10.0f} {f.now_undisturbed:12.0f} "
                f"{f.late_cpu:15,.0f} {f.memory:8,.0f} MB {f.disk_bytes:23.1f}",
                flush=True,
            )
            done.append(f)
        seconds = take_up(Path(name))
    print(f"taking up {done[-1].keys:,} keys again: {seconds:.1f} s, {1e9 * seconds / done[-1].keys:.0f} ns per row")
    if given.json:
        given.json.write_text(json.dumps({"figures": [asdict(f) for f in done], "take_up_seconds": seconds}, indent=2))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
