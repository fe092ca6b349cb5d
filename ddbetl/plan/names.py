"""Names and patterns of tables.

In: a TableName of the syntax tree and the parameters. Out: a pattern that matches names, or the one name it stands for.
Invariant: a parameter's value stands for itself; a ``*`` in it is no wildcard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ddbetl.syntax import ast

# Source: CreateTable API reference, TableName.
TABLE_NAME = re.compile(r"[A-Za-z0-9_.\-]{3,255}")


@dataclass(frozen=True, slots=True)
class TablePattern:
    """A table's name with parameters filled in; ``text`` as messages show it."""

    parts: tuple[ast.NamePart, ...]
    text: str

    @property
    def name(self) -> str | None:
        """The one name that the pattern stands for; None when it has wildcards."""
        if all(isinstance(part, ast.Literal) for part in self.parts):
            return self.text
        return None

    def matches(self, name: str) -> bool:
        return _match(self.parts, name)

    def select(self, names: Iterable[str]) -> tuple[str, ...]:
        """The names that match, sorted."""
        return tuple(sorted(name for name in names if self.matches(name)))


class MissingParameter(Exception):
    """A ``${name}`` that no parameter answers to."""

    def __init__(self, part: ast.ParameterPart) -> None:
        super().__init__(part.name)
        self.part = part


def pattern(table: ast.TableName, parameters: Mapping[str, str]) -> TablePattern:
    """The pattern of a table's name; raises MissingParameter."""
    parts: list[ast.NamePart] = []
    for part in table.parts:
        if isinstance(part, ast.ParameterPart):
            if part.name not in parameters:
                raise MissingParameter(part)
            part = ast.Literal(parameters[part.name], part.span)
        if isinstance(part, ast.Literal) and parts and isinstance(parts[-1], ast.Literal):
            part = ast.Literal(parts.pop().text + part.text, part.span)  # type: ignore[union-attr]
        parts.append(part)
    return TablePattern(tuple(parts), "".join(_text(part) for part in parts))


def _text(part: ast.NamePart) -> str:
    match part:
        case ast.Literal(text=text):
            return text
        case ast.ParameterPart(name=name):
            return f"${{{name}}}"
        case ast.AnyText():
            return "*"
        case ast.AnyCharacter():
            return "?"
        case ast.CharacterClass(text=text):
            return f"[{text}]"
        case ast.Range(low=low, high=high):
            return f"{{{low}..{high}}}"


def _match(parts: tuple[ast.NamePart, ...], name: str) -> bool:
    # Where the parts so far can end: all at once, so that many stars take no longer than one.
    ends = {0}
    for part in parts:
        if not ends:
            return False
        match part:
            case ast.Literal(text=text):
                ends = {end + len(text) for end in ends if name.startswith(text, end)}
            case ast.AnyText():
                ends = set(range(min(ends), len(name) + 1))
            case ast.AnyCharacter():
                ends = {end + 1 for end in ends if end < len(name)}
            case ast.CharacterClass(text=text):
                ends = {end + 1 for end in ends if end < len(name) and _in_class(text, name[end])}
            case ast.Range(low=low, high=high):
                lengths = {end: end + len(low) for end in ends if end + len(low) <= len(name)}
                ends = {end for start, end in lengths.items() if low <= name[start:end] <= high}
            case ast.ParameterPart():
                return False
    return len(name) in ends


def _in_class(text: str, character: str) -> bool:
    negated = text[:1] in ("!", "^")
    members = text[1:] if negated else text
    found = False
    position = 0
    while position < len(members):
        if members[position + 1 : position + 2] == "-" and position + 2 < len(members):
            found = found or members[position] <= character <= members[position + 2]
            position += 3
        else:
            found = found or members[position] == character
            position += 1
    return found != negated
