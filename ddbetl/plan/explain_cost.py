"""What explain says of a job's cost: units, dollars, time.

In: an Estimate. Out: the section ESTIMATE, and the JSON value of ``estimate``. Invariant: a range is shown wherever
there is one; nothing looks more certain than it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ddbetl.plan.cost import Estimate
from ddbetl.plan.layout import CENT, columns, dollars, duration, wrapped
from ddbetl.plan.prices import Prices
from ddbetl.plan.samples import NOTHING, Range

COUNTED = "from the sizes that DynamoDB counts every six hours; this page cost no units"
SAMPLING = "--sample N measures them"


def section(found: Estimate, prices: Prices | None, width: int) -> str:
    """The section of the page; empty where nothing is known."""
    if found.read_units is None and not found.assumptions:
        return ""
    if found.read_units is None or not found.read_units.expected:
        if not found.assumptions:
            return f"ESTIMATE  nothing is read\n  ({COUNTED})"
        hint = "" if found.sampled else f"\n  {SAMPLING}"
        return f"ESTIMATE  {found.assumptions[0]}\n  ({COUNTED}){hint}"
    basis = COUNTED
    if found.sampled:
        items = "1 item" if found.sampled == 1 else f"{found.sampled:,} items"
        basis = f"from a sample of {items}, which cost {count_text(found.sample_units)} read units"
    rows = [row for row in _lines(found, prices) if row[1]]
    (first, *more) = wrapped(basis, width - len("ESTIMATE  "))
    head = "\n          ".join([f"ESTIMATE  {first}", *more])
    return f"{head}\n{columns(rows, wrap=1, width=width)}"


def _lines(found: Estimate, prices: Prices | None) -> Iterator[tuple[str, str]]:
    if found.items is not None:
        yield "items read", _range(found.items)
    if found.rows is not None:
        yield "rows", _range(found.rows)
    yield "reading", _units(found.read_units, "read")
    yield "writing", _units(found.write_units, "write")
    if found.compare_units is not None and found.compare_units != NOTHING:
        yield "comparing", _units(found.compare_units, "read")
    yield "dollars", _money(found, prices)
    if found.pace is not None:
        yield "time", f"{_seconds(found.pace.seconds)}; the limit is {found.pace.reason}"
        if found.pace.faster is not None:
            yield "faster", f"{found.pace.faster.option} takes {_about(found.pace.faster.seconds)}"
    for number, assumption in enumerate(found.assumptions):
        yield "" if number else "assumed", assumption
    if found.assumptions and not found.sampled:
        yield "", SAMPLING


def _money(found: Estimate, prices: Prices | None) -> str:
    charges = found.charges
    if prices is None or not charges:
        return ""
    unknown = dict.fromkeys(charge.why for charge in charges if charge.why)
    if unknown:
        return f"not known: {'; '.join(unknown)}"
    paid = [charge for charge in charges if charge.billing != "PROVISIONED"]
    free = list(dict.fromkeys(charge.table for charge in charges if charge.billing == "PROVISIONED"))
    said = []
    for what, doing in (("read", "reading"), ("write", "writing"), ("compare", "comparing")):
        some = [charge.dollars for charge in paid if charge.what == what and charge.dollars is not None]
        if some:
            said.append(f"{_dollars(sum(some, NOTHING))} for {doing}")
    total = found.dollars or NOTHING
    parts = [", ".join(said)] if len(said) > 1 and total.high >= CENT else []
    if free:
        names = free[0] if len(free) == 1 else f"{len(free)} tables"
        parts.append(f"{names}: within what is provisioned, which is paid for anyway")
    if said:
        parts.append(f"prices of {prices.date}")
    return "; ".join([_dollars(total), *parts])


# Numbers


def count_text(value: float) -> str:
    """A number of units or items: whole, but for a few."""
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:,.1f}".removesuffix(".0")


def _range(found: Range | None) -> str:
    if found is None:
        return "unknown"
    low, expected, high = (count_text(value) for value in (found.low, found.expected, found.high))
    if low == high:
        return expected
    if expected == high:
        return f"{low} to {high}"
    return f"{expected} ({low} to {high})"


def _units(found: Range | None, direction: str) -> str:
    return f"{_range(found)} {direction} unit{'' if _range(found) == '1' else 's'}" if found is not None else ""


def _dollars(found: Range) -> str:
    low, expected, high = (dollars(value) for value in (found.low, found.expected, found.high))
    if low == high:
        return expected
    return f"{low} to {high}" if expected == high else f"{expected} ({low} to {high})"


def _seconds(found: Range) -> str:
    low, expected, high = (_about(value) for value in (found.low, found.expected, found.high))
    if low == high:
        return expected
    return f"{low} to {high}" if expected == high else f"{expected} ({low} to {high})"


def _about(seconds: float) -> str:
    return duration(max(1, seconds))


# As JSON


def as_json(found: Estimate, prices: Prices | None) -> dict[str, Any]:
    """The JSON value of ``estimate``."""
    pace = found.pace
    return {
        "read_units": found.read_units.expected if found.read_units is not None else None,
        "read_seconds": found.read_seconds,
        "items": _ends(found.items),
        "rows": _ends(found.rows),
        "reading": _ends(found.read_units),
        "writing": _ends(found.write_units),
        "comparing": _ends(found.compare_units),
        "dollars": _ends(found.dollars),
        "charges": [
            {
                "table": charge.table,
                "what": charge.what,
                "region": charge.region,
                "billing": charge.billing,
                "units": charge.units.expected,
                "dollars": charge.dollars.expected if charge.dollars is not None else None,
                "why": charge.why or None,
            }
            for charge in found.charges
        ],
        "prices": {"date": prices.date, "source": prices.source} if prices is not None else None,
        "seconds": _ends(pace.seconds if pace is not None else None),
        "limit": {"kind": pace.limit, "reason": pace.reason} if pace is not None else None,
        "faster": {"option": pace.faster.option, "seconds": pace.faster.seconds}
        if pace is not None and pace.faster is not None
        else None,
        "assumptions": list(found.assumptions),
        "sample": {"items": found.sampled, "read_units": found.sample_units} if found.sampled else None,
    }


def _ends(found: Range | None) -> dict[str, float] | None:
    if found is None:
        return None
    return {"low": found.low, "expected": found.expected, "high": found.high}
