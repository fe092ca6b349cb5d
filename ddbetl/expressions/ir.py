"""Typed expressions: what the analyzer makes of the syntax tree, read by the evaluator, the lowerings and explain.

Invariant: every call names the signatures that can still apply; where an argument's type is ANY, the row decides.
Spans and texts take no part in comparison: two expressions are equal when they compute the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from ddbetl.functions.model import Function, Implementation
from ddbetl.source import Span
from ddbetl.types import Type, Value

NO_SPAN = Span(0, 0)


@dataclass(frozen=True, slots=True)
class Constant:
    """A value known when the spec is compiled; type NULL for NULL."""

    value: Value
    type: Type
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    @property
    def nullable(self) -> bool:
        return self.value is None

    # A map is no hash key; equal constants have equal texts.
    def __hash__(self) -> int:
        return hash((repr(self.value), self.type))


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the item, or a path into one; ``steps`` are names of map entries and positions in lists."""

    name: str
    steps: tuple[str | int, ...] = ()
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    @property
    def type(self) -> Type:
        return Type.ANY

    @property
    def nullable(self) -> bool:
        return True

    def __str__(self) -> str:
        return self.name + "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in self.steps)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A signature that can apply: the types that each argument may have, and what runs then."""

    accepts: tuple[frozenset[Type], ...]
    # Positions of the arguments that must have one type among them.
    same: frozenset[int]
    implementation: Implementation
    result: Type
    # The positions, among all arguments of the call, of the constants that the implementation has doubts about.
    doubtful: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator applied. Constant arguments live in the implementations, not in ``arguments``."""

    function: Function
    candidates: tuple[Candidate, ...]
    arguments: tuple[Expression, ...]
    type: Type
    nullable: bool = True
    # The call as the spec writes it, for messages and explain; it includes the constant arguments.
    text: str = ""
    span: Span = field(default=NO_SPAN, compare=False, repr=False)

    def __hash__(self) -> int:
        return hash((self.function.name, self.arguments, self.type))

    def __eq__(self, other: object) -> bool:
        # Implementations are closures; the text tells two bindings of one function apart.
        return (
            isinstance(other, Call)
            and self.function.name == other.function.name
            and self.arguments == other.arguments
            and self.type == other.type
            and self.text == other.text
        )


Expression: TypeAlias = Constant | Attribute | Call


def attributes(expression: Expression) -> Iterator[Attribute]:
    """The attributes that an expression reads, in order, repeated as often as they occur."""
    match expression:
        case Attribute():
            yield expression
        case Call():
            for argument in expression.arguments:
                yield from attributes(argument)
        case Constant():
            return
