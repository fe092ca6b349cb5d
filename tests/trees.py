"""Generated syntax trees and damaged specs, for properties of the parser and the formatter.

Every tree is one that the parser could have made: bare names are no reserved words, numbers are not negative, table
names have no two literals side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import strategies as st

from ddbetl.syntax import ast

RESERVED = {"CASE", "FALSE", "NOT", "NULL", "TRUE"}
# Words that the grammar knows, and names that look like nothing else.
WORDS = [
    "a", "B_2", "größe", "_", "date", "limit", "key", "from", "where", "select", "end", "when", "and", "as", "cast",
    "timestamp", "exclude", "replace", "days", "rcu", "with", "on", "between", "table", "escape",
]  # fmt: skip
RESERVED_WORDS = ["case", "NOT", "null", "True"]
FUNCTIONS = ["epoch", "IF", "left", "REPLACE", "coalesce", "date", "_f"]

any_text = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["'", "''", '"', "--", "/*", "it's", "a;b", "\n", "\r\n", "", " x "]
)
bare = st.sampled_from(WORDS).map(ast.Identifier)
any_word = (st.sampled_from(WORDS + RESERVED_WORDS)).map(ast.Identifier)
quoted = (
    (any_text | st.sampled_from(WORDS + RESERVED_WORDS))
    .filter(bool)
    .map(lambda name: ast.Identifier(name, quoted=True))
)
identifiers = any_word | quoted

numbers = (
    st.decimals(min_value=0, max_value=10**6, allow_nan=False, allow_infinity=False, places=3)
    | st.integers(0, 10**38 - 1).map(Decimal)
    | st.sampled_from(["1e125", "1e-130", "9.9999999999999999999999999999999999999e125", "0.1", "1e20", "100"]).map(
        Decimal
    )
)
texts = any_text.map(ast.Text)
durations = st.builds(
    ast.DurationLiteral, numbers, st.sampled_from(["millisecond", "second", "minute", "hour", "day", "week"])
)
names = st.builds(ast.Name, bare | quoted)
paths = st.builds(
    ast.Path,
    names,
    st.lists(
        st.builds(ast.Field, identifiers) | st.builds(ast.Index, st.integers(0, 10**6)), min_size=1, max_size=3
    ).map(tuple),
)
leaves = st.one_of(
    texts,
    numbers.map(ast.Number),
    st.booleans().map(ast.Boolean),
    st.just(ast.Null()),
    durations,
    any_text.map(ast.TimestampLiteral),
    names,
    paths,
)


def _larger(inner: st.SearchStrategy[ast.Expression]) -> st.SearchStrategy[ast.Expression]:
    some = st.lists(inner, max_size=3).map(tuple)
    several = st.lists(inner, min_size=1, max_size=3).map(tuple)
    operators = st.sampled_from(["+", "-", "*", "/", "%", "||", "=", "<>", "<", "<=", ">", ">=", "AND", "OR"])
    return st.one_of(
        st.builds(ast.Unary, st.sampled_from(["-", "NOT"]), inner),
        st.builds(ast.Binary, operators, inner, inner),
        st.builds(ast.Between, inner, inner, inner, st.booleans()),
        st.builds(ast.In, inner, several, st.booleans()),
        st.builds(ast.Like, inner, inner, st.none() | inner, st.booleans()),
        st.builds(ast.IsNull, inner, st.booleans()),
        st.builds(ast.IsMissing, inner, st.booleans()),
        st.builds(
            ast.Case,
            st.none() | inner,
            st.lists(st.builds(ast.When, inner, inner), min_size=1, max_size=2).map(tuple),
            st.none() | inner,
        ),
        st.builds(ast.Cast, inner, st.sampled_from(["STRING", "STRING SET", "NULL", "AS"]).map(ast.Identifier)),
        st.builds(ast.Call, st.sampled_from(FUNCTIONS).map(ast.Identifier), some),
        st.builds(ast.ListConstructor, some),
        st.builds(ast.MapConstructor, st.lists(st.builds(ast.MapEntry, texts, inner), max_size=2).map(tuple)),
    )


expressions: st.SearchStrategy[ast.Expression] = st.recursive(leaves, _larger, max_leaves=12)

# Tables

_literal = st.sampled_from(["a", "Orders-2017", "x.y_", "-", "select", "table", "201605", "A-"]).map(ast.Literal)
_parameter = st.sampled_from(["domain", "größe", "_"]).map(ast.ParameterPart)
_wild = st.one_of(
    st.just(ast.AnyText()),
    st.just(ast.AnyCharacter()),
    st.sampled_from(["abc", "a-z", "!0-9", "-", "!-"]).map(ast.CharacterClass),
    st.sampled_from([("201605", "201705"), ("a", "a"), ("-", "z")]).map(lambda bounds: ast.Range(*bounds)),
)


def _apart(parts: Sequence[ast.NamePart]) -> tuple[ast.NamePart, ...]:
    """Leave out literals that would run together with the one before."""
    kept: list[ast.NamePart] = []
    for part in parts:
        if not (isinstance(part, ast.Literal) and kept and isinstance(kept[-1], ast.Literal)):
            kept.append(part)
    return tuple(kept)


def _table_names(parts: st.SearchStrategy[ast.NamePart]) -> st.SearchStrategy[ast.TableName]:
    bare_names = st.lists(parts, min_size=1, max_size=4).map(lambda found: ast.TableName(_apart(found)))
    quoted_names = any_text.filter(bool).map(lambda name: ast.TableName((ast.Literal(name),), quoted=True))
    return bare_names | quoted_names


targets = _table_names(_literal | _parameter)
tables = _table_names(_literal | _parameter | _wild)
files = any_text.filter(bool).map(ast.FileName)

# Options and clauses

_signed = numbers | numbers.filter(bool).map(Decimal.copy_negate)
_atoms = st.one_of(
    _signed.map(ast.Percent),
    st.builds(ast.Units, _signed, st.sampled_from(["rcu", "wcu"])),
    (bare.filter(lambda word: word.name not in ("days", "rcu")) | quoted).map(ast.Word),
    texts,
    _signed.map(ast.Number),
    st.booleans().map(ast.Boolean),
    st.builds(ast.DurationLiteral, _signed, st.sampled_from(["day", "hour"])),
)
options = st.builds(ast.Option, any_word, st.lists(_atoms, min_size=1, max_size=3).map(tuple))
some_options = st.lists(options, max_size=2).map(tuple)

columns = st.builds(ast.Column, expressions, st.none() | identifiers)
stars = st.builds(
    ast.Star,
    st.lists(identifiers, max_size=2).map(tuple),
    st.lists(st.builds(ast.Column, expressions, identifiers), max_size=2).map(tuple),
    st.lists(st.builds(ast.Rename, identifiers, identifiers), max_size=2).map(tuple),
)
writes = st.one_of(
    st.none(),
    st.builds(
        ast.InsertInto, targets | files, some_options, st.lists(identifiers, max_size=2).map(tuple), st.booleans()
    ),
    st.builds(ast.MergeInto, targets | files, some_options, st.booleans()),
    st.builds(ast.DeleteFrom, targets | files, some_options),
)
conflicts = st.sampled_from(["REPLACE", "SKIP", "REJECT", "FAIL"]).map(ast.OnConflict) | identifiers.map(
    lambda column: ast.OnConflict("KEEP NEWEST", column)
)
statements = st.builds(
    ast.Statement,
    writes,
    st.lists(columns | stars, min_size=1, max_size=4).map(tuple),
    st.lists(st.builds(ast.Source, tables | files, some_options), min_size=1, max_size=3).map(tuple),
    st.lists(tables, max_size=2).map(tuple),
    st.none() | expressions,
    st.none() | st.integers(0, 10**12).map(ast.Limit),
    st.none() | conflicts,
    st.none() | st.sampled_from(["REJECT", "FAIL", "SKIP"]).map(ast.OnError),
    some_options,
)
declarations = st.one_of(
    st.builds(ast.Param, bare, st.none() | expressions),
    st.builds(ast.Let, bare, expressions),
    st.builds(ast.Using, texts.filter(lambda file: bool(file.value))),
)
specs = st.builds(ast.Spec, st.lists(declarations, max_size=3).map(tuple), statements)


@st.composite
def mutated_specs(draw: st.DrawFn, good: list[str]) -> str:
    """Good specs with pieces cut out, doubled, swapped or replaced."""
    text = draw(st.sampled_from(good))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 12)))
        piece = draw(
            st.sampled_from(
                ["", " ", "'", '"', "(", ")", ",", ";", "--", "/*", "*", "\0", "\n", "=", " FROM ", " AND "]
            )
            | st.just(text[start:end] * 2)
            | st.text(max_size=3)
        )
        text = text[:start] + piece + text[end:]
    return text
