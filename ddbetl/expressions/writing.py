"""How rows get into the target: what a spec says, and what one row is in a request.

Between the analyzer, the statement that builds request bodies, and the writers. Invariant: the text of a request is
defined here alone, for the statement's SQL and for Python alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum

from ddbetl.expressions.projection import KeyAttribute
from ddbetl.types import Type


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

# What changes or removes items that the target has already.
LOSING = (Action.REPLACE, Action.KEEP_NEWEST, Action.MERGE, Action.MERGE_EXISTING, Action.DELETE)

# Longest PartiQL statement, in characters; here in bytes, to be sure. Source: BatchStatementRequest API reference.
LONGEST_STATEMENT = 8192
# The types that DynamoDB compares by more or less: what KEEP NEWEST can decide by.
ORDERED = (Type.NUMBER, Type.STRING, Type.BINARY)
# What an expiry time can be, in seconds. Less is rather a duration, more are rather milliseconds.
EARLIEST_EXPIRY, LATEST_EXPIRY = 10**8, 10**11 - 1
# What makes a path of a name in UPDATE, for some servers even in quotes, or ends the quotes.
_PATH = re.compile(r'[.\[\]"]')


@dataclass(frozen=True, slots=True)
class Form:
    """The requests that write rows of one entry into one table; the key is empty where it is not known.

    An entry is ``opening``, the ``labels`` of a statement's attributes, ``middle``, the attributes, ``closing``. Labels
    and attributes are separated by commas. A put and a delete have no labels, and their attributes are one object; the
    attributes of an UPDATE end with the key, which has no labels. All of it is JSON text.
    """

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

    @property
    def opening(self) -> str:
        match self.entry:
            case Entry.PUT:
                return '{"PutRequest":{"Item":'
            case Entry.DELETE:
                return '{"DeleteRequest":{"Key":'
            case Entry.INSERT:
                return '{"Statement":"' + _inside(f'INSERT INTO "{self.table}" VALUE {{')
            case Entry.UPDATE:
                return '{"Statement":"' + _inside(f'UPDATE "{self.table}" SET ')

    @property
    def middle(self) -> str:
        match self.entry:
            case Entry.PUT | Entry.DELETE:
                return ""
            case Entry.INSERT:
                return '}","Parameters":['
            case Entry.UPDATE:
                return _inside(" WHERE " + " AND ".join(f'"{k.name}"=?' for k in self.key)) + '","Parameters":['

    @property
    def closing(self) -> str:
        return "}}" if self.entry.operation == "BatchWriteItem" else "]}"

    @property
    def room(self) -> int:
        """How many bytes the labels may have, as JSON: rather too few than too many."""
        said = self.opening.removeprefix('{"Statement":"') + self.middle.removesuffix('","Parameters":[')
        return LONGEST_STATEMENT - len(said.encode())

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(attribute.name for attribute in self.key)

    def label(self, name: str) -> str:
        """How a statement names an attribute, its comma aside."""
        if self.entry is Entry.INSERT:
            return _inside("'" + name.replace("'", "''") + "':?")
        return _inside(f'"{name}"=?')

    def takes(self, names: Iterable[str]) -> bool:
        """Whether an entry may have attributes of these names."""
        return self.entry is not Entry.UPDATE or not any(map(_PATH.search, names))


def _inside(text: str) -> str:
    """A text as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


_INSERTED = re.compile(r"'((?:[^']|'')*)':\?")
_UPDATED = re.compile(r'"([^"]*)"=\?')


def names_in(statement: str) -> tuple[str, ...]:
    """The names of an entry's attributes, in the order of its parameters, by its statement."""
    if statement.startswith("UPDATE "):
        return tuple(_UPDATED.findall(statement, statement.index(" SET ")))
    return tuple(name.replace("''", "'") for name in _INSERTED.findall(statement, statement.index("{")))
