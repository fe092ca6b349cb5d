"""A queue bounded by the weight of what is in it, so that memory does not grow with the table.

Invariant: the weight of what waits, with that of what was taken and is still in use, is at most the limit plus one
element.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """First in, first out; ``put`` waits while the queue is full. Weights are in bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._weight = 0
        self._elements: deque[tuple[T, int]] = deque()
        self._closed = False
        self._getters: deque[asyncio.Future[None]] = deque()
        self._putters: deque[asyncio.Future[None]] = deque()

    def __len__(self) -> int:
        return len(self._elements)

    async def put(self, element: T, weight: int) -> None:
        while self._weight >= self._limit:
            await self._wait(self._putters)
        self._elements.append((element, weight))
        self._weight += weight
        _wake(self._getters)
        if self._weight < self._limit:
            _wake(self._putters)

    async def get(self) -> T | None:
        """The next element; None when the queue is closed and empty."""
        found = await self.take()
        if found is None:
            return None
        element, weight = found
        self.release(weight)
        return element

    async def take(self) -> tuple[T, int] | None:
        """As ``get``, with the element's weight, which counts until it is given to ``release``."""
        while not self._elements:
            if self._closed:
                _wake(self._getters)
                return None
            await self._wait(self._getters)
        return self._pop()

    def get_more(self, most: int) -> list[T]:
        """Up to ``most`` further elements, without waiting."""
        found = [self._pop() for _ in range(min(most, len(self._elements)))]
        self.release(sum(weight for _, weight in found))
        return [element for element, _ in found]

    def release(self, weight: int) -> None:
        """Say that an element which was taken is no longer in use."""
        self._weight -= weight
        if self._weight < self._limit:
            _wake(self._putters)

    def close(self) -> None:
        """Say that nothing more will come."""
        self._closed = True
        _wake(self._getters)

    def _pop(self) -> tuple[T, int]:
        found = self._elements.popleft()
        if self._elements:
            _wake(self._getters)
        return found

    async def _wait(self, waiters: deque[asyncio.Future[None]]) -> None:
        future = asyncio.get_running_loop().create_future()
        waiters.append(future)
        try:
            await future
        except asyncio.CancelledError:
            # A wake-up that came at the same moment belongs to somebody else now.
            if future.done() and not future.cancelled():
                _wake(waiters)
            elif future in waiters:
                waiters.remove(future)
            raise


def _wake(waiters: deque[asyncio.Future[None]]) -> None:
    while waiters:
        future = waiters.popleft()
        if not future.done():
            future.set_result(None)
            return
