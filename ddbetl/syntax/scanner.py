"""The words and signs of a spec, without a grammar.

In: a source text, any text whatever. Out: its tokens, its comments, and what is wrong with single characters: texts,
quoted names and comments without an end, stray characters, brackets that are too deep. The parser reads the text by
its own lexer; these tokens are what explanations of its failures are made from.

Invariant: the tokens are in order, do not overlap and lie inside the text; scanning takes time proportional to the text
and stops after MAX_PROBLEMS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from ddbetl.diagnostics import Diagnostic, Label
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast

# Nobody mends more errors than this at a time.
MAX_PROBLEMS = 20

# A spec that somebody wrote has hundreds of tokens, one that a program made may have thousands. The parser takes about
# 100,000 a second.
MAX_TOKENS = 200_000

# Brackets around brackets, and levels of an expression. Python stops at about 1,000 frames, and comparing or printing a
# tree takes several for each level.
MAX_DEPTH = 128

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n\f\v]+)
  | (?P<comment>--[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/)
  | (?P<word>[^\W\d]\w*)
  | (?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<text>'(?:[^']++|'')*+')
  | (?P<quoted>"(?:[^"]++|"")*+")
  | (?P<open>'|"|/\*)
  | (?P<sign><=>|<>|!=|<=|>=|==|\|\||&&|::|\.\.|[-+*/%=<>(),;.:\[\]{}?$!])
  | (?P<foreign>[`\u2018-\u201e\u00ab\u00bb][^\n`'"\u2018-\u201e\u00ab\u00bb]{0,200}[`\u2018-\u201e\u00ab\u00bb])
  | (?P<stray>[^\s\w'"/\-+*%=<>(),;.:\[\]{}?$!|&]+|.)
    """,
    re.VERBOSE | re.DOTALL,
)

CLOSERS = {"(": ")", "[": "]", "{": "}"}

# What typographers and other keyboards put in place of the characters of the language.
_MEANT = {
    "\u2018": "'",
    "\u2019": "'",
    "\u201a": "'",
    "\u201c": "'",
    "\u201d": "'",
    "\u201e": "'",
    "\u00ab": "'",
    "\u00bb": "'",
    "\u00b4": "'",
    "\u2010": "-",
    "\u2011": "-",
    "\u2012": "-",
    "\u2013": "-",
    "\u2014": "-",
    "\u2212": "-",
    "\u00d7": "*",
    "\u00f7": "/",
    "\u2260": "<>",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u00a0": " ",
    "\u2003": " ",
    "\u2009": " ",
    "\u202f": " ",
    "\u3000": " ",
    "\uff08": "(",
    "\uff09": ")",
    "\uff0c": ",",
    "\uff1b": ";",
    "\uff1d": "=",
}

_HINTS = {
    "`": 'names are quoted in double quotes: "any name"',
    "\\": "a quote inside a text is doubled: 'it''s'",
    "#": "a comment begins with --",
    "@": 'a name with such a character is written in double quotes: "any name"',
    "&": "write AND",
    "|": "write OR, or || to join texts",
    "~": "write regexp_matches(text, 'regex')",
    "\0": "the file is not a text, or is UTF-16: save it as UTF-8",
}


@dataclass(frozen=True, slots=True)
class Token:
    """A word or sign; ``kind`` is word, number, text, quoted or sign."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)

    @property
    def upper(self) -> str:
        """The word in upper case, or the sign; nothing for texts, numbers and quoted names."""
        return self.text.upper() if self.kind == "word" else self.text if self.kind == "sign" else ""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a text is made of; ``start`` is where it begins, after a byte order mark."""

    tokens: tuple[Token, ...]
    comments: tuple[ast.Comment, ...]
    problems: tuple[Diagnostic, ...]
    start: int


def scan(source: SourceText) -> Scan:
    """Split a text into tokens and comments, and find what is wrong with its characters."""
    text = source.text
    start = 1 if text.startswith("\ufeff") else 0
    tokens: list[Token] = []
    comments: list[ast.Comment] = []
    problems: list[Diagnostic] = []
    depth = 0
    for match in _TOKEN.finditer(text, start):
        kind = match.lastgroup
        if kind == "space":
            continue
        if kind == "comment":
            comments.append(_comment(match))
        elif kind == "open":
            problems.append(_unclosed(text, match.start(), tokens))
            break
        elif kind in ("stray", "foreign"):
            problems.append(_stray(match[0], match.start()))
            # One NUL says that this is no text.
            if len(problems) == MAX_PROBLEMS or match[0].startswith("\0"):
                break
        else:
            token = Token(kind or "", match[0], match.start(), match.end())
            tokens.append(token)
            if kind == "sign":
                depth = max(0, depth + (token.text in "([{") - (token.text in ")]}"))
                if depth > MAX_DEPTH:
                    problems.append(too_deep(token.span))
                    break
            if len(tokens) > MAX_TOKENS:
                problems.append(_too_long(token.span))
                break
    problems += _surrogates((*tokens, *comments))
    return Scan(tuple(tokens), tuple(comments), tuple(problems), start)


def _comment(match: re.Match[str]) -> ast.Comment:
    written = match[0].removesuffix("\r")
    return ast.Comment(written, Span(match.start(), match.start() + len(written)))


def too_deep(span: Span) -> Diagnostic:
    return Diagnostic(
        "E0107",
        f"this is nested more than {MAX_DEPTH} levels deep",
        span,
        "a long chain of OR is an IN list: x IN ('a', 'b')",
    )


def _too_long(span: Span) -> Diagnostic:
    message = f"the spec is too long: it has more than {MAX_TOKENS:,} words and signs"
    return Diagnostic("E0108", message, span, "is this file a spec?")


def _unclosed(text: str, start: int, tokens: list[Token]) -> Diagnostic:
    """A text, name or comment that runs to the end of the spec."""
    if text[start] == "/":
        return Diagnostic("E0104", "this comment has no end", Span(start, start + 2), "close it with */")
    code, what = ("E0102", "text") if text[start] == "'" else ("E0103", "name in double quotes")
    # Where an earlier one runs over a line's end, or into a word, it is that one whose closing quote is missing.
    kind = "text" if text[start] == "'" else "quoted"
    suspects = (t for t, after in pairwise([*tokens, None]) if t is not None and t.kind == kind and _runs_on(t, after))
    suspect = next(suspects, None)
    labels = () if suspect is None else (Label(Span(suspect.start, suspect.start + 1), "or this one, further up"),)
    line_end = text.find("\n", start)
    end = len(text) if line_end < 0 else line_end
    return Diagnostic(
        code,
        f"this {what} has no closing quote",
        Span(start, max(start + 1, min(end, start + 60))),
        f"close it with {text[start]}; a quote inside is doubled",
        labels,
    )


def _runs_on(token: Token, after: Token | None) -> bool:
    """Tell whether a text or quoted name goes where it hardly should."""
    return "\n" in token.text or (after is not None and after.start == token.end and after.kind in ("word", "number"))


def _stray(characters: str, start: int) -> Diagnostic:
    first = characters[0]
    span = Span(start, start + len(characters))
    hint = _HINTS.get(first, "")
    if first in _MEANT:
        meant = "an ordinary space" if _MEANT[first] == " " else _MEANT[first]
        hint = f"write {meant}"
        if _MEANT[first] == "'":
            hint = "text stands in straight single quotes: 'text'; a name in straight double quotes: \"name\""
    elif "\udc80" <= first <= "\udcff":
        # How Python holds a byte of the command line that it cannot decode.
        hint = "the command line is not UTF-8 text: put the spec into a file, which is UTF-8 always"
    return Diagnostic("E0105", f"{describe(first)} has no meaning here", span, hint)


def describe(character: str) -> str:
    """A character as a message shows it: its name where it could not be told by looking."""
    if character.isascii() and character.isprintable():
        return f"the character {character}"
    import unicodedata

    control = {"\0": "NUL", "\ufeff": "BYTE ORDER MARK", "\x1b": "ESCAPE", "\x7f": "DELETE"}
    name = control.get(character) or unicodedata.name(character, "")
    shown = f"{character} " if character.isprintable() and not character.isspace() else ""
    return f"the character {shown}(U+{ord(character):04X}{' ' if name else ''}{name})"


def _surrogates(tokens: Iterable[Token | ast.Comment]) -> list[Diagnostic]:
    """Half characters inside texts, names and comments: no table or file could hold them, nor could they be printed."""
    for token in tokens:
        if not token.text.isascii():
            try:
                token.text.encode()
            except UnicodeEncodeError as error:
                return [_stray(token.text[error.start], token.span.start + error.start)]
    return []
