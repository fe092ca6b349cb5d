"""Inserts that replace nothing: what is there already is looked at, and the spec's action says what comes of the row.

In: batches of INSERT statements. Out: rows that are written, unchanged, skipped or rejects. Invariants: an item that is
equal to the row is no conflict; no item is replaced but by KEEP NEWEST, and by that none that somebody else has made
newer in the meantime.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ddbetl.connectors.dynamodb.statements import put_body
from ddbetl.engine.batches import Batch
from ddbetl.engine.rows import RowFailure
from ddbetl.engine.splits import Page
from ddbetl.engine.state import resume_command
from ddbetl.engine.target import Item, Sent, Share, Target
from ddbetl.errors import JobFailed, RowError
from ddbetl.expressions import wire
from ddbetl.expressions.writing import Action, Entry
from ddbetl.numbers import shown
from ddbetl.types import TAGS

# The share of rows that are there already from which on it is cheaper to ask first. With p of the rows there, asking
# first takes 1 - p writes and one read a row, else it is one write and p reads; a write costs as much as five reads of
# items as large.
# Source: DynamoDB's price list, on demand and provisioned alike.
ASK_FIRST = 1 / 6
# So many attributes that differ are named.
TOLD = 3


@dataclass(slots=True)
class Inserting:
    """Writes rows by INSERT, and does with those whose key is taken what ``action`` says: SKIP, REJECT, FAIL, or
    KEEP_NEWEST by the attribute ``newest``, which every row has as a NUMBER, STRING or BINARY."""

    target: Target
    action: Action
    newest: str | None
    _there: Share = field(default_factory=Share)

    async def write(self, page: Page, batch: Batch) -> None:
        """Write a batch; what is left open when the run is stopped is for another run."""
        target = self.target
        if batch.alone:
            (row,) = target.rows(batch)
            item = target.batching.item(row.entry)
            there = await self._put(page, row, item)
            if there is not None:
                await self._resolve(page, row, item, there)
            return
        asks = self._there.value > ASK_FIRST
        if asks:
            rows = target.rows(batch)
        else:
            rows = await target.execute(page, batch, Entry.INSERT)
            self._there.add(len(rows), len(batch.positions))
        rounds = 0
        while rows and not target.course.stopping:
            items = [target.batching.item(row.entry) for row in rows]
            found = await target.existing(items)
            if asks and not rounds:
                self._there.add(len(found), len(rows))
            absent = []
            for row, item in zip(rows, items, strict=True):
                if target.course.stopping:
                    return
                there = found.get(target.batching.key_of(item))
                if there is None:
                    absent.append(row)
                else:
                    await self._resolve(page, row, item, there)
            if not absent or target.course.stopping:
                return
            if rounds:
                # Somebody writes and deletes these items all the time.
                await target.sender.pause(rounds)
            rounds += 1
            rows = await target.execute(page, target.batch(absent), Entry.INSERT)

    async def _resolve(self, page: Page, row: Sent, item: Item, there: Item) -> None:
        """Do with a row whose key is taken what is to be done."""
        rounds = 0
        while not self.target.course.stopping:
            if same_item(item, there):
                page.unwritten(unchanged=1)
                return
            match self.action:
                case Action.SKIP:
                    page.unwritten(skipped=1)
                    return
                case Action.REJECT:
                    self.target.reject(page, row.position, RowFailure("R0301", self._taken(item, there), None))
                    return
                case Action.FAIL:
                    raise JobFailed(self._fatal(item, there), advised=True)
            newer = self._newer(item, there)
            if newer is None:
                self.target.reject(page, row.position, RowFailure("R0302", self._incomparable(item, there), None))
                return
            if not newer:
                page.unwritten(skipped=1)
                return
            changed = await self._put(page, row, item)
            if changed is None:
                return
            if changed == there:
                # Nobody has changed it: to ask again would come to the same.
                self.target.reject(page, row.position, RowFailure("R0302", self._otherwise(item), None))
                return
            there = changed
            rounds += 1
            await self.target.sender.pause(rounds)

    async def _put(self, page: Page, row: Sent, item: Item) -> Item | None:
        """Put a row alone, where nothing is in its way; what is."""
        target, rounds = self.target, 0
        body = put_body(target.table, target.key[0], item, self.newest)
        while not target.course.stopping:
            error = await target.write_one(page, "PutItem", body, row)
            if error is None:
                return None
            there = await target.item_in_the_way(error, item)
            if there is not None:
                return there
            rounds += 1
            await target.sender.pause(rounds)
        return None

    def _newer(self, item: Item, there: Item) -> bool | None:
        """Whether the row is newer than what is there; None where the two cannot be compared."""
        assert self.newest is not None
        known = there.get(self.newest)
        return known is None or comes_before(known, item[self.newest])

    def _taken(self, item: Item, there: Item) -> str:
        names = differing(item, there)
        told = ", ".join(names[:TOLD])
        if len(names) > TOLD:
            told += f" and {len(names) - TOLD} more attributes"
        return f"{self._where(item)} is there already, with another {told}"

    def _incomparable(self, item: Item, there: Item) -> str:
        assert self.newest is not None
        mine, known = (_type_name(one[self.newest]) for one in (item, there))
        return f"{self._where(item)} is there already, with {self.newest} as {known}; the row has {mine}"

    def _otherwise(self, item: Item) -> str:
        return f"{self._where(item)} is there already, and the server does not take the row's {self.newest} for greater"

    def _fatal(self, item: Item, there: Item) -> str:
        return (
            f"{self._taken(item, there)}\n"
            "ON CONFLICT FAIL ends the run there. Nothing is lost: delete that item, or change it into what the row "
            "is, then go on:\n"
            f"  {resume_command(self.target.rejects.folder)}"
        )

    def _where(self, item: Item) -> str:
        key = ", ".join(f"{name} = {_content(item[name])}" for name in self.target.key)
        return f"{self.target.table}, {key},"


def _content(attribute: dict[str, Any]) -> str:
    ((tag, content),) = attribute.items()
    return str(content) if tag == "N" else shown(str(content))


def _type_name(attribute: dict[str, Any]) -> str:
    tag = next(iter(attribute), "")
    return str(TAGS.get(tag, tag))


# Items as DynamoDB compares them


def same_item(one: Item, other: Item) -> bool:
    """Tell whether two items are equal: numbers by their value, sets without order."""
    return one == other or not differing(one, other)


def differing(one: Item, other: Item) -> list[str]:
    """The names of the attributes in which two items differ, those of the first one first."""
    names = dict.fromkeys([*one, *other])
    return [name for name in names if name not in one or name not in other or not _same(one[name], other[name])]


def _same(one: Any, other: Any) -> bool:
    """Tell whether two attributes are equal; what is none equals only what is written alike."""
    if one == other:
        return True
    if not (isinstance(one, dict) and isinstance(other, dict) and len(one) == len(other) == 1):
        return False
    ((tag, mine),) = one.items()
    ((other_tag, its),) = other.items()
    if tag != other_tag or type(mine) is not type(its):
        return False
    match tag:
        case "N" | "B":
            return isinstance(mine, str) and _value(tag, mine) == _value(tag, its)
        case "SS" | "NS" | "BS":
            return isinstance(mine, list) and _members(tag[0], mine) == _members(tag[0], its)
        case "L":
            return isinstance(mine, list) and len(mine) == len(its) and all(map(_same, mine, its))
        case "M":
            same_names = isinstance(mine, dict) and mine.keys() == its.keys()
            return same_names and all(_same(mine[name], its[name]) for name in mine)
        case _:
            return False


def _members(tag: str, members: list[Any]) -> set[Any]:
    return {_value(tag, member) if isinstance(member, str) else repr(member) for member in members}


def _value(tag: str, content: str) -> str | bytes | Decimal:
    """A scalar's value; its text where it is none."""
    try:
        return wire.decode({tag: content})  # type: ignore[return-value]
    except RowError:
        return content


def comes_before(one: dict[str, Any], other: dict[str, Any]) -> bool | None:
    """Tell whether an attribute is smaller than another, as DynamoDB orders them: STRING by its UTF-8, BINARY by its
    bytes. None for attributes of two types, or without an order."""
    tag = next(iter(one), "")
    if tag not in ("S", "N", "B") or len(one) != 1 or tag not in other:
        return None
    try:
        return bool(_ordered(tag, one[tag]) < _ordered(tag, other[tag]))
    except RowError:
        return None


def _ordered(tag: str, content: str) -> Any:
    match tag:
        case "S":
            return content.encode()
        case "B":
            return base64.b64decode(content)
        case _:
            return wire.decode({"N": content})
