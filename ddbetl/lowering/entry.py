"""What a row is in a request, in SQL: a put's item, or a statement's labels and its parameters.

In: the projection, the form of the requests. Out: SQL for what stands between an entry's opening and its closing, and
its guards. Invariant: a row for which the guards hold has this entry by the reference as well.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ddbetl.expressions.ir import Attribute, Constant
from ddbetl.expressions.projection import Projection, Star
from ddbetl.expressions.writing import Entry, Form
from ddbetl.functions.forms import conjunction
from ddbetl.functions.model import sql_text
from ddbetl.lowering.duckdb_sql import Lowerer, attribute_json


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what becomes of a row: its SQL, and what must be true for it (None: nothing)."""

    sql: str
    guards: list[str | None]


@dataclass(frozen=True, slots=True)
class _Field:
    """An attribute of the output: its name, its value in SQL and in DynamoDB JSON, whether a row may be without it."""

    name: str
    value: str
    json: str
    may_miss: bool


def entry_of(lowerer: Lowerer, projection: Projection, form: Form) -> Part | None:
    """SQL for what stands between an entry's opening and its closing."""
    guards: list[str | None] = []
    fields: list[_Field] = []
    for column in projection.columns:
        fast = lowerer.lower(column.expression)
        wire = attribute_json(fast, column.expression.type) if fast is not None else None
        if fast is None or wire is None or sql_text(column.name) is None:
            return None
        guards.append(fast.guard)
        if isinstance(column.expression, Constant) and column.expression.value is None:
            continue
        # A row without its key goes by reference anyway.
        may_miss = column.expression.nullable and column.name not in form.keys
        fields.append(_Field(column.name, fast.value, wire, may_miss))
    if projection.star is not None:
        return _starred(lowerer, projection, projection.star, form, fields, guards)
    if form.entry in (Entry.PUT, Entry.DELETE):
        return Part(_object(fields, form.keys), guards)
    last = form.keys if form.entry is Entry.UPDATE else ()
    guards.append(None if form.takes(last) else "FALSE")
    by_name = {field.name: field for field in fields}
    fields = [field for field in fields if field.name not in last]
    guards += [f"({field.value} IS NULL)" for field in fields if not form.takes([field.name])]
    labels, more = _labels(form, fields)
    attributes = [field.json for field in (*fields, *(by_name[name] for name in last if name in by_name))]
    return Part(f"{labels} || {_joined(attributes)}", [*guards, *more])


def _labels(form: Form, fields: list[_Field]) -> tuple[str, list[str | None]]:
    """SQL for a statement's labels and its middle; and guards that there are some, and not too many."""
    every = ",".join(form.label(field.name) for field in fields)
    whole = sql_text(every + form.middle)
    missing = [field for field in fields if field.may_miss]
    guards: list[str | None] = []
    if len(missing) == len(fields):
        guards.append(f"({' OR '.join(f'{field.value} IS NOT NULL' for field in fields)})" if fields else "FALSE")
    if not missing:
        return str(whole), [*guards, "FALSE" if len(every.encode()) > form.room else None]
    parts = []
    for field in fields:
        label = sql_text(form.label(field.name))
        parts.append(f"CASE WHEN {field.value} IS NOT NULL THEN {label} END" if field.may_miss else str(label))
    some = _joined(parts)
    if len(every.encode()) > form.room:
        guards.append(f"(strlen({some}) <= {form.room})")
    present = " AND ".join(f"{field.value} IS NOT NULL" for field in missing)
    return f"CASE WHEN {present} THEN {whole} ELSE {some} || {sql_text(form.middle)} END", guards


def _object(fields: list[_Field], keys: tuple[str, ...]) -> str:
    """SQL for an object of the fields that are there; a row goes by reference where one of the ``keys`` is not."""
    if not fields:
        return "'{}'"
    labelled = [f"{_json_label(field.name)} || {field.json}" for field in fields]
    if fields[0].name not in keys:
        return f"'{{' || {_joined(labelled)} || '}}'"
    # Where commas belong is known: concat, which takes NULL for nothing, makes fewer texts in between.
    parts = ["'{'", labelled[0], *(f"',' || {text}" for text in labelled[1:]), "'}'"]
    return f"concat({', '.join(parts)})"


def _joined(texts: list[str]) -> str:
    """SQL for the texts that are not NULL, separated by commas."""
    return f"concat_ws(',', {', '.join(texts)})" if texts else "''"


def _json_label(name: str) -> str | None:
    return sql_text(json.dumps(name, ensure_ascii=False) + ":")


def _starred(
    lowerer: Lowerer, projection: Projection, star: Star, form: Form, fields: list[_Field], guards: list[str | None]
) -> Part | None:
    """SQL for all attributes of the item but those that go, and for the columns that come, as an entry has them."""
    last = form.keys if form.entry is Entry.UPDATE else ()
    item = _star(lowerer, projection, star, [field for field in fields if field.name not in last], guards, last)
    if item is None or form.entry in (Entry.PUT, Entry.DELETE):
        return item
    guards = [*item.guards, None if form.takes(last) else "FALSE"]
    behind = []
    for name in last:
        origin = projection.origin(name)
        if isinstance(origin, str):
            copied = lowerer.lower(Attribute(origin))
            if copied is None:
                return None
            guards.append(copied.guard)
            behind.append(copied.value)
        else:
            behind += [field.json for field in fields if field.name == name]
    labels, attributes, more = _opened(lowerer, form, lowerer.bind(item.sql))
    return Part(f"{labels} || {sql_text(form.middle)} || {_joined([attributes, *behind])}", [*guards, *more])


def _opened(lowerer: Lowerer, form: Form, item: str) -> tuple[str, str, list[str]]:
    """SQL for the labels and the attributes of an item in DynamoDB JSON; and guards that an entry can say them."""
    quote, mark, odd = ("'", "':?", "[']") if form.entry is Entry.INSERT else ('"', '"=?', r'[.\[\]"]')
    names = lowerer.bind(f"json_keys({item})")
    between, end = sql_text(mark + "," + quote), sql_text(mark)
    text = f"{sql_text(quote)} || array_to_string({names}, {between}) || {end}"
    # It stands inside a JSON string.
    labels = lowerer.bind(f"(to_json({text})::VARCHAR)[2:-2]")
    guards = [
        f"(len({names}) > 0)",
        f"(NOT regexp_matches(array_to_string({names}, ','), {sql_text(odd)}))",
        f"(strlen({labels}) <= {form.room})",
    ]
    return labels, f"array_to_string(json_extract({item}, '$.*')::VARCHAR[], ',')", guards


def _star(
    lowerer: Lowerer,
    projection: Projection,
    star: Star,
    fields: list[_Field],
    guards: list[str | None],
    without: tuple[str, ...],
) -> Part | None:
    """The whole item without the attributes that go, and with the columns that come; ``without`` those in any case."""
    added = [f"{_json_label(field.name)} || {field.json}" for field in fields]
    gone = [*star.exclude, *(old for old, _ in star.rename), *(c.name for c in projection.columns if c.replaces)]
    rest = "whole"
    if gone or without:
        # A merge patch takes an attribute out by a null; DynamoDB JSON itself has none at that place.
        patch = json.dumps(dict.fromkeys((*gone, *without)), ensure_ascii=False)
        rest = f"json_merge_patch(whole, {sql_text(patch)})::VARCHAR"
    for old, new in star.rename:
        moved = lowerer.lower(Attribute(old))
        label = _json_label(new)
        if moved is None or label is None:
            return None
        guards.append(moved.guard)
        if new not in without:
            added.append(f"{label} || {moved.value}")
    # A column never takes an attribute's place unless the spec says so: such a row is an error, told by reference.
    for name in (*(c.name for c in projection.columns if not c.replaces), *(new for _, new in star.rename)):
        if name not in gone:
            present = lowerer.lower(Attribute(name))
            if present is None:
                return None
            guards.append(f"({conjunction([present.guard, f'{present.value} IS NULL'])})")
    if not added:
        return Part(rest, guards)
    rest, more = lowerer.bind(rest), lowerer.bind(_joined(added))
    return Part(
        f"CASE WHEN {more} = '' THEN {rest} WHEN {rest} = '{{}}' THEN '{{' || {more} || '}}' "
        f"ELSE {rest}[:-2] || ',' || {more} || '}}' END",
        guards,
    )
