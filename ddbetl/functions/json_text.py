"""JSON texts: to_json and from_json.

In: stored values, and texts. Out: texts of plain JSON, and values. Invariant: numbers are exact both ways, and equal
values have equal texts.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ddbetl.errors import RowError
from ddbetl.functions.forms import text_of_number
from ddbetl.functions.json_sql import CANONICAL_BASE64, CANONICAL_NUMBER, elements, entries, tag
from ddbetl.functions.model import (
    BINARY,
    BOOLEAN,
    NUMBER,
    STRING,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.functions.sets import SETS
from ddbetl.numbers import number_text, parse_number, shown
from ddbetl.types import NULL_VALUE, BinarySet, NullValue, NumberSet, StringSet, Type, Value

# Levels of a document. Source: DynamoDB Developer Guide, "Service quotas: Nested attribute depth".
DEEPEST = 32

# to_json


def _to_json(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            return number_text(value)
        case bytes():
            return f'"{base64.b64encode(value).decode()}"'
        case tuple():
            return f"[{','.join(map(_to_json, value))}]"
        case dict():
            return "{" + ",".join(f"{_to_json(key)}:{_to_json(value[key])}" for key in sorted(value)) + "}"
        case StringSet() | NumberSet() | BinarySet():
            members: list[Any] = sorted(value.members)
            return f"[{','.join(map(_to_json, members))}]"
        case NullValue():
            return "null"
        case _:
            raise TypeError(f"{value!r} cannot be stored")


# Control characters that Python and DuckDB write in different ways.
_ODD = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"


def _lower_text(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text = arguments[0].value
    return Fast(f"to_json({text})::VARCHAR", Form.TEXT, f"NOT regexp_matches({text}, '{_ODD}')")


def _lower_number(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    text = text_of_number(arguments[0])
    return None if text is None else Fast(text, Form.TEXT)


def _lower_boolean(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"({arguments[0].value})::VARCHAR", Form.TEXT)


def _lower_binary(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text = arguments[0].value
    return Fast(f"""('"' || {text} || '"')""", Form.TEXT, f"regexp_full_match({text}, '{CANONICAL_BASE64}')")


# A part of a document, in DynamoDB JSON without spaces, whose plain JSON is its content as it stands there.
_PLAIN = rf'(?s)\{{"S":"([^\\]|\\[^u])*"\}}|\{{"N":"{CANONICAL_NUMBER}"\}}|\{{"BOOL":(true|false)\}}|\{{"NULL":true\}}'


def _content(part: str) -> str:
    return (
        f"CASE {tag(part)} WHEN 'S' THEN json_extract({part}, '/S')::VARCHAR "
        f"WHEN 'N' THEN json_extract_string({part}, '/N') "
        f"WHEN 'BOOL' THEN json_extract_string({part}, '/BOOL') ELSE 'null' END"
    )


def _lower_list(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (value,) = arguments
    if value.form is not Form.JSON:
        return None
    parts = lowering.bind(elements(value.value))
    texts = f"list_transform({parts}, lambda part: {_content('part')})"
    odd = f"list_filter({parts}, lambda part: NOT regexp_full_match(part, '{_PLAIN}'))"
    return Fast(f"('[' || array_to_string({texts}, ',') || ']')", Form.TEXT, f"(len({odd}) = 0)")


def _lower_map(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (value,) = arguments
    if value.form is not Form.JSON:
        return None
    pairs = lowering.bind(f"list_sort({entries(value.value)})")
    texts = f"list_transform({pairs}, lambda pair: to_json(pair[1])::VARCHAR || ':' || {_content('pair[2]')})"
    odd = (
        f"list_filter({pairs}, lambda pair: regexp_matches(pair[1], '{_ODD}') "
        f"OR NOT regexp_full_match(pair[2], '{_PLAIN}'))"
    )
    return Fast(f"('{{' || array_to_string({texts}, ',') || '}}')", Form.TEXT, f"(len({odd}) = 0)")


def _signature(types: frozenset[Type], implementation: Implementation) -> Signature:
    hint = "format_time(…) makes a text of a time, to_number(…) a number of a duration"
    return Signature((Parameter("value", types, hint=hint),), Type.STRING, implementation, nullable=False)


TO_JSON = Function(
    "to_json",
    "document",
    "The plain JSON text of a value: a list is an array, a map an object with its keys in order (by their UTF-8 "
    "bytes), a set an array with its members in order, a binary its base64, DynamoDB's NULL inside of a document "
    "`null`. Every digit of a number is there. There are no spaces, and equal values have equal texts.",
    (
        _signature(STRING, Implementation(_to_json, _lower_text)),
        _signature(NUMBER, Implementation(_to_json, _lower_number)),
        _signature(BOOLEAN, Implementation(_to_json, _lower_boolean)),
        _signature(BINARY, Implementation(_to_json, _lower_binary)),
        _signature(frozenset({Type.LIST}), Implementation(_to_json, _lower_list)),
        _signature(frozenset({Type.MAP}), Implementation(_to_json, _lower_map)),
        _signature(SETS, Implementation(_to_json, slow_because="the members of a set are put in order")),
    ),
    (
        Example("to_json({'b': [1.50, NULL], 'a': 'x'})", """'{"a":"x","b":[1.5,null]}'"""),
        Example("to_json('say \"hi\"')", """'"say \\"hi\\""'"""),
        Example("to_json(Tags)", "'[9.5,10]'", '{"Tags": {"NS": ["10", "9.5"]}}'),
        Example("to_json(x)", "NULL"),
    ),
)

# from_json


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = Counter(names).most_common(1)[0][0]
        raise RowError("R0114", f"the text is not JSON that can be stored: {shown(twice)} is a key twice")
    return found


def _no_number(text: str) -> Any:
    raise RowError("R0114", f"the text is not JSON: {text} is no number")


# The parsers of numbers raise what to_number raises: every digit counts.
_DECODER = json.JSONDecoder(
    parse_float=parse_number, parse_int=parse_number, parse_constant=_no_number, object_pairs_hook=_object
)


def _from_json(text: str) -> Value:
    try:
        return _value(_decode(text), 0)
    except json.JSONDecodeError as error:
        rest = text[error.pos :]
        where = f"at character {error.pos + 1}, {shown(rest)}" if rest else "it ends too early"
        raise RowError("R0114", f"the text is not JSON: {where}") from None
    except RecursionError:
        raise RowError("R0114", _TOO_DEEP) from None


_TOO_DEEP = f"the text is not JSON that can be stored: it has more than {DEEPEST} levels"
_decode: Callable[[str], Any] = _DECODER.decode


def _value(found: Any, level: int) -> Value:
    """A value of what the decoder found inside so many lists and maps."""
    match found:
        case None:
            return NULL_VALUE
        case list() | dict() if level == DEEPEST:
            raise RowError("R0114", _TOO_DEEP)
        case list():
            return tuple(_value(element, level + 1) for element in found)
        case dict():
            return {_text(name): _value(element, level + 1) for name, element in found.items()}
        case str():
            return _text(found)
        case bool() | Decimal():
            return found
        case _:
            raise TypeError(f"{found!r} is no value of JSON")


def _text(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        message = "the text is not JSON that can be stored: a \\u is half of a surrogate pair"
        raise RowError("R0114", message) from None
    return text


FROM_JSON = Function(
    "from_json",
    "document",
    "The value of a JSON text: an object is a MAP, an array a LIST, a number a NUMBER with every digit, `null` "
    "DynamoDB's NULL. Strict: what is not JSON (a comment, a comma too many, NaN), a key that is there twice, more "
    "than 32 levels and a number that DynamoDB cannot hold are errors.",
    (
        Signature(
            (Parameter("text", STRING, hint="a value that is no text needs no from_json"),),
            Type.ANY,
            Implementation(_from_json, slow_because="JSON is read value by value"),
        ),
    ),
    (
        Example("from_json('{\"a\": [1.50, null]}')", "{'a': [1.5, NULL]}"),
        Example(
            "element(from_json(x), 'id')", "12345678901234567890.5", '{"x": {"S": "{\\"id\\":12345678901234567890.5}"}}'
        ),
        Example("from_json('null')", "NULL"),
        Example(
            "from_json(x)",
            'error: from_json(x): the text is not JSON: at character 7, "no}"',
            '{"x": {"S": "{\\"a\\": no}"}}',
        ),
    ),
)
