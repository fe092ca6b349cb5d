"""Whether two rows of one job can have one key in the target.

In: a logical plan's scan, projection and write. Out: a proof that they cannot, in words, or a warning that names the
expression that loses information. Invariant: a proof holds for whatever the tables have in them; where nothing is
proved, every row is asked about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ddbetl.diagnostics import Diagnostic
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression, attributes
from ddbetl.expressions.projection import KeyAttribute, OutputColumn
from ddbetl.expressions.writing import Action
from ddbetl.plan.logical import Parts, Write
from ddbetl.plan.scope import short, written
from ddbetl.source import Span

# What functions keep of their argument, where two different arguments can have one result; first what loses most.
KEEPS = {
    "attribute_type": "keeps only the type",
    "length": "keeps only the length",
    "byte_length": "keeps only the length",
    "size": "keeps only the size",
    "sign": "keeps only the sign",
    "%": "keeps only the remainder",
    "mod": "keeps only the remainder",
    "shard": "keeps only the number of a shard",
    "position": "keeps only a position",
    "date_part": "keeps only a part of the time",
    "date_trunc": "keeps only a part of the time",
    "format_time": "keeps only what its pattern says",
    "substr": "keeps only a part of the text",
    "left": "keeps only a part of the text",
    "right": "keeps only a part of the text",
    "split_part": "keeps only a part of the text",
    "regexp_extract": "keeps only a part of the text",
    "floor": "keeps only whole numbers",
    "ceil": "keeps only whole numbers",
    "trunc": "drops decimal places",
    "round": "rounds",
    "round_half_even": "rounds",
    "epoch": "keeps only whole seconds",
    "crc32": "keeps only 32 bits",
    "abs": "takes the sign away",
    "lower": "makes one text of upper and lower case",
    "upper": "makes one text of upper and lower case",
    "trim": "takes characters away",
    "ltrim": "takes characters away",
    "rtrim": "takes characters away",
    "normalize": "makes one text of all ways to write it",
    "to_number": "makes one number of 1 and 1.0",
    "CAST AS NUMBER": "makes one number of 1 and 1.0",
    "epoch_ms": "is one number for all texts of one time",
    "parse_time": "is one time for all its texts",
    "CAST AS TIMESTAMP": "is one time for all its texts",
}
_MOST = {name: place for place, name in enumerate(KEEPS)}
_UNIT = re.compile(r"date_(?:trunc|part)\(\s*'(\w+)'", re.I)

# A key that collides is counted and treated as the option collisions says.
HINTS = {
    "reject": "the later of two such rows goes to the rejects (collisions = reject, the default)",
    "fail": "the first of such rows ends the run (collisions = fail)",
}
# What becomes of all rows of one key where none is held back. They are sent in no particular order.
ALLOWED = {
    Action.REPLACE: "all rows are written, and the one that is sent last stays",
    Action.SKIP: "the row that is sent first is written, and the others are skipped",
    Action.REJECT: "the row that is sent first is written, and those that differ from it go to the rejects",
    Action.KEEP_NEWEST: "the newest row stays",
    Action.MERGE: "each row sets its columns, and the one that is sent last has the last word",
    Action.MERGE_EXISTING: "each row sets its columns, and the one that is sent last has the last word",
}
CHECK = "ddbetl check --collisions finds them"


@dataclass(frozen=True, slots=True)
class Collisions:
    """``proof``: why no two rows can collide; empty where that is not proved. ``harmless``: why it does not matter
    whether they do. ``warning``: why they can, perhaps."""

    proof: str = ""
    harmless: str = ""
    warning: Diagnostic | None = None


def collisions(found: Parts, key: tuple[KeyAttribute, ...]) -> Collisions:
    """Whether two rows can have one key; ``key`` is the target's, empty where it is not known."""
    write = found.write
    if write is None:
        return Collisions()
    if write.action is Action.DELETE:
        return Collisions(harmless="two rows may delete one item")
    sources = [(t.name, t.description.key) for t in found.scan.tables if t.description is not None]
    if not key or len(sources) < len(found.scan.tables):
        return Collisions()
    origins = [found.project.projection.origin(attribute.name) for attribute in key]
    typed = _typed([keys for _, keys in sources])
    kept = frozenset[str]().union(*(_kept(one, typed) for one in origins))
    columns = [one for one in origins if isinstance(one, OutputColumn)]
    losing = [column for column in columns if not _kept(column, typed)]
    lost = _lost(sources, kept)
    if lost:
        return Collisions(warning=_warning(write, *_why(lost, losing, columns)))
    which = " and ".join(dict.fromkeys(written(k.name) for _, keys in sources for k in keys))
    copied = all(isinstance(column.expression, Attribute) for column in columns if column not in losing)
    how = "unchanged" if copied else "with nothing lost"
    if len(sources) == 1:
        return Collisions(f"{which}, the source's key, {_is_are(which)} in the target's key {how}")
    origin = next((column for column in losing if _tells_tables_apart(column.expression, kept)), None)
    # Two tables of one name, in two regions, are not told apart by it.
    if origin is not None and len({name for name, _ in sources}) == len(sources):
        return Collisions(f"{which}, the sources' key, and source_table() are in the target's key {how}")
    message = "two rows can become one: several of the tables may have an item of the same key"
    return Collisions(warning=_warning(write, message, losing[0].span if losing else None))


_JOINING = ("||", "concat")
# Functions of one argument whose result says it whole, where the argument has one type.
_SAYING = ("to_string", "CAST AS STRING", "to_json", "to_base64", "to_hex")


def _typed(keys: list[tuple[KeyAttribute, ...]]) -> frozenset[str]:
    """The attributes that have one type in all items of all tables: those that every table has in its key, alike."""
    return frozenset(one.name for one in frozenset(keys[0]).intersection(*keys))


def _kept(origin: OutputColumn | str | None, typed: frozenset[str]) -> frozenset[str]:
    """The attributes of the item that are whole in an attribute of the output: copied, whose type the target's key
    says, or said by a function, which says ``'1'`` of two types."""
    match origin:
        case None:
            return frozenset()
        case OutputColumn(expression=Attribute(steps=())):
            return _whole(origin.expression)
        case OutputColumn():
            return _whole(origin.expression) & typed
        case name:
            return frozenset((name,))


def _whole(expression: Expression) -> frozenset[str]:
    match expression:
        case Attribute(steps=()):
            return frozenset((expression.name,))
        case Call() if expression.function.name in _JOINING:
            others = [one for one in expression.arguments if not isinstance(one, Constant)]
            return _whole(others[0]) if len(others) == 1 else frozenset()
        case Call() if expression.function.name in _SAYING and len(expression.arguments) == 1:
            return _whole(expression.arguments[0])
        case Call() if expression.function.name == "source_key":
            return frozenset(attribute.name for attribute in attributes(expression))
        case _:
            return frozenset()


def _tells_tables_apart(expression: Expression, kept: frozenset[str]) -> bool:
    """Whether the source table's name can be read off a column, where the attributes ``kept`` are known."""
    match expression:
        case Call() if expression.function.name == "source_table":
            return True
        case Call() if expression.function.name in _JOINING:
            others = [one for one in expression.arguments if not _is_known(one, kept)]
            return len(others) == 1 and _tells_tables_apart(others[0], kept)
        case _:
            return False


def _is_known(expression: Expression, kept: frozenset[str]) -> bool:
    """Whether the value of an expression follows from the attributes ``kept``, whatever the table."""
    match expression:
        case Constant():
            return True
        case Attribute():
            return not expression.steps and expression.name in kept
        case Call() if expression.function.name in (*_JOINING, *_SAYING):
            return all(_is_known(one, kept) for one in expression.arguments)
        case _:
            return False


@dataclass(frozen=True, slots=True)
class _Lost:
    """An attribute of a source's key that is not in the target's key unchanged; ``role``: what it is there."""

    name: str
    role: str


def _lost(sources: list[tuple[str, tuple[KeyAttribute, ...]]], kept: frozenset[str]) -> list[_Lost]:
    lost: dict[str, str] = {}
    one_key = len({keys for _, keys in sources}) == 1
    for table, keys in sources:
        whose = f"{table}'s" if not one_key else "the source's" if len(sources) == 1 else "the sources'"
        for position, key in enumerate(keys):
            if key.name not in kept:
                role = "key" if len(keys) == 1 else "sort key" if position else "partition key"
                lost.setdefault(key.name, f"{whose} {role}")
    return [_Lost(name, role) for name, role in lost.items()]


def _why(lost: list[_Lost], losing: list[OutputColumn], key: list[OutputColumn]) -> tuple[str, Span | None]:
    """What is lost, as surely as it can be said, and where: among the columns of the key that lose something, or else
    among all of them."""
    places = {
        one.name: [c for c in losing if any(a.name == one.name for a in attributes(c.expression))] for one in lost
    }
    absent = [one for one in lost if not places[one.name]]
    if absent:
        first, *others = absent
        which = f"{written(first.name)}, {first.role},"
        if others:
            which += "".join(f" and {written(one.name)}, {one.role}," for one in others)
        verb = "are" if others else "is"
        span = next((column.span for column in (*losing, *key)), None)
        return f"two rows can become one: {which} {verb} not in the target's key", span
    for one in lost:
        if not any(_may_keep(column.expression, one.name) for column in places[one.name]):
            calls = [call for column in places[one.name] for call in _losing_calls(column.expression, one.name)]
            call = min(calls, key=lambda call: _MOST[call.function.name])
            message = (
                f"two rows can become one: {_brief(call)} {_keeps(call)}, and {written(one.name)}, {one.role}, "
                f"is in the target's key only through {'it' if len(places[one.name]) == 1 else 'such calls'}"
            )
            return message, call.span
    one = lost[0]
    column = min(places[one.name], key=lambda column: len(column.text))
    message = (
        f"that no two rows become one cannot be proved: {written(one.name)}, {one.role}, is in the target's key only "
        f"through {short(column.text)}"
    )
    return message, column.span


def _may_keep(expression: Expression, name: str) -> bool:
    """Whether an expression reads an attribute elsewhere than in calls that lose something of it."""
    match expression:
        case Attribute():
            return expression.name == name
        case Call():
            return expression.function.name not in KEEPS and any(_may_keep(a, name) for a in expression.arguments)
        case _:
            return False


def _losing_calls(expression: Expression, name: str) -> Iterator[Call]:
    """The calls that lose something of an attribute, from the outside in."""
    if isinstance(expression, Call) and any(a.name == name for a in attributes(expression)):
        if expression.function.name in KEEPS:
            yield expression
        for argument in expression.arguments:
            yield from _losing_calls(argument, name)


def _keeps(call: Call) -> str:
    unit = _UNIT.match(call.text)
    return f"keeps only the {unit[1].lower()}" if unit is not None else KEEPS[call.function.name]


def _brief(call: Call) -> str:
    """A call for a message: without its arguments where they are long."""
    text = call.text.replace("\n", " ")
    if len(text) <= 40:
        return text
    unit = _UNIT.match(text)
    return f"{unit[0]}, …)" if unit is not None else f"{call.function.name}(…)" if call.function.name != "%" else "…"


def _is_are(which: str) -> str:
    return "are" if " and " in which else "is"


def _warning(write: Write, message: str, span: Span | None) -> Diagnostic:
    return Diagnostic("W0102", message, span, f"{_hint(write)}; {CHECK}")


def _hint(write: Write) -> str:
    if write.action is Action.KEEP_NEWEST:
        return "the newest of such rows stays, and the others are counted"
    if write.collisions == "allow":
        return f"such rows are counted, and of one key {ALLOWED[write.action]} (collisions = allow)"
    return HINTS[write.collisions]
