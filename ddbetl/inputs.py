"""What a plan is made of: a spec, and what the command line adds to it; see ``ddbetl.compile``.

Between the command line, the compiler and a job's record. Invariant: importing it loads nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Inputs:
    """The arguments of ``ddbetl.compile``, but for the clock."""

    text: str
    name: str = "<spec>"
    params: Mapping[str, str] = field(default_factory=dict)
    lets: Sequence[str] = ()
    options: Sequence[str] = ()
    into: str | None = None
    on_conflict: str | None = None
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
