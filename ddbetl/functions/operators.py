"""The operators of the language in one list; the grammar knows them, nobody calls them by name."""

from __future__ import annotations

from ddbetl.functions.arithmetic import ARITHMETIC
from ddbetl.functions.casts import CASTS
from ddbetl.functions.comparison import COMPARISON
from ddbetl.functions.conditional import CASE
from ddbetl.functions.constructors import CONSTRUCTORS
from ddbetl.functions.logic import LOGIC
from ddbetl.functions.model import (
    STRING,
    Example,
    Function,
    Implementation,
    Parameter,
    Signature,
)
from ddbetl.functions.text import concat, lower_concat
from ddbetl.types import Type

_HINT = "to_string(…) makes a text of it"

CONCATENATE = Function(
    "||",
    "operator",
    "Two texts, one after the other. Nothing is made a text by itself: `'n' || to_string(5)`. A NULL on either "
    "side gives NULL.",
    (
        Signature(
            (Parameter("left", STRING, hint=_HINT), Parameter("right", STRING, hint=_HINT)),
            Type.STRING,
            Implementation(concat, lower_concat),
            nullable=False,
        ),
    ),
    (Example("'a' || 'b' || ''", "'ab'"), Example("'a' || x", "NULL")),
)

OPERATORS: tuple[Function, ...] = (*ARITHMETIC, CONCATENATE, *COMPARISON, *LOGIC, CASE, *CONSTRUCTORS, *CASTS)
