"""DynamoDB's numbers: exact decimals of 38 significant digits.

In: texts and ``decimal.Decimal``. Out: the same, checked. Invariant: no digit is ever lost in silence; a number that
DynamoDB cannot hold exactly is a RowError; only a division, a power and a root are rounded, by ``ROUNDED``.
"""

from __future__ import annotations

import re
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
)

from ddbetl.errors import RowError

# Source: Amazon DynamoDB Developer Guide, "Supported data types: Number": 38 digits, from 1E-130 to 9.99…E+125.
DIGITS = 38
LARGEST_EXPONENT = 125
SMALLEST_EXPONENT = -130

# Wide enough for every sum, product and remainder of two of DynamoDB's numbers: the sum of the largest and the smallest
# has 294 digits, the whole quotient behind a remainder 293.
EXACT = Context(prec=600, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation, DivisionByZero])
ROUNDED = Context(
    prec=DIGITS, rounding=ROUND_HALF_EVEN, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, DivisionByZero]
)

NUMBER_TEXT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")


def parse_number(text: str) -> Decimal:
    """The number of a text: digits with an optional sign, fraction and exponent, and nothing else; RowError
    otherwise."""
    if NUMBER_TEXT.fullmatch(text) is None:
        raise RowError("R0105", f"{shown(text)} is not a number")
    try:
        number = Decimal(text)
    except InvalidOperation:
        # The exponent is too large for Decimal itself.
        raise RowError("R0103", f"{shown(text)} is outside of DynamoDB's range (1E-130 to 9.9E+125)") from None
    return check_number(number)


def check_number(number: Decimal) -> Decimal:
    """The number, if DynamoDB can hold it exactly; a RowError otherwise."""
    if not number:
        return Decimal(0)
    exact = ROUNDED.plus(number)
    if exact != number:
        raise RowError("R0104", f"{_cut(number_text(number))} has more than {DIGITS} significant digits")
    if not SMALLEST_EXPONENT <= exact.adjusted() <= LARGEST_EXPONENT:
        raise RowError("R0103", f"{number_text(exact)} is outside of DynamoDB's range (1E-130 to 9.9E+125)")
    return exact


def whole(number: Decimal, what: str) -> int:
    """A number as an int; RowError where it is none, with ``what`` it is for."""
    if number != number.to_integral_value():
        raise RowError("R0110", f"{what} must be a whole number, not {number_text(number)}")
    return int(number)


def number_text(number: Decimal) -> str:
    """The canonical text of a number: no trailing zeros, no exponent while it has at most 38 characters of digits."""
    if not number:
        return "0"
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    exponent += len(text) - len(stripped)
    mark = "-" if sign else ""
    if exponent >= 0 and len(stripped) + exponent <= DIGITS:
        return f"{mark}{stripped}{'0' * exponent}"
    if -DIGITS <= exponent < 0:
        whole, fraction = stripped[:exponent], stripped[exponent:]
        return f"{mark}{whole or '0'}.{fraction.rjust(-exponent, '0')}"
    point = f".{stripped[1:]}" if len(stripped) > 1 else ""
    return f"{mark}{stripped[0]}{point}E{exponent + len(stripped) - 1:+d}"


_LONGEST_TEXT = 80


def shown(text: str) -> str:
    """A row's text for a message, in quotes and shortened when it is long."""
    return f'"{_cut(text)}"'


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
