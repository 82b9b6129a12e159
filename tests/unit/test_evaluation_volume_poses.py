"""Poses of whole volumes against the truth."""

import numpy as np
import pandas as pd
import pytest

from deeprac.evaluation.volume_poses import compared_in_space, volume_references
from deeprac.files import write_csv
from deeprac.geometry.spatial import compose, similarity
from deeprac.records.case_poses import (
    POSES_COLUMNS,
    VOLUME_COLUMNS,
    VOLUME_OUTLINE_COLUMNS,
    VOLUME_POSE_COLUMNS,
    VOLUME_TRUTH_COLUMNS,
)


def make(log_scale, angles_deg, shift):
    return similarity([log_scale], [np.radians(angles_deg)], [shift])[0]


def test_errors_by_hand():
    reference = make(0.2, [0, 0, 20], [0.1, 0.2, -0.3])
    error = make(np.log(1.1), [3, -2, 0], [0, 0, 0])
    predicted = compose(reference, error)
    predicted[:, 3] += [0.0, 0.06, -0.08]
    found = compared_in_space(predicted, reference)
    assert found["scale_ratio"] == pytest.approx(1.1)
    assert found["scale_error"] == pytest.approx(0.1)
    assert found["angle_error_deg"] == pytest.approx(0, abs=1e-9)
    tilts = found["tilt_x_deg"], found["tilt_y_deg"]
    assert tilts == pytest.approx((3, -2))
    # Shares of the cube's side, which is 2.
    assert (found["shift_y"], found["shift_z"]) == pytest.approx((0.03, -0.04))
    assert found["centre_error"] == pytest.approx(0.05)
    there = [found[f"reference_{axis}"] for axis in "xyz"]
    assert there == pytest.approx([0.05, 0.1, -0.15])


def test_the_frames_of_truth_and_poses_may_differ_by_one_similarity(tmp_path):
    rng = np.random.default_rng(0)
    constant = make(0.1, [0, 0, 5], [0.0, 0.1, -0.05])
    names, rows, truths = [f"c{i}" for i in range(5)], [], []
    for name in names:
        truth = make(*rng.uniform(-0.3, 0.3, 1), [0, 0, rng.uniform(-9, 9)],
                     rng.uniform(-0.2, 0.2, 3))  # fmt: skip
        planar = [0.0] * (len(POSES_COLUMNS) - 1)
        outline = [0.0] * len(VOLUME_OUTLINE_COLUMNS)
        pose = compose(truth, constant)
        if name == "c4":  # the labels of one case mislead
            pose = compose(pose, make(0.3, [0, 0, 30], [0.1, 0, 0]))
        rows.append([name, *planar, *pose.ravel(), *truth.ravel(), *outline])
        truths.append(truth)
    path = tmp_path / "case_poses.csv"
    columns = [*POSES_COLUMNS, *VOLUME_COLUMNS]
    write_csv(path, pd.DataFrame(rows, columns=columns))
    found = volume_references(path)
    for name, truth in zip(names, truths, strict=True):
        np.testing.assert_allclose(found[name], compose(truth, constant), atol=1e-9)
    # Without a truth the pose is the reference.
    table = pd.DataFrame(rows, columns=columns)
    table.loc[0, [*VOLUME_TRUTH_COLUMNS]] = np.nan
    write_csv(path, table)
    alone = table.loc[0, [*VOLUME_POSE_COLUMNS]]
    expected = alone.to_numpy(float).reshape(3, 4)
    np.testing.assert_allclose(volume_references(path)["c0"], expected, atol=1e-9)
