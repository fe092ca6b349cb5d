"""From the parser's reductions to the syntax tree: one function for each rule of the grammar, of the same name.

In: what the rule's words became: tokens (their text, ``start_pos``, ``end_pos``) and parts. Out: a part, or None for a
rule that matched nothing. Invariant: every part covers its words, brackets included, and no expression is deeper than
MAX_DEPTH, so that recursive functions over the tree are safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.source import Span
from ddbetl.syntax import ast
from ddbetl.syntax.literals import INSTEAD, read_number, read_quoted, read_unit
from ddbetl.syntax.scanner import MAX_DEPTH
from ddbetl.syntax.tablename import read_table_name

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


Children = list[Any]


def _span(children: Sequence[Any]) -> Span:
    there = [child for child in children if child is not None]
    return Span(there[0].start_pos, there[-1].end_pos)


def _part(children: Sequence[Any], value: Any, problems: Iterable[Diagnostic] = ()) -> Part:
    there = [child for child in children if child is not None]
    inside = [child for child in there if type(child) is Part]
    found = tuple(problem for child in inside for problem in child.problems) + tuple(problems)
    depth = max((child.depth for child in inside), default=0)
    return Part(value, there[0].start_pos, there[-1].end_pos, depth, found)


def _expression(children: Sequence[Any], node: ast.Expression, problems: Iterable[Diagnostic] = ()) -> Part:
    """A part one level deeper than what it was made of."""
    part = _part(children, node, problems)
    part.depth += 1
    if part.depth > MAX_DEPTH:
        raise TooDeep(Span(part.end_pos - 1, part.end_pos))
    return part


def _values(children: Iterable[Any]) -> tuple[Any, ...]:
    """The nodes among the children, without the words between them."""
    return tuple(child.value for child in children if type(child) is Part)


# Declarations and statements


def spec(children: Children) -> Part:
    *declarations, statement = _values(children)
    return _part(children, (tuple(declarations), statement))


def param(children: Children) -> Part:
    default = children[3].value if len(children) == 4 else None
    name, problems = _declared(children[1])
    return _part(children, ast.Param(name, default, _span(children)), problems)


def let(children: Children) -> Part:
    name, problems = _declared(children[1])
    return _part(children, ast.Let(name, children[3].value, _span(children)), problems)


def let_value(children: Children) -> Part:
    name, problems = _declared(children[0])
    return _part(children, ast.Let(name, children[2].value, _span(children)), problems)


def _declared(token: Any) -> tuple[ast.Identifier, tuple[Diagnostic, ...]]:
    identifier = _bare(token)
    if identifier.name.upper() not in RESERVED:
        return identifier, ()
    message = f"{identifier.name.upper()} is a word of the language and cannot be declared"
    return identifier, (Diagnostic("E0117", message, identifier.span, "choose another name"),)


def using(children: Children) -> Part:
    return _part(children, ast.Using(children[1].value, _span(children)))


def statement(children: Children) -> Part:
    write = children[0].value if len(children) == 2 else None
    select, sources, exclude, where, limit, on, settings = children[-1].value
    on_conflict, on_error = on or (None, None)
    return _part(
        children,
        ast.Statement(
            write, select, sources, exclude or (), where, limit, on_conflict, on_error, settings or (), _span(children)
        ),
    )


def query(children: Children) -> Part:
    return _part(children, tuple(child and child.value for child in children))


def insert(children: Children) -> Part:
    *_, target, options, key = children
    node = ast.InsertInto(
        target.value,
        options.value if options else (),
        key.value if key else (),
        children[1].type == "OVERWRITE",
        _span(children),
    )
    return _part(children, node)


def merge(children: Children) -> Part:
    _, _, target, options, on_missing = children
    node = ast.MergeInto(target.value, options.value if options else (), on_missing is not None, _span(children))
    return _part(children, node)


def delete(children: Children) -> Part:
    _, _, target, options, _ = children
    return _part(children, ast.DeleteFrom(target.value, options.value if options else (), _span(children)))


def key(children: Children) -> Part | None:
    if not children:
        return None
    names = children[2].value
    problems = []
    if len(names) > 2:
        problems.append(
            Diagnostic(
                "E0109",
                f"a key has one or two attributes, this one has {len(names)}",
                names[2].span,
                "write KEY (partition) or KEY (partition, sort)",
            )
        )
    return _part(children, names[:2], problems)


def on_missing(children: Children) -> Part | None:
    return _part(children, True) if children else None


# SELECT


def select(children: Children) -> Part:
    return _part(children, _values(children))


def star(children: Children) -> Part:
    lists: dict[str, tuple[Any, ...]] = {"exclude": (), "replace": (), "rename": ()}
    problems = []
    for child in children[1:]:
        name, items = child.value
        if lists[name]:
            problems.append(
                Diagnostic(
                    "E0119",
                    f"{name.upper()} is given twice",
                    Span(child.start_pos, child.start_pos + len(name)),
                    "put both lists in one pair of parentheses",
                )
            )
        lists[name] += items
    return _part(children, ast.Star(**lists, span=_span(children)), problems)


def star_exclude(children: Children) -> Part:
    return _part(children, ("exclude", children[2].value))


def star_replace(children: Children) -> Part:
    return _part(children, ("replace", _values(children)))


def star_rename(children: Children) -> Part:
    return _part(children, ("rename", _values(children)))


def column(children: Children) -> Part:
    alias = children[2].value if len(children) == 3 else None
    return _part(children, ast.Column(children[0].value, alias, _span(children)))


def replacement(children: Children) -> Part:
    return column(children)


def rename(children: Children) -> Part:
    return _part(children, ast.Rename(children[0].value, children[2].value, _span(children)))


def names(children: Children) -> Part:
    return _part(children, _values(children))


def word(children: Children) -> Part:
    return _part(children, _bare(children[0]))


def quoted(children: Children) -> Part:
    identifier, problems = _quoted(children[0])
    return _part(children, identifier, problems)


def _bare(token: Any) -> ast.Identifier:
    return ast.Identifier(str(token), False, _span([token]))


def _quoted(token: Any) -> tuple[ast.Identifier, tuple[Diagnostic, ...]]:
    identifier = ast.Identifier(read_quoted(token), True, _span([token]))
    return identifier, () if identifier.name else (_empty("a name", identifier.span),)


def _empty(what: str, span: Span) -> Diagnostic:
    return Diagnostic("E0128", f"{what} cannot be empty", span, "write the name between the quotes")


# Tables and files


def table(children: Children) -> Part:
    parts, problems = read_table_name(str(children[0]), children[0].start_pos)
    return _part(children, ast.TableName(parts, False, _span(children)), problems)


def target_table(children: Children) -> Part:
    part = table(children)
    for piece in part.value.parts:
        if not isinstance(piece, ast.Literal | ast.ParameterPart) and not part.problems:
            message = "the target is one table; patterns stand in FROM only"
            part.problems = (Diagnostic("E0127", message, piece.span, "write the target's whole name"),)
    return part


def quoted_table(children: Children) -> Part:
    identifier, problems = _quoted(children[0])
    name = ast.TableName((ast.Literal(identifier.name, identifier.span),), True, identifier.span)
    return _part(children, name, problems)


def file(children: Children) -> Part:
    span = _span(children)
    name = ast.FileName(read_quoted(children[0]), span)
    return _part(children, name, () if name.text else (_empty("a file's name", span),))


def source(children: Children) -> Part:
    name, options = children
    return _part(children, ast.Source(name.value, options.value if options else (), _span(children)))


def sources(children: Children) -> Part:
    return _part(children, _values(children))


def exclude(children: Children) -> Part | None:
    return _part(children, _values(children)) if children else None


# The other clauses


def where(children: Children) -> Part | None:
    return _part(children, children[1].value) if children else None


def limit(children: Children) -> Part | None:
    if not children:
        return None
    rows, problem = _whole(children[1], "LIMIT counts rows: it is a whole number")
    return _part(children, ast.Limit(rows, _span(children)), problem)


def _whole(token: Any, message: str) -> tuple[int, tuple[Diagnostic, ...]]:
    span = _span([token])
    number, problem = read_number(str(token), span)
    if problem is not None:
        return 0, (problem,)
    if not token.isdecimal():
        return 0, (Diagnostic("E0109", message, span, "write digits only"),)
    return int(number), ()


def on(children: Children) -> Part | None:
    if not children:
        return None
    values = _values(children)
    conflict = next((value for value in values if isinstance(value, ast.OnConflict)), None)
    error = next((value for value in values if isinstance(value, ast.OnError)), None)
    return _part(children, (conflict, error))


def on_conflict(children: Children) -> Part:
    newest = type(children[-1]) is Part
    action = "KEEP NEWEST" if newest else children[2].upper()
    column = children[-1].value if newest else None
    return _part(children, ast.OnConflict(action, column, _span(children)))


def on_error(children: Children) -> Part:
    return _part(children, ast.OnError(children[2].upper(), _span(children)))


def settings(children: Children) -> Part | None:
    return _part(children, _values(children)) if children else None


# Options


def options(children: Children) -> Part | None:
    return _part(children, _values(children)) if children else None


def option(children: Children) -> Part:
    return _part(children, ast.Option(_bare(children[0]), _values(children), _span(children)))


def percent(children: Children) -> Part:
    return _part(children, ast.Percent(children[0].value.value, _span(children)))


def units(children: Children) -> Part:
    return _part(children, ast.Units(children[0].value.value, children[1].lower(), _span(children)))


def option_word(children: Children) -> Part:
    return _part(children, ast.Word(_bare(children[0]), _span(children)))


def option_quoted(children: Children) -> Part:
    identifier, problems = _quoted(children[0])
    return _part(children, ast.Word(identifier, identifier.span), problems)


def negative_number(children: Children) -> Part:
    # copy_negate: unary minus would round to the context's precision.
    return _part(children, ast.Number(children[1].value.value.copy_negate(), _span(children)))


# Expressions


def number(children: Children) -> Part:
    span = _span(children)
    value, problem = read_number(str(children[0]), span)
    return _expression(children, ast.Number(value, span), () if problem is None else (problem,))


def text(children: Children) -> Part:
    return _expression(children, ast.Text(read_quoted(children[0]), _span(children)))


def truth(children: Children) -> Part:
    return _expression(children, ast.Boolean(children[0].type == "TRUE", _span(children)))


def null(children: Children) -> Part:
    return _expression(children, ast.Null(_span(children)))


def duration(children: Children) -> Part:
    amount: Decimal = children[0].value.value
    written = str(children[1])
    unit = read_unit(written)
    problems = []
    if unit is None:
        singular = written.lower().removesuffix("s")
        message = f"a {singular} has no fixed length"
        problems.append(Diagnostic("E0125", message, _span(children[1:]), INSTEAD[singular]))
    return _part(children, ast.DurationLiteral(amount, unit or "day", _span(children)), problems)


def timestamp(children: Children) -> Part:
    return _expression(children, ast.TimestampLiteral(read_quoted(children[1]), _span(children)))


def attribute(children: Children) -> Part:
    return _expression(children, ast.Name(_bare(children[0]), _span(children)))


def quoted_attribute(children: Children) -> Part:
    identifier, problems = _quoted(children[0])
    return _expression(children, ast.Name(identifier, identifier.span), problems)


def path(children: Children) -> Part:
    base, *steps = children
    return _expression(children, ast.Path(base.value, _values(steps), _span(children)))


def field(children: Children) -> Part:
    return _part(children, ast.Field(children[1].value, _span(children)))


def index(children: Children) -> Part:
    position, problem = _whole(children[1], "a position in a list is a whole number, counted from 0")
    return _part(children, ast.Index(position, _span(children)), problem)


def call(children: Children) -> Part:
    return _expression(children, ast.Call(_bare(children[0]), _values(children[2:]), _span(children)))


def unary(children: Children) -> Part:
    return _expression(children, ast.Unary(children[0].upper(), children[1].value, _span(children)))


def binary(children: Children) -> Part:
    left, operator, right = children
    symbol = "<>" if operator == "!=" else operator.upper()
    return _expression(
        children, ast.Binary(symbol, left.value, right.value, _span([operator]), _span(children))
    )


def _negated(children: Children) -> bool:
    return any(type(child) is not Part and child.type == "NOT" for child in children)


def between(children: Children) -> Part:
    operand, low, high = _values(children)
    return _expression(children, ast.Between(operand, low, high, _negated(children), _span(children)))


def in_list(children: Children) -> Part:
    operand, *items = _values(children)
    return _expression(children, ast.In(operand, tuple(items), _negated(children), _span(children)))


def like(children: Children) -> Part:
    operand, pattern, *escape = _values(children)
    node = ast.Like(operand, pattern, escape[0] if escape else None, _negated(children), _span(children))
    return _expression(children, node)


def is_null(children: Children) -> Part:
    return _expression(children, ast.IsNull(children[0].value, _negated(children), _span(children)))


def is_missing(children: Children) -> Part:
    return _expression(children, ast.IsMissing(children[0].value, _negated(children), _span(children)))


def case(children: Children) -> Part:
    values = _values(children)
    whens = tuple(value for value in values if isinstance(value, ast.When))
    operand = values[0] if not isinstance(values[0], ast.When) else None
    otherwise = values[-1] if not isinstance(values[-1], ast.When) else None
    return _expression(children, ast.Case(operand, whens, otherwise, _span(children)))


def when(children: Children) -> Part:
    return _part(children, ast.When(children[1].value, children[3].value, _span(children)))


def cast(children: Children) -> Part:
    words = children[4:-1]
    name = ast.Identifier(" ".join(words).upper(), False, _span(words))
    return _expression(children, ast.Cast(children[2].value, name, _span(children)))


def list_constructor(children: Children) -> Part:
    return _expression(children, ast.ListConstructor(_values(children), _span(children)))


def map_constructor(children: Children) -> Part:
    return _expression(children, ast.MapConstructor(_values(children), _span(children)))


def entry(children: Children) -> Part:
    return _part(children, ast.MapEntry(children[0].value, children[2].value, _span(children)))


def parenthesised(children: Children) -> Part:
    return _part(children, children[1].value)
