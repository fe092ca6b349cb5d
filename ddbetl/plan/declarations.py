"""PARAM and LET: the constants of a spec, behind what USING brings.

In: the declarations, and what the command line gives. Out: the values, in the analysis. Invariant: a value is known
before anything is read; a name whose value was reported stands for None, and whatever uses it is silent.
"""

from __future__ import annotations

from ddbetl.diagnostics import Label, did_you_mean
from ddbetl.errors import RowError, SpecError
from ddbetl.expressions.ir import Attribute, Constant, attributes
from ddbetl.expressions.resolve import Settings
from ddbetl.numbers import number_text, parse_number, shown
from ddbetl.plan.scope import Analysis, written
from ddbetl.plan.typer import compile_expression
from ddbetl.plan.using import bring
from ddbetl.source import SourceText
from ddbetl.syntax import ast, parser
from ddbetl.syntax.formatter import format_expression
from ddbetl.types import Type


def declare(analysis: Analysis, settings: Settings) -> None:
    """Bring the functions of USING; give every PARAM and LET its value: PARAMs first, then the LETs that the command
    line adds, then the spec's."""
    bring(analysis)
    params: list[ast.Param] = []
    lets: list[ast.Let] = []
    for declaration in analysis.spec.declarations:
        match declaration:
            case ast.Using():
                pass
            case ast.Param(name=name):
                _declare_once(analysis, name)
                params.append(declaration)
            case ast.Let(name=name):
                _declare_once(analysis, name)
                lets.append(declaration)
    for param in params:
        _parameter(analysis, param, settings)
    _check_given(analysis, [p.name.name for p in params], {let.name.name for let in lets})
    said: dict[str, tuple[ast.Let, SourceText]] = {}
    for let, source in analysis.overrides.lets:
        if any(p.name.name == let.name.name for p in params):
            message = f"{written(let.name.name)} is a PARAM of the spec"
            hint = f"-p {let.name.name}=… gives its value"
            analysis.error("E0203", message, let.name.span, hint, source=source)
        else:
            said[let.name.name] = (let, source)
    replaced = {let.name.name for let in lets}
    for let, source in said.values():
        if let.name.name not in replaced:
            _let(analysis, let, settings, source)
    for let in lets:
        now, origin = said.get(let.name.name, (let, None))
        _let(analysis, now, settings, origin)


def _declare_once(analysis: Analysis, name: ast.Identifier) -> None:
    first = analysis.declared.get(name.name)
    if first is not None:
        labels = (Label(first, "declared here first"),)
        message = f"{written(name.name)} is declared twice"
        analysis.error("E0203", message, name.span, "give one of them another name", labels)
    else:
        analysis.declared[name.name] = name.span


def _check_given(analysis: Analysis, params: list[str], lets: set[str]) -> None:
    """Report values for what is no PARAM."""
    for name in analysis.given:
        if name in params:
            continue
        hint = did_you_mean(name, params) or f"PARAM {name}; at the top of the spec would declare it"
        if name in lets:
            hint = f"{name} is a LET: --let '{name} = …' replaces it"
        analysis.error("E0202", f"-p {name}: the spec has no PARAM {name}", None, hint)


# Values


def _parameter(analysis: Analysis, param: ast.Param, settings: Settings) -> None:
    name = param.name.name
    analysis.constants[name] = None
    default = None
    if param.default is not None:
        default = _constant(analysis, param.default, f"the default of {written(name)}", settings, None)
        if default is None:
            return
    given = analysis.given.get(name)
    if given is not None:
        analysis.parameters[name] = given
        type_ = default.type if default is not None else Type.STRING
        analysis.constants[name] = _value(analysis, param, given, type_, settings)
    elif default is None or param.default is None:
        message = f"the parameter {written(name)} has no value"
        analysis.error("E0201", message, param.span, f"give it one by -p {name}=…")
    else:
        analysis.parameters[name] = _text(default, param.default)
        analysis.constants[name] = default


def _value(analysis: Analysis, param: ast.Param, given: str, type_: Type, settings: Settings) -> Constant | None:
    """The value of a text from the command line: of the type that the default has."""
    name = written(param.name.name)
    hint = f"the default of {name} is a {type_}, so every value of it is one"
    match type_:
        case Type.NUMBER:
            try:
                return Constant(parse_number(given), Type.NUMBER)
            except RowError as error:
                analysis.error("E0201", f"-p {name}: {error.message}", param.span, hint)
        case Type.BOOLEAN:
            if given.lower() in ("true", "false"):
                return Constant(given.lower() == "true", Type.BOOLEAN)
            analysis.error("E0201", f"-p {name}: {shown(given)} is neither true nor false", param.span, hint)
        case Type.DURATION | Type.TIMESTAMP:
            literal = given if type_ is Type.DURATION else f"TIMESTAMP {format_expression(ast.Text(given))}"
            found = _literal(literal, settings)
            if found is not None and found.type is type_:
                return found
            example = "30 days" if type_ is Type.DURATION else "2017-04-26T00:00:00Z"
            message = f"-p {name}: {shown(given)} is no {type_}, such as {example}"
            analysis.error("E0201", message, param.span, hint)
        case _:
            return Constant(given, Type.STRING)
    return None


def _literal(text: str, settings: Settings) -> Constant | None:
    """The constant that a text of its own is; None where it is none."""
    source = SourceText(text)
    try:
        node = parser.parse_expression(source)
    except SpecError:
        return None
    typed, _ = compile_expression(node, source, settings)
    return typed if isinstance(typed, Constant) else None


def _let(analysis: Analysis, let: ast.Let, settings: Settings, source: SourceText | None) -> None:
    name = let.name.name
    analysis.constants[name] = _constant(analysis, let.value, f"LET {written(name)}", settings, source)
    analysis.lets[name] = format_expression(let.value)


def _text(constant: Constant, node: ast.Expression) -> str:
    """A default as the command line would give it."""
    match constant.type, constant.value:
        case Type.STRING, str() as text:
            return text
        case Type.NUMBER, value if value is not None:
            return number_text(value)  # type: ignore[arg-type]
        case Type.BOOLEAN, flag:
            return "true" if flag else "false"
        case _:
            return format_expression(node)


def _constant(
    analysis: Analysis, node: ast.Expression, what: str, settings: Settings, source: SourceText | None
) -> Constant | None:
    typed = analysis.typer(settings, source).type(node)
    if typed is None or isinstance(typed, Constant):
        return typed
    hint = "a number, a text in single quotes, true, false, a duration such as 365 days"
    early = [a.name for a in attributes(typed) if a.name in analysis.declared]
    if early:
        hint = f"{written(early[0])} has no value yet: PARAMs come first, then LETs in their order"
    elif isinstance(typed, Attribute) and not typed.steps:
        hint = f"a text is written in single quotes: {format_expression(ast.Text(typed.name))}"
    elif not any(attributes(typed)):
        hint = "a constant is known before the run: now() and source_table() are not"
    analysis.error("E0206", f"{what} must be a constant", node.span, hint, source=source)
    return None
