"""How a command ends: the exit codes, which scripts may rely on."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """A command's exit code."""

    DONE = 0
    SPEC_ERROR = 1
    USAGE = 2
    FAILED = 3
    REJECTS = 4
    # sysexits.h, EX_SOFTWARE.
    BUG = 70
    # What shells say of a program that SIGINT ended.
    INTERRUPTED = 130
    # The same of SIGTERM.
    TERMINATED = 143


MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.SPEC_ERROR: "the spec is wrong, or has no target to run into; nothing was read or written; "
    "of fmt --check: a spec is not in its canonical form",
    ExitCode.USAGE: "the command line is wrong, or a question must be asked and there is no terminal to ask on",
    ExitCode.FAILED: "failed, or refused to begin or to go on; the message says why and how to go on",
    ExitCode.REJECTS: "done, but some rows were rejected; of time: a text cannot be read",
    ExitCode.BUG: "a bug in ddbetl",
    ExitCode.INTERRUPTED: "interrupted, by Ctrl-C, or the question was answered with no",
    ExitCode.TERMINATED: "ended by SIGTERM; a run stops as at Ctrl-C, can be resumed, and sums up",
}
