import math

import numpy as np
import pandas as pd
import pytest

from deeprac.errors import MetricsError
from deeprac.evaluation.poses import Poses, read_references, references
from deeprac.geometry.planar import compose
from deeprac.records.case_poses import CASE_POSE_COLUMNS, OUTLINE_COLUMNS, TRUTH_COLUMNS

CONSTANT = Poses(
    np.array([math.log(0.5)]), np.radians([170.0]), np.array([[0.1, -0.2]])
).matrices()
"""true_from_case_pose: a frame of half the size, nearly upside down."""
NONE = np.full((3, 2, 3), np.nan)


def case_poses():
    """Three patients whose poses are known from the labels."""
    return Poses(
        np.array([-0.3, 0.0, 0.2]),
        np.radians([-20.0, 5, 30]),
        np.array([[0.1, 0.0], [0.0, -0.2], [0.05, 0.3]]),
    ).matrices()


def truths(noise=0.0):
    """What the phantom says of them, in its own frame; the second is off by noise."""
    case_pose_from_true = np.linalg.inv(np.vstack([CONSTANT[0], [0, 0, 1]]))[:2]
    exact = compose(case_poses(), case_pose_from_true[None])
    exact[1] *= math.exp(noise)
    return exact


def poses(found):
    return Poses.of(np.concatenate([r.pose.matrices() for r in found.values()]))


def test_without_truth_the_reference_is_the_case_pose():
    found = references(["a", "b", "c"], case_poses(), NONE)
    assert {r.kind for r in found.values()} == {"case_pose"}
    np.testing.assert_allclose(poses(found).matrices(), case_poses())


def test_a_constant_between_the_frames_is_removed():
    found = references(["a", "b", "c"], case_poses(), truths())
    assert {r.kind for r in found.values()} == {"truth"}
    np.testing.assert_allclose(poses(found).matrices(), case_poses(), atol=1e-12)


def test_a_patient_who_differs_does_not_move_the_constant():
    # The target of b is wrong by a factor; its truth is not bent towards it.
    found = references(["a", "b", "c"], case_poses(), truths(noise=0.4))
    log_scale = poses(found).log_scale - Poses.of(case_poses()).log_scale
    np.testing.assert_allclose(log_scale, [0, 0.4, 0], atol=1e-12)


def test_truth_of_some_cases_only():
    some = truths()
    some[2] = np.nan
    found = references(["a", "b", "c"], case_poses(), some)
    assert [r.kind for r in found.values()] == ["truth", "truth", "case_pose"]
    np.testing.assert_allclose(poses(found).matrices(), case_poses(), atol=1e-12)


def _table():
    table = pd.DataFrame({"case": ["001", "002", "003"]})
    table[list(CASE_POSE_COLUMNS)] = case_poses().reshape(3, 6)
    table[list(TRUTH_COLUMNS)] = truths().reshape(3, 6)
    table[list(OUTLINE_COLUMNS)] = np.zeros((3, 32))
    return table


def test_the_table_is_read_by_case(tmp_path):
    _table().to_csv(tmp_path / "case_poses.csv", index=False)
    found = read_references(tmp_path / "case_poses.csv")
    assert list(found) == ["001", "002", "003"]
    np.testing.assert_allclose(poses(found).matrices(), case_poses(), atol=1e-12)


def _incomplete(table):
    table.loc[1, "p12"] = np.nan


def _no_case_pose(table):
    table.loc[2, "t23"] = np.nan


def _mirrored(table):
    table["t11"] *= -1


def _renamed(table):
    table.loc[1, "case"] = "001"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_incomplete, r"true transform \(p11 to p23\) of 002 is incomplete"),
        (_no_case_pose, r"case pose \(t11 to t23\) of 003 is incomplete"),
        (_mirrored, "mirrors or collapses"),
        (_renamed, "lists case 001 twice"),
        (lambda table: table.pop("p11"), "lacks the column.* p11"),
    ],
)
def test_foreign_tables_are_refused(tmp_path, change, message):
    table = _table()
    change(table)
    table.to_csv(tmp_path / "case_poses.csv", index=False)
    with pytest.raises(MetricsError, match=message) as error:
        read_references(tmp_path / "case_poses.csv")
    assert "Run `deeprac case-poses`" in str(error.value)
