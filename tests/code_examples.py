"""The examples that ``ddbetl help CODE`` shows, made from the golden cases.

In: the cases of the diagnostics. Out: the text of ``ddbetl/cli/code_examples.py``. An example that is still a case stays as
it is; ``pytest --update tests/test_help.py`` makes those that are missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from cases import Case, cases
from vectorised import compiled, reference

from ddbetl import api
from ddbetl.cli.code_examples import EXAMPLES, CodeExample
from ddbetl.codes import CODES, ITEMS, ROWS
from ddbetl.errors import RowError

MODULE = Path(api.__file__).parent / "cli" / "code_examples.py"
# More words than an example could hold.
TOO_LONG = "E0108"

_HEAD = '''"""An example of the code of every error and warning: a spec or an expression, and what ddbetl says of it.

Written by ``pytest --update tests/test_help.py`` from the golden cases, which run them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeExample:
    """A spec, or an expression; the message; what else is given: on the command line, or the item."""

    spec: str
    said: str
    given: str = ""


# fmt: off
# ruff: noqa: E501
EXAMPLES: dict[str, CodeExample] = {
'''


# Expressions and items whose evaluation ends in the error of a row; other such errors are not of one expression.
EVALUATED = {
    "R0101": ("length(OrderID)", '{"OrderID": {"N": "17"}}'),
    "R0102": ("x = y", '{"x": {"S": "1"}, "y": {"N": "1"}}'),
    "R0103": ("n * n", '{"n": {"N": "1E+63"}}'),
    "R0104": ("n + 1", '{"n": {"N": "1E+40"}}'),
    "R0105": ("to_number(Price)", '{"Price": {"S": "1,000"}}'),
    "R0106": ("Total / Count", '{"Total": {"N": "12"}, "Count": {"N": "0"}}'),
    "R0107": ("epoch(DateTime, 'dd/MM/yyyy')", '{"DateTime": {"S": "2017-04-26"}}'),
    "R0108": ("parse_time(DateTime) + n * 1 week", '{"DateTime": {"S": "2017-04-26"}, "n": {"N": "1E+12"}}'),
    "R0110": ("substr('abc', 1, n)", '{"n": {"N": "-1"}}'),
    "R0111": ("from_base64(x)", '{"x": {"S": "aGk"}}'),
    "R0112": ("Name LIKE pattern ESCAPE '!'", '{"Name": {"S": "50%"}, "pattern": {"S": "50!"}}'),
    "R0113": ("CAST(Active AS BOOLEAN)", '{"Active": {"S": "yes"}}'),
    "R0114": ("from_json(x)", '{"x": {"S": "{\\"a\\": no}"}}'),
}


def wanted() -> list[str]:
    """The codes that have an example: those of specs, and of expressions."""
    return sorted(set(CODES) - {code.code for code in (*ROWS, *ITEMS)} - {TOO_LONG}) + sorted(EVALUATED)


def evaluated(code: str) -> CodeExample:
    """The example of a row's error, by the reference evaluator."""
    text, item = EVALUATED[code]
    found = reference(compiled(text), json.loads(item))
    assert isinstance(found, RowError), found
    return CodeExample(text, f"{found.code}: {found.message}", f"the item {item}")


def candidates(code: str) -> list[CodeExample]:
    """What could be the example of a code, the simplest first."""
    if code in EVALUATED:
        return [evaluated(code)]
    return [_example(case, code) for case in sorted(_showing(code), key=lambda case: _weight(case, code))]


def _showing(code: str) -> Iterator[Case]:
    for case in cases("diagnostics"):
        if code in _codes(case) and not re.search(r"[^\n -~…–\w]", case.spec):
            yield case


def _codes(case: Case) -> list[str]:
    return re.findall(r"^(?:error|warning)\[([EW][0-9]{4})\]", case.text("expect") or "", re.M)


def _weight(case: Case, code: str) -> tuple[bool, bool, bool, int, int, str]:
    example = _example(case, code)
    lines = (example.spec + "\n" + example.said).splitlines()
    own = "USING '" in example.spec and not code.startswith("E02")
    ours = bool(example.given) or own or (code == "E0203" and "USING" in example.spec)
    long, many = max(map(len, lines)) > 110, len(set(_codes(case))) > 1
    return ours, long, many, len(_codes(case)) * 2 + example.spec.count("\n"), sum(map(len, lines)), case.path.name


def _example(case: Case, code: str) -> CodeExample:
    messages = (case.text("expect") or "").strip("\n").split("\n\n")
    said = next(message for message in messages if re.match(rf"(error|warning)\[{code}\]", message))
    return CodeExample(case.spec.strip("\n"), said.rstrip("\n"), (case.text("args") or "").strip())


def chosen() -> dict[str, CodeExample]:
    """An example of each code: the one that there is, or the simplest."""
    found = {}
    for code in wanted():
        possible = candidates(code)
        if EXAMPLES.get(code) in possible:
            found[code] = EXAMPLES[code]
        elif possible:
            found[code] = possible[0]
    return found


def module_text(examples: dict[str, CodeExample]) -> str:
    """The text of the module."""
    out = [_HEAD]
    for code, example in examples.items():
        more = f"\n        {example.given!r}," if example.given else ""
        out.append(
            f"    {code!r}: CodeExample(\n        {_text(example.spec)},\n        {_text(example.said)},{more}\n    ),\n"
        )
    return "".join(out) + "}\n"


def _text(text: str) -> str:
    lines = text.split("\n")
    if len(lines) == 1:
        return repr(text)
    return "\n        ".join(repr(line + "\n") if n < len(lines) - 1 else repr(line) for n, line in enumerate(lines))
