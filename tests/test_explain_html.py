"""The HTML page of explain: it is well formed, needs nothing else, and says what the JSON value says."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from cases import Case, cases
from click.testing import CliRunner
from compiling import control_plane, plan

from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.plan import explain_html, explain_target
from ddbetl.plan.explain_picture import LONGEST, _cells, _short
from ddbetl.plan.explain_style import STYLE
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
        assert "url(" not in value
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_page_says_what_the_json_value_says(case: Case) -> None:
    found = plan(case)
    value = found.explain_json()
    page = check_harmless(found.explain_html())
    said = page.texts
    assert page.elements.count("svg") == 2
    for source in value["sources"]:
        assert source["table"] in said and source["budget"]["basis"] in said
        if source["budget"]["units_per_second"] is not None:
            assert rate(source["budget"]["units_per_second"]) in said
        if source["region"] is not None:
            assert any(one.startswith(source["region"]) for one in said)
        for part in ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"):
            assert source["request"].get(part, "") in page.text
    for column in value["columns"]:
        type_ = "any type" if column["type"] == "ANY" else column["type"]
        for part in (column["name"], one_line(column["expression"]), type_, column["how"]):
            assert part in said
    if value["where"] is not None:
        assert one_line(value["where"]["text"]) in said
    if value["target"] is not None:
        assert value["target"]["table"] in said and value["target"]["action"] in said
        assert value["target"]["budget"]["basis"] in page.text
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


def tiles(page: str) -> dict[str, tuple[str, str]]:
    """The tiles at the head of the page: what each says, and below it."""
    found = re.findall(r'<div class="tile[^"]*"><span>(.*?)</span><strong>(.*?)</strong><span[^>]*>(.*?)</span>', page)
    return {unescape(name): (unescape(said), unescape(below)) for name, said, below in found}


def named(name: str) -> Any:
    return plan(next(case for case in CASES if case.path.stem == name))


def test_warnings_dollars_and_time_come_first() -> None:
    found = tiles(named("main_job").explain_html())
    assert list(found)[:3] == ["Warnings", "Dollars", "Time"]
    assert found["Warnings"] == ("1", "W0102") and found["Dollars"] == ("$4.06", "$0 to $4.80")
    # Nothing is known of it but its limits.
    assert found["Rows"] == ("≤ 6,500,000", "0 to 6,500,000")
    assert found["Write units"] == ("6,500,000", "0 to 7,687,012")
    assert "Warnings" not in tiles(named("star").explain_html())
    assert tiles(named("main_job_offline").explain_html()).keys() <= {"Warnings"}


def test_dollars_that_are_not_known_say_why() -> None:
    found = named("no_prices")
    why = {charge["why"] for charge in found.explain_json()["estimate"]["charges"]} - {None}
    assert why
    assert tiles(found.explain_html())["Dollars"] == ("not known", "; ".join(why))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_happens_to_items_and_rows_is_said_as_at_a_terminal(case: Case) -> None:
    found = plan(case)
    if found.physical.write is None:
        return
    said = Page(found.explain_html()).texts
    lines = dict(explain_target.lines(found.physical.write, found.sites))
    for label in ("an existing item", "a missing item"):
        if label in lines:
            words = lines[label].removesuffix(", and the row is skipped")
            assert said[said.index(label.capitalize()) + 1].removesuffix(", and the row is skipped") == words
    if lines["collisions"].startswith("are counted"):
        assert said[said.index("Collisions") + 1].startswith("are counted")
    (failing,) = re.findall(r"^  a failing row +(.*)$", found.explain(width=120), re.M)
    assert said[said.index("A failing row") + 1] == failing


def test_a_warning_quotes_its_line_which_stands_out_in_the_spec() -> None:
    found = named("main_job")
    (warning,) = found.explain_json()["warnings"]
    assert warning["line"] == 8 and warning["text"] == found.physical.logical.source.line(8)
    page = found.explain_html()
    assert f"<pre>{warning['text'].strip()}</pre>" in page
    (marked,) = re.findall(r"<mark>(.*?)</mark>", page)
    assert marked == f'<span class="quiet"> 8  </span>{text(warning["text"])}'
    (spec,) = re.findall(r'<pre class="spec">(.*?)</pre>', page, re.DOTALL)
    lines = Page(spec).text.replace("\n", "")
    assert all(line in lines for line in found.physical.logical.source.text.split("\n"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_reader_who_does_not_see_finds_the_way(case: Case) -> None:
    page = plan(case).explain_html()
    found = Page(page)
    for landmark in ("header", "main", "footer", "h1"):
        assert found.elements.count(landmark) == 1
    names = re.findall(r'<section aria-labelledby="(.*?)"><h2 id="(.*?)">(.*?)</h2>', page)
    assert len(names) == found.elements.count("section") == len({one for one, _, _ in names})
    assert all(one == other == title.lower() for one, other, title in names)
    # Nothing is only a title, nothing is only a picture.
    assert not re.search(r"</h2></section>", page)
    assert page.count("<svg ") == page.count('role="img"')
    assert page.count("<svg ") == len(re.findall(r"<svg [^>]*><title>[^<]", page))
    for head in re.findall(r"<thead>(.*?)</thead>", page):
        assert re.findall(r"<th([ >][^>]*)", head) and all(
            'scope="col"' in th for th in re.findall(r"<th( [^>]*)", head)
        )
    for body in re.findall(r"<tbody>(.*?)</tbody>", page):
        assert body.count("<tr>") == body.count('<th scope="row"')


def test_texts_can_be_read_on_what_is_behind_them() -> None:
    """WCAG 2.2, 1.4.3: a contrast of at least 4.5."""
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w{6});", block)) for block in re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    )
    assert light.keys() == dark.keys()
    behind = {
        "page": ("text", "quiet"),
        "card": ("text", "quiet", "read", "compute", "write", "target"),
        "warned": ("text", "warning", "hint", "quiet"),
    }
    for colours in (light, dark):
        for below, texts in behind.items():
            for one in texts:
                assert contrast(colours[one], colours[below]) >= 4.5, (one, below, colours)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as ``#rrggbb``, of at least 1."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_black_on_white_has_the_greatest_contrast() -> None:
    assert round(contrast("#000000", "#ffffff"), 3) == 21 and contrast("#123456", "#123456") == 1


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
