"""Expressions: one function for each rule of the grammar, of the same name.

In: the rule's children. Out: a part.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.diagnostics import Diagnostic
from ddbetl.syntax import ast
from ddbetl.syntax.literals import INSTEAD, read_number, read_quoted, read_unit
from ddbetl.syntax.parts import (
    Children,
    Part,
    bare_identifier,
    expression_of,
    part_of,
    quoted_identifier,
    span_of,
    values_of,
    whole_number,
)

# Words that stand between expressions. Before a parenthesis they would read like functions.
# fmt: off
NO_FUNCTIONS = frozenset({
    "AND", "AS", "BETWEEN", "ELSE", "END", "FROM", "IN", "IS", "LIKE", "ON", "OR", "SELECT", "THEN", "WHEN",
    "WHERE", "WITH",
})
# fmt: on


def number(children: Children) -> Part:
    span = span_of(children)
    value, problem = read_number(str(children[0]), span)
    return expression_of(children, ast.Number(value, span), () if problem is None else (problem,))


def text(children: Children) -> Part:
    return expression_of(children, ast.Text(read_quoted(children[0]), span_of(children)))


def truth(children: Children) -> Part:
    return expression_of(children, ast.Boolean(children[0].type == "TRUE", span_of(children)))


def null(children: Children) -> Part:
    return expression_of(children, ast.Null(span_of(children)))


def duration(children: Children) -> Part:
    amount: Decimal = children[0].value.value
    written = str(children[1])
    unit = read_unit(written)
    problems = []
    if unit is None:
        singular = written.lower().removesuffix("s")
        message = f"a {singular} has no fixed length"
        problems.append(Diagnostic("E0125", message, span_of(children[1:]), INSTEAD[singular]))
    return part_of(children, ast.DurationLiteral(amount, unit or "day", span_of(children)), problems)


def timestamp(children: Children) -> Part:
    return expression_of(children, ast.TimestampLiteral(read_quoted(children[1]), span_of(children)))


def attribute(children: Children) -> Part:
    return expression_of(children, ast.Name(bare_identifier(children[0]), span_of(children)))


def quoted_attribute(children: Children) -> Part:
    identifier, problems = quoted_identifier(children[0])
    return expression_of(children, ast.Name(identifier, identifier.span), problems)


def path(children: Children) -> Part:
    base, *steps = children
    return expression_of(children, ast.Path(base.value, values_of(steps), span_of(children)))


def field(children: Children) -> Part:
    return part_of(children, ast.Field(children[1].value, span_of(children)))


def index(children: Children) -> Part:
    position, problem = whole_number(children[1], "a position in a list is a whole number, counted from 0")
    return part_of(children, ast.Index(position, span_of(children)), problem)


def call(children: Children) -> Part:
    name = bare_identifier(children[0])
    problems = []
    if name.name.upper() in NO_FUNCTIONS:
        message = f"an expression is missing before {name.name.upper()}"
        problems.append(Diagnostic("E0109", message, name.span, "no function has this name"))
    return expression_of(children, ast.Call(name, values_of(children[2:]), span_of(children)), problems)


def unary(children: Children) -> Part:
    return expression_of(children, ast.Unary(children[0].upper(), children[1].value, span_of(children)))


def binary(children: Children) -> Part:
    left, operator, right = children
    symbol = "<>" if operator == "!=" else operator.upper()
    return expression_of(children, ast.Binary(symbol, left.value, right.value, span_of([operator]), span_of(children)))


def _negated(children: Children) -> bool:
    return any(type(child) is not Part and child.type == "NOT" for child in children)


def between(children: Children) -> Part:
    operand, low, high = values_of(children)
    return expression_of(children, ast.Between(operand, low, high, _negated(children), span_of(children)))


def in_list(children: Children) -> Part:
    operand, *items = values_of(children)
    return expression_of(children, ast.In(operand, tuple(items), _negated(children), span_of(children)))


def like(children: Children) -> Part:
    operand, pattern, *escape = values_of(children)
    node = ast.Like(operand, pattern, escape[0] if escape else None, _negated(children), span_of(children))
    return expression_of(children, node)


def is_null(children: Children) -> Part:
    return expression_of(children, ast.IsNull(children[0].value, _negated(children), span_of(children)))


def is_missing(children: Children) -> Part:
    return expression_of(children, ast.IsMissing(children[0].value, _negated(children), span_of(children)))


def case(children: Children) -> Part:
    values = values_of(children)
    whens = tuple(value for value in values if isinstance(value, ast.When))
    operand = values[0] if not isinstance(values[0], ast.When) else None
    otherwise = values[-1] if not isinstance(values[-1], ast.When) else None
    return expression_of(children, ast.Case(operand, whens, otherwise, span_of(children)))


def when(children: Children) -> Part:
    return part_of(children, ast.When(children[1].value, children[3].value, span_of(children)))


def cast(children: Children) -> Part:
    words = children[4:-1]
    name = ast.Identifier(" ".join(words).upper(), False, span_of(words))
    return expression_of(children, ast.Cast(children[2].value, name, span_of(children)))


def list_constructor(children: Children) -> Part:
    return expression_of(children, ast.ListConstructor(values_of(children), span_of(children)))


def map_constructor(children: Children) -> Part:
    return expression_of(children, ast.MapConstructor(values_of(children), span_of(children)))


def entry(children: Children) -> Part:
    return part_of(children, ast.MapEntry(children[0].value, children[2].value, span_of(children)))


def parenthesised(children: Children) -> Part:
    return part_of(children, children[1].value)
