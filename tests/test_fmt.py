"""``ddbetl fmt``: files are rewritten at once and only if they are right."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ddbetl.cli import fmt
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.spec import read_spec
from ddbetl.syntax import formatter

UGLY = "select a, -- the key\n b from Orders"
PRETTY = "SELECT a,  -- the key\n       b\nFROM   Orders;\n"


def invoke(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["fmt", *arguments], input=stdin, prog_name="ddbetl")


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "a.ddbetl"
    path.write_text(UGLY, encoding="utf-8")
    return path


def test_a_file_is_rewritten_once(spec: Path) -> None:
    first = invoke(str(spec))
    assert (first.exit_code, first.stdout) == (0, "")
    assert f"formatted {spec}" in first.stderr
    assert spec.read_text(encoding="utf-8") == PRETTY
    before = spec.stat()
    again = invoke(str(spec))
    assert (again.exit_code, again.stdout, again.stderr) == (0, "", "")
    after = spec.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_keeps_its_mode_and_a_link_its_place(spec: Path) -> None:
    spec.chmod(0o640)
    link = spec.parent / "link.ddbetl"
    link.symlink_to(spec.name)
    assert invoke(str(link)).exit_code == 0
    assert link.is_symlink() and spec.read_text(encoding="utf-8") == PRETTY
    assert stat.S_IMODE(spec.stat().st_mode) == 0o640
    assert {path.name for path in spec.parent.iterdir()} == {"a.ddbetl", "link.ddbetl"}


def test_text_and_standard_input_are_shown() -> None:
    assert invoke(UGLY).stdout == PRETTY
    result = invoke("-", stdin=UGLY)
    assert (result.exit_code, result.stdout, result.stderr) == (0, PRETTY, "")
    # What is canonical already is shown all the same.
    assert invoke("-", stdin=PRETTY).stdout == PRETTY


def test_check_names_what_would_change_and_writes_nothing(spec: Path) -> None:
    right = spec.parent / "right.ddbetl"
    right.write_text(PRETTY, encoding="utf-8")
    result = invoke("--check", str(spec), str(right))
    assert result.exit_code == ExitCode.SPEC_ERROR
    assert result.stdout == f"{spec}\n"
    assert "1 spec of 2" in result.stderr
    assert spec.read_text(encoding="utf-8") == UGLY
    alone = invoke("--check", str(right))
    assert (alone.exit_code, alone.stdout, alone.stderr) == (0, "", "")


def test_diff_shows_what_would_change_and_writes_nothing(spec: Path) -> None:
    result = invoke("--diff", str(spec))
    assert result.exit_code == 0
    assert (
        "-select a, -- the key\n- b from Orders\n\\ No newline at end of file\n+SELECT a,  -- the key\n"
        in result.stdout
    )
    assert spec.read_text(encoding="utf-8") == UGLY
    assert invoke("--check", "--diff", str(spec)).exit_code == ExitCode.SPEC_ERROR
    assert invoke("--diff", "-", stdin=PRETTY).stdout == ""


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("SELECT a\r\nFROM   Orders;\r\n", ["-SELECT a\\r", "-FROM   Orders;\\r", "+SELECT a", "+FROM   Orders;"]),
        (
            "SELECT a\nFROM   Orders;",
            [" SELECT a", "-FROM   Orders;", "\\ No newline at end of file", "+FROM   Orders;"],
        ),
    ],
)
def test_diff_shows_ends_of_lines(text: str, changes: list[str]) -> None:
    assert invoke("--diff", "-", stdin=text).stdout.splitlines()[3:] == changes


def test_escape_codes_inside_a_spec_are_kept() -> None:
    text = 'SELECT "a\x1b[31mb"\nFROM   Orders;\n'
    assert invoke("-", stdin=text).stdout == text


def test_what_is_shown_is_utf_8_whatever_the_terminal_speaks(tmp_path: Path) -> None:
    path = tmp_path / "a.ddbetl"
    path.write_text('SELECT "\u65e5\u672c \x1b[31m"\nFROM   Orders;\n', encoding="utf-8")
    with path.open("rb") as spec:
        done = subprocess.run(
            [sys.executable, "-m", "ddbetl", "fmt", "-"],
            stdin=spec, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "latin-1"}, timeout=60,
        )  # fmt: skip
    assert done.stdout == path.read_bytes()


def test_what_comes_through_a_pipe_is_shown(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.ddbetl"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_text, args=(UGLY,))
    writing.start()
    result = invoke(str(pipe))
    writing.join()
    assert (result.exit_code, result.stdout, result.stderr) == (0, PRETTY, "")


def test_a_file_whose_name_has_several_lines_is_named_on_one(tmp_path: Path) -> None:
    wrong = tmp_path / "a\nb.ddbetl"
    wrong.write_text("select from x", encoding="utf-8")
    assert "b.ddbetl:1:1\n" in invoke(str(wrong)).stderr and "\nb.ddbetl" not in invoke(str(wrong)).stderr


def test_standard_input_that_is_closed_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fmt, "read_spec", lambda spec: (monkeypatch.setattr("sys.stdin", None), read_spec(spec))[1])
    result = invoke("-")
    assert result.exit_code == ExitCode.USAGE and "there is no standard input" in result.stderr


def test_a_wrong_spec_stays_as_it_is_and_the_others_are_formatted(spec: Path) -> None:
    wrong = spec.parent / "wrong.ddbetl"
    wrong.write_text("select from x", encoding="utf-8")
    result = invoke(str(wrong), str(spec))
    assert result.exit_code == ExitCode.SPEC_ERROR
    assert f"--> {wrong}:1:" in result.stderr
    assert wrong.read_text(encoding="utf-8") == "select from x"
    assert spec.read_text(encoding="utf-8") == PRETTY


def test_a_form_that_is_another_spec_is_never_written(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("SELECT a\nFROM   Orders;\n", "SELECT b, -- the key\na FROM Orders;\n"):
        monkeypatch.setattr(formatter, "format_spec", lambda tree, wrong=wrong: wrong)
        result = invoke(str(spec))
        assert result.exit_code == ExitCode.BUG
        assert spec.read_text(encoding="utf-8") == UGLY


def test_a_file_that_cannot_be_replaced_stays_whole(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(source: object, target: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    result = invoke(str(spec))
    assert result.exit_code == ExitCode.USAGE
    assert "Permission denied" in result.stderr
    assert spec.read_text(encoding="utf-8") == UGLY
    assert [path.name for path in spec.parent.iterdir()] == ["a.ddbetl"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write every file")
def test_a_file_that_may_not_be_written_is_not_replaced(spec: Path) -> None:
    spec.chmod(0o444)
    assert invoke(str(spec)).exit_code == ExitCode.USAGE
    assert spec.read_text(encoding="utf-8") == UGLY


def test_no_text_and_no_file_is_an_error_of_the_command_line() -> None:
    assert invoke().exit_code == ExitCode.USAGE
    assert invoke("nowhere.ddbetl").exit_code == ExitCode.USAGE


def test_the_form_ends_its_lines_as_one(tmp_path: Path) -> None:
    path = tmp_path / "windows.ddbetl"
    path.write_bytes(b"\xef\xbb\xbfselect a, -- b\r\n'x\r\ny' as c\r\nfrom Orders\r\n")
    assert invoke(str(path)).exit_code == 0
    assert path.read_bytes() == b"SELECT a,  -- b\n       'x\r\ny' AS c\nFROM   Orders;\n"
    assert fmt.formatted(path.read_bytes().decode(), "x") == path.read_bytes().decode()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_no_bug() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ddbetl", "fmt", UGLY], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (ExitCode.FAILED, "error: standard output: No space left on device\n")
