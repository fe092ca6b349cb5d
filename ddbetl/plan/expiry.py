"""The target's expiry attribute: the column that is checked, and the rows that are past it.

In: the options ``ttl_attribute`` and ``skip_expired``, the projection. Out: errors, and a condition for WHERE.
Invariant: a time in milliseconds never passes for one in seconds; what only the rows show is checked for each row.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.expressions.ir import Call, Constant, Expression
from ddbetl.expressions.projection import OutputColumn, Projection
from ddbetl.expressions.writing import EARLIEST_EXPIRY, LATEST_EXPIRY
from ddbetl.numbers import number_text
from ddbetl.plan.logical import Table
from ddbetl.plan.scope import Analysis, short, written
from ddbetl.plan.settings import place
from ddbetl.plan.target import known_type, no_column
from ddbetl.syntax import ast
from ddbetl.types import Type

# Functions whose result is one of their arguments, or about as large.
_KEEPING = frozenset({"coalesce", "if", "CASE", "try", "nullif", "floor", "ceil", "round", "abs"})


def check(analysis: Analysis, name: str, found: Projection, sources: tuple[Table, ...]) -> None:
    """Report an expiry attribute that SELECT does not make, or makes of something else than seconds since 1970."""
    option, source = place(analysis, "ttl_attribute")
    origin = found.origin(name)
    shown = written(name)
    if origin is None:
        message = f"ttl_attribute = {shown}: SELECT makes no such column"
        analysis.error("E0508", message, option.span, no_column(name, found), source=source)
        return
    type_ = known_type(origin, sources)
    if not isinstance(origin, OutputColumn):
        if type_ not in (Type.ANY, Type.NUMBER):
            message = f"ttl_attribute = {shown}: in the sources it is a {type_}, and a time of expiry is a NUMBER"
            analysis.error("E0508", message, option.span, f"* REPLACE (epoch({shown}) AS {shown})", source=source)
        return
    text = short(origin.text)
    if type_ not in (Type.ANY, Type.NUMBER):
        hint = f"epoch({text}) AS {shown} is the seconds since 1970" if type_ is Type.STRING else ""
        message = f"{shown}, the time of expiry, must be a NUMBER of seconds since 1970, not {type_}"
        analysis.error("E0508", message, origin.span, hint)
    elif (millis := _milliseconds(origin.expression)) is not None:
        message = f"{shown}, the time of expiry, is in seconds since 1970; this is in milliseconds"
        analysis.error("E0508", message, millis.span, "epoch is in seconds: nothing would ever expire by this one")
    elif (constant := _strange(origin.expression)) is not None:
        what = number_text(constant)
        message = f"{shown}, the time of expiry, is in seconds since 1970; {what} is no time of our days"
        analysis.error("E0508", message, origin.span, "as in epoch(now()) + 365 days")


def _strange(expression: Expression) -> Decimal | None:
    """The value of a constant that is no time of our days."""
    value = expression.value if isinstance(expression, Constant) else None
    return value if isinstance(value, Decimal) and not EARLIEST_EXPIRY <= value <= LATEST_EXPIRY else None


def _milliseconds(expression: Expression) -> Call | None:
    """The call by which an expression counts milliseconds since 1970, if it does."""
    if not isinstance(expression, Call):
        return None
    match expression.function.name, expression.arguments:
        case "epoch_ms", _:
            return expression
        case "*", (left, right):
            for side, factor in ((left, right), (right, left)):
                thousand = isinstance(factor, Constant) and isinstance(factor.value, Decimal) and factor.value >= 1000
                if thousand and isinstance(side, Call) and side.function.name == "epoch":
                    return expression
            return None
        case "+" | "-", arguments:
            return next(filter(None, map(_milliseconds, arguments)), None)
        case name, arguments if name in _KEEPING:
            return next(filter(None, map(_milliseconds, arguments)), None)
        case _:
            return None


def not_expired(analysis: Analysis, name: str, found: Projection) -> ast.Expression | None:
    """The condition that a row is not past its time of expiry, or has none; None where the column was reported.

    What is too little to be a time, a duration say, is not past: it stays, to be rejected.
    """
    origin = found.origin(name)
    if origin is None:
        return None
    node: ast.Expression | None
    if isinstance(origin, OutputColumn):
        node = _node_of(analysis, origin)
    else:
        node = ast.Name(ast.Identifier(origin, quoted=True), place(analysis, "skip_expired")[0].span)
    if node is None:
        return None
    span = node.span
    now = ast.Call(ast.Identifier("epoch", span=span), (ast.Call(ast.Identifier("now", span=span), (), span),), span)
    later = ast.Binary(">", node, now, span, span)
    no_time = ast.Binary("<", node, ast.Number(Decimal(EARLIEST_EXPIRY), span), span, span)
    missing = ast.IsNull(node, False, span)
    return ast.Binary("OR", ast.Binary("OR", missing, later, span, span), no_time, span, span)


def _node_of(analysis: Analysis, column: OutputColumn) -> ast.Expression | None:
    """What the spec writes for a column."""
    for item in analysis.spec.statement.select:
        for one in (item,) if isinstance(item, ast.Column) else item.replace:
            if one.span == column.span:
                return one.expression
    return None
