"""Why a pattern has no fast path.

In: a pattern, the pivot of two-digit years. Out: a few words for ``explain``; empty where there is a fast path.

Invariant: it is empty exactly where ``shape_of``, or ``fast_format`` in any zone, has a result.
"""

from ddbetl.time.fast_print import fast_format
from ddbetl.time.fast_shapes import shape_of
from ddbetl.time.pattern import Field, Fraction, Literal, Name, Number, Offset, Pattern, TwoDigitYear, ZoneId, ZoneName
from ddbetl.time.zone import UTC_ZONE


def why_not_read_fast(pattern: Pattern, pivot_year: int) -> str:
    """Say which part of a pattern DuckDB cannot read exactly as Joda-Time does."""
    if shape_of(pattern, pivot_year) is not None:
        return ""
    odd = next((said for part in pattern.fields if (said := _unread(pattern, part))), "")
    if odd:
        return odd
    letters = [letter for part in pattern.fields if (letter := _letter(part))]
    twice = next((letter for index, letter in enumerate(letters) if letter in letters[:index]), "")
    if twice:
        return f"{twice} stands in it twice"
    if any(isinstance(part, Offset) for part in pattern.fields[:-1]):
        return "what follows the offset could be a part of it"
    if "E" in letters and pattern.fields[0] != next(p for p in pattern.fields if _letter(p) == "E"):
        return "the day's name (E) is not the first part"
    if any(_touch(one, other) for one, other in zip(pattern.fields, pattern.fields[1:], strict=False)):
        return "numbers stand side by side whose digits vary"
    return "its parts are no whole date, or say something twice"


def _unread(pattern: Pattern, part: Field) -> str:
    match part:
        case ZoneId():
            return f"the zone's id ({_letters(pattern, part)})"
        case ZoneName():
            return f"the zone's name ({_letters(pattern, part)})"
        case Name(name="era"):
            return f"the era ({_letters(pattern, part)})"
        case Number(name="century of era"):
            return f"the century ({_letters(pattern, part)})"
        case Number(name="clock hour" | "hour of half"):
            return f"the hour counted by {part.letter}"
        case Name(name="day of week", short=False):
            return f"the day's whole name ({_letters(pattern, part)})"
        case TwoDigitYear(name="week-year"):
            return f"a week-year of two digits ({_letters(pattern, part)})"
        case TwoDigitYear():
            return ""
        case Number(name="year" | "year of era" | "week-year", most_digits=most) if most < 4:
            return f"a year of fewer than four digits ({_letters(pattern, part)})"
        case _:
            return ""


def why_not_printed_fast(pattern: Pattern | None) -> str:
    """Say which part of a pattern DuckDB cannot print exactly as Joda-Time does."""
    if pattern is None or fast_format(pattern, UTC_ZONE, "x") is not None:
        return ""
    for part in pattern.fields:
        # Alone it has no fast path either.
        alone = Pattern(_letters(pattern, part), (part,), ())
        if not isinstance(part, Literal) and fast_format(alone, UTC_ZONE, "x") is None:
            return f"the form of {_letters(pattern, part)}"
    return "its parts"


def _letters(pattern: Pattern, part: Field) -> str:
    return pattern.text[part.position : part.position + part.length]


def _letter(part: Field) -> str:
    match part:
        case Number(letter="Y") | TwoDigitYear(letter="Y"):
            return "y"
        case Number(letter=letter) | TwoDigitYear(letter=letter) | Name(letter=letter):
            return letter
        case Fraction():
            return "S"
        case Offset():
            return "Z"
        case _:
            return ""


def _touch(one: Field, other: Field) -> bool:
    number = Number | TwoDigitYear | Fraction
    starts_with_digit = isinstance(other, number) or (isinstance(other, Literal) and other.text[0].isdigit())
    return isinstance(one, number) and starts_with_digit
