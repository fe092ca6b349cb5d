"""The largest and the smallest of several values.

In: values of one type that has an order. Out: one of them. Invariant: the order is that of ``<``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ddbetl.functions.forms import unify
from ddbetl.functions.model import (
    BINARY,
    DURATION,
    NUMBER,
    SAME,
    STRING,
    TIMESTAMP,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Parameter,
    Signature,
)

_HINT = "all values must have one type: to_number(…), to_string(…) and CAST convert"
_ORDERED = STRING | NUMBER | BINARY | TIMESTAMP | DURATION


def _extreme(name: str, doc: str, reference: Callable[..., Any], examples: tuple[Example, ...]) -> Function:
    implementation = Implementation(reference, _lower(name))
    signature = Signature(
        (
            Parameter("value", _ORDERED, same=True, hint=_HINT),
            Parameter("other", _ORDERED, same=True, variadic=True, hint=_HINT),
        ),
        SAME,
        implementation,
        nullable=False,
    )
    return Function(name, "conditional", doc, (signature,), examples)


def _lower(name: str) -> Lower:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        found = unify(arguments)
        if found is None or found[0].form in (Form.JSON, Form.BASE64):
            return None
        values = [value.value for value in found]
        # DuckDB's own functions leave NULLs out.
        missing = " OR ".join(f"{value} IS NULL" for value in values)
        return Fast(f"CASE WHEN {missing} THEN NULL ELSE {name}({', '.join(values)}) END", found[0].form)

    return lower


_DOC = (
    "All must have one type; texts are ordered as DynamoDB sorts them, by their UTF-8 bytes. As in standard SQL, a "
    "NULL among them makes the result NULL: nothing is larger or smaller than what is not known. `coalesce(x, 0)` says "
    "otherwise."
)

GREATEST = _extreme(
    "greatest",
    f"The largest of the values. {_DOC}",
    max,
    (
        Example("greatest(1, 2.5, -3)", "2.5"),
        Example("greatest('a', 'B')", "'a'"),
        Example("greatest(x, 0)", "NULL"),
        Example("greatest(x, 0)", "error: x: expected NUMBER, found STRING", '{"x": {"S": "1"}}'),
    ),
)

LEAST = _extreme(
    "least",
    f"The smallest of the values. {_DOC}",
    min,
    (
        Example("least(1, 2.5, -3)", "-3"),
        Example("least('2017-01-02', '2016-12-31')", "'2016-12-31'"),
        Example(
            "epoch(least(parse_time(DateTime), now()))",
            "1451606400",
            '{"DateTime": {"S": "2016-01-01T00:00:00Z"}}',
        ),
        Example("least(1, NULL)", "NULL"),
    ),
)

EXTREMES: tuple[Function, ...] = (GREATEST, LEAST)
