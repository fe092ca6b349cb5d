"""Collisions: who was first, whatever the hashes, through any end of a run, in memory that does not grow."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ddbetl.engine import collisions
from ddbetl.engine.collisions import ROWS, TEXTS, Claims, Collision, KeysSeen
from ddbetl.errors import JobFailed

SMALL = 2**13


@dataclass(frozen=True)
class Page:
    """Rows of one table: their target keys and source keys."""

    table: int
    rows: tuple[tuple[str, str], ...]

    def claims(self, bits: int = 64) -> Claims:
        keys, sources = ([row[column] for row in self.rows] for column in (0, 1))
        hashes = [hash_of(key, bits) for key in keys]
        return Claims(
            pa.array(hashes, pa.uint64()), pa.array(keys, pa.utf8()), self.table, pa.array(sources, pa.utf8())
        )


def hash_of(key: str, bits: int) -> int:
    """A hash of which only so many bits differ; they are spread, so that slots, filters and links all meet others."""
    value = random.Random(key).getrandbits(bits)
    spread = random.Random(value).getrandbits(64)
    return spread if bits < 64 else value


class Reference:
    """The same with a dictionary."""

    def __init__(self, pages: Iterable[Page] = ()) -> None:
        self.owners: dict[str, tuple[int, str]] = {}
        for page in pages:
            self.claim(page)

    def claim(self, page: Page) -> list[Collision]:
        late = []
        for row, (key, source) in enumerate(page.rows):
            table, first = self.owners.setdefault(key, (page.table, source))
            if (table, first) != (page.table, source):
                late.append(Collision(row, table, first.encode()))
        return late


def page_of(*keys: str, table: int = 0, start: int = 0) -> Page:
    """A page in which each row has a source key of its own."""
    return Page(table, tuple((key, f"source {start + n}") for n, key in enumerate(keys)))


@contextmanager
def opened(folder: Path, length: int = 0, memory: int = SMALL) -> Iterator[KeysSeen]:
    seen = KeysSeen.open(folder, length, memory)
    try:
        yield seen
    finally:
        seen.close()


def sizes(folder: Path) -> tuple[int, int]:
    return (folder / ROWS).stat().st_size, (folder / TEXTS).stat().st_size


def test_the_first_has_the_key_and_others_are_told_who_it_is(tmp_path: Path) -> None:
    with opened(tmp_path) as seen:
        assert seen.claim(page_of("a", "b", "c").claims()) == []
        assert seen.claim(page_of("d", "b", "", "a", table=1).claims()) == [
            Collision(1, 0, b"source 1"),
            Collision(3, 0, b"source 0"),
        ]
        # What came too late has not taken anything; what did not, has.
        assert seen.claim(page_of("b", "", "d", table=2).claims()) == [
            Collision(0, 0, b"source 1"),
            Collision(1, 1, b"source 2"),
            Collision(2, 1, b"source 0"),
        ]


def test_a_row_does_not_collide_with_itself(tmp_path: Path) -> None:
    page = page_of("a", "b", "a")
    with opened(tmp_path) as seen:
        late = [Collision(2, 0, b"source 0")]
        assert seen.claim(page.claims()) == late
        length = sizes(tmp_path)
        assert seen.claim(page.claims()) == late
        assert sizes(tmp_path) == length, "a row that asks again is kept twice"
        # The same source key of another table is another row.
        assert [row.row for row in seen.claim(Page(1, page.rows).claims())] == [0, 1, 2]


def test_a_page_may_repeat_one_key_all_over(tmp_path: Path) -> None:
    with opened(tmp_path) as seen:
        assert seen.claim(page_of(*["k"] * 3000).claims()) == [Collision(n, 0, b"source 0") for n in range(1, 3000)]
        length = sizes(tmp_path)
        assert seen.claim(page_of("k", "k", "l", table=1).claims()) == [
            Collision(0, 0, b"source 0"),
            Collision(1, 0, b"source 0"),
        ]
        assert sizes(tmp_path)[0] - length[0] == collisions.HEADER.size + 16, "rows that come too late are kept"


@pytest.mark.parametrize("kind", [pa.utf8(), pa.binary()])
def test_columns_may_be_parts_of_others(tmp_path: Path, kind: pa.DataType) -> None:
    rows = [(f"key {n}", f"source {n}") for n in range(100)]
    whole = Page(0, tuple(rows)).claims()
    hashes, keys, sources = whole.hashes, whole.keys.cast(kind), whole.sources.cast(kind)
    with opened(tmp_path) as seen:
        assert seen.claim(Claims(hashes[7:60], keys[7:60], 0, sources[7:60])) == []
        assert seen.claim(Claims(hashes[50:], keys[50:], 1, sources[50:])) == [
            Collision(n - 50, 0, f"source {n}".encode()) for n in range(50, 60)
        ]
        assert seen.claim(Claims(hashes[:0], keys[:0], 1, sources[:0])) == []
    with opened(tmp_path) as seen:
        expected = [Collision(n, 0, f"source {n}".encode()) for n in range(7, 60)]
        expected += [Collision(n, 1, f"source {n}".encode()) for n in range(60, 100)]
        assert seen.claim(Claims(hashes, keys, 2, sources)) == expected


def test_a_column_may_begin_within_its_texts(tmp_path: Path) -> None:
    offsets, content = pa.py_buffer(pa.array([2, 4, 5], pa.int32()).buffers()[1]), pa.py_buffer(b"..abc")
    column = pa.Array.from_buffers(pa.utf8(), 2, [None, offsets, content])
    with opened(tmp_path) as seen:
        assert seen.claim(Claims(pa.array([1, 2], pa.uint64()), column, 0, column)) == []
        late = [Collision(0, 0, b"ab"), Collision(1, 0, b"c")]
        assert seen.claim(Claims(pa.array([1, 2], pa.uint64()), column, 1, column)) == late


def test_a_part_may_begin_behind_empty_texts(tmp_path: Path) -> None:
    whole = Page(0, (("", ""), ("ab", "x"), ("c", "yz"))).claims()
    with opened(tmp_path) as seen:
        assert seen.claim(Claims(whole.hashes[1:], whole.keys[1:], 0, whole.sources[1:])) == []
        assert seen.claim(page_of("", "ab", "c", table=1).claims()) == [Collision(1, 0, b"x"), Collision(2, 0, b"yz")]


def test_no_text_at_all_is_a_key_too(tmp_path: Path) -> None:
    with opened(tmp_path) as seen:
        assert seen.claim(Page(0, (("", ""), ("", "x"))).claims()) == [Collision(1, 0, b"")]
        assert seen.claim(Page(1, (("", ""),)).claims()) == [Collision(0, 0, b"")]


KEYS = st.text("abc", max_size=3)
PAGES = st.builds(
    Page, st.integers(0, 2), st.lists(st.tuples(KEYS, st.text("xyz", max_size=2)), max_size=12).map(tuple)
)


@settings(deadline=None)
@given(st.lists(PAGES, max_size=12), st.sampled_from([0, 1, 2, 16, 64]), st.sampled_from([16, 64, SMALL]))
@example([page_of("a", "b"), page_of("b", "c", table=1)], 0, 16)
def test_answers_are_those_of_a_dictionary(pages: list[Page], bits: int, memory: int) -> None:
    reference = Reference()
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), memory=memory) as seen:
        for page in pages:
            assert seen.claim(page.claims(bits)) == reference.claim(page)


def many(count: int, start: int = 0, keys: int = 4000) -> list[Page]:
    """Pages of 500 rows whose keys repeat now and then."""
    chance = random.Random(start)
    return [
        page_of(*[f"key {chance.randrange(keys)}" for _ in range(500)], table=n % 3, start=start + 500 * n)
        for n in range(count)
    ]


@pytest.mark.parametrize("bits", [8, 16, 64])
@pytest.mark.parametrize("memory", [16, 1024, 2**20])
def test_hashes_that_meet_cost_time_only(tmp_path: Path, bits: int, memory: int) -> None:
    reference = Reference()
    found = 0
    with opened(tmp_path, memory=memory) as seen:
        for page in many(3, keys=10_000):
            late = seen.claim(page.claims(bits))
            assert late == reference.claim(page)
            found += len(late)
    assert 50 < found < 500


# What is left of the files of a process that ended: all of it; a part of what was not synced; that part at its full
# length, but with other content in the end.
LEFT = st.sampled_from(["all", "cut", "zeros", "texts cut", "texts zeros"])


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.lists(PAGES, max_size=5), min_size=2, max_size=4),
    st.lists(st.tuples(st.integers(0, 5), LEFT, st.floats(0, 1)), min_size=4, max_size=4),
    st.sampled_from([1, 4, 64]),
    st.sampled_from([16, SMALL]),
)
@example([[page_of("a", "b")], [page_of("b", "a")]], [(0, "texts zeros", 0.0)] * 4, 64, 16)
@example([[page_of("a"), page_of("b")], [page_of("b", "a", table=1)]], [(1, "cut", 0.5)] * 4, 64, 16)
# A block of which no more is left than how many rows it had.
@example([[Page(0, (("", ""),)), Page(0, ()), Page(0, ())], [page_of("a")], [], []],
         [(0, "all", 0.0), (0, "zeros", 0.125), (0, "all", 0.0), (0, "all", 0.0)], 1, 16)  # fmt: skip
def test_a_killed_job_goes_on_with_the_same_answers(
    runs: list[list[Page]], ends: list[tuple[int, str, float]], bits: int, memory: int
) -> None:
    kept: list[tuple[Page, tuple[int, int]]] = []
    length, synced = 0, (0, 0)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        # What is on the disk is decided here; waiting for it would take most of the time.
        patch.setattr(os, "fsync", lambda file: None)
        folder = Path(name)
        for pages, (at, left, share) in zip(runs, ends, strict=False):
            reference = Reference(page for page, _ in kept)
            # Another run may be given other memory; the job keeps its own.
            with opened(folder, length, memory) as seen:
                memory = 1024
                # Whatever was kept may be asked for again.
                for number, page in enumerate([*(page for page, _ in kept[-2:]), *pages]):
                    assert seen.claim(page.claims(bits)) == reference.claim(page)
                    kept.append((page, sizes(folder)))
                    if number == at:
                        length, synced = seen.sync(), sizes(folder)
            kept = survivors(folder, kept, synced, left, share)


def survivors(
    folder: Path, kept: list[tuple[Page, tuple[int, int]]], synced: tuple[int, int], left: str, share: float
) -> list[tuple[Page, tuple[int, int]]]:
    """Damage what was not synced, and tell which pages are kept for all that."""
    if left == "all":
        return kept
    column, name = (1, TEXTS) if left.startswith("texts") else (0, ROWS)
    size = sizes(folder)[column]
    end = synced[column] + int(share * (size - synced[column]))
    content = (folder / name).read_bytes()
    changed = content[:end] + bytes(size - end if left.endswith("zeros") else 0)
    (folder / name).write_bytes(changed)
    # Zeros that were there before are no damage.
    same = next((n for n, (a, b) in enumerate(zip(content, changed, strict=False)) if a != b), len(changed))
    return [(page, lengths) for page, lengths in kept if lengths[column] <= same]


def test_an_answer_is_kept_before_it_is_given(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from ddbetl.engine.collisions import KeysSeen\nfrom tests.test_collisions import page_of\n"
        "seen = KeysSeen.open(Path(sys.argv[1]))\n"
        "assert seen.claim(page_of('a', 'b').claims()) == []\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, str(tmp_path)], timeout=60, check=False)
    assert killed.returncode == -signal.SIGKILL
    with opened(tmp_path) as seen:
        assert seen.claim(page_of("b", table=1).claims()) == [Collision(0, 0, b"source 1")]


@pytest.mark.parametrize("lost", [1, 8, 9, 20])
def test_texts_that_a_loss_of_power_left_blank_are_not_trusted(tmp_path: Path, lost: int) -> None:
    with opened(tmp_path) as seen:
        seen.claim(page_of("a").claims())
        length = seen.sync()
        seen.claim(page_of("b", start=10).claims())
    content = (tmp_path / TEXTS).read_bytes()
    (tmp_path / TEXTS).write_bytes(content[:-lost] + bytes(lost))
    with opened(tmp_path, length) as seen:
        assert sizes(tmp_path)[0] == length and sizes(tmp_path)[1] < len(content), "what is lost is not cut off"
        page = page_of("b", "a", table=1)
        assert seen.claim(page.claims()) == [Collision(1, 0, b"source 0")]
        assert seen.claim(page_of("b", table=2).claims()) == [Collision(0, 1, b"source 0")]


@pytest.mark.parametrize("at", [0, 2, 3, 9, -1])
def test_a_text_that_has_changed_is_damage(at: int, tmp_path: Path) -> None:
    with opened(tmp_path) as seen:
        seen.claim(page_of("a", "b").claims())
        length = seen.sync()
    content = bytearray((tmp_path / TEXTS).read_bytes())
    content[at] ^= 64
    (tmp_path / TEXTS).write_bytes(content)
    with pytest.raises(JobFailed, match="damaged"), opened(tmp_path, length):
        pass


def test_a_file_without_its_beginning_begins_anew(tmp_path: Path) -> None:
    with opened(tmp_path, memory=2**20) as seen:
        seen.claim(page_of("a", "b").claims())
    content = (tmp_path / ROWS).read_bytes()
    (tmp_path / ROWS).write_bytes(bytes(collisions.START.size) + content[collisions.START.size :])
    with opened(tmp_path, memory=16) as seen:
        assert seen.claim(page_of("b", "a", table=1).claims()) == []


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "job"):
        for path in (tmp_path / "job").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def kept_pages(folder: Path, count: int) -> int:
    with opened(folder) as seen:
        for page in many(count):
            seen.claim(page.claims())
        return seen.sync()


@pytest.mark.parametrize("name", [ROWS, TEXTS])
def test_a_file_that_has_lost_something_is_refused(tmp_path: Path, name: str) -> None:
    length = kept_pages(tmp_path, 3)
    os.truncate(tmp_path / name, (tmp_path / name).stat().st_size - 1)
    with pytest.raises(JobFailed, match="is broken") as failed:
        KeysSeen.open(tmp_path, length)
    assert ROWS in str(failed.value)


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    length = kept_pages(tmp_path, 1)
    (tmp_path / ROWS).unlink()
    with pytest.raises(JobFailed, match="does not begin"):
        KeysSeen.open(tmp_path, length)


@pytest.mark.parametrize(
    "at", [0, collisions.START.size - 2, collisions.START.size, collisions.START.size + 4, 100, -1]
)
def test_rows_that_have_changed_are_refused(tmp_path: Path, at: int) -> None:
    length = kept_pages(tmp_path, 3)
    content = bytearray((tmp_path / ROWS).read_bytes())
    content[at] ^= 0x40
    (tmp_path / ROWS).write_bytes(content)
    with pytest.raises(JobFailed, match="is broken"):
        KeysSeen.open(tmp_path, length)


def test_a_disk_that_takes_parts_gets_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tmp_path / "whole"
    kept_pages(whole, 2)
    real_v, real = os.pwritev, os.pwrite
    monkeypatch.setattr(os, "pwritev", lambda file, parts, at: real_v(file, [bytes(parts[0])[:3]], at))
    monkeypatch.setattr(os, "pwrite", lambda file, part, at: real(file, part[:1000], at))
    kept_pages(tmp_path / "parts", 2)
    for name in (ROWS, TEXTS):
        assert (tmp_path / "parts" / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize("call", range(1, 5))
def test_a_full_disk_ends_the_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int) -> None:
    pages = many(3)
    real = os.pwritev
    calls = 0

    def failing(*given: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == call:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(*given)

    with opened(tmp_path) as seen:
        monkeypatch.setattr(os, "pwritev", failing)
        answered: list[Page] = []
        with pytest.raises(JobFailed, match="No space left"):
            for page in pages:
                seen.claim(page.claims())
                answered.append(page)
        for again in (lambda: seen.claim(pages[0].claims()), seen.sync):
            with pytest.raises(JobFailed, match="No space left"):
                again()
    reference = Reference(answered)
    with opened(tmp_path) as seen:
        for page in pages:
            assert seen.claim(page.claims()) == reference.claim(page)


def test_a_failed_sync_ends_the_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with opened(tmp_path) as seen:
        seen.claim(page_of("a").claims())
        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(JobFailed, match="Input/output error"):
            seen.sync()
        with pytest.raises(JobFailed, match="Input/output error"):
            seen.claim(page_of("b").claims())


def test_what_is_closed_gives_no_answers(tmp_path: Path) -> None:
    with opened(tmp_path) as seen:
        pass
    with pytest.raises(JobFailed, match="are closed"):
        seen.claim(page_of("a").claims())
    seen.close()


def test_there_is_a_last_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collisions, "MOST_ROWS", 3)
    with opened(tmp_path) as seen:
        assert seen.claim(page_of("a", "b", "c").claims()) == []
        assert seen.claim(page_of("a", "b", "c").claims()) == []
        with pytest.raises(JobFailed, match="among 3 rows at most"):
            seen.claim(page_of("d").claims())


def test_threads_may_ask_at_once(tmp_path: Path) -> None:
    late: list[list[int]] = [[] for _ in range(4)]
    with opened(tmp_path) as seen:

        def ask(table: int) -> None:
            for n in range(20):
                page = page_of(*(f"{n} {k}" for k in range(200)), table=table, start=200 * n)
                late[table] += [200 * n + collision.row for collision in seen.claim(page.claims())]

        threads = [Thread(target=ask, args=(table,)) for table in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    # Of the four that want a key, three are told.
    assert sorted(row for rows in late for row in rows) == sorted(3 * list(range(4000)))


def random_claims(rows: int, chance: random.Random, texts: pa.Array) -> Claims:
    hashes = pa.Array.from_buffers(pa.uint64(), rows, [None, pa.py_buffer(chance.randbytes(8 * rows))])
    return Claims(hashes, texts, 0, texts)


def test_new_keys_are_hardly_looked_for_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # As many rows as the table has words.
    words, rows = 2**17, 2048
    texts = pa.array([f"{n}" for n in range(rows)])
    chance = random.Random(5)
    reads = 0
    real = os.pread

    def counting(*given: Any) -> bytes:
        nonlocal reads
        reads += 1
        return real(*given)

    with opened(tmp_path, memory=8 * words) as seen:
        monkeypatch.setattr(os, "pread", counting)
        for _ in range(words // rows):
            assert seen.claim(random_claims(rows, chance, texts)) == []
    # One row in 800; a filter without links that are compared would have to read texts too.
    assert 20 < reads < words / 300


MEASURE = """
import random, resource, sys
from pathlib import Path
import pyarrow as pa
from ddbetl.engine.collisions import KeysSeen
from tests.test_collisions import random_claims
texts, chance = pa.array([f"{n:030}" for n in range(10_000)]), random.Random(1)
seen = KeysSeen.open(Path(sys.argv[1]), memory=2**25)
for millions in (1, 4):
    for _ in range(millions * 100):
        assert seen.claim(random_claims(10_000, chance, texts)) == []
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
seen.close()
seen = KeysSeen.open(Path(sys.argv[1]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path)], capture_output=True, text=True, timeout=300, check=True
    )
    shutil.rmtree(tmp_path)
    unit = 1 if sys.platform == "darwin" else 1024
    one, five, again = (int(line) * unit / 2**20 for line in done.stdout.split())
    # 4 M rows more are 64 MB of hashes and links alone; the table is 32 MB.
    assert five - one < 8
    assert again - five < 40
