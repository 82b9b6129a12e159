"""Whole slices on the matrix: located, segmented as one tile each, and brought back."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deeprac.inference.predictor import Predictor
from deeprac.networks.front_end import Located, Supervision
from deeprac.networks.locating_unet import slice_segmenter
from deeprac.preprocessing.matrix import label_shares, logits_to_native, resize


class SlicePredictor(Predictor):
    """Whole slices, each located and segmented as one tile.

    Memory is bounded by one case and one batch: logits return to the native grid and
    become labels batch by batch.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.network = slice_segmenter(self.network)

    def locate(self, data: Tensor, oracle: Supervision | None = None) -> Located:
        """Locate all slices together."""
        with self._autocast():
            return self.network.locate(data[0][:, None], oracle)

    def parts(self, slices: int) -> list[slice]:
        """Batches of ``inference.batch_size`` slices."""
        count = self.settings["inference"]["batch_size"]
        return [slice(start, start + count) for start in range(0, slices, count)]

    def logits(
        self, data: Tensor, properties: dict[str, Any], located: Located, part: slice
    ) -> Tensor:
        """Segment a batch and bring its logits back to the native grid."""
        batch = data[0][part][:, None].to(self.device)
        return self.to_native(self.segment(batch, located[part]), properties)

    def to_native(self, logits: Tensor, properties: dict[str, Any]) -> Tensor:
        """Bring logits (batch, classes, *size) back to the native grid.

        Args:
            logits: of one of ``parts``.
            properties: nnU-Net's, of which ``native_shape`` and ``spacing`` count.

        Returns:
            (slices, classes, height, width).
        """
        return logits_to_native(logits, *properties["native_shape"][1:])

    def shares(self, labels: NDArray, properties: dict[str, Any]) -> Tensor:
        """Bring label numbers onto the matrix, as shares of every pixel.

        Args:
            labels: (slices, height, width) of one of ``parts``.
            properties: as of ``to_native``.

        Returns:
            (batch, classes, *size).
        """
        shares = label_shares(labels, self.labels.numbers.values()).to(self.device)
        return resize(shares, self.settings["matrix_size"])

    def vote(self, logits: Tensor) -> Tensor:
        """Return probabilities."""
        return logits.softmax(1)

    def labels_of(
        self, scores: Iterable[Tensor], properties: dict[str, Any]
    ) -> NDArray[np.uint8]:
        """Take the class with the largest score, batch by batch."""
        labels = np.empty(properties["native_shape"], np.uint8)
        start = 0
        for batch in scores:
            labels[start : start + len(batch)] = batch.argmax(1).cpu().numpy()
            start += len(batch)
        return labels

    def segment(self, batch: Tensor, located: Located) -> Tensor:
        """Return logits, with mirroring the mean over all flips.

        Args:
            batch: (batch, 1, *size) slices, or volumes, on the matrix.
            located: where to look in them.

        Returns:
            (batch, classes, *size).
        """
        with self._autocast():
            logits = self.network.segment(batch, located)
            if not self.settings["inference"]["mirroring"]:
                return logits
            views = [logits.float()]
            for axes in _flips(batch.ndim - 2):
                view = self.network.segment(batch.flip(axes), mirrored(located, axes))
                views.append(view.flip(axes).float())
        return torch.stack(views).mean(0)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, enabled=self.device.type == "cuda")


def mirrored(located: Located, axes: list[int]) -> Located:
    """Return where to look in mirrored slices.

    The canonical frame and the window mirror with the slice, so the U-Net sees the same
    view, mirrored.

    Args:
        located: of the slices as they are.
        axes: of (batch, channel, y, x), of volumes (batch, channel, z, y, x), that are
            mirrored.
    """
    matrix = located.image_from_canonical
    # The last axis is x.
    spatial = reversed(range(2, matrix.shape[1] + 2))
    signs = [-1.0 if axis in axes else 1.0 for axis in spatial]
    flip = torch.tensor(signs, device=matrix.device)

    def conjugated(matrix: Tensor) -> Tensor:
        # F [A | t] F with F = diag(flip): left, the rows; right, the columns of A.
        columns = torch.cat([flip, torch.ones_like(flip[:1])])
        return flip[:, None] * matrix * columns

    crop, coarse = located.canonical_from_crop, located.coarse_logits
    return replace(
        located,
        image_from_canonical=conjugated(matrix),
        canonical_from_crop=None if crop is None else conjugated(crop),
        coarse_logits=None if coarse is None else coarse.flip(axes),
    )


def _flips(dimensions: int) -> Iterator[list[int]]:
    """All mirrorings but the identity, as axes of (batch, channel, ..., y, x)."""
    for flips in list(product((False, True), repeat=dimensions))[1:]:
        yield [axis for axis, flip in enumerate(flips, start=2) if flip]
