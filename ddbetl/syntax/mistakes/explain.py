"""Why the parser stopped, in the user's words.

In: a ``Stop``. Out: one diagnostic. ``RULES`` are tried in order, from the particular to the general; the last resort
says what was expected and what was found.
"""

from __future__ import annotations

from collections.abc import Callable

from ddbetl.diagnostics import Diagnostic
from ddbetl.syntax.mistakes.clauses import (
    first_word,
    foreign_word,
    misplaced_clause,
    missing_from,
    misspelled,
    second_statement,
    select_list,
    table_alias,
    table_name,
)
from ddbetl.syntax.mistakes.expressions import (
    broken_path,
    chained_comparison,
    foreign_sign,
    missing_comma,
    reserved_word,
    stray_comma,
    swallowed_keyword,
    unknown_unit,
    unmatched_bracket,
)
from ddbetl.syntax.mistakes.foreign import VALUE_FROM_OUTSIDE
from ddbetl.syntax.mistakes.stop import DECLARATIONS, Stop, expected, found


def explain(stop: Stop) -> Diagnostic:
    """Say what is wrong where the parser stopped."""
    for rule in RULES:
        diagnostic = rule(stop)
        if diagnostic is not None:
            return diagnostic
    return _unexpected(stop)


def _unexpected(stop: Stop) -> Diagnostic:
    token = stop.token()
    code = "E0110" if token is None else "E0109"
    declares = stop.tokens[0].upper in DECLARATIONS
    there = "the end of the declaration" if declares and token is None else found(token)
    could = expected(stop.accepts, "a semicolon" if declares else "the end")
    return Diagnostic(code, f"expected {could}, found {there}", stop.span, _hint(stop))


def _hint(stop: Stop) -> str:
    """What to do about something that no rule knows."""
    accepts, before = stop.accepts, stop.upper(-1)
    if stop.kind() == "quoted" and "TEXT" in accepts and "QUOTED" not in accepts:
        return "text stands in single quotes; double quotes are for names"
    if stop.kind() == "text" and "WORD" in accepts:
        return "names are written bare or in double quotes; single quotes are for text"
    if accepts == {"LPAR"} and before == "WITH":
        return "options stand in parentheses: WITH (read = 50%, write = 10%)"
    if stop.upper() == "," and stop.opener is not None and "RPAR" in accepts:
        return "a list is written [a, b]"
    if before == "(" and stop.upper() == ")":
        return "the list is empty"
    if before == "NOT" and stop.upper() in ("NULL", "MISSING"):
        return f"write IS NOT {stop.upper()}"
    if before == "IN":
        return "IN takes a list in parentheses: x IN ('a', 'b')"
    if before in ("EXCLUDE", "RENAME", "REPLACE") and accepts == {"LPAR"}:
        return "as in * EXCLUDE (a, b), * REPLACE (a + 1 AS a), * RENAME (a AS b)"
    if before == "{" and "TEXT" in accepts:
        return "a map is written {'key': value}"
    if stop.upper() == ":" and "NAME" in accepts:
        return VALUE_FROM_OUTSIDE
    if "USING" in accepts and "LPAR" in accepts:
        return "DELETE FROM target USING SELECT key FROM source WHERE …"
    if accepts == {"EQ"} and stop.tokens[0].upper == "LET":
        return "LET name = constant;"
    if accepts == {"EQ"}:
        opener = stop.opener
        if opener is None:
            return "it is written name = value"
        if opener and stop.tokens[opener - 1].upper != "WITH":
            return "parentheses after a table hold its options; columns get their names in SELECT, by AS"
        return "an option is written name = value"
    if accepts == {"NUMBER"} and before == "LIMIT":
        return "LIMIT counts rows: LIMIT 100"
    if before == "KEY" and accepts == {"LPAR"}:
        return "KEY (partition) or KEY (partition, sort)"
    if before == "USING" and accepts == {"TEXT"}:
        return "USING 'file.py';"
    if "INTO" in accepts and before in ("INSERT", "MERGE"):
        return f"{before} INTO target SELECT …"
    if "ON" in accepts and "SELECT" in accepts:
        return "MERGE INTO target SELECT …"
    if accepts == {"BY"}:
        return "ON CONFLICT KEEP NEWEST BY column"
    if accepts == {"SELECT"}:
        return "after the target comes SELECT"
    if "CONFLICT" in accepts or ("REPLACE" in accepts and "SKIP" in accepts):
        return "ON CONFLICT REPLACE | SKIP | REJECT | FAIL | KEEP NEWEST BY column; ON ERROR REJECT | FAIL | SKIP"
    return ""


RULES: tuple[Callable[[Stop], Diagnostic | None], ...] = (
    first_word,
    foreign_word,
    foreign_sign,
    swallowed_keyword,
    reserved_word,
    second_statement,
    select_list,
    stray_comma,
    unmatched_bracket,
    misplaced_clause,
    missing_from,
    chained_comparison,
    unknown_unit,
    broken_path,
    table_name,
    table_alias,
    misspelled,
    missing_comma,
)
