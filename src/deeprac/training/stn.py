"""nnU-Net's training with a supervised front end before the U-Net."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from torch import Tensor, nn

from deeprac.fitting import SPACE
from deeprac.front_ends import NONE, ORACLE
from deeprac.geometry.similarity import identity, invert, upright
from deeprac.networks.front_end import Supervision
from deeprac.records.case_poses import OUTLINE_POINTS, CasePose, read_case_poses
from deeprac.training.augmentation import Tracked, split_target
from deeprac.training.losses import STNLoss
from deeprac.training.nnunet import MAX_GRADIENT
from deeprac.training.trainer import DeepracTrainer


class STNTrainer(DeepracTrainer):
    """The same training with the front end's supervision, losses and learning rate."""

    @cached_property
    def case_poses(self) -> Mapping[str, CasePose]:
        """Size, pose and labels' outline of all cases that are drawn."""
        true_pose = self.front_end["normaliser"] == ORACLE
        read = partial(
            read_case_poses,
            true_pose=true_pose,
            dimensions=self.dimensions,
            outlined=self.crops,
        )
        poses = read(self.case_poses_csv)
        if self.others is not None:
            theirs = read(self.others.layout.case_poses)
            poses |= {self.others.named(c): theirs[c] for c in self.others.cases}
        return poses

    @property
    def crops(self) -> bool:
        """Whether it looks at a part of the slice or volume."""
        return self.front_end["crop"] != NONE

    def get_training_transforms(self, *args: Any, **kwargs: Any) -> BasicTransform:
        """Augment as the other methods do, and say where the slice went."""
        return Tracked(super().get_training_transforms(*args, **kwargs))

    def appended(self, image_from_sample: Tensor) -> Sequence[Tensor]:
        """Return where the slices of a batch were moved; see ``Tracked``."""
        return (image_from_sample,)

    def step_tensors(self, batch: dict[str, Any]) -> list[Tensor]:
        """Return slices and what is known of them, then labels of every level."""
        target, image_from_sample = split_target(batch["target"])
        known = self.supervision(batch["keys"], image_from_sample)
        slices, *labels = super().step_tensors(batch | {"target": target})
        pose, outline = known.image_from_canonical, known.outline
        return [slices, self.pinned(pose), self.pinned(outline), *labels]

    def loss_of(self, data: Tensor, *rest: Tensor) -> Tensor:
        """Return the loss of slices, what is known of them, and their labels."""
        pose, outline, *target = rest
        return self.loss(self.network(data, Supervision(pose, outline)), target)

    def clipped_parts(self) -> list[tuple[list[nn.Parameter], float]]:
        """Clip U-Net, coarse segmenter and localiser apart.

        nnU-Net clips the norm over all parameters, in which the gradients of the small
        networks and the U-Net's would drown each other.
        """
        parts = [
            (list(self.network.unet.parameters()), MAX_GRADIENT),
            (list(self.network.crop.parameters()), MAX_GRADIENT),
            (self.network.pose_parameters(), self.settings_of("max_gradient")),
        ]
        return [(part, limit) for part, limit in parts if part]

    def localiser_gradient(self) -> float | None:
        """Median norm of the localiser's gradient over the epoch; None without one."""
        norms = [norms[-1] for norms in self.gradient_norms]
        super().localiser_gradient()
        if not norms or not self.network.pose_parameters():
            return None
        return float(torch.stack(norms).cpu().nanmedian())

    def validation_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Validate as nnU-Net does; an oracle needs its input here too."""
        network = self.network
        unmoved = identity(len(batch["data"]), dimensions=self.dimensions)
        supervision = self.supervision(batch["keys"], unmoved).to(self.device)
        with self.answered_by(lambda data: network(data, supervision).logits):
            return super().validation_step(batch)

    def supervision(
        self, cases: Sequence[str], image_from_sample: Tensor
    ) -> Supervision:
        """Return what is known of slices, in the frame to which they were moved.

        Args:
            cases: (batch,) names.
            image_from_sample: (batch, d, d + 1) by augmentation.
        """
        known = Supervision.of(
            [self.case_poses[case] for case in cases],
            true_pose=self.front_end["normaliser"] == ORACLE,
        )
        moved = known.moved(invert(image_from_sample))
        pose = upright(moved.image_from_canonical)
        return replace(moved, image_from_canonical=pose)

    def empty_step(self) -> list[Tensor]:
        """Return ``step_tensors`` of the sizes of the run, without content."""
        image, *target = super().empty_step()
        points = OUTLINE_POINTS
        if self.dimensions == SPACE:
            points *= 2 * self.crops
        outline = image.new_zeros(len(image), points, self.dimensions)
        pose = identity(len(image), image.device, dimensions=self.dimensions)
        return [image, pose, outline, *target]

    def build_loss(self) -> nn.Module:
        """Return nnU-Net's loss and, where the network is supervised, the others."""
        return STNLoss(super().build_loss(), self.front_end["settings"])

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the parameters by learning rate, the U-Net's first."""
        parts = [
            (self.network.pose_parameters(), self.settings_of("learning_rate_factor")),
            (
                list(self.network.crop.parameters()),
                self.settings_of("coarse_learning_rate_factor"),
            ),
        ]
        own = [(part, factor) for part, factor in parts if part and factor != 1]
        named = {id(parameter) for part, _ in own for parameter in part}
        rest = [p for p in self.network.parameters() if id(p) not in named]
        return [{"params": rest}] + [
            {"params": part, "lr": self.initial_lr * factor} for part, factor in own
        ]

    def settings_of(self, key: str) -> float:
        """Return a number of the front end's settings.

        Plans from before a key existed lack it, and trained as with 1.
        """
        return self.front_end["settings"].get(key, 1.0)

    def on_epoch_start(self) -> None:
        """Calibrate the crop on the training patients of the fold, once.

        Within the first epoch, so that its time counts as training.
        """
        super().on_epoch_start()
        if self.current_epoch == 0:
            cases, _ = self.do_split()
            unmoved = identity(len(cases), dimensions=self.dimensions)
            known = self.supervision(cases, unmoved)
            self.network.calibrate(known.to(self.device))
