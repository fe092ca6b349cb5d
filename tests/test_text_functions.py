"""Functions of text, against lists of characters and Python's own; and what they refuse."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Literal

import pytest
from generated import TEXTS
from hypothesis import given
from hypothesis import strategies as st
from vectorised import SETTINGS, Item, Vectorised, compiled, disagreement, reference

from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import RowError
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.types import Value

CHARACTERS = st.characters(codec="utf-8")
TEXT = st.text(CHARACTERS, max_size=12) | st.text("ab-é日\u0301", max_size=12) | st.sampled_from(TEXTS)
PART = st.text("ab-é日\u0301", max_size=2) | st.text(CHARACTERS, max_size=2)


def item_of(*texts: str, **numbers: int) -> Item:
    """The texts as s, p, r; the numbers by their names."""
    named: Item = {name: {"S": text} for name, text in zip("spr", texts, strict=False)}
    return named | {name: {"N": str(number)} for name, number in numbers.items()}


def value_of(text: str, item: Item) -> Value:
    found = reference(compiled(text), item)
    assert not isinstance(found, RowError), found
    return found


def fault(text: str, item: Item) -> str:
    found = reference(compiled(text), item)
    assert isinstance(found, RowError), found
    assert found.code == "R0110"
    return found.message


def outcomes(text: str, rows: list[Item]) -> list[bool]:
    """Which rows took the fast path; no row may differ."""
    expression = compiled(text)
    with Vectorised(rows) as table:
        (found,) = table.run([expression])
    assert found is not None
    for item, outcome in zip(rows, found, strict=True):
        assert disagreement(expression, item, outcome) is None
    return [outcome.fast for outcome in found]


def diagnostics(text: str) -> tuple[Diagnostic, ...]:
    source = SourceText(text)
    expression, found = compile_expression(parse_expression(source), source, SETTINGS)
    assert expression is None
    return found


# Whole texts


@given(TEXT)
def test_bytes_are_counted_as_utf_8_has_them(text: str) -> None:
    sizes = [1 if ord(c) < 0x80 else 2 if ord(c) < 0x800 else 3 if ord(c) < 0x10000 else 4 for c in text]
    assert value_of("byte_length(s)", item_of(text)) == sum(sizes)
    assert value_of("length(s)", item_of(text)) == len(sizes)


def test_half_a_surrogate_pair_has_no_bytes() -> None:
    message = "byte_length(s): character 2 is half of a surrogate pair, which is no text"
    assert fault("byte_length(s)", {"s": {"S": "a\ud800"}}) == message


@given(TEXT, PART)
def test_what_is_trimmed_at_both_ends_is_trimmed_at_each(text: str, characters: str) -> None:
    left, right = list(text), list(text)
    while left and left[0] in characters:
        left.pop(0)
    while right and right[-1] in characters:
        right.pop()
    assert value_of("ltrim(s, p)", item_of(text, characters)) == "".join(left)
    assert value_of("rtrim(s, p)", item_of(text, characters)) == "".join(right)
    both = value_of("trim(s, p)", item_of(text, characters))
    assert both == value_of("rtrim(ltrim(s, p), p)", item_of(text, characters))


@given(TEXT)
def test_reversed_twice_is_the_text(text: str) -> None:
    assert value_of("reverse(s)", item_of(text)) == "".join(text[n] for n in range(len(text) - 1, -1, -1))
    assert value_of("reverse(reverse(s))", item_of(text)) == text


@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
@given(text=TEXT)
def test_a_normal_form_stays_as_it_is(form: Literal["NFC", "NFD", "NFKC", "NFKD"], text: str) -> None:
    found = value_of(f"normalize(s, '{form}')", item_of(text))
    assert isinstance(found, str)
    assert unicodedata.is_normalized(form, found)
    assert value_of(f"normalize(s, '{form.lower()}')", item_of(found)) == found
    assert unicodedata.normalize("NFKD", found) == unicodedata.normalize("NFKD", text)


@pytest.mark.parametrize(
    "text", ["lower(s)", "upper(s)", "normalize(s)", "normalize(s, 'NFKD')", "reverse(s)", "length(s)", "trim(s)"]
)
def test_every_character_is_treated_alike_by_both_evaluators(text: str) -> None:
    """One row a character, and each in the middle of a word; the fast path has what is plain Latin at least."""
    points = [*range(1, 0x3000), *range(0xA640, 0xAC00), *range(0xF900, 0x10000), *range(0x10400, 0x10450)]
    points += [*range(0x1E900, 0x1E944), *range(0x1F600, 0x1F650), 0x10FFFF]
    rows: list[Item] = [{"s": {"S": f"a{chr(point)}b"}} for point in points]
    fast = outcomes(text, rows)
    assert all(fast[:127])
    if text in ("lower(s)", "upper(s)"):
        slow = [point for point, is_fast in zip(points, fast, strict=True) if not is_fast]
        assert [point for point in slow if point < 0x130] == ([] if text == "lower(s)" else [0xDF])


# Search


@given(TEXT, PART)
def test_a_part_is_where_its_characters_are(text: str, part: str) -> None:
    places = [at for at in range(len(text) - len(part) + 1) if list(text)[at : at + len(part)] == list(part)]
    item = item_of(text, part)
    assert value_of("position(s, p)", item) == (places[0] + 1 if places else 0)
    assert value_of("contains(s, p)", item) is bool(places)
    assert value_of("starts_with(s, p)", item) is (0 in places)
    assert value_of("ends_with(s, p)", item) is (len(text) - len(part) in places)


@given(TEXT, PART, PART)
def test_replace_goes_from_left_to_right(text: str, search: str, replacement: str) -> None:
    wanted, rest = "", text
    while rest:
        if search and rest.startswith(search):
            wanted, rest = wanted + replacement, rest[len(search) :]
        else:
            wanted, rest = wanted + rest[0], rest[1:]
    assert value_of("replace(s, p, r)", item_of(text, search, replacement)) == wanted


# Parts


@given(TEXT, st.integers(0, 15))
def test_left_and_right_are_the_ends(text: str, count: int) -> None:
    assert value_of("left(s, n)", item_of(text, n=count)) == "".join(c for at, c in enumerate(text) if at < count)
    ends = "".join(c for at, c in enumerate(text) if at >= len(text) - count)
    assert value_of("right(s, n)", item_of(text, n=count)) == ends


@given(TEXT, st.integers(0, 30), PART.filter(bool))
def test_a_padded_text_is_as_long_as_asked_and_never_cut(text: str, length: int, fill: str) -> None:
    item = item_of(text, fill, n=length)
    left, right = value_of("lpad(s, n, p)", item), value_of("rpad(s, n, p)", item)
    assert isinstance(left, str) and isinstance(right, str)
    missing = max(0, length - len(text))
    assert len(left) == len(right) == len(text) + missing
    assert left[missing:] == right[: len(text)] == text
    assert all(left[at] == right[len(text) + at] == fill[at % len(fill)] for at in range(missing))
    assert value_of("lpad(s, n)", item) == " " * missing + text


@given(TEXT, PART.filter(bool))
def test_the_parts_and_the_separators_are_the_text(text: str, separator: str) -> None:
    item = item_of(text, separator)
    parts = value_of("split(s, p)", item)
    assert isinstance(parts, tuple)
    texts = [part for part in parts if isinstance(part, str)]
    assert len(texts) == len(parts) >= 1
    assert separator.join(texts) == text
    assert not any(separator in part for part in texts)
    for place in range(-len(texts) - 2, len(texts) + 3):
        if place:
            at = place - 1 if place > 0 else len(texts) + place
            wanted = texts[at] if 0 <= at < len(texts) else ""
            assert value_of("split_part(s, p, n)", {**item, "n": {"N": str(place)}}) == wanted


ROWS: list[Item] = [
    item_of(text, part, "x", n=number)
    for number, text in enumerate(TEXTS, -3)
    for part in ("", "a", "b", " ", "é", "日", "\u0301", "aa", "_")
]


@pytest.mark.parametrize(
    "text",
    [
        *("replace(s, p, r)", "position(s, p)", "contains(s, p)", "starts_with(s, p)", "ends_with(s, p)"),
        *("ltrim(s, p)", "rtrim(s, p)", "byte_length(s)", "format('{}{}{}', s, p, n)", "concat(s, p)"),
    ],
)
def test_these_take_the_fast_path_for_every_text(text: str) -> None:
    assert all(fast or "\0" in str(item["s"]["S"]) for item, fast in zip(ROWS, outcomes(text, ROWS), strict=True))


@pytest.mark.parametrize(
    "text",
    [
        *("left(s, n)", "right(s, n)", "lpad(s, n, p)", "rpad(s, n, p)", "split(s, p)", "split_part(s, p, n)"),
        *("substr(s, n)", "substr(s, n, n)"),
    ],
)
def test_these_take_the_fast_path_wherever_there_is_no_error(text: str) -> None:
    expression = compiled(text)
    for item, fast in zip(ROWS, outcomes(text, ROWS), strict=True):
        assert fast is not isinstance(reference(expression, item), RowError) or "\0" in str(item["s"]["S"])


def test_no_text_grows_beyond_all_bounds() -> None:
    item: Item = {"s": {"S": "a" * 100_000}, "p": {"S": "a"}, "r": {"S": "b" * 200}}
    text = "replace(s, p, r)"
    assert fault(text, item) == f"{text}: the text would have 20,000,000 characters; at most 16,777,216 are made"
    # What is so long at most is made, by reference where it could have been more.
    assert value_of("length(replace(s, p, 'bb'))", item) == 200_000
    assert value_of("length(replace(s, 'ab', r))", item) == 100_000
    rows: list[Item] = [item, item | {"r": {"S": "bb"}}, item | {"r": {"S": ""}}, item | {"p": {"S": ""}}]
    assert outcomes("length(replace(s, p, r))", rows) == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("left('abc', n)", "count must not be negative, but is -1"),
        ("right('abc', n / 2)", "count must be a whole number, not -0.5"),
        ("lpad('abc', n)", "length must not be negative, but is -1"),
        ("lpad('abc', big)", "length must be at most 409600, the size of an item, but is 409601"),
        ("rpad('abc', 5, empty)", "there is nothing to fill with: fill is empty"),
        ("split('abc', empty)", "the separator is empty"),
        ("split_part('abc', empty, 1)", "the separator is empty"),
        ("split_part('abc', 'b', n + 1)", "position counts from 1, or from -1 at the end, but is 0"),
        ("split_part('abc', 'b', n / 2)", "position must be a whole number, not -0.5"),
    ],
)
def test_what_a_row_may_not_ask_for(text: str, message: str) -> None:
    item: Item = {"n": {"N": "-1"}, "big": {"N": "409601"}, "empty": {"S": ""}}
    assert fault(text, item) == f"{text}: {message}"


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("left(s, -1)", "left: count must not be negative", "-1"),
        ("right(s, 0.5)", "right: count must be a whole number", "0.5"),
        ("lpad(s, 409601)", "lpad: length must be at most 409600, the size of an item", "409601"),
        ("rpad(s, 5, '')", "rpad: there is nothing to fill with: fill is empty", "''"),
        ("split(s, '')", "split: the separator is empty", "''"),
        ("split_part(s, '', 1)", "split_part: the separator is empty", "''"),
        ("split_part(s, ',', 0)", "split_part: position counts from 1, or from -1 at the end", "0"),
        ("normalize(s, 'NFX')", "normalize: there is no form 'NFX'", "'NFX'"),
        ("format('{} {', s)", "format: there is a single '{' here", "{"),
        ("format('a } b', s)", "format: there is a single '}' here", "}"),
        ("format('{}{}', s)", "format: there is no value for {}, only 1", "{}"),
        ("format('{1}', s)", "format: there is no value for {1}, only 1", "{1}"),
        ("format('{} {0}', s)", "format: {} and {0} do not go together", "{0}"),
        ("format('{s.__class__}', s)", "format: there is a single '{' here", "{"),
        ("format('{:>10}', s)", "format: there is a single '{' here", "{"),
        ("format('{0}', s, t)", "format: this value has no place in the template", "t"),
        ("format(s, 'a')", "format: template must be known before the run, so it cannot depend on an item", "s"),
        ("format('{}', Active = TRUE)", "format: value must be STRING or NUMBER, not BOOLEAN", "Active = TRUE"),
        ("contains('a', 5)", "contains: part must be STRING, not NUMBER", "5"),
    ],
)
def test_a_wrong_constant_is_told_under_its_place(text: str, message: str, at: str) -> None:
    (found,) = diagnostics(text)
    assert found.message == message
    assert found.span is not None
    start = found.span.start
    assert text[start : start + len(at)] == at


# format


@given(st.lists(TEXT | st.integers(-(10**9), 10**9).map(Decimal), min_size=1, max_size=5), st.data())
def test_a_template_is_filled_as_python_does(values: list[str | Decimal], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(values))))
    between = data.draw(st.lists(st.text("a{}'é", max_size=3), min_size=len(values) + 1, max_size=len(values) + 1))
    escaped = [text.replace("{", "{{").replace("}", "}}") for text in between]
    item: Item = {
        f"v{at}": {"S": value} if isinstance(value, str) else {"N": str(value)} for at, value in enumerate(values)
    }
    for places in ("{}",) * len(values), tuple(f"{{{at}}}" for at in order):
        template = escaped[0] + "".join(place + text for place, text in zip(places, escaped[1:], strict=True))
        quoted = template.replace("'", "''")
        text = f"format('{quoted}', {', '.join(item)})"
        assert value_of(text, item) == template.format(*values)
        if len(values) <= 4:
            (fast,) = outcomes(text, [item])
            assert fast or any(isinstance(value, str) and "\0" in value for value in values)


def test_a_number_in_a_template_is_in_its_shortest_form() -> None:
    item: Item = {"n": {"N": "1.500"}, "big": {"N": "1E+40"}}
    assert value_of("format('{}|{}', n, big)", item) == "1.5|1E+40"
