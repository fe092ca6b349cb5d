"""A page's rows as requests in which no key stands twice.

In: the finished bodies of a page, and its rows that came by reference. Out: batches. Invariants: every row is in
exactly one batch; BatchWriteItem takes every batch; of a page's rows with one key, each is sent when the one before is
written, so that the last one stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ddbetl.connectors.dynamodb.requests import (
    BatchWriteAnswer,
    batch_write_body,
    entries_of,
    key_contents,
    put_entry,
)
from ddbetl.engine.rows import Row, canonical
from ddbetl.engine.transform import Body
from ddbetl.errors import RowError
from ddbetl.expressions.projection import BATCH, KeyAttribute
from ddbetl.types import TAG_OF

# Bytes of one request, short of DynamoDB's 16 MB. Source: BatchWriteItem API reference.
LARGEST_REQUEST = 12 * 2**20

Key = tuple[str, ...]


@dataclass(slots=True)
class Batch:
    """A BatchWriteItem request. ``positions``: its rows' places in the page, in the body's order. ``units``: what it
    will probably use. ``then``: what may be sent when this one is written."""

    content: bytes | memoryview
    positions: tuple[int, ...]
    units: float
    then: Batch | None = None

    def chain(self) -> Iterator[Batch]:
        """The batch and what follows it."""
        batch: Batch | None = self
        while batch is not None:
            yield batch
            batch = batch.then

    @property
    def rows(self) -> int:
        return sum(len(batch.positions) for batch in self.chain())

    @property
    def size(self) -> int:
        return sum(len(batch.content) for batch in self.chain())


@dataclass(frozen=True, slots=True)
class _Put:
    position: int
    entry: bytes
    key: Key
    units: float


@dataclass(frozen=True, slots=True)
class Batching:
    """How rows become requests to one table."""

    table: str
    key: tuple[KeyAttribute, ...]

    def batches(self, bodies: Sequence[Body], rows: Sequence[tuple[int, Row]], repeats: bool) -> list[Batch]:
        """The batches of a page's bodies and further rows, by position. ``repeats``: whether a key may stand twice in
        the bodies."""
        whole = [Batch(body.content, body.positions, body.units) for body in bodies]
        if not rows and not repeats:
            return whole
        puts = [_Put(position, put_entry(row.item), row.key, write_units(row.size)) for position, row in rows]
        keys = [self.keys(body.content) for body in bodies]
        seen = Counter(key for some in keys for key in some)
        seen.update(put.key for put in puts)
        twice = {key for key, count in seen.items() if count > 1}
        out: list[Batch] = []
        apart = [put for put in puts if put.key in twice]
        for batch, its in zip(whole, keys, strict=True):
            if twice.isdisjoint(its):
                out.append(batch)
                continue
            for put in self._puts(batch, its):
                (apart if put.key in twice else puts).append(put)
        out += self._filled([put for put in puts if put.key not in twice])
        if apart:
            out.append(self._in_order(sorted(apart, key=lambda put: put.position)))
        return out

    def cut(self, batch: Batch, rows: int) -> Batch:
        """The first rows of a batch and of what follows it; at least one."""
        kept: list[Batch] = []
        for one in batch.chain():
            here = min(rows, len(one.positions))
            if here == len(one.positions):
                kept.append(Batch(one.content, one.positions, one.units))
            elif here:
                content = batch_write_body(self.table, entries_of(one.content)[:here])
                kept.append(Batch(content, one.positions[:here], one.units * here / len(one.positions)))
            rows -= here
        return _chained(kept)

    def singles(self, batch: Batch, content: bytes | memoryview) -> list[Batch]:
        """A batch of each row that is still in ``content``, which the server may have written anew."""
        places = dict(zip(self.keys(batch.content), batch.positions, strict=True))
        share = batch.units / len(batch.positions)
        return [
            Batch(batch_write_body(self.table, [entry]), (places[key],), share)
            for entry, key in zip(entries_of(content), self.keys(content), strict=True)
        ]

    def checked(self, content: bytes | memoryview, answer: BatchWriteAnswer) -> BatchWriteAnswer:
        """The answer to a request, with the entries that come back as they were sent.

        Raises ValueError where they are not some of the request's, each once.
        """
        back = answer.unprocessed_items
        if not back:
            return answer
        if list(back) != [self.table]:
            raise ValueError(f"UnprocessedItems names another table than {self.table}")
        sent = dict(zip(self.keys(content), entries_of(content), strict=True))
        try:
            keys = self.keys(batch_write_body(self.table, back[self.table]))
            left = [sent.pop(key) for key in keys]
        except (LookupError, RowError) as error:
            raise ValueError("UnprocessedItems holds an item that was not sent, or one twice") from error
        return BatchWriteAnswer({self.table: left}, answer.consumed_capacity)

    def keys(self, content: bytes | memoryview) -> list[Key]:
        """The target's key of each row of a request, equal for equal keys."""
        names = [attribute.name for attribute in self.key]
        tags = [TAG_OF[attribute.type] for attribute in self.key]
        return [
            tuple(
                canonical(attribute.type, found[tag])
                for attribute, tag, found in zip(self.key, tags, contents, strict=True)
            )
            for contents in key_contents(content, names)
        ]

    def _puts(self, batch: Batch, keys: Sequence[Key]) -> list[_Put]:
        share = batch.units / len(batch.positions)
        entries = zip(batch.positions, entries_of(batch.content), keys, strict=True)
        return [_Put(position, bytes(entry), key, share) for position, entry, key in entries]

    def _filled(self, puts: Sequence[_Put]) -> list[Batch]:
        """Batches as large as they may be, of rows with different keys."""
        out: list[Batch] = []
        some: list[_Put] = []
        size = 0
        for put in puts:
            if some and (len(some) == BATCH or size + len(put.entry) > LARGEST_REQUEST):
                out.append(self._batch(some))
                some, size = [], 0
            some.append(put)
            size += len(put.entry)
        if some:
            out.append(self._batch(some))
        return out

    def _in_order(self, puts: Sequence[_Put]) -> Batch:
        """Batches one after the other: first the first row of each key, then the second one, and so on."""
        layers: list[list[_Put]] = []
        seen: Counter[Key] = Counter()
        for put in puts:
            if seen[put.key] == len(layers):
                layers.append([])
            layers[seen[put.key]].append(put)
            seen[put.key] += 1
        return _chained([batch for layer in layers for batch in self._filled(layer)])

    def _batch(self, puts: Sequence[_Put]) -> Batch:
        content = batch_write_body(self.table, [put.entry for put in puts])
        return Batch(content, tuple(put.position for put in puts), sum(put.units for put in puts))


def _chained(batches: Sequence[Batch]) -> Batch:
    """The first of some batches, each followed by the next."""
    for batch, following in pairwise(batches):
        batch.then = following
    return batches[0]


def write_units(size: int) -> float:
    """Write units of an item of a size in bytes. Source: DynamoDB Developer Guide, "Write capacity units"."""
    return float(max(1, -(-size // 1024)))
