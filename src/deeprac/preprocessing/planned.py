"""nnU-Net's own experiment planner, asked for its 2D configuration alone."""

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

from deeprac.errors import PreprocessError
from deeprac.labels import CohortLabels


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

    def plan_2d(self) -> dict[str, Any]:
        """Return nnU-Net's 2D configuration, by the steps of ``plan_experiment``.

        Returns:
            JSON-able; sizes and spacings are (y, x), spacings in millimetres.
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
            target[forward][1:],
            median[1:],
            self.generate_data_identifier("2d"),
            voxels * cases,
            {},
        )
        recursive_fix_for_json_export(plan)
        return json.loads(json.dumps(plan | {"batch_dice": True}))


def plan_2d(fingerprint: dict[str, Any], labels: CohortLabels) -> dict[str, Any]:
    """Plan the 2D configuration of a cohort as nnU-Net does.

    Args:
        fingerprint: content of ``dataset_fingerprint.json``.
        labels: of the cohort.

    Returns:
        JSON-able; the same fingerprint gives the same plan.

    Raises:
        PreprocessError: the fingerprint has no sizes, or the slices are too small.
    """
    missing = [key for key in _NEEDED if key not in fingerprint]
    if missing:
        raise PreprocessError(
            "A planned matrix takes spacing and patch from the cohort's fingerprint, "
            f"dataset_fingerprint.json, which is missing or lacks {missing[0]}. Run "
            "`deeprac fingerprint` (Snakemake: --forcerun fingerprint) first, or leave "
            "out experiments at a planned matrix."
        )
    plan = FingerprintPlanner(fingerprint, labels).plan_2d()
    if len(plan["architecture"]["arch_kwargs"]["strides"]) < 2:
        raise PreprocessError(
            "nnU-Net's U-Net halves its patch at least once; the planned patch is "
            f"{plan['patch_size']} pixels at {plan['spacing']} mm. Use cases with "
            "larger slices, or a matrix with a size."
        )
    return plan


_NEEDED = ("spacings", "shapes_after_crop", "median_relative_size_after_cropping")
