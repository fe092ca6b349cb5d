"""Functions that look for a text in another one.

In: STRING values. Out: BOOLEAN, a position in characters (Unicode code points), or the text with something else there.
Invariant: what is looked for is a text, never a pattern; case counts.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from ddbetl.errors import RowError
from ddbetl.functions.document import CONTAINS as DOCUMENT_CONTAINS
from ddbetl.functions.model import (
    STRING,
    Example,
    Fast,
    Form,
    Function,
    Implementation,
    Lowering,
    Parameter,
    Signature,
)
from ddbetl.types import Type

_HINT = "to_string(…) makes a text of it"


def _asking(
    name: str,
    doc: str,
    reference: Callable[[str, str], bool],
    others: tuple[Signature, ...],
    examples: tuple[Example, ...],
) -> Function:
    """A function that asks whether a text is a part of another one; DuckDB has it under the same name."""

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text, part = arguments
        return Fast(f"{name}({text.value}::VARCHAR, {part.value}::VARCHAR)", Form.BOOLEAN)

    of_texts = Signature(
        (Parameter("text", STRING, hint=_HINT), Parameter("part", STRING, hint=_HINT)),
        Type.BOOLEAN,
        Implementation(reference, lower),
        nullable=False,
    )
    return Function(name, "text", doc, (of_texts, *others), examples)


STARTS_WITH = _asking(
    "starts_with",
    "Whether a text begins with another one. Case counts; every text begins with the empty one.",
    str.startswith,
    (),
    (Example("starts_with('ORDER#17', 'ORDER#')", "TRUE"), Example("starts_with('order#17', 'ORDER#')", "FALSE")),
)

ENDS_WITH = _asking(
    "ends_with",
    "Whether a text ends with another one. Case counts; every text ends with the empty one.",
    str.endswith,
    (),
    (Example("ends_with('photo.jpg', '.jpg')", "TRUE"), Example("ends_with('a', '')", "TRUE")),
)


def _contains(text: str, part: str) -> bool:
    return part in text


CONTAINS = _asking(
    "contains",
    "Whether a text contains another one, or a list or a set a value. Case counts; every text contains the empty one. "
    "A list may hold any types, so a value of another type is just not in it; the value looked for in a set must have "
    "the type of its members.",
    _contains,
    DOCUMENT_CONTAINS,
    (
        Example("contains('ORDER#17', '#')", "TRUE"),
        Example("contains('abc', 'B')", "FALSE"),
        Example("contains(Tags, 'gift')", "TRUE", '{"Tags": {"SS": ["gift", "new"]}}'),
        Example("contains(Lines, 2)", "TRUE", '{"Lines": {"L": [{"N": "1"}, {"N": "2.0"}]}}'),
    ),
)


def _find(text: str, part: str) -> Decimal:
    return Decimal(text.find(part) + 1)


def _lower_find(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text, part = arguments
    return Fast(f"strpos({text.value}, {part.value})", Form.INTEGER)


POSITION = Function(
    "position",
    "text",
    "Where a text first contains `part`: the position of its first character, counted from 1, or 0 where it is "
    "nowhere. The text comes first, as in all these functions; in SQL's `POSITION(part IN text)` it comes last.",
    (
        Signature(
            (Parameter("text", STRING, hint=_HINT), Parameter("part", STRING, hint=_HINT)),
            Type.NUMBER,
            Implementation(_find, _lower_find),
            nullable=False,
        ),
    ),
    (
        Example("position('ORDER#17', '#')", "6"),
        Example("position('日本語', '語')", "3"),
        Example("position('abc', 'x')", "0"),
    ),
)


# Characters up to which a text may grow: of two texts of 400 KB, replace could make one that no memory holds.
_LONGEST = 1 << 24


def _replace(text: str, search: str, replacement: str) -> str:
    if not search:
        return text
    length = len(text) + text.count(search) * (len(replacement) - len(search))
    if length > _LONGEST:
        raise RowError("R0110", f"the text would have {length:,} characters; at most {_LONGEST:,} are made")
    return text.replace(search, replacement)


def _lower_replace(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    text, search, replacement = (argument.value for argument in arguments)
    # No more than as if every byte were replaced.
    fits = lowering.bind(f"strlen({text}) * greatest(strlen({replacement}), 1) <= {_LONGEST}")
    return Fast(f"CASE WHEN {fits} THEN replace({text}, {search}, {replacement}) END", Form.TEXT, fits)


REPLACE = Function(
    "replace",
    "text",
    "The text with `replacement` wherever it contains `search`, from left to right. Case counts. Nothing is replaced "
    f"where `search` is empty. A result of more than {_LONGEST:,} characters is an error: no item is so large. "
    "`regexp_replace` takes a pattern.",
    (
        Signature(
            (Parameter("text", STRING), Parameter("search", STRING), Parameter("replacement", STRING)),
            Type.STRING,
            Implementation(_replace, _lower_replace),
            nullable=False,
        ),
    ),
    (
        Example("replace('2016-05-01', '-', '')", "'20160501'"),
        Example("replace('aaa', 'aa', 'b')", "'ba'"),
        Example("replace('abc', '', 'x')", "'abc'"),
    ),
)

SEARCH: tuple[Function, ...] = (CONTAINS, ENDS_WITH, POSITION, REPLACE, STARTS_WITH)
