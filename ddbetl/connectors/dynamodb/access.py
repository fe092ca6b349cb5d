"""How the engine reaches the tables of one connection: a value made by the control plane, used by the data plane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ddbetl.connectors.dynamodb.endpoint import Endpoint
from ddbetl.connectors.dynamodb.signer import Credentials
from ddbetl.connectors.dynamodb.wire import WireClient, WireSettings
from ddbetl.plan.catalog import TableDescription


class FreshCredentials(Protocol):
    """Credentials that answer at once; ``refresh`` renews them when they are due and may block."""

    def current(self) -> Credentials: ...

    def refresh(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Access:
    """An endpoint, how to connect to it, and the credentials for it.

    ``describe``: a table as it is now, None if it is gone; may block, and raises ConnectionFailed.
    """

    endpoint: Endpoint
    settings: WireSettings
    credentials: FreshCredentials
    describe: Callable[[str], TableDescription | None]

    def client(self) -> WireClient:
        """A new wire client; belongs to the event loop that uses it first."""
        current: Callable[[], Credentials] = self.credentials.current
        return WireClient(self.endpoint, current, self.settings)
