"""Zone rules from compiled time zone files (TZif, RFC 9636): every change of the offset, of all years.

In: the bytes of a file. Out: ``Rules``: instants at which the offset changes, the offsets, and the yearly rule that
follows.

Invariant: seconds since 1970 UTC, offsets in seconds east of UTC; years beyond the explicit changes follow the file's
footer for ever.
"""

import re
import struct
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from ddbetl.time.chronology import day_of_week_of_days, days_from_civil, days_in_month, is_leap, year_of_days

_LAST_YEAR_WRITTEN_OUT = 2100
_TWO_DAYS = 172_800

_HEADER = struct.Struct(">4sc15x6L")


@dataclass(frozen=True, slots=True)
class YearlyChange:
    """A change that comes every year, in POSIX TZ terms: ``M3.2.0/2``, ``J60`` or ``59``, in seconds of local time."""

    month: int
    week: int
    weekday: int
    julian_day: int | None
    day_of_year: int | None
    seconds: int

    def local_seconds(self, year: int) -> int:
        """Give the local time (seconds since 1970) of the change in a year, in the offset before it."""
        if self.julian_day is not None:
            # Jn counts without the 29th of February.
            day = days_from_civil(year, 1, 1) + self.julian_day - 1 + (is_leap(year) and self.julian_day >= 60)
        elif self.day_of_year is not None:
            day = days_from_civil(year, 1, 1) + self.day_of_year
        else:
            first = days_from_civil(year, self.month, 1)
            day = first + (self.weekday - day_of_week_of_days(first) % 7) % 7 + (self.week - 1) * 7
            if day >= first + days_in_month(year, self.month):
                day -= 7
        return day * 86_400 + self.seconds


@dataclass(frozen=True, slots=True)
class Footer:
    """What holds after the last explicit change: one offset, or two with a yearly start and end of daylight time."""

    standard: int
    daylight: int
    start: YearlyChange | None
    end: YearlyChange | None

    def changes(self, year: int) -> tuple[tuple[int, int], ...]:
        """List (instant, offset from then on) of the changes that local year brings, in order."""
        if self.start is None or self.end is None:
            return ()
        return tuple(
            sorted(
                (
                    (self.start.local_seconds(year) - self.standard, self.daylight),
                    (self.end.local_seconds(year) - self.daylight, self.standard),
                )
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """All offsets of a zone. ``offsets[i]`` holds from ``instants[i - 1]`` (or for ever before) to ``instants[i]``.

    ``daylight[i]`` tells whether that is daylight saving time: it may change without the offset. Where a file calls
    winter time "negative saving" (Ireland), summer is daylight time here, as in Joda-Time.

    The footer's changes count only after the instant ``footer_from``.
    """

    instants: tuple[int, ...]
    offsets: tuple[int, ...]
    daylight: tuple[bool, ...]
    footer: Footer
    footer_from: int

    def offset_at(self, seconds: int) -> int:
        """Give the offset at an instant."""
        if seconds <= self.footer_from or self.footer.start is None:
            return self.offsets[bisect_right(self.instants, seconds)]
        offset = self.offsets[-1]
        for at, then in _changes_around(self, year_of_days(seconds // 86_400)[0]):
            if at > seconds:
                break
            offset = then
        return offset

    def settled_offset(self, seconds: int) -> int | None:
        """Give the offset at an instant if nothing changes for two days before and after it, else None."""
        index = bisect_right(self.instants, seconds)
        if index == len(self.instants) or (index and seconds - self.instants[index - 1] < _TWO_DAYS):
            return None
        return self.offsets[index] if self.instants[index] - seconds > _TWO_DAYS else None

    def is_daylight(self, seconds: int) -> bool:
        """Tell whether an instant lies in daylight saving time."""
        if seconds <= self.footer_from or self.footer.start is None:
            return self.daylight[bisect_right(self.instants, seconds)]
        return self.offset_at(seconds) == max(self.footer.standard, self.footer.daylight)

    def next_change(self, seconds: int) -> int | None:
        """Give the first instant after ``seconds`` at which the offset changes."""
        index = bisect_right(self.instants, seconds)
        while index < len(self.instants):
            if self.offsets[index] != self.offsets[index + 1]:
                return self.instants[index]
            index += 1
        year = year_of_days(max(seconds, self.footer_from) // 86_400)[0]
        return next((at for at, *_ in self._footer_changes(year, year + 3) if at > seconds), None)

    def last_change(self, seconds: int) -> int | None:
        """Give the last instant up to ``seconds`` at which the offset changed."""
        if seconds > self.footer_from:
            year = year_of_days(seconds // 86_400)[0]
            for at, *_ in reversed(self._footer_changes(year - 2, year + 1)):
                if at <= seconds:
                    return at
        for index in range(bisect_right(self.instants, seconds), 0, -1):
            if self.offsets[index] != self.offsets[index - 1]:
                return self.instants[index - 1]
        return None

    def changes_between(self, first: int, last: int) -> list[tuple[int, int, int]]:
        """List (instant, offset before, offset after) of the changes with ``first <= instant < last``."""
        explicit = zip(self.instants, self.offsets, self.offsets[1:], strict=False)
        found = [change for change in explicit if first <= change[0] < last and change[1] != change[2]]
        begin = max(first, self.footer_from + 1)
        if begin < last:
            years = year_of_days(begin // 86_400)[0] - 1, year_of_days(last // 86_400)[0] + 1
            found += [change for change in self._footer_changes(*years) if begin <= change[0] < last]
        return found

    def _footer_changes(self, first_year: int, last_year: int) -> list[tuple[int, int, int]]:
        """List the footer's changes of some years, both included, that come after the explicit ones."""
        return [
            (at, before, after)
            for year in range(first_year, last_year + 1)
            for at, after in self.footer.changes(year)
            if at > self.footer_from and (before := self.offset_at(at - 1)) != after
        ]


@lru_cache(maxsize=4096)
def _changes_around(rules: Rules, year: int) -> tuple[tuple[int, int], ...]:
    """List the yearly changes that may decide the offset in a UTC year, later than the explicit ones."""
    return tuple(
        change
        for near in (year - 1, year, year + 1)
        for change in rules.footer.changes(near)
        if change[0] > rules.footer_from
    )


def read_rules(data: bytes) -> Rules:
    """Read a TZif file of version 2 or later; raise ``ValueError`` for anything else."""
    magic, version, *counts = _HEADER.unpack_from(data)
    if magic != b"TZif" or version < b"2":
        raise ValueError("not a TZif file of version 2 or later")
    is_utc, is_std, leaps, times, types, chars = counts
    # The second block repeats the first with 64-bit instants.
    start = _HEADER.size + times * 5 + types * 6 + chars + leaps * 8 + is_std + is_utc
    _, _, is_utc, is_std, leaps, times, types, chars = _HEADER.unpack_from(data, start)
    start += _HEADER.size
    at = struct.unpack_from(f">{times}q", data, start)
    kinds = data[start + times * 8 : start + times * 9]
    start += times * 9
    local_types = [struct.unpack_from(">l?B", data, start + index * 6) for index in range(types)]
    start += types * 6 + chars + leaps * 12 + is_std + is_utc
    footer = _read_footer(data[start:].decode("ascii").strip("\n"))

    instants: list[int] = []
    offsets, daylight = [local_types[0][0]], [local_types[0][1]]
    current = local_types[0]
    for instant, kind in zip(at, kinds, strict=True):
        # A new abbreviation alone counts too: Windhoek's standard time of 1990 is another law than that before.
        if local_types[kind] != current:
            current = local_types[kind]
            instants.append(instant)
            offsets.append(current[0])
            daylight.append(current[1])
    daylight = _positive_saving(offsets, daylight)
    footer = footer or Footer(offsets[-1], offsets[-1], None, None)
    # A file without any explicit change is all footer; its rule holds for ever.
    footer_from = at[-1] if at else -(2**63)
    # The next decades are written out: finding a change in a list is faster than computing it.
    first_year = year_of_days(footer_from // 86_400)[0] if at else _LAST_YEAR_WRITTEN_OUT + 1
    for year in range(first_year, _LAST_YEAR_WRITTEN_OUT + 1):
        for instant, offset in footer.changes(year):
            if instant > footer_from:
                footer_from = instant
                instants.append(instant)
                offsets.append(offset)
                daylight.append(offset == max(footer.standard, footer.daylight))
    return Rules(tuple(instants), tuple(offsets), tuple(daylight), footer, footer_from)


def _positive_saving(offsets: list[int], daylight: list[bool]) -> list[bool]:
    """Turn saving time below the standard time around it into standard time, and that around it into saving time.

    What came only once, in Prague in 1946, was no rule, and Joda-Time leaves it as it is.
    """
    last = len(offsets) - 1
    beside = [[near for near in (index - 1, index + 1) if 0 <= near <= last] for index in range(last + 1)]
    negative = [
        saving and all(not daylight[near] and offsets[near] > offsets[index] for near in beside[index])
        for index, saving in enumerate(daylight)
    ]
    if sum(negative) == 1:
        return daylight
    return [
        saving != (negative[index] or (not saving and any(negative[near] for near in beside[index])))
        for index, saving in enumerate(daylight)
    ]


_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]+>)"
_TIME = r"[+-]?\d{1,3}(?::\d\d(?::\d\d)?)?"
_CHANGE = rf"(?:M\d\d?\.\d\.\d|J?\d{{1,3}})(?:/{_TIME})?"
_FOOTER = re.compile(rf"{_NAME}({_TIME})(?:{_NAME}({_TIME})?,({_CHANGE}),({_CHANGE}))?")


def _read_footer(text: str) -> Footer | None:
    """Read a POSIX TZ string, as extended by RFC 9636: hours may run from -167 to 167."""
    if not text:
        return None
    match = _FOOTER.fullmatch(text)
    if match is None:
        raise ValueError(f"unreadable rule {text!r}")
    standard, daylight, start, end = match.groups()
    offset = -_seconds(standard)
    if start is None:
        return Footer(offset, offset, None, None)
    return Footer(offset, -_seconds(daylight) if daylight else offset + 3600, _change(start), _change(end))


def _seconds(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    hours, minutes, seconds, *_ = [*map(int, text.lstrip("+-").split(":")), 0, 0]
    return sign * (hours * 3600 + minutes * 60 + seconds)


def _change(text: str) -> YearlyChange:
    day, _, time = text.partition("/")
    seconds = _seconds(time) if time else 2 * 3600
    if day.startswith("M"):
        month, week, weekday = map(int, day[1:].split("."))
        return YearlyChange(month, week, weekday, None, None, seconds)
    if day.startswith("J"):
        return YearlyChange(0, 0, 0, int(day[1:]), None, seconds)
    return YearlyChange(0, 0, 0, None, int(day), seconds)
