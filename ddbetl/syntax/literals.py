"""Numbers, texts, quoted names and units as they are written in a spec.

In: the characters of one token. Out: their value, and a diagnostic where the value cannot be held. Nothing is rounded:
a number that DynamoDB could not hold exactly is refused.
"""

from __future__ import annotations

from decimal import Decimal

from ddbetl.diagnostics import Diagnostic
from ddbetl.source import Span

# DynamoDB's NUMBER: 38 significant digits, magnitude from 1E-130 to 9.99…E+125 (Developer Guide, "Data types").
MAX_DIGITS = 38
MAX_EXPONENT = 125
MIN_EXPONENT = -130

UNITS: dict[str, str] = {
    "ms": "millisecond",
    "millisecond": "millisecond",
    "milliseconds": "millisecond",
    "second": "second",
    "seconds": "second",
    "minute": "minute",
    "minutes": "minute",
    "hour": "hour",
    "hours": "hour",
    "day": "day",
    "days": "day",
    "week": "week",
    "weeks": "week",
}

# Units without a fixed length, and what to write instead.
INSTEAD: dict[str, str] = {
    "month": "write the days: 30 days",
    "quarter": "write the days: 91 days",
    "year": "write the days: 365 days",
}

# Abbreviations that other languages know, and the unit to write.
ABBREVIATIONS: dict[str, str] = {
    "s": "seconds",
    "sec": "seconds",
    "secs": "seconds",
    "m": "minutes",
    "min": "minutes",
    "mins": "minutes",
    "h": "hours",
    "hr": "hours",
    "hrs": "hours",
    "d": "days",
    "w": "weeks",
    "wk": "weeks",
    "millis": "milliseconds",
    "msec": "milliseconds",
}


def read_number(text: str, span: Span) -> tuple[Decimal, Diagnostic | None]:
    """The exact value of a number's digits; zero with a diagnostic when DynamoDB could not hold it."""
    mantissa, _, exponent = text.lower().partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return Decimal(0), None
    significant = digits.rstrip("0")
    if len(significant) > MAX_DIGITS:
        return Decimal(0), Diagnostic(
            "E0106",
            f"this number has {len(significant)} significant digits; a NUMBER holds {MAX_DIGITS}",
            span,
            "write it as text, or with fewer digits",
        )
    # An exponent of seven digits and more is outside whatever the digits are, and may be too long for Decimal.
    value = Decimal(text) if len(exponent.lstrip("+-0")) <= 6 else None
    if value is None or not MIN_EXPONENT <= value.adjusted() <= MAX_EXPONENT:
        return Decimal(0), Diagnostic(
            "E0106",
            "this number is outside the range of a NUMBER (1E-130 to 9.99E+125)",
            span,
            "DynamoDB cannot hold it",
        )
    return value, None


def write_number(value: Decimal) -> str:
    """The digits of a number, with an exponent only where plain digits would be long."""
    if value.is_zero():
        return "-0" if value.is_signed() else "0"
    plain = f"{value:f}"
    return plain if len(plain) <= MAX_DIGITS + 2 else f"{value:E}"


def read_quoted(text: str) -> str:
    """The characters inside quotes, where a doubled quote stands for one."""
    quote = text[0]
    return text[1:-1].replace(quote * 2, quote)


def read_unit(text: str) -> str | None:
    """The unit's name in the singular; None when it has no fixed length."""
    return UNITS.get(text.lower())
