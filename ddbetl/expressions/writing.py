"""How rows get into the target: what a spec says, and what one row is in a request.

Between the analyzer, the statement that builds request bodies, and the writers. Invariant: the text of a request is
defined here alone, for the statement's SQL and for Python alike.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, StrEnum

from ddbetl.expressions.projection import KeyAttribute


class Action(StrEnum):
    """What a spec does with a row. The values are what it says: the action of ON CONFLICT, MERGE, or DELETE."""

    REPLACE = "REPLACE"
    SKIP = "SKIP"
    REJECT = "REJECT"
    FAIL = "FAIL"
    KEEP_NEWEST = "KEEP NEWEST"
    MERGE = "MERGE"
    MERGE_EXISTING = "MERGE ON MISSING SKIP"
    DELETE = "DELETE"


class Entry(Enum):
    """What one row is in a request of many: a put or a delete of BatchWriteItem, or a PartiQL statement with its
    parameters in BatchExecuteStatement, where each fails alone."""

    PUT = "PutRequest"
    DELETE = "DeleteRequest"
    INSERT = "INSERT"
    UPDATE = "UPDATE"

    @property
    def operation(self) -> str:
        return "BatchWriteItem" if self in (Entry.PUT, Entry.DELETE) else "BatchExecuteStatement"


# What the rows of an action are sent as, at first: what is there already is found out by what the server refuses.
ENTRIES = {
    Action.REPLACE: Entry.PUT,
    Action.SKIP: Entry.INSERT,
    Action.REJECT: Entry.INSERT,
    Action.FAIL: Entry.INSERT,
    Action.KEEP_NEWEST: Entry.INSERT,
    Action.MERGE: Entry.UPDATE,
    Action.MERGE_EXISTING: Entry.UPDATE,
    Action.DELETE: Entry.DELETE,
}

# Longest PartiQL statement, in characters; here in bytes, to be sure. Source: BatchStatementRequest API reference.
LONGEST_STATEMENT = 8192


@dataclass(frozen=True, slots=True)
class Form:
    """The requests that write rows of one entry into one table."""

    entry: Entry
    table: str
    key: tuple[KeyAttribute, ...]

    @property
    def head(self) -> str:
        """What stands before the entries, which commas separate."""
        if self.entry.operation == "BatchWriteItem":
            return '{"RequestItems":{' + json.dumps(self.table) + ":["
        return '{"Statements":['

    @property
    def tail(self) -> str:
        """What stands behind them."""
        if self.entry.operation == "BatchWriteItem":
            return ']},"ReturnConsumedCapacity":"INDEXES"}'
        return '],"ReturnConsumedCapacity":"INDEXES"}'
