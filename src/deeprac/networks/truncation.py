"""Volumes cut off along the patient's axis: fields of view that end early."""

import torch
from torch import Tensor

from deeprac.networks.clutter import AIR_SHARE

LARGEST_CUT = 0.5
"""Share of the slices with a body that is cut off at most, at both ends together."""
VISIBLE = 0.01
"""Share of a slice that is no air from which on it shows a body."""


def truncated(volumes: Tensor, share: float, air: float) -> Tensor:
    """Put air where a shorter field of view would have ended, above and below.

    That moves the centre of what is seen and changes its extent, from which moments are
    taken, and leaves size and pose of the patient what they are.

    Args:
        volumes: (batch, 1, depth, height, width) normalised CT.
        share: of the volumes that are cut, 0 to 1.
        air: value of air in the normalised volumes, negative.

    Returns:
        The same shape.
    """
    seen = draw_seen(volumes, share, air)
    return torch.where(seen[..., None, None], volumes, air)


def draw_seen(volumes: Tensor, share: float, air: float) -> Tensor:
    """Draw which slices shorter fields of view show.

    Args:
        volumes: as of :func:`truncated`.
        share: see there.
        air: see there.

    Returns:
        (batch, 1, depth) bool; all of a volume that is not cut.
    """
    tissue = (volumes > (1 - AIR_SHARE) * air).flatten(3).float().mean(3)
    shown = (tissue > VISIBLE).float()
    rank, count = shown.cumsum(2), shown.sum(2, keepdim=True)
    drawn = torch.rand(3, *count.shape, device=volumes.device)
    cut = LARGEST_CUT * drawn[0] * count * (drawn[2] < share)
    below = drawn[1] * cut
    kept = (rank > below) & (rank <= count - (cut - below))
    return (cut == 0) | kept
