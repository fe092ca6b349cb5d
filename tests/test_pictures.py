"""The picture of explain at a terminal, docs/images/explain-terminal.svg: what the command shows today.

``pytest tests/test_pictures.py --update`` draws it anew, from a run against a server with the demo's tables. The test
compares what it says; how it is drawn is Rich's affair and differs from version to version.
"""

from __future__ import annotations

import html
import io
import re
from pathlib import Path

import cases
import pytest
import servers
from rich.console import Console
from rich.text import Text

pytest.importorskip("pty")

from processes import ESCAPE, terminals

from ddbetl.api import demo_client
from ddbetl.demo import data

PICTURE = servers.ROOT / "docs" / "images" / "explain-terminal.svg"
COMMAND = ("explain", "specs/anniversary_promo.ddbetl", "-p", "domain=Devo", "--sample", "100")
COLUMNS = 100

# As Rich draws it, but without fonts that would be fetched.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font: bold 18px system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def shown(folder: Path, endpoint: str) -> str:
    """What a terminal is shown by the command, with the command above it, and a port that is always the same."""
    with terminals(folder) as at:
        terminal = at(None, *COMMAND, "--endpoint-url", endpoint, columns=COLUMNS)
        assert terminal.end() == 0, terminal.written
    written = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:8000", terminal.written.replace("\r\n", "\n"))
    return f"$ ddbetl {' '.join(COMMAND)}\n{written.rstrip()}"


def drawn(written: str) -> str:
    """The picture of what is on a terminal."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), legacy_windows=False)
    console.print(Text.from_ansi(written), soft_wrap=True)
    svg = console.export_svg(title="ddbetl explain", code_format=FORMAT, unique_id="explain")
    return "\n".join(line.rstrip() for line in svg.split("\n"))


def said(picture: str) -> list[str]:
    """The lines of a picture's text, without its blanks."""
    lines: dict[float, str] = {}
    for y, text in re.findall(r'<text class="explain-r\d+" x="[^"]*" y="([^"]*)"[^>]*>([^<]*)</text>', picture):
        lines[float(y)] = lines.get(float(y), "") + html.unescape(text)
    return [said for _, line in sorted(lines.items()) if (said := "".join(line.split()))]


def test_the_picture_shows_what_the_command_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "demo")
    monkeypatch.setenv("AWS_REGION", servers.REGION)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with servers.start("ministack") as server:
        data.load(demo_client(server.endpoint_url))
        written = shown(servers.ROOT, server.endpoint_url)
    picture = drawn(written)
    lines = [line for whole in ESCAPE.sub("", written).split("\n") if (line := "".join(whole.split()))]
    assert said(picture) == lines
    if cases.UPDATE:
        PICTURE.write_text(picture, encoding="utf-8")
    found = PICTURE.read_text(encoding="utf-8")
    assert said(found) == lines, "(pytest --update draws it anew)"
    # Nothing is fetched by a page that shows it.
    assert "url(#" in found and not re.search(r"url\((?!#)|https?://(?!www\.w3\.org/2000/svg|127\.0\.0\.1)", found)
