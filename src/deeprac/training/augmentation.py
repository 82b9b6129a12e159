"""Where nnU-Net's augmentation moved a slice, carried along with its label maps."""

from typing import Any

from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from torch import Tensor

from deeprac.geometry.similarity import compose, identity
from deeprac.training.nnunet import applied


class Tracked(BasicTransform):
    """Apply transforms and append where they moved the slice to the label maps.

    nnU-Net's loader collates the label maps of all levels of deep supervision, a list;
    one more entry, (d, d + 1) ``image_from_sample``, reaches the training step with
    them, through worker processes too. ``split_target`` takes it off again.

    Args:
        transforms: with deep supervision, so that label maps become a list.
    """

    def __init__(self, transforms: ComposeTransforms) -> None:
        super().__init__()
        self.transforms = transforms

    def __call__(self, **data: Any) -> dict[str, Any]:
        """Transform one sample."""
        image_from_sample = identity(1, dimensions=data["image"].ndim - 1)
        for transform in self.transforms.transforms:
            data, moved = applied(transform, data)
            image_from_sample = compose(image_from_sample, moved)
        data["segmentation"] = [*data["segmentation"], image_from_sample[0]]
        return data


def split_target(target: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Separate the label maps of a batch from ``image_from_sample``."""
    return target[:-1], target[-1]
