"""The write modes of the main job: what it costs not to overwrite.

In: the main job's spec, and timed runs of it under several modes beside a boto3 loop of conditional put_item. Out: the
spec of each mode; the table of their figures as text and as values for JSON.

SKIP, REJECT and FAIL send the same requests for items that are not there yet, as here: REJECT, the default, stands for
all three. What an existing item costs beyond that depends on how many there are; the canned server has none.

Invariant: every mode wrote the same items as REPLACE did, or there is no figure.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict
from typing import Any

from tests.benchmarks.peers import CONDITIONAL
from tests.benchmarks.report import Run, Section, medians, ratio_range, ratios, table

REPLACE = "REPLACE"
MODES = (REPLACE, "REJECT", "KEEP NEWEST", "MERGE")
GOALS = {REPLACE: 0.5, CONDITIONAL: 5.0}
"""How many times as fast as each of these every mode is to be, at least, by items written a second."""

_CONFLICT = "ON CONFLICT REPLACE"
_FIGURE = "written_per_second"


def mode_spec(main_job: str, mode: str) -> str:
    """Return the main job's spec with another mode. Raises ValueError where it does not say ON CONFLICT REPLACE."""
    statement = main_job.partition("\nINSERT INTO ")
    if not statement[1] or statement[2].count(_CONFLICT) != 1:
        raise ValueError(f"the main job is to have one INSERT INTO and one {_CONFLICT}")
    match mode:
        case "MERGE":
            return f"{statement[0]}\nMERGE INTO {statement[2].replace(_CONFLICT, '')}"
        case "KEEP NEWEST":
            return main_job.replace(_CONFLICT, "ON CONFLICT KEEP NEWEST BY ExpirationTimestamp")
        case _:
            return main_job.replace(_CONFLICT, f"ON CONFLICT {mode}")


def modes_text(section: Section) -> str:
    """Return the table of the modes: medians over the rounds, ratios within them, and whether the goals are reached."""
    rows = []
    for mode, runs in section.runs.items():
        mid = medians(runs)
        rates = [run.figures()[_FIGURE] for run in runs]
        rows.append(
            [
                mode,
                f"{mid['items_written']:,.0f}",
                f"{mid[_FIGURE]:,.0f}",
                f"{min(rates) / 1000:,.1f}-{max(rates) / 1000:,.1f} k",
                f"{client_us(runs):.2f}",
                f"{mid['client_cores']:.2f}",
                f"{mid['peak_mb']:,.0f}",
                f"{server_us(runs):.2f}",
                f"{statistics.median(run.items_written / run.write_requests for run in runs):.1f}",
                *(ratio_range(ratios(section, mode, base, _FIGURE), ".2f") for base in GOALS),
            ]
        )
    columns = ["mode", "items written", "written/s", "from-to", "CPU µs/item", "cores", "peak MB", "server µs/item"]
    columns += ["items/request", "x REPLACE", "x put_item"]
    rounds = max(map(len, section.runs.values()), default=0)
    head = f"\n{section.title}: {rounds} interleaved rounds, medians; µs of CPU by item written"
    return "\n".join([head, "", table(columns, rows), "", *_goal_lines(section)])


def client_us(runs: list[Run]) -> float:
    """Return the client's CPU by item written, in microseconds: the median run's."""
    return statistics.median(1e6 * run.cpu / run.items_written for run in runs)


def server_us(runs: list[Run]) -> float:
    """Return the server's, of the same runs."""
    return statistics.median(1e6 * run.server_cpu / run.items_written for run in runs)


def goals(section: Section) -> dict[str, dict[str, float]]:
    """Return for each conditional mode the medians of its ratios to what GOALS compares it with."""
    return {
        mode: {
            base: statistics.median(found)
            for base in GOALS
            if base != mode and (found := ratios(section, mode, base, _FIGURE))
        }
        for mode in section.runs
        if mode not in GOALS
    }


def _goal_lines(section: Section) -> list[str]:
    lines = []
    for base, least in GOALS.items():
        reached = {mode: found[base] for mode, found in goals(section).items() if base in found}
        if reached:
            said = ", ".join(
                f"{mode} {ratio:.2f} {'yes' if ratio >= least else 'NO'}" for mode, ratio in reached.items()
            )
            lines.append(f"  At least {least:g} times {base}: {said}.")
    return lines


def modes_json(section: Section) -> dict[str, Any]:
    """Return the modes with every run."""
    return {
        "title": section.title,
        "compared_items": section.compared_items,
        "goals": GOALS,
        "reached": goals(section),
        "modes": {
            mode: {
                "medians": {
                    **medians(runs),
                    "client_us_per_item_written": client_us(runs),
                    "server_us_per_item_written": server_us(runs),
                },
                "ratios": {base: ratios(section, mode, base, _FIGURE) for base in GOALS},
                "runs": [{**asdict(run), **run.figures()} for run in runs],
            }
            for mode, runs in section.runs.items()
        },
    }
