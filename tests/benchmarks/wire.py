"""ddbetl's wire client by itself: canned bodies, no transform. What the main job can reach at most, and what a
request costs.

In: the address of a canned server, the kind of request, how many are in flight. Out: one line of JSON: requests,
bytes, wall seconds and CPU seconds of this client. The bodies are those of the lean client of ceiling.py, made
beforehand; signing, HTTP, the CRC32 of every answer and, over HTTPS, TLS are in.

Invariant: every answer was a success, checked as always; its body is dropped unread.

    python -m tests.benchmarks.wire http://127.0.0.1:8000 write --in-flight 16 --seconds 3
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path

from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireClient, WireSettings
from tests.benchmarks.canned_checks import ACCESS_KEY, SECRET_KEY
from tests.benchmarks.ceiling import scan_bodies, write_bodies
from tests.benchmarks.fast_loop import run_fast


async def drive(
    client: WireClient, operation: str, bodies: Iterator[bytes], in_flight: int, ends: float
) -> tuple[int, int]:
    """Send bodies, so many at a time, until the clock passes `ends`. Returns requests and bytes of the answers."""
    requests = received = 0

    async def one_after_the_other() -> None:
        nonlocal requests, received
        while time.monotonic() < ends:
            answer = await client.request(operation, next(bodies))
            requests += 1
            received += len(answer.body)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(one_after_the_other())
    return requests, received


async def measure(given: argparse.Namespace) -> dict[str, float]:
    """Warm the connections up, then measure."""
    credentials = Credentials(ACCESS_KEY, SECRET_KEY)
    settings = WireSettings(max_connections=given.in_flight, ca_bundle=given.certificate)
    operation = "BatchWriteItem" if given.kind == "write" else "Scan"
    bodies = itertools.cycle(write_bodies(64) if given.kind == "write" else scan_bodies(given.pages))
    async with WireClient(Endpoint.parse(given.url, "us-east-1"), lambda: credentials, settings) as client:
        await drive(client, operation, bodies, given.in_flight, time.monotonic() + 0.2)
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        requests, received = await drive(client, operation, bodies, given.in_flight, started + given.seconds)
        wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"requests": requests, "bytes": received, "wall": wall, "cpu": cpu}


def main() -> None:
    """Measure as the command line says and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.wire")
    parser.add_argument("url")
    parser.add_argument("kind", choices=("write", "scan"))
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--pages", type=int, default=1, help="pages of each table, as the server has them")
    parser.add_argument("--certificate", type=Path, help="what to trust, for https")
    print(json.dumps(run_fast(measure(parser.parse_args()))))


if __name__ == "__main__":
    main()
