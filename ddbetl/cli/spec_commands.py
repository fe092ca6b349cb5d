"""The commands about the text of a spec, its permissions and its errors.

In: arguments. Out: a call of the module that does the work, imported only then.
"""

from __future__ import annotations

import click

from ddbetl.cli.declare import command, end
from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.spec import naming_profile, table_name, takes_connection, takes_spec
from ddbetl.cli.terminal import complain, json_text, out
from ddbetl.inputs import Inputs


@command(
    click.argument("specs", metavar="SPEC...", nargs=-1, required=True),
    click.option("--check", is_flag=True, help="Write nothing; name the specs that would change, and end with code 1."),
    click.option("--diff", is_flag=True, help="Write nothing; show what would change."),
    within=None,
)
def fmt(specs: tuple[str, ...], check: bool, diff: bool) -> None:
    """Bring specs into their canonical form.

    A file is rewritten in place; of standard input (-) and of a text in quotes the canonical form is shown. It means
    the same and has the same comments. A spec that is wrong stays as it is.
    """
    from ddbetl.cli.fmt import show

    end(show(specs, check=check, diff=diff))


@command(
    takes_spec,
    click.option("--offline", is_flag=True, help="Look no table up: patterns of tables become wildcards."),
    within=None,
)
def iam(inputs: Inputs, offline: bool) -> None:
    """Show the IAM permissions that a spec needs, as JSON.

    A policy document that grants what running the spec takes on its tables, and nothing else. Where the source and the
    target are reached by different profiles or roles, an object of several documents, each under the ARN of its role,
    "profile NAME", or "default".

    \b
      ddbetl iam promo.ddbetl -p domain=Devo > policy.json
      aws iam create-policy --policy-name promo \\
          --policy-document file://policy.json
    """
    from ddbetl.cli.iam import documents

    out(json_text(documents(inputs, offline)))


@command(
    click.argument("table", metavar="TABLE", callback=table_name),
    click.option(
        "--into",
        metavar="TABLE",
        callback=table_name,
        help="The target; with a KEY clause where there is no such table.",
    ),
    click.option(
        "--sample",
        metavar="N",
        type=click.IntRange(0, 10_000),
        default=100,
        show_default=True,
        help="How many items to look at for the columns; 0 for none.",
    ),
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="Write the spec into a new file; one that is there is not overwritten.",
    ),
    takes_connection,
    within=None,
)
def init(table: str, into: str | None, sample: int, output: str | None, **connection: str | None) -> None:
    """Write the first spec of a table.

    Reads a few items, and shows a spec that copies their attributes: the key first, then the others by how many items
    have them, each with its type. What may be wanted instead, such as the epoch seconds of a time, stands beside as a
    comment. With --into the spec can be run as it is; without, ``run --into TABLE`` says where to.
    """
    from ddbetl.cli.init import show

    with naming_profile(connection["profile"]):
        show(table, into, sample, output, connection)


@command(click.argument("word", metavar="[CODE]", required=False), within=None, name="help")
@click.pass_context
def help_(context: click.Context, word: str | None) -> None:
    """Explain the code of an error or a warning, or a command.

    CODE is the code of a message, such as E0203, in any case; E, W or R, or the beginning of a code, lists those that
    begin so.
    """
    above = context.parent
    assert above is not None and isinstance(above.command, click.Group)
    if word is None:
        out(above.get_help())
        return
    found = above.command.get_command(above, word)
    if found is not None:
        out(found.get_help(click.Context(found, info_name=word, parent=above)))
        return
    from ddbetl.cli import codes

    matching = codes.find(word)
    if not matching:
        complain(codes.unknown(word, above.command.list_commands(above)))
        end(ExitCode.USAGE)
    out(codes.page(matching[0]) if len(matching) == 1 else codes.listed(matching))
