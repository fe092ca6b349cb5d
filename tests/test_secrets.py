"""Passwords in URLs and credentials that cannot be sent: refused before the first request, and in no message."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.cli.commands import cli
from ddbetl.cli.terminal import json_text
from ddbetl.connectors.dynamodb.control import Control, without_userinfo
from ddbetl.errors import ConnectionFailed
from ddbetl.plan.catalog import Connection

SPEC = "INSERT INTO Target SELECT * FROM Source ON CONFLICT REPLACE"
# Nobody listens there: a test that sends anything fails otherwise than it should.
NOBODY = "http://127.0.0.1:9"

ENDPOINTS = (
    "http://user:URLPASS@127.0.0.1:9",
    "https://user:URLPASS@example.org/",
    "http://URLPASS@127.0.0.1:9",
    "http://user:URL@PASS@127.0.0.1:9",
    "http://user:URLPASS@127.0.0.1:99999999",
    "http://user:URLPASS@[::1",
    "http://127.0.0.1:9/user:URLPASS@here",
    "http://127.0.0.1:9/?URLPASS@",
    "htp:/user:URLPASS@127.0.0.1 x",
    "ftp://user:URLPASS@127.0.0.1",
    "user:URLPASS@127.0.0.1",
    "http://user:URLPASS\n@127.0.0.1",
)

PROXIES = (
    "http://user:PROXYPASS@127.0.0.1:99999999",
    "http://user:PROXYPASS@[::1",
    "socks5://user:PROXYPASS@127.0.0.1:9",
    "user:PROXY PASS@127.0.0.1:9",
    "http://user:PROXYPASS\n@127.0.0.1",
)


def refused(connection: Connection) -> str:
    """The message of a connection that is not opened."""
    with pytest.raises(ConnectionFailed) as failed:
        Control.open(connection)
    return str(failed.value)


def assert_silent(text: str) -> None:
    for secret in ("PASS", "SECRET", "TOKEN", "user:", "@"):
        assert secret not in text, text


@pytest.mark.parametrize("url", ENDPOINTS)
def test_an_endpoint_with_a_password_is_refused(url: str) -> None:
    message = refused(Connection(region="us-east-1", endpoint=url))
    assert message.startswith("the endpoint URL ")
    assert_silent(message)


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"])
@pytest.mark.parametrize("url", ENDPOINTS)
def test_an_endpoint_of_the_environment_too(variable: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, url)
    message = refused(Connection(region="us-east-1"))
    assert "endpoint" in message
    assert_silent(message)


def test_an_endpoint_of_the_configuration_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config"
    file.write_text("[default]\nendpoint_url = http://user:URLPASS@127.0.0.1:9\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    assert_silent(refused(Connection(region="us-east-1")))


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "HTTPS_PROXY"])
@pytest.mark.parametrize("url", PROXIES)
def test_a_proxy_that_cannot_be_used_is_refused(variable: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, url)
    monkeypatch.setenv(variable.lower(), url)
    message = refused(Connection(endpoint=NOBODY))
    assert message.startswith("the environment's proxy settings cannot be used: ")
    assert_silent(message)


@pytest.mark.parametrize("variable", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID"])
@pytest.mark.parametrize("value", ["SECRETS\n", "SECRET\r\nX-Injected: TOKEN", "SECRETé", "SE CRET", "SECRET\x7f"])
def test_credentials_that_no_header_takes_are_refused(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    message = refused(Connection(endpoint=NOBODY))
    assert message.startswith("the AWS credentials cannot be used: the ")
    assert_silent(message)


def test_what_boto3_says_of_a_url_holds_no_password() -> None:
    for text, said in (
        ('Could not connect to the endpoint URL: "http://u:P@SS@host:8/x"', '"http://***@host:8/x"'),
        ("Failed to connect to proxy URL: http://PASS@[::1]:9", "http://***@[::1]:9"),
        ('to "http://host:8/", as https://u:PASS@other', 'to "http://host:8/", as https://***@other'),
        ("no URL: somebody@example.org", "somebody@example.org"),
    ):
        assert without_userinfo(text).endswith(said)
        assert "PASS" not in without_userinfo(text) and "SS@" not in without_userinfo(text)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


@pytest.mark.parametrize("url", ENDPOINTS)
@pytest.mark.parametrize("command", [["explain"], ["explain", "--json"], ["preview"], ["run", "--yes"], ["check"]])
def test_the_command_line_shows_none(url: str, command: list[str]) -> None:
    result = run(*command, SPEC, "--endpoint-url", url, "--debug")
    assert result.exit_code == 2
    assert "endpoint URL" in result.output
    for secret in ("PASS", "user:", "@"):
        assert secret not in result.output
    if "\n" in url or command == ["check"]:
        return
    spec = f"INSERT INTO Target SELECT * FROM Source (endpoint = '{url}') ON CONFLICT REPLACE"
    result = run(*command, spec, "--endpoint-url", NOBODY, "--debug")
    assert result.exit_code == 3, result.output
    assert_silent(result.output)


# What a terminal would obey, in arguments: colours, a title, C1 codes, reversed text.
EVIL = "\x1b[31mRED\x1b]0;t\x07\x9b31m\u202e"


def harmless(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    "arguments",
    [
        [EVIL],
        ["describe", "Source", "--profile", EVIL],
        ["describe", "Source", "--region", EVIL],
        ["describe", "Source", f"--{EVIL}"],
        ["describe", "Source", "--endpoint-url", EVIL],
        ["describe", "Source", "--sample", EVIL],
        ["describe", "Source", EVIL],
        ["check", EVIL + ".ddbetl"],
        ["check", "SELECT a FROM Source", "-p", EVIL],
        ["check", "SELECT a FROM Source", "--let", EVIL],
        ["check", f"SELECT {EVIL} FROM Source"],
        ["functions", EVIL],
        ["jobs", EVIL],
    ],
    ids=lambda arguments: " ".join(arguments)[:40].encode("unicode_escape").decode(),
)
def test_no_argument_reaches_the_terminal_as_it_is(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code in (1, 2, 3), result.output
    assert harmless(result.output), result.output
    assert "[31mRED" in result.output


def test_json_holds_nothing_that_a_terminal_obeys() -> None:
    result = run("time", "--json", "--guess", "2017-04-26", EVIL)
    assert harmless(result.output)
    texts = json.dumps(json.loads(result.output), ensure_ascii=False)
    assert json.dumps(EVIL, ensure_ascii=False)[1:-1] in texts


@given(
    st.recursive(st.none() | st.text(st.characters()), lambda some: st.lists(some) | st.dictionaries(st.text(), some))
)
def test_json_stays_the_same_and_is_printable(value: object) -> None:
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        assert json.loads(text) == value
        assert all(line.isprintable() for line in text.split("\n"))
    assert json_text("Grüße, 日本 😀") == '"Grüße, 日本 😀"'
    assert json_text({"\x7f": ["\U000e0001", "\ud800"]}, indent=None) == '{"\\u007f":["\\udb40\\udc01","\\ud800"]}'
