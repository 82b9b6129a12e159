import re

import pytest

from deeprac.records.tidy import read_tidy
from deeprac.surgery import protocol
from deeprac.surgery.catalogue import MEASURES
from deeprac.surgery.flags import Flag, Verdict
from deeprac.surgery.limits import LIMITS
from deeprac.surgery.protocol import (
    COLUMNS,
    WITHHELD,
    TimePoint,
    compare,
    in_words,
    withheld,
)
from deeprac.surgery.rows import Row, as_table


def criteria():
    return read_tidy(protocol.UMBRELLA, ("criterion",), remedy="")


def of(tumour_ml, time_point, flags=()):
    measures = as_table([Row("tumours", "volume_ml", tumour_ml)])
    return compare(measures, time_point, flags)


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


@pytest.mark.parametrize(
    ("measured", "comparison", "expected"),
    [
        (149, "below", "at least 149 ml: cannot be compared with below 300 ml"),
        (149, "at least", "at least 149 ml: cannot be compared with at least 300 ml"),
        (350, "below", "at least 350 ml, at least 300 ml"),
        (300, "at most", "at least 300 ml: cannot be compared with at most 300 ml"),
        (301, "at most", "at least 301 ml, above 300 ml"),
    ],
)
def test_words_of_a_lower_bound(measured, comparison, expected):
    assert in_words(measured, comparison, 300, "ml", at_least=True) == expected


@pytest.mark.parametrize(
    ("structure", "finding"),
    [
        ("tumour_2", "at least 149 ml: cannot be compared with below 300 ml"),
        ("kidney_left", "149 ml, below 300 ml"),
    ],
)
def test_a_tumour_that_the_volume_cuts_off(structure, finding):
    flags = LIMITS["touches_border"].flags(9, "it is cut", structure)
    assert of(149, TimePoint.DIAGNOSIS, flags).finding.tolist() == [finding]


def test_a_result_that_is_not_to_be_used_is_not_compared():
    table = of(149, TimePoint.DIAGNOSIS)
    look = Flag("x", Verdict.LOOK, "", "")
    assert withheld(table, [look]).equals(table)
    wrong = withheld(table, [look, Flag("y", Verdict.DO_NOT_USE, "", "")])
    assert wrong.finding.tolist() == [WITHHELD]
    assert "below" not in WITHHELD


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
