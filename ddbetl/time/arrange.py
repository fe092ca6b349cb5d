"""The patterns that one text suggests by its structure.

In: a text. Out: patterns with a cost: the lower, the likelier is the arrangement of date and time that they stand for.

A text is walked from its start: digits become parts of a date or a time of which there is none yet and whose range
they keep, words become names where they are names, all else stands for itself. Of the walks those remain that find a
whole date or time.

Invariant: nothing here reads a text as a run does; whoever takes a pattern tries it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ddbetl.time.names import SHORT_ZONES, SPELLINGS
from ddbetl.time.reading import MismatchError, Reading
from ddbetl.time.scan import digits_end, read_offset, read_zone_id

# Texts are longer than times if they are longer than this.
LONGEST = 100
# The steps that are taken for a text; usual ones need some dozens.
_MOST_STEPS = 4000
_MOST_WORDS = 4

_WORD = re.compile("[A-Za-z]+")
_WEEK_FOLLOWS = re.compile("-?[Ww][0-9]{2}")
_HALVES = re.compile("(?<![A-Za-z])(?:AM|PM|am|pm)(?![A-Za-z])")
# Words between date and time that say nothing; others might.
_USUAL_WORDS = frozenset({"t", "at", "on", "w", "h"})
_DATES = {
    frozenset(date): cost
    for date, cost in (
        (("year", "month", "day"), 0.0),
        (("year", "day of year"), 0.5),
        (("week-year", "week", "day of week"), 0.0),
        (("week-year", "week"), 1.0),
        (("year", "month"), 2.0),
        (("month", "day"), 6.0),
        ((), 4.0),
    )
}
_DATE_PARTS = frozenset(part for date in _DATES for part in date)
_CLOCK = ("hour", "minute", "second", "fraction")
_NUMBERS = _DATE_PARTS | frozenset(_CLOCK)
# What the order of a date costs: with a year of four digits, with one of two, with the month's name.
_ORDERS = {"yMd": (0.0, 4.0, 2.0), "dMy": (0.2, 3.0, 0.0), "Mdy": (0.4, 3.2, 0.0)}
_ODD_ORDER = (7.0, 9.0, 4.0)


@dataclass(frozen=True, slots=True)
class _Walk:
    """A way into the text: where it is, the parts found, how far the clock is (0 nothing, 1 hours … 4 fraction), the
    last part, the text since then, and what the pattern says so far."""

    at: int = 0
    parts: frozenset[str] = frozenset()
    clock: int = 0
    last: str = ""
    gap: str = ""
    pattern: tuple[tuple[str, bool], ...] = ()
    # The order of the date's parts, by their letters.
    order: str = ""
    cost: float = 0.0
    words: int = 0
    # The parts found before these digits: numbers side by side are a whole date, a whole time, or both.
    before_digits: frozenset[str] = frozenset()
    # What stands between the numbers of the date, and of the time; None where there was no such place yet.
    date_gap: str | None = None
    clock_gap: str | None = None

    @property
    def touching(self) -> bool:
        """Tell whether a number ends right here."""
        return not self.gap and self.last in _NUMBERS and bool(self.pattern) and self.pattern[-1][0][:3] != "MMM"

    def found(self, name: str, letters: str, size: int, cost: float = 0.0) -> "_Walk":
        """The walk behind a part of so many characters."""
        number = name in _NUMBERS and letters[:3] != "MMM"
        return replace(
            self,
            at=self.at + size,
            parts=self.parts | {name},
            clock=_CLOCK.index(name) + 1 if name in _CLOCK else self.clock,
            last=name,
            gap="",
            pattern=(*self.pattern, (letters, True)),
            order=self.order + (letters[0] if letters[0] in "yMd" else ""),
            cost=self.cost + cost,
            before_digits=self.before_digits if number else self.parts | {name},
        )

    def passed(self, text: str, cost: float = 0.0, words: int = 0) -> "_Walk":
        """The walk behind text that stands for itself."""
        return replace(
            self,
            at=self.at + len(text),
            gap=self.gap + text,
            pattern=(*self.pattern, (text, False)),
            cost=self.cost + cost,
            words=self.words + words,
            before_digits=self.parts,
        )


def shape(text: str) -> str:
    """What texts of one form have in common: their digits and the names in them are alike, all else is equal."""

    def alike(found: re.Match[str]) -> str:
        word = found[0]
        if word[0].isdigit():
            return "9"
        return next((name for name, spellings in SPELLINGS.items() if word in spellings), word)

    return re.sub("[0-9]+|[A-Za-z]+", alike, text[: LONGEST + 1])


def unknown_word(text: str) -> str | None:
    """The first word of a text that no pattern reads as a name, and that does not usually stand in a time."""
    words = (found[0] for found in _WORD.finditer(text))
    return next(
        (
            word
            for word in words
            if word.lower() not in _USUAL_WORDS | {"z"}
            and word not in SHORT_ZONES
            and not any(word in spellings for spellings in SPELLINGS.values())
        ),
        None,
    )


def arrangements(text: str, *, any_values: bool = False) -> Iterator[tuple[str, float]]:
    """Give the patterns of a text, each with its cost; a pattern may come twice.

    ``any_values``: the 25th hour and the 13th month may be meant too.
    """
    if not text or len(text) > LONGEST:
        return
    has_half = _HALVES.search(text) is not None
    waiting = [_Walk()]
    for _ in range(_MOST_STEPS):
        if not waiting:
            return
        walk = waiting.pop()
        if walk.at < len(text):
            waiting += _steps(walk, text, has_half, any_values)
        elif (cost := _cost(walk)) is not None:
            yield _pattern_text(walk.pattern), cost
            if {("M", True), ("d", True)} & set(walk.pattern):
                # Of 4/26 and 12/1 each has one number of one digit.
                short = {("MM", True): ("M", True), ("dd", True): ("d", True)}
                yield _pattern_text(tuple(short.get(piece, piece) for piece in walk.pattern)), cost


def _steps(walk: _Walk, text: str, has_half: bool, any_values: bool) -> Iterator[_Walk]:
    character = text[walk.at]
    if character.isascii() and character.isdigit():
        yield from _numbers(walk, text, has_half, any_values)
    elif character.isascii() and character.isalpha():
        yield from _words(walk, text)
    elif not character.isnumeric():
        yield walk.passed(character)
        if character in "+-" and walk.clock and "offset" not in walk.parts:
            yield from _offset(walk, text)


def _offset(walk: _Walk, text: str) -> Iterator[_Walk]:
    try:
        end = read_offset(text, walk.at, Reading())
    except MismatchError:
        return
    # Numbers that follow would be a part of the offset.
    if end == digits_end(text, end, len(text)):
        yield walk.found("offset", "ZZ" if ":" in text[walk.at : end] else "Z", end - walk.at)


def _words(walk: _Walk, text: str) -> Iterator[_Walk]:
    matched = _WORD.match(text, walk.at)
    assert matched is not None
    word = matched[0]
    names = list(_names(walk, text, word))
    yield from names
    before_offset = word in ("GMT", "UTC") and text[matched.end() :][:1] in ("+", "-")
    if (not names or before_offset) and walk.words < _MOST_WORDS:
        usual = before_offset or word.lower() in _USUAL_WORDS
        yield walk.passed(word, 0.0 if usual else 2.0, words=1)


def _names(walk: _Walk, text: str, word: str) -> Iterator[_Walk]:
    parts, size = walk.parts, len(word)
    if word in SPELLINGS["month"] and "month" not in parts and not parts & {"day of year", "week"}:
        yield walk.found("month", "MMM" if size == 3 else "MMMM", size)
        if word.lower() == "may":
            yield walk.found("month", "MMMM", size, 0.1)
    if word in SPELLINGS["day of week"] and "name of day" not in parts:
        yield walk.found("name of day", "EEE" if size == 3 else "EEEE", size)
    if word in SPELLINGS["half of day"] and "half of day" not in parts and walk.clock:
        yield walk.found("half of day", "a", size)
    if word in SPELLINGS["era"] and "year" in parts and "era" not in parts:
        yield walk.found("era", "G", size, 1.0)
    if not walk.clock or "zone" in parts:
        return
    if word in ("Z", "z") and "offset" not in parts:
        yield walk.found("offset", "ZZ", 1)
        return
    if word in SHORT_ZONES and "offset" not in parts:
        yield walk.found("zone", "z", size)
    try:
        end = read_zone_id(text, walk.at, Reading())
    except MismatchError:
        return
    if not text[end : end + 1].isalpha():
        yield walk.found("zone", "ZZZ", end - walk.at, 0.5 if word in SHORT_ZONES else 0.0)


def _numbers(walk: _Walk, text: str, has_half: bool, any_values: bool) -> Iterator[_Walk]:
    """The parts that the next digits can be. Side by side, all have fixed lengths."""
    run = digits_end(text, walk.at, len(text)) - walk.at
    for size in range(1, min(run, 4) + 1):
        if size == 1 and (run > 1 or (walk.touching and walk.last != "week")):
            continue
        value = int(text[walk.at : walk.at + size])
        for part, letters, least, most in _PARTS.get(size, ()):
            if part in walk.parts or not (any_values or least <= value <= most):
                continue
            alone = size == run and not walk.touching
            if part in _CLOCK:
                yield from _clock(walk, part, letters, size, has_half, value)
            else:
                yield from _date(walk, part, letters, size, alone)
        if size == 4 and not walk.parts & _DATE_PARTS and _WEEK_FOLLOWS.match(text, walk.at + 4):
            yield walk.found("week-year", "xxxx", size)
    if walk.last == "second" and walk.gap in _FRACTION_GAPS and run <= 18:
        unusual = 2.0 if walk.touching and not walk.parts & _DATE_PARTS else 0.0
        yield walk.found("fraction", "S" * run, run, unusual + _FRACTION_GAPS[walk.gap])


# By the number of digits: the part, its letters, its least and its largest value.
_PARTS = {
    1: (
        ("month", "M", 1, 12),
        ("day", "d", 1, 31),
        ("hour", "H", 0, 23),
        ("minute", "m", 0, 59),
        ("second", "s", 0, 59),
        ("day of week", "e", 1, 7),
    ),
    2: (
        ("year", "yy", 0, 99),
        ("month", "MM", 1, 12),
        ("day", "dd", 1, 31),
        ("week", "ww", 1, 53),
        ("hour", "HH", 0, 23),
        ("minute", "mm", 0, 59),
        ("second", "ss", 0, 59),
    ),
    3: (("day of year", "DDD", 1, 366),),
    4: (("year", "yyyy", 0, 9999),),
}
_FRACTION_GAPS = {"": 0.0, ".": 0.0, ",": 0.0, ":": 1.0}
# What may stand between hours and minutes, and what it costs.
_CLOCK_GAPS = {"": 0.0, ":": 0.0, ".": 0.0, "h": 0.0, " ": 2.0, "-": 1.0, "_": 1.0}
_BEFORE_HOUR = {"-": 1.0, "_": 0.5, ".": 2.0, "": 0.0}


def _clock(walk: _Walk, part: str, letters: str, size: int, has_half: bool, value: int) -> Iterator[_Walk]:
    if walk.touching and "hour" in walk.before_digits:
        return
    date = walk.parts & _DATE_PARTS
    if part == "hour":
        # A date is whole before the time begins, and in digits side by side it begins there too.
        if walk.clock or date not in _DATES or date == {"year", "month"} or (walk.touching and walk.before_digits):
            return
        if walk.gap in ("/", ":") and not (walk.gap == ":" and "yyyy" in (piece for piece, _ in walk.pattern)):
            return
        cost = _BEFORE_HOUR.get(walk.gap, 0.0) if date else 0.0
        if not has_half:
            yield walk.found(part, letters, size, cost)
        elif 1 <= value <= 12:
            yield walk.found(part, "h" * size, size, cost)
        else:
            yield walk.found(part, letters, size, cost + 2.0)
    elif part == "minute" and walk.last == "hour" and walk.gap in _CLOCK_GAPS:
        yield replace(walk.found(part, letters, size, _CLOCK_GAPS[walk.gap]), clock_gap=walk.gap)
    elif part == "second" and walk.last == "minute" and (walk.gap == walk.clock_gap or walk.clock_gap == "h"):
        yield walk.found(part, letters, size)


def _date(walk: _Walk, part: str, letters: str, size: int, alone: bool) -> Iterator[_Walk]:
    found = walk.found(part, letters, size)
    date = walk.parts & _DATE_PARTS
    if "week-year" in date:
        in_week = walk.last == "week-year" and walk.gap in ("W", "w", "-W", "-w") if part == "week" else False
        if in_week or (part == "day of week" and walk.last == "week" and walk.gap in ("", "-")):
            yield found
        return
    if part in ("week", "day of week"):
        return
    if walk.last in _CLOCK or walk.last in ("half of day", "offset", "zone"):
        # After the time; within it there is no date.
        if walk.clock == 1 and "half of day" not in walk.parts:
            return
        if not walk.gap or walk.gap in ":.-/":
            return
        yield found
    elif part == "day of year":
        if walk.last == "year" and date == {"year"} and walk.gap in ("", "-", "/", ".", " "):
            yield found
    elif "day of year" in date:
        return
    elif walk.touching:
        if not walk.before_digits & _DATE_PARTS:
            yield replace(found, date_gap="")
    elif walk.date_gap is None:
        if walk.last not in _DATE_PARTS or not walk.gap.isascii() or _month_is_named(walk):
            yield found
        elif walk.gap != ":" or "yyyy" in (piece for piece, _ in walk.pattern):
            yield replace(found, date_gap=walk.gap)
    elif walk.gap == walk.date_gap and alone:
        yield found


def _month_is_named(walk: _Walk) -> bool:
    return any(piece.startswith("MMM") for piece, is_part in walk.pattern if is_part)


def _cost(walk: _Walk) -> float | None:
    """What a walk to the end of the text costs; None if it has found no whole date or time."""
    date = walk.parts & _DATE_PARTS
    cost = _DATES.get(date)
    if cost is None or (not date and walk.clock < 2) or ("name of day" in walk.parts and len(date) < 2):
        return None
    if walk.clock == 1 and "half of day" not in walk.parts:
        cost += 3.0
    if "half of day" in walk.parts and "hour" not in walk.parts:
        return None
    if len(date) == 2 and "month" in date and walk.clock and "day" not in date:
        cost += 3.0
    letters = [part for part, is_part in walk.pattern if is_part]
    two_digits = "yy" in letters
    if date == {"year", "month", "day"}:
        named = _month_is_named(walk)
        cost += _ORDERS.get(walk.order, _ODD_ORDER)[2 if named else 1 if two_digits else 0]
        numbers = "".join(part if is_part else "\0" for part, is_part in walk.pattern)
        if walk.order == "Mdy" and "a" in letters:
            # The clock of twelve hours stands beside the month first, in America.
            cost -= 0.5
        if not named and walk.order != "yMd" and ("ddMM" in numbers or "MMdd" in numbers):
            cost += 1.5
        if walk.order == "yMd" and "yyMMdd" in numbers and two_digits:
            cost -= 3.0
    if two_digits:
        cost += 1.0
    return cost + walk.cost


def _pattern_text(pieces: tuple[tuple[str, bool], ...]) -> str:
    """The pattern of parts and text between them, whose letters and quotes are quoted."""
    out = ""
    literal = ""
    for piece, is_part in (*pieces, ("", True)):
        if not is_part:
            literal += piece
            continue
        out += re.sub("[A-Za-z]+", lambda found: f"'{found[0]}'", literal.replace("'", "''")) + piece
        literal = ""
    return out
