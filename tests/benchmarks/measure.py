"""Processes under measurement: the canned server, and clients run to their end.

In: commands. Out: for a client its exit code, wall seconds, CPU seconds and peak memory as the kernel counted them
(wait4), for the server a handle that reads its counters.

Invariant: every process started here is ended here, by its own id, whatever happens.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.canned_checks import ACCESS_KEY, SECRET_KEY
from tests.benchmarks.tls_pair import CERTIFICATE

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Measured:
    """One client's run. CPU is user and system time of the process and of those that it waited for."""

    exit_code: int
    wall: float
    cpu: float
    peak_bytes: int
    """The largest resident set of any one process. Linux starts it at the size of the parent, here some 30 MB."""
    others_cpu: float | None
    """CPU seconds that this machine spent on everything else meanwhile, the server included; None where unknown."""
    stdout: str
    stderr: str


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
def canned_server(*, tls: Path | None = None, latency_ms: float = 0.0, cache_mb: int = 1024) -> Iterator[Server]:
    """Run the canned server for the time of a with statement; `tls` is a folder for its certificate."""
    command = [
        sys.executable,
        "-m",
        "tests.benchmarks.canned_server",
        "--until-stdin-closes",
        "--cache-mb",
        str(cache_mb),
    ]
    command += ["--latency-ms", str(latency_ms)] if latency_ms else []
    command += ["--tls", str(tls)] if tls is not None else []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
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


def run_client(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> Measured:
    """Run a command to its end in an empty folder and measure it.

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
            )
            status, usage = 0, None
            try:
                while usage is None:
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
            usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
            busy - busy_before - cpu if busy is not None and busy_before is not None else None,
            out_path.read_text(errors="replace"),
            err_path.read_text(errors="replace"),
        )


def busy_seconds() -> float | None:
    """Return the CPU seconds that all cores of this machine have worked, stolen ones included; None but on Linux."""
    try:
        first = Path("/proc/stat").read_text().splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
