"""The SQL of documents: lists, maps and sets in DynamoDB JSON.

In: SQL for values in DynamoDB JSON, in any spacing. Out: SQL for their parts, and for documents made of parts.
Invariant: the SQL is NULL where what goes in is, and never raises.
"""

from __future__ import annotations

from ddbetl.functions.forms import is_null, text_of_number
from ddbetl.functions.model import Fast, Form

# Texts of which no two stand for one value: two such numbers, or two such binaries, are equal where their texts are.
CANONICAL_NUMBER = r"(0|-?[1-9][0-9]*|-?(0|[1-9][0-9]*)\.[0-9]*[1-9])"
CANONICAL_BASE64 = (
    "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?"  # no bit is left over
)

NULL_ATTRIBUTE = """'{"NULL":true}'"""


def stored(value: Fast) -> str | None:
    """An attribute in DynamoDB JSON of a lowered value; None for one that cannot be stored."""
    sql = value.value
    if is_null(value):
        return "NULL::VARCHAR"
    match value.form:
        case Form.JSON:
            return f"({sql})::VARCHAR"
        case Form.TEXT:
            return f"""('{{"S":' || to_json({sql})::VARCHAR || '}}')"""
        case Form.BASE64:
            return f"""('{{"B":"' || {sql} || '"}}')"""
        case Form.BOOLEAN:
            return f"""CASE WHEN {sql} THEN '{{"BOOL":true}}' WHEN NOT {sql} THEN '{{"BOOL":false}}' END"""
        case Form.INTEGER | Form.DECIMAL:
            return f"""('{{"N":"' || {text_of_number(value)} || '"}}')"""
        case Form.MILLIS:
            return None


def tag(value: str) -> str:
    """DynamoDB's short name for the type of a value."""
    return f"""split_part({value}, '"', 2)"""


def elements(value: str) -> str:
    """The elements of a list, each in DynamoDB JSON without spaces."""
    return f"json_extract({value}, '$.L[*]')::VARCHAR[]"


def list_of(parts: str) -> str:
    """The list of elements in DynamoDB JSON."""
    return f"""('{{"L":[' || array_to_string({parts}, ',') || ']}}')"""


def keys(value: str) -> str:
    """The keys of a map, as texts."""
    return f"json_keys({value}, '/M')"


def entries(value: str) -> str:
    """The entries of a map: pairs of a key and a value in DynamoDB JSON without spaces."""
    # list_zip makes an empty list of NULLs.
    zipped = f"list_zip({keys(value)}, json_extract({value}, '$.M.*')::VARCHAR[])"
    return f"CASE WHEN {value} IS NOT NULL THEN {zipped} END"


def map_of(pairs: str) -> str:
    """The map of pairs as ``entries`` gives them."""
    texts = f"list_transform({pairs}, lambda pair: to_json(pair[1])::VARCHAR || ':' || pair[2])"
    return f"""('{{"M":{{' || array_to_string({texts}, ',') || '}}}}')"""


def all_match(texts: str, pattern: str) -> str:
    """Whether all texts of a list, none of which has a comma in it, match a pattern; TRUE for none."""
    return f"regexp_full_match(array_to_string({texts}, ','), '({pattern}(,{pattern})*)?')"
