"""The tables that the evaluation leaves in the folder of one run."""

from deeprac.config import Config
from deeprac.evaluation.diagnostics import diagnose_fold
from deeprac.evaluation.evaluate import evaluate_fold
from deeprac.files import write_csv
from deeprac.layout import Layout
from deeprac.records.run_key import RunKey


def evaluate_run(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Compare the predictions of one fold with the labels; write metrics.csv.

    Raises:
        MetricsError: Predictions, labels, folds and transforms do not fit together.
    """
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, experiment, seed, fold)
    write_csv(key.folder(layout) / "metrics.csv", evaluate_fold(layout, key))


def diagnose_run(config: Config, experiment: str, seed: int, fold: int) -> None:
    """Measure what the front end did in one fold; write diagnostics.csv.

    Raises:
        MetricsError: A file is missing or foreign, or they do not fit together.
    """
    layout = Layout.of(config)
    key = RunKey(config.cohort.name, experiment, seed, fold)
    write_csv(key.folder(layout) / "diagnostics.csv", diagnose_fold(layout, key))
