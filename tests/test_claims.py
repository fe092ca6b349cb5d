"""Collisions in pages: the later row of two with one key is found whichever way the rows go, and goes where it must."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planned import NOW, planned

from ddbetl.engine.batches import Batching
from ddbetl.engine.claims import attributes_of, contents, key_text, shown
from ddbetl.engine.collisions import KeysSeen
from ddbetl.engine.pages import PageResult, PageWork
from ddbetl.engine.report import MOST_PAIRS, CollisionPair, Met, SourceRow
from ddbetl.engine.transform import PageInput
from ddbetl.errors import JobFailed
from ddbetl.expressions.projection import KeyAttribute, SourceKey
from ddbetl.expressions.writing import ENTRIES, Action, Form
from ddbetl.lowering import statement
from ddbetl.plan.physical import PhysicalPlan
from ddbetl.types import Type

Item = dict[str, dict[str, Any]]

SPEC = "SELECT mail, n AS at, id AS was FROM One, Two ON CONFLICT REPLACE"
KEY = (KeyAttribute("mail", Type.STRING), KeyAttribute("at", Type.NUMBER))
SOURCES = (SourceKey("id", Type.STRING, frozenset({"One", "Two"})),)
TABLES = ("One", "Two", "Two")
SMALL = 2**13


def plan_of(
    action: Action = Action.REPLACE, collisions: str | None = "reject", sources: tuple[SourceKey, ...] = SOURCES
) -> PhysicalPlan:
    found = planned(SPEC, KEY, into="Target")
    assert found.write is not None
    form = Form(ENTRIES[action], "Target", KEY)
    asked = sources if collisions is not None else None
    built = statement.build(None, found.transform.projection, form, sources=asked)
    write = replace(found.write, action=action, collisions=collisions, newest=None)
    return replace(found, transform=replace(found.transform, statement=built), write=write)


@contextmanager
def working(plan: PhysicalPlan, folder: Path | None, length: int = 0) -> Iterator[PageWork]:
    assert plan.write is not None
    seen = KeysSeen.open(folder, length, SMALL) if folder is not None else None
    work = PageWork(plan.transform, plan.write, seen, TABLES)
    try:
        work.open()
        yield work
    finally:
        work.close()
        if seen is not None:
            seen.close()


def item(source: str, mail: str, at: str = "1") -> Item:
    return {"id": {"S": source}, "mail": {"S": mail}, "n": {"N": at}}


def page(table: int, *items: Item) -> PageInput:
    content = json.dumps(items, ensure_ascii=True).encode()
    return PageInput(content, len(items), TABLES[table], NOW.millis, table)


def written(plan: PhysicalPlan, results: Sequence[PageResult]) -> list[list[str]]:
    """Of each page, the source keys of the rows that are sent, in the order of their positions."""
    assert plan.write is not None
    batching = Batching(Form(ENTRIES[plan.write.action], "Target", KEY))
    out = []
    for result in results:
        rows = {}
        for batch in (one for first in result.batches for one in first.chain()):
            entries = batching.entries(batch.content)
            for position, entry in zip(batch.positions, entries, strict=True):
                assert position not in rows
                rows[position] = batching.item(entry)["was"]["S"]
        out.append([rows[position] for position in sorted(rows)])
    return out


def pair(mail: str, first: tuple[str, str], later: tuple[str, str], at: str = "1") -> CollisionPair:
    rows = [SourceRow(table, {"id": {"S": source}}) for table, source in (first, later)]
    return CollisionPair({"mail": {"S": mail}, "at": {"N": at}}, *rows)


def test_the_later_row_is_a_reject_that_names_the_first(tmp_path: Path) -> None:
    plan = plan_of()
    with working(plan, tmp_path) as work:
        results = work.run([
            page(0, item("a", "x"), item("b", "y"), item("c", "x"), item("d", "x", "2")),
            page(1, item("a", "y"), item("e", "z", "1.0"), item("f", "z", "1")),
            page(2, item("a", "y"), item("e", "z", "1e0")),
        ])  # fmt: skip
    assert written(plan, results) == [["a", "b", "d"], ["e"], []]
    assert [result.collided for result in results] == [1, 2, 2]
    assert [result.by_reference for result in results] == [0, 1, 1]
    assert [result.collisions for result in results] == [
        [pair("x", ("One", "a"), ("One", "c"))],
        [pair("y", ("One", "b"), ("Two", "a")), pair("z", ("Two", "e"), ("Two", "f"))],
        [pair("y", ("One", "b"), ("Two", "a")), pair("z", ("Two", "e"), ("Two", "e"))],
    ]
    failures = [failure for result in results for failure in result.failures]
    assert [found["id"]["S"] for found, _ in failures] == ["c", "a", "f", "a", "e"]
    assert {failure.code for _, failure in failures} == {"R0304"}
    assert failures[1][1].message == 'another source row has this key already: One, id = "b"'
    assert failures[1][0] == item("a", "y")


@pytest.mark.parametrize(
    ("action", "collisions"),
    [(Action.REPLACE, "allow"), (Action.KEEP_NEWEST, "reject"), (Action.KEEP_NEWEST, "allow"), (Action.SKIP, "allow")],
)
def test_rows_that_may_meet_are_sent_and_counted(tmp_path: Path, action: Action, collisions: str) -> None:
    plan = plan_of(action, collisions)
    with working(plan, tmp_path) as work:
        results = work.run([page(0, item("a", "x"), item("b", "x"), item("c", "y")), page(1, item("a", "y", "1.00"))])
    assert written(plan, results) == [["a", "b", "c"], ["a"]]
    assert [(result.collided, len(result.collisions), result.failures) for result in results] == [
        (1, 1, []),
        (1, 1, []),
    ]
    # In one request no key may stand twice.
    assert [len(one.positions) for batch in results[0].batches for one in batch.chain()] in ([1, 1, 1], [2, 1])


def test_a_run_that_must_have_no_collisions_ends_with_both_rows(tmp_path: Path) -> None:
    with working(plan_of(Action.SKIP, "fail"), tmp_path) as work, pytest.raises(JobFailed) as failed:
        work.run([page(0, item("a", "x")), page(1, item("b", "x"))])
    two = 'two source rows have the key mail = "x", at = "1": One, id = "a"; and Two, id = "b"'
    said, advice = str(failed.value).splitlines()
    assert said == f"collisions = fail: {two}"
    # A row that is deleted keeps its key.
    assert "even where one of them is deleted" in advice and "begin anew with --fresh" in advice


def test_a_row_behind_the_limit_meets_nobody(tmp_path: Path) -> None:
    plan = plan_of()
    pages = [
        page(0, item("a", "x"), item("b", "x"), item("c", "y", "1.0"), item("d", "x"), item("e", "z"), item("f", "y")),
        page(1, item("a", "z")),
    ]
    with working(plan, tmp_path / "two") as work:
        results = work.run(pages, 2)
    assert written(plan, results) == [["a", "c"], []]
    # What comes too late before the second row that is written is a reject; nobody asks about what is behind.
    assert [(result.collided, result.over, len(result.failures)) for result in results] == [(1, 3, 1), (0, 0, 0)]
    assert results[0].collisions == [pair("x", ("One", "a"), ("One", "b"))]
    with working(plan, tmp_path / "four") as work:
        results = work.run(pages, 4)
    assert written(plan, results) == [["a", "c", "e"], []]
    assert [(result.collided, result.over) for result in results] == [(3, 0), (1, 0)]
    with working(plan_of(Action.REPLACE, "allow"), tmp_path / "allow") as work:
        results = work.run(pages, 4)
    assert written(plan, results) == [["a", "b", "c", "d"], []]
    assert [(result.collided, result.over, result.failures) for result in results] == [(2, 2, []), (0, 0, [])]
    with working(plan_of(Action.SKIP, "fail"), tmp_path / "fail") as work:
        assert written(plan_of(Action.SKIP), work.run(pages, 1)) == [["a"], []]
    with working(plan_of(collisions=None), None) as work:
        results = work.run(pages, 4)
    assert written(plan, results) == [["a", "b", "c", "d"], []]
    assert [result.over for result in results] == [2, 0]


def test_the_rows_of_another_job_have_their_keys(tmp_path: Path) -> None:
    plan = plan_of()

    def met(mail: str, at: str, table: str, source: str) -> Met:
        return Met("Target", {"mail": {"S": mail}, "at": {"N": at}}, SourceRow(table, {"id": {"S": source}}))

    known = [
        met("x", "1", "One", "a"), met("y", "1.0", "Gone", "g"), met("z", "1", "Two", "e"), met("x", "1", "One", "a"),
        Met("Target", {"mail": {"S": "of another key"}}, SourceRow("One", {"id": {"S": "b"}})),
    ]  # fmt: skip
    rows = page(0, item("b", "x"), item("a", "x"), item("c", "y"), item("d", "new")), page(1, item("e", "z"))
    length = 0
    for _ in range(2):
        seen = KeysSeen.open(tmp_path, length, SMALL)
        assert plan.write is not None
        work = PageWork(plan.transform, plan.write, seen, TABLES, known)
        work.open()
        results = work.run(rows)
        work.close()
        length = seen.sync()
        seen.close()
        assert written(plan, results) == [["a", "d"], ["e"]]
        assert results[0].collisions == [
            pair("x", ("One", "a"), ("One", "b")),
            pair("y", ("Gone", "g"), ("One", "c")),
        ]


def test_rows_that_all_go_by_reference_have_the_same_keys(tmp_path: Path) -> None:
    plan = plan_of()
    pages = [page(0, item("a", "x"), item("b", "y")), page(1, item("a", "x"), item("c", "é"))]
    with working(plan, tmp_path) as work:
        fast = work.run(pages[:1])
    # DuckDB does not take every statement that is made.
    slow = replace(plan, transform=replace(plan.transform, statement=replace(plan.transform.statement, sql="SELECT (")))
    with working(slow, tmp_path) as work:
        again = work.run(pages)
    assert [result.by_reference for result in (*fast, *again)] == [0, 2, 2]
    assert written(plan, [*fast, *again]) == [["a", "b"], ["a", "b"], ["c"]]
    with working(plan, tmp_path) as work:
        assert written(plan, work.run([page(2, item("c", "é"), item("a", "y"), item("d", "z"))])) == [["d"]]


def test_nothing_is_asked_where_nothing_can_meet(tmp_path: Path) -> None:
    plan = plan_of(collisions=None)
    with working(plan, tmp_path) as work:
        (result,) = work.run([page(0, item("a", "x"), item("b", "x"))])
    assert written(plan, [result]) == [["a", "b"]] and result.collided == 0
    with closing(KeysSeen.open(tmp_path, 0, SMALL)) as seen:
        assert seen._count == 0


def test_a_page_tells_of_a_hundred_pairs(tmp_path: Path) -> None:
    plan = plan_of()
    with working(plan, tmp_path) as work:
        (result,) = work.run([page(0, *(item(f"{n}", "x") for n in range(250)))])
    assert written(plan, [result]) == [["0"]]
    assert (result.collided, len(result.failures), len(result.collisions)) == (249, 249, MOST_PAIRS)


def test_bodies_keep_their_other_rows(tmp_path: Path) -> None:
    plan = plan_of()
    with working(plan, tmp_path) as work:
        first, second = work.run([
            page(0, *(item(f"a{n}", f"x{n}") for n in range(0, 60, 3))),
            page(1, *(item(f"b{n}", f"x{n}") for n in range(60))),
        ])  # fmt: skip
    assert written(plan, [first, second])[1] == [f"b{n}" for n in range(60) if n % 3]
    assert sum(batch.units for batch in second.batches) == pytest.approx(40)


KEYS = st.tuples(
    st.sampled_from(("x", "y", "1:", "é", "-")), st.sampled_from(("1", "1.0", "10", "1E1", "0", "-0", "2.50"))
)
ROWS = st.tuples(st.sampled_from(("a", "b", "c", "d", "1:a")), KEYS)


class Work:
    """Transforms of all examples, each with keys of its own."""

    def __init__(self) -> None:
        self.plan = plan_of()
        assert self.plan.write is not None
        self.work = PageWork(self.plan.transform, self.plan.write, None, TABLES)
        self.work.open()

    def run(self, seen: KeysSeen, pages: Sequence[PageInput]) -> list[PageResult]:
        self.work._seen = seen
        return self.work.run(pages)


@pytest.fixture(scope="module")
def shared() -> Iterator[Work]:
    made = Work()
    yield made
    made.work.close()


@settings(max_examples=60, deadline=None)
@given(
    pages=st.lists(st.tuples(st.integers(0, 2), st.lists(ROWS, max_size=6)), min_size=1, max_size=5),
    again=st.integers(0, 2**16),
)
def test_every_row_is_asked_about_once_and_again_with_the_same_answer(
    shared: Work, pages: list[tuple[int, list[tuple[str, tuple[str, str]]]]], again: int
) -> None:
    owners: dict[tuple[str, float], tuple[int, str]] = {}
    inputs, expected = [], []
    for table, rows in pages:
        inputs.append(page(table, *(item(source, mail, at) for source, (mail, at) in rows)))
        mine = [owners.setdefault((mail, float(at)), (table, source)) == (table, source) for source, (mail, at) in rows]
        expected.append([source for (source, _), kept in zip(rows, mine, strict=True) if kept])
    with TemporaryDirectory() as name:
        folder = Path(name)
        with closing(KeysSeen.open(folder, 0, SMALL)) as seen:
            results = shared.run(seen, inputs)
            length = seen.sync()
        assert written(shared.plan, results) == expected
        for (_, rows), result, kept in zip(pages, results, expected, strict=True):
            assert result.collided == len(result.failures) == len(rows) - len(kept)
            assert result.filtered == 0
        # Another run reads some pages again, in another order.
        draw = random.Random(again)
        order = draw.sample(range(len(inputs)), draw.randint(1, len(inputs)))
        with closing(KeysSeen.open(folder, length, SMALL)) as seen:
            results = shared.run(seen, [inputs[number] for number in order])
        assert written(shared.plan, results) == [expected[number] for number in order]


CONTENTS = st.one_of(st.none(), st.text(max_size=5), st.sampled_from(("1:a", "-", "", "é", "😀", "\ud800")))


@given(st.lists(CONTENTS, min_size=1, max_size=3), st.lists(CONTENTS, min_size=1, max_size=3))
def test_keys_are_equal_as_texts_where_they_are_equal(one: list[str | None], other: list[str | None]) -> None:
    if len(one) == len(other):
        assert (key_text(one) == key_text(other)) == (one == other)
    key = [KeyAttribute(f"k{n}", Type.STRING) for n in range(len(one))]
    found = attributes_of(key_text(one).encode("utf-8", "surrogatepass"), key)
    assert found == {f"k{n}": {"S": text} for n, text in enumerate(one) if text is not None}
    assert list(contents(found, key)) == one


def test_a_source_key_of_another_type_is_missing_and_numbers_have_one_text() -> None:
    sources = (*SOURCES, KeyAttribute("n", Type.NUMBER), KeyAttribute("id", Type.BINARY))
    for given_, text in (
        ({"id": {"S": "a"}, "n": {"N": "1.50"}}, "1:a3:1.5-"),
        ({"id": {"B": "YQ=="}}, "--4:YQ=="),
        ({"id": {"L": []}, "n": {"N": "nonsense"}}, "-8:nonsense-"),
    ):
        assert key_text(contents(given_, sources)) == text
    assert attributes_of(b"--4:YQ==", sources) == {"id": {"B": "YQ=="}}
    assert shown(attributes_of(b"1:a3:1.5-", sources)) == 'id = "a", n = "1.5"'


def test_an_attribute_that_is_no_key_of_a_table_may_change_there(tmp_path: Path) -> None:
    """Otherwise a row whose page is read again, and that has changed meanwhile, would meet itself."""
    in_two = SourceKey("more", Type.STRING, frozenset({"Two"}))
    found = plan_of(sources=(SourceKey("id", Type.STRING, frozenset({"One"})), in_two))
    with working(found, tmp_path) as work:
        first = item("a", "x") | {"more": {"S": "before"}}
        assert work.run([page(0, first)])[0].collided == 0
        (again,) = work.run([page(0, first | {"more": {"S": "after"}})])
        assert again.collided == 0
        (by_reference,) = work.run([page(0, first | {"more": {"S": "after"}, "odd": {"S": "\ud800"}})])
        assert (by_reference.by_reference, by_reference.collided) == (1, 0)
        (other,) = work.run([page(1, item("a", "x") | {"more": {"S": "before"}})])
    assert other.collisions[0].later == SourceRow("Two", {"more": {"S": "before"}})


def test_half_of_a_surrogate_pair_in_a_source_key_is_no_obstacle(tmp_path: Path) -> None:
    found = plan_of()
    # It is not among what is written.
    columns = tuple(column for column in found.transform.projection.columns if column.name != "was")
    projection = replace(found.transform.projection, columns=columns)
    built = statement.build(None, projection, Form(ENTRIES[Action.REPLACE], "Target", KEY), sources=SOURCES)
    found = replace(found, transform=replace(found.transform, projection=projection, statement=built))
    with working(found, tmp_path) as work:
        one, other = work.run([page(0, item("\ud800", "x"), item("b", "y")), page(1, item("a", "x"), item("c", "y"))])
    assert (one.by_reference, one.collided, other.collided, len(other.failures)) == (2, 0, 2, 2)
    assert other.collisions[0].first == SourceRow("One", {"id": {"S": "\ud800"}})
