"""Zones: pinned data against two independent readers of it, local times to instants, names."""

import itertools
import random
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo

import duckdb
import pytest

from ddbetl.time import ZoneError, compile_pattern, format_millis, zone
from ddbetl.time.chronology import days_from_civil
from ddbetl.time.tzif import read_rules
from ddbetl.time.zone import GapError, fixed_zone, offset_text, zone_names
from ddbetl.time.zone_names import canonical_id, display_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000


def millis(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return days_from_civil(year, month, day) * 24 * HOUR + hour * HOUR + minute * 60_000


def test_offsets_are_those_of_zoneinfo_on_the_same_data() -> None:
    draw = random.Random(1)
    for name in zone_names():
        rules = zone(name).rules
        with resources.files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
            reference = ZoneInfo.from_file(data)
        if rules is None:
            continue
        changes = rules.changes_between(-5_000_000_000, 4_500_000_000)
        seconds = [at + shift for at, _, _ in changes for shift in (-1, 0, 1)]
        seconds += [draw.randrange(-62_135_510_400, 253_402_200_000) for _ in range(40)]
        for second in draw.sample(seconds, min(len(seconds), 150)):
            expected = (EPOCH + timedelta(seconds=second)).astimezone(reference).utcoffset()
            assert expected is not None
            assert rules.offset_at(second) == expected.total_seconds(), (name, second)


def test_changes_are_the_instants_at_which_the_offset_changes() -> None:
    for name in zone_names():
        rules = zone(name).rules
        if rules is None:
            continue
        changes = rules.changes_between(-5_000_000_000, 4_500_000_000)
        assert [at for at, _, _ in changes] == sorted({at for at, _, _ in changes})
        for at, before, after in changes:
            assert rules.offset_at(at - 1) == before != after == rules.offset_at(at)
            assert rules.next_change(at - 1) == at == rules.last_change(at)
        for (left, _, offset), (right, _, _) in itertools.pairwise(changes):
            assert rules.offset_at((left + right) // 2) == offset
            assert rules.next_change(left) == right
            assert rules.last_change(right - 1) == left


def test_duckdb_has_the_same_zones_until_2025() -> None:
    """Governments change the future; about the past the two sources agree."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    known = {row[0] for row in connection.execute("SELECT name FROM pg_timezone_names()").fetchall()}
    assert set(zone_names()) <= known
    last = days_from_civil(2026, 1, 1) * 86_400
    for name in zone_names():
        rules = zone(name).rules
        changes = rules.changes_between(0, last) if rules else []
        seconds = sorted({at + shift for at, _, _ in changes for shift in (-1, 0)} | set(range(0, last, 10_000_000)))
        offset_sql = "epoch_us(timezone($zone, make_timestamptz(p * 1000000))) // 1000 - p * 1000"
        query = f"SELECT p, {offset_sql} FROM unnest($p::BIGINT[]) u(p)"
        for second, offset in connection.execute(query, {"zone": name, "p": seconds}).fetchall():
            assert zone(name).offset_at(second * 1000) == offset, (name, second)


def test_years_far_away_follow_the_last_rule() -> None:
    new_york = zone("America/New_York")
    assert new_york.offset_at(millis(12_345, 7, 1)) == -4 * HOUR
    assert new_york.offset_at(millis(12_345, 1, 1)) == -5 * HOUR
    assert new_york.offset_at(millis(200_000_000, 7, 1)) == -4 * HOUR
    # Before the first rule there was local mean time.
    assert new_york.offset_at(millis(-5_000, 7, 1)) == -(4 * HOUR + 56 * 60_000 + 2_000)


@pytest.mark.parametrize(
    ("name", "local", "instant"),
    [
        ("America/New_York", millis(2017, 7, 1, 12), millis(2017, 7, 1, 16)),
        # An overlap: the earlier instant.
        ("America/New_York", millis(2017, 11, 5, 1, 30), millis(2017, 11, 5, 5, 30)),
        ("Europe/London", millis(2017, 10, 29, 1, 30), millis(2017, 10, 29, 0, 30)),
        ("Australia/Lord_Howe", millis(2017, 4, 2, 1, 45), millis(2017, 4, 1, 14, 45)),
        ("America/New_York", millis(9_999, 7, 1, 12), millis(9_999, 7, 1, 16)),
        ("+05:30", millis(2017, 7, 1, 12), millis(2017, 7, 1, 6, 30)),
        ("UTC", 5, 5),
    ],
)
def test_local_times_become_instants(name: str, local: int, instant: int) -> None:
    assert zone(name).instant_of(local) == instant


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("America/New_York", millis(2017, 3, 12, 2, 30)),
        ("America/Sao_Paulo", millis(2017, 10, 15)),
        ("Pacific/Apia", millis(2011, 12, 30, 12)),
        ("Australia/Lord_Howe", millis(2017, 10, 1, 2, 15)),
    ],
)
def test_local_times_in_a_gap_do_not_exist(name: str, local: int) -> None:
    with pytest.raises(GapError, match="does not exist in " + name):
        zone(name).instant_of(local)
    assert zone(name).instant_of(local + 24 * HOUR) == local + 24 * HOUR - zone(name).offset_at(local + 24 * HOUR)


def test_every_existing_local_time_is_found_around_every_change() -> None:
    for name in zone_names()[::7]:
        found = zone(name)
        for at, before, after in found.rules.changes_between(0, 4_000_000_000) if found.rules else []:
            for shift in (-7200, -1, 0, 1, 1800, 7200):
                instant = (at + shift) * 1000
                local = instant + found.offset_at(instant)
                resolved = found.instant_of(local)
                assert resolved + found.offset_at(resolved) == local
                assert resolved <= instant
                if not at <= at + shift < at + before - after:
                    assert resolved == instant, (name, at, shift)


@pytest.mark.parametrize(
    ("name", "offset", "shown"),
    [
        ("+05:30", 19_800_000, "+05:30"),
        ("-0800", -28_800_000, "-08:00"),
        ("+05", 18_000_000, "+05:00"),
        ("+00:00", 0, "UTC"),
        ("Z", 0, "UTC"),
        ("UTC", 0, "UTC"),
        ("-00:44:30", -2_670_000, "-00:44:30"),
    ],
)
def test_offsets_are_zones(name: str, offset: int, shown: str) -> None:
    assert zone(name).offset_at(0) == offset
    assert zone(name).name == shown


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("america/los_angeles", "America/Los_Angeles"),
        ("Los_Angeles", "America/Los_Angeles"),
        ("New York", "America/New_York"),
        ("Europe/Pariss", "Europe/Paris"),
        ("Calcutta", "Asia/Calcutta"),
    ],
)
def test_unknown_zones_name_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ZoneError) as caught:
        zone(name)
    assert caught.value.nearest[0] == nearest
    assert caught.value.name == name


@pytest.mark.parametrize(
    "name", ["", "PDT", "+24:00", "+5", "../etc/passwd", "Europe", "Factory", "tzdata.zi", "localtime"]
)
def test_other_texts_are_no_zones(name: str) -> None:
    with pytest.raises(ZoneError):
        zone(name)


def test_offset_text_shows_what_is_not_zero() -> None:
    assert offset_text(0) == "+00:00"
    assert offset_text(-12_600_000, separator="") == "-0330"
    assert offset_text(19_815_250) == "+05:30:15.250"
    assert fixed_zone(3_600_000).name == "+01:00"


def test_rules_of_files_that_are_not_compiled_zones_are_refused() -> None:
    with pytest.raises(ValueError, match="TZif"):
        read_rules(b"TZif" + b"\0" * 60)
    with pytest.raises(ValueError, match="TZif"):
        read_rules(b"#" * 60)


def test_zones_have_english_names_and_canonical_ids() -> None:
    assert canonical_id("US/Pacific") == "America/Los_Angeles"
    assert canonical_id("Europe/Paris") == "Europe/Paris"
    assert display_name("US/Pacific", short=True, daylight=True) == "PDT"
    assert display_name("Europe/Dublin", short=False, daylight=True) == "Irish Standard Time"
    assert display_name("Etc/GMT+5", short=True, daylight=False) is None


def test_summer_in_ireland_is_daylight_time() -> None:
    rules = zone("Europe/Dublin").rules
    assert rules is not None
    assert [rules.is_daylight(millis(year, 7, 1) // 1000) for year in (1980, 2017, 2077, 2177)] == [True] * 4
    assert [rules.is_daylight(millis(year, 1, 1) // 1000) for year in (1980, 2017, 2077, 2177)] == [False] * 4


@pytest.mark.parametrize(
    ("name", "year", "month", "expected"),
    [
        # Winters in which the clocks stayed forward, before the first winter time that is "negative saving".
        ("Europe/Dublin", 1970, 1, "IST"),
        ("Africa/Casablanca", 2019, 1, "WEST"),
        ("Africa/Windhoek", 1992, 1, "WAT"),
        ("Africa/Windhoek", 1980, 1, "CAT"),
        # Once only.
        ("Europe/Prague", 1947, 1, "CEST"),
        ("Europe/Prague", 1947, 3, "CET"),
        ("Europe/Prague", 1947, 5, "CEST"),
    ],
)
def test_negative_saving_is_named_as_joda_time_names_it(name: str, year: int, month: int, expected: str) -> None:
    assert format_millis(compile_pattern("z"), millis(year, month, 1), zone(name)) == expected


def test_to_string_is_iso() -> None:
    assert (
        format_millis(None, millis(2015, 1, 2, 15, 28) + 27_876, zone("America/New_York"))
        == "2015-01-02T10:28:27.876-05:00"
    )
    assert format_millis(None, 0, zone("UTC")) == "1970-01-01T00:00:00.000Z"
