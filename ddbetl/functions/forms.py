"""The forms of lowered values: literals, guards, and conversions between forms.

In: ``Fast`` values. Out: the same in another form, or None where there is none. Invariant: the SQL made here never
raises.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from ddbetl.functions.model import Fast, Form, Lowering

NULL = Fast("NULL", Form.TEXT)

# What DECIMAL(38,9) holds.
SCALE = 9
WHOLE_DIGITS = 29


def is_null(fast: Fast) -> bool:
    """Whether a lowered value is the NULL of the spec's text, which has no form of its own."""
    return fast.value == NULL.value


def conjunction(guards: Iterable[str | None]) -> str | None:
    """The AND of guards; None when all of them are always true."""
    unique = list(dict.fromkeys(g for g in guards if g is not None))
    if not unique:
        return None
    return unique[0] if len(unique) == 1 else "(" + " AND ".join(unique) + ")"


def number_literal(value: Decimal) -> Fast | None:
    """A NUMBER that is known when the spec is compiled; None for one that no form holds."""
    if value == value.to_integral_value() and abs(value) < 2**63:
        return Fast(f"{int(value)}::BIGINT", Form.INTEGER)
    exponent = value.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    if exponent >= -SCALE and abs(value) < Decimal(10) ** WHOLE_DIGITS:
        return Fast(f"'{value:f}'::DECIMAL(38,9)", Form.DECIMAL)
    return None


def attempt(lowering: Lowering, sql: str, form: Form, guard: str | None = None) -> Fast:
    """One operation that can overflow or fail, over operands that cannot: NULL then, and behind the guard.

    Only one: DuckDB takes what two expressions have in common out of both, and out of their TRYs too, so a second
    operation inside this TRY would fail outside of it. TRY costs two nanoseconds a row where nothing fails.
    """
    value = lowering.bind(f"TRY({sql})")
    return Fast(value, form, conjunction([f"({value} IS NOT NULL)", guard]))


def cast(lowering: Lowering, sql: str, form: Form, guard: str | None = None) -> Fast:
    """A value that cannot fail, in a form that may be too narrow for it: NULL then, and behind the guard."""
    value = lowering.bind(f"TRY_CAST({sql} AS {form.value})")
    return Fast(value, form, conjunction([f"({value} IS NOT NULL)", guard]))


def to_decimal(fast: Fast) -> Fast | None:
    """A lowered NUMBER as DECIMAL; None for another form."""
    if is_null(fast):
        return Fast("NULL", Form.DECIMAL, fast.guard)
    match fast.form:
        case Form.DECIMAL:
            return fast
        case Form.INTEGER:
            return replace(fast, value=f"CAST({fast.value} AS DECIMAL(38,9))", form=Form.DECIMAL)
        case _:
            return None


def to_integer(lowering: Lowering, fast: Fast) -> Fast | None:
    """A lowered NUMBER as INTEGER; the guard, that it is whole and fits, is about this step alone. None: another
    form."""
    match fast.form:
        case Form.INTEGER:
            return Fast(fast.value, fast.form)
        case Form.DECIMAL:
            value = lowering.bind(f"TRY_CAST({fast.value} AS BIGINT)")
            return Fast(value, Form.INTEGER, f"coalesce({fast.value} = CAST({value} AS DECIMAL(38,9)), FALSE)")
        case _:
            return None


def unify(values: Sequence[Fast]) -> tuple[Fast, ...] | None:
    """Values of one type in one form; None where they have none in common. A NULL goes with every form."""
    forms = {value.form for value in values if not is_null(value)}
    if len(forms) <= 1:
        form = next(iter(forms), Form.TEXT)
        return tuple(replace(value, form=form) for value in values)
    if forms == {Form.INTEGER, Form.DECIMAL}:
        decimals = [to_decimal(value) for value in values]
        return tuple(value for value in decimals if value is not None)
    return None


# A text that is a number which DECIMAL(38,9) holds exactly. Others may be numbers too.
DECIMAL_TEXT = r"-?[0-9]{1,29}(\.[0-9]{1,9})?"


def decimal_of_text(lowering: Lowering, text: str) -> Fast:
    """The NUMBER of an SQL text, which may be NULL; behind a guard, which is NULL for NULL."""
    value = lowering.bind(f"TRY_CAST({text} AS DECIMAL(38,9))")
    return Fast(value, Form.DECIMAL, lowering.bind(f"regexp_full_match({text}, '{DECIMAL_TEXT}')"))


def text_of_number(number: Fast) -> str | None:
    """SQL for the canonical text of a lowered NUMBER."""
    match number.form:
        case Form.INTEGER:
            return f"({number.value})::VARCHAR"
        case Form.DECIMAL:
            return f"rtrim(rtrim(({number.value})::VARCHAR, '0'), '.')"
        case _:
            return None
