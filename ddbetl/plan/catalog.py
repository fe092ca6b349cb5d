"""What the compiler knows of the outside: tables, keys, capacity, by connection.

The catalog is a value, taken by the caller before analysis; the planner does no I/O. Invariant: everything in it was
said by the server; nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ddbetl.expressions.projection import KeyAttribute


@dataclass(frozen=True, slots=True)
class Connection:
    """How a source or target is reached; None: as boto3 finds it in the environment and its configuration files."""

    region: str | None = None
    profile: str | None = None
    role_arn: str | None = None
    endpoint: str | None = None

    def __str__(self) -> str:
        said = {
            "region": self.region,
            "profile": self.profile,
            "role_arn": self.role_arn,
            "endpoint": self.endpoint,
        }
        return ", ".join(f"{name} = {value!r}" for name, value in said.items() if value is not None)


@dataclass(frozen=True, slots=True)
class Site:
    """Where a connection leads. ``account`` is None where the server does not say (a local one)."""

    region: str
    account: str | None
    endpoint: str


@dataclass(frozen=True, slots=True)
class IndexDescription:
    """A secondary index: ``kind`` is GSI or LSI; units per second for provisioned GSIs.

    ``included``: what an INCLUDE projection holds beside the keys. ``status`` is a GSI's own; an LSI is as its table.
    """

    name: str
    kind: str
    key: tuple[KeyAttribute, ...]
    projection: str
    read_units: int | None = None
    write_units: int | None = None
    included: tuple[str, ...] = ()
    status: str = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Provisioned:
    """The units per second that a table is created with."""

    read_units: int
    write_units: int


@dataclass(frozen=True, slots=True)
class NewTable:
    """A table that is to be made; ``provisioned``: its units per second, None for on demand."""

    key: tuple[KeyAttribute, ...]
    provisioned: Provisioned | None = None


@dataclass(frozen=True, slots=True)
class TableDescription:
    """A table as DescribeTable says it is.

    ``items`` and ``size`` (bytes) are DynamoDB's own counts, up to six hours old. Units are per second:
    ``read_units``/``write_units`` provisioned, ``warm_*`` what an on-demand table takes at once, ``max_*`` its limit.
    """

    name: str
    arn: str
    created: str
    status: str
    key: tuple[KeyAttribute, ...]
    billing: str
    items: int = 0
    size: int = 0
    read_units: int | None = None
    write_units: int | None = None
    warm_read: int | None = None
    warm_write: int | None = None
    max_read: int | None = None
    max_write: int | None = None
    indexes: tuple[IndexDescription, ...] = ()
    table_class: str = "STANDARD"

    @property
    def on_demand(self) -> bool:
        return self.billing == "PAY_PER_REQUEST"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Sites, tables and, where they were listed, the names of all tables, by connection."""

    sites: Mapping[Connection, Site] = field(default_factory=dict)
    tables: Mapping[tuple[Connection, str], TableDescription] = field(default_factory=dict)
    names: Mapping[Connection, tuple[str, ...]] = field(default_factory=dict)
