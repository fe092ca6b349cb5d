"""The architecture, as rules over the imports of every module.

The tables below are the rules. Adding a module to a layer needs no change here; a new top-level module, or a new place
for a big dependency, is a decision and does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the top down. A module imports its own layer and the ones below it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("cli", "__main__"),  # commands; the only place that prints
    ("demo",),  # the demo's server and data
    (
        "api",
        "compilation",
        "inputs",
        "jobs",
        "preflight",
        "python_files",
        "__init__",
    ),  # compile, explain, run, jobs: the public face
    ("engine",),  # executor, transform, budgets, report
    ("connectors",),  # DynamoDB's wire client and control plane
    ("plan",),  # catalog, analyzer, optimizer, planner, explain
    ("lowering",),  # expressions to DuckDB SQL, to filter expressions
    ("expressions",),  # typed expressions and their reference evaluator
    ("functions",),  # the registry
    ("time",),  # Joda's patterns
    ("syntax",),  # tree, parser, formatter
    ("diagnostics", "codes", "errors", "numbers", "source", "types"),
)

# The demo could be a project of its own: nothing of the tool may come to rely on it, nor it on the tool.
NEEDS_ONLY = {"demo": ("demo", "errors")}

# These compute and nothing else: what they know, they are given.
PURE = ("plan", "lowering", "expressions", "functions")
OUTSIDE_WORLD = {
    "aiohttp", "asyncio", "http", "os", "pathlib", "random", "secrets", "socket", "sqlite3", "ssl", "subprocess", "sys",
    "tempfile", "threading", "time", "urllib",
}  # fmt: skip

# Dependencies that one module alone knows (or one package: with a star). Whoever needs them asks that module.
ONE_PLACE = {
    "boto3": "ddbetl.connectors.dynamodb.control",
    "botocore": "ddbetl.connectors.dynamodb.control",
    "httptools": "ddbetl.connectors.dynamodb.connection",
    "duckdb": "ddbetl.engine.transform",
    "re2": "ddbetl.functions.regex",
    "xxhash": "ddbetl.functions.hashing",
    "lark": "ddbetl.syntax.parser",
    "sqlite3": "ddbetl.engine.state",
    "click": "ddbetl.cli.*",
    "rich": "ddbetl.cli.*",
    "ministack": "ddbetl.demo.embedded_ministack",
}

# Who may write to the terminal, and why.
MAY_PRINT = {
    "ddbetl.cli.*": "stdout is for results, stderr for progress and messages",
    "ddbetl.demo.embedded_ministack": "a program of its own: it tells its parent the port",
}


@dataclass(frozen=True, slots=True)
class Module:
    name: str
    tree: ast.Module
    package: bool = False

    @property
    def layer(self) -> int:
        return layer_of(self.name)


def modules() -> list[Module]:
    found = []
    for path in sorted((ROOT / "ddbetl").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if package else parts)
        found.append(Module(name, ast.parse(path.read_bytes(), str(path)), package))
    return found


def second_part(module: str) -> str:
    return [*module.split("."), "__init__"][1]


def layer_of(module: str) -> int:
    """Return how far down a module of ddbetl is."""
    part = second_part(module)
    for depth, names in enumerate(LAYERS):
        if part in names:
            return depth
    raise AssertionError(f"{module}: {part} is in no layer; LAYERS says which there are")


def imports(module: Module) -> Iterator[str]:
    """Yield the full name of everything that a module imports, wherever in it, for types only or not."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                if level:
                    # One dot is the package that the module is in; a package is in itself.
                    parts = module.name.split(".") + ["__init__"] * module.package
                    source = ".".join([*parts[: len(parts) - level], *([source] if source else [])])
                assert source is not None
                # ``from ddbetl import errors`` imports a module, ``from ddbetl import run`` what __init__ offers.
                modules_of_root = source == "ddbetl" and any(alias.name in sum(LAYERS, ()) for alias in names)
                yield from (f"ddbetl.{alias.name}" for alias in names) if modules_of_root else (source,)


def upward_imports(module: Module) -> list[str]:
    return [name for name in imports(module) if name.split(".")[0] == "ddbetl" and layer_of(name) < module.layer]


def prints(module: Module) -> list[int]:
    lines = []
    for node in ast.walk(module.tree):
        match node:
            case (
                ast.Call(func=ast.Name(id="print"))
                | ast.Attribute(value=ast.Name(id="sys"), attr="stdout" | "stderr" | "__stdout__" | "__stderr__")
            ):
                lines.append(node.lineno)
    return lines


def lies_in(module: str, place: str) -> bool:
    if place.endswith(".*"):
        package = place.removesuffix(".*")
        return module == package or module.startswith(f"{package}.")
    return module == place


MODULES = modules()


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_a_module_imports_no_higher_layer(module: Module) -> None:
    assert upward_imports(module) == []


@pytest.mark.parametrize("module", [m for m in MODULES if second_part(m.name) in NEEDS_ONLY], ids=lambda m: m.name)
def test_a_separate_part_needs_nothing_else_of_ddbetl(module: Module) -> None:
    needed = {second_part(name) for name in imports(module) if name.split(".")[0] == "ddbetl"}
    assert needed <= set(NEEDS_ONLY[second_part(module.name)])


@pytest.mark.parametrize("dependency", ONE_PLACE)
def test_a_big_dependency_is_imported_in_one_place(dependency: str) -> None:
    importers = [m.name for m in MODULES if any(name.split(".")[0] == dependency for name in imports(m))]
    assert importers, f"nobody imports {dependency}: has its place moved?"
    assert [name for name in importers if not lies_in(name, ONE_PLACE[dependency])] == []


@pytest.mark.parametrize("module", [m for m in MODULES if second_part(m.name) in PURE], ids=lambda m: m.name)
def test_a_pure_module_knows_nothing_of_the_world(module: Module) -> None:
    assert [name for name in imports(module) if name.split(".")[0] in OUTSIDE_WORLD] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda m: m.name)
def test_only_the_command_line_prints(module: Module) -> None:
    if not any(lies_in(module.name, place) for place in MAY_PRINT):
        assert prints(module) == []


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("ddbetl.plan.cost", "from ddbetl.engine.budget import Budget", ["ddbetl.engine.budget"]),
        ("ddbetl.plan.cost", "from ddbetl import engine, errors", ["ddbetl.engine"]),
        ("ddbetl.plan.cost", "from ddbetl import compile", ["ddbetl"]),
        ("ddbetl.plan.cost", "import ddbetl.cli.run", ["ddbetl.cli.run"]),
        ("ddbetl.plan.cost", "def f():\n    from ..cli import run", ["ddbetl.cli"]),
        ("ddbetl.plan.cost", "if TYPE_CHECKING:\n    from ddbetl.api import Plan", ["ddbetl.api"]),
        ("ddbetl.plan.cost", "from . import catalog\nfrom .catalog import Catalog\nfrom ..errors import SpecError", []),
        ("ddbetl.plan.cost", "from ddbetl.syntax import ast\nimport ddbetl.types, json", []),
        ("ddbetl.errors", "from ddbetl.source import SourceText", []),
        ("ddbetl.errors", "from ddbetl.syntax import ast", ["ddbetl.syntax"]),
    ],
)
def test_the_rules_see_an_import_wherever_it_is(name: str, text: str, found: list[str]) -> None:
    assert upward_imports(Module(name, ast.parse(text))) == found


def test_the_rules_see_a_print() -> None:
    tree = ast.parse("print(1)\nlog = logging.info\nsys.stderr.write('x')\nf(file=sys.stdout)\nsys.argv\n")
    assert sorted(prints(Module("ddbetl.plan.cost", tree))) == [1, 3, 4]
    package = Module("ddbetl.plan", ast.parse("from .cost import cost\nfrom ..cli import run"), package=True)
    assert list(imports(package)) == ["ddbetl.plan.cost", "ddbetl.cli"]
