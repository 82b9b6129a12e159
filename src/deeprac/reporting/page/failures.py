"""How cases fail, and how many do."""

import pandas as pd

REASONS = ("missed", "false positive", "undefined", "low Dice", "cut off")
"""How a case can fail; see :func:`failures`."""


def failures(cases: pd.DataFrame, *, threshold: float) -> pd.DataFrame:
    """Rows of cases.csv that a reviewer wants to see first.

    Args:
        cases: Columns of summary/cases.csv.
        threshold: Dice below this is a failure.

    Returns:
        The rows with at least one reason, worst first, with a column ``reasons`` in
        front of the others: *missed* (reference but no prediction), *false positive*
        (prediction but no reference), *undefined* (Dice is NaN: neither has the
        label), *low Dice*, *cut off* (a part of the reference lies outside the
        network's input).
    """
    has_reference, has_prediction = cases.reference_volume_ml > 0, cases.volume_ml > 0
    found = {
        "missed": has_reference & ~has_prediction,
        "false positive": ~has_reference & has_prediction,
        "undefined": cases.dice.isna(),
        "low Dice": cases.dice < threshold,
        "cut off": cases.coverage < 1,
    }
    flags = pd.DataFrame(found)[list(REASONS)]
    reasons = [
        ", ".join(name for name, flag in zip(REASONS, row, strict=True) if flag)
        for row in flags.itertuples(index=False)
    ]
    table = cases.assign(reasons=reasons)[flags.any(axis=1)]
    return table.sort_values(["dice", "case", "experiment", "seed"], kind="stable")


def counted(table: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """Number of rows with each reason per experiment and label.

    Args:
        table: Result of :func:`failures`.
        cases: All rows, whose number per experiment and label is the column ``n``.
    """
    keys = ["experiment", "label"]
    counts = cases.groupby(keys, sort=False).size().rename("n").to_frame()
    flags = table.reasons.str.get_dummies(", ").reindex(columns=REASONS, fill_value=0)
    found = flags.groupby([table[key] for key in keys]).sum()
    return counts.join(found.reindex(counts.index, fill_value=0)).reset_index()
