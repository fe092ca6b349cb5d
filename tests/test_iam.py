"""``ddbetl iam``: what the code sends is granted, on the tables that it is sent to, and nothing else."""

from __future__ import annotations

import ast as python
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import boto3
import pytest
import reference
from botocore import xform_name
from click.testing import CliRunner, Result
from compiling import ACCOUNT, control_plane
from fake_dynamodb import Call, Fake
from row_writing import Item, batches_of, write_to_fake

from ddbetl import api
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.engine.batches import Batch, Batching
from ddbetl.errors import JobFailed
from ddbetl.expressions.writing import Action, Entry, Form
from ddbetl.plan import iam
from ddbetl.plan.names import pattern
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse

PACKAGE = Path(api.__file__).parent
OPERATIONS = set(
    boto3.client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    ).meta.service_model.operation_names
)
METHODS = {xform_name(operation): operation for operation in OPERATIONS}
CATALOG = """\
Orders_201605 (CustomerID S, DateTime S), 500 items, 93500 bytes, on demand
Orders_201606 (CustomerID S, DateTime S), 500 items, 93500 bytes, on demand
Other (CustomerID S, DateTime S), 500 items, 93500 bytes, on demand
Archive (CustomerID S, DateTime S), 500 items, 93500 bytes, on demand
"""
WATCHING = "cloudwatch:GetMetricData"
HERE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table"
COPY = "SELECT CustomerID, DateTime FROM Orders_{201605..201606}"


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["iam", *arguments], prog_name="ddbetl")


def granted(document: dict[str, Any]) -> dict[str, set[str]]:
    """What a document grants: the resources by action."""
    assert set(document) == {"Version", "Statement"} and document["Version"] == "2012-10-17"
    found: dict[str, set[str]] = {}
    sids = [statement["Sid"] for statement in document["Statement"]]
    assert len(set(sids)) == len(sids) and all(re.fullmatch(r"[A-Za-z0-9]+", sid) for sid in sids)
    for statement in document["Statement"]:
        assert set(statement) == {"Sid", "Effect", "Action", "Resource"} and statement["Effect"] == "Allow"
        for action in statement["Action"]:
            found.setdefault(action.removeprefix("dynamodb:"), set()).update(statement["Resource"])
    return found


def online(spec: str, *arguments: str) -> Any:
    with control_plane(CATALOG):
        result = invoke(spec, *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def offline(spec: str, *arguments: str) -> Any:
    result = invoke(spec, "--offline", *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


# What is sent


def sent() -> set[str]:
    """The operations that the code sends, as IAM calls them."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        if path.parent.name == "demo" or path.name == "advice.py":
            # A server of its own; and words about requests.
            continue
        names_requests = {"engine", "connectors", "physical.py"} & {*path.relative_to(PACKAGE).parts}
        for node in python.walk(python.parse(path.read_bytes())):
            match node:
                case python.Constant(value=str(name)) if names_requests and name in OPERATIONS:
                    found.add(name)
                case python.Constant(value=str(name)) if names_requests and name in METHODS:
                    found.add(METHODS[name])
                case python.Attribute(attr=name) if names_requests and name in METHODS:
                    found.add(METHODS[name])
    assert "Scan" in found
    # Of a statement, IAM asks what it does.
    found.remove("BatchExecuteStatement")
    statements = {entry for entry in Entry if entry.operation == "BatchExecuteStatement"}
    return found | {{Entry.INSERT: "PartiQLInsert", Entry.UPDATE: "PartiQLUpdate"}[entry] for entry in statements}


def test_everything_that_is_sent_is_granted_and_nothing_else() -> None:
    can_be = {*iam.ASKING, iam.SCANNING, iam.QUERYING, *iam.EXPIRING, iam.RECOVERY, iam.CREATING, iam.LISTING}
    for actions in iam.WRITING.values():
        can_be.update(actions)
    assert can_be == sent()
    assert set(iam.WRITING) == set(Action)


def row(number: int, version: int) -> Item:
    return {"id": {"S": f"c{number}"}, "at": {"N": str(number)}, "v": {"N": str(version)}}


def alone(form: Form, rows: Sequence[Item]) -> list[Batch]:
    """Rows as batches of one, as if no statement could say them."""
    entries = [json.dumps({"PutRequest": {"Item": item}}).encode() for item in rows]
    return [Batch(Batching(form).body([entry]), (n,), 1.0, alone=True) for n, entry in enumerate(entries)]


@pytest.mark.parametrize("action", Action)
def test_an_action_sends_what_is_granted_for_it_and_everything_of_that(action: Action, tmp_path: Path) -> None:
    known = {reference.comparable({"id": r["id"], "at": r["at"]}): r for r in (row(1, 1), row(2, 9))}
    rows = [row(n, 5) if action is not Action.DELETE else {"id": {"S": f"c{n}"}, "at": {"N": str(n)}} for n in range(4)]
    seen: list[Call] = []
    singly = action not in (Action.REPLACE, Action.DELETE)
    for made in (batches_of, alone) if singly else (batches_of,):
        fake = Fake({}, fault=seen.append, items=dict(known))
        newest = "v" if action is Action.KEEP_NEWEST else None
        with suppress(JobFailed):
            write_to_fake(fake, tmp_path, action, rows, newest, made=made)
    named = set()
    for call in seen:
        if call.operation != "BatchExecuteStatement":
            named.add(call.operation)
        for one in call.body.get("Statements", ()):
            named.add({"INSERT": "PartiQLInsert", "UPDATE": "PartiQLUpdate"}[one["Statement"].split()[0]])
    assert named == set(iam.WRITING[action])


def test_a_role_is_assumed_by_the_code_that_iam_grants_it_for() -> None:
    control = (PACKAGE / "connectors" / "dynamodb" / "control.py").read_text(encoding="utf-8")
    assert "AssumeRoleCredentialFetcher" in control


# Policies


def test_the_tables_that_there_are_are_named() -> None:
    found = granted(online(f"INSERT INTO Archive {COPY} ON CONFLICT REPLACE"))
    sources = {f"{HERE}/Orders_201605", f"{HERE}/Orders_201606"}
    assert found == {
        "ListTables": {"*"},
        "BatchGetItem": sources | {f"{HERE}/Archive"},
        "Scan": sources,
        "DescribeTable": sources | {f"{HERE}/Archive"},
        "BatchWriteItem": {f"{HERE}/Archive"},
        "DescribeContinuousBackups": {f"{HERE}/Archive"},
        WATCHING: {"*"},
    }


def test_tables_are_listed_for_a_pattern_only() -> None:
    assert "ListTables" not in granted(online("INSERT INTO Archive SELECT * FROM Orders_201605"))
    assert "ListTables" in granted(online("INSERT INTO Archive SELECT * FROM Orders_20160?"))
    assert "ListTables" not in granted(offline("INSERT INTO Archive SELECT * FROM Orders_201605"))


@pytest.mark.parametrize(
    ("spec", "actions"),
    [
        ("INSERT INTO Archive SELECT * FROM Other", {"BatchGetItem", "PartiQLInsert", "PutItem"}),
        (
            "INSERT INTO Archive SELECT CustomerID, DateTime, Changed FROM Other ON CONFLICT KEEP NEWEST BY Changed",
            {"BatchGetItem", "PartiQLInsert", "PutItem", "DescribeContinuousBackups"},
        ),
        (
            "INSERT OVERWRITE Archive SELECT * FROM Other",
            {"BatchWriteItem", "DescribeContinuousBackups"},
        ),
        (
            "MERGE INTO Archive SELECT CustomerID, DateTime, Note FROM Other",
            {"PartiQLInsert", "PartiQLUpdate", "UpdateItem", "DescribeContinuousBackups"},
        ),
        (
            "MERGE INTO Archive ON MISSING SKIP SELECT CustomerID, DateTime, Note FROM Other",
            {"PartiQLUpdate", "UpdateItem", "DescribeContinuousBackups"},
        ),
        (
            "DELETE FROM Archive USING SELECT CustomerID, DateTime FROM Other",
            {"BatchWriteItem", "DescribeContinuousBackups"},
        ),
        (
            "INSERT INTO Archive SELECT CustomerID, DateTime, epoch(now()) AS e FROM Other WITH (ttl_attribute = e)",
            {"BatchGetItem", "PartiQLInsert", "PutItem", "DescribeTimeToLive", "UpdateTimeToLive"},
        ),
    ],
)
@pytest.mark.parametrize("look", [online, offline])
def test_the_target_is_written_as_the_spec_says(spec: str, actions: set[str], look: Any) -> None:
    document = look(spec)
    (writing,) = (one for one in document["Statement"] if one["Sid"] == "WriteTarget")
    assert {action.removeprefix("dynamodb:") for action in writing["Action"]} == actions | {"DescribeTable"}
    (resource,) = writing["Resource"]
    assert resource == (f"{HERE}/Archive" if look is online else "arn:aws:dynamodb:*:*:table/Archive")


@pytest.mark.parametrize("look", [online, offline])
def test_a_sample_may_look_at_what_is_in_the_target(look: Any) -> None:
    for spec in (
        "INSERT INTO Archive SELECT * FROM Other",
        "INSERT OVERWRITE Archive SELECT * FROM Other",
        "MERGE INTO Archive SELECT CustomerID, DateTime, Note FROM Other",
        "DELETE FROM Archive USING SELECT CustomerID, DateTime FROM Other",
    ):
        assert any(one.endswith("table/Archive") for one in granted(look(spec))["BatchGetItem"])
    assert not any(one.endswith("table/Archive") for one in granted(look("SELECT * FROM Other"))["BatchGetItem"])


def test_a_target_that_is_missing_is_made() -> None:
    made = granted(online("INSERT INTO Made KEY (CustomerID) SELECT CustomerID FROM Other"))
    assert made["CreateTable"] == {f"{HERE}/Made"}
    assert made["ListTables"] == {"*"}
    there = granted(online("INSERT INTO Archive KEY (CustomerID, DateTime) SELECT * FROM Other"))
    assert "CreateTable" not in there
    assert "CreateTable" in granted(offline("INSERT INTO Archive KEY (CustomerID, DateTime) SELECT * FROM Other"))


def test_a_query_is_granted_on_the_index_that_it_asks() -> None:
    with control_plane(
        "Keyed (CustomerID S, DateTime S), 500 items, 93500 bytes, on demand, index ByOrder (OrderID S)"
    ):
        by_key = invoke("SELECT * FROM Keyed WHERE CustomerID = 'a'")
        by_index = invoke("SELECT OrderID FROM Keyed WHERE attribute_type(OrderID) = 'S' AND OrderID = 'a'")
    found = granted(json.loads(by_key.stdout))
    assert found["Query"] == {f"{HERE}/Keyed"} and "Scan" not in found
    found = granted(json.loads(by_index.stdout))
    assert found["Query"] == {f"{HERE}/Keyed/index/ByOrder"} and "Scan" not in found
    assert found["DescribeTable"] == {f"{HERE}/Keyed"}
    # Offline nobody knows.
    found = granted(offline("SELECT * FROM Keyed WHERE CustomerID = 'a'"))
    table = "arn:aws:dynamodb:*:*:table/Keyed"
    assert found["Query"] == {table, f"{table}/index/*"} and found["Scan"] == {table}
    assert "Query" not in granted(offline("SELECT * FROM Keyed"))


def test_an_index_that_only_a_dry_pass_asks_is_granted() -> None:
    indexed = "Keyed (CustomerID S), 500 items, 93500 bytes, on demand, index ByOrder (OrderID S) of keys"
    spec = (
        "INSERT INTO Made KEY (CustomerID) SELECT {} FROM Keyed WHERE attribute_type(OrderID) = 'S' AND OrderID = 'a'"
    )
    with control_plane(indexed):
        result = invoke(spec.format("CustomerID, Note"))
        keys = invoke(spec.format("CustomerID"))
    found = granted(json.loads(result.stdout))
    assert found["Scan"] == {f"{HERE}/Keyed"} and found["Query"] == {f"{HERE}/Keyed/index/ByOrder"}
    assert "Scan" not in granted(json.loads(keys.stdout))


def test_a_spec_without_a_target_writes_nothing() -> None:
    assert set(granted(online("SELECT * FROM Other"))) == {"BatchGetItem", "DescribeTable", "Scan", WATCHING}


def test_identities_have_documents_of_their_own() -> None:
    role = "arn:aws:iam::444455556666:role/writer"
    spec = f"INSERT INTO Archive (region = 'eu-west-1', role_arn = '{role}') SELECT * FROM Other"
    found = online(spec)
    assert set(found) == {"default", role}
    source, target = granted(found["default"]), granted(found[role])
    assert source["Scan"] == {f"{HERE}/Other"} and source["sts:AssumeRole"] == {role}
    assert "PartiQLInsert" not in source and "Scan" not in target
    assert target["PartiQLInsert"] and all("table/Archive" in arn for arn in target["PartiQLInsert"])
    assert set(online("INSERT INTO Archive (profile = 'b') SELECT * FROM Other")) == {"default", "profile b"}
    # Another region is no other identity.
    one = online("INSERT INTO Archive (region = 'eu-west-1') SELECT * FROM Other")
    assert set(granted(one)["DescribeTable"]) >= {f"{HERE}/Other"}


def test_offline_patterns_are_wildcards_that_match_no_less() -> None:
    spec = "SELECT * FROM Orders_{201605..201606}, A?_*[0-9] (region = 'us-gov-west-1'), Cn (region = 'cn-north-1')"
    found = granted(offline(spec.replace("Cn ", "Cnn ")))
    assert found["Scan"] == {
        "arn:aws:dynamodb:*:*:table/Orders_??????",
        "arn:aws-us-gov:dynamodb:us-gov-west-1:*:table/A?_*?",
        "arn:aws-cn:dynamodb:cn-north-1:*:table/Cnn",
    }


@pytest.mark.parametrize(
    ("region", "partition"),
    [
        ("eu-west-1", "aws"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
    ],
)
def test_regions_of_their_own_have_partitions_of_their_own(region: str, partition: str) -> None:
    assert iam.arn("Orders", region, None) == f"arn:{partition}:dynamodb:{region}:*:table/Orders"


@pytest.mark.parametrize("text", ["Orders_{201605..201705}", "A*_?[a-c]", "Orders", "[!a]*{1..9}"])
def test_a_wildcard_matches_what_its_pattern_does(text: str) -> None:
    table = parse(SourceText(f"SELECT * FROM {text}")).statement.sources[0].name
    assert not isinstance(table, str)
    found = pattern(table, {})  # type: ignore[arg-type]
    for name in ("Orders_201605", "Orders_201701", "Orders", "AB_1a", "A_xb", "bcd5", "b1"):
        if found.matches(name):
            assert fnmatchcase(name, iam.wildcards(found))


def test_who_may_not_look_is_told_of_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(
        cli, ["iam", "SELECT * FROM Other", "--endpoint-url", "http://127.0.0.1:9"], prog_name="ddbetl",
        env={"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_REGION": "eu-central-1"},
    )  # fmt: skip
    assert result.exit_code == ExitCode.FAILED
    assert "--offline" in result.stderr and not result.stdout


def test_a_policy_that_is_too_long_is_told() -> None:
    names = [f"Orders_{number:0>180}" for number in range(40)]
    lines = "\n".join(f"{name} (CustomerID S), 1 items, 100 bytes, on demand" for name in names)
    with control_plane(lines):
        result = invoke("SELECT * FROM Orders_*")
    assert result.exit_code == 0
    assert "IAM takes 6,144" in result.stderr
    assert len(granted(json.loads(result.stdout))["Scan"]) == 40


def test_a_wrong_spec_has_no_policy() -> None:
    result = invoke("SELECT lenght(a) AS b FROM Other", "--offline")
    assert result.exit_code == ExitCode.SPEC_ERROR and not result.stdout
