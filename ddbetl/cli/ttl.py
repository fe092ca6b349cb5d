"""``ddbetl ttl``: when the rows of a plan expire, from a dry pass.

In: a plan with ``ttl_attribute``, a moment. Out: how many rows are past then, a bar for each month, or JSON.
Invariant: nothing is written; the bars say the same without colours.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from ddbetl.cli.dry import closing, pass_value, passed, what_is_read
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import complain, err, json_text, out, page_width, visible, wrapped
from ddbetl.cli.wording import counted, percent

if TYPE_CHECKING:
    from ddbetl.api import Expiry, Plan

# More months than these are shown by year.
MOST_MONTHS = 36
# Cells of the longest bar, and what its last cell is filled with, by eighths.
LONGEST = 40
EIGHTHS = " ▏▎▍▌▋▊▉"


def show(plan: Plan, at: int | None, mode: str, as_json: bool) -> int:
    """Print when the rows of a plan expire; ``at``: seconds since 1970, None for now. Returns the exit code."""
    write = plan.physical.write
    if write is None or write.ttl_attribute is None:
        complain(
            "error: the spec does not say by which column its rows expire\n"
            " = WITH (ttl_attribute = column) does, or --with 'ttl_attribute = column'; and the spec needs a target"
        )
        return ExitCode.SPEC_ERROR
    moment = at if at is not None else plan.physical.now.millis // 1000
    err(wrapped("", what_is_read(plan), page_width()))
    expiry, report = passed(mode, lambda show, stop: plan.expiry(moment, progress=show, stop=stop))
    if as_json:
        out(json_text(as_value(expiry) | pass_value(report)))
    else:
        out("\n".join([page(expiry), *closing(report)]))
    return ExitCode.DONE


def page(expiry: Expiry) -> str:
    """How many rows are past at the moment, and the bars."""
    name, moment = visible(expiry.attribute), _iso(expiry.at)
    share = f" ({percent(expiry.expired / expiry.rows)})" if expiry.rows else ""
    title = f"{expiry.expired:,} of {counted(expiry.rows, 'row')}{share} expire by {moment}"
    lines = [click.style(title, bold=True), *bars(expiry.months, expiry.at)]
    if expiry.never:
        lines.append(f"  {counted(expiry.never, 'row')} without {name}: never")
    if expiry.kept:
        said = f"{counted(expiry.kept, 'row')} are past for more than five years then: such items DynamoDB keeps."
        lines.append(wrapped("  ", said, page_width()))
    return "\n".join(lines)


def bars(months: Mapping[tuple[int, int], int], at: int) -> list[str]:
    """A line for each month, or for each year where there are many; those that are past at the moment are marked."""
    if not months:
        return []
    now = datetime.fromtimestamp(at, UTC)
    first, last = min(months), max(months)
    span = (last[0] - first[0]) * 12 + last[1] - first[1] + 1
    if span <= MOST_MONTHS:
        places = [divmod(first[0] * 12 + first[1] - 1 + number, 12) for number in range(span)]
        rows = [(f"{year:04}-{month + 1:02}", months.get((year, month + 1), 0)) for year, month in places]
        here = f"{now.year:04}-{now.month:02}"
    else:
        years: dict[str, int] = {}
        for (year, _), count in sorted(months.items()):
            years[f"{year:04}"] = years.get(f"{year:04}", 0) + count
        rows, here = list(years.items()), f"{now.year:04}"
    most = max(count for _, count in rows)
    width = len(f"{most:,}")
    lines = []
    for label, count in rows:
        mark = "past" if label < here else "now" if label == here else ""
        bar = _bar(count, most)
        blank = " " * (LONGEST - len(bar) + 2) if mark else ""
        painted = click.style(bar, fg="yellow" if mark else "cyan") if bar else ""
        lines.append(f"  {label}  {count:>{width},}  {painted}{blank}{mark}".rstrip())
    return lines


def _bar(count: int, most: int) -> str:
    """A bar; what is more than nothing is seen."""
    eighths = max(1, round(8 * LONGEST * count / most)) if count else 0
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def as_value(expiry: Expiry) -> dict[str, Any]:
    """The same as a JSON value."""
    return {
        "ddbetl_ttl": 1,
        "ttl_attribute": expiry.attribute,
        "at": _iso(expiry.at),
        "rows": expiry.rows,
        "expired": expiry.expired,
        "kept": expiry.kept,
        "never": expiry.never,
        "months": {f"{year:04}-{month:02}": count for (year, month), count in expiry.months.items()},
    }


def _iso(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
