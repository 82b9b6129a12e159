"""The kinds of matrix: whole slices, whole volumes, and nnU-Net's own plan.

A kind answers what the plans need to know of it; ``preprocessing.preprocessor`` and
``inference.load`` follow the ``preprocessor_name`` that it writes there.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

from deeprac.fitting import PLANE, SPACE
from deeprac.labels import CohortLabels
from deeprac.networks.unet import unet_kwargs, unet_kwargs_of
from deeprac.settings.methods import PLANNED, MatrixConfig
from deeprac.settings.training import NetworkConfig

CONFIGURATION, VOLUME_CONFIGURATION = "2d", "3d_fullres"
"""What nnU-Net calls its configurations of slices and of volumes."""

CONFIGURATIONS = {PLANE: CONFIGURATION, SPACE: VOLUME_CONFIGURATION}
"""By dimension."""

WHOLE_SLICES = "MatrixPreprocessor"
"""Preprocessor of matrices with a size."""

WHOLE_VOLUMES = "CubePreprocessor"
"""Preprocessor of matrices of three dimensions."""

OWN_PLAN = "DefaultPreprocessor"
"""nnU-Net's preprocessor, for planned matrices."""

Size = int | list[int]
"""Side of a square, (height, width) of a rectangle or planned patch, in pixels, or
(depth, height, width) in voxels."""

Shares = tuple[float, float]
"""Height and width as shares of the matrix."""

WHOLE: Shares = (1.0, 1.0)


class MatrixKind(Protocol):
    """How the slices of a matrix reach the network."""

    @property
    def name(self) -> str:
        """What nnU-Net calls its configuration."""

    @property
    def configuration(self) -> dict[str, Any]:
        """Entries of nnU-Net's configuration that say how slices are made."""

    def input_size(self, shares: Shares = WHOLE) -> Size:
        """Size of the network's input.

        Args:
            shares: ``input_shares`` of the method.
        """

    def unet(self, shares: Shares, network: NetworkConfig) -> dict[str, Any]:
        """Return ``arch_kwargs`` of the U-Net.

        Args:
            shares: ``input_shares`` of the method.
            network: features and convolutions per stage.
        """


@dataclass(frozen=True)
class WholeSlices:
    """Every axial slice on a square matrix, as one tile; see ``preprocessing.matrix``.

    Attributes:
        size: side of the matrix in pixels.
    """

    name: ClassVar[str] = CONFIGURATION
    size: int

    @property
    def configuration(self) -> dict[str, Any]:
        """Entries of nnU-Net's 2D configuration; spacing is in units of the matrix."""
        own = {"preprocessor_name": WHOLE_SLICES, "batch_dice": True}
        return own | _whole([self.size, self.size], [1.0, 1.0])

    def input_size(self, shares: Shares = WHOLE) -> Size:
        """Size of the network's input in pixels."""
        height, width = (round(share * self.size) for share in shares)
        return width if height == width else [height, width]

    def unet(self, shares: Shares, network: NetworkConfig) -> dict[str, Any]:
        """Return ``arch_kwargs`` of a U-Net as deep as the input allows."""
        return unet_kwargs(self.input_size(shares), network)


@dataclass(frozen=True)
class WholeVolumes:
    """Every volume on a matrix, as one tile; see ``preprocessing.cubes``.

    Attributes:
        size: (depth, height, width) of the matrix in voxels.
    """

    name: ClassVar[str] = VOLUME_CONFIGURATION
    size: tuple[int, ...]

    @property
    def spacing(self) -> list[float]:
        """Sides of a voxel (z, y, x), the shortest being 1: they fill a cube."""
        return [max(self.size) / side for side in self.size]

    @property
    def configuration(self) -> dict[str, Any]:
        """Entries of nnU-Net's 3D configuration; each case has Dice of its own."""
        own = {"preprocessor_name": WHOLE_VOLUMES, "batch_dice": False}
        return own | _whole(list(self.size), self.spacing)

    def input_size(self, shares: Shares = WHOLE) -> Size:
        """Size of the network's input in voxels, of the same shape as the matrix."""
        share = max(shares)
        return [round(share * side) for side in self.size]

    def unet(self, shares: Shares, network: NetworkConfig) -> dict[str, Any]:
        """Return ``arch_kwargs`` of a U-Net with nnU-Net's pooling for the matrix."""
        # Loads nnU-Net, which other matrices' plans do without.
        from nnunetv2.experiment_planning.experiment_planners.network_topology import (  # noqa: PLC0415
            get_pool_and_conv_props,
        )

        size = self.input_size(shares)
        _, strides, kernels, _, _ = get_pool_and_conv_props(
            self.spacing, size, network.min_feature_map, max_numpool=999
        )
        return unet_kwargs_of(
            [list(stage) for stage in strides],
            [list(stage) for stage in kernels],
            network,
        )


def _whole(size: list[int], spacing: list[float]) -> dict[str, Any]:
    """What nnU-Net's configurations say of patches that are whole matrices."""
    return {
        "patch_size": size,
        "median_image_size_in_voxels": size,
        "spacing": spacing,
        "normalization_schemes": ["CTNormalization"],
        "use_mask_for_norm": [False],
        **RESAMPLING,
    }


RESAMPLING = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 1},
    "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1},
    "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1},
}
"""Required by nnU-Net's plans; the matrix has its own (``preprocessing.matrix``)."""


@dataclass(frozen=True)
class PlannedPatches:
    """nnU-Net as it comes: its spacing, its patches, its pooling.

    Attributes:
        dimensions: 2 of slices, or 3 of volumes in full resolution.
        fingerprint: content of ``dataset_fingerprint.json``.
        labels: of the cohort.
    """

    dimensions: int
    fingerprint: dict[str, Any]
    labels: CohortLabels

    @property
    def name(self) -> str:
        """What nnU-Net calls its configuration."""
        return CONFIGURATIONS[self.dimensions]

    @cached_property
    def plan(self) -> dict[str, Any]:
        """nnU-Net's configuration."""
        # Loads torch and nnU-Net, which other matrices' plans do without.
        from deeprac.preprocessing.planned import planned_configuration  # noqa: PLC0415

        return planned_configuration(
            self.fingerprint, self.labels, dimensions=self.dimensions
        )

    @property
    def configuration(self) -> dict[str, Any]:
        """nnU-Net's configuration, but for what the experiment decides."""
        decided = ("architecture", "batch_size", "data_identifier")
        return {key: value for key, value in self.plan.items() if key not in decided}

    def input_size(self, shares: Shares = WHOLE) -> list[int]:
        """Patch (height, width), or (depth, height, width); no method has a part."""
        return list(self.plan["patch_size"])

    def unet(self, shares: Shares, network: NetworkConfig) -> dict[str, Any]:
        """Return ``arch_kwargs``: nnU-Net's pooling, the configuration's width."""
        own = self.plan["architecture"]["arch_kwargs"]
        return unet_kwargs_of(own["strides"], own["kernel_sizes"], network)


def matrix_kind(
    matrix: MatrixConfig, fingerprint: dict[str, Any], labels: CohortLabels
) -> MatrixKind:
    """Return the kind of a matrix.

    Args:
        matrix: its section of the configuration.
        fingerprint: content of ``dataset_fingerprint.json``; planned matrices need
            spacings and shapes.
        labels: of the cohort; for planned matrices.
    """
    if matrix.size == PLANNED:
        return PlannedPatches(matrix.dimensions, fingerprint, labels)
    if matrix.dimensions == SPACE:
        return WholeVolumes(matrix.sides)
    return WholeSlices(matrix.sides[0])
