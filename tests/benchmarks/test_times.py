"""The benchmark of reading times, on few texts: its readers agree, and one that is wrong is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.time_columns import COLUMNS
from tests.benchmarks.time_readers import Disagreement, why_no_joda
from tests.benchmarks.times import Amount, measure, times_json, times_text

FEW = Amount(rows=2000, slow_rows=50, rounds=1, warm_up_seconds=0.0)
ISO, LOCAL, SLOW, MISSING = COLUMNS


def test_every_column_is_read_by_every_reader() -> None:
    result = measure(FEW, left_out="it is not wanted")
    shares = [column.readings[0].by_reference for column in result.columns]
    assert shares[0] == 0 and shares[2] == 1
    assert shares[1] is not None and shares[1] < 0.001
    assert shares[3] is not None and 0.02 < shares[3] < 0.1
    text = times_text(result)
    assert all(column.title in text for column in COLUMNS)
    assert "Joda-Time on the JVM is left out: it is not wanted." in text
    readers = [[reading["reader"] for reading in column["readings"]] for column in times_json(result)["columns"]]
    own, whole, alone = (
        "ddbetl, the call in a plan",
        "ddbetl, whole items, JSON to requests",
        "ddbetl, the reference parser alone",
    )
    python = "Python's datetime.fromisoformat"
    assert readers == [[own, python], [own, python], [own, whole, alone], [own, whole, python]]


@pytest.mark.skipif(bool(why_no_joda()), reason=why_no_joda())
def test_joda_time_reads_the_same() -> None:
    result = measure(FEW, (SLOW,))
    assert result.joda.startswith("Java ") and "Joda-Time 2." in result.joda
    assert result.columns[0].readings[-1].reader == "Joda-Time on the JVM"


def test_a_reader_that_is_wrong_is_found() -> None:
    read = ISO.value_of
    assert read is not None
    wrong = replace(ISO, value_of=lambda text: read(text) + 1)
    with pytest.raises(Disagreement, match="fromisoformat reads other times"):
        measure(FEW, (wrong,), left_out="it is not wanted")
    with pytest.raises(Disagreement, match="is said to have no fast path"):
        measure(FEW, (replace(LOCAL, slow=True),), left_out="it is not wanted")
