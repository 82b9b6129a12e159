"""Structures of 200 label maps whose truth is known, and of hand-made ones."""

import numpy as np
import pytest
import SimpleITK as sitk

from deeprac.cohort.grid import Grid
from deeprac.labels import CohortLabels
from deeprac.surgery.anatomy import BodySide, Kind
from deeprac.surgery.structures import anatomy_of
from deeprac.surgery.tumours import InstanceRule
from support.kidney_phantoms import (
    FIRST_TUMOUR,
    KINDS,
    LEFT,
    RIGHT,
    WITHOUT_SIDES,
    draw,
)

SIDED = CohortLabels(sides=True)
SPACING_XYZ_MM = (0.9, 1.1, 3.0)


def image(array, spacing=SPACING_XYZ_MM):
    volume = sitk.GetImageFromArray(array.astype(np.uint8))
    volume.SetSpacing(spacing)
    volume.SetOrigin((-100.0, 20.0, 7.0))
    return volume


def two_kidneys():
    """[z, y, x]: right kidney at small x, left one at large x, tumour on the left."""
    array = np.zeros((12, 30, 60), np.uint8)
    array[2:10, 8:16, 5:14] = 1
    array[2:10, 8:16, 40:50] = 1
    array[4:8, 10:20, 46:56] = 2
    return array


def expected(phantom):
    """The truth with the numbers that the structures have."""
    truth = sitk.GetArrayFromImage(sitk.DICOMOrient(phantom.truth, "LPS"))
    kidneys = 1 if phantom.kind in WITHOUT_SIDES else 2
    return np.where(truth >= FIRST_TUMOUR, truth - FIRST_TUMOUR + 1 + kidneys, truth)


def agrees(phantom):
    anatomy, flags = anatomy_of(phantom.label, CohortLabels())
    codes = {flag.code for flag in flags}
    unknown = phantom.kind in WITHOUT_SIDES
    sides = [str(one.side) for one in anatomy.of_kind(Kind.TUMOUR)]
    return (
        np.array_equal(anatomy.numbers, expected(phantom))
        and sides == phantom.tumour_sides
        and ("side_unknown" in codes) == unknown
        and ("kidney_parts" in codes) == (phantom.kind == "split")
    )


@pytest.mark.parametrize("kind", KINDS)
def test_one_phantom_of_each_kind(kind):
    assert agrees(draw(7, kind))


@pytest.mark.slow
def test_sides_and_instances_of_200_phantoms():
    wrong = [seed for seed in range(200) if not agrees(draw(seed))]
    assert wrong == []
