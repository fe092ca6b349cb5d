"""The fast path: reading times as DuckDB expressions, behind a guard.

In: a pattern (or None for the ISO forms), a zone, an SQL expression of type VARCHAR. Out: SQL text.

Invariant: where the guard is true, the value equals the reference's; on any other text the value is NULL. Neither
fails on any text, and neither depends on the session's time zone or on DuckDB's zone data.
"""

from dataclasses import dataclass

from ddbetl.time.fast_shapes import OFFSET_REGEX, Shape, shape_of
from ddbetl.time.fast_zone import local_to_instant
from ddbetl.time.pattern import Pattern
from ddbetl.time.zone import Zone

_DATE = "[0-9]{4}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12][0-9]|3[01])"
_CLOCK = "(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9](?::[0-5]?[0-9](?:[.][0-9]{1,9})?)?"
_BOTH_GROUPS = r"\1\2"
# Added before dividing, so that microseconds of the years from 0 are cut toward the past; an offset can go back a day
# further than 1 January of the year 0.
_YEAR_0_MICROS = 62_167_219_200_000_000 + 86_400_000_000


@dataclass(frozen=True, slots=True)
class FastParse:
    """SQL that reads a time: ``guard`` (BOOLEAN, never NULL), ``millis`` (BIGINT, NULL where the guard is false)."""

    guard: str
    millis: str


def fast_parse(pattern: Pattern | None, zone: Zone, column: str, pivot_year: int | None = None) -> FastParse | None:
    """Translate the reading of a column; None when nothing of the pattern is exact in DuckDB.

    ``column`` is repeated: let it be a name rather than a long expression. Two-digit years need the ``pivot_year``.
    """
    millis = _iso(zone, column) if pattern is None else _pattern(pattern, zone, column, pivot_year)
    return None if millis is None else FastParse(f"({millis} IS NOT NULL)", millis)


def _iso(zone: Zone, column: str) -> str:
    with_offset = f"{_DATE}T{_CLOCK}(?:Z|{OFFSET_REGEX})"
    instant = _floored(f"TRY_CAST({column} AS TIMESTAMPTZ)")
    without_offset = _matching(column, f"{_DATE}(?:T{_CLOCK})?")
    local = local_to_instant(zone, _floored(f"TRY_CAST({without_offset} AS TIMESTAMP)"))
    otherwise = "" if local is None else f" ELSE {local}"
    return f"CASE WHEN regexp_full_match({column}, {_text(with_offset)}) THEN {instant}{otherwise} END"


def _pattern(pattern: Pattern, zone: Zone, column: str, pivot_year: int | None) -> str | None:
    shape = shape_of(pattern, pivot_year)
    if shape is None:
        return None
    if not shape.has_offset:
        return local_to_instant(zone, _read(shape, column, "", ""))
    return f"COALESCE({_read(shape, column, OFFSET_REGEX, '%z')}, {_read(shape, column, 'Z', 'Z')})"


def _read(shape: Shape, column: str, offset_regex: str, offset_format: str) -> str:
    """Read the texts with one form of offset, as milliseconds; NULL for others."""
    before, after = shape.regexes
    text = _matching(column, before + offset_regex + after)
    time = _strptime(shape, text, offset_format)
    if shape.day_name:
        if offset_format == "%z":
            # The day's name belongs to the local date, and strftime would take the session's.
            local = f"regexp_replace({text}, {_text(f'^({before}){offset_regex}({after})$')}, {_text(_BOTH_GROUPS)})"
            day = _strptime(shape, local, "")
        else:
            day = time
        time = f"CASE WHEN strftime({day}, '%a') = substr({column}, 1, 3) THEN {time} END"
    return _floored(time) if shape.sub_millis else f"(epoch_us({time}) // 1000)"


def _strptime(shape: Shape, text: str, offset_format: str) -> str:
    if shape.prefix:
        text = f"({_text(shape.prefix)} || {text})"
    return f"try_strptime({text}, {_text(shape.formats[0] + offset_format + shape.formats[1])})"


def _matching(column: str, regex: str) -> str:
    """Give the text where it matches, else NULL."""
    return f"CASE WHEN regexp_full_match({column}, {_text(regex)}) THEN {column} END"


def _floored(time: str) -> str:
    return f"((epoch_us({time}) + {_YEAR_0_MICROS}) // 1000 - {_YEAR_0_MICROS // 1000})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
