"""nnU-Net's own inference of one run: overlapping patches of planned matrices."""

from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from numpy.typing import NDArray
from torch import Tensor

from deeprac.inference.predictor import Predictor
from deeprac.networks.front_end import Located, Supervision

TILE_STEP = 0.5
"""Distance of neighbouring patches, as a share of the patch: nnU-Net's default."""

MIRROR_AXES = (0, 1)
"""(y, x): with mirroring, all flips of a slice, as for every other method."""


class SlidingPredictor(Predictor):
    """A trained U-Net with nnU-Net's preprocessing, sliding window and export.

    Patches overlap by half and are weighted by a Gaussian, one patch per forward pass;
    ``inference.batch_size`` does not apply. All slices are seen as they are, so the
    transforms are identities, and there is no oracle.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
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
            MIRROR_AXES,
        )

    def answer(
        self, data: Tensor, properties: dict[str, Any], oracle: Supervision | None
    ) -> tuple[NDArray[np.uint8], Located]:
        """Segment all slices by nnU-Net's sliding window and export."""
        self.window.use_mirroring = self.settings["inference"]["mirroring"]
        # Not predict_logits_from_preprocessed_data, which would take one thread only.
        logits = self.window.predict_sliding_window_return_logits(data)
        labels = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits.cpu(),
            self.plans,
            self.configuration,
            self.window.label_manager,
            properties,
            num_threads_torch=torch.get_num_threads(),
        )
        return labels, Located.unmoved(len(labels))
