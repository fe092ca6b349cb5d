"""Names of tables as they are written bare in FROM, INTO and EXCLUDE.

In: the characters of a table name's token. Out: its parts, and a diagnostic for every part that means nothing.
Invariant: the parts, written one after the other, are the token.
"""

from __future__ import annotations

import re

from ddbetl.diagnostics import Diagnostic
from ddbetl.source import Span
from ddbetl.syntax import ast

_PART = re.compile(
    r"\$\{(?P<parameter>[^{}]*)\}|\{(?P<range>[^{}]*)\}|\[(?P<class>[^\[\]]*)\]"
    r"|(?P<any>\*)|(?P<one>\?)|(?P<literal>[A-Za-z0-9_.-]+)"
)
_PARAMETER = re.compile(r"[^\W\d]\w*")
_RANGE = re.compile(r"([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]+)")
_CLASS = re.compile(r"!?[A-Za-z0-9_.-]+")

# "--" would begin a comment.
_BARE = re.compile(r"(?:[A-Za-z0-9_.]|-(?!-))+")


def read_table_name(text: str, start: int) -> tuple[tuple[ast.NamePart, ...], tuple[Diagnostic, ...]]:
    """Take a table name apart; ``start`` is its place in the spec."""
    parts: list[ast.NamePart] = []
    problems: list[Diagnostic] = []
    for match in _PART.finditer(text):
        part, problem = _read_part(match, Span(start + match.start(), start + match.end()))
        parts.append(part)
        if problem is not None:
            problems.append(problem)
    return tuple(parts), tuple(problems)


def _read_part(match: re.Match[str], span: Span) -> tuple[ast.NamePart, Diagnostic | None]:
    inner = match[match.lastgroup or 0]
    match match.lastgroup:
        case "parameter":
            named = _PARAMETER.fullmatch(inner) is not None
            problem = None if named else _malformed("${…} holds the name of a PARAM", span, "${domain}")
            return ast.ParameterPart(inner, span), problem
        case "range":
            return _read_range(inner, span)
        case "class":
            return ast.CharacterClass(inner, span), _class_problem(inner, span)
        case "any":
            return ast.AnyText(span), None
        case "one":
            return ast.AnyCharacter(span), None
        case _:
            return ast.Literal(inner, span), None


def _read_range(inner: str, span: Span) -> tuple[ast.Range, Diagnostic | None]:
    bounds = _RANGE.fullmatch(inner)
    if bounds is None:
        return ast.Range(inner, inner, span), _malformed(
            "a range is two texts with two dots between them", span, "{201605..201705}"
        )
    low, high = bounds.groups()
    part = ast.Range(low, high, span)
    if len(low) != len(high):
        return part, _malformed(
            f"the bounds of a range have the same length, these have {len(low)} and {len(high)}", span, "{08..12}"
        )
    if low > high:
        return part, _malformed("the range is empty: its first bound is above its second", span, f"{{{high}..{low}}}")
    return part, None


def _class_problem(inner: str, span: Span) -> Diagnostic | None:
    if not _CLASS.fullmatch(inner):
        return _malformed("[…] holds the characters that may stand there", span, "[abc], [a-z] or [!abc]")
    ranges = re.findall(r"([A-Za-z0-9_.])-([A-Za-z0-9_.])", inner.removeprefix("!"))
    if any(low > high for low, high in ranges):
        return _malformed("a range of characters goes upwards", span, "[a-z]")
    return None


def _malformed(message: str, span: Span, example: str) -> Diagnostic:
    return Diagnostic("E0126", message, span, f"as in {example}")


def write_table_name(name: ast.TableName) -> str:
    """The text of a table name, bare where that means the same."""
    literals = [part.text for part in name.parts if isinstance(part, ast.Literal)]
    if len(literals) == len(name.parts) and (name.quoted or not _BARE.fullmatch("".join(literals))):
        return '"' + "".join(literals).replace('"', '""') + '"'
    return "".join(_write_part(part) for part in name.parts)


def _write_part(part: ast.NamePart) -> str:
    match part:
        case ast.Literal(text):
            return text
        case ast.ParameterPart(name):
            return f"${{{name}}}"
        case ast.AnyText():
            return "*"
        case ast.AnyCharacter():
            return "?"
        case ast.CharacterClass(text):
            return f"[{text}]"
        case ast.Range(low, high):
            return f"{{{low}..{high}}}"
