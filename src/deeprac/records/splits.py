"""splits_final.json: the folds, in nnU-Net's format."""

from pathlib import Path

import pandas as pd

from deeprac.errors import SplitError
from deeprac.files import read_json
from deeprac.records.cases import read_cases
from deeprac.records.tidy import shortened

Split = dict[str, list[str]]
"""One fold: cases under "train", held-out ones under "val", test cases under "test".

A cohort without test cases has no "test"."""


def unseen(split: Split) -> list[str]:
    """The cases that a fold's run predicts: all that it does not train on.

    Example:
        >>> unseen({"train": ["a"], "val": ["b"], "test": ["t"]})
        ['b', 't']
    """
    return [*split["val"], *split.get("test", ())]


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
        cases_csv: table of the cohort.
        splits: the folds.
        fold: number of the fold.
        columns: columns of cases.csv that must be there.

    Returns:
        One row per case in the order of :func:`unseen`; see :func:`read_cases`.

    Raises:
        SplitError: There is no such fold, or the cohort lacks one of its cases.
        MetricsError: The table of the cohort is missing or foreign.
    """
    held_out = unseen(read_split(splits, fold))
    cases = read_cases(cases_csv, columns)
    unknown = [case for case in held_out if case not in cases.index]
    if unknown:
        raise SplitError(
            f"Fold {fold} of {splits} names cases that {cases_csv} does not list: "
            f"{shortened(unknown)}. The cohort changed after the split: run "
            "`deeprac splits` again."
        )
    return cases.loc[held_out]
