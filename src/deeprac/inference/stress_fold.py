"""The held-out cases of one run under stress."""

from dataclasses import asdict
from typing import Any

import pandas as pd
from tqdm import tqdm

from deeprac.config import Config
from deeprac.evaluation.metrics.overlap import overlap
from deeprac.evaluation.metrics.regions import united
from deeprac.files import write_csv
from deeprac.inference.held_out import held_out_cases
from deeprac.inference.load import AnyPredictor, load_predictor
from deeprac.inference.stress import (
    LabelledCase,
    stress_case,
    stress_given,
    stressed_from_image,
)
from deeprac.inference.told import told_of
from deeprac.labels import FOREGROUND, CohortLabels
from deeprac.layout import Layout
from deeprac.networks.front_end import Given
from deeprac.records.stress import STRESS_COLUMNS, Condition, conditions
from deeprac.training.device import resolve_device
from deeprac.volumes import read_volume


def stress_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Segment the held-out cases of a fold under every condition; write stress.csv.

    Args:
        config: the whole configuration.
        experiment: name of the experiment.
        seed: seed of the run.
        fold: number of the fold.

    Raises:
        RunError: the run is missing, or a held-out case is not in the cohort.
        DeviceError: the device is not there.
    """
    layout = Layout.of(config)
    device = resolve_device(config.training.device)
    predictor = load_predictor(layout.model(experiment, seed), fold, device)
    predictor.settings["inference"] = asdict(config.inference)
    told = told_of(predictor.settings, layout.case_poses)
    held_out = held_out_cases(layout, fold)
    shown = conditions(config.stress)
    rows = []
    total = len(held_out) * len(shown)
    with tqdm(total=total, desc=f"{experiment} fold {fold}", unit="case") as progress:
        for row in held_out.itertuples():
            case = _read(layout, row.image, row.label, predictor.labels)
            given = told(row.case, len(case.image))
            names = {"case": row.case, "patient": row.patient}
            for condition in shown:
                scores = score(predictor, case, condition, given=given)
                rows += [names | entry for entry in scores]
                progress.update()
    table = pd.DataFrame(rows).assign(
        cohort=config.cohort.name, experiment=experiment, fold=fold, seed=seed
    )
    target = layout.run(experiment, seed, fold) / "stress.csv"
    write_csv(target, table[list(STRESS_COLUMNS)])


def score(
    predictor: AnyPredictor,
    case: LabelledCase,
    condition: Condition,
    *,
    given: Given | None,
) -> list[dict[str, Any]]:
    """Segment one case under one condition and compare it with its label map.

    Args:
        predictor: the trained network.
        case: the case as it is, kidneys united.
        condition: what is changed.
        given: what the network is told of the upright case.

    Returns:
        One row for kidney and one for tumour: label, kind, value, dice (as in
        metrics.csv), visible and n_slices.
    """
    shown = stress_case(case, condition, air=predictor.settings["air"])
    if given is not None:
        given = stress_given(given, stressed_from_image(condition))
    predicted = predictor.predict(shown.image, case.spacing, given=given).labels
    predicted = united(predicted, predictor.labels)
    return [
        {
            "label": label.title,
            "kind": condition.kind.value,
            "value": condition.value,
            "dice": overlap(predicted == label, shown.labels == label).dice,
            "visible": shown.visible[label],
            "n_slices": len(case.image),
        }
        for label in FOREGROUND
    ]


def _read(layout: Layout, image: str, label: str, labels: CohortLabels) -> LabelledCase:
    volume, geometry = read_volume(layout.cohort / image)
    label_map, _ = read_volume(layout.cohort / label)
    return LabelledCase(volume, united(label_map, labels), geometry.GetSpacing()[::-1])
