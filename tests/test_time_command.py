"""``ddbetl time`` as a user meets it: what it says of texts, of bad patterns, and what it proposes.

What it says that is to be pasted into a spec is compiled and evaluated here.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from vectorised import compiled, reference

import ddbetl
from ddbetl.cli import time_guess
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.time import Outcome, read, reader_of
from ddbetl.errors import RowError, SpecError
from ddbetl.functions.formats import UNITS
from ddbetl.time import compile_pattern, format_millis, pivot_of, zone
from ddbetl.time.guess import guess

PIVOT_YEAR = pivot_of(2026)


def invoke(line: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["time", *shlex.split(line)], input=stdin, prog_name="ddbetl")


def said(line: str, stdin: str | bytes | None = None, code: ExitCode = ExitCode.DONE) -> str:
    """What is printed, on one line: where lines break depends on the terminal."""
    result = invoke(line, stdin)
    assert result.exit_code == code, result.output
    return " ".join(result.stdout.split())


def as_json(line: str, code: ExitCode = ExitCode.DONE) -> Any:
    result = invoke(f"--json {line}")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def value(expression: str, item: dict[str, Any]) -> Any:
    return reference(compiled(expression), item)


# A pattern


def test_a_text_that_is_read() -> None:
    result = invoke("'dd/MM/yyyy HH:mm' '26/04/2017 10:15' --zone Europe/Berlin")
    assert result.exit_code == ExitCode.DONE
    assert result.stdout.splitlines() == [
        "26/04/2017 10:15",
        "  instant   2017-04-26T08:15:00.000Z (Wednesday)",
        "  epoch     1493194500",
        "  epoch_ms  1493194500000",
        "  read      day 26 (dd), month 4 (MM), year 2017 (yyyy), hour 10 (HH), minute 15 (mm)",
        "  zone      Europe/Berlin, +02:00 then: said by --zone",
        "  printed   26/04/2017 10:15 (the same)",
        "",
        "IN A SPEC  epoch(DateTime, 'dd/MM/yyyy HH:mm', 'Europe/Berlin')",
        "  fast path  yes, for usual values",
    ]
    assert result.stderr == ""


def test_a_text_that_is_not_read_has_the_error_of_a_row() -> None:
    result = invoke("""'yyyy-MM-dd'"'T'"'HH:mm' '2017-04-26 10:00'""")
    assert result.exit_code == ExitCode.REJECTS
    message = value("epoch(x, 'yyyy-MM-dd''T''HH:mm')", {"x": {"S": "2017-04-26 10:00"}}).message
    assert message.endswith("(expected 'T')") and message.removeprefix("x: ") in result.stdout
    assert "1 | 2017-04-26 10:00\n  |           ^\n" in result.stdout
    assert result.stderr == "\n1 of 1 text cannot be read\n"


@pytest.mark.parametrize(
    ("pattern", "text", "carets"),
    [
        ("yyyy-MM-dd", "2017-02-30", "        ^^"),
        ("d MMM yyyy", "26 Avr 2017", "   ^"),
        ("yyyy-MM-dd", "2017-04-26x", "          ^"),
        ("yyyy-MM-dd", "2017-04", "       ^"),
    ],
)
def test_the_caret_stands_under_the_fault(pattern: str, text: str, carets: str) -> None:
    assert f"1 | {text}\n  | {carets}\n" in invoke(f"'{pattern}' '{text}'").stdout


def test_a_local_time_in_a_gap_is_an_error_as_a_whole() -> None:
    output = invoke("'yyyy-MM-dd HH:mm' '2017-03-26 02:30' --zone Europe/Berlin").stdout
    assert "does not exist in Europe/Berlin: the clocks go forward" in output
    assert "  | ^^^^^^^^^^^^^^^^\n" in output


def test_a_local_time_that_comes_twice() -> None:
    output = said("'yyyy-MM-dd HH:mm' '2017-10-29 02:30' --zone Europe/Berlin")
    assert "instant 2017-10-29T00:30:00.000Z" in output
    assert "the earlier one is taken, at +02:00; the later one, at +01:00, is 2017-10-29T01:30:00.000Z" in output
    assert "comes twice" not in said("'yyyy-MM-dd HH:mm' '2017-10-29 03:00' --zone Europe/Berlin")
    assert "comes twice" not in said("iso 2017-10-29T02:30+01:00 --zone Europe/Berlin")


@pytest.mark.parametrize(
    ("arguments", "zone_line"),
    [
        ("iso 2017-04-26", "UTC, as neither the text nor --zone says another"),
        ("iso 2017-04-26 --zone UTC", "UTC: said by --zone"),
        ("iso 2017-04-26T10:15+02:00", "+02:00: said by the text"),
        ("iso 2017-04-26T10:15+02:00 --zone Asia/Tokyo", "+02:00: said by the text; --zone is for texts without one"),
        ("'yyyy z' '2017 PST'", "America/Los_Angeles, -08:00 then: said by the text"),
        ("Europe/Berlin 2017-04-26", "Europe/Berlin, +02:00 then: said by PATTERN"),
    ],
)
def test_who_named_the_zone(arguments: str, zone_line: str) -> None:
    assert f" zone {zone_line} " in said(arguments)


@pytest.mark.parametrize(
    ("arguments", "note"),
    [
        ("iso 20170426", "without a pattern 20170426 is the year 20,170,426; the pattern yyyyMMdd reads"),
        ("HH:mm 10:15", "no date is read: 1970-01-01 is taken"),
        ("'d MMM' '26 Apr'", "no year is read: 2000 is taken"),
        ("'EEE yyyy-MM-dd' 'Mon 2017-04-26'", "parts contradict each other: the text says day 26, the time has 24"),
        ("'HH:mm:ss.SSSSSS' 10:15:30.123456", "milliseconds are kept, finer digits are cut"),
    ],
)
def test_what_may_surprise_is_noted(arguments: str, note: str) -> None:
    assert f"note {note}" in said(arguments)


def test_digits_that_say_nothing_are_not_noted() -> None:
    assert "note" not in said("'yyyy-MM-dd HH:mm:ss.SSSSSS' '2017-04-26 10:15:30.123000'")


def test_a_year_of_two_digits_is_noted_with_its_range() -> None:
    notes = as_json("dd/MM/yy 26/04/17")["texts"][0]["notes"]
    assert re.fullmatch(r"17 is the year 2017: two digits mean (\d{4}) to (\d{4}), in jobs of \d{4}", notes[0])
    assert as_json("dd/MM/yy 26/04/2017")["texts"][0]["notes"] == []


def test_what_is_printed_back_differs_where_the_pattern_says_less() -> None:
    assert "printed 26/04/2017 (the same)" in said("d/MM/yyyy 26/04/2017")
    assert "printed 6/04/2017 (not the same as the text)" in said("d/MM/yyyy 06/4/2017")
    assert "printed 26 Apr 2017 10:15 PDT (not" in said("'d MMM yyyy HH:mm z' '26 Apr 2017 10:15 PST'")


def test_a_unit_reads_numbers() -> None:
    output = said("epoch_us 1493201730876543")
    assert "instant 2017-04-26T10:15:30.876Z" in output
    assert "epoch(DateTime, 'epoch_us')" in output and "epoch(to_number(DateTime), 'epoch_us')" in output
    assert '"x" is not a number' in said("epoch_s x", code=ExitCode.REJECTS)
    assert "epoch -5 " in said("epoch_s -- -5")


@pytest.mark.parametrize(
    ("pattern", "fast_path"),
    [
        ("yyyy-MM-dd", "yes, for usual values"),
        ("yyyy G", "no, every row goes by reference: the era (G)"),
        ("HH:mm ZZZ", "no, every row goes by reference: the zone's id (ZZZ)"),
        ("epoch_ms", "yes, for usual values"),
    ],
)
def test_the_fast_path_is_told(pattern: str, fast_path: str) -> None:
    assert f"fast path {fast_path}" in said(f"'{pattern}' x", code=ExitCode.REJECTS)


def test_many_texts_have_a_line_each() -> None:
    lines = "\n".join([*(f"2017-04-{day:02}" for day in range(1, 32)), ""])
    result = invoke("yyyy-MM-dd -", lines)
    assert result.exit_code == ExitCode.REJECTS
    assert "2017-04-01  1491004800  2017-04-01T00:00:00.000Z" in result.stdout
    assert "2017-04-31              error at position 8: day 31 is not between 1 and 30" in result.stdout
    assert result.stderr == "\n1 of 31 texts cannot be read\n"


def test_standard_input_is_read_by_lines() -> None:
    texts = as_json_of_input("yyyy-MM-dd -", b"\xef\xbb\xbf2017-04-26\r\n\n2017-04-27")
    assert texts == ["2017-04-26", "", "2017-04-27"]
    assert as_json_of_input("yyyy - 2018", b"\xff\n") == ["\\xff", "2018"]


def as_json_of_input(line: str, stdin: bytes) -> list[str]:
    result = invoke(f"--json {line}", stdin)
    return [one["text"] for one in json.loads(result.stdout)["texts"]]


# A bad pattern


@pytest.mark.parametrize("pattern", ["yyyy-MM-ddTHH", "uuuu", "", "epoch_sec", "zzzz yyyy", "Europe/Berlim", "'"])
def test_a_bad_pattern_is_the_compilers_error(pattern: str) -> None:
    """The same code, message and place as in a spec."""
    quoted = pattern.replace("'", "''")
    with pytest.raises(SpecError) as in_spec:
        ddbetl.check(f"SELECT epoch(x, '{quoted}') AS t FROM Orders")
    with pytest.raises(SpecError) as alone:
        reader_of(pattern, None, PIVOT_YEAR)
    (one,), (other,) = in_spec.value.diagnostics, alone.value.diagnostics
    assert (one.code, one.message) == (other.code, other.message)
    assert other.hint == one.hint or (not one.hint and "the shell" in other.hint)
    result = invoke(f"{shlex.quote(pattern)} 2017")
    assert (result.exit_code, result.stdout) == (ExitCode.SPEC_ERROR, "")
    assert result.stderr.startswith(f"error[{one.code}]: ")


def test_the_caret_stands_under_the_letter() -> None:
    assert "1 | yyyy-MM-ddTHH\n  |           ^\n" in invoke("yyyy-MM-ddTHH 2017").stderr


def test_quotes_that_the_shell_took_or_a_spec_needs() -> None:
    assert "the shell keeps single quotes within double ones" in invoke("yyyy-MM-ddTHH 2017").stderr
    assert "quotes are doubled in a spec" in invoke("\"yyyy-MM-dd''T''HH\" 2017").stderr


def test_a_doubtful_pattern_is_warned_of() -> None:
    result = invoke("YYYY-MM-dd 2017-04-26")
    assert result.exit_code == ExitCode.DONE
    assert result.stderr.startswith("warning[W0105]: Y is the year of the era here")
    assert as_json("YYYY 2017")["warnings"][0].startswith("Y is the year of the era here")


def test_an_unknown_zone_is_the_specs_error() -> None:
    result = invoke("iso 2017 --zone Europe/Berlim")
    assert result.exit_code == ExitCode.SPEC_ERROR
    assert result.stderr.startswith("error[E0504]: unknown time zone 'Europe/Berlim'\n --> --zone:1:1")


def test_wrong_arguments_are_explained() -> None:
    assert "did you mean ddbetl time --guess 2017-04-26?" in invoke("2017-04-26").stderr
    assert "a TEXT is missing" in invoke("yyyy").stderr
    assert "stands behind --, as in -- -44" in invoke("yyyy -44").stderr
    assert "-- -x" not in invoke("yyyy --zon -x").stderr
    assert "not both" in invoke("--guess --format x").stderr
    assert invoke("").exit_code == ExitCode.USAGE


# The other direction


def test_format_prints_and_reads_back() -> None:
    output = said("--format 'd MMM yyyy' 2017-04-26T10:15:30Z")
    assert "printed 26 Apr 2017 read back 2017-04-26T00:00:00.000Z: not the same instant" in output
    assert "IN A SPEC format_time(parse_time(DateTime), 'd MMM yyyy')" in output
    assert "read back the same instant" in said("--format 'yyyy-MM-dd HH:mm' 2017-04-26T10:15 --zone Asia/Tokyo")
    assert "read back this pattern cannot read it" in said("--format 'zzzz yyyy' 2017-04-26")
    assert "no, every row goes by reference: the form of zzzz" in said("--format 'zzzz yyyy' 2017-04-26")


def test_format_has_errors_of_both_sides() -> None:
    assert "is not an ISO-8601 time" in said("--format yyyy 26.04.2017", code=ExitCode.REJECTS)
    assert "error[E0305]" in invoke("--format yyyyT 2017-04-26").stderr
    (one,) = as_json("--format yyyy 2017-04-26")["texts"]
    assert one == {
        "text": "2017-04-26",
        "instant": "2017-04-26T00:00:00.000Z",
        "printed": "2017",
        "read_back": "2017-01-01T00:00:00.000Z",
        "same": False,
    }


# JSON


def test_json_says_the_same() -> None:
    found = as_json("'dd/MM/yyyy' 26/04/2017 x", code=ExitCode.REJECTS)
    assert (found["expression"], found["fast"], found["slow_because"]) == ("epoch(DateTime, 'dd/MM/yyyy')", True, None)
    first, second = found["texts"]
    assert first == {
        "text": "26/04/2017",
        "instant": "2017-04-26T00:00:00.000Z",
        "epoch": 1493164800,
        "epoch_ms": 1493164800000,
        "read": [
            {"part": "day", "value": 26, "letters": "dd"},
            {"part": "month", "value": 4, "letters": "MM"},
            {"part": "year", "value": 2017, "letters": "yyyy"},
        ],
        "zone": "UTC",
        "offset": "+00:00",
        "zone_from": "default",
        "printed": "26/04/2017",
        "same": True,
        "notes": [],
    }
    assert second["error"] == {
        "code": "R0107",
        "message": '"x" does not match dd/MM/yyyy at position 0 (expected a digit of the day)',
        "position": 0,
        "reason": "expected a digit of the day",
    }


# Guessing


def test_guess_shows_both_meanings_and_what_would_decide() -> None:
    output = said("--guess 04/05/2017 01/02/2017")
    assert "dd/MM/yyyy 2017-05-04T00:00:00.000Z MM/dd/yyyy 2017-04-05T00:00:00.000Z" in output
    assert "A text such as 26/04/2017 would decide for the first, 04/26/2017 for the second." in output
    assert output.endswith("IN A SPEC epoch(DateTime, 'dd/MM/yyyy')")


def test_guess_says_what_decided() -> None:
    assert "It is not MM/dd/yyyy: 26/04/2017 decides." in said("--guess 04/05/2017 26/04/2017")


def test_guess_names_the_zone_only_where_it_counts() -> None:
    assert said("--guess 2017-04-26 --zone Europe/Berlin").endswith("epoch(DateTime, 'Europe/Berlin')")
    assert said("--guess 2017-04-26T10:15Z --zone Europe/Berlin").endswith("epoch(DateTime)")


def test_guess_doubles_the_quotes() -> None:
    assert said("--guess 20170426T101530Z").endswith("epoch(DateTime, 'yyyyMMdd''T''HHmmssZZ')")


def test_guess_calls_a_word_a_word() -> None:
    assert "CEST is mere text in yyyy-MM-dd HH:mm 'CEST'" in said("--guess '2017-04-26 10:15 CEST'")


def test_guess_shows_blanks() -> None:
    output = said("--guess ' 26.04.2017'")
    assert "' dd.MM.yyyy' 2017-04-26" in output and "trim(DateTime) takes them off" in output


def test_guess_without_a_result() -> None:
    output = said("--guess hello 2017-04-26 ''", code=ExitCode.REJECTS)
    assert "this one reads 1 of 3 texts" in output
    assert "no pattern was found for 2 texts hello it has no digits (an empty text) it is empty" in output
    assert "IN A SPEC" not in said("--guess hello", code=ExitCode.REJECTS)
    assert as_json("--guess hello", code=ExitCode.REJECTS)["expression"] is None


def test_guess_takes_the_first_thousand_texts() -> None:
    lines = "\n".join(format_millis(None, 86_400_000 * day, zone("UTC")) for day in range(1200))
    result = invoke("--guess -", lines)
    assert result.exit_code == ExitCode.DONE
    assert "all 1,000 texts" in result.stdout
    assert result.stderr == "\nThe first 1,000 different texts of 1,200 were looked at.\n"


@pytest.mark.parametrize(
    ("texts", "expression"),
    [
        (("2017-04-26",), "epoch(DateTime)"),
        (("1493201730876",), "epoch(DateTime, 'epoch_ms')"),
        (("1493201730", "2017-04-26"), "epoch(DateTime, 'epoch_s', 'iso')"),
        (
            ("1493201730", "1493201730876"),
            "if(DateTime < 100000000000, epoch(DateTime, 'epoch_s'), epoch(DateTime, 'epoch_ms'))",
        ),
        (
            ("1493201730", "1493201730876543", "26.04.2017"),
            "coalesce(try(if(DateTime < 100000000000, epoch(DateTime, 'epoch_s'), epoch(DateTime, 'epoch_us'))), "
            "epoch(DateTime, 'dd.MM.yyyy'))",
        ),
    ],
)
def test_the_expression(texts: tuple[str, ...], expression: str) -> None:
    assert as_json("--guess " + shlex.join(texts))["expression"] == expression


SAMPLES = (
    "2017-04-26",
    "20170426",
    "26.04.2017 10:15",
    "04/26/2017 7:05 PM",
    "Wed, 26 Apr 2017 10:15:30 GMT",
    "20170426T101530Z",
    "26 d'April 2017",
    "1493201730",
    "1493201730876",
    "1493201730876543",
    "1493201730876543210",
)


@given(st.lists(st.sampled_from(SAMPLES), min_size=1, max_size=5, unique=True))
def test_the_expression_reads_every_text(texts: list[str]) -> None:
    """Pasted into a spec, it compiles and gives what was shown: for numbers, and for digits stored as text."""
    question = time_guess.Question(tuple(texts), zone("UTC"), False, PIVOT_YEAR)
    found = guess(texts, question.zone, PIVOT_YEAR, UNITS)
    chosen = found.whole[:1] or found.in_turn
    if_text = [hint.partition("is text: ")[2] for hint in time_guess.of_numbers(question, chosen)]
    for index, text in enumerate(texts):
        reading = next(one for one in chosen if index in one.reads)
        seconds = (reading.millis[index] or 0) // 1000
        stored = {"N" if reading.form.power is not None else "S": text}
        assert value(time_guess.expression(question, chosen), {"DateTime": stored}) == seconds
        for expression in if_text:
            assert value(expression, {"DateTime": {"S": text}}) == seconds, expression


# Whatever is given


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["", "--guess", "--format"]))
def test_no_text_is_a_bug(pattern: str, text: str, option: str) -> None:
    arguments = [option] if option else []
    result = CliRunner().invoke(cli, ["time", *arguments, "--", pattern, text], input="", prog_name="ddbetl")
    assert result.exit_code in (ExitCode.DONE, ExitCode.SPEC_ERROR, ExitCode.REJECTS), result.output


@given(
    st.sampled_from(["yyyy-MM-dd", "d MMM yyyy", "iso", "HH:mm Z", "yyMMdd"]),
    st.text("0123456789-: Apr+Z", max_size=14),
)
def test_what_is_read_is_what_a_run_reads(pattern: str, text: str) -> None:
    outcome: Outcome = read(reader_of(pattern, None, compiled_pivot()), text)
    found = value(f"epoch_ms(x, '{pattern}')", {"x": {"S": text}})
    if isinstance(found, RowError):
        assert outcome.millis is None and found.message == f"x: {outcome.message}"
    else:
        assert outcome.millis == found


def compiled_pivot() -> int:
    """The pivot that the tests compile expressions with."""
    from vectorised import SETTINGS

    return SETTINGS.pivot_year


def test_every_example_of_the_help_works() -> None:
    command = cli.commands["time"]
    examples = re.findall(r"^ +ddbetl time (.*)$", command.help or "", re.MULTILINE)
    assert len(examples) == 5
    for example in examples:
        failing = "2017-04-26 10:15" in example
        assert invoke(example).exit_code == (ExitCode.REJECTS if failing else ExitCode.DONE), example


def test_a_pattern_of_the_guess_can_be_tried() -> None:
    (one,) = as_json("--guess '26/04/2017 10:15'")["patterns"]
    compile_pattern(one["pattern"], use="parse")
    again = as_json(f"{shlex.quote(one['pattern'])} '26/04/2017 10:15'")["texts"][0]
    assert again["instant"] == one["instant"]
