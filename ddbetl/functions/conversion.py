"""Conversions of values to texts, numbers and bytes: to_string, to_number, to_binary.

In: a value of one type. Out: the same in another. Invariant: strict; what cannot be converted without loss is an
error of the row.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import lower_seconds, seconds
from ddbetl.functions.encoding import ENCODING
from ddbetl.functions.forms import attempt, decimal_of_text, text_of_number
from ddbetl.functions.hashing import content
from ddbetl.functions.model import (
    BINARY,
    BOOLEAN,
    DURATION,
    NUMBER,
    STRING,
    TIMESTAMP,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.numbers import number_text, parse_number
from ddbetl.time import fast_format, format_millis
from ddbetl.types import Timestamp, Type, Value


def one(types: frozenset[Type], hint: str = "") -> tuple[Parameter, ...]:
    """The parameter of a conversion."""
    return (Parameter("value", types, hint=hint),)


def _same(value: Value) -> Value:
    return value


def _lower_same(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    (value,) = arguments
    return Fast(value.value, value.form)


def identity(type_: Type) -> Signature:
    """The conversion of a type to itself."""
    return Signature(one(frozenset({type_})), type_, Implementation(_same, _lower_same), nullable=False)


# To NUMBER


def _lower_parse_number(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    number = decimal_of_text(lowering, arguments[0].value)
    return Fast(number.value, number.form, number.guard)


def _bind_seconds(binding: Binding) -> Implementation:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        return lower_seconds(arguments[0], binding.constants.get("value"))

    return Implementation(seconds, lower)


def _number_of_boolean(value: bool) -> Decimal:
    return Decimal(value)


def _lower_number_of_boolean(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"CAST({arguments[0].value} AS BIGINT)", Form.INTEGER)


_TO_NUMBER = (
    identity(Type.NUMBER),
    Signature(
        one(STRING, "epoch(…) makes a number of a time"),
        Type.NUMBER,
        Implementation(parse_number, _lower_parse_number),
        nullable=False,
    ),
    Signature(one(BOOLEAN), Type.NUMBER, Implementation(_number_of_boolean, _lower_number_of_boolean), nullable=False),
    Signature(one(DURATION, "epoch(…) makes a number of a time"), Type.NUMBER, _bind_seconds, nullable=False),
)

TO_NUMBER_DOC = (
    "The number of a text, which must be a number and nothing else: digits with an optional sign, fraction and "
    "exponent, no blanks, no thousands separators. A number stays as it is, TRUE is 1 and FALSE is 0, a duration "
    "gives its seconds. More than 38 significant digits are an error."
)

TO_NUMBER = Function(
    "to_number",
    "conversion",
    TO_NUMBER_DOC,
    _TO_NUMBER,
    (
        Example("to_number('-1.50')", "-1.5"),
        Example("to_number('1e3')", "1000"),
        Example("to_number(90 minutes)", "5400"),
        Example("to_number(x)", "1", '{"x": {"BOOL": true}}'),
        Example("to_number(x)", 'error: to_number(x): "1,000" is not a number', '{"x": {"S": "1,000"}}'),
    ),
)

# To STRING


def _lower_number_text(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    text = text_of_number(arguments[0])
    return None if text is None else Fast(text, Form.TEXT)


def _boolean_text(value: bool) -> str:
    return "true" if value else "false"


def _lower_boolean_text(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    value = arguments[0].value
    return Fast(f"CASE WHEN {value} THEN 'true' WHEN NOT {value} THEN 'false' END", Form.TEXT)


def _decode(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RowError("R0111", f"the binary is not UTF-8 text: byte {error.start} is not") from None


def _lower_decode(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    # No bytes, no text: the guard of the second step stands for both.
    content = attempt(lowering, f"from_base64({arguments[0].value})", Form.BASE64)
    return attempt(lowering, f"decode({content.value})", Form.TEXT)


def _bind_time_text(binding: Binding) -> Implementation:
    def reference(time: Timestamp) -> str:
        return format_millis(None, time.millis, binding.zone)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        fast = fast_format(None, binding.zone, lowering.bind(arguments[0].value))
        if fast is None:
            return None
        text = lowering.bind(fast.text)
        return Fast(text, Form.TEXT, f"({text} IS NOT NULL)")

    return Implementation(reference, lower)


_TO_STRING = (
    identity(Type.STRING),
    Signature(one(NUMBER), Type.STRING, Implementation(number_text, _lower_number_text), nullable=False),
    Signature(one(BOOLEAN), Type.STRING, Implementation(_boolean_text, _lower_boolean_text), nullable=False),
    Signature(one(BINARY), Type.STRING, Implementation(_decode, _lower_decode), nullable=False),
    Signature(one(TIMESTAMP), Type.STRING, _bind_time_text, nullable=False),
)

TO_STRING_DOC = (
    "The text of a value. A number is written without exponent and without trailing zeros while that takes at most "
    "38 digits, a boolean as `true` or `false`, a TIMESTAMP as ISO-8601 in the spec's zone (`format_time` takes "
    "patterns); the bytes of a binary must be UTF-8. A text stays as it is."
)

TO_STRING = Function(
    "to_string",
    "conversion",
    TO_STRING_DOC,
    _TO_STRING,
    (
        Example("to_string(1.50)", "'1.5'"),
        Example("to_string(n)", "'12345678901234567890.5'", '{"n": {"N": "12345678901234567890.50"}}'),
        Example("to_string(TRUE)", "'true'"),
        Example("to_string(x)", "NULL"),
    ),
)

# To BINARY


def _lower_encode(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"base64(encode({arguments[0].value}))", Form.BASE64)


_TO_BINARY = (
    identity(Type.BINARY),
    Signature(one(STRING), Type.BINARY, Implementation(content, _lower_encode), nullable=False),
)

TO_BINARY_DOC = (
    "The UTF-8 bytes of a text; a binary as it is. `from_base64` and `from_hex` read bytes that are written as text."
)

TO_BINARY = Function(
    "to_binary",
    "conversion",
    TO_BINARY_DOC,
    _TO_BINARY,
    (
        Example("to_binary('hi') = x", "TRUE", '{"x": {"B": "aGk="}}'),
        Example("size(to_binary('é'))", "2"),
    ),
)

CONVERSION: tuple[Function, ...] = (*ENCODING, TO_BINARY, TO_NUMBER, TO_STRING)
