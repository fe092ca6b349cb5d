"""The functions: declared well, their examples true, their type errors told, their meaning re-stated plainly."""

from __future__ import annotations

import base64
import json
import re
from decimal import Decimal

import pytest
from generated import BINARIES, call, named
from hypothesis import given
from hypothesis import strategies as st
from vectorised import SETTINGS, Item, Vectorised, compiled, disagreement, reference

from ddbetl.codes import CODES
from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import RowError
from ddbetl.expressions.ir import Attribute, Constant, Expression
from ddbetl.expressions.resolve import ResolveError, resolve, signature_text, spread
from ddbetl.functions.model import EVERY, STORED, Example, Function, Parameter, Signature
from ddbetl.functions.registry import FUNCTIONS, OPERATORS, function
from ddbetl.numbers import number_text
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.time import format_millis, zone
from ddbetl.types import TAG_OF, Duration, NullValue, NumberSet, StringSet, Timestamp, Type, Value

EVERYTHING = (*FUNCTIONS, *OPERATORS)
CATEGORIES = ("text", "number", "time", "conditional", "document", "conversion", "hashing", "origin", "operator")


# The registry


def test_every_name_is_there_once() -> None:
    names = [called.name.lower() for called in EVERYTHING]
    assert len(names) == len(set(names))
    assert [called.name for called in FUNCTIONS if not re.fullmatch("[a-z][a-z0-9_]*", called.name)] == []


def test_a_function_is_found_whatever_its_case() -> None:
    assert function("EPOCH") is function("epoch") is named("epoch")
    assert function("no_such") is None
    assert function("+") is None
    assert function("CAST AS NUMBER") is None


@pytest.mark.parametrize("called", EVERYTHING, ids=lambda f: f.name)
def test_every_function_is_documented(called: Function) -> None:
    assert called.category in CATEGORIES
    assert called.doc.endswith(".") and "  " not in called.doc and len(called.doc) > 20
    assert len({example.expression + example.item for example in called.examples}) == len(called.examples) >= 2
    assert all(signature_text(called, signature) for signature in called.signatures)


# The examples


def written(value: Value) -> str:
    """A value as the language writes it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case Decimal():
            return number_text(value)
        case tuple():
            return f"[{', '.join(map(written, value))}]"
        case dict():
            return "{" + ", ".join(f"{written(key)}: {written(value[key])}" for key in sorted(value)) + "}"
        case StringSet():
            return f"string_set({', '.join(map(written, sorted(value.members)))})"
        case NumberSet():
            return f"number_set({', '.join(map(written, sorted(value.members)))})"
        case NullValue():
            return "NULL"
        case Timestamp(millis=millis):
            return f"TIMESTAMP '{format_millis(None, millis, zone('UTC'))}'"
        case _:
            raise AssertionError(f"{value!r}: an example should give a plain value")


EXAMPLES = [(called, example) for called in EVERYTHING for example in called.examples]


@pytest.mark.parametrize(("called", "example"), EXAMPLES, ids=lambda x: x.expression if isinstance(x, Example) else "")
def test_an_example_gives_what_it_says_by_both_evaluators(called: Function, example: Example) -> None:
    expression, item = compiled(example.expression), json.loads(example.item)
    found = reference(expression, item)
    if isinstance(found, RowError):
        assert example.result == f"error: {found.message}"
        assert found.code in CODES
    else:
        assert example.result == written(found)
    with Vectorised([item]) as table:
        (outcomes,) = table.run([expression])
    for outcome in outcomes or ():
        assert disagreement(expression, item, outcome) is None


# Type errors


# An expression of each type that is known before the run.
KNOWN: dict[Type, Expression] = {
    Type.STRING: Constant("2017-04-26", Type.STRING),
    Type.NUMBER: Constant(Decimal(2), Type.NUMBER),
    Type.BOOLEAN: Constant(True, Type.BOOLEAN),
    Type.BINARY: Constant(b"a", Type.BINARY),
    Type.TIMESTAMP: Constant(Timestamp(0), Type.TIMESTAMP),
    Type.DURATION: Constant(Duration(1000), Type.DURATION),
    **{
        type_: call(named(f"CAST AS {type_}"), Attribute(f"a {type_}"))
        for type_ in (Type.LIST, Type.MAP, Type.STRING_SET, Type.NUMBER_SET, Type.BINARY_SET)
    },
}
STORED_VALUES: dict[Type, dict[str, object]] = {
    Type.STRING: {"S": "a"},
    Type.NUMBER: {"N": "1"},
    Type.BOOLEAN: {"BOOL": True},
    Type.BINARY: {"B": "aGk="},
    Type.LIST: {"L": []},
    Type.MAP: {"M": {}},
    Type.STRING_SET: {"SS": ["a"]},
    Type.NUMBER_SET: {"NS": ["1"]},
    Type.BINARY_SET: {"BS": ["aGk="]},
}
# Where the documents of KNOWN are.
ITEM: Item = {f"a {type_}": value for type_, value in STORED_VALUES.items()}
CONSTANTS: dict[str, str | Decimal | tuple[str, ...]] = {
    "pattern": "yyyy-MM-dd",
    "zone": "UTC",
    "escape": "!",
    "unit": "day",
    "regex": "(?P<a>a)b*",
    "group": "a",
    "replacement": "x",
    "form": "NFC",
    "template": "{}",
    "namespace": "dns",
    "n": Decimal(1),
    "keys": ("a",),
}

# Every position of every signature, with all that may be left out given.
POSITIONS = [
    pytest.param(called, signature, position, id=f"{called.name}-{number}-{position}")
    for called in EVERYTHING
    for number, signature in enumerate(called.signatures)
    for position in range(len(signature.parameters))
]


def right(signature: Signature) -> list[Expression]:
    """Arguments that a signature takes; where all must have one type, the first type that it takes."""
    return [
        Constant(CONSTANTS[p.name], next(t for t in Type if t in p.types))
        if p.constant
        else KNOWN[next(t for t in Type if t in p.types)]
        for p in signature.parameters
    ]


def wrong_types(called: Function, signature: Signature, position: int) -> list[Type]:
    """The types that no signature takes there, beside right arguments elsewhere."""
    parameter: Parameter = signature.parameters[position]
    others = [p for n, p in enumerate(signature.parameters) if p.same and n != position]
    if parameter.same and parameter.types == EVERY:
        # Any type is right by itself, but not beside the others.
        first = next(t for t in Type if t in parameter.types)
        return [t for t in Type if t in EVERY and t is not first] if others else []
    beside = []
    for other in called.signatures:
        if len(other.parameters) > position:
            before = zip(other.parameters[:position], right(signature), strict=False)
            if all(a.type in p.types for p, a in before):
                beside.append(other.parameters[position].types)
    accepted = frozenset[Type]().union(*beside)
    return [t for t in Type if t in EVERY and t not in accepted]


@pytest.mark.parametrize(("called", "signature", "position"), POSITIONS)
def test_a_known_type_error_is_an_error_of_the_spec(called: Function, signature: Signature, position: int) -> None:
    for type_ in wrong_types(called, signature, position):
        arguments = right(signature)
        arguments[position] = KNOWN[type_]
        with pytest.raises(ResolveError) as caught:
            resolve(called, arguments, SETTINGS)
        assert caught.value.argument is not None
        if not any(p.same for p in signature.parameters):
            assert caught.value.argument == position or called.category == "operator"
        assert str(type_) in caught.value.message or caught.value.code == "E0304"
        assert called.name in caught.value.message


@pytest.mark.parametrize(("called", "signature", "position"), POSITIONS)
def test_an_unknown_type_error_is_an_error_of_the_row(called: Function, signature: Signature, position: int) -> None:
    parameter = signature.parameters[position]
    if parameter.constant:
        arguments = right(signature)
        arguments[position] = Attribute("culprit")
        with pytest.raises(ResolveError, match="must be known before the run"):
            resolve(called, arguments, SETTINGS)
        return
    arguments = right(signature)
    arguments[position] = Attribute("culprit")
    try:
        expression = resolve(called, arguments, SETTINGS, "the call")
    except ResolveError:
        # No stored value can ever stand there, or none of the type that the others have.
        assert not parameter.types & STORED or any(a.type not in STORED for a in arguments if a.type is not Type.ANY)
        return
    at = sum(not p.constant for p in signature.parameters[:position])
    accepted = frozenset[Type]().union(*(c.accepts[at] for c in expression.candidates))
    for type_ in STORED - accepted:
        error = reference(expression, {**ITEM, "culprit": STORED_VALUES[type_]})
        if called.name == "try":
            assert error is None
            continue
        # Where an earlier argument settles the result, the culprit is not looked at.
        if called.name in ("AND", "OR", "if", "CASE", "coalesce") and not isinstance(error, RowError):
            assert position > 0
            continue
        assert isinstance(error, RowError), f"{type_}: {error!r}"
        assert error.code in ("R0101", "R0102")
        assert "culprit" in error.message and str(type_) in error.message


def test_every_type_error_of_a_stored_value_is_reached() -> None:
    """The test above would pass if every call were skipped; these must not be."""
    expression = call(named("length"), Attribute("culprit"))
    for type_ in STORED - {Type.STRING}:
        error = reference(expression, {"culprit": STORED_VALUES[type_]})
        assert isinstance(error, RowError)
        assert error.message == f"culprit: expected STRING, found {type_}"


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    source = SourceText(text)
    expression, found = compile_expression(parse_expression(source), source, SETTINGS)
    assert expression is None
    return found


@pytest.mark.parametrize(
    ("text", "message", "hint", "at"),
    [
        ("length(5)", "length: text must be STRING, not NUMBER", "size(…) is the length of anything else", "5"),
        ("length()", "length takes 1 argument, not 0", "length(text STRING) → NUMBER", "length"),
        ("substr('a')", "substr takes 2 to 3 arguments, not 1", "substr(text STRING, start NUMBER", "substr"),
        ("concat()", "concat takes at least 1 argument, not 0", "concat(text STRING, …) → STRING", "concat"),
        ("coalesce(1, 'a')", "coalesce: STRING and NUMBER do not go together", "all results must have one type", "'a'"),
        (
            "coalesce(x, now())",
            "coalesce: an attribute and TIMESTAMP do not go together",
            "all results must have one type",
            "x",
        ),
        (
            "format_time(DateTime, 'yyyy')",
            "format_time: time must be TIMESTAMP, which an attribute never is",
            "parse_time(…) makes a TIMESTAMP of text or of epoch seconds",
            "DateTime",
        ),
        (
            "DateTime < now()",
            "must be TIMESTAMP, which an attribute never is",
            "parse_time(…) makes a TIMESTAMP",
            "DateTime",
        ),
        ("1 day = x - now()", "must be TIMESTAMP, which an attribute never is", "parse_time(…) makes a TIMESTAMP", "x"),
        (
            "epoch(DateTime, Pattern)",
            "epoch: pattern must be known before the run, so it cannot depend on an item",
            "",
            "Pattern",
        ),
        ("1 + 'a'", "must be NUMBER or DURATION, not STRING", "|| puts texts together", "'a'"),
        ("'a' || 1", "must be STRING, not NUMBER", "to_string(…) makes a text of it", "1"),
        ("'a' = 1", "must be STRING, not NUMBER", "both sides must have one type", "1"),
        ("x IN (1, 'a')", "IN: STRING and NUMBER do not go together", "both sides must have one type", "'a'"),
        ("substr('abc', 1.5)", "substr: start must be a whole number", "", "1.5"),
        ("substr(x, 1, -1)", "substr: length must not be negative", "", "-1"),
        ("round(x, 0.5)", "round: places must be a whole number", "", "0.5"),
        ("x LIKE 'a!' ESCAPE '!'", 'the LIKE pattern "a!" ends in its escape character', "", "!"),
        ("x LIKE 'a' ESCAPE 'ab'", "LIKE: ESCAPE takes one character", "", "'ab'"),
        ("epoch(x, 'yyyy-MM-dd', 'Nowhere/Land')", "unknown time zone 'Nowhere/Land'", "", "'Nowhere/Land'"),
        (
            "epoch(x, 'yyyy-MM-dd', 'europe/berlin')",
            "unknown time zone",
            "did you mean Europe/Berlin",
            "'europe/berlin'",
        ),
        ("CASE WHEN 1 THEN 2 END", "CASE: condition must be BOOLEAN, not NUMBER", "", "1"),
        ("CASE WHEN x THEN 2 ELSE 'a' END", "CASE: STRING and NUMBER do not go together", "", "'a'"),
        ("NOT 'a'", "must be BOOLEAN, not STRING", "", "'a'"),
    ],
)
def test_a_wrong_call_is_told_where_it_stands(text: str, message: str, hint: str, at: str) -> None:
    (found,) = diagnostics(text)
    assert message in found.message
    assert found.hint.startswith(hint)
    assert found.span is not None
    assert text[found.span.start : found.span.end] == at


def test_a_bad_pattern_is_told_under_its_letter() -> None:
    text = "epoch(DateTime, 'yyyy-MM-dd QQ')"
    (found,) = diagnostics(text)
    assert found.span is not None
    assert text[found.span.start : found.span.end].startswith("Q")


# What the text functions mean

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
SMALL = st.integers(-12, 24)


def value_of(text: str, item: Item) -> Value:
    found = reference(compiled(text), item)
    assert not isinstance(found, RowError), found
    return found


@given(TEXT, SMALL, st.integers(0, 24))
def test_substr_takes_the_characters_whose_positions_are_asked_for(text: str, start: int, length: int) -> None:
    wanted = "".join(c for position, c in enumerate(text, 1) if start <= position < start + length)
    item: Item = {"s": {"S": text}, "a": {"N": str(start)}, "n": {"N": str(length)}}
    assert value_of("substr(s, a, n)", item) == wanted
    rest = "".join(c for position, c in enumerate(text, 1) if start <= position)
    assert value_of("substr(s, a)", item) == rest


@pytest.mark.parametrize(
    ("start", "length"), [(1, None), (3, None), (0, 2), (-1, 4), (2, 0), (2, 5), (40, 1), (10**15, 10**15)]
)
def test_substr_with_constants_is_substr(start: int, length: int | None) -> None:
    texts = ["", "a", "abcdef", "日本語の文", "e\u0301e\u0301"]
    given_ = f"{start}" + ("" if length is None else f", {length}")
    numbers = f"to_number('{start}')" + ("" if length is None else f", to_number('{length}')")
    rows: list[Item] = [{"s": {"S": text}} for text in texts]
    with Vectorised(rows) as table:
        constant, folded = table.run([compiled(f"substr(s, {given_})"), compiled(f"substr(s, {numbers})")])
    assert constant is not None and folded is not None
    for item, one, other in zip(rows, constant, folded, strict=True):
        assert one.fast and one.vectorised == one.value == other.value, item


@given(TEXT, TEXT)
def test_trim_takes_away_what_is_asked_for_and_nothing_else(text: str, characters: str) -> None:
    item: Item = {"s": {"S": text}, "c": {"S": characters}}
    found = value_of("trim(s, c)", item)
    assert isinstance(found, str)
    start = text.find(found) if found else len(text)
    assert all(c in characters for c in text[:start] + text[start + len(found) :])
    assert not found or not (found[0] in characters or found[-1] in characters)
    assert value_of("trim(s)", item) == value_of("trim(s, ' ')", item)


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_concat_and_the_operator_are_one(texts: list[str]) -> None:
    item: Item = {f"s{n}": {"S": text} for n, text in enumerate(texts)}
    assert value_of(f"concat({', '.join(item)})", item) == value_of(" || ".join(item), item) == "".join(texts)
    assert value_of(f"length(concat({', '.join(item)}))", item) == sum(map(len, texts))


# Conversions


@pytest.mark.parametrize("value", BINARIES)
def test_text_and_its_bytes_are_one(value: bytes) -> None:
    item: Item = {"y": {"B": base64.b64encode(value).decode()}}
    found = reference(compiled("CAST(CAST(y AS STRING) AS BINARY)"), item)
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        assert isinstance(found, RowError) and found.code == "R0111"
    else:
        assert found == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-(10**20), max_value=10**20))
def test_a_number_survives_its_text(number: Decimal) -> None:
    item: Item = {"n": {"N": str(number)}}
    assert value_of("to_number(to_string(n))", item) == number
    assert value_of("to_string(to_number(to_string(n)))", item) == value_of("to_string(n)", item)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1 ",
        " 1",
        "1,000",
        "0x10",
        "1_000",
        "٣",
        "Infinity",
        "NaN",
        "1e",
        "e1",
        ".",
        "+",
        "--1",
        "1.2.3",
        "½",
        "1\n",
    ],
)
def test_to_number_is_strict(text: str) -> None:
    found = reference(compiled("to_number(s)"), {"s": {"S": text}})
    assert isinstance(found, RowError) and found.code == "R0105"


# Conditionals


def test_only_what_is_needed_is_evaluated() -> None:
    failing = "epoch('no time' || s)"
    item: Item = {"s": {"S": "!"}}
    assert isinstance(reference(compiled(failing), item), RowError)
    assert value_of(f"coalesce(s, to_string({failing}))", item) == "!"
    assert value_of(f"if(s = '!', 1, {failing})", item) == 1
    assert value_of(f"if(s = '?', {failing}, 2)", item) == 2
    assert value_of(f"CASE WHEN s = '!' THEN 1 WHEN {failing} > 0 THEN 2 ELSE {failing} END", item) == 1
    assert value_of(f"try({failing})", item) is None
    assert isinstance(reference(compiled(f"coalesce(nothing, {failing})"), item), RowError)
    assert isinstance(reference(compiled(f"CASE WHEN {failing} > 0 THEN 1 ELSE 2 END"), item), RowError)


def test_try_keeps_a_value_and_takes_an_error_of_any_depth() -> None:
    item: Item = {"n": {"N": "4"}, "zero": {"N": "0"}}
    assert value_of("try(8 / n)", item) == 2
    assert value_of("try(1 + length(to_string(1 / zero)))", item) is None


def test_now_and_source_table_are_the_job_s() -> None:
    assert value_of("epoch(now())", {}) == 1493201730
    assert value_of("source_table()", {}) == "Orders_201605"


def test_spread_repeats_the_pairs_of_case() -> None:
    (signature,) = named("CASE").signatures
    assert [[p.name for p in spread(signature, count)] for count in (2, 3, 4, 5)] == [
        ["condition", "result"],
        ["condition", "result", "otherwise"],
        ["condition", "result", "condition", "result"],
        ["condition", "result", "condition", "result", "otherwise"],
    ]


def test_the_types_of_values_are_those_of_the_wire() -> None:
    assert {TAG_OF[type_] for type_ in STORED} == {next(iter(value)) for value in STORED_VALUES.values()}
