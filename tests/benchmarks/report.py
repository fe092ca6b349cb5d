"""The benchmark's figures as text and as JSON.

In: runs. Out: the lines that bench.py prints, the values that it saves.

Invariant: every figure in the text is in the JSON too, with the runs that it is the median of.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("ddbetl", "duckdb", "msgspec", "httptools", "uvloop", "pyarrow", "boto3", "botocore", "urllib3")
MEGA = 1_000_000
DISTURBED = 0.25
"""Cores taken by others from which on a figure is not to be trusted."""


@dataclass(frozen=True, slots=True)
class Run:
    """One timed run: the client as the kernel counted it, the server by its own counters."""

    items_read: int
    items_written: int
    requests: int
    write_requests: int
    connections: int
    wall: float
    """Seconds from starting the process to its end."""
    window: float
    """Seconds from the first Scan or write that the server received to its last answer."""
    cpu: float
    """The client's CPU seconds, start-up included."""
    peak_bytes: int
    server_cpu: float
    others_cpu: float | None
    """CPU seconds that the machine spent on neither client nor server; None where the system does not tell."""
    pushdowns_ignored: int
    busiest_cpu: float | None = None
    """CPU seconds of the client's busiest thread within the window; None where the system does not tell."""
    all_peaks_bytes: int = 0
    """The largest resident sets of all the client's processes, added; what they share counts for each."""
    processes: int = 1

    def figures(self) -> dict[str, float]:
        """Return what is reported of a run."""
        return {
            "read_per_second": self.items_read / self.window,
            "written_per_second": self.items_written / self.window,
            "whole_read_per_second": self.items_read / self.wall,
            "outside_window_seconds": self.wall - self.window,
            "client_us_per_item_read": 1e6 * self.cpu / self.items_read,
            "client_cores": self.cpu / self.wall,
            "peak_mb": self.peak_bytes / MEGA,
            "server_us_per_item_read": 1e6 * self.server_cpu / self.items_read,
            "others_cores": (self.others_cpu or 0.0) / self.wall,
            "items_read": self.items_read,
            "items_written": self.items_written,
            "busiest_us_per_item_read": 1e6 * self.busiest / self.items_read,
            "accounted_read_per_second": self.items_read / self.busiest,
            "server_cores": self.server_cpu / self.window,
            "all_peaks_mb": max(self.all_peaks_bytes, self.peak_bytes) / MEGA,
            "processes": self.processes,
        }

    @property
    def busiest(self) -> float:
        """CPU seconds of the busiest thread; of the whole client, start-up included, where they are not known."""
        return self.cpu if self.busiest_cpu is None else self.busiest_cpu


@dataclass(frozen=True, slots=True)
class Section:
    """One table: what holds for all its runs, and the runs by peer, in the order of rounds."""

    title: str
    compared_items: int
    """How many written items of each peer were compared before any time was taken; 0 where another section did it."""
    runs: dict[str, list[Run]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One measurement without transform: a client of canned bodies, and the server meanwhile."""

    client: str
    scheme: str
    kind: str
    in_flight: int
    requests_per_second: float
    items_per_second: float
    client_us_per_request: float
    server_us_per_request: float
    server_us_per_item: float


def machine(root: Path) -> dict[str, Any]:
    """Return what the figures were taken on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": _commit(root),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(root: Path) -> str | None:
    try:
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def machine_text(found: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in found["packages"].items() if number)
    return "\n".join(
        [
            "The main job, side by side: 13 monthly tables into one, against a canned server on this same machine.",
            "A client's figures, not DynamoDB's: the server stores nothing and never throttles.",
            "",
            f"  machine   {found['processor']}, {found['usable_cores']} of {found['cores']} cores usable by client "
            f"and server together, {found['memory_gb']} GB",
            f"  load      {' '.join(map(str, found['load_before']))} (1, 5, 15 minutes) before the start",
            f"  system    {found['system']}, {found['python']}",
            f"  packages  {packages}",
            f"  commit    {found['commit'] or 'unknown'}",
        ]
    )


def probes_text(probes: Sequence[Probe]) -> str:
    """Return the table of measurements without transform."""
    rows = [
        [
            probe.client,
            f"{probe.scheme} {probe.kind}",
            str(probe.in_flight),
            f"{probe.requests_per_second:,.0f}",
            f"{probe.items_per_second:,.0f}",
            f"{probe.client_us_per_request:.1f}",
            f"{probe.server_us_per_request:.1f}",
            f"{probe.server_us_per_item:.2f}",
        ]
        for probe in probes
    ]
    columns = [
        "client",
        "requests",
        "in flight",
        "requests/s",
        "items/s",
        "client µs/req",
        "server µs/req",
        "server µs/item",
    ]
    return "\nNo transform, canned bodies (a write is 25 items, a scan one page), one run each:\n\n" + table(
        columns, rows
    )


def section_text(section: Section, baseline: str, called: str = "loop") -> str:
    """Return one table: medians over the rounds, the spread of the reading rate, ratios to the baseline."""
    rows = []
    for peer, runs in section.runs.items():
        mid = medians(runs)
        rates = [run.figures()["read_per_second"] for run in runs]
        rows.append(
            [
                peer,
                f"{mid['items_read']:,.0f}",
                f"{mid['read_per_second']:,.0f}",
                f"{min(rates) / 1000:,.1f}-{max(rates) / 1000:,.1f} k",
                f"{mid['written_per_second']:,.0f}",
                f"{mid['client_us_per_item_read']:.2f}",
                f"{mid['client_cores']:.2f}",
                f"{mid['peak_mb']:,.0f}",
                f"{mid['server_us_per_item_read']:.2f}",
                f"{mid['outside_window_seconds']:.2f}",
                ratio_range(ratios(section, peer, baseline, "read_per_second")),
                ratio_range(ratios(section, peer, baseline, "whole_read_per_second")),
            ]
        )
    columns = ["peer", "items", "read/s", "from-to", "written/s", "CPU µs/item", "cores", "peak MB"]
    columns += ["server µs/item", "start+end s", f"x {called}", f"x {called}, whole"]
    rounds = max(map(len, section.runs.values()), default=0)
    head = f"\n{section.title}: {rounds} interleaved rounds, medians"
    ignored = {
        peer: runs[0].pushdowns_ignored for peer, runs in section.runs.items() if runs and runs[0].pushdowns_ignored
    }
    foot = [
        f"The server could not evaluate {count} Scans of {peer} and sent whole pages."
        for peer, count in ignored.items()
    ]
    return "\n".join([head, "", table(columns, rows), *foot])


def ratio_range(found: Sequence[float], form: str = ".1f") -> str:
    """Return the median of the rounds' ratios, with the least and the largest."""
    if not found:
        return "-"
    return f"{statistics.median(found):{form}} ({min(found):{form}}-{max(found):{form}})"


def ratios(section: Section, peer: str, baseline: str, figure: str) -> list[float]:
    """Return a figure's ratio to the baseline's, round by round."""
    pairs = zip(section.runs.get(peer, []), section.runs.get(baseline, []), strict=False)
    return [run.figures()[figure] / base.figures()[figure] for run, base in pairs]


def medians(runs: Sequence[Run]) -> dict[str, float]:
    """Return the median of every figure, each by itself."""
    each = [run.figures() for run in runs]
    return {name: statistics.median(figures[name] for figures in each) for name in each[0]}


def shares_text(section: Section, peer: str, others: Sequence[str]) -> str:
    """Return a line for each other that took part: how a peer's reading rate compares with it."""
    return "\n".join(
        f"  {peer} reads {ratio_range(found, '.2f')} times as fast as {other}."
        for other in others
        if peer in section.runs and (found := ratios(section, peer, other, "read_per_second"))
    )


def accounted_text(section: Section, peer: str, baseline: str) -> str:
    """Return a line on what does not depend on the machine's other core: CPU by item, and the accounted rate."""
    by_cpu = ratios(section, baseline, peer, "client_us_per_item_read")
    accounted = ratios(section, peer, baseline, "accounted_read_per_second")
    if not by_cpu:
        return ""
    return (
        f"  {baseline} needs {ratio_range(by_cpu)} times as much CPU by item as {peer}; accounted, {peer} is "
        f"{ratio_range(accounted)} times as fast."
    )


def section_json(section: Section, baseline: str, others: Sequence[str] = ()) -> dict[str, Any]:
    """Return a section with every run."""
    return {
        "title": section.title,
        "compared_items": section.compared_items,
        "peers": {
            peer: {
                "medians": medians(runs),
                "ratios": ratios(section, peer, baseline, "read_per_second"),
                "ratios_whole": ratios(section, peer, baseline, "whole_read_per_second"),
                "ratios_to": {other: ratios(section, peer, other, "read_per_second") for other in others},
                "runs": [{**asdict(run), **run.figures()} for run in runs],
            }
            for peer, runs in section.runs.items()
        },
    }


def notes(titles: dict[str, str], items_per_page: int, rounds_left_out: int) -> str:
    """Say what the figures are and what they leave out."""
    said = [
        f"Source items have 5 or 6 attributes, some 205 bytes of JSON, {items_per_page:,} a page; 40 % have an OrderID "
        "and are written. Items read are those that the server read (ScannedCount), whatever it returned of them.",
        "The slower peers get fewer items than ddbetl: rates and CPU are per item, not per run. How much start-up weighs "
        "in each is seen in 'start+end s' and in 'x loop, whole'.",
        "read/s, written/s and 'x loop': from the first Scan at the server to its last answer, as the server saw it. "
        "'x loop, whole': from starting the process to its end. 'start+end s' is the difference. Ratios are medians "
        "of the ratios within each round.",
        "accounted: by the rate of items read in the CPU seconds of the client's busiest thread between the first Scan "
        "and the end: so much would be read if each of its threads had a core and the server were elsewhere. Of clients in Python alone all CPU counts as one "
        "thread's.",
        "CPU µs/item: user and system time of the client's whole process, start-up included, per item read. cores: CPU "
        "by wall time.",
        "peak MB: the largest resident set of any one process.",
        "server µs/item: the canned server's CPU meanwhile, loopback TCP included. It shares the cores with the "
        "client.",
        "Not in it: DynamoDB's latency, throttling and network. In every timed run the counts of items read and "
        "written were right, or there would be no figure; the items themselves were compared in the run before.",
    ]
    if rounds_left_out:
        said.append(f"Time was up. Rounds left out: {rounds_left_out}.")
    peers = [f"  {name:15} {title}" for name, title in titles.items()]
    return "\n".join(["", "Peers:", *peers, "", "What is counted:", *map(_bullet, said)])


def disturbance(runs: Sequence[Run]) -> str:
    """Say how much other programs had of the machine during the timed runs."""
    known = [run for run in runs if run.others_cpu is not None]
    if not known:
        return _bullet("How busy the machine was with other things is not known on this system.")
    shares = [run.figures()["others_cores"] for run in known]
    worst = max(shares)
    text = (
        f"Everything else on this machine took {statistics.median(shares):.2f} cores in the median run, "
        f"{worst:.2f} in the worst."
    )
    return _bullet(text if worst < DISTURBED else f"{text} That is too much: measure again when nothing else runs.")


def _bullet(text: str) -> str:
    return textwrap.fill(text, 118, initial_indent="- ", subsequent_indent="  ")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[n]) for row in (columns, *rows)) for n in range(len(columns))]
    lines = []
    for row in (columns, ["-" * width for width in widths], *rows):
        first, *others = zip(row, widths, strict=True)
        lines.append("  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]).rstrip())
    return "\n".join(f"  {line}" for line in lines)
