"""The cases that a fold did not train on."""

import pandas as pd

from deeprac.errors import RunError
from deeprac.files import read_json
from deeprac.layout import Layout
from deeprac.records.cases import read_cases


def held_out_cases(layout: Layout, fold: int) -> pd.DataFrame:
    """Return the rows of the cohort's table of a fold's held-out cases.

    Args:
        layout: where the files are.
        fold: number of the fold.

    Returns:
        Rows of ``cases.csv`` in the order of the fold.

    Raises:
        RunError: there is no such fold, or the cohort lacks one of its cases.
    """
    folds = read_json(layout.splits)
    if not 0 <= fold < len(folds):
        raise RunError(
            f"Fold {fold} does not exist: {layout.splits} has {len(folds)} folds, "
            "numbered from 0. Name one of them with --fold."
        )
    cases = read_cases(layout.cases_csv).set_index("case", drop=False)
    held_out = folds[fold]["val"]
    missing = sorted(set(held_out) - set(cases.index))
    if missing:
        raise RunError(
            f"Fold {fold} of {layout.splits} names cases that {layout.cases_csv} does "
            f"not have: {', '.join(missing)}. Run `deeprac splits` again."
        )
    return cases.loc[held_out]
