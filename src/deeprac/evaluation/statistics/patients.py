"""From cases to patients, and the spread of what is not a patient: seeds and folds."""

import numpy as np
import pandas as pd

from deeprac.evaluation.statistics.estimates import (
    Estimate,
    mean_interval,
    sd_difference_interval,
)

ROUNDING = 12
"""Decimals of a difference; what lies below is rounding, and would break ties."""


def in_order(cases: pd.DataFrame) -> pd.DataFrame:
    """Rows of summary/cases.csv in one order: sums of floats depend on it."""
    keys = ["experiment", "label", "patient", "case", "seed", "fold"]
    return cases.sort_values(keys, ignore_index=True)


def patient_means(cases: pd.DataFrame, column: str, *keys: str) -> pd.DataFrame:
    """Mean of a column for each patient: over the patient's cases, then over seeds.

    Args:
        cases: columns patient, seed, ``column`` and ``keys``; NaN is left out.
        column: what is averaged.
        keys: columns that are kept apart, such as experiment and label.

    Returns:
        Columns ``keys``, patient and ``column``, in the order of ``cases``; NaN where a
        patient has no value at all.
    """
    groups = [*keys, "patient"]
    by_seed = cases.groupby([*groups, "seed"], sort=False)[column].mean()
    by_patient = by_seed.groupby(level=list(range(len(groups))), sort=False)
    return by_patient.mean().reset_index()


def patient_dice(cases: pd.DataFrame) -> pd.DataFrame:
    """Dice of each patient: mean over the patient's cases, then over seeds.

    Args:
        cases: columns of summary/cases.csv.

    Returns:
        Columns experiment, label, patient, dice; patients whose label is empty in
        reference and prediction alike have NaN.
    """
    return patient_means(cases, "dice", "experiment", "label")


def on_common_runs(cases: pd.DataFrame, column: str) -> pd.DataFrame:
    """Rows of experiments that are compared, on the runs that all of them have.

    Args:
        cases: columns experiment, seed, fold and ``column``.
        column: what is compared.

    Returns:
        The same rows; ``column`` is NaN in runs, by seed and fold, that one of the
        experiments lacks.
    """
    having = cases.groupby(["seed", "fold"]).experiment.transform("nunique")
    common = having == cases.experiment.nunique()
    return cases.assign(**{column: cases[column].where(common)})


class CommonScores:
    """Dice of patients for comparisons: over the runs that all sides have."""

    def __init__(self, cases: pd.DataFrame) -> None:
        """Take all that may be compared.

        Args:
            cases: columns of summary/cases.csv.
        """
        self._cases = cases
        self._scores = patient_dice(cases)
        keys = cases[["experiment", "seed", "fold"]].drop_duplicates()
        self._runs = {
            name: frozenset(zip(runs.seed, runs.fold, strict=True))
            for name, runs in keys.groupby("experiment")
        }

    def of(self, *experiments: str) -> pd.DataFrame:
        """Result of :func:`patient_dice` of some experiments, on their common runs."""
        if len({self._runs[name] for name in experiments}) == 1:
            return self._scores[self._scores.experiment.isin(experiments)]
        cases = self._cases[self._cases.experiment.isin(experiments)]
        return patient_dice(on_common_runs(cases, "dice"))


def paired(
    scores: pd.DataFrame, experiment: str, reference: str, *, column: str = "dice"
) -> pd.DataFrame:
    """Put the patients' values of two experiments side by side.

    Args:
        scores: columns experiment, patient and ``column``, one row per experiment and
            patient (of one label).
        experiment: name of the experiment.
        reference: name of the experiment that it is compared with.
        column: what is compared.

    Returns:
        Columns experiment and reference, one row per patient who has a value in both,
        ordered by patient.
    """
    values = scores.set_index(["experiment", "patient"])[column]
    both = {
        role: values[values.index.get_level_values(0) == name].droplevel(0)
        for role, name in (("experiment", experiment), ("reference", reference))
    }
    return pd.DataFrame(both).dropna().sort_index()


def differences(scores: pd.DataFrame, experiment: str, reference: str) -> np.ndarray:
    """Dice of experiment minus reference of each patient; see :func:`paired`."""
    pairs = paired(scores, experiment, reference)
    return (pairs.experiment - pairs.reference).to_numpy(float).round(ROUNDING)


def paired_difference(
    scores: pd.DataFrame, experiment: str, reference: str
) -> Estimate:
    """Mean over patients of experiment minus reference; see :func:`paired`."""
    return mean_interval(differences(scores, experiment, reference))


def paired_sd_difference(
    scores: pd.DataFrame, experiment: str, reference: str
) -> Estimate:
    """SD over patients (ddof 1) of Dice of experiment minus that of reference.

    Patients are resampled as pairs. Two patients have an SD but no interval.
    """
    pairs = paired(scores, experiment, reference)
    return sd_difference_interval(pairs.experiment, pairs.reference)


def seed_sd(cases: pd.DataFrame) -> float:
    """Spread over seeds: SD (ddof 1) of the seeds' mean Dice over patients.

    Args:
        cases: columns seed, patient and dice of one experiment and label.

    Returns:
        The SD; NaN with one seed.
    """
    by_patient = cases.groupby(["seed", "patient"]).dice.mean()
    return float(by_patient.groupby(level="seed").mean().std(ddof=1))
