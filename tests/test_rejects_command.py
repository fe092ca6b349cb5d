"""``ddbetl rejects``: the causes with examples, and the file that they are read from, whatever has happened to it."""

from __future__ import annotations

import json
import shlex
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from made_jobs import RECORD, TABLES, begin, make, reject

from ddbetl import jobs as api
from ddbetl.cli import rejects as pages
from ddbetl.cli import terminal
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import cells
from ddbetl.engine.rejects import MOST_CAUSES

ID = RECORD.id
ROWS = [
    *(reject(number) for number in range(1, 6)),
    reject(6, table=TABLES[1]),
    reject(7, code="R0101", message="n: expected NUMBER, found STRING", column=27),
    reject(8, code="R0206", message="the server refuses the item", line=None, column=None),
]


def invoke(state: Path, *arguments: str, color: bool = False) -> Result:
    return CliRunner().invoke(cli, ["rejects", "last", "--state-dir", str(state), *arguments], color=color)


@pytest.fixture
def columns(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def give(number: int) -> None:
        monkeypatch.setenv("COLUMNS", str(number))
        monkeypatch.setattr(terminal, "is_terminal", lambda stream: True)

    return give


def test_each_cause_has_its_place_its_tables_and_examples(tmp_path: Path) -> None:
    folder = make(tmp_path, rejects=ROWS)
    result = invoke(tmp_path)
    assert (result.exit_code, result.stderr) == (ExitCode.DONE, "")
    assert (
        result.stdout
        == f"""\
8 rows rejected, for 3 reasons, by job {ID}

6 × R0107  epoch(at): "1th of May" is no time
   --> orders.ddbetl:3:12
    |
  3 | SELECT id, epoch(at) AS t, n + 1 AS n
    |            ^
  in    Old_Devo_201605 (5), Old_Devo_201606 (1)
  key   id: 'o-1'
  item  id: 'o-1', at: '1th of May', n: 1
  key   id: 'o-2'
        epoch(at): "2th of May" is no time
  item  id: 'o-2', at: '2th of May', n: 1
  key   id: 'o-3'
        epoch(at): "3th of May" is no time
  item  id: 'o-3', at: '3th of May', n: 1

1 × R0101  n: expected NUMBER, found STRING
   --> orders.ddbetl:3:27
    |
  3 | SELECT id, epoch(at) AS t, n + 1 AS n
    |                           ^
  in    Old_Devo_201605
  key   id: 'o-7'
  item  id: 'o-7', at: '7th of May', n: 1

1 × R0206  the server refuses the item
  in    Old_Devo_201605
  key   id: 'o-8'
  item  id: 'o-8', at: '8th of May', n: 1

Each with its item: {folder / "rejects.jsonl"}
To get them in, mend the spec or the items, then run it over these rows alone:
  ddbetl run orders.ddbetl -p domain=Devo --let 'ttl = 365 days' --with 'read = 30%' \
--region eu-central-1 --from-rejects {folder / "rejects.jsonl"}
"""
    )


def test_the_command_that_goes_on_is_one_that_run_takes(tmp_path: Path) -> None:
    make(tmp_path, rejects=ROWS)
    words = shlex.split(invoke(tmp_path).stdout.rstrip().split("\n")[-1])
    assert words[:3] == ["ddbetl", "run", "orders.ddbetl"]
    known = {option for parameter in cli.commands["run"].params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} - {"--from-rejects"} <= known


def test_the_number_of_examples_can_be_said(tmp_path: Path) -> None:
    make(tmp_path, rejects=ROWS)
    assert "  item  " not in invoke(tmp_path, "--examples", "0").stdout
    assert invoke(tmp_path, "--examples", "100").stdout.count("  item  ") == len(ROWS)


def test_a_spec_that_was_typed_has_to_be_typed_again(tmp_path: Path) -> None:
    typed = replace(RECORD, spec="<command line>", inputs={**RECORD.inputs, "name": "<command line>"})
    make(tmp_path, typed, rejects=ROWS)
    assert "  ddbetl run SPEC -p " in invoke(tmp_path).stdout


def test_as_json(tmp_path: Path) -> None:
    folder = make(tmp_path, rejects=ROWS)
    found = json.loads(invoke(tmp_path, "--examples", "1", "--json").stdout)
    causes = found.pop("causes")
    assert found == {
        "ddbetl_rejects": 1,
        "job": ID,
        "state": "done",
        "count": 8,
        "missing": 0,
        "path": str(folder / "rejects.jsonl"),
    }
    assert causes[0] == {
        "code": "R0107",
        "message": ROWS[0]["message"],
        "line": 3,
        "column": 12,
        "count": 6,
        "tables": {TABLES[0]: 5, TABLES[1]: 1},
        "examples": [
            {"table": TABLES[0], "message": ROWS[0]["message"], "key": ROWS[0]["key"], "item": ROWS[0]["item"]}
        ],
    }


def test_nothing_rejected_is_said(tmp_path: Path) -> None:
    make(tmp_path, outcome="interrupted")
    assert invoke(tmp_path).stdout == f"Job {ID} has rejected nothing so far.\n"
    make(tmp_path, replace(RECORD, id="2", created="2027"))
    assert invoke(tmp_path).stdout == "Job 2 has rejected nothing.\n"
    assert json.loads(invoke(tmp_path, "--json").stdout)["causes"] == []


def test_data_does_not_reach_the_terminal_as_it_is(tmp_path: Path) -> None:
    evil = "\x1b]0;title\x07\x9b31m\x7f\r\n\u202e"
    item = {evil: {"S": evil}, "deep": {"M": {evil: {"L": [{"S": evil}]}}}, "set": {"SS": [evil]}}
    rows = [
        reject(1, message=evil, table=evil, key={evil: {"S": evil}}, item=item),
        reject(2, key={}, item={"a": 1, "b": {}, "c": {evil: evil}, "n": {"N": evil}, "bin": {"B": evil}}),
        reject(3, message="\ud800", item={"half": {"S": "\ud800"}}),
    ]
    make(tmp_path, replace(RECORD, spec=evil, inputs={**RECORD.inputs, "text": f"a\nb\n{evil}"}), rejects=rows)
    for arguments in ([], ["--json"]):
        result = invoke(tmp_path, *arguments)
        assert result.exit_code == ExitCode.DONE
        assert not {c for c in result.output if not c.isprintable()} - {"\n"}


@pytest.mark.parametrize("size", [80, 100])
def test_it_fits_the_terminal(tmp_path: Path, columns: Callable[[int], None], size: int) -> None:
    long = "x" * 400
    text = f"-- {long}\nSELECT {'a, ' * 100}\n  epoch(at)"
    wide = {"id": {"S": "漢字" * 100}, "doc": {"M": {long: {"S": long}}}}
    rows = [
        reject(1, item=wide, key=wide, line=2, column=200, message="expected a time, found " + "much text " * 20),
        *(reject(n, item=wide, key=wide, table=f"{n}_Table_of_Orders") for n in range(9)),
    ]
    make(tmp_path, replace(RECORD, inputs={**RECORD.inputs, "text": text}), rejects=rows)
    columns(size)
    shown = invoke(tmp_path).stdout
    lines = [line for line in shown.split("\n") if "rejects.jsonl" not in line]
    assert max(cells(line) for line in lines) <= size
    assert "and 6 more tables" in " ".join(shown.split())


def test_a_place_that_the_spec_does_not_have_is_only_named(tmp_path: Path) -> None:
    make(tmp_path, rejects=[reject(1, line=99, column=5)])
    assert "  --> orders.ddbetl:99:5\n" in invoke(tmp_path).stdout


# The file


def test_messages_that_differ_in_values_only_are_one_cause_and_places_tell_causes_apart(tmp_path: Path) -> None:
    rows = [
        reject(1, message='a: "x" is 1.5'),
        reject(2, message='a: "y \\" z" is -20'),
        reject(3, message='a: "x" is 1.5', column=30),
    ]
    make(tmp_path, rejects=rows)
    assert [(c.message, c.column, c.count) for c in api.rejects("last", tmp_path).causes] == [
        ('a: "x" is 1.5', 12, 2),
        ('a: "x" is 1.5', 30, 1),
    ]


def test_of_very_many_causes_the_rest_is_counted_together(tmp_path: Path) -> None:
    def word(number: int) -> str:
        return "".join(chr(ord("a") + int(digit)) for digit in str(number))

    make(tmp_path, rejects=[reject(1, message=f"no {word(n)}") for n in range(3 * MOST_CAUSES)])
    found = api.rejects("last", tmp_path)
    assert (found.count, sum(cause.count for cause in found.causes)) == (3 * MOST_CAUSES, 3 * MOST_CAUSES)
    assert len(found.causes) == MOST_CAUSES + 1
    assert (found.causes[0].count, found.causes[0].line) == (2 * MOST_CAUSES, None)


def test_of_a_running_job_only_what_is_saved_is_counted(tmp_path: Path) -> None:
    store = begin(tmp_path, rejects=ROWS[:3])
    try:
        with (store.folder / "rejects.jsonl").open("a") as file:
            file.write(json.dumps(ROWS[3]) + "\n" + json.dumps(ROWS[4])[:40])
        found = api.rejects("last", tmp_path)
        assert (found.job.state, found.count, found.missing) == ("running", 3, 0)
        assert "3 rows rejected so far" in invoke(tmp_path).stdout
    finally:
        store.close()
    # The same after it was killed: those rows will be read again.
    found = api.rejects("last", tmp_path)
    assert (found.job.state, found.count, found.missing) == ("killed", 3, 0)


def test_a_file_that_lost_its_end_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = make(tmp_path, rejects=ROWS) / "rejects.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    result = invoke(tmp_path)
    assert result.exit_code == ExitCode.DONE
    assert "the job counts 8 rejects, and 1 of them are not in" in result.stderr
    assert "7 rows rejected" in result.stdout
    path.unlink()
    result = invoke(tmp_path)
    assert (result.exit_code, result.stdout) == (ExitCode.DONE, "")
    assert "8 of them are not in" in result.stderr


@pytest.mark.parametrize("line", ["no json", "[]", '{"table": "t"}', '{"item": {}}', '{"item": []}', "\\ud800"])
def test_a_line_that_is_no_reject_is_named(tmp_path: Path, line: str) -> None:
    path = make(tmp_path, rejects=ROWS) / "rejects.jsonl"
    lines = path.read_text().split("\n")
    path.write_text("\n".join([*lines[:2], line, *lines[3:]]))
    result = invoke(tmp_path)
    assert (result.exit_code, result.stdout) == (ExitCode.FAILED, "")
    assert f"line 3 of {path} is no reject of ddbetl" in " ".join(result.stderr.split())


def test_a_broken_job_still_shows_its_rejects(tmp_path: Path) -> None:
    folder = make(tmp_path, rejects=ROWS)
    (folder / "job.sqlite").write_bytes(b"no database " * 500)
    result = invoke(tmp_path)
    assert result.exit_code == ExitCode.DONE
    assert "8 rows rejected" in result.stdout and "ddbetl run SPEC --from-rejects" in result.stdout


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    def peak(rows: list[dict[str, Any]], name: str) -> int:
        make(tmp_path / name, rejects=rows)
        tracemalloc.start()
        try:
            assert api.rejects("last", tmp_path / name).count == len(rows)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    big = {"id": {"S": "1"}, "doc": {"S": "x" * 2_000}}
    few = peak([reject(n, item=big) for n in range(500)], "few")
    many = peak([reject(n, item=big) for n in range(10_000)], "many")
    assert many < few + 500_000


def test_values_of_every_type_are_shown_as_in_preview() -> None:
    item = {
        "s": {"S": "a"},
        "n": {"N": "1.50"},
        "t": {"BOOL": True},
        "l": {"L": [{"NULL": True}]},
        "b": {"BS": ["AA=="]},
    }
    assert pages.document(item) == "s: 'a', n: 1.50, t: true, l: [NULL], b: {b64:AA==}"
