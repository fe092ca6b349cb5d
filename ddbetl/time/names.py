"""English names of eras, months, days and halves of the day, as Joda-Time prints and reads them.

Invariant: a name is read in the given case, all lower or all upper, short and long alike, the longest first.
"""

from ddbetl.time.chronology import FieldName

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HALVES = ("AM", "PM")
ERAS = ("BC", "AD")

# The zones that `z` reads, in Joda-Time's table.
SHORT_ZONES: dict[str, str] = {
    "UT": "UTC",
    "UTC": "UTC",
    "GMT": "UTC",
    "EST": "America/New_York",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MST": "America/Denver",
    "MDT": "America/Denver",
    "PST": "America/Los_Angeles",
    "PDT": "America/Los_Angeles",
}


def _spellings(names: tuple[str, ...], first: int) -> dict[str, int]:
    found = {}
    for value, name in enumerate(names, first):
        for form in (name, name[:3]):
            found.update({form: value, form.lower(): value, form.upper(): value})
    return found


# Every accepted spelling of each named field, with its value.
SPELLINGS: dict[FieldName, dict[str, int]] = {
    "era": {
        spelling: value
        for value, names in enumerate((("BC", "BCE"), ("AD", "CE")))
        for name in names
        for spelling in (name, name.lower())
    },
    "month": _spellings(MONTHS, 1),
    "day of week": _spellings(DAYS, 1),
    "half of day": _spellings(HALVES, 0),
}
LONGEST: dict[FieldName, int] = {name: max(map(len, spellings)) for name, spellings in SPELLINGS.items()}
EXAMPLES: dict[FieldName, str] = {
    "era": "AD or BC",
    "month": "the English name of a month",
    "day of week": "the English name of a day",
    "half of day": "AM or PM",
}
