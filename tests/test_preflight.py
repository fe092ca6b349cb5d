"""Before the first row: what is asked of a target, what is in the way, and what a run changes."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import compiling
import pytest
import servers
import tables
from click.testing import CliRunner, Result
from processes import Open, Orders, assert_tidy, orders_on, terminals
from servers import Server

import ddbetl
from ddbetl import jobs
from ddbetl.api import Plan
from ddbetl.cli import writes
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.connectors.dynamodb.control import Control
from ddbetl.connectors.dynamodb.tables import TimeToLive, time_to_live
from ddbetl.errors import JobFailed, SpecError
from ddbetl.plan.catalog import Connection
from ddbetl.preflight import SwitchOnExpiry

TABLES = """
Orders (OrderID S), no recovery
Archive (OrderID S)
Lost (OrderID S), no recovery
Short (OrderID S), expires by Expires
"""


def asked(spec: str, options: Sequence[str] = (), **more: str) -> tuple[Plan, list[str]]:
    """A plan over made-up tables, and what was asked beside their descriptions."""
    with compiling.control_plane(TABLES) as opened:
        plan = ddbetl.compile(spec, options=options, **more)  # type: ignore[arg-type]
        (control,) = opened
    return plan, [one for one in control.asked if one.split()[0] in ("DescribeTimeToLive", "DescribeContinuousBackups")]


# What is asked


@pytest.mark.parametrize(
    ("clause", "recovery"),
    [
        ("ON CONFLICT REPLACE", True),
        ("ON CONFLICT KEEP NEWEST BY Version", True),
        ("ON CONFLICT SKIP", False),
        ("ON CONFLICT FAIL", False),
        ("", False),
    ],
)
@pytest.mark.parametrize("ttl", [False, True])
def test_only_what_matters_is_asked(clause: str, recovery: bool, ttl: bool) -> None:
    options = ["ttl_attribute = Expires"] if ttl else []
    _, found = asked(f"INSERT INTO Archive SELECT OrderID, Version, Expires FROM Orders {clause}", options)
    assert found == ["DescribeTimeToLive Archive"] * ttl + ["DescribeContinuousBackups Archive"] * recovery


@pytest.mark.parametrize("statement", ["MERGE INTO Lost SELECT *", "DELETE FROM Lost USING SELECT OrderID"])
def test_what_is_lost_is_said_in_the_words_of_the_action(statement: str) -> None:
    plan, found = asked(f"{statement} FROM Orders")
    assert found == ["DescribeContinuousBackups Lost"]
    (warning,) = [one for one in plan.warnings if one.code == RECOVERY]
    assert ("deletes" if "DELETE" in statement else "overwrites") in warning.message
    assert "point-in-time recovery is off" in plan.explain()


def test_a_server_without_accounts_is_not_asked_about_recovery() -> None:
    spec = "INSERT INTO Lost SELECT * FROM Orders ON CONFLICT REPLACE"
    plan, found = asked(spec, endpoint_url="http://127.0.0.1:9")
    assert found == [] and plan.target is None
    assert plan.warnings == ()


def test_nothing_is_asked_of_no_target() -> None:
    plan, found = asked("SELECT * FROM Orders")
    assert found == [] and plan.target is None and plan.changes == ()


def test_the_place_is_the_option_that_counts() -> None:
    spec = "INSERT INTO Short SELECT * FROM Orders WITH (ttl_attribute = Other)"
    with pytest.raises(SpecError) as failed:
        asked(spec, ["ttl_attribute = Third"])
    (one,) = failed.value.diagnostics
    assert one.code == EXPIRES and "expire by Expires already" in one.message
    assert one.source is not None and one.source.text == "ttl_attribute = Third"
    assert asked(spec, ["ttl_attribute = Expires"])[0].changes == ()


RECOVERY, EXPIRES = "W0110", "E0419"


# What a run changes, in words


def test_the_changes_in_words() -> None:
    spec = "INSERT INTO New KEY (OrderID, Day) SELECT OrderID, epoch(Day) AS Day, Expires FROM Orders"
    plan, found = asked(spec, ["ttl_attribute = Expires"])
    assert found == []
    assert list(map(str, plan.changes)) == [
        "create table New, key (OrderID STRING, Day NUMBER), on demand",
        "switch on time to live of New by Expires",
    ]
    assert writes.changes(plan)[0].startswith("creates table New") and writes.changes(plan)[1].startswith("switches on")
    assert writes.question(plan, anew=False) == (
        "Create New, switch on the time to live of New by Expires, and write to New?"
    )
    paid, _ = asked(spec, ["billing = provisioned 100 rcu 2500 wcu"])
    (create,) = paid.changes
    assert str(create) == "create table New, key (OrderID STRING, Day NUMBER), provisioned 100 rcu 2,500 wcu"
    assert "after a question: provisioned 100 rcu 2,500 wcu" in paid.explain()


def test_the_questions() -> None:
    plan, _ = asked("INSERT INTO Archive SELECT * FROM Orders")
    assert plan.changes == ()
    assert writes.question(plan, anew=False) == "Write to Archive?"
    assert writes.question(plan, anew=True) == "Begin anew, and write to Archive?"
    deleting, _ = asked("DELETE FROM Archive USING SELECT OrderID FROM Orders")
    assert writes.question(deleting, anew=False, rows=1234) == "Delete up to 1,234 items of Archive?"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("INSERT OVERWRITE Archive SELECT * FROM Orders", "Archive, in place of items with the same key"),
        (
            "INSERT INTO Archive SELECT * FROM Orders",
            "Archive, only where the key is not there yet; where another item has it, the row is rejected",
        ),
        (
            "INSERT INTO Archive SELECT * FROM Orders ON CONFLICT SKIP",
            "Archive, only where the key is not there yet; where another item has it, the row is skipped",
        ),
        (
            "INSERT INTO Archive SELECT * FROM Orders ON CONFLICT FAIL",
            "Archive, only where the key is not there yet; the first other item that has it ends the run",
        ),
        (
            "INSERT INTO Archive SELECT * FROM Orders ON CONFLICT KEEP NEWEST BY Version",
            "Archive, in place of items with the same key whose Version is less or missing",
        ),
        (
            "MERGE INTO Archive SELECT OrderID, a, b, c, d, e, f, g, h FROM Orders",
            "Archive: sets a, b, c, d, e, f and 2 more of existing items; where there is none, it makes one",
        ),
        (
            "MERGE INTO Archive ON MISSING SKIP SELECT * FROM Orders",
            "Archive: sets all attributes of the row of existing items; where there is none, the row is skipped",
        ),
        ("DELETE FROM Archive USING SELECT OrderID FROM Orders", "the items of Archive that have the key of a row"),
    ],
)
def test_the_header_says_what_becomes_of_existing_items(spec: str, said: str) -> None:
    plan, _ = asked(spec)
    assert writes.effect(plan.physical)[1] == said


# In deed


@pytest.fixture
def orders(one_server: Server) -> Orders:
    return orders_on(one_server)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def terminal(folder: Path) -> Iterator[Open]:
    with terminals(folder) as opened:
        yield opened


def creating(orders: Orders) -> str:
    return (
        f"INSERT INTO {new(orders)} KEY (CustomerID, CreationDateTime) {orders.select} ON CONFLICT REPLACE "
        "WITH (ttl_attribute = CreationDateTime)"
    )


def new(orders: Orders) -> str:
    return f"{orders.target}_new"


def described(orders: Orders) -> tuple[bool, TimeToLive | None]:
    """Whether the new table is there, and how its items expire."""
    control = Control.open(Connection(endpoint=orders.server.endpoint_url))
    try:
        there = new(orders) in control.describe((new(orders),))
        return there, time_to_live(control, new(orders)) if there else None
    finally:
        control.close()


def compiled(orders: Orders, spec: str) -> Plan:
    return ddbetl.compile(spec, endpoint_url=orders.server.endpoint_url)


def invoke(orders: Orders, *arguments: str) -> Result:
    where = ["--endpoint-url", orders.server.endpoint_url, "--progress", "none"]
    return CliRunner().invoke(cli, [*arguments, *where], prog_name="ddbetl")


def test_prepared_makes_the_changes_once(orders: Orders, folder: Path) -> None:
    plan = compiled(orders, creating(orders))
    assert len(plan.changes) == 2 and described(orders) == (False, None)
    prepared = plan.prepared()
    assert prepared.changes == () and prepared.prepared() is prepared
    there, ttl = described(orders)
    assert there and ttl is not None and ttl.on and ttl.attribute == "CreationDateTime"
    assert prepared.physical.now == plan.physical.now
    # Whoever was killed in between finds the table.
    assert plan.prepared().physical.fingerprint == prepared.physical.fingerprint
    assert compiled(orders, creating(orders)).changes == ()


def test_a_table_that_is_made_is_written_at_the_rate_that_was_announced(orders: Orders, folder: Path) -> None:
    """The local server does not say what a new table takes at once; ten times as much is the default quota."""
    spec = creating(orders).replace("WITH (", "WITH (write = 10%, ")
    plan = compiled(orders, spec)
    made = plan.prepared()
    assert plan.physical.write is not None and made.physical.write is not None
    assert made.physical.write.budget.units == plan.physical.write.budget.units == 400
    log = folder / "log"
    assert plan.run(state_dir=folder / "jobs", log_file=log).outcome == "done"
    assert "rate_changed" not in log.read_text()


def test_only_the_expiry_is_switched_on(orders: Orders, folder: Path) -> None:
    tables.create(orders.server, new(orders), ("CustomerID", "S"), ("CreationDateTime", "N"))
    plan = compiled(orders, creating(orders))
    assert plan.changes == (SwitchOnExpiry(new(orders), "CreationDateTime"),)
    assert "run switches on time to live, after a question" in plan.explain()
    assert plan.explain_json()["target"]["switches_on_ttl"] is True
    plan.begin()
    _, ttl = described(orders)
    assert ttl is not None and ttl.on
    assert compiled(orders, creating(orders)).unfinished() is not None


def test_a_run_creates_its_target_and_fills_it(orders: Orders, folder: Path) -> None:
    report = compiled(orders, creating(orders)).run()
    assert report.progress.written == orders.rows
    assert len(tables.read(orders.server, new(orders))) == orders.rows


def test_run_says_what_it_creates_and_yes_says_yes(orders: Orders, folder: Path) -> None:
    refused = invoke(orders, "run", creating(orders))
    assert refused.exit_code == ExitCode.USAGE and described(orders) == (False, None)
    said = " ".join(refused.stderr.split())
    assert f"creates table {new(orders)}, key (CustomerID STRING, CreationDateTime NUMBER), on demand" in said
    assert f"switches on time to live of {new(orders)} by CreationDateTime" in said
    done = invoke(orders, "run", creating(orders), "--yes")
    assert done.exit_code == ExitCode.DONE, done.output
    assert len(tables.read(orders.server, new(orders))) == orders.rows


def test_the_question_names_what_is_created_and_no_creates_nothing(orders: Orders, terminal: Open) -> None:
    opened = terminal(orders, "run", creating(orders), columns=200)
    opened.until(f"Create {new(orders)}, switch on the time to live of {new(orders)} by CreationDateTime, and write to")
    opened.until("[y/N]: ")
    opened.type("n\n")
    assert opened.end() == ExitCode.INTERRUPTED
    assert described(orders) == (False, None) and jobs.jobs() == ()


def stopped(orders: Orders) -> str:
    """The id of a job that its first commit has ended."""
    stop = threading.Event()
    stop.set()
    report = compiled(orders, creating(orders)).run(stop=stop)
    assert report.outcome == "interrupted"
    return report.job


def test_a_job_whose_expiry_was_switched_off_beside_it_goes_on_after_a_question_only(
    orders: Orders, folder: Path
) -> None:
    job = stopped(orders)
    switch(orders, on=False)
    asked_for = f"switch on time to live of {new(orders)} by CreationDateTime"
    refused = invoke(orders, "run", creating(orders), "--resume")
    resumed = CliRunner().invoke(cli, ["resume", job, "--progress", "none"], prog_name="ddbetl")
    for one in (refused, resumed):
        assert one.exit_code == ExitCode.FAILED, one.output
        assert asked_for in one.stderr and "ddbetl run SPEC asks" in one.stderr
    with pytest.raises(JobFailed, match="its target has been changed since it began"):
        ddbetl.reopen(job).run(job=job)
    _, ttl = described(orders)
    assert ttl is not None and not ttl.on and not tables.read(orders.server, new(orders))
    done = invoke(orders, "run", creating(orders), "--yes")
    assert done.exit_code == ExitCode.DONE, done.output
    _, ttl = described(orders)
    assert ttl is not None and ttl.on and len(tables.read(orders.server, new(orders))) == orders.rows
    assert [one.id for one in jobs.jobs()] == [job]


def test_a_job_whose_target_is_gone_does_not_go_on(orders: Orders, folder: Path) -> None:
    job = stopped(orders)
    orders.server.client().delete_table(TableName=new(orders))
    refused = CliRunner().invoke(cli, ["resume", job, "--progress", "none"], prog_name="ddbetl")
    assert refused.exit_code == ExitCode.FAILED, refused.output
    assert f"table {new(orders)} is not there any more" in refused.stderr
    assert invoke(orders, "run", creating(orders), "--resume").exit_code == ExitCode.USAGE
    assert described(orders) == (False, None)
    done = invoke(orders, "run", creating(orders), "--yes")
    assert done.exit_code == ExitCode.DONE, done.output
    assert len(tables.read(orders.server, new(orders))) == orders.rows and len(jobs.jobs()) == 2


def switch(orders: Orders, *, on: bool) -> None:
    """Switch the expiry of the new table."""
    orders.server.client().update_time_to_live(
        TableName=new(orders), TimeToLiveSpecification={"Enabled": on, "AttributeName": "CreationDateTime"}
    )


def test_milliseconds_stop_a_run_before_anything_is_changed(orders: Orders, folder: Path) -> None:
    items: list[tables.Item] = [{"id": {"S": str(n)}, "Expires": {"N": str(1493201730876 + n)}} for n in range(30)]
    prefix = servers.new_prefix()
    tables.create(orders.server, f"{prefix}Source", ("id", "S"))
    tables.fill(orders.server, f"{prefix}Source", items)
    spec = f"INSERT INTO {new(orders)} KEY (id) SELECT id, Expires FROM {prefix}Source WITH (ttl_attribute = Expires)"
    for go_on in (compiled(orders, spec).run, compiled(orders, spec).begin):
        with pytest.raises(JobFailed, match=r"of the first 30 items none gives a time of expiry: Expires.*millisec"):
            go_on()
    assert described(orders) == (False, None) and jobs.jobs() == ()
    # One good row is enough to begin, and so is none that has the attribute.
    tables.fill(orders.server, f"{prefix}Source", [{"id": {"S": "a"}, "Expires": {"N": "1493201730"}}])
    compiled(orders, spec).begin()


def test_delete_counts_first_and_the_question_names_the_number(orders: Orders, terminal: Open) -> None:
    tables.fill(
        orders.server,
        orders.target,
        [{"CustomerID": {"S": "x"}, "CreationDateTime": {"N": str(n)}} for n in range(5)],
    )
    spec = f"DELETE FROM {orders.target} USING {orders.select.replace(', OrderID FROM', ' FROM')}"
    opened = terminal(orders, "run", spec)
    opened.until("Counting the rows")
    opened.until(f"Delete up to {orders.rows} items of {orders.target}? [y/N]: ")
    opened.type("n\n")
    assert opened.end() == ExitCode.INTERRUPTED
    assert_tidy(opened.written)
    assert jobs.jobs() == () and orders.written() == 5


def test_delete_of_nothing_begins_no_job(orders: Orders, terminal: Open) -> None:
    select = orders.select.replace(", OrderID FROM", " FROM").replace("> 0", "> 99")
    opened = terminal(orders, "run", f"DELETE FROM {orders.target} USING {select}")
    opened.until("nothing is to be deleted")
    assert opened.end() == ExitCode.DONE
    assert jobs.jobs() == ()
