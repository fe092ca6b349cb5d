"""Overload resolution: which signatures of a function can apply to arguments, and the typed call that results.

In: a function, typed arguments, what is known at compile time. Out: a Call, or a ResolveError that names the argument.
Invariant: a call resolves exactly when some row could be computed by it; where an argument's type is ANY, all
signatures that could still apply stay in the call, and the row decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ddbetl.expressions.ir import Attribute, Call, Candidate, Constant, Expression
from ddbetl.functions.model import (
    NUMBER,
    STORED,
    ArgumentError,
    Binding,
    Function,
    Implementation,
    Nulls,
    Origin,
    Parameter,
    Signature,
    key_of,
)
from ddbetl.source import Span
from ddbetl.time import TimeError, Zone, parse_millis
from ddbetl.types import Timestamp, Type, Value


@dataclass(frozen=True, slots=True)
class Settings:
    """What a spec fixes for all its expressions: the zone of texts without an offset, the pivot of two-digit years, the
    source tables (none where they are not known)."""

    zone: Zone
    pivot_year: int
    origins: tuple[Origin, ...] = ()


class ResolveError(Exception):
    """Why a call cannot be compiled. ``argument``: the position at fault, None for the call as a whole."""

    def __init__(
        self,
        code: str,
        message: str,
        argument: int | None = None,
        hint: str = "",
        at: int | None = None,
        length: int = 1,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.argument = argument
        self.hint = hint
        self.at = at
        self.length = length


def resolve(
    function: Function, arguments: Sequence[Expression], settings: Settings, text: str = "", span: Span | None = None
) -> Call:
    """The typed call of a function with arguments."""
    by_count = [s for s in function.signatures if _takes(s, len(arguments))]
    if not by_count:
        raise ResolveError("E0302", _count_message(function, len(arguments)), hint=usage(function))
    candidates: list[Candidate] = []
    used: list[Signature] = []
    runtime: tuple[Expression, ...] = ()
    for signature in by_count:
        parameters = spread(signature, len(arguments))
        if _mismatch(parameters, arguments) is not None:
            continue
        runtime = tuple(a for p, a in zip(parameters, arguments, strict=True) if not p.constant)
        if signature.reads_key:
            runtime += tuple(map(Attribute, key_of(settings.origins)))
        candidates.append(_candidate(signature, parameters, arguments, settings))
        used.append(signature)
    if not candidates:
        raise _type_error(function, by_count, arguments, settings)
    refusals = [candidate.implementation.refusal for candidate in candidates]
    if (refusal := refusals[0]) is not None and None not in refusals:
        raise ResolveError("E0303", f"{function.name}: {refusal[0]}", 0, refusal[1])
    results = {candidate.result for candidate in candidates}
    never_null = function.nulls is not Nulls.PROPAGATE or all(not a.nullable for a in runtime)
    return Call(
        function,
        tuple(candidates),
        runtime,
        results.pop() if len(results) == 1 else Type.ANY,
        nullable=not (never_null and all(not s.nullable for s in used)),
        text=text,
        **({"span": span} if span is not None else {}),
    )


def spread(signature: Signature, count: int) -> list[Parameter]:
    """The parameter of each of ``count`` arguments."""
    group = signature.parameters[: signature.repeats]
    rest = signature.parameters[signature.repeats :]
    groups = max(1, (count - sum(not p.optional for p in rest)) // len(group)) if group else 0
    parameters = [*group * groups, *rest][:count]
    while len(parameters) < count:
        parameters.append(signature.parameters[-1])
    return parameters


def _takes(signature: Signature, count: int) -> bool:
    required = sum(not p.optional for p in signature.parameters)
    variadic = bool(signature.parameters) and signature.parameters[-1].variadic
    return required <= count and (variadic or bool(signature.repeats) or count <= len(signature.parameters))


def _fits(parameter: Parameter, argument: Expression) -> bool:
    if parameter.constant and (not isinstance(argument, Constant) or argument.value is None):
        return False
    match argument.type:
        case Type.ANY:
            return bool(parameter.types & STORED)
        case Type.NULL:
            return not parameter.constant
        case known:
            return known in parameter.types


def _mismatch(parameters: Sequence[Parameter], arguments: Sequence[Expression]) -> int | None:
    """The position of the first argument that a signature cannot take."""
    for position, (parameter, argument) in enumerate(zip(parameters, arguments, strict=True)):
        if not _fits(parameter, argument):
            return position
    same = [(i, a.type) for i, (p, a) in enumerate(zip(parameters, arguments, strict=True)) if p.same]
    known = [(i, t) for i, t in same if t not in (Type.ANY, Type.NULL)]
    for position, type_ in known[1:]:
        if type_ is not known[0][1]:
            return position
    if known and known[0][1] not in STORED:
        return next((i for i, t in same if t is Type.ANY), None)
    return None


def _candidate(
    signature: Signature, parameters: Sequence[Parameter], arguments: Sequence[Expression], settings: Settings
) -> Candidate:
    pairs = list(zip(parameters, arguments, strict=True))
    known = {a.type for p, a in pairs if p.same} - {Type.ANY, Type.NULL}
    common = known.pop() if known else None
    accepts: list[frozenset[Type]] = []
    same = set()
    for parameter, argument in pairs:
        if parameter.constant:
            continue
        types = parameter.types
        if parameter.same:
            same.add(len(accepts))
            if common is not None:
                types = frozenset({common})
        accepts.append(types & STORED if argument.type is Type.ANY else types)
    if signature.reads_key:
        accepts += [STORED] * len(key_of(settings.origins))
    result = signature.result
    if result is None:
        result = common if common is not None else _only_type(arguments, pairs)
    implementation = signature.implementation
    if not isinstance(implementation, Implementation):
        constants: dict[str, Value | tuple[Value, ...]] = {}
        for parameter, argument in pairs:
            many = parameter.variadic or signature.repeats > 0
            if isinstance(argument, Constant) and (parameter.constant or not many):
                if parameter.variadic:
                    earlier = constants.get(parameter.name, ())
                    assert isinstance(earlier, tuple)
                    constants[parameter.name] = (*earlier, argument.value)
                else:
                    constants[parameter.name] = argument.value
        try:
            binding = Binding(constants, settings.zone, settings.pivot_year, len(arguments), settings.origins)
            implementation = implementation(binding)
        except ArgumentError as error:
            position = _position(parameters, error.parameter, error.index) if error.parameter else None
            raise ResolveError("E0305", error.message, position, error.hint, error.at, error.length) from None
    doubtful = tuple(_position(parameters, doubt.parameter, doubt.index) for doubt in implementation.doubts)
    return Candidate(tuple(accepts), frozenset(same), implementation, result, doubtful)


def _position(parameters: Sequence[Parameter], name: str, index: int) -> int:
    """Where the ``index``-th argument of a parameter stands."""
    return [position for position, parameter in enumerate(parameters) if parameter.name == name][index]


def _only_type(arguments: Sequence[Expression], pairs: Sequence[tuple[Parameter, Expression]]) -> Type:
    """The type of a result that follows its arguments when none of them is known: NULL if all are, else ANY."""
    return Type.NULL if all(a.type is Type.NULL for p, a in pairs if p.same) else Type.ANY


def _type_error(
    function: Function, signatures: Sequence[Signature], arguments: Sequence[Expression], settings: Settings
) -> ResolveError:
    """The error that points at the argument which the most hopeful signature stumbles over."""
    count = len(arguments)
    if (error := _never_stored(function, signatures, arguments)) is not None:
        return error
    positions = [(_mismatch(spread(s, count), arguments), s) for s in signatures]
    position, signature = max(((p if p is not None else -1), i) for i, (p, _) in enumerate(positions))
    parameters = spread(signatures[signature], count)
    parameter, argument = parameters[position], arguments[position]
    hint = _as_time(signatures, arguments, settings) or parameter.hint or usage(function)
    if parameter.constant and not isinstance(argument, Constant):
        message = f"{function.name}: {parameter.name} must be known before the run, so it cannot depend on an item"
        known = "a number" if parameter.types == NUMBER else "a text in single quotes"
        return ResolveError("E0304", message, position, f"{known}, or a LET or PARAM")
    if parameter.same and (argument.type in parameter.types or argument.type is Type.ANY):
        others = [a for p, a in zip(parameters, arguments, strict=True) if p.same and a is not argument]
        other = next(a.type for a in others if a.type not in (Type.ANY, Type.NULL))
        first = "an attribute" if argument.type is Type.ANY else argument.type
        message = f"{function.name}: {first} and {other} do not go together"
        return ResolveError("E0303", message, position, hint)
    accepted = frozenset[Type]().union(*(spread(s, count)[position].types for (p, s) in positions if p == position))
    names = " or ".join(str(t) for t in Type if t in accepted)
    message = f"{function.name}: {parameter.name} must be {names}, not {argument.type}"
    return ResolveError("E0303", message, position, hint)


_PARSED = "parse_time(…) makes a TIMESTAMP of text or of epoch seconds"
# How an attribute becomes what it never is by itself.
_MADE_BY = {
    frozenset({Type.TIMESTAMP}): _PARSED,
    frozenset({Type.DURATION}): "CAST(… AS DURATION) makes a duration of a number of seconds",
}


def _as_time(signatures: Sequence[Signature], arguments: Sequence[Expression], settings: Settings) -> str:
    """The hint where all is right if the texts are times, as the others are; else empty."""
    texts = [argument for argument in arguments if argument.type is Type.STRING]
    if not texts or all(argument.type is not Type.TIMESTAMP for argument in arguments):
        return ""
    meant = [Constant(Timestamp(0), Type.TIMESTAMP) if a.type is Type.STRING else a for a in arguments]
    if all(_mismatch(spread(signature, len(meant)), meant) is not None for signature in signatures):
        return ""
    return time_of(texts[0], settings)


def time_of(argument: Expression, settings: Settings) -> str:
    """The hint how a text is written, or read, as a time."""
    text = argument.value if isinstance(argument, Constant) else None
    if not isinstance(text, str):
        return _PARSED
    try:
        parse_millis(None, text, settings.zone, settings.pivot_year)
    except TimeError:
        return "as in TIMESTAMP '2017-04-26T00:00:00Z'; parse_time(…) reads other texts"
    return f"TIMESTAMP '{text}' is a time"


def _never_stored(
    function: Function, signatures: Sequence[Signature], arguments: Sequence[Expression]
) -> ResolveError | None:
    """The error of an attribute where only a time or a duration fits, and all else would be right."""
    for signature in signatures:
        parameters = spread(signature, len(arguments))
        misfits = [i for i, (p, a) in enumerate(zip(parameters, arguments, strict=True)) if not _fits(p, a)]
        made_by = [_MADE_BY.get(parameters[i].types) for i in misfits if arguments[i].type is Type.ANY]
        if misfits and len(made_by) == len(misfits) and made_by[0] is not None:
            parameter = parameters[misfits[0]]
            (type_,) = parameter.types
            message = f"{function.name}: {parameter.name} must be {type_}, which an attribute never is"
            return ResolveError("E0303", message, misfits[0], made_by[0])
    return None


def _count_message(function: Function, count: int) -> str:
    least = min(sum(not p.optional for p in s.parameters) for s in function.signatures)
    variadic = any(s.parameters and s.parameters[-1].variadic for s in function.signatures)
    most = max(len(s.parameters) for s in function.signatures)
    if variadic:
        wanted = f"at least {least}"
    elif least == most:
        wanted = str(least)
    else:
        wanted = f"{least} to {most}"
    plural = "" if wanted == "1" or wanted.endswith(" 1") else "s"
    return f"{function.name} takes {wanted} argument{plural}, not {count}"


def usage(function: Function) -> str:
    """The ways to call a function, for a hint: ``length(text STRING)``; nothing for an operator."""
    if function.category == "operator":
        return ""
    return "; ".join(dict.fromkeys(signature_text(function, s) for s in function.signatures))


def signature_text(function: Function, signature: Signature) -> str:
    """A signature as the documentation writes it: ``epoch(x STRING [, pattern STRING [, zone STRING]]) → NUMBER``."""
    out = signature.shown
    for number, parameter in enumerate(() if signature.shown else signature.parameters):
        types = "any" if len(parameter.types) >= len(STORED) else "|".join(str(t) for t in Type if t in parameter.types)
        piece = f"{', ' if number else ''}{parameter.name} {types}{', …' if parameter.variadic else ''}"
        out += f" [{piece}" if parameter.optional else piece
    if not signature.shown:
        out += "]" * sum(p.optional for p in signature.parameters)
    result = "the same type" if signature.result is None else str(signature.result)
    return f"{function.name}({out.strip()}) → {result}"
