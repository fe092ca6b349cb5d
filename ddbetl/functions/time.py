"""Functions that read and print times.

In: texts, numbers and TIMESTAMPs; patterns, units and zones that are known when the spec is compiled. Out: NUMBER,
TIMESTAMP and text. Invariant: the meaning is Joda-Time's, as ``ddbetl.time`` has it; zones never come from the
machine.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import TypeAlias

from ddbetl.errors import RowError
from ddbetl.functions.arithmetic import check_millis
from ddbetl.functions.formats import ISO, UNITS, Formats, doubts_of, find_zone, formats_of, read_pattern, zone_of
from ddbetl.functions.forms import attempt, cast
from ddbetl.functions.model import (
    NUMBER,
    STRING,
    TIMESTAMP,
    Binding,
    Doubt,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Parameter,
    RowContext,
    Signature,
    sql_text,
)
from ddbetl.numbers import EXACT
from ddbetl.time import Pattern, TimeError, Zone, fast_format, fast_parse, format_millis
from ddbetl.time.fast_reason import why_not_printed_fast, why_not_read_fast
from ddbetl.time.in_turn import fast_parse_in_turn, parser_in_turn
from ddbetl.types import Timestamp, Type, Value

_PATTERNS = Parameter("pattern", STRING, optional=True, constant=True, variadic=True)
_PATTERN = Parameter("pattern", STRING, optional=True, constant=True)
ZONE = Parameter("zone", STRING, optional=True, constant=True)

# Texts, and what was made of them, that a call remembers: more than the largest page has rows. Long texts are no times.
REMEMBERED = 16_384
LONGEST_REMEMBERED = 64

# What a function makes of milliseconds: the value, and its SQL.
_Finish: TypeAlias = tuple[Callable[[int], Value], Callable[[Lowering, Fast], Fast]]


def _signatures(result: Type, finish: _Finish) -> tuple[Signature, ...]:
    """The ways to give a time: text and numbers with or without patterns, a unit and a zone, or a TIMESTAMP."""
    value_of, lower_finish = finish

    def lower_timestamp(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        return lower_finish(lowering, arguments[0])

    hint = "a time is text, a number of epoch seconds, or a TIMESTAMP"
    return (
        Signature(
            (Parameter("x", STRING, hint=hint), _PATTERNS),
            result,
            lambda binding: _of_text(binding, finish),
            nullable=False,
            shown="x STRING [, pattern STRING, …] [, zone STRING]",
        ),
        Signature(
            (Parameter("x", NUMBER, hint=hint), _PATTERNS),
            result,
            lambda binding: _of_number(binding, finish),
            nullable=False,
            shown="x NUMBER [, unit STRING]",
        ),
        Signature(
            (Parameter("x", TIMESTAMP, hint=hint),),
            result,
            Implementation(lambda time: value_of(time.millis), lower_timestamp),
            nullable=False,
        ),
    )


# Texts


def _of_text(binding: Binding, finish: _Finish) -> Implementation:
    formats, pivot_year = formats_of(binding), binding.pivot_year
    if not formats.patterns:
        return _refused("expected NUMBER, found STRING", "to_number(…) makes a number of a text of digits")
    value_of, lower_finish = finish

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        column = lowering.bind(arguments[0].value)
        fast = fast_parse_in_turn(formats.patterns, formats.zone, column, pivot_year)
        if fast is None:
            return None
        # NULL where the text is none that the fast path reads.
        millis = lowering.bind(fast.millis)
        return lower_finish(lowering, Fast(millis, Form.MILLIS, f"({millis} IS NOT NULL)"))

    return Implementation(
        _remembering(parser_in_turn(formats.patterns, formats.zone, pivot_year), value_of),
        lower if _is_fast(formats, pivot_year) else None,
        slow_because=_why_slow(formats, pivot_year),
        doubts=(*formats.doubts, *_year_of_digits(binding, formats)),
    )


def _remembering(parse: Callable[[str], int], value_of: Callable[[int], Value]) -> Callable[[str], Value]:
    """The reference: each distinct text is read once, as long as it is remembered."""

    def outcome(text: str) -> tuple[Value, str]:
        """The value, or else what is wrong with the text."""
        try:
            return value_of(parse(text)), ""
        except TimeError as error:
            return None, error.message

    remembered = lru_cache(maxsize=REMEMBERED)(outcome)

    def reference(text: str) -> Value:
        value, message = (remembered if len(text) <= LONGEST_REMEMBERED else outcome)(text)
        if message:
            raise RowError("R0107", message, argument=0)
        return value

    return reference


def _is_fast(formats: Formats, pivot_year: int) -> bool:
    """Whether texts of some pattern have a fast path."""
    if any(pattern is not None and sql_text(pattern.text) is None for pattern in formats.patterns):
        return False
    return fast_parse_in_turn(formats.patterns, formats.zone, "x", pivot_year) is not None


def _why_slow(formats: Formats, pivot_year: int) -> str:
    """Why texts of some pattern have no fast path, or of all; empty where there is nothing to say."""
    reasons: dict[str, str] = {}
    for pattern in formats.patterns:
        if pattern is not None and sql_text(pattern.text) is None:
            return "a pattern has a character that SQL cannot hold"
        if fast_parse(pattern, formats.zone, "x", pivot_year) is None:
            because = "" if pattern is None else why_not_read_fast(pattern, pivot_year)
            text = ISO if pattern is None else pattern.text
            reasons[text] = because or f"the clocks of {formats.zone.name} change too often"
    if len(formats.patterns) == 1:
        return next(iter(reasons.values()), "")
    return ", ".join(f"{text}: {reason}" for text, reason in reasons.items())


def _year_of_digits(binding: Binding, formats: Formats) -> tuple[Doubt, ...]:
    """The warning of a constant text such as 20170426, which without a pattern is a year."""
    text = binding.constants.get("x")
    if not isinstance(text, str) or formats.patterns[0] is not None or (message := year_of_digits(text)) is None:
        return ()
    return (Doubt("W0106", "x", message, "the pattern 'yyyyMMdd' reads digits as a date"),)


def year_of_digits(text: str) -> str | None:
    """A warning of a text whose many digits the ISO forms take for a year, as in 20170426; None for others."""
    year = text.partition("T")[0]
    if year.isascii() and year.isdigit() and 4 < len(year) <= 9:
        return f"without a pattern {year} is the year {int(year):,}"
    return None


# Numbers


def _of_number(binding: Binding, finish: _Finish) -> Implementation:
    formats = formats_of(binding)
    if formats.unit is None:
        return _refused("expected STRING, found NUMBER", "a unit beside the pattern, such as 'epoch_s', reads numbers")
    value_of, lower_finish = finish
    power = UNITS[formats.unit]

    def reference(number: Decimal) -> Value:
        millis = EXACT.scaleb(number, 3 - power)
        return value_of(check_millis(int(millis.to_integral_value(ROUND_FLOOR, EXACT))))

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        return lower_finish(lowering, _lower_number(lowering, arguments[0], power))

    return Implementation(reference, lower, doubts=formats.doubts)


def _lower_number(lowering: Lowering, number: Fast, power: int) -> Fast:
    """Milliseconds of a number whose unit goes 10^power times into a second, down to the one before."""
    if power == 0:
        if number.form is Form.INTEGER:
            return attempt(lowering, f"{number.value} * 1000", Form.MILLIS)
        number = attempt(lowering, f"{number.value} * 1000", Form.DECIMAL)
    if number.form is not Form.INTEGER:
        number = cast(lowering, f"floor({number.value})", Form.MILLIS)
    if power <= 3:
        return Fast(number.value, Form.MILLIS, number.guard)
    return Fast(_floor_division(lowering.bind(number.value), 10 ** (power - 3)), Form.MILLIS, number.guard)


def _floor_division(value: str, divisor: int) -> str:
    # // cuts toward zero, so one more is taken off below zero.
    return f"({value} // {divisor} - CAST({value} % {divisor} < 0 AS BIGINT))"


def _refused(expected: str, remedy: str) -> Implementation:
    """The implementation for values of a type that the patterns and the unit have no use for."""

    def reference(value: Value) -> Value:
        raise RowError("R0101", f"{expected}; {remedy}", argument=0)

    return Implementation(reference, refusal=(expected, remedy))


# What is made of the milliseconds


def _lower_seconds(lowering: Lowering, millis: Fast) -> Fast:
    return Fast(_floor_division(lowering.bind(millis.value), 1000), Form.INTEGER, millis.guard)


def _lower_millis(lowering: Lowering, millis: Fast) -> Fast:
    return Fast(millis.value, Form.INTEGER, millis.guard)


def _lower_timestamp(lowering: Lowering, millis: Fast) -> Fast:
    return millis


_READING = (
    "A text is read by the `pattern`, which is Joda-Time's (`yyyy-MM-dd HH:mm:ss`), or without one as ISO-8601 in "
    "Joda's own forms; of several patterns the first that reads it counts, and `'iso'` among them stands for the ISO "
    "forms. A text without an offset is a local time of the `zone`, the last argument, else of `WITH (timezone = …)`, "
    "else of UTC; never of the machine. Text after the time is an error. A NUMBER counts seconds, or the unit that "
    "`'epoch_ms'`, `'epoch_us'`, `'epoch_ns'` or `'epoch_s'` among the patterns says; beside patterns alone it is an "
    "error."
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
        Example("epoch('2017-04-26T10:15', 'America/Los_Angeles')", "1493226900"),
        Example(
            "epoch(DateTime, 'yyyy-MM-dd''T''HH:mm:ssZZ', 'yyyyMMddHHmmss')",
            "1493201730",
            '{"DateTime": {"S": "20170426101530"}}',
        ),
        Example("epoch(DateTime, 'epoch_ms', 'yyyy-MM-dd')", "1493201730", '{"DateTime": {"N": "1493201730876"}}'),
        Example("epoch('1969-12-31T23:59:59.500Z')", "-1"),
        Example("epoch(1493201730.9)", "1493201730"),
        Example("epoch(DateTime)", "NULL"),
        Example(
            "epoch(DateTime, 'yyyy-MM-dd''T''HH:mm')",
            "error: DateTime: \"2017-04-26 10:00\" does not match yyyy-MM-dd'T'HH:mm at position 10 (expected 'T')",
            '{"DateTime": {"S": "2017-04-26 10:00"}}',
        ),
        Example(
            "epoch(DateTime, 'epoch_ms')",
            "error: DateTime: expected NUMBER, found STRING; to_number(…) makes a number of a text of digits",
            '{"DateTime": {"S": "1493201730876"}}',
        ),
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
        Example("epoch_ms(1493201730876543, 'epoch_us')", "1493201730876"),
        Example("epoch_ms(DateTime, 'iso', 'dd/MM/yyyy')", "1493164800000", '{"DateTime": {"S": "26/04/2017"}}'),
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
        Example("parse_time(1493201730876, 'epoch_ms')", "TIMESTAMP '2017-04-26T10:15:30.876Z'"),
        Example("epoch(parse_time(DateTime) + 1 day)", "1493251200", '{"DateTime": {"S": "2017-04-26"}}'),
    ),
)


def _bind_format(binding: Binding) -> Implementation:
    pattern, in_zone, doubts = _printing(binding)

    def reference(time: Timestamp) -> str:
        return format_millis(pattern, time.millis, in_zone)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        fast = fast_format(pattern, in_zone, lowering.bind(arguments[0].value))
        if fast is None:
            return None
        text = lowering.bind(fast.text)
        return Fast(text, Form.TEXT, f"({text} IS NOT NULL)")

    slow = why_not_printed_fast(pattern)
    if pattern is not None and sql_text(pattern.text) is None:
        slow = "the pattern has a character that SQL cannot hold"
    elif not slow and fast_format(pattern, in_zone, "x") is None:
        slow = f"the clocks of {in_zone.name} change too often"
    return Implementation(reference, None if slow else lower, slow_because=slow, doubts=doubts)


def _printing(binding: Binding) -> tuple[Pattern | None, Zone, tuple[Doubt, ...]]:
    """The pattern (None: as ISO-8601), the zone, the warnings; a zone may stand alone, as it may for reading."""
    text = binding.constants.get("pattern")
    if not isinstance(text, str) or text.lower() == ISO:
        return None, zone_of(binding), ()
    if "zone" not in binding.constants and text != "Z" and (found := find_zone(text)) is not None:
        return None, found, ()
    pattern = read_pattern(text, "print", may_be_zone="zone" not in binding.constants)
    return pattern, zone_of(binding), tuple(doubts_of(pattern))


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
                ZONE,
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
        Example("format_time(parse_time(1493201730.876), 'Asia/Tokyo')", "'2017-04-26T19:15:30.876+09:00'"),
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
