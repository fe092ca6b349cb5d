"""The peers: other ways to do the main job, each run in a process of its own.

In: a job (where, which tables, with or without pushdown) and the name of a peer. Out: the job, done; nothing is
printed, because the server counts what was read and written, for every peer alike.

A peer is one function from a Job to None that imports what it needs; its docstring's first line is its title in the
report. Add it to PEERS and it takes part.

Invariant: every peer reads every source item once and writes the same items; bench.py proves it before it takes a
time.

    python -m tests.benchmarks.peers boto3_loop http://127.0.0.1:8000
"""

from __future__ import annotations

import argparse
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
                order = item.get("OrderID")
                if order is not None and order["S"]:
                    created = math.floor(datetime.fromisoformat(item["DateTime"]["S"]).timestamp())
                    batch.append(
                        {
                            "PutRequest": {
                                "Item": {
                                    "CustomerID": item["CustomerID"],
                                    "CreationDateTime": {"N": str(created)},
                                    "ExpirationTimestamp": {"N": str(created + TTL_SECONDS)},
                                    "OrderID": order,
                                }
                            }
                        }
                    )
                    if len(batch) == BATCH:
                        write(batch)
                        batch = []
        if batch:
            write(batch)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(copy, [(name, segment) for segment in range(SEGMENTS) for name in job.sources]))


PEERS: dict[str, Callable[[Job], None]] = {peer.__name__: peer for peer in (boto3_loop, boto3_tuned)}


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
