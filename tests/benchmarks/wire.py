"""ddbetl's wire client by itself: canned bodies, no transform. What the main job can reach at most, and what a
request costs.

In: the address of a canned server, the kind of request, or the whole job, how many are in flight. Out: one line of JSON:
requests, bytes, wall seconds and CPU seconds of this client. The bodies are those of the lean client of ceiling.py, made
beforehand; signing, HTTP, the CRC32 of every answer and, over HTTPS, TLS are in.

Invariant: every answer was a success, checked as always; its body is dropped unread.

    python -m tests.benchmarks.wire http://127.0.0.1:8000 write --in-flight 16 --seconds 3
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireClient, WireSettings
from tests.benchmarks import canned_data
from tests.benchmarks.canned_checks import ACCESS_KEY, SECRET_KEY
from tests.benchmarks.ceiling import BATCH, OPERATIONS, bodies, scan_bodies, write_bodies
from tests.benchmarks.fast_loop import run_fast

Requests: TypeAlias = Iterator[tuple[str, bytes]]


async def drive(client: WireClient, requests: Requests, in_flight: int, ends: float) -> tuple[int, int]:
    """Send requests, so many at a time, until there are no more or the clock passes `ends`.

    Returns the number of requests and the bytes of the answers.
    """
    sent = received = 0

    async def one_after_the_other() -> None:
        nonlocal sent, received
        while time.monotonic() < ends and (request := next(requests, None)) is not None:
            answer = await client.request(*request)
            sent += 1
            received += len(answer.body)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(one_after_the_other())
    return sent, received


def whole_job(pages_per_table: int, items: int) -> Requests:
    """Yield the requests of a job: each page read once, so many items written, evenly between the pages."""
    scans, writes = scan_bodies(pages_per_table), itertools.cycle(write_bodies(64))
    written = 0
    for number, scan in enumerate(scans, start=1):
        yield "Scan", scan
        while written + BATCH <= items * number // len(scans):
            yield "BatchWriteItem", next(writes)
            written += BATCH
    while written < items:
        last = json.loads(next(writes))
        (puts,) = last["RequestItems"].values()
        del puts[items - written :]
        yield "BatchWriteItem", canned_data.compact(last).encode()
        written += len(puts)


async def measure(given: argparse.Namespace) -> dict[str, float]:
    """Do the whole job, or warm the connections up and measure for some seconds."""
    credentials = Credentials(ACCESS_KEY, SECRET_KEY)
    settings = WireSettings(max_connections=given.in_flight, ca_bundle=given.certificate)
    async with WireClient(Endpoint.parse(given.url, "us-east-1"), lambda: credentials, settings) as client:
        if given.kind == "job":
            requests, seconds = whole_job(given.pages, given.items), math.inf
        else:
            operation = OPERATIONS[given.kind]
            requests = ((operation, body) for body in itertools.cycle(bodies(given.kind, given.pages)))
            seconds = given.seconds
            await drive(client, requests, given.in_flight, time.monotonic() + 0.2)
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        sent, received = await drive(client, requests, given.in_flight, started + seconds)
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"requests": sent, "bytes": received, "wall": wall, "cpu": cpu}


def main() -> None:
    """Measure as the command line says and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.wire")
    parser.add_argument("url")
    parser.add_argument("kind", choices=(*OPERATIONS, "job"))
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--pages", type=int, default=1, help="pages of each table, as the server has them")
    parser.add_argument("--items", type=int, default=0, help="how many the job writes")
    parser.add_argument("--certificate", type=Path, help="what to trust, for https")
    print(json.dumps(run_fast(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
