"""The commands and their options.

In: arguments. Out: a call of the module that does the work, imported only then.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import Any

import click

from ddbetl.cli.declare import (
    Commands,
    Decorator,
    command,
    diagnostics_json,
    end,
    everywhere,
    takes_format,
    takes_json,
    takes_progress,
    takes_state_dir,
)
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.jobs_commands import jobs, rejects
from ddbetl.cli.spec import (
    check_overrides,
    checked,
    compiled,
    naming_profile,
    show_warnings,
    table_name,
    takes_connection,
    takes_spec,
)
from ddbetl.cli.spec_commands import fmt, help_, iam, init
from ddbetl.cli.terminal import complain, harmless, json_text, out, page_width, painted, width
from ddbetl.inputs import Inputs

# What run and resume share.
_running: tuple[Decorator, ...] = (
    click.option(
        "--max-rejects",
        metavar="N|P%",
        help="Stop a run that rejects more: 100, 5%; otherwise as the spec says, or 1%.",
    ),
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(1, 256),
        help="So many processes do the work; otherwise one, or of a large job one for every two cores.",
    ),
    click.option("--detach", is_flag=True, help="Run in the background; `ddbetl jobs watch` shows the progress."),
    takes_progress,
    click.option("--json", "as_json", is_flag=True, help="The closing summary as JSON."),
    takes_state_dir,
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
@everywhere
@click.version_option(package_name="ddbetl", message="ddbetl %(version)s", help="Show the version and exit.")
def cli() -> None:
    """Copy and reshape DynamoDB tables by one small SQL-like spec.

    A SPEC is a file, - for standard input, or the text itself in quotes:

    \b
      ddbetl explain promo.ddbetl -p domain=Devo
      ddbetl preview "SELECT CustomerID, epoch(DateTime) AS t FROM Orders_*"
      ddbetl run promo.ddbetl -p domain=Devo
    """


@command(
    takes_spec,
    click.option("--collisions", is_flag=True, help="Read the tables, and find rows that have one key in the target."),
    takes_progress,
    takes_json,
    takes_format,
    within=cli,
)
def check(inputs: Inputs, collisions: bool, progress: str, as_json: bool, form: str) -> None:
    """Check a spec, offline.

    Finds every error that can be found without looking at the tables: nothing is sent anywhere.

    With --collisions the tables are read, their keys and what the target's key is made of, and nothing is written: it
    counts the rows whose key another row has before, and ends with code 4 if there are any. Where the spec itself
    proves that there are none, nothing is read.
    """
    from ddbetl.cli.check import summary

    if collisions:
        from ddbetl.cli.dry import show_collisions

        if form == "json":
            raise click.UsageError("--format json shows errors and warnings; of --collisions it is --json")

        end(show_collisions(compiled(inputs), progress, as_json))
    if as_json:
        raise click.UsageError("--json shows what --collisions finds; --format json shows errors and warnings")
    plan = checked(inputs)
    if form == "json":
        out(diagnostics_json(plan.source, plan.warnings))
        return
    show_warnings(plan)
    out(summary(plan, inputs.name))


cli.add_command(fmt)


@command(
    takes_spec,
    click.option(
        "--sample",
        metavar="N",
        type=click.IntRange(0, 10_000),
        default=0,
        show_default=True,
        help="Read so many items of each table first, to know instead of to assume.",
    ),
    click.option(
        "--prices",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False),
        help="Another price table, a JSON file; otherwise the one of this version.",
    ),
    click.option(
        "--verbose",
        is_flag=True,
        help="Also the logical plan, what each rule makes of it, the SQL, its guards, a request.",
    ),
    takes_json,
    click.option("--html", "as_html", is_flag=True, help="One page of HTML, with the plan as a picture."),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Write the page of --html into a new file; one that is there is not overwritten.",
    ),
    within=cli,
)
def explain(
    inputs: Inputs,
    sample: int,
    prices: str | None,
    verbose: bool,
    as_json: bool,
    as_html: bool,
    output: str | None,
) -> None:
    """Show what a run would do, for zero capacity units.

    Looks the tables up, on AWS also how much of them is in use, and makes the plan: which tables are read, the exact
    Scan or Query request, what the server filters, how each column is computed, rates; what reading and writing cost
    in units and dollars, and how long it takes. With --sample the first items of each table are read, which costs some
    read units.
    """
    from ddbetl.cli.explain import read_prices, with_sample
    from ddbetl.cli.new_file import refuse_existing, write_new
    from ddbetl.plan.prices import shipped

    if as_json + as_html + verbose > 1:
        raise click.UsageError("--verbose, --json and --html are three forms of one page: give one of them")
    if output is not None and not as_html:
        raise click.UsageError("-o is for the page of --html; of the others, > FILE makes a file")
    refuse_existing(output)
    known = read_prices(prices) if prices is not None else shipped()
    plan = with_sample(replace(compiled(inputs, warn=False, traffic=True), prices=known), sample)
    if as_json:
        out(json_text(plan.explain_json()))
    elif output is not None:
        write_new(output, plan.explain_html())
    elif as_html:
        out(plan.explain_html().removesuffix("\n"))
    else:
        out(painted(harmless(plan.explain(verbose=verbose, width=page_width())), width() and page_width()))


@command(
    takes_spec,
    click.option(
        "--rows", metavar="N", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many."
    ),
    click.option("--json", "as_json", is_flag=True, help="One item a line, in DynamoDB JSON."),
    within=cli,
)
def preview(inputs: Inputs, rows: int, as_json: bool) -> None:
    """Show the first rows that a run would write, and write nothing.

    Reads only as many items as it takes to find them.
    """
    from ddbetl.cli.preview import show

    plan = compiled(inputs)
    end(show(plan, rows, as_json))


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
    within=cli,
)
def run(
    inputs: Inputs,
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
    inputs = replace(inputs, options=(*inputs.options, *_rejects_option(max_rejects)))
    check_overrides(inputs)
    end(
        run_plan(
            inputs, Outputs(**outputs), yes=yes, resume=resume, fresh=fresh, detach=detach, from_rejects=from_rejects
        )
    )


@command(
    click.argument("job_id", metavar="ID"),
    click.option(
        "--with",
        "with_",
        metavar="'OPTION = VALUE'",
        multiple=True,
        help="Set an option of WITH, such as 'read = 30%'. May be repeated.",
    ),
    *_running,
    within=cli,
)
def resume(job_id: str, with_: tuple[str, ...], max_rejects: str | None, detach: bool, **outputs: Any) -> None:
    """Go on with an unfinished job, from where it stopped.

    ID is a job's id, the beginning of one, or last; `ddbetl jobs` lists them. Without a question: the job was agreed to
    when it began. A job of which the spec, the parameters or the tables have changed is refused, with what is
    different; rates and max_rejects may change. Of a job that is done, the summary is shown once more.
    """
    from ddbetl.cli.run import Outputs, resume_job

    end(resume_job(job_id, Outputs(**outputs), options=(*with_, *_rejects_option(max_rejects)), detach=detach))


def _rejects_option(value: str | None) -> tuple[str, ...]:
    return (f"max_rejects = {value}",) if value is not None else ()


# The year 10,000, in seconds since 1970.
LAST_MOMENT = 253_402_300_800


def _moment(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    """A time in an ISO form, without an offset in UTC, as seconds since 1970."""
    if value is None:
        return None
    from ddbetl.time import TimeError, zone
    from ddbetl.time.in_turn import parser_in_turn

    try:
        seconds = parser_in_turn((None,), zone("UTC"), 2000)(value) // 1000
    except TimeError as error:
        raise click.BadParameter(f"{error}; it looks like 2017-06-01 or 2017-06-01T00:00:00Z") from None
    if not 0 <= seconds < LAST_MOMENT:
        raise click.BadParameter(f"{value!r} is no time of our days; it looks like 2017-06-01")
    return seconds


@command(
    takes_spec,
    click.option(
        "--at", metavar="TIME", callback=_moment, help="The moment to ask about, as in 2017-06-01; otherwise now."
    ),
    takes_progress,
    takes_json,
    within=cli,
)
def ttl(inputs: Inputs, at: int | None, progress: str, as_json: bool) -> None:
    """Show when the rows of a spec expire, and write nothing.

    Reads the tables and counts the rows that have expired by a moment, and for each month those that expire in it, by
    the column that WITH (ttl_attribute = column) names.
    """
    from ddbetl.cli.ttl import show

    end(show(compiled(inputs), at, progress, as_json))


cli.add_command(jobs)
cli.add_command(rejects)
cli.add_command(iam)
cli.add_command(init)


@command(
    click.argument("table", metavar="TABLE", callback=table_name),
    click.option(
        "--sample",
        metavar="N",
        type=click.IntRange(0, 10_000),
        default=100,
        show_default=True,
        help="How many items to look at for the schema; 0 for none.",
    ),
    takes_connection,
    takes_json,
    within=cli,
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


@command(
    click.argument("name", metavar="[NAME]", required=False),
    click.option("--using", metavar="FILE", help="The functions of a Python file, as USING brings them."),
    within=cli,
)
def functions(name: str | None, using: str | None) -> None:
    """List the functions of the language, or explain one."""
    from ddbetl.cli.functions import EVERYTHING, catalogue, own, page, unknown

    found = own(using) if using is not None else EVERYTHING
    if name is None:
        out(catalogue(found, using or ""))
        return
    if using is not None:
        found = (*found, *EVERYTHING)
    text = page(name, found)
    if text is None:
        complain(unknown(name, found))
        end(ExitCode.SPEC_ERROR)
    else:
        out(text)


@command(
    click.argument("words", metavar="PATTERN TEXT...", nargs=-1, required=True),
    click.option(
        "--zone", metavar="ZONE", help="The zone of texts that name none, as in Europe/Berlin; otherwise UTC."
    ),
    click.option("--guess", is_flag=True, help="Find patterns: all arguments are texts."),
    click.option("--format", "printing", is_flag=True, help="Print by PATTERN; TEXT is a time in an ISO form."),
    takes_json,
    within=cli,
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

        end(time_guess.show(texts_of(words), zone, pivot_year, as_json))
    pattern, *given = words
    if not given:
        raise click.UsageError(_no_texts(pattern))
    from ddbetl.cli import time_format
    from ddbetl.cli.time import show, texts_of

    end((time_format.show if printing else show)(pattern, texts_of(given), zone, pivot_year, as_json))


def _no_texts(pattern: str) -> str:
    if any(character.isdigit() for character in pattern):
        return f"a TEXT is missing behind the PATTERN\ndid you mean ddbetl time --guess {shlex.quote(pattern)}?"
    return "a TEXT is missing behind the PATTERN"


@command(
    click.option("--keep", is_flag=True, help="Leave the server running afterwards, until Ctrl-C, to try things on."),
    within=cli,
)
def demo(keep: bool) -> None:
    """Fill one table from thirteen, on a local DynamoDB of its own.

    Starts an embedded server, loads thirteen monthly tables, runs a spec over them and shows the result, in some
    twenty seconds. Needs no AWS account and reads none of your AWS settings.
    """
    from ddbetl.cli.demo import show

    end(show(keep))


cli.add_command(help_)
