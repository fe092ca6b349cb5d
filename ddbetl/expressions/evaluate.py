"""The reference evaluator: an expression for one item, exactly, in Python.

In: an expression and, per row, the item in DynamoDB JSON with its context. Out: a value, or a RowError that says what
is wrong. Invariant: this is the meaning of the language; every faster path must agree with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from ddbetl.errors import RowError
from ddbetl.expressions import wire
from ddbetl.expressions.ir import Attribute, Call, Candidate, Constant, Expression
from ddbetl.functions.model import Nulls, RowContext
from ddbetl.types import TAGS, NullValue, Type, Value, type_of

Item: TypeAlias = Mapping[str, dict[str, Any]]
Evaluator: TypeAlias = Callable[[Item, RowContext], Value]

# What asks whether there is an attribute at all, or copies one, and so must see DynamoDB's NULL as what it is.
SEES_NULL_VALUE = frozenset({"IS MISSING", "attribute_type", "{…}"})


def evaluator(expression: Expression) -> Evaluator:
    """Compile an expression to a function of an item in DynamoDB JSON and its context."""
    match expression:
        case Constant(value=value):
            return lambda item, context: value
        case Attribute():
            return _attribute(expression)
        case Call():
            return _call(expression)


def _attribute(attribute: Attribute) -> Evaluator:
    name, steps = attribute.name, attribute.steps

    def read(item: Item, context: RowContext) -> Value:
        found = item.get(name)
        if found is None:
            return None
        if steps:
            found = _walk(attribute, found)
            if found is None:
                return None
        return wire.decode(found)

    return read


def _walk(attribute: Attribute, found: dict[str, Any]) -> dict[str, Any] | None:
    """Follow a path's steps; an absent entry is missing, a step into something else than a map or list an error."""
    for depth, step in enumerate(attribute.steps):
        tag, wanted = ("L", Type.LIST) if isinstance(step, int) else ("M", Type.MAP)
        if "NULL" in found:
            return None
        if tag not in found:
            at = Attribute(attribute.name, attribute.steps[:depth])
            (other,) = found
            raise wrong_type(str(at), (wanted,), TAGS.get(other, Type.ANY))
        content = found[tag]
        if isinstance(step, int):
            if step >= len(content):
                return None
            found = content[step]
        else:
            if step not in content:
                return None
            found = content[step]
    return found


def wrong_type(what: str, expected: tuple[Type, ...], found: Type) -> RowError:
    """The error of a value of another type than an expression needs."""
    return RowError("R0101", f"{what}: expected {' or '.join(map(str, expected))}, found {found}")


def _call(call: Call) -> Evaluator:
    arguments = tuple(evaluator(argument) for argument in call.arguments)
    if call.function.nulls is Nulls.LAZY:
        return _lazy_call(call, arguments)
    sees_null_value = call.function.name in SEES_NULL_VALUE
    propagate = call.function.nulls is Nulls.PROPAGATE
    only = call.candidates[0] if len(call.candidates) == 1 else None
    settled = only is not None and all(argument.type is not Type.ANY for argument in call.arguments)
    # Values of one class have one type; with more arguments there could be too many combinations to keep.
    is_kept = len(arguments) <= _MOST_KEPT
    chosen: dict[tuple[type, ...], Candidate] = {}

    def run(item: Item, context: RowContext) -> Value:
        values = [argument(item, context) for argument in arguments]
        if not sees_null_value:
            values = [None if isinstance(value, NullValue) else value for value in values]
        if propagate and None in values:
            return None
        classes = tuple(map(type, values)) if is_kept else ()
        candidate = only if settled else chosen.get(classes)
        if candidate is None:
            candidate = choose(call, values)
            if is_kept:
                chosen[classes] = candidate
        implementation = candidate.implementation
        try:
            if implementation.context:
                return implementation.reference(context, *values)
            return implementation.reference(*values)
        except RowError as error:
            raise RowError(error.code, f"{_at_fault(call, error)}: {error.message}") from None

    return run


_MOST_KEPT = 2


def _at_fault(call: Call, error: RowError) -> str:
    """What an error's message begins with: the attribute whose value is at fault, else the call."""
    if error.argument is not None and isinstance(argument := call.arguments[error.argument], Attribute):
        return str(argument)
    return _shortened(describe(call))


_LONGEST_CALL = 80


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CALL else text[: _LONGEST_CALL - 1] + "…"


def _lazy_call(call: Call, arguments: tuple[Evaluator, ...]) -> Evaluator:
    (candidate,) = call.candidates
    reference = candidate.implementation.reference

    def run(item: Item, context: RowContext) -> Value:
        def argument(position: int) -> Callable[[], Value]:
            def get() -> Value:
                value = arguments[position](item, context)
                if isinstance(value, NullValue):
                    return None
                accepted = candidate.accepts[position]
                found = type_of(value)
                if found is not None and found not in accepted:
                    raise wrong_type(describe(call.arguments[position]), _names(accepted), found)
                return value

            return get

        return reference(*(argument(position) for position in range(len(arguments))))

    return run


def choose(call: Call, values: list[Value]) -> Candidate:
    """The signature that fits the values' types; a RowError that names the argument that fits none."""
    types = [type_of(value) for value in values]
    for candidate in call.candidates:
        if all(t in (None, Type.NULL) or t in accepted for t, accepted in zip(types, candidate.accepts, strict=True)):
            same = {types[position] for position in candidate.same} - {None, Type.NULL}
            if len(same) <= 1:
                return candidate
    for position, (argument, found) in enumerate(zip(call.arguments, types, strict=True)):
        accepted = frozenset[Type]().union(*(candidate.accepts[position] for candidate in call.candidates))
        if found not in (None, Type.NULL) and found is not None and found not in accepted:
            raise wrong_type(describe(argument), _names(accepted), found)
    found_types = " and ".join(str(t) for t in types if t is not None)
    operands = " and ".join(describe(argument) for argument in call.arguments)
    raise RowError("R0102", f"{call.function.name} cannot take {operands}: they are {found_types}")


def describe(expression: Expression) -> str:
    """What a message calls an expression: the attribute, the text of the call, or the constant."""
    match expression:
        case Attribute():
            return str(expression)
        case Call():
            return expression.text or expression.function.name
        case Constant(value=value):
            return repr(value)


def _names(types: frozenset[Type]) -> tuple[Type, ...]:
    return tuple(t for t in Type if t in types)
