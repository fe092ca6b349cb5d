"""``ddbetl jobs``: the list, all about one, removing, changing rates, watching; over jobs that the store has written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import made_jobs
import pytest
from click.testing import CliRunner, Result
from made_jobs import RECORD, begin, make, reject

from ddbetl import jobs as api
from ddbetl.api import STATE_DIR
from ddbetl.cli import jobs as pages
from ddbetl.cli import reference, terminal
from ddbetl.cli.commands import cli, jobs
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import cells
from ddbetl.cli.watch import watch
from ddbetl.engine.store import JobRecord, JobStore
from ddbetl.engine.views import JOBS
from ddbetl.errors import JobFailed, SpecError

ID = RECORD.id
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def invoke(state: Path, *arguments: str, stdin: str | None = None) -> Result:
    """``ddbetl jobs`` with a state folder."""
    return CliRunner().invoke(cli, ["jobs", "--state-dir", str(state), *arguments], input=stdin, prog_name="ddbetl")


def record(number: int, **other: Any) -> JobRecord:
    """A record of a job that began at a later day, the higher the number."""
    day = f"2026-10-{number:02}"
    return replace(RECORD, id=f"{day.replace('-', '')}-101010-abcd", created=f"{day}T10:10:10+00:00", **other)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def open_stores() -> Iterator[list[JobStore]]:
    """Stores that are closed after the test."""
    stores: list[JobStore] = []
    yield stores
    for store in stores:
        store.close()


@pytest.fixture
def every_state(state: Path, open_stores: list[JobStore]) -> Path:
    """A state folder with a job in each state."""
    make(state, record(7))
    make(state, record(6), outcome="limit")
    make(state, record(5), done=3, outcome="interrupted", rejects=[reject(1), reject(2)])
    folder = make(state, record(4), done=1, outcome="failed")
    (folder / "log").write_text(
        '{"level":"error","event":"failed","message":"Old: the table is being deleted"}\n'
        '{"level":"info","event":"job_finished"}\n{"level":"er'
    )
    make(state, record(3), done=0, outcome=None, progress=False)
    open_stores.append(begin(state, record(2), done=6))
    (make(state, record(1)) / "job.sqlite").write_bytes(b"no database " * 500)
    return state


STATES = {2: "running", 3: "killed", 4: "failed", 5: "interrupted", 6: "limit", 7: "done", 1: "broken"}


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Give the command a terminal of so many columns."""

    def give(number: int) -> None:
        monkeypatch.setenv("COLUMNS", str(number))
        monkeypatch.setattr(terminal, "is_terminal", lambda stream: True)

    return give


# The commands


def test_every_command_and_option_is_documented_and_fits() -> None:
    assert list(jobs.commands) == ["show", "watch", "set", "rm"]
    page = reference.commands_page()
    for name, command in jobs.commands.items():
        assert command.help and f"## ddbetl jobs {name}\n" in page and f"(#ddbetl-jobs-{name})" in page
        assert all(option.help for option in command.params if isinstance(option, click.Option))
        options = {option for parameter in command.params for option in parameter.opts}
        assert {"--no-color", "--debug", "--state-dir"} <= options
        result = CliRunner().invoke(cli, ["jobs", name, "-h"], prog_name="ddbetl")
        assert result.stdout.startswith(f"Usage: ddbetl jobs {name} ")
        assert max(cells(line) for line in result.stdout.split("\n")) <= 80


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show"], "Missing argument 'ID'"),
        (["rm"], "--finished"),
        (["set", "last"], "Missing argument 'RATE=VALUE...'"),
        (["20261122"], "did you mean ddbetl jobs show 20261122?"),
        (["last"], "did you mean ddbetl jobs show last?"),
        (["shw"], "No such command 'shw'"),
        (["--json", "rm", "last"], "--json stands behind rm"),
    ],
)
def test_a_wrong_command_line_ends_with_2(state: Path, arguments: list[str], message: str) -> None:
    result = invoke(state, *arguments)
    assert (result.exit_code, result.stdout) == (ExitCode.USAGE, "")
    assert message in result.stderr


def test_the_folder_may_stand_on_either_side_and_the_nearer_one_counts(state: Path, tmp_path: Path) -> None:
    make(state)
    for arguments in (
        ["jobs", "--state-dir", str(state), "show", "last"],
        ["jobs", "show", "last", "--state-dir", str(state)],
        ["jobs", "--state-dir", str(tmp_path / "other"), "show", "last", "--state-dir", str(state)],
    ):
        assert CliRunner().invoke(cli, arguments).stdout.startswith(ID)


# The list


def test_without_jobs_it_says_where_it_looked(state: Path) -> None:
    result = invoke(state)
    assert (result.exit_code, result.stdout.split(".")[0]) == (0, f"There are no jobs in {state}")
    assert json.loads(invoke(state, "--json").stdout) == {"ddbetl_jobs": 1, "state_dir": str(state), "jobs": []}


def test_the_list_has_the_newest_first_and_every_state(every_state: Path) -> None:
    lines = invoke(every_state).stdout.split("\n")
    assert lines[0].split() == ["job", "state", "spec", "target", "done", "written", "rejected", "started", "took"]
    found = [line.split() for line in lines[1:8]]
    order = [7, 6, 5, 4, 3, 2, 1]
    assert [row[:2] for row in found] == [[record(number).id, STATES[number]] for number in order]
    rows = {row[1]: row[2:7] for row in found}
    assert rows["done"] == ["orders.ddbetl", "Orders", "100%", "7,120", "0"]
    assert rows["limit"][2] == "100%"
    assert rows["interrupted"] == ["orders.ddbetl", "Orders", "38%", "2,670", "2"]
    assert rows["killed"] == ["orders.ddbetl", "Orders", "0%", "0", "0"]
    assert rows["broken"] == []
    # What leads on from here: to the one that runs, and to the newest that could be resumed.
    assert f"ddbetl jobs watch {record(2).id} --state-dir {every_state}" in "\n".join(lines)
    assert f"ddbetl resume {record(5).id} --state-dir {every_state}" in "\n".join(lines)


def test_the_list_as_json(every_state: Path) -> None:
    found = json.loads(invoke(every_state, "--json").stdout)["jobs"]
    assert {one["id"]: one["state"] for one in found} == {record(n).id: state for n, state in STATES.items()}
    (failed,) = [one for one in found if one["state"] == "failed"]
    assert failed["reason"] == "Old: the table is being deleted"
    assert (failed["read"], failed["written"], failed["runs"]) == (1_000, 890, 2)


@pytest.mark.parametrize("size", [80, 100, 120])
def test_the_pages_fit_the_terminal(every_state: Path, columns: Callable[[int], None], size: int) -> None:
    make(every_state, record(9, spec="specs/" + "a_long_name_" * 9 + ".ddbetl", target="Target_" * 20))
    columns(size)
    shown = [_ESCAPE.sub("", invoke(every_state).stdout.partition("\n\n")[0])]
    for number in STATES:
        shown.append(_ESCAPE.sub("", invoke(every_state, "show", record(number).id).stdout))
    for text in shown:
        # A path and a command stand on one line, whatever its length: they are copied from there.
        lines = [line for line in text.split("\n") if str(every_state) not in line]
        assert [line for line in lines if cells(line) > size] == []
    assert "started" in shown[0] if size >= 100 else "target" not in shown[0]


def test_colours_are_on_a_terminal_only(every_state: Path) -> None:
    arguments = ["jobs", "--state-dir", str(every_state)]
    plain = CliRunner().invoke(cli, arguments)
    coloured = CliRunner().invoke(cli, arguments, color=True)
    refused = CliRunner().invoke(cli, [*arguments, "--no-color"], color=True)
    assert "\x1b[" not in plain.stdout + refused.stdout
    assert f"{record(4).id}  \x1b[31mfailed\x1b[0m" in coloured.stdout
    assert _ESCAPE.sub("", coloured.stdout) == plain.stdout


def test_names_of_others_do_not_reach_the_terminal_as_they_are(state: Path) -> None:
    make(state, replace(RECORD, spec="a\x1b[2Jb", target="t\x9b1m"), rejects=[reject(1, message="\x1b]0;x\x07")])
    for arguments in ([], ["show", "last"], ["--json"], ["show", "last", "--json"], ["watch", "last"]):
        result = invoke(state, *arguments)
        assert result.exit_code in (ExitCode.DONE, ExitCode.REJECTS)
        assert not {c for c in result.output if not c.isprintable()} - {"\n"}


# One job


def test_a_job_is_found_by_the_beginning_of_its_id_or_as_the_last(every_state: Path) -> None:
    assert api.job("last", every_state).id == record(7).id
    assert api.job("20261005", every_state).id == record(5).id
    assert api.job(record(1).id, every_state).state == "broken"


def test_a_whole_id_is_that_job_though_others_begin_with_it(state: Path) -> None:
    make(state)
    make(state, replace(RECORD, id=f"{ID}-2"))
    assert api.job(ID, state).id == ID


@pytest.mark.parametrize(
    ("job_id", "said"),
    [
        ("2026", "7 jobs begin with 2026: 20261007-101010-abcd, "),
        ("20261005-101010-abcx", "did you mean 20261005-101010-abcd?"),
        ("1006", "did you mean 20261006-101010-abcd?"),
        ("", "there are 20261007-101010-abcd, "),
        ("zzz", "there are 20261007-101010-abcd, "),
    ],
)
def test_an_id_that_is_not_there_is_refused_with_those_that_are_near(every_state: Path, job_id: str, said: str) -> None:
    with pytest.raises(JobFailed, match=re.escape(said)):
        api.job(job_id, every_state)
    assert invoke(every_state, "show", "--", job_id).exit_code == ExitCode.FAILED


def test_no_job_at_all_is_said_with_the_folder(state: Path) -> None:
    result = invoke(state, "show", "last")
    assert (result.exit_code, result.stdout) == (ExitCode.FAILED, "")
    assert f"there are no jobs in {state}" in result.stderr


def test_the_page_of_a_job_says_all_about_it(state: Path) -> None:
    rows = [reject(1), reject(2), reject(3, code="R0101", message="n: expected NUMBER, found STRING")]
    make(state, done=5, rejects=rows, outcome="interrupted")
    api.set_rate("last", "write = 10%", state_dir=state)
    page = invoke(state, "show", "last").stdout
    for text in (
        f"{ID}  interrupted; no process runs the job",
        "2026-11-22 23:05:12 UTC",
        "62% done; 5,000 read, 500 filtered out, 4,450 written, 3 rejected",
        "1 h 2 min in 2 runs; 241 read units, 4,450 write units; 3 repeated requests",
        "parameters domain = Devo",
        "lets       ttl = 365 days",
        "options    read = 30%",
        "rates      write = 10%, by ddbetl jobs set",
        "now()      2026-11-22T23:05:12.000Z",
        f"folder     {state / JOBS / ID}",
        "INSERT OVERWRITE Orders",
        '2 × R0107  epoch(at): "1th of May" is no time (line 3)',
        "1 × R0101  n: expected NUMBER, found STRING (line 3)",
        f"ddbetl resume {ID} --state-dir {state}",
        f"ddbetl rejects {ID} --state-dir {state}",
        f"ddbetl jobs rm {ID} --state-dir {state}",
    ):
        assert text in page
    assert re.search(r"Old_Devo_201605 +4 of 4 +4,000 +400 +3,560 +3 +120\n", page)
    assert re.search(r"Old_Devo_201606 +1 of 4 +1,000 +100 +890 +0 +120\n", page)


def test_the_commands_of_the_usual_folder_do_not_name_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make(Path(STATE_DIR), outcome="failed")
    page = CliRunner().invoke(cli, ["jobs", "show", "last"]).stdout
    assert f"ddbetl resume {ID} " in page and "--state-dir" not in page


def test_each_state_leads_to_its_own_commands(every_state: Path) -> None:
    first = {}
    for number, state in STATES.items():
        page = invoke(every_state, "show", record(number).id).stdout
        first[state] = re.findall(
            r"^  ((?:ddbetl|kill) [a-z0-9]+(?: rm| set| watch)?)", page.partition("NEXT")[2], re.M
        )
    assert [command.split()[0] for command in first["running"]] == ["ddbetl", "ddbetl", "kill"]
    assert first["interrupted"] == ["ddbetl resume", "ddbetl rejects", "ddbetl jobs rm"]
    assert first["failed"] == first["killed"] == ["ddbetl resume", "ddbetl jobs rm"]
    assert first["done"] == first["limit"] == first["broken"] == ["ddbetl jobs rm"]


def test_why_a_job_failed_or_is_broken_stands_on_its_page(every_state: Path) -> None:
    assert "Old: the table is being deleted" in invoke(every_state, "show", record(4).id).stdout
    assert "is broken" in invoke(every_state, "show", record(1).id).stdout


# Removing


def left(state: Path) -> set[str]:
    return {one.id for one in api.jobs(state)}


def test_finished_jobs_are_removed_without_a_question(every_state: Path) -> None:
    result = invoke(every_state, "rm", "--finished")
    assert (result.exit_code, result.stderr) == (0, "")
    assert left(every_state) == {record(number).id for number in (1, 2, 3, 4, 5)}
    assert not (every_state / JOBS / record(7).id).exists()
    assert "no finished jobs" in invoke(every_state, "rm", "--finished").stdout


@pytest.mark.parametrize(("number", "why"), [(5, "not finished at 38%"), (3, "not finished"), (1, "is broken")])
def test_an_unfinished_job_needs_a_yes(
    every_state: Path, monkeypatch: pytest.MonkeyPatch, number: int, why: str
) -> None:
    one = record(number).id
    refused = invoke(every_state, "rm", one)
    assert refused.exit_code == ExitCode.USAGE and why in refused.stderr and "--yes" in refused.stderr
    monkeypatch.setattr(pages, "is_terminal", lambda stream: True)
    assert invoke(every_state, "rm", one, stdin="\n").exit_code == ExitCode.INTERRUPTED
    assert one in left(every_state)
    assert invoke(every_state, "rm", one, stdin="y\n").exit_code == ExitCode.DONE
    assert one not in left(every_state)


def test_rejects_are_not_removed_without_a_yes(state: Path) -> None:
    make(state, rejects=[reject(1)])
    refused = invoke(state, "rm", "--finished")
    assert refused.exit_code == ExitCode.USAGE and "keeps 1 rejected row" in refused.stderr
    assert invoke(state, "rm", "--finished", "--yes").exit_code == ExitCode.DONE
    assert left(state) == set()


def test_a_running_job_is_not_removed_and_no_other_with_it(every_state: Path) -> None:
    before = left(every_state)
    result = invoke(every_state, "rm", record(7).id, record(2).id, "--yes")
    assert result.exit_code == ExitCode.FAILED
    assert "is running (process " in result.stderr and "kill " in result.stderr
    assert left(every_state) == before
    with pytest.raises(JobFailed, match="is running"):
        api.remove(record(7).id, record(2).id, state_dir=every_state)
    assert left(every_state) == before


def test_a_job_that_is_named_twice_is_removed_once(every_state: Path) -> None:
    result = invoke(every_state, "rm", "last", record(7).id)
    assert (result.exit_code, result.stdout.count("removed")) == (0, 1)


# Rates


def test_a_rate_of_a_running_job_is_there_for_it_to_find(state: Path, open_stores: list[JobStore]) -> None:
    open_stores.append(begin(state))
    result = invoke(state, "set", "last", "write=30%", "READ = 500rcu")
    assert result.stdout == f"{ID}: read = 500 rcu, write = 30%; takes effect within a second\n"
    assert open_stores[0].rates() == {"read": "500 rcu", "write": "30%"}


def test_a_rate_of_a_job_that_does_not_run_waits_for_the_resume(state: Path) -> None:
    make(state, done=2, outcome="interrupted")
    result = invoke(state, "set", "last", "write=unlimited")
    assert "write = unlimited; takes effect at the next resume" in result.stdout
    assert f"ddbetl resume {ID}" in result.stdout
    assert JobStore.open(state / JOBS / ID).rates() == {"write": "unlimited"}


@pytest.mark.parametrize(
    ("change", "code", "hint"),
    [
        ("write=30", "E0502", "30% or 30 wcu?"),
        ("write=0%", "E0503", "a rate is more than 0"),
        ("write=130%", "E0503", "write = 500 wcu"),
        ("read=5wcu", "E0506", "read = 5 rcu"),
        ("read=fast", "E0504", "as in read = 50%"),
        ("wrte=30%", "E0501", "did you mean write?"),
        ("timezone='UTC'", "E0501", "read and write can be changed"),
        ("region='eu-west-1'", "E0501", "read and write can be changed"),
        ("write", "E0", ""),
        ("", "E0", ""),
    ],
)
def test_what_is_no_rate_is_refused_with_the_compiler_s_words(state: Path, change: str, code: str, hint: str) -> None:
    make(state, done=1, outcome="interrupted")
    right = "write=10%" if change.startswith("read") else "read=10%"
    result = invoke(state, "set", "last", right, change)
    assert (result.exit_code, result.stdout) == (ExitCode.SPEC_ERROR, "")
    assert f"[{code}" in result.stderr and hint in result.stderr
    assert api.job("last", state).view.rates == {}  # type: ignore[union-attr]


def test_all_wrong_changes_are_said_at_once_each_in_its_own_text(state: Path) -> None:
    make(state, done=1, outcome="failed")
    with pytest.raises(SpecError) as caught:
        api.set_rate("last", "read=%", "write=5%", "write=6%", "red=1%", state_dir=state)
    found = caught.value.diagnostics
    assert [(one.code, one.source.text if one.source else None) for one in found][1:] == [
        ("E0505", "write=6%"),
        ("E0501", "red=1%"),
    ]
    assert found[0].source is not None and found[0].source.text == "read=%"


def test_a_job_that_is_over_has_no_rates(every_state: Path) -> None:
    for number, said in ((7, "is done"), (1, "is broken")):
        result = invoke(every_state, "set", record(number).id, "write=1%")
        assert result.exit_code == ExitCode.FAILED and said in result.stderr


# Watching


def test_a_job_is_watched_until_it_ends(
    state: Path, open_stores: list[JobStore], capsys: pytest.CaptureFixture[str]
) -> None:
    store = begin(state, done=1)
    open_stores.append(store)
    looks = 0

    def meanwhile(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            made_jobs.step(store, 8)
        if looks == 3:
            store.finish("done")

    assert watch("last", "plain", str(state), meanwhile) == ExitCode.DONE
    shown = capsys.readouterr()
    assert looks == 3
    assert re.match(r"1:02:03  12%  1,000 read, 100 filtered out, 890 written, 0 rejected", shown.err)
    assert "Done in 1 h 2 min: 7,120 items written to Orders." in shown.out


@pytest.mark.parametrize(
    ("number", "code", "out", "err"),
    [
        (7, ExitCode.DONE, "Done in", ""),
        (6, ExitCode.DONE, "at the spec's LIMIT", ""),
        (5, ExitCode.INTERRUPTED, "2 × R0107", ""),
        (4, ExitCode.FAILED, "", "failed: Old: the table is being deleted\n  ddbetl resume 20261004"),
        (3, ExitCode.FAILED, "", "no process runs job"),
        (1, ExitCode.FAILED, "", "is broken"),
    ],
)
def test_a_job_that_has_ended_is_summed_up_with_the_exit_code_of_its_run(
    every_state: Path, number: int, code: int, out: str, err: str
) -> None:
    result = invoke(every_state, "watch", record(number).id)
    assert result.exit_code == code
    assert out in result.stdout and err in result.stderr


def test_a_done_job_with_rejects_ends_with_4(state: Path) -> None:
    make(state, rejects=[reject(1)])
    assert invoke(state, "watch", "last").exit_code == ExitCode.REJECTS


def test_a_job_that_is_killed_while_it_is_watched_is_said_to_be(
    state: Path, open_stores: list[JobStore], capsys: pytest.CaptureFixture[str]
) -> None:
    store = begin(state, done=3)
    open_stores.append(store)
    assert watch("last", "none", str(state), lambda seconds: store.close()) == ExitCode.FAILED
    said = capsys.readouterr().err
    assert "Stopped after 1:02:03: 3,000 read" in said
    assert "no process runs job" in said and f"ddbetl resume {ID}" in said


def test_ctrl_c_ends_the_watching_and_not_the_job(
    state: Path, open_stores: list[JobStore], capsys: pytest.CaptureFixture[str]
) -> None:
    open_stores.append(begin(state, done=3))

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    assert watch("last", "none", str(state), interrupt) == ExitCode.INTERRUPTED
    assert "the job goes on" in capsys.readouterr().err
    assert api.job("last", state).running


def test_a_progress_of_another_version_is_no_reason_to_fail(state: Path) -> None:
    store = begin(state, done=4)
    store.commit([], [], store.totals(), b'{"seconds":"of another version"}')
    store.finish("interrupted")
    store.close()
    one = api.job("last", state)
    assert (one.progress, one.fraction) == (None, 0.5)
    result = invoke(state, "watch", "last")
    assert result.exit_code == ExitCode.INTERRUPTED and "50% done" in result.stdout
