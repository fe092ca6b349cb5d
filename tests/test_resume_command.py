"""``ddbetl resume``: which job goes on, when it is refused, and what of it stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tables
from click.testing import CliRunner, Result
from servers import Server

import ddbetl
from ddbetl import jobs
from ddbetl.api import Plan
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.types import Timestamp

SPEC = "copy.ddbetl"
ROWS = 12
# 1999-12-31T23:59:59.250Z
LAST_CENTURY = Timestamp(946_684_799_250)

Item = dict[str, dict[str, Any]]


@pytest.fixture
def spec(one_server: Server, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The text of a spec, in a file in the current folder, over tables that there are."""
    monkeypatch.chdir(tmp_path)
    for name in ("source1", "source2", "target"):
        tables.create(one_server, f"{prefix}{name}", ("id", "S"))
    for name in ("source1", "source2"):
        items = [{"id": {"S": f"{name}-{n}"}, "n": {"N": str(n)}, "day": {"S": f"01/02/{n + 25}"}} for n in range(ROWS)]
        tables.fill(one_server, f"{prefix}{name}", items)
    text = f"INSERT INTO {prefix}target\nSELECT id, n\nFROM {prefix}source*\nON CONFLICT REPLACE;\n"
    Path(SPEC).write_text(text)
    return text


@pytest.fixture
def compiled(one_server: Server, spec: str) -> Callable[..., Plan]:
    def compile_file(**more: Any) -> Plan:
        return ddbetl.compile(Path(SPEC).read_text(), name=SPEC, endpoint_url=one_server.endpoint_url, **more)

    return compile_file


def resume(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["resume", *arguments, "--progress", "none"], prog_name="ddbetl")


def target(server: Server, prefix: str) -> list[Item]:
    return tables.read(server, f"{prefix}target")


# Which job


def test_a_job_goes_on_by_its_id_by_the_beginning_of_it_and_as_the_last(
    compiled: Callable[..., Plan], one_server: Server, prefix: str
) -> None:
    for name in (lambda job: job, lambda job: job[:-2], lambda job: "last"):
        job = compiled().begin()
        done = resume(name(job))
        assert done.exit_code == ExitCode.DONE, done.stderr
        assert f"{2 * ROWS} items written to {prefix}target" in done.stdout
        assert jobs.job(job).state == "done"
    assert len(target(one_server, prefix)) == 2 * ROWS


def test_a_job_that_there_is_not_is_answered_with_those_that_are_near(compiled: Callable[..., Plan]) -> None:
    nothing = resume("last")
    assert (nothing.exit_code, nothing.stdout) == (ExitCode.FAILED, "")
    assert "there are no jobs in .ddbetl" in nothing.stderr
    job = compiled().begin()
    wrong = resume(f"{job[:-1]}x")
    assert wrong.exit_code == ExitCode.FAILED and f"did you mean {job}?" in wrong.stderr


def test_a_job_that_is_done_shows_its_summary_once_more(compiled: Callable[..., Plan], prefix: str) -> None:
    compiled().run()
    done = resume("last")
    assert done.exit_code == ExitCode.DONE
    assert "is done: there is nothing to go on with" in done.stderr
    assert f"{2 * ROWS} items written to {prefix}target" in done.stdout
    as_json = resume("last", "--json")
    assert (json.loads(as_json.stdout)["outcome"], json.loads(as_json.stdout)["written"]) == ("done", 2 * ROWS)
    assert jobs.job("last").view.totals.runs == 1  # type: ignore[union-attr]


def test_a_job_that_is_done_with_rejects_ends_as_its_run_did(spec: str, compiled: Callable[..., Plan]) -> None:
    Path(SPEC).write_text(spec.replace("id, n\n", "id, if(n = 3, CAST(id AS NUMBER), n) AS n\n"))
    assert compiled().run().progress.rejected == 2
    done = resume("last")
    assert done.exit_code == ExitCode.REJECTS
    assert "2 rows rejected" in done.stdout and "--from-rejects .ddbetl/jobs/" in done.stdout


def test_a_broken_job_is_refused_with_what_to_do(compiled: Callable[..., Plan]) -> None:
    job = compiled().begin()
    Path(".ddbetl", "jobs", job, "job.sqlite").write_bytes(b"no database " * 500)
    broken = resume(job)
    assert broken.exit_code == ExitCode.FAILED and f"the state of job {job} is broken" in broken.stderr


def test_another_state_folder_is_named_in_what_can_be_typed(compiled: Callable[..., Plan]) -> None:
    plan = compiled(options=["max_rejects = 0"])
    plan.begin(state_dir="my state")
    missing = resume("last")
    assert "there are no jobs in .ddbetl" in missing.stderr and "--state-dir" in missing.stderr
    assert resume("last", "--state-dir", "my state").exit_code == ExitCode.DONE


# What may change


def test_rates_comments_and_formatting_may_change(spec: str, compiled: Callable[..., Plan]) -> None:
    compiled().begin()
    Path(SPEC).write_text(
        "-- Everything, slowly\n"
        + spec.replace(", n", ",\n       n").replace(";", "\nWITH (write = 77 wcu, max_rejects = 5);")
    )
    done = resume("last", "--with", "read = 66 rcu")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert "77 units/s, as written" in done.stderr and "66 units/s, as written" in done.stderr


def test_more_rejects_may_be_allowed(spec: str, compiled: Callable[..., Plan]) -> None:
    Path(SPEC).write_text(
        spec.replace("id, n\n", "id, if(n = 3, CAST(id AS NUMBER), n) AS n\n").replace(";", "\nWITH (max_rejects = 0);")
    )
    job = compiled().begin()
    stopped = resume(job)
    assert (stopped.exit_code, stopped.stdout) == (ExitCode.FAILED, "")
    assert "rejected, more than max_rejects = 0 allows\n = " in stopped.stderr
    assert f"  ddbetl resume {job} --max-rejects 100%" in stopped.stderr.split("\n")
    assert jobs.job(job).state == "failed"
    done = resume(job, "--max-rejects", "2")
    assert done.exit_code == ExitCode.REJECTS, done.stderr
    assert "2 rows rejected" in done.stdout


@pytest.mark.parametrize("wrong", ["-1", "1.5", "many", "101%"])
def test_a_limit_of_rejects_that_is_none_is_refused_with_its_place(compiled: Callable[..., Plan], wrong: str) -> None:
    compiled().begin()
    refused = resume("last", "--max-rejects", wrong)
    assert refused.exit_code == ExitCode.SPEC_ERROR
    assert f"max_rejects = {wrong}" in refused.stderr and "^" in refused.stderr


def test_the_job_goes_on_from_another_folder_too(
    compiled: Callable[..., Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled().begin()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resume("last", "--state-dir", "../.ddbetl").exit_code == ExitCode.DONE


# What may not


def test_a_spec_that_has_errors_now_is_refused_with_them(spec: str, compiled: Callable[..., Plan]) -> None:
    compiled().begin()
    Path(SPEC).write_text(spec.replace("id, n", "id, lenght(n) AS n"))
    refused = resume("last")
    assert refused.exit_code == ExitCode.SPEC_ERROR and "did you mean length?" in refused.stderr


@pytest.mark.parametrize("name", ["source1", "target"])
def test_a_table_that_was_made_anew_is_refused(
    compiled: Callable[..., Plan], one_server: Server, prefix: str, name: str
) -> None:
    plan = compiled()
    # The servers tell the time of creation in seconds: this job is of a table that was made long before.
    identity = json.loads(json.dumps(plan.physical.identity))
    for table in (*identity["tables"], identity["target"]):
        if table[0] == f"{prefix}{name}":
            table[3] = "2016-01-01T00:00:00+00:00"
    object.__setattr__(plan.physical, "identity", identity)
    object.__setattr__(plan.physical, "fingerprint", "0" * 16)
    plan.begin()
    refused = resume("last")
    assert refused.exit_code == ExitCode.FAILED
    assert f"table {prefix}{name} was made anew at " in refused.stderr
    assert "the job knows the one of 2016-01-01" in refused.stderr
    assert target(one_server, prefix) == []


def test_a_table_that_the_pattern_did_not_match_before_is_refused(
    compiled: Callable[..., Plan], one_server: Server, prefix: str
) -> None:
    compiled().begin()
    tables.create(one_server, f"{prefix}source3", ("id", "S"))
    refused = resume("last")
    assert refused.exit_code == ExitCode.FAILED
    assert f"table {prefix}source3 is read, and was not there" in refused.stderr


def test_a_table_that_is_gone_is_refused(compiled: Callable[..., Plan], one_server: Server, prefix: str) -> None:
    compiled().begin()
    one_server.client().delete_table(TableName=f"{prefix}source2")
    one_server.client().get_waiter("table_not_exists").wait(TableName=f"{prefix}source2")
    refused = resume("last")
    assert refused.exit_code == ExitCode.FAILED
    assert f"table {prefix}source2 was read, and is not read any more" in refused.stderr


# What stays


def test_the_time_of_the_job_is_that_of_its_beginning(
    spec: str, compiled: Callable[..., Plan], one_server: Server, prefix: str
) -> None:
    """now() is frozen, and two digits of a year mean what they meant then."""
    Path(SPEC).write_text(
        spec.replace("id, n\n", "id, epoch_ms(now()) AS at, epoch(parse_time(day, 'dd/MM/yy')) AS day\n")
    )
    again = ["run", SPEC, "--yes", "--progress", "none", "--endpoint-url", one_server.endpoint_url]
    for arguments in (["resume", "last", "--progress", "none"], again):
        job = compiled(now=LAST_CENTURY).begin()
        done = CliRunner().invoke(cli, arguments, prog_name="ddbetl")
        assert done.exit_code == ExitCode.DONE, done.stderr
        assert jobs.job("last").id == job
        rows = target(one_server, prefix)
        assert len(rows) == 2 * ROWS
        assert {row["at"]["N"] for row in rows} == {str(LAST_CENTURY.millis)}
        years = {row["id"]["S"][8:]: 1970 + int(row["day"]["N"]) // 31_556_952 for row in rows}
        # In 1999 the years from 1969 to 2068 were meant by two digits; later ones mean others.
        then = ddbetl.compile(Path(SPEC).read_text(), endpoint_url=one_server.endpoint_url, now=LAST_CENTURY)
        pivot = then.physical.logical.settings.pivot_year
        assert years == {str(n): _year(n + 25, pivot) for n in range(ROWS)}


def _year(digits: int, pivot: int) -> int:
    """The year of two digits within the hundred years around a pivot, as Joda-Time takes it."""
    first = pivot - 50
    return first + (digits - first) % 100


def test_a_constant_of_two_digits_is_found_again_in_another_year(
    spec: str, compiled: Callable[..., Plan], one_server: Server
) -> None:
    """A job's plan has it folded in; the same spec compiled today has another one."""
    Path(SPEC).write_text(spec.replace("\nON", "\nWHERE n < epoch(parse_time('01/02/20', 'dd/MM/yy')) OR n >= 0\nON"))
    then, today = compiled(now=Timestamp(0)), compiled()
    job = then.begin()
    assert then.physical.fingerprint != today.physical.fingerprint
    found = today.unfinished()
    assert found is not None and found.record.id == job
    assert resume(job).exit_code == ExitCode.DONE
