"""What is asked of tables and done to them: against the servers, and against answers that no local server gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from botocore.stub import Stubber
from servers import Server

from ddbetl.connectors.dynamodb import tables
from ddbetl.connectors.dynamodb.control import Control
from ddbetl.connectors.dynamodb.tables import (
    TargetState,
    TimeToLive,
    create_table,
    enable_time_to_live,
    point_in_time_recovery,
    target_state,
    time_to_live,
)
from ddbetl.errors import ConnectionFailed
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.plan.catalog import Connection, Provisioned
from ddbetl.types import Type

KEY = (KeyAttribute("CustomerID", Type.STRING), KeyAttribute("CreationDateTime", Type.NUMBER))
# Nobody listens there: a request that the test does not expect fails otherwise than it should.
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def control(server: Server) -> Iterator[Control]:
    with closing(Control.open(Connection(endpoint=server.endpoint_url))) as found:
        yield found


@contextmanager
def answering(*answers: tuple[str, dict[str, Any]]) -> Iterator[Control]:
    """A control plane that gives these answers, (operation, answer) each, all of them and in their order.

    An answer with a ``Code`` is an error.
    """
    with closing(Control.open(Connection(endpoint=NOBODY))) as control, Stubber(control.client) as stub:
        for operation, answer in answers:
            if "Code" in answer:
                stub.add_client_error(operation, answer["Code"], answer.get("Message", "because"), 400)
            else:
                stub.add_response(operation, answer)
        yield control
        stub.assert_no_pending_responses()


def no_sleep(seconds: float) -> None:
    raise AssertionError("nothing is to be waited for")


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(ConnectionFailed) as failed:
        call()
    return str(failed.value)


def described(status: str, *key: str) -> tuple[str, dict[str, Any]]:
    """An answer of DescribeTable; key attributes as ``name type``."""
    pairs = [attribute.split() for attribute in key or ("CustomerID S", "CreationDateTime N")]
    table = {
        "TableName": "Orders",
        "TableStatus": status,
        "KeySchema": [{"AttributeName": n, "KeyType": r} for (n, _), r in zip(pairs, ("HASH", "RANGE"), strict=False)],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": tag} for name, tag in pairs],
    }
    return "describe_table", {"Table": table}


GONE = ("describe_table", {"Code": "ResourceNotFoundException"})


# Creating


@pytest.mark.parametrize(
    "key", [KEY, KEY[:1], (KeyAttribute("b-i.n", Type.BINARY), KeyAttribute("ü 'q\"", Type.STRING))]
)
def test_a_table_is_created_on_demand(control: Control, prefix: str, key: tuple[KeyAttribute, ...]) -> None:
    description = create_table(control, f"{prefix}.new-table", key)
    assert (description.name, description.key, description.on_demand) == (f"{prefix}.new-table", key, True)
    assert description == control.describe((description.name,))[description.name]
    assert description.status == "ACTIVE"
    assert description.indexes == ()


def test_a_table_is_created_with_units(control: Control, prefix: str) -> None:
    description = create_table(control, f"{prefix}new", KEY, Provisioned(100, 500))
    assert (description.billing, description.read_units, description.write_units) == ("PROVISIONED", 100, 500)


def test_a_table_of_the_same_key_is_as_good(control: Control, prefix: str) -> None:
    first = create_table(control, f"{prefix}new", KEY)
    assert create_table(control, f"{prefix}new", KEY, Provisioned(1, 1)) == first


def test_a_table_of_another_key_is_not(control: Control, prefix: str) -> None:
    create_table(control, f"{prefix}new", KEY)
    other = (KEY[0], KeyAttribute("CreationDateTime", Type.STRING))
    assert refused(lambda: create_table(control, f"{prefix}new", other)) == (
        f"the table {prefix}new exists by now, with the key (CustomerID STRING, CreationDateTime NUMBER) and not "
        "(CustomerID STRING, CreationDateTime STRING): choose another name, or that key"
    )


def test_a_name_that_dynamodb_refuses(control: Control) -> None:
    assert "ValidationException" in refused(lambda: create_table(control, "no", KEY))


def test_a_new_table_is_waited_for() -> None:
    """It may be unknown at first; somebody else's that is being created is waited for alike."""
    slept: list[float] = []
    answers: tuple[dict[str, Any], ...] = ({"TableDescription": {}}, {"Code": "ResourceInUseException"})
    for first in answers:
        slept.clear()
        with answering(
            ("create_table", first), GONE, described("CREATING"), described("CREATING"), described("ACTIVE")
        ) as control:
            assert create_table(control, "Orders", KEY, sleep=slept.append).status == "ACTIVE"
        assert slept == [tables.SECONDS_BETWEEN_LOOKS] * 3


def test_somebody_elses_table_with_another_key() -> None:
    made = described("CREATING", "OrderID S"), described("ACTIVE", "OrderID S")
    with answering(("create_table", {"Code": "ResourceInUseException"}), *made) as control:
        message = refused(lambda: create_table(control, "Orders", KEY, sleep=lambda seconds: None))
    assert "with the key (OrderID STRING) and not" in message


def test_a_table_that_is_being_deleted() -> None:
    with answering(("create_table", {"Code": "ResourceInUseException"}), described("DELETING")) as control:
        message = refused(lambda: create_table(control, "Orders", KEY, sleep=no_sleep))
    assert message == "the table Orders is DELETING: it cannot be created now, try again later"


def test_a_table_that_never_gets_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MOST_LOOKS", 4)
    with answering(("create_table", {"TableDescription": {}}), *[described("CREATING")] * 4) as control:
        message = refused(lambda: create_table(control, "Orders", KEY, sleep=lambda seconds: None))
    assert message == "the table Orders is still CREATING after 4 seconds: run again once it is ACTIVE"


def test_too_many_tables() -> None:
    answer = {"Code": "LimitExceededException", "Message": "Subscriber limit exceeded"}
    with answering(("create_table", answer)) as control:
        message = refused(lambda: create_table(control, "Orders", KEY, sleep=no_sleep))
    assert message.startswith("LimitExceededException: Subscriber limit exceeded (too many tables")


# Time to live


def test_time_to_live_is_switched_on(control: Control, prefix: str) -> None:
    name = create_table(control, f"{prefix}new", KEY).name
    assert time_to_live(control, name) == TimeToLive("DISABLED", None)
    enable_time_to_live(control, name, "ExpirationTimestamp")
    found = time_to_live(control, name)
    assert found.on
    assert found.attribute == "ExpirationTimestamp"
    enable_time_to_live(control, name, "ExpirationTimestamp")
    assert refused(lambda: enable_time_to_live(control, name, "Other")) == (
        f"items of the table {name} expire by ExpirationTimestamp already, and a table has one such attribute: write "
        "it instead of Other, or switch it off first"
    )
    assert time_to_live(control, name).attribute == "ExpirationTimestamp"


def test_time_to_live_of_a_table_that_is_not_there(control: Control, prefix: str) -> None:
    assert "ResourceNotFoundException" in refused(lambda: time_to_live(control, f"{prefix}none"))
    assert "ResourceNotFoundException" in refused(lambda: enable_time_to_live(control, f"{prefix}none", "x"))


def ttl(status: str, attribute: str | None = None) -> tuple[str, dict[str, Any]]:
    """An answer of DescribeTimeToLive."""
    found = {"TimeToLiveStatus": status} | ({"AttributeName": attribute} if attribute else {})
    return "describe_time_to_live", {"TimeToLiveDescription": found}


REFUSED = ("update_time_to_live", {"Code": "ValidationException", "Message": "TimeToLive is already enabled"})


@pytest.mark.parametrize("status", ["ENABLING", "ENABLED"])
def test_nothing_is_done_where_it_is_on(status: str) -> None:
    with answering(ttl(status, "x")) as control:
        enable_time_to_live(control, "Orders", "x")


def test_switching_off_takes_an_hour() -> None:
    with answering(ttl("DISABLING", "x")) as control:
        message = refused(lambda: enable_time_to_live(control, "Orders", "x"))
    assert "is just being switched off" in message


def test_somebody_else_switches_it_on() -> None:
    with answering(ttl("DISABLED"), REFUSED, ttl("ENABLING", "x")) as control:
        enable_time_to_live(control, "Orders", "x")
    with answering(ttl("DISABLED"), REFUSED, ttl("ENABLING", "y")) as control:
        assert "expire by y already" in refused(lambda: enable_time_to_live(control, "Orders", "x"))


def test_a_second_change_within_the_hour() -> None:
    with answering(ttl("DISABLED"), REFUSED, ttl("DISABLED")) as control:
        message = refused(lambda: enable_time_to_live(control, "Orders", "x"))
    assert message == (
        "ValidationException: TimeToLive is already enabled (DynamoDB allows one change of a table's time to live an "
        "hour: try again later)"
    )


@pytest.mark.parametrize("code", ["ResourceInUseException", "LimitExceededException"])
def test_time_to_live_of_a_table_that_is_being_changed(code: str) -> None:
    with answering(ttl("DISABLED"), ("update_time_to_live", {"Code": code})) as control:
        message = refused(lambda: enable_time_to_live(control, "Orders", "x"))
    assert message == f"{code}: because (the table Orders is being changed: try again later)"


# Point-in-time recovery


def test_point_in_time_recovery(control: Control, server: Server, prefix: str) -> None:
    name = create_table(control, f"{prefix}new", KEY).name
    # Dynoxide does not know the operation.
    assert point_in_time_recovery(control, name) is (None if server.name == "dynoxide" else False)
    if server.name == "ministack":
        control.client.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        assert point_in_time_recovery(control, name) is True


@pytest.mark.parametrize("wanted", [(False, False), (True, False), (False, True), (True, True)])
def test_only_what_is_wanted_is_asked(wanted: tuple[bool, bool]) -> None:
    status = {"PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"}}
    backups = {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "ENABLED", **status}}
    answers = [ttl("DISABLED"), ("describe_continuous_backups", backups)]
    with answering(*(answer for answer, one in zip(answers, wanted, strict=True) if one)) as control:
        state = target_state(control, "Orders", ttl=wanted[0], recovery=wanted[1])
    assert state == TargetState(TimeToLive("DISABLED", None) if wanted[0] else None, False if wanted[1] else None)


def test_point_in_time_recovery_of_a_table_that_is_not_there() -> None:
    with answering(("describe_continuous_backups", {"Code": "TableNotFoundException"})) as control:
        assert "TableNotFoundException" in refused(lambda: point_in_time_recovery(control, "Orders"))


def test_backups_without_point_in_time_recovery() -> None:
    answer = {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": "DISABLED"}}
    with answering(("describe_continuous_backups", answer)) as control:
        assert point_in_time_recovery(control, "Orders") is False


# Permissions

DENIED = {"Code": "AccessDeniedException", "Message": "User: arn:… is not authorized"}


@pytest.mark.parametrize(
    ("answers", "call", "action"),
    [
        ([("create_table", DENIED)], lambda c: create_table(c, "Orders", KEY), "CreateTable"),
        (
            [("create_table", {"Code": "ResourceInUseException"}), ("describe_table", DENIED)],
            lambda c: create_table(c, "Orders", KEY),
            "DescribeTable",
        ),
        ([("describe_time_to_live", DENIED)], lambda c: time_to_live(c, "Orders"), "DescribeTimeToLive"),
        (
            [ttl("DISABLED"), ("update_time_to_live", DENIED)],
            lambda c: enable_time_to_live(c, "Orders", "x"),
            "UpdateTimeToLive",
        ),
    ],
)
def test_a_missing_permission_is_named(
    answers: list[tuple[str, dict[str, Any]]], call: Callable[[Control], object], action: str
) -> None:
    with answering(*answers) as control:
        message = refused(lambda: call(control))
    assert message.endswith(f"is not authorized (the credentials need the permission dynamodb:{action})")


def test_point_in_time_recovery_may_be_a_secret() -> None:
    with answering(("describe_continuous_backups", DENIED)) as control:
        assert point_in_time_recovery(control, "Orders") is None


# Indexes


def test_the_indexes_of_a_description(control: Control, server: Server, prefix: str) -> None:
    def index(name: str, projection: dict[str, Any], *key: str) -> dict[str, Any]:
        schema = [{"AttributeName": n, "KeyType": r} for n, r in zip(key, ("HASH", "RANGE"), strict=False)]
        return {"IndexName": name, "KeySchema": schema, "Projection": projection}

    client = server.client()
    client.create_table(
        TableName=f"{prefix}indexed",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "id", "AttributeType": "S"},
            {"AttributeName": "at", "AttributeType": "N"},
            {"AttributeName": "day", "AttributeType": "N"},
            {"AttributeName": "blob", "AttributeType": "B"},
        ],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            index("by_day", {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x", "y.z"]}, "day", "blob")
        ],
        LocalSecondaryIndexes=[index("by_blob", {"ProjectionType": "KEYS_ONLY"}, "id", "blob")],
    )
    client.get_waiter("table_exists").wait(TableName=f"{prefix}indexed")
    client.close()
    by_day, by_blob = control.describe((f"{prefix}indexed",))[f"{prefix}indexed"].indexes
    assert (by_day.kind, by_day.status, by_day.projection) == ("GSI", "ACTIVE", "INCLUDE")
    assert by_day.included == ("x", "y.z")
    assert by_day.key == (KeyAttribute("day", Type.NUMBER), KeyAttribute("blob", Type.BINARY))
    assert (by_blob.kind, by_blob.status, by_blob.projection, by_blob.included) == ("LSI", "ACTIVE", "KEYS_ONLY", ())
    assert by_blob.key == (KeyAttribute("id", Type.STRING), KeyAttribute("blob", Type.BINARY))


def test_an_index_that_is_being_made() -> None:
    operation, answer = described("UPDATING")
    table = answer["Table"]
    table["AttributeDefinitions"].append({"AttributeName": "day", "AttributeType": "S"})
    schema = [{"AttributeName": "day", "KeyType": "HASH"}]
    table["GlobalSecondaryIndexes"] = [{"IndexName": "by_day", "KeySchema": schema, "IndexStatus": "CREATING"}]
    with answering((operation, answer)) as control:
        (index,) = control.describe(("Orders",))["Orders"].indexes
    assert (index.status, index.key) == ("CREATING", (KeyAttribute("day", Type.STRING),))
