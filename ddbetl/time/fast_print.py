"""The fast path: printing instants as DuckDB expressions, behind a guard.

In: a pattern (or None for the form of ``DateTime.toString()``), a zone, an SQL expression of type BIGINT, epoch milliseconds.
Out: SQL text.

Invariant: as for reading: where the guard is true the text equals the reference's, elsewhere it is NULL.
"""

from dataclasses import dataclass

from ddbetl.time.chronology import MILLIS_PER_DAY, days_from_civil
from ddbetl.time.fast_zone import instant_to_local
from ddbetl.time.pattern import Field, Fraction, Literal, Name, Number, Pattern, TwoDigitYear, compile_pattern
from ddbetl.time.zone import Zone

_ISO = compile_pattern("yyyy-MM-dd'T'HH:mm:ss.SSS")
# Years that strftime prints with four digits, with a day to spare for the offset.
_FIRST = (days_from_civil(1000, 1, 1) + 1) * MILLIS_PER_DAY
_LAST = (days_from_civil(10_000, 1, 1) - 1) * MILLIS_PER_DAY

_NUMBERS: dict[str, tuple[str, ...]] = {
    "year": ("%Y", "%Y", "%Y", "%Y"),
    "year of era": ("%Y", "%Y", "%Y", "%Y"),
    "week-year": ("%G", "%G", "%G", "%G"),
    "month": ("%-m", "%m"),
    "day": ("%-d", "%d"),
    "hour": ("%-H", "%H"),
    "clock hour of half": ("%-I", "%I"),
    "minute": ("%-M", "%M"),
    "second": ("%-S", "%S"),
    "day of week": ("%u",),
}


@dataclass(frozen=True, slots=True)
class FastFormat:
    """SQL for printing a time: ``guard`` (BOOLEAN, never NULL) and ``text`` (VARCHAR, NULL where the guard is false)."""

    guard: str
    text: str


def fast_format(pattern: Pattern | None, zone: Zone, column: str) -> FastFormat | None:
    """Translate the printing of a column of epoch milliseconds; None when it is not exact in DuckDB."""
    fields = _ISO.fields if pattern is None else pattern.fields
    inside = f"CASE WHEN {column} BETWEEN {_FIRST} AND {_LAST} THEN {column} END"
    local = instant_to_local(zone, inside)
    if local is None:
        return None
    format_text = ""
    for field in fields:
        part = _part(field, zone)
        if part is None:
            return None
        format_text += part
    if pattern is None:
        if zone.rules is not None:
            return None
        format_text += zone.name if zone.fixed_offset else "Z"
    quoted = format_text.replace("'", "''")
    text = f"strftime(make_timestamp({local} * 1000), '{quoted}')"
    return FastFormat(f"({text} IS NOT NULL)", text)


def _part(field: Field, zone: Zone) -> str | None:
    match field:
        case Literal(text):
            return text.replace("%", "%%")
        case Number():
            forms = _NUMBERS.get(field.name, ())
            return forms[field.count - 1] if field.count <= len(forms) else None
        case TwoDigitYear(name="year"):
            return "%y"
        case Fraction(count=3):
            return "%g"
        case Name(name="month"):
            return "%b" if field.short else "%B"
        case Name(name="day of week"):
            return "%a" if field.short else "%A"
        case Name(name="half of day"):
            return "%p"
        case _:
            return None
