"""Writing to the terminal, or to whatever stands in its place.

In: texts and rows. Out: standard output and standard error. Invariant: without a terminal there are no escape codes and
no line is cut; a reader that goes away ends the output, not the command.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

import click

from ddbetl.cli.exit_codes import ExitCode

# The narrowest and the widest page that texts are laid out for.
NARROWEST = 60
WIDEST = 120
# A label longer than this does not indent what follows.
LONGEST_LABEL = 20


def out(text: str = "") -> None:
    """Write a result."""
    _write(text, sys.stdout, err=False)


def out_spec(text: str) -> None:
    """Write the text of a spec: into a file or a pipe every character of it, in UTF-8, as specs are read, for it may
    have escape codes in a name; on a terminal these are shown, not obeyed."""
    _write(harmless(text) if is_terminal(sys.stdout) else text.encode(), sys.stdout, err=False)


def err(text: str = "") -> None:
    """Write a message."""
    _write(text, sys.stderr, err=True)


def complain(text: str) -> None:
    """Write a message in the form of diagnostics, coloured and wrapped where there is a terminal.

    It may quote an item or a server: what a terminal would obey is escaped, line breaks are kept.
    """
    err(painted(harmless(text), width(sys.stderr)))


def _write(text: str | bytes, stream: IO[str], err: bool) -> None:
    try:
        click.echo(text, err=err)
    except OSError as error:
        # The reader has seen enough (``| head``), the terminal is gone, or there is no place for messages, which is no
        # reason to end what they are about: whatever follows goes nowhere.
        with suppress(OSError, ValueError):
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, stream.fileno())
            os.close(sink)
        if not err and error.errno not in (errno.EPIPE, errno.EIO):
            complain(f"error: standard output: {error.strerror}")
            raise click.exceptions.Exit(ExitCode.FAILED) from None


def is_terminal(stream: IO[str] | None) -> bool:
    """Tell whether a person may be looking at the stream, or typing into it."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def draws(stream: IO[str]) -> bool:
    """Tell whether lines can be drawn over on the stream."""
    return is_terminal(stream) and os.environ.get("TERM") != "dumb"


def colours(stream: IO[str]) -> bool:
    """Tell whether the stream shows colours: on a terminal, unless NO_COLOR or --no-color forbid it."""
    context = click.get_current_context(silent=True)
    if context is not None and context.color is not None:
        return context.color
    return draws(stream)


def width(stream: IO[str] | None = None) -> int | None:
    """The columns of the terminal behind a stream; None where there is no terminal and no reason to cut."""
    if not is_terminal(stream if stream is not None else sys.stdout):
        return None
    return max(shutil.get_terminal_size().columns, NARROWEST)


def page_width(stream: IO[str] | None = None) -> int:
    """The columns for text that is wrapped: the terminal's, up to a readable length."""
    return min(width(stream) or 100, WIDEST)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. ``least``: the cells to which it may be cut so that the table fits the terminal; None: it
    may not. ``middle``: it is cut there, as names are whose ends differ. ``spare``: left out where that is not
    enough."""

    title: str
    right: bool = False
    least: int | None = None
    middle: bool = False
    spare: bool = False


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], last: Sequence[str] = (), indent: str = "") -> str:
    """Lay out rows under titles, and a last row of totals under a line.

    Fits the terminal by cutting the widest columns that may be cut, and leaving out the last ones that may be; without
    a terminal nothing is cut.
    """
    body = [list(row) for row in (*rows, *([last] if last else []))]
    widths = [max(cells(text) for text in (column.title, *column_of(body, i))) for i, column in enumerate(columns)]
    limit = width()
    if limit is not None:
        room = limit - len(indent) - 2 * (len(columns) - 1)
        narrowest = sum(min(size, column.least or size) for size, column in zip(widths, columns, strict=True))
        spare = [i for i, column in enumerate(columns) if column.spare]
        if narrowest > room and spare:
            kept = [i for i in range(len(columns)) if i != spare[-1]]
            rest = [[row[i] for i in kept] for row in rows]
            return table([columns[i] for i in kept], rest, [last[i] for i in kept] if last else (), indent)
        while sum(widths) > room:
            cuttable = [i for i, column in enumerate(columns) if column.least is not None and widths[i] > column.least]
            if not cuttable:
                break
            widths[max(cuttable, key=lambda i: widths[i])] -= 1

    def line(texts: Sequence[str]) -> str:
        aligned = [
            pad((shorten if column.middle else start_of)(text, size), size, column.right)
            for text, size, column in zip(texts, widths, columns, strict=True)
        ]
        return (indent + "  ".join(aligned)).rstrip()

    titles = line([column.title for column in columns])
    lines = [click.style(titles, dim=True)] if titles.strip() else []
    lines += [line(row) for row in body]
    if last:
        total = lines.pop()
        lines += [click.style(indent + "─" * (sum(widths) + 2 * (len(widths) - 1)), dim=True)]
        lines += [click.style(total, bold=True)]
    return "\n".join(lines)


def column_of(rows: Sequence[Sequence[str]], number: int) -> list[str]:
    return [row[number] for row in rows]


def shorten(text: str, size: int) -> str:
    """Cut a text to so many terminal cells, in the middle; two thirds are its end, where names of a family differ."""
    if cells(text) <= size:
        return text
    tail = first_cells(text[::-1], (size - 1) * 2 // 3)[::-1]
    return first_cells(text, size - 1 - cells(tail)) + "…" + tail


def start_of(text: str, size: int) -> str:
    """Cut a text to so many terminal cells, at its end."""
    return text if cells(text) <= size else first_cells(text, size - 1) + "…"


def first_cells(text: str, size: int) -> str:
    """The beginning of a text that fits into so many terminal cells."""
    used = 0
    for position, character in enumerate(text):
        used += cells(character)
        if used > size:
            return text[:position]
    return text


def pad(text: str, size: int, right: bool = False) -> str:
    """Fill a text up with spaces to so many terminal cells."""
    blank = " " * (size - cells(text))
    return blank + text if right else text + blank


def cells(text: str) -> int:
    """The number of terminal cells that a text takes, as most terminals draw it."""
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf")
        else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )


def visible(text: str) -> str:
    """A text of somebody's data on one line, with nothing in it that a terminal would obey."""
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def harmless(text: str) -> str:
    """The same for a text of several lines."""
    return "\n".join(visible(line) for line in text.split("\n"))


def json_text(value: object, *, indent: int | None = 2) -> str:
    """A value as JSON; without ``indent`` on one line. What a terminal would obey is escaped, and means the same."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, indent=indent, ensure_ascii=False, separators=separators)
    return "\n".join(line if line.isprintable() else _json_escaped(line) for line in text.split("\n"))


def _json_escaped(text: str) -> str:
    """JSON in which the characters that are not printable are escaped, as two where they are beyond U+FFFF."""
    return "".join(c if c.isprintable() else "\\u007f" if c == "\x7f" else json.dumps(c)[1:-1] for c in text)


def fitted(text: str) -> str:
    """A sentence on the lines that it takes at this terminal; without one it stays whole."""
    size = width()
    return text if size is None else wrapped("", text, size, indent="  ")


def _escaped(character: str) -> str:
    return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\u{ord(character):04x}")


# The parts of a rendered diagnostic; whatever a spec's own line holds comes after its number and bar.
_HEADLINE = re.compile(r"^(error|warning)(\[\w+\])?: (.*)$")
_CARETS = re.compile(r"^( *\| *)(\^+|-+)(.*)$")
_HEADING = re.compile(r"^([A-Z]{4,})((?:  .*)?)$")
_HINT = re.compile(r"^ *= ")
_MARGIN = re.compile(r"^( *(?:-->|\d* *\||=))(.*)$")


def painted(text: str, size: int | None = None) -> str:
    """Colour a page with rendered diagnostics, and wrap their sentences to so many columns.

    Where there are no colours, writing takes them off again.
    """
    return "\n".join(_painted_line(line) for whole in text.split("\n") for line in _folded(whole, size))


# What an error says below its first line; a spec's own text stands behind a margin.
_SENTENCE = re.compile(r"[A-Z][a-z]* ")


def _folded(line: str, size: int | None) -> list[str]:
    """The lines of a sentence; a spec's own text, and the carets under it, stay as they are."""
    hint = _HINT.match(line)
    if size is None or len(line) <= size or not (hint or _HEADLINE.match(line) or _SENTENCE.match(line)):
        return [line]
    indent = " " * len(hint[0]) if hint else "  "
    return textwrap.wrap(line, size, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def _painted_line(line: str) -> str:
    if found := _HEADLINE.match(line):
        colour = "red" if found[1] == "error" else "yellow"
        return click.style(found[1] + (found[2] or ""), fg=colour, bold=True) + click.style(f": {found[3]}", bold=True)
    if found := _CARETS.match(line):
        margin, mark, rest = found.groups()
        colour = "red" if mark.startswith("^") else "blue"
        return click.style(margin, fg="blue") + click.style(mark + rest, fg=colour, bold=True)
    if found := _MARGIN.match(line):
        return click.style(found[1], fg="blue") + found[2]
    if found := _HEADING.match(line):
        return click.style(found[1], bold=True) + found[2]
    return line


def wrapped(label: str, text: str, size: int, indent: str | None = None) -> str:
    """A text behind a label; its further lines begin under its first, or a little indented where the label is long."""
    if indent is None:
        indent = " " * (len(label) if len(label) <= LONGEST_LABEL else 2)
    return textwrap.fill(
        " ".join(text.split()),
        size,
        initial_indent=label,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
