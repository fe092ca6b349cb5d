"""Diagnostics: what is wrong with a spec, or looks wrong, where, and what to do about it.

In: a code, a message, a span. Out: values, and their text with the line and a caret. The codes are declared in
``ddbetl.codes``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

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
    """The known word nearest to a mistyped one, if any is near."""
    folded = {k.lower(): k for k in known}
    near = get_close_matches(word.lower(), list(folded), n=1, cutoff=0.6)
    return folded[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint ``did you mean X?``, or an empty text."""
    near = suggest(word, known)
    return f"did you mean {near}?" if near else ""


def render(source: SourceText, diagnostics: Sequence[Diagnostic]) -> str:
    """The text of diagnostics for a terminal: code, message, place, line with caret, hint."""
    return "\n\n".join(_render_one(source, d) for d in diagnostics)


def _render_one(source: SourceText, diagnostic: Diagnostic) -> str:
    kind = "warning" if diagnostic.code.startswith("W") else "error"
    if diagnostic.span is None:
        return f"{kind}[{diagnostic.code}]: {diagnostic.message}" + (
            f"\n = {diagnostic.hint}" if diagnostic.hint else ""
        )
    source = diagnostic.source or source
    line, column = source.position(diagnostic.span.start)
    width = len(str(max([line, *(source.position(label.span.start)[0] for label in diagnostic.labels)])))
    out = [f"{kind}[{diagnostic.code}]: {diagnostic.message}", f"{' ' * width}--> {source.name}:{line}:{column}"]
    out += _excerpt(source, diagnostic.span, "^", "", width)
    for label in diagnostic.labels:
        out += _excerpt(source, label.span, "-", label.text, width)
    if diagnostic.hint:
        out.append(f"{' ' * width} = {diagnostic.hint}")
    return "\n".join(out)


# A line longer than this is cut around the place: a spec may be a megabyte on one line.
EXCERPT = 110


def _excerpt(source: SourceText, span: Span, mark: str, text: str, width: int) -> list[str]:
    number, column = source.position(span.start)
    line = "".join(
        c if c.isprintable() else " " if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in source.line(number)
    )
    start = 0
    if len(line) > EXCERPT:
        start = max(0, column - 1 - EXCERPT // 2)
        line = line[start : start + EXCERPT]
    at = column - 1 - start
    length = max(1, min(span.end - span.start, len(line) - at))
    bar = " " * width + " |"
    caret = f"{bar} {' ' * at}{mark * length}" + (f" {text}" if text else "")
    return [bar, f"{number:>{width}} | {line}", caret]
