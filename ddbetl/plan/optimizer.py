"""The optimizer: a logical plan to an equal one that reads and sends less.

In and out: a LogicalPlan. Invariant: every rule keeps the rows and the errors of the plan; ``RULES`` is the whole
pipeline, in order. (Constants are folded by the analyzer already, where their errors have a place in the spec.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from ddbetl.expressions.ir import attributes
from ddbetl.lowering.dynamo_expr import LONGEST_EXPRESSION, server_filter
from ddbetl.plan.logical import LogicalPlan, Node, TableScan, parts
from ddbetl.plan.queries import table_query

Rule = Callable[[LogicalPlan], LogicalPlan]


def optimize(plan: LogicalPlan) -> LogicalPlan:
    """Apply all rules."""
    for rule in RULES:
        plan = rule(plan)
    return plan


def stages(plan: LogicalPlan) -> Iterator[tuple[str, LogicalPlan]]:
    """An optimized plan as it was before all rules, under the name ``analyzed``, and after each rule under its name.

    Rules add to the scan and change nothing else, so what it was can be told from what it is.
    """
    plan = replace(plan, root=_with_scan(plan.root, lambda scan: TableScan(scan.tables, scan.patterns)))
    yield "analyzed", plan
    for rule in RULES:
        plan = rule(plan)
        yield rule.__name__, plan


def push_filter(plan: LogicalPlan) -> LogicalPlan:
    """Let the server leave out items that the predicate surely drops."""
    filter_ = parts(plan).filter
    if filter_ is None:
        return plan
    condition = server_filter(filter_.predicate)
    return replace(plan, root=_with_scan(plan.root, lambda scan: replace(scan, filter=condition)))


def push_projection(plan: LogicalPlan) -> LogicalPlan:
    """Let the server send only the attributes that some expression reads, and the keys, which name an item."""
    found = parts(plan)
    if found.project.projection.star is not None:
        return plan
    needed = [a.name for column in found.project.projection.columns for a in attributes(column.expression)]
    if found.filter is not None:
        needed += [a.name for a in attributes(found.filter.predicate)]
    for table in found.scan.tables:
        if table.description is not None:
            needed += [key.name for key in table.description.key]
    names = tuple(dict.fromkeys(needed))
    # A placeholder of each, such as "#p10, ".
    if not names or sum(len(f"#p{n}, ") for n in range(len(names))) > LONGEST_EXPRESSION:
        return plan
    return replace(plan, root=_with_scan(plan.root, lambda scan: replace(scan, attributes=names)))


def push_keys(plan: LogicalPlan) -> LogicalPlan:
    """Let the server look up items by their keys, where the predicate allows no others; after the other rules."""
    found = parts(plan)
    if found.filter is None:
        return plan
    predicate, attributes_ = found.filter.predicate, found.scan.attributes
    queries = tuple(
        table_query(predicate, table.description, attributes_, plan.consistent_read) for table in found.scan.tables
    )
    if not any(queries):
        return plan
    return replace(plan, root=_with_scan(plan.root, lambda scan: replace(scan, queries=queries)))


def _with_scan(node: Node, change: Callable[[TableScan], TableScan]) -> Node:
    if isinstance(node, TableScan):
        return change(node)
    return replace(node, input=_with_scan(node.input, change))


RULES: tuple[Rule, ...] = (push_filter, push_projection, push_keys)
