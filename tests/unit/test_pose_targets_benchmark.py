"""Targets of the pose: the page's table, and poses from two points."""

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deeprac.geometry.planar import similarity, transform_points

ROOT = Path(__file__).parents[2]
TARGETS = runpy.run_path(str(ROOT / "benchmarks/pose_targets.py"))
LEFT_RIGHT = np.array([[0.3, 0.1], [-0.2, 0.15]])


def test_the_table_of_the_page_is_made_from_the_comparison():
    text = TARGETS["PAGE"].read_text()
    assert text == TARGETS["with_tables"](text), (
        "call PYTHONPATH=src python benchmarks/pose_targets.py"
    )


def test_the_silhouette_varies_least_where_nothing_lies_beside_the_body():
    rows = pd.read_csv(TARGETS["DATA"])
    rows = rows[rows.scene == "as drawn"].set_index("target")
    for sd in ("scale_sd", "angle_sd_deg", "centre_sd"):
        assert rows[sd].idxmin() == "silhouette"


@given(
    st.floats(-1, 1),
    st.floats(-1.5, 1.5),
    st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_two_points_tell_the_similarity(log_scale, angle_rad, shift):
    pose = similarity(log_scale, angle_rad, shift)
    found = TARGETS["pose_of"](transform_points(pose, LEFT_RIGHT)[None], LEFT_RIGHT)
    np.testing.assert_allclose(found[0], pose, atol=1e-9)


def test_sides_are_those_of_the_body_not_of_the_image():
    labels = np.zeros((2, 8, 12), np.uint8)
    labels[:, 5, 2] = labels[:, 3, 9] = 1
    labels[0, 3, 10] = 2
    upside_down = similarity(0, np.pi, (0, 0))
    (left, right) = TARGETS["two_points"](labels, [1], upside_down)
    # Padded to 12 x 12: rows 7 and 5, columns 2 and 9.
    np.testing.assert_allclose(left, (-7 / 12, 3 / 12))
    np.testing.assert_allclose(right, (7 / 12, -1 / 12))
    both = TARGETS["two_points"](labels, [1, 2], upside_down)
    assert both[1][0] == pytest.approx((2 * 7 + 9) / 3 / 12)


def test_a_side_without_labels_has_no_point():
    labels = np.zeros((1, 8, 8), np.uint8)
    labels[0, 4, 6] = 1
    _, right = TARGETS["two_points"](labels, [1], similarity(0, 0, (0, 0)))
    assert np.isnan(right).all()
