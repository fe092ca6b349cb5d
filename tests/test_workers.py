"""Jobs with worker processes: the same rows, counts, rejects and collisions as one process, whatever becomes of them.

Two workers work for a fake server in this process, or for a real one. They are killed, they fail, they cannot start;
the job's process is killed too. What must come out is what the tests of one process say.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import pickle
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
import reference
from fake_dynamodb import Call, Fake, Refused, seldom
from hypothesis import given
from hypothesis import strategies as st
from planned import HERE, planned
from test_faulty_server import assert_counted, assert_done, source_items
from test_write_modes import COLLIDING, MODES, Job, assert_target, filled, job  # noqa: F401

import ddbetl
from ddbetl.connectors.dynamodb.failures import Kind, ServiceError, WireError
from ddbetl.engine import cores, messages
from ddbetl.engine.collisions import U64, Claims
from ddbetl.engine.executor import Outlook
from ddbetl.engine.loop import run_async
from ddbetl.engine.report import Progress, RunReport
from ddbetl.engine.runs import execute, record_of
from ddbetl.engine.sending import Course
from ddbetl.engine.shares import IDLE, Shares
from ddbetl.engine.store import JobStore
from ddbetl.engine.worker import Worker
from ddbetl.engine.workers import COMMAND, MOST_DEATHS, Workers
from ddbetl.errors import JobFailed

SPEC = "SELECT id, epoch(at) AS t, n + 1 AS n, x FROM {} WHERE length(s) > 0 {} WITH ({}, max_rejects = 100%)"
FAST = "read = unlimited, write = unlimited"


def spec_of(tables: str = "One, Two", tail: str = "", rates: str = FAST) -> str:
    return SPEC.format(tables, tail, rates)


def two_tables(number: int = 600) -> dict[str, Sequence[Any]]:
    return {"One": source_items(number, "a", wrong=True), "Two": source_items(number // 2, "b", wrong=True)}


def run(
    fake: Fake,
    spec: str,
    folder: Path,
    *,
    number: int = 2,
    command: Sequence[str] = COMMAND,
    recipe: Callable[[], Any] | None = None,
    stop: Event | None = None,
    progress: Callable[[Progress], None] | None = None,
    name: str = "<spec>",
    resume: bool = False,
) -> RunReport:
    """Run a spec by workers against a fake server."""
    made = partial(planned, spec, into=None if "INTO" in spec else "Target", name=name)
    plan = made()

    async def main() -> RunReport:
        async with fake.running():
            before = asyncio.all_tasks()
            if resume:
                store = JobStore.open(folder)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                store = JobStore.create(folder, record_of(plan, folder.name, "2017-04-26T10:15:30Z", {}))
            some = Workers(number, recipe or made, command)
            try:
                outlook = Outlook(progress, 0.02)
                return await execute(plan, {HERE: fake.access()}, store, stop or Event(), outlook, workers=some)
            finally:
                left = {task for task in asyncio.all_tasks() - before if "serve" not in repr(task.get_coro())}
                assert not left, left

    return run_async(lambda: asyncio.wait_for(main(), 60))


def events(folder: Path, event: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "log").read_text(encoding="utf-8").splitlines()]
    return [one for one in found if one["event"] == event]


def pids(folder: Path) -> list[int]:
    """The workers that a job has had, as its log names them."""
    return [one["pid"] for one in events(folder, "worker_started")]


def gone(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        # A zombie has ended too.
        with suppress(OSError):
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        return False
    return True


# The same as one process


def test_two_workers_do_what_one_process_does(tmp_path: Path) -> None:
    fake = Fake(two_tables())
    report = run(fake, spec_of(), tmp_path)
    assert_done(fake, planned(spec_of(), into="Target"), report)
    assert report.by_reference > 0 and report.progress.read_units == 450.0
    assert report.progress.write_units == report.progress.written
    assert set(fake.written.values()) == {1}
    rejects = (tmp_path / "rejects.jsonl").read_bytes().splitlines()
    assert len({json.loads(line)["key"]["id"]["S"] for line in rejects}) == len(rejects) == report.progress.rejected
    started = pids(tmp_path)
    assert len(set(started)) == 2 and all(map(gone, started))
    assert not events(tmp_path, "worker_said") and not events(tmp_path, "worker_ended")


@pytest.mark.parametrize("name", ["REPLACE", "REJECT", "KEEP NEWEST", "MERGE"])
def test_a_mode_writes_what_its_model_says(name: str, job: Job, tmp_path: Path) -> None:  # noqa: F811
    mode = MODES[name]
    report = job.run(mode.spec(job), tmp_path, workers=2)
    assert_target(job, mode, Path(report.folder))
    done, met = report.progress, len(COLLIDING)
    assert done.read == done.filtered + done.written + done.rejected + done.skipped + done.unchanged == 700
    assert (done.collisions, len(report.pairs)) == (met, 100)
    if name != "KEEP NEWEST":
        counts = (done.written, done.skipped, done.rejected, done.unchanged)
        assert counts == (mode.written + met, mode.skipped, mode.rejected + met, mode.unchanged)


WHO = """
import os
from ddbetl import function

@function("STRING", returns="NUMBER")
def who(text):
    return os.getpid()
"""


def test_one_segment_keeps_all_workers_at_work_and_its_collisions_are_found(tmp_path: Path) -> None:
    """A segment's pages go to every worker; two rows with one key, done by different ones, are found."""
    (tmp_path / "who.py").write_text(WHO, encoding="utf-8")
    number, late = 3_000, 400
    items = source_items(number)
    for place, item in enumerate(items):
        item["s"], item["to"] = {"S": "s"}, {"S": f"k{place if place < number - late else place - number + late}"}
    fake = Fake({"One": items}, page=20)
    name = str(tmp_path / "spec.ddbetl")
    spec = f"USING 'who.py';\nSELECT to AS id, who(id) AS by FROM One WITH ({FAST}, segments = 1, max_rejects = 100%)"
    report = run(fake, spec, tmp_path / "job", name=name)
    assert_counted(report)
    assert (report.progress.collisions, report.progress.rejected) == (late, late)
    assert (report.progress.written, len(fake.items)) == (number - late, number - late)
    by = Counter(int(item["by"]["N"]) for item in fake.items.values())
    assert set(by) == set(pids(tmp_path / "job")) and min(by.values()) > 100


def test_collisions_end_a_job_that_must_not_have_any(tmp_path: Path) -> None:
    items = source_items(200)
    for item in items:
        item["s"], item["to"] = {"S": "s"}, {"S": "same"}
    spec = f"INSERT INTO Target SELECT to AS id FROM One ON CONFLICT REPLACE WITH ({FAST}, collisions = fail)"
    with pytest.raises(JobFailed, match="collisions = fail: two source rows have the key id = ") as failed:
        run(Fake({"One": items}), spec, tmp_path)
    assert failed.value.advised


# What goes wrong at the server


def test_throttling_errors_and_what_comes_back_are_mended(tmp_path: Path) -> None:
    draw = random.Random(7)
    throttled = Refused("ProvisionedThroughputExceededException")
    fake = Fake(
        two_tables(),
        fault=seldom(draw, 0.05, throttled, Refused("InternalServerError", 500), "reset", "lost", "crc"),
        unprocessed=lambda call, puts: puts[: draw.randrange(3)] if draw.random() < 0.2 else [],
    )
    report = run(fake, spec_of(), tmp_path)
    assert_done(fake, planned(spec_of(), into="Target"), report)
    assert report.progress.retries > 0 and events(tmp_path, "retry")


@pytest.mark.parametrize("operation", ["Scan", "BatchWriteItem"])
def test_a_refused_request_ends_the_job_as_one_process_does(operation: str, tmp_path: Path) -> None:
    def fault(call: Call) -> None:
        if call.operation == operation and call.number > 3:
            raise Refused("AccessDeniedException", message="not allowed")

    plan = planned(spec_of(), into="Target")
    with pytest.raises(JobFailed) as alone:
        Fake(two_tables(), fault=fault).run(plan, tmp_path / "alone")
    with pytest.raises(JobFailed) as together:
        run(Fake(two_tables(), fault=fault), spec_of(), tmp_path / "together")
    tables = ("One", "Two")
    said = [str(error.value).replace("alone", "").replace("together", "") for error in (alone, together)]
    for table in tables:
        said = [text.replace(f"Scan of {table}", "Scan").replace(f"table/{table}", "table") for text in said]
    assert said[0].split("\n")[0] == said[1].split("\n")[0] and "AccessDeniedException" in said[1]
    assert json.loads((tmp_path / "together/report.json").read_text())["outcome"] == "failed"
    assert all(map(gone, pids(tmp_path / "together")))


@pytest.mark.parametrize("mended", [True, False])
def test_an_expired_token_is_renewed_by_the_job_s_process(mended: bool, tmp_path: Path) -> None:
    from ddbetl.connectors.dynamodb.signer import Credentials

    class Renewed:
        token = "old"
        asked = 0

        def current(self) -> Credentials:
            return Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI-K7MDENG", self.token)

        def refresh(self) -> None:
            Renewed.asked += 1
            if mended:
                Renewed.token = "new"

    def fault(call: Call) -> None:
        if call.number > 3 and call.headers["x-amz-security-token"] == "old":
            raise Refused("ExpiredTokenException")

    Renewed.token, Renewed.asked = "old", 0
    fake = Fake(two_tables(), fault=fault, credentials=Renewed())
    if mended:
        report = run(fake, spec_of(), tmp_path)
        assert_done(fake, planned(spec_of(), into="Target"), report)
    else:
        with pytest.raises(JobFailed, match="ExpiredTokenException"):
            run(fake, spec_of(), tmp_path)
    assert Renewed.asked
    # Not even a worker that is refused writes them anywhere.
    for file in tmp_path.rglob("*"):
        assert b"wJalrXUtnFEMI" not in (file.read_bytes() if file.is_file() else b"")


# What goes wrong in the rows


def test_on_error_fail_names_the_row(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match=r"ON ERROR FAIL: (One|Two), id = .*R01\d\d") as failed:
        run(Fake(two_tables()), spec_of(tail="ON ERROR FAIL"), tmp_path)
    assert "ddbetl resume" in str(failed.value)


def test_a_job_that_rejects_too_much_ends(tmp_path: Path) -> None:
    spec = spec_of().replace("max_rejects = 100%", "max_rejects = 20")
    with pytest.raises(JobFailed, match=r"more than max_rejects = 20 allows\n = .* × R01\d\d"):
        run(Fake(two_tables(), page=10), spec, tmp_path)


def broken_plan() -> Any:
    raise ZeroDivisionError("a mistake of our own")


def test_a_mistake_in_a_worker_is_told_and_its_trace_is_in_the_log(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="a worker process has failed: ZeroDivisionError: a mistake of our own"):
        run(Fake(two_tables()), spec_of(), tmp_path, recipe=broken_plan)
    (failed, *_) = events(tmp_path, "worker_failed")
    assert "in broken_plan" in failed["trace"]


def test_a_plan_that_has_changed_since_is_refused(tmp_path: Path) -> None:
    other = partial(planned, spec_of().replace("n + 1", "n + 2"), into="Target")
    with pytest.raises(JobFailed, match="a worker process makes another plan"):
        run(Fake(two_tables()), spec_of(), tmp_path, recipe=other)


def test_workers_that_cannot_start_end_the_job(tmp_path: Path) -> None:
    says = "import sys; print('no such module, say'); sys.exit(3)"
    with pytest.raises(JobFailed, match=r"(?s)ended with code 3: no such module, say.*--workers 1"):
        run(Fake(two_tables()), spec_of(), tmp_path, command=(sys.executable, "-I", "-S", "-c", says))
    assert len(pids(tmp_path)) > 1
    with pytest.raises(JobFailed, match="a worker process cannot be started"):
        run(Fake(two_tables()), spec_of(), tmp_path, command=(str(tmp_path / "no such python"),))


# The first process that makes the file is a worker; every other one never gets so far.
SLOW = """\
import os, sys, time
try:
    os.close(os.open({!r}, os.O_CREAT | os.O_EXCL))
except FileExistsError:
    time.sleep(600)
"""


def test_nobody_waits_for_a_worker_that_has_not_started(tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    command = (*COMMAND[:-1], SLOW.format(str(flag)) + COMMAND[-1])
    assert_counted(run(Fake(two_tables()), spec_of(), tmp_path / "done", number=3, command=command))
    stop = Event()
    stop.set()
    assert run(Fake(two_tables()), spec_of(), tmp_path / "stopped", command=command, stop=stop).outcome == "interrupted"
    for folder in ("done", "stopped"):
        assert all(map(gone, pids(tmp_path / folder))) and not events(tmp_path / folder, "worker_ended")


# Killed


@pytest.mark.parametrize(("seed", "on_conflict"), [(1, "REPLACE"), (3, "REJECT")])
def test_a_killed_worker_is_replaced_and_nothing_is_lost(seed: int, on_conflict: str, tmp_path: Path) -> None:
    """Workers are killed at random moments of their lives: while they start, read, ask for keys, write."""
    draw = random.Random(seed)
    deaths = iter([0.3, *(draw.uniform(0, 1) for _ in range(3))])
    # When each worker is to be killed: after so many requests that write, from when it was started.
    doomed: dict[int, int] = {}
    killed: list[int] = []

    async def slowly(call: Call) -> None:
        if call.operation != "Scan":
            await asyncio.sleep(0.2)

    def kill(now: Progress) -> None:
        requests = sum(fake.calls[one] for one in ("BatchWriteItem", "BatchExecuteStatement"))
        for pid in pids(tmp_path):
            if pid not in doomed:
                share = next(deaths, None)
                doomed[pid] = requests + int(60 * share) if share is not None else sys.maxsize
            if pid not in killed and requests >= doomed[pid]:
                killed.append(pid)
                os.kill(pid, signal.SIGKILL)

    fake = Fake(two_tables(6_000), fault=slowly, page=50)
    spec = f"INSERT INTO Target {spec_of(tail=f'ON CONFLICT {on_conflict}', rates=f'{FAST}, segments = 2')}"
    plan = planned(spec)
    report = run(fake, spec, tmp_path, progress=kill)
    progress = report.progress
    assert (report.outcome, len(killed)) == ("done", 4) and len(pids(tmp_path)) == 6
    alone = Fake(dict(fake.sources))
    first = alone.run(plan, tmp_path.with_name(f"{tmp_path.name}-alone"))
    reference.assert_same_items(fake.items.values(), alone.items.values(), ("id",))
    assert progress.read == progress.filtered + progress.written + progress.rejected + progress.unchanged
    same = ("read", "filtered", "rejected", "skipped", "collisions")
    assert [getattr(progress, one) for one in same] == [getattr(first.progress, one) for one in same]
    assert progress.written + progress.unchanged == first.progress.written
    if on_conflict == "REPLACE":
        assert progress.unchanged == 0
    rejects = [json.loads(line)["key"]["id"]["S"] for line in (tmp_path / "rejects.jsonl").read_bytes().splitlines()]
    assert len(set(rejects)) == len(rejects) == progress.rejected
    for ended in events(tmp_path, "worker_ended"):
        assert ended["code"] == -signal.SIGKILL
    assert all(map(gone, pids(tmp_path)))


def test_workers_that_are_killed_again_and_again_end_the_job(tmp_path: Path) -> None:
    async def never(call: Call) -> None:
        if call.operation == "Scan":
            for pid in pids(tmp_path):
                if not gone(pid):
                    os.kill(pid, signal.SIGKILL)
            await asyncio.sleep(60)

    with pytest.raises(JobFailed, match=r"(?s)was killed by signal 9.*--workers 1"):
        run(Fake(two_tables(), fault=never), spec_of(), tmp_path)
    assert len(pids(tmp_path)) == MOST_DEATHS + 2


POISON = """\
import os, signal, time
from ddbetl import function

FOLDER = {!r}

def others():
    return [name for name in os.listdir(FOLDER) if name != str(os.getpid())]

@function("STRING", returns="STRING")
def survived(text):
    if text > "i00050":
        open(os.path.join(FOLDER, str(os.getpid())), "w").close()
    if text == "i00050":
        until = time.monotonic() + 20
        while not others() and time.monotonic() < until:
            time.sleep(0.01)
        # Time in which the other one is done with what it has.
        time.sleep(0.2)
        for name in others():
            os.remove(os.path.join(FOLDER, name))
        os.kill(os.getpid(), signal.SIGKILL)
    return text
"""


def test_a_page_that_kills_its_workers_ends_the_job_though_others_are_done(tmp_path: Path) -> None:
    (tmp_path / "behind").mkdir()
    (tmp_path / "poison.py").write_text(POISON.format(str(tmp_path / "behind")), encoding="utf-8")
    spec = f"USING 'poison.py';\nSELECT survived(id) AS id FROM One WITH ({FAST}, segments = 1)"
    fake = Fake({"One": source_items(400)}, page=2)
    with pytest.raises(JobFailed, match=r"(?s)the job got no further; the last one was killed by signal 9"):
        run(fake, spec, tmp_path / "job", name=str(tmp_path / "spec.ddbetl"))
    assert max(item["id"]["S"] for item in fake.items.values()) > "i00050"
    assert "i00050" not in {item["id"]["S"] for item in fake.items.values()}


def test_a_worker_that_fails_may_be_given_pages_until_the_job_knows() -> None:
    """They come to nothing: what the job hears is why, and not that a worker has ended."""

    async def late(worker: Worker, work: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            worker._received(work, messages.Fetch(1, 0, 0, b"{}"))

    async def fail() -> None:
        raise JobFailed("why")

    async def main() -> None:
        one, other = socket.socketpair()
        with one, other, pytest.raises(ExceptionGroup) as failed:
            async with asyncio.TaskGroup() as group:
                work = SimpleNamespace(course=Course(), group=group, fetching=set())
                group.create_task(late(Worker(one, other), work))
                await asyncio.sleep(0)
                group.create_task(fail())
        assert [str(error) for error in failed.value.exceptions] == ["why"]

    run_async(main)


def test_a_worker_ends_when_the_job_has_read_its_last_words(tmp_path: Path) -> None:
    """What is written to a socket that is closed costs the writer what it has not read."""
    (end, its), (claims, its_claims) = socket.socketpair(), socket.socketpair()
    numbers = its.fileno(), its_claims.fileno()
    paths = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([*COMMAND, *map(str, numbers)], pass_fds=numbers, env=paths)
    try:
        messages.send_to(end, messages.Begin(pickle.dumps(broken_plan), "", {}, (), tmp_path, False, False))
        assert isinstance(messages.receive_from(end), messages.Failed)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        end.close()
        process.wait(10)
    finally:
        process.kill()
        process.wait()
        for one in (end, its, claims, its_claims):
            one.close()


def test_a_stop_leaves_what_another_run_goes_on_with(tmp_path: Path) -> None:
    stop = Event()

    async def slowly(call: Call) -> None:
        if call.operation == "BatchWriteItem":
            if call.number == 10:
                stop.set()
            await asyncio.sleep(0.02)

    fake = Fake(two_tables(3_000), fault=slowly, page=50)
    report = run(fake, spec_of(), tmp_path, stop=stop)
    assert report.outcome == "interrupted" and report.progress.read < 4_500
    # Every row that was acknowledged is told of: of pages that are done, or half done.
    assert len(fake.items) == report.progress.written + report.half_done
    again = run(fake, spec_of(), tmp_path, resume=True)
    assert_done(fake, planned(spec_of(), into="Target"), again)


# Rates


def test_two_workers_together_keep_the_rate(tmp_path: Path) -> None:
    """However slow the machine is: so many units take so long, but for the last request of each worker."""
    writes: list[tuple[float, int]] = []

    def fault(call: Call) -> None:
        if call.operation == "BatchWriteItem":
            writes.append((time.monotonic(), len(call.body["RequestItems"]["Target"])))

    rate = 400
    fake = Fake(two_tables(1_500), fault=fault)
    report = run(fake, spec_of(rates=f"read = unlimited, write = {rate} wcu"), tmp_path)
    assert_done(fake, planned(spec_of(), into="Target"), report)
    units = sum(rows for _, rows in writes)
    # Each worker sends one request on credit, and a late wake-up is made good for 20 ms.
    assert units - 2 * 25 - rate * 0.04 * 2 <= rate * (writes[-1][0] - writes[0][0])


@given(st.data())
def test_shares_are_never_more_than_the_limit(data: st.DataObject) -> None:
    """Whatever limits, ends and answers come in whatever order; and when it is quiet, those that work share equally."""
    shares, numbers = Shares(), count()
    limits = st.one_of(st.none(), st.floats(1, 1e6))
    limit = data.draw(limits)
    there: list[int] = []
    # What each may use: the highest of what it was told and has not got yet, and of what it has.
    has: dict[int, float] = {}
    way: list[tuple[int, float | None]] = []
    for _ in range(data.draw(st.integers(1, 40))):
        match data.draw(st.sampled_from(["add", "remove", "limit", "divide", "divide", "answer", "answer"])):
            case "add":
                there.append(next(numbers))
                shares.add(there[-1])
                has[there[-1]] = 0.0
            case "remove" if there:
                one = there.pop(data.draw(st.integers(0, len(there) - 1)))
                shares.remove(one)
                del has[one]
                way = [(to, units) for to, units in way if to != one]
            case "limit":
                limit = data.draw(limits)
            case "divide":
                busy = set(data.draw(st.lists(st.sampled_from(there)))) if there else set()
                before = most(has, way)
                way += shares.divide(limit, busy).items()
                # A lower limit takes a moment to arrive; nothing is raised above it.
                assert most(has, way) <= max(before, number_of(limit)) * (1 + 1e-6)
            case "answer" if way:
                to, units = way.pop(0)
                has[to] = number_of(units)
                shares.agreed(to, units)
    for _ in range(3):
        way += shares.divide(limit, set(there)).items()
        while way:
            to, units = way.pop(0)
            has[to] = number_of(units)
            shares.agreed(to, units)
    for one in there:
        assert has[one] == (math.inf if limit is None else pytest.approx(limit / len(there), rel=1e-4))


def number_of(units: float | None) -> float:
    return math.inf if units is None else units


def most(has: dict[int, float], way: Sequence[tuple[int, float | None]]) -> float:
    return sum(max(mine, *(number_of(units) for to, units in way if to == one), 0.0) for one, mine in has.items())


def test_who_has_no_work_leaves_its_share_to_the_others() -> None:
    shares = Shares()
    for one in "ab":
        shares.add(one)
    assert shares.divide(100.0, {"a"}) == {"a": pytest.approx(100 * (1 - IDLE)), "b": pytest.approx(100 * IDLE)}
    # Less is told first, and more when that is agreed to.
    assert shares.divide(100.0, {"a", "b"}) == {"a": 50.0}
    assert shares.divide(100.0, {"a", "b"}) == {}
    shares.agreed("a", 50.0)
    assert shares.divide(100.0, {"a", "b"}) == {"b": 50.0}


# How many


@pytest.mark.parametrize(
    ("spec", "size", "wanted"),
    [
        ("SELECT * FROM One WITH (write = unlimited, read = unlimited)", 2**30, 4),
        ("SELECT * FROM One WITH (write = unlimited, read = unlimited)", 2**20, 1),
        ("SELECT * FROM One WITH (write = 20000 wcu, read = unlimited)", 2**30, 1),
        ("SELECT * FROM One WITH (write = 80000 wcu, read = unlimited)", 2**30, 2),
        ("SELECT * FROM One WITH (write = unlimited, read = 1000 rcu)", 2**30, 1),
        ("SELECT * FROM One LIMIT 5 WITH (write = unlimited, read = unlimited)", 2**30, 1),
    ],
)
def test_a_small_job_or_a_slow_one_has_one_process(spec: str, size: int, wanted: int) -> None:
    from dataclasses import replace

    from planned import table

    plan = planned(spec, into="Target", source=lambda name: replace(table(name), size=size, items=size // 200))
    assert cores.workers_for(plan, 8) == wanted
    assert cores.workers_for(plan, 3) == 1


def test_files_are_found_where_they_were_when_the_plan_was_made(
    job: Job,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = f"INSERT INTO {job.target} SELECT id, at, who(id) AS by FROM {job.first} ON CONFLICT REPLACE"
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "who.py").write_text(WHO)
    monkeypatch.chdir(tmp_path / "there")
    plan = ddbetl.compile(f"USING 'who.py'; {spec}", endpoint_url=job.server.endpoint_url)
    monkeypatch.chdir(tmp_path)
    report = plan.run(state_dir=tmp_path / "jobs", workers=2)
    assert report.outcome == "done" and report.progress.written


def test_a_limit_is_for_one_process(job: Job, tmp_path: Path) -> None:  # noqa: F811
    spec = MODES["REPLACE"].spec(job).replace(" ON CONFLICT", " LIMIT 30 ON CONFLICT")
    plan = ddbetl.compile(spec, endpoint_url=job.server.endpoint_url)
    report = plan.run(state_dir=tmp_path, workers=4)
    assert (report.outcome, report.progress.written) == ("limit", 30)
    assert not pids(Path(report.folder))
    with pytest.raises(ValueError, match="one process at least"):
        plan.workers(0)


# What they say to each other


def test_claims_arrive_as_they_were_also_parts_of_others() -> None:
    texts = pa.array(["a", "é", "", "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"), "z"])
    whole = Claims(pa.array(range(5), U64), texts, 3, texts.cast(pa.binary()))
    part = Claims(whole.hashes[1:4], whole.keys[1:4], 3, whole.sources[1:4])
    for claims in (whole, part):
        found = messages.unpacked_claims(messages.packed_claims(claims))
        assert (found.table, found.hashes, found.keys, found.sources) == (
            claims.table, claims.hashes, claims.keys, claims.sources
        )  # fmt: skip


def test_failures_arrive_as_they_were() -> None:
    refused = ServiceError("Denied", "no", status=400, kind=Kind.TERMINAL, server_time=1.5, body=b"{}")
    refused.operation, refused.table = "Scan", "One"
    found = messages.unpacked(messages.packed(refused))
    assert isinstance(found, ServiceError) and isinstance(found, WireError)
    assert (str(found), found.__dict__) == (str(refused), refused.__dict__)
    job_failed = messages.unpacked(messages.packed(JobFailed("so", advised=True)))
    assert isinstance(job_failed, JobFailed) and (str(job_failed), job_failed.advised) == ("so", True)
    unknown = messages.packed(ZeroDivisionError("oh"))
    assert messages.unpacked(unknown) is None and "ZeroDivisionError" in unknown.trace
