"""Jobs in processes of their own that end as nobody wants: killed, stopped, interrupted, without their terminal.

A real server stands behind a proxy that remembers every page and every row (see witness.py). So it can be said exactly
what a killed run has left, and what the next one may do again.
"""

from __future__ import annotations

import json
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import reference
import servers
import tables
from servers import Server
from witness import Witness, witness

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.demo import data
from ddbetl.engine.store import JobStore

Item = dict[str, dict[str, Any]]
Key = tuple[str, str]

MONTHS = data.MONTHS[:3]
ITEMS = 2_000
# In each table.
UNREADABLE = 20
KILLS = 50
# Seconds from a run's first page to its end: it takes some 0.1 s to the first row, and commits every 0.1 s.
WINDOW = 0.5
# Seconds from the start of a process to the end of one that is killed at any moment.
START = 1.0
# Units per second. They keep the job longer than its killed runs together, however fast the machine is.
SLOWLY = 250

SPEC = """
LET ttl = 365 days;

INSERT INTO {target}
SELECT CustomerID,
       epoch(DateTime)       AS CreationDateTime,
       epoch(DateTime) + ttl AS ExpirationTimestamp,
       OrderID
FROM   {sources}
WHERE  length(OrderID) > 0
ON CONFLICT REPLACE
ON ERROR REJECT
WITH   (read = unlimited, write = {rate} wcu, segments = 4, max_rejects = 100%);
"""


@dataclass(slots=True)
class Orders:
    """A job on a server of its own: its tables, what it must make of them, and its folder."""

    server: Server
    witness: Witness
    folder: Path
    sources: tuple[str, ...]
    target: str
    items: list[Item] = field(default_factory=list)

    @property
    def spec(self) -> Path:
        return self.folder / "orders.ddbetl"

    def write_spec(self, rate: int) -> None:
        sources = ", ".join(self.sources)
        self.spec.write_text(SPEC.format(target=self.target, sources=sources, rate=rate), encoding="utf-8")

    def expected(self) -> list[Item]:
        return [row for item in self.items if readable(item) and (row := reference.main_row(item)) is not None]

    def rejected(self) -> list[Item]:
        return [item for item in self.items if not readable(item)]

    def written(self) -> list[Item]:
        client = self.server.client()
        found = reference.read_all(client, self.target)
        client.close()
        return found

    def run(self, *arguments: str) -> list[str]:
        where = ["--endpoint-url", self.witness.url]
        return [sys.executable, "-m", "ddbetl", "run", str(self.spec), *where, *arguments]

    def resume(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "ddbetl", "resume", "last", *arguments]

    def job_folder(self) -> Path:
        (found,) = (self.folder / ".ddbetl/jobs").iterdir()
        return found

    def ask(self, *arguments: str) -> Any:
        """What a command about jobs prints as JSON."""
        done = finished([sys.executable, "-m", "ddbetl", *arguments, "--json"], self.folder)
        assert done.returncode == ExitCode.DONE, done.stderr
        return json.loads(done.stdout)


def readable(item: Item) -> bool:
    return not item["DateTime"]["S"].startswith("unknown")


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[Server, data.Loaded, list[Item]]]:
    """A server with the sources of all tests here; a target is emptied by being made anew."""
    servers.require_dynoxide()
    with servers.start("dynoxide") as server:
        client = server.client()
        loaded = data.load(client, ITEMS, MONTHS)
        for name in loaded.sources:
            rows = [
                {"CustomerID": {"S": f"C{n}"}, "DateTime": {"S": f"unknown {n}"}, "OrderID": {"S": f"{name}-{n}"}}
                for n in range(UNREADABLE)
            ]
            tables.fill(server, name, rows)
        items = [item for name in loaded.sources for item in reference.read_all(client, name)]
        client.close()
        yield server, loaded, items


@pytest.fixture
def orders(filled: tuple[Server, data.Loaded, list[Item]], tmp_path: Path) -> Iterator[Orders]:
    server, loaded, items = filled
    target = servers.new_prefix()
    tables.create(server, target, ("CustomerID", "S"), ("CreationDateTime", "N"))
    with witness(server.endpoint_url) as proxy:
        found = Orders(server, proxy, tmp_path, loaded.sources, target, items)
        found.write_spec(SLOWLY)
        yield found


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "DDBETL_DEBUG", "COLUMNS")}
    return kept | {"TERM": "xterm-256color", "PYTHONFAULTHANDLER": "1"}


def finished(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        command, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )


@contextmanager
def started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a command meanwhile."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def assert_done(orders: Orders) -> None:
    """The target holds what it must, every reject stands once, and every item was counted once."""
    expected, rejected = orders.expected(), orders.rejected()
    reference.assert_same_items(orders.written(), expected, ("CustomerID", "CreationDateTime"))
    lines = (orders.job_folder() / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    found = [(line["table"], line["item"]["OrderID"]["S"]) for line in map(json.loads, lines)]
    assert sorted(found) == sorted((item["OrderID"]["S"].rpartition("-")[0], item["OrderID"]["S"]) for item in rejected)
    shown = orders.ask("jobs", "show", "last")
    counts = {name: shown[name] for name in ("read", "filtered", "written", "rejected", "skipped")}
    assert (shown["state"], counts) == (
        "done",
        {
            "read": len(orders.items),
            "filtered": len(orders.items) - len(expected) - len(rejected),
            "written": len(expected),
            "rejected": len(rejected),
            "skipped": 0,
        },
    )
    report = json.loads((orders.job_folder() / "report.json").read_text(encoding="utf-8"))
    assert (report["outcome"], report["written"]) == ("done", len(expected))


# Killed


def test_a_job_killed_at_fifty_moments_loses_nothing(orders: Orders) -> None:
    """Four kills in five come while a run reads and writes, the fifth at any moment, from the start of the process.

    A row may be written twice only if its page was in flight at a kill: not all of its rows acknowledged, or the page
    not yet committed, which happens within COMMIT_SECONDS. So the rows written twice are counted exactly: those that a
    killed run has put and not committed.
    """
    shuffle = random.Random(50)
    seen = orders.witness
    committed: set[Key] = set()
    in_flight = puts = scans = 0
    for number in range(KILLS):
        command = orders.resume() if number else orders.run("--yes")
        with started([*command, "--progress", "none"], orders.folder) as running:
            if number % 5 < 4:
                wait_for_page(running, seen, scans + 1)
                time.sleep(shuffle.uniform(0, WINDOW))
            else:
                time.sleep(shuffle.uniform(0, START))
            assert running.poll() is None, "".join(running.communicate())
            running.send_signal(signal.SIGKILL)
            running.wait()
        assert seen.wait_until_alone()
        put, puts, scans = {key(row) for row in seen.put[puts:]}, len(seen.put), seen.scans
        assert committed.isdisjoint(put), f"run {number + 1} has written again what was committed before it"
        before, committed = committed, committed_rows(orders)
        assert before <= committed, f"run {number + 1} has gone back"
        assert committed <= set(map(key, seen.acknowledged)), f"run {number + 1} has committed what is not written"
        in_flight += len(put - committed)
    # All of it would be in flight if nothing were ever committed.
    assert 0 < len(committed) < len(orders.expected())
    assert in_flight < puts
    resume_quickly(orders)
    assert_done(orders)
    assert committed.isdisjoint(map(key, seen.put[puts:]))
    assert len(seen.put) - len(orders.expected()) <= in_flight


def wait_for_page(running: subprocess.Popen[str], seen: Witness, scans: int) -> None:
    while not seen.wait_for_scans(scans, timeout=1):
        assert running.poll() is None, "".join(running.communicate())


def committed_rows(orders: Orders) -> set[Key]:
    """The target's keys of all rows before the positions that a killed job has kept."""
    found: list[Key] = []
    copy = orders.folder / "copy" / orders.job_folder().name
    # A copy, because opening mends what the next run has to mend.
    shutil.copytree(orders.job_folder(), copy)
    store = JobStore.open(copy)
    for state in store.splits():
        split = store.record.tables[state.table].name, state.segment
        items = orders.witness.before(split, state.position, state.done)
        rows = [reference.main_row(item) for item in items if readable(item)]
        keys = [key(row) for row in rows if row is not None]
        assert state.counts.written == len(keys)
        found += keys
    store.close()
    shutil.rmtree(copy)
    return set(found)


def key(row: Item) -> Key:
    return row["CustomerID"]["S"], row["CreationDateTime"]["N"]


def resume_quickly(orders: Orders) -> None:
    """Go on with the job to its end, as fast as it goes."""
    asked = finished([sys.executable, "-m", "ddbetl", "jobs", "set", "last", "write=unlimited"], orders.folder)
    assert asked.returncode == ExitCode.DONE, asked.stderr
    done = finished(orders.resume(), orders.folder)
    assert done.returncode == ExitCode.REJECTS, done.stderr


def test_of_two_processes_one_goes_on(orders: Orders) -> None:
    with started(orders.run("--yes"), orders.folder) as running:
        wait_for_rows(running, orders.witness)
        second = finished(orders.resume(), orders.folder)
        assert second.returncode == ExitCode.FAILED
        assert re.search(rf"is being run (already, )?by process {running.pid}\b", second.stderr)
        # The same spec once more finds the job, too.
        third = finished(orders.run("--yes"), orders.folder)
        assert third.returncode == ExitCode.FAILED
        assert re.search(rf"\bprocess {running.pid}\b", third.stderr)
        assert running.poll() is None
        running.send_signal(signal.SIGKILL)
    asked = finished([sys.executable, "-m", "ddbetl", "jobs", "set", "last", "write=1000wcu"], orders.folder)
    assert asked.returncode == ExitCode.DONE, asked.stderr
    with started(orders.resume(), orders.folder) as one, started(orders.resume(), orders.folder) as other:
        said = {process.pid: process.communicate(timeout=120)[1] for process in (one, other)}
        codes = {process.returncode: process.pid for process in (one, other)}
    assert codes.keys() == {ExitCode.REJECTS, ExitCode.FAILED}, said
    by = rf"is being run (already, )?by process {codes[ExitCode.REJECTS]}\b"
    assert re.search(by, said[codes[ExitCode.FAILED]])
    assert_done(orders)


def test_a_job_in_the_background_can_be_killed(orders: Orders) -> None:
    done = finished(orders.run("--yes", "--detach"), orders.folder)
    assert done.returncode == ExitCode.DONE, done.stderr
    found = re.search(r"in process (\d+)", done.stdout)
    assert found is not None
    pid = int(found[1])
    try:
        assert orders.witness.wait_for_puts(100)
        assert orders.ask("jobs", "show", "last")["pid"] == pid
    finally:
        os.kill(pid, signal.SIGKILL)
    assert orders.witness.wait_until_alone()
    assert orders.ask("jobs", "show", "last")["state"] == "killed"
    resume_quickly(orders)
    assert_done(orders)


# Stopped


def wait_for_rows(running: subprocess.Popen[str], seen: Witness, rows: int = 1) -> None:
    while not seen.wait_for_puts(rows, timeout=1):
        assert running.poll() is None, "".join(running.communicate())


def test_sigterm_stops_cleanly(orders: Orders) -> None:
    with started(orders.run("--yes"), orders.folder) as running:
        wait_for_rows(running, orders.witness)
        running.send_signal(signal.SIGTERM)
        stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, "Traceback" in stderr) == (ExitCode.TERMINATED, False), stderr
    assert "Interrupted after" in stdout
    # Whatever was acknowledged and is a whole page is kept.
    assert orders.ask("jobs", "show", "last")["state"] == "interrupted"
    assert committed_rows(orders) <= set(map(key, orders.witness.acknowledged))
    resume_quickly(orders)
    assert_done(orders)


def test_a_second_sigterm_ends_at_once(orders: Orders) -> None:
    with started(orders.run("--yes"), orders.folder) as running:
        wait_for_rows(running, orders.witness, 100)
        with orders.witness.holding("BatchWriteItem"):
            assert orders.witness.wait_for_held()
            running.send_signal(signal.SIGTERM)
            assert running.stderr is not None
            said = ""
            while "Stopping" not in said:
                said = running.stderr.readline()
                assert said, "it ended by itself"
            # The first one waits for the answers that are out.
            with pytest.raises(subprocess.TimeoutExpired):
                running.wait(timeout=0.5)
            running.send_signal(signal.SIGTERM)
            stdout, stderr = running.communicate(timeout=60)
    assert (running.returncode, stdout) == (ExitCode.TERMINATED, "")
    assert "Stopped at once" in stderr
    assert orders.ask("jobs", "show", "last")["state"] == "killed"
    resume_quickly(orders)
    assert_done(orders)


def test_an_interruption_before_the_run_leaves_no_job(orders: Orders) -> None:
    # The server does not answer: nothing but the signal can end this.
    with orders.witness.holding("DescribeTable"), started(orders.run("--yes"), orders.folder) as running:
        assert orders.witness.wait_for_held()
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=10)
    assert (running.returncode, stdout) == (ExitCode.INTERRUPTED, ""), stderr
    assert stderr.strip() == "Interrupted."
    assert not (orders.folder / ".ddbetl").exists()
    assert orders.witness.put == []


# At a terminal

# Makes its standard input the terminal of its session, then becomes the command.
AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
# The same, but the command is a process that the shell has let go of: no signal tells it that the terminal is gone.
LET_GO = """
import fcntl, subprocess, sys, termios, time
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
keep = "import subprocess, sys; open('exit-code', 'w').write(str(subprocess.call(sys.argv[1:])))"
subprocess.Popen([sys.executable, "-c", keep, sys.executable, *sys.argv[1:]], process_group=0)
time.sleep(600)
"""


@dataclass(slots=True)
class Terminal:
    """A command whose terminal can go away."""

    running: subprocess.Popen[bytes]
    master: int
    written: str = ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.written:
            assert time.monotonic() < deadline, self.written
            if select.select([self.master], [], [], 0.2)[0]:
                self.written += os.read(self.master, 65_536).decode(errors="replace")

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture
def terminal(orders: Orders) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def at(command: list[str], starter: str = AT_TERMINAL) -> Terminal:
        master, slave = pty.openpty()
        running = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", starter, *command[1:]],
            cwd=orders.folder,
            env=environment(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        opened.append(Terminal(running, master))
        return opened[-1]

    yield at
    for one in opened:
        one.close()
        one.running.kill()
        one.running.wait()


@pytest.mark.parametrize("progress", ["auto", "plain"])
def test_a_run_outlives_its_terminal(orders: Orders, terminal: Callable[..., Terminal], progress: str) -> None:
    # Longer than it takes to the first line of plain progress.
    orders.write_spec(600)
    run = terminal(orders.run("--yes", "--progress", progress))
    run.until("into")
    assert orders.witness.wait_for_puts(100)
    run.close()
    assert run.running.wait(timeout=120) == ExitCode.REJECTS
    assert_done(orders)


@pytest.mark.parametrize("progress", ["auto", "plain"])
def test_a_run_that_the_shell_has_let_go_outlives_its_terminal(
    orders: Orders, terminal: Callable[..., Terminal], progress: str
) -> None:
    # Longer than it takes to the first line of plain progress.
    orders.write_spec(600)
    run = terminal(orders.run("--yes", "--progress", progress), LET_GO)
    run.until("into")
    assert orders.witness.wait_for_puts(100)
    run.close()
    assert run.running.wait(timeout=60) == -signal.SIGHUP
    deadline = time.monotonic() + 120
    code = orders.folder / "exit-code"
    while not (code.exists() and code.read_text()):
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.1)
    assert code.read_text() == str(int(ExitCode.REJECTS))
    assert_done(orders)


def test_sighup_alone_ends_nothing(orders: Orders) -> None:
    orders.write_spec(1_000)
    with started(orders.run("--yes"), orders.folder) as running:
        wait_for_rows(running, orders.witness)
        running.send_signal(signal.SIGHUP)
        _, stderr = running.communicate(timeout=120)
    assert running.returncode == ExitCode.REJECTS, stderr
    assert_done(orders)


def test_an_interruption_at_the_question_leaves_no_job(orders: Orders, terminal: Callable[..., Terminal]) -> None:
    run = terminal(orders.run())
    run.until("[y/N]: ")
    # Python loses a signal that comes just before it begins to wait for input; nobody types as fast.
    time.sleep(0.3)
    os.write(run.master, b"\x03")
    assert run.running.wait(timeout=60) == ExitCode.INTERRUPTED
    assert not (orders.folder / ".ddbetl").exists()
    assert orders.witness.put == []
