"""Surface distances against hand-computed shapes and independent implementations."""

import warnings

import numpy as np
import pytest
import SimpleITK as sitk
import surface_distance as deepmind
from hypothesis import given, settings
from hypothesis import strategies as st

from deeprac.evaluation.metrics.measure import cropped
from deeprac.evaluation.metrics.surface import surfaces
from support.shapes import SPACING_MM, blobs, box


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_shift_along_one_axis(axis):
    """Faces across the shift are one step away, what slides along itself is at 0."""
    reference = box((20, 30, 24), (3, 3, 3), (12, 22, 16))
    prediction = np.roll(reference, 1, axis=axis)
    between = surfaces(prediction, reference, SPACING_MM)
    step = SPACING_MM[axis]
    distances = between.distances["distances_gt_to_pred"]
    assert distances.min() == 0
    assert distances.max() == step
    assert between.nsd(step) == 1
    assert between.nsd(0.99 * step) < 1
    # The middles of both end faces are more than 5 % of the surface.
    assert between.hd95_mm == step
    assert 0 < between.assd_mm < step


def test_share_of_a_shifted_plate_by_hand():
    """A plate of 1 x 40 x 40 voxels moved by one slice.

    Its surface lies on the two planes of corners above and below, 41 x 41 corners
    each. One plane is shared; the other lies one slice away. So half of either surface
    agrees at a tolerance below the slice spacing.
    """
    shape = (6, 44, 44)
    reference = box(shape, (2, 2, 2), (1, 40, 40))
    prediction = box(shape, (3, 2, 2), (1, 40, 40))
    between = surfaces(prediction, reference, SPACING_MM)
    assert between.nsd(SPACING_MM[0] - 0.01) == pytest.approx(0.5)
    assert between.nsd(SPACING_MM[0]) == 1
    assert between.assd_mm == pytest.approx(SPACING_MM[0] / 2)
    assert between.hd95_mm == pytest.approx(SPACING_MM[0])


def test_concentric_boxes():
    """The inner box lies 2, 3 and 4 steps inside the outer one.

    From every element of the inner surface the nearest outer one is straight across
    the smallest of the three gaps, 3 x 0.7 = 2.1 mm here.
    """
    outer = box((20, 24, 26), (2, 2, 2), (16, 20, 22))
    inner = box((20, 24, 26), (4, 5, 6), (12, 14, 14))
    between = surfaces(inner, outer, SPACING_MM)
    inward = between.distances["distances_pred_to_gt"]
    assert inward.min() == pytest.approx(2.1)
    # The middle of the faces across x is 4 x 1.1 = 4.4 mm from the nearest face, that
    # across z 2 x 3 = 6 mm.
    assert inward.max() == pytest.approx(6.0)
    # Outer corners see the inner corner along the diagonal of the three gaps.
    diagonal = np.sqrt((2 * 3.0) ** 2 + (3 * 0.7) ** 2 + (4 * 1.1) ** 2)
    outward = between.distances["distances_gt_to_pred"]
    assert outward.max() == pytest.approx(diagonal)
    assert between.nsd(2.0) == 0
    assert between.nsd(diagonal) == 1
    assert 6.0 < between.hd95_mm < diagonal


def test_single_voxels():
    """Two voxels, 2 slices and 3 columns apart: every element pairs with its twin."""
    reference = box((9, 9, 9), (2, 4, 2), (1, 1, 1))
    prediction = box((9, 9, 9), (5, 4, 6), (1, 1, 1))
    between = surfaces(prediction, reference, SPACING_MM)
    # Each has eight elements, at its corners. The nearest pair of corners is 2 slices
    # and 3 columns apart, the farthest 3 slices and 4 columns.
    gaps = [np.hypot(z * 3.0, x * 1.1) for z in (2, 3) for x in (3, 4)]
    expected = np.sort(np.repeat(gaps, 2))
    np.testing.assert_allclose(between.distances["distances_gt_to_pred"], expected)
    assert between.assd_mm == pytest.approx(np.mean(gaps))
    assert between.hd95_mm == pytest.approx(max(gaps))


def test_border_of_the_volume_is_a_surface():
    """A mask cut off by the border has there the surface that it has inside a larger
    volume."""
    shape = (5, 6, 7)
    reference = box(shape, (0, 0, 2), (3, 4, 5))
    prediction = box(shape, (0, 1, 0), (5, 5, 7))
    at_border = surfaces(prediction, reference, SPACING_MM)
    padded = [np.pad(mask, 4) for mask in (prediction, reference)]
    inside = surfaces(*padded, SPACING_MM)
    for name, values in at_border.distances.items():
        np.testing.assert_array_equal(values, inside.distances[name])


def test_empty_mask_and_shapes_are_refused():
    full, empty = np.ones((2, 2, 2), bool), np.zeros((2, 2, 2), bool)
    with pytest.raises(ValueError, match="an empty mask has no surface"):
        surfaces(empty, full, SPACING_MM)
    with pytest.raises(ValueError, match="shapes differ"):
        surfaces(full, np.ones((2, 2, 3), bool), SPACING_MM)


@pytest.mark.parametrize("spacing_mm", [(0.7, 0.7, 0.7), (0.1, 0.3, 0.2)])
def test_tolerance_of_whole_steps_counts_as_agreement(spacing_mm):
    """One step of a spacing that binary numbers cannot hold is within that spacing."""
    reference = box((9, 9, 9), (1, 1, 1), (5, 5, 5))
    for axis, step in enumerate(np.float32(spacing_mm)):
        moved = np.roll(reference, 2, axis=axis)
        between = surfaces(moved, reference, tuple(np.float32(spacing_mm)))
        assert between.nsd(2 * float(step)) == 1
        assert between.nsd(2 * spacing_mm[axis]) == 1


# --- agreement with others -----------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_same_as_the_whole_of_deepminds_package(seed):
    """The package that defines the metrics, its own search included."""
    prediction, reference = blobs(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        expected = deepmind.compute_surface_distances(reference, prediction, SPACING_MM)
    between = surfaces(prediction, reference, SPACING_MM)
    for name in ("distances_gt_to_pred", "distances_pred_to_gt"):
        np.testing.assert_allclose(between.distances[name], expected[name], atol=1e-9)
    for name in ("surfel_areas_gt", "surfel_areas_pred"):
        assert between.distances[name].sum() == pytest.approx(expected[name].sum())
    for tolerance_mm in (0.9, 1.033, 1.133, 1.150, 2.5):
        assert between.nsd(tolerance_mm) == pytest.approx(
            deepmind.compute_surface_dice_at_tolerance(expected, tolerance_mm)
        )
    assert between.hd95_mm == pytest.approx(
        deepmind.compute_robust_hausdorff(expected, 95)
    )


@pytest.mark.parametrize("seed", range(4))
def test_every_distance_is_that_of_simpleitks_distance_map(seed):
    """Maurer's distance map of the other surface, read off at every element."""
    prediction, reference = blobs(seed)
    between = surfaces(prediction, reference, SPACING_MM)
    corners = [_corners(mask) for mask in (prediction, reference)]
    for name, own, other in (
        ("distances_pred_to_gt", *corners),
        ("distances_gt_to_pred", *corners[::-1]),
    ):
        image = sitk.GetImageFromArray(other.astype(np.uint8))
        image.SetSpacing(SPACING_MM[::-1])
        distance = sitk.SignedMaurerDistanceMap(
            image, squaredDistance=False, useImageSpacing=True
        )
        # Negative inside, where elements lie side by side.
        expected = np.sort(sitk.GetArrayFromImage(distance)[own].clip(min=0))
        np.testing.assert_allclose(between.distances[name], expected, atol=1e-4)


def _corners(mask):
    """Corners of the grid whose eight voxels are not all alike."""
    padded = np.pad(mask, 1)
    views = [
        padded[z : z - 1 or None, y : y - 1 or None, x : x - 1 or None]
        for z in (0, 1)
        for y in (0, 1)
        for x in (0, 1)
    ]
    return np.any(views, axis=0) & ~np.all(views, axis=0)


# --- properties ----------------------------------------------------------------------

SEEDS = st.integers(0, 10_000)
SPACINGS = st.tuples(*[st.floats(0.3, 6)] * 3)


def values(between):
    nsd = [between.nsd(tolerance) for tolerance in (0.5, 1, 2, 5)]
    return np.array([*nsd, between.hd95_mm, between.assd_mm])


@settings(max_examples=25)
@given(SEEDS, SPACINGS)
def test_symmetric(seed, spacing_mm):
    prediction, reference = blobs(seed, (7, 11, 9))
    np.testing.assert_allclose(
        values(surfaces(prediction, reference, spacing_mm)),
        values(surfaces(reference, prediction, spacing_mm)),
    )


@settings(max_examples=25)
@given(SEEDS, SPACINGS)
def test_identical_masks_are_at_distance_zero(seed, spacing_mm):
    mask, _ = blobs(seed, (7, 11, 9))
    np.testing.assert_array_equal(
        values(surfaces(mask, mask, spacing_mm)), [1, 1, 1, 1, 0, 0]
    )


@settings(max_examples=25)
@given(SEEDS, SPACINGS, st.permutations((0, 1, 2)), st.integers(0, 2))
def test_frame_does_not_matter(seed, spacing_mm, axes, flipped):
    """Padding, cropping and transposed axes leave the distances as they are.

    A flip does too, but for the areas: the marching-cubes table resolves a few
    ambiguous corners by the order of the axes.
    """
    masks = blobs(seed, (7, 11, 9))
    between = values(surfaces(*masks, spacing_mm))
    padded = [np.pad(mask, ((1, 2), (3, 0), (0, 4))) for mask in masks]
    np.testing.assert_array_equal(values(surfaces(*padded, spacing_mm)), between)
    np.testing.assert_array_equal(
        values(surfaces(*cropped(*padded), spacing_mm)), between
    )
    for changed, spacing in (
        ([np.flip(mask, flipped) for mask in masks], spacing_mm),
        ([m.transpose(axes) for m in masks], tuple(spacing_mm[i] for i in axes)),
    ):
        moved = surfaces(*changed, spacing)
        original = surfaces(*masks, spacing_mm)
        for name in ("distances_gt_to_pred", "distances_pred_to_gt"):
            np.testing.assert_allclose(
                moved.distances[name], original.distances[name], atol=1e-9
            )
        np.testing.assert_allclose(values(moved)[:4], between[:4], atol=0.02)


@settings(max_examples=25)
@given(SEEDS, st.lists(st.floats(0, 30), min_size=2, max_size=6))
def test_nsd_grows_with_the_tolerance(seed, tolerances):
    between = surfaces(*blobs(seed, (7, 11, 9)), SPACING_MM)
    shares = [between.nsd(tolerance) for tolerance in sorted(tolerances)]
    assert all(0 <= share <= 1 for share in shares)
    assert shares == sorted(shares)
    assert between.nsd(between.distances["distances_gt_to_pred"].max() + 100) == 1


@settings(max_examples=25)
@given(SEEDS, st.floats(0.2, 5))
def test_distances_scale_with_the_spacing(seed, factor):
    masks = blobs(seed, (7, 11, 9))
    original = surfaces(*masks, SPACING_MM)
    scaled = surfaces(*masks, tuple(factor * s for s in SPACING_MM))
    assert scaled.hd95_mm == pytest.approx(factor * original.hd95_mm)
    assert scaled.assd_mm == pytest.approx(factor * original.assd_mm)
