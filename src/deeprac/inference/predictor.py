"""Segment whole cases with one run, batch by batch of slices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import (
    ConfigurationManager,
    PlansManager,
)
from numpy.typing import NDArray
from torch import Tensor, nn

from deeprac.errors import RunError
from deeprac.files import read_json
from deeprac.geometry.similarity import identity
from deeprac.labels import CohortLabels
from deeprac.networks.front_end import Given, Located
from deeprac.preprocessing.matrix import logits_to_native
from deeprac.preprocessing.preprocessor import MatrixPreprocessor
from deeprac.training.checkpoint import WEIGHTS, read_checkpoint
from deeprac.training.plans import CONFIGURATION

Kind = TypeVar("Kind")


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


class Predictor:
    """A trained network with the preprocessing that belongs to it.

    Memory is bounded by one case and one batch: logits return to the native grid and
    become labels batch by batch.

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
        self.preprocessor = MatrixPreprocessor(self.settings["air"])
        self.device = device
        self.labels = CohortLabels.listed(dataset)
        network = trained_network(self.configuration, self.labels, weights)
        self.network = network.to(device)
        self.has_front_end = self.settings["front_end"] is not None

    def preprocess(self, image: NDArray, spacing: tuple[float, ...]) -> Tensor:
        """Return the slices of a case on the matrix, (slices, 1, size, size)."""
        data, _, _ = self.preprocessor.run_case_npy(
            image[None],
            None,
            {"spacing": list(spacing)},
            self.plans,
            self.configuration,
            {},
        )
        return torch.from_numpy(data[0][:, None])

    @torch.inference_mode()
    def predict(
        self, image: NDArray, spacing: tuple[float, ...], given: Given | None = None
    ) -> Prediction:
        """Segment one canonical case.

        Args:
            image: (slices, height, width) in the cohort's unit.
            spacing: (z, y, x) in millimetres.
            given: what an oracle is told of every slice.

        Returns:
            Labels and transforms, slice by slice.
        """
        slices = self.preprocess(image, spacing)
        located = self._locate(slices, given)
        labels = np.empty(image.shape, np.uint8)
        count = self.settings["inference"]["batch_size"]
        for start in range(0, len(slices), count):
            part = slice(start, start + count)
            logits = self._segment(slices[part].to(self.device), located[part])
            native = logits_to_native(logits, *image.shape[1:]).argmax(1)
            labels[part] = native.cpu().numpy()
        return Prediction(
            labels,
            *(
                tensor.cpu().numpy()
                for tensor in (
                    located.image_from_input,
                    located.image_from_canonical,
                    located.image_from_single,
                    located.fallback,
                    located.at_bound,
                )
            ),
        )

    def _locate(self, slices: Tensor, given: Given | None) -> Located:
        with self._autocast():
            if self.has_front_end:
                return self.network.locate(slices, given)
        unmoved = identity(len(slices), self.device)
        never = torch.zeros(len(slices), dtype=torch.bool)
        return Located(unmoved, unmoved, unmoved, never, never)

    def _segment(self, batch: Tensor, located: Located) -> Tensor:
        with self._autocast():
            logits = self._forward(batch, located)
            if not self.settings["inference"]["mirroring"]:
                return logits
            views = [logits.float()]
            for axes in _flips():
                seen = located if not self.has_front_end else mirrored(located, axes)
                view = self._forward(batch.flip(axes), seen)
                views.append(view.flip(axes).float())
        return torch.stack(views).mean(0)

    def _forward(self, batch: Tensor, located: Located) -> Tensor:
        if self.has_front_end:
            return self.network.segment(batch, located)
        return self.network(batch)

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

    coarse = located.coarse_logits
    return replace(
        located,
        image_from_canonical=conjugated(located.image_from_canonical),
        canonical_from_crop=conjugated(located.canonical_from_crop),
        coarse_logits=None if coarse is None else coarse.flip(axes),
    )


def load_run(
    predictor: Callable[..., Kind],
    model: Path,
    fold: int,
    device: torch.device,
) -> Kind:
    """Load a run into a predictor, made from its plans, dataset, weights and device.

    Raises:
        RunError: the weights are missing, belong to other plans, or are none.
    """
    checkpoint = model / f"fold_{fold}" / "checkpoint_final.pth"
    if not checkpoint.exists():
        raise RunError(
            f"{checkpoint} does not exist. Run `deeprac train` for this fold first."
        )
    weights = read_checkpoint(checkpoint)[WEIGHTS]
    plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
    try:
        return predictor(plans, dataset, weights, device)
    except RuntimeError as error:
        raise RunError(
            f"{checkpoint} does not fit {model / 'plans.json'}: {error}. Train the "
            "fold again with these plans."
        ) from error


def trained_network(
    configuration: ConfigurationManager,
    labels: CohortLabels,
    weights: dict[str, Tensor],
) -> nn.Module:
    """Build the network of the plans with its weights, for inference."""
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        input_channels=1,
        output_channels=len(labels.numbers),
        deep_supervision=False,
    )
    network.load_state_dict(weights)
    return network.eval()


def _flips() -> Iterator[list[int]]:
    """All mirrorings of a slice but the identity, as axes of (batch, channel, y, x)."""
    for flip_y, flip_x in list(product((False, True), repeat=2))[1:]:
        yield [axis for axis, flip in ((2, flip_y), (3, flip_x)) if flip]
