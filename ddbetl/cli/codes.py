"""The page of a code, for ``ddbetl help CODE``.

In: the table of codes. Out: text. Invariant: it says what docs/errors.md says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import click

from ddbetl.cli.code_examples import EXAMPLES
from ddbetl.cli.highlight import highlighted
from ddbetl.cli.terminal import page_width, painted, wrapped
from ddbetl.codes import CODES, Code
from ddbetl.diagnostics import did_you_mean


def find(word: str) -> tuple[Code, ...]:
    """The code of a name, in any case, or all that begin so: E02."""
    wanted = word.upper().strip("[]")
    if not re.fullmatch(r"[EWR][0-9]*", wanted):
        return ()
    return tuple(code for name, code in CODES.items() if name.startswith(wanted))


def listed(codes: Sequence[Code]) -> str:
    """Codes with their titles, a line each."""
    lines = [f"  {click.style(code.code, fg='cyan')}  {code.title}" for code in codes]
    return "\n".join([*lines, "", "ddbetl help CODE shows one with an example."])


def page(code: Code) -> str:
    """All about one code: what it means and what to do, and a spec with what ddbetl says of it."""
    lines = [click.style(f"{code.code}: {code.title}", bold=True), *_blocks(code.page)]
    example = EXAMPLES.get(code.code)
    if example is not None:
        behind = f", with {example.given}" if example.given else ""
        lines += ["", f"For example{behind}", "", *_indented(highlighted(example.spec))]
        lines += ["", *_indented(painted(example.said))]
    return "\n".join(lines)


def _blocks(page: str) -> Iterator[str]:
    """The paragraphs of a page, and its blocks of code as they are."""
    page = re.sub(r"\[([^\]]*)\]\([^)\s]*\.md[^)]*\)", r"\1", page)
    for number, block in enumerate(re.split(r"```\w*\n", page.strip() + "\n")):
        if number % 2:
            yield from ("", *_indented(highlighted(block.rstrip("\n"))))
            continue
        for paragraph in filter(None, map(str.strip, block.split("\n\n"))):
            yield ""
            if paragraph.startswith("|"):
                yield from _indented(paragraph.replace("`", ""))
            else:
                yield wrapped("  ", paragraph.replace("`", ""), page_width())


def _indented(text: str) -> Iterator[str]:
    return (f"      {line}".rstrip() for line in text.split("\n"))


def unknown(word: str, commands: Sequence[str]) -> str:
    """What to say of a word that is no code and no command."""
    hint = did_you_mean(word, (*CODES, *commands))
    return f"error: there is no code or command {word}\n = {hint or 'ddbetl help E lists the codes of errors'}"
