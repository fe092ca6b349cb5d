"""Names and patterns of tables: what matches what."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.plan import names
from ddbetl.source import SourceText
from ddbetl.syntax import ast, parser


def pattern(text: str, **parameters: str) -> names.TablePattern:
    """Read a pattern as FROM has it."""
    (source,) = parser.parse(SourceText(f"SELECT * FROM {text}")).statement.sources
    assert isinstance(source.name, ast.TableName)
    return names.pattern(source.name, parameters)


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("Orders", ["Orders"], ["orders", "Orders_2", "Order", ""]),
        ("Customer-Tracker.v2_x", ["Customer-Tracker.v2_x"], ["Customer-Trackerxv2_x"]),
        ("Orders_*", ["Orders_", "Orders_2016", "Orders_*"], ["Orders", "xOrders_1", "orders_1"]),
        ("*", ["", "a", "Orders"], []),
        ("*_NA_*", ["a_NA_b", "_NA_", "_NA__NA_"], ["NA_", "a_na_b"]),
        ("**x**", ["x", "axb", "xx"], ["", "ab"]),
        ("a*b*a", ["aba", "abba", "aababa"], ["ab", "a", "abab"]),
        ("T_??", ["T_12", "T_ab"], ["T_1", "T_123"]),
        ("T_[abc]", ["T_a", "T_c"], ["T_d", "T_A", "T_", "T_ab"]),
        ("T_[a-c0-9]x", ["T_bx", "T_5x"], ["T_dx", "T_-x"]),
        ("T_[!abc]", ["T_d", "T_!"], ["T_a", "T_"]),
        ("T_[a-]", ["T_a", "T_-"], ["T_b"]),
        ("T_[._]", ["T_.", "T__"], ["T_x"]),
        ("T_{201605..201705}", ["T_201605", "T_201612", "T_201705", "T_2016zz"], ["T_201604", "T_201706", "T_20165"]),
        ("T_{08..12}_x", ["T_08_x", "T_10_x", "T_12_x"], ["T_07_x", "T_13_x", "T_8_x", "T_008_x"]),
        ("{a..c}{1..3}", ["a1", "c3", "b2"], ["d1", "a4", "a", "1a"]),
        ("T_{2016..2017}*", ["T_2016", "T_201605", "T_2017_x"], ["T_2018", "T_20"]),
        ('"Orders"', ["Orders"], ["orders"]),
    ],
)
def test_what_a_pattern_matches(text: str, yes: list[str], no: list[str]) -> None:
    found = pattern(text)
    assert [name for name in yes if not found.matches(name)] == []
    assert [name for name in no if found.matches(name)] == []


def test_thirteen_months() -> None:
    months = [f"T_{year}{month:02}" for year in (2015, 2016, 2017) for month in range(1, 13)]
    selected = pattern("T_{201605..201705}").select(reversed(months))
    assert list(selected) == months[16:29]
    assert len(selected) == 13


@pytest.mark.parametrize("value", ["*", "?", "[ab]", "{1..2}", "${x}", "a.b", "(", "\\", "-"])
def test_a_parameters_value_stands_for_itself(value: str) -> None:
    found = pattern("T_${p}_x", p=value)
    assert found.name == f"T_{value}_x"
    assert found.matches(f"T_{value}_x")
    assert not found.matches("T_a_x")
    wild = pattern("T_${p}_*", p=value)
    assert wild.name is None
    assert wild.matches(f"T_{value}_5")
    assert not wild.matches("T_a_5")


def test_a_name_without_wildcards_is_one_name() -> None:
    assert pattern("a_${p}${q}b", p="x", q="").name == "a_xb"
    assert pattern("a_${p}*", p="x").name is None
    assert pattern("a_${p}*", p="x").text == "a_x*"
    assert pattern("a_{1..2}[!x]?").text == "a_{1..2}[!x]?"


def test_a_parameter_without_a_value_is_named() -> None:
    with pytest.raises(names.MissingParameter) as caught:
        pattern("a_${p}", q="x")
    assert caught.value.part.name == "p"


def test_names_that_a_table_can_have() -> None:
    for name in ("abc", "a.b", "a-b", "___", "...", "9" * 255, "CustomerTracker-201501"):
        assert names.TABLE_NAME.fullmatch(name), name
    for name in ("", "ab", "9" * 256, "a b", "a/b", "ä_b", "abc\n", "a*c"):
        assert not names.TABLE_NAME.fullmatch(name), name


@pytest.mark.parametrize(
    ("text", "name", "captured"),
    [
        ("Orders", "Orders", ()),
        ("Orders_*", "Orders_201605", ("201605",)),
        ("Orders_*", "Orders_", ("",)),
        ("Orders_*_*", "Orders_NA_West_2016", ("NA", "West_2016")),
        ("*_Orders_*", "a_Orders_b_Orders_c", ("a", "b_Orders_c")),
        ("*_*_2016", "a_b_c_2016", ("a", "b_c")),
        ("**x", "aaax", ("", "aaa")),
        ("T_??_[ab]{01..12}*", "T_xy_b07z", ("x", "y", "b", "07", "z")),
        # As a plan made offline has it.
        ("T_*_[ab]{01..12}?", "T_*_[ab]{01..12}?", ("*", "[ab]", "{01..12}", "?")),
    ],
)
def test_what_the_wildcards_stand_for(text: str, name: str, captured: tuple[str, ...]) -> None:
    assert pattern(text).captures(name) == captured


def test_a_parameters_value_is_not_captured() -> None:
    assert pattern("T_${p}_*", p="*").captures("T_*_5") == ("5",)
    assert pattern("T_${p}", p="*").captures("T_*") == ()


def test_many_stars_and_many_parts() -> None:
    # Trying one star after the other would take 2**20 steps and more.
    assert not pattern("*a" * 20 + "b").matches("a" * 200)
    assert pattern("*a" * 20 + "*").matches("a" * 200)
    assert pattern("*a" * 20 + "*").captures("a" * 200) == ("",) * 20 + ("a" * 180,)
    assert pattern("?" * 5000).matches("a" * 5000)
    assert not pattern("[ab]" * 5000).matches("a" * 4999)


PIECES = st.lists(st.sampled_from(["*", "?", "a", "b", "[ab]", "[!a]", "[a-b]", "x-"]), min_size=1, max_size=7)


@given(PIECES, st.text("abx-", max_size=8))
def test_wildcards_match_as_a_shell_has_them(pieces: list[str], name: str) -> None:
    text = "".join(pieces)
    assert pattern(text).matches(name) == fnmatchcase(name, text)


@given(st.lists(st.sampled_from(["*", "?", "a", "b", "[ab]", "[a-b]", "x-"]), min_size=1, max_size=7),
       st.text("abx-", max_size=8))  # fmt: skip
def test_wildcards_capture_as_lazy_groups_do(pieces: list[str], name: str) -> None:
    found = pattern("".join(pieces))
    groups = {"*": "(.*?)", "?": "(.)", "[ab]": "([ab])", "[a-b]": "([a-b])"}
    lazy = re.fullmatch("".join(groups.get(piece, re.escape(piece)) for piece in pieces), name)
    assert found.matches(name) == (lazy is not None)
    if lazy is not None:
        assert found.captures(name) == lazy.groups()


@given(st.integers(0, 9999), st.integers(0, 9999), st.integers(0, 9999))
def test_a_range_of_digits_is_a_range_of_numbers(one: int, two: int, number: int) -> None:
    low, high = min(one, two), max(one, two)
    found = pattern(f"T{{{low:04}..{high:04}}}")
    assert found.matches(f"T{number:04}") == (low <= number <= high)
    assert re.fullmatch(r"T\{\d{4}\.\.\d{4}\}", found.text)
