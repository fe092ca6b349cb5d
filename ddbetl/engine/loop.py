"""Run a coroutine to its end from ordinary code, on the fastest loop there is.

Invariants: works also where a loop runs already in this thread, as in a notebook; leaves the interpreter's
settings as they were.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

# Objects that are made before the garbage collector looks at them: requests make many, and leave hardly a cycle.
YOUNG = 10_000
# Seconds after which a thread that waits for the interpreter gets it, in place of Python's 5 ms: the threads of the
# transform leave it for DuckDB and Arrow, and come back many times a page.
SWITCH_SECONDS = 0.0003


def run_async(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """The result of a coroutine; a failure of one of its tasks is raised as itself, not as a group."""
    if not _loop_runs():
        return _run(main)
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(_run, main).result()


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        with _seldom_collected(), _often_switched(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(main())
    except BaseExceptionGroup as group:
        raise first_failure(group) from group


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let the garbage collector pass over what is there already, and look less often at what comes."""
    youngest, *others = gc.get_threshold()
    # What somebody else has frozen stays frozen.
    freezes = not gc.get_freeze_count()
    if freezes:
        gc.freeze()
    if youngest:
        gc.set_threshold(max(youngest, YOUNG), *others)
    try:
        yield
    finally:
        gc.set_threshold(youngest, *others)
        if freezes:
            gc.unfreeze()


@contextmanager
def _often_switched() -> Iterator[None]:
    """Let the transform's threads have their turn soon: they need the interpreter for moments only, but often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SWITCH_SECONDS))
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def first_failure(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception inside nested groups."""
    failure: BaseException = group
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    return failure


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
