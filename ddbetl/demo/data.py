"""The demo's data: monthly CustomerTracker tables of orders.

In: a month, a number of items, a seed. Out: items in DynamoDB JSON (binary as Base64 text), such as::

    {"CustomerID": {"S": "A0O9R8NP4EX"}, "DateTime": {"S": "2016-05-03T10:28:27.876-07:00"},
     "OrderID": {"S": "114-2904716-8812003"}, "Amount": {"N": "59.90"}, "Channel": {"S": "web"}}

Three items in ten have no OrderID, a few have an empty one, and a quarter carries attributes of every DynamoDB type.

Invariant: the same arguments give the same items on every machine, and no two items, whatever their tables, share a
customer and a whole second, unless ``same_second`` asks for it.
"""

from __future__ import annotations

import base64
import random
import string
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any, Protocol, TypeAlias, TypeVar

Value: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, Value]

MONTHS = (
    "201605",
    "201606",
    "201607",
    "201608",
    "201609",
    "201610",
    "201611",
    "201612",
    "201701",
    "201702",
    "201703",
    "201704",
    "201705",
)
ITEMS_PER_TABLE = 500
SEED = 2017
# Read and write units per second of the tables that have provisioned ones. The target's are such that a tenth of them
# writes the demo's table in some seconds: long enough to watch.
SOURCE_UNITS = (2_000, 2_000)
TARGET_UNITS = (1_000, 10_000)

_T = TypeVar("_T")
_HOUR = 3600
# Minutes east of UTC, as often as here. The tables are of North America; a few orders come from travellers.
_OFFSETS = (-420,) * 5 + (-480,) * 3 + (-300,) * 3 + (-240,) * 2 + (0,) * 4 + (-210, 60, 330, 540)
_CHANNELS = ("web",) * 5 + ("app",) * 4 + ("phone",)
_ALPHABET = string.digits + string.ascii_uppercase
# Prime to 36: customers' numbers become codes that look drawn, and no two are equal.
_SCATTER = 2_862_933_555_777_941


class Client(Protocol):
    """What the loader calls of a boto3 DynamoDB client."""

    def create_table(self, **request: Any) -> Any: ...
    def batch_write_item(self, **request: Any) -> Any: ...
    def get_waiter(self, name: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Loaded:
    """The tables that ``load`` made."""

    sources: tuple[str, ...]
    target: str
    items: int


def source_table(month: str, domain: str = "Devo", region: str = "NA") -> str:
    """Name the table of one month."""
    return f"CustomerTracker_{domain}_{region}_{month}"


def target_table(domain: str = "Devo", region: str = "NA") -> str:
    """Name the table that the demo's spec fills."""
    return f"{domain}_{region}_AnniversaryPromo_2017"


def load(
    client: Client,
    items_per_table: int = ITEMS_PER_TABLE,
    months: Sequence[str] = MONTHS,
    *,
    domain: str = "Devo",
    region: str = "NA",
    seed: int = SEED,
    same_second: int = 0,
    on_table: Callable[[str, int], None] = lambda name, items: None,
    sleep: Callable[[float], None] = time.sleep,
) -> Loaded:
    """Create the monthly tables with their items, and the empty target.

    Every second source bills on demand, the others have ``SOURCE_UNITS`` provisioned, so that a percentage has either
    base to refer to. ``on_table`` is called after each source with its name and number of items. A table that exists
    already is the client's ``ResourceInUseException``: nothing is overwritten.

    Limit: 25 requests of at most 16 MB together, BatchWriteItem API reference.
    """
    target = target_table(domain, region)
    sources = tuple(source_table(month, domain, region) for month in months)
    _create(client, target, "CreationDateTime", "N", TARGET_UNITS)
    for i, name in enumerate(sources):
        _create(client, name, "DateTime", "S", SOURCE_UNITS if i % 2 else None)
    for name in (target, *sources):
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    for month, name in zip(months, sources, strict=True):
        rows = items(month, items_per_table, seed, same_second=same_second)
        while requests := [{"PutRequest": {"Item": to_client(item)}} for item in islice(rows, 25)]:
            _write(client, name, requests, sleep)
        on_table(name, items_per_table)
    return Loaded(sources, target, items_per_table * len(sources))


def to_client(item: Item) -> Item:
    """Return the item as boto3's client takes it: binary as bytes instead of Base64 text."""
    return {name: _value_to_client(value) for name, value in item.items()}


def _value_to_client(value: Value) -> Value:
    match value:
        case {"B": text}:
            return {"B": base64.b64decode(text)}
        case {"BS": texts}:
            return {"BS": [base64.b64decode(text) for text in texts]}
        case {"L": values}:
            return {"L": [_value_to_client(v) for v in values]}
        case {"M": fields}:
            return {"M": to_client(fields)}
        case _:
            return value


def _create(client: Client, name: str, range_key: str, range_type: str, units: tuple[int, int] | None) -> None:
    billing: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
    if units is not None:
        read, write = units
        billing = {"ProvisionedThroughput": {"ReadCapacityUnits": read, "WriteCapacityUnits": write}}
    client.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "CustomerID", "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "CustomerID", "AttributeType": "S"},
            {"AttributeName": range_key, "AttributeType": range_type},
        ],
        **billing,
    )


def _write(client: Client, table: str, requests: list[dict[str, Any]], sleep: Callable[[float], None]) -> None:
    pause = 0.05
    while requests:
        answer = client.batch_write_item(RequestItems={table: requests})
        requests = answer.get("UnprocessedItems", {}).get(table, [])
        if requests:
            sleep(pause)
            pause = min(2 * pause, 5.0)


def items(month: str, n: int = ITEMS_PER_TABLE, seed: int = SEED, *, same_second: int = 0) -> Iterator[Item]:
    """Yield the items of one month's table, in the order in which they were entered.

    ``month`` is six digits (``201605``). Both the local and the UTC time of every item lie in that month.
    ``same_second`` of the ``n`` items repeat an earlier item's customer and second with another millisecond: they are
    different items in their source, and one and the same key for whoever keeps whole seconds only.
    """
    if not 0 <= same_second <= n // 2:
        raise ValueError(f"same_second must be between 0 and half of the items: {same_second} of {n}")
    rng = _Draw(f"{seed} {month}")
    start = datetime(int(month[:4]), int(month[4:]), 1, tzinfo=UTC)
    seconds = int(((start + timedelta(days=31)).replace(day=1) - start).total_seconds())
    customers = max(1, n * 3 // 4)
    taken: set[tuple[int, int]] = set()
    first: list[tuple[int, int, int]] = []
    for i in range(n):
        if i >= n - same_second:
            customer, second, millisecond = first[i - (n - same_second)]
            millisecond = (millisecond + 1 + rng.below(998)) % 1000
        else:
            customer, second = _customer_and_second(rng, customers, seconds, taken, first)
            millisecond = 0 if rng.chance(0.02) else rng.below(1000)
            first.append((customer, second, millisecond))
        when = start + timedelta(seconds=second, milliseconds=millisecond)
        yield _item(rng, i, customer, when)


def _customer_and_second(
    rng: _Draw, customers: int, seconds: int, taken: set[tuple[int, int]], first: Sequence[tuple[int, int, int]]
) -> tuple[int, int]:
    """Draw who ordered, and when in the month, so that nobody orders twice in a second."""
    again = rng.chance(0.1) and first
    while True:
        if again:
            # A second order on the same day, some hours away.
            customer, day, _ = rng.one_of(first)
            second = day - day % (24 * _HOUR) + rng.below(24 * _HOUR)
        else:
            customer, second = rng.below(customers), rng.below(seconds)
        # Half a day is kept free at both ends: no offset moves an item into another month.
        if 12 * _HOUR <= second < seconds - 12 * _HOUR and (customer, second) not in taken:
            taken.add((customer, second))
            return customer, second


def _item(rng: _Draw, i: int, customer: int, when: datetime) -> Item:
    item: Item = {"CustomerID": {"S": _customer_id(customer)}, "DateTime": {"S": _joda(when, rng.one_of(_OFFSETS))}}
    if not rng.chance(0.3):
        empty = rng.chance(0.02)
        item["OrderID"] = {"S": "" if empty else f"{rng.digits(3)}-{rng.digits(7)}-{rng.digits(7)}"}
    item["Amount"] = {"N": f"{rng.below(300)}.{rng.digits(2)}"}
    item["Channel"] = {"S": rng.one_of(_CHANNELS)}
    if i % 4 == 3:
        # Each such item takes the next five, so a table of a hundred items has seen them all.
        for k in range(5):
            name, draw = _EXTRAS[(i // 4 * 5 + k) % len(_EXTRAS)]
            item[name] = draw(rng)
    return item


def _customer_id(number: int) -> str:
    code = (number + 1) * _SCATTER % 36**10
    digits = []
    for _ in range(10):
        code, digit = divmod(code, 36)
        digits.append(_ALPHABET[digit])
    return "A" + "".join(digits)


def _joda(when: datetime, minutes: int) -> str:
    """Write an instant as Joda-Time's ``DateTime.toString()`` does: milliseconds, an offset, Z for UTC."""
    local = when.astimezone(timezone(timedelta(minutes=minutes)))
    return local.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Draw:
    """Random choices out of ``random.random()`` alone, the one method whose sequence Python promises to keep."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def chance(self, probability: float) -> bool:
        return self._random() < probability

    def below(self, end: int) -> int:
        return int(self._random() * end)

    def one_of(self, choices: Sequence[_T]) -> _T:
        return choices[self.below(len(choices))]

    def digits(self, n: int) -> str:
        return "".join(str(self.below(10)) for _ in range(n))

    def base64(self, n: int) -> str:
        return base64.b64encode(bytes(self.below(256) for _ in range(n))).decode()


_NOTES = (
    'He said "leave it at the door", twice',
    r"C:\orders\2016\05 and \u0041 is not an A",
    "Für Zoë, København → 東京 — 「ありがとう」",
    "👩‍👩‍👧‍👦 🎁 🇨🇦 e\u0301 = é",
    "two lines:\n\tthe second is indented\r\n",
    "שלום and مرحبا in one line",
    "</script> & 'quotes' `ticks` ${domain} {{braces}} %s",
    "a line separator \u2028 inside",
    " spaces around ",
    "",
)
_COLOURS = ("red", "green", "dark blue", "crème", "🟣", 'the "new" one')


def _big_number(rng: _Draw) -> Value:
    point = rng.below(38)
    digits = str(1 + rng.below(9)) + rng.digits(36) + str(1 + rng.below(9))
    return {"N": rng.one_of(("", "-")) + digits[: 38 - point] + ("." + digits[38 - point :] if point else "")}


def _address(rng: _Draw) -> Value:
    latitude, longitude = f"{25 + rng.below(45)}.{rng.digits(6)}", f"-{60 + rng.below(80)}.{rng.digits(6)}"
    return {
        "M": {
            "City": {"S": rng.one_of(("Seattle", "Montréal", "Ciudad de México", "San José"))},
            "Zip": {"S": rng.digits(5)},
            "Geo": {"M": {"Latitude": {"N": latitude}, "Longitude": {"N": longitude}}},
            "Safe place?": {"NULL": True} if rng.chance(0.5) else {"BOOL": rng.chance(0.5)},
        }
    }


def _lines(rng: _Draw) -> Value:
    return {
        "L": [
            {
                "M": {
                    "Sku": {"S": f"B00{rng.digits(7)}"},
                    "Quantity": {"N": str(1 + rng.below(4))},
                    "Price": {"N": f"{rng.below(90)}.{rng.digits(2)}"},
                    "Options": {"SS": [rng.one_of(_COLOURS[:3]), "engraved"]},
                    "Label": {"B": rng.base64(6)},
                }
            }
            for _ in range(rng.below(4))
        ]
    }


def _nested(rng: _Draw) -> Value:
    value: Value = {"N": rng.digits(1)}
    for level in range(2 + rng.below(4)):
        value = (
            {"L": [value, {"S": f"level {level}"}]} if level % 2 else {"M": {f"level {level}": value, ".": {"L": []}}}
        )
    return value


_EXTRAS: tuple[tuple[str, Callable[[_Draw], Value]], ...] = (
    ("Note", lambda rng: {"S": rng.one_of(_NOTES)}),
    ("LoyaltyPoints", _big_number),
    ("Refund", lambda rng: {"N": f"-{rng.below(100)}.{rng.digits(2)}5"}),
    ("Probability", lambda rng: {"N": f"{1 + rng.below(9)}.{rng.digits(4)}1E-{100 + rng.below(25)}"}),
    ("Least", lambda rng: {"N": rng.one_of(("1E-130", "-1E-130", "0"))}),
    ("Entropy", lambda rng: {"N": f"{1 + rng.below(9)}.{rng.digits(36)}7E+{100 + rng.below(25)}"}),
    ("Greatest", lambda rng: {"N": rng.one_of(("", "-")) + "9." + "9" * 37 + "E+125"}),
    ("Gift", lambda rng: {"BOOL": rng.chance(0.5)}),
    ("ReferredBy", lambda rng: {"NULL": True}),
    ("Signature", lambda rng: {"B": rng.base64(rng.one_of((0, 1, 2, 3, 64)))}),
    ("Colours", lambda rng: {"SS": list(_COLOURS[: 1 + rng.below(len(_COLOURS) - 1)])}),
    ("Scores", lambda rng: {"NS": ["0", f"-{1 + rng.below(9)}", f"2.{rng.digits(20)}5", f"1E+{60 + rng.below(60)}"]}),
    ("Checksums", lambda rng: {"BS": ["AA==", "AAE=", rng.base64(16)]}),
    ("ShipTo", _address),
    ("Lines", _lines),
    ("Trail", _nested),
    ("Empty", lambda rng: rng.one_of(({"M": {}}, {"L": []}, {"S": ""}, {"B": ""}))),
    ("status", lambda rng: {"S": rng.one_of(("NEW", "SHIPPED"))}),
    ('odd "name".with [dots]', lambda rng: {"N": rng.digits(1)}),
    ("größe 📏", lambda rng: {"N": f"1{rng.digits(2)}"}),
    ("orderid", lambda rng: {"S": "not OrderID"}),
)
