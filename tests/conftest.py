"""Fixtures of all tests: servers, unique table names, golden cases; and an environment without anybody's AWS account.

A test that takes ``server`` runs once per kind of server. The server is shared by all tests of the session, so a test
names its tables by ``prefix``, which begins no other test's table names.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

# A busy machine is no failure: no test asserts how long anything takes.
settings.register_profile("ddbetl", deadline=None)
settings.load_profile("ddbetl")

# Nothing of the user's AWS set-up may reach a test, and no test may reach an account by mistake. This stands before the
# other imports, because they could already read it.
_USERS_AWS = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("AWS_")}
_TEST_AWS = {
    "AWS_ACCESS_KEY_ID": "testkey",
    "AWS_SECRET_ACCESS_KEY": "testsecret",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.path.join(os.sep, "nonexistent", "aws", "config"),
    "AWS_SHARED_CREDENTIALS_FILE": os.path.join(os.sep, "nonexistent", "aws", "credentials"),
    "AWS_EC2_METADATA_DISABLED": "true",
}
os.environ.update(_TEST_AWS)
# A proxy for the world outside has no business between a test and its server.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import cases  # noqa: E402
import servers  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expectations of golden cases; read the diff")


def pytest_configure(config: pytest.Config) -> None:
    cases.UPDATE = bool(config.getoption("--update"))
    if cases.UPDATE and os.environ.get("CI"):
        raise pytest.UsageError("--update rewrites expectations; in CI they are checked")


def pytest_report_header() -> str:
    binary = servers.dynoxide_binary()
    return "servers: " + ", ".join(
        f"dynoxide missing ({servers.why_no_dynoxide()})" if kind == "dynoxide" and binary is None else kind
        for kind in servers.KINDS
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if cases.UPDATED:
        terminalreporter.write_line(f"{len(cases.UPDATED)} golden cases rewritten: read the diff")


@pytest.fixture(scope="session")
def running_server() -> Iterator[Callable[[str], servers.Server]]:
    """Give the session's one server of a kind, started when it is first asked for."""
    with ExitStack() as stack:
        running: dict[str, servers.Server] = {}

        def get(kind: str) -> servers.Server:
            if kind == "dynoxide":
                servers.require_dynoxide()
            if kind not in running:
                running[kind] = stack.enter_context(servers.start(kind))
            return running[kind]

        yield get


@pytest.fixture(scope="session", params=servers.KINDS)
def server(request: pytest.FixtureRequest, running_server: Callable[[str], servers.Server]) -> Iterator[servers.Server]:
    """Run the test on every kind of server; on DynamoDB itself with the credentials of whoever asked for it."""
    if request.param != "endpoint":
        yield running_server(request.param)
        return
    with pytest.MonkeyPatch.context() as patch:
        if servers.is_aws(servers.ENDPOINT):
            for name in _TEST_AWS:
                patch.delenv(name)
            for name, value in _USERS_AWS.items():
                if not name.startswith("AWS_ENDPOINT_URL"):
                    patch.setenv(name, value)
        with servers.start("endpoint") as endpoint:
            yield endpoint


@pytest.fixture(scope="session")
def one_server(running_server: Callable[[str], servers.Server]) -> servers.Server:
    """Give the most faithful local server that is here, for a test that is about something else."""
    missing = servers.dynoxide_binary() is None and not servers.must_have_dynoxide()
    return running_server("ministack" if missing else "dynoxide")


@pytest.fixture
def fresh_dynoxide() -> Iterator[servers.Server]:
    """Run a server for this test alone, without tables."""
    servers.require_dynoxide()
    with servers.start("dynoxide") as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """Give a text of letters and digits that begins the names of this test's tables."""
    return servers.new_prefix()
