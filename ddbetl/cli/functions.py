"""The pages of ``ddbetl functions``: the list by category, and the whole of one function.

In: the registry, or the functions of a file. Out: text. Invariant: nothing is said here that they do not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from ddbetl import python_files
from ddbetl.cli.terminal import page_width, start_of, wrapped
from ddbetl.diagnostics import did_you_mean
from ddbetl.expressions.resolve import usage
from ddbetl.functions.model import Example, Function
from ddbetl.functions.registry import FUNCTIONS, OPERATORS

EVERYTHING = (*FUNCTIONS, *OPERATORS)
# A beginning shorter than this says too little.
LEAST = 25


def categories(functions: Sequence[Function] = EVERYTHING) -> Iterator[tuple[str, list[Function]]]:
    """The functions by category, in the order of the registry."""
    for name in dict.fromkeys(function.category for function in functions):
        yield name, [function for function in functions if function.category == name]


def own(file: str) -> tuple[Function, ...]:
    """The functions of a Python file; raises BadParameter where it cannot be used."""
    found = python_files.load(file, Path())
    if found.problem:
        hint = f"; {found.hint}" if found.hint else ""
        raise click.BadParameter(f"{found.message}{hint}", param_hint="--using")
    return found.functions


def catalogue(functions: Sequence[Function] = EVERYTHING, using: str = "") -> str:
    """Functions and operators, a line each; ``using``: the file that they are of."""
    size = max(len(function.name) for function in functions)
    lines = []
    for category, members in categories(functions):
        lines.append(click.style(category, bold=True))
        room = page_width() - size - 4
        for function in members:
            name = click.style(function.name.ljust(size), fg="cyan")
            lines.append(f"  {name}  {gist(function.doc, room)}")
        lines.append("")
    option = f" --using {using}" if using else ""
    lines.append(f"ddbetl functions NAME{option} shows one{'' if using else ' with examples'}.")
    return "\n".join(lines)


def gist(doc: str, size: int) -> str:
    """The beginning of a documentation, without Markdown's marks, that makes sense in so many cells."""
    text = " ".join(doc.split()).replace("`", "")
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z])", text)
    # A form alone, such as CAST(value AS NUMBER), says nothing.
    first = " ".join(sentences[:2]) if re.match(r"`[^`]*`\.", doc) else sentences[0]
    if len(first) <= size:
        return first
    ends = [found.start() for found in re.finditer(r"[,;:.] ", first) if LEAST <= found.start() < size - 1]
    return first[: ends[-1]] + " …" if ends else start_of(first, size)


def find(name: str, functions: Sequence[Function] = EVERYTHING) -> Function | None:
    """The function or operator of a name, whatever its case and with or without parentheses."""
    wanted = " ".join(name.removesuffix("()").upper().split())
    return next((function for function in functions if function.name.upper() == wanted), None)


def unknown(name: str, functions: Sequence[Function] = EVERYTHING) -> str:
    """What to say of a name that no function has."""
    hint = did_you_mean(name, (function.name for function in functions))
    return f"error: there is no function {name}\n = {hint or 'ddbetl functions lists them all'}"


def page(name: str, functions: Sequence[Function] = EVERYTHING) -> str | None:
    """All about one function; None if there is none of that name."""
    function = find(name, functions)
    if function is None:
        return None
    heads = usage(function).split("; ") if usage(function) else [function.name]
    lines = [click.style(head, fg="cyan", bold=True) for head in heads]
    lines += ["", wrapped("  ", function.doc.replace("`", ""), page_width()), ""]
    size = max((len(example.expression) for example in function.examples), default=0)
    for example in function.examples:
        lines += _example(example, min(size, 56))
    return "\n".join(lines)


def _example(example: Example, size: int) -> list[str]:
    colour = "red" if example.result.startswith("error:") else "green"
    line = f"  {example.expression:<{size}}  → {click.style(example.result, fg=colour)}"
    if example.item == "{}":
        return [line]
    return [line, click.style(f"    for the item {example.item}", dim=True)]
