"""Where the parser stopped, and what can be told from the words around.

In: the tokens of a statement, the one at which the parser could not go on, and the kinds of words that could have stood
there. Out: a ``Stop`` with its questions: what stands here, in which clause, inside which bracket; and the words for
messages. The names of the grammar's terminals never reach a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ddbetl.source import Span
from ddbetl.syntax.scanner import CLOSERS, Token

DECLARATIONS = ("PARAM", "LET", "USING")
VERBS = ("INSERT", "MERGE", "DELETE", "SELECT")

# The clauses of a statement after its target, in their order.
CLAUSES = ("SELECT", "FROM", "EXCLUDE", "WHERE", "LIMIT", "ON CONFLICT", "ON ERROR", "WITH")

# fmt: off
# Signs and words after which an operand must come.
OPERATORS = frozenset({
    "+", "-", "*", "/", "%", "||", "=", "<>", "!=", "<", "<=", ">", ">=", "==", "&&", "!", "::", "<=>",
})
_OPENING = frozenset({
    "SELECT", "WHERE", "AND", "OR", "NOT", "WHEN", "THEN", "ELSE", "CASE", "BETWEEN", "LIKE", "ESCAPE",
})

# Words that end an operand's place. Where an operand is missing they are read as attributes of that name, and the
# parser stops one word later than the reader would.
ENDING = frozenset({
    "FROM", "WHERE", "LIMIT", "ON", "WITH", "EXCLUDE", "AND", "OR", "IN", "IS", "LIKE", "BETWEEN", "AS", "WHEN", "THEN",
    "ELSE", "END",
})

# What the grammar's terminals are together, for messages.
_EXPRESSION = frozenset({
    "NAME", "QUOTED", "NUMBER", "TEXT", "NOT", "CASE", "CAST", "NULL", "TRUE", "FALSE", "TIMESTAMP", "MINUS", "LPAR",
    "LSQB", "LBRACE",
})
_VALUE = frozenset({"WORD", "QUOTED", "NUMBER", "TEXT", "TRUE", "FALSE", "MINUS"})
_OPERATION = frozenset({
    "PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "CONCAT", "EQ", "COMPARISON", "OR", "AND", "NOT", "IN", "LIKE",
    "BETWEEN", "IS", "DOT", "LSQB", "LPAR", "UNIT",
})
# fmt: on

# The terminals that are not keywords, nor always part of a group above, as messages write them.
_SPELLED = {
    "COLON": ":",
    "COMMA": "a comma",
    "COMPARISON": "a comparison",
    "CONCAT": "||",
    "EQ": "=",
    "LBRACE": "{",
    "LPAR": "(",
    "LSQB": "[",
    "MINUS": "-",
    "PERCENT": "%",
    "PLUS": "+",
    "RBRACE": "}",
    "RPAR": ")",
    "RSQB": "]",
    "SEMICOLON": "a semicolon",
    "SLASH": "/",
    "STAR": "*",
    "NUMBER": "a number",
    "TEXT": "a text in single quotes",
    "QUOTED": "a name",
    "WORD": "a name",
    "UNIT": "a unit such as days",
    "CAPACITY": "rcu or wcu",
    "$END": "the end",
}


@dataclass(frozen=True, slots=True)
class Stop:
    """Where the parser stopped: before ``tokens[at]``, or at the end of them.

    ``accepts`` are the grammar's terminals that could have stood there, ``heads`` the clauses begun before (index and
    name), ``opener`` the index of the innermost bracket that is open.
    """

    tokens: Sequence[Token]
    at: int
    accepts: frozenset[str]
    heads: tuple[tuple[int, str], ...] = ()
    opener: int | None = None

    def token(self, distance: int = 0) -> Token | None:
        """The token that many places from the stop."""
        at = self.at + distance
        return self.tokens[at] if 0 <= at < len(self.tokens) else None

    def upper(self, distance: int = 0) -> str:
        """The word or sign there in upper case; nothing for texts, numbers, quoted names and beyond the ends."""
        token = self.token(distance)
        return "" if token is None else token.upper

    def kind(self, distance: int = 0) -> str:
        """The kind of the token there; nothing beyond the ends."""
        token = self.token(distance)
        return "" if token is None else token.kind

    @property
    def span(self) -> Span:
        """The place of what was found; behind the last word when that was the end."""
        token = self.token()
        end = self.tokens[-1].end
        return Span(end, end) if token is None else token.span

    @property
    def clause(self) -> str:
        """The clause in which the parser stopped; nothing before the first."""
        return self.heads[-1][1] if self.heads else ""


def stop_at(
    tokens: Sequence[Token], offset: int, accepts: frozenset[str], heads: Sequence[tuple[int, str]] | None = None
) -> Stop:
    """Find the token at an offset, and what is around it."""
    at = next((i for i, token in enumerate(tokens) if token.end > offset), len(tokens))
    begun = clause_heads(tokens) if heads is None else heads
    return Stop(tokens, at, accepts, tuple((i, clause) for i, clause in begun if i < at), _opener(tokens, at))


def _opener(tokens: Sequence[Token], at: int) -> int | None:
    stack: list[int] = []
    for i in range(at):
        if tokens[i].kind == "sign":
            if tokens[i].text in CLOSERS:
                stack.append(i)
            elif tokens[i].text in CLOSERS.values() and stack:
                stack.pop()
    return stack[-1] if stack else None


def clause_heads(tokens: Sequence[Token], start: int = 0) -> Iterator[tuple[int, str]]:
    """The words, from an index on, that begin a clause as far as can be told without the grammar, with its name."""
    depth = 0
    for i in range(start, len(tokens)):
        token = tokens[i]
        if token.kind == "sign":
            depth = max(0, depth + (token.text in CLOSERS) - (token.text in CLOSERS.values()))
        elif depth == 0 and token.kind == "word" and (clause := clause_at(tokens, i)):
            yield i, clause


def clause_at(tokens: Sequence[Token], i: int) -> str:
    """The clause that a word begins, as far as its neighbours tell; nothing when it is a name or another word."""
    before = tokens[i - 1].upper if i else ""
    return (
        "" if before in (OPERATORS - {"*"}) | {",", ".", "(", "[", ":", "AS", "BY", "DELETE"} else clause_of(tokens, i)
    )


def clause_of(tokens: Sequence[Token], i: int) -> str:
    """The clause that a word begins if it is no name, as far as what follows tells."""
    word = tokens[i].upper
    after = tokens[i + 1].upper if i + 1 < len(tokens) else ""
    match word:
        case "SELECT" | "FROM" | "WHERE" | "LIMIT":
            return word
        case "EXCLUDE" if after != "(":
            return word
        case "WITH" if after == "(":
            return word
        case "ON" if after in ("CONFLICT", "ERROR"):
            return f"ON {after}"
        case _:
            return ""


def found(token: Token | None) -> str:
    """What was found, in words."""
    if token is None:
        return "the end"
    shown = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in shown)
    kinds = {"text": "the text ", "quoted": "the name ", "number": "the number "}
    return kinds.get(token.kind, "") + shown


def expected(accepts: frozenset[str], end: str = "the end") -> str:
    """What could stand there, in words; ``end`` is what ends the statement."""
    rest = set(accepts)
    words: list[str] = []

    def take(kinds: frozenset[str], word: str) -> None:
        rest.difference_update(kinds)
        words.append(word)

    if "NAME" in rest:
        take(_EXPRESSION, "* or an expression" if "STAR" in rest and "PLUS" not in rest else "an expression")
        if "PLUS" not in rest:
            rest.discard("STAR")
    elif {"WORD", "NUMBER", "TEXT"} <= rest:
        take(_VALUE, "a value")
    elif "TABLE_NAME" in rest:
        take(frozenset({"TABLE_NAME", "QUOTED", "TABLE"}), "a table")
        if "TEXT" in rest:
            take(frozenset({"TEXT"}), "a file in single quotes")
    elif "WORD" in rest:
        take(frozenset({"WORD", "QUOTED"}), "a name")
    if not rest.isdisjoint({"PLUS", "OR", "IS", "COMPARISON"}):
        between = "AND" in rest and "OR" not in rest
        take(_OPERATION, "an operator")
        if between:
            words.append("AND")
    keywords = sorted(kind for kind in rest if kind not in _SPELLED)
    signs = [word for kind, word in _SPELLED.items() if kind in rest and kind != "$END"]
    words += keywords + signs + ([end] if "$END" in rest else [])
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]


def starts_operand(token: Token | None) -> bool:
    """Tell whether an expression could begin there."""
    return token is not None and (token.kind != "sign" or token.text in ("(", "[", "{"))


def needs_operand(stop: Stop, at: int) -> bool:
    """Tell whether something must follow the word or sign there."""
    sign = stop.tokens[at].upper
    if sign == "*":
        # The star of a table's pattern, and that of SELECT *.
        clause = next((clause for i, clause in reversed(stop.heads) if i < at), "")
        return clause not in ("", "FROM", "EXCLUDE") and stop.tokens[at - 1].upper not in ("SELECT", ",")
    return sign in OPERATORS | _OPENING | {",", "(", "[", "{", ":", "FROM", "EXCLUDE", "INTO", "AS"}


def in_table_name(stop: Stop) -> bool:
    """Tell whether the parser stopped in or directly after the name of a table."""
    if "TABLE_NAME" in stop.accepts:
        return True
    target = stop.clause == "" and not {"SELECT", "USING"}.isdisjoint(stop.accepts) and stop.at > 0
    return stop.opener is None and (target or stop.clause in ("FROM", "EXCLUDE"))


def keywords(accepts: frozenset[str]) -> tuple[str, ...]:
    """The words of the language that could have stood there."""
    return tuple(sorted(accepts - _SPELLED.keys() - {"NAME", "TABLE_NAME"}))


def nearest_keyword(token: Token, keywords: Sequence[str]) -> str:
    """The keyword of four letters or more that a word is nearly."""
    if token.kind != "word" or len(token.text) > 20:
        return ""
    long = [word for word in keywords if len(word) > 3]
    ratio = {word: SequenceMatcher(None, token.upper, word).ratio() for word in long}
    best = max(ratio, key=ratio.__getitem__, default="")
    return best if best and ratio[best] >= 0.75 else ""
