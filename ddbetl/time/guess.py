"""Patterns for texts whose form nobody has written down.

In: texts, the zone of those that name none, the pivot of two-digit years, the units of numbers. Out: ``Guesses``: the
forms that read all texts, the best first, or else the shortest list of forms to be tried in turn.

A form *fits* a text if it reads it and what it reads is likely meant: a year has as many digits as it is written with,
no part contradicts another, a number of epoch units lies between 1990 and 2100.

Invariant: every form fits the texts it is said to read, by the parser that a run has; in a list, the first form that
reads a text at all is one that fits it. No text takes long: its length, its forms and their number are limited.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_FLOOR
from functools import cache, cached_property
from itertools import combinations, islice
from typing import TypeAlias

from ddbetl.errors import RowError
from ddbetl.numbers import EXACT, parse_number
from ddbetl.time.arrange import LONGEST, arrangements, shape, unknown_word
from ddbetl.time.chronology import MILLIS_PER_DAY, year_of_days
from ddbetl.time.errors import PatternError
from ddbetl.time.iso import read_iso
from ddbetl.time.parse import read_pattern
from ddbetl.time.pattern import Fraction, Name, Number, Pattern, TwoDigitYear, compile_pattern
from ddbetl.time.print import format_millis, value_of
from ddbetl.time.reading import MismatchError, Reading, ResolveError, resolve
from ddbetl.time.scan import digits_end
from ddbetl.time.zone import Zone, fixed_zone

# The years that numbers of epoch units mean, and those that other texts mean before anything else.
_UNIT_YEARS = range(1990, 2100)
_LIKELY_YEARS = range(1900, 2101)
_UNLIKELY = 5.0
_ISO_COST = -1.0
# A form that costs so much more than another for the same texts is not meant.
_FAR = 3.5
# A column has a few forms: more of them, or more patterns for one, are not looked at.
_MOST_SHAPES = 60
_MOST_PER_SHAPE = 16
_SAMPLE = 24
# The sets of texts out of which a list is made, and the forms of a list that is searched for, not just put together.
_MOST_SETS = 32
_MOST_SEARCHED = 3
_MOST_ORDERED = 100
_YEAR_DIGITS = 4
_DIGITS_ONLY = Number | TwoDigitYear | Fraction
_DIGITS = frozenset("0123456789")
# A number of more digits is no number of nanoseconds.
_MOST_DIGITS = 20
_IN_THE_WAY = "what reads it would read other texts wrongly, or they it"
# Times that differ in all their parts, to tell two patterns apart.
_TELLING_MILLIS = (1_493_201_730_876, 946_684_799_999, 1_103_848_442_035)


@dataclass(frozen=True, slots=True)
class Form:
    """A way to read texts. ``name`` is what a spec says: ``iso``, a unit, or the pattern. ``power``: so many of the
    unit are a second, as a power of ten; None for texts. The lower the ``cost``, the likelier is the form."""

    name: str
    pattern: Pattern | None = None
    power: int | None = None
    cost: float = 0.0


@dataclass(frozen=True)
class Guess:
    """A form, and for each text the milliseconds it gives; None where it does not fit."""

    form: Form
    millis: tuple[int | None, ...]

    @cached_property
    def reads(self) -> frozenset[int]:
        """The numbers of the texts that it fits, from 0."""
        return frozenset(index for index, millis in enumerate(self.millis) if millis is not None)


@dataclass(frozen=True, slots=True)
class Guesses:
    """``whole``: forms that read all texts, each to other times but for the second, which may say the same as ISO.
    ``in_turn``: without one of these, the shortest list that reads the most texts. ``rivals``: what reads the texts of
    one of its forms to other times. ``unread``: texts that no form fits, with the reason. ``excluded``: forms that read
    some texts to other times than the best, and not all."""

    whole: tuple[Guess, ...]
    in_turn: tuple[Guess, ...]
    rivals: tuple[tuple[Guess, Guess], ...]
    unread: tuple[tuple[int, str], ...]
    excluded: tuple[Guess, ...] = ()


@dataclass(frozen=True, slots=True)
class _Context:
    zone: Zone
    pivot_year: int
    units: Mapping[str, int]


def guess(texts: Sequence[str], zone: Zone, pivot_year: int, units: Mapping[str, int]) -> Guesses:
    """Find the forms that read some texts; ``units``: the names of epoch units with their powers of ten."""
    context = _Context(zone, pivot_year, units)
    found = _candidates(texts, context)
    readable = frozenset().union(*(one.reads for one in found))
    every = frozenset(range(len(texts)))
    whole = [one for one in found if one.reads == every]
    if whole:
        best = whole[0]
        others = (one for one in found if one.reads < every)
        excluded = [one for one in others if any(one.millis[index] != best.millis[index] for index in one.reads)]
        return Guesses(tuple(_different(whole)), (), (), (), tuple(excluded[:1]))
    in_turn = _shortest(found, readable, texts, context)
    rivals = tuple((one, other) for one in in_turn for other in _rivals(one, found))
    covered = frozenset().union(*(one.reads for one in in_turn))
    unread = tuple(
        (index, _IN_THE_WAY if index in readable else _why_unread(texts[index], context))
        for index in sorted(every - covered)
    )
    return Guesses((), in_turn, rivals, unread)


def deciding(one: Form, other: Form, zone: Zone, pivot_year: int, units: Mapping[str, int]) -> str | None:
    """A text that fits one form and not the other, so that it would decide between them; None if none is found."""
    context = _Context(zone, pivot_year, units)
    for millis in _TELLING_MILLIS:
        if one.power is None:
            text = format_millis(one.pattern, millis, zone)
        else:
            text = str(millis * 10 ** max(0, one.power - 3) // 10 ** max(0, 3 - one.power))
        if _fit(one, text, context) is not None and _fit(other, text, context) is None:
            return text
    return None


# Candidates


def _candidates(texts: Sequence[str], context: _Context) -> list[Guess]:
    """All forms that fit some of the texts, the likeliest first."""
    forms = {
        "iso": Form("iso", cost=_ISO_COST),
        **{name: Form(name, None, power) for name, power in context.units.items()},
    }
    found = {name: made for name, form in forms.items() if (made := _tried(form, texts, context)).reads}
    by_shape: dict[str, list[str]] = {}
    for text in dict.fromkeys(texts):
        by_shape.setdefault(shape(text), []).append(text)
    for alike in islice(by_shape.values(), _MOST_SHAPES):
        rest = alike
        # A pattern made for one text may not fit another of the same shape: 26/04/2017, 04/26/2017.
        for _ in range(3):
            first, shortest, longest = rest[0], min(rest, key=len), max(rest, key=len)
            fitting: list[Form] = []
            for form in _patterns((first, shortest, longest), alike, context):
                if form.name not in found:
                    found[form.name] = _tried(form, texts, context)
                fitting.append(form)
            rest = [text for text in rest if not any(_fit(f, text, context) is not None for f in fitting)]
            if not rest or not fitting:
                break
    ranked = [
        Guess(replace(one.form, cost=one.form.cost + _unlikely(one)), one.millis) for one in found.values() if one.reads
    ]
    best: dict[int, float] = {}
    for one in ranked:
        for index in one.reads:
            best[index] = min(one.form.cost, best.get(index, one.form.cost))
    likely = [one for one in ranked if any(one.form.cost <= best[index] + _FAR for index in one.reads)]
    return sorted(likely, key=lambda one: (one.form.cost, -_printed_back(one, texts, context), len(one.form.name)))


def _patterns(made_for: Iterable[str], alike: Sequence[str], context: _Context) -> list[Form]:
    """The likeliest patterns that are made for some texts, and fit some of those alike."""
    sample = alike[:_SAMPLE]
    forms: dict[str, Form] = {}
    for text in dict.fromkeys(made_for):
        for name, cost in arrangements(text):
            if name in forms and forms[name].cost <= cost:
                continue
            try:
                forms[name] = Form(name, compile_pattern(name, use="parse"), None, cost)
            except PatternError:
                continue

    def worth(form: Form) -> tuple[int, float, int]:
        fits = sum(_fit(form, text, context) is not None for text in sample)
        return -fits, form.cost, len(form.name)

    ranked = sorted((worth(form), name) for name, form in forms.items())
    return [forms[name] for (misses, *_), name in ranked if misses < 0][:_MOST_PER_SHAPE]


def _tried(form: Form, texts: Sequence[str], context: _Context) -> Guess:
    return Guess(form, tuple(_fit(form, text, context) for text in texts))


def _unlikely(one: Guess) -> float:
    """What a form costs for the years that it gives."""
    years = [year_of_days(millis // MILLIS_PER_DAY)[0] for millis in one.millis if millis is not None]
    return _UNLIKELY * sum(year not in _LIKELY_YEARS for year in years) / len(years)


def _printed_back(one: Guess, texts: Sequence[str], context: _Context) -> int:
    """How many of the first texts the form would print as they are."""
    if one.form.power is not None:
        return 0
    pattern = one.form.pattern
    pairs = ((text, millis) for text, millis in zip(texts, one.millis, strict=True) if millis is not None)
    return sum(
        format_millis(pattern, millis, own_zone(reading_of(pattern, text, context.pivot_year), context.zone)) == text
        for text, millis in islice(pairs, _SAMPLE)
    )


# Whether a form fits


def _fit(form: Form, text: str, context: _Context) -> int | None:
    """The milliseconds that a form gives a text, if it fits."""
    if len(text) > LONGEST:
        return None
    if form.power is not None:
        return _number_millis(text, form.power)
    read = _read(form.pattern, text, context)
    if read is None:
        return None
    reading, millis = read
    if not _is_plain(form.pattern, text, reading) or overruled(reading, millis, context.zone):
        return None
    return millis


def _read(pattern: Pattern | None, text: str, context: _Context) -> tuple[Reading, int] | None:
    """What is read of a text; None if it is no such text."""
    try:
        reading = reading_of(pattern, text, context.pivot_year)
        return reading, resolve(reading, context.zone)
    except (MismatchError, ResolveError):
        return None


def reading_of(pattern: Pattern | None, text: str, pivot_year: int) -> Reading:
    """Read a whole text by a pattern or the ISO forms; raise ``MismatchError``."""
    return read_iso(text) if pattern is None else read_pattern(pattern, text, pivot_year)


def own_zone(reading: Reading, zone: Zone) -> Zone:
    """The zone of what was read: its own, else the one given."""
    return fixed_zone(reading.offset) if reading.offset is not None else reading.zone or zone


def overruled(reading: Reading, millis: int, zone: Zone) -> list[tuple[str, int, int]]:
    """The parts of a reading that its instant does not have, as of "Mon 2017-04-26": name, value, the instant's own."""
    local = millis + own_zone(reading, zone).offset_at(millis)
    return [(name, value, own) for name, value, _ in reading.saved if (own := value_of(name, local)) != value]


def _number_millis(text: str, power: int) -> int | None:
    if not text[-1:].isdigit():
        return None
    try:
        number = parse_number(text)
    except RowError:
        return None
    if number.adjusted() > _MOST_DIGITS:
        return None
    millis = int(EXACT.scaleb(number, 3 - power).to_integral_value(ROUND_FLOOR, EXACT))
    return millis if year_of_days(millis // MILLIS_PER_DAY)[0] in _UNIT_YEARS else None


def _is_plain(pattern: Pattern | None, text: str, reading: Reading) -> bool:
    """Tell whether the digits of a text are as many as the parts mean: 17 is no year of four digits, and numbers side
    by side have all theirs."""
    starts = [at for _, _, at in reading.saved]
    sizes = [
        min(_digits(text, at), following - at) for at, following in zip(starts, [*starts[1:], len(text)], strict=True)
    ]
    if pattern is None:
        years = zip(reading.saved, sizes, strict=True)
        return all(size == _YEAR_DIGITS for (name, *_), size in years if name in ("year", "week-year"))
    saving = [i for i, part in enumerate(pattern.fields) if isinstance(part, Number | TwoDigitYear | Fraction | Name)]
    for index, size in zip(saving, sizes, strict=True):
        part = pattern.fields[index]
        beside = pattern.fields[max(0, index - 1) : index] + pattern.fields[index + 1 : index + 2]
        match part:
            case Number() if size != part.count and any(
                isinstance(p, Number | TwoDigitYear | Fraction) for p in beside
            ):
                return False
            case Number(name="year" | "year of era" | "week-year") if size != _YEAR_DIGITS:
                return False
            case TwoDigitYear(lenient=True) if size not in (2, _YEAR_DIGITS):
                return False
    return True


def _digits(text: str, at: int) -> int:
    """How many digits stand at a place, behind a sign."""
    at += text[at : at + 1] in ("+", "-")
    return digits_end(text, at, len(text)) - at


# Several forms


def _different(whole: Sequence[Guess]) -> Iterator[Guess]:
    """The forms, without those that read the same times as a better one; ISO may have one beside it."""
    seen: dict[tuple[int | None, ...], int] = {}
    for one in whole:
        same = seen.get(one.millis, 0)
        if not same or (same == 1 and one.form.power is None and whole[0].form.name == "iso"):
            seen[one.millis] = same + 1
            yield one


def _rivals(one: Guess, found: Sequence[Guess]) -> list[Guess]:
    """Other forms that read all texts of a form, to other times."""
    rivals = [
        other
        for other in found
        if one.reads <= other.reads and any(one.millis[index] != other.millis[index] for index in one.reads)
    ]
    return rivals[:1]


def _shortest(
    found: Sequence[Guess], readable: frozenset[int], texts: Sequence[str], context: _Context
) -> tuple[Guess, ...]:
    """The shortest list of forms that fit all readable texts, in an order in which each text is read as it fits."""

    @cache
    def misread(form: Form, reads: frozenset[int]) -> frozenset[int]:
        """The texts that a form reads although it does not fit them."""
        if form.power is not None:
            return frozenset()
        others = (index for index in readable - reads if _read(form.pattern, texts[index], context) is not None)
        return frozenset(others)

    by_set: dict[frozenset[int], list[Guess]] = {}
    for one in found:
        same = by_set.setdefault(one.reads, [])
        if len(same) < 2:
            same.append(one)
    widest = sorted(by_set, key=len, reverse=True)[:_MOST_SETS]
    choices = [one for texts_read in widest for one in by_set[texts_read]]
    for size in range(1, _MOST_SEARCHED + 1):
        fitting = (c for c in combinations(choices, size) if frozenset().union(*(one.reads for one in c)) == readable)
        for chosen in sorted(fitting, key=lambda c: sum(one.form.cost for one in c))[:_MOST_ORDERED]:
            if (ordered := _in_order(chosen, misread)) is not None:
                return ordered
    return _greedy(found, readable, misread)


_Misread: TypeAlias = Callable[[Form, frozenset[int]], frozenset[int]]


def _greedy(found: Sequence[Guess], readable: frozenset[int], misread: _Misread) -> tuple[Guess, ...]:
    """A list made by taking the form that reads most of what is left, as long as the order can be kept."""
    chosen: tuple[Guess, ...] = ()
    left = readable
    waiting = list(found)
    while left and waiting:
        best = max(waiting, key=lambda one: (len(one.reads & left), -one.form.cost))
        waiting.remove(best)
        if best.reads & left and (ordered := _in_order((*chosen, best), misread)) is not None:
            chosen = ordered
            left -= best.reads
    return chosen


def _in_order(chosen: tuple[Guess, ...], misread: _Misread) -> tuple[Guess, ...] | None:
    """The forms so ordered that the first one that reads a text fits it; None if they cannot be."""
    waiting = sorted(chosen, key=lambda one: (one.form.power is None, one.form.name != "iso", -len(one.reads)))
    ordered: list[Guess] = []
    while waiting:
        # A form that would read texts wrongly waits for those that read them.
        later = [frozenset().union(*(other.reads for other in waiting if other is not one)) for one in waiting]
        free = [one for one, rest in zip(waiting, later, strict=True) if not misread(one.form, one.reads) & rest]
        if not free:
            return None
        ordered.append(free[0])
        waiting.remove(free[0])
    return tuple(ordered)


# What cannot be read


def _why_unread(text: str, context: _Context) -> str:
    """Why no form fits a text."""
    if not text:
        return "it is empty"
    if len(text) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    if not any(character in _DIGITS for character in text):
        odd = any(character.isdigit() for character in text)
        return "its digits are not 0 to 9" if odd else "it has no digits"
    if any(_fit(form, text, context) is not None for form in _patterns((text,), (text,), context)):
        return f"it has one form more than the {_MOST_SHAPES} that were looked at"
    if (word := unknown_word(text)) is not None:
        return f"no pattern reads {word} as a name"
    for name, _ in sorted(arrangements(text, any_values=True), key=lambda pair: pair[1])[:_MOST_PER_SHAPE]:
        try:
            reading = reading_of(compile_pattern(name, use="parse"), text, context.pivot_year)
            wrong = overruled(reading, resolve(reading, context.zone), context.zone)
        except (PatternError, MismatchError):
            continue
        except ResolveError as error:
            return f"as {name}, {error}"
        if wrong:
            part, value, own = wrong[0]
            return f"as {name}, its parts contradict each other: it says {part} {value}, and the time has {own}"
    if _number_millis_at_all(text):
        return "as a number of seconds or finer units it is no time from 1990 to 2100"
    return "no arrangement of a date and a time fits it"


def _number_millis_at_all(text: str) -> bool:
    try:
        parse_number(text)
    except RowError:
        return False
    return True
