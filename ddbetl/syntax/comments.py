"""The comments of a spec, in its canonical text.

In: a spec with its comments, the canonical text without them. Out: the text with them. A comment keeps its place
between the words: one that has lines to itself stands above the line of the word that follows it, one that ends a line
behind the line of the word before it, a short one between two words of a line between them. A comment to the
end of the line that would cut a line in two stands above it.

Invariant: all comments are there, in their order, as they were written; the words are those of the canonical text; what
comes out comes out again when it is put in.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.syntax.scanner import Token, scan

# What the canonical text may have more or less of than the spec that it is of. Nothing else is added or left out.
_LOOSE = ("(", ")")
# What stays at the end of its line, in front of a comment there.
_CLOSING = (",", ")", ";", "]", "}")


def between(spec: ast.Spec, parts: Sequence[Span]) -> bool:
    """Whether a comment that takes a line, or the rest of one, stands between two of the parts of a list."""
    starts = [
        comment.span.start
        for comment, own in zip(spec.comments, _own(spec), strict=True)
        if own or _takes_line(comment)
    ]
    return any(bisect_left(starts, one.end) < bisect_left(starts, other.start) for one, other in pairwise(parts))


def _takes_line(comment: ast.Comment) -> bool:
    return comment.text.startswith("--") or "\n" in comment.text


def _own(spec: ast.Spec) -> Iterator[bool]:
    """Which of the comments begin a line; what follows such a one on its line goes with it."""
    text, ends, own = spec.source.text, 0, True
    for comment in spec.comments:
        before = text[ends : comment.span.start]
        if ends == 0 or before.strip():
            line = text[text.rfind("\n", 0, comment.span.start) + 1 : comment.span.start]
            own = not line.strip("\ufeff \t\r\f\v")
        elif "\n" in before:
            own = True
        yield own
        ends = comment.span.end


@dataclass(frozen=True, slots=True)
class _Placed:
    """A comment before the token ``slot`` of the canonical text. ``own``: it has its lines to itself; ``inside``: words
    stand on both of its sides. ``before``, ``after``: an empty line is there."""

    comment: ast.Comment
    slot: int
    own: bool
    inside: bool
    before: bool
    after: bool


@dataclass(slots=True)
class _Line:
    """A line of the canonical text: its tokens, of which a text may hold ends of lines, and what comes with it."""

    text: str
    first: int
    last: int
    start: int
    above: list[_Placed] = field(default_factory=list)
    within: list[_Placed] = field(default_factory=list)
    behind: list[_Placed] = field(default_factory=list)

    def raise_all(self) -> None:
        """Put what is on the line above it, because something that comes later is put there."""
        self.above += [*self.within, *self.behind]
        self.within, self.behind = [], []

    @property
    def full(self) -> bool:
        """Whether a comment takes the rest of the line, so that nothing can follow it."""
        return bool(self.behind) and _takes_line(self.behind[-1].comment)


def with_comments(spec: ast.Spec, canonical: str) -> str:
    """Put the comments of a spec into its canonical text."""
    tokens = scan(SourceText(canonical)).tokens
    placed = list(_placed(spec, tokens))
    lines = list(_lines(canonical, tokens))
    firsts = [line.first for line in lines]
    below: list[_Placed] = []
    for one in placed:
        if not one.slot:
            lines[0].above.append(one)
            continue
        number = bisect_right(firsts, one.slot - 1) - 1
        before = lines[number]
        next_above = lines[number + 1].above if number + 1 < len(lines) else below
        ending, whole = _closing(tokens, one.slot, before.last), one.own or _takes_line(one.comment)
        if ending and (one.own or next_above or before.full):
            next_above.append(one)
        elif before.behind or (ending and (whole or not one.inside)) or one.slot > before.last:
            before.behind.append(one)
        elif whole:
            before.raise_all()
            before.above.append(one)
        else:
            before.within.append(one)
    return _joined(lines, tokens, below)


def _placed(spec: ast.Spec, canonical: Sequence[Token]) -> Iterator[_Placed]:
    """The comments with the places that they have in the canonical text."""
    source = spec.source.text
    tokens = [token for token in scan(spec.source).tokens if not _left_out(spec, token)]
    if tokens[-1].text == ";":
        tokens.pop()
    ours = [token for token in tokens if token.text not in _LOOSE]
    theirs = [place for place, token in enumerate(canonical[:-1]) if token.text not in _LOOSE]
    assert len(ours) == len(theirs), "the canonical text has other words than the spec"
    ends = [token.end for token in ours]
    loose = [token.start for token in tokens if token.text in _LOOSE]
    places = sorted([*((t.start, t.end) for t in tokens), *((c.span.start, c.span.end) for c in spec.comments)])
    last_end = max(spec.span.end, tokens[-1].end)
    for comment, own in zip(spec.comments, _own(spec), strict=True):
        start, end = comment.span.start, comment.span.end
        at = bisect_left(places, (start, end))
        before = source[places[at - 1][1] if at else 0 : start]
        after = source[end : places[at + 1][0] if at + 1 < len(places) else len(source)]
        word = bisect_right(ends, start)
        if word == len(ours):
            # Behind the last word, where a semicolon may be or not.
            slot = len(canonical)
        elif bisect_left(loose, end) == bisect_left(loose, ours[word].start):
            slot = theirs[word]
        elif word and bisect_left(loose, ends[word - 1]) == bisect_left(loose, start):
            slot = theirs[word - 1] + 1
        else:
            slot = theirs[word]
        while own and slot < len(canonical) and canonical[slot].text == ",":
            slot += 1
        inside = not own and "\n" not in after and end < last_end
        yield _Placed(comment, slot, own, inside, before.count("\n") > 1, after.count("\n") > 1)


def _left_out(spec: ast.Spec, token: Token) -> bool:
    """Whether a token is the word TABLE of INSERT INTO TABLE t, which means nothing."""
    write = spec.statement.write
    if token.upper != "TABLE" or not isinstance(write, ast.InsertInto):
        return False
    return write.span.start <= token.start and token.end <= write.target.span.start


def _closing(tokens: Sequence[Token], first: int, last: int) -> bool:
    return all(tokens[place].text in _CLOSING for place in range(first, last + 1))


def _lines(text: str, tokens: Sequence[Token]) -> Iterator[_Line]:
    """The lines of a canonical text; where a text or a name has an end of a line, it goes on."""
    first, start = 0, 0
    for place, token in enumerate(tokens):
        next_start = tokens[place + 1].start if place + 1 < len(tokens) else len(text)
        end = text.find("\n", token.end, next_start)
        if end >= 0:
            yield _Line(text[start:end], first, place, start)
            first, start = place + 1, end + 1


def _joined(lines: Sequence[_Line], tokens: Sequence[Token], below: Sequence[_Placed]) -> str:
    out: list[str] = []

    def blank() -> None:
        if out and out[-1]:
            out.append("")

    def alone(placed: _Placed, indent: str) -> None:
        if placed.own and placed.before:
            blank()
        out.append(indent + _text(placed.comment))
        if placed.own and placed.after:
            blank()

    for line in lines:
        text = line.text.lstrip("\n")
        if text != line.text:
            blank()
        indent = text[: len(text) - len(text.lstrip(" "))]
        for placed in line.above:
            alone(placed, indent)
        out.append("  ".join([_woven(line, tokens).lstrip("\n"), *(_text(one.comment) for one in line.behind)]))
    for placed in below:
        alone(placed, "")
    while out and not out[-1]:
        out.pop()
    return "\n".join(out) + "\n"


def _woven(line: _Line, tokens: Sequence[Token]) -> str:
    """A line with the comments that stand between two of its words."""
    by_slot: dict[int, list[str]] = {}
    for placed in line.within:
        by_slot.setdefault(placed.slot, []).append(_text(placed.comment))
    pieces, at = [], 0
    for slot, comments in by_slot.items():
        before, after = tokens[slot - 1], tokens[slot]
        left, right = before.end - line.start, after.start - line.start
        opening = "" if before.text in ("(", "[", "{") else " "
        # Where names stand in a column, they are moved to the right.
        closing = line.text[left:right] if right - left > 1 else "" if after.text in _CLOSING else " "
        pieces += [line.text[at:left], opening, " ".join(comments), closing]
        at = right
    return "".join([*pieces, line.text[at:]])


def _text(comment: ast.Comment) -> str:
    return comment.text.rstrip(" \t\r\f\v")
