"""Every request, and every write to the state, fails once, or from then on: the 1st, the 2nd, the 3rd … until a run completes.

In: jobs of two small tables, with rows that are rejected by the spec and by the server, and one thing that goes wrong.
Out: nothing. Invariants: what passes by itself ends no job; what does not leaves a job that another run completes; the
target is then exactly what it must be, with every row counted, and every reject kept, once. After each commit, of which
there are many, no position is ahead of what the target and the file of rejects have.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import formatdate
from functools import cache, partial
from itertools import count, islice
from pathlib import Path
from threading import Event
from typing import Any, TypeAlias

import pytest
import reference
from fake_dynamodb import SECRET, TOKEN, Call, Fake, Item, Refused, no_fault
from planned import HERE, NOW, planned
from test_faulty_server import source_items

from ddbetl.connectors.dynamodb import budget
from ddbetl.connectors.dynamodb.retry import RetryPolicy
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireSettings
from ddbetl.engine import executor, loop, pages, stages, writing
from ddbetl.engine import folder as folder_module
from ddbetl.engine import report as report_module
from ddbetl.engine.executor import Outlook
from ddbetl.engine.log import EventLog
from ddbetl.engine.loop import run_async
from ddbetl.engine.report import Progress, RunReport
from ddbetl.engine.rows import Filtered, Row, RowEvaluator
from ddbetl.engine.runs import open_job, record_of
from ddbetl.engine.store import Counts, JobStore, SplitState
from ddbetl.engine.transform import Transformer
from ddbetl.engine.views import BrokenJob, view, views
from ddbetl.errors import ConnectionFailed, JobFailed
from ddbetl.functions.model import RowContext
from ddbetl.plan.physical import PhysicalPlan

SPEC = "SELECT id, epoch(at) AS t, n + 1 AS n, x, poison FROM One, Two WHERE length(s) > 0"
SEGMENTS = 2
PAGE = 10
# Requests to fail from one on: without end.
ALWAYS = 10**9


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once and without end, hear of a stop at once, commit all the time."""
    monkeypatch.setattr(executor, "POLICY", RetryPolicy(base=0.0005, cap=0.002))
    monkeypatch.setattr(executor, "STOP_SECONDS", 0.001)
    monkeypatch.setattr(executor, "COMMIT_SECONDS", 0.001)


@pytest.fixture(autouse=True, scope="module")
def one_statement() -> Iterator[None]:
    """The statement of a plan is prepared once for all runs: that takes longer than such a run."""
    made: dict[str, Transformer] = {}

    class Kept:
        def __new__(cls, statement: Any) -> Any:
            if statement.sql not in made:
                made[statement.sql] = Transformer(statement)
            kept = object.__new__(cls)
            kept.make = made[statement.sql].make  # type: ignore[attr-defined]
            kept.hashes = made[statement.sql].hashes  # type: ignore[attr-defined]
            return kept

        def close(self) -> None: ...

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "Transformer", Kept)
        yield
    for one in made.values():
        one.close()


# What goes wrong


Answer: TypeAlias = Callable[[Call], "Refused | str"]


@dataclass(frozen=True)
class Failure:
    """How a request fails. ``waits``: what is said while it is repeated; ``ends``: what is said when it ends the job.

    A failure with both is repeated some times.
    """

    answer: Answer
    waits: str = ""
    ends: str = ""


def always(answer: Refused | str) -> Answer:
    return lambda call: answer


def throttled(code: str, *reasons: str) -> Answer:
    """As DynamoDB throttles; the reasons are of the table that is asked, or of an index of it."""

    def answer(call: Call) -> Refused:
        told = []
        for reason in reasons:
            index = "/index/ByDate" if reason.startswith("Index") else ""
            arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{call.table}{index}"
            told.append({"reason": reason, "resource": arn})
        return Refused(code, message="Slow down", more={"ThrottlingReasons": told} if told else None)

    return answer


def an_hour_ahead() -> dict[str, str]:
    return {"Date": formatdate(time.time() + 3600, usegmt=True)}


SERVER = r"127\.0\.0\.1:\d+"
TABLE = "(One|Two|Target)"

FAILURES: dict[str, Failure] = {
    "throttled": Failure(
        throttled("ProvisionedThroughputExceededException", "TableWriteProvisionedThroughputExceeded"),
        f"throttled by the write capacity of table {TABLE} \\(provisioned\\)",
    ),
    "unprocessed": Failure(always("back"), r"Target takes no more writes just now: \d+ of \d+ came back"),
    "internal error": Failure(
        always(Refused("InternalServerError", 500, "Oh")), f"table {TABLE}: the server answers InternalServerError: Oh"
    ),
    "no body": Failure(always(Refused("", 503, body=b"")), f"table {TABLE}: the server answers HTTP 503"),
    "gateway's page": Failure(
        always(Refused("", 502, body=b"<html>Bad Gateway</html>")), f"table {TABLE}: the server answers HTTP 502"
    ),
    "reset": Failure(always("reset"), f"the connection to {SERVER} was lost .* before an answer"),
    "processed and lost": Failure(always("lost"), f"the connection to {SERVER} was closed before an answer"),
    "no answer": Failure(always("hang"), f"nothing moved on the connection to {SERVER} for 0.05 s"),
    "cut": Failure(always("cut"), f"the connection to {SERVER} was closed within an answer"),
    "wrong CRC": Failure(always("crc"), f"{SERVER} sent [\\d,]+ bytes with a wrong CRC32"),
    "somebody else's page": Failure(always("page"), "the answer is not DynamoDB's: "),
    "expired": Failure(
        always(Refused("ExpiredTokenException")),
        r"the credentials are being renewed \(ExpiredTokenException\)",
        "The credentials have expired and could not be renewed. Get new ones",
    ),
    "unknown key": Failure(
        always(Refused("UnrecognizedClientException")),
        r"the credentials are being renewed \(UnrecognizedClientException\)",
        "The access key is not known there",
    ),
    "wrong time": Failure(
        lambda call: Refused("InvalidSignatureException", message="Signature expired", headers=an_hour_ahead()),
        "this machine's clock is 60 min slow; requests are now signed with the server's time",
        "The server refuses requests that were not signed at its own time",
    ),
    "denied": Failure(
        always(Refused("AccessDeniedException", message="is not authorized")),
        ends=r"The credentials lack the IAM permission dynamodb:(Scan|BatchWriteItem) on table (One|Two|Target)",
    ),
    "table deleted": Failure(
        always(Refused("ResourceNotFoundException", message="Requested resource not found")),
        ends="Table (One|Two|Target) is not there any more",
    ),
    "table inactive": Failure(
        always(Refused("ResourceInUseException", message="is being archived")),
        ends="Table (One|Two|Target) is being changed, restored or deleted",
    ),
    "key out of reach": Failure(
        always(Refused("AccessDeniedException", message="KMS key access denied error: the key is disabled")),
        ends="Table (One|Two|Target) is encrypted with a KMS key that cannot be used now",
    ),
}  # fmt: skip

LIMITS = {
    "ProvisionedThroughput": "the {use} capacity of {place} (provisioned)",
    "KeyRangeThroughput": "one partition of {place}: a hot key",
    "MaxOnDemandThroughput": "the maximum that is set for {use}s of {place} (on demand)",
    "AccountLimit": "the account's quota for {use}s of {place}",
}
# Every exception that throttles with every reason that DynamoDB gives; and each without one.
THROTTLES: dict[str, tuple[Answer, str]] = {
    code: (throttled(code), text)
    for code, text in {
        "ProvisionedThroughputExceededException": "throttled by the capacity of table {table} (provisioned)",
        "ThrottlingException": "table {table} is throttled (ThrottlingException)",
        "RequestLimitExceeded": "throttled by the account's quota of throughput",
        "LimitExceededException": "throttled by the account's limit of operations on tables at the same time",
        "Throttling": "table {table} is throttled (Throttling)",
        "ThrottledException": "table {table} is throttled (ThrottledException)",
        "RequestThrottledException": "table {table} is throttled (RequestThrottledException)",
        "TooManyRequestsException": "table {table} is throttled (TooManyRequestsException)",
        "SlowDown": "table {table} is throttled (SlowDown)",
    }.items()
} | {
    f"{code} {reason}": (
        throttled(code, reason),
        "throttled by " + text.format(use=use.lower(), place=f"{'index ByDate of ' * (kind == 'Index')}table {{table}}"),
    )
    for code in ("ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded")
    for kind in ("Table", "Index")
    for use in ("Read", "Write")
    for limit, text in LIMITS.items()
    for reason in [f"{kind}{use}{limit}Exceeded"]
}  # fmt: skip


@dataclass
class From:
    """Fails requests from the n-th one on, counted from 1 over those that ``only`` lets through; ``times`` of them."""

    first: int
    answer: Answer
    times: int = ALWAYS
    only: Callable[[Call], bool] = lambda call: True
    seen: int = 0
    failed: int = 0
    _back: Call | None = None

    def __call__(self, call: Call) -> str | None:
        if not self.only(call):
            return None
        self.seen += 1
        if not self.first <= self.seen or self.failed >= self.times:
            return None
        answer = self.answer(call)
        if answer == "back":
            self._back = call
            return None
        self.failed += 1
        if isinstance(answer, Refused):
            raise answer
        return answer

    def unprocessed(self, call: Call, puts: list[Any]) -> list[Any]:
        """All puts of a request that fails so, or the half of them."""
        if call is not self._back:
            return []
        self.failed += 1
        return puts if call.number % 2 else puts[::2]


# A job, and what must become of it


def sources(count: int = 40) -> dict[str, Sequence[Item]]:
    """Two tables, of which rows are filtered, rejected, and refused by the server."""
    found: dict[str, Sequence[Item]] = {}
    for name, prefix, some in (("One", "a", count), ("Two", "b", count // 2)):
        items = source_items(some, prefix, wrong=True)
        items[10]["poison"] = {"BOOL": True}
        found[name] = items
    return found


@cache
def plan_of(tail: str = "", options: str = "read = unlimited, write = unlimited") -> PhysicalPlan:
    return planned(f"{SPEC} {tail} WITH (segments = {SEGMENTS}, {options})", into="Target")


@dataclass
class Meant:
    """What must become of the items of a split: "filtered", "rejected", "refused" by the server or the row, by the
    item's id."""

    plan: PhysicalPlan
    sources: Mapping[str, Sequence[Item]]
    splits: dict[tuple[int, int], list[tuple[str, str | Item]]] = field(init=False)

    def __post_init__(self) -> None:
        assert self.plan.write is not None
        evaluator = RowEvaluator(self.plan.transform, self.plan.write.key)
        self.splits = {(n, segment): [] for n in range(len(self.sources)) for segment in range(SEGMENTS)}
        for n, (table, items) in enumerate(self.sources.items()):
            for i, item in enumerate(items):
                became: str | Item = "rejected"
                match evaluator.row(json.dumps(item).encode(), RowContext(table, NOW)):
                    case Filtered():
                        became = "filtered"
                    case Row() as row if "poison" not in item:
                        became = json.loads(row.item)
                    case Row():
                        became = "refused"
                self.splits[n, i % SEGMENTS].append((item["id"]["S"], became))

    @property
    def rows(self) -> list[Item]:
        return [became for split in self.splits.values() for _, became in split if not isinstance(became, str)]

    def rejected(self, split: tuple[int, int], before: int) -> list[str]:
        return [name for name, became in islice(self.splits[split], before) if became in ("rejected", "refused")]

    def counts(self, split: tuple[int, int], before: int) -> Counts:
        """Of the items before a position; ``by_reference`` is left at 0."""
        found = Counter(
            became if isinstance(became, str) else "written" for _, became in islice(self.splits[split], before)
        )
        rejected, handed_over = found["rejected"] + found["refused"], found["written"] + found["refused"]
        return Counts(before, found["filtered"], found["written"], rejected, handed_over=handed_over)


@cache
def meant(size: int = 40) -> Meant:
    return Meant(plan_of(), sources(size))


@dataclass
class Job:
    """A job of its own server. ``exact``: its splits hold what ``meant`` says; with a LIMIT they do not."""

    folder: Path
    plan: PhysicalPlan = field(default_factory=plan_of)
    meant: Meant = field(default_factory=meant)
    exact: bool = True
    fake: Fake = field(init=False)
    begun: bool = False

    def __post_init__(self) -> None:
        self.fake = Fake(self.meant.sources, page=PAGE)

    def run(
        self, fault: Any = no_fault, stop: Event | None = None, progress: Callable[[Progress], None] | None = None
    ) -> RunReport:
        """Begin the job, or go on with it."""
        self.fake.fault = fault
        self.fake.unprocessed = getattr(fault, "unprocessed", lambda call, puts: [])
        self.fake.calls.clear()
        resume, self.begun = self.begun, True
        return self.fake.run(self.plan, self.folder, stop, progress, resume=resume)

    def fail(self, fault: Any, match: str = "") -> str:
        """Run until it fails; the message."""
        with pytest.raises(JobFailed, match=match) as failed:
            self.run(fault)
        said = str(failed.value)
        assert said.endswith(f"\nNothing is lost: when that is mended, {self.resume} goes on."), said
        seen = view(self.folder)
        assert seen.unfinished and seen.outcome == "failed" and not seen.running
        assert json.loads((self.folder / "report.json").read_text())["outcome"] == "failed"
        return said

    @property
    def resume(self) -> str:
        return f"ddbetl resume {self.folder.name} --state-dir {self.folder.parent.parent}"

    def assert_so_far(self, states: Sequence[SplitState]) -> None:
        """No position is ahead of the target and of the rejects, and each is counted exactly."""
        rejected: Counter[str] = Counter()
        for state in states:
            split = state.table, state.segment
            items = self.meant.splits[split]
            before = json.loads(state.position)["at"]["N"] if state.position else len(items) if state.done else 0
            for name, became in islice(items, int(before)):
                if not isinstance(became, str):
                    assert self.fake.items.get(KEYS[name]) is not None, f"{name} is passed, and not written"
            assert replace(state.counts, by_reference=0) == self.meant.counts(split, int(before))
            rejected.update(self.meant.rejected(split, int(before)))
        assert self.rejects() == rejected

    def logged(self, *events: str) -> list[dict[str, Any]]:
        """The lines of the log about some events."""
        lines = map(json.loads, (self.folder / "log").read_text().splitlines())
        return [line for line in lines if line["event"] in events]

    def rejects(self) -> Counter[str]:
        path = self.folder / "rejects.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return Counter(json.loads(line)["item"]["id"]["S"] for line in lines)

    def assert_done(self, report: RunReport) -> None:
        """The target holds what it must; every row is counted and every reject kept once, over all runs."""
        assert report.outcome == view(self.folder).outcome == "done"
        reference.assert_same_items(self.fake.items.values(), self.meant.rows, ("id",))
        total = sum((self.meant.counts(split, len(items)) for split, items in self.meant.splits.items()), Counts())
        counted = report.progress
        assert (counted.read, counted.filtered, counted.written, counted.rejected, counted.skipped) == (
            total.read, total.filtered, total.written, total.rejected, 0,
        )  # fmt: skip
        assert report.by_reference == BY_REFERENCE.setdefault(len(self.meant.rows), report.by_reference)
        assert view(self.folder).counts == replace(total, by_reference=report.by_reference)
        assert sum(cause.count for cause in report.causes) == total.rejected == self.rejects().total()
        assert set(self.rejects().values()) == {1}
        assert all(table.segments_done == SEGMENTS and table.passed == table.written for table in counted.tables)
        assert counted.fraction == 1.0


KEYS = {item["id"]["S"]: reference.comparable({"id": item["id"]}) for items in sources(400).values() for item in items}
# Rows that go by reference, by the size of a job: as many in each run, whatever disturbs it.
BY_REFERENCE: dict[int, int] = {}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Job]:
    """Makes jobs of which every commit is checked."""
    made: dict[Path, Job] = {}
    commit = JobStore.commit

    def checked(self: JobStore, *what: Any) -> None:
        commit(self, *what)
        if made[self.folder].exact:
            made[self.folder].assert_so_far(self.splits())

    def make(name: str = "job", **fields: Any) -> Job:
        folder = tmp_path / "state" / "jobs" / name
        shutil.rmtree(folder, ignore_errors=True)
        made[folder] = Job(folder, **fields)
        return made[folder]

    monkeypatch.setattr(JobStore, "commit", checked)
    return make


def settings_of(failure: str) -> WireSettings:
    return WireSettings(response_timeout=0.05) if failure == "no answer" else WireSettings()


@dataclass
class Listener:
    """Sets ``stop`` when the run has said that it waits, as it should."""

    waits: str
    stop: Event = field(default_factory=Event)

    def __call__(self, progress: Progress) -> None:
        if progress.waiting is not None and re.match(self.waits, progress.waiting):
            self.stop.set()


def test_without_a_failure(job: Callable[..., Job]) -> None:
    one = job()
    report = one.run()
    one.assert_done(report)
    assert report.by_reference and report.progress.rejected > 10 and report.progress.retries == 0
    assert "poison" in str(report.causes)


# Requests


@pytest.mark.parametrize("name", FAILURES)
def test_the_nth_request_fails(name: str, job: Callable[..., Job]) -> None:
    """Once or a few times: the run completes, or stops and is completed by the next one."""
    failure = FAILURES[name]
    for n in count(1):
        one = job()
        one.fake.settings = settings_of(name)
        times = 1 if failure.ends else 1 + n % 3
        fault = From(n, failure.answer, times)
        if failure.ends and not failure.waits:
            try:
                report = one.run(fault)
            except JobFailed as error:
                assert re.search(failure.ends, str(error)) and str(error).endswith(f"{one.resume} goes on.")
                report = one.run()
            else:
                assert not fault.failed
        else:
            report = one.run(fault)
            assert report.progress.retries >= fault.failed
            told = [line.get("reason") or line.get("message") for line in one.logged("throttled", "retry")]
            assert (told or not fault.failed) and all(re.match(failure.waits, str(text)) for text in told)
        one.assert_done(report)
        if not fault.failed:
            break
    assert n > 15


@pytest.mark.parametrize("name", FAILURES)
def test_every_run_fails_from_a_later_request_on(name: str, job: Callable[..., Job]) -> None:
    """One job: its n-th run fails from its n-th request on, without end, until a run completes."""
    failure = FAILURES[name]
    one = job()
    one.fake.settings = settings_of(name)
    for n in count(1):
        assert fails_from(n, one, failure) or n > 3
        if view(one.folder).outcome == "done":
            break
    assert n > 5
    assert view(one.folder).totals.runs == n


def fails_from(n: int, one: Job, failure: Failure, **only: Any) -> bool:
    """Run until it fails, or, where it would repeat without end, until somebody stops it."""
    fault = From(n, failure.answer, **only)
    listener = Listener(failure.waits if not failure.ends else "never")
    try:
        report = one.run(fault, listener.stop, listener)
    except JobFailed as error:
        said = str(error)
        assert re.search(f"^(Scan|BatchWriteItem) of {TABLE}: ", said) and re.search(failure.ends, said), said
        assert failure.ends and said.endswith(f"\nNothing is lost: when that is mended, {one.resume} goes on.")
        assert view(one.folder).outcome == "failed"
        return True
    if report.outcome == "done":
        assert not fault.failed
        one.assert_done(report)
        return False
    assert report.outcome == view(one.folder).outcome == "interrupted" and not failure.ends
    assert report.progress.retries >= 1
    return True


@pytest.mark.parametrize("name", ["throttled", "unprocessed", "no body", "processed and lost", "denied"])
def test_all_requests_fail_from_the_nth_on(name: str, job: Callable[..., Job]) -> None:
    """A new job each time, and the next run is whole."""
    for n in count(1):
        one = job()
        if not fails_from(n, one, FAILURES[name]):
            break
        one.assert_done(one.run())
    assert n > 12


@pytest.mark.parametrize("name", ["throttled", "no body", "processed and lost"])
def test_one_table_fails_and_the_others_go_on(
    name: str, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its requests wait for hours, which is told all the time, and a stop does not wait for."""
    for n in (1, 2, 3):
        monkeypatch.setattr(executor, "POLICY", RetryPolicy(base=1e9, cap=1e9))
        one = job()
        fault = From(n, FAILURES[name].answer, only=lambda call: call.table == "One")
        stop = Event()
        said: list[str | None] = []

        def progress(now: Progress, stop: Event = stop, said: list[str | None] = said) -> None:
            if now.tables[1].segments_done == SEGMENTS and now.retries:
                said.append(now.waiting)
                stop.set()

        report = one.run(fault, stop, progress)
        assert report.outcome == "interrupted" and report.progress.tables[0].segments_done < SEGMENTS
        assert said and all(re.match(FAILURES[name].waits, str(text)) for text in said)
        monkeypatch.setattr(executor, "POLICY", RetryPolicy(base=0.0005, cap=0.002))
        one.assert_done(one.run())


@pytest.mark.parametrize("name", ["throttled", "unprocessed", "no body", "processed and lost", "no answer"])
def test_only_writes_fail(name: str, job: Callable[..., Job]) -> None:
    for n in (1, 2, 5, 9):
        one = job()
        one.fake.settings = settings_of(name)
        assert fails_from(n, one, FAILURES[name], only=lambda call: call.operation == "BatchWriteItem")
        assert len(one.fake.items) < len(one.meant.rows) or name == "processed and lost"
        one.assert_done(one.run())


@pytest.mark.parametrize("name", ["throttled", "unprocessed", "no body", "reset"])
def test_a_stop_does_not_wait_for_what_waits_itself(
    name: str, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writers would try again in years."""
    with monkeypatch.context() as patch:
        patch.setattr(executor, "POLICY", RetryPolicy(base=1e9, cap=1e9))
        one = job()
        assert fails_from(2, one, FAILURES[name], only=lambda call: call.operation == "BatchWriteItem")
    one.assert_done(one.run())


@pytest.mark.parametrize("name", THROTTLES)
def test_the_limit_that_throttles_is_shown(name: str, job: Callable[..., Job]) -> None:
    answer, text = THROTTLES[name]
    one = job()
    stop = Event()
    said: set[str] = set()

    def progress(now: Progress) -> None:
        if now.waiting is not None:
            said.add(now.waiting)
            stop.set()

    report = one.run(From(1 + len(name) % 7, answer), stop, progress)
    assert report.outcome == "interrupted"
    assert said <= {text.format(table=table) for table in ("One", "Two", "Target")}
    reasons = {line["table"]: line["reason"] for line in one.logged("throttled")}
    assert reasons == {table: text.format(table=table) for table in reasons} != {}
    # Here it passes by itself, after a while.
    one.assert_done(one.run(From(3, answer, 5)))


# Names, credentials, clocks


def test_a_name_that_cannot_be_resolved(job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    # The other loop asks a library of its own.
    monkeypatch.setattr(loop, "_loop_factory", lambda: None)
    resolve = socket.getaddrinfo
    down = [0]

    def getaddrinfo(host: Any, *args: Any, **named: Any) -> Any:
        if host == "dynamodb.test":
            if down[0]:
                down[0] -= 1
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            host = "127.0.0.1"
        return resolve(host, *args, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for n in count(1):
        for times in (4, ALWAYS):
            one = job()
            one.fake.host = "dynamodb.test"
            down[0] = times if n == 1 else 0

            def answer(call: Call, times: int = times) -> str:
                down[0] = times
                return "reset"

            fault = From(n, answer, 1 if times == 4 else ALWAYS)
            listener = Listener("cannot resolve the name dynamodb.test$" if times == ALWAYS else "never")
            report = one.run(fault, listener.stop, listener)
            if times == ALWAYS and (fault.failed or n == 1):
                assert report.outcome == "interrupted"
                down[0] = 0
                report = one.run()
            one.assert_done(report)
        if not fault.failed and n > 1:
            break
    assert n > 12


@dataclass
class Keys:
    """Credentials that are renewed as long as nothing hinders it."""

    hindered: bool = False
    number: int = 0

    def current(self) -> Credentials:
        return Credentials(f"AKID{self.number}", SECRET, TOKEN)

    def refresh(self) -> None:
        if self.hindered:
            raise ConnectionFailed("the session has ended: aws sso login begins another one")
        self.number += 1


@pytest.mark.parametrize("hindered", [False, True])
def test_credentials_that_expire(hindered: bool, job: Callable[..., Job]) -> None:
    """From the n-th request on the first credentials are good for nothing."""
    for n in count(1):
        one = job()
        keys = one.fake.credentials = Keys(hindered)
        seen = failed = 0

        def fault(call: Call, n: int = n) -> None:
            nonlocal seen, failed
            seen += 1
            if seen >= n and "credential=akid0/" in call.headers["authorization"]:
                failed += 1
                raise Refused("ExpiredTokenException", message="The security token is expired")

        if hindered and n < 12:
            said = one.fail(fault, "ExpiredTokenException")
            assert "could not be renewed" in said and "aws sso login" in said
            assert failed
            assert one.logged("credentials_not_renewed")
            # Somebody has logged in again.
            keys.number = 1
        elif hindered:
            break
        report = one.run(fault)
        one.assert_done(report)
        if not failed:
            break
        assert keys.number
    assert n > 11


def test_a_clock_that_is_wrong_from_a_request_on(job: Callable[..., Job]) -> None:
    """The server's time jumps by an hour; it refuses what was signed more than five minutes off."""
    for n in count(1):
        one = job()
        seen = failed = 0

        def fault(call: Call, n: int = n) -> None:
            nonlocal seen, failed
            seen += 1
            ahead = 3600 if seen >= n else 0
            its, signed = time.time() + ahead, time.strptime(call.headers["x-amz-date"], "%Y%m%dt%H%M%Sz")
            if abs(its - (time.mktime(signed) - time.timezone)) > 300:
                failed += 1
                raise Refused("InvalidSignatureException", message="Signature expired", headers=an_hour_ahead())

        report = one.run(fault)
        one.assert_done(report)
        assert report.progress.retries == failed
        if not failed:
            break
    assert n > 15


# A stop


@pytest.mark.parametrize(("wait", "tight"), [(0.0, False), (0.003, False), (0.001, True)])
def test_a_stop_at_the_nth_request(
    wait: float, tight: bool, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``tight``: every stage waits for the next one."""
    if tight:
        monkeypatch.setattr(stages, "PAGES_WAITING", 1)
        monkeypatch.setattr(stages, "BODIES_WAITING", 1)
        monkeypatch.setattr(writing, "WRITERS", 1)
    for n in count(1):
        one = job()
        stop = Event()
        seen = 0

        async def fault(call: Call, n: int = n, stop: Event = stop) -> None:
            nonlocal seen
            seen += 1
            if seen == n:
                stop.set()
            await asyncio.sleep(wait)

        report = one.run(fault, stop)
        if report.outcome == "interrupted":
            assert len(one.fake.items) == report.progress.written + report.half_done
            report = one.run()
        one.assert_done(report)
        if seen < n:
            break
    assert n > 12


@pytest.mark.parametrize("limit", [1, 7, 12, 19])
@pytest.mark.parametrize("writes", [False, True])
def test_a_stop_before_the_limit(limit: int, writes: bool, job: Callable[..., Job]) -> None:
    """``writes``: what is left when the stop comes has been read, and cannot be written."""
    interrupted = 0
    for n in range(1, 14):
        one = job(plan=plan_of(f"LIMIT {limit}"), exact=False)
        # A row that the server refuses would count as one of LIMIT's.
        one.fake.sources = {"One": source_items(40, "a", wrong=True), "Two": source_items(20, "b", wrong=True)}
        stop = Event()
        seen = 0

        async def fault(call: Call, n: int = n, stop: Event = stop) -> None:
            nonlocal seen
            seen += 1
            if seen == n:
                stop.set()
            if seen >= n:
                await asyncio.sleep(0.003)
                if writes and call.operation == "BatchWriteItem":
                    raise Refused("ThrottlingException")

        report = one.run(fault, stop)
        if report.outcome == "interrupted":
            interrupted += 1
            assert report.progress.written < limit
            assert len(one.fake.items) <= limit + PAGE
            report = one.run()
        assert report.outcome == "limit"
        assert report.progress.written == view(one.folder).counts.written == limit <= len(one.fake.items)
        assert report.progress.read == report.progress.filtered + report.progress.rejected + limit
        assert set(one.rejects().values()) <= {1}
    assert interrupted


# The state


@dataclass
class Disk:
    """Refuses writes to the state from the n-th on, counted from 1; ``after``: the write is done nevertheless."""

    first: int
    times: int
    after: bool
    seen: int = 0
    failed: int = 0

    def write(self, error: Callable[[], Exception], done: Callable[..., Any], *args: Any) -> Any:
        self.seen += 1
        if self.seen < self.first or self.failed >= self.times:
            return done(*args)
        self.failed += 1
        if self.after:
            done(*args)
        raise error()


def no_space() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def no_room() -> sqlite3.Error:
    """As SQLite says it."""
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


@contextmanager
def on(disk: Disk) -> Iterator[None]:
    """Have everything that ``ddbetl.engine`` writes to a job's folder, but its log, go by ``disk``."""

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *args: Any) -> Any:
            if statement.startswith(("SELECT", "PRAGMA", "ROLLBACK")):
                return super().execute(statement, *args)
            return disk.write(no_room, super().execute, statement, *args)

        def executemany(self, *args: Any) -> Any:
            return disk.write(no_room, super().executemany, *args)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("pwrite", "fsync"):
            patch.setattr(os, name, partial(disk.write, no_space, getattr(os, name)))
        patch.setattr(report_module, "open_private", partial(disk.write, no_space, folder_module.open_private))
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Connection))
        yield


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("times", [1, ALWAYS])
def test_the_nth_write_to_the_state_fails(
    after: bool, times: int, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "COMMIT_SECONDS", 0.008)
    for n in count(1):
        one = job()
        disk = Disk(n, times, after)
        with on(disk):
            try:
                done = one.run()
            except JobFailed as error:
                said = str(error)
                assert re.search("No space left on device|database or disk is full", said), said
                begun = (one.folder / "job.sqlite").exists()
                assert ("ddbetl resume job" if begun else "--state-dir names another folder") in said, said
            else:
                assert not disk.failed
        if not disk.failed:
            one.assert_done(done)
            break
        one.begun = (one.folder / "job.sqlite").exists()
        if one.begun:
            assert view(one.folder).outcome in ("killed", "failed", "done")
            with closing(JobStore.open(one.folder)) as state:
                one.assert_so_far(state.splits())
        one.assert_done(one.run())
    assert n > 25


# A whole process, because the limit is one of a process.
FULL = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from ddbetl.engine import executor
from ddbetl.errors import JobFailed
from test_faults import Job, meant

executor.COMMIT_SECONDS = 0.001
said = []
# The state has 24 KB in the end, the rejects have 32.
for size in (0, 4_096, 16_384, 20_480, *range(24_576, 36_000, 1_500), 1_000_000):
    one = Job(Path(sys.argv[2]) / "state" / "jobs" / f"job{size}", meant=meant(400))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, -1))
    try:
        said.append((one.folder.name, one.run().outcome))
    except JobFailed as error:
        said.append((one.folder.name, str(error)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    one.begun = (one.folder / "job.sqlite").exists()
    if said[-1][1] != "done":
        one.assert_done(one.run())
print(json.dumps(said))
"""


def test_a_disk_on_which_files_cannot_grow(tmp_path: Path) -> None:
    arguments = [sys.executable, "-W", "error", "-c", FULL, str(Path(__file__).parent), str(tmp_path)]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "")
    said = json.loads(ended.stdout)
    for name, text in said[:-1]:
        assert "File too large" in text or "disk I/O error" in text or "disk is full" in text or text == "done"
        assert text == "done" or f"ddbetl resume {name}" in text or "--state-dir names another folder" in text
    assert {text for _, text in said} > {"done"}
    assert sum("ddbetl resume job" in text for _, text in said) > 3


def spoilt_states(good: bytes) -> Iterator[bytes]:
    yield b""
    yield b"garbage" * 1000
    yield good[:100]
    yield good[: len(good) // 2]
    yield b"\0" * 4096 + good[4096:]
    for place in range(0, len(good), 4096):
        yield good[: place + 60] + random.Random(place).randbytes(1000) + good[place + 1060 :]


def test_a_state_that_is_garbage(job: Callable[..., Job]) -> None:
    one = job()
    assert fails_from(9, one, FAILURES["throttled"])
    path = one.folder / "job.sqlite"
    good = path.read_bytes()
    broken = 0
    for spoilt in spoilt_states(good):
        path.write_bytes(spoilt)
        try:
            JobStore.open(one.folder).close()
        except JobFailed as error:
            broken += 1
            assert "the state of job job is broken: " in str(error)
            assert "\nStart anew with ddbetl run SPEC --fresh; " in str(error)
            assert f"\nddbetl jobs rm job --state-dir {one.folder.parent.parent} removes the broken job." in str(error)
    assert broken > 5
    path.write_bytes(b"garbage")
    (found,) = views(one.folder.parent.parent)
    assert isinstance(found, BrokenJob) and "--fresh" in found.message
    # As --fresh does: another job, to the same target.
    other = job("fresh")
    other.fake.items = one.fake.items
    other.assert_done(other.run())
    # A journal that is garbage is none.
    path.write_bytes(good)
    (one.folder / "job.sqlite-journal").write_bytes(b"garbage" * 1000)
    one.assert_done(one.run())


# Time


@dataclass
class Clock:
    """Time that passes in sleeps alone."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


HOURS = 5 * 3600.0


@pytest.mark.parametrize("name", ["throttled", "unprocessed", "no body", "reset", "somebody else's page"])
def test_hours_of_failures_end_no_job(name: str, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real policy; from the third request on nothing comes through for hours."""
    monkeypatch.setattr(executor, "POLICY", RetryPolicy())
    monkeypatch.setattr(executor, "COMMIT_SECONDS", 0.02)
    # On this clock a short look takes as long as a long one.
    monkeypatch.setattr(budget, "LOOK", 3600.0)
    one, clock, failure = job(), Clock(), FAILURES[name]
    fault = From(3, failure.answer, only=lambda call: clock.now < HOURS)
    one.fake.fault, one.fake.unprocessed = fault, fault.unprocessed
    said: list[str] = []

    def progress(now: Progress) -> None:
        if now.waiting is not None:
            said.append(now.waiting)

    async def main() -> Progress:
        async with one.fake.running():
            state = JobStore.create(one.folder, record_of(one.plan, "job", "2017-04-26T10:15:30Z", {}))
            log = EventLog([one.folder / "log"], "job", now=lambda: 1493201730 + clock.now, clock=clock)
            with closing(state), closing(log):
                access = {HERE: one.fake.access()}
                run = open_job(one.plan, access, state, log, clock=clock, sleep=clock.sleep)
                await run.run(Event(), Outlook(progress, 0.001))
                assert not run.interrupted and run.ledger.done
                return run.meter.progress()

    end = run_async(lambda: asyncio.wait_for(main(), 60))
    assert end.seconds >= HOURS and end.waiting is None
    assert end.retries > 500
    assert end.retries >= fault.failed
    reference.assert_same_items(one.fake.items.values(), one.meant.rows, ("id",))
    assert said and all(re.match(failure.waits, text) for text in said)
    lines = one.logged("throttled", "retry")
    assert sum(line.get("count", 1) for line in lines) == end.retries
    for kind in {(line["event"], line["table"]) for line in lines}:
        times = [seconds(line["time"]) for line in lines if (line["event"], line["table"]) == kind]
        # A line that stands for several is written a second later, with the time of the last of them.
        assert all(later - earlier >= 0.999 for earlier, later in zip(times[:-1], times[2:-1], strict=False))


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()
