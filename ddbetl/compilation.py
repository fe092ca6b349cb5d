"""From inputs to a physical plan: parse, look the tables up, analyze, optimize, plan, look at the target.

In: Inputs, the clock. Out: the plan, with what was asked for it. Invariant: a server is asked for what the spec
names, once; compiling again over the same answers asks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from ddbetl import preflight, python_files
from ddbetl.errors import ConnectionFailed
from ddbetl.inputs import Inputs
from ddbetl.plan.analyzer import Overrides, Wanted, analyze, wanted
from ddbetl.plan.budget import NEW_READS, NEW_WRITES, with_throughput
from ddbetl.plan.catalog import Catalog, Connection, Site, TableDescription
from ddbetl.plan.logical import Table
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.plan.planner import plan
from ddbetl.plan.sampled_warnings import warnings as seen_in
from ddbetl.plan.samples import Samples
from ddbetl.plan.traffic import Traffic, Usage, warnings
from ddbetl.plan.warnings import of_writing
from ddbetl.source import SourceText
from ddbetl.syntax import ast, parser
from ddbetl.types import Timestamp

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

    from ddbetl.connectors.dynamodb.control import Control
    from ddbetl.connectors.dynamodb.tables import TargetState


@dataclass(frozen=True, slots=True)
class Answers:
    """What the servers said. ``controls``: the sessions that they were asked by. ``target``: see preflight.
    ``traffic``: None where nobody asked."""

    catalog: Catalog
    controls: Mapping[Connection, Control]
    target: TargetState | None = None
    traffic: Traffic | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """What a spec names, whether it is there or not. ``creates``: whether a target that is missing is to be made."""

    tables: tuple[Wanted, ...]
    creates: bool


def named(inputs: Inputs, now: Timestamp) -> Named:
    """The tables that a spec names, without asking a server."""
    spec, overrides = _parse(inputs)
    write = spec.statement.write
    return Named(wanted(spec, inputs.params, overrides, now), isinstance(write, ast.InsertInto) and bool(write.key))


def offline(inputs: Inputs, now: Timestamp) -> PhysicalPlan:
    """Compile without a server. Raises SpecError."""
    spec, overrides = _parse(inputs)
    return _plan_of(spec, overrides, inputs, now, None)


def online(
    inputs: Inputs,
    now: Timestamp,
    known: Mapping[Connection, Control],
    *,
    traffic: bool = False,
    made: Table | None = None,
) -> tuple[PhysicalPlan, Answers]:
    """Compile against the tables that there are. ``known``: sessions that there are already. ``traffic``: whether to
    ask how much of the tables is in use. ``made``: a table that was made just now.

    Raises SpecError, ConnectionFailed.
    """
    spec, overrides = _parse(inputs)
    try:
        answers = _ask(wanted(spec, inputs.params, overrides, now), known, now if traffic else None)
    except ConnectionFailed:
        # What is wrong with the spec itself can be said without a server.
        analyze(spec, None, inputs.params, overrides, now, python_files.used(spec, inputs.name))
        raise
    if made is not None:
        answers = replace(answers, catalog=_with_new(answers.catalog, made))
    return _planned(spec, overrides, inputs, now, answers)


def again(inputs: Inputs, now: Timestamp, answers: Answers) -> PhysicalPlan:
    """Compile with another clock, or other rates, against what the servers said before."""
    spec, overrides = _parse(inputs)
    physical, _ = _planned(spec, overrides, inputs, now, answers)
    return physical


def worker_plan(inputs: Inputs, now: Timestamp, catalog: Catalog) -> PhysicalPlan:
    """Compile in a worker process, against what the servers said to the job's: nothing is asked, or found, again."""
    spec, overrides = _parse(inputs)
    return _plan_of(spec, overrides, inputs, now, catalog)


def sampled(inputs: Inputs, physical: PhysicalPlan, samples: Samples) -> PhysicalPlan:
    """The plan with what samples of its tables show to be wrong."""
    spec, overrides = _parse(inputs)
    more = [*seen_in(physical, samples.sources)]
    if all(one.code != "W0114" for one in physical.warnings):
        more += of_writing(physical, partial(preflight.place, spec, overrides), samples)
    return replace(physical, warnings=(*physical.warnings, *more))


def _with_new(catalog: Catalog, made: Table) -> Catalog:
    """What a server does not say of a table that was made just now is what was announced: DynamoDB's of a new one."""
    where = (made.connection, made.name)
    described = catalog.tables.get(where)
    if described is None:
        return catalog
    return replace(catalog, tables={**catalog.tables, where: with_throughput(described, NEW_READS, NEW_WRITES)})


def _plan_of(
    spec: ast.Spec, overrides: Overrides, inputs: Inputs, now: Timestamp, catalog: Catalog | None
) -> PhysicalPlan:
    files = python_files.used(spec, inputs.name)
    return plan(optimize(analyze(spec, catalog, inputs.params, overrides, now, files)))


def _planned(
    spec: ast.Spec, overrides: Overrides, inputs: Inputs, now: Timestamp, answers: Answers
) -> tuple[PhysicalPlan, Answers]:
    physical = _plan_of(spec, overrides, inputs, now, answers.catalog)
    place = partial(preflight.place, spec, overrides)
    if answers.traffic is not None:
        busy = warnings(physical, answers.traffic, place)
        physical = replace(physical, warnings=(*physical.warnings, *busy))
    cold = of_writing(physical, place)
    physical = replace(physical, warnings=(*physical.warnings, *cold))
    write = physical.write
    if write is None:
        return physical, answers
    if answers.target is None:
        connection = write.table.connection
        state = preflight.ask(write, answers.catalog.sites.get(connection), answers.controls[connection])
        answers = replace(answers, target=state)
    found = preflight.findings(spec, overrides, write, answers.target)
    write = replace(write, switches_on=preflight.switches_on(write, answers.target))
    return replace(physical, write=write, warnings=(*physical.warnings, *found)), answers


def _parse(inputs: Inputs) -> tuple[ast.Spec, Overrides]:
    spec = parser.parse(SourceText(inputs.text, inputs.name))
    let_sources = [SourceText(let, f"--let {let!r}") for let in inputs.lets]
    option_sources = [SourceText(option, f"option {option!r}") for option in inputs.options]
    overrides = Overrides(
        tuple((parser.parse_let(source.text, source.name), source) for source in let_sources),
        tuple((parser.parse_option(source.text, source.name), source) for source in option_sources),
        inputs.into,
        inputs.on_conflict,
        Connection(inputs.region, inputs.profile, None, inputs.endpoint_url),
    )
    return spec, overrides


def _ask(
    wanted_tables: tuple[Wanted, ...], known: Mapping[Connection, Control], at: Timestamp | None = None
) -> Answers:
    """Ask the servers for the tables that a spec names; the names of all tables only where that helps. ``at``: when it
    is, if it matters how much of the tables is in use."""
    from ddbetl.connectors.dynamodb.control import Control

    sites: dict[Connection, Site] = {}
    tables: dict[tuple[Connection, str], TableDescription] = {}
    names: dict[Connection, tuple[str, ...]] = {}
    controls: dict[Connection, Control] = {}
    asking = _Asking(at)
    try:
        for connection in dict.fromkeys(w.connection for w in wanted_tables):
            here = [w for w in wanted_tables if w.connection == connection]
            control = controls[connection] = known.get(connection) or Control.open(connection)
            # Its connections are closed after the last question; its session and its credentials serve the run.
            with closing(control):
                exact = {w.pattern.name for w in here if w.pattern.name is not None}
                asking.begin(control, exact)
                found = control.describe(tuple(sorted(exact)))
                if len(found) < len(exact) or any(w.pattern.name is None for w in here):
                    names[connection] = control.table_names()
                    matched = {n for w in here if w.pattern.name is None for n in w.pattern.select(names[connection])}
                    asking.begin(control, matched - exact)
                    found |= control.describe(tuple(sorted(matched - exact)))
                sites[connection] = control.site(next(iter(found.values()), None))
            tables |= {(connection, name): description for name, description in found.items()}
        return Answers(Catalog(sites, tables, names), controls, traffic=asking.end())
    finally:
        asking.close()


class _Asking:
    """Asks how much of tables is in use, while something else is asked. ``at``: when it is; None: not at all."""

    def __init__(self, at: Timestamp | None) -> None:
        self._at = at
        self._pool: ThreadPoolExecutor | None = None
        self._asked: list[tuple[Connection, Future[Mapping[str, Usage] | str]]] = []
        self._unknown: dict[Connection, str] = {}

    def begin(self, control: Control, names: Iterable[str]) -> None:
        found = tuple(sorted(names))
        if self._at is None or not found:
            return
        from concurrent.futures import ThreadPoolExecutor

        from ddbetl.connectors.dynamodb.traffic import usage, why

        try:
            client = control.cloudwatch()
        except ConnectionFailed as error:
            self._unknown[control.connection] = why(error)
            return
        if client is not None:
            self._pool = self._pool or ThreadPoolExecutor()
            self._asked.append((control.connection, self._pool.submit(usage, client, found, self._at)))

    def end(self) -> Traffic | None:
        if self._at is None:
            return None
        tables: dict[tuple[Connection, str], Usage] = {}
        for connection, asked in self._asked:
            match asked.result():
                case str() as reason:
                    self._unknown[connection] = reason
                case found:
                    tables |= {(connection, name): one for name, one in found.items()}
        return Traffic(tables, self._unknown)

    def close(self) -> None:
        if self._pool is not None:
            # Whoever interrupts does not wait for a server that does not answer.
            self._pool.shutdown(wait=False, cancel_futures=True)
