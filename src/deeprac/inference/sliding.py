"""nnU-Net's own inference of one run: overlapping patches of planned matrices."""

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray
from torch import Tensor

from deeprac.fitting import PLANE
from deeprac.inference.predictor import Prediction, Predictor
from deeprac.networks.front_end import Located, Supervision

TILE_STEP = 0.5
"""Distance of neighbouring patches, as a share of the patch: nnU-Net's default."""

SLICES_AT_ONCE = 16
"""Slices that are answered together; each is on its own, so that it changes nothing."""


class SlidingPredictor(Predictor):
    """A trained U-Net with nnU-Net's preprocessing, sliding window and export.

    The window slides over each slice, or over the volume.

    Patches overlap by half and are weighted by a Gaussian, one patch per forward pass;
    ``inference.batch_size`` does not apply. All slices are seen as they are, so the
    transforms are identities, and there is no oracle.
    """

    batched = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.dimensions = len(self.configuration.patch_size)
        with redirect_stdout(sys.stderr):  # on a CPU it prints a remark
            self.window = nnUNetPredictor(
                tile_step_size=TILE_STEP,
                use_gaussian=True,
                perform_everything_on_device=self.device.type == "cuda",
                device=self.device,
                allow_tqdm=False,
            )
        self.window.manual_initialization(
            self.network,
            self.plans,
            self.configuration,
            None,
            self.dataset,
            type(self).__name__,
            # With mirroring, all flips, as for every other method.
            tuple(range(self.dimensions)),
        )

    def locate(self, data: Tensor, oracle: Supervision | None = None) -> Located:
        """Return that all slices are seen as they are."""
        return Located.unmoved(data.shape[1])

    def prediction(
        self, labels: NDArray[np.uint8], located: Located, properties: dict[str, Any]
    ) -> Prediction:
        """Return the labels; nnU-Net may have seen another number of slices."""
        return Prediction.of(labels, Located.unmoved(len(labels)))

    def parts(self, slices: int) -> list[slice]:
        """Every ``SLICES_AT_ONCE`` slices; all of a volume, for patches have depth."""
        count = SLICES_AT_ONCE if self.dimensions == PLANE else slices
        return [slice(start, start + count) for start in range(0, slices, count)]

    def logits(
        self, data: Tensor, properties: dict[str, Any], located: Located, part: slice
    ) -> Tensor:
        """Slide nnU-Net's window over some slices, on the planned grid."""
        self.window.use_mirroring = self.settings["inference"]["mirroring"]
        # Not predict_logits_from_preprocessed_data, which would take one thread only.
        logits = self.window.predict_sliding_window_return_logits(data[:, part])
        return logits.cpu().transpose(0, 1)

    def vote(self, logits: Tensor) -> Tensor:
        """Return the logits, of which nnU-Net takes the mean, in half precision."""
        return logits.clone()

    def native_voxels(self, data: Tensor, properties: dict[str, Any]) -> float:
        """Return how many native voxels a voxel of the planned grid stands for."""
        native = properties["shape_after_cropping_and_before_resampling"]
        return float(np.prod(native) / np.prod(data.shape[1:]))

    def export_bytes(self, voxels: float, native: float) -> float:
        """Return what nnU-Net's export holds: all logits, some of them several times.

        In half precision and in double before they are resampled, in half after that;
        of one class or of the labels 10 bytes more.
        """
        classes = len(self.labels.numbers)
        return classes * ((2 + 8) * voxels + 2 * native) + 10 * native

    def labels_of(
        self, scores: Iterable[Tensor], properties: dict[str, Any]
    ) -> NDArray[np.uint8]:
        """Export the logits of all slices as nnU-Net does."""
        return convert_predicted_logits_to_segmentation_with_correct_shape(
            torch.cat(list(scores)).transpose(0, 1).contiguous(),
            self.plans,
            self.configuration,
            self.window.label_manager,
            properties,
            num_threads_torch=torch.get_num_threads(),
        )
