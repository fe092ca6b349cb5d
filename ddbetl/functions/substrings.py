"""Functions that take parts out of a text, or pad it.

In: STRING values, positions and lengths in characters (Unicode code points). Out: STRING, or a LIST of them. Positions
count from 1. Invariant: a fraction where a whole number belongs, or a negative length, is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ddbetl.errors import RowError
from ddbetl.functions.forms import conjunction, to_integer
from ddbetl.functions.json_sql import list_of
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
from ddbetl.numbers import number_text, whole
from ddbetl.types import Type, Value

# No item holds a text of so many characters; DuckDB's substring takes positions up to twice this.
_FAR = 2**31 - 1
# An item holds at most 400 KB.
_LONGEST = 400 * 1024


def _count(number: Decimal, what: str) -> int:
    count = whole(number, what)
    if count < 0:
        raise RowError("R0110", f"{what} must not be negative, but is {number_text(number)}")
    return count


def _check_constants(function: str, binding: Binding, names: Sequence[str], counts: Sequence[str]) -> None:
    """Raise ArgumentError for a constant that is no whole number, or for one of ``counts`` that is negative."""
    for name in names:
        number = binding.constants.get(name)
        if isinstance(number, Decimal):
            if number != number.to_integral_value():
                raise ArgumentError(name, f"{function}: {name} must be a whole number")
            if name in counts and number < 0:
                raise ArgumentError(name, f"{function}: {name} must not be negative")


def _between(lowering: Lowering, number: Fast, least: int, most: int) -> Fast | None:
    """A lowered whole number within bounds; NULL for another, and behind the guard."""
    whole = to_integer(lowering, number)
    if whole is None:
        return None
    found = lowering.bind(whole.value)
    value = lowering.bind(f"CASE WHEN {found} BETWEEN {least} AND {most} THEN {found} END")
    return Fast(value, Form.INTEGER, conjunction([whole.guard, f"({value} IS NOT NULL)"]))


# substr


def _substr(text: str, start: Decimal, length: Decimal | None = None) -> str:
    first = whole(start, "start")
    if length is None:
        return text[max(first, 1) - 1 :]
    count = _count(length, "length")
    return text[max(first, 1) - 1 : max(first + count, 1) - 1]


def _bind_substr(binding: Binding) -> Implementation:
    _check_constants("substr", binding, ("start", "length"), ("length",))
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

# left, right


def _left(text: str, count: Decimal) -> str:
    return text[: _count(count, "count")]


def _right(text: str, count: Decimal) -> str:
    return text[max(len(text) - _count(count, "count"), 0) :]


def _end(name: str, end: str, examples: tuple[Example, ...]) -> Function:
    """``left`` or ``right``."""

    def bind(binding: Binding) -> Implementation:
        _check_constants(name, binding, ("count",), ("count",))
        return Implementation(_left if name == "left" else _right, lower)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        text, number = arguments
        count = _between(lowering, number, 0, _FAR)
        if count is None:
            return None
        if name == "left":
            return Fast(f"substring({text.value}, 1, {count.value})", Form.TEXT, count.guard)
        first = f"greatest(length({text.value}) - {count.value}, 0) + 1"
        # greatest leaves a NULL out, and so would the part be the whole text.
        part = f"CASE WHEN {count.value} IS NOT NULL THEN substring({text.value}, {first}) END"
        return Fast(part, Form.TEXT, count.guard)

    return Function(
        name,
        "text",
        f"The {end} `count` characters of a text, or the whole text where it has no more. A negative count and a "
        "fraction are errors.",
        (Signature((Parameter("text", STRING), Parameter("count", NUMBER)), Type.STRING, bind, nullable=False),),
        examples,
    )


LEFT = _end("left", "first", (Example("left('201605', 4)", "'2016'"), Example("left('abc', 7)", "'abc'")))

RIGHT = _end("right", "last", (Example("right('201605', 2)", "'05'"), Example("right('abc', 0)", "''")))


# lpad, rpad


def _padding(text: str, length: Decimal, fill: str) -> str:
    """What must be added to a text to make it so long."""
    wanted = _count(length, "length")
    if not fill:
        raise RowError("R0110", "there is nothing to fill with: fill is empty")
    if wanted > _LONGEST:
        raise RowError("R0110", f"length must be at most {_LONGEST}, the size of an item, but is {number_text(length)}")
    missing = max(wanted - len(text), 0)
    return (fill * (missing // len(fill) + 1))[:missing]


def _lpad(text: str, length: Decimal, fill: str = " ") -> str:
    return _padding(text, length, fill) + text


def _rpad(text: str, length: Decimal, fill: str = " ") -> str:
    return text + _padding(text, length, fill)


def _pad(name: str, side: str, examples: tuple[Example, ...]) -> Function:
    """``lpad`` or ``rpad``."""

    def bind(binding: Binding) -> Implementation:
        _check_constants(name, binding, ("length",), ("length",))
        length = binding.constants.get("length")
        if isinstance(length, Decimal) and length > _LONGEST:
            raise ArgumentError("length", f"{name}: length must be at most {_LONGEST}, the size of an item")
        if binding.constants.get("fill") == "":
            raise ArgumentError("fill", f"{name}: there is nothing to fill with: fill is empty")
        return Implementation(_lpad if name == "lpad" else _rpad, lower)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        text, number, *rest = arguments
        length = _between(lowering, number, 0, _LONGEST)
        if length is None:
            return None
        # An empty fill raises where a NULL does not.
        fill = lowering.bind(f"nullif({rest[0].value}, '')") if rest else "' '"
        padded = f"{name}({text.value}, {length.value}::INTEGER, {fill})"
        value = f"CASE WHEN {fill} IS NULL OR {length.value} IS NULL THEN NULL "
        value += f"WHEN length({text.value}) >= {length.value} THEN {text.value} ELSE {padded} END"
        return Fast(value, Form.TEXT, conjunction([length.guard, f"({fill} IS NOT NULL)" if rest else None]))

    return Function(
        name,
        "text",
        f"The text with so many of the characters of `fill`, a space by default, {side} it that it has `length` "
        "characters. A text that is longer stays whole: unlike in SQL databases no key ever loses its end in silence; "
        "`left` cuts. An empty `fill` and a negative length are errors. `to_string` makes a text of a number.",
        (
            Signature(
                (
                    Parameter("text", STRING, hint="to_string(…) makes a text of it"),
                    Parameter("length", NUMBER),
                    Parameter("fill", STRING, optional=True),
                ),
                Type.STRING,
                bind,
                nullable=False,
            ),
        ),
        examples,
    )


LPAD = _pad(
    "lpad",
    "before",
    (
        Example("lpad(to_string(n), 6, '0')", "'000017'", '{"n": {"N": "17"}}'),
        Example("lpad('1234567', 6, '0')", "'1234567'"),
        Example("length(lpad('ab', 5))", "5"),
    ),
)

RPAD = _pad("rpad", "after", (Example("rpad('ab', 5, '.')", "'ab...'"), Example("rpad('日本', 5, 'xy')", "'日本xyx'")))


# split, split_part


def _separator(separator: str) -> str:
    if not separator:
        raise RowError("R0110", "the separator is empty")
    return separator


def _split(text: str, separator: str) -> tuple[str, ...]:
    return tuple(text.split(_separator(separator)))


def _check_separator(function: str, binding: Binding) -> None:
    if binding.constants.get("separator") == "":
        raise ArgumentError("separator", f"{function}: the separator is empty")


def _bind_split(binding: Binding) -> Implementation:
    _check_separator("split", binding)

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text, separator = arguments
        found = lowering.bind(f"nullif({separator.value}, '')")
        # A text that is split by NULL is one part.
        parts = f"CASE WHEN {found} IS NOT NULL THEN string_split({text.value}, {found}) END"
        texts = f"""list_transform({parts}, lambda part: '{{"S":' || to_json(part)::VARCHAR || '}}')"""
        return Fast(list_of(texts), Form.JSON, f"({found} IS NOT NULL)")

    return Implementation(_split, lower)


_SEPARATOR = Parameter("separator", STRING)

SPLIT = Function(
    "split",
    "text",
    "The parts of a text between the separators, as a LIST of texts. A text without the separator is one part; between "
    "two separators side by side is an empty part. An empty separator is an error. The separator is a text, not a "
    "pattern.",
    (Signature((Parameter("text", STRING), _SEPARATOR), Type.LIST, _bind_split, nullable=False),),
    (
        Example("to_string(size(split('a,b,,c', ',')))", "'4'"),
        Example("size(split('', ','))", "1"),
        Example(
            "split(Tags, separator)",
            "error: split(Tags, separator): the separator is empty",
            '{"Tags": {"S": "a b"}, "separator": {"S": ""}}',
        ),
    ),
)


def _split_part(text: str, separator: str, position: Decimal) -> str:
    place = whole(position, "position")
    parts = text.split(_separator(separator))
    if not place:
        raise RowError("R0110", "position counts from 1, or from -1 at the end, but is 0")
    index = place - 1 if place > 0 else place
    return parts[index] if -len(parts) <= index < len(parts) else ""


def _bind_split_part(binding: Binding) -> Implementation:
    _check_separator("split_part", binding)
    _check_constants("split_part", binding, ("position",), ())
    if binding.constants.get("position") == 0:
        raise ArgumentError("position", "split_part: position counts from 1, or from -1 at the end")

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        text, separator, number = arguments
        position = _between(lowering, number, -_FAR, _FAR)
        if position is None:
            return None
        known = lowering.bind(f"nullif({separator.value}, '')")
        place = lowering.bind(f"nullif({position.value}, 0)")
        guard = conjunction([position.guard, f"({known} IS NOT NULL)", f"({place} IS NOT NULL)"])
        return Fast(f"split_part({text.value}, {known}, {place})", Form.TEXT, guard)

    return Implementation(_split_part, lower)


SPLIT_PART = Function(
    "split_part",
    "text",
    "The part of a text at a position between separators, counted from 1, or from the end where it is negative. As in "
    "PostgreSQL a part that is not there is empty: `nullif(…, '')` makes it NULL. Position 0 and an empty separator "
    "are errors.",
    (
        Signature(
            (Parameter("text", STRING), _SEPARATOR, Parameter("position", NUMBER)),
            Type.STRING,
            _bind_split_part,
            nullable=False,
        ),
    ),
    (
        Example("split_part('ORDER#2016#17', '#', 2)", "'2016'"),
        Example("split_part('ORDER#2016#17', '#', -1)", "'17'"),
        Example("split_part('ORDER', '#', 2)", "''"),
    ),
)

SUBSTRINGS: tuple[Function, ...] = (LEFT, LPAD, RIGHT, RPAD, SPLIT, SPLIT_PART, SUBSTR)
