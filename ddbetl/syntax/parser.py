"""From the text of a spec to its syntax tree.

In: a ``SourceText``, any text whatever. Out: an ``ast.Spec`` whose nodes all have spans inside the text, or
``SpecError`` with every independent error, and nothing else. The grammar is ``grammar/ddbetl.lark``. Lark is imported
with the first text: importing it and building its tables (364 states) takes 0.12 s of CPU, once in a process. Reading
the tables from a file would save 0.08 s of that and need a writable place for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import SpecError
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast, build_clauses, build_expressions
from ddbetl.syntax.parts import Part, TooDeep
from ddbetl.syntax.scanner import MAX_DEPTH, MAX_PROBLEMS, scan, too_deep

if TYPE_CHECKING:
    from lark import Lark

# The rules that a text, or a piece of one, can be read as.
STARTS = ("spec", "declaration", "statement", "expr", "let_value", "option")

# Words and nodes that wait for their rule to be complete: a level of an expression holds six at most (CASE), a bracket
# one.
MAX_STACK = 8 * MAX_DEPTH


def parse(source: SourceText) -> ast.Spec:
    """Read a whole spec: declarations and one statement."""
    scanned = scan(source)
    if not scanned.problems:
        match attempt(source.text, "spec", scanned.start, len(source.text)):
            case Part(value=(declarations, statement), problems=()) as part:
                return ast.Spec(declarations, statement, source, scanned.comments, Span(part.start_pos, part.end_pos))
            case Part(problems=problems):
                raise _error(source, problems)
            case Failure() as failure:
                pass
    else:
        failure = Failure(0, frozenset(), scanned.problems)
    from ddbetl.syntax.mistakes.diagnose import diagnose_spec

    raise _error(source, diagnose_spec(source, scanned, failure, attempt))


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
            case Part(value=value, problems=()):
                return value
            case Part(problems=problems):
                raise _error(source, problems)
    from ddbetl.syntax.mistakes.diagnose import diagnose_piece

    raise _error(source, diagnose_piece(source, scanned, rule, attempt))


def _error(source: SourceText, diagnostics: Iterable[Diagnostic]) -> SpecError:
    in_order = sorted(dict.fromkeys(diagnostics), key=lambda d: (d.span.start if d.span else 0, d.code))
    return SpecError(source, tuple(in_order[:MAX_PROBLEMS]))


@dataclass(frozen=True, slots=True)
class Failure:
    """Where the parser stopped, the kinds of words that could have gone on, and what was wrong before."""

    offset: int
    accepts: frozenset[str]
    problems: tuple[Diagnostic, ...] = ()


def attempt(text: str, rule: str, start: int, end: int, before: tuple[tuple[str, str], ...] = ()) -> Part | Failure:
    """Read a piece of a text by a rule.

    ``before`` are words (kind and text) taken as read already, so that a spec can be read on after an error.
    """
    from lark import TextSlice, Token
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    session = _grammar().parse_interactive(TextSlice(text, start, end), start=rule)
    state = session.parser_state
    untouched: tuple[list[Any], list[Any]] | None = None
    try:
        for kind, word in before:
            state.feed_token(Token(kind, word, start_pos=start, end_pos=start))
        for token in session.lexer_thread.lex(state):  # type: ignore[no-untyped-call]
            # A token is refused after reductions only, when less is possible than before them.
            untouched = state.state_stack[:], state.value_stack[:]
            if len(state.state_stack) > MAX_STACK:
                raise TooDeep(Span(token.start_pos or 0, token.end_pos or 0))
            state.feed_token(token)
            untouched = None
        untouched = state.state_stack[:], state.value_stack[:]
        part: Part = state.feed_token(Token("$END", "", start_pos=end, end_pos=end), is_end=True)
        return part
    except TooDeep as error:
        return Failure(error.span.start, frozenset(), (too_deep(error.span),))
    except UnexpectedToken as error:
        offset = error.token.start_pos
        if untouched is not None:
            state.state_stack[:], state.value_stack[:] = untouched
    except UnexpectedCharacters as error:
        offset = error.pos_in_stream
    problems = tuple(problem for part in _parts(state.value_stack) for problem in part.problems)
    accepts = frozenset(session.accepts())  # type: ignore[no-untyped-call]
    return Failure(end if offset is None else offset, accepts, problems)


def _parts(values: Iterable[Any]) -> Iterator[Part]:
    """The parts on a parser's stack, also those in the lists that it has begun."""
    for value in values:
        if isinstance(value, Part):
            yield value
        else:
            yield from (part for part in getattr(value, "children", ()) if isinstance(part, Part))


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
        transformer=SimpleNamespace(**builders()),
    )


def builders() -> dict[str, FunctionType]:
    """The function that makes the node of each rule, by the rule's name."""
    return {
        name: function
        for module in (build_clauses, build_expressions)
        for name, function in vars(module).items()
        if isinstance(function, FunctionType) and function.__module__ == module.__name__ and name[0] != "_"
    }


def grammar_text() -> str:
    """The text of the grammar: the package's own copy, else the checkout's."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_grammar" / "ddbetl.lark"
    path = packaged if packaged.exists() else package.parent / "grammar" / "ddbetl.lark"
    return path.read_text(encoding="utf-8")


__all__ = ["attempt", "grammar_text", "parse", "parse_expression", "parse_let", "parse_option"]
