"""The DynamoDB servers that the tests run against.

In: a kind, one of ``KINDS``. Out: a ``Server``, a value that tells where it is and what it can do. None of the local
servers is DynamoDB; each tells by its fields where it differs, and a test that needs a feature asks for it.

========== =======================================================================================================
ministack  always (a development dependency), the embedded server of ``ddbetl demo``
dynoxide   the most faithful one; a binary for Linux x64, which ``make test`` installs into .tools/ where npm is present
endpoint   the server that DDBETL_TEST_ENDPOINT names, if it is set: DynamoDB Local, or DynamoDB itself
========== =======================================================================================================

Invariant: a local server listens on 127.0.0.1 only and ends with its context manager, or with the tests however they
end.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest

from ddbetl.demo.server import embedded

ROOT = Path(__file__).resolve().parent.parent
ENDPOINT = os.environ.get("DDBETL_TEST_ENDPOINT", "")
KINDS = ("ministack", "dynoxide", "endpoint") if ENDPOINT else ("ministack", "dynoxide")
REGION = "us-east-1"

_DYNOXIDE = ROOT / ".tools/dynoxide/node_modules/@dynoxide/linux-x64/dynoxide"
# The name of every table of this session has it, so that the tables can be found again on a server that goes on.
_SESSION = uuid.uuid4().hex[:8]
_COUNTER = count(1)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    endpoint_url: str
    # Scan answers ReturnConsumedCapacity with the units that DynamoDB would charge.
    reports_scan_capacity: bool
    # ExecuteStatement and BatchExecuteStatement work.
    partiql: bool

    def client(self) -> Any:
        """Make a boto3 client of this server, with the credentials of the environment."""
        return boto3.client("dynamodb", endpoint_url=self.endpoint_url)


def new_prefix() -> str:
    """Make a text of letters and digits that begins no other test's table name."""
    return f"t{_SESSION}x{next(_COUNTER):04d}"


def is_aws(endpoint: str) -> bool:
    """Tell whether an endpoint is AWS's own, where real credentials are needed and every request is paid for."""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


@contextmanager
def start(kind: str) -> Iterator[Server]:
    """Run a server of this kind; the one of DDBETL_TEST_ENDPOINT runs already and is cleaned afterwards."""
    match kind:
        case "ministack":
            with embedded() as url:
                yield Server("ministack", url, reports_scan_capacity=False, partiql=True)
        case "dynoxide":
            binary = dynoxide_binary()
            assert binary is not None, why_no_dynoxide()
            with _dynoxide(binary) as url:
                yield Server("dynoxide", url, reports_scan_capacity=True, partiql=True)
        case "endpoint":
            server = Server("endpoint", ENDPOINT, reports_scan_capacity=is_aws(ENDPOINT), partiql=True)
            try:
                yield server
            finally:
                _delete_tables(server.client())
        case _:
            raise ValueError(f"no such server: {kind}")


def dynoxide_binary() -> Path | None:
    """Find dynoxide: where ``make test`` installs it, else on the PATH."""
    if _DYNOXIDE.exists():
        return _DYNOXIDE
    found = shutil.which("dynoxide")
    return Path(found) if found else None


def why_no_dynoxide() -> str:
    """Say why dynoxide is missing and how to get it."""
    if not _dynoxide_platform():
        return f"dynoxide exists for Linux x64 only, not for {platform.system()} {platform.machine()}"
    if shutil.which("npm") is None:
        return "dynoxide is installed by npm, which is not here (or put a dynoxide on the PATH)"
    return "dynoxide is not installed: make test installs it into .tools/"


def must_have_dynoxide() -> bool:
    """Tell whether a missing dynoxide is an error: in CI, wherever it can be installed."""
    return os.environ.get("CI", "").lower() in ("1", "true") and _dynoxide_platform() and bool(shutil.which("npm"))


def require_dynoxide() -> None:
    """Skip the test that asks, or fail it in CI, when dynoxide is missing."""
    if dynoxide_binary() is None:
        if must_have_dynoxide():
            pytest.fail(why_no_dynoxide())
        pytest.skip(why_no_dynoxide())


def _dynoxide_platform() -> bool:
    return sys.platform == "linux" and platform.machine() in ("x86_64", "AMD64")


# Asks the kernel to kill this process with its parent, then becomes the server.
_TIED_TO_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent has ended")
os.execv(sys.argv[2], sys.argv[2:])
"""


@contextmanager
def _dynoxide(binary: Path) -> Iterator[str]:
    for _ in range(5):
        with _dynoxide_at(binary, _free_port()) as url:
            if url is not None:
                yield url
                return
    raise RuntimeError("dynoxide finds no free port")


@contextmanager
def _dynoxide_at(binary: Path, port: int) -> Iterator[str | None]:
    """Run the server on this port; None when another program has taken the port in the meantime."""
    tied = [sys.executable, "-I", "-S", "-c", _TIED_TO_PARENT, str(os.getpid())] if sys.platform == "linux" else []
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*tied, str(binary), "--host", "127.0.0.1", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={},
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 20
            # It says so once it listens; that something listens there would not tell that it is this process.
            while b"listening" not in (said := _read(output)).lower():
                if process.poll() is not None and b"in use" in said.lower():
                    yield None
                    return
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"dynoxide did not start: {said.decode(errors='replace')}")
                time.sleep(0.002)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def _read(output: Any) -> bytes:
    # The child shares the file's position, so it must not be moved.
    return os.pread(output.fileno(), 10_000, 0)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _delete_tables(client: Any) -> None:
    for page in client.get_paginator("list_tables").paginate():
        for name in page["TableNames"]:
            if _SESSION in name:
                client.get_waiter("table_exists").wait(TableName=name)
                client.delete_table(TableName=name)
