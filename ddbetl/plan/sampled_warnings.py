"""What looks wrong in the items of a sample, and in the rows that they become.

In: a plan, samples of its sources. Out: warnings: W0201 to W0203, and those of the spec alone where only items show it.
Invariant: what is told was seen in so many items; what the plan has told of already is not told again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ddbetl.diagnostics import Diagnostic, did_you_mean
from ddbetl.expressions.ir import Attribute, attributes
from ddbetl.expressions.projection import LARGEST_ITEM, OutputColumn
from ddbetl.expressions.writing import Action
from ddbetl.plan.pace import PARTITION_WRITES
from ddbetl.plan.partition import FEW, spreads
from ddbetl.plan.physical import PhysicalPlan, TransformExec
from ddbetl.plan.samples import Sample
from ddbetl.plan.scope import in_order, written
from ddbetl.source import Span
from ddbetl.types import Type

# So many tables are named where an attribute has another type in them.
TOLD = 3
# Items of a sample with as many partition keys tell something of the target's; it has few if it has a tenth of them.
ENOUGH_KEYS = 30
FEWER = 10
# Bytes of a row from which on others may be too large.
LARGE = 360 * 1024

_QUOTED = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*""")


def warnings(plan: PhysicalPlan, samples: Sequence[Sample]) -> Iterator[Diagnostic]:
    """What looks wrong in the items, of all attributes that the spec reads by their names, and of its rows."""
    seen = [sample for sample in samples if sample.items]
    told = {warning.code for warning in plan.warnings}
    if seen:
        yield from _named(plan.transform, seen)
        yield from _hidden(plan, seen)
        for code, found in (
            ("W0111", _hot(plan, seen)),
            ("W0115", _large(plan, seen)),
            ("W0117", _expired(plan, seen)),
        ):
            if found is not None and code not in told:
                yield found
    yield from _failing(seen)


def _named(transform: TransformExec, seen: Sequence[Sample]) -> Iterator[Diagnostic]:
    """Attributes that no item has, or items with several types."""
    names = {name for sample in seen for name in sample.types}
    roots = [column.expression for column in transform.projection.columns]
    if transform.predicate is not None:
        roots.append(transform.predicate)
    read = {attribute.name: attribute for root in reversed(roots) for attribute in reversed([*attributes(root)])}
    for attribute in sorted(read.values(), key=lambda one: one.span.start):
        if attribute.name in names:
            yield from _drift(attribute, seen)
        else:
            yield _missing(attribute, names, sum(sample.items for sample in seen))


def _hidden(plan: PhysicalPlan, seen: Sequence[Sample]) -> Iterator[Diagnostic]:
    """Constants that expressions use, and that have the name of an attribute of the items."""
    logical, transform = plan.logical, plan.transform
    constants = {**dict.fromkeys(dict(logical.parameters), "PARAM"), **dict.fromkeys(dict(logical.lets), "LET")}
    told = " ".join(warning.message for warning in plan.warnings if warning.code == "W0101")
    # A column that is the constant and nothing else is meant so: x AS x.
    texts = [(column.text, column.span) for column in transform.projection.columns if column.text not in constants]
    if transform.predicate is not None:
        texts.append((transform.predicate_text, transform.predicate.span))
    items = sum(sample.items for sample in seen)
    found = []
    for name, kind in constants.items():
        having = sum(sum(sample.types.get(name, {}).values()) for sample in seen)
        span = next((span for text, span in texts if re.search(rf"\b{re.escape(name)}\b", _QUOTED.sub("", text))), None)
        # Whoever quotes the attribute as well knows of both.
        known = re.search(rf"\b{re.escape(name)}\b", told) or any(f'"{name}"' in text for text, _ in texts)
        if having and span is not None and not known:
            message = f"{name} is the {kind} here, and {having:,} of {items:,} sampled items have such an attribute"
            found.append(Diagnostic("W0101", message, span, f'"{name}" in double quotes is the attribute'))
    yield from in_order(found)


def _hot(plan: PhysicalPlan, seen: Sequence[Sample]) -> Diagnostic | None:
    """Many items that become rows of a few partition keys."""
    write = plan.write
    if write is None or not write.key or write.action is Action.DELETE:
        return None
    before, after = (frozenset[str]().union(*(sample.keys[i] for sample in seen)) for i in (0, 1))
    rows, name = sum(sample.rows for sample in seen), write.key[0].name
    if len(before) < ENOUGH_KEYS or len(after) * FEWER > len(before) or len(after) >= FEW:
        return None
    origin = plan.transform.projection.origin(name)
    if isinstance(origin, OutputColumn) and spreads(origin.expression):
        return None
    span = origin.span if isinstance(origin, OutputColumn) else None
    count = "1 value" if len(after) == 1 else f"{len(after):,} values"
    message = (
        f"{written(name)}, the partition key of {write.table.name}, has {count} in {rows:,} sampled rows: so few "
        "partitions take them all"
    )
    hint = f"a partition takes {PARTITION_WRITES:,} write units a second; a key of many values spreads the rows"
    return Diagnostic("W0111", message, span, hint)


def _large(plan: PhysicalPlan, seen: Sequence[Sample]) -> Diagnostic | None:
    """Rows nearly as large as an item can be, of columns that others may have more of."""
    columns, write = plan.transform.projection.columns, plan.write
    added = [column for column in columns if not isinstance(column.expression, Attribute)]
    if write is None or write.action is Action.DELETE or not added:
        return None
    sample = max(seen, key=lambda one: one.largest)
    if sample.largest < LARGE:
        return None
    size = f"{sample.largest / 1024:,.0f} KB"
    message = f"a sampled row of {sample.table.name} has {size}: an item has at most {LARGEST_ITEM // 1024} KB"
    return Diagnostic(
        "W0115", message, added[0].span, "what is larger is rejected; * EXCLUDE (…) leaves attributes out"
    )


def _expired(plan: PhysicalPlan, seen: Sequence[Sample]) -> Diagnostic | None:
    """Rows that DynamoDB deletes as soon as they are written."""
    expired, rows = sum(sample.expired for sample in seen), sum(sample.rows for sample in seen)
    if not expired or plan.write is None or plan.write.ttl_attribute is None:
        return None
    name = plan.write.ttl_attribute
    origin = plan.transform.projection.origin(name)
    span = origin.span if isinstance(origin, OutputColumn) else None
    message = (
        f"{written(name)}, the time of expiry, is past in {expired:,} of {rows:,} sampled rows: DynamoDB deletes what "
        "is written"
    )
    return Diagnostic("W0117", message, span, "WITH (skip_expired = true) leaves such rows out")


def _missing(attribute: Attribute, names: Iterable[str], items: int) -> Diagnostic:
    message = f"none of {items:,} sampled items has {written(attribute.name)}"
    hint = did_you_mean(attribute.name, names) or "names are case-sensitive; items that are rare may have it"
    return Diagnostic("W0202", message, attribute.span, hint)


def _drift(attribute: Attribute, samples: Sequence[Sample]) -> Iterator[Diagnostic]:
    """A warning where the items have an attribute with several types; NULL is no type of its own."""
    counts = [(sample.table.name, _known(sample.types.get(attribute.name, {}))) for sample in samples]
    total: dict[Type, int] = {}
    for _, types in counts:
        for type_, count in types.items():
            total[type_] = total.get(type_, 0) + count
    if len(total) < 2:
        return
    usual = max(total, key=lambda type_: total[type_])
    name, others = written(attribute.name), [(table, types) for table, types in counts if types.keys() - {usual}]
    told = [f"{_types(types)} in {table}" for table, types in others[:TOLD]]
    if len(others) > TOLD:
        told.append(f"of several types in {len(others) - TOLD} more tables")
    elsewhere = f", {usual} elsewhere" if len(others) < sum(1 for _, types in counts if types) else ""
    hint = f"attribute_type({name}) tells them apart, CASE treats each as it should be"
    yield Diagnostic("W0201", f"{name} is {', '.join(told)}{elsewhere}", attribute.span, hint)


def _known(types: Mapping[Type, int]) -> dict[Type, int]:
    return {type_: count for type_, count in types.items() if type_ is not Type.NULL}


def _types(types: Mapping[Type, int]) -> str:
    ordered = sorted(types, key=lambda type_: (-types[type_], str(type_)))
    if len(ordered) == 1:
        return str(ordered[0])
    total = sum(types.values())
    return " and ".join(f"{type_} ({types[type_]:,} of {total:,})" for type_ in ordered)


def _failing(samples: Sequence[Sample]) -> Iterator[Diagnostic]:
    """A warning for each cause by which sampled items would not be written."""
    items = sum(sample.items for sample in samples)
    found: dict[tuple[str, Span | None], tuple[int, str]] = {}
    for sample in samples:
        for failure in sample.failures:
            count, message = found.get((failure.code, failure.span), (0, failure.message))
            found[failure.code, failure.span] = (count + failure.count, message)
    for (code, span), (count, message) in sorted(found.items(), key=lambda pair: -pair[1][0]):
        whole = f"{count:,} of {items:,} sampled items cannot be written"
        yield Diagnostic("W0203", f"{whole}: {message} ({code})", span, "ddbetl preview shows such items")
