"""The Python files of USING: read, executed, and asked what they declare.

In: the name of a file, as a spec has it, and the folder of the spec. Out: an OwnFile, which says what is wrong where it
cannot be used. Invariants: no file is touched that a spec, or the command line, does not name; and one with the same
content is executed once a process.
"""

from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from ddbetl.diagnostics import did_you_mean
from ddbetl.functions.declared import MARK, DeclarationError, Declared
from ddbetl.functions.own import OwnFile, Place, line_of, own_function, said_of
from ddbetl.syntax import ast

# By where they are, the name that the spec gives them, and their content.
_loaded: dict[tuple[str, str, str], OwnFile] = {}


def used(spec: ast.Spec, name: str) -> dict[str, OwnFile]:
    """The files that a spec names, by its names for them. ``name``: of the spec, in whose folder they are; of one that
    is no file, in the current folder."""
    usings = [declaration for declaration in spec.declarations if isinstance(declaration, ast.Using)]
    return {using.file.value: load(using.file.value, Path(name).parent) for using in usings}


def load(name: str, folder: Path) -> OwnFile:
    """Execute a file, and find the functions that it declares."""
    path = folder / name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return OwnFile(name, problem="E0209", message=f"there is no file {path}", hint=_nearest(name, path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return OwnFile(name, problem="E0209", message=f"{path} cannot be read: {reason}")
    digest = hashlib.sha256(content).hexdigest()
    key = (str(path.resolve()), name, digest)
    found = _loaded.get(key)
    if found is None:
        found = _execute(name, path, content, digest)
        if not found.problem:
            _loaded[key] = found
    return found


def _execute(name: str, path: Path, content: bytes, digest: str) -> OwnFile:
    place = Place(str(path), path.name)
    module = ModuleType(f"ddbetl_using_{digest[:16]}_{path.stem}")
    module.__file__ = str(path)
    # Dataclasses and pickles look a module up by its name.
    sys.modules[module.__name__] = module
    try:
        exec(compile(content, str(path), "exec", dont_inherit=True), module.__dict__)
    except DeclarationError as error:
        line = line_of(error.__traceback__, place)
        at = f" (line {line} of {place.name})" if line is not None else ""
        problem = OwnFile(name, digest, problem="E0212", message=f"{error}{at}")
    except SyntaxError as error:
        at = f" (line {error.lineno} of {Path(error.filename).name})" if error.filename and error.lineno else ""
        hint = _IMPORTED if error.filename not in (place.path, None) else ""
        problem = OwnFile(
            name, digest, problem="E0210", message=f"{place.name}: {type(error).__name__}: {error.msg}{at}", hint=hint
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        hint = _IMPORTED if isinstance(error, ImportError) else "the file is executed once, to find its functions"
        problem = OwnFile(
            name, digest, problem="E0210", message=f"{place.name} fails: {said_of(error, place)}", hint=hint
        )
    else:
        return _declared(name, digest, module, place)
    sys.modules.pop(module.__name__, None)
    return problem


_IMPORTED = "it can import what is installed, but not the files beside it"


def _declared(name: str, digest: str, module: ModuleType, place: Place) -> OwnFile:
    fast = find_spec("numpy") is not None
    found: dict[int, Declared] = {}
    for value in list(vars(module).values()):
        declared = _mark(value)
        # What it imports from elsewhere is not its own: a change there would go unnoticed.
        if isinstance(declared, Declared) and declared.call.__module__ == module.__name__:
            found[id(declared)] = declared
    if not found:
        hint = 'from ddbetl import function; @function("STRING", returns="STRING") before a def declares it'
        return OwnFile(name, digest, problem="E0211", message=f"{place.name} declares no function", hint=hint)
    return OwnFile(name, digest, tuple(own_function(declared, place, fast) for declared in found.values()))


def _mark(value: object) -> object:
    """What a value carries as its declaration; an object may raise whatever it likes when it is asked."""
    try:
        return getattr(value, MARK, None)
    except Exception:
        return None


def _nearest(name: str, path: Path) -> str:
    """What may have been meant by the name of a file that there is not."""
    if "${" in name:
        return "the name stands as it is: a PARAM is a value, and names no file"
    try:
        beside = sorted(other.name for other in path.parent.glob("*.py"))
    except OSError:
        beside = []
    return did_you_mean(path.name, beside) or "the path is relative to the folder of the spec"
