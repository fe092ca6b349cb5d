"""Attribute values: item to value to item is the identity, up to the spelling of numbers and the order of sets."""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from generated import any_attribute
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import comparable_value
from vectorised import Vectorised, disagreement

from ddbetl.errors import RowError
from ddbetl.expressions.ir import Attribute
from ddbetl.expressions.wire import decode, encode
from ddbetl.functions.comparison import same_value
from ddbetl.types import (
    NULL_VALUE,
    BinarySet,
    Duration,
    NullValue,
    NumberSet,
    StringSet,
    Timestamp,
    Type,
    Value,
    type_of,
)

TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**25), max_value=10**25).map(
    lambda n: n.normalize() + 0
)
BYTES = st.binary(max_size=10)
SCALARS: st.SearchStrategy[Value] = TEXTS | NUMBERS | st.booleans() | BYTES | st.just(NULL_VALUE)
SETS: st.SearchStrategy[Value] = (
    st.frozensets(TEXTS, min_size=1, max_size=4).map(StringSet)
    | st.frozensets(NUMBERS, min_size=1, max_size=4).map(NumberSet)
    | st.frozensets(BYTES, min_size=1, max_size=4).map(BinarySet)
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    SCALARS | SETS,
    lambda inner: st.lists(inner, max_size=4).map(tuple) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_a_value_survives_the_wire(value: Value) -> None:
    assert same_value(decode(json.loads(json.dumps(encode(value)))), value)


@given(st.integers(0, 2**64 - 1))
def test_an_attribute_survives_the_values(seed: int) -> None:
    attribute = any_attribute(random.Random(seed))
    assert comparable_value(encode(decode(attribute))) == comparable_value(attribute)


@given(VALUES)
def test_the_encoding_of_a_value_is_a_fixed_point(value: Value) -> None:
    once = encode(value)
    assert encode(decode(once)) == once


@given(VALUES)
def test_boto3_reads_the_same_value(value: Value) -> None:
    # boto3 takes binary as bytes, not as Base64 text; what it writes back must be what was written.
    found = _with_bytes(encode(value))
    again = TypeSerializer().serialize(TypeDeserializer().deserialize(found))
    assert comparable_value(again) == comparable_value(found)


def _with_bytes(attribute: dict[str, Any]) -> dict[str, Any]:
    ((tag, content),) = attribute.items()
    match tag:
        case "B":
            return {"B": Binary(decode(attribute)).value}
        case "BS":
            return {"BS": [_with_bytes({"B": member})["B"] for member in content]}
        case "L":
            return {"L": [_with_bytes(member) for member in content]}
        case "M":
            return {"M": {name: _with_bytes(member) for name, member in content.items()}}
        case _:
            return attribute


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"S": ""}, ""),
        ({"N": "1.50"}, Decimal("1.5")),
        ({"N": "-0"}, Decimal(0)),
        ({"N": "1E+125"}, Decimal(10) ** 125),
        ({"BOOL": False}, False),
        ({"B": ""}, b""),
        ({"L": [{"L": []}]}, ((),)),
        ({"M": {"": {"NULL": True}}}, {"": NullValue()}),
        ({"SS": ["b", "a"]}, StringSet(frozenset("ab"))),
        ({"NS": ["1", "1.0E1"]}, NumberSet(frozenset({Decimal(1), Decimal(10)}))),
        ({"BS": ["aGk="]}, BinarySet(frozenset({b"hi"}))),
    ],
)
def test_the_value_of_an_attribute(attribute: dict[str, Any], value: Value) -> None:
    assert same_value(decode(attribute), value)


@pytest.mark.parametrize(
    ("attribute", "code"),
    [
        ({"N": "one"}, "R0105"),
        ({"N": ""}, "R0105"),
        ({"N": "NaN"}, "R0105"),
        ({"N": "1e200"}, "R0103"),
        ({"N": "1" * 39}, "R0104"),
        ({"NS": ["1", "x"]}, "R0105"),
        ({"B": "no base64!"}, "R0111"),
        ({"B": "aGk"}, "R0111"),
        ({"B": "é"}, "R0111"),
        ({"BS": ["aGk"]}, "R0111"),
        ({"X": "?"}, "R0109"),
        ({"L": [{"X": "?"}]}, "R0109"),
    ],
)
def test_what_is_no_attribute_is_an_error_of_the_row(attribute: dict[str, Any], code: str) -> None:
    with pytest.raises(RowError) as caught:
        decode(attribute)
    assert caught.value.code == code


@pytest.mark.parametrize("value", [Timestamp(0), Duration(0), None])
def test_what_cannot_be_stored_cannot_be_encoded(value: Value) -> None:
    with pytest.raises(TypeError):
        encode(value)


@given(VALUES, VALUES)
def test_equality_looks_at_types_all_the_way_down(left: Value, right: Value) -> None:
    assert same_value(left, left)
    assert same_value(left, right) == same_value(right, left)
    # Two values are the same exactly when the wire cannot tell them apart.
    assert same_value(left, right) == (comparable_value(encode(left)) == comparable_value(encode(right)))


@pytest.mark.parametrize(
    ("left", "right"), [(True, Decimal(1)), ((True,), (Decimal(1),)), ({"a": False}, {"a": Decimal(0)}), ("a", b"a")]
)
def test_python_s_own_equality_is_not_trusted(left: Value, right: Value) -> None:
    assert not same_value(left, right)
    assert same_value(left, left)


@given(VALUES)
def test_every_value_has_the_type_of_its_tag(value: Value) -> None:
    found = type_of(value)
    assert found is not None
    assert found is type_of(decode(encode(value)))
    assert (found is Type.NULL) == ("NULL" in encode(value))


@settings(max_examples=30)
@given(st.lists(VALUES, min_size=1, max_size=6))
def test_a_bare_copy_through_the_statement_is_the_same_value(values: list[Value]) -> None:
    rows = [{"x": encode(value)} for value in values]
    with Vectorised(rows) as table:
        (outcomes,) = table.run([Attribute("x")])
    assert outcomes is not None
    for row, outcome in zip(rows, outcomes, strict=True):
        assert outcome.fast
        assert (wrong := disagreement(Attribute("x"), row, outcome)) is None, wrong
