"""What must hold of metric tables before experiments may be compared.

Each check takes a table with the columns of metrics.csv and raises
:class:`~deeprac.errors.MetricsError`; none changes the table.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from deeprac.errors import MetricsError
from deeprac.evaluation.metrics.consistency import rules
from deeprac.evaluation.metrics.regions import regions_titled
from deeprac.records.case_split import CV, TEST, of_split
from deeprac.records.catalogue import METRICS
from deeprac.records.tidy import shortened

RUN_OF_CASE = ["experiment", "seed", "fold", "case"]
"""What a case is predicted once for, and a case of the folds in one fold only."""

ROUNDING_ML = 1e-6
"""Largest difference of two volumes of the same reference."""


def check_rows(table: pd.DataFrame, path: Path, *, remedy: str) -> None:
    """Each case has one row per region of the cohort, with values that can be.

    Args:
        table: one run's metrics, or those of all runs.
        path: where the table is from.
        remedy: what the user does otherwise.
    """
    twice = table[table.duplicated([*RUN_OF_CASE, "label"])]
    if len(twice):
        case, label = twice.iloc[0][["case", "label"]]
        raise MetricsError(f"{path} lists the {label} of case {case} twice. {remedy}")
    labels = [region.title for region in regions_titled(set(table.label))]
    by_case = table.groupby(RUN_OF_CASE)
    # None is there twice, so a case with as many rows as labels, all known, has each.
    wrong = by_case.label.transform("size") != len(labels)
    wrong |= ~table.label.isin(labels)
    if wrong.any():
        key = min(table[wrong][RUN_OF_CASE].itertuples(index=False, name=None))
        found = by_case.get_group(key).label
        raise MetricsError(
            f"{path} needs one row for each of {', '.join(labels)}; case {key[-1]} has "
            f"{', '.join(found)}. {remedy}"
        )
    shares = tuple(name for name, metric in METRICS.items() if metric.kind == "share")
    check_shares(table, shares, path, remedy=remedy)
    for rule in rules(table):
        if rule.broken.any():
            row = table[rule.broken].iloc[0]
            value = row[rule.column]
            raise MetricsError(
                f"{path}: {rule.column} {rule.text}; for the {row.label} of case "
                f"{row.case} it is {'empty' if pd.isna(value) else f'{value:g}'}. "
                f"{remedy}"
            )


def check_shares(
    table: pd.DataFrame, columns: tuple[str, ...], path: Path, *, remedy: str
) -> None:
    """Shares lie in 0..1 where they are not empty."""
    for column in columns:
        wrong = table[table[column].notna() & ~table[column].between(0, 1)]
        if len(wrong):
            raise MetricsError(
                f"{column} lies in 0..1; {path} has {wrong[column].iloc[0]:g} for case "
                f"{wrong.case.iloc[0]}. {remedy}"
            )


def check_held_out(table: pd.DataFrame, held_out: Iterable[str], path: Path) -> None:
    """The table of a fold lists exactly the cases that the fold holds out."""
    expected, found = set(held_out), set(table.case)
    if expected != found:
        raise MetricsError(
            f"{path} must list the held-out cases of its fold; "
            f"{_difference('missing', expected - found)}"
            f"{_difference('not held out', found - expected)}"
            "run `deeprac predict` and `deeprac evaluate` again."
        )


def _difference(name: str, wrong: Iterable[str]) -> str:
    listed = shortened(sorted(wrong))
    return f"{name}: {listed}; " if listed else ""


def check_comparable(cases: pd.DataFrame) -> None:
    """All runs saw the same cases, each once, with the same references and rules."""
    schemas = sorted(map(str, cases.schema.unique()))
    if len(schemas) > 1:
        raise MetricsError(
            "Experiments are compared by the same metrics; those of some runs are of "
            f"schema {schemas[0]}, of others of {', '.join(schemas[1:])}. Run "
            "`deeprac evaluate` again for all runs."
        )
    check_no_case_twice(cases)
    check_same_cases(cases)
    _check_same_reference(cases)


def check_no_case_twice(cases: pd.DataFrame) -> None:
    """A case is held out in one fold only; test cases are predicted by every fold."""
    held_out = of_split(cases, CV)
    twice = held_out[held_out.duplicated(["experiment", "seed", "case", "label"])]
    if len(twice):
        row = twice.iloc[0]
        raise MetricsError(
            f"A case is predicted once per experiment and seed, by the fold that "
            f"did not see it; case {row.case} of {row.experiment} (seed {row.seed}) is "
            "held out in several folds. Run `deeprac splits` and all later stages "
            "again."
        )


def check_same_cases(cases: pd.DataFrame) -> None:
    """All experiments and seeds saw the same cases in each fold that they have."""
    for _, of_fold in cases.groupby("fold"):
        _check_same_cases(of_fold)
    test = of_split(cases, TEST)
    if test.empty:
        return
    by_fold = {fold: set(rows.case) for fold, rows in test.groupby("fold")}
    everywhere = set.intersection(*by_fold.values())
    if partly := sorted(set(test.case) - everywhere):
        raise MetricsError(
            "Every fold predicts all test cases; some lack "
            f"{shortened(partly)}. Run `deeprac predict` and `deeprac evaluate` again "
            "for these folds."
        )


def _check_same_cases(of_fold: pd.DataFrame) -> None:
    keys = ["experiment", "seed"]
    sets = {key: set(rows.case) for key, rows in of_fold.groupby(keys)}
    (first, reference), *others = sets.items()
    for key, found in others:
        if found != reference:
            raise MetricsError(
                "Experiments are compared on the same cases; "
                f"{_named(first)} and {_named(key)} differ. "
                f"{_difference(f'only in {_named(first)}', reference - found)}"
                f"{_difference(f'only in {_named(key)}', found - reference)}"
                "predict and evaluate the missing ones."
            )


def _named(key: tuple[str, int] | tuple[str, int, int]) -> str:
    """Experiment and seed in words, and the fold where it is told."""
    experiment, seed, *fold = key
    return f"{experiment} (seed {seed}{''.join(f', fold {n}' for n in fold)})"


def _check_same_reference(cases: pd.DataFrame) -> None:
    """The same case has one patient and one reference, whoever segments it."""
    groups = cases.groupby(["case", "label"])
    volumes = groups.reference_volume_ml
    for column, differ in (
        ("patient", groups.patient.nunique() != 1),
        ("reference_volume_ml", ~(volumes.max() - volumes.min() <= ROUNDING_ML)),
    ):
        for case, label in differ.index[differ]:
            found = groups.get_group((case, label))[column].unique()
            raise MetricsError(
                f"Experiments are compared on the same references; {column} of "
                f"case {case} ({label}) differs between runs: "
                f"{shortened(list(map(str, found)))}. The cohort changed in between: "
                "run `deeprac evaluate` again for all runs."
            )


def check_runs(
    table: pd.DataFrame, selected: set[tuple[str, int, int]], path: Path, *, remedy: str
) -> None:
    """A table of all runs holds exactly the selected ones.

    Args:
        table: columns experiment, seed and fold.
        selected: experiment, seed and fold of each run.
        path: where the table is from.
        remedy: what the user does otherwise.
    """
    keys = table[["experiment", "seed", "fold"]].drop_duplicates()
    found = set(keys.itertuples(index=False, name=None))
    if found != selected:
        raise MetricsError(
            f"{path} does not hold the runs that run.experiments, run.seeds and "
            "run.folds select; "
            f"{_difference('missing', map(_named, selected - found))}"
            f"{_difference('not selected', map(_named, found - selected))}{remedy}"
        )
