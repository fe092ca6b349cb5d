"""Functions of whole texts.

In and out: STRING values; characters are Unicode code points, never bytes or UTF-16 units.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from typing import Literal

from ddbetl.errors import RowError
from ddbetl.functions.forms import text_of_number
from ddbetl.functions.model import (
    NUMBER,
    STRING,
    ArgumentError,
    Binding,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Parameter,
    Signature,
    sql_text,
)
from ddbetl.numbers import number_text
from ddbetl.types import Type

_HINT = "to_string(…) makes a text of it"


def _length(text: str) -> Decimal:
    return Decimal(len(text))


def _lower_length(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"length({arguments[0].value})", Form.INTEGER)


LENGTH = Function(
    "length",
    "text",
    "The number of characters (Unicode code points) of a text. A letter with a combining accent is two characters, an "
    "emoji made of several code points is several.",
    (
        Signature(
            (Parameter("text", STRING, hint="size(…) is the length of anything else"),),
            Type.NUMBER,
            Implementation(_length, _lower_length),
            nullable=False,
        ),
    ),
    (
        Example("length('Größe')", "5"),
        Example("length('')", "0"),
        Example("length(OrderID)", "NULL"),
        Example("length(OrderID)", "error: OrderID: expected STRING, found NUMBER", '{"OrderID": {"N": "17"}}'),
    ),
)


def _byte_length(text: str) -> Decimal:
    return Decimal(len(utf8(text)))


def utf8(text: str) -> bytes:
    """The bytes of a text; a RowError for one with half a surrogate pair, which has none."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError("R0110", f"character {error.start + 1} is half of a surrogate pair, which is no text") from None


def _lower_byte_length(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"strlen({arguments[0].value})", Form.INTEGER)


BYTE_LENGTH = Function(
    "byte_length",
    "text",
    "The number of bytes of a text in UTF-8, by which DynamoDB counts an item's size and limits its keys: 1 to 4 for a "
    "character.",
    (
        Signature(
            (Parameter("text", STRING, hint="size(…) is the length of anything else"),),
            Type.NUMBER,
            Implementation(_byte_length, _lower_byte_length),
            nullable=False,
        ),
    ),
    (Example("byte_length('Größe')", "7"), Example("byte_length('')", "0"), Example("byte_length('👍')", "4")),
)


def is_ascii(text: str) -> str:
    """SQL for whether an SQL text is ASCII."""
    return f"(strlen({text}) = length({text}))"


def _is_within(text: str, characters: str) -> str:
    """SQL for whether an SQL text has no characters but these, which have all of ASCII among them."""
    return f"CASE WHEN {is_ascii(text)} THEN TRUE ELSE regexp_full_match({text}, '[{characters}]*') END"


# DuckDB maps letter by letter; for these that is all there is to it. Unicode's special cases need the reference.
_MAPPED_SINGLY = {"lower": r"\x{0}-\x{12F}", "upper": r"\x{0}-\x{DE}\x{E0}-\x{148}"}


def _case(function: str) -> Implementation:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text = arguments[0].value
        return Fast(f"{function}({text})", Form.TEXT, _is_within(text, _MAPPED_SINGLY[function]))

    return Implementation(str.lower if function == "lower" else str.upper, lower)


LOWER = Function(
    "lower",
    "text",
    "The text in lower case, by Unicode's full case mapping and the same on every machine: no locale has a say.",
    (Signature((Parameter("text", STRING),), Type.STRING, _case("lower"), nullable=False),),
    (Example("lower('Straße 7')", "'straße 7'"), Example("lower('ΟΔΟΣ')", "'οδος'")),
)

UPPER = Function(
    "upper",
    "text",
    "The text in upper case, by Unicode's full case mapping and the same on every machine: no locale has a say. The "
    "result can be longer than the text.",
    (Signature((Parameter("text", STRING),), Type.STRING, _case("upper"), nullable=False),),
    (Example("upper('abc')", "'ABC'"), Example("upper('Straße')", "'STRASSE'")),
)


def _trimming(name: str, doc: str, reference: Callable[..., str], examples: tuple[Example, ...]) -> Function:
    """``trim``, ``ltrim`` or ``rtrim``; DuckDB has all three under these names."""

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text, *rest = arguments
        return Fast(f"{name}({text.value}, {rest[0].value if rest else _SPACE})", Form.TEXT)

    return Function(
        name,
        "text",
        f"The text without the spaces {doc}, or without any of the given `characters` there. As in SQL only the space "
        "itself goes by default: tabs, line breaks and other blanks stay unless they are given.",
        (
            Signature(
                (Parameter("text", STRING), Parameter("characters", STRING, optional=True)),
                Type.STRING,
                Implementation(reference, lower),
                nullable=False,
            ),
        ),
        examples,
    )


_SPACE = "' '"


def _trim(text: str, characters: str = " ") -> str:
    return text.strip(characters)


def _ltrim(text: str, characters: str = " ") -> str:
    return text.lstrip(characters)


def _rtrim(text: str, characters: str = " ") -> str:
    return text.rstrip(characters)


TRIM = _trimming(
    "trim",
    "at both ends",
    _trim,
    (
        Example("trim('  a b ')", "'a b'"),
        Example("trim('--x-y-', '-')", "'x-y'"),
        Example("trim('   ')", "''"),
    ),
)

LTRIM = _trimming(
    "ltrim", "at its start", _ltrim, (Example("ltrim('  a ')", "'a '"), Example("ltrim('00170', '0')", "'170'"))
)

RTRIM = _trimming(
    "rtrim", "at its end", _rtrim, (Example("rtrim(' a  ')", "' a'"), Example("rtrim('a-b--', '-')", "'a-b'"))
)


def _reverse(text: str) -> str:
    return text[::-1]


def _lower_reverse(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    # DuckDB keeps together what is seen as one character.
    text = arguments[0].value
    return Fast(f"reverse({text})", Form.TEXT, is_ascii(text))


REVERSE = Function(
    "reverse",
    "text",
    "The characters of a text from the last to the first. Characters are code points, so an accent of its own goes to "
    "the letter on its other side; `normalize` puts the two together first.",
    (Signature((Parameter("text", STRING),), Type.STRING, Implementation(_reverse, _lower_reverse), nullable=False),),
    (Example("reverse('abc')", "'cba'"), Example("reverse('日本')", "'本日'")),
)

_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
# The characters below the first accent of its own: no two of them become one, and none becomes another by NFC.
_BELOW_ACCENTS = r"\x{0}-\x{2FF}"


def _bind_normalize(binding: Binding) -> Implementation:
    given = binding.constants.get("form", "NFC")
    assert isinstance(given, str)
    form = next((form for form in _FORMS if form == given.upper()), None)
    if form is None:
        raise ArgumentError("form", f"normalize: there is no form {given!r}", f"it is one of {', '.join(_FORMS)}")

    def reference(text: str) -> str:
        return unicodedata.normalize(form, text)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text = arguments[0].value
        if form == "NFC":
            return Fast(text, Form.TEXT, _is_within(text, _BELOW_ACCENTS))
        return Fast(text, Form.TEXT, is_ascii(text))

    return Implementation(reference, lower)


NORMALIZE = Function(
    "normalize",
    "text",
    "The text in a normal form of Unicode: `NFC` by default, or `NFD`, `NFKC`, `NFKD`. Texts that look the same, one "
    "with `é` as a single character and one with `e` and an accent, are equal in one form only. The NFK forms also "
    "make plain letters of variants: `ﬁ` becomes `fi`.",
    (
        Signature(
            (Parameter("text", STRING), Parameter("form", STRING, optional=True, constant=True)),
            Type.STRING,
            _bind_normalize,
            nullable=False,
        ),
    ),
    (
        Example("length(normalize(Name))", "4", '{"Name": {"S": "Zoe\u0308s"}}'),
        Example("length(normalize('é', 'NFD'))", "2"),
        Example("normalize('ﬁn ①', 'NFKC')", "'fin 1'"),
    ),
)


# Putting texts together


def concat(*texts: str) -> str:
    return "".join(texts)


def lower_concat(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast("(" + " || ".join(a.value for a in arguments) + ")", Form.TEXT)


CONCAT = Function(
    "concat",
    "text",
    "The texts one after the other, as `||` does it. A NULL among them makes the result NULL, so that no half of a key "
    "is ever written; `coalesce(x, '')` says otherwise. Nothing is made a text by itself: `to_string(n)` does it.",
    (
        Signature(
            (Parameter("text", STRING, variadic=True, hint="to_string(…) makes a text of it"),),
            Type.STRING,
            Implementation(concat, lower_concat),
            nullable=False,
        ),
    ),
    (
        Example("concat('ORDER#', OrderID)", "'ORDER#17'", '{"OrderID": {"S": "17"}}'),
        Example("concat('ORDER#', OrderID)", "NULL"),
    ),
)


def _bind_format(binding: Binding) -> Implementation:
    template = binding.constants["template"]
    assert isinstance(template, str)
    pieces = read_template(template, binding.count - 1)

    def reference(*values: str | Decimal) -> str:
        texts = [value if isinstance(value, str) else number_text(value) for value in values]
        return "".join(piece if isinstance(piece, str) else texts[piece] for piece in pieces)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        parts = [sql_text(piece) if isinstance(piece, str) else _text_of(arguments[piece]) for piece in pieces]
        known = [part for part in parts if part is not None]
        return Fast("(" + " || ".join(known) + ")", Form.TEXT) if len(known) == len(parts) else None

    return Implementation(reference, lower)


def _text_of(value: Fast) -> str | None:
    return value.value if value.form is Form.TEXT else text_of_number(value)


_PLACE = re.compile(r"\{\{|\}\}|\{([0-9]*)\}|[{}]")


def read_template(template: str, count: int) -> tuple[str | int, ...]:
    """The pieces of a template for so many values: texts, and which value stands between them. Raises ArgumentError."""
    pieces: list[str | int] = []
    numbered = set()
    position = 0
    for found in _PLACE.finditer(template):
        pieces.append(template[position : found.start()])
        position = found.end()
        mark = found[0]
        if mark in ("{{", "}}"):
            pieces.append(mark[0])
            continue
        if mark in ("{", "}"):
            hint = "{} is the next value, {0} the first one; {{ and }} stand for themselves"
            raise ArgumentError("template", f"format: there is a single {mark!r} here", hint, found.start())
        numbered.add(bool(found[1]))
        if len(numbered) > 1:
            message = "format: {} and {0} do not go together"
            raise ArgumentError("template", message, at=found.start(), length=len(mark))
        place = int(found[1]) if found[1] else sum(isinstance(piece, int) for piece in pieces)
        if place >= count:
            message = f"format: there is no value for {mark}, only {count}"
            raise ArgumentError("template", message, at=found.start(), length=len(mark))
        pieces.append(place)
    pieces.append(template[position:])
    unused = set(range(count)) - {piece for piece in pieces if isinstance(piece, int)}
    if unused:
        raise ArgumentError("value", "format: this value has no place in the template", index=min(unused))
    return tuple(piece for piece in pieces if piece != "")


FORMAT = Function(
    "format",
    "text",
    "The template with each `{}` replaced by the next value, or each `{0}`, `{1}`, … by the value of that number; `{{` "
    "and `}}` are braces. Values are texts, or numbers in their shortest form; nothing else can stand in the braces: "
    "`lpad(to_string(n), 6, '0')` and `format_time` shape a value. A NULL among the values makes the result NULL.",
    (
        Signature(
            (
                Parameter("template", STRING, constant=True),
                Parameter("value", STRING | NUMBER, variadic=True, hint=_HINT),
            ),
            Type.STRING,
            _bind_format,
            nullable=False,
        ),
    ),
    (
        Example("format('ORDER#{}#{}', OrderID, Line)", "'ORDER#17#2'", '{"OrderID": {"S": "17"}, "Line": {"N": "2"}}'),
        Example("format('{1}/{0}/{1}', 'a', 'b')", "'b/a/b'"),
        Example("format('{{{}}}', 1.50)", "'{1.5}'"),
        Example("format('ORDER#{}', OrderID)", "NULL"),
    ),
)

TEXT: tuple[Function, ...] = (
    BYTE_LENGTH,
    CONCAT,
    FORMAT,
    LENGTH,
    LOWER,
    LTRIM,
    NORMALIZE,
    REVERSE,
    RTRIM,
    TRIM,
    UPPER,
)
