"""What other languages have and this one has not, and what to do instead.

In: a word or sign in upper case. Out: what it is called in a message, with its verb, and the advice.
"""

from __future__ import annotations

JOIN = (
    "joins are",
    "each row is made from one item of one table",
)
_SORT = ("sorting is", "a table has no order of its own: rows are written as they are read")
_GROUP = ("grouping is", "each row is made from one item: count and sum in the target, or in what reads it")
_SETS = ("set operations are", "list the tables in FROM, with commas: they are read as one stream")
_WINDOW = ("window functions are", "each row is made from one item")
_LIKE = "write lower(x) LIKE 'pattern'"
_DEFINE = (
    "statements that define tables are",
    "create or change the table with your own tools, such as aws dynamodb create-table; INSERT INTO fills it",
)
_CHANGE = "MERGE INTO target SELECT key, attribute FROM … sets single attributes of items"
VALUE_FROM_OUTSIDE = "a value from outside is a PARAM, used by its name"
_OTHER = "a spec is one INSERT, MERGE, DELETE or SELECT"

# Words that begin something after an operand or a table.
CLAUSES: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("JOIN", "INNER", "LEFT", "RIGHT", "FULL", "CROSS", "NATURAL", "OUTER", "LATERAL"), JOIN),
    **dict.fromkeys(("GROUP", "HAVING"), _GROUP),
    **dict.fromkeys(("ORDER", "SORT", "CLUSTER", "DISTRIBUTE"), _SORT),
    **dict.fromkeys(("UNION", "INTERSECT", "EXCEPT"), _SETS),
    **dict.fromkeys(("OVER", "WINDOW", "QUALIFY", "PARTITION"), _WINDOW),
    **{word: (f"{word} is", _LIKE) for word in ("ILIKE", "RLIKE", "REGEXP", "SIMILAR", "GLOB")},
    "OFFSET": ("OFFSET is", "a table has no order of its own, so there is nothing to skip"),
    "FETCH": ("FETCH is", "write LIMIT n"),
    "TABLESAMPLE": ("TABLESAMPLE is", "write LIMIT n"),
    "RETURNING": ("RETURNING is", "ddbetl preview shows rows without writing them"),
    "ISNULL": ("ISNULL is", "write IS NULL"),
    "NOTNULL": ("NOTNULL is", "write IS NOT NULL"),
    "DIV": ("DIV is", "write floor(a / b)"),
    "MOD": ("MOD is", "write a % b"),
    "XOR": ("XOR is", "write a <> b"),
    "COLLATE": ("COLLATE is", "texts are compared by their characters"),
    "VALUES": ("VALUES is", "rows come from FROM: they are made of the items of tables"),
    "SET": ("SET is", _CHANGE),
}

# Words that begin a statement.
VERBS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME"), _DEFINE),
    **{word: (f"{word} is", _CHANGE) for word in ("UPDATE", "UPSERT")},
    **{
        word: (f"{word} is", _OTHER)
        for word in (
            "SHOW",
            "DESCRIBE",
            "EXPLAIN",
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "GRANT",
            "COPY",
            "UNLOAD",
            "USE",
            "ADD",
        )
    },
    "REPLACE": ("REPLACE INTO is", "write INSERT INTO target SELECT … ON CONFLICT REPLACE"),
    "WITH": ("named queries (WITH … AS) are", "options stand at the end: WITH (read = 50%)"),
    "SET": ("SET is", "write LET name = value;"),
    "DECLARE": ("DECLARE is", "write LET name = value;"),
    "FROM": ("FROM at the beginning is", "SELECT comes first: SELECT * FROM …"),
}

# Words directly after SELECT.
QUANTIFIERS: dict[str, tuple[str, str]] = {
    "DISTINCT": ("DISTINCT is", "rows with one key in the target are one item: see ON CONFLICT"),
    "TOP": ("TOP is", "write LIMIT n"),
}

# Words directly before a text.
PREFIXES: dict[str, tuple[str, str]] = {
    "DATE": ("DATE literals are", "write TIMESTAMP '2017-04-26'"),
    "DATETIME": ("DATETIME literals are", "write TIMESTAMP '2017-04-26T10:00:00Z'"),
    "TIME": ("TIME literals are", "write TIMESTAMP '2017-04-26T10:00:00Z'"),
    "INTERVAL": ("INTERVAL literals are", "write the duration: 365 days, 90 minutes"),
}

# Signs, and what to write instead.
SIGNS: dict[str, str] = {
    "==": "write = to compare",
    "&&": "write AND",
    "!": "write NOT",
    "::": "write CAST(x AS type)",
    "<=>": "write = ; compare with nothing by IS NULL",
    "?": VALUE_FROM_OUTSIDE,
    "$": "a PARAM is used by its bare name; ${name} stands in names of tables only",
    "..": "a range stands in names of tables only; between values write BETWEEN low AND high",
}
