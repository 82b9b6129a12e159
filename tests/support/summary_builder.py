"""Tables of cases and runs made of given numbers, for tests of statistics and tables.

Nothing is segmented: every metric of a case is its Dice or follows from it.
"""

from pathlib import Path

import pandas as pd

from deeprac.config import Config
from deeprac.config_files import resolve
from deeprac.layout import Layout
from deeprac.records.catalogue import METRICS
from deeprac.records.inference import PREDICT
from deeprac.records.metrics import METRICS_SCHEMA
from deeprac.records.runs import COST, RUN_COLUMNS
from deeprac.reporting.summary import Summary

REPO = Path(__file__).parents[2]
LABELS = ("kidney", "tumour", "kidney_and_tumour")
NAN = float("nan")


def make_config(experiments, *, comparisons=(), **settings):
    """A configuration of experiments: name = method, or (method, training patients), or
    (method, training patients, epochs).
    """
    rows = []
    for name, value in experiments.items():
        own = value if isinstance(value, tuple) else (value,)
        row = {"experiment": name, "matrix": "coarse"}
        keys = ("method", "training_patients", "epochs")
        rows.append(row | dict(zip(keys, own, strict=False)))
    statistics = {
        "comparisons": [
            dict(zip(("method", "reference", "test"), row, strict=True))
            for row in comparisons
        ]
    }
    raw = {
        "cohort": {"name": "cohort_of_tests"},
        "methods": settings.pop("methods", str(REPO / "config/methods.yaml")),
        "experiments": rows,
        "statistics": statistics | settings.pop("statistics", {}),
        **settings,
    }
    return Config.from_resolved(resolve(raw))


def make_cases(dice, *, labels=LABELS, seeds=(0,), folds=2, empty=()):
    """Rows of summary/cases.csv.

    Args:
        dice: Values of the patients by experiment; the same for all labels and seeds.
            NaN: the label is empty in reference and prediction.
        labels: Labels of every case.
        seeds: Seeds of every experiment.
        folds: Patients go to them in turn.
        empty: Labels that no reference has.
    """
    rows = []
    for experiment, values in dice.items():
        for seed in seeds:
            for patient, value in enumerate(values):
                for label in labels:
                    absent = label in empty
                    undefined = pd.isna(value)
                    row = {
                        "schema": METRICS_SCHEMA,
                        "cohort": "cohort_of_tests",
                        "experiment": experiment,
                        "fold": patient % folds,
                        "seed": seed,
                        "case": f"case{patient:03d}",
                        "patient": f"patient{patient:03d}",
                        "label": label,
                        **dict.fromkeys(METRICS, value),
                        "volume_ml": 0.0 if undefined else 50 * value,
                        "reference_volume_ml": 0.0 if absent or undefined else 50.0,
                        "coverage": 1.0,
                    }
                    row |= {
                        name: NAN
                        for name in METRICS
                        if ("lesion" in name and label != "tumour")
                        or (name == "nsd_kits" and label == "kidney")
                        or (name.endswith(("_mm", "percent")) and absent)
                    }
                    rows.append(row)
    return pd.DataFrame(rows)


def make_runs(config: Config, *, seeds=(0,), folds=2):
    """Rows of summary/runs.csv, with the same cost in all runs."""
    rows = []
    for name in config.run.experiments:
        experiment = config.experiments[name]
        for seed in seeds:
            for fold in range(folds):
                rows.append(
                    {
                        "cohort": "cohort_of_tests",
                        "experiment": name,
                        "method": experiment.method,
                        "matrix": experiment.matrix,
                        "matrix_size": "128",
                        "network_input_size": "128",
                        "batch_size": 32,
                        "fold": fold,
                        "seed": seed,
                        "training_patients": 8,
                        "device": "cpu",
                        "device_name": "a CPU",
                        "epochs": experiment.epochs or 2,
                        "iterations_per_epoch": 3,
                        "optimiser": "sgd",
                        "learning_rate": 0.01,
                        **dict.fromkeys(COST, 100.0 + fold),
                        "gpu_peak_allocated_gib": NAN,
                        "gpu_peak_reserved_gib": NAN,
                        "step_precision": "float32",
                        **dict.fromkeys(PREDICT, NAN),
                        "segments": 1,
                        "shared_machine": False,
                        "git_commit": "0" * 40,
                        "git_dirty": False,
                    }
                )
    return pd.DataFrame(rows, columns=list(RUN_COLUMNS))


def make_summary(config: Config, dice, **options) -> Summary:
    """Cases and runs; see :func:`make_cases`."""
    extent = {key: options[key] for key in ("seeds", "folds") if key in options}
    cases, runs = make_cases(dice, **options), make_runs(config, **extent)
    return Summary.of(config, Layout.of(config), cases, runs)
