"""Joda-Time's ``DateTimeFormat`` patterns: text in, a tuple of fields out.

Each field knows what it reads, how many digits it takes and where its letters stand in the pattern. The meaning of the
fields is elsewhere: ``parse`` and ``print`` interpret them, ``fast`` translates them.

Invariant: a pattern is accepted here exactly when Joda-Time accepts it; every error marks the letters that cause it.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal as OneOf
from typing import TypeAlias

from ddbetl.time.chronology import FieldName
from ddbetl.time.errors import PatternError

Use = OneOf["any", "parse", "print"]


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands for itself; on reading, case does not count."""

    text: str
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number: 1 to ``most_digits`` digits on reading, at least ``count`` on printing."""

    letter: str
    name: FieldName
    count: int
    most_digits: int
    signed: bool
    position: int

    @property
    def length(self) -> int:
        return self.count


@dataclass(frozen=True, slots=True)
class TwoDigitYear:
    """``yy``, ``YY`` or ``xx``: two digits around the pivot; a ``lenient`` one takes any other number as the year."""

    letter: str
    name: FieldName
    lenient: bool
    position: int
    length: int = 2


@dataclass(frozen=True, slots=True)
class Fraction:
    """A decimal fraction of the second, 1 to ``most_digits`` digits on reading, ``count`` on printing."""

    count: int
    position: int

    @property
    def most_digits(self) -> int:
        return min(self.count, 18)

    @property
    def length(self) -> int:
        return self.count


@dataclass(frozen=True, slots=True)
class Name:
    """A name in English: era, month, day of week, AM or PM; ``short`` matters for printing only."""

    letter: str
    name: FieldName
    short: bool
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Offset:
    """An offset from UTC, printed with or without a colon."""

    colon: bool
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class ZoneId:
    """The id of a zone, such as Europe/Paris."""

    position: int
    length: int


@dataclass(frozen=True, slots=True)
class ZoneName:
    """The name of a zone, such as PST; the long form can only be printed."""

    short: bool
    position: int
    length: int


Field: TypeAlias = Literal | Number | TwoDigitYear | Fraction | Name | Offset | ZoneId | ZoneName


@dataclass(frozen=True, slots=True)
class PatternWarning:
    """Something legal that is rarely meant."""

    message: str
    position: int
    length: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. Its text says all: patterns are equal when their texts are."""

    text: str
    fields: tuple[Field, ...] = field(compare=False)
    warnings: tuple[PatternWarning, ...] = field(compare=False)

    @property
    def has_offset(self) -> bool:
        """Tell whether every text of this pattern names its own offset or zone."""
        return any(isinstance(part, Offset | ZoneId | ZoneName) for part in self.fields)


_NUMBERS: dict[str, tuple[FieldName, int]] = {
    "M": ("month", 2),
    "w": ("week", 2),
    "e": ("day of week", 1),
    "D": ("day of year", 3),
    "d": ("day", 2),
    "K": ("hour of half", 2),
    "h": ("clock hour of half", 2),
    "H": ("hour", 2),
    "k": ("clock hour", 2),
    "m": ("minute", 2),
    "s": ("second", 2),
}
_YEARS: dict[str, FieldName] = {"y": "year", "Y": "year of era", "x": "week-year"}
_NAMES: dict[str, FieldName] = {"G": "era", "E": "day of week", "a": "half of day", "M": "month"}

# Letters after which a year takes no more digits than it has letters.
_NUMERIC_LETTERS = frozenset("CxyYdhHmsSeDwkK")

# Letters of java.time, SimpleDateFormat or strftime, and what says the same in Joda-Time.
_MEANT = {
    "u": "'u' is java.time's year: use yyyy",
    "U": "Joda-Time has no 'U': use yyyy for the year",
    "X": "'X' is java.time's offset: use ZZ (+05:30, Z) or Z (+0530)",
    "O": "'O' is java.time's offset: use ZZ",
    "V": "'V' is java.time's zone id: use ZZZ",
    "v": "'v' is java.time's zone name: use ZZZ for the zone's id",
    "L": "'L' is java.time's month: use M, MM, MMM or MMMM",
    "n": "'n' is java.time's nanosecond: use S, once for each digit of the fraction",
    "N": "'N' is java.time's nanosecond of the day, which Joda-Time does not have",
    "A": "'A' is java.time's millisecond of the day, which Joda-Time does not have; 'a' is AM or PM",
    "Q": "'Q' is java.time's quarter, which Joda-Time does not have",
    "q": "'q' is java.time's quarter, which Joda-Time does not have",
    "W": "'W' is java.time's week of the month, which Joda-Time does not have; 'w' is the week of the week-year",
    "F": "'F' is the day of week in the month, which Joda-Time does not have; use e or E for the day of the week",
    "B": "'B' is java.time's period of the day: use a for AM or PM",
    "b": "Joda-Time has no 'b': use MMM for a month's short name",
    "c": "'c' is java.time's day of the week: use e or E",
    "p": "'p' is java.time's padding: repeat a letter to pad with zeros; for AM or PM use a",
    "P": "Joda-Time has no 'P': use a for AM or PM",
    "T": "'T' as text must be quoted: 'T' in single quotes (in a spec, ''T'')",
    "g": "'g' is java.time's Julian day, which Joda-Time does not have; 'G' is the era",
    "t": "text must be in single quotes; minutes are m",
    "f": "Joda-Time has no 'f': use S, once for each digit of the fraction",
    "I": "Joda-Time has no 'I': use h or hh for the hour of 12",
    "i": "Joda-Time has no 'i': use m for minutes",
    "j": "Joda-Time has no 'j': use D for the day of the year",
    "J": "Joda-Time has no 'J': use D for the day of the year",
    "R": "Joda-Time has no 'R': use HH:mm",
}


@lru_cache(maxsize=1024)
def compile_pattern(text: str, use: Use = "any") -> Pattern:
    """Compile a Joda-Time pattern; ``use`` also demands that it can parse, or print.

    Raises ``PatternError``, whose position and length count characters of ``text``.
    """
    if not text:
        raise PatternError("the pattern is empty", 0, 0)
    tokens = _tokens(text)
    fields: list[Field] = []
    for index, (token, position, length) in enumerate(tokens):
        following = tokens[index + 1][0] if index + 1 < len(tokens) else ""
        if token.startswith("'"):
            if len(token) > 1:
                fields.append(Literal(token[1:], position, length))
        else:
            fields.append(_field(token, position, _is_number(following)))
    if not fields:
        raise PatternError("the pattern has neither letters nor text", 0, len(text))
    for part in fields:
        # A lone zzzz is read as z is: Joda-Time then asks its printer, which is a parser too.
        if use == "parse" and isinstance(part, ZoneName) and not part.short and len(fields) > 1:
            raise PatternError(
                "zzzz can only be printed: use ZZZ for a zone's id, or z for one of UTC, GMT, EST, PST…",
                part.position,
                part.length,
            )
    return Pattern(text, tuple(fields), tuple(_doubts(fields)))


_HOURS = frozenset({"hour", "clock hour", "hour of half", "clock hour of half"})
_YEARS_AND_DAYS = frozenset({"year", "year of era", "week-year", "day", "day of year"})


def _doubts(fields: list[Field]) -> Iterator[PatternWarning]:
    """Find what is legal but rarely meant: letters that mean something else elsewhere, or in the other case."""
    names = {part.name for part in fields if isinstance(part, Number | TwoDigitYear | Name)}
    minute_for_month = "minute" in names and not names & (_HOURS | {"month"}) and bool(names & _YEARS_AND_DAYS)
    for index, part in enumerate(fields):
        message = ""
        match part:
            case Number(letter="Y"):
                message = "Y is the year of the era here; the week-year (Y in java.time) is x, the year is y"
            case Number(name="minute") if minute_for_month:
                message = "m is the minute; the month is M"
            case Number(name="month") if "minute" not in names and _follows(fields, index, _HOURS):
                message = "M is the month; the minute is m"
            case Number(name="day of year") if "month" in names or minute_for_month:
                message = "D is the day of the year; the day of the month is d"
            case Number(name="clock hour of half" | "hour of half") if "half of day" not in names:
                message = f"{part.letter} is an hour of half a day, before noon without a; the hour of 24 is H"
            case Fraction() if "second" not in names and _follows(fields, index, {"minute"}):
                message = "S is the fraction of the second; the second is s"
        if message:
            yield PatternWarning(message, part.position, part.length)
    if all(isinstance(part, Literal) for part in fields):
        last = fields[-1]
        message = "there is no letter for a part of a time in this pattern, so it reads its own text only"
        yield PatternWarning(message, fields[0].position, last.position + last.length - fields[0].position)


def _follows(fields: list[Field], index: int, names: AbstractSet[str]) -> bool:
    """Tell whether a field comes after one of some fields, with text between them."""
    if index < 2 or not isinstance(fields[index - 1], Literal):
        return False
    before = fields[index - 2]
    return isinstance(before, Number) and before.name in names


def _is_letter(char: str) -> bool:
    return char.isascii() and char.isalpha()


def _is_number(token: str) -> bool:
    return bool(token) and (token[0] in _NUMERIC_LETTERS or token in ("M", "MM"))


def _tokens(text: str) -> list[tuple[str, int, int]]:
    """Split a pattern into (token, position, length): a run of one letter, or ``'`` followed by literal text."""
    tokens = []
    start = 0
    while start < len(text):
        end = start
        if _is_letter(text[start]):
            while end < len(text) and text[end] == text[start]:
                end += 1
            tokens.append((text[start:end], start, end - start))
        else:
            literal = "'"
            quoted = False
            while end < len(text) and (quoted or not _is_letter(text[end])):
                if text[end] != "'":
                    literal += text[end]
                elif text.startswith("''", end):
                    literal += "'"
                    end += 1
                else:
                    quoted = not quoted
                end += 1
            tokens.append((literal, start, end - start))
        start = end
    return tokens


def _field(token: str, position: int, number_follows: bool) -> Field:
    letter, count = token[0], len(token)
    if letter in _YEARS:
        name = _YEARS[letter]
        if count == 2:
            # The two-digit form of Y sets the year, not the year of the era.
            return TwoDigitYear(letter, "year" if letter == "Y" else name, not number_follows, position)
        most = max(count, count if number_follows else 9)
        return Number(letter, name, count, most, letter != "Y", position)
    if letter in _NAMES and not (letter == "M" and count < 3):
        return Name(letter, _NAMES[letter], letter in "EM" and count < 4, position, count)
    if letter in _NUMBERS:
        name, most = _NUMBERS[letter]
        return Number(letter, name, count, max(most, count), False, position)
    match letter:
        case "C":
            return Number(letter, "century of era", count, count, True, position)
        case "S":
            return Fraction(count, position)
        case "Z":
            return ZoneId(position, count) if count > 2 else Offset(count == 2, position, count)
        case "z":
            return ZoneName(count < 4, position, count)
    meant = _MEANT.get(letter) or (f"Joda-Time has no pattern letter {letter!r}: put text in single quotes")
    raise PatternError(meant, position, count)
