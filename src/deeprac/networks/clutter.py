"""Things beside the body, painted on slices: what a localiser has to look past."""

import torch
from torch import Tensor

from deeprac.geometry.pixels import pixel_centres

AIR_SHARE = 0.125
"""Share of the range from air to 0 below which a pixel counts as air."""


def cluttered(slices: Tensor, share: float, air: float) -> Tensor:
    """Paint tissue where slices show air: of one half arms, of the other a cushion.

    Both widen the silhouette, from which moments are taken, and leave size and pose of
    the patient what they are. Arms are two ellipses, one to each side; a cushion is all
    that lies posterior of a line, as wide as chance has it. The body is never painted.

    Args:
        slices: (batch, 1, height, width) normalised CT.
        share: of the slices that are painted, 0 to 1.
        air: value of air in the normalised slices, negative.

    Returns:
        The same shape.
    """
    batch, device = len(slices), slices.device
    drawn = torch.rand(batch, 10, 1, device=device)
    x, y = pixel_centres(slices.shape[-2:], device).unbind(-1)  # (1, pixels)
    things = torch.zeros(batch, slices[0].numel(), dtype=torch.bool, device=device)
    for side, at in ((-1.0, 0), (1.0, 3)):
        centre_x = side * (0.5 + 0.5 * drawn[:, at])
        centre_y, radius = drawn[:, at + 1] - 0.5, 0.08 + 0.17 * drawn[:, at + 2]
        things |= (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
    cushion = (y > 0.2 + 0.7 * drawn[:, 6]) & (x.abs() < 0.4 + 0.6 * drawn[:, 7])
    things = torch.where(drawn[:, 8] < share / 2, cushion, things)
    things = (things & (drawn[:, 8] < share)).view_as(slices)
    tissue = air * (0.75 * drawn[:, 9, :, None, None])
    empty = slices < (1 - AIR_SHARE) * air
    return torch.where(things & empty, tissue, slices)
