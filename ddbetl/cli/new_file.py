"""Files that a command makes where there is none.

In: a path, a text. Out: the file. Invariant: what is there already is never overwritten.
"""

from __future__ import annotations

from pathlib import Path

import click

from ddbetl.cli.terminal import err, visible

OPTION = "-o"


def refuse_existing(file: str | None) -> None:
    """End the command where the file is there already, or cannot be, before it has done anything."""
    if file is None:
        return
    if Path(file).exists():
        raise click.BadParameter(f"{file} is there already, and is not overwritten", param_hint=OPTION)
    if not Path(file).parent.is_dir():
        raise click.BadParameter(f"there is no folder {Path(file).parent}", param_hint=OPTION)


def write_new(file: str, text: str) -> None:
    """Write a text into a new file, and say so."""
    try:
        with Path(file).open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)
    except OSError as error:
        raise click.BadParameter(f"{file}: {error.strerror}", param_hint=OPTION) from None
    err(f"Written to {visible(file)}.")
