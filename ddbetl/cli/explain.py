"""What ``ddbetl explain`` does before it explains: it reads a price table, and takes a sample.

In: a file; a plan. Out: prices; a plan that knows more. Invariant: nothing is read before it is said what that costs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ddbetl.cli.terminal import err, page_width, wrapped
from ddbetl.cli.wording import counted, units_of
from ddbetl.plan.cost import asks_target, sampling_cost, why_unknown

if TYPE_CHECKING:
    from ddbetl.api import Plan
    from ddbetl.plan.prices import Prices


def read_prices(file: str) -> Prices:
    """The price table of a file."""
    from ddbetl.plan.prices import parsed

    try:
        return parsed(Path(file).read_text(encoding="utf-8-sig"), file)
    except OSError as error:
        raise click.BadParameter(f"{file}: {error.strerror}", param_hint="--prices") from None
    except UnicodeDecodeError:
        raise click.BadParameter(f"{file} is not UTF-8 text", param_hint="--prices") from None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--prices") from None


def with_sample(plan: Plan, items: int) -> Plan:
    """The plan with a sample of its sources."""
    if not items:
        return plan
    tables = len(plan.physical.scans)
    cost = sampling_cost(plan.physical, items)
    if cost is not None:
        units = f", about {units_of(round(cost, 1), 'read')}"
    else:
        units = f"; what that costs is not known: {why_unknown(plan.physical)}"
    each = "" if tables == 1 else f" of each of {tables} tables"
    write = plan.physical.write
    target = f" and as many of {write.table.name}" if write is not None and asks_target(plan.physical) else ""
    err(wrapped("", f"Sampling reads up to {counted(items, 'item')}{each}{target}{units}.", page_width()))
    return plan.sample(items)
