"""The side-by-side benchmark of the main job: `make bench`, or `make bench-quick` for about a minute.

In: the peers of peers.py and ddbetl's own command line, against one canned server on this machine; the write modes of
modes.py; the columns of times.py, whose texts are read by ddbetl, Joda-Time and Python; the specs of functions.py,
whose transform is measured alone; the budgets of rate.py; the memory of memory.py. Out: tables on stdout, a JSON file
and a chart (SVG) in bench-results/.

Invariant: no figure without a comparison of results before it (side_by_side.py).

    python -m tests.benchmarks.bench [--quick]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import chart, modes, report
from tests.benchmarks.measure import ROOT, Server, canned_server
from tests.benchmarks.modes import MODES
from tests.benchmarks.peers import CONDITIONAL, MAIN, PEERS
from tests.benchmarks.report import Probe, Section
from tests.benchmarks.side_by_side import CEILING, DDBETL, FULL, ITEMS_PER_PAGE, QUICK, Bench, Failed, there
from tests.benchmarks.tls_pair import can_make

BASELINE = "boto3_loop"
SIDE = (BASELINE, "boto3_tuned", "pydynox_tuned", CEILING, DDBETL)
"""Who takes part beside the first section."""
SHARES = (CEILING, "pydynox", "pydynox_tuned")
"""What else a peer is compared with, beside the loop."""
ALWAYS = ("times", "functions")
"""What has a short form of its own, and is measured however late it is."""
LONG = ("rate", "memory")
PARTS = ("main", "modes", "pushdown", "latency", "tls", *ALWAYS, *LONG)
QUICK_PEERS = (BASELINE, "boto3_tuned", CEILING, DDBETL)
QUICK_MODES = MODES[:2]
RESULTS = ROOT / "bench-results"


def main() -> int:
    """Run the benchmark as the command line says; 1 where a peer did not do the job."""
    given = arguments()
    size = QUICK if given.quick else FULL
    size = replace(size, rounds=given.rounds or size.rounds, budget_seconds=given.budget or size.budget_seconds)
    asked = tuple(given.peers.split(",")) if given.peers else QUICK_PEERS if given.quick else (*MAIN, CEILING, DDBETL)
    parts = set(given.parts.split(","))
    write_modes = tuple(given.modes.split(",")) if given.modes else QUICK_MODES if given.quick else MODES
    unknown = (set(asked) - {*MAIN, CEILING, DDBETL}) | (parts - set(PARTS)) | (set(write_modes) - set(MODES))
    if unknown:
        print(f"unknown peers, parts or modes: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    peers = tuple(filter(there, asked))
    bench = Bench(size, time.monotonic())
    machine = report.machine(ROOT)
    print(report.machine_text(machine))
    if absent := [peer for peer in asked if peer not in peers]:
        print(f"\nLeft out, because their packages are not installed (`make bench` does it): {', '.join(absent)}.")
    try:
        found = measure(bench, peers, write_modes, parts, given.quick)
    except Failed as failed:
        print(f"\nNo figures: {failed}", file=sys.stderr)
        return 1
    took_part = dict.fromkeys(peer for section in found["sections"] for peer in section["peers"])
    titles = {peer: title(peer) for peer in (*took_part, *([CONDITIONAL] if "modes" in found else []))}
    if titles:
        print(report.notes(titles, ITEMS_PER_PAGE, bench.cut_short, report.own_peak_bytes()))
        print(report.disturbance(bench.timed_runs))
    seconds = round(time.monotonic() - bench.started, 1)
    names = save(
        {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine,
            "peers": titles,
            "size": asdict(size),
            "items_per_page": ITEMS_PER_PAGE,
            **found,
            "rounds_left_out": bench.cut_short,
            "seconds": seconds,
        }
    )
    print(f"\nWritten to {' and '.join(names)} after {seconds:.0f} s.")
    return 0


def measure(
    bench: Bench, peers: tuple[str, ...], write_modes: tuple[str, ...], parts: set[str], quick: bool
) -> dict[str, Any]:
    """Measure the parts, print each as it is done. Raises Failed."""
    size = bench.size
    side = tuple(peer for peer in SIDE if peer in peers)
    result: dict[str, Any] = {}
    probes: list[Probe] = []
    sections: list[Section] = []

    def time_all(server: Server, of: tuple[str, ...], rounds: int, heading: str, *, pushdown: bool = False) -> None:
        if rounds and not bench.late(rounds):
            sections.append(bench.section(server, heading, of, rounds, pushdown=pushdown))
            print(
                report.section_text(sections[-1], BASELINE),
                report.shares_text(sections[-1], DDBETL, SHARES),
                sep="\n",
                flush=True,
            )

    def probe(server: Server) -> None:
        found = bench.probes(server)
        print(report.probes_text(found), flush=True)
        probes.extend(found)

    with canned_server() as server:
        if "main" in parts:
            probe(server)
            heading = "HTTP, whole pages to every peer (the server ignores projections and filters)"
            time_all(server, peers, size.rounds, heading)
        if "modes" in parts and not bench.late(size.mode_rounds):
            heading = "Write modes, HTTP, whole pages, no item there before"
            section = bench.section(server, heading, (CONDITIONAL, *write_modes), size.mode_rounds, pushdown=False)
            print(modes.modes_text(section), flush=True)
            result["modes"] = modes.modes_json(section)
        if "pushdown" in parts:
            heading = "HTTP, projection and filter done by the server for every peer"
            time_all(server, side, size.side_rounds, heading, pushdown=True)
        if "latency" in parts and size.side_rounds and not bench.late(size.side_rounds):
            section = bench.latencies(server, "ddbetl, every answer held back by so much", size.side_rounds)
            at_once = next(iter(section.runs))
            print(report.section_text(section, at_once, at_once), flush=True)
            result["latency"] = report.section_json(section, at_once)
    if "tls" in parts and size.side_rounds and not can_make():
        print("\nHTTPS is left out: there is no openssl command to make a certificate with.")
    elif "tls" in parts and size.side_rounds and not bench.late(size.side_rounds):
        with secure_server() as server:
            probe(server)
            time_all(server, side, size.side_rounds, "HTTPS, whole pages")
    result["no_transform"] = [asdict(found) for found in probes]
    result["sections"] = [report.section_json(section, BASELINE, SHARES) for section in sections]
    for name in ALWAYS:
        if name in parts:
            result[name] = in_its_own_process(name, *(["--quick"] if quick else []))
    for name in LONG:
        if name in parts and not quick:
            result[name] = in_its_own_process(name)
    return result


def title(peer: str) -> str:
    """Return what a peer is, in one line."""
    if peer == DDBETL:
        return "ddbetl run, its real command line, every default on but the rates, which are unlimited"
    if peer == CEILING:
        return "ddbetl's wire client alone: as many pages read and items written, canned bodies, nothing transformed"
    return (PEERS[peer].__doc__ or peer).splitlines()[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench", description="The main job, side by side.")
    parser.add_argument("--quick", action="store_true", help="about a minute, fewer items and rounds, HTTP only")
    parser.add_argument("--peers", help=f"which of {', '.join((*MAIN, CEILING, DDBETL))}, separated by commas")
    parser.add_argument("--parts", default=",".join(PARTS), help="which, separated by commas")
    parser.add_argument("--modes", help=f"which of {', '.join(MODES)}, separated by commas")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of the first section")
    parser.add_argument("--budget", type=float, help="seconds after which no further run is begun")
    return parser.parse_args()


def in_its_own_process(module: str, *options: str) -> Any:
    """Let another module of this folder measure and print, apart from this process: what it imports would count as the
    clients' memory. Returns what it found."""
    print(flush=True)
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder:
        path = Path(folder, "found.json")
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", "--json", str(path), *options]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise Failed(f"tests.benchmarks.{module} ended with an error")
        return json.loads(path.read_text())


def save(result: dict[str, Any]) -> list[str]:
    """Write the JSON, and the chart where there is something to be drawn. Returns their paths."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"main-job-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    written = [path]
    if drawn := chart.draw(result):
        written.append(path.with_suffix(".svg"))
        written[-1].write_text(drawn)
    return [str(path.relative_to(ROOT)) for path in written]


@contextlib.contextmanager
def secure_server() -> Iterator[Server]:
    """Run a canned server with HTTPS on a certificate of its own."""
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder, canned_server(tls=Path(folder)) as server:
        yield server


if __name__ == "__main__":
    sys.exit(main())
