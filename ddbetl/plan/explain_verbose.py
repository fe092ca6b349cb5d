"""What explain says to those who want to know how: the logical plan and its rules, the SQL, its guards, a request.

In: a physical plan. Out: the sections that follow the page. Invariants: the plans are those that the rules make, the
SQL differs from the one that runs by blanks outside of quotes alone, and the request is one that the engine could send.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ddbetl.expressions import wire
from ddbetl.expressions.ir import Attribute, Call, Constant, Expression
from ddbetl.expressions.projection import OutputColumn
from ddbetl.expressions.writing import ENTRIES, Entry, Form
from ddbetl.functions.forms import conjunction
from ddbetl.lowering.dynamo_condition import ServerExpression
from ddbetl.lowering.statement import Guard, Statement
from ddbetl.plan.explain import how, spelled
from ddbetl.plan.layout import WIDTH, columns, wrapped
from ddbetl.plan.logical import Filter, Limit, LogicalPlan, Node, Project, TableScan, Write
from ddbetl.plan.optimizer import stages
from ddbetl.plan.physical import PhysicalPlan, WriteExec
from ddbetl.plan.scope import written
from ddbetl.plan.time_calls import CATEGORY, calls
from ddbetl.syntax import ast
from ddbetl.syntax.formatter import format_expression
from ddbetl.types import BinarySet, Duration, NumberSet, StringSet, Timestamp, Type, Value

# Tables and keys that a node names.
MOST_NAMED = 5


def as_text(plan: PhysicalPlan) -> str:
    """The sections, to stand below the page."""
    sections = [*_plans(plan.logical), _guards(plan), _statement(plan.transform.statement), _sample(plan)]
    return "\n\n".join(section for section in sections if section)


# The logical plan


def _plans(plan: LogicalPlan) -> Iterator[str]:
    """The plan as the analyzer makes it, then what each rule makes of its nodes, with a + before it."""
    found = stages(plan)
    _, first = next(found)
    before = list(_nodes(first.root))
    lines = [line for node in before for line in node]
    yield "\n".join(["PLAN  as the spec says it, from the write down to the scan", *_broken(lines)])
    for name, after in found:
        now = list(_nodes(after.root))
        changed: list[str] = []
        for old, new in zip(before, now, strict=True):
            if new != old:
                changed += [new[0], *(f"+{line[1:]}" for line in new[1:] if line not in old)]
        yield "\n".join([f"RULE  {name}", *_broken(changed)]) if changed else f"RULE  {name}: changes nothing"
        before = now


def _broken(lines: list[str]) -> Iterator[str]:
    """Lines, the long ones in several."""
    for line in lines:
        mark, text = line[0], line[1:]
        indent = len(text) - len(text.lstrip())
        first, *more = wrapped(text.strip(), max(40, WIDTH - indent - 6))
        yield f"{mark}{' ' * indent}{first}"
        yield from (f"{' ' * (indent + 5)}{one}" for one in more)


def _nodes(root: Node) -> Iterator[list[str]]:
    """The lines of each node, from the root down; a node is indented more than the one that reads it."""
    node, depth = root, 1
    while True:
        head, *rest = _said(node)
        yield [f"{'  ' * depth}{head}", *(f"{'  ' * depth}    {line}" for line in rest)]
        if isinstance(node, TableScan):
            return
        node, depth = node.input, depth + 1


def _said(node: Node) -> Iterator[str]:
    """A node in a line, and what belongs to it."""
    match node:
        case TableScan():
            yield f"TableScan {', '.join(node.patterns)}"
            yield from _scanned(node)
        case Filter():
            yield f"Filter {expression(node.predicate)}"
        case Project():
            yield "Project"
            if node.projection.star is not None:
                star = node.projection.star
                exclude = f" EXCLUDE ({', '.join(map(written, star.exclude))})" if star.exclude else ""
                pairs = ", ".join(f"{written(old)} AS {written(new)}" for old, new in star.rename)
                yield f"*{exclude}{f' RENAME ({pairs})' if pairs else ''}"
            for column in node.projection.columns:
                replaces = " (replaces)" if column.replaces else ""
                yield f"{written(column.name)}{replaces} := {expression(column.expression)}"
        case Limit():
            yield f"Limit {node.rows:,}"
        case Write():
            yield f"Write {node.target.name}: {node.action}"
            yield from _write(node)


def _scanned(scan: TableScan) -> Iterator[str]:
    names = [table.name for table in scan.tables]
    yield f"tables: {', '.join(names)}" if len(names) <= MOST_NAMED else f"tables: {len(names)}, {names[0]} …"
    if scan.filter is not None:
        yield f"filter: {_asked(scan.filter)}"
    if scan.attributes is not None:
        yield f"attributes: {', '.join(map(written, scan.attributes))}"
    for table, query in zip(scan.tables, scan.queries, strict=False):
        if query is None:
            continue
        by = f" by {query.index.name}" if query.index is not None else ""
        more = len(query.keys) - MOST_NAMED
        for key in query.keys[:MOST_NAMED] if more > 1 else query.keys:
            yield f"query of {table.name}{by}: {_asked(key)}"
        if more > 1:
            yield f"query of {table.name}{by}: and {more:,} more keys"
        if query.filter is not None:
            yield f"query of {table.name}{by}, filter: {_asked(query.filter)}"


def _write(write: Write) -> Iterator[str]:
    if write.newest is not None:
        yield f"newest by: {written(write.newest)}"
    yield f"collisions: {write.collisions}"
    if write.ttl_attribute is not None:
        yield f"expires by: {written(write.ttl_attribute)}"
    if write.create is not None:
        yield f"create: KEY ({', '.join(f'{written(k.name)} {k.type}' for k in write.create.key)})"


def _asked(found: ServerExpression) -> str:
    """What the server is asked, with names and values in the place of placeholders."""
    values = {mark: json.loads(value) for mark, value in found.values}
    request = {"asked": found.expression, "ExpressionAttributeNames": dict(found.names)}
    return spelled("asked", request | {"ExpressionAttributeValues": values})


def expression(found: Expression) -> str:
    """A typed expression: operators and functions as calls, with their types; a constant as a spec could write it."""
    match found:
        case Constant():
            return _constant(found)
        case Attribute():
            return str(found)
        case Call():
            null = "" if found.nullable else " never missing"
            return f"{found.function.name}({', '.join(map(expression, found.arguments))}):{found.type}{null}"


def _constant(found: Constant) -> str:
    match found.value:
        case None:
            return "NULL"
        case bool() as value:
            return "TRUE" if value else "FALSE"
        case str() as text:
            return f"{format_expression(ast.Text(text))}:{found.type}"
        case Timestamp(millis=millis) | Duration(millis=millis):
            return f"{millis:,} ms:{found.type}"
        case value:
            ((_, content),) = wire.encode(value).items()
            return f"{content if isinstance(content, str) else _json(content)}:{found.type}"


# The statement

_PARTS = {
    "entry": "the item",
    "key": "the key",
    "source key": "the source's key",
    "newest": "KEEP NEWEST",
    "expiry": "the expiry",
}


def _guards(plan: PhysicalPlan) -> str:
    """The guards of each column, and of the rest of a row."""
    statement = plan.transform.statement
    parts: dict[tuple[str, str], list[Guard]] = {}
    for guard in statement.guards:
        parts.setdefault((guard.part, guard.name), []).append(guard)
    if not statement.filters or not statement.projects:
        slow = [written(c.name) for c in plan.transform.projection.columns if how(c) == "by reference"]
        if not statement.filters:
            slow.insert(0, "WHERE")
        why = f": {', '.join(slow)} {'has' if len(slow) == 1 else 'have'} no fast path" if slow else ""
        return "\n".join(["GUARDS", *(f"  {line}" for line in wrapped(f"every row goes by reference{why}", WIDTH - 2))])
    said: dict[str, str] = {}
    known: set[str | None] = set()
    for (part, name), guards in parts.items():
        named = part in ("WHERE", "column")
        # The key is guarded by the guards of its columns as well.
        sql = conjunction(guard.sql for guard in guards if named or guard.sql not in known)
        known |= {guard.sql for guard in guards}
        if sql is not None or named:
            said[written(name) if part == "column" else _PARTS.get(part, part)] = sql or "every row passes"
    width = WIDTH - 4 - max(map(len, said), default=0)
    rows = [
        (label if not number else "", line)
        for label, sql in said.items()
        for number, line in enumerate(_filled(sql, 0, width))
    ]
    page = f"GUARDS  a row for which one of them is not true goes by reference\n{columns(rows)}"
    read = ", ".join(f"{column} is {written(name)}" for column, name in statement.attributes)
    read += "; the statement says what c0 and so on are" if re.search(r"\bc\d", page) else ""
    return "\n".join([page, *(f"  {line}" for line in wrapped(read, WIDTH - 2))]) if read else page


def _statement(statement: Statement) -> str:
    return "\n".join(
        ["STATEMENT  of DuckDB, for some pages at a time", *(f"  {line}" for line in laid_out(statement.sql))]
    )


_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_WORD = re.compile(rf"(?:{_QUOTED.pattern}|[^\s'\"])+")
# Where a line begins, in a query itself.
_CLAUSES = ("FROM", "WHERE", "GROUP")
# Where none begins.
_BEHIND = ("||", "=")


def laid_out(sql: str) -> list[str]:
    """SQL in lines: one for each column and clause of a query, and more where they are long.

    Blanks outside of quotes are all that changes.
    """
    lines: list[str] = []
    # Of each query that is open: how many brackets are, and how far it is indented.
    queries: list[tuple[int, int]] = []
    brackets = 0
    line, indent = "", 0
    for word in _WORD.findall(sql):
        bare = _QUOTED.sub("", word)
        opens = bare.lstrip("(") == "SELECT"
        if opens or (word in _CLAUSES and queries and brackets == queries[-1][0]):
            lines += _filled(line, indent)
            line, indent = "", queries[-1][1] if queries else 0
        before = brackets
        brackets += bare.count("(") - bare.count(")")
        if opens:
            indent = queries[-1][1] + 2 if queries else 0
            queries.append((brackets, indent + brackets - before))
        line = f"{line} {word}" if line else word
        while queries and brackets < queries[-1][0]:
            queries.pop()
        if word.endswith(",") and queries and brackets == queries[-1][0]:
            lines += _filled(line, indent)
            line, indent = "", queries[-1][1] + len("SELECT ")
    return [*lines, *_filled(line, indent)]


def _filled(line: str, indent: int, width: int = WIDTH - 2) -> list[str]:
    """A line of SQL in as many as it takes; what is in quotes stays whole."""
    out: list[str] = []
    for word in _WORD.findall(line):
        if out and (len(out[-1]) + 1 + len(word) <= width or word in _BEHIND):
            out[-1] += f" {word}"
        else:
            out.append(" " * (indent + 4 * bool(out)) + word)
    return out


# A request


def sample(plan: PhysicalPlan) -> str | None:
    """The body of the request that writes a made-up row; None where the plan writes nothing, or nothing that is known
    offline, or nothing that a request of many rows can say."""
    write = plan.write
    if write is None:
        return None
    form = Form(ENTRIES[write.action], write.table.name, write.key)
    if not form.key and form.entry in (Entry.UPDATE, Entry.DELETE):
        return None
    row = {name: wire.encode(value) for name, value in _row(plan, write) if value is not None}
    inside = _inside(form, row)
    return form.head + form.opening + inside + form.closing + form.tail if inside is not None else None


def _inside(form: Form, row: dict[str, dict[str, Any]]) -> str | None:
    """What stands between an entry's opening and its closing; None where no entry can say the row."""
    if form.entry in (Entry.PUT, Entry.DELETE):
        return _json(row)
    behind = form.keys if form.entry is Entry.UPDATE else ()
    names = [name for name in row if name not in behind]
    labels = ",".join(map(form.label, names))
    if not names or not form.takes(row) or len(labels.encode()) > form.room:
        return None
    return labels + form.middle + ",".join(_json(row[name]) for name in (*names, *behind))


def _json(value: object) -> str:
    """JSON as the engine sends it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Values to make a row up of, by type.
_MADE_UP: dict[Type, Value] = {
    Type.STRING: "text",
    Type.NUMBER: Decimal(1),
    Type.BOOLEAN: True,
    Type.BINARY: b"bytes",
    Type.LIST: ("text",),
    Type.MAP: {"name": "text"},
    Type.STRING_SET: StringSet(frozenset({"text"})),
    Type.NUMBER_SET: NumberSet(frozenset({Decimal(1)})),
    Type.BINARY_SET: BinarySet(frozenset({b"bytes"})),
    Type.ANY: "text",
}
# A moment in seconds: 2017-04-26T10:15:30Z.
_MOMENT = Decimal(1_493_201_730)


def _row(plan: PhysicalPlan, write: WriteExec) -> Iterator[tuple[str, Value]]:
    """A row by its attributes: values of the right types, constants as they are."""
    projection = plan.transform.projection
    keys = {key.name: key.type for key in write.key}
    if projection.star is not None:
        starred = [*keys, *(new for _, new in projection.star.rename)]
        for name in dict.fromkeys(starred):
            if isinstance(projection.origin(name), str):
                yield name, _MADE_UP[keys.get(name, Type.ANY)]
    for column in projection.columns:
        yield column.name, _value(column, keys.get(column.name), column.name == write.ttl_attribute)


def _value(column: OutputColumn, key: Type | None, expires: bool) -> Value:
    """A value that a column could have. ``key``: its type, where it is in the target's key."""
    found = column.expression
    if isinstance(found, Constant):
        return found.value
    type_ = key or found.type
    timed = any(call.function.category == CATEGORY for call in calls(found))
    if expires or (timed and type_ is Type.NUMBER):
        return _MOMENT
    return _MADE_UP.get(type_)


def _sample(plan: PhysicalPlan) -> str:
    """The request, for people."""
    if plan.write is None:
        return ""
    found = sample(plan)
    if found is None:
        why = "not known offline: the target's key is not" if not plan.write.key else "each row needs one of its own"
        return f"REQUEST  {why}"
    star = ", without what * brings" if plan.transform.projection.star is not None else ""
    entry = ENTRIES[plan.write.action]
    title = f"REQUEST  {entry.operation}, of one row that is made up{star}"
    return f"{title}\n  {found}"
