"""The documentation, executed: every spec compiles, every expression gives what is said, every screen is a real one.

What a page means is said by its blocks and tables:

============================ ======================================================================================
a block ``sql``              a spec, or a part of one, which is completed; it compiles offline. Arguments stand in a
                             line ``-- ddbetl check FILE ARGUMENTS``. One that begins with ``-- name.ddbetl`` is a file
                             of the page's screens
a block ``text`` after one   what is said of that spec: its errors, its warnings
a block ``console``          a terminal: ``$ command`` and what it prints. The commands of a page run one after the
                             other, in one folder, against the server of ``ddbetl demo --keep``. A line ``…`` stands for
                             any lines
a block ``sh``               commands, not run: they exist, and their options do
a block ``python``           a session (``>>>``), which is run and compared, or a program, which is run
a table ``expression``       expressions and their results, for the item of the third column, by both evaluators
a table ``SELECT``           SELECT lists and the row that they make of the item in the table's head
a table ``not yet``          specs of the language that this version refuses
============================ ======================================================================================

``pytest --update`` rewrites the screens. What differs from run to run (ports, times, rates) is not compared.
"""

from __future__ import annotations

import codecs
import contextlib
import doctest
import json
import os
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import cases
import click
import pytest
from vectorised import Vectorised, compiled, reference

import ddbetl
from ddbetl.cli import reference as reference_pages
from ddbetl.cli.commands import cli
from ddbetl.codes import CODES
from ddbetl.diagnostics import render
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure
from ddbetl.errors import RowError, SpecError
from ddbetl.functions.comparison import same_value
from ddbetl.functions.model import RowContext
from ddbetl.functions.registry import FUNCTIONS
from ddbetl.plan.catalog import Connection
from ddbetl.plan.options import CONNECTION_OPTIONS, JOB_OPTIONS
from ddbetl.plan.traffic import Traffic
from ddbetl.plan.typer import CASTS
from ddbetl.syntax.literals import UNITS
from ddbetl.types import Timestamp, Type, Value, type_of

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
SPECS = ROOT / "specs"
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md")))

# Written by ddbetl.cli.reference, and compared with it by another test.
GENERATED = tuple(DOCS / name for name in reference_pages.PAGES)

# The card of the project: its spec stands as it is, without a line that says how to check it.
MAIN_JOB = "anniversary_promo.ddbetl"
MAIN_ARGUMENTS = ("-p", "domain=Devo")


# Pages and their parts


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its lines, and the number of the line that opens it, from 1."""

    page: Path
    line: int
    language: str
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of a table under its head, each a tuple of cells."""

    page: Path
    line: int
    head: tuple[str, ...]
    cells: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


_FENCE = re.compile(r"^(```+)([a-z]*)\s*$")


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    """The blocks of a page as it was when it was first looked at: ``--update`` may change it meanwhile."""
    return tuple(read_blocks(page))


def read_blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    fence, language, start = "", "", 0
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
        opened = _FENCE.match(line)
        if fence:
            if line.strip() == fence:
                found.append(Block(page, start, language, tuple(lines)))
                fence = ""
            else:
                lines.append(line)
        elif opened is not None:
            fence, language, start, lines = opened[1], opened[2], number, []
    assert not fence, f"{page}:{start}: this block is not closed"
    return found


def prose(page: Path) -> list[tuple[int, str]]:
    """The numbered lines outside of blocks."""
    inside = {n for b in blocks(page) for n in range(b.line, b.line + len(b.lines) + 2)}
    lines = page.read_text(encoding="utf-8").split("\n")
    return [(number, line) for number, line in enumerate(lines, 1) if number not in inside]


def entries(page: Path) -> list[Entry]:
    """The rows of all tables."""
    found: list[Entry] = []
    head: tuple[str, ...] | None = None
    for number, line in prose(page):
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = _cells(line)
        elif not re.fullmatch(r"[|\s:-]+", line):
            found.append(Entry(page, number, head, _cells(line)))
    return found


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1])


def code(cell: str) -> str:
    """The text between a cell's backticks."""
    found = re.fullmatch(r"(`+) ?(.*?) ?\1", cell)
    assert found is not None, f"{cell!r} is not code"
    return found[2]


def of_language(language: str) -> list[Block]:
    return [block for page in PAGES for block in blocks(page) if block.language == language]


def tables(first: str) -> list[Entry]:
    """The rows of the tables whose head begins so."""
    return [entry for page in PAGES for entry in entries(page) if entry.head[0].startswith(first)]


def test_the_pages_are_read_as_they_are_written(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a [b](c)\n```sql\nSELECT 1\n```\n| x | y |\n|---|---|\n| `a \\|\\| b` | 2 |\n\n```\nz\n```\n")
    first, second = blocks(page)
    assert (first.line, first.language, first.lines, second.lines) == (2, "sql", ("SELECT 1",), ("z",))
    (entry,) = entries(page)
    assert (entry.line, entry.head, entry.cells) == (7, ("x", "y"), ("`a || b`", "2"))
    assert [code("`a || b`"), code("`` `a` ``")] == ["a || b", "`a`"]
    assert (1, "a [b](c)") in prose(page) and not [line for _, line in prose(page) if "SELECT" in line]


def test_every_language_of_a_block_means_something() -> None:
    known = {"", "console", "json", "python", "sh", "sql", "text"}
    assert [str(b) for page in PAGES for b in blocks(page) if b.language not in known] == []


# Links


_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def links(page: Path) -> list[tuple[int, str]]:
    return [(number, target) for number, line in prose(page) for target in _LINK.findall(re.sub(r"`[^`]*`", "", line))]


def anchors(page: Path) -> set[str]:
    """The places of a page that a link can name: its headings, as GitHub names them, and its own anchors."""
    found = set()
    for _, line in prose(page):
        found |= set(re.findall(r'<a id="([^"]+)">', line))
        if heading := re.match(r"#+ (.*)", line):
            plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1]).replace("`", "").strip().lower()
            found.add(re.sub(r"[^\w\- ]", "", plain).replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for number, target in links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(f"{page.relative_to(ROOT)}:{number}: {target}")
    assert broken == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        waiting += [
            (page.parent / target.partition("#")[0]).resolve()
            for _, target in links(page)
            if not re.match(r"[a-z]+:", target) and target.partition("#")[0]
        ]
    assert [str(page) for page in PAGES if page not in seen] == []


# Specs


def completed(text: str) -> str:
    """A whole spec of a part of one: a clause, a SELECT list, declarations, a name with parameters."""
    used = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text))
    undeclared = [name for name in used if not re.search(rf"\bPARAM\s+{name}\b", text)]
    return "".join(f"PARAM {name} = '{name}';\n" for name in undeclared) + _with_statement(text)


def _with_statement(text: str) -> str:
    bare = re.sub(r"--[^\n]*|/\*.*?\*/", "", text, flags=re.DOTALL).strip()
    first = bare.split(None, 1)[0].upper() if bare else ""
    if first in ("WHERE", "LIMIT", "WITH", "EXCLUDE"):
        return f"SELECT * FROM Orders\n{text}"
    if first == "ON":
        return f"INSERT INTO Copy SELECT * FROM Orders\n{text}"
    if first == "FROM":
        return f"SELECT *\n{text}"
    if first in ("PARAM", "LET") and not re.search(r"\bSELECT\b", bare):
        return f"{text}\nSELECT * FROM Orders"
    if re.search(r"\bSELECT\b", bare) and not re.search(r"\bFROM\b", bare):
        return f"{text}\nFROM Orders"
    return text


def arguments(text: str) -> dict[str, Any]:
    """What a spec's own line ``-- ddbetl check FILE ARGUMENTS`` adds to it, as ``ddbetl.check`` takes it."""
    said = re.search(r"^-- ddbetl check (.*)$", text, flags=re.MULTILINE)
    if said is None:
        return {}
    file, *words = shlex.split(said[1])
    # Beside a spec of the folder are the Python files that it uses.
    return parsed(words) | ({"name": str(ROOT / file)} if (ROOT / file).exists() else {})


def program() -> click.Context:
    """What stands above a command: a command that is parsed without it would forget -h for good."""
    return click.Context(cli, info_name="ddbetl", **cli.context_settings)


def parsed(words: Sequence[str]) -> dict[str, Any]:
    command = cli.commands["check"]
    given = command.make_context("check", ["SPEC", *words], parent=program()).params
    connection = {name: given[name] for name in ("region", "profile", "endpoint_url")}
    return {
        "params": dict(given["param"]),
        "lets": given["let"],
        "options": given["with_"],
        "into": given["into"],
        "on_conflict": given["on_conflict"],
        **connection,
    }


def said_of(text: str, **given: Any) -> str:
    """The errors or the warnings of a spec, as a terminal shows them."""
    try:
        plan = ddbetl.check(text, **{"name": "promo.ddbetl", **given})
    except SpecError as error:
        return render(error.source, error.diagnostics)
    return render(plan.source, plan.warnings)


# A block with … is the form of a spec, not a spec.
@pytest.mark.parametrize("block", [block for block in of_language("sql") if "…" not in block.text], ids=str)
def test_a_spec_of_a_page_compiles(block: Block) -> None:
    following = next((b for b in blocks(block.page) if b.line == block.line + len(block.lines) + 3), None)
    expected = following.text if following is not None and following.language == "text" else ""
    text = completed(block.text)
    assert text.startswith(block.text) or not expected, f"{block}: an error's place is its place in the block"
    found = said_of(text, **arguments(text))
    if cases.UPDATE and expected and found and found != expected:
        whole = block.page.read_text(encoding="utf-8")
        pair = f"```sql\n{block.text}\n```\n\n```text\n"
        assert whole.count(pair + expected) == 1
        block.page.write_text(whole.replace(pair + expected, pair + found), encoding="utf-8")
        cases.UPDATED.add(block.page)
        return
    assert found == expected


def test_parts_of_specs_are_completed() -> None:
    assert completed("WHERE a = 1") == "SELECT * FROM Orders\nWHERE a = 1"
    assert completed("-- from here\nLET a = 1;") == "-- from here\nLET a = 1;\nSELECT * FROM Orders"
    assert completed("SELECT a") == "SELECT a\nFROM Orders"
    assert completed("LET a = 1; SELECT a AS b FROM c") == "LET a = 1; SELECT a AS b FROM c"
    assert completed("FROM a_${b}") == "PARAM b = 'b';\nSELECT *\nFROM a_${b}"
    assert said_of(completed("WHERE a = 'x' + 1")).startswith("error[E0303]")


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.ddbetl")), ids=lambda p: p.name)
def test_a_spec_of_the_folder_compiles(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.name == MAIN_JOB:
        given = parsed(MAIN_ARGUMENTS)
    else:
        assert f"-- ddbetl check specs/{path.name}" in text, "say how to check it, with its parameters"
        given = arguments(text)
    assert said_of(text, **given) == ""


def test_every_spec_of_the_folder_is_on_a_page() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    files = [path.name for path in SPECS.iterdir() if path.is_file()]
    assert [name for name in files if not any(name in text for text in texts)] == []
    assert {Path(name).suffix for name in files} == {".ddbetl", ".py"}


# Expressions


def item_of(cell: str) -> dict[str, Any]:
    item: dict[str, Any] = json.loads(code(cell)) if cell else {}
    return item


def constant(text: str) -> Value:
    value = reference(compiled(text), {})
    assert not isinstance(value, RowError), text
    return value


# The examples of the functions themselves are executed where the functions are tested.
@pytest.mark.parametrize("entry", [e for e in tables("expression") if e.page not in GENERATED], ids=str)
def test_an_expression_gives_what_the_page_says(entry: Entry) -> None:
    assert entry.head[1].startswith("result")
    expression = compiled(code(entry.cells[0]))
    item = item_of(entry.cells[2]) if len(entry.cells) > 2 and entry.head[2] == "item" else {}
    found = reference(expression, item)
    if entry.cells[1].startswith("*error:*"):
        assert isinstance(found, RowError), f"{found!r}"
        assert found.message == entry.cells[1].removeprefix("*error:*").strip()
    else:
        assert not isinstance(found, RowError), found
        expected = constant(code(entry.cells[1]))
        assert type_of(found) is type_of(expected) and same_value(found, expected), f"{found!r}"
    with Vectorised([item]) as page:
        (outcomes,) = page.run([expression])
    if outcomes is not None and outcomes[0].fast:
        assert not isinstance(found, RowError) and same_value(outcomes[0].vectorised, found)


@pytest.mark.parametrize("entry", tables("`SELECT"), ids=str)
def test_a_select_list_makes_the_row_that_the_page_says(entry: Entry) -> None:
    item = json.loads(re.findall(r"`(\{.*\})`", entry.head[1])[0])
    plan = ddbetl.check(f"SELECT {code(entry.cells[0])} FROM Orders").physical
    found = RowEvaluator(plan.transform, ()).row(json.dumps(item).encode(), RowContext("Orders", Timestamp(0)))
    match found:
        case Row(item=row):
            assert json.loads(row) == json.loads(code(entry.cells[1]))
        case RowFailure(code=failure, message=message):
            assert f"*error:* {failure} {message}" == entry.cells[1]
        case Filtered():
            pytest.fail("there is no WHERE")


@pytest.mark.parametrize("entry", tables("not yet"), ids=str)
def test_what_is_not_there_yet_is_refused(entry: Entry) -> None:
    with pytest.raises(SpecError) as refused:
        ddbetl.check(completed(code(entry.cells[1])))
    assert "E0601" in {diagnostic.code for diagnostic in refused.value.diagnostics}


# The reference of the language is complete


LANGUAGE = DOCS / "language.md"


def test_the_options_are_all_there_and_no_other() -> None:
    said = {code(e.cells[0]): e.cells[-1] for e in entries(LANGUAGE) if e.head[0] == "option"}
    kinds = (*JOB_OPTIONS, *CONNECTION_OPTIONS)
    assert set(said) == {kind.name for kind in kinds}
    assert {name for name, note in said.items() if "not there yet" in note} == {
        kind.name for kind in kinds if kind.read is None
    }


def test_the_types_units_and_casts_are_all_there() -> None:
    text = LANGUAGE.read_text(encoding="utf-8")
    assert {code(e.cells[0]) for e in entries(LANGUAGE) if e.head[0] == "type"} == {str(type_) for type_ in Type}
    units = next(e for e in entries(LANGUAGE) if e.cells[0] == "duration").cells[1]
    assert {unit for unit in UNITS.values() if unit not in units} == set()
    (casts,) = re.findall(r"^`CAST` makes (.*)\.$", text, flags=re.MULTILINE)
    assert set(re.findall(r"`([A-Z ]+)`", casts)) == set(CASTS)


def test_the_functions_are_all_named() -> None:
    named = set(
        re.findall(r"`([a-z0-9_]+)`", " ".join(e.cells[1] for e in entries(LANGUAGE) if e.head[0] == "functions"))
    )
    assert named == {function.name for function in FUNCTIONS}


def test_a_code_that_a_page_names_exists() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES if page not in GENERATED]
    named = {found for text in texts for found in re.findall(r"\b[EWR]0\d{3}\b", text)}
    assert named - set(CODES) == set()


_PATH = re.compile(r"`((?:ddbetl|docs|grammar|specs|tests)/[\w./-]*)`")


def test_a_file_that_a_page_names_exists() -> None:
    named = {found for page in PAGES for found in _PATH.findall(page.read_text(encoding="utf-8"))}
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_the_map_of_modules_is_right() -> None:
    rows = [e for e in entries(DOCS / "architecture.md") if e.head[0] == "module"]
    named = {code(e.cells[0]) for e in rows}
    assert {name for name in named if not (ROOT / name).exists()} == set()
    modules = [p.relative_to(ROOT).as_posix() for p in (ROOT / "ddbetl").rglob("*.py") if p.name != "__init__.py"]
    missing = {m for m in modules if not any(m == n or (n.endswith("/") and m.startswith(n)) for n in named)}
    assert missing == set(), "a module, or the folder that it is in, has a line in the map"


# Commands that are shown, not run


OTHER_PROGRAMS = {".", "cd", "export", "git", "head", "pip", "python"}


def commands(block: Block) -> list[list[str]]:
    text = re.sub(r"\\\n", " ", block.text)
    return [words for line in text.split("\n") if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize("block", of_language("sh"), ids=str)
def test_a_command_of_a_page_exists(block: Block) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for words in commands(block):
        if words[0] == "ddbetl":
            check_options(words[1:])
        elif words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            assert targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets), words
        else:
            assert words[0] in OTHER_PROGRAMS, words


def check_options(words: list[str]) -> None:
    """Parse the arguments of ddbetl as it does itself; raises UsageError."""
    if words in (["--help"], ["--version"]):
        return
    command = cli.commands[words[0]]
    with contextlib.suppress(click.exceptions.Exit):
        command.make_context(words[0], words[1:], parent=program())


def test_an_option_that_does_not_exist_is_seen() -> None:
    with pytest.raises(click.UsageError):
        check_options(["run", "x.ddbetl", "--resumed"])


# Screens


WIDTH = 100
# A prompt of the demo's last step, after which it waits.
KEPT = "until you press Ctrl-C"
# What differs from run to run, and what is compared in its place.
VARYING = (
    (r"(http://)?\b127\.0\.0\.1:\d+", "ENDPOINT"),
    (r"\b\d{8}-\d{6}-[0-9a-f]{4}\b", "JOB"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", "CREATED"),
    (r'(?<="time": )"[^"]+"', "NOW"),
    (r"\bsent \d+ bytes", "sent N bytes"),
    (r"\b(process|kill) \d+", r"\1 PID"),
    (r"(?<=Done in )[^,:]+", "TIME"),
    # How far a job is that was stopped in the middle.
    (r"^(JOB\s+(?:running|interrupted|failed|killed)\s+\S+\s+\S+) .*", r"\1 SO FAR"),
    (r"^(JOB .*) (?:just now|\d+ .* ago) .*", r"\1 AGO"),
    (r"^(Interrupted after|Stopped after) .*", r"\1 SO FAR"),
    (r"^error: [\d,]+ of [\d,]+ rows were rejected", "error: N of N rows were rejected"),
    (r"^[\d,]+ more rows? of unfinished", "N more rows of unfinished"),
    (r"[\d.]+ s\b", "TIME"),
    # Where nothing was written, these are tries: as many as had been sent when the first answers said that all is there.
    (r"(?<=read units, )[\d,.]+ write units; [\d,]+ items/s read, 0 written", "RATE"),
    (r"[\d,]+ items/s read, [\d,]+ written", "RATE"),
    # The last column of a run's summary: seconds.
    (r"(?<=\d) +[\d,]+\.\d$", " SECONDS"),
    (r'"(seconds|rate)": [\d.]+', r'"\1": N'),
)
# Lines that come or do not come, as the machine is fast or slow.
SOMETIMES = re.compile(
    r"^\d[\d:]* .*[\d,]+ read, [\d,]+ filtered out, "
    r"|^ *the write budget was the limit|^ *[\d,]+ requests had to be repeated"
)


# What no screen should show: a bug.
BROKEN = re.compile(r"^Traceback|a bug in ddbetl", re.MULTILINE)


def comparable(line: str) -> str:
    for pattern, name in VARYING:
        line = re.sub(pattern, name, line)
    return re.sub(r"  +", "  ", line).rstrip()


def without_chance(lines: Sequence[str]) -> list[str]:
    return [comparable(line) for line in lines if not SOMETIMES.match(line)]


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a screen, the number of its first line within the block, and the lines that it prints."""

    command: str
    at: int
    lines: tuple[str, ...]


def shown(block: Block) -> list[Shown]:
    found: list[Shown] = []
    command, at, lines = "", 0, []
    number = 0
    while number < len(block.lines):
        line = block.lines[number]
        number += 1
        if not line.startswith("$ "):
            lines.append(line)
            continue
        if command:
            found.append(Shown(command, at, tuple(lines)))
        command, lines = line.removeprefix("$ "), []
        while command.endswith("\\"):
            command = command.removesuffix("\\") + " " + block.lines[number].strip()
            number += 1
        at = number
    assert command, f"{block}: a screen begins with $ and a command"
    return [*found, Shown(command, at, tuple(lines))]


def agrees(said: Sequence[str], printed: Sequence[str]) -> bool:
    """Whether a screen shows what was printed; a line ``…`` stands for any lines, so also for none."""
    wanted, found = trimmed(without_chance(said)), trimmed(without_chance(printed))
    parts: list[list[str]] = [[]]
    for line in wanted:
        if line.strip() == "…":
            parts.append([])
        else:
            parts[-1].append(line)
    if len(parts) == 1:
        return parts[0] == found
    first, *middle, last = parts
    if len(first) + len(last) > len(found) or found[: len(first)] != first:
        return False
    end = len(found) - len(last)
    at = len(first)
    for part in middle:
        at = next((i + len(part) for i in range(at, end - len(part) + 1) if found[i : i + len(part)] == part), -1)
        if at < 0:
            return False
    return found[end:] == last


def trimmed(lines: Sequence[str]) -> list[str]:
    text = "\n".join(line.rstrip() for line in lines)
    return text.strip("\n").split("\n") if text.strip("\n") else []


def shortened(said: Sequence[str], printed: Sequence[str]) -> list[str]:
    """What was printed, cut as the screen is: up to the first ``…``, and again from the line that stands after it."""
    lines, old = trimmed(printed), trimmed(said)
    gaps = [number for number, line in enumerate(old) if line.strip() == "…"]
    if not gaps:
        return lines
    assert len(gaps) == 1, "a screen with several … is rewritten by hand"
    before, after = gaps[0], len(old) - gaps[0] - 1
    again = [comparable(line) for line in lines]
    anchor = comparable(old[before + 1]) if after else ""
    start = again.index(anchor, before) if anchor and anchor in again[before:] else max(before, len(lines) - after)
    return [*lines[:before], old[before], *lines[start:]]


def test_screens_are_compared_but_for_chance() -> None:
    printed = ["a  1", "b  2", "Done in 4 s: 7 items", "c", "", "0:00  100%  3 read, 0 filtered out, …"]
    assert agrees(["a  1", "…", "c"], printed) and agrees(["…"], printed) and agrees(printed[:4], printed)
    assert agrees(["…", "b   2", "Done in 9 min 2 s: 7 items", "…"], printed)
    assert not agrees(["a  1", "…", "d"], printed) and not agrees(printed[:3], printed)
    assert not agrees(["…", "Done in 4 s: 8 items", "…"], printed)
    assert not agrees(["a  1", "…", "a  1"], ["a  1"])
    assert shortened(["x", "…", "Done in 7 s: 7 items"], printed) == ["a  1", "…", *printed[2:]]
    assert shortened(["x", "…", "y"], printed) == ["a  1", "…", "0:00  100%  3 read, 0 filtered out, …"]
    block = Block(Path(), 1, "console", ("$ a \\", "    b", "x", "$ c"))
    assert [(s.command, s.at, s.lines) for s in shown(block)] == [("a  b", 2, ("x",)), ("c", 4, ())]


class Terminal:
    """A program on a terminal of its own, without colours and moving lines."""

    def __init__(self, command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
        import pty

        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environment, start_new_session=True
        )
        os.close(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.text = ""

    def read(self, until: str | None = None, answers: Sequence[str] = (), timeout: float = 120.0) -> str:
        """Read up to a text, or to the program's end, answering its questions."""
        waiting = list(answers)
        deadline = time.monotonic() + timeout
        while until is None or until not in self.text:
            if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self.close()
                pytest.fail(f"{self.process.args!r} says nothing more after\n{self.text}")
            if not self._take():
                self.process.wait(timeout=60)
                break
            if waiting and self.text.endswith("]: "):
                os.write(self._master, f"{waiting.pop(0)}\n".encode())
        return self.text

    def rest(self) -> str:
        """Read what else comes without a pause."""
        while select.select([self._master], [], [], 0.5)[0] and self._take():
            pass
        return self.text

    def _take(self) -> bool:
        """Read what is there; False at the end."""
        try:
            piece = os.read(self._master, 65536)
        except OSError:  # Linux's way of saying that the other side is closed
            piece = b""
        self.text = (self.text + self._decoder.decode(piece)).replace("\r\n", "\n")
        return bool(piece)

    def close(self) -> int:
        """End the program, if it has not ended, and give its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=20)
        if self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        os.close(self._master)
        return code


@dataclass(slots=True)
class Demo:
    """The server that ``ddbetl demo --keep`` leaves running: what it printed, and the settings that reach it."""

    text: str
    settings: dict[str, str]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    pytest.importorskip("pty")
    folder = tmp_path_factory.mktemp("demo")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"TERM": "dumb", "COLUMNS": str(WIDTH), "LINES": "50", "HOME": str(folder)}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    terminal = Terminal(["ddbetl", "demo", "--keep"], folder, environment)
    try:
        terminal.read(until=KEPT)
        text = terminal.rest()
        pasted = dict(re.findall(r"^ *export (\w+)=(\S+)$", text, flags=re.MULTILINE))
        assert pasted, f"the demo says no settings:\n{text}"
        settings = {name: shlex.split(value)[0] for name, value in pasted.items()}
        yield Demo(text, settings, environment | settings)
    finally:
        code = terminal.close()
    assert code == 0


def play(page: Path, demo: Demo, folder: Path) -> None:
    """Run the screens of a page from top to bottom and compare them, or rewrite them under ``--update``."""
    shutil.copytree(SPECS, folder / "specs")
    (folder / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "trouble.py", folder / "tests")
    last = 0
    lines = page.read_text(encoding="utf-8").split("\n")
    changes: list[tuple[int, int, list[str]]] = []
    wrong: list[str] = []
    for block in read_blocks(page):
        if block.language == "sql" and (name := re.match(r"-- (\w+\.ddbetl)$", block.lines[0])):
            (folder / name[1]).write_text(block.text + "\n", encoding="utf-8")
        if block.language != "console":
            continue
        for screen in shown(block):
            if screen.command == "ddbetl demo --keep":
                printed = demo.text
            else:
                # $? is the code of the command before.
                command = f"(exit {last}); {screen.command}"
                terminal = Terminal(["sh", "-c", command], folder, demo.environment)
                printed = terminal.read(answers=[said for line in screen.lines for said in _answers(line)])
                last = terminal.close()
            printed = printed.replace(f"{ROOT}{os.sep}", "")
            if not agrees(screen.lines, printed.split("\n")):
                start = block.line + screen.at
                changes.append((start, start + len(screen.lines), shortened(screen.lines, printed.split("\n"))))
                wrong.append(f"{page.relative_to(ROOT)}:{start}: $ {screen.command}\n{printed}")
    if wrong and (not cases.UPDATE or any(BROKEN.search(text) for text in wrong)):
        pytest.fail("\n\n".join(wrong) + "\n\n(pytest --update makes these the page's screens)", pytrace=False)
    for start, end, new in reversed(changes):
        lines[start:end] = new
    if changes:
        page.write_text("\n".join(lines), encoding="utf-8")
        cases.UPDATED.add(page)


def _answers(line: str) -> list[str]:
    """What a person typed after a question."""
    return re.findall(r"\[[yYnN]/[yYnN]\]: (\w+)$", line)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.language == "console" for block in blocks(page))],
    ids=lambda p: str(p.relative_to(ROOT)),
)
def test_the_screens_of_a_page_are_real(page: Path, demo: Demo, tmp_path: Path) -> None:
    play(page, demo, tmp_path)


# Python


def programs() -> list[Block]:
    return [block for block in of_language("python") if ">>>" not in block.text]


def sessions() -> list[Path]:
    return sorted({block.page for block in of_language("python") if ">>>" in block.text})


@pytest.mark.parametrize("block", programs(), ids=str)
def test_a_program_of_a_page_runs(block: Block, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", block.text], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", sessions(), ids=lambda p: str(p.relative_to(ROOT)))
def test_a_session_of_a_page_is_real(page: Path, demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in demo.settings.items():
        monkeypatch.setenv(name, value)
    shutil.copytree(SPECS, tmp_path / "specs")
    monkeypatch.chdir(tmp_path)
    texts = [block.text for block in blocks(page) if block.language == "python" and ">>>" in block.text]
    test = doctest.DocTestParser().get_doctest("\n\n".join(texts), {}, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False)
    report: list[str] = []
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)
    assert runner.tries > 0


# The schema of explain


def keys(value: Any, path: str = "") -> set[str]:
    """The paths of a JSON value: ``sources[].budget.basis``."""
    match value:
        case dict() if path not in FREE:
            return {path}.union(*(keys(part, f"{path}.{name}" if path else name) for name, part in value.items()))
        case list():
            return {path}.union(*(keys(part, f"{path}[]") for part in value))
        case _:
            return {path}


# Values whose names are the user's, or DynamoDB's.
FREE = {"parameters", "lets", "star.rename", "sources[].request", "sources[].queries"}


def test_the_schema_of_explain_is_the_documented_one(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in demo.settings.items():
        monkeypatch.setenv(name, value)
    spec = (SPECS / MAIN_JOB).read_text(encoding="utf-8")
    job = ddbetl.compile(spec, params={"domain": "Devo"}).explain_json()
    star = ddbetl.compile("SELECT * RENAME (Amount AS Total) FROM CustomerTracker_*").explain_json()
    made = "INSERT INTO Copy KEY (CustomerID, DateTime) SELECT * FROM CustomerTracker_Devo_NA_201605"
    new = ddbetl.compile(f"{made} WITH (billing = provisioned 5 rcu 5 wcu)").explain_json()
    # As if it were on AWS, slowly.
    slow = ddbetl.compile(f"{made} WITH (write = 1 wcu)").sample(10)
    away = {one: replace(site, endpoint="https://dynamodb.us-east-1.amazonaws.com") for one, site in slow.sites.items()}
    assert slow._answers is not None
    traffic = Traffic(unknown={Connection(): "nobody was asked"})
    sampled = replace(slow, sites=away, _answers=replace(slow._answers, traffic=traffic)).explain_json()
    assert job["warnings"] and star["star"] and star["where"] is None and star["target"] is None
    rows = [e for e in entries(DOCS / "explain.md") if e.head[0] == "key"]
    documented = {code(e.cells[0]) for e in rows}
    # An index is in no demo table, so its own path is only a list here.
    found = {path for path in keys(job) | keys(star) | keys(new) | keys(sampled) if path and not path.endswith("[]")}
    assert documented == found
    assert f'"ddbetl_explain": {job["ddbetl_explain"]}' in (DOCS / "explain.md").read_text(encoding="utf-8")
