"""The side-by-side benchmark of the main job: `make bench`, or `make bench-quick` for about a minute.

In: the peers of peers.py and ddbetl's own command line, against one canned server on this machine; the write modes of
modes.py; copies of one table; the cases of growth.py; the worker processes of scaling.py; the starts of start.py; the
columns of times.py, whose texts are read by ddbetl, Joda-Time and Python; the specs of functions.py, whose transform is
measured alone; the budgets of rate.py; the memory of memory.py. Out: tables on stdout, at their end the aims of goals.py;
a JSON file and a chart (SVG) in bench-results/.

Invariant: no figure without a comparison of results before it (side_by_side.py). A part that fails has none; the others
go on.

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
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import chart, goals, growth, modes, report, scaling, start
from tests.benchmarks.goals import LOOP as BASELINE
from tests.benchmarks.goals import MAIN_TITLE, TLS_TITLE
from tests.benchmarks.measure import ROOT, Server, canned_server
from tests.benchmarks.modes import MODES
from tests.benchmarks.peers import CONDITIONAL, COPY_LOOP, MAIN, PEERS
from tests.benchmarks.report import Probe, Section
from tests.benchmarks.side_by_side import (
    CEILING,
    COPIES,
    DDBETL,
    DDBETL_COPY,
    DDBETL_DEFAULT,
    FULL,
    ITEMS_PER_PAGE,
    NPM_COPY,
    OURS,
    QUICK,
    Bench,
    Failed,
    takes_workers,
    there,
)
from tests.benchmarks.tls_pair import can_make

SIDE = (BASELINE, "boto3_tuned", "pydynox_tuned", CEILING, DDBETL)
"""Who takes part beside the first section."""
SHARES = ("boto3_tuned", "aioboto3", "pydynox", "pydynox_tuned", CEILING)
"""What else a peer is compared with, beside the loop."""
ALWAYS = ("times", "functions")
"""What has a short form of its own, and is measured however late it is."""
LONG = ("rate", "memory")
PARTS = ("main", "start", "growth", "workers", "tls", "latency", "modes", "copies", "pushdown", *ALWAYS, *LONG)
"""In the order in which they are measured: where time is up, what is left out are the last ones."""
STARTS = 3
QUICK_PEERS = (BASELINE, "boto3_tuned", CEILING, DDBETL)
"""Of so few items ddbetl is one worker by default."""
QUICK_MODES = MODES[:2]
RESULTS = ROOT / "bench-results"


def main() -> int:
    """Run the benchmark as the command line says; 1 where a peer did not do the job."""
    given = arguments()
    size = QUICK if given.quick else FULL
    size = replace(size, rounds=given.rounds or size.rounds, budget_seconds=given.budget or size.budget_seconds)
    asked = tuple(given.peers.split(",")) if given.peers else QUICK_PEERS if given.quick else (*MAIN, CEILING, *OURS)
    parts = set(given.parts.split(","))
    write_modes = tuple(given.modes.split(",")) if given.modes else QUICK_MODES if given.quick else MODES
    unknown = (set(asked) - {*MAIN, CEILING, *OURS}) | (parts - set(PARTS)) | (set(write_modes) - set(MODES))
    if unknown:
        print(f"unknown peers, parts or modes: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    bench = Bench(size, time.monotonic(), workers=takes_workers())
    peers = tuple(peer for peer in asked if there(peer) and (bench.workers or peer != DDBETL_DEFAULT))
    machine = report.machine(ROOT)
    print(report.machine_text(machine))
    if not bench.workers:
        print("\nThis ddbetl has no worker processes: what compares them is left out.")
    if absent := [peer for peer in asked if not there(peer)]:
        print(f"\nLeft out, because their packages are not installed (`make bench` does it): {', '.join(absent)}.")
    found = measure(bench, peers, write_modes, parts, given.quick)
    took_part = dict.fromkeys(peer for section in found["sections"] for peer in section["peers"])
    titles = {peer: title(peer) for peer in (*took_part, *([CONDITIONAL] if "modes" in found else []))}
    found["goals"] = goals.goals_json(found)
    found["texts"] |= {
        "machine": report.machine_text(machine),
        "goals": goals.goals_text(found).strip(),
        "disturbance": report.disturbance(bench.timed_runs) if bench.timed_runs else "",
    }
    if titles:
        print(report.notes(titles, ITEMS_PER_PAGE, bench.cut_short))
        print(report.disturbance(bench.timed_runs))
    print(goals.goals_text(found))
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
        },
        given.quick,
    )
    print(f"\nWritten to {' and '.join(names)} after {seconds:.0f} s.")
    if found["failed"]:
        print(f"Failed: {', '.join(found['failed'])}.", file=sys.stderr)
    return 1 if found["failed"] else 0


def measure(
    bench: Bench, peers: tuple[str, ...], write_modes: tuple[str, ...], parts: set[str], quick: bool
) -> dict[str, Any]:
    """Measure the parts, print each as it is done; the names of those that failed are `failed`."""
    size = bench.size
    side = tuple(peer for peer in SIDE if peer in peers)
    result: dict[str, Any] = {}
    probes: list[Probe] = []
    sections: list[tuple[Section, str]] = []
    took: dict[str, float] = defaultdict(float)
    texts: dict[str, list[str]] = defaultdict(list)
    part_now = ""
    failures: list[str] = []

    def say(text: str) -> None:
        print(text, flush=True)
        texts[part_now].append(text.strip("\n"))

    def show(section: Section, baseline: str = BASELINE, ours: str = DDBETL) -> None:
        sections.append((section, baseline))
        lines = [report.section_text(section, baseline), report.shares_text(section, ours, SHARES)]
        say("\n".join(filter(None, [*lines, report.accounted_text(section, ours, baseline)])))

    def time_all(server: Server, of: tuple[str, ...], rounds: int, heading: str, *, pushdown: bool = False) -> None:
        if rounds and not bench.late(rounds):
            show(bench.section(server, heading, of, rounds, pushdown=pushdown))

    def probe(server: Server) -> None:
        found = bench.probes(server)
        say(report.probes_text(found))
        probes.extend(found)

    @contextlib.contextmanager
    def clocked(part: str) -> Iterator[None]:
        nonlocal part_now
        part_now, began = part, time.monotonic()
        try:
            yield
        except (Failed, RuntimeError) as failed:
            print(f"\nNo figures of {part}: {failed}", file=sys.stderr, flush=True)
            failures.append(part)
        took[part] += time.monotonic() - began

    if "main" in parts:
        with clocked("main"), canned_server() as server:
            probe(server)
            time_all(server, peers, size.rounds, f"{MAIN_TITLE} (the server ignores projections and filters)")
    if {"start", "growth"} & parts:
        with clocked("start"):
            starts = start.measure(bench, [BASELINE, DDBETL], 1 if quick else STARTS)
            say(start.starts_text(starts))
            result["start"] = {"medians": start.medians(starts), "seconds": starts}
    if "growth" in parts and "start" in result and not bench.late(1):
        cases = [case for case in growth.CASES if case.quick or not quick]
        with clocked("growth"), canned_server(cache_mb=0) as server:
            grown = growth.measure(bench, server, result["start"]["medians"][DDBETL], cases)
            say(growth.growth_text(grown))
            result["growth"] = growth.growth_json(grown)
    if "workers" in parts and bench.workers and size.side_rounds and not bench.late(size.side_rounds):
        with clocked("workers"):
            section = scaling.measure(bench, size.side_rounds)
            say(scaling.scaling_text(section))
            result["workers"] = scaling.scaling_json(section)
    if "tls" in parts and size.side_rounds and not can_make():
        print("\nHTTPS is left out: there is no openssl command to make a certificate with.")
    elif "tls" in parts and size.side_rounds and not bench.late(size.side_rounds):
        with clocked("tls"), secure_server() as server:
            probe(server)
            # pydynox trusts the authorities that are built into it, and nobody else.
            of = tuple(peer for peer in side if not peer.startswith("pydynox"))
            time_all(server, of, size.side_rounds, f"{TLS_TITLE}; every client checks the server's certificate")
    if "latency" in parts and size.side_rounds and not bench.late(size.side_rounds):
        with clocked("latency"), canned_server() as server:
            heading = "ddbetl in one worker, every answer held back by so much"
            section = bench.latencies(server, heading, size.side_rounds)
            at_once = next(iter(section.runs))
            say(report.section_text(section, at_once, at_once))
            result["latency"] = report.section_json(section, at_once)
    if "modes" in parts and not bench.late(size.mode_rounds):
        with clocked("modes"), canned_server() as server:
            heading = "Write modes, HTTP, whole pages, no item there before"
            section = bench.section(server, heading, (CONDITIONAL, *write_modes), size.mode_rounds, pushdown=False)
            say(modes.modes_text(section))
            result["modes"] = modes.modes_json(section)
    if "copies" in parts and size.side_rounds and not bench.late(size.side_rounds):
        with clocked("copies"), canned_server() as server:
            of = tuple(filter(there, COPIES))
            section = bench.section(server, "A copy of one table, HTTP", of, size.side_rounds, pushdown=False)
            show(section, COPY_LOOP, DDBETL_COPY)
    if "pushdown" in parts and size.side_rounds:
        with clocked("pushdown"), canned_server() as server:
            heading = "HTTP, projection and filter done by the server for every peer"
            time_all(server, side, size.side_rounds, heading, pushdown=True)
    result["no_transform"] = [asdict(found) for found in probes]
    result["sections"] = [report.section_json(section, baseline, SHARES) for section, baseline in sections]
    for name in ALWAYS:
        if name in parts:
            with clocked(name):
                result[name] = in_its_own_process(name, *(["--quick"] if quick else []))
    for name in LONG:
        if name in parts and not quick:
            with clocked(name):
                result[name] = in_its_own_process(name)
    result["failed"] = failures
    result["texts"] = {part: "\n\n".join(said) for part, said in texts.items()}
    result["part_seconds"] = {part: round(seconds, 1) for part, seconds in took.items()}
    return result


def title(peer: str) -> str:
    """Return what a peer is, in one line."""
    if peer == DDBETL:
        return "ddbetl run, its real command line, one worker, every default on but the rates, which are unlimited"
    if peer == DDBETL_DEFAULT:
        return "the same, in as many worker processes as it takes by default"
    if peer == DDBETL_COPY:
        return "ddbetl run, SELECT *, one worker"
    if peer == NPM_COPY:
        return "the package copy-dynamodb-table, from npm"
    if peer == CEILING:
        return "ddbetl's wire client alone: as many pages read and items written, canned bodies, nothing transformed"
    return (PEERS[peer].__doc__ or peer).splitlines()[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench", description="The main job, side by side.")
    parser.add_argument("--quick", action="store_true", help="about a minute, fewer items and rounds, HTTP only")
    parser.add_argument("--peers", help=f"which of {', '.join((*MAIN, CEILING, *OURS))}, separated by commas")
    parser.add_argument("--parts", default=",".join(PARTS), help=f"which of {', '.join(PARTS)}, separated by commas")
    parser.add_argument("--modes", help=f"which of {', '.join(MODES)}, separated by commas")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of the first section")
    parser.add_argument("--budget", type=float, help="seconds after which no further run is begun")
    return parser.parse_args()


def in_its_own_process(module: str, *options: str) -> Any:
    """Let another module of this folder measure and print, apart from this process, which is to stay small. Returns what
    it found."""
    print(flush=True)
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder:
        path = Path(folder, "found.json")
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", "--json", str(path), *options]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise Failed(f"tests.benchmarks.{module} ended with an error")
        return json.loads(path.read_text())


def save(result: dict[str, Any], quick: bool) -> list[str]:
    """Write the JSON, and the chart where there is something to be drawn. Returns their paths."""
    RESULTS.mkdir(exist_ok=True)
    name = "main-job-quick" if quick else "main-job"
    path = RESULTS / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
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
