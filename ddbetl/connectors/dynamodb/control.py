"""The control plane, by boto3: sessions, credentials, and what the server says of its tables.

In: a Connection. Out: sites, table descriptions, names, credentials for the wire client. Invariant: nothing here reads
or writes an item, so nothing here costs a capacity unit; every failure is a ConnectionFailed that says what to do.
"""

from __future__ import annotations

import os
import re
import urllib.request
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError
from botocore.httpsession import where

from ddbetl.connectors.dynamodb.access import Access
from ddbetl.connectors.dynamodb.endpoint import Endpoint, Proxies
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireSettings
from ddbetl.errors import ConnectionFailed
from ddbetl.expressions.projection import KeyAttribute
from ddbetl.plan.catalog import Connection, IndexDescription, Site, TableDescription
from ddbetl.plan.cost import is_aws
from ddbetl.types import TAGS

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

# Descriptions asked for at once; DescribeTable allows 2,500 a second, and thirteen tables should not wait in a row.
AT_ONCE = 8
# How long CloudWatch is waited for: explain is a page without it, too.
TRAFFIC_SECONDS = 3


@dataclass(slots=True)
class Control:
    """One connection's client and what belongs to it. Close it after use."""

    connection: Connection
    client: DynamoDBClient
    _session: boto3.Session

    @classmethod
    def open(cls, connection: Connection) -> Control:
        """A client as boto3 finds its configuration, with what the connection says on top.

        Everything that boto3 would put into a request, and quote in its errors, is looked at before the first one: no
        password and no credential is ever in a message.
        """
        if connection.endpoint is not None:
            _endpoint(connection.endpoint, "us-east-1")
        with explained():
            session = boto3.Session(profile_name=connection.profile, region_name=connection.region)
            if session.region_name is None and os.environ.get("AWS_REGION"):
                # boto3 knows AWS_DEFAULT_REGION only; the other SDKs, and most machines, have this one.
                session = boto3.Session(profile_name=connection.profile, region_name=os.environ["AWS_REGION"])
            if connection.role_arn is not None:
                session = _assume(session, connection.role_arn)
            config = Config(
                retries={"mode": "standard", "max_attempts": 3},
                connect_timeout=5,
                read_timeout=20,
                max_pool_connections=AT_ONCE,
            )
            client = session.client("dynamodb", endpoint_url=connection.endpoint, config=config)
        control = cls(connection, client, session)
        control.endpoint()
        control.wire_settings(AT_ONCE)
        control.credentials()
        return control

    def close(self) -> None:
        self.client.close()

    def site(self, description: TableDescription | None = None) -> Site:
        """Where the connection leads; the account is read off a table's ARN."""
        account = description.arn.split(":")[4] if description is not None and description.arn.count(":") >= 5 else ""
        # Local servers write one of these for "no account".
        known = account if account.isdigit() and account != "000000000000" else None
        return Site(self.client.meta.region_name, known, self.client.meta.endpoint_url)

    def table_names(self) -> tuple[str, ...]:
        """The names of all tables of the account in the region."""
        with explained():
            pages = self.client.get_paginator("list_tables").paginate()
            return tuple(name for page in pages for name in page["TableNames"])

    def describe(self, names: tuple[str, ...]) -> dict[str, TableDescription]:
        """The descriptions of those of the tables that exist."""
        pool = ThreadPoolExecutor(max_workers=AT_ONCE)
        try:
            with explained():
                found = pool.map(self._describe, names)
                return {description.name: description for description in found if description is not None}
        finally:
            # Whoever interrupts does not wait for a server that does not answer.
            pool.shutdown(wait=False, cancel_futures=True)

    def _describe(self, name: str) -> TableDescription | None:
        try:
            return _description(self.client.describe_table(TableName=name)["Table"])
        except self.client.exceptions.ResourceNotFoundException:
            return None

    def cloudwatch(self) -> Any | None:
        """A client of CloudWatch, which counts what is used of the tables; None where it does not: a server that is not
        AWS has none, unless AWS_ENDPOINT_URL_CLOUDWATCH names one."""
        if not is_aws(self.client.meta.endpoint_url) and not os.environ.get("AWS_ENDPOINT_URL_CLOUDWATCH"):
            return None
        config = Config(
            retries={"total_max_attempts": 1}, connect_timeout=TRAFFIC_SECONDS, read_timeout=TRAFFIC_SECONDS
        )
        with explained("cloudwatch"):
            return self._session.client("cloudwatch", region_name=self.client.meta.region_name, config=config)

    def endpoint(self) -> Endpoint:
        """The endpoint that the wire client speaks to."""
        return _endpoint(self.client.meta.endpoint_url, self.client.meta.region_name)

    def wire_settings(self, max_connections: int) -> WireSettings:
        """Certificates and proxies as boto3 would use them."""
        bundle = os.environ.get("AWS_CA_BUNDLE") or self._session._session.get_config_variable("ca_bundle")
        try:
            proxies = urllib.request.getproxies()
            found = Proxies.parse(proxies.get("http"), proxies.get("https"), proxies.get("no"))
        except ValueError as error:
            raise ConnectionFailed(f"the environment's proxy settings cannot be used: {error}") from error
        return WireSettings(max_connections=max_connections, ca_bundle=Path(bundle or where()), proxies=found)

    def access(self, connections: int) -> Access:
        """How the data plane reaches this connection's tables, by at most so many connections at once."""

        def describe(name: str) -> TableDescription | None:
            return self.describe((name,)).get(name)

        return Access(self.endpoint(), self.wire_settings(connections), self.credentials(), describe)

    def credentials(self) -> CredentialSource:
        """The credentials of the connection, which stay fresh while somebody calls ``refresh`` now and then."""
        with explained():
            source = CredentialSource(self._session)
            source.refresh()
            return source


class CredentialSource:
    """Credentials that answer at once, and are refreshed elsewhere, because refreshing may ask a server."""

    def __init__(self, session: boto3.Session) -> None:
        self._session = session
        self._current: Credentials | None = None

    def current(self) -> Credentials:
        """The credentials as of the last refresh."""
        assert self._current is not None
        return self._current

    def refresh(self) -> None:
        """Ask boto3 for the credentials; it renews them some minutes before they expire. May block on the network."""
        with explained():
            found = self._session.get_credentials()
            if found is None:
                raise ConnectionFailed(NO_CREDENTIALS)
            frozen = found.get_frozen_credentials()
            if not frozen.access_key or not frozen.secret_key:
                raise ConnectionFailed(NO_CREDENTIALS)
            try:
                self._current = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
            except ValueError as error:
                # A line break or a blank that was copied along; the text says so without the value.
                raise ConnectionFailed(f"the AWS credentials cannot be used: {error}") from None


NO_CREDENTIALS = (
    "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile by --profile"
)


@contextmanager
def explained(service: str = "dynamodb") -> Iterator[None]:
    """Turn boto3's exceptions into ConnectionFailed with what to do about them."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        message = error.response.get("Error", {}).get("Message", "")
        advice = _advice(code, f"{service}:{error.operation_name}")
        raise ConnectionFailed(f"{code}: {message}{advice}") from error
    except BotoCoreError as error:
        text = without_userinfo(str(error))
        match type(error).__name__:
            case "NoRegionError":
                text = (
                    "no AWS region is set: give one by --region, AWS_REGION, or (region = '…') behind the table's name"
                )
            case "NoCredentialsError" | "PartialCredentialsError":
                text = NO_CREDENTIALS
            case "ProfileNotFound":
                text = f"{text}; the profiles are in ~/.aws/config"
            case "EndpointConnectionError" | "ConnectTimeoutError" | "ConnectionClosedError":
                text = f"{text} Is the endpoint right, and does the server run?"
        raise ConnectionFailed(text) from error
    except ValueError as error:
        # boto3 refuses a malformed endpoint URL so, which the environment or a configuration file may hold.
        said = str(error)
        if "endpoint" in said.lower() or "URL" in said:
            shown = f" ({said})" if "@" not in said else ""
            raise ConnectionFailed(
                f"an endpoint of the AWS settings is none{shown}: it looks like http://host:port"
            ) from error
        raise


def _endpoint(url: str, region: str) -> Endpoint:
    try:
        return Endpoint.parse(url, region)
    except ValueError as error:
        raise ConnectionFailed(str(error)) from error


def without_userinfo(text: str) -> str:
    """A text of boto3's without the name and password of a URL in it."""
    # Up to the last @ of the word: a password may hold some of its own.
    return re.sub(r"//\S*@", "//***@", text)


def _advice(code: str, permission: str) -> str:
    if code in ("AccessDeniedException", "AccessDenied"):
        return f" (the credentials need the permission {permission})"
    if code in ("UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException"):
        return " (the credentials are not valid there)"
    if code in ("ExpiredTokenException", "ExpiredToken"):
        return " (the credentials have expired: log in again)"
    return ""


def _assume(session: boto3.Session, role_arn: str) -> boto3.Session:
    """A session in an assumed role, renewed by botocore before it expires."""
    source = session.get_credentials()
    if source is None:
        raise ConnectionFailed(NO_CREDENTIALS)
    inner = session._session
    fetcher = AssumeRoleCredentialFetcher(inner.create_client, source, role_arn, {"RoleSessionName": "ddbetl"})
    assumed = botocore.session.get_session()
    assumed._credentials = DeferredRefreshableCredentials(fetcher.fetch_credentials, "assume-role")  # type: ignore[attr-defined]
    assumed.set_config_variable("region", session.region_name)
    return boto3.Session(botocore_session=assumed, region_name=session.region_name)


def local_client(endpoint: str) -> DynamoDBClient:
    """A client for a server on this machine, apart from all of the user's AWS configuration."""
    session = boto3.Session(
        aws_access_key_id="local", aws_secret_access_key="local", region_name="us-east-1", botocore_session=_blank()
    )
    return session.client("dynamodb", endpoint_url=endpoint)


def _blank() -> botocore.session.Session:
    """A botocore session that reads no configuration file and no profile."""
    return botocore.session.Session(
        session_vars={"config_file": (None, None, os.devnull, None), "profile": (None, None, None, None)}
    )


def _description(table: Mapping[str, Any]) -> TableDescription:
    types = {a["AttributeName"]: TAGS[a["AttributeType"]] for a in table.get("AttributeDefinitions", ())}

    def key(schema: list[Mapping[str, Any]]) -> tuple[KeyAttribute, ...]:
        ordered = sorted(schema, key=lambda k: k["KeyType"] != "HASH")
        return tuple(KeyAttribute(k["AttributeName"], types[k["AttributeName"]]) for k in ordered)

    def indexes(kind: str, found: list[Mapping[str, Any]]) -> Iterator[IndexDescription]:
        for index in found:
            units = index.get("ProvisionedThroughput", {})
            yield IndexDescription(
                index["IndexName"],
                kind,
                key(index["KeySchema"]),
                index.get("Projection", {}).get("ProjectionType", "ALL"),
                units.get("ReadCapacityUnits") or None,
                units.get("WriteCapacityUnits") or None,
                tuple(index.get("Projection", {}).get("NonKeyAttributes", ())),
                index.get("IndexStatus", "ACTIVE"),
            )

    provisioned = table.get("ProvisionedThroughput", {})
    read, write = provisioned.get("ReadCapacityUnits") or None, provisioned.get("WriteCapacityUnits") or None
    billing = table.get("BillingModeSummary", {}).get("BillingMode") or ("PROVISIONED" if read else "PAY_PER_REQUEST")
    warm = table.get("WarmThroughput", {})
    limit = table.get("OnDemandThroughput", {})
    created = table.get("CreationDateTime")
    return TableDescription(
        name=table["TableName"],
        arn=table.get("TableArn", ""),
        created=created.astimezone(UTC).isoformat() if created is not None else "",
        status=table.get("TableStatus", "ACTIVE"),
        key=key(table["KeySchema"]),
        billing=billing,
        items=table.get("ItemCount", 0),
        size=table.get("TableSizeBytes", 0),
        read_units=read if billing == "PROVISIONED" else None,
        write_units=write if billing == "PROVISIONED" else None,
        warm_read=_positive(warm.get("ReadUnitsPerSecond")),
        warm_write=_positive(warm.get("WriteUnitsPerSecond")),
        max_read=_positive(limit.get("MaxReadRequestUnits")),
        max_write=_positive(limit.get("MaxWriteRequestUnits")),
        indexes=(
            *indexes("GSI", table.get("GlobalSecondaryIndexes", [])),
            *indexes("LSI", table.get("LocalSecondaryIndexes", [])),
        ),
        table_class=table.get("TableClassSummary", {}).get("TableClass") or "STANDARD",
    )


def _positive(units: int | None) -> int | None:
    """Units where there is a limit; DynamoDB says -1 for none."""
    return units if units is not None and units > 0 else None
