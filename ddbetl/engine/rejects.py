"""Rejects: the rows that could not be written, kept so that nothing is lost silently.

In: source items with the reason. Out: JSON lines, which the job's store keeps together with the position behind their
page; and the causes with counts. Invariant: a run ends before it rejects more than it may.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ddbetl.engine.meter import Meter
from ddbetl.engine.report import CollisionPair, RejectCause
from ddbetl.engine.rows import RowFailure
from ddbetl.engine.state import resume_command
from ddbetl.errors import JobFailed
from ddbetl.plan.logical import LogicalPlan, parts
from ddbetl.plan.options import ROWS_TO_TELL
from ddbetl.source import Span

if TYPE_CHECKING:
    from ddbetl.engine.splits import Page

# More causes than these are counted together: messages may differ from row to row.
MOST_CAUSES = 100
# So many causes are named when a run is stopped because of them.
TOLD = 3

# No errors of the row itself, about which ON ERROR says what happens: its key is taken, by an item or by another row.
MEETINGS = frozenset({"R0301", "R0302", "R0304"})

Item = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that cannot be written: its source item in DynamoDB JSON, and why; ``met``: see RowFailure."""

    table: str
    item: Item
    code: str
    message: str
    span: Span | None = None
    met: CollisionPair | None = None


@dataclass(slots=True)
class Causes:
    """Counts rejects by code and kind of message."""

    _found: dict[tuple[str, str], list[Any]] = field(default_factory=dict)

    def count(self, code: str, message: str) -> None:
        kind = (code, kind_of(message))
        if kind not in self._found and len(self._found) >= MOST_CAUSES:
            kind = (code, "")
        self._found.setdefault(kind, [message, 0])[1] += 1

    def all(self) -> tuple[RejectCause, ...]:
        """The reasons, most frequent first, each with the message of its first row."""
        found = [RejectCause(code, message, count) for (code, _), (message, count) in self._found.items()]
        return tuple(sorted(found, key=lambda cause: -cause.count))


# What differs between rows of one cause: quoted texts and numbers.
_VARYING = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d[\d,.]*')


def kind_of(message: str) -> str:
    """A message without what differs between the rows that it is about."""
    return _VARYING.sub("…", message)


def _content(value: object) -> str:
    """A key's content, as a person writes it; of what is no DynamoDB value, all of it."""
    match value:
        case {**content} if len(content) == 1:
            return repr(next(iter(content.values())))
        case _:
            return json.dumps(value)


# The code and the message of each of some rejects.
Reasons: TypeAlias = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Rejects:
    """Does with rows that cannot be written what ON ERROR and max_rejects say. ``elsewhere``: who counts them, where
    this is one of several processes; it is called as ``count`` is."""

    plan: LogicalPlan
    meter: Meter
    folder: Path
    elsewhere: Callable[[Reasons, int], None] | None = None
    _causes: Causes = field(default_factory=Causes)

    def add(self, page: Page, failures: Iterable[tuple[Item, RowFailure]], beside: int = 0) -> None:
        """Count rows of a page that cannot be written, and keep a line of each; raises JobFailed when it is enough.

        ``beside``: rows of the page that can be written, and are not counted yet.
        """
        description = page.table.scan.table.description
        keys = tuple(key.name for key in description.key) if description is not None else ()
        reasons = []
        for item, failure in failures:
            of_row = failure.code not in MEETINGS
            if of_row and self.plan.on_error == "FAIL":
                raise JobFailed(self._fatal(page, item, failure, keys))
            if of_row and self.plan.on_error == "SKIP":
                page.add(skipped=1)
                continue
            page.add(rejected=1)
            reasons.append((failure.code, failure.message))
            reject = Reject(page.table.scan.table.name, item, failure.code, failure.message, failure.span, failure.met)
            page.split.ledger.reject(page, self.line(reject, keys))
        (self.elsewhere or self.count)(reasons, beside)

    def count(self, reasons: Reasons, beside: int = 0) -> None:
        """Count the causes of rejects that are in the tables' counts already; raises JobFailed when it is enough."""
        for code, message in reasons:
            self._causes.count(code, message)
        self._check(beside)

    def line(self, reject: Reject, keys: tuple[str, ...]) -> bytes:
        """A reject as a line of JSON; ``keys`` are the names of the source table's key attributes."""
        source = self.plan.source
        line, column = source.position(reject.span.start) if reject.span is not None else (None, None)
        entry = {
            "table": reject.table,
            "key": {name: reject.item[name] for name in keys if name in reject.item},
            "code": reject.code,
            "message": reject.message,
            "line": line,
            "column": column,
            "item": dict(reject.item),
        }
        if reject.met is not None:
            # For a run over the rejects, in which the other row need not come again.
            write = parts(self.plan).write
            assert write is not None
            entry["met"] = {"target": write.target.name, "key": reject.met.key, "first": asdict(reject.met.first)}
        return json.dumps(entry, separators=(",", ":")).encode() + b"\n"

    def _fatal(self, page: Page, item: Item, failure: RowFailure, keys: tuple[str, ...]) -> str:
        key = ", ".join(f"{name} = {_content(item[name])}" for name in keys if name in item)
        line = f" (line {self.plan.source.position(failure.span.start)[0]})" if failure.span is not None else ""
        return f"ON ERROR FAIL: {page.table.scan.table.name}, {key}: {failure.code} {failure.message}{line}"

    def _check(self, beside: int) -> None:
        """Stop a run that rejects more than it may."""
        limit = self.plan.max_rejects
        rejected = sum(table.tally.rejected for table in self.meter.tables)
        rows = sum(table.tally.passed for table in self.meter.tables) + rejected + beside
        if limit.rows is not None:
            too_many = rejected > limit.rows
        else:
            assert limit.percent is not None
            too_many = rows >= ROWS_TO_TELL and rejected * 100 > limit.percent * rows
        if too_many:
            allowed = f"{limit.rows:,}" if limit.rows is not None else str(limit)
            raise JobFailed(
                f"{rejected:,} of {rows:,} rows were rejected, more than max_rejects = {allowed} allows\n"
                + "".join(
                    f" = {cause.count:,} × {cause.code}  {cause.message}\n" for cause in self._causes.all()[:TOLD]
                )
                + "Nothing is lost. To go on without such rows, and get them in later (--from-rejects):\n"
                f"  {resume_command(self.folder)} --max-rejects 100%\n"
                "If it is the spec that is wrong, mend it and run it again: that begins anew.",
                advised=True,
            )


def causes(lines: Iterable[bytes]) -> tuple[RejectCause, ...]:
    """The causes of rejects in a file of them."""
    found = Causes()
    for line in lines:
        try:
            reject = json.loads(line)
            code, message = str(reject["code"]), str(reject["message"])
        except (ValueError, KeyError, TypeError, RecursionError):
            code, message = "R????", "somebody has changed the file: this line is no reject"
        found.count(code, message)
    return found.all()


def lines_of(content: Iterable[bytes]) -> Iterator[bytes]:
    """The whole lines of a file: the last one may still be on its way."""
    return (line for line in content if line.endswith(b"\n"))
