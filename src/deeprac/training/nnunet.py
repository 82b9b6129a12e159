"""What this package uses of nnU-Net beyond its interface: here and nowhere else.

nnunetv2 is pinned to one version, and ``tests/unit/test_nnunet.py`` holds each of these
against it: where nnU-Net changes, that test fails before any training does.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from batchgeneratorsv2.transforms.base.basic_transform import BasicTransform
from batchgeneratorsv2.transforms.noise.gaussian_blur import (
    GaussianBlurTransform,
    _build_kernel,
)
from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import Tensor, nn

from deeprac.fitting import PLANE
from deeprac.geometry.similarity import identity

MAX_GRADIENT = 12.0
"""nnU-Net's clip of the norm of all gradients."""

BLUR_TRUNCATE = 6
"""Where nnU-Net cuts a Gaussian, in standard deviations."""


class NnunetTrainer(nnUNetTrainer):
    """nnU-Net's trainer with names for its private parts."""

    @property
    def logged(self) -> dict[str, list]:
        """What was logged, one entry per epoch; kept in checkpoints."""
        return self.logger.local_logger.my_fantastic_logging

    def log_also(self, keys: Iterable[str]) -> None:
        """Let ``logger.log`` take more keys than nnU-Net's own; draw none of them.

        nnU-Net draws 30 x 54 inches after every epoch, for about a second;
        ``training.csv`` holds the same numbers.
        """
        self.logged.update({key: [] for key in keys})
        self.logger.plot_progress_png = lambda _folder: None

    def level_sizes(self) -> list[tuple[int, ...]]:
        """Return the size in pixels of every level of deep supervision."""
        patch = self.configuration_manager.patch_size
        return [
            tuple(round(side * share) for side, share in zip(patch, level, strict=True))
            for level in self._get_deep_supervision_scales()
        ]

    def build_loss(self) -> nn.Module:
        """Return the loss of a training step: nnU-Net's, with deep supervision."""
        return super()._build_loss()

    def _build_loss(self) -> nn.Module:
        return self.build_loss()

    def training_transforms(self, *args: Any, **kwargs: Any) -> ComposeTransforms:
        """Return nnU-Net's transforms of single training slices, for its arguments."""
        return super().get_training_transforms(*args, **kwargs)

    def slice_transforms(self) -> ComposeTransforms:
        """Return the transforms of single training slices, with this run's sizes."""
        rotation, dummy_2d, _, mirror_axes = (
            self.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        patch = self.configuration_manager.patch_size
        levels = self._get_deep_supervision_scales()
        return self.training_transforms(patch, rotation, levels, mirror_axes, dummy_2d)

    def transforms_without_augmentation(
        self, *args: Any, **kwargs: Any
    ) -> ComposeTransforms:
        """Return the transforms of validation, for what training's are called with."""
        kept = ("is_cascaded", "foreground_labels", "regions", "ignore_label")
        levels = args[2]
        return self.get_validation_transforms(
            levels, **{key: kwargs[key] for key in kept}
        )

    def labels_of_levels(self) -> ComposeTransforms:
        """Return nnU-Net's of validation: labels of every level, no draws."""
        return self.get_validation_transforms(self._get_deep_supervision_scales())

    def autocast(self) -> torch.autocast:
        """Return what lets a step compute in half precision, on a GPU alone."""
        return torch.autocast(self.device.type, enabled=self.device.type == "cuda")

    @contextmanager
    def answered_by(self, network: Callable[[Tensor], Any]) -> Iterator[None]:
        """Let nnU-Net's own steps ask a function for the logits of (batch, 1, ...)."""
        own, self.network = self.network, network
        try:
            yield
        finally:
            self.network = own


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


def applied(
    transform: BasicTransform, data: dict[str, Any]
) -> tuple[dict[str, Any], Tensor]:
    """Apply one transform to a sample and say where it moved the slice.

    Args:
        transform: one of nnU-Net's.
        data: ``image`` (1, *size) and ``segmentation``.

    Returns:
        The data, and (1, d, d + 1) ``before_from_after``.
    """
    drawn = transform.get_parameters(**data)
    dimensions = data["image"].ndim - 1
    return transform.apply(data, **drawn), moved_by(transform, drawn, dimensions)


def moved_by(
    transform: BasicTransform, drawn: dict[str, Any], dimensions: int = PLANE
) -> Tensor:
    """Return where a transform moves a slice: (1, d, d + 1) ``before_from_after``.

    Args:
        transform: one of nnU-Net's.
        drawn: its parameters.
        dimensions: 2, or 3 of a volume.
    """
    if "before_from_after" in drawn:
        return drawn["before_from_after"]
    if isinstance(transform, MirrorTransform):
        return _mirrored(drawn["axes"], dimensions)
    if drawn.get("grid") is not None:
        return _of_grid(drawn["grid"])
    return identity(1, dimensions=dimensions)


def blur_taps(sigma: float, count: int) -> list[float]:
    """Return the kernel with which nnU-Net blurs along an axis, centred in ``count``.

    Raises:
        ValueError: it has more taps than that.
    """
    kernel = _build_kernel(sigma, truncate=BLUR_TRUNCATE).tolist()
    if len(kernel) > count:
        raise ValueError(f"a blur of {sigma} pixels has more than {count} taps")
    rim = [0.0] * ((count - len(kernel)) // 2)
    return rim + kernel + rim


def _mirrored(axes: Iterable[int], dimensions: int) -> Tensor:
    # The last axis is x.
    signs = [-1.0 if axis in axes else 1.0 for axis in reversed(range(dimensions))]
    return torch.tensor(signs)[None, :, None] * identity(1, dimensions=dimensions)


def _of_grid(grid: Tensor) -> Tensor:
    """Return the matrix of (*size, d) points that pixels come from.

    The grid is affine, so the first corner and its neighbours say it all.
    """
    size = grid.shape[:-1]
    first = grid[(0,) * len(size)]
    columns, shift = [], first
    # x, the last axis, comes first.
    for axis in reversed(range(len(size))):
        end = grid[tuple(-1 if one == axis else 0 for one in range(len(size)))]
        columns.append((end - first) / (2 - 2 / size[axis]))
        shift = shift - columns[-1] * (1 / size[axis] - 1)
    return torch.stack([*columns, shift], dim=-1)[None].float()
