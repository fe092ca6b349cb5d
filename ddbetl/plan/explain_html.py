"""Explain as one page of HTML.

In: the JSON value of explain. Out: the page. Invariants: it says what the JSON value says and nothing else; it needs
nothing but itself: no script, no font, no picture from elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ddbetl.plan.explain_cost import count_text
from ddbetl.plan.explain_picture import picture
from ddbetl.plan.explain_style import STYLE
from ddbetl.plan.explain_target import ABSENT, COLLISIONS, EFFECTS, stops_text
from ddbetl.plan.layout import CENT, duration, rate, volume
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
        tag("div", picture(value), class_="picture"),
        *_warnings(value["warnings"]),
        *_section("Estimate", *_estimate(value["estimate"])),
        *_section("Sources", *_sources(value["sources"])),
        *_section("Read", *_requests(value["sources"])),
        *_section("Compute", *_computed(value)),
        *_section("Write", *_written(value)),
        *_section("Traffic", *_traffic(value)),
        *_section("Spec", _spec(value["spec"], value["warnings"])),
    ]
    body = tag(
        "body",
        tag("header", tag("h1", title), *_settings(value), _tiles(value)),
        tag("main", *(joined(part, "\n") for part in parts)),
        tag("footer", f"ddbetl explain. Fingerprint of the plan: {value['fingerprint']}"),
    )
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
        name = title.lower()
        yield tag("section", tag("h2", title, id=name), *found, aria_labelledby=name)


def _table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: tuple[int, ...] = (),
    short: tuple[int, ...] = (),
    last: Sequence[str] = (),
) -> Markup:
    """A table without the columns that are empty in all rows. ``right``: columns of numbers; ``short``: columns that
    are not broken; ``last``: a row of totals."""
    if not rows:
        return Markup()
    kept = [i for i in range(len(heads)) if any(row[i] for row in rows)]

    def cell(i: int, said: str, kind: str, scope: str | None) -> Markup:
        return tag(kind, said, scope=scope, class_="number" if i in right else "short" if i in short else None)

    def line(cells: Sequence[str]) -> Markup:
        first, *others = kept
        named = cell(first, cells[first], "th", "row")
        return tag("tr", named, *(cell(i, cells[i], "td", None) for i in others))

    head = tag("tr", *(cell(i, heads[i], "th" if heads[i] else "td", "col" if heads[i] else None) for i in kept))
    foot = tag("tfoot", line(last)) if last else Markup()
    return tag("div", tag("table", tag("thead", head), tag("tbody", *map(line, rows)), foot), class_="wide")


def _facts(rows: Sequence[tuple[str, ...]]) -> Markup:
    """Names, and after each what is said of it, which may be several things; without those of which nothing is."""
    found = [(name, *filter(None, said)) for name, *said in rows]
    lines = [joined(tag("dt", name), *(tag("dd", one) for one in said)) for name, *said in found if said]
    return tag("dl", *lines) if lines else Markup()


def _warnings(found: Sequence[Json]) -> Iterator[Markup]:
    cards = []
    for warning in found:
        line = tag("span", f" line {warning['line']}", class_="quiet") if "line" in warning else Markup()
        quoted = tag("pre", warning["text"].strip()) if warning.get("text") else Markup()
        hint = tag("p", warning["hint"], class_="hint") if warning["hint"] else Markup()
        head = tag("p", tag("strong", warning["code"]), line)
        cards.append(tag("div", head, tag("p", warning["message"]), quoted, hint, class_="warning"))
    yield from _section("Warnings", *cards)


def _place(value: Json) -> str:
    account = f"account {value['account']}" if value["account"] else value["endpoint"]
    return ", ".join(part for part in (value["region"], account) if part)


def _number(value: float | None) -> str:
    return "" if value is None else count_text(value)


def _rate(value: float | None) -> str:
    return "" if value is None else rate(value)


def _sources(sources: Sequence[Json]) -> Iterator[Markup]:
    """The tables that are read; a place that all of them share stands above."""
    places = [_place(source) for source in sources]
    shared = len({*places}) == 1
    if any(source["items"] is None for source in sources):
        yield tag("p", "Offline: the tables were not looked up.", class_="quiet")
    elif shared and places[0]:
        yield tag("p", places[0], class_="quiet")
    rows = [
        (
            source["table"],
            "" if shared else place,
            source["billing"] or "",
            _number(source["items"]),
            "" if source["bytes"] is None else volume((source["items"], source["bytes"])),
            f"{source['operation']}{'' if source['index'] is None else ' of ' + source['index']}",
            _number(source["segments"]),
            _rate(source["budget"]["units_per_second"]),
            source["budget"]["basis"],
        )
        for source, place in zip(sources, places, strict=True)
    ]
    kinds = {source["operation"] for source in sources}
    pieces = "Segments" if kinds == {"Scan"} else "Queries" if kinds == {"Query"} else "Segments, queries"
    heads = ("Table", "Place", "Billing", "Items", "Size", "Read by", pieces, "Units a second", "Read budget")
    total: tuple[str, ...] = ()
    if len(sources) > 1 and all(source["items"] is not None for source in sources):
        items, read_in = (sum(source[name] for source in sources) for name in ("items", "segments"))
        whole = volume(*((source["items"], source["bytes"]) for source in sources))
        total = (f"{len(sources):,} tables", "", "", _number(items), whole, "", _number(read_in), "", "")
    yield _table(heads, rows, right=(3, 4, 6, 7), last=total)


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


def _spec(text: str, warnings: Sequence[Json]) -> Markup:
    """The spec with numbered lines; those that are warned of stand out."""
    lines = text.rstrip("\n").split("\n")
    marked = {(warning["line"], warning["text"]) for warning in warnings if "line" in warning}
    digits = len(str(len(lines)))
    shown = []
    for number, line in enumerate(lines, 1):
        said = joined(tag("span", f"{number:>{digits}}  ", class_="quiet"), line)
        shown.append(tag("mark", said) if (number, line) in marked else said)
    return tag("pre", *(joined(line, "\n") for line in shown), class_="spec")


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
        rows += [(new, f"{old}, by RENAME", "any type", "", "copied unchanged") for old, new in star["rename"].items()]
    for column in value["columns"]:
        missing = "may be missing" if column["nullable"] else "always there"
        type_ = "any type" if column["type"] == "ANY" else column["type"]
        rows.append((column["name"], one_line(column["expression"]), type_, missing, column["how"]))
    heads = ("Column", "Expression", "Type", "Presence", "How")
    yield _table(heads, [(*_coded(row[:2]), *row[2:]) for row in rows], short=(2, 3, 4))
    if value["time_calls"]:
        calls = [
            (tag("code", one_line(call["call"])), "yes" if call["fast_path"] else "no", call["slow_because"] or "")
            for call in value["time_calls"]
        ]
        yield tag("p", f"Texts without an offset are read in {value['time_zone']}.", class_="quiet")
        yield _table(("Call of a time function", "Fast path", "But not for, or why not"), calls)


def _coded(cells: Sequence[str]) -> Iterator[Markup]:
    return (tag("code", cell) for cell in cells)


# What happens to a row whose expression fails.
FAILING = {"REJECT": "goes to the rejects", "FAIL": "stops the run", "SKIP": "is left out"}


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
    costs, budget, reads = target["units_per_row"], target["budget"], target["reads"]
    action, newest = target["action"], target["newest"]
    effect = EFFECTS.get(action, "")
    if newest:
        effect = f"is replaced where the row's {newest} is greater, or it has no {newest}; else it stays"
    collisions, most = target["collisions"], value["max_rejects"]
    stops = stops_text(on_error, most)
    yield _facts(
        [
            ("Target", target["table"]),
            ("Place", _place(target)),
            ("Is missing", made),
            ("Key", ", ".join(f"{key['name']} {key['type']}" for key in target["key"])),
            ("Request", target["request"]),
            ("Action", action),
            ("An existing item", effect),
            ("A missing item", ABSENT.get(action, "")),
            ("Write budget", _budget(budget)),
            ("Read budget", f"{_budget(reads)}; to compare an existing item" if reads is not None else ""),
            ("Indexes", ", ".join(target["indexes"])),
            ("A row costs", "" if costs is None else f"{_units(costs, 'write')} for each KB, at most"),
            ("Expires by", target["ttl_attribute"] or ""),
            ("Time to live", "is switched on by the run, after a question" if target["switches_on_ttl"] else ""),
            (
                "Collisions",
                f"not possible, or harmless: {target['no_collisions']}"
                if collisions is None
                else COLLISIONS.get(collisions, "are counted"),
            ),
            ("A failing row", FAILING.get(on_error, on_error) + stops),
            ("Limit", limit),
        ]
    )


def _budget(found: Json) -> str:
    units = found["units_per_second"]
    return found["basis"] if units is None else f"{rate(units)} units a second, {found['basis']}"


def _traffic(value: Json) -> Iterator[Markup]:
    """How much of the tables others use, where that was asked."""
    if (traffic := value["traffic"]) is None:
        return
    budgets = [(source["table"], "read", source["budget"]) for source in value["sources"]]
    if (target := value["target"]) is not None:
        budgets.append((target["table"], "write", target["budget"]))
        if target["reads"] is not None:
            budgets.append((target["table"], "read", target["reads"]))
    known = [(table, what, _rate(budget["in_use"])) for table, what, budget in budgets if budget["in_use"] is not None]
    if known:
        when = f"As CloudWatch has counted in the last {traffic['seconds'] // 60} minutes."
        yield tag("p", when, class_="quiet")
        yield _table(("Table", "To", "Units a second"), known, right=(2,))
    for why in traffic["unknown"]:
        yield tag("p", f"Not known{' of other tables' if known else ''}: {why}.", class_="quiet")


# The estimate


def _units(count: float, direction: str) -> str:
    said = count_text(count)
    return f"{said} {direction} unit{'' if said == '1' else 's'}"


def _dollars(value: float) -> str:
    return f"${value:,.2f}" if value >= CENT else "< $0.01" if value else "$0"


def _seconds(value: float) -> str:
    return duration(max(1, value))


_MEASURES = (
    ("dollars", "Dollars", _dollars),
    ("seconds", "Time", _seconds),
    ("items", "Items read", count_text),
    ("rows", "Rows", count_text),
    ("reading", "Read units", count_text),
    ("writing", "Write units", count_text),
    ("comparing", "Read units to compare", count_text),
)


def _tiles(value: Json) -> Markup:
    """What matters most, in large."""
    estimate = value["estimate"]
    tiles = []
    if count := len(value["warnings"]):
        codes = ", ".join(dict.fromkeys(warning["code"] for warning in value["warnings"]))
        tiles.append(_tile("Warnings", f"{count:,}", codes, warned=True))
    for key, name, said in _MEASURES:
        found = estimate[key]
        if key == "dollars" and found is None and estimate["charges"]:
            why = "; ".join(dict.fromkeys(charge["why"] for charge in estimate["charges"] if charge["why"]))
            tiles.append(_tile(name, "not known", why))
        if found is None or not found["high"]:
            continue
        low, high = said(found["low"]), said(found["high"])
        tiles.append(_tile(name, _expected(found, said), "" if low == high else f"{low} to {high}"))
    return tag("div", *tiles, class_="tiles") if tiles else Markup()


def _expected(found: Json, said: Callable[[float], str]) -> str:
    """What is expected. What may be anything up to its limit is not expected to be the limit."""
    low, expected, high = (said(found[end]) for end in ("low", "expected", "high"))
    open_ended = low != high and expected == high
    return f"≤ {high}" if open_ended and not high.startswith("<") else expected


def _tile(name: str, said: str, below: str, warned: bool = False) -> Markup:
    style = "tile warned" if warned else "tile"
    return tag("div", tag("span", name), tag("strong", said), tag("span", below, class_="quiet"), class_=style)


def _estimate(estimate: Json) -> Iterator[Markup]:
    rows = [
        (name, said(found["low"]), _expected(found, said), said(found["high"]))
        for key, name, said in _MEASURES
        if (found := estimate[key]) is not None and (found["high"] or key != "comparing")
    ]
    if rows:
        yield tag("div", _table(("", "At least", "Expected", "At most"), rows, right=(1, 2, 3)), class_="estimate")
    limit, faster, sample, prices = (estimate[name] for name in ("limit", "faster", "sample", "prices"))
    charges = estimate["charges"]
    known = any(charge["dollars"] is not None for charge in charges)
    basis = "the sizes that DynamoDB counts every six hours" if rows else ""
    if sample is not None:
        items = "1 item" if sample["items"] == 1 else f"{sample['items']:,} items"
        basis = f"a sample of {items}, which cost {_units(sample['read_units'], 'read')}"
    yield _facts(
        [
            ("Limited by", limit["reason"] if limit is not None else ""),
            ("Faster", f"{faster['option']} takes {_seconds(faster['seconds'])}" if faster is not None else ""),
            ("From", basis),
            ("Assumed", *estimate["assumptions"]),
            ("Prices", f"of {prices['date']}, from {prices['source']}" if known and prices is not None else ""),
        ]
    )
    lines = [
        (
            charge["table"],
            charge["what"],
            charge["region"] or "",
            charge["billing"],
            count_text(charge["units"]),
            "not known" if charge["dollars"] is None else _dollars(charge["dollars"]),
            charge["why"] or "",
        )
        for charge in charges
    ]
    heads = ("Table", "To", "Region", "Billing", "Units", "Dollars", "Because")
    if lines:
        named = tag("summary", "What each table costs")
        yield tag("details", named, tag("div", _table(heads, lines, right=(4, 5)), class_="inside"))
