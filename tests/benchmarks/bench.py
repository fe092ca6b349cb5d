"""The side-by-side benchmark of the main job: `make bench`, or `make bench-quick` for under a minute.

In: the peers of peers.py and ddbetl's own command line, against one canned server on this machine; the columns of
times.py, whose texts are read by ddbetl, Joda-Time and Python; the budgets of rate.py; the memory of memory.py. Out:
tables on stdout, a JSON file in bench-results/.

Each section first lets every peer do a small job in the server's verify mode and compares what was written, item by
item; only then are there times. Timed runs are interleaved (every peer once a round); ratios are taken within a
round.

Invariant: a run that did not read and write exactly the expected items is an error, never a figure.

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
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.benchmarks import report
from tests.benchmarks.measure import ROOT, Measured, Server, canned_server, client_environment, run_client
from tests.benchmarks.peers import PEERS
from tests.benchmarks.report import Probe, Run, Section
from tests.benchmarks.tls_pair import can_make

BASELINE = "boto3_loop"
DDBETL = "ddbetl"
SPEC = ROOT / "tests" / "benchmarks" / "main_job.ddbetl"
RESULTS = ROOT / "bench-results"
ITEMS_PER_PAGE = 4000
PROBE_PAGES = 4


class Failed(Exception):
    """A peer that did not do the job: nothing that it took can be reported."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much a run of the benchmark does. Peers on boto3 get `slow_pages` a table, ddbetl `fast_pages`."""

    slow_pages: int
    fast_pages: int
    rounds: int
    side_rounds: int
    """Rounds of the sections beside the first; 0 leaves them out."""
    verify_pages: int
    verify_items: int
    probe_seconds: float
    budget_seconds: float
    """No run is begun that would probably end after this; reading times comes last, and always."""


FULL = Size(2, 60, 5, 3, 3, 600, 3.0, 540.0)
QUICK = Size(1, 25, 2, 0, 3, 200, 1.0, 50.0)


def main() -> int:
    """Run the benchmark as the command line says; 1 where a peer did not do the job."""
    given = arguments()
    started = time.monotonic()
    size = QUICK if given.quick else FULL
    size = replace(size, rounds=given.rounds or size.rounds, budget_seconds=given.budget or size.budget_seconds)
    peers = tuple(given.peers.split(","))
    unknown = set(peers) - {*PEERS, DDBETL}
    if unknown:
        print(f"unknown peers: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    bench = Bench(size, peers, started)
    machine = report.machine(ROOT)
    print(report.machine_text(machine))
    probes: list[Probe] = []
    sections: list[Section] = []
    try:
        with canned_server() as server:
            probes += bench.probes(server)
            print(report.probes_text(probes), flush=True)
            # The transform alone (pages in, request bodies out, no network) will be measured here.
            for heading, rounds, pushdown in (
                ("HTTP, whole pages to every peer (the server ignores projections and filters)", size.rounds, False),
                ("HTTP, projection and filter done by the server for every peer", size.side_rounds, True),
            ):
                if rounds and not bench.late(rounds):
                    sections.append(bench.section(server, heading, rounds, pushdown=pushdown))
                    print(report.section_text(sections[-1], BASELINE), flush=True)
        if size.side_rounds and can_make() and not bench.late(size.side_rounds):
            with secure_server() as server:
                secure = bench.probes(server)
                probes += secure
                print(report.probes_text(secure), flush=True)
                sections.append(bench.section(server, "HTTPS, whole pages", size.side_rounds, pushdown=False))
                print(report.section_text(sections[-1], BASELINE))
        elif size.side_rounds and not can_make():
            print("\nHTTPS is left out: there is no openssl command to make a certificate with.")
        times = reading_times(given.quick)
        rates = [] if given.quick else in_its_own_process("rate")
        memory = {} if given.quick else in_its_own_process("memory")
    except Failed as failed:
        print(f"\nNo figures: {failed}", file=sys.stderr)
        return 1
    titles = {peer: title(peer) for peer in peers}
    print(report.notes(titles, ITEMS_PER_PAGE, bench.cut_short, report.own_peak_bytes()))
    print(report.disturbance(sections))
    path = save(
        {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine,
            "peers": titles,
            "size": asdict(size),
            "items_per_page": ITEMS_PER_PAGE,
            "no_transform": [asdict(probe) for probe in probes],
            "sections": [report.section_json(section, BASELINE) for section in sections],
            "times": times,
            "rates": rates,
            "memory": memory,
            "rounds_left_out": bench.cut_short,
            "seconds": round(time.monotonic() - started, 1),
        }
    )
    print(f"\nWritten to {path.relative_to(ROOT)} after {time.monotonic() - started:.0f} s.")
    return 0


def title(peer: str) -> str:
    """Return what a peer is, in one line."""
    if peer == DDBETL:
        return "ddbetl run, its real command line, every default on but the rates, which are unlimited"
    return (PEERS[peer].__doc__ or peer).splitlines()[0]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench", description="The main job, side by side.")
    parser.add_argument("--quick", action="store_true", help="under a minute, fewer items and rounds, HTTP only")
    parser.add_argument("--peers", default=",".join((*PEERS, DDBETL)), help="which, separated by commas")
    parser.add_argument("--rounds", type=int, help="interleaved rounds of the first section")
    parser.add_argument("--budget", type=float, help="seconds after which no further run is begun")
    return parser.parse_args()


def reading_times(quick: bool) -> dict[str, Any]:
    """Measure and print the columns of times.py, in a process of its own: what it imports would count as the clients'
    memory."""
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder:
        path = Path(folder, "times.json")
        command = [sys.executable, "-m", "tests.benchmarks.times", "--json", str(path), *(["--quick"] if quick else [])]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise Failed("reading times ended with an error")
        found: dict[str, Any] = json.loads(path.read_text())
    return found


def in_its_own_process(module: str) -> Any:
    """Let another module of this folder measure and print, apart from this process as well; what it found."""
    print(flush=True)
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder:
        path = Path(folder, "found.json")
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", "--json", str(path)]
        if subprocess.run(command, cwd=ROOT, check=False).returncode != 0:
            raise Failed(f"tests.benchmarks.{module} ended with an error")
        return json.loads(path.read_text())


def save(result: dict[str, Any]) -> Path:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"main-job-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    return path


@contextlib.contextmanager
def secure_server() -> Iterator[Server]:
    """Run a canned server with HTTPS on a certificate of its own."""
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder, canned_server(tls=Path(folder)) as server:
        yield server


@dataclass(slots=True)
class Bench:
    """The runs of one benchmark, and how much time is left for them."""

    size: Size
    peers: tuple[str, ...]
    started: float
    cut_short: int = 0
    """Rounds that were left out because time was up."""

    def late(self, rounds: int) -> bool:
        """Say whether there is no time left for so many rounds of another section, and note that they are left out."""
        if time.monotonic() - self.started < self.size.budget_seconds:
            return False
        self.cut_short += rounds
        return True

    def command(self, peer: str, server: Server, pushdown: bool) -> list[str]:
        """Return the command line of one peer."""
        if peer == DDBETL:
            options = ["-p", "domain=Devo", "--endpoint-url", server.url, "--region", "us-east-1"]
            return [sys.executable, "-m", "ddbetl", "run", str(SPEC), *options, "--yes", "--progress", "plain"]
        pushed = ["--pushdown"] if pushdown else []
        return [sys.executable, "-m", "tests.benchmarks.peers", peer, server.url, *pushed]

    def client(self, peer: str, server: Server, pushdown: bool) -> Measured:
        """Run one peer to its end. Raises Failed unless it says that all is well."""
        done = run_client(self.command(peer, server, pushdown), client_environment(server), timeout=180.0)
        if done.exit_code != 0:
            raise Failed(f"{peer} ended with {done.exit_code}:\n{(done.stdout + done.stderr)[-3000:]}")
        return done

    def probes(self, server: Server) -> list[Probe]:
        """Measure without transform: the server's own ceiling by the lean client, and ddbetl's wire client."""
        plan = [("lean client", "ceiling", "write", 16), ("lean client", "ceiling", "scan", 8)]
        if DDBETL in self.peers:
            name = "ddbetl's wire client"
            plan += [(name, "wire", "write", 16), (name, "wire", "write", 32), (name, "wire", "scan", 8)]
        return [self.probe(server, *one) for one in plan]

    def probe(self, server: Server, client: str, module: str, kind: str, in_flight: int) -> Probe:
        """Drive the server with one of the clients of canned bodies."""
        before = server.configure(pages_per_table=PROBE_PAGES, items_per_page=ITEMS_PER_PAGE, verify=False)
        options = [
            "--in-flight",
            str(in_flight),
            "--seconds",
            str(self.size.probe_seconds),
            "--pages",
            str(PROBE_PAGES),
        ]
        options += ["--certificate", str(server.certificate)] if server.certificate is not None else []
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", server.url, kind, *options]
        done = run_client(command, client_environment(server), timeout=60.0)
        after = server.stats()
        if done.exit_code != 0 or after["refused"]:
            raise Failed(f"{client} ended with {done.exit_code}: {after['refused']}\n{done.stderr[-3000:]}")
        found = json.loads(done.stdout)
        items = after["items_written"] + after["items_read"]
        server_cpu = after["cpu_seconds"] - before["cpu_seconds"]
        requests = sum(after["requests"].values())
        rate = found["requests"] / found["wall"]
        return Probe(
            client,
            server.url.partition(":")[0],
            kind,
            in_flight,
            requests_per_second=rate,
            items_per_second=rate * items / requests,
            client_us_per_request=1e6 * found["cpu"] / found["requests"],
            server_us_per_request=1e6 * server_cpu / requests,
            server_us_per_item=1e6 * server_cpu / items,
        )

    def section(self, server: Server, title: str, rounds: int, *, pushdown: bool) -> Section:
        """Compare the peers' results, then time them, interleaved."""
        compared = self.verify(server, pushdown)
        runs: dict[str, list[Run]] = {peer: [] for peer in self.peers}
        for number in range(rounds):
            expected = sum(done[-1].wall for done in runs.values() if done)
            if number and time.monotonic() - self.started + expected > self.size.budget_seconds:
                self.cut_short += rounds - number
                break
            for peer in self.peers:
                runs[peer].append(self.timed(peer, server, pushdown))
        return Section(title, compared, runs)

    def verify(self, server: Server, pushdown: bool) -> int:
        """Let every peer do a small job and compare what each wrote: how many items. Raises Failed where two differ."""
        reference: list[str] = []
        for peer in self.peers:
            server.configure(
                pages_per_table=self.size.verify_pages,
                items_per_page=self.size.verify_items,
                verify=True,
                pushdown=pushdown,
            )
            self.client(peer, server, pushdown)
            self.complete(peer, server.stats())
            written = server.written()
            if not reference:
                reference = written
            if written != reference:
                raise Failed(difference(self.peers[0], reference, peer, written))
        print(f"\nResults compared: {len(reference):,} items written by each of {', '.join(self.peers)}, all equal.")
        return len(reference)

    def timed(self, peer: str, server: Server, pushdown: bool) -> Run:
        """Take the time of one peer."""
        pages = self.size.fast_pages if peer == DDBETL else self.size.slow_pages
        before = server.configure(pages_per_table=pages, items_per_page=ITEMS_PER_PAGE, verify=False, pushdown=pushdown)
        done = self.client(peer, server, pushdown)
        after = server.stats()
        self.complete(peer, after)
        server_cpu = after["cpu_seconds"] - before["cpu_seconds"]
        return Run(
            items_read=after["items_read"],
            items_written=after["items_written"],
            requests=sum(after["requests"].values()),
            connections=after["connections"],
            wall=done.wall,
            window=after["last_data"] - after["first_data"],
            cpu=done.cpu,
            peak_bytes=done.peak_bytes,
            server_cpu=server_cpu,
            others_cpu=max(0.0, done.others_cpu - server_cpu) if done.others_cpu is not None else None,
            pushdowns_ignored=after["pushdowns_ignored"],
        )

    def complete(self, peer: str, stats: dict[str, Any]) -> None:
        """Raise Failed unless everything was read and written once and nothing was refused."""
        for what in ("read", "written"):
            if stats[f"items_{what}"] != stats[f"expected_{what}"]:
                raise Failed(
                    f"{peer} has {what} {stats[f'items_{what}']:,} items; there are {stats[f'expected_{what}']:,}"
                )
        if stats["refused"]:
            raise Failed(f"the server refused requests of {peer}: {stats['refused']}")


def difference(first: str, expected: list[str], second: str, found: list[str]) -> str:
    """Say how the written items of two peers differ, with examples."""
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    lines = [f"{first} wrote {len(expected):,} items, {second} {len(found):,}; they differ"]
    lines += [f"  only {first}: {item}" for item in missing[:3]]
    lines += [f"  only {second}: {item}" for item in extra[:3]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
