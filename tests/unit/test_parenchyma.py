import numpy as np
import pytest

from deeprac.cohort.grid import Grid
from deeprac.surgery.anatomy import Anatomy, BodySide, Kind, Structure
from deeprac.surgery.parenchyma import remaining_ml
from support.bodies import ball

KIDNEY = Structure(1, Kind.KIDNEY, BodySide.LEFT)
TUMOUR = Structure(2, Kind.TUMOUR, BodySide.LEFT, 1)


def anatomy(numbers, spacing_mm, structures=(KIDNEY, TUMOUR)):
    grid = Grid.along(np.eye(3), numbers.shape[::-1], spacing_mm[::-1], (0, 0, 0))
    return Anatomy(numbers.astype(np.uint8), grid, structures)


@pytest.mark.parametrize(("margin_mm", "layers"), [(0, 0), (1, 1), (2.5, 3), (4, 4)])
def test_a_rim_beside_a_plane(margin_mm, layers):
    """Columns of 0.9 mm have their centres at 0.45, 1.35, 2.25, 3.15, 4.05 mm."""
    numbers = np.zeros((6, 20, 30))
    numbers[:, :, 5:10] = 2
    numbers[:, :, 10:25] = 1
    left = remaining_ml(anatomy(numbers, (3.0, 1.1, 0.9)), margin_mm)
    voxel_ml = 3.0 * 1.1 * 0.9 / 1000
    assert left[BodySide.LEFT] == pytest.approx(6 * 20 * (15 - layers) * voxel_ml)


def test_a_rim_around_a_ball():
    spacing = (1.5, 0.9, 0.9)
    shape = (60, 100, 90)
    tumour = ball(shape, spacing, (44, 45, 40), 15)
    kidney = ball(shape, spacing, (44, 45, 40), 30)
    numbers = np.where(tumour, 2, kidney)
    left = remaining_ml(anatomy(numbers, spacing), 5.0)
    # 4/3 pi (30^3 - 20^3) mm3.
    assert left[BodySide.LEFT] == pytest.approx(79.6, rel=0.02)


def test_without_tumour_nothing_is_taken():
    numbers = np.zeros((4, 8, 9))
    numbers[1:3, 2:6, 2:7] = 1
    left = remaining_ml(anatomy(numbers, (3.0, 1.0, 1.0), (KIDNEY,)), 10.0)
    assert left[BodySide.LEFT] == pytest.approx(2 * 4 * 5 * 3 / 1000)
