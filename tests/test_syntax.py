"""The parser: what it makes of specs, what it says about texts that are none, and that it survives any text."""

from __future__ import annotations

import dataclasses
import logging
import pickle
import re
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from cases import Case, cases, check
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import mutated_specs

from ddbetl.codes import SYNTAX
from ddbetl.diagnostics import render
from ddbetl.errors import SpecError
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.syntax.parser import (
    STARTS,
    builders,
    grammar_text,
    parse,
    parse_expression,
    parse_let,
    parse_option,
)
from ddbetl.syntax.scanner import MAX_DEPTH, MAX_PROBLEMS, MAX_TOKENS

SYNTAX_CASES = cases("syntax")
MISTAKES = [case for case in cases("diagnostics") if case.path.name.startswith("e01")]


def expression(text: str) -> ast.Expression:
    return parse_expression(SourceText(text))


def spec(text: str) -> ast.Spec:
    return parse(SourceText(text))


def mistakes(text: str) -> list[str]:
    """The codes and places of what is wrong with a spec."""
    source = SourceText(text)
    with pytest.raises(SpecError) as caught:
        parse(source)
    return [f"{d.code} {text[d.span.start : d.span.end]}" for d in caught.value.diagnostics if d.span is not None]


def dump(node: Any, indent: str = "") -> Iterator[str]:
    """A tree as indented lines: what is not at its default, without spans."""
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        yield indent + repr(node)
        return
    simple: list[str] = []
    nested: list[tuple[str, Any]] = []
    for field in dataclasses.fields(node):
        value = getattr(node, field.name)
        if not field.compare or (field.default is not dataclasses.MISSING and value == field.default):
            continue
        if isinstance(value, ast.Identifier):
            simple.append(f"{field.name}={value.name!r}" + (" quoted" if value.quoted else ""))
        elif isinstance(value, tuple) or dataclasses.is_dataclass(value):
            nested.append((field.name, value))
        else:
            simple.append(f"{field.name}={str(value) if isinstance(value, Decimal) else repr(value)}")
    yield f"{indent}{type(node).__name__}{' ' if simple else ''}{' '.join(simple)}"
    for name, value in nested:
        items = value if isinstance(value, tuple) else (value,)
        yield f"{indent}  {name}:"
        for item in items:
            yield from dump(item, indent + "    ")


def walk(node: Any) -> Iterator[Any]:
    """Every node of a tree."""
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif dataclasses.is_dataclass(node) and not isinstance(node, SourceText | Span):
        yield node
        for field in dataclasses.fields(node):
            yield from walk(getattr(node, field.name))


@pytest.mark.parametrize("case", SYNTAX_CASES, ids=str)
def test_a_spec_has_its_tree(case: Case) -> None:
    check(case, "\n".join(dump(spec(case.spec))))


@pytest.mark.parametrize("case", SYNTAX_CASES, ids=str)
def test_spans_are_the_text_of_their_nodes(case: Case) -> None:
    tree = spec(case.spec)
    expressions = 0
    for node in walk(tree):
        written = case.spec[node.span.start : node.span.end]
        assert written, node
        # An option's -5 is a number, an expression's is an operator and a number.
        if isinstance(node, ast.Expression) and not (isinstance(node, ast.Number) and node.value < 0):
            assert expression(written) == node
            expressions += 1
        match node:
            case ast.Identifier(name, quoted) if " " not in name:
                assert quoted or written.upper() == name.upper()
            case ast.Binary(operator=operator):
                sign = case.spec[node.operator_span.start : node.operator_span.end].upper()
                assert sign == operator or (sign, operator) == ("!=", "<>")
            case ast.Comment(text) | ast.Literal(text) if written[0] != '"':
                assert written == text
            case ast.Option():
                assert parse_option(written) == node
    assert expressions or "*" in case.spec


@pytest.mark.parametrize("case", MISTAKES, ids=str)
def test_a_mistake_is_explained(case: Case) -> None:
    source = SourceText(case.spec)
    with pytest.raises(SpecError) as caught:
        parse(source)
    check(case, render(source, caught.value.diagnostics))


def test_every_code_has_a_case() -> None:
    shown = {code for case in MISTAKES for code in re.findall(r"^error\[(E\d+)\]", case.text("expect") or "", re.M)}
    # A spec of 200,000 words is no file to read; see test_a_long_text_is_refused.
    assert {code.code for code in SYNTAX} == shown | {"E0108"}


# The grammar


def test_the_grammar_has_no_conflict(caplog: pytest.LogCaptureFixture) -> None:
    import lark

    with caplog.at_level(logging.DEBUG, logger="lark"):
        level, lark.logger.level = lark.logger.level, logging.DEBUG
        try:
            lark.Lark(grammar_text(), parser="lalr", start=list(STARTS), debug=True)
        finally:
            lark.logger.level = level
    assert [record.message for record in caplog.records if "conflict" in record.message.lower()] == []


def test_every_rule_has_its_builder() -> None:
    import lark

    grammar = lark.Lark(grammar_text(), parser="lalr", start=list(STARTS), maybe_placeholders=False)
    needed = {
        rule.alias or rule.origin.name
        for rule in grammar.rules
        if not rule.origin.name.startswith("_") and not (rule.options.expand1 and not rule.alias)
    }
    assert needed <= set(builders())
    assert set(builders()) - needed <= {"parenthesised"} | needed


def test_lark_is_not_imported_before_a_text_is_read() -> None:
    code = "import sys, ddbetl.syntax.parser, ddbetl.syntax.formatter; sys.exit('lark' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


KEYWORDS = sorted(
    {match[1].lower() for match in re.finditer(r"^[A-Z_]+\.2: /(\w+)(?:\\b|\()", grammar_text(), re.M)}
    | {"days", "day", "ms", "rcu", "wcu", "unlimited", "distinct", "order", "group", "value", "name", "status"}
)
RESERVED = {"case", "false", "not", "null", "true"}


def test_the_keywords_are_all_there() -> None:
    assert {"select", "limit", "key", "timestamp", "cast", "table", "and"} <= set(KEYWORDS)


@pytest.mark.parametrize("word", KEYWORDS)
def test_a_keyword_is_an_attribute_where_it_can_be(word: str) -> None:
    name = ast.Name(ast.Identifier(word))
    if word not in RESERVED:
        tree = spec(f"SELECT {word}, f({word}, 1), {word}.x, {word} + {word} FROM {word} WHERE {word} = 1 AND {word}")
        assert tree.statement.select[0] == ast.Column(name)
        assert tree.statement.sources[0].name == ast.TableName((ast.Literal(word),))
        if word != "when":
            assert expression(f"CASE {word} WHEN {word} THEN {word} ELSE {word} END") == ast.Case(
                name, (ast.When(name, name),), name
            )
    tree = spec(
        f"INSERT INTO {word} ({word} = {word if word not in RESERVED else 1}) KEY ({word}, {word}) "
        f"SELECT a.{word} AS {word}, * EXCLUDE ({word}) RENAME ({word} AS {word}) FROM t "
        f"ON CONFLICT KEEP NEWEST BY {word} WITH ({word} = 1)"
    )
    assert isinstance(tree.statement.write, ast.InsertInto)
    assert tree.statement.write.key == (ast.Identifier(word),) * 2
    quoted = ast.Name(ast.Identifier(word, quoted=True))
    assert expression(f'"{word}"') == quoted


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_a_reserved_word_says_how_it_is_written(word: str) -> None:
    (diagnostic,) = _diagnostics(f"SELECT {word}.x FROM t")
    assert (diagnostic.code, f'"{word}"' in diagnostic.hint) == ("E0117", True)


@pytest.mark.parametrize("name", ["IF", "Left", "REPLACE", "exclude", "limit", "values", "timestamp", "date", "key"])
def test_a_function_may_have_a_keywords_name(name: str) -> None:
    assert expression(f"{name}(a)") == ast.Call(ast.Identifier(name), (ast.Name(ast.Identifier("a")),))


def test_a_missing_operand_before_a_parenthesis_makes_no_function() -> None:
    assert mistakes("SELECT a FROM t WHERE b = AND (c = 1)") == ["E0109 AND"]


# Literals


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("00", "0"),
        ("1.50", "1.50"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("1E-130", "1e-130"),
        ("9.9999999999999999999999999999999999999e125", "9.9999999999999999999999999999999999999e125"),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
        ("0.00000000012345678901234567890123456789012345678", "1.2345678901234567890123456789012345678e-10"),
        ("1000000000000000000000000000000000000000000", "1e42"),
        ("0e999999999999999999", "0"),
        ("1e00000000002", "100"),
    ],
)
def test_numbers_are_exact(text: str, value: str) -> None:
    assert expression(text) == ast.Number(Decimal(value))


@pytest.mark.parametrize(
    "text",
    ["123456789012345678901234567890123456789", "1e126", "1e-131", "1e99999999999999999999", "1e-9999999", "9" * 5000],
)
def test_a_number_that_no_table_holds_is_refused(text: str) -> None:
    assert mistakes(f"SELECT {text} AS n FROM t") == [f"E0106 {text}"]


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("365 days", "365", "day"),
        ("1 DAY", "1", "day"),
        ("1.5 hours", "1.5", "hour"),
        ("90 minutes", "90", "minute"),
        ("1 second", "1", "second"),
        ("2 weeks", "2", "week"),
        ("250 ms", "250", "millisecond"),
        ("250 milliseconds", "250", "millisecond"),
        ("7days", "7", "day"),
    ],
)
def test_durations(text: str, amount: str, unit: str) -> None:
    assert expression(text) == ast.DurationLiteral(Decimal(amount), unit)


@pytest.mark.parametrize("unit", ["month", "months", "Years", "quarter"])
def test_a_unit_without_a_length_is_refused_with_a_hint(unit: str) -> None:
    with pytest.raises(SpecError) as caught:
        expression(f"3 {unit}")
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.code, "days" in diagnostic.hint) == ("E0125", True)


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH])
def test_a_tree_of_the_greatest_depth_can_be_used(depth: int) -> None:
    texts = [
        "NOT " * (depth - 1) + "a",
        "+".join(["a"] * depth),
        "f(" * (depth - 1) + "1" + ")" * (depth - 1),
        "[" * (depth - 1) + "1" + "]" * (depth - 1),
        "{'a': " * (depth - 1) + "1" + "}" * (depth - 1),
        "CASE WHEN a THEN " * (depth - 1) + "1" + " END" * (depth - 1),
        "(" * depth + "1" + ")" * depth,
    ]
    for text in texts:
        tree = expression(text)
        again = pickle.loads(pickle.dumps(tree))
        assert tree == again
        assert (repr(tree), hash(tree)) == (repr(again), hash(again))


@pytest.mark.parametrize(
    "text",
    [
        "NOT " * MAX_DEPTH + "a",
        "+".join(["a"] * (MAX_DEPTH + 1)),
        " AND ".join(["a = 1"] * 5000),
        "f(" * (MAX_DEPTH + 1) + "1" + ")" * (MAX_DEPTH + 1),
        "(" * 10_000 + "1" + ")" * 10_000,
        "[" * 10_000,
        "- " * 10_000 + "1",
        "CASE WHEN a THEN " * 5000 + "1" + " END" * 5000,
    ],
    ids=lambda text: text[:8],
)
def test_what_is_nested_deeper_is_refused(text: str) -> None:
    assert [m.split(" ")[0] for m in mistakes(f"SELECT a FROM t WHERE {text}")] == ["E0107"]
    with pytest.raises(SpecError) as caught:
        expression(text)
    assert [d.code for d in caught.value.diagnostics] == ["E0107"]


# Files as editors make them


def test_a_byte_order_mark_and_carriage_returns_are_no_characters_of_the_spec() -> None:
    plain = "PARAM x;\nSELECT a -- b\nFROM t\n"
    windows = "\ufeff" + plain.replace("\n", "\r\n")
    assert spec(windows) == spec(plain)
    assert [comment.text for comment in spec(windows).comments] == ["-- b"]


def test_a_byte_order_mark_elsewhere_is_a_stray_character() -> None:
    assert mistakes("SELECT a\ufeff FROM t") == ["E0105 \ufeff"]


def test_bytes_that_are_no_text_are_named() -> None:
    (diagnostic,) = _diagnostics("SELECT \0\0\0 FROM t")
    assert (diagnostic.code, "NUL" in diagnostic.message, diagnostic.span) == ("E0105", True, Span(7, 10))


def test_half_characters_are_refused_even_in_texts() -> None:
    assert mistakes("SELECT 'a\ud800' AS a FROM t") == ["E0105 \ud800"]
    assert mistakes("SELECT a FROM t -- \ud800") == ["E0105 \ud800"]
    assert mistakes("SELECT a /* \udcff */ FROM t") == ["E0105 \udcff"]


def test_comments_are_kept_with_their_places() -> None:
    text = "-- one\nSELECT a, /* two\n*/ '-- no' AS \"/* no */\" FROM t--three"
    found = [(comment.text, text[comment.span.start : comment.span.end]) for comment in spec(text).comments]
    assert found == [("-- one",) * 2, ("/* two\n*/",) * 2, ("--three",) * 2]


def test_the_last_semicolon_may_be_left_out() -> None:
    assert spec("SELECT a FROM t;") == spec("SELECT a FROM t") == spec("select a from t ; -- done")


# Pieces


def test_pieces_of_the_command_line() -> None:
    assert parse_let("ttl = 365 days") == ast.Let(ast.Identifier("ttl"), ast.DurationLiteral(Decimal(365), "day"))
    assert parse_let(" on=TRUE ") == ast.Let(ast.Identifier("on"), ast.Boolean(True))
    assert parse_option("read=30%") == ast.Option(ast.Identifier("read"), (ast.Percent(Decimal(30)),))
    assert parse_option("write = 200 WCU").value == (ast.Units(Decimal(200), "wcu"),)
    assert parse_option("write = unlimited").value == (ast.Word(ast.Identifier("unlimited")),)
    assert parse_option("n = -5").value == (ast.Number(Decimal(-5)),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is nothing here: expected name = value"),
        ("ttl", "expected =, found the end"),
        ("ttl = ", "expected an expression, found the end"),
        ("ttl = 5; x", "expected an operator or the end, found ;"),
        ("ttl = 'x", "this text has no closing quote"),
        ("null = 5", "NULL is a word of the language and cannot be declared"),
    ],
)
def test_a_wrong_let_is_explained(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_let(text)
    assert [d.message for d in caught.value.diagnostics] == [message]
    assert (caught.value.source.text, caught.value.source.name) == (text, "--let")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("read=", "expected a value, found the end"),
        ("30%", "expected a name, found the number 30"),
        ("read 30%", "expected =, found the number 30"),
        ("zone = America/Los_Angeles", "expected a value or the end, found /"),
    ],
)
def test_a_wrong_option_is_explained(text: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_option(text)
    assert [d.message for d in caught.value.diagnostics] == [message]


# Any text whatever


def _diagnostics(text: str) -> tuple[Any, ...]:
    """The diagnostics of a text, after checking what holds of all; none for a spec."""
    source = SourceText(text)
    try:
        tree = parse(source)
    except SpecError as error:
        assert error.source is source
        assert 1 <= len(error.diagnostics) <= MAX_PROBLEMS
        for diagnostic in error.diagnostics:
            assert diagnostic.code in {code.code for code in SYNTAX}
            for span in (diagnostic.span, *(label.span for label in diagnostic.labels)):
                assert span is not None and 0 <= span.start <= span.end <= len(text)
            if diagnostic.code != "E0105":  # Unicode's names of characters may have such words.
                assert not _TERMINALS.search(diagnostic.message + diagnostic.hint), diagnostic
        places = [d.span.start for d in error.diagnostics if d.span is not None]
        assert places == sorted(places)
        assert len(set(error.diagnostics)) == len(error.diagnostics)
        assert render(source, error.diagnostics)
        return error.diagnostics
    for node in walk(tree):
        assert 0 <= node.span.start <= node.span.end <= len(text)
    return ()


# Names of the grammar that a user has never seen.
_TERMINALS = re.compile(
    r"\b(?:[LR]PAR|[LR]SQB|[LR]BRACE|TABLE_NAME|WORD|CONCAT|COMPARISON|QUOTED|CAPACITY|UNIT|SEMICOLON|COMMA|EQ|DOT"
    r"|STAR|SLASH|PERCENT|PLUS|MINUS|COLON)\b|\$END|\bNAME\b"
)


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_spec_or_a_spec_error(text: str) -> None:
    _diagnostics(text)


WORDS = [
    "SELECT", "FROM", "WHERE", "a", "b.c", "'text'", '"name"', ",", ";", "(", ")", "[", "]", "{", "}", "${x}", "t_*",
    "=", "<>", "<", "+", "-", "*", "/", "%", "||", ".", "1", "2.5", "3", "days", "50%", "AND", "OR", "NOT", "IN",
    "IS", "NULL", "MISSING", "BETWEEN", "LIKE", "ESCAPE", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST", "AS", "AS",
    "STRING", "INSERT", "INTO", "OVERWRITE", "TABLE", "MERGE", "DELETE", "USING", "KEY", "EXCLUDE", "REPLACE",
    "RENAME", "LIMIT", "ON", "CONFLICT", "ERROR", "KEEP", "NEWEST", "BY", "REJECT", "SKIP", "FAIL", "WITH",
    "(read=50%)", "PARAM", "LET", "TRUE", "timestamp", "JOIN", "GROUP", "DISTINCT", "UNION", "--", "/*", "*/", "'",
    '"', "\n", "==", "&&", "!=", "#", "\0", "ü",
]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
def test_any_words_are_a_spec_or_a_spec_error(text: str) -> None:
    _diagnostics(text)


@settings(deadline=None)
@given(mutated_specs([case.spec for case in SYNTAX_CASES]))
def test_a_damaged_spec_is_a_spec_or_a_spec_error(text: str) -> None:
    _diagnostics(text)


@settings(deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.text(max_size=20))
def test_any_piece_is_read_or_a_spec_error(text: str) -> None:
    for read in (lambda t: parse_expression(SourceText(t)), parse_let, parse_option):
        try:
            read(text)
        except SpecError as error:
            assert error.diagnostics
            for diagnostic in error.diagnostics:
                assert diagnostic.span is not None
                assert 0 <= diagnostic.span.start <= diagnostic.span.end <= len(text)


MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "text",
    [
        "garbage " * (MEGABYTE // 8),
        "\0" * MEGABYTE,
        "(" * MEGABYTE,
        "'" * (MEGABYTE + 1),
        '"' * MEGABYTE,
        ";" * MEGABYTE,
        "/*" * (MEGABYTE // 2),
        "\U0001f600" * MEGABYTE,
        "SELECT " + "a" * MEGABYTE,
        "SELECT a FROM t WHERE " + "x = " * 40_000,
        "SELECT a FROM t " + "WHERE a " * 40_000,
        "SELECT a FROM t[" + "a-" * 40_000,
        "PARAM a b; " * 40_000,
        "".join(chr(33 + i * 7919 % 94) for i in range(MEGABYTE)),
        "SELECT timestamp " + "/**/" * 100_000 + " x",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_a_megabyte_of_garbage_is_a_spec_error(text: str) -> None:
    assert _diagnostics(text)


def test_a_long_text_is_refused() -> None:
    (diagnostic,) = _diagnostics("SELECT " + "a, " * MAX_TOKENS)
    assert diagnostic.code == "E0108"


# Several errors at once


def test_independent_errors_are_found_at_once() -> None:
    assert mistakes("PARAM a b; LET c = ; SELECT d e FROM f g WHERE h i LIMIT j WITH (k l)") == [
        "E0109 b",
        "E0110 ",
        "E0111 e",
        "E0111 g",
        "E0109 i",
        "E0109 j",
        "E0109 l",
    ]


def test_a_bracket_that_was_given_up_is_not_told_again() -> None:
    assert mistakes("SELECT * REPLACE (a AS b, 1 FROM c) FROM d WHERE e f") == ["E0109 FROM", "E0109 f"]
    assert mistakes("SELECT f(a b FROM c) WHERE d") == ["E0111 b"]


def test_what_is_wrong_inside_a_literal_does_not_hide_the_rest() -> None:
    assert mistakes("LET a = 3 months; SELECT 1e999 AS b, c_d FROM t_{1..22} WHERE x y") == [
        "E0125 months",
        "E0106 1e999",
        "E0126 {1..22}",
        "E0109 y",
    ]


def test_characters_and_words_are_told_together_but_not_of_one_statement() -> None:
    assert mistakes("PARAM a b; SELECT # c d e FROM f") == ["E0109 b", "E0105 #"]


def test_no_more_are_told_than_anybody_reads() -> None:
    assert len(_diagnostics("PARAM a b;" * 100)) == MAX_PROBLEMS
    assert len(_diagnostics("SELECT a FROM t " + "WHERE a " * 100)) == MAX_PROBLEMS
    assert len(_diagnostics("# " * 100)) == MAX_PROBLEMS


def test_one_nul_says_that_a_file_is_no_text() -> None:
    assert mistakes("".join(f"{character}\0" for character in "SELECT a FROM Orders")) == ["E0105 \0"]
