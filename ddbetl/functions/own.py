"""Functions of the user's own: from a declaration to a function of the language.

In: what a Python file declares. Out: a Function, whose reference calls Python. Invariant: whatever the Python code
does, a row gets a value of the declared type, or a RowError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from traceback import walk_tb
from types import TracebackType
from typing import Any

from ddbetl.errors import RowError
from ddbetl.functions import own_arrays
from ddbetl.functions.arithmetic import check_millis
from ddbetl.functions.declared import Declared
from ddbetl.functions.model import STORED, Function, Implementation, Nulls, Parameter, Signature
from ddbetl.numbers import ROUNDED, check_number, number_text
from ddbetl.types import (
    NULL_VALUE,
    BinarySet,
    Duration,
    NullValue,
    NumberSet,
    StringSet,
    Timestamp,
    Type,
    Value,
    type_of,
)

CATEGORY = "your own"
# A message longer than this is shortened.
LONGEST_MESSAGE = 300
# Source: Amazon DynamoDB Developer Guide, "Service quotas": nested attribute depth.
DEEPEST = 32

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A Python file: the path that its tracebacks name, and the name that messages give it."""

    path: str
    name: str


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A Python file of USING. ``name``: as the spec has it. ``digest``: of its content. Empty of functions where it
    cannot be used, for which ``problem`` is the code, ``message`` and ``hint`` say why."""

    name: str
    digest: str = ""
    functions: tuple[Function, ...] = ()
    problem: str = ""
    message: str = ""
    hint: str = ""


def own_function(declared: Declared, place: Place, fast: bool) -> Function:
    """The function of a declaration. ``fast``: whether a statement can pass arrays to Python."""
    parameters = tuple(
        Parameter(name, STORED if type_ is Type.ANY else frozenset({type_}), optional=optional)
        for name, type_, optional in declared.parameters
    )
    if declared.vectorised:
        lower = own_arrays.lowering(declared) if fast else None
        implementation = Implementation(
            _by_arrays(declared, place), lower, slow_because="" if fast else "Python over arrays needs numpy"
        )
    else:
        implementation = Implementation(_by_row(declared, place), slow_because="a Python function")
    return Function(
        declared.name,
        CATEGORY,
        declared.doc or f"A Python function of {place.name}.",
        (Signature(parameters, declared.returns, implementation),),
        nulls=Nulls.SEEN if declared.nulls else Nulls.PROPAGATE,
    )


def _by_row(declared: Declared, place: Place) -> Callable[..., Value]:
    python, returns = declared.call, declared.returns

    def reference(*values: Value) -> Value:
        arguments = [to_python(value) for value in values]
        try:
            # As exact as the language's own numbers; Python's Decimal rounds to 28 digits otherwise.
            with localcontext(ROUNDED):
                found = python(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise RowError("R0115", said_of(error, place)) from None
        return _read(lambda: of_python(found, returns), place)

    return reference


def _by_arrays(declared: Declared, place: Place) -> Callable[..., Value]:
    types = [type_ for _, type_, _ in declared.parameters]

    def reference(*values: Value) -> Value:
        arrays = [own_arrays.one_row(value, type_) for value, type_ in zip(values, types, strict=False)]
        try:
            found = declared.call(*arrays)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise RowError("R0115", said_of(error, place)) from None
        return _read(lambda: own_arrays.only_row(found, declared.returns), place)

    return reference


def _read(value: Callable[[], Value], place: Place) -> Value:
    """The value of what a function returned, whose class may be the user's own, and fail when it is read."""
    try:
        return value()
    except (RowError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise _wrong(f"what it returned cannot be read: {said_of(error, place)}") from None


# What went wrong in Python


def said_of(error: BaseException, place: Place) -> str:
    """An exception as the last line of its traceback has it, with the place in the user's file."""
    try:
        # Half of a surrogate pair could not be written down.
        words = " ".join(str(error).split()).encode("utf-8", "backslashreplace").decode()
    except BaseException:
        words = ""
    message = f"{type(error).__name__}: {words}" if words else type(error).__name__
    if len(message) > LONGEST_MESSAGE:
        message = message[: LONGEST_MESSAGE - 1] + "…"
    line = line_of(error.__traceback__, place)
    return message if line is None else f"{message} (line {line} of {place.name})"


def line_of(where: TracebackType | None, place: Place) -> int | None:
    """The innermost line of a file in a traceback; None where it has none."""
    lines = [line for frame, line in walk_tb(where) if frame.f_code.co_filename == place.path]
    return lines[-1] if lines else None


# Values


def to_python(value: Value) -> Any:
    """A value of the language as Python functions get it."""
    match value:
        case Decimal():
            # Equal numbers look the same in Python, too: 1.5 for 1.50, 1000 for 1E+3.
            return Decimal(number_text(value))
        case tuple():
            return [to_python(member) for member in value]
        case dict():
            return {name: to_python(member) for name, member in value.items()}
        case NumberSet(members):
            return frozenset(Decimal(number_text(member)) for member in members)
        case StringSet(members) | BinarySet(members):
            return members
        case NullValue():
            return None
        case Timestamp(millis):
            try:
                return EPOCH + timedelta(milliseconds=millis)
            except OverflowError:
                raise _wrong("a time is outside of the years 1 to 9999, which Python's datetime has") from None
        case Duration(millis):
            try:
                return timedelta(milliseconds=millis)
            except OverflowError:
                raise _wrong("a duration is longer than Python's timedelta can be") from None
        case _:
            return value


def of_python(found: Any, returns: Type) -> Value:
    """What a Python function returned as a value of its declared type; a RowError where it is none."""
    if found is None:
        return None
    try:
        value = _stored(found, 0) if returns is Type.ANY else _of_type(found, returns)
    except RecursionError:
        raise _wrong("it returned a list or a map that is nested too deeply") from None
    if isinstance(value, NullValue):
        return None
    return value


def _of_type(found: Any, returns: Type) -> Value:
    match returns, found:
        case Type.TIMESTAMP, datetime():
            if found.tzinfo is None:
                raise _wrong("it returned a datetime without a zone: give it one, such as datetime.UTC")
            return Timestamp(check_millis(_millis(found - EPOCH, "datetime")))
        case Type.DURATION, timedelta():
            return Duration(check_millis(_millis(found, "timedelta")))
        case ((Type.STRING_SET | Type.NUMBER_SET | Type.BINARY_SET), (set() | frozenset())):
            # As with the language's own sets: one without members is NULL.
            if not found:
                return None
    value = _stored(found, 0)
    if type_of(value) is not returns:
        raise _wrong(f"it returned Python's {type(found).__name__}, which is no {returns}")
    return value


def _stored(found: Any, depth: int) -> Value:
    """A value of the types that an item can hold."""
    if depth > DEEPEST:
        raise _wrong("it returned a list or a map that is nested too deeply")
    match found:
        case None:
            return NULL_VALUE
        case bool():
            return found
        case str():
            return _plain(found)
        case int() | Decimal():
            return _number(found)
        case bytes() | bytearray() | memoryview():
            return bytes(memoryview(found))
        case list() | tuple():
            return tuple(_stored(member, depth + 1) for member in found)
        case dict():
            if any(not isinstance(name, str) for name in found):
                raise _wrong("it returned a dict with a key that is no str")
            return {_plain(name): _stored(member, depth + 1) for name, member in found.items()}
        case set() | frozenset():
            return _set(found)
        case float():
            raise _wrong("it returned a float, which is not exact: return a Decimal or an int")
        case _:
            raise _wrong(f"it returned Python's {type(found).__name__}, which no attribute holds")


def _plain(text: str) -> str:
    """A text itself, and not what a class of texts, such as an Enum's, makes of it."""
    return str.__str__(text)


def _number(found: int | Decimal) -> Decimal:
    number = Decimal(found)
    if not number.is_finite():
        raise _wrong(f"it returned {number}, which is no number")
    if number and number.adjusted() > 200:
        # Not even the message could hold its digits.
        raise RowError("R0103", "it returned a number outside of DynamoDB's range (1E-130 to 9.9E+125)")
    return check_number(number)


def _set(found: set[Any] | frozenset[Any]) -> Value:
    if not found:
        raise _wrong("it returned an empty set, which DynamoDB does not have")
    members = [_stored(member, 0) for member in found]
    if all(isinstance(member, str) for member in members):
        return StringSet(frozenset(member for member in members if isinstance(member, str)))
    if all(isinstance(member, Decimal) for member in members):
        return NumberSet(frozenset(member for member in members if isinstance(member, Decimal)))
    if all(isinstance(member, bytes) for member in members):
        return BinarySet(frozenset(member for member in members if isinstance(member, bytes)))
    raise _wrong("it returned a set whose members are not all str, all numbers or all bytes")


def _millis(length: timedelta, what: str) -> int:
    if length.microseconds % 1000:
        raise _wrong(f"it returned a {what} with microseconds; the language counts milliseconds")
    return length // timedelta(milliseconds=1)


def _wrong(message: str) -> RowError:
    return RowError("R0116", message)
