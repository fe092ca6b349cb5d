"""A page's way from raw items to batches: the statement, the rows by reference, collisions, the separation of equal
keys.

In: pages of raw items. Out: what came of each. Invariants: every item of a page is filtered, a failure, or in exactly
one batch, or left over by LIMIT; the keys of a page's rows are asked for, all at once, before any of them can be sent.
All of it runs beside the event loop, in one thread or in two: one of them makes rows, the other one checks them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.connectors.dynamodb.requests import page_items
from ddbetl.engine import claims
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.collisions import Collision, KeysSeen
from ddbetl.engine.report import MOST_PAIRS, CollisionPair, Met, SourceRow
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure, decode_item
from ddbetl.engine.transform import Entries, Made, PageInput, PageOutput, Transformer, told_apart
from ddbetl.errors import JobFailed
from ddbetl.expressions.writing import ENTRIES, Action, Form
from ddbetl.functions.model import RowContext
from ddbetl.plan.physical import TransformExec, WriteExec
from ddbetl.types import Timestamp

# Rows of another job whose keys are taken at once.
MOST_MET = 1_000

Failures = list[tuple[dict[str, dict[str, Any]], RowFailure]]


@dataclass(frozen=True, slots=True)
class PageResult:
    """``failures``: source items that cannot be written, and why. ``by_reference``: how many items took that way.
    ``collided``: rows whose target key another source row had before, of which ``collisions`` are the first. ``over``:
    rows that LIMIT leaves over."""

    batches: list[Batch]
    failures: Failures
    filtered: int
    by_reference: int
    collided: int = 0
    collisions: list[CollisionPair] = field(default_factory=list)
    over: int = 0

    @property
    def rows(self) -> int:
        """The rows that can be written."""
        return sum(batch.rows for batch in self.batches)


@dataclass(slots=True)
class _Rows:
    """The rows of a page that pass so far: those that the statement has made, and by reference with their positions.
    ``late``: those by position that come too late for their key."""

    made: Entries | None
    rows: list[tuple[int, Row]]
    failures: Failures = field(default_factory=list)
    late: dict[int, CollisionPair] = field(default_factory=dict)

    def positions(self) -> list[int]:
        """The places of the rows in the page, rising."""
        places: list[int] = self.made.positions.to_pylist() if self.made is not None else []
        return sorted([*places, *(place for place, _ in self.rows)])

    def leave_out(self, places: Iterable[int]) -> None:
        gone = frozenset(places)
        if gone:
            self.made = self.made.without(gone) if self.made is not None else None
            self.rows = [(place, row) for place, row in self.rows if place not in gone]


class PageWork:
    """What is done with the pages of one plan: ``make``, then ``check``, each in one thread at a time. Open and close
    it in the thread that makes rows, or its memory stays.

    ``seen``: the target keys of the job's rows, where the plan looks for collisions. ``tables``: the names of the
    source tables, by the numbers that pages and ``seen`` have of them. ``met``: rows of another job that have the keys
    they have, whatever is asked for.
    """

    def __init__(
        self,
        transform: TransformExec,
        write: WriteExec,
        seen: KeysSeen | None = None,
        tables: Sequence[str] = (),
        met: Iterable[Met] = (),
    ) -> None:
        self._statement = transform.statement
        self._rows = RowEvaluator(transform, write.key, write.newest, write.ttl_attribute)
        self._write = write
        self._batching = Batching(Form(ENTRIES[write.action], write.table.name, write.key))
        self._seen = seen if write.collisions is not None else None
        self._tables = [*tables]
        self._met = met
        # KEEP NEWEST decides between the rows of a job as it does between a row and an item.
        self._late_too = write.collisions == "allow" or write.action is Action.KEEP_NEWEST
        # Without a search it is proved that no two rows have one key; but two rows may delete one item.
        self._repeated = write.collisions is not None or write.action is Action.DELETE
        self._transformer: Transformer | None = None

    @property
    def divisible(self) -> bool:
        """Whether two threads may work at it: of Python functions nobody knows whether they may run side by side."""
        return not self._statement.python

    def open(self) -> None:
        """Prepare the statement, and let the rows of the other job have their keys: before the first page."""
        self._transformer = Transformer(self._statement)
        if self._seen is not None:
            self._keep_met(self._seen, self._transformer)

    def run(self, pages: Sequence[PageInput], left: int | None = None) -> list[PageResult]:
        """Make the rows of pages and check them."""
        return self.check(pages, self.make(pages), left)

    def make(self, pages: Sequence[PageInput]) -> list[Made]:
        """The rows of pages as the statement makes them."""
        assert self._transformer is not None
        return self._transformer.make(pages)

    def check(self, pages: Sequence[PageInput], made: Sequence[Made], left: int | None = None) -> list[PageResult]:
        """What comes of each page; ``left``: so many rows of them may be written, None for all. A page behind the last
        of these is as if it were empty. Raises MalformedResponse for one that is no page."""
        results = []
        for page, output in zip(pages, told_apart(made), strict=True):
            if left == 0:
                results.append(PageResult([], [], 0, 0))
                continue
            results.append(self._checked(page, output, left))
            if left is not None:
                left -= results[-1].rows
        return results

    def close(self) -> None:
        if self._transformer is not None:
            self._transformer.close()
            self._transformer = None

    def _checked(self, page: PageInput, output: PageOutput, left: int | None) -> PageResult:
        try:
            return self._page(page, output, left)
        except MalformedResponse as error:
            error.operation, error.table = page.operation, page.source_table
            raise

    def _page(self, page: PageInput, output: PageOutput, left: int | None) -> PageResult:
        filtered = page.count - output.passed - len(output.by_reference)
        found = _Rows(output.entries, [])
        if output.by_reference:
            items = page_items(page.items, page.count)
            context = RowContext(page.source_table, Timestamp(page.now_millis))
            for position in output.by_reference:
                match self._rows.row(items[position], context):
                    case Filtered():
                        filtered += 1
                    case RowFailure() as failure:
                        found.failures.append((decode_item(items[position]), failure))
                    case Row() as row:
                        found.rows.append((position, row))
        if self._seen is not None and (output.entries is not None or found.rows):
            found.late = self._late(self._seen, page, output, found)
        over = self._cut(found, left) if left is not None else 0
        pairs = [*found.late.values()]
        if pairs and not self._late_too:
            self._reject_late(page, found)
        repeats = output.repeats or (self._repeated and bool(found.rows))
        batches = self._batching.batches(found.made, found.rows, repeats)
        by_reference = len(output.by_reference)
        return PageResult(batches, found.failures, filtered, by_reference, len(pairs), pairs[:MOST_PAIRS], over)

    def _late(self, seen: KeysSeen, page: PageInput, output: PageOutput, found: _Rows) -> dict[int, CollisionPair]:
        """Ask for the target keys of a page's rows; those that come too late, by position."""
        assert self._transformer is not None
        items = page_items(page.items, page.count) if found.rows else []
        by_reference = [self._key_texts(page, position, row, items[position]) for position, row in found.rows]
        positions, asked = claims.claims_of(output.entries, by_reference, page.table, self._transformer.hashes)
        late = seen.claim(asked)
        keys, sources = asked.keys.cast(pa.binary()), asked.sources.cast(pa.binary())
        return {positions[one.row].as_py(): self._pair(page, one, keys, sources) for one in late}

    def _cut(self, found: _Rows, left: int) -> int:
        """Leave out what LIMIT leaves over, rows that come too late too; how many they are."""
        places = found.positions()
        good = places if self._late_too else [place for place in places if place not in found.late]
        if len(good) < left:
            return 0
        over = [place for place in places if place > good[left - 1]]
        found.leave_out(over)
        for place in over:
            found.late.pop(place, None)
        return len(over)

    def _reject_late(self, page: PageInput, found: _Rows) -> None:
        """Let rows that come too late go no further."""
        if self._write.collisions == "fail":
            raise JobFailed(_two_rows(next(iter(found.late.values()))), advised=True)
        items = page_items(page.items, page.count)
        for place, pair in found.late.items():
            message = f"another source row has this key already: {_said(pair.first)}"
            found.failures.append((decode_item(items[place]), RowFailure("R0304", message, None, pair)))
        found.leave_out(found.late)

    def _keep_met(self, seen: KeysSeen, transformer: Transformer) -> None:
        """Give the rows of another job the keys that they have there."""
        met = iter(self._met)
        while some := [*islice(met, MOST_MET)]:
            by_table: dict[int, list[claims.KeyTexts]] = {}
            for one in some:
                if one.first.table not in self._tables:
                    self._tables.append(one.first.table)
                key = [*claims.contents(one.key, self._write.key)]
                if None not in key:
                    # The other job may have read a table that this one does not.
                    source = claims.source_contents(one.first.key, self._statement.sources or (), one.first.table)
                    texts = claims.KeyTexts(0, claims.key_text(key), claims.key_text(source))
                    by_table.setdefault(self._tables.index(one.first.table), []).append(texts)
            for table, rows in by_table.items():
                _, asked = claims.claims_of(None, rows, table, transformer.hashes)
                seen.claim(asked)

    def _key_texts(self, page: PageInput, position: int, row: Row, raw: msgspec.Raw) -> claims.KeyTexts:
        source = claims.source_contents(decode_item(raw), self._statement.sources or (), page.source_table)
        return claims.KeyTexts(position, claims.key_text(row.key), claims.key_text(source))

    def _pair(self, page: PageInput, late: Collision, keys: pa.Array, sources: pa.Array) -> CollisionPair:
        key = self._statement.sources or ()
        first = SourceRow(self._tables[late.table], claims.attributes_of(late.source, key))
        later = SourceRow(page.source_table, claims.attributes_of(sources[late.row].as_py(), key))
        return CollisionPair(claims.attributes_of(keys[late.row].as_py(), self._write.key), first, later)


def _said(row: SourceRow) -> str:
    return f"{row.table}, {claims.shown(row.key)}"


def _two_rows(pair: CollisionPair) -> str:
    return (
        f"collisions = fail: two source rows have the key {claims.shown(pair.key)}: {_said(pair.first)}; and "
        f"{_said(pair.later)}\nTo resume the job would meet the same rows again, even where one of them is "
        "deleted. Mend the spec's key or the items, then begin anew with --fresh; with collisions = reject the first "
        "one is written, and the other one is a reject."
    )
