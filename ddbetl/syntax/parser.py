"""From the text of a spec to its syntax tree.

In: a ``SourceText``, any text whatever. Out: an ``ast.Spec`` whose nodes all have spans inside the text, or ``SpecError``
with every independent error, and nothing else. The grammar is ``grammar/ddbetl.lark``; Lark is imported with the first
text, because building its tables takes about 0.1 s of CPU (364 states; reading them from a file would save 0.08 s and
need a place to keep the file).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import SpecError
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast, tree
from ddbetl.syntax.scanner import MAX_PROBLEMS, Scan, scan, too_deep

if TYPE_CHECKING:
    from lark import Lark

# The rules that a text, or a piece of one, can be read as.
STARTS = ("spec", "declaration", "statement", "expr", "let_value", "option")


def parse(source: SourceText) -> ast.Spec:
    """Read a whole spec: declarations and one statement."""
    scanned = scan(source)
    if not scanned.problems:
        match attempt(source.text, "spec", scanned.start, len(source.text)):
            case tree.Part(value=(declarations, statement), problems=()) as part:
                return ast.Spec(declarations, statement, source, scanned.comments, Span(part.start_pos, part.end_pos))
            case tree.Part(problems=problems):
                raise _error(source, problems)
    from ddbetl.syntax.diagnosis import diagnose_spec

    raise _error(source, diagnose_spec(source, scanned, attempt))


def parse_expression(source: SourceText) -> ast.Expression:
    """Read one expression."""
    node: ast.Expression = _parse_piece(source, "expr")
    return node


def parse_let(text: str, name: str = "--let") -> ast.Let:
    """Read ``ttl = 365 days``, a LET of the command line; ``name`` stands in messages."""
    node: ast.Let = _parse_piece(SourceText(text, name), "let_value")
    return node


def parse_option(text: str, name: str = "<command line>") -> ast.Option:
    """Read ``read = 30%``, one option of WITH; ``name`` stands in messages."""
    node: ast.Option = _parse_piece(SourceText(text, name), "option")
    return node


def _parse_piece(source: SourceText, rule: str) -> Any:
    scanned = scan(source)
    if not scanned.problems:
        match attempt(source.text, rule, scanned.start, len(source.text)):
            case tree.Part(value=value, problems=()):
                return value
            case tree.Part(problems=problems):
                raise _error(source, problems)
    from ddbetl.syntax.diagnosis import diagnose_piece

    raise _error(source, diagnose_piece(source, scanned, rule, attempt))


def _error(source: SourceText, diagnostics: Iterable[Diagnostic]) -> SpecError:
    in_order = sorted(diagnostics, key=lambda d: (d.span.start, d.code))
    return SpecError(source, tuple(in_order[:MAX_PROBLEMS]))


@dataclass(frozen=True, slots=True)
class Failure:
    """Where the parser stopped, the kinds of words that could have gone on, and what was wrong before."""

    offset: int
    accepts: frozenset[str]
    problems: tuple[Diagnostic, ...] = ()


def attempt(text: str, rule: str, start: int, end: int, before: tuple[tuple[str, str], ...] = ()) -> tree.Part | Failure:
    """Read a piece of a text by a rule.

    ``before`` are words (kind and text) taken as read already, so that a spec can be read on after an error.
    """
    from lark import TextSlice, Token
    from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

    session = _grammar().parse_interactive(TextSlice(text, start, end), start=rule)
    try:
        for kind, word in before:
            session.feed_token(Token(kind, word, start_pos=start, end_pos=start))
        part: tree.Part = session.resume_parse()
        return part
    except tree.TooDeep as error:
        return Failure(error.span.start, frozenset(), (too_deep(error.span),))
    except UnexpectedInput as error:
        problems = tuple(
            problem
            for value in session.parser_state.value_stack
            if isinstance(value, tree.Part)
            for problem in value.problems
        )
        match error:
            case UnexpectedCharacters(pos_in_stream=int(offset)):
                pass
            case UnexpectedToken(token=Token(type=kind, start_pos=int(offset))) if kind != "$END":
                pass
            case _:
                offset = end
        return Failure(offset, frozenset(session.accepts()), problems)


@cache
def _grammar() -> Lark:
    from lark import Lark

    return Lark(
        grammar_text(),
        parser="lalr",
        lexer="contextual",
        start=list(STARTS),
        keep_all_tokens=True,
        maybe_placeholders=False,
        transformer=tree,
    )


def grammar_text() -> str:
    """The text of the grammar: the package's own copy, else the checkout's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_grammar" / "ddbetl.lark"
    path = packaged if packaged.exists() else package.parent / "grammar" / "ddbetl.lark"
    return path.read_text(encoding="utf-8")


__all__ = ["attempt", "grammar_text", "parse", "parse_expression", "parse_let", "parse_option"]
