"""What a run shows while it goes and when it is over, drawn from made-up values."""

from __future__ import annotations

import io
import json
import signal
from dataclasses import replace

import click
import pytest
from rich.console import Console

from ddbetl.cli import summary
from ddbetl.cli.bars import block, share, short_names
from ddbetl.cli.preview import rows_as_table, value_text
from ddbetl.cli.progress import Lines, line
from ddbetl.cli.run import interruptible
from ddbetl.cli.terminal import Column, cells, painted, shorten, start_of, table, visible
from ddbetl.cli.wording import clock, counted, percent, spent, units
from ddbetl.engine.report import CollisionPair, Progress, RejectCause, RunReport, SourceRow, TableProgress, as_json

READING = TableProgress(
    name="CustomerTracker_Devo_NA_201605",
    expected=2_000,
    read=1_000,
    filtered=300,
    passed=690,
    written=500,
    rejected=10,
    skipped=0,
    units=62.5,
    rate=412.4,
    budget=1_000.0,
    segments=4,
    segments_done=1,
    seconds=2.5,
)
WRITING = replace(READING, name="CustomerTracker_Devo_NA_201606", read=2_000, passed=1_690, segments_read=4, rate=0.0)
DONE = replace(WRITING, name="CustomerTracker_Devo_NA_201607", written=1_690, segments_done=4)
IDLE = replace(READING, name="CustomerTracker_Devo_NA_201608", read=0, filtered=0, passed=0, written=0, rejected=0)

PROGRESS = Progress(
    seconds=12.4,
    tables=(READING, WRITING, DONE),
    fraction=0.634,
    eta=7.2,
    items_per_second=1_310.7,
    write_units=2_690.0,
    write_rate=998.2,
    write_budget=1_000.0,
    retries=0,
    waiting=None,
)


def drawn(progress: Progress, width: int = 80, height: int = 40, stopping: bool = False) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as captured:
        console.print(block(progress, width, height, stopping))
    return captured.get().rstrip("\n").split("\n")


# Bars


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_block_says_everything_within_the_terminal(width: int) -> None:
    lines = drawn(PROGRESS, width)
    text = "\n".join(lines)
    assert max(cells(line) for line in lines) <= width
    assert "63%" in text
    assert "7 s left" in text
    assert "1,311 items/s" in text
    assert "5,000 read" in text
    assert "900 filtered" in text
    assert "2,690 written" in text
    assert "30 rejected" in text
    # Only tables that are still read count for what may be read.
    assert "reading 412 of 1,000, writing 998 of 1,000 units/s" in text
    assert "412 of 1,000 units/s" in text
    assert "201605" in text


def test_a_table_counts_as_done_when_its_rows_are_written() -> None:
    reading, writing, done = drawn(PROGRESS)[-3:]
    assert "40%" in reading  # (300 filtered + 10 rejected + 500 written) of 2,000
    assert "40%" in writing
    assert "being written" in writing
    assert "100%" in done
    assert done.rstrip().endswith("done")


def test_long_names_lose_what_they_share_where_the_terminal_is_narrow() -> None:
    assert drawn(PROGRESS, 80)[-3].startswith("  …201605 ")
    assert drawn(PROGRESS, 120)[-3].startswith("  CustomerTracker_Devo_NA_201605 ")


def test_of_many_tables_those_under_way_are_shown() -> None:
    tables = tuple(replace((DONE, READING, IDLE)[i % 3], name=f"CustomerTracker_Devo_NA_{2000 + i}") for i in range(60))
    lines = drawn(replace(PROGRESS, tables=tables), height=24)
    assert len(lines) < 24
    assert lines[-1].strip() == "of 60 tables: 20 done, 40 not yet"
    shown = lines[4:-1]
    assert shown
    assert all("412 of 1,000 units/s" in line for line in shown)


def test_tables_are_shown_also_when_none_is_under_way() -> None:
    waiting = tuple(replace(IDLE, name=f"Orders_{i:03}") for i in range(60))
    assert "Orders_000" in "\n".join(drawn(replace(PROGRESS, tables=waiting), height=24))
    over = tuple(replace(DONE, name=f"Orders_{i:03}") for i in range(60))
    assert "of 60 tables: 60 done, 0 not yet" in "\n".join(drawn(replace(PROGRESS, tables=over), height=24))


def test_a_terminal_of_a_few_lines_is_not_overrun() -> None:
    assert len(drawn(PROGRESS, height=5)) <= 8


def test_without_a_count_of_items_a_bar_moves_by_segments_or_only_pulses() -> None:
    unknown = replace(READING, expected=0)
    assert share(unknown) == 0.25
    assert share(replace(unknown, segments_done=0)) is None
    assert "%" not in drawn(replace(PROGRESS, fraction=None, eta=None, tables=(replace(unknown, segments_done=0),)))[0]


def test_a_bar_is_full_only_at_the_end() -> None:
    # DynamoDB counts items every six hours: there can be more of them than it says, or fewer.
    assert share(replace(READING, expected=100)) is not None
    assert share(replace(READING, expected=100, read=5_000)) < 1  # type: ignore[operator]
    assert share(replace(DONE, expected=10_000)) == 1
    assert share(replace(IDLE, segments_done=4)) == 1


def test_waiting_and_stopping_are_said() -> None:
    waiting = replace(PROGRESS, waiting="the table Orders throttles reads")
    assert "waiting: the table Orders throttles reads" in "\n".join(drawn(waiting, 120))
    assert "stopping" in "\n".join(drawn(PROGRESS, stopping=True))
    assert "3 repeated requests" in "\n".join(drawn(replace(PROGRESS, retries=3), 120))


def test_short_names() -> None:
    assert short_names(["a_1", "a_2"], 12) == ["a_1", "a_2"]
    assert short_names(["Customers_2016", "Customers_2017"], 12) == ["…2016", "…2017"]
    assert short_names(["OneVeryLongNameOfATable"], 12) == ["OneV…fATable"]
    assert short_names(["abcdefghijklmnop", "bcdefghijklmnopq"], 12) == ["abcd…jklmnop", "bcde…klmnopq"]


# Plain lines


def test_a_line_of_plain_progress() -> None:
    assert line(PROGRESS) == (
        "0:12  63%  5,000 read, 900 filtered out, 2,690 written, 30 rejected; 1,311 items/s; "
        "reading 412 of 1,000, writing 998 of 1,000 units/s; 7 s left"
    )
    bare = replace(
        PROGRESS, seconds=3_725.0, fraction=None, eta=None, tables=(replace(READING, budget=None, skipped=2),)
    )
    assert line(replace(bare, waiting="a connection")) == (
        "1:02:05  1,000 read, 300 filtered out, 500 written, 10 rejected, 2 skipped; 1,311 items/s; "
        "reading 412, writing 998 of 1,000 units/s; waiting: a connection"
    )


def test_plain_progress_writes_every_few_seconds() -> None:
    written: list[str] = []
    lines = Lines(written.append, interval=5.0)
    for quarter in range(4 * 21):
        lines(replace(PROGRESS, seconds=quarter / 4))
    assert [text.split()[0] for text in written] == ["0:05", "0:10", "0:15", "0:20"]


# Summary

FINISHED = RunReport(
    job="20261122-230512-1f2e",
    outcome="done",
    target="Devo_NA_AnniversaryPromo_2017",
    progress=replace(PROGRESS, tables=(DONE, replace(DONE, name="Other")), fraction=1.0, eta=None, retries=2),
    by_reference=17,
    half_done=0,
    causes=(RejectCause("R0101", "DateTime: expected STRING, found NUMBER", 19), RejectCause("R0107", "no\ntime", 1)),
    rejects=".ddbetl/jobs/1/rejects.jsonl",
    folder=".ddbetl/jobs/20261122-230512-1f2e",
)
INPUTS = {"name": "specs/promo.ddbetl", "params": {"domain": "Devo"}, "lets": [], "options": ["max_rejects = 9"]}


def page(report: RunReport) -> str:
    """The summary of a run, without colours."""
    return plain(summary.page(report, INPUTS))


def test_the_summary_has_a_row_for_each_table_and_the_totals() -> None:
    lines = summary.page(FINISHED, INPUTS).split("\n")
    assert plain(lines[0]).split() == ["table", "read", "filtered", "written", "rejected", "units", "seconds"]
    assert lines[1].split() == ["CustomerTracker_Devo_NA_201607", "2,000", "300", "1,690", "10", "62.5", "2.5"]
    assert plain(lines[4]).split() == ["2", "tables", "4,000", "600", "3,380", "20", "125", "12.4"]
    text = plain("\n".join(lines))
    assert "Done in 12 s: 3,380 items written to Devo_NA_AnniversaryPromo_2017." in text
    assert "125 read units, 2,690 write units" in text
    assert "2 repeated requests" in text
    assert "17 rows took the exact, slower path" in text


def test_the_summary_tells_why_rows_were_rejected_and_where_they_are() -> None:
    text = plain(summary.page(FINISHED, INPUTS))
    assert "20 rows rejected" in text
    assert "  19 × R0101  DateTime: expected STRING, found NUMBER" in text
    assert "   1 × R0107  no\\ntime" in text
    assert ".ddbetl/jobs/1/rejects.jsonl" in text


def test_the_summary_says_how_rejected_rows_get_in() -> None:
    lines = page(FINISHED).split("\n")
    assert "  ddbetl rejects 20261122-230512-1f2e  shows them by cause, with examples" in lines
    # max_rejects was for the whole table; these rows are to get in.
    again = "  ddbetl run specs/promo.ddbetl -p domain=Devo --from-rejects .ddbetl/jobs/1/rejects.jsonl"
    assert lines[-1] == again
    many = replace(FINISHED, causes=tuple(RejectCause("R0101", f"reason {n}", 1) for n in range(20)))
    assert "  and 12 more reasons" in page(many).split("\n")


def test_the_summary_of_an_interrupted_run_says_how_to_go_on() -> None:
    stopped = replace(FINISHED, outcome="interrupted", progress=replace(FINISHED.progress, fraction=0.4))
    text = page(stopped)
    assert "Interrupted after 12 s, at 40%: 3,380 items written to Devo_NA_AnniversaryPromo_2017." in text
    assert text.endswith("\n  ddbetl resume 20261122-230512-1f2e  goes on from here")
    assert "more row" not in text and "--from-rejects" not in text
    half = page(replace(stopped, half_done=1_200, folder="/var/state/jobs/20261122-230512-1f2e"))
    assert "1,200 more rows of unfinished pages stand in the target already" in half
    assert "  ddbetl resume 20261122-230512-1f2e --state-dir /var/state  goes on from here" in half
    for action, said in {
        "REPLACE": "rows of unfinished pages stand in the target already; they are written again then, and replace",
        "SKIP": "rows of unfinished pages stand in the target already; they are found there then, unchanged.",
        "KEEP NEWEST": "rows of unfinished pages stand in the target already; they are found there then, unchanged.",
        "MERGE": "rows of unfinished pages are merged already; they are merged again then, which changes nothing.",
        "DELETE": "keys of unfinished pages are deleted already; they are deleted again then, which changes nothing.",
    }.items():
        half = page(replace(stopped, half_done=1_200, action=action))
        assert f"1,200 more {said}" in " ".join(half.split()), action
    assert "at the spec's LIMIT" in page(replace(FINISHED, outcome="limit"))


def test_skipped_rows_have_a_column_where_there_are_any() -> None:
    skipping = replace(FINISHED, progress=replace(PROGRESS, tables=(replace(DONE, skipped=4, rejected=6),)))
    lines = page(skipping).split("\n")
    assert plain(lines[0]).split() == [
        "table",
        "read",
        "filtered",
        "skipped",
        "written",
        "rejected",
        "units",
        "seconds",
    ]
    assert lines[1].split()[1:] == ["2,000", "300", "4", "1,690", "6", "62.5", "2.5"]
    # One table needs no totals.
    assert "tables" not in plain(lines[2])


def test_rows_that_the_target_has_already_have_a_column_where_there_are_any() -> None:
    again = replace(DONE, unchanged=1_000, written=690, passed=690)
    text = page(replace(FINISHED, progress=replace(PROGRESS, tables=(again,), target_read_units=500.0)))
    assert text.split("\n")[0].split()[3:6] == ["there", "already", "written"]
    assert text.split("\n")[1].split()[3:5] == ["1,000", "690"]
    assert "500 read units to compare what the target has already" in text
    assert "an earlier run" not in text
    later = replace(FINISHED, progress=replace(PROGRESS, tables=(again,)), runs=2)
    assert "of what was there already, some may be from an earlier run of this job" in page(later)
    assert "an earlier run" not in page(replace(FINISHED, runs=2))


def test_a_delete_and_a_merge_say_what_they_did() -> None:
    assert "Done in 12 s: 3,380 keys deleted from Devo" in page(replace(FINISHED, action="DELETE"))
    merged = page(replace(FINISHED, action="MERGE ON MISSING SKIP"))
    assert "3,380 items merged into Devo" in merged and merged.split("\n")[0].split()[3] == "merged"


def pair(n: int) -> CollisionPair:
    key = {"CustomerID": {"S": f"C{n}"}, "Day": {"N": "17282"}}
    rows = [SourceRow("May", {"CustomerID": {"S": f"C{n}"}, "DateTime": {"S": f"1{m}:00"}}) for m in (0, 1)]
    return CollisionPair(key, *rows)


def test_rows_that_met_another_s_key_are_told() -> None:
    assert "key" not in page(FINISHED)
    counted = replace(FINISHED, collisions="reject")
    assert "no two rows had one key of Devo_NA_AnniversaryPromo_2017" in page(counted)
    met = replace(counted.progress, tables=(replace(DONE, collisions=1_234), DONE))
    counted = replace(counted, progress=met, pairs=tuple(map(pair, range(100))))
    lines = page(counted).split("\n")
    at = lines.index("1,234 rows have a key of Devo_NA_AnniversaryPromo_2017 that another row had before")
    assert lines[at + 1] == "  The first row of each key went on, the others are rejected."
    assert " ".join(" ".join(lines[at + 2 : at + 4]).split()).startswith(
        "CustomerID = C0, Day = 17282: May CustomerID = C0, DateTime = 10:00 and May CustomerID = C0, DateTime = 11:00"
    )
    assert "  The first 100: .ddbetl/jobs/20261122-230512-1f2e/report.json" in lines
    for action, said in {
        "REPLACE": "written all the same: of each key the row that was sent last is what the target has.",
        "MERGE": "merged all the same: of each key the row that was sent last had the last word.",
        "SKIP": "sent all the same: of each key the row that was sent first stays, the others are skipped.",
        "REJECT": "the row that was sent first stays, and what differs from it is rejected.",
        "KEEP NEWEST": "The newest of each key is what the target has.",
    }.items():
        assert said in " ".join(page(replace(counted, collisions="allow", action=action)).split())
    value = json.loads(json.dumps(as_json(counted)))["collisions"]
    assert (value["counted"], value["rows"], len(value["first"])) == (True, 1_234, 100)
    assert value["first"][3]["later"] == {
        "table": "May",
        "key": {"CustomerID": {"S": "C3"}, "DateTime": {"S": "11:00"}},
    }


def test_the_limit_of_a_run_is_named_only_where_it_was_one() -> None:
    at_its_limit = replace(FINISHED.progress, write_units=12_000.0)
    assert "the write budget was the limit" in page(replace(FINISHED, progress=at_its_limit))
    assert "the write budget was the limit" not in summary.page(FINISHED, INPUTS)
    unlimited = replace(at_its_limit, write_budget=None)
    assert "the write budget was the limit" not in page(replace(FINISHED, progress=unlimited))


def test_the_summary_as_json_adds_up() -> None:
    value = json.loads(json.dumps(as_json(FINISHED)))
    assert value["read"] == value["filtered"] + value["skipped"] + value["rejected"] + value["written"]
    assert value["written"] == sum(one["written"] for one in value["tables"])
    assert value["causes"][0] == {"code": "R0101", "message": "DateTime: expected STRING, found NUMBER", "count": 19}
    assert value["rejects"] == ".ddbetl/jobs/1/rejects.jsonl"


# Values and tables


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"S": "A1"}, "A1"),
        ({"S": ""}, "''"),
        ({"S": "two\nlines\t\x1b[31m"}, "two\\nlines\\t\\u001b[31m"),
        ({"N": "12345678901234567890123456789012345678"}, "12345678901234567890123456789012345678"),
        ({"BOOL": False}, "false"),
        ({"NULL": True}, "NULL"),
        ({"B": "AAE="}, "b64:AAE="),
        ({"SS": ["a", "b"]}, "{'a', 'b'}"),
        ({"NS": ["1", "2.5"]}, "{1, 2.5}"),
        ({"BS": ["AA=="]}, "{b64:AA==}"),
        ({"L": [{"S": "x"}, {"N": "1"}, {"L": []}]}, "['x', 1, []]"),
        ({"M": {"City": {"S": "Zürich"}, "Geo": {"M": {}}}}, "{City: 'Zürich', Geo: {}}"),
    ],
)
def test_values_are_shown_on_one_line(value: dict[str, object], text: str) -> None:
    assert value_text(value) == text


def test_rows_as_a_table_have_every_column_of_every_row() -> None:
    rows = [{"ID": {"S": "a"}, "n": {"N": "5"}}, {"ID": {"S": "bb"}, "late": {"BOOL": True}, "n": {"N": "10"}}]
    assert plain(rows_as_table(rows, ["n", "missing"])).split("\n") == [
        " n  ID  late",
        " 5  a",
        "10  bb  true",
    ]


def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddbetl.cli.terminal.width", lambda stream=None: 80)
    monkeypatch.setattr("ddbetl.cli.preview.width", lambda stream=None: 80)
    rows = [{f"attribute_{i}": {"S": "x" * 10 * i} for i in range(9)}]
    text = plain(rows_as_table(rows))
    lines = text.split("\n")
    assert max(cells(line) for line in lines) <= 80
    assert "attribute_0" in lines[0]
    assert any(line.startswith("and ") for line in lines)
    # Each column is either shown or named.
    assert all(f"attribute_{i}" in text for i in range(9))
    name = plain(table([Column("name", least=12, middle=True), Column("n", right=True)], [["N" * 99, "1,000"]]))
    assert max(cells(line) for line in name.split("\n")) == 80


def test_texts_are_cut_by_what_a_terminal_draws() -> None:
    assert cells("東京") == 4
    assert cells("e\u0301") == 1
    assert start_of("東京都", 5) == "東京…"
    assert start_of("short", 5) == "short"
    assert shorten("CustomerTracker_201605", 12) == "Cust…_201605"
    assert all(cells(shorten("東京" * 20, size)) <= size for size in range(4, 40))
    assert visible("\u202eabc\u200b") == "\\u202eabc\\u200b"


def test_numbers_in_words() -> None:
    assert [percent(f) for f in (0, 0.0001, 0.5, 0.9999, 1)] == ["0%", "1%", "50%", "99%", "100%"]
    assert [counted(n, "row") for n in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [units(u) for u in (0, 0.5, 12.0, 99.5, 1_234.5)] == ["0", "0.5", "12", "99.5", "1,234"]
    assert [clock(s) for s in (0.9, 61, 3_661)] == ["0:00", "1:01", "1:01:01"]
    assert [spent(s) for s in (0.04, 9.96, 75)] == ["0.0 s", "10.0 s", "1 min 15 s"]


def test_painting_changes_no_character() -> None:
    text = (
        "error[E0301]: there is no function lenght\n"
        " --> spec.ddbetl:1:8\n"
        "  |\n"
        "1 | SELECT lenght(x) -- | error: ^^^\n"
        "  |        ^^^^^^\n"
        "  |        ------ here first\n"
        "  = did you mean length?\n"
        "\n"
        "SOURCES  us-east-1\n"
        "  plain = text | here"
    )
    assert plain(painted(text)) == text
    assert painted(text) != text


def test_sentences_of_diagnostics_are_wrapped_and_the_spec_is_not() -> None:
    spec = "1 | " + "word " * 30
    text = "error[E0301]: " + "what is wrong " * 6 + "here\n" + spec + "\n  | " + "^" * 99 + "\n  = " + "a hint " * 12
    lines = plain(painted(text, 60)).split("\n")
    assert lines[0] == "error[E0301]: what is wrong what is wrong what is wrong what"
    assert lines[1].startswith("  is wrong what")
    assert spec in lines
    assert "  | " + "^" * 99 in lines
    assert lines[-1].startswith("    hint") or lines[-1].startswith("    a hint")
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())


def test_interruptions_are_counted_also_when_they_come_at_once(capfd: pytest.CaptureFixture[str]) -> None:
    ended: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    with interruptible(bars=False, end=ended.append) as stop:
        assert not stop.is_set()
        signal.raise_signal(signal.SIGINT)
        assert (stop.is_set(), ended) == (True, [])
        signal.raise_signal(signal.SIGINT)
        assert ended == [130]
    assert signal.getsignal(signal.SIGINT) is before
    assert capfd.readouterr().err.split("\n")[0].startswith("Stopping: requests that are out are finished")


def plain(text: str) -> str:
    """A text without its colours."""
    return click.unstyle(text)
