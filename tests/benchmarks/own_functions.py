"""One function in two forms, for the benchmark of functions of one's own: row by row, and over arrays."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ddbetl import function

SHOWN = 4


@function("STRING", returns="STRING")
def masked(text: str) -> str:
    """Stars for all but the last four characters."""
    return "*" * (len(text) - SHOWN) + text[-SHOWN:]


@function("STRING", returns="STRING", vectorised=True)
def masked_many(texts: pa.Array) -> pa.Array:
    """The same for many texts at a time."""
    hidden = pc.max_element_wise(pc.subtract(pc.utf8_length(texts), SHOWN), 0)
    stars = pc.binary_repeat(pa.scalar("*"), hidden)
    return pc.binary_join_element_wise(stars, pc.utf8_slice_codeunits(texts, -SHOWN), "")
