"""What is said to be always so is so for every value, and what is plain is found."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ddbetl.expressions.evaluate import evaluator
from ddbetl.expressions.ir import Expression
from ddbetl.functions.model import RowContext
from ddbetl.plan.truth import decided
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax import parser
from ddbetl.types import Timestamp

VALUES = ("-1", "0", "1", "2", "3", "4")
CONTEXT = RowContext("", Timestamp(0))

comparisons = st.builds(
    "{} {} {}".format,
    st.sampled_from("ab"),
    st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
    st.sampled_from("0123"),
)
flipped = st.builds(
    "{} {} {}".format, st.sampled_from("0123"), st.sampled_from(["=", "<", ">="]), st.sampled_from("ab")
)
others = st.sampled_from(
    [
        "a IS NULL",
        "a IS NOT NULL",
        "NOT a IS NULL",
        "NOT (a = a)",
        "NOT (b <> b)",
        "NOT (a < a)",
        "NOT (b > 0 OR b <= 0)",
        "NOT (a = 1 AND a = 2)",
        "b IS NOT NULL",
        "a IN (1, 2)",
        "a IN (3)",
        "a BETWEEN 2 AND 1",
        "TRUE",
        "FALSE",
        "abs(a) >= 0",
        "abs(b) >= 0",
        "a = a",
        "b <> b",
        "a = b",
    ]
)
conditions = st.recursive(
    comparisons | flipped | others,
    lambda inner: st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner),
    max_leaves=6,
)


def predicate(text: str) -> Expression:
    spec = f"SELECT x FROM Orders WHERE {text}"
    source = SourceText(spec)
    where = parser.parse(source).statement.where
    assert where is not None
    found, said = compile_expression(where, source)
    assert found is not None, said
    return found


@given(conditions)
@example("(a > 1 AND a < 2)")
@example("(a <> 1 OR a <> 2)")
def test_what_is_decided_holds_for_all_values(text: str) -> None:
    condition = predicate(text)
    found = decided(condition)
    if found is None:
        return
    value = evaluator(condition)
    present = evaluator(found.present) if found.present is not None else None
    for a, b in product((None, *VALUES), repeat=2):
        item = {name: {"N": number} for name, number in (("a", a), ("b", b)) if number is not None}
        result = value(item, CONTEXT)
        if not found.always:
            assert result is not True, (text, item)
        elif present is None or present(item, CONTEXT) is not None:
            assert result is True, (text, item)


@pytest.mark.parametrize(
    ("text", "always"),
    [
        ("a = 1 AND a = 2", False),
        ("a = 1 AND b = 2 AND a > 1", False),
        ("a BETWEEN 2 AND 1", False),
        ("a IN (1, 2) AND a > 2", False),
        ("a IS NULL AND a < 5", False),
        ("length(a) < 0", False),
        ("a = 'x' AND 'y' = a", False),
        ("a = 1 OR 1 = 1", True),
        ("a <> 'x' OR a <> 'y'", True),
        ("a > 0 OR a <= 0", True),
        ("a < 5 OR b = 2 OR a > 3", True),
        ("a >= 'x' OR a < 'x'", True),
        ("a = 1 OR a <> 1", True),
        ("a <> 1 OR a IN (2, 1)", True),
        ("a <> 1 OR a > 0", True),
        ("a = a", True),
        ("a.b[0] >= a.b[0]", True),
        ("a < a", False),
        ("a = 5 AND b <> b", False),
        ("NOT (a = a)", False),
        ("NOT (a > 0 OR a <= 0)", False),
        ("NOT NOT (a = a)", None),
        ("NOT (a <> a)", True),
        ("NOT (a = 1 AND a = 2)", None),
        ("a IS NULL", None),
        ("a > 0 OR a < 0", None),
        ("a > 1 OR a <= 0", None),
        ("a <> 1 OR a > 1", None),
        ("a <> 1 OR a = '1'", None),
        ("a <> 1 OR b = 1", None),
        ("a = b", None),
        ("a[0] = a[1]", None),
        ("a = 1 OR b = 2", None),
        ("a = 1 AND a <= 1", None),
        ("a > 1 AND a < 2", None),
        ("a <> 1 OR b <> 2", None),
    ],
)
def test_what_is_plain_is_found(text: str, always: bool | None) -> None:
    found = decided(predicate(text))
    assert (found.always if found is not None else None) is always


@pytest.mark.parametrize(
    ("text", "always"),
    [
        ("k IS NULL", False),
        ("k IS NOT NULL", True),
        ("NOT k IS NULL", True),
        ("NOT k IS NOT NULL", False),
        ("a = 1 AND k IS NULL", False),
        ("a = 1 OR k IS NOT NULL", True),
        ("NOT (a = 1 AND k IS NULL)", True),
        ("NOT (a = 1 OR k IS NOT NULL)", False),
        ("a = 1 AND k IS NOT NULL", None),
        ("a = 1 OR k IS NULL", None),
        ("k[0] IS NULL", None),
        ("a IS NULL", None),
        ("k = 1", None),
    ],
)
def test_every_item_has_its_key(text: str, always: bool | None) -> None:
    condition = predicate(text)
    found = decided(condition, frozenset("k"))
    assert (found.always if found is not None else None) is always
    if found is None:
        return
    value = evaluator(condition)
    results = {value({"k": {"N": "1"}, **rest}, CONTEXT) for rest in ({}, {"a": {"N": "1"}}, {"a": {"N": "2"}})}
    assert results == {True} if found.always else True not in results
