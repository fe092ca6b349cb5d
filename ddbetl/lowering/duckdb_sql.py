"""Expressions as DuckDB SQL over a page of raw items.

In: typed expressions. Out: SQL for each value and its guard, arranged in layers (every shared value is a column
computed once), and the JSON structures by which the needed attributes are read from the raw page. Invariants: the SQL
of a value never raises; a guard is never NULL; where a guard is true, the value equals the reference evaluator's.

Everything that comes from the spec enters the SQL through ``sql_text`` or ``sql_name``, which quote it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import product
from math import prod

from ddbetl.expressions.evaluate import SEES_NULL_VALUE
from ddbetl.expressions.ir import Attribute, Call, Candidate, Constant, Expression
from ddbetl.functions.forms import NULL, conjunction, decimal_of_text, is_null, number_literal, text_of_number, unify
from ddbetl.functions.model import Fast, Form, Nulls, PageFunction, sql_text
from ddbetl.types import TAG_OF, Duration, Timestamp, Type

# The longest chain of CASE branches for arguments whose type only the row knows, and what is tried to find them.
MOST_ALTERNATIVES = 16
MOST_COMBINATIONS = 256

# The fields of an attribute that are read as typed columns; every other type is read as JSON text.
TYPED_FIELDS = {Type.STRING: "VARCHAR", Type.NUMBER: "VARCHAR", Type.BOOLEAN: "BOOLEAN", Type.BINARY: "VARCHAR"}


def sql_name(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def json_pointer(steps: tuple[str | int, ...]) -> str:
    """Where a path's value lies inside an attribute in DynamoDB JSON: ``Lines[0].Sku`` → ``/L/0/M/Sku``."""
    parts = []
    for step in steps:
        if isinstance(step, int):
            parts.append(f"/L/{step}")
        else:
            parts.append("/M/" + step.replace("~", "~0").replace("/", "~1"))
    return "".join(parts)


@dataclass(frozen=True, slots=True)
class Entry:
    """A key that is read from every raw item: typed fields by tag, or the attribute's JSON text (``tags`` empty)."""

    name: str
    tags: tuple[str, ...]

    @property
    def structure(self) -> object:
        return {tag: "BOOLEAN" if tag in ("BOOL", "NULL") else "VARCHAR" for tag in self.tags} if self.tags else "JSON"


_COLUMN = re.compile(r"\bc(\d+)\b")


@dataclass(slots=True)
class Lowerer:
    """Lowers the expressions of one statement; shares what they have in common.

    ``typed`` are the attributes that some expression reads by type, with these types: a bare copy of them is put
    together again from the typed fields, which is cheaper than reading the attribute twice.
    """

    typed: Mapping[str, frozenset[Type]] = field(default_factory=dict)
    # Columns by number: their SQL and their layer (1 reads the attributes, n reads layers below n).
    _sql: list[str] = field(default_factory=list)
    _layer: list[int] = field(default_factory=list)
    _known: dict[str, str] = field(default_factory=dict)
    _typed_entries: dict[str, set[str]] = field(default_factory=dict)
    _json_entries: dict[str, None] = field(default_factory=dict)
    _attribute_columns: dict[tuple[str, bool], str] = field(default_factory=dict)
    _python: dict[PageFunction, str] = field(default_factory=dict)

    # What function lowerings may use (functions.model.Lowering).

    def bind(self, sql: str) -> str:
        """Name the value of an SQL expression; equal expressions get one column."""
        if sql in self._known or _COLUMN.fullmatch(sql):
            return self._known.get(sql, sql)
        used = [int(n) for n in _COLUMN.findall(sql)]
        column = f"c{len(self._sql)}"
        self._layer.append(1 + max((self._layer[n] for n in used if n < len(self._sql)), default=0))
        self._sql.append(sql)
        self._known[sql] = column
        return column

    def call(self, function: PageFunction, arguments: tuple[str, ...]) -> str:
        """SQL for a call of a Python function, which the statement must then be given."""
        name = self._python.setdefault(function, f"python{len(self._python)}")
        return f"{name}({', '.join(arguments)})"

    @property
    def source_table(self) -> str:
        return "source_table"

    @property
    def now(self) -> str:
        return "now_millis"

    # What the statement needs.

    @property
    def python(self) -> tuple[tuple[str, PageFunction], ...]:
        """The Python functions that are called, by their names in SQL."""
        return tuple((name, function) for function, name in self._python.items())

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        """The attributes that are read, by the names of their columns."""
        return tuple((column, name) for (name, _), column in self._attribute_columns.items())

    def definition(self, sql: str) -> str:
        """What a column is made of, where the SQL is no more than its name; else the SQL."""
        while found := _COLUMN.fullmatch(sql):
            sql = self._sql[int(found[1])]
        return sql

    @property
    def depth(self) -> int:
        """How many columns are bound so far."""
        return len(self._sql)

    def layers(self, start: int, stop: int) -> list[list[tuple[str, str]]]:
        """The columns bound from the ``start``-th up to the ``stop``-th, by layer: (name, SQL)."""
        out: dict[int, list[tuple[str, str]]] = {}
        for number in range(start, stop):
            out.setdefault(self._layer[number], []).append((f"c{number}", self._sql[number]))
        return [out[layer] for layer in sorted(out)]

    def structures(self) -> tuple[list[str], dict[str, str]]:
        """The from_json structures (JSON texts), and the SQL of each attribute column over ``s0``, ``s1``, ….

        DuckDB matches keys by case but cannot hold ``id`` and ``ID`` in one struct, nor one key twice, so such keys go
        into further structures that are read beside the first.
        """
        entries = [(name, Entry(name, tuple(sorted(tags)))) for name, tags in self._typed_entries.items()]
        entries += [(name, Entry(name, ())) for name in self._json_entries]
        structs: list[dict[str, Entry]] = []
        columns: dict[str, str] = {}
        for name, entry in entries:
            number = next((n for n, struct in enumerate(structs) if name.lower() not in struct), len(structs))
            if number == len(structs):
                structs.append({})
            structs[number][name.lower()] = entry
            column = self._attribute_columns[(name, bool(entry.tags))]
            columns[column] = f"struct_extract(s{number}, {sql_text(name)})"
        texts = [json.dumps([{e.name: e.structure for e in struct.values()}], ensure_ascii=False) for struct in structs]
        return texts, columns

    # Lowering.

    def lower(self, expression: Expression) -> Fast | None:
        """SQL for an expression, or None where it has no fast form.

        An expression of type ANY comes as JSON: the attribute value in DynamoDB JSON.
        """
        match expression:
            case Constant():
                return self._constant(expression)
            case Attribute():
                return self._json(expression)
            case Call():
                return self._call(expression)

    def _constant(self, constant: Constant) -> Fast | None:
        value = constant.value
        match value:
            case None:
                return NULL
            case bool():
                return Fast("TRUE" if value else "FALSE", Form.BOOLEAN)
            case str():
                text = sql_text(value)
                return None if text is None else Fast(text, Form.TEXT)
            case Decimal():
                return number_literal(value)
            case bytes():
                return Fast(f"'{base64.b64encode(value).decode()}'", Form.BASE64)
            case Timestamp(millis=millis) | Duration(millis=millis):
                return Fast(f"{millis}::BIGINT", Form.MILLIS) if abs(millis) < 2**62 else None
            case _:
                return None

    def typed_field(self, name: str, type_: Type) -> str:
        """SQL for the content of an attribute of one of TYPED_FIELDS; NULL when it has another type or is absent."""
        return f"{self._typed_column(name, TAG_OF[type_])}.{sql_name(TAG_OF[type_])}"

    def _typed_column(self, name: str, tag: str | None = None) -> str:
        tags = self._typed_entries.setdefault(name, set())
        if tag is not None:
            tags.add(tag)
        return self._attribute_columns.setdefault((name, True), f"t{len(self._attribute_columns)}")

    def _json_column(self, name: str) -> str:
        self._json_entries[name] = None
        return self._attribute_columns.setdefault((name, False), f"j{len(self._attribute_columns)}")

    def _json(self, attribute: Attribute) -> Fast | None:
        """An attribute's value in DynamoDB JSON."""
        name = attribute.name
        if not readable(name):
            return None
        if not attribute.steps:
            if name not in self.typed:
                return Fast(self._json_column(name), Form.JSON)
            return self._rebuilt(name)
        base = self._json_column(name)
        pointer = sql_text(json_pointer(attribute.steps))
        if pointer is None or any(step == "" for step in attribute.steps):
            return None
        # Every step must go into a map or a list of the right kind, or end in nothing.
        value = self.bind(f"json_extract({base}, {pointer})::VARCHAR")
        guards = [f"{base} IS NULL"]
        inside = []
        for depth, step in enumerate(attribute.steps):
            tag = "L" if isinstance(step, int) else "M"
            at = json_pointer(attribute.steps[:depth]) + "/" + tag
            inside.append(f"json_exists({base}, {sql_text(at)})")
        guards.append("(" + " AND ".join(inside) + ")")
        return Fast(value, Form.JSON, self.bind(f"coalesce({' OR '.join(guards)}, FALSE)"))

    def _rebuilt(self, name: str) -> Fast:
        """An attribute's value in DynamoDB JSON, put together again from the fields that are read by type anyway."""
        fields = [(t, self.typed_field(name, t)) for t in Type if t in self.typed[name]]
        present = [f"{content} IS NOT NULL" for _, content in fields]
        cases = " ".join(f"WHEN {test} THEN {_rebuild(t, c)}" for test, (t, c) in zip(present, fields, strict=True))
        value = _rebuild(*fields[0]) if len(fields) == 1 else f"CASE {cases} END"
        guard = f"coalesce({' OR '.join([f'{self._typed_column(name)} IS NULL', *present])}, FALSE)"
        return Fast(self.bind(value), Form.JSON, self.bind(guard))

    def _call(self, call: Call) -> Fast | None:
        if call.function.nulls is Nulls.LAZY:
            return self._lazy_call(call)
        if call.function.nulls is Nulls.SEEN:
            return self._seeing_call(call)
        return self._strict_call(call)

    def _lazy_call(self, call: Call) -> Fast | None:
        (candidate,) = call.candidates
        lower = candidate.implementation.lower
        if lower is None:
            return None
        arguments = []
        for position, argument in enumerate(call.arguments):
            accepted = candidate.accepts[position]
            fast = self._any_as(argument, accepted) if argument.type is Type.ANY else self.lower(argument)
            if fast is None:
                return None
            arguments.append(fast)
        result = lower(self, tuple(arguments))
        return None if result is None else self._bound(result)

    def _seeing_call(self, call: Call) -> Fast | None:
        """A call that sees NULL: of one signature, its arguments of known type or as JSON."""
        (candidate, *others) = call.candidates
        lower = candidate.implementation.lower
        if others or lower is None:
            return None
        presence = self._presence(call)
        if presence is not None:
            return presence
        arguments = []
        for argument, accepted in zip(call.arguments, candidate.accepts, strict=True):
            if argument.type is not Type.ANY or call.function.name in SEES_NULL_VALUE:
                fast = self.lower(argument)
            else:
                fast = self._any_as(argument, accepted)
            if fast is None:
                return None
            arguments.append(fast)
        result = lower(self, tuple(arguments))
        if result is None:
            return None
        guard = conjunction([*(a.guard for a in arguments), result.guard])
        return self._bound(Fast(result.value, result.form, guard))

    def _presence(self, call: Call) -> Fast | None:
        """IS NULL or IS MISSING of an attribute: it is enough to know that it is there, and is no NULL."""
        asked = call.function.name
        if asked not in ("IS NULL", "IS MISSING"):
            return None
        (argument,) = call.arguments
        if not isinstance(argument, Attribute) or argument.steps:
            return None
        if not readable(argument.name):
            return None
        if argument.name in self.typed:
            column = self._typed_column(argument.name, TAG_OF[Type.NULL])
            null = f"coalesce({column}.{sql_name(TAG_OF[Type.NULL])}, FALSE)"
        else:
            column = self._json_column(argument.name)
            null = f"""{column} = '{{"NULL":true}}'"""
        missing = f"{column} IS NULL"
        return Fast(self.bind(f"({missing})" if asked == "IS MISSING" else f"({missing} OR {null})"), Form.BOOLEAN)

    def _any_as(self, argument: Expression, accepted: frozenset[Type]) -> Fast | None:
        """An argument of type ANY for a function that sees NULL: one known type, or JSON without DynamoDB's NULL."""
        if len(accepted) == 1:
            found = self._alternatives(argument, accepted)
            if found is None or not found.options:
                return None
            _, test, fast = found.options[0]
            guard = f"({found.is_null} OR {test})"
            if fast.guard is not None:
                guard = f"({found.is_null} OR ({test} AND {fast.guard}))"
            return self._bound(Fast(fast.value, fast.form, conjunction([found.guard, guard])))
        whole = self.lower(argument)
        if whole is None or is_null(whole):
            return whole
        value = f"""nullif({whole.value}, '{{"NULL":true}}')"""
        return self._bound(Fast(value, Form.JSON, whole.guard))

    def _strict_call(self, call: Call) -> Fast | None:
        if any(isinstance(argument, Constant) and argument.value is None for argument in call.arguments):
            return self._null_call(call)
        options: list[list[tuple[Type, str, Fast]]] = []
        nulls: list[str] = []
        guards: list[str | None] = []
        for position, argument in enumerate(call.arguments):
            if argument.type is not Type.ANY:
                fast = self.lower(argument)
                if fast is None:
                    return None
                guards.append(fast.guard)
                if argument.nullable:
                    nulls.append(f"{fast.value} IS NULL")
                options.append([(argument.type, "", fast)])
                continue
            types = lowered_types(call, position)
            found = self._alternatives(argument, types) if types else None
            if found is None:
                return None
            guards.append(found.guard)
            nulls.append(found.is_null)
            options.append(found.options)
        if prod(map(len, options)) > MOST_COMBINATIONS:
            return None
        branches: list[tuple[str, Fast]] = []
        for combination in product(*options):
            candidate = _candidate(call, tuple(t for t, _, _ in combination))
            if candidate is None or candidate.implementation.lower is None:
                continue
            result = candidate.implementation.lower(self, tuple(fast for _, _, fast in combination))
            if result is not None and call.type is Type.ANY and result.form is not Form.JSON:
                # Its type differs from row to row, so it comes as JSON.
                type_ = next((combination[position][0] for position in candidate.same), candidate.result)
                written = attribute_json(result, type_)
                result = None if written is None else Fast(written, Form.JSON, result.guard)
            if result is None:
                continue
            tests = [test for _, test, _ in combination if test]
            # Guards of typed fields (a number that DECIMAL holds) belong to the branch; the others to all.
            own = [fast.guard for (_, test, fast) in combination if test]
            branches.append((" AND ".join(tests), Fast(result.value, result.form, conjunction([*own, result.guard]))))
        if not 0 < len(branches) <= MOST_ALTERNATIVES:
            return None
        return self._dispatch(branches, nulls, guards)

    def _null_call(self, call: Call) -> Fast | None:
        """A call with a NULL in the spec's text: NULL, once the other arguments are known not to fail."""
        guards = []
        for argument in call.arguments:
            fast = self.lower(argument)
            if fast is None:
                return None
            guards.append(fast.guard)
        return replace(NULL, guard=conjunction(guards))

    def _dispatch(self, branches: list[tuple[str, Fast]], nulls: list[str], guards: list[str | None]) -> Fast | None:
        """One value and one guard of a call's branches, each under the test of its arguments' types."""
        found = unify([fast for _, fast in branches])
        if found is None:
            return None
        form = found[0].form
        branches = [(test, fast) for (test, _), fast in zip(branches, found, strict=True)]
        if len(branches) == 1:
            ((test, fast),) = branches
            value = fast.value
            own = [g for g in (test, fast.guard) if g]
        else:
            value = "CASE " + " ".join(f"WHEN {test} THEN {fast.value}" for test, fast in branches) + " END"
            own = [
                "CASE "
                + " ".join(f"WHEN {test} THEN {fast.guard or 'TRUE'}" for test, fast in branches)
                + " ELSE FALSE END"
            ]
        guard = conjunction(guards)
        if own:
            inner = " AND ".join(own)
            if nulls:
                inner = f"{' OR '.join(nulls)} OR ({inner})"
            # A test of a missing argument is NULL, and so may be a guard that looks at it.
            guard = conjunction([guard, f"coalesce({inner}, FALSE)"])
        return self._bound(Fast(value, form, guard))

    def _bound(self, fast: Fast) -> Fast:
        if is_null(fast):
            return fast
        guard = None if fast.guard is None else self.bind(fast.guard)
        return Fast(self.bind(fast.value), fast.form, guard)

    def _alternatives(self, argument: Expression, accepted: frozenset[Type]) -> _Alternatives | None:
        """The types that an argument of type ANY may have in a row, with a test and the content for each."""
        if isinstance(argument, Attribute) and not argument.steps:
            name = argument.name
            if not readable(name):
                return None
            if accepted <= TYPED_FIELDS.keys():
                column = self._typed_column(name)
                options = [
                    (t, f"{content} IS NOT NULL", self._content(t, content))
                    for t in Type
                    if t in accepted
                    for content in [self.typed_field(name, t)]
                ]
                return _Alternatives(options, f"{column} IS NULL", None)
            whole: Fast | None = Fast(self._json_column(name), Form.JSON)
        else:
            whole = self.lower(argument)
        if whole is None:
            return None
        text = self.bind(whole.value)
        options = []
        for type_ in Type:
            if type_ in accepted and type_ in TAG_OF:
                tag = TAG_OF[type_]
                test = f"starts_with({text}, {sql_text('{' + json.dumps(tag) + ':')})"
                if type_ in TYPED_FIELDS:
                    content = f"json_extract_string({text}, '/{tag}')"
                    if type_ is Type.BOOLEAN:
                        content = f"({content} = 'true')"
                    options.append((type_, test, self._content(type_, self.bind(content))))
                else:
                    # The NULL of the spec's text has no type of its own, and what is made of it would be no list.
                    content = self.bind(f"CASE WHEN {test} THEN {text}::VARCHAR END")
                    options.append((type_, test, Fast(content, Form.JSON)))
        return _Alternatives(options, f"""({text} IS NULL OR {text} = '{{"NULL":true}}')""", whole.guard)

    def _content(self, type_: Type, content: str) -> Fast:
        match type_:
            case Type.BOOLEAN:
                return Fast(content, Form.BOOLEAN)
            case Type.NUMBER:
                return decimal_of_text(self, content)
            case Type.BINARY:
                return Fast(content, Form.BASE64)
            case _:
                return Fast(content, Form.TEXT)


@dataclass(frozen=True, slots=True)
class _Alternatives:
    """``options``: type, SQL test that the row has it, content. ``is_null``: SQL. ``guard``: of the argument itself."""

    options: list[tuple[Type, str, Fast]]
    is_null: str
    guard: str | None


def lowered_types(call: Call, position: int) -> frozenset[Type]:
    """The types that an argument of type ANY can have where the call has a fast form."""
    candidates = [c for c in call.candidates if c.implementation.lower is not None]
    return frozenset[Type]().union(*(c.accepts[position] for c in candidates))


def _rebuild(type_: Type, content: str) -> str:
    """SQL for an attribute in DynamoDB JSON of one of TYPED_FIELDS; NULL stays NULL."""
    match type_:
        case Type.STRING:
            made = f"""concat('{{"S":', to_json({content}), '}}')"""
        case Type.BOOLEAN:
            made = f"""concat('{{"BOOL":', {content}, '}}')"""
        case _:
            made = f"""concat('{{"{TAG_OF[type_]}":"', {content}, '"}}')"""
    # Faster than two ||, each of which makes a text.
    return f"CASE WHEN {content} IS NOT NULL THEN {made} END"


def readable(name: str) -> bool:
    """Whether DuckDB can read an attribute of this name from JSON: the empty name it cannot."""
    return name != "" and sql_text(name) is not None


def _candidate(call: Call, types: tuple[Type, ...]) -> Candidate | None:
    for candidate in call.candidates:
        fits = all(t in accepted or t is Type.NULL for t, accepted in zip(types, candidate.accepts, strict=True))
        if fits and len({types[position] for position in candidate.same} - {Type.NULL}) <= 1:
            return candidate
    return None


def attribute_json(fast: Fast, type_: Type) -> str | None:
    """SQL for an attribute in DynamoDB JSON of a lowered value; NULL stays NULL. None where there is no fast form."""
    value = fast.value
    if is_null(fast):
        return value
    match fast.form:
        case Form.JSON:
            return value
        case Form.BASE64:
            return f"""'{{"B":"' || {value} || '"}}'"""
        case Form.TEXT if type_ is Type.STRING:
            return f"""'{{"S":' || to_json({value}) || '}}'"""
        case Form.INTEGER | Form.DECIMAL:
            return f"""'{{"N":"' || {text_of_number(fast)} || '"}}'"""
        case Form.BOOLEAN:
            return f"""CASE WHEN {value} THEN '{{"BOOL":true}}' WHEN NOT {value} THEN '{{"BOOL":false}}' END"""
        case _:
            return None
