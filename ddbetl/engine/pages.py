"""A page's way from raw items to batches: the statement, the rows by reference, collisions, the separation of equal
keys.

In: pages of raw items. Out: what came of each. Invariants: every item of a page is filtered, a failure, or in exactly
one batch; the keys of a page's rows are asked for, all at once, before any of them can be sent. All of it runs in one
thread, beside the event loop's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pyarrow as pa

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.connectors.dynamodb.requests import items_of
from ddbetl.engine import claims
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.collisions import Collision, KeysSeen
from ddbetl.engine.report import CollisionPair, SourceRow
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure, decode_item
from ddbetl.engine.transform import Body, PageInput, PageOutput, Transformer
from ddbetl.errors import JobFailed
from ddbetl.expressions.writing import ENTRIES, Action, Form
from ddbetl.functions.model import RowContext
from ddbetl.plan.physical import TransformExec, WriteExec
from ddbetl.types import Timestamp

Failures = list[tuple[dict[str, dict[str, Any]], RowFailure]]

# So many collisions of a page are told with both rows.
MOST_PAIRS = 100


@dataclass(frozen=True, slots=True)
class PageResult:
    """``failures``: source items that cannot be written, and why. ``by_reference``: how many items took that way.
    ``collided``: rows whose target key another source row had before, of which ``collisions`` are the first."""

    batches: list[Batch]
    failures: Failures
    filtered: int
    by_reference: int
    collided: int = 0
    collisions: list[CollisionPair] = field(default_factory=list)


@dataclass(slots=True)
class _Rows:
    """The rows of a page that pass so far: in bodies, and by reference with their positions."""

    bodies: list[Body]
    rows: list[tuple[int, Row]]
    failures: Failures = field(default_factory=list)
    collided: int = 0
    collisions: list[CollisionPair] = field(default_factory=list)


class PageWork:
    """What is done with the pages of one plan. For one thread; close it there, or its memory stays.

    ``seen``: the target keys of the job's rows, where the plan looks for collisions. ``tables``: the names of the
    source tables, by the numbers that pages and ``seen`` have of them.
    """

    def __init__(
        self, transform: TransformExec, write: WriteExec, seen: KeysSeen | None = None, tables: Sequence[str] = ()
    ) -> None:
        self._statement = transform.statement
        self._rows = RowEvaluator(transform, write.key, write.newest, write.ttl_attribute)
        self._write = write
        self._batching = Batching(Form(ENTRIES[write.action], write.table.name, write.key))
        self._seen = seen if write.collisions is not None else None
        self._tables = tables
        self._transformer: Transformer | None = None

    def run(self, pages: Sequence[PageInput]) -> list[PageResult]:
        """What comes of each page; raises MalformedResponse for one that is no page."""
        if self._transformer is None:
            self._transformer = Transformer(self._statement)
        return [self._checked(page, output) for page, output in zip(pages, self._transformer.run(pages), strict=True)]

    def close(self) -> None:
        if self._transformer is not None:
            self._transformer.close()
            self._transformer = None

    def _checked(self, page: PageInput, output: PageOutput) -> PageResult:
        try:
            return self._page(page, output)
        except MalformedResponse as error:
            error.operation, error.table = page.operation, page.source_table
            raise

    def _page(self, page: PageInput, output: PageOutput) -> PageResult:
        filtered = page.count - output.passed - len(output.by_reference)
        found = _Rows(output.bodies, [])
        if output.by_reference:
            items = _items(page)
            context = RowContext(page.source_table, Timestamp(page.now_millis))
            for position in output.by_reference:
                match self._rows.row(items[position], context):
                    case Filtered():
                        filtered += 1
                    case RowFailure() as failure:
                        found.failures.append((decode_item(items[position]), failure))
                    case Row() as row:
                        found.rows.append((position, row))
        if self._seen is not None and (output.keys is not None or found.rows):
            self._ask(self._seen, page, output, found)
        batches = self._batching.batches(found.bodies, found.rows, output.repeats)
        by_reference = len(output.by_reference)
        return PageResult(batches, found.failures, filtered, by_reference, found.collided, found.collisions)

    def _ask(self, seen: KeysSeen, page: PageInput, output: PageOutput, found: _Rows) -> None:
        """Ask for the target keys of a page's rows; what comes too late is counted, and goes no further unless it
        may."""
        assert self._transformer is not None
        items = _items(page) if found.rows else []
        by_reference = [self._key_texts(position, row, items[position]) for position, row in found.rows]
        positions, asked = claims.claims_of(output.keys, by_reference, page.table, self._transformer.hashes)
        late = seen.claim(asked)
        if not late:
            return
        keys, sources = asked.keys.cast(pa.binary()), asked.sources.cast(pa.binary())
        pairs = [self._pair(page, collision, keys, sources) for collision in late]
        found.collided = len(late)
        found.collisions = pairs[:MOST_PAIRS]
        # KEEP NEWEST decides between the rows of a job as it does between a row and an item.
        if self._write.collisions == "allow" or self._write.action is Action.KEEP_NEWEST:
            return
        if self._write.collisions == "fail":
            raise JobFailed(_two_rows(pairs[0]), advised=True)
        items = _items(page)
        places = [positions[collision.row].as_py() for collision in late]
        for place, pair in zip(places, pairs, strict=True):
            message = f"another source row has this key already: {_said(pair.first)}"
            found.failures.append((decode_item(items[place]), RowFailure("R0304", message, None)))
        gone = frozenset(places)
        kept = (claims.without(body, gone, self._batching) for body in found.bodies)
        found.bodies = [body for body in kept if body is not None]
        found.rows = [(position, row) for position, row in found.rows if position not in gone]

    def _key_texts(self, position: int, row: Row, raw: msgspec.Raw) -> claims.KeyTexts:
        source = claims.source_contents(decode_item(raw), self._statement.sources or ())
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


def _items(page: PageInput) -> list[msgspec.Raw]:
    """The raw items of a page, as many as were said to be there; the statement takes no other page either."""
    try:
        items = items_of(page.items)
    except ValueError as error:
        raise MalformedResponse(f"the answer is not DynamoDB's: {error}") from error
    if len(items) != page.count:
        raise MalformedResponse(
            f"the answer is not DynamoDB's: Count is {page.count:,}, and Items holds {len(items):,}"
        )
    return items
