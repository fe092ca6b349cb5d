"""What the benchmark makes of its runs: the specs of the modes, ratios within rounds, goals, the chart."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse
from tests.benchmarks import chart, peers
from tests.benchmarks.bench import ALWAYS, LONG
from tests.benchmarks.canned_answers import Canned
from tests.benchmarks.canned_tables import Mode
from tests.benchmarks.measure import ROOT, Measured, Server
from tests.benchmarks.modes import MODES, goals, mode_spec, modes_json, modes_text
from tests.benchmarks.peers import CONDITIONAL, COPY_LOOP, MAIN, PEERS
from tests.benchmarks.processes import Look, used_since
from tests.benchmarks.report import Run, Section, accounted_text, section_json, section_text, shares_text
from tests.benchmarks.side_by_side import (
    COPIES,
    DDBETL,
    DDBETL_COPY,
    DDBETL_DEFAULT,
    FULL,
    NPM_COPY,
    OURS,
    QUICK,
    SPEC,
    Bench,
    busiest_thread,
)
from tests.benchmarks.wire import whole_job

MAIN_JOB = SPEC.read_text()
ITEMS = 1000


def run(rate: float) -> Run:
    """A run that wrote so many items a second, of twice as many read."""
    return Run(
        items_read=2 * ITEMS,
        items_written=ITEMS,
        requests=90,
        write_requests=40,
        connections=8,
        wall=1.5 * ITEMS / rate,
        window=ITEMS / rate,
        cpu=0.002,
        peak_bytes=200_000_000,
        server_cpu=0.001,
        others_cpu=0.0,
        pushdowns_ignored=0,
    )


def section(**rates: list[float]) -> Section:
    names = {"put": CONDITIONAL, "keep": "KEEP NEWEST"}
    return Section("Modes", ITEMS, {names.get(name, name): [run(rate) for rate in rates[name]] for name in rates})


def test_each_mode_is_the_main_job_with_another_way_to_write() -> None:
    assert mode_spec(MAIN_JOB, "REPLACE") == MAIN_JOB
    specs = {mode: mode_spec(MAIN_JOB, mode) for mode in MODES}
    assert len(set(specs.values())) == len(MODES)
    for spec in specs.values():
        parse(SourceText(spec))
    assert "MERGE INTO" in specs["MERGE"] and "ON CONFLICT" not in specs["MERGE"].partition("MERGE INTO")[2]
    assert "KEEP NEWEST BY ExpirationTimestamp" in specs["KEEP NEWEST"]
    for other in ("SELECT 1", MAIN_JOB.replace("ON CONFLICT REPLACE", "")):
        with pytest.raises(ValueError, match="main job"):
            mode_spec(other, "REJECT")


def test_goals_are_judged_by_ratios_within_rounds() -> None:
    found = section(put=[1.0, 10.0, 2.0], REPLACE=[100.0, 1000.0, 200.0], REJECT=[40.0, 900.0, 120.0])
    assert goals(found)["REJECT"] == pytest.approx({"REPLACE": 0.6, CONDITIONAL: 60.0})
    assert "At least 0.5 times REPLACE: REJECT 0.60 yes." in modes_text(found)
    slow = section(put=[10.0], REPLACE=[100.0], REJECT=[40.0], keep=[60.0])
    said = modes_text(slow)
    assert "At least 0.5 times REPLACE: REJECT 0.40 NO, KEEP NEWEST 0.60 yes." in said
    assert f"At least 5 times {CONDITIONAL}: REJECT 4.00 NO, KEEP NEWEST 6.00 yes." in said


def test_every_figure_of_the_modes_is_in_the_json() -> None:
    saved = modes_json(section(put=[10.0, 20.0], REPLACE=[100.0, 100.0], REJECT=[60.0, 80.0]))
    reject = saved["modes"]["REJECT"]
    assert saved["reached"]["REJECT"] == pytest.approx({"REPLACE": 0.7, CONDITIONAL: 5.0})
    assert reject["ratios"]["REPLACE"] == pytest.approx([0.6, 0.8])
    assert reject["ratios"][CONDITIONAL] == pytest.approx([6.0, 4.0])
    assert reject["medians"]["written_per_second"] == pytest.approx(70.0)
    assert reject["medians"]["client_us_per_item_written"] == pytest.approx(2.0)
    assert reject["medians"]["server_us_per_item_written"] == pytest.approx(1.0)
    assert [one["write_requests"] for one in reject["runs"]] == [40, 40]


def test_without_replace_or_the_loop_there_are_no_ratios_to_them() -> None:
    alone = section(REJECT=[60.0])
    assert goals(alone) == {"REJECT": {}}
    assert "At least" not in modes_text(alone)


def test_a_section_is_compared_with_what_it_says() -> None:
    timed = Section("Held back", 0, {"0 ms": [run(100.0)], "5 ms": [run(90.0)]})
    assert "x 0 ms" in section_text(timed, "0 ms", "0 ms") and "0.9 (0.9-0.9)" in section_text(timed, "0 ms", "0 ms")


def bars(svg: str) -> list[float]:
    return [
        float(rect.attrib["width"]) for rect in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}rect")
    ]


def test_the_bars_are_in_proportion() -> None:
    main = Section("Main", ITEMS, {"boto3_loop": [run(10.0)], "ddbetl": [run(400.0)], "<&>": [run(100.0)]})
    machine = {"processor": "A & B", "usable_cores": 2}
    result: dict[str, Any] = {"machine": machine, "when": "now", "sections": [section_json(main, "boto3_loop")]}
    drawn = chart.draw(result)
    assert drawn is not None
    loop, ddbetl, other = bars(drawn)
    assert loop * 40 == pytest.approx(ddbetl) and other * 4 == pytest.approx(ddbetl)
    assert "800 (40.0 × the loop)" in drawn
    drawn = chart.draw(result | {"modes": modes_json(section(put=[1.0], REPLACE=[100.0], REJECT=[75.0]))})
    assert drawn is not None and len(bars(drawn)) == 6 and "75 (0.75 × REPLACE)" in drawn
    assert chart.draw({"machine": machine, "when": "now", "sections": []}) is None


def test_who_does_how_much_and_by_which_command() -> None:
    bench = Bench(FULL, 0.0)
    server = Server("http://127.0.0.1:1", None)
    for peer in (*MAIN, CONDITIONAL, *OURS, *MODES, *COPIES):
        mode = bench.shape(peer)
        assert mode.pages_per_table > 0
        assert mode.items_per_page == (FULL.put_items if peer == CONDITIONAL else 4000)
        assert (mode.copies, mode.tables) == ((True, 1) if peer in COPIES else (False, 13))
        command = bench.command(peer, server, pushdown=True)
        assert ("--pushdown" in command) == (peer in PEERS)
        assert "--workers" not in command
    assert bench.command("REJECT", server, pushdown=False)[-1] == mode_spec(MAIN_JOB, "REJECT")
    assert set(peers.APART) < set(MAIN) and set(PEERS) == {*MAIN, CONDITIONAL, COPY_LOOP}
    assert set(peers.LOCKED) < set(PEERS)
    assert QUICK.budget_seconds < FULL.budget_seconds


def test_one_worker_is_asked_for_where_there_are_worker_processes() -> None:
    bench, server = Bench(FULL, 0.0, workers=True), Server("http://127.0.0.1:1", None)
    for peer in (DDBETL, *MODES, DDBETL_COPY):
        command = bench.command(peer, server, pushdown=False)
        assert command[command.index("--workers") + 1] == "1"
    assert "--workers" not in bench.command(DDBETL_DEFAULT, server, pushdown=False)
    assert "--workers" not in bench.command("boto3_loop", server, pushdown=False)


def test_the_busiest_thread_is_what_an_accounted_rate_goes_by() -> None:
    looks = (Look(10.0, {1: 1.0}), Look(11.0, {1: 1.6, 2: 0.2}), Look(12.0, {1: 2.0, 2: 2.0, 3: 0.1}))
    done = Measured(0, 5.0, 4.1, 20, 0.0, "", "", looks)
    assert used_since(looks, 11.5) == pytest.approx({1: 0.4, 2: 1.8, 3: 0.1})
    assert used_since(looks, 9.0) == looks[-1].threads and used_since((), 9.0) == {}
    assert busiest_thread(done, 11.5) == pytest.approx(1.8)
    assert busiest_thread(done, 11.5, locked=True) == pytest.approx(2.3)
    # What was used after the last look is taken as spread in the same way.
    assert busiest_thread(replace(done, cpu=6.4), 11.5) == pytest.approx(3.6)
    # A process that nobody has waited for is not in the kernel's sum.
    assert busiest_thread(replace(done, cpu=1.0), 11.5) == pytest.approx(1.8)
    assert busiest_thread(replace(done, looks=()), 11.5) is None
    one = run(100.0)
    assert one.figures()["accounted_read_per_second"] == pytest.approx(2 * ITEMS / one.cpu)
    two = replace(one, busiest_cpu=one.cpu / 4)
    assert two.figures()["accounted_read_per_second"] == pytest.approx(8 * ITEMS / one.cpu)
    found = Section("TLS", 0, {"boto3_loop": [replace(one, cpu=0.02)], DDBETL: [two]})
    assert accounted_text(found, DDBETL, "boto3_loop") == (
        "  boto3_loop needs 10.0 (10.0-10.0) times as much CPU by item as ddbetl; accounted, ddbetl is "
        "40.0 (40.0-40.0) times as fast."
    )


def test_the_ceiling_does_the_whole_job_s_requests() -> None:
    server = Canned(Mode(), 1 << 20, lambda: 0.0)
    server.configure(Mode(3, 40, verify=True))
    expected = server.stats()["expected_written"]
    for operation, body in whole_job(3, expected):
        server.answer(operation, body)
    stats = server.stats()
    assert (stats["items_read"], stats["items_written"]) == (stats["expected_read"], expected)
    assert sum(server.written.values()) == expected


def test_shares_are_of_the_peers_that_took_part() -> None:
    found = Section("Main", ITEMS, {"ceiling": [run(100.0), run(200.0)], "ddbetl": [run(80.0), run(120.0)]})
    assert shares_text(found, "ddbetl", ("ceiling", "pydynox")) == (
        "  ddbetl reads 0.70 (0.60-0.80) times as fast as ceiling."
    )
    saved = section_json(found, "boto3_loop", ("ceiling",))["peers"]["ddbetl"]
    assert saved["ratios_to"]["ceiling"] == pytest.approx([0.8, 0.6])


def test_what_the_peers_need_is_pinned() -> None:
    package = json.loads(Path(__file__).with_name("copy_tool").joinpath("package.json").read_text())
    assert list(package["dependencies"]) == [NPM_COPY] and NPM_COPY in COPIES
    lines = Path(__file__).with_name("peers.txt").read_text().splitlines()
    needed = {line.partition("==")[0] for line in lines if not line.startswith("#")}
    assert needed == {re.split("_", peer)[0] for peer in peers.APART}
    assert all(re.fullmatch(r"\w+==[\d.]+", line) for line in lines if not line.startswith("#"))


def test_the_guide_to_contributing_says_what_is_measured() -> None:
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    (full,) = (line.partition("#")[2] for line in lines if line.startswith("make bench "))
    (quick,) = (line.partition("#")[2] for line in lines if line.startswith("make bench-quick "))
    assert all(re.search(rf"\b{peer.partition('_')[0]}\b", full) for peer in (DDBETL, *MAIN))
    assert all(re.search(rf"\b{part}", full) for part in ("modes", *ALWAYS, *LONG))
    assert all(re.search(rf"\b{part}", quick) for part in ("modes", *ALWAYS)) and not any(
        part in quick for part in LONG
    )
