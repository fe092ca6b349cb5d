"""Attribute values between DynamoDB JSON and Python.

In: an attribute value as DynamoDB writes it, ``{"N": "1.50"}``, decoded from JSON. Out: a value of ``ddbetl.types``,
and back. Invariant: decode ∘ encode is the identity, and encode ∘ decode changes nothing but the spelling of numbers
and the order of sets.
"""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

from ddbetl.errors import RowError
from ddbetl.numbers import number_text, parse_number, shown
from ddbetl.types import NULL_VALUE, BinarySet, Duration, NullValue, NumberSet, StringSet, Timestamp, Value

# Levels of a document. DynamoDB has 32, so what has more than this is none of its items. Source: DynamoDB Developer
# Guide, "Service quotas: Nested attribute depth".
DEEPEST = 64


def is_attribute(found: Any, level: int = 0) -> bool:
    """Tell whether a JSON value is an attribute in DynamoDB JSON; of a type that is not known, whatever its content.

    Raises ``RecursionError`` for one with more levels than ``DEEPEST``.
    """
    if not isinstance(found, dict) or len(found) != 1:
        return False
    if level > DEEPEST:
        raise RecursionError
    ((tag, content),) = found.items()
    match tag:
        case "S" | "N" | "B":
            return isinstance(content, str)
        case "BOOL" | "NULL":
            return isinstance(content, bool)
        case "L":
            return isinstance(content, list) and all(is_attribute(element, level + 1) for element in content)
        case "M":
            return isinstance(content, dict) and all(is_attribute(value, level + 1) for value in content.values())
        case "SS" | "NS" | "BS":
            return isinstance(content, list) and all(isinstance(member, str) for member in content)
        case _:
            return True


def decode(attribute: dict[str, Any]) -> Value:
    """The value of an attribute in DynamoDB JSON."""
    ((tag, content),) = attribute.items()
    match tag:
        case "S":
            return str(content)
        case "N":
            return parse_number(content)
        case "BOOL":
            return bool(content)
        case "B":
            return _bytes(content)
        case "L":
            return tuple(decode(element) for element in content)
        case "M":
            return {name: decode(element) for name, element in content.items()}
        case "SS":
            return StringSet(frozenset(content))
        case "NS":
            return NumberSet(frozenset(parse_number(n) for n in content))
        case "BS":
            return BinarySet(frozenset(_bytes(b) for b in content))
        case "NULL":
            return NULL_VALUE
        case _:
            raise RowError("R0109", f"the attribute has DynamoDB's type {tag}, which ddbetl does not know")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise RowError("R0111", f"{shown(text)} is not base64") from None


def encode(value: Value) -> dict[str, Any]:
    """An attribute in DynamoDB JSON for a value that is not missing."""
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case Decimal():
            return {"N": number_text(value)}
        case bytes():
            return {"B": base64.b64encode(value).decode()}
        case tuple():
            return {"L": [encode(element) for element in value]}
        case dict():
            return {"M": {name: encode(element) for name, element in value.items()}}
        case StringSet():
            return {"SS": sorted(value.members)}
        case NumberSet():
            return {"NS": [number_text(n) for n in sorted(value.members)]}
        case BinarySet():
            return {"BS": [base64.b64encode(b).decode() for b in sorted(value.members)]}
        case NullValue():
            return {"NULL": True}
        case Timestamp() | Duration() | None:
            raise TypeError(f"{value!r} cannot be stored")
