"""nnU-Net plans of one experiment: the single source of truth of its runs."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from deeprac.config import Config, Experiment, Method
from deeprac.files import read_json
from deeprac.labels import Label
from deeprac.networks.unet import KWARGS_TO_IMPORT, NETWORK_CLASS, unet_kwargs
from deeprac.preprocessing.intensity import normalised_air

CONFIGURATION = "2d"
STN_CLASS = "deeprac.networks.stn_unet.STNUNet"
RELEASED_CLASS = "deeprac.networks.released.ReleasedUNet"
RESAMPLING = {
    "resampling_fn_data": "resample_data_or_seg_to_shape",
    "resampling_fn_seg": "resample_data_or_seg_to_shape",
    "resampling_fn_probabilities": "resample_data_or_seg_to_shape",
    "resampling_fn_data_kwargs": {"is_seg": False, "order": 1},
    "resampling_fn_seg_kwargs": {"is_seg": True, "order": 1},
    "resampling_fn_probabilities_kwargs": {"is_seg": False, "order": 1},
}
"""Required by nnU-Net's plans; the matrix has its own (``preprocessing.matrix``)."""


def network_input_size(config: Config, experiment: Experiment) -> int:
    """Side of the U-Net's input in pixels."""
    method = config.methods[experiment.method]
    return round(method.network_input * config.matrices[experiment.matrix].size)


def dataset_json(config: Config, cases: int) -> dict[str, Any]:
    """Return nnU-Net's ``dataset.json`` of the canonical cohort."""
    return {
        "name": config.cohort.name,
        "channel_names": {"0": "CT"},
        "labels": {label.title: label.value for label in Label},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }


def preprocessing_plans(
    config: Config, matrix: str, fingerprint: dict[str, Any]
) -> dict[str, Any]:
    """Build the part of the plans that all experiments at a matrix share.

    Args:
        config: the whole configuration.
        matrix: name of the matrix.
        fingerprint: content of ``dataset_fingerprint.json``.

    Returns:
        JSON-able plans without architecture.
    """
    size = config.matrices[matrix].size
    return {
        "dataset_name": config.cohort.name,
        "plans_name": "deeprac",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": fingerprint[
            "foreground_intensity_properties_per_channel"
        ],
        "configurations": {
            CONFIGURATION: {
                "data_identifier": f"{matrix}/slices",
                "preprocessor_name": "MatrixPreprocessor",
                "batch_size": config.matrices[matrix].batch_size,
                "patch_size": [size, size],
                "median_image_size_in_voxels": [size, size],
                "spacing": [1.0, 1.0],
                "normalization_schemes": ["CTNormalization"],
                "use_mask_for_norm": [False],
                "batch_dice": True,
                # Without this key nnU-Net takes the plans for those of version 1.
                "architecture": {},
                **RESAMPLING,
            }
        },
    }


def build_plans(
    config: Config, experiment: Experiment, seed: int, fingerprint: dict[str, Any]
) -> dict[str, Any]:
    """Build the plans of one experiment.

    Args:
        config: the whole configuration.
        experiment: which row.
        seed: the run's seed.
        fingerprint: content of ``dataset_fingerprint.json``.

    Returns:
        JSON-able plans; what nnU-Net does not know is under ``deeprac``.
    """
    method = config.methods[experiment.method]
    plans = preprocessing_plans(config, experiment.matrix, fingerprint)
    plans["configurations"][CONFIGURATION]["architecture"] = _architecture(
        config, experiment, fingerprint
    )
    plans["deeprac"] = {
        "cohort": config.cohort.name,
        "experiment": experiment.name,
        "method": method.name,
        "matrix": experiment.matrix,
        "seed": seed,
        "front_end": _front_end(config, method),
        "augment": method.augment,
        "augment_scale": list(method.augment_scale),
        "training_patients": experiment.training_patients,
        "air": config.cohort.air,
        "normalised_air": normalised_air(fingerprint, config.cohort.air),
        "network_input_size": network_input_size(config, experiment),
        "training": asdict(config.training),
        "inference": asdict(config.inference),
    }
    return plans


def _front_end(config: Config, method: Method) -> dict[str, Any] | None:
    """Kinds and settings of what stands before the U-Net; None without."""
    if not method.has_front_end:
        return None
    settings = config.released if method.is_released else config.localiser
    return {
        "normaliser": method.normaliser,
        "crop": method.crop,
        "released": method.is_released,
        "settings": asdict(settings),
    }


MACHINE_KEYS = ("device", "data_workers", "checkpoint_every")
"""Training settings that say where and how safely a run is computed, not what."""


def read_plans(model: Path, config: Config) -> dict[str, Any]:
    """Read ``plans.json`` with the machine's and inference's settings of ``config``.

    These may change after the plans were written, without a new plan or training.
    """
    plans = read_json(model / "plans.json")
    training = plans["deeprac"]["training"]
    training |= {key: getattr(config.training, key) for key in MACHINE_KEYS}
    plans["deeprac"]["inference"] = asdict(config.inference)
    return plans


def _architecture(
    config: Config, experiment: Experiment, fingerprint: dict[str, Any]
) -> dict[str, Any]:
    method = config.methods[experiment.method]
    size = network_input_size(config, experiment)
    kwargs = unet_kwargs(size, config.network)
    if not method.has_front_end:
        name = NETWORK_CLASS
    elif method.is_released:
        name = RELEASED_CLASS
        kwargs |= {
            "matrix_size": config.matrices[experiment.matrix].size,
            "network_input_size": size,
            "normalise": method.normaliser != "none",
            "crop": method.crop != "none",
        }
    else:
        name = STN_CLASS
        kwargs |= {
            "matrix_size": config.matrices[experiment.matrix].size,
            "network_input_size": size,
            "air": normalised_air(fingerprint, config.cohort.air),
            "normaliser": method.normaliser,
            "crop": method.crop,
            "localiser": asdict(config.localiser),
        }
    return {
        "network_class_name": name,
        "arch_kwargs": kwargs,
        "_kw_requires_import": list(KWARGS_TO_IMPORT),
    }
