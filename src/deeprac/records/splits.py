"""splits_final.json: the folds, in nnU-Net's format."""

from pathlib import Path

import pandas as pd

from deeprac.errors import SplitError
from deeprac.files import read_json
from deeprac.records.cases import read_cases
from deeprac.records.tidy import shortened

Split = dict[str, list[str]]
"""One fold: the cases under "train" and, held out, under "val"."""


def read_splits(path: Path) -> list[Split]:
    """Read all folds.

    Raises:
        SplitError: The file is missing.
    """
    if not path.is_file():
        raise SplitError(f"The folds are missing: {path}. Run `deeprac splits`.")
    return read_json(path)


def read_split(path: Path, fold: int) -> Split:
    """Read one fold.

    Raises:
        SplitError: The file is missing, or has no such fold.
    """
    splits = read_splits(path)
    if not 0 <= fold < len(splits):
        raise SplitError(
            f"Fold {fold} does not exist: {path} has {len(splits)} folds, numbered "
            "from 0. Name one of them with --fold."
        )
    return splits[fold]


def held_out_cases(
    cases_csv: Path, splits: Path, fold: int, columns: tuple[str, ...] = ("case",)
) -> pd.DataFrame:
    """Rows of cases.csv of the cases that a fold did not train on.

    Args:
        cases_csv: Table of the cohort.
        splits: The folds.
        fold: Number of the fold.
        columns: Columns of cases.csv that must be there.

    Returns:
        One row per case, in the order of the fold; see :func:`read_cases`.

    Raises:
        SplitError: There is no such fold, or the cohort lacks one of its cases.
        MetricsError: The table of the cohort is missing or foreign.
    """
    held_out = read_split(splits, fold)["val"]
    cases = read_cases(cases_csv, columns)
    unknown = [case for case in held_out if case not in cases.index]
    if unknown:
        raise SplitError(
            f"Fold {fold} of {splits} names cases that {cases_csv} does not list: "
            f"{shortened(unknown)}. The cohort changed after the split: run "
            "`deeprac splits` again."
        )
    return cases.loc[held_out]
