"""Costs before a job begins: prices, ranges, what limits a job; and how explain takes a sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import servers
import tables
from botocore.loaders import create_loader
from click.testing import CliRunner
from compiling import catalog, control_plane, descriptions, site
from hypothesis import example, given
from hypothesis import strategies as st
from planned import NOW

import ddbetl
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.explain import with_sample
from ddbetl.connectors.dynamodb.failures import Kind, ServiceError
from ddbetl.engine import conflicts, target, width
from ddbetl.engine.measuring import _unless_denied, measured, unfiltered
from ddbetl.errors import JobFailed
from ddbetl.expressions.projection import BATCH
from ddbetl.expressions.writing import Action
from ddbetl.plan import write_cost
from ddbetl.plan.analyzer import Overrides, analyze
from ddbetl.plan.catalog import Catalog, Connection
from ddbetl.plan.cost import DOMAINS, Estimate, estimate, is_aws, sampling_cost, why_unknown
from ddbetl.plan.optimizer import optimize
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.plan.planner import plan as make_plan
from ddbetl.plan.prices import Prices, parsed, shipped
from ddbetl.plan.samples import Range, Sample, Samples, Units, exactly, rows_of, share_of
from ddbetl.plan.warnings import with_price
from ddbetl.plan.write_cost import _cost, _learning, _Row
from ddbetl.source import SourceText
from ddbetl.syntax import parser

HERE = Connection()


def planned(spec: str, known: str | Catalog) -> PhysicalPlan:
    found = catalog(known) if isinstance(known, str) else known
    return make_plan(optimize(analyze(parser.parse(SourceText(spec)), found, {}, Overrides(), NOW)))


def guess(spec: str, known: str, region: str = "us-east-1", prices: Prices | None = None) -> Estimate:
    return estimate(planned(spec, known), {HERE: site(Connection(region))}, prices or shipped())


# Prices


def test_the_shipped_prices_are_dated_and_in_order() -> None:
    found = shipped()
    assert date(2024, 11, 1) <= date.fromisoformat(found.date) and found.source
    virginia = found.of("us-east-1", "STANDARD", "on_demand")
    assert virginia is not None and (virginia.read, virginia.write) == (0.125, 0.625)
    for (region, _, mode), price in found.table.items():
        assert 3 < price.write / price.read < 7, (region, mode)
        # A provisioned unit of an hour is worth 3600 units.
        assert 0.1 < price.write / (1 if mode == "on_demand" else 0.001) < 2, (region, mode)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "the file must be an object"),
        ("{}", "ddbetl_prices must be 1"),
        ('{"ddbetl_prices": true, "date": "2026-01-01", "regions": {}}', "ddbetl_prices must be 1"),
        ('{"ddbetl_prices": 1.0, "date": "2026-01-01", "regions": {}}', "ddbetl_prices must be 1"),
        ('{"ddbetl_prices": 1}', "date must be the date of the prices"),
        ('{"ddbetl_prices": 1, "date": "today"}', "date must be the date of the prices"),
        ('{"ddbetl_prices": 1, "date": "2026-99-99", "regions": {}}', "and there is no 2026-99-99"),
        ('{"ddbetl_prices": 1, "date": "2026-02-29", "regions": {}}', "and there is no 2026-02-29"),
        ('{"ddbetl_prices": 1, "date": "2026-01-01"}', "regions must be an object"),
        ('{"ddbetl_prices": 1, "date": "2026-01-01", "source": 5, "regions": {}}', "source must be a text"),
    ],
)
def test_what_is_no_price_table_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^mine.json is no .*{message.removeprefix('is no ')}"):
        parsed(text, "mine.json")


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ("5", "eu-west-1 must be an object"),
        ('{"CHEAP": {}}', "eu-west-1 has 'CHEAP'; it can have STANDARD and STANDARD_INFREQUENT_ACCESS"),
        ('{"STANDARD": {"reserved": {}}}', "eu-west-1, STANDARD has 'reserved'"),
        (
            '{"STANDARD": {"on_demand": {"read": 1}}}',
            "eu-west-1, STANDARD, on_demand: write must be a number of dollars",
        ),
        ('{"STANDARD": {"on_demand": {"read": true, "write": 1}}}', "read must be a number of dollars"),
        ('{"STANDARD": {"on_demand": {"read": -1, "write": 1}}}', "read must be a number of dollars"),
        ('{"STANDARD": {"on_demand": {"read": NaN, "write": 1}}}', "read must be a number of dollars"),
    ],
)
def test_what_is_no_price_is_said(region: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parsed(f'{{"ddbetl_prices": 1, "date": "2026-01-01", "regions": {{"eu-west-1": {region}}}}}', "mine.json")
    assert message in str(error.value)


COPY = "INSERT INTO Archive SELECT * FROM Orders ON CONFLICT REPLACE"
TABLES = "Orders (ID S), 1000000 items, 819200000 bytes\nArchive (ID S)"


def test_dollars_are_units_times_their_price() -> None:
    found = guess(COPY, TABLES)
    assert found.read_units is not None and found.write_units is not None and found.dollars is not None
    assert found.read_units.expected == pytest.approx(100_000, rel=0.001)
    assert found.write_units == Range(1_000_000, 1_000_000, 1_800_000)
    expected = found.read_units.expected * 0.125e-6 + 0.625
    assert found.dollars.expected == pytest.approx(expected)
    assert guess(COPY, TABLES, "eu-central-1").dollars.expected == pytest.approx(expected * 1.22, rel=0.001)  # type: ignore[union-attr]


def test_provisioned_units_are_paid_for_anyway() -> None:
    found = guess(
        COPY, "Orders (ID S), 10 items, 8192 bytes, provisioned 10 rcu 10 wcu\nArchive (ID S), provisioned 5 rcu 5 wcu"
    )
    assert found.dollars == exactly(0.0)
    assert {charge.billing for charge in found.charges} == {"PROVISIONED"}


def test_an_unknown_region_has_no_dollars() -> None:
    found = guess(COPY, TABLES, "eu-west-2")
    assert found.dollars is None and found.write_units is not None
    assert {charge.why for charge in found.charges} == {"there are no prices of eu-west-2; --prices FILE brings some"}
    own = parsed(
        '{"ddbetl_prices": 1, "date": "2026-01-01", "regions": {"eu-west-2": {"STANDARD": {"on_demand": {"read": 0, "write": 2}}}}}',
        "own",
    )
    mine = guess(COPY, TABLES, "eu-west-2", own).dollars
    assert mine is not None and (mine.low, mine.expected, mine.high) == pytest.approx((2.0, 2.0, 3.6))


def test_infrequent_access_has_prices_of_its_own() -> None:
    known = catalog(TABLES)
    cold = {key: replace(table, table_class="STANDARD_INFREQUENT_ACCESS") for key, table in known.tables.items()}
    sites = {HERE: site(Connection("us-east-1"))}
    found = estimate(planned(COPY, replace(known, tables=cold)), sites, shipped())
    assert found.dollars is not None and found.dollars.expected == pytest.approx(0.78 + 0.0155, rel=0.001)


def test_a_server_of_ones_own_costs_nothing_that_is_known() -> None:
    sites = {HERE: site(Connection(endpoint="http://127.0.0.1:8000"))}
    found = estimate(planned(COPY, TABLES), sites, shipped())
    assert found.dollars is None and found.charges[0].why == "the endpoint is not one of AWS"


def test_the_domains_are_those_of_all_partitions() -> None:
    outputs = [one["outputs"] for one in create_loader().load_data("partitions")["partitions"]]
    assert set(DOMAINS) == {f".{one[name]}" for one in outputs for name in ("dnsSuffix", "dualStackDnsSuffix")}


@pytest.mark.parametrize(
    ("endpoint", "aws"),
    [
        ("https://dynamodb.eusc-de-east-1.amazonaws.eu", True),
        ("https://dynamodb.us-iso-east-1.c2s.ic.gov", True),
        ("https://123456789012.ddb.us-east-1.amazonaws.com/", True),
        ("https://DynamoDB.eu-west-1.AmazonAWS.com:443/", True),
        ("http://127.0.0.1:8000", False),
        ("https://amazonaws.com.example.org", False),
        ("https://example.org/.amazonaws.com", False),
        ("https://notamazonaws.com", False),
    ],
)
def test_an_endpoint_is_known_by_its_domain(endpoint: str, aws: bool) -> None:
    assert is_aws(endpoint) == aws


@pytest.mark.parametrize(
    ("billing", "connection", "said"),
    [
        ("on demand", HERE, " ($0.02)"),
        ("on demand", Connection("eu-west-2"), " ($0.24)"),
        ("on demand", Connection(endpoint="http://127.0.0.1:8000"), ""),
        ("provisioned 10 rcu 10 wcu", HERE, ""),
    ],
)
def test_a_full_scan_has_a_price_where_it_is_known(billing: str, connection: Connection, said: str) -> None:
    own = parsed(
        '{"ddbetl_prices": 1, "date": "2026-01-01", "regions": {"eu-west-2": {"STANDARD": {"on_demand": {"read": 2, "write": 2}}}}}',
        "own",
    )
    prices = replace(shipped(), table={**shipped().table, **own.table})
    found = planned("SELECT ID FROM Orders WHERE a = 1", f"Orders (ID S), 1000000 items, 1000000000 bytes, {billing}")
    (warning,) = with_price(found, {HERE: site(connection)}, prices)
    assert warning.code == "W0113" and f"for 122,071 read units{said}: no index" in warning.message
    # Without prices, there are still the units.
    assert "for 122,071 read units: no" in found.warnings[0].message


# Units and ranges


@given(
    action=st.sampled_from(Action),
    rows=st.floats(0, 1e9),
    there=st.floats(0, 1),
    put=st.floats(1, 400),
    item=st.floats(1, 400),
    compare=st.floats(0.5, 100),
)
def test_every_row_is_paid_for(
    action: Action, rows: float, there: float, put: float, item: float, compare: float
) -> None:
    row = _Row(*map(exactly, (put, item, compare)))
    writes, reads = _cost(action, rows, there, row, "expected")
    most = rows * (put + item + 1)
    assert 0 <= reads <= rows * compare * (1 + 1e-9) and 0 <= writes <= most * (1 + 1e-9)
    if there == 0:
        # Whatever is new is put; or nothing is there to be changed, which is found out by trying.
        assert writes >= rows * (min(put, 1) if action in (Action.DELETE, Action.MERGE_EXISTING) else put) * (1 - 1e-9)


def test_what_is_learned_is_learned_as_the_engine_does() -> None:
    assert write_cost.ASK_FIRST == conflicts.ASK_FIRST
    assert (write_cost.MEMORY, write_cost.BATCH_ROWS) == (target.MEMORY, BATCH)
    assert (write_cost.IN_FLIGHT, write_cost.MOST_IN_FLIGHT) == (width.FIRST, width.MOST)
    # No more are in flight before so many are done.
    assert write_cost.SAME_IN_FLIGHT == width.ROUNDS * width.FIRST


@given(share=st.floats(0, 1), limit=st.sampled_from([write_cost.ASK_FIRST, write_cost.INSERT_FIRST]))
@example(1 / 2 + 1e-16, 1 / 2)
@example(0.5000000000000001, 1 / 2)
def test_a_share_is_known_after_as_many_batches_as_the_engine_takes(share: float, limit: float) -> None:
    found = _learning(share, limit)
    seen, batches = target.Share(), 0
    while seen.value <= limit and batches < 1000:
        seen.add(share * BATCH, BATCH)  # type: ignore[arg-type]
        batches += 1
    if batches < 1000:
        assert found.low <= batches * BATCH <= found.expected < found.high
    else:
        assert found.expected > 100 * BATCH


SPECS = (
    COPY,
    "INSERT INTO Archive SELECT ID, a FROM Orders WHERE a = 1 ON CONFLICT SKIP",
    "INSERT INTO Archive SELECT ID, a FROM Orders ON CONFLICT KEEP NEWEST BY a",
    "MERGE INTO Archive SELECT ID, 1 AS n FROM Orders",
    "MERGE INTO Archive ON MISSING SKIP SELECT ID, 1 AS n FROM Orders",
    "DELETE FROM Archive USING SELECT ID FROM Orders WHERE a = 1",
    "INSERT INTO Archive SELECT * FROM Orders LIMIT 100 ON CONFLICT REPLACE",
    "SELECT * FROM Orders WHERE a = 1",
    "SELECT * FROM Orders WHERE ID = 'x'",
)


@given(
    spec=st.sampled_from(SPECS),
    items=st.integers(0, 10**7),
    size=st.integers(0, 10**10),
    there=st.integers(0, 10**7),
    billing=st.sampled_from(["", ", provisioned 10 rcu 10 wcu", ", at most 100 rcu 100 wcu"]),
    sample=st.none() | st.tuples(st.integers(0, 50), st.integers(0, 50), st.booleans()),
)
def test_ranges_are_in_order(
    spec: str, items: int, size: int, there: int, billing: str, sample: tuple[int, int, bool] | None
) -> None:
    known = f"Orders (ID S), {items} items, {size} bytes{billing}\nArchive (ID S), {there} items, {there * 100} bytes"
    found = planned(spec, known)
    samples = None
    if sample is not None:
        count, rows, whole = sample[0], min(sample), sample[2]
        units = Units(rows * 2, 0, rows)
        samples = Samples((Sample(found.scans[0].table, count, whole, count / 2, count * 100, rows, units, (), {}),))
    made = estimate(found, {HERE: site(HERE)}, shipped(), samples)
    ranges = (made.items, made.read_units, made.rows, made.write_units, made.compare_units, made.dollars)
    for one in (*ranges, made.pace.seconds if made.pace is not None else None):
        assert one is None or (0 <= one.low <= one.expected * (1 + 1e-9) and one.expected <= one.high * (1 + 1e-9)), (
            made
        )


@given(st.integers(1, 10**4).flatmap(lambda whole: st.tuples(st.integers(0, whole), st.just(whole))))
def test_a_share_has_a_margin(counts: tuple[int, int]) -> None:
    some, whole = counts
    found = share_of(some, whole)
    assert 0 <= found.low <= found.expected == some / whole <= found.high <= 1
    assert found.low < found.high


def sampled(items: int, rows: int, whole: bool = False) -> Sample:
    table = planned("SELECT * FROM Orders", TABLES).scans[0].table
    return Sample(table, items, whole, 1.0, items * 100, rows, Units(rows, 0, rows), (), {})


def test_more_items_make_a_smaller_margin() -> None:
    few, many = rows_of([10_000], [sampled(20, 10)]), rows_of([10_000], [sampled(2000, 1000)])
    assert few.expected == many.expected == 5000
    assert few.low < many.low < 5000 < many.high < few.high


def test_a_whole_table_has_no_margin() -> None:
    assert rows_of([20], [sampled(20, 7, whole=True)]) == exactly(7)


def test_of_some_keys_of_a_table_not_more_is_known() -> None:
    found = guess("SELECT * FROM Orders WHERE ID = 'x'", "Orders (ID S), 1000 items, 8192000 bytes")
    assert found.read_units == Range(0.5, 1, 1) and found.rows == Range(0, 1, 1)
    many = guess("SELECT * FROM Orders WHERE ID = 'x'", "Orders (ID S, Day S), 1000 items, 8192000 bytes")
    assert many.read_units == Range(0.5, 1000, 1000)
    assert "how many items of Orders have the key is not known: all, at most" in many.assumptions


def test_tables_without_a_count_are_unknown() -> None:
    assert guess("SELECT * FROM Orders", "Orders (ID S)").assumptions == ("Orders is empty or too new to be counted",)
    found = guess("SELECT * FROM O_*", "O_{1,2} (ID S), 5 items\nO_3 (ID S)")
    assert found.assumptions == ("O_3 is empty or too new to be counted, and the size of 2 tables is not known",)
    offline = ddbetl.check("SELECT * FROM Orders").estimate()
    assert offline == Estimate(None, None, None)


# Time


@pytest.mark.parametrize(
    ("known", "options", "limit"),
    [
        (
            "Orders (ID S), 100000 items, 819200000 bytes, provisioned 100 rcu 1 wcu\nArchive (ID S)",
            "read = 50%",
            "read",
        ),
        (
            "Orders (ID S), 100000 items, 10000000 bytes\nArchive (ID S), provisioned 1 rcu 100 wcu",
            "write = 50%",
            "write",
        ),
        ("Orders (ID S), 100000 items, 10000000 bytes\nArchive (ID S)", "write = unlimited", "partitions"),
        (
            "Orders (ID S), 100000 items, 10000000 bytes\nArchive (ID S), provisioned 1 rcu 40000000 wcu",
            "write = unlimited, read = unlimited",
            "machine",
        ),
    ],
)
def test_the_slowest_part_is_the_limit(known: str, options: str, limit: str) -> None:
    found = guess(f"{COPY} WITH ({options})", known)
    assert found.pace is not None and found.pace.limit == limit
    if limit in ("read", "write"):
        assert found.faster is not None and found.faster.option == f"{limit} = 100%"
        assert found.faster.seconds == pytest.approx(found.pace.seconds.expected / 2)
    else:
        assert found.faster is None


def test_a_higher_rate_helps_as_far_as_the_next_limit() -> None:
    known = "Orders (ID S), 100000 items, 10000000 bytes\nArchive (ID S), provisioned 1 rcu 1000 wcu"
    found = guess(f"{COPY} WITH (write = 10%)", known)
    assert found.pace is not None and found.faster is not None
    assert found.pace.seconds.expected == pytest.approx(1000)
    assert (found.faster.option, found.faster.seconds) == ("write = 50%", pytest.approx(200))
    units = guess(f"{COPY} WITH (write = 100 wcu)", known)
    assert units.faster is not None and units.faster.option == "write = 200 wcu"


# Samples


def test_a_sample_asks_for_whole_items() -> None:
    query = {
        "TableName": "Orders",
        "KeyConditionExpression": "#k0 = :k0",
        "ProjectionExpression": "#p0",
        "FilterExpression": "#f0 = :f0 AND #k01 = :k01",
        "ExpressionAttributeNames": {"#k0": "ID", "#p0": "a", "#f0": "b", "#k01": "c"},
        "ExpressionAttributeValues": {":k0": {"S": "1"}, ":f0": {"S": "2"}, ":k01": {"S": "3"}},
    }
    assert json.loads(unfiltered(json.dumps(query))) == {
        "TableName": "Orders",
        "KeyConditionExpression": "#k0 = :k0",
        "ExpressionAttributeNames": {"#k0": "ID"},
        "ExpressionAttributeValues": {":k0": {"S": "1"}},
    }
    assert json.loads(unfiltered('{"TableName":"Orders","FilterExpression":"#f0 = :f0"}')) == {"TableName": "Orders"}


def test_a_sample_measures_rows_and_indexes() -> None:
    known = catalog("Orders (ID S), 9 items\nArchive (ID S), index ByDay (Day N)")
    kept = planned("INSERT INTO Archive SELECT ID, Day, Note FROM Orders WHERE Day > 1 ON CONFLICT REPLACE", known)

    def item(**values: Any) -> bytes:
        return json.dumps({name: {"N" if name == "Day" else "S": value} for name, value in values.items()}).encode()

    raws = [
        item(ID="1", Day="1", Note="x" * 5000),
        item(ID="2", Day="2", Note="x" * 1500, Other="y" * 5000),
        item(ID="3", Day="3", Note="x"),
        b'{"ID": {"S": "4"}, "Day": {"S": "4"}}',
    ]
    found, rows = measured(kept, kept.scans[0], raws, False, 2.0)
    assert (found.items, found.rows, len(rows), found.cost) == (4, 2, 2, 2.0)
    assert found.units == Units(put=2 + 1, indexes=2 + 1, compare=2)
    assert [(failure.code, failure.count) for failure in found.failures] == [("R0101", 1)]
    assert {name: sum(types.values()) for name, types in found.types.items()} == {
        "ID": 4,
        "Day": 4,
        "Note": 3,
        "Other": 1,
    }


def test_sampling_says_what_it_costs() -> None:
    assert sampling_cost(planned("SELECT * FROM Orders", TABLES), 100) == pytest.approx(10)
    # And half a unit for each row that the target is asked for.
    assert sampling_cost(planned(COPY, TABLES), 100) == pytest.approx(60)
    assert sampling_cost(planned(COPY, "Orders (ID S)\nArchive (ID S)"), 100) is None


def test_what_hides_the_cost_of_a_sample_is_said() -> None:
    assert why_unknown(planned(COPY, "Orders (ID S)\nArchive (ID S)")) == "Orders is empty or too new to be counted"
    uncounted = planned(COPY, "Orders (ID S), 5 items\nArchive (ID S)")
    assert sampling_cost(uncounted, 100) is None and why_unknown(uncounted) == "the size of Orders is not known"


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ("Orders (ID S), 5 items", "; what that costs is not known: the size of Orders is not known."),
        ("Orders (ID S)", "; what that costs is not known: Orders is empty or too new to be counted."),
        ("Orders (ID S), 5 items, 90 bytes", ", about 0.5 read units."),
    ],
)
def test_what_a_sample_costs_is_said_before_it_is_taken(
    known: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with control_plane(known), pytest.raises(AttributeError, match="access"):
        with_sample(ddbetl.compile("SELECT * FROM Orders", now=NOW), 20)
    assert " ".join(capsys.readouterr().err.split()) == f"Sampling reads up to 20 items{said}"


def test_rows_that_no_sampled_item_becomes_have_a_price_as_well() -> None:
    found = planned("INSERT INTO Archive SELECT * FROM Orders WHERE a = 1 ON CONFLICT REPLACE", TABLES)
    none = Samples((sampled(100, 0),))
    made = estimate(found, {HERE: site(HERE)}, shipped(), none)
    assert made.rows is not None and made.write_units is not None
    assert (made.rows.low, made.rows.expected) == (0, 0) < (made.rows.high, 0)
    assert made.write_units.low == made.write_units.expected == 0
    # An item of 819 bytes is one unit, or two.
    assert made.rows.high <= made.write_units.high <= 2 * made.rows.high
    assert "a row is as large as the item that it is made of" in made.assumptions
    empty = Samples((sampled(0, 0, whole=True),))
    assert estimate(found, {HERE: site(HERE)}, shipped(), empty).assumptions == ()


def test_an_offline_plan_has_nothing_to_sample() -> None:
    with pytest.raises(JobFailed, match="offline"):
        ddbetl.check("SELECT * FROM Orders").sample(5)


def explain(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["explain", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_takes_a_sample_and_says_so(one_server: servers.Server, prefix: str) -> None:
    tables.create(one_server, f"{prefix}Orders", ("ID", "S"))
    items = [{"ID": {"S": str(number)}, "Total": {"N": str(number)}} for number in range(40)]
    tables.fill(one_server, f"{prefix}Orders", items)
    spec = f"SELECT ID, totl AS Total FROM {prefix}Orders WHERE Total < 20"
    code, out, err = explain(spec, "--sample", "50", "--endpoint-url", one_server.endpoint_url)
    assert code == ExitCode.DONE, err
    assert err.startswith("Sampling reads up to 50 items")
    assert "ESTIMATE  from a sample of 40 items, which cost " in out
    assert "  rows        20\n" in out and "warning[W0202]: none of 40 sampled items has totl" in out
    code, out, err = explain(spec, "--sample", "50", "--json", "--endpoint-url", one_server.endpoint_url)
    found = json.loads(out)["estimate"]
    assert found["rows"] == {"low": 20, "expected": 20, "high": 20} and found["sample"]["items"] == 40


@pytest.mark.parametrize("text", ["nope", '{"ddbetl_prices": 2}', "[" * 100_000], ids=["text", "version", "deep"])
def test_a_wrong_price_table_is_refused_before_anything_is_asked(text: str, tmp_path: Path) -> None:
    (tmp_path / "prices.json").write_text(text, encoding="utf-8")
    code, _, err = explain("SELECT a FROM Orders", "--prices", str(tmp_path / "prices.json"))
    assert code == 2 and "--prices" in err and "prices.json is no" in err


def test_descriptions_have_their_class() -> None:
    found: Mapping[str, Any] = descriptions("Orders (ID S)")
    assert found["Orders"].table_class == "STANDARD"


def test_a_target_that_may_not_be_read_is_not_asked() -> None:
    with _unless_denied():
        raise ServiceError(
            "AccessDeniedException", "not authorized to perform dynamodb:BatchGetItem", status=400, kind=Kind.TERMINAL
        )
    with pytest.raises(ServiceError), _unless_denied():
        raise ServiceError("ValidationException", "the key is none", status=400, kind=Kind.TERMINAL)
