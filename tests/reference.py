"""The main job, computed by a second, independent way: what ddbetl's results are compared with.

In: a boto3 client and the names of the source tables. Out: the exact items that the target must hold. Written the way
anybody would write it, with plain boto3, ``decimal`` and ``datetime``.

Invariant: nothing of ddbetl is imported here.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Item = dict[str, dict[str, Any]]

YEAR = 31_536_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def main_job(client: Any, source_tables: Iterable[str]) -> list[Item]:
    """Compute the target's items of the main job, in the form in which boto3's client reads and writes items.

    That is, of each item whose OrderID is there and not empty: CustomerID, CreationDateTime (whole seconds since 1970
    of DateTime), ExpirationTimestamp (365 days later) and OrderID.
    """
    return [row for table in source_tables for item in read_all(client, table) if (row := main_row(item)) is not None]


def main_row(item: Item) -> Item | None:
    """Compute the target's item of one source item; None for an item that the main job leaves out."""
    order = item.get("OrderID")
    if order is None or len(order["S"]) == 0:
        return None
    seconds = epoch(item["DateTime"]["S"])
    return {
        "CustomerID": item["CustomerID"],
        "CreationDateTime": {"N": str(seconds)},
        "ExpirationTimestamp": {"N": str(seconds + YEAR)},
        "OrderID": order,
    }


def epoch(text: str) -> int:
    """Return the whole seconds since 1970 of a time with an offset, rounded down."""
    time = datetime.fromisoformat(text)
    assert time.tzinfo is not None, text
    return (time - _EPOCH) // timedelta(seconds=1)


def read_all(client: Any, table: str) -> list[Item]:
    """Read all items of a table."""
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    return [item for page in pages for item in page["Items"]]


def comparable(item: Item) -> tuple[Any, ...]:
    """Return a value that is equal for equal items only, whatever way they were written.

    Numbers count by value, sets have no order, binary may be bytes or Base64 text, and attributes have no order.
    """
    return tuple(sorted((name, comparable_value(value)) for name, value in item.items()))


def comparable_value(value: dict[str, Any]) -> tuple[Any, ...]:
    """Return the comparable form of one attribute value."""
    ((tag, content),) = value.items()
    match tag:
        case "S" | "BOOL" | "NULL":
            return (tag, content)
        case "N":
            return (tag, _number(content))
        case "B":
            return (tag, _bytes(content))
        case "SS":
            return (tag, tuple(sorted(content)))
        case "NS":
            return (tag, tuple(sorted(_number(member) for member in content)))
        case "BS":
            return (tag, tuple(sorted(_bytes(member) for member in content)))
        case "L":
            return (tag, tuple(comparable_value(member) for member in content))
        case "M":
            return (tag, comparable(content))
        case _:
            raise ValueError(f"no such type: {tag!r}")


def assert_same_items(actual: Iterable[Item], expected: Iterable[Item], key: tuple[str, ...]) -> None:
    """Fail unless both hold the same items, attribute by attribute; say which are missing, extra or different.

    ``key`` names the attributes that tell items apart in the message.
    """
    actual, expected = list(actual), list(expected)
    have, want = Counter(map(comparable, actual)), Counter(map(comparable, expected))
    if have == want:
        return
    extra = [item for item in actual if have[comparable(item)] > want[comparable(item)]]
    missing = [item for item in expected if want[comparable(item)] > have[comparable(item)]]
    by_key = {_key(item, key): item for item in extra}
    lines = [f"{len(actual)} items where {len(expected)} were expected; {len(missing)} missing, {len(extra)} extra"]
    for item in missing[:5]:
        other = by_key.get(_key(item, key))
        if other is None:
            lines.append(f"missing: {item}")
            continue
        for name in sorted(item.keys() | other.keys()):
            mine, its = item.get(name), other.get(name)
            if mine is None or its is None or comparable_value(mine) != comparable_value(its):
                lines.append(f"different: {_key(item, key)}: {name} is {its}, not {mine}")
    wanted = {_key(item, key) for item in missing}
    lines += [f"extra: {item}" for item in extra if _key(item, key) not in wanted][:5]
    raise AssertionError("\n".join(lines))


def _key(item: Item, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(comparable_value(item[name]) if name in item else None for name in names)


def _number(text: str) -> Decimal:
    # The constructor is exact, whatever the context; equal numbers are equal however they were written.
    return Decimal(text)


def _bytes(content: bytes | str) -> bytes:
    return base64.b64decode(content, validate=True) if isinstance(content, str) else bytes(content)
