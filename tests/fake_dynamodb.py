"""A DynamoDB of dictionaries that misbehaves as a test says, and whole jobs run against it.

In: items of source tables, a target's key, a fault for each request. Out: what the target holds then, and the requests
that were made. It honours no filter and no projection: a server may send too much. It refuses what DynamoDB refuses in a
BatchWriteItem or a BatchExecuteStatement: more than 25 rows, a key twice, a key missing or empty, an item that is too
large. Of PartiQL and of conditions it knows what ddbetl writes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import operator
import random
import re
import shutil
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

from planned import HERE
from reference import comparable

from ddbetl.connectors.dynamodb.access import Access, FreshCredentials
from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireSettings
from ddbetl.engine.executor import Outlook
from ddbetl.engine.loop import run_async
from ddbetl.engine.report import Progress, RunReport
from ddbetl.engine.rows import item_size
from ddbetl.engine.runs import execute, record_of
from ddbetl.engine.store import JobStore
from ddbetl.plan.physical import PhysicalPlan

Item = dict[str, dict[str, Any]]

SECRET = "wJalrXUtnFEMI-K7MDENG"
TOKEN = "session-token-of-this-test"


class Refused(Exception):
    """An answer that is an error: code, status, message; ``more`` stands beside these. ``body``: instead of all that."""

    def __init__(
        self,
        code: str,
        status: int = 400,
        message: str = "because",
        *,
        more: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.message = message
        self.more = more or {}
        self.headers = headers or {}
        self.body = body


@dataclass(frozen=True)
class Call:
    """A request: its place among those of its operation, from 0. ``headers``: all in lower case."""

    operation: str
    number: int
    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """The table that it reads or writes."""
        match self.body:
            case {"TableName": name}:
                return str(name)
            case {"Statements": [{"Statement": statement}, *_]}:
                return str(statement.split('"')[1])
            case _:
                return str(next(iter(self.body["RequestItems"])))


OPERATIONS = {
    name.lower(): name
    for name in ("Scan", "Query", "BatchWriteItem", "BatchExecuteStatement", "BatchGetItem", "PutItem", "UpdateItem")
}
# How DynamoDB orders values.
ORDER: Mapping[str, Callable[[str], Any]] = {"S": str.encode, "N": Decimal, "B": base64.b64decode}

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "begins_with": bytes.startswith,
}

# What happens to a request. Returns None for a good answer, or a way to spoil it: see ``Fake._answer``. Raises Refused.
Fault: TypeAlias = Callable[[Call], "Awaitable[str | None] | str | None"]


def no_fault(call: Call) -> None:
    return None


@dataclass(frozen=True)
class Failing:
    """How one statement of many fails. ``done``: it was executed, and nobody hears of it."""

    code: str
    message: str = "because"
    done: bool = False


# What happens to each statement of a request, by its place.
Inside: TypeAlias = Callable[[Call, int], "Failing | None"]
# The codes by which a statement fails after it was charged.
CHARGED = ("DuplicateItem", "ConditionalCheckFailed")


@dataclass
class Fake:
    """``page``: items a page. ``keeps``: the filter that the server evaluates. ``inside``: what happens to a statement of
    many. ``unprocessed``: of the puts of a request, those that come back; ``unread``: of its keys. ``host``: the name by
    which it is called."""

    sources: Mapping[str, Sequence[Item]]
    key: tuple[tuple[str, str], ...] = (("id", "S"),)
    target: str = "Target"
    page: int = 40
    keeps: Callable[[Item], bool] = lambda item: True
    fault: Fault = no_fault
    inside: Inside = lambda call, place: None
    unprocessed: Callable[[Call, list[Any]], list[Any]] = lambda call, puts: []
    unread: Callable[[Call, list[Any]], list[Any]] = lambda call, keys: []
    reports_capacity: bool = True
    settings: WireSettings = WireSettings()  # noqa: RUF009 (frozen)
    credentials: FreshCredentials = field(default_factory=lambda: StaticCredentials())
    host: str = "127.0.0.1"
    items: dict[Any, Item] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    written: Counter[Any] = field(default_factory=Counter)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
                lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
                body = await reader.readexactly(int(lines["content-length"]))
                operation = OPERATIONS[lines["x-amz-target"].split(".")[1]]
                call = Call(operation, self.calls[operation], json.loads(body), lines)
                self.calls[operation] += 1
                if not await self._answer(call, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.transport.abort()

    async def _answer(self, call: Call, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; False when the connection is broken then."""
        spoilt: str | Awaitable[str | None] | None = None
        headers: Mapping[str, str] = {}
        instead = None
        try:
            spoilt = self.fault(call)
            if isinstance(spoilt, Awaitable):
                spoilt = await spoilt
            if spoilt == "hang":
                await asyncio.Event().wait()
            if spoilt == "reset":
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            status, content = 200, {}
            if spoilt not in ("empty", "page"):  # these come from somebody else, and nothing is processed
                content = self._done(call)
        except Refused as refused:
            content = {"__type": f"com.amazonaws.dynamodb.v20120810#{refused.code}", "message": refused.message}
            content |= refused.more
            status, headers, instead = refused.status, refused.headers, refused.body
        body = json.dumps(content, separators=(",", ":")).encode() if instead is None else instead
        crc, length = zlib.crc32(body), len(body)
        match spoilt:
            case "lost":  # The request was processed, and nobody hears of it.
                return False
            case "cut":
                body = body[: len(body) // 2]
            case "crc":
                crc ^= 1
            case "empty":
                body, crc, length = b"{}", zlib.crc32(b"{}"), 2
            case "page":
                body = b"<html>Please log in</html>"
                crc, length = zlib.crc32(body), len(body)
        told = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        head = b"HTTP/1.1 %d X\r\nx-amz-crc32: %d\r\nContent-Length: %d\r\n%s\r\n" % (status, crc, length, told)
        writer.write(head + body)
        await writer.drain()
        return spoilt != "cut"

    def _done(self, call: Call) -> dict[str, Any]:
        match call.operation:
            case "Scan":
                return self._scan(call)
            case "Query":
                return self._page(call, self.found(call.body))
            case "BatchWriteItem":
                return self._write(call)
            case "BatchExecuteStatement":
                return self._execute(call)
            case "BatchGetItem":
                return self._get(call)
            case "PutItem":
                return self._put(call)
            case _:
                return self._update(call)

    def _scan(self, call: Call) -> dict[str, Any]:
        segment, segments = call.body.get("Segment", 0), call.body.get("TotalSegments", 1)
        if call.body["TableName"] not in self.sources:
            raise Refused("ResourceNotFoundException", message="Requested resource not found")
        mine = [item for i, item in enumerate(self.sources[call.body["TableName"]]) if i % segments == segment]
        return self._page(call, mine)

    def found(self, request: Mapping[str, Any]) -> list[Item]:
        """The items of a Query, in the order of their sort key where it is in a range. An index has all of them."""
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        matched = re.fullmatch(r"(#\w+) = (:\w+)(?: AND (.*))?", request["KeyConditionExpression"])
        assert matched is not None, request
        first, key = names[matched[1]], values[matched[2]]
        some = [item for item in self.sources[request["TableName"]] if item.get(first) == key]
        if matched[3] is None:
            return some
        prefix = re.fullmatch(r"begins_with\((#\w+), (:\w+)\)", matched[3])
        between = re.fullmatch(r"(#\w+) BETWEEN (:\w+) AND (:\w+)", matched[3])
        compared = re.fullmatch(r"(#\w+) (=|<|<=|>|>=) (:\w+)", matched[3])
        if prefix is not None:
            name, bounds = names[prefix[1]], [("begins_with", values[prefix[2]])]
        elif between is not None:
            name, bounds = names[between[1]], [(">=", values[between[2]]), ("<=", values[between[3]])]
        else:
            assert compared is not None, matched[3]
            name, bounds = names[compared[1]], [(compared[2], values[compared[3]])]
        ((tag, _),) = bounds[0][1].items()

        def within(item: Item) -> bool:
            mine = ORDER[tag](item[name][tag])
            return all(COMPARE[symbol](mine, ORDER[tag](bound[tag])) for symbol, bound in bounds)

        return sorted(filter(within, some), key=lambda item: ORDER[tag](item[name][tag]))

    def _page(self, call: Call, mine: Sequence[Item]) -> dict[str, Any]:
        start = int(call.body.get("ExclusiveStartKey", {"at": {"N": "0"}})["at"]["N"])
        page = mine[start : start + min(self.page, call.body.get("Limit", self.page))]
        kept = [item for item in page if self.keeps(item)]
        answer: dict[str, Any] = {"Items": kept, "Count": len(kept), "ScannedCount": len(page)}
        if start + len(page) < len(mine):
            answer["LastEvaluatedKey"] = {"at": {"N": str(start + len(page))}}
        if self.reports_capacity:
            answer["ConsumedCapacity"] = {"TableName": call.body["TableName"], "CapacityUnits": len(page) / 2}
        return answer

    def _write(self, call: Call) -> dict[str, Any]:
        ((table, puts),) = call.body["RequestItems"].items()
        assert table == self.target
        if not 1 <= len(puts) <= 25:
            raise Refused("ValidationException", message="Too many items requested for the BatchWriteItem call")
        keys = [self._key(p["PutRequest"]["Item"] if "PutRequest" in p else p["DeleteRequest"]["Key"]) for p in puts]
        if len(set(keys)) < len(keys):
            raise Refused("ValidationException", message="Provided list of item keys contains duplicates")
        left = self.unprocessed(call, puts)
        for key, put in zip(keys, puts, strict=True):
            if put not in left:
                if "PutRequest" in put:
                    self.items[key] = put["PutRequest"]["Item"]
                else:
                    assert put["DeleteRequest"]["Key"].keys() == {name for name, _ in self.key}
                    self.items.pop(key, None)
                self.written[key] += 1
        answer: dict[str, Any] = {"UnprocessedItems": {table: left} if left else {}}
        if self.reports_capacity:
            answer["ConsumedCapacity"] = [{"TableName": table, "CapacityUnits": float(len(puts) - len(left))}]
        return answer

    def _execute(self, call: Call) -> dict[str, Any]:
        statements = call.body["Statements"]
        if not 1 <= len(statements) <= 25:
            raise Refused("ValidationException", message="1 to 25 statements")
        rows = [self._row(statement["Statement"], statement.get("Parameters", [])) for statement in statements]
        places = [comparable({n: row[n] for n, _ in self.key if n in row}) for _, row in rows if row is not None]
        if len(set(places)) < len(places):
            raise Refused("ValidationException", message="Provided list of item keys contains duplicates")
        responses: list[dict[str, Any]] = []
        units, good = 0.0, 0
        for place, (verb, row) in enumerate(rows):
            failing = self.inside(call, place)
            refused: Failing | None
            try:
                refused = self._statement(verb, row) if failing is None or failing.done else failing
            except Refused as error:
                refused = Failing("ValidationError", error.message)
            if refused is None or refused.code in CHARGED:
                assert row is not None
                units += self._units(row)
            refused = refused or failing
            good += refused is None
            said = {"Error": {"Code": refused.code, "Message": refused.message}} if refused is not None else {}
            responses.append({**said, "TableName": self.target})
        answer: dict[str, Any] = {"Responses": responses}
        if self.reports_capacity and good:
            answer["ConsumedCapacity"] = [{"TableName": self.target, "CapacityUnits": units}]
        return answer

    def _row(self, statement: str, parameters: list[Any]) -> tuple[str, Item | None]:
        """A statement's verb and its attributes; None where they cannot be told."""
        assert statement.split('"')[1] == self.target
        if statement.startswith("INSERT INTO "):
            verb, quote = "INSERT", "'"
            assert re.fullmatch(r"""INSERT INTO "[^"]+" VALUE \{('([^']|'')*':\?,?)+\}""", statement), statement
            names = re.findall(r"'((?:[^']|'')*)':\?", statement)
        else:
            verb, quote = "UPDATE", '"'
            shape = r"""UPDATE "[^"]+" SET ("([^"]|"")*"=\?,?)+ WHERE "([^"]|"")*"=\?( AND "([^"]|"")*"=\?)?"""
            assert re.fullmatch(shape, statement), statement
            names = re.findall(r'"((?:[^"]|"")*)"=\?', statement)
            where = [name.replace('""', '"') for name in names[-len(self.key) :]]
            assert where == [name for name, _ in self.key]
        if len(statement) > 8192 or len(names) != len(parameters):
            return verb, None
        return verb, {n.replace(2 * quote, quote): value for n, value in zip(names, parameters, strict=True)}

    def _statement(self, verb: str, row: Item | None) -> Failing | None:
        if row is None:
            raise Refused("ValidationException", message="the statement is too long, or lacks parameters")
        key = self._key(row)
        there = self.items.get(key)
        if verb == "INSERT" and there is not None:
            return Failing("DuplicateItem", "Duplicate primary key exists in table")
        if verb == "UPDATE" and there is None:
            return Failing("ConditionalCheckFailed", "The conditional request failed")
        self._keep(key, {**(there or {}), **row})
        return None

    def _keep(self, key: Any, item: Item) -> None:
        self._key(item)
        self.items[key] = item
        self.written[key] += 1

    def _get(self, call: Call) -> dict[str, Any]:
        ((table, wanted),) = call.body["RequestItems"].items()
        assert table == self.target and wanted["ConsistentRead"] is True
        keys = wanted["Keys"]
        assert 1 <= len(keys) <= 100
        assert all(key.keys() == {name for name, _ in self.key} for key in keys)
        if len({comparable(key) for key in keys}) < len(keys):
            raise Refused("ValidationException", message="Provided list of item keys contains duplicates")
        left = self.unread(call, keys)
        found = [self.items[comparable(key)] for key in keys if key not in left and comparable(key) in self.items]
        unread = {table: {"Keys": left, "ConsistentRead": True}} if left else {}
        answer: dict[str, Any] = {"Responses": {table: found}, "UnprocessedKeys": unread}
        if self.reports_capacity:
            answer["ConsumedCapacity"] = [{"TableName": table, "CapacityUnits": float(len(keys) - len(left))}]
        return answer

    def _put(self, call: Call) -> dict[str, Any]:
        item = call.body["Item"]
        key = self._key(item)
        self._check(call, key)
        self._keep(key, item)
        return self._charged(item)

    def _update(self, call: Call) -> dict[str, Any]:
        body = call.body
        key = self._key(body["Key"])
        assert body["Key"].keys() == {name for name, _ in self.key}
        self._check(call, key)
        names, values = body.get("ExpressionAttributeNames", {}), body.get("ExpressionAttributeValues", {})
        item = {**self.items.get(key, body["Key"])}
        if (expression := body.get("UpdateExpression")) is not None:
            assert expression.startswith("SET ") and len(expression) <= 4096
            for part in expression.removeprefix("SET ").split(","):
                name, _, value = part.partition("=")
                assert names[name] not in body["Key"]
                item[names[name]] = values[value]
        self._keep(key, item)
        return self._charged(item)

    def _check(self, call: Call, key: Any) -> None:
        """Refuse a request whose condition does not hold."""
        names, values = call.body.get("ExpressionAttributeNames", {}), call.body.get("ExpressionAttributeValues", {})
        there = self.items.get(key)

        def holds(term: str) -> bool:
            if called := re.fullmatch(r"attribute_(not_)?exists\((#\w+)\)", term):
                return (there is not None and names[called[2]] in there) is not bool(called[1])
            compared = re.fullmatch(r"(#\w+) < (:\w+)", term)
            assert compared is not None, term
            ((tag, mine),) = values[compared[2]].items()
            assert tag in "SNB"
            known = (there or {}).get(names[compared[1]], {}).get(tag)
            return known is not None and ORDER[tag](known) < ORDER[tag](mine)

        condition = call.body.get("ConditionExpression")
        if condition is not None and not any(map(holds, condition.split(" OR "))):
            more = {"Item": there} if call.body.get("ReturnValuesOnConditionCheckFailure") and there else None
            raise Refused("ConditionalCheckFailedException", message="The conditional request failed", more=more)

    def _charged(self, item: Item) -> dict[str, Any]:
        if not self.reports_capacity:
            return {}
        return {"ConsumedCapacity": {"TableName": self.target, "CapacityUnits": self._units(item)}}

    def _units(self, item: Item) -> float:
        """Units of a write, be it done or stopped by a condition."""
        key = comparable({name: item[name] for name, _ in self.key})
        return float(max(1, *(-(-item_size(one) // 1024) for one in (item, self.items.get(key, item)))))

    def _key(self, item: Item) -> tuple[Any, ...]:
        for name, tag in self.key:
            if not item.get(name, {}).get(tag):
                raise Refused("ValidationException", message=f"The provided key element does not match: {name}")
        if item_size(item) > 400 * 1024:
            raise Refused("ValidationException", message="Item size has exceeded the maximum allowed size")
        if item.get("poison") is not None:
            raise Refused("ValidationException", message="One or more parameter values were invalid: poison")
        return comparable({name: item[name] for name, _ in self.key})

    @asynccontextmanager
    async def running(self) -> Any:
        """Serve on a free port of 127.0.0.1."""
        tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

        def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self.serve(reader, writer))
            tasks[task] = writer
            task.add_done_callback(tasks.pop)

        server = await asyncio.start_server(start, "127.0.0.1", 0, limit=2**26)
        self.url = f"http://{self.host}:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task, writer in tuple(tasks.items()):
                writer.transport.abort()
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome
            await server.wait_closed()

    def access(self) -> Access:
        return Access(Endpoint.parse(self.url, "us-east-1"), self.settings, self.credentials, lambda name: None)

    def run(
        self,
        plan: PhysicalPlan,
        folder: Path,
        stop: Event | None = None,
        progress: Callable[[Progress], None] | None = None,
        *,
        resume: bool = False,
    ) -> RunReport:
        """Run a plan against this server, to its end; ``resume``: the job that is in the folder."""

        async def main() -> RunReport:
            async with self.running():
                before = asyncio.all_tasks()
                try:
                    if resume:
                        store = JobStore.open(folder)
                    else:
                        shutil.rmtree(folder, ignore_errors=True)
                        store = JobStore.create(folder, record_of(plan, folder.name, "2017-04-26T10:15:30Z", {}))
                    return await execute(plan, {HERE: self.access()}, store, stop or Event(), Outlook(progress, 0.01))
                finally:
                    # Whatever became of the job, nothing of it goes on.
                    left = {task for task in asyncio.all_tasks() - before if "serve" not in repr(task.get_coro())}
                    assert not left, left

        return run_async(lambda: asyncio.wait_for(main(), 60))


class StaticCredentials:
    def current(self) -> Credentials:
        return Credentials("AKIDEXAMPLE", SECRET, TOKEN)

    def refresh(self) -> None: ...


def seldom(draw: random.Random, share: float, *answers: str | Refused) -> Fault:
    """A fault of some kind for a share of the requests."""

    def fault(call: Call) -> str | None:
        if draw.random() >= share:
            return None
        chosen = draw.choice(answers)
        if isinstance(chosen, Refused):
            raise Refused(chosen.code, chosen.status, chosen.message)
        return chosen

    return fault
