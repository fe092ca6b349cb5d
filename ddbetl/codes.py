"""Every code that a diagnostic or a row error can carry, declared once.

``docs/errors.md`` is generated from this table. A code is never used for two things and never reused. E01 is syntax,
E02 names and declarations, E03 types and functions, E04 tables and keys, E05 options, E06 what is not built yet,
W01 warnings, R01 errors of single rows (they end up in the rejects).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of diagnostic: its title, and a page in Markdown on why it is raised and what to do."""

    code: str
    title: str
    page: str


SYNTAX: tuple[Code, ...] = ()

CODES: dict[str, Code] = {code.code: code for code in (*SYNTAX,)}
