"""Dry passes: the rows, the collisions and the times of expiry of a plan, against a reference in Python; nothing is
written. And what the command line says of them."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
import servers
import tables
from click.testing import CliRunner, Result
from processes import Orders, assert_tidy, background
from servers import Server

import ddbetl
from ddbetl.cli import ttl
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.engine.batches import Batch
from ddbetl.engine.dry import reduced
from ddbetl.engine.expiry import TOO_LONG_PAST, ExpiryCount
from ddbetl.engine.report import Progress
from ddbetl.errors import JobFailed

# 2017-03-01T08:00:00Z
START = 1488355200
HOUR = 3600
COUNT = 300


@dataclass(frozen=True, slots=True)
class Data:
    """Two tables of orders: customers with an order every eight hours, so that three are of one day."""

    server: Server
    prefix: str
    items: dict[str, list[tables.Item]]

    @property
    def target(self) -> str:
        return f"{self.prefix}Target"

    def plan(self, spec: str, **more: object) -> ddbetl.Plan:
        return ddbetl.compile(self.text(spec), endpoint_url=self.server.endpoint_url, **more)  # type: ignore[arg-type]

    def text(self, spec: str) -> str:
        return spec.format(p=self.prefix)

    def rows(self, *names: str) -> list[tables.Item]:
        return [item for name in names or ("A", "B") for item in self.items[name]]


def order(table: str, number: int) -> tables.Item:
    when = datetime.fromtimestamp(START + number * 8 * HOUR, UTC)
    item: tables.Item = {
        "CustomerID": {"S": f"C{number // 3 % 7}"},
        "DateTime": {"S": when.strftime("%Y-%m-%dT%H:%M:%SZ")},
        "OrderID": {"S": f"{table}{number}"},
        "Large": {"S": "x" * 200},
    }
    if number % 10 != 9:
        item["Expires"] = {"N": str(START + number * 86400)}
    if number % 50 == 7:
        item["DateTime"] = {"S": f"broken {number}"}
    return item


@pytest.fixture(scope="module")
def data(running_server: object) -> Data:
    servers.require_dynoxide()
    server: Server = running_server("dynoxide")  # type: ignore[operator]
    prefix = servers.new_prefix()
    items = {}
    for name in ("A", "B"):
        tables.create(server, f"{prefix}{name}", ("CustomerID", "S"), ("DateTime", "S"))
        items[name] = [order(name, number) for number in range(COUNT if name == "A" else COUNT // 2)]
        tables.fill(server, f"{prefix}{name}", items[name])
    tables.create(server, f"{prefix}Target", ("CustomerID", "S"), ("CreationDateTime", "N"))
    tables.create(server, f"{prefix}Copy", ("CustomerID", "S"), ("DateTime", "S"))
    return Data(server, prefix, items)


def day(item: tables.Item) -> tuple[str, str] | None:
    """The target key of an item: its customer, and the day; None where the time cannot be read."""
    when = item["DateTime"]["S"]
    return None if when.startswith("broken") else (item["CustomerID"]["S"], when[:10])


BY_DAY = """
INSERT INTO {p}Target
SELECT CustomerID, epoch(date_trunc('day', parse_time(DateTime))) AS CreationDateTime, OrderID, Large, Expires
FROM {p}A, {p}B
ON CONFLICT REPLACE
"""
COPY = "INSERT INTO {p}Copy SELECT * FROM {p}A ON CONFLICT REPLACE"


def collisions(items: list[tables.Item]) -> int:
    seen = Counter(key for item in items if (key := day(item)) is not None)
    return sum(count - 1 for count in seen.values())


# The pass


def test_rows_rejects_and_collisions_are_those_of_the_reference(data: Data) -> None:
    report = data.plan(BY_DAY).dry()
    broken = sum(day(item) is None for item in data.rows())
    assert report.progress.read == len(data.rows())
    assert report.rows == len(data.rows()) - broken
    assert (report.progress.rejected, [cause.count for cause in report.causes]) == (broken, [broken])
    assert report.collisions == collisions(data.rows()) > 100
    assert not report.stopped and report.progress.fraction == 1
    assert tables.read(data.server, data.target) == []


def test_the_pairs_have_both_sources_and_the_key(data: Data) -> None:
    report = data.plan(BY_DAY).dry()
    known = {
        (f"{data.prefix}{name}", i["CustomerID"]["S"], i["DateTime"]["S"]): i
        for name in data.items
        for i in data.items[name]
    }
    assert len(report.pairs) == 100
    for pair in report.pairs:
        rows = [
            known[row.table, row.key["CustomerID"]["S"], row.key["DateTime"]["S"]] for row in (pair.first, pair.later)
        ]
        assert rows[0] is not rows[1]
        (key,) = {day(row) for row in rows}
        assert key is not None and pair.key["CustomerID"] == {"S": key[0]}
        assert datetime.fromtimestamp(int(pair.key["CreationDateTime"]["N"]), UTC).strftime("%Y-%m-%d") == key[1]


def test_only_keys_are_asked_for(data: Data) -> None:
    plan = data.plan(BY_DAY)
    sent = {scan.request for scan in reduced(plan.physical).scans}
    assert all("Large" not in request and "OrderID" not in request for request in sent)
    assert all("CustomerID" in request and "DateTime" in request for request in sent)
    with_star = reduced(data.plan(COPY).physical)
    assert json.loads(with_star.scans[0].request)["ExpressionAttributeNames"].keys() == {"#p0", "#p1"}


def test_where_and_limit_hold(data: Data) -> None:
    spec = BY_DAY.replace("ON CONFLICT", "WHERE contains(OrderID, '3') ON CONFLICT")
    report = data.plan(spec).dry()
    found = [item for item in data.rows() if "3" in item["OrderID"]["S"]]
    assert report.progress.filtered == len(data.rows()) - len(found)
    assert report.rows + report.progress.rejected == len(found)
    assert report.collisions == collisions(found)
    limited = data.plan(BY_DAY.replace("ON CONFLICT", "LIMIT 40 ON CONFLICT")).dry()
    assert limited.rows == limited.progress.read - limited.progress.rejected == 40 and not limited.stopped
    assert limited.collisions < 40


def test_what_the_pass_keeps_is_gone_with_it(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[int] = []

    def look(progress: Progress) -> None:
        seen.append(len(os.listdir(tmp_path)))

    assert data.plan(BY_DAY).dry(progress=look, interval=0.001).collisions
    assert max(seen) == 1 and os.listdir(tmp_path) == []


def test_a_stop_ends_it(data: Data) -> None:
    stop = threading.Event()
    stop.set()
    report = data.plan(BY_DAY, options=("read = 5 rcu",)).dry(stop=stop)
    assert report.stopped and report.progress.read < len(data.rows())


def test_rejected_rows_are_passed_over_too_and_the_dry_pass_agrees_with_the_run(data: Data, tmp_path: Path) -> None:
    tables.create(data.server, f"{data.target}Run", ("CustomerID", "S"), ("CreationDateTime", "N"))
    plan = data.plan(BY_DAY.replace("{p}Target", "{p}TargetRun"), options=("max_rejects = 100%",))
    before = plan.dry()
    report = plan.run(state_dir=tmp_path)
    late, broken = collisions(data.rows()), sum(day(item) is None for item in data.rows())
    assert (report.progress.collisions, report.progress.rejected) == (late, late + broken)
    assert (before.collisions, before.progress.rejected) == (late, broken)
    assert before.rows == report.progress.written + late
    assert report.rejects is not None
    again = plan.over(report.rejects).dry()
    assert again.progress.read == late + broken and again.progress.rejected == broken


def test_a_target_that_is_to_be_made_is_not_made(data: Data) -> None:
    spec = BY_DAY.replace("{p}Target", "{p}New KEY (CustomerID, CreationDateTime)")
    assert data.plan(spec).dry().collisions == collisions(data.rows())
    assert data.plan(spec).changes != ()


def test_a_plan_without_a_target_or_tables_is_refused(data: Data) -> None:
    with pytest.raises(JobFailed, match="no target"):
        data.plan("SELECT * FROM {p}A").dry()
    with pytest.raises(JobFailed, match="offline"):
        ddbetl.check("INSERT INTO Copy SELECT * FROM Orders ON CONFLICT REPLACE").dry()
    with pytest.raises(JobFailed, match="ttl_attribute"):
        data.plan(BY_DAY).expiry(0)


def test_a_table_that_is_gone_ends_it_with_advice(data: Data) -> None:
    name = f"{data.prefix}Gone"
    tables.create(data.server, name, ("CustomerID", "S"))
    plan = data.plan("INSERT INTO {p}Copy SELECT *, 'a' AS DateTime FROM {p}Gone ON CONFLICT REPLACE")
    data.server.client().delete_table(TableName=name)
    with pytest.raises(JobFailed, match=f"Scan of {name}") as failed:
        plan.dry()
    assert "resume" not in str(failed.value)


# Expiry


EXPIRING = COPY + "\nWITH (ttl_attribute = Expires)"


def test_expiry_is_that_of_the_reference(data: Data) -> None:
    at = START + 100 * 86400
    expiry, report = data.plan(EXPIRING).expiry(at)
    times = [int(item["Expires"]["N"]) for item in data.rows("A") if "Expires" in item]
    assert (expiry.rows, expiry.never) == (COUNT, COUNT - len(times))
    assert expiry.expired == sum(time <= at for time in times)
    assert expiry.kept == 0
    months = Counter((when.year, when.month) for when in (datetime.fromtimestamp(time, UTC) for time in times))
    assert expiry.months == months and list(expiry.months) == sorted(months)
    assert report.rows == COUNT
    late, _ = data.plan(EXPIRING).expiry(START + TOO_LONG_PAST + 1)
    assert late.kept == sum(time < START + 1 for time in times)


def test_rows_that_are_left_out_do_not_count(data: Data) -> None:
    expiry, report = data.plan(EXPIRING.replace(")", ", skip_expired = true)")).expiry(START)
    assert expiry.rows == expiry.never == COUNT // 10 and expiry.months == {}
    assert report.progress.filtered == COUNT - COUNT // 10


def test_a_limit_holds_for_them_too(data: Data) -> None:
    expiry, report = data.plan(EXPIRING.replace("ON CONFLICT", "LIMIT 33 ON CONFLICT")).expiry(START)
    assert (expiry.rows, report.rows) == (33, 33)


def test_numbers_in_every_form_are_counted() -> None:
    count = ExpiryCount("ex", 1_500_000_000)
    items = [{"id": {"S": "a"}, "ex": {"N": text}} for text in ("1500000000", "15E8", "1500000001.0")]
    body = json.dumps(
        {"RequestItems": {"T": [{"PutRequest": {"Item": item}} for item in [*items, {"id": {"S": "b"}}]]}}
    )
    count.add(Batch(body.encode(), (0, 1, 2, 3), 4.0))
    found = count.result()
    assert (found.rows, found.expired, found.never, dict(found.months)) == (4, 2, 1, {(2017, 7): 3})


def test_bars_have_the_months_between_and_many_are_years() -> None:
    shown = ttl.bars({(2017, 1): 8, (2017, 4): 1}, 1488355200)
    plain = list(map(click.unstyle, shown))
    assert [line.split()[0] for line in plain] == ["2017-01", "2017-02", "2017-03", "2017-04"]
    assert plain[0].endswith("past") and plain[2].endswith("now") and "█" * 40 in plain[0]
    assert plain[3] == "  2017-04  1  █████" and plain[1].split() == ["2017-02", "0", "past"]
    years = list(map(click.unstyle, ttl.bars({(2010, 1): 1, (2010, 2): 1, (2030, 12): 4}, 1488355200)))
    assert [line.split()[:2] for line in years] == [["2010", "2"], ["2030", "4"]]
    assert ttl.bars({}, 0) == []


# The commands


def invoke(data: Data, *arguments: str) -> Result:
    return CliRunner().invoke(
        cli, [*arguments, "--progress", "none", "--endpoint-url", data.server.endpoint_url], prog_name="ddbetl"
    )


def test_check_finds_the_exact_number(data: Data) -> None:
    found = invoke(data, "check", data.text(BY_DAY), "--collisions")
    assert found.exit_code == ExitCode.REJECTS, found.output
    assert f"Reads 2 tables: {data.prefix}A, {data.prefix}B" in found.stderr and "Nothing is written." in found.stderr
    first = f"{collisions(data.rows()):,} rows have a key of {data.target} that another row has before"
    assert found.stdout.startswith(first)
    assert re.search(rf"{data.prefix}[AB] CustomerID = C\d, DateTime = 2017-", " ".join(found.stdout.split()))
    as_json = invoke(data, "check", data.text(BY_DAY), "--collisions", "--json")
    value = json.loads(as_json.stdout)
    assert (value["rows"], len(value["first"]), value["read"]) == (collisions(data.rows()), 100, len(data.rows()))


def test_check_without_collisions_ends_well(data: Data) -> None:
    spec = data.text(BY_DAY.replace("date_trunc('day', parse_time(DateTime))", "DateTime").replace(", {p}B", ""))
    found = invoke(data, "check", spec, "--collisions")
    assert found.exit_code == ExitCode.DONE, found.output
    assert "no two of 294 rows have one key" in found.stdout
    assert "6 rows would be rejected" in found.stdout


def test_a_proof_costs_nothing(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ddbetl.Plan, "dry", None)
    found = invoke(data, "check", data.text(COPY), "--collisions")
    assert found.exit_code == ExitCode.DONE, found.output
    assert "No two rows can collide" in found.stdout and "Nothing was read." in " ".join(found.stdout.split())
    assert json.loads(invoke(data, "check", data.text(COPY), "--collisions", "--json").stdout)["rows"] == 0


@pytest.mark.parametrize(
    ("asked", "code"), [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)]
)
def test_an_interruption_leaves_nothing(asked: signal.Signals, code: ExitCode, data: Data, tmp_path: Path) -> None:
    orders = Orders(data.server, "", (), data.target, 0)
    slowly = ["--collisions", "--with", "read = 1 rcu", "--with", "consistent_read = true", "--progress", "plain"]
    with background(orders, "check", data.text(BY_DAY), *slowly, folder=tmp_path, TMPDIR=str(tmp_path)) as running:
        assert running.stderr is not None
        deadline = time.monotonic() + 30
        while not os.listdir(tmp_path):
            assert time.monotonic() < deadline and running.poll() is None
            time.sleep(0.01)
        running.send_signal(asked)
        out, err = running.communicate(timeout=30)
    assert running.returncode == code, err
    assert_tidy(err)
    assert "Interrupted." in err and out == "" and os.listdir(tmp_path) == []


def test_json_belongs_to_collisions(data: Data) -> None:
    assert invoke(data, "check", data.text(COPY), "--json").exit_code == ExitCode.USAGE


def test_ttl_shows_the_share_and_the_months(data: Data) -> None:
    found = invoke(data, "ttl", data.text(EXPIRING), "--at", "2017-06-01T00:00:00Z")
    assert found.exit_code == ExitCode.DONE, found.output
    at = 1496275200
    expired = sum(int(item["Expires"]["N"]) <= at for item in data.rows("A") if "Expires" in item)
    assert found.stdout.startswith(
        f"{expired} of 300 rows ({round(100 * expired / 300)}%) expire by 2017-06-01T00:00:00Z"
    )
    assert "  30 rows without Expires: never" in found.stdout
    assert "2017-03" in found.stdout and "2017-12" in found.stdout
    value = json.loads(invoke(data, "ttl", data.text(EXPIRING), "--at", "2017-06-01", "--json").stdout)
    assert (value["at"], value["expired"], value["rows"]) == ("2017-06-01T00:00:00Z", expired, 300)
    assert sum(value["months"].values()) == 270


def test_ttl_needs_the_attribute_and_a_time(data: Data) -> None:
    missing = invoke(data, "ttl", data.text(COPY))
    assert missing.exit_code == ExitCode.SPEC_ERROR and "ttl_attribute = column" in missing.stderr
    for time_of_no_day in ("99999-01-01T00:00:00Z", "1960-01-01"):
        assert invoke(data, "ttl", data.text(EXPIRING), "--at", time_of_no_day).exit_code == ExitCode.USAGE
    wrong = invoke(data, "ttl", data.text(EXPIRING), "--at", "tomorrow")
    assert wrong.exit_code == ExitCode.USAGE and "it looks like 2017-06-01" in " ".join(wrong.stderr.split())
