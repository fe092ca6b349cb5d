"""What this version aims at, beside what was measured.

In: the result of a benchmark, as it is in the JSON. Out: a line for each aim: the figure, and whether it is reached; as
text and as values for JSON.

Invariant: an aim whose part was not measured is neither reached nor missed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.benchmarks.growth import FEWER
from tests.benchmarks.report import table
from tests.benchmarks.scaling import ONE, TWO
from tests.benchmarks.side_by_side import CEILING, DDBETL, DDBETL_DEFAULT

LOOP = "boto3_loop"
MAIN_TITLE = "HTTP, whole pages to every peer"
TLS_TITLE = "HTTPS, whole pages"
PLAIN_MAIN, PLAIN_STAR = "main job, small", "SELECT *, small"
"""Jobs of functions.py, which imports half of ddbetl and is not imported itself: the benchmark is to stay small."""

Result: TypeAlias = dict[str, Any]
Figure: TypeAlias = Callable[[Result], "float | None"]


@dataclass(frozen=True, slots=True)
class Goal:
    """An aim: at least, or at most, so much of a figure; the figure is None where its part was not measured."""

    name: str
    figure: Figure
    at_least: float | None = None
    at_most: float | None = None
    form: str = ",.1f"

    def reached(self, measured: float) -> bool:
        """Say whether a figure is as good as the aim."""
        if self.at_least is not None:
            return measured >= self.at_least
        assert self.at_most is not None
        return measured <= self.at_most


def _runs(result: Result, title: str, peer: str) -> list[dict[str, Any]]:
    """Return a peer's runs in the section of a title; none where it was not measured."""
    found = next((one for one in result.get("sections", []) if one["title"].startswith(title)), None)
    runs: list[dict[str, Any]] = found["peers"].get(peer, {}).get("runs", []) if found is not None else []
    return runs


def times(title: str, peer: str, other: str, figure: str = "read_per_second") -> Figure:
    """Return the median of a figure's ratios between two peers, within the rounds."""

    def found(result: Result) -> float | None:
        pairs = zip(_runs(result, title, peer), _runs(result, title, other), strict=False)
        ratios = [one[figure] / base[figure] for one, base in pairs]
        return statistics.median(ratios) if ratios else None

    return found


def median(title: str, peer: str, figure: str) -> Figure:
    """Return the median of a peer's figure."""

    def found(result: Result) -> float | None:
        runs = _runs(result, title, peer)
        return statistics.median(run[figure] for run in runs) if runs else None

    return found


def _filtered_out(result: Result) -> float | None:
    cases = result.get("growth", {}).get("cases", [])
    found = [one["figures"] for one in cases if (one["group"], one["name"]) == (FEWER, "0 %")]
    return found[0]["client_us_per_item_read"] if found else None


def _transform(job: str) -> Figure:
    def found(result: Result) -> float | None:
        jobs = result.get("functions", {})
        return jobs[job]["medians"]["items_per_second"] if job in jobs else None

    return found


def _peak_mb(result: Result) -> float | None:
    """The largest of all runs in one worker."""
    peaks = [run["peak_mb"] for run in _runs(result, MAIN_TITLE, DDBETL)]
    peaks += [one["figures"]["peak_mb"] for one in result.get("growth", {}).get("cases", [])]
    peaks += [one["peak_bytes"] / 1e6 for one in result.get("memory", {}).get("runs", [])]
    return max(peaks, default=None)


def _start(result: Result) -> float | None:
    return result["start"]["medians"].get(DDBETL) if "start" in result else None


def _held_back(held: str) -> Figure:
    def found(result: Result) -> float | None:
        ratios = result.get("latency", {}).get("peers", {}).get(held, {}).get("ratios", [])
        return statistics.median(ratios) if ratios else None

    return found


def _scaling(result: Result) -> float | None:
    found: float | None = result.get("workers", {}).get("accounted_ratio")
    return found


GOALS = (
    Goal("times as fast as the plain loop", times(MAIN_TITLE, DDBETL, LOOP), at_least=30),
    Goal("times as fast as the tuned loop", times(MAIN_TITLE, DDBETL, "boto3_tuned"), at_least=25),
    Goal("times as fast as the pydynox loop", times(MAIN_TITLE, DDBETL, "pydynox"), at_least=4.5),
    Goal("of the rate without a transform", times(MAIN_TITLE, DDBETL, CEILING), at_least=0.7, form=".2f"),
    Goal(
        "times the loop over TLS, accounted",
        times(TLS_TITLE, DDBETL, LOOP, "accounted_read_per_second"),
        at_least=20,
    ),
    Goal("times the plain loop, default workers", times(MAIN_TITLE, DDBETL_DEFAULT, LOOP), at_least=40),
    Goal(
        "items/s written by one worker", median(MAIN_TITLE, DDBETL, "written_per_second"), at_least=80_000, form=",.0f"
    ),
    Goal("µs of CPU by item read", median(MAIN_TITLE, DDBETL, "client_us_per_item_read"), at_most=5, form=".2f"),
    Goal("µs of CPU by item that is filtered out", _filtered_out, at_most=1.5, form=".2f"),
    Goal("items/s of the transform alone, main job", _transform(PLAIN_MAIN), at_least=650_000, form=",.0f"),
    Goal("items/s of the transform alone, SELECT *", _transform(PLAIN_STAR), at_least=1_000_000, form=",.0f"),
    Goal("MB of memory at most, whatever the size", _peak_mb, at_most=400, form=",.0f"),
    Goal("s of CPU until the first request", _start, at_most=1, form=".2f"),
    Goal("of the rate without latency, at 5 ms", _held_back("5 ms"), at_least=0.8, form=".2f"),
    Goal("of the rate without latency, at 20 ms", _held_back("20 ms"), at_least=0.8, form=".2f"),
    Goal(f"times {ONE}'s rate with {TWO}, accounted", _scaling, at_least=1.7, form=".2f"),
)


def goals_text(result: Result, goals: Sequence[Goal] = GOALS) -> str:
    """Return a line for each aim."""
    rows = []
    for goal in goals:
        measured = goal.figure(result)
        aim = f"≥ {goal.at_least:,}" if goal.at_least is not None else f"≤ {goal.at_most:,}"
        said = "not measured" if measured is None else "yes" if goal.reached(measured) else "NO"
        rows.append([goal.name, format(measured, goal.form) if measured is not None else "-", aim, said])
    head = "\nWhat this version aims at, on two cores that client and server share; one worker, unless said otherwise:"
    return "\n".join([head, "", table(["", "measured", "aim", "reached"], rows)])


def goals_json(result: Result, goals: Sequence[Goal] = GOALS) -> list[dict[str, Any]]:
    """Return the aims with what was measured, and whether that reaches them."""
    found = [(goal, goal.figure(result)) for goal in goals]
    return [
        {
            "name": goal.name,
            "measured": measured,
            "at_least": goal.at_least,
            "at_most": goal.at_most,
            "reached": None if measured is None else goal.reached(measured),
        }
        for goal, measured in found
    ]
