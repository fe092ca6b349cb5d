"""The commands and their options.

In: arguments. Out: a call of the module that does the work, imported only then. Invariant: whatever goes wrong ends in
one short message and the exit code that docs/cli.md promises.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable
from typing import Any, TypeAlias

import click

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.spec import Request, compiled, naming_profile, show_warnings, takes_connection, takes_spec
from ddbetl.cli.terminal import complain, err, harmless, out, painted, width
from ddbetl.errors import DdbetlError, SpecError


class Command(click.Command):
    """A command that knows what is meant by ``domain=Devo`` alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            extra = [word for word in given if re.match(r"[A-Za-z_]\w*=", word) and f"{word}" in error.message]
            if "unexpected extra argument" in error.message and extra and _takes_params(self):
                wanted = " ".join(f"-p {shlex.quote(word)}" for word in extra)
                raise click.UsageError(f"{error.message}\ndid you mean {wanted}?", ctx) from None
            raise


def _takes_params(command: click.Command) -> bool:
    return any(parameter.name == "param" for parameter in command.params)


class Commands(click.Group):
    """The commands in the order of their declaration; exceptions become messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            ctx.color = False
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit):
            raise
        except (KeyboardInterrupt, click.Abort):
            err("\nInterrupted.")
            code = ExitCode.INTERRUPTED
        except SpecError as error:
            show_spec_error(error)
            code = ExitCode.SPEC_ERROR
        except DdbetlError as error:
            complain(f"error: {error}")
            code = ExitCode.FAILED
        except Exception as error:
            show_bug(error)
            code = ExitCode.BUG
        ctx.exit(code)


def show_spec_error(error: SpecError) -> None:
    """Write all that is wrong with a spec."""
    from ddbetl.diagnostics import render

    complain(render(error.source, error.diagnostics, width(sys.stderr)))
    if len(error.diagnostics) > 1:
        err(f"\n{len(error.diagnostics)} errors")


def show_bug(error: Exception) -> None:
    """Write what went wrong in ddbetl itself; the traceback only to those who ask for it."""
    if os.environ.get("DDBETL_DEBUG"):
        import traceback

        err(harmless("".join(traceback.format_exception(error)).rstrip()))
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    complain(f"error: {said[:300]}")
    err("This is a bug in ddbetl, not in your spec. Please report it with what `ddbetl --version` says,")
    err("the spec, and the traceback that the same command shows with --debug.")


def _debug(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        os.environ["DDBETL_DEBUG"] = "1"


def _no_color(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.color = False
        # The group's own context writes the errors.
        context.find_root().color = False


Decorator: TypeAlias = Callable[[Callable[..., None]], Callable[..., None]]


def command(*decorators: Decorator) -> Callable[..., click.Command]:
    """Declare a command with the options of its own and the ones that every command has."""

    def declare(function: Callable[..., None]) -> click.Command:
        function = _everywhere(function)
        for decorate in reversed(decorators):
            function = decorate(function)
        made: click.Command = cli.command(cls=Command)(function)
        return made

    return declare


_EVERYWHERE: tuple[Decorator, ...] = (
    click.option("--no-color", is_flag=True, expose_value=False, callback=_no_color, help="No colours, as NO_COLOR=1."),
    click.option("--debug", is_flag=True, expose_value=False, callback=_debug, help="Show the traceback of a bug."),
)


def _everywhere(function: Callable[..., None]) -> Callable[..., None]:
    for decorate in reversed(_EVERYWHERE):
        function = decorate(function)
    return function


_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="New here? `ddbetl demo` needs no AWS account.",
)
@_everywhere
@click.version_option(package_name="ddbetl", message="ddbetl %(version)s", help="Show the version and exit.")
def cli() -> None:
    """Copy and reshape DynamoDB tables by one small SQL-like spec.

    A SPEC is a file, - for standard input, or the text itself in quotes:

    \b
      ddbetl explain promo.ddbetl -p domain=Devo
      ddbetl preview "SELECT CustomerID, epoch(DateTime) AS t FROM Orders_*"
      ddbetl run promo.ddbetl -p domain=Devo
    """


@command(takes_spec)
def check(request: Request) -> None:
    """Check a spec, offline.

    Finds every error that can be found without looking at the tables: nothing is sent anywhere.
    """
    import ddbetl
    from ddbetl.cli.check import summary

    plan = ddbetl.check(request.text, **request.arguments())
    show_warnings(plan)
    out(summary(plan, request.name))


@command(takes_spec, _json)
def explain(request: Request, as_json: bool) -> None:
    """Show what a run would do, for zero capacity units.

    Looks the tables up (their names, keys, sizes and capacity, not their items) and prints the plan: which tables, what
    the server filters, how each column is computed, rates, and what reading costs.
    """
    plan = compiled(request, warn=False)
    if as_json:
        import json

        out(json.dumps(plan.explain_json(), indent=2, ensure_ascii=False))
    else:
        out(painted(harmless(plan.explain()), width()))


@command(
    takes_spec,
    click.option(
        "--rows", metavar="N", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many."
    ),
    click.option("--json", "as_json", is_flag=True, help="One item a line, in DynamoDB JSON."),
)
def preview(request: Request, rows: int, as_json: bool) -> None:
    """Show the first rows that a run would write, and write nothing.

    Reads only as many items as it takes to find them.
    """
    from ddbetl.cli.preview import show

    plan = compiled(request)
    _exit(show(plan, rows, as_json))


@command(
    takes_spec,
    click.option("-y", "--yes", is_flag=True, help="Write without asking."),
    click.option(
        "--progress",
        type=click.Choice(["auto", "plain", "none"]),
        default="auto",
        show_default=True,
        help="auto: bars on a terminal, elsewhere plain: a line every few seconds.",
    ),
    click.option("--json", "as_json", is_flag=True, help="The closing summary as JSON."),
    click.option(
        "--state-dir", metavar="FOLDER", default=".ddbetl", show_default=True, help="Where rejects and reports go."
    ),
)
def run(request: Request, yes: bool, progress: str, as_json: bool, state_dir: str) -> None:
    """Run a spec: read the sources, write the target.

    Shows what will be read and written where and how fast, and asks before it writes. Ctrl-C (or SIGTERM) finishes the
    requests that are out and stops; a second one ends at once.
    """
    from ddbetl.cli.run import run_plan

    _exit(run_plan(compiled(request), yes=yes, progress=progress, as_json=as_json, state_dir=state_dir))


@command(
    click.argument("table", metavar="TABLE"),
    click.option(
        "--sample",
        metavar="N",
        type=click.IntRange(0, 10_000),
        default=100,
        show_default=True,
        help="How many items to look at for the schema; 0 for none.",
    ),
    takes_connection,
    _json,
)
def describe(table: str, sample: int, as_json: bool, **connection: str | None) -> None:
    """Show a table: keys, capacity, and the schema of a sample."""
    import ddbetl
    from ddbetl.cli.describe import as_value, page

    with naming_profile(connection["profile"]):
        report = ddbetl.describe(table, sample=sample, **connection)
    if as_json:
        import json

        out(json.dumps(as_value(report), indent=2, ensure_ascii=False))
    else:
        out(page(report))


@command(click.argument("name", metavar="[NAME]", required=False))
def functions(name: str | None) -> None:
    """List the functions of the language, or explain one."""
    from ddbetl.cli.functions import catalogue, page, unknown

    if name is None:
        out(catalogue())
        return
    text = page(name)
    if text is None:
        complain(unknown(name))
        _exit(ExitCode.SPEC_ERROR)
    else:
        out(text)


@command(
    click.option("--keep", is_flag=True, help="Leave the server running afterwards, until Ctrl-C, to try things on."),
)
def demo(keep: bool) -> None:
    """Fill one table from thirteen, on a local DynamoDB of its own.

    Starts an embedded server, loads thirteen monthly tables, runs a spec over them and shows the result, in some
    twenty seconds. Needs no AWS account and reads none of your AWS settings.
    """
    from ddbetl.cli.demo import show

    _exit(show(keep))


def _exit(code: int) -> None:
    raise click.exceptions.Exit(code)
