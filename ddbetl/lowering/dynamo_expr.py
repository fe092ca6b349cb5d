"""A predicate as a FilterExpression that the server evaluates.

In: a typed predicate. Out: a condition that keeps at least every item for which the predicate is TRUE or an error.
Invariant: an item that the server leaves out is one whose predicate is FALSE or NULL, and no error; the exact predicate
is evaluated here on what comes.

For an expression four things are asked of the server, each a condition that is sufficient, not necessary: is it surely
TRUE, surely FALSE, surely NULL, surely no error ("safe")? What cannot be asked is answered "never".
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.wire import encode
from ddbetl.functions.model import Nulls
from ddbetl.types import TAG_OF, Type, Value

# Source: DynamoDB Developer Guide, "Service quotas: Expression parameters".
LONGEST_EXPRESSION = 4096
MOST_OPERATORS = 300

_PLACEHOLDER = re.compile(r"[#:]f[0-9]+")


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """A FilterExpression with its placeholders: ``names`` (``#f0``, attribute), ``values`` (``:f0``, DynamoDB JSON)."""

    expression: str
    names: tuple[tuple[str, str], ...]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Atom:
    text: str


@dataclass(frozen=True, slots=True)
class _Not:
    operand: _Condition


@dataclass(frozen=True, slots=True)
class _Junction:
    word: str
    operands: tuple[_Condition, ...]


_Condition: TypeAlias = "bool | _Atom | _Not | _Junction"


def _junction(word: str, neutral: bool, operands: tuple[_Condition, ...]) -> _Condition:
    flat: list[_Condition] = []
    for operand in operands:
        inner = operand.operands if isinstance(operand, _Junction) and operand.word == word else (operand,)
        for one in inner:
            if one is (not neutral):
                return not neutral
            if one is not neutral and one not in flat:
                flat.append(one)
    kept = [one for one in flat if not any(_implied(other, one, word) for other in flat if other is not one)]
    if not kept:
        return neutral
    return kept[0] if len(kept) == 1 else _Junction(word, tuple(kept))


def _implied(other: _Condition, one: _Condition, word: str) -> bool:
    """Absorption: beside A, ``A OR B`` says nothing more in a conjunction, nor ``A AND B`` in a disjunction."""

    def parts(condition: _Condition) -> frozenset[_Condition]:
        inside = isinstance(condition, _Junction) and condition.word != word
        return frozenset(condition.operands) if inside and isinstance(condition, _Junction) else frozenset({condition})

    return parts(other) < parts(one)


def _and(*operands: _Condition) -> _Condition:
    return _junction("AND", True, operands)


def _or(*operands: _Condition) -> _Condition:
    return _junction("OR", False, operands)


def _not(operand: _Condition) -> _Condition:
    match operand:
        case bool():
            return not operand
        case _Not(operand=inner):
            return inner
        case _Junction(word="AND", operands=operands):
            return _or(*(_not(o) for o in operands))
        case _Junction(operands=operands):
            return _and(*(_not(o) for o in operands))
        case _Atom(text=text):
            if text.startswith("attribute_not_exists("):
                return _Atom("attribute_exists(" + text.removeprefix("attribute_not_exists("))
            if text.startswith("attribute_exists("):
                return _Atom("attribute_not_exists(" + text.removeprefix("attribute_exists("))
            return _Not(operand)


@dataclass(frozen=True, slots=True)
class _Knowledge:
    """Sufficient conditions for what an expression gives; ``drop`` for FALSE or NULL without knowing which."""

    true: _Condition = False
    false: _Condition = False
    null: _Condition = False
    safe: _Condition = False
    either: _Condition = False

    @property
    def drop(self) -> _Condition:
        return _or(self.null, self.false, self.either)


@dataclass(slots=True)
class _Placeholders:
    names: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)

    def name(self, attribute: Attribute) -> str:
        return self.names.setdefault(attribute.name, f"#f{len(self.names)}")

    def value(self, value: Value) -> str:
        text = json.dumps(encode(value), ensure_ascii=False)
        return self.values.setdefault(text, f":f{len(self.values)}")


def server_filter(predicate: Expression) -> ServerFilter | None:
    """The condition that the server can evaluate for a predicate; None where it could leave nothing out."""
    placeholders = _Placeholders()
    keep = _not(_know(predicate, placeholders).drop)
    if isinstance(keep, bool):
        return None
    text = _text(keep)
    operators = text.count(" AND ") + text.count(" OR ") + text.count("NOT ") + text.count("(") + text.count(" = ")
    if len(text.encode()) > LONGEST_EXPRESSION or operators > MOST_OPERATORS:
        return None
    # The server refuses placeholders that the expression does not use.
    used = set(_PLACEHOLDER.findall(text))
    return ServerFilter(
        text,
        tuple((mark, name) for name, mark in placeholders.names.items() if mark in used),
        tuple((mark, value) for value, mark in placeholders.values.items() if mark in used),
    )


def _text(condition: _Condition) -> str:
    match condition:
        case _Atom(text=text):
            return text
        case _Not(operand=operand):
            return f"NOT ({_text(operand)})"
        case _Junction(word=word, operands=operands):
            return f" {word} ".join(f"({_text(o)})" if isinstance(o, _Junction) else _text(o) for o in operands)
        case bool():
            raise AssertionError("constants are folded")


_MIRRORED = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_COMPARABLE = frozenset({Type.STRING, Type.NUMBER})


def _know(expression: Expression, marks: _Placeholders) -> _Knowledge:
    match expression:
        case Constant(value=None):
            return _Knowledge(null=True, safe=True)
        case Constant(value=bool() as value):
            return _Knowledge(true=value, false=not value, safe=True)
        case Constant():
            return _Knowledge(safe=True)
        case Attribute(steps=()):
            name = marks.name(expression)
            missing = _or(
                _Atom(f"attribute_not_exists({name})"), _Atom(f"attribute_type({name}, {_tag(marks, 'NULL')})")
            )
            return _Knowledge(null=missing, safe=True)
        case Attribute():
            # A step into something else than a map or a list is an error that the server does not know.
            return _Knowledge(null=_Atom(f"attribute_not_exists({marks.name(expression)})"))
        case Call():
            return _know_call(expression, marks)


def _tag(marks: _Placeholders, tag: str) -> str:
    return marks.value(tag)


def _know_call(call: Call, marks: _Placeholders) -> _Knowledge:
    name = call.function.name
    if name in ("AND", "OR"):
        left, right = (_boolean(a, marks) for a in call.arguments)
        return _know_and(left, right) if name == "AND" else _know_or(left, right)
    if name == "NOT":
        operand = _boolean(call.arguments[0], marks)
        return _Knowledge(operand.false, operand.true, operand.null, operand.safe)
    if name in ("IS NULL", "IS MISSING") and isinstance(call.arguments[0], Attribute) and not call.arguments[0].steps:
        mark = marks.name(call.arguments[0])
        true: _Condition = _Atom(f"attribute_not_exists({mark})")
        if name == "IS NULL":
            true = _or(true, _Atom(f"attribute_type({mark}, {_tag(marks, 'NULL')})"))
        return _Knowledge(true=true, false=_not(true), safe=True)
    if name in _OPPOSITE:
        return _know_comparison(call, marks)
    if name == "IN":
        return _know_in(call, marks)
    return _strict(call, marks)


def _boolean(expression: Expression, marks: _Placeholders) -> _Knowledge:
    """What is known of an operand of AND, OR, NOT: an attribute there must be a BOOLEAN."""
    if isinstance(expression, Attribute) and not expression.steps:
        mark = marks.name(expression)
        known = _know(expression, marks)
        true = _Atom(f"{mark} = {marks.value(True)}")
        false = _Atom(f"{mark} = {marks.value(False)}")
        return _Knowledge(true, false, known.null, _or(known.null, _type_is(expression, Type.BOOLEAN, marks)))
    return _know(expression, marks)


def _know_and(left: _Knowledge, right: _Knowledge) -> _Knowledge:
    return _Knowledge(
        true=_and(left.true, right.true),
        false=_or(left.false, _and(left.safe, right.false)),
        null=_or(_and(left.null, _or(right.null, right.true)), _and(left.true, right.null)),
        safe=_or(left.false, _and(left.safe, right.safe)),
        either=_or(_and(left.safe, right.drop), _and(left.drop, right.safe)),
    )


def _know_or(left: _Knowledge, right: _Knowledge) -> _Knowledge:
    return _Knowledge(
        true=_or(left.true, _and(left.safe, right.true)),
        false=_and(left.false, right.false),
        null=_or(_and(left.null, right.drop), _and(left.drop, right.null)),
        safe=_or(left.true, _and(left.safe, right.safe)),
        either=_and(left.drop, right.drop),
    )


def _strict(call: Call, marks: _Placeholders) -> _Knowledge:
    """A function that gives NULL for NULL, of which nothing else is known."""
    if call.function.nulls is not Nulls.PROPAGATE:
        return _Knowledge()
    known = [_know(argument, marks) for argument in call.arguments]
    null = _and(_or(*(k.null for k in known)), *(k.safe for k in known))
    return _Knowledge(null=null, safe=_or(null, _total(call, marks)))


def _total(call: Call, marks: _Placeholders) -> _Condition:
    """When a call is surely no error: its functions never fail, and its arguments have the right types."""
    if call.function.name not in ("length", "lower", "upper", "trim"):
        return False
    conditions: list[_Condition] = []
    for argument, accepted in zip(call.arguments, call.candidates[0].accepts, strict=True):
        if isinstance(argument, Attribute) and not argument.steps and len(accepted) == 1:
            conditions.append(_type_is(argument, next(iter(accepted)), marks))
        elif isinstance(argument, Attribute):
            return False
        else:
            conditions.append(_know(argument, marks).safe)
    return _and(*conditions) if len(call.candidates) == 1 else False


def _type_is(attribute: Attribute, type_: Type, marks: _Placeholders) -> _Condition:
    return _Atom(f"attribute_type({marks.name(attribute)}, {_tag(marks, TAG_OF[type_])})")


def _know_comparison(call: Call, marks: _Placeholders) -> _Knowledge:
    operator = call.function.name
    left, right = call.arguments
    if isinstance(left, Constant) and not isinstance(right, Constant):
        left, right, operator = right, left, _MIRRORED[operator]
    strict = _strict(call, marks)
    if not isinstance(right, Constant) or right.value is None:
        return strict
    if isinstance(left, Attribute) and not left.steps and right.type in _COMPARABLE:
        mark, value = marks.name(left), marks.value(right.value)
        same = _type_is(left, right.type, marks)
        true: _Condition = _Atom(f"{mark} {operator} {value}")
        false: _Condition = _Atom(f"{mark} {_OPPOSITE[operator]} {value}")
        # An attribute of another type is unequal to the server, but an error here.
        if operator == "<>":
            true = _and(same, true)
        if operator == "=":
            false = _and(same, false)
        return _Knowledge(true, false, strict.null, _or(strict.null, same))
    if _is_length(left) and isinstance(right.value, Decimal):
        assert isinstance(left, Call)
        (text,) = left.arguments
        assert isinstance(text, Attribute)
        empty = _Atom(f"{marks.name(text)} = {marks.value('')}")
        if (operator, right.value) in ((">", Decimal(0)), ("<>", Decimal(0)), (">=", Decimal(1))):
            return _Knowledge(false=empty, null=strict.null, safe=_or(strict.null, _total(left, marks)))
    return strict


def _is_length(expression: Expression) -> bool:
    if not isinstance(expression, Call) or expression.function.name != "length":
        return False
    (argument,) = expression.arguments
    return isinstance(argument, Attribute) and not argument.steps


def _know_in(call: Call, marks: _Placeholders) -> _Knowledge:
    operand, *items = call.arguments
    strict = _know(operand, marks)
    constants = [item for item in items if isinstance(item, Constant) and item.type in _COMPARABLE]
    plain = isinstance(operand, Attribute) and not operand.steps and len(constants) == len(items) <= 100
    if not plain or not isinstance(operand, Attribute) or len({c.type for c in constants}) != 1:
        return _Knowledge()
    among = _Atom(f"{marks.name(operand)} IN ({', '.join(marks.value(c.value) for c in constants)})")
    same = _type_is(operand, constants[0].type, marks)
    return _Knowledge(among, _and(same, _not(among)), strict.null, _or(strict.null, same))
