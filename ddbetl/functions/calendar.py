"""Functions that calculate with TIMESTAMPs by the calendar of a zone.

In: TIMESTAMPs; units and zones that are known when the spec is compiled. Out: TIMESTAMP and NUMBER. Invariant: the
meaning is that of ``ddbetl.time.calendar``; zones never come from the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from ddbetl.diagnostics import did_you_mean
from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import check_millis
from ddbetl.functions.formats import zone_of
from ddbetl.functions.forms import attempt, conjunction, to_integer
from ddbetl.functions.model import (
    NUMBER,
    STRING,
    TIMESTAMP,
    ArgumentError,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.functions.time import ZONE
from ddbetl.numbers import number_text
from ddbetl.time import Zone
from ddbetl.time.calendar import ADD_UNITS, CLOCK_UNITS, PARTS, TRUNC_UNITS, added, part_of, truncated
from ddbetl.time.fast_calendar import fast_added, fast_part, fast_truncated
from ddbetl.time.fast_zone import instant_to_local, local_to_instant
from ddbetl.types import Timestamp, Type, Value

_UNIT = Parameter("unit", STRING, constant=True, hint="a unit is a text in single quotes: 'day'")
_TIME = Parameter("time", TIMESTAMP, hint="parse_time(…) makes a TIMESTAMP of text or of epoch seconds")

_ZONES = "The local time is that of the `zone`, else of `WITH (timezone = …)`, else of UTC."

U = TypeVar("U", bound=str)


def _listed(units: Sequence[str]) -> str:
    return ", ".join(f"`{unit}`" for unit in units)


def _unit(binding: Binding, known: Sequence[U]) -> U:
    """The unit, whatever its case, in the singular or the plural."""
    text = binding.constants["unit"]
    assert isinstance(text, str)
    wanted = text.lower()
    for unit in known:
        if wanted in (unit, f"{unit}s"):
            return unit
    hint = did_you_mean(wanted, known) or f"it is one of {', '.join(known)}"
    if wanted == "epoch":
        hint = "epoch(time) is the seconds since 1970"
    raise ArgumentError("unit", f"there is no unit {text!r} here", hint)


def _implementation(reference: Callable[..., Value], lower: Lower, in_zone: Zone) -> Implementation:
    """Both evaluators, or why there is only one."""
    if instant_to_local(in_zone, "x") is None or local_to_instant(in_zone, "x") is None:
        return Implementation(reference, slow_because=f"the clocks of {in_zone.name} change too often")
    return Implementation(reference, lower)


def _known(lowering: Lowering, sql: str | None, form: Form) -> Fast | None:
    """A value that is NULL where the fast path does not know it."""
    if sql is None:
        return None
    value = lowering.bind(sql)
    return Fast(value, form, f"({value} IS NOT NULL)")


def _bind_trunc(binding: Binding) -> Implementation:
    unit, in_zone = _unit(binding, TRUNC_UNITS), zone_of(binding)

    def reference(time: Timestamp) -> Timestamp:
        return Timestamp(check_millis(truncated(unit, time.millis, in_zone)))

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        millis = lowering.bind(arguments[0].value)
        return _known(lowering, fast_truncated(unit, in_zone, millis, lowering.bind), Form.MILLIS)

    return _implementation(reference, lower, in_zone)


DATE_TRUNC = Function(
    "date_trunc",
    "time",
    f"The first instant of the unit that a TIMESTAMP lies in: {_listed(TRUNC_UNITS)}. A week begins on Monday, an "
    f"`isoyear` with its first week. {_ZONES} Where a day has no midnight, because the clocks went forward over it, it "
    "is the first instant of the day; where midnight comes twice, the earlier one.",
    (Signature((_UNIT, _TIME, ZONE), Type.TIMESTAMP, _bind_trunc, nullable=False),),
    (
        Example("date_trunc('month', TIMESTAMP '2017-04-26T10:15:30Z')", "TIMESTAMP '2017-04-01T00:00:00.000Z'"),
        Example("date_trunc('week', TIMESTAMP '2017-04-26T10:15:30Z')", "TIMESTAMP '2017-04-24T00:00:00.000Z'"),
        Example(
            "date_trunc('day', TIMESTAMP '2017-04-26T01:00:00Z', 'America/New_York')",
            "TIMESTAMP '2017-04-25T04:00:00.000Z'",
        ),
        Example(
            "date_trunc('day', TIMESTAMP '2017-10-15T12:00:00Z', 'America/Sao_Paulo')",
            "TIMESTAMP '2017-10-15T03:00:00.000Z'",
        ),
        Example(
            "epoch(date_trunc('hour', parse_time(DateTime)))",
            "1493200800",
            '{"DateTime": {"S": "2017-04-26T10:15:30Z"}}',
        ),
    ),
)


def _bind_part(binding: Binding) -> Implementation:
    part, in_zone = _unit(binding, PARTS), zone_of(binding)

    def reference(time: Timestamp) -> Decimal:
        return Decimal(part_of(part, time.millis, in_zone))

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        millis = lowering.bind(arguments[0].value)
        return _known(lowering, fast_part(part, in_zone, millis, lowering.bind), Form.INTEGER)

    return _implementation(reference, lower, in_zone)


DATE_PART = Function(
    "date_part",
    "time",
    f"A part of a TIMESTAMP's local time, as a number: {_listed(PARTS)}. `week` and `isoyear` are ISO-8601's; `isodow` "
    "is the day of the week from Monday, 1, to Sunday, 7, `dow` from Sunday, 0, to Saturday, 6; `doy` is the day of "
    "the year. `second` is whole, and `millisecond` counts from the start of the minute, as in PostgreSQL and DuckDB. "
    f"{_ZONES}",
    (Signature((_UNIT, _TIME, ZONE), Type.NUMBER, _bind_part, nullable=False),),
    (
        Example("date_part('year', TIMESTAMP '2017-04-26T10:15:30Z')", "2017"),
        Example("date_part('isodow', TIMESTAMP '2017-04-26T10:15:30Z')", "3"),
        Example("date_part('hour', TIMESTAMP '2017-04-26T10:15:30Z', 'Asia/Kolkata')", "15"),
        Example("date_part('millisecond', TIMESTAMP '2017-04-26T10:15:30.876Z')", "30876"),
        Example("date_part('month', parse_time(DateTime))", "12", '{"DateTime": {"S": "2016-12-31"}}'),
    ),
)


def _bind_add(binding: Binding) -> Implementation:
    unit, in_zone = _unit(binding, ADD_UNITS), zone_of(binding)

    def reference(count: Decimal, time: Timestamp) -> Timestamp:
        if count != count.to_integral_value():
            raise RowError("R0110", f"the count is a whole number, not {number_text(count)}")
        return Timestamp(check_millis(added(unit, int(count), time.millis, in_zone)))

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        count = to_integer(lowering, arguments[0])
        if count is None:
            return None
        if unit in CLOCK_UNITS:
            elapsed = attempt(lowering, f"{count.value} * {CLOCK_UNITS[unit]}", Form.MILLIS, count.guard)
            return attempt(lowering, f"{arguments[1].value} + {elapsed.value}", Form.MILLIS, elapsed.guard)
        number, millis = lowering.bind(count.value), lowering.bind(arguments[1].value)
        found = _known(lowering, fast_added(unit, in_zone, number, millis, lowering.bind), Form.MILLIS)
        return None if found is None else replace(found, guard=conjunction([found.guard, count.guard]))

    if unit in CLOCK_UNITS:
        return Implementation(reference, lower)
    return _implementation(reference, lower, in_zone)


DATE_ADD = Function(
    "date_add",
    "time",
    f"A TIMESTAMP so many units later, or earlier for a negative count: {_listed(ADD_UNITS)}. A day, and whatever is "
    "longer, keeps the local time; the day of the month is cut to the last of its month. Where the clocks went forward "
    "over that local time it moves forward as far as they did; where it comes twice it keeps its offset from UTC. An "
    f"hour, and whatever is shorter, is elapsed time. {_ZONES} A duration is added by `+`: `time + 90 minutes`, and "
    "`1 day` there is always 24 hours.",
    (
        Signature(
            (_UNIT, Parameter("count", NUMBER), _TIME, ZONE),
            Type.TIMESTAMP,
            _bind_add,
            nullable=False,
        ),
    ),
    (
        Example("date_add('month', 1, TIMESTAMP '2017-01-31T10:15:00Z')", "TIMESTAMP '2017-02-28T10:15:00.000Z'"),
        Example("date_add('year', -1, TIMESTAMP '2016-02-29T00:00:00Z')", "TIMESTAMP '2015-02-28T00:00:00.000Z'"),
        Example(
            "date_add('day', 1, TIMESTAMP '2017-03-11T18:00:00Z', 'America/Los_Angeles')",
            "TIMESTAMP '2017-03-12T17:00:00.000Z'",
        ),
        Example(
            "date_add('day', 1, TIMESTAMP '2017-03-11T10:30:00Z', 'America/Los_Angeles')",
            "TIMESTAMP '2017-03-12T10:30:00.000Z'",
        ),
        Example(
            "epoch(date_add('year', years, parse_time(DateTime)))",
            "1524737730",
            '{"DateTime": {"S": "2017-04-26T10:15:30Z"}, "years": {"N": "1"}}',
        ),
        Example(
            "date_add('day', n, now())",
            "error: date_add('day', n, now()): the count is a whole number, not 1.5",
            '{"n": {"N": "1.5"}}',
        ),
    ),
)

CALENDAR: tuple[Function, ...] = (DATE_ADD, DATE_PART, DATE_TRUNC)
