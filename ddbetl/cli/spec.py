"""The spec that a command is about, and what the command line adds to it.

In: the SPEC argument and the options that check, explain, preview and run share. Out: ``Inputs``, and their plan.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ddbetl.cli.terminal import complain, width
from ddbetl.errors import ConnectionFailed, SpecError
from ddbetl.inputs import Inputs

if TYPE_CHECKING:
    from ddbetl.api import Plan

# How files of specs end; anything else with a blank in it that names no file is the text of a spec.
ENDINGS = (".ddbetl", ".sql")


def compiled(inputs: Inputs, *, warn: bool = True, traffic: bool = False) -> Plan:
    """Look the tables up, with ``traffic`` also how much of them is in use, and make the plan; its warnings go to
    standard error."""
    from ddbetl import api

    # What a file of USING prints is not among what a command prints, which programs read.
    with naming_profile(inputs.profile), redirect_stdout(sys.stderr):
        plan = api.compiled(inputs, traffic=traffic)
    if warn:
        show_warnings(plan)
    return plan


def checked(inputs: Inputs) -> Plan:
    """Make the plan as far as that is possible without the tables."""
    from ddbetl import api

    with redirect_stdout(sys.stderr):
        return api.checked(inputs)


def show_warnings(plan: Plan) -> None:
    """Write the plan's warnings, as far as it has any."""
    from ddbetl.diagnostics import render

    if plan.warnings:
        complain(render(plan.source, plan.warnings, width(sys.stderr)) + "\n")


@contextmanager
def naming_profile(profile: str | None) -> Iterator[None]:
    """Answer a profile of the command line that there is not with its usage."""
    try:
        yield
    except ConnectionFailed as error:
        if profile is not None and type(error.__cause__).__name__ == "ProfileNotFound" and f"({profile})" in str(error):
            raise click.BadParameter(str(error), param_hint="--profile") from error
        raise


def check_overrides(inputs: Inputs) -> None:
    """Refuse wrong --let and --with all at once, together with what is wrong in the text of the spec."""
    if not inputs.lets and not inputs.options:
        return
    from ddbetl.diagnostics import Diagnostic
    from ddbetl.source import SourceText
    from ddbetl.syntax import parser

    spec = SourceText(inputs.text, inputs.name)
    found: list[Diagnostic] = []

    def collect(parse: Callable[[], object]) -> bool:
        try:
            parse()
        except SpecError as error:
            found.extend(replace(one, source=one.source or error.source) for one in error.diagnostics)
            return False
        return True

    lets = [collect(lambda let=let: parser.parse_let(let, f"--let {let!r}")) for let in inputs.lets]  # type: ignore[misc]
    options = [collect(lambda one=one: parser.parse_option(one, f"--with {one!r}")) for one in inputs.options]  # type: ignore[misc]
    if not all((*lets, *options)):
        mistakes, found = found, []
        collect(lambda: parser.parse(spec))
        raise SpecError(spec, (*found, *mistakes))


def read_spec(spec: str) -> tuple[str, str]:
    """The text that SPEC stands for, and the name that messages give it."""
    if spec == "-":
        if sys.stdin is None:
            raise click.BadParameter("there is no standard input", param_hint="SPEC")
        return _decoded(sys.stdin.buffer.read(), "<stdin>"), "<stdin>"
    if is_text(spec):
        return spec, "<command line>"
    try:
        return _decoded(Path(spec).read_bytes(), spec), spec
    except FileNotFoundError:
        hint = "; the text of a spec goes in quotes" if spec.upper() in ("SELECT", "INSERT", "PARAM", "LET") else ""
        raise click.BadParameter(f"there is no file {spec!r}{hint}", param_hint="SPEC") from None
    except OSError as error:
        raise click.BadParameter(f"{spec}: {error.strerror}", param_hint="SPEC") from None


def is_text(spec: str) -> bool:
    """Tell whether SPEC is a spec's own text: several words, and no file of that name; or nothing at all."""
    if not spec.strip():
        return True
    if len(spec.split()) < 2 or spec.rstrip().endswith(ENDINGS):
        return False
    try:
        return not Path(spec).exists()
    except (OSError, ValueError):  # too long for a name, or with characters that no name has
        return True


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        complain(f"error: {name} is not UTF-8 text: line {line} has the byte 0x{content[error.start]:02x}")
        raise click.exceptions.Exit(1) from None


def takes_spec(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument SPEC and the options that go with it; it gets them as ``Inputs``."""

    @functools.wraps(command)
    def with_inputs(*, spec: str, param: tuple[tuple[str, str], ...], **given: Any) -> None:
        text, name = read_spec(spec)
        inputs = Inputs(
            text,
            name,
            params=dict(param),
            lets=given.pop("let"),
            options=given.pop("with_"),
            **{key: given.pop(key) for key in ("into", "on_conflict", "region", "profile", "endpoint_url")},
        )
        check_overrides(inputs)
        command(inputs, **given)

    for decorate in reversed(_SPEC_OPTIONS):
        with_inputs = decorate(with_inputs)
    return with_inputs


def takes_connection(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which DynamoDB is meant."""
    for decorate in reversed(_CONNECTION_OPTIONS):
        command = decorate(command)
    return command


def table_name(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse what cannot be the name of a table."""
    if value is not None:
        from ddbetl.plan.names import TABLE_NAME

        if not TABLE_NAME.fullmatch(value):
            name = value if len(value) <= 255 else f"{value[:255]}…"
            raise click.BadParameter(f"{name!r} cannot be a table's name: 3 to 255 of letters, digits, _ . and -")
    return value


def _params(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs: list[tuple[str, str]] = []
    for value in values:
        name, equals, text = value.partition("=")
        name = name.strip()
        if not equals or not name:
            raise click.BadParameter(f"{value!r} is not of the form name=value")
        if name in dict(pairs):
            raise click.BadParameter(f"{name} is given twice")
        pairs.append((name, text))
    return tuple(pairs)


def _endpoint(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        from ddbetl.connectors.dynamodb.endpoint import Endpoint

        try:
            # The region has no part in whether it is a URL.
            Endpoint.parse(value, "us-east-1")
        except ValueError as error:
            # The value itself may hold a password; the error's text shows it where it does not.
            raise click.BadParameter(f"{error}; it looks like http://127.0.0.1:8000") from None
    return value


_CONNECTION_OPTIONS = (
    click.option("--region", metavar="NAME", help="The AWS region; otherwise as AWS's own tools find it."),
    click.option("--profile", metavar="NAME", help="The profile of the AWS configuration files."),
    click.option(
        "--endpoint-url", metavar="URL", callback=_endpoint, help="Another DynamoDB, such as http://127.0.0.1:8000."
    ),
)

_SPEC_OPTIONS = (
    click.argument("spec", metavar="SPEC"),
    click.option(
        "-p",
        "--param",
        metavar="NAME=VALUE",
        multiple=True,
        callback=_params,
        help="The value of a PARAM of the spec. May be repeated.",
    ),
    click.option(
        "--let",
        metavar="'NAME = CONSTANT'",
        multiple=True,
        help="Add a LET, or replace the spec's. May be repeated.",
    ),
    click.option(
        "--with",
        "with_",
        metavar="'OPTION = VALUE'",
        multiple=True,
        help="Set an option of WITH, such as 'read = 30%'. May be repeated.",
    ),
    click.option("--into", metavar="TABLE", help="The target of a spec that names none."),
    click.option(
        "--on-conflict",
        metavar="ACTION",
        help="What happens where the target has the key already: reject, skip, fail, replace, 'keep newest by COLUMN'.",
    ),
    *_CONNECTION_OPTIONS,
)
