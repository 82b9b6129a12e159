"""The tables that the evaluation leaves in the folder of one run."""

from deeprac.config import Config
from deeprac.evaluation.diagnostics import DiagnosedFiles, diagnose_fold
from deeprac.evaluation.evaluate import FoldFiles, evaluate_fold
from deeprac.evaluation.metrics.table import METRIC_COLUMNS
from deeprac.files import write_csv
from deeprac.layout import Layout


def evaluate_run(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Compare the predictions of one fold with the labels; write metrics.csv.

    Raises:
        MetricsError: Predictions, labels, folds and transforms do not fit together.
    """
    layout = Layout.of(config)
    folder = layout.run(experiment, seed, fold)
    files = FoldFiles(
        cases_csv=layout.cases_csv,
        cohort=layout.cohort,
        splits=layout.splits,
        predictions=folder / "predictions",
        transforms=folder / "transforms.csv",
    )
    metrics = evaluate_fold(files, fold=fold).assign(
        cohort=config.cohort.name, experiment=experiment, fold=fold, seed=seed
    )
    write_csv(folder / "metrics.csv", metrics[list(METRIC_COLUMNS)])


def diagnose_run(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Measure what the front end did in one fold; write diagnostics.csv.

    Raises:
        MetricsError: A file is missing or foreign, or they do not fit together.
    """
    layout = Layout.of(config)
    folder = layout.run(experiment, seed, fold)
    files = DiagnosedFiles(
        cases_csv=layout.cases_csv,
        cohort=layout.cohort,
        case_poses=layout.case_poses,
        metrics=folder / "metrics.csv",
        transforms=folder / "transforms.csv",
    )
    write_csv(folder / "diagnostics.csv", diagnose_fold(files))
