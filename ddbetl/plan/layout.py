"""The layout of explain's page: columns, and numbers for people.

In: cells, counts. Out: text of at most so many columns where the cells allow it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

# Where nothing says how many columns there are.
WIDTH = 100

# Stands for a blank where a line is not broken.
_GLUE = "\ue000"
# What is better not broken: brackets without brackets inside, NOT and what it denies, both sides of a comparison, the
# pairs of a JSON object.
_TOGETHER = re.compile(r"\([^()]*\)|NOT (?=\()| (?:=|<>|<=|>=|<|>|IN) |\"[^\"]*\": ")


def columns(
    rows: Sequence[Sequence[str]], right: tuple[int, ...] = (), wrap: int | None = None, width: int = WIDTH
) -> str:
    """Rows as aligned columns, indented by two; ``right`` are the columns aligned to the right, ``wrap`` is the one
    that is broken where a row would be longer than ``width``."""
    if not rows:
        return ""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    if wrap is not None:
        others = sum(w + 2 for i, w in enumerate(widths) if i != wrap)
        widths[wrap] = min(widths[wrap], max(24, width - 2 - others))
    lines: list[str] = []
    for row in rows:
        for cells in _broken(row, wrap, widths):
            aligned = (
                cell.rjust(w) if i in right else cell.ljust(w)
                for i, (cell, w) in enumerate(zip(cells, widths, strict=True))
            )
            lines.append(("  " + "  ".join(aligned)).rstrip())
    return "\n".join(lines)


def _broken(row: Sequence[str], wrap: int | None, widths: Sequence[int]) -> list[list[str]]:
    """A row as the lines that it takes."""
    if wrap is None or len(row[wrap]) <= widths[wrap]:
        return [list(row)]
    first, *rest = wrapped(row[wrap], widths[wrap])
    lines = [[first if i == wrap else cell for i, cell in enumerate(row)]]
    return lines + [[line if i == wrap else "" for i in range(len(row))] for line in rest]


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines, broken between words, where it can be outside of brackets; a longer word stays whole."""

    def glued(together: re.Match[str]) -> str:
        return together[0].replace(" ", _GLUE) if len(together[0]) <= width // 2 else together[0]

    lines = textwrap.wrap(_TOGETHER.sub(glued, text), width, break_long_words=False, break_on_hyphens=False)
    return [line.replace(_GLUE, " ") for line in lines] or [""]


def size(count: int) -> str:
    """A number of bytes for a person: ``5.4 MB`` (of 1,000,000 bytes each)."""
    value = float(count)
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:,.1f} {unit}"
        value /= 1000
    raise AssertionError


def volume(*tables: tuple[int, int]) -> str:
    """The size of tables for a person, of the items and bytes of each; some servers do not count the bytes."""
    return "not known" if any(items and not count for items, count in tables) else size(sum(t[1] for t in tables))


# Less than that is not worth a number.
CENT = 0.01


def dollars(amount: float) -> str:
    """An amount of money for a person."""
    if amount == 0:
        return "$0"
    return f"${amount:,.2f}" if amount >= CENT else "less than $0.01"


def duration(seconds: float) -> str:
    """A length of time for a person: ``8 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 1:
        return "1 s" if seconds > 0.5 else "less than 1 s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def rate(units: float) -> str:
    """Units per second for a person; where there are few, their fractions matter."""
    return f"{units:,.0f}" if units >= 10 or units == int(units) else f"{units:,.2f}".rstrip("0")
