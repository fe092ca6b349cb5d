"""Progress as bars on a terminal.

In: ``Progress`` values. Out: a block of lines that is redrawn in place and disappears at the end, when the summary says
the same. Invariant: the block fits the terminal, whatever the number of tables.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TypeAlias

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.constrain import Constrain
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ddbetl.cli.progress import rates
from ddbetl.cli.terminal import cells, colours, shorten, visible
from ddbetl.cli.wording import against, counted, percent
from ddbetl.engine.report import Progress, TableProgress
from ddbetl.plan.explain import duration

# Lines of the block beside the tables' own: totals, a blank line, the line of tables not shown, the cursor's.
OTHER_LINES = 7
# Left free at the right: the terminal writes its ^C at the end of the last line, and must not break the line for it.
MARGIN = 3
REDRAWS_PER_SECOND = 8


Line: TypeAlias = Padding | Text


class Bars:
    """A live block on standard error; ``update`` gives it a new value, from any thread."""

    def __init__(self, stopping: Callable[[], bool], done: str = "written") -> None:
        self._progress: Progress | None = None
        self._stopping = stopping
        self._done = done
        colour = colours(sys.stderr)
        self.console = Console(file=sys.stderr, no_color=not colour, highlight=False)
        self._live = Live(
            self,
            console=self.console,
            refresh_per_second=REDRAWS_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def update(self, progress: Progress) -> None:
        self._progress = progress

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # A terminal that is gone needs no tidying up.
        with suppress(OSError):
            self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._progress is None:
            yield Text("  starting …", style="dim")
        else:
            width = options.max_width - MARGIN
            yield Constrain(block(self._progress, width, console.size.height, self._stopping(), self._done), width)


def block(progress: Progress, width: int, height: int, stopping: bool = False, done: str = "written") -> Group:
    """The whole block for a terminal of so many columns and lines."""
    lines: list[Line] = [_overall(progress), _counts(progress, done)]
    state = rates(progress)
    if stopping:
        state = "stopping: requests that are out are finished; Ctrl-C again ends at once"
    elif progress.waiting:
        state = f"{state}; waiting: {visible(progress.waiting)}"
    elif progress.retries:
        state = f"{state}; {counted(progress.retries, 'repeated request')}"
    lines.append(Text(f"  {state}", style="yellow" if stopping or progress.waiting else "dim", overflow="ellipsis"))
    return Group(*lines, Text(), *_tables(progress.tables, width, max(1, height - OTHER_LINES)))


def _overall(progress: Progress) -> Padding:
    grid = _grid()
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True, min_width=13, style="cyan")
    grid.add_column(justify="right", no_wrap=True, min_width=4, style="bold")
    grid.add_column(justify="right", no_wrap=True, min_width=10)
    share = "" if progress.fraction is None else percent(progress.fraction)
    left = f"{duration(progress.eta)} left" if progress.eta and progress.fraction != 1 else ""
    grid.add_row(_bar(progress.fraction), f"{progress.items_per_second:,.0f} items/s", share, left)
    return _indented(grid)


def _grid() -> Table:
    return Table.grid(padding=(0, 2, 0, 0), expand=True)


def _indented(table: Table) -> Padding:
    return Padding(table, (0, 0, 0, 2))


def _bar(fraction: float | None) -> ProgressBar:
    if fraction is None:
        return ProgressBar(total=None, pulse=True)
    return ProgressBar(total=1.0, completed=fraction, complete_style="cyan", finished_style="green")


def _counts(progress: Progress, done: str) -> Text:
    text = Text("  ", overflow="ellipsis", no_wrap=True)
    text.append(f"{progress.read:,} read   {progress.filtered:,} filtered   ")
    text.append(f"{progress.written:,} {done}", style="green")
    text.append("   ")
    text.append(f"{progress.rejected:,} rejected", style="red" if progress.rejected else "")
    if progress.skipped:
        text.append(f"   {progress.skipped:,} skipped")
    if progress.unchanged:
        text.append(f"   {progress.unchanged:,} there already")
    return text


def _tables(tables: Sequence[TableProgress], width: int, room: int) -> list[Line]:
    shown = tables if len(tables) <= room else [t for t in tables if t.read and share(t) != 1][:room]
    # Where nothing is under way yet, or any more, the first ones stand for all.
    shown = shown or tables[:room]
    names = short_names([t.name for t in shown], max(12, width * 3 // 10))
    grid = _grid()
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True, min_width=4)
    grid.add_column(justify="right", no_wrap=True, min_width=11)
    grid.add_column(justify="right", no_wrap=True, min_width=22, style="dim")
    for name, table in zip(names, shown, strict=True):
        fraction = share(table)
        text = "" if fraction is None else percent(fraction)
        grid.add_row(name, _bar(fraction), text, f"{table.read:,} read", _state(table))
    lines: list[Line] = [_indented(grid)]
    if len(shown) < len(tables):
        done = sum(share(t) == 1 for t in tables)
        lines.append(Text(f"  of {len(tables):,} tables: {done:,} done, {len(tables) - done:,} not yet", style="dim"))
    return lines


def _state(table: TableProgress) -> str:
    if share(table) == 1:
        return "done"
    if table.all_read:
        return "being written"
    return f"{against(table.rate, table.budget)} units/s"


def share(table: TableProgress) -> float | None:
    """How much of a table is read and, where it is to be, written; None where nobody can tell."""
    settled = table.filtered + table.rejected + table.skipped + table.unchanged + table.written
    if table.all_read:
        return settled / table.read if table.read else 1.0
    if table.expected:
        return min(settled / max(table.expected, table.read), 0.99)
    return table.segments_done / table.segments if table.segments_done else None


def short_names(names: Sequence[str], size: int) -> list[str]:
    """Names of at most so many cells: without what all of them begin with, then cut in the middle."""
    if len(names) > 1 and any(cells(name) > size for name in names):
        # What the first and the last in order begin with, all of them do.
        common = 0
        for a, b in zip(min(names), max(names), strict=False):
            if a != b:
                break
            common += 1
        cut = max(names[0].rfind(mark, 0, common) for mark in "_-.") + 1
        if cut > 3:
            names = ["…" + name[cut:] for name in names]
    return [shorten(name, size) for name in names]


@contextmanager
def loading(tables: int) -> Iterator[Callable[[str, int], None]]:
    """Show how many tables of the demo are loaded; gives a function to call after each."""
    console = Console(file=sys.stderr, no_color=not colours(sys.stderr), highlight=False)
    with Live(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as live:

        def show(done: int, name: str) -> None:
            grid = _grid()
            grid.add_column(ratio=1)
            grid.add_column(justify="right", no_wrap=True)
            grid.add_row(_bar(done / tables), f"{done} of {tables} tables")
            live.update(Group(_indented(grid), Text(f"  {name}", style="dim")), refresh=True)

        done = 0

        def advance(name: str, items: int) -> None:
            nonlocal done
            done += 1
            show(done, name)

        show(0, "")
        yield advance
