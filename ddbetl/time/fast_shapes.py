"""Which texts of a pattern DuckDB reads exactly as the reference does, and how.

In: a compiled pattern. Out: a ``Shape``: a regular expression for the texts, a ``strptime`` format for their value;
or None.

The expression is stricter than the pattern: fixed values where DuckDB would be lenient (hour 24, spaces, lower case,
signs), digits in the numbers that the reference would take. A text outside it is only slower, never wrong.

Invariant: every text that matches the expression and that ``strptime`` reads has the reference's value; the regular
expression is RE2's, for a full match.
"""

import string
from dataclasses import dataclass

from ddbetl.time.names import DAYS, MONTHS
from ddbetl.time.pattern import Field, Fraction, Literal, Name, Number, Offset, Pattern, TwoDigitYear

OFFSET_REGEX = "[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?"
_DIGITS = frozenset(string.digits)


@dataclass(frozen=True, slots=True)
class Shape:
    """Texts with one way to read them: a regular expression and a format before the offset, and after it.

    Without an offset all is before it. ``prefix`` goes before the text and its format: the default date. ``day_name``
    says that the text starts with a short day name that has to agree with the date.
    """

    regexes: tuple[str, str]
    formats: tuple[str, str]
    has_offset: bool
    sub_millis: bool
    prefix: str
    day_name: bool


# Sets of date fields without a conflict, and the default date that the reference supplies.
_DATES: dict[frozenset[str], tuple[str, str]] = {
    frozenset(): ("1970-", "%Y-"),
    frozenset({"year"}): ("", ""),
    frozenset({"year", "month"}): ("", ""),
    frozenset({"year", "month", "day"}): ("", ""),
    frozenset({"year", "day of year"}): ("", ""),
    frozenset({"week-year", "week", "day of week"}): ("", ""),
    frozenset({"month"}): ("2000-", "%Y-"),
    frozenset({"month", "day"}): ("2000-", "%Y-"),
    frozenset({"day"}): ("2000-", "%Y-"),
}
_HOURS = frozenset({"hour", "clock hour of half"})
_TIMES = _HOURS | {"half of day", "minute", "second", "fraction of second"}

_REGEX_1_TO_12 = ("0[1-9]|1[0-2]", "[1-9]")
_REGEX_0_TO_59 = ("[0-5][0-9]", "[0-9]")
# For each number: its strptime letter, its digits there, and its values of full width and of fewer digits.
_NUMBERS: dict[str, tuple[str, int, tuple[str, str]]] = {
    "month": ("%m", 2, _REGEX_1_TO_12),
    "day": ("%d", 2, ("0[1-9]|[12][0-9]|3[01]", "[1-9]")),
    "hour": ("%H", 2, ("[01][0-9]|2[0-3]", "[0-9]")),
    "clock hour of half": ("%I", 2, _REGEX_1_TO_12),
    "minute": ("%M", 2, _REGEX_0_TO_59),
    "second": ("%S", 2, _REGEX_0_TO_59),
    # Day 366 and week 53 exist in some years only, which strptime does not check.
    "day of year": ("%j", 3, ("00[1-9]|0[1-9][0-9]|[12][0-9][0-9]|3[0-5][0-9]|36[0-5]", "0?[1-9]|[1-9][0-9]")),
    "week": ("%V", 2, ("0[1-9]|[1-4][0-9]|5[0-2]", "[1-9]")),
    "day of week": ("%u", 1, ("[1-7]", "[1-7]")),
}
# Years that mean the same in the calendar, in weeks and in the era.
_YEAR_REGEX = "[1-9][0-9]{3}"
_YEARS = {"year": "%Y", "year of era": "%Y", "week-year": "%G"}
_MOST_FRACTION_DIGITS = 6


def shape_of(pattern: Pattern, pivot_year: int | None) -> Shape | None:
    """Find the texts of a pattern that DuckDB reads exactly; None when there are none."""
    fields = pattern.fields
    day_name = isinstance(fields[0], Name) and fields[0].name == "day of week" and fields[0].short
    names = _names(fields[1:] if day_name else fields)
    if names is None:
        return None
    date = frozenset(names) - _TIMES
    if date not in _DATES or (day_name and date != {"year", "month", "day"}):
        return None
    regexes, formats = ["", ""], ["", ""]
    side = 0
    for index, field in enumerate(fields):
        if isinstance(field, Offset):
            if _continues_offset(fields[index + 1 :]):
                return None
            side = 1
            continue
        digit_follows = index + 1 < len(fields) and _may_start_with_digit(fields[index + 1])
        if isinstance(field, Name) and field.name == "day of week" and not (day_name and index == 0):
            # Beside week and week-year, strptime reads the day's name and forgets it.
            return None
        part = _part(field, digit_follows, "half of day" in names, pivot_year)
        if part is None:
            return None
        regexes[side] += part[0]
        formats[side] += part[1]
    prefix, prefix_format = _DATES[date]
    digits = max((field.count for field in fields if isinstance(field, Fraction)), default=0)
    return Shape(
        regexes=(regexes[0], regexes[1]),
        formats=(prefix_format + formats[0], formats[1]),
        has_offset=pattern.has_offset,
        sub_millis=digits > 3,
        prefix=prefix,
        day_name=day_name,
    )


def _names(fields: tuple[Field, ...]) -> list[str] | None:
    """List the names of the fields that are read; None if one conflicts with another."""
    names: list[str] = []
    offsets = 0
    for field in fields:
        match field:
            case Number() | TwoDigitYear() | Name():
                names.append("year" if field.name == "year of era" else field.name)
            case Fraction():
                names.append("fraction of second")
            case Offset():
                offsets += 1
            case Literal():
                pass
            case _:
                return None
    if len(set(names)) != len(names) or offsets > 1:
        return None
    hours = [name for name in names if name in _HOURS]
    if len(hours) > 1 or ("half of day" in names and hours != ["clock hour of half"]):
        return None
    return names


def _may_start_with_digit(field: Field) -> bool:
    match field:
        case Literal(text):
            return text[0] in _DIGITS
        case Number() | TwoDigitYear() | Fraction():
            return True
        case _:
            return False


def _continues_offset(following: tuple[Field, ...]) -> bool:
    """Tell whether what follows an offset could be taken for its minutes or seconds."""
    if not following:
        return False
    field = following[0]
    return not isinstance(field, Literal) or field.text[0] in ":.," or field.text[0] in _DIGITS


def _part(field: Field, digit_follows: bool, has_half: bool, pivot_year: int | None) -> tuple[str, str] | None:
    """Give a field's regular expression and strptime text."""
    match field:
        case Literal(text):
            return _escaped(text), text.replace("%", "%%")
        case Name(name=name, short=short):
            return _name_part(name, short)
        case Fraction():
            most = min(field.most_digits, _MOST_FRACTION_DIGITS)
            return None if digit_follows else (f"[0-9]{{1,{most}}}", "%g" if field.count <= 3 else "%f")
        case TwoDigitYear(lenient=lenient):
            # A lenient one takes all digits that follow.
            return None if lenient and digit_follows else _two_digit_year(field, pivot_year)
        case Number() if field.name in _YEARS:
            fits = field.most_digits == 4 if digit_follows else field.most_digits >= 4
            return (_YEAR_REGEX, _YEARS[field.name]) if fits else None
        case Number() if field.name in _NUMBERS:
            return _number_part(field, digit_follows, has_half)
        case _:
            return None


def _number_part(field: Number, digit_follows: bool, has_half: bool) -> tuple[str, str] | None:
    text, width, (full, fewer) = _NUMBERS[field.name]
    if field.name == "clock hour of half" and not has_half:
        # Without AM or PM, 12 is midnight for the reference and noon for DuckDB.
        full = "0[1-9]|1[01]"
    if digit_follows:
        return (f"(?:{full})", text) if field.most_digits == width else None
    return f"(?:{full}|{fewer})", text


def _name_part(name: str, short: bool) -> tuple[str, str] | None:
    match name:
        case "month":
            return f"(?:{'|'.join(month[:3] if short else month for month in MONTHS)})", "%b" if short else "%B"
        case "day of week" if short:
            return f"(?:{'|'.join(day[:3] for day in DAYS)})", "%a"
        case "half of day":
            return "(?:AM|PM|am|pm)", "%p"
        case _:
            return None


def _two_digit_year(field: TwoDigitYear, pivot_year: int | None) -> tuple[str, str] | None:
    """Take the years that both pivots put into the same century: DuckDB's two digits mean 1969 to 2068."""
    if pivot_year is None or field.name != "year":
        return None
    first, last = max(pivot_year - 50, 1969), min(pivot_year + 49, 2068)
    years = [f"{year % 100:02}" for year in range(first, last + 1)]
    return (f"(?:{'|'.join(years)})", "%y") if years else None


def _escaped(text: str) -> str:
    return "".join(char if char.isalnum() or not char.isascii() else f"\\x{{{ord(char):x}}}" for char in text)
