"""The rows of ``ddbetl preview``: a table for people, DynamoDB JSON for programs.

In: a plan. Out: rows on standard output, how they came about on standard error. Invariant: nothing is written to any
table, and the JSON holds every digit of every value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import Column, cells, err, json_text, out, page_width, start_of, table, visible, width, wrapped
from ddbetl.cli.wording import counted, units_of

if TYPE_CHECKING:
    from ddbetl.api import Plan, Preview

# Where a terminal shows them, cells are cut at the end to so many columns, or fewer if the whole row fits then.
WIDEST_CELL = 40
NARROWEST_CELL = 30
# Rejected rows that are shown in full.
SHOWN_REJECTS = 5


def show(plan: Plan, rows: int, as_json: bool) -> int:
    """Print the first rows of a plan; returns the exit code."""
    preview = plan.preview(rows)
    if as_json:
        for row in preview.rows:
            out(json_text(row, indent=None))
    elif preview.rows:
        out(rows_as_table(preview.rows, [column.name for column in plan.physical.transform.projection.columns]))
    err(closing(preview, rows, plan.physical.limit))
    return ExitCode.REJECTS if preview.rejects else ExitCode.DONE


def closing(preview: Preview, wanted: int, limit: int | None = None) -> str:
    """What it took to find the rows, and the rows that failed."""
    found = len(preview.rows)
    end = ": all there are"
    if preview.stopped:
        end = "; there may be more, further on"
    elif found + len(preview.rejects) >= wanted:
        end = ""
    elif limit is not None and found + len(preview.rejects) >= limit:
        end = ", at the spec's LIMIT"
    lines = [
        f"\n{counted(found, 'row')} of {counted(preview.read, 'item')} read, {preview.filtered:,} filtered out{end}; "
        f"{units_of(preview.units, 'read')}; nothing was written",
    ]
    rejects = len(preview.rejects)
    if rejects:
        lines.append(f"{counted(rejects, 'row')} would be rejected:")
        lines += [f"  {reject.code}  {visible(reject.message)}" for reject in preview.rejects[:SHOWN_REJECTS]]
        if rejects > SHOWN_REJECTS:
            lines.append(f"  and {rejects - SHOWN_REJECTS:,} more")
    return "\n".join(lines)


def rows_as_table(rows: Sequence[Mapping[str, Any]], first: Sequence[str] = (), indent: str = "") -> str:
    """Rows of DynamoDB JSON as a table; columns that the terminal has no room for are named below it.

    ``first`` are the columns to begin with; the others follow in the order in which the rows have them.
    """
    present = dict.fromkeys(name for row in rows for name in row)
    names = [name for name in dict.fromkeys((*first, *present)) if name in present]
    limit = width()
    texts = {name: [_cell(row[name], limit is not None) if name in row else "" for row in rows] for name in names}
    shown, rest = _fitting(names, texts, limit - len(indent) if limit is not None else None)
    numbers = {name for name in shown if all("N" in row[name] for row in rows if name in row)}
    page = table(
        [Column(visible(name), right=name in numbers, least=NARROWEST_CELL) for name in shown],
        [[texts[name][i] for name in shown] for i in range(len(rows))],
        indent=indent,
    )
    if rest:
        listed = ", ".join(visible(name) for name in rest)
        page += "\n" + wrapped(f"{indent}and {counted(len(rest), 'more column')}: ", listed, page_width())
    return page


def _fitting(
    names: Sequence[str], texts: Mapping[str, Sequence[str]], limit: int | None
) -> tuple[list[str], list[str]]:
    """The columns that the terminal has room for, and the rest; the first one is always shown."""
    if limit is None:
        return list(names), []
    used = 0
    for position, name in enumerate(names):
        wide = max(cells(text) for text in (visible(name), *texts[name]))
        used += min(wide, NARROWEST_CELL) + 2
        if used - 2 > limit and position:
            return list(names[:position]), list(names[position:])
    return list(names), []


def _cell(value: Mapping[str, Any], cut: bool) -> str:
    text = value_text(value)
    return start_of(text, WIDEST_CELL) if cut else text


def value_text(value: Mapping[str, Any], nested: bool = False) -> str:
    """A value of DynamoDB JSON as a person reads it, on one line: ``'b'`` within documents, ``b`` by itself."""
    ((tag, content),) = value.items()
    match tag:
        case "S":
            return f"'{visible(content)}'" if nested or not content else visible(content)
        case "N":
            return visible(content)
        case "BOOL":
            return "true" if content else "false"
        case "NULL":
            return "NULL"
        case "B":
            return f"b64:{visible(content)}"
        case "L":
            return "[" + ", ".join(value_text(v, nested=True) for v in content) + "]"
        case "M":
            return "{" + ", ".join(f"{visible(k)}: {value_text(v, nested=True)}" for k, v in content.items()) + "}"
        case "SS" | "NS" | "BS":
            one = tag.removesuffix("S")
            return "{" + ", ".join(value_text({one: member}, nested=True) for member in content) + "}"
        case _:
            # A type that DynamoDB has and this version does not know.
            return visible(json.dumps(value, ensure_ascii=False))
