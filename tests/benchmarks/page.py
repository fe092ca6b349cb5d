"""The figures of docs/performance.md, put there from what the benchmark has saved.

In: files that bench.py and profile.py have written; where none is named, the newest of each. Out: the page, each block of text behind a line `<!-- bench NAME -->`
replaced by the text NAME of the files. A block whose text no file has stays as it is.

Invariant: nothing but those blocks changes.

    python -m tests.benchmarks.page [FILE ...]
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.benchmarks.measure import ROOT

PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "bench-results"
_BLOCK = re.compile(r"(<!-- bench ([a-z]+) -->\n\n```text\n)(.*?)(\n```)", re.DOTALL)


def filled(page: str, texts: Mapping[str, str]) -> str:
    """Return the page with the texts in their blocks."""

    def block(found: re.Match[str]) -> str:
        lines = texts.get(found[2], found[3]).splitlines()
        return found[1] + "\n".join(line.rstrip() for line in lines) + found[4]

    return _BLOCK.sub(block, page)


def blocks(page: str) -> list[str]:
    """Return the names of a page's blocks."""
    return [found[2] for found in _BLOCK.finditer(page)]


def newest(folder: Path) -> list[Path]:
    """Return the newest file of a whole benchmark, and the profile, as far as they are there. Names hold the time."""
    return [*sorted(folder.glob("main-job-2*.json"))[-1:], *folder.glob("profile.json")]


def main() -> int:
    """Fill the page from the files of the command line; 1 where one of its blocks stays as it is."""
    texts: dict[str, str] = {}
    for path in map(Path, sys.argv[1:]) if sys.argv[1:] else newest(RESULTS):
        texts |= json.loads(path.read_text()).get("texts", {})
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(page, texts), encoding="utf-8")
    stale = [name for name in blocks(page) if name not in texts]
    if stale:
        print(f"as they were: {', '.join(stale)}", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
