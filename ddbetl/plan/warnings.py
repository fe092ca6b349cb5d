"""What looks wrong with a spec that is right: what it costs for nothing, and what hardly can be meant.

In: what the analyzer knows, or the plan. Out: warnings; their codes are W0111 to W0118. Invariant: nothing is said that
is not so for the tables that there are; what is not known, such as the size of a table that is new, is no reason for a
warning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

from ddbetl.diagnostics import Diagnostic, Label
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.projection import LARGEST_ITEM, OutputColumn, Projection
from ddbetl.expressions.writing import EARLIEST_EXPIRY, Action
from ddbetl.functions.model import Nulls
from ddbetl.lowering.duckdb_sql import Lowerer
from ddbetl.plan.budget import EVENTUAL_BYTES, NEW_WRITES, STRONG_BYTES, resolve
from ddbetl.plan.catalog import Connection, NewTable, Site, TableDescription
from ddbetl.plan.columns import Condition
from ddbetl.plan.cost import estimate, scan_dollars
from ddbetl.plan.layout import dollars as dollars_text
from ddbetl.plan.logical import Table, parts
from ddbetl.plan.options import Rate, UnitRate, Unlimited
from ddbetl.plan.pace import BY_REFERENCE, writes_a_second
from ddbetl.plan.partition import constant_of, hot
from ddbetl.plan.physical import PhysicalPlan, ScanExec
from ddbetl.plan.prices import Prices
from ddbetl.plan.queries import query_without_errors
from ddbetl.plan.samples import Samples
from ddbetl.plan.scope import Analysis, short, written
from ddbetl.plan.settings import place
from ddbetl.plan.target import Target
from ddbetl.plan.time_calls import calls, one_line
from ddbetl.plan.traffic import Places
from ddbetl.plan.truth import Test, decided, is_attribute, tests
from ddbetl.types import Timestamp, Type

# Read units of a scan that are worth a word: of 80 MB.
WORTH_A_WORD = 10_000
# Seconds by reference, or of writing as fast as a target takes it, that are worth a word.
LONG = 60
# Bytes of a mean item from which on some are probably larger than an item can be.
LARGE = 300 * 1024
# Characters of a call that a message repeats.
LONGEST_TEXT = 60
# By this a spec tells items with different types apart.
ASKING = "attribute_type"


# What the analyzer knows


def check_types(analysis: Analysis, roots: Sequence[Expression], sources: Sequence[Table]) -> None:
    """Warn of calls that are an error for every item: an attribute of the sources' key has one type in all of them."""
    keys = _key_types(sources)
    told = set()
    for root in roots:
        for call, name, position in _failing(root, keys):
            # BETWEEN is two comparisons in one place.
            if (call.span, name) in told:
                continue
            told.add((call.span, name))
            wanted = {type_ for one in call.candidates for type_ in one.accepts[position]}
            names = " or ".join(str(type_) for type_ in Type if type_ in wanted)
            text = _named(call)
            message = f"{text} is an error whatever the item: {written(name)} is a {keys[name]}, not {names}"
            hint = _conversion(name, keys[name], wanted)
            analysis.warn("W0118", message, call.span, hint)


def _keys(sources: Sequence[Table]) -> frozenset[str]:
    """The attributes that every item has."""
    keys = [{key.name for key in t.description.key} if t.description is not None else set() for t in sources]
    return frozenset(set[str].intersection(*keys)) if keys else frozenset()


def _key_types(sources: Sequence[Table]) -> dict[str, Type]:
    """The attributes of which every item has one, of one type."""
    keys = [{key.name: key.type for key in t.description.key} for t in sources if t.description is not None]
    if not keys or len(keys) < len(sources):
        return {}
    return {name: type_ for name, type_ in keys[0].items() if all(one.get(name) is type_ for one in keys)}


def _failing(expression: Expression, keys: dict[str, Type]) -> Iterator[tuple[Call, str, int]]:
    if not isinstance(expression, Call) or expression.function.name == "try":
        return
    if expression.function.nulls is Nulls.LAZY and any(call.function.name == ASKING for call in calls(expression)):
        # Such a call may be for the items of other tables.
        return
    for position, argument in enumerate(expression.arguments):
        if isinstance(argument, Attribute) and not argument.steps and argument.name in keys:
            type_ = keys[argument.name]
            if all(type_ not in candidate.accepts[position] for candidate in expression.candidates):
                yield expression, argument.name, position
        else:
            yield from _failing(argument, keys)


def _conversion(name: str, is_: Type, wanted: set[Type]) -> str:
    if wanted == {Type.NUMBER} and is_ is Type.STRING:
        return f"to_number({written(name)}) is the number; a text is in single quotes"
    if wanted == {Type.STRING} and is_ is Type.NUMBER:
        return f"to_string({written(name)}) is the text; a number is without quotes"
    return ""


def check_where(analysis: Analysis, condition: Condition, sources: Sequence[Table]) -> None:
    """Warn of a WHERE that keeps every item, or none."""
    found = decided(condition.predicate, _keys(sources))
    if found is None:
        return
    if isinstance(condition.predicate, Constant) and _is_switch(analysis, condition):
        return
    if found.always and found.present is not None:
        what = short(_text_of(found.present))
        message, hint = f"WHERE is TRUE for every item that has a value in {what}", f"{what} IS NOT NULL would say so"
        if found.neither:
            hint = f"no value can be both; {what} NOT IN (…) keeps those that are neither"
    elif found.always:
        message, hint = "WHERE is TRUE for every item", "without it the same rows are made"
        if found.key is not None:
            hint = f"every item has {_text_of(found.key)}, which is of the key: {hint}"
    else:
        message, hint = "WHERE is never TRUE: no item is kept", ""
        if found.key is not None:
            hint = f"every item has {_text_of(found.key)}, which is of the key"
        elif found.other is not None:
            hint = "both cannot be so; OR keeps what is one of them"
        elif "BETWEEN" in analysis.spec.source.text[found.span.start : found.span.end].upper():
            hint = "the lower bound comes first: BETWEEN low AND high"
    labels = (Label(found.other, "and this"),) if found.other is not None else ()
    analysis.warnings.setdefault(Diagnostic("W0112", message, found.span, hint, labels))


def _is_switch(analysis: Analysis, condition: Condition) -> bool:
    """Whether a constant WHERE comes of names, which another run may give other values."""
    words = set(re.findall(r"\w+", condition.text))
    return bool(words & set(analysis.constants))


def _named(call: Call) -> str:
    text = one_line(call.text)
    return text if len(text) <= LONGEST_TEXT else "this"


def _text_of(expression: Expression) -> str:
    match expression:
        case Call(text=text):
            return one_line(text)
        case Attribute():
            return str(expression)
        case Constant():
            return "it"


def check_target(
    analysis: Analysis,
    to: Target,
    action: Action,
    projection: Projection,
    sources: Sequence[Table],
    rate: Rate,
    now: Timestamp,
) -> None:
    """Warn of a partition key that few rows differ in, and of a rate that the target does not take."""
    described = to.table.description or to.create
    takes = _takes(described) if described is not None else None
    origin = projection.origin(to.key[0].name) if to.key else None
    # What is deleted has the key that it has.
    if isinstance(origin, OutputColumn) and action is not Action.DELETE:
        # A share of what is only a quota says nothing of what is needed.
        known = takes is not None or isinstance(rate, UnitRate)
        budget = resolve(rate, described, "write").units if known else None
        found = hot(origin, to.table.name, sources, now, budget)
        if found is not None:
            analysis.warnings.setdefault(found)
    if isinstance(rate, UnitRate) and takes is not None and rate.value > takes[0]:
        option, source = place(analysis, "write")
        message = f"{to.table.name} {takes[1]}, and write = {rate} asks for more"
        analysis.warn("W0114", message, option.span, takes[2], source)


def of_writing(plan: PhysicalPlan, place: Places, samples: Samples | None = None) -> Iterator[Diagnostic]:
    """Warn of a target that takes less than it would get, where no rate holds that back; ``samples``: for its
    estimate."""
    write = plan.write
    if write is None or not isinstance(plan.logical.write, Unlimited):
        return
    described = write.table.description or write.create
    takes = _takes(described) if described is not None else None
    work = estimate(plan, samples=samples).work
    if takes is None or work is None:
        return
    gets = writes_a_second(work)
    units = sum(load.units.low for load in work.loads if load.what == "write")
    if gets is None or gets <= takes[0] or units < LONG * takes[0]:
        return
    message = (
        f"{write.table.name} {takes[1]}, and write = unlimited asks for more: its sources and this machine give about "
        f"{gets:,.0f} a second"
    )
    span, source = place("write")
    yield Diagnostic("W0114", message, span, takes[2], source=source)


def _takes(table: TableDescription | NewTable) -> tuple[int, str, str] | None:
    """The write units a second that a table takes, the same in words, and what to do about it; None: not known."""
    if isinstance(table, NewTable):
        if table.provisioned is None:
            hint = "made beforehand with more warm throughput, it would take more"
            return NEW_WRITES, f"is made on demand, and takes {NEW_WRITES:,} wcu at first", hint
        return _provisioned(table.provisioned.write_units)
    if not table.on_demand:
        return _provisioned(table.write_units) if table.write_units else None
    if table.max_write and table.max_write <= (table.warm_write or table.max_write):
        limit = f"takes at most {table.max_write:,} wcu (its on-demand maximum)"
        return table.max_write, limit, "what is over it is refused, and sent again later"
    if table.warm_write:
        hint = "aws dynamodb update-table --warm-throughput warms it beforehand; else it grows as it is written"
        return table.warm_write, f"takes {table.warm_write:,} wcu at once (its warm throughput)", hint
    return None


def _provisioned(units: int) -> tuple[int, str, str]:
    return units, f"is provisioned with {units:,} wcu", "what is over it is refused, and sent again later"


def check_expiry(
    analysis: Analysis, ttl: str, skips: bool, projection: Projection, sources: Sequence[Table], now: Timestamp
) -> None:
    """Warn of rows whose time of expiry is past, where the spec alone shows it."""
    origin = projection.origin(ttl)
    if not isinstance(origin, OutputColumn):
        return
    values = constant_of(origin.expression, sources, now) or []
    past = [v for v in values if isinstance(v, Decimal) and v >= EARLIEST_EXPIRY and v * 1000 <= now.millis]
    if not past or len(past) < len(values):
        return
    message = f"{written(ttl)}, the time of expiry, is past in every row"
    if skips:
        message, hint = f"{message}: skip_expired leaves all of them out", "as in epoch(now()) + 365 days"
    else:
        message, hint = (
            f"{message}: DynamoDB deletes what is written",
            "WITH (skip_expired = true) leaves such rows out",
        )
    analysis.warn("W0117", message, origin.span, hint)


# What the plan shows


def of_plan(plan: PhysicalPlan) -> tuple[Diagnostic, ...]:
    """Warnings of what a plan costs for nothing."""
    found = (_scanned(plan), _slow(plan), _large(plan))
    return tuple(one for one in found if one is not None)


def with_price(plan: PhysicalPlan, sites: Mapping[Connection, Site], prices: Prices) -> tuple[Diagnostic, ...]:
    """The warnings of a plan, with dollars where they cost something that is known."""
    if not any(one.code == "W0113" for one in plan.warnings):
        return plan.warnings
    found = _scanned(plan, lambda scans, units: scan_dollars(scans, units, sites, prices))
    return tuple(found if found is not None and one.code == found.code else one for one in plan.warnings)


def _scanned(
    plan: PhysicalPlan, price: Callable[[Sequence[ScanExec], Sequence[float]], float | None] | None = None
) -> Diagnostic | None:
    """All of large tables is read, though WHERE asks for some values of an attribute."""
    predicate = plan.transform.predicate
    logical = plan.logical
    told = any(one.code in ("W0112", "W0118") for one in logical.warnings)
    if predicate is None or plan.limit is not None or told:
        return None
    read = parts(logical).scan.attributes
    scans = [
        scan
        for scan in plan.scans
        if isinstance(scan, ScanExec)
        and (table := scan.table.description) is not None
        and query_without_errors(predicate, table, read, logical.consistent_read) is None
    ]
    whole = [scan.table.description for scan in scans if scan.table.description is not None]
    size = STRONG_BYTES if logical.consistent_read else EVENTUAL_BYTES
    each = [-(-table.size // size) for table in whole]
    units = sum(each)
    own = {table.key[0].name for table in whole}
    asked = [test for test in tests(predicate) if _is_of_key(test) and _text_of(test.of) not in own]
    if units < WORTH_A_WORD or not asked:
        return None
    exact = next((test for test in asked if test.operator in ("=", "IN")), None)
    test = exact or asked[0]
    which = f"all of {whole[0].name} is" if len(whole) == 1 else f"all of {len(whole)} tables are"
    dollars = price(scans, each) if price is not None else None
    paid = f" ({dollars_text(dollars)})" if dollars is not None else ""
    message = f"{which} read, for {units:,} read units{paid}: no index finds the items that WHERE keeps"
    return Diagnostic("W0113", message, test.span, _index_for(test, whole, logical.consistent_read))


def _is_of_key(test: Test) -> bool:
    """Whether a comparison could be one of an index's key."""
    return is_attribute(test.of) and test.operator != "<>" and isinstance(test.values[0], str | Decimal | bytes)


def _index_for(test: Test, tables: Sequence[TableDescription], consistent: bool) -> str:
    name = _text_of(test.of)
    if test.operator not in ("=", "IN"):
        return "an index finds a range only below one value of its partition key"
    for index in (index for table in tables for index in table.indexes):
        if index.key[0].name == name:
            if consistent and index.kind == "GSI":
                return f"the index {index.name} would, without consistent_read"
            if index.status == "ACTIVE":
                return f"the index {index.name} would, if it had all attributes that are read"
            return f"the index {index.name} would, and is {index.status}"
    return f"an index with the partition key {written(name)} would, if it had all attributes that are read"


def _slow(plan: PhysicalPlan) -> Diagnostic | None:
    """Large tables go by reference, and take longer by that than by the budgets."""
    transform = plan.transform
    if transform.statement.projects and (transform.statement.filters or transform.predicate is None):
        return None
    scans = [(scan, scan.table.description) for scan in plan.scans if isinstance(scan, ScanExec)]
    items = sum(table.items for _, table in scans if table is not None)
    if plan.limit is not None:
        return None
    seconds = items / BY_REFERENCE
    size = STRONG_BYTES if plan.logical.consistent_read else EVENTUAL_BYTES
    reading = [
        table.size / size / scan.budget.units for scan, table in scans if table is not None and scan.budget.units
    ]
    # A row is at least one write unit; how many items become rows is not known.
    writing = items / plan.write.budget.units if plan.write is not None and plan.write.budget.units else 0.0
    if seconds < LONG or max([writing, *reading]) >= seconds:
        return None
    roots = [column.expression for column in transform.projection.columns]
    roots += [transform.predicate] if transform.predicate is not None else []
    call = next((found for root in roots if (found := _slowest(root)) is not None), None)
    if call is None:
        return None
    message = (
        f"{_named(call)} has no fast path: {items:,} items go by reference, about {BY_REFERENCE:,} a second, "
        "which is slower than the budgets"
    )
    return Diagnostic("W0116", message, call.span, "ddbetl explain says why; another function may have one")


def _slowest(root: Expression) -> Call | None:
    """The innermost call that has no fast path."""
    without = [call for call in calls(root) if Lowerer().lower(call) is None]
    return without[-1] if without else None


def _large(plan: PhysicalPlan) -> Diagnostic | None:
    """Items that are nearly as large as an item can be, and get more attributes."""
    projection = plan.transform.projection
    added = [column for column in projection.columns if not column.replaces]
    if plan.write is None or projection.star is None or not added or plan.write.action is Action.DELETE:
        return None
    found = [scan.table.description for scan in plan.scans if scan.table.description is not None]
    large = [table for table in found if table.items and table.size / table.items >= LARGE]
    if not large:
        return None
    table = large[0]
    mean = table.size / table.items / 1024
    message = (
        f"items of {table.name} have {mean:,.0f} KB on average, and {written(added[0].name)} comes to them: "
        f"an item has at most {LARGEST_ITEM // 1024} KB"
    )
    return Diagnostic(
        "W0115", message, added[0].span, "* EXCLUDE (…) leaves attributes out; what is larger is rejected"
    )
