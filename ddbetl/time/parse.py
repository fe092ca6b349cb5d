"""The reference parser: one text by a pattern, or by the ISO forms, to epoch milliseconds, exactly as Joda-Time.

In: a compiled pattern (or None), a text, the zone of texts that name none, the pivot of two-digit years. Out: an int.

Invariant: no text makes it raise anything but ``TimeError``, whose position is where Joda-Time gives up, or where the field at
fault was read.
"""

from ddbetl.time.errors import PatternError, TimeError, quoted
from ddbetl.time.iso import read_iso
from ddbetl.time.names import SHORT_ZONES
from ddbetl.time.pattern import Fraction, Literal, Name, Number, Offset, Pattern, TwoDigitYear, ZoneId, ZoneName
from ddbetl.time.reading import MismatchError, Reading, ResolveError, resolve
from ddbetl.time.scan import read_fraction, read_literal, read_name, read_number, read_offset, read_two_digit_year
from ddbetl.time.zone import Zone, zone, zone_names

_PIVOT_YEARS_BACK = 30


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
                at = _read_zone(text, at, dict.fromkeys(zone_names()), "the id of a time zone", reading)
            case ZoneName(short=True):
                at = _read_zone(text, at, SHORT_ZONES, "one of " + " ".join(SHORT_ZONES), reading)
            case ZoneName():
                raise PatternError("zzzz can only be printed", field.position, field.length)
    if at < len(text):
        raise MismatchError(at, "the end of the text")
    return reading


def _read_zone(text: str, start: int, names: dict[str, str] | dict[str, None], expected: str, reading: Reading) -> int:
    longest = max((name for name in names if text.startswith(name, start)), key=len, default="")
    if not longest:
        raise MismatchError(start, expected)
    reading.zone = zone(names[longest] or longest)
    return start + len(longest)


def _message(pattern: Pattern | None, text: str, position: int, reason: str) -> str:
    what = "is not an ISO-8601 time" if pattern is None else f"does not match {pattern.text}"
    return f"{quoted(text)} {what} at position {position} ({reason})"
