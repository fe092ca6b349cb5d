"""What ``ddbetl check`` says of a spec without errors.

In: a plan that was made offline. Out: a few lines: what the spec does, to what, and what was not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ddbetl.cli.terminal import page_width, wrapped
from ddbetl.cli.writes import effect

if TYPE_CHECKING:
    from ddbetl.api import Plan
    from ddbetl.expressions.projection import Projection


def summary(plan: Plan, name: str) -> str:
    """What was found in the spec."""
    from ddbetl.plan.logical import parts

    found = parts(plan.physical.logical)
    write = plan.physical.write
    rows = [
        ("from", ", ".join(found.scan.patterns)),
        ("where", plan.physical.transform.predicate_text),
        ("columns", columns(plan.physical.transform.projection)),
        ("limit", f"{plan.physical.limit:,} rows" if plan.physical.limit is not None else ""),
        effect(plan.physical) if write is not None else ("into", ""),
    ]
    lines = [click.style("OK", fg="green", bold=True) + f"  {name}"]
    lines += [wrapped(f"  {label:<8} ", value, page_width()) for label, value in rows if value]
    lines.append("Checked offline: the tables were not looked up. `ddbetl explain` does that, for zero units.")
    return "\n".join(lines)


def columns(projection: Projection) -> str:
    """The columns of the output with their types, where they are known."""
    named = [
        column.name if str(column.expression.type) == "ANY" else f"{column.name} {column.expression.type}"
        for column in projection.columns
    ]
    return ", ".join([*(["*"] if projection.star is not None else []), *named])
