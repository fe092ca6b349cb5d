"""The rates of a run, which may change while it runs.

In: the plan's rates, what ``ddbetl jobs set`` says, and the tables' capacity as it is now. Out: the limits of the
budgets. Invariant: a percentage is always of the capacity as DynamoDB last said it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.engine.log import EventLog
from ddbetl.errors import ConnectionFailed
from ddbetl.plan.budget import resolve, with_throughput
from ddbetl.plan.catalog import Connection, TableDescription
from ddbetl.plan.logical import Table
from ddbetl.plan.options import PercentRate, Rate, rate_of

# Seconds between looks at the tables' capacity: autoscaling moves it in minutes.
CAPACITY_SECONDS = 180.0
# Seconds between looks at what `ddbetl jobs set` says.
ASKED_SECONDS = 1.0


@dataclass(slots=True)
class Rated:
    """A table that is read or written within a budget; ``index``: of the table, where that is read."""

    table: Table
    direction: str
    budget: Budget
    index: str | None = None
    description: TableDescription | None = field(init=False)

    def __post_init__(self) -> None:
        self.description = self.table.description


@dataclass(slots=True)
class Rates:
    """``asked``: what was asked for since the job began, by direction; see JobStore.rates. ``known``: what of it the
    ``rates`` have in them already."""

    tables: list[Rated]
    rates: dict[str, Rate]
    access: Mapping[Connection, Access]
    asked: Callable[[], Mapping[str, str]]
    log: EventLog
    known: dict[str, str] = field(default_factory=dict)

    async def follow_asked(self) -> None:
        """Keep the rates at what is asked for, for as long as the run lasts."""
        while True:
            await asyncio.sleep(ASKED_SECONDS)
            self.take_over(await asyncio.to_thread(self.asked))

    async def follow_capacity(self) -> None:
        """Keep the budgets at the tables' capacity, for as long as the run lasts."""
        while True:
            await asyncio.sleep(CAPACITY_SECONDS)
            await self.look()

    def take_over(self, asked: Mapping[str, str]) -> None:
        """Set the rates to what was asked for since."""
        for direction, text in asked.items():
            if self.known.get(direction) != text:
                self.known[direction] = text
                self.rates[direction] = rate_of(direction, text)
                self._set(direction, f"as ddbetl jobs set says: {direction} = {text}")

    async def look(self) -> None:
        """Ask for the capacity of the tables of which a rate is a share."""
        for rated in self.tables:
            if not isinstance(self.rates[rated.direction], PercentRate):
                continue
            try:
                found = await asyncio.to_thread(self.access[rated.table.connection].describe, rated.table.name)
            except ConnectionFailed as error:
                # The requests themselves will tell, if it matters; until then the last answer holds.
                self.log.write("warning", "capacity_unknown", table=rated.table.name, message=str(error))
                continue
            if found is not None:
                before = rated.description
                rated.description = with_throughput(found, before.warm_read, before.warm_write) if before else found
        for direction in self.rates:
            self._set(direction, "the table's capacity has changed")

    def _set(self, direction: str, reason: str) -> None:
        for rated in self.tables:
            if rated.direction != direction:
                continue
            units = resolve(self.rates[direction], rated.description, direction, rated.index).units
            if units != rated.budget.limit:
                before = rated.budget.limit
                rated.budget.set_limit(units)
                self.log.write(
                    "info", "rate_changed", table=rated.table.name, direction=direction, before=before, now=units,
                    reason=reason,
                )  # fmt: skip
