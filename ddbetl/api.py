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
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddbetl import compilation, preflight
from ddbetl.compilation import Answers
from ddbetl.diagnostics import Diagnostic
from ddbetl.engine.folder import STATE_DIR, job_folder
from ddbetl.errors import JobFailed
from ddbetl.inputs import Inputs
from ddbetl.plan import cost
from ddbetl.plan import explain as explaining
from ddbetl.plan.catalog import Connection, Site
from ddbetl.plan.cost import Estimate
from ddbetl.plan.logical import Table
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.plan.prices import Prices, shipped
from ddbetl.plan.samples import Samples
from ddbetl.plan.traffic import Traffic
from ddbetl.plan.warnings import with_price
from ddbetl.preflight import Change
from ddbetl.source import SourceText
from ddbetl.types import Timestamp

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

    from ddbetl.connectors.dynamodb.access import Access
    from ddbetl.connectors.dynamodb.control import Control
    from ddbetl.connectors.dynamodb.tables import TargetState
    from ddbetl.engine.batches import Batch
    from ddbetl.engine.dry import DryReport as DryReport
    from ddbetl.engine.expiry import Expiry as Expiry
    from ddbetl.engine.preview import Preview as Preview
    from ddbetl.engine.reading import Source
    from ddbetl.engine.report import Progress as Progress
    from ddbetl.engine.report import RunReport as RunReport
    from ddbetl.engine.sample import AttributeReport as AttributeReport
    from ddbetl.engine.sample import TableReport as TableReport
    from ddbetl.engine.sending import Sender
    from ddbetl.engine.store import JobRecord, JobStore
    from ddbetl.engine.views import JobView
    from ddbetl.engine.workers import Workers

# Items that are looked at before a run with an expiry attribute begins.
SAMPLED = 100

NO_TARGET = "the spec has no target: INSERT INTO table, or --into table, gives it one"
OFFLINE = "the plan was made offline, by check: compile looks the tables up"


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:
        # It is gone.
        return Path()


@dataclass(frozen=True, slots=True)
class Plan:
    """A compiled spec. ``sites``: where its connections lead; empty when it was made offline. ``rejects``: the file of
    rejects whose rows alone are read; see ``over``. ``samples``: of its tables, if they were asked for. ``prices``:
    what units cost."""

    physical: PhysicalPlan
    inputs: Inputs
    sites: Mapping[Connection, Site] = field(default_factory=dict)
    rejects: Path | None = None
    samples: Samples | None = None
    prices: Prices = field(default_factory=shipped)
    _answers: Answers | None = field(default=None, repr=False, compare=False)
    # Where names of files begin, whatever folder is the current one when the plan runs.
    _folder: Path = field(default_factory=_here, repr=False, compare=False)

    @property
    def controls(self) -> Mapping[Connection, Control]:
        """The sessions that the servers were asked by: asking for credentials once more could ask a person once more.
        None of a plan that was made offline."""
        return self._answers.controls if self._answers is not None else {}

    @property
    def target(self) -> TargetState | None:
        """What was asked of the target's settings; None where nothing was."""
        return self._answers.target if self._answers is not None else None

    @property
    def traffic(self) -> Traffic | None:
        """What the tables' users take at the moment; None where nobody asked."""
        return self._answers.traffic if self._answers is not None else None

    @property
    def source(self) -> SourceText:
        return self.physical.logical.source

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        return with_price(self.physical, self.sites, self.prices)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What a run changes beside writing rows: a table that it creates, an expiry that it switches on; ``str`` of
        each says it."""
        return preflight.changes(self.physical.write) if self.physical.write is not None else ()

    def prepared(self) -> Plan:
        """Make the changes that the plan tells of, without a question; the plan over the tables as they are then.

        Raises ConnectionFailed. Whatever is there already, made by an earlier attempt say, is as good.
        """
        write = self.physical.write
        if write is None or not self.changes:
            return self
        if not self.controls:
            raise JobFailed(OFFLINE)
        with closing(self.controls[write.table.connection]) as control:
            preflight.prepare(write, control)
        return self._as_it_is(write.table if write.create is not None else None)

    def _as_it_is(self, made: Table | None = None) -> Plan:
        """The plan over the tables as they are now; ``made``: one that was made just now."""
        plan = _plan(self.inputs, *compilation.online(self.inputs, self.physical.now, self.controls, made=made))
        if self.rejects is None:
            return plan
        known = {scan.table.name: scan.table.description for scan in self.physical.scans}
        return plan._over(self.rejects, {name: one.items if one is not None else 0 for name, one in known.items()})

    def explain(self, *, verbose: bool = False, width: int = 100) -> str:
        """What the plan will do, as a page of text; costs no capacity units. ``verbose``: also the logical plan, what
        the optimizer's rules make of it, the SQL, its guards, and a request with a row that is made up. ``width``: the
        columns that the page is laid out for."""
        page = explaining.as_text(self._priced, self.sites, self.prices, self.samples, width, self.traffic)
        if not verbose:
            return page
        from ddbetl.plan import explain_verbose

        return f"{page}\n\n{explain_verbose.as_text(self.physical)}"

    def explain_html(self) -> str:
        """The same as one page of HTML, which needs nothing but itself."""
        from ddbetl.plan import explain_html

        return explain_html.page(self.explain_json())

    def explain_json(self) -> dict[str, Any]:
        """The same as a JSON value; its schema is in docs/explain.md."""
        return explaining.as_json(self._priced, self.sites, self.prices, self.samples, self.traffic)

    @property
    def _priced(self) -> PhysicalPlan:
        return replace(self.physical, warnings=self.warnings)

    def estimate(self) -> Estimate:
        """The job's units, dollars and time, as explain says them; costs no capacity units."""
        return cost.estimate(self.physical, self.sites, self.prices, self.samples)

    def sample(self, items: int = 100) -> Plan:
        """Read up to so many items of each source, and what the target has in the places of as many rows; the plan with
        what they show, for explain and estimate.

        What looks wrong in them is among its warnings. Raises JobFailed for a plan that was made offline.
        """
        from ddbetl.engine.loop import run_async
        from ddbetl.engine.measuring import sample

        access = self._access(connections=4)
        return self._sampled(run_async(lambda: sample(self.physical, access, items)))

    def _sampled(self, found: Samples) -> Plan:
        return replace(self, physical=compilation.sampled(self.inputs, self.physical, found), samples=found)

    def preview(self, rows: int = 20) -> Preview:
        """The first rows that ``run`` would write. Reads as few pages as it needs, and writes nothing."""
        from ddbetl.engine.loop import run_async
        from ddbetl.engine.preview import preview

        access = self._access(connections=4)
        return run_async(lambda: preview(self.physical, access, rows))

    def dry(
        self,
        *,
        progress: Callable[[Progress], None] | None = None,
        interval: float = 0.25,
        stop: threading.Event | None = None,
    ) -> DryReport:
        """Read the sources as ``run`` would, and write nothing: how many rows there are, and how many of them meet the
        target key of another.

        Only the target's key is read and computed. Raises JobFailed when the pass cannot go on.
        """
        return self._dry(None, progress, interval, stop)

    def expiry(
        self,
        at: int,
        *,
        progress: Callable[[Progress], None] | None = None,
        interval: float = 0.25,
        stop: threading.Event | None = None,
    ) -> tuple[Expiry, DryReport]:
        """When the rows that ``run`` would write expire, by a dry pass. ``at``: the moment to ask about, in seconds
        since 1970 UTC. Raises JobFailed, also for a plan without ``ttl_attribute``."""
        from ddbetl.engine.expiry import ExpiryCount

        write = self.physical.write
        if write is None or write.ttl_attribute is None:
            raise JobFailed("the plan has no ttl_attribute: WITH (ttl_attribute = column) names it")
        count = ExpiryCount(write.ttl_attribute, at)
        report = self._dry(count.add, progress, interval, stop)
        return count.result(), report

    def _dry(
        self,
        each: Callable[[Batch], None] | None,
        progress: Callable[[Progress], None] | None,
        interval: float,
        stop: threading.Event | None,
    ) -> DryReport:
        from ddbetl.engine.dry import dry, reduced
        from ddbetl.engine.loop import run_async
        from ddbetl.engine.reading import READERS

        write = self.physical.write
        if write is None:
            raise JobFailed(NO_TARGET)
        plan = reduced(self.physical, *([write.ttl_attribute] if write.ttl_attribute is not None else []))
        access, source, stopped = self._access(connections=READERS), self._source(), stop or threading.Event()
        return run_async(
            lambda: dry(plan, access, stopped, each=each, source=source, progress=progress, interval=interval)
        )

    def over(self, rejects: str | os.PathLike[str]) -> Plan:
        """The plan over the rows of a file of rejects alone, which are read again by their keys.

        Raises JobFailed for a file that is none, or names tables that the plan does not read.
        """
        from ddbetl.engine.again import tables_of

        path = Path(rejects).resolve()
        rows = tables_of(path)
        if strange := rows.keys() - {scan.table.name for scan in self.physical.scans}:
            raise JobFailed(f"{path} has rows of {', '.join(sorted(strange))}, which the spec does not read")
        if not rows:
            raise JobFailed(f"{path} has no rejected rows: there is nothing to run")
        return self._over(path, rows)

    def _over(self, path: Path, rows: Mapping[str, int]) -> Plan:
        scans = []
        for scan in self.physical.scans:
            if (count := rows.get(scan.table.name)) is not None:
                # What is read of the table, as far as progress is concerned.
                known = scan.table.description
                described = replace(known, items=count, size=0) if known is not None else None
                scans.append(replace(scan, table=replace(scan.table, description=described)))
        return replace(self, physical=replace(self.physical, scans=tuple(scans)), rejects=path, samples=None)

    def run(
        self,
        *,
        state_dir: str | os.PathLike[str] = STATE_DIR,
        progress: Callable[[Progress], None] | None = None,
        interval: float = 0.25,
        stop: threading.Event | None = None,
        job: str | None = None,
        log_file: str | os.PathLike[str] | None = None,
        metrics_file: str | os.PathLike[str] | None = None,
        workers: int | None = None,
    ) -> RunReport:
        """Run the plan to its end, its ``changes`` first; without a question, so ask before.

        ``job``: the unfinished job to go on with; otherwise a new one is begun in ``state_dir``. A job's changes were
        made when it began: where there are any again, it does not go on; ``prepared`` makes them. ``progress`` is
        called every ``interval`` seconds, and once at the end. Setting ``stop`` ends the run early, after what is in
        flight. ``log_file`` gets the log as JSON lines, ``metrics_file`` the progress as Prometheus reads it.
        ``workers``: how many processes do the work; see ``workers``.

        Raises JobFailed when the run cannot go on; its message says how to.
        """
        from ddbetl.engine.executor import Outlook
        from ddbetl.engine.loop import run_async
        from ddbetl.engine.reading import READERS
        from ddbetl.engine.runs import execute
        from ddbetl.engine.store import JobStore
        from ddbetl.engine.width import most

        access = self._access(connections=READERS + most())
        plan, store = self._begin(state_dir) if job is None else (self, JobStore.open(job_folder(state_dir, job)))
        stopped = stop or threading.Event()
        outlook = Outlook(
            progress,
            interval,
            Path(metrics_file) if metrics_file is not None else None,
            Path(log_file) if log_file is not None else None,
        )
        try:
            if job is not None:
                plan = self._as_of(store.record, store.rates())
                plan._check_job(store.record)
                plan = plan._unchanged(store.record)
            physical, source, others = plan.physical, plan._source(), plan._workers(workers)
            return run_async(lambda: execute(physical, access, store, stopped, outlook, source, others))
        finally:
            store.close()

    def workers(self, asked: int | None = None) -> int:
        """How many worker processes a run has; 1: it does the work itself. ``asked``: None for as many as make sense
        on this machine. A LIMIT, and rejected rows, are for one process, whatever is asked."""
        from ddbetl.engine.cores import usable_cores, workers_for

        if asked is not None and asked < 1:
            raise ValueError(f"workers = {asked}: a run has one process at least")
        if self.rejects is not None or self.physical.limit is not None:
            return 1
        return asked if asked is not None else workers_for(self.physical, usable_cores())

    def _workers(self, asked: int | None) -> Workers | None:
        """The processes that do the work; None: this one."""
        from ddbetl.engine.workers import Workers

        number = self.workers(asked)
        if number == 1 or self._answers is None:
            return None
        inputs = replace(self.inputs, name=str(self._folder / self.inputs.name))
        recipe = partial(compilation.worker_plan, inputs, self.physical.now, self._answers.catalog)
        return Workers(number, recipe)

    def begin(self, *, state_dir: str | os.PathLike[str] = STATE_DIR) -> str:
        """Make a job of the plan without running it, for ``run(job=...)``, also in another process; its id.

        Makes the plan's ``changes``.
        """
        _, store = self._begin(state_dir)
        store.close()
        return store.record.id

    def _begin(self, state_dir: str | os.PathLike[str]) -> tuple[Plan, JobStore]:
        """A new job, and the plan over the tables as they are when it begins."""
        from ddbetl.engine.runs import record_of
        from ddbetl.engine.store import JobStore

        if self.physical.write is None:
            raise JobFailed(NO_TARGET)
        if not self.controls:
            raise JobFailed(OFFLINE)
        self._look_at_expiry()
        plan = self.prepared()
        inputs = asdict(self.inputs) | {"from_rejects": str(self.rejects) if self.rejects is not None else None}
        made = datetime.now(UTC)
        job_id = made.strftime("%Y%m%d-%H%M%S-") + secrets.token_hex(2)
        segments = 1 if self.rejects is not None else None
        record = record_of(plan.physical, job_id, made.isoformat(timespec="microseconds"), inputs, segments=segments)
        return plan, JobStore.create(job_folder(state_dir, job_id), record)

    def _look_at_expiry(self) -> None:
        """Refuse to begin where no time of expiry of the first rows is one: milliseconds, say."""
        from ddbetl.engine.loop import run_async
        from ddbetl.engine.preview import preview

        write = self.physical.write
        if write is None or write.ttl_attribute is None or self.rejects is not None:
            return
        attribute, access = write.ttl_attribute, self._access(connections=4)
        found = run_async(lambda: preview(self.physical, access, SAMPLED, most_read=SAMPLED))
        wrong = [reject for reject in found.rejects if reject.code == "R0305"]
        if wrong and not any(attribute in row for row in found.rows):
            raise JobFailed(
                f"of the first {found.read:,} items none gives a time of expiry: {wrong[0].message}\n"
                "Nothing was written. Mend the column; ddbetl preview shows the rows."
            )

    def _source(self) -> Callable[[Mapping[Connection, Sender]], Source] | None:
        """Where a job's rows come from, if not from the plan's tables."""
        from ddbetl.engine.again import RejectedRows

        path = self.rejects
        if path is None:
            return None
        return lambda senders: RejectedRows(path, senders, self.physical.logical.consistent_read)

    def _check_job(self, record: JobRecord) -> None:
        """Refuse to go on with a job of another plan."""
        from ddbetl.engine.changes import changes

        if record.inputs.get("from_rejects") != (str(self.rejects) if self.rejects is not None else None):
            raise JobFailed(f"job {record.id} reads other rows: --from-rejects makes a job of its own")
        found = changes(record, self.physical.fingerprint, self.physical.identity, self.inputs.text)
        if found:
            raise JobFailed(not_the_same(record, found))

    def _unchanged(self, record: JobRecord) -> Plan:
        """The plan over the tables as they are; JobFailed where the target is not as it was when the job began."""
        plan = self._as_it_is() if self.changes else self
        if plan.changes:
            raise JobFailed(not_as_begun(record.id, plan.changes), advised=True)
        return plan

    def unfinished(self, state_dir: str | os.PathLike[str] = STATE_DIR) -> JobView | None:
        """The job of this plan that is being run, or else the newest one if another run can go on with it."""
        from ddbetl.engine.views import JobView, views

        rejects = str(self.rejects) if self.rejects is not None else None
        ours = [
            view
            for view in views(Path(state_dir))
            if isinstance(view, JobView)
            and view.record.inputs.get("from_rejects") == rejects
            and self._makes(view.record)
        ]
        running = next((view for view in ours if view.running), None)
        return running or next((view for view in ours[:1] if view.unfinished), None)

    def _makes(self, record: JobRecord) -> bool:
        """Whether a job is one of this plan."""
        if record.fingerprint == self.physical.fingerprint:
            return True
        # In another year, two digits of one may mean another.
        then = datetime.fromtimestamp(record.now / 1000, UTC).year
        if record.inputs.get("text") != self.inputs.text or then == datetime.now(UTC).year:
            return False
        return self._as_of(record, {}).physical.fingerprint == record.fingerprint

    def as_of(self, job: JobView) -> Plan:
        """The plan that goes on with a job of it: with the job's now(), and the rates that were asked for since."""
        return self._as_of(job.record, job.rates)

    def _as_of(self, record: JobRecord, rates: Mapping[str, str]) -> Plan:
        asked = [f"{name} = {rate}" for name, rate in rates.items()]
        if self.rejects is None and self.physical.now.millis == record.now and set(asked) <= {*self.inputs.options}:
            return self
        inputs = replace(self.inputs, options=(*asked, *self.inputs.options))
        if self._answers is None:
            raise JobFailed(OFFLINE)
        physical = compilation.again(inputs, Timestamp(record.now), self._answers)
        plan = replace(self, physical=physical, inputs=inputs)
        return plan if self.rejects is None else plan._over(self.rejects, _rows(record, self.rejects))

    def _access(self, connections: int) -> dict[Connection, Access]:
        """How to reach every connection of the plan."""
        if not self.controls:
            raise JobFailed(OFFLINE)
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
    traffic: bool = False,
) -> Plan:
    """Compile a spec against the tables that there are; ListTables and DescribeTable are all that is asked.

    ``name``: of the spec's file, beside which are the files of USING. ``params`` are the values of PARAMs, ``lets``
    texts such as ``ttl = 365 days``, ``options`` such as ``read = 30%``.
    ``into`` and ``on_conflict`` give a bare SELECT its target. ``now`` freezes the job's clock. ``traffic``: CloudWatch
    is asked too, how much of the tables is in use, for explain.

    Raises SpecError (all independent errors), ConnectionFailed (no credentials, no server, no permission).
    """
    inputs = Inputs(
        text, name, dict(params or {}), tuple(lets), tuple(options), into, on_conflict, region, profile, endpoint_url
    )
    return compiled(inputs, now, traffic=traffic)


def compiled(inputs: Inputs, now: Timestamp | None = None, *, traffic: bool = False) -> Plan:
    """As ``compile``, with all its arguments in one value."""
    return _plan(inputs, *compilation.online(inputs, now or _now(), {}, traffic=traffic))


def _plan(inputs: Inputs, physical: PhysicalPlan, answers: Answers) -> Plan:
    return Plan(physical, inputs, answers.catalog.sites, _answers=answers)


def _rows(record: JobRecord, rejects: Path) -> dict[str, int]:
    """The rows of a file of rejects, by the tables that a job was begun with."""
    from ddbetl.engine.again import tables_of

    rows = tables_of(rejects)
    return {table.name: rows.get(table.name, 0) for table in record.tables}


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
    inputs = Inputs(
        text, name, dict(params or {}), tuple(lets), tuple(options), into, on_conflict, region, profile, endpoint_url
    )
    return checked(inputs, now)


def checked(inputs: Inputs, now: Timestamp | None = None) -> Plan:
    """As ``check``, with all its arguments in one value."""
    return Plan(compilation.offline(inputs, now or _now()), inputs)


def reopen(job: str, *, state_dir: str | os.PathLike[str] = STATE_DIR, options: Sequence[str] = ()) -> Plan:
    """The plan of an unfinished job, for ``run(job=...)``: compiled anew, with the job's now() and its splits.

    ``options``: such as ``write = 30%``, over those that the job was begun with. Raises JobFailed, with what is
    different, where the spec's file, the tables or the parameters are not what they were.
    """
    from ddbetl.engine.views import view

    found = view(job_folder(state_dir, job))
    record = found.record
    if not found.unfinished and not found.running:
        raise JobFailed(f"job {record.id} is {found.outcome}: there is nothing to go on with")
    given = {key: value for key, value in record.inputs.items() if key != "from_rejects"}
    inputs = Inputs(**given)
    asked = [f"{name} = {rate}" for name, rate in found.rates.items()]
    # The file may have been mended in what does not matter: a comment, a rate.
    inputs = replace(inputs, text=_text_now(inputs), options=(*inputs.options, *asked, *options))
    plan = compiled(inputs, Timestamp(record.now))
    if (path := record.inputs.get("from_rejects")) is not None:
        plan = plan._over(Path(path), _rows(record, Path(path)))
    plan._check_job(record)
    return plan


def _text_now(inputs: Inputs) -> str:
    """The spec as its file has it now; as the job has it, where there is no such file."""
    try:
        return Path(inputs.name).read_bytes().decode("utf-8-sig")
    except (OSError, ValueError):
        return inputs.text


def not_as_begun(job: str, changes: Sequence[Change]) -> str:
    """Why a job does not go on whose target has been changed beside it, and what can be done."""
    listed = "".join(f"\n  {change}" for change in changes)
    return (
        f"job {job} is not resumed without a question, because its target has been changed since it began; it would:"
        f"{listed}\nddbetl run SPEC asks, and goes on with the job."
    )


def not_the_same(record: JobRecord, different: Sequence[str]) -> str:
    """Why a plan cannot go on with a job, and what can be done."""
    listed = "".join(f"\n  {one}" for one in different)
    return (
        f"job {record.id} cannot be resumed, because what it was begun with has changed:{listed}\n"
        "Change it back and resume, or begin anew with ddbetl run SPEC --fresh."
    )


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


def _now() -> Timestamp:
    return Timestamp(time.time_ns() // 1_000_000)
