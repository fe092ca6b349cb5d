"""The transform: pages of raw items to finished request bodies, in DuckDB.

In: pages, each the raw JSON list of its items. Out: per page the bodies of its rows and the positions of the rows that
go by reference. Invariant: no item becomes a Python object here; DuckDB can reach neither files nor the network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from duckdb import func

from ddbetl.lowering.statement import KEY_COLUMNS, PAGE_COLUMNS, Statement

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
class Body:
    """A finished request body. ``positions``: its rows' places in the page, rising. ``units``: written, estimated."""

    content: memoryview
    positions: tuple[int, ...]
    units: float


@dataclass(frozen=True, slots=True)
class KeyColumns:
    """The keys of a page's rows, rising by position: int32 positions, uint64 hashes of the target keys, and as utf8
    the target's and the source's keys (lowering.statement.KEY_COLUMNS)."""

    positions: pa.Array
    hashes: pa.Array
    targets: pa.Array
    sources: pa.Array


@dataclass(slots=True)
class PageOutput:
    """The bodies of one page with ``passed`` rows, and the positions of its rows that go by reference. ``repeats``:
    whether a key may stand twice in the bodies, which the server refuses. ``keys``: of the rows in the bodies, where
    the statement looks for collisions and there are any."""

    bodies: list[Body] = field(default_factory=list)
    by_reference: list[int] = field(default_factory=list)
    passed: int = 0
    repeats: bool = False
    keys: KeyColumns | None = None


class Transformer:
    """One plan's statement, prepared once. For one thread at a time; close it, or its memory stays."""

    def __init__(self, statement: Statement) -> None:
        self._claims = statement.sources is not None
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
        try:
            self._connection.execute(f"PREPARE transform AS {statement.sql}")
        except duckdb.Error:
            # Beyond what DuckDB takes, such as a CASE of a thousand branches: every row goes by reference.
            self._prepared = False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.unregister("pages")
            self._connection.close()
            self._connection = None

    def run(self, pages: Sequence[PageInput]) -> list[PageOutput]:
        """Transform pages; a page that DuckDB cannot read as so many items goes by reference as a whole."""
        if self._connection is None or not self._prepared:
            return [PageOutput(by_reference=list(range(page.count))) for page in pages]
        try:
            return self._execute(pages)
        except (duckdb.Error, UnicodeDecodeError):
            # The latter is an error whose message quotes bytes that are no text.
            if len(pages) == 1:
                return [PageOutput(by_reference=list(range(pages[0].count)))]
            return [output for page in pages for output in self.run([page])]

    def hashes(self, keys: Sequence[str]) -> pa.Array:
        """The hashes that the statement makes of target keys, given as it writes them where it looks for collisions."""
        assert self._connection is not None
        found = self._connection.sql("SELECT hash(unnest(?::VARCHAR[])) AS hash", params=[list(keys)])
        return found.to_arrow_table().column("hash").combine_chunks()

    def _execute(self, pages: Sequence[PageInput]) -> list[PageOutput]:
        assert self._connection is not None
        self._source.pages = pages
        try:
            result = self._connection.sql("EXECUTE transform").to_arrow_table()
        finally:
            self._source.pages = ()
        outputs = [PageOutput() for _ in pages]
        for number in _repeating(result):
            outputs[number].repeats = True
        if self._claims:
            for number, columns in _key_columns(result):
                outputs[number].keys = columns
        for chunk in result.to_batches():
            rows = chunk.column("rows")
            numbers, units = chunk.column("page").to_pylist(), chunk.column("units").to_pylist()
            for index, content in enumerate(_texts(chunk.column("body"))):
                positions = rows[index].as_py()
                output = outputs[numbers[index]]
                if content is None:
                    output.by_reference += positions
                else:
                    output.passed += len(positions)
                    output.bodies.append(Body(content, tuple(positions), float(units[index])))
        return outputs


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
        return pa.RecordBatchReader.from_batches(PAGES, batches).__arrow_c_stream__(requested_schema)


def _batch(number: int, page: PageInput) -> pa.RecordBatch:
    content = pa.py_buffer(page.items)
    offsets = pa.py_buffer(b"\0\0\0\0" + content.size.to_bytes(4, "little"))
    items = pa.Array.from_buffers(pa.utf8(), 1, [None, offsets, content])
    count, table, now = (pa.array([value]) for value in (page.count, page.source_table, page.now_millis))
    return pa.RecordBatch.from_arrays([pa.array([number], pa.int32()), items, count, table, now], schema=PAGES)


def _texts(array: pa.StringArray) -> Iterator[memoryview | None]:
    """The texts of an array as views of its memory."""
    _, offsets_buffer, data_buffer = array.buffers()
    if data_buffer is None:
        yield from (None for _ in range(len(array)))
        return
    offsets, data = memoryview(offsets_buffer).cast("i"), memoryview(data_buffer)
    valid = array.is_valid().to_pylist()
    for index in range(len(array)):
        start, end = offsets[array.offset + index], offsets[array.offset + index + 1]
        yield data[start:end] if valid[index] else None


def _key_columns(result: pa.Table) -> Iterator[tuple[int, KeyColumns]]:
    """The keys of the rows in bodies, by the number of their page."""
    sent = result.filter(pc.is_valid(result.column("body"))).combine_chunks()
    if not len(sent):
        return
    rows = pc.list_parent_indices(sent.column("rows")).combine_chunks()
    pages = sent.column("page").combine_chunks().take(rows)
    names = ("rows", "keys", *KEY_COLUMNS)
    columns = [pc.list_flatten(sent.column(name)).combine_chunks() for name in names]
    places = pc.add(pc.shift_left(pages.cast(pa.int64()), 32), columns[0].cast(pa.int64()))
    if pc.any(pc.less(places[1:], places[:-1])).as_py():
        order = pc.sort_indices(places)
        pages, *columns = (column.take(order) for column in (pages, *columns))
    start = 0
    for found in pc.value_counts(pages).to_pylist():
        # In the order in which they stand there.
        yield found["values"], KeyColumns(*(column.slice(start, found["counts"]) for column in columns))
        start += found["counts"]


def _repeating(result: pa.Table) -> list[int]:
    """The numbers of the pages in whose bodies the hash of a key stands twice."""
    sent = result.filter(pc.is_valid(result.column("body"))).combine_chunks()
    if not len(sent) or not _repeats(pc.list_flatten(sent.column("keys"))):
        return []
    keys = sent.column("keys")
    pages = sent.column("page")
    return [
        number
        for number in pc.unique(pages).to_pylist()
        if _repeats(pc.list_flatten(pc.filter(keys, pc.equal(pages, number))))
    ]


def _repeats(hashes: pa.ChunkedArray) -> bool:
    return bool(len(hashes) != pc.count_distinct(hashes).as_py())
