"""Surface metrics against MONAI, which has code of its own for them."""

import numpy as np
import pytest
import torch
from monai.metrics import (
    compute_average_surface_distance,
    compute_hausdorff_distance,
    compute_surface_dice,
)

from deeprac.evaluation.metrics.surface import surfaces
from support.shapes import SPACING_MM, blobs


@pytest.mark.parametrize("seed", range(4))
def test_monai_agrees_on_surface_dice(seed):
    """MONAI's sub-voxel surface Dice, of the same definition but its own code."""
    prediction, reference = blobs(seed)
    one_hot = [torch.tensor(m)[None, None] for m in (prediction, reference)]
    for tolerance_mm in (1.033, 1.150, 2.5):
        expected = compute_surface_dice(
            *one_hot,
            [tolerance_mm],
            include_background=True,
            spacing=SPACING_MM,
            use_subvoxels=True,
        )
        between = surfaces(prediction, reference, SPACING_MM)
        assert between.nsd(tolerance_mm) == pytest.approx(expected.item(), abs=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_monai_voxel_surfaces_are_about_as_far_apart(seed):
    """MONAI's HD95 and ASSD count border voxels once each, without areas.

    Its surface lies half a step inside ours, and thin slices count as much as thick
    ones: the distances agree within a voxel's diagonal, not to the last digit.
    """
    prediction, reference = blobs(seed)
    one_hot = [torch.tensor(m)[None, None] for m in (prediction, reference)]
    common = {"include_background": True, "spacing": SPACING_MM}
    hd95 = compute_hausdorff_distance(*one_hot, percentile=95, **common)
    assd = compute_average_surface_distance(*one_hot, symmetric=True, **common)
    between = surfaces(prediction, reference, SPACING_MM)
    diagonal = np.linalg.norm(SPACING_MM)
    assert between.hd95_mm == pytest.approx(hd95.item(), abs=diagonal)
    assert between.assd_mm == pytest.approx(assd.item(), abs=diagonal / 2)
