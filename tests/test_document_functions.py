"""Functions of documents, against plain Python; and by both evaluators, over documents of every kind."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from vectorised import Item, Vectorised, compiled, disagreement, reference

from ddbetl.errors import RowError
from ddbetl.expressions.wire import decode, encode
from ddbetl.functions.comparison import same_value
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.types import NULL_VALUE, BinarySet, NumberSet, StringSet, Type, Value

TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
NUMBERS = st.integers(-9, 99).map(Decimal) | st.decimals(-100, 100, places=2).map(lambda n: n.normalize() + 0)
BINARIES = st.binary(max_size=4)
SETS = (
    st.frozensets(TEXTS, min_size=1, max_size=4).map(StringSet)
    | st.frozensets(NUMBERS, min_size=1, max_size=4).map(NumberSet)
    | st.frozensets(BINARIES, min_size=1, max_size=4).map(BinarySet)
)
SCALARS: st.SearchStrategy[Value] = TEXTS | NUMBERS | st.booleans() | BINARIES | st.just(NULL_VALUE)


def lists(values: st.SearchStrategy[Value]) -> st.SearchStrategy[tuple[Value, ...]]:
    return st.lists(values, max_size=5).map(tuple)


def maps(values: st.SearchStrategy[Value]) -> st.SearchStrategy[dict[str, Value]]:
    return st.dictionaries(TEXTS, values, max_size=5)


VALUES = st.recursive(SCALARS | SETS, lambda inner: lists(inner) | maps(inner), max_leaves=8)
LISTS = lists(VALUES)
MAPS = maps(VALUES)
POSITIONS = st.integers(-7, 7)


def item(**values: Value) -> Item:
    return {name: encode(value) for name, value in values.items() if value is not None}


def both(text: str, **values: Value) -> tuple[Value, bool]:
    """The value of an expression, after both evaluators agreed on it; and whether the vectorised one had it."""
    expression, row = compiled(text), item(**values)
    found = reference(expression, row)
    assert not isinstance(found, RowError), found
    with Vectorised([row]) as table:
        (outcomes,) = table.run([expression])
    for outcome in outcomes or ():
        assert disagreement(expression, row, outcome) is None
    return found, outcomes is not None and outcomes[0].fast


def value_of(text: str, **values: Value) -> Value:
    return both(text, **values)[0]


def error_of(text: str, **values: Value) -> str:
    found = reference(compiled(text), item(**values))
    assert isinstance(found, RowError), found
    return found.message


quick = settings(max_examples=25, deadline=None)

# Constructors


@quick
@given(VALUES, TEXTS, NUMBERS)
def test_a_list_holds_what_is_written(x: Value, s: str, n: Decimal) -> None:
    found, fast = both("[x, s, n + 1, nowhere, NULL, [x], 'c0', TRUE]", x=x, s=s, n=n)
    assert same_value(found, (x, s, n + 1, NULL_VALUE, NULL_VALUE, (x,), "c0", True))
    assert fast


@quick
@given(VALUES, NUMBERS)
def test_a_map_holds_what_there_is(x: Value, n: Decimal) -> None:
    found, fast = both("""{'x': x, 'n"': -n, '': {'inner': x}, 'é': nowhere, 'no': NULL}""", x=x, n=n)
    assert same_value(found, {"x": x, 'n"': -n, "": {"inner": x}})
    assert fast


def test_the_empty_list_and_the_empty_map_are_values() -> None:
    assert both("[]") == ((), True)
    assert both("{}") == ({}, True)
    assert both("{'a': nowhere}") == ({}, True)
    assert both("[nowhere]") == ((NULL_VALUE,), True)
    assert both("coalesce(l, [])") == ((), True)
    assert both("map_merge(coalesce(m, {}), {'a': 1})") == ({"a": Decimal(1)}, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[now()]", "a list holds no TIMESTAMP"),
        ("[[1, now()]]", "a list holds no TIMESTAMP"),
        ("{'a': 1 day}", "a map holds no DURATION"),
    ],
)
def test_a_document_holds_no_times(text: str, message: str) -> None:
    source = SourceText(text)
    expression, (found,) = compile_expression(parse_expression(source), source)
    assert expression is None
    assert (found.code, found.message) == ("E0303", message)


def test_each_wrong_part_of_a_document_is_told_once() -> None:
    source = SourceText("{'a': [nosuch(1), 1 + 'b'], 'c': {'d': 1, 'd': 2}}")
    expression, found = compile_expression(parse_expression(source), source)
    assert expression is None
    assert [diagnostic.code for diagnostic in found] == ["E0301", "E0303", "E0311"]


def test_what_fails_in_a_document_of_constants_fails_with_the_spec() -> None:
    source = SourceText("[1, 1 / 0]")
    assert [d.code for d in compile_expression(parse_expression(source), source)[1]] == ["E0306"]


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("[1]", Type.LIST),
        ("{'a': 1}", Type.MAP),
        ("string_set('a')", Type.STRING_SET),
        ("number_set(x)", Type.NUMBER_SET),
        ("binary_set(x)", Type.BINARY_SET),
        ("set_union(x, y)", Type.ANY),
        ("set_union(x, string_set('a'))", Type.STRING_SET),
        ("element(x, 0)", Type.ANY),
        ("size([1, 2])", Type.NUMBER),
        ("from_json(x)", Type.ANY),
    ],
)
def test_the_type_of_a_document_is_known(text: str, type_: Type) -> None:
    assert compiled(text).type is type_


# Maps


@quick
@given(MAPS)
def test_keys_and_values_belong_together(m: dict[str, Value]) -> None:
    by_bytes = sorted(m, key=lambda key: key.encode())
    keys, fast = both("keys(m)", m=m)
    assert keys == tuple(by_bytes)
    values, also_fast = both("values(m)", m=m)
    assert same_value(values, tuple(m[key] for key in by_bytes))
    assert fast and also_fast


@quick
@given(MAPS, MAPS, MAPS)
def test_the_last_map_wins(a: dict[str, Value], b: dict[str, Value], c: dict[str, Value]) -> None:
    found, fast = both("map_merge(a, b, c)", a=a, b=b, c=c)
    assert same_value(found, a | b | c)
    assert fast
    assert same_value(value_of("map_merge(a, a)", a=a), a)


@quick
@given(MAPS, TEXTS)
def test_an_entry_is_found_by_its_key(m: dict[str, Value], key: str) -> None:
    for wanted in (key, *m):
        found, fast = both("element(m, k)", m=m, k=wanted)
        assert same_value(found, m.get(wanted))
        assert fast


# Lists


@quick
@given(LISTS, POSITIONS)
@example((), 0)
def test_an_element_is_python_s(values: tuple[Value, ...], index: int) -> None:
    found, fast = both("element(l, i)", l=values, i=Decimal(index))
    try:
        wanted: Value = values[index]
    except IndexError:
        wanted = None
    assert same_value(found, wanted)
    assert fast
    if index >= 0:
        assert same_value(value_of(f"l[{index}]", l=values), wanted)


@pytest.mark.parametrize("index", ["2147483647", "-2147483648", "9223372036854775807", "1E+30", "-1E+125"])
def test_no_list_is_so_long(index: str) -> None:
    number = Decimal(index)
    assert value_of("element(l, i)", l=("a",), i=number) is None
    assert value_of("slice(l, i)", l=("a",), i=number) == (() if number > 0 else ("a",))
    assert value_of("slice(l, 0, abs(i))", l=("a",), i=number) == ("a",)


@quick
@given(LISTS, POSITIONS, st.none() | st.integers(0, 7))
def test_a_slice_holds_the_positions_that_are_asked_for(
    values: tuple[Value, ...], start: int, length: int | None
) -> None:
    first = start if start >= 0 else len(values) + start
    end = len(values) if length is None else first + length
    wanted = tuple(value for position, value in enumerate(values) if first <= position < end)
    asked: dict[str, Value] = {"l": values, "i": Decimal(start)}
    if length is None:
        found, fast = both("slice(l, i)", **asked)
    else:
        found, fast = both("slice(l, i, n)", **asked, n=Decimal(length))
    assert same_value(found, wanted)
    assert fast


@quick
@given(LISTS, LISTS, VALUES)
def test_lists_are_put_together(a: tuple[Value, ...], b: tuple[Value, ...], x: Value) -> None:
    found, fast = both("list_concat(a, b, [x])", a=a, b=b, x=x)
    assert same_value(found, (*a, *b, x))
    flat, also_fast = both("flatten([a, nowhere, b, [x]])", a=a, b=b, x=x)
    assert same_value(flat, found)
    assert fast and also_fast


@quick
@given(LISTS)
def test_flatten_takes_lists_alone(values: tuple[Value, ...]) -> None:
    wrong = [position for position, value in enumerate(values) if not isinstance(value, tuple) and value != NULL_VALUE]
    if wrong:
        assert f"the element at {wrong[0]}: expected LIST, found " in error_of("flatten(l)", l=values)
        with Vectorised([item(l=values)]) as table:
            (outcomes,) = table.run([compiled("flatten(l)")])
        assert outcomes is not None and not outcomes[0].fast
    else:
        wanted = tuple(element for value in values if isinstance(value, tuple) for element in value)
        assert same_value(value_of("flatten(l)", l=values), wanted)


def plain(value: Value) -> bool:
    """Whether a value is compared by SQL."""
    return isinstance(value, str | Decimal | bytes)


@quick
@given(LISTS, VALUES.filter(lambda value: value != NULL_VALUE))
def test_a_list_contains_its_elements(values: tuple[Value, ...], other: Value) -> None:
    for value in (other, *values):
        if value == NULL_VALUE:
            continue
        found, fast = both("contains(l, x)", l=values, x=value)
        assert found is any(same_value(value, element) for element in values)
        assert fast or not plain(value)


def test_a_boolean_is_no_number_and_a_text_no_binary() -> None:
    assert value_of("contains(l, TRUE)", l=(Decimal(1), "true")) is False
    assert value_of("contains(l, 1)", l=(True, "1")) is False
    assert value_of("contains(l, CAST('hi' AS BINARY))", l=("aGk=", "hi")) is False
    assert value_of("contains(l, 1.0)", l=(Decimal("1.00"),)) is True
    assert value_of("contains(l, NULL)", l=(NULL_VALUE,)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("element(l, 0.5)", "element: index must be a whole number"),
        ("slice(l, 1, 0.5)", "slice: length must be a whole number"),
        ("slice(l, 0, -1)", "slice: length must not be negative"),
    ],
)
def test_a_wrong_constant_is_told_with_the_spec(text: str, message: str) -> None:
    source = SourceText(text)
    (found,) = compile_expression(parse_expression(source), source)[1]
    assert (found.code, found.message) == ("E0305", message)


# Sets

MEMBERS: dict[str, tuple[type[Any], st.SearchStrategy[Any]]] = {
    "string_set": (StringSet, TEXTS),
    "number_set": (NumberSet, NUMBERS),
    "binary_set": (BinarySet, BINARIES),
}


@pytest.mark.parametrize("name", MEMBERS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_set_holds_each_member_once(name: str, data: st.DataObject) -> None:
    made, members = MEMBERS[name]
    given_ = data.draw(st.lists(members | st.just(NULL_VALUE), min_size=1, max_size=4))
    values: dict[str, Value] = {f"a{number}": value for number, value in enumerate(given_)}
    found, fast = both(f"{name}({', '.join(values)}, nowhere, a0)", **values)
    wanted = frozenset(value for value in given_ if value != NULL_VALUE)
    assert same_value(found, made(wanted) if wanted else None)
    # A bare NULL in the place of a known type is for the reference.
    assert fast or NULL_VALUE in given_


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("set_union", lambda a, b: a | b),
        ("set_intersect", lambda a, b: a & b),
        ("set_except", lambda a, b: a - b),
    ],
)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_an_operation_on_sets_is_python_s(
    name: str, operation: Callable[[frozenset[Any], frozenset[Any]], frozenset[Any]], data: st.DataObject
) -> None:
    made, members = data.draw(st.sampled_from(list(MEMBERS.values())))
    sets = st.frozensets(members, max_size=4)
    left, right = data.draw(sets), data.draw(sets)
    values: dict[str, Value] = {name: made(m) for name, m in (("a", left), ("b", right)) if m}
    found, fast = both(f"{name}(a, b)", **values)
    wanted = operation(left, right)
    assert same_value(found, made(wanted) if wanted else None)
    assert fast


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_set_contains_its_members(data: st.DataObject) -> None:
    made, members = data.draw(st.sampled_from(list(MEMBERS.values())))
    held = data.draw(st.frozensets(members, min_size=1, max_size=4))
    for member in (data.draw(members), *held):
        assert both("contains(x, m)", x=made(held), m=member) == (member in held, True)


def test_numbers_are_members_by_their_value() -> None:
    """However they are spelled, in a file: those that are not in DynamoDB's spelling go by reference."""
    row: Item = {"a": {"NS": ["1.0", "2"]}, "b": {"NS": ["1", "02"]}, "l": {"L": [{"N": "1.0"}]}}
    one = NumberSet(frozenset({Decimal(1), Decimal(2)}))
    for text, wanted in (
        ("set_union(a, b)", one),
        ("set_intersect(a, b)", one),
        ("set_except(a, b)", None),
        ("contains(a, 1)", True),
        ("contains(l, 1)", True),
        ("to_json(l)", "[1]"),
    ):
        expression = compiled(text)
        assert same_value(reference(expression, row), wanted)  # type: ignore[arg-type]
        with Vectorised([row]) as table:
            (outcomes,) = table.run([expression])
        assert outcomes is not None and not outcomes[0].fast


# JSON


def simple(value: Value) -> Any:
    """What Python's json writes as the plain JSON of a value."""
    match value:
        case tuple():
            return [simple(element) for element in value]
        case dict():
            return {key: simple(element) for key, element in value.items()}
        case StringSet() | NumberSet() | BinarySet():
            members: list[Any] = sorted(value.members)
            return [simple(member) for member in members]
        case bytes():
            return base64.b64encode(value).decode()
        case Decimal():
            return int(value) if value == int(value) else float(value)
        case _:
            return None if value == NULL_VALUE else value


@settings(max_examples=60, deadline=None)
@given(VALUES.filter(lambda value: value != NULL_VALUE))
@example('\x00\x1f\x7f\u2028/\\"\b\f\n\r\tΩ\U0001f600')
@example(("\x01",))
@example({"\x02": "a", "b": "\\u0041"})
def test_to_json_is_python_s(x: Value) -> None:
    wanted = json.dumps(simple(x), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    assert value_of("to_json(x)", x=x) == wanted


JSON = st.recursive(
    st.none()
    | st.booleans()
    | TEXTS
    | st.integers()
    | st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: round(x, 6)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=10,
)


def stored(found: Any) -> Value:
    """The value of what Python's json reads."""
    match found:
        case None:
            return NULL_VALUE
        case bool() | str():
            return found
        case list():
            return tuple(map(stored, found))
        case dict():
            return {key: stored(value) for key, value in found.items()}
        case _:
            return Decimal(str(found))


@settings(max_examples=60, deadline=None)
@given(JSON, st.sampled_from((None, 1, "\t")), st.booleans())
def test_from_json_reads_what_python_writes(found: Any, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(found, indent=indent, ensure_ascii=ascii_only)
    value = reference(compiled("from_json(s)"), item(s=text))
    if isinstance(value, RowError):
        assert value.code in ("R0103", "R0104") and any(len(digits) > 38 for digits in text.split())
    else:
        assert same_value(value, stored(found))
        assert same_value(decode(encode(value)), value)


@quick
@given(VALUES.filter(lambda value: value != NULL_VALUE))
def test_json_survives_itself(x: Value) -> None:
    once = value_of("to_json(x)", x=x)
    assert value_of("to_json(from_json(s))", s=once) == once


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("12345678901234567890123456789012345678", Decimal("12345678901234567890123456789012345678")),
        ("-0", Decimal(0)),
        ("1.50E+3", Decimal(1500)),
        ("9.9e125", Decimal("9.9e125")),
        (' "a" ', "a"),
        ("null", NULL_VALUE),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("[" * 32 + "]" * 32, None),
    ],
)
def test_from_json_takes_all_that_can_be_stored(text: str, wanted: Value) -> None:
    found = value_of("from_json(s)", s=text)
    assert found is not None and (wanted is None or same_value(found, wanted))


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", "R0114", "it ends too early"),
        ("[1", "R0114", "it ends too early"),
        ("[1 2]", "R0114", 'at character 4, "2]"'),
        ("{a: 1}", "R0114", "at character 2"),
        ("1 // one", "R0114", "at character 3"),
        ("'a'", "R0114", "at character 1"),
        ("\ufeff1", "R0114", "at character 1"),
        ('"a\nb"', "R0114", "at character 3"),
        ("[01]", "R0114", "at character 3"),
        ("[NaN]", "R0114", "NaN is no number"),
        ("-Infinity", "R0114", "-Infinity is no number"),
        ('{"a": 1, "b": 2, "a": 3}', "R0114", '"a" is a key twice'),
        ('"\\ud83d"', "R0114", "half of a surrogate pair"),
        ('{"\\ud83d": 1}', "R0114", "half of a surrogate pair"),
        ("[" * 33 + "]" * 33, "R0114", "more than 32 levels"),
        ("[" * 100_000, "R0114", "more than 32 levels"),
        ("1" * 39, "R0104", "more than 38 significant digits"),
        ("[1e126]", "R0103", "outside of DynamoDB's range"),
        ("1e-400000000000000000000", "R0103", "outside of DynamoDB's range"),
    ],
)
def test_from_json_is_strict(text: str, code: str, message: str) -> None:
    found = reference(compiled("from_json(s)"), item(s=text))
    assert isinstance(found, RowError)
    assert found.code == code
    assert message in found.message
    assert value_of("try(from_json(s))", s=text) is None


def test_a_key_twice_among_many_is_found_at_once() -> None:
    text = "{" + ",".join(f'"{n}":0' for n in range(100_000)) + ',"99999":1}'
    found = reference(compiled("from_json(s)"), item(s=text))
    assert isinstance(found, RowError) and '"99999" is a key twice' in found.message


def test_large_maps_are_merged_by_both() -> None:
    # Some hundred megabytes, if the keys of one were listed for each entry of the other.
    m: dict[str, Value] = {str(n): Decimal(n) for n in range(4000)}
    x: dict[str, Value] = {str(n): Decimal(-n) for n in range(2000, 6000)}
    assert value_of("size(map_merge(m, x))", m=m, x=x) == 6000


# NULL


@pytest.mark.parametrize(
    "text",
    [
        "keys(x)", "values(x)", "element(x, 0)", "element([1], x)", "slice(x, 0)", "slice([1], x)", "slice([1], 0, x)",
        "list_concat([1], x)", "flatten(x)", "map_merge(x, {})", "map_merge({}, x)", "contains(x, 1)", "to_json(x)",
        "from_json(x)", "string_set(x)", "set_union(x, x)", "set_intersect(x, string_set('a'))", "set_except(x, x)",
    ],
)  # fmt: skip
@pytest.mark.parametrize("x", [None, NULL_VALUE])
def test_a_null_gives_null(text: str, x: Value) -> None:
    assert value_of(text, x=x) is None


def test_the_null_of_a_document_is_one() -> None:
    document: Value = (NULL_VALUE, {"k": NULL_VALUE})
    assert value_of("element(l, 0)", l=document) == NULL_VALUE
    assert value_of("attribute_type(element(l, 0))", l=document) == "NULL"
    assert value_of("coalesce(element(l, 0), 'none')", l=document) == "none"
    assert value_of("element(l, 0) IS NULL", l=document) is True
    assert value_of("[element(l, 0)]", l=document) == (NULL_VALUE,)
    assert value_of("{'a': element(l, 0), 'b': element(l, 7)}", l=document) == {"a": NULL_VALUE}
    assert value_of("element(element(l, 1), 'k')", l=document) == NULL_VALUE
    assert value_of("element([NULL], 0)") == NULL_VALUE


@pytest.mark.parametrize(
    "text",
    [
        "CAST(element(x, NULL) AS LIST)", "CAST(element(NULL, s) AS STRING SET)", "contains(try(element(NULL, s)), 'a')",
        "element(try(element(x, NULL)), 0)", "contains(coalesce(element(x, NULL), element(x, NULL)), 1)",
    ],
)  # fmt: skip
def test_the_null_of_the_spec_has_no_type(text: str) -> None:
    assert value_of(text, x=(Decimal(1),), s="a") is None
