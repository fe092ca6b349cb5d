"""CAST: from each type to each other that can say the same.

In: a value of one type. Out: the same in another. Invariant: strict; what cannot be converted without loss is an
error of the row, and which types go together is known before the run.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import whole_millis
from ddbetl.functions.conversion import (
    TO_BINARY,
    TO_BINARY_DOC,
    TO_NUMBER,
    TO_NUMBER_DOC,
    TO_STRING,
    TO_STRING_DOC,
    identity,
    one,
)
from ddbetl.functions.forms import DECIMAL_TEXT, conjunction, text_of_number, to_integer
from ddbetl.functions.json_sql import CANONICAL_BASE64, CANONICAL_NUMBER
from ddbetl.functions.model import (
    NUMBER,
    STRING,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Signature,
)
from ddbetl.functions.time import PARSE_TIME
from ddbetl.numbers import EXACT, number_text, shown
from ddbetl.types import TAG_OF, BinarySet, Duration, NumberSet, StringSet, Type, Value, type_of

# To BOOLEAN


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


def _boolean_of_number(number: Decimal) -> bool:
    if number not in (0, 1):
        raise RowError("R0113", f"{number_text(number)} is neither 0 nor 1")
    return bool(number)


def _lower_boolean_of_number(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    number = arguments[0].value
    value = lowering.bind(f"CASE WHEN {number} = 0 THEN FALSE WHEN {number} = 1 THEN TRUE END")
    return Fast(value, Form.BOOLEAN, f"({value} IS NOT NULL)")


# To DURATION


def _duration(number: Decimal) -> Duration:
    return Duration(whole_millis(EXACT.multiply(number, Decimal(1000))))


def _lower_duration(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (number,) = arguments
    millis = to_integer(lowering, Fast(lowering.bind(f"TRY({number.value} * 1000)"), number.form))
    if millis is None:
        return None
    # NULL where the product has no place in its form.
    return Fast(millis.value, Form.MILLIS, conjunction([f"({millis.value} IS NOT NULL)", millis.guard]))


# Between lists and sets

_ELEMENT = {Type.STRING_SET: Type.STRING, Type.NUMBER_SET: Type.NUMBER, Type.BINARY_SET: Type.BINARY}
_SET = {Type.STRING_SET: StringSet, Type.NUMBER_SET: NumberSet, Type.BINARY_SET: BinarySet}
# What two elements that are equal have one text in; every text is the only one of its kind.
_ONE_TEXT = {Type.NUMBER_SET: CANONICAL_NUMBER, Type.BINARY_SET: CANONICAL_BASE64}


def _set_of_list(type_: Type) -> Implementation:
    element = _ELEMENT[type_]
    make: Callable[..., Value] = _SET[type_]

    def reference(elements: tuple[Value, ...]) -> Value:
        for position, value in enumerate(elements):
            if type_of(value) is not element:
                found = type_of(value)
                raise RowError("R0110", f"a {type_} holds {element} only, and element [{position}] is {found}")
        return make(frozenset(elements)) if elements else None

    tag, inner = TAG_OF[type_], TAG_OF[element]

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        (value,) = arguments
        if value.form is not Form.JSON:
            return None
        found = lowering.bind(f"json_extract_string({value.value}, '$.L[*].{inner}')")
        right = found
        if (pattern := _ONE_TEXT.get(type_)) is not None:
            right = f"list_filter({found}, lambda x: regexp_full_match(x, '{pattern}'))"
        complete = f"(len({right}) = json_array_length({value.value}, '/L'))"
        members = f"to_json(list_sort(list_distinct({found})))"
        made = f"""CASE WHEN len({found}) > 0 THEN '{{"{tag}":' || {members} || '}}' END"""
        return Fast(made, Form.JSON, complete)

    return Implementation(reference, lower)


def _list_of_set(value: StringSet | NumberSet | BinarySet) -> tuple[Value, ...]:
    return tuple(sorted(value.members))


def _lower_list_of_strings(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (value,) = arguments
    if value.form is not Form.JSON:
        return None
    members = f"list_sort(json_extract_string({value.value}, '$.SS[*]'))"
    elements = f"to_json(list_transform({members}, lambda x: struct_pack(S := x)))"
    return Fast(f"""'{{"L":' || {elements} || '}}'""", Form.JSON)


def _lower_list_of_numbers(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (value,) = arguments
    if value.form is not Form.JSON:
        return None
    texts = lowering.bind(f"json_extract_string({value.value}, '$.NS[*]')")
    numbers = f"list_sort(list_transform({texts}, lambda x: TRY_CAST(x AS DECIMAL(38,9))))"
    text = text_of_number(Fast("x", Form.DECIMAL))
    elements = f"to_json(list_transform({numbers}, lambda x: struct_pack(N := {text})))"
    fit = f"len(list_filter({texts}, lambda x: regexp_full_match(x, '{DECIMAL_TEXT}')))"
    return Fast(f"""'{{"L":' || {elements} || '}}'""", Form.JSON, f"({fit} = len({texts}))")


_LIST_OF_SET = {
    Type.STRING_SET: Implementation(_list_of_set, _lower_list_of_strings),
    Type.NUMBER_SET: Implementation(_list_of_set, _lower_list_of_numbers),
    Type.BINARY_SET: Implementation(_list_of_set, slow_because="the members of a BINARY SET are sorted"),
}


# The casts


def _cast(type_: Type, doc: str, signatures: tuple[Signature, ...], *examples: Example) -> Function:
    return Function(f"CAST AS {type_}", "operator", f"`CAST(value AS {type_})`. {doc}", signatures, examples)


def _set_cast(type_: Type, *examples: Example) -> Function:
    doc = (
        f"The elements of a list, each once; all must be {_ELEMENT[type_]}. An empty list gives NULL, because DynamoDB "
        f"has no empty set. A {type_} stays as it is."
    )
    of_list = Signature(one(frozenset({Type.LIST})), type_, _set_of_list(type_))
    return _cast(type_, doc, (identity(type_), of_list), *examples)


CASTS: tuple[Function, ...] = (
    _cast(
        Type.STRING,
        f"The same as `to_string(value)`. {TO_STRING_DOC}",
        TO_STRING.signatures,
        Example("CAST(1.50 AS STRING)", "'1.5'"),
        Example("CAST(x AS STRING)", "'hi'", '{"x": {"B": "aGk="}}'),
    ),
    _cast(
        Type.NUMBER,
        f"The same as `to_number(value)`. {TO_NUMBER_DOC}",
        TO_NUMBER.signatures,
        Example("CAST('007' AS NUMBER)", "7"),
        Example("CAST(x AS NUMBER)", 'error: CAST(x AS NUMBER): "" is not a number', '{"x": {"S": ""}}'),
    ),
    _cast(
        Type.BOOLEAN,
        "The texts `true` and `false` in any case, and the numbers 1 and 0; a boolean as it is.",
        (
            identity(Type.BOOLEAN),
            Signature(
                one(STRING),
                Type.BOOLEAN,
                Implementation(_parse_boolean, _lower_parse_boolean),
                nullable=False,
            ),
            Signature(
                one(NUMBER),
                Type.BOOLEAN,
                Implementation(_boolean_of_number, _lower_boolean_of_number),
                nullable=False,
            ),
        ),
        Example("CAST('True' AS BOOLEAN)", "TRUE"),
        Example(
            "CAST(x AS BOOLEAN)", 'error: CAST(x AS BOOLEAN): "yes" is neither true nor false', '{"x": {"S": "yes"}}'
        ),
        Example("CAST(n AS BOOLEAN)", "error: CAST(n AS BOOLEAN): 2 is neither 0 nor 1", '{"n": {"N": "2"}}'),
    ),
    _cast(
        Type.BINARY,
        f"The same as `to_binary(value)`. {TO_BINARY_DOC}",
        TO_BINARY.signatures,
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
            identity(Type.DURATION),
            Signature(
                one(NUMBER),
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
    _cast(
        Type.LIST,
        "The members of a set, in their order: texts by their UTF-8 bytes, numbers by value, binary by its bytes. A "
        "list stays as it is.",
        (
            identity(Type.LIST),
            *(
                Signature(one(frozenset({type_})), Type.LIST, implementation, nullable=False)
                for type_, implementation in _LIST_OF_SET.items()
            ),
        ),
        Example("size(CAST(x AS LIST))", "1", '{"x": {"L": [{"S": "a"}]}}'),
        Example("CAST(x AS LIST) = y", "TRUE", '{"x": {"NS": ["10", "9"]}, "y": {"L": [{"N": "9"}, {"N": "10"}]}}'),
        Example(
            "CAST(x AS LIST)",
            "error: x: expected LIST or STRING SET or NUMBER SET or BINARY SET, found STRING",
            '{"x": {"S": "a"}}',
        ),
    ),
    _cast(
        Type.MAP,
        "The value as it is; anything but a MAP is an error.",
        (identity(Type.MAP),),
        Example("size(CAST(x AS MAP))", "0", '{"x": {"M": {}}}'),
        Example("CAST(x AS MAP)", "NULL"),
    ),
    _set_cast(
        Type.STRING_SET,
        Example("size(CAST(x AS STRING SET))", "2", '{"x": {"SS": ["a", "b"]}}'),
        Example("size(CAST(x AS STRING SET))", "1", '{"x": {"L": [{"S": "a"}, {"S": "a"}]}}'),
        Example("CAST(x AS STRING SET)", "NULL", '{"x": {"L": []}}'),
    ),
    _set_cast(
        Type.NUMBER_SET,
        Example("size(CAST(x AS NUMBER SET))", "2", '{"x": {"NS": ["1", "2"]}}'),
        Example("CAST(x AS NUMBER SET)", "NULL"),
        Example(
            "CAST(x AS NUMBER SET)",
            "error: CAST(x AS NUMBER SET): a NUMBER SET holds NUMBER only, and element [1] is STRING",
            '{"x": {"L": [{"N": "1"}, {"S": "2"}]}}',
        ),
    ),
    _set_cast(
        Type.BINARY_SET,
        Example("size(CAST(x AS BINARY SET))", "1", '{"x": {"BS": ["aGk="]}}'),
        Example("CAST(x AS BINARY SET)", "NULL"),
    ),
)

# What each cast between two types takes; all else is an error of the row. A cast to the same type changes nothing, and
# one that is not here is an error: of the spec where the value's type is known, else of the row.
STRICTNESS: tuple[tuple[Type, Type, str], ...] = (
    (Type.STRING, Type.NUMBER, "digits with an optional sign, fraction and exponent, at most 38 significant"),
    (Type.STRING, Type.BOOLEAN, "`true` and `false`, in any case"),
    (Type.STRING, Type.BINARY, "all: the UTF-8 bytes"),
    (Type.STRING, Type.TIMESTAMP, "ISO-8601, as `parse_time` without a pattern"),
    (Type.NUMBER, Type.STRING, "all: the shortest exact digits"),
    (Type.NUMBER, Type.BOOLEAN, "0 and 1"),
    (Type.NUMBER, Type.TIMESTAMP, "seconds since 1970, rounded down to a millisecond"),
    (Type.NUMBER, Type.DURATION, "seconds, in whole milliseconds"),
    (Type.BOOLEAN, Type.STRING, "all: `true`, `false`"),
    (Type.BOOLEAN, Type.NUMBER, "all: 1, 0"),
    (Type.BINARY, Type.STRING, "bytes that are UTF-8"),
    (Type.LIST, Type.STRING_SET, "lists of STRING; the empty list gives NULL"),
    (Type.LIST, Type.NUMBER_SET, "lists of NUMBER; the empty list gives NULL"),
    (Type.LIST, Type.BINARY_SET, "lists of BINARY; the empty list gives NULL"),
    (Type.STRING_SET, Type.LIST, "all: the members by their UTF-8 bytes"),
    (Type.NUMBER_SET, Type.LIST, "all: the members by value"),
    (Type.BINARY_SET, Type.LIST, "all: the members by their bytes"),
    (Type.TIMESTAMP, Type.STRING, "all: ISO-8601 in the spec's zone"),
    (Type.DURATION, Type.NUMBER, "all: seconds"),
)
