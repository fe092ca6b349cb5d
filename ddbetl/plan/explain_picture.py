"""The picture of a plan: sources → read → compute → write → target.

In: the JSON value of explain. Out: two SVG elements, from left to right and from the top down; the page's style shows
the one that fits, and gives it its colours. Invariant: what does not fit into a box is cut, and stands whole in the
box's title.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import east_asian_width

from ddbetl.plan.explain_cost import count_text
from ddbetl.plan.layout import rate
from ddbetl.plan.markup import Markup, joined, tag

Json = Mapping[str, Any]

# In pixels, where the page is wide enough; DOWN is the width of the boxes of a narrow page.
WIDTH, DOWN, GAP, PADDING = 220, 340, 32, 10
LINE, HEAD = 18, 46
SOURCE, BETWEEN = 46, 8
# Around the picture, so that no frame is cut.
MARGIN = 2
# Source tables with a box of their own.
MOST_SOURCES = 6
# Characters of a headline, of a table's name, which is in a font of one width, and of a line, so that they fit in wide
# fonts as well.
HEADLINE, NAME, LONGEST = 23, 30, 27


@dataclass(frozen=True, slots=True)
class Box:
    """A stage, or a source: what it is, its headline, and lines below. ``table``: the headline is a table's name."""

    kind: str
    headline: str
    lines: tuple[str, ...]
    table: bool = False

    @property
    def height(self) -> int:
        return SOURCE if self.kind == "source" else HEAD + LINE * len(self.lines) + PADDING


def picture(value: Json) -> Markup:
    """The picture, twice."""
    sources = tuple(_sources(value["sources"]))
    stages = (_read(value), _compute(value), *_written(value))
    headlines = " → ".join(box.headline for box in stages)
    title = tag("title", f"{_counted(len(value['sources']), 'source')} → {headlines}")
    return joined(_across(title, sources, stages), _down(title, sources, stages))


def _across(title: Markup, sources: Sequence[Box], stages: Sequence[Box]) -> Markup:
    """From left to right: the sources in a column, then a box for each stage."""
    stacked = len(sources) * (SOURCE + BETWEEN) - BETWEEN
    height = max(stacked, *(box.height for box in stages)) + 2 * MARGIN
    width = (len(stages) + 1) * (WIDTH + GAP) - GAP + 2 * MARGIN
    middle = height / 2
    drawn: list[Markup] = []
    right = MARGIN + WIDTH
    for number, box in enumerate(sources):
        y = middle - stacked / 2 + number * (SOURCE + BETWEEN)
        drawn.append(_box(box, MARGIN, y, WIDTH))
        side, half, end = y + SOURCE / 2, right + GAP / 2, right + GAP - 7
        drawn.append(_line(f"M{right} {side:g} C{half:g} {side:g} {half:g} {middle:g} {end:g} {middle:g}"))
    for box in stages:
        if box is not stages[0]:
            drawn.append(_line(f"M{right} {middle:g} H{right + GAP - 7}"))
        x = right + GAP
        drawn.append(tag("path", d=f"M{x - 8} {middle - 4:g} l8 4 l-8 4 z", class_="head"))
        drawn.append(_box(box, x, middle - box.height / 2, WIDTH))
        right = x + WIDTH
    return _svg("across", title, drawn, width, height)


def _down(title: Markup, sources: Sequence[Box], stages: Sequence[Box]) -> Markup:
    """From the top down."""
    drawn: list[Markup] = []
    y, centre = MARGIN, MARGIN + DOWN // 2
    for number, box in enumerate((*sources, *stages)):
        if number >= len(sources):
            drawn.append(_line(f"M{centre} {y} V{y + GAP - 7}"))
            y += GAP
            drawn.append(tag("path", d=f"M{centre - 4} {y - 8} l4 8 l4 -8 z", class_="head"))
        elif number:
            y += BETWEEN
        drawn.append(_box(box, MARGIN, y, DOWN))
        y += box.height
    return _svg("down", title, drawn, DOWN + 2 * MARGIN, y + MARGIN)


def _svg(which: str, title: Markup, drawn: Sequence[Markup], width: float, height: float) -> Markup:
    return tag(
        "svg",
        title,
        *drawn,
        class_=which,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        style=f"max-width: {width:g}px",
    )


def _box(box: Box, x: float, y: float, width: int) -> Markup:
    small = box.kind == "source"
    left, first = x + PADDING, y + (19 if small else 38)
    texts = [] if small else [tag("text", box.kind.upper(), x=f"{left:g}", y=f"{y + 18:g}", class_="kind")]
    shown = _short(box.headline, NAME if box.table else HEADLINE)
    style = "headline table" if box.table else "headline"
    texts.append(tag("text", shown, x=f"{left:g}", y=f"{first:g}", class_=style))
    for number, line in enumerate(box.lines, 1):
        texts.append(tag("text", _short(line), x=f"{left:g}", y=f"{first + LINE * number:g}"))
    frame = tag("rect", x=f"{x:g}", y=f"{y:g}", width=width, height=box.height, rx=8)
    said = "\n".join([box.headline, *box.lines])
    return tag("g", tag("title", said), frame, joined(*texts), class_=f"box {box.kind}")


def _line(path: str) -> Markup:
    return tag("path", d=path, class_="arrow")


def _short(said: str, longest: int = LONGEST) -> str:
    """A line that fits, cut in the middle: names of a family differ in their ends."""
    if _cells(said) <= longest:
        return said
    tail = ""
    for character in reversed(said):
        if _cells(character + tail) > (longest - 1) * 2 // 3:
            break
        tail = character + tail
    head = ""
    for character in said:
        if _cells(head + character) + _cells(tail) + 1 > longest:
            break
        head += character
    return f"{head}…{tail}"


def _cells(said: str) -> int:
    return sum(1 + (east_asian_width(character) in "WF") for character in said)


# What stands in the boxes

# What happens to an item that has the key of a row, by the action, and to a row whose expression fails.
ACTIONS = {
    "REPLACE": "existing items are replaced",
    "SKIP": "existing items stay",
    "REJECT": "existing items stay",
    "FAIL": "an existing item: the end",
    "KEEP NEWEST": "the newer one stays",
    "MERGE": "existing items are merged",
    "MERGE ON MISSING SKIP": "only existing items",
    "DELETE": "existing items are deleted",
}
FAILURES = {
    "REJECT": "failing rows are rejected",
    "FAIL": "a failing row ends the run",
    "SKIP": "failing rows are left out",
}


def _sources(sources: Sequence[Json]) -> Iterator[Box]:
    regions = len({source["region"] for source in sources}) > 1
    shown = sources if len(sources) <= MOST_SOURCES else sources[: MOST_SOURCES - 1]
    for source in shown:
        said = "not looked up" if source["items"] is None else _counted(source["items"], "item")
        place = f", {source['region']}" if regions else ""
        yield Box("source", source["table"], (said + place,), table=True)
    if more := sources[len(shown) :]:
        items = [source["items"] for source in more]
        known = "not looked up" if None in items else _counted(sum(items), "item")
        yield Box("source", f"and {len(more):,} more tables", (known,))


def _read(value: Json) -> Box:
    sources = value["sources"]
    kinds = list(dict.fromkeys(source["operation"] for source in sources))
    pieces = "segment" if kinds == ["Scan"] else "query" if kinds == ["Query"] else "segment and query"
    request = sources[0]["request"]
    sent = request.get("ProjectionExpression")
    lines = [
        _counted(sum(source["segments"] for source in sources), pieces),
        "all attributes" if sent is None else _counted(sent.count(",") + 1, "attribute"),
    ]
    if value["where"] is not None:
        if value["where"]["server_filter"]:
            lines.append("the server filters")
        elif kinds != ["Query"]:
            lines.append("no filter on the server")
    if (index := sources[0]["index"]) is not None and len(sources) == 1:
        lines.append(f"by {index}")
    lines.append("strongly consistent" if request.get("ConsistentRead") else "eventually consistent")
    lines += _expected(value["estimate"]["reading"], "read unit")
    return Box("read", " and ".join(kinds), tuple(lines))


def _compute(value: Json) -> Box:
    columns = value["columns"]
    star = value["star"] is not None
    lines = [f"WHERE {value['where']['how']}"] if value["where"] is not None else []
    for how in ("copied unchanged", "constant", "vectorised", "by reference"):
        if count := sum(column["how"] == how for column in columns):
            lines.append(f"{count:,} {how}")
    if value["limit"] is not None:
        lines.append(f"at most {_counted(value['limit'], 'row')}")
    lines += _expected(value["estimate"]["rows"], "row")
    named = _counted(len(columns), "column")
    every = f"* and {named}" if columns else "every attribute"
    return Box("compute", every if star else named, tuple(lines))


def _written(value: Json) -> Iterator[Box]:
    target = value["target"]
    if target is None:
        yield Box("target", "no target", ("ddbetl preview shows", "the rows"))
        return
    budget = target["budget"]["units_per_second"]
    on_error: str = value["on_error"]
    yield Box(
        "write",
        target["action"],
        (
            ACTIONS.get(target["action"], target["action"]),
            f"by {target['request']}",
            target["budget"]["basis"] if budget is None else f"{rate(budget)} units/s",
            FAILURES.get(on_error, on_error),
            *_expected(value["estimate"]["writing"], "write unit"),
        ),
    )
    lines = [f"{key['name']} {key['type']}" for key in target["key"]] or ["key not known offline"]
    lines += [_counted(len(target["indexes"]), "index")] if target["indexes"] else []
    lines += ["is made by the run"] if target["create"] is not None else []
    yield Box("target", target["table"], tuple(lines), table=True)


def _expected(found: Json | None, what: str) -> list[str]:
    if found is None:
        return []
    exact = found["low"] == found["high"]
    least = "" if exact else "≤ " if found["expected"] == found["high"] else "~ "
    return [f"{least}{_counted(found['expected'], what)}"]


_PLURALS = {"index": "indexes", "query": "queries", "segment and query": "segments and queries"}


def _counted(count: float, what: str) -> str:
    said = count_text(count)
    return f"{said} {what if said == '1' else _PLURALS.get(what, f'{what}s')}"
