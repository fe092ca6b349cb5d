"""Functions of time.

In: texts, epoch seconds and TIMESTAMPs; patterns and zones that are known when the spec is compiled. Out: NUMBER,
TIMESTAMP and text. Invariant: the meaning is Joda-Time's, as ``ddbetl.time`` has it; zones never come from the
machine.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal
from typing import Literal

from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import check_millis
from ddbetl.functions.forms import attempt, cast
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
    Lowering,
    Parameter,
    RowContext,
    Signature,
)
from ddbetl.numbers import EXACT
from ddbetl.time import (
    Pattern,
    PatternError,
    TimeError,
    Zone,
    ZoneError,
    compile_pattern,
    fast_format,
    fast_parse,
    format_millis,
    parse_millis,
    zone,
)
from ddbetl.types import Timestamp, Type, Value

_PATTERN = Parameter("pattern", STRING, optional=True, constant=True)
_ZONE = Parameter("zone", STRING, optional=True, constant=True)


def _pattern(binding: Binding, use: Literal["parse", "print"]) -> Pattern | None:
    text = binding.constants.get("pattern")
    if not isinstance(text, str):
        return None
    try:
        return compile_pattern(text, use=use)
    except PatternError as error:
        raise ArgumentError("pattern", error.message, at=error.position, length=error.length) from None


def _zone(binding: Binding) -> Zone:
    name = binding.constants.get("zone")
    if not isinstance(name, str):
        return binding.zone
    try:
        return zone(name)
    except ZoneError as error:
        hint = f"did you mean {' or '.join(error.nearest)}?" if error.nearest else "as in 'America/Los_Angeles'"
        raise ArgumentError("zone", error.message, hint) from None


# Milliseconds since 1970, of every kind of argument


def _millis_of_number(number: Decimal) -> int:
    """Epoch seconds, down to the millisecond before."""
    millis = EXACT.multiply(number, Decimal(1000))
    return check_millis(int(millis.to_integral_value(ROUND_FLOOR, EXACT)))


def _lower_number(lowering: Lowering, number: Fast) -> Fast:
    if number.form is Form.INTEGER:
        return attempt(lowering, f"{number.value} * 1000", Form.MILLIS)
    millis = attempt(lowering, f"{number.value} * 1000", Form.DECIMAL)
    return cast(lowering, f"floor({millis.value})", Form.MILLIS)


# What a function makes of milliseconds: the value, and its SQL.
_Finish = tuple[Callable[[int], Value], Callable[[Lowering, Fast], Fast]]


def _signatures(result: Type, finish: _Finish) -> tuple[Signature, ...]:
    """The ways to give a time: text with or without a pattern and a zone, epoch seconds, a TIMESTAMP."""
    value_of, lower_finish = finish

    def of_text(binding: Binding) -> Implementation:
        pattern, in_zone, pivot_year = _pattern(binding, "parse"), _zone(binding), binding.pivot_year

        def reference(text: str) -> Value:
            try:
                return value_of(parse_millis(pattern, text, in_zone, pivot_year))
            except TimeError as error:
                raise RowError("R0107", error.message) from None

        def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
            fast = fast_parse(pattern, in_zone, lowering.bind(arguments[0].value), pivot_year)
            if fast is None:
                return None
            # NULL where the text is none that the fast path reads.
            millis = lowering.bind(fast.millis)
            return lower_finish(lowering, Fast(millis, Form.MILLIS, f"({millis} IS NOT NULL)"))

        slow = fast_parse(pattern, in_zone, "x", pivot_year) is None
        return Implementation(
            reference, None if slow else lower, slow_because="the pattern is read by reference" if slow else ""
        )

    def lower_number(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        return lower_finish(lowering, _lower_number(lowering, arguments[0]))

    def lower_timestamp(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        return lower_finish(lowering, arguments[0])

    hint = "a time is text, a number of epoch seconds, or a TIMESTAMP"
    return (
        Signature((Parameter("x", STRING, hint=hint), _PATTERN, _ZONE), result, of_text, nullable=False),
        Signature(
            (Parameter("x", NUMBER, hint=hint),),
            result,
            Implementation(lambda number: value_of(_millis_of_number(number)), lower_number),
            nullable=False,
        ),
        Signature(
            (Parameter("x", TIMESTAMP, hint=hint),),
            result,
            Implementation(lambda time: value_of(time.millis), lower_timestamp),
            nullable=False,
        ),
    )


def _lower_seconds(lowering: Lowering, millis: Fast) -> Fast:
    # // cuts toward zero, so a second more is taken off before 1970.
    value = lowering.bind(millis.value)
    return Fast(f"({value} // 1000 - CAST({value} % 1000 < 0 AS BIGINT))", Form.INTEGER, millis.guard)


def _lower_millis(lowering: Lowering, millis: Fast) -> Fast:
    return Fast(millis.value, Form.INTEGER, millis.guard)


def _lower_timestamp(lowering: Lowering, millis: Fast) -> Fast:
    return millis


_READING = (
    "A text is read by the `pattern`, which is Joda-Time's (`yyyy-MM-dd HH:mm:ss`), or without one as ISO-8601 in "
    "Joda's own forms. A text without an offset is a local time of the `zone`, else of `WITH (timezone = …)`, else "
    "of UTC; never of the machine. Text after the time is an error. A NUMBER is taken as epoch seconds."
)

EPOCH = Function(
    "epoch",
    "time",
    f"Whole seconds since 1970-01-01T00:00:00Z, rounded down, so before 1970 too. {_READING}",
    _signatures(Type.NUMBER, (lambda millis: Decimal(millis // 1000), _lower_seconds)),
    (
        Example("epoch('2015-01-02T10:28:27.876-05:00')", "1420212507"),
        Example("epoch('26/04/2017', 'dd/MM/yyyy')", "1493164800"),
        Example("epoch('26/04/2017', 'dd/MM/yyyy', 'America/Los_Angeles')", "1493190000"),
        Example("epoch('1969-12-31T23:59:59.500Z')", "-1"),
        Example("epoch(1493201730.9)", "1493201730"),
        Example("epoch(DateTime)", "NULL"),
    ),
)

EPOCH_MS = Function(
    "epoch_ms",
    "time",
    f"Milliseconds since 1970-01-01T00:00:00Z; finer fractions are cut. {_READING}",
    _signatures(Type.NUMBER, (lambda millis: Decimal(millis), _lower_millis)),
    (
        Example("epoch_ms('2015-01-02T10:28:27.876-05:00')", "1420212507876"),
        Example("epoch_ms('1969-12-31T23:59:59.500Z')", "-500"),
        Example("epoch_ms(1.5)", "1500"),
    ),
)

PARSE_TIME = Function(
    "parse_time",
    "time",
    f"A TIMESTAMP, in milliseconds. {_READING} A TIMESTAMP exists inside expressions only: `epoch(…)` or "
    "`format_time(…)` makes a value of it that can be stored.",
    _signatures(Type.TIMESTAMP, (Timestamp, _lower_timestamp)),
    (
        Example("parse_time('26.4.2017 7:05', 'd.M.yyyy H:mm')", "TIMESTAMP '2017-04-26T07:05:00.000Z'"),
        Example("parse_time('2017-04-26')", "TIMESTAMP '2017-04-26T00:00:00.000Z'"),
        Example("epoch(parse_time(DateTime) + 1 day)", "1493251200", '{"DateTime": {"S": "2017-04-26"}}'),
    ),
)


def _bind_format(binding: Binding) -> Implementation:
    pattern, in_zone = _pattern(binding, "print"), _zone(binding)

    def reference(time: Timestamp) -> str:
        return format_millis(pattern, time.millis, in_zone)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        fast = fast_format(pattern, in_zone, lowering.bind(arguments[0].value))
        if fast is None:
            return None
        text = lowering.bind(fast.text)
        return Fast(text, Form.TEXT, f"({text} IS NOT NULL)")

    slow = fast_format(pattern, in_zone, "x") is None
    return Implementation(
        reference, None if slow else lower, slow_because="the pattern is printed by reference" if slow else ""
    )


FORMAT_TIME = Function(
    "format_time",
    "time",
    "The text of a TIMESTAMP by a Joda-Time `pattern`, in the `zone`, else that of `WITH (timezone = …)`, else "
    "UTC. Without a pattern it is ISO-8601 as Joda's `DateTime.toString()` has it. An attribute is never a "
    "TIMESTAMP: `format_time(parse_time(DateTime), …)`.",
    (
        Signature(
            (
                Parameter("time", TIMESTAMP, hint="parse_time(…) makes a TIMESTAMP of text or of epoch seconds"),
                _PATTERN,
                _ZONE,
            ),
            Type.STRING,
            _bind_format,
            nullable=False,
        ),
    ),
    (
        Example("format_time(parse_time(0), 'yyyy-MM-dd')", "'1970-01-01'"),
        Example(
            "format_time(TIMESTAMP '2017-04-26T01:00:00Z', 'dd MMM yyyy HH:mm', 'America/New_York')",
            "'25 Apr 2017 21:00'",
        ),
        Example("format_time(parse_time(1493201730.876))", "'2017-04-26T10:15:30.876Z'"),
    ),
)


def _now(context: RowContext) -> Timestamp:
    return context.now


def _lower_now(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(lowering.now, Form.MILLIS)


NOW = Function(
    "now",
    "time",
    "The time of the job as a TIMESTAMP: fixed when the job starts, the same for all rows, and kept when it is "
    "resumed.",
    (Signature((), Type.TIMESTAMP, Implementation(_now, _lower_now, context=True), nullable=False),),
    (
        Example("now() - now() = 0 seconds", "TRUE"),
        Example("now() > parse_time(DateTime)", "TRUE", '{"DateTime": {"S": "1970-01-01"}}'),
    ),
)

TIME: tuple[Function, ...] = (EPOCH, EPOCH_MS, FORMAT_TIME, NOW, PARSE_TIME)
