"""What a client needs before its first request: CPU seconds from starting the process to the first byte that it sends.

In: peers' command lines. Out: their figures, as text and as values for JSON. The client is killed when the first byte
arrives, so the kernel's count is of nothing else (measure.py).

Invariant: the first start of each is not counted: it may have to compile modules.
"""

from __future__ import annotations

import functools
import statistics
from collections.abc import Sequence

from tests.benchmarks.measure import Server, client_environment, cpu_until_request
from tests.benchmarks.report import table
from tests.benchmarks.side_by_side import Bench

Starts = dict[str, list[float]]
"""CPU seconds of each start, by peer."""


def measure(bench: Bench, peers: Sequence[str], rounds: int) -> Starts:
    """Start each peer so often, interleaved. Raises RuntimeError for one that sends nothing."""
    found: Starts = {peer: [] for peer in peers}
    for number in range(rounds + 1):
        for peer in peers:
            command = functools.partial(_command, bench, peer)
            used = cpu_until_request(command, lambda url: client_environment(Server(url, None)))
            if number:
                found[peer].append(used)
    return found


def _command(bench: Bench, peer: str, url: str) -> list[str]:
    return bench.command(peer, Server(url, None), pushdown=False)


def medians(found: Starts) -> dict[str, float]:
    """Return each peer's median."""
    return {peer: statistics.median(seconds) for peer, seconds in found.items()}


def starts_text(found: Starts) -> str:
    """Return the table."""
    rows = [
        [peer, f"{statistics.median(seconds):.2f}", f"{min(seconds):.2f}-{max(seconds):.2f}"]
        for peer, seconds in found.items()
    ]
    rounds = max(map(len, found.values()), default=0)
    head = f"\nCPU seconds from starting the process to its first request: {rounds} interleaved rounds, medians"
    return "\n".join([head, "", table(["peer", "CPU s", "from-to"], rows)])
