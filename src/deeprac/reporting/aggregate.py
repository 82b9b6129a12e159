"""From tidy tables of cases and runs to one row per experiment.

Cases of one patient are averaged, then the mean is taken over patients and seeds, all
folds together, since every case is predicted once, by a network that did not see it.
The SD is that over patients within a training (one delta degree of freedom), mean over
the trainings.
Costs are means over the runs of an experiment, that is, per fold; times over those that
had their machine to themselves.
"""

import numpy as np
import pandas as pd

from deeprac.config import Config
from deeprac.errors import ConfigError
from deeprac.evaluation.statistics.patients import (
    patient_dice,
    seed_sd,
    seed_table,
    training_sd,
)
from deeprac.labels import FOREGROUND
from deeprac.reporting.published import PUBLISHED, read_published
from deeprac.reporting.roles import (
    PLAIN,
    augmentation,
    counterpart,
    training_suffix,
)
from deeprac.settings.methods import Experiment

GIB = 2**30

SETTINGS = (
    *("matrix_size", "network_input_size", "batch_size"),
    *("optimiser", "learning_rate", "epochs", "iterations_per_epoch"),
)
"""Columns of runs.csv that the runs of an experiment share."""

PAPER_COLUMNS = (
    *("kidney_dice_mean", "kidney_dice_sd", "tumour_dice_mean", "tumour_dice_sd"),
    *("training_seconds", "time_ratio", "memory_gb", "memory_ratio"),
)


def experiment_rows(
    config: Config, cases: pd.DataFrame, runs: pd.DataFrame
) -> pd.DataFrame:
    """One row per experiment with ours, the ratios and the paper's numbers.

    Args:
        config: The configuration of the cohort.
        cases: Columns of summary/cases.csv.
        runs: Columns of summary/runs.csv; times are NaN where they do not count.

    Returns:
        Tidy table in the order of the configuration. Dice as shares in 0..1; memory in
        GiB with its kind; ``n_timed`` of ``n_runs`` have a time; ratios to the plain
        nnU-Net of the same matrix; the paper's numbers with the prefix ``paper_``.
        Unknown numbers are NaN.

    Raises:
        ConfigError: An experiment points to a row of the paper that does not exist.
    """
    published = read_published()
    tables = (cases, runs, patient_dice(cases))
    rows = []
    for name in config.run.experiments:
        row = config.experiments[name].published
        if row is not None and row not in published.index:
            raise ConfigError(
                f"experiments.{name}.published is {row!r}, which is no row of "
                f"{PUBLISHED.name}. Leave it empty or name one of "
                f"{', '.join(published.index)}."
            )
        own = (table[table.experiment == name] for table in tables)
        rows.append(_row(config, config.experiments[name], *own))
    table = pd.DataFrame(rows)
    paper = published.reindex(table.published)[list(PAPER_COLUMNS)]
    paper.index = table.index
    return pd.concat([_with_ratios(table, config), paper.add_prefix("paper_")], axis=1)


def _row(
    config: Config,
    experiment: Experiment,
    cases: pd.DataFrame,
    runs: pd.DataFrame,
    scores: pd.DataFrame,
) -> dict[str, object]:
    """The row of one experiment, made of its rows in the tables; no ratios yet."""
    method = config.methods[experiment.method]
    row = {
        "experiment": experiment.name,
        "published": experiment.published or "",
        "matrix": experiment.matrix,
        "method": method.name,
        "method_label": method.label + training_suffix(experiment),
        "normaliser": method.normaliser,
        "crop": method.crop,
        "augment": method.augment,
        "augmentation": augmentation(method),
        **runs.iloc[0][list(SETTINGS)],
        "device": "; ".join(runs.device.unique()),
        "device_name": "; ".join(runs.device_name.unique()),
        "n_patients": cases.patient.nunique(),
        "n_cases": cases.case.nunique(),
        "folds_run": runs.fold.nunique(),
        "folds_planned": config.splits.folds,
        "n_seeds": runs.seed.nunique(),
        "n_runs": len(runs),
        "n_timed": int(runs.training_seconds.notna().sum()),
        "training_patients": runs.training_patients.mean(),
    }
    for label in FOREGROUND:
        values = scores[scores.label == label.title].dice.dropna()
        row[f"{label.title}_n"] = len(values)
        row[f"{label.title}_dice_mean"] = values.mean()
        by_seed = seed_table(cases[cases.label == label.title])
        row[f"{label.title}_dice_training_sd"] = training_sd(by_seed)
        row[f"{label.title}_dice_seed_sd"] = seed_sd(by_seed)
    for label in FOREGROUND:
        covered = cases[cases.label == label.title].coverage
        row[f"{label.title}_coverage_min"] = covered.min()
    on_gpu = bool((runs.device == "cuda").all())
    memory = runs.gpu_peak_reserved_gib if on_gpu else runs.host_peak_gib
    return row | {
        "coverage_min": cases.coverage.min(),
        "training_seconds": runs.training_seconds.mean(),
        "epoch_seconds_median": runs.epoch_seconds_median.mean(),
        "memory_gib": memory.mean(),
        "memory_kind": "gpu_reserved" if on_gpu else "host",
        "step_tflops": runs.step_flops.mean() / 1e12,
        "step_saved_gib": runs.step_saved_bytes.mean() / GIB,
        "step_precision": "; ".join(runs.step_precision.unique()),
        "parameters": runs.parameters.mean(),
    }


def plain_rows(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    """For each row that of the plain nnU-Net that was trained alike.

    That is, on as many patients at the same matrix, for as many epochs.

    Args:
        table: Rows of :func:`experiment_rows`.
        config: The configuration of the cohort.

    Returns:
        The same columns, row by row beside ``table``; NaN where there is none.
    """
    plain = [
        counterpart(config, config.experiments[name], PLAIN)
        for name in table.experiment
    ]
    return (
        table.set_index("experiment", drop=False).reindex(plain).set_index(table.index)
    )


def _with_ratios(table: pd.DataFrame, config: Config) -> pd.DataFrame:
    """Add ratios to the plain row.

    Times are compared on the same device only, memory of the same kind only, saved
    bytes in the same precision only.
    """
    base, table = plain_rows(table, config), table.copy()
    for ratio, column in (
        ("time_ratio", "training_seconds"),
        ("memory_ratio", "memory_gib"),
        ("flops_ratio", "step_tflops"),
        ("saved_ratio", "step_saved_gib"),
    ):
        table[ratio] = table[column] / base[column]
    table.loc[table.device_name != base.device_name, "time_ratio"] = np.nan
    table.loc[table.memory_kind != base.memory_kind, "memory_ratio"] = np.nan
    table.loc[table.step_precision != base.step_precision, "saved_ratio"] = np.nan
    return table
