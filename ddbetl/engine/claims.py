"""Claims: the target keys that the rows of a page ask for, in the form in which they are compared.

In: the key columns of a page's entries, and its rows by reference. Out: one ``Claims`` with the place of each row, in
the order of the page; and back from a kept key to its attributes. Invariant: a row asks for the same bytes with the
same hash whichever way it goes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ddbetl.engine.collisions import Claims
from ddbetl.engine.rows import canonical
from ddbetl.engine.transform import Entries
from ddbetl.errors import RowError
from ddbetl.expressions.projection import KeyAttribute, SourceKey
from ddbetl.types import TAG_OF

Item = Mapping[str, Any]


class KeyTexts(NamedTuple):
    """The keys of a row by reference, as lowering.statement.KEY_COLUMNS has them, and its place in the page."""

    position: int
    target: str
    source: str


def key_text(contents: Iterable[str | None]) -> str:
    """A key as a text in which equal keys are equal and others differ; None for an attribute that is missing."""
    return "".join("-" if content is None else f"{len(_utf8(content))}:{content}" for content in contents)


def source_contents(item: Item, sources: Sequence[SourceKey], table: str) -> Iterator[str | None]:
    """The contents of the key of a table's item; None for an attribute that is none of that table's key. Of a table
    that is none of the sources, whatever of theirs the item has."""
    known = any(table in attribute.tables for attribute in sources)
    for attribute in sources:
        yield from contents(item if table in attribute.tables or not known else {}, (attribute,))


def contents(item: Item, key: Sequence[KeyAttribute]) -> Iterator[str | None]:
    """The canonical contents of a key; None for an attribute that is missing or of another type."""
    for attribute in key:
        content = item.get(attribute.name, {}).get(TAG_OF[attribute.type])
        try:
            yield None if content is None else canonical(attribute.type, content)
        except RowError:
            # A number that is none: only some server's, and no other than itself.
            yield content


def attributes_of(text: bytes, key: Sequence[KeyAttribute]) -> dict[str, dict[str, str]]:
    """The attributes of a key from its text, in DynamoDB JSON."""
    found = {}
    at = 0
    for attribute in key:
        if text[at : at + 1] == b"-":
            at += 1
            continue
        colon = text.index(b":", at)
        start, at = colon + 1, colon + 1 + int(text[at:colon])
        found[attribute.name] = {TAG_OF[attribute.type]: text[start:at].decode("utf-8", "surrogatepass")}
    return found


def shown(key: Mapping[str, Mapping[str, str]]) -> str:
    """A key for a message: ``id = "a1", at = "7"``."""
    contents = ((name, next(iter(attribute.values()))) for name, attribute in key.items())
    return ", ".join(f"{name} = {json.dumps(content)}" for name, content in contents)


def claims_of(
    made: Entries | None, rows: Sequence[KeyTexts], table: int, hashes: Callable[[Sequence[str]], pa.Array]
) -> tuple[pa.Array, Claims]:
    """What a page's rows, of which there are some, ask for, and their positions in the page, which rise; ``hashes``: of
    target keys, as the statement makes them."""
    parts = []
    if made is not None:
        assert made.targets is not None and made.sources is not None
        # Half of a surrogate pair is no text, so what all sources have in common is that they are bytes.
        parts.append((made.positions, made.hashes, made.targets, made.sources.cast(pa.binary())))
    if rows:
        targets = [row.target for row in rows]
        sources = pa.array([_utf8(row.source) for row in rows], pa.binary())
        positions = pa.array([row.position for row in rows], pa.int32())
        parts.append((positions, hashes(targets), pa.array(targets, pa.utf8()), sources))
    columns = [pa.concat_arrays(some) for some in zip(*parts, strict=True)]
    if len(parts) > 1:
        order = pc.sort_indices(columns[0])
        columns = [column.take(order) for column in columns]
    places, hashed, asked, origins = columns
    return places, Claims(hashed, asked, table, origins)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
