"""Rejected rows once more: a file of rejects as a source.

In: the file, for each table the lines that name it. Out: pages of the items as they are now, read by their keys.
Invariants: an item is read as the plan's tables would give it, unfiltered by the server; an item that is not there any
more counts as filtered out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.requests import BatchGetAnswer, batch_get_body, read_batch_get
from ddbetl.engine.reading import Fetched
from ddbetl.engine.sending import Sender
from ddbetl.engine.splits import Split
from ddbetl.errors import JobFailed
from ddbetl.plan.budget import EVENTUAL_BYTES, STRONG_BYTES
from ddbetl.plan.catalog import Connection

# Keys of one request. Source: BatchGetItem API reference.
MOST_KEYS = 100


@dataclass(frozen=True, slots=True)
class RejectedRows:
    """The items that a file of rejects names, for a plan's tables; a split's position is a place in the file."""

    path: Path
    senders: Mapping[Connection, Sender]
    consistent: bool

    async def wait(self, split: Split) -> None:
        await split.table.budget.acquire(_estimate(self.consistent))

    async def fetch(self, split: Split) -> Fetched:
        """The items of the next keys of a split's table. ``scanned`` counts the keys."""
        scan, budget = split.table.scan, split.table.budget
        estimate = _estimate(self.consistent)
        keys, after = keys_of(self.path, scan.table.name, int(split.next or 0))
        found: list[msgspec.Raw] = []
        left = keys
        while left:
            body = batch_get_body(scan.request, left)
            sender = self.senders[scan.table.connection]
            answer: BatchGetAnswer = await sender.request(
                "BatchGetItem", body, scan.table.name, read_batch_get, budget, estimate
            )
            items = answer.responses.get(scan.table.name, [])
            size = sum(map(len, items)) / (STRONG_BYTES if self.consistent else EVENTUAL_BYTES)
            budget.settle(estimate, answer.units if answer.units is not None else size)
            found += items
            unprocessed = answer.unprocessed_keys.get(scan.table.name)
            left = unprocessed.keys if unprocessed is not None else []
            if left:
                sender.throttled(scan.table.name, budget, f"{scan.table.name}: {len(left)} keys came back unread")
                await sender.sleep(sender.policy.base)
                await budget.acquire(estimate)
        if not keys:
            budget.settle(estimate, 0.0)
        raw = msgspec.Raw(b"[" + b",".join(map(bytes, found)) + b"]")
        return Fetched(raw, len(found), len(keys), str(after).encode() if after is not None else b"")


def _estimate(consistent: bool) -> float:
    """Units of a page's items, as long as they are small."""
    return MOST_KEYS * (1.0 if consistent else 0.5)


def keys_of(path: Path, table: str, start: int) -> tuple[list[dict[str, Any]], int | None]:
    """The next keys of a table, without repetition, from a place in the file; and the place behind them, None at the
    end. Raises JobFailed for a file that has other lines than rejects."""
    keys: dict[str, dict[str, Any]] = {}
    # As RejectLines write it: the others need not be read.
    head = b'{"table":' + json.dumps(table).encode() + b","
    try:
        with path.open("rb") as file:
            file.seek(start)
            for line in file:
                start += len(line)
                if line.startswith(head):
                    key = _key(path, line)
                    keys.setdefault(json.dumps(key, sort_keys=True), key)
                    if len(keys) == MOST_KEYS:
                        return list(keys.values()), start
    except OSError as error:
        raise JobFailed(f"the file of rejects cannot be read: {error.strerror} ({path})") from error
    return list(keys.values()), None


def _key(path: Path, line: bytes) -> dict[str, Any]:
    try:
        key = json.loads(line)["key"]
    except (ValueError, KeyError, TypeError):
        key = None
    if not isinstance(key, dict) or not key:
        raise JobFailed(f"{path} has a line that is no reject of ddbetl: {line[:80].decode('utf-8', 'replace')}…")
    return key


def tables_of(path: Path) -> dict[str, int]:
    """The tables that a file of rejects names, and how many rows of each; raises JobFailed for another file."""
    found: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.strip():
                    continue
                try:
                    table = json.loads(line)["table"]
                except (ValueError, KeyError, TypeError):
                    table = None
                if not isinstance(table, str):
                    said = line[:80].decode("utf-8", "replace").strip()
                    raise JobFailed(f"{path} has a line that is no reject of ddbetl: {said}…")
                _key(path, line)
                found[table] = found.get(table, 0) + 1
    except OSError as error:
        raise JobFailed(f"the file of rejects cannot be read: {error.strerror} ({path})") from error
    return found
