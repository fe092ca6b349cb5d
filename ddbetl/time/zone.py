"""Time zones: from a name to offsets, and from local times to instants as Joda-Time resolves them.

In: a name (IANA id, ``UTC``, ``+05:30``), epoch or local milliseconds. Out: offsets and instants in milliseconds.

Invariant: zone data comes from the ``tzdata`` package, never from the machine. A local time inside a gap is an error,
in an overlap the earlier instant.
"""

import difflib
import re
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from ddbetl.time.chronology import MILLIS_PER_DAY, MILLIS_PER_HOUR, MILLIS_PER_MINUTE, civil_from_days
from ddbetl.time.errors import ZoneError
from ddbetl.time.tzif import Rules, read_rules

_OFFSET = re.compile(r"([+-])(\d\d)(?::?([0-5]\d)(?::?([0-5]\d)(?:[.]?(\d{3}))?)?)?", re.ASCII)


class GapError(ValueError):
    """Say that a local time does not exist in a zone."""


@dataclass(frozen=True, slots=True)
class Zone:
    """A fixed offset in milliseconds, or the rules of an IANA zone. Zones are equal when their names are."""

    name: str
    fixed_offset: int | None
    rules: Rules | None = field(compare=False)

    def offset_at(self, millis: int) -> int:
        """Give the offset from UTC in milliseconds at an instant in epoch milliseconds."""
        if self.rules is None:
            return self.fixed_offset or 0
        return self.rules.offset_at(millis // 1000) * 1000

    def instant_of(self, local: int) -> int:
        """Give the instant whose local time is ``local``; raise ``GapError`` when there is none.

        In an overlap it is the earlier one. The steps are those of ``DateTimeZone.getOffsetFromLocal``, because in
        the few overlaps longer than a zone's offset (the date line moved) they come out later.
        """
        if self.rules is None:
            return local - (self.fixed_offset or 0)
        settled = self.rules.settled_offset(local // 1000)
        if settled is not None:
            # No offset reaches two days.
            return local - settled * 1000
        offset = self._offset_from_local(self.rules, local)
        if self.offset_at(local - offset) != offset:
            raise GapError(f"{_local_text(local)} does not exist in {self.name}: {_gap_text(self.rules, local)}")
        return local - offset

    def _offset_from_local(self, rules: Rules, local: int) -> int:
        offset = self.offset_at(local)
        instant = local - offset
        adjusted = self.offset_at(instant)
        if offset < adjusted:
            if rules.next_change(instant // 1000) != rules.next_change((local - adjusted) // 1000):
                return offset
        elif offset == adjusted and offset >= 0:
            change = rules.last_change(instant // 1000)
            if change is not None:
                before = rules.offset_at(change - 1) * 1000
                if instant - (change * 1000 - 1) <= before - offset:
                    return before
        return adjusted


UTC_ZONE = Zone("UTC", 0, None)


@cache
def zone_names() -> tuple[str, ...]:
    """List the ids of the pinned zone data, sorted; ``Factory``, which is no place, is left out."""
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return tuple(sorted(name for name in names if name != "Factory"))


@cache
def zone(name: str) -> Zone:
    """Find a zone by IANA id (case counts), ``UTC`` or ``Z``, or an offset: ``+05``, ``+05:30``, ``-0800``.

    Raises ``ZoneError`` with the nearest names.
    """
    if name in ("UTC", "Z"):
        return UTC_ZONE
    if match := _OFFSET.fullmatch(name):
        sign, hours, minutes, seconds, millis = match.groups(default="0")
        if int(hours) <= 23:
            size = int(hours) * MILLIS_PER_HOUR + int(minutes) * MILLIS_PER_MINUTE + int(seconds) * 1000 + int(millis)
            return fixed_zone(-size if sign == "-" else size)
    if name not in zone_names():
        raise ZoneError(f"unknown time zone {name!r}", name, _nearest(name))
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return Zone(name, None, read_rules(data.read()))


def fixed_zone(offset: int) -> Zone:
    """Give the zone of a fixed offset in milliseconds, named as Joda-Time names it (``UTC``, ``+05:30``)."""
    return Zone(offset_text(offset), offset, None) if offset else UTC_ZONE


def offset_text(offset: int, *, separator: str = ":", least_fields: int = 2, most_fields: int = 4) -> str:
    """Print an offset in milliseconds: ``+05:30``, with seconds and thousandths only where they are not zero."""
    sign, size = ("-", -offset) if offset < 0 else ("+", offset)
    hours, size = divmod(size, MILLIS_PER_HOUR)
    minutes, size = divmod(size, MILLIS_PER_MINUTE)
    seconds, millis = divmod(size, 1000)
    text = f"{sign}{hours:02}{separator}{minutes:02}"
    if most_fields > 2 and (size or least_fields > 2):
        text += f"{separator}{seconds:02}"
        if most_fields > 3 and millis:
            text += f"{'.' if separator else ''}{millis:03}"
    return text


def _nearest(name: str) -> tuple[str, ...]:
    """Suggest ids: those equal but for case, then those whose city is meant, then similar ones."""
    wanted = name.strip().lower().replace(" ", "_")
    exact = [known for known in zone_names() if known.lower() == wanted]
    city = [known for known in zone_names() if known.lower().rsplit("/", 1)[-1] == wanted.rsplit("/", 1)[-1]]
    by_lower = {known.lower(): known for known in zone_names()}
    similar = [by_lower[known] for known in difflib.get_close_matches(wanted, by_lower, n=3, cutoff=0.6)]
    return tuple(dict.fromkeys(exact + city + similar))[:3]


def _gap_text(rules: Rules, local: int) -> str:
    """Say from when to when the clocks go forward over a local time."""
    seconds = local // 1000
    # No offset reaches a day.
    for at, before, after in rules.changes_between(seconds - 86_400, seconds + 86_400):
        if at + before <= seconds < at + after:
            first, then = _local_text((at + before) * 1000), _local_text((at + after) * 1000)
            first_day, _, first_time = first.partition("T")
            day, _, time = then.partition("T")
            return f"the clocks go forward from {first_time} to {time if day == first_day else then}"
    return "the clocks go forward over it"


def _local_text(local: int) -> str:
    days, of_day = divmod(local, MILLIS_PER_DAY)
    year, month, day = civil_from_days(days)
    hours, rest = divmod(of_day, MILLIS_PER_HOUR)
    minutes, rest = divmod(rest, MILLIS_PER_MINUTE)
    seconds, millis = divmod(rest, 1000)
    text = f"{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}"
    if seconds or millis:
        text += f":{seconds:02}" + (f".{millis:03}" if millis else "")
    return text
