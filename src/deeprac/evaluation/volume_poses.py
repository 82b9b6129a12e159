"""Size, orientation and position of whole volumes against where they truly are.

As :mod:`deeprac.evaluation.poses` does it with slices: of a phantom the truth is known,
of other cases the pose that the networks were taught, and between both canonical frames
lies one similarity for the whole cohort, taken from these two alone.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deeprac.evaluation.poses import medians
from deeprac.geometry.spatial import compose, invert, parameters, similarity
from deeprac.records.case_poses import read_case_poses

_AXES = tuple(enumerate("xyz"))


def volume_references(path: Path) -> dict[str, NDArray]:
    """Read case_poses.csv and give the reference of each case.

    Returns:
        ``(3, 4)`` matrix ``volume_from_canonical`` by case, in the networks' canonical
        frame.

    Raises:
        MetricsError: The file is missing, lacks a column, lists a case twice, or holds
            a transform that is incomplete or not finite.
    """
    table = read_case_poses(path, dimensions=3)
    poses = {case: pose.image_from_canonical for case, pose in table.items()}
    truths = {
        case: pose.truth for case, pose in table.items() if pose.truth is not None
    }
    if truths:
        known = np.array([poses[case] for case in truths])
        between = compose(invert(np.array(list(truths.values()))), known)
        constant = similarity(*medians(*parameters(between)))[0]
        poses |= {case: compose(truth, constant) for case, truth in truths.items()}
    return poses


def compared_in_space(predicted: NDArray, reference: NDArray) -> dict[str, float]:
    """How far one predicted pose of a volume lies from the reference.

    Args:
        predicted: ``(3, 4)`` ``volume_from_canonical``.
        reference: ``(3, 4)`` of the same frames.

    Returns:
        Errors of scale, of the angle about z and of the centre as
        ``diagnostics.compared`` has them of slices; beside them by how much the axes x
        and y are turned too far, and z is too high, and the reference's position.
        Positions are shares of the cube's side.
    """
    turned = compose(invert(reference), predicted)
    log_ratio, angle_rad, _ = (part[0] for part in parameters(turned[None]))
    tilt_x, tilt_y, turn = (float(angle) for angle in np.degrees(angle_rad))
    shift_x, shift_y, shift_z = (predicted[:, 3] - reference[:, 3]) / 2
    ratio = float(np.exp(log_ratio))
    return {
        "scale_error": abs(ratio - 1),
        "angle_error_deg": abs(turn),
        "centre_error": float(np.linalg.norm([shift_x, shift_y, shift_z])),
        "scale_ratio": ratio,
        "angle_difference_deg": turn,
        "shift_x": float(shift_x),
        "shift_y": float(shift_y),
        "tilt_x_deg": tilt_x,
        "tilt_y_deg": tilt_y,
        "shift_z": float(shift_z),
        **{f"reference_{axis}": float(reference[i, 3] / 2) for i, axis in _AXES},
    }
