"""Segment whole cases with one run, batch by batch of slices."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
from deeprac.labels import Label
from deeprac.networks.stn_unet import STNUNet
from deeprac.preprocessing.matrix import logits_to_native
from deeprac.preprocessing.preprocessor import MatrixPreprocessor
from deeprac.training.plans import CONFIGURATION

Kind = TypeVar("Kind")


@dataclass(frozen=True)
class Prediction:
    """A segmented case.

    Attributes:
        labels: (slices, height, width) uint8 on the native grid.
        image_from_input: (slices, 2, 3) what the U-Net saw of each slice.
        image_from_canonical: (slices, 2, 3) its size and pose alone.
    """

    labels: NDArray[np.uint8]
    image_from_input: NDArray[np.float32]
    image_from_canonical: NDArray[np.float32]


class Predictor:
    """A trained network with the preprocessing that belongs to it.

    Memory is bounded by one case and one batch: logits return to the native grid and
    become labels batch by batch.

    Args:
        plans: content of ``plans.json``.
        weights: state of the network.
        device: where to run.
    """

    def __init__(
        self, plans: dict[str, Any], weights: dict[str, Tensor], device: torch.device
    ) -> None:
        self.settings = plans["deeprac"]
        self.plans = PlansManager(plans)
        self.configuration = self.plans.get_configuration(CONFIGURATION)
        self.preprocessor = MatrixPreprocessor(self.settings["air"])
        self.device = device
        self.network = trained_network(self.configuration, weights).to(device)

    @classmethod
    def from_run(cls, model: Path, fold: int, device: torch.device) -> "Predictor":
        """Load a run.

        Args:
            model: nnU-Net model folder.
            fold: number of the fold.
            device: where to run.

        Raises:
            RunError: the weights are missing or belong to other plans.
        """
        return load_run(cls, model, fold, device)

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
    def predict(self, image: NDArray, spacing: tuple[float, ...]) -> Prediction:
        """Segment one canonical case.

        Args:
            image: (slices, height, width) in the cohort's unit.
            spacing: (z, y, x) in millimetres.

        Returns:
            Labels and transforms, slice by slice.
        """
        labels = np.empty(image.shape, np.uint8)
        inputs, canonicals = [], []
        start = 0
        for batch in self.preprocess(image, spacing).split(
            self.settings["inference"]["batch_size"]
        ):
            logits, seen, canonical = self._segment(batch.to(self.device))
            native = logits_to_native(logits, *image.shape[1:]).argmax(1)
            labels[start : start + len(batch)] = native.cpu().numpy()
            inputs.append(seen.cpu().numpy())
            canonicals.append(canonical.cpu().numpy())
            start += len(batch)
        return Prediction(labels, np.concatenate(inputs), np.concatenate(canonicals))

    def _segment(self, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        autocast = torch.autocast(self.device.type, enabled=self.device.type == "cuda")
        with autocast:
            logits, seen, canonical = _forward(self.network, batch)
            if not self.settings["inference"]["mirroring"]:
                return logits, seen, canonical
            views = [logits.float()]
            for axes in _flips():
                mirrored, _, _ = _forward(self.network, batch.flip(axes))
                views.append(mirrored.flip(axes).float())
        return torch.stack(views).mean(0), seen, canonical


def load_run(
    predictor: Callable[[dict[str, Any], dict[str, Tensor], torch.device], Kind],
    model: Path,
    fold: int,
    device: torch.device,
) -> Kind:
    """Load a run into a predictor, made from its plans, weights and device.

    Raises:
        RunError: the weights are missing or belong to other plans.
    """
    checkpoint = model / f"fold_{fold}" / "checkpoint_final.pth"
    if not checkpoint.exists():
        raise RunError(
            f"{checkpoint} does not exist. Run `deeprac train` for this fold first."
        )
    # nnU-Net's checkpoints hold more than tensors; ours come from this workflow.
    content = torch.load(checkpoint, map_location="cpu", weights_only=False)
    plans = read_json(model / "plans.json")
    try:
        return predictor(plans, content["network_weights"], device)
    except RuntimeError as error:
        raise RunError(
            f"{checkpoint} does not fit {model / 'plans.json'}: {error}. Train the "
            "fold again with these plans."
        ) from error


def trained_network(
    configuration: ConfigurationManager, weights: dict[str, Tensor]
) -> nn.Module:
    """Build the network of the plans with its weights, for inference."""
    network = get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        input_channels=1,
        output_channels=len(Label),
        deep_supervision=False,
    )
    network.load_state_dict(weights)
    return network.eval()


def _flips() -> Iterator[list[int]]:
    """All mirrorings of a slice but the identity, as axes of (batch, channel, y, x)."""
    for flip_y, flip_x in list(product((False, True), repeat=2))[1:]:
        yield [axis for axis, flip in ((2, flip_y), (3, flip_x)) if flip]


def _forward(network: nn.Module, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return logits, ``image_from_input`` and ``image_from_canonical``."""
    if isinstance(network, STNUNet):
        found = network.localise(batch)
        logits = network.segment(batch, found)
        return logits, found.image_from_input, found.image_from_canonical
    unmoved = identity(len(batch), batch.device)
    return network(batch), unmoved, unmoved
