"""The formatter: what it writes reads back as the same tree, in one canonical form."""

from __future__ import annotations

import pytest
from cases import cases
from hypothesis import given, settings
from trees import expressions, specs

from ddbetl.source import SourceText
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression, format_spec
from ddbetl.syntax.parser import parse, parse_expression
from ddbetl.syntax.scanner import MAX_DEPTH

SPECS = [case.spec for case in cases("syntax")]


def expression(text: str) -> ast.Expression:
    return parse_expression(SourceText(text))


def canonical(text: str) -> str:
    return format_spec(parse(SourceText(text)))


@settings(max_examples=200, deadline=None)
@given(expressions)
def test_an_expression_reads_back_as_it_was(tree: ast.Expression) -> None:
    assert expression(format_expression(tree)) == tree


@settings(max_examples=200, deadline=None)
@given(specs)
def test_a_spec_reads_back_as_it_was(tree: ast.Spec) -> None:
    written = format_spec(tree)
    again = parse(SourceText(written))
    assert again == tree
    assert format_spec(again) == written


@pytest.mark.parametrize("text", SPECS)
def test_the_canonical_form_is_its_own(text: str) -> None:
    once = canonical(text)
    assert parse(SourceText(once)) == parse(SourceText(text))
    assert canonical(once) == once


def test_the_layout_of_the_language_reference() -> None:
    written = (
        "param domain; PARAM region='NA'; let ttl=365 Days; insert into ${domain}_${region}_AnniversaryPromo_2017 "
        "select CustomerID, epoch(DateTime) as CreationDateTime, (epoch(DateTime)+(ttl)) as ExpirationTimestamp,"
        "OrderID from CustomerTracker_${domain}_${region}_{201605..201705} where length(OrderID)>0 on conflict replace "
        "with(read=50%,write=10 %,ttl_attribute=ExpirationTimestamp)"
    )
    assert canonical(written) == (
        "PARAM domain;\n"
        "PARAM region = 'NA';\n"
        "LET   ttl    = 365 days;\n"
        "\n"
        "INSERT INTO ${domain}_${region}_AnniversaryPromo_2017\n"
        "SELECT CustomerID,\n"
        "       epoch(DateTime)       AS CreationDateTime,\n"
        "       epoch(DateTime) + ttl AS ExpirationTimestamp,\n"
        "       OrderID\n"
        "FROM   CustomerTracker_${domain}_${region}_{201605..201705}\n"
        "WHERE  length(OrderID) > 0\n"
        "ON CONFLICT REPLACE\n"
        "WITH   (read = 50%, write = 10%, ttl_attribute = ExpirationTimestamp);\n"
    )


def test_every_clause_has_its_place() -> None:
    written = (
        "using 'f.py'; insert overwrite table T (region='eu') key(a,b) select * exclude(c) replace(d+1 as d) "
        "rename(e as f), 'g' as g from s*, 'h.csv' (format=csv) exclude s1,s2 where i limit 5 "
        "on conflict keep newest by j on error skip with(x=1)"
    )
    assert canonical(written) == (
        "USING 'f.py';\n"
        "\n"
        "INSERT OVERWRITE T (region = 'eu') KEY (a, b)\n"
        "SELECT * EXCLUDE (c) REPLACE (d + 1 AS d) RENAME (e AS f),\n"
        "       'g' AS g\n"
        "FROM   s*, 'h.csv' (format = csv)\n"
        "EXCLUDE s1, s2\n"
        "WHERE  i\n"
        "LIMIT  5\n"
        "ON CONFLICT KEEP NEWEST BY j\n"
        "ON ERROR SKIP\n"
        "WITH   (x = 1);\n"
    )
    assert canonical("merge into t on missing skip select a from b") == (
        "MERGE INTO t ON MISSING SKIP\nSELECT a\nFROM   b;\n"
    )
    assert canonical("delete from t using select a from b") == "DELETE FROM t USING\nSELECT a\nFROM   b;\n"


def test_long_lists_and_conditions_are_broken() -> None:
    long = "an_attribute_with_a_long_name"
    text = f"SELECT {long}1, {long}2, {long}3, {long}4 FROM {long}1, {long}2, {long}3, {long}4 WHERE "
    text += f"{long} = 1 AND ({long} = 2 OR {long} = 3) AND {long} = 4"
    indent = ",\n       "
    numbered = indent.join(f"{long}{n}" for n in (1, 2, 3, 4))
    assert canonical(text) == (
        f"SELECT {numbered}\n"
        f"FROM   {numbered}\n"
        f"WHERE  {long} = 1\n"
        f"  AND  ({long} = 2 OR {long} = 3)\n"
        f"  AND  {long} = 4;\n"
    )


@pytest.mark.parametrize(
    ("text", "canonical_text"),
    [
        ("((a))", "a"),
        ("(a+b)*c", "(a + b) * c"),
        ("a+(b*c)", "a + b * c"),
        ("(a-b)-c", "a - b - c"),
        ("a-(b-c)", "a - (b - c)"),
        ("-(-a)", "- -a"),
        ("-(a+b)", "-(a + b)"),
        ("-(a.b[0])", "-a.b[0]"),
        ("a- -1", "a - -1"),
        ("not(a=b)", "NOT a = b"),
        ("(not a)=b", "(NOT a) = b"),
        ("not(a and b)", "NOT (a AND b)"),
        ("(a and b)or c", "a AND b OR c"),
        ("a and(b or c)", "a AND (b OR c)"),
        ("a and(b and c)", "a AND (b AND c)"),
        ("(a=b)is null", "a = b IS NULL"),
        ("(a is null)=b", "(a IS NULL) = b"),
        ("(a in(1))=b", "a IN (1) = b"),
        ("(a=b)in(1)", "(a = b) IN (1)"),
        ("(a||b)like(c||d)", "a || b LIKE c || d"),
        ("a between(b+1)and(c=d)", "a BETWEEN b + 1 AND (c = d)"),
        ("a!=b", "a <> b"),
        ("case(when)when 1 then 2 end", "CASE (when) WHEN 1 THEN 2 END"),
        ("1 days+1.0 DAYS+2 day", "1 day + 1.0 day + 2 days"),
        ('"a" + a + "select" + "null"', '"a" + a + "select" + "null"'),
        ("cast(a as string   set)", "CAST(a AS STRING SET)"),
        ("true and FALSE or Null", "TRUE AND FALSE OR NULL"),
        ("1e2+1E-3+1e100", "100 + 0.001 + 1E+100"),
    ],
)
def test_expressions_have_no_needless_parentheses(text: str, canonical_text: str) -> None:
    assert format_expression(expression(text)) == canonical_text
    assert expression(canonical_text) == expression(text)


def test_the_deepest_tree_can_be_written() -> None:
    for opening, closing in (("NOT ", ""), ("[", "]"), ("{'a': ", "}"), ("f(", ")"), ("CASE WHEN a THEN ", " END")):
        text = opening * (MAX_DEPTH - 1) + "1" + closing * (MAX_DEPTH - 1)
        assert format_expression(expression(text)) == text
