"""Functions of regular expressions, in RE2's syntax and with its meaning.

In: STRING values, and a regular expression that is known when the spec is compiled. Out: BOOLEAN or STRING. Invariants:
both evaluators are RE2, the reference by its own binding and the fast path by the one inside DuckDB; where their
versions could differ (``_Reach``) the fast path keeps out. RE2 takes time in proportion to the text, whatever the
pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import re2

from ddbetl.functions.forms import conjunction
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
    Lower,
    Lowering,
    Parameter,
    Signature,
    sql_text,
)
from ddbetl.functions.text import is_ascii, utf8
from ddbetl.types import Type, Value

# Half of what DuckDB's RE2 may use: a pattern that fits here fits there.
_MEMORY = 4 << 20
# DuckDB's regexp_extract and RE2's replacements know the groups 0 to 9.
_LAST_GROUP = 9


@dataclass(frozen=True, slots=True)
class _Reach:
    """Where the fast path goes: ``pattern``: as an SQL literal, None for nowhere, ``slow_because`` then says why.

    ``test``: the pattern for ``regexp_matches``. ``ascii_only``: the pattern asks for properties or for the case of
    characters, which newer versions of Unicode know more of; so they are asked of ASCII only. ``splits``: it can match
    between the bytes of a character, where nothing can be put.
    """

    pattern: str | None
    test: str = ""
    ascii_only: bool = False
    splits: bool = False
    slow_because: str = ""

    def guard(self, text: str) -> str | None:
        return is_ascii(text) if self.ascii_only else None


# The general categories, which every version has.
_CATEGORY = re.compile(r"L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfo]?|Any")
_PROPERTY = re.compile(r"\\[pP](?:\{\^?([^}]*)\}|(.))", re.DOTALL)
_ANY_CASE = re.compile(r"\(\?[a-zA-Z-]*i")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LEADING_FLAGS = re.compile(r"^\(\?[a-zA-Z-]+\)")


def _reach(text: str) -> _Reach:
    if "(?<" in text:
        return _Reach(None, slow_because="a group is named by (?<name>…) and not by (?P<name>…)")
    properties = [found[1] or found[2] for found in _PROPERTY.finditer(text)]
    for name in properties:
        if not _CATEGORY.fullmatch(name):
            return _Reach(None, slow_because=f"the Unicode script {name}")
    ascii_only = bool(properties) or _ANY_CASE.search(text) is not None
    splits = any(escape[1] == "B" for escape in _ESCAPE.finditer(text))
    # DuckDB makes a wrong LIKE of a pattern with an empty group, such as (?:)a, and none of what is in parentheses.
    test = f"({text})" if "(?" in _LEADING_FLAGS.sub("", text) else text
    try:
        _compile(test)
    except re2.error:
        return _Reach(None, slow_because="a \\Q without its \\E")
    return _Reach(sql_text(text), sql_text(test) or "", ascii_only, splits)


# A compiled regular expression of the binding, which declares no types.
_Compiled = Any


def _compile(text: str) -> _Compiled:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    return re2.compile(utf8(text), options)


def _regex(function: str, binding: Binding) -> tuple[_Compiled, _Reach]:
    """The compiled regular expression of a call, and where its fast path goes. Raises ArgumentError."""
    text = binding.constants["regex"]
    assert isinstance(text, str)
    for escape in _ESCAPE.finditer(text):
        if escape[1] == "C":
            message = f"{function}: \\C stands for half a character"
            raise ArgumentError("regex", message, "a dot stands for a character", escape.start(), 2)
    try:
        return _compile(text), _reach(text)
    except re2.error as error:
        reason = _reason(error)
    wrong = reason.partition(": ")[2]
    at = _place(text, reason, wrong)
    message = f"{function}: {reason}"
    raise ArgumentError("regex", message, _hint(wrong), at, max(len(wrong), 1) if at is not None else 1)


def _reason(error: re2.error) -> str:
    (reason,) = error.args
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)


def _place(text: str, reason: str, wrong: str) -> int | None:
    """Where in a pattern RE2 stumbles, which it does not say; None where that is the whole of it."""
    if not wrong or wrong == text or wrong not in text:
        return None
    # It reads from left to right: the shortest beginning with the same fault ends with it.
    for end in range(len(wrong), len(text)):
        if text.endswith(wrong, 0, end):
            try:
                _compile(text[:end])
            except re2.error as error:
                if _reason(error) == reason:
                    return end - len(wrong)
    return text.rindex(wrong)


def _hint(wrong: str) -> str:
    if not wrong:
        return "a repetition is as large as what it repeats, so many times: {3} is 3 of them"
    if re.match(r"\(\?<?[=!]", wrong):
        return "RE2 has no lookahead and no lookbehind: match more, and take a group of it"
    if re.match(r"\\[1-9]", wrong):
        return "RE2 has no backreferences in a pattern"
    if re.match(r"\(\?>", wrong) or wrong.endswith("+"):
        return "RE2 needs no atomic groups and no possessive repetitions: it never tries again"
    return "the syntax is RE2's: github.com/google/re2/wiki/Syntax"


def _implementation(reference: Callable[[str], Value], lower: Lower, reach: _Reach) -> Implementation:
    """Both evaluators, or why there is only one."""
    if reach.pattern is None:
        return Implementation(reference, slow_because=reach.slow_because)
    return Implementation(reference, lower)


_TEXT = Parameter("text", STRING, hint="to_string(…) makes a text of it")
_REGEX = Parameter("regex", STRING, constant=True, hint="a regular expression is a text in single quotes")

_DOC = (
    "The syntax is RE2's: no lookaround and no backreferences, and so no pattern that takes for ever. Write `(?i)` in "
    "front for any case, `(?s)` for a `.` that takes line breaks too; `\\d`, `\\w` and `\\s` are ASCII, `\\pL` is any "
    "letter. The pattern is checked when the spec is compiled."
)


# regexp_matches


def _bind_matches(binding: Binding) -> Implementation:
    regex, reach = _regex("regexp_matches", binding)

    def reference(text: str) -> bool:
        return regex.search(utf8(text)) is not None

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text = arguments[0].value
        return Fast(f"regexp_matches({text}, {reach.test})", Form.BOOLEAN, reach.guard(text))

    return _implementation(reference, lower, reach)


REGEXP_MATCHES = Function(
    "regexp_matches",
    "text",
    "Whether some part of a text matches a regular expression; `^` and `$` tie it to the start and the end. " + _DOC,
    (Signature((_TEXT, _REGEX), Type.BOOLEAN, _bind_matches, nullable=False),),
    (
        Example("regexp_matches('ORDER#17', '^ORDER#[0-9]+$')", "TRUE"),
        Example("regexp_matches('order#17', '(?i)ORDER')", "TRUE"),
        Example("regexp_matches('a', '^$')", "FALSE"),
    ),
)


# regexp_extract


def _group(binding: Binding, regex: _Compiled) -> int:
    """The number of the group that is asked for, 0 for the whole match. Raises ArgumentError."""
    given = binding.constants.get("group", Decimal(0))
    if isinstance(given, str):
        names: dict[bytes, int] = regex.groupindex
        number = names.get(given.encode())
        if number is None:
            known = ", ".join(name.decode() for name in names)
            hint = f"there is {known}" if known else "(?P<name>…) names a group"
            raise ArgumentError("group", f"regexp_extract: no group is named {given!r}", hint)
        return number
    assert isinstance(given, Decimal)
    if given not in range(regex.groups + 1):
        message = f"regexp_extract: there is no group {given}, only 0 to {regex.groups}"
        raise ArgumentError("group", message, "a group is a part in parentheses; 0 is the whole match")
    return int(given)


def _bind_extract(binding: Binding) -> Implementation:
    regex, reach = _regex("regexp_extract", binding)
    group = _group(binding, regex)

    def reference(text: str) -> str | None:
        found = regex.search(utf8(text))
        part = None if found is None else found.group(group)
        return None if part is None else part.decode("utf-8")

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
        text = arguments[0].value
        matches = lowering.bind(f"regexp_matches({text}, {reach.test})")
        part = lowering.bind(f"regexp_extract({text}, {reach.pattern}, {group})")
        # For DuckDB a group that took no part in the match is empty.
        settled = f"(NOT {matches} OR {part} <> '')" if group else None
        return Fast(f"CASE WHEN {matches} THEN {part} END", Form.TEXT, conjunction([reach.guard(text), settled]))

    if group > _LAST_GROUP:
        return Implementation(reference, slow_because=f"a group beyond the {_LAST_GROUP}th")
    return _implementation(reference, lower, reach)


REGEXP_EXTRACT = Function(
    "regexp_extract",
    "text",
    "The first part of a text that matches a regular expression, or one `group` of it: its number, counted by opening "
    "parentheses, or the name of a `(?P<name>…)`. NULL where nothing matches, or where the group took no part. " + _DOC,
    (
        Signature(
            (
                _TEXT,
                _REGEX,
                Parameter("group", STRING | NUMBER, optional=True, constant=True, hint="a number or a name"),
            ),
            Type.STRING,
            _bind_extract,
        ),
    ),
    (
        Example("regexp_extract('ORDER#17#2', '[0-9]+')", "'17'"),
        Example("regexp_extract('Ann <ann@example.com>', '<(.*)>', 1)", "'ann@example.com'"),
        Example("regexp_extract('2016-05-01', '(?P<year>\\d{4})-(?P<month>\\d\\d)', 'month')", "'05'"),
        Example("regexp_extract('none', '[0-9]+')", "NULL"),
    ),
)


# regexp_replace


def _replacement(binding: Binding, regex: _Compiled) -> tuple[bytes | int, ...]:
    """The pieces of a replacement: bytes, and the groups between them. Raises ArgumentError."""
    text = binding.constants["replacement"]
    assert isinstance(text, str)
    pieces: list[bytes | int] = []
    position = 0
    for found in re.finditer(r"\\(.?)", text, re.DOTALL):
        pieces.append(utf8(text[position : found.start()]))
        position = found.end()
        if found[1] == "\\":
            pieces.append(b"\\")
        elif found[1] in tuple("0123456789"):
            number = int(found[1])
            if number > regex.groups:
                message = f"regexp_replace: there is no group {number}, only 0 to {regex.groups}"
                raise ArgumentError("replacement", message, "", found.start(), 2)
            pieces.append(number)
        else:
            message = "regexp_replace: after a backslash comes the number of a group, or another backslash"
            raise ArgumentError("replacement", message, "", found.start(), len(found[0]))
    pieces.append(utf8(text[position:]))
    return tuple(piece for piece in pieces if piece != b"")


def _replace_all(regex: _Compiled, pieces: tuple[bytes | int, ...], text: bytes) -> bytes:
    """Replace every match, as RE2's GlobalReplace does: no empty match where the last one ended. Nor inside of a
    character, where RE2 finds some for ``\\B``."""
    out: list[bytes] = []
    position, last_end = 0, -1
    while position <= len(text) and (found := regex.search(text, position)) is not None:
        start, end = found.span()
        out.append(text[position:start])
        if start == end and (start == last_end or text[start : start + 1] in _INNER):
            following = _after(text, start)
            out.append(text[start:following])
            position = following
            continue
        out += [piece if isinstance(piece, bytes) else found.group(piece) or b"" for piece in pieces]
        position = last_end = end
    out.append(text[position:])
    return b"".join(out)


def _after(text: bytes, position: int) -> int:
    """Where the character after this one begins; beyond the end after the last."""
    position += 1
    while text[position : position + 1] in _INNER:
        position += 1
    return position


# The bytes of a character behind its first one.
_INNER = frozenset(bytes([byte]) for byte in range(0x80, 0xC0))


def _bind_replace(binding: Binding) -> Implementation:
    regex, reach = _regex("regexp_replace", binding)
    pieces = _replacement(binding, regex)
    given = binding.constants["replacement"]
    assert isinstance(given, str)
    literal = sql_text(given)

    def reference(text: str) -> str:
        return _replace_all(regex, pieces, utf8(text)).decode("utf-8")

    def lower(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast | None:
        if literal is None:
            return None
        text = arguments[0].value
        replaced = f"regexp_replace({text}, {reach.pattern}, {literal}, 'g')"
        if not reach.splits:
            return Fast(replaced, Form.TEXT, reach.guard(text))
        # DuckDB raises where a character is split.
        whole = lowering.bind(is_ascii(text))
        return Fast(f"CASE WHEN {whole} THEN {replaced} END", Form.TEXT, whole)

    return _implementation(reference, lower, reach)


REGEXP_REPLACE = Function(
    "regexp_replace",
    "text",
    "The text with every match of a regular expression replaced, from left to right. In the `replacement`, `\\1` to "
    "`\\9` stand for the groups, `\\0` for the whole match and `\\\\` for a backslash. (PostgreSQL and DuckDB replace "
    "the first match only, unless told otherwise.) " + _DOC,
    (
        Signature(
            (
                _TEXT,
                _REGEX,
                Parameter("replacement", STRING, constant=True, hint="replace(…) takes any text"),
            ),
            Type.STRING,
            _bind_replace,
            nullable=False,
        ),
    ),
    (
        Example("regexp_replace('+49 (30) 1234', '[^0-9]', '')", "'49301234'"),
        Example("regexp_replace('Lee, Ann', '(\\w+), (\\w+)', '\\2 \\1')", "'Ann Lee'"),
        Example("regexp_replace('abc', 'x*', '-')", "'-a-b-c-'"),
    ),
)

REGEX: tuple[Function, ...] = (REGEXP_EXTRACT, REGEXP_MATCHES, REGEXP_REPLACE)
