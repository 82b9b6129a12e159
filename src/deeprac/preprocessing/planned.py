"""nnU-Net's own experiment planner, asked for one configuration: 2D or 3D."""

import json
from typing import Any

import numpy as np
import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet
from nnunetv2.configuration import ANISO_THRESHOLD
from nnunetv2.experiment_planning.experiment_planners import (
    default_experiment_planner as nnunet,
)
from nnunetv2.preprocessing.resampling.default_resampling import compute_new_shape
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.json_export import recursive_fix_for_json_export
from numpy.typing import NDArray

from deeprac.errors import PreprocessError
from deeprac.fitting import PLANE
from deeprac.labels import CohortLabels
from deeprac.preprocessing.matrices import CONFIGURATIONS

CASCADE_SHARE = 2
"""nnU-Net plans a low-resolution cascade where it has so many times fewer voxels."""

COARSER = 1.03
"""By how much nnU-Net coarsens a spacing at a time to find that cascade."""


class FingerprintPlanner(nnunet.ExperimentPlanner):
    """nnU-Net's planner with the cohort's fingerprint instead of its folders.

    nnU-Net's constructor reads files from folders that the environment names, so this
    one does not call it: the numbers below are nnU-Net's defaults, and a test holds
    them against the original. Slices stay axial whatever the spacing, as in all other
    experiments (nnU-Net's option ``suppress_transpose``).

    Args:
        fingerprint: content of ``dataset_fingerprint.json``.
        labels: of the cohort.
    """

    def __init__(self, fingerprint: dict[str, Any], labels: CohortLabels) -> None:
        self.dataset_fingerprint = fingerprint
        self.dataset_json = {
            "channel_names": {"0": "CT"},
            "labels": labels.numbers,
            "numTraining": len(fingerprint["spacings"]),
        }
        self.suppress_transpose = True
        self.anisotropy_threshold = ANISO_THRESHOLD
        self.UNet_base_num_features = 32
        self.UNet_class = PlainConvUNet
        self.UNet_reference_val_3d = 560_000_000
        self.UNet_reference_val_2d = 85_000_000
        self.UNet_reference_com_nfeatures = 32
        self.UNet_reference_val_corresp_GB = 8
        self.UNet_reference_val_corresp_bs_2d = 12
        self.UNet_reference_val_corresp_bs_3d = 2
        self.UNet_featuremap_min_edge_length = 4
        self.UNet_blocks_per_stage_encoder = (2,) * 14
        self.UNet_blocks_per_stage_decoder = (2,) * 13
        self.UNet_min_batch_size = 2
        self.UNet_max_features_2d = 512
        self.UNet_max_features_3d = 320
        self.max_dataset_covered = 0.05
        self.UNet_vram_target_GB = 8
        self.lowres_creation_threshold = 0.25
        self.preprocessor_name = "DefaultPreprocessor"
        self.plans_identifier = "nnUNetPlans"
        self.overwrite_target_spacing = None
        self.plans = None

    @staticmethod
    def static_estimate_VRAM_usage(  # noqa: N802  (nnU-Net's name)
        patch_size: Any,
        input_channels: int,
        output_channels: int,
        arch_class_name: str,
        arch_kwargs: dict[str, Any],
        arch_kwargs_req_import: tuple[str, ...],
    ) -> float:
        """Estimate as nnU-Net does, without weights and without touching threads.

        nnU-Net sets PyTorch's threads to its number of loader processes, which may be 0
        here.
        """
        with torch.device("meta"):
            network = get_network_from_plans(
                arch_class_name,
                arch_kwargs,
                arch_kwargs_req_import,
                input_channels,
                output_channels,
                allow_init=False,
            )
        return network.compute_conv_feature_map_size(patch_size)

    def configuration(self, dimensions: int) -> dict[str, Any]:
        """Return nnU-Net's configuration, by the steps of ``plan_experiment``.

        Args:
            dimensions: 2 of slices, or 3 of volumes in full resolution.

        Returns:
            JSON-able; sizes and spacings are (y, x) or (z, y, x), spacings in
            millimetres.
        """
        forward, _ = self.determine_transpose()
        target = self.determine_fullres_target_spacing()
        shapes = [
            compute_new_shape(shape, spacing, target)
            for spacing, shape in zip(
                self.dataset_fingerprint["spacings"],
                self.dataset_fingerprint["shapes_after_crop"],
                strict=True,
            )
        ]
        median = np.median(shapes, 0)[forward]
        voxels = float(np.prod(median, dtype=np.float64))
        cases: Any = self.dataset_json["numTraining"]
        plan = self.get_plans_for_configuration(
            target[forward][-dimensions:],
            median[-dimensions:],
            self.generate_data_identifier(CONFIGURATIONS[dimensions]),
            voxels * cases,
            {},
        )
        plan["batch_dice"] = dimensions == PLANE or self._has_cascade(plan, median)
        recursive_fix_for_json_export(plan)
        return json.loads(json.dumps(plan))

    def _has_cascade(self, plan: dict[str, Any], median: NDArray) -> bool:
        """Whether nnU-Net plans a low resolution as well, before volumes of a median.

        It does where patches cover little of a volume until that has lost half of its
        voxels; with it, it takes the Dice of whole batches in full resolution too.
        """
        spacing, patch, shape = plan["spacing"].copy(), plan["patch_size"], median
        cache: dict[str, Any] = {}
        while np.prod(median) < CASCADE_SHARE * np.prod(shape):
            if np.prod(patch) >= self.lowres_creation_threshold * np.prod(shape):
                return False
            finer = spacing.max() / spacing > 2
            spacing[finer if finer.any() else slice(None)] *= COARSER
            shape = plan["spacing"] / spacing * median
            patch = self.get_plans_for_configuration(
                spacing, shape.round(), "", float(np.prod(shape)), cache
            )["patch_size"]
        return True


def planned_configuration(
    fingerprint: dict[str, Any], labels: CohortLabels, *, dimensions: int = PLANE
) -> dict[str, Any]:
    """Plan a configuration for a cohort as nnU-Net does.

    Args:
        fingerprint: content of ``dataset_fingerprint.json``.
        labels: of the cohort.
        dimensions: 2 of slices, or 3 of volumes in full resolution.

    Returns:
        JSON-able; the same fingerprint gives the same plan.

    Raises:
        PreprocessError: the fingerprint has no sizes, or slices or volumes are too
            small.
    """
    missing = [key for key in _NEEDED if key not in fingerprint]
    if missing:
        raise PreprocessError(
            "A planned matrix takes spacing and patch from the cohort's fingerprint, "
            f"dataset_fingerprint.json, which is missing or lacks {missing[0]}. Run "
            "`deeprac fingerprint` (Snakemake: --forcerun fingerprint) first, or leave "
            "out experiments at a planned matrix."
        )
    plan = FingerprintPlanner(fingerprint, labels).configuration(dimensions)
    if len(plan["architecture"]["arch_kwargs"]["strides"]) < 2:
        raise PreprocessError(
            "nnU-Net's U-Net halves its patch at least once; the planned patch is "
            f"{plan['patch_size']} pixels at {plan['spacing']} mm. Use cases with "
            "larger slices, or a matrix with a size."
        )
    if plan["patch_size"][-dimensions] == 1:
        raise PreprocessError(
            "nnU-Net plans volumes for cases of several slices; in the median they "
            "have one. Use a matrix of dimensions 2."
        )
    return plan


_NEEDED = ("spacings", "shapes_after_crop", "median_relative_size_after_cropping")
