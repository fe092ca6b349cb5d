"""A predicate as a condition that the server evaluates.

In: a typed predicate. Out: a condition that keeps at least every item for which the predicate is TRUE or an error.
Invariant: an item that the server leaves out is one whose predicate is FALSE or NULL, and no error; the exact predicate
is evaluated here on what comes.

For each part of the predicate the server is asked when it may be TRUE, FALSE, NULL, an error: conditions that hold
whenever the part comes out so, and may hold more often. What the server cannot tell is "always". They are put together
by AND and OR alone, so that a condition which holds too often can only keep too much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate

from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.functions.arithmetic import seconds
from ddbetl.functions.model import Nulls
from ddbetl.lowering.dynamo_condition import (
    Atom,
    Condition,
    ServerExpression,
    all_of,
    any_of,
    atoms,
    opposite,
    size,
    weight,
    written,
)
from ddbetl.types import TAG_OF, TAGS, Duration, Type, Value

# Source: DynamoDB Developer Guide, "Service quotas: Expression parameters".
LONGEST_EXPRESSION = 4096
MOST_OPERATORS = 300
# Source: API reference, "Comparison operator and function reference: IN".
MOST_CANDIDATES = 100
# More than any attribute can have of characters or elements.
LARGEST_SIZE = 10**6
# What a condition may have of atoms, tried in turn until the whole is within the limits above.
SIZES = (120, 60, 30, 12)


@dataclass(frozen=True, slots=True)
class _Ways:
    """When a part may be TRUE, FALSE, NULL or an error; of a value that is no BOOLEAN, ``true`` and ``false`` both mean
    that it is there. ``keep``: TRUE or an error; ``keep_not``: FALSE or an error."""

    true: Condition = True
    false: Condition = True
    null: Condition = True
    error: Condition = True
    keep: Condition = True
    keep_not: Condition = True

    @property
    def value(self) -> Condition:
        return any_of(self.true, self.false)


UNKNOWN = _Ways()


def _ways(true: Condition, false: Condition, null: Condition, error: Condition) -> _Ways:
    return _Ways(true, false, null, error, any_of(true, error), any_of(false, error))


def _not_of(ways: _Ways) -> _Ways:
    return _Ways(ways.false, ways.true, ways.null, ways.error, ways.keep_not, ways.keep)


def keeping(predicate: Expression, most: int = SIZES[0]) -> Condition:
    """A condition of about ``most`` atoms that holds wherever a predicate is TRUE or an error."""
    return _know(predicate, most).keep


def holding(predicate: Expression) -> Condition:
    """A condition that holds wherever a predicate is TRUE."""
    return _know(predicate, SIZES[0]).true


def server_filter(predicate: Expression) -> ServerExpression | None:
    """The condition that the server can evaluate for a predicate; None where it could leave nothing out."""
    for most in SIZES:
        keep = keeping(predicate, most)
        if isinstance(keep, bool):
            # Also where the predicate is never TRUE nor an error: there is no expression that keeps nothing.
            return None
        if (found := within_limits(keep)) is not None:
            return found
    return None


def within_limits(condition: Condition) -> ServerExpression | None:
    """A condition that is no bool as an expression; None where it is more than a server takes."""
    found = written(condition)
    text = found.expression
    operators = text.count(" AND ") + text.count(" OR ") + sum(map(weight, atoms(condition)))
    return found if len(text.encode()) <= LONGEST_EXPRESSION and operators <= MOST_OPERATORS else None


# An attribute, or a path into one


@dataclass(frozen=True, slots=True)
class _Operand:
    """An attribute where a value of some types is needed: when it is ``there`` and not NULL, and when of these types.

    ``lost``: a step of the path goes into something else than a map or a list, which is an error. ``error``: that, or
    a value of another type.
    """

    there: Condition
    fits: Condition
    lost: Condition

    @property
    def null(self) -> Condition:
        return opposite(self.there)

    @property
    def error(self) -> Condition:
        return any_of(all_of(self.there, opposite(self.fits)), self.lost)

    def ways(self, true: Condition, false: Condition) -> _Ways:
        return _ways(true, false, self.null, self.error)


def _operand(attribute: Attribute, *types: Type) -> _Operand:
    fits = any_of(*(_type_is(attribute, type_) for type_ in types))
    return _Operand(_there(attribute), fits, _lost(attribute))


def _can_be_asked(expression: Expression) -> bool:
    """Whether it is an attribute that a server can be asked for: none takes an empty name, or a position that no list
    has."""
    if not isinstance(expression, Attribute):
        return False
    return all(step < LARGEST_SIZE if isinstance(step, int) else step for step in (expression.name, *expression.steps))


def _there(attribute: Attribute) -> Condition:
    """The attribute is there, and is not NULL."""
    return all_of(Atom("attribute_exists", attribute), opposite(_type_is(attribute, Type.NULL)))


def _lost(attribute: Attribute) -> Condition:
    parents = [Attribute(attribute.name, attribute.steps[:depth]) for depth in range(len(attribute.steps))]
    needed = [Type.LIST if isinstance(step, int) else Type.MAP for step in attribute.steps]
    pairs = zip(parents, needed, strict=True)
    return any_of(*(all_of(_there(one), opposite(_type_is(one, type_))) for one, type_ in pairs))


def _type_is(attribute: Attribute, type_: Type) -> Atom:
    return Atom("attribute_type", attribute, (TAG_OF[type_],))


# Expressions


def _know(expression: Expression, most: int) -> _Ways:
    """When an expression may come out how; no condition has more than about ``most`` atoms."""
    match expression:
        case Constant(value=None):
            return _ways(False, False, True, False)
        case Constant(value=bool() as value):
            return _ways(value, not value, False, False)
        case Constant():
            return _ways(True, True, False, False)
        case Attribute() if _can_be_asked(expression):
            there = _there(expression)
            return _ways(there, there, opposite(there), _lost(expression))
        case Attribute():
            return UNKNOWN
        case Call():
            return _know_call(expression, most)


def _know_call(call: Call, most: int) -> _Ways:
    name, first = call.function.name, call.arguments[0] if call.arguments else None
    match name:
        case "AND" | "OR":
            parts = [_boolean(operand, most) for operand in _operands(call)]
            # Not one of them is not TRUE; OR stops at TRUE as AND does at FALSE.
            return _all(parts, most) if name == "AND" else _not_of(_all([_not_of(part) for part in parts], most))
        case "NOT":
            return _not_of(_boolean(call.arguments[0], most))
        case "try" if first is not None and first.type is Type.BOOLEAN:
            tried = _know(first, most)
            return _ways(tried.true, tried.false, _any([tried.null, tried.error], most), False)
        case "IS NULL" | "IS MISSING" if isinstance(first, Attribute) and _can_be_asked(first):
            gone: Condition = Atom("attribute_not_exists", first)
            if name == "IS NULL":
                gone = opposite(_there(first))
            return _ways(gone, opposite(gone), False, _lost(first))
        case "=" | "<>" | "<" | "<=" | ">" | ">=":
            return _know_comparison(call, most)
        case "IN":
            return _know_in(call)
        case "starts_with" | "contains" | "LIKE":
            return _know_search(call, most)
        case _:
            return _strict(call, most)


def _operands(call: Call) -> Iterator[Expression]:
    """The operands of a chain of one operator, from left to right, as it evaluates them."""
    for argument in call.arguments:
        if isinstance(argument, Call) and argument.function.name == call.function.name:
            yield from _operands(argument)
        else:
            yield argument


def _boolean(expression: Expression, most: int) -> _Ways:
    """When an operand of AND, OR, NOT may come out how: an attribute there must be a BOOLEAN."""
    if isinstance(expression, Attribute) and _can_be_asked(expression):
        asked = _operand(expression, Type.BOOLEAN)
        true, false = (Atom("=", expression, (value,)) for value in (True, False))
        return _either(asked, true, false)
    return _know(expression, most)


def _either(asked: _Operand, true: Condition, false: Condition) -> _Ways:
    """A part of which the server's ``true`` and ``false`` both say what type there is; all else is an error."""
    keep, keep_not = (any_of(all_of(asked.there, opposite(other)), asked.lost) for other in (false, true))
    return _Ways(true, false, asked.null, asked.error, keep, keep_not)


def _or_else(asked: _Operand, true: Condition) -> _Ways:
    """A part of which the server's ``true`` says what type there is; all else is FALSE or an error."""
    keep_not = any_of(all_of(asked.there, opposite(true)), asked.lost)
    false = all_of(asked.fits, opposite(true))
    return _Ways(true, false, asked.null, asked.error, any_of(true, asked.error), keep_not)


def _all(parts: list[_Ways], most: int) -> _Ways:
    """AND of some operands: an operand is reached where those before it are TRUE or NULL."""
    true = all_of(*_first([part.true for part in parts], most))
    error: Condition = True
    keep: Condition = True
    sizes = [(size(part.true, part.null), size(part.error), size(part.keep)) for part in parts]
    for count in range(len(parts), 0, -1):
        # The last operands are left out where there are too many: nothing is known of them then.
        some = parts if count == len(parts) else [*parts[:count], UNKNOWN]
        before = [reached for reached, _, _ in sizes[: len(some) - 1]]
        errors, keeps = sum(one for _, one, _ in sizes[:count]), sum(one for _, _, one in sizes[:count])
        if sum(accumulate(before)) + errors + keeps <= most:
            error = any_of(
                *(all_of(*(any_of(p.true, p.null) for p in some[:i]), part.error) for i, part in enumerate(some))
            )
        elif errors + keeps <= most and count == len(parts):
            error = any_of(*(part.error for part in some))
        else:
            continue
        keep = any_of(all_of(*(part.keep for part in some)), error)
        if keep is not True:
            break
    return _Ways(
        true,
        _any([part.false for part in parts], most),
        _any([part.null for part in parts], most),
        error,
        keep,
        _any([part.keep_not for part in parts], most),
    )


def _first(conditions: list[Condition], most: int) -> list[Condition]:
    """As many of the conditions as ``most`` allows."""
    while size(*conditions) > most:
        conditions = conditions[:-1]
    return conditions


def _any(conditions: list[Condition], most: int) -> Condition:
    return True if size(*conditions) > most else any_of(*conditions)


def _strict(call: Call, most: int) -> _Ways:
    """A function that gives NULL for NULL, of which nothing else is known but when it is total."""
    if call.function.nulls is not Nulls.PROPAGATE:
        return UNKNOWN
    if _is_text_function(call):
        (argument,) = call.arguments
        if isinstance(argument, Attribute):
            asked = _operand(argument, Type.STRING)
            return _Ways(asked.fits, asked.fits, asked.null, asked.error, *[any_of(asked.there, asked.lost)] * 2)
        return _know(argument, most)
    known = [_know(argument, most) for argument in call.arguments]
    value = all_of(*_first([k.value for k in known], most))
    errors = _any([k.error for k in known], most)
    null = _any([k.null for k in known], most)
    keep = any_of(all_of(*_first([any_of(k.keep, k.keep_not) for k in known], most)), errors)
    return _Ways(value, value, null, errors if _is_total(call) else any_of(value, errors), keep, keep)


def _is_text_function(call: Call) -> bool:
    """Whether a call never fails for a STRING, and fails for every other value."""
    if call.function.name not in ("length", "lower", "upper", "trim") or len(call.arguments) != 1:
        return False
    (argument,) = call.arguments
    return argument.type is Type.STRING or _can_be_asked(argument)


_COMPARISONS = {"=": "=", "<>": "<>", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
_OPPOSITE = {"=": "<>", "<>": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_ORDERED = frozenset({Type.STRING, Type.NUMBER, Type.BINARY})
_UNIQUE = _ORDERED | {Type.BOOLEAN}


def _is_total(call: Call) -> bool:
    """Whether a call never fails itself: a comparison of two numbers or two texts."""
    types = {argument.type for argument in call.arguments}
    return call.function.name in _OPPOSITE and types in ({Type.STRING}, {Type.NUMBER})


# Comparisons


def _know_comparison(call: Call, most: int) -> _Ways:
    operator = call.function.name
    left, right = call.arguments
    if isinstance(left, Constant) and not isinstance(right, Constant):
        left, right, operator = right, left, _COMPARISONS[operator]
    if not isinstance(right, Constant) or right.value is None:
        return _strict(call, most)
    if isinstance(right.value, Duration):
        # Beside an attribute, which is none, it counts seconds.
        right = Constant(seconds(right.value), Type.NUMBER)
    if isinstance(left, Attribute) and _can_be_asked(left) and right.type in _UNIQUE:
        return _know_attribute(left, operator, right)
    if isinstance(left, Call) and len(left.arguments) == 1:
        (argument,) = left.arguments
        if isinstance(argument, Attribute) and _can_be_asked(argument):
            if left.function.name in ("length", "size") and _is_size(right.value):
                return _know_size(left.function.name, argument, operator, right.value)
            if left.function.name == "attribute_type" and operator in ("=", "<>"):
                same = _know_type(argument, (right.value,))
                return same if operator == "=" else _not_of(same)
    return _strict(call, most)


def _know_attribute(left: Attribute, operator: str, right: Constant) -> _Ways:
    """A comparison of an attribute with a constant; the server's is FALSE, not an error, for another type."""
    asked = _operand(left, right.type)
    if operator == "<>":
        return _not_of(_know_attribute(left, "=", right))
    true, false = (Atom(symbol, left, (right.value,)) for symbol in (operator, _OPPOSITE[operator]))
    # To the server everything of another type is unequal.
    return _or_else(asked, true) if operator == "=" else _either(asked, true, false)


def _know_type(attribute: Attribute, tags: tuple[Value, ...]) -> _Ways:
    """Whether the name of an attribute's type is one of some texts; it is also asked of DynamoDB's NULL."""
    same = any_of(*(Atom("attribute_type", attribute, (tag,)) for tag in tags if tag in TAGS))
    there = Atom("attribute_exists", attribute)
    return _ways(same, all_of(there, opposite(same)), opposite(there), _lost(attribute))


def _is_size(value: Value) -> bool:
    return isinstance(value, Decimal) and abs(value) <= LARGEST_SIZE


# Bytes of a character, at most, by which a server may count the size of a text.
_BYTES = 4


def _know_size(name: str, attribute: Attribute, operator: str, bound: Value) -> _Ways:
    """A comparison of the number of characters of a text, or with ``size`` also of bytes or elements.

    The server's size of a text is no less than its characters and no more than their bytes.
    """
    assert isinstance(bound, Decimal)
    asked = _operand(attribute, *(_SIZED if name == "size" else (Type.STRING,)))
    if name == "length" and (operator, bound) in _EMPTY:
        return _or_else(asked, Atom("=", attribute, ("",)))
    if name == "length" and (_OPPOSITE[operator], bound) in _EMPTY:
        return _not_of(_know_size(name, attribute, _OPPOSITE[operator], bound))
    true, false = (_size_is(name, attribute, symbol, bound) for symbol in (operator, _OPPOSITE[operator]))
    return asked.ways(*(asked.fits if condition is True else condition for condition in (true, false)))


_SIZED = tuple(type_ for type_ in TAG_OF if type_ not in (Type.NUMBER, Type.BOOLEAN, Type.NULL))
_EMPTY = (("<=", Decimal(0)), ("=", Decimal(0)), ("<", Decimal(1)))


def _size_is(name: str, attribute: Attribute, operator: str, bound: Decimal) -> Condition:
    """What the server can say where a size compares so with a bound."""
    exact = Atom(f"size {operator}", attribute, (bound,))
    if operator in (">", ">="):
        return exact
    if operator == "<>":
        return True
    most = int(bound.to_integral_value("ROUND_FLOOR"))
    if operator == "<" and most == bound:
        most -= 1
    if most < 0:
        return False
    text: Condition = Atom("size <=", attribute, (Decimal(most * _BYTES),))
    if operator == "=":
        text = all_of(Atom("size >=", attribute, (bound,)), text)
    return text if name == "length" else any_of(exact, all_of(_type_is(attribute, Type.STRING), text))


def _know_in(call: Call) -> _Ways:
    operand, *items = call.arguments
    constants = [item for item in items if isinstance(item, Constant)]
    values = [constant for constant in constants if constant.value is not None]
    types = {constant.type for constant in values}
    if len(constants) < len(items) or len(types) != 1 or not types <= _UNIQUE:
        return UNKNOWN
    if isinstance(operand, Call) and operand.function.name == "attribute_type":
        (argument,) = operand.arguments
        if not isinstance(argument, Attribute) or not _can_be_asked(argument):
            return UNKNOWN
        found = _know_type(argument, tuple(constant.value for constant in values))
    elif isinstance(operand, Attribute) and _can_be_asked(operand):
        asked = _operand(operand, *types)
        among: Condition = Atom("IN", operand, tuple(constant.value for constant in values))
        if len(values) > MOST_CANDIDATES:
            return asked.ways(asked.fits, asked.fits)
        found = _or_else(asked, among)
    else:
        return UNKNOWN
    # Beside a NULL what would be FALSE is NULL.
    return (
        found if len(values) == len(items) else _ways(found.true, False, any_of(found.false, found.null), found.error)
    )


# Texts within texts


def _know_search(call: Call, most: int) -> _Ways:
    if len(call.arguments) != 2:
        return _strict(call, most)
    left, right = call.arguments
    if not isinstance(left, Attribute) or not _can_be_asked(left) or not isinstance(right, Constant):
        return _strict(call, most)
    if call.function.name == "contains":
        return _know_contains(left, right) or _strict(call, most)
    if not isinstance(right.value, str):
        return _strict(call, most)
    asked = _operand(left, Type.STRING)
    if call.function.name == "starts_with":
        parts, exact = [Atom("begins_with", left, (right.value,))] if right.value else [], True
    else:
        # What ESCAPE says is not among the arguments.
        if not call.text or "ESCAPE" in call.text.upper():
            return asked.ways(asked.fits, asked.fits)
        parts, exact = _like(left, right.value)
    found = all_of(*parts) if parts else asked.fits
    return asked.ways(found, all_of(asked.fits, opposite(found)) if exact else asked.fits)


def _like(text: Attribute, pattern: str) -> tuple[list[Atom], bool]:
    """What holds where a text matches a pattern, and whether that is all."""
    if "%" not in pattern and "_" not in pattern:
        return [Atom("=", text, (pattern,))], True
    first, *pieces = pattern.replace("_", "%").split("%")
    found = [Atom("begins_with", text, (first,))] if first else []
    found += [Atom("contains", text, (piece,)) for piece in dict.fromkeys(pieces) if piece]
    return found, pattern in (f"{first}%", f"%{pieces[0]}%" if len(pieces) == 2 else "")


_CONTAINERS = {
    Type.STRING: (Type.STRING, Type.LIST, Type.STRING_SET),
    Type.NUMBER: (Type.LIST, Type.NUMBER_SET),
    Type.BINARY: (Type.LIST, Type.BINARY_SET),
    Type.BOOLEAN: (Type.LIST,),
}


def _know_contains(left: Attribute, right: Constant) -> _Ways | None:
    if right.type not in _CONTAINERS or right.value is None:
        return None
    asked = _operand(left, *_CONTAINERS[right.type])
    if right.value in ("", b""):
        return asked.ways(asked.fits, asked.fits)
    found = Atom("contains", left, (right.value,))
    return _or_else(asked, found)
