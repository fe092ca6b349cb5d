"""Filter expressions of the canned server: enough of DynamoDB's condition language for conditions on top-level
attributes.

In: a FilterExpression with its names and values. Out: a predicate over items, or NotUnderstood.

Understood are AND, OR, NOT, parentheses, the six comparisons, attribute_exists, attribute_not_exists, attribute_type,
begins_with, and size. Only S and N are compared: the benchmark's items hold nothing else.

Invariant: an understood expression keeps exactly the items that DynamoDB would keep; any other is refused, not
guessed. Source: "Condition and filter expressions, operators, and functions in DynamoDB", Amazon DynamoDB Developer
Guide.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

Item = dict[str, dict[str, str]]
Predicate = Callable[[Item], bool]
Operand = Callable[[Item], "tuple[str, Any] | None"]

_TOKEN = re.compile(r"\s*(<>|<=|>=|[()=<>,]|[#:]?[A-Za-z_][\w-]*|[#:]\d\w*)")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class NotUnderstood(Exception):
    """A condition beyond what this server evaluates."""


def predicate(expression: str, names: dict[str, str], values: dict[str, dict[str, str]]) -> Predicate:
    """Compile a FilterExpression. Raises NotUnderstood."""
    parser = _Parser(_tokens(expression), names, values)
    made = parser.disjunction()
    if parser.peek() is not None:
        raise NotUnderstood(expression)
    return made


def _tokens(expression: str) -> list[str]:
    tokens: list[str] = []
    at = 0
    text = expression.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise NotUnderstood(expression)
        tokens.append(found[1])
        at = found.end()
    return tokens


class _Parser:
    """Recursive descent over tokens: OR binds loosest, then AND, then NOT."""

    def __init__(self, tokens: list[str], names: dict[str, str], values: dict[str, dict[str, str]]) -> None:
        self._tokens = tokens
        self._names = names
        self._values = values
        self._at = 0

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def disjunction(self) -> Predicate:
        left = self._conjunction()
        while self._word("OR"):
            left = _either(left, self._conjunction())
        return left

    def _conjunction(self) -> Predicate:
        left = self._negation()
        while self._word("AND"):
            left = _both(left, self._negation())
        return left

    def _negation(self) -> Predicate:
        if self._word("NOT"):
            inner = self._negation()
            return lambda item: not inner(item)
        if self.peek() == "(":
            self._take("(")
            grouped = self.disjunction()
            self._take(")")
            return grouped
        return self._condition()

    def _condition(self) -> Predicate:
        function = (self.peek() or "").lower()
        if function in ("attribute_exists", "attribute_not_exists"):
            (name,) = self._arguments(1)
            exists = function == "attribute_exists"
            path = self._path(name)
            return lambda item: (path in item) == exists
        if function in ("attribute_type", "begins_with"):
            name, given = self._arguments(2)
            path, (_, wanted) = self._path(name), self._value(given)
            if function == "attribute_type":
                return lambda item: wanted in item.get(path, {})
            return lambda item: item.get(path, {}).get("S", "").startswith(wanted) and "S" in item.get(path, {})
        left = self._operand()
        sign = self._take(None)
        return _comparison(left, sign, self._operand())

    def _operand(self) -> Operand:
        token = self.peek() or ""
        if token.lower() == "size":
            (name,) = self._arguments(1)
            path = self._path(name)
            return lambda item: ("N", Decimal(len(item[path]["S"]))) if "S" in item.get(path, {}) else None
        self._take(None)
        if token.startswith(":"):
            constant = self._value(token)
            return lambda item: constant
        path = self._path(token)
        return lambda item: _typed(item[path]) if path in item else None

    def _arguments(self, count: int) -> list[str]:
        self._take(None)
        self._take("(")
        found = [self._take(None)]
        for _ in range(count - 1):
            self._take(",")
            found.append(self._take(None))
        self._take(")")
        return found

    def _path(self, token: str) -> str:
        if not re.match(r"[#A-Za-z_]", token):
            raise NotUnderstood(token)
        return self._names.get(token, token)

    def _value(self, token: str) -> tuple[str, Any]:
        if token not in self._values:
            raise NotUnderstood(token)
        return _typed(self._values[token])

    def _word(self, word: str) -> bool:
        if (self.peek() or "").upper() != word:
            return False
        self._at += 1
        return True

    def _take(self, wanted: str | None) -> str:
        token = self.peek()
        if token is None or (wanted is not None and token != wanted):
            raise NotUnderstood(" ".join(self._tokens))
        self._at += 1
        return token


def _typed(value: dict[str, str]) -> tuple[str, Any]:
    ((kind, inner),) = value.items()
    if kind not in ("S", "N"):
        raise NotUnderstood(kind)
    return kind, Decimal(inner) if kind == "N" else inner


def _comparison(left: Operand, sign: str, right: Operand) -> Predicate:
    if sign == "<>":
        return lambda item: left(item) != right(item)
    if sign not in _COMPARISONS:
        raise NotUnderstood(sign)
    compare = _COMPARISONS[sign]

    def holds(item: Item) -> bool:
        a, b = left(item), right(item)
        # A missing attribute and values of two types compare as false.
        return a is not None and b is not None and a[0] == b[0] and compare(a[1], b[1])

    return holds


def _both(left: Predicate, right: Predicate) -> Predicate:
    return lambda item: left(item) and right(item)


def _either(left: Predicate, right: Predicate) -> Predicate:
    return lambda item: left(item) or right(item)
