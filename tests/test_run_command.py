"""``ddbetl run`` and the jobs that there are: going on, beginning anew, the background, files that cannot be written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from processes import ESCAPE, ITEMS, Open, Orders, assert_tidy, command, orders_on, process, terminals, widest
from servers import Server

import ddbetl
from ddbetl import compilation, jobs
from ddbetl.api import Plan, reopen
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.engine import views
from ddbetl.engine.report import Progress, RunReport
from ddbetl.engine.store import JobStore

SPEC = "orders.ddbetl"


@pytest.fixture
def orders(one_server: Server) -> Orders:
    return orders_on(one_server)


@pytest.fixture
def folder(tmp_path: Path, orders: Orders, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the spec as a file, and the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / SPEC).write_text(f"INSERT INTO {orders.target}\n{orders.select}\nON CONFLICT REPLACE\n")
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Open]:
    with terminals(folder) as opened:
        yield opened


def invoke(orders: Orders, *arguments: str) -> Result:
    more = ["--endpoint-url", orders.server.endpoint_url] if arguments[0] == "run" else []
    return CliRunner().invoke(cli, [*arguments, "--progress", "none", *more], prog_name="ddbetl")


def run(orders: Orders, *options: str) -> Result:
    return invoke(orders, "run", SPEC, *options)


def compiled(orders: Orders, *options: str) -> Plan:
    return ddbetl.compile(Path(SPEC).read_text(), name=SPEC, endpoint_url=orders.server.endpoint_url, options=options)


def interrupted(orders: Orders, *options: str) -> RunReport:
    """A job of which one of the two tables is done: a row of the other one takes longer than to see it and to stop."""
    plan = compiled(orders, "write = 20 wcu", "segments = 1", *options)
    stop = threading.Event()

    def look(now: Progress) -> None:
        if (
            any(table.all_read and table.written == table.passed > 0 for table in now.tables)
            and now.written < orders.rows
        ):
            stop.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ddbetl.engine.executor.STOP_SECONDS", 0.005)
        return plan.run(stop=stop, progress=look, interval=0.01)


def newest() -> jobs.Job:
    return jobs.job("last")


def only_job() -> jobs.Job:
    (found,) = jobs.jobs()
    return found


# Going on


def test_an_unfinished_job_goes_on_where_nobody_is_asked(orders: Orders, folder: Path) -> None:
    job = compiled(orders).begin()
    done = run(orders, "--yes")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert f"Job {job} of this plan was killed, with nothing finished yet." in done.stderr
    assert "It goes on from there; --fresh begins anew." in done.stderr
    assert only_job().state == "done"
    assert orders.written() == orders.rows


def test_a_part_that_is_done_is_not_done_again(orders: Orders, folder: Path) -> None:
    stopped = interrupted(orders)
    assert stopped.outcome == "interrupted" and stopped.progress.written > 0
    done = run(orders, "--yes", "--json")
    assert "was interrupted at " in done.stderr
    report = json.loads(done.stdout)
    assert (report["job"], report["read"], report["written"]) == (stopped.job, 2 * ITEMS, orders.rows)
    assert report["read_units"] > stopped.progress.read_units
    assert newest().view.totals.runs == 2  # type: ignore[union-attr]
    assert orders.written() == orders.rows


def test_fresh_begins_anew_and_leaves_the_other(orders: Orders, folder: Path) -> None:
    job = compiled(orders).begin()
    assert run(orders, "--yes", "--fresh").exit_code == ExitCode.DONE
    assert {one.id: one.state for one in jobs.jobs()} == {job: "killed", newest().id: "done"}


def test_resume_without_an_unfinished_job_begins_after_the_usual_question(orders: Orders, folder: Path) -> None:
    asked = run(orders, "--resume")
    assert asked.exit_code == ExitCode.USAGE
    assert "There is no unfinished job of this plan: it begins anew." in asked.stderr
    assert "no terminal to ask on" in asked.stderr and jobs.jobs() == ()
    assert run(orders, "--resume", "--yes").exit_code == ExitCode.DONE
    # What is done is not done again.
    again = run(orders, "--resume", "--yes")
    assert "it begins anew" in again.stderr and len(jobs.jobs()) == 2


def test_resume_and_fresh_exclude_each_other(orders: Orders, folder: Path) -> None:
    assert run(orders, "--resume", "--fresh").exit_code == ExitCode.USAGE


def test_resume_goes_on_without_a_question(orders: Orders, folder: Path) -> None:
    compiled(orders).begin()
    assert run(orders, "--resume").exit_code == ExitCode.DONE
    assert only_job().state == "done"


def test_at_a_terminal_it_asks_and_enter_goes_on(orders: Orders, terminal: Open) -> None:
    job = interrupted(orders).job
    asked = terminal(orders, "run", SPEC)
    asked.until("Go on with it? [Y/n]: ")
    asked.type("\n")
    assert asked.end() == ExitCode.DONE, asked.written
    assert_tidy(asked.written)
    assert widest(asked.written) <= 80
    assert (only_job().id, only_job().state) == (job, "done")
    assert orders.written() == orders.rows


def test_at_a_terminal_no_means_a_new_job_after_another_question(orders: Orders, terminal: Open) -> None:
    job = compiled(orders).begin()
    asked = terminal(orders, "run", SPEC)
    asked.until("Go on with it? [Y/n]: ")
    asked.type("n\n")
    asked.until(f"Begin anew, and write to {orders.target}? [y/N]: ")
    asked.type("n\n")
    assert asked.end() == ExitCode.INTERRUPTED
    assert "Nothing was written." in asked.written
    assert (only_job().id, only_job().state, orders.written()) == (job, "killed", 0)


def test_a_job_that_somebody_runs_is_not_run_twice(orders: Orders, folder: Path) -> None:
    job = compiled(orders).begin()
    store = JobStore.open(Path(".ddbetl", "jobs", job))
    try:
        for arguments in (["run", SPEC, "--yes"], ["run", SPEC, "--resume"], ["resume", job], ["resume", "last"]):
            refused = invoke(orders, *arguments)
            assert (refused.exit_code, refused.stdout) == (ExitCode.FAILED, "")
            assert f"job {job} is being run already, by process {os.getpid()}" in refused.stderr
            assert f"ddbetl jobs watch {job} shows its progress" in refused.stderr
            assert f"kill {os.getpid()}" in refused.stderr
        assert run(orders, "--yes", "--fresh").exit_code == ExitCode.DONE
    finally:
        store.close()


def test_the_header_shows_the_rates_that_hold(orders: Orders, folder: Path) -> None:
    job = compiled(orders, "write = 70 wcu").begin()
    jobs.set_rate(job, "read = 33 rcu")
    done = run(orders, "--yes", "--with", "write = 900 wcu")
    assert re.search(r"read +33 units/s", done.stderr) and re.search(r"write +900 units/s", done.stderr)
    events = [json.loads(line) for line in (newest().folder / "log").read_text().splitlines()]
    assert [one for one in events if one["event"] == "rate_changed"] == []


def test_a_job_is_found_without_a_look_at_the_others(
    orders: Orders, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = compiled(orders).begin(), compiled(orders).begin()
    looked: list[str] = []
    view = views.view

    def look(folder: Path) -> views.JobView:
        looked.append(folder.name)
        return view(folder)

    monkeypatch.setattr(views, "view", look)
    assert jobs.job(first).id == first and looked == [first]
    looked.clear()
    assert jobs.job("last").id == second and sorted(looked) == sorted([first, second])


def test_a_plan_that_goes_on_is_made_once(orders: Orders, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = compiled(orders).begin()
    jobs.set_rate(job, "read = 33 rcu")
    plan = reopen(job)
    monkeypatch.setattr(compilation, "plan", None)
    assert plan.as_of(views.view(newest().folder)) is plan
    assert plan.run(job=job).progress.written == orders.rows


# Another plan


def test_resume_refuses_a_spec_that_has_changed_and_shows_the_line(orders: Orders, folder: Path) -> None:
    job = compiled(orders).begin()
    text = Path(SPEC).read_text()
    Path(SPEC).write_text(text.replace("> 0", "> 1"))
    for arguments in (["run", SPEC, "--resume", "--yes"], ["resume", job]):
        refused = invoke(orders, *arguments)
        assert refused.exit_code == ExitCode.FAILED
        assert f"job {job} cannot be resumed" in refused.stderr
        assert "(OrderID) > 0`" in refused.stderr and "(OrderID) > 1`" in refused.stderr
    assert orders.written() == 0
    # Without --resume it is another plan, which begins; the old job is mentioned.
    begun = run(orders, "--yes")
    assert begun.exit_code == ExitCode.DONE
    assert f"Job {job} of this file was killed" in begun.stderr and "stays as it is" in begun.stderr
    assert len(jobs.jobs()) == 2


def test_resume_refuses_other_lets_and_parameters(orders: Orders, folder: Path) -> None:
    text = "PARAM least = 0;\nLET more = 1 day;\n" + Path(SPEC).read_text()
    Path(SPEC).write_text(text.replace("> 0", "> least").replace("epoch(DateTime)", "epoch(DateTime) + more"))
    compiled(orders).begin()
    refused = run(orders, "--resume", "--yes", "-p", "least=2")
    assert refused.exit_code == ExitCode.FAILED
    assert "parameter least: it was 0, and is 2" in refused.stderr
    refused = run(orders, "--resume", "--yes", "--let", "more = 2 days")
    assert "LET more: it was 1 day" in refused.stderr
    assert "columns" not in refused.stderr
    assert run(orders, "--resume").exit_code == ExitCode.DONE


# Files


@pytest.mark.parametrize("option", ["--log-file", "--metrics-file"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is_done(
    orders: Orders, folder: Path, option: str
) -> None:
    refused = run(orders, "--yes", option, "nowhere/file")
    assert refused.exit_code == ExitCode.USAGE
    assert option in refused.stderr and "there is no folder 'nowhere'" in refused.stderr
    assert jobs.jobs() == () and orders.written() == 0
    job = compiled(orders).begin()
    assert invoke(orders, "resume", job, option, "nowhere/file").exit_code == ExitCode.USAGE


def test_the_log_and_the_metrics_are_complete_at_the_end(orders: Orders, folder: Path) -> None:
    done = run(orders, "--yes", "--log-file", "my.log", "--metrics-file", "my.prom")
    assert done.exit_code == ExitCode.DONE, done.stderr
    events = [json.loads(line) for line in Path("my.log").read_text().splitlines()]
    assert [one["event"] for one in events] == ["run_started", "run_ended"]
    assert (events[-1]["outcome"], events[-1]["written"], events[-1]["job"]) == ("done", orders.rows, only_job().id)
    assert (only_job().folder / "log").read_text() == Path("my.log").read_text()
    written = sum(
        float(line.split()[-1])
        for line in Path("my.prom").read_text().splitlines()
        if line.startswith("ddbetl_items_written_total{")
    )
    assert written == orders.rows


def test_a_run_tells_its_log_how_far_it_is(orders: Orders, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddbetl.engine.executor.TOLD_SECONDS", 0.05)
    assert run(orders, "--yes", "--with", "write = 40 wcu").exit_code == ExitCode.DONE
    events = [json.loads(line) for line in (only_job().folder / "log").read_text().splitlines()]
    told = [one for one in events if one["event"] == "progress"]
    assert told and told[-1]["read"] == 2 * ITEMS
    assert {"seconds", "fraction", "left", "filtered", "written", "rejected", "waiting"} <= told[0].keys()


# The background


def until_over(pid: int) -> None:
    deadline = time.monotonic() + 60
    while newest().running:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_detached_it_returns_at_once_and_the_job_goes_on(orders: Orders, folder: Path) -> None:
    slowly = ["--with", "write = 25 wcu"]
    begun = process(orders, "run", SPEC, "--yes", "--detach", *slowly, folder=folder)
    assert begun.returncode == ExitCode.DONE, begun.stderr
    job = newest()
    pid = job.view.pid  # type: ignore[union-attr]
    assert job.running and pid is not None
    assert begun.stdout.startswith(f"Job {job.id} runs in the background, in process {pid}.\n")
    assert f"ddbetl jobs watch {job.id} " in begun.stdout and f"kill {pid} " in begun.stdout
    # In a session of its own, no terminal's end reaches it.
    assert os.getsid(pid) == pid != os.getsid(0)
    os.kill(pid, signal.SIGHUP)
    watched = process(None, "jobs", "watch", job.id, folder=folder)
    assert watched.returncode == ExitCode.DONE, watched.stderr
    assert f"{orders.rows} items written to {orders.target}" in watched.stdout
    assert newest().state == "done" and orders.written() == orders.rows
    assert "Done in " in (job.folder / "output").read_text()


def test_detached_with_json_it_prints_where_the_job_is_and_sigterm_stops_it(orders: Orders, folder: Path) -> None:
    job = compiled(orders).begin()
    slowly = ["--with", "write = 5 wcu"]
    begun = process(orders, "run", SPEC, "--resume", "--detach", "--json", *slowly, folder=folder)
    said = json.loads(begun.stdout)
    assert (said["job"], Path(said["folder"]), said["pid"]) == (job, newest().folder, newest().view.pid)  # type: ignore[union-attr]
    # The options of this command hold, not only those that the job was begun with.
    assert "5 units/s, as written" in (newest().folder / "output").read_text()
    os.kill(said["pid"], signal.SIGTERM)
    until_over(said["pid"])
    assert newest().state == "interrupted"


def test_what_goes_wrong_at_the_start_in_the_background_is_shown(orders: Orders, folder: Path) -> None:
    job = compiled(orders).begin()
    # The job's own state is fine; the background process finds a folder in place of its log.
    (newest().folder / "report.json").mkdir()
    failed = process(orders, "run", SPEC, "--resume", "--detach", folder=folder)
    assert failed.returncode == ExitCode.FAILED, failed.stdout
    assert "report.json" in failed.stderr and f"job {job} has ended in the background with code 3" in failed.stderr
    assert failed.stdout == ""


# A terminal that goes away


def test_a_run_goes_on_when_its_terminal_is_gone(orders: Orders, terminal: Open, folder: Path) -> None:
    at = terminal(orders, "run", SPEC, "--yes", "--with", "write = 25 wcu")
    at.until("items/s")
    pid = at.running.pid
    os.kill(pid, signal.SIGHUP)
    watched = process(None, "jobs", "watch", "last", folder=folder)
    assert watched.returncode == ExitCode.DONE, watched.stderr
    assert at.running.wait(timeout=30) == ExitCode.DONE
    assert orders.written() == orders.rows
    # Nothing of the summary went to where the terminal was.
    at.end()
    assert "Done in" not in ESCAPE.sub("", at.written)
    events = [json.loads(line) for line in (newest().folder / "log").read_text().splitlines()]
    assert events[-1]["event"] == "run_ended"


def test_nohup_is_respected(orders: Orders, folder: Path) -> None:
    """A program that ignores SIGHUP already goes on writing to where its output leads."""
    with subprocess.Popen(
        ["nohup", *command(orders, ["run", SPEC, "--yes", "--with", "write = 30 wcu"])],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as running:  # fmt: skip
        while not jobs.jobs() or not only_job().running:
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGHUP)
        stdout, _ = running.communicate(timeout=60)
    assert running.returncode == ExitCode.DONE
    assert f"{orders.rows} items written" in stdout
