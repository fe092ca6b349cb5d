"""The rates of a run: changed while it runs, by somebody or because the table's capacity has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import servers
import tables
from planned import HERE, table

import ddbetl
from ddbetl import jobs
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.engine import rates as module
from ddbetl.engine.log import EventLog
from ddbetl.engine.rates import Rated, Rates
from ddbetl.engine.report import Progress
from ddbetl.errors import ConnectionFailed
from ddbetl.plan.catalog import TableDescription
from ddbetl.plan.logical import Table
from ddbetl.plan.options import rate_of

PROVISIONED = replace(table("One"), billing="PROVISIONED", read_units=1_000, write_units=200)


class Run:
    """The rates of a run over one table, read and written at half of what it can take."""

    def __init__(self, folder: Path, described: Callable[[str], TableDescription | None] = lambda name: None) -> None:
        self.now = 0.0
        self.asked: dict[str, str] = {}
        self.read, self.write = Budget(500, clock=lambda: self.now), Budget(100, clock=lambda: self.now)
        self.looks: list[str] = []
        one = Table("One", HERE, PROVISIONED)

        def describe(name: str) -> TableDescription | None:
            self.looks.append(name)
            return described(name)

        access: Any = {HERE: SimpleNamespace(describe=describe)}
        self.path = folder / "log"
        self.log = EventLog([self.path], "job", clock=iter(range(10_000)).__next__)
        self.rates = Rates(
            [Rated(one, "read", self.read), Rated(one, "write", self.write)],
            {"read": rate_of("read", "50%"), "write": rate_of("write", "50%")},
            access,
            lambda: self.asked,
            self.log,
        )

    @property
    def limits(self) -> tuple[float | None, float | None]:
        return self.read.limit, self.write.limit

    def events(self) -> list[dict[str, Any]]:
        self.log.close()
        return [json.loads(line) for line in self.path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        ({}, (500, 100)),
        ({"write": "25%"}, (500, 50)),
        ({"read": "7 rcu"}, (7, 100)),
        ({"read": "unlimited", "write": "1000 wcu"}, (None, 1_000)),
    ],
)
def test_what_is_asked_for_holds(tmp_path: Path, asked: Mapping[str, str], limits: tuple[float | None, float]) -> None:
    run = Run(tmp_path)
    run.rates.take_over(asked)
    assert run.limits == limits
    changed = {one["direction"]: (one["before"], one["now"]) for one in run.events()}
    assert changed.keys() == asked.keys()
    if "write" in asked:
        assert changed["write"] == (100, limits[1])


def test_what_has_not_changed_is_not_said_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    for _ in range(3):
        run.rates.take_over({"write": "25%"})
    # A rate that has been throttled down keeps what it has learnt.
    run.now = 60.0
    run.write.throttled()
    slowed = run.write.rate
    run.rates.take_over({"write": "25%"})
    assert run.write.rate == slowed and slowed is not None and slowed < 50
    assert len(run.events()) == 1


def test_what_the_plan_has_taken_over_already_is_not_asked_for_again(tmp_path: Path) -> None:
    """Otherwise an older `jobs set` would overrule what a resume was told."""
    run = Run(tmp_path)
    run.rates.known = {"write": "25%"}
    run.rates.take_over({"write": "25%"})
    assert run.limits == (500, 100)
    run.rates.take_over({"write": "30%"})
    assert run.limits == (500, 60)


def test_a_share_is_of_the_capacity_that_the_table_has_now(tmp_path: Path) -> None:
    """Autoscaling has doubled the reads and halved the writes."""
    run = Run(tmp_path, lambda name: replace(PROVISIONED, read_units=2_000, write_units=100))
    asyncio.run(run.rates.look())
    assert run.limits == (1_000, 50)
    assert {(one["direction"], one["before"], one["now"]) for one in run.events()} == {
        ("read", 500, 1_000),
        ("write", 100, 50),
    }


def test_what_a_server_does_not_say_any_more_stays_as_it_was(tmp_path: Path) -> None:
    """A table that the run has made takes what was announced, for as long as the run lasts."""
    silent = replace(PROVISIONED, billing="PAY_PER_REQUEST", read_units=None, write_units=None)
    says = [silent, silent, replace(silent, warm_read=24_000, warm_write=8_000)]
    run = Run(tmp_path, lambda name: says[min(2, len(run.looks) - 1)])
    for rated in run.rates.tables:
        rated.description = replace(silent, warm_read=12_000, warm_write=4_000)
    asyncio.run(run.rates.look())
    assert run.limits == (6_000, 2_000)
    asyncio.run(run.rates.look())
    assert run.limits == (12_000, 4_000)


def test_units_that_were_asked_for_do_not_follow_the_capacity(tmp_path: Path) -> None:
    run = Run(tmp_path, lambda name: replace(PROVISIONED, read_units=2_000, write_units=100))
    run.rates.take_over({"read": "40 rcu", "write": "unlimited"})
    asyncio.run(run.rates.look())
    assert (run.limits, run.looks) == ((40, None), [])


def test_a_share_that_is_asked_for_later_is_of_the_last_capacity(tmp_path: Path) -> None:
    run = Run(tmp_path, lambda name: replace(PROVISIONED, read_units=2_000, write_units=100))
    asyncio.run(run.rates.look())
    run.rates.take_over({"read": "10%"})
    assert run.read.limit == 200


@pytest.mark.parametrize("gone", [False, True])
def test_a_capacity_that_cannot_be_asked_for_stays_as_it_was(tmp_path: Path, gone: bool) -> None:
    def describe(name: str) -> TableDescription | None:
        if gone:
            return None
        raise ConnectionFailed("the server takes no more requests")

    run = Run(tmp_path, describe)
    asyncio.run(run.rates.look())
    assert run.limits == (500, 100)
    said = [(one["event"], one.get("message")) for one in run.events()]
    assert said[:1] == ([] if gone else [("capacity_unknown", "the server takes no more requests")])


def test_what_is_asked_for_is_looked_at_every_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, lambda name: replace(PROVISIONED, write_units=400))
    slept: list[float] = []
    limits: list[float | None] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        limits.append(run.write.limit)
        if len(slept) == 5:
            run.asked["write"] = "10%"
        if len(slept) == 8:
            raise asyncio.CancelledError

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run.rates.follow_asked())
    assert slept == [module.ASKED_SECONDS] * 8 and module.ASKED_SECONDS <= 1
    assert limits == [100] * 5 + [20] * 3
    assert run.looks == []


def test_the_capacity_is_looked_at_every_few_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(tmp_path, lambda name: replace(PROVISIONED, write_units=400))
    slept: list[float] = []
    limits: list[float | None] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        limits.append(run.write.limit)
        if len(slept) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=sleep, to_thread=asyncio.to_thread))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(run.rates.follow_capacity())
    assert slept == [module.CAPACITY_SECONDS] * 3 and 60 <= module.CAPACITY_SECONDS <= 600
    assert limits == [100, 200, 200]
    # Both directions, at each of two looks.
    assert run.looks == ["One"] * 4


def test_a_running_job_takes_another_rate(
    running_server: Callable[[str], servers.Server], prefix: str, tmp_path: Path
) -> None:
    """A job that would take minutes ends when somebody lets it."""
    server = running_server("dynoxide")
    for name in ("source", "target"):
        tables.create(server, f"{prefix}{name}", ("id", "S"))
    tables.fill(server, f"{prefix}source", [{"id": {"S": f"i{n}"}} for n in range(600)])
    plan = ddbetl.compile(
        f"SELECT * FROM {prefix}source WITH (write = 2 wcu)",
        into=f"{prefix}target",
        on_conflict="replace",
        endpoint_url=server.endpoint_url,
    )
    asked: list[float] = []

    def look(now: Progress) -> None:
        if now.written and not asked:
            asked.append(now.seconds)
            jobs.set_rate("last", "write = unlimited", state_dir=tmp_path)

    report = plan.run(state_dir=tmp_path, progress=look, interval=0.05)
    assert asked and (report.outcome, report.progress.written) == ("done", 600)
    assert report.progress.write_budget is None
    events = [json.loads(line) for line in (Path(report.folder) / "log").read_text().splitlines()]
    (changed,) = [one for one in events if one["event"] == "rate_changed"]
    assert (changed["table"], changed["before"], changed["now"]) == (f"{prefix}target", 2, None)
