"""The ways to an endpoint: TCP, TLS and proxies, on asyncio's own loop and on uvloop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
from misbehaving import (
    EACH_LOOP,
    SETTINGS,
    Act,
    Run,
    Served,
    client,
    close,
    hang,
    listening,
    reset,
    say,
    serving,
    then,
    until,
)

from ddbetl.connectors.dynamodb import failures
from ddbetl.connectors.dynamodb.endpoint import Proxies
from ddbetl.connectors.dynamodb.failures import WireError
from ddbetl.connectors.dynamodb.wire import WireSettings

pytestmark = EACH_LOOP

# Connecting.


def closed_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        (None, SETTINGS, failures.ConnectFailed),
        ("http://ddbetl.invalid", SETTINGS, failures.DnsFailure),
        ("http://127.0.0.1:1", replace(SETTINGS, connect_timeout=0), failures.ConnectTimeout),
    ],
)
def test_no_connection(run: Run, url: str | None, settings: WireSettings, expected: type[WireError]) -> None:
    async def main() -> None:
        async with client(url or f"http://127.0.0.1:{closed_port()}", settings) as wire:
            with pytest.raises(expected) as caught:
                await wire.request("Scan", b"{}")
            assert type(caught.value) is expected
            assert caught.value.transient and not caught.value.maybe_processed

    run(main())


def test_tls_that_is_none(run: Run) -> None:
    async def main() -> None:
        async with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as served, client(served) as wire:
            with pytest.raises(failures.TlsFailed) as caught:
                await wire.request("Scan", b"{}")
            assert caught.value.transient and not caught.value.maybe_processed
        async with listening() as served, client(served, replace(SETTINGS, tls_timeout=0.05)) as wire:
            with pytest.raises(failures.TlsFailed):
                await wire.request("Scan", b"{}")

    run(main())


@pytest.mark.parametrize("end", [close, reset])
def test_tls_that_breaks_off(run: Run, end: Act) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            await end(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with client(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as wire:
            with pytest.raises(failures.TlsFailed) as caught:
                await wire.request("Scan", b"{}")
            assert caught.value.transient and not caught.value.maybe_processed
        server.close()

    run(main())


@pytest.mark.parametrize(
    ("settings", "host"),
    [(WireSettings(), "127.0.0.1"), (SETTINGS, "localhost")],
    ids=["unknown authority", "another name"],
)
def test_certificate_refused(run: Run, settings: WireSettings, host: str) -> None:
    async def main() -> None:
        async with serving(tls=True) as served:
            url = served.url.replace("127.0.0.1", host)
            async with client(url, settings) as wire:
                with pytest.raises(failures.CertificateRejected, match=host) as caught:
                    await wire.request("Scan", b"{}")
                assert not caught.value.transient and not caught.value.maybe_processed
            async with client(url, replace(settings, verify=False)) as wire:
                assert (await wire.request("Scan", b"{}")).body == b"{}"
            assert len(served.requests) == 1

    run(main())


# Proxies.


def tunnel(target: Served, established: bytes = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n") -> Act:
    """Do what a proxy does after CONNECT: bytes both ways; the way leads to ``target``, whatever name was asked for."""

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                sink.write(data)
        finally:
            sink.transport.abort()

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", int(target.url.rpartition(":")[2]))
        writer.write(established)
        await asyncio.gather(pump(reader, to_writer), pump(to_reader, writer))

    return act


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_https_through_a_proxy(run: Run, secure_proxy: bool) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            target = await stack.enter_async_context(serving(tls=True))
            proxy = await stack.enter_async_context(serving(tunnel(target), tls=secure_proxy))
            proxies = Proxies.parse(https=proxy.url.replace("//", "//user:proxy-password@"))
            wire = await stack.enter_async_context(client("https://dynamodb.test", replace(SETTINGS, proxies=proxies)))
            for _ in range(2):
                assert (await wire.request("Scan", b"{}")).body == b"{}"
        (connect,) = proxy.requests
        assert connect.line == "CONNECT dynamodb.test:443 HTTP/1.1"
        assert connect.headers == {
            "host": "dynamodb.test:443",
            "proxy-authorization": "Basic dXNlcjpwcm94eS1wYXNzd29yZA==",
        }
        assert target.names == ["dynamodb.test"]
        assert proxy.names == ([None] if secure_proxy else [])  # an address is never sent as a name
        assert len(target.requests) == 2 and target.connections == 1
        assert not [name for name in target.requests[0].headers if name.startswith("proxy")]

    run(main())


@pytest.mark.parametrize("secure_proxy", [False, True])
def test_http_through_a_proxy(run: Run, secure_proxy: bool) -> None:
    async def main() -> None:
        async with serving(tls=secure_proxy) as proxy:
            proxies = Proxies.parse(http=proxy.url.replace("//", "//user:proxy-password@"))
            async with client("http://dynamodb.test:8000", replace(SETTINGS, proxies=proxies)) as wire:
                assert (await wire.request("Scan", b"{}")).body == b"{}"
        (request,) = proxy.requests
        assert request.line == "POST http://dynamodb.test:8000/ HTTP/1.1"
        assert request.headers["host"] == "dynamodb.test:8000"
        assert request.headers["proxy-authorization"] == "Basic dXNlcjpwcm94eS1wYXNzd29yZA=="

    run(main())


@pytest.mark.parametrize(
    ("act", "expected", "transient"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", failures.ProxyRefused, False),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n", failures.ProxyRefused, False),
        (b"HTTP/1.1 503 Busy\r\n\r\n", failures.ProxyRefused, True),
        (then(say(b"HTTP/1.1 200 OK\r\n"), close), failures.ConnectFailed, True),
        (close, failures.ConnectFailed, True),
        (reset, failures.ConnectFailed, True),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", failures.ConnectFailed, True),
        (then(say(b"x" * 1_000_000), hang), failures.ConnectFailed, True),
        (then(say(b"HTTP/1.1 200 OK\r\n\r\n"), close), failures.TlsFailed, True),
        (hang, failures.ConnectTimeout, True),
    ],
)
def test_proxy_that_opens_no_tunnel(run: Run, act: Act | bytes, expected: type[WireError], transient: bool) -> None:
    async def main() -> None:
        async with serving(act) as proxy:
            proxies = Proxies.parse(https=proxy.url.replace("//", "//user:proxy-password@"))
            settings = replace(SETTINGS, proxies=proxies, connect_timeout=0.1 if act is hang else 20)
            async with client("https://dynamodb.test", settings) as wire:
                with pytest.raises(expected) as caught:
                    await wire.request("Scan", b"{}")
                await until(lambda: proxy.ended == 1)
            assert type(caught.value) is expected
            assert caught.value.transient is transient and not caught.value.maybe_processed
            assert "proxy-password" not in str(caught.value)

    run(main())


def test_proxy_that_speaks_into_the_tunnel(run: Run) -> None:
    async def main() -> None:
        async with serving(tls=True) as target, serving(tunnel(target, b"HTTP/1.1 200 OK\r\n\r\nwelcome")) as proxy:
            settings = replace(SETTINGS, proxies=Proxies.parse(https=proxy.url))
            async with client("https://dynamodb.test", settings) as wire:
                with pytest.raises(failures.ConnectFailed):
                    await wire.request("Scan", b"{}")
        assert target.requests == []

    run(main())
