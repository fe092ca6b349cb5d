"""The transform: pages of raw items to entries of requests, in DuckDB.

In: pages, each the raw JSON list of its items. Out: per page the entries of its rows and the positions of the rows that
go by reference. Invariant: no item becomes a Python object here; DuckDB can reach neither files nor the network.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import func

from ddbetl.lowering.statement import KEY_COLUMNS, PAGE_COLUMNS, RESULT_COLUMNS, Statement

if TYPE_CHECKING:
    Buffer = bytes | memoryview | msgspec.Raw

# Another version may hash keys otherwise.
DUCKDB = duckdb.__version__

PAGES = pa.schema(
    list(zip(PAGE_COLUMNS, (pa.int32(), pa.utf8(), pa.int64(), pa.utf8(), pa.int64()), strict=True)),
)

CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "threads": "1",
    # What comes from items and specs must never reach a file, an extension or another machine.
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",
    # A page has at most some thousand rows; sorting or spilling never happens.
    "preserve_insertion_order": "true",
}


@dataclass(frozen=True, slots=True)
class PageInput:
    """``items``: the raw JSON list of ``count`` items. ``table``: the number of the source table, of which two may have
    one name. ``operation``: what has given the page."""

    items: Buffer
    count: int
    source_table: str
    now_millis: int
    table: int = 0
    operation: str = "Scan"


@dataclass(frozen=True, slots=True)
class Entries:
    """Rows of a page as a request has them, rising by position: int32 positions, utf8 entries that each end with a
    comma, uint64 hashes of the target keys; where the statement looks for collisions, as utf8 the target's and the
    source's keys (lowering.statement.KEY_COLUMNS)."""

    positions: pa.Array
    texts: pa.Array
    hashes: pa.Array
    targets: pa.Array | None = None
    sources: pa.Array | None = None

    def __len__(self) -> int:
        return len(self.positions)

    def where(self, mask: pa.Array) -> Entries:
        """The rows for which a mask is true."""
        columns = (self.positions, self.texts, self.hashes, self.targets, self.sources)
        return Entries(*(column.filter(mask) if column is not None else None for column in columns))

    def without(self, places: Iterable[int]) -> Entries:
        """The rows but those at some positions."""
        return self.where(pc.invert(pc.is_in(self.positions, value_set=pa.array([*places], pa.int32()))))


@dataclass(slots=True)
class PageOutput:
    """The rows of one page that pass, and the positions of its rows that go by reference. ``repeats``: whether a key
    may stand twice among the entries, which the server refuses in one request."""

    entries: Entries | None = None
    by_reference: list[int] = field(default_factory=list)
    repeats: bool = False

    @property
    def passed(self) -> int:
        return len(self.entries) if self.entries is not None else 0


@dataclass(frozen=True, slots=True)
class Made:
    """Pages and their rows as the statement gives them; None where it cannot."""

    pages: Sequence[PageInput]
    rows: pa.Table | None = None


class Transformer:
    """One plan's statement, prepared once. For one thread at a time, but ``hashes``, for which another one may ask;
    close it, or its memory stays."""

    def __init__(self, statement: Statement) -> None:
        self._prepared = True
        self._source = _Pages()
        self._connection: duckdb.DuckDBPyConnection | None = duckdb.connect(":memory:", config=CONFIGURATION)
        # Casts of texts with an offset must not depend on this machine's zone.
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.register("pages", self._source)
        for name, function in statement.python:
            types: list[Any] = [form.value.strip() for form in function.parameters]
            result = function.result.value.strip()
            self._connection.create_function(
                name, function.run, types, result, type=func.ARROW, null_handling=func.SPECIAL
            )
        self._connection.execute("SET lock_configuration = true")
        self._hashing = self._connection.cursor()
        try:
            self._connection.execute(f"PREPARE transform AS {statement.sql}")
        except duckdb.Error:
            # Beyond what DuckDB takes, such as a CASE of a thousand branches: every row goes by reference.
            self._prepared = False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.unregister("pages")
            self._hashing.close()
            self._connection.close()
            self._connection = None

    def make(self, pages: Sequence[PageInput]) -> list[Made]:
        """Make the rows of pages; ``told_apart`` says what of which page."""
        if self._connection is None or not self._prepared:
            return [Made(pages)]
        try:
            return [Made(pages, self._execute(pages))]
        except (duckdb.Error, UnicodeDecodeError, pa.ArrowInvalid):
            # UnicodeDecodeError is an error whose message quotes bytes that are no text.
            return [Made(pages)] if len(pages) == 1 else [made for page in pages for made in self.make([page])]

    def hashes(self, keys: Sequence[str]) -> pa.Array:
        """The hashes that the statement makes of target keys, given as it writes them where it looks for collisions."""
        found = self._hashing.sql("SELECT hash(unnest(?::VARCHAR[])) AS hash", params=[list(keys)])
        return found.to_arrow_table().column("hash").combine_chunks()

    def _execute(self, pages: Sequence[PageInput]) -> pa.Table:
        assert self._connection is not None
        self._source.pages = pages
        try:
            return self._connection.sql("EXECUTE transform").to_arrow_table()
        finally:
            self._source.pages = ()


def told_apart(made: Iterable[Made]) -> list[PageOutput]:
    """What has been made of each page, in their order; of one that DuckDB cannot read as so many items, all of them go
    by reference."""
    found = []
    for some in made:
        if some.rows is None:
            found += [PageOutput(by_reference=list(range(page.count))) for page in some.pages]
        else:
            found += _of_pages(some.pages, some.rows)
    return found


def _of_pages(pages: Sequence[PageInput], result: pa.Table) -> list[PageOutput]:
    found = [PageOutput() for _ in pages]
    runs = _runs(result)
    if any(number >= following for (number, _), (following, _) in pairwise(runs)):
        # Not by the DuckDB of this version, which keeps the order of the pages.
        result = result.sort_by([("page", "ascending"), ("position", "ascending")])
        runs = _runs(result)
    names = [*RESULT_COLUMNS, *(name for name in KEY_COLUMNS if name in result.column_names)]
    columns = [_whole(result.column(name)) for name in names]
    repeats = _repeats(columns[RESULT_COLUMNS.index("key")])
    start = 0
    for number, end in runs:
        found[number] = _output([column.slice(start, end - start) for column in columns[1:]], repeats)
        start = end
    return found


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece, without a copy where it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _runs(result: pa.Table) -> list[tuple[int, int]]:
    """The pages whose rows follow each other, with the place behind the last one."""
    runs = pc.run_end_encode(result.column("page").combine_chunks())
    return list(zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True))


def _output(columns: list[pa.Array], repeats: bool) -> PageOutput:
    """What comes of the rows of a page; ``repeats``: whether a key may stand twice in the group."""
    positions, texts, *_ = columns
    by_reference: list[int] = []
    if texts.null_count:
        by_reference = positions.filter(texts.is_null()).to_pylist()
        made = texts.is_valid()
        columns = [column.filter(made) for column in columns]
    if not len(columns[0]):
        return PageOutput(by_reference=by_reference)
    entries = Entries(*columns)
    return PageOutput(entries, by_reference, repeats and _repeats(entries.hashes))


class _Pages:
    """The pages of the running statement, as an Arrow stream over the raw bytes themselves.

    DuckDB asks for a new stream whenever the prepared statement is executed.
    """

    def __init__(self) -> None:
        self.pages: Sequence[PageInput] = ()

    def __arrow_c_schema__(self) -> Any:
        return PAGES.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        batches = [_batch(number, page) for number, page in enumerate(self.pages)]
        # A table's stream is Arrow's own; that of a reader asks the interpreter for every batch, and waits for it.
        return pa.Table.from_batches(batches, PAGES).__arrow_c_stream__(requested_schema)


def _batch(number: int, page: PageInput) -> pa.RecordBatch:
    content = pa.py_buffer(page.items)
    offsets = pa.py_buffer(b"\0\0\0\0" + content.size.to_bytes(4, "little"))
    items = pa.Array.from_buffers(pa.utf8(), 1, [None, offsets, content])
    count, table, now = (pa.array([value]) for value in (page.count, page.source_table, page.now_millis))
    return pa.RecordBatch.from_arrays([pa.array([number], pa.int32()), items, count, table, now], schema=PAGES)


def _repeats(hashes: pa.Array) -> bool:
    return bool(len(hashes) != pc.count_distinct(hashes, mode="all").as_py())
