"""Functions of stored values of any type: their type and size.

In: any value of an attribute. Out: text and numbers.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.functions.forms import attempt
from ddbetl.functions.model import (
    STORED,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Nulls,
    Parameter,
    Signature,
)
from ddbetl.types import TAG_OF, BinarySet, NumberSet, StringSet, Type, Value, type_of


def _size(value: str | bytes | tuple[Value, ...] | dict[str, Value]) -> Decimal:
    return Decimal(len(value))


def _size_of_set(value: StringSet | NumberSet | BinarySet) -> Decimal:
    return Decimal(len(value.members))


def _lower_characters(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"length({arguments[0].value})", Form.INTEGER)


def _lower_bytes(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    content = attempt(lowering, f"from_base64({arguments[0].value})", Form.BASE64)
    return Fast(f"octet_length({content.value})", Form.INTEGER, content.guard)


def _lower_elements(type_: Type) -> Lower:
    """The number of elements, read from the attribute's JSON."""
    path = f"'/{TAG_OF[type_]}'"

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        (value,) = arguments
        if value.form is not Form.JSON:
            return None
        if type_ is Type.MAP:
            return Fast(f"len(json_keys({value.value}, {path}))", Form.INTEGER)
        return Fast(f"json_array_length({value.value}, {path})::BIGINT", Form.INTEGER)

    return lower


_HINT = "length(to_string(…)) counts the digits of a number"


def _signature(type_: Type, implementation: Implementation) -> Signature:
    return Signature((Parameter("value", frozenset({type_}), hint=_HINT),), Type.NUMBER, implementation, nullable=False)


SIZE = Function(
    "size",
    "document",
    "How large a value is: the elements of a list or set, the entries of a map, the bytes of a binary, the "
    "characters of a text. A number or a boolean has no size and is an error.",
    (
        _signature(Type.STRING, Implementation(_size, _lower_characters)),
        _signature(Type.BINARY, Implementation(_size, _lower_bytes)),
        _signature(Type.LIST, Implementation(_size, _lower_elements(Type.LIST))),
        _signature(Type.MAP, Implementation(_size, _lower_elements(Type.MAP))),
        *(
            _signature(type_, Implementation(_size_of_set, _lower_elements(type_)))
            for type_ in (Type.STRING_SET, Type.NUMBER_SET, Type.BINARY_SET)
        ),
    ),
    (
        Example("size(Lines)", "2", '{"Lines": {"L": [{"S": "a"}, {"N": "1"}]}}'),
        Example("size(Tags)", "3", '{"Tags": {"SS": ["a", "b", "c"]}}'),
        Example("size(Data)", "2", '{"Data": {"B": "aGk="}}'),
        Example("size(Lines)", "NULL"),
        Example(
            "size(n)",
            "error: n: expected STRING or BINARY or LIST or MAP or STRING SET or NUMBER SET or BINARY SET, found "
            "NUMBER",
            '{"n": {"N": "1"}}',
        ),
    ),
)


def _attribute_type(value: Value) -> str | None:
    found = type_of(value)
    return None if found is None else TAG_OF[found]


def _lower_attribute_type(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (value,) = arguments
    if value.form is not Form.JSON:
        return None
    return Fast(f"""split_part({value.value}, '"', 2)""", Form.TEXT)


ATTRIBUTE_TYPE = Function(
    "attribute_type",
    "document",
    "DynamoDB's short name for the type of a value: `S`, `N`, `BOOL`, `B`, `L`, `M`, `SS`, `NS`, `BS`, or `NULL` for "
    "DynamoDB's NULL. It is NULL where the attribute is missing.",
    (
        Signature(
            (Parameter("value", STORED, hint="a TIMESTAMP or a DURATION exists inside expressions only"),),
            Type.STRING,
            Implementation(_attribute_type, _lower_attribute_type),
        ),
    ),
    (
        Example("attribute_type(x)", "'N'", '{"x": {"N": "1"}}'),
        Example("attribute_type(x)", "'NULL'", '{"x": {"NULL": true}}'),
        Example("attribute_type(x)", "NULL"),
    ),
    nulls=Nulls.SEEN,
)

DOCUMENT: tuple[Function, ...] = (ATTRIBUTE_TYPE, SIZE)
