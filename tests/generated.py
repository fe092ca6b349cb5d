"""Generated items and expressions: right and wrong types, NULL, missing, extremes.

In: a ``random.Random`` and a function or operator. Out: items in DynamoDB JSON, and typed calls over them. Rows come
from a seeded generator rather than from Hypothesis's own strategies: a table of 40 items takes a millisecond that
way.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from vectorised import SETTINGS, Item

from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.resolve import ResolveError, resolve, spread
from ddbetl.functions.model import Function, Parameter, Signature
from ddbetl.functions.registry import function, operator
from ddbetl.time.calendar import ADD_UNITS, PARTS, TRUNC_UNITS
from ddbetl.types import TAG_OF, Duration, Timestamp, Type, Value

TEXTS = (
    *(
        "",
        " ",
        "a",
        "A",
        "abc",
        "ABC",
        "Hello, world",
        "Größe",
        "STRASSE",
        "straße",
        "ΟΔΟΣ",
        "İstanbul",
        "ǅ",
        "ﬁn",
        "ŉ",
    ),
    *(
        "e\u0301",
        "\u0301",
        "👨‍👩‍👧",
        "日本語",
        "\x00",
        "a\x00b",
        "line\nbreak",
        "\r\n",
        "\t tab ",
        "\u00a0nbsp\u00a0",
        "  both  ",
    ),
    *(
        "%",
        "_",
        "50%",
        "a_b",
        "a%b",
        "\\",
        "a\\",
        "!",
        "a!",
        "'",
        '"',
        '{"S":"x"}',
        "\ufeff",
        "\uffff",
        "\U0010ffff",
        "K",
    ),
    *("true", "TRUE", "False", "tRUE", "falſe", "yes", "0", "1"),
    *(
        "7",
        "-7",
        "+7",
        "1.50",
        "-0",
        "007",
        ".5",
        "5.",
        "1e3",
        "1E+40",
        "1E-130",
        "1e400",
        "1e-400",
        " 1",
        "1_0",
        "٣",
        "x1",
    ),
    *(
        "0.1234567891",
        "99999999999999999999999999999",
        "100000000000000000000000000000",
        "9" * 38,
        "9" * 39,
        "Infinity",
        "NaN",
    ),
    *("2016", "2016-02", "2016-02-29", "2017-02-29", "2015-01-02T10:28:27.876-05:00", "2015-01-02T10:28:27Z"),
    *("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.9Z", "0001-01-01T00:00:00Z", "0000-01-01T00:00:00.0005+01:00"),
    *("9999-12-31T23:59:59.999-23:59", "2017-04-26T", "T12:30Z", "2017-04-26T24:00", "2017-03-12T02:30:00", "20170426"),
    *("2017-04-26 10:15:30", "26/04/2017", "26.4.2017", "4/26/17", "-0001-01-01T00:00:00Z", "2017-04-26T10:15:30,5Z"),
)
NUMBERS = (
    *(
        "0",
        "1",
        "-1",
        "2",
        "3",
        "7",
        "10",
        "100",
        "1000",
        "60",
        "3600",
        "0.5",
        "-0.5",
        "1.5",
        "2.5",
        "-2.5",
        "0.1",
        "12.345",
    ),
    *("19.99", "-19.99", "1.005", "1e2", "1.50", "-0", "0.000000001", "0.0000000001", "123456789.123456789", "1E+38"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "4294967296", "-4294967297", "2147483648"),
    *("99999999999999999999999999999", "99999999999999999999999999999.5", "-99999999999999999999999999999.999999999"),
    *(
        "100000000000000000000000000000",
        "12345678901234567890123456789012345678",
        "0.12345678901234567890123456789012345678",
    ),
    *(
        "9.9999999999999999999999999999999999999E+125",
        "-9.9999999999999999999999999999999999999E+125",
        "1E-130",
        "-1E-130",
    ),
    *("1493201730", "1493201730876", "1493201730.876", "-1", "-0.001", "253402300800", "9223372036854775.807", "1e16"),
)
BINARIES = (b"", b"\x00", b"a", b"abc", b"\xff\xfe", "Größe".encode(), b"\xed\xa0\x80", b"\xc3", bytes(range(40)))
MILLIS = (0, 1, -1, 999, 1000, -1000, 1500, 86_400_000, 31_536_000_000, 1493201730876, 2**63 - 1, -(2**63), 2**62)
PATTERNS = (
    "yyyy-MM-dd",
    "dd/MM/yyyy",
    "d.M.yyyy",
    "yyyy-MM-dd HH:mm:ss",
    "yyyy-MM-dd'T'HH:mm:ss.SSSZZ",
    "M/d/yy",
    "yyyyMMdd",
)
# What may stand beside a pattern.
FORMATS = ("iso", "epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "yyyyMMddHHmmss", "yyyy-MM-dd'T'HH:mm", "d MMM yyyy G")
CALENDAR_UNITS = (*TRUNC_UNITS, *PARTS, *ADD_UNITS, "days", "fortnight")
REGEXES = (
    *("", "a", "^a", "b$", "[a-z]+", r"\d+", r"\W", "(?P<a>b)?", "(?P<a>[a-zé]+)", "(?P<a>.)(.)", "(?P<a>x*)", "."),
    *(r"(?P<a>\w+)\s", "(?s).", "(?m)^(?P<a>.)", r"\b", r"^(?P<a>\d*)\.?", "(?P<a>é|日)", "[^a-z]", r"\\", "'", "(?U)a+"),
    *("(?i)strasse", "(?i)(?P<a>ǆ|k)", r"(?P<a>\pL)", r"\p{Lu}+", r"\P{L}", r"\p{Greek}", "(?<a>a)", "%", "a|ab", "(?P<a>a)|b"),
)  # fmt: skip
ZONES = ("UTC", "+05:30", "America/Los_Angeles", "America/Sao_Paulo", "Europe/Berlin")

# The attributes of the items, each with the type that most items have there; x has any.
ATTRIBUTES = {
    "s": "S", "s2": "S", "t": "S", "n": "N", "n2": "N", "b": "BOOL", "b2": "BOOL", "y": "B", "y2": "B",
    "l": "L", "m": "M", "ss": "SS", "ns": "NS", "bs": "BS", "x": None, "x2": None, "N": "N",
}  # fmt: skip


def number_text(draw: random.Random) -> str:
    """The text of a number as an item may hold it."""
    match draw.randrange(6):
        case 0 | 1:
            return draw.choice(NUMBERS)
        case 2:
            return str(draw.randrange(-1000, 1000))
        case 3:
            return f"{draw.randrange(-100000, 100000)}.{draw.randrange(100):02}"
        case 4:
            digits = "".join(draw.choice("0123456789") for _ in range(draw.randrange(1, 38)))
            return f"{draw.choice(('', '-'))}{draw.choice('123456789')}{digits}"
        case _:
            return f"{draw.choice(('', '-'))}{draw.randrange(1, 10**12)}E{draw.randrange(-130, 110):+d}"


def text(draw: random.Random, more: Sequence[str] = ()) -> str:
    """A text, of those that tend to be trouble."""
    match draw.randrange(4):
        case 0 | 1:
            return draw.choice([*TEXTS, *more])
        case 2:
            return "".join(draw.choice("abXY %_!\\é日\n") for _ in range(draw.randrange(6)))
        case _:
            return number_text(draw)


def attribute(draw: random.Random, tag: str, more: Sequence[str] = (), depth: int = 0) -> dict[str, Any]:
    """An attribute value in DynamoDB JSON."""
    match tag:
        case "S":
            return {"S": text(draw, more)}
        case "N":
            return {"N": number_text(draw)}
        case "BOOL":
            return {"BOOL": draw.random() < 0.5}
        case "B":
            return {"B": base64.b64encode(draw.choice(BINARIES)).decode()}
        case "L":
            return {"L": [any_attribute(draw, more, depth + 1) for _ in range(draw.randrange(3))]}
        case "M":
            names = draw.sample(("k", "K", "a.b", "", "0", "~1/"), draw.randrange(4))
            return {"M": {name: any_attribute(draw, more, depth + 1) for name in names}}
        case "SS":
            return {"SS": sorted({text(draw, more) for _ in range(draw.randrange(1, 4))})}
        case "NS":
            return {"NS": draw.sample(("1", "2", "1.5", "-7"), draw.randrange(1, 4))}
        case "BS":
            return {"BS": [base64.b64encode(b).decode() for b in draw.sample(BINARIES, draw.randrange(1, 3))]}
        case _:
            return {"NULL": True}


def any_attribute(draw: random.Random, more: Sequence[str] = (), depth: int = 0) -> dict[str, Any]:
    """An attribute value of any type; documents are nested three deep at most."""
    tags = ("S", "S", "N", "N", "BOOL", "B", "SS", "NS", "BS", "NULL", "L", "M")
    return attribute(draw, draw.choice(tags[:-2] if depth > 2 else tags), more, depth)


def item(draw: random.Random, more: Sequence[str] = ()) -> Item:
    """An item: each attribute mostly of its usual type, else missing, NULL, or of any type."""
    found: Item = {}
    for name, tag in ATTRIBUTES.items():
        luck = draw.random()
        if luck < 0.08:
            continue
        if luck < 0.12:
            found[name] = {"NULL": True}
        elif luck < 0.2 or tag is None:
            found[name] = any_attribute(draw, more)
        else:
            found[name] = attribute(draw, tag, more)
    return found


def items(draw: random.Random, count: int, more: Sequence[str] = ()) -> list[Item]:
    return [item(draw, more) for _ in range(count)]


def constant(draw: random.Random, type_: Type) -> Constant:
    """A constant of a type that the text of a spec can make."""
    makers: dict[Type, Callable[[], Value]] = {
        Type.STRING: lambda: text(draw),
        Type.NUMBER: lambda: (
            Decimal(draw.choice(NUMBERS)) + 0 if draw.random() < 0.5 else Decimal(draw.randrange(-9, 100))
        ),
        Type.BOOLEAN: lambda: draw.random() < 0.5,
        Type.BINARY: lambda: draw.choice(BINARIES),
        Type.TIMESTAMP: lambda: Timestamp(draw.choice(MILLIS)),
        Type.DURATION: lambda: Duration(draw.choice(MILLIS)),
    }
    return Constant(makers[type_](), type_)


def call(called: Function, *arguments: Expression) -> Call:
    """A call whose text tells its constant arguments."""
    shown = ", ".join(str(a) if isinstance(a, Attribute) else repr(getattr(a, "value", None)) for a in arguments)
    return resolve(called, arguments, SETTINGS, f"{called.name}({shown})")


def named(name: str) -> Function:
    """A function or an operator by its name."""
    return function(name) or operator(name)


def expression(draw: random.Random, types: frozenset[Type], depth: int = 0) -> Expression:
    """An expression that can have one of the types: an attribute, a path, a constant, or a call of known type."""
    type_ = draw.choice([t for t in Type if t in types])
    luck = draw.random()
    if luck < 0.05:
        return Constant(None, Type.NULL)
    if luck < 0.12:
        return Attribute(draw.choice(("x", "x2", "nowhere", "s", "n")))
    if luck < 0.2 and type_ in TAG_OF:
        return draw.choice(
            (Attribute("m", ("k",)), Attribute("l", (0,)), Attribute("m", ("a.b",)), Attribute("m", ("0",)))
        )
    if luck < 0.25 and type_ in TAG_OF:
        return call(named("coalesce"), Attribute("x"), Attribute("m", ("K",)))
    stored = [name for name, tag in ATTRIBUTES.items() if tag == TAG_OF.get(type_)]
    if luck < 0.6 and stored and type_ in TAG_OF:
        return Attribute(draw.choice(stored))
    if luck < 0.8 and type_ in (
        Type.STRING, Type.NUMBER, Type.BOOLEAN, Type.BINARY, Type.TIMESTAMP, Type.DURATION,
    ):  # fmt: skip
        return constant(draw, type_)
    if depth < 2:
        nested = typed_call(draw, type_, depth)
        if nested is not None:
            return nested
    return Attribute(draw.choice(stored)) if stored and type_ in TAG_OF else constant(draw, type_)


def typed_call(draw: random.Random, type_: Type, depth: int) -> Expression | None:
    """A call of a known type over generated arguments; None where nothing comes of it."""
    makers = {
        Type.STRING: (
            "CAST AS STRING",
            "upper",
            "||",
            "substr",
            "coalesce",
            "if",
            "CASE",
            "source_table",
            "format_time",
        ),
        Type.NUMBER: ("CAST AS NUMBER", "+", "-", "*", "floor", "length", "epoch", "size", "try", "nullif", "negate"),
        Type.BOOLEAN: ("CAST AS BOOLEAN", "=", "<", "AND", "OR", "NOT", "IS NULL", "IN", "LIKE"),
        Type.BINARY: ("CAST AS BINARY", "coalesce"),
        Type.TIMESTAMP: ("parse_time", "CAST AS TIMESTAMP", "now", "+"),
        Type.DURATION: ("CAST AS DURATION", "-", "*", "negate"),
    }
    names = makers.get(type_, (f"CAST AS {type_}",))
    found = generated_call(draw, named(draw.choice(names)), depth + 1)
    return found if found is not None and found.type is type_ else None


def generated_call(draw: random.Random, called: Function, depth: int = 0) -> Call | None:
    """A call of a function over generated arguments; None where they do not resolve."""
    signature = draw.choice(called.signatures)
    arguments = [argument(draw, parameter, depth) for parameter in parameters(draw, signature)]
    if called.name == "{…}":
        # As many keys as values.
        names = draw.sample(("a", "é", 'q"', "", "c0", "'", "a.b", "\\"), len(arguments) - 1)
        arguments[0] = Constant(tuple(names), Type.LIST)
    if any(p.same for p in signature.parameters):
        # Half of the time all have one type, or hardly any such call would resolve.
        one = frozenset({draw.choice([t for t in Type if t in signature.parameters[-1].types])})
        arguments = [
            expression(draw, one, depth) if p.same and draw.random() < 0.9 else a
            for p, a in zip(spread(signature, len(arguments)), arguments, strict=True)
        ]
    try:
        return call(called, *arguments)
    except ResolveError:
        return None


def parameters(draw: random.Random, signature: Signature) -> list[Parameter]:
    """The parameters of one way to call a signature: with more or fewer of what is optional or repeated."""
    required = sum(not p.optional for p in signature.parameters)
    last = signature.parameters[-1:] and signature.parameters[-1]
    most = len(signature.parameters) + (3 if signature.repeats or (last and last.variadic) else 0)
    return spread(signature, draw.randrange(required, most + 1))


def argument(draw: random.Random, parameter: Parameter, depth: int) -> Expression:
    if not parameter.constant:
        return expression(draw, parameter.types, depth)
    choices = {
        "pattern": (*PATTERNS, *FORMATS, *ZONES) if parameter.variadic else PATTERNS,
        "zone": ZONES,
        "escape": ("!", "\\", "%", "a"),
        "unit": CALENDAR_UNITS,
        "regex": REGEXES,
        "group": ("a",),
        "replacement": ("", "x", r"<\0>", r"\\"),
        "form": ("NFC", "NFD", "NFKC", "NFKD"),
        "template": ("{}", "{}-{}", "{1}{0}", "{0}{{}}{0}", "'{}#{}#{}'", "日{}"),
        "namespace": ("dns", "url", "2ed6657d-e927-568b-95e1-2665a8aea6a2"),
        "n": (Decimal(1), Decimal(2), Decimal(1000)),
        "keys": ((),),
    }[parameter.name]
    return Constant(draw.choice(choices), next(t for t in Type if t in parameter.types))
