"""Repeating what failed for the moment: exponential backoff with full jitter.

In: a call that raises ``WireError``. Out: its result, or the error that repeating cannot or may not mend any longer.

Invariant: an error that is not transient is never repeated, and the wait before a repetition is never longer than the
policy's cap.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from ddbetl.connectors.dynamodb.failures import Kind, ServiceError, WireError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on; times in seconds. Without bounds a transient error is repeated without end.

    The wait before the n-th repetition is a random time up to ``min(cap, base * 2**(n - 1))``. ``max_elapsed`` counts
    from the first call and is never passed by a wait. Errors of credentials and clocks get at most ``max_refusals``
    repetitions in a row: a refreshed key or a corrected clock mends them, or nothing does.
    """

    base: float = 0.05
    cap: float = 20.0
    max_attempts: int | None = None
    max_elapsed: float | None = None
    max_refusals: int = 2


@dataclass(frozen=True, slots=True)
class Retry:
    """A repetition to come: the error, the number of calls made so far, the wait before the next one in seconds."""

    error: WireError
    attempts: int
    delay: float


async def retrying(
    call: Callable[[], Awaitable[T]],
    policy: RetryPolicy = RetryPolicy(),
    *,
    on_retry: Callable[[Retry], None] = lambda retry: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    uniform: Callable[[], float] = random.random,
    clock: Callable[[], float] = time.monotonic,
    failed: WireError | None = None,
    since: float | None = None,
) -> T:
    """Call until it succeeds; ``on_retry`` hears of each repetition before its wait.

    ``failed``: what a first call has raised already, which began at ``since``: most succeed, and need nothing of this.

    Raises the last ``WireError`` when it is terminal or the policy's bounds are reached; other exceptions pass through.
    """
    started = clock() if since is None else since
    attempts = refusals = waits = 0
    stale = False
    while True:
        try:
            if failed is not None:
                raise failed
            return await call()
        except WireError as error:
            failed = None
            attempts += 1
            refusals = refusals + 1 if _is_refusal(error) else 0
            # One connection that the server has closed says nothing about the server; a second one in a row may.
            at_once = error.stale and not stale
            stale = error.stale
            delay = 0.0 if at_once else uniform() * min(policy.cap, policy.base * 2.0 ** min(waits, 60))
            waits += not at_once
            if (
                not error.transient
                or refusals > policy.max_refusals
                or (policy.max_attempts is not None and attempts >= policy.max_attempts)
                or (policy.max_elapsed is not None and clock() - started + delay > policy.max_elapsed)
            ):
                raise
            on_retry(Retry(error, attempts, delay))
        await sleep(delay)


def _is_refusal(error: WireError) -> bool:
    return isinstance(error, ServiceError) and error.kind in (Kind.CREDENTIALS, Kind.SKEW)
