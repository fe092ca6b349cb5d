"""The commands and their options.

In: arguments. Out: a call of the module that does the work, imported only then. Invariant: whatever goes wrong ends in
one short message and the exit code that docs/cli.md promises.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeAlias

import click
from click.core import ParameterSource

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.spec import (
    Request,
    check_overrides,
    compiled,
    naming_profile,
    show_warnings,
    takes_connection,
    takes_spec,
)
from ddbetl.cli.terminal import complain, err, harmless, json_text, out, painted, width
from ddbetl.errors import DdbetlError, SpecError


class Command(click.Command):
    """A command that knows what is meant by ``domain=Devo`` alone."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            texts = [word for word in given if re.match(r"-\d", word)]
            if texts:
                message = f"{error.message}\na text that begins with a dash stands behind --, as in -- {texts[0]}"
                raise click.UsageError(message, ctx) from None
            raise
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

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _harmless_messages():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            ctx.color = False
        try:
            with _harmless_messages():
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


@contextmanager
def _harmless_messages() -> Iterator[None]:
    """See to it that click's own messages, which quote the arguments, hold nothing that a terminal would obey."""
    try:
        yield
    except click.ClickException as error:
        # Declared to be final; it is only written once more, before anybody has read it.
        error.message = harmless(error.message)  # type: ignore[misc]
        raise


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


def command(
    *decorators: Decorator, name: str | None = None, within: click.Group | None = None
) -> Callable[..., click.Command]:
    """Declare a command with the options of its own and the ones that every command has.

    ``name``: where the function has another. ``within``: the command that it is one of; otherwise ddbetl itself.
    """

    def declare(function: Callable[..., None]) -> click.Command:
        function = _everywhere(function)
        for decorate in reversed(decorators):
            function = decorate(function)
        made: click.Command = (within or cli).command(name, cls=Command)(function)
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
_progress = click.option(
    "--progress",
    type=click.Choice(["auto", "plain", "none"]),
    default="auto",
    show_default=True,
    help="auto: bars on a terminal, elsewhere plain: a line every few seconds.",
)


def _inherited(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """A folder that is given to ``ddbetl jobs`` is the one of its commands too."""
    given = context.get_parameter_source(parameter.name or "") is not ParameterSource.DEFAULT
    above = context.parent.params.get("state_dir") if context.parent is not None else None
    return above if above is not None and not given else value


_state_dir = click.option(
    "--state-dir",
    metavar="FOLDER",
    default=".ddbetl",
    show_default=True,
    callback=_inherited,
    help="Where the jobs are.",
)
# What run and resume share.
_running: tuple[Decorator, ...] = (
    click.option("--max-rejects", metavar="N|P%", help="Stop a run that rejects more: 100, 5%; otherwise 1%."),
    click.option("--detach", is_flag=True, help="Run in the background; `ddbetl jobs watch` shows the progress."),
    _progress,
    click.option("--json", "as_json", is_flag=True, help="The closing summary as JSON."),
    _state_dir,
    click.option(
        "--log-file", metavar="FILE", type=click.Path(dir_okay=False), help="Also log to FILE, as JSON lines."
    ),
    click.option(
        "--metrics-file",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Keep the progress in FILE as Prometheus reads it.",
    ),
)


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
        out(json_text(plan.explain_json()))
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
    click.option("-y", "--yes", is_flag=True, help="Write without asking; an unfinished job of the plan goes on."),
    click.option("--resume", is_flag=True, help="Go on with the unfinished job of this plan, without asking."),
    click.option("--fresh", is_flag=True, help="Begin anew, even if there is an unfinished job of this plan."),
    click.option(
        "--from-rejects",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="Only the rows that a job has rejected, read again by their keys.",
    ),
    *_running,
)
def run(
    request: Request,
    yes: bool,
    resume: bool,
    fresh: bool,
    from_rejects: str | None,
    max_rejects: str | None,
    detach: bool,
    **outputs: Any,
) -> None:
    """Run a spec: read the sources, write the target.

    Shows what will be read and written where and how fast, and asks before it writes. Ctrl-C (or SIGTERM) finishes the
    requests that are out, saves how far the job is and stops; a second one ends at once. Either way, and after any
    failure, the same command or `ddbetl resume` goes on from there.
    """
    from ddbetl.cli.run import Outputs, run_plan

    if resume and fresh:
        raise click.UsageError("--resume goes on with a job, --fresh begins anew: not both")
    request = replace(request, options=(*request.options, *_rejects_option(max_rejects)))
    check_overrides(request)
    _exit(
        run_plan(
            request, Outputs(**outputs), yes=yes, resume=resume, fresh=fresh, detach=detach, from_rejects=from_rejects
        )
    )


@command(click.argument("job_id", metavar="ID"), *_running)
def resume(job_id: str, max_rejects: str | None, detach: bool, **outputs: Any) -> None:
    """Go on with an unfinished job, from where it stopped.

    ID is a job's id, the beginning of one, or last; `ddbetl jobs` lists them. Without a question: the job was agreed to
    when it began. A job of which the spec, the parameters or the tables have changed is refused, with what is
    different.
    """
    from ddbetl.cli.run import Outputs, resume_job

    _exit(resume_job(job_id, Outputs(**outputs), options=_rejects_option(max_rejects), detach=detach))


def _rejects_option(value: str | None) -> tuple[str, ...]:
    return (f"max_rejects = {value}",) if value is not None else ()


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
        out(json_text(as_value(report)))
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
    click.argument("words", metavar="PATTERN TEXT...", nargs=-1, required=True),
    click.option(
        "--zone", metavar="ZONE", help="The zone of texts that name none, as in Europe/Berlin; otherwise UTC."
    ),
    click.option("--guess", is_flag=True, help="Find patterns: all arguments are texts."),
    click.option("--format", "printing", is_flag=True, help="Print by PATTERN; TEXT is a time in an ISO form."),
    _json,
)
def time(words: tuple[str, ...], zone: str | None, guess: bool, printing: bool, as_json: bool) -> None:
    """Try a pattern on texts, or find one for them.

    Shows what a run would read of each TEXT; - stands for the lines of standard input. PATTERN is what a spec has
    there: a Joda-Time pattern, iso for the forms without one, or a unit of numbers such as epoch_ms:

    \b
      ddbetl time "dd/MM/yyyy HH:mm" "26/04/2017 10:15" --zone Europe/Berlin
      ddbetl time "yyyy-MM-dd'T'HH:mm" "2017-04-26 10:15"
      ddbetl time epoch_ms 1493201730876
      ddbetl time --format "d MMM yyyy" 2017-04-26T10:15:30Z
      ddbetl time --guess "26/04/2017" "3/5/2017"

    Ends with code 4 if a text cannot be read.
    """
    from datetime import UTC, datetime

    from ddbetl.time import pivot_of

    pivot_year = pivot_of(datetime.now(UTC).year)
    if guess and printing:
        raise click.UsageError("--guess finds patterns, --format prints by one: not both")
    if guess:
        from ddbetl.cli import time_guess
        from ddbetl.cli.time import texts_of

        _exit(time_guess.show(texts_of(words), zone, pivot_year, as_json))
    pattern, *given = words
    if not given:
        raise click.UsageError(_no_texts(pattern))
    from ddbetl.cli import time_format
    from ddbetl.cli.time import show, texts_of

    _exit((time_format.show if printing else show)(pattern, texts_of(given), zone, pivot_year, as_json))


def _no_texts(pattern: str) -> str:
    if any(character.isdigit() for character in pattern):
        return f"a TEXT is missing behind the PATTERN\ndid you mean ddbetl time --guess {shlex.quote(pattern)}?"
    return "a TEXT is missing behind the PATTERN"


class JobCommands(Commands):
    """The commands about jobs, which know what is meant by an ID alone."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if re.match(r"\d|last$", args[0]):
                raise click.UsageError(f"{error.message}\ndid you mean ddbetl jobs show {args[0]}?", ctx) from None
            raise


_job = click.argument("job_id", metavar="ID")


@cli.group(
    cls=JobCommands,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND [ARGUMENTS]...]",
    short_help="List the jobs; show, watch, change or remove one.",
)
@_everywhere
@_json
@_state_dir
@click.pass_context
def jobs(context: click.Context, as_json: bool, state_dir: str) -> None:
    """List the jobs: every run is one, and can be resumed until it is done.

    The newest stands first. The commands below are about single jobs: the ID of a job is the one that the list shows,
    so much of its beginning that no other begins so, or last for the newest.

    \b
      ddbetl jobs show last
      ddbetl jobs set last write=30% read=500rcu
      ddbetl jobs rm --finished
    """
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError(f"--json stands behind {context.invoked_subcommand}, where that takes it")
        return
    from ddbetl.cli.jobs import show_list

    _exit(show_list(state_dir, as_json))


@command(_job, _json, _state_dir, name="show", within=jobs)
def jobs_show(job_id: str, as_json: bool, state_dir: str) -> None:
    """Show all about one job, and how to go on with it.

    Its spec, parameters and options, how far each table is, what was rejected and why, where its files are.
    """
    from ddbetl.cli.jobs import show_one

    _exit(show_one(job_id, state_dir, as_json))


@command(_job, _progress, _state_dir, name="watch", within=jobs)
def jobs_watch(job_id: str, progress: str, state_dir: str) -> None:
    """Show the progress of a running job until it ends.

    As run shows it, with its summary and its exit code; of a job that has ended, at once. Ctrl-C ends the watching,
    not the job.
    """
    from ddbetl.cli.watch import watch

    _exit(watch(job_id, progress, state_dir))


@command(
    _job,
    click.argument("changes", metavar="RATE=VALUE...", nargs=-1, required=True),
    _state_dir,
    name="set",
    within=jobs,
)
def jobs_set(job_id: str, changes: tuple[str, ...], state_dir: str) -> None:
    """Change the rates of a job, also while it runs.

    RATE is read or write, VALUE what WITH in a spec takes: a share of what the table can take, units per second, or
    unlimited.

    \b
      ddbetl jobs set last write=30%
      ddbetl jobs set last read=500rcu write=unlimited
    """
    from ddbetl.cli.jobs import change_rates

    _exit(change_rates(job_id, changes, state_dir))


@command(
    click.argument("job_ids", metavar="[ID]...", nargs=-1),
    click.option("--finished", is_flag=True, help="All jobs that are done."),
    click.option("-y", "--yes", is_flag=True, help="Remove without asking."),
    _state_dir,
    name="rm",
    within=jobs,
)
def jobs_rm(job_ids: tuple[str, ...], finished: bool, yes: bool, state_dir: str) -> None:
    """Remove jobs with all their files.

    Asks before something is lost: a job that is not finished, or the file of what was rejected. A running job is not
    removed. What it has written into its target stays there.
    """
    from ddbetl.cli.jobs import remove

    _exit(remove(job_ids, finished, yes, state_dir))


@command(
    _job,
    click.option(
        "--examples",
        metavar="N",
        type=click.IntRange(0, 1_000),
        default=3,
        show_default=True,
        help="How many rows of each cause.",
    ),
    _json,
    _state_dir,
)
def rejects(job_id: str, examples: int, as_json: bool, state_dir: str) -> None:
    """Show what a job rejected: why, how often, which rows.

    ID is the job's, the beginning of it, or last for the newest. Each cause with its place in the spec and the first
    rows of it; and how to get them in when that is mended.
    """
    from ddbetl.cli.rejects import show

    _exit(show(job_id, examples, state_dir, as_json))


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
