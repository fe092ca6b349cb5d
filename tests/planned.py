"""Plans without a server: a spec compiled against tables that the test makes up.

In: a spec and the keys of its tables. Out: a PhysicalPlan, as the API would make it after asking a server. Every source
that a spec names exists, with the key ``SOURCE_KEY``; every target with the key that the test says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ddbetl import python_files
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.plan.analyzer import Overrides, analyze, wanted
from ddbetl.plan.catalog import Catalog, Connection, Site, TableDescription
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.plan.planner import plan
from ddbetl.source import SourceText
from ddbetl.syntax import parser
from ddbetl.types import Timestamp, Type

# 2017-04-26T10:15:30.876Z
NOW = Timestamp(1493201730876)
SOURCE_KEY = (KeyAttribute("id", Type.STRING),)
HERE = Connection()


def table(name: str, key: Sequence[KeyAttribute] = SOURCE_KEY) -> TableDescription:
    """Describe a table that bills on demand."""
    arn = f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}"
    return TableDescription(name, arn, "2016-04-25T00:00:00+00:00", "ACTIVE", tuple(key), "PAY_PER_REQUEST")


def planned(
    spec: str,
    target_key: Sequence[KeyAttribute] = SOURCE_KEY,
    *,
    params: Mapping[str, str] | None = None,
    into: str | None = None,
    push_down: bool = True,
    name: str = "<spec>",
    source: Callable[[str], TableDescription] | None = None,
) -> PhysicalPlan:
    """Compile a spec; ``push_down``: with a filter and a projection for the server, as always, or without. ``name``: of
    its file, beside which the files of USING are. ``source``: what describes a source table, by its name."""
    parsed = parser.parse(SourceText(spec, name))
    overrides = Overrides(into=into, on_conflict="replace" if into is not None else None, connection=HERE)
    given = dict(params or {})
    tables = {}
    for one in wanted(parsed, given, overrides, NOW):
        assert one.pattern.name is not None, "these tables are made up, so a pattern matches none"
        described = table(one.pattern.name, target_key if one.is_target else SOURCE_KEY)
        if source is not None and not one.is_target:
            described = source(one.pattern.name)
        tables[(one.connection, one.pattern.name)] = described
    catalog = Catalog({HERE: Site("us-east-1", None, "http://127.0.0.1:1")}, tables)
    logical = analyze(parsed, catalog, given, overrides, NOW, python_files.used(parsed, name))
    return plan(optimize(logical) if push_down else logical)


def without_key(found: PhysicalPlan) -> PhysicalPlan:
    """The same plan, knowing nothing of the target's key, as ``check`` makes it."""
    assert found.write is not None
    return replace(found, write=replace(found.write, key=()))
