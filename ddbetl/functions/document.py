"""Functions of stored values: their type and size, maps, and the list of all functions of documents.

In: any value of an attribute. Out: texts, numbers, lists and maps.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.functions.forms import attempt
from ddbetl.functions.json_sql import entries, keys, list_of, map_of
from ddbetl.functions.json_text import FROM_JSON, TO_JSON
from ddbetl.functions.lists import ELEMENT, FLATTEN, LIST_CONCAT, LIST_CONTAINS, MAP, SLICE
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
from ddbetl.functions.sets import SET_CONTAINS, SET_FUNCTIONS
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

# Maps


def _keys(values: dict[str, Value]) -> tuple[str, ...]:
    return tuple(sorted(values))


def _lower_keys(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (value,) = arguments
    if value.form is not Form.JSON:
        return None
    texts = f"""list_transform(list_sort({keys(value.value)}), lambda key: '{{"S":' || to_json(key)::VARCHAR || '}}')"""
    return Fast(list_of(texts), Form.JSON)


KEYS = Function(
    "keys",
    "document",
    "The keys of a map, a list of texts. A map has no order of its own: the keys come in the order of their UTF-8 "
    "bytes, as DynamoDB sorts texts.",
    (Signature((Parameter("map", MAP),), Type.LIST, Implementation(_keys, _lower_keys), nullable=False),),
    (
        Example("keys({'b': 1, 'a': 2, 'Z': 3})", "['Z', 'a', 'b']"),
        Example("keys({})", "[]"),
        Example("keys(x)", "error: x: expected MAP, found LIST", '{"x": {"L": []}}'),
    ),
)


def _values(values: dict[str, Value]) -> tuple[Value, ...]:
    return tuple(values[key] for key in sorted(values))


def _lower_values(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (value,) = arguments
    if value.form is not Form.JSON:
        return None
    parts = f"list_transform(list_sort({entries(value.value)}), lambda pair: pair[2])"
    return Fast(list_of(parts), Form.JSON)


VALUES = Function(
    "values",
    "document",
    "The values of a map in the order of their keys: `element(values(m), i)` belongs to `element(keys(m), i)`.",
    (Signature((Parameter("map", MAP),), Type.LIST, Implementation(_values, _lower_values), nullable=False),),
    (
        Example("values({'b': 1, 'a': 'x'})", "['x', 1]"),
        Example("values(x)", "[NULL]", '{"x": {"M": {"a": {"NULL": true}}}}'),
    ),
)


def _map_merge(*maps: dict[str, Value]) -> dict[str, Value]:
    return {key: value for values in maps for key, value in values.items()}


def _lower_map_merge(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    if any(value.form is not Form.JSON for value in arguments):
        return None
    pairs = [lowering.bind(entries(value.value)) for value in arguments]
    later = [lowering.bind(keys(value.value)) for value in arguments[1:]]
    # Bound, because DuckDB would make what stands inside of the lambda anew for every pair.
    others = [lowering.bind(f"flatten([{', '.join(later[position:])}])") for position in range(len(later))]
    kept = [
        f"list_filter({part}, lambda pair: NOT list_contains({other}, pair[1]))"
        for part, other in zip(pairs[:-1], others, strict=True)
    ]
    there = " AND ".join(f"{part} IS NOT NULL" for part in pairs)
    merged = map_of(f"flatten([{', '.join([*kept, pairs[-1]])}])")
    return Fast(f"CASE WHEN {there} THEN {merged} END", Form.JSON)


MAP_MERGE = Function(
    "map_merge",
    "document",
    "One map of the entries of all; where several have a key, the last one's value counts. Maps inside of maps are "
    "not merged. A NULL among the maps makes the result NULL; `coalesce(m, {})` says otherwise.",
    (
        Signature(
            (Parameter("map", MAP, variadic=True, hint="{'key': x} makes a map of a value"),),
            Type.MAP,
            Implementation(_map_merge, _lower_map_merge),
            nullable=False,
        ),
    ),
    (
        Example(
            "map_merge(Address, {'Country': 'US', 'Zip': 89501})",
            "{'City': 'Reno', 'Country': 'US', 'Zip': 89501}",
            '{"Address": {"M": {"City": {"S": "Reno"}, "Zip": {"S": "?"}}}}',
        ),
        Example("map_merge(Address, {'Country': 'US'})", "NULL"),
    ),
)

# The signatures of ``contains`` for what is no text.
CONTAINS: tuple[Signature, ...] = (LIST_CONTAINS, *SET_CONTAINS)

DOCUMENT: tuple[Function, ...] = (
    ATTRIBUTE_TYPE,
    SIZE,
    ELEMENT,
    SLICE,
    LIST_CONCAT,
    FLATTEN,
    KEYS,
    VALUES,
    MAP_MERGE,
    *SET_FUNCTIONS,
    TO_JSON,
    FROM_JSON,
)
