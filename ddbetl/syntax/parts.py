"""What the parser's reductions are made of: nodes of the syntax tree with the place of their words.

In: what the words of a rule became: tokens (their text, ``start_pos``, ``end_pos``), parts, and None for what is not
there. Out: a part. Invariant: a part covers its words, brackets included, and no expression is deeper than MAX_DEPTH,
so that recursive functions over the tree are safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ddbetl.diagnostics import Diagnostic
from ddbetl.source import Span
from ddbetl.syntax import ast
from ddbetl.syntax.literals import read_number, read_quoted
from ddbetl.syntax.scanner import MAX_DEPTH

# Words that cannot be read back as a bare name.
RESERVED = frozenset({"CASE", "FALSE", "NOT", "NULL", "TRUE"})


class TooDeep(Exception):
    """An expression with more levels than MAX_DEPTH."""

    def __init__(self, span: Span) -> None:
        super().__init__(span)
        self.span = span


@dataclass(slots=True)
class Part:
    """What a rule became: a node or several, the place of its words, and what is wrong inside it."""

    value: Any
    start_pos: int
    end_pos: int
    depth: int = 0
    problems: tuple[Diagnostic, ...] = ()


Children: TypeAlias = list[Any]


def span_of(children: Sequence[Any]) -> Span:
    """The place of a rule's words."""
    there = [child for child in children if child is not None]
    return Span(there[0].start_pos, there[-1].end_pos)


def part_of(children: Sequence[Any], value: Any, problems: Iterable[Diagnostic] = ()) -> Part:
    """A part with what is wrong inside its children, and what else."""
    there = [child for child in children if child is not None]
    inside = [child for child in there if type(child) is Part]
    found = tuple(problem for child in inside for problem in child.problems) + tuple(problems)
    depth = max((child.depth for child in inside), default=0)
    return Part(value, there[0].start_pos, there[-1].end_pos, depth, found)


def expression_of(children: Sequence[Any], node: ast.Expression, problems: Iterable[Diagnostic] = ()) -> Part:
    """A part one level deeper than what it was made of."""
    part = part_of(children, node, problems)
    part.depth += 1
    if part.depth > MAX_DEPTH:
        raise TooDeep(Span(part.end_pos - 1, part.end_pos))
    return part


def values_of(children: Iterable[Any]) -> tuple[Any, ...]:
    """The nodes among the children, without the words between them."""
    return tuple(child.value for child in children if type(child) is Part)


def bare_identifier(token: Any) -> ast.Identifier:
    """The name that a bare word is."""
    return ast.Identifier(str(token), False, span_of([token]))


def quoted_identifier(token: Any) -> tuple[ast.Identifier, tuple[Diagnostic, ...]]:
    """The name in double quotes; it cannot be empty."""
    identifier = ast.Identifier(read_quoted(token), True, span_of([token]))
    return identifier, () if identifier.name else (empty_name("a name", identifier.span),)


def empty_name(what: str, span: Span) -> Diagnostic:
    """Refuse a name of no characters."""
    return Diagnostic("E0128", f"{what} cannot be empty", span, "write the name between the quotes")


def whole_number(token: Any, message: str) -> tuple[int, tuple[Diagnostic, ...]]:
    """The value of digits; the message refuses a fraction or an exponent."""
    span = span_of([token])
    number, problem = read_number(str(token), span)
    if problem is not None:
        return 0, (problem,)
    if not token.isdecimal():
        return 0, (Diagnostic("E0109", message, span, "write digits only"),)
    return int(number), ()
