"""The golden-case runner itself: files are read exactly, rewritten faithfully, and a difference is seen."""

from __future__ import annotations

from pathlib import Path

import cases
import pytest
from cases import Case, check, parse, tables, write

TEXT = """\
A misspelt function is pointed at.

--- spec
SELECT  lenght(a)
-- a comment --- spec

--- args
-p domain=Devo --let 'ttl = 365 days'
--- items Orders
{"CustomerID": {"S": "A1"}}

{"CustomerID": {"S": "A2"}}
--- expect
there is no function lenght
  did you mean length?
"""


def test_sections_are_exact() -> None:
    case = parse(TEXT, Path("misspelt.case"))
    assert str(case) == "misspelt"
    assert case.title == "A misspelt function is pointed at."
    assert case.spec == "SELECT  lenght(a)\n-- a comment --- spec\n"
    assert case.args == ["-p", "domain=Devo", "--let", "ttl = 365 days"]
    assert case.items == {"Orders": [{"CustomerID": {"S": "A1"}}, {"CustomerID": {"S": "A2"}}]}
    assert case.text("expect") == "there is no function lenght\n  did you mean length?"
    assert case.text("stderr") is None
    assert parse("--- spec\n--- expect\nempty\n", Path()).spec == ""
    assert parse("--- spec\na\r\n", Path()).spec == "a\r"


def test_a_case_is_written_as_it_was_read() -> None:
    text = TEXT.replace("at.\n\n", "at.\n")
    assert write(parse(text, Path())) == text


@pytest.mark.parametrize("text", ["--- spek\n", "--- items\n", "--- spec Orders\n", "--- spec\n--- spec\n"])
def test_a_misspelt_or_repeated_section_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="section"):
        parse(text, Path("x.case"))


def test_a_difference_fails_and_an_equal_answer_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "UPDATE", False)
    case = parse(TEXT, Path("misspelt.case"))
    check(case, "there is no function lenght\n  did you mean length?\n")
    with pytest.raises(pytest.fail.Exception, match=r"\+  did you mean size\?"):
        check(case, "there is no function lenght\n  did you mean size?")
    with pytest.raises(pytest.fail.Exception, match="no section stderr"):
        check(case, "x", "stderr")
    with pytest.raises(AssertionError, match="looks like the header"):
        check(case, "--- expect")


def test_update_rewrites_the_expectation_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "UPDATE", True)
    monkeypatch.setattr(cases, "UPDATED", set())
    path = tmp_path / "misspelt.case"
    path.write_text(TEXT)
    before: Case = cases.read(path)
    check(before, "there is no function lenght\n  did you mean length?")
    assert set() == cases.UPDATED and path.read_text() == TEXT
    check(before, "another answer\n")
    check(before, "a warning", "stderr")
    after = cases.read(path)
    assert (after.text("expect"), after.text("stderr")) == ("another answer", "a warning")
    assert after.sections[:3] == before.sections[:3]
    assert {path} == cases.UPDATED


def test_a_kind_without_cases_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        cases.cases("no-such-kind")


def test_a_catalog_is_what_describe_table_answers() -> None:
    one, two, old, orders = tables(
        """
        # two months and a table with everything
        Tracker_{201605,201606} (CustomerID S, DateTime S), 500 items, 93500 bytes, provisioned 2000 rcu 1000 wcu
        Old (CustomerID S), status DELETING
        Orders (OrderID S), at most 500 rcu 400 wcu, warm 12000 rcu 4000 wcu, index ByDay (Day N, OrderID S)
        """
    )
    assert (one["TableName"], two["TableName"]) == ("Tracker_201605", "Tracker_201606")
    assert one["KeySchema"] == [
        {"AttributeName": "CustomerID", "KeyType": "HASH"},
        {"AttributeName": "DateTime", "KeyType": "RANGE"},
    ]
    assert (one["ItemCount"], one["TableSizeBytes"], one["TableStatus"]) == (500, 93500, "ACTIVE")
    assert one["ProvisionedThroughput"]["WriteCapacityUnits"] == 1000
    assert orders["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert orders["OnDemandThroughput"] == {"MaxReadRequestUnits": 500, "MaxWriteRequestUnits": 400}
    assert orders["WarmThroughput"]["ReadUnitsPerSecond"] == 12000
    assert old["TableStatus"] == "DELETING"
    (index,) = orders["GlobalSecondaryIndexes"]
    assert index["KeySchema"][1] == {"AttributeName": "OrderID", "KeyType": "RANGE"}
    assert orders["AttributeDefinitions"] == [
        {"AttributeName": "OrderID", "AttributeType": "S"},
        {"AttributeName": "Day", "AttributeType": "N"},
    ]


@pytest.mark.parametrize("line", ["Orders", "Orders (OrderID X)", "Orders (OrderID S), 5 rows", "Or ders (OrderID S)"])
def test_a_misspelt_catalog_is_an_error(line: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        tables(line)
