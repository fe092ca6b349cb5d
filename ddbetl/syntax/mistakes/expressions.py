"""Mistakes inside expressions and lists: operands, operators, commas, brackets, units.

In: a ``Stop``. Out of each rule: a diagnostic, or None where the rule has nothing to say.
"""

from __future__ import annotations

from ddbetl.diagnostics import Diagnostic, Label, suggest
from ddbetl.source import Span
from ddbetl.syntax.literals import ABBREVIATIONS, UNITS
from ddbetl.syntax.mistakes import foreign
from ddbetl.syntax.mistakes.clauses import nothing_selected
from ddbetl.syntax.mistakes.stop import (
    DECLARATIONS,
    ENDING,
    OPERATORS,
    Stop,
    found,
    in_table_name,
    needs_operand,
    starts_operand,
)
from ddbetl.syntax.parts import RESERVED
from ddbetl.syntax.scanner import CLOSERS, Token

_UNITS = tuple(word for word in UNITS if word.endswith("s"))


def foreign_sign(stop: Stop) -> Diagnostic | None:
    """A sign of another language; in the name of a table it is something else."""
    token = stop.token()
    if token is None or token.kind != "sign" or token.text not in foreign.SIGNS or in_table_name(stop):
        return None
    return Diagnostic("E0123", f"{token.text} has no meaning here", token.span, foreign.SIGNS[token.text])


def swallowed_at(stop: Stop) -> int | None:
    """The index of a keyword that was read as a name, because something is missing before it."""
    at = stop.at - 1
    if stop.opener and stop.tokens[stop.opener - 1].upper == "WITH":
        at = stop.opener - 1
    if at < 1 or not needs_operand(stop, at - 1):
        return None
    if at == stop.at - 1 and not _continues(stop.tokens[at].upper, stop.token()):
        return None
    target = stop.tokens[at - 1].upper == "INTO" and stop.tokens[at].upper in ("SELECT", "KEY")
    return at if target or stop.tokens[at].upper in ENDING else None


def swallowed_keyword(stop: Stop) -> Diagnostic | None:
    """Say what is missing before a keyword that was read as a name."""
    at = swallowed_at(stop)
    if at is None:
        return None
    before, word = stop.tokens[at - 1], stop.tokens[at]
    match before.upper:
        case "INTO" if word.upper in ("SELECT", "KEY"):
            hint = "INSERT INTO target SELECT …"
            return Diagnostic("E0109", f"INTO names no target before {word.upper}", word.span, hint)
        case ",":
            return _comma_too_many(before.span)
        case "SELECT":
            return nothing_selected(before.span)
        case "NOT" | "NULL" | "TRUE" | "FALSE":
            return _quote_it(before)
        case "FROM" | "EXCLUDE" | "INTO":
            return Diagnostic("E0109", f"{before.upper} names no table before {word.upper}", word.span)
        case "AS":
            return Diagnostic("E0109", f"AS names nothing before {word.upper}", word.span, "expression AS name")
        case "%" if at > 1 and stop.tokens[at - 2].kind == "number":
            hint = "percentages stand in options; in an expression % is the remainder, and 50% is 0.5"
        case _:
            hint = ""
    return Diagnostic("E0109", f"expected an expression after {found(before)}, found {word.upper}", word.span, hint)


def _continues(word: str, token: Token | None) -> bool:
    """Tell whether a token can come after a keyword."""
    if token is None:
        return word == "END"
    match word:
        case "FROM" | "EXCLUDE":
            return token.kind != "sign" or token.text in ("*", "?", "$", "[", "{", "-")
        case "LIMIT":
            return token.kind == "number"
        case "ON":
            return token.upper in ("CONFLICT", "ERROR", "MISSING")
        case "WITH" | "IN":
            return token.text == "("
        case "IS":
            return token.upper in ("NULL", "NOT", "MISSING")
        case "END" | "SELECT" | "KEY":
            return True
        case _:
            return starts_operand(token) or token.text == "-"


def _comma_too_many(span: Span) -> Diagnostic:
    return Diagnostic("E0112", "nothing follows this comma", span, "leave the comma out, or write what follows it")


def _quote_it(token: Token) -> Diagnostic:
    return Diagnostic(
        "E0117",
        f"{token.upper} is a word of the language",
        token.span,
        f'an attribute of that name is written in double quotes: "{token.text}"',
    )


def reserved_word(stop: Stop) -> Diagnostic | None:
    """A word of the language used as an attribute's name."""
    token, before = stop.token(), stop.token(-1)
    if token is not None and token.upper in RESERVED and "NAME" in stop.accepts:
        if token.upper == "NOT" and starts_operand(stop.token(1)):
            return Diagnostic("E0109", "NOT stands in parentheses here", token.span, "write (NOT x)")
        return _quote_it(token)
    if before is None or before.upper not in RESERVED or stop.upper(-2) in (".", "AS", "IS"):
        return None
    signs = OPERATORS | {",", ")", ".", "[", ":"}
    if stop.upper() in signs - {"-"} and ("NAME" in stop.accepts or stop.upper() in (".", "[")):
        return _quote_it(before)
    return _quote_it(before) if token is None and before.upper in ("NOT", "CASE") else None


def stray_comma(stop: Stop) -> Diagnostic | None:
    """A comma with nothing before or after it."""
    before, token = stop.token(-1), stop.token()
    if token is not None and token.text == "," and token.kind == "sign" and "COMMA" not in stop.accepts:
        if before is None or before.upper in (",", "(", "[", "{", "SELECT", "FROM", "EXCLUDE"):
            return Diagnostic("E0112", "nothing stands before this comma", token.span, "leave the comma out")
        return None
    if before is None or before.text != "," or before.kind != "sign":
        return None
    return _comma_too_many(before.span) if token is None or token.text in CLOSERS.values() else None


def unmatched_bracket(stop: Stop) -> Diagnostic | None:
    """Brackets that do not match."""
    token, opener = stop.token(), stop.opener
    closing = {"RPAR", "RSQB", "RBRACE"} & stop.accepts
    if token is not None and token.kind == "sign" and token.text in CLOSERS.values():
        if opener is None:
            hint = "leave it out, or open it before"
            return Diagnostic("E0114", f"this {token.text} closes nothing", token.span, hint)
        bracket = stop.tokens[opener]
        if CLOSERS[bracket.text] != token.text:
            labels = (Label(bracket.span, "opened here"),)
            message = f"{bracket.text} is closed by {token.text}"
            return Diagnostic("E0113", message, token.span, f"write {CLOSERS[bracket.text]}", labels)
        return None
    ends = token is None or token.upper in ENDING - {"AND", "OR", "IN", "IS", "LIKE", "BETWEEN"}
    if not ends:
        return None
    if opener is not None and (closing or token is None):
        bracket = stop.tokens[opener]
        before = () if token is None else (Label(token.span, "it should be closed before this"),)
        hint = f"add {CLOSERS[bracket.text]}"
        return Diagnostic("E0113", f"this {bracket.text} is not closed", bracket.span, hint, before)
    if "END" in stop.accepts and (token is None or token.upper in ("FROM", "WHERE", "LIMIT", "ON", "WITH", "AS")):
        case = next((t for t in reversed(stop.tokens[: stop.at]) if t.upper == "CASE"), None)
        if case is not None:
            return Diagnostic("E0113", "this CASE is not closed", case.span, "add END")
    return None


def chained_comparison(stop: Stop) -> Diagnostic | None:
    """A comparison of what is a comparison already."""
    token = stop.token()
    if token is None or "AND" not in stop.accepts or "EQ" in stop.accepts:
        return None
    if token.text in ("=", "<>", "!=", "<", "<=", ">", ">="):
        hint = "write a < b AND b < c, or use parentheses"
        return Diagnostic("E0124", "comparisons cannot be chained", token.span, hint)
    if token.upper in ("IN", "LIKE", "BETWEEN", "IS", "NOT"):
        hint = "put the first one in parentheses"
        return Diagnostic("E0124", f"{token.upper} cannot follow another comparison", token.span, hint)
    return None


def unknown_unit(stop: Stop) -> Diagnostic | None:
    """What follows a number: a unit that is none, a name that begins with a digit."""
    token, before = stop.token(), stop.token(-1)
    if token is None or before is None:
        return None
    if before.text == "%" and stop.kind(-2) == "number" and "NAME" in stop.accepts:
        hint = "percentages stand in options; in an expression % is the remainder, and 50% is 0.5"
        return Diagnostic("E0109", f"expected an expression after %, found {found(token)}", token.span, hint)
    if before.kind != "number" or token.kind != "word" or "PLUS" not in stop.accepts:
        return None
    word = token.text.lower()
    if word in ("rcu", "wcu"):
        return Diagnostic("E0125", f"{word} stands in options only", token.span, "as in WITH (read = 500 rcu)")
    near = ABBREVIATIONS.get(word) or (suggest(word, _UNITS) if len(word) > 3 else None)
    if near:
        return Diagnostic("E0125", f"{token.text} is no unit", token.span, f"did you mean {near}?")
    if before.end == token.start:
        if token.text.strip("_").isdecimal():
            return Diagnostic("E0109", "the digits of a number are not grouped", token.span, "leave _ out")
        hint = f'a name that begins with a digit is written in double quotes: "{before.text}{token.text[:40]}"'
        return Diagnostic("E0109", f"{found(token)} cannot follow a number directly", token.span, hint)
    if stop.tokens[0].upper in DECLARATIONS and stop.opener is None:
        hint = "a duration is of milliseconds, seconds, minutes, hours, days or weeks"
        return Diagnostic("E0125", f"{token.text} is no unit", token.span, hint)
    return None


def broken_path(stop: Stop) -> Diagnostic | None:
    """A step of a path that is none, or a path on something that has none."""
    token, before = stop.token(), stop.token(-1)
    if token is None:
        return None
    dotted = (before is not None and before.upper == ".") or token.text.startswith(".")
    if dotted and token.kind == "number" and "WORD" in stop.accepts:
        digits = token.text.lstrip(".")
        hint = f'a position in a list is written [{digits}], a name of digits "{digits}"'
        return Diagnostic("E0109", f"expected a name after the dot, found the number {digits}", token.span, hint)
    if "RSQB" not in stop.accepts and before is not None and before.text == "[" and stop.accepts == {"NUMBER"}:
        message = f"a position in a list is a whole number, counted from 0, not {found(token)}"
        return Diagnostic("E0109", message, token.span, "as in Lines[0].Sku")
    if token.kind == "sign" and token.text in (".", "[") and "PLUS" in stop.accepts:
        message = "a path begins at an attribute, not at the result of an expression"
        return Diagnostic("E0130", message, token.span, "as in Address.City or Lines[0].Sku")
    return None


def missing_comma(stop: Stop) -> Diagnostic | None:
    """Two expressions with nothing between them."""
    token, before = stop.token(), stop.token(-1)
    if token is None or before is None:
        return None
    if token.text == "=" and before.kind == "word" and stop.at > 1 and {"WORD", "COMMA"} <= stop.accepts:
        return Diagnostic("E0111", f"a comma is missing before {found(before)}", before.span)
    if not starts_operand(token) or token.text in ("(", "["):
        return None
    if token.upper in ENDING | {"NOT", "INTO"}:
        return None
    if "AS" in stop.accepts and "COMMA" in stop.accepts and stop.opener is None:
        message = f"a comma or AS is missing between {found(before)} and {found(token)}"
        return Diagnostic("E0111", message, token.span, "a comma makes two columns, AS gives one another name")
    if "COMMA" in stop.accepts:
        return Diagnostic("E0111", f"a comma is missing before {found(token)}", token.span)
    if "PLUS" in stop.accepts:
        message = f"an operator is missing between {found(before)} and {found(token)}"
        hint = "text stands in single quotes, conditions are joined by AND or OR"
        return Diagnostic("E0109", message, token.span, hint)
    return None
