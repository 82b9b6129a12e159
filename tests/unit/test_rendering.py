"""Pictures of surfaces: who is where."""

import ctypes

import numpy as np
import pytest

from deeprac.surgery.rendering import BEHIND, FRONT, render
from deeprac.surgery.surfaces import surfaces
from deeprac.surgery.terminology import terms
from support.studies import TUMOUR, an_anatomy

pytestmark = pytest.mark.slow

PIXELS = 160


@pytest.fixture(scope="module")
def drawn():
    return surfaces(an_anatomy())


@pytest.fixture(scope="module")
def pictures(drawn):
    return render(drawn, (FRONT, BEHIND), pixels=PIXELS)


def greenish(picture):
    """Where the tumour is seen: (row, column) of its middle, and share of pixels."""
    red, green, _ = picture.astype(int).transpose(2, 0, 1)
    assert terms(TUMOUR).colour[1] > terms(TUMOUR).colour[0]
    seen = green > red + 15
    return np.argwhere(seen).mean(axis=0), seen.mean()


def test_convention_the_right_is_left_in_front_and_right_from_behind(pictures):
    (front, behind), _ = pictures
    (_, column), share = greenish(front)
    assert column < PIXELS / 2
    (_, column), hidden = greenish(behind)
    assert column > PIXELS / 2
    # It lies before its kidney.
    assert hidden < share / 2


def test_convention_the_head_is_on_top(pictures):
    # The tumour's middle is 6 mm above that of its kidney: nearer to the first row.
    (front, _), _ = pictures
    (row, _), _ = greenish(front)
    assert row < PIXELS / 2


def test_the_side_of_the_pictures_is_the_surfaces(drawn, pictures):
    (front, _), side_mm = pictures
    points = np.concatenate([surface.points_mm for surface in drawn])
    assert side_mm == pytest.approx(1.08 * np.ptp(points, axis=0)[0], rel=1e-4)
    columns = np.flatnonzero(front.any(axis=(0, 2)))
    assert np.ptp(columns) * side_mm / PIXELS == pytest.approx(
        np.ptp(points, axis=0)[0], abs=2 * side_mm / PIXELS
    )


def test_the_same_surfaces_give_the_same_pictures(drawn, pictures):
    again, _ = render(drawn, (FRONT, BEHIND), pixels=PIXELS)
    np.testing.assert_array_equal(again, pictures[0])


def test_without_opengl_there_is_no_picture(drawn, monkeypatch):
    def missing(name):
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert render(drawn, (FRONT,), pixels=PIXELS) is None
