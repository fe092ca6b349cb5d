"""Processes under measurement: the canned server, and clients run to their end or to their first request.

In: commands, and the cores that they may use. Out: for a client its exit code, wall seconds, CPU seconds and peak memory
as the kernel counted them (wait4), and what each of its threads had (processes.py); for the server a handle that
reads its counters.

Invariant: every process started here is ended here, by its own id, whatever happens.
"""

from __future__ import annotations

import functools
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from tests.benchmarks.canned_checks import ACCESS_KEY, SECRET_KEY
from tests.benchmarks.processes import Look, Watch
from tests.benchmarks.tls_pair import CERTIFICATE

ROOT = Path(__file__).resolve().parents[2]
EVERY = 20
"""Polls between two looks at a client's threads: some 100 ms."""
Cores: TypeAlias = frozenset[int]


@dataclass(frozen=True, slots=True)
class Measured:
    """One client's run. CPU is user and system time of the process and of those that it waited for."""

    exit_code: int
    wall: float
    cpu: float
    peak_bytes: int
    """The largest resident set of any one process."""
    others_cpu: float | None
    """CPU seconds that this machine spent on everything else meanwhile, the server included; None where unknown."""
    stdout: str
    stderr: str
    looks: tuple[Look, ...] = ()
    """What its threads had used, and those of the processes that it started; none where the system does not tell."""
    peaks: tuple[int, ...] = ()
    """The largest resident set of each process, in bytes; none where the system does not tell."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running canned server."""

    url: str
    certificate: Path | None
    """What to trust, for HTTPS."""

    def configure(self, **mode: Any) -> dict[str, Any]:
        """Set fields of the server's Mode, clear its counters, and return them."""
        return _json(self._side("/configure", json.dumps(mode).encode()))

    def stats(self) -> dict[str, Any]:
        """Return the counters since the last configuration."""
        return _json(self._side("/stats", None))

    def written(self) -> list[str]:
        """Return the canonical items written, sorted; only in verify mode."""
        return self._side("/written", None).decode().splitlines()

    def _side(self, path: str, body: bytes | None) -> bytes:
        context = None
        if self.certificate is not None:
            import ssl

            context = ssl.create_default_context(cafile=str(self.certificate))
        # Whatever proxies the environment names are not for this machine's own server.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(self.url + path, body, timeout=120) as answer:
            return bytes(answer.read())


def _json(text: bytes) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(text)
    return decoded


@contextmanager
def canned_server(
    *, tls: Path | None = None, latency_ms: float = 0.0, cache_mb: int = 1024, cores: Cores | None = None
) -> Iterator[Server]:
    """Run the canned server for the time of a with statement; `tls` is a folder for its certificate."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.canned_server",
        "--until-stdin-closes",
        # Whoever measures says how much there is to be: until then there is next to nothing to be made.
        "--items-per-page",
        "1",
        "--cache-mb",
        str(cache_mb),
    ]
    command += ["--latency-ms", str(latency_ms)] if latency_ms else []
    command += ["--tls", str(tls)] if tls is not None else []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, preexec_fn=_pinned(cores)
    ) as process:
        try:
            assert process.stdout is not None and process.stdin is not None
            port = int(process.stdout.readline() or b"0")
            if not port:
                raise RuntimeError(f"the canned server ended with {process.wait(timeout=10)} before it listened")
            certificate = tls / CERTIFICATE if tls is not None else None
            yield Server(f"{'https' if tls else 'http'}://127.0.0.1:{port}", certificate)
        finally:
            process.kill()


def client_environment(server: Server) -> dict[str, str]:
    """Return the environment of a client: this one's without AWS and proxies, with the canned server's credentials."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }
    trust = {"AWS_CA_BUNDLE": str(server.certificate)} if server.certificate is not None else {}
    return {
        **inherited,
        **trust,
        "PYTHONPATH": str(ROOT),
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def usable_cores() -> Cores:
    """Return the cores that this process may use; where the system does not tell, as if it were one."""
    return frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else frozenset({0})


def _pinned(cores: Cores | None) -> Callable[[], None] | None:
    """Return what a process does before it becomes another: keep to some cores."""
    return functools.partial(os.sched_setaffinity, 0, cores) if cores is not None else None


def run_client(
    command: Sequence[str], environment: Mapping[str, str], timeout: float, cores: Cores | None = None
) -> Measured:
    """Run a command to its end in an empty folder and measure it, on all cores or on some.

    It is killed, with what it started, after `timeout` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder:
        out_path, err_path = Path(folder, ".stdout"), Path(folder, ".stderr")
        with out_path.open("wb") as out, err_path.open("wb") as err:
            started, busy_before = time.monotonic(), busy_seconds()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=environment,
                cwd=folder,
                start_new_session=True,
                preexec_fn=_pinned(cores),
            )
            status, usage = 0, None
            watch = Watch(process.pid)
            polls = itertools.count()
            try:
                while usage is None:
                    if next(polls) % EVERY == 0:
                        watch.look()
                    pid, status, ended = os.wait4(process.pid, os.WNOHANG)
                    if pid:
                        usage = ended
                    elif time.monotonic() - started > timeout:
                        os.killpg(process.pid, signal.SIGKILL)
                        _, status, usage = os.wait4(process.pid, 0)
                    else:
                        time.sleep(0.005)
            finally:
                if usage is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    os.wait4(process.pid, 0)
                # Popen must not wait for a process that wait4 has reaped.
                process.returncode = os.waitstatus_to_exitcode(status)
            wall, busy = time.monotonic() - started, busy_seconds()
        cpu = usage.ru_utime + usage.ru_stime
        return Measured(
            process.returncode,
            wall,
            cpu,
            # wait4's own figure begins, on Linux, with the size that this process had when it started the other.
            max(watch.peaks.values(), default=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)),
            busy - busy_before - cpu if busy is not None and busy_before is not None else None,
            out_path.read_text(errors="replace"),
            err_path.read_text(errors="replace"),
            tuple(watch.looks),
            tuple(watch.peaks.values()),
        )


def cpu_until_request(
    command: Callable[[str], Sequence[str]], environment: Callable[[str], Mapping[str, str]], timeout: float = 60.0
) -> float:
    """Return the CPU seconds of a client from its start until its first request arrives: there it is killed.

    Both functions take the URL that it is to talk to. Raises RuntimeError for a client that sends nothing.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ddbetl-bench-") as folder,
        socket.create_server(("127.0.0.1", 0)) as waiting,
    ):
        waiting.settimeout(timeout)
        url = f"http://127.0.0.1:{waiting.getsockname()[1]}"
        process = subprocess.Popen(
            command(url),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(url),
            cwd=folder,
            start_new_session=True,
        )
        arrived = b""
        try:
            connection, _ = waiting.accept()
            with connection:
                connection.settimeout(timeout)
                arrived = connection.recv(1)
        except TimeoutError:
            pass
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    if not arrived:
        raise RuntimeError(f"{' '.join(command(url))} has sent nothing")
    return usage.ru_utime + usage.ru_stime


def busy_seconds() -> float | None:
    """Return the CPU seconds that all cores of this machine have worked, stolen ones included; None but on Linux."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
