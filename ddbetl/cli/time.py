"""The pages of ``ddbetl time``: what a pattern reads of texts.

In: a pattern, a unit or ``iso``, as a spec has them, and texts. Out: text, or a JSON value. Invariant: times, messages
and warnings are those of a run, because the functions of the language make them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import (
    Column,
    complain,
    err,
    harmless,
    json_text,
    out,
    page_width,
    painted,
    table,
    visible,
    width,
    wrapped,
)
from ddbetl.cli.wording import counted
from ddbetl.diagnostics import Diagnostic, render
from ddbetl.errors import RowError, SpecError
from ddbetl.functions.formats import ISO, Formats, formats_of, zone_hint
from ddbetl.functions.model import ArgumentError, Binding, Doubt, Implementation, Signature
from ddbetl.functions.time import EPOCH_MS, year_of_digits
from ddbetl.numbers import parse_number
from ddbetl.source import SourceText, Span
from ddbetl.time import Pattern, TimeError, Zone, ZoneError, format_millis, zone
from ddbetl.time.chronology import MILLIS_PER_DAY, day_of_week_of_days
from ddbetl.time.guess import overruled, own_zone, reading_of
from ddbetl.time.in_turn import parser_in_turn
from ddbetl.time.names import DAYS, ERAS, HALVES
from ddbetl.time.pattern import Fraction, Name, Number, TwoDigitYear
from ddbetl.time.reading import Reading
from ddbetl.time.zone import UTC_ZONE, offset_text

# The name that messages give to the pattern, and the attribute in what is to be pasted.
PATTERN = "<pattern>"
ATTRIBUTE = "DateTime"
# More texts than this get a line each.
MOST_PAGES = 5
# Who named a zone that stands in the pattern's place.
_PATTERN_ITSELF = "PATTERN"
_TWO_DAYS = 2 * MILLIS_PER_DAY
_NAMES = {"day of week": ("", *DAYS), "half of day": HALVES, "era": ERAS}


@dataclass(frozen=True, slots=True)
class Reader:
    """A pattern, a unit or ``iso``, compiled as the argument of a function. ``zone``: of texts that name none;
    ``origin``: who named that one."""

    name: str
    formats: Formats
    implementation: Implementation
    zone: Zone
    origin: str
    pivot_year: int

    @property
    def pattern(self) -> Pattern | None:
        return self.formats.patterns[0] if self.formats.patterns else None

    @property
    def unit(self) -> str | None:
        return None if self.formats.patterns else self.formats.unit


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a text: ``millis``, or else the row's error; ``at`` and ``length`` mark it in the text."""

    text: str
    millis: int | None = None
    reading: Reading | None = None
    code: str = ""
    message: str = ""
    reason: str = ""
    at: int = 0
    length: int = 1


def named_zone(name: str | None) -> Zone:
    """The zone of --zone, else UTC."""
    if name is None:
        return UTC_ZONE
    try:
        return zone(name)
    except ZoneError as error:
        # E0504 is what the same zone is in WITH (timezone = …).
        found = Diagnostic("E0504", error.message, Span(0, len(name)), zone_hint(error))
        raise SpecError(SourceText(name, "--zone"), (found,)) from None


def texts_of(given: Sequence[str]) -> list[str]:
    """The texts of the command line; ``-`` stands for the lines of standard input."""
    found: list[str] = []
    for text in given:
        if text == "-":
            lines = sys.stdin.buffer.read().decode("utf-8-sig", "backslashreplace").split("\n")
            found += [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]
        else:
            found.append(text)
    return found


def show(pattern: str, texts: Sequence[str], zone_name: str | None, pivot_year: int, as_json: bool) -> int:
    """Read texts by a pattern, a unit or ``iso`` and print what was read; returns the exit code."""
    reader = reader_of(pattern, zone_name, pivot_year)
    outcomes = [read(reader, text) for text in texts]
    failed = sum(outcome.millis is None for outcome in outcomes)
    if as_json:
        out(json_text(_as_value(reader, outcomes)))
    else:
        show_doubts(pattern, reader.implementation.doubts)
        if len(outcomes) <= MOST_PAGES:
            for number, outcome in enumerate(outcomes, 1):
                out(page(reader, outcome, number) + "\n")
        else:
            out(_lines(outcomes) + "\n")
        out(closing(_expression(reader), reader.implementation, reader.unit))
        if failed:
            err(f"\n{failed:,} of {counted(len(outcomes), 'text')} cannot be read")
    return ExitCode.REJECTS if failed else ExitCode.DONE


# The pattern


def reader_of(pattern: str, zone_name: str | None, pivot_year: int) -> Reader:
    """Compile what stands for PATTERN; raises SpecError, with the pattern in the place of the spec."""
    given = named_zone(zone_name)
    binding = Binding({"pattern": (pattern,)}, given, pivot_year)
    try:
        formats = formats_of(binding)
        implementation = bound(EPOCH_MS.signatures[0 if formats.patterns else 1], binding)
    except ArgumentError as error:
        raise wrong(pattern, error) from None
    origin = "--zone" if zone_name is not None else ""
    if formats.patterns == (None,) and pattern.lower() != ISO:
        origin = _PATTERN_ITSELF
    return Reader(pattern, formats, implementation, formats.zone, origin, pivot_year)


def bound(signature: Signature, binding: Binding) -> Implementation:
    made = signature.implementation
    return made if isinstance(made, Implementation) else made(binding)


def wrong(pattern: str, error: ArgumentError) -> SpecError:
    """The compiler's error, in the pattern alone."""
    start = error.at or 0
    span = Span(start, start + error.length) if error.at is not None else Span(0, len(pattern))
    hint = error.hint
    if not hint and "''" in pattern:
        hint = "quotes are doubled in a spec; here they stand as in \"yyyy-MM-dd'T'HH:mm\""
    elif not hint and "'" not in pattern and "as text must be quoted" in error.message:
        hint = "the shell keeps single quotes within double ones: \"yyyy-MM-dd'T'HH:mm\""
    return SpecError(SourceText(pattern, PATTERN), (Diagnostic("E0305", error.message, span, hint),))


def show_doubts(pattern: str, doubts: Sequence[Doubt]) -> None:
    """Write the compiler's warnings."""
    found = [Diagnostic(d.code, d.message, Span(d.at or 0, (d.at or 0) + d.length), d.hint) for d in doubts if d.code]
    if found:
        complain(render(SourceText(pattern, PATTERN), found, width(sys.stderr)) + "\n")


def _expression(reader: Reader) -> str:
    """What reads such texts in a spec."""
    names = [] if reader.name.lower() == ISO or reader.origin == _PATTERN_ITSELF else [reader.name]
    zones = [reader.zone.name] if reader.origin and reader.unit is None else []
    return call("epoch", ATTRIBUTE, *names, *zones)


def call(function: str, argument: str, *constants: str) -> str:
    """A call as it stands in a spec, its texts quoted."""
    quoted = ["'" + constant.replace("'", "''") + "'" for constant in constants]
    return f"{function}({', '.join([argument, *quoted])})"


def closing(expression: str, implementation: Implementation, unit: str | None = None) -> str:
    """What to paste into a spec, and whether it is fast."""
    slow = implementation.slow_because
    if implementation.lower is None:
        speed = f"no, every row goes by reference: {slow}"
    else:
        speed = "yes, for usual values" + (f"; none for {slow}" if slow else "")
    lines = [
        click.style("IN A SPEC", bold=True) + f"  {visible(expression)}",
        wrapped("  fast path  ", visible(speed), page_width()),
    ]
    if unit is not None:
        lines.append(wrapped("  ", if_text(call("epoch", f"to_number({ATTRIBUTE})", unit)), page_width()))
    return "\n".join(lines)


def if_text(expression: str) -> str:
    """What to write where the digits of numbers are stored as text."""
    return f"A unit reads values of type NUMBER. If {ATTRIBUTE} is text: {expression}"


# A text


def read(reader: Reader, text: str) -> Outcome:
    """Read a text as a run does."""
    if reader.unit is not None:
        try:
            return Outcome(text, int(reader.implementation.reference(parse_number(text))))  # type: ignore[arg-type]
        except RowError as error:
            return Outcome(text, code=error.code, message=error.message, reason=error.message, length=len(text))
    try:
        millis = parser_in_turn(reader.formats.patterns, reader.zone, reader.pivot_year)(text)
    except TimeError as error:
        at = min(error.position, len(text))
        length = 1 if error.reason.startswith("expected") else _word_length(text, at)
        if "does not exist" in error.reason:
            # A local time that the clocks leave out, not one of its parts.
            at, length = 0, len(text)
        return Outcome(text, code="R0107", message=error.message, reason=error.reason, at=at, length=length)
    return Outcome(text, millis, reading_of(reader.pattern, text, reader.pivot_year))


def _word_length(text: str, at: int) -> int:
    """The length of the number or name at a place, with its sign."""
    end = at + 1
    while end < len(text) and text[end].isalnum() and text[end].isdigit() == text[end - 1].isdigit():
        end += 1
    return end - at


def page(reader: Reader, outcome: Outcome, number: int) -> str:
    """All that there is to say of a text."""
    if outcome.millis is None:
        span = Span(outcome.at, outcome.at + outcome.length)
        found = Diagnostic(outcome.code, outcome.message, span)
        return painted(harmless(render(SourceText(outcome.text, f"text {number}"), (found,), width())), width())
    rows = [
        ("instant", f"{instant(outcome.millis)} ({_weekday(outcome.millis)})"),
        ("epoch", f"{outcome.millis // 1000}"),
        ("epoch_ms", f"{outcome.millis}"),
        ("read", ", ".join(_part_text(*part) for part in parts(reader.pattern, outcome.reading))),
        ("zone", zone_text(reader, outcome)),
        ("printed", _printed_text(reader, outcome)),
        *(("note", note) for note in notes(reader, outcome)),
    ]
    head = click.style(visible(outcome.text) or "(an empty text)", bold=True)
    return "\n".join([head, *(wrapped(f"  {label:<9} ", visible(said), page_width()) for label, said in rows if said)])


def instant(millis: int) -> str:
    """An instant in UTC, as ISO-8601."""
    return format_millis(None, millis, UTC_ZONE)


def _weekday(millis: int) -> str:
    return DAYS[day_of_week_of_days(millis // MILLIS_PER_DAY) - 1]


def parts(pattern: Pattern | None, reading: Reading | None) -> list[tuple[str, int, str]]:
    """The parts that were read: name, value, and the letters that read them (none for the ISO forms)."""
    if reading is None:
        return []
    letters: list[str] = [""] * len(reading.saved)
    if pattern is not None:
        saving = [part for part in pattern.fields if isinstance(part, Number | TwoDigitYear | Fraction | Name)]
        letters = [pattern.text[part.position : part.position + part.length] for part in saving]
    return [(name, value, used) for (name, value, _), used in zip(reading.saved, letters, strict=True)]


def _part_text(name: str, value: int, letters: str) -> str:
    said = _NAMES[name][value] if name in _NAMES else str(value)
    unit = " ms" if name.startswith("fraction") else ""
    return f"{name} {said}{unit}" + (f" ({letters})" if letters else "")


def zone_text(reader: Reader, outcome: Outcome) -> str:
    """The zone or offset that counted, and who named it."""
    if outcome.reading is None or outcome.millis is None:
        return ""
    used = own_zone(outcome.reading, reader.zone)
    then = "" if used.fixed_offset is not None else f", {offset_text(used.offset_at(outcome.millis))} then"
    if _origin(reader, outcome.reading) == "text":
        passed = "; --zone is for texts without one" if reader.origin else ""
        return f"{used.name}{then}: said by the text{passed}"
    if reader.origin:
        return f"{used.name}{then}: said by {reader.origin}"
    return "UTC, as neither the text nor --zone says another"


def _origin(reader: Reader, reading: Reading) -> str:
    return "text" if reading.offset is not None or reading.zone is not None else reader.origin or "default"


def printed(reader: Reader, outcome: Outcome) -> str | None:
    """The instant as the pattern prints it where the text is at home; None for numbers."""
    if outcome.reading is None or outcome.millis is None:
        return None
    return format_millis(reader.pattern, outcome.millis, own_zone(outcome.reading, reader.zone))


def _printed_text(reader: Reader, outcome: Outcome) -> str:
    text = printed(reader, outcome)
    if text is None:
        return ""
    return f"{text} (the same)" if text == outcome.text else f"{text} (not the same as the text)"


def notes(reader: Reader, outcome: Outcome) -> list[str]:
    """What may surprise in the way a text was read."""
    if outcome.reading is None or outcome.millis is None:
        return []
    reading, found = outcome.reading, []
    for name, value, own in overruled(reading, outcome.millis, reader.zone):
        found.append(f"parts contradict each other: the text says {_part_text(name, value, '')}, the time has {own}")
    found += two_digit_years(reader.pattern, reading, outcome.text, reader.pivot_year)
    found += missing(reading)
    found += [
        "milliseconds are kept, finer digits are cut"
        for name, _, at in reading.saved
        if name == "fraction of second" and _digits(outcome.text, at).rstrip("0")[3:]
    ]
    if reader.pattern is None and (doubt := year_of_digits(outcome.text)) is not None:
        found.append(f"{doubt}; the pattern yyyyMMdd reads digits as a date")
    if reading.offset is None:
        found += _overlap(own_zone(reading, reader.zone), outcome.millis)
    return found


def two_digit_years(pattern: Pattern | None, reading: Reading, text: str, pivot_year: int) -> list[str]:
    """What two digits of a year mean, where a text has such a year."""
    if pattern is None:
        return []
    saving = [part for part in pattern.fields if isinstance(part, Number | TwoDigitYear | Fraction | Name)]
    return [
        f"{_digits(text, at)[:2]} is the year {value}: two digits mean {pivot_year - 50} to {pivot_year + 49}, "
        f"in jobs of {pivot_year + 30}"
        for part, (_, value, at) in zip(saving, reading.saved, strict=True)
        if isinstance(part, TwoDigitYear) and (not part.lenient or len(_digits(text, at)) == 2)
    ]


def _digits(text: str, at: int) -> str:
    end = at
    while end < len(text) and text[end] in "0123456789":
        end += 1
    return text[at:end]


def missing(reading: Reading) -> list[str]:
    """What is taken for the parts of a date that a text does not have."""
    names = {name for name, *_ in reading.saved}
    if names & {"year", "year of era", "week-year", "century of era"}:
        return []
    if names & {"month", "week", "day", "day of year", "day of week"}:
        return ["no year is read: 2000 is taken"]
    return ["no date is read: 1970-01-01 is taken"]


def _overlap(used: Zone, millis: int) -> list[str]:
    """That a local time comes twice, where it does."""
    if used.rules is None:
        return []
    changes = used.rules.changes_between((millis - _TWO_DAYS) // 1000, (millis + _TWO_DAYS) // 1000)
    offsets = {offset * 1000 for _, before, after in changes for offset in (before, after)}
    offset = used.offset_at(millis)
    local = millis + offset
    for other in sorted(offsets - {offset}):
        if used.offset_at(local - other) == other:
            which, rest = ("earlier", "later") if local - other > millis else ("later", "earlier")
            return [
                f"this local time comes twice in {used.name}, as the clocks go back: the {which} one is taken, "
                f"at {offset_text(offset)}; the {rest} one, at {offset_text(other)}, is {instant(local - other)}"
            ]
    return []


def _lines(outcomes: Sequence[Outcome]) -> str:
    """Many texts, a line each."""
    rows = []
    for outcome in outcomes:
        if outcome.millis is None:
            where = f" at position {outcome.at}" if outcome.code == "R0107" else ""
            said, seconds = f"error{where}: {outcome.reason}", ""
        else:
            said, seconds = instant(outcome.millis), f"{outcome.millis // 1000}"
        rows.append([visible(outcome.text), seconds, visible(said)])
    return table([Column("text", least=20), Column("epoch", right=True), Column("instant", least=24)], rows)


# JSON


def _as_value(reader: Reader, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "ddbetl_time": 1,
        "pattern": reader.name,
        "zone": reader.zone.name,
        "expression": _expression(reader),
        "fast": reader.implementation.lower is not None,
        "slow_because": reader.implementation.slow_because or None,
        "warnings": [doubt.message for doubt in reader.implementation.doubts],
        "texts": [failure(one) if one.millis is None else _success(reader, one, one.millis) for one in outcomes],
    }


def failure(outcome: Outcome) -> dict[str, Any]:
    return {
        "text": outcome.text,
        "error": {
            "code": outcome.code,
            "message": outcome.message,
            "position": outcome.at,
            "reason": outcome.reason,
        },
    }


def _success(reader: Reader, outcome: Outcome, millis: int) -> dict[str, Any]:
    reading = outcome.reading
    used = own_zone(reading, reader.zone) if reading is not None else None
    text = printed(reader, outcome)
    return {
        "text": outcome.text,
        "instant": instant(millis),
        "epoch": millis // 1000,
        "epoch_ms": millis,
        "read": [
            {"part": name, "value": value, "letters": letters or None}
            for name, value, letters in parts(reader.pattern, reading)
        ],
        "zone": used.name if used is not None else None,
        "offset": offset_text(used.offset_at(millis)) if used is not None else None,
        "zone_from": _origin(reader, reading) if reading is not None else None,
        "printed": text,
        "same": text == outcome.text if text is not None else None,
        "notes": notes(reader, outcome),
    }
