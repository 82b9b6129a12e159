"""Segment whole cases with one run, batch by batch of slices."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray
from torch import Tensor

from deeprac.labels import CohortLabels
from deeprac.networks.front_end import Located, Supervision
from deeprac.networks.locating_unet import slice_segmenter
from deeprac.preprocessing.matrix import logits_to_native
from deeprac.preprocessing.preprocessor import preprocessor_of
from deeprac.training.plans import CONFIGURATION


@dataclass(frozen=True)
class Prediction:
    """A segmented case.

    Attributes:
        labels: (slices, height, width) uint8 on the native grid.
        image_from_input: (slices, 2, 3) what the U-Net saw of each slice.
        image_from_canonical: (slices, 2, 3) its size and pose alone.
        image_from_single: (slices, 2, 3) what each slice alone would have said.
        fallback: (slices,) bool, too little body for an estimate of its own.
        at_bound: (slices,) bool, learned correction at its bound.
    """

    labels: NDArray[np.uint8]
    image_from_input: NDArray[np.float32]
    image_from_canonical: NDArray[np.float32]
    image_from_single: NDArray[np.float32]
    fallback: NDArray[np.bool_]
    at_bound: NDArray[np.bool_]

    @classmethod
    def of(cls, labels: NDArray[np.uint8], located: Located) -> "Prediction":
        """Return the labels with where the U-Net looked."""
        tensors = (
            located.image_from_input,
            located.image_from_canonical,
            located.image_from_single,
            located.fallback,
            located.at_bound,
        )
        arrays = [tensor.cpu().numpy() for tensor in tensors if tensor is not None]
        return cls(labels, *arrays)


class Predictor(ABC):
    """A trained network with the preprocessing that belongs to it.

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
        self.device = device
        network = get_network_from_plans(
            self.configuration.network_arch_class_name,
            self.configuration.network_arch_init_kwargs,
            self.configuration.network_arch_init_kwargs_req_import,
            input_channels=1,
            output_channels=len(self.labels.numbers),
            deep_supervision=False,
        )
        network.load_state_dict(weights)
        self.network = network.eval().to(device)

    @torch.inference_mode()
    def predict(
        self,
        image: NDArray,
        spacing: tuple[float, ...],
        oracle_input: Supervision | None = None,
    ) -> Prediction:
        """Segment one canonical case.

        Args:
            image: (slices, height, width) in the cohort's unit.
            spacing: (z, y, x) in millimetres.
            oracle_input: what an oracle knows of every slice.

        Returns:
            Labels on the native grid and transforms, slice by slice.
        """
        data, properties = self.preprocess(image, spacing)
        return Prediction.of(*self.answer(data, properties, oracle_input))

    def preprocess(
        self, image: NDArray, spacing: tuple[float, ...]
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return a case as the network sees it and nnU-Net's properties of it.

        Args:
            image: (slices, height, width) in the cohort's unit.
            spacing: (z, y, x) in millimetres.

        Returns:
            (1, slices, height, width) float32, normalised, and the properties.
        """
        data, _, properties = self.preprocessor.run_case_npy(
            image[None],
            None,
            {"spacing": list(spacing)},
            self.plans,
            self.configuration,
            self.dataset,
        )
        return torch.from_numpy(data), properties

    @abstractmethod
    def answer(
        self, data: Tensor, properties: dict[str, Any], oracle: Supervision | None
    ) -> tuple[NDArray[np.uint8], Located]:
        """Return native labels (slices, height, width) and where the U-Net looked.

        Args:
            data: (1, slices, height, width) from ``preprocess``.
            properties: nnU-Net's, from there.
            oracle: what an oracle knows of every slice.
        """


class SlicePredictor(Predictor):
    """Whole slices, each located and segmented as one tile.

    Memory is bounded by one case and one batch: logits return to the native grid and
    become labels batch by batch.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.network = slice_segmenter(self.network)

    def answer(
        self, data: Tensor, properties: dict[str, Any], oracle: Supervision | None
    ) -> tuple[NDArray[np.uint8], Located]:
        """Locate all slices, then segment them batch by batch."""
        slices, native_shape = data[0][:, None], properties["native_shape"]
        with self._autocast():
            located = self.network.locate(slices, oracle)
        labels = np.empty(native_shape, np.uint8)
        count = self.settings["inference"]["batch_size"]
        for start in range(0, len(slices), count):
            part = slice(start, start + count)
            logits = self.segment(slices[part].to(self.device), located[part])
            native = logits_to_native(logits, *native_shape[1:]).argmax(1)
            labels[part] = native.cpu().numpy()
        return labels, located

    def segment(self, batch: Tensor, located: Located) -> Tensor:
        """Return logits, with mirroring the mean over all four flips.

        Args:
            batch: (batch, 1, size, size) slices on the matrix.
            located: where to look in them.

        Returns:
            (batch, classes, size, size).
        """
        with self._autocast():
            logits = self.network.segment(batch, located)
            if not self.settings["inference"]["mirroring"]:
                return logits
            views = [logits.float()]
            for axes in _flips():
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
        axes: of (batch, channel, y, x) that are mirrored.
    """
    signs = [-1.0 if axis in axes else 1.0 for axis in (3, 2)]
    flip = torch.tensor(signs, device=located.image_from_canonical.device)

    def conjugated(matrix: Tensor) -> Tensor:
        # F [A | t] F with F = diag(flip): left, the rows; right, the columns of A.
        columns = torch.cat([flip, torch.ones_like(flip[:1])])
        return flip[:, None] * matrix * columns

    crop, coarse = located.canonical_from_crop, located.coarse_logits
    return replace(
        located,
        image_from_canonical=conjugated(located.image_from_canonical),
        canonical_from_crop=None if crop is None else conjugated(crop),
        coarse_logits=None if coarse is None else coarse.flip(axes),
    )


def _flips() -> Iterator[list[int]]:
    """All mirrorings of a slice but the identity, as axes of (batch, channel, y, x)."""
    for flip_y, flip_x in list(product((False, True), repeat=2))[1:]:
        yield [axis for axis, flip in ((2, flip_y), (3, flip_x)) if flip]
