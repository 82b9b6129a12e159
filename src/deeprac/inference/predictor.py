"""Segment whole cases with one run, batch by batch of slices."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
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
        located = self.locate(data, oracle_input)
        return Prediction.of(answer([self], data, properties, [located]), located)

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
            total: Tensor | None = None
            for index, member in enumerate(members):
                logits = member.logits(data, properties, located[index], part)
                watch(index, part, logits)
                if len(members) == 1:
                    yield logits
                    break
                vote = member.vote(logits)
                total = vote if total is None else total.add_(vote)
            else:
                yield total / len(members)

    return members[0].labels_of(scores(), properties)


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
        logits = self.segment(batch, located[part])
        return logits_to_native(logits, *properties["native_shape"][1:])

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
