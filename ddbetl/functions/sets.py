"""Sets: their constructors and operations.

In: members, or sets of one type. Out: sets. Invariant: a set without members is NULL, for DynamoDB has none; so NULL
counts as the set without members.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TypeVar

from ddbetl.functions.forms import conjunction, is_null, text_of_number
from ddbetl.functions.json_sql import CANONICAL_BASE64, CANONICAL_NUMBER, all_match, tag
from ddbetl.functions.model import (
    BINARY,
    NUMBER,
    SAME,
    STRING,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lower,
    Lowering,
    Nulls,
    Parameter,
    Signature,
)
from ddbetl.types import TAG_OF, BinarySet, NumberSet, StringSet, Type, Value

SETS = frozenset({Type.STRING_SET, Type.NUMBER_SET, Type.BINARY_SET})

# Constructors


def _string_set(*members: str | None) -> StringSet | None:
    found = frozenset(member for member in members if member is not None)
    return StringSet(found) if found else None


def _number_set(*members: Decimal | None) -> NumberSet | None:
    found = frozenset(member for member in members if member is not None)
    return NumberSet(found) if found else None


def _binary_set(*members: bytes | None) -> BinarySet | None:
    found = frozenset(member for member in members if member is not None)
    return BinarySet(found) if found else None


def _lower_set(type_: Type) -> Lower:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        texts: list[str] = []
        guards: list[str] = []
        for member in arguments:
            text = text_of_number(member) if type_ is Type.NUMBER_SET and not is_null(member) else member.value
            if text is None:
                return None
            texts.append(text)
            if type_ is Type.BINARY_SET and not is_null(member):
                guards.append(f"coalesce(regexp_full_match({text}, '{CANONICAL_BASE64}'), TRUE)")
        # NULLs are no members, and no member is there twice.
        members = f"list_distinct([{', '.join(texts)}]::VARCHAR[])"
        return Fast(_set_of(lowering, f"'{TAG_OF[type_]}'", members, quoted=False), Form.JSON, conjunction(guards))

    return lower


def _set_of(lowering: Lowering, tag_: str, members: str, quoted: bool) -> str:
    """SQL for the set of members, each a text, or the JSON of one; NULL for none."""
    found = lowering.bind(f"list_sort({members})")
    texts = found if quoted else f"list_transform({found}, lambda member: to_json(member)::VARCHAR)"
    return f"""CASE WHEN len({found}) > 0 THEN '{{"' || {tag_} || '":[' || array_to_string({texts}, ',') || ']}}' END"""


def _constructor(
    type_: Type, member: frozenset[Type], reference: Callable[..., Value], hint: str, examples: tuple[Example, ...]
) -> Function:
    (of,) = member
    return Function(
        str(type_).lower().replace(" ", "_"),
        "document",
        f"The set of the members, each a {of}. A member given twice is there once, a NULL is no member, and where no "
        "member is left the result is NULL: DynamoDB has no empty set.",
        (
            Signature(
                (Parameter("member", member, variadic=True, hint=hint),),
                type_,
                Implementation(reference, _lower_set(type_)),
            ),
        ),
        examples,
        nulls=Nulls.SEEN,
    )


STRING_SET = _constructor(
    Type.STRING_SET,
    STRING,
    _string_set,
    "to_string(…) makes a text of it",
    (
        Example("string_set('b', 'a', 'b')", "string_set('a', 'b')"),
        Example("string_set(Tag, Label)", "string_set('new')", '{"Label": {"S": "new"}}'),
        Example("string_set(Tag)", "NULL"),
    ),
)
NUMBER_SET = _constructor(
    Type.NUMBER_SET,
    NUMBER,
    _number_set,
    "to_number(…) makes a number of a text",
    (Example("number_set(2, 1.0, 1)", "number_set(1, 2)"), Example("number_set(NULL)", "NULL")),
)
BINARY_SET = _constructor(
    Type.BINARY_SET,
    BINARY,
    _binary_set,
    "CAST(… AS BINARY) makes bytes of a text",
    (
        Example("size(binary_set(x, x))", "1", '{"x": {"B": "aGk="}}'),
        Example("binary_set(x)", "NULL"),
    ),
)

# Operations

_Set = TypeVar("_Set", StringSet, NumberSet, BinarySet)


def _made(like: _Set, members: frozenset[object]) -> _Set | None:
    return type(like)(members) if members else None  # type: ignore[arg-type]


def _union(left: _Set | None, right: _Set | None) -> _Set | None:
    if left is None or right is None:
        return right if left is None else left
    return _made(left, frozenset[object](left.members | right.members))


def _intersect(left: _Set | None, right: _Set | None) -> _Set | None:
    if left is None or right is None:
        return None
    return _made(left, frozenset[object](left.members & right.members))


def _except(left: _Set | None, right: _Set | None) -> _Set | None:
    if left is None or right is None:
        return left
    return _made(left, frozenset[object](left.members - right.members))


_MEMBER = {"NS": f'"{CANONICAL_NUMBER}"', "BS": f'"{CANONICAL_BASE64}"'}


def _telling(value: str, members: str) -> str:
    """SQL that is TRUE where a set's members are equal only if their texts are, and for NULL; FALSE for what is no
    set."""
    return (
        f"CASE coalesce({tag(value)}, '') WHEN '' THEN TRUE WHEN 'SS' THEN TRUE "
        + " ".join(f"WHEN '{name}' THEN {all_match(members, pattern)}" for name, pattern in _MEMBER.items())
        + " ELSE FALSE END"
    )


def _lower_operation(operation: Callable[[str, str], str]) -> Lower:
    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        if any(value.form is not Form.JSON and not is_null(value) for value in arguments):
            return None
        left, right = (lowering.bind(f"({value.value})::VARCHAR") for value in arguments)
        # Each member is the JSON of a text, written by one writer.
        found = [lowering.bind(f"json_extract({value}, '$.*[*]')::VARCHAR[]") for value in (left, right)]
        guards = [_telling(value, members) for value, members in zip((left, right), found, strict=True)]
        guards.append(f"coalesce({tag(left)} = {tag(right)}, TRUE)")
        members = operation(*(f"coalesce({members}, [])" for members in found))
        made = _set_of(lowering, f"coalesce({tag(left)}, {tag(right)})", members, quoted=True)
        return Fast(made, Form.JSON, conjunction(guards))

    return lower


_NULL_DOC = (
    "Both sets have one type. A missing set counts as one without members, and a result without members is NULL: "
    "DynamoDB has no empty set."
)
_HINT = "string_set(…), number_set(…) and binary_set(…) make sets"


def _operation(
    name: str,
    doc: str,
    reference: Callable[..., Value],
    operation: Callable[[str, str], str],
    examples: tuple[Example, ...],
) -> Function:
    return Function(
        name,
        "document",
        f"{doc} {_NULL_DOC}",
        (
            Signature(
                (Parameter("left", SETS, same=True, hint=_HINT), Parameter("right", SETS, same=True, hint=_HINT)),
                SAME,
                Implementation(reference, _lower_operation(operation)),
            ),
        ),
        examples,
        nulls=Nulls.SEEN,
    )


SET_UNION = _operation(
    "set_union",
    "The members of either set.",
    _union,
    lambda left, right: f"list_distinct(flatten([{left}, {right}]))",
    (
        Example("set_union(Tags, string_set('new'))", "string_set('a', 'new')", '{"Tags": {"SS": ["a"]}}'),
        Example("set_union(Tags, string_set('new'))", "string_set('new')"),
        Example(
            "set_union(x, y)",
            "error: set_union cannot take x and y: they are STRING SET and NUMBER SET",
            '{"x": {"SS": ["a"]}, "y": {"NS": ["1"]}}',
        ),
    ),
)
SET_INTERSECT = _operation(
    "set_intersect",
    "The members that are in both sets.",
    _intersect,
    lambda left, right: f"list_filter({left}, lambda member: list_contains({right}, member))",
    (
        Example("set_intersect(number_set(1, 2, 3), number_set(2, 3, 4))", "number_set(2, 3)"),
        Example("set_intersect(number_set(1), number_set(2))", "NULL"),
    ),
)
SET_EXCEPT = _operation(
    "set_except",
    "The members of the left set that are not in the right one.",
    _except,
    lambda left, right: f"list_filter({left}, lambda member: NOT list_contains({right}, member))",
    (
        Example("set_except(Tags, string_set('old'))", "string_set('a')", '{"Tags": {"SS": ["a", "old"]}}'),
        Example("set_except(Tags, Tags)", "NULL", '{"Tags": {"SS": ["a"]}}'),
    ),
)

# contains


def _contains(set_: StringSet | NumberSet | BinarySet, member: object) -> bool:
    return member in set_.members


def _lower_contains(type_: Type) -> Lower:
    path = f"'$.{TAG_OF[type_]}[*]'"

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        set_, member = arguments
        if set_.form is not Form.JSON:
            return None
        members = lowering.bind(f"json_extract_string({set_.value}, {path})")
        text, guard = member.value, None
        match type_:
            case Type.NUMBER_SET:
                number = text_of_number(member)
                if number is None:
                    return None
                text, guard = number, all_match(members, CANONICAL_NUMBER)
            case Type.BINARY_SET:
                guard = f"{all_match(members, CANONICAL_BASE64)} AND regexp_full_match({text}, '{CANONICAL_BASE64}')"
        return Fast(f"list_contains({members}, {text})", Form.BOOLEAN, guard)

    return lower


SET_CONTAINS: tuple[Signature, ...] = tuple(
    Signature(
        (Parameter("set", frozenset({type_})), Parameter("member", member)),
        Type.BOOLEAN,
        Implementation(_contains, _lower_contains(type_)),
        nullable=False,
    )
    for type_, member in ((Type.STRING_SET, STRING), (Type.NUMBER_SET, NUMBER), (Type.BINARY_SET, BINARY))
)

SET_FUNCTIONS: tuple[Function, ...] = (STRING_SET, NUMBER_SET, BINARY_SET, SET_UNION, SET_INTERSECT, SET_EXCEPT)
