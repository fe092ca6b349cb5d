"""The constructors of lists and maps: ``[a, b]`` and ``{'k': v}``.

In: stored values of any type. Out: LIST and MAP values.
"""

from __future__ import annotations

from ddbetl.functions.json_sql import NULL_ATTRIBUTE, stored
from ddbetl.functions.model import (
    STORED,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Nulls,
    Parameter,
    Signature,
    sql_text,
)
from ddbetl.types import NULL_VALUE, Type, Value

_HINT = "epoch(…) makes a number of a time, to_number(…) of a duration"


def _list(*values: Value) -> tuple[Value, ...]:
    return tuple(NULL_VALUE if value is None else value for value in values)


def _lower_list(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
    parts = [stored(value) for value in arguments]
    written = [f"coalesce({part}, {NULL_ATTRIBUTE})" for part in parts if part is not None]
    if len(written) < len(parts):
        return None
    return Fast(" || ".join(("""'{"L":['""", " || ',' || ".join(written) or "''", "']}'")), Form.JSON)


LIST_CONSTRUCTOR = Function(
    "[…]",
    "operator",
    "`[a, b, …]` is the list of the values, which may have different types. A NULL keeps its place, as DynamoDB's "
    "NULL. `[]` is the empty list.",
    (
        Signature(
            (Parameter("value", STORED, optional=True, variadic=True, hint=_HINT),),
            Type.LIST,
            Implementation(_list, _lower_list),
            nullable=False,
        ),
    ),
    (
        Example("[1, 'a', [TRUE]]", "[1, 'a', [TRUE]]"),
        Example("[Street, City]", "['1 Elm St', NULL]", '{"Street": {"S": "1 Elm St"}}'),
        Example("[]", "[]"),
    ),
    nulls=Nulls.SEEN,
)


def _bind_map(binding: Binding) -> Implementation:
    names = binding.constants["keys"]
    assert isinstance(names, tuple)
    keys = tuple(str(name) for name in names)

    def reference(*values: Value) -> dict[str, Value]:
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        entries = []
        for key, value in zip(keys, arguments, strict=True):
            name, part = sql_text(key), stored(value)
            if name is None or part is None:
                return None
            entries.append(f"to_json({name})::VARCHAR || ':' || {part}")
        # What is NULL is left out; of NULLs alone DuckDB makes NULL.
        content = f"coalesce(array_to_string([{', '.join(entries)}]::VARCHAR[], ','), '')"
        return Fast(f"""'{{"M":{{' || {content} || '}}}}'""", Form.JSON)

    return Implementation(reference, lower)


MAP_CONSTRUCTOR = Function(
    "{…}",
    "operator",
    "`{'key': value, …}` is the map of the entries, whose values may have different types; the keys are texts of the "
    "spec, none of them twice. As in an item, an entry whose value is missing is left out; DynamoDB's NULL in an "
    "attribute is kept. `{}` is the empty map.",
    (
        Signature(
            (
                Parameter("keys", frozenset({Type.LIST}), constant=True),
                Parameter("value", STORED, optional=True, variadic=True, hint=_HINT),
            ),
            Type.MAP,
            _bind_map,
            nullable=False,
        ),
    ),
    (
        Example("{'name': Name, 'tags': ['a']}", "{'name': 'Ann', 'tags': ['a']}", '{"Name": {"S": "Ann"}}'),
        Example("{'a': 1, 'b': x}", "{'a': 1}"),
        Example("{'b': x}", "{'b': NULL}", '{"x": {"NULL": true}}'),
    ),
    nulls=Nulls.SEEN,
)

CONSTRUCTORS: tuple[Function, ...] = (LIST_CONSTRUCTOR, MAP_CONSTRUCTOR)
