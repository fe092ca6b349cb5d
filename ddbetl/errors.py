"""The exceptions that ddbetl raises.

::

    DdbetlError
    ├── SpecError         the spec is wrong: a list of diagnostics (exit code 1)
    ├── ConnectionFailed  the server or the credentials could not be used (exit code 3)
    ├── JobFailed         the run stopped and can be started again (exit code 3)
    └── RowError          one row could not be computed; the engine turns it into a reject
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ddbetl.diagnostics import Diagnostic
    from ddbetl.source import SourceText


class DdbetlError(Exception):
    """The base of every exception that ddbetl raises on purpose."""


class SpecError(DdbetlError):
    """A spec that cannot be compiled: all independent errors, in the order of the text."""

    def __init__(self, source: SourceText, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n".join(f"{d.code}: {d.message}" for d in diagnostics))
        self.source = source
        self.diagnostics = diagnostics


class ConnectionFailed(DdbetlError):
    """The server could not be reached or refused the credentials; the message says what to do."""


class JobFailed(DdbetlError):
    """A run stopped before its end. ``advised``: the message says already what to do then."""

    def __init__(self, message: str, *, advised: bool = False) -> None:
        super().__init__(message)
        self.advised = advised


class RowError(DdbetlError):
    """An expression cannot be computed for a row: a wrong type, a text that is no time, a number out of range.

    ``argument``: where a function says that the value of one of its arguments is at fault, which one. The message then
    names that argument, where it is an attribute, instead of the call.
    """

    def __init__(self, code: str, message: str, argument: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
