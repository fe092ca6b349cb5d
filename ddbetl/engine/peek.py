"""A few items of a table, for somebody who waits: what preview and describe have in common.

In: a Scan or Query request. Out: its answer with the items, counted. Invariant: whatever comes instead is asked for
again, as long as a person has patience, and then is a WireError.
"""

from __future__ import annotations

import msgspec

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.connectors.dynamodb.requests import ScanAnswer, read_page
from ddbetl.connectors.dynamodb.retry import RetryPolicy, retrying
from ddbetl.connectors.dynamodb.wire import WireClient

PATIENCE = RetryPolicy(max_elapsed=30.0)


async def peek(client: WireClient, body: bytes, operation: str = "Scan") -> tuple[ScanAnswer, list[msgspec.Raw]]:
    """Ask for a page of items."""

    async def exchange() -> tuple[ScanAnswer, list[msgspec.Raw]]:
        response = await client.request(operation, body)
        try:
            return read_page(response.body)
        except ValueError as error:
            raise MalformedResponse(f"the answer to {operation} is not DynamoDB's: {error}") from error

    return await retrying(exchange, PATIENCE)
