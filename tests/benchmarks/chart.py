"""The benchmark's chart: bars for who reads how many items a second, for the write modes and for the transform.

In: the result of a benchmark, as it is in the JSON. Out: one SVG, with nothing to be loaded, readable on light and on
dark; None where nothing was measured that it shows.

Invariant: every bar is a median of the JSON, its length in proportion to it.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

WIDTH = 760
NAME_WIDTH = 150
BAR_WIDTH = 400
ROW = 26
OURS_NAME = "ddbetl"
OURS = "#2b7bba"
OTHERS = "#9aa3ab"

Bar = tuple[str, float, str, bool]
"""Name, length, what stands behind the bar, whether it is ddbetl's."""


def draw(result: dict[str, Any]) -> str | None:
    """Return the chart of a result, or None."""
    panels = [panel for panel in (_peers(result), _modes(result), _functions(result)) if panel is not None]
    if not panels:
        return None
    parts: list[str] = []
    top = 16
    for title, bars in panels:
        parts.append(f'<text x="0" y="{top + 4}" font-weight="600">{escape(title)}</text>')
        top += 14
        parts += _bars(bars, top)
        top += ROW * len(bars) + 28
    machine = result["machine"]
    said = f"{machine['processor']}, {machine['usable_cores']} cores shared with the server; medians; {result['when']}"
    parts.append(f'<text x="0" y="{top - 4}" font-size="11" opacity="0.7">{escape(said)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 8}" width="{WIDTH}" height="{top + 8}" '
        'font-family="system-ui, sans-serif" font-size="13" role="img">\n'
        "<style>text{fill:#1c2024}@media(prefers-color-scheme:dark){text{fill:#e6e8ea}}</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _peers(result: dict[str, Any]) -> tuple[str, list[Bar]] | None:
    section = next((one for one in result.get("sections", []) if OURS_NAME in one["peers"]), None)
    if section is None:
        return None
    bars = []
    for peer, found in section["peers"].items():
        rate = found["medians"]["read_per_second"]
        ratio = f" ({statistics.median(found['ratios']):.1f} × the loop)" if found["ratios"] else ""
        bars.append((peer, rate, f"{rate:,.0f}{ratio}", peer.startswith(OURS_NAME)))
    return "The main job: items read, transformed and written, per second of reading", bars


def _modes(result: dict[str, Any]) -> tuple[str, list[Bar]] | None:
    found = result.get("modes")
    if found is None:
        return None
    bars = []
    for mode, figures in found["modes"].items():
        rate = figures["medians"]["written_per_second"]
        ratio = (
            f" ({statistics.median(figures['ratios']['REPLACE']):.2f} × REPLACE)"
            if figures["ratios"].get("REPLACE")
            else ""
        )
        bars.append((mode, rate, f"{rate:,.0f}{ratio}", not mode.startswith("boto3")))
    return "Write modes: items written per second", bars


def _functions(result: dict[str, Any]) -> tuple[str, list[Bar]] | None:
    found = result.get("functions")
    if not found:
        return None
    bars = []
    for name, job in found.items():
        rate, share = (job["medians"][figure] for figure in ("items_per_second", "by_reference_share"))
        bars.append((name, rate, f"{rate:,.0f} ({share:.1%} by reference)", True))
    return "The transform alone, raw pages to request bodies: items per second of one thread", bars


def _bars(bars: Sequence[Bar], top: int) -> list[str]:
    longest = max(length for _, length, _, _ in bars)
    lines = []
    for number, (name, length, text, ours) in enumerate(bars):
        y = top + ROW * number
        width = max(1.0, BAR_WIDTH * length / longest)
        lines.append(f'<text x="{NAME_WIDTH - 8}" y="{y + 16}" text-anchor="end">{escape(name)}</text>')
        lines.append(
            f'<rect x="{NAME_WIDTH}" y="{y + 3}" width="{width:.1f}" height="{ROW - 8}" rx="2" '
            f'fill="{OURS if ours else OTHERS}"/>'
        )
        lines.append(f'<text x="{NAME_WIDTH + width + 6:.1f}" y="{y + 16}">{escape(text)}</text>')
    return lines
