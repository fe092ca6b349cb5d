"""ddbetl as a process of its own, without a terminal and at one; and two small tables of orders for it.

In: a server, the arguments of a command. Out: the process, with what it writes.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import servers
from servers import Server

from ddbetl.cli.terminal import cells
from ddbetl.demo import data

MONTHS = ("201605", "201606")
ITEMS = 40


@dataclass(frozen=True, slots=True)
class Orders:
    """Two small tables of orders and their empty target, on a server."""

    server: Server
    pattern: str
    sources: tuple[str, ...]
    target: str
    rows: int

    @property
    def select(self) -> str:
        return (
            "SELECT CustomerID, epoch(DateTime) AS CreationDateTime, OrderID "
            f"FROM {self.pattern} WHERE length(OrderID) > 0"
        )

    @property
    def into(self) -> list[str]:
        return ["--into", self.target, "--on-conflict", "replace"]

    def written(self) -> int:
        pages = self.server.client().get_paginator("scan").paginate(TableName=self.target, ConsistentRead=True)
        return sum(page["Count"] for page in pages)


def orders_on(server: Server) -> Orders:
    domain = servers.new_prefix()
    loaded = data.load(server.client(), ITEMS, MONTHS, domain=domain)
    rows = sum(bool(item.get("OrderID", {}).get("S")) for month in MONTHS for item in data.items(month, ITEMS))
    return Orders(server, f"CustomerTracker_{domain}_NA_*", loaded.sources, loaded.target, rows)


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "DDBETL_DEBUG", "COLUMNS")}
    return kept | {"TERM": "xterm-256color", "PYTHONFAULTHANDLER": "1"} | more


def command(orders: Orders | None, arguments: Sequence[str]) -> list[str]:
    connection = ["--endpoint-url", orders.server.endpoint_url] if orders is not None else []
    return [sys.executable, "-m", "ddbetl", *arguments, *connection]


def process(orders: Orders | None, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal."""
    done = subprocess.run(
        command(orders, arguments),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert_tidy(done.stderr)
    assert "\x1b" not in done.stdout + done.stderr
    return done


def assert_tidy(stderr: str) -> None:
    """Nothing of the machinery shows: no traceback, no native library that complains at the end."""
    for mark in ("Traceback", "nanobind", "leaked", "Exception ignored", "Task was destroyed"):
        assert mark not in stderr, stderr


@contextmanager
def background(orders: Orders, *arguments: str, folder: Path, **variables: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(orders, arguments),
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def wait_for_rows(running: subprocess.Popen[str], orders: Orders) -> None:
    """Wait until a run is under way: it has written something."""
    deadline = time.monotonic() + 60
    while orders.written() == 0:
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass(slots=True)
class Terminal:
    """A command at a terminal, and what it has written so far."""

    running: subprocess.Popen[bytes]
    master: int
    written: str = ""
    # What was waited for stands before this position.
    seen: int = 0

    def until(self, text: str, timeout: float = 60) -> None:
        """Read until a text appears, after those that were waited for before."""
        deadline = time.monotonic() + timeout
        while (found := self.written.find(text, self.seen)) < 0:
            assert time.monotonic() < deadline, f"{text!r} did not appear:\n{self.written}"
            assert self.read(0.2), f"it ended without {text!r}:\n{self.written}"
        self.seen = found + len(text)

    def read(self, wait: float) -> bool:
        """Read what there is; False at the end."""
        ready, _, _ = select.select([self.master], [], [], wait)
        if not ready:
            return True
        try:
            found = os.read(self.master, 65_536)
        except OSError:
            return False
        self.written += found.decode(errors="replace")
        return bool(found)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        deadline = time.monotonic() + 60
        while self.read(0.2):
            assert time.monotonic() < deadline, f"it does not end:\n{self.written}"
        return self.running.wait(timeout=10)

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


# Opens a terminal with a command: the tables that it is about, its arguments, columns=, environment variables.
Open: TypeAlias = Callable[..., Terminal]


@contextmanager
def terminals(folder: Path) -> Iterator[Open]:
    """Open terminals of 80 columns, with ``folder`` as the current one."""
    opened: list[Terminal] = []

    def at(orders: Orders | None, *arguments: str, columns: int = 80, **variables: str) -> Terminal:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        running = subprocess.Popen(
            command(orders, arguments),
            cwd=folder,
            env=environment(**variables),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        opened.append(Terminal(running, master))
        return opened[-1]

    yield at
    for one in opened:
        one.running.kill()
        one.running.wait()
        os.close(one.master)


ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def widest(written: str) -> int:
    """The longest line that a terminal was given, escape codes aside."""
    return max(cells(line) for line in re.split(r"[\r\n]+", ESCAPE.sub("", written)))
