"""Where a core's time goes in the main job: each stage by itself, by CPU time.

In: nothing but this machine. Out: a table of microseconds by item read; with --json, a file of the same. Stages that can
be taken by themselves are: signing (the signer alone, on the job's bodies), HTTP (the wire client on canned bodies, less
the signing), the split of a page (the reader of its answer). The transform's parts are differences between passes over
the same pages: a filter that nothing passes; the same rows copied into bodies; the main job's expressions; these with
the keys of all rows asked for. What is left of a whole run, without its start, is bookkeeping: readers and writers, their
hand-over, budgets, counts, the job's state, memory management.

Every median is of interleaved rounds. A stage by itself has the caches for itself, so the rest that is called bookkeeping
has in it what stages cost each other, too.

Invariant: the whole run read and wrote every item, and every pass of a spec the same ones as the pass before.

    python -m tests.benchmarks.profile [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.requests import read_scan
from ddbetl.connectors.dynamodb.signer import Credentials, Signer
from ddbetl.engine.collisions import KeysSeen
from ddbetl.engine.pages import PageWork
from ddbetl.engine.transform import PageInput
from ddbetl.engine.transforming import GROUP
from tests.benchmarks import collisions, report, start
from tests.benchmarks.canned_answers import Canned
from tests.benchmarks.canned_checks import ACCESS_KEY, SECRET_KEY
from tests.benchmarks.canned_data import SOURCES, Shape, promoted_items
from tests.benchmarks.canned_tables import Mode
from tests.benchmarks.ceiling import BATCH, scan_bodies, write_bodies
from tests.benchmarks.functions import MAIN_JOB as MAIN_SPEC
from tests.benchmarks.functions import MAIN_KEY, SOURCE, Job
from tests.benchmarks.measure import ROOT, canned_server
from tests.benchmarks.side_by_side import DDBETL, FULL, ITEMS_PER_PAGE, QUICK, Bench, Failed, takes_workers
from tests.benchmarks.time_readers import Disagreement
from tests.planned import NOW

_COPIED = f"INSERT INTO Copy SELECT CustomerID, DateTime, OrderID FROM {SOURCE} WHERE length(OrderID) > {{}} ON CONFLICT REPLACE"
FILTERED = Job("parse and filter", "", _COPIED.format(1000))
COPIED = Job("and bodies", "", _COPIED.format(0))
MAIN = Job("and expressions", "", MAIN_SPEC.read_text().replace("{201605..201705}", "201605"), MAIN_KEY)
WRITTEN = "BatchWriteItem"
KNOWN_PAGES, OTHER_TABLE = 60, 1


@dataclass(frozen=True, slots=True)
class Amount:
    """Pages of the transform's passes, rounds of each, and signings."""

    pages: int
    rounds: int
    signed: int


FULL_AMOUNT, QUICK_AMOUNT = Amount(24, 3, 20_000), Amount(4, 2, 2_000)


@dataclass(frozen=True, slots=True)
class Stage:
    """What a stage costs: microseconds of CPU by item read, and how that was found."""

    name: str
    us: float
    how: str


def measure(amount: Amount, bench: Bench) -> list[Stage]:
    """Measure all stages; the last one is the sum, a whole run without its start. Raises Disagreement, Failed."""
    # One item read costs so much of a Scan and of a write.
    shape = Shape(1, ITEMS_PER_PAGE)
    scans, writes = 1 / ITEMS_PER_PAGE, promoted_items(shape) / shape.items / BATCH
    pages = _pages(amount.pages)
    signing = [_signing("Scan", scan_bodies(1), amount), _signing(WRITTEN, write_bodies(64), amount)]
    with canned_server() as server:
        wire = [
            statistics.median(
                bench.probe(server, "wire", "wire", *one).client_us_per_request for _ in range(amount.rounds)
            )
            for one in (("scan", 8), ("write", 32))
        ]
        started = statistics.median(start.measure(bench, [DDBETL], amount.rounds)[DDBETL])
        whole = statistics.median(_running_us(bench.timed(DDBETL, server, pushdown=False), started) for _ in range(3))
    split = _repeated(lambda: [read_scan(body, checked=True) for body, _ in pages], amount.rounds) / (
        len(pages) * ITEMS_PER_PAGE
    )
    parse, bodies, expressions, asked = _transform([page for _, page in pages], amount.rounds)
    stages = [
        Stage(
            "signing", signing[0] * scans + signing[1] * writes, "the signer alone, on the bodies of Scans and writes"
        ),
        Stage("HTTP, reading", (wire[0] - signing[0]) * scans, "the wire client alone, with the answer's CRC32"),
        Stage("HTTP, writing", (wire[1] - signing[1]) * writes, "the same"),
        Stage("page split", 1e6 * split, "the reader of a Scan's answer: items stay raw"),
        Stage("JSON parse and filter", parse, "the statement, where nothing passes"),
        Stage("body building", bodies - parse, "three attributes copied, less the line before"),
        Stage("expressions and keys", expressions - bodies, "the main job, less the line before: two times, key texts"),
        Stage("collisions", asked - expressions, "the same with every row's key asked for"),
    ]
    rest = whole - sum(stage.us for stage in stages)
    stages.append(Stage("bookkeeping", rest, "what is left of a whole run"))
    return [*stages, Stage("in all", whole, f"ddbetl run, one worker, without its start ({started:.2f} s)")]


def _pages(count: int) -> list[tuple[bytes, PageInput]]:
    """Return pages of the first table: the answers to Scans, and what the transform takes of each."""
    canned = Canned(Mode(count, ITEMS_PER_PAGE, tables=1), 1 << 30, time.monotonic)
    canned.configure(canned.mode)
    bodies = []
    for segment in range(count):
        asked = {"TableName": SOURCES[0], "Segment": segment, "TotalSegments": count}
        parts, _ = canned.answer("Scan", json.dumps(asked).encode())
        bodies.append(b"".join(parts))
    return [(body, PageInput(read_scan(body).items, ITEMS_PER_PAGE, SOURCE, NOW.millis)) for body in bodies]


def _repeated(work: Callable[[], object], rounds: int) -> float:
    """Return the median CPU seconds of some work, done once before."""
    work()
    took = []
    for _ in range(rounds):
        began = time.thread_time()
        work()
        took.append(time.thread_time() - began)
    return statistics.median(took)


def _signing(operation: str, bodies: list[bytes], amount: Amount) -> float:
    """Return the microseconds of signing one request."""
    signer = Signer(Endpoint.parse("http://127.0.0.1:8000", "us-east-1"))
    credentials = Credentials(ACCESS_KEY, SECRET_KEY)
    some = list(itertools.islice(itertools.cycle(bodies), amount.signed))

    def sign() -> None:
        for body in some:
            signer.head(operation, body, credentials, time.time())

    return 1e6 * _repeated(sign, amount.rounds) / len(some)


def _running_us(run: report.Run, started: float) -> float:
    return 1e6 * (run.cpu - started) / run.items_read


def _transform(pages: Sequence[PageInput], rounds: int) -> list[float]:
    """Return the microseconds by item of four passes: nothing passes; bodies of copies; the main job; the same with its
    keys asked for. Raises Disagreement where a pass does not write what the pass before wrote."""
    groups = [pages[first : first + GROUP] for first in range(0, len(pages), GROUP)]
    passes = ((FILTERED, False), (COPIED, False), (MAIN, False), (MAIN, True))
    took: list[list[float]] = [[] for _ in passes]
    written: list[set[int]] = [set() for _ in passes]
    for _ in range(rounds + 1):
        for number, (job, asks) in enumerate(passes):
            with _work(job, asks) as work:
                work.run([PageInput(b"[]", 0, SOURCE, NOW.millis)])
                began = time.thread_time()
                rows = sum(result.rows for group in groups for result in work.run(group))
                took[number].append(time.thread_time() - began)
            written[number].add(rows)
    if any(len(rows) != 1 for rows in written) or not written[0] == {0} or len(set.union(*written[1:])) != 1:
        raise Disagreement(f"rows written in the passes: {written}")
    # The first pass of each finds memory not yet taken.
    return [1e6 * statistics.median(seconds[1:]) / (len(pages) * ITEMS_PER_PAGE) for seconds in took]


@contextmanager
def _work(job: Job, asks: bool) -> Iterator[PageWork]:
    plan = job.plan()
    assert plan.write is not None
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder:
        seen = KeysSeen.open(Path(folder)) if asks else None
        if seen is not None:
            # As in a job that has gone on for a while: its table is all there.
            for number in range(KNOWN_PAGES):
                seen.claim(collisions.page(number, OTHER_TABLE))
        work = PageWork(plan.transform, plan.write, seen, [SOURCE])
        try:
            work.open()
            yield work
        finally:
            work.close()
            if seen is not None:
                seen.close()


def profile_text(stages: Sequence[Stage]) -> str:
    """Return the table."""
    whole = stages[-1].us
    rows = [[stage.name, f"{stage.us:.2f}", f"{stage.us / whole:.0%}"] for stage in stages]
    head = "Where the main job's CPU time goes, by item read (205 bytes of JSON, 40 % written), each stage by itself:"
    lines = report.table(["stage", "µs/item", "share"], rows).splitlines()
    measured = ["measured as", "-" * len("measured as"), *(stage.how for stage in stages)]
    told = [f"{line}  {how}".rstrip() for line, how in zip(lines, measured, strict=True)]
    return "\n".join([head, "", *told])


def main() -> int:
    """Measure as the command line says; 1 where something is not as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.profile", description="Where the CPU time goes.")
    parser.add_argument("--quick", action="store_true", help="fewer items and rounds")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    given = parser.parse_args()
    bench = Bench(QUICK if given.quick else FULL, time.monotonic(), workers=takes_workers())
    try:
        stages = measure(QUICK_AMOUNT if given.quick else FULL_AMOUNT, bench)
    except (Disagreement, Failed) as error:
        print(f"No figures: {error}", file=sys.stderr)
        return 1
    print(report.machine_text(report.machine(ROOT)))
    print(f"\n{profile_text(stages)}")
    if given.json is not None:
        found = {"stages": [asdict(stage) for stage in stages], "texts": {"profile": profile_text(stages)}}
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
