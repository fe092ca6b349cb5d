"""Conditions that a server evaluates, and their text.

In: atoms, each about one attribute, put together by AND, OR and NOT. Out: the text of an expression with its
placeholders. Invariants: a condition that can be told without the server is a bool; NOT stands before atoms alone, so
that all else holds more often when an atom does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ddbetl.expressions.ir import Attribute
from ddbetl.expressions.wire import encode
from ddbetl.types import Value


@dataclass(frozen=True, slots=True)
class ServerExpression:
    """An expression with its placeholders: ``names`` (``#f0``, attribute), ``values`` (``:f0``, DynamoDB JSON)."""

    expression: str
    names: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Atom:
    """What is asked of one attribute: a comparison (``=``, ``size <`` …), IN, or one of the server's functions."""

    asked: str
    attribute: Attribute
    values: tuple[Value, ...] = ()

    # To Python, TRUE is 1.
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Atom)
            and (self.asked, self.attribute) == (other.asked, other.attribute)
            and repr(self.values) == repr(other.values)
        )

    def __hash__(self) -> int:
        return hash((self.asked, self.attribute.name, self.values))


@dataclass(frozen=True, slots=True)
class Not:
    operand: Atom


@dataclass(frozen=True, slots=True)
class Junction:
    """``word`` is AND or OR; no operand is a Junction of the same word."""

    word: str
    operands: tuple[Condition, ...]


Condition: TypeAlias = "bool | Atom | Not | Junction"


def all_of(*operands: Condition) -> Condition:
    return _junction("AND", True, operands)


def any_of(*operands: Condition) -> Condition:
    return _junction("OR", False, operands)


def opposite(operand: Condition) -> Condition:
    """What holds where a condition does not."""
    match operand:
        case bool():
            return not operand
        case Not(operand=inner):
            return inner
        case Junction(word="AND", operands=operands):
            return any_of(*map(opposite, operands))
        case Junction(operands=operands):
            return all_of(*map(opposite, operands))
        case Atom(asked="attribute_not_exists", attribute=attribute):
            return Atom("attribute_exists", attribute)
        case Atom(asked="attribute_exists", attribute=attribute):
            return Atom("attribute_not_exists", attribute)
        case Atom():
            return Not(operand)


def _junction(word: str, neutral: bool, operands: tuple[Condition, ...]) -> Condition:
    # A dict keeps their order.
    flat: dict[Condition, None] = {}
    for operand in operands:
        for one in operand.operands if isinstance(operand, Junction) and operand.word == word else (operand,):
            if one is (not neutral):
                return not neutral
            if one is not neutral:
                flat[one] = None
    parts = [_parts(one, word) for one in flat]
    kept = [one for one, mine in zip(flat, parts, strict=True) if not any(other < mine for other in parts)]
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else Junction(word, tuple(kept))


def _parts(condition: Condition, word: str) -> frozenset[Condition]:
    """For absorption: beside A, ``A OR B`` says nothing more in a conjunction, nor ``A AND B`` in a disjunction."""
    if isinstance(condition, Junction) and condition.word != word:
        return frozenset(condition.operands)
    return frozenset({condition})


def atoms(condition: Condition) -> Iterator[Atom]:
    """The atoms of a condition, as often as they occur."""
    match condition:
        case bool():
            return
        case Atom():
            yield condition
        case Not(operand=operand):
            yield operand
        case Junction(operands=operands):
            for one in operands:
                yield from atoms(one)


def weight(atom: Atom) -> int:
    """How much an atom counts as among operators; a list of candidates counts each."""
    return max(1, len(atom.values))


def size(*conditions: Condition) -> int:
    """How many atoms there are, by their weights."""
    return sum(weight(atom) for condition in conditions for atom in atoms(condition))


# As text


@dataclass(slots=True)
class Placeholders:
    """The placeholders of an expression; their names begin with ``letter``."""

    letter: str
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def path(self, attribute: Attribute) -> str:
        text = self._name(attribute.name)
        for step in attribute.steps:
            text += f"[{step}]" if isinstance(step, int) else f".{self._name(step)}"
        return text

    def value(self, value: Value) -> str:
        text = json.dumps(encode(value), ensure_ascii=False)
        return self.values.setdefault(text, f":{self.letter}{len(self.values)}")

    def _name(self, name: str) -> str:
        return self.names.setdefault(name, f"#{self.letter}{len(self.names)}")

    def expression(self, text: str) -> ServerExpression:
        """An expression that uses all of the placeholders, as the server demands."""
        return ServerExpression(
            text,
            tuple((mark, name) for name, mark in self.names.items()),
            tuple((mark, value) for value, mark in self.values.items()),
        )


def written(condition: Condition) -> ServerExpression:
    """A condition that is no bool, as a FilterExpression."""
    marks = Placeholders("f")
    return marks.expression(_text(condition, marks))


def _text(condition: Condition, marks: Placeholders) -> str:
    match condition:
        case Atom():
            return _atom_text(condition, marks)
        case Not(operand=operand):
            return f"NOT ({_atom_text(operand, marks)})"
        case Junction(word=word, operands=operands):
            texts = ((isinstance(one, Junction), _text(one, marks)) for one in operands)
            return f" {word} ".join(f"({text})" if inside else text for inside, text in texts)
        case bool():
            raise AssertionError("constants are folded")


def _atom_text(atom: Atom, marks: Placeholders) -> str:
    path, values = marks.path(atom.attribute), [marks.value(value) for value in atom.values]
    match atom.asked.split():
        case ["IN"]:
            return f"{path} IN ({', '.join(values)})"
        case ["size", symbol]:
            return f"size({path}) {symbol} {values[0]}"
        case [symbol] if symbol in ("=", "<>", "<", "<=", ">", ">="):
            return f"{path} {symbol} {values[0]}"
        case _:
            return f"{atom.asked}({', '.join([path, *values])})"
