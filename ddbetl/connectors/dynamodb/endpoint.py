"""Where requests go: the endpoint, and the proxy on the way to it.

In: URLs as users and environment variables spell them. Out: frozen values. Nothing is read from the environment here.

Invariant: what these values print never holds a password, and every text in them can be written into a request head as
it is.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from dataclasses import dataclass, field
from typing import Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

Scheme = Literal["http", "https"]

DEFAULT_PORTS: dict[Scheme, int] = {"http": 80, "https": 443}

_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_REGION = re.compile(r"[A-Za-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One DynamoDB endpoint; ``host`` is a lower-case name or an IP address without brackets."""

    scheme: Scheme
    host: str
    port: int
    region: str

    @classmethod
    def parse(cls, url: str, region: str) -> Self:
        """Read an endpoint such as ``https://dynamodb.eu-west-1.amazonaws.com`` or ``http://[::1]:8000/``.

        Raises ``ValueError`` for anything that a request to ``/`` of that host could not mean: another scheme, a user
        name, a path, a query.
        """
        if not _REGION.fullmatch(region):
            raise ValueError(f"{region!r} is not the name of a region")
        parts = _split(url, "endpoint")
        if parts.username is not None or parts.password is not None:
            raise ValueError("the endpoint URL must not hold a user name or password")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ValueError(f"the endpoint URL{_shown(url)} must be a scheme, a host and a port only, without a path")
        return cls(_scheme(parts), _host(parts), _port(parts), region)

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own, IPv6 in brackets."""
        if self.port == DEFAULT_PORTS[self.scheme]:
            return _bracketed(self.host)
        return f"{_bracketed(self.host)}:{self.port}"

    @property
    def address(self) -> str:
        """Host and port for messages and for CONNECT."""
        return f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy; ``scheme`` says how the proxy itself is reached."""

    scheme: Scheme
    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a proxy such as ``http://user:password@proxy:3128`` or ``proxy:3128``.

        Raises ``ValueError``, never with the URL in it: it may hold a password.
        """
        parts = _split(url if "://" in url else f"http://{url}", "proxy")
        authorization = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            authorization = "Basic " + base64.b64encode(pair.encode()).decode()
        return cls(_scheme(parts), _host(parts), _port(parts), authorization)

    @property
    def address(self) -> str:
        """Host and port for messages."""
        return f"{_bracketed(self.host)}:{self.port}"


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of one machine, as HTTP_PROXY, HTTPS_PROXY and NO_PROXY give them; the default is none."""

    http: Proxy | None = None
    https: Proxy | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def parse(cls, http: str | None = None, https: str | None = None, no_proxy: str | None = None) -> Self:
        """Read the texts of the three environment variables; empty means none. Raises ``ValueError``."""
        exceptions = tuple(entry for text in (no_proxy or "").split(",") if (entry := text.strip().lower()))
        return cls(Proxy.parse(http) if http else None, Proxy.parse(https) if https else None, exceptions)

    def towards(self, endpoint: Endpoint) -> Proxy | None:
        """The proxy for an endpoint, or None for the direct way."""
        if any(_matches(entry, endpoint) for entry in self.no_proxy):
            return None
        return self.https if endpoint.scheme == "https" else self.http


def _matches(entry: str, endpoint: Endpoint) -> bool:
    """Tell whether an entry of NO_PROXY names the endpoint: ``*``, an address, a network, a domain, ``domain:port``."""
    if entry == "*":
        return True
    try:
        return ipaddress.ip_address(endpoint.host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass  # The entry or the host is a name.
    name, colon, port = entry.rpartition(":")
    if colon:
        return port == str(endpoint.port) and _matches(name, endpoint)
    domain = entry.removeprefix("*").removeprefix(".")
    return endpoint.host == domain or endpoint.host.endswith(f".{domain}")


def _split(url: str, what: str) -> SplitResult:
    """Split a URL with a good scheme, host and port. Raises ``ValueError``, without a URL that may hold a password."""
    # urlsplit would drop line breaks silently.
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"the {what} URL{_shown(url)} holds a space or a character that no URL has")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in DEFAULT_PORTS and parts.port != 0 and _is_host(parts.hostname or "")
    except ValueError:
        valid = False
    if not valid:
        raise ValueError(f"the {what} URL{_shown(url)} must look like http://host:port or https://host")
    return parts


def _shown(url: str) -> str:
    """A URL for a message, behind a blank; nothing if it may hold a password."""
    return "" if "@" in url else f" {url!r}"


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return ipaddress.IPv6Address(host).scope_id is None
        except ValueError:
            return False
    return _HOST_NAME.fullmatch(host) is not None


def _scheme(parts: SplitResult) -> Scheme:
    return "https" if parts.scheme == "https" else "http"


def _host(parts: SplitResult) -> str:
    assert parts.hostname is not None
    return parts.hostname


def _port(parts: SplitResult) -> int:
    return DEFAULT_PORTS[_scheme(parts)] if parts.port is None else parts.port


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
