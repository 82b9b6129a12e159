"""nnU-Net plans of one experiment: the single source of truth of its runs."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from deeprac.config import Config
from deeprac.errors import RunError
from deeprac.files import read_json
from deeprac.front_ends import FRONT_ENDS
from deeprac.layout import Layout
from deeprac.networks.unet import KWARGS_TO_IMPORT
from deeprac.preprocessing.intensity import normalised_air
from deeprac.preprocessing.matrices import MatrixKind, matrix_kind
from deeprac.settings.effective import differences, run_settings
from deeprac.settings.methods import Experiment, Method
from deeprac.settings.training import MACHINE_KEYS

NOMINAL_FINGERPRINT = {
    "foreground_intensity_properties_per_channel": {
        "0": {
            "mean": 100.0,
            "std": 70.0,
            "percentile_00_5": -60.0,
            "percentile_99_5": 300.0,
        }
    }
}
"""Of a cohort that is not there. Intensities change neither the size of a network nor
the cost of a step; any will do. It has no sizes, from which a planned matrix would be
planned."""


def configuration_name(plans: dict[str, Any]) -> str:
    """Return what plans call their one configuration, by nnU-Net's names.

    Example:
        >>> configuration_name({"configurations": {"2d": {}}})
        '2d'
    """
    (name,) = plans["configurations"]
    return str(name)


def fingerprint_of(layout: Layout) -> dict[str, Any]:
    """Return what was measured of a cohort; ``NOMINAL_FINGERPRINT`` before."""
    measured = layout.fingerprint
    return read_json(measured) if measured.exists() else NOMINAL_FINGERPRINT


def dataset_json(config: Config, cases: int) -> dict[str, Any]:
    """Return nnU-Net's ``dataset.json`` of the canonical cohort."""
    return {
        "name": config.cohort.name,
        "channel_names": {"0": "CT"},
        "labels": config.cohort.kept_labels.numbers,
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
    labels = config.cohort.kept_labels
    kind = matrix_kind(config.matrices[matrix], fingerprint, labels)
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
            kind.name: {
                **kind.configuration,
                "data_identifier": f"{matrix}/slices",
                "batch_size": config.matrices[matrix].batch_size,
                # Without this key nnU-Net takes the plans for those of version 1.
                "architecture": {},
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
    labels = config.cohort.kept_labels
    kind = matrix_kind(config.matrices[experiment.matrix], fingerprint, labels)
    plans = preprocessing_plans(config, experiment.matrix, fingerprint)
    plans["configurations"][kind.name]["architecture"] = _architecture(
        config, experiment, fingerprint, kind
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
        "augment_svf": method.augment_svf,
        "training_patients": experiment.training_patients,
        "intensity": config.cohort.intensity,
        "air": config.cohort.air,
        "normalised_air": normalised_air(fingerprint, config.cohort.air),
        "matrix_size": kind.input_size(),
        "network_input_size": kind.input_size(method.input_shares),
        "training": asdict(config.training_of(experiment)),
        "inference": asdict(config.inference),
        "run_settings": run_settings(config, experiment),
    }
    return plans


def _front_end(config: Config, method: Method) -> dict[str, Any] | None:
    """Kinds and settings of what stands before the U-Net; None without."""
    settings = config.front_end_settings(method)
    if settings is None:
        return None
    if method.front_end is FRONT_ENDS["stn"]:
        settings["crop_size"] = method.crop_size
    return {
        "normaliser": method.normaliser,
        "crop": method.crop,
        "labarbera": method.front_end is FRONT_ENDS["labarbera"],
        "settings": settings,
    }


def read_plans(model: Path, config: Config) -> dict[str, Any]:
    """Read ``plans.json`` with the machine's and inference's settings of ``config``.

    These may change after the plans were written, without a new plan or training.

    Raises:
        RunError: other settings have changed since the plans were written.
    """
    plans = read_json(model / "plans.json")
    planned = plans["deeprac"].get("run_settings")
    experiment = config.experiment(plans["deeprac"]["experiment"])
    found = list(differences(planned, run_settings(config, experiment)))
    if planned is not None and found:
        raise RunError(
            f"{model / 'plans.json'} is of other settings than the configuration: "
            f"{'; '.join(found)}. Run `deeprac plan` again."
        )
    training = plans["deeprac"]["training"]
    training |= {key: getattr(config.training, key) for key in MACHINE_KEYS}
    plans["deeprac"]["inference"] = asdict(config.inference)
    return plans


def _architecture(
    config: Config,
    experiment: Experiment,
    fingerprint: dict[str, Any],
    kind: MatrixKind,
) -> dict[str, Any]:
    method = config.methods[experiment.method]
    kwargs = kind.unet(method.input_shares, config.network)
    planned = _front_end(config, method)
    if planned is not None:
        air = normalised_air(fingerprint, config.cohort.air)
        parts = method.normaliser, method.crop
        kwargs |= {
            "matrix_size": kind.input_size(),
            "network_input_size": kind.input_size(method.input_shares),
            **method.front_end.arguments(*parts, planned["settings"], air),
        }
    return {
        "network_class_name": method.front_end.network,
        "arch_kwargs": kwargs,
        "_kw_requires_import": list(KWARGS_TO_IMPORT),
    }
