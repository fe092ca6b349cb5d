"""What the process of a job and its workers say to each other, and the channel on which they do.

In and out: the values below, over one end of a pair of sockets. Invariants: messages come whole and in their order; a
failure comes out as what it was; nothing of it is ever on a disk or in an argument, so credentials may be among it.

Both ends are ddbetl's own processes, and nobody else has the sockets, so messages are pickled.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import Any, Literal, cast

import pyarrow as pa

from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireSettings
from ddbetl.engine.collisions import Claims
from ddbetl.engine.counts import Tally
from ddbetl.engine.log import Level
from ddbetl.engine.rejects import Reasons
from ddbetl.errors import DdbetlError
from ddbetl.plan.catalog import Connection

_SIZE = Struct("<Q")

# The budgets of the target: of writes, and of reading what is there.
Direction = Literal["write", "reads"]


@dataclass(frozen=True, slots=True)
class Place:
    """How to reach the tables of a connection."""

    endpoint: Endpoint
    settings: WireSettings
    credentials: Credentials


# To a worker


@dataclass(frozen=True, slots=True)
class Begin:
    """The first message. ``recipe``: a pickled function that makes the plan, whose ``fingerprint`` it must have.
    ``segments``: of each source table. ``search``: whether collisions are looked for. ``written``: see Writing."""

    recipe: bytes
    fingerprint: str
    places: Mapping[Connection, Place]
    segments: tuple[int, ...]
    folder: Path
    search: bool
    written: bool


@dataclass(frozen=True, slots=True)
class Fetch:
    """Send a request for a page of a source ``table``, once, and work on the page that comes."""

    number: int
    table: int
    segment: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Rate:
    """What a worker may use of the target in a second; None: as much as it can."""

    direction: Direction
    units: float | None


@dataclass(frozen=True, slots=True)
class Renewed:
    """The credentials of a connection as they are now."""

    connection: Connection
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Stop:
    """End: finish what is being sent, and no more."""


# From a worker


@dataclass(frozen=True, slots=True)
class Ready:
    """Pages may come."""


@dataclass(frozen=True, slots=True)
class Got:
    """A page has come; see Fetched. ``size``: of the answer, in bytes. ``units``: what it used, if the server says."""

    number: int
    count: int
    scanned: int
    after: bytes
    size: int
    units: float | None


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception. ``trace``: of one that nobody expects."""

    kind: type[DdbetlError] | None
    arguments: tuple[Any, ...]
    state: Mapping[str, Any]
    trace: str = ""


@dataclass(frozen=True, slots=True)
class NotGot:
    """A request for a page has failed."""

    number: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class Agreed:
    """A rate holds."""

    direction: Direction
    units: float | None


@dataclass(frozen=True, slots=True)
class Renew:
    """The credentials of a connection have expired."""

    connection: Connection


@dataclass(slots=True)
class Report:
    """What has become of pages since the last report, by their numbers.

    ``tallies``: the counts of those that have changed, as they are now. ``rejects``: lines; ``reasons``: theirs, with
    the rows beside them that Rejects.count is told. ``done``: pages that are done, with the lines of their collisions.
    ``used``: units of the target since the last report, ``rates``: in force now. ``waits``: as they are.
    """

    tallies: dict[int, Tally] = field(default_factory=dict)
    rejects: list[tuple[int, bytes]] = field(default_factory=list)
    reasons: list[tuple[Reasons, int]] = field(default_factory=list)
    done: dict[int, list[bytes]] = field(default_factory=dict)
    used: dict[Direction, float] = field(default_factory=dict)
    rates: dict[Direction, float | None] = field(default_factory=dict)
    retries: int = 0
    waits: dict[str, str] = field(default_factory=dict)
    events: list[tuple[Level, str, dict[str, object]]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Failed:
    """The worker cannot go on, and neither can the job."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Ended:
    """The worker has done what it was told; this is its last message."""


def packed(error: BaseException) -> Failure:
    """An exception as a message."""
    if isinstance(error, DdbetlError):
        return Failure(type(error), error.args, dict(error.__dict__))
    return Failure(None, (f"{type(error).__name__}: {error}",), {}, "".join(traceback.format_exception(error)))


def unpacked(failure: Failure) -> DdbetlError | None:
    """The exception of a message; None for one that nobody expects."""
    if failure.kind is None:
        return None
    # Its own __init__ may want other arguments than those that became its message.
    error = failure.kind.__new__(failure.kind, *failure.arguments)
    error.__dict__.update(failure.state)
    return error


class Channel(asyncio.Protocol):
    """One end of a pair of sockets, in an event loop. ``received`` gets each message, ``lost`` is called at the end."""

    def __init__(self, received: Callable[[Any], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._content = bytearray()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, end: socket.socket, received: Callable[[Any], None], lost: Callable[[], None]) -> Channel:
        end.setblocking(False)
        loop = asyncio.get_running_loop()
        _, channel = await loop.create_unix_connection(lambda: cls(received, lost), sock=end)
        return channel

    def send(self, message: object) -> None:
        if self._transport is not None and not self._transport.is_closing():
            content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.write(_SIZE.pack(len(content)) + content)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio.Transport without being one.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._content += data
        at = 0
        while len(self._content) - at >= _SIZE.size:
            (size,) = _SIZE.unpack_from(self._content, at)
            if len(self._content) - at - _SIZE.size < size:
                break
            content = bytes(memoryview(self._content)[at + _SIZE.size : at + _SIZE.size + size])
            at += _SIZE.size + size
            self._received(pickle.loads(content))
        del self._content[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._lost()


# Claims, on sockets of their own: threads wait for the answers.


def send_to(end: socket.socket, message: object) -> None:
    content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    end.sendall(_SIZE.pack(len(content)) + content)


def receive_from(end: socket.socket) -> Any:
    """The next message; raises EOFError where none will come."""
    (size,) = _SIZE.unpack(_exactly(end, _SIZE.size))
    return pickle.loads(_exactly(end, size))


def _exactly(end: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    left = memoryview(content)
    while left:
        count = end.recv_into(left)
        if not count:
            raise EOFError("the other process has ended")
        left = left[count:]
    return content


def packed_claims(claims: Claims) -> tuple[int, bytes]:
    """Claims for a message: of columns that are parts of others, their own part only."""
    columns = {"hashes": claims.hashes, "keys": claims.keys, "sources": claims.sources}
    batch = pa.RecordBatch.from_pydict(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return claims.table, sink.getvalue().to_pybytes()


def unpacked_claims(message: tuple[int, bytes]) -> Claims:
    table, content = message
    with pa.ipc.open_stream(content) as stream:
        batch = stream.read_next_batch()
    return Claims(batch["hashes"], batch["keys"], table, batch["sources"])
