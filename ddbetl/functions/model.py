"""What a function is: one value that the analyzer, the evaluator, the lowering and the documentation all read.

A function or operator has signatures; a signature has parameters with types, a result type, a reference implementation
(Python, one row, exact) and, where there is one, a lowering (DuckDB SQL for a whole page, behind a guard). Invariant:
wherever the guard is true, the lowered value equals the reference's value for that row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, TypeAlias

from ddbetl.time import Zone
from ddbetl.types import Timestamp, Type, Value

STRING = frozenset({Type.STRING})
NUMBER = frozenset({Type.NUMBER})
BOOLEAN = frozenset({Type.BOOLEAN})
BINARY = frozenset({Type.BINARY})
TIMESTAMP = frozenset({Type.TIMESTAMP})
DURATION = frozenset({Type.DURATION})
# What an attribute can hold, but for DynamoDB's NULL, which expressions see as a missing value.
STORED = frozenset(Type) - {Type.TIMESTAMP, Type.DURATION, Type.ANY, Type.NULL}
EVERY = STORED | TIMESTAMP | DURATION


class Form(Enum):
    """How a lowered value is represented in DuckDB; SQL NULL is always the missing value."""

    TEXT = "VARCHAR"
    BASE64 = "VARCHAR "  # a BINARY as the wire writes it
    INTEGER = "BIGINT"  # a NUMBER known to be whole and within ±9.2e18
    DECIMAL = "DECIMAL(38,9)"  # a NUMBER with at most 29 digits before and 9 after the point
    BOOLEAN = "BOOLEAN"
    MILLIS = "BIGINT "  # a TIMESTAMP (since 1970 UTC) or a DURATION, in milliseconds
    JSON = "JSON"  # any attribute value as the wire writes it: {"S":"…"}


@dataclass(frozen=True, slots=True)
class Fast:
    """A lowered expression: SQL for its value and its guard.

    ``value`` never raises, whatever the row; it is meaningful only where ``guard`` is true. ``guard`` is a boolean SQL
    expression that is never NULL, or None when the value is right for every row.
    """

    value: str
    form: Form
    guard: str | None = None


@dataclass(frozen=True, slots=True)
class PageFunction:
    """A Python function that a statement calls with many rows at a time, as Arrow arrays of values in these forms; what
    it raises fails the page, which then goes by reference."""

    name: str
    run: Callable[..., Any]
    parameters: tuple[Form, ...]
    result: Form


class Lowering(Protocol):
    """What a lowering may ask of the statement being built."""

    def call(self, function: PageFunction, arguments: tuple[str, ...]) -> str:
        """SQL for a call of a Python function with SQL values."""
        ...

    def bind(self, sql: str) -> str:
        """Name the value of an SQL expression, so that it is computed once however often it is used."""
        ...

    @property
    def source_table(self) -> str:
        """SQL (TEXT) for the name of the table that the row came from."""
        ...

    @property
    def now(self) -> str:
        """SQL (MILLIS) for the job's frozen time."""
        ...


@dataclass(frozen=True, slots=True)
class RowContext:
    """What a row's expressions can see beside the item."""

    source_table: str
    now: Timestamp


# (lowering, the lowered arguments in order) -> the lowered call, or None where these arguments have no fast form.
# The guards of the arguments, and NULL arguments of a function that propagates NULL, are the caller's business:
# ``guard`` in the result is only about the call itself and may assume non-NULL arguments; but ``value`` must be NULL
# whenever an argument is (for functions with Nulls.PROPAGATE).
Lower: TypeAlias = Callable[[Lowering, tuple[Fast, ...]], Fast | None]


class Nulls(Enum):
    """What a NULL (missing, or DynamoDB's NULL) argument does."""

    PROPAGATE = "a NULL argument gives NULL; the implementation never sees one"
    SEEN = "the implementation sees None"
    LAZY = "the implementation gets functions without arguments and calls those that it needs, in order"


@dataclass(frozen=True, slots=True)
class Implementation:
    """The two evaluators of a signature; ``context``: the reference's first argument is the RowContext."""

    reference: Callable[..., Value]
    lower: Lower | None = None
    context: bool = False
    # Why explain says that there is no fast path, where that needs saying ("the era (G)"); beside a lowering, for which
    # texts it finds none ("yyyy G: the era (G)").
    slow_because: str = ""
    # What is legal but rarely meant among the constant arguments.
    doubts: tuple[Doubt, ...] = ()
    # Why the constant arguments leave nothing to compute for values of this signature's types: what was expected, and
    # what to do. An error of the spec where the types are known, else of the row, by the reference.
    refusal: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Doubt:
    """A warning of a constant argument: which parameter (``index``: of a variadic one, which argument), and where in
    its text (``at``, ``length`` characters)."""

    code: str
    parameter: str
    message: str
    hint: str = ""
    index: int = 0
    at: int | None = None
    length: int = 1


@dataclass(frozen=True, slots=True)
class Origin:
    """A source table: its name, the pattern of FROM that it came by, what each of the pattern's wildcards stands for in
    the name, and the attributes of its key (none where the plan is made offline)."""

    table: str
    pattern: str
    captures: tuple[str, ...] = ()
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """What is known when a call is compiled: its constant arguments by name, the spec's zone, the pivot year.

    ``constants`` holds every argument that is a constant, also those of parameters that need not be (but not of
    variadic ones); a constant parameter that is variadic has a tuple. ``count``: how many arguments the call has.
    ``origins``: the source tables; none where they are not known, and nothing runs.
    """

    constants: Mapping[str, Value | tuple[Value, ...]]
    zone: Zone
    pivot_year: int
    count: int = 0
    origins: tuple[Origin, ...] = ()


class ArgumentError(Exception):
    """A constant argument is wrong: which parameter (``index``: of a variadic one, which argument; none: the call as a
    whole), why, and where in the text (``at``, ``length`` characters)."""

    def __init__(
        self, parameter: str, message: str, hint: str = "", at: int | None = None, length: int = 1, index: int = 0
    ) -> None:
        super().__init__(message)
        self.parameter = parameter
        self.message = message
        self.hint = hint
        self.at = at
        self.length = length
        self.index = index


@dataclass(frozen=True, slots=True)
class Parameter:
    """``types``: what it accepts. ``same``: all ``same`` arguments of a call have one type. ``variadic``: one or more,
    only as the last. ``constant``: known when the spec is compiled; such arguments go to the Binding, not to the call.
    ``hint``: what to write instead, for an argument of another type.
    """

    name: str
    types: frozenset[Type]
    optional: bool = False
    variadic: bool = False
    same: bool = False
    constant: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """One way to call a function. ``result`` is a type, or SAME: the type of the ``same`` arguments.

    ``repeats``: so many of the first parameters may come again and again, as a group, before the rest (CASE's condition
    and result). ``shown``: the parameters as the documentation writes them, where constant arguments of one parameter
    mean different things. ``reads_key``: the attributes of the sources' keys (``key_of``) come behind the arguments,
    though the spec does not write them.
    """

    parameters: tuple[Parameter, ...]
    result: Type | None
    implementation: Implementation | Callable[[Binding], Implementation]
    # False where the result is never missing, whatever the arguments.
    nullable: bool = True
    repeats: int = 0
    shown: str = ""
    reads_key: bool = False


SAME: None = None


def key_of(origins: tuple[Origin, ...]) -> tuple[str, ...]:
    """The attributes of the keys of tables, each once."""
    return tuple(dict.fromkeys(name for origin in origins for name in origin.key))


@dataclass(frozen=True, slots=True)
class Example:
    """An expression over constants and the attributes of ``item`` (DynamoDB JSON), and what it gives.

    ``result`` is the result as the language writes it (``'abc'``, ``42``, ``TRUE``, ``NULL``) or, for an error, its
    message after ``error:``. The documentation prints it and a test executes it by both evaluators.
    """

    expression: str
    result: str
    item: str = "{}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function or an operator of the language."""

    name: str
    category: str
    doc: str
    signatures: tuple[Signature, ...]
    examples: tuple[Example, ...] = field(default=())
    nulls: Nulls = Nulls.PROPAGATE


def sql_text(text: str) -> str | None:
    """A text as an SQL literal; None for one that SQL text cannot hold (a NUL character, a lone surrogate)."""
    if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
        return None
    return "'" + text.replace("'", "''") + "'"
