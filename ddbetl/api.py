"""The library's public face: compile a spec, then explain, preview or run it.

In: the text of a spec and what the command line would say. Out: a Plan. Invariant: compiling and explaining cost no
capacity units; only ``run`` writes.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import ConnectionFailed, JobFailed
from ddbetl.plan import explain as explaining
from ddbetl.plan.analyzer import Overrides, Wanted, analyze, wanted
from ddbetl.plan.catalog import Catalog, Connection, Site, TableDescription
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.plan.planner import plan as make_plan
from ddbetl.source import SourceText
from ddbetl.syntax import ast, parser
from ddbetl.types import Timestamp

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

    from ddbetl.connectors.dynamodb.access import Access
    from ddbetl.connectors.dynamodb.control import Control
    from ddbetl.engine.preview import Preview as Preview
    from ddbetl.engine.report import Progress as Progress
    from ddbetl.engine.report import RunReport as RunReport
    from ddbetl.engine.sample import AttributeReport as AttributeReport
    from ddbetl.engine.sample import TableReport as TableReport

STATE_DIR = ".ddbetl"


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled spec. ``sites``: where its connections lead; empty when it was made offline."""

    physical: PhysicalPlan
    sites: Mapping[Connection, Site] = field(default_factory=dict)
    # The sessions that the catalog was asked by: asking for credentials once more could ask a person once more.
    controls: Mapping[Connection, Control] = field(default_factory=dict, repr=False, compare=False)

    @property
    def source(self) -> SourceText:
        return self.physical.logical.source

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return self.physical.warnings

    def explain(self) -> str:
        """What the plan will do, as a page of text; costs no capacity units."""
        return explaining.as_text(self.physical, self.sites)

    def explain_json(self) -> dict[str, Any]:
        """The same as a JSON value; its schema is in docs/explain.md."""
        return explaining.as_json(self.physical, self.sites)

    def preview(self, rows: int = 20) -> Preview:
        """The first rows that ``run`` would write. Reads as few pages as it needs, and writes nothing."""
        from ddbetl.engine.loop import run_async
        from ddbetl.engine.preview import preview

        access = self._access(connections=4)
        return run_async(lambda: preview(self.physical, access, rows))

    def run(
        self,
        *,
        state_dir: str | os.PathLike[str] = STATE_DIR,
        progress: Callable[[Progress], None] | None = None,
        interval: float = 0.25,
        stop: threading.Event | None = None,
    ) -> RunReport:
        """Run the plan to its end; without a question, so ask before.

        ``progress`` is called every ``interval`` seconds, and once at the end. Setting ``stop`` ends the run early,
        after what is in flight. Raises JobFailed when the run cannot go on; its message says how to.
        """
        from ddbetl.engine.executor import READERS, WRITERS, execute
        from ddbetl.engine.loop import run_async

        if self.physical.write is None:
            raise JobFailed("the spec has no target: INSERT INTO table, or --into table, gives it one")
        folder = Path(state_dir) / "jobs" / _job_id()
        access = self._access(connections=READERS + WRITERS)
        stopped = stop or threading.Event()
        return run_async(lambda: execute(self.physical, access, folder, stopped, progress, interval))

    def _access(self, connections: int) -> dict[Connection, Access]:
        """How to reach every connection of the plan."""
        if not self.controls:
            raise JobFailed("the plan was made offline, by check: compile looks the tables up")
        return {connection: control.access(connections) for connection, control in self.controls.items()}


def compile(
    text: str,
    *,
    name: str = "<spec>",
    params: Mapping[str, str] | None = None,
    lets: Sequence[str] = (),
    options: Sequence[str] = (),
    into: str | None = None,
    on_conflict: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    now: Timestamp | None = None,
) -> Plan:
    """Compile a spec against the tables that there are; ListTables and DescribeTable are all that is asked.

    ``params`` are the values of PARAMs, ``lets`` texts such as ``ttl = 365 days``, ``options`` such as ``read = 30%``.
    ``into`` and ``on_conflict`` give a bare SELECT its target. ``now`` freezes the job's clock.

    Raises SpecError (all independent errors), ConnectionFailed (no credentials, no server, no permission).
    """
    default = Connection(region, profile, None, endpoint_url)
    spec, overrides = _parse(text, name, lets, options, into, on_conflict, default)
    given, fixed = dict(params or {}), now or _now()
    try:
        catalog, controls = _catalog(wanted(spec, given, overrides, fixed))
    except ConnectionFailed:
        # What is wrong with the spec itself can be said without a server.
        analyze(spec, None, given, overrides, fixed)
        raise
    logical = optimize(analyze(spec, catalog, given, overrides, fixed))
    return Plan(make_plan(logical), catalog.sites, controls)


def check(
    text: str,
    *,
    name: str = "<spec>",
    params: Mapping[str, str] | None = None,
    lets: Sequence[str] = (),
    options: Sequence[str] = (),
    into: str | None = None,
    on_conflict: str | None = None,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    now: Timestamp | None = None,
) -> Plan:
    """Compile a spec offline: everything is checked but what only the tables know. Raises SpecError."""
    default = Connection(region, profile, None, endpoint_url)
    spec, overrides = _parse(text, name, lets, options, into, on_conflict, default)
    logical = optimize(analyze(spec, None, dict(params or {}), overrides, now or _now()))
    return Plan(make_plan(logical))


def describe(
    table: str,
    *,
    region: str | None = None,
    profile: str | None = None,
    endpoint_url: str | None = None,
    sample: int = 100,
) -> TableReport:
    """A table's keys and capacity, and the attributes and types of its first ``sample`` items (0: none are read)."""
    from ddbetl.connectors.dynamodb.control import Control
    from ddbetl.engine.loop import run_async
    from ddbetl.engine.sample import missing_table, table_report

    connection = Connection(region, profile, None, endpoint_url)
    with closing(Control.open(connection)) as control:
        description = control.describe((table,)).get(table)
        if description is None:
            raise missing_table(table, control.table_names(), control.site())
        site = control.site(description)
        access = control.access(connections=1)
    return run_async(lambda: table_report(description, site, access, sample))


def report_json(report: RunReport) -> dict[str, Any]:
    """A run's report as a JSON value, the same as in the job's ``report.json``."""
    from ddbetl.engine.report import as_json

    return as_json(report)


def demo_client(endpoint_url: str) -> DynamoDBClient:
    """A boto3 client for a server on this machine, apart from all of the user's AWS configuration."""
    from ddbetl.connectors.dynamodb.control import local_client

    return local_client(endpoint_url)


def _parse(
    text: str,
    name: str,
    lets: Sequence[str],
    options: Sequence[str],
    into: str | None,
    on_conflict: str | None,
    connection: Connection,
) -> tuple[ast.Spec, Overrides]:
    spec = parser.parse(SourceText(text, name))
    let_sources = [SourceText(let, f"--let {let!r}") for let in lets]
    option_sources = [SourceText(option, f"option {option!r}") for option in options]
    overrides = Overrides(
        tuple((parser.parse_let(source.text, source.name), source) for source in let_sources),
        tuple((parser.parse_option(source.text, source.name), source) for source in option_sources),
        into,
        on_conflict,
        connection,
    )
    return spec, overrides


def _catalog(wanted_tables: tuple[Wanted, ...]) -> tuple[Catalog, dict[Connection, Control]]:
    """Ask the servers for the tables that a spec names; the names of all tables only where that helps."""
    from ddbetl.connectors.dynamodb.control import Control

    sites: dict[Connection, Site] = {}
    tables: dict[tuple[Connection, str], TableDescription] = {}
    names: dict[Connection, tuple[str, ...]] = {}
    controls: dict[Connection, Control] = {}
    for connection in dict.fromkeys(w.connection for w in wanted_tables):
        here = [w for w in wanted_tables if w.connection == connection]
        control = controls[connection] = Control.open(connection)
        # Its connections are closed after the last question; its session and its credentials serve the run.
        with closing(control):
            exact = {w.pattern.name for w in here if w.pattern.name is not None}
            found = control.describe(tuple(sorted(exact)))
            if len(found) < len(exact) or any(w.pattern.name is None for w in here):
                names[connection] = control.table_names()
                matched = {n for w in here if w.pattern.name is None for n in w.pattern.select(names[connection])}
                found |= control.describe(tuple(sorted(matched - exact)))
            sites[connection] = control.site(next(iter(found.values()), None))
        tables |= {(connection, name): description for name, description in found.items()}
    return Catalog(sites, tables, names), controls


def _job_id() -> str:
    return datetime.now(UTC).strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)


def _now() -> Timestamp:
    return Timestamp(time.time_ns() // 1_000_000)
