"""``ddbetl demo``: the whole tool in some twenty seconds, on a DynamoDB of its own.

In: nothing. Out: a story in five steps on standard output, progress on standard error. Invariant: no AWS account, no
AWS setting of the user's and no network have a part in it, and the server ends with the demo.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ddbetl.cli.exit_codes import ExitCode
from ddbetl.cli.preview import rows_as_table
from ddbetl.cli.run import Outputs, execute, header
from ddbetl.cli.spec import show_warnings
from ddbetl.cli.summary import page
from ddbetl.cli.terminal import draws, err, is_terminal, out

SPEC_FILE = "anniversary_promo.ddbetl"
DOMAIN = "Devo"
REGION = "us-east-1"
ROWS_SHOWN = 5

# What the demo's server is reached with. It takes any credentials; these are nobody's.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
}


def show(keep: bool) -> int:
    """Show the demo; returns the exit code."""
    from ddbetl.demo.data import target_table
    from ddbetl.demo.server import embedded

    spec = spec_path()
    out(click.style("ddbetl demo", bold=True) + ": thirteen monthly tables into one")
    out("On a local DynamoDB of its own, without an AWS account or your AWS settings.")
    users_profile = "AWS_PROFILE" in os.environ
    with own_settings(), tempfile.TemporaryDirectory(prefix="ddbetl-demo-") as state_dir:
        _step(1, "Start a local DynamoDB")
        with embedded() as endpoint:
            out(f"  {endpoint}")
            _step(2, "Load thirteen months of orders")
            load(endpoint)
            _step(3, f"The spec, {spec}")
            _spec(spec)
            _step(4, "Run it")
            _command("run", shlex.quote(str(spec)), "-p", f"domain={DOMAIN}")
            code = run(spec, endpoint, state_dir)
            _step(5, "Look at the new table")
            _command("preview", f'"SELECT * FROM {target_table()}"', "--rows", str(ROWS_SHOWN))
            look(target_table(), endpoint)
            if keep and is_terminal(sys.stdin):
                keep_running(endpoint, spec, users_profile)
            else:
                out("\n" + next_steps(spec))
                if keep:
                    err("\nThe server has ended: --keep needs a terminal on which Ctrl-C can be pressed.")
    return code


def spec_path() -> Path:
    """The demo's spec: beside the package's modules where it is installed, else the checkout's."""
    import ddbetl.demo

    folder = Path(ddbetl.demo.__file__).resolve().parent
    packaged = folder / SPEC_FILE
    path = packaged if packaged.exists() else folder.parent.parent / "specs" / SPEC_FILE
    try:
        return path.relative_to(Path.cwd())
    except ValueError:
        return path


@contextmanager
def own_settings() -> Iterator[None]:
    """Hide the user's AWS settings and proxies from everything within the context."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("AWS_"):
            del os.environ[name]
    nowhere = os.path.join(os.devnull, "none")
    os.environ.update(CREDENTIALS)
    os.environ.update({"AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere})
    os.environ.update({"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def load(endpoint: str) -> None:
    """Load the tables, with a bar on a terminal."""
    import ddbetl.api
    from ddbetl.demo.data import MONTHS, load

    started = time.monotonic()
    with _loading(len(MONTHS)) as on_table:
        client: Any = ddbetl.api.demo_client(endpoint)
        loaded = load(client, on_table=on_table)
    seconds = time.monotonic() - started
    first, last = loaded.sources[0], loaded.sources[-1][-6:]
    out(f"  {first} … {last}: {loaded.items:,} items in {seconds:.1f} s")
    out("  with attributes of every type; three in ten have no OrderID")


@contextmanager
def _loading(tables: int) -> Iterator[Callable[[str, int], None]]:
    if not draws(sys.stderr):
        yield lambda name, items: None
        return
    from ddbetl.cli.bars import loading

    with loading(tables) as advance:
        yield advance


def run(spec: Path, endpoint: str, state_dir: str) -> int:
    """Run the spec as ``ddbetl run`` does, but without a question."""
    import ddbetl

    plan = ddbetl.compile(
        spec.read_text(encoding="utf-8"), name=str(spec), params={"domain": DOMAIN}, endpoint_url=endpoint
    )
    show_warnings(plan)
    err(header(plan))
    report = execute(plan, Outputs("auto", False, state_dir))
    out(page(report, asdict(plan.inputs)))
    if report.outcome == "interrupted":
        raise KeyboardInterrupt
    return ExitCode.REJECTS if report.progress.rejected else ExitCode.DONE


def look(target: str, endpoint: str) -> None:
    """Show the first rows of the new table."""
    import ddbetl

    plan = ddbetl.compile(f"SELECT * FROM {target}", endpoint_url=endpoint)
    out(rows_as_table(plan.preview(ROWS_SHOWN).rows, indent="  "))


def next_steps(spec: Path) -> str:
    """What to try after the demo."""
    return "\n".join(
        [
            click.style("Try next", bold=True),
            "  ddbetl demo --keep       the same, and the server stays for commands of your own",
            "  ddbetl functions epoch   one of the functions, with examples",
            "  ddbetl describe TABLE    a table of yours, by your AWS settings",
            f"  ddbetl check {shlex.quote(str(spec))} -p domain={DOMAIN}",
        ]
    )


def keep_running(endpoint: str, spec: Path, users_profile: bool) -> None:
    """Leave the server running until Ctrl-C, and say how to use it."""
    from ddbetl.demo.data import MONTHS, source_table, target_table

    settings = {"AWS_ENDPOINT_URL_DYNAMODB": endpoint, **CREDENTIALS}
    del settings["AWS_REGION"]
    file = shlex.quote(str(spec))
    lines = ["", click.style("The server stays until you press Ctrl-C.", bold=True) + " In another terminal:", ""]
    if users_profile:
        lines.append("  unset AWS_PROFILE")
    lines += [f"  export {name}={shlex.quote(value)}" for name, value in settings.items()]
    lines += [
        "",
        f"  ddbetl explain {file} -p domain={DOMAIN}",
        f"  ddbetl describe {source_table(MONTHS[0])}",
        '  ddbetl preview "SELECT *, source_table() AS Month FROM CustomerTracker_*"',
        f"  ddbetl run {file} -p domain={DOMAIN} --with 'write = 50%'",
        f'  ddbetl preview "SELECT * FROM {target_table()}"',
    ]
    out("\n".join(lines))
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        err("\nThe server is stopped.")


def _step(number: int, title: str) -> None:
    out("\n" + click.style(f"{number}  {title}", fg="cyan", bold=True))


def _command(*words: str) -> None:
    out(click.style("  $ ddbetl " + " ".join(words), dim=True) + "\n")


def _spec(spec: Path) -> None:
    from ddbetl.cli.highlight import highlighted

    out("\n".join(f"  {line}" for line in highlighted(spec.read_text(encoding="utf-8").rstrip()).split("\n")))
