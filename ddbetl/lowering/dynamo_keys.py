"""A condition as the keys that it allows: what a Query asks for.

In: a condition that holds for every item that matters, and a key. Out: the values of the partition key for which it can
hold, each with a range of the sort key; or that it says too little. Invariant: an item for which the condition holds
has one of these keys. What the server cannot tell is taken for true, so a Query reads no less than it must.

The keys that a condition allows are a few boxes: a set of types and one value, or none, of the partition key, by a set
of types and a range of the sort key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from ddbetl.expressions.ir import Attribute
from ddbetl.lowering.dynamo_condition import (
    Atom,
    Condition,
    Junction,
    Not,
    Placeholders,
    ServerExpression,
    all_of,
    any_of,
)
from ddbetl.types import TAG_OF, TAGS, Type, Value, type_of

# Partition keys of one table: as many Queries are as many requests at least.
MOST_QUERIES = 100
# Boxes that a condition is divided into, at most, and pairs of them that are looked at.
_MOST_BOXES = 400
# Source: DynamoDB Developer Guide, "Service quotas: Partition keys and sort keys": bytes.
LONGEST_PARTITION_KEY = 2048
LONGEST_SORT_KEY = 1024

MISSING = "missing"
ANYTHING = frozenset({*TAGS, MISSING})


@dataclass(frozen=True, slots=True)
class Range:
    """Values of one type between two bounds; None: without a bound. An upper one may be left out itself."""

    low: Value = None
    high: Value = None
    low_open: bool = False
    high_open: bool = False

    @property
    def empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        return _before(self.high, self.low) or (self.low == self.high and (self.low_open or self.high_open))

    def within(self, other: Range) -> Range:
        """What both have in common."""
        low, low_open, high, high_open = self.low, self.low_open, self.high, self.high_open
        if other.low is not None and (low is None or _before(low, other.low)):
            low, low_open = other.low, other.low_open
        elif other.low == low:
            low_open |= other.low_open
        if other.high is not None and (high is None or _before(other.high, high)):
            high, high_open = other.high, other.high_open
        elif other.high == high:
            high_open |= other.high_open
        return Range(low, high, low_open, high_open)

    def around(self, other: Range) -> Range:
        """What holds both."""
        low, low_open, high, high_open = self.low, self.low_open, self.high, self.high_open
        if low is None or other.low is None:
            low, low_open = None, False
        elif _before(other.low, low):
            low, low_open = other.low, other.low_open
        elif other.low == low:
            low_open &= other.low_open
        if high is None or other.high is None:
            high, high_open = None, False
        elif _before(high, other.high):
            high, high_open = other.high, other.high_open
        elif other.high == high:
            high_open &= other.high_open
        return Range(low, high, low_open, high_open)


ALL = Range()


def _before(left: Value, right: Value) -> bool:
    """How DynamoDB sorts two values of one type; Python sorts texts by their characters, which is the same."""
    return left < right  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class _Part:
    """What an attribute may be: one of some types (tags, or missing), and if it is of its key's type, in a range."""

    tags: frozenset[str]
    range: Range = ALL

    def within(self, other: _Part, tag: str) -> _Part:
        tags, range_ = self.tags & other.tags, self.range.within(other.range)
        if range_.empty:
            tags -= {tag}
        return _Part(tags, range_ if tag in tags else ALL)

    def around(self, other: _Part, tag: str) -> _Part:
        ranges = [one.range for one in (self, other) if tag in one.tags]
        return _Part(self.tags | other.tags, reduce(Range.around, ranges) if ranges else ALL)


_Box = tuple[_Part, ...]


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a table or an index: its attributes with their types, and what each of them may be in the table's
    items."""

    attributes: tuple[tuple[str, Type], ...]
    may_be: tuple[frozenset[str], ...]

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(TAG_OF[type_] for _, type_ in self.attributes)

    @property
    def universe(self) -> _Box:
        return tuple(map(_Part, self.may_be))


@dataclass(frozen=True, slots=True)
class KeyRange:
    """One value of the partition key, and a range of the sort key."""

    partition: Value
    sort: Range = ALL


def key_ranges(condition: Condition, key: Key) -> tuple[KeyRange, ...] | None:
    """The keys of the items for which a condition can hold; None where they are too many, none, or not in the index.

    An index has an item only if all attributes of its key are there with their types.
    """
    sorts: dict[Value, Range] = {}
    for box in _boxes(condition, key):
        if any(part.tags != {tag} for part, tag in zip(box, key.tags, strict=True)):
            return None
        partition = box[0].range
        if partition.low is None or partition.low != partition.high:
            return None
        sort = box[1].range if len(box) > 1 else ALL
        sorts[partition.low] = sorts[partition.low].around(sort) if partition.low in sorts else sort
    ordered = sorted(sorts, key=lambda value: (str(type_of(value)), value))
    ranges = tuple(KeyRange(value, _storable(sorts[value])) for value in ordered if _is_key(value))
    return ranges if 0 < len(ranges) <= MOST_QUERIES else None


def _is_key(value: Value) -> bool:
    """Whether an item can have a partition key of this value: it is not empty, nor too long."""
    return not isinstance(value, str | bytes) or 0 < _bytes(value) <= LONGEST_PARTITION_KEY


def _storable(range_: Range) -> Range:
    """A range without the bounds that a server refuses, which leave nothing out: the lower one, where it is empty or
    too long, may be shortened to none."""
    low, high = range_.low, range_.high
    if isinstance(low, str | bytes) and not 0 < _bytes(low) <= LONGEST_SORT_KEY:
        range_ = replace(range_, low=None, low_open=False)
    if isinstance(high, str | bytes) and not 0 < _bytes(high) <= LONGEST_SORT_KEY:
        range_ = replace(range_, high=None, high_open=False)
    return range_


def _bytes(value: str | bytes) -> int:
    return len(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def beside(condition: Condition, key: Key) -> Condition:
    """What a condition says beyond the key, which no FilterExpression of a Query may name: it holds wherever the
    condition does."""
    names = {name for name, _ in key.attributes}
    match condition:
        case Junction(word=word, operands=operands):
            return (all_of if word == "AND" else any_of)(*(beside(one, key) for one in operands))
        case Atom(attribute=Attribute(name=name)) | Not(operand=Atom(attribute=Attribute(name=name))) if name in names:
            return bool(_boxes(condition, key))
        case _:
            return condition


def _boxes(condition: Condition, key: Key) -> list[_Box]:
    """Boxes of keys that hold all for which a condition can hold; none: it never holds."""
    match condition:
        case False:
            return []
        case True:
            return [key.universe]
        case Junction(word="AND", operands=operands):
            found = [key.universe]
            for one in operands:
                others = _boxes(one, key)
                if len(found) * len(others) > _MOST_BOXES:
                    # What all others say holds as well.
                    continue
                met = [_met(left, right, key) for left in found for right in others]
                found = _merged([box for box in met if all(part.tags for part in box)], key)
            return found
        case Junction(operands=operands):
            every = _merged([box for one in operands for box in _boxes(one, key)], key)
            return every if len(every) <= _MOST_BOXES else [key.universe]
        case Not(operand=atom):
            return _literal(atom, True, key)
        case Atom():
            return _literal(condition, False, key)


def _met(left: _Box, right: _Box, key: Key) -> _Box:
    return tuple(a.within(b, tag) for a, b, tag in zip(left, right, key.tags, strict=True))


def _merged(boxes: Sequence[_Box], key: Key) -> list[_Box]:
    """One box of those that have the same part of the partition key."""
    kept: dict[_Part, _Box] = {}
    for box in boxes:
        other = kept.get(box[0])
        if other is not None:
            later = (a.around(b, tag) for a, b, tag in zip(other[1:], box[1:], key.tags[1:], strict=True))
            box = (box[0], *later)
        kept[box[0]] = box
    return list(kept.values())


def _literal(atom: Atom, negated: bool, key: Key) -> list[_Box]:
    names = [name for name, _ in key.attributes]
    if atom.attribute.steps or atom.attribute.name not in names:
        return [key.universe]
    place = names.index(atom.attribute.name)
    parts = _parts(atom, negated, key.tags[place])
    boxes = [tuple(part if i == place else _Part(ANYTHING) for i in range(len(names))) for part in parts]
    met = [_met(key.universe, box, key) for box in boxes]
    return [box for box in met if all(part.tags for part in box)]


def _parts(atom: Atom, negated: bool, tag: str) -> list[_Part]:
    """What an attribute may be where a literal holds; ``tag``: of its key's type."""
    values = [value for value in atom.values if _tag(value) == tag]
    if negated:
        match atom.asked:
            case "attribute_type":
                return [_Part(ANYTHING - {str(atom.values[0])})]
            case "<" | "<=" | ">" | ">=" if values:
                return [_Part(ANYTHING, _RANGES[_OPPOSITE[atom.asked]](values[0]))]
            case _:
                return [_Part(ANYTHING)]
    others = frozenset(_tag(value) for value in atom.values) - {tag}
    match atom.asked:
        case "attribute_exists":
            return [_Part(ANYTHING - {MISSING})]
        case "attribute_not_exists":
            return [_Part(frozenset({MISSING}))]
        case "attribute_type":
            return [_Part(frozenset({str(atom.values[0])}))]
        case "=" | "IN":
            same = [_Part(frozenset({tag}), Range(value, value)) for value in values]
            return same + ([_Part(others)] if others else [])
        case "<" | "<=" | ">" | ">=" | "begins_with":
            return [_Part(frozenset({tag}), _RANGES[atom.asked](value)) for value in values] or [_Part(others)]
        case _:
            return [_Part(ANYTHING)]


def _tag(value: Value) -> str:
    found = type_of(value)
    assert found is not None
    return TAG_OF[found]


def _prefixed(prefix: Value) -> Range:
    """The texts that begin with a text, which is not empty: from it to the first one that does not, left out."""
    assert isinstance(prefix, str)
    return Range(prefix, _behind(prefix), high_open=True)


def _behind(prefix: str) -> str | None:
    """The first text, in DynamoDB's order, behind all those that begin with one; None where there is none."""
    kept = prefix.rstrip("\U0010ffff")
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # No text has halves of surrogate pairs.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


_OPPOSITE = {"<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_RANGES = {
    "<": lambda value: Range(high=value, high_open=True),
    "<=": lambda value: Range(high=value),
    ">": lambda value: Range(low=value, low_open=True),
    ">=": lambda value: Range(low=value),
    "begins_with": _prefixed,
}


# As text


def key_expression(found: KeyRange, key: Key) -> ServerExpression:
    """The KeyConditionExpression of a range. Between two bounds it has them both, though the range may not."""
    marks = Placeholders("k")
    names = [marks.path(Attribute(name)) for name, _ in key.attributes]
    text = f"{names[0]} = {marks.value(found.partition)}"
    sort = found.sort
    if sort == ALL:
        return _used(marks, text, names[:1])
    name, low, high = names[1], sort.low, sort.high
    if low is not None and low == high:
        text += f" AND {name} = {marks.value(low)}"
    elif isinstance(low, str) and sort == _prefixed(low):
        text += f" AND begins_with({name}, {marks.value(low)})"
    elif low is not None and high is not None:
        text += f" AND {name} BETWEEN {marks.value(low)} AND {marks.value(high)}"
    elif low is not None:
        text += f" AND {name} {'>' if sort.low_open else '>='} {marks.value(low)}"
    else:
        text += f" AND {name} {'<' if sort.high_open else '<='} {marks.value(high)}"
    return _used(marks, text, names)


def _used(marks: Placeholders, text: str, names: Sequence[str]) -> ServerExpression:
    marks.names = {name: mark for name, mark in marks.names.items() if mark in names}
    return marks.expression(text)


def possible_types(keys: Mapping[str, Type], sometimes: Mapping[str, Type], name: str) -> frozenset[str]:
    """What an attribute may be: ``keys`` are always there, ``sometimes`` are there with their type or not at all."""
    if name in keys:
        return frozenset({TAG_OF[keys[name]]})
    if name in sometimes:
        return frozenset({TAG_OF[sometimes[name]], MISSING})
    return ANYTHING
