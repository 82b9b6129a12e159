import numpy as np
import pytest

from deeprac.surgery.hull import outside_hull_percent
from support.bodies import ball

SPACING_MM = (3.0, 0.7, 1.1)


def test_half_of_a_block_sticks_out():
    kidney = np.zeros((8, 30, 30), bool)
    kidney[1:7, 5:25, 5:15] = True
    tumour = np.zeros_like(kidney)
    tumour[2:5, 10:15, 10:20] = True
    kidney &= ~tumour
    assert outside_hull_percent(tumour, kidney, SPACING_MM) == pytest.approx(50)


def test_a_tumour_that_a_kidney_wraps_is_inside():
    shape = (20, 70, 60)
    tumour = ball(shape, SPACING_MM, (28, 25, 30), 10)
    kidney = ball(shape, SPACING_MM, (28, 25, 30), 16) & ~tumour
    assert outside_hull_percent(tumour, kidney, SPACING_MM) == 0


def test_a_tumour_beside_the_kidney_is_outside():
    shape = (20, 70, 60)
    tumour = ball(shape, SPACING_MM, (28, 25, 50), 6)
    kidney = ball(shape, SPACING_MM, (28, 25, 20), 12)
    assert outside_hull_percent(tumour, kidney, SPACING_MM) == 100
