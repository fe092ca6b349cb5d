"""The abstract syntax tree of a spec.

Out of the parser, into the formatter and the analyzer. Invariant: every node has the span of the text it was made from;
spans take no part in comparison, so two trees are equal when they mean the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from ddbetl.source import SourceText, Span

NO_SPAN = Span(0, 0)


def _span() -> Span:
    return field(default=NO_SPAN, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Identifier:
    """A name; ``quoted`` when it was written in double quotes."""

    name: str
    quoted: bool = False
    span: Span = _span()


# Expressions


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Number:
    value: Decimal
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Boolean:
    value: bool
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Null:
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DurationLiteral:
    """``365 days``: an amount and a unit in the singular, lower case (``day``)."""

    amount: Decimal
    unit: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class TimestampLiteral:
    """``TIMESTAMP '2017-04-26T00:00:00Z'``."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Name:
    """A bare or quoted name: an attribute, or a LET or PARAM when bare."""

    identifier: Identifier
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Field:
    """A step ``.name`` of a path."""

    identifier: Identifier
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Index:
    """A step ``[n]`` of a path."""

    position: int
    span: Span = _span()


Step: TypeAlias = Field | Index


@dataclass(frozen=True, slots=True)
class Path:
    """``Address.City``, ``Lines[0].Sku``."""

    base: Name
    steps: tuple[Step, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Unary:
    """``-x`` or ``NOT x``; ``operator`` is ``-`` or ``NOT``."""

    operator: str
    operand: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binary:
    """``operator`` is one of ``+ - * / % || = <> < <= > >= AND OR`` (``!=`` is read as ``<>``)."""

    operator: str
    left: Expression
    right: Expression
    operator_span: Span = _span()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Between:
    operand: Expression
    low: Expression
    high: Expression
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class In:
    operand: Expression
    items: tuple[Expression, ...]
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Like:
    operand: Expression
    pattern: Expression
    escape: Expression | None = None
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class IsNull:
    operand: Expression
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class IsMissing:
    operand: Expression
    negated: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class When:
    condition: Expression
    result: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Case:
    """``CASE [operand] WHEN … THEN … [ELSE …] END``."""

    operand: Expression | None
    whens: tuple[When, ...]
    otherwise: Expression | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Cast:
    """``CAST(operand AS type)``; the type's name as written, upper case, words joined by one space."""

    operand: Expression
    type_name: Identifier
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """``name(arguments)``."""

    name: Identifier
    arguments: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ListConstructor:
    """``[a, b]``."""

    items: tuple[Expression, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class MapEntry:
    key: Text
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class MapConstructor:
    """``{'a': 1, 'b': x}``."""

    entries: tuple[MapEntry, ...]
    span: Span = _span()


Expression: TypeAlias = (
    Text
    | Number
    | Boolean
    | Null
    | DurationLiteral
    | TimestampLiteral
    | Name
    | Path
    | Unary
    | Binary
    | Between
    | In
    | Like
    | IsNull
    | IsMissing
    | Case
    | Cast
    | Call
    | ListConstructor
    | MapConstructor
)

# Names of tables


@dataclass(frozen=True, slots=True)
class Literal:
    """Characters that stand for themselves."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ParameterPart:
    """``${name}``."""

    name: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AnyText:
    """``*``."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class AnyCharacter:
    """``?``."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class CharacterClass:
    """``[abc]``, ``[a-z]``, ``[!abc]``: the text between the brackets."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Range:
    """``{low..high}``: any text of the bounds' length that lies between them."""

    low: str
    high: str
    span: Span = _span()


NamePart: TypeAlias = Literal | ParameterPart | AnyText | AnyCharacter | CharacterClass | Range


@dataclass(frozen=True, slots=True)
class TableName:
    """A table's name or pattern; ``quoted`` when written in double quotes (then one literal part)."""

    parts: tuple[NamePart, ...]
    quoted: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FileName:
    """A quoted string: a file or folder, local or ``s3://``."""

    text: str
    span: Span = _span()


# Options


@dataclass(frozen=True, slots=True)
class Percent:
    """``50%``."""

    value: Decimal
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Units:
    """``500 rcu``; ``unit`` is ``rcu`` or ``wcu``."""

    value: Decimal
    unit: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Word:
    """A bare word: ``unlimited``, ``reject``, a column's name (``quoted`` when in double quotes)."""

    identifier: Identifier
    span: Span = _span()


OptionAtom: TypeAlias = Percent | Units | Word | Text | Number | Boolean | DurationLiteral


@dataclass(frozen=True, slots=True)
class Option:
    """``name = value``; the value is one atom, or several (``billing = provisioned 100 rcu 500 wcu``)."""

    name: Identifier
    value: tuple[OptionAtom, ...]
    span: Span = _span()


# Clauses


@dataclass(frozen=True, slots=True)
class Source:
    """One source of FROM with its own options."""

    name: TableName | FileName
    options: tuple[Option, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Column:
    """``expression [AS alias]``."""

    expression: Expression
    alias: Identifier | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Rename:
    """``old AS new``."""

    old: Identifier
    new: Identifier
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Star:
    """``* [EXCLUDE (…)] [REPLACE (…)] [RENAME (…)]``; the columns of ``replace`` always have an alias."""

    exclude: tuple[Identifier, ...] = ()
    replace: tuple[Column, ...] = ()
    rename: tuple[Rename, ...] = ()
    span: Span = _span()


SelectItem: TypeAlias = Star | Column


@dataclass(frozen=True, slots=True)
class OnConflict:
    """``action`` is REPLACE, SKIP, REJECT, FAIL or ``KEEP NEWEST`` (then ``column`` is set)."""

    action: str
    column: Identifier | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OnError:
    """``action`` is REJECT, FAIL or SKIP."""

    action: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class InsertInto:
    """``INSERT INTO target [KEY (partition [, sort])]``; ``overwrite`` for INSERT OVERWRITE [TABLE]."""

    target: TableName | FileName
    options: tuple[Option, ...] = ()
    key: tuple[Identifier, ...] = ()
    overwrite: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class MergeInto:
    """``MERGE INTO target [ON MISSING SKIP]``."""

    target: TableName | FileName
    options: tuple[Option, ...] = ()
    skip_missing: bool = False
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class DeleteFrom:
    """``DELETE FROM target USING SELECT …``."""

    target: TableName | FileName
    options: tuple[Option, ...] = ()
    span: Span = _span()


Write: TypeAlias = InsertInto | MergeInto | DeleteFrom


@dataclass(frozen=True, slots=True)
class Limit:
    rows: int
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Statement:
    """``[INSERT INTO …] SELECT … FROM … [WHERE …] [LIMIT …] [ON CONFLICT …] [ON ERROR …] [WITH (…)]``."""

    write: Write | None
    select: tuple[SelectItem, ...]
    sources: tuple[Source, ...]
    exclude: tuple[TableName, ...] = ()
    where: Expression | None = None
    limit: Limit | None = None
    on_conflict: OnConflict | None = None
    on_error: OnError | None = None
    options: tuple[Option, ...] = ()
    span: Span = _span()


# Declarations


@dataclass(frozen=True, slots=True)
class Param:
    """``PARAM name [= default];`` the default is a constant expression."""

    name: Identifier
    default: Expression | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Let:
    """``LET name = constant;``"""

    name: Identifier
    value: Expression
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Using:
    """``USING 'file.py';``"""

    file: Text
    span: Span = _span()


Declaration: TypeAlias = Param | Let | Using


@dataclass(frozen=True, slots=True)
class Comment:
    """A ``-- …`` or ``/* … */`` comment, with its marks."""

    text: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Spec:
    """A whole spec."""

    declarations: tuple[Declaration, ...]
    statement: Statement
    source: SourceText = field(compare=False, repr=False, default=SourceText(""))
    comments: tuple[Comment, ...] = field(compare=False, repr=False, default=())
    span: Span = _span()
