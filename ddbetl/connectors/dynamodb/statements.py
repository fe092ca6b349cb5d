"""Writes that look at what is there: PartiQL statements by the 25, and single puts and updates with a condition.

In and out: JSON bytes. Invariant: of 25 statements each has an outcome of its own; an answer that does not say the
outcome of each is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.failures import Kind, ServiceError, kind_of, without_echo
from ddbetl.connectors.dynamodb.requests import TOO_DEEP, Capacity
from ddbetl.expressions.writing import Entry, Form, names_in

Attributes = Mapping[str, Mapping[str, Any]]

# What a condition that does not hold is called: of a statement, and of a single request.
DUPLICATE = "DuplicateItem"
CONDITION = "ConditionalCheckFailed"
CONDITION_EXCEPTION = "ConditionalCheckFailedException"
# Codes of statements that the server does not take as they are. Source: BatchStatementError API reference.
REFUSED = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})
# Bytes. Source: DynamoDB Developer Guide, "Constraints", expression parameters.
LONGEST_EXPRESSION = 4_096


class StatementError(msgspec.Struct, rename="pascal"):
    """Why a statement failed."""

    code: str = ""
    message: str = ""

    @property
    def transient(self) -> bool:
        """Whether the same statement may succeed later."""
        return kind_of(self.code, 400) in (Kind.THROTTLING, Kind.TRANSIENT)

    def as_service_error(self) -> ServiceError:
        """The error, as if the whole request had failed by it."""
        kind = kind_of(self.code, 400)
        status = 500 if kind is Kind.TRANSIENT else 400
        return ServiceError(self.code, without_echo(self.message), status=status, kind=kind)


class _Done(msgspec.Struct, gc=False):
    """The response of a statement that has not failed, of which nothing matters."""


class _Response(msgspec.Struct, rename="pascal"):
    error: StatementError | None = None


class _AllDone(msgspec.Struct, rename="pascal"):
    responses: list[_Done]
    consumed_capacity: list[Capacity] | None = None


class _SomeDone(msgspec.Struct, rename="pascal"):
    responses: list[_Response]
    consumed_capacity: list[Capacity] | None = None


class _WriteAnswer(msgspec.Struct, rename="pascal"):
    consumed_capacity: Capacity | None = None


@dataclass(frozen=True, slots=True)
class StatementsAnswer:
    """``failures``: the places of the statements that failed, and why. ``units``: None where the server does not say,
    as DynamoDB where all have failed."""

    failures: Sequence[tuple[int, StatementError]]
    units: float | None


_all_done = msgspec.json.Decoder(_AllDone)
_some_done = msgspec.json.Decoder(_SomeDone)
_write = msgspec.json.Decoder(_WriteAnswer)


def read_statements(body: bytes, count: int) -> StatementsAnswer:
    """Read an answer to a BatchExecuteStatement of ``count`` statements; raises ValueError for what is none."""
    # Nearly always none has failed: then the word is nowhere, nor a name that is spelt by escapes.
    good = b"Error" not in body and b"\\" not in body
    try:
        answer: _AllDone | _SomeDone = _all_done.decode(body) if good else _some_done.decode(body)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    if len(answer.responses) != count:
        raise ValueError(f"{count} statements were sent, and Responses holds {len(answer.responses)}")
    failed = []
    if isinstance(answer, _SomeDone):
        failed = [(place, one.error) for place, one in enumerate(answer.responses) if one.error is not None]
    units = sum(one.units for one in answer.consumed_capacity) if answer.consumed_capacity else None
    return StatementsAnswer(failed, units)


def read_write(body: bytes) -> float | None:
    """The units that an answer to PutItem or UpdateItem reports, if it does; raises ValueError for what is none."""
    try:
        answer = _write.decode(body)
    except RecursionError:
        raise ValueError(TOO_DEEP) from None
    return answer.consumed_capacity.units if answer.consumed_capacity is not None else None


def item_there(error: ServiceError) -> dict[str, Any] | None:
    """The item for which a condition did not hold, as the refusal of a put brings it along."""
    try:
        found = json.loads(error.body)
    except (ValueError, RecursionError):
        return None
    item = found.get("Item") if isinstance(found, dict) else None
    return item if isinstance(item, dict) and item else None


# Single requests


def put_body(table: str, key: str, item: Attributes, newest: str | None = None) -> bytes:
    """A PutItem that replaces nothing; or, by ``newest``, only an item whose attribute of that name is smaller or
    missing. ``key``: the name of the partition key."""
    names, values = {"#k": key}, {}
    condition = "attribute_not_exists(#k)"
    if newest is not None:
        names["#v"], values[":v"] = newest, item[newest]
        condition += " OR attribute_not_exists(#v) OR #v < :v"
    request: dict[str, Any] = {
        "TableName": table,
        "Item": item,
        "ConditionExpression": condition,
        "ExpressionAttributeNames": names,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ReturnConsumedCapacity": "INDEXES",
    }
    if values:
        request["ExpressionAttributeValues"] = values
    return msgspec.json.encode(request)


def update_body(table: str, key: Sequence[str], item: Attributes, existing: bool = False) -> bytes | None:
    """An UpdateItem that sets the attributes of an item which are not its key's (``key``: their names), and makes the
    item where there is none; ``existing``: only where there is one. None where they are too many for an expression."""
    names: dict[str, str] = {}
    values: dict[str, Any] = {}
    parts = []
    for number, name in enumerate(name for name in item if name not in key):
        # As short as can be: an expression has 4 KB at most.
        mark = f"{number:x}"
        names[f"#{mark}"], values[f":{mark}"] = name, item[name]
        parts.append(f"#{mark}=:{mark}")
    request: dict[str, Any] = {"TableName": table, "Key": {name: item[name] for name in key}}
    if parts:
        expression = "SET " + ",".join(parts)
        if len(expression) > LONGEST_EXPRESSION:
            return None
        request["UpdateExpression"] = expression
        request["ExpressionAttributeValues"] = values
    if existing:
        names["#key"] = key[0]
        request["ConditionExpression"] = "attribute_exists(#key)"
    if names:
        request["ExpressionAttributeNames"] = names
    request["ReturnConsumedCapacity"] = "INDEXES"
    return msgspec.json.encode(request)


# From one statement to the other


class _Statement(msgspec.Struct, rename="pascal"):
    statement: str
    parameters: msgspec.Raw


_statement = msgspec.json.Decoder(_Statement)


def insert_entry(update: bytes, table: str) -> bytes | None:
    """The INSERT of the item that an UPDATE of BatchExecuteStatement would make; None where its text is too long.

    Both name the attributes in the order of the parameters, which stay as they are.
    """
    found = _statement.decode(update)
    head = _insert(found.statement, table)
    return head + bytes(found.parameters)[1:] + b"}" if head is not None else None


@lru_cache(1024)
def _insert(update: str, table: str) -> bytes | None:
    form = Form(Entry.INSERT, table, ())
    labels = ",".join(map(form.label, names_in(update)))
    return (form.opening + labels + form.middle).encode() if len(labels.encode()) <= form.room else None
