"""Commands that lead on from a page, as they can be typed.

In: the words of a command, a job, its state folder. Out: lines of text. Invariant: a command stands on one line,
whatever its length: it is copied from there.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from ddbetl.cli.terminal import pad, page_width, visible
from ddbetl.engine.folder import STATE_DIR

if TYPE_CHECKING:
    from ddbetl.jobs import Job


def command(words: str, job: Job | str, state_dir: str, *more: str) -> str:
    """A command about a job, as it is typed here."""
    where = [] if state_dir == STATE_DIR else ["--state-dir", state_dir]
    name = job if isinstance(job, str) else job.id
    return visible(f"ddbetl {words} {shlex.join([name, *more, *where])}")


def commands(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Commands with what they do; below each other where they do not fit beside."""
    size = max(len(text) for text, _ in rows)
    if size + 4 + max(len(said) for _, said in rows) <= page_width():
        return [f"  {click.style(pad(text, size), fg='cyan')}  {said}" for text, said in rows]
    return [f"  {click.style(text, fg='cyan')}\n      {said}" for text, said in rows]
