"""Endpoints, proxies and signatures: the signer against AWS's published vectors and against botocore."""

from __future__ import annotations

import hashlib
import hmac
import random
import time

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from ddbetl.connectors.dynamodb.endpoint import Endpoint, Proxies, Proxy
from ddbetl.connectors.dynamodb.signer import (
    CONTENT_TYPE,
    LARGE,
    PART,
    TARGET_PREFIX,
    Credentials,
    Signer,
    canonical_request,
    signing_key,
    string_to_sign,
)

EXAMPLE_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("date", "key"),
    [
        ("20150830", "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"),
        ("20120215", "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"),
    ],
)
def test_signing_key_of_the_aws_documentation(date: str, key: str) -> None:
    assert signing_key(EXAMPLE_KEY, date, "us-east-1", "iam").hex() == key


# AWS's SigV4 test suite, as far as it is about POST / without a query:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-testing.html
SUITE_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwth"
    "Ax7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAk"
    "iY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
HOST = ("host", "example.amazonaws.com")
DATE = ("x-amz-date", "20150830T123600Z")
FORM_HASH = hashlib.sha256(b"Param1=value1").hexdigest()


@pytest.mark.parametrize(
    ("headers", "payload_hash", "canonical_hash", "signature"),
    [
        pytest.param(
            (HOST, DATE),
            EMPTY_HASH,
            "553f88c9e4d10fc9e109e2aeb65f030801b70c2f6468faca261d401ae622fc87",
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            id="post-vanilla",
        ),
        pytest.param(
            (HOST, ("my-header1", "value1"), DATE),
            EMPTY_HASH,
            "9368318c2967cf6de74404b30c65a91e8f6253e0a8659d6d5319f1a812f87d65",
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            id="post-header-key-sort",
        ),
        pytest.param(
            (HOST, ("my-header1", "VALUE1"), DATE),
            EMPTY_HASH,
            "d51ced243e649e3de6ef63afbbdcbca03131a21a7103a1583706a64618606a93",
            "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
            id="post-header-value-case",
        ),
        pytest.param(
            (HOST, DATE, ("x-amz-security-token", SUITE_TOKEN)),
            EMPTY_HASH,
            "c237e1b440d4c63c32ca95b5b99481081cb7b13c7e40434868e71567c1a882f6",
            "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            id="post-sts-header-before",
        ),
        pytest.param(
            (
                ("content-length", "13"),
                ("content-type", "application/x-www-form-urlencoded"),
                HOST,
                ("x-amz-content-sha256", FORM_HASH),
                DATE,
            ),
            FORM_HASH,
            "b1edd1d03544c25390e32085d55b57acc9a3961bb59415ff86c45c3d89d16cfb",
            "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            id="post-x-www-form-urlencoded",
        ),
    ],
)
def test_vectors_of_the_aws_suite(
    headers: tuple[tuple[str, str], ...], payload_hash: str, canonical_hash: str, signature: str
) -> None:
    assert hashlib.sha256(canonical_request(headers, payload_hash).encode()).hexdigest() == canonical_hash
    to_sign = string_to_sign("20150830T123600Z", "20150830/us-east-1/service/aws4_request", canonical_hash)
    key = signing_key(EXAMPLE_KEY, "20150830", "us-east-1", "service")
    assert hmac.digest(key, to_sign.encode(), "sha256").hex() == signature


def test_whole_head() -> None:
    endpoint = Endpoint.parse("http://127.0.0.1:8000", "eu-west-1")
    signer = Signer(endpoint, unsigned=(("user-agent", "ddbetl/1"), ("accept-encoding", "identity")))
    head = signer.head("Scan", b'{"TableName":"t"}', Credentials("AKIDEXAMPLE", EXAMPLE_KEY, "token"), 1440938160.9)
    lines = head.decode().split("\r\n")
    authorization, signature = lines.pop(8).rsplit("=", 1)
    assert lines == [
        "POST / HTTP/1.1",
        "Content-Type: application/x-amz-json-1.0",
        "Host: 127.0.0.1:8000",
        "X-Amz-Date: 20150830T123600Z",
        "X-Amz-Security-Token: token",
        "X-Amz-Target: DynamoDB_20120810.Scan",
        "User-Agent: ddbetl/1",
        "Accept-Encoding: identity",
        "Content-Length: 17",
        "",
        "",
    ]
    assert authorization == (
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/dynamodb/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature"
    )
    assert len(signature) == 64


def test_head_for_a_proxy_names_the_whole_url_and_signs_the_same() -> None:
    endpoint, credentials = Endpoint.parse("http://127.0.0.1:8000", "eu-west-1"), Credentials("a", "b")
    direct = Signer(endpoint).head("Scan", b"{}", credentials, 0)
    proxied = Signer(
        endpoint, request_target="http://127.0.0.1:8000/", unsigned=(("proxy-authorization", "Basic x"),)
    ).head("Scan", b"{}", credentials, 0)
    assert proxied.startswith(b"POST http://127.0.0.1:8000/ HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic x\r\n" in proxied
    assert _headers(proxied)["authorization"] == _headers(direct)["authorization"]


def _headers(head: bytes) -> dict[str, str]:
    lines = head.decode().removesuffix("\r\n\r\n").split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


def _botocore_headers(
    endpoint: Endpoint, operation: str, body: bytes, credentials: Credentials, now: float
) -> tuple[dict[str, str], str]:
    """Sign with botocore; the headers that it adds and the host that it signs."""
    request = AWSRequest(
        method="POST",
        url=f"{endpoint.scheme}://{endpoint.address}/",
        data=body,
        headers={"Content-Type": CONTENT_TYPE, "X-Amz-Target": f"{TARGET_PREFIX}.{operation}"},
    )
    auth = SigV4Auth(
        BotocoreCredentials(credentials.access_key, credentials.secret_key, credentials.token),
        "dynamodb",
        endpoint.region,
    )
    # The steps of add_auth, which takes the time from the machine.
    request.context["timestamp"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(int(now)))
    auth._modify_request_before_signing(request)
    canonical = auth.canonical_request(request)
    auth._inject_signature_to_request(request, auth.signature(auth.string_to_sign(request, canonical), request))
    headers = {name.lower(): value for name, value in request.headers.items()}
    return headers, auth.headers_to_sign(request)["host"]


HEADER_TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=80)
LABELS = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?", fullmatch=True)
HOSTS = st.one_of(
    st.lists(LABELS, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
)
PORTS = st.one_of(st.just(""), st.sampled_from([":80", ":443"]), st.integers(1, 65535).map(lambda port: f":{port}"))
REGIONS = st.from_regex(r"[a-z]{2}(-[a-z]{2,8}){1,2}-[1-9]|local", fullmatch=True)
REQUESTS = st.tuples(
    st.sampled_from(["Scan", "Query", "BatchWriteItem", "BatchExecuteStatement"]),
    st.binary(min_size=1, max_size=200),
    st.builds(Credentials, HEADER_TEXT, HEADER_TEXT, st.none() | HEADER_TEXT),
    st.floats(0, 4_102_444_800) | st.floats(1_700_000_000, 1_700_000_003),
)


@given(st.sampled_from(["http", "https"]), HOSTS, PORTS, REGIONS, st.lists(REQUESTS, min_size=1, max_size=4))
def test_equal_to_botocore(
    scheme: str, host: str, port: str, region: str, requests: list[tuple[str, bytes, Credentials, float]]
) -> None:
    """One signer, several requests in any order of operations, credentials and times, each of them twice."""
    endpoint = Endpoint.parse(f"{scheme}://{host}{port}", region)
    signer = Signer(endpoint)
    for operation, body, credentials, now in [request for request in requests for _ in range(2)]:
        ours = _headers(signer.head(operation, memoryview(body), credentials, now))
        theirs, their_host = _botocore_headers(endpoint, operation, body, credentials, now)
        assert ours.pop("host") == their_host
        assert ours.pop("content-length") == str(len(body))
        assert ours == theirs


@pytest.mark.parametrize("size", [1, PART - 1, PART, PART + 1, 5 * PART, LARGE, LARGE + 1, 2**20])
def test_equal_to_botocore_with_a_large_body(size: int) -> None:
    endpoint, credentials = (
        Endpoint.parse("https://dynamodb.us-east-1.amazonaws.com", "us-east-1"),
        Credentials("a", "b"),
    )
    body = random.Random(size).randbytes(size)
    ours = _headers(Signer(endpoint).head("BatchWriteItem", body, credentials, 1.7e9))
    theirs, _ = _botocore_headers(endpoint, "BatchWriteItem", body, credentials, 1.7e9)
    assert ours["authorization"] == theirs["authorization"]


def test_credentials_never_show() -> None:
    assert repr(Credentials("AKIDEXAMPLE", EXAMPLE_KEY, "token")) == "Credentials()"


@pytest.mark.parametrize("bad", ["", "a b", "a\r\nX-Evil: 1", "ä", "\x7f"])
def test_credentials_that_no_header_can_hold(bad: str) -> None:
    for arguments in [(bad, "s", None), ("a", bad, None), ("a", "s", bad)]:
        with pytest.raises(ValueError, match="line break") as caught:
            Credentials(*arguments)
        assert not bad or bad not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "host", "port", "authority"),
    [
        ("https://dynamodb.eu-west-1.amazonaws.com", "dynamodb.eu-west-1.amazonaws.com", 443, None),
        ("https://DynamoDB.test/", "dynamodb.test", 443, "dynamodb.test"),
        ("http://127.0.0.1:8000", "127.0.0.1", 8000, "127.0.0.1:8000"),
        ("http://localhost:80", "localhost", 80, "localhost"),
        ("https://localhost:80", "localhost", 80, "localhost:80"),
        ("https://localhost:443/", "localhost", 443, "localhost"),
        ("http://[::1]:8000/", "::1", 8000, "[::1]:8000"),
        ("https://[2001:DB8::1]", "2001:db8::1", 443, "[2001:db8::1]"),
        ("http://dynamodb_local:8000", "dynamodb_local", 8000, "dynamodb_local:8000"),
    ],
)
def test_endpoint(url: str, host: str, port: int, authority: str | None) -> None:
    endpoint = Endpoint.parse(url, "eu-west-1")
    assert (endpoint.host, endpoint.port, endpoint.authority) == (host, port, authority or host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "http://:8000",
        "http://localhost:x",
        "http://localhost:65536",
        "http://localhost:0",
        "http://localhost:8000/path",
        "http://localhost?query",
        "http://localhost#fragment",
        "http://user@localhost",
        "http://user:secret@localhost",
        "http://user:secret@localhost:x",
        "http://user:a secret@localhost",
        "http://a b",
        "http://a\r\nX-Evil: 1",
        "http://a%0d%0a",
        "http://ä.test",
        "http://[::1",
        "http://[fe80::1%25eth0]",
        "http://[g::1]",
        "http://a..b",
        f"http://{'a' * 64}.test",
    ],
)
def test_endpoint_refused(url: str) -> None:
    with pytest.raises(ValueError, match="endpoint") as caught:
        Endpoint.parse(url, "us-east-1")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("region", ["", "us east 1", "us/east", "a\n"])
def test_region_refused(region: str) -> None:
    with pytest.raises(ValueError, match="region"):
        Endpoint.parse("http://localhost", region)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy", Proxy("http", "proxy", 80)),
        ("https://proxy/", Proxy("https", "proxy", 443)),
        ("http://us%40er:p%3Ass@proxy", Proxy("http", "proxy", 80, "Basic dXNAZXI6cDpzcw==")),
        ("http://user@[::1]:1", Proxy("http", "::1", 1, "Basic dXNlcjo=")),
    ],
)
def test_proxy(url: str, expected: Proxy) -> None:
    assert Proxy.parse(url) == expected


@pytest.mark.parametrize(
    "url", ["socks5://user:secret@proxy", "http://user:secret@", "user:secret@proxy:x", "user:a secret@b"]
)
def test_proxy_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="proxy") as caught:
        Proxy.parse(url)
    assert "secret" not in str(caught.value) and caught.value.__cause__ is None


def test_proxy_password_never_shows() -> None:
    proxies = Proxies.parse(http="http://user:secret@proxy", https="https://user:secret@proxy")
    assert proxies.http is not None and proxies.http.authorization is not None
    assert "secret" not in repr(proxies) and proxies.http.authorization not in repr(proxies)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        (None, "http://a.test", False),
        ("", "http://a.test", False),
        ("*", "http://a.test", True),
        ("a.test", "http://a.test", True),
        ("A.test , b.test", "http://a.TEST", True),
        ("test", "http://a.test", True),
        (".test", "http://a.test", True),
        ("*.test", "http://a.test", True),
        ("est", "http://a.test", False),
        ("a.test:80", "http://a.test", True),
        ("a.test:81", "http://a.test", False),
        ("127.0.0.1", "http://127.0.0.1:8000", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000", True),
        ("127.0.0.1:8001", "http://127.0.0.1:8000", False),
        ("127.0.0.0/8", "http://127.0.0.1:8000", True),
        ("10.0.0.0/8", "http://127.0.0.1:8000", False),
        ("::1", "http://[::1]:8000", True),
        ("[::1]", "http://[::1]:8000", True),
        ("[::1]:8000", "http://[::1]:8000", True),
        ("[::1]:8001", "http://[::1]:8000", False),
    ],
)
def test_no_proxy(no_proxy: str | None, url: str, direct: bool) -> None:
    proxies = Proxies.parse("http://plain", "http://secure", no_proxy)
    assert proxies.towards(Endpoint.parse(url, "us-east-1")) == (None if direct else proxies.http)


def test_each_scheme_has_its_proxy() -> None:
    proxies = Proxies.parse("http://plain", "http://secure")
    assert proxies.towards(Endpoint.parse("http://a.test", "us-east-1")) == proxies.http
    assert proxies.towards(Endpoint.parse("https://a.test", "us-east-1")) == proxies.https
    assert Proxies().towards(Endpoint.parse("https://a.test", "us-east-1")) is None
