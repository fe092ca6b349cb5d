"""Expressions: from the syntax tree to typed expressions.

In: an expression of the syntax tree, the constants in scope. Out: a typed expression, or None after reporting why not.
Invariant: a subexpression is reported at most once; what depends on a reported one is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ddbetl.diagnostics import Diagnostic, did_you_mean
from ddbetl.errors import RowError
from ddbetl.expressions.evaluate import evaluator
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.resolve import ResolveError, Settings, resolve
from ddbetl.functions.model import Function, Nulls, RowContext
from ddbetl.functions.registry import FUNCTIONS, OPERATORS, function, operator
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression
from ddbetl.time import TimeError, parse_millis
from ddbetl.time import zone as time_zone
from ddbetl.types import Duration, Timestamp, Type

# Milliseconds of each unit of a duration.
UNITS = {
    "millisecond": 1,
    "second": 1000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
}

CASTS = tuple(cast.name.removeprefix("CAST AS ") for cast in OPERATORS if cast.name.startswith("CAST AS "))


@dataclass(slots=True)
class Typer:
    """Types the expressions of one spec. ``constants``: the LETs and PARAMs in scope."""

    source: SourceText
    settings: Settings
    constants: Mapping[str, Constant]
    report: Callable[[Diagnostic], None]
    # Inside the arguments of a function that may not evaluate them, a failing constant is no error yet.
    _lazy: int = 0

    def type(self, node: ast.Expression) -> Expression | None:
        """The typed expression of a node; None when it was reported."""
        match node:
            case ast.Text(value=text):
                return Constant(text, Type.STRING, node.span)
            case ast.Number(value=number):
                return Constant(number, Type.NUMBER, node.span)
            case ast.Boolean(value=flag):
                return Constant(flag, Type.BOOLEAN, node.span)
            case ast.Null():
                return Constant(None, Type.NULL, node.span)
            case ast.DurationLiteral():
                return self._duration(node)
            case ast.TimestampLiteral():
                return self._timestamp(node)
            case ast.Name(identifier=identifier):
                if not identifier.quoted and identifier.name in self.constants:
                    constant = self.constants[identifier.name]
                    return Constant(constant.value, constant.type, node.span)
                return Attribute(identifier.name, (), node.span)
            case ast.Path(base=base, steps=steps):
                walked = tuple(s.identifier.name if isinstance(s, ast.Field) else s.position for s in steps)
                return Attribute(base.identifier.name, walked, node.span)
            case ast.Unary(operator=symbol, operand=operand):
                name = "NOT" if symbol == "NOT" else "negate"
                return self._apply(operator(name), [operand], node, node.span)
            case ast.Binary(operator=symbol, left=left, right=right, operator_span=at):
                return self._apply(operator(symbol), [left, right], node, at)
            case ast.Between(operand=operand, low=low, high=high, negated=negated):
                both = ast.Binary(
                    "AND",
                    ast.Binary(">=", operand, low, node.span, node.span),
                    ast.Binary("<=", operand, high, node.span, node.span),
                    node.span,
                    node.span,
                )
                return self.type(ast.Unary("NOT", both, node.span) if negated else both)
            case ast.In(operand=operand, items=items, negated=negated):
                return self._negated(self._apply(operator("IN"), [operand, *items], node, node.span), negated, node)
            case ast.Like(operand=operand, pattern=pattern, escape=escape, negated=negated):
                arguments = [operand, pattern] + ([escape] if escape is not None else [])
                return self._negated(self._apply(operator("LIKE"), arguments, node, node.span), negated, node)
            case ast.IsNull(operand=operand, negated=negated):
                return self._negated(self._apply(operator("IS NULL"), [operand], node, node.span), negated, node)
            case ast.IsMissing():
                return self._is_missing(node)
            case ast.Case():
                return self._case(node)
            case ast.Cast(operand=operand, type_name=type_name):
                if type_name.name not in CASTS:
                    message = f"CAST to {type_name.name} is not there yet"
                    known = type_name.name in (t.value for t in Type)
                    if not known:
                        message = f"{type_name.name} is not a type"
                    hint = did_you_mean(type_name.name, CASTS) or f"CAST knows {', '.join(CASTS)}"
                    self._error("E0601" if known else "E0310", message, type_name.span, hint)
                    self.type(operand)
                    return None
                return self._apply(operator(f"CAST AS {type_name.name}"), [operand], node, node.span)
            case ast.Call(name=name, arguments=arguments):
                found = function(name.name)
                if found is None:
                    hint = did_you_mean(name.name, [f.name for f in FUNCTIONS])
                    hint = hint or "ddbetl functions lists them all"
                    self._error("E0301", f"there is no function {name.name}", name.span, hint)
                    for argument in arguments:
                        self.type(argument)
                    return None
                return self._apply(found, list(arguments), node, name.span)
            case ast.ListConstructor() | ast.MapConstructor():
                self._error("E0601", "list and map constructors are not there yet", node.span)
                return None

    def _error(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.report(Diagnostic(code, message, span, hint))

    def _duration(self, node: ast.DurationLiteral) -> Expression | None:
        millis = node.amount * UNITS[node.unit]
        if millis != millis.to_integral_value():
            self._error("E0306", "a duration is a whole number of milliseconds", node.span)
            return None
        return Constant(Duration(int(millis)), Type.DURATION, node.span)

    def _timestamp(self, node: ast.TimestampLiteral) -> Expression | None:
        try:
            millis = parse_millis(None, node.text, self.settings.zone, self.settings.pivot_year)
        except TimeError as error:
            self._error("E0306", error.message, node.span, "as in TIMESTAMP '2017-04-26T00:00:00Z'")
            return None
        return Constant(Timestamp(millis), Type.TIMESTAMP, node.span)

    def _is_missing(self, node: ast.IsMissing) -> Expression | None:
        operand = self.type(node.operand)
        if operand is None:
            return None
        if not isinstance(operand, Attribute):
            hint = "only an attribute or a path can be absent; IS NULL asks any expression"
            self._error("E0309", "IS MISSING asks for an attribute", node.operand.span, hint)
            return None
        return self._negated(
            self._resolve(operator("IS MISSING"), [operand], [node.operand], node, node.span), node.negated, node
        )

    def _case(self, node: ast.Case) -> Expression | None:
        arguments: list[ast.Expression] = []
        for when in node.whens:
            condition = when.condition
            if node.operand is not None:
                condition = ast.Binary("=", node.operand, condition, condition.span, condition.span)
            arguments += [condition, when.result]
        if node.otherwise is not None:
            arguments.append(node.otherwise)
        return self._apply(operator("CASE"), arguments, node, node.span)

    def _negated(self, expression: Expression | None, negated: bool, node: ast.Expression) -> Expression | None:
        if expression is None or not negated:
            return expression
        return self._resolve(operator("NOT"), [expression], [node], node, node.span)

    def _apply(
        self, called: Function, nodes: list[ast.Expression], node: ast.Expression, at: Span
    ) -> Expression | None:
        lazy = called.nulls is Nulls.LAZY
        self._lazy += lazy
        typed = [self.type(argument) for argument in nodes]
        self._lazy -= lazy
        arguments = [argument for argument in typed if argument is not None]
        if len(arguments) < len(typed):
            return None
        return self._resolve(called, arguments, nodes, node, at)

    def _resolve(
        self,
        called: Function,
        arguments: list[Expression],
        nodes: list[ast.Expression],
        node: ast.Expression,
        at: Span,
    ) -> Expression | None:
        try:
            call = resolve(called, arguments, self.settings, format_expression(node), node.span)
        except ResolveError as error:
            span = at if error.argument is None else nodes[error.argument].span
            if error.argument is not None and error.at is not None:
                span = self._inside(nodes[error.argument], error.at, error.length)
            self._error(error.code, error.message, span, error.hint)
            return None
        return self._fold(call)

    def _inside(self, node: ast.Expression, at: int, length: int) -> Span:
        """The place of characters of a text's value in the source, where a quote is written twice."""
        if not isinstance(node, ast.Text) or self.source.text[node.span.start : node.span.start + 1] != "'":
            return node.span
        place = node.span.start + 1
        places = []
        for character in node.value:
            places.append(place)
            place += 2 if character == "'" else 1
        places.append(place)
        start = places[min(at, len(node.value))]
        return Span(start, max(start + 1, places[min(at + length, len(node.value))]))

    def _fold(self, call: Call) -> Expression | None:
        """The value of a call over constants; the call itself where it needs a row."""
        if not is_constant(call):
            return call
        try:
            value = evaluator(call)({}, RowContext("", Timestamp(0)))
        except RowError as error:
            if self._lazy:
                return call
            self._error("E0306", error.message, call.span)
            return None
        if value is None:
            return Constant(None, Type.NULL if call.type is Type.ANY else call.type, call.span)
        return Constant(value, call.type, call.span)


def is_constant(expression: Expression) -> bool:
    """Whether an expression needs neither an item nor the run."""
    match expression:
        case Constant():
            return True
        case Attribute():
            return False
        case Call(candidates=candidates, arguments=arguments):
            return all(is_constant(a) for a in arguments) and not any(c.implementation.context for c in candidates)


def compile_expression(
    node: ast.Expression, source: SourceText, settings: Settings | None = None
) -> tuple[Expression | None, tuple[Diagnostic, ...]]:
    """Type one expression without constants in scope; in UTC unless told otherwise."""
    found: list[Diagnostic] = []
    typer = Typer(source, settings or Settings(time_zone("UTC"), 1987), {}, found.append)
    return typer.type(node), tuple(found)
