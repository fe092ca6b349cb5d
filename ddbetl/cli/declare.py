"""What all commands share: how they are declared, what becomes of exceptions, options.

In: a function and its options. Out: a command of ``ddbetl``. Invariant: whatever goes wrong ends in one short message
and the exit code that docs/cli.md promises.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import click
from click.core import ParameterSource

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.terminal import complain, err, harmless, json_text, out, width
from ddbetl.engine.folder import STATE_DIR
from ddbetl.errors import DdbetlError, SpecError

if TYPE_CHECKING:
    from ddbetl.diagnostics import Diagnostic
    from ddbetl.source import SourceText


class Command(click.Command):
    """A command that knows what is meant by ``domain=Devo`` alone, and takes a spec that begins with a comment."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            spec = next((word for word in given if _is_spec(word, error.option_name)), None)
            if spec is not None and _takes(self, "spec", "specs"):
                given.remove(spec)
                dashes = [] if "--" in given else ["--"]
                return self.parse_args(ctx, [*given, *dashes, spec])
            texts = [word for word in given if re.match(r"-\d", word)]
            if texts:
                message = f"{error.message}\na text that begins with a dash stands behind --, as in -- {texts[0]}"
                raise click.UsageError(message, ctx) from None
            raise
        except click.UsageError as error:
            extra = [word for word in given if re.match(r"[A-Za-z_]\w*=", word) and f"{word}" in error.message]
            if "unexpected extra argument" in error.message and extra and _takes(self, "param"):
                wanted = " ".join(f"-p {shlex.quote(word)}" for word in extra)
                raise click.UsageError(f"{error.message}\ndid you mean {wanted}?", ctx) from None
            raise


def _is_spec(word: str, option: str) -> bool:
    """Tell whether a word that is no option is a spec that begins with a comment: ``--`` and a space, or several
    lines. ``option``: what was taken for an option's name, which ends before the first ``=``."""
    return word.partition("=")[0] == option and (re.match(r"--\s", word) is not None or "\n" in word)


def _takes(command: click.Command, *names: str) -> bool:
    return any(parameter.name in names for parameter in command.params)


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
            if ctx.meta.get(_DIAGNOSTICS) == "json":
                out(diagnostics_json(error.source, error.diagnostics))
            else:
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


def diagnostics_json(source: SourceText, diagnostics: Sequence[Diagnostic]) -> str:
    """What is wrong with a spec, or looks wrong, as JSON."""
    from ddbetl.diagnostics import as_json

    return json_text({"ddbetl_diagnostics": 1, "diagnostics": as_json(source, diagnostics)})


_DIAGNOSTICS = "ddbetl.diagnostics"


def _noted(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Errors are found before a command begins, so how they are shown is noted where all contexts have it."""
    context.meta[_DIAGNOSTICS] = value
    return value


takes_format = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    is_eager=True,
    callback=_noted,
    help="json: errors and warnings with their places, for editors; see docs/errors.md.",
)


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
    *decorators: Decorator, within: click.Group | None, name: str | None = None
) -> Callable[..., click.Command]:
    """Declare a command with the options of its own and the ones that every command has.

    ``within``: the group that it is one of, None where that takes it up itself. ``name``: where the function has
    another.
    """

    def declare(function: Callable[..., None]) -> click.Command:
        function = everywhere(function)
        for decorate in reversed(decorators):
            function = decorate(function)
        made = click.command(name, cls=Command)(function)
        if within is not None:
            within.add_command(made)
        return made

    return declare


_EVERYWHERE: tuple[Decorator, ...] = (
    click.option("--no-color", is_flag=True, expose_value=False, callback=_no_color, help="No colours, as NO_COLOR=1."),
    click.option("--debug", is_flag=True, expose_value=False, callback=_debug, help="Show the traceback of a bug."),
)


def everywhere(function: Callable[..., None]) -> Callable[..., None]:
    for decorate in reversed(_EVERYWHERE):
        function = decorate(function)
    return function


takes_json = click.option("--json", "as_json", is_flag=True, help="JSON instead of text.")
takes_progress = click.option(
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


takes_state_dir = click.option(
    "--state-dir",
    metavar="FOLDER",
    default=STATE_DIR,
    show_default=True,
    callback=_inherited,
    help="Where the jobs are.",
)


def end(code: int) -> NoReturn:
    """End a command with an exit code."""
    raise click.exceptions.Exit(code)
