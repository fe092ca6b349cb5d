"""A page's rows as requests in which no key stands twice.

In: the entries that the statement has made of a page, and its rows that came by reference. Out: batches. Invariants:
every row is in exactly one batch; the server takes every batch but those of rows that need a request of their own; of a
page's rows with one key, each is sent when the one before is written, so that the last one stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ddbetl.connectors.dynamodb import requests
from ddbetl.connectors.dynamodb.requests import BatchWriteAnswer
from ddbetl.engine.claims import key_text
from ddbetl.engine.columns import integers
from ddbetl.engine.rows import Row, canonical
from ddbetl.engine.transform import Entries
from ddbetl.errors import RowError
from ddbetl.expressions.projection import BATCH
from ddbetl.expressions.writing import Form
from ddbetl.types import TAG_OF

# Bytes of one request, short of DynamoDB's 16 MB. Source: BatchWriteItem API reference.
LARGEST_REQUEST = 12 * 2**20

Key = tuple[str, ...]

_attribute = msgspec.json.Decoder(dict[str, Any])
_content = msgspec.json.Decoder(dict[str, str])


@dataclass(slots=True)
class Batch:
    """A request of many rows. ``positions``: its rows' places in the page, in the body's order. ``units``: what it
    will probably use. ``then``: what may be sent when this one is written. ``alone``: it is no request but one row
    that no entry can say, as a put; it needs a request of its own."""

    content: bytes | memoryview
    positions: tuple[int, ...]
    units: float
    then: Batch | None = None
    alone: bool = False

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
class _Entry:
    position: int
    content: bytes
    key: Key
    units: float
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Batching:
    """How rows become requests of a form."""

    form: Form

    @property
    def table(self) -> str:
        return self.form.table

    def batches(self, made: Entries | None, rows: Sequence[tuple[int, Row]], repeats: bool) -> list[Batch]:
        """The batches of a page's entries and further rows, by position. ``repeats``: whether a key may stand twice
        among all of them."""
        entries = [self._entry(position, row) for position, row in rows]
        if not repeats:
            return self._whole(made) + self._filled(entries)
        texts = self._key_texts(made) if made is not None else []
        others = [key_text(entry.key) for entry in entries]
        seen = Counter([*texts, *others])
        twice = {text for text, count in seen.items() if count > 1}
        apart: list[_Entry] = []
        if made is not None and not twice.isdisjoint(texts):
            mask = pa.array([text in twice for text in texts], pa.bool_())
            apart = self._separate(made.where(mask))
            made = made.where(pc.invert(mask))
        apart += (entry for entry, text in zip(entries, others, strict=True) if text in twice)
        single = [entry for entry, text in zip(entries, others, strict=True) if text not in twice]
        out = self._whole(made) + self._filled(single)
        if apart:
            out.append(self._in_order(sorted(apart, key=lambda entry: entry.position)))
        return out

    def singles(self, batch: Batch, content: bytes | memoryview) -> list[Batch]:
        """A batch of each row that is still in ``content``, which the server may have written anew."""
        places = dict(zip(self.keys(batch.content), batch.positions, strict=True))
        share = batch.units / len(batch.positions)
        return [
            Batch(self.body([entry]), (places[key],), share, alone=batch.alone)
            for entry, key in zip(self.entries(content), self.keys(content), strict=True)
        ]

    def checked(self, content: bytes | memoryview, answer: BatchWriteAnswer) -> BatchWriteAnswer:
        """The answer to a BatchWriteItem, with the entries that come back as they were sent.

        Raises ValueError where they are not some of the request's, each once.
        """
        back = answer.unprocessed_items
        if not back:
            return answer
        if list(back) != [self.table]:
            raise ValueError(f"UnprocessedItems names another table than {self.table}")
        sent = dict(zip(self.keys(content), self.entries(content), strict=True))
        try:
            returned = [requests.attributes_of(entry, self.form.entry) for entry in back[self.table]]
            left = [sent.pop(self._key(attributes)) for attributes in returned]
        except (LookupError, RowError) as error:
            raise ValueError("UnprocessedItems holds an item that was not sent, or one twice") from error
        return BatchWriteAnswer({self.table: left}, answer.consumed_capacity)

    def keys(self, content: bytes | memoryview) -> list[Key]:
        """The target's key of each row of a request, equal for equal keys."""
        return [self._key(requests.attributes_of(entry)) for entry in self.entries(content)]

    def entries(self, content: bytes | memoryview) -> list[msgspec.Raw]:
        """The raw entries of a request."""
        return requests.entries_of(content)

    def body(self, entries: Iterable[bytes | msgspec.Raw]) -> bytes:
        """A request of raw entries."""
        return requests.batch_body(self.form, entries)

    def item(self, entry: bytes | msgspec.Raw) -> dict[str, dict[str, Any]]:
        """What an entry holds, in DynamoDB JSON: the item, the attributes of an update with the key, or the key to
        delete."""
        return {name: _attribute.decode(raw) for name, raw in requests.attributes_of(entry).items()}

    def key_of(self, item: Mapping[str, Mapping[str, str]]) -> Key:
        """The key of an item in DynamoDB JSON, equal for equal keys."""
        return tuple(canonical(one.type, item[one.name][TAG_OF[one.type]]) for one in self.form.key)

    def _key(self, attributes: Mapping[str, msgspec.Raw]) -> Key:
        return self.key_of({name: _content.decode(attributes[name]) for name in self.form.keys})

    def _entry(self, position: int, row: Row) -> _Entry:
        content, units = requests.entry(self.form, row.item), write_units(row.size)
        if content is None:
            return _Entry(position, requests.put_entry(row.item), row.key, units, alone=True)
        return _Entry(position, content, row.key, units)

    def _whole(self, made: Entries | None) -> list[Batch]:
        """Batches of entries of which no two have one key."""
        if made is None or not len(made):
            return []
        # A column of texts is one piece of memory, so entries that follow each other are a list in JSON already, but
        # for the comma behind the last one.
        _, offsets_buffer, content_buffer = made.texts.buffers()
        offsets = memoryview(offsets_buffer).cast("i")[made.texts.offset :][: len(made) + 1].tolist()
        content = memoryview(content_buffer)
        positions, units = integers(made.positions).tolist(), self._units(made)
        head, tail = self.form.head.encode(), self.form.tail.encode()
        out = []
        for start in range(0, len(made), BATCH):
            end = min(start + BATCH, len(made))
            body = b"".join((head, content[offsets[start] : offsets[end] - 1], tail))
            out.append(Batch(body, tuple(positions[start:end]), float(sum(units[start:end]))))
        return out

    def _units(self, made: Entries) -> list[int]:
        """The write units of entries, by the length of their JSON: rather too many than too few."""
        form = self.form
        frame = len((form.opening + form.middle + form.closing + ",").encode())
        units = pc.divide(pc.add(pc.binary_length(made.texts), 1023 - frame), 1024)
        return integers(pc.max_element_wise(units, 1).cast(pa.int64())).tolist()

    def _key_texts(self, made: Entries) -> list[str]:
        """The target's key of each entry, equal for equal keys."""
        if made.targets is not None:
            return made.targets.to_pylist()  # type: ignore[no-any-return]
        return [key_text(self._key(requests.attributes_of(text[:-1].encode()))) for text in made.texts.to_pylist()]

    def _separate(self, made: Entries) -> list[_Entry]:
        """Entries one by one."""
        contents = [text[:-1].encode() for text in made.texts.to_pylist()]
        keys = [self._key(requests.attributes_of(content)) for content in contents]
        columns = (made.positions.to_pylist(), contents, keys, self._units(made))
        return [_Entry(place, content, key, float(units)) for place, content, key, units in zip(*columns, strict=True)]

    def _filled(self, entries: Sequence[_Entry]) -> list[Batch]:
        """Batches as large as they may be, of rows with different keys."""
        out = [self._batch([entry]) for entry in entries if entry.alone]
        some: list[_Entry] = []
        size = 0
        for entry in entries:
            if entry.alone:
                continue
            if some and (len(some) == BATCH or size + len(entry.content) > LARGEST_REQUEST):
                out.append(self._batch(some))
                some, size = [], 0
            some.append(entry)
            size += len(entry.content)
        if some:
            out.append(self._batch(some))
        return out

    def _in_order(self, entries: Sequence[_Entry]) -> Batch:
        """Batches one after the other: first the first row of each key, then the second one, and so on."""
        layers: list[list[_Entry]] = []
        seen: Counter[Key] = Counter()
        for entry in entries:
            if seen[entry.key] == len(layers):
                layers.append([])
            layers[seen[entry.key]].append(entry)
            seen[entry.key] += 1
        return _chained([batch for layer in layers for batch in self._filled(layer)])

    def _batch(self, entries: Sequence[_Entry]) -> Batch:
        units = sum(entry.units for entry in entries)
        content = self.body([entry.content for entry in entries])
        return Batch(content, tuple(entry.position for entry in entries), units, alone=entries[0].alone)


def _chained(batches: Sequence[Batch]) -> Batch:
    """The first of some batches, each followed by the next."""
    for batch, following in pairwise(batches):
        batch.then = following
    return batches[0]


def write_units(size: int) -> float:
    """Write units of an item of a size in bytes. Source: DynamoDB Developer Guide, "Write capacity units"."""
    return float(max(1, -(-size // 1024)))
