"""Functions of text.

In and out: STRING values; characters are Unicode code points, never bytes or UTF-16 units.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.errors import RowError
from ddbetl.functions.forms import conjunction, to_integer
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
)
from ddbetl.numbers import number_text
from ddbetl.types import Type, Value

# No item holds a text of so many characters; DuckDB's substring takes positions up to twice this.
_FAR = 2**31 - 1


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


def _ascii_case(function: str) -> Implementation:
    """Case mapping: beyond ASCII, DuckDB maps letter by letter, and Unicode's special cases need the reference."""

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text = arguments[0].value
        return Fast(f"{function}({text})", Form.TEXT, f"(strlen({text}) = length({text}))")

    return Implementation(str.lower if function == "lower" else str.upper, lower)


LOWER = Function(
    "lower",
    "text",
    "The text in lower case, by Unicode's full case mapping and the same on every machine: no locale has a say.",
    (Signature((Parameter("text", STRING),), Type.STRING, _ascii_case("lower"), nullable=False),),
    (Example("lower('Straße 7')", "'straße 7'"), Example("lower('ΟΔΟΣ')", "'οδος'")),
)

UPPER = Function(
    "upper",
    "text",
    "The text in upper case, by Unicode's full case mapping and the same on every machine: no locale has a say. The "
    "result can be longer than the text.",
    (Signature((Parameter("text", STRING),), Type.STRING, _ascii_case("upper"), nullable=False),),
    (Example("upper('abc')", "'ABC'"), Example("upper('Straße')", "'STRASSE'")),
)


def _trim(text: str, characters: str = " ") -> str:
    return text.strip(characters)


def _lower_trim(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text, *rest = arguments
    return Fast(f"trim({text.value}, {rest[0].value if rest else _SPACE})", Form.TEXT)


_SPACE = "' '"

TRIM = Function(
    "trim",
    "text",
    "The text without the spaces at both ends, or without any of the given `characters` there. As in SQL only the "
    "space itself goes by default: tabs, line breaks and other blanks stay unless they are given.",
    (
        Signature(
            (Parameter("text", STRING), Parameter("characters", STRING, optional=True)),
            Type.STRING,
            Implementation(_trim, _lower_trim),
            nullable=False,
        ),
    ),
    (
        Example("trim('  a b ')", "'a b'"),
        Example("trim('--x-y-', '-')", "'x-y'"),
        Example("trim('   ')", "''"),
    ),
)


def _whole(number: Decimal, what: str) -> int:
    if number != number.to_integral_value():
        raise RowError("R0110", f"{what} must be a whole number, not {number_text(number)}")
    return int(number)


def _substr(text: str, start: Decimal, length: Decimal | None = None) -> str:
    first = _whole(start, "start")
    if length is None:
        return text[max(first, 1) - 1 :]
    count = _whole(length, "length")
    if count < 0:
        raise RowError("R0110", f"length must not be negative, but is {count}")
    return text[max(first, 1) - 1 : max(first + count, 1) - 1]


def _bind_substr(binding: Binding) -> Implementation:
    for name in ("start", "length"):
        number = binding.constants.get(name)
        if isinstance(number, Decimal):
            if number != number.to_integral_value():
                raise ArgumentError(name, f"substr: {name} must be a whole number")
            if name == "length" and number < 0:
                raise ArgumentError(name, "substr: length must not be negative")
    start, length = (_position(binding.constants.get(name)) for name in ("start", "length"))

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        text, *numbers = arguments
        if start is not None and (length is not None or len(numbers) == 1):
            return Fast(_known_part(text.value, start, length), Form.TEXT)
        positions = [to_integer(lowering, number) for number in numbers]
        if None in positions:
            return None
        first, *count = [lowering.bind(p.value) for p in positions if p is not None]
        inside = f"{first} BETWEEN {-_FAR} AND {_FAR}"
        part = f"substring({text.value}, greatest({first}, 1))"
        if count:
            inside += f" AND {count[0]} BETWEEN 0 AND {_FAR}"
            part = (
                f"substring({text.value}, greatest({first}, 1), "
                f"greatest({first} + {count[0]} - greatest({first}, 1), 0))"
            )
        # A position that was no whole number is NULL here.
        guards = [p.guard for p in positions if p is not None]
        return Fast(
            f"CASE WHEN {inside} THEN {part} END",
            Form.TEXT,
            conjunction([*guards, f"coalesce({inside}, FALSE)"]),
        )

    return Implementation(_substr, lower)


def _position(value: Value | tuple[Value, ...]) -> int | None:
    """A constant position, as far as it matters: no text is so long."""
    return max(-_FAR, min(int(value), _FAR)) if isinstance(value, Decimal) and abs(value) < 2**63 else None


def _known_part(text: str, start: int, length: int | None) -> str:
    first = max(start, 1)
    if length is None:
        return f"substring({text}, {first})"
    return f"substring({text}, {first}, {max(start + length - first, 0)})"


SUBSTR = Function(
    "substr",
    "text",
    "The part of a text that begins at the character `start`, counted from 1, and goes on for `length` characters, "
    "or to the end. As in standard SQL, positions before the first character count but hold nothing: `substr(x, 0, "
    "3)` is the first two characters. A part beyond the end is empty. A negative `length` and fractions are errors.",
    (
        Signature(
            (Parameter("text", STRING), Parameter("start", NUMBER), Parameter("length", NUMBER, optional=True)),
            Type.STRING,
            _bind_substr,
            nullable=False,
        ),
    ),
    (
        Example("substr('201605', 1, 4)", "'2016'"),
        Example("substr('201605', 5)", "'05'"),
        Example("substr('abc', 0, 3)", "'ab'"),
        Example("substr('abc', 7)", "''"),
        Example(
            "substr('abc', 1, n)",
            "error: substr('abc', 1, n): length must not be negative, but is -1",
            '{"n": {"N": "-1"}}',
        ),
    ),
)


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

TEXT: tuple[Function, ...] = (LENGTH, LOWER, UPPER, TRIM, SUBSTR, CONCAT)
