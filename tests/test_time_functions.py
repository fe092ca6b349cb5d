"""The functions of time in the language: what their constant texts mean, several patterns, units, the calendar.

Joda-Time's own answers go through them as they would in a run; the calendar is compared with Python's zoneinfo and with
DuckDB, which know nothing of it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import TypeAlias
from zoneinfo import ZoneInfo

import duckdb
import pytest
from generated import call, named
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_time_corpus import PIVOT, Row, load
from test_time_fast import SNIPPETS
from vectorised import SETTINGS, Item, Vectorised, compiled, disagreement, reference

import ddbetl.functions.time as time_functions
from ddbetl.diagnostics import Diagnostic
from ddbetl.errors import RowError
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.resolve import Settings
from ddbetl.functions.formats import ISO, UNITS
from ddbetl.plan.typer import compile_expression
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse_expression
from ddbetl.time import (
    Pattern,
    PatternError,
    TimeError,
    Zone,
    ZoneError,
    compile_pattern,
    fast_format,
    fast_parse,
    format_millis,
    parse_millis,
    zone,
)
from ddbetl.time.calendar import ADD_UNITS, PARTS, TRUNC_UNITS, added, part_of, truncated
from ddbetl.time.fast_reason import why_not_printed_fast, why_not_read_fast
from ddbetl.time.in_turn import fast_parse_in_turn, parser_in_turn, reach
from ddbetl.time.pattern import Literal
from ddbetl.time.zone import zone_names
from ddbetl.types import Timestamp, Type

DAY = 86_400_000


def text_item(text: str) -> Item:
    return {"x": {"S": text}}


def number_item(number: str) -> Item:
    return {"x": {"N": number}}


def answer(text: str, item: Item, settings: Settings = SETTINGS) -> object:
    """What an expression gives for an item; an error's message."""
    found = reference(compiled(text, settings), item)
    return found.message if isinstance(found, RowError) else found


def findings(text: str) -> tuple[Diagnostic, ...]:
    source = SourceText(text)
    return compile_expression(parse_expression(source), source, SETTINGS)[1]


def agree(expressions: Sequence[Expression], items: Sequence[Item]) -> int:
    """Fail where the evaluators disagree; give the number of fast rows that are no NULL."""
    fast = 0
    with Vectorised(items) as table:
        for expression, outcomes in zip(expressions, table.run(expressions), strict=True):
            for item, outcome in zip(items, outcomes or (), strict=outcomes is not None):
                wrong = disagreement(expression, item, outcome)
                assert wrong is None, wrong
                fast += outcome.fast and outcome.value is not None
    return fast


# What a text beside the value means: a pattern, a unit or a zone, and never two of them


def test_no_zone_is_a_pattern() -> None:
    for name in zone_names():
        with pytest.raises(PatternError):
            compile_pattern(name, "parse")


def test_no_unit_is_a_pattern_or_a_zone() -> None:
    for name in (ISO, *UNITS, ISO.upper(), *map(str.upper, UNITS)):
        with pytest.raises(PatternError):
            compile_pattern(name)
        with pytest.raises(ZoneError):
            zone(name)


@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from("+-"), st.sampled_from(["{}{:02}", "{}{:02}:{:02}"]))
def test_an_offset_is_no_pattern_of_any_use(hours: int, minutes: int, sign: str, form: str) -> None:
    offset = form.format(sign, hours, minutes)
    assert zone(offset).rules is None
    assert all(isinstance(part, Literal) for part in compile_pattern(offset).fields)


@pytest.mark.parametrize(
    ("arguments", "value", "result"),
    [
        ("", "2017-04-26T10:15", 1493201700),
        ("'iso'", "2017-04-26T10:15", 1493201700),
        ("'ISO', 'UTC'", "2017-04-26T10:15", 1493201700),
        ("'Europe/Berlin'", "2017-04-26T10:15", 1493194500),
        ("'+05:30'", "2017-04-26T10:15", 1493181900),
        ("'yyyy-MM-dd HH:mm'", "2017-04-26 10:15", 1493201700),
        ("'yyyy-MM-dd HH:mm', 'Europe/Berlin'", "2017-04-26 10:15", 1493194500),
        ("'yyyyMMdd', 'yyyy-MM-dd HH:mm', 'Europe/Berlin'", "2017-04-26 10:15", 1493194500),
        ("'yyyyMMdd', 'yyyy-MM-dd HH:mm', 'Europe/Berlin'", "20170426", 1493157600),
        ("'yyyyMMdd', 'iso', 'epoch_ms', '-08'", "2017-04-26T10:15", 1493230500),
        # The first pattern that reads a text counts, though a later one fits better.
        ("'dd/MM/yyyy', 'MM/dd/yyyy'", "05/04/2017", 1491350400),
        ("'dd/MM/yyyy', 'MM/dd/yyyy'", "05/26/2017", 1495756800),
        # All the same, an offset in the text counts before any zone.
        ("'yyyy-MM-dd HH:mmZZ', 'iso', 'Asia/Tokyo'", "2017-04-26 10:15+02:00", 1493194500),
    ],
)
def test_a_text_is_read_by_what_stands_beside_it(arguments: str, value: str, result: int) -> None:
    written = f"epoch(x, {arguments})" if arguments else "epoch(x)"
    assert answer(written, text_item(value)) == result
    assert agree([compiled(written)], [text_item(value)]) == 1


@pytest.mark.parametrize(
    ("text", "message", "hint", "at"),
    [
        ("epoch(x, 'UTC', 'yyyy')", "UTC is a time zone, and the zone stands last", "patterns and units", "'UTC'"),
        ("epoch(x, 'UTC', 'Asia/Tokyo')", "UTC is a time zone", "", "'UTC'"),
        ("epoch(x, 'yyyy', 'Z')", "'Z' could be the zone", "'UTC' is the zone, 'ZZ' is a pattern", "'Z'"),
        ("epoch(x, '+5:30')", "+5:30 is no offset", "did you mean +05:30?", "'+5:30'"),
        ("epoch(x, '+24:00')", "+24:00 is no offset", "", "'+24:00'"),
        ("epoch(x, 'Europe/Berln')", "unknown time zone 'Europe/Berln'", "did you mean Europe/Berl", "'Europe/Berln'"),
        ("epoch(x, 'utc')", "unknown time zone 'utc'", "did you mean UTC", "'utc'"),
        ("epoch(x, 'yyyy', 'Nowhere/Land')", "unknown time zone", "as in 'America/Los_Angeles'", "'Nowhere/Land'"),
        # A misspelt pattern is told as one, also where a zone could stand.
        ("epoch(x, 'uuuu-MM-dd')", "'u' is java.time's year: use yyyy", "", "uuuu"),
        ("epoch(x, 'dd/nn/yyyy')", "'n' is java.time's nanosecond", "", "nn"),
        ("epoch(x, 'iso', 'yyyyMMddTHHmmss')", "'T' as text must be quoted", "", "T"),
        ("epoch(x, 'epoch_ms', 'epoch_s')", "numbers have one unit, and epoch_ms stands here already", "", "'epoch_s'"),
        ("epoch('1', 'epoch_ms')", "epoch: expected NUMBER, found STRING", "to_number(…)", "'1'"),
        ("epoch_ms(1, 'yyyy')", "epoch_ms: expected STRING, found NUMBER", "a unit beside the pattern", "1"),
        ("parse_time(x, y)", "parse_time: pattern must be known before the run", "", "y"),
        ("epoch(x, NULL)", "epoch: pattern must be STRING, not NULL", "", "NULL"),
        ("format_time(now(), 'Asia/Tokio')", "unknown time zone 'Asia/Tokio'", "did you mean Asia/", "'Asia/Tokio'"),
        ("format_time(now(), 'epoch_ms')", "'epoch_ms' is no pattern", "epoch(time) and epoch_ms(time)", "'epoch_ms'"),
        ("epoch(x, 'epoch_m')", "'epoch_m' is no unit", "did you mean 'epoch_ms'?", "'epoch_m'"),
        ("epoch(x, 'epochmillis', 'iso')", "'epochmillis' is no unit", "did you mean 'epoch_ms'?", "'epochmillis'"),
        ("epoch(x, 'unix_timestamp')", "'unix_timestamp' is no unit", "did you mean 'epoch_s'?", "'unix_timestamp'"),
        ("epoch(x, 'Microseconds')", "'Microseconds' is no unit", "did you mean 'epoch_us'?", "'Microseconds'"),
        ("epoch(x, 'epoch_fortnights')", "is no unit", "the units are epoch_s, epoch_ms", "'epoch_fortnights'"),
        ("epoch(x, 'ISO-8601')", "'ISO-8601' is no pattern", "did you mean iso?", "'ISO-8601'"),
        ("epoch(x, 'ms')", "'ms' is a pattern here, minute and second", "the unit is 'epoch_ms'", "'ms'"),
        ("epoch(x, 'Europe/Berln', 'yyyy')", "unknown time zone 'Europe/Berln'", "did you mean E", "'Europe/Berln'"),
        ("epoch(x, 'yyyy', 'europe/berlin')", "unknown time", "did you mean Europe/Berlin?", "'europe/berlin'"),
        ("epoch(x, 'yyyy', 'Los Angeles')", "unknown time", "did you mean America/Los_Angeles?", "'Los Angeles'"),
        ("epoch(x, 'PST8')", "unknown time zone 'PST8'", "did you mean America/Los_Angeles?", "'PST8'"),
        ("epoch(x, 'yyyy', 'UTC+1')", "unknown time zone 'UTC+1'", "did you mean +01:00?", "'UTC+1'"),
        # The zone Etc/GMT+1 is an hour behind Greenwich.
        ("epoch(x, 'yyyy', 'GMT+5:30')", "unknown time zone 'GMT+5:30'", "did you mean +05:30?", "'GMT+5:30'"),
        ("epoch(x, 'yyyy', 'UTC+24')", "unknown time zone 'UTC+24'", "as in 'America/Los_Angeles'", "'UTC+24'"),
        ("epoch(x, 'd MMM', 'de_DE')", "'de_DE' is a locale", "there are no locales", "'de_DE'"),
        ("epoch(x, 'd MMM', 'fr')", "'fr' is no pattern", "there are no locales", "'fr'"),
        ("format_time(now(), 'd MMM', 'en_US')", "unknown time zone 'en_US'", "there are no locales", "'en_US'"),
        ("epoch(x, '%Y-%m-%d')", "'%' is text in a pattern", "the letters stand alone", "%Y"),
        ("epoch(x, '%Y%nT')", "'n' is java.time's", "the letters stand alone", "n"),
        ("format_time(now(), 'yyyy', 'dd')", "unknown time zone 'dd'", "", "'dd'"),
        ("date_trunc('decade', now())", "there is no unit 'decade' here", "it is one of millisecond", "'decade'"),
        ("date_trunc('dow', now())", "there is no unit 'dow' here", "it is one of", "'dow'"),
        ("date_part('epoch', now())", "there is no unit 'epoch' here", "epoch(time) is the seconds", "'epoch'"),
        ("date_add('isoyear', 1, now())", "there is no unit 'isoyear' here", "it is one of", "'isoyear'"),
        ("date_trunc('day', x)", "date_trunc: time must be TIMESTAMP, which", "parse_time(…)", "x"),
        ("date_trunc(x, now())", "date_trunc: unit must be known before the run", "", "x"),
        ("date_trunc('day', now(), 'Mars/Base')", "unknown time zone 'Mars/Base'", "", "'Mars/Base'"),
        ("date_add('day', 1.5, TIMESTAMP '2017-04-26')", "the count is a whole number, not 1.5", "", None),
        ("year(x)", "there is no function year", "write date_part('year', time)", "year"),
        ("dateadd(x)", "there is no function dateadd", "write date_add(", "dateadd"),
    ],
)  # fmt: skip
def test_a_wrong_constant_is_told_where_it_stands(text: str, message: str, hint: str, at: str | None) -> None:
    (found,) = findings(text)
    assert message in found.message
    assert found.hint.startswith(hint)
    assert found.span is not None
    assert text[found.span.start : found.span.end] == (at or text)


# Warnings


@pytest.mark.parametrize(
    ("text", "code", "message", "at"),
    [
        ("epoch(x, 'YYYY-MM-dd')", "W0105", "Y is the year of the era here", "YYYY"),
        ("epoch(x, 'iso', 'dd.MM.YYYY')", "W0105", "Y is the year of the era here", "YYYY"),
        ("parse_time(x, 'dd''Y''YYYY')", "W0105", "Y is the year of the era here", "YYYY"),
        ("format_time(now(), 'YYYY-MM')", "W0105", "Y is the year of the era here", "YYYY"),
        ("epoch(x, 'yyyy-mm-dd')", "W0105", "m is the minute; the month is M", "mm"),
        ("epoch(x, 'dd.MM.yyyy HH:MM')", "W0105", "M is the month; the minute is m", "MM"),
        ("epoch(x, 'yyyy-MM-DD')", "W0105", "D is the day of the year; the day of the month is d", "DD"),
        ("epoch(x, 'dd.MM.yyyy hh:mm')", "W0105", "h is an hour of half a day", "hh"),
        ("epoch(x, 'HH:mm:SS')", "W0105", "S is the fraction of the second; the second is s", "SS"),
        ("epoch(x, '''year''')", "W0105", "there is no letter for a part of a time", "''year''"),
        ("epoch('20170426')", "W0106", "without a pattern 20170426 is the year 20,170,426", "'20170426'"),
        ("parse_time('201704', 'Asia/Tokyo')", "W0106", "is the year 201,704", "'201704'"),
        ("x > epoch(TIMESTAMP '20170426T10')", "W0106", "is the year 20,170,426", "TIMESTAMP '20170426T10'"),
        ("CAST('20170426' AS TIMESTAMP) < now()", "W0106", "is the year 20,170,426", "'20170426'"),
    ],
)
def test_what_is_rarely_meant_is_warned_about(text: str, code: str, message: str, at: str) -> None:
    found = findings(text)[0]
    assert found.code == code
    assert message in found.message
    assert found.span is not None
    # With a quote of the spec's text on either side where the mark is of a whole text.
    assert (
        text[found.span.start : found.span.end].strip("'") == at.strip("'")
        or text[found.span.start : found.span.end] == at
    )
    assert compiled(text) is not None


@pytest.mark.parametrize(
    "text",
    [
        "epoch(x, 'yyyy-MM-dd''T''HH:mm:ss.SSSZZ')",
        "epoch(x, 'M/d/yy h:mm a')",
        "epoch(x, 'mm:ss.SSS')",
        "epoch(x, 'HH:mm')",
        "epoch(x, 'H')",
        "epoch(x, 'ss.SSS')",
        "epoch(x, 'HHmmssSSS')",
        "epoch(x, 'yyyy-DDD')",
        "epoch(x, 'yyyyMM')",
        "epoch(x, 'HH:mm dd.MM.yyyy')",
        "epoch('20170426', 'yyyyMMdd')",
        "epoch('2017')",
        "epoch('2017-04-26')",
        "epoch(TIMESTAMP '2017-04-26')",
        "epoch(20170426)",
    ],
)
def test_what_is_usual_is_not_warned_about(text: str) -> None:
    assert findings(text) == ()


def test_a_warning_comes_once_and_only_with_the_spec() -> None:
    # The text and the number signature both have the pattern.
    assert len(findings("epoch(x, 'YYYY', 'epoch_s')")) == 2
    assert len(set(findings("epoch(x, 'YYYY', 'epoch_s')"))) == 1


# Errors of rows


@pytest.mark.parametrize(
    ("text", "item", "message"),
    [
        (
            "epoch(x, 'yyyy-MM-dd''T''HH:mm')",
            text_item("2017-04-26 10:00"),
            """x: "2017-04-26 10:00" does not match yyyy-MM-dd'T'HH:mm at position 10 (expected 'T')""",
        ),
        (
            "epoch(x)",
            text_item("soon"),
            'x: "soon" is not an ISO-8601 time at position 0 (expected a digit of the year)',
        ),
        (
            "epoch(x.y)",
            {"x": {"M": {"y": {"S": "soon"}}}},
            'x.y: "soon" is not an ISO-8601 time at position 0 (expected a digit of the year)',
        ),
        (
            "epoch(trim(x))",
            text_item("soon"),
            'epoch(trim(x)): "soon" is not an ISO-8601 time at position 0 (expected a digit of the year)',
        ),
        (
            "epoch(x, 'yyyy-MM-dd', 'yyyyMMddHHmmss', 'iso')",
            text_item("26.4.2017"),
            'x: "26.4.2017" does not match yyyy-MM-dd at position 2 (expected \'-\'), nor yyyyMMddHHmmss at position 2 '
            "(expected a digit of the month), nor ISO-8601 at position 2 (expected 'T' or the end of the date)",
        ),
        (
            "epoch(x, 'yyyy-MM-dd HH:mm', 'America/Los_Angeles')",
            text_item("2017-03-12 02:30"),
            'x: "2017-03-12 02:30" does not match yyyy-MM-dd HH:mm at position 0 (2017-03-12T02:30 does not exist in '
            "America/Los_Angeles: the clocks go forward from 02:00 to 03:00)",
        ),
        (
            "epoch(x, 'Pacific/Apia')",
            text_item("2011-12-30T09:30"),
            'x: "2011-12-30T09:30" is not an ISO-8601 time at position 0 (2011-12-30T09:30 does not exist in '
            "Pacific/Apia: the clocks go forward from 00:00 to 2011-12-31T00:00)",
        ),
        (
            "epoch(x, 'epoch_ms')",
            text_item("1493201730876"),
            "x: expected NUMBER, found STRING; to_number(…) makes a number of a text of digits",
        ),
        (
            "epoch(x, 'yyyyMMdd')",
            number_item("20170426"),
            "x: expected STRING, found NUMBER; a unit beside the pattern, such as 'epoch_s', reads numbers",
        ),
        ("epoch(x, 'epoch_ms')", {"x": {"BOOL": True}}, "x: expected STRING or NUMBER, found BOOLEAN"),
        (
            "date_add('month', x, now())",
            number_item("0.5"),
            "date_add('month', x, now()): the count is a whole number, not 0.5",
        ),
    ],
)  # fmt: skip
def test_an_error_of_a_row_says_what_is_wrong_and_where(text: str, item: Item, message: str) -> None:
    assert answer(text, item) == message


@pytest.mark.parametrize(
    "text",
    [
        "epoch(x, 'epoch_ns')",
        "epoch(parse_time(x, 'epoch_us'))",
        "epoch(date_add('year', x, now()))",
        "epoch(date_add('millisecond', x, now()))",
    ],
)
@pytest.mark.parametrize("number", ["9E+125", "-9E+125", "1E+37"])
def test_a_time_out_of_range_is_an_error(text: str, number: str) -> None:
    assert "are beyond the range of times" in str(answer(text, number_item(number)))
    assert agree([compiled(text)], [number_item(number)]) == 0


# Several patterns in turn

TURNS = (
    ("yyyy-MM-dd'T'HH:mm:ssZZ", "yyyyMMddHHmmss"),
    (None, "yyyyMMdd"),
    ("yyyyMMdd", None),
    ("dd/MM/yyyy", "MM/dd/yyyy", None),
    ("d MMM yyyy G", "d MMM yyyy", "MMM d, yyyy"),
    ("yyyy-MM-dd ZZZ", "yyyy-MM-dd z", "yyyy-MM-dd Z", "yyyy-MM-dd"),
    ("M/d/yy", "M/d/yyyy"),
    ("K:mm a", "h:mm a", "HH:mm"),
    ("yyyy-MM-dd HH:mm:ss", "yyyy-MM-dd HH:mm:ss.SSSSSS", "xxxx-'W'ww-e"),
    ("'No. 'yyyy", "'KO 'yyyy", "yyyy"),
)
TURN_ZONES = ("UTC", "America/Los_Angeles", "+05:30")


def patterns_of(texts: Sequence[str | None]) -> tuple[Pattern | None, ...]:
    return tuple(compile_pattern(text) if text else None for text in texts)


def in_turn(texts: Sequence[str | None], name: str) -> Call:
    constants = [Constant(text or ISO, Type.STRING) for text in (*texts, name)]
    return call(named("epoch_ms"), Attribute("x"), *constants)


@st.composite
def times_and_damage(draw: st.DrawFn, texts: Sequence[str | None]) -> str:
    """A text that one of the patterns prints, changed a little, or not at all."""
    pattern = draw(st.sampled_from(patterns_of(texts)))
    text = format_millis(pattern, draw(st.integers(0, 2_000_000_000_000)), zone(draw(st.sampled_from(TURN_ZONES))))
    for _ in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 3))
        text = text[:start] + draw(st.sampled_from([*SNIPPETS, "K", "ſ", "İ"])) + text[end:]
    return text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), texts=st.sampled_from(TURNS), name=st.sampled_from(TURN_ZONES))
def test_in_turn_is_one_after_the_other_by_both_evaluators(
    data: st.DataObject, texts: Sequence[str | None], name: str
) -> None:
    written = data.draw(st.lists(times_and_damage(texts), min_size=1, max_size=15))
    expression = in_turn(texts, name)
    agree([expression], [text_item(text) for text in written])
    for text in written:
        wanted: object = None
        for pattern in patterns_of(texts):
            try:
                wanted = parse_millis(pattern, text, zone(name), SETTINGS.pivot_year)
                break
            except TimeError:
                continue
        found = reference(expression, text_item(text))
        assert found == wanted or (wanted is None and isinstance(found, RowError))


@pytest.mark.parametrize("texts", TURNS, ids=str)
def test_later_patterns_are_fast_too(texts: Sequence[str | None]) -> None:
    """Also where an earlier one has no fast path: what cannot be one of its texts need not ask the reference."""
    fast = [text for text in texts if fast_parse(compile_pattern(text) if text else None, zone("UTC"), "x", PIVOT)]
    assert fast
    for text in fast:
        printed = {
            format_millis(compile_pattern(text) if text else None, n * 90_061_001, zone("UTC")) for n in range(99)
        }
        read_earlier = [parser_in_turn(patterns_of(texts[: texts.index(text)]), zone("UTC"), PIVOT)] * texts.index(text)
        mine = [one for one in printed if not any(reads(read, one) for read in read_earlier)]
        assert agree([in_turn(texts, "UTC")], [text_item(one) for one in mine]) >= 0.8 * len(mine)


def reads(read: Callable[[str], int], text: str) -> bool:
    try:
        read(text)
    except TimeError:
        return False
    return True


def test_a_pattern_reaches_every_text_that_it_reads() -> None:
    """On all rows of the corpus, as they are and changed: letters for other letters, digits, signs."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    draw = random.Random(11)
    for row in load():
        if row.kind == "parse" and row.outcome not in ("pattern", "cannot"):
            texts[row.pattern] += [row.input, row.input.upper(), row.input.lower()]
            at = draw.randrange(len(row.input) + 1)
            texts[row.pattern].append(row.input[:at] + draw.choice(SNIPPETS) + row.input[at + 1 :])
    count = 0
    with duckdb.connect() as connection:
        for text, found in texts.items():
            pattern = compile_pattern(text) if text else None
            readable = [one for one in found if reads(parser_in_turn([pattern], zone("UTC"), PIVOT), one)]
            query = (
                "SELECT count(*) FILTER (WHERE regexp_full_match(s, $1)), count(*) FROM unnest($2::VARCHAR[]) AS u(s)"
            )
            reached, all_ = connection.execute(query, [reach(pattern), readable]).fetchall()[0]
            assert reached == all_, text
            count += all_
    assert count > 10_000


@pytest.mark.parametrize("text", ["++17-01", "+-7-01", "--04", "+++2017-01"])
def test_a_later_pattern_does_not_take_a_year_of_odd_signs(text: str) -> None:
    patterns = patterns_of(["yy-MM", f"'{text[:-2]}'MM"])
    fast = fast_parse_in_turn(patterns, zone("UTC"), "s", PIVOT)
    assert fast is not None
    with duckdb.connect() as connection:
        query = f"SELECT {fast.millis} FROM (SELECT $1::VARCHAR AS s)"
        assert connection.execute(query, [text]).fetchone() == (None,)
    assert reads(parser_in_turn(patterns[:1], zone("UTC"), PIVOT), text)


def test_patterns_without_any_fast_path_have_none_together() -> None:
    assert fast_parse_in_turn(patterns_of(["yyyy G", "HH z"]), zone("UTC"), "x", PIVOT) is None
    assert fast_parse_in_turn(patterns_of(["yyyy G", "HH z", "yyyy"]), zone("UTC"), "x", PIVOT) is not None


@pytest.mark.parametrize("text", ["yyyy'\0'MM", "yyyy'\ud800'MM"])
def test_a_pattern_that_sql_cannot_hold_goes_by_reference(text: str) -> None:
    expression = call(named("epoch"), Attribute("x"), Constant(text, Type.STRING))
    printed = call(named("format_time"), Constant(Timestamp(0), Type.TIMESTAMP), Constant(text, Type.STRING))
    with Vectorised([text_item("2017x04")]) as table:
        assert table.run([expression, printed]) == [None, None]


# Units

NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(Decimal),
    st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**19), max_value=10**19),
    st.decimals(allow_nan=False, allow_infinity=False, places=14, min_value=-(10**5), max_value=10**5),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_numbers_are_counted_down_to_the_unit_before(numbers: list[Decimal]) -> None:
    items = [number_item(f"{number:f}") for number in numbers]
    expressions = {
        unit: [compiled(f"{function}(x, '{unit}', 'yyyy')") for function in ("epoch", "epoch_ms")] for unit in UNITS
    }
    agree([expression for pair in expressions.values() for expression in pair], items)
    for unit, power in UNITS.items():
        for number, item in zip(numbers, items, strict=True):
            millis = Fraction(number) * 1000 // 10**power
            found = [reference(expression, item) for expression in expressions[unit]]
            if -(2**63) <= millis < 2**63:
                assert found == [millis // 1000, millis]
            else:
                assert all(isinstance(one, RowError) and one.code == "R0108" for one in found)


def test_numbers_and_texts_of_drifted_months_are_read_by_one_call() -> None:
    items = [number_item("1493201730876"), text_item("2017-04-26"), text_item("26.4.2017"), {}, {"x": {"NULL": True}}]
    expression = compiled("epoch(x, 'epoch_ms', 'yyyy-MM-dd', 'd.M.yyyy')")
    assert [reference(expression, item) for item in items] == [1493201730, 1493164800, 1493164800, None, None]
    assert agree([expression], items) == 3


# Distinct texts once


def test_a_text_that_goes_by_reference_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def counting(patterns: Sequence[Pattern | None], in_zone: Zone, pivot_year: int) -> Callable[[str], int]:
        read = parser_in_turn(patterns, in_zone, pivot_year)

        def parse(text: str) -> int:
            seen.append(text)
            return read(text)

        return parse

    monkeypatch.setattr(time_functions, "parser_in_turn", counting)
    expression = compiled("epoch(x, 'yyyy-MM-dd G')")
    texts = ["2017-04-26 AD", "no", "2017-04-27 AD"] * 50
    found = [reference(expression, text_item(text)) for text in texts]
    assert seen == texts[:3]
    assert found[0] == found[3] == 1493164800
    assert isinstance(found[1], RowError) and isinstance(found[4], RowError) and found[1].message == found[4].message
    # What is too long for a time is not kept.
    long = "x" * (time_functions.LONGEST_REMEMBERED + 1)
    assert [isinstance(reference(expression, text_item(long)), RowError) for _ in range(2)] == [True, True]
    assert seen[3:] == [long, long]


# TIMESTAMP and DURATION


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("parse_time(x) < TIMESTAMP '2017-04-26T10:15:30.876Z'", False),
        ("parse_time(x) <= TIMESTAMP '2017-04-26T12:15:30.876+02:00'", True),
        ("parse_time(x) = TIMESTAMP '2017-04-26T10:15:30.876'", True),
        ("parse_time(x) <> TIMESTAMP '2017-04-26'", True),
        ("parse_time(x) BETWEEN TIMESTAMP '2017-04-26' AND TIMESTAMP '2017-04-27'", True),
        ("parse_time(x) IN (TIMESTAMP '2017-04-26', TIMESTAMP '2017-04-26T10:15:30.876Z')", True),
        ("parse_time(x) = now()", True),
        ("now() - parse_time(x) = 0 seconds", True),
        ("now() + 1 day > parse_time(x)", True),
        ("now() - 90 minutes < TIMESTAMP '2017-04-26T08:45:31Z'", True),
        ("(parse_time(x) - TIMESTAMP '2017-04-25T10:15:30.876Z') / 1 hour", Decimal(24)),
        ("to_number(parse_time(x) - TIMESTAMP '2017-04-26T10:15:30Z')", Decimal("0.876")),
        ("epoch(parse_time(x) + 2 * 1 day)", Decimal(1493374530)),
        ("epoch(1 hour + parse_time(x))", Decimal(1493205330)),
        ("epoch_ms(date_trunc('day', parse_time(x)) + 12 hours)", Decimal(1493208000000)),
        ("date_trunc('day', now()) = TIMESTAMP '2017-04-26'", True),
    ],
)
def test_times_are_compared_and_calculated_with(text: str, result: object) -> None:
    items = [text_item("2017-04-26T10:15:30.876Z"), {}]
    expression = compiled(text)
    assert reference(expression, items[0]) == result
    # For a missing time only the value for now() alone is no NULL.
    assert agree([expression], items) == 1 + ("x" not in text)


# The calendar


@cache
def zone_info(name: str) -> ZoneInfo:
    """The zone from the pinned data: by itself zoneinfo would take the machine's."""
    with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def local_of(millis: int, name: str) -> datetime:
    return (EPOCH + millis * MILLISECOND).astimezone(zone_info(name))


def instants_of(local: datetime, name: str) -> list[int]:
    """The instants of a local time without a zone, in order: none, one or two."""
    info = zone_info(name)
    found = {local.replace(tzinfo=info, fold=fold).astimezone(UTC) for fold in (0, 1)}
    real = [one for one in found if one.astimezone(info).replace(tzinfo=None) == local]
    return sorted((one - EPOCH) // MILLISECOND for one in real)


def around_gap(local: datetime, name: str) -> tuple[int, int]:
    """For a local time in a gap: the first instant after the gap, and the local time moved by the gap's length."""
    info = zone_info(name)
    moved, before = ((local.replace(tzinfo=info, fold=fold).astimezone(UTC) - EPOCH) // MILLISECOND for fold in (0, 1))
    low, high = before, moved
    while high - low > 1:
        middle = (low + high) // 2
        if local_of(middle, name).utcoffset() == local_of(before, name).utcoffset():
            low = middle
        else:
            high = middle
    return high, moved


def start_of(unit: str, local: datetime) -> datetime:
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    match unit:
        case "millisecond":
            return local
        case "second":
            return local.replace(microsecond=0)
        case "minute":
            return local.replace(second=0, microsecond=0)
        case "hour":
            return local.replace(minute=0, second=0, microsecond=0)
        case "day":
            return midnight
        case "week":
            return midnight - timedelta(days=local.weekday())
        case "month":
            return midnight.replace(day=1)
        case "quarter":
            return midnight.replace(month=(local.month + 2) // 3 * 3 - 2, day=1)
        case "year":
            return midnight.replace(month=1, day=1)
        case _:
            return datetime.fromisocalendar(local.isocalendar().year, 1, 1)


def truncated_by_zoneinfo(unit: str, millis: int, name: str) -> int:
    local = local_of(millis, name)
    start = start_of(unit, local.replace(tzinfo=None, fold=0))
    instants = instants_of(start, name)
    if not instants:
        return around_gap(start, name)[0]
    same = [one for one in instants if local_of(one, name).utcoffset() == local.utcoffset()]
    return same[0] if same and unit in ("millisecond", "second", "minute", "hour") else instants[0]


def later(unit: str, count: int, local: datetime) -> datetime:
    if unit in ("day", "week"):
        return local + timedelta(days=count * (7 if unit == "week" else 1))
    months = local.year * 12 + local.month - 1 + count * {"month": 1, "quarter": 3, "year": 12}[unit]
    for day in range(local.day, 0, -1):
        try:
            return local.replace(year=months // 12, month=months % 12 + 1, day=day)
        except ValueError:
            continue
    raise AssertionError(local)


def added_by_zoneinfo(unit: str, count: int, millis: int, name: str) -> int:
    if unit in ("millisecond", "second", "minute", "hour"):
        return millis + timedelta(**{f"{unit}s": count}) // MILLISECOND
    local = local_of(millis, name)
    moved = later(unit, count, local.replace(tzinfo=None, fold=0))
    instants = instants_of(moved, name)
    if not instants:
        return around_gap(moved, name)[1]
    same = [one for one in instants if local_of(one, name).utcoffset() == local.utcoffset()]
    return (same or instants)[0]


def part_by_datetime(part: str, local: datetime) -> int:
    week = local.isocalendar()
    return {
        "year": local.year,
        "isoyear": week.year,
        "quarter": (local.month - 1) // 3 + 1,
        "month": local.month,
        "week": week.week,
        "day": local.day,
        "dow": local.isoweekday() % 7,
        "isodow": local.isoweekday(),
        "doy": local.timetuple().tm_yday,
        "hour": local.hour,
        "minute": local.minute,
        "second": local.second,
        "millisecond": local.second * 1000 + local.microsecond // 1000,
    }[part]


# Gaps and overlaps at midnight, at a minute past it, of half an hour, of a day.
CALENDAR_ZONES = (
    "UTC", "America/Los_Angeles", "Europe/Berlin", "America/Sao_Paulo", "America/Havana", "America/St_Johns",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "Pacific/Enderbury", "Africa/Casablanca",
    "Asia/Tehran", "Asia/Beirut", "Asia/Kathmandu", "Antarctica/Troll", "America/Godthab", "Asia/Amman", "Pacific/Kwajalein",
)  # fmt: skip


def around_changes(name: str, draw: random.Random, count: int) -> list[int]:
    """Instants near the changes of a zone's offset, and some others."""
    rules = zone(name).rules
    changes = rules.changes_between(-(10**9), 2_500_000_000) if rules is not None else []
    shifts = (
        -86_401,
        -86_400,
        -3_601,
        -1_800,
        -60,
        -1,
        0,
        1,
        59,
        60,
        1_799,
        1_800,
        3_599,
        3_600,
        7_200,
        86_399,
        86_400,
    )
    near = [at + draw.choice(shifts) for at, _, _ in draw.choices(changes, k=count)] if changes else []
    return [
        second * 1000 + draw.choice((0, 1, 500, 999))
        for second in (*near, *(draw.randrange(-(10**9), 2_500_000_000) for _ in range(count // 2)))
    ]


@pytest.mark.parametrize("name", CALENDAR_ZONES)
def test_the_calendar_is_that_of_zoneinfo(name: str) -> None:
    draw = random.Random(name)
    in_zone = zone(name)
    for millis in around_changes(name, draw, 300):
        for unit in TRUNC_UNITS:
            found = truncated(unit, millis, in_zone)
            assert found == truncated_by_zoneinfo(unit, millis, name), (unit, millis)
            assert found <= millis and truncated(unit, found, in_zone) == found
        for part in PARTS:
            assert part_of(part, millis, in_zone) == part_by_datetime(part, local_of(millis, name)), (part, millis)
        for unit in ADD_UNITS:
            count = draw.choice((-13, -4, -1, 0, 1, 1, 1, 2, 12, 100))
            assert added(unit, count, millis, in_zone) == added_by_zoneinfo(unit, count, millis, name), (
                unit,
                count,
                millis,
            )


def test_sums_that_land_in_gaps_and_overlaps() -> None:
    """Days before each change, so that the sum falls on it: mere chance rarely does."""
    landed = 0
    for name in CALENDAR_ZONES:
        rules = zone(name).rules
        changes = rules.changes_between(0, 1_700_000_000) if rules is not None else []
        for at, before, after in changes[-40:]:
            for seconds in (0, 600, -600, abs(after - before) - 1, -abs(after - before)):
                for days in (1, 7, 31):
                    millis = (at + seconds - days * 86_400) * 1000
                    wanted = added_by_zoneinfo("day", days, millis, name)
                    assert added("day", days, millis, zone(name)) == wanted
                    landed += wanted != millis + days * DAY
    assert landed > 500


@pytest.mark.parametrize("name", ["+05:30", "-03:30", "UTC"])
def test_the_calendar_of_a_fixed_offset_is_that_of_duckdb(name: str) -> None:
    draw = random.Random(5)
    offset = zone(name).offset_at(0)
    values = [draw.randrange(-62_000_000_000_000, 250_000_000_000_000) for _ in range(2000)]
    query = "SELECT v, {} FROM (SELECT v, make_timestamp((v + $1) * 1000) AS t FROM unnest($2::BIGINT[]) AS u(v))"
    with duckdb.connect() as connection:
        for unit in TRUNC_UNITS:
            sql = f"epoch_us(date_trunc('{unit}', t)) // 1000 - $1"
            for millis, wanted in connection.execute(query.format(sql), [offset, values]).fetchall():
                assert truncated(unit, millis, zone(name)) == wanted, (unit, millis)
        for part in PARTS:
            for millis, wanted in connection.execute(
                query.format(f"date_part('{part}', t)"), [offset, values]
            ).fetchall():
                assert part_of(part, millis, zone(name)) == wanted, (part, millis)
        for unit in ADD_UNITS:
            count = draw.randrange(-2000, 2000)
            step = f"INTERVAL ({count}) {unit}"
            for millis, wanted in connection.execute(
                query.format(f"epoch_us(t + {step}) // 1000 - $1"), [offset, values]
            ).fetchall():
                assert added(unit, count, millis, zone(name)) == wanted, (unit, count, millis)


LOS_ANGELES = "America/Los_Angeles"


@pytest.mark.parametrize(
    ("call_", "time", "name", "result"),
    [
        # Midnight of this day does not exist: it begins at one.
        ("date_trunc('day'", "2017-10-15T12:00:00-02:00", "America/Sao_Paulo", "2017-10-15T01:00:00.000-02:00"),
        ("date_trunc('week'", "2017-10-15T12:00:00-02:00", "America/Sao_Paulo", "2017-10-09T00:00:00.000-03:00"),
        # Midnight comes twice: the day begins with the first.
        ("date_trunc('day'", "2017-11-05T00:30:00-05:00", "America/Havana", "2017-11-05T00:00:00.000-04:00"),
        # One o'clock comes twice: the hour keeps its offset.
        ("date_trunc('hour'", "2017-11-05T01:30:00-08:00", LOS_ANGELES, "2017-11-05T01:00:00.000-08:00"),
        ("date_trunc('hour'", "2017-11-05T01:30:00-07:00", LOS_ANGELES, "2017-11-05T01:00:00.000-07:00"),
        # Half of this hour comes twice: the second half belongs to the hour that began before.
        ("date_trunc('hour'", "2017-04-02T01:45:00+10:30", "Australia/Lord_Howe", "2017-04-02T01:00:00.000+11:00"),
        # There is no 30 December 2011 there.
        ("date_add('day', 1", "2011-12-29T10:00:00-10:00", "Pacific/Apia", "2011-12-31T10:00:00.000+14:00"),
        # A sum of days that falls into a gap moves on, one into an overlap keeps its offset.
        ("date_add('day', 1", "2017-03-11T02:30:00-08:00", LOS_ANGELES, "2017-03-12T03:30:00.000-07:00"),
        ("date_add('day', 1", "2017-11-04T01:30:00-07:00", LOS_ANGELES, "2017-11-05T01:30:00.000-07:00"),
        ("date_add('day', -1", "2017-11-06T01:30:00-08:00", LOS_ANGELES, "2017-11-05T01:30:00.000-08:00"),
        ("date_add('month', 1", "2017-02-12T09:00:00-08:00", LOS_ANGELES, "2017-03-12T09:00:00.000-07:00"),
        ("date_add('hour', 24", "2017-03-11T09:00:00-08:00", LOS_ANGELES, "2017-03-12T10:00:00.000-07:00"),
        # The day of the month is cut.
        ("date_add('month', 1", "2017-01-31T00:00:00Z", "UTC", "2017-02-28T00:00:00.000Z"),
        ("date_add('QUARTERS', -3", "2017-11-30T10:00:00Z", "UTC", "2017-02-28T10:00:00.000Z"),
        ("date_add('Weeks', 2", "2017-12-25", "UTC", "2018-01-08T00:00:00.000Z"),
    ],
)
def test_where_the_clocks_change(call_: str, time: str, name: str, result: str) -> None:
    found = reference(compiled(f"{call_}, TIMESTAMP '{time}', '{name}')"), {})
    assert isinstance(found, Timestamp)
    assert format_millis(None, found.millis, zone(name)) == result
    item: Item = {"x": {"S": time}}
    assert agree([compiled(f"epoch({call_}, parse_time(x), '{name}'))")], [item]) <= 1


def calendar_expressions(name: str) -> Iterator[Expression]:
    time, count = compiled("parse_time(x, 'epoch_ms')"), Attribute("n")
    in_zone = Constant(name, Type.STRING)
    for function, units in (("date_trunc", TRUNC_UNITS), ("date_part", PARTS)):
        for unit in units:
            yield call(named(function), Constant(unit, Type.STRING), time, in_zone)
    for unit in ADD_UNITS:
        yield call(named("date_add"), Constant(unit, Type.STRING), count, time, in_zone)


@pytest.mark.parametrize("name", [*CALENDAR_ZONES, "+05:30", "-12:34:56.789"])
def test_the_calendar_is_the_same_by_both_evaluators(name: str) -> None:
    draw = random.Random(name)
    usual = around_changes(name, draw, 150)
    far = [draw.randrange(-(2**63), 2**63) for _ in range(20)] + [
        draw.randrange(-7 * 10**13, 26 * 10**13) for _ in range(60)
    ]
    items: list[Item] = [
        {"x": {"N": str(millis)}, "n": {"N": draw.choice(("0", "1", "-1", "2", "31", "-365", "1.5", "1E+9", "1E+20"))}}
        for millis in (*usual, *far)
    ]
    items += [{"x": {"N": "0"}}, {"n": {"N": "1"}}]
    expressions = list(calendar_expressions(name))
    fast = agree(expressions, items)
    recent = sum(0 < millis < 2_000_000_000_000 for millis in usual)
    assert fast > 0.6 * recent * len(expressions)


def test_in_other_zones_the_calendar_is_the_same_by_both_evaluators() -> None:
    draw = random.Random(13)
    names = draw.sample(zone_names(), 60)
    expressions = [
        compiled(f"{start}, parse_time(x, 'epoch_ms'), '{name}')")
        for name in names
        for start in ("date_trunc('day'", "date_add('day', n", "date_trunc('hour'")
    ]
    items: list[Item] = []
    for name in names:
        items += [{"x": {"N": str(millis)}, "n": {"N": "1"}} for millis in around_changes(name, draw, 2)]
    assert agree(expressions, items) > 0.4 * len(items) * len(expressions)


# Why there is no fast path


def test_what_has_no_fast_path_has_a_reason_and_nothing_else_has() -> None:
    for text in {row.pattern for row in load() if row.kind == "parse" and row.pattern}:
        try:
            pattern = compile_pattern(text, "parse")
        except PatternError:
            continue
        slow = fast_parse(pattern, zone("UTC"), "x", PIVOT) is None
        assert bool(why_not_read_fast(pattern, PIVOT)) is slow, text
        slow = fast_format(pattern, zone("UTC"), "x") is None
        assert bool(why_not_printed_fast(pattern)) is slow, text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("epoch(x, 'yyyy-MM-dd G')", "the era (G)"),
        ("epoch(x, 'yyyy-MM-dd ZZZ')", "the zone's id (ZZZ)"),
        ("epoch(x, 'HH:mm z')", "the zone's name (z)"),
        ("epoch(x, 'kk:mm')", "the hour counted by k"),
        ("epoch(x, 'C')", "the century (C)"),
        ("epoch(x, 'yyyy-MM-dd yyyy')", "y stands in it twice"),
        ("epoch(x, 'SSSss')", "numbers stand side by side whose digits vary"),
        ("epoch(x, 'yy''5''MM')", "numbers stand side by side whose digits vary"),
        ("epoch(x, 'xxxx-ww-E')", "the day's name (E) is not the first part"),
        ("epoch(x, 'EEEE, d MMM yyyy')", "the day's whole name (EEEE)"),
        ("epoch(x, 'd MMM yyyy EEE')", "the day's name (E) is not the first part"),
        ("epoch(x, 'HH:mmZ:dd')", "what follows the offset could be a part of it"),
        ("epoch(x, 'xx')", "a week-year of two digits (xx)"),
        ("epoch(x, 'dd e')", "its parts are no whole date, or say something twice"),
        ("epoch(x, 'kk:mm', 'HH z')", "kk:mm: the hour counted by k, HH z: the zone's name (z)"),
        ("format_time(now(), 'yyyy k')", "the form of k"),
        ("format_time(now(), 'yyyyy')", "the form of yyyyy"),
    ],
)
def test_the_reason_names_the_part(text: str, reason: str) -> None:
    expression = compiled(text)
    assert isinstance(expression, Call)
    slow = [candidate.implementation for candidate in expression.candidates if candidate.implementation.slow_because]
    assert [implementation.slow_because for implementation in slow] == [reason]
    assert slow[0].lower is None


# Joda-Time's own answers


Group: TypeAlias = tuple[str, str, str]


@cache
def corpus() -> dict[Group, list[Row]]:
    """The rows whose pattern Joda-Time takes, by kind, pattern and zone."""
    groups: defaultdict[Group, list[Row]] = defaultdict(list)
    for row in load():
        # As a text of a call, Z alone is neither a pattern nor a zone.
        if row.outcome not in ("pattern", "cannot") and (row.kind, row.pattern) not in (("parse", "Z"), ("print", "Z")):
            groups[row.kind, row.pattern, row.zone].append(row)
    return groups


def corpus_call(group: Group, attribute: str) -> Expression:
    kind, pattern, name = group
    constants = [Constant(pattern or ISO, Type.STRING), Constant(name, Type.STRING)]
    if kind == "parse":
        return call(named("epoch_ms"), Attribute(attribute), *constants)
    time = call(named("parse_time"), Attribute(attribute), Constant("epoch_ms", Type.STRING))
    return call(named("format_time"), time, *constants)


def corpus_item(row: Row, attribute: str) -> Item:
    return {attribute: {"S" if row.kind == "parse" else "N": row.input}}


def wanted(row: Row) -> object:
    if row.outcome != "ok":
        return None
    return row.result if row.kind == "print" else Decimal(row.result)


def test_the_functions_answer_as_joda_time_does() -> None:
    count = 0
    for group, rows in corpus().items():
        expression = corpus_call(group, "x")
        for row in rows:
            found = reference(expression, corpus_item(row, "x"))
            assert (None if isinstance(found, RowError) else found) == wanted(row), row
            count += 1
    assert count > 16_000


def test_the_lowered_functions_answer_as_joda_time_does() -> None:
    """Of each pattern the zones that have the most rows. Every group has an attribute of its own: many share a page."""
    by_pattern: defaultdict[tuple[str, str], list[tuple[Group, list[Row]]]] = defaultdict(list)
    for group, rows in sorted(corpus().items(), key=lambda found: -len(found[1])):
        by_pattern[group[:2]].append((group, rows))
    groups = [found for same in by_pattern.values() for found in same[:4]]
    fast = 0
    for start in range(0, len(groups), 200):
        chosen = groups[start : start + 200]
        names = [f"a{number}" for number in range(len(chosen))]
        expressions = [corpus_call(group, name) for (group, _), name in zip(chosen, names, strict=True)]
        items: list[Item] = [{} for _ in range(max(len(rows) for _, rows in chosen))]
        for (_, rows), name in zip(chosen, names, strict=True):
            for item, row in zip(items, rows, strict=False):
                item |= corpus_item(row, name)
        with Vectorised(items) as table:
            for (_, rows), outcomes in zip(chosen, table.run(expressions), strict=True):
                for row, outcome in zip(rows, outcomes or (), strict=False):
                    if outcome.fast:
                        assert outcome.vectorised == wanted(row) is not None, row
                        fast += 1
    assert fast > 1_000
