"""All independent syntax errors of a text that the parser refused.

In: the text, its tokens, and the parser as a function. Out: diagnostics, at most MAX_PROBLEMS. A spec is taken
statement by statement; inside a statement, reading goes on at the next clause after an error, as if all before it were
right, so that one mistake is reported once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Protocol

from ddbetl.diagnostics import Diagnostic, Label
from ddbetl.source import SourceText, Span
from ddbetl.syntax.mistakes.clauses import more_than_one
from ddbetl.syntax.mistakes.explain import explain
from ddbetl.syntax.mistakes.expressions import swallowed_at
from ddbetl.syntax.mistakes.stop import DECLARATIONS, Stop, clause_heads, clause_of, stop_at
from ddbetl.syntax.parts import Part
from ddbetl.syntax.scanner import CLOSERS, MAX_PROBLEMS, Scan, Token

if TYPE_CHECKING:
    from ddbetl.syntax.parser import Failure

# After an error, so many more statements are looked at: a spec has one, and a few declarations.
MAX_STATEMENTS = 1000

Words = tuple[tuple[str, str], ...]


class Attempt(Protocol):
    """``ddbetl.syntax.parser.attempt``."""

    def __call__(self, text: str, rule: str, start: int, end: int, before: Words = ()) -> Part | Failure: ...


# What is taken as read when reading goes on at a clause.
_BEFORE_FROM: Words = (("SELECT", "SELECT"), ("STAR", "*"))
_BEFORE_THE_REST: Words = (*_BEFORE_FROM, ("FROM", "FROM"), ("TABLE_NAME", "x"))


def diagnose_spec(source: SourceText, scanned: Scan, failure: Failure, attempt: Attempt) -> tuple[Diagnostic, ...]:
    """Find the errors of a whole spec; ``failure`` is where reading it at once stopped, and what was wrong before."""
    found = list(failure.problems)
    if any(problem.code in ("E0107", "E0108") for problem in found):
        return tuple(found)
    statements = list(_statements(scanned.tokens))
    if not statements and not found:
        return (_nothing(source, scanned),)
    first: Token | None = None
    looked_at = 0
    for tokens, closed in statements:
        if len(found) >= MAX_PROBLEMS or looked_at == MAX_STATEMENTS:
            break
        if not tokens:
            found.append(Diagnostic("E0109", "nothing stands before this semicolon", closed, "leave it out"))
            continue
        declares = tokens[0].upper in DECLARATIONS
        if first is not None:
            found.append(_misplaced(first, tokens[0], declares))
            if not declares:
                break
        elif not declares:
            first = tokens[0]
        read = closed.start < closed.end <= failure.offset
        if not read and not _touched(tokens, closed, scanned.problems):
            looked_at += 1
            found += islice(_diagnose(source.text, tokens, _rule(tokens[0]), attempt), MAX_PROBLEMS - len(found))
    if first is None and not found:
        found.append(_only_declarations(statements))
    if not found:
        found.append(explain(stop_at(scanned.tokens, failure.offset, failure.accepts)))
    return tuple(found)


def diagnose_piece(source: SourceText, scanned: Scan, rule: str, attempt: Attempt) -> tuple[Diagnostic, ...]:
    """Find the error of an expression, a constant or an option."""
    if scanned.problems:
        return scanned.problems
    if not scanned.tokens:
        end = len(source.text)
        return (Diagnostic("E0101", f"there is nothing here: expected {_EXPECTED[rule]}", Span(end, end)),)
    return tuple(_diagnose(source.text, scanned.tokens, rule, attempt))


_EXPECTED = {"expr": "an expression", "let_value": "name = value", "option": "option = value"}


def _statements(tokens: Sequence[Token]) -> Iterator[tuple[Sequence[Token], Span]]:
    """The tokens of each statement, with the place where it ends: its semicolon, or nothing."""
    start = 0
    for i, token in enumerate(tokens):
        if token.text == ";" and token.kind == "sign":
            yield tokens[start:i], token.span
            start = i + 1
    if start < len(tokens):
        end = tokens[-1].end
        yield tokens[start:], Span(end, end)


def _touched(tokens: Sequence[Token], closed: Span, problems: Sequence[Diagnostic]) -> bool:
    """Tell whether something is wrong with the characters of a statement: then its words are not what was meant."""
    end = closed.end if closed.end > closed.start else None
    places = [problem.span.start for problem in problems if problem.span is not None]
    return any(tokens[0].start <= place and (end is None or place < end) for place in places)


def _diagnose(text: str, tokens: Sequence[Token], rule: str, attempt: Attempt) -> Iterator[Diagnostic]:
    before: Words = ()
    begin, start, end = 0, tokens[0].start, tokens[-1].end
    heads = list(clause_heads(tokens))
    while True:
        result = attempt(text, rule, start, end, before)
        yield from result.problems
        if isinstance(result, Part) or not result.accepts:
            return
        stop = stop_at(tokens, result.offset, result.accepts, heads)
        diagnostic = explain(stop)
        if not _closes_earlier(stop, begin):
            yield diagnostic
        if diagnostic.code == "E0129":
            # The next statement begins here.
            yield from _diagnose(text, tokens[stop.at :], _rule(tokens[stop.at]), attempt)
            return
        if rule != "statement" or diagnostic.code == "E0120" or _hopeless(diagnostic, stop.at):
            return
        begin, clause = _next_clause(stop, begin)
        if not clause:
            return
        before = {"SELECT": (), "FROM": _BEFORE_FROM}.get(clause, _BEFORE_THE_REST)
        start = tokens[begin].start


def _next_clause(stop: Stop, begin: int) -> tuple[int, str]:
    """Where to read on: the index and name of a clause after the one that begins there; no name when there is none.

    Brackets that were open at the error are taken as closed: their clause is given up.
    """
    swallowed = swallowed_at(stop)
    if swallowed is not None and swallowed > begin and (clause := clause_of(stop.tokens, swallowed)):
        return swallowed, clause
    return next(clause_heads(stop.tokens, max(stop.at, begin + 1)), (0, ""))


def _closes_earlier(stop: Stop, begin: int) -> bool:
    """Tell whether the parser stopped at the end of a bracket that was given up before."""
    return stop.upper() in CLOSERS.values() and stop.opener is not None and stop.opener < begin


def _rule(token: Token) -> str:
    return "declaration" if token.upper in DECLARATIONS else "statement"


def _hopeless(diagnostic: Diagnostic, at: int) -> bool:
    """Tell whether the rest would be read in a wrong sense: a query inside, or something that is no spec at all."""
    return diagnostic.message.startswith("queries inside") or (at == 0 and diagnostic.code == "E0109")


def _nothing(source: SourceText, scanned: Scan) -> Diagnostic:
    end = len(source.text)
    what = "the spec is empty" if not scanned.comments else "the spec has comments only"
    return Diagnostic("E0101", what, Span(end, end), "the shortest spec is SELECT * FROM table")


def _only_declarations(statements: Sequence[tuple[Sequence[Token], Span]]) -> Diagnostic:
    end = statements[-1][1]
    return Diagnostic("E0101", "the spec declares names and does nothing", end, "add a SELECT or INSERT INTO … SELECT")


def _misplaced(first: Token, token: Token, declares: bool) -> Diagnostic:
    if not declares:
        return more_than_one(first, token)
    return Diagnostic(
        "E0121",
        f"{token.upper} comes before the statement",
        token.span,
        "declarations stand at the top",
        (Label(first.span, "the statement begins here"),),
    )
