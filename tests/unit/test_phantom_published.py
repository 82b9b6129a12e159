import math

import numpy as np
import pytest

from deeprac.cohort.phantom.published import (
    RENAL_CELL_MM,
    WILMS_ML,
    LogNormal,
    Published,
)


def test_a_log_normal_from_median_and_quartiles():
    # Quartiles of a normal distribution lie 0.6745 standard deviations off the mean.
    told = Published("", 9, {25: 100 / math.e, 50: 90.0, 75: 100 * math.e}, "")
    fitted = told.log_normal()
    assert fitted.median == 90
    assert fitted.spread == pytest.approx(1 / 0.67449, rel=1e-4)
    # Its own quartiles keep the published ratio, e squared, about its own median.
    assert fitted.quantile(25) == pytest.approx(90 / math.e)
    assert fitted.quantile(75) == pytest.approx(90 * math.e)


def test_what_is_drawn_has_these_quantiles():
    volumes, rng = LogNormal(200.0, 0.8), np.random.default_rng(1)
    drawn = [volumes.draw(rng) for _ in range(4000)]
    for percent in (10, 50, 90):
        expected = volumes.quantile(percent)
        assert np.percentile(drawn, percent) == pytest.approx(expected, rel=0.06)


@pytest.mark.parametrize("told", [*WILMS_ML.values(), RENAL_CELL_MM])
def test_published_quartiles_are_near_a_log_normal(told):
    fitted = told.log_normal()
    for percent in (25, 75):
        expected = told.quantiles[percent]
        assert fitted.quantile(percent) == pytest.approx(expected, rel=0.16)
