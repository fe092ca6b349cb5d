"""Time as Joda-Time reads and writes it: patterns, pattern-less ISO forms, zones, and their DuckDB translation.

In: pattern text, texts or epoch milliseconds, a zone. Out: epoch milliseconds (int, UTC), text, or SQL text for DuckDB.

The public face, stable:

``compile_pattern(text, use="any") -> Pattern``
    Raises ``PatternError`` (``message``, ``position`` and ``length`` in the pattern's characters). ``use="parse"`` or
    ``"print"`` also refuses a letter that cannot do that. ``Pattern.warnings`` holds ``PatternWarning`` values
    (``message``, ``position``, ``length``).
``zone(name) -> Zone``
    An IANA id, ``UTC`` or an offset such as ``+05:30``; ``ZoneError`` (``message``, ``nearest``) otherwise.
    ``Zone.name``.
``pivot_of(year) -> int``
    The pivot of two-digit years for a job that runs in that year (year - 30).
``parse_millis(pattern | None, text, zone, pivot_year) -> int``
    Epoch milliseconds; ``None`` means the ISO forms. Raises ``TimeError`` (``message``, ``position``).
``parser(pattern | None, zone, pivot_year) -> Callable[[str], int]``
    The same as a function of the text alone, for many texts.
``format_millis(pattern | None, millis, zone) -> str``
    ``None`` means the form of Joda's ``DateTime.toString()``.
``fast_parse(pattern | None, zone, column, pivot_year=None) -> FastParse | None``
    ``column`` is an SQL expression of type VARCHAR, used several times: let it be a column's name.
    ``FastParse.guard`` is a BOOLEAN expression, never NULL and never failing; where it is true, ``FastParse.millis``
    (BIGINT epoch milliseconds) equals ``parse_millis``; where it is false, ``millis`` is NULL (so one of the two is
    enough). ``None``: there is no exact fast path, go by reference. Two-digit years have one only with
    ``pivot_year``.
``fast_format(pattern | None, zone, column) -> FastFormat | None``
    ``column`` is an SQL expression of type BIGINT, epoch milliseconds. ``FastFormat.guard`` and ``FastFormat.text``
    likewise.

The SQL is independent of DuckDB's session time zone and of its zone data; it needs no extension but ``icu`` (built
into the Python wheel) for TIMESTAMPTZ casts.

Invariant: nothing here reads the machine's clock, zone, locale or zone data; zone data is the ``tzdata`` package's.
"""

from ddbetl.time.errors import PatternError, TimeError, ZoneError
from ddbetl.time.fast import FastParse, fast_parse
from ddbetl.time.fast_print import FastFormat, fast_format
from ddbetl.time.parse import parse_millis, parser, pivot_of
from ddbetl.time.pattern import Pattern, PatternWarning, compile_pattern
from ddbetl.time.print import format_millis
from ddbetl.time.zone import Zone, zone

__all__ = [
    "FastFormat",
    "FastParse",
    "Pattern",
    "PatternError",
    "PatternWarning",
    "TimeError",
    "Zone",
    "ZoneError",
    "compile_pattern",
    "fast_format",
    "fast_parse",
    "format_millis",
    "parse_millis",
    "parser",
    "pivot_of",
    "zone",
]
