"""Fitted velocities bring one anatomy to another's shape, and leave tumours alone."""

import pytest
import torch

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.velocity import (
    exponential,
    folded_share,
    pixel_points,
    random_velocities,
)
from deeprac.geometry.velocity_fit import Anatomy, correlation, fit_velocity, overlap
from support.toy_cohort import small_networks

SIZE = (48, 48)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def ellipse(x, y, wide, high):
    """Filled ellipse (1, 1, h, w) with a soft edge, in normalised units."""
    away = (pixel_centres(SIZE)[0] - torch.tensor([x, y])) / torch.tensor([wide, high])
    return ((1 - away.norm(dim=-1)) * 6).sigmoid().view(1, 1, *SIZE)


def body(tumour=None):
    """A body with two kidneys and a spine, and perhaps a tumour (x, y, radius)."""
    kidney = ellipse(-0.35, 0.1, 0.16, 0.22) + ellipse(0.3, 0.05, 0.16, 0.22)
    lesion = torch.zeros(1, 1, *SIZE)
    if tumour is not None:
        lesion = ellipse(*tumour, tumour[-1])
    kidney = kidney * (1 - lesion)
    image = ellipse(0, 0, 0.8, 0.6) + 0.8 * kidney + 1.5 * ellipse(0, 0.3, 0.12, 0.12)
    return Anatomy(image + 0.3 * lesion, kidney, lesion)


def test_a_known_deformation_is_found():
    """To half a pixel in the median, where there is something to see."""
    torch.manual_seed(1)
    known = random_velocities(1, displacement=0.04, smoothness=0.25)
    moving = body()
    fixed = moving.at(exponential(known, SIZE))
    found = fit_velocity(moving, fixed)
    flow = exponential(found, SIZE)
    moved = moving.at(flow)
    assert overlap(moving, fixed).item() < 0.85
    assert overlap(moved, fixed).item() > 0.97
    assert correlation(moved, fixed).item() > 0.98
    assert not folded_share(flow).any()
    error = (flow - exponential(known, SIZE)).norm(dim=1) * 24
    away = (exponential(known, SIZE) - pixel_points(SIZE)).norm(dim=1) * 24
    seen = fixed.kidney[:, 0] > 0.5
    assert away[seen].median() > 1.5
    assert error[seen].median() < 0.5
    edge = torch.cat([found[:, :, [0, -1]].flatten(), found[..., [0, -1]].flatten()])
    assert not edge.any()


@pytest.mark.parametrize("whose", ["moving", "fixed"])
def test_nothing_is_pressed_into_the_shape_of_a_tumour(whose):
    """Two equal patients, one of whom has a tumour between the kidneys' fronts."""
    patients = {"moving": body(), "fixed": body()}
    patients[whose] = body((0.05, -0.3, 0.22))
    torch.testing.assert_close(
        overlap(patients["moving"], patients["fixed"]), torch.ones(1), atol=2e-2, rtol=0
    )
    flow = exponential(fit_velocity(**patients), SIZE)
    assert (flow - pixel_points(SIZE)).norm(dim=1).max() * 24 < 0.6  # of a pixel


def test_overlap_and_correlation_of_what_is_equal_and_of_what_is_not_there():
    one = body()
    torch.testing.assert_close(overlap(one, one), torch.ones(1))
    torch.testing.assert_close(correlation(one, one), torch.ones(1))
    dark = Anatomy(-one.image, torch.zeros_like(one.kidney), one.tumour)
    torch.testing.assert_close(correlation(one, dark), -torch.ones(1))
    assert overlap(one, dark).item() < 1e-4
    torch.testing.assert_close(overlap(dark, dark), torch.ones(1))


def test_no_iterations_leave_everything_where_it_is():
    assert not fit_velocity(body(), body(), iterations=0).any()
