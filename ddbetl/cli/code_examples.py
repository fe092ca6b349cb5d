"""An example of the code of every error and warning: a spec or an expression, and what ddbetl says of it.

Written by ``pytest --update tests/test_help.py`` from the golden cases, which run them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeExample:
    """A spec, or an expression; the message; what else is given: on the command line, or the item."""

    spec: str
    said: str
    given: str = ""


# fmt: off
# ruff: noqa: E501
EXAMPLES: dict[str, CodeExample] = {
    'E0101': CodeExample(
        '',
        'error[E0101]: the spec is empty\n'
        ' --> <spec>:1:1\n'
        '  |\n'
        '1 |\n'
        '  | ^\n'
        '  = the shortest spec is SELECT * FROM table',
    ),
    'E0102': CodeExample(
        'SELECT OrderID\n'
        'FROM   Orders\n'
        "WHERE  Status = 'open",
        'error[E0102]: this text has no closing quote\n'
        ' --> <spec>:3:17\n'
        '  |\n'
        "3 | WHERE  Status = 'open\n"
        '  |                 ^^^^^\n'
        "  = close it with '; a quote inside is doubled",
    ),
    'E0103': CodeExample(
        'SELECT "Order ID FROM Orders',
        'error[E0103]: this name in double quotes has no closing quote\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        '1 | SELECT "Order ID FROM Orders\n'
        '  |        ^^^^^^^^^^^^^^^^^^^^^\n'
        '  = close it with "; a quote inside is doubled',
    ),
    'E0104': CodeExample(
        'SELECT OrderID FROM Orders /* only the open ones\n'
        'WHERE Status = 1',
        'error[E0104]: this comment has no end\n'
        ' --> <spec>:1:28\n'
        '  |\n'
        '1 | SELECT OrderID FROM Orders /* only the open ones\n'
        '  |                            ^^\n'
        '  = close it with */',
    ),
    'E0105': CodeExample(
        'SELECT `Order ID` FROM Orders',
        'error[E0105]: the character ` has no meaning here\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        '1 | SELECT `Order ID` FROM Orders\n'
        '  |        ^^^^^^^^^^\n'
        '  = names are quoted in double quotes: "any name"',
    ),
    'E0106': CodeExample(
        'SELECT 123456789012345678901234567890123456789 AS n FROM Orders',
        'error[E0106]: this number has 39 significant digits; a NUMBER holds 38\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        '1 | SELECT 123456789012345678901234567890123456789 AS n FROM Orders\n'
        '  |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = write it as text, or with fewer digits',
    ),
    'E0107': CodeExample(
        'SELECT ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))))) AS one FROM Orders',
        'error[E0107]: this is nested more than 128 levels deep\n'
        ' --> <spec>:1:136\n'
        '  |\n'
        '1 | …((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((…\n'
        '  |                                                        ^\n'
        "  = a long chain of OR is an IN list: x IN ('a', 'b')",
    ),
    'E0109': CodeExample(
        'SELECT OrderID FROM WHERE Total > 5',
        'error[E0109]: FROM names no table before WHERE\n'
        ' --> <spec>:1:21\n'
        '  |\n'
        '1 | SELECT OrderID FROM WHERE Total > 5\n'
        '  |                     ^^^^^',
    ),
    'E0110': CodeExample(
        'SELECT OrderID FROM Orders WHERE Total BETWEEN 1',
        'error[E0110]: expected an operator or AND, found the end\n'
        ' --> <spec>:1:49\n'
        '  |\n'
        '1 | SELECT OrderID FROM Orders WHERE Total BETWEEN 1\n'
        '  |                                                 ^',
    ),
    'E0111': CodeExample(
        'SELECT CustomerID OrderID FROM Orders',
        'error[E0111]: a comma or AS is missing between CustomerID and OrderID\n'
        ' --> <spec>:1:19\n'
        '  |\n'
        '1 | SELECT CustomerID OrderID FROM Orders\n'
        '  |                   ^^^^^^^\n'
        '  = a comma makes two columns, AS gives one another name',
    ),
    'E0112': CodeExample(
        'SELECT concat(a, ) AS x FROM Orders WHERE b IN (1,,2) WITH (read = 50%,)',
        'error[E0112]: nothing follows this comma\n'
        ' --> <spec>:1:16\n'
        '  |\n'
        '1 | SELECT concat(a, ) AS x FROM Orders WHERE b IN (1,,2) WITH (read = 50%,)\n'
        '  |                ^\n'
        '  = leave the comma out, or write what follows it',
    ),
    'E0113': CodeExample(
        'SELECT CASE WHEN Total > 0 THEN 1 ELSE 0 FROM Orders',
        'error[E0113]: this CASE is not closed\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        '1 | SELECT CASE WHEN Total > 0 THEN 1 ELSE 0 FROM Orders\n'
        '  |        ^^^^\n'
        '  = add END',
    ),
    'E0114': CodeExample(
        'SELECT length(OrderID)) AS n FROM Orders',
        'error[E0114]: this ) closes nothing\n'
        ' --> <spec>:1:23\n'
        '  |\n'
        '1 | SELECT length(OrderID)) AS n FROM Orders\n'
        '  |                       ^\n'
        '  = leave it out, or open it before',
    ),
    'E0115': CodeExample(
        'SELECT CustomerID, OrderID',
        'error[E0115]: FROM is missing\n'
        ' --> <spec>:1:27\n'
        '  |\n'
        '1 | SELECT CustomerID, OrderID\n'
        '  |                           ^\n'
        '  = add the tables to read: FROM table, table',
    ),
    'E0116': CodeExample(
        'SELECT FROM Orders',
        'error[E0116]: SELECT names no columns\n'
        ' --> <spec>:1:1\n'
        '  |\n'
        '1 | SELECT FROM Orders\n'
        '  | ^^^^^^\n'
        '  = write the columns, or * for whole items: SELECT * FROM …',
    ),
    'E0117': CodeExample(
        'SELECT case, OrderID FROM Orders WHERE null.x = 1',
        'error[E0117]: CASE is a word of the language\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        '1 | SELECT case, OrderID FROM Orders WHERE null.x = 1\n'
        '  |        ^^^^\n'
        '  = an attribute of that name is written in double quotes: "case"',
    ),
    'E0118': CodeExample(
        'SELECT * INTO Archive FROM Orders',
        'error[E0118]: the target comes first\n'
        ' --> <spec>:1:10\n'
        '  |\n'
        '1 | SELECT * INTO Archive FROM Orders\n'
        '  |          ^^^^\n'
        '  = write INSERT INTO target SELECT …',
    ),
    'E0119': CodeExample(
        'SELECT * EXCLUDE (a) RENAME (c AS d) EXCLUDE (b) FROM Orders',
        'error[E0119]: EXCLUDE is given twice\n'
        ' --> <spec>:1:38\n'
        '  |\n'
        '1 | SELECT * EXCLUDE (a) RENAME (c AS d) EXCLUDE (b) FROM Orders\n'
        '  |                                      ^^^^^^^\n'
        '  = put both lists in one pair of parentheses',
    ),
    'E0120': CodeExample(
        'INSERT INTO A SELECT * FROM B\n'
        'INSERT INTO C SELECT * FROM D',
        'error[E0120]: a spec is one statement\n'
        ' --> <spec>:2:1\n'
        '  |\n'
        '2 | INSERT INTO C SELECT * FROM D\n'
        '  | ^^^^^^\n'
        '  |\n'
        '1 | INSERT INTO A SELECT * FROM B\n'
        '  | ------ the first statement begins here\n'
        '  = put this one in a file of its own',
    ),
    'E0121': CodeExample(
        'SELECT * FROM Orders;\n'
        'LET ttl = 365 days;',
        'error[E0121]: LET comes before the statement\n'
        ' --> <spec>:2:1\n'
        '  |\n'
        '2 | LET ttl = 365 days;\n'
        '  | ^^^\n'
        '  |\n'
        '1 | SELECT * FROM Orders;\n'
        '  | ------ the statement begins here\n'
        '  = declarations stand at the top',
    ),
    'E0122': CodeExample(
        "SELECT DATE '2017-04-26' AS d FROM Orders",
        'error[E0122]: DATE literals are not in the language\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        "1 | SELECT DATE '2017-04-26' AS d FROM Orders\n"
        '  |        ^^^^\n'
        "  = write TIMESTAMP '2017-04-26'",
    ),
    'E0123': CodeExample(
        'SELECT Total::text FROM Orders',
        'error[E0123]: :: has no meaning here\n'
        ' --> <spec>:1:13\n'
        '  |\n'
        '1 | SELECT Total::text FROM Orders\n'
        '  |             ^^\n'
        '  = write CAST(x AS type)',
    ),
    'E0124': CodeExample(
        'SELECT OrderID FROM Orders WHERE 0 < Total < 100',
        'error[E0124]: comparisons cannot be chained\n'
        ' --> <spec>:1:44\n'
        '  |\n'
        '1 | SELECT OrderID FROM Orders WHERE 0 < Total < 100\n'
        '  |                                            ^\n'
        '  = write a < b AND b < c, or use parentheses',
    ),
    'E0125': CodeExample(
        'LET a = 3 months;\n'
        'LET b = 1 year;\n'
        'SELECT * FROM Orders',
        'error[E0125]: a month has no fixed length\n'
        ' --> <spec>:1:11\n'
        '  |\n'
        '1 | LET a = 3 months;\n'
        '  |           ^^^^^^\n'
        '  = write the days: 30 days',
    ),
    'E0126': CodeExample(
        'SELECT * FROM Orders_{${low}..${high}}',
        'error[E0126]: this { begins no range such as {201605..201705}\n'
        ' --> <spec>:1:22\n'
        '  |\n'
        '1 | SELECT * FROM Orders_{${low}..${high}}\n'
        '  |                      ^',
    ),
    'E0127': CodeExample(
        'INSERT INTO Archive_* SELECT * FROM Orders',
        'error[E0127]: the target is one table; patterns stand in FROM only\n'
        ' --> <spec>:1:21\n'
        '  |\n'
        '1 | INSERT INTO Archive_* SELECT * FROM Orders\n'
        '  |                     ^\n'
        "  = write the target's whole name",
    ),
    'E0128': CodeExample(
        'INSERT INTO \'\' SELECT "" AS x FROM Orders',
        "error[E0128]: a file's name cannot be empty\n"
        ' --> <spec>:1:13\n'
        '  |\n'
        '1 | INSERT INTO \'\' SELECT "" AS x FROM Orders\n'
        '  |             ^^\n'
        '  = write the name between the quotes',
    ),
    'E0129': CodeExample(
        'PARAM domain\n'
        'LET ttl = 365 days\n'
        'SELECT a b FROM Orders',
        'error[E0129]: a semicolon is missing\n'
        ' --> <spec>:1:12\n'
        '  |\n'
        '1 | PARAM domain\n'
        '  |            ^\n'
        '  = every declaration ends with one; LET begins the next',
    ),
    'E0130': CodeExample(
        'SELECT (Lines)[0] AS first FROM Orders',
        'error[E0130]: a path begins at an attribute, not at the result of an expression\n'
        ' --> <spec>:1:15\n'
        '  |\n'
        '1 | SELECT (Lines)[0] AS first FROM Orders\n'
        '  |               ^\n'
        '  = as in Address.City or Lines[0].Sku',
    ),
    'E0131': CodeExample(
        'SELCT OrderID\n'
        'FORM Orders',
        'error[E0131]: SELCT is no word of the language\n'
        ' --> <spec>:1:1\n'
        '  |\n'
        '1 | SELCT OrderID\n'
        '  | ^^^^^\n'
        '  = did you mean SELECT?',
    ),
    'E0201': CodeExample(
        'PARAM domain;\n'
        'PARAM month = 201605;\n'
        "LET   prefix = domain || '_';\n"
        'SELECT upper(domain) AS Domain, prefix || CustomerID AS Customer\n'
        'FROM   ${domain}_Tracker_${month}\n'
        'WHERE  DateTime > domain',
        'error[E0201]: the parameter domain has no value\n'
        ' --> <spec>:1:1\n'
        '  |\n'
        '1 | PARAM domain;\n'
        '  | ^^^^^^^^^^^^\n'
        '  = give it one by -p domain=…',
    ),
    'E0202': CodeExample(
        'PARAM domain;\n'
        'LET   ttl = 365 days;\n'
        'SELECT CustomerID, epoch(DateTime) + ttl AS ExpirationTimestamp\n'
        'FROM   Tracker_${domain}_*',
        'error[E0202]: -p domian: the spec has no PARAM domian\n'
        ' = did you mean domain?',
        '-p domian=Devo -p domain=Devo -p ttl=5 -p table=Orders',
    ),
    'E0203': CodeExample(
        'PARAM domain;\n'
        'LET   ttl = 365 days;\n'
        'LET   ttl = 30 days;\n'
        'PARAM ttl = 5;\n'
        'SELECT * FROM Tracker_${domain}_*',
        'error[E0203]: ttl is declared twice\n'
        ' --> <spec>:3:7\n'
        '  |\n'
        '3 | LET   ttl = 30 days;\n'
        '  |       ^^^\n'
        '  |\n'
        '2 | LET   ttl = 365 days;\n'
        '  |       --- declared here first\n'
        '  = give one of them another name',
        '-p domain=Devo',
    ),
    'E0204': CodeExample(
        'SELECT *, CustomerID, OrderID AS Reference FROM Tracker_*',
        'error[E0204]: * brings CustomerID already\n'
        ' --> <spec>:1:11\n'
        '  |\n'
        '1 | SELECT *, CustomerID, OrderID AS Reference FROM Tracker_*\n'
        '  |           ^^^^^^^^^^\n'
        '  = leave this column out',
    ),
    'E0205': CodeExample(
        'SELECT CustomerID,\n'
        '       epoch(DateTime),\n'
        '       Lines[0],\n'
        "       CASE WHEN length(OrderID) > 0 THEN 'order' ELSE 'visit' END\n"
        'FROM   Tracker_*',
        'error[E0205]: this column needs a name\n'
        ' --> <spec>:2:8\n'
        '  |\n'
        '2 |        epoch(DateTime),\n'
        '  |        ^^^^^^^^^^^^^^^\n'
        '  = epoch(DateTime) AS name',
    ),
    'E0206': CodeExample(
        'LET city = Berlin;\n'
        'LET doubled = single * 2;\n'
        'LET single = 5;\n'
        'LET started = now();\n'
        'LET name = "Some attribute";\n'
        'SELECT upper(city) AS City, doubled + 1 AS Two FROM Orders',
        'error[E0206]: LET city must be a constant\n'
        ' --> <spec>:1:12\n'
        '  |\n'
        '1 | LET city = Berlin;\n'
        '  |            ^^^^^^\n'
        "  = a text is written in single quotes: 'Berlin'",
    ),
    'E0207': CodeExample(
        'PARAM domain;\n'
        'LET   year = 2016;\n'
        'PARAM age = 1 day;\n'
        'SELECT * FROM Tracker_${domian}_${year}, Tracker_${region}, Tracker_${age}',
        'error[E0207]: ${domian}: the spec has no PARAM domian\n'
        ' --> <spec>:4:23\n'
        '  |\n'
        '4 | SELECT * FROM Tracker_${domian}_${year}, Tracker_${region}, Tracker_${age}\n'
        '  |                       ^^^^^^^^^\n'
        '  = did you mean domain?',
        '-p domain=Devo',
    ),
    'E0208': CodeExample(
        'SELECT * EXCLUDE (Name, City) REPLACE (upper(City) AS City) RENAME (Name AS FullName),\n'
        '       *\n'
        'FROM   Customers',
        'error[E0208]: * leaves out, replaces or renames City twice\n'
        ' --> <spec>:1:55\n'
        '  |\n'
        '1 | SELECT * EXCLUDE (Name, City) REPLACE (upper(City) AS City) RENAME (Name AS FullName),\n'
        '  |                                                       ^^^^\n'
        '  |\n'
        '1 | SELECT * EXCLUDE (Name, City) REPLACE (upper(City) AS City) RENAME (Name AS FullName),\n'
        '  |                         ---- here first\n'
        '  = an attribute can be only one of the three',
    ),
    'E0209': CodeExample(
        "USING 'mask.py';\n"
        "USING '${which}.py';\n"
        'SELECT OrderID, masked(Card) AS Card FROM Orders',
        'error[E0209]: there is no file mask.py\n'
        ' --> <spec>:1:7\n'
        '  |\n'
        "1 | USING 'mask.py';\n"
        '  |       ^^^^^^^^^\n'
        '  = did you mean masks.py?',
    ),
    'E0210': CodeExample(
        "USING 'masks.py';\n"
        'SELECT OrderID, masked(Card) AS Card FROM Orders',
        "error[E0210]: masks.py: SyntaxError: expected ':' (line 1 of masks.py)\n"
        ' --> <spec>:1:7\n'
        '  |\n'
        "1 | USING 'masks.py';\n"
        '  |       ^^^^^^^^^^',
    ),
    'E0211': CodeExample(
        "USING 'masks.py';\n"
        'SELECT OrderID, masked(Card) AS Card FROM Orders',
        'error[E0211]: masks.py declares no function\n'
        ' --> <spec>:1:7\n'
        '  |\n'
        "1 | USING 'masks.py';\n"
        '  |       ^^^^^^^^^^\n'
        '  = from ddbetl import function; @function("STRING", returns="STRING") before a def declares it',
    ),
    'E0212': CodeExample(
        "USING 'masks.py';\n"
        'SELECT OrderID, masked(Card, 4) AS Card FROM Orders',
        'error[E0212]: masked has 2 parameters, and 1 type (line 4 of masks.py)\n'
        ' --> <spec>:1:7\n'
        '  |\n'
        "1 | USING 'masks.py';\n"
        '  |       ^^^^^^^^^^',
    ),
    'E0213': CodeExample(
        "USING 'masks.py';\n"
        "USING 'more.py';\n"
        'SELECT OrderID, masked(Card) AS Card FROM Orders',
        'error[E0213]: more.py: there is a function Masked already, in masks.py\n'
        ' --> <spec>:2:7\n'
        '  |\n'
        "2 | USING 'more.py';\n"
        '  |       ^^^^^^^^^\n'
        '  |\n'
        "1 | USING 'masks.py';\n"
        '  |       ---------- here first\n'
        '  = @function(…, name="other_name") gives it another name',
    ),
    'E0301': CodeExample(
        'SELECT lenght(OrderID)          AS a,\n'
        '       unix_timestamp(DateTime) AS b,\n'
        '       count(OrderID)           AS c,\n'
        '       frobnicate(x, upcase(y)) AS d,\n'
        '       nvl(x, 0)                AS e\n'
        'FROM   Orders',
        'error[E0301]: there is no function lenght\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        '1 | SELECT lenght(OrderID)          AS a,\n'
        '  |        ^^^^^^\n'
        '  = did you mean length?',
    ),
    'E0302': CodeExample(
        'SELECT length(OrderID, 5) AS a,\n'
        '       now(5)             AS b,\n'
        '       substr(OrderID)    AS c,\n'
        '       coalesce()         AS d\n'
        'FROM   Orders',
        'error[E0302]: length takes 1 argument, not 2\n'
        ' --> <spec>:1:8\n'
        '  |\n'
        '1 | SELECT length(OrderID, 5) AS a,\n'
        '  |        ^^^^^^\n'
        '  = length(text STRING) → NUMBER',
    ),
    'E0303': CodeExample(
        "SELECT CASE Total WHEN 5 THEN 'five' WHEN '6' THEN 6 ELSE 0 END AS c,\n"
        "       CASE length(x) WHEN 'a' THEN 1 END AS d\n"
        'FROM   Orders\n'
        "WHERE  TRUE BETWEEN 1 AND 2 AND length(x) NOT BETWEEN '1' AND 2 AND (Time BETWEEN 1 AND 2 days)",
        'error[E0303]: CASE: NUMBER and STRING do not go together\n'
        ' --> <spec>:1:52\n'
        '  |\n'
        "1 | SELECT CASE Total WHEN 5 THEN 'five' WHEN '6' THEN 6 ELSE 0 END AS c,\n"
        '  |                                                    ^\n'
        '  = all results must have one type: to_number(…), to_string(…) and CAST convert',
    ),
    'E0304': CodeExample(
        'SELECT epoch(DateTime, Pattern)            AS a,\n'
        "       epoch(DateTime, 'yyyy-MM-dd', Zone) AS b\n"
        'FROM   Orders\n'
        "WHERE  Name LIKE 'a%' ESCAPE Sign",
        'error[E0304]: epoch: pattern must be known before the run, so it cannot depend on an item\n'
        ' --> <spec>:1:24\n'
        '  |\n'
        '1 | SELECT epoch(DateTime, Pattern)            AS a,\n'
        '  |                        ^^^^^^^\n'
        '  = a text in single quotes, or a LET or PARAM',
    ),
    'E0305': CodeExample(
        "SELECT epoch(Sold, 'Europe/Berln')                    AS a,\n"
        "       epoch(Sold, 'europe/berlin', 'yyyy-MM-dd')     AS b,\n"
        "       epoch(Sold, 'yyyy-MM-dd', 'America/Los Angeles') AS c,\n"
        "       epoch(Sold, 'yyyy-MM-dd', 'PST8')              AS d,\n"
        "       epoch(Sold, 'yyyy-MM-dd', 'UTC+1')             AS e,\n"
        "       epoch(Sold, 'GMT+1')                           AS f,\n"
        "       epoch(Sold, '+5:30')                           AS g,\n"
        "       date_trunc('day', now(), 'PST') < now()        AS h,\n"
        "       format_time(now(), 'EEE HH:mm', 'Asia/Kolkatta') AS i\n"
        'FROM   Orders\n'
        "WITH   (timezone = 'UTC-8')",
        "error[E0305]: unknown time zone 'Europe/Berln'\n"
        ' --> <spec>:1:20\n'
        '  |\n'
        "1 | SELECT epoch(Sold, 'Europe/Berln')                    AS a,\n"
        '  |                    ^^^^^^^^^^^^^^\n'
        '  = did you mean Europe/Berlin?',
    ),
    'E0306': CodeExample(
        'LET zero = 0;\n'
        'LET half = 0.0005 seconds;\n'
        "LET day  = TIMESTAMP '2017-02-30T00:00:00Z';\n"
        'LET age  = 1E30 days;\n'
        'SELECT 1 / zero                        AS a,\n'
        "       to_number('five')               AS b,\n"
        '       try(1 / zero)                   AS c,\n'
        '       if(TRUE, 1, 1 / zero)           AS d,\n'
        "       Total BETWEEN 1 AND to_number('x') AS e,\n"
        '       epoch(DateTime) + age           AS f\n'
        'FROM   Orders',
        'error[E0306]: a duration is a whole number of milliseconds\n'
        ' --> <spec>:2:12\n'
        '  |\n'
        '2 | LET half = 0.0005 seconds;\n'
        '  |            ^^^^^^^^^^^^^^',
    ),
    'E0307': CodeExample(
        'SELECT * FROM Orders WHERE upper(Status)',
        'error[E0307]: WHERE needs TRUE or FALSE, not a STRING\n'
        ' --> <spec>:1:28\n'
        '  |\n'
        '1 | SELECT * FROM Orders WHERE upper(Status)\n'
        '  |                            ^^^^^^^^^^^^^\n'
        "  = a comparison, such as upper(Status) = '…'",
    ),
    'E0308': CodeExample(
        'SELECT OrderID,\n'
        '       parse_time(DateTime)                         AS Created,\n'
        '       now() - parse_time(DateTime)                 AS Age,\n'
        '       coalesce(parse_time(Created), parse_time(DateTime), now()) AS Latest\n'
        'FROM   Orders',
        'error[E0308]: a TIMESTAMP cannot be stored\n'
        ' --> <spec>:2:8\n'
        '  |\n'
        '2 |        parse_time(DateTime)                         AS Created,\n'
        '  |        ^^^^^^^^^^^^^^^^^^^^\n'
        '  = epoch(parse_time(DateTime)) is a number, format_time(parse_time(DateTime), …) a text',
    ),
    'E0309': CodeExample(
        "LET Note = 'x';\n"
        'SELECT * FROM Orders\n'
        'WHERE  upper(Name) IS MISSING AND Note IS NOT MISSING AND Lines[0].Sku IS MISSING',
        'error[E0309]: IS MISSING asks for an attribute\n'
        ' --> <spec>:3:8\n'
        '  |\n'
        '3 | WHERE  upper(Name) IS MISSING AND Note IS NOT MISSING AND Lines[0].Sku IS MISSING\n'
        '  |        ^^^^^^^^^^^\n'
        '  = only an attribute or a path can be absent; IS NULL asks any expression',
    ),
    'E0310': CodeExample(
        'SELECT CAST(Total AS INTEGER)   AS a,\n'
        '       CAST(Total AS NUMBR)     AS b,\n'
        '       CAST(Total AS JSON)      AS c,\n'
        '       CAST(DateTime AS DATE)   AS d,\n'
        '       CAST(Total AS DOUBLE PRECISION) AS e,\n'
        '       CAST(Total AS NULL) AS f\n'
        'FROM   Orders',
        'error[E0310]: INTEGER is not a type of CAST\n'
        ' --> <spec>:1:22\n'
        '  |\n'
        '1 | SELECT CAST(Total AS INTEGER)   AS a,\n'
        '  |                      ^^^^^^^\n'
        '  = write NUMBER',
    ),
    'E0311': CodeExample(
        "SELECT CustomerID, {'name': Name, 'age': 7, 'name': Nickname} AS Person\n"
        'FROM Customers',
        "error[E0311]: the map has the key 'name' twice\n"
        ' --> <spec>:1:45\n'
        '  |\n'
        "1 | SELECT CustomerID, {'name': Name, 'age': 7, 'name': Nickname} AS Person\n"
        '  |                                             ^^^^^^\n'
        '  = a map has a key once',
    ),
    'E0401': CodeExample(
        'SELECT * FROM Traker_{201605..201705}',
        'error[E0401]: no table in us-east-1 (account 123456789012) matches Traker_{201605..201705}\n'
        ' --> <spec>:1:15\n'
        '  |\n'
        '1 | SELECT * FROM Traker_{201605..201705}\n'
        '  |               ^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = the nearest names: Tracker_201605, Tracker_201606, Tracker_201705',
    ),
    'E0402': CodeExample(
        "SELECT * FROM Ordrs, Customers (region = 'eu-west-1', profile = 'prod')",
        'error[E0402]: there is no table Ordrs in us-east-1 (account 123456789012)\n'
        ' --> <spec>:1:15\n'
        '  |\n'
        "1 | SELECT * FROM Ordrs, Customers (region = 'eu-west-1', profile = 'prod')\n"
        '  |               ^^^^^\n'
        '  = did you mean Orders?',
    ),
    'E0403': CodeExample(
        'INSERT INTO Orders SELECT * FROM Archive, Orders ON CONFLICT REPLACE',
        'error[E0403]: Orders is both read and written\n'
        ' --> <spec>:1:43\n'
        '  |\n'
        '1 | INSERT INTO Orders SELECT * FROM Archive, Orders ON CONFLICT REPLACE\n'
        '  |                                           ^^^^^^\n'
        '  = a run cannot read what it writes: choose another target',
    ),
    'E0404': CodeExample(
        'INSERT INTO Shipped_2017 SELECT * FROM Orders, Tracker_*',
        'error[E0404]: there is no table Shipped_2017 in us-east-1 (account 123456789012) to write to\n'
        ' --> <spec>:1:13\n'
        '  |\n'
        '1 | INSERT INTO Shipped_2017 SELECT * FROM Orders, Tracker_*\n'
        '  |             ^^^^^^^^^^^^\n'
        '  = INSERT INTO Shipped_2017 KEY (…) makes it',
    ),
    'E0405': CodeExample(
        'DELETE FROM Promo USING SELECT CustomerID FROM Tracker_*',
        'error[E0405]: CreationDateTime is a key of Promo, and SELECT does not make it\n'
        ' --> <spec>:1:32\n'
        '  |\n'
        '1 | DELETE FROM Promo USING SELECT CustomerID FROM Tracker_*\n'
        '  |                                ^^^^^^^^^^\n'
        '  = add it to SELECT, as an attribute or by … AS CreationDateTime',
    ),
    'E0406': CodeExample(
        'INSERT INTO Promo SELECT * FROM Tracker_* ON CONFLICT REPLACE',
        'error[E0406]: CreationDateTime, a key of Promo, must be NUMBER; in the sources it is a STRING\n'
        ' --> <spec>:1:26\n'
        '  |\n'
        '1 | INSERT INTO Promo SELECT * FROM Tracker_* ON CONFLICT REPLACE\n'
        '  |                          ^\n'
        '  = * REPLACE (to_number(CreationDateTime) AS CreationDateTime)',
    ),
    'E0407': CodeExample(
        'INSERT INTO Fresh SELECT * FROM Old_*, Going ON CONFLICT REPLACE',
        'error[E0407]: the table Fresh is CREATING: it cannot be written now\n'
        ' --> <spec>:1:13\n'
        '  |\n'
        '1 | INSERT INTO Fresh SELECT * FROM Old_*, Going ON CONFLICT REPLACE\n'
        '  |             ^^^^^\n'
        '  = wait until it is ACTIVE',
    ),
    'E0409': CodeExample(
        'INSERT OVERWRITE TABLE Archive SELECT * FROM Orders ON CONFLICT SKIP',
        'error[E0409]: INSERT OVERWRITE replaces existing items; ON CONFLICT SKIP contradicts it\n'
        ' --> <spec>:1:53\n'
        '  |\n'
        '1 | INSERT OVERWRITE TABLE Archive SELECT * FROM Orders ON CONFLICT SKIP\n'
        '  |                                                     ^^^^^^^^^^^^^^^^\n'
        '  = leave one of the two out',
    ),
    'E0410': CodeExample(
        'DELETE FROM Archive USING SELECT OrderID FROM Orders',
        'error[E0410]: --into Promo: the spec names its target itself\n'
        ' --> <spec>:1:1\n'
        '  |\n'
        '1 | DELETE FROM Archive USING SELECT OrderID FROM Orders\n'
        '  | ^^^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = leave out --into, or DELETE FROM',
        '--into Promo',
    ),
    'E0412': CodeExample(
        'INSERT INTO "My table" SELECT * FROM ab, "Orders_${month}" ON CONFLICT REPLACE',
        'error[E0412]: "My table" cannot be a table\'s name\n'
        ' --> <spec>:1:13\n'
        '  |\n'
        '1 | INSERT INTO "My table" SELECT * FROM ab, "Orders_${month}" ON CONFLICT REPLACE\n'
        '  |             ^^^^^^^^^^\n'
        '  = 3 to 255 of letters, digits, _ . and -',
    ),
    'E0413': CodeExample(
        'INSERT INTO Mail SELECT * FROM Tracker_201605',
        'error[E0413]: DateTime, a key of the index ByTime of Mail, must be NUMBER, not STRING\n'
        ' --> <spec>:1:25\n'
        '  |\n'
        '1 | INSERT INTO Mail SELECT * FROM Tracker_201605\n'
        '  |                         ^\n'
        '  = * REPLACE (to_number(DateTime) AS DateTime)',
    ),
    'E0414': CodeExample(
        'INSERT INTO Promo KEY (CustomerID, OrderID) SELECT * FROM Tracker_*',
        'error[E0414]: the key of Promo is (CustomerID, CreationDateTime), not (CustomerID, OrderID)\n'
        ' --> <spec>:1:24\n'
        '  |\n'
        '1 | INSERT INTO Promo KEY (CustomerID, OrderID) SELECT * FROM Tracker_*\n'
        '  |                        ^^^^^^^^^^^^^^^^^^^\n'
        '  = write KEY (CustomerID, CreationDateTime), or leave KEY out: it is for a table that is missing',
    ),
    'E0415': CodeExample(
        'INSERT INTO Shipped_2017 KEY (Customer, OrderID) SELECT * FROM Orders',
        'error[E0415]: Customer is to be a key of Shipped_2017, and its type is not known\n'
        ' --> <spec>:1:31\n'
        '  |\n'
        '1 | INSERT INTO Shipped_2017 KEY (Customer, OrderID) SELECT * FROM Orders\n'
        '  |                               ^^^^^^^^\n'
        '  = * REPLACE (CAST(Customer AS STRING) AS Customer), or AS NUMBER',
    ),
    'E0416': CodeExample(
        'DELETE FROM Promo USING SELECT * FROM Tracker_*',
        'error[E0416]: DELETE selects the key of Promo, and nothing else\n'
        ' --> <spec>:1:32\n'
        '  |\n'
        '1 | DELETE FROM Promo USING SELECT * FROM Tracker_*\n'
        '  |                                ^\n'
        '  = SELECT its key attributes',
    ),
    'E0417': CodeExample(
        'INSERT INTO Archive SELECT OrderID, UpdatedAt FROM Orders ON CONFLICT KEEP NEWEST BY UpdateAt',
        'error[E0417]: KEEP NEWEST BY UpdateAt: SELECT makes no such column\n'
        ' --> <spec>:1:59\n'
        '  |\n'
        '1 | INSERT INTO Archive SELECT OrderID, UpdatedAt FROM Orders ON CONFLICT KEEP NEWEST BY UpdateAt\n'
        '  |                                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = did you mean UpdatedAt?',
    ),
    'E0418': CodeExample(
        'MERGE INTO Archive ON MISSING SKIP SELECT OrderID FROM Orders',
        'error[E0418]: SELECT makes only the key of Archive: there is nothing to set\n'
        ' --> <spec>:1:43\n'
        '  |\n'
        '1 | MERGE INTO Archive ON MISSING SKIP SELECT OrderID FROM Orders\n'
        '  |                                           ^^^^^^^\n'
        '  = add the attributes to set; without ON MISSING SKIP, missing items are made',
    ),
    'E0419': CodeExample(
        'INSERT INTO Archive SELECT *, epoch(DateTime) AS "Expires" FROM Orders ON CONFLICT REPLACE\n'
        'WITH (ttl_attribute = Expires)',
        'error[E0419]: items of the table Archive expire by ttl already, and a table has one such attribute\n'
        ' --> <spec>:2:7\n'
        '  |\n'
        '2 | WITH (ttl_attribute = Expires)\n'
        '  |       ^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = write it instead of Expires, or switch it off first',
    ),
    'E0501': CodeExample(
        'INSERT INTO Archive (segments = 4)\n'
        "SELECT * FROM Orders (regoin = 'us-west-2')\n"
        'ON CONFLICT REPLACE\n'
        "WITH (raed = 50%, region = 'us-west-2', flavour = 'x')",
        'error[E0501]: there is no option segments here\n'
        ' --> <spec>:1:22\n'
        '  |\n'
        '1 | INSERT INTO Archive (segments = 4)\n'
        '  |                      ^^^^^^^^\n'
        '  = segments is an option of the whole job: WITH (segments = …) at the end of the spec',
    ),
    'E0502': CodeExample(
        'SELECT * FROM Orders WITH (read = 0.5, write = 50)',
        'error[E0502]: read = 0.5 says neither a share nor units per second\n'
        ' --> <spec>:1:35\n'
        '  |\n'
        '1 | SELECT * FROM Orders WITH (read = 0.5, write = 50)\n'
        '  |                                   ^^^\n'
        '  = 50%?',
    ),
    'E0503': CodeExample(
        'SELECT * FROM Orders WITH (read = 150%, write = 0 wcu)',
        'error[E0503]: read = 150% is more than 100%\n'
        ' --> <spec>:1:35\n'
        '  |\n'
        '1 | SELECT * FROM Orders WITH (read = 150%, write = 0 wcu)\n'
        '  |                                   ^^^^\n'
        '  = a percentage is a share of what the table can take; units are written read = 500 rcu',
    ),
    'E0504': CodeExample(
        'INSERT INTO New KEY (ID) SELECT to_string(a) AS ID FROM Orders\n'
        'WITH (billing = provisioned 0.5 wcu 10 rcu, ttl_attribute = 5)',
        'error[E0504]: 0.5 wcu: a table has whole units, at least 1\n'
        ' --> <spec>:2:29\n'
        '  |\n'
        '2 | WITH (billing = provisioned 0.5 wcu 10 rcu, ttl_attribute = 5)\n'
        '  |                             ^^^^^^^',
    ),
    'E0505': CodeExample(
        "SELECT * FROM Orders (region = 'us-west-2', Region = 'us-east-1')\n"
        'WITH (read = 50%, write = 10%, read = 30%)',
        'error[E0505]: the option region stands twice\n'
        ' --> <spec>:1:45\n'
        '  |\n'
        "1 | SELECT * FROM Orders (region = 'us-west-2', Region = 'us-east-1')\n"
        '  |                                             ^^^^^^\n'
        '  |\n'
        "1 | SELECT * FROM Orders (region = 'us-west-2', Region = 'us-east-1')\n"
        '  |                       ------ here first\n'
        '  = leave one out',
    ),
    'E0506': CodeExample(
        'SELECT * FROM Orders WITH (read = 500 wcu, write = 200 rcu)',
        'error[E0506]: read is measured in rcu, not in wcu\n'
        ' --> <spec>:1:35\n'
        '  |\n'
        '1 | SELECT * FROM Orders WITH (read = 500 wcu, write = 200 rcu)\n'
        '  |                                   ^^^^^^^\n'
        '  = read = 500 rcu, or write = 500 wcu?',
    ),
    'E0507': CodeExample(
        'INSERT INTO Archive SELECT * FROM Orders ON CONFLICT KEEP NEWEST BY UpdatedAt\n'
        'WITH (collisions = fail)',
        'error[E0507]: of rows with one key, KEEP NEWEST keeps the newest, and the others are counted\n'
        ' --> <spec>:2:7\n'
        '  |\n'
        '2 | WITH (collisions = fail)\n'
        '  |       ^^^^^^^^^^^^^^^^^\n'
        '  = leave collisions out',
    ),
    'E0508': CodeExample(
        'INSERT INTO Archive SELECT OrderID, 3600 AS Expires FROM Orders WITH (ttl_attribute = Expires)',
        'error[E0508]: Expires, the time of expiry, is in seconds since 1970; 3600 is no time of our days\n'
        ' --> <spec>:1:37\n'
        '  |\n'
        '1 | INSERT INTO Archive SELECT OrderID, 3600 AS Expires FROM Orders WITH (ttl_attribute = Expires)\n'
        '  |                                     ^^^^^^^^^^^^^^^\n'
        '  = as in epoch(now()) + 365 days',
    ),
    'E0601': CodeExample(
        "INSERT INTO 's3://bucket/orders/' (format = parquet) SELECT * FROM 'orders.csv' (format = csv)",
        'error[E0601]: writing files is not there yet\n'
        ' --> <spec>:1:13\n'
        '  |\n'
        "1 | INSERT INTO 's3://bucket/orders/' (format = parquet) SELECT * FROM 'orders.csv' (format = csv)\n"
        '  |             ^^^^^^^^^^^^^^^^^^^^^\n'
        '  = a table is named without quotes',
    ),
    'W0101': CodeExample(
        "PARAM domain = 'Devo';\n"
        'LET   ttl = 5;\n'
        'SELECT domain, ttl AS ttl, "ttl" AS ttl_before, length(domain) AS n FROM Orders',
        'warning[W0101]: domain is the PARAM here, not an attribute\n'
        ' --> <spec>:3:8\n'
        '  |\n'
        '3 | SELECT domain, ttl AS ttl, "ttl" AS ttl_before, length(domain) AS n FROM Orders\n'
        '  |        ^^^^^^\n'
        '  = "domain" is the attribute; domain AS domain says that the PARAM is meant',
    ),
    'W0102': CodeExample(
        'INSERT INTO Archive SELECT * FROM Orders, Orders_2016 ON CONFLICT REPLACE',
        'warning[W0102]: two rows can become one: several of the tables may have an item of the same key\n'
        ' = the later of two such rows goes to the rejects (collisions = reject, the default); ddbetl check --collisions finds them',
    ),
    'W0103': CodeExample(
        'SELECT * FROM Tracker_* EXCLUDE Tracker_201607, Tracker_201605',
        'warning[W0103]: EXCLUDE Tracker_201607 takes nothing out\n'
        ' --> <spec>:1:33\n'
        '  |\n'
        '1 | SELECT * FROM Tracker_* EXCLUDE Tracker_201607, Tracker_201605\n'
        '  |                                 ^^^^^^^^^^^^^^\n'
        '  = did you mean Tracker_201606?',
    ),
    'W0104': CodeExample(
        'SELECT *, upper(Name) AS Name, lower(Name) AS Lower FROM Orders',
        'warning[W0104]: * brings Name too: an item with both goes to the rejects\n'
        ' --> <spec>:1:11\n'
        '  |\n'
        '1 | SELECT *, upper(Name) AS Name, lower(Name) AS Lower FROM Orders\n'
        '  |           ^^^^^^^^^^^^^^^^^^^\n'
        '  = * REPLACE (upper(Name) AS Name) puts the new value in its place',
    ),
    'W0105': CodeExample(
        "LET pattern = 'dd/MM/YYYY';\n"
        "SELECT epoch(DateTime, 'YYYY-MM-dd')               AS a,\n"
        '       format_time(parse_time(DateTime), pattern)  AS b,\n'
        "       epoch(DateTime, 'yyyy-MM-dd')               AS c\n"
        'FROM   Orders',
        'warning[W0105]: Y is the year of the era here; the week-year (Y in java.time) is x, the year is y\n'
        ' --> <spec>:2:25\n'
        '  |\n'
        "2 | SELECT epoch(DateTime, 'YYYY-MM-dd')               AS a,\n"
        '  |                         ^^^^',
    ),
    'W0106': CodeExample(
        "LET since = TIMESTAMP '20170426';\n"
        "SELECT * FROM Orders WHERE parse_time(DateTime) > since AND epoch('20170426') < 5 AND epoch('2017-04-26') > 5",
        'warning[W0106]: without a pattern 20170426 is the year 20,170,426\n'
        ' --> <spec>:1:13\n'
        '  |\n'
        "1 | LET since = TIMESTAMP '20170426';\n"
        '  |             ^^^^^^^^^^^^^^^^^^^^\n'
        "  = a date has dashes: TIMESTAMP '2017-04-26'",
    ),
    'W0107': CodeExample(
        'INSERT INTO Promo SELECT * FROM Orders ON CONFLICT REPLACE',
        'warning[W0107]: CustomerID is a key of Promo; * brings it only from items that have it\n'
        ' --> <spec>:1:26\n'
        '  |\n'
        '1 | INSERT INTO Promo SELECT * FROM Orders ON CONFLICT REPLACE\n'
        '  |                          ^\n'
        '  = WHERE CustomerID IS NOT NULL leaves the others out; without it they are rejected',
    ),
    'W0108': CodeExample(
        'SELECT a FROM Orders WHERE a = NULL OR NULL <> b',
        'warning[W0108]: = NULL is never TRUE\n'
        ' --> <spec>:1:28\n'
        '  |\n'
        '1 | SELECT a FROM Orders WHERE a = NULL OR NULL <> b\n'
        '  |                            ^^^^^^^^\n'
        '  = a IS NULL asks for it',
    ),
    'W0109': CodeExample(
        'SELECT a FROM Orders WHERE OrderID = "abc" AND "Status" = \'open\'',
        'warning[W0109]: "abc" is an attribute here\n'
        ' --> <spec>:1:38\n'
        '  |\n'
        '1 | SELECT a FROM Orders WHERE OrderID = "abc" AND "Status" = \'open\'\n'
        '  |                                      ^^^^^\n'
        "  = text is in single quotes: 'abc'",
    ),
    'W0110': CodeExample(
        'INSERT INTO Archive SELECT * FROM Orders ON CONFLICT REPLACE',
        'warning[W0110]: what the run overwrites in Archive cannot be restored: its point-in-time recovery is off\n'
        ' = switch it on first, or make a backup, if that matters',
    ),
    'W0111': CodeExample(
        "INSERT INTO Archive SELECT 'order' AS K, CustomerID FROM Orders ON CONFLICT REPLACE",
        'warning[W0111]: K, the partition key of Archive, is "order" in every row: one partition takes them all\n'
        ' --> <spec>:1:28\n'
        '  |\n'
        "1 | INSERT INTO Archive SELECT 'order' AS K, CustomerID FROM Orders ON CONFLICT REPLACE\n"
        '  |                            ^^^^^^^^^^^^\n'
        '  = a partition takes 1,000 write units a second; a key of many values, such as CustomerID, spreads the rows',
    ),
    'W0112': CodeExample(
        'SELECT CustomerID FROM Orders WHERE 1 = 1',
        'warning[W0112]: WHERE is TRUE for every item\n'
        ' --> <spec>:1:37\n'
        '  |\n'
        '1 | SELECT CustomerID FROM Orders WHERE 1 = 1\n'
        '  |                                     ^^^^^\n'
        '  = without it the same rows are made',
    ),
    'W0113': CodeExample(
        "SELECT CustomerID FROM Orders WHERE Status = 'open'",
        'warning[W0113]: all of Orders is read, for 122,071 read units ($0.02): no index finds the items that WHERE keeps\n'
        ' --> <spec>:1:37\n'
        '  |\n'
        "1 | SELECT CustomerID FROM Orders WHERE Status = 'open'\n"
        '  |                                     ^^^^^^^^^^^^^^^\n'
        '  = an index with the partition key Status would, if it had all attributes that are read',
    ),
    'W0114': CodeExample(
        'INSERT INTO Months SELECT * FROM Other ON CONFLICT REPLACE WITH (write = 100 wcu)',
        'warning[W0114]: Months is provisioned with 50 wcu, and write = 100 wcu asks for more\n'
        ' --> <spec>:1:66\n'
        '  |\n'
        '1 | INSERT INTO Months SELECT * FROM Other ON CONFLICT REPLACE WITH (write = 100 wcu)\n'
        '  |                                                                  ^^^^^^^^^^^^^^^\n'
        '  = what is over it is refused, and sent again later',
    ),
    'W0115': CodeExample(
        'INSERT INTO Docs_2 SELECT *, upper(Title) AS Heading FROM Docs ON CONFLICT REPLACE',
        'warning[W0115]: items of Docs have 350 KB on average, and Heading comes to them: an item has at most 400 KB\n'
        ' --> <spec>:1:30\n'
        '  |\n'
        '1 | INSERT INTO Docs_2 SELECT *, upper(Title) AS Heading FROM Docs ON CONFLICT REPLACE\n'
        '  |                              ^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = * EXCLUDE (…) leaves attributes out; what is larger is rejected',
    ),
    'W0116': CodeExample(
        "SELECT CustomerID, epoch(DateTime, 'yyyy G') AS Era FROM Orders",
        "warning[W0116]: epoch(DateTime, 'yyyy G') has no fast path: 5,000,000 items go by reference, about 30,000 a second, which is slower than the budgets\n"
        ' --> <spec>:1:20\n'
        '  |\n'
        "1 | SELECT CustomerID, epoch(DateTime, 'yyyy G') AS Era FROM Orders\n"
        '  |                    ^^^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = ddbetl explain says why; another function may have one',
    ),
    'W0117': CodeExample(
        "INSERT INTO Archive SELECT CustomerID AS K, epoch(TIMESTAMP '2016-12-31') AS Expires FROM Orders_1\n"
        'ON CONFLICT REPLACE WITH (ttl_attribute = Expires)',
        'warning[W0117]: Expires, the time of expiry, is past in every row: DynamoDB deletes what is written\n'
        ' --> <spec>:1:45\n'
        '  |\n'
        "1 | INSERT INTO Archive SELECT CustomerID AS K, epoch(TIMESTAMP '2016-12-31') AS Expires FROM Orders_1\n"
        '  |                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n'
        '  = WITH (skip_expired = true) leaves such rows out',
    ),
    'W0118': CodeExample(
        'SELECT OrderedAt FROM Orders WHERE CustomerID = 5',
        'warning[W0118]: CustomerID = 5 is an error whatever the item: CustomerID is a STRING, not NUMBER\n'
        ' --> <spec>:1:36\n'
        '  |\n'
        '1 | SELECT OrderedAt FROM Orders WHERE CustomerID = 5\n'
        '  |                                    ^^^^^^^^^^^^^^\n'
        '  = to_number(CustomerID) is the number; a text is in single quotes',
    ),
    'W0119': CodeExample(
        'INSERT INTO Archive SELECT *, source_table() AS Origin FROM Orders_{1..3} ON CONFLICT REPLACE\n'
        'WITH (read = 60%, write = unlimited)',
        'warning[W0119]: Orders_2 is in use: 310 of 500 rcu (provisioned) in the last 5 minutes, and this run may take 300 more; so is another table\n'
        ' --> <spec>:2:7\n'
        '  |\n'
        '2 | WITH (read = 60%, write = unlimited)\n'
        '  |       ^^^^^^^^^^\n'
        '  = WITH (read = 38%) leaves its users what they use; or run it when the table is in less use',
    ),
    'W0201': CodeExample(
        'SELECT CustomerID, epoch(DateTime) AS Made, Total FROM Tracker_*',
        'warning[W0201]: DateTime is NUMBER in Tracker_201501, STRING elsewhere\n'
        ' --> <spec>:1:26\n'
        '  |\n'
        '1 | SELECT CustomerID, epoch(DateTime) AS Made, Total FROM Tracker_*\n'
        '  |                          ^^^^^^^^\n'
        '  = attribute_type(DateTime) tells them apart, CASE treats each as it should be',
    ),
    'W0202': CodeExample(
        'INSERT INTO Archive SELECT OrderID, customerID AS Customer, length(Vat) AS n FROM Orders ON CONFLICT REPLACE',
        'warning[W0202]: none of 2 sampled items has customerID\n'
        ' --> <spec>:1:37\n'
        '  |\n'
        '1 | INSERT INTO Archive SELECT OrderID, customerID AS Customer, length(Vat) AS n FROM Orders ON CONFLICT REPLACE\n'
        '  |                                     ^^^^^^^^^^\n'
        '  = did you mean CustomerID?',
    ),
    'W0203': CodeExample(
        'INSERT INTO Archive SELECT OrderID, epoch(Made) AS Made, to_number(Total) AS Total FROM Orders ON CONFLICT REPLACE',
        'warning[W0203]: 2 of 4 sampled items cannot be written: Made: "yesterday" is not an ISO-8601 time at position 0 (expected a digit of the year) (R0107)\n'
        ' --> <spec>:1:37\n'
        '  |\n'
        '1 | INSERT INTO Archive SELECT OrderID, epoch(Made) AS Made, to_number(Total) AS Total FROM Orders ON CONFLICT RE…\n'
        '  |                                     ^^^^^^^^^^^^^^^^^^^\n'
        '  = ddbetl preview shows such items',
    ),
    'R0101': CodeExample(
        'length(OrderID)',
        'R0101: OrderID: expected STRING, found NUMBER',
        'the item {"OrderID": {"N": "17"}}',
    ),
    'R0102': CodeExample(
        'x = y',
        'R0102: = cannot take x and y: they are STRING and NUMBER',
        'the item {"x": {"S": "1"}, "y": {"N": "1"}}',
    ),
    'R0103': CodeExample(
        'n * n',
        "R0103: n * n: 1E+126 is outside of DynamoDB's range (1E-130 to 9.9E+125)",
        'the item {"n": {"N": "1E+63"}}',
    ),
    'R0104': CodeExample(
        'n + 1',
        'R0104: n + 1: 1.0000000000000000000000000000000000000001E+40 has more than 38 significant digits',
        'the item {"n": {"N": "1E+40"}}',
    ),
    'R0105': CodeExample(
        'to_number(Price)',
        'R0105: to_number(Price): "1,000" is not a number',
        'the item {"Price": {"S": "1,000"}}',
    ),
    'R0106': CodeExample(
        'Total / Count',
        'R0106: Total / Count: division by zero',
        'the item {"Total": {"N": "12"}, "Count": {"N": "0"}}',
    ),
    'R0107': CodeExample(
        "epoch(DateTime, 'dd/MM/yyyy')",
        'R0107: DateTime: "2017-04-26" does not match dd/MM/yyyy at position 2 (expected \'/\')',
        'the item {"DateTime": {"S": "2017-04-26"}}',
    ),
    'R0108': CodeExample(
        'parse_time(DateTime) + n * 1 week',
        'R0108: n * 1 week: 604800000000000000000 milliseconds are beyond the range of times (292 million years from 1970)',
        'the item {"DateTime": {"S": "2017-04-26"}, "n": {"N": "1E+12"}}',
    ),
    'R0110': CodeExample(
        "substr('abc', 1, n)",
        "R0110: substr('abc', 1, n): length must not be negative, but is -1",
        'the item {"n": {"N": "-1"}}',
    ),
    'R0111': CodeExample(
        'from_base64(x)',
        'R0111: from_base64(x): "aGk" is not base64',
        'the item {"x": {"S": "aGk"}}',
    ),
    'R0112': CodeExample(
        "Name LIKE pattern ESCAPE '!'",
        'R0112: Name LIKE pattern ESCAPE \'!\': the LIKE pattern "50!" ends in its escape character',
        'the item {"Name": {"S": "50%"}, "pattern": {"S": "50!"}}',
    ),
    'R0113': CodeExample(
        'CAST(Active AS BOOLEAN)',
        'R0113: CAST(Active AS BOOLEAN): "yes" is neither true nor false',
        'the item {"Active": {"S": "yes"}}',
    ),
    'R0114': CodeExample(
        'from_json(x)',
        'R0114: from_json(x): the text is not JSON: at character 7, "no}"',
        'the item {"x": {"S": "{\\"a\\": no}"}}',
    ),
}
