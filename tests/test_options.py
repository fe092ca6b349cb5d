"""The options of WITH and of tables: each with its values, and what it refuses."""

from __future__ import annotations

from decimal import Decimal

import pytest
from compiling import NOW

from ddbetl import api
from ddbetl.errors import SpecError
from ddbetl.plan.options import (
    CONNECTION_OPTIONS,
    JOB_OPTIONS,
    OptionError,
    OptionValue,
    PercentRate,
    UnitRate,
    Unlimited,
)
from ddbetl.syntax import parser

KINDS = {kind.name: kind for kind in (*JOB_OPTIONS, *CONNECTION_OPTIONS)}


def value(text: str) -> OptionValue:
    option = parser.parse_option(text)
    read = KINDS[option.name.name].read
    assert read is not None
    return read(option)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("read = 50%", PercentRate(Decimal(50))),
        ("read = 100%", PercentRate(Decimal(100))),
        ("write = 0.5%", PercentRate(Decimal("0.5"))),
        ("read = 500 rcu", UnitRate(Decimal(500), "rcu")),
        ("write = 1.5 WCU", UnitRate(Decimal("1.5"), "wcu")),
        ("read = unlimited", Unlimited()),
        ("write = UNLIMITED", Unlimited()),
        ("timezone = 'Europe/Berlin'", "Europe/Berlin"),
        ("segments = 1", 1),
        ("segments = 1e5", 100_000),
        ("consistent_read = TRUE", True),
        ("consistent_read = false", False),
        ("region = 'us-west-2'", "us-west-2"),
        ("endpoint = 'http://127.0.0.1:8000'", "http://127.0.0.1:8000"),
    ],
)
def test_values(text: str, expected: OptionValue) -> None:
    assert value(text) == expected


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("read = 0.5", "E0502"),
        ("read = 50", "E0502"),
        ("write = 500", "E0502"),
        ("read = 100.1%", "E0503"),
        ("read = 0%", "E0503"),
        ("read = -1%", "E0503"),
        ("read = 0", "E0503"),
        ("write = 0 wcu", "E0503"),
        ("write = -3 wcu", "E0503"),
        ("read = 5 wcu", "E0506"),
        ("write = 5 rcu", "E0506"),
        ("read = '50%'", "E0504"),
        ("read = half", "E0504"),
        ("read = 5 days", "E0504"),
        ("read = 50% 60%", "E0504"),
        ('read = "unlimited" 5', "E0504"),
        ("segments = 0", "E0504"),
        ("segments = 1.5", "E0504"),
        ("segments = -1", "E0504"),
        ("segments = 1000001", "E0504"),
        ("segments = '5'", "E0504"),
        ("consistent_read = 1", "E0504"),
        ("consistent_read = yes", "E0504"),
        ("timezone = UTC", "E0504"),
        ("region = ''", "E0504"),
        ("profile = 5", "E0504"),
    ],
)
def test_values_that_an_option_does_not_take(text: str, code: str) -> None:
    with pytest.raises(OptionError) as caught:
        value(text)
    assert caught.value.code == code
    assert caught.value.hint
    span = caught.value.span
    assert text[span.start : span.end] == text[text.index("=") + 2 :]


def test_a_hint_proposes_what_may_be_meant() -> None:
    hints = {}
    for text in ("read = 0.5", "read = 0.005", "write = 50", "write = 100", "write = 101", "read = 2000"):
        with pytest.raises(OptionError) as caught:
            value(text)
        hints[text] = caught.value.hint
    assert hints == {
        "read = 0.5": "50%?",
        "read = 0.005": "0.5%?",
        "write = 50": "50% or 50 wcu?",
        "write = 100": "100% or 100 wcu?",
        "write = 101": "101 wcu?",
        "read = 2000": "2000 rcu?",
    }


def test_an_option_is_in_one_place_and_documented() -> None:
    names = [kind.name for kind in (*JOB_OPTIONS, *CONNECTION_OPTIONS)]
    assert len(set(names)) == len(names)
    assert [kind.name for kind in KINDS.values() if len(kind.doc) < 10] == []


def test_options_ignore_case_and_the_command_line_counts() -> None:
    spec = "SELECT epoch(a) AS b FROM Orders WITH (READ = 10%, TimeZone = 'UTC', segments = 2)"
    logical = api.check(
        spec, options=["read = 20 rcu", "timezone = 'Asia/Tokyo'", "write = 5%", "write = 6%"], now=NOW
    ).physical.logical
    assert logical.read == UnitRate(Decimal(20), "rcu")
    assert logical.write == PercentRate(Decimal(6))
    assert logical.settings.zone.name == "Asia/Tokyo"
    assert logical.segments == 2


@pytest.mark.parametrize(
    ("option", "code", "place"),
    [
        ("raed = 50%", "E0501", "raed"),
        ("read = 0.5", "E0502", "0.5"),
        ("write = 150%", "E0503", "150%"),
        ("timezone = 'Mars/Olympus'", "E0504", "'Mars/Olympus'"),
        ("ttl_attribute = 5", "E0504", "5"),
    ],
)
def test_an_error_of_the_command_line_is_located_there(option: str, code: str, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        api.check("SELECT * FROM Orders WITH (read = 10%)", options=[option], now=NOW)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == code
    assert diagnostic.source is not None and diagnostic.source.text == option
    assert diagnostic.span is not None
    assert option[diagnostic.span.start : diagnostic.span.end] == place


def test_a_wrong_text_of_the_command_line_is_a_spec_error() -> None:
    for wrong in ("read", "read = ", "= 5", "read = 5 % %", ""):
        with pytest.raises(SpecError) as caught:
            api.check("SELECT * FROM Orders", options=[wrong], now=NOW)
        assert caught.value.source.text == wrong
        with pytest.raises(SpecError):
            api.check("SELECT * FROM Orders", lets=[wrong], now=NOW)
