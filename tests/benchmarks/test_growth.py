"""The shapes beside the main job's, what is compared of them, and what the benchmark makes of its cases and aims."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse
from tests.benchmarks import canned_data, functions, goals, growth, page, profile, scaling, side_by_side, start
from tests.benchmarks.bench import ALWAYS, LONG, PARTS, measure
from tests.benchmarks.canned_answers import Canned
from tests.benchmarks.canned_checks import canonical_item
from tests.benchmarks.canned_data import SOURCES, TARGET, Kind, Shape
from tests.benchmarks.canned_tables import Mode, Refused
from tests.benchmarks.goals import GOALS, MAIN_TITLE, TLS_TITLE, goals_json, goals_text
from tests.benchmarks.growth import CASES, FEWER, NUMBER, SEGMENTS, Grown, growth_json, growth_text
from tests.benchmarks.measure import canned_server, client_environment, cpu_until_request, run_client, usable_cores
from tests.benchmarks.peers import PEERS, Job
from tests.benchmarks.report import Section, section_json
from tests.benchmarks.side_by_side import DDBETL, DDBETL_DEFAULT, FULL, QUICK, SPEC, Bench, Failed
from tests.benchmarks.test_bench import ITEMS, run
from tests.benchmarks.test_canned_server import put, scan, scan_all

MAIN_JOB = SPEC.read_text()


def serving(**mode: Any) -> Canned:
    server = Canned(Mode(), 1 << 20, lambda: 0.0)
    server.configure(Mode(**mode))
    return server


def test_months_go_on_behind_the_thirteenth_table() -> None:
    names = [canned_data.source_name(table) for table in range(canned_data.MOST_TABLES)]
    assert tuple(names[:13]) == SOURCES and names[13].endswith("_201706") and names[-1].endswith("_205712")
    assert [canned_data.source_number(name) for name in names] == list(range(len(names)))
    for other in (names[0][:-2] + "13", names[0][:-2] + "04", canned_data.source_name(500), TARGET, "x"):
        with pytest.raises(ValueError, match="no source"):
            canned_data.source_number(other)
    server = serving(pages_per_table=1, items_per_page=5, tables=20)
    items = [item for name in names[:20] for item in scan_all(server, TableName=name)]
    assert len(items) == len({canonical_item(canned_data.source_key(item)) for item in items}) == 100
    with pytest.raises(Refused, match="not found"):
        scan(server, TableName=names[20])


@pytest.mark.parametrize(
    ("kind", "attributes", "sizes"),
    [
        (Kind(attributes=3, item_bytes=100), {3, 4}, range(100, 101)),
        (Kind(item_bytes=1024), {6, 7}, range(1024, 1025)),
        (Kind(item_bytes=350 * 1024), {6, 7}, range(350 * 1024, 350 * 1024 + 1)),
        (Kind(attributes=200), {199, 200}, range(2_000, 4_000)),
    ],
)
def test_items_are_of_their_kind(kind: Kind, attributes: set[int], sizes: range) -> None:
    items = canned_data.page_items(3, 1, Shape(2, 30, kind=kind))
    assert {len(item) for item in items} == attributes
    assert all(canned_data.item_size(item) in sizes for item in items)
    assert len({canonical_item(canned_data.source_key(item)) for item in items}) == 30


@pytest.mark.parametrize(("share", "low", "high"), [(0.0, 0, 0), (0.4, 60, 100), (1.0, 200, 200)])
def test_so_many_items_pass_as_is_said(share: float, low: int, high: int) -> None:
    shape = Shape(1, 200, tables=1, kind=Kind(with_order=share))
    assert low <= canned_data.promoted_items(shape) <= high
    assert canned_data.promoted_items(shape) == len(list(canned_data.written_items(shape, copies=False)))
    assert len(list(canned_data.written_items(shape, copies=True))) == 200


def test_a_skewed_table_has_most_pages_and_all_are_read_once() -> None:
    even, skewed = Shape(10, 4), Shape(10, 4, skew="tables")
    pages = [skewed.pages_of(table) for table in range(13)]
    assert sum(pages) == even.pages == 130 and pages[0] == 104 and max(pages[1:]) - min(pages[1:]) == 1
    server = serving(pages_per_table=10, items_per_page=4, skew="tables")
    read = [len(scan_all(server, TableName=name)) for name in SOURCES]
    assert read == [4 * count for count in pages]
    assert server.stats()["expected_read"] == sum(read) == even.items
    sizes = [canned_data.table_bytes(table, skewed) for table in range(13)]
    items = [item for page in range(pages[1]) for item in canned_data.page_items(1, page, skewed)]
    assert sizes[1] == sum(map(canned_data.item_size, items)) and sizes[0] > sum(sizes[1:])


@pytest.mark.parametrize("segments", [1, 2, 8])
def test_a_skewed_segment_has_most_pages_and_all_are_read_once(segments: int) -> None:
    server = serving(pages_per_table=20, items_per_page=3, tables=1, skew="segments")
    of_segments = [
        scan_all(server, TableName=SOURCES[0], Segment=segment, TotalSegments=segments) for segment in range(segments)
    ]
    shape = server.mode.shape
    expected = [item for page in range(20) for item in canned_data.page_items(0, page, shape)]
    read = [item for items in of_segments for item in items]
    assert sorted(map(canonical_item, read)) == sorted(map(canonical_item, expected))
    assert len(of_segments[0]) == (60 if segments == 1 else 48)


def test_a_copy_has_the_sources_key() -> None:
    server = serving(pages_per_table=1, items_per_page=30, tables=1, copies=True, verify=True)
    items = scan_all(server, TableName=SOURCES[0])
    server.answer("BatchWriteItem", put(*items[:20]))
    assert len(server.written) == 20 and server.stats()["expected_written"] == 30
    with pytest.raises(Refused, match="mistyped key"):
        server.answer("BatchWriteItem", put({"CustomerID": {"S": "a"}, "CreationDateTime": {"N": "1"}}))


def test_the_definition_of_the_data_is_what_the_loops_write(monkeypatch: pytest.MonkeyPatch) -> None:
    with canned_server(cache_mb=0) as server:
        for name, mode in (("boto3_loop", Mode(2, 50)), ("boto3_copy", Mode(2, 50, tables=1, copies=True))):
            bench = Bench(FULL, 0.0)
            command = [sys.executable, "-m", "tests.benchmarks.peers", name, server.url]
            assert bench.check(server, command, mode) == server.stats()["expected_written"]
            assert PEERS[name].__doc__ and Job(server.url).sources[0] == SOURCES[0]
        with pytest.raises(Failed, match="has read 0"):
            bench.check(server, ["true"], mode)
        monkeypatch.setattr(side_by_side, "written_items", lambda shape, copies: [{"CustomerID": {"S": "another"}}])
        with pytest.raises(Failed, match="only ddbetl"):
            bench.check(server, command, mode)


def test_every_case_has_a_spec_and_a_small_job_of_its_kind() -> None:
    for case in CASES:
        spec = case.spec(MAIN_JOB)
        parse(SourceText(spec))
        assert ("SELECT *" in spec) == case.mode.copies and spec.count("FROM") == 1
        assert (f"segments = {SEGMENTS}" in spec) == (case.segments is not None)
        small = case.small()
        assert small.verify and small.shape.kind == case.mode.shape.kind and small.tables == case.mode.tables
        assert 0 < small.shape.items <= 2 * growth.SMALL_ITEMS and small.shape.items <= case.mode.shape.items
        # A page of DynamoDB has at most 1 MB.
        items = canned_data.page_items(0, 0, case.mode.shape)
        assert sum(map(canned_data.item_size, items)) <= 1.05 * 2**20
    assert "{201605..205712}" in next(case for case in CASES if case.mode.tables == 500).spec(MAIN_JOB)
    assert "_201605\n" in next(case for case in CASES if case.mode.tables == 1).spec(MAIN_JOB)
    sizes = [case.mode.shape.items for case in CASES if case.group == NUMBER]
    assert [size / sizes[0] for size in sizes] == [1, 10, 100]
    for group in growth.SKEWS:
        assert len({case.mode.shape.items for case in CASES if case.group == group}) == 1


def grown() -> list[Grown]:
    first = replace(run(100.0), cpu=0.5)
    more = replace(run(200.0), items_read=20 * ITEMS, cpu=0.536)
    sizes = [case for case in CASES if case.group == NUMBER][:2]
    none_pass = next(case for case in CASES if (case.group, case.name) == (FEWER, "0 %"))
    return [Grown(sizes[0], first, 10**6, 0.4), Grown(sizes[1], more, 10**7, 0.4), Grown(none_pass, more, 1, 0.4)]


def test_growth_is_told_in_table_and_json() -> None:
    text, saved = growth_text(grown()), json.loads(json.dumps(growth_json(grown())))
    assert saved["further_item_us"] == pytest.approx(2.0) and "costs 2.00 µs" in text
    assert [one["name"] for one in saved["cases"]] == ["1x", "10x", "0 %"]
    figures = saved["cases"][0]["figures"]
    assert figures["running_us_per_item_read"] == pytest.approx(50.0)
    assert figures["read_mb_per_second"] == pytest.approx(0.1) and figures["bytes_per_item"] == pytest.approx(500)
    (line,) = (line for line in text.splitlines() if line.startswith("    10x"))
    assert " 20.00 " in line and " 26.80 " in line
    assert growth_json(grown()[2:])["further_item_us"] is None


def test_aims_are_judged_by_what_was_measured() -> None:
    loop, ours = replace(run(10.0), cpu=0.1), replace(run(350.0), busiest_cpu=0.001)
    main = Section(f"{MAIN_TITLE} (and more)", 0, {"boto3_loop": [loop], DDBETL: [ours], DDBETL_DEFAULT: [run(390.0)]})
    tls = Section(f"{TLS_TITLE}; checked", 0, {"boto3_loop": [loop], DDBETL: [ours]})
    latency = Section("Held back", 0, {"0 ms": [run(100.0)], "5 ms": [run(79.0)]})
    result = {
        "sections": [section_json(one, "boto3_loop") for one in (main, tls)],
        "growth": growth_json(grown()),
        "latency": section_json(latency, "0 ms"),
        "workers": {"accounted_ratio": 1.8},
        "start": {"medians": {DDBETL: 0.6}},
        "functions": {functions.PLAIN_MAIN: {"medians": {"items_per_second": 700_000.0}}},
        "memory": {"runs": [{"peak_bytes": 410_000_000}]},
    }
    found = {one["name"]: (one["measured"], one["reached"]) for one in goals_json(result)}
    assert len(found) == len(GOALS)
    by_word = {
        "the plain loop$": (35, True),
        "the tuned loop": (None, None),
        "over TLS": (100, True),
        "default workers": (39, False),
        "written by one worker": (350, False),
        "CPU by item read": (1, True),
        "filtered out": (26.8, False),
        "alone, main job": (700_000, True),
        "alone, SELECT": (None, None),
        "memory": (410, False),
        "first request": (0.6, True),
        "at 5 ms": (0.79, False),
        "at 20 ms": (None, None),
        "with 2 workers": (1.8, True),
    }
    for words, (measured, reached) in by_word.items():
        (name,) = (name for name in found if (name.endswith(words[:-1]) if words.endswith("$") else words in name))
        assert found[name] == (measured if measured is None else pytest.approx(measured), reached), name
    text = goals_text(result)
    assert text.count("not measured") == sum(reached is None for _, reached in found.values())
    assert text.count(" NO") == sum(reached is False for _, reached in found.values())
    assert "not measured" in goals_text({}) and " NO" not in goals_text({})
    assert {goals.PLAIN_MAIN, goals.PLAIN_STAR} == {functions.PLAIN_MAIN, functions.PLAIN_STAR}


def test_workers_are_compared_within_rounds() -> None:
    one, two = replace(run(100.0), busiest_cpu=0.001), replace(run(110.0), busiest_cpu=0.0005, processes=3)
    runs = {"1 worker": [one], "2 workers": [two], "1 worker, pinned": [run(80.0)]}
    section = Section("Workers", 0, runs)
    assert scaling.accounted(runs) == pytest.approx([2.0])
    saved = json.loads(json.dumps(scaling.scaling_json(section)))
    assert saved["accounted_ratio"] == pytest.approx(2.0)
    assert "2 workers read 2.00 (2.00-2.00) times as much as 1, accounted." in scaling.scaling_text(section)
    unknown = {name: [replace(one, busiest_cpu=None)] for name in ("1 worker", "2 workers")}
    assert scaling.accounted(unknown) == [] and scaling.scaling_json(Section("", 0, unknown))["accounted_ratio"] is None
    assert scaling.layouts(frozenset({3})) == {"": (None, None)}
    assert scaling.layouts(frozenset({1, 4, 2}))[scaling.PINNED] == (frozenset({1}), frozenset({2, 4}))


def test_a_client_s_start_ends_with_its_first_byte() -> None:
    code = "import sys, urllib.request as u; sum(range(10**6)); u.urlopen(sys.argv[1]); sum(range(10**9))"
    used = cpu_until_request(lambda url: [sys.executable, "-c", code, url], lambda url: {})
    assert used > 0
    with pytest.raises(RuntimeError, match="has sent nothing"):
        cpu_until_request(lambda url: [sys.executable, "-c", "import time; time.sleep(9)"], lambda url: {}, timeout=0.1)
    assert start.medians({"a": [3.0, 1.0, 2.0]}) == {"a": 2.0} and "1.00-3.00" in start.starts_text({"a": [1.0, 3.0]})


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of threads and cores")
def test_a_client_and_what_it_starts_are_seen_on_its_cores() -> None:
    core = min(usable_cores())
    code = "import os, subprocess, sys, time; print(os.sched_getaffinity(0)); sum(range(3*10**6)); time.sleep(0.2)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], check=True)"
    with canned_server(cache_mb=0, cores=frozenset({core})) as server:
        environment = client_environment(server)
        done = run_client([sys.executable, "-c", outer], environment, timeout=30.0, cores=frozenset({core}))
    assert done.stdout == f"{{{core}}}\n" and done.exit_code == 0
    assert len(done.peaks) == 2 and min(done.peaks) > 10**6
    assert len(done.looks[-1].threads) >= 2 and all(seconds > 0 for seconds in done.looks[-1].threads.values())
    assert [look.at for look in done.looks] == sorted(look.at for look in done.looks)


def test_the_profile_s_passes_are_what_it_says_they_are() -> None:
    pages = [page for _, page in profile._pages(1)]
    filtered, copied, main, asked = profile._transform(pages, rounds=1)
    assert min(filtered, copied, main, asked) > 0
    stages = [profile.Stage("signing", 0.5, "so"), profile.Stage("in all", 2.0, "whole")]
    assert "  signing     0.50    25%  so" in profile.profile_text(stages)


def test_a_page_gets_the_texts_of_its_blocks(tmp_path: Path) -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    names = page.blocks(text)
    assert {"machine", "goals", "profile", *(set(PARTS) - {"start", "modes", "pushdown", *ALWAYS, *LONG})} == set(names)
    assert text.count("<!-- bench ") == len(names)
    changed = page.filled(text, {"goals": "first  \nsecond"})
    assert "<!-- bench goals -->\n\n```text\nfirst\nsecond\n```\n" in changed
    assert page.filled(changed, {}) == changed and page.blocks(changed) == names
    assert page.filled(changed, dict.fromkeys(names, "same")) == page.filled(text, dict.fromkeys(names, "same"))
    for name in (
        "main-job-20260102T000000Z.json",
        "main-job-20260101T000000Z.json",
        "main-job-quick-20260103T000000Z.json",
    ):
        (tmp_path / name).touch()
    assert page.newest(tmp_path) == [tmp_path / "main-job-20260102T000000Z.json"]


def test_a_part_that_fails_has_no_figures_and_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def no_start(*_: object) -> dict[str, list[float]]:
        raise RuntimeError("it has sent nothing")

    def grown_anyway(*_: object) -> list[Grown]:
        return grown()

    monkeypatch.setattr(growth, "measure", grown_anyway)
    monkeypatch.setattr(start, "measure", no_start)
    bench = Bench(QUICK, time.monotonic())
    found = measure(bench, (), (), {"start", "growth"}, quick=True)
    assert found["failed"] == ["start"] and not {"start", "growth"} & set(found)
    assert "No figures of start: it has sent nothing" in capsys.readouterr().err
    monkeypatch.setattr(start, "measure", lambda *_: {DDBETL: [0.5]})
    found = measure(bench, (), (), {"start", "growth"}, quick=True)
    assert found["failed"] == [] and found["start"]["medians"] == {DDBETL: 0.5}
    assert found["texts"]["growth"] in capsys.readouterr().out and set(found["part_seconds"]) == {"start", "growth"}
