"""The jobs of a state folder: what there is, how far each is, what it rejected; and what can be asked of them.

In: a state folder, the id of a job. Out: frozen values. Invariant: looking at a job takes no lock that a run needs, so
it never stands in the way of one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from ddbetl.diagnostics import Diagnostic, did_you_mean
from ddbetl.engine import views
from ddbetl.engine.counts import NONE, Counts
from ddbetl.engine.folder import LOG, STATE_DIR
from ddbetl.engine.rejects import MOST_CAUSES, kind_of
from ddbetl.engine.report import Progress
from ddbetl.engine.store import REJECTS
from ddbetl.engine.views import BrokenJob, JobView
from ddbetl.errors import JobFailed, SpecError
from ddbetl.plan.options import JOB_OPTIONS, OptionError
from ddbetl.source import SourceText
from ddbetl.syntax import parser

# Stands for the id of the newest job.
LAST = "last"
# What can be changed while a job runs.
RATES = ("read", "write")
FINISHED = ("done", "limit")
# So many bytes of a log's end are looked at.
LOG_TAIL = 65_536
# Of more jobs, an error about a wrong id names the newest.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it is now.

    ``state``: running, done, limit (LIMIT reached), interrupted, failed, killed (its process ended without a word) or
    broken (its state cannot be read). ``view``: what its state says, None of a broken one. ``progress``: as last saved,
    None where it has not got so far. ``reason``: why it failed, as far as its log says, or why it is broken.
    """

    id: str
    state: str
    folder: Path
    view: JobView | None
    progress: Progress | None = None
    reason: str = ""

    @property
    def finished(self) -> bool:
        return self.state in FINISHED

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def counts(self) -> Counts:
        """What became of the items of all tables."""
        return self.view.counts if self.view is not None else NONE

    @property
    def fraction(self) -> float | None:
        """How much of the job is done, 0 to 1; None where nobody can tell."""
        if self.finished:
            return 1.0
        if self.progress is not None and self.progress.fraction is not None:
            return self.progress.fraction
        return self.view.splits_done / self.view.splits if self.view is not None and self.view.splits else None


@dataclass(frozen=True, slots=True)
class RejectExample:
    """A rejected row: its key and its source item, in DynamoDB JSON."""

    table: str
    key: Mapping[str, Any]
    item: Mapping[str, Any]
    message: str


@dataclass(frozen=True, slots=True)
class RejectedBecause:
    """Rejected rows with one code, one place in the spec, and messages that differ in values only.

    ``message``: of the first one. ``line``, ``column``: in the spec, None where the row as a whole is at fault.
    ``tables``: rows by source table.
    """

    code: str
    message: str
    line: int | None
    column: int | None
    count: int
    tables: Mapping[str, int]
    examples: tuple[RejectExample, ...]


@dataclass(frozen=True, slots=True)
class Rejects:
    """What a job rejected, the most frequent cause first. ``path``: the file, None without rejects.

    ``missing``: rows that the job rejected and the file does not have, because somebody has changed it.
    """

    job: Job
    path: Path | None
    count: int
    causes: tuple[RejectedBecause, ...]
    missing: int = 0


def jobs(state_dir: str | os.PathLike[str] = STATE_DIR) -> tuple[Job, ...]:
    """All jobs of a state folder, the newest first."""
    return tuple(_job(found) for found in views.views(Path(state_dir)))


def job(job_id: str, state_dir: str | os.PathLike[str] = STATE_DIR) -> Job:
    """The job of an id, of the beginning of one if no other begins so, or the newest one for ``last``.

    Raises JobFailed where there is none, naming those that may be meant.
    """
    found = views.named(Path(state_dir), job_id) if job_id and job_id != LAST else []
    exact = [one for one in found if one.folder.name == job_id]
    if len(exact or found) == 1:
        return _job((exact or found)[0])
    known = jobs(state_dir)
    if not known:
        raise JobFailed(f"there are no jobs in {state_dir}\n--state-dir names the folder that a run was told.")
    if job_id == LAST:
        return known[0]
    if found:
        begin = [one.id for one in known if one.id.startswith(job_id)]
        raise JobFailed(f"{len(begin)} jobs begin with {job_id}: {_listed(begin)}")
    near = [one.id for one in known if job_id and job_id in one.id]
    hint = f"did you mean {_listed(near)}?" if near else did_you_mean(job_id, [one.id for one in known])
    raise JobFailed(f"there is no job {job_id} in {state_dir}\n{hint or f'there are {_listed(j.id for j in known)}'}")


def now(found: Job) -> Job:
    """The same job as it is a while later."""
    return _job(views.view(found.folder))


def remove(*job_ids: str, state_dir: str | os.PathLike[str] = STATE_DIR) -> tuple[Job, ...]:
    """Remove jobs with all that they keep, their rejects too; returns what they were.

    Where one of them is not there or is running, JobFailed is raised and none is removed.
    """
    gone = tuple({one.id: one for one in (job(job_id, state_dir) for job_id in job_ids)}.values())
    for one in gone:
        removable(one)
    for one in gone:
        views.remove(one.folder)
    return gone


def removable(one: Job) -> None:
    """Raise JobFailed for a job that is running."""
    if one.running:
        process = f" (process {one.view.pid})" if one.view is not None and one.view.pid is not None else ""
        raise JobFailed(f"job {one.id} is running{process}: it cannot be removed\n{how_to_stop(one)}; then remove it.")


def how_to_stop(running: Job) -> str:
    """How a running job is stopped."""
    pid = running.view.pid if running.view is not None else None
    if pid is not None and not _lives(pid):
        return (
            f"Process {pid} has ended, but a worker process of it holds the job, which was stopped, or hangs: "
            "ps -ef | grep ddbetl.engine.worker finds it, kill -9 ends it"
        )
    return f"Stop it with Ctrl-C where it runs{f', or with: kill {pid}' if pid is not None else ''}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        # It is somebody else's.
        return True
    return True


def set_rate(job_id: str, *changes: str, state_dir: str | os.PathLike[str] = STATE_DIR) -> Job:
    """Ask for other rates, as in ``write = 30%`` or ``read = 500 rcu``; a running job has them within a second.

    Raises SpecError with all that is wrong with the changes; then, and if the job is over, nothing is changed.
    """
    asked = _rates(changes)
    found = job(job_id, state_dir)
    if found.view is None:
        raise JobFailed(found.reason)
    if found.finished:
        raise JobFailed(f"job {found.id} is done: there are no rates to change")
    for name, text in asked.items():
        views.ask_rate(found.folder, name, text)
    return now(found)


def _rates(changes: Sequence[str]) -> dict[str, str]:
    kinds = {kind.name: kind for kind in JOB_OPTIONS if kind.name in RATES}
    asked: dict[str, str] = {}
    wrong: list[Diagnostic] = []
    for text in changes:
        source = SourceText(text, repr(text))
        try:
            option = parser.parse_option(text, source.name)
            name = option.name.name.lower()
            kind = kinds.get(name)
            if kind is None or kind.read is None:
                there_is = any(name == other.name for other in JOB_OPTIONS)
                message = f"{name} cannot be changed any more" if there_is else f"there is no option {name}"
                hint = did_you_mean(name, RATES) or f"of a job that has begun, {' and '.join(RATES)} can be changed"
                wrong.append(Diagnostic("E0501", message, option.name.span, hint, source=source))
            elif name in asked:
                message = f"the option {name} stands twice"
                wrong.append(Diagnostic("E0505", message, option.name.span, "leave one out", source=source))
            else:
                asked[name] = str(kind.read(option))
        except SpecError as error:
            wrong += (replace(one, source=one.source or error.source) for one in error.diagnostics)
        except OptionError as error:
            wrong.append(Diagnostic(error.code, error.message, error.span, error.hint, source=source))
    if wrong:
        raise SpecError(SourceText(" ".join(changes), "<command line>"), tuple(wrong))
    return asked


def rejects(job_id: str, state_dir: str | os.PathLike[str] = STATE_DIR, *, examples: int = 3) -> Rejects:
    """What a job rejected, by cause, each with its first ``examples``.

    Reads the file of rejects line by line. Of a job that goes on, or was killed, it may have more than the job counts:
    rows of pages that are not finished, which will be read again.
    """
    found = job(job_id, state_dir)
    path = found.folder / REJECTS
    counted = found.counts.rejected if found.view is not None else None
    if counted == 0 or not path.exists():
        return Rejects(found, None, 0, (), counted or 0)
    collected = _Collected(examples)
    with path.open("rb", buffering=1 << 20) as file:
        for number, line in enumerate(islice(file, counted), start=1):
            try:
                collected.add(_reject(line))
            except (ValueError, RecursionError) as error:
                # What was being written when the process ended.
                if not line.endswith(b"\n"):
                    break
                raise JobFailed(f"line {number:,} of {path} is no reject of ddbetl: {error}") from None
    return Rejects(found, path, collected.count, collected.causes(), (counted or collected.count) - collected.count)


class _Line(msgspec.Struct):
    """A reject as it is written; its item is left as it is until it is shown."""

    table: str
    code: str
    message: str
    key: msgspec.Raw
    item: msgspec.Raw
    line: int | None = None
    column: int | None = None


_LINE = msgspec.json.Decoder(_Line)


def _reject(line: bytes) -> _Line:
    """A reject of a line; ValueError where it holds none."""
    try:
        return _LINE.decode(line)
    except msgspec.DecodeError:
        # A text of an item may have half a surrogate pair, which msgspec does not take.
        value = json.loads(line)
        if not isinstance(value, dict) or not isinstance(value.get("item"), dict):
            raise
        raw = {name: msgspec.Raw(json.dumps(value[name]).encode()) for name in ("key", "item") if name in value}
        return msgspec.convert(value | raw, _Line)


@dataclass(slots=True)
class _Cause:
    message: str
    count: int = 0
    tables: dict[str, int] = field(default_factory=dict)
    examples: list[RejectExample] = field(default_factory=list)


@dataclass(slots=True)
class _Collected:
    """Causes with counts, of which there are only so many, however many rejects there are."""

    examples: int
    count: int = 0
    _causes: dict[tuple[str, int | None, int | None, str], _Cause] = field(default_factory=dict)

    def add(self, line: _Line) -> None:
        self.count += 1
        kind = (line.code, line.line, line.column, kind_of(line.message))
        if kind not in self._causes and len(self._causes) >= MOST_CAUSES:
            kind = (line.code, None, None, "")
        cause = self._causes.setdefault(kind, _Cause(line.message))
        cause.count += 1
        cause.tables[line.table] = cause.tables.get(line.table, 0) + 1
        if len(cause.examples) < self.examples:
            key, item = json.loads(bytes(line.key)), json.loads(bytes(line.item))
            cause.examples.append(RejectExample(line.table, key, item, line.message))

    def causes(self) -> tuple[RejectedBecause, ...]:
        found = [
            RejectedBecause(code, cause.message, line, column, cause.count, cause.tables, tuple(cause.examples))
            for (code, line, column, _), cause in self._causes.items()
        ]
        return tuple(sorted(found, key=lambda cause: -cause.count))


def _job(found: JobView | BrokenJob) -> Job:
    if isinstance(found, BrokenJob):
        return Job(found.id, "broken", found.folder, None, reason=found.message)
    reason = _failure(found.folder / LOG) if found.outcome == "failed" else ""
    return Job(found.record.id, found.outcome, found.folder, found, _progress(found.progress), reason)


def _failure(log: Path) -> str:
    """The message of the last error in a log; nothing where it has none, or cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_TAIL))
            lines = file.read().splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        with suppress(msgspec.DecodeError):
            event = msgspec.json.decode(line, type=_Event)
            if event.level == "error" and event.message:
                return event.message
    return ""


class _Event(msgspec.Struct):
    level: str
    message: str = ""


def _progress(saved: bytes) -> Progress | None:
    """A progress as it was saved; None where none is, or one of another version."""
    try:
        return msgspec.json.decode(saved, type=Progress) if saved else None
    except msgspec.DecodeError:
        return None


def _listed(ids: Iterable[str]) -> str:
    listed = list(ids)
    more = f" and {len(listed) - NAMED:,} more" if len(listed) > NAMED else ""
    return f"{', '.join(listed[:NAMED])}{more}"
