"""Volumes cut off along the patient's axis: what a localiser has to look past."""

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
    tissue = (volumes > (1 - AIR_SHARE) * air).flatten(3).float().mean(3)
    shown = (tissue > VISIBLE).float()
    rank, count = shown.cumsum(2), shown.sum(2, keepdim=True)
    drawn = torch.rand(3, *count.shape, device=volumes.device)
    cut = LARGEST_CUT * drawn[0] * count * (drawn[2] < share)
    below = drawn[1] * cut
    kept = (rank > below) & (rank <= count - (cut - below))
    uncut = (cut == 0) | kept
    return torch.where(uncut[..., None, None], volumes, air)
