"""Segment whole cases with one run, batch by batch of slices."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from numpy.typing import NDArray
from torch import Tensor

from deeprac.labels import CohortLabels
from deeprac.networks.front_end import Located, Supervision
from deeprac.preprocessing.preprocessor import preprocessor_of
from deeprac.training.plans import configuration_name


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
        crop_grown: (slices,) bool, window larger than calibrated.
        crop_fallback: (slices,) bool, window that follows from nothing that was found.
        located: all that as the network has it.
        volume_from_canonical: (3, 4) size and pose of a volume that is no stack of
            slices, in the cube around it; else None.
        volume_from_input: (3, 4) what the U-Net saw of it; None of slices.
    """

    labels: NDArray[np.uint8]
    image_from_input: NDArray[np.float32]
    image_from_canonical: NDArray[np.float32]
    image_from_single: NDArray[np.float32]
    fallback: NDArray[np.bool_]
    at_bound: NDArray[np.bool_]
    crop_grown: NDArray[np.bool_]
    crop_fallback: NDArray[np.bool_]
    located: Located
    volume_from_canonical: NDArray[np.float32] | None = None
    volume_from_input: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, labels: NDArray[np.uint8], located: Located) -> "Prediction":
        """Return the labels with where the U-Net looked."""
        never = torch.zeros_like(located.fallback)
        tensors = (
            located.image_from_input,
            located.image_from_canonical,
            located.image_from_single,
            located.fallback,
            located.at_bound,
            located.crop_grown,
            located.crop_fallback,
        )
        arrays: list[Any] = [
            (never if tensor is None else tensor).cpu().numpy() for tensor in tensors
        ]
        return cls(labels, *arrays, located)


class Predictor(ABC):
    """A trained network with the preprocessing that belongs to it.

    Args:
        plans: content of ``plans.json``.
        dataset: content of ``dataset.json``.
        weights: state of the network.
        device: where to run.
    """

    batched = True
    """Whether ``inference.batch_size`` applies."""

    def __init__(
        self,
        plans: dict[str, Any],
        dataset: dict[str, Any],
        weights: dict[str, Tensor],
        device: torch.device,
    ) -> None:
        self.settings = plans["deeprac"]
        self.plans = PlansManager(plans)
        self.configuration = self.plans.get_configuration(configuration_name(plans))
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
        located = self.locate(data, oracle_input)
        labels = answer([self], data, properties, [located])
        return self.prediction(labels, located, properties)

    def prediction(
        self, labels: NDArray[np.uint8], located: Located, properties: dict[str, Any]
    ) -> Prediction:
        """Return labels with where the U-Net looked.

        Args:
            labels: on the native grid.
            located: of all slices.
            properties: nnU-Net's, from ``preprocess``.
        """
        return Prediction.of(labels, located)

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
    def locate(self, data: Tensor, oracle: Supervision | None = None) -> Located:
        """Find where the U-Net looks in all slices.

        Args:
            data: (1, slices, height, width) from ``preprocess``.
            oracle: what an oracle knows of every slice.
        """

    @abstractmethod
    def parts(self, slices: int) -> list[slice]:
        """Which of so many slices are answered at a time."""

    @abstractmethod
    def logits(
        self, data: Tensor, properties: dict[str, Any], located: Located, part: slice
    ) -> Tensor:
        """Answer some slices.

        Args:
            data: of all slices, from ``preprocess``.
            properties: nnU-Net's, from there.
            located: of all slices.
            part: one of ``parts``.

        Returns:
            (part, classes, height, width) on the native grid, or on the network's.
        """

    @abstractmethod
    def vote(self, logits: Tensor) -> Tensor:
        """What is averaged over the networks of an ensemble."""

    def native_voxels(self, data: Tensor, properties: dict[str, Any]) -> float:
        """Return how many native voxels a voxel of the logits stands for."""
        return 1.0

    def export_bytes(self, voxels: float, native: float) -> float:
        """Return how much ``labels_of`` holds at once beside the labels.

        Args:
            voxels: of the case as the logits have it.
            native: of the case.
        """
        return 0.0

    @abstractmethod
    def labels_of(
        self, scores: Iterable[Tensor], properties: dict[str, Any]
    ) -> NDArray[np.uint8]:
        """Return native labels (slices, height, width) of logits or mean votes.

        Args:
            scores: of all parts, one after the other.
            properties: nnU-Net's, from ``preprocess``.
        """


Watch = Callable[[int, slice, Tensor], None]
"""Told, by ``answer``, which network has answered which slices, and its logits."""


@torch.inference_mode()
def answer(
    members: Sequence[Predictor],
    data: Tensor,
    properties: dict[str, Any],
    located: Sequence[Located],
    watch: Watch = lambda *_: None,
) -> NDArray[np.uint8]:
    """Segment a case with one network, or with the mean vote of several.

    One part of the slices is answered by all networks before the next is begun, so that
    memory is bounded by a part and by the labels.

    Args:
        members: networks of the same plans.
        data: (1, slices, height, width) from ``Predictor.preprocess``.
        properties: nnU-Net's, from there.
        located: of every member.
        watch: told of every answer.

    Returns:
        (slices, height, width) on the native grid.
    """

    def scores() -> Iterator[Tensor]:
        for part in members[0].parts(data.shape[1]):
            votes: list[Tensor] = []
            for index, member in enumerate(members):
                logits = member.logits(data, properties, located[index], part)
                watch(index, part, logits)
                if len(members) == 1:
                    yield logits
                elif votes:
                    votes[0] += member.vote(logits)
                else:
                    votes.append(member.vote(logits))
            yield from (vote / len(members) for vote in votes)

    return members[0].labels_of(scores(), properties)
