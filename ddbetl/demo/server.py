"""The embedded local DynamoDB of the demo and the tests.

In: nothing but the optional dependency ministack. Out: the endpoint of a fresh, empty server that runs as a child
process.

Invariant: the server listens on 127.0.0.1 only, and it never outlives this process: it ends with the context manager,
and also when this process is killed.
"""

from __future__ import annotations

import http.client
import importlib.util
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ddbetl.errors import DdbetlError

INSTALL = 'pip install "ddbetl[demo]"'

# What the child keeps of this process's environment. The rest could change what it does: ministack reads dozens of
# settings, for persistence, TLS, other services.
_KEPT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUSERBASE",
    "PYTHONPYCACHEPREFIX",
    "PYTHONDONTWRITEBYTECODE",
)
_STDERR_LINES = 15


class DemoUnavailable(DdbetlError):
    """The embedded server cannot be started; the message says what to do."""


@contextmanager
def embedded(
    timeout: float = 60.0,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[str]:
    """Run a fresh local DynamoDB and yield its endpoint URL, such as ``http://127.0.0.1:40123``.

    ``timeout`` is in seconds and bounds the start. The server accepts any credentials and keeps its tables in memory.

    Raises ``DemoUnavailable`` when the optional dependency is not installed, or when the server dies or stays silent;
    the message then ends with the last lines that it wrote.
    """
    if not _installed():
        raise DemoUnavailable(f"The embedded DynamoDB is an optional part of ddbetl. To get it: {INSTALL}")
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            # -P: a file of the working directory must not shadow a module of the server.
            [sys.executable, "-P", str(Path(__file__).with_name("embedded_ministack.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=_environment(),
            # A Ctrl-C in the terminal is for the run, which may want to finish what is in flight.
            start_new_session=True,
        )
        try:
            yield _endpoint(process, stderr, clock() + timeout, clock, sleep)
        finally:
            _stop(process)


def _installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("ministack", "hypercorn"))


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {
        "BIND_HOST": "127.0.0.1",
        "SERVICES": "dynamodb,dynamodbstreams",
        "LOG_LEVEL": "WARNING",
        # ministack clears away containers that it takes for its own; there are none here, and the user's are not ours.
        "DOCKER_HOST": "unix:///nonexistent/docker.sock",
    }


def _endpoint(
    process: subprocess.Popen[bytes],
    stderr: IO[bytes],
    deadline: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> str:
    """Wait until the server has told its port and answers there."""
    port = _port(process, deadline - clock())
    while port is not None and process.poll() is None and (left := deadline - clock()) > 0:
        if _answers(port, left):
            return f"http://127.0.0.1:{port}"
        sleep(0.02)
    code = _exit_code(process)
    problem = "does not answer" if code is None else f"ended with exit code {code}"
    stderr.seek(0)
    lines = stderr.read().decode(errors="replace").splitlines()[-_STDERR_LINES:]
    said = "\n".join(f"  {line}" for line in lines) or "  (nothing)"
    raise DemoUnavailable(f"The embedded DynamoDB {problem}. To repair it: {INSTALL}. The last that it said:\n{said}")


def _exit_code(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a process that has just closed its output; None when it goes on."""
    try:
        return process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return None


def _port(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """Read the port that the child reports; None when it dies or stays silent."""
    assert process.stdout is not None
    lines: list[bytes] = []
    # A pipe has no read with a time-out that works on every system; a thread does. The end of the child ends it.
    reader = threading.Thread(target=lambda out: lines.append(out.readline()), args=(process.stdout,), daemon=True)
    reader.start()
    reader.join(timeout)
    text = lines[0].strip() if lines else b""
    return int(text) if text.isdigit() else None


def _answers(port: int, timeout: float) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=max(timeout, 0.01))
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
