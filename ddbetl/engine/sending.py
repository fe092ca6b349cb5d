"""Requests that are repeated until they succeed, as long as repeating can mend what is wrong.

In: a request, its reader, the budget that pays for it. Out: the answer. Invariant: what an attempt may have used is
charged; a stop waits for the attempt that is out, and for no other.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.advice import status_text
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.connectors.dynamodb.connection import Response
from ddbetl.connectors.dynamodb.failures import Kind, MalformedResponse, ServiceError, WireError
from ddbetl.connectors.dynamodb.retry import Retry, RetryPolicy, retrying
from ddbetl.connectors.dynamodb.wire import WireClient
from ddbetl.engine.log import EventLog
from ddbetl.engine.meter import Meter
from ddbetl.errors import ConnectionFailed

T = TypeVar("T")

POLICY = RetryPolicy()
# Seconds between looks at whether a run is to stop.
STOP_SECONDS = 0.1
# Stands for every table, where one is named.
EVERY = ""


@dataclass(slots=True, eq=False)
class Course:
    """Where a run is going. ``left``: rows that LIMIT still allows, None for all; ``stopping``: somebody has asked."""

    left: int | None = None
    stopping: bool = False

    def take(self, rows: int) -> None:
        """Count rows that are on their way."""
        if self.left is not None:
            self.left -= rows

    @property
    def limit_reached(self) -> bool:
        return self.left == 0

    @property
    def ended(self) -> bool:
        return self.stopping or self.limit_reached


@dataclass(slots=True, eq=False)
class Sender:
    """Sends the requests of one connection. ``out``: the tasks that wait for an answer, not for their turn."""

    access: Access
    client: WireClient
    meter: Meter
    course: Course
    log: EventLog
    policy: RetryPolicy
    sleep: Callable[[float], Awaitable[None]]
    clock: Callable[[], float] = time.monotonic
    uniform: Callable[[], float] = random.random
    out: set[asyncio.Task[Any]] = field(default_factory=set)
    # Many requests may find at once that the credentials have expired.
    _renewing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _renewed: float = -math.inf

    async def request(
        self,
        operation: str,
        body: bytes | memoryview,
        table: str,
        read: Callable[[Response], T],
        budget: Budget,
        units: float,
    ) -> T:
        """Send a request of ``table`` until it succeeds; ``read`` raises ValueError for what is no answer to it.

        The caller has acquired ``units`` for the first attempt and settles the one that succeeds; what the attempts
        between may have used is charged here. Raises the WireError that repeating cannot mend, with a note of what was
        asked.
        """
        since = self.clock()
        try:
            answer = await self.once(operation, body, read)
        except WireError as error:
            answer = await self._again(error, since, operation, body, table, read, budget, units)
        if self.meter.waits:
            # What other tables wait for, they still do.
            self.meter.waits.pop(table, None)
            self.meter.waits.pop(EVERY, None)
        return answer

    async def once(self, operation: str, body: bytes | memoryview, read: Callable[[Response], T]) -> T:
        """Send a request, and no more than once. Raises WireError."""
        task = asyncio.current_task()
        assert task is not None
        self.out.add(task)
        try:
            response = await self.client.request(operation, body)
        finally:
            self.out.discard(task)
        try:
            return read(response)
        except ValueError as error:
            raise MalformedResponse(f"the answer is not DynamoDB's: {error}") from error

    async def _again(
        self,
        failed: WireError,
        since: float,
        operation: str,
        body: bytes | memoryview,
        table: str,
        read: Callable[[Response], T],
        budget: Budget,
        units: float,
    ) -> T:
        """Send a request again whose first attempt, at ``since``, has failed."""

        async def exchange() -> T:
            if isinstance(failed, ServiceError) and failed.kind is Kind.CREDENTIALS:
                await self.refresh()
            budget.settle(units, units if failed.maybe_processed else 0.0)
            await budget.acquire(units)
            return await self.once(operation, body, read)

        def retried(retry: Retry) -> None:
            nonlocal failed
            failed = retry.error
            self.repeats(failed, operation, table, budget)
            if self.course.stopping:
                # A stop waits for requests that are out, not for those that go wrong again and again.
                raise asyncio.CancelledError

        try:
            return await retrying(
                exchange, self.policy, on_retry=retried, sleep=self.sleep, clock=self.clock, failed=failed, since=since
            )
        except WireError as error:
            error.operation, error.table = operation, table
            raise

    def throttled(self, table: str, budget: Budget, reason: str) -> None:
        """Slow down, and say why."""
        before = budget.rate
        budget.throttled()
        self.meter.waits[table] = reason
        self.log.write("warning", "throttled", table=table, reason=reason, rate_before=before, rate=budget.rate)

    async def pause(self, refused: int) -> None:
        """Wait before something is asked for again that has come back ``refused`` times in a row."""
        longest = min(self.policy.cap, self.policy.base * 2.0 ** min(refused, 30))
        await self.sleep(self.uniform() * longest)

    def repeats(self, error: WireError, operation: str, table: str, budget: Budget) -> None:
        """Say that something is asked for again, and why; slow down where that is throttling."""
        self.meter.retries += 1
        text = status_text(error, table)
        if isinstance(error, ServiceError) and error.kind is Kind.THROTTLING:
            self.throttled(table, budget, text)
            return
        self.meter.waits[table] = text
        self.log.write("warning", "retry", operation=operation, table=table, message=text)

    async def refresh(self) -> None:
        """Renew credentials; where that fails the present ones may be good for a while, so the requests decide."""
        asked = self.clock()
        async with self._renewing:
            if self._renewed > asked:
                # Somebody else has done so in the meantime.
                return
            try:
                await asyncio.to_thread(self.access.credentials.refresh)
            except ConnectionFailed as error:
                self.meter.waits[EVERY] = f"the credentials cannot be renewed: {error}"
                self.log.write("warning", "credentials_not_renewed", message=str(error))
            self._renewed = self.clock()
