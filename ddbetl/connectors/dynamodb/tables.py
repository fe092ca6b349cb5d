"""What is asked of a table beside its description, and what is done to it: expiry, recovery, creation.

In: a Control, a table's name. Out: settings, and the description of a table that can be written. Invariant: no item is
read or written, and a table is changed by a function whose name says so; every failure is a ConnectionFailed that says
what to do, where a permission is missing which one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ddbetl.connectors.dynamodb.control import Control, explained
from ddbetl.errors import ConnectionFailed
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.plan.catalog import Provisioned, TableDescription
from ddbetl.plan.tables import USABLE
from ddbetl.types import TAG_OF

# How often a new table is looked at, and how often at most; DynamoDB takes some ten seconds to make one.
SECONDS_BETWEEN_LOOKS = 1.0
MOST_LOOKS = 300

# Whoever may write a table need not be allowed to ask how it is backed up, and not every local server knows.
CANNOT_TELL = ("AccessDeniedException", "AccessDenied", "UnknownOperationException")


@dataclass(frozen=True, slots=True)
class TimeToLive:
    """A table's expiry: ``status`` is ENABLED, ENABLING, DISABLING or DISABLED; ``attribute`` None where it is off."""

    status: str
    attribute: str | None

    @property
    def on(self) -> bool:
        """Items expire, or will once DynamoDB has switched it on, which takes up to an hour."""
        return self.status in ("ENABLED", "ENABLING")


@dataclass(frozen=True, slots=True)
class TargetState:
    """What matters of a target beside its description. ``ttl``: None where nobody asked. ``recovery``: whether it can
    be restored to how it was; None where nobody asked, or nobody can tell."""

    ttl: TimeToLive | None = None
    recovery: bool | None = None


def target_state(control: Control, name: str, *, ttl: bool, recovery: bool) -> TargetState:
    """Ask how a table expires its items, and whether it can be restored: each only if it is wanted."""
    return TargetState(
        time_to_live(control, name) if ttl else None, point_in_time_recovery(control, name) if recovery else None
    )


def time_to_live(control: Control, name: str) -> TimeToLive:
    """Ask which attribute lets the table's items expire."""
    with explained():
        found = control.client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    # One that is being switched off still has its attribute.
    return TimeToLive(found.get("TimeToLiveStatus", "DISABLED"), found.get("AttributeName"))


def enable_time_to_live(control: Control, name: str, attribute: str) -> None:
    """Let the table's items expire by this attribute; nothing is done where they do already.

    A table has one such attribute, and DynamoDB refuses a second change within an hour of the first.
    Source: UpdateTimeToLive API reference.
    """
    found = time_to_live(control, name)
    if not to_enable(name, found, attribute):
        return
    errors = control.client.exceptions
    with explained():
        try:
            control.client.update_time_to_live(
                TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
            )
        except (errors.ResourceInUseException, errors.LimitExceededException) as error:
            raise ConnectionFailed(f"{_said(error)} (the table {name} is being changed: try again later)") from error
        except errors.ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise
            # Somebody else may have switched it on in the meantime.
            if to_enable(name, time_to_live(control, name), attribute):
                raise ConnectionFailed(
                    f"{_said(error)} (DynamoDB allows one change of a table's time to live an hour: try again later)"
                ) from error


def to_enable(name: str, found: TimeToLive, attribute: str) -> bool:
    """Tell whether the attribute is to be switched on; ConnectionFailed where it cannot be."""
    if found.on and found.attribute == attribute:
        return False
    if (reason := in_the_way(name, found, attribute)) is not None:
        raise ConnectionFailed(": ".join(reason))
    return True


def in_the_way(name: str, found: TimeToLive, attribute: str) -> tuple[str, str] | None:
    """Why items cannot expire by an attribute, and what to do; None where they can, or do."""
    if found.on and found.attribute != attribute:
        return (
            f"items of the table {name} expire by {found.attribute} already, and a table has one such attribute",
            f"write it instead of {attribute}, or switch it off first",
        )
    if found.status == "DISABLING":
        return (
            f"the time to live of the table {name} is just being switched off, which takes up to an hour",
            "try again later",
        )
    return None


def point_in_time_recovery(control: Control, name: str) -> bool | None:
    """Ask whether the table can be restored to how it was; None where that may not be asked, or the server cannot tell.

    Limit: 10 requests a second, DescribeContinuousBackups API reference.
    """
    with explained():
        try:
            answer = control.client.describe_continuous_backups(TableName=name)
        except control.client.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in CANNOT_TELL:
                return None
            raise
    found = answer["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
    return found.get("PointInTimeRecoveryStatus") == "ENABLED"


def create_table(
    control: Control,
    name: str,
    key: tuple[KeyAttribute, ...],
    provisioned: Provisioned | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> TableDescription:
    """Create a table, on demand if no units are given, and wait until it can be written.

    A table of that name and key that somebody else is creating, or has just created, is as good. ConnectionFailed when
    it has another key, is being deleted, or is not ready after five minutes.
    """
    errors = control.client.exceptions
    with explained():
        try:
            control.client.create_table(**_request(name, key, provisioned))
        except errors.ResourceInUseException:
            pass
        except errors.LimitExceededException as error:
            raise ConnectionFailed(
                f"{_said(error)} (too many tables are being created, or the account has as many as it may: "
                "try again later, or raise the quota)"
            ) from error
    description = _ready(control, name, sleep)
    if description.key != key:
        raise ConnectionFailed(
            f"the table {name} exists by now, with the key {_text(description.key)} and not {_text(key)}: "
            "choose another name, or that key"
        )
    return description


def _request(name: str, key: tuple[KeyAttribute, ...], provisioned: Provisioned | None) -> dict[str, Any]:
    request: dict[str, Any] = {
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": k.name, "AttributeType": TAG_OF[k.type]} for k in key],
        "KeySchema": [
            {"AttributeName": k.name, "KeyType": role} for k, role in zip(key, ("HASH", "RANGE"), strict=False)
        ],
    }
    if provisioned is None:
        return request | {"BillingMode": "PAY_PER_REQUEST"}
    units = {"ReadCapacityUnits": provisioned.read_units, "WriteCapacityUnits": provisioned.write_units}
    return request | {"BillingMode": "PROVISIONED", "ProvisionedThroughput": units}


def _ready(control: Control, name: str, sleep: Callable[[float], None]) -> TableDescription:
    """Wait until the table can be written."""
    status = "not there"
    for look in range(MOST_LOOKS):
        if look:
            sleep(SECONDS_BETWEEN_LOOKS)
        # A new table may be unknown for some seconds. Source: DescribeTable API reference.
        description = control.describe((name,)).get(name)
        if description is None:
            continue
        status = description.status
        if status in USABLE:
            return description
        if status != "CREATING":
            raise ConnectionFailed(f"the table {name} is {status}: it cannot be created now, try again later")
    seconds = round(MOST_LOOKS * SECONDS_BETWEEN_LOOKS)
    raise ConnectionFailed(f"the table {name} is still {status} after {seconds} seconds: run again once it is ACTIVE")


def _text(key: tuple[KeyAttribute, ...]) -> str:
    return "(" + ", ".join(f"{k.name} {k.type}" for k in key) + ")"


def _said(error: Exception) -> str:
    """The code and message of a ClientError, as ``explained`` shows them."""
    found = getattr(error, "response", {}).get("Error", {})
    return f"{found.get('Code', '')}: {found.get('Message', '')}"
