"""nnU-Net's trainer with a front end before the U-Net: what it is told and learns."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from torch import nn

from deeprac.geometry.similarity import (
    compose,
    identity,
    invert,
    transform_points,
    upright,
)
from deeprac.networks.front_end import Given
from deeprac.records.case_poses import CasePose, read_case_poses
from deeprac.training.augmentation import Tracked, split_target
from deeprac.training.losses import STNLoss
from deeprac.training.trainer import DeepracTrainer

MAX_GRADIENT = 12.0
"""nnU-Net's clip of the norm of the U-Net's gradient."""
MAX_LOCALISER_GRADIENT = 1.0
"""Norm to which the localiser's gradient is clipped."""


class STNTrainer(DeepracTrainer):
    """The same training with what the front end is told, its losses and its rate."""

    def __init__(
        self,
        plans: dict,
        configuration: str,
        fold: int,
        dataset_json: dict,
        device: torch.device = torch.device("cuda"),  # noqa: B008  (nnU-Net's signature)
    ) -> None:
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.localiser = self.settings["front_end"]["settings"]
        self.gradient_norms: list[float] = []

    @cached_property
    def case_poses(self) -> Mapping[str, CasePose]:
        """Size, pose and labels' outline of all cases."""
        return read_case_poses(self.case_poses_csv)

    def get_training_transforms(self, *args: Any, **kwargs: Any) -> BasicTransform:
        """Augment as the other methods do, and tell where the slice went."""
        return Tracked(super().get_training_transforms(*args, **kwargs))

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Tell the front end about the slices and step, as nnU-Net does but for clips.

        nnU-Net clips the norm over all parameters, in which the localiser's gradient
        and the U-Net's would drown each other: here each is clipped on its own.
        """
        target, image_from_sample = split_target(batch["target"])
        self.network.given = self.given(batch["keys"], image_from_sample)
        data = batch["data"].to(self.device, non_blocking=True)
        target = [level.to(self.device, non_blocking=True) for level in target]
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, enabled=self.device.type == "cuda"):
            loss = self.loss(self.network(data), target)
        scaler = self.grad_scaler or torch.amp.GradScaler(enabled=False)
        scaler.scale(loss).backward()
        scaler.unscale_(self.optimizer)
        self.clip_gradients()
        scaler.step(self.optimizer)
        scaler.update()
        return {"loss": loss.detach().cpu().numpy()}

    def clip_gradients(self) -> None:
        """Clip the localiser's gradient and that of all else, each on its own."""
        pose, rest = self._parts()
        torch.nn.utils.clip_grad_norm_(rest, MAX_GRADIENT)
        if pose:
            norm = torch.nn.utils.clip_grad_norm_(pose, MAX_LOCALISER_GRADIENT)
            self.gradient_norms.append(float(norm))

    def _parts(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """The localiser's parameters, and all others."""
        pose = self.network.pose_parameters()
        own = {id(parameter) for parameter in pose}
        return pose, [p for p in self.network.parameters() if id(p) not in own]

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Tell the front end about the slices, which only an oracle listens to."""
        unmoved = identity(len(batch["data"]))
        self.network.given = self.given(batch["keys"], unmoved)
        return super().validation_step(batch)

    def given(self, cases: Sequence[str], image_from_sample: torch.Tensor) -> Given:
        """Return what is known of slices, in the frame to which they were moved.

        Args:
            cases: (batch,) names.
            image_from_sample: (batch, 2, 3) by augmentation.
        """
        told = given_for(
            [self.case_poses[case] for case in cases],
            oracle=self.settings["front_end"]["normaliser"] == "oracle",
        )
        sample_from_image = invert(image_from_sample)
        moved = compose(sample_from_image, told.image_from_canonical)
        return Given(
            upright(moved).to(self.device),
            transform_points(sample_from_image, told.outline).to(self.device),
        )

    def _build_loss(self) -> nn.Module:
        return STNLoss(super()._build_loss(), self.network, self.localiser)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the U-Nets' parameters, and the localiser's with their own rate."""
        pose, rest = self._parts()
        if not pose:
            return [{"params": rest}]
        rate = self.initial_lr * self.localiser["learning_rate_factor"]
        return [{"params": rest}, {"params": pose, "lr": rate}]

    def localiser_gradient(self) -> float | None:
        """Median norm of the localiser's gradient over the epoch; None without one."""
        norms, self.gradient_norms = self.gradient_norms, []
        return float(np.median(norms)) if norms else None

    def on_epoch_start(self) -> None:
        """Calibrate the crop on the training patients of the fold, once.

        Within the first epoch, so that its time counts as training.
        """
        super().on_epoch_start()
        if self.current_epoch == 0:
            cases, _ = self.do_split()
            self.network.calibrate(self.given(cases, identity(len(cases))))


def given_for(poses: Sequence[CasePose], *, oracle: bool) -> Given:
    """Return what is known of cases as tensors, in the frame of the image.

    Args:
        poses: one per slice.
        oracle: whether the true transform is told where it is known.
    """
    transforms = [
        pose.best_known if oracle else pose.image_from_canonical for pose in poses
    ]
    outlines = [pose.outline for pose in poses]
    return Given(
        *(
            torch.from_numpy(np.stack(arrays)).float()
            for arrays in (transforms, outlines)
        )
    )
