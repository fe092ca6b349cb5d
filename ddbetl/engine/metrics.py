"""A run's counters for Prometheus.

In: progress. Out: the text exposition format, version 0.0.4, and a file of it, as the textfile collector of
node_exporter reads them. Invariant: who reads the file sees a whole text, the one before or the one after.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ddbetl.engine.report import Progress, TableProgress


@dataclass(frozen=True, slots=True)
class _Metric:
    """``samples``: labels besides the job's, and the value; None where it cannot be told, which is left out."""

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: tuple[tuple[Mapping[str, str], float | None], ...]


def metrics_text(progress: Progress, job: str, target: str) -> str:
    """Write progress as metrics, all with the label ``job``; those of a table have ``table`` too.

    Counters are what the progress counts. What has no value at the moment (no budget, no estimate) has no sample.
    """
    return "".join(_lines(metric, job) for metric in _metrics(progress, target) if metric.samples)


def write_metrics(path: Path, text: str) -> None:
    """Replace the file at once; anybody may read it, as an exporter runs as another user. Raises ``OSError``."""
    # The collector takes files that end in .prom, and this is not one yet.
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _metrics(progress: Progress, target: str) -> Iterable[_Metric]:
    tables = tuple(zip(_names(progress.tables), progress.tables, strict=True))

    def each(name: str, kind: Literal["counter", "gauge"], text: str, values: Iterable[float | None]) -> _Metric:
        labelled = (({"table": table}, value) for (table, _), value in zip(tables, values, strict=True))
        return _Metric(name, kind, text, tuple(labelled))

    def one(name: str, kind: Literal["counter", "gauge"], text: str, value: float | None, **labels: str) -> _Metric:
        return _Metric(name, kind, text, ((labels, value),))

    sources = progress.tables
    yield each("items_read_total", "counter", "Items read from a source table.", (t.read for t in sources))
    yield each("items_filtered_total", "counter", "Items left out by WHERE.", (t.filtered for t in sources))
    yield each(
        "items_written_total", "counter", "Rows of a source table that the target has.", (t.written for t in sources)
    )
    yield each("items_rejected_total", "counter", "Items that went to the rejects.", (t.rejected for t in sources))
    yield each(
        "items_skipped_total", "counter", "Items left out by ON ERROR or ON CONFLICT.", (t.skipped for t in sources)
    )
    yield each("items_unchanged_total", "counter", "Items that the target has already.", (t.unchanged for t in sources))
    yield each(
        "collisions_total", "counter", "Rows whose target key another row had before.", (t.collisions for t in sources)
    )
    yield each("items_expected", "gauge", "Items by DynamoDB's own count.", (t.expected or None for t in sources))
    yield each("read_units_total", "counter", "Read units used.", (t.units for t in sources))
    yield each("read_units_per_second", "gauge", "Read units used in the last seconds.", (t.rate for t in sources))
    yield each("read_budget_units_per_second", "gauge", "Read units allowed.", (t.budget for t in sources))
    yield each("segments", "gauge", "Segments that a table is read in.", (t.segments for t in sources))
    yield each("segments_done", "gauge", "Segments that are read.", (t.segments_done for t in sources))
    written = {"table": target}
    yield one("write_units_total", "counter", "Write units used.", progress.write_units, **written)
    yield one(
        "write_units_per_second", "gauge", "Write units used in the last seconds.", progress.write_rate, **written
    )
    yield one("write_budget_units_per_second", "gauge", "Write units allowed.", progress.write_budget, **written)
    yield one(
        "target_read_units_total", "counter", "Read units used to look at what is there already.",
        progress.target_read_units, **written,
    )  # fmt: skip
    yield one("retries_total", "counter", "Requests that were repeated.", progress.retries)
    yield one("items_per_second", "gauge", "Items finished in the last seconds.", progress.items_per_second)
    yield one("progress_ratio", "gauge", "The part of the run that is done, from 0 to 1.", progress.fraction)
    yield one("eta_seconds", "gauge", "Estimated seconds to the end.", progress.eta)
    yield one("elapsed_seconds", "gauge", "Seconds since the run began.", progress.seconds)
    yield one("waiting", "gauge", "1 while a limit or a fault holds the run up.", int(progress.waiting is not None))


def _names(tables: Iterable[TableProgress]) -> Iterable[str]:
    """Tables of two regions may have one name, but two samples may not have the same labels."""
    seen: Counter[str] = Counter()
    for table in tables:
        seen[table.name] += 1
        yield table.name if seen[table.name] == 1 else f"{table.name} #{seen[table.name]}"


def _lines(metric: _Metric, job: str) -> str:
    name = f"ddbetl_{metric.name}"
    samples = [
        f"{name}{{{_labels({'job': job, **labels})}}} {_number(value)}\n"
        for labels, value in metric.samples
        if value is not None
    ]
    return "".join((f"# HELP {name} {metric.help}\n", f"# TYPE {name} {metric.kind}\n", *samples)) if samples else ""


def _labels(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isfinite(value):
        return str(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
