"""Diagnostics: a golden case of every code, and the text that a user sees.

The cases of the syntax errors (E01) are run with the parser's tests.
"""

from __future__ import annotations

import ast as python
import re
from pathlib import Path

import pytest
from cases import FOLDER, Case, cases, check
from compiling import plan

from ddbetl import api
from ddbetl.codes import CODES, ITEMS, ROWS
from ddbetl.diagnostics import Diagnostic, Label, did_you_mean, render, suggest
from ddbetl.errors import SpecError
from ddbetl.source import SourceText, Span

SOURCES = Path(api.__file__).parent
CASES = [case for case in cases("diagnostics") if not case.path.name.startswith("e01")]
CODE = re.compile(r"[EWR][0-9]{4}")
# More words than a golden case could hold: in the parser's tests.
TOO_LONG = "E0108"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_is_wrong_is_explained(case: Case) -> None:
    try:
        found = plan(case)
    except SpecError as error:
        check(case, render(error.source, error.diagnostics))
        return
    check(case, render(found.source, found.warnings) or "nothing is wrong")


def test_every_code_has_a_case() -> None:
    declared = set(CODES) - {code.code for code in (*ROWS, *ITEMS)} - {TOO_LONG}
    shown = {
        code
        for path in (FOLDER / "diagnostics").glob("*.case")
        for code in re.findall(r"^(?:error|warning)\[([EW][0-9]{4})\]", path.read_text(encoding="utf-8"), re.M)
    }
    assert shown == declared


def test_every_code_is_declared_and_used() -> None:
    used = {
        node.value
        for path in SOURCES.rglob("*.py")
        if path not in (SOURCES / "codes.py", SOURCES / "cli" / "code_examples.py")
        for node in python.walk(python.parse(path.read_bytes()))
        if isinstance(node, python.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }
    assert used == set(CODES)


def test_a_case_is_named_by_the_code_that_it_shows() -> None:
    for case in CASES:
        named = case.path.stem.split("_")[0].upper()
        if CODE.fullmatch(named):
            assert f"[{named}]" in (case.text("expect") or ""), case.path


# The text


def shown(text: str, start: int, end: int, *labels: Label, message: str = "no", hint: str = "") -> list[str]:
    diagnostic = Diagnostic("E0301", message, Span(start, end), hint, labels)
    return render(SourceText(text, "a.ddbetl"), [diagnostic]).split("\n")


def marked(lines: list[str]) -> tuple[str, str]:
    """Give what stands over the carets, counted in characters, and the carets."""
    line, carets = lines[3], lines[4]
    first = carets.index("^")
    return line[first : first + carets.count("^")], carets[first:]


def test_the_caret_stands_under_the_place() -> None:
    text = "SELECT a,\n  lenght(b) AS c\nFROM t"
    lines = shown(text, 12, 18, message="no lenght", hint="length?")
    assert lines == [
        "error[E0301]: no lenght",
        " --> a.ddbetl:2:3",
        "  |",
        "2 |   lenght(b) AS c",
        "  |   ^^^^^^",
        "  = length?",
    ]


def test_a_place_of_several_lines_is_marked_on_its_first() -> None:
    assert marked(shown("SELECT a,\n  b\nFROM t", 7, 13)) == ("a,", "^^")


@pytest.mark.parametrize("end", [0, 3, 4, 5])
def test_a_place_at_the_end_of_a_text_has_a_caret(end: int) -> None:
    text = "ab\nc"
    lines = shown(text, end, end)
    assert lines[-1].count("^") == 1


def test_lines_above_nine_move_the_margin() -> None:
    lines = shown("\n" * 11 + "x y", 13, 14, Label(Span(0, 0), "first"))
    assert lines[1] == "  --> a.ddbetl:12:3"
    assert lines[2:] == ["   |", "12 | x y", "   |   ^", "   |", " 1 |", "   | - first"]


def test_wide_characters_and_accents_do_not_move_the_caret() -> None:
    # Two columns each, none for the combining accent, one for the tab.
    text = "'日本' || e\u0301 ||\tx"
    lines = shown(text, text.index("x"), len(text))
    assert lines[3] == "1 | '日本' || e\u0301 || x"
    assert lines[4] == "  | " + " " * len("'....' || e || ") + "^"


def test_control_characters_are_not_sent_to_the_terminal() -> None:
    lines = shown("a\x1b[31m b", 7, 8)
    assert lines[3] == "1 | a\N{REPLACEMENT CHARACTER}[31m b"
    assert marked(lines) == ("b", "^")


def test_a_long_line_is_cut_around_the_place() -> None:
    text = "x" * 1_000_000 + "here" + "y" * 1_000_000
    lines = shown(text, 1_000_000, 1_000_004)
    assert marked(lines) == ("here", "^^^^")
    assert len(lines[3]) < 120
    assert lines[3].startswith("1 | …x") and lines[3].endswith("y…")
    beginning = shown(text, 3, 5)
    assert beginning[3].startswith("1 | xxx") and marked(beginning) == ("xx", "^^")


def test_a_place_in_another_text_shows_that_text() -> None:
    other = SourceText("ttl = days", "--let 'ttl = days'")
    diagnostic = Diagnostic("E0206", "no", Span(6, 10), source=other)
    text = render(SourceText("SELECT 1", "a.ddbetl"), [diagnostic])
    assert "--> --let 'ttl = days':1:7\n" in text
    assert "1 | ttl = days\n" in text


def test_what_has_no_place_has_no_line() -> None:
    assert render(SourceText(""), [Diagnostic("W0101", "odd", None, "so what")]) == "warning[W0101]: odd\n = so what"


def test_suggestions_come_from_what_there_is() -> None:
    assert suggest("LENGHT", ["length", "lower"]) == "length"
    assert suggest("zzz", ["length", "lower"]) is None
    assert did_you_mean("Ordrs", ["Orders", "Customers"]) == "did you mean Orders?"
    assert did_you_mean("Ordrs", []) == ""
