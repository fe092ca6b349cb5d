"""Regular expressions: RE2 on both paths, and whatever one of them takes the other takes too."""

from __future__ import annotations

import random
import re

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectorised import SETTINGS, Item, Outcome, Vectorised, compiled, disagreement, reference

from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import RowError
from ddbetl.expressions.ir import Call, Expression
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.types import Value

SUBJECTS = (
    *("", "a", "abc", "ABC", "aaa", "abcabc", "a\nb", "line\n", "\r\n", " a b ", "019", "a1b22c333", "2016-05-01"),
    *("é", "Größe", "STRASSE", "日本語", "👨‍👩‍👧", "e\u0301", "K", "ſ", "ΟΔΟΣ", "ος", "İi", "\\", "'", "a.b", "(a)"),
    *("-", "_", "\t", "\u00a0", "\u2028", "\U0010ffff", "\x7f", "ORDER#17", "x,y,,z"),
)
ROWS: list[Item] = [{"s": {"S": text}} for text in SUBJECTS]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def found(text: str) -> tuple[Expression | None, tuple[Diagnostic, ...]]:
    source = SourceText(text)
    return compile_expression(parse_expression(source), source, SETTINGS)


def value_of(text: str, subject: str) -> Value:
    value = reference(compiled(text), {"s": {"S": subject}})
    assert not isinstance(value, RowError), value
    return value


def run(*texts: str, rows: list[Item] = ROWS) -> list[list[Outcome] | None]:
    """The outcomes of expressions over the subjects; no row may differ."""
    expressions = [compiled(text) for text in texts]
    with Vectorised(rows) as table:
        results = table.run(expressions)
    for expression, outcomes in zip(expressions, results, strict=True):
        for item, outcome in zip(rows, outcomes or (), strict=outcomes is not None):
            assert disagreement(expression, item, outcome) is None
    return results


# Both are RE2


PIECES = (
    *list("abc019 -_.*+?|()[]{}^$\\é日\n,:=<>!P'#"),
    *(
        r"\d",
        r"\w",
        r"\s",
        r"\W",
        r"\b",
        r"\B",
        r"\pL",
        r"\PN",
        r"\p{Lu}",
        r"\p{^Ll}",
        r"\p{Greek}",
        r"\p{Kawi}",
        r"\p{No}",
    ),
    *("[a-z]", "[^x]", "(?i)", "(?s)", "(?m)", "(?U)", "(?P<n>", "(?:", "{2,3}", "{1000}", "*?", r"\A", r"\z", r"\Z"),
    *(r"\Q", r"\E", r"\x41", r"\x{65e5}", r"\101", "[[:alpha:]]", "[[:^word:]]", r"\C", r"\K", r"\R", r"\X", "(?#"),
    *(
        "(?=",
        "(?!",
        "(?<=",
        "(?<n>",
        "(?P=n)",
        "(?i-s:",
        r"[\d\s]",
        r"[^\W]",
        r"\7",
        r"\cA",
        r"\a",
        "(?-i)",
        "(?>",
        "++",
    ),
)


@st.composite
def patterns(draw: st.DrawFn) -> str:
    """Texts that are often patterns, and often nearly."""
    return "".join(draw(st.lists(st.sampled_from(PIECES), max_size=8)))


@given(patterns(), st.sampled_from(("", "x", r"<\0>", r"\\", "é\\0日")))
def test_what_the_reference_takes_the_fast_path_takes_too(pattern: str, replacement: str) -> None:
    regex = quoted(pattern)
    texts = [
        f"regexp_matches(s, {regex})",
        f"regexp_extract(s, {regex})",
        f"regexp_replace(s, {regex}, {quoted(replacement)})",
    ]
    expression, _ = found(texts[0])
    if expression is None:
        assert all(found(text)[0] is None for text in texts)
        return
    for outcomes in run(*texts):
        if outcomes is None:
            # Its own guard says why, and only for these.
            assert "(?<" in pattern or re.search(r"\\[pP]\{|\\Q", pattern)
        elif not re.search(r"\\[pPB]|\(\?[a-zA-Z-]*i", pattern):
            assert all(outcome.fast for outcome in outcomes)
        else:
            assert all(o.fast for o, subject in zip(outcomes, SUBJECTS, strict=True) if subject.isascii())


def test_most_generated_patterns_that_are_none_are_none_for_duckdb() -> None:
    """The reference's smaller memory refuses some that DuckDB would take; it never refuses for another reason."""
    draw = random.Random(4)
    connection = duckdb.connect()
    refused = taken = 0
    for _ in range(1500):
        pattern = "".join(draw.choice(PIECES) for _ in range(draw.randrange(1, 7)))
        expression, diagnostics = found(f"regexp_matches(s, {quoted(pattern)})")
        if expression is not None or r"\C" in pattern:
            continue
        try:
            connection.execute(f"SELECT regexp_matches('a', {quoted(pattern)})")
        except duckdb.Error:
            refused += 1
        else:
            assert any("too large" in d.message for d in diagnostics), pattern
            taken += 1
    assert refused > 300 > taken


@pytest.mark.parametrize("group", [0, 1, 2, "'n'"])
@given(
    subject=st.text("abc,", max_size=8),
    pattern=st.sampled_from(("(a)|(?P<n>b)", "(a*)(?P<n>b?)c", "(?P<n>(,))", "((?P<n>a)+,?)+")),
)
def test_a_group_is_what_python_finds(group: int | str, subject: str, pattern: str) -> None:
    """For these patterns RE2 and Python's re mean the same."""
    match = re.search(pattern, subject)
    key = "n" if isinstance(group, str) else group
    wanted = None if match is None else match[key]
    text = f"regexp_extract(s, {quoted(pattern)}, {group})"
    assert value_of(text, subject) == wanted
    (outcomes,) = run(text, rows=[{"s": {"S": subject}}])
    assert outcomes is not None
    assert outcomes[0].fast or wanted in (None, "")


def test_a_group_without_part_and_an_empty_one_are_told_apart() -> None:
    assert value_of("regexp_extract(s, '(a)|b', 1)", "b") is None
    assert value_of("regexp_extract(s, '(a*)b', 1)", "b") == ""
    assert value_of("regexp_extract(s, 'x*')", "b") == ""
    assert value_of("regexp_extract(s, 'x')", "b") is None


# Every match is replaced, and between two of them nothing is: RE2's own rule for empty ones.
@pytest.mark.parametrize(
    ("subject", "pattern", "replacement", "wanted"),
    [
        ("abxd", "x*", "-", "-a-b-d-"),
        ("abc", "", "-", "-a-b-c-"),
        ("日本", "", "-", "-日-本-"),
        ("", "", "-", "-"),
        ("", "a", "-", ""),
        ("aaa", "a*?", "-", "-a-a-a-"),
        ("aaa", "^a", "-", "-aa"),
        ("a\nb", "(?m)$", "!", "a!\nb!"),
        ("ab ab", r"\ba", "x", "xb xb"),
        ("Lee, Ann", r"(\w+), (\w+)", r"\2 \1", "Ann Lee"),
        ("b", "(a)?b", r"[\1]", "[]"),
        ("a", "a", r"\\\0\\0", r"\a\0"),
        ("a$1", r"\$1", "$1", "a$1"),
        ("a%_b", "[%_]", "", "ab"),
        ("ab -", r"\B", "|", "a|b |-|"),
    ],
)
def test_replacing(subject: str, pattern: str, replacement: str, wanted: str) -> None:
    text = f"regexp_replace(s, {quoted(pattern)}, {quoted(replacement)})"
    assert value_of(text, subject) == wanted
    (outcomes,) = run(text, rows=[{"s": {"S": subject}}])
    assert outcomes is not None and outcomes[0].fast


@given(st.text("ab é日,", max_size=12), st.sampled_from(("a", "[ab]", "é|日", " +", "a+b", ",.", "[^a]")))
def test_what_never_is_empty_is_replaced_as_python_does(subject: str, pattern: str) -> None:
    assert value_of(f"regexp_replace(s, {quoted(pattern)}, '<\\0>')", subject) == re.sub(
        pattern, lambda match: f"<{match[0]}>", subject
    )


# Unicode


@pytest.mark.parametrize(
    "pattern", [".", "^.$", "^..?$", r"\w", r"\s", r"\d", "[^a]", "[é-ÿ]", "[[:alpha:]]", r"\PL", r"\p{Lu}", "(?i)k"]
)
def test_a_character_is_a_code_point_for_both(pattern: str) -> None:
    points = [*range(1, 0x800), *range(0x1E00, 0x2100), *range(0x3000, 0x3100), *range(0x1F600, 0x1F610), 0x10FFFF]
    run(f"regexp_matches(s, {quoted(pattern)})", rows=[{"s": {"S": chr(point)}} for point in points])


@pytest.mark.parametrize(
    ("subject", "wanted"), [("é", True), ("日", True), ("👍", True), ("e\u0301", False), ("", False)]
)
def test_a_dot_is_one_character(subject: str, wanted: bool) -> None:
    assert value_of("regexp_matches(s, '^.$')", subject) is wanted


def test_half_a_surrogate_pair_is_an_error_of_the_row() -> None:
    error = reference(compiled("regexp_matches(s, 'a')"), {"s": {"S": "\udc00"}})
    assert isinstance(error, RowError) and error.code == "R0110"


def test_a_text_with_a_null_character_is_matched_by_both() -> None:
    run("regexp_matches(s, '^a.b$')", "regexp_replace(s, '[^ab]', '')", rows=[{"s": {"S": "a\0b"}}])
    assert value_of("regexp_replace(s, '[^ab]', '')", "a\0b") == "ab"


# RE2 looks for \\B between bytes.
@pytest.mark.parametrize(
    ("subject", "pattern", "replacement", "wanted"),
    [
        ("é", r"\B", "-", "-é-"),
        ("aẞB", r"\B", "-", "aẞB"),
        ("日a日", r"\B", "-", "-日a日-"),
        ("a日日", r"(\B|$)", r"\1-", "a日-日-"),
        ("日", r"\B|日", "-", "-日-"),
    ],
)
def test_no_character_is_split(subject: str, pattern: str, replacement: str, wanted: str) -> None:
    text = f"regexp_replace(s, {quoted(pattern)}, {quoted(replacement)})"
    assert value_of(text, subject) == wanted
    (outcomes,) = run(text, rows=[{"s": {"S": subject}}, {"s": {"S": "ab"}}])
    assert outcomes is not None and [outcome.fast for outcome in outcomes] == [False, True]


# DuckDB makes a wrong LIKE of an empty group beside a text.
@pytest.mark.parametrize("pattern", ["(?:)a", "a(?:)", "(?:(?i))a", r"(?:\Q\E)a", "(?s)(?:)[a]", "(?:)"])
def test_an_empty_group_changes_nothing(pattern: str) -> None:
    matches, _ = run(f"regexp_matches(s, {quoted(pattern)})", f"regexp_extract(s, {quoted(pattern)})")
    assert matches is not None
    assert [o.value for o in matches] == ["a" in subject or pattern == "(?:)" for subject in SUBJECTS]
    assert all(outcome.fast for outcome, subject in zip(matches, SUBJECTS, strict=True) if subject.isascii())


# No pattern takes for ever


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(.*a){12}$", "^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_what_never_ends_elsewhere_ends_here(pattern: str) -> None:
    """Python's re would need longer than the universe for these; a test that ends has passed."""
    subject = "a" * 5000 + "!"
    text = f"regexp_matches(s, {quoted(pattern)})"
    assert value_of(text, subject) is False
    run(text, rows=[{"s": {"S": subject}}])


@pytest.mark.parametrize("repeated", [r"\w", r"\pN", r"\pL", "(?i)[^k]", "[a-z日]", "."])
def test_the_largest_pattern_that_is_taken_is_taken_by_both(repeated: str) -> None:
    sizes = [size for size in range(20, 1001, 20) if found(f"regexp_matches(s, '{repeated}{{{size}}}')")[0] is not None]
    (outcomes,) = run(f"regexp_matches(s, '{repeated}{{{sizes[-1]}}}')", rows=[{"s": {"S": "a" * 1000}}])
    assert outcomes is not None and outcomes[0].fast


# What is wrong is told when the spec is compiled


@pytest.mark.parametrize(
    ("pattern", "message", "at"),
    [
        ("a[b", "missing ]: [b", "[b"),
        ("a*(*)", "no argument for repetition operator: *", "*)"),
        ("x**y", "bad repetition operator: **", "**"),
        ("[0-9]++", "bad repetition operator: ++", "++"),
        ("a(?=b)", "invalid perl operator: (?=", "(?="),
        (r"(a)\1", r"invalid escape sequence: \1", r"\1"),
        ("[z-a]", "invalid character class range: z-a", "z-a"),
        (r"\p{Foo}", r"invalid character class range: \p{Foo}", ""),
        ("a{1001}", "invalid repetition size: {1001}", "{1001}"),
        ("(ab", "missing ): (ab", ""),
        (r"\pL{1000}", "pattern too large - compile failed", ""),
        (r"a\Cb", r"\C stands for half a character", r"\C"),
    ],
)
def test_a_bad_pattern_is_told_under_its_letter(pattern: str, message: str, at: str) -> None:
    text = f"regexp_matches(s, {quoted(pattern)})"
    expression, (diagnostic,) = found(text)
    assert expression is None
    assert diagnostic.code == "E0305"
    assert diagnostic.message == f"regexp_matches: {message}"
    assert diagnostic.span is not None
    assert diagnostic.hint
    start = diagnostic.span.start
    assert text[start : start + len(at)] == at
    assert start >= text.index("'")


@pytest.mark.parametrize(
    ("text", "message", "at"),
    [
        ("regexp_extract(s, '(a)', 2)", "regexp_extract: there is no group 2, only 0 to 1", "2"),
        ("regexp_extract(s, '(a)', -1)", "regexp_extract: there is no group -1, only 0 to 1", "-1"),
        ("regexp_extract(s, '(a)', 0.5)", "regexp_extract: there is no group 0.5, only 0 to 1", "0.5"),
        ("regexp_extract(s, '(?P<y>a)', 'z')", "regexp_extract: no group is named 'z'", "'z'"),
        ("regexp_replace(s, '(a)', 'x\\2')", "regexp_replace: there is no group 2, only 0 to 1", "\\2"),
        (
            "regexp_replace(s, 'a', 'x\\n')",
            "regexp_replace: after a backslash comes the number of a group, or another backslash",
            "\\n",
        ),
        (
            "regexp_replace(s, 'a', 'x\\')",
            "regexp_replace: after a backslash comes the number of a group, or another backslash",
            "\\",
        ),
        (
            "regexp_matches('a', p)",
            "regexp_matches: regex must be known before the run, so it cannot depend on an item",
            "p)",
        ),
        (
            "regexp_replace('a', 'a', r)",
            "regexp_replace: replacement must be known before the run, so it cannot depend on an item",
            "r)",
        ),
        ("regexp_matches(5, 'a')", "regexp_matches: text must be STRING, not NUMBER", "5"),
    ],
)
def test_a_wrong_argument_is_told_under_its_place(text: str, message: str, at: str) -> None:
    expression, (diagnostic,) = found(text)
    assert expression is None
    assert diagnostic.message == message
    assert diagnostic.span is not None
    assert text[diagnostic.span.start :].startswith(at)


def test_why_there_is_no_fast_path() -> None:
    for pattern, why in (
        ("(?<n>a)", "a group is named by (?<name>…) and not by (?P<name>…)"),
        (r"\p{Greek}", "the Unicode script Greek"),
        (r"(?:.)\Q.", "a \\Q without its \\E"),
    ):
        expression = compiled(f"regexp_matches(s, {quoted(pattern)})")
        assert isinstance(expression, Call)
        (candidate,) = expression.candidates
        assert candidate.implementation.lower is None
        assert candidate.implementation.slow_because == why


def test_groups_beyond_the_ninth_go_by_reference() -> None:
    pattern = quoted("".join(f"({letter})" for letter in "abcdefghijk"))
    assert value_of(f"regexp_extract(s, {pattern}, 11)", "abcdefghijk") == "k"
    assert [outcomes is None for outcomes in run(*(f"regexp_extract(s, {pattern}, {n})" for n in (9, 10)))] == [
        False,
        True,
    ]
