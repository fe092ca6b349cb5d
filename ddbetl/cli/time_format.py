"""The pages of ``ddbetl time --format``: what a pattern prints, and what is left of it.

In: a pattern and times in ISO forms. Out: text, or a JSON value. Invariant: what is printed is what ``format_time``
gives.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import json_text, out, page_width, visible, wrapped
from ddbetl.cli.time import (
    ATTRIBUTE,
    bound,
    call,
    closing,
    failure,
    instant,
    named_zone,
    page,
    read,
    reader_of,
    show_doubts,
    wrong,
)
from ddbetl.functions.formats import ISO
from ddbetl.functions.model import ArgumentError, Binding
from ddbetl.functions.time import FORMAT_TIME
from ddbetl.time import PatternError, TimeError, Zone, compile_pattern
from ddbetl.time.in_turn import parser_in_turn
from ddbetl.types import Timestamp


def show(pattern: str, texts: Sequence[str], zone_name: str | None, pivot_year: int, as_json: bool) -> int:
    """Print the times of ISO texts by a pattern, and read that back; returns the exit code."""
    given = named_zone(zone_name)
    binding = Binding({"pattern": pattern}, given, pivot_year)
    try:
        implementation = bound(FORMAT_TIME.signatures[0], binding)
    except ArgumentError as error:
        raise wrong(pattern, error) from None
    reader = reader_of(ISO, zone_name, pivot_year)
    values = []
    pages: list[str] = []
    for number, text in enumerate(texts, 1):
        outcome = read(reader, text)
        if outcome.millis is None:
            values.append(failure(outcome))
            pages.append(page(reader, outcome, number))
            continue
        made = str(implementation.reference(Timestamp(outcome.millis)))
        back = _read_back(pattern, made, given, pivot_year)
        same = back == outcome.millis
        values.append(
            {
                "text": text,
                "instant": instant(outcome.millis),
                "printed": made,
                "read_back": instant(back) if back is not None else None,
                "same": same,
            }
        )
        said = "the same instant" if same else "this pattern cannot read it" if back is None else instant(back)
        said += "" if same or back is None else ": not the same instant, the pattern leaves something out"
        rows = [("instant", instant(outcome.millis)), ("printed", made), ("read back", said)]
        head = click.style(visible(text), bold=True)
        pages.append("\n".join([head, *(wrapped(f"  {a:<10} ", visible(b), page_width()) for a, b in rows)]))
    if as_json:
        out(json_text({"ddbetl_time_format": 1, "pattern": pattern, "texts": values}))
    else:
        show_doubts(pattern, implementation.doubts)
        for shown in pages:
            out(shown + "\n")
        zones = [given.name] if zone_name is not None else []
        names = [] if pattern.lower() == ISO else [pattern]
        out(closing(call("format_time", f"parse_time({ATTRIBUTE})", *names, *zones), implementation))
    return ExitCode.REJECTS if any("error" in value for value in values) else ExitCode.DONE


def _read_back(pattern: str, text: str, in_zone: Zone, pivot_year: int) -> int | None:
    try:
        made = None if pattern.lower() == ISO else compile_pattern(pattern, use="parse")
        return parser_in_turn((made,), in_zone, pivot_year)(text)
    except (PatternError, TimeError):
        return None
