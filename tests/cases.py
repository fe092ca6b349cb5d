"""Golden cases: text files that a user could have written, with what ddbetl must answer.

In: ``tests/cases/<kind>/*.case``. Out: ``Case`` values; ``check`` compares an answer with the expectation, or rewrites
the expectation under ``pytest --update``. A case is one file::

    What this case shows, in a line or two.
    --- spec
    SELECT lenght(OrderID) AS n FROM Orders
    --- args
    -p domain=Devo --let 'ttl = 365 days'
    --- catalog
    Orders (CustomerID S, DateTime S), 500 items, 93500 bytes, provisioned 2000 rcu 1000 wcu
    --- items Orders
    {"CustomerID": {"S": "A1"}, "DateTime": {"S": "2016-05-03T10:28:27.876-07:00"}}
    --- expect
    E0203: there is no function lenght …

A section begins with ``--- `` and its name, and ends at the next one. Its text is exact: every space counts, and only
the newline before the next section is not part of it. ``expect`` may be missing until ``--update`` writes it.

========= ==========================================================================================
spec      the spec, as its file would hold it
args      command line arguments, quoted as for a shell
catalog   the tables that exist, one a line, see ``tables``
items     the items of the named table, one a line, in DynamoDB JSON
file      a Python file of the name, beside the spec
expect    the answer
stderr    what a command writes to standard error, where a case cares
========= ==========================================================================================

A test module uses it so::

    @pytest.mark.parametrize("case", cases("diagnostics"), ids=str)
    def test_diagnostics(case): check(case, render(compile(case.text("spec"))))
"""

from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent / "cases"
SECTIONS = ("spec", "args", "catalog", "items", "file", "expect", "stderr")
# These have a word after their name: of the table, of the file.
NAMED = ("items", "file")

# Set by the option --update; the files rewritten so far.
UPDATE = False
UPDATED: set[Path] = set()

_HEADER = re.compile(r"^--- (\S+)(?: (\S+))?$")


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a case: its name, the word after the name (a table's or a file's), its text."""

    name: str
    argument: str
    text: str


@dataclass(frozen=True, slots=True)
class Case:
    """A case as its file has it."""

    path: Path
    title: str
    sections: tuple[Section, ...]

    def __str__(self) -> str:
        return self.path.stem

    def text(self, name: str) -> str | None:
        """Return the text of a section; None when the case has none."""
        return next((section.text for section in self.sections if section.name == name), None)

    @property
    def spec(self) -> str:
        """The spec, which every case has."""
        spec = self.text("spec")
        assert spec is not None, f"{self.path}: no spec"
        return spec

    @property
    def args(self) -> list[str]:
        """The command line arguments; none when the section is missing."""
        return shlex.split(self.text("args") or "")

    @property
    def tables(self) -> list[dict[str, Any]]:
        """The tables of the catalog, each as DescribeTable answers it."""
        return tables(self.text("catalog") or "")

    @property
    def items(self) -> dict[str, list[dict[str, Any]]]:
        """The items of each table that the case fills, in DynamoDB JSON."""
        return {
            section.argument: [json.loads(line) for line in section.text.splitlines() if line.strip()]
            for section in self.sections
            if section.name == "items"
        }

    @contextmanager
    def folder(self) -> Iterator[None]:
        """Be in a folder with the case's files, where it has any."""
        files = [section for section in self.sections if section.name == "file"]
        if not files:
            yield
            return
        with TemporaryDirectory() as folder, chdir(folder):
            for file in files:
                Path(file.argument).write_text(file.text + "\n", encoding="utf-8")
            yield


def cases(kind: str) -> list[Case]:
    """Read all cases of a kind, in the order of their names; it is an error when there are none."""
    paths = sorted((FOLDER / kind).glob("*.case"))
    if not paths:
        raise FileNotFoundError(f"no cases in {FOLDER / kind}")
    return [read(path) for path in paths]


def read(path: Path) -> Case:
    """Read one case."""
    # No newline translation: a spec may have carriage returns.
    with path.open(encoding="utf-8", newline="") as file:
        return parse(file.read(), path)


def parse(text: str, path: Path) -> Case:
    """Split a case into its sections."""
    title: list[str] = []
    sections: list[tuple[str, str, list[str]]] = []
    for line in text.split("\n"):
        header = _HEADER.match(line)
        if header is None:
            (sections[-1][2] if sections else title).append(line)
            continue
        name, argument = header[1], header[2] or ""
        if name not in SECTIONS or bool(argument) != (name in NAMED):
            raise ValueError(
                f"{path}: no such section: {line!r} (there are {', '.join(SECTIONS)}; {', '.join(NAMED)} take a name)"
            )
        if any(name == other and argument == its for other, its, _ in sections):
            raise ValueError(f"{path}: a second section {line!r}")
        sections.append((name, argument, []))
    if sections and sections[-1][2] and sections[-1][2][-1] == "":
        # The newline that ends the file.
        sections[-1][2].pop()
    done = tuple(Section(name, argument, "\n".join(lines)) for name, argument, lines in sections)
    return Case(path, "\n".join(title).strip(), done)


def write(case: Case) -> str:
    """Write a case as its file has it."""
    parts = [f"{case.title}\n"] if case.title else []
    for section in case.sections:
        argument = f" {section.argument}" if section.argument else ""
        parts.append(f"--- {section.name}{argument}\n" + (f"{section.text}\n" if section.text else ""))
    return "".join(parts)


def check(case: Case, actual: str, section: str = "expect") -> None:
    """Compare an answer with the case's expectation, or make it the expectation under ``--update``.

    Newlines at the end of the answer do not count.
    """
    actual = actual.rstrip("\n")
    for line in actual.split("\n"):
        assert not _HEADER.match(line), f"a case cannot hold the line {line!r}: it looks like the header of a section"
    expected = case.text(section)
    if actual == expected:
        return
    if UPDATE:
        # Read again: another section of this case may have been rewritten since.
        now = read(case.path)
        new = Section(section, "", actual)
        sections = tuple(new if old.name == section else old for old in now.sections)
        if new not in sections:
            sections += (new,)
        with case.path.open("w", encoding="utf-8", newline="") as file:
            file.write(write(Case(case.path, now.title, sections)))
        UPDATED.add(case.path)
        return
    difference = difflib.unified_diff(
        (expected or "").split("\n"), actual.split("\n"), "expected", "actual", lineterm="", n=20
    )
    shown = "\n".join(difference) if expected is not None else f"no section {section}; the answer is\n{actual}"
    pytest.fail(f"{case.path}\n{shown}\n(pytest --update makes the answer the expectation)", pytrace=False)


_TABLE = re.compile(r"(?P<name>[A-Za-z0-9_.{},-]+) \((?P<keys>[^)]*)\)(?:, (?P<facts>.*))?")
_FACTS: tuple[tuple[str, Any], ...] = (
    (r"(\d+) items", lambda t, n: t.update(ItemCount=int(n))),
    (r"(\d+) bytes", lambda t, n: t.update(TableSizeBytes=int(n))),
    (r"on demand", lambda t: t.update(BillingModeSummary={"BillingMode": "PAY_PER_REQUEST"})),
    (r"provisioned (\d+) rcu (\d+) wcu", lambda t, r, w: t.update(_provisioned(r, w))),
    (
        r"at most (\d+) rcu (\d+) wcu",
        lambda t, r, w: t.update(
            OnDemandThroughput={"MaxReadRequestUnits": int(r), "MaxWriteRequestUnits": int(w)},
        ),
    ),
    (
        r"warm (\d+) rcu (\d+) wcu",
        lambda t, r, w: t.update(
            WarmThroughput={"ReadUnitsPerSecond": int(r), "WriteUnitsPerSecond": int(w), "Status": "ACTIVE"},
        ),
    ),
    (r"status (\w+)", lambda t, s: t.update(TableStatus=s)),
    (
        r"(local )?index (\S+) \(([^)]*)\)( of keys)?",
        lambda t, local, name, keys, only: _index(t, bool(local), name, keys, bool(only)),
    ),
    (
        r"expires by (\S+)",
        lambda t, name: t.update(TimeToLiveDescription={"TimeToLiveStatus": "ENABLED", "AttributeName": name}),
    ),
    (r"in use (\d+) rcu (\d+) wcu", lambda t, r, w: t.update(InUse=(int(r), int(w)))),
    (r"no recovery", lambda t: t.update(PointInTimeRecoveryStatus="DISABLED")),
)


def tables(text: str) -> list[dict[str, Any]]:
    """Read a catalog: what DescribeTable would answer for each table.

    A line is ``NAME (KEY TYPE[, KEY TYPE])`` and facts after commas: ``500 items``, ``93500 bytes``, ``on demand`` (as
    is where nothing is said), ``provisioned 2000 rcu 1000 wcu``, ``at most 500 rcu 500 wcu``, ``warm 12000 rcu 4000
    wcu``, ``status CREATING``, ``index NAME (KEY TYPE[, KEY TYPE])``, ``local index NAME (…)``, with ``of keys`` behind; of its settings ``expires by NAME``, ``no
    recovery``; and ``in use 310 rcu 20 wcu``, as CloudWatch has counted. ``{201605,201606}`` in the name makes a table of each. ``#`` begins a comment.
    """
    found = []
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        matched = _TABLE.fullmatch(line)
        if matched is None:
            raise ValueError(f"not a table of a catalog: {line!r}")
        for name in _expanded(matched["name"]):
            found.append(_table(name, matched["keys"], matched["facts"] or ""))
    return found


def _table(name: str, keys: str, facts: str) -> dict[str, Any]:
    table: dict[str, Any] = {
        "TableName": name,
        "TableArn": f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}",
        "TableStatus": "ACTIVE",
        "CreationDateTime": datetime(2016, 4, 25, tzinfo=UTC),
        "KeySchema": [],
        "AttributeDefinitions": [],
        "ItemCount": 0,
        "TableSizeBytes": 0,
        "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
        "ProvisionedThroughput": {"NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
    }
    table["KeySchema"] = _keys(table, keys)
    for fact in re.split(r", (?![^(]*\))", facts) if facts else []:
        for pattern, apply in _FACTS:
            if matched := re.fullmatch(pattern, fact):
                apply(table, *matched.groups())
                break
        else:
            raise ValueError(f"not a fact of a table: {fact!r}")
    return table


def _keys(table: dict[str, Any], text: str) -> list[dict[str, str]]:
    """Read ``A S, B N`` as a key schema, and note the attributes' types in the table."""
    schema = []
    for i, part in enumerate(text.split(", ")):
        name, _, type_ = part.rpartition(" ")
        if not name or type_ not in ("S", "N", "B") or i > 1:
            raise ValueError(f"not a key: {text!r}")
        definition = {"AttributeName": name, "AttributeType": type_}
        if definition not in table["AttributeDefinitions"]:
            table["AttributeDefinitions"].append(definition)
        schema.append({"AttributeName": name, "KeyType": ("HASH", "RANGE")[i]})
    return schema


def _provisioned(read_units: str, write_units: str) -> dict[str, Any]:
    return {
        "BillingModeSummary": {"BillingMode": "PROVISIONED"},
        "ProvisionedThroughput": {
            "NumberOfDecreasesToday": 0,
            "ReadCapacityUnits": int(read_units),
            "WriteCapacityUnits": int(write_units),
        },
    }


def _index(table: dict[str, Any], local: bool, name: str, keys: str, only_keys: bool) -> None:
    projection = {"ProjectionType": "KEYS_ONLY" if only_keys else "ALL"}
    index = {"IndexName": name, "KeySchema": _keys(table, keys), "Projection": projection}
    if local:
        table.setdefault("LocalSecondaryIndexes", []).append(index)
    else:
        units = {"IndexStatus": "ACTIVE", "ProvisionedThroughput": table["ProvisionedThroughput"]}
        table.setdefault("GlobalSecondaryIndexes", []).append(index | units)


def _expanded(name: str) -> list[str]:
    """Expand the first ``{a,b}`` of a name, as a shell does, then the next."""
    matched = re.fullmatch(r"([^{]*)\{([^}]*)\}(.*)", name)
    if matched is None:
        return [name]
    return [rest for word in matched[2].split(",") for rest in _expanded(f"{matched[1]}{word}{matched[3]}")]
