"""The fast path: printing instants as DuckDB expressions, behind a guard.

In: a pattern (or None for the form of ``DateTime.toString()``), a zone, an SQL expression of type BIGINT, epoch
milliseconds. Out: SQL text.

Invariant: as for reading: where the guard is true the text equals the reference's, elsewhere it is NULL.
"""

from dataclasses import dataclass

from ddbetl.time.chronology import MILLIS_PER_DAY, days_from_civil
from ddbetl.time.fast_zone import instant_to_local
from ddbetl.time.pattern import (
    Field,
    Fraction,
    Literal,
    Name,
    Number,
    Offset,
    Pattern,
    TwoDigitYear,
    ZoneId,
    compile_pattern,
)
from ddbetl.time.zone import Zone
from ddbetl.time.zone_names import canonical_id

_ISO = compile_pattern("yyyy-MM-dd'T'HH:mm:ss.SSS")
# Years that strftime prints with four digits, with a day to spare for the offset.
_FIRST = (days_from_civil(1000, 1, 1) + 1) * MILLIS_PER_DAY
_LAST = (days_from_civil(10_000, 1, 1) - 1) * MILLIS_PER_DAY
_MOST_FRACTION_DIGITS = 15

# The formats for 1, 2, … letters.
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
    "day of year": ("%-j", "", "%j"),
    "week": ("", "%V"),
}


@dataclass(frozen=True, slots=True)
class FastFormat:
    """SQL that prints a time: ``guard`` (BOOLEAN, never NULL), ``text`` (VARCHAR, NULL where the guard is false)."""

    guard: str
    text: str


def fast_format(pattern: Pattern | None, zone: Zone, column: str) -> FastFormat | None:
    """Translate the printing of a column of epoch milliseconds; None when it is not exact in DuckDB.

    ``column`` is repeated: let it be a name rather than a long expression.
    """
    local = instant_to_local(zone, f"CASE WHEN {column} BETWEEN {_FIRST} AND {_LAST} THEN {column} END")
    if local is None:
        return None
    # Runs of strftime formats, and SQL expressions for what strftime cannot print.
    pieces: list[str] = []
    formats = ""
    for field in _ISO.fields if pattern is None else pattern.fields:
        if isinstance(field, Offset):
            pieces += [_strftime(formats), _offset(column, ":" if field.colon else "")]
            formats = ""
            continue
        part = _part(field, zone)
        if not part:
            return None
        formats += part
    pieces.append(_strftime(formats))
    if pattern is None:
        pieces.append(_offset_or_z(column))
    text = " || ".join(piece for piece in pieces if piece)
    text = f"list_transform([{local}], lambda l: {text})[1]"
    return FastFormat(f"({text} IS NOT NULL)", text)


def _strftime(formats: str) -> str:
    """Print the local milliseconds ``l``."""
    quoted = formats.replace("'", "''")
    return f"strftime(make_timestamp(l * 1000), '{quoted}')" if formats else ""


def _offset(column: str, separator: str) -> str:
    """Print the offset as hours and minutes; they are cut, as Joda-Time cuts them."""
    size = f"strftime(make_timestamp(abs(l - {column}) * 1000), '%H{separator}%M')"
    return f"CASE WHEN l < {column} THEN '-' ELSE '+' END || {size}"


def _offset_or_z(column: str) -> str:
    """Print the offset as ``DateTime.toString()`` does; NULL for one with seconds."""
    return f"CASE WHEN l = {column} THEN 'Z' WHEN (l - {column}) % 60000 = 0 THEN {_offset(column, ':')} END"


def _part(field: Field, zone: Zone) -> str | None:
    """Give a field's strftime format; empty or None if there is none."""
    match field:
        case Literal(text):
            return text.replace("%", "%%")
        case Number():
            forms = _NUMBERS.get(field.name, ())
            return forms[field.count - 1] if field.count <= len(forms) else None
        case TwoDigitYear(name="year"):
            return "%y"
        case Fraction(count=count) if 3 <= count <= _MOST_FRACTION_DIGITS:
            return "%g" + "0" * (count - 3)
        case Name(name="month"):
            return "%b" if field.short else "%B"
        case Name(name="day of week"):
            return "%a" if field.short else "%A"
        case Name(name="half of day"):
            return "%p"
        case Name(name="era"):
            return "AD"
        case ZoneId():
            return canonical_id(zone.name)
        case _:
            return None
