"""Diagnostics: what is wrong with a spec, or looks wrong, where, and what to do about it.

In: a code, a message, a span. Out: values, and their text with the line and a caret. The codes are declared in
``ddbetl.codes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any
from unicodedata import combining, east_asian_width

from ddbetl.source import SourceText, Span


@dataclass(frozen=True, slots=True)
class Label:
    """A second place that matters, with a word on why."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: ``message`` says what is wrong, ``hint`` what to do.

    ``span`` is None for what has no place in the spec (a parameter of the command line). ``source`` is set where the
    place is in another text than the spec, such as an option of the command line.
    """

    code: str
    message: str
    span: Span | None
    hint: str = ""
    labels: tuple[Label, ...] = field(default=())
    source: SourceText | None = None


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The known word nearest to a mistyped one, if it may be meant: at most a third of it mistyped."""
    folded = {k.lower(): k for k in known}
    for near in get_close_matches(word.lower(), list(folded), n=3, cutoff=0.6):
        if _typos(word.lower(), near) <= max(1, len(word) // 3):
            return folded[near]
    return None


def _typos(word: str, other: str) -> int:
    """How many characters to add, leave out, replace, or swap with the next make one word of the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(word):
        previous, row = row, [i + 1]
        for j, b in enumerate(other):
            least = min(previous[j + 1] + 1, row[j] + 1, previous[j] + (a != b))
            if i and j and a == other[j - 1] and word[i - 1] == b:
                least = min(least, before[j - 1] + 1)
            row.append(least)
        before = previous
    return row[-1]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint ``did you mean X?``, or an empty text."""
    near = suggest(word, known)
    return f"did you mean {near}?" if near else ""


def render(source: SourceText, diagnostics: Sequence[Diagnostic], size: int | None = None) -> str:
    """The text of diagnostics for a terminal: code, message, place, line with caret, hint.

    ``size``: the columns that the spec's lines and their carets must fit into; sentences are left to the caller.
    """
    return "\n\n".join(_render_one(source, d, size) for d in diagnostics)


def _render_one(source: SourceText, diagnostic: Diagnostic, size: int | None) -> str:
    kind = "warning" if diagnostic.code.startswith("W") else "error"
    if diagnostic.span is None:
        return f"{kind}[{diagnostic.code}]: {diagnostic.message}" + (
            f"\n = {diagnostic.hint}" if diagnostic.hint else ""
        )
    source = diagnostic.source or source
    line, column = source.position(diagnostic.span.start)
    width = len(str(max([line, *(source.position(label.span.start)[0] for label in diagnostic.labels)])))
    name = "".join(_plain(c) for c in source.name)
    out = [f"{kind}[{diagnostic.code}]: {diagnostic.message}", f"{' ' * width}--> {name}:{line}:{column}"]
    # The margin, and a caret behind the last character.
    room = None if size is None else max(LEAST_EXCERPT, min(EXCERPT, size - width - len(" | ") - 1))
    out += _excerpt(source, diagnostic.span, "^", "", width, room)
    for label in diagnostic.labels:
        out += _excerpt(source, label.span, "-", label.text, width, room)
    if diagnostic.hint:
        out.append(f"{' ' * width} = {diagnostic.hint}")
    return "\n".join(out)


def as_json(source: SourceText, diagnostics: Sequence[Diagnostic]) -> list[dict[str, Any]]:
    """Diagnostics as JSON values, for editors; their schema is in docs/errors.md."""
    return [
        {
            "code": one.code,
            "severity": "warning" if one.code.startswith("W") else "error",
            "message": one.message,
            "hint": one.hint or None,
            "source": (one.source or source).name,
            "span": _place(one.source or source, one.span) if one.span is not None else None,
            "labels": [
                {"message": label.text, "span": _place(one.source or source, label.span)} for label in one.labels
            ],
        }
        for one in diagnostics
    ]


def _place(source: SourceText, span: Span) -> dict[str, int]:
    (line, column), (end_line, end_column) = source.position(span.start), source.position(span.end)
    return {
        "start": span.start,
        "end": span.end,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }


# A line longer than this is cut around the place: a spec may be a megabyte on one line.
EXCERPT = 110
# However narrow the terminal, so much is shown.
LEAST_EXCERPT = 20


def _excerpt(source: SourceText, span: Span, mark: str, text: str, width: int, room: int | None) -> list[str]:
    number, column = source.position(span.start)
    line = source.line(number)
    at = min(column - 1, len(line))
    end = at + span.end - span.start
    first, last = 0, len(line)
    most = _characters(line, at, room)
    if last > most:
        # The beginning of the line, if the place is in it; else the place in the middle.
        first = 0 if end < most else max(0, min(at - most // 2, last - most))
        last = min(last, first + most)
    shown = [_plain(c) for c in line[first:last]]
    if first > 0:
        shown[0] = "…"
    if last < len(line):
        shown[-1] = "…"
    before = "".join(shown[: at - first])
    marked = "".join(shown[at - first : max(at - first + 1, end - first)])
    bar = " " * width + " |"
    caret = " " * _columns(before) + mark * max(1, _columns(marked))
    lines = [bar, f"{number:>{width}} | {''.join(shown)}".rstrip(), f"{bar} {caret}"]
    if text and (room is None or len(caret) + 1 + len(text) <= room):
        lines[-1] += f" {text}"
    elif text and room is not None:
        lines.append(f"{bar} {' ' * max(0, min(_columns(before), room - len(text)))}{text}")
    return lines


def _characters(line: str, at: int, room: int | None) -> int:
    """How many characters of a line are shown around a place, in so many columns."""
    if room is None:
        return EXCERPT
    near = line[max(0, at - room) : at + room]
    return room // 2 if _columns(near) > len(near) and (len(line) > room or _columns(line) > room) else room


def _plain(character: str) -> str:
    """A character as a terminal can show it in its place."""
    if character.isprintable():
        return character
    return " " if character == "\t" else "\N{REPLACEMENT CHARACTER}"


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: two for each East Asian wide character, none for an accent."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)
