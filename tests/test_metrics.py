"""Metrics: what a strict parser of Prometheus' text format reads, and a file that is always whole."""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.engine.metrics import metrics_text, write_metrics
from ddbetl.engine.report import Progress, TableProgress

ORDERS = TableProgress(
    name="Orders",
    expected=2_000,
    read=1_000,
    filtered=300,
    passed=690,
    written=500,
    rejected=10,
    skipped=3,
    units=62.5,
    rate=412.4,
    budget=1_000.0,
    segments=4,
    segments_done=1,
    seconds=2.5,
)
CUSTOMERS = replace(ORDERS, name="Customers", expected=0, read=7, budget=None)
PROGRESS = Progress(
    seconds=12.4,
    tables=(ORDERS, CUSTOMERS),
    fraction=0.634,
    eta=7.2,
    items_per_second=1_310.7,
    write_units=2_690.0,
    write_rate=998.2,
    write_budget=1_000.0,
    retries=3,
    waiting=None,
)


@dataclass
class Family:
    kind: str
    help: str
    samples: dict[frozenset[tuple[str, str]], float] = field(default_factory=dict)


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
VALUE = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
UNESCAPED = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def parsed(text: str) -> dict[str, Family]:
    """Read the text format 0.0.4; AssertionError where its grammar or its rules are broken."""
    families: dict[str, Family] = {}
    helped = ("", "")
    assert text == "" or text.endswith("\n")
    for line in text.split("\n")[:-1]:
        if found := re.fullmatch(rf"# HELP ({NAME}) ((?:[^\\]|\\[\\n])*)", line):
            helped = (found[1], found[2])
            continue
        if found := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line):
            assert found[1] == helped[0] and found[1] not in families, line
            families[found[1]] = Family(found[2], helped[1])
            continue
        found = re.fullmatch(rf"({NAME})\{{(.*)\}} (\S+)", line)
        assert found is not None, line
        # The samples of a family stand together, behind its TYPE.
        assert found[1] == list(families)[-1], line
        labels, at = {}, 0
        while at < len(found[2]):
            label = VALUE.match(found[2], at)
            assert label is not None and label[1] not in labels, line
            labels[label[1]] = re.sub(r"\\.", lambda escape: UNESCAPED[escape[0]], label[2])
            at = label.end()
        samples = families[found[1]].samples
        assert frozenset(labels.items()) not in samples, f"twice: {line}"
        samples[frozenset(labels.items())] = float(found[3].replace("Inf", "inf"))
    assert all(family.samples for family in families.values())
    return families


def value(families: dict[str, Family], name: str, **labels: str) -> float | None:
    return families[f"ddbetl_{name}"].samples.get(frozenset(labels.items())) if f"ddbetl_{name}" in families else None


def test_every_counter_of_the_progress_is_there() -> None:
    found = parsed(metrics_text(PROGRESS, "k3f9", "Target"))
    of_table = {
        "items_read_total": 1_000,
        "items_filtered_total": 300,
        "items_written_total": 500,
        "items_rejected_total": 10,
        "items_skipped_total": 3,
        "items_unchanged_total": 0,
        "collisions_total": 0,
        "items_expected": 2_000,
        "read_units_total": 62.5,
        "read_units_per_second": 412.4,
        "read_budget_units_per_second": 1_000,
        "segments": 4,
        "segments_done": 1,
    }
    of_target = {
        "write_units_total": 2_690,
        "write_units_per_second": 998.2,
        "write_budget_units_per_second": 1_000,
        "target_read_units_total": 0,
    }
    of_job = {
        "retries_total": 3,
        "items_per_second": 1_310.7,
        "progress_ratio": 0.634,
        "eta_seconds": 7.2,
        "elapsed_seconds": 12.4,
        "waiting": 0,
    }
    assert {name: value(found, name, job="k3f9", table="Orders") for name in of_table} == of_table
    assert {name: value(found, name, job="k3f9", table="Target") for name in of_target} == of_target
    assert {name: value(found, name, job="k3f9") for name in of_job} == of_job
    assert set(found) == {f"ddbetl_{name}" for name in (*of_table, *of_target, *of_job)}
    assert value(found, "items_read_total", job="k3f9", table="Customers") == 7
    for name, family in found.items():
        assert (family.kind == "counter") == name.endswith("_total")
        assert family.help.endswith(".")


def test_the_text_itself() -> None:
    assert metrics_text(PROGRESS, "k3f9", "Target").startswith(
        "# HELP ddbetl_items_read_total Items read from a source table.\n"
        "# TYPE ddbetl_items_read_total counter\n"
        'ddbetl_items_read_total{job="k3f9",table="Orders"} 1000\n'
        'ddbetl_items_read_total{job="k3f9",table="Customers"} 7\n'
    )


def test_what_cannot_be_told_has_no_sample() -> None:
    found = parsed(metrics_text(replace(PROGRESS, fraction=None, eta=None, write_budget=None), "k3f9", "Target"))
    for name in ("progress_ratio", "eta_seconds", "write_budget_units_per_second"):
        assert f"ddbetl_{name}" not in found
    assert len(found["ddbetl_read_budget_units_per_second"].samples) == 1  # Customers has none
    assert len(found["ddbetl_items_expected"].samples) == 1


def test_waiting_is_0_or_1() -> None:
    found = parsed(metrics_text(replace(PROGRESS, waiting="throttled by a hot key"), "k3f9", "Target"))
    assert value(found, "waiting", job="k3f9") == 1


def test_tables_of_one_name_have_a_sample_each() -> None:
    found = parsed(metrics_text(replace(PROGRESS, tables=(ORDERS, CUSTOMERS, ORDERS, ORDERS)), "k3f9", "Orders"))
    names = {dict(labels)["table"] for labels in found["ddbetl_items_read_total"].samples}
    assert names == {"Orders", "Customers", "Orders #2", "Orders #3"}


@pytest.mark.parametrize("eta", [float("inf"), 1e300, 5e-324, 1e16])
def test_numbers_of_every_size(eta: float) -> None:
    assert value(parsed(metrics_text(replace(PROGRESS, eta=eta), "k3f9", "Target")), "eta_seconds", job="k3f9") == eta


@given(st.text(), st.text(), st.text())
def test_labels_hold_any_text(job: str, target: str, table: str) -> None:
    found = parsed(metrics_text(replace(PROGRESS, tables=(replace(ORDERS, name=table),)), job, target))
    assert value(found, "items_read_total", job=job, table=table) == 1_000
    assert value(found, "write_units_total", job=job, table=target) == 2_690


def test_without_tables() -> None:
    assert "ddbetl_retries_total" in parsed(metrics_text(replace(PROGRESS, tables=()), "k3f9", "Target"))


# The file


def test_the_file_is_replaced_and_everybody_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "ddbetl.prom"
    write_metrics(path, "one 1\n" * 1_000)
    before = path.open()
    write_metrics(path, 'two{table="é"} 2\n')
    assert before.read() == "one 1\n" * 1_000  # who had it open still sees a whole one
    before.close()
    assert path.read_text(encoding="utf-8") == 'two{table="é"} 2\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["ddbetl.prom"]


@pytest.mark.parametrize("call", ["fdopen", "chmod", "replace"])
def test_a_failure_is_told_and_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    path = tmp_path / "ddbetl.prom"
    write_metrics(path, "old 1\n")

    def fail(*arguments: object, **named: object) -> None:
        if call == "fdopen":
            os.close(int(str(arguments[0])))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"ddbetl.engine.metrics.os.{call}", fail)
    with pytest.raises(OSError, match="No space"):
        write_metrics(path, "new 2\n")
    assert path.read_text() == "old 1\n"
    assert os.listdir(tmp_path) == ["ddbetl.prom"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_metrics(tmp_path / "missing" / "ddbetl.prom", "x 1\n")


def test_the_collector_never_sees_a_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the new file is written, no name in the folder ends in .prom but the old one's."""
    path = tmp_path / "ddbetl.prom"
    seen: list[list[str]] = []
    real = os.replace

    def replace_and_look(source: str, target: Path) -> None:
        seen.append(sorted(name for name in os.listdir(tmp_path) if name.endswith(".prom")))
        real(source, target)

    write_metrics(path, "old 1\n")
    monkeypatch.setattr("ddbetl.engine.metrics.os.replace", replace_and_look)
    write_metrics(path, "new 2\n")
    assert seen == [["ddbetl.prom"]] and path.read_text() == "new 2\n"
