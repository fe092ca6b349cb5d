"""The command line.

In: arguments, a spec, the user's answers. Out: results on standard output, progress and messages on standard error, and
an exit code. Invariant: only this package prints; nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line of this process."""
    from ddbetl.cli.commands import cli

    for stream in (sys.stdout, sys.stderr):
        # A text of a table can hold half a character, and a terminal can know ASCII only: neither is a failure.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        cli(prog_name="ddbetl")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    leave(code)


def leave(code: int) -> NoReturn:
    """End this process at once with everything said.

    Python's own teardown would take a tenth of a second, wait for threads that nobody needs any more, and let native
    libraries report the objects that an exception kept alive.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)
