"""The permissions that a plan needs, and no others, as IAM policy documents.

In: a plan, the tables that its spec names, where its connections lead. Out: for each identity that the plan uses one
document, a JSON value. Invariant: an action is granted for the tables that it is used on, and every one that a run,
its preview, its explain, its dry passes or its rejects may need is granted.

Sources: Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB"; IAM User Guide,
"IAM JSON policy elements: Resource" for the wildcards.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from ddbetl.expressions.writing import LOSING, Action
from ddbetl.plan.analyzer import Wanted
from ddbetl.plan.catalog import Connection, Site
from ddbetl.plan.cost import is_aws
from ddbetl.plan.logical import Table
from ddbetl.plan.names import TablePattern
from ddbetl.plan.physical import PhysicalPlan, QueryExec, ReadExec, ScanExec, WriteExec
from ddbetl.syntax import ast

# What is in the target already is compared with the rows: by a run, or by explain where it takes a sample.
COMPARING = "BatchGetItem"
# What is asked of a source however it is read: it is looked up, and rejected rows are read again by their keys.
ASKING = ("BatchGetItem", "DescribeTable")
# How it is read: a table as a whole, or some keys of it or of an index.
SCANNING, QUERYING = "Scan", "Query"
# Inserts: what is there already is read to be compared; an item whose statement would be too long is put.
_INSERTING = (COMPARING, "PartiQLInsert", "PutItem")
# What writes the rows of an action.
WRITING: Mapping[Action, tuple[str, ...]] = {
    Action.REPLACE: ("BatchWriteItem",),
    Action.SKIP: _INSERTING,
    Action.REJECT: _INSERTING,
    Action.FAIL: _INSERTING,
    Action.KEEP_NEWEST: _INSERTING,
    Action.MERGE: ("PartiQLInsert", "PartiQLUpdate", "UpdateItem"),
    Action.MERGE_EXISTING: ("PartiQLUpdate", "UpdateItem"),
    Action.DELETE: ("BatchWriteItem",),
}
EXPIRING = ("DescribeTimeToLive", "UpdateTimeToLive")
RECOVERY = "DescribeContinuousBackups"
CREATING = "CreateTable"
LISTING = "ListTables"
ASSUMING = "sts:AssumeRole"
# What explain would like to know: how much of the tables is in use. It has no resources.
WATCHING = "cloudwatch:GetMetricData"

# Regions by their beginnings, as far as they are not in the partition "aws". Source: botocore's partitions.json.
PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "eusc-": "aws-eusc",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
}

# The longest document that IAM takes, without its blanks: of a managed policy. Source: IAM User Guide, "IAM and AWS STS
# quotas".
LONGEST = 6_144
# The credentials as boto3 finds them.
DEFAULT = "default"

Document = dict[str, Any]


def policies(
    plan: PhysicalPlan,
    wanted: Sequence[Wanted],
    sites: Mapping[Connection, Site],
    *,
    creates: bool,
    dry: Sequence[ReadExec] = (),
) -> dict[str, Document]:
    """The policy documents by the identity that each is for: a role's ARN, a profile, or DEFAULT.

    ``sites``: empty where the plan was made offline; then patterns of tables become wildcards, and what is not known of
    an ARN too. ``creates``: whether the target may have to be made. ``dry``: how the tables are read where only the
    keys of the rows are asked for.
    """
    statements: dict[str, list[Document]] = {}
    connections = dict.fromkeys(one.connection for one in wanted)
    for connection in connections:
        here = [one for one in wanted if one.connection == connection]
        lists = any(one.pattern.name is None for one in here) or (creates and any(one.is_target for one in here))
        found = statements.setdefault(_identity(connection), [])
        if lists:
            found.append(_statement("ListTables", (LISTING,), ["*"]))
        site = sites.get(connection)
        if site is None or is_aws(site.endpoint):
            found.append({"Sid": "SeeTraffic", "Effect": "Allow", "Action": [WATCHING], "Resource": ["*"]})
    for connection, sid, actions, resource in _reading(plan, dry, wanted, sites):
        statements[_identity(connection)].append(_statement(sid, actions, [resource]))
    write = plan.write
    if write is not None:
        arn = _arn(write.table, sites)
        actions = write_actions(write, sites, creates=creates)
        found = statements[_identity(write.table.connection)]
        found.append(_statement("WriteTarget", actions, [arn]))
        if COMPARING not in actions:
            found.append(_statement("SampleTarget", (COMPARING,), [arn]))
    documents = {identity: _document(found) for identity, found in statements.items()}
    for connection in connections:
        if connection.role_arn is not None:
            assuming = {"Sid": "AssumeRole", "Effect": "Allow", "Action": [ASSUMING], "Resource": [connection.role_arn]}
            base = _identity(Connection(profile=connection.profile))
            documents.setdefault(base, _document([]))["Statement"].append(assuming)
    return {identity: _merged(document) for identity, document in documents.items()}


def write_actions(write: WriteExec, sites: Mapping[Connection, Site], *, creates: bool) -> tuple[str, ...]:
    """What is done to the target, as IAM calls it."""
    site = sites.get(write.table.connection)
    actions = {"DescribeTable", *WRITING[write.action]}
    if write.ttl_attribute is not None:
        actions.update(EXPIRING)
    # A server without accounts has nothing to restore, and is not asked.
    if write.action in LOSING and (site is None or site.account is not None):
        actions.add(RECOVERY)
    if creates:
        actions.add(CREATING)
    return tuple(sorted(actions))


# Whom a statement is for: what it is called, its actions, its resource.
Reading: TypeAlias = tuple[Connection, str, tuple[str, ...], str]


def _reading(
    plan: PhysicalPlan, dry: Sequence[ReadExec], wanted: Sequence[Wanted], sites: Mapping[Connection, Site]
) -> Iterator[Reading]:
    if sites:
        for read in (*plan.scans, *dry):
            connection, table = read.table.connection, _arn(read.table, sites)
            match read:
                case ScanExec():
                    yield connection, "ScanSources", (*ASKING, SCANNING), table
                case QueryExec(index=None):
                    yield connection, "QuerySources", (*ASKING, QUERYING), table
                case QueryExec(index=index):
                    assert index is not None
                    yield connection, "LookUpSources", ASKING, table
                    yield connection, "QueryIndexes", (QUERYING,), f"{table}/index/{index.name}"
        return
    # Only the tables tell whether a condition is one on a key.
    queries = plan.transform.predicate is not None
    for one in wanted:
        if one.is_target:
            continue
        table = arn(wildcards(one.pattern), one.connection.region, None)
        yield one.connection, "ScanSources", (*ASKING, SCANNING, *((QUERYING,) if queries else ())), table
        if queries:
            yield one.connection, "QueryIndexes", (QUERYING,), f"{table}/index/*"


def _arn(table: Table, sites: Mapping[Connection, Site]) -> str:
    if table.description is not None and table.description.arn:
        return table.description.arn
    site = sites.get(table.connection)
    region = site.region if site is not None else table.connection.region
    return arn(table.name, region, site.account if site is not None else None)


def arn(table: str, region: str | None, account: str | None) -> str:
    """The ARN of a table; what is not known of it is a wildcard."""
    partition = next((other for start, other in PARTITIONS.items() if (region or "").startswith(start)), "aws")
    return f"arn:{partition}:dynamodb:{region or '*'}:{account or '*'}:table/{table}"


def wildcards(pattern: TablePattern) -> str:
    """A pattern in IAM's wildcards, of which there are two: it stands for no fewer tables."""
    return "".join(_wildcard(part) for part in pattern.parts)


def _wildcard(part: ast.NamePart) -> str:
    match part:
        case ast.Literal(text=text):
            return text
        case ast.Range(low=low):
            return "?" * len(low)
        case ast.AnyCharacter() | ast.CharacterClass():
            return "?"
        case _:
            return "*"


def _identity(connection: Connection) -> str:
    if connection.role_arn is not None:
        return connection.role_arn
    return f"profile {connection.profile}" if connection.profile is not None else DEFAULT


def _statement(sid: str, actions: Iterable[str], resources: Iterable[str]) -> Document:
    named = [f"dynamodb:{action}" for action in sorted(actions)]
    return {"Sid": sid, "Effect": "Allow", "Action": named, "Resource": sorted(dict.fromkeys(resources))}


def _document(statements: list[Document]) -> Document:
    return {"Version": "2012-10-17", "Statement": statements}


def _merged(document: Document) -> Document:
    """A document whose statements differ: two connections of one identity can ask for the same."""
    found: dict[str, Document] = {}
    for statement in document["Statement"]:
        known = found.setdefault(statement["Sid"], statement)
        known["Resource"] = sorted({*known["Resource"], *statement["Resource"]})
    return _document(list(found.values()))


def length(document: Document) -> int:
    """The characters of a document that count for IAM's limit."""
    return len(json.dumps(document, separators=(",", ":")))
