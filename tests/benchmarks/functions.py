"""The transform: how many items a second one thread makes of raw pages, by what the spec computes.

In: pages of canned_data.py, its items as they are, or with more attributes and some odd ones. Out: a table and its
figures: the main job and SELECT * on the items as they are; on the larger ones these two again, a spec of twenty
expressions (functions_job.ddbetl), and one function of one's own in two forms (own_functions.py): over arrays, and row
by row. A pass is the engine's own way from a page's JSON to finished request
bodies, without looking for collisions; the plan is a new one in every pass, because evaluators remember.

Rounds are interleaved: every job once, then all again. Beside the wall clock stands the CPU time, which other programs
on this machine disturb less.

Invariant: before any time is taken, the reference evaluator has made of a page, item by item, what the bodies hold; and
the two forms of the own function have made the same.

    python -m tests.benchmarks.functions [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ddbetl.connectors.dynamodb.requests import items_of
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.rows import Row, RowEvaluator, RowFailure
from ddbetl.engine.transform import PageInput
from ddbetl.engine.transforming import GROUP
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.functions.model import RowContext
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.types import Timestamp, Type
from tests.benchmarks import report
from tests.benchmarks.canned_data import DOMAIN, SOURCES, Shape, compact, page_items
from tests.benchmarks.canned_filter import Item
from tests.benchmarks.time_readers import Disagreement, Pass
from tests.planned import NOW, planned, table

HERE = Path(__file__).parent
TWENTY = HERE / "functions_job.ddbetl"
MAIN_JOB = HERE / "main_job.ddbetl"
SOURCE = SOURCES[0]
SOURCE_KEY = (KeyAttribute("CustomerID", Type.STRING), KeyAttribute("DateTime", Type.STRING))
MAIN_KEY = (KeyAttribute("CustomerID", Type.STRING), KeyAttribute("CreationDateTime", Type.NUMBER))
PAGE_ROWS = 4000
SEED = 20170426
ODD = 0.005
"""The share of items with a value that the fast path leaves to the reference evaluator."""
_STAR = f"INSERT INTO Copy SELECT * FROM {SOURCE} ON CONFLICT REPLACE"
_OWN = f"USING 'own_functions.py';\n{_STAR.replace('*', '* REPLACE ({}(SessionID) AS SessionID)')}"
_MONTHS = "{201605..201705}"


@dataclass(frozen=True, slots=True)
class Amount:
    """How many pages a job has, how many of a job that goes by reference, and how often all are transformed."""

    pages: int
    slow_pages: int
    rounds: int


FULL = Amount(40, 8, 3)
QUICK = Amount(4, 1, 2)


@dataclass(frozen=True, slots=True)
class Job:
    """A spec and what it is called. ``slow``: all of its rows go by reference. ``plain``: on the items of the main job."""

    name: str
    title: str
    spec: str
    key: tuple[KeyAttribute, ...] = SOURCE_KEY
    slow: bool = False
    plain: bool = False

    def plan(self) -> PhysicalPlan:
        """Compile the spec anew, as if it were a file of this folder."""
        return planned(
            self.spec,
            self.key,
            params={"domain": DOMAIN} if "PARAM domain" in self.spec else None,
            name=str(HERE / "job.ddbetl"),
            source=lambda name: table(name, SOURCE_KEY),
        )


STAR, VECTORISED, SCALAR = "SELECT *", "own, vectorised", "own, row by row"
PLAIN_MAIN, PLAIN_STAR = "main job, small", "SELECT *, small"
_ONE_MONTH = MAIN_JOB.read_text().replace(_MONTHS, "201605")
JOBS = (
    Job(PLAIN_MAIN, "four columns, two of them times, and a filter; the benchmark's own items", _ONE_MONTH, MAIN_KEY, plain=True),
    Job(PLAIN_STAR, "every attribute as it is; the benchmark's own items", _STAR, plain=True),
    Job("20 expressions", "numbers, text, regex, documents, conditions, conversion, hashes, times", TWENTY.read_text()),
    Job(STAR, "every attribute as it is", _STAR),
    Job("main job", "four columns, two of them times, and a filter", _ONE_MONTH, MAIN_KEY),
    Job(VECTORISED, "SELECT * with a Python function over arrays", _OWN.format("masked_many")),
    Job(SCALAR, "SELECT * with the same function, one row at a time", _OWN.format("masked"), slow=True),
)  # fmt: skip


@dataclass(slots=True)
class Transformed:
    """A job and its passes over ``items`` items of so many bytes of JSON, of which ``by_reference`` went by reference
    and ``written`` were written; ``compared``: how many items the reference evaluator has made beforehand."""

    job: Job
    items: int
    bytes_per_item: int
    compared: int
    by_reference: int = 0
    written: int = 0
    passes: list[Pass] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return the medians over the passes."""
        wall, cpu = (statistics.median(getattr(one, kind) for one in self.passes) for kind in ("wall", "cpu"))
        return {
            "items_per_second": self.items / wall,
            "items_per_cpu_second": self.items / cpu,
            "cpu_us_per_item": 1e6 * cpu / self.items,
            "by_reference_share": self.by_reference / self.items,
        }


def odd_items(page: int, rows: int = PAGE_ROWS) -> list[Item]:
    """Return one page's items: those of the canned server, with a name, an address and what was bought; a few of them
    with a number, a text or a time that only the reference evaluator takes."""
    draw = random.Random(f"{SEED}/{page}")
    return [_item(item, draw) for item in page_items(0, page, Shape(page + 1, rows))]


_NAMES = ("Ann Bell", "Jörg Krämer", "Zoë O'Neill ", " Li Wei", "María de la Cruz", "Sam Stone")
_CITIES = ("Seattle", "Köln", "New York", "São Paulo", "Tōkyō")


def _item(item: Item, draw: random.Random) -> Item:
    name = draw.choice(_NAMES)
    lines = [
        {
            "M": {
                "Sku": {"S": f"B{draw.randrange(10**9):09d}"},
                "Count": {"N": str(draw.randint(1, 5))},
                "Price": {"N": str(draw.randrange(1, 20_000) / 100)},
            }
        }
        for _ in range(draw.randint(1, 3))
    ]
    address = {"City": {"S": draw.choice(_CITIES)}, "Zip": {"S": f"{draw.randrange(10**5):05d}"}}
    if draw.random() < 0.5:
        address["Country"] = {"S": draw.choice(("DE", "BR", "JP"))}
    made: dict[str, Any] = {
        **item,
        "Name": {"S": name},
        "Email": {"S": f"{name.split()[0].lower()}.{draw.randrange(10**6)}@example.com"},
        "Discount": {"N": str(draw.randrange(0, 2000) / 100)},
        "Weight": {"S": str(draw.randrange(20_000))},
        "Address": {"M": address},
        "Lines": {"L": lines},
    }
    if draw.random() < ODD:
        name, value = draw.choice(
            (
                ("Amount", {"N": f"{draw.randrange(10**30)}.5"}),
                ("DateTime", {"S": item["DateTime"]["S"].replace(".", ",")}),
                ("Name", {"S": "Jörg Groß"}),
            )
        )
        made[name] = value
    return made


class Transform:
    """A job over its pages. Raises Disagreement where the first page is not made as the reference evaluator makes
    it."""

    def __init__(self, job: Job, pages: Sequence[PageInput]) -> None:
        self._job = job
        self._groups = [pages[start : start + GROUP] for start in range(0, len(pages), GROUP)]
        self.made = self._compared(pages[0])
        items = sum(page.count for page in pages)
        self.found = Transformed(job, items, sum(len(page.items) for page in pages) // items, pages[0].count)

    def run(self) -> None:
        """Do all pages once. Raises Disagreement where not every item became of what it was in the pass before."""
        plan = self._job.plan()
        assert plan.write is not None
        work = PageWork(plan.transform, plan.write)
        try:
            work.open()
            # An empty page, so that what is made once is there.
            work.run([_page([])])
            wall, cpu = time.perf_counter(), time.process_time()
            results = [result for group in self._groups for result in work.run(group)]
            took = Pass(time.perf_counter() - wall, time.process_time() - cpu)
        finally:
            work.close()
        by_reference = sum(result.by_reference for result in results)
        written = sum(batch.rows for result in results for batch in result.batches)
        known = (self.found.by_reference, self.found.written)
        if self.found.passes and known != (by_reference, written):
            raise Disagreement(f"{self._job.name}: {(by_reference, written)} items after {known} in the pass before")
        self.found.by_reference, self.found.written = by_reference, written
        self.found.passes.append(took)

    def _compared(self, page: PageInput) -> list[Item]:
        """Return the items that come of a page, as the bodies and the reference evaluator have them."""
        plan = self._job.plan()
        assert plan.write is not None
        work = PageWork(plan.transform, plan.write)
        try:
            work.open()
            (result,) = work.run([page])
            bodies = _written(result, plan.write.table.name)
        finally:
            work.close()
        write = plan.write
        rows = RowEvaluator(plan.transform, write.key, write.newest, write.ttl_attribute)
        context = RowContext(page.source_table, Timestamp(page.now_millis))
        outcomes = [rows.row(item, context) for item in items_of(page.items)]
        expected = _sorted([json.loads(one.item) for one in outcomes if isinstance(one, Row)])
        failures = [one for one in outcomes if isinstance(one, RowFailure)]
        if failures or result.failures:
            raise Disagreement(f"{self._job.name}: an item cannot be written: {(failures or result.failures)[0]}")
        if bodies != expected:
            raise Disagreement(f"{self._job.name}: the bodies are not what the reference evaluator makes of the items")
        if self._job.slow is not (result.by_reference == page.count):
            raise Disagreement(f"{self._job.name}: {result.by_reference:,} of {page.count:,} items go by reference")
        return bodies


def _written(result: PageResult, table_name: str) -> list[Item]:
    bodies = [json.loads(bytes(one.content)) for batch in result.batches for one in batch.chain()]
    return _sorted([entry["PutRequest"]["Item"] for body in bodies for entry in body["RequestItems"][table_name]])


def _sorted(items: list[Item]) -> list[Item]:
    return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))


def _page(items: Sequence[Item]) -> PageInput:
    return PageInput(compact(items).encode(), len(items), SOURCE, NOW.millis)


def measure(amount: Amount, jobs: Sequence[Job] = JOBS, rows: int = PAGE_ROWS) -> list[Transformed]:
    """Transform all pages by every job, as often as the amount says. Raises Disagreement."""
    plain = [_page(page_items(0, page, Shape(page + 1, rows))) for page in range(amount.pages)]
    large = [_page(odd_items(page, rows)) for page in range(amount.pages)]
    transforms = {
        job.name: Transform(job, plain if job.plain else large[: amount.slow_pages] if job.slow else large)
        for job in jobs
    }
    if {VECTORISED, SCALAR} <= set(transforms) and transforms[VECTORISED].made != transforms[SCALAR].made:
        raise Disagreement("the two forms of the own function make different texts")
    for _ in range(amount.rounds):
        for transform in transforms.values():
            transform.run()
    return [transform.found for transform in transforms.values()]


def functions_text(found: Sequence[Transformed]) -> str:
    """Return the table."""
    rows = []
    for one in found:
        figures = one.figures()
        rates = sorted(one.items / took.wall / 1000 for took in one.passes)
        rows.append(
            [
                one.job.name,
                f"{one.items:,}",
                f"{one.bytes_per_item:,}",
                f"{figures['items_per_second']:,.0f}",
                f"{rates[0]:,.1f}-{rates[-1]:,.1f} k",
                f"{figures['items_per_cpu_second']:,.0f}",
                f"{figures['cpu_us_per_item']:.2f}",
                f"{figures['by_reference_share']:.2%}",
                f"{one.written / one.items:.0%}",
            ]
        )
    columns = [
        "spec",
        "items",
        "JSON bytes",
        "items/s",
        "from-to",
        "items/CPU s",
        "CPU µs/item",
        "by reference",
        "written",
    ]
    rounds = max((len(one.passes) for one in found), default=0)
    head = f"The transform, raw pages to request bodies, one thread: {rounds} interleaved rounds, medians"
    compared = (
        f"  Items have 5 or 6 attributes (small), or 11 or 12. Of each spec "
        f"{found[0].compared:,} were compared with the reference evaluator's beforehand."
    )
    titles = [f"  {one.job.name:15} {one.job.title}" for one in found]
    return "\n".join([head, "", report.table(columns, rows), "", *titles, compared])


def functions_json(found: Sequence[Transformed]) -> dict[str, Any]:
    """Return all figures, with every pass."""
    return {
        one.job.name: {
            "title": one.job.title,
            "medians": one.figures(),
            **{name: getattr(one, name) for name in ("items", "bytes_per_item", "compared", "by_reference", "written")},
            "passes": [asdict(took) for took in one.passes],
        }
        for one in found
    }


def main() -> int:
    """Measure as the command line says; 1 where the bodies are not the reference evaluator's."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.functions", description="The transform, by what the spec computes."
    )
    parser.add_argument("--quick", action="store_true", help="fewer items and rounds")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    given = parser.parse_args()
    try:
        found = measure(QUICK if given.quick else FULL)
    except Disagreement as error:
        print(f"No figures: {error}", file=sys.stderr)
        return 1
    print(functions_text(found))
    if given.json is not None:
        given.json.write_text(json.dumps(functions_json(found), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
