"""Size, pose and position of whole volumes."""

import dataclasses
import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from deeprac.cohort.phantom import PhantomSource
from deeprac.cohort.phantom.torso import reference_radius_mm
from deeprac.errors import MetricsError
from deeprac.files import write_csv
from deeprac.geometry import planar, spatial
from deeprac.geometry.square import Square
from deeprac.preprocessing.case_poses import label_outline
from deeprac.preprocessing.volume_poses import volume_poses
from deeprac.records.case_poses import (
    CASE_POSE_COLUMNS,
    OUTLINE_COLUMNS,
    VOLUME_POSE_COLUMNS,
    VOLUME_TRUTH_COLUMNS,
    read_case_poses,
)
from support.cohort_builders import cohort_config, phantom_config

RADIUS = 0.4


def grid(shape, spacing_zyx, origin_z=0.0):
    image = sitk.GetImageFromArray(np.zeros(shape, np.uint8))
    image.SetSpacing(spacing_zyx[::-1])
    image.SetOrigin((0.0, 0.0, origin_z))
    return image


def measure(planar_pose, labels, geometry, **row):
    found = dict(zip(CASE_POSE_COLUMNS, np.ravel(planar_pose), strict=True))
    found |= dict(zip(OUTLINE_COLUMNS, label_outline(labels).ravel(), strict=True))
    row = pd.Series(row, dtype=float)
    named = volume_poses(found, labels, [1], geometry, row, RADIUS)
    return tuple(
        np.array([named[name] for name in names]).reshape(3, 4)
        for names in (VOLUME_POSE_COLUMNS, VOLUME_TRUTH_COLUMNS)
    )


def test_a_long_volume_by_hand():
    """40 slices of 5 mm around slices of 16 x 20 pixels of 2 mm: a cube of 200 mm."""
    kidneys = np.zeros((40, 16, 20), bool)
    kidneys[10:14, 4, 5] = kidneys[20, 8, 9] = True
    # In the square of 40 mm: half of it, turned by 30 degrees, off by a tenth.
    in_square = planar.similarity(math.log(0.5), math.radians(30), [0.1, -0.2])
    pose, truth = measure(in_square, kidneys, grid(kidneys.shape, (5.0, 2.0, 2.0)))
    log_scale, angle, centre = spatial.parameters(pose[None])
    # A fifth of that in the cube; slices 10 to 20 are around 15, 4.5 before the middle.
    assert math.exp(log_scale[0]) == pytest.approx(0.1)
    assert np.degrees(angle[0]) == pytest.approx([0, 0, 30])
    assert centre[0] == pytest.approx([0.02, -0.04, -4.5 * 5 / 100])
    assert np.isnan(truth).all()


@pytest.mark.parametrize("seen", [slice(0, 1), slice(0, 6), slice(12, None)])
def test_a_kidney_that_is_cut_off_stands_at_the_level_of_what_is_seen(seen):
    """One of two kidneys, at all or in part; the volume of what is seen."""
    kidneys = np.zeros((20, 16, 20), bool)
    kidneys[:15, 4:9, 5] = kidneys[2:12, 4:9, 15] = True
    kidneys = kidneys[seen]
    pose, _ = measure(np.eye(2, 3), kidneys, grid(kidneys.shape, (5.0, 2.0, 2.0)))
    shown = np.flatnonzero(kidneys.any(axis=(1, 2)))
    middle = (shown[0] + shown[-1] - len(kidneys) + 1) / 2
    half_mm = max(5 * len(kidneys), 40) / 2
    assert pose[2, 3] == pytest.approx(5 * middle / half_mm)
    assert np.isfinite(pose).all()


def test_the_outline_is_a_prism_around_all_labels():
    """A cube of 200 mm around slices of 16 x 20 pixels of 2 mm, 40 of 5 mm."""
    labels = np.zeros((40, 16, 20), np.uint8)
    labels[10:14, 4, 5:8], labels[20, 8, 9] = 1, 2
    geometry = grid(labels.shape, (5.0, 2.0, 2.0))
    outline = dict(zip(OUTLINE_COLUMNS, label_outline(labels).ravel(), strict=True))
    found = dict(zip(CASE_POSE_COLUMNS, np.eye(2, 3).ravel(), strict=True)) | outline
    row = {"case": "a"} | volume_poses(
        found, labels, [1], geometry, pd.Series(dtype=float), RADIUS
    )
    low_mm, high_mm = _box_mm(row)
    # Columns 5 to 9 around 10, rows 4 to 8 around 8, slices 10 to 20 around 20.
    np.testing.assert_allclose(low_mm, [-10, -8, -50], atol=1e-9)
    np.testing.assert_allclose(high_mm, [0, 2, 5], atol=1e-9)
    labels[:] = 0
    outline = dict(zip(OUTLINE_COLUMNS, label_outline(labels).ravel(), strict=True))
    row |= volume_poses(
        found | outline, labels, [1], geometry, pd.Series(dtype=float), RADIUS
    )
    np.testing.assert_allclose(_box_mm(row), [[-20, -20, -100], [20, 20, 100]])


def _box_mm(row):
    """Smallest and largest (x, y, z) of the outline as it is read, in millimetres."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "case_poses.csv"
        write_csv(path, pd.DataFrame([row]))
        points = read_case_poses(path, dimensions=3, outlined=True)["a"].outline
    assert points.shape == (32, 3)
    return points.min(axis=0) * 100, points.max(axis=0) * 100


def test_without_kidneys_the_middle_counts():
    none = np.zeros((4, 8, 8), bool)
    pose, _ = measure(np.eye(2, 3), none, grid(none.shape, (2.0, 1.0, 1.0)))
    np.testing.assert_allclose(pose, np.eye(3, 4), atol=1e-12)


def test_the_truth_of_a_phantom_in_millimetres():
    """Points of the canonical frame, in mm, come to lie where the phantom says."""
    config = cohort_config(phantom=phantom_config(cases=2, matrix=32))
    case = PhantomSource(config.phantom).load("phantom_001")
    labels = sitk.GetArrayFromImage(case.label)
    shape, spacing = labels.shape, case.label.GetSpacing()[::-1]
    true = dataclasses.asdict(case.similarity)
    _, truth = measure(np.eye(2, 3), labels == 1, case.label, **true)
    canonical_mm = np.array([30.0, -40.0, 20.0])
    canonical = canonical_mm / (reference_radius_mm() / RADIUS)
    half_mm = max(n * mm for n, mm in zip(shape, spacing, strict=True)) / 2
    found_mm = spatial.transform_points(truth, canonical) * half_mm
    scale, angle = true["scale"], true["angle_rad"]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    in_plane = scale * turn @ canonical_mm[:2] + [
        true["shift_x_mm"],
        true["shift_y_mm"],
    ]
    np.testing.assert_allclose(found_mm[:2], in_plane, atol=1e-9)
    # Slices are counted from the height of the kidneys, which is z = 0 of the file.
    middle_mm = case.label.GetOrigin()[2] + (shape[0] - 1) / 2 * spacing[0]
    assert found_mm[2] == pytest.approx(scale * 20 - middle_mm)
    # The kidneys' level is near to it, as seen in the labels.
    pose, _ = measure(np.eye(2, 3), labels == 1, case.label)
    assert abs(pose[2, 3] - truth[2, 3]) < 0.1
    assert Square(*shape[1:]).size == 32


def test_tables_without_volumes_are_refused_for_them(tmp_path):
    numbers = dict.fromkeys((*CASE_POSE_COLUMNS, *OUTLINE_COLUMNS), 1.0)
    row = {"case": "a", **numbers, **dict.fromkeys(VOLUME_POSE_COLUMNS, 1.0)}
    path = tmp_path / "case_poses.csv"
    write_csv(path, pd.DataFrame([row]))
    with pytest.raises(MetricsError, match=r"lacks the column.* w11.*case-poses"):
        read_case_poses(path, dimensions=3)
    empty = dict.fromkeys(VOLUME_TRUTH_COLUMNS, np.nan)
    write_csv(path, pd.DataFrame([row | empty]))
    found = read_case_poses(path, dimensions=3)["a"]
    assert found.image_from_canonical.shape == (3, 4)
    assert found.truth is None
    assert found.outline.shape == (0, 3)
    with pytest.raises(MetricsError, match=r"lacks the column.* vx0.*case-poses"):
        read_case_poses(path, dimensions=3, outlined=True)
