"""The benchmark's data: monthly tables of invented customer events, thirteen or another number, as pages of DynamoDB JSON.

In: a table, a page number, the shape of the run, and the view (projection and filter) that a Scan asks for. Out: the
page's items as one piece of JSON, ready to be sent, with its CRC32, its counts and its last key.

A page is a template of items in which one marker, inside every CustomerID, is replaced by the page's own number:
making a page is one pass over bytes, yet no two pages share a key. Each of the first thirteen tables has `VARIANTS`
templates of the main job's items, so times, amounts and orders repeat on every second page of a table; keys never do.
Tables beyond them have the templates of these; items of another kind have the first table's in all tables.

Invariant: everything follows from the table, the page number and the shape; no key (CustomerID, whole second of
DateTime) occurs twice over all pages of all tables, so the main job's target has no key collisions.
"""

from __future__ import annotations

import functools
import json
import math
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.benchmarks.canned_filter import Item, NotUnderstood, predicate

DOMAIN = "Devo"
REGION = "NA"
MONTHS = tuple((2016 + (4 + n) // 12, (4 + n) % 12 + 1) for n in range(13))
MOST_TABLES = 500
_MONTH = re.compile(rf"CustomerTracker_{DOMAIN}_{REGION}_(\d{{4}})(\d\d)")


def source_name(table: int) -> str:
    """Return the name of one source: that of a month from May 2016 on."""
    months = 2016 * 12 + 4 + table
    return f"CustomerTracker_{DOMAIN}_{REGION}_{months // 12}{months % 12 + 1:02d}"


def source_number(name: str) -> int:
    """Return the number of a source, by its name. Raises ValueError for a name that none can have."""
    found = _MONTH.fullmatch(name)
    number = -1 if found is None else int(found[1]) * 12 + int(found[2]) - 1 - (2016 * 12 + 4)
    if not 0 <= number < MOST_TABLES or source_name(number) != name:
        raise ValueError(f"{name} is no source")
    return number


SOURCES = tuple(map(source_name, range(len(MONTHS))))
TARGET = f"{DOMAIN}_{REGION}_AnniversaryPromo_2017"
TARGET_KEY = (("CustomerID", "S"), ("CreationDateTime", "N"))
SOURCE_KEY = (("CustomerID", "S"), ("DateTime", "S"))
"""Names and types."""
VARIANTS = 2
MAX_PAGES = 10_000
HEAVY = 0.8
"""The share of the pages that a skewed shape has in one place."""

WITH_ORDER = 0.40
EMPTY_ORDER = 0.01
"""A few items have an OrderID of no characters: there, and still not to be copied."""

_MARKER = "~~~~~~~"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_OFFSETS = ("-07:00", "-07:00", "-07:00", "-08:00", "-04:00", "+00:00", "+01:00", "+05:30", "+09:00")
_MARKETPLACES = ("ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1AM78C64UM0Y8")


@dataclass(frozen=True, slots=True)
class Kind:
    """What the items look like. Those of the main job have five attributes, and six where there is an order."""

    attributes: int = 6
    """How many, the order included: 3 are the key and the order; those beyond six are short texts and numbers."""
    item_bytes: int = 0
    """DynamoDB's size of an item, at least: a text fills it up."""
    with_order: float = WITH_ORDER
    """The share of the items that the main job writes."""


MAIN_KIND = Kind()


@dataclass(frozen=True, slots=True)
class Shape:
    """How much there is: pages of each source table, on the average, and items of each page; where it is, and of what
    kind."""

    pages_per_table: int
    items_per_page: int
    tables: int = len(SOURCES)
    skew: str = ""
    """Where `HEAVY` of the pages are: in the first of the "tables", in the first of the "segments" of each table, or
    nowhere in particular."""
    kind: Kind = MAIN_KIND

    @property
    def pages(self) -> int:
        return self.pages_per_table * self.tables

    @property
    def items(self) -> int:
        return self.pages * self.items_per_page

    def pages_of(self, table: int) -> int:
        """Return how many pages one table has."""
        if self.skew != "tables" or self.tables == 1:
            return self.pages_per_table
        heavy = round(self.pages * HEAVY)
        each, more = divmod(self.pages - heavy, self.tables - 1)
        return heavy if table == 0 else each + (table <= more)

    def segment(self, table: int, segment: int, segments: int) -> range:
        """Return the pages of one segment of a table, in the order in which a Scan returns them."""
        pages = self.pages_of(table)
        if self.skew != "segments" or segments == 1:
            return range(segment, pages, segments)
        heavy = round(pages * HEAVY)
        return range(heavy) if segment == 0 else range(heavy + segment - 1, pages, segments - 1)


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


def template(table: int, variant: int, shape: Shape) -> tuple[Item, ...]:
    """Return the items of one template, with the marker where the page number goes."""
    return _template(_origin(table, shape), variant, shape.items_per_page, shape.kind)


def _origin(table: int, shape: Shape) -> int:
    """Return the table whose templates a table has."""
    return table % len(SOURCES) if shape.kind == MAIN_KIND else 0


@functools.lru_cache(maxsize=2 * len(SOURCES) * VARIANTS)
def _template(table: int, variant: int, items: int, kind: Kind) -> tuple[Item, ...]:
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
            made.append(_item(rng, customer_id, when, offset, kind))
            when += timedelta(seconds=rng.randint(1, 3600))
    return tuple(made)


def _item(rng: random.Random, customer_id: str, when: datetime, offset: str, kind: Kind) -> Item:
    order: Item = {}
    drawn = rng.random()
    if drawn < kind.with_order:
        order = {"OrderID": {"S": f"11{rng.randint(0, 4)}-{rng.randrange(10**7):07d}-{rng.randrange(10**7):07d}"}}
    elif drawn < kind.with_order + EMPTY_ORDER:
        order = {"OrderID": {"S": ""}}
    key: Item = {"CustomerID": {"S": customer_id}}
    time: Item = {"DateTime": {"S": f"{when:%Y-%m-%dT%H:%M:%S}.{rng.randrange(1000):03d}{offset}"}}
    session: Item = {"SessionID": {"S": f"13{rng.randint(0, 9)}-{rng.randrange(10**7):07d}-{rng.randrange(10**7):07d}"}}
    amount: Item = {"Amount": {"N": f"{rng.randrange(100, 500_00) / 100:.2f}".rstrip("0").rstrip(".")}}
    marketplace: Item = {"MarketplaceID": {"S": rng.choice(_MARKETPLACES)}}
    if kind.attributes == 3:
        made = {**key, **order, **time}
    else:
        made = {**marketplace, **order, **amount, **key, **session, **time}
    for number in range(7, kind.attributes + 1):
        value = str(rng.randrange(10**6))
        made[f"Field{number:03d}"] = {"N": value} if number % 2 else {"S": f"value {value}"}
    missing = kind.item_bytes - item_size(made) - len("Payload")
    return {**made, "Payload": {"S": _text(rng, missing)}} if missing > 0 else made


def _text(rng: random.Random, length: int) -> str:
    """Return letters and digits: so many characters, of which a thousand are drawn."""
    some = "".join(rng.choices(_DIGITS, k=min(length, 1000)))
    return (some * (length // len(some) + 1))[:length]


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
        for item in template(table, page % VARIANTS, shape)
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
    return {name: item[name] for name, _ in SOURCE_KEY}


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


def _rendered(table: int, page: int, shape: Shape, view: View) -> _Rendered:
    return _rendered_template(_origin(table, shape), page % VARIANTS, shape.items_per_page, shape.kind, view)


@functools.lru_cache(maxsize=4 * len(SOURCES) * VARIANTS)
def _rendered_template(table: int, variant: int, items: int, kind: Kind, view: View) -> _Rendered:
    return _of_items(_template(table, variant, items, kind), view)


def _of_items(read: tuple[Item, ...], view: View) -> _Rendered:
    chosen = select(read, view)
    return _Rendered(
        f'{{"Items":{compact(chosen)}'.encode(),
        len(chosen),
        len(read),
        sum(map(item_size, read)),
        compact(source_key(read[-1])),
    )


def part_of_page(table: int, page: int, shape: Shape, view: View, skip: int, limit: int) -> Page:
    """Make a page that starts or stops inside a whole one: what Limit asks for."""
    whole = (_origin(table, shape), page % VARIANTS, shape.items_per_page, shape.kind)
    return _made(_rendered_part(*whole, view, skip, limit), page_number(table, page))


@functools.lru_cache(maxsize=4096)
def _rendered_part(table: int, variant: int, items: int, kind: Kind, view: View, skip: int, limit: int) -> _Rendered:
    return _of_items(_template(table, variant, items, kind)[skip : skip + limit], view)


def place_of_key(table: int, page: int, shape: Shape, key: dict[str, Any]) -> int | None:
    """Return the place in a page of the item that has a source key; None where there is none."""
    if set(key) != {name for name, _ in SOURCE_KEY}:
        return None
    places = _places(_origin(table, shape), page % VARIANTS, shape.items_per_page, shape.kind)
    return places.get(compact(source_key(key)).replace(page_number(table, page), _MARKER, 1))


@functools.lru_cache(maxsize=2 * VARIANTS)
def _places(table: int, variant: int, items: int, kind: Kind) -> dict[str, int]:
    return {compact(source_key(item)): place for place, item in enumerate(_template(table, variant, items, kind))}


def _made(rendered: _Rendered, number: str) -> Page:
    """Return a page with its number in its keys."""
    head = rendered.head.replace(_MARKER.encode(), number.encode())
    last_key = rendered.last_key.replace(_MARKER, number)
    return Page(head, zlib.crc32(head), rendered.count, rendered.scanned, rendered.size, last_key)


class PageStore:
    """Pages by table, page, shape and view; kept in memory up to a limit, made anew beyond it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._pages: dict[tuple[int, int, int, Kind, View], Page] = {}

    def page(self, table: int, page: int, shape: Shape, view: View) -> Page:
        """Return one page; the first time it is made, which costs about half a millisecond."""
        key = (table, page, shape.items_per_page, shape.kind, view)
        found = self._pages.get(key)
        if found is not None:
            return found
        made = _made(_rendered(table, page, shape, view), page_number(table, page))
        if self._held + len(made.head) <= self._limit:
            self._held += len(made.head)
            self._pages[key] = made
        return made

    def warm(self, shape: Shape, view: View) -> None:
        """Make the pages of a shape beforehand, as many as are kept, so that a timed run does not pay for them."""
        for table in range(shape.tables):
            for page in range(shape.pages_of(table)):
                if page >= VARIANTS and self._held >= self._limit:
                    break
                self.page(table, page, shape, view)


def table_bytes(table: int, shape: Shape) -> int:
    """Return TableSizeBytes of a source table, exactly."""
    return sum(
        times * _rendered(table, variant, shape, WHOLE).size for variant, times in _variants(shape.pages_of(table))
    )


def promoted_items(shape: Shape) -> int:
    """Return how many items of all source tables the main job writes: those with an OrderID that is not empty."""
    return sum(
        times * _promoted(_origin(table, shape), variant, shape.items_per_page, shape.kind)
        for table in range(shape.tables)
        for variant, times in _variants(shape.pages_of(table))
    )


def _variants(pages: int) -> list[tuple[int, int]]:
    """Return how many of so many pages are of each variant."""
    return [(variant, len(range(variant, pages, VARIANTS))) for variant in range(VARIANTS)]


@functools.lru_cache(maxsize=4 * len(SOURCES) * VARIANTS)
def _promoted(table: int, variant: int, items: int, kind: Kind) -> int:
    return sum(is_promoted(item) for item in _template(table, variant, items, kind))


def is_promoted(item: Item) -> bool:
    """Say whether the main job writes a source item."""
    return bool(item.get("OrderID", {}).get("S"))


def written_items(shape: Shape, copies: bool) -> Iterator[Item]:
    """Yield what the main job, or a copy of every item, is to leave in the target."""
    for table in range(shape.tables):
        for page in range(shape.pages_of(table)):
            for item in page_items(table, page, shape):
                if copies:
                    yield item
                elif is_promoted(item):
                    yield promoted(item)


def promoted(item: Item) -> Item:
    """Return what the main job makes of a source item."""
    seconds = math.floor(datetime.fromisoformat(item["DateTime"]["S"]).timestamp())
    return {
        "CustomerID": item["CustomerID"],
        "CreationDateTime": {"N": str(seconds)},
        "ExpirationTimestamp": {"N": str(seconds + 365 * 86400)},
        "OrderID": item["OrderID"],
    }
