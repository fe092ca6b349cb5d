"""Every way to write, against a model: the target before, the run, the target after.

The model is plain Python over the items themselves and knows nothing of ddbetl. Two source tables share a hundred keys,
and the target has items of some keys before. Which of two rows with one key comes first is not known beforehand, so for
these the model says what may be, and that neither is lost.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import reference
import servers
import tables
from processes import environment
from servers import Server

import ddbetl
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.engine.report import RunReport
from ddbetl.errors import JobFailed

Item = dict[str, dict[str, Any]]
Items = dict[int, Item]

KEY = ("id", "at")
COLLIDING = range(300, 400)
FIRST, SECOND = range(400), range(300, 600)
EQUAL, OLDER, NEWER, OTHERS = (*range(50), *range(550, 600)), range(50, 100), range(100, 150), range(1000, 1020)

INSERT = "INSERT INTO {target} SELECT id, at, version, value, tags FROM {first}, {second} ON CONFLICT {action}"
MERGE = "MERGE INTO {target} {missing} SELECT id, at, version, value, tags FROM {first}, {second}"
DELETE = "DELETE FROM {target} USING SELECT id, at FROM {first}, {second}"
OPTIONS = "WITH (read = unlimited, write = {rate}, segments = 4, max_rejects = 100%)"


def item(n: int, version: int, value: str, **more: dict[str, Any]) -> Item:
    """An item as the sources have it; a set, so that equality has something to say."""
    return {
        "id": {"S": f"k{n}"},
        "at": {"N": str(n)},
        "version": {"N": str(version)},
        "value": {"S": value},
        "tags": {"NS": [str(n + 10), "1", "2.5"]},
        **more,
    }


FIRST_ITEMS: Items = {n: item(n, 1_000 + n % 2, "first") for n in FIRST}
SECOND_ITEMS: Items = {n: item(n, 1_000 + (n + 1) % 2, "second") for n in SECOND}
ROWS: Items = SECOND_ITEMS | FIRST_ITEMS
BEFORE: Items = {
    **{n: ROWS[n] | {"tags": {"NS": ["2.50", "1", str(n + 10)]}} for n in EQUAL},
    **{n: item(n, 500, "old", extra={"BOOL": True}) for n in OLDER},
    **{n: item(n, 5_000, "new", extra={"BOOL": False}) for n in NEWER},
    **{n: item(n, 1, "nobody's") for n in OTHERS},
}


@dataclass(slots=True)
class Job:
    """Two sources and a target on a server."""

    server: Server
    first: str
    second: str
    target: str

    def spec(self, statement: str, rate: str = "unlimited", **values: str) -> str:
        names = {"first": self.first, "second": self.second, "target": self.target}
        return f"{statement} {OPTIONS}".format(**names, rate=rate, **values)

    def run(self, spec: str, folder: Path, **more: Any) -> RunReport:
        return ddbetl.compile(spec, endpoint_url=self.server.endpoint_url).run(state_dir=folder, **more)

    def target_items(self) -> Items:
        return {int(one["at"]["N"]): one for one in tables.read(self.server, self.target)}


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Server, str, str]]:
    servers.require_dynoxide()
    with servers.start("dynoxide") as server:
        names = [f"{servers.new_prefix()}{which}" for which in ("first", "second")]
        for name, items in zip(names, (FIRST_ITEMS, SECOND_ITEMS), strict=True):
            tables.create(server, name, ("id", "S"), ("at", "N"))
            tables.fill(server, name, list(items.values()))
        yield server, names[0], names[1]


@pytest.fixture
def job(filled: tuple[Server, str, str]) -> Job:
    server, first, second = filled
    target = servers.new_prefix()
    tables.create(server, target, ("id", "S"), ("at", "N"))
    tables.fill(server, target, list(BEFORE.values()))
    return Job(server, first, second, target)


# The model: what the target may hold of a key, given its item before and the rows that ask for it


def replaced(before: Item | None, row: Item) -> Item | None:
    return row


def kept(before: Item | None, row: Item) -> Item | None:
    return row if before is None else before


def newest(before: Item | None, row: Item) -> Item | None:
    return row if before is None or version(before) < version(row) else before


def merged(before: Item | None, row: Item) -> Item | None:
    return (before or {}) | row


def merged_existing(before: Item | None, row: Item) -> Item | None:
    return None if before is None else before | row


def deleted(before: Item | None, row: Item) -> Item | None:
    return None


def version(one: Item) -> int:
    return int(one["version"]["N"])


@dataclass(frozen=True, slots=True)
class Mode:
    """``model``: see above. ``counts``: of the rows whose key no other has, by what becomes of them."""

    statement: str
    values: dict[str, str]
    model: Callable[[Item | None, Item], Item | None]
    written: int
    skipped: int = 0
    rejected: int = 0
    unchanged: int = 0

    def spec(self, job: Job, rate: str = "unlimited") -> str:
        return job.spec(self.statement, rate, **self.values)


# 500 keys of one row: 100 of them are in the target as they are, 100 with another item.
MODES = {
    "REPLACE": Mode(INSERT, {"action": "REPLACE"}, replaced, 500),
    "SKIP": Mode(INSERT, {"action": "SKIP"}, kept, 300, skipped=100, unchanged=100),
    "REJECT": Mode(INSERT, {"action": "REJECT"}, kept, 300, rejected=100, unchanged=100),
    "KEEP NEWEST": Mode(INSERT, {"action": "KEEP NEWEST BY version"}, newest, 350, skipped=50, unchanged=100),
    "MERGE": Mode(MERGE, {"missing": ""}, merged, 500),
    "MERGE ON MISSING SKIP": Mode(MERGE, {"missing": "ON MISSING SKIP"}, merged_existing, 200, skipped=300),
    "DELETE": Mode(DELETE, {}, deleted, 500),
}


def assert_target(job: Job, mode: Mode, report_folder: Path) -> None:
    """The target holds what the model says; of two rows with one key, the other one is a reject or has lost as it must."""
    found = job.target_items()
    expected: Items = {}
    for n in {*ROWS, *BEFORE}:
        after = BEFORE.get(n)
        if n in COLLIDING:
            after = _of_two(mode, found.get(n), n)
        elif n in ROWS:
            after = mode.model(after, ROWS[n])
        if after is not None:
            expected[n] = after
    reference.assert_same_items(found.values(), expected.values(), KEY)
    rejects = [json.loads(line) for line in _lines(report_folder / "rejects.jsonl")]
    codes = Counter(reject["code"] for reject in rejects)
    met = len(COLLIDING) if mode.model in (replaced, kept, merged, merged_existing) else 0
    assert codes == +Counter({"R0301": mode.rejected, "R0304": met})
    for reject in rejects:
        n = int(reject["key"]["at"]["N"])
        if reject["code"] == "R0304" and n in found:
            # What is not in the target is in the rejects.
            assert {found[n]["value"]["S"], reject["item"]["value"]["S"]} == {"first", "second"}


def _of_two(mode: Mode, found: Item | None, n: int) -> Item | None:
    if mode.model in (deleted, merged_existing):
        return None
    if mode.model is newest:
        return max(FIRST_ITEMS[n], SECOND_ITEMS[n], key=version)
    assert found is not None and found["value"]["S"] in ("first", "second")
    return FIRST_ITEMS[n] if found["value"]["S"] == "first" else SECOND_ITEMS[n]


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.mark.parametrize("name", MODES)
def test_the_target_after_a_run_is_the_model_s_and_a_second_run_changes_nothing(
    name: str, job: Job, tmp_path: Path
) -> None:
    mode = MODES[name]
    report = job.run(mode.spec(job), tmp_path)
    assert_target(job, mode, Path(report.folder))
    done = report.progress
    assert done.read == len(FIRST) + len(SECOND)
    assert done.read == done.filtered + done.written + done.rejected + done.skipped + done.unchanged
    met = len(COLLIDING)
    if name == "DELETE":
        assert (done.written, report.collisions, done.collisions) == (done.read, None, 0)
    else:
        assert (done.collisions, len(report.pairs)) == (met, 100)
    if name in ("REPLACE", "SKIP", "REJECT", "MERGE"):
        counts = (done.written, done.skipped, done.rejected, done.unchanged)
        assert counts == (mode.written + met, mode.skipped, mode.rejected + met, mode.unchanged)
    if name == "MERGE ON MISSING SKIP":
        assert (done.written, done.skipped, done.rejected) == (mode.written, mode.skipped + met, met)
    if name == "KEEP NEWEST":
        # Of a key's two rows one, or first the older and then the newer one, is written.
        assert mode.written + met <= done.written <= mode.written + 2 * met
        assert done.written + done.skipped == mode.written + mode.skipped + 2 * met
    before = job.target_items()
    again = job.run(mode.spec(job), tmp_path / "again")
    if name in ("REPLACE", "MERGE"):
        # Of two rows the other one may come first now.
        assert_target(job, mode, Path(again.folder))
    else:
        reference.assert_same_items(job.target_items().values(), before.values(), KEY)
    if name in ("SKIP", "REJECT", "KEEP NEWEST"):
        # All rows that could be written are there, but for those of two rows of which the other one comes first now.
        assert again.progress.written == 0
        assert 400 <= again.progress.unchanged <= 500 + met


def test_two_rows_of_one_key_are_both_told(job: Job, tmp_path: Path) -> None:
    report = job.run(MODES["REPLACE"].spec(job), tmp_path)
    for pair in report.pairs:
        assert pair.key == pair.first.key == pair.later.key
        assert {pair.first.table, pair.later.table} == {job.first, job.second}
        assert int(pair.key["at"]["N"]) in COLLIDING
    assert {int(pair.key["at"]["N"]) for pair in report.pairs} == set(COLLIDING)


@pytest.mark.parametrize(("collisions", "rejected"), [("reject", 100), ("allow", 0)])
def test_what_becomes_of_the_later_row_is_what_the_spec_says(
    collisions: str, rejected: int, job: Job, tmp_path: Path
) -> None:
    spec = MODES["REPLACE"].spec(job).replace("segments = 4", f"segments = 4, collisions = {collisions}")
    done = job.run(spec, tmp_path).progress
    assert (done.collisions, done.rejected, done.written) == (100, rejected, 700 - rejected)


@pytest.mark.parametrize("on_error", ["SKIP", "FAIL"])
def test_a_key_that_is_taken_is_no_error_of_the_row(on_error: str, job: Job, tmp_path: Path) -> None:
    spec = MODES["REJECT"].spec(job).replace(" WITH", f" ON ERROR {on_error} WITH")
    report = job.run(spec, tmp_path)
    assert (report.progress.rejected, report.progress.skipped) == (200, 0)
    assert_target(job, MODES["REJECT"], Path(report.folder))


def test_a_collision_ends_a_run_that_must_not_have_any(job: Job, tmp_path: Path) -> None:
    spec = MODES["REPLACE"].spec(job).replace("segments = 4", "segments = 4, collisions = fail")
    with pytest.raises(JobFailed) as error:
        job.run(spec, tmp_path)
    said = str(error.value)
    assert job.first in said and job.second in said and "k3" in said


# FAIL


def test_fail_ends_at_the_first_other_item_and_goes_on_when_it_is_gone(job: Job, tmp_path: Path) -> None:
    spec = job.spec(INSERT, action="FAIL")
    with pytest.raises(JobFailed) as error:
        job.run(spec, tmp_path)
    assert "ddbetl resume" in str(error.value) and job.target in str(error.value)
    found = job.target_items()
    others = {n: BEFORE[n] for n in (*OLDER, *NEWER, *OTHERS)}
    reference.assert_same_items([found[n] for n in others], others.values(), KEY)
    client = job.server.client()
    for n in (*OLDER, *NEWER):
        client.delete_item(TableName=job.target, Key={name: BEFORE[n][name] for name in KEY})
    client.close()
    plan = ddbetl.compile(spec, endpoint_url=job.server.endpoint_url)
    unfinished = plan.unfinished(tmp_path)
    assert unfinished is not None
    report = ddbetl.reopen(unfinished.record.id, state_dir=tmp_path).run(state_dir=tmp_path, job=unfinished.record.id)
    assert report.outcome == "done"
    found = job.target_items()
    assert found.keys() == {*ROWS, *OTHERS}


# A writer at the same time

TOUCHED = (*range(60, 90), *range(110, 140), *range(160, 260))


@pytest.mark.parametrize("name", ["SKIP", "REJECT", "KEEP NEWEST", "MERGE", "MERGE ON MISSING SKIP"])
def test_what_production_writes_meanwhile_is_never_lost(name: str, job: Job, tmp_path: Path) -> None:
    """A writer puts items of a later version under keys of the job, all through the run."""
    mode = MODES[name]
    ready = threading.Event()
    writer = threading.Thread(target=_touch, args=(job, ready))
    writer.start()
    try:
        ready.wait(30)
        job.run(mode.spec(job, rate="600 wcu"), tmp_path)
    finally:
        writer.join()
    found = job.target_items()
    for n in TOUCHED:
        live = _live(n)
        if name.startswith("MERGE"):
            # Whichever came last, what the rows do not have is still there.
            assert found[n]["live"] == live["live"]
            assert found[n]["value"] in (live["value"], ROWS[n]["value"])
        else:
            assert reference.comparable(found[n]) == reference.comparable(live), n
    for n in set(ROWS) - set(TOUCHED) - set(COLLIDING):
        expected = mode.model(BEFORE.get(n), ROWS[n])
        assert (n in found) == (expected is not None)
        if expected is not None:
            assert reference.comparable(found[n]) == reference.comparable(expected)


def _live(n: int) -> Item:
    return item(n, 9_000, "live", live={"N": str(n)})


def _touch(job: Job, ready: threading.Event) -> None:
    client = job.server.client()
    keys = random.Random(1).sample(TOUCHED, len(TOUCHED))
    for place, n in enumerate(keys):
        # Some are there before the run, the others come while it lasts.
        if place == len(keys) // 4:
            ready.set()
        client.put_item(TableName=job.target, Item=_live(n))
        if ready.is_set():
            time.sleep(0.006)
    client.close()


# Killed and resumed


@pytest.mark.parametrize("name", MODES)
def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(name: str, job: Job, tmp_path: Path) -> None:
    mode = MODES[name]
    spec = tmp_path / "modes.ddbetl"
    spec.write_text(mode.spec(job, rate="250 wcu"), encoding="utf-8")
    run = ["run", str(spec), "--endpoint-url", job.server.endpoint_url, "--yes"]
    shuffle = random.Random(name)
    for number in range(4):
        _killed(run if number == 0 else ["resume", "last"], tmp_path, shuffle.uniform(0.1, 0.7))
    _finished(["jobs", "set", "last", "write=unlimited"], tmp_path)
    done = _finished(["resume", "last"], tmp_path)
    assert done.returncode in (ExitCode.DONE, ExitCode.REJECTS), done.stdout + done.stderr
    (folder,) = (tmp_path / ".ddbetl/jobs").iterdir()
    assert_target(job, mode, folder)
    shown = json.loads(_finished(["jobs", "show", "last", "--json"], tmp_path).stdout)
    assert shown["read"] == len(FIRST) + len(SECOND)
    counted = ("filtered", "written", "rejected", "skipped", "unchanged")
    assert shown["read"] == sum(shown[one] for one in counted)
    assert shown["collisions"] == (0 if name == "DELETE" else len(COLLIDING))
    assert shown["rejected"] == len(_lines(folder / "rejects.jsonl"))


def _command(arguments: list[str]) -> list[str]:
    return [sys.executable, "-m", "ddbetl", *arguments]


def _finished(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )


def _killed(arguments: list[str], folder: Path, after: float) -> None:
    """Run a command and kill it so many seconds after its job has begun to write, or to read."""
    with subprocess.Popen(
        _command([*arguments, "--progress", "none"]), cwd=folder, env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        deadline = time.monotonic() + 30
        log = folder / ".ddbetl/jobs"
        while not list(log.glob("*/log")):
            assert running.poll() is None and time.monotonic() < deadline, running.communicate()
            time.sleep(0.02)
        time.sleep(after)
        running.send_signal(signal.SIGKILL)
        running.communicate()
