import numpy as np
import pytest

from deeprac.cohort.phantom.anatomy import draw_anatomy, remnant_share
from deeprac.cohort.phantom.fields import Blob, Points, draw_waves
from deeprac.cohort.phantom.tumour import Tumour


@pytest.fixture
def tumour() -> Tumour:
    """A ball of 20 mm about (30, 0, 0) that grew from a core at (24, 6, 0)."""
    waves = draw_waves(np.random.default_rng(0), wavelength_mm=10)
    return Tumour(
        side=1,
        shape=Blob(np.array([30.0, 0, 0]), np.full(3, 20.0), np.eye(3)),
        core_mm=np.array([24.0, 6, 0]),
        shrink=0.25,
        bulge_mm=5.0,
        coarse=waves,
        fine=waves,
        necrosis=0.0,
        solid_hu=60.0,
        liquid_hu=15.0,
    )


def at(x, y, z) -> Points:
    return Points(*(np.array([c], np.float32) for c in (x, y, z)))


def test_the_surface_shows_what_lay_around_the_core(tumour):
    # 20 mm to the left of the centre: a quarter of it to the left of the core.
    shown = tumour.undisturbed(at(50, 0, 0))
    np.testing.assert_allclose(np.ravel(shown), [24 + 5, 6, 0], atol=1e-3)


def test_far_tissue_stays(tumour):
    far = at(-40, 10, 5)
    np.testing.assert_allclose(tumour.undisturbed(far), far, atol=1e-4)


def test_displacement_does_not_fold(tumour):
    line = np.linspace(50.5, 120, 200, dtype=np.float32)
    zeros = np.zeros_like(line)
    assert np.all(np.diff(tumour.undisturbed(Points(line, zeros, zeros)).x) > 0)


def test_wall_bulges_towards_the_tumour(tumour):
    # The wall in front of the tumour moved outwards: it shows what lay further in.
    assert tumour.bulged(at(60, 0, 0)).x[0] < 60


@pytest.mark.parametrize("seed", range(8))
def test_every_tumour_leaves_kidney_in_sight(seed):
    rng = np.random.default_rng(seed)
    anatomy = draw_anatomy(rng, age_years=rng.uniform(0, 14), bilateral=True)
    for tumour in anatomy.tumours:
        kidney = anatomy.kidneys[(1 + tumour.side) // 2]
        assert remnant_share(anatomy.torso, kidney, tumour) >= 0.3
