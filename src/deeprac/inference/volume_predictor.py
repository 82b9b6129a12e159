"""Whole volumes on the matrix: located, segmented as one tile, and brought back."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deeprac.geometry.cube import Cube
from deeprac.geometry.spatial import axial
from deeprac.inference.predictor import Prediction
from deeprac.inference.slice_predictor import SlicePredictor
from deeprac.networks.front_end import Located, Supervision
from deeprac.preprocessing.cubes import logits_to_volume, shares_on_cube


class VolumePredictor(SlicePredictor):
    """Whole volumes, each one tile; ``inference.batch_size`` does not apply.

    What was located in the volume is told slice by slice as well, so that all that
    reads transforms of slices can read these.
    """

    batched = False

    def locate(self, data: Tensor, oracle: Supervision | None = None) -> Located:
        """Locate the volume."""
        with self._autocast():
            return self.network.locate(data[None], oracle)

    def parts(self, slices: int) -> list[slice]:
        """All slices are answered at once."""
        return [slice(0, slices)]

    def logits(
        self, data: Tensor, properties: dict[str, Any], located: Located, part: slice
    ) -> Tensor:
        """Segment the volume and bring its logits back to the native grid."""
        logits = self.segment(data[None].to(self.device), located)
        return self.to_native(logits, properties)

    def to_native(self, logits: Tensor, properties: dict[str, Any]) -> Tensor:
        """Bring the logits of the volume back to the native grid."""
        return logits_to_volume(logits[0], _cube(properties))

    def shares(self, labels: NDArray, properties: dict[str, Any]) -> Tensor:
        """Bring the label map onto the matrix, as shares of every voxel."""
        size, numbers = self.configuration.patch_size, self.labels.numbers.values()
        shares = shares_on_cube(labels, _cube(properties), size, numbers)
        return shares[None].to(self.device)

    def prediction(
        self, labels: NDArray[np.uint8], located: Located, properties: dict[str, Any]
    ) -> Prediction:
        """Return labels, the volume's transform, and what that is in every slice."""
        found = Prediction.of(labels, located)
        cube, count = _cube(properties), len(labels)
        flags = ("fallback", "at_bound", "crop_grown", "crop_fallback")
        transforms = ("image_from_input", "image_from_canonical", "image_from_single")
        by_slice: dict[str, Any] = {
            **{name: axial(getattr(found, name)[0], cube) for name in transforms},
            **{name: getattr(found, name).repeat(count) for name in flags},
        }
        return replace(
            found,
            volume_from_canonical=found.image_from_canonical[0],
            volume_from_input=found.image_from_input[0],
            **by_slice,
        )


def _cube(properties: dict[str, Any]) -> Cube:
    """The cube of the native volume."""
    return Cube(tuple(properties["native_shape"]), tuple(properties["spacing"]))
