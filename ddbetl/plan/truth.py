"""Whether a condition can be anything but TRUE, or anything but not TRUE, whatever the items have in them.

In: the predicate of WHERE. Out: what it always is, the place that shows it, and why. Invariant: what is said holds for
every item whose condition is no error; where nothing is certain, nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.source import Span
from ddbetl.types import Timestamp, Value

_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
# Functions that are never below zero.
_COUNTS = frozenset({"length", "byte_length", "size", "abs", "crc32"})


@dataclass(frozen=True, slots=True)
class Decided:
    """``always``: TRUE, or never TRUE. ``present``: where this expression has a value, only. ``other``: a second place
    that takes part. ``neither``: both places leave a value out. ``key``: what every item has."""

    always: bool
    span: Span
    present: Expression | None = None
    other: Span | None = None
    neither: bool = False
    key: Expression | None = None


def decided(predicate: Expression, keys: frozenset[str] = frozenset()) -> Decided | None:
    """What a predicate always is; None where the items decide. ``keys``: attributes that every item has."""
    match predicate:
        case Constant(value=value):
            return Decided(value is True, predicate.span)
        case Call() if predicate.function.name == "AND":
            return _all(predicate, keys)
        case Call() if predicate.function.name == "OR":
            return _any(predicate, keys)
        case Call(arguments=(of,)) if predicate.function.name == "NOT":
            return _not(of, predicate.span, keys)
        case Call(arguments=(Attribute(name=name, steps=()) as of,)) if predicate.function.name == "IS NULL":
            return Decided(False, predicate.span, key=of) if name in keys else None
        case Call():
            return _same(predicate) or _never([predicate]) or _always(predicate)
        case _:
            return None


def parts_of(predicate: Expression, name: str) -> Iterator[Expression]:
    """The parts of a predicate that AND, or OR, joins."""
    if isinstance(predicate, Call) and predicate.function.name == name:
        for argument in predicate.arguments:
            yield from parts_of(argument, name)
    else:
        yield predicate


def _not(of: Expression, span: Span, keys: frozenset[str]) -> Decided | None:
    """What is not always TRUE may be NULL: then its opposite is so, too."""
    found = decided(of, keys)
    if found is None:
        return None
    if found.always:
        return Decided(False, span, key=found.key)
    if found.key is not None:
        return Decided(True, span, key=found.key)
    if isinstance(of, Call) and _same(of) is not None:
        return Decided(True, span, of.arguments[0])
    return None


def _all(predicate: Call, keys: frozenset[str]) -> Decided | None:
    found = list(parts_of(predicate, "AND"))
    each = [decided(part, keys) for part in found]
    for one in each:
        if one is not None and not one.always:
            return one
    present = {one.present for one in each if one is not None and one.present is not None}
    if all(one is not None for one in each) and len(present) < 2:
        return Decided(True, predicate.span, next(iter(present), None))
    return _never([part for part in found if isinstance(part, Call)])


def _any(predicate: Call, keys: frozenset[str]) -> Decided | None:
    found = list(parts_of(predicate, "OR"))
    each = [decided(part, keys) for part in found]
    for one in each:
        if one is not None and one.always:
            return one
    if all(one is not None for one in each):
        return Decided(False, predicate.span)
    earlier: dict[Expression, list[Test]] = {}
    for part in found:
        test = _test(part)
        if test is None:
            continue
        for before in earlier.setdefault(test.of, []):
            if _covers(before, test):
                return Decided(True, test.span, test.of, before.span, test.operator == before.operator == "<>")
        earlier[test.of].append(test)
    return None


def _covers(one: Test, other: Test) -> bool:
    """Whether every value passes one of two tests, as far as can be told."""
    kinds = {type(value) for test in (one, other) for value in test.values}
    if len(kinds) > 1 or not kinds <= {str, Decimal, Timestamp, bool, bytes}:
        return False
    for this, that in ((one, other), (other, one)):
        first: Any = this.values[0]
        second: Any = that.values[0]
        if this.operator == "<>" and _passes(first, that):
            return True
        if this.operator in (">", ">=") and that.operator in ("<", "<="):
            return bool(first < second or (first == second and (this.operator, that.operator) != (">", "<")))
    return False


# Comparisons with constants


@dataclass(frozen=True, slots=True)
class Test:
    """A comparison of one expression with constants: one, or for IN several."""

    of: Expression
    operator: str
    values: tuple[Value, ...]
    span: Span


def _test(part: Expression) -> Test | None:
    match part:
        case Call(arguments=(of, *rest)) if part.function.name == "IN":
            values = tuple(one.value for one in rest if isinstance(one, Constant))
            found = Test(of, "IN", values, part.span) if len(values) == len(rest) else None
        case Call(arguments=(of, Constant(value=value))) if part.function.name in _FLIPPED:
            found = Test(of, part.function.name, (value,), part.span)
        case Call(arguments=(Constant(value=value), of)) if part.function.name in _FLIPPED:
            found = Test(of, _FLIPPED[part.function.name], (value,), part.span)
        case _:
            return None
    # A comparison with NULL is told of by itself.
    return found if found is not None and not isinstance(found.of, Constant) and None not in found.values else None


def tests(predicate: Expression) -> tuple[Test, ...]:
    """The comparisons with constants all of which an item must pass."""
    return tuple(test for part in parts_of(predicate, "AND") if (test := _test(part)) is not None)


def _never(parts: list[Call]) -> Decided | None:
    """Two conditions that exclude each other."""
    empty = {part.arguments[0]: part for part in parts if part.function.name == "IS NULL"}
    earlier: dict[Expression, list[Test]] = {}
    for part in parts:
        test = _test(part)
        if test is None:
            continue
        if test.of in empty:
            return Decided(False, test.span, None, empty[test.of].span)
        if _is_count(test.of) and not _possible([test, Test(test.of, ">=", (Decimal(0),), test.span)]):
            return Decided(False, test.span)
        for before in earlier.setdefault(test.of, []):
            if not _possible([before, test]):
                return Decided(False, test.span, None, before.span if before.span != test.span else None)
        earlier[test.of].append(test)
    return None


def _same(part: Call) -> Decided | None:
    """An attribute that is compared with itself."""
    match part.arguments:
        case (Attribute() as one, Attribute() as other) if part.function.name in _FLIPPED and one == other:
            equal = part.function.name in ("=", "<=", ">=")
            return Decided(equal, part.span, one if equal else None)
        case _:
            return None


def _always(part: Call) -> Decided | None:
    """A count that is compared with what it never falls below."""
    test = _test(part)
    if test is None or not _is_count(test.of) or not isinstance(test.values[0], Decimal):
        return None
    least = test.values[0]
    sure = (test.operator == ">=" and least <= 0) or (test.operator in (">", "<>") and least < 0)
    return Decided(True, test.span, test.of) if sure else None


def _is_count(expression: Expression) -> bool:
    return isinstance(expression, Call) and expression.function.name in _COUNTS


def _possible(found: list[Test]) -> bool:
    """Whether a value can pass the tests, as far as can be told; in the order of code points, as DynamoDB's is."""
    values = [value for test in found for value in test.values]
    kind = type(values[0])
    if kind not in (str, Decimal, bool, bytes, Timestamp) or any(type(value) is not kind for value in values):
        return True
    exact = [test.values for test in found if test.operator in ("=", "IN")]
    if exact:
        return any(all(_passes(value, test) for test in found) for value in exact[0])
    lows: list[Any] = [test.values[0] for test in found if test.operator in (">", ">=")]
    highs: list[Any] = [test.values[0] for test in found if test.operator in ("<", "<=")]
    if not lows or not highs:
        return True
    low, high = max(lows), min(highs)
    strict = any(test.operator in ("<", ">") and test.values[0] in (low, high) for test in found)
    return bool(low < high or (low == high and not strict))


def _passes(value: Any, test: Test) -> bool:
    other: Any = test.values[0]
    match test.operator:
        case "=" | "IN":
            return value in test.values
        case "<>":
            return bool(value != other)
        case "<":
            return bool(value < other)
        case "<=":
            return bool(value <= other)
        case ">":
            return bool(value > other)
        case _:
            return bool(value >= other)


def is_attribute(expression: Expression) -> bool:
    """Whether an expression is an attribute of the item itself, which a key can be."""
    return isinstance(expression, Attribute) and not expression.steps
