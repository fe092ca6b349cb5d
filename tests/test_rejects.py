"""The file of rejects: one JSON line each, readable by its owner only; and the causes, counted."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from ddbetl.engine.rejects import MOST_CAUSES, Reject, RejectFile
from ddbetl.source import SourceText, Span

SPEC = SourceText("SELECT id,\n       n + 1 AS n\nFROM Source")
ITEM = {"id": {"S": "é"}, "at": {"N": "1"}, "raw": {"B": "AAH/"}, "deep": {"M": {"k": {"SS": ["a", "b"]}}}}


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_reject_is_one_line_with_the_item_its_key_and_its_place(tmp_path: Path) -> None:
    file = RejectFile(tmp_path / "a" / "b" / "rejects.jsonl", SPEC)
    file.add(Reject("Source", ITEM, "R0101", "n: expected NUMBER, found STRING", Span(18, 23)), ("id", "at"))
    file.add(Reject("Source", {"at": {"N": "1"}}, "R0206", 'the "server"\nrefuses'), ("id", "at"))
    file.close()
    assert lines(file.path) == [
        {
            "table": "Source",
            "key": {"id": {"S": "é"}, "at": {"N": "1"}},
            "code": "R0101",
            "message": "n: expected NUMBER, found STRING",
            "line": 2,
            "column": 8,
            "item": ITEM,
        },
        {
            "table": "Source",
            "key": {"at": {"N": "1"}},
            "code": "R0206",
            "message": 'the "server"\nrefuses',
            "line": None,
            "column": None,
            "item": {"at": {"N": "1"}},
        },
    ]


def test_the_file_is_its_owner_s_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = RejectFile(tmp_path / "folder" / "rejects.jsonl", SPEC)
        file.add(Reject("Source", ITEM, "R0101", "message"), ())
        file.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700


def test_without_rejects_there_is_no_file(tmp_path: Path) -> None:
    file = RejectFile(tmp_path / "rejects.jsonl", SPEC)
    file.flush()
    file.close()
    assert not file.written and not file.path.exists()
    assert file.causes() == ()


def test_a_flush_hands_over_what_was_added(tmp_path: Path) -> None:
    file = RejectFile(tmp_path / "rejects.jsonl", SPEC)
    file.add(Reject("Source", ITEM, "R0101", "message"), ())
    file.flush()
    assert file.written and len(lines(file.path)) == 1
    file.close()


def test_half_of_a_surrogate_pair_is_written_as_it_was_read(tmp_path: Path) -> None:
    file = RejectFile(tmp_path / "rejects.jsonl", SPEC)
    file.add(Reject("Source", {"id": {"S": "a\ud800"}}, "R0205", "no Unicode"), ("id",))
    file.close()
    (reject,) = lines(file.path)
    assert reject["item"] == {"id": {"S": "a\ud800"}}


def test_causes_are_counted_by_code_and_kind_of_message(tmp_path: Path) -> None:
    file = RejectFile(tmp_path / "rejects.jsonl", SPEC)
    messages = [
        'epoch(d): "yesterday" is no time',
        'epoch(d): "a \\" b" is no time',
        "n: expected NUMBER, found STRING",
    ]
    for message in (*messages, messages[0]):
        file.add(Reject("Source", ITEM, "R0107" if "epoch" in message else "R0101", message), ())
    for size in (409_601, 500_000):
        file.add(Reject("Source", ITEM, "R0204", f"the item has {size:,} bytes"), ())
    file.close()
    causes = [(cause.code, cause.count) for cause in file.causes()]
    assert causes == [("R0107", 3), ("R0204", 2), ("R0101", 1)]
    assert file.causes()[0].message == messages[0]


def test_the_number_of_causes_is_bounded_and_none_is_left_out(tmp_path: Path) -> None:
    file = RejectFile(tmp_path / "rejects.jsonl", SPEC)
    for number in range(5 * MOST_CAUSES):
        word = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        file.add(Reject("Source", ITEM, "R0206", f"a reason of its own: {word}"), ())
    file.close()
    assert len(file.causes()) <= MOST_CAUSES + 1
    assert sum(cause.count for cause in file.causes()) == 5 * MOST_CAUSES
