"""What training aims at: size, pose and labels of every case, measured once.

Size, pose and position of a case are the median, over the slices that show a label, of
what the silhouette of each says (``geometry.moments``); a slice alone is misled by a
bulging tumour, the field of view or a lung. A phantom also knows the truth. The labels'
convex hull, seen along the patient's axis, gives the box of a crop in any frame.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from deeprac.cohort.phantom.torso import reference_radius_mm
from deeprac.geometry.similarity import agree, similarity
from deeprac.geometry.square import Square
from deeprac.geometry.units import normalised_from_mm
from deeprac.networks.normalisers import MomentNormaliser
from deeprac.preprocessing.matrix import image_to_matrix
from deeprac.records.case_poses import OUTLINE_POINTS, POSES_COLUMNS, TRUTH_COLUMNS

SIZE = 128
"""Side of the thumbnails on which silhouettes are measured."""


def case_pose(
    image: NDArray, labels: NDArray, row: pd.Series, moments: MomentNormaliser
) -> dict[str, Any]:
    """Measure one case.

    Args:
        image: (slices, height, width), normalised as for the networks.
        labels: (slices, height, width) label numbers.
        row: of cases.csv.
        moments: with the settings of the localiser.

    Returns:
        One row of case_poses.csv.
    """
    thumbnails = torch.from_numpy(image_to_matrix(image, SIZE, moments.air))[:, None]
    pose = moments(thumbnails)
    labelled = torch.from_numpy((labels > 0).any(axis=(1, 2)))
    votes = pose.valid & labelled
    if not votes.any():
        votes = pose.valid
    agreed = agree(pose.image_from_canonical, votes)[0].numpy().ravel()
    truth = _truth(row, moments.radius)
    outline = label_outline(labels).ravel()
    return dict(zip(POSES_COLUMNS, (row.case, *agreed, *truth, *outline), strict=True))


def true_similarity(row: pd.Series) -> tuple[float, ...]:
    """Scale, angle in radians, and shift (x, y) in mm of a phantom; else NaN.

    Args:
        row: of cases.csv.
    """
    names = ("scale", "angle_rad", "shift_x_mm", "shift_y_mm")
    return tuple(float(row.get(name, "nan")) for name in names)


def _truth(row: pd.Series, radius: float) -> list[float]:
    """The true ``image_from_canonical`` of a phantom; NaN for other cases."""
    scale, angle, *shift = true_similarity(row)
    if np.isnan([scale, angle, *shift]).any():
        return [float("nan")] * len(TRUTH_COLUMNS)
    true_mm = similarity(
        torch.tensor([scale]).log(), torch.tensor([angle]), torch.tensor([shift])
    )
    pixels = max(row.size_x, row.size_y)
    square = (pixels * row.spacing_x_mm, pixels * row.spacing_y_mm)
    canonical = 2 * reference_radius_mm() / radius
    true = normalised_from_mm(true_mm, square, (canonical, canonical))
    return true[0].ravel().tolist()


def label_outline(labels: NDArray) -> NDArray[np.float64]:
    """Return points of the convex hull of all labelled voxels, seen along z.

    The hull's farthest points in ``OUTLINE_POINTS`` directions; the box around them is
    that of the labels, and hardly smaller than that in any other direction.

    Args:
        labels: (slices, height, width) label numbers.

    Returns:
        (OUTLINE_POINTS, 2) normalised points (x, y) of the padded square, outer edges
        of the voxels; the corners of the square where nothing is labelled.
    """
    square = Square(*labels.shape[1:])
    labelled = np.any(labels > 0, axis=0)
    pixels = np.argwhere(square.pad(labelled, 0))[:, ::-1]
    if not len(pixels):
        pixels = (square.size - 1) * np.array([(0, 0), (1, 0), (0, 1), (1, 1)])
    corners = np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    points = 2 * (pixels[:, None] + corners).reshape(-1, 2) / square.size - 1
    angles = 2 * np.pi * np.arange(OUTLINE_POINTS) / OUTLINE_POINTS
    directions = np.stack([np.cos(angles), np.sin(angles)])
    return points[(points @ directions).argmax(axis=0)]
