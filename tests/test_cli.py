"""The command line as a user meets it: usage, messages, exit codes, and every command in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from processes import (
    ESCAPE,
    ITEMS,
    Open,
    Orders,
    assert_tidy,
    background,
    command,
    environment,
    orders_on,
    process,
    terminals,
    wait_for_rows,
    widest,
)
from servers import Server

import ddbetl
from ddbetl import api
from ddbetl.cli import functions, highlight, reference
from ddbetl.cli.commands import cli
from ddbetl.cli.demo import spec_path
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import cells
from ddbetl.functions.model import Function

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "anniversary_promo.ddbetl"


def invoke(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(cli, arguments, input=stdin, prog_name="ddbetl")


# Help and reference pages


@pytest.mark.parametrize(("name", "command"), [("ddbetl", cli), *cli.commands.items()], ids=str)
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    assert command.help
    assert all(option.help for option in command.params if isinstance(option, click.Option)), name


@pytest.mark.parametrize("help_option", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", *cli.commands])
def test_help_is_everywhere(command: str, help_option: str) -> None:
    result = invoke(*command.split(), help_option)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: ddbetl {command}".rstrip())
    assert max(cells(line) for line in result.stdout.split("\n")) <= 80


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_reference_pages_are_those_of_the_program(page: str) -> None:
    written = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert written == reference.PAGES[page](), "write them by: python -m ddbetl.cli.reference docs/"


def test_the_reference_pages_can_be_written(tmp_path: Path) -> None:
    reference.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(reference.PAGES)
    text = (tmp_path / "cli.md").read_text(encoding="utf-8")
    assert all(f"## ddbetl {name}" in text for name in cli.commands)


def test_the_list_of_commands_cuts_no_sentence() -> None:
    listed = invoke("--help").stdout.partition("Commands:")[2]
    assert all(f"  {name}" in listed for name in cli.commands)
    assert "..." not in listed


def test_the_version() -> None:
    assert invoke("--version").stdout == f"ddbetl {ddbetl.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["check", str(SPEC), "-p", "domain=Devo"], ["functions", "epoch"]])
def test_what_is_quick_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import os, sys\n"
        "from ddbetl.cli import main\n"
        "def end(code):\n"
        "    print(code, sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
        "os._exit = end\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    code_and_modules = done.stderr.strip()
    assert code_and_modules.startswith("0 ["), done.stderr
    loaded = set(re.findall(r"'(\w+)'", code_and_modules))
    assert "click" in loaded
    assert loaded & {"boto3", "botocore", "duckdb", "pyarrow", "rich", "asyncio", "uvloop", "httptools"} == set()


# Usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["chek"], "No such command 'chek'"),
        (["check"], "Missing argument 'SPEC'"),
        (["check", "nowhere.ddbetl"], "there is no file 'nowhere.ddbetl'"),
        (["check", "SELECT"], "the text of a spec goes in quotes"),
        (["check", "two words.ddbetl"], "there is no file 'two words.ddbetl'"),
        (["check", "."], "Is a directory"),
        (["check", str(SPEC), "-p", "domain"], "'domain' is not of the form name=value"),
        (["check", str(SPEC), "-p", "a=1", "-p", "a=2"], "a is given twice"),
        (["check", str(SPEC), "--wiht", "read = 1%"], "No such option"),
        (["preview", str(SPEC), "--rows", "0"], "0 is not in the range"),
        (["run", str(SPEC), "--progress", "colourful"], "'colourful' is not one of"),
        (["describe"], "Missing argument 'TABLE'"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (ExitCode.USAGE, "")
    assert message in result.stderr


# Specs


ONE_LINER = "SELECT CustomerID, epoch(DateTime) AS t FROM CustomerTracker_* WHERE length(OrderID) > 0"


def test_a_spec_is_a_file_standard_input_or_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my spec").write_text("\ufeff" + ONE_LINER, encoding="utf-8")
    for spec, stdin, name in (
        ("my spec", None, "my spec"),
        ("-", ONE_LINER, "<stdin>"),
        (ONE_LINER, None, "<command line>"),
        ("\n" + ONE_LINER + " -- " + "x" * 10_000, None, "<command line>"),
    ):
        result = invoke("check", spec, stdin=stdin)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith(f"OK  {name}\n")


@pytest.mark.parametrize(
    "comment",
    ["-- a comment\n", "--one more\n", "-- x = y\n", "--x=y\n", "--------\n", "--\n", "--=====\n", "-- a\n-- b\n"],
)
def test_a_spec_as_text_may_begin_with_a_comment(comment: str) -> None:
    for arguments in (("check", comment + ONE_LINER, "--no-color"), ("check", "--no-color", comment + ONE_LINER)):
        result = invoke(*arguments)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("OK  <command line>\n")
    both = invoke("fmt", comment + ONE_LINER, comment + ONE_LINER)
    assert both.exit_code == 0 and both.stdout.count(comment.strip()) == 2, both.stderr
    wrong = invoke("check", comment + "SELECT nonsense(a) FROM Orders")
    line = comment.count("\n") + 1
    assert wrong.exit_code == ExitCode.SPEC_ERROR and f"<command line>:{line}:8" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "-- a comment"], "<command line>"),
        (["check", ONE_LINER, "--nothing"], "No such option '--nothing'"),
        (["check", "--nothing", "-- a comment\n" + ONE_LINER], "No such option '--nothing'"),
        (["check", "-- a comment\n" + ONE_LINER, "--", ONE_LINER], "unexpected extra argument"),
        (["time", "-- yyyy", "-- 2017"], "No such option '-- yyyy'"),
    ],
)
def test_what_only_looks_like_a_spec_with_a_comment(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code in (ExitCode.USAGE, ExitCode.SPEC_ERROR)
    assert message in result.stderr


def test_check_says_what_it_found() -> None:
    result = invoke("check", str(SPEC), "-p", "domain=Devo")
    assert result.exit_code == 0, result.stderr
    for said in (
        "OK",
        "CustomerTracker_Devo_NA_{201605..201705}",
        "length(OrderID) > 0",
        "CustomerID, CreationDateTime NUMBER, ExpirationTimestamp NUMBER, OrderID",
        "Devo_NA_AnniversaryPromo_2017",
        "offline",
    ):
        assert said in result.stdout


def test_the_command_line_gives_a_bare_select_its_target_and_its_constants() -> None:
    text = "SELECT CustomerID, epoch(DateTime) + ttl AS t FROM CustomerTracker_*"
    options = ["--into", "Orders", "--on-conflict", "replace", "--let", "ttl = 365 days", "--with", "write = 30%"]
    result = invoke("check", text, *options)
    assert result.exit_code == 0, result.stderr
    assert "into     Orders" in result.stdout


def test_all_errors_of_a_spec_are_shown_with_their_places() -> None:
    result = invoke("check", "SELECT lenght(OrderID) AS n, 1 AS n FROM Orders")
    assert (result.exit_code, result.stdout) == (ExitCode.SPEC_ERROR, "")
    assert "<command line>:1:8" in result.stderr
    assert "did you mean length?" in result.stderr
    assert "two columns are called n" in result.stderr
    assert result.stderr.rstrip().endswith("2 errors")
    assert "\x1b" not in result.stderr


def test_a_parameter_that_no_spec_declares_is_an_error() -> None:
    result = invoke("check", ONE_LINER, "-p", "domain=Devo")
    assert result.exit_code == ExitCode.SPEC_ERROR
    assert "domain" in result.stderr


def test_a_file_that_is_no_text_is_an_error_of_the_spec(tmp_path: Path) -> None:
    (tmp_path / "spec").write_bytes(b"SELECT 'x'\n\xff FROM t")
    result = invoke("check", str(tmp_path / "spec"))
    assert result.exit_code == ExitCode.SPEC_ERROR
    assert "line 2 has the byte 0xff" in result.stderr


def test_warnings_go_to_standard_error() -> None:
    result = invoke("check", "LET Amount = 5; SELECT ID, Amount FROM Orders")
    assert result.exit_code == 0
    assert "warning[W" in result.stderr
    assert "warning" not in result.stdout


# Bugs


def broken(*arguments: object, **named: object) -> None:
    raise ZeroDivisionError("a bug\nwith two lines")


def test_a_bug_is_one_short_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDBETL_DEBUG", raising=False)
    monkeypatch.setattr(api, "checked", broken)
    result = invoke("check", ONE_LINER)
    assert result.exit_code == ExitCode.BUG
    assert "ZeroDivisionError: a bug" in result.stderr
    assert "--debug" in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) == 3


def test_a_bug_shows_its_traceback_to_those_who_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDBETL_DEBUG", "")
    monkeypatch.setattr(api, "checked", broken)
    assert "Traceback" in invoke("check", ONE_LINER, "--debug").stderr
    monkeypatch.setenv("DDBETL_DEBUG", "1")
    assert "in broken" in invoke("check", ONE_LINER).stderr


def test_an_interruption_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(api, "checked", interrupted)
    result = invoke("check", ONE_LINER)
    assert (result.exit_code, result.stderr) == (ExitCode.INTERRUPTED, "\nInterrupted.\n")


# Colours


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    wrong = ["check", "SELECT lenght(ID) AS n FROM Orders"]
    runner = CliRunner()

    def escapes(*more: str) -> bool:
        return "\x1b[" in runner.invoke(cli, [*wrong, *more], color=True).stderr

    assert escapes()
    assert not escapes("--no-color")
    monkeypatch.setenv("TERM", "dumb")
    assert not escapes()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not escapes()


@pytest.mark.parametrize(
    "text", [SPEC.read_text(encoding="utf-8"), "SELECT 'open /* -- \" ${", "/* a\nb */ 'x\ny' \"q\""]
)
def test_highlighting_changes_no_character(text: str) -> None:
    assert click.unstyle(highlight.highlighted(text)) == text


# Functions


def test_the_list_of_functions_names_all_of_them() -> None:
    result = invoke("functions")
    assert result.exit_code == 0
    for function in functions.EVERYTHING:
        assert re.search(rf"^  {re.escape(function.name)}  +\S", result.stdout, re.MULTILINE), function.name


@pytest.mark.parametrize("function", functions.EVERYTHING, ids=lambda f: f.name)
def test_the_page_of_a_function_has_all_that_there_is(function: Function) -> None:
    result = invoke("functions", function.name.lower())
    assert result.exit_code == 0, result.stderr
    joined = " ".join(result.stdout.split())
    assert " ".join(function.doc.replace("`", "").split()) in joined
    for example in function.examples:
        assert example.expression in result.stdout
        assert example.result in result.stdout
        assert example.item == "{}" or example.item in result.stdout


def test_an_unknown_function_is_answered_with_the_nearest() -> None:
    result = invoke("functions", "lenght")
    assert (result.exit_code, result.stdout) == (ExitCode.SPEC_ERROR, "")
    assert result.stderr == "error: there is no function lenght\n = did you mean length?\n"


@pytest.mark.parametrize(
    ("doc", "size", "shown"),
    [
        ("The number without its sign. More.", 60, "The number without its sign."),
        ("`CAST(x AS y)`. The same as `y(x)`.", 60, "CAST(x AS y). The same as y(x)."),
        (
            "The text without the spaces at both ends, or without others.",
            50,
            "The text without the spaces at both ends …",
        ),
        ("Onewordthatislongerthanthewholeline.", 10, "Onewordth…"),
    ],
)
def test_the_gist_of_a_documentation(doc: str, size: int, shown: str) -> None:
    assert functions.gist(doc, size) == shown


# Processes


@pytest.fixture
def orders(one_server: Server) -> Orders:
    return orders_on(one_server)


@pytest.fixture
def everywhere(server: Server) -> Orders:
    return orders_on(server)


def test_run_writes_and_sums_up(everywhere: Orders, tmp_path: Path) -> None:
    done = process(everywhere, "run", everywhere.select, *everywhere.into, "--yes", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert everywhere.written() == everywhere.rows
    for said in ("from", "2 tables", everywhere.target, "us-east-1", "units/s, 50% of", "100%"):
        assert said in done.stderr
    for name in (*everywhere.sources, "2 tables", f"{everywhere.rows} items written to {everywhere.target}"):
        assert name in done.stdout
    last = next(line for line in done.stdout.split("\n") if line.startswith("2 tables"))
    assert last.split()[2:6] == [str(n) for n in (2 * ITEMS, 2 * ITEMS - everywhere.rows, everywhere.rows, 0)]


def test_run_reports_as_json(orders: Orders, tmp_path: Path) -> None:
    arguments = ["run", orders.select, *orders.into, "-y", "--json", "--progress", "none"]
    done = process(orders, *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["outcome"], report["target"]) == ("done", orders.target)
    assert (report["read"], report["written"]) == (2 * ITEMS, orders.rows)
    assert [one["table"] for one in report["tables"]] == list(orders.sources)
    assert "items/s" not in done.stderr


def test_run_refuses_where_nobody_can_be_asked(orders: Orders, tmp_path: Path) -> None:
    done = process(orders, "run", orders.select, *orders.into, folder=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert "no terminal to ask on" in done.stderr
    assert "--yes" in done.stderr
    assert orders.written() == 0


def test_run_needs_a_target(orders: Orders, tmp_path: Path) -> None:
    done = process(orders, "run", orders.select, "--yes", folder=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.SPEC_ERROR, "")
    assert "the spec has no target" in done.stderr


def test_run_with_rejects_ends_with_4(orders: Orders, tmp_path: Path) -> None:
    select = orders.select.replace("OrderID ", "if(Channel = 'web', epoch(OrderID), 1) AS x ", 1)
    done = process(orders, "run", select, *orders.into, "--yes", "--state-dir", "state", folder=tmp_path)
    assert done.returncode == ExitCode.REJECTS, done.stderr
    (rejects,) = tmp_path.glob("state/jobs/*/rejects.jsonl")
    lines = rejects.read_text(encoding="utf-8").splitlines()
    assert 0 < len(lines) < orders.rows
    assert orders.written() == orders.rows - len(lines)
    assert f"{len(lines)} rows rejected" in done.stdout
    assert str(rejects.relative_to(tmp_path)) in done.stdout
    assert json.loads(lines[0])["code"] in done.stdout


def test_a_spec_that_is_wrong_about_its_tables_ends_with_1(orders: Orders, tmp_path: Path) -> None:
    pattern = orders.pattern.replace("Tracker", "Traker")
    done = process(orders, "explain", f"SELECT * FROM {pattern}", folder=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.SPEC_ERROR, "")
    assert "error[E04" in done.stderr


def test_a_table_that_is_not_there_ends_with_3(orders: Orders, tmp_path: Path) -> None:
    done = process(orders, "describe", orders.target[:-1], folder=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.FAILED, "")
    assert done.stderr.startswith("error: ")
    assert f"did you mean {orders.target}" in done.stderr


def test_a_first_interruption_stops_cleanly(orders: Orders, tmp_path: Path) -> None:
    slowly = ["--with", "segments = 200", "--with", "read = 1 rcu"]
    with background(orders, "run", orders.select, *orders.into, *slowly, "--yes", folder=tmp_path) as running:
        wait_for_rows(running, orders)
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=60)
    assert running.returncode == ExitCode.INTERRUPTED, stderr
    assert_tidy(stderr)
    assert "Stopping" in stderr
    assert "Interrupted after" in stdout
    assert re.search(r"^  ddbetl resume \S+  goes on from here$", stdout, re.MULTILINE)
    assert orders.written() < orders.rows


def test_a_second_interruption_ends_at_once(orders: Orders, tmp_path: Path) -> None:
    # At one unit a second the rows that are read already need most of a minute.
    slowly = ["--with", "write = 1 wcu"]
    with background(orders, "run", orders.select, *orders.into, *slowly, "--yes", folder=tmp_path) as running:
        wait_for_rows(running, orders)
        running.send_signal(signal.SIGINT)
        assert running.stderr is not None
        said = ""
        while "Stopping" not in said:
            said = running.stderr.readline()
            assert said, "it ended by itself"
        running.send_signal(signal.SIGINT)
        stdout, stderr = running.communicate(timeout=20)
    assert (running.returncode, stdout) == (ExitCode.INTERRUPTED, "")
    assert "Stopped at once after" in stderr
    assert_tidy(stderr)


def test_explain_shows_the_plan_as_text_and_json(orders: Orders, tmp_path: Path) -> None:
    text = process(orders, "explain", orders.select, *orders.into, folder=tmp_path)
    assert text.returncode == 0, text.stderr
    assert all(name in text.stdout for name in (*orders.sources, orders.target, "epoch(DateTime)"))
    done = process(orders, "explain", orders.select, *orders.into, "--json", folder=tmp_path)
    assert [source["table"] for source in json.loads(done.stdout)["sources"]] == list(orders.sources)


def test_preview_shows_rows_as_a_table_and_as_json(orders: Orders, tmp_path: Path) -> None:
    text = process(orders, "preview", orders.select, "--rows", "3", folder=tmp_path)
    assert text.returncode == 0, text.stderr
    lines = text.stdout.rstrip("\n").split("\n")
    assert lines[0].split() == ["CustomerID", "CreationDateTime", "OrderID"]
    assert len(lines) == 4
    assert "3 rows of" in text.stderr
    assert "nothing was written" in text.stderr
    done = process(orders, "preview", orders.select, "--rows", "1000", "--json", folder=tmp_path)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == orders.rows
    assert all(set(row["CreationDateTime"]) == {"N"} for row in rows)
    assert "all there are" in done.stderr


def test_preview_tells_what_would_be_rejected(orders: Orders, tmp_path: Path) -> None:
    done = process(orders, "preview", f"SELECT epoch(Channel) AS x FROM {orders.pattern}", folder=tmp_path)
    assert (done.returncode, done.stdout) == (ExitCode.REJECTS, "")
    assert "would be rejected" in done.stderr
    assert 'Channel: "web" is not an ISO-8601 time' in done.stderr


def test_describe_shows_a_table_as_text_and_json(orders: Orders, tmp_path: Path) -> None:
    text = process(orders, "describe", orders.sources[1], folder=tmp_path)
    assert text.returncode == 0, text.stderr
    assert "CustomerID STRING (partition), DateTime STRING (sort)" in text.stdout
    assert "provisioned, 2,000 rcu and 2,000 wcu" in text.stdout
    assert re.search(r"^  CustomerID +100%  STRING ", text.stdout, re.MULTILINE)
    assert f"of {ITEMS} sampled items" in text.stdout
    done = process(orders, "describe", orders.sources[0], "--sample", "5", "--json", folder=tmp_path)
    report = json.loads(done.stdout)
    assert (report["table"], report["sample"]["items"]) == (orders.sources[0], 5)
    assert report["attributes"][0]["types"] == {"STRING": 5}
    none = process(orders, "describe", orders.sources[0], "--sample", "0", folder=tmp_path)
    assert "SCHEMA" not in none.stdout


@pytest.mark.parametrize("arguments", [["functions"], ["preview", "--json", "--rows", "1000"], ["run", "--yes"]])
def test_a_reader_that_goes_away_is_no_error(orders: Orders, arguments: list[str], tmp_path: Path) -> None:
    name, *options = arguments
    spec = {"functions": [], "preview": [orders.select], "run": [orders.select, *orders.into]}[name]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command(orders if spec else None, [name, *spec, *options]),
            cwd=tmp_path,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    finally:
        os.close(writing)
    assert done.returncode == 0, done.stderr
    assert_tidy(done.stderr)
    assert "Broken" not in done.stderr


# Terminals


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Open]:
    """Open terminals of 80 columns."""
    with terminals(tmp_path) as opened:
        yield opened


def test_run_asks_and_no_means_no(orders: Orders, terminal: Open) -> None:
    asked = terminal(orders, "run", orders.select, *orders.into)
    asked.until(f"Write to {orders.target}? [y/N]: ")
    asked.type("\n")
    assert asked.end() == ExitCode.INTERRUPTED
    assert "Nothing was written." in asked.written
    assert orders.written() == 0


def test_run_asks_and_yes_runs_with_live_progress(orders: Orders, terminal: Open) -> None:
    asked = terminal(orders, "run", orders.select, *orders.into, "--with", "write = 20 wcu")
    asked.until("[y/N]: ")
    asked.type("y\n")
    asked.until("━")
    asked.until("of 20 units/s")
    assert asked.end() == 0
    assert_tidy(asked.written)
    assert "items/s" in asked.written
    assert f"{orders.rows} items written to {orders.target}" in asked.written
    # The bars are gone, the cursor is back.
    assert asked.written.count("\x1b[?25h") == asked.written.count("\x1b[?25l") == 1
    assert orders.written() == orders.rows
    assert widest(asked.written.partition("[y/N]")[2]) <= 80


def test_an_interruption_at_the_question_writes_nothing(orders: Orders, terminal: Open) -> None:
    asked = terminal(orders, "run", orders.select, *orders.into)
    asked.until("[y/N]: ")
    # Python loses a signal that comes just before it begins to wait for input; nobody types as fast.
    time.sleep(0.3)
    asked.running.send_signal(signal.SIGINT)
    assert asked.end() == ExitCode.INTERRUPTED
    assert_tidy(asked.written)
    assert "Interrupted." in asked.written
    assert orders.written() == 0


def test_interruptions_at_a_terminal_are_answered_in_the_block(orders: Orders, terminal: Open) -> None:
    slowly = ["--with", "write = 1 wcu", "--yes"]
    running = terminal(orders, "run", orders.select, *orders.into, *slowly)
    running.until("being written")
    running.running.send_signal(signal.SIGINT)
    running.until("stopping")
    running.running.send_signal(signal.SIGINT)
    assert running.end() == ExitCode.INTERRUPTED
    assert_tidy(running.written)
    assert "\x1b[?25h" in running.written.partition("stopping")[2]


@pytest.mark.parametrize("columns", [80, 120])
def test_pages_fit_the_terminal(orders: Orders, terminal: Open, columns: int) -> None:
    every = f"SELECT * FROM {orders.pattern}"
    for arguments in (["describe", orders.sources[0]], ["preview", every]):
        shown = terminal(orders, *arguments, columns=columns)
        assert shown.end() == 0, shown.written
        assert widest(shown.written) <= columns
        assert "CustomerID" in shown.written
    for arguments in (["functions"], ["--help"], ["run", "--help"]):
        shown = terminal(None, *arguments, columns=columns)
        assert shown.end() == 0
        assert widest(shown.written) <= columns


def test_long_messages_are_wrapped_at_words(terminal: Open) -> None:
    text = "SELECT CustomerID, epoch(DateTime) AS t FROM CustomerTracker_* WITH (raed = 5%, " + "x" * 30 + " = 1)"
    shown = terminal(None, "check", text)
    assert shown.end() == ExitCode.SPEC_ERROR
    written = ESCAPE.sub("", shown.written)
    sentences = [line for line in written.split("\r\n") if re.match(r"error|  [a-z]|    [a-z]| +=", line)]
    assert len(sentences) >= 4
    assert max(map(cells, sentences)) <= 80


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_no_failure(encoding: str, tmp_path: Path) -> None:
    def write(name: str | bytes) -> subprocess.CompletedProcess[bytes]:
        arguments: list[str | bytes] = [*command(None, ["functions"]), name]
        variables = environment(PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        return subprocess.run(arguments, cwd=tmp_path, env=variables, capture_output=True, timeout=60)

    page = write("length")
    assert (page.returncode, page.stderr) == (0, b"")
    assert b"length(text STRING)" in page.stdout
    # Python takes the byte for half a character.
    unknown = write(b"\xff")
    assert unknown.returncode == ExitCode.SPEC_ERROR, unknown.stderr
    assert b"there is no function" in unknown.stderr


# The demo


def test_the_demo_finds_its_spec() -> None:
    assert spec_path().read_text(encoding="utf-8") == SPEC.read_text(encoding="utf-8")


# What a user's set-up may hold; none of it may reach the demo.
FOREIGN = {
    "AWS_PROFILE": "no-such-profile",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
    "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
    "AWS_SESSION_TOKEN": "a-token",
    "HTTP_PROXY": "http://127.0.0.1:1",
    "http_proxy": "http://127.0.0.1:1",
    "NO_PROXY": "",
    "no_proxy": "",
}


def test_the_demo_runs_by_itself_whatever_the_users_settings(tmp_path: Path) -> None:
    done = subprocess.run(
        command(None, ["demo", "--keep"]),
        cwd=tmp_path,
        env=environment(**FOREIGN),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert_tidy(done.stderr)
    for said in (
        "6,500 items",
        "INSERT INTO ${domain}_${region}_AnniversaryPromo_2017",
        "13 tables",
        "4,420 items written to Devo_NA_AnniversaryPromo_2017",
        "CreationDateTime",
        "Try next",
    ):
        assert said in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_kept_demo_takes_the_commands_that_it_prints(terminal: Open, tmp_path: Path) -> None:
    demo = terminal(None, "demo", "--keep", **FOREIGN)
    demo.until("In another terminal:", timeout=120)
    demo.until('preview "SELECT * FROM Devo_NA_AnniversaryPromo_2017"')
    # Commands are there to be copied, and the spec is a file's text: neither is broken.
    own = "\n".join(line for line in demo.written.split("\n") if str(SPEC) not in line and "-- " not in line)
    assert widest(own) <= 80
    lines = ESCAPE.sub("", demo.written).partition("In another terminal:")[2].replace("\r", "").split("\n")
    script = "\n".join(line.strip().replace("ddbetl ", f"{sys.executable} -m ddbetl ", 1) for line in lines)
    assert script.count(" -m ddbetl ") == 5
    script = re.sub(r"(-m ddbetl run .*)", r"\1 --yes", script)
    done = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=tmp_path,
        env=environment(AWS_PROFILE="no-such-profile"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "4,420 items written" in done.stdout
    demo.running.send_signal(signal.SIGINT)
    assert demo.end() == 0
    assert_tidy(demo.written)
    assert "The server is stopped." in demo.written
