"""Every function and operator of the language, in one list.

Invariant: a function is declared once, in the module of its category; what the analyzer, the evaluators, the commands
and the documentation say about it comes from there.
"""

from __future__ import annotations

from ddbetl.functions.calendar import CALENDAR
from ddbetl.functions.conditional import CONDITIONAL
from ddbetl.functions.conversion import CONVERSION
from ddbetl.functions.document import DOCUMENT
from ddbetl.functions.extremes import EXTREMES
from ddbetl.functions.hashing import HASHING
from ddbetl.functions.model import Function
from ddbetl.functions.number import NUMBERS
from ddbetl.functions.operators import OPERATORS
from ddbetl.functions.origin import ORIGIN
from ddbetl.functions.regex import REGEX
from ddbetl.functions.search import SEARCH
from ddbetl.functions.substrings import SUBSTRINGS
from ddbetl.functions.text import TEXT
from ddbetl.functions.time import TIME

__all__ = ["FUNCTIONS", "OPERATORS", "function", "operator"]

FUNCTIONS: tuple[Function, ...] = (
    *TEXT,
    *SEARCH,
    *SUBSTRINGS,
    *REGEX,
    *NUMBERS,
    *TIME,
    *CALENDAR,
    *CONDITIONAL,
    *EXTREMES,
    *DOCUMENT,
    *CONVERSION,
    *HASHING,
    *ORIGIN,
)

_BY_NAME = {f.name.lower(): f for f in FUNCTIONS}
_BY_SYMBOL = {f.name: f for f in OPERATORS}


def function(name: str) -> Function | None:
    """The function of a name, whatever its case; None if there is none."""
    return _BY_NAME.get(name.lower())


def operator(symbol: str) -> Function:
    """An operator: ``+``, ``negate``, ``||``, ``<=``, ``AND``, ``IN``, ``LIKE``, ``IS NULL``, ``CASE``, ``CAST AS
    NUMBER``."""
    return _BY_SYMBOL[symbol]
