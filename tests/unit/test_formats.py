import math

import pytest

from deeprac.reporting import formats

NAN = float("nan")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0s"),
        (45.2, "45s"),
        (59.7, "1m00"),
        (125, "2m05"),
        (3599.6, "1h00"),
        (5700, "1h35"),
        (119 * 60 + 45, "2h00"),
        (70200, "19h30"),
        (NAN, "-"),
    ],
)
def test_duration(seconds, text):
    assert formats.duration(seconds) == text


def test_mean_sd_is_in_percent_and_one_patient_has_no_sd():
    assert formats.mean_sd(0.83657, 0.0788) == "83.66 (7.88)"
    assert formats.mean_sd(0.5, NAN) == "50.00 (-)"
    assert formats.mean_sd(NAN, NAN) == "-"


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.01234, "0.0123"), (36.84, "36.8"), (math.nan, "-")]
)
def test_amount(value, text):
    assert formats.amount(value) == text


def test_metrics_have_the_digits_of_their_kind():
    kinds = ("share", "mm", "ml", "percent", "count")
    texts = [formats.metric(0.12345, kind) for kind in kinds]
    assert texts == ["12.35", "0.12", "0.1", "0.1", "0.12"]
    assert formats.metrics("{} ({})", (0.5, NAN), "share") == "50.00 (-)"
    assert formats.metrics("[{}, {}]", (NAN, NAN), "share") == "-"


def test_p_values_and_numbers_of_patients():
    assert [formats.p_value(p) for p in (0.0009, 0.001, 1.0, NAN)] == [
        *("<0.001", "0.001", "1.000", "-"),
    ]
    assert [formats.whole(n) for n in (12.0, math.inf, NAN)] == ["12", ">100,000", "-"]
