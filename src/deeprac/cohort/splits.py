"""Folds for cross-validation: by patient, stratified by tumour volume and side."""

import logging
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deeprac.cohort.case import Side
from deeprac.errors import SplitError
from deeprac.files import read_json
from deeprac.records.case_split import CV, TEST, of_split
from deeprac.records.splits import Split, unseen

logger = logging.getLogger(__name__)


def make_splits(cases: pd.DataFrame, *, folds: int, seed: int) -> list[Split]:
    """Split the patients of a cohort into folds.

    Patients are sorted into strata (no tumour, or a third of the tumour volumes; side),
    shuffled within each, and dealt to the folds in rounds: so every stratum spreads
    over the folds, and folds differ by at most one patient; within a round, the patient
    with most cases goes to the fold with fewest. The result depends on the patients and
    the seed, not on the order of the table.

    Args:
        cases: table with the columns case, patient, tumour_ml and side; with test
            cases, split.
        folds: number of folds.
        seed: of the shuffle.

    Returns:
        The folds in nnU-Net's format, cases sorted by name.

    Raises:
        SplitError: there are fewer patients than folds.
    """
    test = sorted(of_split(cases, TEST)["case"])
    in_folds = of_split(cases, CV)
    patients = _patients(in_folds)
    if len(patients) < folds:
        raise SplitError(
            f"splits.folds is {folds}, but the cohort has {len(patients)} patients: "
            "every fold needs one. Lower splits.folds or add patients."
        )
    fold_of = _deal(patients, folds, np.random.default_rng(seed))
    by_fold: list[list[str]] = [[] for _ in range(folds)]
    for case, patient in zip(in_folds["case"], in_folds["patient"], strict=True):
        by_fold[fold_of[patient]].append(case)
    everything = sorted(in_folds["case"])
    splits = [
        {
            "train": [case for case in everything if case not in set(val)],
            "val": sorted(val),
            **({"test": test} if test else {}),
        }
        for val in by_fold
    ]
    check_splits(splits, cases)
    return splits


def given_splits(path: Path, cases: pd.DataFrame, *, folds: int) -> list[Split]:
    """Read folds of somebody's own: those that are published, or of another cohort.

    Args:
        path: a file in nnU-Net's format (``splits_final.json``).
        cases: as for :func:`make_splits`; test cases are those of the table.
        folds: ``splits.folds``, how many there have to be.

    Raises:
        SplitError: the file is missing, has another format or number of folds, or they
            cannot be used (:func:`check_splits`).
    """
    if not path.is_file():
        raise SplitError(
            f"splits.file is {path}, which does not exist. Correct it: it is relative "
            f"to {Path.cwd()}."
        )
    try:
        found = read_json(path)
    except ValueError:  # no JSON, or no text
        found = None
    if not _in_nnunets_format(found):
        raise SplitError(
            f"{path} (splits.file) is not in nnU-Net's format: a list with one "
            '{"train": [CASE, ...], "val": [CASE, ...]} per fold. Correct it.'
        )
    if len(found) != folds:
        raise SplitError(
            f"{path} (splits.file) has {len(found)} folds, but splits.folds is {folds}."
            " Set that to the number of folds in the file."
        )
    test = sorted(of_split(cases, TEST)["case"])
    splits = [
        {part: sorted(split[part]) for part in ("train", "val")}
        | ({"test": test} if test else {})
        for split in found
    ]
    check_splits(splits, cases, file=path)
    return splits


def _in_nnunets_format(content: Any) -> bool:
    return isinstance(content, list) and all(
        isinstance(split, dict)
        and all(
            isinstance(split.get(part), list)
            and all(isinstance(case, str) for case in split[part])
            for part in ("train", "val")
        )
        for split in content
    )


def _patients(cases: pd.DataFrame) -> pd.DataFrame:
    """What patients are balanced by, one row each, sorted by name.

    Columns: volume, the third in which the tumour's volume lies, 0 without tumour; side
    of the tumour; number of cases. Volumes add up over the cases.
    """
    of_patient = cases.groupby("patient")
    volume_ml = of_patient["tumour_ml"].sum()
    positive = volume_ml[volume_ml > 0]
    edges = np.quantile(positive, [1 / 3, 2 / 3]) if len(positive) else np.zeros(2)
    third = np.where(volume_ml > 0, 1 + np.searchsorted(edges, volume_ml), 0)
    sides = of_patient["side"].agg(lambda side: _join_sides(set(side)))
    return pd.DataFrame({"volume": third, "side": sides, "cases": of_patient.size()})


def _join_sides(sides: set[str]) -> str:
    """Side of a patient with several cases."""
    sides = sides - {Side.NONE.value}
    if not sides:
        return Side.NONE.value
    return sides.pop() if len(sides) == 1 else Side.BILATERAL.value


def _deal(
    patients: pd.DataFrame, folds: int, rng: np.random.Generator
) -> dict[str, int]:
    """Deal the patients round the folds, stratum after stratum, in random order."""
    order: list[str] = []
    for _, stratum in patients.groupby(["volume", "side"]):
        order += [stratum.index[i] for i in rng.permutation(len(stratum))]
    turn = rng.permutation(folds)
    fold_of: dict[str, int] = {}
    cases_in = np.zeros(folds, int)
    for start in range(0, len(order), folds):
        # One patient to every fold; the one with most cases to the emptiest.
        once = order[start : start + folds]
        once.sort(key=lambda patient: -patients["cases"][patient])
        emptiest = turn[np.argsort(cases_in[turn], kind="stable")]
        for name, fold in zip(once, emptiest, strict=False):
            fold_of[name] = int(fold)
            cases_in[fold] += patients["cases"][name]
    return fold_of


def subset(
    train_cases: Sequence[str],
    cases: pd.DataFrame,
    *,
    count: int,
    seed: int,
    asked_by: str,
) -> list[str]:
    """Choose the cases of a number of training patients.

    All training patients are put into one order, and the first ones are taken, so that
    smaller sets are part of larger ones. Each stratum (no tumour, or a third of the
    tumour volumes) is shuffled and spread evenly over the order: in the first patients
    it has about the share that it has in all.

    Args:
        train_cases: training cases of the fold.
        cases: table with the columns case, patient, tumour_ml and side.
        count: number of patients to choose.
        seed: of the order; the same for all methods and seeds of a fold, or their
            patients differ.
        asked_by: what sets ``count``, for the message.

    Returns:
        All cases of the chosen patients, sorted by name.

    Raises:
        SplitError: the fold has fewer training patients.
    """
    training = cases[cases["case"].isin(set(train_cases))]
    order = _nested_order(_patients(training), np.random.default_rng(seed))
    if not 1 <= count <= len(order):
        raise SplitError(
            f"{asked_by} is {count}, but the fold has {len(order)} training patients. "
            f"Choose 1 to {len(order)}, or leave it empty for all."
        )
    return sorted(training["case"][training["patient"].isin(order[:count])])


def _nested_order(patients: pd.DataFrame, rng: np.random.Generator) -> list[str]:
    """Every patient's place in the order is a share of its stratum, evenly spaced."""
    place: dict[str, float] = {}
    for _, stratum in patients.groupby("volume"):
        start = rng.uniform()
        for i, member in enumerate(rng.permutation(len(stratum))):
            place[stratum.index[member]] = (i + start) / len(stratum)
    return sorted(place, key=lambda name: (place[name], name))


def check_splits(
    splits: Sequence[Split], cases: pd.DataFrame, *, file: Path | None = None
) -> None:
    """Make sure that no patient leaks and that every case is predicted once.

    Args:
        splits: all folds.
        cases: table of the cohort.
        file: where they come from, if not from ``deeprac splits``.

    Raises:
        SplitError: listing all problems: unknown cases, a patient on both sides of a
            fold or in the validation part of two folds, a case validated never, test
            cases that a fold does not have as such.
    """
    patient_of = dict(zip(cases["case"], cases["patient"], strict=True))
    problems = []
    for fold, split in enumerate(splits):
        unknown = sorted({*split["train"], *unseen(split)} - set(patient_of))
        if unknown:
            problems.append(f"fold {fold} names cases that are not in the cohort: "
                            f"{_some(unknown)}")  # fmt: skip
    test = set(of_split(cases, TEST)["case"])
    if problems := problems or _leaks(splits, patient_of, test):
        remedy = "Delete splits_final.json to have it made anew, or correct it."
        if file is not None:
            remedy = "Correct the file: cases are named as in cohort/cases.csv."
        raise SplitError(
            f"The splits{f' of {file}' if file else ''} cannot be used: "
            f"{'; '.join(problems)}. {remedy}"
        )


def _leaks(
    splits: Sequence[Split], patient_of: Mapping[str, str], test: Set[str]
) -> list[str]:
    problems: list[str] = []
    val_fold: dict[str, int] = {}
    for fold, split in enumerate(splits):
        val = {patient_of[case] for case in split["val"]}
        seen = {patient_of[case] for case in split["train"]}
        tested = {patient_of[case] for case in test}
        for part, patients in (("val", val), ("test", tested)):
            if leaking := sorted(patients & seen):
                problems.append(
                    f"patients in train and {part} of fold {fold}: {_some(leaking)}"
                )
        if test != set(split.get("test", ())) or test & set(split["val"]):
            problems.append(f"the test cases are not those under test of fold {fold}")
        for patient in sorted(val):
            if patient in val_fold:
                problems.append(
                    f"patient {patient} is in val of folds {val_fold[patient]}, {fold}"
                )
            val_fold.setdefault(patient, fold)
    validated = {case for split in splits for case in split["val"]}
    missing = sorted(set(patient_of) - validated - test)
    if missing:
        problems.append(f"cases in no val: {_some(missing)}")
    return problems


def warn_without_tumour(splits: Sequence[Split], cases: pd.DataFrame) -> list[int]:
    """Warn of folds whose validation cases have no tumour; returns their numbers."""
    with_tumour = set(cases["case"][cases["tumour_ml"] > 0])
    empty = [i for i, split in enumerate(splits) if not with_tumour & set(split["val"])]
    for fold in empty:
        logger.warning(
            "fold %d has no tumour among its %d validation cases: it adds nothing to "
            "the tumour's n in the tables",
            fold,
            len(splits[fold]["val"]),
        )
    return empty


def _some(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
