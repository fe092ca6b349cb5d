"""Make corpus.tsv: questions about patterns and texts, answered by the real Joda-Time.

Usage: python generate.py JODA_TIME_JAR (see README.md). The questions are drawn with a fixed seed: first instants to
print by every pattern, then the printed texts, whole and damaged, to parse. Nothing of ddbetl is used.
"""

import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

HERE = Path(__file__).parent
DRAW = random.Random(20170426)
# How many instants a pattern prints, and how many damaged copies of each printed text it parses.
PRINTS = 5
DAMAGED = 5


def words(text: str) -> list[str]:
    """Split a text at its spaces."""
    return text.split()


# Zones whose history is the same in the jar's zone data and in the tzdata package.
ZONES = words(
    """
    UTC America/New_York America/Los_Angeles America/St_Johns America/Sao_Paulo America/Caracas
    America/Argentina/Buenos_Aires Europe/London Europe/Paris Europe/Moscow Asia/Kolkata Asia/Kathmandu Asia/Tokyo
    Asia/Shanghai Australia/Sydney Australia/Lord_Howe Pacific/Apia Pacific/Auckland Africa/Johannesburg
    Africa/Monrovia US/Eastern Asia/Calcutta Etc/GMT+5 +05:30 -03:00 +13:45
    """
)

COMMON = """
yyyy-MM-dd
yyyy-MM-dd'T'HH:mm
yyyy-MM-dd'T'HH:mm:ss
yyyy-MM-dd'T'HH:mm:ss.SSS
yyyy-MM-dd'T'HH:mm:ss.SSSZ
yyyy-MM-dd'T'HH:mm:ss.SSSZZ
yyyy-MM-dd'T'HH:mm:ssZZ
yyyy-MM-dd'T'HH:mm:ss'Z'
yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSZZ
yyyy-MM-dd HH:mm:ss
yyyy-MM-dd HH:mm:ss.S
yyyy-MM-dd HH:mm:ss.SSSSSS
yyyy-MM-dd HH:mm:ss,SSS
yyyy-MM-dd HH:mm:ss ZZZ
yyyy-MM-dd HH:mm:ss z
yyyy-MM-dd hh:mm:ss a
yyyy/MM/dd
yyyy.MM.dd
yyyy-M-d
y-M-d H:m:s.S
yyyy-MM
yyyy
yyyyMM
yyyyMMdd
yyyyMMddHH
yyyyMMddHHmm
yyyyMMddHHmmss
yyyyMMddHHmmssSSS
yyyyMMdd'T'HHmmss'Z'
yyyyMMdd'T'HHmmssZ
yyyyDDD
yyyy-DDD
yyyy-D
xxxx-'W'ww-e
xxxx'W'wwe
xxxx-ww
xx-ww-e
x w e
yyyy ww E
MM/dd/yyyy
M/d/yy
MM/dd/yy hh:mm a
M/d/yyyy h:mm:ss a
dd/MM/yyyy HH:mm
dd.MM.yyyy
d.M.yy
dd-MMM-yyyy
dd-MMM-yy
d MMM yyyy
d MMMM yyyy
MMM d, yyyy
MMMM d, yyyy h:mm a
EEE, dd MMM yyyy HH:mm:ss Z
EEE, dd MMM yyyy HH:mm:ss 'GMT'
EEE, d MMM yyyy HH:mm:ss z
EEE MMM dd HH:mm:ss Z yyyy
EEE MMM dd HH:mm:ss zzz yyyy
EEEE, MMMM d, yyyy
EEEE dd MMMM yyyy, hh 'o''clock' a, zzzz
dd/MMM/yyyy:HH:mm:ss Z
yyyy.MM.dd G 'at' HH:mm:ss z
G yyyy-MM-dd
yyyy-MM-dd G
YYYY-MM-dd G
YYYY G
G YY
YYYY/MM/dd
YYYY
CC-yy
CCyyMMdd
C yy
CYY
yyMMdd
yyMMddHHmmss
yy-MM-dd
yy-D
xxww
yy
xx
YY
HH:mm:ss
HH:mm:ss.SSS
HH:mm
H:m
HHmm
hh:mm a
h a
h:mm
K:mm a
KK 'h' mm
kk:mm
k:mm:ss
kkmm
a h:mm
mm:ss
mm:ss.SSS
s.SSS
ss
SSS
MM-dd
MMdd
dd MMM
MMM
MMMM
dd
d HH
DDD
ww
ww-e
e
E
EEEE
G
HH a
HH hh
yyyy yyyy
yyyy xxxx
xxxx yyyy
yyyy YYYY
MM MMM
dd DDD
dd E
E dd
yyyy-MM-dd E
yyyy-MM-dd e
yyyy-MM-dd ww
yyyy-MM-dd D
ss SSS ss
Z
ZZ
ZZZ
z
zzzz
Z HH
ZZ yyyy
ZZZ yyyy-MM-dd'T'HH:mm
yyyy-MM-dd HH:mm ZZ ZZZ
yyyy-MM-dd'T'HH:mm z Z
yyyy''MM''dd
'at' HH 'o''clock'
''yyyy''
yyyy'
'yyyy' yyyy
yyyy[MM]{dd}#HH
yyyy-MM-dd_HH.mm.ss
(yyyy) MM+dd
yyyyy-MM
yyyyyyyyyy
yyyyyMMdd
yyy-M
yyyMM
ydMs
dddd
DDDDD
MMdyyyy
HHHmm
ssssSSSS
SSSSSSSSSSSSSSSSSSSS
eee
aaa
GGGG
MMMMMM
EEEEEE
CCCC
xxxxx
YYYYYY
ZZZZ
zz
yyyy 'Straße' MM
yyyy 'ñandú' MM
u-MM-dd
YYYY-MM-dd'T'HH:mm:ssX
LLLL yyyy
HH:mm:ss.n
yyyy-MM-ddTHH:mm
yyyy-MM-dd'T'HH:mm:ss.fff
yyyy-MM-ddTHH:mm:ssVV
QQQ yyyy
A
W
F
c
'only text'
-
'
''
""".strip("\n").splitlines()

LETTERS = "GCYxweEyDMdaKhHkmsSzZ"
LITERALS = [*words("- / : 'T' '' . 'at' [ # 'o''clock' 1 '5' _ + 'Z' é"), " ", ", "]

SNIPPETS = [
    *words("0 1 9 12 13 24 25 31 32 53 60 99 00 366 2017 -0001 0000 10000 123456789 1234567890 292278993 292278994"),
    *words("99999999999 - + : / . T Z z t .5 ,5 ' x é É ß +05:30 -0800 +24:00 +05:60 -5 +7 +053012 -00:00:01.5"),
    *words("AM pm Pm Jan january JANUARY jAn May Sept BC ad bce CE Mon TUESDAY tue UTC PST EST GMT Europe/Paris"),
    *words("America/New_York US/Pacific Etc/GMT+1"),
    *("\u0663", "\uff11", " ", "  ", "\t", "\n"),
]

Question = tuple[str, str, str, str]


def instants() -> Iterator[int]:
    """Draw epoch milliseconds: mostly recent, some round, some far away."""
    while True:
        choice = DRAW.random()
        if choice < 0.5:
            yield DRAW.randint(0, 2_000_000_000_000)
        elif choice < 0.65:
            yield DRAW.randint(0, 24_000) * 86_400_000
        elif choice < 0.8:
            yield DRAW.randint(-2_000_000_000, 2_000_000_000) * 1000
        elif choice < 0.95:
            yield DRAW.randint(-70_000_000_000_000, 250_000_000_000_000)
        else:
            yield DRAW.randint(-9_000_000_000_000_000, 9_000_000_000_000_000)


def patterns() -> list[str]:
    """List all patterns: common ones, every letter in several counts, random ones."""
    drawn = [letter * count for letter in LETTERS for count in (1, 2, 3, 4, 5, 9)]
    for _ in range(70):
        pattern = ""
        for _ in range(DRAW.randint(2, 6)):
            pattern += DRAW.choice(LETTERS) * DRAW.choice([1, 1, 2, 2, 2, 3, 4])
            if DRAW.random() < 0.7:
                pattern += DRAW.choice(LITERALS)
        drawn.append(pattern)
    return list(dict.fromkeys(COMMON + drawn))


def damaged(text: str) -> str:
    """Change a text a little, so that it is often no time any more."""
    for _ in range(DRAW.choice([1, 1, 1, 2, 3])):
        start = DRAW.randint(0, len(text))
        end = min(len(text), start + DRAW.choice([0, 0, 1, 1, 2, 4]))
        choice = DRAW.random()
        if choice < 0.45:
            text = text[:start] + DRAW.choice(SNIPPETS) + text[end:]
        elif choice < 0.7:
            text = text[:start] + str(DRAW.randint(0, 9)) + text[end:]
        elif choice < 0.85:
            text = text[:start] + text[end:]
        elif choice < 0.95:
            text = DRAW.choice([text.upper(), text.lower(), text.swapcase()])
        else:
            text += DRAW.choice(SNIPPETS)
    return text


def iso_texts(count: int) -> Iterator[str]:
    """Draw texts of the ISO forms and near them."""
    dates = ["", *words("2017-04-26 2017-116 2017-W17-3 2017-W17 2017-04 2017 -0044-03-15 +12345-6-7 2017-4-6")]
    times = ["", *words("10:28:27.876 10:28:27 10:28 10 10:28,5 12.5 1:2:3 23:59:59,999999999 24:00")]
    offsets = ["", "", *words("Z z -05:00 +0530 +05 -00:00 +23:59:59.999 +24:00")]
    for _ in range(count):
        text = DRAW.choice(dates) + DRAW.choice("TTTTt ") + DRAW.choice(times) + DRAW.choice(offsets)
        text = re.sub(r"\d", lambda digit: str(DRAW.randint(0, 9)) if DRAW.random() < 0.1 else digit[0], text)
        yield damaged(text) if DRAW.random() < 0.3 else text
    pieces = words("1 12 2017 04 116 - - T : : W . , Z + 05 9999999999")
    for _ in range(count // 4):
        yield "".join(DRAW.choice(pieces) for _ in range(DRAW.randint(1, 10)))


CHANGES = {
    "America/New_York": "2017-03-12T02:00 2017-11-05T01:00 1974-01-06T02:00 1883-11-18T12:00 2450-03-13T02:00",
    "America/Los_Angeles": "2016-03-13T02:00 2016-11-06T01:00 1945-08-14T16:00",
    "America/Sao_Paulo": "2017-10-15T00:00 2018-02-17T23:00 2018-11-04T00:00",
    "America/St_Johns": "2006-04-02T00:01 2006-10-28T23:01 1988-04-03T00:01",
    "America/Caracas": "2007-12-09T02:30 2016-05-01T02:30",
    "Europe/London": "2017-03-26T01:00 2017-10-29T01:00 1968-10-27T00:00 1971-10-31T02:00",
    "Europe/Moscow": "2011-03-27T02:00 2014-10-26T01:00",
    "Australia/Lord_Howe": "2017-10-01T02:00 2017-04-02T01:30",
    "Australia/Sydney": "2017-10-01T02:00 2017-04-02T02:00",
    "Pacific/Apia": "2011-12-30T00:00 2011-12-29T23:59 1892-07-04T12:00 2012-04-01T03:00",
    "Pacific/Auckland": "2017-09-24T02:00 2017-04-02T02:00 1974-11-03T02:00",
    "Africa/Monrovia": "1972-01-07T00:00 1972-01-07T00:44",
    "Asia/Kathmandu": "1986-01-01T00:00 1986-01-01T00:15",
    "Asia/Shanghai": "1986-05-04T02:00 1991-09-15T01:00",
}


def around_changes() -> Iterator[tuple[str, str]]:
    """Give local times around changes of the clocks: gaps, overlaps and the minutes beside them."""
    for zone, starts in CHANGES.items():
        for start in starts.split():
            date, clock = start.split("T")
            hour, minute = map(int, clock.split(":"))
            for shift in (-61, -60, -31, -1, 0, 1, 14, 29, 30, 31, 44, 45, 59, 60, 61, 119, 120):
                minutes = hour * 60 + minute + shift
                if 0 <= minutes < 1440:
                    yield zone, f"{date}T{minutes // 60:02}:{minutes % 60:02}"


def ask(jar: str, classes: str, questions: list[Question]) -> list[list[str]]:
    """Ask Joda-Time; every answer begins with its question."""
    lines = "".join(
        "\t".join((kind, escaped(pattern), zone, escaped(text))) + "\n" for kind, pattern, zone, text in questions
    )
    command = ["java", "-cp", jar + os.pathsep + classes, "Generate"]
    done = subprocess.run(command, input=lines.encode("ascii"), stdout=subprocess.PIPE, check=True)
    return [line.split("\t") for line in done.stdout.decode("ascii").splitlines()]


def escaped(text: str) -> str:
    """Write a text in printable ASCII: Java's escapes, in UTF-16."""
    text = text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return "".join(char if " " <= char <= "~" else f"\\u{ord(char):04x}" for char in text)


def unescaped(text: str) -> str:
    """Read what ``escaped`` wrote."""
    named = {"t": "\t", "n": "\n", "r": "\r"}
    return re.sub(
        r"\\(u[0-9a-f]{4}|.)",
        lambda match: chr(int(match[1][1:], 16)) if len(match[1]) > 1 else named.get(match[1], match[1]),
        text,
    )


def corpus(answers: Callable[[list[Question]], list[list[str]]]) -> list[list[str]]:
    """Draw all questions and have them answered."""
    draw = instants()
    prints = [("print", pattern, DRAW.choice(ZONES), str(next(draw))) for pattern in patterns() for _ in range(PRINTS)]
    prints += [("print", "", zone, str(next(draw))) for zone in ZONES for _ in range(12)]
    printed = answers(prints)

    parses: list[Question] = []
    for (_, pattern, zone, _), answer in zip(prints, printed, strict=True):
        if answer[4] != "ok":
            parses.append(("parse", pattern, zone, "2017-04-26"))
            continue
        text = unescaped(answer[5])
        parses.append(("parse", pattern, zone, text))
        parses += [("parse", pattern, DRAW.choice(ZONES), damaged(text)) for _ in range(DAMAGED)]
    parses += [("parse", "", DRAW.choice(ZONES), text) for text in iso_texts(1600)]
    for zone, text in around_changes():
        parses += [("parse", "yyyy-MM-dd'T'HH:mm", zone, text), ("parse", "", zone, text + ":30.5")]
    return [row for row in printed + answers(list(dict.fromkeys(parses))) if not is_fault(row)]


def is_fault(row: list[str]) -> bool:
    """Tell whether an answer shows a fault of Joda-Time: an exception of a wrong kind, or an overflow of 64 bits."""
    return row[4] == "fault" or (row[0] == "parse" and row[4] == "ok" and abs(int(row[5])) > 9_000_000_000_000_000_000)


def main(jar: str) -> None:
    """Compile the Java part, ask, and write the corpus."""
    with tempfile.TemporaryDirectory() as classes:
        subprocess.run(["javac", "-d", classes, "-cp", jar, str(HERE / "Generate.java")], check=True)
        rows = corpus(lambda questions: ask(jar, classes, questions))
    header = ["kind", "pattern", "zone", "input", "outcome", "result"]
    lines = ["\t".join(row) for row in [header, *rows]]
    (HERE / "corpus.tsv").write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1])
