"""How much of a budget is used: not more than it allows, and not less.

In: nothing but this machine. Out: lines on stdout; with --json, a file of the same. First a whole job, ``ddbetl run``
with a budget of 50 units a second for 20 seconds against dynoxide, as a proxy in between sees it. Then BatchWriteItem by
ddbetl's wire client, each request let go by one Budget, units as the server reports them: the same rate, and some
seconds each at higher ones against the canned server.

Invariant: every answer was a success that named its units and left nothing unprocessed; a run with another answer is
an error, never a figure.

    python -m tests.benchmarks.rate
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import boto3

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireClient, WireSettings
from tests import servers
from tests.benchmarks.canned_checks import ACCESS_KEY, SECRET_KEY
from tests.benchmarks.canned_data import TARGET
from tests.benchmarks.ceiling import BATCH, write_bodies
from tests.benchmarks.fast_loop import run_fast
from tests.benchmarks.measure import Server, canned_server, client_environment, run_client
from tests.witness import witness

REGION = "us-east-1"
SOURCE = "Source"
IN_FLIGHT = 16
# (units a second, seconds) of a whole job.
JOB = (50.0, 20.0)
# (units a second, seconds, items of a request): as a table of few units, and as fast ones.
SLOW = (50.0, 10.0, 5)
FAST = ((5_000.0, 3.0, BATCH), (20_000.0, 3.0, BATCH), (40_000.0, 3.0, BATCH))


@dataclass(frozen=True, slots=True)
class Used:
    """Units used by requests that went in ``seconds``; ``excess``: the most that any window had beyond rate × window
    and its last request, in seconds' worth of the rate."""

    server: str
    rate: float
    seconds: float
    units: float
    requests: int
    excess: float
    cpu: float

    def text(self) -> str:
        return (
            f"rate: budget {self.rate:,.0f} wcu, {self.seconds:.0f} s, {self.server}: {self.units:,.0f} units used, "
            f"{100 * self.units / (self.rate * self.seconds) - 100:+.1f} %; {self.requests / self.seconds:,.0f} "
            f"requests/s; made good after late wake-ups {1000 * self.excess:.1f} ms' worth; CPU {100 * self.cpu:.0f} %"
        )


async def drive(url: str, server: str, rate: float, seconds: float, bodies: Iterator[bytes], expected: float) -> Used:
    """Write as fast as a budget lets it. Raises ValueError for an answer that is no plain success."""
    credentials = Credentials(ACCESS_KEY, SECRET_KEY)
    gone: list[tuple[float, float]] = []
    async with WireClient(
        Endpoint.parse(url, REGION), lambda: credentials, WireSettings(max_connections=IN_FLIGHT)
    ) as client:
        await client.request("BatchWriteItem", next(bodies))
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        budget = Budget(rate, clock=time.monotonic)

        async def one_after_the_other() -> None:
            while True:
                await budget.acquire(expected)
                at = time.monotonic() - started
                if at >= seconds:
                    budget.settle(expected, 0.0)
                    return
                answer = json.loads((await client.request("BatchWriteItem", next(bodies))).body)
                if answer.get("UnprocessedItems"):
                    raise ValueError("the server left items unprocessed")
                used = sum(table["CapacityUnits"] for table in answer["ConsumedCapacity"])
                budget.settle(expected, used)
                gone.append((at, used))

        async with asyncio.TaskGroup() as tasks:
            for _ in range(IN_FLIGHT):
                tasks.create_task(one_after_the_other())
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    units = sum(used for _, used in gone)
    return Used(server, rate, seconds, units, len(gone), excess(sorted(gone), rate), cpu / seconds)


def whole_job(rate: float, seconds: float) -> Used:
    """Run a job of so many seconds by the command line. Raises ValueError unless it writes every item once.

    Of the requests, each goes when those before it are paid for: so all but the last are paid from the first to the last.
    """
    items = int(rate * seconds) + BATCH
    with dynoxide() as url, witness(url) as proxy:
        fill(url, items)
        rates = f"read = unlimited, write = {rate:.0f} wcu"
        sql = f"INSERT INTO {TARGET} SELECT * FROM {SOURCE} ON CONFLICT REPLACE WITH ({rates})"
        command = [sys.executable, "-m", "ddbetl", "run", sql, "--yes", "--endpoint-url", proxy.url]
        done = run_client(command, client_environment(Server(proxy.url, None)), timeout=3 * seconds + 60)
        writes = sorted(proxy.writes)
    if done.exit_code != 0 or sum(rows for _, rows in writes) != items:
        raise ValueError(f"ddbetl run ended with {done.exit_code}: {done.stderr}")
    gone = [(at - writes[0][0], float(rows)) for at, rows in writes]
    took = gone[-1][0]
    units = sum(used for _, used in gone[:-1])
    return Used("ddbetl run, dynoxide", rate, took, units, len(gone), excess(gone, rate), done.cpu / done.wall)


def fill(url: str, items: int) -> None:
    """Make the source table of a whole job, of items of one unit."""
    client = plain_client(url)
    create(client, SOURCE)
    numbers = iter(range(items))
    while some := list(itertools.islice(numbers, BATCH)):
        client.batch_write_item(
            RequestItems={SOURCE: [{"PutRequest": {"Item": {"id": {"S": str(number)}}}} for number in some]}
        )
    client.close()


def excess(gone: list[tuple[float, float]], rate: float) -> float:
    """Seconds' worth of units by which a window, of any length, passes rate × window + its last request's."""
    most, before, start = 0.0, 0.0, float("-inf")
    for at, used in gone:
        # Of all windows that end here, the one whose beginning was furthest behind.
        start = max(start, at - before / rate)
        most = max(most, start - (at - before / rate))
        before += used
    return most


def small_bodies(items: int) -> Iterator[bytes]:
    """Endless BatchWriteItem bodies of so many one-unit items."""
    for number in itertools.count():
        puts = [{"PutRequest": {"Item": {"id": {"S": f"{number}-{item}"}}}} for item in range(items)]
        yield json.dumps({"RequestItems": {TARGET: puts}, "ReturnConsumedCapacity": "TOTAL"}).encode()


@contextmanager
def dynoxide() -> Iterator[str]:
    """Run dynoxide with an empty target table."""
    with servers.start("dynoxide") as server:
        client = plain_client(server.endpoint_url)
        create(client, TARGET)
        client.close()
        yield server.endpoint_url


def plain_client(url: str) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def create(client: Any, table: str) -> None:
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.rate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    given = parser.parse_args()
    found: list[Used] = []

    def add(used: Used) -> None:
        found.append(used)
        print(used.text(), flush=True)

    if servers.dynoxide_binary() is not None:
        add(whole_job(*JOB))
        rate, seconds, items = SLOW
        with dynoxide() as url:
            add(run_fast(drive(url, "dynoxide", rate, seconds, small_bodies(items), items)))
    else:
        print(f"rate: budget {SLOW[0]:.0f} wcu is left out: {servers.why_no_dynoxide()}")
    with canned_server() as canned:
        canned.configure(pages_per_table=1, items_per_page=1, verify=False)
        for rate, seconds, items in FAST:
            bodies = itertools.cycle(write_bodies(64))
            add(run_fast(drive(canned.url, "the canned server", rate, seconds, bodies, items)))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(used) for used in found]))


if __name__ == "__main__":
    main()
