"""ddbetl answers every question of the corpus as the real Joda-Time did."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from ddbetl.time import PatternError, TimeError, compile_pattern, format_millis, parse_millis, pivot_of, zone
from ddbetl.time.parse import parse_by_reference

CORPUS = Path(__file__).parent / "data" / "joda" / "corpus.tsv"
# The generator's clock stands in 2017.
PIVOT = pivot_of(2017)


@dataclass(frozen=True, slots=True)
class Row:
    kind: str
    pattern: str
    zone: str
    input: str
    outcome: str
    result: str


def unescaped(text: str) -> str:
    named = {"t": "\t", "n": "\n", "r": "\r"}
    return re.sub(
        r"\\(u[0-9a-f]{4}|.)",
        lambda match: chr(int(match[1][1:], 16)) if len(match[1]) > 1 else named.get(match[1], match[1]),
        text,
    )


def load() -> list[Row]:
    lines = CORPUS.read_text(encoding="ascii").splitlines()[1:]
    return [Row(*map(unescaped, line.split("\t"))) for line in lines]


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return load()


def answer(row: Row) -> tuple[str, str]:
    """Give outcome and result; all outcomes of a text that cannot be read are the outcome ``error``."""
    try:
        pattern = compile_pattern(row.pattern, row.kind) if row.pattern else None
    except PatternError:
        return "refused", ""
    if row.kind == "print":
        return "ok", format_millis(pattern, int(row.input), zone(row.zone))
    try:
        return "ok", str(parse_millis(pattern, row.input, zone(row.zone), PIVOT))
    except TimeError as error:
        return "error", str(error.position)


def expected(row: Row) -> tuple[str, str]:
    match row.outcome:
        case "ok":
            return "ok", row.result
        case "pattern" | "cannot":
            return "refused", ""
        case _:
            return "error", row.result


def test_the_corpus_is_large_enough(rows: list[Row]) -> None:
    assert len(rows) >= 5_000
    assert len({row.pattern for row in rows}) >= 150
    assert len({row.zone for row in rows}) >= 15
    outcomes = Counter((row.kind, row.outcome) for row in rows)
    for wanted in ("ok", "syntax", "value", "gap", "pattern"):
        assert outcomes["parse", wanted] >= 50


@pytest.mark.parametrize("outcome", ["ok", "pattern", "cannot", "syntax", "value", "gap"])
def test_every_row_agrees(rows: list[Row], outcome: str) -> None:
    chosen = [row for row in rows if row.outcome == outcome]
    # Positions of pattern mismatches are Joda-Time's; those of values and of the ISO forms are more exact than its own.
    positions = outcome == "syntax"
    wrong = []
    for row in chosen:
        found, wanted = answer(row), expected(row)
        same = found == wanted if outcome == "ok" or (positions and row.pattern) else found[0] == wanted[0]
        if not same:
            wrong.append((row, found))
    assert not wrong, f"{len(wrong)} of {len(chosen)} rows differ, first: {wrong[:5]}"


def test_the_compiled_readers_agree_with_the_reference(rows: list[Row]) -> None:
    for row in rows:
        if row.kind == "print" or row.outcome in ("pattern", "cannot"):
            continue
        pattern = compile_pattern(row.pattern) if row.pattern else None
        try:
            wanted: object = parse_by_reference(pattern, row.input, zone(row.zone), PIVOT)
        except TimeError as error:
            wanted = error.message
        try:
            found: object = parse_millis(pattern, row.input, zone(row.zone), PIVOT)
        except TimeError as error:
            found = error.message
        assert found == wanted, row
