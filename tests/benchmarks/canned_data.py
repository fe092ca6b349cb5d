"""The benchmark's data: thirteen monthly tables of invented customer events, as pages of DynamoDB JSON.

In: a table, a page number, the shape of the run, and the view (projection and filter) that a Scan asks for. Out: the
page's items as one piece of JSON, ready to be sent, with its CRC32, its counts and its last key.

A page is a template of items in which one marker, inside every CustomerID, is replaced by the page's own number:
making a page is one pass over bytes, yet no two pages share a key. Each table has `VARIANTS` templates, so times,
amounts and orders repeat on every second page of a table; keys never do.

Invariant: everything follows from the table, the page number and the shape; no key (CustomerID, whole second of
DateTime) occurs twice over all pages of all tables, so the main job's target has no key collisions.
"""

from __future__ import annotations

import functools
import json
import random
import re
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.benchmarks.canned_filter import Item, NotUnderstood, predicate

DOMAIN = "Devo"
REGION = "NA"
MONTHS = tuple((2016 + (4 + n) // 12, (4 + n) % 12 + 1) for n in range(13))
SOURCES = tuple(f"CustomerTracker_{DOMAIN}_{REGION}_{year}{month:02d}" for year, month in MONTHS)
TARGET = f"{DOMAIN}_{REGION}_AnniversaryPromo_2017"
TARGET_KEY = ("CustomerID", "CreationDateTime")
VARIANTS = 2
MAX_PAGES = 100_000

WITH_ORDER = 0.40
EMPTY_ORDER = 0.01
"""A few items have an OrderID of no characters: there, and still not to be copied."""

_MARKER = "~~~~~~~"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OFFSETS = ("-07:00", "-07:00", "-07:00", "-08:00", "-04:00", "+00:00", "+01:00", "+05:30", "+09:00")
_MARKETPLACES = ("ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1AM78C64UM0Y8")


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is: pages of each source table and items of each page."""

    pages_per_table: int
    items_per_page: int

    @property
    def items_per_table(self) -> int:
        return self.pages_per_table * self.items_per_page

    @property
    def items(self) -> int:
        return self.items_per_table * len(SOURCES)


@dataclass(frozen=True, slots=True)
class View:
    """What a Scan returns of the items that it read: some attributes (None: all) of some items.

    `condition` is a FilterExpression with its names and values as JSON, so that a view can be compared and kept.
    """

    projection: frozenset[str] | None = None
    condition: str | None = None

    @classmethod
    def of(cls, request: dict[str, Any]) -> View:
        """Return the view that a Scan asks for. Raises NotUnderstood."""
        names = request.get("ExpressionAttributeNames", {})
        projection = request.get("ProjectionExpression")
        chosen = None
        if projection is not None:
            if re.search(r"[.\[]", projection):
                raise NotUnderstood(projection)
            chosen = frozenset(names.get(part.strip(), part.strip()) for part in projection.split(","))
        filtered = request.get("FilterExpression")
        if filtered is None:
            return cls(chosen)
        values = request.get("ExpressionAttributeValues", {})
        predicate(filtered, names, values)
        return cls(chosen, json.dumps([filtered, names, values], sort_keys=True))


WHOLE = View()


@dataclass(frozen=True, slots=True)
class Page:
    """One page under one view: the start of the response body, up to the end of Items, and what the rest needs."""

    head: bytes
    crc: int
    count: int
    scanned: int
    size: int
    """DynamoDB's size of the items read, in bytes, before projection and filter: what is paid for."""
    last_key: str
    """The key of the last item read, as JSON."""


def template(table: int, variant: int, items: int) -> tuple[Item, ...]:
    """Return the items of one template, with the marker where the page number goes."""
    return _template(table, variant, items)


@functools.lru_cache(maxsize=4 * len(SOURCES) * VARIANTS)
def _template(table: int, variant: int, items: int) -> tuple[Item, ...]:
    rng = random.Random(f"{table}/{variant}/{items}")
    year, month = MONTHS[table]
    start = datetime(year, month, 1)
    seconds = int((datetime(year + month // 12, month % 12 + 1, 1) - start).total_seconds()) - 4 * 3600
    made: list[Item] = []
    customer = 0
    while len(made) < items:
        customer += 1
        customer_id = f"A{_MARKER}{_base36(customer * 104_729 % 36**4)}{_base36(rng.randrange(36**2))[2:]}"
        offset = rng.choice(_OFFSETS)
        when = start + timedelta(seconds=rng.randrange(seconds))
        for _ in range(min(rng.randint(1, 4), items - len(made))):
            made.append(_item(rng, customer_id, when, offset))
            when += timedelta(seconds=rng.randint(1, 3600))
    return tuple(made)


def _item(rng: random.Random, customer_id: str, when: datetime, offset: str) -> Item:
    order: Item = {}
    drawn = rng.random()
    if drawn < WITH_ORDER:
        order = {"OrderID": {"S": f"11{rng.randint(0, 4)}-{rng.randrange(10**7):07d}-{rng.randrange(10**7):07d}"}}
    elif drawn < WITH_ORDER + EMPTY_ORDER:
        order = {"OrderID": {"S": ""}}
    return {
        "MarketplaceID": {"S": rng.choice(_MARKETPLACES)},
        **order,
        "Amount": {"N": f"{rng.randrange(100, 500_00) / 100:.2f}".rstrip("0").rstrip(".")},
        "CustomerID": {"S": customer_id},
        "SessionID": {"S": f"13{rng.randint(0, 9)}-{rng.randrange(10**7):07d}-{rng.randrange(10**7):07d}"},
        "DateTime": {"S": f"{when:%Y-%m-%dT%H:%M:%S}.{rng.randrange(1000):03d}{offset}"},
    }


def _base36(number: int) -> str:
    return "".join(_DIGITS[number // 36**place % 36] for place in (3, 2, 1, 0))


def select(items: tuple[Item, ...], view: View) -> list[Item]:
    """Apply a view to items."""
    keeps = predicate(*json.loads(view.condition)) if view.condition is not None else None
    return [
        item if view.projection is None else {name: item[name] for name in item if name in view.projection}
        for item in items
        if keeps is None or keeps(item)
    ]


def page_items(table: int, page: int, shape: Shape) -> tuple[Item, ...]:
    """Return the items of one page as Python objects, for the paths where speed is of no interest."""
    number = page_number(table, page)
    return tuple(
        {**item, "CustomerID": {"S": item["CustomerID"]["S"].replace(_MARKER, number)}}
        for item in template(table, page % VARIANTS, shape.items_per_page)
    )


def page_number(table: int, page: int) -> str:
    """Return the seven digits that stand for one page in its keys."""
    if not 0 <= page < MAX_PAGES:
        raise ValueError(f"page {page} is not in 0..{MAX_PAGES - 1}")
    return f"{table * MAX_PAGES + page:07d}"


def page_of_key(key: dict[str, Any]) -> tuple[int, int]:
    """Return the table and page that a source key belongs to. Raises ValueError for a key that no page has."""
    try:
        number = int(key["CustomerID"]["S"][1:8])
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"not a key of these tables: {key!r}") from None
    return divmod(number, MAX_PAGES)


def source_key(item: Item) -> Item:
    """Return the primary key of a source item."""
    return {name: item[name] for name in ("CustomerID", "DateTime")}


def compact(value: object) -> str:
    """Return JSON without spaces, as DynamoDB sends it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def item_size(item: Item) -> int:
    """Return DynamoDB's size of an item: names and values in UTF-8, a number about half a byte a digit and one."""
    total = 0
    for name, typed in item.items():
        ((kind, value),) = typed.items()
        digits = len(value.lstrip("-").replace(".", ""))
        total += len(name.encode()) + ((digits + 1) // 2 + 1 if kind == "N" else len(value.encode()))
    return total


@dataclass(frozen=True, slots=True)
class _Rendered:
    head: bytes
    count: int
    scanned: int
    size: int
    last_key: str


@functools.lru_cache(maxsize=16 * len(SOURCES) * VARIANTS)
def _rendered(table: int, variant: int, items: int, view: View) -> _Rendered:
    whole = template(table, variant, items)
    chosen = select(whole, view)
    return _Rendered(
        f'{{"Items":{compact(chosen)}'.encode(),
        len(chosen),
        len(whole),
        sum(map(item_size, whole)),
        compact(source_key(whole[-1])),
    )


class PageStore:
    """Pages by table, page, shape and view; kept in memory up to a limit, made anew beyond it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._pages: dict[tuple[int, int, int, View], Page] = {}

    def page(self, table: int, page: int, shape: Shape, view: View) -> Page:
        """Return one page; the first time it is made, which costs about half a millisecond."""
        key = (table, page, shape.items_per_page, view)
        found = self._pages.get(key)
        if found is not None:
            return found
        rendered = _rendered(table, page % VARIANTS, shape.items_per_page, view)
        number = page_number(table, page)
        head = rendered.head.replace(_MARKER.encode(), number.encode())
        made = Page(
            head,
            zlib.crc32(head),
            rendered.count,
            rendered.scanned,
            rendered.size,
            rendered.last_key.replace(_MARKER, number),
        )
        if self._held + len(head) <= self._limit:
            self._held += len(head)
            self._pages[key] = made
        return made

    def warm(self, shape: Shape, view: View) -> None:
        """Make every page of a shape beforehand, so that a timed run does not pay for it."""
        for table in range(len(SOURCES)):
            for page in range(shape.pages_per_table):
                self.page(table, page, shape, view)


def table_bytes(table: int, shape: Shape) -> int:
    """Return TableSizeBytes of a source table, exactly."""
    return sum(
        _rendered(table, page % VARIANTS, shape.items_per_page, WHOLE).size for page in range(shape.pages_per_table)
    )


def promoted_items(shape: Shape) -> int:
    """Return how many items of all source tables the main job writes: those with an OrderID that is not empty."""
    return sum(
        _promoted(table, page % VARIANTS, shape.items_per_page)
        for table in range(len(SOURCES))
        for page in range(shape.pages_per_table)
    )


@functools.lru_cache(maxsize=4 * len(SOURCES) * VARIANTS)
def _promoted(table: int, variant: int, items: int) -> int:
    return sum(bool(item.get("OrderID", {}).get("S")) for item in template(table, variant, items))
