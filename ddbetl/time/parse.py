"""The reference parser: one text by a pattern, or by the ISO forms, to epoch milliseconds, exactly as Joda-Time.

In: a compiled pattern (or None), a text, the zone of texts that name none, the pivot of two-digit years. Out: an int.

Invariant: no text makes it raise anything but ``TimeError``, whose position is where Joda-Time gives up, or where the
field at fault was read.
"""

from collections.abc import Callable
from functools import lru_cache

from ddbetl.time.compiled import iso_reader, pattern_reader
from ddbetl.time.errors import PatternError, TimeError, quoted
from ddbetl.time.iso import read_iso
from ddbetl.time.pattern import Fraction, Literal, Name, Number, Offset, Pattern, TwoDigitYear, ZoneId, ZoneName
from ddbetl.time.reading import MismatchError, Reading, ResolveError, resolve
from ddbetl.time.scan import (
    read_fraction,
    read_literal,
    read_name,
    read_number,
    read_offset,
    read_two_digit_year,
    read_zone_id,
    read_zone_name,
)
from ddbetl.time.zone import GapError, Zone

_PIVOT_YEARS_BACK = 30


def pivot_of(year: int) -> int:
    """Give the pivot of two-digit years for a job that runs in ``year``: they mean pivot - 50 to pivot + 49."""
    return year - _PIVOT_YEARS_BACK


def parse_millis(pattern: Pattern | None, text: str, zone: Zone, pivot_year: int) -> int:
    """Read a text and give epoch milliseconds; without a pattern, by the ISO forms.

    Raises ``TimeError``. For many texts take the function that ``parser`` gives.
    """
    return parser(pattern, zone, pivot_year)(text)


@lru_cache(maxsize=256)
def parser(pattern: Pattern | None, zone: Zone, pivot_year: int) -> Callable[[str], int]:
    """Make the function from a text to epoch milliseconds; it raises ``TimeError``."""
    read_common = iso_reader() if pattern is None else pattern_reader(pattern, pivot_year)
    rules = zone.rules
    fixed_offset = zone.fixed_offset or 0

    def parse_by_fields(text: str) -> int:
        return parse_by_reference(pattern, text, zone, pivot_year)

    if read_common is None:
        return parse_by_fields

    def parse(text: str) -> int:
        read = read_common(text)
        if read is None:
            return parse_by_fields(text)
        local, named = read
        if named is None:
            if rules is None:
                return local - fixed_offset
            named = zone
        elif isinstance(named, int):
            return local - named
        try:
            return named.instant_of(local)
        except GapError:
            return parse_by_fields(text)

    return parse


def parse_by_reference(pattern: Pattern | None, text: str, zone: Zone, pivot_year: int) -> int:
    """Do what ``parse_millis`` does, field by field: slower, and the origin of all messages."""
    try:
        reading = read_iso(text) if pattern is None else read_pattern(pattern, text, pivot_year)
        return resolve(reading, zone)
    except MismatchError as error:
        raise _fault(pattern, text, error.position, f"expected {error.expected}") from None
    except ResolveError as error:
        raise _fault(pattern, text, error.position, str(error)) from None


def read_pattern(pattern: Pattern, text: str, pivot_year: int) -> Reading:
    """Read a whole text by a pattern, field by field; raise ``MismatchError``."""
    reading = Reading()
    at = 0
    for field in pattern.fields:
        match field:
            case Literal(literal):
                at = read_literal(text, at, literal)
            case Number():
                at = read_number(text, at, field.name, field.most_digits, field.signed, reading)
            case Fraction():
                at = read_fraction(text, at, "fraction of second", 1000, field.most_digits, reading)
            case TwoDigitYear():
                at = read_two_digit_year(text, at, field.name, field.lenient, pivot_year, reading)
            case Name():
                at = read_name(text, at, field.name, reading)
            case Offset():
                at = read_offset(text, at, reading)
            case ZoneId():
                at = read_zone_id(text, at, reading)
            case ZoneName(short=short):
                if not short and len(pattern.fields) > 1:
                    raise PatternError("zzzz can only be printed", field.position, field.length)
                at = read_zone_name(text, at, reading)
    if at < len(text):
        raise MismatchError(at, "the end of the text")
    return reading


def _fault(pattern: Pattern | None, text: str, position: int, reason: str) -> TimeError:
    what = "is not an ISO-8601 time" if pattern is None else f"does not match {pattern.text}"
    return TimeError(f"{quoted(text)} {what} at position {position} ({reason})", position, reason)
