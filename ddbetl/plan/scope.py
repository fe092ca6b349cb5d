"""What the analysis of one spec knows and has found so far; the analyzer's modules share it.

In: the spec, what the command line adds, the catalog. Out: errors and warnings, and the constants that names stand for.
Invariant: no finding is reported twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ddbetl.diagnostics import Diagnostic, Label
from ddbetl.expressions.ir import Constant
from ddbetl.expressions.resolve import Settings
from ddbetl.functions.model import Function
from ddbetl.functions.own import OwnFile
from ddbetl.plan.catalog import Catalog, Connection
from ddbetl.plan.typer import Typer
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_identifier


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the command line adds to a spec: LETs and options with the texts they were written in, and a target."""

    lets: tuple[tuple[ast.Let, SourceText], ...] = ()
    options: tuple[tuple[ast.Option, SourceText], ...] = ()
    into: str | None = None
    on_conflict: str | None = None
    connection: Connection = field(default_factory=Connection)


@dataclass(slots=True)
class Analysis:
    """One spec under analysis.

    ``parameters``: the text of each PARAM. ``lets``: each LET as it was written. ``constants``: the values of both;
    None for one that was reported, so that whatever uses it is not. ``declared``: where the spec declares them.
    ``files``: what USING names; ``functions``: those of them that can be called, in lower case.
    """

    spec: ast.Spec
    overrides: Overrides
    given: Mapping[str, str]
    catalog: Catalog | None
    # In the order in which they are found; dicts, so that there are no doubles.
    errors: dict[Diagnostic, None] = field(default_factory=dict)
    warnings: dict[Diagnostic, None] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    lets: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Constant | None] = field(default_factory=dict)
    declared: dict[str, Span] = field(default_factory=dict)
    files: Mapping[str, OwnFile] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)

    def error(
        self,
        code: str,
        message: str,
        span: Span | None,
        hint: str = "",
        labels: tuple[Label, ...] = (),
        source: SourceText | None = None,
    ) -> None:
        self._add(Diagnostic(code, message, span, hint, labels, source))

    def warn(
        self, code: str, message: str, span: Span | None, hint: str = "", source: SourceText | None = None
    ) -> None:
        self._add(Diagnostic(code, message, span, hint, (), source))

    def typer(self, settings: Settings, source: SourceText | None = None) -> Typer:
        """A typer for the expressions of the spec, or of another text."""

        def report(diagnostic: Diagnostic) -> None:
            found = replace(diagnostic, source=source)
            (self.warnings if found.code.startswith("W") else self.errors).setdefault(found)

        spec = source or self.spec.source
        return Typer(spec, settings, self.constants, report, self.functions, self._brings_others)

    @property
    def _brings_others(self) -> bool:
        """Whether a function that is not known could be one of a file that cannot be used."""
        usings = [declaration for declaration in self.spec.declarations if isinstance(declaration, ast.Using)]
        files = [self.files.get(using.file.value) for using in usings]
        return any(file is None or file.problem for file in files)

    def _add(self, diagnostic: Diagnostic) -> None:
        found = self.warnings if diagnostic.code.startswith("W") else self.errors
        found.setdefault(diagnostic)


def in_order(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Diagnostics by their place: those without one, then those of the command line, then down the spec."""

    def place(diagnostic: Diagnostic) -> tuple[bool, bool, int]:
        span = diagnostic.span
        return span is not None, diagnostic.source is None, span.start if span is not None else 0

    return tuple(sorted(found, key=place))


def written(name: str) -> str:
    """A name as a spec writes it: in double quotes where it must be."""
    return format_identifier(ast.Identifier(name))


def short(text: str) -> str:
    """An expression's text for a hint; an ellipsis for a long one."""
    return text if len(text) <= 40 and "\n" not in text else "…"
