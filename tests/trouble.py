"""Trouble on purpose: a command, run against a DynamoDB that fails.

``python tests/trouble.py KIND COMMAND…`` puts a proxy before the server that AWS_ENDPOINT_URL_DYNAMODB names, and runs the
command with the proxy in its place. After ``GOOD`` writes have come through, or at once for a kind of ``AT_ONCE``, requests
fail as KIND says: ``PASSING`` of them, or, for a kind of ``LASTING``, all. The exit code is the command's.

docs/operations.md shows what ddbetl does then; ``tests/test_docs.py`` runs its screens.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

ENDPOINT = "AWS_ENDPOINT_URL_DYNAMODB"
ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/"
# The table that was made anew, where that is the trouble.
TARGET = "Devo_NA_AnniversaryPromo_2017"
# Writes that come through before the trouble begins, and requests that then fail where the trouble passes.
GOOD = 15
PASSING = 20
# Seconds by which the server's clock is ahead of this one's; a signature may be off by a quarter of that.
AHEAD = 20 * 60


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error. ``reason``: DynamoDB's ThrottlingReason, of the table that is asked for."""

    code: str
    message: str
    status: int = 400
    reason: str = ""


THROUGHPUT = "The level of configured provisioned throughput for the table was exceeded."
REFUSALS = {
    "throttled-table": Refusal(
        "ProvisionedThroughputExceededException", THROUGHPUT, reason="TableWriteProvisionedThroughputExceeded"
    ),
    "throttled-partition": Refusal(
        "ThrottlingException", "Throughput exceeds the partition's.", reason="TableWriteKeyRangeThroughputExceeded"
    ),
    "unavailable": Refusal("ServiceUnavailable", "The service is currently unavailable.", 503),
    "expired": Refusal("ExpiredTokenException", "The security token included in the request is expired"),
    "denied": Refusal(
        "AccessDeniedException",
        "User: arn:aws:iam::123456789012:user/etl is not authorized to perform: dynamodb:BatchWriteItem on the table",
    ),
    "deleted": Refusal("ResourceNotFoundException", "Requested resource not found"),
}
# Trouble in which the answer comes, but not as it was sent; and such that is none of the writes'.
SPOILT = ("reset", "crc")
OTHERS = ("skewed", "recreated")
KINDS = (*REFUSALS, *SPOILT, *OTHERS)
LASTING = ("throttled-table", "expired", "denied", "deleted")
AT_ONCE = OTHERS


@dataclass
class Trouble:
    """``upstream``: the server behind the proxy, its host and port."""

    kind: str
    upstream: str
    writes: int = 0
    failed: int = 0
    lock: Lock = field(default_factory=Lock)

    def strikes(self, operation: str) -> bool:
        """Whether this request is one that fails."""
        if self.kind in OTHERS or operation != "BatchWriteItem":
            return False
        with self.lock:
            self.writes += 1
            if self.writes <= GOOD or (self.kind not in LASTING and self.failed == PASSING):
                return False
            self.failed += 1
            return True


class Proxy(BaseHTTPRequestHandler):
    trouble: Trouble
    protocol_version = "HTTP/1.1"
    # Each answer in one segment, and at once.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        trouble = self.trouble
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].rpartition(".")[2]
        if trouble.kind == "skewed" and self._skew() > AHEAD / 4 and operation in ("Scan", "BatchWriteItem"):
            self._refuse(Refusal("InvalidSignatureException", "Signature expired"), "")
            return
        if not trouble.strikes(operation):
            self._forward(body, operation)
        elif (refusal := REFUSALS.get(trouble.kind)) is not None:
            (table,) = json.loads(body)["RequestItems"]
            self._refuse(refusal, table)
        elif trouble.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        else:
            self._forward(body, operation, wrong_crc=True)

    def _skew(self) -> float:
        signed = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        return abs(time.time() + AHEAD - signed.timestamp())

    def _refuse(self, refusal: Refusal, table: str) -> None:
        said: dict[str, Any] = {
            "__type": f"com.amazonaws.dynamodb.v20120810#{refusal.code}",
            "message": refusal.message,
        }
        if refusal.reason:
            said["throttlingReasons"] = [{"reason": refusal.reason, "resource": ARN + table}]
        self._answer(refusal.status, json.dumps(said).encode())

    def _forward(self, body: bytes, operation: str, wrong_crc: bool = False) -> None:
        server = http.client.HTTPConnection(self.trouble.upstream, timeout=60)
        try:
            server.request("POST", self.path, body, dict(self.headers))
            found = server.getresponse()
            answer = found.read()
        finally:
            server.close()
        if self.trouble.kind == "recreated" and operation == "DescribeTable" and found.status == 200:
            described = json.loads(answer)
            if described["Table"]["TableName"] == TARGET:
                described["Table"]["CreationDateTime"] += 86_400
            answer = json.dumps(described).encode()
        self._answer(found.status, answer, wrong_crc)

    def _answer(self, status: int, body: bytes, wrong_crc: bool = False) -> None:
        ahead = AHEAD if self.trouble.kind == "skewed" else 0
        self.send_response_only(status)
        self.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-crc32", str(zlib.crc32(body) ^ wrong_crc))
        self.end_headers()
        self.wfile.write(body)


class Quiet(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that is stopped leaves its connections as they are."""


def main(kind: str, command: list[str]) -> int:
    upstream = urlsplit(os.environ[ENDPOINT]).netloc
    proxy = type("ProxyOfOne", (Proxy,), {"trouble": Trouble(kind, upstream)})
    with Quiet(("127.0.0.1", 0), proxy) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        environment = os.environ | {ENDPOINT: f"http://127.0.0.1:{server.server_port}"}
        # A signal to this process is the command's, which has it too where it comes from a terminal.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        child = subprocess.Popen(command, env=environment, preexec_fn=_interruptible)
        code = child.wait()
        server.shutdown()
    return code


def _interruptible() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in KINDS:
        sys.exit(f"usage: python tests/trouble.py {'|'.join(KINDS)} COMMAND...")
    sys.exit(main(sys.argv[1], sys.argv[2:]))
