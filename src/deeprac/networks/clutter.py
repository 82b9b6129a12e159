"""Things beside the body, painted on slices: what a localiser has to look past."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deeprac.geometry.pixels import Size, made_once

AIR_SHARE = 0.125
"""Share of the range from air to 0 below which a pixel counts as air."""

PAINTINGS = 256
"""Pictures of clutter; drawing each anew took sixty operations of a training step."""


def cluttered(slices: Tensor, share: float, air: float) -> Tensor:
    """Paint tissue where slices show air: of one half arms, of the other a cushion.

    Both widen the silhouette, from which moments are taken, and leave size and pose of
    the patient what they are. The body is never painted.

    Args:
        slices: (batch, 1, height, width) normalised CT.
        share: of the slices that are painted, 0 to 1.
        air: value of air in the normalised slices, negative.

    Returns:
        The same shape.
    """
    height, width = slices.shape[-2:]
    pictures = paintings((height, width), share, air, slices.device)
    which = torch.randint(PAINTINGS, (len(slices),), device=slices.device)
    empty = slices < (1 - AIR_SHARE) * air
    return torch.where(empty, torch.maximum(slices, pictures[which]), slices)


@made_once
def paintings(size: Size, share: float, air: float, device: torch.device) -> Tensor:
    """Return clutter to choose from, always the same.

    Arms are two ellipses, one to each side; a cushion is all that lies posterior of a
    line, as wide as chance has it.

    Args:
        size: (height, width) of the slices.
        share: of the pictures that show any.
        air: as of ``cluttered``.
        device: where they live.

    Returns:
        (PAINTINGS, 1, height, width) float32, the value of tissue where there is some
        and minus infinity elsewhere; shared by all callers: do not change it.
    """
    drawn = np.random.default_rng(0).random((PAINTINGS, 9, 1))
    # In numpy, since a counter of operations has tensors without values.
    edges = [(2 * np.arange(pixels) + 1) / pixels - 1 for pixels in size]
    y, x = (points.ravel() for points in np.meshgrid(*edges, indexing="ij"))
    things = np.where(
        np.arange(PAINTINGS)[:, None] % 2, _arms(x, y, drawn), _cushion(x, y, drawn)
    )
    things &= np.arange(PAINTINGS)[:, None] < round(share * PAINTINGS)
    values = np.where(things, air * 0.75 * drawn[:, 8], -np.inf).astype(np.float32)
    with torch.inference_mode(False):
        return torch.as_tensor(values, device=device).view(PAINTINGS, 1, *size)


def _arms(x: NDArray, y: NDArray, drawn: NDArray) -> NDArray[np.bool_]:
    found = np.zeros((len(drawn), len(x)), bool)
    for side, at in ((-1.0, 0), (1.0, 3)):
        centre_x = side * (0.5 + 0.5 * drawn[:, at])
        centre_y, radius = drawn[:, at + 1] - 0.5, 0.08 + 0.17 * drawn[:, at + 2]
        found |= (x - centre_x) ** 2 + (y - centre_y) ** 2 < radius**2
    return found


def _cushion(x: NDArray, y: NDArray, drawn: NDArray) -> NDArray[np.bool_]:
    return (y > 0.2 + 0.7 * drawn[:, 6]) & (np.abs(x) < 0.4 + 0.6 * drawn[:, 7])
