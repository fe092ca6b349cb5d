"""The options of WITH and of sources and targets: one table of what there is, and the rules of each.

In: options of the syntax tree. Out: typed values. Invariant: an option that is not in the table, or whose value is of
another kind, is an error; nothing is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from ddbetl.numbers import number_text
from ddbetl.plan.catalog import Provisioned
from ddbetl.source import Span
from ddbetl.syntax import ast, parser
from ddbetl.syntax.formatter import format_identifier


@dataclass(frozen=True, slots=True)
class PercentRate:
    """A share of what a table can take, in percent (0 < value <= 100)."""

    value: Decimal

    def __str__(self) -> str:
        return f"{number_text(self.value)}%"


@dataclass(frozen=True, slots=True)
class UnitRate:
    """Capacity units per second; ``unit`` is rcu or wcu."""

    value: Decimal
    unit: str

    def __str__(self) -> str:
        return f"{number_text(self.value)} {self.unit}"


@dataclass(frozen=True, slots=True)
class Unlimited:
    def __str__(self) -> str:
        return "unlimited"


@dataclass(frozen=True, slots=True)
class RejectLimit:
    """How much a run may reject: so many rows, or a share in percent of the rows to be written, once there are enough
    of them to tell."""

    rows: int | None = None
    percent: Decimal | None = None

    def __str__(self) -> str:
        return f"{number_text(self.percent)}%" if self.percent is not None else f"{self.rows:,} rows"


Rate: TypeAlias = PercentRate | UnitRate | Unlimited
OptionValue: TypeAlias = Rate | RejectLimit | Provisioned | str | int | bool

DEFAULT_REJECTS = RejectLimit(percent=Decimal(1))
# A share of rejects says something about the whole only after so many rows.
ROWS_TO_TELL = 10_000


class OptionError(Exception):
    """Why an option's value cannot be taken."""

    def __init__(self, code: str, message: str, span: Span, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.hint = hint


@dataclass(frozen=True, slots=True)
class OptionKind:
    """``read``: the parser of the value."""

    name: str
    doc: str
    read: Callable[[ast.Option], OptionValue]


POSITIVE = "a rate is more than 0"


def _rate(unit: str) -> Callable[[ast.Option], Rate]:
    def read(option: ast.Option) -> Rate:
        name = option.name.name
        match option.value:
            case (ast.Percent(value=value, span=span),):
                if not 0 < value <= 100:
                    if value <= 0:
                        raise OptionError("E0503", f"{name} = {number_text(value)}% is no rate", span, POSITIVE)
                    hint = f"a percentage is a share of what the table can take; units are written {name} = 500 {unit}"
                    raise OptionError("E0503", f"{name} = {number_text(value)}% is more than 100%", span, hint)
                return PercentRate(value)
            case (ast.Units(value=value, unit=found, span=span),):
                if found != unit:
                    other = "read" if unit == "wcu" else "write"
                    hint = f"{name} = {number_text(value)} {unit}, or {other} = {number_text(value)} {found}?"
                    raise OptionError("E0506", f"{name} is measured in {unit}, not in {found}", span, hint)
                if value <= 0:
                    message = f"{name} = {number_text(value)} {unit} is no rate"
                    raise OptionError("E0503", message, span, POSITIVE)
                return UnitRate(value, unit)
            case (ast.Word(identifier=word),) if word.name.lower() == "unlimited":
                return Unlimited()
            case (ast.Number(value=value, span=span),):
                if value <= 0:
                    message = f"{name} = {number_text(value)} is no rate"
                    raise OptionError("E0503", message, span, POSITIVE)
                share = value * 100 if value < 1 else value
                meant = [f"{number_text(share)}%"] if share <= 100 else []
                meant += [f"{number_text(value)} {unit}"] if value >= 1 or not meant else []
                message = f"{name} = {number_text(value)} says neither a share nor units per second"
                raise OptionError("E0502", message, span, f"{' or '.join(meant)}?")
        raise OptionError(
            "E0504",
            f"{name} takes a percentage, units per second, or unlimited",
            value_span(option),
            f"as in {name} = 50%, {name} = 500 {unit}, {name} = unlimited",
        )

    return read


def value_span(option: ast.Option) -> Span:
    """Where an option's value is written."""
    return option.value[0].span.to(option.value[-1].span)


def _text(option: ast.Option) -> str:
    match option.value:
        case (ast.Text(value=value),) if value:
            return value
    name = option.name.name
    raise OptionError("E0504", f"{name} takes a text", value_span(option), f"as in {name} = '…', in single quotes")


def _flag(option: ast.Option) -> bool:
    match option.value:
        case (ast.Boolean(value=value),):
            return value
    name = option.name.name
    raise OptionError("E0504", f"{name} takes true or false", value_span(option), f"as in {name} = true")


def _segments(option: ast.Option) -> int:
    match option.value:
        # The Scan API takes a million; a split of each is more than a job needs to know.
        case (ast.Number(value=value),) if value == value.to_integral_value() and 1 <= value <= 100_000:
            return int(value)
    message = f"{option.name.name} takes a whole number from 1 to 100,000"
    hint = "each table is read in so many parallel segments"
    raise OptionError("E0504", message, value_span(option), hint)


def _rejects(option: ast.Option) -> RejectLimit:
    match option.value:
        case (ast.Percent(value=value),) if 0 <= value <= 100:
            return RejectLimit(percent=value)
        case (ast.Number(value=value), *unit) if value == value.to_integral_value() and value >= 0:
            match unit:
                case [] | [ast.Word(identifier=ast.Identifier(name="rows" | "row"))]:
                    return RejectLimit(rows=int(value))
    name = option.name.name
    message = f"{name} takes a number of rows, or a share of them"
    raise OptionError("E0504", message, value_span(option), f"as in {name} = 100, {name} = 1%; {name} = 100% for all")


def _column(option: ast.Option) -> str:
    name = option.name.name
    match option.value:
        case (ast.Word(identifier=word),):
            return word.name
        case (ast.Text(value=text),) if text:
            hint = f"a text is in single quotes, a column is not: {name} = {format_identifier(ast.Identifier(text))}"
            raise OptionError("E0504", f"{name} takes the name of a column", value_span(option), hint)
    raise OptionError("E0504", f"{name} takes the name of a column", value_span(option), f"as in {name} = Expires")


COLLISIONS = ("reject", "fail", "allow")


def _collisions(option: ast.Option) -> str:
    match option.value:
        case (ast.Word(identifier=word),) if word.name.lower() in COLLISIONS:
            return word.name.lower()
    hint = (
        "of two rows with one target key, reject puts the later into the rejects, fail ends the run, allow sends it too"
    )
    raise OptionError("E0504", "collisions takes reject, fail or allow", value_span(option), hint)


# What billing = on_demand is.
ON_DEMAND = "on_demand"
# Units that a table can be given. Source: ProvisionedThroughput API reference; the quota of an account is far below.
MOST_UNITS = 10**9


def _billing(option: ast.Option) -> str | Provisioned:
    match option.value:
        case (ast.Word(identifier=word),) if word.name.lower() == ON_DEMAND:
            return ON_DEMAND
        case (ast.Word(identifier=word), ast.Units() as one, ast.Units() as other) if (
            word.name.lower() == "provisioned"
        ):
            units = {one.unit: one, other.unit: other}
            if len(units) == 2:
                for amount in (one, other):
                    if amount.value != amount.value.to_integral_value() or not 1 <= amount.value <= MOST_UNITS:
                        message = f"{number_text(amount.value)} {amount.unit}: a table has whole units, at least 1"
                        raise OptionError("E0504", message, amount.span)
                return Provisioned(int(units["rcu"].value), int(units["wcu"].value))
    hint = "as in billing = on_demand, billing = provisioned 100 rcu 500 wcu"
    message = "billing takes on_demand, or provisioned with its units per second"
    raise OptionError("E0504", message, value_span(option), hint)


JOB_OPTIONS = (
    OptionKind("read", "how fast each source table is read: 50%, 500 rcu, unlimited; default 50%", _rate("rcu")),
    OptionKind("write", "how fast the target is written: 50%, 200 wcu, unlimited; default 50%", _rate("wcu")),
    OptionKind("timezone", "the zone of times without an offset: 'Europe/Berlin'; default UTC", _text),
    OptionKind("segments", "parallel segments per source table; default by the table's size", _segments),
    OptionKind("consistent_read", "true: read strongly consistent, at twice the units; default false", _flag),
    OptionKind("ttl_attribute", "the column that is the target's expiry time, in seconds since 1970", _column),
    OptionKind("skip_expired", "true: do not write rows that are past their expiry time; default false", _flag),
    OptionKind(
        "collisions",
        "what happens to the later of two rows with one key: reject, fail, allow; default reject",
        _collisions,
    ),
    OptionKind(
        "max_rejects", "stop a run that rejects more: 100 rows, 5%; default 1% after the first 10,000 rows", _rejects
    ),
    OptionKind("billing", "of a created table: on_demand, provisioned 100 rcu 500 wcu; default on_demand", _billing),
)


def rate_of(direction: str, text: str) -> Rate:
    """The rate that a text says, such as ``30%``; ``direction`` is read or write. Raises SpecError, OptionError."""
    kind = next(kind for kind in JOB_OPTIONS if kind.name == direction)
    rate = kind.read(parser.parse_option(f"{direction} = {text}"))
    assert isinstance(rate, PercentRate | UnitRate | Unlimited)
    return rate


CONNECTION_OPTIONS = (
    OptionKind("region", "the AWS region", _text),
    OptionKind("profile", "the profile of the AWS configuration files", _text),
    OptionKind("role_arn", "a role to assume", _text),
    OptionKind("endpoint", "the URL of another DynamoDB endpoint", _text),
)
