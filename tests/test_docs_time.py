"""The page about times, executed where ``test_docs`` does not do it: its tables of patterns, zones and fast paths.

Each kind of table is known by its head; every row of it says something that is tried. What java.time and
SimpleDateFormat are said to do is asked of them where there is a JDK.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import string
import subprocess
import sys

import pytest
from test_docs import DOCS, ROOT, Entry, code, entries
from vectorised import Vectorised, compiled, reference

from ddbetl.errors import RowError
from ddbetl.expressions.resolve import Settings
from ddbetl.functions.comparison import same_value
from ddbetl.functions.formats import UNITS
from ddbetl.functions.registry import FUNCTIONS as ALL_FUNCTIONS
from ddbetl.time import (
    Pattern,
    PatternError,
    TimeError,
    Zone,
    compile_pattern,
    format_millis,
    parse_millis,
    pivot_of,
    zone,
)
from ddbetl.time.calendar import ADD_UNITS, PARTS, TRUNC_UNITS
from ddbetl.time.parse import read_pattern
from ddbetl.time.reading import MismatchError

PAGE = DOCS / "time.md"
UTC = zone("UTC")
PIVOT_YEAR = pivot_of(2017)

FUNCTIONS = ("function", "gives")
EXPRESSIONS = ("expression", "result", "item")
ISO = ("text", "without a pattern")
LETTERS = ("letter", "part", "digits", "read", "written")
PATTERNS = ("pattern", "reads", "as", "writes", "refuses")
ZONES = ("timezone", "expression", "result", "item")
FAST = ("call", "by DuckDB", "by reference")
TAKEN_OVER = ("`java.time`", "there", "here", "if taken over")
COMPARED = ("pattern", "text", "java.time", "`SimpleDateFormat`", "here")


def rows(head: tuple[str, ...]) -> list[Entry]:
    found = [entry for entry in entries(PAGE) if entry.head == head]
    assert found, f"there is no table of {head}"
    return found


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def instant(pattern: Pattern | None, text: str, in_zone: Zone = UTC) -> str:
    """What is read, as ``DateTime.toString()`` writes it in UTC."""
    return format_millis(None, parse_millis(pattern, text, in_zone, PIVOT_YEAR), UTC)


def refused(pattern: Pattern | None, text: str, in_zone: Zone = UTC) -> bool:
    try:
        parse_millis(pattern, text, in_zone, PIVOT_YEAR)
    except TimeError:
        return True
    return False


def test_every_table_is_of_a_kind_that_is_executed() -> None:
    executed = {EXPRESSIONS, ISO, LETTERS, PATTERNS, ZONES, FAST, TAKEN_OVER, COMPARED}
    assert {entry.head for entry in entries(PAGE)} == {FUNCTIONS, *executed}


def test_the_functions_and_their_units_are_all_there() -> None:
    named = {name for entry in rows(FUNCTIONS) for text in codes(entry.cells[0]) for name in re.findall(r"^\w+", text)}
    assert named == {function.name for function in ALL_FUNCTIONS if function.category == "time"}
    text = PAGE.read_text(encoding="utf-8")
    bullets = dict(re.findall(r"^- `(date_\w+)\([^`]*`((?:.|\n(?!\n|- ))*)", text, re.MULTILINE))
    units = {"date_trunc": TRUNC_UNITS, "date_part": PARTS, "date_add": ADD_UNITS}
    assert {name: set(codes(said)) for name, said in bullets.items()} == {n: set(u) for n, u in units.items()}
    (said,) = re.findall(r"^- \*\*A unit\*\*(.*)$", text, re.MULTILINE)
    assert set(re.findall(r"`'(\w+)'`", said)) == set(UNITS)


# Forms without a pattern


@pytest.mark.parametrize("entry", rows(ISO), ids=str)
def test_a_text_without_a_pattern(entry: Entry) -> None:
    text, said = code(entry.cells[0]), entry.cells[1]
    if said.startswith("*error:*"):
        with pytest.raises(TimeError) as failed:
            parse_millis(None, text, UTC, PIVOT_YEAR)
        assert failed.value.message == said.removeprefix("*error:*").strip()
    else:
        # toString writes no plus sign before years of more than four digits.
        assert instant(None, text) == code(said).removeprefix("+")


# Letters


def test_the_letters_are_all_there_and_no_other() -> None:
    known = set()
    for letter in string.ascii_letters:
        try:
            compile_pattern(letter)
        except PatternError:
            continue
        known.add(letter)
    assert {code(entry.cells[0]) for entry in rows(LETTERS)} == known
    used = {letter for entry in rows(PATTERNS) for letter in re.sub(r"'[^']*'", "", code(entry.cells[0]))}
    assert known - used == set(), "every letter has a row that reads and writes it"


def reads(pattern: str, text: str) -> bool:
    """Whether a text has the form of a pattern; whether there is such a time does not matter."""
    try:
        read_pattern(compile_pattern(pattern), text, PIVOT_YEAR)
    except MismatchError:
        return False
    return True


@pytest.mark.parametrize("entry", rows(LETTERS), ids=str)
def test_a_letter_reads_as_many_digits_as_are_said(entry: Entry) -> None:
    letter, digits = code(entry.cells[0]), entry.cells[2]
    # Two letters of a year are a two-digit year, three letters of a month its name.
    counts = {"M": (1, 2)}.get(letter, (1, 4, 12))
    for count in counts:
        most = 0 if not digits else count if digits == "letters" else max(count, int(digits))
        found = [length for length in range(1, 15) if reads(letter * count, "0" * (length - 1) + "1")]
        assert found == list(range(1, most + 1)), (letter, count)
        if digits and count > 1:
            assert reads(letter * count, "-1") is reads(letter * count, "+1") is ("a sign" in entry.cells[3])


@pytest.mark.parametrize("entry", rows(LETTERS), ids=str)
def test_a_letter_reads_and_writes_the_names_that_are_said(entry: Entry) -> None:
    letter = code(entry.cells[0])
    pattern = {"M": "MMM"}.get(letter, letter)
    names = [name for name in codes(entry.cells[3]) if not re.fullmatch(r"(\w)\1*|\.8(00)?", name) or name == "Z"]
    for name in names:
        text = name.replace("±", "+").replace("hh", "05").replace("mm", "30")
        assert reads("ZZZ" if "/" in text else pattern, text), (pattern, text)
    # Berlin is in summer time then; the zone's names are said for Los Angeles in winter.
    winter = letter == "z"
    millis = parse_millis(None, "2017-01-26T12:00" if winter else "2017-04-26T08:15:30.876", UTC, PIVOT_YEAR)
    in_zone = zone("America/Los_Angeles" if winter else "Europe/Berlin")
    for first, last, more, said in re.findall(r"`(\w+)`(?: to `(\w+)`)?( and more)?: `([^`]+)`", entry.cells[4]):
        assert set(first + last) == {letter}
        for count in range(len(first), max(len(last), len(first)) + 1 + 3 * bool(more)):
            assert format_millis(compile_pattern(letter * count), millis, in_zone) == said
    assert names or codes(entry.cells[4]) or entry.cells[2]


# Patterns


@pytest.mark.parametrize("entry", rows(PATTERNS), ids=str)
def test_a_pattern_reads_and_writes_what_the_page_says(entry: Entry) -> None:
    text, read, as_, written, wrong = entry.cells
    pattern = compile_pattern(code(text))
    assert codes(read)
    for one in codes(read):
        assert instant(pattern, one) == code(as_)
    millis = parse_millis(None, code(as_), UTC, PIVOT_YEAR)
    assert format_millis(pattern, millis, UTC) == code(written)
    assert [one for one in codes(wrong) if not refused(pattern, one)] == []


def test_what_is_warned_of() -> None:
    (said,) = re.findall(r"^Letters that are right and rarely meant (.*\n.*)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert codes(said) == ["YYYY", "mm", "MM", "DD", "hh", "a"]
    for pattern in ("YYYY-MM-dd", "yyyy-mm-dd", "HH:MM", "yyyy-MM-DD", "hh:mm"):
        assert len(compile_pattern(pattern).warnings) == 1, pattern
    assert [compile_pattern(pattern).warnings for pattern in ("xxxx-'W'ww-e", "yyyy-DDD", "hh:mm a", "mm:ss")] == [
        ()
    ] * 4


# Zones


@pytest.mark.parametrize("entry", rows(ZONES), ids=str)
def test_the_zone_of_a_spec(entry: Entry) -> None:
    name, text, result, item = entry.cells
    settings = Settings(zone(code(name)) if name else UTC, PIVOT_YEAR)
    found = reference(compiled(code(text), settings), json.loads(code(item)))
    expected = reference(compiled(code(result)), {})
    assert not isinstance(found, RowError) and not isinstance(expected, RowError)
    assert same_value(found, expected), found


def test_the_machines_zone_and_zone_data_have_no_part() -> None:
    program = (
        "from ddbetl.time import parse_millis, zone;"
        "print([parse_millis(None, '2017-07-01T12:00', zone(z), 1987) for z in ('UTC', 'Europe/Berlin')])"
    )
    environment = {**os.environ, "TZ": "Asia/Tokyo", "PYTHONTZPATH": str(ROOT / "docs")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[1498910400000, 1498903200000]"


# Fast paths


@pytest.mark.parametrize("entry", rows(FAST), ids=str)
def test_what_is_read_by_duckdb(entry: Entry) -> None:
    call, fast, slow = entry.cells
    expression = compiled(code(call))
    if (fast, slow) == ("none", "all"):
        with Vectorised([{}]) as page:
            assert page.run([expression]) == [None]
        return
    assert codes(fast) and codes(slow)
    texts = codes(fast) + codes(slow)
    with Vectorised([{"x": {"S": text}} for text in texts]) as page:
        (outcomes,) = page.run([expression])
    assert outcomes is not None
    assert [outcome.error for outcome in outcomes] == [None] * len(texts)
    assert [text for text, outcome in zip(texts, outcomes, strict=True) if outcome.fast] == codes(fast)


# java.time and SimpleDateFormat


@pytest.mark.parametrize("entry", rows(TAKEN_OVER), ids=str)
def test_a_pattern_of_java_time_taken_over(entry: Entry) -> None:
    text, _, here, said = entry.cells
    for meant in codes(here):
        compile_pattern(meant)
    if said.startswith("*error:*"):
        with pytest.raises(PatternError) as failed:
            compile_pattern(code(text))
        assert failed.value.message == said.removeprefix("*error:*").strip()
        return
    pattern = compile_pattern(code(text))
    warnings = [warning.message for warning in pattern.warnings]
    assert warnings == ([said.removeprefix("*warning:*").strip()] if said.startswith("*warning:*") else [])
    tried = re.findall(r"`([^`]+)` is (?:`([^`]+)`|refused)", said)
    assert tried or warnings or not said
    for one, as_ in tried:
        assert refused(pattern, one) if not as_ else instant(pattern, one) == as_


def compared(entry: Entry) -> tuple[str, str, str]:
    """Pattern, text and zone of a row."""
    named = re.fullmatch(r"`([^`]+)`(?: in `([^`]+)`)?", entry.cells[1])
    assert named is not None
    return code(entry.cells[0]), named[1], named[2] or "UTC"


@pytest.mark.parametrize("entry", rows(COMPARED), ids=str)
def test_what_is_read_here(entry: Entry) -> None:
    pattern, text, name = compared(entry)
    if entry.cells[4] == "*error*":
        assert refused(compile_pattern(pattern), text, zone(name))
    else:
        expected = parse_millis(None, code(entry.cells[4]), UTC, PIVOT_YEAR)
        assert parse_millis(compile_pattern(pattern), text, zone(name), PIVOT_YEAR) == expected


@pytest.mark.skipif(shutil.which("javac") is None, reason="there is no JDK to ask")
def test_what_java_reads() -> None:
    table = rows(COMPARED)
    questions = "".join("\t".join(compared(entry)) + "\n" for entry in table)
    command = ["java", str(ROOT / "tests" / "data" / "java_time" / "Read.java")]
    done = subprocess.run(command, input=questions, capture_output=True, text=True, check=True, timeout=120)
    answers = [tuple(line.split("\t")) for line in done.stdout.splitlines()]
    said = [tuple("error" if cell == "*error*" else code(cell) for cell in entry.cells[2:4]) for entry in table]
    assert [(compared(e), a) for e, a in zip(table, answers, strict=True)] == [
        (compared(e), s) for e, s in zip(table, said, strict=True)
    ]
