"""Cases that one run did not see under stress."""

from typing import Any

import pandas as pd
from tqdm import tqdm

from deeprac.config import Config
from deeprac.evaluation.metrics.overlap import overlap
from deeprac.evaluation.metrics.regions import united
from deeprac.files import write_csv
from deeprac.inference.load import TrainedRun, open_run
from deeprac.inference.predictor import Predictor
from deeprac.inference.stress import LabelledCase, stress_case, stressed_from_image
from deeprac.inference.stress_scenes import scanned_again
from deeprac.labels import FOREGROUND, CohortLabels
from deeprac.layout import Layout
from deeprac.networks.front_end import Supervision
from deeprac.records.case_split import split_column
from deeprac.records.made_with import MADE_WITH, made_with
from deeprac.records.run_key import RunKey
from deeprac.records.runs import read_run
from deeprac.records.splits import read_split
from deeprac.records.stress import (
    MOVES,
    STRESS_COLUMNS,
    Condition,
    conditions,
    stressed_cases,
)
from deeprac.space import require_space, stress_bytes
from deeprac.training.device import within_gpu_memory
from deeprac.volumes import read_volume


def stress_fold(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Segment cases that a fold did not see under every condition; write stress.csv.

    Which cases they are, :func:`~deeprac.records.stress.stressed_cases` says.

    Arguments and errors are those of ``open_run``.
    """
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, experiment, seed, fold)
    run = open_run(config, experiment, seed, fold)
    split = read_split(layout.splits, fold)
    cases = run.cases.loc[stressed_cases(split, config.stress)]
    rows = len(cases) * len(conditions(config.stress)) * len(FOREGROUND)
    require_space(stress_bytes(rows), key.folder(layout), f"{key}: stress.csv")
    settings = made_with(config, read_run(key.folder(layout) / "run.json", key))
    with within_gpu_memory(f"{experiment}, fold {fold}", run.smaller):
        scores = _scores(run, cases, config, f"{experiment} fold {fold}")
    columns = (*STRESS_COLUMNS, *split_column(cases))
    table = key.sign(pd.DataFrame(scores), columns)
    write_csv(key.folder(layout) / "stress.csv", table.assign(**{MADE_WITH: settings}))


def _scores(
    run: TrainedRun, cases: pd.DataFrame, config: Config, what: str
) -> list[dict[str, Any]]:
    layout, shown, rows = Layout.of(config), conditions(config.stress), []
    columns = ("case", "patient", *split_column(cases))
    with tqdm(total=len(cases) * len(shown), desc=what, unit="case") as progress:
        for row in cases.itertuples():
            case = _read(layout, row.image, row.label, run.predictor.labels)
            oracle_input = run.oracle_input(row.case, len(case.image))
            names = {name: getattr(row, name) for name in columns}
            for condition in shown:
                seen = scanned_again(config.cohort, row.case, case, condition)
                scores = score(
                    run.predictor, seen, condition, oracle_input=oracle_input
                )
                rows += [names | entry for entry in scores]
                progress.update()
    return rows


def score(
    predictor: Predictor,
    case: LabelledCase,
    condition: Condition,
    *,
    oracle_input: Supervision | None,
) -> list[dict[str, Any]]:
    """Segment one case under one condition and compare it with its label map.

    Args:
        predictor: the trained network.
        case: the case, kidneys united; in another scene if that is the condition.
        condition: what is changed.
        oracle_input: what an oracle knows of the upright case.

    Returns:
        One row for kidney and one for tumour: label, kind, value, dice (as in
        metrics.csv), visible and n_slices.
    """
    shown = stress_case(case, condition, air=predictor.settings["air"])
    if oracle_input is not None and condition.kind in MOVES:
        oracle_input = oracle_input.moved(stressed_from_image(condition))
    predicted = predictor.predict(shown.image, case.spacing, oracle_input).labels
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
