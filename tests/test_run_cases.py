"""Golden cases of whole runs: a spec and the items of its tables, and what the target holds then.

The answer of a case is the line of counts, the target's items in the order of their keys, and the rejects in that of the
spec's lines; or, for a run that fails, why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import servers
import tables
from cases import Case, cases, check
from servers import Server

import ddbetl
from ddbetl.engine.report import RunReport
from ddbetl.errors import JobFailed
from ddbetl.types import Timestamp

# 2017-04-26T10:15:30.876Z
NOW = Timestamp(1493201730876)
ARGUMENTS = {"-p": "params", "--let": "lets", "--into": "into", "--on-conflict": "on_conflict"}


@pytest.fixture
def empty_server(running_server: Callable[[str], Server]) -> Iterator[Server]:
    """A server on which there is nothing but the case's tables; the shared one, cleaned, where it cannot be a new one."""
    if servers.dynoxide_binary() is not None or servers.must_have_dynoxide():
        servers.require_dynoxide()
        with servers.start("dynoxide") as server:
            yield server
        return
    server = running_server("ministack")
    client = server.client()
    before = set(names(client))
    yield server
    for name in set(names(client)) - before:
        client.delete_table(TableName=name)
    client.close()


def names(client: Any) -> Iterator[str]:
    for page in client.get_paginator("list_tables").paginate():
        yield from page["TableNames"]


def compiled(case: Case, server: Server) -> ddbetl.Plan:
    """The case's plan, with its command line arguments."""
    arguments: dict[str, Any] = {"params": {}, "lets": [], "into": None, "on_conflict": None}
    words = iter(case.args)
    for word in words:
        value = next(words)
        match ARGUMENTS[word]:
            case "params":
                name, _, given = value.partition("=")
                arguments["params"][name] = given
            case "lets":
                arguments["lets"].append(value)
            case one:
                arguments[one] = value
    with case.folder():
        return ddbetl.compile(case.spec, endpoint_url=server.endpoint_url, now=NOW, **arguments)


@pytest.mark.parametrize("case", cases("run"), ids=str)
def test_run(case: Case, empty_server: Server, tmp_path: Path) -> None:
    client = empty_server.client()
    for table in case.tables:
        more: dict[str, Any] = {"BillingMode": "PAY_PER_REQUEST"}
        provisioned = table["ProvisionedThroughput"]
        if provisioned["ReadCapacityUnits"]:
            units = {name: provisioned[name] for name in ("ReadCapacityUnits", "WriteCapacityUnits")}
            more = {"ProvisionedThroughput": units}
        described = {name: table[name] for name in ("TableName", "KeySchema", "AttributeDefinitions")}
        client.create_table(**described, **more)
        client.get_waiter("table_exists").wait(TableName=table["TableName"])
    for name, items in case.items.items():
        tables.fill(empty_server, name, items)
    plan = compiled(case, empty_server)
    assert plan.physical.write is not None
    try:
        report = plan.run(state_dir=tmp_path)
        lines = [said(report), *target(empty_server, plan), *rejects(report)]
    except JobFailed as failed:
        # The job's id is another one each time.
        lines = [
            f"failed: {failed}".replace(next((tmp_path / "jobs").iterdir()).name, "ID").replace(str(tmp_path), "DIR")
        ]
        lines += target(empty_server, plan)
    client.close()
    check(case, "\n".join(lines))


def said(report: RunReport) -> str:
    p = report.progress
    assert p.read == p.filtered + p.written + p.rejected + p.skipped + p.unchanged
    counts = f"{p.read} read, {p.filtered} filtered, {p.written} written, {p.rejected} rejected, {p.skipped} skipped"
    if p.unchanged:
        counts += f", {p.unchanged} unchanged"
    return f"{report.outcome}: {counts}"


def target(server: Server, plan: ddbetl.Plan) -> list[str]:
    """The target's items, one a line."""
    assert plan.physical.write is not None
    keys = [key.name for key in plan.physical.write.key]
    items = tables.read(server, plan.physical.write.table.name)
    for item in items:
        for value in item.values():
            for tag in value.keys() & {"SS", "NS", "BS"}:
                value[tag].sort()
    items.sort(key=lambda item: [repr(item[key]) for key in keys])
    return [json.dumps(item, sort_keys=True, ensure_ascii=False) for item in items]


def rejects(report: RunReport) -> list[str]:
    """The rejects: code, place in the spec, key, message."""
    if report.rejects is None:
        return []
    found = [json.loads(line) for line in Path(report.rejects).read_text(encoding="utf-8").splitlines()]
    found.sort(key=lambda reject: (reject["line"] or 0, reject["column"] or 0, json.dumps(reject["key"])))
    return [
        f"{reject['code']} {place(reject)}: {json.dumps(reject['key'], ensure_ascii=False)}: {reject['message']}"
        for reject in found
    ]


def place(reject: dict[str, Any]) -> str:
    return f"line {reject['line']}" if reject["line"] is not None else "the row"
