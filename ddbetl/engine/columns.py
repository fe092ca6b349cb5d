"""The memory of Arrow columns of integers, as it is.

In: a column without nulls. Out: its own part of its buffer. Invariant: nothing is copied.
"""

from __future__ import annotations

import pyarrow as pa

# As memoryview.cast names them.
_FORMS = {pa.int32(): "i", pa.int64(): "q", pa.uint64(): "Q"}


def memory(column: pa.Array) -> pa.Buffer:
    """The bytes of a column of integers of 32 or 64 bits."""
    width = column.type.byte_width
    return column.buffers()[1].slice(width * column.offset, width * len(column))


def integers(column: pa.Array) -> memoryview[int]:
    """A column of int32, int64 or uint64 as Python reads it."""
    return memoryview(memory(column)).cast(_FORMS[column.type])  # type: ignore[call-overload, no-any-return]
