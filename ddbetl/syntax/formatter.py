"""The canonical text of a spec and of an expression.

In: a syntax tree. Out: text that reads back as an equal tree, laid out as in the language reference: clauses in their
order, the words of the clauses and the names after AS in columns, no parentheses that are not needed. The comments of a
spec are put back by ``ddbetl.syntax.comments``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import TypeAlias

from ddbetl.source import Span
from ddbetl.syntax import ast
from ddbetl.syntax.comments import between, with_comments
from ddbetl.syntax.literals import write_number
from ddbetl.syntax.parts import RESERVED
from ddbetl.syntax.tablename import write_table_name

# The longest line that a list or a condition may make before it is broken.
WIDTH = 100

# Columns whose expression is longer than this do not move the names of the others to the right.
ALIGNED = 60

# The levels of the grammar, from the loosest to the tightest.
_OR, _AND, _NOT, _IS, _COMPARISON, _PREDICATE, _CONCATENATION, _SUM, _PRODUCT, _SIGN, _PRIMARY = range(11)

_LEVELS: dict[str, int] = {
    "OR": _OR,
    "AND": _AND,
    **dict.fromkeys(("=", "<>", "<", "<=", ">", ">="), _COMPARISON),
    "||": _CONCATENATION,
    **dict.fromkeys("+-", _SUM),
    **dict.fromkeys("*/%", _PRODUCT),
}

_BARE = re.compile(r"[^\W\d]\w*")


def format_spec(spec: ast.Spec) -> str:
    """Write a whole spec, its comments included, with a newline at its end."""
    blocks = ["\n".join(_declarations(spec.declarations))] if spec.declarations else []
    broken = partial(between, spec) if spec.comments else _never
    canonical = "\n\n".join([*blocks, "\n".join(_statement(spec.statement, broken)) + ";\n"])
    return with_comments(spec, canonical) if spec.comments else canonical


# Whether a comment between the parts of a list asks for a line of each part.
Broken: TypeAlias = Callable[[Sequence[Span]], bool]


def _never(parts: Sequence[Span]) -> bool:
    return False


def format_expression(expression: ast.Expression) -> str:
    """Write an expression on one line (texts and quoted names may bring lines of their own)."""
    return _expression(expression, _OR)


def format_identifier(identifier: ast.Identifier) -> str:
    """Write a name, in double quotes where it was or must be."""
    if identifier.quoted or not _BARE.fullmatch(identifier.name):
        return '"' + identifier.name.replace('"', '""') + '"'
    return identifier.name


# Declarations


def _declarations(declarations: Sequence[ast.Declaration]) -> Iterator[str]:
    word = max(len(_word(declaration)) for declaration in declarations)
    names = [d.name for d in declarations if isinstance(d, ast.Let) or (isinstance(d, ast.Param) and d.default)]
    name = max((len(format_identifier(identifier)) for identifier in names), default=0)
    for declaration in declarations:
        head = _word(declaration).ljust(word)
        match declaration:
            case ast.Param(identifier, None):
                yield f"{head} {format_identifier(identifier)};"
            case ast.Param(identifier, ast_value) | ast.Let(identifier, ast_value) if ast_value is not None:
                yield f"{head} {format_identifier(identifier).ljust(name)} = {format_expression(ast_value)};"
            case ast.Using(file):
                yield f"{head} {_text(file.value)};"


def _word(declaration: ast.Declaration) -> str:
    match declaration:
        case ast.Param():
            return "PARAM"
        case ast.Let():
            return "LET"
        case ast.Using():
            return "USING"


# Clauses


def _statement(statement: ast.Statement, broken: Broken) -> Iterator[str]:
    if statement.write is not None:
        yield _write(statement.write)
    yield "SELECT " + _select(statement.select, broken)
    sources, exclude, options = statement.sources, statement.exclude, statement.options
    yield "FROM   " + _list([_named(source.name, source.options) for source in sources], 7, broken(_spans(sources)))
    if exclude:
        yield "EXCLUDE " + _list([write_table_name(name) for name in exclude], 8, broken(_spans(exclude)))
    if statement.where is not None:
        yield "WHERE  " + _condition(statement.where, broken)
    if statement.limit is not None:
        yield f"LIMIT  {statement.limit.rows}"
    if statement.on_conflict is not None:
        column = statement.on_conflict.column
        yield f"ON CONFLICT {statement.on_conflict.action}" + (f" BY {format_identifier(column)}" if column else "")
    if statement.on_error is not None:
        yield f"ON ERROR {statement.on_error.action}"
    if options:
        yield f"WITH   ({_list([_option(option) for option in options], 8, broken(_spans(options)))})"


def _spans(nodes: Sequence[ast.Source | ast.TableName | ast.Option | ast.SelectItem | ast.Expression]) -> list[Span]:
    return [node.span for node in nodes]


def _write(write: ast.Write) -> str:
    target = _named(write.target, write.options)
    match write:
        case ast.InsertInto(key=key, overwrite=overwrite):
            names = f" KEY ({_names(key)})" if key else ""
            return f"INSERT {'OVERWRITE' if overwrite else 'INTO'} {target}{names}"
        case ast.MergeInto(skip_missing=skip):
            return f"MERGE INTO {target}" + (" ON MISSING SKIP" if skip else "")
        case ast.DeleteFrom():
            return f"DELETE FROM {target} USING"


def _select(items: Sequence[ast.SelectItem], broken: Broken) -> str:
    columns = [item for item in items if isinstance(item, ast.Column)]
    texts = {id(column): _column(column.expression, broken) for column in columns}
    named = [column for column in columns if column.alias is not None]
    width = _width(texts[id(column)] for column in named)
    lines = []
    for item in items:
        match item:
            case ast.Star():
                lines.append(_star(item, broken))
            case ast.Column(_, None):
                lines.append(texts[id(item)])
            case ast.Column(_, alias) if alias is not None:
                # The last line of a CASE is behind others.
                above, _, last = texts[id(item)].rpartition(_line(12))
                before = above + _line(12) if above else ""
                lines.append(before + _aliased(last, alias, width - 5 if above else width))
    one = ", ".join(lines)
    short_enough = not named and 7 + len(one) <= WIDTH and "\n" not in one
    return one if short_enough and not broken(_spans(items)) else ",\n       ".join(lines)


def _width(texts: Iterable[str]) -> int:
    """The width of the expressions in front of AS, as far as the names are in a column."""
    return max((len(text) for text in texts if len(text) <= ALIGNED and "\n" not in text), default=0)


def _aliased(text: str, alias: ast.Identifier, width: int) -> str:
    return f"{text.ljust(width)} AS {format_identifier(alias)}"


def _column(expression: ast.Expression, broken: Broken) -> str:
    """An expression on one line; a long CASE, or one with comments, on several."""
    one = format_expression(expression)
    if not isinstance(expression, ast.Case):
        return one
    parts = [when.span for when in expression.whens]
    if expression.otherwise is not None:
        parts.append(expression.otherwise.span)
    if len(one) <= ALIGNED and not broken(parts):
        return one
    # Under the first WHEN.
    return _case(expression, _line(12))


def _star(star: ast.Star, broken: Broken) -> str:
    """``*`` and what follows it; each on a line of its own where that is too long."""
    parts = []
    if star.exclude:
        parts.append(f"EXCLUDE ({_names(star.exclude)})")
    if star.replace:
        texts = [(format_expression(column.expression), column.alias) for column in star.replace]
        columns = [f"{text} AS {format_identifier(alias)}" for text, alias in texts if alias is not None]
        one = f"REPLACE ({', '.join(columns)})"
        if 9 + len(one) > WIDTH or broken(_spans(star.replace)):
            width = _width(text for text, _ in texts)
            columns = [_aliased(text, alias, width) for text, alias in texts if alias is not None]
            one = f"REPLACE ({(',' + _line(18)).join(columns)})"
        parts.append(one)
    if star.rename:
        renames = (f"{format_identifier(pair.old)} AS {format_identifier(pair.new)}" for pair in star.rename)
        parts.append(f"RENAME ({', '.join(renames)})")
    one = " ".join(["*", *parts])
    return one if 7 + len(one) <= WIDTH and "\n" not in one else f"* {_line(9).join(parts)}"


def _line(indent: int) -> str:
    """The beginning of a line."""
    return "\n" + " " * indent


def _names(identifiers: Iterable[ast.Identifier]) -> str:
    return ", ".join(format_identifier(identifier) for identifier in identifiers)


def _named(name: ast.TableName | ast.FileName, options: Sequence[ast.Option]) -> str:
    written = _text(name.text) if isinstance(name, ast.FileName) else write_table_name(name)
    return written + (f" ({', '.join(_option(option) for option in options)})" if options else "")


def _list(items: Sequence[str], indent: int, broken: bool) -> str:
    """Items on one line, or one a line under each other where that is too long."""
    one = ", ".join(items)
    return one if indent + len(one) <= WIDTH and not broken else (",\n" + " " * indent).join(items)


def _condition(expression: ast.Expression, broken: Broken) -> str:
    """A condition on one line, or its parts between AND or OR under each other where that is too long."""
    one = format_expression(expression)
    if not isinstance(expression, ast.Binary) or expression.operator not in ("AND", "OR"):
        return one
    operator, level = expression.operator, _LEVELS[expression.operator]
    parts: list[tuple[ast.Expression, int]] = []
    left: ast.Expression = expression
    while isinstance(left, ast.Binary) and left.operator == operator:
        parts.insert(0, (left.right, level + 1))
        left = left.left
    parts.insert(0, (left, level))
    if 7 + len(one) <= WIDTH and not broken([part.span for part, _ in parts]):
        return one
    return f"\n{operator.rjust(5)}  ".join(_expression(*part) for part in parts)


def _option(option: ast.Option) -> str:
    return f"{format_identifier(option.name)} = {' '.join(_atom(atom) for atom in option.value)}"


def _atom(atom: ast.OptionAtom) -> str:
    match atom:
        case ast.Percent(value):
            return f"{write_number(value)}%"
        case ast.Units(value, unit):
            return f"{write_number(value)} {unit}"
        case ast.Word(identifier):
            return format_identifier(identifier)
        case ast.Text(text):
            return _text(text)
        case ast.Number(value):
            return write_number(value)
        case ast.Boolean(truth):
            return "true" if truth else "false"
        case ast.DurationLiteral(amount, unit):
            return _duration(amount, unit)


# Expressions


def _expression(expression: ast.Expression, level: int) -> str:
    """Write an expression, in parentheses where it binds less than the level asks for."""
    own, text = _written(expression)
    return text if own >= level else f"({text})"


def _written(expression: ast.Expression) -> tuple[int, str]:
    """The level of an expression and its text without parentheses around it."""
    match expression:
        case ast.Text(text):
            return _PRIMARY, _text(text)
        case ast.Number(value):
            return (_SIGN if value < 0 else _PRIMARY), write_number(value)
        case ast.Boolean(truth):
            return _PRIMARY, "TRUE" if truth else "FALSE"
        case ast.Null():
            return _PRIMARY, "NULL"
        case ast.DurationLiteral(amount, unit):
            return (_SIGN if amount < 0 else _PRIMARY), _duration(amount, unit)
        case ast.TimestampLiteral(text):
            return _PRIMARY, f"TIMESTAMP {_text(text)}"
        case ast.Name(identifier):
            return _PRIMARY, _attribute(identifier)
        case ast.Path(base, steps):
            return _PRIMARY, _attribute(base.identifier) + "".join(_step(step) for step in steps)
        case ast.Call(name, arguments):
            return _PRIMARY, f"{name.name}({_arguments(arguments)})"
        case ast.Case():
            return _PRIMARY, _case(expression)
        case ast.Cast(operand, type_name):
            return _PRIMARY, f"CAST({_expression(operand, _OR)} AS {type_name.name})"
        case ast.ListConstructor(items):
            return _PRIMARY, f"[{_arguments(items)}]"
        case ast.MapConstructor(entries):
            written = (f"{_text(entry.key.value)}: {_expression(entry.value, _OR)}" for entry in entries)
            return _PRIMARY, f"{{{', '.join(written)}}}"
        case _:
            return _operation(expression)


def _operation(
    expression: ast.Unary | ast.Binary | ast.Between | ast.In | ast.Like | ast.IsNull | ast.IsMissing,
) -> tuple[int, str]:
    match expression:
        case ast.Unary("NOT", operand):
            return _NOT, f"NOT {_expression(operand, _NOT)}"
        case ast.Unary(_, operand):
            inner = _expression(operand, _SIGN)
            # Two signs side by side would begin a comment.
            return _SIGN, f"- {inner}" if inner.startswith("-") else f"-{inner}"
        case ast.Binary(operator, left, right):
            level = _LEVELS[operator]
            # Comparisons do not chain; the others are read from left to right.
            leftmost = level + 1 if level == _COMPARISON else level
            return level, f"{_expression(left, leftmost)} {operator} {_expression(right, level + 1)}"
        case ast.Between(operand, low, high, negated):
            bounds = f"{_expression(low, _CONCATENATION)} AND {_expression(high, _CONCATENATION)}"
            return _PREDICATE, f"{_expression(operand, _CONCATENATION)} {_not(negated)}BETWEEN {bounds}"
        case ast.In(operand, items, negated):
            return _PREDICATE, f"{_expression(operand, _CONCATENATION)} {_not(negated)}IN ({_arguments(items)})"
        case ast.Like(operand, pattern, escape, negated):
            text = f"{_expression(operand, _CONCATENATION)} {_not(negated)}LIKE {_expression(pattern, _CONCATENATION)}"
            return _PREDICATE, text if escape is None else f"{text} ESCAPE {_expression(escape, _CONCATENATION)}"
        case ast.IsNull(operand, negated):
            return _IS, f"{_expression(operand, _COMPARISON)} IS {_not(negated)}NULL"
        case ast.IsMissing(operand, negated):
            return _IS, f"{_expression(operand, _COMPARISON)} IS {_not(negated)}MISSING"


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _arguments(expressions: Iterable[ast.Expression]) -> str:
    return ", ".join(_expression(expression, _OR) for expression in expressions)


def _case(case: ast.Case, apart: str = " ") -> str:
    parts = [f"WHEN {_expression(when.condition, _OR)} THEN {_expression(when.result, _OR)}" for when in case.whens]
    if case.otherwise is not None:
        parts.append(f"ELSE {_expression(case.otherwise, _OR)}")
    if case.operand is None:
        return f"CASE {apart.join(parts)} END"
    operand = _expression(case.operand, _OR)
    # An attribute called "when" would be read as the word.
    operand = f"({operand})" if re.match(r"when\b", operand, re.IGNORECASE) else operand
    return f"CASE {apart.join([operand, *parts])} END"


def _attribute(identifier: ast.Identifier) -> str:
    """A name where an expression begins: some words mean something else there."""
    if identifier.name.upper() in RESERVED:
        return f'"{identifier.name}"'
    return format_identifier(identifier)


def _step(step: ast.Step) -> str:
    match step:
        case ast.Field(identifier):
            return f".{format_identifier(identifier)}"
        case ast.Index(position):
            return f"[{position}]"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _duration(amount: Decimal, unit: str) -> str:
    return f"{write_number(amount)} {unit}{'' if amount == 1 else 's'}"
