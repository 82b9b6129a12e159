"""Training of La Barbera's Spatial Transformers and then the U-Net, in sequence."""

from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from deeprac.errors import RunError
from deeprac.front_ends import NONE
from deeprac.geometry.similarity import identity
from deeprac.geometry.warp import warp
from deeprac.networks.labarbera import body_mask, warp_nearest
from deeprac.training.schedule import PolyLR
from deeprac.training.trainer import DeepracTrainer

SMALLEST_WINDOW = 0.25
"""Smallest side of the crop's target as a share of the frame."""


class Phase(Enum):
    """What an epoch trains; everything else is frozen."""

    POSE = "the transformer of size and pose"
    CROP = "the transformer of the crop"
    UNET = "the U-Net"


class LaBarberaTrainer(DeepracTrainer):
    """Train size and pose, then the crop, then the U-Net, one after the other.

    All are ordinary epochs of one training, so that time, checkpoints and the training
    curve are those of any run. The transformers' epochs are added to the U-Net's.
    """

    front_end_optimizer: torch.optim.Optimizer
    """Of the transformers; made with the U-Net's."""

    @cached_property
    def front_end_phases(self) -> list[Phase]:
        """What is trained before the U-Net, in this order."""
        parts = ((Phase.POSE, "normaliser"), (Phase.CROP, "crop"))
        return [phase for phase, part in parts if self.front_end[part] != NONE]

    @property
    def front_end_epochs(self) -> int:
        """Number of epochs of all transformers."""
        return len(self.front_end_phases) * self.front_end["settings"]["epochs"]

    @property
    def phase(self) -> Phase:
        """What the current epoch trains."""
        if self.current_epoch >= self.front_end_epochs:
            return Phase.UNET
        epochs = self.front_end["settings"]["epochs"]
        return self.front_end_phases[self.current_epoch // epochs]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the U-Net's parameters; the transformers have their own optimiser."""
        return [{"params": list(self.network.unet.parameters())}]

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLR]:
        """Build the U-Net's optimiser as in every arm, and the transformers' SGD.

        Without momentum SGD has no state, so checkpoints need not hold any of it.
        """
        optimizer, _ = super().configure_optimizers()
        rate = self.front_end["settings"]["learning_rate"]
        networks = (self.network.pose, self.network.window)
        self.front_end_optimizer = torch.optim.SGD(
            [p for net in networks if net is not None for p in net.parameters()], rate
        )
        start = self.front_end_epochs
        epochs = self.num_epochs - start
        return optimizer, PolyLR(optimizer, epochs, start=start, early_rate=rate)

    def on_epoch_start(self) -> None:
        """Choose the reference, once, within the first epoch: its time counts."""
        super().on_epoch_start()
        if self.current_epoch == 0:
            mask = reference_mask(self._reference_slice())
            self.network.reference.copy_(torch.from_numpy(mask))

    def _reference_slice(self) -> NDArray[np.float32]:
        """Slice with most kidney of the first training case that has any."""
        dataset, _ = self.get_tr_and_val_datasets()
        for case in sorted(dataset.identifiers):
            data, seg, _, _ = dataset.load_case(case)
            kidney = np.isin(np.asarray(seg[:])[0], self.labels.kidney).sum((1, 2))
            if kidney.any():
                return np.asarray(data[0, int(kidney.argmax())])
        raise RunError(
            f"{self.settings['experiment']}, fold {self.fold}: the authors' Spatial "
            "Transformer needs a reference slice with kidney, and no training case has "
            "one. Check the labels, or leave this experiment out."
        )

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Train what the epoch trains on one batch."""
        if self.phase is Phase.UNET:
            return super().train_step(batch)
        loss = self._front_end_loss(batch)
        loss.backward()
        self.front_end_optimizer.step()
        # Gradients left behind would count when nnU-Net clips the U-Net's.
        self.front_end_optimizer.zero_grad(set_to_none=True)
        return {"loss": loss.detach()}

    @property
    def trained(self) -> str:
        """Name of the loss that the epoch brings down, for messages."""
        unet = self.phase is Phase.UNET
        return super().trained if unet else f"loss of {self.phase.value}"

    @property
    def rate_key(self) -> str:
        """Key of the learning rate with which the epoch does."""
        unet = self.phase is Phase.UNET
        return super().rate_key if unet else "labarbera.learning_rate"

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Evaluate the loss of the phase; the U-Net's epochs as nnU-Net does."""
        if self.phase is Phase.UNET:
            return super().validation_step(batch)
        return {"loss": self._front_end_loss(batch).cpu().numpy()}

    def on_validation_epoch_end(self, val_outputs: list[dict[str, Any]]) -> None:
        """Log the phase's loss, and no Dice before there is a trained U-Net."""
        if self.phase is Phase.UNET:
            super().on_validation_epoch_end(val_outputs)
            return
        values = {
            # Feeds nnU-Net's moving average, where NaN would stay for good; that is
            # used to choose a "best" checkpoint, which this benchmark never keeps.
            "mean_fg_dice": 0.0,
            "dice_per_class_or_region": [float("nan")] * len(self.labels.foreground),
            "val_losses": np.mean([output["loss"] for output in val_outputs]),
        }
        for key, value in values.items():
            self.logger.log(key, value, self.current_epoch)

    def _front_end_loss(self, batch: dict[str, Any]) -> Tensor:
        target = batch["target"]
        labels = target[0] if isinstance(target, list) else target
        slices = batch["data"].to(self.device, non_blocking=True)
        labels = labels.to(self.device, non_blocking=True)
        network = self.network
        if self.phase is Phase.POSE:
            pose = network.image_from_canonical(slices)
            body = warp(body_mask(slices), pose, slices.shape[-2:])
            return reference_loss(body, network.reference)
        with torch.no_grad():
            pose = network.image_from_canonical(slices)
            canonical = network.canonical(slices, pose)
            side = slices.shape[-1]
            labels = warp_nearest((labels > 0), pose, side, padding="zeros")
        return window_loss(network.canonical_from_crop(canonical), label_window(labels))


def reference_mask(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the body of the reference slice: dilated, filled, its largest part.

    Args:
        image: (size, size) normalised CT.

    Returns:
        (size, size), 0 or 1; empty for a slice without contrast.
    """
    body = body_mask(torch.from_numpy(image)[None, None])[0, 0].numpy() > 0
    filled = ndimage.binary_fill_holes(ndimage.binary_dilation(body, iterations=2))
    parts, _ = ndimage.label(filled)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return ((parts == sizes.argmax()) & filled).astype(np.float32)


def reference_loss(body: Tensor, reference: Tensor) -> Tensor:
    """One minus the soft Dice of warped bodies and the reference's.

    Args:
        body: (batch, 1, size, size), 0 to 1.
        reference: (1, 1, size, size), 0 or 1.

    Returns:
        Scalar, 0 to 1; 0 where both are empty.
    """
    overlap = 2 * (body * reference).sum((1, 2, 3))
    total = body.square().sum((1, 2, 3)) + reference.square().sum()
    return 1 - ((overlap + 1e-5) / (total + 1e-5)).mean()


def window_loss(window: Tensor, target: Tensor) -> Tensor:
    """Root of the mean squared difference of all entries of a batch of transforms.

    The floor, far below what a pixel is worth, keeps the root's gradient finite.

    Args:
        window: (batch, 2, 3).
        target: (batch, 2, 3).

    Returns:
        Scalar, at least 1e-6.
    """
    return functional.mse_loss(window, target).clamp_min(1e-12).sqrt()


def label_window(labels: Tensor) -> Tensor:
    """Return the square box of the labels of each slice.

    Its side is the larger extent, but at least a quarter of the frame; it is moved
    inside the frame and has no margin. Extents are differences of pixel numbers, as in
    the authors' code, so the last row and column count half a pixel short. A slice
    without labels, or with a single row or column of them, gets the whole frame.

    Args:
        labels: (batch, 1, size, size), above 0 where labelled.

    Returns:
        (batch, 2, 3) ``frame_from_window``.
    """
    size = labels.shape[-1]
    spans = [_span((labels > 0).any(axis).squeeze(1)) for axis in (2, 3)]
    first, last = (torch.stack(ends, -1) for ends in zip(*spans, strict=True))
    extent = last - first
    side = extent.amax(1, keepdim=True).clamp_min(SMALLEST_WINDOW * size)
    centre = torch.minimum(torch.maximum((first + last) / 2, side / 2), size - side / 2)
    scale = (side / size).expand(-1, 2).diag_embed()
    window = torch.cat([scale, (2 * centre / size - 1)[:, :, None]], 2)
    labelled = (extent > 0).all(1)[:, None, None]
    return torch.where(labelled, window, identity(len(labels), labels.device))


def _span(occupied: Tensor) -> tuple[Tensor, Tensor]:
    """First and last occupied position (batch,) of (batch, n); equal where none is."""
    count = occupied.shape[1]
    position = torch.arange(count, device=occupied.device, dtype=torch.float32)
    first = torch.where(occupied, position, float(count)).amin(1)
    last = torch.where(occupied, position, -1.0).amax(1)
    return first.clamp_max(last.clamp_min(0)), last.clamp_min(0)
