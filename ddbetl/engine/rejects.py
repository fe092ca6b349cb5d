"""Rejects: the rows that could not be written, kept so that nothing is lost silently.

In: source items with the reason. Out: a file of JSON lines, readable by its owner only, and the causes with counts.
Invariant: a row is in the file before its page counts as done.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ddbetl.engine.folder import open_private, writing
from ddbetl.engine.report import RejectCause
from ddbetl.source import SourceText, Span

# More causes than these are counted together: messages may differ from row to row.
MOST_CAUSES = 100


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be written: its source item in DynamoDB JSON, and why."""

    table: str
    item: Mapping[str, Any]
    code: str
    message: str
    span: Span | None = None


class RejectFile:
    """Appends rejects to ``path``, which is made when the first one comes."""

    def __init__(self, path: Path, source: SourceText) -> None:
        self.path = path
        self._source = source
        self._file: IO[str] | None = None
        self._causes: dict[tuple[str, str], list[Any]] = {}

    @property
    def written(self) -> bool:
        return self._file is not None or self.path.exists()

    def add(self, reject: Reject, keys: tuple[str, ...]) -> None:
        """Write one reject; ``keys`` are the names of the source table's key attributes."""
        if self._file is None:
            with writing():
                self._file = os.fdopen(open_private(self.path, os.O_APPEND), "a", encoding="utf-8")
        line, column = self._source.position(reject.span.start) if reject.span is not None else (None, None)
        entry = {
            "table": reject.table,
            "key": {name: reject.item[name] for name in keys if name in reject.item},
            "code": reject.code,
            "message": reject.message,
            "line": line,
            "column": column,
            "item": dict(reject.item),
        }
        with writing():
            self._file.write(json.dumps(entry, separators=(",", ":")) + "\n")
        self._count(reject)

    def flush(self) -> None:
        """Hand what was added to the operating system."""
        if self._file is not None:
            with writing():
                self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            with writing():
                self._file.close()
            self._file = None

    def causes(self) -> tuple[RejectCause, ...]:
        """The reasons, most frequent first, each with the message of its first row."""
        found = [RejectCause(code, message, count) for (code, _), (message, count) in self._causes.items()]
        return tuple(sorted(found, key=lambda cause: -cause.count))

    def _count(self, reject: Reject) -> None:
        kind = (reject.code, _VARYING.sub("…", reject.message))
        if kind not in self._causes and len(self._causes) >= MOST_CAUSES:
            kind = (reject.code, "")
        self._causes.setdefault(kind, [reject.message, 0])[1] += 1


# What differs between rows of one cause: quoted texts and numbers.
_VARYING = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d,.]*')
