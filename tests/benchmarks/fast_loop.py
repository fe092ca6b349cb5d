"""The event loop of the benchmark's own programs: uvloop's where it exists, else asyncio's."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def run_fast(main: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end and return its value."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)
