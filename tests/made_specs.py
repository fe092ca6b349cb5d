"""Specs by the thousand: real ones with pieces changed, and made-up ones that mostly come through the parser.

In: a random generator, and specs that are right. Out: texts. Invariant: a seed always makes the same texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from ddbetl.functions.model import Function, Signature
from ddbetl.functions.registry import FUNCTIONS
from ddbetl.types import Type

_TOKEN = re.compile(r"\s+|\w+|'[^']*'|\"[^\"]*\"|.", re.S)
PIECES = (
    *["", " ", "'", '"', "(", ")", ",", ";", "--", "/*", "*", "\0", "\n", "=", "<>", "||", "${", "}", "{1..3}", "?"],
    *["SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "NULL", "CASE", "WHEN", "END", "AS", "IN", "BETWEEN", "WITH"],
    *["ON CONFLICT REPLACE", "KEEP NEWEST BY a", "INSERT INTO Archive", "LIMIT 5", "EXCLUDE", "REPLACE", "RENAME"],
    *["1e126", "0", "-1", "5 days", "50%", "10 rcu", "'yyyy'", "TIMESTAMP '2017-04-26'", "ttl_attribute", "ä", "日本"],
    *["\N{GRINNING FACE}", "e\u0301", "\ud800", "\r", "\t", "\u2028", "\ufeff"],
)
ATTRIBUTES = ("OrderID", "CustomerID", "DateTime", "Total", "Day", "Address.City", "Lines[0].Price", '"any name"')
CONSTANTS = {
    Type.STRING: ("''", "'a'", "'2016-05-03T10:28:27Z'", "'it''s'", "'201605'", "'日本'", "source_table()"),
    Type.NUMBER: ("0", "1", "-2.5", "1e125", "86400", "1496318400000"),
    Type.BOOLEAN: ("TRUE", "FALSE"),
    Type.TIMESTAMP: ("now()", "TIMESTAMP '2017-04-26'"),
    Type.DURATION: ("3 days", "ttl", "0.5 seconds"),
    Type.LIST: ("[1, 'a', OrderID]", "[]", "Lines"),
    Type.STRING_SET: ("string_set('a', OrderID)", "Tags"),
    Type.NUMBER_SET: ("number_set(1, 2)", "Tags"),
    Type.BINARY: ("to_binary('a')", "Signature"),
    Type.MAP: ("{'a': 1, 'b': Total}", "source_key()"),
}
STORED = (Type.STRING, Type.NUMBER, Type.BOOLEAN, Type.LIST, Type.MAP, Type.BINARY, Type.STRING_SET)
LEAVES = (*ATTRIBUTES, *(text for texts in CONSTANTS.values() for text in texts), "p", "NULL", "capture(1)")
# What constant arguments may be, by the names of their parameters.
FIXED = {
    "unit": "'day'",
    "template": "'{} {}'",
    "regex": "'(a+)b'",
    "group": "1",
    "pattern": "'yyyy-MM-dd'",
    "zone": "'Europe/Berlin'",
    "n": "3",
    "form": "'NFC'",
    "namespace": "'6ba7b810-9dad-11d1-80b4-00c04fd430c8'",
}
# The functions that give a type.
CALLS: dict[Type, list[tuple[Function, Signature]]] = {}
for _function in FUNCTIONS:
    if re.fullmatch(r"\w+", _function.name):
        for _signature in _function.signatures:
            for _type in STORED if _signature.result is None else (_signature.result,):
                CALLS.setdefault(_type, []).append((_function, _signature))
SOURCES = (
    "Orders",
    "Orders, Archive",
    "Tracker_*",
    "Tracker_{201605..201606}",
    "Promo",
    "Promo (region = 'us-east-1')",
)
# Targets, and the columns of their keys.
TARGETS = {
    "": "*",
    "INSERT INTO Archive ": "OrderID",
    "INSERT INTO Promo ": "CustomerID, Total AS CreationDateTime",
    "INSERT OVERWRITE Archive ": "to_string(Total) AS OrderID",
    "INSERT INTO Newer KEY (OrderID) ": "'x' || CustomerID AS OrderID",
    "MERGE INTO Archive ": "source_table() AS OrderID",
    "MERGE INTO Promo ON MISSING SKIP ": "CustomerID, epoch(now()) AS CreationDateTime",
    "DELETE FROM Archive USING ": "OrderID",
}
ENDS = (
    *["", "", " ON CONFLICT REPLACE", " ON CONFLICT SKIP", " ON CONFLICT KEEP NEWEST BY Total", " ON ERROR SKIP"],
    *[" LIMIT 10", " WITH (read = 50%, write = 100 wcu)", " WITH (ttl_attribute = Total, skip_expired = true)"],
    *[" WITH (timezone = 'Europe/Berlin', consistent_read = true)", " WITH (collisions = allow)"],
)


def mutated(random: Random, good: Sequence[str]) -> str:
    """A spec that is right, with one to four changes: by characters, by words, or by what another spec has there."""
    text = random.choice(good)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        match random.randrange(7):
            case 0 | 1 | 2:
                start = random.randint(0, len(text))
                end = min(len(text), start + random.randint(0, 12))
                piece = random.choice((*PIECES, text[start:end] * 2))
                text = text[:start] + piece + text[end:]
            case 3 | 4:
                tokens = _TOKEN.findall(text) or [""]
                tokens[random.randrange(len(tokens))] = random.choice(PIECES)
                text = "".join(tokens)
            case 5:
                tokens = _TOKEN.findall(text) or [""]
                one, two = random.randrange(len(tokens)), random.randrange(len(tokens))
                tokens[one], tokens[two] = tokens[two], tokens[one]
                text = "".join(tokens)
            case _:
                other = random.choice(good)
                text = text[: random.randint(0, len(text))] + other[random.randint(0, len(other)) :]
    return text


def generated(random: Random) -> str:
    """A spec of one to four columns."""
    target = random.choice(list(TARGETS))
    columns = [f"{_expression(random, 2)} AS c{number}" for number in range(random.randint(1, 3))]
    if target.startswith("DELETE"):
        columns = []
    columns.append(TARGETS[target] if random.random() < 0.9 else "*")
    where = f"\nWHERE {_condition(random, 2)}" if random.random() < 0.6 else ""
    end = random.choice(ENDS)
    declared = random.choice(["", "LET ttl = 5 days;\n", "LET p = 'x'; LET ttl = 365 days;\n"])
    return f"{declared}{target}SELECT {', '.join(columns)}\nFROM {random.choice(SOURCES)}{where}{end}"


def _expression(random: Random, depth: int) -> str:
    """An expression that mostly can be stored."""
    return _of_type(random, random.choice(STORED), depth)


def _of_type(random: Random, type_: Type, depth: int) -> str:
    """An expression that mostly has a type."""
    if random.random() < 0.02:
        return random.choice(LEAVES)
    if type_ is Type.BOOLEAN and depth and random.random() < 0.5:
        return _condition(random, depth)
    calls = CALLS.get(type_, ())
    if depth == 0 or not calls or random.random() < 0.3:
        attribute = type_ not in (Type.TIMESTAMP, Type.DURATION) and random.random() < 0.6
        return random.choice(ATTRIBUTES if attribute else CONSTANTS.get(type_, ATTRIBUTES))
    if random.random() < 0.15:
        one, two = _of_type(random, type_, depth - 1), _of_type(random, type_, depth - 1)
        whether = _condition(random, depth - 1)
        return random.choice(
            [f"CASE WHEN {whether} THEN {one} ELSE {two} END", f"coalesce({one}, {two})", f"try({one})"]
        )
    function, signature = random.choice(calls)
    arguments = []
    for parameter in signature.parameters:
        if parameter.optional and random.random() < 0.5:
            break
        if parameter.constant:
            arguments.append(FIXED.get(parameter.name) or random.choice(CONSTANTS[next(iter(parameter.types))]))
        else:
            wanted = sorted(parameter.types & set(CONSTANTS), key=str) or [Type.STRING]
            arguments.append(_of_type(random, random.choice(wanted), depth - 1))
    return f"{function.name}({', '.join(arguments)})"


def _condition(random: Random, depth: int) -> str:
    """A condition, mostly of things that go together."""
    type_ = random.choice([Type.STRING, Type.NUMBER])
    one, two, three = (_of_type(random, type_, max(0, depth - 1)) for _ in range(3))
    match random.randrange(8):
        case 0 | 1 | 2 if depth:
            sign = random.choice(["AND", "OR"])
            return f"({_condition(random, depth - 1)} {sign} {_condition(random, depth - 1)})"
        case 3:
            return f"{one} IN ({two}, {three})"
        case 4:
            return f"{one} BETWEEN {two} AND {three}"
        case 5:
            return f"{one} IS {random.choice(['', 'NOT '])}NULL"
        case 6:
            return f"NOT ({one} = {two})"
        case _:
            return f"{one} {random.choice(['=', '<>', '<', '<=', '>', '>='])} {two}"
