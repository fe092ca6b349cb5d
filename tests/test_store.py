"""The store of a job: what it keeps through any end of a run, and what it says when it cannot."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ddbetl.engine import folder as folder_module
from ddbetl.engine import state as state_module
from ddbetl.engine.counts import Counts
from ddbetl.engine.folder import is_locked, take_lock
from ddbetl.engine.store import MOST_PAIRS, JobRecord, JobStore, PinnedTable, SplitState, Totals
from ddbetl.engine.views import BrokenJob, JobView, ask_rate, remove, view, views
from ddbetl.errors import JobFailed

TABLES = (
    PinnedTable("May", "", "arn:aws:dynamodb:us-east-1:1:table/May", "2016-05-01T00:00:00Z", 3),
    PinnedTable("June", "http://127.0.0.1:8000", "arn:aws:dynamodb:us-east-1:1:table/June", "2016-06-01T00:00:00Z", 5),
)
TOTALS = Totals(1.5, (3.0, 0.25), 17.0, 0.5, 2, 1)


def record(name: str = "one", created: str = "2026-01-01T00:00:00Z", **fields: Any) -> JobRecord:
    given: dict[str, Any] = {
        "id": name, "created": created, "spec": "promo.ddbetl", "target": "Target", "fingerprint": "f00d",
        "action": "REJECT", "collisions": "reject", "duckdb": "2.0.0",
        "identity": {"sql": ["a", 1, None, 2.5]}, "inputs": {"params": {"month": "5"}}, "now": 1493201730876,
        "tables": TABLES,
    }  # fmt: skip
    return JobRecord(**(given | fields))


def in_jobs(state_dir: Path, name: str = "one") -> Path:
    return state_dir / "jobs" / name


def job(state_dir: Path, name: str = "one", **fields: Any) -> JobStore:
    return JobStore.create(in_jobs(state_dir, name), record(name, **fields))


def split(n: int, segment: int = 2, table: int = 1) -> SplitState:
    """The n-th state of a split that reads one item a page and rejects it."""
    return SplitState(table, segment, f'{{"n":{n}}}'.encode(), False, Counts(read=n, rejected=n))


def line(n: int) -> bytes:
    """The n-th reject; the more, the longer, so that no length fits two commits."""
    return json.dumps({"n": n, "item": "x" * (n % 50)}).encode() + b"\n"


def commit(store: JobStore, n: int) -> None:
    """The n-th of commits of one page each."""
    store.commit([split(n)], [line(n)], Totals(float(n), (0.0, float(n)), 0.0, 0.0, 0, 1), str(n).encode())


def assert_at(folder: Path, n: int) -> None:
    """A job that is opened anew is exactly where the n-th commit left it."""
    with closing(JobStore.open(folder)) as store:
        moved = [one for one in store.splits() if one.counts.read]
        assert moved == ([split(n)] if n else [])
        assert store.totals().seconds == n
        found = (folder / "rejects.jsonl").read_bytes() if n else b""
        assert found == b"".join(line(i) for i in range(1, n + 1))
        assert (folder / "rejects.jsonl").exists() == bool(n)
    assert view(folder).progress == (str(n).encode() if n else b"")


def position(folder: Path) -> int:
    return view(folder).tables[1].read


def test_a_new_job_has_its_record_and_every_split_at_the_beginning(tmp_path: Path) -> None:
    with closing(job(tmp_path)) as store:
        assert store.record == record()
        assert store.folder == in_jobs(tmp_path)
        assert store.splits() == [SplitState(0, s) for s in range(3)] + [SplitState(1, s) for s in range(5)]
        assert store.totals() == Totals(0.0, (0.0, 0.0), 0.0, 0.0, 0, 0)
        assert store.outcome() == "running"
        assert store.rates() == {}
    assert not (in_jobs(tmp_path) / "rejects.jsonl").exists()


def test_what_was_committed_is_there_when_the_job_is_opened_again(tmp_path: Path) -> None:
    done = SplitState(0, 1, b'{"id":{"S":"\xc3\xa9"}}', True, Counts(9, 1, 2, 1, 1, 4, 1, 1, 7))
    with closing(job(tmp_path)) as store:
        store.commit([done, split(1)], [line(1), line(2)], TOTALS, b"first")
        store.commit([split(2)], [], TOTALS, b"second")
        store.finish("interrupted")
        states = store.splits()
    with closing(JobStore.open(in_jobs(tmp_path))) as store:
        assert store.record == record()
        assert store.outcome() == "interrupted"
        assert store.totals() == TOTALS
        assert store.splits() == states
        assert states[1] == done and states[5] == split(2) and states[0] == SplitState(0, 0)
        store.commit([], [line(3)], TOTALS, b"third")
        assert store.outcome() == "running"
    assert (in_jobs(tmp_path) / "rejects.jsonl").read_bytes() == line(1) + line(2) + line(3)


def test_rejects_of_pages_that_were_not_finished_are_cut_off(tmp_path: Path) -> None:
    folder = in_jobs(tmp_path)
    with closing(job(tmp_path)):
        pass
    (folder / "rejects.jsonl").write_bytes(line(1))
    assert_at(folder, 0)
    with closing(JobStore.open(folder)) as store:
        commit(store, 1)
    with (folder / "rejects.jsonl").open("ab") as file:
        file.write(line(2)[:7])
    assert_at(folder, 1)


def test_counts_add_up() -> None:
    assert Counts(1, 2, 3, 4, 5, 6, 7, 8) + Counts(10, 20, 30, 40, 50, 60, 70, 80) == Counts(
        11, 22, 33, 44, 55, 66, 77, 88
    )


# Every text, also one with half of a surrogate pair: an argument of a command may have it. Both halves in a row come
# back as the character that they make.
TEXTS = st.text(st.characters(exclude_categories=()), max_size=20).map(lambda text: json.loads(json.dumps(text)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PINNED = st.builds(PinnedTable, TEXTS, TEXTS, TEXTS, TEXTS, st.integers(1, 4))
RECORDS = st.builds(
    JobRecord, st.just("one"), TEXTS, TEXTS, TEXTS, TEXTS, st.none() | TEXTS, TEXTS,
    st.dictionaries(TEXTS, JSON, max_size=3), st.dictionaries(TEXTS, JSON, max_size=3), st.integers(), TEXTS,
    st.lists(PINNED, max_size=3).map(tuple),
)  # fmt: skip


@settings(max_examples=40)
@example(record(spec="a\ud800\0", inputs={"params": {"\udfff": "a\udc80"}}), b"\xff", b"", "\udc00")
@given(RECORDS, st.binary(max_size=50), st.binary(max_size=50), TEXTS)
def test_a_record_comes_back_whatever_its_texts(made: JobRecord, place: bytes, progress: bytes, rate: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        folder = in_jobs(Path(home))
        totals = Totals(0.1, (1 / 3,) * len(made.tables), 1e300, 1 / 7, 2**60, 3)
        moved = [SplitState(n, table.segments - 1, place) for n, table in enumerate(made.tables)]
        with closing(JobStore.create(folder, made)) as store:
            assert store.record == made
            store.commit(moved, [], totals, progress)
        ask_rate(folder, "read", rate)
        with closing(JobStore.open(folder)) as store:
            assert store.record == made and store.totals() == totals and store.rates() == {"read": rate}
            assert [one for one in store.splits() if one.position] == [one for one in moved if place]
        seen = view(folder)
        assert (seen.record, seen.progress, seen.rates) == (made, progress, {"read": rate})


@contextmanager
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def test_everything_is_its_owner_s_alone_from_the_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    connect = sqlite3.connect

    def opened(*args: Any, **named: Any) -> Any:
        seen.append(stat.S_IMODE((in_jobs(tmp_path / "a" / "state") / "job.sqlite").stat().st_mode))
        return connect(*args, **named)

    monkeypatch.setattr(sqlite3, "connect", opened)
    with no_umask():
        store = job(tmp_path / "a" / "state")
        commit(store, 1)
        store.close()
    assert seen == [0o600]
    found = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "a").rglob("*")}
    files = dict.fromkeys(["job.sqlite", "job.sqlite-journal", "job.lock", "rejects.jsonl"], 0o600)
    assert found == files | dict.fromkeys(["state", "jobs", "one"], 0o700)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_a_folder_has_one_job(tmp_path: Path) -> None:
    with closing(job(tmp_path)) as store:
        commit(store, 1)
    with pytest.raises(JobFailed, match=r"there is a job in .* already\nddbetl resume one"):
        job(tmp_path)
    assert_at(in_jobs(tmp_path), 1)


def test_a_folder_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file")
    with pytest.raises(JobFailed, match=r"the job's folder cannot be written.*jobs.*\n--state-dir"):
        job(tmp_path)


def test_a_job_that_is_not_there_says_so(tmp_path: Path) -> None:
    for use in (JobStore.open, view, remove, lambda folder: ask_rate(folder, "read", "1")):
        with pytest.raises(JobFailed, match="there is no job one"):
            use(in_jobs(tmp_path))
    assert list(tmp_path.iterdir()) == []


# Two processes.


def start(program: str, *args: object) -> subprocess.Popen[str]:
    """Run a program of its own that can use this module."""
    text = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from test_store import *\n{program}"
    command = [sys.executable, "-c", text, *map(str, args)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def running(program: str, *args: object) -> Iterator[subprocess.Popen[str]]:
    with start(program, *args) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


HOLD = """
store = job(Path(sys.argv[1])); commit(store, 1); print("ready", flush=True); sys.stdin.read()
"""


def test_two_processes_cannot_run_one_job(tmp_path: Path) -> None:
    folder = in_jobs(tmp_path)
    with running(HOLD, tmp_path) as process:
        assert said(process) == "ready"
        for use in (JobStore.open, remove):
            with pytest.raises(
                JobFailed, match=f"^job one is being run by process {process.pid}\nddbetl jobs watch one"
            ):
                use(folder)
        seen = view(folder)
        assert (seen.outcome, seen.running, seen.pid, seen.unfinished) == ("running", True, process.pid, False)
        process.send_signal(signal.SIGKILL)
        process.wait()
    seen = view(folder)
    assert (seen.outcome, seen.running, seen.pid, seen.unfinished) == ("killed", False, None, True)
    assert_at(folder, 1)


def test_one_process_cannot_run_one_job_twice(tmp_path: Path) -> None:
    store = job(tmp_path)
    with pytest.raises(JobFailed, match=f"being run by process {os.getpid()}"):
        JobStore.open(store.folder)
    assert view(store.folder).running
    # A look at the lock does not end it.
    with pytest.raises(JobFailed, match=f"being run by process {os.getpid()}"):
        JobStore.open(store.folder)
    store.close()
    JobStore.open(store.folder).close()


def test_a_broken_or_refused_open_lets_go_of_the_lock(tmp_path: Path) -> None:
    job(tmp_path).close()
    folder = in_jobs(tmp_path)
    (folder / "job.sqlite").write_bytes(b"no database at all" * 100)
    with pytest.raises(JobFailed):
        JobStore.open(folder)
    assert not is_locked(folder / "job.lock")


def test_who_just_looks_at_a_lock_hinders_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "job.lock"
    path.touch()
    looker = os.open(path, os.O_RDONLY)
    fcntl.flock(looker, fcntl.LOCK_SH)
    flock = folder_module._flock

    def look_ends(descriptor: int, kind: int) -> bool:
        taken = flock(descriptor, kind)
        if kind == fcntl.LOCK_SH:
            fcntl.flock(looker, fcntl.LOCK_UN)
        return taken

    monkeypatch.setattr(folder_module, "_flock", look_ends)
    lock = take_lock(path)
    assert lock is not None
    os.close(lock)
    os.close(looker)


COMMITS = """
folder = Path(sys.argv[1])
store = JobStore.open(folder)
n = store.splits()[5].counts.read
while True:
    n += 1
    commit(store, n)
    print(n, flush=True)
"""


def test_a_kill_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    """Twenty kills of one job, each a random number of commits and a random time after them."""
    folder = in_jobs(tmp_path)
    job(tmp_path).close()
    chance = random.Random(4)
    last = 0
    for _ in range(20):
        with start(COMMITS, folder) as process:
            for _ in range(chance.randrange(1, 8)):
                last = int(said(process))
            with suppress(subprocess.TimeoutExpired):
                process.wait(chance.random() * 0.006)
            process.kill()
            assert process.stdout is not None
            last = max([last, *map(int, process.stdout.read().split())])
        reached = position(folder)
        assert reached in (last, last + 1)
        assert_at(folder, reached)
        last = reached


def test_a_job_is_seen_whole_and_set_while_another_process_commits(tmp_path: Path) -> None:
    folder = in_jobs(tmp_path)
    job(tmp_path).close()
    with running(COMMITS, folder) as process:
        before = int(said(process))
        for n in range(40):
            ask_rate(folder, "write", f"{n}%")
            seen = view(folder)
            assert seen.running and seen.rates == {"write": f"{n}%"}
            # All of it is of one commit, and none is forgotten.
            reached = seen.tables[1].read
            assert seen.totals.seconds == reached == int(seen.progress) >= before
            before = reached
    assert_at(folder, position(folder))


SEES = """
store = JobStore.open(Path(sys.argv[1]))
n = 0
while (found := store.rates()) != {"read": "7", "write": "30%"}:
    n += 1
    commit(store, n)
    if n == 1: print("running", flush=True)
print(n, flush=True)
"""


def test_a_run_sees_what_another_process_asks_for(tmp_path: Path) -> None:
    folder = in_jobs(tmp_path)
    job(tmp_path).close()
    with running(SEES, folder) as process:
        assert said(process) == "running"
        ask_rate(folder, "read", "9")
        ask_rate(folder, "read", "7")
        ask_rate(folder, "write", "30%")
        assert_at_least = int(said(process))
        process.wait()
    assert_at(folder, assert_at_least)


# A disk that fails.


class FailingDisk:
    """Lets some calls through and fails the next one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, at: int) -> None:
        real = getattr(os, name)
        self.calls = 0

        def call(*args: Any) -> Any:
            self.calls += 1
            if self.calls == at:
                raise OSError(5, "Input/output error")
            return real(*args)

        monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("name", ["pwrite", "fsync"])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_failed_write_of_rejects_moves_no_position(
    name: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = job(tmp_path)
    told = 0
    with monkeypatch.context() as patch, closing(store):
        FailingDisk(patch, name, at)
        with pytest.raises(JobFailed, match=r"Input/output error.*\nNothing is lost.*ddbetl resume one"):
            for n in range(1, 10):
                commit(store, n)
                told = n
        patch.undo()
        # The disk is good again, but what it has is not what this process takes for it.
        with pytest.raises(JobFailed, match="Input/output error"):
            commit(store, told + 1)
        with pytest.raises(JobFailed, match="Input/output error"):
            store.commit([split(99)], [], TOTALS, b"")
        store.finish("failed")
    assert view(in_jobs(tmp_path)).outcome == "failed"
    assert_at(in_jobs(tmp_path), told)


def test_a_disk_that_takes_a_part_gets_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, content, at: pwrite(fd, bytes(content)[:3], at))
    with closing(job(tmp_path)) as store:
        commit(store, 1)
        commit(store, 2)
    monkeypatch.undo()
    assert_at(in_jobs(tmp_path), 2)


@pytest.mark.parametrize("room", range(4))
def test_a_full_state_file_keeps_the_last_commit(room: int, tmp_path: Path) -> None:
    """SQLite's own SQLITE_FULL, with room for some pages."""
    folder = in_jobs(tmp_path)
    told = 0
    with closing(job(tmp_path, tables=(TABLES[0], PinnedTable("June", "", "", "", 5000)))) as store:
        commit(store, 1)
        told = 1
        (pages,) = store._db.execute("PRAGMA page_count").fetchone()
        store._db.execute(f"PRAGMA max_page_count = {pages + room}")
        with pytest.raises(JobFailed, match=r"full.*\nNothing is lost.*ddbetl resume one"):
            for n in range(2, 2000):
                more = [SplitState(1, n + 10, b"k" * 900)]
                store.commit(
                    [split(n), *more], [line(n)], Totals(float(n), (0.0, 0.0), 0.0, 0.0, 0, 1), str(n).encode()
                )
                told = n
        with pytest.raises(JobFailed, match="full"):
            commit(store, told + 1)
    with closing(JobStore.open(folder)) as store:
        assert store.splits()[5] == split(told)
        assert [s.segment for s in store.splits() if s.position.startswith(b"k")] == list(range(12, told + 11))
    assert (folder / "rejects.jsonl").read_bytes() == b"".join(line(i) for i in range(1, told + 1))


LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
n = 0
try:
    store = job(Path(sys.argv[1]))
    print(0, flush=True)
    for n in range(1, 40):
        store.commit([split(n), SplitState(0, n, b"k" * int(sys.argv[2]))], [line(n)] * int(sys.argv[4]),
            Totals(float(n), (0.0, float(n)), 0.0, 0.0, 0, 1), str(n).encode())
        print(n, flush=True)
except JobFailed as error:
    print("failed", str(error).replace("\\n", " "), flush=True)
"""


@pytest.mark.parametrize(("kept", "copies"), [(2000, 1), (0, 50)], ids=["positions", "rejects"])
@pytest.mark.parametrize("limit", [2, 1000, 4096, 20_000, 28_672, 30_000, 33_000, 41_000])
def test_a_disk_without_room_keeps_the_last_commit(limit: int, kept: int, copies: int, tmp_path: Path) -> None:
    """The operating system refuses files beyond a size: the rejects', the state's or its journal's, in any call."""
    with running(LIMITED.replace("job(", "many("), tmp_path, kept, limit, copies) as process:
        said_all = process.communicate()[0].splitlines()
    *told, failure = said_all
    assert failure.startswith("failed the job's f"), failure
    folder = in_jobs(tmp_path)
    if not told:
        assert views(tmp_path) == [] and not (folder / "job.sqlite").exists()
        return
    last = int([word for word in said_all if word.isdigit()][-1])
    with closing(JobStore.open(folder)) as store:
        reached = store.splits()[200 + 2].counts.read
        assert reached in (last, last + 1)
        assert store.totals().seconds == reached
    rejects = folder / "rejects.jsonl"
    found = rejects.read_bytes() if rejects.exists() else b""
    assert found == b"".join(line(i) * copies for i in range(1, reached + 1))


def many(state_dir: Path) -> JobStore:
    """A job with a table of 200 segments."""
    return job(state_dir, tables=(PinnedTable("May", "", "", "", 200), TABLES[1]))


# A state that is broken.

WAYS_ON = r"\nStart anew with ddbetl run SPEC --fresh.*\nddbetl jobs rm one --state-dir .* removes"


def assert_broken(state_dir: Path, name: str = "job.sqlite", *, looks: bool = True) -> None:
    folder = in_jobs(state_dir)
    with pytest.raises(JobFailed, match=rf"the state of job one is broken: .*{name}: .*{WAYS_ON}"):
        JobStore.open(folder).splits()
    if looks:
        (found,) = views(state_dir)
        assert isinstance(found, BrokenJob) and (found.id, found.folder) == ("one", folder)
        assert name in found.message


@pytest.mark.parametrize("content", [b"", b"x", b"garbage " * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_state(content: bytes, tmp_path: Path) -> None:
    job(tmp_path).close()
    (in_jobs(tmp_path) / "job.sqlite").write_bytes(content)
    assert_broken(tmp_path)
    if not content:
        with pytest.raises(JobFailed, match="it holds no job"):
            JobStore.open(in_jobs(tmp_path))
    remove(in_jobs(tmp_path))
    assert views(tmp_path) == []


def test_a_state_cut_anywhere(tmp_path: Path) -> None:
    with closing(job(tmp_path)) as store:
        commit(store, 1)
    ask_rate(in_jobs(tmp_path), "read", "30%")
    path = in_jobs(tmp_path) / "job.sqlite"
    whole = path.read_bytes()
    for size in range(0, len(whole), 1000):
        path.write_bytes(whole[:size])
        assert_broken(tmp_path)


def test_a_state_with_a_page_of_garbage(tmp_path: Path) -> None:
    with closing(job(tmp_path)) as store:
        commit(store, 1)
    path = in_jobs(tmp_path) / "job.sqlite"
    whole = path.read_bytes()
    for page in range(1, len(whole) // 4096):
        path.write_bytes(whole[: page * 4096] + b"\xa5" * 4096 + whole[(page + 1) * 4096 :])
        assert_broken(tmp_path, looks=False)


@pytest.mark.parametrize(
    ("change", "looks"),
    [
        *((f"DROP TABLE {table}", True) for table in ("job", "state", "split", "rate")),
        *((f"DELETE FROM {table}", True) for table in ("job", "state")),
        ("UPDATE job SET record = '{'", True),
        ("UPDATE job SET record = '[]'", True),
        ('UPDATE job SET record = replace(record, \'"now":1\', \'"now":"x"\')', True),
        ("UPDATE job SET record = CAST(x'ff' AS TEXT)", True),
        ("UPDATE job SET record = x'ff'", True),
        ("UPDATE job SET record = 7", True),
        (f"UPDATE job SET record = '{'[' * 200_000}'", True),
        ("PRAGMA ignore_check_constraints = 1; UPDATE state SET rejects_length = 'x'", False),
        (
            "PRAGMA ignore_check_constraints = 1; INSERT INTO split VALUES (0, 1, 'text', 2, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
            False,
        ),
        ("INSERT INTO split VALUES (0, 3, x'', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)", False),
        ("INSERT INTO split VALUES (2, 0, x'', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)", False),
    ],
    ids=lambda value: str(value)[:70],
)
def test_a_state_that_somebody_changed(change: str, looks: bool, tmp_path: Path) -> None:
    job(tmp_path).close()
    with closing(sqlite3.connect(in_jobs(tmp_path) / "job.sqlite")) as db:
        db.executescript(change)
    assert_broken(tmp_path, looks=looks)


@pytest.mark.parametrize("change", ["UPDATE state SET totals = '{}'", "INSERT INTO rate VALUES ('read', '5')"])
def test_totals_and_rates_that_somebody_changed(change: str, tmp_path: Path) -> None:
    job(tmp_path).close()
    with closing(sqlite3.connect(in_jobs(tmp_path) / "job.sqlite")) as db:
        db.executescript(change)
    with pytest.raises(JobFailed, match=WAYS_ON), closing(JobStore.open(in_jobs(tmp_path))) as store:
        store.totals(), store.rates()
    assert isinstance(views(tmp_path)[0], BrokenJob)


def test_rejects_that_are_gone_or_cut(tmp_path: Path) -> None:
    with closing(job(tmp_path)) as store:
        commit(store, 1)
    path = in_jobs(tmp_path) / "rejects.jsonl"
    path.write_bytes(line(1)[:-1])
    assert_broken(tmp_path, "rejects.jsonl", looks=False)
    path.unlink()
    assert_broken(tmp_path, "rejects.jsonl", looks=False)
    assert view(in_jobs(tmp_path)).outcome == "killed"


def test_the_first_collisions_and_the_length_of_the_keys_are_kept_with_the_positions(tmp_path: Path) -> None:
    pairs = [f'{{"key":{{"id":{{"S":"k{n}"}}}},"first":{{"table":"May","key":{{}}}},"later":{{"table":"June","key":{{}}}}}}'
             .encode() for n in range(130)]  # fmt: skip
    with closing(job(tmp_path)) as store:
        assert (store.keys_length(), store.pairs()) == (0, [])
        store.commit([split(1)], [], TOTALS, b"", pairs[:70], 4711)
        store.commit([split(2)], [], TOTALS, b"", pairs[70:], 9000)
    with closing(JobStore.open(in_jobs(tmp_path))) as store:
        assert (store.keys_length(), store.pairs()) == (9000, pairs[:MOST_PAIRS])
    seen = view(in_jobs(tmp_path)).pairs
    assert [pair.key["id"]["S"] for pair in seen] == [f"k{n}" for n in range(MOST_PAIRS)]
    assert (seen[0].first.table, seen[0].later.table) == ("May", "June")


@pytest.mark.parametrize(("version", "age"), [(1, "an older"), (3, "a newer")])
def test_a_state_of_another_ddbetl_is_refused(version: int, age: str, tmp_path: Path) -> None:
    job(tmp_path).close()
    with closing(sqlite3.connect(in_jobs(tmp_path) / "job.sqlite")) as db:
        db.executescript(f"DROP TABLE split; PRAGMA user_version = {version}")
    for use in (JobStore.open, view, lambda folder: ask_rate(folder, "read", "1")):
        with pytest.raises(
            JobFailed, match=rf"job one was made by {age} ddbetl.*version {version}.*version 2.*\nGo on with that"
        ):
            use(in_jobs(tmp_path))
    remove(in_jobs(tmp_path))


def test_a_state_that_another_process_holds_too_long_can_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_module, "PATIENCE", 0.0)
    with closing(job(tmp_path)) as store:
        commit(store, 1)
        with closing(sqlite3.connect(in_jobs(tmp_path) / "job.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JobFailed, match=r"database is locked.*\nNothing is lost.*ddbetl resume one"):
                commit(store, 2)
    assert_at(in_jobs(tmp_path), 1)


# Looking on.


def test_a_view_adds_up_by_table(tmp_path: Path) -> None:
    store = job(tmp_path)
    store.commit(
        [
            SplitState(0, 0, b"a", True, Counts(1, 2, 3, 4, 5, 6, 7, 8)),
            SplitState(0, 2, b"b", False, Counts(10, 20, 30, 40, 50, 60, 70, 80)),
            SplitState(1, 4, b"c", True, Counts(100)),
        ],
        [],
        TOTALS,
        b"progress",
    )
    for outcome, seen_running, seen, unfinished in (
        ("interrupted", "running", "interrupted", True),
        ("failed", "running", "failed", True),
        ("done", "done", "done", False),
        ("limit", "limit", "limit", False),
    ):
        store.finish(outcome)
        found = view(store.folder)
        assert (found.outcome, found.unfinished) == (seen_running, False)
        store.close()
        found = view(store.folder)
        assert (found.outcome, found.unfinished, found.pid, found.running) == (seen, unfinished, None, False)
        store = JobStore.open(store.folder)
    store.close()
    assert found.record == record() and found.folder == store.folder
    assert found.tables == (Counts(11, 22, 33, 44, 55, 66, 77, 88), Counts(100))
    assert found.counts == Counts(111, 22, 33, 44, 55, 66, 77, 88)
    assert (found.splits, found.splits_done, found.tables_done) == (8, 2, (1, 1))
    assert (found.totals, found.progress, found.rates) == (TOTALS, b"progress", {})


def test_a_job_that_ends_while_it_is_looked_at_was_not_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = job(tmp_path)

    def ends_first(path: Path) -> bool:
        if not store._ended:
            store.finish("done")
            store.close()
        return is_locked(path)

    monkeypatch.setattr("ddbetl.engine.views.is_locked", ends_first)
    assert view(store.folder).outcome == "done"


def test_a_view_is_of_one_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = state_module.only

    def others_write_first(db: Any, query: str) -> tuple[Any, ...]:
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(folder / "job.sqlite", 0)) as other, other:
            other.execute("UPDATE state SET progress = x'00', totals = '{}'")
        return read(db, query)

    with closing(job(tmp_path)) as store:
        commit(store, 1)
        folder = store.folder
        monkeypatch.setattr("ddbetl.engine.views.only", others_write_first)
        seen = view(folder)
        assert (seen.totals.seconds, seen.progress) == (1.0, b"1")


def test_all_jobs_the_newest_first_and_then_the_broken_ones(tmp_path: Path) -> None:
    assert views(tmp_path) == []
    for name, created in (("b", "2026-01-02T00:00:00Z"), ("c", "2026-01-01T00:00:00Z"), ("a", "2026-01-03T00:00:00Z")):
        job(tmp_path, name, created=created).close()
    job(tmp_path, "d", created="2026-01-02T00:00:00Z").close()
    job(tmp_path, "z").close()
    (in_jobs(tmp_path, "z") / "job.sqlite").write_bytes(b"")
    in_jobs(tmp_path, "begun").mkdir()
    (tmp_path / "jobs" / "file").write_text("no job")
    found = views(tmp_path)
    assert [one.record.id for one in found if isinstance(one, JobView)] == ["a", "d", "b", "c"]
    assert isinstance(found[-1], BrokenJob) and found[-1].id == "z" and len(found) == 5


def test_a_removed_job_is_gone(tmp_path: Path) -> None:
    store = job(tmp_path)
    commit(store, 1)
    with pytest.raises(JobFailed, match="being run"):
        remove(store.folder)
    commit(store, 2)
    store.close()
    job(tmp_path, "other").close()
    remove(store.folder)
    assert not store.folder.exists()
    assert [one.record.id for one in views(tmp_path) if isinstance(one, JobView)] == ["other"]


def test_a_removal_that_stops_half_way_leaves_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job(tmp_path).close()

    def fails(_: Path) -> None:
        raise PermissionError(13, "Permission denied", "rejects.jsonl")

    with monkeypatch.context() as patch, pytest.raises(JobFailed, match="Permission denied"):
        patch.setattr(shutil, "rmtree", fails)
        remove(in_jobs(tmp_path))
    assert views(tmp_path) == []
    remove(in_jobs(tmp_path))
    assert not in_jobs(tmp_path).exists()


def test_a_closed_job_takes_no_commit(tmp_path: Path) -> None:
    store = job(tmp_path)
    commit(store, 1)
    store.close()
    store.close()
    with pytest.raises(JobFailed, match="is closed"):
        commit(store, 2)
    assert_at(in_jobs(tmp_path), 1)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs a list of open files")
def test_a_closed_job_holds_no_file(tmp_path: Path) -> None:
    def held() -> list[str]:
        return [name for name in map(_target, Path("/proc/self/fd").iterdir()) if str(tmp_path) in name]

    store = job(tmp_path)
    commit(store, 1)
    assert len(held()) >= 3
    store.close()
    assert held() == []


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except FileNotFoundError:
        return ""
