"""The peers: other ways to do the main job, each run in a process of its own.

In: a job (where, which tables, with or without pushdown) and the name of a peer. Out: the job, done; nothing is
printed, because the server counts what was read and written, for every peer alike.

A peer is one function from a Job to None that imports what it needs; its docstring's first line is its title in the
report. Add it to MAIN and it takes part in the main job. CONDITIONAL is the one beside the write modes, COPY_LOOP the
one beside the copies. Those of APART
need packages of their own (peers.txt), which `make bench` installs apart from ddbetl's, because their versions of
botocore exclude each other; without these they are left out.

Invariant: every peer reads every source item once and writes the same items; bench.py proves it before it takes a
time.

    python -m tests.benchmarks.peers boto3_loop http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
import asyncio
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.benchmarks.canned_data import SOURCES, TARGET

TTL_SECONDS = 365 * 24 * 3600
THREADS = 8
SEGMENTS = 2
BATCH = 25

_PROJECTION = {
    "ProjectionExpression": "#customer, #time, #order",
    "FilterExpression": "size(#order) > :zero",
    "ExpressionAttributeNames": {"#customer": "CustomerID", "#time": "DateTime", "#order": "OrderID"},
}


@dataclass(frozen=True, slots=True)
class Job:
    """The main job: read `sources`, write `target`, at `url`; with `pushdown` the server projects and filters."""

    url: str
    pushdown: bool = False
    sources: tuple[str, ...] = SOURCES
    target: str = TARGET


def boto3_loop(job: Job) -> None:
    """boto3, plain loop: Table.scan, a transform in Python, batch_writer"""
    import boto3

    dynamodb = boto3.resource("dynamodb", endpoint_url=job.url)
    pushed: dict[str, Any] = {**_PROJECTION, "ExpressionAttributeValues": {":zero": 0}} if job.pushdown else {}
    with dynamodb.Table(job.target).batch_writer() as writer:
        for name in job.sources:
            table = dynamodb.Table(name)
            page = table.scan(**pushed)
            while True:
                for item in page["Items"]:
                    if len(str(item.get("OrderID", ""))) > 0:
                        created = math.floor(datetime.fromisoformat(str(item["DateTime"])).timestamp())
                        writer.put_item(
                            Item={
                                "CustomerID": item["CustomerID"],
                                "CreationDateTime": created,
                                "ExpirationTimestamp": created + TTL_SECONDS,
                                "OrderID": item["OrderID"],
                            }
                        )
                if "LastEvaluatedKey" not in page:
                    break
                page = table.scan(ExclusiveStartKey=page["LastEvaluatedKey"], **pushed)


def boto3_tuned(job: Job) -> None:
    """boto3, tuned: low-level client, parallel segments in 8 threads, batches of 25, no parameter validation"""
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=THREADS, parameter_validation=False, tcp_keepalive=True)
    client: Any = boto3.client("dynamodb", endpoint_url=job.url, config=config)
    pushed: dict[str, Any] = {**_PROJECTION, "ExpressionAttributeValues": {":zero": {"N": "0"}}} if job.pushdown else {}

    def write(batch: list[dict[str, Any]]) -> None:
        requests = {job.target: batch}
        while requests:
            requests = client.batch_write_item(RequestItems=requests)["UnprocessedItems"]

    def pages(name: str, segment: int) -> Iterator[list[dict[str, Any]]]:
        asked = {"TableName": name, "Segment": segment, "TotalSegments": SEGMENTS, **pushed}
        while True:
            page = client.scan(**asked)
            yield page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def copy(split: tuple[str, int]) -> None:
        batch: list[dict[str, Any]] = []
        for items in pages(*split):
            for item in items:
                if _has_order(item):
                    batch.append(_put(item))
                    if len(batch) == BATCH:
                        write(batch)
                        batch = []
        if batch:
            write(batch)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(copy, _splits(job)))


def aioboto3(job: Job) -> None:
    """aioboto3, tuned: low-level client, parallel segments in 8 tasks, batches of 25, no parameter validation"""
    import aioboto3 as package  # type: ignore[import-not-found]
    from aiobotocore.config import AioConfig  # type: ignore[import-not-found]

    pushed: dict[str, Any] = {**_PROJECTION, "ExpressionAttributeValues": {":zero": {"N": "0"}}} if job.pushdown else {}

    async def write(client: Any, batch: list[dict[str, Any]]) -> None:
        requests = {job.target: batch}
        while requests:
            requests = (await client.batch_write_item(RequestItems=requests))["UnprocessedItems"]

    async def copy(client: Any, name: str, segment: int) -> None:
        batch: list[dict[str, Any]] = []
        asked = {"TableName": name, "Segment": segment, "TotalSegments": SEGMENTS, **pushed}
        while True:
            page = await client.scan(**asked)
            for item in page["Items"]:
                if _has_order(item):
                    batch.append(_put(item))
                    if len(batch) == BATCH:
                        await write(client, batch)
                        batch = []
            if "LastEvaluatedKey" not in page:
                break
            asked["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        if batch:
            await write(client, batch)

    async def copy_all() -> None:
        config = AioConfig(max_pool_connections=THREADS, parameter_validation=False, tcp_keepalive=True)
        async with package.Session().client("dynamodb", endpoint_url=job.url, config=config) as client:
            splits = iter(_splits(job))

            async def one_after_the_other() -> None:
                for split in splits:
                    await copy(client, *split)

            await asyncio.gather(*[one_after_the_other() for _ in range(THREADS)])

    asyncio.run(copy_all())


def pydynox(job: Job) -> None:
    """pydynox, plain loop: sync_scan, a transform in Python, sync_batch_write; its client is in Rust"""
    client = _pydynox_client(job)
    for name in job.sources:
        _pydynox_copy(client, job, name)


def pydynox_tuned(job: Job) -> None:
    """pydynox, tuned: the same, parallel segments in 8 threads"""
    client = _pydynox_client(job)
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda split: _pydynox_copy(client, job, split[0], split[1], SEGMENTS), _splits(job)))


def _pydynox_client(job: Job) -> Any:
    from pydynox import DynamoDBClient  # type: ignore[import-not-found]

    return DynamoDBClient(endpoint_url=job.url)


def _pydynox_copy(
    client: Any, job: Job, name: str, segment: int | None = None, total_segments: int | None = None
) -> None:
    pushed = (
        {
            "projection_expression": _PROJECTION["ProjectionExpression"],
            "filter_expression": _PROJECTION["FilterExpression"],
            "expression_attribute_names": _PROJECTION["ExpressionAttributeNames"],
            "expression_attribute_values": {":zero": 0},
        }
        if job.pushdown
        else {}
    )
    items: list[dict[str, Any]] = []
    for item in client.sync_scan(name, segment=segment, total_segments=total_segments, **pushed):
        if item.get("OrderID"):
            created = math.floor(datetime.fromisoformat(item["DateTime"]).timestamp())
            items.append(
                {
                    "CustomerID": item["CustomerID"],
                    "CreationDateTime": created,
                    "ExpirationTimestamp": created + TTL_SECONDS,
                    "OrderID": item["OrderID"],
                }
            )
            # It makes requests of 25 of these, and repeats what is left unprocessed.
            if len(items) == 40 * BATCH:
                client.sync_batch_write(job.target, put_items=items)
                items = []
    if items:
        client.sync_batch_write(job.target, put_items=items)


def boto3_put_item(job: Job) -> None:
    """boto3, conditional writes: Table.scan, a transform in Python, one put_item with attribute_not_exists an item"""
    import boto3

    dynamodb = boto3.resource("dynamodb", endpoint_url=job.url)
    target = dynamodb.Table(job.target)
    for name in job.sources:
        table = dynamodb.Table(name)
        page = table.scan()
        while True:
            for item in page["Items"]:
                if len(str(item.get("OrderID", ""))) > 0:
                    created = math.floor(datetime.fromisoformat(str(item["DateTime"])).timestamp())
                    target.put_item(
                        Item={
                            "CustomerID": item["CustomerID"],
                            "CreationDateTime": created,
                            "ExpirationTimestamp": created + TTL_SECONDS,
                            "OrderID": item["OrderID"],
                        },
                        ConditionExpression="attribute_not_exists(CustomerID)",
                    )
            if "LastEvaluatedKey" not in page:
                break
            page = table.scan(ExclusiveStartKey=page["LastEvaluatedKey"])


def boto3_copy(job: Job) -> None:
    """boto3, a copy of one table: Table.scan and batch_writer"""
    import boto3

    dynamodb = boto3.resource("dynamodb", endpoint_url=job.url)
    source = dynamodb.Table(job.sources[0])
    with dynamodb.Table(job.target).batch_writer() as writer:
        page = source.scan()
        while True:
            for item in page["Items"]:
                writer.put_item(Item=item)
            if "LastEvaluatedKey" not in page:
                break
            page = source.scan(ExclusiveStartKey=page["LastEvaluatedKey"])


def _splits(job: Job) -> list[tuple[str, int]]:
    return [(name, segment) for segment in range(SEGMENTS) for name in job.sources]


def _has_order(item: dict[str, Any]) -> bool:
    order = item.get("OrderID")
    return order is not None and order["S"] != ""


def _put(item: dict[str, Any]) -> dict[str, Any]:
    created = math.floor(datetime.fromisoformat(item["DateTime"]["S"]).timestamp())
    return {
        "PutRequest": {
            "Item": {
                "CustomerID": item["CustomerID"],
                "CreationDateTime": {"N": str(created)},
                "ExpirationTimestamp": {"N": str(created + TTL_SECONDS)},
                "OrderID": item["OrderID"],
            }
        }
    }


MAIN = ("boto3_loop", "boto3_tuned", "aioboto3", "pydynox", "pydynox_tuned")
CONDITIONAL = "boto3_put_item"
COPY_LOOP = "boto3_copy"
LOCKED = ("boto3_loop", "boto3_tuned", "aioboto3", CONDITIONAL, COPY_LOOP)
"""Python alone, one thread of which works at a time."""
APART = ("aioboto3", "pydynox", "pydynox_tuned")
PEERS: dict[str, Callable[[Job], None]] = {
    peer.__name__: peer
    for peer in (boto3_loop, boto3_tuned, aioboto3, pydynox, pydynox_tuned, boto3_put_item, boto3_copy)
}


def main() -> None:
    """Run one peer."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers")
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("url")
    parser.add_argument("--pushdown", action="store_true")
    given = parser.parse_args()
    PEERS[given.peer](Job(given.url, given.pushdown))


if __name__ == "__main__":
    main()
