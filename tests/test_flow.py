"""The bounded queue: nothing is lost or stuck, whoever is cancelled when; and what waits stays within its weight."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ddbetl.engine.flow import BoundedQueue


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a coroutine; one that is stuck fails, and that it is not only slow shows by the loop having nothing to do."""

    async def bounded() -> None:
        await asyncio.wait_for(main(), 30)

    asyncio.run(bounded())


async def idle() -> None:
    """Let everything that can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_first_in_first_out() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(10)
        for number in range(5):
            await queue.put(number, 1)
        assert len(queue) == 5
        assert [await queue.get(), *queue.get_more(2)] == [0, 1, 2]
        queue.close()
        assert [await queue.get() for _ in range(4)] == [3, 4, None, None]
        assert queue.get_more(3) == []

    run(main)


def test_put_waits_while_the_queue_is_full_and_takes_one_that_is_too_heavy() -> None:
    async def main() -> None:
        queue: BoundedQueue[str] = BoundedQueue(10)
        await queue.put("small", 9)
        await queue.put("huge", 1000)
        waiting = asyncio.create_task(queue.put("next", 1))
        await idle()
        assert not waiting.done() and len(queue) == 2
        assert await queue.get() == "small"
        await idle()
        assert not waiting.done()
        assert await queue.get() == "huge"
        await waiting
        assert await queue.get() == "next"

    run(main)


def test_room_for_many_lets_many_in() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(10)
        await queue.put(0, 10)
        putters = [asyncio.create_task(queue.put(number, 3)) for number in range(1, 7)]
        await idle()
        assert len(queue) == 1
        assert await queue.get() == 0
        await idle()
        assert len(queue) == 4 and [putter.done() for putter in putters] == [True] * 4 + [False] * 2
        assert [await queue.get() for _ in range(6)] == [1, 2, 3, 4, 5, 6]
        await asyncio.gather(*putters)

    run(main)


def test_close_wakes_everybody_who_waits_for_an_element() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        getters = [asyncio.create_task(queue.get()) for _ in range(10)]
        await idle()
        queue.close()
        assert await asyncio.gather(*getters) == [None] * 10

    run(main)


def test_who_waits_longest_goes_first() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        await queue.put(0, 1)
        putters = []
        for number in range(1, 6):
            putters.append(asyncio.create_task(queue.put(number, 1)))
            await idle()
        got = []
        for _ in range(6):
            got.append(await queue.get())
            await idle()
        assert got == [0, 1, 2, 3, 4, 5]
        await asyncio.gather(*putters)
        order: list[int] = []

        async def getter(number: int) -> None:
            await queue.get()
            order.append(number)

        getters = [asyncio.create_task(getter(number)) for number in range(5)]
        await idle()
        for number in range(5):
            await queue.put(number, 1)
        await asyncio.gather(*getters)
        assert order == [0, 1, 2, 3, 4]

    run(main)


def test_a_cancelled_getter_hands_its_element_on() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(10)
        first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
        await idle()
        await queue.put(1, 1)  # wakes the first one, which is cancelled before it runs
        first.cancel()
        assert await second == 1
        assert first.cancelled() or await first is None

    run(main)


def test_a_cancelled_putter_hands_its_room_on() -> None:
    async def main() -> None:
        queue: BoundedQueue[int] = BoundedQueue(1)
        await queue.put(0, 1)
        first, second = asyncio.create_task(queue.put(1, 1)), asyncio.create_task(queue.put(2, 1))
        await idle()
        assert await queue.get() == 0
        first.cancel()
        await second
        assert await queue.get() == 2 and len(queue) == 0

    run(main)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 40),
    st.integers(1, 6),
    st.integers(1, 6),
    st.floats(0, 0.4),
)
def test_whatever_is_cancelled_nothing_is_lost_or_stuck(
    seed: int, limit: int, producers: int, consumers: int, cancelled: float
) -> None:
    draw = random.Random(seed)
    weights = {(producer, n): draw.randrange(0, 25) for producer in range(producers) for n in range(draw.randrange(20))}

    async def main() -> None:
        queue: BoundedQueue[tuple[int, int]] = BoundedQueue(limit)
        put: list[tuple[int, int]] = []
        got: list[tuple[int, int]] = []
        waiting = 0

        def look() -> None:
            assert waiting - max([weights[e] for e in put[len(got) :]], default=0) <= limit, "more waits than may"

        async def one_put(element: tuple[int, int]) -> None:
            nonlocal waiting
            await queue.put(element, weights[element])
            put.append(element)
            waiting += weights[element]
            look()

        async def produce(producer: int) -> None:
            for element in [e for e in weights if e[0] == producer]:
                while True:
                    task = asyncio.create_task(one_put(element))
                    for _ in range(draw.randrange(4)):
                        await asyncio.sleep(0)
                    if draw.random() < cancelled:
                        task.cancel()
                    with suppress(asyncio.CancelledError):
                        await task
                        break
                    if element in put:
                        break

        async def one_get() -> bool:
            nonlocal waiting
            element = await queue.get()
            for one in [element, *queue.get_more(draw.randrange(3))]:
                if one is not None:
                    got.append(one)
                    waiting -= weights[one]
            return element is not None

        async def consume() -> None:
            more = True
            while more:
                task = asyncio.create_task(one_get())
                for _ in range(draw.randrange(4)):
                    await asyncio.sleep(0)
                if draw.random() < cancelled:
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    more = await task

        async def produce_all() -> None:
            await asyncio.gather(*(produce(producer) for producer in range(producers)))
            queue.close()

        await asyncio.gather(produce_all(), *(consume() for _ in range(consumers)))
        assert sorted(got) == sorted(weights)
        assert len(queue) == 0 and waiting == 0
        for producer in range(producers):
            mine = [number for one, number in got if one == producer]
            assert mine == sorted(mine)

    run(main)
