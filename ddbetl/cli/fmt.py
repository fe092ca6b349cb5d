"""What ``ddbetl fmt`` does: specs in their canonical form.

In: files of specs, or a spec's text. Out: the files rewritten, or the canonical text, or how it differs. Invariant: a
file is replaced at once by a text that means the same and has the same comments, or it stays as it is.
"""

from __future__ import annotations

import difflib
import os
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from ddbetl.cli.declare import show_spec_error
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.spec import is_text, read_spec
from ddbetl.cli.terminal import complain, err, harmless, out, out_spec, visible
from ddbetl.cli.wording import counted
from ddbetl.errors import SpecError


def show(specs: Sequence[str], *, check: bool, diff: bool) -> int:
    """Format each spec, or say which ones would change; the exit code."""
    wrong, changed = 0, 0
    for number, spec in enumerate(specs):
        text, name = read_spec(spec)
        try:
            canonical = formatted(text, name)
        except SpecError as error:
            if number and wrong:
                err()
            show_spec_error(error)
            wrong += 1
            continue
        changed += canonical != text
        if canonical != text and diff:
            out(difference(text, canonical, name))
        elif canonical != text and check:
            out(visible(name))
        if check or diff:
            continue
        # A pipe is read once, and is no place to write into.
        if spec == "-" or is_text(spec) or not Path(spec).is_file():
            out_spec(canonical.removesuffix("\n"))
        elif canonical != text:
            replace_file(Path(spec), canonical)
            err(f"formatted {visible(name)}")
    if check and changed:
        complain(f"{counted(changed, 'spec')} of {len(specs)} would be formatted")
    return ExitCode.SPEC_ERROR if wrong or (check and changed) else ExitCode.DONE


def formatted(text: str, name: str) -> str:
    """The canonical form of a spec; raises SpecError."""
    from ddbetl.source import SourceText
    from ddbetl.syntax.formatter import format_spec
    from ddbetl.syntax.parser import parse

    spec = parse(SourceText(text, name))
    canonical = format_spec(spec)
    again = parse(SourceText(canonical, name))
    comments = [[comment.text.rstrip() for comment in one.comments] for one in (spec, again)]
    if again != spec or comments[0] != comments[1]:
        raise AssertionError(f"the canonical form of {name} is another spec")
    return canonical


def difference(text: str, canonical: str, name: str) -> str:
    """A unified diff, coloured."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    before, after, name = _lines(text), _lines(canonical), visible(name)
    out = []
    for line in difflib.unified_diff(before, after, name, f"{name} formatted"):
        out.append(click.style(harmless(line.removesuffix("\n")), fg=colours.get(line[:1])))
        if not line.endswith("\n"):
            out.append("\\ No newline at end of file")
    return "\n".join(out)


def _lines(text: str) -> list[str]:
    """The lines with their ends, of which there is one kind."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def replace_file(path: Path, text: str) -> None:
    """Replace a file at once, where a link leads; it keeps its permissions. Raises BadParameter."""
    path = path.resolve()
    temporary = None
    try:
        mode = path.stat().st_mode
        # A directory can be written where a file in it may not be.
        with path.open("ab"):
            pass
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):
                os.unlink(temporary)
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint="SPEC") from None
