"""The HTML page of explain: it is well formed, needs nothing else, and says what the JSON value says."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cases import Case, cases
from click.testing import CliRunner
from compiling import control_plane, plan

from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.plan import explain_html
from ddbetl.plan.explain_picture import LONGEST, _cells, _short
from ddbetl.plan.layout import rate
from ddbetl.plan.markup import joined, tag, text
from ddbetl.plan.time_calls import one_line

CASES = cases("explain")
# Elements that fetch, run or submit something.
ACTIVE = {"script", "link", "img", "image", "iframe", "object", "embed", "form", "a", "use", "base", "foreignobject"}


class Page(HTMLParser):
    """A page's elements and texts; an element that is not closed in its place is an error."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def check_harmless(page: str) -> Page:
    found = Page(page)
    assert page.startswith("<!doctype html>\n") and page.endswith("</html>\n")
    assert ACTIVE.isdisjoint(found.elements)
    for name, value in found.attributes:
        assert name not in ("src", "href", "xlink:href", "srcset", "action", "data") and not name.startswith("on")
        assert "url(" not in value or value == "url(#arrow)"
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_page_says_what_the_json_value_says(case: Case) -> None:
    found = plan(case)
    value = found.explain_json()
    page = check_harmless(found.explain_html())
    said = page.texts
    assert page.elements.count("svg") == 1
    for source in value["sources"]:
        assert source["table"] in said and source["budget"]["basis"] in said
        if source["budget"]["units_per_second"] is not None:
            assert rate(source["budget"]["units_per_second"]) in said
        if source["region"] is not None:
            assert any(one.startswith(source["region"]) for one in said)
        for part in ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"):
            assert source["request"].get(part, "") in page.text
    for column in value["columns"]:
        for part in (column["name"], one_line(column["expression"]), column["type"], column["how"]):
            assert part in said
    if value["where"] is not None:
        assert one_line(value["where"]["text"]) in said
    if value["target"] is not None:
        assert value["target"]["table"] in said and value["target"]["action"] in said
        assert value["target"]["budget"]["basis"] in said
    for warning in value["warnings"]:
        assert {warning["code"], warning["message"], warning["hint"] or warning["code"]} <= {*said}
    for call in value["time_calls"]:
        assert one_line(call["call"]) in said
    assert all(assumption in page.text for assumption in value["estimate"]["assumptions"])
    if value["estimate"]["limit"] is not None:
        assert value["estimate"]["limit"]["reason"] in said
    for charge in value["estimate"]["charges"]:
        assert charge["table"] in said


def test_the_estimate_is_that_of_the_text() -> None:
    found = plan(next(case for case in CASES if case.path.stem == "star"))
    text, said = found.explain(), Page(found.explain_html()).texts
    for number in ("2,000,000", "150,708", "3,205,633", "$1.27", "$2.02", "8 min 20 s", "13 min 21 s"):
        assert number in text and number in said


HOSTILE = '</title><script>alert("1")</script><!-- \' & \x1b[31m \u202e'


def hostile(value: Any) -> Any:
    """A JSON value with the same text in the place of all of them."""
    match value:
        case str():
            return HOSTILE
        case list():
            return [hostile(inner) for inner in value]
        case dict():
            return {key: hostile(inner) for key, inner in value.items()}
        case _:
            return value


@pytest.mark.parametrize("case", CASES, ids=str)
def test_whatever_a_text_holds_is_no_markup(case: Case) -> None:
    value = plan(case).explain_json()
    value |= {"parameters": {HOSTILE: HOSTILE}, "lets": {HOSTILE: HOSTILE}}
    page = explain_html.page(hostile(value))
    found = check_harmless(page)
    assert "<script" not in page and "</script" not in page and "<!--" not in page
    assert "\x1b" not in page and "\u202e" not in page
    assert "<script>" in found.text and "\\u001b[31m" in found.text


def test_a_spec_with_markup_in_its_names() -> None:
    name = '"<script>alert(1)</script>"'
    spec = f"PARAM tag = '<b>&amp;'; SELECT a AS {name}, '<img src=x>' || tag AS b FROM Orders WHERE {name} = '</pre>'"
    with control_plane("Orders (OrderID S), 5 items, 5 bytes"):
        done = CliRunner().invoke(cli, ["explain", "--html", spec])
    assert done.exit_code == 0, done.output
    page = check_harmless(done.stdout)
    assert "b" not in page.elements
    for said in ("<script>alert(1)</script>", "'<img src=x>' || tag", "tag = <b>&amp;"):
        assert said in page.texts, said
    assert "</pre>" in page.text


def test_markup_is_escaped_once() -> None:
    inner = tag("b", "1 < 2 & 3", title='"quoted"')
    assert inner == '<b title="&quot;quoted&quot;">1 &lt; 2 &amp; 3</b>'
    assert tag("p", inner, " <i>", class_="x", data_none=None) == f'<p class="x">{inner} &lt;i&gt;</p>'
    assert joined(inner, "<") == f"{inner}&lt;"
    assert tag("meta", name="a") == '<meta name="a">'
    assert text("a\nb\tc") == "a\nb\\u0009c"


@pytest.mark.parametrize("said", ["short", "x" * 25, "CustomerTracker_Devo_NA_201605", "顧客追跡" * 8, "a" * 500, ""])
def test_a_line_of_the_picture_fits_its_box(said: str) -> None:
    short = _short(said)
    assert _cells(short) <= LONGEST
    assert (
        short == said if _cells(said) <= LONGEST else short.partition("…")[2] == said[-len(short.partition("…")[2]) :]
    )


# The command

TABLES = "Orders (OrderID S), 5 items, 5 bytes"


def explain(*args: str) -> Any:
    with control_plane(TABLES):
        return CliRunner().invoke(cli, ["explain", "SELECT * FROM Orders", *args])


def test_the_page_is_shown_or_written(tmp_path: Path) -> None:
    shown = explain("--html")
    assert shown.exit_code == 0 and shown.stderr == ""
    file = tmp_path / "plan.html"
    written = explain("--html", "-o", str(file))
    assert written.exit_code == 0 and written.stdout == ""
    assert written.stderr == f"Written to {file}.\n"
    assert file.read_text(encoding="utf-8") == shown.stdout


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "plan.html"
    file.write_text("mine")
    with control_plane(TABLES) as opened:
        done = CliRunner().invoke(cli, ["explain", "SELECT * FROM Orders", "--html", "-o", str(file)])
    assert done.exit_code == ExitCode.USAGE and "is there already, and is not overwritten" in done.stderr
    assert file.read_text() == "mine" and opened == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--json", "--html"], "three forms of one page"),
        (["--verbose", "--json"], "three forms of one page"),
        (["-o", "x.html"], "-o is for the page of --html"),
    ],
)
def test_forms_that_exclude_each_other(args: list[str], said: str) -> None:
    done = explain(*args)
    assert done.exit_code == ExitCode.USAGE and said in done.stderr


def test_the_verbose_page_begins_with_the_page() -> None:
    page, verbose = explain().stdout, explain("--verbose").stdout
    assert verbose.startswith(page.rstrip("\n")) and "\nSTATEMENT  " in verbose and "STATEMENT" not in page
