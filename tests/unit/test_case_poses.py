"""What training aims at: size, pose and labels of every case."""

import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import torch

from deeprac.cohort.phantom import PhantomSource
from deeprac.cohort.phantom.torso import reference_radius_mm
from deeprac.config import load_config
from deeprac.errors import MetricsError
from deeprac.files import write_csv
from deeprac.geometry.planar import transform_points
from deeprac.geometry.similarity import compose, invert, parameters
from deeprac.geometry.square import Square
from deeprac.layout import Layout
from deeprac.networks.normalisers import MomentNormaliser
from deeprac.preprocessing.case_poses import case_pose, label_outline
from deeprac.preprocessing.intensity import normalised, normalised_air
from deeprac.records.case_poses import (
    CASE_POSE_COLUMNS,
    OUTLINE_POINTS,
    POSES_COLUMNS,
    TRUTH_COLUMNS,
    VOLUME_COLUMNS,
    CasePose,
    read_case_poses,
)
from support.cohort_builders import phantom_config
from support.toy_cohort import CASES, small_networks

FINGERPRINT = {
    "foreground_intensity_properties_per_channel": {
        "0": {
            "mean": 100.0,
            "std": 70.0,
            "percentile_00_5": -60.0,
            "percentile_99_5": 300.0,
        }
    }
}
AIR_HU = -1000
RADIUS = 0.4


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with small_networks():
        yield


def measure(image, labels, **row):
    """One row of case_poses.csv as (2, 3) target, (2, 3) truth and outline."""
    moments = MomentNormaliser(
        {"canonical_radius": RADIUS, "max_log_scale": math.log(2)},
        air=normalised_air(FINGERPRINT, AIR_HU),
    )
    row = pd.Series({"case": "a"} | row)
    found = case_pose(normalised(image, FINGERPRINT), labels, row, moments)
    assert tuple(found) == POSES_COLUMNS
    assert found["case"] == "a"
    target, truth = (
        np.array([found[name] for name in names]).reshape(2, 3)
        for names in (CASE_POSE_COLUMNS, TRUTH_COLUMNS)
    )
    return target, truth


def body(shape, centre, axes):
    """Tissue in an ellipse of pixels (x, y), air around it."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    inside = ((x - centre[0]) / axes[0]) ** 2 + ((y - centre[1]) / axes[1]) ** 2 < 1
    return np.where(inside, 40, AIR_HU)


def test_outline_of_a_rectangle_on_a_wide_slice():
    labels = np.zeros((3, 20, 40), np.uint8)
    labels[1, 6:10, 4:9] = 1
    labels[2, 8:12, 30:34] = 2
    outline = label_outline(labels)
    assert outline.shape == (OUTLINE_POINTS, 2)
    # Padded by 10 rows on either side: columns 4 to 34 and rows 16 to 22 of 40.
    low, high = outline.min(axis=0), outline.max(axis=0)
    np.testing.assert_allclose(low, [4 / 20 - 1, 16 / 20 - 1])
    np.testing.assert_allclose(high, [34 / 20 - 1, 22 / 20 - 1])


def test_outline_of_a_rectangle_on_a_high_slice():
    labels = np.zeros((1, 40, 20), np.uint8)
    labels[0, 6:10, 4:9] = 1
    outline = label_outline(labels)
    low, high = outline.min(axis=0), outline.max(axis=0)
    np.testing.assert_allclose(low, [14 / 20 - 1, 6 / 20 - 1])
    np.testing.assert_allclose(high, [19 / 20 - 1, 10 / 20 - 1])


@pytest.mark.parametrize("angle", np.linspace(0, np.pi, 7))
def test_outline_reaches_as_far_as_the_labels_in_any_direction(angle):
    """Convexity: a circle keeps its extent to the cosine of a 32nd of a turn."""
    y, x = np.mgrid[:101, :101]
    labels = (((x - 40) ** 2 + (y - 60) ** 2) <= 30**2)[None].astype(np.uint8)
    outline = label_outline(labels)
    direction = np.array([np.cos(angle), np.sin(angle)])
    middle = 2 * (np.array([40, 60]) + 0.5) / 101 - 1
    reach = ((outline - middle) @ direction).max() * 101 / 2
    assert 30.5 * np.cos(np.pi / OUTLINE_POINTS) - 0.3 <= reach <= 30.5 + 0.3


def test_outline_of_one_voxel_are_its_corners():
    labels = np.zeros((2, 10, 10), np.uint8)
    labels[1, 2, 7] = 2
    assert {tuple(point) for point in label_outline(labels).round(6)} <= {
        (0.4, -0.6),
        (0.6, -0.6),
        (0.4, -0.4),
        (0.6, -0.4),
    }


@pytest.mark.parametrize("shape", [(1, 10, 10), (2, 8, 14)])
def test_outline_without_labels_is_the_slice(shape):
    outline = label_outline(np.zeros(shape, np.uint8))
    assert outline.shape == (OUTLINE_POINTS, 2)
    np.testing.assert_allclose(outline.min(axis=0), [-1, -1])
    np.testing.assert_allclose(outline.max(axis=0), [1, 1])


def ellipses(*shapes):
    return np.stack([body((60, 80), *shape) for shape in shapes])


def test_a_target_is_what_the_labelled_slices_say():
    """Slices without label may show another outline: an arm, a chest with lungs."""
    small, large = ((40, 30), (24, 16)), ((30, 25), (28, 22))
    image = ellipses(large, large, small, small, large)
    labels = np.zeros(image.shape, np.uint8)
    labels[2:4, 28:32, 38:42] = 1
    target, truth = measure(image, labels)
    assert np.isnan(truth).all()
    log_scale, angle, shift = parameters(torch.from_numpy(target)[None])
    # Pixel (40, 30) of 80 x 60, padded by 10 rows: 81 / 80 - 1.
    assert shift[0].tolist() == pytest.approx([1 / 80, 1 / 80], abs=0.01)
    # In half widths of 40 pixels; soft edges widen by half of a pixel of 32 at most.
    low, high = (
        math.sqrt(((24 + e) ** 2 + (16 + e) ** 2) / 8) / 40 / RADIUS for e in (0, 1.25)
    )
    assert 0.99 * low < log_scale.exp().item() < 1.01 * high
    assert angle.item() == pytest.approx(0, abs=math.radians(2))


def test_without_labels_every_slice_that_shows_a_body_votes():
    image = ellipses(*[((40, 30), (24, 16))] * 2, *[((0, 0), (0.1, 0.1))] * 3)
    target, _ = measure(image, np.zeros(image.shape, np.uint8))
    assert target[:, 2].tolist() == pytest.approx([1 / 80, 1 / 80], abs=0.01)
    # A label on a slice of air gives it no vote either.
    labels = np.zeros(image.shape, np.uint8)
    labels[3, 2, 2] = 1
    again, _ = measure(image, labels)
    np.testing.assert_array_equal(target, again)


def test_a_case_of_air_is_left_where_it_is():
    image = np.full((2, 30, 30), AIR_HU)
    target, _ = measure(image, np.zeros(image.shape, np.uint8))
    np.testing.assert_allclose(target, np.eye(2, 3), atol=1e-7)


def test_convention_the_truth_is_in_the_units_of_the_padded_square():
    """By hand, on pixels of 0.8 x 1.6 mm and a slice of 60 columns x 40 rows."""
    scale, angle, shift = 0.8, 0.3, np.array([12.0, -7.0])
    image = np.full((1, 40, 60), AIR_HU)
    _, truth = measure(
        image,
        np.zeros(image.shape, np.uint8),
        size_x=60,
        size_y=40,
        spacing_x_mm=0.8,
        spacing_y_mm=1.6,
        scale=scale,
        angle_rad=angle,
        shift_x_mm=shift[0],
        shift_y_mm=shift[1],
    )
    canonical = np.array([[0.0, 0.0], [1.0, 0.0], [0.3, -0.9]])
    turn = np.array(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    )
    canonical_mm = canonical * reference_radius_mm() / RADIUS
    image_mm = scale * canonical_mm @ turn.T + shift
    # The middle of the slice is between pixels 29 and 30, and 19 and 20.
    pixels = image_mm / [0.8, 1.6] + [29.5, 19.5]
    np.testing.assert_allclose(
        transform_points(truth, canonical),
        Square(40, 60).from_px(pixels),
        atol=1e-6,
    )


TRUE = ("scale", "angle_rad", "shift_x_mm", "shift_y_mm")


@pytest.mark.parametrize("cells", [dict.fromkeys(TRUE, float("nan")), {}])
def test_without_a_true_transform_its_cells_are_empty(cells):
    """As cases.csv is read where a cohort is no phantom's."""
    image = np.full((1, 20, 20), AIR_HU)
    size = {"size_x": 20, "size_y": 20, "spacing_x_mm": 1.0, "spacing_y_mm": 1.0}
    _, truth = measure(image, np.zeros(image.shape, np.uint8), **cells, **size)
    assert np.isnan(truth).all()


@pytest.fixture(scope="module")
def phantoms():
    """Target and truth of children of all ages, (6, 2, 3) each."""
    source = PhantomSource(phantom_config(cases=6))
    rows = []
    for name in source.names():
        case = source.load(name)
        image, labels = (
            sitk.GetArrayFromImage(volume) for volume in (case.image, case.label)
        )
        (size_x, size_y, _), spacing = case.image.GetSize(), case.image.GetSpacing()
        rows.append(
            measure(
                image,
                labels,
                size_x=size_x,
                size_y=size_y,
                spacing_x_mm=spacing[0],
                spacing_y_mm=spacing[1],
                **asdict(case.similarity),
            )
        )
    return [torch.from_numpy(np.stack(kind)) for kind in zip(*rows, strict=True)]


def test_targets_of_phantoms_are_close_to_their_true_transforms(phantoms):
    """Up to what all have in common: the silhouette's centre is not the body's."""
    target, truth = phantoms
    assert parameters(truth)[0].std() > 0.1  # children of many sizes
    log_scale, angle, shift = parameters(compose(invert(truth), target))
    shift = shift * parameters(truth)[0].exp()[:, None]  # in the units of the slice
    errors = torch.cat([log_scale[:, None], angle[:, None], shift], 1)
    common = errors.median(0).values
    assert common[0].abs() < 0.02
    assert common[1].abs() < math.radians(1)
    assert common[2:].abs().max() < 0.03
    worst = (errors - common).abs().amax(0)
    assert worst[0] < math.log(1.06)
    assert worst[1] < math.radians(4)
    assert worst[2:].max() < 0.04  # 2 % of the width, which is 2


@pytest.fixture(scope="module")
def toy(prepared_toy):
    return Layout.of(load_config([prepared_toy / "toy.yaml"]))


def test_the_verb_measures_every_case(toy):
    table = pd.read_csv(toy.case_poses)
    assert tuple(table) == (*POSES_COLUMNS, *VOLUME_COLUMNS)
    assert table["case"].tolist() == list(CASES)
    assert table[list(TRUTH_COLUMNS)].isna().all(axis=None)
    targets = read_case_poses(toy.case_poses)
    for index, case in enumerate(CASES):
        found = targets[case]
        assert found.truth is None
        assert found.best_known is found.image_from_canonical
        # Centre and semi-axes of the bodies of toy_cohort: 12 + index by 11 pixels of
        # 34, three rows of padding above.
        log_scale, _, shift = parameters(
            torch.from_numpy(found.image_from_canonical)[None]
        )
        assert shift[0].tolist() == pytest.approx([-1 / 34, -1 / 34], abs=0.01)
        radius = math.sqrt(((12 + index) ** 2 + 11**2) / 8) / 17 / RADIUS
        assert radius * 0.99 < log_scale.exp().item() < radius * 1.05
        assert found.outline.shape == (OUTLINE_POINTS, 2)
        # The kidney's columns 20 to 24 reach to the edge of pixel 24.
        assert found.outline[:, 0].max() == pytest.approx(25 / 17 - 1)


def test_the_truth_is_best_where_it_is_known():
    truth = 2 * np.eye(2, 3)
    target = CasePose(np.eye(2, 3), truth, np.zeros((16, 2)))
    assert target.best_known is truth


def test_reading_targets_that_are_missing_or_lack_a_column(toy, tmp_path):
    with pytest.raises(MetricsError, match="deeprac case-poses"):
        read_case_poses(tmp_path / "case_poses.csv")
    table = pd.read_csv(toy.case_poses).drop(columns="t12")
    write_csv(tmp_path / "case_poses.csv", table)
    with pytest.raises(MetricsError, match="t12"):
        read_case_poses(tmp_path / "case_poses.csv")
