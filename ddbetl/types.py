"""The types of the language and the Python values that stand for them.

DynamoDB's ten types plus TIMESTAMP and DURATION, which exist inside expressions only, and ANY: an attribute whose type
is known per item only. Values in the reference evaluator:

========== ==============================================================
STRING     str
NUMBER     decimal.Decimal (at most 38 significant digits)
BOOLEAN    bool
BINARY     bytes
LIST       tuple of values
MAP        dict of str to values
... SET    StringSet, NumberSet, BinarySet (a frozenset inside)
NULL       NULL_VALUE: DynamoDB's own NULL value, which a bare copy keeps
TIMESTAMP  Timestamp (milliseconds since 1970 UTC, Joda's instant)
DURATION   Duration (milliseconds)
missing    None: an absent attribute, SQL's NULL
========== ==============================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TypeAlias, Union


class Type(Enum):
    """A type of the language; ``value`` is the name as specs and messages write it."""

    STRING = "STRING"
    NUMBER = "NUMBER"
    BOOLEAN = "BOOLEAN"
    BINARY = "BINARY"
    LIST = "LIST"
    MAP = "MAP"
    STRING_SET = "STRING SET"
    NUMBER_SET = "NUMBER SET"
    BINARY_SET = "BINARY SET"
    NULL = "NULL"
    TIMESTAMP = "TIMESTAMP"
    DURATION = "DURATION"
    ANY = "ANY"

    def __str__(self) -> str:
        return self.value


# DynamoDB's type descriptors, as the wire writes them.
TAGS: dict[str, Type] = {
    "S": Type.STRING,
    "N": Type.NUMBER,
    "BOOL": Type.BOOLEAN,
    "B": Type.BINARY,
    "L": Type.LIST,
    "M": Type.MAP,
    "SS": Type.STRING_SET,
    "NS": Type.NUMBER_SET,
    "BS": Type.BINARY_SET,
    "NULL": Type.NULL,
}
TAG_OF: dict[Type, str] = {type_: tag for tag, type_ in TAGS.items()}


@dataclass(frozen=True, slots=True)
class StringSet:
    members: frozenset[str]


@dataclass(frozen=True, slots=True)
class NumberSet:
    members: frozenset[Decimal]


@dataclass(frozen=True, slots=True)
class BinarySet:
    members: frozenset[bytes]


@dataclass(frozen=True, slots=True)
class NullValue:
    """DynamoDB's NULL value: an attribute that is there and says nothing."""


NULL_VALUE = NullValue()


@dataclass(frozen=True, slots=True, order=True)
class Timestamp:
    """An instant: milliseconds since 1970-01-01T00:00:00Z."""

    millis: int


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time in milliseconds."""

    millis: int


Value: TypeAlias = Union[
    str,
    Decimal,
    bool,
    bytes,
    "tuple[Value, ...]",
    "dict[str, Value]",
    StringSet,
    NumberSet,
    BinarySet,
    NullValue,
    Timestamp,
    Duration,
    None,
]


def type_of(value: Value) -> Type | None:
    """The type of a value; None for a missing one."""
    match value:
        case None:
            return None
        case bool():
            return Type.BOOLEAN
        case str():
            return Type.STRING
        case Decimal():
            return Type.NUMBER
        case bytes():
            return Type.BINARY
        case tuple():
            return Type.LIST
        case dict():
            return Type.MAP
        case StringSet():
            return Type.STRING_SET
        case NumberSet():
            return Type.NUMBER_SET
        case BinarySet():
            return Type.BINARY_SET
        case NullValue():
            return Type.NULL
        case Timestamp():
            return Type.TIMESTAMP
        case Duration():
            return Type.DURATION
