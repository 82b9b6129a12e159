"""nnU-Net's own inference of one run: overlapping patches of planned matrices."""

from typing import Any

import numpy as np
import torch
from nnunetv2.inference.export_prediction import (
    convert_predicted_logits_to_segmentation_with_correct_shape,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray
from torch import Tensor

from deeprac.geometry.similarity import identity
from deeprac.inference.predictor import Prediction, trained_network
from deeprac.labels import CohortLabels
from deeprac.networks.front_end import Given
from deeprac.preprocessing.preprocessor import preprocessor_of
from deeprac.training.plans import CONFIGURATION

TILE_STEP = 0.5
"""Distance of neighbouring patches, as a share of the patch: nnU-Net's default."""

MIRROR_AXES = (0, 1)
"""(y, x): with mirroring, all flips of a slice, as for every other method."""


class SlidingPredictor:
    """A trained U-Net with nnU-Net's preprocessing, sliding window and export.

    Patches overlap by half and are weighted by a Gaussian, one patch per forward pass;
    ``inference.batch_size`` does not apply. All slices are seen as they are.

    Args:
        plans: content of ``plans.json``.
        dataset: content of ``dataset.json``.
        weights: state of the network.
        device: where to run.
    """

    def __init__(
        self,
        plans: dict[str, Any],
        dataset: dict[str, Any],
        weights: dict[str, Tensor],
        device: torch.device,
    ) -> None:
        self.settings = plans["deeprac"]
        self.plans = PlansManager(plans)
        self.configuration = self.plans.get_configuration(CONFIGURATION)
        self.preprocessor = preprocessor_of(self.configuration, self.settings["air"])
        self.dataset = dataset
        self.labels = CohortLabels.listed(dataset)
        self.window = nnUNetPredictor(
            tile_step_size=TILE_STEP,
            use_gaussian=True,
            perform_everything_on_device=device.type == "cuda",
            device=device,
            allow_tqdm=False,
        )
        self.window.manual_initialization(
            trained_network(self.configuration, self.labels, weights).to(device),
            self.plans,
            self.configuration,
            None,
            dataset,
            type(self).__name__,
            MIRROR_AXES,
        )

    @torch.inference_mode()
    def predict(
        self, image: NDArray, spacing: tuple[float, ...], given: Given | None = None
    ) -> Prediction:
        """Segment one canonical case.

        Args:
            image: (slices, height, width) in the cohort's unit.
            spacing: (z, y, x) in millimetres.
            given: without effect, there is no front end to tell.

        Returns:
            Labels on the native grid; all transforms are identities.
        """
        data, _, properties = self.preprocessor.run_case_npy(
            image[None],
            None,
            {"spacing": list(spacing)},
            self.plans,
            self.configuration,
            self.dataset,
        )
        self.window.use_mirroring = self.settings["inference"]["mirroring"]
        # Not predict_logits_from_preprocessed_data, which would take one thread only.
        logits = self.window.predict_sliding_window_return_logits(
            torch.from_numpy(data)
        )
        labels = convert_predicted_logits_to_segmentation_with_correct_shape(
            logits.cpu(),
            self.plans,
            self.configuration,
            self.window.label_manager,
            properties,
            num_threads_torch=torch.get_num_threads(),
        )
        return _unmoved(labels)


def _unmoved(labels: NDArray[np.uint8]) -> Prediction:
    unmoved = identity(len(labels), torch.device("cpu")).numpy()
    never = np.zeros(len(labels), bool)
    return Prediction(labels, unmoved, unmoved, unmoved, never, never)
