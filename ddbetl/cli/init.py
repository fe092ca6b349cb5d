"""The first spec of a table, for ``ddbetl init``.

In: a sampled table, the target's name and description. Out: the text of a spec in canonical form, comments included.
Invariant: it compiles as it is, and every attribute of the sample is a column of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import click

from ddbetl.cli.describe import ROLES, types_text
from ddbetl.cli.fmt import formatted
from ddbetl.cli.new_file import refuse_existing, write_new
from ddbetl.cli.preview import value_text
from ddbetl.cli.terminal import err, out_spec, start_of, visible
from ddbetl.cli.time import call
from ddbetl.cli.wording import counted, percent, units_of
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression, format_identifier
from ddbetl.syntax.tablename import write_table_name
from ddbetl.types import Type

if TYPE_CHECKING:
    from ddbetl.api import AttributeReport, TableReport
    from ddbetl.plan.catalog import TableDescription

# A time that is quoted as an example is no longer.
_LONGEST_EXAMPLE = 40
# What a converted attribute of several types becomes, by its most frequent type.
_CONVERTING = {Type.STRING: "to_string", Type.NUMBER: "to_number"}


def show(table: str, into: str | None, sample: int, file: str | None, connection: dict[str, str | None]) -> None:
    """Sample a table and write its first spec to standard output, or into a new file."""
    import ddbetl

    if into == table:
        raise click.BadParameter("a spec never writes into a table that it reads", param_hint="--into")
    refuse_existing(file)
    report = ddbetl.describe(table, sample=sample, **connection)
    text = spec_of(report, into, _target(into, connection) if into is not None else None, file or "FILE")
    if report.units:
        err(f"Read {counted(report.sampled, 'item')} for {units_of(report.units, 'read')}.")
    if file is None:
        out_spec(text.removesuffix("\n"))
        return
    write_new(file, text)


def _target(into: str, connection: dict[str, str | None]) -> TableDescription | None:
    from ddbetl.connectors.dynamodb.control import Control
    from ddbetl.plan.catalog import Connection

    where = Connection(connection["region"], connection["profile"], None, connection["endpoint_url"])
    with closing(Control.open(where)) as control:
        return control.describe((into,)).get(into)


def spec_of(report: TableReport, into: str | None, target: TableDescription | None, file: str) -> str:
    """The spec; ``target``: the table that it writes, where there is one already."""
    description = report.description
    key = tuple(attribute.name for attribute in description.key)
    lines = [*_head(report, into, file)]
    if into is not None:
        made = "" if target is not None else f" KEY ({', '.join(map(_bare, key))})"
        lines += list(_missing(into, target, {a.name for a in report.attributes} | set(key)))
        lines.append(f"INSERT INTO {_table(into)}{made}")
    else:
        lines.append(f"-- INSERT INTO {_table(f'{description.name[:248]}_copy')} KEY ({', '.join(map(_bare, key))})")
    lines += [*_columns(report), f"FROM {_table(description.name)}"]
    if into is not None:
        lines.append("ON CONFLICT REJECT -- of an item that is there already, with other values")
        lines.append("WITH (read = 25%, write = 25%) -- of what the tables can take")
    else:
        lines.append("WITH (read = 25%) -- of what the table can take")
    return formatted("\n".join(lines), file)


def _head(report: TableReport, into: str | None, file: str) -> Iterator[str]:
    name = visible(report.description.name)
    if report.sampled:
        of = f"{counted(report.sampled, 'item')} of about {report.description.items:,}"
        yield f"-- {name}, with the attributes of {of}: what no sampled item has is not copied."
    else:
        yield f"-- {name}, of which no item was looked at: only its key is copied. SELECT * copies everything."
    yield f"-- ddbetl preview {visible(file)}"
    if into is not None:
        yield f"-- ddbetl run {visible(file)}"
    yield ""


def _missing(into: str, target: TableDescription | None, there: set[str]) -> Iterator[str]:
    """The key of a target that the columns do not have."""
    if target is None:
        return
    for attribute in target.key:
        if attribute.name not in there:
            name = visible(attribute.name)
            yield f"-- To do: a column {name}, {attribute.type}, which is of the key of {visible(into)}."


def _columns(report: TableReport) -> list[str]:
    """The columns with their comments; a proposal stands above the column that follows, so that it can be uncommented
    as it is."""
    roles = {k.name: f"{role} key" for k, role in zip(report.description.key, ROLES, strict=False)}
    columns = [(k.name, f"{k.type}, the {roles[k.name]}") for k in report.description.key]
    found = {attribute.name: attribute for attribute in report.attributes}
    columns += [(name, _said(attribute, report.sampled)) for name, attribute in found.items() if name not in roles]
    taken = {name for name, _ in columns}
    proposals = {name: _proposals(found[name], taken) for name, _ in columns if name in found}
    lines = ["SELECT"]
    for number, (name, said) in enumerate(columns):
        last = number == len(columns) - 1
        before = columns[number - 1][0] if number else ""
        above = proposals.get(before, []) + (proposals.get(name, []) if last else [])
        lines += above if number else []
        lines.append(f"{_attribute(name)}{'' if last else ','} -- {said}")
    return lines


def _said(attribute: AttributeReport, sampled: int) -> str:
    return f"{types_text(attribute)}; {percent(attribute.present / sampled)} of the items have it"


def _proposals(attribute: AttributeReport, taken: set[str]) -> list[str]:
    """Columns that somebody may want in place of an attribute as it is, as comments."""
    name = attribute.name
    if not name.isprintable():
        return []
    if len(attribute.types) > 1:
        convert = _CONVERTING.get(attribute.types[0][0])
        if convert is None:
            return []
        said = f"one type instead of {len(attribute.types)}"
        return [f"-- in place of {name}: {convert}({_attribute(name)}) AS {_bare(name)}, -- {said}"]
    time = time_expression(_attribute(name), attribute.texts)
    if time is None:
        return []
    alias = f"{name}_epoch"
    while alias in taken:
        alias += "_"
    example = start_of(value_text(attribute.example), _LONGEST_EXAMPLE)
    return [f"-- {time} AS {_bare(alias)}, -- in seconds, of texts such as {example}"]


def time_expression(attribute: str, texts: Sequence[str]) -> str | None:
    """What reads all the texts as times, by at most two patterns; None if they are none."""
    from datetime import UTC, datetime

    from ddbetl.time import pivot_of, zone
    from ddbetl.time.guess import guess

    if not texts:
        return None
    found = guess(texts, zone("UTC"), pivot_of(datetime.now(UTC).year), {})
    if found.unread or not (found.whole or found.in_turn):
        return None
    chosen = found.whole[:1] or found.in_turn
    if len(chosen) > 2:
        return None
    names = [one.form.name for one in chosen]
    return call("epoch", attribute, *([] if names == ["iso"] else names))


def _attribute(name: str) -> str:
    return format_expression(ast.Name(ast.Identifier(name)))


def _bare(name: str) -> str:
    return format_identifier(ast.Identifier(name))


def _table(name: str) -> str:
    return write_table_name(ast.TableName((ast.Literal(name),)))
