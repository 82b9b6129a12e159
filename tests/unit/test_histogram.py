import numpy as np
import pytest

from deeprac.cohort.histogram import FIRST, LAST, Histogram


def volume(values, dtype):
    """Values in two slices of one row each."""
    return np.array(values, dtype).reshape(2, 1, -1)


@pytest.mark.parametrize("dtype", [np.int16, np.int64, np.float32, np.float64])
def test_every_value_is_counted_once(dtype):
    histogram = Histogram.of(volume([-1000, 7, 7, -3, 7, 40], dtype))
    assert (histogram.lowest, histogram.highest, histogram.voxels) == (-1000, 40, 6)
    assert histogram.finite
    assert histogram.whole
    assert [histogram.number(*r) for r in ((7, 8), (-3, 7), (-3, 8))] == [3, 1, 4]
    assert histogram.share(-1000, 0) == pytest.approx(2 / 6)
    assert histogram.commonest(-2000, 100) == 7
    assert histogram.commonest(-2000, 7) == -1000  # the first of two that occur once


def test_fractions_are_rounded_and_told():
    histogram = Histogram.of(volume([0.4, 0.6, 1.2, -0.6], np.float32))
    assert not histogram.whole
    assert [histogram.number(v, v + 1) for v in (-1, 0, 1)] == [1, 1, 2]
    assert histogram.lowest == np.float32(-0.6)


def test_values_beyond_the_bins_fall_into_the_outermost():
    histogram = Histogram.of(volume([-(10**9), 5, 5, 10**9], np.int64))
    assert (histogram.lowest, histogram.highest) == (-1e9, 1e9)
    assert histogram.number(FIRST, FIRST + 1) == 1
    assert histogram.number(LAST, LAST + 1) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(bad):
    assert not Histogram.of(volume([0, 1, bad, 3], np.float32)).finite


def test_a_peak_is_where_most_lie_together():
    # One value in 9 voxels, and 12 voxels from 100 to 111: together they are more.
    histogram = Histogram.of(volume([30] * 9 + list(range(100, 112)) + [0], np.int16))
    assert histogram.commonest(0, 200) == 30
    assert 104 <= histogram.peak(0, 200) <= 107
    assert 23 <= histogram.peak(0, 60) <= 37


def test_the_volume_is_left_as_it_is():
    values = volume([1, 2, 3, 4], np.int16)
    Histogram.of(values)
    assert values.ravel().tolist() == [1, 2, 3, 4]
