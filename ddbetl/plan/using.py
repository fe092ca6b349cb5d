"""USING: the functions of the user's own that a spec brings.

In: the declarations, and the files that they name. Out: the functions by name, in the analysis. Invariant: a name means
one function: the language's, or one of one file.
"""

from __future__ import annotations

from ddbetl.diagnostics import Label
from ddbetl.errors import SpecError
from ddbetl.functions.model import Function
from ddbetl.functions.own import OwnFile
from ddbetl.functions.registry import function
from ddbetl.plan.scope import Analysis
from ddbetl.source import SourceText, Span
from ddbetl.syntax import ast, parser


def bring(analysis: Analysis) -> None:
    """Report files that cannot be used, and names that are taken; bring the other functions into scope."""
    files: dict[str, Span] = {}
    brought: dict[str, tuple[str, Span]] = {}
    for declaration in analysis.spec.declarations:
        if not isinstance(declaration, ast.Using):
            continue
        name, span = declaration.file.value, declaration.file.span
        file = analysis.files.get(name, OwnFile(name, problem="E0209", message=f"there is no file {name}"))
        if name in files:
            labels = (Label(files[name], "here first"),)
            analysis.error("E0203", f"{name} is brought twice", span, "leave one out", labels)
            continue
        files[name] = span
        if file.problem:
            analysis.error(file.problem, file.message, span, file.hint)
            continue
        for own in file.functions:
            key = own.name.lower()
            if not _is_name(own):
                message = f"{name}: {own.name} is a word of the language, and cannot name a function"
                analysis.error("E0212", message, span, _ANOTHER)
            elif function(own.name) is not None:
                message = f"{name}: {key} is a function of the language"
                analysis.error("E0213", message, span, _ANOTHER)
            elif key in brought:
                other, first = brought[key]
                same = "the case of letters does not count" if other == name else ""
                before = () if other == name else (Label(first, "here first"),)
                message = f"{name}: there is a function {own.name} already, in {other}"
                analysis.error("E0213", message, span, same or _ANOTHER, before)
            else:
                brought[key] = (name, span)
                analysis.functions[key] = own


_ANOTHER = '@function(…, name="other_name") gives it another name'


def _is_name(own: Function) -> bool:
    """Whether a spec can call a function by its name."""
    try:
        found = parser.parse_expression(SourceText(f"{own.name}()"))
    except SpecError:
        return False
    return isinstance(found, ast.Call)
