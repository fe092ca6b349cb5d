"""What a write leaves behind: statements and single writes, decoded and checked in the canned server's verify mode.

In: a PartiQL statement with its parameters, or the body of a PutItem or UpdateItem. Out: the table and the item that is
there afterwards. The server stores nothing: an INSERT or PutItem meets no item, an UPDATE or UpdateItem one that has its
key and nothing else; conditions are evaluated against that.

Invariant: a write that is not understood to the last character is an error (ValueError), never half an item. Source:
"PartiQL - a SQL-compatible query language for Amazon DynamoDB", Amazon DynamoDB Developer Guide.
"""

from __future__ import annotations

import re
from typing import Any

from tests.benchmarks.canned_data import TARGET_KEY
from tests.benchmarks.canned_filter import NotUnderstood, predicate

Item = dict[str, Any]

_KEY = tuple(name for name, _ in TARGET_KEY)
LONGEST_STATEMENT = 8192
"""Characters. Source: BatchStatementRequest, Amazon DynamoDB API Reference."""

_PLACE = r"'(?:[^']|'')*'\s*:\s*\?"
_EQUAL = r'"(?:[^"]|"")*"\s*=\s*\?'
_INSERT = re.compile(
    rf'\s*INSERT\s+INTO\s+"([^"]+)"\s+VALUE\s+\{{\s*({_PLACE}(?:\s*,\s*{_PLACE})*)\s*\}}\s*', re.IGNORECASE
)
_UPDATE = re.compile(
    rf'\s*UPDATE\s+"([^"]+)"\s+SET\s+({_EQUAL}(?:\s*,\s*{_EQUAL})*)\s+WHERE\s+({_EQUAL}(?:\s+AND\s+{_EQUAL})*)\s*',
    re.IGNORECASE,
)
_PLACE_NAME = re.compile(r"'((?:[^']|'')*)'\s*:")
_EQUAL_NAME = re.compile(r'"((?:[^"]|"")*)"\s*=')
_SET = re.compile(r"([#A-Za-z_][\w-]*)\s*=\s*(:\w+)")
_PLACEHOLDER = re.compile(r"[#:]\w+")
_SINGLE = frozenset({"TableName", "Item", "Key", "UpdateExpression", "ConditionExpression"}) | {
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnConsumedCapacity",
    "ReturnValues",
    "ReturnValuesOnConditionCheckFailure",
}


class ConditionFailed(Exception):
    """The condition of a single write does not hold for what is there."""


def statement_item(statement: dict[str, Any]) -> tuple[str, Item]:
    """Return table and item of one statement of a batch. Raises ValueError."""
    text = statement["Statement"]
    if not 1 <= len(text) <= LONGEST_STATEMENT:
        raise ValueError(f"a statement of {len(text)} characters; 1 to {LONGEST_STATEMENT} are allowed")
    inserted = _INSERT.fullmatch(text)
    if inserted is not None:
        names = [name.replace("''", "'") for name in _PLACE_NAME.findall(inserted[2])]
        return inserted[1], _by_name(names, statement)
    updated = _UPDATE.fullmatch(text)
    if updated is None:
        raise ValueError(f"only INSERT and UPDATE with parameters are known here: {text[:80]}")
    changed, key = ([name.replace('""', '"') for name in _EQUAL_NAME.findall(part)] for part in updated.groups()[1:])
    if sorted(key) != sorted(_KEY):
        raise ValueError(f"WHERE has no equality on all key attributes, or more than that: {', '.join(key)}")
    return updated[1], _by_name([*changed, *key], statement)


def _by_name(names: list[str], statement: dict[str, Any]) -> Item:
    parameters = statement.get("Parameters")
    if parameters == []:
        raise ValueError("Parameters is there and empty")
    if len(parameters or ()) != len(names):
        raise ValueError(f"{len(names)} names, {len(parameters or ())} parameters")
    if len(set(names)) != len(names):
        raise ValueError(f"a name twice, or a key attribute to be set: {', '.join(names)}")
    return dict(zip(names, parameters or (), strict=True))


def put_item(request: dict[str, Any]) -> tuple[str, Item]:
    """Return table and item of a PutItem, which meets no item. Raises ValueError, ConditionFailed."""
    item: Item = request["Item"]
    _check(request, met={})
    return request["TableName"], item


def updated_item(request: dict[str, Any]) -> tuple[str, Item]:
    """Return table and item of an UpdateItem, which meets an item of its key alone. Raises ValueError, ConditionFailed."""
    key: Item = request["Key"]
    if sorted(key) != sorted(_KEY):
        raise ValueError("The provided key element does not match the schema")
    _check(request, met=key)
    expression = request.get("UpdateExpression")
    if expression is None:
        return request["TableName"], key
    keyword, _, assignments = expression.strip().partition(" ")
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    changed: Item = {}
    for assignment in assignments.split(","):
        found = _SET.fullmatch(assignment.strip())
        if keyword.upper() != "SET" or found is None or found[2] not in values:
            raise ValueError(f"only SET name = :value is known here: {expression[:80]}")
        name = names.get(found[1], found[1])
        if name in changed or name in key:
            raise ValueError(f"{name} twice, or a key attribute to be set")
        changed[name] = values[found[2]]
    return request["TableName"], {**key, **changed}


def _check(request: dict[str, Any], met: Item) -> None:
    """Raise ConditionFailed where the condition of a single write does not hold for the item that it meets."""
    if unknown := sorted(set(request) - _SINGLE):
        raise ValueError(f"not known here: {', '.join(unknown)}")
    condition = request.get("ConditionExpression", "")
    names, values = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
    used = set(_PLACEHOLDER.findall(f"{condition} {request.get('UpdateExpression', '')}"))
    if used != {*names, *values}:
        raise ValueError(
            f"placeholders that are not used, or not defined: {', '.join(sorted(used ^ {*names, *values}))}"
        )
    if not condition:
        return
    try:
        holds = predicate(condition, names, values)
    except NotUnderstood as error:
        raise ValueError(f"a condition beyond this server: {error}") from None
    if not holds(met):
        raise ConditionFailed
