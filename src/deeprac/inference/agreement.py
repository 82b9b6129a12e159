"""How far the networks of an ensemble agree, and what their front ends did."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deeprac.geometry.pixels import pixel_centres
from deeprac.geometry.similarity import invert, transform_points
from deeprac.networks.front_end import Located


@dataclass(frozen=True)
class FrontEndNumbers:
    """What one fold's front end did in a case.

    Attributes:
        fallback_slices: slices with too little body for an estimate of their own.
        at_bound_slices: slices whose learned correction is at its bound.
        outside_share: share of the coarse segmentation's foreground, 0 to 1, that the
            U-Net did not see; None without coarse segmentation or foreground.
    """

    fallback_slices: int
    at_bound_slices: int
    outside_share: float | None

    @classmethod
    def of(cls, located: Located) -> "FrontEndNumbers":
        """Count in what was located in all slices."""
        bound = located.at_bound
        return cls(
            int(located.fallback.sum()),
            0 if bound is None else int(bound.sum()),
            outside_share(located),
        )


@dataclass
class Votes:
    """Counts, label by label, of what networks find alone and in common.

    Args:
        members: how many networks.
        numbers: of the foreground labels, by title.
    """

    members: int
    numbers: Mapping[str, int]
    counts: dict[str, NDArray[np.int64]] = field(init=False)
    """(members, members) voxels that two networks call so; on the diagonal, one."""

    def __post_init__(self) -> None:
        square = (self.members, self.members)
        self.counts = {title: np.zeros(square, np.int64) for title in self.numbers}
        self._labels: list[Tensor] = []

    def add(self, index: int, logits: Tensor) -> None:
        """Take the answer of a network to some slices; the last one's completes them.

        Args:
            index: of the network, from 0 on for every part.
            logits: (part, classes, height, width).
        """
        self._labels.append(logits.argmax(1).to(torch.uint8).flatten(1))
        if index < self.members - 1:
            return
        labels = torch.stack(self._labels, 1)
        self._labels = []
        for title, number in self.numbers.items():
            # Slice by slice: float32 counts to 2**24, more than a slice has.
            found = (labels == number).float()
            common = (found @ found.transpose(1, 2)).round().long().sum(0)
            self.counts[title] += common.cpu().numpy()

    def volumes_ml(self, voxel_ml: float) -> dict[str, list[float]]:
        """Volume of each label, one number per network."""
        return {
            title: (np.diag(counts) * voxel_ml).tolist()
            for title, counts in self.counts.items()
        }

    def dice(self) -> dict[str, float | None]:
        """Smallest Dice of two networks; None for one network or without the label."""
        return {title: _smallest_dice(counts) for title, counts in self.counts.items()}


def _smallest_dice(counts: NDArray[np.int64]) -> float | None:
    sizes = np.diag(counts)
    if len(sizes) < 2 or not sizes.any():
        return None
    both = sizes[:, None] + sizes
    # Two networks that find nothing agree.
    dice = np.divide(2 * counts, both, out=np.ones(both.shape), where=both > 0)
    return float(dice.min())


def outside_share(located: Located) -> float | None:
    """Share of the coarse segmentation's foreground outside the U-Net's window.

    Args:
        located: of all slices.

    Returns:
        0 to 1; None without coarse segmentation, or where it finds nothing.
    """
    coarse, window = located.coarse_logits, located.canonical_from_crop
    if coarse is None or window is None:
        return None
    found = (coarse.argmax(1) > 0).flatten(1)
    centres = pixel_centres(coarse.shape[2:], coarse.device)
    points = transform_points(
        invert(window.float()), centres.expand(len(found), -1, -1)
    )
    outside = (points.abs() > 1).any(-1)
    total = int(found.sum())
    return int((found & outside).sum()) / total if total else None
