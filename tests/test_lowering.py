"""Vectorised = reference wherever the guard holds, for every function and operator; and the fast path is worth it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import product

import duckdb
import pytest
from generated import NUMBERS, call, generated_call, items, named
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from vectorised import CONTEXT, SETTINGS, Item, Vectorised, compiled, disagreement

from ddbetl.errors import RowError
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.resolve import ResolveError
from ddbetl.functions.model import STRING, Fast, Form, Function, Implementation, Lower, Lowering, Parameter, Signature
from ddbetl.functions.registry import FUNCTIONS, OPERATORS
from ddbetl.lowering.duckdb_sql import Lowerer
from ddbetl.time import zone
from ddbetl.types import Type, Value

EVERYTHING = (*FUNCTIONS, *OPERATORS)


def check(expressions: list[Expression], rows: list[Item], separators: tuple[str, str] = (",", ":")) -> int:
    """Fail where the evaluators disagree; return how many rows the fast path took."""
    fast = 0
    with Vectorised(rows, separators) as table:
        for expression, outcomes in zip(expressions, table.run(expressions), strict=True):
            for item, outcome in zip(rows, outcomes or (), strict=outcomes is not None):
                wrong = disagreement(expression, item, outcome)
                assert wrong is None, wrong
                fast += outcome.fast
    return fast


# Every example makes 40 items and up to 8 calls; shrinking a seed would only make other ones.
@pytest.mark.parametrize("called", EVERYTHING, ids=lambda f: f.name)
@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 2**64 - 1),
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=4),
    spaced=st.booleans(),
)
def test_vectorised_is_reference_wherever_the_guard_holds(
    called: Function, seed: int, texts: list[str], spaced: bool
) -> None:
    draw = random.Random(seed)
    found = [generated_call(draw, called) for _ in range(8)]
    # Attributes that are read by their type are put together again in a bare copy.
    copies = [Attribute(name) for name in ("s", "n", "b", "x")]
    check(
        [*(expression for expression in found if expression is not None), *copies],
        items(draw, 40, texts),
        (", ", ": ") if spaced else (",", ":"),
    )


# What anybody would write over the items of ``ordinary``: each function and operator with a fast form takes it for
# nearly all rows.
ORDINARY: dict[str, tuple[str, ...]] = {
    "byte_length": ("byte_length(Name)",),
    "contains": ("contains(DateTime, ':15:')", "contains(Tags, 'a')"),
    "ends_with": ("ends_with(Name, 'n')",),
    "format": ("format('ORDER#{}#{}', OrderID, Quantity)", "format('{2}/{1}/{0}/{3}', Name, Total, Day, Seconds)"),
    "left": ("left(OrderID, 4)", "left(OrderID, Quantity)"),
    "lpad": ("lpad(to_string(Quantity), 4, '0')", "lpad(Name, Quantity)", "lpad(Name, Quantity, Count)"),
    "ltrim": ("ltrim(Name)", "ltrim(OrderID, '012')"),
    "normalize": ("normalize(Name)", "normalize(Name, 'NFKD')"),
    "position": ("position(OrderID, '-')",),
    "regexp_extract": (r"regexp_extract(DateTime, '^\d+')", r"regexp_extract(OrderID, '(?P<y>\d+)-(\d+)', 2)",
                       "regexp_extract(DateTime, '[+-][0-9:]+$')"),
    "regexp_matches": ("regexp_matches(Name, '^[A-Z]')", "regexp_matches(OrderID, '(?i)x')"),
    "regexp_replace": ("regexp_replace(DateTime, '[^0-9]', '')", r"regexp_replace(Name, '(\w)(\w)', '\2\1')"),
    "replace": ("replace(Day, '-', '')", "replace(Name, Count, Day)"),
    "reverse": ("reverse(OrderID)",),
    "right": ("right(OrderID, 4)", "right(OrderID, Quantity)"),
    "rpad": ("rpad(Name, 10, '.')",),
    "rtrim": ("rtrim(Name)", "rtrim(OrderID, Count)"),
    "split": ("split(DateTime, 'T')", "size(split(Day, '-'))"),
    "split_part": ("split_part(Day, '-', 2)", "split_part(DateTime, ':', -1)", "split_part(Day, '-', Quantity)"),
    "starts_with": ("starts_with(OrderID, '2016')", "starts_with(DateTime, Day)"),
    "length": ("length(OrderID)", "length(OrderID) > 0"),
    "lower": ("lower(Name)",),
    "upper": ("upper(CustomerID)",),
    "trim": ("trim(Name)", "trim(Name, 'Aa')"),
    "substr": ("substr(OrderID, 1, 3)", "substr(OrderID, 5)", "substr(OrderID, Quantity, Quantity)"),
    "concat": ("concat('ORDER#', OrderID, '#', CustomerID)",),
    "abs": ("abs(Total)", "abs(length(OrderID))"),
    "ceil": ("ceil(Total)", "ceil(Total, 1)", "ceil(Seconds, -3)"),
    "mod": ("mod(Seconds, 86400)", "mod(Total, Quantity)"),
    "power": ("power(Quantity, 3)", "power(Total, 2)", "power(10, Quantity)"),
    "round_half_even": ("round_half_even(Total)", "round_half_even(Total, 1)", "round_half_even(Seconds, -2)"),
    "sign": ("sign(Total)", "sign(Quantity - 4)"),
    # 38 digits have no fast path, so there is nothing to count.
    "sqrt": (),
    "trunc": ("trunc(Total)", "trunc(Total, 1)", "trunc(Seconds, -2)"),
    "floor": ("floor(Total, 1)", "floor(Total, -1)", "floor(Total)", "floor(Total / 4)", "floor(epoch(DateTime) / 10)"),
    "round": ("round(Total)", "round(Total, 1)", "round(Quantity, -1)", "round(Total, 12)"),
    "epoch": ("epoch(DateTime)", "epoch(Day, 'yyyy-MM-dd')", "epoch(Seconds)", "epoch(DateTime) + 365 days",
              "epoch(Day, 'yyyyMMddHHmmss', 'yyyy-MM-dd')", "epoch(DateTime, 'd MMM yyyy G', 'iso')"),
    "epoch_ms": ("epoch_ms(DateTime)", "epoch_ms(Seconds)", "epoch_ms(Seconds, 'epoch_us', 'iso')"),
    "date_add": ("epoch(date_add('month', Quantity, parse_time(DateTime)))",
                 "epoch(date_add('day', -1, parse_time(DateTime), 'Europe/Berlin'))",
                 "epoch(date_add('hour', Quantity, parse_time(DateTime)))"),
    "date_part": ("date_part('isodow', parse_time(DateTime), 'America/New_York')", "date_part('year', parse_time(Day))"),
    "date_trunc": ("epoch(date_trunc('month', parse_time(DateTime)))",
                   "epoch(date_trunc('day', parse_time(DateTime), 'America/New_York'))",
                   "epoch(date_trunc('hour', parse_time(DateTime), 'Asia/Kolkata'))"),
    "format_time": ("format_time(parse_time(DateTime), 'yyyy-MM-dd')", "format_time(now(), 'HH:mm:ss')"),
    "now": ("now() - parse_time(DateTime) > 30 days",),
    "parse_time": ("epoch(parse_time(Day, 'yyyy-MM-dd', 'America/New_York') + 90 minutes)",),
    "coalesce": ("coalesce(Note, 'none')", "coalesce(Total, Quantity, 0)", "coalesce(Note, Name)"),
    "greatest": ("greatest(Total, 10)", "greatest(Name, 'C')", "greatest(Name, OrderID)", "greatest(Total, Quantity)", "greatest(parse_time(DateTime), now()) = now()"),
    "least": ("least(Total, Quantity, 3)", "least(length(Name), Quantity)"),
    "if": ("if(Quantity > 3, 'many', 'few')", "if(Active, Total, 0)"),
    "nullif": ("nullif(Name, 'Ann')", "nullif(Total, 0)", "nullif(Data, CAST('hi' AS BINARY))"),
    "try": ("try(epoch(DateTime))", "try(to_number(Count))"),
    "attribute_type": ("attribute_type(Total)", "attribute_type(Lines)"),
    "size": ("size(Lines)", "size(Address)", "size(Tags)", "size(Data)", "size(Name)"),
    "element": ("element(Lines, 0)", "element(Lines, Quantity - 9)", "element(Address, 'City')", "element(Lines, -1) = 'a'"),
    "slice": ("slice(Lines, 1)", "slice(Lines, -2, 1)", "slice(Lines, Quantity - 5, Quantity)"),
    "list_concat": ("list_concat(Lines, [Name, Total])", "list_concat(Lines, Lines, ['a'])"),
    "flatten": ("flatten([Lines, [Name], []])", "flatten(values({'a': Lines}))"),
    "keys": ("keys(Address)", "size(keys({'a': Name, 'b': Note}))"),
    "values": ("values(Address)", "values({'b': Name, 'a': Lines})"),
    "map_merge": ("map_merge(Address, {'Country': 'US'})", "map_merge({'City': Name}, Address, {'x': Total})"),
    "string_set": ("string_set(Name, CustomerID, Note)", "string_set(lower(Name), 'a')"),
    "number_set": ("number_set(Quantity, Total)", "number_set(1, Quantity, length(Name))"),
    "binary_set": ("binary_set(Data, CAST(Name AS BINARY))",),
    "set_union": ("set_union(Tags, string_set('b', Name))", "set_union(Codes, Codes)", "set_union(Hashes, binary_set(Data))"),
    "set_intersect": ("set_intersect(Tags, string_set('b'))", "set_intersect(Codes, number_set(1, Quantity))"),
    "set_except": ("set_except(Tags, string_set('b'))", "set_except(Missing, Codes)"),
    "to_json": ("to_json(Lines)", "to_json(Address)", "to_json(Total)", "to_json(Name)", "to_json(Active)", "to_json(Data)",
                "to_json({'b': Quantity, 'a': Active, 'c': Name})"),
    # By reference alone.
    "from_json": (),
    "to_number": ("to_number(Count)", "to_number(now() - parse_time(DateTime))"),
    "to_string": ("to_string(Total)", "to_string(Quantity)", "to_string(Active)", "to_string(parse_time(DateTime))"),
    "source_table": ("substr(source_table(), 8)",),
    "capture": ("capture(1)", "capture(1) || '#' || OrderID"),
    "source_key": ("source_key()", "size(source_key())"),
    "md5": ("md5(CustomerID)", "md5(Data)"),
    "sha1": ("sha1(CustomerID)", "sha1(Data)"),
    "sha256": ("sha256(CustomerID || OrderID)", "sha256(Data)"),
    "to_base64": ("to_base64(Data)", "to_base64(Name)"),
    "from_base64": ("from_base64(to_base64(Name))",),
    "to_hex": ("to_hex(Data)", "to_hex(Name)"),
    "from_hex": ("from_hex(to_hex(Data))",),
    "to_binary": ("to_binary(Name)", "to_binary(Data)"),
    "crc32": ("crc32(OrderID)", "crc32(Data)"),
    "uuid5": ("uuid5('dns', Name)",),
    # By reference only.
    "xxhash64": (),
    "shard": ("shard(OrderID, 16)", "shard(Total, 10)", "shard(Seconds, 10)", "shard(Data, 10)"),
    "+": ("Total + 1", "Total + Quantity", "epoch(DateTime) + 365 days", "length(Name) + Quantity"),
    "-": ("Total - 0.5", "epoch(DateTime) - Seconds", "parse_time(DateTime) - 1 day > parse_time(0)"),
    "*": ("Total * Quantity", "Total * 100", "Quantity * Quantity", "1 day * Quantity > 3 days"),
    "/": ("Total / 4", "Seconds / 1000", "(Total * Quantity) / Quantity", "length(OrderID) / 2"),
    "%": ("Seconds % 86400", "Total % 0.5", "epoch(DateTime) % 1 day"),
    "negate": ("-Total", "-length(Name)"),
    "||": ("CustomerID || '#' || OrderID",),
    "=": ("Name = 'Ann'", "Quantity = 3", "Active = TRUE", "Data = Data", "Name = CustomerID", "Total = Quantity"),
    "<>": ("Name <> 'Ann'", "Quantity <> 3.5"),
    "<": ("Name < 'M'", "Total < 10", "Seconds < 1 day"),
    "<=": ("Total <= Quantity", "DateTime <= '2017'"),
    ">": ("Total > 10", "length(Name) > 3", "Data > Data"),
    ">=": ("Total >= 10.5", "epoch(DateTime) >= 1460000000"),
    "IN": ("Name IN ('Ann', 'Bob', 'Cy')", "Quantity IN (1, 2, 3)", "Total IN (1.5, 2, Quantity)"),
    "LIKE": ("OrderID LIKE '2016%'", "Name LIKE '%n%'", "Name LIKE '_n!%' ESCAPE '!'"),
    "AND": ("Quantity > 1 AND length(Name) > 2",),
    "OR": ("Quantity > 3 OR Total < 100", "Note IS NULL OR length(Note) > 2"),
    "NOT": ("NOT Active", "NOT (Quantity > 3)"),
    "IS NULL": ("Note IS NULL", "Note IS NOT NULL AND length(Note) > 0", "Address.City IS NULL"),
    "IS MISSING": ("Note IS MISSING", "Address.Street IS NOT MISSING"),
    "CASE": ("CASE WHEN Quantity > 3 THEN 'many' WHEN Active THEN 'on' END", "CASE Name WHEN 'Ann' THEN 1 ELSE 2 END"),
    "[…]": ("[Name, Total, Active, Data, Lines, NULL]", "[[Note]]", "[]"),
    "{…}": ("{'n': Name, 't': Total, 'inner': {'l': Lines}, 'note': Note}", "{}"),
    "CAST AS STRING": ("CAST(Total AS STRING)", "CAST(Data AS STRING)"),
    "CAST AS NUMBER": ("CAST(Count AS NUMBER)", "CAST(Active AS NUMBER)"),
    "CAST AS BOOLEAN": ("CAST(Flag AS BOOLEAN)", "CAST(Quantity % 2 AS BOOLEAN)"),
    "CAST AS BINARY": ("CAST(Name AS BINARY)",),
    "CAST AS TIMESTAMP": ("epoch(CAST(DateTime AS TIMESTAMP))",),
    "CAST AS DURATION": ("to_number(CAST(Seconds AS DURATION))", "CAST(Total AS DURATION) > 1 second"),
    "CAST AS LIST": ("CAST(Lines AS LIST)", "CAST(Tags AS LIST)", "CAST(Codes AS LIST)"),
    "CAST AS MAP": ("CAST(Address AS MAP)",),
    "CAST AS STRING SET": ("CAST(Tags AS STRING SET)", "CAST(Lines AS STRING SET)"),
    "CAST AS NUMBER SET": ("CAST(Codes AS NUMBER SET)", "CAST(CAST(Codes AS LIST) AS NUMBER SET)"),
    "CAST AS BINARY SET": ("CAST(Hashes AS BINARY SET)",),
}  # fmt: skip


def ordinary(draw: random.Random) -> Item:
    """An item as a shop may have it."""
    day = f"{draw.choice((2016, 2017))}-{draw.randrange(1, 13):02}-{draw.randrange(1, 29):02}"
    offset = draw.choice(("Z", "-05:00", "+02:00"))
    found: Item = {
        "CustomerID": {"S": f"c{draw.randrange(10**6)}"},
        "OrderID": {"S": f"{day[:4]}-{draw.randrange(10**6):06}"},
        "Name": {"S": draw.choice(("Ann", "Bob", "Cy", "Dora Lee", "Zoë" if draw.random() < 0.1 else "Zoe"))},
        "DateTime": {"S": f"{day}T{draw.randrange(24):02}:15:30.{draw.randrange(1000):03}{offset}"},
        "Day": {"S": day},
        "Seconds": {"N": str(draw.randrange(1_400_000_000, 1_500_000_000))},
        "Total": {"N": f"{draw.randrange(1, 500)}.{draw.choice((0, 25, 5, 75, 99))}"},
        "Quantity": {"N": str(draw.randrange(1, 9))},
        "Count": {"S": str(draw.randrange(1000))},
        "Active": {"BOOL": draw.random() < 0.5},
        "Flag": {"S": draw.choice(("true", "False"))},
        "Data": {"B": draw.choice(("aGk=", "", "R3LDtsOfZQ=="))},
        "Lines": {"L": [{"S": "a"}] * draw.randrange(4)},
        "Address": {"M": {"City": {"S": "Reno"}, **({"Street": {"S": "1 Elm St"}} if draw.random() < 0.5 else {})}},
        "Tags": {"SS": ["a", "b"][: draw.randrange(1, 3)]},
        "Codes": {"NS": ["1", "2.5"]},
        "Hashes": {"BS": ["aGk="]},
    }
    if draw.random() < 0.5:
        found["Note"] = {"S": draw.choice(("", "gift", "call first"))}
    return found


@pytest.mark.parametrize("called", EVERYTHING, ids=lambda f: f.name)
def test_ordinary_rows_take_the_fast_path(called: Function) -> None:
    draw = random.Random(called.name)
    rows = [ordinary(draw) for _ in range(200)]
    for text in ORDINARY[called.name]:
        assert check([compiled(text)], rows) >= 0.9 * len(rows), f"{text}: too few fast rows"


def test_every_sample_is_of_a_function_or_operator() -> None:
    assert set(ORDINARY) == {called.name for called in EVERYTHING}


# DuckDB computes what two expressions have in common once, and takes it out of a TRY for that. So nothing that can fail
# may stand in a TRY together with anything else; only a statement with many expressions over the same attributes tells.

SHARED: dict[Type, tuple[Expression, ...]] = {
    Type.STRING: (Attribute("s"), Constant("x", Type.STRING)),
    Type.NUMBER: (Attribute("n"), compiled("floor(n)"), *(Constant(Decimal(n), Type.NUMBER) for n in (1000, 0))),
    Type.BOOLEAN: (Attribute("b"),),
    Type.BINARY: (Attribute("y"), Attribute("y2")),
    Type.TIMESTAMP: (compiled("parse_time(n)"), compiled("parse_time(t)")),
    Type.DURATION: (compiled("CAST(n AS DURATION)"), compiled("1 day")),
    Type.LIST: (Attribute("l"),),
    Type.MAP: (Attribute("m"),),
    Type.STRING_SET: (Attribute("ss"),),
    Type.NUMBER_SET: (Attribute("ns"),),
    Type.BINARY_SET: (Attribute("bs"),),
}


def calls_over_shared_arguments() -> list[Expression]:
    """Every signature over every choice of shared arguments."""
    found: dict[str, Expression] = {}
    for called in EVERYTHING:
        for signature in called.signatures:
            parameters = [p for p in signature.parameters if not p.constant]
            types = [[t for t in Type if t in p.types] for p in parameters]
            if any(p.same for p in parameters):
                choices = [tuple(t for _ in parameters) for t in types[-1]]
            else:
                choices = list(product(*types))
            for chosen in choices:
                for arguments in product(*(SHARED[t] for t in chosen)):
                    try:
                        expression = call(called, *arguments)
                    except ResolveError:
                        continue
                    found[repr((called.name, arguments))] = expression
    return list(found.values())


def test_expressions_that_share_their_parts_do_not_disturb_each_other() -> None:
    draw = random.Random(5)
    expressions = calls_over_shared_arguments()
    assert len(expressions) > 400
    draw.shuffle(expressions)
    rows = items(draw, 30)
    rows += [{"n": {"N": number}} for number in NUMBERS]
    fast = 0
    for start in range(0, len(expressions), 120):
        fast += check(expressions[start : start + 120], rows)
    assert fast > len(rows) * len(expressions) / 4


# What the property itself can see


def _wrong_length(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"strlen({arguments[0].value})", Form.INTEGER)


def _null_guard(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"({arguments[0].value} IS NULL)", Form.BOOLEAN, "NULL::BOOLEAN")


def _raising(lowering: Lowering, arguments: tuple[Fast, ...]) -> Fast:
    return Fast(f"CAST({arguments[0].value} AS BIGINT)", Form.INTEGER, "FALSE")


def _length(text: str) -> Value:
    return Decimal(len(text))


def _failing(text: str) -> Value:
    raise RowError("R0110", "no")


def _planted(lower: Lower, reference: Callable[[str], Value] = _length) -> Call:
    implementation = Implementation(reference, lower)
    signature = Signature((Parameter("text", STRING),), Type.NUMBER, implementation)
    return call(Function("planted", "text", "", (signature,)), Attribute("s"))


def test_the_property_sees_a_wrong_value() -> None:
    with pytest.raises(AssertionError, match=r"fast: Decimal\('2'\), reference: Decimal\('1'\)"):
        check([_planted(_wrong_length)], [{"s": {"S": "é"}}])


def test_the_property_sees_a_row_that_should_be_an_error() -> None:
    with pytest.raises(AssertionError, match=r"fast: Decimal\('2'\), but it is an error: planted\(s\): no"):
        check([_planted(_wrong_length, _failing)], [{"s": {"S": "é"}}])


def test_the_property_sees_sql_that_raises_behind_its_guard() -> None:
    with pytest.raises(duckdb.Error):
        check([_planted(_raising)], [{"s": {"S": "é"}}])


def test_the_property_sees_a_guard_that_is_null() -> None:
    (signature,) = named("IS NULL").signatures
    planted = replace(signature, implementation=Implementation(lambda value: False, _null_guard))
    expression = call(replace(named("nullif"), signatures=(planted,)), Attribute("s"))
    with pytest.raises(AssertionError, match="the guard is None"):
        check([expression], [{"s": {"S": "é"}}])


# How attributes are read


ODD_NAMES = (
    "id",
    "ID",
    "Id",
    "a.b",
    'quo"te',
    "it's",
    "sp ace",
    "[0]",
    "$",
    "日本",
    "a/b~c",
    "{x}",
    "%",
    "\\",
    "c0",
    "t0",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_can_be_read(name: str) -> None:
    rows: list[Item] = [
        {name: {"S": "abc"}, "ID": {"S": "other"}, "id": {"N": "7"}},
        {name: {"N": "1.50"}},
        {name: {"L": [{"S": "x"}]}},
        {name: {"M": {name: {"S": "inner"}}}},
        {name: {"NULL": True}},
        {},
    ]
    attribute = Attribute(name)
    fast = check(
        [
            attribute,
            call(named("length"), attribute),
            call(named("+"), attribute, Constant(Decimal(1), Type.NUMBER)),
            call(named("size"), attribute),
            call(named("IS MISSING"), attribute),
            call(named("IS NULL"), Attribute("id")),
            Attribute(name, (name,)),
            call(named("coalesce"), Attribute(name, (0,)), attribute),
        ],
        rows,
    )
    assert fast > len(rows)


def test_attributes_whose_names_differ_by_case_only_are_told_apart() -> None:
    rows: list[Item] = [{"id": {"S": "a"}, "ID": {"N": "2"}, "iD": {"S": "c"}}, {"ID": {"S": "b"}}, {"Id": {"S": "d"}}]
    texts = ["id", "length(id)", "ID", "ID + 1", "coalesce(iD, 'none')", "length(Id)", "Id"]
    assert check([compiled(text) for text in texts], rows) >= len(texts) * len(rows) - 2


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_name_that_sql_cannot_hold_goes_by_reference(name: str) -> None:
    with Vectorised([{name: {"S": "abc"}}]) as table:
        assert table.run([Attribute(name), call(named("length"), Attribute(name))]) == [None, None]


@pytest.mark.parametrize("text", ["c0", "c0 || c1", "'", "''", 't0."S"', "\\", "{", "日本", "a\nb", "-- x", "; DROP"])
def test_a_constant_is_never_taken_for_sql(text: str) -> None:
    rows: list[Item] = [{"s": {"S": text}}, {"s": {"S": "other"}}]
    constant = Constant(text, Type.STRING)
    expressions: list[Expression] = [
        call(named("="), Attribute("s"), constant),
        call(named("||"), constant, Attribute("s")),
        call(named("coalesce"), Attribute("nowhere"), constant),
    ]
    assert check(expressions, rows) == 6


@pytest.mark.parametrize("text", ["a\0b"])
def test_a_constant_that_sql_cannot_hold_goes_by_reference(text: str) -> None:
    assert Lowerer().lower(call(named("||"), Attribute("s"), Constant(text, Type.STRING))) is None


def test_a_path_stops_where_there_is_nothing() -> None:
    rows: list[Item] = [
        {"a": {"M": {"b": {"L": [{"N": "1"}, {"M": {"c": {"S": "deep"}}}]}}}},
        {"a": {"M": {"b": {"L": []}}}},
        {"a": {"M": {"b": {"NULL": True}}}},
        {"a": {"M": {}}},
        {"a": {"NULL": True}},
        {"a": {"S": "no map"}},
        {"a": {"L": [{"S": "no map either"}]}},
        {},
    ]
    texts = ["a.b", "a.b[0]", "a.b[0] + 1", "a.b[1].c", "length(a.b[1].c)", "a.b[9] IS MISSING", "a.b IS NULL"]
    assert check([compiled(text) for text in texts], rows) > 2 * len(rows)


def test_a_missing_text_and_one_of_another_type_are_told_apart() -> None:
    rows: list[Item] = [{"s": {"S": ""}}, {"s": {"N": "0"}}, {"s": {"NULL": True}}, {"s": {"BS": ["aGk="]}}, {}]
    with Vectorised(rows) as table:
        (outcomes,) = table.run([compiled("length(s)")])
    assert outcomes is not None
    assert [(o.fast, o.value, o.error is None) for o in outcomes] == [
        (True, Decimal(0), True),
        (False, None, False),
        (False, None, True),
        (False, None, False),
        (True, None, True),
    ]


# What the hot path looks like


def test_the_statement_of_the_main_job_does_each_step_once() -> None:
    lowerer = Lowerer()
    expressions = [compiled(text) for text in ("epoch(DateTime)", "epoch(DateTime) + 365 days", "length(OrderID) > 0")]
    lowered = [lowerer.lower(expression) for expression in expressions]
    assert [fast.form for fast in lowered if fast is not None] == [Form.INTEGER, Form.INTEGER, Form.BOOLEAN]
    sql = json.dumps(lowerer.layers(0, lowerer.depth))
    assert sql.count("TIMESTAMPTZ") == 1
    assert sql.count("length(") == 1
    # The seconds of a year are added as an integer, not as a decimal.
    assert "+ 31536000::BIGINT" in sql


def test_the_zone_of_the_spec_reaches_the_fast_path() -> None:
    berlin = replace(SETTINGS, zone=zone("Europe/Berlin"))
    rows: list[Item] = [
        {"t": {"S": text}}
        for text in ("2017-07-01", "2017-01-01T12:00", "2017-03-26T02:30", "2017-10-29T02:30", "2017-07-01T00:00Z")
    ]
    assert check([compiled("epoch(t)", berlin), compiled("to_string(parse_time(t))", berlin)], rows) >= 4


def test_the_job_s_time_and_table_reach_the_fast_path() -> None:
    with Vectorised([{}]) as table:
        outcomes = table.run([compiled("epoch_ms(now())"), compiled("source_table()")])
    assert [o[0].vectorised for o in outcomes if o is not None] == [Decimal(CONTEXT.now.millis), CONTEXT.source_table]


def test_a_binary_that_is_no_base64_goes_by_reference() -> None:
    """DynamoDB never sends one; a file may."""
    rows: list[Item] = [{"y": {"B": text}, "n": {"N": "1"}} for text in ("aGk=", "aGk", "no base64!", "====")]
    texts = ["y = CAST('hi' AS BINARY)", "y IN (CAST('hi' AS BINARY))", "size(y)", "CAST(y AS STRING)", "y < y"]
    assert check([compiled(text) for text in texts], rows) == len(texts)
