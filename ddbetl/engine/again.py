"""Rejected rows once more: a file of rejects as a source.

In: the file, for each table the lines that name it. Out: pages of the items as they are now, read by their keys.
Invariants: an item is read as the plan's tables would give it, unfiltered by the server; an item that is not there any
more counts as filtered out; memory does not grow with the file.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.connection import Response
from ddbetl.connectors.dynamodb.requests import BatchGetAnswer, batch_get_body, read_batch_get
from ddbetl.engine.reading import Fetched
from ddbetl.engine.report import Met
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

    def give_back(self, split: Split) -> None:
        split.table.budget.settle(_estimate(self.consistent), 0.0)

    def met(self, target: str) -> Iterator[Met]:
        return met(self.path, target)

    async def fetch(self, split: Split) -> Fetched:
        """The items of the next keys of a split's table. ``scanned`` counts the keys."""
        scan, budget = split.table.scan, split.table.budget
        estimate = _estimate(self.consistent)
        keys, after = await asyncio.to_thread(keys_of, self.path, scan.table.name, int(split.next or 0))
        found: list[msgspec.Raw] = []
        left, refused = keys, 0
        while left:
            body = batch_get_body(scan.request, left)
            sender = self.senders[scan.table.connection]
            answer = await sender.request("BatchGetItem", body, scan.table.name, _read, budget, estimate)
            items = answer.responses.get(scan.table.name, [])
            size = sum(map(len, items)) / (STRONG_BYTES if self.consistent else EVENTUAL_BYTES)
            budget.settle(estimate, answer.units if answer.units is not None else size)
            found += items
            unprocessed = answer.unprocessed_keys.get(scan.table.name)
            left = unprocessed.keys if unprocessed is not None else []
            # An answer ends at 16 MB, too: only one without any item says that the table takes no more just now.
            if left:
                refused = refused + 1 if not items else 0
                if refused:
                    sender.meter.retries += 1
                    sender.throttled(scan.table.name, budget, f"{scan.table.name}: {len(left)} keys came back unread")
                    await sender.pause(refused)
                estimate = _estimate(self.consistent) * len(left) / MOST_KEYS
                await budget.acquire(estimate)
        if not keys:
            budget.settle(estimate, 0.0)
        raw = msgspec.Raw(b"[" + b",".join(map(bytes, found)) + b"]")
        return Fetched(raw, len(found), len(keys), str(after).encode() if after is not None else b"")


def keys_of(path: Path, table: str, start: int) -> tuple[list[dict[str, Any]], int | None]:
    """The next keys of a table from a place in the file, none of them twice, which BatchGetItem refuses; and the place
    behind them, None at the end."""
    keys: dict[str, dict[str, Any]] = {}
    for place, name, key in rejected(path, start):
        if name == table:
            keys.setdefault(json.dumps(key, sort_keys=True), key)
            if len(keys) == MOST_KEYS:
                return list(keys.values()), place
    return list(keys.values()), None


def _estimate(consistent: bool) -> float:
    """Units of a page's items, as long as they are small."""
    return MOST_KEYS * (1.0 if consistent else 0.5)


def tables_of(path: Path) -> dict[str, int]:
    """The tables that a file of rejects names, and how many rows of each; raises JobFailed for another file."""
    return dict(Counter(table for _, table, _ in rejected(path, 0)))


class _Line(msgspec.Struct):
    table: str
    key: dict[str, dict[str, Any]]
    met: Met | None = None


_LINE = msgspec.json.Decoder(_Line)


def rejected(path: Path, start: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The rejects of a file from a place on: the place behind each, its table, its key."""
    for place, line in _lines(path, start):
        yield place, line.table, line.key


def met(path: Path, target: str) -> Iterator[Met]:
    """The keys of a target table that rejected rows met: each belongs to a row that is not among them, but written or
    rejected for a reason of its own."""
    return (line.met for _, line in _lines(path, 0) if line.met is not None and line.met.target == target)


def _lines(path: Path, start: int) -> Iterator[tuple[int, _Line]]:
    """The rejects of a file from a place on, and the place behind each.

    Raises JobFailed for a file that has other lines than rejects. Half a line at the end, of a job that was killed, is
    none: its page is read again by that job.
    """
    try:
        with path.open("rb") as file:
            if start > file.seek(0, os.SEEK_END):
                raise JobFailed(f"{path} is shorter than it was when the job read it: put it back, or begin anew")
            file.seek(start)
            for line in file:
                start += len(line)
                if not line.strip():
                    continue
                try:
                    found = _line(line)
                except (ValueError, RecursionError):
                    if not line.endswith(b"\n") and line.startswith(b'{"table":'):
                        continue
                    said = line[:60].decode("utf-8", "replace").strip()
                    raise JobFailed(f"{path} has a line that is no reject of ddbetl: {said}…") from None
                yield start, found
    except OSError as error:
        raise JobFailed(f"the file of rejects cannot be read: {error.strerror} ({path})") from error


def _line(line: bytes) -> _Line:
    try:
        found = _LINE.decode(line)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        # Half of a surrogate pair, which msgspec does not take.
        found = msgspec.convert(json.loads(line), _Line)
    if not found.key:
        raise ValueError("it has no key")
    return found


def _read(response: Response) -> BatchGetAnswer:
    return read_batch_get(response.body)
