"""``run --from-rejects``: the rows of a file of rejects, read again by their keys; alone, each once, and resumable."""

from __future__ import annotations

import base64
import json
import threading
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
from ddbetl.engine.again import MOST_KEYS, keys_of, rejected, tables_of
from ddbetl.engine.report import Progress
from ddbetl.errors import JobFailed

SPEC = "copy.ddbetl"
NAMES = ("source1", "source2")
ROWS = 250
# Every fifth row is rejected by the first spec.
BAD = ROWS // 5

Item = dict[str, dict[str, Any]]
Key = tuple[tuple[str, str], ...]

KEYS: dict[str, tuple[Key, Callable[[int], Item]]] = {
    "text": ((("id", "S"),), lambda n: {"id": {"S": f'row {n} "é"'}}),
    "number and text": (
        (("id", "N"), ("at", "S")),
        lambda n: {"id": {"N": str(n // 3)}, "at": {"S": f"2026-11-{n % 28 + 1:02}T{n}"}},
    ),
    "binary and number": (
        (("id", "B"), ("at", "N")),
        lambda n: {"id": {"B": base64.b64encode(bytes([0, n % 8])).decode()}, "at": {"N": f"{n}.5"}},
    ),
}


@pytest.fixture(params=KEYS)
def keys(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def spec(one_server: Server, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Make tables with such a key; gives the text of a spec, which is in a file in the current folder too."""
    monkeypatch.chdir(tmp_path)

    def make(keys: str = "text", rows: int = ROWS) -> str:
        key, item = KEYS[keys]
        for name in (*NAMES, "target"):
            of_target = (("source", "S"),) if name == "target" and len(key) == 1 else ()
            tables.create(one_server, f"{prefix}{name}", *key, *of_target)
        for name in NAMES:
            tables.fill(
                one_server,
                f"{prefix}{name}",
                [
                    {**item(n), "n": {"S": "bad"} if n % 5 == 0 else {"N": str(n)}, "more": {"S": f"m{n}"}}
                    for n in range(rows)
                ],
            )
        columns = ", ".join([name for name, _ in key] + ["source_table() AS source"][len(key) - 1 :])
        text = (
            f"INSERT INTO {prefix}target\nSELECT {columns}, n + 1 AS n\nFROM {prefix}source*\n"
            "WHERE more IS NOT NULL\nON CONFLICT REPLACE\nWITH (max_rejects = 100%, collisions = allow);\n"
        )
        Path(SPEC).write_text(text)
        return text

    return make


def invoke(server: Server, *arguments: str) -> Result:
    more = ["--endpoint-url", server.endpoint_url] if arguments[0] == "run" else []
    return CliRunner().invoke(cli, [*arguments, "--progress", "none", *more], prog_name="ddbetl")


def run(server: Server, *options: str) -> Result:
    return invoke(server, "run", SPEC, "--yes", *options)


def report(done: Result) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def mended(text: str) -> None:
    Path(SPEC).write_text(text.replace("n + 1 AS n", "if(n = 'bad', -1, n + 1) AS n, more, absent"))


def compiled(server: Server, *options: str) -> Plan:
    return ddbetl.compile(Path(SPEC).read_text(), name=SPEC, endpoint_url=server.endpoint_url, options=options)


def rejects_of(server: Server) -> Path:
    """Run the spec once; the file of what it has rejected."""
    done = run(server, "--json")
    assert done.exit_code == ExitCode.REJECTS, done.stderr
    assert report(done)["rejected"] == 2 * BAD
    return Path(report(done)["rejects"])


def test_only_the_rejected_rows_are_read_again_whatever_their_key(
    one_server: Server, prefix: str, spec: Callable[..., str], keys: str
) -> None:
    text = spec(keys)
    path = rejects_of(one_server)
    before = tables.read(one_server, f"{prefix}target")
    mended(text)
    done = run(one_server, "--from-rejects", str(path), "--json")
    assert done.exit_code == ExitCode.DONE, done.stderr
    found = report(done)
    assert (found["read"], found["filtered"], found["written"], found["rejected"]) == (2 * BAD, 0, 2 * BAD, 0)
    assert [one["read"] for one in found["tables"]] == [BAD, BAD]
    rows = tables.read(one_server, f"{prefix}target")
    # `more` was not read by the first spec: it comes from the item as it is now.
    new = [row for row in rows if row["n"]["N"] == "-1"]
    assert {row["more"]["S"] for row in new} == {f"m{n}" for n in range(0, ROWS, 5)}
    assert sum(row not in rows for row in before) <= len(new)
    assert f"{2 * BAD} rejected rows of {prefix}source1, {prefix}source2" in done.stderr and str(path) in "".join(
        done.stderr.split()
    )


def test_rows_that_are_rejected_again_are_in_the_new_jobs_file(one_server: Server, spec: Callable[..., str]) -> None:
    spec()
    path = rejects_of(one_server)
    content = path.read_bytes()
    done = run(one_server, "--from-rejects", str(path))
    assert done.exit_code == ExitCode.REJECTS
    new = jobs.job("last").folder / "rejects.jsonl"
    assert new != path and path.read_bytes() == content
    assert sorted(key_lines(new)) == sorted(key_lines(path))
    assert f"--from-rejects {new}" in done.stdout


def key_lines(path: Path) -> list[str]:
    return [json.dumps([table, key], sort_keys=True) for _, table, key in rejected(path, 0)]


def test_items_that_are_gone_or_fit_no_more_count_as_filtered(
    one_server: Server, prefix: str, spec: Callable[..., str]
) -> None:
    text = spec()
    path = rejects_of(one_server)
    client = one_server.client()
    for n in (0, 5, 10):
        client.delete_item(TableName=f"{prefix}source1", Key=KEYS["text"][1](n))
    client.put_item(TableName=f"{prefix}source2", Item={**KEYS["text"][1](0), "n": {"N": "7"}})
    mended(text)
    found = report(run(one_server, "--from-rejects", str(path), "--json"))
    assert (found["read"], found["filtered"], found["written"]) == (2 * BAD, 4, 2 * BAD - 4)


def test_a_row_that_the_file_names_twice_in_a_row_is_asked_for_once(
    one_server: Server, spec: Callable[..., str]
) -> None:
    """Also with other blanks, and with the parts of a key in another order: BatchGetItem takes no key twice."""
    text = spec("number and text", rows=2 * MOST_KEYS * 5 + 5)
    done = run(one_server, "--json")
    path = Path(report(done)["rejects"])
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    both = [other for row in rows for other in (row, {**row, "key": dict(reversed(row["key"].items()))})]
    Path("both.jsonl").write_text("\n".join(json.dumps(row) for row in both) + "\n\n")
    mended(text)
    found = report(run(one_server, "--from-rejects", "both.jsonl", "--json"))
    assert len(rows) == 4 * MOST_KEYS + 2
    # The two lines of a key may be in two requests, here and there.
    assert len(rows) <= found["written"] == found["read"] <= len(rows) + len(rows) // MOST_KEYS


def test_tables_without_rejects_are_not_read(one_server: Server, prefix: str, spec: Callable[..., str]) -> None:
    text = spec()
    path = rejects_of(one_server)
    Path("some.jsonl").write_bytes(
        b"".join(line for line in path.read_bytes().splitlines(True) if f'{prefix}source2"'.encode() in line)
    )
    mended(text)
    found = report(run(one_server, "--from-rejects", "some.jsonl", "--json"))
    assert [(one["table"], one["read"]) for one in found["tables"]] == [(f"{prefix}source2", BAD)]


# Jobs


def test_a_killed_run_over_rejects_goes_on_where_it_was(one_server: Server, spec: Callable[..., str]) -> None:
    text = spec(rows=5 * MOST_KEYS * 3)
    path = Path(report(run(one_server, "--json"))["rejects"])
    mended(text)
    stop = threading.Event()

    def look(now: Progress) -> None:
        if now.written > MOST_KEYS:
            stop.set()

    plan = compiled(one_server, "write = 200 wcu").over(path)
    stopped = plan.run(stop=stop, progress=look, interval=0.01)
    assert stopped.outcome == "interrupted" and 0 < stopped.progress.written < 6 * MOST_KEYS
    # The whole plan has no unfinished job, and the one over the rejects is found by its file, however it is named.
    assert compiled(one_server).unfinished() is None
    done = run(one_server, "--from-rejects", f"./{path}", "--json")
    assert "It goes on from there" in done.stderr
    found = report(done)
    assert (found["job"], found["read"], found["written"]) == (stopped.job, 6 * MOST_KEYS, 6 * MOST_KEYS)


def test_resume_knows_that_a_job_is_over_rejects(one_server: Server, spec: Callable[..., str]) -> None:
    text = spec()
    path = rejects_of(one_server)
    mended(text)
    job = compiled(one_server).over(path).begin()
    done = invoke(one_server, "resume", job, "--json")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert f"{2 * BAD} rejected rows of" in done.stderr
    assert report(done)["read"] == 2 * BAD


def test_an_unfinished_job_over_everything_is_none_of_the_rejects(one_server: Server, spec: Callable[..., str]) -> None:
    spec()
    path = rejects_of(one_server)
    job = compiled(one_server).begin()
    done = run(one_server, "--from-rejects", str(path))
    assert job not in done.stderr and done.exit_code == ExitCode.REJECTS
    assert jobs.job(job).state == "killed"
    with pytest.raises(JobFailed, match="reads other rows"):
        compiled(one_server).over(path).run(job=job)


def test_a_file_that_is_gone_when_the_job_goes_on_is_said(one_server: Server, spec: Callable[..., str]) -> None:
    spec()
    path = rejects_of(one_server)
    job = compiled(one_server).over(path).begin()
    path.unlink()
    refused = invoke(one_server, "resume", job)
    assert refused.exit_code == ExitCode.FAILED
    assert "the file of rejects cannot be read: No such file or directory" in refused.stderr


# Files


LINE = '{"table":"T","key":{"id":{"S":"a"}},"code":"R0101","message":"no","line":null,"column":null,"item":{}}\n'


@pytest.mark.parametrize(
    "content",
    [
        "no JSON\n",
        '{"a": 1}\n',
        '{"table": "T"}\n',
        '{"table": "T", "key": {}}\n',
        '{"table": "T", "key": "id"}\n',
        '{"table": 7, "key": {"id": {"S": "a"}}}\n',
        "[1]\n",
        LINE + "\x00\x01\n",
        '{"table":"T","ke\n' + LINE,
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "x").write_text(content)
    with pytest.raises(JobFailed, match="has a line that is no reject of ddbetl: "):
        tables_of(tmp_path / "x")


def test_half_a_line_at_the_end_and_empty_ones_are_no_rejects(tmp_path: Path) -> None:
    """A job that was killed may have been writing: its page is read again."""
    (tmp_path / "x").write_text(LINE + "\n" + LINE + LINE[:40])
    assert tables_of(tmp_path / "x") == {"T": 2}


def test_half_a_surrogate_pair_is_a_key_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(LINE.replace('"a"', '"\\ud800"'))
    ((end, table, key),) = rejected(tmp_path / "x", 0)
    assert (end, table, key) == (len(LINE) + 5, "T", {"id": {"S": "\ud800"}})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "has no rejected rows: there is nothing to run"),
        (LINE, "has rows of T, which the spec does not read"),
        ("x\n", "has a line that is no reject of ddbetl: x"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_before_anything_is_done(
    one_server: Server, spec: Callable[..., str], content: str, said: str
) -> None:
    spec(rows=1)
    Path("x.jsonl").write_text(content)
    refused = run(one_server, "--from-rejects", "x.jsonl")
    assert (refused.exit_code, refused.stdout) == (ExitCode.FAILED, "")
    assert said in refused.stderr and jobs.jobs() == ()


def test_a_file_that_there_is_not_is_a_wrong_command_line(one_server: Server, spec: Callable[..., str]) -> None:
    spec(rows=1)
    assert run(one_server, "--from-rejects", "nowhere.jsonl").exit_code == ExitCode.USAGE


def test_a_file_that_became_shorter_is_not_taken_for_read(tmp_path: Path) -> None:
    path = tmp_path / "rejects.jsonl"
    path.write_text('{"table":"T","key":{"id":{"S":"1"}}}\n')
    assert keys_of(path, "T", path.stat().st_size) == ([], None)
    with pytest.raises(JobFailed, match="shorter than it was"):
        keys_of(path, "T", path.stat().st_size + 1)


# Rows that came too late for their key


@pytest.fixture
def met(one_server: Server, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run a spec that makes one key of two rows; the file of its rejects: "b" for "a", and "d" for itself."""
    monkeypatch.chdir(tmp_path)
    for name in ("source", "target"):
        tables.create(one_server, f"{prefix}{name}", ("id", "S"))
    rows = [("a", "x", 1), ("b", "x", 2), ("c", "y", 3), ("d", "z", "none")]
    items = [{"id": {"S": i}, "g": {"S": g}, "n": {"N": str(n)} if n != "none" else {"S": n}} for i, g, n in rows]
    tables.fill(one_server, f"{prefix}source", items)
    Path(SPEC).write_text(
        f"INSERT OVERWRITE {prefix}target SELECT g AS id, n + 1 AS n, id AS was FROM {prefix}source\n"
        "WITH (max_rejects = 100%, segments = 1)"
    )
    done = run(one_server, "--json")
    found = report(done)
    assert (found["written"], found["rejected"], found["collisions"]["rows"]) == (2, 2, 1)
    return Path(found["rejects"])


def change(old: str, new: str) -> None:
    assert old in Path(SPEC).read_text()
    Path(SPEC).write_text(Path(SPEC).read_text().replace(old, new))


def whose(server: Server, prefix: str) -> dict[str, str]:
    return {item["id"]["S"]: item["was"]["S"] for item in tables.read(server, f"{prefix}target")}


def first_of(path: Path) -> tuple[str, str]:
    """The row that was written, and the one that was rejected, of the two that met."""
    (line,) = [json.loads(line) for line in path.read_bytes().splitlines() if b"R0304" in line]
    assert line["met"]["key"] == {"id": {"S": "x"}}
    return line["met"]["first"]["key"]["id"]["S"], line["key"]["id"]["S"]


def test_a_row_that_came_too_late_comes_too_late_again(one_server: Server, prefix: str, met: Path) -> None:
    first, late = first_of(met)
    assert {first, late} == {"a", "b"} and whose(one_server, prefix) == {"x": first, "y": "c"}
    change("n + 1", "TRY(n + 1)")
    path = met
    for written in (1, 0):
        done = run(one_server, "--from-rejects", str(path), "--json")
        assert done.exit_code == ExitCode.REJECTS, done.stderr
        found = report(done)
        assert (found["written"], found["rejected"], found["collisions"]["rows"]) == (written, 1, 1)
        assert [cause["code"] for cause in found["causes"]] == ["R0304"]
        assert whose(one_server, prefix) == {"x": first, "y": "c", "z": "d"}
        # Its file says so as well, for a run over that one.
        path = Path(found["rejects"])
        assert first_of(path) == (first, late)


def test_a_row_that_came_too_late_is_written_with_another_key(one_server: Server, prefix: str, met: Path) -> None:
    first, late = first_of(met)
    change("g AS id, n + 1", "g || id AS id, TRY(n + 1)")
    done = run(one_server, "--from-rejects", str(met), "--json")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert whose(one_server, prefix) == {"x": first, "y": "c", f"x{late}": late, "zd": "d"}


def test_a_row_that_came_too_late_is_written_where_collisions_are_allowed(
    one_server: Server, prefix: str, met: Path
) -> None:
    _, late = first_of(met)
    change("segments = 1", "segments = 1, collisions = allow")
    change("n + 1", "TRY(n + 1)")
    done = run(one_server, "--from-rejects", str(met), "--json")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert report(done)["collisions"]["rows"] == 1
    assert whose(one_server, prefix) == {"x": late, "y": "c", "z": "d"}


def test_keys_of_another_table_are_nobodys(one_server: Server, prefix: str, met: Path) -> None:
    _, late = first_of(met)
    tables.create(one_server, f"{prefix}other", ("id", "S"))
    change(f"{prefix}target", f"{prefix}other")
    change("n + 1", "TRY(n + 1)")
    done = run(one_server, "--from-rejects", str(met), "--json")
    assert done.exit_code == ExitCode.DONE, done.stderr
    assert {item["was"]["S"] for item in tables.read(one_server, f"{prefix}other")} == {late, "d"}


def test_the_dry_pass_over_rejects_meets_them_too(one_server: Server, met: Path) -> None:
    assert compiled(one_server).over(met).dry().collisions == 1
