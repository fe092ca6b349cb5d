"""Progress as bars on a terminal.

In: ``Progress`` values. Out: a block of lines that is redrawn in place and disappears at the end, when the summary says
the same. Invariant: the block fits the terminal, whatever the number of tables.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ddbetl.cli.progress import against, percent, rates
from ddbetl.cli.terminal import cells, colours, shorten
from ddbetl.engine.report import Progress, TableProgress
from ddbetl.plan.explain import duration

# Lines of the block beside the tables' own: totals, a blank line, the line of tables not shown, the cursor's.
OTHER_LINES = 7
REDRAWS_PER_SECOND = 8


class Bars:
    """A live block on standard error; ``update`` gives it a new value, from any thread."""

    def __init__(self, stopping: Callable[[], bool]) -> None:
        self._progress: Progress | None = None
        self._stopping = stopping
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
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self._progress is None:
            yield Text("  starting …", style="dim")
        else:
            yield block(self._progress, options.max_width, console.size.height, self._stopping())


def block(progress: Progress, width: int, height: int, stopping: bool = False) -> Group:
    """The whole block for a terminal of so many columns and lines."""
    lines: list[Table | Text] = [_overall(progress), _counts(progress)]
    state = rates(progress)
    if stopping:
        state = "stopping: what is in flight is finished; Ctrl-C again stops at once"
    elif progress.waiting:
        state = f"{state}; waiting: {progress.waiting}"
    elif progress.retries:
        state = f"{state}; {progress.retries:,} requests repeated"
    lines.append(Text(f"  {state}", style="yellow" if stopping or progress.waiting else "dim", overflow="ellipsis"))
    return Group(*lines, Text(), *_tables(progress.tables, width, max(1, height - OTHER_LINES)))


def _overall(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=0)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True, style="bold")
    grid.add_column(justify="right", no_wrap=True, min_width=11)
    left = f"{duration(progress.eta)} left" if progress.eta is not None else f"{duration(progress.seconds)}"
    grid.add_row("", _bar(progress.fraction), "" if progress.fraction is None else percent(progress.fraction), left)
    return grid


def _bar(fraction: float | None) -> ProgressBar:
    if fraction is None:
        return ProgressBar(total=None, pulse=True)
    return ProgressBar(total=1.0, completed=fraction, complete_style="cyan", finished_style="green")


def _counts(progress: Progress) -> Text:
    text = Text("  ", overflow="ellipsis", no_wrap=True)
    text.append(f"{progress.read:,} read   {progress.filtered:,} filtered out   ")
    text.append(f"{progress.written:,} written", style="green")
    text.append("   ")
    text.append(f"{progress.rejected:,} rejected", style="red" if progress.rejected else "")
    if progress.skipped:
        text.append(f"   {progress.skipped:,} skipped")
    text.append(f"   {progress.items_per_second:,.0f} items/s", style="cyan")
    return text


def _tables(tables: Sequence[TableProgress], width: int, room: int) -> list[Table | Text]:
    shown = tables if len(tables) <= room else [t for t in tables if t.read and not t.done][:room]
    # Where nothing is under way yet, or any more, the first ones stand for all.
    shown = shown or tables[:room]
    names = short_names([t.name for t in shown], max(12, width * 3 // 10))
    grid = Table.grid(padding=(0, 1), expand=True)
    grid.add_column(width=0)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True, style="dim")
    for name, table in zip(names, shown, strict=True):
        fraction = share(table)
        grid.add_row(
            "",
            Text(name, style="green" if table.done else ""),
            _bar(fraction),
            "" if fraction is None else percent(fraction),
            f"{table.read:,} read",
            "done" if table.done else f"{against(table.rate, table.budget)} units/s",
        )
    lines: list[Table | Text] = [grid]
    if len(shown) < len(tables):
        done = sum(t.done for t in tables)
        lines.append(Text(f"  of {len(tables):,} tables: {done:,} done, {len(tables) - done:,} under way", style="dim"))
    return lines


def share(table: TableProgress) -> float | None:
    """How much of a table is read, by DynamoDB's count of its items, else by its segments; None where nobody knows."""
    if table.done:
        return 1.0
    if table.expected:
        return min(table.read / table.expected, 0.99)
    return table.segments_done / table.segments if table.segments_done else None


def short_names(names: Sequence[str], size: int) -> list[str]:
    """Names of at most so many cells: without what all of them begin with, then cut in the middle."""
    if len(names) > 1 and any(cells(name) > size for name in names):
        common = os.path.commonprefix(list(names))
        common = common[: max(common.rfind(mark) for mark in "_-.") + 1]
        if len(common) > 3:
            names = ["…" + name[len(common) :] for name in names]
    return [shorten(name, size) for name in names]


@contextmanager
def loading(tables: int) -> Iterator[Callable[[str, int], None]]:
    """Show how many tables of the demo are loaded; gives a function to call after each."""
    console = Console(file=sys.stderr, no_color=not colours(sys.stderr), highlight=False)
    with Live(console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as live:

        def show(done: int, name: str) -> None:
            grid = Table.grid(padding=(0, 1), expand=True)
            grid.add_column(width=0)
            grid.add_column(ratio=1)
            grid.add_column(justify="right", no_wrap=True)
            grid.add_row("", _bar(done / tables), f"{done} of {tables} tables")
            live.update(Group(grid, Text(f"  {name}", style="dim")), refresh=True)

        done = 0

        def advance(name: str, items: int) -> None:
            nonlocal done
            done += 1
            show(done, name)

        show(0, "")
        yield advance
