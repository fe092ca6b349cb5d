"""Collisions: rows of one job whose target key another source row of the job had before.

In: page by page, for each row the hash of its target key, the key itself and its source key. Out: the rows that come
too late, each with the source row that was first; whoever asks first is first. Invariants: a key counts as met before
only where its bytes are the same, and every such key is found, whatever the hashes; memory does not grow with the rows;
an answer is in the file of the job before anybody can act on it, so a process that is killed goes on with the same
answers.

A hash table, of which the memory holds a word of 64 bits for each slot: above, the number of the last row in the slot;
below, a Bloom filter of 32 bits over the hashes of all rows in it. What the filter has not is new; this is tested for a
whole page at once. For the others, the rows of the slot are followed on the disk, where each has the number of the one
before it. A row never moves, and its files only grow::

    collisions.rows     blocks: header, hashes, links (number of the row before in the slot, lower half of the hash)
    collisions.texts    blocks: offsets and bytes of the target keys, offsets and bytes of the source keys
"""

from __future__ import annotations

import os
import random
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import accumulate, combinations, repeat
from mmap import mmap
from operator import setitem
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from ddbetl.engine.columns import integers, memory
from ddbetl.engine.folder import make_private, sync_folder
from ddbetl.engine.state import broken, usable
from ddbetl.errors import JobFailed

ROWS = "collisions.rows"
TEXTS = "collisions.texts"
# Bytes of the table, for a job that begins, at most; and where nobody knows how many rows will come.
MEMORY = 64 * 2**20
UNKNOWN_MEMORY = 8 * 2**20
# A row's number has 32 bits, and 0 is no row.
MOST_ROWS = 2**32 - 1

# The sum of no bytes, or of zeros: what a loss of power has left blank must not look like a block.
NOT_NOTHING = 0x9E3779B97F4A7C15

U64 = pa.uint64()
UPPER, LOWER = pa.scalar(2**64 - 2**32, U64), pa.scalar(2**32 - 1, U64)
HALF = 2**32 - 1

# Three of the 32 bits of a filter; which, say the lowest bits of the hash. Its highest ones name the slot.
_BITS = random.Random(1).sample(list(combinations(range(32), 3)), 4096)
MASKS = pa.array([sum(1 << bit for bit in bits) for bits in _BITS], U64)
EMPTY = pa.py_buffer(b"")
MASK_BITS = pa.scalar(len(MASKS) - 1, U64)

# The file of rows begins with this, and how many bits of a hash name a slot.
START = Struct("<6sH")
MARK = b"ddbetl"
# Of a block: rows, number of the source table, bytes of the target keys and of the source keys; where its texts are;
# sums over its rows and over its texts.
HEADER = Struct("<IIIIQQQ")
WORD = Struct("<Q")
OFFSETS = Struct("<ii")


@dataclass(frozen=True, slots=True)
class Claims:
    """The target keys that rows of one source table ask for, in the order of the rows.

    ``hashes``: uint64, equal for equal keys. ``keys``, ``sources``: utf8 or binary, the target's and the source's key
    in a form in which equal keys are equal bytes. No column has a null.
    """

    hashes: pa.Array
    keys: pa.Array
    table: int
    sources: pa.Array

    def __post_init__(self) -> None:
        assert self.hashes.type == U64 and len(self.hashes) == len(self.keys) == len(self.sources)
        assert {self.keys.type, self.sources.type} <= {pa.utf8(), pa.binary()}
        assert not any(column.null_count for column in (self.hashes, self.keys, self.sources))

    def take(self, rows: pa.Array) -> Claims:
        return Claims(self.hashes.take(rows), self.keys.take(rows), self.table, self.sources.take(rows))


class Collision(NamedTuple):
    """A row of a page comes too late: the row of ``table`` whose key is ``source`` had its target key first."""

    row: int
    table: int
    source: bytes


class KeysSeen:
    """The target keys that rows of a job have asked for. Threads may share it; one of them at a time gets an answer."""

    def __init__(self, folder: Path, bits: int, rows: int, texts: int, kept: ExitStack) -> None:
        self._folder = folder
        self._shift = pa.scalar(64 - bits, U64)
        # Unlike the interpreter's own memory, it takes up no more than what was written to.
        content = mmap(-1, 8 << bits)
        self._slots: Any = memoryview(content).cast("Q")
        # The same memory: what is put into the slots is seen here.
        self._words = pa.Array.from_buffers(U64, 1 << bits, [None, pa.py_buffer(content)])
        self._rows, self._texts = rows, texts
        self._length, self._texts_length = START.size, 0
        # How much of the rows is surely on the disk, with its texts.
        self._synced = 0
        self._count = 0
        # Of each block: the number of its first row, where its rows and its texts are, how many bytes its target keys
        # have, and its table.
        self._firsts, self._places, self._texts_places = array("Q"), array("Q"), array("Q")
        self._key_bytes, self._tables = array("I"), array("I")
        self._steps = pa.array([], U64)
        self._kept = kept
        self._ended = False
        # Why no answer can be given any more.
        self._failure: JobFailed | None = None
        self._turn = Lock()

    @classmethod
    def open(cls, folder: Path, length: int = 0, memory: int = MEMORY) -> KeysSeen:
        """Take up the keys of a job; ``length``: what the last ``sync`` gave, 0 where there was none.

        What was asked for since then counts as far as it is on the disk as a whole; the rest is cut off. Files that
        are shorter than they were, or damaged, are JobFailed. ``memory``: bytes of the table of a job that begins.
        """
        with ExitStack() as kept, usable(folder):
            make_private(folder)
            rows, texts = _file(folder / ROWS, kept), _file(folder / TEXTS, kept)
            sync_folder(folder)
            start = os.pread(rows, START.size, 0)
            if not _is_start(start):
                if length:
                    raise broken(folder, "it does not begin as it should", ROWS)
                os.ftruncate(rows, 0)
                start = START.pack(MARK, max(1, min(32, (memory // 8).bit_length() - 1)))
                _append(rows, [start], 0)
            seen = cls(folder, START.unpack(start)[1], rows, texts, kept)
            seen._take_up(length)
            seen._kept = kept.pop_all()
            return seen

    def claim(self, claims: Claims) -> list[Collision]:
        """Let rows have their target keys; those that come too late, by row.

        A row that asks again, known by its table and source key, has its key still.
        """
        with self._turn, self._usable():
            self._begin()
            slots, masks, words = self._look_up(claims.hashes)
            maybe = pc.equal(pc.bit_wise_and(words, masks), masks)
            known = self._known(claims, words, pc.indices_nonzero(maybe)) if pc.any(maybe).as_py() else {}
            late = [
                Collision(row, table, source)
                for row, (table, source) in known.items()
                if (table, source) != (claims.table, _bytes(claims.sources[row]))
            ]
            rows: Sequence[int] = range(len(claims.hashes))
            if known:
                rows = [row for row in rows if row not in known]
                claims = claims.take(pa.array(rows, pa.int64()))
                slots, masks, words = self._look_up(claims.hashes)
            if rows:
                links, together = self._enter(claims.hashes, slots, masks, words)
                self._keep(claims, links)
                late += [Collision(rows[row], claims.table, source) for row, source in _repeats(claims, together)]
            self._ended = False
            return sorted(late)

    def sync(self) -> int:
        """Bring to the disk what has been answered; the length with which to open it again."""
        with self._turn:
            self._begin()
            length, self._ended = self._length, False
            if length == self._synced:
                return length
        with self._usable():
            os.fsync(self._texts)
            os.fsync(self._rows)
        self._synced = length
        return length

    def close(self) -> None:
        with self._turn:
            self._ended = True
            self._kept.close()

    def _begin(self) -> None:
        """Allow no answer after a failure: the table may know rows that the files do not."""
        if self._failure is not None:
            raise JobFailed(str(self._failure), advised=self._failure.advised) from self._failure.__cause__
        if self._ended:
            raise JobFailed(f"the target keys of job {self._folder.name} are closed")
        self._ended = True

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Keep why the files cannot be used: whoever asks next is told that."""
        try:
            with usable(self._folder):
                yield
        except JobFailed as error:
            self._ended, self._failure = True, self._failure or error
            raise

    def _look_up(self, hashes: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
        """Of each hash: its slot, its bits in the filter there, the word there."""
        slots = pc.shift_right(hashes, self._shift)
        return slots, MASKS.take(pc.bit_wise_and(hashes, MASK_BITS)), self._words.take(slots)

    def _known(self, claims: Claims, words: pa.Array, maybe: pa.Array) -> dict[int, tuple[int, bytes]]:
        """Those of some rows whose key was asked for before: the table and the source key of the first who did."""
        found = {}
        hashes, heads = claims.hashes.take(maybe).to_pylist(), words.take(maybe).to_pylist()
        for row, key_hash, word in zip(maybe.to_pylist(), hashes, heads, strict=True):
            owner = None
            number, half = word >> 32, key_hash & HALF
            while number:
                block = bisect_right(self._firsts, number) - 1
                at = number - self._firsts[block]
                link = self._link(block, at)
                # The first has the key, and it comes last: rows of one page that repeat each other are all kept.
                if link & HALF == half and self._text(block, at, 0) == _bytes(claims.keys[row]):
                    owner = block, at
                number = link >> 32
            if owner is not None:
                found[row] = (self._tables[owner[0]], self._text(*owner, 1))
        return found

    def _enter(
        self, hashes: pa.Array, slots: pa.Array, masks: pa.Array, words: pa.Array
    ) -> tuple[pa.Array, Sequence[int]]:
        """Make each row the last one of its slot: the links to keep, and the rows that share a slot with another."""
        first = self._number(len(hashes))
        numbers = pc.add(self._steps[: len(hashes)], pa.scalar(first << 32, U64))
        heads = pc.bit_wise_or(pc.bit_wise_or(pc.bit_wise_and(words, LOWER), masks), numbers)
        links = pc.bit_wise_or(pc.bit_wise_and(words, UPPER), pc.bit_wise_and(hashes, LOWER))
        # Arrow cannot write into an array. This loop runs in C.
        deque(map(setitem, repeat(self._slots), integers(slots), integers(heads)), maxlen=0)
        lost = pc.not_equal(self._words.take(slots), heads)
        if not pc.any(lost).as_py():
            return links, ()
        return self._chain(first, slots, masks, words, links, slots.filter(lost))

    def _chain(
        self, first: int, slots: pa.Array, masks: pa.Array, words: pa.Array, links: pa.Array, shared: pa.Array
    ) -> tuple[pa.Array, Sequence[int]]:
        """Enter once more, one after the other, the rows of slots in which a row has taken another's place."""
        rows = pc.indices_nonzero(pc.is_in(slots, value_set=shared))
        together: list[int] = rows.to_pylist()
        columns = (column.take(rows).to_pylist() for column in (slots, masks, words))
        content = bytearray(memory(links))
        fixed = memoryview(content).cast("Q")
        heads: dict[int, int] = {}
        for row, slot, mask, word in zip(together, *columns, strict=True):
            before = heads.get(slot, word)
            fixed[row] = before & ~HALF | fixed[row] & HALF
            heads[slot] = (first + row) << 32 | before & HALF | mask
        for slot, head in heads.items():
            self._slots[slot] = head
        return pa.Array.from_buffers(U64, len(links), [None, pa.py_buffer(content)]), together

    def _number(self, rows: int) -> int:
        """Give numbers to so many rows: the first of them."""
        if self._count + rows > MOST_ROWS:
            raise JobFailed(f"collisions are found among {MOST_ROWS:,} rows at most\nSplit the job, by WHERE or LIMIT.")
        if rows > len(self._steps):
            self._steps = pa.array([step << 32 for step in range(rows)], U64)
        first = self._count + 1
        self._count += rows
        return first

    def _keep(self, claims: Claims, links: pa.Array) -> None:
        """Append the rows that have just been entered to the files."""
        keys, sources = _parts(claims.keys), _parts(claims.sources)
        place = self._texts_length
        sizes = claims.table, len(keys[1]), len(sources[1]), place
        rows, texts = [memory(claims.hashes), memory(links)], [*keys, *sources]
        header = HEADER.pack(len(links), *sizes, _sum(rows, *sizes), _sum(texts))
        # Rows refer to texts, so these come first.
        self._texts_length = _append(self._texts, texts, place)
        length = _append(self._rows, [header, *rows], self._length)
        self._remember(self._count - len(links) + 1, claims.table, len(keys[1]), place)
        self._length = length

    def _remember(self, first: int, table: int, key_bytes: int, texts_place: int) -> None:
        """Remember where the next block is."""
        self._firsts.append(first)
        self._places.append(self._length + HEADER.size)
        self._texts_places.append(texts_place)
        self._key_bytes.append(key_bytes)
        self._tables.append(table)

    def _take_up(self, length: int) -> None:
        """Enter the rows of the files; ``length`` bytes are surely there."""
        size, texts_size = os.fstat(self._rows).st_size, os.fstat(self._texts).st_size
        while self._length < size:
            header = os.pread(self._rows, HEADER.size, self._length)
            if len(header) < HEADER.size:
                break
            count, table, keys, sources, place, *sums = HEADER.unpack(header)
            end = self._length + HEADER.size + 16 * count
            texts_end = place + 8 * (count + 1) + keys + sources
            if not count or end > size or texts_end > texts_size:
                break
            rows = pa.py_buffer(self._at(self._rows, 16 * count, self._length + HEADER.size))
            if _sum([rows], table, keys, sources, place) != sums[0]:
                break
            # After a loss of power, texts can be as long as they should be and something else.
            lengths = (4 * (count + 1), keys, 4 * (count + 1), sources)
            if _sum(self._texts_at(place, lengths)) != sums[1]:
                break
            hashes = pa.Array.from_buffers(U64, count, [None, rows.slice(0, 8 * count)])
            self._remember(self._count + 1, table, keys, place)
            self._enter(hashes, *self._look_up(hashes))
            self._length, self._texts_length = end, texts_end
        if self._length < length:
            raise broken(self._folder, f"it is damaged behind {self._length:,} of {length:,} bytes", ROWS)
        os.ftruncate(self._rows, self._length)
        os.ftruncate(self._texts, self._texts_length)

    def _texts_at(self, place: int, lengths: Sequence[int]) -> list[pa.Buffer]:
        starts = accumulate(lengths, initial=place)
        return [pa.py_buffer(self._at(self._texts, length, at)) for length, at in zip(lengths, starts, strict=False)]

    def _link(self, block: int, at: int) -> int:
        """What is kept of a row: the number of the row before it in its slot, and the lower half of its hash."""
        place = self._places[block] + 8 * (self._rows_of(block) + at)
        return int(WORD.unpack(self._at(self._rows, WORD.size, place))[0])

    def _text(self, block: int, at: int, which: int) -> bytes:
        """The target key of a row, or with ``which`` its source key."""
        offsets = 4 * (self._rows_of(block) + 1)
        place = self._texts_places[block] + which * (offsets + self._key_bytes[block])
        start, end = OFFSETS.unpack(self._at(self._texts, OFFSETS.size, place + 4 * at))
        return self._at(self._texts, end - start, place + offsets + start)

    def _rows_of(self, block: int) -> int:
        following = self._firsts[block + 1] if block + 1 < len(self._firsts) else self._count + 1
        return following - self._firsts[block]

    def _at(self, file: int, size: int, place: int) -> bytes:
        content = os.pread(file, size, place)
        if len(content) < size:
            raise broken(self._folder, f"it ends before {place + size:,}", ROWS if file == self._rows else TEXTS)
        return content


def _repeats(claims: Claims, rows: Sequence[int]) -> list[tuple[int, bytes]]:
    """Those of some rows of a page that repeat the key of one before them, with the source key of the first."""
    firsts: dict[bytes, bytes] = {}
    found = []
    for row in rows:
        source = _bytes(claims.sources[row])
        first = firsts.setdefault(_bytes(claims.keys[row]), source)
        if first != source:
            found.append((row, first))
    return found


def _bytes(value: pa.Scalar) -> bytes:
    return value.as_buffer().to_pybytes()  # type: ignore[no-any-return]


def _parts(column: pa.Array) -> tuple[pa.Buffer, pa.Buffer]:
    """The offsets of a column of texts, from 0, and its bytes."""
    _, buffer, content = column.buffers()
    offsets = pa.Array.from_buffers(pa.int32(), len(column) + 1, [None, buffer], offset=column.offset)
    start, end = offsets[0].as_py(), offsets[-1].as_py()
    if column.offset or start:
        offsets = pc.subtract(offsets, offsets[0])
    return offsets.buffers()[1].slice(0, 4 * len(offsets)), content.slice(start, end - start) if end else EMPTY


def _sum(parts: Sequence[pa.Buffer], *numbers: int) -> int:
    """A sum that differs, most probably, where a part is not what it was."""
    total = NOT_NOTHING + sum(numbers)
    for part in parts:
        words = part.size // 8
        total += pc.sum(pa.Array.from_buffers(U64, words, [None, part])).as_py() or 0
        total += int.from_bytes(part[8 * words :], "little")
    return total % 2**64


def memory_for(rows: int) -> int:
    """Bytes of the table of a job with so many rows at most, 0 where nobody knows: about a slot for each.

    A smaller one would only make answers slower; of a larger one, first touching it would cost more than all answers.
    """
    return min(MEMORY, 8 * max(rows, 2**16)) if rows else UNKNOWN_MEMORY


def _is_start(content: bytes) -> bool:
    return len(content) == START.size and content.startswith(MARK) and 1 <= START.unpack(content)[1] <= 32


def _file(path: Path, kept: ExitStack) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    kept.callback(os.close, file)
    return file


def _append(file: int, parts: Sequence[Any], end: int) -> int:
    """Put parts behind ``end``; the new end."""
    size = sum(len(part) for part in parts)
    written = os.pwritev(file, parts, end)
    if written < size:
        # A disk that is nearly full takes a part.
        left = memoryview(b"".join(parts))[written:]
        while left:
            written = os.pwrite(file, left, end + size - len(left))
            left = left[written:]
    return end + size
