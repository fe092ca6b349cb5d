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

from ddbetl.functions.model import ArgumentError, Binding, Doubt
from ddbetl.time import Pattern, PatternError, Zone, ZoneError, compile_pattern, zone

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
            hint = "an offset has two digits for the hours: +05:30, -0800, +01"
            raise ArgumentError("pattern", f"{text} is no offset", hint, index=index)
        else:
            pattern = read_pattern(text, "parse", index, may_be_zone=last)
            patterns.append(pattern)
            doubts += doubts_of(pattern, index)
    if not patterns and unit is None:
        return Formats((None,), _DEFAULT_UNIT, in_zone)
    return Formats(tuple(patterns), unit, in_zone, tuple(doubts))


def doubts_of(pattern: Pattern, index: int = 0) -> list[Doubt]:
    """The warnings of a pattern, which is the ``index``-th."""
    return [
        Doubt(PATTERN_DOUBT, "pattern", warning.message, "", index, warning.position, warning.length)
        for warning in pattern.warnings
    ]


def read_pattern(text: str, use: Literal["parse", "print"], index: int = 0, *, may_be_zone: bool = False) -> Pattern:
    """Compile a pattern; ``may_be_zone``: a misspelt zone could stand there too.

    Raises ArgumentError.
    """
    try:
        return compile_pattern(text, use=use)
    except PatternError as error:
        hint = ""
        if text.lower().startswith("epoch"):
            hint = (
                f"the units are {', '.join(UNITS)}" if use == "parse" else "epoch(time) and epoch_ms(time) are numbers"
            )
        elif may_be_zone and (meant := _misspelt_zone(text)) is not None:
            raise _zone_fault(meant, "pattern", index) from None
        raise ArgumentError("pattern", error.message, hint, error.position, error.length, index) from None


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
    hint = f"did you mean {' or '.join(error.nearest)}?" if error.nearest else "as in 'America/Los_Angeles'"
    return ArgumentError(parameter, error.message, hint, index=index)


_OFFSET_SIGNS = re.compile(r"[+-][0-9][0-9:.]*", re.ASCII)
_ZONE_SIGNS = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]*", re.ASCII)
# In a pattern letters come in runs of one; in a name they differ from their neighbours.
_WORD = re.compile(r"(?<![A-Za-z])(?:([A-Za-z])(?!\1)){3}", re.ASCII | re.IGNORECASE)


def _misspelt_zone(text: str) -> ZoneError | None:
    """What is wrong with a text as a zone, if it was probably meant as one; it is no pattern."""
    if not _ZONE_SIGNS.fullmatch(text):
        return None
    try:
        zone(text)
    except ZoneError as error:
        return error if error.nearest or _WORD.match(text) else None
    return None
