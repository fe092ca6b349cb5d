"""``ddbetl help`` and the JSON form of diagnostics: every code has a page with an example that is true."""

from __future__ import annotations

import json
import re
from typing import Any

import cases
import code_examples
import pytest
from click.testing import CliRunner, Result

from ddbetl.cli.code_examples import EXAMPLES
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.reference import errors_page
from ddbetl.codes import CODES, Code


def invoke(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin, prog_name="ddbetl")


# Pages


def test_the_examples_are_golden_cases() -> None:
    if cases.UPDATE:
        code_examples.MODULE.write_text(code_examples.module_text(code_examples.chosen()), encoding="utf-8")
        return
    assert list(EXAMPLES) == code_examples.wanted(), "pytest --update tests/test_help.py makes those that are missing"
    for code, example in EXAMPLES.items():
        assert example in code_examples.candidates(code), f"{code}: pytest --update tests/test_help.py makes it anew"


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_every_code_has_a_page(code: Code) -> None:
    result = invoke("help", code.code.lower())
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.startswith(f"{code.code}: {code.title}\n")
    # What it means and what to do.
    assert len(code.page.split()) >= 8
    example = EXAMPLES.get(code.code)
    if example is None:
        assert re.search(r"`[^`]+`", code.page) or code.code == code_examples.TOO_LONG, "a page without an example"
        return
    shown = [line.strip() for line in result.stdout.splitlines()]
    assert all(line.strip() in shown for line in f"{example.spec}\n{example.said}".splitlines())


def test_a_page_has_no_marks_of_markdown() -> None:
    for code in CODES:
        page = invoke("help", code).stdout
        assert "```" not in page and "](" not in page


def test_the_beginning_of_a_code_lists_codes() -> None:
    result = invoke("help", "e01")
    assert result.exit_code == 0
    listed = re.findall(r"^  ([EWR]\d{4})  ", result.stdout, re.M)
    assert listed == [code for code in CODES if code.startswith("E01")]
    assert len(re.findall(r"^  W", invoke("help", "W").stdout, re.M)) == sum(code[0] == "W" for code in CODES)


def test_help_alone_is_the_help_and_explains_commands() -> None:
    assert invoke("help").stdout == invoke("--help").stdout
    assert invoke("help", "run").stdout == invoke("run", "--help").stdout
    assert invoke("help", "jobs").stdout == invoke("jobs", "--help").stdout


@pytest.mark.parametrize(
    ("word", "hint"),
    [("E0209x", "E0209"), ("E9999", "ddbetl help E lists"), ("exlpain", "did you mean explain?"), ("", "no code")],
)
def test_an_unknown_code_is_answered_with_the_nearest(word: str, hint: str) -> None:
    result = invoke("help", word)
    assert result.exit_code == ExitCode.USAGE
    assert hint in result.stderr and not result.stdout


def test_the_page_of_errors_has_the_examples_and_the_schema() -> None:
    page = errors_page()
    assert all(example.said.splitlines()[0] in page for example in EXAMPLES.values())
    assert all(f"`{member}`" in page for member in MEMBERS | SPAN - {"end_line", "end_column"})


# JSON

MEMBERS = {"code", "severity", "message", "hint", "source", "span", "labels"}
SPAN = {"start", "end", "line", "column", "end_line", "end_column"}


def diagnostics(result: Result) -> list[dict[str, Any]]:
    """The diagnostics of a result, which is nothing but JSON of the documented members."""
    assert not result.stderr
    value = json.loads(result.stdout)
    assert value["ddbetl_diagnostics"] == 1
    for one in value["diagnostics"]:
        assert set(one) == MEMBERS
        for place in (one["span"], *(label["span"] for label in one["labels"])):
            assert place is None or set(place) == SPAN
    found: list[dict[str, Any]] = value["diagnostics"]
    return found


def test_errors_have_their_places_in_json() -> None:
    text = "SELECT CustomerID,\n  lenght('\N{GRINNING FACE}') + lower(\n  1) AS n\nFROM Orders"
    result = invoke("check", "-", "--format", "json", stdin=text)
    assert result.exit_code == ExitCode.SPEC_ERROR
    first, second = diagnostics(result)
    assert (first["code"], first["severity"], first["hint"]) == ("E0301", "error", "did you mean length?")
    assert first["source"] == "<stdin>"
    place = first["span"]
    assert text[place["start"] : place["end"]] == "lenght"
    assert (place["line"], place["column"], place["end_line"], place["end_column"]) == (2, 3, 2, 9)
    place = second["span"]
    lines = text.splitlines()
    assert lines[place["line"] - 1][place["column"] - 1 :].startswith(text[place["start"] : place["end"]][:1])


def test_warnings_and_labels_are_in_json() -> None:
    result = invoke("check", "SELECT * FROM Orders WHERE OrderID = NULL", "--format", "json")
    assert result.exit_code == ExitCode.DONE
    (warning,) = diagnostics(result)
    assert (warning["code"], warning["severity"]) == ("W0108", "warning")
    twice = invoke("check", "LET a = 1; LET a = 2; SELECT a AS b FROM Orders", "--format", "json")
    (error,) = diagnostics(twice)
    (label,) = error["labels"]
    assert label["message"] and label["span"]["start"] == 4


def test_a_right_spec_has_no_diagnostics_in_json() -> None:
    result = invoke("check", "SELECT * FROM Orders", "--format", "json")
    assert result.exit_code == ExitCode.DONE
    assert diagnostics(result) == []


def test_errors_of_the_command_line_are_in_json_too() -> None:
    for arguments in (["--let", "ttl ="], ["-p", "domain=Devo"]):
        result = invoke("check", "SELECT * FROM Orders", "--format", "json", *arguments)
        assert result.exit_code == ExitCode.SPEC_ERROR
        (one,) = diagnostics(result)
        assert (one["span"] is None) == (one["code"] == "E0202")
    assert one["code"] == "E0202"
    # Whatever the order of the options.
    assert diagnostics(invoke("check", "--let", "ttl =", "SELECT * FROM Orders", "--format", "json"))


@pytest.mark.parametrize("more", [["--json"], ["--collisions", "--format", "json"]])
def test_one_form_is_not_taken_for_the_other(more: list[str]) -> None:
    result = invoke("check", "SELECT * FROM Orders", "--region", "eu-central-1", *more)
    assert result.exit_code == ExitCode.USAGE
    assert "--format json shows errors and warnings" in result.stderr
