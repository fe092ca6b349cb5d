"""The time that a run has left, by a clock of the test: at first what explain says, then what is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from compiling import catalog
from planned import NOW

from ddbetl.connectors.dynamodb.budget import Budget
from ddbetl.engine.meter import FEWEST, PATIENCE, Flow, Meter, TableMeter
from ddbetl.plan.analyzer import Overrides, analyze
from ddbetl.plan.cost import estimate, expected_work
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.planner import plan as make_plan
from ddbetl.source import SourceText
from ddbetl.syntax import parser

COPY = "INSERT INTO Archive SELECT * FROM Orders ON CONFLICT REPLACE"
# Items of 1,000 bytes: a write unit each, and an eighth of a read unit.
TABLES = """
Orders (ID S), 10000 items, 10000000 bytes, provisioned 100 rcu 10 wcu
Archive (ID S), provisioned 100 rcu 20 wcu
"""
# The units of 1,000 such items.
READ_UNITS = 1000 * 1000 / 8192
WRITE_UNITS = 1000.0


@dataclass(slots=True)
class Run:
    """A run whose counters the test moves."""

    spec: str = COPY
    tables: str = TABLES
    now: float = 0.0
    meter: Meter = field(init=False)
    explained: float | None = field(init=False)

    def __post_init__(self) -> None:
        known = catalog(self.tables)
        physical = make_plan(optimize(analyze(parser.parse(SourceText(self.spec)), known, {}, Overrides(), NOW)))
        pace = estimate(physical).pace
        self.explained = pace.seconds.expected if pace is not None else None

        def budget(rate: float | None) -> Budget:
            return Budget(rate, clock=self.clock)

        tables = [TableMeter(scan, budget(scan.budget.units), 10, 0.0) for scan in physical.scans]
        assert physical.write is not None
        write, reads = budget(physical.write.budget.units), budget(physical.write.reads.units)
        self.meter = Meter(tables, write, reads, self.clock, 0.0, expected_work(physical))

    def clock(self) -> float:
        return self.now

    def left(self) -> float | None:
        return self.meter.progress().eta

    def goes(self, seconds: float, items: int, rows: int | None = None, table: int = 0, *, waiting: int = 0) -> None:
        """Read so many items, of which so many are rows; all are written but those that are ``waiting``."""
        self.now += seconds
        rows = items if rows is None else rows
        source = self.meter.tables[table]
        source.tally.add(read=items, filtered=items - rows, passed=rows, handed_over=rows, written=rows - waiting)
        source.budget.used += items / 1000 * READ_UNITS
        self.meter.write.used += (rows - waiting) / 1000 * WRITE_UNITS
        self.meter.progress()


def near(seconds: float) -> object:
    return pytest.approx(seconds, rel=0.02)


def test_a_run_begins_with_what_explain_says() -> None:
    run = Run()
    # 10,000 write units, of which 10 a second may be used.
    assert run.explained == near(1000) and run.left() == run.explained


def test_what_is_left_is_reckoned_as_explain_does() -> None:
    run = Run()
    for _ in range(4):
        run.goes(100, 1000)
    assert run.left() == near(600)
    assert run.meter.progress().fraction == pytest.approx(0.4)


def test_a_rate_that_is_changed_counts_at_once() -> None:
    run = Run()
    for _ in range(4):
        run.goes(100, 1000)
    run.meter.write.set_limit(5.0)
    assert run.left() == near(1200)


def test_rows_that_are_larger_than_expected_take_longer() -> None:
    run = Run()
    for _ in range(4):
        run.goes(100, 1000)
    run.meter.write.used *= 3
    assert run.left() == near(1800)


def test_a_machine_that_is_slower_than_the_budgets_is_measured() -> None:
    run = Run(f"{COPY} WITH (read = unlimited, write = unlimited)")
    assert run.explained == near(10)  # by what the table's one partition takes
    for _ in range(10):
        run.goes(1, 100)
    assert run.left() == near(90)


def test_a_machine_that_is_faster_than_was_assumed_is_measured() -> None:
    run = Run(f"{COPY} WITH (read = unlimited, write = unlimited)")
    for _ in range(5):
        run.goes(0.4, 1500)
    assert run.left() == pytest.approx(2500 / (1500 / 0.4), rel=0.02)


def test_rows_that_wait_to_be_written_are_left() -> None:
    run = Run()
    for _ in range(9):
        run.goes(1, 1000, waiting=1000)
    run.goes(1, 1000, waiting=990)
    run.meter.tables[0].segments_read = 10
    assert run.left() == near(999)


def test_what_where_leaves_out_is_not_written() -> None:
    run = Run(f"{COPY[: COPY.index(' ON ')]} WHERE a = 1 ON CONFLICT REPLACE")
    for _ in range(5):
        run.goes(10, 1000, rows=100)
    # 500 of 5,000 items are rows, so 500 more come: 50 seconds.
    assert run.left() == near(50)


def test_a_limit_ends_it_early() -> None:
    run = Run(COPY.replace(" ON ", " LIMIT 3000 ON "))
    assert run.left() == run.explained == near(300)
    run.goes(100, 1000)
    run.goes(100, 1000)
    assert run.left() == near(100)
    run.goes(100, 1000)
    assert run.left() == 0


def test_of_several_tables_the_slowest_counts() -> None:
    run = Run(
        "INSERT INTO Archive SELECT * FROM Orders_{1..2} ON CONFLICT REPLACE WITH (write = unlimited)",
        "Orders_1 (ID S), 10000 items, 10000000 bytes, provisioned 100 rcu 10 wcu\n"
        "Orders_2 (ID S), 10000 items, 10000000 bytes, provisioned 10 rcu 10 wcu\nArchive (ID S)",
    )
    # 1,221 read units, of which 5 a second may be used.
    assert run.explained == near(244)
    for _ in range(10):
        run.goes(1, 1000, table=0)
        run.goes(1, 41, table=1)
    run.meter.tables[0].segments_done = 10
    assert run.left() == near(244 * (1 - 0.041))


def test_a_resumed_run_is_measured_from_where_it_goes_on() -> None:
    run = Run(f"{COPY} WITH (read = unlimited, write = unlimited)")
    # What earlier runs have done, in no time of this one.
    run.goes(0, 5000)
    for _ in range(10):
        run.goes(1, 100)
    assert run.left() == near(40)


def test_where_nothing_gets_on_nothing_is_said() -> None:
    run = Run()
    for _ in range(FEWEST):
        run.goes(10, 100)
    assert run.left() is not None
    run.now += 100 * PATIENCE
    # It gets slower and slower; the budgets alone would say 970 seconds.
    slow = run.left()
    assert slow is not None and slow > 100_000
    stuck = Run()
    stuck.left()
    stuck.now += 2 * PATIENCE
    assert stuck.left() is None


def test_without_a_count_of_items_nothing_is_said_before_a_segment_is_done() -> None:
    run = Run(tables="Orders (ID S)\nArchive (ID S), provisioned 100 rcu 20 wcu")
    assert run.explained is None and run.left() is None
    for _ in range(4):
        run.goes(25, 250)
    assert run.left() is None
    run.meter.tables[0].segments_done = 2
    # A fifth is done, so 4,000 rows are left, of a write unit each.
    assert run.left() == near(400)


def test_without_sizes_the_first_rows_tell_what_rows_cost() -> None:
    run = Run(tables="Orders (ID S), 10000 items\nArchive (ID S), provisioned 100 rcu 20 wcu")
    assert run.explained is None and run.left() is None
    run.goes(25, 250, waiting=250)
    assert run.left() is None
    run.goes(25, 250)
    # 10,000 rows but for 250, of a write unit each.
    assert run.left() == near(975)


def test_more_items_than_were_counted_are_a_little_more() -> None:
    run = Run()
    for _ in range(12):
        run.goes(100, 1000)
    assert run.left() == near(12)
    run.meter.tables[0].segments_done = 10
    assert run.left() == 0


def test_a_flow_needs_some_steps() -> None:
    flow = Flow()
    assert flow.rate(0.0) is None
    for second in range(FEWEST):
        assert flow.rate(second) is None
        flow.look(second, 10.0 * second)
    assert flow.rate(2.0) == 10.0
    # What stands still is measured by its steps at first, then by the time that it takes.
    assert flow.rate(2.0 + PATIENCE) == 10.0
    assert flow.rate(4.0 + PATIENCE) == pytest.approx(5.0)


def test_a_flow_forgets() -> None:
    flow = Flow()
    for second in range(1000):
        flow.look(second, 10.0 * min(second, 500) + 1.0 * max(0, second - 500))
    assert flow.rate(999.0) == pytest.approx(1.0)
    # Few steps are kept however long ago they were.
    slow = Flow()
    for step in range(10):
        slow.look(100.0 * step, 50.0 * step)
    assert slow.rate(901.0) == pytest.approx(0.5)
