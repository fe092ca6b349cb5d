"""Comments in the canonical form of a spec: all are kept, in their places, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest
from cases import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import specs

from ddbetl.errors import SpecError
from ddbetl.source import SourceText
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_spec
from ddbetl.syntax.parser import parse
from ddbetl.syntax.scanner import scan

SPECS = sorted((Path(__file__).resolve().parent.parent / "specs").glob("*.ddbetl"))
KINDS = ("syntax", "diagnostics", "analyzer", "explain", "run")


def formatted(text: str) -> str:
    """The canonical form of a text, which means the same, has the same comments, and is its own."""
    spec = parse(SourceText(text))
    once = format_spec(spec)
    again = parse(SourceText(once))
    assert again == spec
    assert [said(comment) for comment in again.comments] == [said(comment) for comment in spec.comments]
    assert format_spec(again) == once
    return once


def said(comment: ast.Comment) -> str:
    return comment.text.rstrip()


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_shipped_specs_keep_their_comments(path: Path) -> None:
    formatted(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_specs_of_all_cases_keep_their_comments(kind: str) -> None:
    tried = 0
    for case in cases(kind):
        try:
            parse(SourceText(case.spec))
        except SpecError:
            continue
        formatted(case.spec)
        tried += 1
    assert tried > 5


COMMENTS = ("-- a", "--", "-- it's -- b  ", "/* c */", "/**/", "/* d\n   e */", "/* -- f */")
GAPS = ("", " ", "\n", "\n\n", "  \n \n\n", "\r\n")


def with_some_comments(draw: st.DrawFn, text: str) -> str:
    """Put comments between words of a text, with or without lines of their own."""
    tokens = scan(SourceText(text)).tokens
    # A table's name is one word, of which the scanner knows nothing.
    ends = (t.end for t in tokens if not text[t.end : t.end + 1].strip())
    places = [0, *ends, len(text)]
    chosen = draw(st.lists(st.sampled_from(places), max_size=6))
    for place in sorted(chosen, reverse=True):
        comment = draw(st.sampled_from(COMMENTS))
        end = "\n" if comment.startswith("--") else " "
        piece = " " + draw(st.sampled_from(GAPS)) + comment + end + draw(st.sampled_from(GAPS))
        text = text[:place] + piece + text[place:]
    return text


@st.composite
def commented(draw: st.DrawFn) -> str:
    return with_some_comments(draw, format_spec(draw(specs)))


@settings(max_examples=300, deadline=None)
@given(commented())
def test_generated_specs_keep_their_comments(text: str) -> None:
    formatted(text)


GOOD = [text for path in SPECS for text in [path.read_text(encoding="utf-8")]]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(GOOD).flatmap(lambda text: st.composite(with_some_comments)(text)))
def test_comments_anywhere_in_the_shipped_specs_are_kept(text: str) -> None:
    formatted(text)


def test_comments_stay_where_they_were() -> None:
    text = """\
-- Orders of a domain.

-- ddbetl run orders.ddbetl
PARAM domain; -- Devo
-- A year.
LET ttl = /* leap years too */ 365 days;


-- What is written.
INSERT INTO t -- the target
SELECT
  -- the key
  a, -- first
  b /* inside */ AS c, /* behind */
  -- the last
  f(/* before */ (x), y /* after */) AS d
FROM t1, -- May

     -- June
     t2
WHERE a = 1 -- not all
  AND -- and
  b = 2
WITH (read = 50%, -- half
      write = 10%
      -- no more
     ) -- done
-- the end
"""
    assert formatted(text) == (
        "-- Orders of a domain.\n"
        "\n"
        "-- ddbetl run orders.ddbetl\n"
        "PARAM domain;  -- Devo\n"
        "-- A year.\n"
        "LET   ttl = /* leap years too */ 365 days;\n"
        "\n"
        "-- What is written.\n"
        "INSERT INTO t  -- the target\n"
        "-- the key\n"
        "SELECT a,  -- first\n"
        "       b /* inside */       AS c,  /* behind */\n"
        "       -- the last\n"
        "       f(/* before */ x, y /* after */) AS d\n"
        "FROM   t1,  -- May\n"
        "\n"
        "       -- June\n"
        "       t2\n"
        "WHERE  a = 1  -- not all\n"
        "  -- and\n"
        "  AND  b = 2\n"
        "WITH   (read = 50%,  -- half\n"
        "        write = 10%);\n"
        "-- no more\n"
        "-- done\n"
        "-- the end\n"
    )


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("select a from t -- b", "SELECT a\nFROM   t;  -- b\n"),
        ("select a from t\n-- b", "SELECT a\nFROM   t;\n-- b\n"),
        ("select a from t\n-- b\n;", "SELECT a\nFROM   t;\n-- b\n"),
        ("/* b */ select a from t", "/* b */\nSELECT a\nFROM   t;\n"),
        ("select a, b -- c\nfrom t", "SELECT a, b  -- c\nFROM   t;\n"),
        ("select a\n-- c\n, b from t", "SELECT a,\n       -- c\n       b\nFROM   t;\n"),
        ("select a, -- c\nb from t", "SELECT a,  -- c\n       b\nFROM   t;\n"),
        ("select a, /* c */ b from t", "SELECT a, /* c */ b\nFROM   t;\n"),
        ("select a\n-- c\n, /* d */ b from t", "SELECT a,\n       -- c\n       /* d */\n       b\nFROM   t;\n"),
        ("select a -- c\n, /* d */ b from t", "SELECT a,  -- c\n       /* d */\n       b\nFROM   t;\n"),
        ("select a from t -- b\n; /* c */", "SELECT a\nFROM   t;  -- b\n/* c */\n"),
        ("select a from t with (read = - /* c */ 0)", "SELECT a\nFROM   t\nWITH   (read = - /* c */ 0);\n"),
        (
            "select a from t where (b or c\n-- d\n) and e",
            "SELECT a\nFROM   t\nWHERE  (b OR c)\n  -- d\n  AND  e;\n",
        ),
        ("select ((a /* c */)) from t", "SELECT a  /* c */\nFROM   t;\n"),
        ("insert into table /*c*/ (x=1) select a from t", "INSERT INTO table /*c*/ (x = 1)\nSELECT a\nFROM   t;\n"),
        ("insert into table --c\nselect a from t", "INSERT INTO table  --c\nSELECT a\nFROM   t;\n"),
        ("insert into table --c\nu select a from t", "--c\nINSERT INTO u\nSELECT a\nFROM   t;\n"),
        ("insert into table/*c*/u select a from t", "INSERT INTO /*c*/ u\nSELECT a\nFROM   t;\n"),
        ("insert overwrite table u /*c*/ select a from t", "INSERT OVERWRITE u  /*c*/\nSELECT a\nFROM   t;\n"),
    ],
)
def test_a_comment_has_its_place(text: str, canonical: str) -> None:
    assert formatted(text) == canonical
