"""Every code that a diagnostic or a row error can carry, declared once.

``docs/errors.md`` is generated from this table. A code is never used for two things and never reused. E01 is syntax,
E02 names and declarations, E03 types and functions, E04 tables and keys, E05 options, E06 what is not built yet,
W01 warnings, W02 warnings that take a sample, R01 errors of single rows (they end up in the rejects).
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

ROWS: tuple[Code, ...] = (
    Code(
        "R0101",
        "Wrong type",
        """An attribute of the item has another type than the expression needs. DynamoDB has no schema, so this shows
only when the item is read. `CAST(x AS type)`, `to_number` and `to_string` convert; `try(…)` makes a NULL of the error;
`attribute_type(x)` asks for the type.
""",
    ),
    Code(
        "R0102",
        "Types that do not go together",
        """The values of this item have types that the operator or function takes singly but not together: a text is
compared with a number, say. Nothing is converted silently; `to_number` and `to_string` do it.
""",
    ),
    Code(
        "R0103",
        "Number out of range",
        """The result is beyond what DynamoDB holds: magnitudes from 1E-130 to 9.99E+125, and zero.
""",
    ),
    Code(
        "R0104",
        "Number with too many digits",
        """The exact result has more than the 38 significant digits that DynamoDB holds. It is not rounded silently:
`round(x, places)` does it. Only a division, a power and a root round by themselves.
""",
    ),
    Code(
        "R0105",
        "Text that is no number",
        """`to_number` and `CAST(… AS NUMBER)` take digits with an optional sign, fraction and exponent, and nothing else:
no blanks (`trim` takes them away), no thousands separators, no units.
""",
    ),
    Code(
        "R0106",
        "Division by zero",
        """`x / nullif(y, 0)` is NULL where `y` is zero.
""",
    ),
    Code(
        "R0107",
        "Text that is no time",
        """The text does not match the pattern, or without a pattern ISO-8601; or it names a time that does not exist: 30
February, 25 o'clock, a local time that the clocks skipped. The message says where the text stops to fit.
`try(epoch(…))` is NULL for such a text.
""",
    ),
    Code(
        "R0108",
        "Time out of range",
        """Times and durations are counted in milliseconds from 1970, over 292 million years each way.
""",
    ),
    Code(
        "R0109",
        "Unknown attribute type",
        """The item is not in DynamoDB's JSON, such as `{"Name": "Ann"}` in place of `{"Name": {"S": "Ann"}}`, or holds a
type that this version does not know. DynamoDB itself gives no such item: look at the server, or the file.
""",
    ),
    Code(
        "R0110",
        "Argument out of bounds",
        """A function cannot use this value of its argument: a negative length, a position or a number of decimal places
that is not whole, a duration that is no whole number of milliseconds, the root of a negative number, an empty separator.
""",
    ),
    Code(
        "R0111",
        "Binary that cannot be read",
        """The bytes are not UTF-8, so they are no text; or a text that stands for bytes is not base64, or not pairs of
hexadecimal digits.
""",
    ),
    Code(
        "R0112",
        "LIKE pattern that ends in its escape character",
        """The escape character makes the next character stand for itself, and there is none. To match the character
itself, write it twice.
""",
    ),
    Code(
        "R0113",
        "Value that is no boolean",
        """`CAST(… AS BOOLEAN)` takes the texts `true` and `false`, in any case, and the numbers 1 and 0. Others are
compared: `x IN ('yes', 'Y')`, `n <> 0`.
""",
    ),
    Code(
        "R0114",
        "Text that is no JSON",
        """`from_json` takes strict JSON (RFC 8259) that DynamoDB can store: no comments, no comma too many, no NaN, no
key twice, at most 32 levels. `try(from_json(…))` is NULL for such a text.
""",
    ),
    Code(
        "R0115",
        "Function of your own that failed",
        """A Python function of a file that `USING` names raised an exception. The message is the last line of its
traceback, with the line of your file. `try(…)` is NULL for such a row.
""",
    ),
    Code(
        "R0116",
        "Value that a function of your own cannot take or give",
        """A Python function returned something else than the type that it declares: a float, which is not exact, a
`datetime` without a zone, arrays of another length. Or an argument is one that Python has no place for: a time beyond
the year 9999; for a vectorised function, a number of more than 29 digits before the point or 9 behind it. [The
types](own-functions.md#types) and what stands for them in Python.
""",
    ),
)

ITEMS: tuple[Code, ...] = (
    Code(
        "R0201",
        "Attribute in the item already",
        """`SELECT *, x AS name` or `* RENAME (old AS name)`: this item has an attribute `name` of its own, and nothing is
overwritten silently. `* REPLACE (x AS name)` replaces it; `* EXCLUDE (name)` leaves it out.
""",
    ),
    Code(
        "R0202",
        "Key missing or of another type",
        """The row has no value for an attribute of the target's key, or one of another type than the target's. `WHERE`
can leave such rows out; `to_string` and `to_number` convert.
""",
    ),
    Code(
        "R0203",
        "Key empty or too long",
        """DynamoDB takes keys of 1 to 2,048 bytes for a partition key, 1 to 1,024 for a sort key. `WHERE CustomerID <> ''`
leaves rows out whose key is empty; `left(Url, 500)` and `sha256(Url)` make a long one shorter.
""",
    ),
    Code(
        "R0204",
        "Item too large",
        """DynamoDB takes items of at most 400 KB (409,600 bytes), names and values together. Another target's attributes
may need less: `* EXCLUDE (Body)` leaves one out, `left(Body, 10000) AS Body` cuts it.
""",
    ),
    Code(
        "R0205",
        "Text that is no Unicode",
        """A text holds half of a surrogate pair, such as `"\\ud83d"` in JSON, which UTF-8 cannot say. DynamoDB itself never
holds one: the item is from another server, or the text was cut in the middle of a character before it was stored.
""",
    ),
    Code(
        "R0206",
        "Item refused by the server",
        """The server does not take the item, and says why in the message: an attribute that is the key of an index has
another type than the index's, say. `to_string(x)` or `to_number(x)` gives it that type; `* EXCLUDE (x)` leaves it out.
""",
    ),
    Code(
        "R0301",
        "Item there already",
        """The target has an item with the row's key, and another content: `ON CONFLICT REJECT`, which is the default,
writes only where nothing is. The message names the key and the attributes that differ; an item that is equal to the row
is no conflict, however its numbers are spelt and its sets are ordered. `ON CONFLICT` also knows `REPLACE`, `SKIP`,
`FAIL` and `KEEP NEWEST BY column`; `MERGE INTO` sets the row's attributes and keeps the others.
""",
    ),
    Code(
        "R0302",
        "Nothing to compare by",
        """`KEEP NEWEST BY column` found an item with the row's key, and its attribute `column` has another type than the
row's, so that none of the two is the newer one. The target keeps its item. An item without that attribute counts as
older than any row.
""",
    ),
    Code(
        "R0303",
        "Row without a value to compare",
        """`KEEP NEWEST BY column` compares numbers, texts or binaries, and the row has none of these in the column.
`coalesce(column, …)` gives it one; `WHERE column IS NOT NULL` leaves such rows out.
""",
    ),
    Code(
        "R0304",
        "Key of another source row",
        """Another row of the sources has the same key in the target, and came first; the message says which one. One of
the two would replace the other, so only the first is written. A key that holds more of the sources' keys keeps them
apart; `collisions = fail` ends the run. With `collisions = allow` both are sent, in no particular order: where rows replace
or merge, the one that is sent last counts; with `ON CONFLICT SKIP` and `REJECT` the first one stays.
""",
    ),
    Code(
        "R0305",
        "Expiry time that is none",
        """`ttl_attribute` names the column of expiry times, which DynamoDB takes as whole seconds since 1970. The row has
something else there: milliseconds (`epoch` makes seconds, `epoch_ms` milliseconds), a duration without a time
(`epoch(now()) + 30 days` has both), a fraction, or another type. A row without the attribute never expires, and is no
error.
""",
    ),
)

NAMES: tuple[Code, ...] = (
    Code(
        "E0201",
        "Parameter without a value",
        """The spec declares a `PARAM` without a default, and no `-p name=value` gives it one; or the value is of
another type than the default: a `PARAM` whose default is a number takes numbers, one without a default takes texts.
""",
    ),
    Code(
        "E0202",
        "Value for no parameter",
        """`-p name=value` names a parameter that the spec does not declare. A constant (`LET`) is replaced by `--let
'name = …'`.
""",
    ),
    Code(
        "E0203",
        "Declared twice",
        """Every name is declared once, be it by `PARAM` or by `LET`.
""",
    ),
    Code(
        "E0204",
        "Two columns of one name",
        """An item has an attribute only once. Give one of the columns another name by `AS`. `SELECT *, x` has `x`
twice as well: `*` brings it already.
""",
    ),
    Code(
        "E0205",
        "Column without a name",
        """A column that is not an attribute needs a name: `epoch(DateTime) AS CreatedAt`.
""",
    ),
    Code(
        "E0206",
        "Not a constant",
        """A `LET`, and the default of a `PARAM`, is known before any item is read: a number, a text in single quotes,
`true`, `false`, a duration such as `365 days`, or an expression over these and over what is declared before. PARAMs
get their values first, then LETs. Double quotes make an attribute.
""",
    ),
    Code(
        "E0207",
        "Unknown parameter in a name",
        """`${name}` in a table's name stands for the value of a `PARAM`, a text or a number. A `LET` cannot stand
there.
""",
    ),
    Code(
        "E0208",
        "Contradiction in *",
        """`*` stands once in `SELECT`, and an attribute is excluded, replaced or renamed, but not two of these.
""",
    ),
    Code(
        "E0209",
        "Python file that cannot be read",
        """`USING 'file.py'` names a file that is not there, or cannot be read. Its path is relative to the folder of the
spec; of a spec that is no file, to the current folder. The name is written as it is: a PARAM cannot stand in it.
""",
    ),
    Code(
        "E0210",
        "Python file that fails",
        """A file that `USING` names is executed once, when the spec is compiled, to find its functions. It has a syntax
error, or it raises an exception; the message has the line. It may import what is installed beside ddbetl, but not the
files of its own folder: what it does is known by its content alone.
""",
    ),
    Code(
        "E0211",
        "Python file without functions",
        """A file that `USING` names declares no function. A function is declared by its types:

```python
from ddbetl import function


@function("STRING", returns="STRING")
def mask(card: str) -> str:
    return "*" * (len(card) - 4) + card[-4:]
```
""",
    ),
    Code(
        "E0212",
        "Function of your own that is declared wrongly",
        """`@function` names the type of each parameter in order, and that of the result, by the [types of the
language](language.md#types). A parameter with a default may be left out in a call. The message has the line of the file.
See [functions of your own](own-functions.md).
""",
    ),
    Code(
        "E0213",
        "Name of a function that is taken",
        """A function of your own has the name of one of the language, or of another file. The case of letters does not
count. `@function(…, name="other_name")` gives it another name in specs.
""",
    ),
)

TYPES: tuple[Code, ...] = (
    Code(
        "E0301",
        "Unknown function",
        """`ddbetl functions` lists all functions, `ddbetl functions NAME` shows one with examples.
""",
    ),
    Code(
        "E0302",
        "Wrong number of arguments",
        """The message says how many arguments the function takes; the hint shows them.
""",
    ),
    Code(
        "E0303",
        "Wrong type of argument",
        """The type of the argument is known from the expression, and the function cannot take it. Nothing is
converted silently; `to_number`, `to_string`, `parse_time` and `CAST` convert.
""",
    ),
    Code(
        "E0304",
        "Argument that must be a constant",
        """A time pattern, a zone or an escape character is compiled with the spec, so it cannot depend on the item.
""",
    ),
    Code(
        "E0305",
        "Constant that cannot be used",
        """The constant argument is not what the function understands: a time pattern with an unknown letter, a zone or a
unit that does not exist. The caret stands under the letter.
""",
    ),
    Code(
        "E0306",
        "Constant expression that fails",
        """The expression needs no item, so it was computed with the spec, and it fails: it would fail for every row.
""",
    ),
    Code(
        "E0307",
        "Condition that is neither true nor false",
        """`WHERE` takes a condition: a comparison, `IS NULL`, `LIKE`, or a combination by `AND`, `OR`, `NOT`.
""",
    ),
    Code(
        "E0308",
        "Type that cannot be stored",
        """DynamoDB stores no times and no durations. `epoch(t)` makes a number of a time, `format_time(t, pattern)` a
text, `to_number(d)` the seconds of a duration.
""",
    ),
    Code(
        "E0309",
        "IS MISSING of an expression",
        """Only an attribute, or a path into one, can be absent. `IS NULL` asks any expression.
""",
    ),
    Code(
        "E0310",
        "Unknown type",
        """The types of `CAST` are STRING, NUMBER, BOOLEAN, BINARY and TIMESTAMP.
""",
    ),
    Code(
        "E0311",
        "Key twice in a map",
        """A map has each key once. `map_merge(a, b)` makes one map of two, where the value of the second counts.
""",
    ),
)

TABLES: tuple[Code, ...] = (
    Code(
        "E0401",
        "No table to read",
        """The pattern matches no table of the account in the region, or `EXCLUDE` leaves none. The hint lists the
nearest names. Names are case-sensitive.
""",
    ),
    Code(
        "E0402",
        "Source table missing",
        """There is no table of that name in the account and region that the message names.
""",
    ),
    Code(
        "E0403",
        "Target among its own sources",
        """A table that is read and written by one run would read what it has just written. A pattern that matches the
target needs `EXCLUDE target`.
""",
    ),
    Code(
        "E0404",
        "Target table missing",
        """There is no table of that name to write to. `INSERT INTO target KEY (partition, sort) SELECT …` says what the key
of a missing table is, so that `run` can make it, after a question. `MERGE INTO` and `DELETE FROM` need a table that is
there.
""",
    ),
    Code(
        "E0405",
        "Key missing from SELECT",
        """Every item of the target needs its key attributes; a column must have each one's name, exactly. The same holds
for the key of a table that is to be made, in `KEY (…)`.
""",
    ),
    Code(
        "E0406",
        "Key of another type",
        """The column that becomes an attribute of the target's key has another type than the target's key; or it is to be
the key of a new table, and is neither a STRING nor a NUMBER nor a BINARY.
""",
    ),
    Code(
        "E0407",
        "Table not active",
        """The table is being created or deleted, or cannot be reached; `ddbetl describe TABLE` shows its status.
""",
    ),
    Code(
        "E0409",
        "ON CONFLICT where the statement decides",
        """`ON CONFLICT`, and `--on-conflict`, are for `INSERT INTO`. `INSERT OVERWRITE` is `INSERT INTO … ON CONFLICT REPLACE`,
`MERGE INTO` changes an item that is there, `DELETE FROM` deletes it.
""",
    ),
    Code(
        "E0410",
        "Two targets",
        """`--into` gives a target to a spec that has none. This one names its target itself.
""",
    ),
    Code(
        "E0412",
        "No name of a table",
        """DynamoDB's table names have 3 to 255 of the letters a to z and A to Z, digits, `_`, `.` and `-`.
""",
    ),
    Code(
        "E0413",
        "Key of an index of another type",
        """The column is the key of one of the target's indexes, and has another type than the index wants. DynamoDB refuses
such an item. An item without the attribute is not in the index, and is taken.
""",
    ),
    Code(
        "E0414",
        "KEY that does not fit",
        """The target is there, and its key is another one than `KEY (…)` says; or `KEY` names an attribute twice. For a table
that is there `KEY` can be left out.
""",
    ),
    Code(
        "E0415",
        "Key whose type is not known",
        """A table is made with the types of its key. The type of an attribute is known where it is in the key of every source;
else `CAST(x AS STRING) AS name` or `CAST(x AS NUMBER) AS name` says it, and converts.
""",
    ),
    Code(
        "E0416",
        "DELETE of more than the key",
        """`DELETE FROM target USING SELECT …` selects the target's key and nothing else: the items with the selected keys are
deleted, whatever other attributes they have. `WHERE` can use all attributes of the source.
""",
    ),
    Code(
        "E0417",
        "KEEP NEWEST by something else",
        """`KEEP NEWEST BY column` compares a column of the row with the attribute of that name in the item that is there. So
it is a column of SELECT, a NUMBER, a STRING or a BINARY, and not the key, which is equal in both.
""",
    ),
    Code(
        "E0418",
        "Nothing to set",
        """`MERGE INTO target ON MISSING SKIP` sets attributes of items that are there. With the key alone it would change
nothing.
""",
    ),
    Code(
        "E0419",
        "Other expiry attribute",
        """A table lets its items expire by one attribute. The target's is another than `ttl_attribute`, or it is just
being switched off, which takes DynamoDB up to an hour. Write the attribute that the table has, or switch its time to
live off first.
""",
    ),
)

OPTIONS: tuple[Code, ...] = (
    Code(
        "E0501",
        "Unknown option",
        """The options of the whole job stand in `WITH (…)`, those of one table (`region`, `profile`, `role_arn`,
`endpoint`) in parentheses behind its name.
""",
    ),
    Code(
        "E0502",
        "Bare number for a rate",
        """Is `0.5` a half, or half a unit per second? Write `50%`, a share of what the table can take, or `500 rcu`,
units per second.
""",
    ),
    Code(
        "E0503",
        "Rate out of bounds",
        """A share is more than 0% and at most 100%; units per second are more than 0.
""",
    ),
    Code(
        "E0504",
        "Wrong value of an option",
        """Every option takes one kind of value; the hint shows it.
""",
    ),
    Code(
        "E0505",
        "Option given twice",
        """Every option stands once in its list. For those of `WITH` the command line may give another value.
""",
    ),
    Code(
        "E0506",
        "Unit of the other direction",
        """`read` is measured in read units (`rcu`), `write` in write units (`wcu`).
""",
    ),
    Code(
        "E0507",
        "Option that means nothing here",
        """`skip_expired` needs `ttl_attribute`. `billing` is that of a table that is to be made, so it needs `KEY (…)`. Where
rows are deleted, there is nothing that could expire, and no row that could be lost by a collision. `KEEP NEWEST` decides
between two rows of one key by their column, so it takes no other `collisions`. `ON CONFLICT FAIL` ends the run at the
second of two rows that differ, which `collisions = allow` would let pass: every resume would meet them again.
""",
    ),
    Code(
        "E0508",
        "No time of expiry",
        """DynamoDB deletes an item when the NUMBER in its expiry attribute, in seconds since 1970, is past. `ttl_attribute`
names a column of SELECT that is such a number: `epoch(DateTime) + 365 days`. In milliseconds (`epoch_ms`) it would be a
time fifty thousand years from now, and nothing would ever expire.
""",
    ),
)

LATER: tuple[Code, ...] = (
    Code(
        "E0601",
        "Not there yet",
        """The language has it, this version does not. Nothing was read or written.
""",
    ),
)

WARNINGS: tuple[Code, ...] = (
    Code(
        "W0101",
        "Hidden attribute",
        """A `LET` or `PARAM` has the name of an attribute of the sources' key, or stands alone as a column. The bare
name is the constant, the name in double quotes the attribute: `SELECT "ttl"`. Where the constant is meant, `ttl AS
ttl` says so. `ddbetl explain --sample` also finds a constant that an expression uses, and that has the name of an
attribute of the sampled items: another name for the constant leaves no doubt.
""",
    ),
    Code(
        "W0102",
        "Rows can collide",
        """The target's key says less than the sources' keys: milliseconds become seconds, or an attribute of the key
is left out. Then two source items can become one item of the target. Likewise where several tables are read: each can
have an item of the same key; `source_table()` in the target's key tells them apart. The message names the expression that
loses something, or through which nothing can be proved.

No row is lost silently. A run asks of every row whether another one had its target key before, and counts those:
`collisions = reject`, the default, puts the later row into the rejects, `fail` ends the run, `allow` sends it all the
same, and what `ON CONFLICT` says of a key that is there decides. `ddbetl check --collisions` finds such rows without
writing anything.
""",
    ),
    Code(
        "W0103",
        "EXCLUDE without effect",
        """No table that `FROM` names matches it, so nothing is left out: the name is probably misspelled. Names are
case-sensitive.
""",
    ),
    Code(
        "W0104",
        "Column that * can bring too",
        """`*` brings all attributes of the item, and a column beside it is made from the attribute of the same name.
An item cannot have both, so such rows become rejects. `* REPLACE (x AS name)` puts the new value in the place of the
old.
""",
    ),
    Code(
        "W0105",
        "Pattern that is rarely meant so",
        """A letter of a time pattern means something else in other libraries, or in the other case: `Y` is the year of the
era here and the week-year in java.time and Hive; `m` is the minute and `M` the month; `h` without `a` is always before
noon; `%` is text. The pattern is used as it stands. A pattern without any letter reads nothing but its own text.
""",
    ),
    Code(
        "W0106",
        "Date without dashes",
        """Without a pattern digits in a row are a year, and years have up to nine of them: `20170426` is the year
20,170,426. The pattern `yyyyMMdd` reads it as a date.
""",
    ),
    Code(
        "W0107",
        "Key that only some items may have",
        """`*` brings an attribute of the target's key, but it is not in the sources' keys, so DynamoDB does not promise
that every item has it, nor its type. Items without it are rejected; `WHERE` can leave them out.
""",
    ),
    Code(
        "W0108",
        "Comparison with NULL",
        """`x = NULL` is NULL for every item, as in SQL, so no row passes. `x IS NULL` asks for missing values.
""",
    ),
    Code(
        "W0109",
        "Text in double quotes",
        """Double quotes make the name of an attribute; `OrderID = "abc"` compares two attributes. Text is in single quotes.
""",
    ),
    Code(
        "W0110",
        "No way back",
        """The run replaces, changes or deletes items of the target, and the target cannot be restored to how it was:
point-in-time recovery is off. `aws dynamodb update-continuous-backups` switches it on, `aws dynamodb create-backup`
makes a copy. Nothing is said of a target that is to be made, or of which the credentials may not ask.
""",
    ),
    Code(
        "W0111",
        "Hot partition",
        """All rows with one partition key are in one partition of the target, and that takes 1,000 write units a second,
however much the table has. A constant, `source_table()`, a flag, a `CASE` of a few texts or a month makes so few keys
that the other partitions have nothing to do. A date, or a time in seconds, is the same in all rows of that day or
second: what is written later, all of it at the same time, goes to one partition as well, and no range of partition keys
can be queried.

Let an attribute of many values be the partition key, and the time the sort key. Where there must be few values,
`shard(key, n)` behind them spreads the rows; the warning is then only given if `n` is too small for the write budget.
How many values an attribute has is known of sampled items only: `ddbetl explain --sample` tells where items of many
partition keys become rows of a few.
""",
    ),
    Code(
        "W0112",
        "WHERE that decides nothing",
        """`WHERE` is `TRUE` for every item, or for none: `Status <> 'open' OR Status <> 'paid'` is never `FALSE`, `Status =
'open' AND Status = 'paid'` never `TRUE`, and a range whose lower bound is above the upper one is empty. The first mostly
should be `NOT IN`, the second `OR`. Every item has the attributes of its table's key, so one of them `IS NULL` is never
`TRUE`. Nothing is said of a condition that only constants with a name decide, as in
`month = '' OR …`: another run may give them other values.
""",
    ),
    Code(
        "W0113",
        "Filter that no index helps",
        """`WHERE` asks for some values of an attribute, but DynamoDB finds items only by the partition key of the table
or of an index. So every item is read, and paid for, whether `WHERE` keeps it or not: the message says how many read
units that is, and how many dollars where the table is on demand and the price is known. It is said of 10,000 units and more. A global secondary index with that attribute as its partition key,
and with all attributes that the spec reads, makes a Query of the Scan; whether it is worth its own price depends on how
often the job runs.
""",
    ),
    Code(
        "W0114",
        "Write rate that the target does not take",
        """`write` asks for more units a second than the target has: it is provisioned with less, has a maximum, or is an
on-demand table that is still cold. DynamoDB refuses what is too much; ddbetl waits and sends it again, so nothing is
lost, but others who write the table are refused as well. An on-demand table grows to more as it is written, or at once by
`aws dynamodb update-table --warm-throughput`, which has a price. A share, as `write = 50%`, is never too much. `write =
unlimited` is, where the sources and this machine give the target more than it takes, and for longer than a minute.
""",
    ),
    Code(
        "W0115",
        "Items near the largest size",
        """An item has at most 400 KB, names and values together. The items of a source have 300 KB and more on average,
and the spec adds attributes to them, so some may become too large; these are rejected (R0204). `ddbetl explain --sample`
looks at some items, and tells of rows of 360 KB and more.
""",
    ),
    Code(
        "W0116",
        "Slow function on a large table",
        """A function has no fast form, so every row is computed in Python: exact, but more than ten times slower. For this
table that takes minutes, and longer than the budgets would. `ddbetl explain` says of each call why there is no fast form. A
lower `read` costs nothing then; another function, or a pattern with a fast form, makes the job faster.
""",
    ),
    Code(
        "W0117",
        "Rows that are expired already",
        """The time of expiry that the spec computes is past for every row: DynamoDB deletes such items some time after
they were written, and each of them was paid for. With `skip_expired` none of them is written. It is told where the spec
alone shows it: the time is a constant, or comes from `now()` or from the tables' names. `ddbetl explain --sample` tells
how many of the sampled rows it is, if there are any.
""",
    ),
    Code(
        "W0118",
        "Key of another type",
        """An attribute of the sources' keys has one type in all items, and a function or comparison takes only others:
`OrderID = 5` where `OrderID` is a STRING. It is an error for whatever item it is computed, and the row is rejected. Text
is in single quotes, numbers are not; `to_number` and `to_string` convert.
""",
    ),
    Code(
        "W0119",
        "Table in use above the budget",
        """Somebody uses the table just now: what that took in the last five minutes, and what the run may take by its `read`
or `write`, is together more than the table has. DynamoDB then refuses requests, of the run and of the others. It is told
of what a table is provisioned with, and of an on-demand table by its maximum or its warm throughput. A lower rate leaves
the others what they use; or the table has a time of day at which it is in less use. The autoscaling of a table may give
it more, some minutes later.

Only `ddbetl explain` looks, and only on AWS: CloudWatch counts what is used of each table, `cloudwatch:GetMetricData` is
the permission to ask. A run of ddbetl that has just ended is in use as well.
""",
    ),
)

SAMPLED: tuple[Code, ...] = (
    Code(
        "W0201",
        "Attribute of several types",
        """Sampled items have an attribute that the spec names with different types: often a table of another month, or
items that another program wrote. `NULL` does not count. A function that takes one of the types rejects the rows with
another; a copied attribute keeps the type that each item has. `attribute_type(x)` tells them apart, and `CASE` treats
each as it should be. Only `ddbetl explain --sample` looks at items.
""",
    ),
    Code(
        "W0202",
        "Attribute that no sampled item has",
        """The spec names an attribute, and none of the items that were sampled has it: the name is probably misspelled,
or in the other case. A rare attribute may be in others; a larger `--sample` looks at more items.
""",
    ),
    Code(
        "W0203",
        "Sampled items that cannot be written",
        """Of the sampled items, so many would become rejects, for the reason that the message gives, with its code. It
is the first item's reason; `ddbetl preview` shows more of them. A run stops where more rows are rejected than
`max_rejects` allows.
""",
    ),
)

ALL = (*SYNTAX, *NAMES, *TYPES, *TABLES, *OPTIONS, *LATER, *WARNINGS, *SAMPLED, *ROWS, *ITEMS)
CODES: dict[str, Code] = {code.code: code for code in ALL}
assert len(CODES) == len(ALL)
