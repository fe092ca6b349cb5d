"""The reference pages of docs/ that are made from the program itself: commands, functions, errors.

In: the commands, the registry of functions, the table of codes. Out: Markdown. ``python -m ddbetl.cli.reference docs/``
writes the pages; a test compares them with what this module says.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import click

from ddbetl.cli.code_examples import EXAMPLES
from ddbetl.cli.commands import cli
from ddbetl.cli.exit_codes import MEANINGS
from ddbetl.cli.functions import categories
from ddbetl.codes import CODES
from ddbetl.expressions.resolve import usage
from ddbetl.functions.casts import STRICTNESS
from ddbetl.functions.model import Example, Function

NOTE = "<!-- Written by python -m ddbetl.cli.reference docs/ -->"


def commands_page() -> str:
    """docs/cli.md: every command with its arguments and options; options that commands share are listed once."""
    commands = dict(_every_command(cli, click.Context(cli, info_name="ddbetl", **cli.context_settings)))
    options = {context: _options(command, context) for context, command in commands.items()}
    everywhere = _shared(list(options.values()))
    of_specs = _shared([options[context] for context, command in commands.items() if _takes_spec(command)])
    lines = [NOTE, "", "# Commands", "", *_paragraphs(cli)]
    lines += ["", "| command | |", "|---|---|"]
    lines += [
        f"| [`{path}`](#{path.replace(' ', '-')}) | {_cell(command.get_short_help_str(limit=200))} |"
        for path, command in ((context.command_path, command) for context, command in commands.items())
    ]
    lines += ["", "Results go to standard output; progress, questions and messages go to standard error."]
    for context, command in commands.items():
        lines += ["", f"## {context.command_path}", "", "```", _usage(command, context), "```", ""]
        lines += _paragraphs(command)
        shared = of_specs if _takes_spec(command) else everywhere
        own = [option for option in options[context] if option not in shared]
        if own:
            lines += ["", *_option_table(own)]
        if _takes_spec(command):
            lines += ["", "And the [options of all commands that take a SPEC](#options-of-a-spec)."]
    lines += ["", "## Options of a SPEC", "", *_option_table([o for o in of_specs if o not in everywhere])]
    lines += ["", "## Options of every command", "", *_option_table(everywhere)]
    lines += ["", "## Exit codes", "", "| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {_cell(meaning)} |" for code, meaning in MEANINGS.items()]
    lines += ["", "## Environment", "", "| variable | |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(meaning)} |" for name, meaning in ENVIRONMENT.items()]
    return "\n".join(lines) + "\n"


ENVIRONMENT = {
    "AWS_…": "credentials, region, profile, endpoint, configuration files: as boto3 reads them",
    "NO_COLOR": "no colours when set, as --no-color",
    "DDBETL_DEBUG": "the traceback of a bug when set, as --debug",
}

# An option as help shows it: its names and what they take, and what it does.
Option: TypeAlias = tuple[str, str]


def _shared(lists: Sequence[Sequence[Option]]) -> list[Option]:
    return [option for option in lists[0] if all(option in others for others in lists)]


def _takes_spec(command: click.Command) -> bool:
    return any(parameter.name == "spec" for parameter in command.params)


def _every_command(group: click.Group, above: click.Context) -> Iterator[tuple[click.Context, click.Command]]:
    """The commands of a group, each followed by those within it."""
    for name, command in group.commands.items():
        context = click.Context(command, info_name=name, parent=above)
        yield context, command
        if isinstance(command, click.Group):
            yield from _every_command(command, context)


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join([context.command_path, *command.collect_usage_pieces(context)])


def _paragraphs(command: click.Command) -> list[str]:
    """The help of a command as Markdown: paragraphs, and the blocks that click keeps as they are as code."""
    out: list[str] = []
    for block in inspect.cleandoc(command.help or "").split("\n\n"):
        if block.startswith("\b\n"):
            out += ["```", inspect.cleandoc(block[2:]), "```", ""]
        else:
            out += [" ".join(block.split()), ""]
    return out[:-1]


def _options(command: click.Command, context: click.Context) -> list[Option]:
    records = (p.get_help_record(context) for p in command.get_params(context) if isinstance(p, click.Option))
    return [record for record in records if record is not None]


def _option_table(options: Sequence[Option]) -> list[str]:
    return ["| option | |", "|---|---|", *(f"| `{_cell(names)}` | {_cell(text)} |" for names, text in options)]


def functions_page() -> str:
    """docs/functions.md: every function and operator with its examples, which the tests execute."""
    lines = [
        NOTE,
        "",
        "# Functions and operators",
        "",
        "Names ignore case. A NULL argument (a missing attribute, or DynamoDB's NULL value) gives NULL where nothing "
        "else is said. A value of a type that a function does not take is an error of that row. "
        "`ddbetl functions NAME` shows the same. Every example is executed by the tests.",
    ]
    for category, members in categories():
        links = ", ".join(f"[`{function.name}`](#{_anchor(function.name)})" for function in members)
        lines += ["", f"## {category.capitalize()}", "", links]
        for function in members:
            lines += ["", *_function(function)]
    return "\n".join([*lines, "", *_casts()]) + "\n"


def _casts() -> list[str]:
    """Which casts there are, and what each takes."""
    lines = [
        "## What CAST takes",
        "",
        "A cast to the value's own type changes nothing. What a cast does not take is an error of the row; one that is "
        "not here is an error of the spec where the type is known before the run, else of the row.",
        "",
        "| from | to | takes |",
        "|---|---|---|",
    ]
    return [*lines, *(f"| {source} | {to} | {_cell(takes)} |" for source, to, takes in STRICTNESS)]


def _function(function: Function) -> list[str]:
    lines = [f'<a id="{_anchor(function.name)}"></a>', "", f"### `{function.name}`"]
    if heads := usage(function):
        lines += ["", "```", *heads.split("; "), "```"]
    lines += ["", " ".join(function.doc.split()), "", "| expression | result | item |", "|---|---|---|"]
    return [*lines, *(_example(example) for example in function.examples)]


def _example(example: Example) -> str:
    item = "" if example.item == "{}" else _code(example.item)
    result = example.result
    shown = f"*error:* {_cell(result.removeprefix('error:').strip())}" if result.startswith("error:") else _code(result)
    return f"| {_code(example.expression)} | {shown} | {item} |"


def _anchor(name: str) -> str:
    """A place to link to, also for a name of signs."""
    return "fn-" + re.sub(r"[^a-z0-9]+", lambda found: "".join(f"-{ord(c):x}" for c in found[0]), name.lower())


def errors_page() -> str:
    """docs/errors.md: every code that a message can carry."""
    lines = [
        NOTE,
        "",
        "# Errors and warnings",
        "",
        "A code never changes its meaning. `E…` is an error of the spec, found before anything is read or written; "
        "`W…` a warning; `R…` an error of a single row, which goes to the rejects. `ddbetl help CODE` shows the same.",
        "",
        *DIAGNOSTICS_SCHEMA,
        "",
        "| code | |",
        "|---|---|",
    ]
    lines += [f"| [{code.code}](#{code.code.lower()}) | {_cell(code.title)} |" for code in CODES.values()]
    for code in CODES.values():
        lines += ["", f'<a id="{code.code.lower()}"></a>', "", f"## {code.code}: {code.title}", "", code.page.strip()]
        lines += _code_example(code.code)
    return "\n".join(lines) + "\n"


def _code_example(code: str) -> list[str]:
    example = EXAMPLES.get(code)
    if example is None:
        return []
    given = f", with {_code(example.given)}" if example.given else ""
    return ["", f"For example{given}:", "", "```", *example.spec.split("\n"), "", *example.said.split("\n"), "```"]


DIAGNOSTICS_SCHEMA = (
    "## For editors",
    "",
    "`ddbetl check SPEC --format json` writes errors and warnings to standard output as JSON, also of a spec that is "
    'right, and ends with the code that it has without the option: `{"ddbetl_diagnostics": 1, "diagnostics": […]}`, '
    "in the order of the text. Members may be added; one that is there keeps its meaning as long as "
    "`ddbetl_diagnostics` is 1.",
    "",
    "| member of a diagnostic | |",
    "|---|---|",
    "| `code` | such as `E0301` |",
    "| `severity` | `error` or `warning` |",
    "| `message` | what is wrong |",
    "| `hint` | what to do, or null |",
    "| `source` | the file, `<stdin>`, `<command line>`, or the option of the command line that the place is in |",
    "| `span` | the place; null for what has none in the spec, such as a missing parameter |",
    "| `labels` | other places that matter, each with its `message` and `span` |",
    "",
    "| member of a span | |",
    "|---|---|",
    "| `start`, `end` | characters of the text from 0, `end` behind the last one |",
    "| `line`, `column` | the first character, counted from 1 |",
    "| `end_line`, `end_column` | behind the last character, counted from 1 |",
    "",
    "Characters are Unicode code points: in editors that count UTF-16 units, one beyond U+FFFF is two. "
    "A byte order mark at the beginning of a file is not counted.",
    "",
    "## Codes",
)


def _cell(text: str) -> str:
    """A text that may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _code(text: str) -> str:
    """A text as code in a cell of a Markdown table, whatever backticks it has."""
    fence = "``" if "`" in text else "`"
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{_cell(text)}{space}{fence}"


PAGES: dict[str, Callable[[], str]] = {
    "cli.md": commands_page,
    "functions.md": functions_page,
    "errors.md": errors_page,
}


def write(folder: Path) -> None:
    """Write the pages into a folder."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
