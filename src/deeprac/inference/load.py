"""Opening a trained run: its predictor, its held-out cases and what oracles know."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import pandas as pd
import torch

from deeprac.bundle.archive import Bundle
from deeprac.bundle.manifest import AGAIN, DATASET, PLANS, checkpoint, shown
from deeprac.bundle.weights import weights_of
from deeprac.config import Config
from deeprac.errors import BundleError, RunError
from deeprac.files import read_json
from deeprac.fitting import PLANE, dimensions_of
from deeprac.front_ends import ORACLE, has_oracle, planned_parts
from deeprac.inference.ensemble import Ensemble
from deeprac.inference.predictor import Predictor
from deeprac.layout import Layout
from deeprac.networks.front_end import Supervision
from deeprac.preprocessing.matrices import OWN_PLAN, WHOLE_SLICES, WHOLE_VOLUMES
from deeprac.records.case_poses import read_case_poses
from deeprac.records.splits import held_out_cases
from deeprac.training.checkpoint import WEIGHTS, read_checkpoint
from deeprac.training.device import resolve_device, within_gpu_memory
from deeprac.training.plans import configuration_name

PREDICTORS = {
    WHOLE_SLICES: "deeprac.inference.slice_predictor.SlicePredictor",
    WHOLE_VOLUMES: "deeprac.inference.volume_predictor.VolumePredictor",
    OWN_PLAN: "deeprac.inference.sliding.SlidingPredictor",
}
"""By the ``preprocessor_name`` of the plans; nnU-Net's takes seconds to import."""

OracleInput = Callable[[str, int], Supervision | None]
"""What an oracle knows of a case, by name and number of slices; None: no oracle."""


@dataclass(frozen=True)
class TrainedRun:
    """A trained run, ready for the cases that it did not train on.

    Attributes:
        predictor: with the inference that belongs to its matrix.
        cases: rows of ``cases.csv`` of the held-out cases and the test cases, in the
            order of the fold.
        oracle_input: of each case.
    """

    predictor: Predictor
    cases: pd.DataFrame
    oracle_input: OracleInput

    @property
    def smaller(self) -> str:
        """What to do where a GPU's memory is too small for it."""
        if self.predictor.batched:
            return "Lower inference.batch_size; it changes no result."
        return (
            "inference.batch_size does not apply to this experiment, whose plan has "
            "its own: take a GPU that nothing else uses, or one with more memory."
        )


def open_run(config: Config, experiment: str, seed: int, fold: int) -> TrainedRun:
    """Open a trained run with the inference settings and the device of ``config``.

    Args:
        config: the whole configuration.
        experiment: name of the experiment.
        seed: seed of the run.
        fold: number of the fold.

    Raises:
        RunError: the run is missing, damaged, or does not fit into the GPU.
        SplitError: there is no such fold, or the cohort lacks one of its cases.
        DeviceError: the device is not there.
        MetricsError: an oracle's ``case_poses.csv`` is missing or lacks a column.
    """
    layout = Layout.of(config)
    device = resolve_device(config.training.device)
    with within_gpu_memory(f"{experiment}, fold {fold}", "Take one that is free."):
        predictor = load_predictor(layout.model(experiment, seed), fold, device)
    predictor.settings["inference"] = asdict(config.inference)
    oracle_input = oracle_input_of(predictor.settings, layout.case_poses)
    held_out = held_out_cases(layout.cases_csv, layout.splits, fold)
    return TrainedRun(predictor, held_out, oracle_input)


def load_predictor(model: Path, fold: int, device: torch.device) -> Predictor:
    """Load a run with the inference that belongs to its matrix.

    Args:
        model: nnU-Net model folder.
        fold: number of the fold.
        device: where to run.

    Raises:
        RunError: the weights are missing, belong to other plans, or are none.
    """
    path = model / f"fold_{fold}" / "checkpoint_final.pth"
    plans, dataset = (read_json(model / f"{n}.json") for n in ("plans", "dataset"))
    if not path.exists():
        raise RunError(
            f"{path} does not exist. Run `deeprac train` for this fold first."
        )
    weights = read_checkpoint(path)[WEIGHTS]
    try:
        return predictor_of(plans, dataset, weights, device)
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        raise RunError(
            f"{path} does not fit {model / 'plans.json'}: {error}. Train the "
            "fold again with these plans."
        ) from error


def load_bundle(bundle: Bundle, folds: Sequence[int], device: torch.device) -> Ensemble:
    """Load folds of a bundle; its contents were checked.

    Args:
        bundle: opened.
        folds: their numbers.
        device: where to run.

    Raises:
        BundleError: a fold is not in it, or weights are none, or do not fit the plans.
    """
    if missing := sorted(set(folds) - set(bundle.manifest["folds"])):
        raise BundleError(
            f"{bundle.path} has no fold {missing[0]}; it has "
            f"{', '.join(map(str, bundle.manifest['folds']))}. Name those with --folds."
        )
    members = {}
    for fold in folds:
        name = checkpoint(fold)
        # Each its own: predictors keep settings in them.
        plans, dataset = bundle.read_json(PLANS), bundle.read_json(DATASET)
        try:
            weights = weights_of(bundle.read(name), name)
            members[fold] = predictor_of(plans, dataset, weights, device)
        except BundleError:
            raise
        except Exception as error:
            # Foreign numbers in plans fail in torch or nnU-Net, with any type.
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise BundleError(
                f"{bundle.path}: {name} cannot be used with {PLANS}: {shown(first)} "
                f"{AGAIN}"
            ) from error
    return Ensemble(members)


def predictor_of(
    plans: dict[str, Any],
    dataset: dict[str, Any],
    weights: dict[str, torch.Tensor],
    device: torch.device,
) -> Predictor:
    """Return the predictor that the plans call for; arguments are ``Predictor``'s.

    Raises:
        RuntimeError: the weights do not fit the plans.
    """
    kind = plans["configurations"][configuration_name(plans)]["preprocessor_name"]
    return resolve_name(PREDICTORS[kind])(plans, dataset, weights, device)


def oracle_input_of(settings: dict[str, Any], case_poses_csv: Path) -> OracleInput:
    """Return what looks up the input of oracles; other networks get none.

    Args:
        settings: the plans' ``deeprac`` section.
        case_poses_csv: where size, pose and labels of every case lie; read for an
            oracle only.

    Raises:
        MetricsError: an oracle's file is missing, lacks a column or a true transform.
    """
    normaliser, crop = planned_parts(settings)
    if not has_oracle(normaliser, crop):
        return lambda case, slices: None
    true_pose = normaliser == ORACLE
    dimensions = dimensions_of(settings["matrix_size"])
    poses = read_case_poses(case_poses_csv, true_pose=true_pose, dimensions=dimensions)
    return lambda case, slices: Supervision.of(
        [poses[case]] * (slices if dimensions == PLANE else 1), true_pose=true_pose
    )
