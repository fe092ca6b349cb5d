"""The transform as a stage: two threads give the same as one, in the order of the pages."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from planned import NOW
from test_claims import TABLES, plan_of

from ddbetl.engine.collisions import KeysSeen
from ddbetl.engine.flow import BoundedQueue
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.sending import Course
from ddbetl.engine.splits import Page
from ddbetl.engine.transforming import transform
from ddbetl.functions.model import PageFunction

PAGES, ITEMS = 30, 7


def pages() -> list[Page]:
    """Pages of which every key stands on two of them, and every fifth row goes by reference."""
    scan = SimpleNamespace(table=SimpleNamespace(name=TABLES[0]), operation="Scan")
    split = SimpleNamespace(table=SimpleNamespace(scan=scan), number=0)
    found = []
    for page in range(PAGES):
        numbers = [page * ITEMS + row for row in range(ITEMS)]
        items = [
            {
                "id": {"S": f"s{number}"},
                "mail": {"S": f"m{number % (PAGES * ITEMS // 2)}"},
                # More digits than the statement takes.
                "n": {"N": "1" if number % 5 else "1.000000000000000000000000000000000000"},
            }
            for number in numbers
        ]
        found.append(SimpleNamespace(items=json.dumps(items).encode(), count=ITEMS, table=split.table, split=split))
    return cast(list[Page], found)


def results(folder: Path, divisible: bool, monkeypatch: pytest.MonkeyPatch) -> tuple[list[PageResult], list[str]]:
    """What comes of the pages, and in which thread what was done."""
    monkeypatch.setattr(PageWork, "divisible", divisible)
    plan, threads, found = plan_of(), [], []
    assert plan.write is not None
    make, check = PageWork.make, PageWork.check

    def made(self: PageWork, *given: Any) -> Any:
        threads.append("make " + threading.current_thread().name)
        return make(self, *given)

    def checked(self: PageWork, *given: Any) -> Any:
        threads.append("check " + threading.current_thread().name)
        return check(self, *given)

    async def hand_over(page: Page, result: PageResult) -> None:
        found.append(result)

    async def main() -> None:
        queue: BoundedQueue[Page] = BoundedQueue(PAGES)
        for page in pages():
            await queue.put(page, 1)
        queue.close()
        await transform(queue, PageWork(plan.transform, plan.write, seen, TABLES), NOW.millis, Course(), hand_over)

    folder.mkdir()
    seen = KeysSeen.open(folder)
    with monkeypatch.context() as patch:
        patch.setattr(PageWork, "make", made)
        patch.setattr(PageWork, "check", checked)
        asyncio.run(main())
    seen.close()
    return found, threads


def test_functions_of_the_users_stay_in_one_thread() -> None:
    plan = plan_of()
    assert plan.write is not None
    assert PageWork(plan.transform, plan.write).divisible
    theirs = replace(plan.transform.statement, python=(("theirs", cast(PageFunction, None)),))
    assert not PageWork(replace(plan.transform, statement=theirs), plan.write).divisible


def test_two_threads_give_the_same_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, alone = results(tmp_path / "one", False, monkeypatch)
    two, both = results(tmp_path / "two", True, monkeypatch)
    assert one == two and len(two) == PAGES
    assert sum(result.by_reference for result in two) == PAGES * ITEMS // 5
    assert sum(result.collided for result in two) == PAGES * ITEMS // 2
    assert {name.split(" ")[1] for name in alone} == {"ddbetl-make_0"}
    assert set(both) == {"make ddbetl-make_0", "check ddbetl-check_0"}
