"""The readers of times that are compared: ddbetl's in three forms, Joda-Time on the JVM, one text at a time in Python.

In: a column and its texts. Out: a function for one pass over them: its seconds, and a checksum of the epoch seconds
that were read. What a reader needs before it can read (compiling, preparing, warming up) is done when it is made.

Invariant: the checksum is of what the timed code itself has read, and is made outside of its time.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from ddbetl.engine.pages import PageWork
from ddbetl.engine.transform import CONFIGURATION, PageInput
from ddbetl.engine.transforming import GROUP
from ddbetl.expressions.evaluate import evaluator
from ddbetl.expressions.ir import Expression
from ddbetl.expressions.resolve import Settings
from ddbetl.functions.model import RowContext
from ddbetl.lowering.duckdb_sql import Lowerer
from ddbetl.lowering.statement import with_layers
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.time import pivot_of, zone
from ddbetl.types import Timestamp
from tests.benchmarks.time_columns import ATTRIBUTE, Column
from tests.planned import planned

JODA_JAR = Path("/usr/share/java/joda-time.jar")
"""Where Debian's package libjoda-time-java puts it."""
HERE = Path(__file__).parent
PAGE_ROWS = 4000
PIVOT_YEAR = pivot_of(2017)
WARM_UP_PASSES = 2


class Disagreement(Exception):
    """Two readers made different times of one text: nothing of either can be reported."""


@dataclass(frozen=True, slots=True)
class Pass:
    """One reader's way through all texts of a column, in seconds."""

    wall: float
    cpu: float


# A pass over a column: its seconds, and the checksum of what was read, which is made outside of them.
Reader = Callable[[], tuple[Pass, int]]


def checksum(seconds: Sequence[int]) -> int:
    """Fold the epoch seconds of a column into 64 bits, as JodaTimes.java does."""
    return reduce(lambda found, value: (found * 31 + value) & (2**64 - 1), seconds, 0)


@contextlib.contextmanager
def _timed(into: list[Pass]) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    into.append(Pass(time.perf_counter() - wall, time.process_time() - cpu))


def _compiled(text: str) -> Expression:
    source = SourceText(text)
    expression, diagnostics = compile_expression(parse_expression(source), source, Settings(zone("UTC"), PIVOT_YEAR))
    assert expression is not None, diagnostics
    return expression


class LoweredCall:
    """A column's call as a plan computes it: by DuckDB where its guard is true, else by the reference evaluator."""

    def __init__(self, column: Column, texts: Sequence[str]) -> None:
        expression = _compiled(column.call)
        self._call = column.call
        self._rows = len(texts)
        self._context = RowContext("Orders", Timestamp(0))
        self._connection = duckdb.connect(":memory:", config=CONFIGURATION)
        lowerer = Lowerer()
        fast = lowerer.lower(expression)
        if (fast is None) is not column.slow:
            raise Disagreement(f"{column.call} is said to have {'no ' if column.slow else 'a '}fast path")
        self._is_lowered = fast is not None
        if fast is not None:
            attributes = [f"{sql} AS {name}" for name, sql in lowerer.structures()[1].items()]
            sql = f"SELECT {', '.join(attributes)} FROM texts"
            sql = with_layers(sql, lowerer.layers(0, lowerer.depth))
            self._connection.execute("SET TimeZone = 'UTC'")
            self._connection.register("texts", _as_attribute(texts, lowerer))
            self._connection.execute(
                f"PREPARE call AS SELECT {fast.value} AS value, {fast.guard or 'TRUE'} AS ok FROM ({sql})"
            )
        left = range(len(texts)) if fast is None else self._left_over(self._vectorised())
        # What the engine has decoded already when it evaluates a row's expression.
        self._items = {position: {ATTRIBUTE: {"S": texts[position]}} for position in left}

    @property
    def by_reference(self) -> float:
        """The share of the rows that go by reference."""
        return len(self._items) / self._rows

    def close(self) -> None:
        self._connection.close()

    def __call__(self) -> tuple[Pass, int]:
        passes: list[Pass] = []
        # A new one, because an evaluator remembers texts that it has read.
        evaluate, items, context = evaluator(_compiled(self._call)), self._items, self._context
        with _timed(passes):
            found = self._vectorised() if self._is_lowered else None
            left = range(self._rows) if found is None else self._left_over(found)
            slow = [evaluate(items[position], context) for position in left]
        values: list[int] = [0] * self._rows if found is None else found.column("value").to_pylist()
        for position, value in zip(left, slow, strict=True):
            assert isinstance(value, Decimal)
            values[position] = int(value)
        return passes[0], checksum(values)

    def _vectorised(self) -> pa.Table:
        return self._connection.sql("EXECUTE call").to_arrow_table()

    @staticmethod
    def _left_over(found: pa.Table) -> list[int]:
        positions: list[int] = pc.indices_nonzero(pc.invert(found.column("ok"))).to_pylist()
        return positions


def _as_attribute(texts: Sequence[str], lowerer: Lowerer) -> pa.Table:
    """The texts as the column that the statement reads from a page's JSON: a struct of the attribute's tags."""
    ((structure,), _) = lowerer.structures()
    (tags,) = (entry[ATTRIBUTE] for entry in json.loads(structure))
    fields = [pa.array(texts, pa.utf8()) if tag == "S" else pa.nulls(len(texts), pa.utf8()) for tag in tags]
    attribute = pa.StructArray.from_arrays(fields, names=list(tags))
    return pa.table({"s0": pa.StructArray.from_arrays([attribute], names=[ATTRIBUTE])})


class WholeItems:
    """The same call in a whole plan: JSON pages of items to finished requests, as the engine's transform does it."""

    def __init__(self, column: Column, texts: Sequence[str]) -> None:
        self._spec = f"INSERT INTO Copy SELECT id, {column.call} AS T FROM Orders ON CONFLICT REPLACE"
        pages = []
        for start in range(0, len(texts), PAGE_ROWS):
            items = [
                {"id": {"S": f"{start + number:08}"}, ATTRIBUTE: {"S": text}}
                for number, text in enumerate(texts[start : start + PAGE_ROWS])
            ]
            pages.append(PageInput(json.dumps(items, separators=(",", ":")).encode(), len(items), "Orders", 0))
        self._groups = [pages[start : start + GROUP] for start in range(0, len(pages), GROUP)]

    def __call__(self) -> tuple[Pass, int]:
        passes: list[Pass] = []
        # A new plan, because evaluators remember; an empty page, so that what is made once is there.
        plan = planned(self._spec)
        assert plan.write is not None
        work = PageWork(plan.transform, plan.write)
        try:
            work.open()
            work.run([PageInput(b"[]", 0, "Orders", 0)])
            with _timed(passes):
                results = [result for group in self._groups for result in work.run(group)]
        finally:
            work.close()
        bodies = [bytes(one.content) for result in results for batch in result.batches for one in batch.chain()]
        puts = [entry["PutRequest"]["Item"] for body in bodies for entry in json.loads(body)["RequestItems"]["Copy"]]
        return passes[0], checksum([int(item["T"]["N"]) for item in sorted(puts, key=lambda item: item["id"]["S"])])


def each(read: Callable[[str], int], texts: Sequence[str], seconds_of: Callable[[int], int] = int) -> Reader:
    """A reader that takes one text after the other."""

    def run() -> tuple[Pass, int]:
        passes: list[Pass] = []
        with _timed(passes):
            found = [read(text) for text in texts]
        return passes[0], checksum([seconds_of(value) for value in found])

    return run


class Joda:
    """Joda-Time over the texts of one column, in a JVM; warm when it is made."""

    def __init__(self, classes: Path, column: Column, texts: Sequence[str], warm_up_seconds: float) -> None:
        path = classes / "texts"
        path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        command = ["java", "-cp", f"{JODA_JAR}:{classes}", "JodaTimes", str(path), column.zone, column.pattern or ""]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            self.versions = "Java {}, Joda-Time {}".format(*self._answer())
            ends, passes = time.monotonic() + warm_up_seconds, 0
            while passes < WARM_UP_PASSES or time.monotonic() < ends:
                self()
                passes += 1
        except BaseException:
            self.close()
            raise

    def __call__(self) -> tuple[Pass, int]:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        wall, cpu, found = map(int, self._answer())
        return Pass(wall / 1e9, cpu / 1e9), found & (2**64 - 1)

    def _answer(self) -> list[str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise Disagreement(f"Joda-Time ended with {self._process.wait(timeout=10)}")
        return line.rstrip("\n").split("\t")

    def close(self) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()


def why_no_joda() -> str:
    """Say what is missing for Joda-Time; empty when nothing is."""
    for command in ("javac", "java"):
        if shutil.which(command) is None:
            return f"there is no {command} command"
    return "" if JODA_JAR.exists() else "there is no joda-time.jar, which Debian's libjoda-time-java brings"


@contextlib.contextmanager
def compiled_java() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ddbetl-joda-") as folder:
        command = ["javac", "-cp", str(JODA_JAR), "-d", folder, str(HERE / "JodaTimes.java")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        yield Path(folder)
