import re

import pytest

from deeprac.records.tidy import read_tidy
from deeprac.surgery import protocol
from deeprac.surgery.catalogue import MEASURES
from deeprac.surgery.protocol import COLUMNS, TimePoint, compare, in_words
from deeprac.surgery.rows import Row, as_table


def criteria():
    return read_tidy(protocol.UMBRELLA, ("criterion",), remedy="")


def of(tumour_ml, time_point):
    return compare(as_table([Row("tumours", "volume_ml", tumour_ml)]), time_point)


def test_a_volume_at_diagnosis():
    table = of(214.3, TimePoint.DIAGNOSIS)
    assert tuple(table.columns) == COLUMNS
    (row,) = table.itertuples()
    assert row.finding == "214 ml, below 300 ml"
    assert row.measured == 214.3
    assert "syndrome" in row.also_asks
    assert row.note == ""


def test_an_unverified_number_says_so():
    (row,) = of(214.3, TimePoint.AFTER_CHEMOTHERAPY).itertuples()
    assert row.finding == "214 ml, below 500 ml"
    assert "not verified" in row.note


@pytest.mark.parametrize(
    ("measured", "comparison", "expected"),
    [
        (300, "below", "300 ml, at least 300 ml"),
        (299.96, "below", "299.96 ml, below 300 ml"),
        (300.4, "at least", "300 ml, at least 300 ml"),
        (300.4, "at most", "300.4 ml, above 300 ml"),
        (300, "above", "300 ml, at most 300 ml"),
        (0, "below", "nothing was found to compare"),
        (float("nan"), "below", "nothing was found to compare"),
    ],
)
def test_words(measured, comparison, expected):
    assert in_words(measured, comparison, 300, "ml") == expected


def test_nothing_says_that_a_patient_is_eligible():
    for time_point in TimePoint:
        for volume in (10, 299, 300, 500, 2000):
            text = of(volume, time_point).to_csv()
            assert not re.search("eligib|fulfil|suitab", text, re.IGNORECASE)


def test_the_table_can_be_compared():
    table = criteria()
    assert set(table.measure) <= set(MEASURES)
    assert set(table.time_point) <= set(TimePoint)
    assert set(table.verified) <= {"yes", "no"}
    assert (table.citation != "").all()
    assert (table.also_asks != "").all()
