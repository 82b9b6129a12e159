"""nnU-Net's augmentation of whole slices, and where it moved them."""

from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import GaussianBlurTransform
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from torch import Tensor

from deeprac.geometry.similarity import compose, identity


def adapted(
    transforms: ComposeTransforms, *, air: float | None, scale: tuple[float, float]
) -> ComposeTransforms:
    """Change nnU-Net's training transforms where a benchmark needs it, in place.

    - Outside whole slices there is air. nnU-Net pads with 0 after normalisation, which
      is tissue; patches seldom show it, a whole slice that is turned always does.
    - The range of zooms is the method's.
    - Gaussian blur uses one implementation. With ``benchmark`` on, two are timed at run
      time and the faster one is kept; they differ in the last bits, and so would
      repeated runs.

    Args:
        transforms: as nnU-Net makes them.
        air: value of air in the normalised slices; None leaves nnU-Net's padding.
        scale: smallest and largest factor of the zoom.

    Returns:
        The same object.
    """
    for transform in transforms.transforms:
        inner = getattr(transform, "transform", transform)
        if isinstance(inner, SpatialTransform):
            inner.scaling = tuple(scale)
            if air is not None:
                inner.padding_mode_image = "constant"
                inner.padding_value_image = air
        if isinstance(inner, GaussianBlurTransform):
            inner.benchmark = False
    return transforms


class Tracked(BasicTransform):
    """Apply transforms and append where they moved the slice to the label maps.

    nnU-Net's loader collates the label maps of all levels of deep supervision, a list;
    one more entry, (2, 3) ``image_from_sample``, reaches the training step with them,
    through worker processes too. ``split_target`` takes it off again.

    Args:
        transforms: with deep supervision, so that label maps become a list.
    """

    def __init__(self, transforms: ComposeTransforms) -> None:
        super().__init__()
        self.transforms = transforms

    def __call__(self, **data: Any) -> dict[str, Any]:
        """Transform one sample."""
        image_from_sample = identity(1)
        for transform in self.transforms.transforms:
            if isinstance(transform, SpatialTransform | MirrorTransform):
                drawn = transform.get_parameters(**data)
                data = transform.apply(data, **drawn)
                moved = _matrix(transform, drawn)
                image_from_sample = compose(image_from_sample, moved)
            else:
                data = transform(**data)
        data["segmentation"] = [*data["segmentation"], image_from_sample[0]]
        return data


def split_target(target: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Separate the label maps of a batch from ``image_from_sample`` (batch, 2, 3)."""
    return target[:-1], target[-1]


def _matrix(transform: BasicTransform, drawn: dict[str, Any]) -> Tensor:
    """Return (1, 2, 3) ``before_from_after`` of one spatial transform."""
    if isinstance(transform, MirrorTransform):
        # Axis 0 of a slice is y, axis 1 is x.
        flip_y, flip_x = (-1.0 if axis in drawn["axes"] else 1.0 for axis in (0, 1))
        return torch.tensor([[[flip_x, 0.0, 0.0], [0.0, flip_y, 0.0]]])
    grid = drawn["grid"]
    if grid is None:
        return identity(1)
    # grid holds, for every pixel of the result, the normalised point (x, y) it comes
    # from; it is affine, so three corners tell it.
    height, width = grid.shape[:2]
    first, right, down = grid[0, 0], grid[0, -1], grid[-1, 0]
    x = (right - first) / (2 - 2 / width)
    y = (down - first) / (2 - 2 / height)
    corner = torch.tensor([1 / width - 1, 1 / height - 1])
    shift = first - x * corner[0] - y * corner[1]
    return torch.stack([x, y, shift], dim=-1)[None].float()
