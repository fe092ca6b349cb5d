"""Readers of the parts that times are made of: numbers, fractions, names, offsets, literals.

In: a text and a position. Out: the new position, with what was read saved in a ``Reading``; ``MismatchError``
otherwise.

Invariant: only the ASCII digits are digits, nothing is skipped, and the position of a mismatch is Joda-Time's.
"""

from functools import cache

from ddbetl.time.chronology import MILLIS_PER_HOUR, MILLIS_PER_MINUTE, MILLIS_PER_SECOND, FieldName
from ddbetl.time.names import EXAMPLES, LONGEST, SHORT_ZONES, SPELLINGS
from ddbetl.time.reading import MismatchError, Reading
from ddbetl.time.zone import zone, zone_names

_DIGITS = frozenset("0123456789")
_MOST_INT = 2**31 - 1
# The length of "Antarctica/": how far Joda-Time looks for the slash of a zone's id.
LONGEST_REGION = 11


def read_number(text: str, start: int, name: FieldName, most_digits: int, signed: bool, reading: Reading) -> int:
    """Read 1 to ``most_digits`` digits, with a sign before them if ``signed`` (but never before a single digit)."""
    at = start
    if signed and most_digits > 1 and text[at : at + 1] in ("-", "+") and text[at + 1 : at + 2] in _DIGITS:
        at += 1
    end = digits_end(text, at, at + most_digits)
    if end == at:
        raise MismatchError(start, f"a digit of the {name}")
    value = int(text[start:end])
    if abs(value) > _MOST_INT:
        raise MismatchError(start, f"a {name} of at most {_MOST_INT}")
    reading.save(name, value, start)
    return end


def digits_end(text: str, start: int, limit: int) -> int:
    """Give the end of the digits at ``start``, at most ``limit``."""
    end = start
    limit = min(limit, len(text))
    while end < limit and text[end] in _DIGITS:
        end += 1
    return end


def read_two_digit_year(
    text: str, start: int, name: FieldName, lenient: bool, pivot_year: int, reading: Reading
) -> int:
    """Read a year of two digits around the pivot (pivot - 50 to pivot + 49), or, if lenient, any other literal year.

    A lenient one passes over all plus signs before it.
    """
    if lenient:
        first = start
        while text.startswith("+", first):
            first += 1
        negative = text.startswith("-", first)
        end = digits_end(text, first + negative, len(text))
        if end == first or end == len(text) == first + negative:
            raise MismatchError(first, f"a digit of the {name}")
        if negative or first > start or end - first != 2:
            # After a lone minus sign Joda-Time takes the next character for a digit, and reads it once more.
            value = ord("0") - ord(text[end]) if end == first + negative else int(text[first:end])
            if abs(value) > _MOST_INT:
                raise MismatchError(start, f"a {name} of at most {_MOST_INT}")
            reading.save(name, value, start)
            return end
    elif digits_end(text, start, start + 2) != start + 2:
        raise MismatchError(start, f"two digits of the {name}")
    low = pivot_year - 50
    reading.save(name, low + (int(text[start : start + 2]) - low) % 100, start)
    return start + 2


def read_fraction(text: str, start: int, name: FieldName, unit_millis: int, most_digits: int, reading: Reading) -> int:
    """Read a decimal fraction of a unit, truncated to milliseconds digit by digit."""
    end = digits_end(text, start, start + most_digits)
    if end == start:
        raise MismatchError(start, f"a digit of the {name}")
    weight = unit_millis * 10
    value = 0
    for digit in text[start:end]:
        weight //= 10
        value += int(digit) * weight
    reading.save(name, value // 10, start)
    return end


def read_name(text: str, start: int, name: FieldName, reading: Reading) -> int:
    """Read the longest spelling of a name."""
    spellings = SPELLINGS[name]
    for end in range(min(len(text), start + LONGEST[name]), start, -1):
        value = spellings.get(text[start:end])
        if value is not None:
            reading.save(name, value, start)
            return end
    raise MismatchError(start, EXAMPLES[name])


def read_offset(text: str, start: int, reading: Reading) -> int:
    """Read ``Z`` or an offset: ±hh, ±hhmm, ±hh:mm, and with seconds and their fraction."""
    if text[start : start + 1] in ("Z", "z"):
        reading.offset = 0
        return start + 1
    if len(text) - start <= 1 or text[start] not in "+-":
        raise MismatchError(start, "an offset such as +05:30, or Z")
    negative = text[start] == "-"
    value, at = _two_digits(text, start + 1, 23, "hours")
    size = value * MILLIS_PER_HOUR
    colon = text.startswith(":", at)
    for part, unit in (("minutes", MILLIS_PER_MINUTE), ("seconds", MILLIS_PER_SECOND)):
        if not (text.startswith(":", at) if colon else text[at : at + 1] in _DIGITS):
            break
        value, at = _two_digits(text, at + colon, 59, part)
        size += value * unit
    else:
        if not colon or text[at : at + 1] in (".", ","):
            end = digits_end(text, at + colon, at + colon + 3)
            if end > at + colon:
                size += int(text[at + colon : end].ljust(3, "0"))
                at = end
            elif colon:
                raise MismatchError(at + 1, "a digit of the offset's fraction")
    reading.offset = -size if negative else size
    return at


def _two_digits(text: str, at: int, most: int, part: str) -> tuple[int, int]:
    if digits_end(text, at, at + 2) != at + 2:
        raise MismatchError(at, f"two digits of the offset's {part}")
    value = int(text[at : at + 2])
    if value > most:
        raise MismatchError(at, f"{part} of an offset from 00 to {most}")
    return value, at + 2


def read_literal(text: str, start: int, literal: str) -> int:
    """Read text that stands for itself; case does not count."""
    end = start + len(literal)
    found = text[start:end]
    if found != literal and (len(found) != len(literal) or not all(map(_same_letter, found, literal))):
        raise MismatchError(start, f"'{literal}'")
    return end


def _same_letter(a: str, b: str) -> bool:
    return a == b or _upper(a) == _upper(b) or _lower(_upper(a)) == _lower(_upper(b))


def _upper(char: str) -> str:
    upper = char.upper()
    if len(upper) > 1:
        # A letter whose capital is written with two; its title case is the single capital, where there is one.
        upper = char.title()
    return upper if len(upper) == 1 else char


def _lower(char: str) -> str:
    return char.lower()[0]


def read_zone_id(text: str, start: int, reading: Reading) -> int:
    """Read the longest known id.

    A slash near the start belongs to the id: after it has been found, ids without one are not considered (``UTC
    1/2/2017`` names no zone), as in Joda-Time.
    """
    slash = text.find("/", start, start + LONGEST_REGION)
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


def read_zone_name(text: str, start: int, reading: Reading) -> int:
    name = max((name for name in SHORT_ZONES if text.startswith(name, start)), key=len, default="")
    if not name:
        raise MismatchError(start, "one of " + " ".join(SHORT_ZONES))
    reading.zone = zone(SHORT_ZONES[name])
    return start + len(name)
