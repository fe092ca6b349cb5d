"""Explain as one page of HTML.

In: the JSON value of explain. Out: the page. Invariants: it says what the JSON value says and nothing else; it needs
nothing but itself: no script, no font, no picture from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ddbetl.plan.explain_cost import CENT, count_text
from ddbetl.plan.explain_picture import FAILING, picture
from ddbetl.plan.explain_style import STYLE
from ddbetl.plan.layout import duration, rate, size
from ddbetl.plan.markup import Markup, joined, tag
from ddbetl.plan.time_calls import one_line

Json = Mapping[str, Any]

# Nothing may be fetched, whatever the page quotes.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(value: Json) -> str:
    """The page."""
    title = _title(value)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"ddbetl explain: {title}"),
        tag("style", Markup(STYLE)),
    )
    parts = [
        tag("header", tag("h1", title), *_settings(value), _tiles(value["estimate"])),
        tag("div", picture(value), class_="picture"),
        *_warnings(value["warnings"]),
        *_section("Sources", _sources(value["sources"])),
        *_section("Read", *_requests(value["sources"])),
        *_section("Compute", *_computed(value)),
        *_section("Write", *_written(value)),
        *_section("Budgets", _budgets(value)),
        *_section("Estimate", *_estimate(value["estimate"])),
        tag("footer", f"ddbetl explain. Fingerprint of the plan: {value['fingerprint']}"),
    ]
    body = tag("body", tag("main", *(joined(part, "\n") for part in parts)))
    return f"<!doctype html>\n{tag('html', head, Markup(chr(10)), body, lang='en')}\n"


def _title(value: Json) -> str:
    sources = value["sources"]
    read = sources[0]["table"] if len(sources) == 1 else f"{len(sources):,} tables"
    return f"{read} → {value['target']['table']}" if value["target"] is not None else read


def _settings(value: Json) -> Iterator[Markup]:
    said = {**value["parameters"], **value["lets"]}
    if said:
        chips = (tag("code", f"{name} = {written}") for name, written in said.items())
        yield tag("p", *(joined(chip, " ") for chip in chips), class_="settings")


# Tables of the page


def _section(title: str, *content: Markup) -> Iterator[Markup]:
    """A section; none where there is nothing to say."""
    found = [part for part in content if part]
    if found:
        yield tag("section", tag("h2", title), *found)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: tuple[int, ...] = ()) -> Markup:
    """A table without the columns that are empty in all rows; ``right`` are columns of numbers."""
    if not rows:
        return Markup()
    kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]

    def line(kind: str, cells: Sequence[str]) -> Markup:
        return tag("tr", *(tag(kind, cells[i], class_="number" if i in right else None) for i in kept))

    body = tag("tbody", *(line("td", row) for row in rows))
    return tag("div", tag("table", tag("thead", line("th", heads)), body), class_="wide")


def _facts(rows: Sequence[tuple[str, str]]) -> Markup:
    """Names and what is said of each."""
    found = [(name, said) for name, said in rows if said]
    return tag("dl", *(joined(tag("dt", name), tag("dd", said)) for name, said in found)) if found else Markup()


def _warnings(found: Sequence[Json]) -> Iterator[Markup]:
    if not found:
        return
    cards = []
    for warning in found:
        line = f" line {warning['line']}" if "line" in warning else ""
        hint = tag("p", warning["hint"], class_="hint") if warning["hint"] else Markup()
        head = tag("p", tag("strong", warning["code"]), tag("span", line, class_="quiet"))
        cards.append(tag("div", head, tag("p", warning["message"]), hint, class_="warning"))
    yield tag("section", tag("h2", "Warnings"), *cards)


def _place(value: Json) -> str:
    account = f"account {value['account']}" if value["account"] else value["endpoint"]
    return ", ".join(part for part in (value["region"], account) if part)


def _number(value: float | None) -> str:
    return "" if value is None else count_text(value)


def _sources(sources: Sequence[Json]) -> Markup:
    rows = [
        (
            source["table"],
            _place(source),
            source["billing"] or "",
            _number(source["items"]),
            "" if source["bytes"] is None else size(source["bytes"]),
            f"{source['operation']}{'' if source['index'] is None else ' of ' + source['index']}",
            _number(source["segments"]),
        )
        for source in sources
    ]
    heads = ("Table", "Place", "Billing", "Items", "Size", "Read by", "Segments or queries")
    return _table(heads, rows, right=(3, 4, 6))


def _requests(sources: Sequence[Json]) -> Iterator[Markup]:
    """The requests, once for the tables that are read in the same way."""
    ways: dict[str, list[Json]] = {}
    for source in sources:
        asked = source["queries"] or [source["request"]]
        same = [{name: part for name, part in one.items() if name != "TableName"} for one in asked]
        ways.setdefault(json.dumps(same), []).append(source)
    for tables in ways.values():
        first = tables[0]
        asked = first["queries"] or [first["request"]]
        names = ", ".join(one["table"] for one in tables) if len(ways) > 1 else ""
        of = f" of {names}" if names else " of each table" if len(tables) > 1 else ""
        count = f"{len(asked):,} Query requests" if len(asked) > 1 else f"The {first['operation']} request"
        shown = asked[0] if len(asked) == 1 else asked
        yield tag("details", tag("summary", f"{count}{of}"), tag("pre", _pretty(shown)))


def _pretty(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _computed(value: Json) -> Iterator[Markup]:
    rows: list[tuple[str, str, str, str, str]] = []
    if (where := value["where"]) is not None:
        rows.append(("WHERE", one_line(where["text"]), "", "", where["how"]))
    if (star := value["star"]) is not None:
        rows.append(
            ("*", "every other attribute" if any(star.values()) else "every attribute", "", "", "copied unchanged")
        )
        rows += [(name, "EXCLUDE", "", "", "left out") for name in star["exclude"]]
        rows += [(new, f"{old}, by RENAME", "ANY", "", "copied unchanged") for old, new in star["rename"].items()]
    for column in value["columns"]:
        missing = "may be missing" if column["nullable"] else "always there"
        rows.append((column["name"], one_line(column["expression"]), column["type"], missing, column["how"]))
    yield _table(("Column", "Expression", "Type", "Presence", "How"), [(*_coded(row[:2]), *row[2:]) for row in rows])
    if value["time_calls"]:
        calls = [
            (tag("code", one_line(call["call"])), "yes" if call["fast_path"] else "no", call["slow_because"] or "")
            for call in value["time_calls"]
        ]
        yield tag("p", f"Texts without an offset are read in {value['time_zone']}.", class_="quiet")
        yield _table(("Call of a time function", "Fast path", "But not for, or why not"), calls)


def _coded(cells: Sequence[str]) -> Iterator[Markup]:
    return (tag("code", cell) for cell in cells)


def _written(value: Json) -> Iterator[Markup]:
    target, on_error = value["target"], str(value["on_error"])
    limit = "" if value["limit"] is None else f"{value['limit']:,} row{'' if value['limit'] == 1 else 's'}"
    if target is None:
        yield _facts([("Target", "none: ddbetl preview shows the rows"), ("Limit", limit)])
        return
    create = target["create"]
    made = ""
    if create is not None:
        units = f", {create['read_units']:,} rcu, {create['write_units']:,} wcu" if create["read_units"] else ""
        made = f"is made by the run, after a question: {create['billing']}{units}"
    costs = target["units_per_row"]
    yield _facts(
        [
            ("Target", target["table"]),
            ("Place", _place(target)),
            ("Is missing", made),
            ("Key", ", ".join(f"{key['name']} {key['type']}" for key in target["key"])),
            ("Request", target["request"]),
            ("Action", target["action"]),
            ("Newest by", target["newest"] or ""),
            ("Indexes", ", ".join(target["indexes"])),
            ("A row costs", "" if costs is None else f"{_units(costs, 'write')} for each KB, at most"),
            ("Expires by", target["ttl_attribute"] or ""),
            ("Time to live", "is switched on by the run, after a question" if target["switches_on_ttl"] else ""),
            ("Collisions", target["collisions"] or f"not possible, or harmless: {target['no_collisions']}"),
            ("A failing row", FAILING.get(on_error, on_error)),
            ("Limit", limit),
        ]
    )


def _budgets(value: Json) -> Markup:
    rows = [(source["table"], "read", source["budget"]) for source in value["sources"]]
    if (target := value["target"]) is not None:
        rows.append((target["table"], "write", target["budget"]))
        if target["reads"] is not None:
            rows.append((target["table"], "compare", target["reads"]))
    said = [
        (table, what, "" if found["units_per_second"] is None else rate(found["units_per_second"]), found["basis"])
        for table, what, found in rows
    ]
    return _table(("Table", "To", "Units a second", "Basis"), said, right=(2,))


# The estimate


def _units(count: float, direction: str) -> str:
    said = count_text(count)
    return f"{said} {direction} unit{'' if said == '1' else 's'}"


def _dollars(value: float) -> str:
    return f"${value:,.2f}" if value >= CENT else "less than $0.01" if value else "$0"


def _seconds(value: float) -> str:
    return duration(max(1, value))


_MEASURES = (
    ("items", "Items read", count_text),
    ("rows", "Rows", count_text),
    ("reading", "Read units", count_text),
    ("writing", "Write units", count_text),
    ("comparing", "Read units to compare", count_text),
    ("dollars", "Dollars", _dollars),
    ("seconds", "Time", _seconds),
)


def _tiles(estimate: Json) -> Markup:
    """What matters most, in large."""
    tiles = []
    for key, name, said in _MEASURES:
        if (found := estimate[key]) is None or not found["high"]:
            continue
        low, expected, high = (said(found[end]) for end in ("low", "expected", "high"))
        # What may be anything up to its limit is not expected to be the limit.
        open_ended = low != high and expected == high
        between = "" if low == high or open_ended else f"{low} to {high}"
        expected = f"{low} to {high}" if open_ended else expected
        tiles.append(
            tag("div", tag("span", name), tag("strong", expected), tag("span", between, class_="quiet"), class_="tile")
        )
    return tag("div", *tiles, class_="tiles") if tiles else Markup()


def _estimate(estimate: Json) -> Iterator[Markup]:
    rows = [
        (name, *(said(found[end]) for end in ("low", "expected", "high")))
        for key, name, said in _MEASURES
        if (found := estimate[key]) is not None and (found["high"] or key != "comparing")
    ]
    yield _table(("", "At least", "Expected", "At most"), rows, right=(1, 2, 3))
    limit, faster, sample = estimate["limit"], estimate["faster"], estimate["sample"]
    basis = "the sizes that DynamoDB counts every six hours" if rows else ""
    if sample is not None:
        items = "1 item" if sample["items"] == 1 else f"{sample['items']:,} items"
        basis = f"a sample of {items}, which cost {_units(sample['read_units'], 'read')}"
    yield _facts(
        [
            ("From", basis),
            ("Limit", limit["reason"] if limit is not None else ""),
            ("Faster", f"{faster['option']} takes {_seconds(faster['seconds'])}" if faster is not None else ""),
            ("Assumed", "; ".join(estimate["assumptions"])),
        ]
    )
    charges = [
        (
            charge["table"],
            charge["what"],
            charge["region"] or "",
            charge["billing"],
            count_text(charge["units"]),
            _dollars(charge["dollars"]) if charge["dollars"] is not None else f"not known: {charge['why']}",
        )
        for charge in estimate["charges"]
    ]
    yield _table(("Table", "To", "Region", "Billing", "Units", "Dollars"), charges, right=(4, 5))
    if charges and estimate["prices"] is not None:
        prices = estimate["prices"]
        yield tag("p", f"Prices of {prices['date']}, from {prices['source']}.", class_="quiet")
