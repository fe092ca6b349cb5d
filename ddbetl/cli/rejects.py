"""``ddbetl rejects``: what a job rejected, by cause, with examples, and how to get the rows in.

In: the rejects of a job. Out: text, or a JSON value. Invariant: keys and items are somebody's data: nothing of them
reaches the terminal that it would obey.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

import click

from ddbetl import jobs as api
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.preview import value_text
from ddbetl.cli.terminal import complain, harmless, out, page_width, painted, start_of, visible, wrapped
from ddbetl.cli.wording import counted
from ddbetl.diagnostics import Diagnostic, render
from ddbetl.jobs import RejectedBecause, RejectExample, Rejects
from ddbetl.source import SourceText, Span

# Of more source tables, the first are named, with how many there are.
TABLES = 3
# The options of run, by the name that compile has for them.
REPEATED = {"--let": "lets", "--with": "options"}
SINGLE = {
    "--into": "into",
    "--on-conflict": "on_conflict",
    "--region": "region",
    "--profile": "profile",
    "--endpoint-url": "endpoint_url",
}


def show(job_id: str, examples: int, state_dir: str, as_json: bool) -> int:
    """Print what a job rejected."""
    found = api.rejects(job_id, state_dir, examples=examples)
    if as_json:
        # All but ASCII is escaped, as what a terminal obeys has to be.
        out(json.dumps(as_value(found), indent=2).replace("\x7f", "\\u007f"))
        return ExitCode.DONE
    if found.missing:
        complain(f"warning: {_missing(found)}\n")
    if found.causes:
        out(page(found))
    elif not found.missing:
        out(f"Job {visible(found.job.id)} has rejected nothing{' so far' if not found.job.finished else ''}.")
    return ExitCode.DONE


def page(found: Rejects) -> str:
    """The causes, each with its place in the spec and examples, and what to do."""
    job = found.job
    so_far = " so far" if not job.finished else ""
    title = click.style(f"{counted(found.count, 'row')} rejected", fg="red", bold=True)
    causes = f", for {counted(len(found.causes), 'reason')}" if len(found.causes) > 1 else ""
    lines = [f"{title}{so_far}{causes}, by job {visible(job.id)}"]
    for cause in found.causes:
        lines += ["", *_cause(cause, found)]
    return "\n".join([*lines, "", *_next(found)])


def _cause(cause: RejectedBecause, found: Rejects) -> list[str]:
    size = page_width()
    label = f"{cause.count:,} × {cause.code}  "
    head = wrapped(label, visible(cause.message), size)
    lines = [click.style(label, bold=True) + head.removeprefix(label)]
    lines += _place(cause, found)
    lines.append(wrapped("  in    ", _tables(cause), size))
    for example in cause.examples:
        lines += _example(example, cause, size)
    return lines


def _place(cause: RejectedBecause, found: Rejects) -> list[str]:
    """Where in the spec it went wrong, with the line's text."""
    record = found.job.view.record if found.job.view is not None else None
    if cause.line is None or record is None:
        return []
    lines = str(record.inputs.get("text") or "").split("\n")
    if cause.line > len(lines):
        return [f"  --> {visible(record.spec)}:{cause.line}:{cause.column}"]
    at = sum(len(line) + 1 for line in lines[: cause.line - 1]) + (cause.column or 1) - 1
    here = Diagnostic(cause.code, "", Span(at, at + 1))
    size = page_width() - 2
    rendered = render(SourceText("\n".join(lines), record.spec), [here], size)
    return [f"  {line}" for line in painted(harmless(rendered)).split("\n")[1:]]


def _tables(cause: RejectedBecause) -> str:
    names = [
        visible(name) if len(cause.tables) == 1 else f"{visible(name)} ({count:,})"
        for name, count in sorted(cause.tables.items(), key=lambda pair: -pair[1])
    ]
    more = f" and {counted(len(names) - TABLES, 'more table')}" if len(names) > TABLES else ""
    return ", ".join(names[:TABLES]) + more


def _example(example: RejectExample, cause: RejectedBecause, size: int) -> list[str]:
    lines = [start_of(f"  key   {document(example.key)}" if example.key else "  key   (none)", size)]
    if example.message != cause.message:
        lines.append(start_of(f"        {visible(example.message)}", size))
    lines.append(click.style(start_of(f"  item  {document(example.item)}", size), dim=True))
    return lines


def document(item: Mapping[str, Any]) -> str:
    """Attributes of DynamoDB JSON as a person reads them, on one line."""
    return ", ".join(f"{visible(name)}: {_value(value)}" for name, value in item.items())


def _value(value: Any) -> str:
    try:
        return visible(value_text(value, nested=True))
    except (AttributeError, RecursionError, TypeError, ValueError):
        # Not DynamoDB JSON: somebody has changed the file.
        return visible(json.dumps(value))


def _missing(found: Rejects) -> str:
    where = found.path or found.job.folder
    return (
        f"the job counts {counted(found.count + found.missing, 'reject')}, and {found.missing:,} of them are not in "
        f"{where}: somebody has changed or removed the file"
    )


def _next(found: Rejects) -> list[str]:
    lines = [f"Each with its item: {visible(str(found.path))}"]
    if not found.job.finished:
        lines.append("The job is not over: there may be more.")
    said = "To get them in, mend the spec or the items, then run it over these rows alone:"
    return [
        *lines,
        wrapped("", said, page_width()),
        f"  {click.style(visible(run_again(_inputs(found), str(found.path))), fg='cyan')}",
    ]


def _inputs(found: Rejects) -> Mapping[str, Any]:
    return found.job.view.record.inputs if found.job.view is not None else {}


def run_again(inputs: Mapping[str, Any], rejects: str) -> str:
    """The command that runs a spec over rejected rows; ``inputs``: what its plan was compiled from, see Inputs."""
    name = str(inputs.get("name") or "<>")
    # A spec that was typed, or came through a pipe, has no name.
    words = ["ddbetl", "run", "SPEC" if name.startswith("<") else name]
    for parameter, value in (inputs.get("params") or {}).items():
        words += ["-p", f"{parameter}={value}"]
    for option, key in REPEATED.items():
        for value in inputs.get(key) or ():
            # How many rows may be rejected again is for the next run to say.
            if not (key == "options" and str(value).lstrip().lower().startswith("max_rejects")):
                words += [option, str(value)]
    for option, key in SINGLE.items():
        if inputs.get(key) is not None:
            words += [option, str(inputs[key])]
    return shlex.join([*words, "--from-rejects", rejects])


def as_value(found: Rejects) -> dict[str, Any]:
    """The rejects as a JSON value."""
    return {
        "ddbetl_rejects": 1,
        "job": found.job.id,
        "state": found.job.state,
        "count": found.count,
        "missing": found.missing,
        "path": str(found.path) if found.path is not None else None,
        "causes": [
            {
                "code": cause.code,
                "message": cause.message,
                "line": cause.line,
                "column": cause.column,
                "count": cause.count,
                "tables": dict(cause.tables),
                "examples": [
                    {"table": e.table, "message": e.message, "key": e.key, "item": e.item} for e in cause.examples
                ],
            }
            for cause in found.causes
        ],
    }
