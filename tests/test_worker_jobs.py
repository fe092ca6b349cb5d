"""Jobs with worker processes of which the job's own process ends as nobody wants: killed, interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from test_kill import Orders, assert_done, environment, filled, orders  # noqa: F401
from test_workers import gone, pids

from ddbetl.cli.exit_codes import ExitCode

CODES = {signal.SIGKILL: -9, signal.SIGINT: ExitCode.INTERRUPTED}


def until(true: Callable[[], Any], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.02)


@pytest.mark.parametrize("how", CODES)
def test_no_worker_outlives_its_job_and_another_run_goes_on(how: signal.Signals, orders: Orders) -> None:  # noqa: F811
    orders.write_spec(1_000)
    quiet = ("--workers", "2", "--progress", "none")
    process = subprocess.Popen(
        orders.run("--yes", *quiet), cwd=orders.folder, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert orders.witness.wait_for_puts(2)
        assert process.poll() is None, process.communicate()
        found = pids(orders.job_folder())
        assert len(found) == 2 and not any(map(gone, found))
        process.send_signal(how)
        if how != signal.SIGKILL:
            # As a terminal or a service manager does: to all processes of the job.
            for pid in found:
                os.kill(pid, how)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == CODES[how], err
    if how == signal.SIGKILL:
        until(lambda: all(map(gone, found)))
    else:
        assert all(map(gone, found))
        assert "Stopping: requests that are out are finished" in err and "ddbetl resume" in out
    orders.write_spec(100_000)
    done = subprocess.run(
        orders.resume(*quiet), cwd=orders.folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == ExitCode.REJECTS, done.stderr
    assert_done(orders)


def test_a_worker_that_hangs_holds_the_job_of_a_killed_process_and_that_is_said(orders: Orders) -> None:  # noqa: F811
    orders.write_spec(1_000)
    quiet = ("--workers", "2", "--progress", "none")
    process = subprocess.Popen(
        orders.run("--yes", *quiet), cwd=orders.folder, env=environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert orders.witness.wait_for_puts(2)
        stopped, other = pids(orders.job_folder())
        os.kill(stopped, signal.SIGSTOP)
    finally:
        process.kill()
        process.wait()

    def resumed() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            orders.resume(*quiet), cwd=orders.folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=60,
        )  # fmt: skip

    try:
        until(lambda: gone(other))
        refused = resumed()
        assert refused.returncode == ExitCode.FAILED
        assert f"Process {process.pid} has ended, but a worker process of it holds the job" in refused.stderr
    finally:
        os.kill(stopped, signal.SIGKILL)
    until(lambda: gone(stopped))
    orders.write_spec(100_000)
    assert resumed().returncode == ExitCode.REJECTS
    assert_done(orders)
