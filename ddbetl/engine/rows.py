"""Rows by reference: one raw item to one output row, exactly, in Python.

In: a raw item (DynamoDB JSON bytes) and its context. Out: an output item with its key, "filtered", or a failure.
Invariant: this is what the statement's bodies must be equal to; it also finds whatever DynamoDB would refuse, before it
is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.errors import RowError
from ddbetl.expressions import wire
from ddbetl.expressions.evaluate import Evaluator, evaluator
from ddbetl.expressions.ir import Attribute
from ddbetl.expressions.projection import (
    LARGEST_ITEM,
    LONGEST_PARTITION_KEY,
    LONGEST_SORT_KEY,
    KeyAttribute,
    OutputColumn,
)
from ddbetl.expressions.writing import EARLIEST_EXPIRY, LATEST_EXPIRY, ORDERED
from ddbetl.functions.model import RowContext
from ddbetl.numbers import check_number, number_text, parse_number
from ddbetl.plan.physical import TransformExec
from ddbetl.source import Span
from ddbetl.types import TAG_OF, TAGS, Type, Value

if TYPE_CHECKING:
    from ddbetl.engine.report import CollisionPair

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Row:
    """A finished item, or the key of one to delete: its DynamoDB JSON, its key's canonical content, its size in bytes
    as DynamoDB counts."""

    item: bytes
    key: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Filtered:
    """The predicate is not TRUE."""


FILTERED = Filtered()


@dataclass(frozen=True, slots=True)
class RowFailure:
    """Why a row cannot be written: code, message, and the expression's place in the spec (None: the whole row).
    ``met``: the row that has its target key."""

    code: str
    message: str
    span: Span | None
    met: CollisionPair | None = None


Outcome: TypeAlias = Row | Filtered | RowFailure


class RowEvaluator:
    """Evaluates one plan's predicate and projection for one item after another.

    ``newest``: the attribute that KEEP NEWEST decides by. ``ttl_attribute``: the one that holds expiry times.
    """

    def __init__(
        self,
        transform: TransformExec,
        key: tuple[KeyAttribute, ...],
        newest: str | None = None,
        ttl_attribute: str | None = None,
    ) -> None:
        self._transform = transform
        self._key = key
        self._newest = newest
        self._ttl_attribute = ttl_attribute
        self._predicate = evaluator(transform.predicate) if transform.predicate is not None else None
        self._columns: list[tuple[OutputColumn, Evaluator | None]] = [
            (c, None if _is_copy(c) else evaluator(c.expression)) for c in transform.projection.columns
        ]

    def row(self, raw: bytes | msgspec.Raw, context: RowContext) -> Outcome:
        """The outcome of one raw item; raises MalformedResponse for what is none."""
        item = decode_item(raw)
        try:
            check_attributes(item)
        except RowError as error:
            return RowFailure(error.code, error.message, None)
        try:
            return self._row(item, context)
        except UnicodeEncodeError:
            return RowFailure("R0205", "a text holds half of a surrogate pair, which is no Unicode character", None)

    def _row(self, item: dict[str, dict[str, Any]], context: RowContext) -> Outcome:
        if self._predicate is not None:
            try:
                keep = self._predicate(item, context)
            except RowError as error:
                span = self._transform.predicate.span if self._transform.predicate is not None else None
                return RowFailure(error.code, error.message, span)
            if keep is not True:
                return FILTERED
        output, failure = self._project(item, context)
        if failure is not None:
            return failure
        return self._finished(output)

    def _project(
        self, item: Mapping[str, dict[str, Any]], context: RowContext
    ) -> tuple[dict[str, dict[str, Any]], RowFailure | None]:
        output: dict[str, dict[str, Any]] = {}
        star = self._transform.projection.star
        if star is not None:
            renamed = dict(star.rename)
            gone = {*star.exclude, *renamed, *(c.name for c, _ in self._columns if c.replaces)}
            output = {name: value for name, value in item.items() if name not in gone}
            for old, new in star.rename:
                if old not in item:
                    continue
                if new in output:
                    message = f"{new}: the item has an attribute of that name already, beside {old}"
                    return output, RowFailure("R0201", message, None)
                output[new] = item[old]
        for column, evaluate in self._columns:
            if evaluate is None:
                assert isinstance(column.expression, Attribute)
                attribute = item.get(column.expression.name)
            else:
                try:
                    value = evaluate(item, context)
                    attribute = None if value is None else wire.encode(_storable(value))
                except RowError as error:
                    return output, RowFailure(error.code, error.message, column.span)
            if column.name in output:
                message = f"{column.name}: the item has an attribute of that name already; use * REPLACE"
                return output, RowFailure("R0201", message, column.span)
            if attribute is not None:
                output[column.name] = attribute
        return output, None

    def _finished(self, output: dict[str, dict[str, Any]]) -> Outcome:
        key = []
        for position, attribute in enumerate(self._key):
            try:
                failure = self._check_key(attribute, output.get(attribute.name), position)
                if failure is not None:
                    return failure
                key.append(canonical(attribute.type, output[attribute.name][TAG_OF[attribute.type]]))
            except RowError as error:
                return RowFailure(error.code, f"{attribute.name}: {error.message}", self._span(attribute.name))
        for name, check in ((self._newest, check_newest), (self._ttl_attribute, check_expiry)):
            if name is not None:
                try:
                    check(output.get(name))
                except RowError as error:
                    return RowFailure(error.code, f"{name}: {error.message}", self._span(name))
        size = item_size(output)
        if size > LARGEST_ITEM:
            return RowFailure("R0204", f"the item has {size:,} bytes; DynamoDB takes {LARGEST_ITEM:,}", None)
        return Row(msgspec.json.encode(output), tuple(key), size)

    def _check_key(self, key: KeyAttribute, found: dict[str, Any] | None, position: int) -> RowFailure | None:
        span = self._span(key.name)
        if found is None:
            return RowFailure("R0202", f"{key.name}: the target's key is missing", span)
        ((tag, content),) = found.items()
        if TAGS.get(tag) is not key.type:
            message = f"{key.name}: the target's key must be {key.type}, found {TAGS.get(tag, tag)}"
            return RowFailure("R0202", message, span)
        if key.type is Type.NUMBER:
            return None
        length = len(content.encode()) if key.type is Type.STRING else len(wire.decode(found) or b"")  # type: ignore[arg-type]
        longest = LONGEST_SORT_KEY if position else LONGEST_PARTITION_KEY
        if not 1 <= length <= longest:
            message = f"{key.name}: the target's key has {length:,} bytes; DynamoDB takes 1 to {longest:,}"
            return RowFailure("R0203", message, span)
        return None

    def _span(self, name: str) -> Span | None:
        """Where the spec makes an attribute, if it does more than to copy the item."""
        origin = self._transform.projection.origin(name)
        return origin.span if isinstance(origin, OutputColumn) else None


def decode_item(raw: bytes | msgspec.Raw) -> dict[str, dict[str, Any]]:
    """An item in DynamoDB JSON as Python's JSON values; raises MalformedResponse for what is no JSON object.

    What its attributes hold is not looked at: ``check_attributes`` does that.
    """
    try:
        try:
            item = _decode(raw)
        except msgspec.DecodeError:
            # A lone surrogate: the standard library's parser takes what DuckDB and msgspec refuse.
            item = json.loads(bytes(raw))
    except ValueError as error:
        raise MalformedResponse(f"the server sent an item that cannot be read: {error}") from error
    except RecursionError:
        raise MalformedResponse(_TOO_DEEP) from None
    if not isinstance(item, dict):
        raise MalformedResponse("the server sent something else than an object as an item")
    return item


_TOO_DEEP = f"the server sent an item of more than {wire.DEEPEST} levels; DynamoDB's have 32"


def check_attributes(item: Mapping[str, Any]) -> None:
    """Raise RowError where an attribute is not in DynamoDB JSON; MalformedResponse where it has too many levels."""
    for name, attribute in item.items():
        try:
            good = wire.is_attribute(attribute)
        except RecursionError:
            raise MalformedResponse(_TOO_DEEP) from None
        if not good:
            raise RowError("R0109", f"{name}: what the server sent is no attribute in DynamoDB's JSON")


def check_newest(attribute: Mapping[str, Any] | None) -> None:
    """Raise RowError for an attribute by which no row is newer than another."""
    found = _type_name(attribute)
    if found not in ORDERED:
        raise RowError("R0303", f"KEEP NEWEST compares a NUMBER, a STRING or a BINARY; {_found(found)}")


def check_expiry(attribute: Mapping[str, Any] | None) -> None:
    """Raise RowError for an attribute that is no expiry time; without one, an item stays for ever."""
    if attribute is None:
        return
    found = _type_name(attribute)
    if found is not Type.NUMBER:
        raise RowError("R0305", f"an expiry time is a NUMBER of seconds; {_found(found)}")
    value = parse_number(attribute["N"])
    if EARLIEST_EXPIRY <= value <= LATEST_EXPIRY and value == value.to_integral_value():
        return
    text = number_text(value)
    if value >= LATEST_EXPIRY + 1:
        raise RowError("R0305", f"{text} looks like milliseconds; an expiry time is in seconds")
    if value < EARLIEST_EXPIRY:
        raise RowError("R0305", f"{text} seconds is a duration, or no time at all; an expiry time counts from 1970")
    raise RowError("R0305", f"{text} has a fraction; an expiry time is in whole seconds")


def _type_name(attribute: Mapping[str, Any] | None) -> Type | str | None:
    """The type of an attribute, DynamoDB's tag where it is not known, None where there is no attribute."""
    return next((TAGS.get(tag, tag) for tag in attribute), None) if attribute is not None else None


def _found(type_: Type | str | None) -> str:
    return "the row has none" if type_ is None else f"found {type_}"


def _is_copy(column: OutputColumn) -> bool:
    return isinstance(column.expression, Attribute) and not column.expression.steps


def _storable(value: Value) -> Value:
    """The value, if DynamoDB can hold it; a number out of range is a RowError."""
    return check_number(value) if isinstance(value, Decimal) else value


def canonical(type_: Type, content: str) -> str:
    """A key's content such that equal keys have equal texts: DynamoDB takes 1.0 and 1 for the same number."""
    if type_ is Type.NUMBER:
        value = wire.decode({"N": content})
        return wire.encode(value)["N"]  # type: ignore[no-any-return]
    return content


# Sizes as DynamoDB counts them. Source: DynamoDB Developer Guide, "Item sizes and formats".


def item_size(item: Mapping[str, dict[str, Any]]) -> int:
    """The size of an item in bytes: its names in UTF-8 and its values."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(attribute: dict[str, Any]) -> int:
    ((tag, content),) = attribute.items()
    match tag:
        case "S":
            return len(content.encode())
        case "N":
            return _number_size(content)
        case "B":
            return _binary_size(content)
        case "BOOL" | "NULL":
            return 1
        case "L":
            return 3 + sum(1 + _value_size(element) for element in content)
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_size(value) for name, value in content.items())
        case "SS":
            return sum(len(member.encode()) for member in content)
        case "NS":
            return sum(_number_size(member) for member in content)
        case "BS":
            return sum(_binary_size(member) for member in content)
        case _:
            return 0


def _number_size(text: str) -> int:
    """About one byte per two significant digits, plus one; plus one for a negative number."""
    digits = text.upper().partition("E")[0].lstrip("+-").replace(".", "").strip("0")
    return (len(digits) + 1) // 2 + 1 + text.startswith("-")


def _binary_size(text: str) -> int:
    return len(text) // 4 * 3 - text.count("=")
