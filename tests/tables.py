"""Tables on a running server, filled and read in DynamoDB JSON; and whole jobs run against them.

In: a server, names, items as the wire writes them (binary as Base64 text). Out: the same. The data goes by ddbetl's own
wire client, because boto3 would turn binary into bytes; whatever is compared, is compared with the row evaluator or with
tests/reference.py, which know nothing of it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from servers import Server

from ddbetl.connectors.dynamodb.control import Control
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.plan.catalog import Connection

Item = dict[str, dict[str, Any]]
T = TypeVar("T")


def create(server: Server, name: str, *key: tuple[str, str], **more: Any) -> None:
    """Make a table with a key of one or two attributes, (name, S, N or B) each; on demand, if ``more`` says nothing."""
    client = server.client()
    if "ProvisionedThroughput" not in more:
        more["BillingMode"] = "PAY_PER_REQUEST"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": n, "KeyType": kind} for (n, _), kind in zip(key, ("HASH", "RANGE"), strict=False)],
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in key],
        **more,
    )
    client.get_waiter("table_exists").wait(TableName=name)
    client.close()


def on_the_wire(server: Server, main: Callable[[WireClient], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine with a wire client of the server."""
    control = Control.open(Connection(endpoint=server.endpoint_url))
    access = control.access(connections=8)
    control.close()

    async def run() -> T:
        async with access.client() as client:
            return await main(client)

    return asyncio.run(run())


async def call(client: WireClient, operation: str, request: dict[str, Any]) -> Any:
    """One request and its answer, as Python's JSON values."""
    return json.loads((await client.request(operation, json.dumps(request).encode())).body)


async def scan(client: WireClient, request: dict[str, Any], operation: str = "Scan") -> list[Item]:
    """All items of a Scan, or of a Query."""
    found: list[Item] = []
    while True:
        answer = await call(client, operation, request)
        found += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return found
        request = {**request, "ExclusiveStartKey": answer["LastEvaluatedKey"]}


def fill(server: Server, name: str, items: Sequence[Item]) -> None:
    """Put items, whose keys are different, into a table."""

    async def put(client: WireClient) -> None:
        for start in range(0, len(items), 25):
            waiting = {name: [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]}
            while waiting:
                waiting = (await call(client, "BatchWriteItem", {"RequestItems": waiting}))["UnprocessedItems"]

    on_the_wire(server, put)


def read(server: Server, name: str) -> list[Item]:
    """All items of a table."""
    return on_the_wire(server, lambda client: scan(client, {"TableName": name, "ConsistentRead": True}))
