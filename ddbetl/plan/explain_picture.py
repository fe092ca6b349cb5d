"""The picture of a plan: sources → read → compute → write → target.

In: the JSON value of explain. Out: an SVG element, coloured by the page's style. Invariant: what does not fit into a
box is cut, and stands whole in the box's title.
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

# In pixels, where the page is wide enough.
WIDTH, GAP, PADDING = 210, 36, 12
LINE, HEAD = 18, 46
SOURCE, BETWEEN = 46, 8
# Source tables with a box of their own.
MOST_SOURCES = 6
# Characters of a headline and of a line, so that they fit in a wide font as well.
HEADLINE, LONGEST = 23, 26


@dataclass(frozen=True, slots=True)
class Box:
    """A stage: what it is, its headline, and lines below."""

    kind: str
    headline: str
    lines: tuple[str, ...]

    @property
    def height(self) -> int:
        return HEAD + LINE * len(self.lines) + PADDING


def picture(value: Json) -> Markup:
    """The picture."""
    sources = list(_sources(value["sources"]))
    boxes = [_read(value), _compute(value), *_written(value)]
    stacked = len(sources) * (SOURCE + BETWEEN) - BETWEEN
    height = max(stacked, *(box.height for box in boxes)) + 2
    width = (len(boxes) + 1) * (WIDTH + GAP) - GAP + 2
    middle = height / 2
    drawn: list[Markup] = []
    top = middle - stacked / 2
    for number, (headline, line) in enumerate(sources):
        y = top + number * (SOURCE + BETWEEN)
        drawn.append(_box(Box("source", headline, (line,)), 1, y, SOURCE, small=True))
        drawn.append(_arrow(1 + WIDTH, y + SOURCE / 2, 1 + WIDTH + GAP, middle))
    for number, box in enumerate(boxes, 1):
        x = 1 + number * (WIDTH + GAP)
        drawn.append(_box(box, x, middle - box.height / 2, box.height))
        if number < len(boxes):
            drawn.append(_arrow(x + WIDTH, middle, x + WIDTH + GAP, middle))
    head = tag("path", d="M0 0 L8 4 L0 8 z", class_="head")
    marker = tag(
        "marker", head, id="arrow", viewBox="0 0 8 8", refX=8, refY=4, markerWidth=8, markerHeight=8, orient="auto"
    )
    said = " → ".join(box.headline for box in boxes)
    return tag(
        "svg",
        tag("title", f"{_counted(len(value['sources']), 'source')} → {said}"),
        tag("defs", marker),
        *drawn,
        viewBox=f"0 0 {width} {height:g}",
        role="img",
        style=f"min-width: {width * 0.8:g}px; max-width: {width}px",
    )


def _box(box: Box, x: float, y: float, height: float, small: bool = False) -> Markup:
    left, first = x + PADDING, y + (19 if small else 38)
    texts = [] if small else [tag("text", box.kind.upper(), x=f"{left:g}", y=f"{y + 18:g}", class_="kind")]
    texts.append(tag("text", _short(box.headline, HEADLINE), x=f"{left:g}", y=f"{first:g}", class_="headline"))
    for number, line in enumerate(box.lines, 1):
        texts.append(tag("text", _short(line), x=f"{left:g}", y=f"{first + LINE * number:g}"))
    frame = tag("rect", x=f"{x:g}", y=f"{y:g}", width=WIDTH, height=f"{height:g}", rx=8)
    said = "\n".join([box.headline, *box.lines])
    return tag("g", tag("title", said), frame, joined(*texts), class_=f"box {box.kind}")


def _arrow(x1: float, y1: float, x2: float, y2: float) -> Markup:
    half = (x1 + x2) / 2
    path = f"M{x1:g} {y1:g} C{half:g} {y1:g} {half:g} {y2:g} {x2 - 1:g} {y2:g}"
    return tag("path", d=path, class_="arrow", marker_end="url(#arrow)")


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

# What happens to a row whose expression fails.
FAILING = {"REJECT": "goes to the rejects", "FAIL": "stops the run", "SKIP": "is left out"}


def _sources(sources: Sequence[Json]) -> Iterator[tuple[str, str]]:
    shown = sources if len(sources) <= MOST_SOURCES else sources[: MOST_SOURCES - 1]
    for source in shown:
        yield source["table"], "not looked up" if source["items"] is None else _counted(source["items"], "item")
    if more := sources[len(shown) :]:
        items = [source["items"] for source in more]
        known = "not looked up" if None in items else _counted(sum(items), "item")
        yield f"and {len(more):,} more tables", known


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
        lines.append("the server filters" if value["where"]["server_filter"] else "no filter on the server")
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
    return Box("compute", "every attribute" + (f", {named}" if columns else "") if star else named, tuple(lines))


def _written(value: Json) -> Iterator[Box]:
    target = value["target"]
    if target is None:
        yield Box("target", "no target", ("ddbetl preview shows", "the rows"))
        return
    budget = target["budget"]["units_per_second"]
    on_error: str = value["on_error"]
    yield Box(
        "write",
        target["request"],
        (
            target["action"],
            target["budget"]["basis"] if budget is None else f"{rate(budget)} units/s",
            "a failing row",
            FAILING.get(on_error, on_error),
            *_expected(value["estimate"]["writing"], "write unit"),
        ),
    )
    lines = [f"{key['name']} {key['type']}" for key in target["key"]] or ["key not known offline"]
    lines += [_counted(len(target["indexes"]), "index")] if target["indexes"] else []
    lines += ["is made by the run"] if target["create"] is not None else []
    yield Box("target", target["table"], tuple(lines))


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
