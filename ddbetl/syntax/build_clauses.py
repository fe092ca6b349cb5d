"""The clauses of a spec: one function for each rule of the grammar, of the same name.

In: the rule's children. Out: a part, or None for a rule that matched nothing.
"""

from __future__ import annotations

from typing import Any

from ddbetl.diagnostics import Diagnostic
from ddbetl.source import Span
from ddbetl.syntax import ast
from ddbetl.syntax.literals import read_number, read_quoted
from ddbetl.syntax.parts import (
    RESERVED,
    Children,
    Part,
    bare_identifier,
    empty_name,
    part_of,
    quoted_identifier,
    span_of,
    values_of,
    whole_number,
)
from ddbetl.syntax.tablename import read_table_name

# Declarations and statements


def spec(children: Children) -> Part:
    *declarations, statement = values_of(children)
    return part_of(children, (tuple(declarations), statement))


def param(children: Children) -> Part:
    default = children[3].value if len(children) == 4 else None
    name, problems = _declared(children[1])
    return part_of(children, ast.Param(name, default, span_of(children)), problems)


def let(children: Children) -> Part:
    name, problems = _declared(children[1])
    return part_of(children, ast.Let(name, children[3].value, span_of(children)), problems)


def let_value(children: Children) -> Part:
    name, problems = _declared(children[0])
    return part_of(children, ast.Let(name, children[2].value, span_of(children)), problems)


def _declared(token: Any) -> tuple[ast.Identifier, tuple[Diagnostic, ...]]:
    identifier = bare_identifier(token)
    if identifier.name.upper() not in RESERVED:
        return identifier, ()
    message = f"{identifier.name.upper()} is a word of the language and cannot be declared"
    return identifier, (Diagnostic("E0117", message, identifier.span, "choose another name"),)


def using(children: Children) -> Part:
    return part_of(children, ast.Using(children[1].value, span_of(children)))


def statement(children: Children) -> Part:
    write = children[0].value if len(children) == 2 else None
    select, sources, exclude, where, limit, on, settings = children[-1].value
    on_conflict, on_error = on or (None, None)
    return part_of(
        children,
        ast.Statement(
            write,
            select,
            sources,
            exclude or (),
            where,
            limit,
            on_conflict,
            on_error,
            settings or (),
            span_of(children),
        ),
    )


def query(children: Children) -> Part:
    return part_of(children, tuple(child and child.value for child in children))


def insert(children: Children) -> Part:
    *_, target, options, key = children
    node = ast.InsertInto(
        target.value,
        options.value if options else (),
        key.value if key else (),
        children[1].type == "OVERWRITE",
        span_of(children),
    )
    return part_of(children, node)


def merge(children: Children) -> Part:
    _, _, target, options, on_missing = children
    node = ast.MergeInto(target.value, options.value if options else (), on_missing is not None, span_of(children))
    return part_of(children, node)


def delete(children: Children) -> Part:
    _, _, target, options, _ = children
    return part_of(children, ast.DeleteFrom(target.value, options.value if options else (), span_of(children)))


def key(children: Children) -> Part | None:
    if not children:
        return None
    names = children[2].value
    problems = []
    if len(names) > 2:
        problems.append(
            Diagnostic(
                "E0109",
                f"a key has one or two attributes, this one has {len(names)}",
                names[2].span,
                "write KEY (partition) or KEY (partition, sort)",
            )
        )
    return part_of(children, names[:2], problems)


def on_missing(children: Children) -> Part | None:
    return part_of(children, True) if children else None


# SELECT


def select(children: Children) -> Part:
    return part_of(children, values_of(children))


def star(children: Children) -> Part:
    lists: dict[str, tuple[Any, ...]] = {"exclude": (), "replace": (), "rename": ()}
    problems = []
    for child in children[1:]:
        name, items = child.value
        if lists[name]:
            problems.append(
                Diagnostic(
                    "E0119",
                    f"{name.upper()} is given twice",
                    Span(child.start_pos, child.start_pos + len(name)),
                    "put both lists in one pair of parentheses",
                )
            )
        lists[name] += items
    return part_of(children, ast.Star(**lists, span=span_of(children)), problems)


def star_exclude(children: Children) -> Part:
    return part_of(children, ("exclude", children[2].value))


def star_replace(children: Children) -> Part:
    return part_of(children, ("replace", values_of(children)))


def star_rename(children: Children) -> Part:
    return part_of(children, ("rename", values_of(children)))


def column(children: Children) -> Part:
    alias = children[2].value if len(children) == 3 else None
    return part_of(children, ast.Column(children[0].value, alias, span_of(children)))


def replacement(children: Children) -> Part:
    return column(children)


def rename(children: Children) -> Part:
    return part_of(children, ast.Rename(children[0].value, children[2].value, span_of(children)))


def names(children: Children) -> Part:
    return part_of(children, values_of(children))


def word(children: Children) -> Part:
    return part_of(children, bare_identifier(children[0]))


def quoted(children: Children) -> Part:
    identifier, problems = quoted_identifier(children[0])
    return part_of(children, identifier, problems)


# Tables and files


def table(children: Children) -> Part:
    parts, problems = read_table_name(str(children[0]), children[0].start_pos)
    return part_of(children, ast.TableName(parts, False, span_of(children)), problems)


def target_table(children: Children) -> Part:
    part = table(children)
    for piece in part.value.parts:
        if not isinstance(piece, ast.Literal | ast.ParameterPart) and not part.problems:
            message = "the target is one table; patterns stand in FROM only"
            part.problems = (Diagnostic("E0127", message, piece.span, "write the target's whole name"),)
    return part


def quoted_table(children: Children) -> Part:
    identifier, problems = quoted_identifier(children[0])
    name = ast.TableName((ast.Literal(identifier.name, identifier.span),), True, identifier.span)
    return part_of(children, name, problems)


def file(children: Children) -> Part:
    span = span_of(children)
    name = ast.FileName(read_quoted(children[0]), span)
    return part_of(children, name, () if name.text else (empty_name("a file's name", span),))


def source(children: Children) -> Part:
    name, options = children
    return part_of(children, ast.Source(name.value, options.value if options else (), span_of(children)))


def sources(children: Children) -> Part:
    return part_of(children, values_of(children))


def exclude(children: Children) -> Part | None:
    return part_of(children, values_of(children)) if children else None


# The other clauses


def where(children: Children) -> Part | None:
    return part_of(children, children[1].value) if children else None


def limit(children: Children) -> Part | None:
    if not children:
        return None
    rows, problem = whole_number(children[1], "LIMIT counts rows: it is a whole number")
    return part_of(children, ast.Limit(rows, span_of(children)), problem)


def on(children: Children) -> Part | None:
    if not children:
        return None
    values = values_of(children)
    conflict = next((value for value in values if isinstance(value, ast.OnConflict)), None)
    error = next((value for value in values if isinstance(value, ast.OnError)), None)
    return part_of(children, (conflict, error))


def on_conflict(children: Children) -> Part:
    newest = type(children[-1]) is Part
    action = "KEEP NEWEST" if newest else children[2].upper()
    column = children[-1].value if newest else None
    return part_of(children, ast.OnConflict(action, column, span_of(children)))


def on_error(children: Children) -> Part:
    return part_of(children, ast.OnError(children[2].upper(), span_of(children)))


def settings(children: Children) -> Part | None:
    return part_of(children, values_of(children)) if children else None


# Options


def options(children: Children) -> Part | None:
    return part_of(children, values_of(children)) if children else None


def option(children: Children) -> Part:
    return part_of(children, ast.Option(bare_identifier(children[0]), values_of(children), span_of(children)))


def percent(children: Children) -> Part:
    return part_of(children, ast.Percent(children[0].value.value, span_of(children)))


def units(children: Children) -> Part:
    return part_of(children, ast.Units(children[0].value.value, children[1].lower(), span_of(children)))


def option_word(children: Children) -> Part:
    return part_of(children, ast.Word(bare_identifier(children[0]), span_of(children)))


def option_quoted(children: Children) -> Part:
    identifier, problems = quoted_identifier(children[0])
    return part_of(children, ast.Word(identifier, identifier.span), problems)


def negative_number(children: Children) -> Part:
    value, problem = read_number(str(children[1]), span_of(children[1:]))
    # copy_negate: unary minus would round to the context's precision.
    node = ast.Number(value.copy_negate(), span_of(children))
    return part_of(children, node, () if problem is None else (problem,))
