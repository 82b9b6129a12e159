"""What benchmarks/pose_spread.py measures of slices whose silhouette is known."""

import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
AIR_HU, FAT_HU, TISSUE_HU = -1000.0, -100.0, 60.0


@pytest.fixture(scope="module")
def poses():
    return runpy.run_path(str(ROOT / "benchmarks/pose_spread.py"))


def ellipse(shape, centre, axes, angle_deg):
    """Pixels inside an ellipse; centre and axes are (x, y), clockwise is positive."""
    y, x = np.indices(shape, dtype=float)
    turn = np.deg2rad(angle_deg)
    x, y = x - centre[0], y - centre[1]
    along, across = (
        np.cos(turn) * x + np.sin(turn) * y,
        np.cos(turn) * y - np.sin(turn) * x,
    )
    return (along / axes[0]) ** 2 + (across / axes[1]) ** 2 < 1


def test_size_pose_and_position_of_a_tilted_body_off_the_centre(poses):
    # 200 rows of 256 columns, padded to a square: its centre is at (127.5, 99.5).
    shape, centre = (200, 256), (140.3, 87.0)
    body = ellipse(shape, centre, (100, 70), 12)
    image = np.where(body, FAT_HU, AIR_HU)
    image[ellipse(shape, centre, (90, 60), 12)] = TISSUE_HU
    label = ellipse(shape, (110, 90), (12, 12), 0)
    slices = np.stack([image, image]).astype(np.float32)
    labels = np.stack([label, np.zeros_like(label)]).astype(np.uint8)
    one = poses["Scan"]("p", slices, labels, field_mm=384.0, body_mm=70.0)
    # The air of the foreground is clipped at tissue, as where all of it is bright.
    found = poses["measured"](one, air=-60.0, middle=TISSUE_HU)
    assert len(found) == 1  # the slice without a label is left out
    # Of an ellipse, per axis: half the root mean square of its semi-axes.
    radius_mm = 1.5 * np.sqrt((90**2 + 60**2) / 8)
    assert found.radius_mm[0] == pytest.approx(radius_mm, rel=0.02)
    assert found.radius_share[0] == pytest.approx(radius_mm / 384, rel=0.02)
    assert found.body_share[0] == pytest.approx(radius_mm / 70, rel=0.02)
    assert found.axes_ratio[0] == pytest.approx(1.5, rel=0.02)
    assert found.angle_deg[0] == pytest.approx(12, abs=0.5)
    assert found.x_share[0] == pytest.approx((140.3 - 127.5) / 256, abs=0.003)
    assert found.y_share[0] == pytest.approx((87.0 - 99.5) / 256, abs=0.003)


def test_what_no_patient_has_is_no_row(poses):
    rng = np.random.default_rng(0)
    body = ellipse((64, 64), (30, 33), (25, 18), 0)
    image = np.where(body, TISSUE_HU + rng.normal(0, 5, body.shape), AIR_HU)
    slices = image.astype(np.float32)[None]
    labels = ellipse((64, 64), (25, 30), (6, 6), 0).astype(np.uint8)[None]
    scans = [poses["Scan"](name, slices, labels, 300.0, np.nan) for name in "ab"]
    rows = {row["quantity"]: row for row in poses["spread"]("group", scans)}
    assert "body_share" not in rows
    assert rows["field_mm"] == {
        **{"group": "group", "quantity": "field_mm", "patients": 2, "sd": 0.0},
        **{f"p{percent}": 300.0 for percent in poses["QUANTILES"]},
    }
