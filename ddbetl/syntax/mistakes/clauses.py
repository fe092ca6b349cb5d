"""Mistakes in the shape of a spec: its statements, clauses, tables, and what is not in the language.

In: a ``Stop``. Out of each rule: a diagnostic, or None where the rule has nothing to say.
"""

from __future__ import annotations

from ddbetl.diagnostics import Diagnostic, Label
from ddbetl.source import Span
from ddbetl.syntax.mistakes import foreign
from ddbetl.syntax.mistakes.stop import (
    CLAUSES,
    DECLARATIONS,
    VERBS,
    Stop,
    clause_at,
    found,
    in_table_name,
    keywords,
    nearest_keyword,
    starts_operand,
)
from ddbetl.syntax.scanner import Token


def not_in_language(entry: tuple[str, str], span: Span) -> Diagnostic:
    """Refuse what other languages have; the entry is what it is called, with its verb, and what to do instead."""
    what, advice = entry
    return Diagnostic("E0122", f"{what} not in the language", span, advice)


def first_word(stop: Stop) -> Diagnostic | None:
    """A statement that begins with no word of the language."""
    token = stop.token()
    if stop.at or token is None or "SELECT" not in stop.accepts:
        return None
    if token.upper in foreign.VERBS:
        return not_in_language(foreign.VERBS[token.upper], token.span)
    near = nearest_keyword(token, (*DECLARATIONS, *VERBS))
    if near:
        return _misspelled_word(token, near)
    return Diagnostic(
        "E0109",
        f"a spec begins with PARAM, LET, USING, INSERT, MERGE, DELETE or SELECT, not with {found(token)}",
        token.span,
        "the shortest spec is SELECT * FROM table",
    )


def foreign_word(stop: Stop) -> Diagnostic | None:
    """A word of SQL that this language does not have."""
    token, before = stop.token(), stop.token(-1)
    if before is not None and before.kind == "word":
        if stop.upper(-2) == "SELECT" and before.upper in foreign.QUANTIFIERS and starts_operand(token):
            return not_in_language(foreign.QUANTIFIERS[before.upper], before.span)
        if stop.kind() == "quoted" and before.upper in ("TIMESTAMP", *foreign.PREFIXES):
            return Diagnostic("E0109", "text stands in single quotes", stop.span, "write TIMESTAMP '2017-04-26'")
        if stop.kind() == "text" and before.upper in foreign.PREFIXES:
            return not_in_language(foreign.PREFIXES[before.upper], before.span)
        if before.upper == "SELECT" and stop.upper(-2) == "(":
            return _subquery(before.span)
    if token is None:
        return None
    if token.text == "(" and "TABLE_NAME" in stop.accepts:
        return _subquery(token.span)
    opener = stop.opener
    if token.text == "*" and opener is not None and opener == stop.at - 1 and stop.kind(-2) == "word":
        function = stop.tokens[opener - 1]
        return not_in_language(("aggregate functions are", "each row is made from one item"), function.span)
    if token.text == "*" and stop.upper(-1) == ".":
        return not_in_language((".* is", "write the attributes that you want, or *"), token.span)
    if token.kind == "word" and stop.upper(-1) == "*" and token.upper == "EXCEPT":
        return _misspelled_word(token, "EXCLUDE")
    if token.upper in foreign.CLAUSES and not {"NAME", "WORD", "TABLE_NAME"} & stop.accepts:
        return not_in_language(foreign.CLAUSES[token.upper], token.span)
    if token.upper == "DO" and "REPLACE" in stop.accepts:
        advice = "write ON CONFLICT SKIP to leave what is there, REPLACE to overwrite it"
        return not_in_language(("DO is", advice), token.span)
    if token.upper in ("TRUE", "FALSE") and "MISSING" in stop.accepts:
        advice = "a condition is true or not by itself: write x, NOT x, or x = TRUE"
        return not_in_language((f"IS {token.upper} is", advice), token.span)
    return None


def _subquery(span: Span) -> Diagnostic:
    return not_in_language(("queries inside queries are", "run two specs, the second on the first one's target"), span)


def second_statement(stop: Stop) -> Diagnostic | None:
    """A statement or declaration that begins where the one before has no semicolon."""
    token, before = stop.token(), stop.token(-1)
    if token is None or before is None or token.upper not in (*DECLARATIONS, *VERBS):
        return None
    if stop.tokens[0].upper in DECLARATIONS and stop.opener is None and "$END" in stop.accepts:
        hint = f"every declaration ends with one; {token.upper} begins the next"
        return Diagnostic("E0129", "a semicolon is missing", Span(before.end - 1, before.end), hint)
    if "$END" in stop.accepts and stop.opener is None and stop.tokens[0].upper in VERBS:
        return more_than_one(stop.tokens[0], token)
    return None


def more_than_one(first: Token, second: Token) -> Diagnostic:
    """Refuse a second statement."""
    return Diagnostic(
        "E0120",
        "a spec is one statement",
        second.span,
        "put this one in a file of its own",
        (Label(first.span, "the first statement begins here"),),
    )


def select_list(stop: Stop) -> Diagnostic | None:
    """A spec that ends where the columns should stand."""
    before = stop.token(-1)
    if before is not None and before.upper == "SELECT" and "STAR" in stop.accepts and stop.token() is None:
        return nothing_selected(before.span)
    if before is not None and before.upper == "FROM" and stop.upper(-2) == "SELECT" and stop.token() is None:
        return nothing_selected(stop.tokens[stop.at - 2].span)
    return None


def nothing_selected(span: Span) -> Diagnostic:
    """Say that a SELECT has no columns."""
    hint = "write the columns, or * for whole items: SELECT * FROM …"
    return Diagnostic("E0116", "SELECT names no columns", span, hint)


def misplaced_clause(stop: Stop) -> Diagnostic | None:
    """A clause in the wrong place, or given twice."""
    token = stop.token()
    if token is None or token.kind != "word" or stop.opener is not None:
        return None
    if token.upper == "INTO" and stop.clause == "SELECT":
        return Diagnostic("E0118", "the target comes first", token.span, "write INSERT INTO target SELECT …")
    clause = clause_at(stop.tokens, stop.at)
    seen = [(stop.tokens[i], name) for i, name in stop.heads]
    if not clause or not seen or clause == "SELECT":
        return None
    for head, name in seen:
        if name == clause:
            labels = (Label(head.span, "the first is here"),)
            return Diagnostic("E0119", f"{clause} is given twice", token.span, _TWICE.get(clause, ""), labels)
    for head, name in seen:
        if CLAUSES.index(name) > CLAUSES.index(clause):
            labels = (Label(head.span, f"{clause} belongs before this"),)
            return Diagnostic("E0118", f"{clause} comes before {name}", token.span, _ORDER, labels)
    return None


_ORDER = "the order is SELECT, FROM, EXCLUDE, WHERE, LIMIT, ON CONFLICT, ON ERROR, WITH"
_TWICE = {
    "FROM": "list all tables in one FROM, with commas",
    "WHERE": "join the conditions by AND",
    "WITH": "put all options in one pair of parentheses",
    "EXCLUDE": "list all tables in one EXCLUDE, with commas",
}


def missing_from(stop: Stop) -> Diagnostic | None:
    """Another clause, or the end, where FROM must follow the columns."""
    token = stop.token()
    if "FROM" not in stop.accepts or stop.clause != "SELECT" or stop.opener is not None:
        return None
    if token is not None and not clause_at(stop.tokens, stop.at):
        return None
    return Diagnostic("E0115", "FROM is missing", stop.span, "add the tables to read: FROM table, table")


def table_name(stop: Stop) -> Diagnostic | None:
    """What cannot stand in the name of a table."""
    token, before = stop.token(), stop.token(-1)
    if token is None or not in_table_name(stop):
        return None
    match token.text:
        case "$":
            return Diagnostic("E0126", "a parameter in a table's name is written ${name}", token.span)
        case "{":
            return Diagnostic("E0126", "this { begins no range such as {201605..201705}", token.span)
        case "[":
            return Diagnostic("E0126", "this [ begins no choice of characters such as [abc]", token.span)
        case "/" | ":" | "\\":
            hint = "the name of a file or folder stands in single quotes: 's3://bucket/folder/'"
            return Diagnostic("E0109", f"{token.text} cannot stand in the name of a table", token.span, hint)
    odd = token.kind == "word" and not token.text.isascii()
    if odd or (before is not None and before.end == token.start and before.upper != ","):
        hint = 'its name has letters, digits, "_", "." and "-"; any other stands in double quotes'
        return Diagnostic("E0109", f"{found(token)} cannot stand in the name of a table", token.span, hint)
    if token.kind == "sign" and token.text == "-":
        hint = "a table's name is written without spaces"
        return Diagnostic("E0109", "- cannot stand here", token.span, hint)
    return None


def table_alias(stop: Stop) -> Diagnostic | None:
    """A second word after a table in FROM."""
    token = stop.token()
    if token is None or stop.clause not in ("FROM", "EXCLUDE") or stop.opener is not None:
        return None
    if "COMMA" not in stop.accepts:
        return None
    if join := _join_after(stop):
        return not_in_language(foreign.JOIN, join.span)
    if token.upper == "AS":
        hint = "attributes are named alone: CustomerID, not t.CustomerID; source_table() is the table of a row"
        return not_in_language(("other names for tables are", hint), token.span)
    if token.kind == "word" and not nearest_keyword(token, keywords(stop.accepts)):
        message = f"a comma is missing between the tables before {found(token)}"
        hint = "tables have no other names than their own" if stop.clause == "FROM" else ""
        return Diagnostic("E0111", message, token.span, hint)
    return None


def _join_after(stop: Stop) -> Token | None:
    """The join that follows another name for a table: ``Orders o JOIN``, ``Orders AS o LEFT JOIN``."""
    for i in range(stop.at, min(stop.at + 3, len(stop.tokens))):
        token = stop.tokens[i]
        if i > stop.at and token.kind == "word" and foreign.CLAUSES.get(token.upper) is foreign.JOIN:
            return token
        if token.kind != "word" or clause_at(stop.tokens, i):
            return None
    return None


def misspelled(stop: Stop) -> Diagnostic | None:
    """A word that is nearly the one that could stand there."""
    token = stop.token()
    if token is None or token.kind != "word":
        return None
    near = nearest_keyword(token, keywords(stop.accepts))
    return _misspelled_word(token, near) if near else None


def _misspelled_word(token: Token, near: str) -> Diagnostic:
    return Diagnostic("E0131", f"{token.text} is no word of the language", token.span, f"did you mean {near}?")
