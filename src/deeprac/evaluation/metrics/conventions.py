"""What overlap and surface Dice are where the reference or the prediction is empty.

========  ==========  =================  =================
name      both empty  only one is empty  used by
========  ==========  =================  =================
nnunet    NaN         0                  nnU-Net, our files
kits23    1           0                  KiTS23
========  ==========  =================  =================

Distances and percentages have no value in these cases under either convention.
"""

import pandas as pd

from deeprac.evaluation.metrics.regions import regions_titled
from deeprac.records.catalogue import METRICS

BOTH_EMPTY: dict[str, float] = {"nnunet": float("nan"), "kits23": 1.0}
"""Value of overlap and surface Dice when reference and prediction are both empty."""

COLUMNS = tuple(
    name
    for name, metric in METRICS.items()
    if metric.kind == "share" and name != "coverage"
)
"""The columns that a convention is about; coverage is no comparison of two masks."""


def with_convention(cases: pd.DataFrame, convention: str) -> pd.DataFrame:
    """Write the empty cases of a table by one of the conventions.

    Args:
        cases: columns ``label``, ``volume_ml``, ``reference_volume_ml`` and any
            metrics of ``cases.csv``, by either convention; all labels of the cohort.
        convention: ``nnunet`` or ``kits23``.

    Returns:
        A copy. ``nsd_kits`` of labels that are no KiTS class stays NaN.

    Raises:
        ValueError: The convention is unknown.
    """
    if convention not in BOTH_EMPTY:
        raise ValueError(f"conventions are {tuple(BOTH_EMPTY)}, not {convention!r}")
    changed = cases.copy()
    empty = (cases.volume_ml == 0) & (cases.reference_volume_ml == 0)
    for column in COLUMNS:
        if column in cases:
            defined = has_kits_class(cases) | (column != "nsd_kits")
            values = cases[column].astype(float)
            changed[column] = values.mask(empty & defined, BOTH_EMPTY[convention])
    return changed


def has_kits_class(cases: pd.DataFrame) -> "pd.Series[bool]":
    """Which rows are of a label that is a KiTS class, and so have ``nsd_kits``.

    Args:
        cases: column ``label``, with all labels of the cohort.
    """
    regions = regions_titled(set(cases.label))
    classes = [r.title for r in regions if r.kits_tolerance_mm is not None]
    return cases.label.isin(classes)
