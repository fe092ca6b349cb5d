"""Names and patterns of tables.

In: a TableName of the syntax tree and the parameters. Out: a pattern that matches names, or the one name it stands for,
and what its wildcards stand for in a name.
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
        return 0 in _starts(self.parts, name)[0]

    def captures(self, name: str) -> tuple[str, ...]:
        """What each wildcard stands for in a name that matches; the first takes as little as it can, then the next.

        The pattern's own text, which stands for its tables while they are not known, has the wildcards themselves.
        """
        if name == self.text:
            return tuple(_text(part) for part in self.parts if not isinstance(part, ast.Literal))
        found = []
        place = 0
        for part, ends in zip(self.parts, _starts(self.parts, name)[1:], strict=True):
            end = min(end for end in ends if end >= place) if isinstance(part, ast.AnyText) else place + _size(part)
            if not isinstance(part, ast.Literal):
                found.append(name[place:end])
            place = end
        return tuple(found)

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


def _starts(parts: tuple[ast.NamePart, ...], name: str) -> list[set[int]]:
    """Where each part can start so that it and all behind it match to the name's end; last, where nothing is left."""
    # From the end on, all places at once, so that many stars take no longer than one.
    found = [{len(name)}]
    for part in reversed(parts):
        ends = found[-1]
        starts: set[int] = set()
        match part:
            case ast.AnyText():
                starts = set(range(max(ends, default=-1) + 1))
            case ast.Literal(text=text):
                starts = {end - len(text) for end in ends if name.endswith(text, 0, end)}
            case ast.AnyCharacter():
                starts = {end - 1 for end in ends if end}
            case ast.CharacterClass(text=text):
                starts = {end - 1 for end in ends if end and _in_class(text, name[end - 1])}
            case ast.Range(low=low, high=high):
                places = {end - len(low): end for end in ends if end >= len(low)}
                starts = {start for start, end in places.items() if low <= name[start:end] <= high}
            case ast.ParameterPart():
                pass
        found.append(starts)
    return found[::-1]


def _size(part: ast.NamePart) -> int:
    """How many characters a part other than ``*`` stands for."""
    match part:
        case ast.Literal(text=text) | ast.Range(low=text):
            return len(text)
        case _:
            return 1


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
