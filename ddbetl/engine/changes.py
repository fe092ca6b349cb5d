"""What is different between a job that was begun and the plan that would go on with it.

In: the job's record and a plan. Out: sentences, none where the plan may go on. Invariant: a plan with another
fingerprint always differs in something.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from ddbetl.engine.store import JobRecord

# Differences that are shown.
MOST = 8


def changes(record: JobRecord, fingerprint: str, identity: Mapping[str, Any], text: str) -> tuple[str, ...]:
    """The differences; ``text``: the spec's, now."""
    if fingerprint == record.fingerprint:
        return ()
    before = record.identity
    found = [
        *_values("parameter", before.get("parameters", ()), identity["parameters"]),
        *_values("LET", before.get("lets", ()), identity["lets"]),
        *_files(before.get("files", ()), identity.get("files", ())),
        *_tables(before.get("tables", ()), identity["tables"]),
        *_target(before.get("target"), identity["target"]),
        *(
            f"{what}: it was {_value(before.get(name))}, and is {_value(identity.get(name))}"
            for name, what in NAMES.items()
            if before.get(name) != identity.get(name)
        ),
    ]
    parts = dict.fromkeys(said for name, said in PARTS.items() if before.get(name) != identity.get(name))
    if parts:
        # A LET, a parameter or a table's key may be behind it, and is named already.
        lines = list(_lines(str(record.inputs.get("text", "")), text))
        found += lines or ([f"{' and '.join(parts)}: other than they were"] if not found else [])
    if not found and before.get("queries") != identity.get("queries"):
        found = ["the keys or the index by which a table is read: other than they were"]
    if len(found) > MOST:
        found[MOST - 1 :] = [f"and {len(found) - MOST + 1:,} more"]
    return tuple(found) or ("the plan is another one, made by another version of ddbetl",)


# Parts of the identity whose value can be shown, and those that only the spec's text can show.
NAMES = {
    "limit": "LIMIT",
    "on_conflict": "ON CONFLICT",
    "newest": "KEEP NEWEST BY",
    "collisions": "collisions",
    "ttl_attribute": "ttl_attribute",
    "on_error": "ON ERROR",
    "zone": "timezone",
}
PARTS = {"where": "WHERE", "columns": "the columns of SELECT", "star": "the columns of SELECT"}


def _value(value: object) -> str:
    return "not there" if value is None else str(value)


def _values(kind: str, before: Iterable[Sequence[str]], now: Iterable[Sequence[str]]) -> Iterator[str]:
    was = {name: value for name, value in before}  # noqa: C416 - lists, as JSON has them
    is_ = {name: value for name, value in now}  # noqa: C416
    for name in sorted({*was, *is_}):
        if was.get(name) != is_.get(name):
            yield f"{kind} {name}: it was {was.get(name, 'not there')}, and is {is_.get(name, 'not there')}"


def _files(before: Iterable[Sequence[str]], now: Iterable[Sequence[str]]) -> Iterator[str]:
    was, is_ = {name: digest for name, digest in before}, {name: digest for name, digest in now}  # noqa: C416
    for name in sorted(was.keys() & is_.keys()):
        if was[name] != is_[name]:
            yield f"the file {name} has changed"
    yield from (f"the file {name} is not used any more" for name in sorted(was.keys() - is_.keys()))
    yield from (f"the file {name} is used, and was not" for name in sorted(is_.keys() - was.keys()))


def _tables(before: Sequence[Sequence[str]], now: Sequence[Sequence[str]]) -> Iterator[str]:
    was, is_ = {_place(table): table for table in before}, {_place(table): table for table in now}
    for place in sorted(was.keys() - is_.keys()):
        yield f"table {place[0]} was read, and is not read any more"
    for place in sorted(is_.keys() - was.keys()):
        yield f"table {place[0]} is read, and was not there"
    for place in sorted(was.keys() & is_.keys()):
        yield from _made_anew(was[place], is_[place])


def _target(before: Sequence[str] | None, now: Sequence[str] | None) -> Iterator[str]:
    if before is None or now is None or before == now:
        return
    if _place(before) != _place(now):
        yield f"target: it was {before[0]}, and is {now[0]}"
    else:
        yield from _made_anew(before, now)


def _place(table: Sequence[str]) -> tuple[str, str]:
    name, endpoint = table[:2]
    return name, endpoint


def _made_anew(before: Sequence[str], now: Sequence[str]) -> Iterator[str]:
    name = before[0]
    if not any(now[2:]):
        yield f"table {name} is not there any more"
    elif before[2] != now[2]:
        yield f"table {name} is another one: its ARN was {before[2]}, and is {now[2]}"
    elif before[3] != now[3]:
        yield f"table {name} was made anew at {now[3]}; the job knows the one of {before[3]}"


def _lines(before: str, now: str) -> Iterator[str]:
    """The lines of a spec that differ."""
    was, is_ = before.splitlines(), now.splitlines()
    matcher = SequenceMatcher(None, [" ".join(line.split()) for line in was], [" ".join(line.split()) for line in is_])
    for kind, low, high, new_low, new_high in matcher.get_opcodes():
        if kind == "equal":
            continue
        paired = min(high - low, new_high - new_low)
        for number in range(paired):
            yield f"line {new_low + number + 1}: it was `{was[low + number].strip()}`"
            yield f"{' ' * len(f'line {new_low + number + 1}: ')}and is `{is_[new_low + number].strip()}`"
        yield from (f"line {low + n + 1} is gone: `{was[low + n].strip()}`" for n in range(paired, high - low))
        yield from (
            f"line {new_low + n + 1} is new: `{is_[new_low + n].strip()}`" for n in range(paired, new_high - new_low)
        )
