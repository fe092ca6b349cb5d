"""``ddbetl init``: the first spec of a table compiles and runs as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from processes import process
from servers import Server, new_prefix
from tables import create, fill, read

from ddbetl import api
from ddbetl.cli import init
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.fmt import formatted
from ddbetl.connectors.dynamodb.control import _description
from ddbetl.engine.sample import TableReport, _attributes
from ddbetl.plan.catalog import Site
from ddbetl.source import SourceText
from ddbetl.syntax import ast
from ddbetl.syntax.parser import parse

Items = list[dict[str, dict[str, Any]]]
ORDERS: Items = [
    {
        "CustomerID": {"S": f"C{number}"},
        "DateTime": {"S": f"2017-04-{number + 1:02}T10:15:30.500+02:00"},
        "Shipped": {"S": f"{number + 13:02}/05/2017"},
        "Note": {"S": f"see C{number}"},
        "Total": {"N": str(number)} if number % 3 else {"S": str(number)},
        "select": {"BOOL": True},
        'an odd "name"': {"L": []},
        **({"Rare": {"M": {}}} if number == 4 else {}),
    }
    for number in range(9)
]


def report(items: Items, *key: str, name: str = "Orders", sampled: int | None = None) -> TableReport:
    """A table with these items, all of them sampled."""
    found = _description(
        {
            "TableName": name,
            "AttributeDefinitions": [{"AttributeName": one, "AttributeType": "S"} for one in key],
            "KeySchema": [
                {"AttributeName": one, "KeyType": kind} for one, kind in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            "ItemCount": 5000,
        }
    )
    return TableReport(found, Site("us-east-1", None, "http://127.0.0.1:1"), len(items), 1.0, _attributes(found, items))


def columns(text: str) -> list[str]:
    """The names of the columns of a spec."""
    items = parse(SourceText(text)).statement.select
    return [item.expression.identifier.name for item in items if isinstance(item, ast.Column)]  # type: ignore[union-attr]


def test_all_attributes_are_columns_the_key_first_then_the_frequent_ones() -> None:
    text = init.spec_of(report(ORDERS, "CustomerID", "DateTime"), "Copy", None, "orders.ddbetl")
    assert text == (
        "-- Orders, with the attributes of 9 items of about 5,000: what no sampled item has is not copied.\n"
        "-- ddbetl preview orders.ddbetl\n"
        "-- ddbetl run orders.ddbetl\n"
        "\n"
        "INSERT INTO Copy KEY (CustomerID, DateTime)\n"
        "SELECT CustomerID,  -- STRING, the partition key\n"
        "       DateTime,  -- STRING, the sort key\n"
        "       -- epoch(DateTime) AS DateTime_epoch, -- in seconds, of texts such as 2017-04-01T10:15:30.500+02:00\n"
        "       Note,  -- STRING; 100% of the items have it\n"
        "       Shipped,  -- STRING; 100% of the items have it\n"
        "       -- epoch(Shipped, 'dd/MM/yyyy') AS Shipped_epoch, -- in seconds, of texts such as 13/05/2017\n"
        "       Total,  -- NUMBER 67%, STRING 33%; 100% of the items have it\n"
        "       -- in place of Total: to_number(Total) AS Total, -- one type instead of 2\n"
        '       "an odd ""name""",  -- LIST; 100% of the items have it\n'
        "       select,  -- BOOLEAN; 100% of the items have it\n"
        "       Rare  -- MAP; 11% of the items have it\n"
        "FROM   Orders\n"
        "ON CONFLICT REJECT  -- of an item that is there already, with other values\n"
        "WITH   (read = 25%, write = 25%);  -- of what the tables can take\n"
    )
    assert formatted(text, "") == text
    api.check(text)


def test_proposals_can_be_uncommented() -> None:
    text = init.spec_of(report(ORDERS, "CustomerID", "DateTime"), "Copy", None, "f")
    for name in ("DateTime_epoch", "Shipped_epoch"):
        line = next(line for line in text.splitlines() if f"AS {name}," in line)
        api.check(text.replace(line, line.replace("-- epoch", "epoch", 1)))


def test_a_proposal_of_the_last_column_stands_above_it() -> None:
    items: Items = [{"id": {"S": "a"}, "t": {"S": "2017-04-26T10:15:30Z"}}]
    text = init.spec_of(report(items, "id"), None, None, "f")
    lines = text.splitlines()
    at = lines.index("       t  -- STRING; 100% of the items have it")
    assert lines[at - 1].startswith("       -- epoch(t) AS t_epoch,")
    api.check(text.replace("       -- epoch", "       epoch"))


def test_what_is_no_time_is_not_proposed() -> None:
    for texts in (("a", "b"), ("12345", "99"), ("2017-04-26", "none"), ("1493201730",), ()):
        assert init.time_expression("x", texts) is None
    assert init.time_expression("x", ("2017-04-26", "2017-04-27")) == "epoch(x)"
    assert init.time_expression("x", ("26/04/2017 10:15", "3/5/2017 9:05")) is not None


def test_names_that_are_taken_or_odd_are_no_error() -> None:
    time = {"S": "2017-04-26T10:15:30Z"}
    items: Items = [{"id": {"S": "a"}, "t": time, "t_epoch": {"N": "1"}, "null": time, "x\ny": time, "z": {"S": ""}}]
    text = init.spec_of(report(items, "id"), "Copy", None, "f")
    assert "AS t_epoch_," in text and "x\ny_epoch" not in text
    assert set(columns(text)) == set(items[0])
    api.check(text)


def test_without_items_there_is_the_key() -> None:
    text = init.spec_of(report([], "id", "at", name="a-b.c"), "Copy", None, "f")
    assert columns(text) == ["id", "at"]
    api.check(text)


def test_without_a_target_the_spec_selects() -> None:
    text = init.spec_of(report(ORDERS, "CustomerID", "DateTime"), None, None, "FILE")
    assert "-- INSERT INTO Orders_copy KEY (CustomerID, DateTime)\nSELECT" in text
    assert api.check(text).physical.write is None
    api.check(text.replace("-- INSERT", "INSERT"))


def test_a_target_of_another_key_is_told() -> None:
    target = report([], "PK", "CustomerID").description
    text = init.spec_of(report(ORDERS, "CustomerID", "DateTime"), "Copy", target, "f")
    assert "-- To do: a column PK, STRING, which is of the key of Copy." in text
    assert "KEY (" not in text


# With a server


@pytest.fixture
def table(one_server: Server) -> str:
    name = f"{new_prefix()}Orders"
    create(one_server, name, ("CustomerID", "S"), ("DateTime", "S"))
    fill(one_server, name, ORDERS)
    return name


def test_the_spec_runs_as_it_is(one_server: Server, table: str, tmp_path: Path) -> None:
    where = ("--endpoint-url", one_server.endpoint_url)
    made = process(None, "init", table, "--into", f"{table}2", "-o", "first.ddbetl", *where, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert not made.stdout and "Read 9 items for" in made.stderr and "Written to first.ddbetl" in made.stderr
    checked = process(None, "check", "first.ddbetl", folder=tmp_path)
    assert checked.returncode == 0, checked.stderr
    done = process(None, "run", "first.ddbetl", "--yes", *where, folder=tmp_path)
    assert done.returncode == 0, done.stderr

    def by_key(items: Items) -> list[str]:
        return sorted(json.dumps(item, sort_keys=True) for item in items)

    assert by_key(read(one_server, f"{table}2")) == by_key(ORDERS)
    # There is a target now.
    again = process(None, "init", table, "--into", f"{table}2", *where, folder=tmp_path)
    assert f"INSERT INTO {table}2\n" in again.stdout
    (tmp_path / "again.ddbetl").write_text(again.stdout, encoding="utf-8")
    assert process(None, "explain", "again.ddbetl", *where, folder=tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["", "ab", "Orders_*", "bad name", "arn:aws:dynamodb:eu-west-1:1:table/x", "n" * 256])
def test_what_cannot_be_a_table_is_not_asked_for(name: str) -> None:
    for arguments in (["init", name], ["init", "Orders", "--into", name], ["describe", name]):
        result = CliRunner().invoke(cli, arguments, prog_name="ddbetl")
        assert result.exit_code == ExitCode.USAGE
        assert "cannot be a table's name" in result.stderr


def test_escape_codes_in_a_name_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = "\x1b[31mred\x1b[0m"
    monkeypatch.setattr("ddbetl.describe", lambda *_, **__: report([{"id": {"S": "a"}, odd: {"N": "1"}}], "id"))
    assert columns(CliRunner().invoke(cli, ["init", "Orders"], prog_name="ddbetl").stdout) == ["id", odd]


def test_no_file_is_overwritten(one_server: Server, table: str, tmp_path: Path) -> None:
    where = ("--endpoint-url", one_server.endpoint_url)
    (tmp_path / "a.ddbetl").write_text("mine", encoding="utf-8")
    result = process(None, "init", table, "-o", "a.ddbetl", *where, folder=tmp_path)
    assert result.returncode == ExitCode.USAGE
    assert (tmp_path / "a.ddbetl").read_text(encoding="utf-8") == "mine"
    same = process(None, "init", table, "--into", table, *where, folder=tmp_path)
    assert same.returncode == ExitCode.USAGE
    missing = process(None, "init", f"{table}x", *where, folder=tmp_path)
    assert missing.returncode == ExitCode.FAILED and f"did you mean {table}" in missing.stderr
    nowhere = process(None, "init", table, "-o", "no/such/folder", *where, folder=tmp_path)
    assert nowhere.returncode == ExitCode.USAGE and "Read" not in nowhere.stderr
