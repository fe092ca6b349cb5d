"""The commands about jobs.

In: arguments. Out: a call of the module that does the work, imported only then.
"""

from __future__ import annotations

import re

import click

from ddbetl.cli.declare import Commands, command, end, everywhere, takes_json, takes_progress, takes_state_dir


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


takes_job = click.argument("job_id", metavar="ID")


@click.group(
    cls=JobCommands,
    invoke_without_command=True,
    subcommand_metavar="[COMMAND [ARGUMENTS]...]",
    short_help="List the jobs; show, watch, change or remove one.",
)
@everywhere
@takes_json
@takes_state_dir
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

    end(show_list(state_dir, as_json))


@command(takes_job, takes_json, takes_state_dir, name="show", within=jobs)
def jobs_show(job_id: str, as_json: bool, state_dir: str) -> None:
    """Show all about one job, and how to go on with it.

    Its spec, parameters and options, how far each table is, what was rejected and why, where its files are.
    """
    from ddbetl.cli.jobs import show_one

    end(show_one(job_id, state_dir, as_json))


@command(takes_job, takes_progress, takes_state_dir, name="watch", within=jobs)
def jobs_watch(job_id: str, progress: str, state_dir: str) -> None:
    """Show the progress of a running job until it ends.

    As run shows it, with its summary and its exit code; of a job that has ended, at once. Ctrl-C ends the watching,
    not the job.
    """
    from ddbetl.cli.watch import watch

    end(watch(job_id, progress, state_dir))


@command(
    takes_job,
    click.argument("changes", metavar="RATE=VALUE...", nargs=-1, required=True),
    takes_state_dir,
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

    end(change_rates(job_id, changes, state_dir))


@command(
    click.argument("job_ids", metavar="[ID]...", nargs=-1),
    click.option("--finished", is_flag=True, help="All jobs that are done."),
    click.option("-y", "--yes", is_flag=True, help="Remove without asking."),
    takes_state_dir,
    name="rm",
    within=jobs,
)
def jobs_rm(job_ids: tuple[str, ...], finished: bool, yes: bool, state_dir: str) -> None:
    """Remove jobs with all their files.

    Asks before something is lost: a job that is not finished, or the file of what was rejected. A running job is not
    removed. What it has written into its target stays there.
    """
    from ddbetl.cli.jobs import remove

    end(remove(job_ids, finished, yes, state_dir))


@command(
    takes_job,
    click.option(
        "--examples",
        metavar="N",
        type=click.IntRange(0, 1_000),
        default=3,
        show_default=True,
        help="How many rows of each cause.",
    ),
    takes_json,
    takes_state_dir,
    within=None,
)
def rejects(job_id: str, examples: int, as_json: bool, state_dir: str) -> None:
    """Show what a job rejected: why, how often, which rows.

    ID is the job's, the beginning of it, or last for the newest. Each cause with its place in the spec and the first
    rows of it; and how to get them in when that is mended.
    """
    from ddbetl.cli.rejects import show

    end(show(job_id, examples, state_dir, as_json))
