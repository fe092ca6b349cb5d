"""The reference parser: one text by a pattern, or by the ISO forms, to epoch milliseconds, exactly as Joda-Time.

In: a compiled pattern (or None), a text, the zone of texts that name none, the pivot of two-digit years. Out: an int.

Invariant: no text makes it raise anything but ``TimeError``, whose position is where Joda-Time gives up, or where the field at
fault was read.
"""

from functools import cache

from ddbetl.time.errors import PatternError, TimeError, quoted
from ddbetl.time.iso import read_iso
from ddbetl.time.names import SHORT_ZONES
from ddbetl.time.pattern import Fraction, Literal, Name, Number, Offset, Pattern, TwoDigitYear, ZoneId, ZoneName
from ddbetl.time.reading import MismatchError, Reading, ResolveError, resolve
from ddbetl.time.scan import read_fraction, read_literal, read_name, read_number, read_offset, read_two_digit_year
from ddbetl.time.zone import Zone, zone, zone_names

_PIVOT_YEARS_BACK = 30
# The length of "Antarctica/": how far Joda-Time looks for the slash of an id.
_LONGEST_REGION = 11


def pivot_of(year: int) -> int:
    """Give the pivot of two-digit years for a job that runs in ``year``: they mean pivot - 50 to pivot + 49."""
    return year - _PIVOT_YEARS_BACK


def parse_millis(pattern: Pattern | None, text: str, zone: Zone, pivot_year: int) -> int:
    """Read a text and give epoch milliseconds; without a pattern, by the ISO forms.

    Raises ``TimeError``.
    """
    try:
        reading = read_iso(text) if pattern is None else read_pattern(pattern, text, pivot_year)
        return resolve(reading, zone)
    except MismatchError as error:
        raise TimeError(_message(pattern, text, error.position, f"expected {error.expected}"), error.position) from None
    except ResolveError as error:
        raise TimeError(_message(pattern, text, error.position, str(error)), error.position) from None


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
                at = _read_zone_id(text, at, reading)
            case ZoneName(short=short):
                if not short and len(pattern.fields) > 1:
                    raise PatternError("zzzz can only be printed", field.position, field.length)
                at = _read_zone_name(text, at, reading)
    if at < len(text):
        raise MismatchError(at, "the end of the text")
    return reading


def _read_zone_id(text: str, start: int, reading: Reading) -> int:
    """Read the longest known id.

    A slash near the start belongs to the id: after it has been found, ids without one are not considered (``UTC 1/2/2017``
    names no zone), as in Joda-Time.
    """
    slash = text.find("/", start, start + _LONGEST_REGION)
    names = _names_by_region().get(text[start : slash + 1] if slash >= 0 else "", ())
    name = max((name for name in names if text.startswith(name, start)), key=len, default="")
    if not name:
        raise MismatchError(start, "the id of a time zone")
    reading.zone = zone(name)
    return start + len(name)


@cache
def _names_by_region() -> dict[str, tuple[str, ...]]:
    """Group the ids by what stands before their first slash, slash included."""
    regions: dict[str, list[str]] = {}
    for name in zone_names():
        regions.setdefault(name[: name.find("/") + 1], []).append(name)
    return {region: tuple(names) for region, names in regions.items()}


def _read_zone_name(text: str, start: int, reading: Reading) -> int:
    name = max((name for name in SHORT_ZONES if text.startswith(name, start)), key=len, default="")
    if not name:
        raise MismatchError(start, "one of " + " ".join(SHORT_ZONES))
    reading.zone = zone(SHORT_ZONES[name])
    return start + len(name)


def _message(pattern: Pattern | None, text: str, position: int, reason: str) -> str:
    what = "is not an ISO-8601 time" if pattern is None else f"does not match {pattern.text}"
    return f"{quoted(text)} {what} at position {position} ({reason})"
