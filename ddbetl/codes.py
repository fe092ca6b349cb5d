"""Every code that a diagnostic or a row error can carry, declared once.

``docs/errors.md`` is generated from this table. A code is never used for two things and never reused. E01 is syntax,
E02 names and declarations, E03 types and functions, E04 tables and keys, E05 options, E06 what is not built yet,
W01 warnings, R01 errors of single rows (they end up in the rejects).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of diagnostic: its title, and a page in Markdown on why it is raised and what to do."""

    code: str
    title: str
    page: str


SYNTAX: tuple[Code, ...] = (
    Code(
        "E0101",
        "Nothing to do",
        """The spec is empty, has comments only, or declares names without using them. A spec does one thing: it ends
with one `SELECT`, `INSERT INTO … SELECT`, `MERGE INTO … SELECT` or `DELETE FROM … USING SELECT`. The shortest is

```sql
SELECT * FROM Orders
```
""",
    ),
    Code(
        "E0102",
        "Text without a closing quote",
        """A text begins with a single quote and runs to the next one. A quote inside is doubled: `'it''s'`. Where an
earlier text runs over the end of its line, it is probably that one whose closing quote is missing; the message marks
it too.
""",
    ),
    Code(
        "E0103",
        "Quoted name without a closing quote",
        """A name in double quotes runs to the next double quote. A double quote inside is doubled: `"3"" pipe"`. Text
is written in single quotes.
""",
    ),
    Code(
        "E0104",
        "Comment without an end",
        """A comment that begins with `/*` ends with `*/`. A comment that begins with `--` ends with its line.
""",
    ),
    Code(
        "E0105",
        "Stray character",
        """The character is not part of the language outside texts and quoted names. Often a word processor or a web
page has put a typographic quote, a dash or a special space in place of the plain one; the message names the character
and what to write. An attribute whose name has such a character is written in double quotes: `"user@host"`.
""",
    ),
    Code(
        "E0106",
        "Number that DynamoDB cannot hold",
        """A NUMBER has at most 38 significant digits and a magnitude from 1E-130 to 9.99E+125. A longer one would
have to be rounded, and nothing is rounded silently. Identifiers of many digits are better kept as text.
""",
    ),
    Code(
        "E0107",
        "Nested too deeply",
        """Brackets and operators are nested more than 128 levels deep. A chain of `OR` over one attribute is an `IN`
list, which may be as long as you like:

```sql
WHERE Status IN ('open', 'paid', 'sent')
```
""",
    ),
    Code(
        "E0108",
        "Spec too long",
        """The file has more than 200,000 words and signs. It is probably no spec. A very long `IN` list is better a
table or a file of its own.
""",
    ),
    Code(
        "E0109",
        "Unexpected word or sign",
        """The spec cannot go on like this. The message says what was found and what could stand there.
""",
    ),
    Code(
        "E0110",
        "Unexpected end",
        """The spec ends where something must follow. The message says what.
""",
    ),
    Code(
        "E0111",
        "Comma missing",
        """Two columns, tables, arguments or options follow each other without a comma. In the SELECT list a column
gets another name by `AS`; `SELECT a b` is not allowed, because it is mostly a forgotten comma.
""",
    ),
    Code(
        "E0112",
        "Comma too many",
        """A comma stands between two things. Here one of them is missing: the list ends with the comma, begins with
it, or has two in a row.
""",
    ),
    Code(
        "E0113",
        "Bracket not closed",
        """A `(`, `[`, `{` or `CASE` is open where its list or expression must have ended, or is closed by another
kind of bracket. The message marks where it was opened. `CASE` ends with `END`.
""",
    ),
    Code(
        "E0114",
        "Bracket not opened",
        """A `)`, `]` or `}` closes nothing. There is one too many, or the opening one is missing.
""",
    ),
    Code(
        "E0115",
        "FROM is missing",
        """Every spec reads tables or files, named in `FROM` after the SELECT list:

```sql
SELECT CustomerID, OrderID FROM CustomerTracker_*
```
""",
    ),
    Code(
        "E0116",
        "SELECT without columns",
        """`SELECT` is followed by the columns of the new items. `*` copies items whole.
""",
    ),
    Code(
        "E0117",
        "Word of the language used as a name",
        """`CASE`, `FALSE`, `NOT`, `NULL` and `TRUE` begin expressions, so an attribute of such a name is written in
double quotes: `"case"`. A `PARAM` or `LET` cannot have such a name. All other words, DynamoDB's reserved words among
them, can be written bare.
""",
    ),
    Code(
        "E0118",
        "Clause in the wrong place",
        """The clauses of a statement have one order:

```sql
INSERT INTO … SELECT … FROM … EXCLUDE … WHERE … LIMIT … ON CONFLICT … ON ERROR … WITH (…)
```
""",
    ),
    Code(
        "E0119",
        "Clause given twice",
        """A clause stands once. Conditions are joined by `AND`; tables and options are listed with commas.
""",
    ),
    Code(
        "E0120",
        "More than one statement",
        """A spec is one job: one statement, after its declarations. Put the second into a file of its own.
""",
    ),
    Code(
        "E0121",
        "Declaration after the statement",
        """`PARAM`, `LET` and `USING` stand at the top of the spec, before its statement.
""",
    ),
    Code(
        "E0122",
        "Not in the language",
        """This is SQL, but not in this language: joins, grouping, sorting, set operations, window functions, queries
inside queries, other names for tables, literals of DATE and INTERVAL. Each row is made from one item of one table.
The message says what to write instead, where there is something.
""",
    ),
    Code(
        "E0123",
        "Sign of another language",
        """The sign belongs to another language. Comparison is `=` and `<>`, logic is `AND`, `OR`, `NOT`, conversion
is `CAST(x AS type)`. A parameter is used by its bare name; `${name}` stands in names of tables only.
""",
    ),
    Code(
        "E0124",
        "Chained comparison",
        """`a < b < c` would compare a truth value with `c`. Write `a < b AND b < c`, `b BETWEEN a AND c`, or put the
first comparison in parentheses if that is what you mean. The same holds for `IN`, `LIKE`, `BETWEEN` and `IS`.
""",
    ),
    Code(
        "E0125",
        "Unknown unit",
        """Durations are written in `ms` (`milliseconds`), `seconds`, `minutes`, `hours`, `days` and `weeks`, also in
the singular. Months, quarters and years have no fixed length: write the days that you mean. `rcu`, `wcu` and
percentages stand in options only.
""",
    ),
    Code(
        "E0126",
        "Malformed name of a table",
        """In the name of a table `*` stands for any text, `?` for any character, `[abc]`, `[a-z]` and `[!abc]` for
one of some characters, `{low..high}` for any text between the bounds, which have the same length, and `${name}` for
the value of a `PARAM`:

```sql
FROM CustomerTracker_${domain}_{201605..201705}
```
""",
    ),
    Code(
        "E0127",
        "Pattern as target",
        """Rows are written to one table. Its name can have parameters, but no `*`, `?`, `[…]` or `{…}`.
""",
    ),
    Code(
        "E0128",
        "Empty name",
        """A name in double quotes, or a file's name in single quotes, has at least one character.
""",
    ),
    Code(
        "E0129",
        "Semicolon missing",
        """Every declaration ends with a semicolon: `PARAM domain;`. After the statement itself it may be left out.
""",
    ),
    Code(
        "E0130",
        "Path on something that is no attribute",
        """A path such as `Address.City` or `Lines[0].Sku` begins at an attribute. The result of a function or of
parentheses has no parts that a path could name.
""",
    ),
    Code(
        "E0131",
        "Misspelled word",
        """A word of the language is expected here, and what stands here is nearly one.
""",
    ),
)

CODES: dict[str, Code] = {code.code: code for code in (*SYNTAX,)}
