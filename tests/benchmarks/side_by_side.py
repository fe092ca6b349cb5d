"""Runs side by side: results compared first, then times, every peer once a round.

In: peers by name, how much each is to do, a canned server. Out: sections of timed runs, and measurements of clients
without a transform.

Each section first lets every peer do a small job in the server's verify mode and compares what was written, item by
item; only then are there times. Timed runs are interleaved; ratios are taken within a round.

Invariant: a run that did not read and write exactly the expected items is an error, never a figure.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.benchmarks.canned_checks import canonical_item
from tests.benchmarks.canned_data import SOURCES, TARGET, written_items
from tests.benchmarks.canned_tables import Mode
from tests.benchmarks.measure import ROOT, Cores, Measured, Server, client_environment, run_client
from tests.benchmarks.modes import MODES, mode_spec
from tests.benchmarks.peers import APART, CONDITIONAL, COPY_LOOP, LOCKED
from tests.benchmarks.processes import used_since
from tests.benchmarks.report import Probe, Run, Section

DDBETL = "ddbetl"
"""In one worker."""
DDBETL_DEFAULT = "ddbetl_default"
"""The same in as many workers as it takes by default."""
OURS = (DDBETL, DDBETL_DEFAULT)
CEILING = "ceiling"
"""ddbetl's wire client doing the job's requests with canned bodies: what there is without any transform."""
SPEC = ROOT / "tests" / "benchmarks" / "main_job.ddbetl"
APART_PYTHON = ROOT / ".tools" / "peers" / "bin" / "python"
NPM_COPY, DDBETL_COPY = "copy-dynamodb-table", "ddbetl_copy"
COPIES = (COPY_LOOP, NPM_COPY, DDBETL_COPY)
"""Who copies one table, every item as it is."""
COPY_SPEC = f"""INSERT INTO {TARGET}
SELECT *
FROM   {SOURCES[0]}
ON CONFLICT REPLACE
WITH   (read = unlimited, write = unlimited);
"""
NPM_FOLDER = ROOT / ".tools" / "copy"
ITEMS_PER_PAGE = 4000
PROBE_PAGES = 4
IN_FLIGHT = 32
"""Requests of the ceiling at a time: as many as the engine has writers."""
LATENCIES_MS = (0.0, 5.0, 20.0)
WRITES = ("BatchWriteItem", "BatchExecuteStatement", "PutItem", "UpdateItem")
QUICKER = 4
"""How many times as many pages as a slow peer the peers on pydynox get."""


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
    mode_pages: int
    mode_rounds: int
    put_items: int
    """Items of each table for the loop of put_item, on one page."""
    verify_pages: int
    verify_items: int
    probe_seconds: float
    budget_seconds: float
    """No run is begun that would probably end after this; times and functions come later, and always."""


FULL = Size(1, 50, 3, 2, 15, 2, 500, 3, 600, 1.5, 430.0)
QUICK = Size(1, 20, 2, 0, 15, 1, 200, 3, 200, 0.5, 60.0)


def there(peer: str) -> bool:
    """Say whether a peer's packages are installed."""
    if peer == NPM_COPY:
        return (NPM_FOLDER / "node_modules" / NPM_COPY).exists() and shutil.which("node") is not None
    return peer not in APART or APART_PYTHON.exists() or importlib.util.find_spec(peer.partition("_")[0]) is not None


def takes_workers() -> bool:
    """Say whether this ddbetl has worker processes."""
    command = [sys.executable, "-m", "ddbetl", "run", "--help"]
    return "--workers" in subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout


def run_command(spec: str, url: str, workers: Sequence[str] = ()) -> list[str]:
    """Return ddbetl's command line for a spec, its text or its file."""
    options = ["-p", "domain=Devo"] if "PARAM domain" in spec or spec == str(SPEC) else []
    options += ["--endpoint-url", url, "--region", "us-east-1", *workers, "--yes", "--progress", "plain"]
    # A text may begin with a comment, which looks like an option.
    return [sys.executable, "-m", "ddbetl", "run", *options, "--", spec]


@dataclass(slots=True)
class Bench:
    """The runs of one benchmark, and how much time is left for them."""

    size: Size
    started: float
    cut_short: int = 0
    """Rounds that were left out because time was up."""
    workers: bool = False
    """Whether ddbetl has worker processes."""
    main_job: str = field(default_factory=SPEC.read_text)
    timed_runs: list[Run] = field(default_factory=list)

    def late(self, rounds: int) -> bool:
        """Say whether there is no time left for so many rounds of another section, and note that they are left out."""
        if time.monotonic() - self.started < self.size.budget_seconds:
            return False
        self.cut_short += rounds
        return True

    def command(self, peer: str, server: Server, pushdown: bool) -> list[str]:
        """Return the command line of one peer."""
        if peer in OURS or peer in MODES:
            spec = mode_spec(self.main_job, peer) if peer in MODES else str(SPEC)
            return run_command(spec, server.url, () if peer == DDBETL_DEFAULT else self.so_many_workers(1))
        if peer == DDBETL_COPY:
            return run_command(COPY_SPEC, server.url, self.so_many_workers(1))
        if peer == NPM_COPY:
            script = ROOT / "tests" / "benchmarks" / "copy_tool" / "copy_table.js"
            return ["node", str(script), server.url, SOURCES[0], TARGET]
        if peer == CEILING:
            stats = server.stats()
            options = ["--pages", str(stats["mode"]["pages_per_table"]), "--items", str(stats["expected_written"])]
            options += ["--in-flight", str(IN_FLIGHT)]
            options += ["--certificate", str(server.certificate)] if server.certificate is not None else []
            return [sys.executable, "-m", "tests.benchmarks.wire", server.url, "job", *options]
        python = str(APART_PYTHON) if peer in APART and APART_PYTHON.exists() else sys.executable
        pushed = ["--pushdown"] if pushdown else []
        return [python, "-m", "tests.benchmarks.peers", peer, server.url, *pushed]

    def so_many_workers(self, count: int) -> tuple[str, ...]:
        """Return the options for so many worker processes; none where ddbetl has none."""
        return ("--workers", str(count)) if self.workers else ()

    def shape(self, peer: str) -> Mode:
        """Return what one peer gets in a timed run: some seconds' worth."""
        if peer == CONDITIONAL:
            return Mode(1, self.size.put_items)
        if peer in COPIES:
            pages = self.size.fast_pages * (2 if peer == DDBETL_COPY else 1) // (1 if peer == DDBETL_COPY else 10)
            return Mode(max(1, pages), ITEMS_PER_PAGE, tables=1, copies=True)
        if peer in MODES:
            pages = self.size.mode_pages
        elif peer in (*OURS, CEILING):
            pages = self.size.fast_pages
        else:
            pages = self.size.slow_pages * (QUICKER if peer.startswith("pydynox") else 1)
        return Mode(pages, ITEMS_PER_PAGE)

    def client(self, peer: str, command: list[str], server: Server, cores: Cores | None = None) -> Measured:
        """Run one peer to its end. Raises Failed unless it says that all is well."""
        environment = {**client_environment(server), "NODE_PATH": str(NPM_FOLDER / "node_modules")}
        done = run_client(command, environment, timeout=180.0, cores=cores)
        if done.exit_code != 0:
            raise Failed(f"{peer} ended with {done.exit_code}:\n{(done.stdout + done.stderr)[-3000:]}")
        return done

    def probes(self, server: Server) -> list[Probe]:
        """Measure without transform: the server's own ceiling by the lean client, and ddbetl's wire client."""
        name = "ddbetl's wire client"
        plan = [("lean client", "ceiling", "write", 16), ("lean client", "ceiling", "scan", 8)]
        plan += [(name, "wire", "write", 16), (name, "wire", "write", 32), (name, "wire", "insert", 16)]
        plan += [(name, "wire", "scan", 8)]
        return [self.probe(server, *one) for one in plan]

    def probe(self, server: Server, client: str, module: str, kind: str, in_flight: int) -> Probe:
        """Drive the server with one of the clients of canned bodies."""
        before = server.configure(**asdict(Mode(PROBE_PAGES, ITEMS_PER_PAGE)))
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

    def section(self, server: Server, title: str, peers: tuple[str, ...], rounds: int, *, pushdown: bool) -> Section:
        """Compare the peers' results, then time them, interleaved."""
        compared = self.verify(server, tuple(peer for peer in peers if peer != CEILING), pushdown)
        runs: dict[str, list[Run]] = {peer: [] for peer in peers}
        for number in range(rounds):
            expected = sum(done[-1].wall for done in runs.values() if done)
            if number and time.monotonic() - self.started + expected > self.size.budget_seconds:
                self.cut_short += rounds - number
                break
            for peer in peers:
                runs[peer].append(self.timed(peer, server, pushdown))
        return Section(title, compared, runs)

    def latencies(self, server: Server, title: str, rounds: int) -> Section:
        """Time ddbetl on a server that answers at once, and with every answer held back."""
        runs: dict[str, list[Run]] = {f"{held:g} ms": [] for held in LATENCIES_MS}
        command = self.command(DDBETL, server, pushdown=False)
        for _ in range(rounds):
            for held in LATENCIES_MS:
                mode = replace(self.shape(DDBETL), latency_ms=held)
                runs[f"{held:g} ms"].append(self.run(DDBETL, command, server, mode))
        return Section(title, 0, runs)

    def verify(self, server: Server, peers: tuple[str, ...], pushdown: bool) -> int:
        """Let every peer do a small job and compare what each wrote: how many items. Raises Failed where two differ."""
        reference: list[str] = []
        for peer in peers:
            small = replace(
                self.shape(peer), pages_per_table=self.size.verify_pages, items_per_page=self.size.verify_items
            )
            server.configure(**asdict(replace(small, verify=True, pushdown=pushdown)))
            self.client(peer, self.command(peer, server, pushdown), server)
            self.complete(peer, server.stats())
            written = server.written()
            if not reference:
                reference = written
            if written != reference:
                raise Failed(difference(peers[0], reference, peer, written))
        print(f"\nResults compared: {len(reference):,} items written by each of {', '.join(peers)}, all equal.")
        return len(reference)

    def check(self, server: Server, command: list[str], small: Mode) -> int:
        """Let ddbetl do a small job and compare what it wrote with the definition of the data: how many items. Raises
        Failed."""
        server.configure(**asdict(replace(small, verify=True)))
        self.client(DDBETL, command, server)
        self.complete(DDBETL, server.stats())
        expected = sorted(map(canonical_item, written_items(small.shape, small.copies)))
        if (written := server.written()) != expected:
            raise Failed(difference("the definition of the data", expected, "ddbetl", written))
        return len(expected)

    def timed(self, peer: str, server: Server, pushdown: bool) -> Run:
        """Take the time of one peer."""
        mode = replace(self.shape(peer), pushdown=pushdown)
        server.configure(**asdict(mode))
        return self.run(peer, self.command(peer, server, pushdown), server, mode)

    def run(self, peer: str, command: list[str], server: Server, mode: Mode, cores: Cores | None = None) -> Run:
        """Take the time of one command on a server of one mode, on all cores or on some."""
        before = server.configure(**asdict(mode))
        done = self.client(peer, command, server, cores)
        after = server.stats()
        self.complete(peer, after)
        server_cpu = after["cpu_seconds"] - before["cpu_seconds"]
        run = Run(
            items_read=after["items_read"],
            items_written=after["items_written"],
            requests=sum(after["requests"].values()),
            write_requests=sum(after["requests"].get(operation, 0) for operation in WRITES),
            connections=after["connections"],
            wall=done.wall,
            window=after["last_data"] - after["first_data"],
            cpu=done.cpu,
            peak_bytes=done.peak_bytes,
            server_cpu=server_cpu,
            others_cpu=max(0.0, done.others_cpu - server_cpu) if done.others_cpu is not None else None,
            pushdowns_ignored=after["pushdowns_ignored"],
            busiest_cpu=busiest_thread(done, after["first_data"], locked=peer in LOCKED),
            all_peaks_bytes=sum(done.peaks),
            processes=max(1, len(done.peaks)),
        )
        self.timed_runs.append(run)
        return run

    def complete(self, peer: str, stats: dict[str, Any]) -> None:
        """Raise Failed unless everything was read and written once and nothing was refused."""
        for what in ("read", "written"):
            if stats[f"items_{what}"] != stats[f"expected_{what}"]:
                raise Failed(
                    f"{peer} has {what} {stats[f'items_{what}']:,} items; there are {stats[f'expected_{what}']:,}"
                )
        if stats["refused"]:
            raise Failed(f"the server refused requests of {peer}: {stats['refused']}")


def busiest_thread(done: Measured, since: float, *, locked: bool = False) -> float | None:
    """Return the CPU seconds of a client's busiest thread since a moment; of one whose threads are `locked`, because only
    one of them works at a time, those of all. None where the system does not tell."""
    used = used_since(done.looks, since)
    if not used:
        return None
    all_used = sum(used.values())
    # What came after the last look is taken as spread in the same way.
    missing = max(0.0, done.cpu - sum(done.looks[-1].threads.values()))
    most = all_used if locked else max(used.values())
    return most * (1.0 + missing / all_used) if all_used else None


def difference(first: str, expected: list[str], second: str, found: list[str]) -> str:
    """Say how the written items of two peers differ, with examples."""
    missing, extra = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    lines = [f"{first} wrote {len(expected):,} items, {second} {len(found):,}; they differ"]
    lines += [f"  only {first}: {item}" for item in missing[:3]]
    lines += [f"  only {second}: {item}" for item in extra[:3]]
    return "\n".join(lines)
