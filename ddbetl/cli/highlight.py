"""Colours for the text of a spec.

In: text. Out: the same text with colours. Invariant: any text will do, right or wrong, and no character of it is lost.
"""

from __future__ import annotations

import re

import click

_KEYWORDS = (
    "PARAM LET USING INSERT INTO OVERWRITE TABLE MERGE DELETE SELECT EXCLUDE REPLACE RENAME AS FROM WHERE LIMIT ON "
    "CONFLICT ERROR MISSING SKIP REJECT FAIL KEEP NEWEST BY KEY WITH AND OR NOT IN BETWEEN LIKE IS NULL CASE WHEN THEN "
    "ELSE END CAST TRUE FALSE"
)
_TOKENS = re.compile(
    r"(?P<comment>--[^\n]*|/\*.*?\*/)|(?P<text>'(?:[^']|'')*')|(?P<name>\"(?:[^\"]|\"\")*\")"
    r"|(?P<parameter>\$\{\w*\})|(?P<keyword>\b(?:" + "|".join(_KEYWORDS.split()) + r")\b)|(?P<function>\b\w+(?=\())",
    re.IGNORECASE | re.DOTALL,
)
_COLOURS = {"text": "green", "parameter": "magenta", "keyword": "blue", "function": "cyan"}


def highlighted(text: str) -> str:
    """Colour keywords, functions, texts, parameters and comments."""

    def paint(found: re.Match[str]) -> str:
        kind = found.lastgroup or ""
        lines = found[0].split("\n")
        return "\n".join(
            click.style(line, fg=_COLOURS.get(kind), bold=kind == "keyword" or None, dim=kind == "comment" or None)
            for line in lines
        )

    return _TOKENS.sub(paint, text)
