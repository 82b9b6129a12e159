"""Random diffeomorphisms of slices, sampled at once with nnU-Net's turns and zooms."""

from dataclasses import dataclass
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from torch import Tensor

from deeprac.geometry.pixels import Size
from deeprac.geometry.similarity import compose
from deeprac.geometry.velocity import (
    nearest_similarity,
    random_velocities,
    without_folds,
)
from deeprac.training.nnunet import moved_by


@dataclass(frozen=True)
class RandomFields:
    """The velocity fields that ``augment: svf`` draws.

    Attributes:
        share: of the slices that are deformed.
        displacement: see :func:`deeprac.geometry.velocity.random_velocities`.
        smoothness: see there.
    """

    share: float
    displacement: float
    smoothness: float

    def draw(self, count: int) -> Tensor:
        """Draw velocities (count, 2, 16, 16); all 0 of a slice that stays."""
        velocity = random_velocities(
            count, displacement=self.displacement, smoothness=self.smoothness
        )
        return velocity * (torch.rand(count, 1, 1, 1) < self.share)


def deformed(affine: Tensor, velocity: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """Say where the pixels of slices come from that are deformed, then turned.

    Args:
        affine: (batch, 2, 3) ``image_from_sample`` without the deformation.
        velocity: (batch, 2, 16, 16).
        size: (height, width) in pixels.

    Returns:
        (batch, 2, *size) points, and (batch, 2, 3) the ``image_from_sample`` nearest to
        them: what is known of a slice moves with the similarity in a field.
    """
    flow, _ = without_folds(velocity, size)
    points = affine[:, :, :2] @ flow.flatten(2) + affine[:, :, 2:]
    return points.unflatten(2, size), compose(affine, nearest_similarity(flow))


class FieldTransform(BasicTransform):
    """nnU-Net's transform of a slice's pose and size, with a random field.

    Args:
        spatial: nnU-Net's.
        fields: what is drawn.
    """

    def __init__(self, spatial: SpatialTransform, fields: RandomFields) -> None:
        super().__init__()
        self.spatial, self.fields = spatial, fields

    def get_parameters(self, **data: Any) -> dict[str, Any]:
        """Draw for one slice; see nnU-Net."""
        drawn = self.spatial.get_parameters(**data)
        velocity = self.fields.draw(1)
        if not velocity.any():
            return drawn
        height, width = data["image"].shape[1:]
        affine = moved_by(self.spatial, drawn)
        points, moved = deformed(affine, velocity, (height, width))
        return drawn | {"grid": points[0].movedim(0, -1), "before_from_after": moved}

    def apply(self, data: dict[str, Any], **drawn: Any) -> dict[str, Any]:
        """Sample image and labels as nnU-Net does."""
        return self.spatial.apply(data, **drawn)


def with_fields(
    transforms: ComposeTransforms, fields: RandomFields
) -> ComposeTransforms:
    """Deform slices where nnU-Net turns and zooms them.

    Args:
        transforms: nnU-Net's of training, for whole slices.
        fields: what is drawn.
    """
    return ComposeTransforms(
        [
            FieldTransform(each, fields) if isinstance(each, SpatialTransform) else each
            for each in transforms.transforms
        ]
    )
