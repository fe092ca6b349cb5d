"""USING: Python functions of the user's own, from the file that declares them to the rows that they make."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import tables
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from planned import NOW, planned
from servers import Server

import ddbetl
from ddbetl import api, jobs, python_files
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.diagnostics import render
from ddbetl.engine.rows import Filtered, Row, RowEvaluator, RowFailure
from ddbetl.engine.transform import PageInput, Transformer, told_apart
from ddbetl.errors import JobFailed, RowError, SpecError
from ddbetl.functions import own_arrays
from ddbetl.functions.declared import DeclarationError, function
from ddbetl.functions.model import RowContext
from ddbetl.functions.own import of_python, to_python
from ddbetl.types import (
    NULL_VALUE,
    BinarySet,
    Duration,
    NumberSet,
    StringSet,
    Timestamp,
    Type,
    Value,
)

Item = dict[str, dict[str, Any]]

HEAD = """\
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import pyarrow as pa
import pyarrow.compute as pc
from ddbetl import function

"""

# Six lines of HEAD come before.
MASK = """\
@function("STRING", returns="STRING")
def mask(card):
    '''Stars for all but the last four digits.'''
    if not card.isdigit():
        raise ValueError("bad digit")
    return "*" * (len(card) - 4) + card[-4:]
"""


@dataclass
class Folder:
    """A folder with Python files, in which specs are compiled."""

    path: Path

    def write(self, text: str, name: str = "own.py") -> Path:
        file = self.path / name
        file.write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
        return file

    def check(self, spec: str, **more: Any) -> ddbetl.Plan:
        return ddbetl.check(spec, name=str(self.path / "spec.ddbetl"), **more)

    def refused(self, spec: str, **more: Any) -> str:
        """What is said of a wrong spec."""
        with pytest.raises(SpecError) as refused:
            self.check(spec, **more)
        return render(refused.value.source, refused.value.diagnostics).replace(f"{self.path}/", "")

    def rows(self, spec: str, items: Sequence[Item]) -> Rows:
        return rows(spec, items, str(self.path / "spec.ddbetl"))

    def values(self, expression: str, *values: Any, using: str = "own.py") -> list[Any]:
        """What an expression over ``x`` makes of values, each the attribute or the message of an error."""
        items = [{"id": {"S": str(n)}} | ({"x": value} if value is not None else {}) for n, value in enumerate(values)]
        found = self.rows(f"USING '{using}'; SELECT id, {expression} AS y FROM Source", items)
        return [row.get("y") if isinstance(row, dict) else row for row in found.rows]


@dataclass
class Rows:
    """What a run makes of items: each row, the error, or None for one that is filtered; and how many were fast."""

    rows: list[Any]
    fast: int


def rows(spec: str, items: Sequence[Item], name: str) -> Rows:
    """Run a page as a job does, and check that what is fast is what the reference makes."""
    plan = planned(spec, into="Target", name=name)
    transformer = Transformer(plan.transform.statement)
    try:
        page = json.dumps(items, ensure_ascii=False).encode()
        (output,) = told_apart(transformer.make([PageInput(page, len(items), "Source", NOW.millis)]))
    finally:
        transformer.close()
    assert plan.write is not None
    evaluator = RowEvaluator(plan.transform, plan.write.key)
    found: list[Any] = []
    for item in items:
        match evaluator.row(json.dumps(item).encode(), RowContext("Source", NOW)):
            case Row(item=row):
                found.append(json.loads(row))
            case Filtered():
                found.append(None)
            case RowFailure(code=code, message=message):
                found.append(f"{code} {message}")
    by_reference = set(output.by_reference)
    seen = set(by_reference)
    made = output.entries
    for position, entry in zip(made.positions.to_pylist(), made.texts.to_pylist(), strict=True) if made else ():
        assert json.loads(entry.removesuffix(","))["PutRequest"]["Item"] == found[position]
        seen.add(position)
    assert all(found[position] is None for position in set(range(len(items))) - seen)
    return Rows(found, len(items) - len(by_reference))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


# The decorator


def test_importing_the_decorator_loads_neither_duckdb_nor_arrow() -> None:
    program = "import sys; from ddbetl import function; print({'duckdb', 'pyarrow', 'boto3', 'lark'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_declared_function_is_still_the_python_function() -> None:
    @function("NUMBER", returns="NUMBER")
    def twice(n: int) -> int:
        return 2 * n

    assert twice(4) == 8


@pytest.mark.parametrize(
    ("declaration", "said"),
    [
        ('@function("STRIN", returns="STRING")\ndef f(x): ...', "f: x: there is no type STRIN; did you mean STRING?"),
        ('@function("NULL", returns="STRING")\ndef f(x): ...', "f: x: there is no type NULL; there are STRING, NUMBER,"),
        ('@function(str, returns="STRING")\ndef f(x): ...', 'f: x: a type is a text, as in "STRING"; there are STRING,'),
        ('@function("STRING", returns="int")\ndef f(x): ...', "f: the result: there is no type int; "),
        ('@function(returns="STRING")\ndef f(x): ...', "f has 1 parameter, and 0 types"),
        ('@function("STRING", "ANY", returns="STRING")\ndef f(x): ...', "f has 1 parameter, and 2 types"),
        ('@function("STRING", returns="STRING")\ndef f(*x): ...', "f: *x has no type; name each parameter"),
        ('@function("STRING", returns="STRING")\ndef f(y, **x): ...', "f: **x has no type; name each parameter"),
        ('@function("STRING", returns="STRING")\ndef f(y, *, x): ...', "f: a spec gives arguments by position, so not x"),
        ('@function("STRING", returns="STRING")\nasync def f(x): ...', "f: a function returns its result; it is no cor"),
        ('@function("STRING", returns="STRING")\ndef f(x): yield x', "f: a function returns its result; it is no cor"),
        ('@function("STRING", returns="STRING")\nclass F: ...', "@function stands before a def"),
        ('@function("ANY", returns="ANY", name="a-b")\ndef f(x): ...', "'a-b' is no name for a function: it is letters"),
        ('@function("LIST", returns="STRING", vectorised=True)\ndef f(x): ...', "f: x: arrays of a vectorised function hold"),
        ('@function(returns="STRING", vectorised=True)\ndef f(): ...', "f: a vectorised function has a parameter, which"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_an_error_of_the_spec(folder: Folder, declaration: str, said: str) -> None:
    folder.write(declaration)
    found = folder.refused("USING 'own.py'; SELECT 1 AS a FROM Orders")
    assert found.startswith(f"error[E0212]: {said}")
    assert "(line 7 of own.py)" in found.splitlines()[0]


def test_the_decorator_raises_where_it_stands() -> None:
    with pytest.raises(DeclarationError, match="f has 1 parameter, and 0 types"):
        function(returns="ANY", name="f")(lambda x: x)


# Files


SPEC = "USING 'own.py';\nSELECT id, mask(card) AS card FROM Orders"


def test_a_file_is_looked_for_beside_the_spec(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(MASK)
    assert folder.check(SPEC).physical.logical.files[0][0] == "own.py"
    with pytest.raises(SpecError, match=r"E0209: there is no file own\.py"):
        ddbetl.check(SPEC)
    monkeypatch.chdir(folder.path)
    for name in ("<spec>", "<stdin>", "<command line>", "spec.ddbetl"):
        ddbetl.check(SPEC, name=name)


def test_a_file_that_cannot_be_read(folder: Folder) -> None:
    (folder.path / "folder.py").mkdir()
    assert "cannot be read: " in folder.refused("USING 'folder.py'; SELECT a FROM Orders")
    assert "cannot be read: " in folder.refused("USING 'a\0b.py'; SELECT a FROM Orders")
    folder.write(MASK, "masks.py")
    assert " = did you mean masks.py?" in folder.refused("USING 'mask.py'; SELECT m(a) AS a FROM Orders")


def test_a_parameter_names_no_file(folder: Folder) -> None:
    folder.write(MASK)
    spec = "PARAM file = 'own';\nUSING '${file}.py';\nSELECT id FROM Orders"
    found = folder.refused(spec)
    assert found.startswith("error[E0209]: there is no file ${file}.py") and "a PARAM is a value" in found
    for using in ("USING file", "USING ${file}", "USING 'own' || '.py'"):
        assert "error[E01" in folder.refused(
            f"PARAM file = 'own.py';\nLET name = 'own.py';\n{using};\nSELECT id FROM O_1"
        )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "own.py: SyntaxError: invalid syntax (line 7 of own.py)"),
        ("x = 1\n  y = 2\n", "own.py: IndentationError: unexpected indent (line 8 of own.py)"),
        ("\nraise ValueError('no')\n", "own.py fails: ValueError: no (line 8 of own.py)"),
        ("raise SystemExit(3)", "own.py fails: SystemExit: 3 (line 7 of own.py)"),
        ("def f():\n    1 / 0\nf()", "own.py fails: ZeroDivisionError: division by zero (line 8 of own.py)"),
        ("import no_such_module_xyz", "own.py fails: ModuleNotFoundError: No module named 'no_such_module_xyz' (line 7"),
        ("import other", "own.py fails: ModuleNotFoundError: No module named 'other' (line 7 of own.py)"),
    ],
)  # fmt: skip
def test_a_file_that_fails_is_told_with_its_line(folder: Folder, text: str, said: str) -> None:
    folder.write(MASK, "other.py")
    (folder.path / "own.py").write_text(HEAD + text)
    found = folder.refused(SPEC)
    assert found.startswith(f"error[E0210]: {said}")
    assert "1 | USING 'own.py';\n  |       ^^^^^^^^" in found
    assert "E0301" not in found, "what it would have declared is not missed"


def test_a_file_is_executed_once(folder: Folder, tmp_path: Path) -> None:
    folder.write(MASK + f"\nwith open({str(tmp_path / 'log')!r}, 'a') as log: log.write('x')\n")
    assert not (tmp_path / "log").exists()
    for _ in range(3):
        folder.check(SPEC)
    assert (tmp_path / "log").read_text() == "x"


def test_a_spec_without_using_runs_no_python(folder: Folder, tmp_path: Path) -> None:
    folder.write(f"open({str(tmp_path / 'log')!r}, 'a')\n" + MASK)
    spec = "PARAM p = 'own.py';\nLET q = 'own.py';\nSELECT id, p AS p, q AS q FROM Orders"
    folder.check(spec, params={"p": "own.py"}, lets=["q = 'own.py'"])
    assert not (tmp_path / "log").exists()
    with pytest.raises(SpecError, match="E0301: there is no function mask"):
        folder.check("SELECT id, mask(card) AS c FROM Orders")
    # Nor does one whose text is wrong.
    folder.refused("USING 'own.py'; SELECT FROM")
    assert not (tmp_path / "log").exists()


def test_a_module_has_a_place_of_its_own(folder: Folder) -> None:
    text = """
        from dataclasses import dataclass

        @dataclass
        class Pair:
            left: int
            right: int

        @function("NUMBER", returns="NUMBER")
        def both(n): return sum(vars(Pair(int(n), 2)).values())
        """
    # Dataclasses look such annotations up in the module of their class.
    (folder.path / "own.py").write_text("from __future__ import annotations\n" + HEAD + textwrap.dedent(text))
    assert folder.values("both(x)", {"N": "5"}) == [{"N": "7"}]


def test_what_is_imported_is_not_declared(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = folder.path / "installed"
    installed.mkdir()
    (installed / "company_masks.py").write_text(HEAD + MASK)
    monkeypatch.syspath_prepend(installed)
    folder.write("from company_masks import mask")
    assert folder.refused(SPEC).startswith("error[E0211]: own.py declares no function")
    sys.modules.pop("company_masks")


# Names


def test_names_that_are_taken(folder: Folder) -> None:
    folder.write('@function("STRING", returns="STRING")\ndef Lower(x): return x')
    assert folder.refused("USING 'own.py'; SELECT a FROM Orders").startswith(
        "error[E0213]: own.py: lower is a function of the language"
    )
    folder.write(MASK)
    folder.write(MASK.replace("def mask", "def MASK"), "more.py")
    found = folder.refused("USING 'own.py';\nUSING 'more.py';\nSELECT mask(a) AS a FROM Orders")
    assert found.startswith("error[E0213]: more.py: there is a function MASK already, in own.py")
    assert "1 | USING 'own.py';\n  |       -------- here first" in found
    assert folder.refused("USING 'own.py'; USING 'own.py'; SELECT mask(a) AS a FROM O_1").startswith("error[E0203]")
    folder.write(MASK + MASK.replace("def mask", "def MASK"))
    assert "the case of letters does not count" in folder.refused("USING 'own.py'; SELECT mask(a) AS a FROM Orders")


@pytest.mark.parametrize("word", ["select", "case", "cast", "not", "else"])
def test_a_word_of_the_language_names_no_function(folder: Folder, word: str) -> None:
    folder.write(f'@function("STRING", returns="STRING", name="{word}")\ndef f(x): return x')
    said = f"own.py: {word} is a word of the language, and cannot name a function"
    assert folder.refused("USING 'own.py'; SELECT a FROM Orders").startswith(f"error[E0212]: {said}")


def test_calls_are_checked_as_those_of_every_function(folder: Folder) -> None:
    folder.write(MASK + '\n@function("NUMBER", "STRING", returns="NUMBER")\ndef rate(n, currency="EUR"): return n')
    found = folder.refused(
        "USING 'own.py';\nSELECT MASK(1) AS a, mask() AS b, masc(x) AS c, rate(1, 2) AS d, rate(1, 'a', 'b') AS e,\n"
        "       mask('x1') AS f, length(rate(n)) AS g, try(mask('x1')) AS h FROM Orders"
    )
    for said in (
        "error[E0303]: mask: card must be STRING, not NUMBER",
        "error[E0302]: mask takes 1 argument, not 0",
        " = mask(card STRING) → STRING",
        "error[E0301]: there is no function masc",
        " = did you mean mask?",
        "error[E0303]: rate: currency must be STRING, not NUMBER",
        "error[E0302]: rate takes 1 to 2 arguments, not 3",
        " = rate(n NUMBER [, currency STRING]) → NUMBER",
        "error[E0306]: mask('x1'): ValueError: bad digit (line 11 of own.py)",
        "error[E0303]: length: text must be STRING, not NUMBER",
    ):
        assert said in found
    assert found.count("error[") == 7


# Rows


def test_a_scalar_function(folder: Folder) -> None:
    folder.write(MASK)
    found = folder.values("mask(x)", {"S": "12345678"}, {"S": "x"}, None, {"NULL": True}, {"N": "12345678"})
    assert found == [
        {"S": "****5678"},
        "R0115 mask(x): ValueError: bad digit (line 11 of own.py)",
        None,
        None,
        "R0101 x: expected STRING, found NUMBER",
    ]
    assert folder.values("try(mask(x))", {"S": "x"}) == [None]
    assert folder.values("coalesce(mask(x), 'none')", None) == [{"S": "none"}]


def test_a_call_over_constants_is_made_once(folder: Folder) -> None:
    folder.write(MASK)
    plan = folder.check("USING 'own.py'; LET key = mask('12345678'); SELECT id, key AS card FROM Orders")
    assert plan.physical.transform.statement.filters
    assert folder.rows(
        "USING 'own.py'; LET key = mask('12345'); SELECT id, key AS y FROM Source", [{"id": {"S": "1"}}]
    ) == Rows([{"id": {"S": "1"}, "y": {"S": "*2345"}}], 1)


VALUES: list[tuple[str, dict[str, Any], str, str]] = [
    ("STRING", {"S": "a"}, "str", "'a'"),
    ("NUMBER", {"N": "1.50"}, "Decimal", "Decimal('1.5')"),
    ("BOOLEAN", {"BOOL": True}, "bool", "True"),
    ("BINARY", {"B": "AAE="}, "bytes", r"b'\x00\x01'"),
    ("LIST", {"L": [{"N": "1"}, {"NULL": True}, {"SS": ["a"]}]}, "list", "[Decimal('1'), None, frozenset({'a'})]"),
    ("MAP", {"M": {"a": {"L": []}}}, "dict", "{'a': []}"),
    ("STRING SET", {"SS": ["a"]}, "frozenset", "frozenset({'a'})"),
    ("NUMBER SET", {"NS": ["20.50"]}, "frozenset", "frozenset({Decimal('20.5')})"),
    ("BINARY SET", {"BS": ["AA=="]}, "frozenset", r"frozenset({b'\x00'})"),
]


@pytest.mark.parametrize(("type_", "attribute", "python", "shown"), VALUES, ids=[value[0] for value in VALUES])
def test_each_type_goes_both_ways(folder: Folder, type_: str, attribute: Any, python: str, shown: str) -> None:
    folder.write(
        f'@function("{type_}", returns="{type_}")\ndef same(x): return x\n'
        '@function("ANY", returns="ANY")\ndef any(x): return x\n'
        f'@function("{type_}", returns="STRING")\ndef shown(x): return type(x).__name__ + " " + repr(x)\n'
    )
    canonical = {"NUMBER": {"N": "1.5"}, "NUMBER SET": {"NS": ["20.5"]}}.get(type_, attribute)
    assert folder.values("same(x)", attribute) == folder.values("any(x)", attribute) == [canonical]
    assert folder.values("shown(x)", attribute) == [{"S": f"{python} {shown}"}]


def test_times_are_datetimes(folder: Folder) -> None:
    folder.write(
        '@function("TIMESTAMP", "DURATION", returns="TIMESTAMP")\ndef later(t, d): return t + 2 * d\n'
        '@function("TIMESTAMP", returns="DURATION")\ndef since(t): return t - datetime(2017, 1, 1, tzinfo=UTC)\n'
        '@function("TIMESTAMP", returns="TIMESTAMP")\ndef naive(t): return t.replace(tzinfo=None)\n'
        '@function("TIMESTAMP", returns="TIMESTAMP")\ndef micro(t): return t + timedelta(microseconds=1)\n'
    )
    text = {"S": "2017-04-26T10:15:30.876Z"}
    assert folder.values("epoch_ms(later(parse_time(x), 1 day))", text) == [{"N": str(1493201730876 + 2 * 86_400_000)}]
    assert folder.values("since(parse_time(x)) + 0", text) == [{"N": "9972930.876"}]
    (naive,) = folder.values("epoch(naive(parse_time(x)))", text)
    assert naive.startswith("R0116 naive(parse_time(x)): it returned a datetime without a zone")
    (micro,) = folder.values("epoch(micro(parse_time(x)))", text)
    assert (
        micro
        == "R0116 micro(parse_time(x)): it returned a datetime with microseconds; the language counts milliseconds"
    )


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_timestamp_survives_python(millis: int) -> None:
    assert of_python(to_python(Timestamp(millis)), Type.TIMESTAMP) == Timestamp(millis)
    assert of_python(to_python(Duration(millis)), Type.DURATION) == Duration(millis)


@pytest.mark.parametrize("value", [Timestamp(-62_135_596_800_001), Timestamp(253_402_300_800_000), Duration(2**62)])
def test_a_time_that_python_does_not_have_is_an_error(value: Value) -> None:
    with pytest.raises(RowError, match=r"which Python's datetime has|longer than Python's timedelta"):
        to_python(value)


@pytest.mark.parametrize(
    ("type_", "found", "value"),
    [
        (Type.NUMBER, 12, Decimal(12)),
        (Type.NUMBER, Decimal("1E+3"), Decimal(1000)),
        (Type.NUMBER, -0, Decimal(0)),
        (Type.BINARY, bytearray(b"a"), b"a"),
        (Type.BINARY, memoryview(b"a"), b"a"),
        (Type.LIST, (1, "a"), (Decimal(1), "a")),
        (Type.LIST, [None], (NULL_VALUE,)),
        (Type.MAP, {"a": {"b": 1}}, {"a": {"b": Decimal(1)}}),
        (Type.STRING_SET, {"a"}, StringSet(frozenset({"a"}))),
        (Type.NUMBER_SET, {1, Decimal("2.50")}, NumberSet(frozenset({Decimal(1), Decimal("2.5")}))),
        (Type.BINARY_SET, {b"a"}, BinarySet(frozenset({b"a"}))),
        (Type.STRING_SET, set(), None),
        (Type.STRING, None, None),
        (Type.ANY, None, None),
        (Type.ANY, True, True),
    ],
)
def test_what_python_may_return(type_: Type, found: object, value: Value) -> None:
    assert of_python(found, type_) == value


class Colour(str, Enum):  # noqa: UP042 (whose str() is "Colour.RED", unlike a StrEnum's)
    RED = "red"


class OddText(str):
    def __str__(self) -> str:
        raise ValueError("no text")


class OddBytes(bytes):
    def __bytes__(self) -> bytes:
        raise ValueError("no bytes")


@pytest.mark.parametrize(
    ("type_", "found", "value"),
    [
        (Type.STRING, Colour.RED, "red"),
        (Type.MAP, {Colour.RED: Colour.RED}, {"red": "red"}),
        (Type.STRING, OddText("a"), "a"),
        (Type.BINARY, OddBytes(b"a"), b"a"),
        (Type.NUMBER, Decimal("0E+1000"), Decimal(0)),
    ],
)
def test_a_class_of_texts_has_no_say(type_: Type, found: object, value: Value) -> None:
    read = of_python(found, type_)
    assert read == value and type(read) is type(value)
    if isinstance(read, dict):
        assert [type(part) for entry in read.items() for part in entry] == [str, str]


def _endless() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    ("type_", "found", "said"),
    [
        (Type.NUMBER, 0.5, "it returned a float, which is not exact: return a Decimal or an int"),
        (Type.LIST, [0.5], "it returned a float, which is not exact: return a Decimal or an int"),
        (Type.NUMBER, True, "it returned Python's bool, which is no NUMBER"),
        (Type.NUMBER, "1", "it returned Python's str, which is no NUMBER"),
        (Type.STRING, b"a", "it returned Python's bytes, which is no STRING"),
        (Type.BOOLEAN, 1, "it returned Python's int, which is no BOOLEAN"),
        (Type.NUMBER, Decimal("NaN"), "it returned NaN, which is no number"),
        (Type.NUMBER, 10**4000, "it returned a number outside of DynamoDB's range (1E-130 to 9.9E+125)"),
        (Type.NUMBER, Decimal(10) ** 126, "is outside of DynamoDB's range"),
        (Type.NUMBER, 10**38 + 1, "has more than 38 significant digits"),
        (Type.TIMESTAMP, 1, "it returned Python's int, which is no TIMESTAMP"),
        (Type.STRING, object(), "it returned Python's object, which no attribute holds"),
        (Type.ANY, datetime(2017, 1, 1, tzinfo=UTC), "it returned Python's datetime, which no attribute holds"),
        (Type.ANY, timedelta(1), "it returned Python's timedelta, which no attribute holds"),
        (Type.STRING_SET, {1}, "it returned Python's set, which is no STRING SET"),
        (Type.NUMBER_SET, {1, "a"}, "it returned a set whose members are not all str, all numbers or all bytes"),
        (Type.LIST, [set()], "it returned an empty set, which DynamoDB does not have"),
        (Type.MAP, {1: 2}, "it returned a dict with a key that is no str"),
        (Type.LIST, _endless(), "it returned a list or a map that is nested too deeply"),
    ],
)
def test_what_python_may_not_return(type_: Type, found: object, said: str) -> None:
    with pytest.raises(RowError) as error:
        of_python(found, type_)
    assert said in error.value.message and error.value.code in ("R0116", "R0103", "R0104")


def test_decimals_have_38_digits_inside_of_a_function(folder: Folder) -> None:
    folder.write('@function("NUMBER", returns="NUMBER")\ndef add(n): return n + Decimal("0.0000000000000000001")')
    assert folder.values("add(x)", {"N": "1234567890123456789"}) == [{"N": "1234567890123456789.0000000000000000001"}]


def test_a_function_that_sees_null(folder: Folder) -> None:
    folder.write('@function("STRING", returns="STRING", nulls=True)\ndef f(x): return "none" if x is None else x + "!"')
    found = folder.values("f(x)", {"S": "a"}, None, {"NULL": True}, {"N": "1"})
    assert found[:3] == [{"S": "a!"}, {"S": "none"}, {"S": "none"}] and found[3].startswith("R0101 x: expected STRING")


def test_half_of_a_surrogate_pair(folder: Folder) -> None:
    folder.write(
        '@function("STRING", returns="STRING")\ndef f(x): raise ValueError(x)\n'
        '@function("STRING", returns="STRING", vectorised=True)\ndef g(x): return x\n'
    )
    spec = "USING 'own.py'; SELECT id, {} AS y FROM Source"
    half = [{"id": {"S": "1"}, "x": {"S": "\ud800"}}]
    plan = planned(spec.format("f(x)"), into="Target", name=str(folder.path / "a"))
    found = RowEvaluator(plan.transform, ()).row(json.dumps(half[0]).encode(), RowContext("Source", NOW))
    assert isinstance(found, RowFailure) and found.message == "f(x): ValueError: \\ud800 (line 8 of own.py)"
    plan = planned(spec.format("g(x)"), into="Target", name=str(folder.path / "a"))
    found = RowEvaluator(plan.transform, ()).row(json.dumps(half[0]).encode(), RowContext("Source", NOW))
    assert isinstance(found, RowFailure) and found.code == "R0205"


def test_the_message_is_that_of_the_exception(folder: Folder) -> None:
    folder.write(
        '@function("STRING", returns="STRING")\ndef f(x):\n    if x == "key":\n        return {}[x]\n'
        '    if x == "bare":\n        raise ValueError\n    if x == "deep":\n        return inner(x)\n'
        '    if x == "exit":\n        raise SystemExit(2)\n    if x == "odd":\n        raise Odd()\n'
        '    raise ValueError("a\\n b" + "c" * 1000)\ndef inner(x):\n    return int(x)\n'
        "class Odd(Exception):\n    def __str__(self): return 1 / 0\n"
    )
    said = folder.values("f(x)", *({"S": text} for text in ("key", "bare", "deep", "exit", "odd", "long")))
    assert said[:5] == [
        "R0115 f(x): KeyError: 'key' (line 10 of own.py)",
        "R0115 f(x): ValueError (line 12 of own.py)",
        "R0115 f(x): ValueError: invalid literal for int() with base 10: 'deep' (line 21 of own.py)",
        "R0115 f(x): SystemExit: 2 (line 16 of own.py)",
        "R0115 f(x): Odd (line 18 of own.py)",
    ]
    assert said[5].startswith("R0115 f(x): ValueError: a b") and said[5].endswith("c… (line 19 of own.py)")
    assert len(said[5]) < 350


def test_whatever_python_raises_is_an_error_of_the_row(folder: Folder) -> None:
    folder.write(
        """\
        class Base(BaseException): pass
        class Said(Exception):
            def __str__(self): raise Base()
        class Row(list):
            def __iter__(self): raise Base("no rows")
        class Zone(__import__("datetime").tzinfo):
            def utcoffset(self, time): return 1 / 0
        @function("STRING", returns="STRING")
        def f(x): raise {"base": Base("gone"), "generator": GeneratorExit(), "said": Said()}[x]
        @function("STRING", returns="STRING", vectorised=True)
        def g(x): raise Base("gone")
        @function("STRING", returns="LIST")
        def rows(x): return Row([1])
        @function("STRING", returns="TIMESTAMP")
        def zoned(x): return datetime(2017, 1, 1, tzinfo=Zone())
        """
    )
    assert folder.values("f(x)", *({"S": text} for text in ("base", "generator", "said"))) == [
        "R0115 f(x): Base: gone (line 15 of own.py)",
        "R0115 f(x): GeneratorExit (line 15 of own.py)",
        "R0115 f(x): Said (line 15 of own.py)",
    ]
    assert folder.values("g(x)", {"S": "a"}) == ["R0115 g(x): Base: gone (line 17 of own.py)"]
    unread = "R0116 {}(x): what it returned cannot be read: {}"
    assert folder.values("rows(x)", {"S": "a"}) == [unread.format("rows", "Base: no rows (line 11 of own.py)")]
    assert folder.values("epoch(zoned(x))", {"S": "a"}) == [
        unread.format("zoned", "ZeroDivisionError: division by zero (line 13 of own.py)")
    ]
    assert folder.values("try(rows(x))", {"S": "a"}) == [None]


def test_an_interrupt_is_none_of_the_row_s(folder: Folder) -> None:
    folder.write('@function("STRING", returns="STRING")\ndef f(x): raise KeyboardInterrupt\n')
    with pytest.raises(KeyboardInterrupt):
        folder.values("f(x)", {"S": "a"})


# Vectorised


ARRAYS = """\
@function("STRING", returns="STRING", vectorised=True)
def shout(text): return pc.utf8_upper(text)

@function("NUMBER", returns="NUMBER", vectorised=True)
def double(n): return pc.multiply(n, 2)

@function("NUMBER", returns="NUMBER", vectorised=True)
def whole(n): return pc.floor(n).cast(pa.int64())

@function("BINARY", returns="BINARY", vectorised=True)
def twice(b): return pc.binary_join_element_wise(b, b, b"")

@function("TIMESTAMP", "DURATION", returns="TIMESTAMP", vectorised=True)
def later(t, d): return pc.add(t, d)

@function("TIMESTAMP", returns="DURATION", vectorised=True)
def since(t): return pc.subtract(t, pa.scalar(datetime(2017, 1, 1, tzinfo=UTC), t.type))

@function("BOOLEAN", "STRING", returns="BOOLEAN", vectorised=True)
def either(a, b): return pc.or_(a, pc.equal(b, "yes"))

@function("STRING", "STRING", returns="STRING", vectorised=True, nulls=True)
def first(a, b="none"): return pc.coalesce(a, b)

@function("STRING", returns="STRING", vectorised=True)
def sliced(text): return pa.concat_arrays([pa.array(["x"]), text, pa.array(["y"])]).slice(1, len(text))

@function("STRING", returns="STRING", vectorised=True)
def chunked(text): return pa.chunked_array([text.slice(0, 1), text.slice(1)]).dictionary_encode()
"""


@pytest.fixture
def arrays(folder: Folder) -> Folder:
    folder.write(ARRAYS)
    return folder


MANY = 5000
CALLS = [
    "shout(s)", "shout(shout(s) || 'x')", "double(n)", "double(double(n) + 1) - 1", "whole(n)", "twice(b)",
    "epoch_ms(later(parse_time(t), 90 minutes))", "since(parse_time(t)) + 0", "either(o, s)", "first(s, m)",
    "first(s)", "sliced(s)", "chunked(s)", "if(o, shout(s), 'no')", "coalesce(shout(m), shout(s))", "length(shout(s))",
    "double(whole(n))", "shout(source_table())", "format_time(later(now(), 1 day), 'yyyy')",
]  # fmt: skip


def ordinary(number: int) -> Item:
    item: Item = {
        "id": {"S": str(number)},
        "s": {"S": ["yes", "no", "Straße", "é", "", "日本"][number % 6]},
        "n": {"N": f"{number - 2000}.{number % 100:02}5"},
        "b": {"B": ["", "AA==", "AAEC"][number % 3]},
        "t": {"S": f"2017-04-{number % 30 + 1:02}T10:15:30.876Z"},
        "o": {"BOOL": number % 2 == 0},
    }
    if number % 3:
        item["m"] = {"S": "there"}
    # What is missing is no reason to go by reference.
    if number % 7 == 0:
        del item["snbto"[number % 5]]
    return item


@pytest.mark.parametrize("call", CALLS)
def test_a_vectorised_function_is_fast_and_exact(arrays: Folder, call: str) -> None:
    items = [ordinary(number) for number in range(MANY if call == CALLS[0] else 300)]
    found = arrays.rows(f"USING 'own.py'; SELECT id, {call} AS y FROM Source", items)
    assert found.fast == len(items)
    assert any("y" in row for row in found.rows)


def test_a_vectorised_function_in_a_condition(arrays: Folder) -> None:
    items = [ordinary(number) for number in range(200)]
    found = arrays.rows("USING 'own.py'; SELECT id FROM Source WHERE shout(s) = 'YES' AND double(n) < 0", items)
    assert found.fast == len(items) and None in found.rows and any(found.rows)


def test_what_the_guard_leaves_out_goes_by_reference(arrays: Folder) -> None:
    texts = [
        "1.5",
        "1E+50",
        "0.1234567891",
        "123456789012345678901234567890",
        "-12345678901234567890123456789.123456789",
    ]
    limit = "R0116 double(x): a vectorised function takes numbers of at most 29 digits before the point and 9 behind it"
    assert arrays.values("double(x)", *({"N": text} for text in texts)) == [
        {"N": "3"}, limit, limit, limit, {"N": "-24691357802469135780246913578.246913578"},
    ]  # fmt: skip
    assert arrays.values("double(x)", {"S": "1"}) == ["R0101 x: expected NUMBER, found STRING"]
    assert arrays.values("shout(x)", {"S": "a"}, {"N": "1"}, None) == [
        {"S": "A"}, "R0101 x: expected STRING, found NUMBER", None,
    ]  # fmt: skip


def test_a_result_beyond_the_fast_form_is_exact(folder: Folder) -> None:
    folder.write(
        '@function("NUMBER", returns="NUMBER", vectorised=True)\ndef tiny(n):\n'
        "    return pc.multiply(n.cast(pa.decimal128(9, 0)), pa.scalar(Decimal('0.000000000001')))\n"
    )
    items = [{"id": {"S": "1"}, "x": {"N": "7"}}, {"id": {"S": "2"}, "x": {"N": "8"}}]
    found = folder.rows("USING 'own.py'; SELECT id, tiny(x) AS y FROM Source", items)
    assert [row["y"] for row in found.rows] == [{"N": "0.000000000007"}, {"N": "0.000000000008"}]
    assert found.fast == 0


def test_a_page_with_a_failing_row_goes_by_reference(folder: Folder) -> None:
    folder.write(
        '@function("STRING", returns="NUMBER", vectorised=True)\ndef number(text):\n    return text.cast(pa.int64())\n'
    )
    spec = "USING 'own.py'; SELECT id, number(x) AS y FROM Source"
    good = [{"id": {"S": str(n)}, "x": {"S": str(n)}} for n in range(50)]
    assert folder.rows(spec, good).fast == 50
    found = folder.rows(spec, [*good, {"id": {"S": "bad"}, "x": {"S": "1x"}}])
    assert found.fast == 0 and found.rows[:50] == [{"id": row["id"], "y": {"N": row["x"]["S"]}} for row in good]
    assert found.rows[50].startswith("R0115 number(x): ArrowInvalid: Failed to parse string: '1x' as a scalar of type")
    assert found.rows[50].endswith("(line 9 of own.py)")


def test_other_pages_of_the_statement_stay_fast(folder: Folder) -> None:
    folder.write(
        '@function("STRING", returns="NUMBER", vectorised=True)\ndef number(text): return text.cast(pa.int64())'
    )
    plan = planned("USING 'own.py'; SELECT id, number(x) AS y FROM Source", into="T_1", name=str(folder.path / "a"))
    pages = [json.dumps([{"id": {"S": "1"}, "x": {"S": text}}]).encode() for text in ("1", "x", "2")]
    transformer = Transformer(plan.transform.statement)
    try:
        outputs = told_apart(transformer.make([PageInput(page, 1, "Source", NOW.millis) for page in pages]))
    finally:
        transformer.close()
    assert [output.by_reference for output in outputs] == [[], [0], []]


@pytest.mark.parametrize(
    ("returns", "result", "said"),
    [
        ("STRING", "x.to_pylist()", "it returned a list, and no pyarrow array"),
        ("STRING", "x.slice(1)", "it returned 0 rows for 1"),
        ("STRING", "pa.array(['a'] * (len(x) + 1))", "it returned 2 rows for 1"),
        ("STRING", "pa.array([1] * len(x))", "it returned an array of int64, which is no STRING"),
        ("NUMBER", "pa.array([0.5] * len(x))", "it returned an array of double, which is no NUMBER, which is not exact: ca"),
        ("NUMBER", "x", "it returned an array of string, which is no NUMBER"),
        ("BOOLEAN", "pa.array([1] * len(x))", "it returned an array of int64, which is no BOOLEAN"),
        ("TIMESTAMP", "pa.array([datetime(2017, 1, 1)] * len(x))", "it returned an array of timestamp[us], which is no"),
        ("TIMESTAMP", "pa.array([datetime(2017, 1, 1, 0, 0, 0, 1, UTC)] * len(x))", "it returned a value that is no TIMESTAMP"),
        ("BINARY", "x", "it returned an array of string, which is no BINARY"),
    ],
)  # fmt: skip
def test_a_wrong_array_is_an_error_of_the_row(folder: Folder, returns: str, result: str, said: str) -> None:
    folder.write(f'@function("STRING", returns="{returns}", vectorised=True)\ndef f(x): return {result}')
    call = "epoch(f(x))" if returns == "TIMESTAMP" else "f(x)"
    found = folder.values(call, {"S": "a"}, {"S": "b"})
    assert found[0] == found[1] and found[0].startswith(f"R0116 f(x): {said}")


def test_an_array_of_nothing_is_null(folder: Folder) -> None:
    folder.write('@function("STRING", returns="NUMBER", vectorised=True)\ndef f(x): return pa.nulls(len(x))')
    assert folder.values("f(x)", {"S": "a"}, None) == [None, None]


def test_without_numpy_a_vectorised_function_goes_by_reference(arrays: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(python_files, "find_spec", lambda name: None)
    found = arrays.rows("USING 'own.py'; SELECT id, shout(s) AS y FROM Source", [ordinary(1)])
    assert found == Rows([{"id": {"S": "1"}, "y": {"S": "NO"}}], 0)
    page = arrays.check("USING 'own.py'; SELECT id, shout(s) AS y FROM Source").explain()
    assert "no fast path: Python over arrays needs numpy" in page


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**20), max_value=10**20)


@given(st.lists(st.tuples(st.none() | texts, st.none() | numbers, st.none() | st.binary(max_size=6)), max_size=40))
def test_the_two_paths_agree(tmp_path_factory: pytest.TempPathFactory, rows_: list[tuple[Any, Any, Any]]) -> None:
    folder = Folder(tmp_path_factory.getbasetemp())
    if not (folder.path / "own.py").exists():
        folder.write(ARRAYS)
    items = []
    for number, (text, decimal, octets) in enumerate(rows_):
        item: Item = {"id": {"S": str(number)}}
        if text is not None:
            item["s"] = {"S": text}
        if decimal is not None:
            item["n"] = {"N": f"{decimal:f}"}
        if octets is not None:
            item["b"] = {"B": base64.b64encode(octets).decode()}
        items.append(item)
    columns = "shout(s) AS a, double(n) AS b, twice(b) AS c, first(s, 'x') AS d, either(n > 0, s) AS e"
    found = folder.rows(f"USING 'own.py'; SELECT id, {columns} FROM Source", items)
    assert found.fast == len(items)


@pytest.mark.parametrize("type_", sorted(own_arrays.FORMS, key=str), ids=str)
def test_an_array_of_one_row_gives_its_value_back(type_: Type) -> None:
    values: dict[Type, Value] = {
        Type.STRING: "é", Type.NUMBER: Decimal("1.5"), Type.BOOLEAN: False, Type.BINARY: b"\0",
        Type.TIMESTAMP: Timestamp(-1), Type.DURATION: Duration(2**63 - 1),
    }  # fmt: skip
    value = values[type_]
    array = own_arrays.one_row(value, type_)
    assert array.type == own_arrays.arrow_type(type_) and len(array) == 1
    assert own_arrays.only_row(array, type_) == value
    assert own_arrays.only_row(pa.nulls(1, array.type), type_) is None


# Jobs


def test_the_content_of_a_file_is_part_of_what_a_job_is(folder: Folder) -> None:
    folder.write(MASK)
    before = folder.check(SPEC).physical
    assert folder.check("-- same\n" + SPEC).physical.fingerprint == before.fingerprint
    folder.write(MASK + "\n")
    after = folder.check(SPEC).physical
    assert after.fingerprint != before.fingerprint
    assert [name for name, _ in after.identity["files"]] == ["own.py"]
    assert "files" not in folder.check("SELECT id FROM Orders").physical.identity


@pytest.fixture
def begun(one_server: Server, prefix: str, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Begin a job whose spec uses own.py, both in the current folder."""
    monkeypatch.chdir(folder.path)
    for name in ("source", "target"):
        tables.create(one_server, f"{prefix}{name}", ("id", "S"))
    cards: Iterator[str] = (f"{number:08}" if number != 7 else "x" for number in range(20))
    tables.fill(
        one_server, f"{prefix}source", [{"id": {"S": f"{n:02}"}, "card": {"S": c}} for n, c in enumerate(cards)]
    )
    folder.write(MASK + ARRAYS)
    text = (
        f"USING 'own.py';\nINSERT INTO {prefix}target\nSELECT id, mask(card) AS card, shout(id) AS s\n"
        f"FROM {prefix}source ON CONFLICT REPLACE\n"
    )
    Path("spec.ddbetl").write_text(text)

    def begin() -> str:
        plan = ddbetl.compile(text, name="spec.ddbetl", endpoint_url=one_server.endpoint_url)
        return plan.begin()

    return begin


def resume(job: str) -> Result:
    return CliRunner().invoke(cli, ["resume", job, "--progress", "none"], prog_name="ddbetl")


def test_a_job_runs_its_functions(begun: Callable[[], str], one_server: Server, prefix: str) -> None:
    job = begun()
    done = resume(job)
    assert done.exit_code == ExitCode.REJECTS, done.stderr
    found = {item["id"]["S"]: item for item in tables.read(one_server, f"{prefix}target")}
    assert len(found) == 19 and found["03"] == {"id": {"S": "03"}, "card": {"S": "****0003"}, "s": {"S": "03"}}
    (cause,) = jobs.rejects(job).causes
    assert (cause.code, cause.message) == ("R0115", "mask(card): ValueError: bad digit (line 11 of own.py)")


def test_a_job_does_not_go_on_with_another_file(begun: Callable[[], str], folder: Folder) -> None:
    job = begun()
    folder.write(MASK.replace("*", "#") + ARRAYS)
    refused = resume(job)
    assert refused.exit_code == ExitCode.FAILED
    assert "what it was begun with has changed:\n  the file own.py has changed\n" in refused.stderr
    (folder.path / "own.py").unlink()
    gone = resume(job)
    assert gone.exit_code == ExitCode.SPEC_ERROR and "there is no file own.py" in gone.stderr
    folder.write(MASK + ARRAYS)
    assert resume(job).exit_code == ExitCode.REJECTS


def test_a_file_that_is_new_or_gone_is_told(begun: Callable[[], str], folder: Folder) -> None:
    job = begun()
    text = Path("spec.ddbetl").read_text()
    folder.write(MASK.replace("def mask", "def other"), "other.py")
    Path("spec.ddbetl").write_text("USING 'other.py';\n" + text)
    with pytest.raises(JobFailed, match=r"the file other\.py is used, and was not"):
        api.reopen(job)
    Path("spec.ddbetl").write_text(
        text.replace("USING 'own.py';\n", "").replace("mask(card)", "card").replace("shout", "lower")
    )
    with pytest.raises(JobFailed, match=r"the file own\.py is not used any more"):
        api.reopen(job)


# Explain and the list


def test_explain_says_why_a_scalar_function_is_slow(folder: Folder) -> None:
    folder.write(MASK + ARRAYS)
    slow = folder.check(SPEC)
    assert "no fast path: a Python function" in slow.explain()
    assert not slow.physical.transform.statement.projects
    fast = folder.check("USING 'own.py'; SELECT id, shout(s) AS s FROM Orders")
    assert fast.physical.transform.statement.projects and fast.explain_json()["columns"][1]["how"] == "vectorised"


def listed(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["functions", *arguments], prog_name="ddbetl")


def test_the_functions_of_a_file_are_listed(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.path)
    folder.write(MASK)
    found = listed("--using", "own.py")
    assert found.exit_code == 0
    assert found.stdout == (
        "your own\n  mask  Stars for all but the last four digits.\n\nddbetl functions NAME --using own.py shows one.\n"
    )
    one = listed("MASK", "--using", "own.py")
    assert one.stdout == "mask(card STRING) → STRING\n\n  Stars for all but the last four digits.\n\n"
    assert listed("lower", "--using", "own.py").stdout == listed("lower").stdout
    unknown = listed("masc", "--using", "own.py")
    assert unknown.exit_code == ExitCode.SPEC_ERROR and "did you mean mask?" in unknown.stderr
    folder.write("raise ValueError('no')")
    broken = listed("--using", "own.py")
    assert broken.exit_code == ExitCode.USAGE
    assert "own.py fails: ValueError: no (line 7 of own.py)" in " ".join(broken.stderr.split())


@pytest.mark.parametrize(
    "text",
    [
        "raise BaseException('no')",
        "raise GeneratorExit",
        "import sys\ndel sys.modules[__name__]\nraise ValueError",
    ],
)
def test_whatever_a_file_raises_when_it_is_read_is_an_error_of_the_spec(folder: Folder, text: str) -> None:
    folder.write(text)
    with pytest.raises(SpecError) as raised:
        planned("USING 'own.py'; SELECT id FROM Source", into="T_1", name=str(folder.path / "a"))
    assert "own.py fails" in str(raised.value)


def test_what_a_file_prints_when_it_is_read_is_not_in_the_way(folder: Folder) -> None:
    odd = "class Odd:\n    def __getattr__(self, name): raise KeyError\nodd = Odd()\n"
    folder.write(f"{odd}print('hello')\n@function('STRING', returns='STRING')\ndef same(text): return text")
    (folder.path / "a.ddbetl").write_text("USING 'own.py'; SELECT same(id) AS id FROM Source")
    done = CliRunner().invoke(cli, ["check", "--format", "json", str(folder.path / "a.ddbetl")])
    assert json.loads(done.stdout)["diagnostics"] == [], done.output
    assert done.stderr == "hello\n"
