"""The log of a job: one line for each event, a second apart where they come often, and no harm where it fails."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ddbetl.engine.log import EventLog


class Clock:
    """Both clocks of a log; moves when the test says so."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wall(self) -> float:
        return 1_479_898_502.25 + self.seconds

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make(clock: Clock, *paths: Path) -> EventLog:
    return EventLog(paths, "k3f9", now=clock.wall, clock=clock.monotonic)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().decode("ascii").removesuffix("\n").split("\n")]


def test_an_event_is_a_line_in_every_file_at_once(tmp_path: Path, clock: Clock) -> None:
    paths = tmp_path / "jobs" / "k3f9" / "log", tmp_path / "mine.log"
    log = make(clock, *paths)
    log.write("info", "job_started", spec="orders.ddbetl", tables=["Orders", "Customers"])
    clock.seconds = 61.5
    log.write("warning", "throttled", table="Orders", reason="a hot key", rate=12.5)
    for path in paths:
        assert path.read_text().endswith("}\n")
        assert lines(path) == [
            {
                "time": "2016-11-23T10:55:02.250Z",
                "level": "info",
                "event": "job_started",
                "job": "k3f9",
                "spec": "orders.ddbetl",
                "tables": ["Orders", "Customers"],
            },
            {
                "time": "2016-11-23T10:56:03.750Z",
                "level": "warning",
                "event": "throttled",
                "job": "k3f9",
                "table": "Orders",
                "reason": "a hot key",
                "rate": 12.5,
            },
        ]
        assert list(lines(path)[0])[:4] == ["time", "level", "event", "job"]
    log.close()
    assert log.failure is None


def test_the_same_file_named_twice_has_every_line_once(tmp_path: Path, clock: Clock) -> None:
    log = make(clock, tmp_path / "log", tmp_path / "log")
    log.write("info", "job_started")
    log.close()
    assert len(lines(tmp_path / "log")) == 1


def test_the_file_is_its_owner_s_alone_whatever_the_umask(tmp_path: Path, clock: Clock) -> None:
    before = os.umask(0)
    try:
        make(clock, tmp_path / "folder" / "log").close()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "folder" / "log").stat().st_mode) == 0o600


def test_events_of_one_kind_are_a_line_a_second(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "log"
    log = make(clock, path)
    for number in range(3_600):  # six minutes, ten a second
        clock.seconds = number / 10
        log.write("warning", "retry", table="Orders", number=number)
    log.write("info", "table_done", table="Orders")
    assert [line["number"] for line in lines(path) if line["event"] == "retry"][:3] == [0, 9, 19]
    log.close()
    found = lines(path)
    retries = [line for line in found if line["event"] == "retry"]
    assert 360 <= len(retries) <= 362
    assert sum(line.get("count", 1) for line in retries) == 3_600
    assert retries[-1]["number"] == 3_599
    assert [line["event"] for line in found].count("table_done") == 1


def test_other_events_and_other_tables_do_not_wait(tmp_path: Path, clock: Clock) -> None:
    log = make(clock, tmp_path / "log")
    for table in ("One", "Two", "Three"):
        log.write("info", "table_done", table=table)
        log.write("warning", "throttled", table=table)
    log.write("info", "stopping")
    assert len(lines(tmp_path / "log")) == 7
    log.close()
    assert len(lines(tmp_path / "log")) == 7


def test_what_waits_comes_with_the_next_event_of_any_kind(tmp_path: Path, clock: Clock) -> None:
    log = make(clock, tmp_path / "log")
    for number in range(3):
        log.write("warning", "retry", number=number)
        clock.seconds += 0.1
    log.write("info", "checkpoint")
    assert [line["event"] for line in lines(tmp_path / "log")] == ["retry", "checkpoint"]
    clock.seconds = 5
    log.write("info", "job_finished")
    found = lines(tmp_path / "log")
    assert [line["event"] for line in found] == ["retry", "checkpoint", "retry", "job_finished"]
    assert (found[2]["number"], found[2]["count"]) == (2, 2)
    assert found[2]["time"] == "2016-11-23T10:55:02.450Z"  # when it happened
    log.close()


@example({"text": "two\nlines \x1b[2J \x7f \x9b \u2028 é \ud800"})
@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name not in {"level", "event", "self"}), st.text()))
def test_values_are_data(fields: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        log = EventLog([path], "k3f9")
        log.write("info", "job_started", **fields)
        log.close()
        content = path.read_bytes()
        assert content.count(b"\n") == 1
        assert all(32 <= byte < 127 for byte in content[:-1])
        assert json.loads(content).items() >= fields.items()


def test_values_that_json_does_not_know(tmp_path: Path, clock: Clock) -> None:
    log = make(clock, tmp_path / "log")
    log.write("info", "odd", eta=float("inf"), rate=float("nan"), path=Path("a/b"), none=None, flag=True)
    (line,) = lines(tmp_path / "log")
    assert {name: line[name] for name in ("eta", "rate", "path", "none", "flag")} == {
        "eta": None,
        "rate": None,
        "path": "a/b",
        "none": None,
        "flag": True,
    }
    log.close()


def test_many_threads_write_whole_lines(tmp_path: Path) -> None:
    log = EventLog([tmp_path / "log"], "k3f9")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: log.write("info", "segment_done", table=str(n), text="x" * 500), range(400)))
    log.close()
    assert sorted(int(line["table"]) for line in lines(tmp_path / "log")) == list(range(400))


# What fails


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_ends_the_logging_there_and_nothing_else(tmp_path: Path, clock: Clock) -> None:
    log = make(clock, Path("/dev/full"), tmp_path / "log")
    assert log.failure is None
    for number in range(3):
        clock.seconds = number * 2
        log.write("info", "checkpoint", number=number)
    log.close()
    assert log.failure == "/dev/full: No space left on device"
    assert [line["number"] for line in lines(tmp_path / "log")] == [0, 1, 2]


def test_the_disk_fails_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For n = 1, 2, 3 …: whatever stands in the file is whole lines, then perhaps a part of one, and all goes on."""
    real = os.write
    for broken in range(1, 7):
        path = tmp_path / str(broken)
        count = 0

        def write(descriptor: int, data: bytes, broken: int = broken) -> int:
            nonlocal count
            count += 1
            if count > broken:
                raise OSError(28, "No space left on device")
            return real(descriptor, data[: len(data) // 2] if count == broken else data)

        clock = Clock()
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", write)
            log = make(clock, path)
            for number in range(5):
                clock.seconds = number * 2
                log.write("info", "checkpoint", number=number)
            log.close()
        assert log.failure == (f"{path}: No space left on device" if broken < 6 else None)
        whole, _, rest = path.read_text().rpartition("\n")
        assert [json.loads(line)["number"] for line in whole.split("\n") if line] == list(range(min(broken - 1, 5)))
        assert bool(rest) == (broken < 6)

        # The next run of the job ends the half line and writes its own.
        again = make(clock, path)
        again.write("info", "job_started")
        again.close()
        assert json.loads(path.read_text().splitlines()[-1])["event"] == "job_started"


def test_a_file_that_cannot_be_opened_is_known_at_once(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "file").write_text("")
    log = make(clock, tmp_path / "file" / "log", tmp_path / "log", tmp_path)
    assert str(log.failure).startswith(f"{tmp_path / 'file' / 'log'}: ")
    log.write("info", "job_started")
    log.close()
    assert len(lines(tmp_path / "log")) == 1


def test_after_the_end_nothing_is_written_and_nothing_fails(tmp_path: Path, clock: Clock) -> None:
    log = make(clock, tmp_path / "log")
    log.close()
    log.write("info", "late")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"" and log.failure is None


def test_a_lost_terminal_is_no_loss(tmp_path: Path) -> None:
    """A process without standard error: its number is free, and what a library says there must not come into the log."""
    program = (
        "import os, sys; from pathlib import Path; from ddbetl.engine.log import EventLog\n"
        "os.close(2); sys.stderr = None\n"
        "log = EventLog([Path(sys.argv[1])], 'k3f9'); log.write('info', 'job_started')\n"
        "try: os.write(2, b'a library complains')\n"
        "except OSError: pass\n"
        "log.close()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "log")], check=True, timeout=60)
    assert [line["event"] for line in lines(tmp_path / "log")] == ["job_started"]
