"""Updates that set a row's attributes and leave the others of an item as they are.

In: batches of UPDATE statements. Out: rows that are written, rejects, or skipped because there is no item. Invariant:
an item is updated or made in one step, never read and written back, so that nothing that others write at the same time
is lost. A row of more attributes than one step can set is a reject where there is another item.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ddbetl.connectors.dynamodb.statements import LONGEST_EXPRESSION, insert_entry, put_body, update_body
from ddbetl.engine.batches import Batch
from ddbetl.engine.conflicts import same_item
from ddbetl.engine.rows import RowFailure
from ddbetl.engine.splits import Page
from ddbetl.engine.target import Item, Sent, Share, Target
from ddbetl.expressions.writing import Entry

# How often a row is tried as an update and as an insert before it is sent alone, which is both at once.
ROUNDS = 3


@dataclass(slots=True)
class Merging:
    """Writes rows by UPDATE; ``makes``: also those of which there is no item, by INSERT.

    An UPDATE does not make an item, and an INSERT does not change one: each finds out which rows are the other's. It
    begins with the one that succeeded more of late.
    """

    target: Target
    makes: bool
    _absent: Share = field(default_factory=Share)

    async def write(self, page: Page, batch: Batch) -> None:
        """Write a batch; what is left open when the run is stopped is for another run."""
        if batch.alone:
            await self._update_singly(page, self.target.rows(batch))
            return
        count = len(batch.positions)
        if not self.makes:
            absent = await self.target.execute(page, batch, Entry.UPDATE)
            if absent and not self.target.course.stopping:
                page.unwritten(skipped=len(absent))
            return
        inserts = self._absent.value > 1 / 2
        rows: Sequence[Sent] = ()
        for step in range(2 * ROUNDS):
            if inserts:
                rows = await self._insert(page, rows if step else self.target.rows(batch))
            else:
                rows = await self.target.execute(page, self.target.batch(rows) if step else batch, Entry.UPDATE)
            if not step:
                self._absent.add(count - len(rows) if inserts else len(rows), count)
            if not rows or self.target.course.stopping:
                return
            inserts = not inserts
        await self._update_singly(page, rows)

    async def _insert(self, page: Page, rows: Sequence[Sent]) -> list[Sent]:
        """Insert rows; those that are there already, as the updates that they were."""
        inserts = []
        for row in rows:
            entry = insert_entry(row.entry, self.target.table)
            if entry is None:
                await self._update_singly(page, [row])
            else:
                inserts.append(replace(row, entry=entry))
        if not inserts or self.target.course.stopping:
            return []
        updates = {row.position: row for row in rows}
        found = await self.target.execute(page, self.target.batch(inserts), Entry.INSERT)
        return [updates[row.position] for row in found]

    async def _update_singly(self, page: Page, rows: Sequence[Sent]) -> None:
        """Update each item by a request of its own, which makes the item where there is none."""
        target = self.target
        for row in rows:
            if target.course.stopping:
                return
            item = target.batching.item(row.entry)
            body = update_body(target.table, target.key, item, existing=not self.makes)
            if body is None:
                await self._write_wide(page, row, item)
            elif await target.write_one(page, "UpdateItem", body, row) is not None:
                page.unwritten(skipped=1)

    async def _write_wide(self, page: Page, row: Sent, item: Item) -> None:
        """Do what can be done with a row of more attributes than one update sets: in two, others would see half of
        it."""
        target, rounds = self.target, 0
        while True:
            there = (await target.existing([item])).get(target.batching.key_of(item))
            if target.course.stopping:
                return
            if there is not None:
                break
            if not self.makes:
                page.unwritten(skipped=1)
                return
            body = put_body(target.table, target.key[0], item)
            if await target.write_one(page, "PutItem", body, row) is None:
                return
            # Somebody has made it meanwhile.
            rounds += 1
            await target.sender.pause(rounds)
        if same_item(item, {name: there[name] for name in item if name in there}):
            # As another run of the job may have left it.
            page.unwritten(unchanged=1)
            return
        message = (
            f"the item is there already, and {len(item) - len(target.key):,} attributes are too many for one update: "
            f"the expression that sets them would have more than {LONGEST_EXPRESSION:,} bytes"
        )
        target.reject(page, row.position, RowFailure("R0206", message, None))
