"""The constant texts behind a value that is to become a time: patterns, a unit, a zone.

In: the texts of ``epoch(x, 'yyyy-MM-dd', 'epoch_ms', 'Europe/Berlin')`` in their order. Out: ``Formats``: how texts
are read, and how numbers.

A text is ``iso``, or a unit, or, as the last one, a zone, or else a pattern. No text is two of these, but for two
kinds, and those are settled here: an offset such as ``+05:30`` is a zone (as a pattern it has no letters), and ``Z``
alone is refused.

Invariant: what a text is depends on itself and on being the last, never on what tables hold.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ddbetl.diagnostics import did_you_mean, suggest
from ddbetl.functions.model import ArgumentError, Binding, Doubt
from ddbetl.time import Pattern, PatternError, Zone, ZoneError, compile_pattern, zone
from ddbetl.time.names import SHORT_ZONES

# The name of the forms that are read without a pattern.
ISO = "iso"
# Units of numbers: how many of them are a second, as a power of ten.
UNITS = {"epoch_s": 0, "epoch_ms": 3, "epoch_us": 6, "epoch_ns": 9}
_DEFAULT_UNIT = "epoch_s"

PATTERN_DOUBT = "W0105"


@dataclass(frozen=True, slots=True)
class Formats:
    """``patterns``: tried in turn, None for the ISO forms; without one no text is read. ``unit``: of numbers; without
    one no number is read. ``zone``: of texts without an offset."""

    patterns: tuple[Pattern | None, ...]
    unit: str | None
    zone: Zone
    doubts: tuple[Doubt, ...] = ()


def formats_of(binding: Binding) -> Formats:
    """What the texts of the parameter ``pattern`` say; without any: the ISO forms, and numbers are seconds.

    Raises ArgumentError.
    """
    given = binding.constants.get("pattern", ())
    texts = [text for text in given if isinstance(text, str)] if isinstance(given, tuple) else []
    patterns: list[Pattern | None] = []
    doubts: list[Doubt] = []
    unit: str | None = None
    in_zone = binding.zone
    for index, text in enumerate(texts):
        last = index == len(texts) - 1
        if text.lower() == ISO:
            patterns.append(None)
        elif text.lower() in UNITS:
            if unit is not None:
                message = f"numbers have one unit, and {unit} stands here already"
                raise ArgumentError("pattern", message, index=index)
            unit = text.lower()
        elif text == "Z":
            hint = "'UTC' is the zone, 'ZZ' is a pattern for an offset"
            raise ArgumentError("pattern", "'Z' could be the zone or the letter of a pattern", hint, index=index)
        elif (found := find_zone(text)) is not None:
            if not last:
                message = f"{text} is a time zone, and the zone stands last"
                raise ArgumentError("pattern", message, "patterns and units come first, then one zone", index=index)
            in_zone = found
        elif last and _OFFSET_SIGNS.fullmatch(text):
            hint = _offset_meant(text) or "an offset has two digits for the hours, up to 23: +05:30, -0800, +01"
            raise ArgumentError("pattern", f"{text} is no offset", hint, index=index)
        else:
            pattern = read_pattern(text, "parse", index)
            patterns.append(pattern)
            doubts += doubts_of(pattern, index)
            if text in _UNITS_THAT_ARE_PATTERNS:
                message = f"{text!r} is a pattern here, {_UNITS_THAT_ARE_PATTERNS[text]}"
                doubts.append(Doubt(PATTERN_DOUBT, "pattern", message, f"the unit is '{_unit_meant(text)}'", index))
    if not patterns and unit is None:
        return Formats((None,), _DEFAULT_UNIT, in_zone)
    return Formats(tuple(patterns), unit, in_zone, tuple(doubts))


def doubts_of(pattern: Pattern, index: int = 0) -> list[Doubt]:
    """The warnings of a pattern, which is the ``index``-th."""
    if (found := _STRFTIME.search(pattern.text)) is not None:
        message = "'%' is text in a pattern"
        return [Doubt(PATTERN_DOUBT, "pattern", message, _NO_STRFTIME, index, found.start(), len(found[0]))]
    return [
        Doubt(PATTERN_DOUBT, "pattern", warning.message, "", index, warning.position, warning.length)
        for warning in pattern.warnings
    ]


def read_pattern(text: str, use: Literal["parse", "print"], index: int = 0, *, may_be_zone: bool = True) -> Pattern:
    """Compile a pattern; ``may_be_zone``: a misspelt zone could stand there too.

    Raises ArgumentError: it says what was probably meant, a unit, a zone or a pattern.
    """
    if _LOCALE.fullmatch(text) and len(text) > 2:
        raise ArgumentError("pattern", f"{text!r} is a locale", _NO_LOCALES, index=index)
    try:
        return compile_pattern(text, use=use)
    except PatternError as error:
        fault = error
    if (unit := _unit_meant(text)) is not None:
        if use == "print":
            hint = "epoch(time) and epoch_ms(time) are numbers"
            raise ArgumentError("pattern", f"{text!r} is no pattern", hint, index=index)
        hint = f"did you mean '{unit}'?" if unit else f"the units are {', '.join(UNITS)}"
        raise ArgumentError("pattern", f"{text!r} is no unit", hint, index=index)
    if near := did_you_mean(text, (ISO,)) or ("did you mean iso?" if _ISO_8601.fullmatch(text) else ""):
        raise ArgumentError("pattern", f"{text!r} is no pattern", near, index=index)
    if _LOCALE.fullmatch(text):
        raise ArgumentError("pattern", f"{text!r} is no pattern", _NO_LOCALES, index=index)
    if may_be_zone and (meant := _misspelt_zone(text)) is not None:
        raise _zone_fault(meant, "pattern", index)
    hint = _NO_STRFTIME if _STRFTIME.search(text) else ""
    raise ArgumentError("pattern", fault.message, hint, fault.position, fault.length, index)


def find_zone(text: str) -> Zone | None:
    """The zone of a name; None if it is none."""
    try:
        return zone(text)
    except ZoneError:
        return None


def zone_of(binding: Binding) -> Zone:
    """The zone that the parameter ``zone`` names, else the spec's.

    Raises ArgumentError.
    """
    name = binding.constants.get("zone")
    if not isinstance(name, str):
        return binding.zone
    try:
        return zone(name)
    except ZoneError as error:
        raise _zone_fault(error, "zone", 0) from None


def _zone_fault(error: ZoneError, parameter: str, index: int) -> ArgumentError:
    return ArgumentError(parameter, error.message, zone_hint(error), index=index)


def zone_hint(error: ZoneError) -> str:
    """What to write in the place of an unknown zone."""
    name = error.name
    if _LOCALE.fullmatch(name):
        return _NO_LOCALES
    if near := _offset_meant(name):
        return near
    if (short := _SHORT_ZONE.fullmatch(name)) is not None and short[1].upper() in SHORT_ZONES:
        return f"did you mean {SHORT_ZONES[short[1].upper()]}?"
    if similar := did_you_mean(name, error.nearest):
        return similar
    city = name.lower().replace(" ", "_").rpartition("/")[2]
    found = [known for known in error.nearest if known.lower().rpartition("/")[2] == city]
    return f"did you mean {' or '.join(found)}?" if found else "as in 'America/Los_Angeles'"


def _offset_meant(text: str) -> str:
    """A hint for UTC+1 or +5; not Etc/GMT+1, whose sign is turned round."""
    found = _NAMED_OFFSET.fullmatch(text)
    if found is None or int(found["hours"]) > 23:
        return ""
    return f"did you mean {found['sign']}{found['hours']:0>2}:{found['minutes'] or '00'}?"


def _unit_meant(text: str) -> str | None:
    """The unit that a text was probably meant as, empty where there is no telling which; None if it is no unit."""
    wanted = text.strip().lower()
    prefix = _EPOCH.match(wanted)
    word = wanted[prefix.end() :] if prefix is not None else wanted
    for unit, words in _UNIT_WORDS.items():
        if re.fullmatch(words, word, re.ASCII) or (prefix and word and unit.removeprefix("epoch_").startswith(word)):
            return unit
    if prefix:
        return suggest(wanted, UNITS) or ("" if word else "epoch_s")
    return None


_EPOCH = re.compile(r"(?:unix|epoch|posix)(?:[ _-]?time(?:stamp)?)?[ _-]?")
_UNIT_WORDS = {
    "epoch_s": "s|secs?|seconds?",
    "epoch_ms": r"ms|milli\w*",
    "epoch_us": r"us|micro\w*",
    "epoch_ns": r"ns|nano\w*",
}
_UNITS_THAT_ARE_PATTERNS = {"s": "the second of a minute", "ms": "minute and second"}
_ISO_8601 = re.compile(r"iso[ _-]?(?:8601)?(?:[ _-]?(?:date)?[ _-]?(?:time)?)", re.IGNORECASE)
_STRFTIME = re.compile(r"%[A-Za-z]", re.ASCII)
_NO_STRFTIME = "the letters stand alone: %Y-%m-%d is yyyy-MM-dd"
# A language and perhaps a country: fr, de_DE, pt-BR.
_LOCALE = re.compile(r"([a-z])(?!\1)[a-z](?:[_-]([A-Z])(?!\2)[A-Z])?", re.ASCII)
_NO_LOCALES = "there are no locales: names of months and days are English"
_NAMED_OFFSET = re.compile(
    r"(?:UTC|GMT|UT)? ?(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::?(?P<minutes>[0-5][0-9]))?", re.ASCII | re.IGNORECASE
)
_SHORTEST_NAME = 3
_SHORT_ZONE = re.compile(r"([A-Za-z]{3})[0-9]?", re.ASCII)
_OFFSET_SIGNS = re.compile(r"[+-][0-9][0-9:.]*", re.ASCII)
_ZONE_SIGNS = re.compile(r"[A-Za-z][A-Za-z0-9_+:/ -]*", re.ASCII)
# In a pattern letters come in runs of one; in a name they differ from their neighbours.
_WORD = re.compile(r"(?<![A-Za-z])(?:([A-Za-z])(?!\1)){3}", re.ASCII | re.IGNORECASE)


def _misspelt_zone(text: str) -> ZoneError | None:
    """What is wrong with a text as a zone, if it was probably meant as one; it is no pattern."""
    if not _ZONE_SIGNS.fullmatch(text) or len(text) < _SHORTEST_NAME:
        return None
    try:
        zone(text)
    except ZoneError as error:
        if " " in text or ":" in text:
            # So is many a pattern: only what is nearly a zone was meant as one.
            return error if zone_hint(error).startswith("did you mean") else None
        return error if error.nearest or _WORD.match(text) else None
    return None
