"""Attribute values between DynamoDB JSON and Python.

In: an attribute value as DynamoDB writes it, ``{"N": "1.50"}``, decoded from JSON. Out: a value of ``ddbetl.types``,
and back. Invariant: decode ∘ encode is the identity, and encode ∘ decode changes nothing but the spelling of numbers
and the order of sets.
"""

from __future__ import annotations

import base64
from decimal import Decimal, Inexact, localcontext
from typing import Any

from ddbetl.errors import RowError
from ddbetl.types import NULL_VALUE, BinarySet, Duration, NullValue, NumberSet, StringSet, Timestamp, Value

# DynamoDB's numbers: 38 significant digits, magnitudes from 1E-130 to 9.99…E+125.
# Source: Amazon DynamoDB Developer Guide, "Supported data types: Number".
DIGITS = 38
LARGEST_EXPONENT = 125
SMALLEST_EXPONENT = -130


def decode(attribute: dict[str, Any]) -> Value:
    """The value of an attribute in DynamoDB JSON."""
    ((tag, content),) = attribute.items()
    match tag:
        case "S":
            return str(content)
        case "N":
            return Decimal(content)
        case "BOOL":
            return bool(content)
        case "B":
            return base64.b64decode(content)
        case "L":
            return tuple(decode(element) for element in content)
        case "M":
            return {name: decode(element) for name, element in content.items()}
        case "SS":
            return StringSet(frozenset(content))
        case "NS":
            return NumberSet(frozenset(Decimal(n) for n in content))
        case "BS":
            return BinarySet(frozenset(base64.b64decode(b) for b in content))
        case "NULL":
            return NULL_VALUE
        case _:
            raise RowError("R0109", f"the attribute has DynamoDB's type {tag}, which ddbetl does not know")


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


def number_text(number: Decimal) -> str:
    """The canonical text of a number: no trailing zeros, no exponent while it has at most 38 characters of digits."""
    if not number:
        return "0"
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    exponent += len(text) - len(stripped)
    mark = "-" if sign else ""
    if exponent >= 0 and len(stripped) + exponent <= DIGITS:
        return f"{mark}{stripped}{'0' * exponent}"
    if -DIGITS <= exponent < 0:
        whole, fraction = stripped[:exponent], stripped[exponent:]
        return f"{mark}{whole or '0'}.{fraction.rjust(-exponent, '0')}"
    point = f".{stripped[1:]}" if len(stripped) > 1 else ""
    return f"{mark}{stripped[0]}{point}E{exponent + len(stripped) - 1:+d}"


def check_number(number: Decimal) -> Decimal:
    """The number, if DynamoDB can hold it exactly; a RowError otherwise."""
    if not number.is_finite():
        raise RowError("R0103", f"{number} is not a number that DynamoDB can hold")
    if number:
        with localcontext(prec=DIGITS) as context:
            context.traps[Inexact] = True
            try:
                number = +number
            except Inexact:
                raise RowError("R0104", f"{number} has more than {DIGITS} significant digits") from None
        if not SMALLEST_EXPONENT <= number.adjusted() <= LARGEST_EXPONENT:
            raise RowError("R0103", f"{number} is outside of DynamoDB's range (1E-130 to 9.9E+125)")
    return number
