"""nnU-Net's preprocessor: as it is, or with a matrix in place of its resampling."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.preprocessing.preprocessors.default_preprocessor import (
    DefaultPreprocessor,
)
from nnunetv2.training.dataloading.nnunet_dataset import (
    comp_blosc2_params,
    nnUNetDatasetBlosc2,
)
from nnunetv2.utilities.plans_handling.plans_handler import (
    ConfigurationManager,
    PlansManager,
)
from numpy.typing import NDArray

from deeprac.geometry.cube import Cube
from deeprac.labels import CohortLabels
from deeprac.preprocessing.cubes import image_to_cube, labels_to_cube
from deeprac.preprocessing.matrices import OWN_PLAN, WHOLE_SLICES, WHOLE_VOLUMES
from deeprac.preprocessing.matrix import image_to_matrix, labels_to_matrix

Spacing = Sequence[float]
"""(z, y, x) in millimetres."""


class MatrixPreprocessor(DefaultPreprocessor):
    """Normalise as nnU-Net does, then bring every axial slice onto the matrix.

    nnU-Net's crop to non-zero values is left out: it would trim slices whose
    background is 0 and so break the relation between slice and matrix.

    Args:
        air: value of air in the source, used for padding.
    """

    def __init__(self, air: float) -> None:
        super().__init__(verbose=False)
        self.air = air

    def run_case_npy(
        self,
        data: NDArray,
        seg: NDArray | None,
        properties: dict[str, Any],
        plans_manager: PlansManager,
        configuration_manager: ConfigurationManager,
        dataset_json: dict[str, Any],
    ) -> tuple[NDArray, NDArray | None, dict[str, Any]]:
        """Preprocess one case.

        Args:
            data: (1, slices, height, width) in the source's unit.
            seg: (1, slices, height, width) label map, or None.
            properties: nnU-Net's, with ``spacing``; completed in place.
            plans_manager: the plans.
            configuration_manager: its configuration.
            dataset_json: the cohort's, whose labels are those of ``seg``.

        Returns:
            Normalised data (1, slices, matrix, matrix) float32, or (1, depth, height,
            width) of a volume's matrix, labels int8 on the same grid or None, and the
            properties.
        """
        size = configuration_manager.patch_size
        properties["native_shape"] = tuple(data.shape[1:])
        # Padded with air after normalisation: the normalised value of the padding.
        background = np.full((1, 1, 1, 1), self.air, np.float32)
        background, data = (
            self._normalize(
                array.astype(np.float32),
                np.zeros_like(array),
                configuration_manager,
                plans_manager.foreground_intensity_properties_per_channel,
            )
            for array in (background, data)
        )
        air, spacing = float(background.item()), properties["spacing"]
        image = self.image_to_matrix(data[0], spacing, size, air)[None]
        if seg is None:
            return image, None, properties
        numbers = list(CohortLabels.listed(dataset_json).foreground.values())
        labels = self.labels_to_matrix(seg[0], spacing, size, numbers)[None]
        locations = self._sample_foreground_locations(labels, numbers)
        properties["class_locations"] = _middle_only(locations, size)
        return image, labels, properties

    def image_to_matrix(
        self, image: NDArray, spacing: Spacing, size: Sequence[int], air: float
    ) -> NDArray[np.float32]:
        """Bring (slices, height, width) onto the matrix, with air around."""
        return image_to_matrix(image, size[0], air)

    def labels_to_matrix(
        self,
        labels: NDArray,
        spacing: Spacing,
        size: Sequence[int],
        numbers: Sequence[int],
    ) -> NDArray[np.int8]:
        """Bring label numbers (slices, height, width) onto the matrix."""
        return labels_to_matrix(labels, size[0])


class CubePreprocessor(MatrixPreprocessor):
    """The same with the whole volume on one matrix; see ``preprocessing.cubes``."""

    def image_to_matrix(
        self, image: NDArray, spacing: Spacing, size: Sequence[int], air: float
    ) -> NDArray[np.float32]:
        """Bring (slices, height, width) onto (depth, height, width) voxels."""
        return image_to_cube(image, Cube(image.shape, tuple(spacing)), size, air)

    def labels_to_matrix(
        self,
        labels: NDArray,
        spacing: Spacing,
        size: Sequence[int],
        numbers: Sequence[int],
    ) -> NDArray[np.int8]:
        """Bring label numbers onto (depth, height, width) voxels."""
        return labels_to_cube(labels, Cube(labels.shape, tuple(spacing)), size, numbers)


PREPROCESSORS: dict[str, Callable[[float], DefaultPreprocessor]] = {
    WHOLE_SLICES: MatrixPreprocessor,
    WHOLE_VOLUMES: CubePreprocessor,
    OWN_PLAN: lambda _air: DefaultPreprocessor(verbose=False),
}
"""By the ``preprocessor_name`` of the plans; made with the value of air."""


def preprocessor_of(
    configuration: ConfigurationManager, air: float
) -> DefaultPreprocessor:
    """Return the preprocessor that the plans call for.

    Args:
        configuration: of the plans.
        air: value of air in the source.
    """
    return PREPROCESSORS[configuration.preprocessor_name](air)


def _middle_only(locations: dict[int, Any], size: Sequence[int]) -> dict[int, Any]:
    """Move sampled foreground pixels (channel, z, y, x) to the middle of the patch.

    nnU-Net centres oversampled patches on them. Here a patch is the whole slice, or the
    whole volume: anything else than the middle would shift it and pad it with 0, which
    after normalisation is not air but tissue, to the Spatial Transformer as well.
    """
    for pixels in locations.values():
        if len(pixels):
            pixels[:, -len(size) :] = np.array(size) // 2
    return locations


def save_case(
    target: Path,
    data: NDArray,
    seg: NDArray,
    properties: dict[str, Any],
    patch: Sequence[int],
) -> None:
    """Write a preprocessed case in nnU-Net's storage format.

    Args:
        target: path without suffix.
        data: (1, slices, height, width) float32.
        seg: (1, slices, height, width) int8.
        properties: nnU-Net's.
        patch: what is read at a time, (height, width) in pixels, or voxels with the
            depth before.
    """
    blocks, chunks = comp_blosc2_params(data.shape, tuple(patch), data.itemsize)
    blocks_seg, chunks_seg = comp_blosc2_params(seg.shape, tuple(patch), seg.itemsize)
    nnUNetDatasetBlosc2.save_case(
        data,
        seg,
        properties,
        str(target),
        chunks=chunks,
        blocks=blocks,
        chunks_seg=chunks_seg,
        blocks_seg=blocks_seg,
    )
