"""Conversions: which exist, what each accepts, and that nothing is lost; base64 and hexadecimal digits."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vectorised import SETTINGS, Item, Outcome, Vectorised, compiled, disagreement, reference

from ddbetl.errors import RowError
from ddbetl.expressions.ir import Constant
from ddbetl.expressions.resolve import ResolveError, resolve
from ddbetl.expressions.wire import decode
from ddbetl.functions.casts import CASTS, STRICTNESS
from ddbetl.functions.registry import function, operator
from ddbetl.types import BinarySet, Duration, NumberSet, StringSet, Timestamp, Type, Value

# Which casts there are, from the type on the left. A cast to the same type changes nothing.
ALLOWED = {
    Type.STRING: {Type.STRING, Type.NUMBER, Type.BOOLEAN, Type.BINARY, Type.TIMESTAMP},
    Type.NUMBER: {Type.STRING, Type.NUMBER, Type.BOOLEAN, Type.TIMESTAMP, Type.DURATION},
    Type.BOOLEAN: {Type.STRING, Type.NUMBER, Type.BOOLEAN},
    Type.BINARY: {Type.STRING, Type.BINARY},
    Type.TIMESTAMP: {Type.STRING, Type.TIMESTAMP},
    Type.DURATION: {Type.NUMBER, Type.DURATION},
    Type.LIST: {Type.LIST, Type.STRING_SET, Type.NUMBER_SET, Type.BINARY_SET},
    Type.MAP: {Type.MAP},
    Type.STRING_SET: {Type.LIST, Type.STRING_SET},
    Type.NUMBER_SET: {Type.LIST, Type.NUMBER_SET},
    Type.BINARY_SET: {Type.LIST, Type.BINARY_SET},
}
VALUES: dict[Type, Value] = {
    Type.STRING: "1",
    Type.NUMBER: Decimal(1),
    Type.BOOLEAN: True,
    Type.BINARY: b"a",
    Type.TIMESTAMP: Timestamp(0),
    Type.DURATION: Duration(1000),
    Type.LIST: ("a",),
    Type.MAP: {"k": "a"},
    Type.STRING_SET: StringSet(frozenset({"a"})),
    Type.NUMBER_SET: NumberSet(frozenset({Decimal(1)})),
    Type.BINARY_SET: BinarySet(frozenset({b"a"})),
}


@pytest.mark.parametrize("to", ALLOWED, ids=str)
@pytest.mark.parametrize("source", ALLOWED, ids=str)
def test_a_cast_exists_or_is_an_error_of_the_spec(source: Type, to: Type) -> None:
    called = operator(f"CAST AS {to}")
    argument = Constant(VALUES[source], source)
    if to not in ALLOWED[source]:
        with pytest.raises(ResolveError, match=f"must be .*, not {source}") as caught:
            resolve(called, [argument], SETTINGS)
        assert caught.value.code == "E0303"
        return
    call = resolve(called, [argument], SETTINGS)
    assert call.type is to
    if source is to:
        assert reference(call, {}) == VALUES[source]


def test_every_type_of_cast_is_asked_for() -> None:
    assert {called.name for called in CASTS} == {f"CAST AS {type_}" for type_ in ALLOWED}


def test_the_documented_casts_are_those_that_exist() -> None:
    between = {(source, to) for source, targets in ALLOWED.items() for to in targets if source is not to}
    assert {(source, to) for source, to, _ in STRICTNESS} == between
    assert len(STRICTNESS) == len(between)


# What the table says of what a cast does not take.
@pytest.mark.parametrize(
    ("to", "attribute", "code"),
    [
        ("NUMBER", {"S": "1,5"}, "R0105"),
        ("NUMBER", {"S": "1" * 39}, "R0104"),
        ("BOOLEAN", {"S": "no"}, "R0113"),
        ("TIMESTAMP", {"S": "26.04.2017"}, "R0107"),
        ("BOOLEAN", {"N": "2"}, "R0113"),
        ("TIMESTAMP", {"N": "1E+30"}, "R0108"),
        ("DURATION", {"N": "0.0001"}, "R0110"),
        ("STRING", {"B": "/w=="}, "R0111"),
        ("STRING SET", {"L": [{"N": "1"}]}, "R0110"),
        ("NUMBER SET", {"L": [{"S": "1"}]}, "R0110"),
        ("BINARY SET", {"L": [{"S": "a"}]}, "R0110"),
    ],
)
def test_what_a_cast_does_not_take_is_an_error_of_the_row(to: str, attribute: dict[str, Any], code: str) -> None:
    found = reference(compiled(f"CAST(x AS {to})"), {"x": attribute})
    assert isinstance(found, RowError) and found.code == code


@pytest.mark.parametrize(
    ("name", "type_"), [("to_string", Type.STRING), ("to_number", Type.NUMBER), ("to_binary", Type.BINARY)]
)
def test_a_function_and_its_cast_are_one(name: str, type_: Type) -> None:
    called = function(name)
    assert called is not None
    assert called.signatures is operator(f"CAST AS {type_}").signatures


def run(text: str, rows: list[Item]) -> list[Outcome]:
    """The outcomes of an expression, whose evaluators agree wherever the fast path is taken."""
    expression = compiled(text)
    with Vectorised(rows) as table:
        (outcomes,) = table.run([expression])
    assert outcomes is not None
    for item, outcome in zip(rows, outcomes, strict=True):
        assert disagreement(expression, item, outcome) is None
    return outcomes


def values(text: str, attributes: list[dict[str, Any]]) -> list[Value]:
    """What an expression gives for x; all by the fast path, too."""
    outcomes = run(text, [{"x": attribute} for attribute in attributes])
    assert all(outcome.fast and outcome.error is None for outcome in outcomes), outcomes
    return [outcome.value for outcome in outcomes]


def refused(text: str, attribute: dict[str, Any]) -> tuple[str, str]:
    """The code and the message of a row's error, which the fast path does not take for a value."""
    (outcome,) = run(text, [{"x": attribute}])
    assert outcome.error is not None and not outcome.fast
    return outcome.error.code, outcome.error.message


# Booleans and numbers


def test_a_boolean_is_one_or_zero() -> None:
    booleans = [{"BOOL": True}, {"BOOL": False}]
    assert values("to_number(x)", booleans) == [Decimal(1), Decimal(0)]
    assert values("CAST(CAST(x AS NUMBER) AS BOOLEAN)", booleans) == [True, False]
    assert values("CAST(CAST(x AS STRING) AS BOOLEAN)", booleans) == [True, False]
    assert values("CAST(x AS BOOLEAN)", [{"N": "1.0"}, {"N": "0"}, {"N": "0.0"}, {"S": "TRUE"}]) == [
        True, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize("number", ["2", "-1", "0.5", "1E-130", "1E+40"])
def test_no_other_number_is_a_boolean(number: str) -> None:
    code, message = refused("CAST(x AS BOOLEAN)", {"N": number})
    assert code == "R0113" and message.endswith("is neither 0 nor 1")


@pytest.mark.parametrize("text", ["", "1", "yes", "true ", "ｔｒｕｅ", "falſe"])
def test_no_other_text_is_a_boolean(text: str) -> None:
    assert refused("CAST(x AS BOOLEAN)", {"S": text})[0] == "R0113"


# Lists and sets

ELEMENTS = {
    "STRING SET": st.text(st.characters(codec="utf-8"), max_size=5).map(lambda text: {"S": text}),
    "NUMBER SET": st.sampled_from(["0", "1", "-1", "10", "9", "1.5", "-0.25", "123456789012345678901234567"]).map(
        lambda text: {"N": text}
    ),
    "BINARY SET": st.binary(max_size=4).map(lambda octets: {"B": base64.b64encode(octets).decode()}),
}


@pytest.mark.parametrize("name", ELEMENTS)
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_list_becomes_the_set_of_its_elements(name: str, data: st.DataObject) -> None:
    lists = data.draw(st.lists(st.lists(ELEMENTS[name], min_size=1, max_size=5), min_size=1, max_size=8))
    attributes = [{"L": elements} for elements in lists]
    members = [frozenset(decode(element) for element in elements) for elements in lists]
    found = values(f"CAST(x AS {name})", attributes)
    assert [getattr(value, "members", None) for value in found] == members
    twice = compiled(f"CAST(CAST(x AS {name}) AS LIST)")
    assert [reference(twice, {"x": attribute}) for attribute in attributes] == [tuple(sorted(some)) for some in members]  # type: ignore[type-var]


def test_an_empty_list_is_no_set() -> None:
    assert values("CAST(x AS STRING SET)", [{"L": []}]) == [None]


@pytest.mark.parametrize(
    ("name", "elements", "message"),
    [
        ("STRING SET", [{"S": "a"}, {"N": "1"}], "a STRING SET holds STRING only, and element [1] is NUMBER"),
        ("STRING SET", [{"NULL": True}], "a STRING SET holds STRING only, and element [0] is NULL"),
        ("NUMBER SET", [{"S": "1"}], "a NUMBER SET holds NUMBER only, and element [0] is STRING"),
        ("NUMBER SET", [{"N": "1"}, {"BOOL": True}], "a NUMBER SET holds NUMBER only, and element [1] is BOOLEAN"),
        ("BINARY SET", [{"L": []}], "a BINARY SET holds BINARY only, and element [0] is LIST"),
    ],
)
def test_an_element_of_another_type_is_an_error(name: str, elements: list[dict[str, Any]], message: str) -> None:
    assert refused(f"CAST(x AS {name})", {"L": elements}) == ("R0110", f"CAST(x AS {name}): {message}")


def test_numbers_that_are_equal_are_one_member() -> None:
    rows: list[Item] = [{"x": {"L": [{"N": "1.0"}, {"N": "1"}]}}, {"x": {"L": [{"N": "1E+2"}, {"N": "100"}]}}]
    assert [outcome.value for outcome in run("CAST(x AS NUMBER SET)", rows)] == [
        NumberSet(frozenset({Decimal(1)})),
        NumberSet(frozenset({Decimal(100)})),
    ]


def test_members_are_sorted_by_value_and_by_bytes() -> None:
    assert values("CAST(x AS LIST)", [{"NS": ["10", "9", "-1", "0.5"]}]) == [
        (Decimal(-1), Decimal("0.5"), Decimal(9), Decimal(10))
    ]
    assert values("CAST(x AS LIST)", [{"SS": ["é", "z", "Z", "\uffff", "\U0001f600"]}]) == [
        ("Z", "z", "é", "\uffff", "\U0001f600")
    ]
    octets = [base64.b64encode(part).decode() for part in (b"\xff", b"", b"a\0", b"a")]
    assert reference(compiled("CAST(x AS LIST)"), {"x": {"BS": octets}}) == (b"", b"a", b"a\0", b"\xff")


# Base64 and hexadecimal digits


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20))
def test_bytes_survive_their_text(contents: list[bytes]) -> None:
    attributes = [{"B": base64.b64encode(octets).decode()} for octets in contents]
    assert values("to_base64(x)", attributes) == [base64.b64encode(octets).decode() for octets in contents]
    assert values("to_hex(x)", attributes) == [octets.hex() for octets in contents]
    assert values("from_base64(to_base64(x))", attributes) == contents
    assert values("from_hex(to_hex(x))", attributes) == contents
    assert values("from_hex(upper(to_hex(x)))", attributes) == contents


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=20))
def test_a_text_is_written_by_its_utf_8_bytes(texts: list[str]) -> None:
    attributes = [{"S": text} for text in texts]
    assert values("to_base64(x)", attributes) == [base64.b64encode(text.encode()).decode() for text in texts]
    assert values("to_hex(x)", attributes) == [text.encode().hex() for text in texts]
    assert values("to_binary(x)", attributes) == [text.encode() for text in texts]
    assert values("to_string(from_base64(to_base64(x)))", attributes) == texts


# RFC 4648, section 10
@pytest.mark.parametrize(
    ("text", "written", "digits"),
    [
        ("", "", ""),
        ("f", "Zg==", "66"),
        ("fo", "Zm8=", "666f"),
        ("foo", "Zm9v", "666f6f"),
        ("foob", "Zm9vYg==", "666f6f62"),
        ("fooba", "Zm9vYmE=", "666f6f6261"),
        ("foobar", "Zm9vYmFy", "666f6f626172"),
    ],
)
def test_known_vectors(text: str, written: str, digits: str) -> None:
    assert values("to_base64(x)", [{"S": text}]) == [written]
    assert values("to_hex(x)", [{"S": text}]) == [digits]
    assert values("to_string(from_base64(x))", [{"S": written}]) == [text]
    assert values("to_string(from_hex(x))", [{"S": digits}]) == [text]


@pytest.mark.parametrize(
    "text", ["Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", " Zg==", "Zg==Zg==", "Z", "====", "Z-_=", "Zm9v\n", "Ｚg=="]
)
def test_base64_is_read_as_it_is_written_only(text: str) -> None:
    shown = json.dumps(text, ensure_ascii=False).replace("\\n", "\n")
    assert refused("from_base64(x)", {"S": text}) == ("R0111", f"from_base64(x): {shown} is not base64")


@pytest.mark.parametrize("text", ["a", "abc", "0x61", "6 1", "61 ", "61\n", "gg", "６１", "é"])
def test_hexadecimal_digits_come_in_pairs(text: str) -> None:
    code, message = refused("from_hex(x)", {"S": text})
    assert code == "R0111" and message.endswith(" is not pairs of hexadecimal digits")


def test_other_types_have_no_such_text() -> None:
    for name in ("to_base64", "to_hex"):
        found = reference(compiled(f"{name}(x)"), {"x": {"N": "1"}})
        assert isinstance(found, RowError) and found.message == "x: expected STRING or BINARY, found NUMBER"


def test_what_is_no_base64_disturbs_no_other_row() -> None:
    rows: list[Item] = [{"x": {"S": text}} for text in ("aGk=", '"', "\n", "\\", "é")]
    expression = compiled("size(CAST([from_base64(x)] AS BINARY SET))")
    with Vectorised(rows) as table:
        (outcomes,) = table.run([expression])
    assert outcomes is not None
    assert [(outcome.value, outcome.fast) for outcome in outcomes] == [(Decimal(1), True), *[(None, False)] * 4]


@pytest.mark.parametrize(
    "text",
    [
        *("md5(x)", "sha1(x)", "sha256(x)", "crc32(x)", "xxhash64(x)", "uuid5('dns', x)", "shard(x, 3)"),
        *("to_hex(x)", "to_base64(x)", "to_binary(x)", "CAST(x AS BINARY)"),
    ],
)
def test_half_a_surrogate_pair_has_no_bytes(text: str) -> None:
    found = reference(compiled(text), {"x": {"S": "a\ud800"}})
    assert isinstance(found, RowError) and found.code == "R0110"
    assert found.message == f"{text}: character 2 is half of a surrogate pair, which is no text"
    assert reference(compiled(f"try({text})"), {"x": {"S": "\udfff"}}) is None
