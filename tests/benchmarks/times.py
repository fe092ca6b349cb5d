"""Reading times: how many texts a second ddbetl's own expression reads, beside Joda-Time on the JVM and Python.

In: columns of generated texts. Out: a table and its figures. ddbetl is measured as a plan runs it: the call lowered to
DuckDB SQL, prepared, over an Arrow table, in one thread; the rows that its guard leaves over go through the call's
reference evaluator, which remembers nothing from pass to pass. Joda-Time is the real one, in a JVM of its own that has
warmed up (JodaTimes.java); where Java or its jar is missing, its rows are left out and the table says so.

Rounds are interleaved: every reader once, then all again. Beside the wall clock stands the CPU time, which other
programs on this machine disturb less.

Invariant: a reader that did not find the expected epoch second of every text, in every round, is an error, never a
figure.

    python -m tests.benchmarks.times [--quick] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ddbetl.time import compile_pattern, zone
from ddbetl.time import parser as time_parser
from tests.benchmarks.time_columns import COLUMNS, Column
from tests.benchmarks.time_readers import (
    PIVOT_YEAR,
    Disagreement,
    Joda,
    LoweredCall,
    Pass,
    Reader,
    WholeItems,
    checksum,
    compiled_java,
    each,
    why_no_joda,
)

# From this share of rows by reference on, what the rest of such a row costs is measured too.
MANY_MISSES = 0.01


@dataclass(frozen=True, slots=True)
class Amount:
    """How many texts a column has, how many of a column that is read by reference, and how often all are read."""

    rows: int
    slow_rows: int
    rounds: int
    warm_up_seconds: float


FULL = Amount(1_000_000, 250_000, 3, 2.0)
QUICK = Amount(100_000, 25_000, 2, 0.7)


@dataclass(slots=True)
class Reading:
    """A reader of a column, and its passes. ``by_reference``: the share of rows that the fast path left over, of
    ddbetl only."""

    reader: str
    rows: int
    by_reference: float | None = None
    passes: list[Pass] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Return the medians over the passes."""
        wall, cpu = (statistics.median(getattr(one, kind) for one in self.passes) for kind in ("wall", "cpu"))
        return {
            "rows_per_second": self.rows / wall,
            "rows_per_cpu_second": self.rows / cpu,
            "cpu_ns_per_row": 1e9 * cpu / self.rows,
        }


@dataclass(frozen=True, slots=True)
class ColumnResult:
    """What was measured of a column. ``distinct``: how many of its texts differ."""

    title: str
    call: str
    rows: int
    distinct: int
    readings: tuple[Reading, ...]


@dataclass(frozen=True, slots=True)
class TimesResult:
    """All columns, the versions of Java and Joda-Time, and why Joda-Time was left out, if it was."""

    columns: tuple[ColumnResult, ...]
    joda: str
    left_out: str


def measure(amount: Amount, columns: Sequence[Column] = COLUMNS, left_out: str | None = None) -> TimesResult:
    """Read every column by every reader, but not by Joda-Time where something is missing, or ``left_out`` says why.

    Raises Disagreement.
    """
    versions, left_out = "", why_no_joda() if left_out is None else left_out
    results = []
    with contextlib.nullcontext() if left_out else compiled_java() as classes:
        for column in columns:
            found, versions = _measure_column(column, amount, classes)
            results.append(found)
    return TimesResult(tuple(results), versions, left_out)


def _measure_column(column: Column, amount: Amount, classes: Path | None) -> tuple[ColumnResult, str]:
    texts = column.texts(amount.slow_rows if column.slow else amount.rows)
    rows, versions = len(texts), ""
    pattern = None if column.pattern is None else compile_pattern(column.pattern)
    expected = checksum([v // 1000 for v in map(time_parser(pattern, zone(column.zone), PIVOT_YEAR), texts)])
    readers: list[tuple[Reading, Reader]] = []
    with contextlib.ExitStack() as stack:
        lowered = LoweredCall(column, texts)
        stack.callback(lowered.close)
        readers.append((Reading("ddbetl, the call in a plan", rows, lowered.by_reference), lowered))
        if lowered.by_reference > MANY_MISSES:
            whole = WholeItems(column, texts)
            readers.append((Reading("ddbetl, whole items, JSON to requests", rows, lowered.by_reference), whole))
        if column.slow:
            read = time_parser(pattern, zone(column.zone), PIVOT_YEAR)
            readers.append(
                (Reading("ddbetl, the reference parser alone", rows), each(read, texts, lambda v: v // 1000))
            )
        if classes is not None:
            joda = Joda(classes, column, texts, amount.warm_up_seconds)
            stack.callback(joda.close)
            versions = joda.versions
            readers.append((Reading("Joda-Time on the JVM", rows), joda))
        if column.value_of is not None:
            readers.append((Reading("Python's datetime.fromisoformat", rows), each(column.value_of, texts)))
        for _ in range(amount.rounds):
            for reading, reader in readers:
                took, found = reader()
                if found != expected:
                    raise Disagreement(f"{reading.reader} reads other times than the reference in {column.title!r}")
                reading.passes.append(took)
    readings = tuple(reading for reading, _ in readers)
    return ColumnResult(column.title, column.call, rows, len(set(texts)), readings), versions


def times_text(result: TimesResult) -> str:
    """Return the table, a block a column."""
    rounds = max(len(reading.passes) for column in result.columns for reading in column.readings)
    lines = [f"Reading times to epoch seconds, one thread: {rounds} interleaved rounds, medians; all values compared"]
    heads = ("rows/s", "from-to", "rows/CPU s", "CPU ns/row", "by reference")
    for column in result.columns:
        distinct = "all different" if column.distinct == column.rows else f"{column.distinct:,} different"
        lines += ["", f"  {column.title}: {column.rows:,} texts, {distinct}"]
        lines.append(_line("read by", heads))
        for reading in column.readings:
            figures = reading.figures()
            rates = sorted(column.rows / one.wall / 1000 for one in reading.passes)
            cells = (
                f"{figures['rows_per_second']:,.0f}",
                f"{rates[0]:,.0f}-{rates[-1]:,.0f} k",
                f"{figures['rows_per_cpu_second']:,.0f}",
                f"{figures['cpu_ns_per_row']:,.0f}",
                "" if reading.by_reference is None else f"{reading.by_reference:.1%}",
            )
            lines.append(_line(reading.reader, cells))
    joda = f"Joda-Time on the JVM is left out: {result.left_out}." if result.left_out else f"{result.joda}, warmed up."
    return "\n".join([*lines, "", f"  {joda}"])


def _line(first: str, cells: Sequence[str]) -> str:
    return (f"    {first:38}" + "".join(f"{cell:>15}" for cell in cells)).rstrip()


def times_json(result: TimesResult) -> dict[str, Any]:
    """Return all figures, with every pass."""
    return {
        "joda": result.joda,
        "joda_left_out": result.left_out,
        "columns": [
            {
                **{name: getattr(column, name) for name in ("title", "call", "rows", "distinct")},
                "readings": [{**asdict(reading), **reading.figures()} for reading in column.readings],
            }
            for column in result.columns
        ],
    }


def main() -> int:
    """Measure as the command line says; 1 where two readers disagree."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.times", description="Reading times, side by side."
    )
    parser.add_argument("--quick", action="store_true", help="fewer texts and rounds")
    parser.add_argument("--json", type=Path, help="a file for all figures")
    given = parser.parse_args()
    try:
        result = measure(QUICK if given.quick else FULL)
    except Disagreement as error:
        print(f"No figures: {error}", file=sys.stderr)
        return 1
    print(times_text(result))
    if given.json is not None:
        given.json.write_text(json.dumps(times_json(result), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
