"""The package as a user installs it: it holds its grammar, its demo spec and its server, and needs no checkout.

The wheel is built from the source distribution, so both are complete. It is installed into a folder of its own and
used from another one, by a Python that sees the dependencies but not the checkout.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What a user's first minute needs of the package: the grammar, loaded by the parser, and the demo's spec.
PARSES_THE_DEMO_SPEC = """
from importlib.resources import files
from ddbetl.source import SourceText
from ddbetl.syntax.parser import parse

text = files("ddbetl").joinpath("demo/anniversary_promo.ddbetl").read_text(encoding="utf-8")
print(type(parse(SourceText(text))).__name__)
"""


@dataclass(frozen=True, slots=True)
class Installed:
    sdist: Path
    wheel: Path
    packages: Path
    elsewhere: Path

    def python(self, *arguments: str, packages: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python in another folder, with the installed package on its path, or the dependencies only."""
        dependencies = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
        path = [*([str(self.packages)] if packages else []), *dependencies]
        return subprocess.run(
            # Without site (-S) nobody reads the file that makes the checkout importable, where ddbetl is editable.
            [sys.executable, "-S", "-P", *arguments],
            cwd=self.elsewhere,
            env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
            | {"PYTHONPATH": os.pathsep.join(path), "HOME": str(self.elsewhere)},
            capture_output=True,
            text=True,
            timeout=120,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("package")
    dist, packages, elsewhere = folder / "dist", folder / "packages", folder / "elsewhere"
    elsewhere.mkdir()
    run("build", "--no-isolation", "--outdir", str(dist), str(ROOT))
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    run("pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(packages), str(wheel))
    return Installed(sdist, wheel, packages, elsewhere)


def run(*module_and_arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *module_and_arguments], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_checkout_is_out_of_sight(installed: Installed) -> None:
    # An editable install leaves a folder ddbetl without modules among the dependencies: importing that is no use.
    without = installed.python("-c", "import lark, boto3, ddbetl.errors", packages=False)
    assert "No module named 'ddbetl" in without.stderr
    location = installed.python("-c", "import ddbetl; print(ddbetl.__file__)")
    assert Path(location.stdout.strip()) == installed.packages / "ddbetl" / "__init__.py"


def test_the_installed_package_parses_its_demo_spec(installed: Installed) -> None:
    done = installed.python("-c", PARSES_THE_DEMO_SPEC)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Spec\n", "")


def test_the_installed_command_shows_its_help(installed: Installed) -> None:
    done = installed.python("-m", "ddbetl", "--help")
    assert done.returncode == 0, done.stderr
    for command in ("check", "explain", "preview", "run", "describe", "functions", "demo"):
        assert command in done.stdout
    assert (installed.packages / "bin" / "ddbetl").exists() or (installed.packages / "Scripts" / "ddbetl.exe").exists()


def test_the_installed_package_starts_its_server(installed: Installed) -> None:
    done = installed.python("-c", "from ddbetl.demo.server import embedded\nwith embedded() as url: print(url)")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://127.0.0.1:")


def test_the_wheel_holds_the_package_and_nothing_else(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    modules = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ddbetl").rglob("*.py")}
    files = {"ddbetl/_grammar/ddbetl.lark", "ddbetl/demo/anniversary_promo.ddbetl", "ddbetl/plan/prices.json"}
    assert modules | files <= names
    assert {name for name in names - modules - files if not name.endswith("py.typed")} == set()


def test_the_source_distribution_can_run_its_tests(installed: Installed) -> None:
    with tarfile.open(installed.sdist) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    needed = {
        "pyproject.toml",
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        ".ci/install-python",
        ".ci/install-dynoxide",
        "grammar/ddbetl.lark",
        "specs/anniversary_promo.ddbetl",
        "tests/conftest.py",
        "tests/dynoxide/package-lock.json",
    }
    assert needed - names == set()
    assert not [name for name in names if name.startswith((".venv", ".tools", ".git/"))]
