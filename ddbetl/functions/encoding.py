"""Bytes written as text: base64 and hexadecimal digits.

In: a binary, or a text of which the UTF-8 bytes count; or the text of one. Out: the text; or the binary. Invariant:
each binary has one base64 text, and one in lower-case digits; reading what was written gives the bytes back.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable

from ddbetl.errors import RowError
from ddbetl.functions.forms import attempt
from ddbetl.functions.hashing import content, lower_content
from ddbetl.functions.json_sql import CANONICAL_BASE64
from ddbetl.functions.model import (
    BINARY,
    STRING,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.numbers import shown
from ddbetl.types import Type, Value

_HEX = "([0-9A-Fa-f]{2})*"
_is_base64 = re.compile(CANONICAL_BASE64).fullmatch
_is_hex = re.compile(_HEX).fullmatch


def _to_base64(value: str | bytes) -> str:
    return base64.b64encode(content(value)).decode()


def _lower_to_base64(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    (value,) = arguments
    if value.form is Form.TEXT:
        return Fast(f"base64(encode({value.value}))", Form.TEXT)
    found = lower_content(lowering, value)
    return Fast(f"base64({found.value})", Form.TEXT, found.guard)


def _from_base64(text: str) -> bytes:
    if _is_base64(text) is None:
        raise RowError("R0111", f"{shown(text)} is not base64")
    return base64.b64decode(text)


def _lower_from_base64(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text = arguments[0].value
    # Another text would break the JSON that the binary becomes a part of, and that raises.
    value = lowering.bind(f"CASE WHEN regexp_full_match({text}, '{CANONICAL_BASE64}') THEN {text} END")
    return Fast(value, Form.BASE64, f"({value} IS NOT NULL)")


def _to_hex(value: str | bytes) -> str:
    return content(value).hex()


def _lower_to_hex(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    (value,) = arguments
    found = lower_content(lowering, value)
    octets = f"encode({found.value})" if value.form is Form.TEXT else found.value
    return Fast(f"lower(hex({octets}))", Form.TEXT, found.guard)


def _from_hex(text: str) -> bytes:
    if _is_hex(text) is None:
        raise RowError("R0111", f"{shown(text)} is not pairs of hexadecimal digits")
    return bytes.fromhex(text)


def _lower_from_hex(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text = arguments[0].value
    octets = attempt(lowering, f"unhex({text})", Form.BASE64, f"regexp_full_match({text}, '{_HEX}')")
    return Fast(f"base64({octets.value})", Form.BASE64, octets.guard)


def _writing(name: str, doc: str, reference: Callable[..., Value], lower: Lower, *examples: Example) -> Function:
    implementation = Implementation(reference, lower)
    signature = Signature(
        (Parameter("value", STRING | BINARY, hint="to_string(…) makes a text of it"),),
        Type.STRING,
        implementation,
        nullable=False,
    )
    return Function(name, "conversion", doc, (signature,), examples)


def _reading(name: str, doc: str, reference: Callable[..., Value], lower: Lower, *examples: Example) -> Function:
    signature = Signature((Parameter("text", STRING),), Type.BINARY, Implementation(reference, lower), nullable=False)
    return Function(name, "conversion", doc, (signature,), examples)


TO_BASE64 = _writing(
    "to_base64",
    "The base64 text of a binary, or of a text's UTF-8 bytes, with padding (RFC 4648).",
    _to_base64,
    _lower_to_base64,
    Example("to_base64('hi')", "'aGk='"),
    Example("to_base64(x)", "'//4='", '{"x": {"B": "//4="}}'),
    Example("to_base64('')", "''"),
)
FROM_BASE64 = _reading(
    "from_base64",
    "The bytes of a base64 text. It must be as `to_base64` writes it: letters, digits, + and /, padded with =, no "
    "blanks or line breaks.",
    _from_base64,
    _lower_from_base64,
    Example("to_string(from_base64('aGk='))", "'hi'"),
    Example("from_base64(x)", 'error: from_base64(x): "aGk" is not base64', '{"x": {"S": "aGk"}}'),
)
TO_HEX = _writing(
    "to_hex",
    "The bytes of a binary, or of a text in UTF-8, in lower-case hexadecimal digits.",
    _to_hex,
    _lower_to_hex,
    Example("to_hex('hi')", "'6869'"),
    Example("to_hex('é')", "'c3a9'"),
    Example("to_hex(x)", "''", '{"x": {"B": ""}}'),
)
FROM_HEX = _reading(
    "from_hex",
    "The bytes of a text of hexadecimal digits, two a byte, in any case and with nothing between them.",
    _from_hex,
    _lower_from_hex,
    Example("to_string(from_hex('6869'))", "'hi'"),
    Example("from_hex(x)", 'error: from_hex(x): "abc" is not pairs of hexadecimal digits', '{"x": {"S": "abc"}}'),
)

ENCODING: tuple[Function, ...] = (FROM_BASE64, FROM_HEX, TO_BASE64, TO_HEX)
