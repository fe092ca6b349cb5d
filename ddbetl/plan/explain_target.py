"""What explain says of the target: the request, what happens to an item that is there, what a row costs.

In: the write of a physical plan, the sites. Out: lines of the page, and the JSON value of ``target``. Invariant: every
action has its words here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ddbetl.expressions.projection import BATCH
from ddbetl.expressions.writing import ENTRIES, Action, Entry
from ddbetl.plan.budget import Budget
from ddbetl.plan.catalog import Connection, NewTable, Site
from ddbetl.plan.collisions import ALLOWED
from ddbetl.plan.layout import rate
from ddbetl.plan.options import ROWS_TO_TELL, RejectLimit
from ddbetl.plan.physical import WriteExec
from ddbetl.plan.scope import written
from ddbetl.plan.traffic import COMPARES, Traffic, budget_json

# What the entries of a request of many are called.
CALLED = {Entry.PUT: "puts", Entry.DELETE: "deletes", Entry.INSERT: "INSERT", Entry.UPDATE: "UPDATE"}

# What happens to an item that is in the target already.
EFFECTS = {
    Action.REPLACE: "is replaced",
    Action.SKIP: "stays, and the row is skipped",
    Action.REJECT: "stays, and the row goes to the rejects; where the two are equal, nothing happens",
    Action.FAIL: "stays, and the run ends; where the two are equal, nothing happens",
    Action.MERGE: "gets the columns of the row and keeps its other attributes",
    Action.MERGE_EXISTING: "gets the columns of the row and keeps its other attributes",
    Action.DELETE: "is deleted",
}
ABSENT = {Action.MERGE: "is made", Action.MERGE_EXISTING: "is not made, and the row is skipped"}

ON_CONFLICT = (Action.REPLACE, Action.SKIP, Action.REJECT, Action.FAIL, Action.KEEP_NEWEST)

COLLISIONS = {"reject": "are counted: the later row of one key goes to the rejects", "fail": "end the run"}


# However many rows are rejected, the run goes on.
NO_LIMIT = RejectLimit(percent=Decimal(100))


def stops_text(on_error: str, most: str) -> str:
    """How many rejects stop a run, if any do; ``most``: rows, or a share of them in percent."""
    if on_error != "REJECT" or most == str(NO_LIMIT):
        return ""
    since = f", from {ROWS_TO_TELL:,} rows on" if most.endswith("%") else ""
    return f"; a run that rejects more than {most} stops{since}"


def title(write: WriteExec) -> str:
    """The head of the section WRITE."""
    entry = ENTRIES[write.action]
    return f"WRITE  {entry.operation}, {BATCH} {CALLED[entry]} a request"


def lines(write: WriteExec, sites: Mapping[Connection, Site]) -> Iterator[tuple[str, str]]:
    """The lines of the section WRITE, each with its name."""
    description = write.table.description
    place = place_text(sites.get(write.table.connection)) or str(write.table.connection)
    yield "target", f"{write.table.name}  {place}".rstrip()
    if write.create is not None:
        yield "is missing", f"run makes it, after a question: {billing(write.create)}"
    if write.key:
        yield "key", ", ".join(f"{written(k.name)} {k.type}" for k in write.key)
    if write.newest is not None:
        by = written(write.newest)
        newer = f"is replaced where the row's {by} is greater, or it has no {by}; else it stays, and the row is skipped"
        yield "an existing item", newer
    else:
        yield "an existing item", EFFECTS[write.action]
    if write.action in ABSENT:
        yield "a missing item", ABSENT[write.action]
    yield "write units/s", budget_text(write.budget)
    if write.action in COMPARES:
        yield "read units/s", f"{budget_text(write.reads)}; by BatchGetItem, to compare an existing item"
    if description is not None and description.indexes:
        yield "indexes", ", ".join(f"{index.name} ({index.kind})" for index in description.indexes)
        yield "a row costs", _price(write)
    if write.ttl_attribute is not None:
        yield "expires by", f"{written(write.ttl_attribute)}, seconds since 1970; what is none goes to the rejects"
    if write.switches_on:
        yield "", "run switches on time to live, after a question"
    if write.collisions is not None:
        held_back = write.collisions != "allow" and write.action is not Action.KEEP_NEWEST
        said = COLLISIONS[write.collisions] if held_back else f"are counted; of one key {ALLOWED[write.action]}"
        yield "collisions", said
    elif write.action is Action.DELETE:
        yield "collisions", f"do not matter: {write.no_collisions}"
    else:
        yield "collisions", f"no two rows can collide: {write.no_collisions}"


def billing(table: NewTable) -> str:
    """How a table is paid that is to be made, as the option says it."""
    if table.provisioned is None:
        return "on demand"
    return f"provisioned {table.provisioned.read_units:,} rcu {table.provisioned.write_units:,} wcu"


def _price(write: WriteExec) -> str:
    """The write units of a row, which its indexes are charged for as well."""
    if not write.indexes:
        return "1 write unit up to 1 KB: it does not get into an index"
    which = "an index" if write.indexes == 1 else f"each of {write.indexes} indexes"
    return f"1 write unit up to 1 KB, and as much for {which} at most"


# As JSON


def as_json(write: WriteExec, sites: Mapping[Connection, Site], traffic: Traffic | None = None) -> dict[str, Any]:
    """The JSON value of ``target``."""
    description = write.table.description
    return {
        "table": write.table.name,
        **site_json(sites.get(write.table.connection)),
        "arn": description.arn if description is not None else None,
        "request": ENTRIES[write.action].operation,
        "action": write.action,
        "on_conflict": write.action if write.action in ON_CONFLICT else None,
        "newest": write.newest,
        "key": [{"name": k.name, "type": str(k.type)} for k in write.key],
        "indexes": [index.name for index in description.indexes] if description is not None else [],
        "units_per_row": 1 + write.indexes if write.key else None,
        "budget": budget_json(write.budget, write.table, "write", traffic),
        "reads": budget_json(write.reads, write.table, "read", traffic) if write.action in COMPARES else None,
        "collisions": write.collisions,
        "no_collisions": write.no_collisions or None,
        "ttl_attribute": write.ttl_attribute,
        "switches_on_ttl": write.switches_on,
        "create": None if write.create is None else _create_json(write.create),
    }


def _create_json(table: NewTable) -> dict[str, Any]:
    units = table.provisioned
    return {
        "billing": "PAY_PER_REQUEST" if units is None else "PROVISIONED",
        "read_units": units.read_units if units is not None else None,
        "write_units": units.write_units if units is not None else None,
    }


# What sources and targets have in common


def place_text(site: Site | None) -> str:
    """Where a table is; empty where that is not known."""
    if site is None:
        return ""
    return f"{site.region}, {f'account {site.account}' if site.account else site.endpoint}"


def site_json(site: Site | None) -> dict[str, Any]:
    """The same as JSON."""
    if site is None:
        return {"region": None, "account": None, "endpoint": None}
    return {"region": site.region, "account": site.account, "endpoint": site.endpoint}


def budget_text(budget: Budget) -> str:
    """A budget, and what it comes from."""
    if budget.units is None:
        return budget.basis
    return f"{rate(budget.units)}, {budget.basis}"
