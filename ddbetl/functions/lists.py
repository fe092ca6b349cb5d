"""Functions of lists, and what one position or key of a document holds.

In: LIST and MAP values. Out: values, of types that only the row knows; a list may hold DynamoDB's NULL, and what is
taken out of it is that NULL.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.errors import RowError
from ddbetl.functions.comparison import same_value
from ddbetl.functions.forms import conjunction, text_of_number, to_integer
from ddbetl.functions.json_sql import CANONICAL_BASE64, CANONICAL_NUMBER, all_match, elements, keys, list_of
from ddbetl.functions.model import (
    NUMBER,
    STORED,
    STRING,
    ArgumentError,
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
from ddbetl.numbers import whole
from ddbetl.types import NullValue, Type, Value, type_of

LIST = frozenset({Type.LIST})
MAP = frozenset({Type.MAP})

# No item holds a list of so many elements.
_FAR = 2**31 - 1


def _check_constants(function: str, binding: Binding, *names: str) -> None:
    """Raise ArgumentError for a constant that is no whole number, or for a negative length."""
    for name in names:
        number = binding.constants.get(name)
        if isinstance(number, Decimal):
            if number != number.to_integral_value():
                raise ArgumentError(name, f"{function}: {name} must be a whole number")
            if name == "length" and number < 0:
                raise ArgumentError(name, f"{function}: {name} must not be negative")


# element


def _element(values: tuple[Value, ...], index: Decimal) -> Value:
    position = whole(index, "index")
    return values[position] if -len(values) <= position < len(values) else None


def _bind_element(binding: Binding) -> Implementation:
    _check_constants("element", binding, "index")

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        values, number = arguments
        index = to_integer(lowering, number)
        if index is None or values.form is not Form.JSON:
            return None
        at = lowering.bind(index.value)
        # SQL counts from 1, from the end as here. Beyond any list is no element.
        place = f"CASE WHEN {at} BETWEEN 0 AND {_FAR} THEN {at} + 1 WHEN {at} BETWEEN -{_FAR} AND -1 THEN {at} END"
        return Fast(f"list_extract({elements(values.value)}, {place})", Form.JSON, index.guard)

    return Implementation(_element, lower)


def _entry(values: dict[str, Value], key: str) -> Value:
    return values.get(key)


def _lower_entry(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    values, key = arguments
    if values.form is not Form.JSON:
        return None
    found = f"list_position({keys(values.value)}, {key.value})"
    content = f"json_extract({values.value}, '$.M.*')::VARCHAR[]"
    return Fast(f"CASE WHEN {key.value} IS NOT NULL THEN list_extract({content}, {found}) END", Form.JSON)


ELEMENT = Function(
    "element",
    "document",
    "The element of a list at a position, counted from 0 as in a path (`Lines[0]`), or from the end: -1 is the last. "
    "Of a map, the value of a key. NULL where there is none. A path needs its positions and names in the spec; here "
    "they can come from the item.",
    (
        Signature((Parameter("list", LIST), Parameter("index", NUMBER)), Type.ANY, _bind_element),
        Signature((Parameter("map", MAP), Parameter("key", STRING)), Type.ANY, Implementation(_entry, _lower_entry)),
    ),
    (
        Example("element(['a', 'b', 'c'], 1)", "'b'"),
        Example("element(['a', 'b', 'c'], -1)", "'c'"),
        Example("element(['a'], 1)", "NULL"),
        Example(
            "element(Prices, Country)",
            "9.5",
            '{"Prices": {"M": {"DE": {"N": "9.5"}}}, "Country": {"S": "DE"}}',
        ),
        Example(
            "element(l, n)",
            "error: element(l, n): index must be a whole number, not 0.5",
            '{"l": {"L": []}, "n": {"N": "0.5"}}',
        ),
    ),
)


# slice


def _slice(values: tuple[Value, ...], start: Decimal, length: Decimal | None = None) -> tuple[Value, ...]:
    first = whole(start, "start")
    if first < 0:
        first += len(values)
    if length is None:
        return values[max(first, 0) :]
    count = whole(length, "length")
    if count < 0:
        raise RowError("R0110", f"length must not be negative, but is {count}")
    return values[max(first, 0) : max(first + count, 0)]


def _bind_slice(binding: Binding) -> Implementation:
    _check_constants("slice", binding, "start", "length")

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        values, *numbers = arguments
        positions = [position for number in numbers if (position := to_integer(lowering, number)) is not None]
        if len(positions) < len(numbers) or values.form is not Form.JSON:
            return None
        parts = lowering.bind(elements(values.value))
        start, *count = [lowering.bind(position.value) for position in positions]
        inside = f"{start} BETWEEN -{_FAR} AND {_FAR}"
        first = f"({start} + CASE WHEN {start} < 0 THEN len({parts}) ELSE 0 END)"
        end = f"len({parts})"
        if count:
            inside += f" AND {count[0]} BETWEEN 0 AND {_FAR}"
            end = f"greatest({first} + {count[0]}, 0)"
        part = list_of(f"list_slice({parts}, greatest({first}, 0) + 1, {end})")
        guards = [position.guard for position in positions]
        # A position that was no whole number is NULL here.
        guard = conjunction([*guards, f"coalesce({inside}, FALSE)"])
        return Fast(f"CASE WHEN {inside} THEN {part} END", Form.JSON, guard)

    return Implementation(_slice, lower)


SLICE = Function(
    "slice",
    "document",
    "The part of a list that begins at the position `start`, counted from 0, or from the end if it is negative, and "
    "goes on for `length` elements, or to the end. Positions that the list does not have hold nothing. A negative "
    "`length` and fractions are errors.",
    (
        Signature(
            (Parameter("list", LIST), Parameter("start", NUMBER), Parameter("length", NUMBER, optional=True)),
            Type.LIST,
            _bind_slice,
            nullable=False,
        ),
    ),
    (
        Example("slice(['a', 'b', 'c', 'd'], 1, 2)", "['b', 'c']"),
        Example("slice(['a', 'b', 'c', 'd'], -2)", "['c', 'd']"),
        Example("slice(['a', 'b'], 5, 1)", "[]"),
        Example(
            "slice(Lines, 0, n)",
            "error: slice(Lines, 0, n): length must not be negative, but is -1",
            '{"Lines": {"L": []}, "n": {"N": "-1"}}',
        ),
    ),
)


# list_concat and flatten


def _concat(*lists: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(value for values in lists for value in values)


def _lower_concat(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    if any(values.form is not Form.JSON for values in arguments):
        return None
    parts = [lowering.bind(elements(values.value)) for values in arguments]
    there = " AND ".join(f"{part} IS NOT NULL" for part in parts)
    joined = list_of(f"flatten([{', '.join(parts)}])")
    return Fast(f"CASE WHEN {there} THEN {joined} END", Form.JSON)


LIST_CONCAT = Function(
    "list_concat",
    "document",
    "The elements of the lists, one list after the other, in a new list. `list_concat(Lines, [x])` appends an "
    "element. A NULL among the lists makes the result NULL; `coalesce(Lines, [])` says otherwise.",
    (
        Signature(
            (Parameter("list", LIST, variadic=True, hint="[x] makes a list of an element"),),
            Type.LIST,
            Implementation(_concat, _lower_concat),
            nullable=False,
        ),
    ),
    (
        Example("list_concat(Lines, ['b'])", "['a', 'b']", '{"Lines": {"L": [{"S": "a"}]}}'),
        Example("list_concat([1], [], [1, 2])", "[1, 1, 2]"),
        Example("list_concat(Lines, ['b'])", "NULL"),
    ),
)


def _flatten(lists: tuple[Value, ...]) -> tuple[Value, ...]:
    out: list[Value] = []
    for position, values in enumerate(lists):
        if isinstance(values, tuple):
            out += values
        elif not isinstance(values, NullValue):
            raise RowError("R0101", f"the element at {position}: expected LIST, found {type_of(values)}", 0)
    return tuple(out)


def _lower_flatten(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    (lists,) = arguments
    if lists.form is not Form.JSON:
        return None
    parts = lowering.bind(elements(lists.value))
    inner = f"flatten(list_transform({parts}, lambda part: {elements('part')}))"
    wrong = f"""list_filter({parts}, lambda part: NOT regexp_matches(part, '^\\{{"(L|NULL)"'))"""
    return Fast(list_of(inner), Form.JSON, f"(len({wrong}) = 0)")


FLATTEN = Function(
    "flatten",
    "document",
    "The elements of all lists of a list, in one list: one level is taken away. A NULL among the lists holds nothing; "
    "any other element that is no list is an error.",
    (Signature((Parameter("lists", LIST),), Type.LIST, Implementation(_flatten, _lower_flatten), nullable=False),),
    (
        Example("flatten([[1, 2], [], [[3]]])", "[1, 2, [3]]"),
        Example("flatten([])", "[]"),
        Example(
            "flatten(x)",
            "error: x: the element at 0: expected LIST, found NUMBER",
            '{"x": {"L": [{"N": "1"}]}}',
        ),
    ),
)


# contains


def _contains(values: tuple[Value, ...], value: Value) -> bool:
    return any(same_value(element, value) for element in values)


def _lower_contains(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    values, value = arguments
    if values.form is not Form.JSON:
        return None
    match value.form:
        case Form.TEXT:
            found = f"json_extract_string({values.value}, '$.L[*].S')"
            return Fast(f"list_contains({found}, {value.value})", Form.BOOLEAN)
        case Form.BOOLEAN:
            found = f"json_extract_string({values.value}, '$.L[*].BOOL')"
            return Fast(f"list_contains({found}, ({value.value})::VARCHAR)", Form.BOOLEAN)
        case Form.INTEGER | Form.DECIMAL:
            found = lowering.bind(f"json_extract_string({values.value}, '$.L[*].N')")
            same = f"list_contains({found}, {text_of_number(value)})"
            return Fast(same, Form.BOOLEAN, all_match(found, CANONICAL_NUMBER))
        case Form.BASE64:
            found = lowering.bind(f"json_extract_string({values.value}, '$.L[*].B')")
            guard = f"{all_match(found, CANONICAL_BASE64)} AND regexp_full_match({value.value}, '{CANONICAL_BASE64}')"
            return Fast(f"list_contains({found}, {value.value})", Form.BOOLEAN, guard)
        case _:
            return None


LIST_CONTAINS = Signature(
    (Parameter("list", LIST), Parameter("value", STORED, hint="a list holds no times and no durations")),
    Type.BOOLEAN,
    Implementation(_contains, _lower_contains),
    nullable=False,
)
