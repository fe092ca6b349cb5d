"""Which calls of time functions have a fast path, and why others have none.

In: the WHERE and the columns of a plan. Out: one ``TimeCall`` for each different call, for explain. Invariant: a call
is said to have a fast path exactly where the lowering of the call alone finds one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ddbetl.expressions.ir import Call, Expression
from ddbetl.lowering.duckdb_sql import Lowerer

CATEGORY = "time"


@dataclass(frozen=True, slots=True)
class TimeCall:
    """``places``: the columns that have the call, or WHERE. ``slow_because``: why there is no fast path; beside a fast
    path, which texts it does not read, and why."""

    text: str
    places: tuple[str, ...]
    fast: bool
    slow_because: str

    @property
    def said(self) -> str:
        """The fast path in words."""
        if not self.fast:
            return f"no fast path: {self.slow_because}"
        return f"fast path, but not for {self.slow_because}" if self.slow_because else "fast path"


def calls(expression: Expression) -> Iterator[Call]:
    """All calls of an expression, from the outside in."""
    if isinstance(expression, Call):
        yield expression
        for argument in expression.arguments:
            yield from calls(argument)


def time_calls(roots: Sequence[tuple[str, Expression]]) -> tuple[TimeCall, ...]:
    """The time calls of expressions, each with the name of its place; a call that comes again is told once."""
    places: dict[Call, dict[str, None]] = {}
    for place, root in roots:
        for call in calls(root):
            # Without arguments it is now(), which no row changes.
            if call.function.category == CATEGORY and call.arguments:
                places.setdefault(call, {})[place] = None
    return tuple(_told(call, tuple(found)) for call, found in places.items())


def _told(call: Call, places: tuple[str, ...]) -> TimeCall:
    fast = Lowerer().lower(call) is not None
    reasons = [
        # Beside a unit numbers may have a fast path where texts have none.
        f"texts: {one.slow_because}" if fast and one.lower is None else one.slow_because
        for one in (candidate.implementation for candidate in call.candidates)
        if one.slow_because
    ]
    slow = next((one for one in call.arguments if isinstance(one, Call) and Lowerer().lower(one) is None), None)
    if slow is not None:
        reasons.append(f"{one_line(slow.text)} has none")
    elif not (fast or reasons):
        reasons.append("its arguments have no form in SQL")
    return TimeCall(one_line(call.text), places, fast, "; ".join(reasons))


def one_line(text: str) -> str:
    """A part of a spec without its line breaks."""
    return text.replace("\r", "").replace("\n", " ")
