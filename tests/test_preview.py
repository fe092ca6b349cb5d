"""Preview and describe: few items are read, none is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import servers
import tables
from fake_dynamodb import Call, Fake, Item
from planned import HERE, planned
from servers import Server

import ddbetl
from ddbetl.engine import preview as previewing
from ddbetl.engine.loop import run_async
from ddbetl.engine.preview import FIRST_PAGE, Preview, preview
from ddbetl.errors import ConnectionFailed, JobFailed
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.types import Type

COUNT = 700


@pytest.fixture(scope="module")
def source(server: Server) -> tuple[Server, str]:
    """Two tables of items: a tenth of the first are errors, one in a hundred is rare."""
    prefix = servers.new_prefix()
    for name in ("One", "Two"):
        tables.create(server, f"{prefix}{name}", ("id", "S"))
        items = []
        for i in range(COUNT):
            item: tables.Item = {
                "id": {"S": f"{name}{i:04}"},
                "n": {"N": str(i)},
                "s": {"S": "rare" if i % 100 == 50 else "s"},
            }
            if name == "One" and i % 10 == 3:
                item["n"] = {"S": "no number"}
            items.append(item)
        tables.fill(server, f"{prefix}{name}", items)
    tables.create(server, f"{prefix}Target", ("id", "S"))
    return server, prefix


def plan(source: tuple[Server, str], spec: str, into: str | None = None) -> ddbetl.Plan:
    server, prefix = source
    into = f"{prefix}{into}" if into is not None else None
    return ddbetl.compile(
        spec.format(p=prefix), into=into, on_conflict="replace" if into else None, endpoint_url=server.endpoint_url
    )


def test_the_first_rows_of_few_items(source: tuple[Server, str]) -> None:
    found = plan(source, "SELECT id, n * 2 AS double FROM {p}Two").preview(5)
    assert len(found.rows) == 5
    assert found.read == FIRST_PAGE and found.filtered == 0 and found.rejects == ()
    for row in found.rows:
        assert row["double"] == {"N": str(int(row["id"]["S"][3:]) * 2)}
    if source[0].reports_scan_capacity:
        assert 0 < found.units < 3


def test_a_target_is_not_written(source: tuple[Server, str]) -> None:
    server, prefix = source
    found = plan(source, "SELECT * FROM {p}Two", into="Target").preview(7)
    assert len(found.rows) == 7
    assert tables.read(server, f"{prefix}Target") == []


def test_rejects_count_and_tell_why(source: tuple[Server, str]) -> None:
    found = plan(source, "SELECT id, n + 1 AS m FROM {p}One", into="Target").preview(60)
    assert len(found.rows) + len(found.rejects) == 60
    assert found.rejects
    for reject in found.rejects:
        assert (reject.code, reject.message) == ("R0101", "n: expected NUMBER, found STRING")
        assert reject.item["n"] == {"S": "no number"}
        assert reject.span is not None


@pytest.mark.parametrize("where", ["s = 'rare'", "lower(upper(s)) = 'rare'"])
def test_rare_rows_are_looked_for_in_all_tables(source: tuple[Server, str], where: str) -> None:
    found = plan(source, f"SELECT * FROM {{p}}Two, {{p}}One WHERE {where}").preview(1000)
    assert len(found.rows) == 14
    assert (found.read, found.filtered) == (2 * COUNT, 2 * COUNT - 14)


def test_a_preview_ends_with_the_first_rows_that_are_enough(source: tuple[Server, str]) -> None:
    found = plan(source, "SELECT id FROM {p}Two WHERE s = 'rare'").preview(1)
    assert len(found.rows) == 1 and found.read < COUNT


def test_limit_bounds_the_preview(source: tuple[Server, str]) -> None:
    assert len(plan(source, "SELECT id FROM {p}Two LIMIT 3").preview(20).rows) == 3
    assert len(plan(source, "SELECT id FROM {p}Two LIMIT 30").preview(20).rows) == 20


def test_a_spec_without_a_target_cannot_run(source: tuple[Server, str], tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="--into"):
        plan(source, "SELECT id FROM {p}Two").run(state_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


# Describe


def test_describe_samples_and_counts(source: tuple[Server, str]) -> None:
    server, prefix = source
    found = ddbetl.describe(f"{prefix}One", endpoint_url=server.endpoint_url, sample=50)
    assert found.sampled == 50
    assert [key.name for key in found.description.key] == ["id"]
    assert next(attribute.name for attribute in found.attributes) == "id"
    by_name = {attribute.name: attribute for attribute in found.attributes}
    assert by_name.keys() == {"id", "n", "s"}
    assert all(attribute.present == 50 for attribute in found.attributes)
    numbers = dict(by_name["n"].types)
    assert by_name["n"].types[0][0] is Type.NUMBER
    assert sum(numbers.values()) == 50 and numbers.keys() <= {Type.NUMBER, Type.STRING}
    assert by_name["id"].example["S"].startswith("One")
    if server.reports_scan_capacity:
        assert 0 < found.units <= 1


def test_describe_without_a_sample_reads_nothing(source: tuple[Server, str]) -> None:
    server, prefix = source
    found = ddbetl.describe(f"{prefix}One", endpoint_url=server.endpoint_url, sample=0)
    assert (found.sampled, found.units, found.attributes) == (0, 0.0, ())


def test_describe_of_a_table_that_is_not_there_says_what_is(source: tuple[Server, str]) -> None:
    server, prefix = source
    with pytest.raises(ConnectionFailed, match=f"there is no table {prefix}Onee in .*did you mean .*{prefix}One"):
        ddbetl.describe(f"{prefix}Onee", endpoint_url=server.endpoint_url)


# How much is read, and how


def looked_for(fake: Fake, plan: PhysicalPlan, rows: int) -> tuple[Preview, list[int]]:
    """A preview, and how many items were asked for in each request."""
    asked: list[int] = []

    def note(call: Call) -> None:
        asked.append(call.body["Limit"])

    fake.fault = note

    async def main() -> Preview:
        async with fake.running():
            return await preview(plan, {HERE: fake.access()}, rows)

    return run_async(main), asked


def rare(count: int, at: int) -> list[Item]:
    """Items of which one alone is wanted."""
    return [{"id": {"S": f"i{i}"}, "s": {"S": "rare" if i == at else "s"}} for i in range(count)]


def test_a_rare_row_is_found_in_few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previewing, "LARGEST_PAGE", 1000)
    fake = Fake({"One": rare(5000, 3200)}, page=5000)
    found, asked = looked_for(fake, planned("SELECT id FROM One WHERE lower(s) = 'rare'"), 1)
    assert asked == [100, 400, 1000, 1000, 1000]
    assert found.rows == ({"id": {"S": "i3200"}},)
    assert (found.read, found.filtered, found.stopped) == (3500, 3200, False)


@pytest.mark.parametrize(("at", "stopped"), [(4900, True), (450, False), (2999, False), (3000, True)])
def test_a_preview_does_not_read_a_large_table_for_a_rare_row(
    at: int, stopped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(previewing, "LARGEST_PAGE", 500)
    monkeypatch.setattr(previewing, "MOST_READ", 2700)
    fake = Fake({"One": rare(5000, at), "Two": rare(5000, 0)}, page=5000)
    found, asked = looked_for(fake, planned("SELECT id FROM One, Two WHERE lower(s) = 'rare'"), 1)
    assert len(found.rows) == (not stopped)
    assert (found.read, found.stopped) == (sum(asked), stopped)
    if stopped:
        # Neither this table nor the next one is read any further.
        assert asked == [100, 400, 500, 500, 500, 500, 500]
