"""ddbetl: declarative ETL for DynamoDB.

``compile`` makes a Plan of a spec, which can be explained, previewed and run; ``check`` does so offline; ``reopen``
makes the plan of an unfinished job; ``describe`` looks at a table. ``function`` declares a Python function for specs.
Everything is loaded when it is first used, so that importing ddbetl costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ddbetl.api import Plan, check, compile, describe, reopen
    from ddbetl.errors import ConnectionFailed, DdbetlError, JobFailed, RowError, SpecError
    from ddbetl.functions.declared import function

__all__ = [
    "ConnectionFailed",
    "DdbetlError",
    "JobFailed",
    "Plan",
    "RowError",
    "SpecError",
    "__version__",
    "check",
    "compile",
    "describe",
    "function",
    "reopen",
]


def __getattr__(name: str) -> Any:
    if name in ("Plan", "check", "compile", "describe", "reopen"):
        from ddbetl import api

        return getattr(api, name)
    if name == "function":
        from ddbetl.functions.declared import function

        return function
    if name in __all__:
        from ddbetl import errors

        return getattr(errors, name)
    raise AttributeError(f"module 'ddbetl' has no attribute {name!r}")
