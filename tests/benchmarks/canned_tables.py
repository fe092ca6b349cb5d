"""The tables of the canned server, as DynamoDB describes them.

In: the name of an operation that touches no item, its request, the mode of the server. Out: the answer, decoded.

Invariant: the sizes and counts of a description are those of the pages that a Scan returns under the same mode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.benchmarks import canned_data
from tests.benchmarks.canned_data import MAIN_KIND, SOURCE_KEY, SOURCES, TARGET, TARGET_KEY, Kind, Shape

ACCOUNT = "123456789012"
CREATED = 1_462_060_800.0
UNITS = 4_000_000
"""Provisioned units of every table: more than any client here can use."""


class Refused(Exception):
    """A request that DynamoDB would refuse: the error's name and message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, slots=True)
class Mode:
    """What the side path can change between runs."""

    pages_per_table: int = 1
    items_per_page: int = 4000
    verify: bool = False
    pushdown: bool = False
    billing: str = "PROVISIONED"
    latency_ms: float = 0.0
    """What every answer is held back."""
    tables: int = len(SOURCES)
    skew: str = ""
    attributes: int = MAIN_KIND.attributes
    item_bytes: int = MAIN_KIND.item_bytes
    with_order: float = MAIN_KIND.with_order
    copies: bool = False
    """Whether the target has the sources' key, for a job that writes every item as it is; else it has the main job's."""

    @property
    def shape(self) -> Shape:
        kind = Kind(self.attributes, self.item_bytes, self.with_order)
        return Shape(self.pages_per_table, self.items_per_page, self.tables, self.skew, kind)

    @property
    def target_key(self) -> tuple[tuple[str, str], ...]:
        """Names and types of the target's key attributes."""
        return SOURCE_KEY if self.copies else TARGET_KEY


def control(operation: str, request: dict[str, Any], mode: Mode) -> dict[str, Any]:
    """Answer an operation that reads and writes no item. Raises Refused."""
    match operation:
        case "ListTables":
            names = sorted((*map(canned_data.source_name, range(mode.tables)), TARGET))
            names = [name for name in names if name > request.get("ExclusiveStartTableName", "")]
            limit = request.get("Limit", 100)
            more = {"LastEvaluatedTableName": names[limit - 1]} if len(names) > limit else {}
            return {"TableNames": names[:limit], **more}
        case "DescribeTable":
            return {"Table": describe(request["TableName"], mode)}
        case "DescribeTimeToLive":
            source_number(request["TableName"], mode)
            return {"TimeToLiveDescription": {"TimeToLiveStatus": "DISABLED"}}
        case "DescribeContinuousBackups":
            source_number(request["TableName"], mode)
            return {
                "ContinuousBackupsDescription": {
                    "ContinuousBackupsStatus": "ENABLED",
                    "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
                }
            }
        case "DescribeLimits":
            return {
                "AccountMaxReadCapacityUnits": UNITS * 20,
                "AccountMaxWriteCapacityUnits": UNITS * 20,
                "TableMaxReadCapacityUnits": UNITS,
                "TableMaxWriteCapacityUnits": UNITS,
            }
    raise Refused("UnknownOperationException", f"the canned server does not know {operation}")


def source_number(name: str, mode: Mode) -> int | None:
    """Return a source's number, None for the target. Raises Refused for any other table."""
    if name == TARGET:
        return None
    try:
        number = canned_data.source_number(name)
    except ValueError:
        number = mode.tables
    if number >= mode.tables:
        raise Refused("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found")
    return number


def describe(name: str, mode: Mode) -> dict[str, Any]:
    """Return DescribeTable's description of one table under a mode."""
    table = source_number(name, mode)
    key = mode.target_key if table is None else SOURCE_KEY
    billing: dict[str, Any]
    if mode.billing == "PROVISIONED":
        billing = {"ProvisionedThroughput": {"ReadCapacityUnits": UNITS, "WriteCapacityUnits": UNITS}}
    else:
        billing = {
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
            "WarmThroughput": {"ReadUnitsPerSecond": UNITS, "WriteUnitsPerSecond": UNITS, "Status": "ACTIVE"},
        }
    billing["ProvisionedThroughput"]["NumberOfDecreasesToday"] = 0
    return {
        "TableName": name,
        "TableArn": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{name}",
        "TableId": f"00000000-0000-4000-8000-{99 if table is None else table:012d}",
        "TableStatus": "ACTIVE",
        "CreationDateTime": CREATED,
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": type_} for name, type_ in key],
        "KeySchema": [
            {"AttributeName": name, "KeyType": use} for (name, _), use in zip(key, ("HASH", "RANGE"), strict=True)
        ],
        "ItemCount": 0 if table is None else mode.shape.pages_of(table) * mode.items_per_page,
        "TableSizeBytes": 0 if table is None else canned_data.table_bytes(table, mode.shape),
        "DeletionProtectionEnabled": False,
        **billing,
    }
