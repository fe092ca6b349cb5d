"""Conversions between types: CAST, to_number, to_string.

In: a value of one type. Out: the same in another. Invariant: strict; what cannot be converted without loss is an
error of the row.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import lower_seconds, seconds, whole_millis
from ddbetl.functions.forms import attempt, conjunction, decimal_of_text, text_of_number, to_integer
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
from ddbetl.functions.time import PARSE_TIME
from ddbetl.numbers import EXACT, number_text, parse_number, shown
from ddbetl.time import fast_format, format_millis
from ddbetl.types import Duration, Timestamp, Type, Value


def _one(types: frozenset[Type], hint: str = "") -> tuple[Parameter, ...]:
    return (Parameter("value", types, hint=hint),)


def _same(value: Value) -> Value:
    return value


def _lower_same(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    (value,) = arguments
    return Fast(value.value, value.form)


def _identity(type_: Type) -> Signature:
    return Signature(_one(frozenset({type_})), type_, Implementation(_same, _lower_same), nullable=False)


# To NUMBER


def _lower_parse_number(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    number = decimal_of_text(lowering, arguments[0].value)
    return Fast(number.value, number.form, number.guard)


def _bind_seconds(binding: Binding) -> Implementation:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        return lower_seconds(arguments[0], binding.constants.get("value"))

    return Implementation(seconds, lower)


_TO_NUMBER = (
    _identity(Type.NUMBER),
    Signature(
        _one(STRING, "epoch(…) makes a number of a time"),
        Type.NUMBER,
        Implementation(parse_number, _lower_parse_number),
        nullable=False,
    ),
    Signature(_one(DURATION, "epoch(…) makes a number of a time"), Type.NUMBER, _bind_seconds, nullable=False),
)

_TO_NUMBER_DOC = (
    "The number of a text, which must be a number and nothing else: digits with an optional sign, fraction and "
    "exponent, no blanks, no thousands separators. A number stays as it is, a duration gives its seconds. More than "
    "38 significant digits are an error."
)

TO_NUMBER = Function(
    "to_number",
    "conversion",
    _TO_NUMBER_DOC,
    _TO_NUMBER,
    (
        Example("to_number('-1.50')", "-1.5"),
        Example("to_number('1e3')", "1000"),
        Example("to_number(90 minutes)", "5400"),
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
    _identity(Type.STRING),
    Signature(_one(NUMBER), Type.STRING, Implementation(number_text, _lower_number_text), nullable=False),
    Signature(_one(BOOLEAN), Type.STRING, Implementation(_boolean_text, _lower_boolean_text), nullable=False),
    Signature(_one(BINARY), Type.STRING, Implementation(_decode, _lower_decode), nullable=False),
    Signature(_one(TIMESTAMP), Type.STRING, _bind_time_text, nullable=False),
)

_TO_STRING_DOC = (
    "The text of a value. A number is written without exponent and without trailing zeros while that takes at most "
    "38 digits, a boolean as `true` or `false`, a TIMESTAMP as ISO-8601 in the spec's zone (`format_time` takes "
    "patterns); the bytes of a binary must be UTF-8. A text stays as it is."
)

TO_STRING = Function(
    "to_string",
    "conversion",
    _TO_STRING_DOC,
    _TO_STRING,
    (
        Example("to_string(1.50)", "'1.5'"),
        Example("to_string(n)", "'12345678901234567890.5'", '{"n": {"N": "12345678901234567890.50"}}'),
        Example("to_string(TRUE)", "'true'"),
        Example("to_string(x)", "NULL"),
    ),
)

# To the other types


def _encode(value: str) -> bytes:
    return value.encode("utf-8")


def _lower_encode(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"base64(encode({arguments[0].value}))", Form.BASE64)


def _parse_boolean(text: str) -> bool:
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise RowError("R0113", f"{shown(text)} is neither true nor false")


def _lower_parse_boolean(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text = f"lower({arguments[0].value})"
    value = lowering.bind(f"CASE {text} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END")
    return Fast(value, Form.BOOLEAN, f"({value} IS NOT NULL)")


def _duration(number: Decimal) -> Duration:
    return Duration(whole_millis(EXACT.multiply(number, Decimal(1000))))


def _lower_duration(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (number,) = arguments
    millis = to_integer(lowering, Fast(lowering.bind(f"TRY({number.value} * 1000)"), number.form))
    if millis is None:
        return None
    # NULL where the product has no place in its form.
    return Fast(millis.value, Form.MILLIS, conjunction([f"({millis.value} IS NOT NULL)", millis.guard]))


def _cast(type_: Type, doc: str, signatures: tuple[Signature, ...], *examples: Example) -> Function:
    return Function(f"CAST AS {type_}", "operator", f"`CAST(value AS {type_})`. {doc}", signatures, examples)


def _only_same(type_: Type, *examples: Example) -> Function:
    doc = f"The value as it is; anything but a {type_} is an error."
    return _cast(type_, doc, (_identity(type_),), *examples)


CASTS: tuple[Function, ...] = (
    _cast(
        Type.STRING,
        f"The same as `to_string(value)`. {_TO_STRING_DOC}",
        _TO_STRING,
        Example("CAST(1.50 AS STRING)", "'1.5'"),
        Example("CAST(x AS STRING)", "'hi'", '{"x": {"B": "aGk="}}'),
    ),
    _cast(
        Type.NUMBER,
        f"The same as `to_number(value)`. {_TO_NUMBER_DOC}",
        _TO_NUMBER,
        Example("CAST('007' AS NUMBER)", "7"),
        Example("CAST(x AS NUMBER)", 'error: CAST(x AS NUMBER): "" is not a number', '{"x": {"S": ""}}'),
    ),
    _cast(
        Type.BOOLEAN,
        "The texts `true` and `false` in any case; a boolean as it is.",
        (
            _identity(Type.BOOLEAN),
            Signature(
                _one(STRING, "a number is compared: n <> 0"),
                Type.BOOLEAN,
                Implementation(_parse_boolean, _lower_parse_boolean),
                nullable=False,
            ),
        ),
        Example("CAST('True' AS BOOLEAN)", "TRUE"),
        Example(
            "CAST(x AS BOOLEAN)", 'error: CAST(x AS BOOLEAN): "yes" is neither true nor false', '{"x": {"S": "yes"}}'
        ),
    ),
    _cast(
        Type.BINARY,
        "The UTF-8 bytes of a text; a binary as it is.",
        (
            _identity(Type.BINARY),
            Signature(_one(STRING), Type.BINARY, Implementation(_encode, _lower_encode), nullable=False),
        ),
        Example("CAST('hi' AS BINARY) = x", "TRUE", '{"x": {"B": "aGk="}}'),
        Example("size(CAST('é' AS BINARY))", "2"),
    ),
    _cast(
        Type.TIMESTAMP,
        "The same as `parse_time(value)`: ISO-8601 text or epoch seconds.",
        PARSE_TIME.signatures,
        Example("CAST('2017-04-26T10:15:30+02:00' AS TIMESTAMP)", "TIMESTAMP '2017-04-26T08:15:30.000Z'"),
        Example("CAST(0 AS TIMESTAMP)", "TIMESTAMP '1970-01-01T00:00:00.000Z'"),
    ),
    _cast(
        Type.DURATION,
        "A number of seconds, in whole milliseconds; a duration as it is.",
        (
            _identity(Type.DURATION),
            Signature(
                _one(NUMBER),
                Type.DURATION,
                Implementation(_duration, _lower_duration),
                nullable=False,
            ),
        ),
        Example("CAST(90 AS DURATION) = 90 seconds", "TRUE"),
        Example(
            "CAST(n AS DURATION) = 1 second",
            "error: CAST(n AS DURATION): a duration is a whole number of milliseconds, not 0.1",
            '{"n": {"N": "0.0001"}}',
        ),
    ),
    _only_same(
        Type.LIST,
        Example("size(CAST(x AS LIST))", "1", '{"x": {"L": [{"S": "a"}]}}'),
        Example("CAST(x AS LIST)", "error: x: expected LIST, found STRING", '{"x": {"S": "a"}}'),
    ),
    _only_same(
        Type.MAP,
        Example("size(CAST(x AS MAP))", "0", '{"x": {"M": {}}}'),
        Example("CAST(x AS MAP)", "NULL"),
    ),
    _only_same(
        Type.STRING_SET,
        Example("size(CAST(x AS STRING SET))", "2", '{"x": {"SS": ["a", "b"]}}'),
        Example("CAST(x AS STRING SET)", "error: x: expected STRING SET, found LIST", '{"x": {"L": []}}'),
    ),
    _only_same(
        Type.NUMBER_SET,
        Example("size(CAST(x AS NUMBER SET))", "2", '{"x": {"NS": ["1", "2"]}}'),
        Example("CAST(x AS NUMBER SET)", "NULL"),
    ),
    _only_same(
        Type.BINARY_SET,
        Example("size(CAST(x AS BINARY SET))", "1", '{"x": {"BS": ["aGk="]}}'),
        Example("CAST(x AS BINARY SET)", "NULL"),
    ),
)

CONVERSION: tuple[Function, ...] = (TO_NUMBER, TO_STRING)
