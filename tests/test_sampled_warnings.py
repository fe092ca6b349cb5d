"""What a sample warns of: few partition keys, large rows, rows that are expired, constants that hide attributes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from compiling import control_plane

from ddbetl import api
from ddbetl.engine.measuring import measured
from ddbetl.plan.samples import Samples
from ddbetl.types import Timestamp

# 2017-06-01T12:00:00Z
NOW = Timestamp(1_496_318_400_000)
TABLES = """
Orders (OrderID S), 500 items, 93500 bytes
ByStatus (Status S, OrderID S)
Archive (OrderID S)
"""
Item = dict[str, dict[str, Any]]


def order(number: int, **more: str) -> Item:
    """An order; of many, three have one customer, and every third one status."""
    texts = {"OrderID": f"o{number}", "Status": ("open", "paid", "sent")[number % 3], "Customer": f"c{number // 3}"}
    return {name: {"S": text} for name, text in (texts | more).items()}


def sampled(spec: str, items: list[Item]) -> list[tuple[str, str]]:
    """The codes and messages that a sample of Orders adds to those of the spec alone."""
    with control_plane(TABLES):
        plan = api.compile(spec, now=NOW)
    (read,) = plan.physical.scans
    found, _ = measured(plan.physical, read, [json.dumps(item).encode() for item in items], False, 1.0)
    more = plan._sampled(Samples((found,))).warnings[len(plan.warnings) :]
    return [(warning.code, warning.message) for warning in more]


ORDERS = [order(number) for number in range(60)]


def test_few_partition_keys_are_counted() -> None:
    spec = "INSERT INTO ByStatus SELECT Status, OrderID FROM Orders ON CONFLICT REPLACE"
    ((code, message),) = sampled(spec, ORDERS)
    assert code == "W0111"
    assert message == (
        "Status, the partition key of ByStatus, has 3 values in 60 sampled rows: so few partitions take them all"
    )
    # Of those that WHERE keeps.
    ((_, message),) = sampled(
        spec.replace(" ON ", " WHERE Status <> 'paid' AND Status <> 'sent' ON "), [order(n) for n in range(120)]
    )
    assert "has 1 value in 40 sampled rows" in message


@pytest.mark.parametrize(
    ("spec", "items"),
    [
        # A third as many as before.
        ("SELECT Customer AS Status, OrderID FROM Orders", ORDERS),
        # Too few to tell.
        ("SELECT Status, OrderID FROM Orders", ORDERS[:20]),
        # Items of few partition keys are of few anywhere: a sample reads neighbours.
        ("SELECT Status, OrderID FROM Orders", [order(number, OrderID=f"o{number % 4}") for number in range(60)]),
        # On purpose.
        ("SELECT to_string(shard(OrderID, 4)) AS Status, OrderID FROM Orders", ORDERS),
        # Told already.
        ("SELECT if(Customer = 'c1', 'a', 'b') AS Status, OrderID FROM Orders", ORDERS),
    ],
)
def test_what_is_no_hot_partition(spec: str, items: list[Item]) -> None:
    assert sampled(f"INSERT INTO ByStatus {spec} ON CONFLICT REPLACE", items) == []


def test_rows_near_the_largest_size_are_told_of() -> None:
    spec = "INSERT INTO Archive SELECT *, upper(Status) AS Loud FROM Orders ON CONFLICT REPLACE"
    near = [*ORDERS, order(99, Text="x" * 370 * 1024)]
    assert sampled(spec, near) == [("W0115", "a sampled row of Orders has 370 KB: an item has at most 400 KB")]
    assert sampled(spec, [*ORDERS, order(99, Text="x" * 350 * 1024)]) == []
    # A copy is as large as its item.
    assert sampled("INSERT INTO Archive SELECT * FROM Orders ON CONFLICT REPLACE", near) == []


def test_expired_rows_are_counted() -> None:
    items = [order(number, Made=f"{2015 + number % 3}-03-01T10:00:00Z") for number in range(60)]
    spec = "INSERT INTO Archive SELECT OrderID, epoch(Made) + 365 days AS Until FROM Orders ON CONFLICT REPLACE"
    said = "Until, the time of expiry, is past in 40 of 60 sampled rows: DynamoDB deletes what is written"
    assert sampled(f"{spec} WITH (ttl_attribute = Until)", items) == [("W0117", said)]
    assert sampled(f"{spec} WITH (ttl_attribute = Until, skip_expired = true)", items) == []
    assert sampled(spec, items) == []


HIDES = "{} is the {} here, and 60 of 60 sampled items have such an attribute"


@pytest.mark.parametrize(
    ("spec", "hidden"),
    [
        ("LET Status = 'x'; SELECT OrderID, Status || '!' AS S FROM Orders", [HIDES.format("Status", "LET")]),
        (
            "PARAM Customer = 'x'; SELECT OrderID FROM Orders WHERE OrderID = Customer",
            [HIDES.format("Customer", "PARAM")],
        ),
        ("LET status = 'x'; SELECT OrderID, status || '!' AS S FROM Orders", []),
        ("LET Status = 'x'; SELECT OrderID, Status AS Status FROM Orders", []),
        ("LET Status = 'x'; SELECT OrderID, 'Status' AS S FROM Orders", []),
        ("LET Status = 'x'; SELECT OrderID, Status || \"Status\" AS S FROM Orders", []),
        ("LET Status = 'x'; SELECT OrderID, \"Status\" AS S FROM Orders", []),
        ("PARAM Customer = 'Orders'; SELECT OrderID FROM ${Customer}", []),
        # It is said of a key in any case.
        ("LET OrderID = 'x'; SELECT \"OrderID\", OrderID || 'y' AS S FROM Orders", []),
    ],
)
def test_a_constant_that_hides_an_attribute_is_told_of(spec: str, hidden: list[str]) -> None:
    assert [message for code, message in sampled(spec, ORDERS) if code == "W0101"] == hidden
