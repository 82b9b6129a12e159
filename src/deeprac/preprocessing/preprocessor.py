"""nnU-Net's preprocessor: as it is, or with the matrix in place of its resampling."""

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

from deeprac.labels import CohortLabels
from deeprac.preprocessing.matrices import OWN_PLAN, WHOLE_SLICES
from deeprac.preprocessing.matrix import image_to_matrix, labels_to_matrix


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
            configuration_manager: its 2D configuration.
            dataset_json: the cohort's, whose labels are those of ``seg``.

        Returns:
            Normalised data (1, slices, matrix, matrix) float32, labels int8 on the same
            grid or None, and the properties.
        """
        size = configuration_manager.patch_size[0]
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
        image = image_to_matrix(data[0], size, float(background.item()))[None]
        if seg is None:
            return image, None, properties
        labels = labels_to_matrix(seg[0], size)[None]
        numbers = CohortLabels.listed(dataset_json).foreground.values()
        locations = self._sample_foreground_locations(labels, list(numbers))
        properties["class_locations"] = _slices_only(locations, size)
        return image, labels, properties


PREPROCESSORS: dict[str, Callable[[float], DefaultPreprocessor]] = {
    WHOLE_SLICES: MatrixPreprocessor,
    OWN_PLAN: lambda _air: DefaultPreprocessor(verbose=False),
}
"""By the ``preprocessor_name`` of the plans; made with the value of air."""


def preprocessor_of(
    configuration: ConfigurationManager, air: float
) -> DefaultPreprocessor:
    """Return the preprocessor that the plans call for.

    Args:
        configuration: the plans' 2D configuration.
        air: value of air in the source.
    """
    return PREPROCESSORS[configuration.preprocessor_name](air)


def _slices_only(locations: dict[int, Any], size: int) -> dict[int, Any]:
    """Move sampled foreground pixels (channel, z, y, x) to the middle of their slice.

    nnU-Net centres oversampled patches on them. Here a patch is the whole slice:
    anything else than the middle would shift the slice and pad it with 0, which after
    normalisation is not air but tissue, to the Spatial Transformer as well.
    """
    for pixels in locations.values():
        if len(pixels):
            pixels[:, 2:] = size // 2
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
        patch: (height, width) of what is read at a time, in pixels.
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
