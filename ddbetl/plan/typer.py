"""Expressions: from the syntax tree to typed expressions.

In: an expression of the syntax tree, the constants in scope. Out: a typed expression, or None after reporting why not.
Invariant: a subexpression is reported at most once; what depends on a reported one is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ddbetl.diagnostics import Diagnostic, did_you_mean
from ddbetl.errors import RowError
from ddbetl.expressions.evaluate import evaluator
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.resolve import ResolveError, Settings, resolve, time_of
from ddbetl.functions.arithmetic import check_millis
from ddbetl.functions.model import Function, Nulls, RowContext
from ddbetl.functions.registry import FUNCTIONS, OPERATORS, function, operator
from ddbetl.functions.sets import SETS
from ddbetl.functions.time import year_of_digits
from ddbetl.numbers import EXACT
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression
from ddbetl.time import TimeError, parse_millis
from ddbetl.time import zone as time_zone
from ddbetl.time.calendar import PARTS
from ddbetl.types import Duration, Timestamp, Type, type_of

# Milliseconds of each unit of a duration.
UNITS = {
    "millisecond": 1,
    "second": 1000,
    "minute": 60_000,
    "hour": 3_600_000,
    "day": 86_400_000,
    "week": 604_800_000,
}

# What other dialects call the types, and the functions that they have under other names or that have no place here.
TYPE_NAMES = {
    **dict.fromkeys(("INT", "INTEGER", "BIGINT", "SMALLINT", "TINYINT", "LONG", "FLOAT", "DOUBLE", "REAL"), "NUMBER"),
    **dict.fromkeys(("DECIMAL", "NUMERIC", "DOUBLE PRECISION"), "NUMBER"),
    **dict.fromkeys(("VARCHAR", "CHAR", "TEXT"), "STRING"),
    **dict.fromkeys(("BOOL", "BIT"), "BOOLEAN"),
    **dict.fromkeys(("BLOB", "BYTES", "VARBINARY"), "BINARY"),
    **dict.fromkeys(("DATE", "DATETIME", "TIMESTAMPTZ"), "TIMESTAMP"),
}
FUNCTION_NAMES: dict[str, str] = {
    **dict.fromkeys(("unix_timestamp", "to_unix_timestamp", "to_epoch"), "epoch(x, pattern, zone)"),
    **dict.fromkeys(("to_timestamp", "to_date", "strptime", "str_to_date"), "parse_time(x, pattern, zone)"),
    **dict.fromkeys(("from_unixtime", "date_format", "strftime", "to_char"), "format_time(parse_time(x), pattern)"),
    **dict.fromkeys(("current_timestamp", "getdate", "sysdate"), "now()"),
    **dict.fromkeys(("dateadd", "timestampadd", "add_months"), "date_add('month', n, time)"),
    **dict.fromkeys(("datepart", "extract"), "date_part('year', time)"),
    **{part: f"date_part('{part}', time)" for part in PARTS},
    **dict.fromkeys(("datetrunc", "time_bucket"), "date_trunc('day', time)"),
    **dict.fromkeys(("nvl", "ifnull"), "coalesce(x, y)"),
    **dict.fromkeys(("isnull", "is_null"), "x IS NULL"),
    **dict.fromkeys(("len", "char_length", "character_length", "strlen"), "length(x)"),
    **dict.fromkeys(("ucase", "toupper"), "upper(x)"),
    **dict.fromkeys(("lcase", "tolower"), "lower(x)"),
    **dict.fromkeys(("substring", "mid"), "substr(x, start, length)"),
    **dict.fromkeys(("octet_length", "lengthb"), "byte_length(x)"),
    **dict.fromkeys(("strip", "btrim"), "trim(x)"),
    **dict.fromkeys(("lstrip", "trim_start"), "ltrim(x)"),
    **dict.fromkeys(("rstrip", "trim_end"), "rtrim(x)"),
    **dict.fromkeys(("zfill", "rjust", "pad_start"), "lpad(x, length, '0')"),
    **dict.fromkeys(("ljust", "pad_end"), "rpad(x, length)"),
    **dict.fromkeys(("strpos", "instr", "locate", "charindex", "indexof"), "position(text, part)"),
    **dict.fromkeys(("begins_with", "startswith", "prefix"), "starts_with(text, part)"),
    **dict.fromkeys(("endswith", "suffix"), "ends_with(text, part)"),
    **dict.fromkeys(("string_split", "str_split", "string_to_array"), "split(text, separator)"),
    **dict.fromkeys(("regexp_like", "rlike", "regexp", "regexp_contains"), "regexp_matches(text, 'regex')"),
    **dict.fromkeys(("regexp_substr", "regexp_match"), "regexp_extract(text, 'regex')"),
    **dict.fromkeys(("printf", "sprintf", "format_string"), "format('{}', x)"),
    **dict.fromkeys(("nfc_normalize", "unicode_normalize"), "normalize(x)"),
    **dict.fromkeys(("iff", "iif"), "if(condition, x, y)"),
    **dict.fromkeys(("ceiling",), "ceil(x)"),
    **dict.fromkeys(("truncate",), "trunc(x, places)"),
    **dict.fromkeys(("round_even", "bround", "rint"), "round_half_even(x, places)"),
    **dict.fromkeys(("pow",), "power(base, exponent)"),
    **dict.fromkeys(("signum", "sgn"), "sign(x)"),
    **dict.fromkeys(("str", "tostring"), "to_string(x)"),
    **dict.fromkeys(("int", "number", "tonumber"), "to_number(x)"),
    **dict.fromkeys(("encode", "to_utf8"), "to_binary(x)"),
    **dict.fromkeys(("base64", "base64_encode", "b64encode"), "to_base64(x)"),
    **dict.fromkeys(("unbase64", "base64_decode", "b64decode"), "from_base64(x)"),
    **dict.fromkeys(("unhex",), "from_hex(x)"),
    **dict.fromkeys(("sha", "sha2"), "sha256(x)"),
    **dict.fromkeys(("hash", "bucket", "fnv_hash"), "shard(key, n)"),
    **dict.fromkeys(("uuid", "uuid_generate_v5"), "uuid5('url', name)"),
    **dict.fromkeys(("table_name", "input_file_name"), "source_table()"),
    **dict.fromkeys(("typeof",), "attribute_type(x)"),
    **dict.fromkeys(("attribute_exists",), "x IS NOT MISSING"),
    **dict.fromkeys(("attribute_not_exists",), "x IS MISSING"),
    **dict.fromkeys(("list_append", "array_append", "array_concat", "array_cat"), "list_concat(list, [x])"),
    **dict.fromkeys(("array_length", "cardinality"), "size(x)"),
    **dict.fromkeys(("array_slice", "list_slice"), "slice(list, start, length)"),
    **dict.fromkeys(("element_at", "list_extract"), "element(list, index)"),
    **dict.fromkeys(("array_contains", "list_contains"), "contains(list, x)"),
    **dict.fromkeys(("map_keys", "object_keys"), "keys(map)"),
    **dict.fromkeys(("map_values",), "values(map)"),
    **dict.fromkeys(("map_concat",), "map_merge(a, b)"),
    **dict.fromkeys(("array", "list"), "[a, b]"),
    **dict.fromkeys(("map", "named_struct", "struct"), "{'key': x}"),
    **dict.fromkeys(("array_union",), "set_union(a, b)"),
    **dict.fromkeys(("array_intersect",), "set_intersect(a, b)"),
    **dict.fromkeys(("array_except",), "set_except(a, b)"),
    **dict.fromkeys(("json_parse", "parse_json"), "from_json(text)"),
    **dict.fromkeys(("json_format", "json_stringify"), "to_json(x)"),
}
AGGREGATES = frozenset({"avg", "count", "max", "min", "sum"})

CASTS = tuple(cast.name.removeprefix("CAST AS ") for cast in OPERATORS if cast.name.startswith("CAST AS "))

# What a call over constants may give that is no Constant.
_DOCUMENTS = SETS | {Type.LIST, Type.MAP, Type.NULL}

# The characters or bytes of a constant that is calculated: LETs of LETs could double one until there is no memory left.
LONGEST_CONSTANT = 2**20

COMPARISONS = frozenset({"=", "<>", "<", "<=", ">", ">="})


@dataclass(slots=True)
class Typer:
    """Types the expressions of one spec.

    ``constants``: the LETs and PARAMs in scope, None for one that was reported. ``functions``: of
    the user's own, in lower case. ``more_functions``: functions that are not known may exist, so they are not reported.
    """

    source: SourceText
    settings: Settings
    constants: Mapping[str, Constant | None]
    report: Callable[[Diagnostic], None]
    functions: Mapping[str, Function] = field(default_factory=dict)
    more_functions: bool = False
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
                    if constant is None:
                        return None
                    return Constant(constant.value, constant.type, node.span)
                return Attribute(identifier.name, (), node.span)
            case ast.Path(base=base, steps=steps):
                walked = tuple(s.identifier.name if isinstance(s, ast.Field) else s.position for s in steps)
                return Attribute(base.identifier.name, walked, node.span)
            case ast.Unary(operator=symbol, operand=operand):
                name = "NOT" if symbol == "NOT" else "negate"
                return self._apply(operator(name), [operand], node, node.span)
            case ast.Binary(operator=symbol, left=left, right=right, operator_span=at):
                if symbol in COMPARISONS:
                    self._doubt_comparison(node)
                return self._apply(operator(symbol), [left, right], node, at)
            case ast.Between():
                return self._between(node)
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
                    self._unknown_type(type_name)
                    self.type(operand)
                    return None
                return self._apply(operator(f"CAST AS {type_name.name}"), [operand], node, node.span)
            case ast.Call(name=name, arguments=arguments):
                found = function(name.name) or self.functions.get(name.name.lower())
                if found is None:
                    self._unknown_function(name)
                    for argument in arguments:
                        self.type(argument)
                    return None
                return self._apply(found, list(arguments), node, name.span)
            case ast.ListConstructor(items=items):
                return self._apply(operator("[…]"), list(items), node, node.span)
            case ast.MapConstructor():
                return self._map(node)

    def _error(self, code: str, message: str, span: Span, hint: str = "") -> None:
        self.report(Diagnostic(code, message, span, hint))

    def _unknown_function(self, name: ast.Identifier) -> None:
        if self.more_functions:
            return
        word = name.name.lower()
        known = [f.name for f in (*self.functions.values(), *FUNCTIONS)]
        hint = did_you_mean(name.name, known) or "`ddbetl functions` lists them all"
        if word in FUNCTION_NAMES:
            hint = f"write {FUNCTION_NAMES[word]}"
        elif word in AGGREGATES:
            hint = "each row is made from one item, so there are no aggregates"
        self._error("E0301", f"there is no function {name.name}", name.span, hint)

    def _unknown_type(self, name: ast.Identifier) -> None:
        hint = did_you_mean(name.name, CASTS) or f"CAST knows {', '.join(CASTS)}"
        if name.name in TYPE_NAMES:
            hint = f"write {TYPE_NAMES[name.name]}"
        self._error("E0310", f"{name.name} is not a type of CAST", name.span, hint)

    def _duration(self, node: ast.DurationLiteral) -> Expression | None:
        millis = EXACT.multiply(node.amount, UNITS[node.unit])
        if millis != millis.to_integral_value():
            self._error("E0306", "a duration is a whole number of milliseconds", node.span)
            return None
        try:
            return Constant(Duration(check_millis(int(millis))), Type.DURATION, node.span)
        except RowError as error:
            self._error("E0306", error.message, node.span)
            return None

    def _timestamp(self, node: ast.TimestampLiteral) -> Expression | None:
        try:
            millis = parse_millis(None, node.text, self.settings.zone, self.settings.pivot_year)
        except TimeError as error:
            self._error("E0306", error.message, node.span, "as in TIMESTAMP '2017-04-26T00:00:00Z'")
            return None
        if (message := year_of_digits(node.text)) is not None:
            self._error("W0106", message, node.span, "a date has dashes: TIMESTAMP '2017-04-26'")
        return Constant(Timestamp(millis), Type.TIMESTAMP, node.span)

    def _doubt_comparison(self, node: ast.Binary) -> None:
        """Warn of a comparison that is right but hardly meant: with NULL, or of a text in double quotes."""
        sides = (node.left, node.right)
        for side, other in (sides, sides[::-1]):
            if isinstance(side, ast.Null):
                asked = format_expression(other)
                hint = f"{asked} IS {'NOT ' if node.operator == '<>' else ''}NULL asks for it"
                self._error("W0108", f"{node.operator} NULL is never TRUE", node.span, hint)
                return
            match side:
                case ast.Name(identifier=ast.Identifier(name=name, quoted=True)) if isinstance(other, ast.Name):
                    if name in self.constants:
                        # Without the quotes it would be the constant.
                        continue
                    hint = f"text is in single quotes: {format_expression(ast.Text(name))}"
                    self._error("W0109", f"{format_expression(side)} is an attribute here", side.span, hint)
                    return

    def _is_missing(self, node: ast.IsMissing) -> Expression | None:
        operand = self.type(node.operand)
        if operand is None:
            return None
        if not isinstance(operand, Attribute):
            hint = "only an attribute or a path can be absent; IS NULL asks any expression"
            match node.operand:
                case ast.Name(identifier=ast.Identifier(name=name)):
                    hint = f'{name} is a constant of this spec; "{name}" in double quotes is the attribute'
            self._error("E0309", "IS MISSING asks for an attribute", node.operand.span, hint)
            return None
        return self._negated(
            self._resolve(operator("IS MISSING"), [operand], [node.operand], node, node.span), node.negated, node
        )

    def _between(self, node: ast.Between) -> Expression | None:
        """``x BETWEEN a AND b`` is ``x >= a AND x <= b``, with x computed, and reported, once."""
        nodes = (node.operand, node.low, node.high)
        both = operator("AND")
        self._lazy += 1
        operand, low, high = (self.type(part) for part in nodes)
        least = most = None
        if operand is not None and low is not None and high is not None:
            above = ast.Binary(">=", node.operand, node.low, node.span, node.span)
            below = ast.Binary("<=", node.operand, node.high, node.span, node.span)
            known = {bound.type for bound in (low, high)} - {Type.ANY, Type.NULL}
            if len(known) == 2 and known != {Type.NUMBER, Type.DURATION}:
                message = f"BETWEEN: {low.type} and {high.type} do not go together"
                hint = "both bounds must have the type of what is compared"
                if known == {Type.STRING, Type.TIMESTAMP}:
                    hint = time_of(low if low.type is Type.STRING else high, self.settings)
                self._error("E0303", message, node.high.span, hint)
            else:
                least = self._resolve(
                    operator(">="), [operand, low], [node.operand, node.low], above, node.span, "BETWEEN"
                )
            if least is not None:
                most = self._resolve(
                    operator("<="), [operand, high], [node.operand, node.high], below, node.span, "BETWEEN"
                )
        self._lazy -= 1
        if least is None or most is None:
            return None
        return self._negated(self._resolve(both, [least, most], [node, node], node, node.span), node.negated, node)

    def _case(self, node: ast.Case) -> Expression | None:
        """``CASE x WHEN a THEN …`` is ``CASE WHEN x = a THEN …``, with x computed, and reported, once."""
        called = operator("CASE")
        arguments: list[ast.Expression] = []
        typed: list[Expression | None] = []
        self._lazy += 1
        operand = self.type(node.operand) if node.operand is not None else None
        for when in node.whens:
            condition, found = when.condition, self.type(when.condition)
            if node.operand is not None:
                equal = ast.Binary("=", node.operand, condition, condition.span, condition.span)
                if operand is not None and found is not None:
                    sides = [node.operand, condition]
                    found = self._resolve(operator("="), [operand, found], sides, equal, condition.span)
                else:
                    found = None
                condition = equal
            arguments += [condition, when.result]
            typed += [found, self.type(when.result)]
        if node.otherwise is not None:
            arguments.append(node.otherwise)
            typed.append(self.type(node.otherwise))
        self._lazy -= 1
        known = [expression for expression in typed if expression is not None]
        return self._resolve(called, known, arguments, node, node.span) if len(known) == len(typed) else None

    def _map(self, node: ast.MapConstructor) -> Expression | None:
        """A map, whose keys are one constant argument before its values."""
        values = [self.type(entry.value) for entry in node.entries]
        names: set[str] = set()
        for entry in node.entries:
            if entry.key.value in names:
                message = f"the map has the key {format_expression(entry.key)} twice"
                self._error("E0311", message, entry.key.span, "a map has a key once")
                return None
            names.add(entry.key.value)
        known = [value for value in values if value is not None]
        if len(known) < len(values):
            return None
        keys = Constant(tuple(entry.key.value for entry in node.entries), Type.LIST, node.span)
        nodes = [node, *(entry.value for entry in node.entries)]
        return self._resolve(operator("{…}"), [keys, *known], nodes, node, node.span)

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
        sign: str = "",
    ) -> Expression | None:
        """The call of a function; ``sign``: what a message calls an operator that the spec writes otherwise."""
        try:
            call = resolve(called, arguments, self.settings, format_expression(node), node.span)
        except ResolveError as error:
            span = at if error.argument is None else nodes[error.argument].span
            if error.argument is not None and error.at is not None:
                span = self._inside(nodes[error.argument], error.at, error.length)
            self._error(error.code, _worded(called, sign, error.message), span, error.hint)
            return None
        self._doubt(call, nodes)
        return self._fold(call)

    def _doubt(self, call: Call, nodes: list[ast.Expression]) -> None:
        """Warn of constant arguments that are legal but rarely meant."""
        for candidate in call.candidates:
            for doubt, argument in zip(candidate.implementation.doubts, candidate.doubtful, strict=True):
                node = nodes[argument]
                span = node.span if doubt.at is None else self._inside(node, doubt.at, doubt.length)
                self._error(doubt.code, doubt.message, span, doubt.hint)

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
        """The value of a call over constants; the call itself where it needs a row, or is a document, of which the
        constants of a spec know nothing."""
        if not is_constant(call):
            return call
        try:
            value = evaluator(call)({}, RowContext("", Timestamp(0)))
        except RowError as error:
            if self._lazy:
                return call
            self._error("E0306", error.message, _failing(call, error.message).span)
            return None
        if isinstance(value, str | bytes) and len(value) > LONGEST_CONSTANT:
            message = f"the constant has {len(value):,} characters, and {LONGEST_CONSTANT:,} at most can be calculated"
            self._error("E0306", message, call.span, "an item of DynamoDB has at most 400 KB")
            return None
        if type_of(value) in _DOCUMENTS:
            return call
        type_ = (type_of(value) or Type.NULL) if call.type is Type.ANY else call.type
        return Constant(value, type_, call.span)


def _failing(call: Call, message: str) -> Call:
    """The innermost call over constants that fails as this one does."""
    for argument in call.arguments:
        if isinstance(argument, Call) and is_constant(argument):
            try:
                evaluator(argument)({}, RowContext("", Timestamp(0)))
            except RowError as error:
                if error.message == message:
                    return _failing(argument, message)
    return call


def _worded(called: Function, sign: str, message: str) -> str:
    """A message on an operator's argument, which has no name that a user knows."""
    sign = sign or ("-" if called.name == "negate" else called.name)
    for name, words in (("left", "the left side of"), ("right", "the right side of"), ("operand", "the operand of")):
        start = f"{called.name}: {name} "
        if called.category == "operator" and message.startswith(start):
            return f"{words} {sign} {message.removeprefix(start)}"
    for name, words in (("[…]", "a list"), ("{…}", "a map")):
        if message.startswith(f"{name}: value must be "):
            return f"{words} holds no {message.rpartition(' not ')[2]}"
    return message


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
