"""Several patterns tried in turn: the first that reads a text wins.

In: patterns (None: the ISO forms) in their order, a zone, the pivot of two-digit years. Out: a function from a text to
epoch milliseconds; SQL that does the same for a column.

DuckDB may take a later pattern's value only where no earlier one reads the text. That the fast path of an earlier one
does not read it says nothing, since the reference might. So each pattern has a *reach*: a regular expression that
every text matches which the reference reads by the pattern, and some more.

Invariant: as for one pattern; where the SQL is not NULL, it is the reference's value.
"""

from collections.abc import Callable, Sequence

from ddbetl.time.chronology import FieldName
from ddbetl.time.errors import TimeError, quoted
from ddbetl.time.fast import FastParse, fast_parse
from ddbetl.time.names import SHORT_ZONES, SPELLINGS
from ddbetl.time.parse import parser
from ddbetl.time.pattern import Field, Fraction, Literal, Name, Number, Offset, Pattern, TwoDigitYear, ZoneId, ZoneName
from ddbetl.time.zone import Zone

# RE2 repeats up to a thousand times.
_MOST_REPEATED = 1000
_ISO_REACH = (
    "[-+]?[0-9]{1,9}(?:-(?:[Ww][0-9]{1,2}|[0-9]{1,3}))?(?:-[0-9]{1,2})?(?:[Tt][-+0-9:.,Zz]*)?|[Tt][-+0-9:.,Zz]*"
)
# The values, without zeros before them, of the numbers that have few; others are errors, wherever they stand.
_FROM_1_TO_12 = "[1-9]|1[0-2]"
_FROM_0_TO_59 = "[0-9]|[1-5][0-9]"
_VALUES: dict[FieldName, str] = {
    "month": _FROM_1_TO_12,
    "week": "[1-9]|[1-4][0-9]|5[0-3]",
    "day of year": "[1-9]|[1-9][0-9]|[12][0-9][0-9]|3[0-5][0-9]|36[0-6]",
    "day": "[1-9]|[12][0-9]|3[01]",
    "day of week": "[1-7]",
    "hour": "[0-9]|1[0-9]|2[0-3]",
    "clock hour": "[1-9]|1[0-9]|2[0-4]",
    "hour of half": "[0-9]|1[01]",
    "clock hour of half": _FROM_1_TO_12,
    "minute": _FROM_0_TO_59,
    "second": _FROM_0_TO_59,
}


def parser_in_turn(patterns: Sequence[Pattern | None], zone: Zone, pivot_year: int) -> Callable[[str], int]:
    """Make the function from a text to epoch milliseconds, by the first pattern that reads it.

    It raises ``TimeError``: for one pattern its own, for several with the position and reason of each.
    """
    parsers = [parser(pattern, zone, pivot_year) for pattern in patterns]
    if len(parsers) == 1:
        return parsers[0]

    def parse(text: str) -> int:
        faults = []
        for read in parsers:
            try:
                return read(text)
            except TimeError as error:
                faults.append(error)
        raise _none_matches(patterns, text, faults)

    return parse


def _none_matches(patterns: Sequence[Pattern | None], text: str, faults: Sequence[TimeError]) -> TimeError:
    said = [
        f"{'ISO-8601' if pattern is None else pattern.text} at position {fault.position} ({fault.reason})"
        for pattern, fault in zip(patterns, faults, strict=True)
    ]
    furthest = max(faults, key=lambda fault: fault.position)
    return TimeError(f"{quoted(text)} does not match {', nor '.join(said)}", furthest.position, furthest.reason)


def fast_parse_in_turn(
    patterns: Sequence[Pattern | None], zone: Zone, column: str, pivot_year: int
) -> FastParse | None:
    """Translate the reading of a column (as ``fast_parse`` does) by the first pattern that reads each text.

    None when no pattern has a fast path.
    """
    millis = ""
    for pattern in reversed(patterns):
        fast = fast_parse(pattern, zone, column, pivot_year)
        if millis:
            later = f"CASE WHEN NOT regexp_full_match({column}, {_text(reach(pattern))}) THEN {millis} END"
            millis = later if fast is None else f"COALESCE({fast.millis}, {later})"
        elif fast is not None:
            millis = fast.millis
    return FastParse(f"({millis} IS NOT NULL)", millis) if millis else None


def reach(pattern: Pattern | None) -> str:
    """A regular expression (RE2's, for a full match) for at least all texts that the pattern reads."""
    return f"(?s:{_ISO_REACH if pattern is None else ''.join(map(_field_reach, pattern.fields))})"


def _field_reach(field: Field) -> str:
    match field:
        case Literal(text):
            return "".join(map(_character_reach, text))
        case Number(name=name) if name in _VALUES:
            return f"0*(?:{_VALUES[name]})"
        case Number(signed=signed, most_digits=most):
            return f"{'[-+]?' if signed and most > 1 else ''}{_digits(most)}"
        case TwoDigitYear(lenient=lenient):
            return "[+]*-?[0-9]*" if lenient else "[0-9]{2}"
        case Fraction(most_digits=most):
            return _digits(most)
        case Name(name=name):
            return f"(?:{'|'.join(sorted(SPELLINGS[name], key=len, reverse=True))})"
        case Offset():
            return "(?:[Zz]|[-+][0-9:.,]+)"
        case ZoneId():
            return "[A-Za-z][-+_/A-Za-z0-9]*"
        case ZoneName():
            return f"(?:{'|'.join(SHORT_ZONES)})"


def _digits(most: int) -> str:
    return f"[0-9]{{1,{most}}}" if most <= _MOST_REPEATED else "[0-9]+"


def _character_reach(character: str) -> str:
    """A character of literal text: letters in both cases, and whatever Unicode takes for the same letter."""
    if not character.isascii():
        return "."
    if character.isalpha():
        return f"[{character.lower()}{character.upper()}\\x{{80}}-\\x{{10ffff}}]"
    return f"\\x{{{ord(character):x}}}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
