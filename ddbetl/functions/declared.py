"""The decorator by which a Python file declares functions for specs.

In: a Python function, the language's types of its parameters and of its result. Out: the same Python function, with its
declaration on it. Invariant: a declaration that is wrong raises at once, where it stands; and importing this module
loads neither DuckDB nor Arrow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ddbetl.diagnostics import did_you_mean
from ddbetl.types import Type

Python = TypeVar("Python", bound=Callable[..., Any])

# Where a Python function carries its declaration.
MARK = "__ddbetl_function__"
# The types that arrays have; the others differ from row to row, or are nested.
FLAT = frozenset({Type.STRING, Type.NUMBER, Type.BOOLEAN, Type.BINARY, Type.TIMESTAMP, Type.DURATION})
DECLARABLE = tuple(type_ for type_ in Type if type_ is not Type.NULL)


class DeclarationError(TypeError):
    """A function is declared wrongly; the message says how."""


@dataclass(frozen=True, slots=True)
class Declared:
    """A function of the user's. ``parameters``: name, type, whether it may be left out. ``nulls``: it is called for
    NULL too. ``vectorised``: it takes arrays of many rows and gives one of as many."""

    name: str
    parameters: tuple[tuple[str, Type, bool], ...]
    returns: Type
    doc: str
    nulls: bool
    vectorised: bool
    call: Callable[..., Any]


def function(
    *types: str,
    returns: str,
    name: str | None = None,
    nulls: bool = False,
    vectorised: bool = False,
) -> Callable[[Python], Python]:
    """Declare a Python function for specs: ``@function("STRING", "NUMBER", returns="STRING")``.

    ``types``: of its parameters in order, by the names of the language; a parameter with a default may be left out.
    ``name``: in the spec, if other than in Python. ``nulls``: it is called with None where an argument is NULL, too;
    otherwise NULL gives NULL without a call. ``vectorised``: it takes pyarrow arrays and returns one of the same
    length, each row of which depends on that row alone. Its documentation is its docstring.

    Raises DeclarationError.
    """

    def declare(python: Python) -> Python:
        declared = _declared(python, types, returns, name, nulls, vectorised)
        setattr(python, MARK, declared)
        return python

    return declare


def _declared(
    python: Callable[..., Any], types: tuple[str, ...], returns: str, name: str | None, nulls: bool, vectorised: bool
) -> Declared:
    if not inspect.isfunction(python):
        raise DeclarationError("@function stands before a def")
    called = python.__name__ if name is None else name
    if not isinstance(called, str) or not called.isidentifier():
        raise DeclarationError(f"{called!r} is no name for a function: it is letters, digits and _")
    if inspect.iscoroutinefunction(python) or inspect.isgeneratorfunction(python) or inspect.isasyncgenfunction(python):
        raise DeclarationError(f"{called}: a function returns its result; it is no coroutine and no generator")
    names = _parameters(python, called)
    if len(names) != len(types):
        raise DeclarationError(f"{called} has {_counted(len(names), 'parameter')}, and {_counted(len(types), 'type')}")
    parameters = tuple(
        (parameter, _type(said, f"{called}: {parameter}", vectorised), optional)
        for (parameter, optional), said in zip(names, types, strict=True)
    )
    result = _type(returns, f"{called}: the result", vectorised)
    if vectorised and not parameters:
        raise DeclarationError(f"{called}: a vectorised function has a parameter, which says how many rows there are")
    return Declared(called, parameters, result, inspect.getdoc(python) or "", bool(nulls), bool(vectorised), python)


def _parameters(python: Callable[..., Any], called: str) -> list[tuple[str, bool]]:
    """The names of the parameters, and whether each may be left out."""
    names: list[tuple[str, bool]] = []
    for parameter in inspect.signature(python).parameters.values():
        optional = parameter.default is not inspect.Parameter.empty
        match parameter.kind:
            case inspect.Parameter.VAR_POSITIONAL | inspect.Parameter.VAR_KEYWORD:
                star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else "**"
                raise DeclarationError(f"{called}: {star}{parameter.name} has no type; name each parameter")
            case inspect.Parameter.KEYWORD_ONLY:
                if not optional:
                    raise DeclarationError(f"{called}: a spec gives arguments by position, so not {parameter.name}")
            case _:
                names.append((parameter.name, optional))
    return names


def _type(said: str, what: str, vectorised: bool) -> Type:
    known = {type_.value: type_ for type_ in DECLARABLE if not vectorised or type_ in FLAT}
    found = known.get(" ".join(said.upper().split())) if isinstance(said, str) else None
    if found is not None:
        return found
    there_are = f"there are {', '.join(known)}"
    if not isinstance(said, str):
        raise DeclarationError(f'{what}: a type is a text, as in "STRING"; {there_are}')
    if vectorised and said.upper() in {type_.value for type_ in DECLARABLE}:
        raise DeclarationError(f"{what}: arrays of a vectorised function hold no {said.upper()}; {there_are}")
    hint = did_you_mean(said.upper(), known) or there_are
    raise DeclarationError(f"{what}: there is no type {said}; {hint}")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
