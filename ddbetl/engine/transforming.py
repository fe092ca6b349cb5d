"""The transform as a stage: pages from the readers, through its threads, to whoever takes what came of them.

In: a queue of pages. Out: each page with its result, in the order of the queue. Invariant: the event loop never waits
for a thread, and a thread's memory goes with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field

from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.sending import Course
from ddbetl.engine.splits import Page
from ddbetl.engine.transform import PageInput

# Pages that one DuckDB statement transforms, at most: enough to hide what a statement costs by itself.
GROUP = 4


@dataclass(frozen=True, slots=True)
class _Group:
    """Pages under way in the threads. ``handed_over``: whether all that came of them is."""

    pages: list[Page]
    results: asyncio.Future[list[PageResult]]
    handed_over: asyncio.Event = field(default_factory=asyncio.Event)


async def transform(
    pages: BoundedQueue[Page],
    work: PageWork,
    now_millis: int,
    course: Course,
    hand_over: Callable[[Page, PageResult], Awaitable[None]],
) -> None:
    """Transform pages until the queue is closed and empty; opens and closes ``work``.

    One thread makes the rows of the next pages, another one checks those of the pages before, whose results are handed
    over meanwhile. Where there is a LIMIT, what is handed over counts before the next pages are begun.
    """
    loop = asyncio.get_running_loop()
    groups: BoundedQueue[_Group] = BoundedQueue(1)

    async def results(inputs: list[PageInput]) -> list[PageResult]:
        made = await loop.run_in_executor(making, work.make, inputs)
        return await loop.run_in_executor(checking, work.check, inputs, made, course.left)

    async def begin() -> None:
        # If this fails, no page is made.
        await loop.run_in_executor(making, work.open)
        while (first := await pages.get()) is not None:
            some = [first, *pages.get_more(GROUP - 1)]
            group = _Group(some, asyncio.ensure_future(results([_input(page, now_millis) for page in some])))
            # What comes of it after another has failed nobody asks.
            group.results.add_done_callback(lambda results: results.cancelled() or results.exception())
            await groups.put(group, 1)
            if course.left is not None:
                await group.handed_over.wait()
        groups.close()

    with (
        _thread("ddbetl-make") as making,
        _thread("ddbetl-check") if work.divisible else nullcontext(making) as checking,
    ):
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(begin())
                while (group := await groups.get()) is not None:
                    for page, result in zip(group.pages, await group.results, strict=True):
                        await hand_over(page, result)
                    group.handed_over.set()
        finally:
            # Behind what may still run when the job is being cancelled: first a check, then what makes rows.
            checking.submit(lambda: None).result()
            making.submit(work.close).result()


def _thread(name: str) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)


def count_beside(page: Page, result: PageResult) -> None:
    """Count what has come of a page, but for its failures and the rows that can be written."""
    # What is over the LIMIT counts as not read.
    page.add(read=-result.over, filtered=result.filtered, by_reference=result.by_reference, collisions=result.collided)


def _input(page: Page, now_millis: int) -> PageInput:
    return PageInput(
        page.items, page.count, page.table.scan.table.name, now_millis, page.split.number, page.table.scan.operation
    )
