"""Which predictor belongs to a run: the one place that chooses."""

from pathlib import Path

import torch

from deeprac.files import read_json
from deeprac.inference.predictor import Predictor, load_run
from deeprac.inference.sliding import SlidingPredictor
from deeprac.preprocessing.matrices import OWN_PLAN, WHOLE_SLICES
from deeprac.training.plans import CONFIGURATION

AnyPredictor = Predictor | SlidingPredictor

PREDICTORS: dict[str, type[AnyPredictor]] = {
    WHOLE_SLICES: Predictor,
    OWN_PLAN: SlidingPredictor,
}
"""By the ``preprocessor_name`` of the plans."""


def load_predictor(model: Path, fold: int, device: torch.device) -> AnyPredictor:
    """Load a run with the inference that belongs to its matrix.

    Args:
        model: nnU-Net model folder.
        fold: number of the fold.
        device: where to run.

    Raises:
        RunError: the weights are missing or belong to other plans.
    """
    plans = read_json(model / "plans.json")
    kind = plans["configurations"][CONFIGURATION]["preprocessor_name"]
    return load_run(PREDICTORS[kind], model, fold, device)
