"""From cases to values of patients and seeds: the one place where they are averaged.

A value is that of a patient in the trainings of a seed: the mean over the patient's
cases, and over the folds where several predicted them. Means of patients are those over
the seeds; what a training is like is said of each seed before seeds are averaged.
"""

import numpy as np
import pandas as pd

ROUNDING = 12
"""Decimals of a difference; what lies below is rounding, and would break ties."""


def in_order(cases: pd.DataFrame) -> pd.DataFrame:
    """Rows of summary/cases.csv in one order: sums of floats depend on it."""
    keys = ["experiment", "label", "patient", "case", "seed", "fold"]
    return cases.sort_values(keys, ignore_index=True)


def patient_seed_means(
    cases: pd.DataFrame, columns: list[str], *keys: str
) -> pd.DataFrame:
    """Mean of columns for each patient and seed, over the patient's cases.

    Args:
        cases: columns patient, seed, ``columns`` and ``keys``; NaN is left out.
        columns: what is averaged.
        keys: columns that are kept apart, such as experiment and label.

    Returns:
        ``columns``, indexed by ``keys``, patient and seed, in the order of ``cases``.
    """
    return cases.groupby([*keys, "patient", "seed"], sort=False)[columns].mean()


def patient_means(cases: pd.DataFrame, column: str, *keys: str) -> pd.DataFrame:
    """Mean of a column for each patient: over the patient's cases, then over seeds.

    Args:
        cases: as of :func:`patient_seed_means`.
        column: what is averaged.
        keys: columns that are kept apart.

    Returns:
        Columns ``keys``, patient and ``column``, in the order of ``cases``; NaN where a
        patient has no value at all.
    """
    by_seed = patient_seed_means(cases, [column], *keys)
    levels = [*keys, "patient"]
    return by_seed.groupby(level=levels, sort=False).mean().reset_index()


def seed_table(cases: pd.DataFrame, column: str = "dice") -> pd.DataFrame:
    """Values of one experiment and label, a row per patient and a column per seed.

    Args:
        cases: columns patient, seed and ``column``.
        column: what is averaged over the cases of a patient.
    """
    return patient_seed_means(cases, [column])[column].unstack("seed").sort_index()


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """The largest part of a table of patients and seeds that has no gap.

    Seeds with fewer gaps come first; of parts of one size the one with most seeds is
    taken, and the patients who have a value in all of them.

    Example:
        >>> table = pd.DataFrame({0: [1.0, 2.0, 3.0], 1: [4.0, 5.0, None]})
        >>> complete(table).shape
        (2, 2)
    """
    if table.columns.empty:
        return table.iloc[:0]
    if not np.isnan(table.to_numpy(float)).any():
        return table
    seeds = table.isna().sum().sort_values(kind="stable").index
    parts = [table[seeds[:count]].dropna() for count in range(len(seeds), 0, -1)]
    return max(parts, key=lambda part: part.size).sort_index(axis=1)


def training_sd(table: pd.DataFrame) -> float:
    """SD over patients (ddof 1) within a training, mean over the trainings.

    This is the SD that papers print, who train once; that of the patients' means over
    seeds is smaller, and no network has it.

    Args:
        table: result of :func:`seed_table`.
    """
    return float(table.std(ddof=1).mean())


def seed_sd(table: pd.DataFrame) -> float:
    """Spread over seeds: SD (ddof 1) of the seeds' means over patients.

    Args:
        table: result of :func:`seed_table`.

    Returns:
        The SD; NaN with one seed.
    """
    return float(table.mean().std(ddof=1))


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


def seed_differences(
    cases: pd.DataFrame, experiment: str, reference: str
) -> pd.DataFrame:
    """Dice of experiment minus reference, paired by patient and seed.

    Args:
        cases: columns experiment, patient, seed, fold and dice of one label.
        experiment: name of the experiment.
        reference: name of the experiment that it is compared with.

    Returns:
        The :func:`complete` part of the table, a row per patient and a column per seed:
        runs, by seed and fold, that one side lacks are in neither.
    """
    both = on_common_runs(cases[cases.experiment.isin([experiment, reference])], "dice")
    own, other = (
        seed_table(both[both.experiment == name]) for name in (experiment, reference)
    )
    return complete((own - other).dropna(axis=1, how="all").round(ROUNDING))
