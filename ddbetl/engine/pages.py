"""A page's way from raw items to batches: the statement, the rows by reference, the separation of equal keys.

In: pages of raw items. Out: what came of each. Invariant: every item of a page is filtered, a failure, or in exactly
one batch. All of it runs in one thread, beside the event loop's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ddbetl.connectors.dynamodb.failures import MalformedResponse
from ddbetl.connectors.dynamodb.requests import items_of
from ddbetl.engine.batches import Batch, Batching
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure, decode_item
from ddbetl.engine.transform import PageInput, PageOutput, Transformer
from ddbetl.functions.model import RowContext
from ddbetl.plan.physical import WriteExec, TransformExec
from ddbetl.types import Timestamp


@dataclass(frozen=True, slots=True)
class PageResult:
    """``failures``: source items that cannot be written, and why. ``by_reference``: how many items took that way."""

    batches: list[Batch]
    failures: list[tuple[dict[str, dict[str, Any]], RowFailure]]
    filtered: int
    by_reference: int


class PageWork:
    """What is done with the pages of one plan. For one thread; close it there, or its memory stays."""

    def __init__(self, transform: TransformExec, write: WriteExec) -> None:
        self._statement = transform.statement
        self._rows = RowEvaluator(transform, write.key)
        self._batching = Batching(write.table.name, write.key)
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
            error.operation, error.table = "Scan", page.source_table
            raise

    def _page(self, page: PageInput, output: PageOutput) -> PageResult:
        filtered = page.count - output.passed - len(output.by_reference)
        rows: list[tuple[int, Row]] = []
        failures: list[tuple[dict[str, dict[str, Any]], RowFailure]] = []
        if output.by_reference:
            items = _items(page)
            context = RowContext(page.source_table, Timestamp(page.now_millis))
            for position in output.by_reference:
                match self._rows.row(items[position], context):
                    case Filtered():
                        filtered += 1
                    case RowFailure() as failure:
                        failures.append((decode_item(items[position]), failure))
                    case Row() as row:
                        rows.append((position, row))
        batches = self._batching.batches(output.bodies, rows, output.repeats)
        return PageResult(batches, failures, filtered, len(output.by_reference))


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
