"""What capacity units cost.

In: the text of a price table, a JSON file. Out: Prices, which are asked by region, table class and billing. Invariant:
what the table does not have is not known; nothing is guessed from another region.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

VERSION = 1
STANDARD = "STANDARD"
CLASSES = (STANDARD, "STANDARD_INFREQUENT_ACCESS")
MODES = ("on_demand", "provisioned")
MILLION = 1_000_000
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for reading and for writing: of a million request units, or of one unit for an hour."""

    read: float
    write: float


@dataclass(frozen=True, slots=True)
class Prices:
    """A price table. ``date``: of the prices, as 2026-09-11. ``table``: by region, table class, and on_demand or
    provisioned."""

    date: str
    source: str
    table: Mapping[tuple[str, str, str], Price]

    def of(self, region: str, table_class: str, mode: str) -> Price | None:
        """The price of capacity in a region; None where it is not known."""
        return self.table.get((region, table_class, mode))


@cache
def shipped() -> Prices:
    """The prices that are in the package."""
    return parsed(files("ddbetl").joinpath("plan/prices.json").read_text(encoding="utf-8"), "prices.json")


def parsed(text: str, name: str) -> Prices:
    """Read a price table; raises ValueError, with what is wrong in it. The schema is in docs/explain.md."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is no JSON: {error}") from None
    try:
        return _prices(given)
    except ValueError as error:
        raise ValueError(f"{name} is no price table: {error}") from None


def _prices(given: Any) -> Prices:
    top = _object(given, "the file")
    version = top.get("ddbetl_prices")
    # In Python, true and 1.0 are equal to 1.
    if type(version) is not int or version != VERSION:
        raise ValueError(f"ddbetl_prices must be {VERSION}")
    said, source = top.get("date"), top.get("source", "")
    if not isinstance(said, str) or not _DATE.fullmatch(said):
        raise ValueError("date must be the date of the prices, as in 2026-09-11")
    try:
        date.fromisoformat(said)
    except ValueError:
        raise ValueError(f"date must be the date of the prices, and there is no {said}") from None
    if not isinstance(source, str):
        raise ValueError("source must be a text")
    table: dict[tuple[str, str, str], Price] = {}
    for region, classes in _object(top.get("regions"), "regions").items():
        for table_class, modes in _object(classes, region, CLASSES).items():
            for mode, price in _object(modes, f"{region}, {table_class}", MODES).items():
                table[region, table_class, mode] = _price(price, f"{region}, {table_class}, {mode}")
    return Prices(said, source, table)


def _object(value: Any, where: str, names: tuple[str, ...] | None = None) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object")
    strange = [name for name in value if names is not None and name not in names]
    if strange and names is not None:
        raise ValueError(f"{where} has {strange[0]!r}; it can have {' and '.join(names)}")
    return value


def _price(value: Any, where: str) -> Price:
    found = _object(value, where, ("read", "write"))
    for name in ("read", "write"):
        dollars = found.get(name)
        if isinstance(dollars, bool) or not isinstance(dollars, int | float) or not 0 <= dollars < MILLION:
            raise ValueError(f"{where}: {name} must be a number of dollars")
    return Price(float(found["read"]), float(found["write"]))
