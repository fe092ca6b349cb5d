"""The reference printer: epoch milliseconds to text by a pattern, exactly as Joda-Time.

In: a compiled pattern (or None), epoch milliseconds, a zone. Out: text.

Invariant: English names, ASCII digits; what a pattern prints, it reads back wherever it is unambiguous.
"""

from ddbetl.time.chronology import (
    MILLIS_PER_DAY,
    MILLIS_PER_HOUR,
    MILLIS_PER_MINUTE,
    FieldName,
    civil_from_days,
    day_of_week_of_days,
    week_of_days,
    year_of_days,
)
from ddbetl.time.names import DAYS, ERAS, HALVES, MONTHS
from ddbetl.time.pattern import (
    Fraction,
    Literal,
    Name,
    Number,
    Offset,
    Pattern,
    TwoDigitYear,
    ZoneId,
    ZoneName,
    compile_pattern,
)
from ddbetl.time.zone import UTC_ZONE, Zone, offset_text
from ddbetl.time.zone_names import canonical_id, display_name

_ISO = compile_pattern("yyyy-MM-dd'T'HH:mm:ss.SSS")
# The most digits of a fraction that Joda-Time computes in 64 bits; more letters print no more.
_MOST_FRACTION_DIGITS = 15


def format_millis(pattern: Pattern | None, millis: int, zone: Zone) -> str:
    """Print an instant; without a pattern, in the form of ``DateTime.toString()``: 2015-01-02T10:28:27.876-05:00."""
    offset = zone.offset_at(millis)
    local = millis + offset
    if pattern is None:
        return format_millis(_ISO, local, UTC_ZONE) + (offset_text(offset) if offset else "Z")
    parts = []
    for field in pattern.fields:
        match field:
            case Literal(literal):
                parts.append(literal)
            case Number():
                parts.append(_padded(value_of(field.name, local), field.count))
            case TwoDigitYear():
                parts.append(f"{abs(value_of(field.name, local)) % 100:02}")
            case Fraction():
                parts.append(_fraction(local % 1000, field.count))
            case Name():
                parts.append(_name(field, local))
            case Offset():
                parts.append(offset_text(offset, separator=":" if field.colon else "", most_fields=2))
            case ZoneId():
                parts.append(canonical_id(zone.name))
            case ZoneName(short=short):
                parts.append(_zone_name(zone, millis, short))
    return "".join(parts)


def value_of(name: FieldName, local: int) -> int:
    """Give the value of a field at local milliseconds since 1970-01-01T00:00."""
    days, of_day = divmod(local, MILLIS_PER_DAY)
    match name:
        case "era":
            return int(year_of_days(days)[0] > 0)
        case "century of era":
            return abs(year_of_days(days)[0]) // 100
        case "year of era":
            year = year_of_days(days)[0]
            return year if year > 0 else 1 - year
        case "year":
            return year_of_days(days)[0]
        case "week-year":
            return week_of_days(days)[0]
        case "month":
            return civil_from_days(days)[1]
        case "week":
            return week_of_days(days)[1]
        case "day of year":
            return year_of_days(days)[1] + 1
        case "day":
            return civil_from_days(days)[2]
        case "day of week":
            return day_of_week_of_days(days)
        case "half of day":
            return of_day // (12 * MILLIS_PER_HOUR)
        case "hour":
            return of_day // MILLIS_PER_HOUR
        case "clock hour":
            return of_day // MILLIS_PER_HOUR or 24
        case "hour of half":
            return of_day // MILLIS_PER_HOUR % 12
        case "clock hour of half":
            return of_day // MILLIS_PER_HOUR % 12 or 12
        case "minute":
            return of_day // MILLIS_PER_MINUTE % 60
        case "second":
            return of_day // 1000 % 60
        case "fraction of hour":
            return of_day % MILLIS_PER_HOUR
        case "fraction of minute":
            return of_day % MILLIS_PER_MINUTE
        case "fraction of second":
            return of_day % 1000


def _padded(value: int, count: int) -> str:
    return f"-{-value:0{count}}" if value < 0 else f"{value:0{count}}"


def _fraction(millis: int, count: int) -> str:
    if millis == 0:
        return "0" * count
    digits = min(count, _MOST_FRACTION_DIGITS)
    return f"{millis:03}".ljust(digits, "0")[:digits]


def _name(field: Name, local: int) -> str:
    value = value_of(field.name, local)
    match field.name:
        case "era":
            return ERAS[value]
        case "half of day":
            return HALVES[value]
        case "month":
            full = MONTHS[value - 1]
        case _:
            full = DAYS[value - 1]
    return full[:3] if field.short else full


def _zone_name(zone: Zone, millis: int, short: bool) -> str:
    daylight = zone.rules is not None and zone.rules.is_daylight(millis // 1000)
    name = display_name(zone.name, short=short, daylight=daylight)
    return name or offset_text(zone.offset_at(millis))
