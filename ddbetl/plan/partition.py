"""Whether the rows have so few partition keys that the target's capacity cannot be used.

In: what makes the target's partition key, the source tables, the rate. Out: a warning, or None. Invariant: a number of
keys that is told is at least the number that there will be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from math import prod

from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import RowError
from ddbetl.expressions.evaluate import evaluator
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression, attributes
from ddbetl.expressions.projection import OutputColumn
from ddbetl.functions.model import RowContext
from ddbetl.numbers import number_text, shown
from ddbetl.plan.logical import Table
from ddbetl.plan.pace import PARTITION_WRITES
from ddbetl.plan.scope import written
from ddbetl.types import Timestamp, Type, Value

# Fewer keys than that are few, unless the spec spreads its rows among so many on purpose.
FEW = 100
_SPREADING = frozenset({"shard", "%", "mod"})
# Parts of a time that repeat, and how many there are of each.
_PARTS = {
    "quarter": 4,
    "month": 12,
    "week": 53,
    "day": 31,
    "dow": 7,
    "isodow": 7,
    "doy": 366,
    "hour": 24,
    "minute": 60,
    "second": 60,
}
_WHOLE = frozenset({"length", "byte_length", "size", "crc32", "epoch", "epoch_ms", "shard", "date_part"})
_UNIT = re.compile(r"date_(?:trunc|part)\(\s*'(\w+?)s?'", re.I)
_SHARDS = re.compile(r"shard\(.*,\s*(\d+)\)", re.I | re.S)
_PATTERN = re.compile(r"format_time\(.*?,\s*'([^']+)'(?:,\s*'[^']*')?\)", re.I | re.S)
# The units of a time that one value says, the finest first, with the letters of patterns for them.
_UNITS = (
    ("millisecond", "S"),
    ("second", "s"),
    ("minute", "m"),
    ("hour", "HhKk"),
    ("day", "dDEe"),
    ("week", "w"),
    ("month", "M"),
    ("year", "yYxu"),
)
_PASSING = frozenset({"to_string", "to_number", "CAST AS STRING", "CAST AS NUMBER", "||", "concat", "coalesce", "try"})


def hot(
    column: OutputColumn, target: str, sources: Sequence[Table], now: Timestamp, budget: float | None
) -> Diagnostic | None:
    """A warning of a column that makes the target's partition key, where few partitions take all rows.

    ``budget``: write units per second; None where that is not known.
    """
    name = f"{written(column.name)}, the partition key of {target},"
    spread = f"a partition takes {PARTITION_WRITES:,} write units a second; {_better(sources)}"
    one = constant_of(column.expression, sources, now)
    if one is not None and len(one) == 1:
        value = _text(one[0])
        return Diagnostic("W0111", f"{name} is {value} in every row: one partition takes them all", column.span, spread)
    most = distinct(column.expression, sources, now)
    if most is not None:
        wanted = budget is not None and budget > most * PARTITION_WRITES
        if wanted or (most < FEW and not spreads(column.expression)):
            message = f"{name} has at most {most:,} values: so few partitions take all rows"
            return Diagnostic("W0111", message, column.span, spread)
        return None
    unit = time_unit(column.expression)
    if unit is None or unit == "millisecond":
        return None
    article = "an" if unit == "hour" else "a"
    message = f"{name} is the same in all rows of {article} {unit}: one partition takes them"
    return Diagnostic("W0111", message, column.span, spread)


def _better(sources: Sequence[Table]) -> str:
    first = {table.description.key[0].name for table in sources if table.description is not None}
    if len(first) == 1:
        return f"a key of many values, such as {written(first.pop())}, spreads the rows"
    return "a key of many values spreads the rows"


def _text(value: Value) -> str:
    match value:
        case str():
            return shown(value)
        case Decimal():
            return number_text(value)
        case _:
            return "the same"


def spreads(expression: Expression) -> bool:
    """Whether a key has few values on purpose."""
    match expression:
        case Call():
            return expression.function.name in _SPREADING or any(map(spreads, expression.arguments))
        case _:
            return False


def constant_of(expression: Expression, sources: Sequence[Table], now: Timestamp) -> list[Value] | None:
    """The values of an expression that reads no item, each once; None where it does, or fails."""
    if next(attributes(expression), None) is not None:
        return None
    value = evaluator(expression)
    found: dict[str, Value] = {}
    try:
        for table in sources:
            one = value({}, RowContext(table.name, now))
            found.setdefault(repr(one), one)
    except RowError:
        return None
    return list(found.values())


def distinct(expression: Expression, sources: Sequence[Table], now: Timestamp) -> int | None:
    """How many values an expression can have at most; None where nothing is known."""
    constant = constant_of(expression, sources, now)
    if constant is not None:
        return len(constant)
    if expression.type is Type.BOOLEAN:
        return 2
    if not isinstance(expression, Call):
        return None
    match expression.function.name:
        case "CASE":
            arguments = expression.arguments
            results = [a for n, a in enumerate(arguments) if n % 2 or n == len(arguments) - 1]
            return _together(results, sources, now)
        case "if":
            return _together(expression.arguments[1:], sources, now)
        case "coalesce" | "greatest" | "least":
            return _together(expression.arguments, sources, now)
        case "sign":
            return 3
        case "attribute_type":
            return 10
        case "date_part":
            unit = _UNIT.match(expression.text)
            return _PARTS.get(unit[1].lower()) if unit is not None else None
        case "shard":
            shards = _SHARDS.fullmatch(expression.text)
            return int(shards[1]) if shards is not None else None
        case "%" | "mod":
            return _remainders(expression)
        case _:
            each = [distinct(argument, sources, now) for argument in expression.arguments]
            known = [count for count in each if count is not None]
            return prod(known) if len(known) == len(each) else None


def _together(results: Sequence[Expression], sources: Sequence[Table], now: Timestamp) -> int | None:
    constants = {repr(one.value) for one in results if isinstance(one, Constant) and one.value is not None}
    total = len(constants)
    for one in results:
        if not isinstance(one, Constant):
            count = distinct(one, sources, now)
            if count is None:
                return None
            total += count
    return total


def _remainders(call: Call) -> int | None:
    """How many remainders a whole number has, of either sign."""
    match call.arguments:
        case (Call() as number, Constant(value=Decimal() as by)) if number.function.name in _WHOLE:
            whole = by == by.to_integral_value() and 0 < abs(by) < 10**9
            signed = 2 if number.function.name in ("epoch", "epoch_ms", "date_part") else 1
            return signed * (int(abs(by)) - 1) + 1 if whole else None
        case _:
            return None


def time_unit(expression: Expression) -> str | None:
    """The finest unit of a time that an expression says of it; None where it says something else too."""
    if isinstance(expression, Attribute | Constant):
        return None
    match expression.function.name:
        case "epoch":
            inner = (time_unit(argument) for argument in expression.arguments)
            return next((unit for unit in inner if unit is not None), "second")
        case "date_trunc":
            truncated = _UNIT.match(expression.text)
            return truncated[1].lower().removeprefix("iso") if truncated is not None else None
        case "date_part":
            part = _UNIT.match(expression.text)
            return "year" if part is not None and part[1].lower() in ("year", "isoyear") else None
        case "format_time":
            # What stands in quotes inside of a pattern has doubled ones here, and those are not matched.
            pattern = _PATTERN.fullmatch(expression.text)
            letters = set(pattern[1]) if pattern is not None else set()
            return next((unit for unit, signs in _UNITS if letters & set(signs)), None)
        case name if name in _PASSING:
            others = [argument for argument in expression.arguments if not isinstance(argument, Constant)]
            return time_unit(others[0]) if len(others) == 1 else None
        case _:
            return None
