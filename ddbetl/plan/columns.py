"""The columns of SELECT and the condition of WHERE.

In: the SELECT list and WHERE of the syntax tree, a typer. Out: a projection and a condition. Invariant: a column that
was reported stands in the projection as an attribute of unknown type, so that nothing follows from its error.
"""

from __future__ import annotations

from dataclasses import dataclass

from ddbetl.diagnostics import Label
from ddbetl.expressions.ir import Attribute, Constant, Expression, attributes
from ddbetl.expressions.projection import OutputColumn, Projection, Star
from ddbetl.expressions.resolve import resolve
from ddbetl.functions.registry import operator
from ddbetl.plan.scope import Analysis, short, written
from ddbetl.plan.typer import Typer
from ddbetl.source import Span
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression
from ddbetl.types import Type

# Types that exist inside expressions only.
INNER = (Type.TIMESTAMP, Type.DURATION)


def projection(analysis: Analysis, typer: Typer) -> Projection:
    """What SELECT makes of an item."""
    columns: list[OutputColumn] = []
    star: Star | None = None
    seen: dict[str, Span] = {}
    for item in analysis.spec.statement.select:
        match item:
            case ast.Column():
                found = _column(analysis, typer, item, seen, replaces=False)
                columns += [found] if found is not None else []
            case ast.Star(span=span) if star is not None:
                analysis.error("E0208", "* stands in SELECT twice", span, "leave one of them out")
            case ast.Star():
                star = _star(analysis, item)
                replaced: set[str | None] = set()
                for replacement in item.replace:
                    name = _column_name(replacement)
                    # Of a name that is replaced twice, _star has told.
                    found = _column(analysis, typer, replacement, {} if name in replaced else seen, replaces=True)
                    replaced.add(name)
                    columns += [found] if found is not None else []
                for rename in item.rename:
                    _name_once(analysis, seen, rename.new.name, rename.new.span)
    if star is not None:
        _beside_star(analysis, star, columns)
    return Projection(tuple(columns), star)


def _name_once(analysis: Analysis, seen: dict[str, Span], name: str, span: Span) -> None:
    if name in seen:
        labels = (Label(seen[name], "here first"),)
        message = f"two columns are called {written(name)}"
        analysis.error("E0204", message, span, "give one of them another name by AS", labels)
    seen.setdefault(name, span)


def _star(analysis: Analysis, star: ast.Star) -> Star:
    touched: dict[str, Span] = {}
    named = [*star.exclude, *(r.old for r in star.rename), *(c.alias for c in star.replace if c.alias is not None)]
    for identifier in sorted(named, key=lambda one: one.span.start):
        if identifier.name in touched:
            message = f"* leaves out, replaces or renames {written(identifier.name)} twice"
            labels = (Label(touched[identifier.name], "here first"),)
            analysis.error("E0208", message, identifier.span, "an attribute can be only one of the three", labels)
        touched.setdefault(identifier.name, identifier.span)
    return Star(tuple(e.name for e in star.exclude), tuple((r.old.name, r.new.name) for r in star.rename))


def _beside_star(analysis: Analysis, star: Star, columns: list[OutputColumn]) -> None:
    """Columns that an attribute of the same name, brought by ``*``, can collide with: the row is an error then."""
    gone = {*star.exclude, *(old for old, _ in star.rename)}
    for column in columns:
        if column.replaces or column.name in gone:
            continue
        name = written(column.name)
        if isinstance(column.expression, Attribute) and not column.expression.steps:
            if column.expression.name == column.name:
                analysis.error("E0204", f"* brings {name} already", column.span, "leave this column out")
        elif any(a.name == column.name for a in attributes(column.expression)):
            message = f"* brings {name} too: an item with both goes to the rejects"
            hint = f"* REPLACE ({short(column.text)} AS {name}) puts the new value in its place"
            analysis.warn("W0104", message, column.span, hint)


def _column_name(column: ast.Column) -> str | None:
    if column.alias is not None:
        return column.alias.name
    match column.expression:
        case ast.Name(identifier=identifier):
            return identifier.name
        case ast.Path(steps=(*_, ast.Field(identifier=identifier))):
            return identifier.name
        case _:
            return None


def _column(
    analysis: Analysis, typer: Typer, column: ast.Column, seen: dict[str, Span], *, replaces: bool
) -> OutputColumn | None:
    expression = typer.type(column.expression)
    name = _column_name(column)
    text = format_expression(column.expression)
    if name is None:
        analysis.error("E0205", "this column needs a name", column.span, f"{short(text)} AS name")
        return None
    _name_once(analysis, seen, name, column.alias.span if column.alias is not None else column.span)
    _check_hidden(analysis, column)
    if expression is not None and expression.type in INNER:
        hint = {
            Type.TIMESTAMP: f"epoch({short(text)}) is a number, format_time({short(text)}, …) a text",
            Type.DURATION: f"to_number({short(text)}) is its seconds",
        }[expression.type]
        analysis.error("E0308", f"a {expression.type} cannot be stored", column.expression.span, hint)
        expression = None
    if expression is None:
        expression = Constant(None, Type.ANY, column.span)
    return OutputColumn(name, expression, replaces, text, column.span)


def _check_hidden(analysis: Analysis, column: ast.Column) -> None:
    """A bare name as a whole column is mostly meant to be an attribute."""
    match column:
        case ast.Column(expression=ast.Name(identifier=ast.Identifier(name=name, quoted=False)), alias=None):
            if name in analysis.constants:
                kind = "LET" if name in analysis.lets else "PARAM"
                hint = f'"{name}" is the attribute; {name} AS {name} says that the {kind} is meant'
                analysis.warn("W0101", f"{name} is the {kind} here, not an attribute", column.span, hint)


# Rows


@dataclass(frozen=True, slots=True)
class Condition:
    """What keeps a row, and how a spec would write it."""

    predicate: Expression
    text: str


def condition(analysis: Analysis, typer: Typer, besides: ast.Expression | None) -> Condition | None:
    """The condition of WHERE and the one ``besides``; None without either, or where one was reported."""
    where = analysis.spec.statement.where
    both = [_predicate(analysis, typer, node) for node in (where, besides) if node is not None]
    found = [one for one in both if one is not None]
    if not found:
        return None
    if len(found) == 1:
        return found[0]
    assert where is not None and besides is not None
    text = format_expression(ast.Binary("AND", where, besides))
    predicates = [one.predicate for one in found]
    return Condition(resolve(operator("AND"), predicates, typer.settings, text, where.span), text)


def _predicate(analysis: Analysis, typer: Typer, where: ast.Expression) -> Condition | None:
    found = typer.type(where)
    if found is None:
        return None
    text = format_expression(where)
    if found.type is Type.ANY:
        # An attribute alone: that it is a BOOLEAN is checked for each row.
        true = Constant(True, Type.BOOLEAN)
        return Condition(resolve(operator("AND"), [true, found], typer.settings, text, where.span), text)
    if found.type not in (Type.BOOLEAN, Type.NULL):
        text = short(text)
        hint = {
            Type.STRING: f"a comparison, such as {text} = '…'",
            Type.NUMBER: f"a comparison, such as {text} > 0",
        }.get(found.type, f"a comparison, or {text} IS NOT NULL")
        analysis.error("E0307", f"WHERE needs TRUE or FALSE, not a {found.type}", where.span, hint)
        return None
    return Condition(found, text)
