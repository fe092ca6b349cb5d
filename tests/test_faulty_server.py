"""Whole jobs against a server that misbehaves: nothing is lost, nothing is written wrongly, and every row is counted once."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import reference
from fake_dynamodb import SECRET, TOKEN, Call, Fake, Fault, Item, Refused, StaticCredentials, no_fault, seldom
from planned import NOW, planned

from ddbetl.connectors.dynamodb.retry import RetryPolicy
from ddbetl.engine import executor, stages
from ddbetl.engine.pages import PageWork
from ddbetl.engine.report import Progress, RunReport
from ddbetl.engine.rows import Row, RowEvaluator
from ddbetl.engine.transform import Transformer
from ddbetl.errors import ConnectionFailed, JobFailed
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.functions.model import RowContext
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.types import Type

# Most rows go the fast way; those with another time zone's name in the text, or a wrong type, go by reference.
SPEC = "SELECT id, epoch(at) AS t, n + 1 AS n, x FROM {} WHERE length(s) > 0"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repeat at once, and give up before anybody's patience ends."""
    monkeypatch.setattr(executor, "POLICY", RetryPolicy(base=0.0005, cap=0.002, max_elapsed=20))


def source_items(count: int, prefix: str = "i", wrong: bool = False) -> list[Item]:
    """Items of which a third is filtered; ``wrong``: some are errors."""
    items: list[Item] = []
    for i in range(count):
        item: Item = {
            "id": {"S": f"{prefix}{i:05}"},
            "at": {"S": f"2016-05-{i % 28 + 1:02}T10:28:{i % 60:02}.876-07:00"},
            "n": {"N": str(i) if i % 5 else "123456789012345678901234567890"},
            "s": {"S": "" if i % 3 == 0 else "s"},
            "x": {"M": {"k": {"L": [{"B": "AAH/"}, {"NULL": True}]}}},
        }
        if wrong and i % 7 == 0:
            item["at"] = {"S": "yesterday"}
        if wrong and i % 11 == 0:
            item["s"] = {"N": "1"}
        items.append(item)
    return items


def expected(plan: PhysicalPlan, sources: dict[str, Sequence[Item]]) -> dict[str, list[Any]]:
    """What a plan makes of items, one after another: rows, filtered, failures."""
    assert plan.write is not None
    evaluator = RowEvaluator(plan.transform, plan.write.key)
    found: dict[str, list[Any]] = {"Row": [], "Filtered": [], "RowFailure": []}
    for table, items in sources.items():
        for item in items:
            outcome = evaluator.row(json.dumps(item).encode(), RowContext(table, NOW))
            content = json.loads(outcome.item) if isinstance(outcome, Row) else outcome
            found[type(outcome).__name__].append(content)
    return found


def assert_counted(report: RunReport) -> None:
    """Every item that was read is counted once, and every row that was handed over is written."""
    for table in report.progress.tables:
        assert table.read == table.filtered + table.passed + table.rejected + table.skipped
        assert table.written == table.passed
        assert min(table.read, table.filtered, table.written, table.rejected, table.skipped) >= 0


def assert_done(fake: Fake, plan: PhysicalPlan, report: RunReport) -> None:
    """The target holds what it must, and the report says so."""
    want = expected(plan, dict(fake.sources))
    reference.assert_same_items(fake.items.values(), want["Row"], ("id",))
    assert_counted(report)
    assert report.outcome == "done"
    progress = report.progress
    assert (progress.read, progress.filtered) == (sum(map(len, fake.sources.values())), len(want["Filtered"]))
    assert (progress.written, progress.rejected) == (len(want["Row"]), len(want["RowFailure"]))
    assert sum(cause.count for cause in report.causes) == progress.rejected
    assert (report.rejects is not None) == bool(progress.rejected)
    assert progress.fraction == 1.0 and all(t.segments_done == t.segments for t in progress.tables)


def two_tables(count: int = 300, wrong: bool = False) -> dict[str, Sequence[Item]]:
    return {"One": source_items(count, "a", wrong), "Two": source_items(count // 2, "b", wrong)}


def plan_of(spec: str = SPEC, *, tail: str = "", tables: str = "One, Two") -> PhysicalPlan:
    return planned(f"{spec.format(tables)} {tail} WITH (read = unlimited, write = unlimited)", into="Target")


def test_without_a_fault(tmp_path: Path) -> None:
    fake = Fake(two_tables(wrong=True))
    report = fake.run(plan_of(), tmp_path)
    assert_done(fake, plan_of(), report)
    assert report.by_reference > 0
    assert report.progress.retries == 0
    assert report.progress.read_units == 225.0
    assert report.progress.write_units == report.progress.written
    assert set(fake.written.values()) == {1}


def test_what_the_server_filters_is_read_and_filtered(tmp_path: Path) -> None:
    items = source_items(400)
    for item in items[100:300]:
        item["s"] = {"S": ""}
    fake = Fake({"One": items}, keeps=lambda item: item["s"] != {"S": ""}, page=10)
    report = fake.run(plan_of(tables="One"), tmp_path)
    assert_done(fake, plan_of(tables="One"), report)


TRANSIENT: dict[str, Fault] = {
    "throttled": seldom(random.Random(1), 0.4, Refused("ProvisionedThroughputExceededException")),
    "throttled otherwise": seldom(
        random.Random(2), 0.4, Refused("ThrottlingException"), Refused("RequestLimitExceeded"), Refused("SomethingNew", 429)
    ),
    "internal errors": seldom(random.Random(3), 0.4, Refused("InternalServerError", 500), Refused("", 503)),
    "reset": seldom(random.Random(4), 0.3, "reset"),
    "processed and lost": seldom(random.Random(5), 0.3, "lost"),
    "cut bodies": seldom(random.Random(6), 0.3, "cut"),
    "wrong CRC": seldom(random.Random(7), 0.3, "crc"),
    "answers of somebody else": seldom(random.Random(8), 0.3, "empty", "page"),
    "everything": seldom(
        random.Random(9), 0.4, "reset", "lost", "cut", "crc", "empty", "page", Refused("ThrottlingException"), Refused("", 500)
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", TRANSIENT)
def test_what_passes_is_repeated_until_all_is_written(fault: str, tmp_path: Path) -> None:
    fake = Fake(two_tables(wrong=True), fault=TRANSIENT[fault])
    report = fake.run(plan_of(), tmp_path)
    assert_done(fake, plan_of(), report)
    assert report.progress.retries > 5
    assert report.progress.waiting is None


def some_come_back(call: Call, puts: list[Any]) -> list[Any]:
    return puts[:: 1 + call.number % 3] if call.number % 4 else puts[len(puts) // 2 :]


@pytest.mark.parametrize("reports_capacity", [True, False])
def test_unprocessed_puts_go_again_until_they_are_written(reports_capacity: bool, tmp_path: Path) -> None:
    def unprocessed(call: Call, puts: list[Any]) -> list[Any]:
        # Some, all, and all again and again.
        return puts if call.number < 8 else some_come_back(call, puts) if call.number < 400 else []

    fake = Fake(two_tables(), unprocessed=unprocessed, reports_capacity=reports_capacity)
    report = fake.run(plan_of(), tmp_path)
    assert_done(fake, plan_of(), report)
    assert set(fake.written.values()) == {1}
    assert report.progress.retries > 20
    assert report.progress.write_units == report.progress.written


@pytest.mark.parametrize("operation", ["Scan", "BatchWriteItem"])
@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ResourceNotFoundException", "UnrecognizedClientException", "InternalError400"]
)
@pytest.mark.parametrize("at", [0, 3])
def test_an_error_that_stays_ends_the_job_and_says_why(operation: str, code: str, at: int, tmp_path: Path) -> None:
    def fault(call: Call) -> None:
        if call.operation == operation and call.number >= at:
            raise Refused(code, message="this is why")

    with pytest.raises(JobFailed) as failed:
        Fake(two_tables(), fault=fault).run(plan_of(), tmp_path)
    table = "Target" if operation == "BatchWriteItem" else "(One|Two)"
    assert failed.match(f"^{operation} of {table}: {code}: this is why\n")
    assert failed.match("ddbetl resume")


@pytest.mark.parametrize("operation", ["Scan", "BatchWriteItem"])
def test_patience_ends(operation: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "POLICY", RetryPolicy(base=0.0005, cap=0.002, max_elapsed=0.05))

    def fault(call: Call) -> str | None:
        return "reset" if call.operation == operation and call.number > 2 else None

    with pytest.raises(JobFailed, match=f"{operation} of .*127.0.0.1.*before an answer"):
        Fake(two_tables(), fault=fault).run(plan_of(), tmp_path)


def poisoned(count: int, *bad: int) -> list[Item]:
    items = source_items(count)
    for i in bad:
        items[i]["poison"] = {"BOOL": True}
    return items


@pytest.mark.parametrize("after_unprocessed", [False, True])
def test_a_row_that_the_server_refuses_is_a_reject_and_the_others_are_written(
    after_unprocessed: bool, tmp_path: Path
) -> None:
    items = poisoned(100, 1, 2, 50, 97)
    # What is written of these differs from the source, so that a reject shows which of both it holds.
    plan = plan_of("SELECT * REPLACE (n + 1 AS n) FROM {} WHERE length(s) > 0", tables="One")

    def unprocessed(call: Call, puts: list[Any]) -> list[Any]:
        return puts[1:] if after_unprocessed and call.number < 3 else []

    def fault(call: Call) -> None:
        # The refusal comes when some of the batch is written already.
        if after_unprocessed and call.operation == "BatchWriteItem" and call.number < 3:
            for put in call.body["RequestItems"]["Target"]:
                hidden = put["PutRequest"]["Item"].pop("poison", None)
                if hidden is not None:
                    put["PutRequest"]["Item"]["was poison"] = hidden

    def still_poison(call: Call, puts: list[Any]) -> list[Any]:
        left = unprocessed(call, puts)
        for put in left:
            item = put["PutRequest"]["Item"]
            if "was poison" in item:
                item["poison"] = item.pop("was poison")
        return left

    fake = Fake({"One": items}, fault=fault, unprocessed=still_poison)
    report = fake.run(plan, tmp_path)
    assert_counted(report)
    written = [item for item in expected(plan, {"One": items})["Row"] if "poison" not in item]
    reference.assert_same_items([i for i in fake.items.values() if "was poison" not in i], written, ("id",))
    rejects = read_rejects(report)
    refused = [items[i] for i in (1, 2, 50, 97)]
    let_in = [item["id"] for item in fake.items.values() if "was poison" in item]
    assert sorted(r["item"]["id"]["S"] for r in rejects) == [i["id"]["S"] for i in refused if i["id"] not in let_in]
    for reject in rejects:
        assert reject["item"] in refused
        assert (reject["code"], reject["table"]) == ("R0206", "One")
        assert "poison" in reject["message"]
        assert (reject["line"], reject["column"]) == (None, None)


def read_rejects(report: RunReport) -> list[dict[str, Any]]:
    if report.rejects is None:
        return []
    with open(report.rejects, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def bad_items() -> list[tuple[Item, str, int | None]]:
    """Items that DynamoDB would refuse, with the code and the line of the spec."""
    good: Item = {"id": {"S": "x"}, "s": {"S": "1"}}
    return [
        ({**good, "id": {"S": ""}}, "R0203", 2),
        ({**good, "id": {"N": "1"}}, "R0202", 2),
        ({"s": {"S": "1"}}, "R0202", 2),
        ({**good, "id": {"NULL": True}}, "R0202", 2),
        ({**good, "id": {"S": "k" * 2049}}, "R0203", 2),
        ({**good, "id": {"S": "é" * 1025}}, "R0203", 2),
        ({**good, "id": {"S": "large"}, "x": {"S": "x" * 410_000}}, "R0204", None),
        ({**good, "id": {"S": "wrong"}, "s": {"S": "one"}}, "R0105", 3),
        ({**good, "id": {"S": "type"}, "s": {"BOOL": True}}, "R0101", 4),
    ]


@pytest.mark.parametrize("on_error", ["", "ON ERROR REJECT"])
def test_rejects_are_found_before_sending_and_kept_whole(on_error: str, tmp_path: Path) -> None:
    bad = bad_items()
    items = [*source_items(20), *(item for item, _, _ in bad)]
    spec = "SELECT\n id,\n to_number(s) AS n, x\nFROM {} WHERE s <> '' OR TRUE"
    items = [item if item not in items[:20] else {**item, "s": {"S": "7"}} for item in items]
    fake = Fake({"One": items})
    report = fake.run(plan_of(spec, tail=on_error, tables="One"), tmp_path / "made" / "when needed")
    assert_counted(report)
    assert (report.progress.written, report.progress.rejected) == (20, len(bad))
    rejects = {json.dumps(r["item"]): r for r in read_rejects(report)}
    for item, code, line in bad:
        reject = rejects[json.dumps(item)]
        assert (reject["code"], reject["line"], reject["table"]) == (code, line, "One")
        assert reject["key"] == ({"id": item["id"]} if "id" in item else {})
        assert reject["message"]
    path = Path(report.rejects or "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((path.parent / "report.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o077 == 0
    for file in path.parent.iterdir():
        content = file.read_bytes()
        assert SECRET.encode() not in content and TOKEN.encode() not in content
    said = json.loads((path.parent / "report.json").read_text())
    assert said["rejected"] == len(bad)
    assert sum(cause["count"] for cause in said["causes"]) == len(bad)


def test_a_disk_that_is_full_within_a_reject_ends_the_job_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite

    def full(descriptor: int, content: Any, at: int) -> int:
        if at > 2000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(descriptor, bytes(content)[:2001], at)

    fake = Fake(two_tables(wrong=True), page=20)
    folder = tmp_path / "jobs" / "one"
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(JobFailed, match=r"No space left on device(.|\n)*ddbetl resume one"):
            fake.run(plan_of(), folder)
    assert json.loads((folder / "report.json").read_text())["outcome"] == "failed"
    assert not (folder / "rejects.jsonl").read_bytes().endswith(b"\n")
    assert_done(fake, plan_of(), fake.run(plan_of(), folder, resume=True))


def test_on_error_fail_ends_the_job_at_the_first_row(tmp_path: Path) -> None:
    items = source_items(100)
    items[40]["s"] = {"N": "1"}
    with pytest.raises(
        JobFailed, match=r"ON ERROR FAIL: One, id = 'i00040': R0101 s: expected STRING, found NUMBER \(line 1\)"
    ):
        Fake({"One": items}).run(plan_of(tail="ON ERROR FAIL", tables="One"), tmp_path)
    items = poisoned(100, 50)
    with pytest.raises(JobFailed, match="ON ERROR FAIL: One, id = 'i00050': R0206"):
        Fake({"One": items}).run(plan_of("SELECT * FROM {}", tail="ON ERROR FAIL", tables="One"), tmp_path)
    assert not list(tmp_path.glob("rejects*"))


def test_on_error_skip_counts_and_goes_on(tmp_path: Path) -> None:
    items = source_items(200, wrong=True)
    items[50]["poison"] = {"BOOL": True}
    plan = plan_of("SELECT *, epoch(at) AS t FROM {} WHERE length(s) > 0", tail="ON ERROR SKIP", tables="One")
    fake = Fake({"One": items})
    report = fake.run(plan, tmp_path)
    want = expected(plan, {"One": items})
    assert_counted(report)
    assert report.progress.rejected == 0 and report.rejects is None
    assert report.progress.skipped == len(want["RowFailure"]) + 1
    assert len(fake.items) == len(want["Row"]) - 1


LIMITS = (1, 2, 24, 25, 26, 99, 100, 101, 1000)


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("by_reference", [False, True])
def test_limit_is_exact_whoever_comes_first(limit: int, by_reference: bool, tmp_path: Path) -> None:
    spec = (
        "SELECT *, try(to_number(s)) AS t, substr(s, n) AS u FROM {}"
        if by_reference
        else "SELECT * FROM {} WHERE length(s) > 0"
    )
    fake = Fake(two_tables(300), page=17)
    plan = plan_of(spec, tail=f"LIMIT {limit}")
    report = fake.run(plan, tmp_path)
    want = expected(plan, dict(fake.sources))
    assert_counted(report)
    assert report.progress.written == len(fake.items) == min(limit, len(want["Row"]))
    assert report.outcome == ("limit" if limit <= len(want["Row"]) else "done")
    possible = [reference.comparable(item) for item in want["Row"]]
    assert all(reference.comparable(item) in possible for item in fake.items.values())
    assert set(fake.written.values()) == {1}


def same_keys(draw: random.Random, count: int, keys: int) -> list[Item]:
    """Items whose rows have few keys; a fifth of them goes by reference."""
    return [
        {
            "id": {"S": f"i{i}"},
            "k": {"S": f"k{draw.randrange(keys)}"},
            "n": {"N": str(i) if draw.random() < 0.8 else f"{i}.0000000000001"},
        }
        for i in range(count)
    ]


@pytest.mark.parametrize("keys", [1, 5, 30, 400])
@pytest.mark.parametrize("faulty", [False, True])
def test_of_the_rows_of_a_page_with_one_key_the_last_one_stays(keys: int, faulty: bool, tmp_path: Path) -> None:
    draw = random.Random(keys)
    items = same_keys(draw, 200, keys)
    items[13]["n"] = {"S": "no number"}
    fake = Fake({"One": items}, page=200)
    if faulty:
        fake.unprocessed = lambda call, puts: [put for put in puts if draw.random() < 0.2]
        fake.fault = seldom(draw, 0.2, "reset", "lost", Refused("ThrottlingException"))
    plan = planned(
        "SELECT k AS id, n + 1 AS n, id AS was FROM One WITH (segments = 1, read = unlimited, write = unlimited, "
        "collisions = allow)",
        into="Target",
    )
    report = fake.run(plan, tmp_path)
    assert_counted(report)
    assert (report.progress.written, report.progress.rejected) == (199, 1)
    last = {row["id"]["S"]: row for row in expected(plan, {"One": items})["Row"]}
    reference.assert_same_items(fake.items.values(), last.values(), ("id",))
    if not faulty:
        assert sum(fake.written.values()) == 199
        # Where keys are rare they do not slow the others down.
        assert keys < 400 or fake.calls["BatchWriteItem"] <= 14


def test_equal_numbers_are_one_key_however_they_are_written(tmp_path: Path) -> None:
    texts = ("1", "1.0", "10E-1", "2", "2.00", "-0", "0", "0.000")
    items: list[Item] = [{"id": {"S": f"i{i}"}, "k": {"N": text}} for i, text in enumerate(texts)]
    fake = Fake({"One": items}, page=200, key=(("k", "N"),))
    plan = planned(
        "SELECT k, id FROM One WITH (segments = 1, collisions = allow)",
        (KeyAttribute("k", Type.NUMBER),),
        into="Target",
    )
    report = fake.run(plan, tmp_path)
    assert report.progress.written == len(texts)
    assert sorted(item["id"]["S"] for item in fake.items.values()) == ["i2", "i4", "i7"]


@pytest.mark.parametrize("at", [0, 1, 3, 8, 15])
def test_a_stopped_job_has_finished_what_it_had_begun(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "PAGES_WAITING", 1)
    stop = Event()

    async def fault(call: Call) -> None:
        if call.operation == "Scan" and call.number == at:
            stop.set()
        if stop.is_set():
            await asyncio.sleep(0.004)

    fake = Fake(two_tables(2000, wrong=True), fault=fault, page=20)
    report = fake.run(plan_of(), tmp_path, stop)
    assert report.outcome == "interrupted"
    assert_counted(report)
    assert report.progress.read < 3000
    assert len(fake.items) == report.progress.written + report.half_done
    want = [reference.comparable(row) for row in expected(plan_of(), dict(fake.sources))["Row"]]
    assert all(reference.comparable(item) in want for item in fake.items.values())
    assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "interrupted"
    fake.fault = no_fault
    before = dict(fake.written)
    assert_done(fake, plan_of(), fake.run(plan_of(), tmp_path, resume=True))
    assert sum(fake.written[key] > count for key, count in before.items()) == report.half_done


def test_a_stop_is_heard_while_only_the_writers_wait(tmp_path: Path) -> None:
    """Everything is read at once, and the write budget would take minutes for it."""
    plan = planned(f"{SPEC.format('One, Two')} WITH (read = unlimited, write = 20 wcu)", into="Target")
    stop = Event()

    async def fault(call: Call) -> None:
        if call.operation == "BatchWriteItem" and call.number == 1:
            stop.set()

    fake = Fake(two_tables(3000), fault=fault, page=1000)
    report = fake.run(plan, tmp_path, stop)
    assert report.outcome == "interrupted"
    assert_counted(report)
    assert report.progress.written + report.half_done == len(fake.items) < 500
    # Another run with a larger budget, from where this one stopped.
    assert_done(fake, plan_of(), fake.run(plan_of(), tmp_path, resume=True))


def test_a_stop_does_not_wait_for_a_turn_to_repeat(tmp_path: Path) -> None:
    """Every write but one is throttled, so that the budget would let one go in half a minute."""
    plan = planned(f"{SPEC.format('One, Two')} WITH (read = unlimited, write = unlimited)", into="Target")
    stop = Event()

    def fault(call: Call) -> None:
        if call.operation == "BatchWriteItem" and call.number:
            raise Refused("ProvisionedThroughputExceededException")

    def progress(now: Progress) -> None:
        if now.write_budget is not None:
            stop.set()

    fake = Fake(two_tables(3000), fault=fault, page=1000)
    report = fake.run(plan, tmp_path, stop, progress)
    assert report.outcome == "interrupted"
    assert_counted(report)
    fake.fault = no_fault
    assert_done(fake, plan_of(), fake.run(plan_of(), tmp_path, resume=True))


def test_a_stop_after_the_last_page_is_no_interruption(tmp_path: Path) -> None:
    stop = Event()

    def fault(call: Call) -> None:
        if call.operation == "BatchWriteItem":
            stop.set()

    fake = Fake({"One": source_items(30)}, fault=fault)
    plan = planned(SPEC.format("One") + " WITH (segments = 1)", into="Target")
    assert_done(fake, plan, fake.run(plan, tmp_path, stop))


@pytest.mark.parametrize("waiting", [1, 2000, 10**9])
def test_progress_is_never_ahead_of_itself(waiting: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stages, "PAGES_WAITING", waiting)
    monkeypatch.setattr(stages, "BODIES_WAITING", waiting)
    seen: list[Progress] = []
    fake = Fake(two_tables(1000, wrong=True), page=20, fault=TRANSIENT["everything"])
    report = fake.run(plan_of(), tmp_path, progress=seen.append)
    assert_done(fake, plan_of(), report)
    assert len(seen) > 3
    for before, after in pairwise(seen):
        for one, other in zip(before.tables, after.tables, strict=True):
            assert one.read <= other.read and one.written <= other.written and one.units <= other.units
            assert one.read >= one.filtered + one.passed + one.rejected + one.skipped
            assert one.written <= one.passed
        assert 0 <= (before.fraction or 0) <= 1
    assert seen[-1] == report.progress or seen[-1].written == report.progress.written


@pytest.mark.parametrize("operation", ["Scan", "BatchWriteItem"])
@pytest.mark.parametrize("waiting", [1, 10**9])
def test_a_failure_ends_everything_wherever_it_waits(
    operation: str, waiting: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "PAGES_WAITING", waiting)
    monkeypatch.setattr(stages, "BODIES_WAITING", waiting)
    for at in range(0, 40, 3):

        def fault(call: Call, at: int = at) -> None:
            if call.operation == operation and call.number == at:
                raise Refused("AccessDeniedException")

        with pytest.raises(JobFailed, match="AccessDeniedException"):
            Fake(two_tables(1000), fault=fault, page=10).run(plan_of(), tmp_path)


@pytest.mark.parametrize("name", ["make", "check"])
def test_the_statement_is_not_closed_while_a_thread_works(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, closed = Event(), []
    work, close = getattr(PageWork, name), Transformer.close

    def slow(self: PageWork, *given: Any) -> Any:
        running.set()
        time.sleep(0.05)
        found = work(self, *given)
        running.clear()
        return found

    def watched(self: Transformer) -> None:
        closed.append(not running.is_set())
        close(self)

    monkeypatch.setattr(PageWork, name, slow)
    monkeypatch.setattr(Transformer, "close", watched)

    def fault(call: Call) -> None:
        if running.is_set() and call.number > 10:
            raise Refused("AccessDeniedException")

    with pytest.raises(JobFailed, match="AccessDeniedException"):
        Fake(two_tables(2000), fault=fault, page=10).run(plan_of(), tmp_path)
    assert closed == [True]


def test_a_mistake_in_the_transform_ends_the_job_as_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a mistake of our own")

    monkeypatch.setattr(RowEvaluator, "row", broken)
    with pytest.raises(ZeroDivisionError, match="a mistake of our own"):
        Fake(two_tables(1000, wrong=True), page=10).run(plan_of(), tmp_path)


def test_a_listener_that_fails_ends_the_job_as_itself(tmp_path: Path) -> None:
    def progress(_: Progress) -> None:
        raise BrokenPipeError("nobody listens")

    with pytest.raises(BrokenPipeError, match="nobody listens"):
        Fake(two_tables(1000), page=10).run(plan_of(), tmp_path, progress=progress)


def test_credentials_that_cannot_be_renewed_are_used_as_long_as_they_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "CREDENTIALS_SECONDS", 0.001)
    asked: list[None] = []

    def refresh(_: StaticCredentials) -> None:
        asked.append(None)
        raise ConnectionFailed("the credentials have expired: log in again")

    monkeypatch.setattr(StaticCredentials, "refresh", refresh)

    async def slow(call: Call) -> None:
        await asyncio.sleep(0.01)

    fake = Fake(two_tables(1000), fault=slow, page=10)
    assert fake.run(plan_of(), tmp_path).outcome == "done"
    assert asked


@pytest.mark.parametrize("mended", [True, False])
def test_an_expired_token_is_renewed_at_once(mended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh: list[None] = []
    monkeypatch.setattr(StaticCredentials, "refresh", lambda _: fresh.append(None) if mended else None)

    async def expired(call: Call) -> None:
        if call.number > 5 and not fresh:
            raise Refused("ExpiredTokenException")

    fake = Fake(two_tables(200), fault=expired, page=10)
    if mended:
        report = fake.run(plan_of(), tmp_path)
        assert_counted(report)
        assert report.outcome == "done" and fresh
    else:
        with pytest.raises(JobFailed, match="ExpiredTokenException"):
            fake.run(plan_of(), tmp_path)
        assert json.loads((tmp_path / "report.json").read_text())["outcome"] == "failed"


def test_a_folder_that_cannot_be_written_stops_the_run_before_it_begins(tmp_path: Path) -> None:
    (tmp_path / "jobs").write_text("a file where the folder should be")
    fake = Fake(two_tables(wrong=True))
    with pytest.raises(JobFailed, match=r"the job's folder cannot be written.*\n--state-dir"):
        fake.run(plan_of(), tmp_path / "jobs")
    assert not fake.calls.total()


# A whole process: how it ends, and what it leaves on stderr.
PROCESS = """
import asyncio, sys
from pathlib import Path
from threading import Event
sys.path.insert(0, sys.argv[1])
from fake_dynamodb import Fake, Refused
from planned import planned
from ddbetl.engine.rows import RowEvaluator
from ddbetl.errors import JobFailed
from test_faulty_server import plan_of, two_tables

how, folder = sys.argv[2], Path(sys.argv[3])

async def fault(call):
    if call.operation == "BatchWriteItem" and call.number == 20:
        print("under way", flush=True)
        if how == "refused":
            raise Refused("AccessDeniedException")
    if how == "interrupted":
        await asyncio.sleep(0.01 if call.number < 20 else 60)

if how == "mistaken":
    def broken(*_):
        raise ZeroDivisionError("a mistake of our own")
    RowEvaluator.row = broken
fake = Fake(two_tables(3000, wrong=True), fault=fault, page=50)
try:
    print(fake.run(plan_of(), folder).outcome)
except (JobFailed, ZeroDivisionError, KeyboardInterrupt) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("done", "done"),
        ("refused", "JobFailed"),
        ("mistaken", "ZeroDivisionError"),
        ("interrupted", "KeyboardInterrupt"),
    ],
)
def test_a_process_ends_without_a_trace(how: str, said: str, tmp_path: Path) -> None:
    arguments = [
        sys.executable,
        "-W",
        "error",
        "-X",
        "dev",
        "-c",
        PROCESS,
        str(Path(__file__).parent),
        how,
        str(tmp_path),
    ]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if how == "interrupted":
            assert process.stdout.readline() == "under way\n"
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert out.splitlines()[-1:] == [said], err
    # DuckDB complains on stderr of what was not closed, Python of tasks, sockets and threads.
    # That a busy machine took its time for something is none of that.
    assert [line for line in err.splitlines() if not line.startswith("Executing <")] == []
    assert process.returncode == 0


class Stuck(Fake):
    """A server that ends each page where it began."""

    def _scan(self, call: Call) -> dict[str, Any]:
        place = call.body.get("ExclusiveStartKey", {"at": {"N": "0"}})
        return super()._scan(call) | {"LastEvaluatedKey": place}


def test_a_server_that_does_not_get_on_is_not_read_for_ever(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="a page ends where it began"):
        Stuck({"One": source_items(60)}).run(plan_of(tables="One"), tmp_path)
