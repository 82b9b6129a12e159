"""Between millimetres and normalised coordinates.

Convention: physical points are (x, y) in millimetres about the middle of the image,
normalised ones follow ``align_corners=False``. On an image of W x H pixels of
sx x sy mm a normalised point (u, v) lies at (u W sx / 2, v H sy / 2) mm. Rotations
belong to millimetres: on pixels that are not square a rotation of normalised points
shears.
"""

import torch
from torch import Tensor

Extent = tuple[float, float]
"""Width and height of an image in millimetres, from edge to edge."""


def normalised_from_mm(
    a_from_b_mm: Tensor, extent_a_mm: Extent, extent_b_mm: Extent
) -> Tensor:
    """Turn a transform of millimetres into one of normalised points.

    ``a_from_b = D_a^-1 a_from_b_mm D_b`` with ``D = diag(width / 2, height / 2)``.

    Args:
        a_from_b_mm: (batch, 2, 3), millimetres of frame b to millimetres of frame a.
        extent_a_mm: (width, height) of frame a.
        extent_b_mm: (width, height) of frame b.

    Returns:
        (batch, 2, 3) float32, normalised points of b to normalised points of a.
    """
    half_a, half_b = (
        torch.tensor(extent, dtype=torch.float64) / 2
        for extent in (extent_a_mm, extent_b_mm)
    )
    columns = torch.cat([half_b, torch.ones(1, dtype=torch.float64)])
    return (a_from_b_mm.double() * columns / half_a[:, None]).float()
