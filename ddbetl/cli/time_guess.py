"""The page of ``ddbetl time --guess``: patterns for texts, and the expression to paste into a spec.

In: texts. Out: text, or a JSON value. Invariant: the expression reads what is shown, and what is ambiguous is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import Column, err, json_text, out, page_width, table, visible, wrapped
from ddbetl.cli.time import ATTRIBUTE, call, if_text, instant, missing, named_zone, two_digit_years
from ddbetl.cli.wording import counted
from ddbetl.functions.formats import UNITS
from ddbetl.numbers import NUMBER_TEXT
from ddbetl.time import TimeError, Zone
from ddbetl.time.guess import Form, Guess, Guesses, deciding, guess, reading_of
from ddbetl.time.in_turn import parser_in_turn
from ddbetl.time.pattern import Literal

# So many different texts are looked at: a column has few forms.
MOST_TEXTS = 1000
# Patterns that are shown, and texts that are named where they cannot be read.
MOST_SHOWN = 4
MOST_UNREAD = 10
# From 1990 on, 10 to this power parts the seconds from the milliseconds, and so on, each three powers further.
_PARTING = 11
_SILENT_WORDS = frozenset({"t", "w", "at", "on", "h", "gmt", "utc"})


@dataclass(frozen=True, slots=True)
class Question:
    """The texts, the zone of those that name none (``zoned``: --zone named it), the pivot of two-digit years."""

    texts: tuple[str, ...]
    zone: Zone
    zoned: bool
    pivot_year: int


def show(texts: Sequence[str], zone_name: str | None, pivot_year: int, as_json: bool) -> int:
    """Print the patterns that read the texts; returns the exit code."""
    different = tuple(dict.fromkeys(texts))
    question = Question(different[:MOST_TEXTS], named_zone(zone_name), zone_name is not None, pivot_year)
    found = guess(question.texts, question.zone, pivot_year, UNITS)
    if as_json:
        out(json_text(_as_value(question, found)))
    else:
        out("\n".join(_page(question, found)))
    if len(different) > MOST_TEXTS:
        err(f"\nThe first {MOST_TEXTS:,} different texts of {len(different):,} were looked at.")
    return ExitCode.DONE if (found.whole or found.in_turn) and not found.unread else ExitCode.REJECTS


def _page(question: Question, found: Guesses) -> Iterator[str]:
    chosen = _chosen(found)
    if found.whole:
        yield from _whole(question, found.whole[:MOST_SHOWN])
    elif found.in_turn:
        yield from _in_turn(question, found)
    if found.unread:
        yield from _unread(question, found, bool(chosen))
    said = list(_notes(question, found))
    if said:
        yield ""
        yield from (wrapped("  ", visible(note), page_width(), indent="    ") for note in said)
    if chosen:
        yield ""
        yield click.style("IN A SPEC", bold=True) + f"  {visible(expression(question, chosen))}"
        yield from (wrapped("  ", visible(hint), page_width()) for hint in of_numbers(question, chosen))


def _chosen(found: Guesses) -> tuple[Guess, ...]:
    """The forms of the expression."""
    return found.whole[:1] or found.in_turn


def _heading(title: str, said: str) -> str:
    return click.style(title, bold=True) + f"  {said}"


def _named(form: Form) -> str:
    """A form's name in a table; blanks at its ends are seen between quotes."""
    return visible(form.name if form.name == form.name.strip() else f"'{form.name}'")


def _all(count: int) -> str:
    return "both texts" if count == 2 else f"all {count:,} texts"


def _whole(question: Question, guesses: Sequence[Guess]) -> Iterator[str]:
    count = len(question.texts)
    which = "the text" if count == 1 else _all(count)
    yield _heading("PATTERNS", f"{'each of them reads' if len(guesses) > 1 else 'this one reads'} {which}")
    first = visible(question.texts[0])
    rows = [[_named(one.form), _instant(one.millis[0])] for one in guesses]
    yield table([Column("pattern"), Column(f"{first} is", least=24)], rows, indent="  ")


def _in_turn(question: Question, found: Guesses) -> Iterator[str]:
    read = len(question.texts) - len(found.unread)
    what = _all(read) if not found.unread else f"{read:,} of {counted(len(question.texts), 'text')}"
    if len(found.in_turn) == 1:
        yield _heading("PATTERNS", f"this one reads {what}")
    else:
        yield _heading("PATTERNS", f"no single one reads all texts; these, in this order, read {what}")
    rows = []
    for number, one in enumerate(found.in_turn):
        earlier = {index for before in found.in_turn[:number] for index in before.reads}
        mine = sorted(one.reads - earlier)
        example = mine[0] if mine else min(one.reads)
        more = f" and {len(mine) - 1:,} more" if len(mine) > 1 else ""
        rows.append([_named(one.form), visible(question.texts[example]) + more, _instant(one.millis[example])])
    yield table([Column("pattern"), Column("reads", least=20), Column("as")], rows, indent="  ")


def _unread(question: Question, found: Guesses, some: bool) -> Iterator[str]:
    if some:
        yield ""
    yield _heading("NOT READ", "no pattern was found for " + counted(len(found.unread), "text"))
    for index, reason in found.unread[:MOST_UNREAD]:
        text = visible(question.texts[index][:60]) + ("…" if len(question.texts[index]) > 60 else "")
        yield wrapped(f"  {text or '(an empty text)'}  ", visible(reason), page_width(), indent="      ")
    if len(found.unread) > MOST_UNREAD:
        yield f"  and {len(found.unread) - MOST_UNREAD:,} more"


def _instant(millis: int | None) -> str:
    return instant(millis) if millis is not None else ""


# What is ambiguous


def _notes(question: Question, found: Guesses) -> Iterator[str]:
    """What may be meant otherwise, and what would decide; what the chosen forms take for granted."""
    if found.whole:
        best = found.whole[0]
        for other in found.whole[1:MOST_SHOWN]:
            if other.millis != best.millis:
                yield _rivalry(question, best, other, shown=True)
        yield from (_exclusion(question, other) for other in found.excluded)
    for one, other in found.rivals:
        yield _rivalry(question, one, other)
    yield from _twice(question, found.in_turn)
    if any(one.form.name != one.form.name.strip() for one in _chosen(found)):
        yield f"Some texts begin or end with blanks: trim({ATTRIBUTE}) takes them off"
    yield from dict.fromkeys(note for one in _chosen(found) for note in _granted(question, one))


def _rivalry(question: Question, one: Guess, other: Guess, shown: bool = False) -> str:
    """Two forms that read the same texts to different times; ``shown``: those of the first text are shown already."""
    index = min(index for index in one.reads if one.millis[index] != other.millis[index])
    said = f"{one.form.name} or {other.form.name}?"
    if index or not shown:
        said += f" {question.texts[index]} is {_instant(one.millis[index])} or {_instant(other.millis[index])}."
    first, second = _decides(question, one.form, other.form), _decides(question, other.form, one.form)
    if first is not None and second is not None:
        return f"{said} A text such as {first} would decide for the first, {second} for the second."
    if first is not None or second is not None:
        return f"{said} A text such as {first or second} would decide for the {'first' if first else 'second'}."
    return f"{said} No text would decide: you have to know."


def _decides(question: Question, one: Form, other: Form) -> str | None:
    return deciding(one, other, question.zone, question.pivot_year, UNITS)


def _exclusion(question: Question, other: Guess) -> str:
    against = next(index for index in range(len(question.texts)) if index not in other.reads)
    return f"It is not {other.form.name}: {question.texts[against]} decides."


def _twice(question: Question, in_turn: Sequence[Guess]) -> Iterator[str]:
    """The first text that two forms of a list read to different times."""
    for number, later in enumerate(in_turn):
        for one in in_turn[:number]:
            both = [index for index in sorted(one.reads & later.reads) if one.millis[index] != later.millis[index]]
            if both:
                yield (
                    f"{question.texts[both[0]]} is read by {one.form.name}, which comes first; "
                    f"by {later.form.name} it would be {_instant(later.millis[both[0]])}"
                )


def _granted(question: Question, one: Guess) -> Iterator[str]:
    """What a form takes for granted."""
    if one.form.power is not None:
        return
    text = question.texts[min(one.reads)]
    reading = reading_of(one.form.pattern, text, question.pivot_year)
    yield from two_digit_years(one.form.pattern, reading, text, question.pivot_year)
    yield from (f"{one.form.name}: {note}" for note in missing(reading))
    if one.form.pattern is not None:
        words = [
            word
            for part in one.form.pattern.fields
            if isinstance(part, Literal)
            for word in re.findall("[A-Za-z]+", part.text)
            if word.lower() not in _SILENT_WORDS
        ]
        zoned = reading.offset is not None or reading.zone is not None
        for word in words:
            hint = "" if zoned or not word.isupper() else "; if it is a zone, --zone names one that ddbetl knows"
            yield f"{word} is mere text in {one.form.name}{hint}"


# The expression


def expression(question: Question, chosen: Sequence[Guess]) -> str:
    """What reads the texts in a spec, by the chosen forms in their order."""
    units = _units(chosen)
    patterns = [one.form.name for one in chosen if one.form.power is None]
    zones = [question.zone.name] if question.zoned and any(_needs_zone(question, one) for one in chosen) else []
    alone = not patterns[1:] and patterns == ["iso"] and not units
    if not units or (patterns and len(units) == 1):
        return call("epoch", ATTRIBUTE, *units, *([] if alone else patterns), *zones)
    by_unit = _by_size(units)
    if not patterns:
        return by_unit
    return f"coalesce(try({by_unit}), {call('epoch', ATTRIBUTE, *([] if patterns == ['iso'] else patterns), *zones)})"


def _units(chosen: Sequence[Guess]) -> list[str]:
    """The units of the chosen forms, the coarsest first."""
    return sorted((one.form.name for one in chosen if one.form.power is not None), key=UNITS.__getitem__)


def _by_size(units: Sequence[str], attribute: str = ATTRIBUTE) -> str:
    """What reads numbers of several units, told apart by their size."""
    first, *rest = units
    read = call("epoch", attribute, first)
    if not rest:
        return read
    return f"if({attribute} < {10 ** (UNITS[first] + _PARTING)}, {read}, {_by_size(rest, attribute)})"


def _needs_zone(question: Question, one: Guess) -> bool:
    """Tell whether a form reads a text that names no zone of its own."""
    if one.form.power is not None:
        return False
    readings = (reading_of(one.form.pattern, question.texts[index], question.pivot_year) for index in one.reads)
    return any(reading.offset is None and reading.zone is None for reading in readings)


def of_numbers(question: Question, chosen: Sequence[Guess]) -> Iterator[str]:
    """What to write where digits are stored as text: a unit reads numbers only."""
    units = _units(chosen)
    if not units:
        return
    as_number = _by_size(units, f"to_number({ATTRIBUTE})")
    patterns = [one for one in chosen if one.form.power is None]
    if not patterns:
        yield if_text(as_number)
        return
    as_text = expression(question, patterns)
    numbers = [question.texts[index] for one in chosen if one.form.power is not None for index in one.reads]
    dates = [question.texts[index] for one in patterns for index in one.reads]
    if not any(map(_is_number, dates)):
        yield if_text(f"coalesce(try({as_number}), {as_text})")
    elif not any(_is_read(question, patterns, text) for text in numbers):
        yield if_text(f"coalesce(try({as_text}), {as_number})")
    else:
        yield f"A unit reads values of type NUMBER. If {ATTRIBUTE} is text, its digits can be dates as well as numbers."


def _is_number(text: str) -> bool:
    return NUMBER_TEXT.fullmatch(text) is not None


def _is_read(question: Question, patterns: Sequence[Guess], text: str) -> bool:
    try:
        parser_in_turn([one.form.pattern for one in patterns], question.zone, question.pivot_year)(text)
    except TimeError:
        return False
    return True


# JSON


def _as_value(question: Question, found: Guesses) -> dict[str, Any]:
    chosen = _chosen(found)
    return {
        "ddbetl_time_guess": 1,
        "texts": len(question.texts),
        "patterns": [_guess_value(question, one) for one in found.whole],
        "in_turn": [_guess_value(question, one) for one in found.in_turn],
        "not_read": [{"text": question.texts[index], "reason": reason} for index, reason in found.unread],
        "notes": list(_notes(question, found)),
        "expression": expression(question, chosen) if chosen else None,
    }


def _guess_value(question: Question, one: Guess) -> dict[str, Any]:
    first = min(one.reads)
    return {
        "pattern": one.form.name,
        "reads": len(one.reads),
        "example": question.texts[first],
        "instant": _instant(one.millis[first]),
    }
